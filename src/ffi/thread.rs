//! `zmq_threadstart`, `zmq_threadclose`.

use super::{lockless, memory};
use crate::errno::{Errno, Result};
use crate::sys::fork::Born;
use crate::sys::thread::{BlockedSignals, name_current};
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr;

/// The function that a thread runs.
#[allow(non_camel_case_types)]
pub type zmq_thread_fn = unsafe extern "C-unwind" fn(arg: *mut c_void);

/// A thread of the program's, started with the system's own defaults: Rust's threads have a smaller stack than
/// C programs reckon with.
struct Thread {
    id: libc::pthread_t,
    born: Born,
}

/// The function and its argument, handed to the new thread.
struct Start {
    run: zmq_thread_fn,
    arg: *mut c_void,
}

/// Starts a thread that calls `func(arg)`, with all signals blocked. zmq_threadclose() waits for it and frees the handle.
///
/// Returns the handle, or NULL with errno `EAGAIN` or `ENOMEM` if the system has no more threads, `EFAULT` without
/// a function.
///
/// # Safety
/// `func` may be called with `arg` on another thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_threadstart(func: Option<zmq_thread_fn>, arg: *mut c_void) -> *mut c_void {
    lockless(ptr::null_mut(), || {
        let run = func.ok_or(Errno::FAULT)?;
        let handle = memory::boxed(MaybeUninit::<Thread>::uninit())?;
        let start = match memory::boxed(Start { run, arg }) {
            Ok(start) => start,
            Err(error) => {
                // SAFETY: from `boxed`, and no longer used.
                drop(unsafe { memory::unboxed(handle) });
                return Err(error);
            }
        };
        let mut id = MaybeUninit::<libc::pthread_t>::uninit();
        let blocked = BlockedSignals::all();
        // SAFETY: `thread_main` takes a `Start` from `boxed`, and the new thread is the only one to have it. It is
        // declared to unwind as the program's function may (`pthread_exit`); glibc calls both kinds alike.
        let rc = unsafe {
            let main = std::mem::transmute::<
                extern "C-unwind" fn(*mut c_void) -> *mut c_void,
                extern "C" fn(*mut c_void) -> *mut c_void,
            >(thread_main);
            libc::pthread_create(id.as_mut_ptr(), ptr::null(), main, start.cast())
        };
        drop(blocked);
        if rc != 0 {
            // SAFETY: from `boxed`; no thread was started that could use them.
            unsafe {
                drop(memory::unboxed(start));
                drop(memory::unboxed(handle));
            }
            return Err(Errno(rc));
        }
        // SAFETY: `pthread_create` succeeded, so it wrote the id; `handle` has room for a `Thread`.
        unsafe { (*handle).write(Thread { id: id.assume_init(), born: Born::now() }) };
        Ok(handle.cast())
    })
}

/// Waits for a thread started by zmq_threadstart() and frees its handle. NULL is left alone (errno `EFAULT`).
///
/// # Safety
/// `thread` is NULL or from zmq_threadstart() and not closed.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_threadclose(thread: *mut c_void) {
    // Declared to unwind: a thread that waits here may be cancelled.
    unsafe extern "C-unwind" {
        fn pthread_join(thread: libc::pthread_t, value: *mut *mut c_void) -> c_int;
    }
    // SAFETY: as the caller promises.
    let Some(id) = lockless(None, || unsafe { close(thread) }) else { return };
    // SAFETY: a thread that was started joinable and, by the caller's promise, is not yet joined.
    let rc = unsafe { pthread_join(id, ptr::null_mut()) };
    if rc != 0 {
        lockless((), || Err(Errno(rc)));
    }
}

/// Frees the handle. The thread that is to be joined; a forked child does not have its parent's. Errors: `EFAULT` for NULL.
///
/// # Safety
/// That of zmq_threadclose().
unsafe fn close(thread: *mut c_void) -> Result<Option<libc::pthread_t>> {
    if thread.is_null() {
        return Err(Errno::FAULT);
    }
    // SAFETY: a handle, by the caller's promise, and not used any more.
    let thread = unsafe { memory::unboxed(thread.cast::<Thread>()) };
    Ok(Some(thread.id).filter(|_| !thread.born.forked()))
}

/// Nothing here may need dropping while the program's function runs: `pthread_exit` unwinds through this frame.
extern "C-unwind" fn thread_main(start: *mut c_void) -> *mut c_void {
    name_current(b"ZMQapp");
    // SAFETY: from `zmq_threadstart`, which handed it over.
    let Start { run, arg } = *unsafe { memory::unboxed(start.cast::<Start>()) };
    // SAFETY: the program said that it may be called here.
    unsafe { run(arg) };
    ptr::null_mut()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::zmq_errno;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    unsafe extern "C-unwind" fn set(flag: *mut c_void) {
        // SAFETY: the test's own flag, which outlives the thread.
        unsafe { &*flag.cast::<AtomicBool>() }.store(true, Ordering::Relaxed);
    }

    unsafe extern "C-unwind" fn leave_early(_: *mut c_void) {
        unsafe extern "C-unwind" {
            fn pthread_exit(value: *mut c_void) -> !;
        }
        // SAFETY: ends this thread, which owns nothing.
        unsafe { pthread_exit(ptr::null_mut()) }
    }

    unsafe extern "C-unwind" fn use_much_stack(used: *mut c_void) {
        let mut room = [0u8; 4 << 20];
        std::hint::black_box(&mut room);
        // SAFETY: the test's own counter, which outlives the thread.
        unsafe { &*used.cast::<AtomicUsize>() }.store(room.len(), Ordering::Relaxed);
    }

    fn run<T>(func: zmq_thread_fn, arg: &T) {
        // SAFETY: the functions above take these arguments, which outlive the thread.
        unsafe {
            let thread = zmq_threadstart(Some(func), ptr::from_ref(arg).cast_mut().cast());
            assert!(!thread.is_null());
            zmq_threadclose(thread);
        }
    }

    #[test]
    fn runs_and_is_waited_for() {
        let ran = AtomicBool::new(false);
        run(set, &ran);
        assert!(ran.load(Ordering::Relaxed));
        run(leave_early, &());
    }

    #[test]
    fn has_the_stack_of_a_c_thread() {
        let mut limit = MaybeUninit::<libc::rlimit>::zeroed();
        // SAFETY: room for the answer; all-zero is a valid one.
        let limit = unsafe {
            libc::getrlimit(libc::RLIMIT_STACK, limit.as_mut_ptr());
            limit.assume_init().rlim_cur
        };
        // With an unlimited (or small) stack the system's default may be too small for the test.
        if (8 << 20..1 << 40).contains(&limit) {
            let used = AtomicUsize::new(0);
            run(use_much_stack, &used);
            assert_eq!(used.load(Ordering::Relaxed), 4 << 20);
        }
    }

    #[test]
    fn without_a_function_or_a_thread() {
        // SAFETY: NULL is allowed.
        unsafe {
            assert!(zmq_threadstart(None, ptr::null_mut()).is_null());
            assert_eq!(zmq_errno(), libc::EFAULT);
            zmq_threadclose(ptr::null_mut());
        }
    }
}
