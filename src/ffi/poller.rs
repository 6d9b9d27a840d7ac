//! `zmq_poller_*`.

use super::{int, lockless_wait, pointer, zmq_fd_t};
use crate::errno::{Errno, Result};
use crate::poll::{PollerEvent, PollerHandle, Subject};
use std::ffi::{c_int, c_long, c_short, c_void};
use std::mem::offset_of;
use std::ptr;

/// What is ready: a socket or, if that is NULL, a descriptor.
#[cfg(zmq_draft)]
#[repr(C)]
#[allow(non_camel_case_types)]
#[derive(Clone, Copy)]
pub struct zmq_poller_event_t {
    pub socket: *mut c_void,
    pub fd: zmq_fd_t,
    /// As given to zmq_poller_add().
    pub user_data: *mut c_void,
    /// A sum of `ZMQ_POLL...`.
    pub events: c_short,
}

const _: () = assert!(
    size_of::<zmq_poller_event_t>() == size_of::<PollerEvent>()
        && align_of::<zmq_poller_event_t>() == align_of::<PollerEvent>()
        && offset_of!(zmq_poller_event_t, socket) == offset_of!(PollerEvent, socket)
        && offset_of!(zmq_poller_event_t, fd) == offset_of!(PollerEvent, fd)
        && offset_of!(zmq_poller_event_t, user_data) == offset_of!(PollerEvent, user_data)
        && offset_of!(zmq_poller_event_t, events) == offset_of!(PollerEvent, events)
);

/// Creates a set of sockets and descriptors to wait for. Destroy it with zmq_poller_destroy().
///
/// Returns NULL with errno `ENOMEM`.
#[cfg(zmq_draft)]
#[unsafe(no_mangle)]
pub extern "C" fn zmq_poller_new() -> *mut c_void {
    pointer(|| Ok(ptr::with_exposed_provenance_mut(PollerHandle::open()?.address())))
}

/// Destroys a poller and sets the pointer to it to NULL.
///
/// Returns 0, or -1 with errno `EFAULT` if there is none.
///
/// # Safety
/// `poller_p` is NULL or points at a pointer variable.
#[cfg(zmq_draft)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_poller_destroy(poller_p: *mut *mut c_void) -> c_int {
    int(|| {
        // SAFETY: as the caller promises.
        let variable = unsafe { poller_p.as_mut() }.ok_or(Errno::FAULT)?;
        find(*variable)?.close()?;
        *variable = ptr::null_mut();
        Ok(0)
    })
}

/// Returns the number of sockets and descriptors of a poller.
///
/// Returns -1 with errno `EFAULT` if `poller` is none.
#[cfg(zmq_draft)]
#[unsafe(no_mangle)]
pub extern "C" fn zmq_poller_size(poller: *mut c_void) -> c_int {
    int(|| Ok(c_int::try_from(find(poller)?.size()?).unwrap_or(c_int::MAX)))
}

/// Adds a socket. The poller reports its `events` (a sum of `ZMQ_POLL...`, or 0 for none yet) along with `user_data`.
///
/// Returns 0, or -1 with errno: `EFAULT` if `poller` is none; `ENOTSOCK` if `socket` is none; `EINVAL` if it is there already or
/// there are no such events; `EMFILE`, `ENOMEM`.
#[cfg(zmq_draft)]
#[unsafe(no_mangle)]
pub extern "C" fn zmq_poller_add(
    poller: *mut c_void,
    socket: *mut c_void,
    user_data: *mut c_void,
    events: c_short,
) -> c_int {
    int(|| find(poller)?.add(Subject::Socket(socket.addr()), user_data, events).map(|()| 0))
}

/// Changes the events that the poller reports of a socket.
///
/// Returns 0, or -1 with errno: `EFAULT` if `poller` is none; `ENOTSOCK` if `socket` is none; `EINVAL` if it was not added or
/// there are no such events.
#[cfg(zmq_draft)]
#[unsafe(no_mangle)]
pub extern "C" fn zmq_poller_modify(poller: *mut c_void, socket: *mut c_void, events: c_short) -> c_int {
    int(|| find(poller)?.modify(Subject::Socket(socket.addr()), events).map(|()| 0))
}

/// Removes a socket. Do so before it is closed.
///
/// Returns 0, or -1 with errno `EFAULT` if `poller` is none, `ENOTSOCK` if `socket` is none, `EINVAL` if it was not added.
#[cfg(zmq_draft)]
#[unsafe(no_mangle)]
pub extern "C" fn zmq_poller_remove(poller: *mut c_void, socket: *mut c_void) -> c_int {
    int(|| find(poller)?.remove(Subject::Socket(socket.addr())).map(|()| 0))
}

