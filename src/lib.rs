//! ferrozmq: `libzmq.so.5` in Rust.
//!
//! The modules are listed from the bottom up. A module uses only modules above it in this list;
//! `tests/layering` keeps that law. Only those marked † contain `unsafe` code.

pub mod errno;
pub mod sys; // †
pub mod crypto; // †
pub mod z85;
pub mod message; // †
pub mod options;
pub mod queue; // †
pub mod pipe;
pub mod engine;
pub mod transport;
pub mod reactor;
pub mod ctx;
pub mod session;
pub mod pattern;
pub mod socket;
pub mod poll;
pub mod ffi; // †
