//! Which halves of a connection the I/O thread has found in the hands of a thread of the program.

use std::sync::atomic::{AtomicU8, Ordering, fence};

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
        fence(Ordering::SeqCst);
        // If it works now, the session is woken once too often.
        lock()
    }

    /// For who has let go of a half: whether the I/O thread wanted it, and is to be woken.
    pub fn is_waiting(&self, half: Half) -> bool {
        fence(Ordering::SeqCst);
        let bit = half as u8;
        self.halves.load(Ordering::Relaxed) & bit != 0
            && self.halves.fetch_and(!bit, Ordering::AcqRel) & bit != 0
    }

    #[cfg(test)]
    pub fn from(&self, half: Half) -> bool {
        self.halves.load(Ordering::SeqCst) & half as u8 != 0
    }
}

#[cfg(test)]
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