/// Adds a descriptor. The poller reports its `events` (a sum of `ZMQ_POLL...`, or 0 for none yet) along with
/// `user_data`.
///
/// Returns 0, or -1 with errno: `EFAULT` if `poller` is none; `EBADF` for -1; `EINVAL` if it is there already or there are no
/// such events.
#[cfg(zmq_draft)]
#[unsafe(no_mangle)]
pub extern "C" fn zmq_poller_add_fd(
    poller: *mut c_void,
    fd: zmq_fd_t,
    user_data: *mut c_void,
    events: c_short,
) -> c_int {
    int(|| find(poller)?.add(Subject::Descriptor(fd), user_data, events).map(|()| 0))
}

/// Changes the events that the poller reports of a descriptor.
///
/// Returns 0, or -1 with errno: `EFAULT` if `poller` is none; `EBADF` for -1; `EINVAL` if it was not added or there are no such
/// events.
#[cfg(zmq_draft)]
#[unsafe(no_mangle)]
pub extern "C" fn zmq_poller_modify_fd(poller: *mut c_void, fd: zmq_fd_t, events: c_short) -> c_int {
    int(|| find(poller)?.modify(Subject::Descriptor(fd), events).map(|()| 0))
}

/// Removes a descriptor.
///
/// Returns 0, or -1 with errno `EFAULT` if `poller` is none, `EBADF` for -1, `EINVAL` if it was not added.
#[cfg(zmq_draft)]
#[unsafe(no_mangle)]
pub extern "C" fn zmq_poller_remove_fd(poller: *mut c_void, fd: zmq_fd_t) -> c_int {
    int(|| find(poller)?.remove(Subject::Descriptor(fd)).map(|()| 0))
}

/// Waits until a socket or descriptor is ready, for at most `timeout` milliseconds (0: not at all; -1: without end).
/// Writes one that is ready to `event`.
///
/// Returns 0, or -1 with errno: `EAGAIN` if the time is over; `EFAULT` if `poller` is none, `event` is NULL, or there is nothing
/// to wait for; `ENOTSOCK` if a socket was closed; `ETERM`, `EINTR`, `EMFILE`. After a failure the event is of nothing.
///
/// # Safety
/// `event` is NULL or points at an event.
#[cfg(zmq_draft)]
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_poller_wait(
    poller: *mut c_void,
    event: *mut zmq_poller_event_t,
    timeout: c_long,
) -> c_int {
    lockless_wait(|| {
        if !event.is_null() {
            // SAFETY: not null, and the caller says that it is an event's place.
            unsafe { event.write(PollerEvent::NOTHING.into()) };
        }
        // SAFETY: as the caller promises: one event.
        unsafe { wait(poller, event, 1, timeout) }?;
        Ok(0)
    })
}

/// Waits as zmq_poller_wait() does. Writes up to `n_events` that are ready to `events`.
///
/// Returns how many of the events are filled in, or -1 as zmq_poller_wait() does; `EINVAL` if `n_events` is negative.
///
/// # Safety
/// `events` is NULL or points at `n_events` events.
#[cfg(zmq_draft)]
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_poller_wait_all(
    poller: *mut c_void,
    events: *mut zmq_poller_event_t,
    n_events: c_int,
    timeout: c_long,
) -> c_int {
    // SAFETY: as the caller promises.
    lockless_wait(|| unsafe { wait(poller, events, n_events, timeout) })
}

/// Writes a descriptor to `fd` that becomes readable when zmq_poller_wait() should be called for a thread-safe socket.
/// The poller keeps owning it.
///
/// Returns 0, or -1 with errno `EFAULT` if `poller` is none or `fd` is NULL, `EINVAL` if there is no thread-safe socket in it.
///
/// # Safety
/// `fd` is NULL or points at a descriptor's place.
#[cfg(zmq_draft)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_poller_fd(poller: *mut c_void, fd: *mut zmq_fd_t) -> c_int {
    int(|| {
        let poller = find(poller)?;
        if fd.is_null() {
            return Err(Errno::FAULT);
        }
        // SAFETY: not null, and the caller says that it is a descriptor's place.
        unsafe { fd.write(poller.fd()?) };
        Ok(0)
    })
}

impl From<PollerEvent> for zmq_poller_event_t {
    fn from(event: PollerEvent) -> zmq_poller_event_t {
        let PollerEvent { socket, fd, user_data, events } = event;
        zmq_poller_event_t { socket, fd, user_data, events }
    }
}

/// What a handle stands for. Errors: `EFAULT`.
fn find(handle: *mut c_void) -> Result<PollerHandle> {
    PollerHandle::from_address(handle.addr())
}

/// # Safety
/// `events` is NULL or points at `n_events` events.
unsafe fn wait(
    poller: *mut c_void,
    events: *mut zmq_poller_event_t,
    n_events: c_int,
    timeout_ms: c_long,
) -> Result<c_int> {
    let poller = find(poller)?;
    if events.is_null() {
        return Err(Errno::FAULT);
    }
    let room = usize::try_from(n_events).map_err(|_| Errno::INVAL)?;
    let found = poller.wait(room, timeout_ms, |place, event| {
        // SAFETY: not null, and `place` is below `room`, which is how many there are, says the caller.
        unsafe { events.add(place).write(event.into()) };
    })?;
    // Not more than `n_events`.
    Ok(c_int::try_from(found).unwrap_or(c_int::MAX))
}

