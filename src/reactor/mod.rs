//! The I/O thread: readiness, timers and wakes for the sources that live on it.
//!
//! A [reactor](spawn_reactor) knows nothing of ØMQ. Its [`Source`]s (sessions, listeners, connecters) live on
//! one thread. Only that thread calls them, one at a time, so they need no lock for themselves. Everything
//! that crosses threads goes through a [`Handle`], which adds a source, or a [`Remote`], which wakes one.
//!
//! A turn is: sleep, then the ready descriptors, then the items from other threads, then the timers that are
//! due. Last come the sources that asked for another call in the turn before ([`SourceContext::again`]).
#![forbid(unsafe_code)]

mod inbox;
mod registered;
mod source_context;
mod table;
mod timers;
mod trim;
mod turn;
mod waker;

#[cfg(test)]
mod tests;

pub use inbox::{Handle, Remote};
pub use mio::Interest;
pub use source_context::SourceContext;
pub use table::Token;
pub use turn::spawn_reactor;

use crate::sys::fork::SetOnce;
use std::time::Instant;

/// An object that lives on an I/O thread, which alone calls it. The I/O thread drops it as well; its
/// descriptors then close and so leave the reactor.
///
/// A panic in one of these calls ends only this source, unless [`panicked`](Source::panicked) says otherwise.
pub trait Source: Send {
    /// A registered descriptor has become ready. Edge-triggered: readiness is not reported again before a
    /// read or write has returned `EAGAIN`. A source that stops earlier calls [`SourceContext::again`].
    fn ready(&mut self, cx: &mut SourceContext<'_>, ready: Ready);

    /// The timer `id` has fired. Set it again to repeat it.
    fn timer(&mut self, cx: &mut SourceContext<'_>, id: u8);

    /// A thread called [`Remote::wake`], once or several times, or this source called [`SourceContext::again`].
    fn wake(&mut self, cx: &mut SourceContext<'_>);

    /// The process has freed much memory and is idle now: the source frees its spare buffers.
    fn tidy(&mut self) {}

    /// A call has panicked. `true`: the source has discarded the work left half done and lives on. `false`:
    /// the reactor drops it.
    fn panicked(&mut self, _cx: &mut SourceContext<'_>) -> bool {
        false
    }
}

/// Makes a source on its I/O thread, where it can register descriptors and set timers at once.
pub type Make = Box<dyn FnOnce(&mut SourceContext<'_>) -> Box<dyn Source> + Send>;

/// The readiness of a descriptor.
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
    static EPOCH: SetOnce<Instant> = SetOnce::new();
    let since = at.saturating_duration_since(*EPOCH.get_or_make(|| at));
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
