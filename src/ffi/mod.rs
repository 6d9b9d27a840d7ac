//! The C interface, as `zmq.h` and `zmq_ferro.h` declare it: a file per group of manual pages.

// Each entry point checks its arguments, converts them, calls one safe function of the layer below and maps the result; there is no
// logic here. (`tests/layering` holds it to that.)
//
// An entry point is a plain `#[unsafe(no_mangle)] pub unsafe extern "C" fn` (`"C-unwind"` where it may sleep). Its body is one call of
// `int`, `pointer` or `value` (or `lockless`, for calls that take no lock; or another below) around a closure that returns a `Result`;
// or of `transferred`, around a function that contains itself. Doc comments here are read by C programmers: they end up in `zmq.h`.

mod atomic_counter;
mod clock;
pub mod constants;
mod context;
mod curve;
#[cfg(zmq_draft)]
pub mod draft_constants;
mod errno;
mod io;
mod memory;
mod monitor;
mod msg;
mod poll;
#[cfg(zmq_draft)]
mod poller;
mod proxy;
mod qzmq;
mod socket;
mod stats;
mod thread;
mod timers;
mod version;
mod z85;

pub use atomic_counter::*;
pub use clock::*;
pub use context::*;
pub use curve::*;
pub use errno::*;
pub use io::*;
pub use monitor::*;
pub use msg::*;
pub use poll::*;
#[cfg(zmq_draft)]
pub use poller::*;
pub use proxy::*;
pub use qzmq::*;
pub use socket::*;
pub use stats::*;
pub use thread::*;
pub use timers::*;
pub use version::*;
pub use z85::*;

use crate::ctx::call::{begin_cancellable, cancelled_before, contained, deferring_frees};
use crate::errno::{Errno, Result};
use crate::sys::cancel::{CancelOff, end_if_cancelled};
use crate::sys::log::shortage::{self, What};
use crate::sys::thread_state::ThreadState;
use std::ffi::c_int;
use std::ptr;

// A thread that `pthread_cancel` ends must not be unwound inside of a call (`sys::cancel`). There are three kinds of calls in this regard.
// Those that only compute and lock are `lockless` or `brief`. Those that may make any system call put cancellation off to their end: `int`,
// `pointer`, `value`. And those that may sleep are `transfer` and `wait`: the threads in them can be cancelled, and so they are `extern "C-unwind"`.

/// Runs an entry point that returns an `int`: -1 with errno on failure.
pub(crate) fn int(run: impl FnOnce() -> Result<c_int>) -> c_int {
    value(-1, run)
}

/// Runs an entry point that returns a pointer: NULL with errno on failure.
pub(crate) fn pointer<T>(run: impl FnOnce() -> Result<*mut T>) -> *mut T {
    value(ptr::null_mut(), run)
}

/// Runs an entry point and returns `on_failure`, with errno set, if it fails.
///
/// Free callbacks that the call causes run after everything in it has dropped, so with no lock held; errno is set
/// after those, since they may set it too.
pub(crate) fn value<T, R: FnOnce() -> Result<T>>(on_failure: T, run: R) -> T {
    let here = ThreadState::current();
    let result = {
        let _off = CancelOff::for_whole_call(here);
        deferring_frees(here, run)
    };
    settled(on_failure, result, name_of::<R>)
}

/// As [`int`], for a call that makes no cancellation point of libc's.
pub(crate) fn brief<R: FnOnce() -> Result<c_int>>(run: R) -> c_int {
    let here = ThreadState::current();
    let result = deferring_frees(here, run);
    settled(-1, result, name_of::<R>)
}

/// As [`brief`], for a call that may sleep. Nothing that `run` has captured needs dropping, and nothing in the caller's frame.
pub(crate) fn transfer(run: impl FnOnce() -> Result<c_int>) -> c_int {
    transferred(cancelled_before(run))
}

/// As [`transfer`], for a call that may make any system call besides.
pub(crate) fn wait<R: FnOnce() -> Result<c_int>>(run: R) -> c_int {
    let here = begin_cancellable();
    let result = {
        let _off = CancelOff::for_call(here);
        deferring_frees(here, run)
    };
    settled_or_cancelled::<R>(here, result)
}

