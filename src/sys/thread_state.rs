//! The library's per-thread state.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;

/// The per-thread state of every call, in one place: in a shared library each access to a thread-local
/// variable is a function call. It has no destructor, so it stays usable while the thread's locals are torn
/// down.
pub struct ThreadState {
    /// Number of [`contain`](super::contain::contain)s on this thread's stack.
    pub(super) depth: Cell<u32>,
    /// For `sys::cancel`: why the thread's cancellation is deferred, and whether it was found cancelled. And
    /// whether it has made a system call since that was last read; without one, no time passes.
    pub(super) put_off: Cell<PutOff>,
    pub(super) cancelled: Cell<bool>,
    pub entered_kernel: Cell<bool>,
    /// The library has started the thread.
    pub(super) is_ours: Cell<bool>,
    /// For `message`, which knows the type behind the pointers: number of guards against free callbacks on
    /// this thread, and the list of messages that wait for the last guard, oldest first.
    pub guards: Cell<usize>,
    pub first: Cell<*mut c_void>,
    pub last: Cell<*mut c_void>,
}

thread_local! {
    static STATE: ThreadState = const {
        ThreadState {
            depth: Cell::new(0),
            put_off: Cell::new(PutOff::No),
            cancelled: Cell::new(false),
            entered_kernel: Cell::new(false),
            is_ours: Cell::new(false),
            guards: Cell::new(0),
            first: Cell::new(ptr::null_mut()),
            last: Cell::new(ptr::null_mut()),
        }
    };
}

impl ThreadState {
    /// The calling thread's state. It cannot be given to another thread: `Cell`s are not shared between
    /// threads.
    #[inline]
    pub fn current() -> &'static ThreadState {
        let here = STATE.with(ptr::from_ref);
        // SAFETY: the variable has no destructor, so it lives as long as its thread. The reference does not
        // leave the thread: `ThreadState` is not `Sync`.
        unsafe { &*here }
    }

    /// Whether the library has started the thread.
    pub fn is_ours(&self) -> bool {
        self.is_ours.get()
    }

    /// Whether a [`contain`](super::contain::contain) is below on the thread's stack.
    pub(super) fn is_contained(&self) -> bool {
        self.depth.get() > 0
    }
}

/// Why the cancellation of a thread is deferred, if it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutOff {
    /// The library does not defer it.
    No,
    /// By a call, which may be cancelled where it sleeps.
    ByCall,
    /// By a callback of the program, below which frames on the stack own values.
    ByCallback,
}
