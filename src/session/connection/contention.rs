//! Which halves of a connection the I/O thread has found in the hands of a thread of the program.

use crate::queue::shim::{AtomicU8, Ordering, edge};

/// A half of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    Send = 1,
    Recv = 2,
}

/// Halves that the I/O thread was turned away from, and is to be woken for when whoever has them lets go.
///
/// Each by itself: the I/O thread takes and lets go of the other half meanwhile. Where that woke it, it came back at once, was
/// turned away again, and so on for as long as the program's thread sent, or lay preempted by the I/O thread itself, a few
/// milliseconds.
#[derive(Debug, Default)]
pub struct TurnedAway {
    /// A bit for each [`Half`]. Set by the I/O thread, taken by whoever lets go of that half; the edge is made by the fences around
    /// it.
    halves: AtomicU8,
}

impl TurnedAway {
    /// For the I/O thread: a half by `lock`, unless somebody has it, who then asks whether it [is waiting](TurnedAway::is_waiting).
    pub fn unless_in_use<G>(&self, half: Half, lock: impl Fn() -> Option<G>) -> Option<G> {
        let guard = lock();
        if guard.is_some() {
            return guard;
        }
        self.halves.fetch_or(half as u8, Ordering::Relaxed);
        // Dekker: our flag before the lock, as the other has the lock before the flag.
        edge::dekker();
        // If it works now, the session is woken once too often.
        lock()
    }

    /// For who has let go of a half: whether the I/O thread wanted it, and is to be woken.
    pub fn is_waiting(&self, half: Half) -> bool {
        edge::dekker();
        let bit = half as u8;
        self.halves.load(Ordering::Relaxed) & bit != 0
            && self.halves.fetch_and(!bit, Ordering::AcqRel) & bit != 0
    }

    #[cfg(test)]
    pub fn from(&self, half: Half) -> bool {
        self.halves.load(Ordering::SeqCst) & half as u8 != 0
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::sys::lock::Lock;

    #[test]
    fn who_lets_go_of_one_half_does_not_let_the_io_thread_in_for_the_other() {
        let (turned_away, send) = (TurnedAway::default(), Lock::new(()));
        let held = send.lock();
        assert!(turned_away.unless_in_use(Half::Send, || send.try_lock()).is_none());
        assert!(!turned_away.is_waiting(Half::Recv));
        assert!(turned_away.from(Half::Send));
        drop(held);
        assert!(turned_away.is_waiting(Half::Send));
        assert!(!turned_away.is_waiting(Half::Send), "once");
        assert!(turned_away.unless_in_use(Half::Send, || send.try_lock()).is_some());
        assert!(!turned_away.is_waiting(Half::Send), "it was free");
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::queue::shim::{AtomicBool, edge::WEAKENED};
    use loom::sync::{Arc, Notify};

    /// A thread of the program lets go of a half while the I/O thread asks for it. Loom says so if that sleeps on.
    fn model() {
        loom::model(|| {
            let shared = Arc::new((TurnedAway::default(), AtomicBool::new(false), Notify::new()));
            let theirs = Arc::clone(&shared);
            let program = loom::thread::spawn(move || {
                let (turned_away, free, wake) = &*theirs;
                free.swap(true, Ordering::Release);
                if turned_away.is_waiting(Half::Send) {
                    wake.notify();
                }
            });
            let (turned_away, free, wake) = &*shared;
            let lock = || free.compare_exchange(true, false, Ordering::Acquire, Ordering::Relaxed).ok();
            while turned_away.unless_in_use(Half::Send, lock).is_none() {
                wake.wait();
            }
            assert!(program.join().is_ok());
        });
    }

    /// The model with the fences weakened, if the environment says so.
    #[test]
    #[ignore = "run by the tests below"]
    fn twin() {
        let edge = std::env::var("WEAKENED_EDGE").ok().and_then(|edge| edge.parse().ok());
        WEAKENED.store(edge.unwrap_or(0), std::sync::atomic::Ordering::Relaxed);
        model();
    }

    fn fails(edge: &str) -> bool {
        crate::sys::twin::fails("session::connection::contention::loom_tests::twin", "WEAKENED_EDGE", edge)
    }

    #[test]
    fn loom_the_io_thread_is_let_in() {
        model();
    }

    #[test]
    fn loom_passes_it_with_nothing_weakened() {
        assert!(!fails("0"));
    }

    #[test]
    fn loom_catches_an_io_thread_that_sleeps_on() {
        assert!(fails("3"));
    }
}
