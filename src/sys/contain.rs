//! Panics end where they do no harm, and without a word on stderr unless one is asked for.

use super::cancel::{CancelOff, PutOff};
use super::log;
use std::cell::Cell;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::ptr;
use std::sync::{Once, OnceLock};

/// What every call wants to know of its thread, in one place: in a shared library each look for a thread's variable is a call.
/// No destructor, so it stays usable while the thread's locals are torn down.
pub struct Here {
    /// How many [`contain`]s this thread is inside of.
    depth: Cell<u32>,
    /// For `sys::cancel`: what puts off the thread's cancellation; that it was found cancelled; and that it has made a call since it last
    /// looked, without which no time goes by.
    pub(super) put_off: Cell<PutOff>,
    pub(super) cancelled: Cell<bool>,
    pub entered_kernel: Cell<bool>,
    /// How many guards against free callbacks live on this thread; and what waits for the last of them, oldest first. For
    /// `message`, which knows what lies behind the pointers.
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
    /// The calling thread's. Not to be given to another thread (it cannot: `Cell`s are not shared between threads).
    #[inline]
    pub fn find() -> &'static Here {
        let here = HERE.with(ptr::from_ref);
        // SAFETY: the variable has no destructor, so it is there for as long as its thread, which the reference does not
        // leave: `Here` is not `Sync`.
        unsafe { &*here }
    }

    /// Whether a [`contain`] is below on the thread's stack.
    pub(super) fn is_contained(&self) -> bool {
        self.depth.get() > 0
    }
}

/// Runs code whose panics are bugs of ours that must not reach the host. `None` if it panicked: the caller drops, or
/// checks anew, whatever it was working on, so nobody sees it half done.
pub fn contain<T>(run: impl FnOnce() -> T) -> Option<T> {
    contain_at(Here::find(), run)
}

/// As [`contain`], for who has found the thread's variables already.
#[inline]
pub fn contain_at<T>(here: &'static Here, run: impl FnOnce() -> T) -> Option<T> {
    quieten();
    here.depth.set(here.depth.get() + 1);
    let outcome = catch_unwind(AssertUnwindSafe(run));
    here.depth.set(here.depth.get() - 1);
    match outcome {
        Ok(value) => Some(value),
        Err(payload) => {
            // Its drop might panic again, and nobody reads it.
            std::mem::forget(payload);
            None
        }
    }
}

/// The hook that was there before ours, and whether contained panics are to be told of. In a static and not in the hook itself: what
/// the hook holds stays allocated for good.
static OTHERS: OnceLock<(bool, Box<Hook>)> = OnceLock::new();
type Hook = dyn Fn(&PanicHookInfo<'_>) + Send + Sync;

/// Puts a hook before the one that is there, which keeps all panics but ours.
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
    fn a_panic_is_an_answer() {
        assert_eq!(contain(|| 7), Some(7));
        assert_eq!(contain(|| -> u8 { panic!("contained") }), None);
        assert_eq!(contain(|| contain(|| -> u8 { panic!("contained") })), Some(None));
        assert_eq!(Here::find().depth.get(), 0);
    }
}
