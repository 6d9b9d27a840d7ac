//! Waiting for a word of memory to change.

#[cfg(any(target_os = "linux", target_os = "android"))]
pub use linux::{wait, wake_one};

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub use elsewhere::{wait, wake_one};

#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux {
    use crate::errno::{Errno, Result};
    use std::sync::atomic::AtomicU32;
    use std::time::Duration;

    /// Sleeps while `word` is `expected`, for no longer than `timeout`. `Ok` may be spurious.
    ///
    /// Errors: `EAGAIN` where it is something else already, `ETIMEDOUT`, `EINTR`.
    pub fn wait(word: &AtomicU32, expected: u32, timeout: Duration) -> Result<()> {
        let timeout = libc::timespec {
            tv_sec: timeout.as_secs().try_into().unwrap_or(libc::time_t::MAX),
            // Below 10^9, which fits any C long.
            tv_nsec: timeout.subsec_nanos() as _,
        };
        // SAFETY: `word` is alive and aligned for the whole call, `timeout` is a valid timespec, and FUTEX_WAIT
        // looks at nothing else.
        let rc = unsafe {
            libc::syscall(
                libc::SYS_futex,
                word.as_ptr(),
                libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
                expected,
                &raw const timeout,
            )
        };
        if rc == 0 { Ok(()) } else { Err(Errno::last()) }
    }

    /// Wakes one thread that sleeps on `word`.
    pub fn wake_one(word: &AtomicU32) {
        // SAFETY: FUTEX_WAKE uses the address as a key only. The result does not matter: nobody may be there.
        unsafe {
            libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, 1);
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod elsewhere {
    use crate::errno::Result;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    use std::time::Duration;

    /// Without a futex the thread looks again every few milliseconds: correct, and slow.
    pub fn wait(word: &AtomicU32, expected: u32, timeout: Duration) -> Result<()> {
        if word.load(Relaxed) == expected {
            crate::sys::poll::poll(&mut [], Some(timeout.min(Duration::from_millis(1))))?;
        }
        Ok(())
    }

    pub fn wake_one(_word: &AtomicU32) {}
}
