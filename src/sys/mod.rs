//! The operating system, behind safe interfaces.

pub mod cancel;
pub mod contain;
pub mod copying;
pub mod credentials;
pub mod datagram;
pub mod descriptor;
pub mod environment;
pub mod eventfd;
pub mod exit;
pub mod faults;
pub mod file;
pub mod file_limit;
pub mod fork;
pub mod front_epoll;
mod futex;
#[cfg(feature = "gssapi")]
pub mod gssapi;
pub mod interface;
pub mod hash_map;
pub mod keylog;
pub mod late_wakes;
pub mod lines;
pub mod lock;
mod lock_order;
pub mod log;
pub mod mapped_file;
pub mod memory;
pub mod net;
pub mod net_adopt;
pub mod net_resolve;
#[cfg(feature = "norm")]
pub mod norm;
pub mod pages;
pub mod panics;
pub mod park;
pub mod retry;
pub mod pause;
#[cfg(feature = "pgm")]
pub mod pgm;
#[cfg(any(test, doc))]
pub mod platform;
pub mod poll;
pub mod probes;
pub mod random;
mod sigpipe;
pub mod stream;
pub mod thread;
pub mod thread_end;
pub mod thread_state;
pub mod timespec;
pub mod timestamp;
pub mod tipc;
pub mod vsock;
#[cfg(all(test, loom))]
pub mod weakened_twin;
