//! What sockets and connections count, always: messages, bytes, drops by reason, handshakes, system calls.
//!
//! A record is a few cache lines of 64-bit cells (`rows` names them). Its holder adds to it without a lock, and [`Snapshot`] copies
//! all of them.
//!
//! | record | held by | counts |
//! |---|---|---|
//! | [`ContextRecord`] | the context and its sockets | what closed sockets have counted |
//! | [`IoThreadRecord`] | the I/O thread | polls, events, wake-ups, time |
//! | [`SocketRecord`] | the socket, its sessions, listeners and pipes | drops, handshakes, what ended lanes have carried |
//! | [`ConnectionRecord`] | both halves of the connection | bytes on the stream, system calls |
//! | [`LaneRecord`] | both ends of a lane | messages and their bytes |
//!
//! Records lie in slots of a file where `FERROZMQ_STATS` asks for one, else on the heap: see `layout` and `arena`, the only file here with
//! `unsafe` code.
//!
//! To count something new, add a line to `rows`, and call `add` or `dropped` where it happens.

mod arena;
mod cells;
mod connection;
mod context;
mod file;
mod io_thread;
pub mod json;
mod lane;
mod layout;
mod registry;
mod rows;
mod slot;
mod snapshot;
mod socket;
mod times;

pub use connection::ConnectionCells;
pub use file::{InUse, STATS, StatsFile};
pub use lane::LaneCells;
pub use registry::{ConnectionRecord, ContextRecord, IoThreadRecord, LaneRecord, SocketRecord};
pub use rows::{ConnectionCounter, QZMQ, Reason, SocketCounter, of_qzmq};
pub use snapshot::{ConnectionCounts, Queues, Snapshot, SocketCounts};
