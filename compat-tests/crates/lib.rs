//! Empty: only this crate's dependencies matter.
