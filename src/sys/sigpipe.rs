//! Writing to a pipe or socket that may have no reader, on a thread of the program.
//!
//! The system sends SIGPIPE to a thread that does so, besides the error, which ends the program. The library's own threads have all signals
//! blocked, and what it sends to peers is sent without the signal.

use super::cancel::CancelOff;
use super::thread_state::ThreadState;
use std::mem::MaybeUninit;

/// Does something of which no SIGPIPE is delivered to the calling thread. One that was there before stays.
pub fn without_sigpipe<R>(act: impl FnOnce() -> R) -> R {
    // Waiting for a signal is a cancellation point.
    let _off = CancelOff::for_whole_call(ThreadState::current());
    let had_one = is_pending();
    let blocked = Blocked::new();
    let outcome = act();
    if !had_one && is_pending() {
        take();
    }
    drop(blocked);
    outcome
}

/// While it lives, the calling thread is not sent the signal.
struct Blocked(libc::sigset_t);

impl Blocked {
    fn new() -> Blocked {
        let (sigpipe, mut old) = (sigpipe(), empty());
        // SAFETY: two sets; the old one stays empty where the call fails, which it cannot.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const sigpipe, &raw mut old) };
        Blocked(old)
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: the mask that was in force.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut()) };
    }
}

/// Whether the signal waits for the thread, or for the process.
fn is_pending() -> bool {
    let mut pending = empty();
    // SAFETY: a place for the set, which stays empty where the call fails.
    unsafe {
        libc::sigpending(&raw mut pending) == 0 && libc::sigismember(&raw const pending, libc::SIGPIPE) == 1
    }
}

/// Takes the signal, which is pending and blocked: so nothing is waited for.
fn take() {
    let (sigpipe, mut taken) = (sigpipe(), 0);
    // SAFETY: a set, and a place for the number.
    unsafe { libc::sigwait(&raw const sigpipe, &raw mut taken) };
}

fn sigpipe() -> libc::sigset_t {
    let mut set = empty();
    // SAFETY: a set, and a signal that exists.
    unsafe { libc::sigaddset(&raw mut set, libc::SIGPIPE) };
    set
}

fn empty() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: the call fills in the set, and fails for none.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        set.assume_init()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sys::fork::tests::child;

    /// Writes to a pipe without a reader, in a child where the signal ends the process, as it does by default.
    fn write_in_child(had_one: bool) -> i32 {
        child(|| {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            // SAFETY: the child has one thread, and asks for what is the default.
            unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
            let blocked = had_one.then(Blocked::new);
            if had_one {
                // SAFETY: a signal for the calling thread, which has it blocked.
                unsafe { libc::raise(libc::SIGPIPE) };
            }
            let refused = without_sigpipe(|| std::io::Write::write(&mut &writer, b"x").unwrap_err());
            let is_fine = refused.raw_os_error() == Some(libc::EPIPE) && is_pending() == had_one;
            std::mem::forget(blocked);
            i32::from(!is_fine)
        })
    }

    #[test]
    fn a_pipe_without_a_reader_is_an_error_and_no_end() {
        assert_eq!(write_in_child(false), 0);
    }

    #[test]
    fn a_signal_that_was_there_before_stays() {
        assert_eq!(write_in_child(true), 0);
    }
}
