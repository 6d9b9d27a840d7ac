//! ferrozmq: `libzmq.so.5` in Rust.
//!
//! What is public is the C interface, [`ffi`]: the functions, types and constants of `zmq.h` and `zmq_ferro.h`. Programs link the
//! library and include the headers. A Rust program that links this crate calls the same functions.
//!
//! All other modules are the library's own and may change with any version. Those that tests and fuzzing reach for are public, but
//! hidden. They are listed from the bottom up: a module uses only modules above it in this list; `tests/layering` keeps that
//! law. Only those marked † contain `unsafe` code.

#[doc(hidden)]
pub mod errno;
#[doc(hidden)]
pub mod sys; // †
#[doc(hidden)]
pub mod crypto; // †
#[doc(hidden)]
pub mod audit;
#[doc(hidden)]
pub mod z85;
#[doc(hidden)]
pub mod message; // †
#[doc(hidden)]
pub mod options;
pub(crate) mod queue; // †
#[doc(hidden)]
pub mod counters; // †
#[doc(hidden)]
pub mod pipe;
#[doc(hidden)]
pub mod engine;
#[doc(hidden)]
pub mod transport;
#[doc(hidden)]
pub mod security;
pub(crate) mod reactor;
#[doc(hidden)]
pub mod ctx;
#[doc(hidden)]
pub mod session;
#[doc(hidden)]
pub mod pattern;
pub(crate) mod socket;
pub(crate) mod poll;
pub mod ffi; // †

/// For tests, which share it with those in `tests/`.
#[cfg(test)]
#[path = "../tests/support/random.rs"]
mod random;
