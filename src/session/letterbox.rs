//! What other threads leave for a session, until the I/O thread wakes it.
//!
//! A thread leaves something by one call, and the session takes everything by another. Two kinds of things are left here:
//! - [`Flags`]: something has happened to the session. A flag that is raised twice is one flag.
//! - [`Deferred`]: work that a thread of the program could not do on a connection itself.
//!
//! Laws:
//! - What led to a flag, or to deferred work, is visible to the session that takes it.
//! - Deferred work belongs to one connection. A thread that still holds a connection which has ended leaves nothing for the next.
//! - [`raise`](Letterbox::raise) wakes the session. Deferred work does not: the thread that defers has other things to do first,
//!   and wakes the session at the end of its call.

use crate::errno::Errno;
use crate::reactor::Remote;
use crate::session::connection::control;
use crate::sys::lock::Lock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

/// A set of things that have happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u32);

impl Flags {
    /// The socket published while the session slept.
    pub const READABLE: Flags = Flags(1);
    /// The socket granted credit while the session waited for it.
    pub const WRITABLE: Flags = Flags(2);
    /// The socket closed its end of the pipe.
    pub const PEER_CLOSED: Flags = Flags(4);
    /// The endpoint is to go.
    pub const TERMINATE: Flags = Flags(8);
    /// The authenticator has answered.
    pub const ZAP_REPLY: Flags = Flags(16);
    /// The handshake is to end, to make room for others.
    pub const MAKE_ROOM: Flags = Flags(32);
    /// The endpoint goes because the program has disconnected it.
    pub const DISCONNECT: Flags = Flags(64);

    /// The socket has set other high-water marks.
    pub const MARKS_CHANGED: Flags = Flags(128);

    /// There is deferred work. The letterbox's own.
    const DEFERRED: Flags = Flags(256);

    pub const fn or(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// Whether one of `other` at least is set.
    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 != 0
    }

    const fn without(self, other: Flags) -> Flags {
        Flags(self.0 & !other.0)
    }
}

/// What threads of the program leave of a connection for its session.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Deferred {
    /// Arm the timer that looks after the stream.
    pub arm_timer: bool,
    /// Receiving has panicked.
    pub panicked: bool,
    /// The stream could not be registered with the reactor: no thread would be told of it any more.
    pub failed: Option<Errno>,
    /// The stream took nothing, though it has room, or gave nothing, though there is something: no event will tell of that.
    pub refused: bool,
    /// Answers to the peer's commands.
    pub answers: Vec<u8>,
}

/// What a session finds when it is woken.
#[derive(Debug, Default)]
pub struct Mail {
    pub flags: Flags,
    pub deferred: Deferred,
}

/// A session's letterbox.
#[derive(Default)]
pub struct Letterbox {
    /// The bits of [`Flags`]. Other threads set them (Release), the session takes them all (Acquire): what led to a flag is visible
    /// to the session when it acts on it.
    flags: AtomicU32,
    /// Set once, by the session itself, before another thread knows of it.
    remote: OnceLock<Remote>,
    /// `ZMQ_LINGER` as it was when the program ended the endpoint. Set once, by the program's thread before it raises a flag of that.
    linger_ms: OnceLock<i32>,
    /// A leaf: nothing is locked while it is held.
    work: Lock<Work>,
}

#[derive(Default)]
struct Work {
    /// Which connection of the session it is of. They are counted, so that an old connection's number never comes again.
    connection: u64,
    deferred: Deferred,
}

/// The letterbox as one connection reaches it.
pub struct ConnectionLetterbox {
    letterbox: Arc<Letterbox>,
    connection: u64,
}

impl Letterbox {
    pub fn set_remote(&self, remote: Remote) {
        // The first stays: there is only one.
        let _ = self.remote.set(remote);
    }

    /// The endpoint ends: what is left may be sent for this number of milliseconds, and a later value of the option does not change that.
    pub fn set_linger_ms(&self, linger_ms: i32) {
        // The first counts: a socket that closes has no say in an endpoint that it has left before.
        let _ = self.linger_ms.set(linger_ms);
    }

    /// `None`: the endpoint has not ended by itself.
    pub fn linger_ms(&self) -> Option<i32> {
        self.linger_ms.get().copied()
    }

    /// Leaves a flag and wakes the session.
    pub fn raise(&self, flag: Flags) {
        self.leave(flag);
        if let Some(remote) = self.remote.get() {
            remote.wake();
        }
    }

