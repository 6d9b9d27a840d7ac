//! The I/O thread: readiness, timers and wakes for whatever lives on it.
//!
//! A [reactor](spawn_reactor) knows nothing of ØMQ. Its [`Source`]s (sessions, listeners, connecters) live on one thread
//! and are called there only, one at a time, so they need no lock for themselves. Everything that crosses threads
//! goes through a [`Handle`] (give me a new source) or a [`Remote`] (look, I have left you something).
//!
//! A turn is: sleep, then the ready descriptors, then what other threads asked for, then the timers that are due,
//! then those who asked for another go in the turn before ([`Cx::again`]).
#![forbid(unsafe_code)]

mod cx;
mod inbox;
mod table;
mod timers;
mod trim;
mod turn;
mod waker;

#[cfg(test)]
mod tests;

pub use cx::Cx;
pub use inbox::{Handle, Make, Remote};
pub use mio::Interest;
pub use table::Token;
pub use turn::{OnLoss, spawn_reactor};

pub use crate::sys::thread::{Thread, ThreadSettings};

use std::sync::OnceLock;
use std::time::Instant;

/// Something that lives on an I/O thread and is called there only. When it is dropped, on that thread, its
/// descriptors close and so leave the reactor.
///
/// A panic in one of these calls ends the source, unless [`panicked`](Source::panicked) says otherwise, and nothing
/// else.
pub trait Source: Send {
    /// A registered descriptor has become ready. Edge-triggered: it is not said again before a read or write has
    /// answered `EAGAIN`; who stops earlier uses [`Cx::again`].
    fn ready(&mut self, cx: &mut Cx<'_>, ready: Ready);

    /// The timer `id` is due. It is gone; set it again to repeat it.
    fn timer(&mut self, cx: &mut Cx<'_>, id: u8);

    /// Somebody called [`Remote::wake`], once or often, or this source asked for it with [`Cx::again`].
    fn wake(&mut self, cx: &mut Cx<'_>);

    /// The process has given up much memory, and now nothing happens: what is kept only to be used again goes.
    fn tidy(&mut self) {}

    /// A call has panicked. `true`: the source has let go of whatever was left half done and lives on; else it is
    /// dropped next.
    fn panicked(&mut self, _cx: &mut Cx<'_>) -> bool {
        false
    }
}

/// What a descriptor is ready for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// A read will not block: there is data, the end of it, or an error.
    pub readable: bool,
    /// A write will not block.
    pub writable: bool,
    /// The peer will send no more; there may still be data to read.
    pub hangup: bool,
    /// The descriptor has an error (`SO_ERROR`).
    pub error: bool,
}

/// A point in time as milliseconds since the first call in this process: one scale for all I/O threads.
pub fn clock_ms(at: Instant) -> u64 {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    let since = at.saturating_duration_since(*EPOCH.get_or_init(|| at));
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