#[cfg(all(test, zmq_draft))]
mod tests {
    use super::*;
    use crate::ffi::zmq_errno;

    fn failed(outcome: c_int) -> c_int {
        assert_eq!(outcome, -1);
        zmq_errno()
    }

    fn unwritten() -> zmq_poller_event_t {
        zmq_poller_event_t { socket: ptr::dangling_mut(), fd: 7, user_data: ptr::dangling_mut(), events: 7 }
    }

    #[test]
    fn handles_that_are_none() {
        let mut null: *mut c_void = ptr::null_mut();
        let mut event = unwritten();
        // SAFETY: places of the right type, or NULL.
        unsafe {
            assert_eq!(failed(zmq_poller_destroy(ptr::null_mut())), libc::EFAULT);
            assert_eq!(failed(zmq_poller_destroy(&raw mut null)), libc::EFAULT);
            for poller in [ptr::null_mut(), (&raw mut null).cast()] {
                assert_eq!(failed(zmq_poller_size(poller)), libc::EFAULT);
                assert_eq!(failed(zmq_poller_add(poller, ptr::null_mut(), null, 1)), libc::EFAULT);
                assert_eq!(failed(zmq_poller_modify(poller, ptr::null_mut(), 1)), libc::EFAULT);
                assert_eq!(failed(zmq_poller_remove(poller, ptr::null_mut())), libc::EFAULT);
                assert_eq!(failed(zmq_poller_add_fd(poller, -1, null, 1)), libc::EFAULT);
                assert_eq!(failed(zmq_poller_modify_fd(poller, -1, 1)), libc::EFAULT);
                assert_eq!(failed(zmq_poller_remove_fd(poller, -1)), libc::EFAULT);
                assert_eq!(failed(zmq_poller_wait_all(poller, &raw mut event, 1, 0)), libc::EFAULT);
                assert_eq!(event.events, 7, "left alone");
                assert_eq!(failed(zmq_poller_fd(poller, &raw mut event.fd)), libc::EFAULT);
            }
            assert_eq!(failed(zmq_poller_wait(null, &raw mut event, 0)), libc::EFAULT);
            assert_eq!((event.events, event.fd), (0, -1));
        }
    }

    #[test]
    fn arguments_of_waiting() {
        let mut poller = zmq_poller_new();
        let mut event = unwritten();
        // SAFETY: places of the right type, or NULL.
        unsafe {
            assert_eq!(failed(zmq_poller_wait(poller, ptr::null_mut(), 0)), libc::EFAULT);
            assert_eq!(failed(zmq_poller_wait_all(poller, ptr::null_mut(), 0, 0)), libc::EFAULT);
            assert_eq!(failed(zmq_poller_wait_all(poller, &raw mut event, -1, 0)), libc::EINVAL);
            assert_eq!(failed(zmq_poller_wait_all(poller, &raw mut event, 0, 0)), libc::EAGAIN);
            assert_eq!(failed(zmq_poller_wait_all(poller, &raw mut event, 0, -1)), libc::EFAULT);
            assert_eq!(failed(zmq_poller_wait(poller, &raw mut event, 0)), libc::EAGAIN);
            assert!(event.socket.is_null() && event.user_data.is_null());
            assert_eq!(failed(zmq_poller_fd(poller, &raw mut event.fd)), libc::EINVAL);
            assert_eq!(failed(zmq_poller_fd(poller, ptr::null_mut())), libc::EFAULT);
            assert_eq!(zmq_poller_destroy(&raw mut poller), 0);
        }
        assert!(poller.is_null());
    }

    #[test]
    fn a_descriptor_is_told() {
        use std::os::fd::AsRawFd;
        use std::os::unix::net::UnixStream;
        let Ok((stream, _other)) = UnixStream::pair() else { unreachable!() };
        let mut poller = zmq_poller_new();
        let mut events = [unwritten(); 2];
        let data = (&raw mut poller).cast();
        assert_eq!(zmq_poller_add_fd(poller, stream.as_raw_fd(), data, 2), 0);
        // SAFETY: two events; a pointer variable.
        unsafe {
            assert_eq!(zmq_poller_wait_all(poller, events.as_mut_ptr(), 2, -1), 1);
            assert_eq!((events[0].fd, events[0].user_data, events[0].events), (stream.as_raw_fd(), data, 2));
            assert_eq!((events[1].fd, events[1].events), (-1, 0));
            assert_eq!(zmq_poller_destroy(&raw mut poller), 0);
        }
    }
}
