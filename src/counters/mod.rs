//! What sockets and connections count, always: messages, bytes, drops by reason, handshakes, system calls.
//!
//! A record is a few cache lines of 64-bit cells ([`rows`] names them). Its holder adds to it without a lock, and [`Snapshot`] copies
//! all of them.
//!
//! | record | held by | counts |
//! |---|---|---|
//! | [`SocketRecord`] | the socket, its sessions, listeners and pipes | drops, handshakes, what ended lanes have carried |
//! | [`ConnectionRecord`] | both halves of the connection | bytes on the stream, system calls |
//! | [`LaneRecord`] | both ends of a lane | messages and their bytes |
//!
//! To count something new, add a line to [`rows`], and call `add` or `dropped` where it happens.
#![forbid(unsafe_code)]

mod cells;
mod connection;
pub mod json;
mod lane;
mod registry;
mod rows;
mod snapshot;
mod socket;

pub use connection::ConnectionCells;
pub use lane::LaneCells;
pub use registry::{ConnectionRecord, LaneRecord, SocketRecord, next_number};
pub use rows::{ConnectionCounter, Reason, SocketCounter};
pub use snapshot::{ConnectionCounts, Queues, Snapshot, SocketCounts};
