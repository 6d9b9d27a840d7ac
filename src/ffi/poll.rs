//! `zmq_poll`, `zmq_ppoll`.

use super::lockless_wait;
use crate::errno::{Errno, Result};
use crate::poll::{self, PollItem};
use crate::sys::poll::SigMask;
use std::ffi::{c_int, c_long, c_short, c_void};
use std::mem::offset_of;

/// A descriptor that `poll` waits on.
#[allow(non_camel_case_types)]
pub type zmq_fd_t = c_int;

/// What to wait for: a socket or, if that is NULL, a descriptor.
#[repr(C)]
#[allow(non_camel_case_types)]
#[derive(Clone, Copy)]
pub struct zmq_pollitem_t {
    pub socket: *mut c_void,
    pub fd: zmq_fd_t,
    /// What is asked for: a sum of `ZMQ_POLL...`.
    pub events: c_short,
    /// Those of `events` that have come; for a descriptor also ZMQ_POLLERR.
    pub revents: c_short,
}

const _: () = assert!(
    size_of::<zmq_pollitem_t>() == size_of::<PollItem>()
        && align_of::<zmq_pollitem_t>() == align_of::<PollItem>()
        && offset_of!(zmq_pollitem_t, socket) == offset_of!(PollItem, socket)
        && offset_of!(zmq_pollitem_t, fd) == offset_of!(PollItem, fd)
        && offset_of!(zmq_pollitem_t, events) == offset_of!(PollItem, events)
        && offset_of!(zmq_pollitem_t, revents) == offset_of!(PollItem, revents)
);

/// Waits until one of the items is ready, for at most `timeout` milliseconds (0: not at all; -1: without end).
///
/// Returns the number of ready items, 0 if the time is over, or -1 with errno: `ETERM` if the context of a socket was ended;
/// `ENOTSOCK` if one is none; `EINVAL` for a negative number of items; `EFAULT` for NULL; `EINTR`, `EMFILE`.
///
/// # Safety
/// `items` is NULL or points at `nitems` items.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_poll(
    items: *mut zmq_pollitem_t,
    nitems: c_int,
    timeout: c_long,
) -> c_int {
    // SAFETY: as the caller promises.
    lockless_wait(|| unsafe { wait(items, nitems, timeout, None) })
}

/// Waits as zmq_poll() does. Unless `sigmask` is NULL, exactly its signals are blocked during the wait.
///
/// # Safety
/// `items` is NULL or points at `nitems` items, `sigmask` is NULL or points at a mask.
#[cfg(zmq_draft)]
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_ppoll(
    items: *mut zmq_pollitem_t,
    nitems: c_int,
    timeout: c_long,
    sigmask: *const libc::sigset_t,
) -> c_int {
    lockless_wait(|| {
        // SAFETY: as the caller promises.
        let mask = unsafe { SigMask::from_ptr(sigmask) };
        // SAFETY: as the caller promises.
        unsafe { wait(items, nitems, timeout, mask.as_ref()) }
    })
}

/// # Safety
/// `items` is NULL or points at `nitems` items.
unsafe fn wait(
    items: *mut zmq_pollitem_t,
    nitems: c_int,
    timeout_ms: c_long,
    mask: Option<&SigMask>,
) -> Result<c_int> {
    let len = usize::try_from(nitems).map_err(|_| Errno::INVAL)?;
    let items = match len {
        0 => &mut [],
        _ if items.is_null() => return Err(Errno::FAULT),
        // SAFETY: not null; `len` items, says the caller; of the same layout, see above. `revents` need not have been written,
        // but as it comes from C it has some value.
        _ => unsafe { std::slice::from_raw_parts_mut(items.cast::<PollItem>(), len) },
    };
    let ready = poll::poll(items, timeout_ms, mask)?;
    // Not more than there are items.
    Ok(c_int::try_from(ready).unwrap_or(c_int::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::zmq_errno;
    use std::ptr;

    #[test]
    fn arguments() {
        let mut item = zmq_pollitem_t { socket: ptr::null_mut(), fd: -1, events: 1, revents: 0 };
        // SAFETY: one item, none, or NULL.
        unsafe {
            assert_eq!(zmq_poll(ptr::null_mut(), 0, 0), 0);
            assert_eq!(zmq_poll(&raw mut item, 1, 0), 0);
            assert_eq!((zmq_poll(ptr::null_mut(), 1, 0), zmq_errno()), (-1, libc::EFAULT));
            assert_eq!((zmq_poll(&raw mut item, -1, 0), zmq_errno()), (-1, libc::EINVAL));
        }
    }

    #[test]
    #[cfg(zmq_draft)]
    fn a_mask_lets_a_pending_signal_through() {
        extern "C" fn ignore(_: c_int) {}
        // SAFETY: zeroed sets and actions are valid; the handler does nothing; the mask is the thread's own.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = ignore as *const () as usize;
            action.sa_flags = libc::SA_RESTART;
            assert_eq!(libc::sigaction(libc::SIGURG, &raw const action, ptr::null_mut()), 0);
            let (mut blocked, mut open): (libc::sigset_t, libc::sigset_t) =
                (std::mem::zeroed(), std::mem::zeroed());
            libc::sigemptyset(&raw mut blocked);
            libc::sigaddset(&raw mut blocked, libc::SIGURG);
            assert_eq!(libc::pthread_sigmask(libc::SIG_BLOCK, &raw const blocked, &raw mut open), 0);
            libc::pthread_kill(libc::pthread_self(), libc::SIGURG);
            let mut item = zmq_pollitem_t { socket: ptr::null_mut(), fd: -1, events: 1, revents: 0 };
            assert_eq!(zmq_ppoll(&raw mut item, 1, 0, ptr::null()), 0);
            assert_eq!((zmq_ppoll(&raw mut item, 1, -1, &raw const open), zmq_errno()), (-1, libc::EINTR));
            assert_eq!(zmq_ppoll(&raw mut item, 1, 1, &raw const open), 0, "delivered");
            assert_eq!(libc::pthread_sigmask(libc::SIG_SETMASK, &raw const open, ptr::null_mut()), 0);
        }
    }
}
