//! The lock of one half of a connection: the program's threads try it, and the I/O thread is woken when they let go.
//! The I/O thread is turned away where a thread of the program holds the half.
//!
//! Laws:
//! - The I/O thread does not wait for a thread of the program that drives a half, except where it must have the half: it asks with
//!   [`try_lock_for_session`](HalfLock::try_lock_for_session), and goes on with other sessions where it is turned away.
//! - If the I/O thread was turned away, the thread that lets go of the half wakes the session. That is the drop of a [`HalfGuard`],
//!   so it cannot be forgotten. The session may be woken once too often, never too rarely.
//! - Each half counts for itself. The I/O thread takes and releases the other half meanwhile. A release of the other half must
//!   not wake it: it would come back at once and be turned away again. So it would go on while the program's thread sends, or is
//!   preempted by the I/O thread itself.
//! - No half is locked before the watcher of its connection, and the receiving half not before the sending half: see [`rank`].

use crate::queue::shim::{AtomicBool, Ordering, edge};
use crate::reactor::Remote;
use crate::sys::lock::{Lock, LockGuard, Rank};
use std::ops::{Deref, DerefMut};

/// The order in which a thread locks what belongs to connections.
pub mod rank {
    use crate::sys::lock::Rank;

    pub const WATCHER: Rank = Rank::new(1);
    pub const SEND_HALF: Rank = Rank::new(2);
    pub const RECV_HALF: Rank = Rank::new(3);
}

/// A half, while the connection has it.
pub struct HalfLock<T> {
    half: Lock<Option<T>>,
    turned_away: TurnedAway,
}

/// A half, locked by a thread of the program. When it is dropped the I/O thread has its turn, if it wanted one.
pub struct HalfGuard<'a, T> {
    // Fields are dropped in the order in which they stand: the half is free before the I/O thread is woken for it.
    half: LockGuard<'a, Option<T>>,
    _wake: WakeOnRelease<'a>,
}

struct WakeOnRelease<'a> {
    turned_away: &'a TurnedAway,
    session: &'a Remote,
}

/// Whether the I/O thread was turned away from a half, and is to be woken by the thread that lets go of it.
#[derive(Debug, Default)]
pub struct TurnedAway {
    /// The I/O thread sets it, the thread that lets go of the half takes it; the edge is made by the fences around it.
    waits: AtomicBool,
}

impl<T> HalfLock<T> {
    pub fn new(half: T, rank: Rank) -> HalfLock<T> {
        HalfLock { half: Lock::ranked(rank, Some(half)), turned_away: TurnedAway::default() }
    }

    /// On a thread of the program. `None` while another thread holds it.
    pub fn try_lock<'a>(&'a self, session: &'a Remote) -> Option<HalfGuard<'a, T>> {
        let half = self.half.try_lock()?;
        Some(HalfGuard { half, _wake: WakeOnRelease { turned_away: &self.turned_away, session } })
    }

    /// Waits for the thread that holds it.
    pub fn lock<'a>(&'a self, session: &'a Remote) -> HalfGuard<'a, T> {
        let half = self.half.lock();
        HalfGuard { half, _wake: WakeOnRelease { turned_away: &self.turned_away, session } }
    }

    /// On the I/O thread. `None`: another thread holds it, and wakes the session when it lets go.
    pub fn try_lock_for_session(&self) -> Option<LockGuard<'_, Option<T>>> {
        self.turned_away.unless_in_use(|| self.half.try_lock())
    }

    /// On the I/O thread: waits for the thread that holds it.
    pub fn lock_for_session(&self) -> LockGuard<'_, Option<T>> {
        self.half.lock()
    }

    #[cfg(test)]
    pub fn has_turned_away(&self) -> bool {
        self.turned_away.waits.load(Ordering::SeqCst)
    }
}

impl<T> Deref for HalfGuard<'_, T> {
    type Target = Option<T>;

    fn deref(&self) -> &Option<T> {
        &self.half
    }
}

impl<T> DerefMut for HalfGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut Option<T> {
        &mut self.half
    }
}

impl Drop for WakeOnRelease<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.turned_away.take() {
            self.session.wake();
        }
    }
}

impl TurnedAway {
    /// For the I/O thread: the half by `lock`, unless another thread holds it, which then asks [`take`](TurnedAway::take).
    pub fn unless_in_use<G>(&self, lock: impl Fn() -> Option<G>) -> Option<G> {
        let guard = lock();
        if guard.is_some() {
            return guard;
        }
        self.waits.store(true, Ordering::Relaxed);
        // Dekker: our flag before the lock, as the other has the lock before the flag.
        edge::dekker();
        // If it works now, the session is woken once too often.
        lock()
    }

    /// For the thread that has let go of the half: whether the I/O thread wanted it, and is to be woken.
    pub fn take(&self) -> bool {
        edge::dekker();
        self.waits.load(Ordering::Relaxed) && self.waits.swap(false, Ordering::AcqRel)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn io_thread_is_let_in_once_by_the_thread_that_turned_it_away() {
        let (turned_away, half) = (TurnedAway::default(), Lock::new(()));
        let held = half.lock();
        assert!(turned_away.unless_in_use(|| half.try_lock()).is_none());
        drop(held);
        assert!(turned_away.take());
        assert!(!turned_away.take(), "once");
        assert!(turned_away.unless_in_use(|| half.try_lock()).is_some());
        assert!(!turned_away.take(), "it was free");
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use loom::sync::{Arc, Notify};

    /// A thread of the program lets go of a half while the I/O thread asks for it. Loom says so if that sleeps on.
    fn model() {
        loom::model(|| {
            let shared = Arc::new((TurnedAway::default(), AtomicBool::new(false), Notify::new()));
            let theirs = Arc::clone(&shared);
            let program = loom::thread::spawn(move || {
                let (turned_away, free, wake) = &*theirs;
                free.swap(true, Ordering::Release);
                if turned_away.take() {
                    wake.notify();
                }
            });
            let (turned_away, free, wake) = &*shared;
            let lock = || free.compare_exchange(true, false, Ordering::Acquire, Ordering::Relaxed).ok();
            while turned_away.unless_in_use(lock).is_none() {
                wake.wait();
            }
            assert!(program.join().is_ok());
        });
    }

    crate::queue::shim::twin_with_weakened_edge!(model);

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
