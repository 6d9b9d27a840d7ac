//! Tells a forked child from its parent without a system call.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// 0 until the handler is registered. Then the number of forks from there to this process, counted from 1.
/// [`generation`] writes it once, and [`bump`] in a child, which has one thread then. Any thread reads it. It
/// makes no edge: `fork` itself orders what the child sees.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// A number that differs between a forked child and its parent. An owner of threads or descriptors keeps the
/// number from when it was made. Where it differs, the threads do not exist, and a lock may be held by a
/// thread that does not exist.
///
/// One relaxed load after the first call. Never 0. Stays 1 while the system has no memory to register the
/// handler.
#[inline]
pub fn generation() -> u32 {
    match GENERATION.load(Relaxed) {
        0 => register(),
        generation => generation,
    }
}

/// Whether this is the [`generation`] of the process. One load; never true of 0.
#[inline(always)]
pub fn is_current(generation: u32) -> bool {
    // No object can have been made before the handler was registered.
    GENERATION.load(Relaxed) == generation && generation != 0
}

/// The generation in which an object was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Born(u32);

impl Born {
    pub fn now() -> Born {
        Born(generation())
    }

    /// Whether this process is a forked child of the one in which the object was made.
    #[inline]
    pub fn forked(self) -> bool {
        self.0 != generation()
    }
}

/// Two threads may both come here. Then the handler runs twice in a child and adds two, which serves as well.
#[cold]
fn register() -> u32 {
    // SAFETY: `bump` is a plain function that lives as long as this library (glibc removes it at dlclose). It
    // only makes an atomic store, which is allowed between fork and exec.
    let rc = unsafe { libc::pthread_atfork(None, None, Some(bump)) };
    if rc != 0 {
        return 1;
    }
    let _ = GENERATION.compare_exchange(0, 1, Relaxed, Relaxed);
    GENERATION.load(Relaxed)
}

unsafe extern "C" fn bump() {
    let next = GENERATION.load(Relaxed).wrapping_add(1);
    GENERATION.store(if next == 0 { 1 } else { next }, Relaxed);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_child_differs_and_the_parent_does_not_change() {
        let born = Born::now();
        assert!(!born.forked());
        // SAFETY: the child calls nothing but atomic loads and `_exit`.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let code = if born.forked() && !Born::now().forked() { 0 } else { 1 };
            // SAFETY: ends the child without running anything of the parent's.
            unsafe { libc::_exit(code) };
        }
        let mut status = 0;
        // SAFETY: `status` is a valid place for the result.
        assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
        assert_eq!(status, 0);
        assert!(!born.forked());
    }
}