/// As [`lockless`], for a call that may sleep; as with [`transfer`].
pub(crate) fn lockless_wait<R: FnOnce() -> Result<c_int>>(run: R) -> c_int {
    let here = begin_cancellable();
    let result = contained(here, run);
    settled_or_cancelled::<R>(here, result)
}

/// The result of a call that may have slept, and that the layer below has contained.
#[inline(always)]
fn transferred(result: Result<c_int>) -> c_int {
    match result {
        Ok(value) => value,
        Err(error) => given_up(error),
    }
}

#[cold]
fn given_up(error: Errno) -> c_int {
    end_if_cancelled(ThreadState::current());
    failed(-1, error, || "a call that sends or receives")
}

#[inline]
fn settled_or_cancelled<R>(here: &'static ThreadState, result: Result<c_int>) -> c_int {
    match result {
        Ok(value) => value,
        Err(error) => {
            end_if_cancelled(here);
            failed(-1, error, name_of::<R>)
        }
    }
}

/// As [`value`] for a call that holds no lock while it frees messages or calls the program back: free
/// callbacks run where they fall due. Spares small calls the guard, and lets callbacks of the program (timer
/// handlers) see the free callbacks of what they themselves let go of.
pub(crate) fn lockless<T, R: FnOnce() -> Result<T>>(on_failure: T, run: R) -> T {
    let result = contained(ThreadState::current(), run);
    settled(on_failure, result, name_of::<R>)
}

#[inline]
fn settled<T>(on_failure: T, result: Result<T>, call: fn() -> &'static str) -> T {
    match result {
        Ok(value) => value,
        Err(error) => failed(on_failure, error, call),
    }
}

#[cold]
fn failed<T>(on_failure: T, error: Errno, call: fn() -> &'static str) -> T {
    shortage::tell(What::Call, error, format_args!("{} fails", call()));
    errno::set_errno(error);
    on_failure
}

/// The call that a closure is the body of, by the closure's own name.
fn name_of<R>() -> &'static str {
    let path = std::any::type_name::<R>().rsplit("::");
    path.into_iter().find(|part| part.starts_with("zmq_")).unwrap_or("a call")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::*;
    use crate::message::testing::FreeHook;

    #[test]
    fn errno_is_set_on_failure_alone() {
        errno::set_errno(Errno::AGAIN);
        assert_eq!(int(|| Ok(7)), 7);
        assert_eq!(zmq_errno(), libc::EAGAIN);
        assert_eq!(int(|| Err(Errno::FSM)), -1);
        assert_eq!(zmq_errno(), Errno::FSM.0);
        assert!(pointer::<u8>(|| Err(Errno::NOMEM)).is_null());
        assert_eq!(zmq_errno(), libc::ENOMEM);
        value((), || Err(Errno::FAULT));
        assert_eq!(zmq_errno(), libc::EFAULT);
    }

    #[test]
    fn errno_is_set_after_the_callbacks() {
        let hook = FreeHook::new(|| errno::set_errno(Errno::PIPE));
        let body = hook.into_body();
        let outcome = int(|| {
            drop(body);
            Err(Errno::AGAIN)
        });
        assert_eq!((outcome, zmq_errno()), (-1, libc::EAGAIN));
    }

    #[test]
    fn callbacks_run_with_nothing_held() {
        static LOCK: crate::sys::lock::Lock<()> = crate::sys::lock::Lock::new(());
        let hook = FreeHook::new(|| assert!(LOCK.try_lock().is_some()));
        let body = hook.into_body();
        assert_eq!(
            int(|| {
                let _guard = LOCK.lock();
                drop(body);
                Ok(0)
            }),
            0
        );
    }

    #[test]
    fn a_panic_costs_one_call() {
        assert_eq!(int(|| panic!("contained")), -1);
        assert_eq!(zmq_errno(), libc::ENOTRECOVERABLE);
        assert_eq!(lockless(0, || panic!("contained")), 0);
    }
}
