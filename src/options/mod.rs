//! Options of sockets and contexts.

mod socket;

pub use socket::{Mechanism, SocketOptions, SocketType};
