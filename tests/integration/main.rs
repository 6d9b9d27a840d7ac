//! The tests that use the library as programs do: sockets, peers and time are real.
//!
//! One binary, so that the library is linked once and a test waits beside others. Most modules go through the C interface; what
//! they share is in `tests/support`. A test belongs to the module of what it is about:
//!
//! - calls and their answers: `answers`, `bad_handles`, `context`, `monitor`, `poll`, `proxy`;
//! - waiting, and who is woken: `event_loops`, `waiting`;
//! - transports and connections: `datagrams`, `handed_over`, `received`, `reconnects`, `websocket`;
//! - peers that mean no good: `floods`, `hostile`, `hostile_curve`, `hostile_ws`, `limits`, `server_keys`;
//! - peers, descriptors and memory that are gone: `dead_peers`, `lost_descriptors`, `memory_returns`.
//!
//! Tests run side by side here. One that forks, closes or limits what the process has, or counts what it holds, runs itself in a
//! child: `support::process::inside`. Signals are sent to one thread only, and their handlers do nothing.
//!
//! Binaries of their own stay: `hostile_memory` and `fuzz_replay`, which replace `malloc`; `multicast` and `norm`, which need
//! features of the package; `symbols`, `header`, `layering` and their like, which look at files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod bad_handles;
mod context;
mod datagrams;
mod dead_peers;
mod event_loops;
mod floods;
mod handed_over;
mod hostile;
mod hostile_curve;
mod hostile_ws;
mod limits;
#[cfg(target_os = "linux")]
mod lost_descriptors;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod memory_returns;
mod monitor;
mod poll;
mod proxy;
mod received;
mod reconnects;
mod server_keys;
mod waiting;
mod websocket;
