//! Contains panics where they do no harm, without a line on stderr unless the environment asks for one.

use super::cancel::{CancelOff, PutOff};
use super::log;
use std::cell::Cell;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::ptr;
use std::sync::{Once, OnceLock};

/// The per-thread state of every call, in one place: in a shared library each access to a thread-local
/// variable is a function call. It has no destructor, so it stays usable while the thread's locals are torn
/// down.
pub struct Here {
    /// Number of [`contain`]s on this thread's stack.
    depth: Cell<u32>,
    /// For `sys::cancel`: why the thread's cancellation is deferred, and whether it was found cancelled. And
    /// whether it has made a system call since that was last read; without one, no time passes.
    pub(super) put_off: Cell<PutOff>,
    pub(super) cancelled: Cell<bool>,
    pub entered_kernel: Cell<bool>,
    /// For `message`, which knows the type behind the pointers: number of guards against free callbacks on
    /// this thread, and the list of messages that wait for the last guard, oldest first.
    pub guards: Cell<usize>,
    pub first: Cell<*mut c_void>,
    pub last: Cell<*mut c_void>,
}

thread_local! {
    static HERE: Here = const {
        Here {
            depth: Cell::new(0),
            put_off: Cell::new(PutOff::No),
            cancelled: Cell::new(false),
            entered_kernel: Cell::new(false),
            guards: Cell::new(0),
            first: Cell::new(ptr::null_mut()),
            last: Cell::new(ptr::null_mut()),
        }
    };
}

impl Here {
    /// The calling thread's state. It cannot be given to another thread: `Cell`s are not shared between
    /// threads.
    #[inline]
    pub fn find() -> &'static Here {
        let here = HERE.with(ptr::from_ref);
        // SAFETY: the variable has no destructor, so it lives as long as its thread. The reference does not
        // leave the thread: `Here` is not `Sync`.
        unsafe { &*here }
    }

    /// Whether a [`contain`] is below on the thread's stack.
    pub(super) fn is_contained(&self) -> bool {
        self.depth.get() > 0
    }
}

/// Runs `run`, whose panics are bugs of the library and must not reach the program. `None` if it panicked:
/// the caller then drops the values it was working on, or checks them anew, so no later call sees them half
/// done.
pub fn contain<T>(run: impl FnOnce() -> T) -> Option<T> {
    contain_at(Here::find(), run)
}

/// As [`contain`], for a caller that has the thread's state already.
#[inline]
pub fn contain_at<T>(here: &'static Here, run: impl FnOnce() -> T) -> Option<T> {
    quieten();
    here.depth.set(here.depth.get() + 1);
    let outcome = catch_unwind(AssertUnwindSafe(run));
    here.depth.set(here.depth.get() - 1);
    match outcome {
        Ok(value) => Some(value),
        Err(payload) => {
            // Its drop might panic again, and no code reads it.
            std::mem::forget(payload);
            None
        }
    }
}

/// The panic hook before ours, and whether contained panics are reported. In a static rather than in the hook
/// itself: memory owned by a hook stays allocated.
static OTHERS: OnceLock<(bool, Box<Hook>)> = OnceLock::new();
type Hook = dyn Fn(&PanicHookInfo<'_>) + Send + Sync;

/// Installs a hook that passes all panics to the previous one, except contained ones.
fn quieten() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let asked = log::is_asked_for();
        if OTHERS.set((asked, std::panic::take_hook())).is_ok() {
            std::panic::set_hook(Box::new(|info| {
                if let Some((asked, others)) = OTHERS.get()
                    && (*asked || Here::find().depth.get() == 0)
                {
                    let _off = CancelOff::for_call(Here::find());
                    others(info);
                }
            }));
        }
    });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::*;

    #[test]
    fn a_contained_panic_is_none() {
        assert_eq!(contain(|| 7), Some(7));
        assert_eq!(contain(|| -> u8 { panic!("contained") }), None);
        assert_eq!(contain(|| contain(|| -> u8 { panic!("contained") })), Some(None));
        assert_eq!(Here::find().depth.get(), 0);
    }
}