    /// Leaves a flag for whenever the session is woken next.
    pub fn leave(&self, flag: Flags) {
        self.flags.fetch_or(flag.0, Ordering::Release);
    }

    /// Whether the session has been woken and has not been called for it yet.
    #[cfg(test)]
    pub fn is_woken(&self) -> bool {
        self.remote.get().is_some_and(Remote::is_woken)
    }

    /// For the session: all that lies there.
    pub fn take(&self) -> Mail {
        let flags = Flags(self.flags.swap(0, Ordering::Acquire));
        let deferred = if flags.has(Flags::DEFERRED) {
            std::mem::take(&mut self.work.lock().deferred)
        } else {
            Deferred::default()
        };
        Mail { flags: flags.without(Flags::DEFERRED), deferred }
    }

    /// The session has a new connection: work that was deferred for an earlier one is void.
    pub fn for_connection(self: &Arc<Self>) -> ConnectionLetterbox {
        let mut work = self.work.lock();
        *work = Work { connection: work.connection.wrapping_add(1), deferred: Deferred::default() };
        ConnectionLetterbox { letterbox: Arc::clone(self), connection: work.connection }
    }

    /// The session's connection has ended: work that was deferred for it is void.
    pub fn end_connection(self: &Arc<Self>) {
        drop(self.for_connection());
    }
}

impl ConnectionLetterbox {
    /// Defers work.
    pub fn defer(&self, note: impl FnOnce(&mut Deferred)) {
        let mut work = self.letterbox.work.lock();
        if work.connection == self.connection {
            note(&mut work.deferred);
            drop(work);
            self.letterbox.leave(Flags::DEFERRED);
        }
    }

    /// As [`Letterbox::leave`].
    pub fn leave(&self, flag: Flags) {
        self.letterbox.leave(flag);
    }

    /// Defers answers to the peer's commands.
    pub fn defer_answers(&self, answers: &[u8]) {
        if !answers.is_empty() {
            self.defer(|deferred| control::append(&mut deferred.answers, answers));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_taken_once_and_all_together() {
        let letterbox = Letterbox::default();
        letterbox.raise(Flags::READABLE);
        letterbox.leave(Flags::DISCONNECT);
        letterbox.raise(Flags::READABLE);
        let mail = letterbox.take();
        assert_eq!(mail.flags, Flags::READABLE.or(Flags::DISCONNECT));
        assert!(mail.flags.has(Flags::DISCONNECT.or(Flags::TERMINATE)) && !mail.flags.has(Flags::TERMINATE));
        assert_eq!(letterbox.take().flags, Flags::default());
    }

    #[test]
    fn deferred_work_is_no_flag_and_is_taken_once() {
        let letterbox = Arc::new(Letterbox::default());
        let connection = letterbox.for_connection();
        connection.defer(|deferred| deferred.refused = true);
        connection.defer_answers(b"ab");
        connection.defer_answers(b"");
        letterbox.raise(Flags::READABLE);
        let mail = letterbox.take();
        assert_eq!(mail.flags, Flags::READABLE);
        assert_eq!(mail.deferred, Deferred { refused: true, answers: b"ab".to_vec(), ..Deferred::default() });
        assert_eq!(letterbox.take().deferred, Deferred::default());
    }

    #[test]
    fn a_connection_that_has_ended_leaves_nothing_for_the_next() {
        let letterbox = Arc::new(Letterbox::default());
        let first = letterbox.for_connection();
        first.defer(|deferred| deferred.panicked = true);
        letterbox.end_connection();
        assert_eq!(letterbox.take().deferred, Deferred::default(), "left before it ended");
        let second = letterbox.for_connection();
        first.defer(|deferred| deferred.failed = Some(Errno::NOMEM));
        second.defer(|deferred| deferred.arm_timer = true);
        assert_eq!(letterbox.take().deferred, Deferred { arm_timer: true, ..Deferred::default() });
    }

    #[test]
    fn answers_are_bounded() {
        let letterbox = Arc::new(Letterbox::default());
        let connection = letterbox.for_connection();
        for _ in 0..3 {
            connection.defer_answers(&[7; control::MAX_CONTROL_BYTES / 2]);
        }
        assert_eq!(letterbox.take().deferred.answers.len(), control::MAX_CONTROL_BYTES);
    }
}
