//! Lock-free building blocks with no ØMQ idea in them.
//!
//! [`blocks`] is the one queue of the data plane: a single-producer single-consumer list of byte blocks. Its
//! atomics come from [`shim`], so that loom can run the same code under every interleaving. [`memo`] spares asking
//! a socket under its lock what it said a moment ago.

pub mod blocks;
pub mod memo;
pub mod shim;

#[cfg(all(test, loom))]
mod loom_tests;
