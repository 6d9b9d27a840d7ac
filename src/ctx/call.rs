//! What surrounds a call of the program's that may panic, free messages or sleep.

use crate::errno::{Errno, Result};
use crate::message::DeferFrees;
use crate::sys::cancel::end_if_cancelled;
use crate::sys::contain::contain_at;
use crate::sys::panics;
use crate::sys::thread_state::ThreadState;

/// What a call that panicked reports. Panics are bugs of ours; no call documents this code, so a program cannot mistake it for a
/// condition that it knows how to handle. `EFAULT` stays the sign of a bad handle.
const PANICKED: Errno = Errno(libc::ENOTRECOVERABLE);

/// A panic must not unwind into C: it ends here, and costs the program this one call.
pub fn contained<T>(here: &'static ThreadState, run: impl FnOnce() -> Result<T>) -> Result<T> {
    // Unwind safety: what a panic left half done is behind locks and types that are dropped or checked anew on their
    // next use; nothing captured by the closure is looked at again.
    contain_at(here, panics::report, run).unwrap_or(Err(PANICKED))
}

/// As [`contained`]. Free callbacks that the call causes run after everything in it has dropped, so with no lock held.
pub fn deferring_frees<T>(here: &'static ThreadState, run: impl FnOnce() -> Result<T>) -> Result<T> {
    let _frees = DeferFrees::at(here);
    contained(here, run)
}

/// A call that may sleep before it has an effect. It ends its thread first, if that is cancelled: then nothing is lost.
///
/// The frames between this and the program own nothing that needs dropping, and neither does what `run` has captured.
pub fn cancelled_before<T>(run: impl FnOnce() -> Result<T>) -> Result<T> {
    deferring_frees(begin_cancellable(), run)
}

/// A call that has an effect whose result no thread has to see, and that may hold a lock already. It ends its thread
/// afterwards, if that is cancelled.
///
/// The frames between this and the program own nothing that needs dropping.
pub fn cancelled_after<T>(run: impl FnOnce() -> Result<T>) -> Result<T> {
    let here = ThreadState::current();
    let result = deferring_frees(here, run);
    if here.entered_kernel.get() {
        end_if_cancelled(here);
    }
    result
}

/// Ends the thread if it is cancelled. A thread that never sleeps, because there always is something to do, is cancelled
/// between two calls.
#[inline]
pub fn begin_cancellable() -> &'static ThreadState {
    let here = ThreadState::current();
    if here.entered_kernel.get() {
        end_if_cancelled(here);
    }
    here
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::sys::log::LOG;
    use std::process::Command;

    #[test]
    fn a_panic_before_the_first_context_is_told_of_where_the_log_is_to_have_it() {
        const INSIDE: &str = "FERROZMQ_TEST_EARLY_PANIC";
        const NAME: &str =
            "ctx::call::tests::a_panic_before_the_first_context_is_told_of_where_the_log_is_to_have_it";
        if std::env::var_os(INSIDE).is_some() {
            assert_eq!(
                contained(ThreadState::current(), || -> Result<()> { panic!("early") }),
                Err(PANICKED)
            );
            return;
        }
        let run = |log: &str| {
            let mut test = Command::new(std::env::current_exe().unwrap());
            test.args([NAME, "--exact", "--nocapture", "--test-threads=1"]).env(INSIDE, "1").env(LOG, log);
            let output = test.output().unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stderr).unwrap()
        };
        assert!(run("panic=error").contains("early"));
        assert_eq!(run(""), "");
    }
}
