//! Whether a thread of the program makes sure that published messages leave.
//!
//! A thread that drains a stream waits for room again and again. Between two writes the half is free, and the I/O thread would take
//! the rest: it would copy with cold caches what the thread is about to write. So that thread owns the flush, and the I/O thread
//! leaves what it is told of to the owner.
//!
//! Laws:
//! - The owner gives the flush up before it does anything that makes the I/O thread look: before it wakes the session, and before
//!   it has the reactor watch for room. Either makes the edge, so the I/O thread that looks then finds no owner. To watch for room where
//!   the reactor does so already makes none: the I/O thread may have left the last event to the owner.
//! - The owner leaves nothing behind: all has left when it gives the flush up, or it makes the I/O thread look.
//! - Only for sockets that one thread uses. What another thread published meanwhile would be left to an owner that is done.

use crate::queue::shim::{AtomicBool, Ordering};

#[derive(Debug, Default)]
pub struct FlushOwner {
    /// The owner writes it, the I/O thread reads it. Relaxed: see the first law.
    owned: AtomicBool,
}

/// The calling thread owns the flush until this is dropped.
#[must_use]
pub struct Ownership<'a>(&'a FlushOwner);

impl FlushOwner {
    pub fn begin(&self) -> Ownership<'_> {
        self.owned.store(true, Ordering::Relaxed);
        Ownership(self)
    }

    /// On the I/O thread: whether the published messages are left to a thread of the program.
    pub fn is_owned(&self) -> bool {
        self.owned.load(Ordering::Relaxed)
    }
}

impl Drop for Ownership<'_> {
    fn drop(&mut self) {
        self.0.owned.store(false, Ordering::Relaxed);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::queue::shim::AtomicU8;
    use loom::sync::{Arc, Notify};
    use std::sync::atomic::AtomicBool as Setting;

    /// Whether the owner wakes the session before it gives the flush up. Set before the model runs; loom does not see it.
    static WAKES_TOO_EARLY: Setting = Setting::new(false);

    /// A thread of the program publishes two messages, writes one of them and gives up; the I/O thread, which was told of them when
    /// they were published, is to write the other. Loom says so if it sleeps on.
    fn model() {
        loom::model(|| {
            let shared = Arc::new((FlushOwner::default(), AtomicU8::new(2), Notify::new()));
            let theirs = Arc::clone(&shared);
            let program = loom::thread::spawn(move || {
                let (owner, waiting, wake) = &*theirs;
                let ownership = owner.begin();
                wake.notify();
                waiting.fetch_sub(1, Ordering::AcqRel);
                if WAKES_TOO_EARLY.load(Ordering::Relaxed) {
                    wake.notify();
                    drop(ownership);
                } else {
                    drop(ownership);
                    wake.notify();
                }
            });
            let (owner, waiting, wake) = &*shared;
            loop {
                wake.wait();
                if !owner.is_owned() {
                    waiting.swap(0, Ordering::AcqRel);
                    break;
                }
            }
            assert!(program.join().is_ok());
        });
    }

    #[test]
    #[ignore = "run by the tests below"]
    fn twin() {
        WAKES_TOO_EARLY.store(std::env::var("WAKES").as_deref() == Ok("early"), Ordering::Relaxed);
        model();
    }

    fn fails(when: &str) -> bool {
        crate::sys::weakened_twin::fails("session::connection::flush_owner::loom_tests::twin", "WAKES", when)
    }

    #[test]
    fn loom_io_thread_writes_the_rest_of_the_owner() {
        model();
    }

    #[test]
    fn loom_passes_an_owner_that_wakes_last() {
        assert!(!fails("late"));
    }

    #[test]
    fn loom_catches_an_owner_that_wakes_too_early() {
        assert!(fails("early"));
    }
}
