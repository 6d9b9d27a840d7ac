//! Telling a forked child from its parent without a system call.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// 0 until the handler is registered, then how often this process and its ancestors were forked children,
/// counted from 1. Written by [`generation`] once and by [`bump`] in a child, which has one thread then; read by
/// everybody. It makes no edge: `fork` itself orders what the child sees.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// A number that is another one in a forked child than in its parent. Whoever owns threads or descriptors keeps
/// the number of its making; where it differs, the threads do not exist and locks may be held by nobody.
///
/// One relaxed load after the first call. Never 0. Stays 1 for as long as the system has no memory to register the
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
    // Nothing can have been made before the handler was registered.
    GENERATION.load(Relaxed) == generation && generation != 0
}

/// The generation in which something was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Born(u32);

impl Born {
    pub fn now() -> Born {
        Born(generation())
    }

    /// Whether the process is a forked child of the one in which this was made.
    #[inline]
    pub fn forked(self) -> bool {
        self.0 != generation()
    }
}

/// Two threads may both come here; then the handler runs twice in a child and bumps by two, which is as good.
#[cold]
fn register() -> u32 {
    // SAFETY: `bump` is a plain function that lives as long as this library (glibc forgets it at dlclose) and does
    // nothing but an atomic store, which is allowed between fork and exec.
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
