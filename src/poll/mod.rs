//! Waiting: timers.
#![forbid(unsafe_code)]

mod timers;

pub use timers::{Pass, Timers};
