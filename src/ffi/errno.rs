//! `zmq_errno`, `zmq_strerror`.

use crate::errno::Errno;
use std::ffi::{c_char, c_int};

/// The error number of the last failed zmq_*() call on the calling thread.
///
/// The same as C's `errno`; for programs whose `errno` is not the library's (another C run-time library).
#[unsafe(no_mangle)]
pub extern "C" fn zmq_errno() -> c_int {
    // SAFETY: the address of the calling thread's errno is always valid.
    unsafe { *location() }
}

/// Returns the text for an error number, the system's or libzmq's own.
///
/// The string must not be freed or changed. For unknown numbers it may be overwritten by the thread's next
/// call.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_strerror(errnum: c_int) -> *const c_char {
    match Errno(errnum).own_text() {
        Some(text) => text.as_ptr(),
        // SAFETY: takes any number, and returns a string of the C library's.
        None => unsafe { libc::strerror(errnum) },
    }
}

/// Sets C's `errno`.
pub(crate) fn set_errno(error: Errno) {
    // SAFETY: the address of the calling thread's errno is always valid.
    unsafe { *location() = error.0 };
}

#[cfg(any(target_os = "linux", target_os = "emscripten", target_os = "hurd"))]
use libc::__errno_location as location;

#[cfg(any(target_os = "android", target_os = "netbsd", target_os = "openbsd"))]
use libc::__errno as location;

#[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
use libc::__error as location;

#[cfg(any(target_os = "illumos", target_os = "solaris"))]
use libc::___errno as location;

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    fn text(errnum: c_int) -> &'static CStr {
        // SAFETY: a string that lives on, for the known numbers that the tests ask for.
        unsafe { CStr::from_ptr(zmq_strerror(errnum)) }
    }

    #[test]
    fn texts() {
        assert_eq!(text(Errno::TERM.0), c"Context was terminated");
        assert_eq!(text(libc::EHOSTUNREACH), c"Host unreachable");
        assert_eq!(text(libc::EINVAL), c"Invalid argument");
        assert!(!zmq_strerror(-1).is_null());
    }

    #[test]
    fn of_each_thread_its_own() {
        set_errno(Errno::FSM);
        let there = std::thread::spawn(|| {
            set_errno(Errno::TERM);
            zmq_errno()
        });
        assert_eq!(there.join().ok(), Some(Errno::TERM.0));
        assert_eq!((zmq_errno(), Errno::last()), (Errno::FSM.0, Errno::FSM));
    }
}
