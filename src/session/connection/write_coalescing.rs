//! How long a session leaves sending to a program that does it itself.

use crate::queue::shim::{AtomicBool, AtomicU32, Ordering, edge};
use std::time::Duration;

/// A thread of the program may send a batch each time that it runs out of credit. Meanwhile the session does not send, and is not
/// woken to. The session looks now and then whether that goes on; what the program has left when it does not is the session's.
/// How long it is until the next look is decided by [`send_policy`](super::send_policy).
///
/// Law: what a thread publishes is found by the session's next look, or the thread finds that there will be none and wakes the
/// session. The thread publishes, then reads the time to the next look; the session writes that no look will come, then looks for
/// something to send. Each has a fence between the two, so one of them at least sees the other.
#[derive(Debug, Default)]
pub struct WriteCoalescing {
    /// Batches that the program has sent since the last look. Written by both; a count alone, so Relaxed.
    batches: AtomicU32,
    /// The program has sent a part of a batch that is too large for one turn. A guess for all threads that read or write it, so
    /// Relaxed.
    large: AtomicBool,
    /// Time between the session's last look and its next, in microseconds; 0: it does not look by itself. The session writes it, a
    /// thread of the program that has published something reads it. Relaxed, since the edge is made by the fences of the law.
    look_us: AtomicU32,
}

impl WriteCoalescing {
    /// On a program's thread that has run out of credit and sent what one turn allows: whether that was `all` there was. A batch of more
    /// than a turn does not count: it is in no cache any more when the credit is used up, and an I/O thread that sends meanwhile
    /// is of use.
    pub fn sent(&self, all: bool) {
        let large = self.large.load(Ordering::Relaxed);
        if large == all {
            self.large.store(!all, Ordering::Relaxed);
        }
        if all && !large {
            self.batches.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// On a program's thread that has published something: within what time the session looks without being told. `None`: it does
    /// not.
    pub fn next_look(&self) -> Option<Duration> {
        edge::dekker();
        self.look()
    }

    /// On the I/O thread: batches since it last asked.
    pub fn take_batches(&self) -> u32 {
        match self.batches.load(Ordering::Relaxed) {
            0 => 0,
            _ => self.batches.swap(0, Ordering::Relaxed),
        }
    }

    /// On the I/O thread: what it last [set](WriteCoalescing::set_look).
    pub fn look(&self) -> Option<Duration> {
        match self.look_us.load(Ordering::Relaxed) {
            0 => None,
            look_us => Some(Duration::from_micros(u64::from(look_us))),
        }
    }

    /// On the I/O thread, before it looks for something to send: when it looks next by itself.
    pub fn set_look(&self, after: Option<Duration>) {
        let look_us = after.map_or(0, |after| u32::try_from(after.as_micros()).unwrap_or(u32::MAX));
        if look_us != self.look_us.load(Ordering::Relaxed) {
            self.look_us.store(look_us, Ordering::Relaxed);
            edge::dekker();
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn batches_of_more_than_a_turn_do_not_count() {
        let coalescing = WriteCoalescing::default();
        for all in [false, false, true, false, true] {
            coalescing.sent(all);
        }
        assert_eq!(coalescing.take_batches(), 0);
        coalescing.sent(true);
        assert_eq!(coalescing.take_batches(), 1);
        assert_eq!(coalescing.take_batches(), 0, "once");
    }

    #[test]
    fn look_lasts_until_it_is_set_anew() {
        let coalescing = WriteCoalescing::default();
        assert_eq!(coalescing.next_look(), None);
        let look = Some(Duration::from_micros(100));
        coalescing.set_look(look);
        assert_eq!((coalescing.next_look(), coalescing.look()), (look, look));
        coalescing.set_look(None);
        assert_eq!(coalescing.next_look(), None);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use loom::sync::{Arc, Notify};

    /// A thread publishes while the session stops looking by itself. Loom says so if the session sleeps on.
    fn model() {
        loom::model(|| {
            let shared = Arc::new((WriteCoalescing::default(), AtomicBool::new(false), Notify::new()));
            shared.0.set_look(Some(Duration::from_micros(100)));
            let theirs = Arc::clone(&shared);
            let program = loom::thread::spawn(move || {
                let (coalescing, published, wake) = &*theirs;
                published.store(true, Ordering::Release);
                if coalescing.next_look().is_none() {
                    wake.notify();
                }
            });
            let (coalescing, published, wake) = &*shared;
            // The timer of the last look.
            coalescing.set_look(None);
            while !published.load(Ordering::Acquire) {
                wake.wait();
            }
            assert!(program.join().is_ok());
        });
    }

    crate::queue::shim::twin_with_weakened_edge!(model);

    #[test]
    fn loom_published_message_is_sent() {
        model();
    }

    #[test]
    fn loom_passes_coalescing_with_nothing_weakened() {
        assert!(!fails("0"));
    }

    #[test]
    fn loom_catches_a_session_that_stops_looking_unseen() {
        assert!(fails("3"));
    }
}
