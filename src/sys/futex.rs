//! Waiting for a word of memory to change: on the system's futex, or on what stands in for it.

#[cfg(futex)]
pub use linux::{sleep, wait, wake_one, was_refused};

#[cfg(not(futex))]
pub use elsewhere::{sleep, wait, wake_one, was_refused};

/// Whether the system wakes threads that [`sleep`], and signals end that. Without it, `sleep` looks again and again.
pub const EXISTS: bool = cfg!(futex);

#[cfg(futex)]
mod linux {
    use super::super::cancel::SystemCall;
    use super::super::faults::{self, Call};
    use super::super::late_wakes;
    use super::super::retry::rest;
    use super::super::timespec::timespec;
    use crate::errno::{Errno, Result};
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
    use std::time::Duration;

    /// The system has refused to let a thread sleep or be woken. Written by that thread, read by a thread
    /// about to have glibc wait. That may be the same thread; for another it is only a hint: Relaxed.
    static REFUSED_ONCE: AtomicBool = AtomicBool::new(false);

    /// How the call is made.
    type Make = fn(SystemCall) -> Result<usize>;

    /// Calls made in all before one counts as refused.
    const MAX_TRIES: u32 = 3;
    /// How long a thread rests where the system refuses to let it wait.
    const REFUSED_REST: Duration = Duration::from_millis(1);

    /// Sleeps while `word` is `expected`, for at most `timeout`. `Ok` may be spurious. Where the system
    /// refuses to wait, the call takes a millisecond, so that a caller that checks and waits again does not
    /// spin.
    ///
    /// Errors: `ETIMEDOUT`, `EINTR`.
    pub fn wait(word: &AtomicU32, expected: u32, timeout: Duration) -> Result<()> {
        wait_by(SystemCall::make, word, expected, timeout)
    }

    /// As [`wait`], and ends if the calling thread is cancelled. Errors: `EINTR` then.
    pub fn sleep(word: &AtomicU32, expected: u32, timeout: Duration) -> Result<()> {
        wait_by(SystemCall::sleep, word, expected, timeout)
    }

    fn wait_by(make: Make, word: &AtomicU32, expected: u32, timeout: Duration) -> Result<()> {
        for _ in 0..MAX_TRIES {
            match wait_once(make, word, expected, timeout) {
                Err(Errno::AGAIN) if word.load(Relaxed) != expected => return Ok(()),
                // The word was written between the call and the load, or the system's answer is false.
                Err(Errno::AGAIN) => {}
                Ok(()) => return Ok(()),
                Err(errno @ (Errno::INTR | Errno::TIMEDOUT)) => return Err(errno),
                // None of these errors can arise for a call like this one.
                Err(_) => break,
            }
        }
        REFUSED_ONCE.store(true, Relaxed);
        rest(timeout.min(REFUSED_REST));
        Ok(())
    }

    /// Whether the system has ever refused to let a thread wait: glibc ends the process where it meets that.
    pub fn was_refused() -> bool {
        REFUSED_ONCE.load(Relaxed)
    }

    fn wait_once(make: Make, word: &AtomicU32, expected: u32, timeout: Duration) -> Result<()> {
        if let Some(errno) = faults::next(Call::FutexWait) {
            return Err(errno);
        }
        let timeout = timespec(timeout);
        let operation = (libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG) as usize;
        let [word, timeout] = [word.as_ptr().expose_provenance(), (&raw const timeout).expose_provenance()];
        // SAFETY: the word is alive and aligned for the whole call, the timeout is a valid timespec, and
        // FUTEX_WAIT accesses nothing else.
        let call =
            unsafe { SystemCall::new(libc::SYS_futex, [word, operation, expected as usize, timeout, 0, 0]) };
        make(call).map(|_| ())
    }

