//! Waiting for a word of memory to change.

#[cfg(any(target_os = "linux", target_os = "android"))]
pub use linux::{sleep, wait, wake_one, was_refused};

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub use elsewhere::{wait, wait as sleep, wake_one, was_refused};

#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux {
    use super::super::cancel::SystemCall;
    use super::super::faults::{self, Call};
    use super::super::late_wakes;
    use super::super::retry::rest;
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
        let timeout = libc::timespec {
            tv_sec: timeout.as_secs().try_into().unwrap_or(libc::time_t::MAX),
            // Below 10^9, which fits any C long.
            tv_nsec: timeout.subsec_nanos() as _,
        };
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

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod elsewhere {
    use crate::errno::Result;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    use std::time::Duration;

    /// Without a futex the thread polls the word every millisecond: correct, but slow.
    pub fn wait(word: &AtomicU32, expected: u32, timeout: Duration) -> Result<()> {
        if word.load(Relaxed) == expected {
            crate::sys::poll::poll(&mut [], Some(timeout.min(Duration::from_millis(1))))?;
        }
        Ok(())
    }

    pub fn wake_one(_word: &AtomicU32) {}

    /// No call is refused here.
    pub fn was_refused() -> bool {
        false
    }
}
