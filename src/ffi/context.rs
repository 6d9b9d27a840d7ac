//! `zmq_ctx_*`.

use super::{int, memory, pointer, wait};
use crate::ctx::{Context, contexts};
use crate::errno::{Errno, Result};
use crate::options::ContextOptions;
use crate::options::number::{ZMQ_FERRO_SECURITY, ZMQ_IO_THREADS};
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::Arc;

/// Creates a context. End it with zmq_ctx_term().
///
/// Returns NULL with errno `ENOMEM` if there is no memory for it.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_ctx_new() -> *mut c_void {
    pointer(open)
}

/// Ends a context. From then on its sockets can only be closed. The call waits until all sockets are closed, and their
/// messages are sent or ZMQ_LINGER is over. The handle is invalid afterwards.
///
/// Returns 0, or -1 with errno `EFAULT` if `context` is none, `EINTR` if a signal came; call it again then.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn zmq_ctx_term(context: *mut c_void) -> c_int {
    wait(|| contexts::close(context.addr()).map(|()| 0))
}

/// Makes all calls on the context's sockets fail with `ETERM`, those that wait too. The caller then closes the sockets.
///
/// Returns 0, or -1 with errno `EFAULT` if `context` is none.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_ctx_shutdown(context: *mut c_void) -> c_int {
    int(|| contexts::shutdown(context.addr()).map(|()| 0))
}

/// Sets an option of a context to a number.
///
/// Returns 0, or -1 with errno `EINVAL` if there is no such option or it cannot have this value, `EFAULT` if `context` is
/// none.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_ctx_set(context: *mut c_void, option: c_int, optval: c_int) -> c_int {
    int(|| with_options(context, |options| options.set_int(option, optval)).map(|()| 0))
}

/// Returns the value of a context's option that is a number.
///
/// Returns -1 with errno `EINVAL` if there is no such option, `EFAULT` if `context` is none.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_ctx_get(context: *mut c_void, option: c_int) -> c_int {
    int(|| with_options(context, |options| options.int(option)))
}

/// Sets an option of a context, of any type, to the `optvallen` bytes at `optval`.
///
/// Returns 0, or -1 with errno `EINVAL` if there is no such option or it cannot have this value, `EFAULT` if `context` is
/// none.
///
/// # Safety
/// `optval` is readable for `optvallen` bytes.
#[cfg(zmq_draft)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_ctx_set_ext(
    context: *mut c_void,
    option: c_int,
    optval: *const c_void,
    optvallen: usize,
) -> c_int {
    int(|| {
        // SAFETY: as the caller promises.
        let value = || unsafe { memory::bytes(optval, optvallen) };
        match find(context) {
            // A security file is for sockets, and none can be made of a context that came through a fork.
            Err(Errno::TERM) if option != ZMQ_FERRO_SECURITY => {
                with_options(context, |options| options.set(option, value()?))
            }
            context => context?.set_option(option, value()?),
        }
        .map(|()| 0)
    })
}

/// Writes the value of a context's option, of any type, to `optval`, which has room for `*optvallen` bytes.
///
/// Returns 0, or -1 with errno: `EINVAL` if there is no such option or not the room for it; `EFAULT` if `context` is none or a
/// pointer is NULL.
///
/// # Safety
/// `optvallen` is NULL or points at a number, and `optval` is writable for `*optvallen` bytes.
#[cfg(zmq_draft)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_ctx_get_ext(
    context: *mut c_void,
    option: c_int,
    optval: *mut c_void,
    optvallen: *mut usize,
) -> c_int {
    int(|| {
        with_options(context, |options| {
            // SAFETY: as the caller promises.
            unsafe { memory::fill(optval, optvallen, |out| options.get(option, out)) }
        })?;
        Ok(0)
    })
}

/// Creates a context with `io_threads` I/O threads. Older than zmq_ctx_new() and zmq_ctx_set().
///
/// Returns NULL with errno `EINVAL` for a negative number, `ENOMEM` if there is no memory for it.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_init(io_threads: c_int) -> *mut c_void {
    pointer(|| {
        if io_threads < 0 {
            return Err(Errno::INVAL);
        }
        let context = open()?;
        with_options(context, |options| options.set_int(ZMQ_IO_THREADS, io_threads))?;
        Ok(context)
    })
}

