//! The tests that use the library as programs do, with real sockets, peers and time.
//!
//! They are one binary: the library is linked once, and tests that wait do so side by side. Most modules use the C interface.
//! `tests/support` holds what they share. A test belongs to the module of its subject:
//!
//! - calls and their answers: `answers`, `audited`, `bad_handles`, `conservation`, `conserved_through_faults`, `conserved_without_peers`, `context`, `forked`, `counted`, `counted_connections`, `counted_file`, `keys_logged`, `logged`, `monitor`, `poll`, `proxy`;
//! - threads that wait, and what wakes them: `event_loops`, `waiting`;
//! - what a socket type does: `disconnect_peer`, `last_value`, `marks`, `shares`;
//! - transports and connections: `datagrams`, `handed_over`, `received`, `reconnects`, `tls`, `websocket`;
//! - hostile peers, and limits on what peers take: `authenticators`, `floods`, `hostile`, `hostile_curve`, `hostile_tls`, `hostile_ws`, `limits`,
//!   `migration`, `secured`, `secured_limits`, `secured_rates`, `server_keys`;
//! - peers, descriptors and memory that are lost: `dead_peers`, `lost_descriptors`, `memory_returns`.
//!
//! Some tests fork, or close, limit or count what the whole process has. They run themselves in a child process:
//! `support::process::inside`. Signals go to one thread, by `support::signals`. A test that binds again to an address that it has
//! just let go of holds `support::process::no_child_begins`.
//!
//! Other binaries stay: `hostile_memory` and `fuzz_replay` replace `malloc`; `multicast` and `norm` need features of the package;
//! `symbols`, `header`, `layering` and their like read files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod audited;
mod authenticators;
mod bad_handles;
mod conservation;
mod conserved_through_faults;
mod conserved_without_peers;
mod context;
mod counted;
mod counted_connections;
#[cfg(target_os = "linux")]
mod counted_file;
mod datagrams;
mod dead_peers;
mod disconnect_peer;
mod event_loops;
mod floods;
mod forked;
mod handed_over;
mod hostile;
mod hostile_curve;
mod hostile_tls;
mod hostile_ws;
mod keys_logged;
mod last_value;
mod lent;
mod limits;
mod logged;
#[cfg(target_os = "linux")]
mod lost_descriptors;
mod marks;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod memory_returns;
mod migration;
mod monitor;
mod poll;
mod proxy;
mod qzmq;
mod received;
mod reconnects;
mod secured;
mod secured_limits;
mod secured_qzmq;
mod secured_rates;
mod server_keys;
mod shares;
#[cfg(target_os = "linux")]
mod shortages;
mod tls;
mod uncertified;
mod waiting;
mod websocket;
