//! A mutex without poison.

use super::futex;
pub use super::lock_order::Rank;
use super::retry::rest;
use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The lock is free.
const FREE: u32 = 0;
/// A thread holds the lock, and none waits.
const TAKEN: u32 = 1;
/// A thread holds the lock, and others may be asleep until it is free.
const CONTENDED: u32 = 2;

/// A sleeper looks again after this time, which makes no difference: it is always woken.
const MAX_SLEEP: Duration = Duration::from_secs(3600);

/// The pause of a thread whose sleep the system says was cut short, before it sleeps again.
const SHORT_WAIT_PAUSE: Duration = Duration::from_micros(50);

/// Looks of a thread, a microsecond or so in all, before it goes to sleep.
const MAX_LINGER_SPINS: u32 = 100;

/// A mutex that goes on after a panic under it: a panic is contained where it happened (see ARCHITECTURE), and
/// what it broke is dropped there.
///
/// It is not `parking_lot`'s, which keeps a table for the process: a thread that a forked child does not have may have locked its
/// buckets. Nor is it the standard library's, which asks at both ends whether the thread panics. Every call on a socket takes a
/// lock, and those questions were 13 instructions of the 395 of `zmq_send`, 48 of the 372 of `zmq_recv`. To take a free lock is
/// one locked instruction, and so is to let go.
#[derive(Debug, Default)]
pub struct Lock<T: ?Sized> {
    raw: Raw<AtomicU32>,
    #[cfg(debug_assertions)]
    rank: Rank,
    value: UnsafeCell<T>,
}

/// The lock, held. It is let go by the thread that took it.
#[must_use]
pub struct LockGuard<'a, T: ?Sized> {
    lock: &'a Lock<T>,
    _not_send: PhantomData<*mut ()>,
}

// SAFETY: the value moves with the lock, and is reached from one thread at a time, whichever that is.
unsafe impl<T: ?Sized + Send> Send for Lock<T> {}
// SAFETY: `&Lock` gives out the value to one thread at a time, ordered by `Raw`.
unsafe impl<T: ?Sized + Send> Sync for Lock<T> {}
// SAFETY: `&LockGuard` gives out `&T` and nothing else.
unsafe impl<T: ?Sized + Sync> Sync for LockGuard<'_, T> {}

impl<T> Lock<T> {
    pub const fn new(value: T) -> Lock<T> {
        Lock {
            raw: Raw(AtomicU32::new(FREE)),
            #[cfg(debug_assertions)]
            rank: Rank::NONE,
            value: UnsafeCell::new(value),
        }
    }

    /// One that a thread takes in the order of the ranks alone, of which debug builds make sure.
    #[cfg_attr(not(debug_assertions), expect(unused_variables))]
    pub const fn ranked(rank: Rank, value: T) -> Lock<T> {
        Lock {
            raw: Raw(AtomicU32::new(FREE)),
            #[cfg(debug_assertions)]
            rank,
            value: UnsafeCell::new(value),
        }
    }

    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Lock<T> {
    /// Waits until the lock is free. The holder must not call it.
    #[inline]
    pub fn lock(&self) -> LockGuard<'_, T> {
        #[cfg(debug_assertions)]
        self.rank.check();
        self.raw.lock();
        #[cfg(debug_assertions)]
        self.rank.taken();
        LockGuard { lock: self, _not_send: PhantomData }
    }

    /// `None` while another thread holds it.
    #[inline(always)]
    pub fn try_lock(&self) -> Option<LockGuard<'_, T>> {
        // The guard is not made before the lock is ours: a guard that is dropped would release another thread's lock.
        self.raw.try_lock().then(|| {
            #[cfg(debug_assertions)]
            self.rank.taken();
            LockGuard { lock: self, _not_send: PhantomData }
        })
    }
}

impl<T: ?Sized> Deref for LockGuard<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: the lock is held for as long as the guard lives.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> DerefMut for LockGuard<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and the guard is borrowed for as long as the value is.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: ?Sized> Drop for LockGuard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        #[cfg(debug_assertions)]
        self.lock.rank.released();
        self.lock.raw.unlock();
    }
}

/// A word to lock by: the standard library's atomic and the system's futex, or loom's and a model of it.
trait Word {
    /// From FREE to TAKEN; what it was.
    fn take(&self) -> u32;
    fn swap(&self, value: u32, ordering: Ordering) -> u32;
    /// Waits a moment for it to be let go of: mostly it is held for less time than falling asleep takes.
    fn linger(&self);
    /// Sleeps while it is CONTENDED; may return early.
    fn sleep(&self);
    fn wake_one(&self);
}

impl Word for AtomicU32 {
    #[inline(always)]
    fn take(&self) -> u32 {
        match self.compare_exchange(FREE, TAKEN, Ordering::Acquire, Ordering::Relaxed) {
            Ok(was) | Err(was) => was,
        }
    }

    #[inline(always)]
    fn swap(&self, value: u32, ordering: Ordering) -> u32 {
        AtomicU32::swap(self, value, ordering)
    }

    fn linger(&self) {
        for _ in 0..MAX_LINGER_SPINS {
            if self.load(Ordering::Relaxed) != TAKEN {
                return;
            }
            std::hint::spin_loop();
        }
    }

    fn sleep(&self) {
        // On either answer the caller looks again; not at once if the system says that it has not waited.
        if futex::wait(self, CONTENDED, MAX_SLEEP).is_err() {
            rest(SHORT_WAIT_PAUSE);
        }
    }

    fn wake_one(&self) {
        futex::wake_one(self);
    }
}

/// The lock alone. Its word is FREE, TAKEN or CONTENDED; any thread writes it, by taking it and letting go. Everything before the
/// release of the lock (release) is visible to the thread that takes it next (acquire). A waiter has made the word CONTENDED
/// since it was last free, so the holder wakes one on release. The woken thread takes the lock as CONTENDED, for there may be
/// more waiters.
#[derive(Debug, Default)]
struct Raw<W>(W);