/// Older name of zmq_ctx_term().
#[unsafe(no_mangle)]
pub extern "C-unwind" fn zmq_term(context: *mut c_void) -> c_int {
    zmq_ctx_term(context)
}

/// Older name of zmq_ctx_term().
#[unsafe(no_mangle)]
pub extern "C-unwind" fn zmq_ctx_destroy(context: *mut c_void) -> c_int {
    zmq_ctx_term(context)
}

fn open() -> Result<*mut c_void> {
    Ok(ptr::with_exposed_provenance_mut(contexts::open()?))
}

/// Errors: as of [`contexts::with_options`].
fn with_options<R>(handle: *mut c_void, run: impl FnOnce(&mut ContextOptions) -> Result<R>) -> Result<R> {
    contexts::with_options(handle.addr(), run)
}

/// What a handle stands for. Errors: `EFAULT`; `ETERM` for a context that came through a fork.
pub(super) fn find(handle: *mut c_void) -> Result<Arc<Context>> {
    contexts::find(handle.addr())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::zmq_errno;
    use crate::options::number::{ZMQ_IPV6, ZMQ_MAX_SOCKETS, ZMQ_SOCKET_LIMIT};

    fn failed(outcome: c_int) -> c_int {
        assert_eq!(outcome, -1);
        zmq_errno()
    }

    #[test]
    fn handles_that_are_none() {
        let mut number = 0u64;
        let stale = zmq_ctx_new();
        assert_eq!(zmq_ctx_term(stale), 0);
        for handle in [ptr::null_mut(), (&raw mut number).cast(), stale, stale.wrapping_byte_add(1)] {
            assert_eq!(failed(zmq_ctx_term(handle)), libc::EFAULT);
            assert_eq!(failed(zmq_ctx_shutdown(handle)), libc::EFAULT);
            assert_eq!(failed(zmq_ctx_set(handle, ZMQ_IPV6, 1)), libc::EFAULT);
            assert_eq!(failed(zmq_ctx_get(handle, ZMQ_IPV6)), libc::EFAULT);
            assert_eq!(failed(zmq_term(handle)), libc::EFAULT);
            assert_eq!(failed(zmq_ctx_destroy(handle)), libc::EFAULT);
        }
    }

    #[test]
    fn options() {
        let context = zmq_init(3);
        assert_eq!(zmq_ctx_get(context, ZMQ_IO_THREADS), 3);
        assert_eq!(zmq_ctx_set(context, ZMQ_MAX_SOCKETS, 7), 0);
        assert_eq!(zmq_ctx_get(context, ZMQ_MAX_SOCKETS), 7);
        assert_eq!(failed(zmq_ctx_set(context, ZMQ_MAX_SOCKETS, 0)), libc::EINVAL);
        assert!(zmq_ctx_get(context, ZMQ_SOCKET_LIMIT) > 0);
        assert_eq!(failed(zmq_ctx_get(context, -1)), libc::EINVAL);
        assert_eq!(zmq_ctx_shutdown(context), 0);
        assert_eq!(zmq_ctx_shutdown(context), 0);
        assert_eq!(zmq_ctx_term(context), 0);
        assert!(zmq_init(-1).is_null());
        assert_eq!(zmq_errno(), libc::EINVAL);
    }

    #[test]
    fn options_of_any_type() {
        let context = zmq_ctx_new();
        let (value, mut out, mut len) = (1i32, 0i32, 4usize);
        // SAFETY: four readable and writable bytes; or NULL.
        unsafe {
            assert_eq!(zmq_ctx_set_ext(context, ZMQ_IPV6, (&raw const value).cast(), 4), 0);
            assert_eq!(zmq_ctx_get_ext(context, ZMQ_IPV6, (&raw mut out).cast(), &raw mut len), 0);
            assert_eq!((out, len), (1, 4));
            let none = ptr::null_mut();
            assert_eq!(failed(zmq_ctx_get_ext(context, ZMQ_IPV6, none, &raw mut len)), libc::EFAULT);
            let short = (&raw mut out).cast();
            assert_eq!(failed(zmq_ctx_get_ext(context, ZMQ_IPV6, short, ptr::null_mut())), libc::EFAULT);
            len = 1;
            assert_eq!(failed(zmq_ctx_get_ext(context, ZMQ_IPV6, short, &raw mut len)), libc::EINVAL);
        }
        assert_eq!(zmq_ctx_term(context), 0);
    }
}
