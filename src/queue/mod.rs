//! Lock-free building blocks that know nothing of ØMQ.
//!
//! [`blocks`] is the queue of the data plane: a single-producer single-consumer list of byte blocks. Its
//! atomics come from [`shim`], so that loom can run the same code under every interleaving. [`cached_answer`] caches
//! one answer of a socket, so that a caller need not take the socket's lock to ask again.

pub mod blocks;
pub mod cached_answer;
pub mod shim;

#[cfg(all(test, loom))]
mod loom_tests;
