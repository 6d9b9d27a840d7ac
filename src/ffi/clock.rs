//! `zmq_stopwatch_*`, `zmq_sleep`.

use super::{lockless, memory};
use std::ffi::{c_int, c_uint, c_ulong, c_void};
use std::time::Instant;

/// Starts a stopwatch; free it with zmq_stopwatch_stop().
///
/// Returns the stopwatch, or NULL with errno `ENOMEM`.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_stopwatch_start() -> *mut c_void {
    lockless(std::ptr::null_mut(), || Ok(memory::boxed(Instant::now())?.cast()))
}

/// The microseconds since the stopwatch was started; it runs on. 0 with errno `EFAULT` on NULL.
///
/// # Safety
/// `watch` is NULL or from zmq_stopwatch_start() and not stopped.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_stopwatch_intermediate(watch: *mut c_void) -> c_ulong {
    lockless(0, || {
        // SAFETY: as the caller promises.
        let started = unsafe { memory::borrowed(watch.cast::<Instant>()) }?;
        Ok(c_ulong::try_from(started.elapsed().as_micros()).unwrap_or(c_ulong::MAX))
    })
}

/// Stops and frees a stopwatch. Returns the microseconds since it was started; 0 with errno `EFAULT` on NULL.
///
/// # Safety
/// `watch` is NULL or from zmq_stopwatch_start(), not stopped, and not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_stopwatch_stop(watch: *mut c_void) -> c_ulong {
    // SAFETY: as the caller promises.
    let elapsed_us = unsafe { zmq_stopwatch_intermediate(watch) };
    if !watch.is_null() {
        // SAFETY: a stopwatch, by the caller's promise, and not used any more.
        drop(unsafe { memory::unboxed(watch.cast::<Instant>()) });
    }
    elapsed_us
}

/// Sleeps for some seconds, or until the calling thread handles a signal. Does not sleep for negative numbers.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn zmq_sleep(seconds: c_int) {
    // Declared to unwind: a thread that sleeps here may be cancelled.
    unsafe extern "C-unwind" {
        fn sleep(seconds: c_uint) -> c_uint;
    }
    // SAFETY: no pointers. Not `std::thread::sleep`, which goes on sleeping after a signal.
    unsafe { sleep(c_uint::try_from(seconds).unwrap_or(0)) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::zmq_errno;
    use std::ptr;

    #[test]
    fn time_goes_on() {
        let watch = zmq_stopwatch_start();
        // SAFETY: a living stopwatch until it is stopped; then NULL.
        unsafe {
            let first = zmq_stopwatch_intermediate(watch);
            zmq_sleep(0);
            zmq_sleep(-1);
            assert!(zmq_stopwatch_stop(watch) >= first);
            assert_eq!((zmq_stopwatch_stop(ptr::null_mut()), zmq_errno()), (0, libc::EFAULT));
        }
    }
}