impl<W: Word> Raw<W> {
    #[inline(always)]
    fn try_lock(&self) -> bool {
        self.0.take() == FREE
    }

    #[inline(always)]
    fn lock(&self) {
        if !self.try_lock() {
            self.wait();
        }
    }

    #[cold]
    fn wait(&self) {
        self.0.linger();
        while self.0.swap(CONTENDED, Ordering::Acquire) != FREE {
            self.0.sleep();
        }
    }

    #[inline(always)]
    fn unlock(&self) {
        if self.0.swap(FREE, Ordering::Release) == CONTENDED {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        self.0.wake_one();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use std::sync::Arc;
    use std::thread;

    #[test]
    fn one_at_a_time_and_everybody_gets_it() {
        const EACH: u64 = 20_000;
        let counted = Arc::new(Lock::new(0));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let counted = Arc::clone(&counted);
                thread::spawn(move || {
                    for _ in 0..EACH {
                        let mut guard = counted.lock();
                        // Not one instruction: two at a time would lose some.
                        let before = *guard;
                        std::hint::black_box(());
                        *guard = before + 1;
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(*counted.lock(), 4 * EACH);
    }

    #[test]
    fn release_wakes_a_waiter() {
        let lock = Arc::new(Lock::new(false));
        let guard = lock.lock();
        assert!(lock.try_lock().is_none());
        assert!(lock.try_lock().is_none(), "who tries in vain lets go of nothing");
        let other = Arc::clone(&lock);
        let thread = thread::spawn(move || *other.lock() = true);
        while lock.raw.0.load(Ordering::Relaxed) != CONTENDED {
            thread::yield_now();
        }
        drop(guard);
        thread.join().unwrap();
        assert!(*lock.lock());
    }

    #[test]
    fn a_panic_under_it_lets_go() {
        let lock = Lock::new(0);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            *lock.lock() = 1;
            let _guard = lock.lock();
            panic!("under the lock");
        }));
        assert!(panicked.is_err());
        assert_eq!(lock.try_lock().map(|guard| *guard), Some(1));
        assert_eq!(lock.into_inner(), 1);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use loom::sync::{Condvar, Mutex};
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    /// Whether letting go is weakened to make no edge, and whether it forgets those that wait. Set by a test before its model
    /// runs; loom does not see it.
    static WEAK_RELEASE: AtomicBool = AtomicBool::new(false);
    static WAKES_NOBODY: AtomicBool = AtomicBool::new(false);

    /// A futex as the kernel has it: a look at the word and falling asleep are one step.
    struct Model {
        word: loom::sync::atomic::AtomicU32,
        kernel: Mutex<()>,
        asleep: Condvar,
    }

    impl Word for Model {
        fn take(&self) -> u32 {
            match self.word.compare_exchange(FREE, TAKEN, Ordering::Acquire, Ordering::Relaxed) {
                Ok(was) | Err(was) => was,
            }
        }

        fn swap(&self, value: u32, ordering: Ordering) -> u32 {
            let weak = ordering == Ordering::Release && WEAK_RELEASE.load(Ordering::Relaxed);
            self.word.swap(value, if weak { Ordering::Relaxed } else { ordering })
        }

        fn linger(&self) {}

        fn sleep(&self) {
            let kernel = self.kernel.lock().unwrap();
            if self.word.load(Ordering::Relaxed) == CONTENDED {
                drop(self.asleep.wait(kernel).unwrap());
            }
        }

        fn wake_one(&self) {
            if !WAKES_NOBODY.load(Ordering::Relaxed) {
                let _kernel = self.kernel.lock().unwrap();
                self.asleep.notify_one();
            }
        }
    }

    /// Three threads, each of which adds one.
    fn model() {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(2);
        builder.check(|| {
            let word = loom::sync::atomic::AtomicU32::new(FREE);
            let raw = Raw(Model { word, kernel: Mutex::new(()), asleep: Condvar::new() });
            let shared = Arc::new((raw, loom::cell::UnsafeCell::new(0)));
            let add = |shared: &(Raw<Model>, loom::cell::UnsafeCell<u32>)| {
                shared.0.lock();
                // SAFETY: the lock is held; loom says so if it is not.
                shared.1.with_mut(|count| unsafe { *count += 1 });
                shared.0.unlock();
            };
            let threads = [(); 2].map(|()| {
                let shared = Arc::clone(&shared);
                loom::thread::spawn(move || add(&shared))
            });
            add(&shared);
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            assert!(shared.0.try_lock());
            // SAFETY: as above.
            assert_eq!(shared.1.with(|count| unsafe { *count }), 3);
        });
    }

    fn fails(how: &str) -> bool {
        crate::sys::weakened_twin::fails("sys::lock::loom_tests::twin", "WEAKENED_LOCK", how)
    }

    #[test]
    #[ignore = "run by the tests below"]
    fn twin() {
        let how = std::env::var("WEAKENED_LOCK").unwrap_or_default();
        WEAK_RELEASE.store(how == "release", Ordering::Relaxed);
        WAKES_NOBODY.store(how == "wake", Ordering::Relaxed);
        model();
    }

    #[test]
    fn loom_lock_excludes_and_wakes_its_waiters() {
        model();
    }

    #[test]
    fn loom_passes_a_lock_with_nothing_weakened() {
        assert!(!fails(""));
    }

    #[test]
    fn loom_catches_a_weak_release_of_the_lock() {
        assert!(fails("release"));
    }

    #[test]
    fn loom_catches_a_lock_that_wakes_no_waiter() {
        assert!(fails("wake"));
    }
}
