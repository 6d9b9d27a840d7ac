//! A context: its sockets' mailboxes, its I/O threads, its inproc names and its end.
//!
//! It knows sockets only as something to stop, and mailboxes, names and slots only as containers.
#![forbid(unsafe_code)]

mod context;
mod mailbox;
mod names;
mod slots;

pub use context::{Context, Guard, SocketId, SocketTicket};
pub use mailbox::{Mailbox, State};
pub use names::{Left, Names};
pub use slots::{Slot, SlotGuard, Slots};

/// What a context can stop: a socket's mailbox.
pub trait Stop: Send + Sync {
    /// The context was shut down or is being terminated: calls on the socket give `ETERM` from now on.
    fn stop(&self);
}