    /// Wakes one thread that sleeps on `word`. Where the system refuses, the wake is delivered as soon as it
    /// no longer does.
    pub fn wake_one(word: &AtomicU32) {
        let address = word.as_ptr() as usize;
        if !wake(address) {
            refused(address);
        }
    }

    #[cold]
    fn refused(address: usize) {
        REFUSED_ONCE.store(true, Relaxed);
        if (1..MAX_TRIES).any(|_| wake(address)) {
            return;
        }
        // Another word may lie there by then. That is harmless: a woken thread checks its word, as every wake
        // may be spurious.
        late_wakes::deliver(address as u64, Box::new(move |_| wake(address)));
    }

    fn wake(address: usize) -> bool {
        if faults::next(Call::FutexWake).is_some() {
            return false;
        }
        // SAFETY: FUTEX_WAKE uses the address only as a key. The number of threads woken does not matter:
        // none may be there.
        unsafe {
            libc::syscall(libc::SYS_futex, address, libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, 1) >= 0
        }
    }

    #[cfg(test)]
    mod tests {
        #![allow(clippy::unwrap_used)]
        use super::*;
        use std::sync::atomic::Ordering::SeqCst;
        use std::time::Instant;

        #[test]
        fn a_thread_that_may_not_wait_does_not_spin() {
            for errno in [Errno::AGAIN, Errno::INVAL, Errno::FAULT, Errno(libc::ENOSYS)] {
                let _refused = faults::refuse(Call::FutexWait, errno, 100);
                let start = Instant::now();
                assert_eq!(wait(&AtomicU32::new(1), 1, Duration::from_secs(9)), Ok(()), "{errno}");
                assert!(start.elapsed() >= REFUSED_REST, "{errno}");
            }
            let _refused = faults::refuse(Call::FutexWait, Errno::INTR, 1);
            assert_eq!(wait(&AtomicU32::new(1), 1, Duration::from_secs(9)), Err(Errno::INTR));
        }

        #[test]
        fn a_refused_wake_arrives_all_the_same() {
            for times in [1, MAX_TRIES - 1, 1000] {
                let word = AtomicU32::new(1);
                std::thread::scope(|scope| {
                    let sleeper = scope.spawn(|| {
                        while word.load(SeqCst) == 1 {
                            wait(&word, 1, Duration::from_secs(100)).unwrap();
                        }
                    });
                    // The word is right whether the thread sleeps already or not.
                    std::thread::sleep(Duration::from_millis(20));
                    let _refused = faults::refuse(Call::FutexWake, Errno::PERM, times);
                    word.store(2, SeqCst);
                    let start = Instant::now();
                    wake_one(&word);
                    sleeper.join().unwrap();
                    assert!(start.elapsed() < Duration::from_secs(20), "{times}");
                });
            }
        }
    }
}

#[cfg(not(futex))]
mod elsewhere {
    use crate::errno::{Errno, Result};
    use crate::sys::cancel::CancelOff;
    use crate::sys::poll::poll;
    use crate::sys::thread_state::ThreadState;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    use std::sync::{Condvar, Mutex, PoisonError, TryLockError};
    use std::time::Duration;

    /// Threads that wait for words whose addresses fall into the same slot wake each other, and look again.
    const SLOTS: usize = 64;
    /// How long a thread waits before it looks at its word by itself. The child of a fork may find a slot locked for good.
    const MAX_WAIT: Duration = Duration::from_millis(50);
    /// How often a thread that can be interrupted looks at its word.
    const LOOK_INTERVAL: Duration = Duration::from_millis(1);
    /// How often a waking thread asks for a slot that another one is holding, for some instructions.
    const MAX_TRIES: u32 = 1000;

    struct Slot {
        /// Held between a look at a word and the beginning of the wait, and by the thread that wakes.
        turn: Mutex<()>,
        woken: Condvar,
    }

    static TABLE: [Slot; SLOTS] = [const { Slot { turn: Mutex::new(()), woken: Condvar::new() } }; SLOTS];

