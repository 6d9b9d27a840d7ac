//! `zmq_atomic_counter_*`.

use super::{lockless, memory};
use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicI32, Ordering};

/// Written and read by the program's threads. Programs count references with it, so every change is ordered: the thread that
/// counts down to zero sees everything before the other threads' decrements.
struct Counter(AtomicI32);

/// Creates an atomic counter set to zero; free it with zmq_atomic_counter_destroy().
///
/// Returns the counter, or NULL with errno `ENOMEM`.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_atomic_counter_new() -> *mut c_void {
    lockless(std::ptr::null_mut(), || Ok(memory::boxed(Counter(AtomicI32::new(0)))?.cast()))
}

/// Sets an atomic counter. Without effect (errno `EFAULT`) on NULL.
///
/// # Safety
/// `counter` is NULL or from zmq_atomic_counter_new() and not destroyed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_atomic_counter_set(counter: *mut c_void, value: c_int) {
    // SAFETY: as the caller promises.
    unsafe { with(counter, (), |counter| counter.store(value, Ordering::SeqCst)) }
}

/// Adds one to an atomic counter and returns the value from before (-1 with errno `EFAULT` on NULL).
///
/// # Safety
/// `counter` is NULL or from zmq_atomic_counter_new() and not destroyed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_atomic_counter_inc(counter: *mut c_void) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { with(counter, -1, |counter| counter.fetch_add(1, Ordering::AcqRel)) }
}

/// Takes one from an atomic counter. Returns 0 if that made it zero, else 1 (-1 with errno `EFAULT` on NULL).
///
/// # Safety
/// `counter` is NULL or from zmq_atomic_counter_new() and not destroyed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_atomic_counter_dec(counter: *mut c_void) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { with(counter, -1, |counter| (counter.fetch_sub(1, Ordering::AcqRel) != 1).into()) }
}

/// The value of an atomic counter (-1 with errno `EFAULT` on NULL).
///
/// # Safety
/// `counter` is NULL or from zmq_atomic_counter_new() and not destroyed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_atomic_counter_value(counter: *mut c_void) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { with(counter, -1, |counter| counter.load(Ordering::SeqCst)) }
}

/// Destroys an atomic counter and sets the pointer to it to NULL. NULL, or a pointer to NULL, is left alone.
///
/// # Safety
/// `counter_p` is NULL or points at NULL or at a counter that no thread uses any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_atomic_counter_destroy(counter_p: *mut *mut c_void) {
    if counter_p.is_null() {
        return;
    }
    // SAFETY: not null, so a pointer variable of the caller's.
    let counter = unsafe { counter_p.replace(std::ptr::null_mut()) };
    if !counter.is_null() {
        // SAFETY: a counter, by the caller's promise, and not used any more.
        drop(unsafe { memory::unboxed(counter.cast::<Counter>()) });
    }
}

/// # Safety
/// `counter` is NULL or a living counter.
unsafe fn with<T>(counter: *mut c_void, on_failure: T, run: impl FnOnce(&AtomicI32) -> T) -> T {
    lockless(on_failure, || {
        // SAFETY: as the caller promises.
        let counter = unsafe { memory::borrowed(counter.cast::<Counter>()) }?;
        Ok(run(&counter.0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::zmq_errno;
    use std::ptr;

    #[test]
    fn counts() {
        let mut counter = zmq_atomic_counter_new();
        // SAFETY: a living counter until it is destroyed, NULL afterwards.
        unsafe {
            assert_eq!(zmq_atomic_counter_inc(counter), 0);
            assert_eq!(zmq_atomic_counter_inc(counter), 1);
            assert_eq!(zmq_atomic_counter_dec(counter), 1);
            assert_eq!(zmq_atomic_counter_dec(counter), 0);
            zmq_atomic_counter_set(counter, c_int::MAX);
            assert_eq!(zmq_atomic_counter_inc(counter), c_int::MAX);
            assert_eq!(zmq_atomic_counter_value(counter), c_int::MIN);
            zmq_atomic_counter_destroy(&raw mut counter);
            assert!(counter.is_null());
            zmq_atomic_counter_destroy(&raw mut counter);
            zmq_atomic_counter_destroy(ptr::null_mut());
            assert_eq!((zmq_atomic_counter_value(counter), zmq_errno()), (-1, libc::EFAULT));
        }
    }
}
