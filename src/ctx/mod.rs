//! A context: its sockets' mailboxes, its I/O threads, its inproc names and its end.
//!
//! It knows sockets only as objects to stop. Mailboxes, names and slots are only containers here.
#![forbid(unsafe_code)]

pub mod call;
mod context;
pub mod contexts;
mod handshakes;
mod inproc_names;
mod io_thread_count;
mod mailbox;
mod named_security;
mod slots;

pub use context::{Context, Guard, SocketId, SocketTicket};
pub use handshakes::{Grown, HandshakeTicket, Handshakes};
pub use inproc_names::{Left, Names};
pub use mailbox::{Mailbox, State};
pub use slots::{Path, Slot, SlotGuard, Slots};

/// An object that a context can stop: a socket's mailbox, or a handshake.
pub trait Stop: Send + Sync {
    /// Stops a mailbox: the context was shut down or is being terminated, and calls on the socket give
    /// `ETERM` from now on. Stops a handshake: it ends without having succeeded.
    fn stop(&self);
}