    /// Sleeps while `word` is `expected`, for at most `timeout`. `Ok` may be spurious. Errors: `ETIMEDOUT`.
    pub fn wait(word: &AtomicU32, expected: u32, timeout: Duration) -> Result<()> {
        let _off = CancelOff::for_call(ThreadState::current());
        let slot = slot(word);
        let turn = match slot.turn.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(turn)) => turn.into_inner(),
            Err(TryLockError::WouldBlock) => return sleep(word, expected, timeout),
        };
        if word.load(Relaxed) != expected {
            return Ok(());
        }
        let waited =
            slot.woken.wait_timeout(turn, timeout.min(MAX_WAIT)).unwrap_or_else(PoisonError::into_inner);
        if waited.1.timed_out() && timeout <= MAX_WAIT { Err(Errno::TIMEDOUT) } else { Ok(()) }
    }

    /// As [`wait`], and a signal ends it. It looks every millisecond. Errors: `EINTR`.
    pub fn sleep(word: &AtomicU32, expected: u32, timeout: Duration) -> Result<()> {
        if word.load(Relaxed) == expected {
            poll(&mut [], Some(timeout.min(LOOK_INTERVAL)))?;
        }
        Ok(())
    }

    /// Wakes threads that wait for `word`. The caller has written it before.
    pub fn wake_one(word: &AtomicU32) {
        let _off = CancelOff::for_call(ThreadState::current());
        let slot = slot(word);
        for _ in 0..MAX_TRIES {
            // A thread that waits has let go of the slot, so the wake finds it; one that comes later sees the new word.
            if !matches!(slot.turn.try_lock(), Err(TryLockError::WouldBlock)) {
                break;
            }
            std::hint::spin_loop();
        }
        slot.woken.notify_all();
    }

    fn slot(word: &AtomicU32) -> &'static Slot {
        // The lowest bits are those of the alignment.
        let at = (word.as_ptr().addr() >> 4) % SLOTS;
        #[allow(clippy::indexing_slicing)]
        &TABLE[at]
    }

    /// No call is refused here.
    pub fn was_refused() -> bool {
        false
    }

    #[cfg(test)]
    mod tests {
        #![allow(clippy::unwrap_used)]
        use super::*;
        use std::sync::atomic::Ordering::SeqCst;
        use std::time::Instant;

        #[test]
        fn waits_for_the_word_and_for_no_longer_than_it_may() {
            let word = AtomicU32::new(1);
            assert_eq!(wait(&word, 0, Duration::from_secs(9)), Ok(()));
            let start = Instant::now();
            assert_eq!(wait(&word, 1, Duration::from_millis(5)), Err(Errno::TIMEDOUT));
            assert!(start.elapsed() >= Duration::from_millis(5));
        }

        /// A wait that no wake ends takes [`MAX_WAIT`], so that all of them together show whether the wakes do it.
        #[test]
        fn every_wake_arrives() {
            const ROUNDS: u32 = 1000;
            let start = Instant::now();
            let (here, there) = (AtomicU32::new(0), AtomicU32::new(0));
            let answers = |from: &AtomicU32, to: &AtomicU32, say: u32| {
                while from.load(SeqCst) != say {
                    let _ = wait(from, say - 1, Duration::from_secs(100));
                }
                to.store(say, SeqCst);
                wake_one(to);
            };
            std::thread::scope(|scope| {
                scope.spawn(|| (1..ROUNDS).for_each(|say| answers(&here, &there, say)));
                for say in 1..ROUNDS {
                    here.store(say, SeqCst);
                    wake_one(&here);
                    while there.load(SeqCst) != say {
                        let _ = wait(&there, say - 1, Duration::from_secs(100));
                    }
                }
            });
            let took = start.elapsed();
            assert!(took < MAX_WAIT * ROUNDS / 4, "{took:?}: waits have ended by themselves");
        }
    }
}
