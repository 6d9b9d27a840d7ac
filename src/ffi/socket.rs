//! `zmq_socket` and what is done to sockets but for sending and receiving.

use super::{brief, context, int, memory, pointer, value};
use crate::errno::{Errno, Result};
use crate::options::number::ZMQ_RCVMORE;
use crate::socket::Handle;
use crate::sys::memory::check as check_memory;
use std::ffi::{c_char, c_int, c_void};
use std::ptr;

/// Creates a socket of this type (`ZMQ_REQ` and its like). Close it with zmq_close().
///
/// Returns NULL with errno: `EINVAL` if there is no such type; `EFAULT` if `context` is none; `EMFILE` if there are too many
/// sockets or the process has no descriptors left; `ETERM` if the context was ended.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_socket(context: *mut c_void, r#type: c_int) -> *mut c_void {
    pointer(|| {
        let context = context::find(context)?;
        check_memory()?;
        let socket = Handle::open_number(&context, r#type)?;
        Ok(ptr::with_exposed_provenance_mut(socket.address()))
    })
}

/// Closes a socket. Its messages are still sent for as long as ZMQ_LINGER says. Messages that were not received are
/// discarded.
///
/// Returns 0, or -1 with errno `ENOTSOCK` if `socket` is none.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_close(socket: *mut c_void) -> c_int {
    int(|| find(socket)?.close().map(|()| 0))
}

/// Sets an option of a socket to the `optvallen` bytes at `optval`. NULL and 0 unset some options.
///
/// Returns 0, or -1 with errno: `EINVAL` if there is no such option or it cannot have this value; `ETERM` if the context was
/// ended; `ENOTSOCK` if `socket` is none.
///
/// # Safety
/// `optval` is NULL or readable for `optvallen` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_setsockopt(
    socket: *mut c_void,
    option: c_int,
    optval: *const c_void,
    optvallen: usize,
) -> c_int {
    int(|| {
        let socket = find(socket)?;
        // SAFETY: as the caller promises.
        let value = unsafe { memory::bytes(optval, optvallen) }.map_err(|_| Errno::INVAL)?;
        let value = if optval.is_null() { None } else { Some(value) };
        socket.set_option_value(option, value).map(|()| 0)
    })
}

/// Writes the value of a socket's option to `optval`, which has room for `*optvallen` bytes, and its length to
/// `*optvallen`.
///
/// Returns 0, or -1 with errno: `EINVAL` if there is no such option or not the room for it; `ETERM` if the context was ended;
/// `ENOTSOCK` if `socket` is none; `EFAULT` if a pointer is NULL.
///
/// # Safety
/// `optvallen` is NULL or points at a number, and `optval` is writable for `*optvallen` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_getsockopt(
    socket: *mut c_void,
    option: c_int,
    optval: *mut c_void,
    optvallen: *mut usize,
) -> c_int {
    // SAFETY: as the caller promises.
    if option == ZMQ_RCVMORE && unsafe { tell_more(socket, optval, optvallen) }.is_some() {
        return 0;
    }
    brief(|| {
        let socket = find(socket)?;
        // SAFETY: as the caller promises.
        unsafe { memory::fill(optval, optvallen, |out| socket.option(option, out)) }?;
        Ok(0)
    })
}

/// Binds a socket to an endpoint, such as `tcp://127.0.0.1:5555`. Peers can then connect to it.
///
/// Returns 0, or -1 with errno `EINVAL`, `EPROTONOSUPPORT`, `ENOCOMPATPROTO`, `EADDRINUSE`, `EADDRNOTAVAIL`, `ENODEV`, `ETERM`,
/// `ENOTSOCK`, `EMTHREAD`, `ENOMEM`; `EFAULT` for NULL.
///
/// # Safety
/// `addr` is NULL or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_bind(socket: *mut c_void, addr: *const c_char) -> c_int {
    int(|| {
        let socket = find(socket)?;
        check_memory()?;
        // SAFETY: as the caller promises.
        socket.bind(unsafe { endpoint(addr) }?).map(|()| 0)
    })
}

/// Connects a socket to an endpoint, now or as soon as a peer is there.
///
/// Returns 0, or -1 with errno `EINVAL`, `EPROTONOSUPPORT`, `ENOCOMPATPROTO`, `ETERM`, `ENOTSOCK`, `EMTHREAD`, `ENOMEM`;
/// `EFAULT` for NULL.
///
/// # Safety
/// `addr` is NULL or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_connect(socket: *mut c_void, addr: *const c_char) -> c_int {
    int(|| {
        let socket = find(socket)?;
        check_memory()?;
        // SAFETY: as the caller promises.
        socket.connect(unsafe { endpoint(addr) }?).map(|()| 0)
    })
}

/// Undoes zmq_bind(). `addr` is the endpoint that ZMQ_LAST_ENDPOINT gave.
///
/// Returns 0, or -1 with errno `EINVAL`, `ENOENT` if the socket is not bound to it, `ETERM`, `ENOTSOCK`.
///
/// # Safety
/// `addr` is NULL or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_unbind(socket: *mut c_void, addr: *const c_char) -> c_int {
    // SAFETY: as the caller promises.
    int(|| unsafe { terminate_endpoint(socket, addr) })
}

/// Undoes zmq_connect().
///
/// Returns 0, or -1 with errno `EINVAL`, `ENOENT` if the socket is not connected to it, `ETERM`, `ENOTSOCK`.
///
/// # Safety
/// `addr` is NULL or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_disconnect(socket: *mut c_void, addr: *const c_char) -> c_int {
    // SAFETY: as the caller promises.
    int(|| unsafe { terminate_endpoint(socket, addr) })
}

/// Connects a PEER socket and returns the routing id of the peer.
///
/// Returns 0 with errno `ENOTSUP` if it is no PEER socket, `EFAULT` for NULL or if ZMQ_IMMEDIATE is set, else as zmq_connect().
///
/// # Safety
/// `addr` is NULL or a string.
#[cfg(zmq_draft)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_connect_peer(socket: *mut c_void, addr: *const c_char) -> u32 {
    // SAFETY: as the caller promises.
    value(0, || find(socket)?.connect_peer(unsafe { endpoint(addr) }?))
}

/// Ends the connection to one peer of a PEER or SERVER socket. What this side has received from it can still be read, and what
/// was sent to it lingers.
///
/// Returns 0, or -1 with errno `EHOSTUNREACH` if there is no such peer, `ENOTSUP` if its type has no such peers, `ETERM`,
/// `ENOTSOCK`.
#[cfg(zmq_draft)]
#[unsafe(no_mangle)]
pub extern "C" fn zmq_disconnect_peer(socket: *mut c_void, routing_id: u32) -> c_int {
    int(|| find(socket)?.disconnect_peer(routing_id).map(|()| 0))
}

/// Ends the connection to one peer of a ROUTER, STREAM, SERVER or PEER socket, named by its routing id.
///
/// `routing_id` points at `size` bytes: those of the frame that names the peer in messages of a ROUTER or STREAM. For a SERVER or
/// PEER it is a `uint32_t`, the number of zmq_msg_routing_id(). The caller keeps them. Like the other calls on a socket it is for
/// one thread at a time, unless the type is thread-safe.
///
/// What the peer has sent and this side has received can still be received. What was not sent to it is dropped,
/// without regard to `ZMQ_LINGER`. The peer sees the end of the stream, and may connect again. An endpoint that this socket has connected itself
/// is not connected again.
///
/// Returns 0, or -1 with errno: `EHOSTUNREACH` if there is no such peer; `EINVAL` if a SERVER's or PEER's id has not four bytes;
/// `ENOTSUP` if the socket's type has no such peers; `ENOTSOCK` if `socket` is none; `EFAULT` for NULL; `ETERM`.
///
/// # Safety
/// `routing_id` is readable for `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_ferro_disconnect_peer(
    socket: *mut c_void,
    routing_id: *const c_void,
    size: usize,
) -> c_int {
    int(|| {
        // SAFETY: as the caller promises.
        let routing_id = unsafe { memory::bytes(routing_id, size) }?;
        find(socket)?.disconnect_peer_by_id(routing_id).map(|()| 0)
    })
}

/// Lets a DISH socket receive the messages of a group.
///
/// Returns 0, or -1 with errno: `EINVAL` if it is in the group already or the name is longer than ZMQ_GROUP_MAX_LENGTH; `ENOTSUP`
/// if it is no DISH socket; `ENOTSOCK` if `socket` is none; `EFAULT` for NULL; `ETERM`.
///
/// # Safety
/// `group` is NULL or a string.
#[cfg(zmq_draft)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_join(socket: *mut c_void, group: *const c_char) -> c_int {
    int(|| {
        let socket = find(socket)?;
        // SAFETY: as the caller promises.
        let group = unsafe { memory::string(group) }?;
        socket.join(true, group.to_bytes()).map(|()| 0)
    })
}

/// Undoes zmq_join().
///
/// Returns 0, or -1 with errno: `EINVAL` if it is not in the group; `ENOTSUP` if it is no DISH socket; `ENOTSOCK` if `socket` is
/// none; `EFAULT` for NULL; `ETERM`.
///
/// # Safety
/// `group` is NULL or a string.
#[cfg(zmq_draft)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_leave(socket: *mut c_void, group: *const c_char) -> c_int {
    int(|| {
        let socket = find(socket)?;
        // SAFETY: as the caller promises.
        let group = unsafe { memory::string(group) }?;
        socket.join(false, group.to_bytes()).map(|()| 0)
    })
}

/// Returns `ZMQ_POLLOUT` if a message could be sent now to the peer of a ROUTER socket with this routing id, else 0.
///
/// Returns -1 with errno `ENOTSOCK` if `socket` is none, `ENOTSUP` if it is no ROUTER socket.
///
/// # Safety
/// `routing_id` is readable for `routing_id_size` bytes.
#[cfg(zmq_draft)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_socket_get_peer_state(
    socket: *mut c_void,
    routing_id: *const c_void,
    routing_id_size: usize,
) -> c_int {
    int(|| {
        // SAFETY: as the caller promises.
        let routing_id = unsafe { memory::bytes(routing_id, routing_id_size) }?;
        find(socket)?.peer_state(routing_id)
    })
}

/// Answers a question for ZMQ_RCVMORE right after a frame was received. Programs ask it with every frame: here it takes no lock and
/// nothing that could panic. `None` where it is to be asked as any other.
///
/// # Safety
/// `optvallen` is NULL or points at a number, and `optval` is writable for `*optvallen` bytes.
unsafe fn tell_more(socket: *mut c_void, optval: *mut c_void, optvallen: *const usize) -> Option<()> {
    // SAFETY: the caller vouches for it unless it is null.
    let room = *unsafe { optvallen.as_ref() }?;
    if optval.is_null() || room != size_of::<c_int>() {
        return None;
    }
    let more = find(socket).ok()?.rcvmore()?;
    // SAFETY: not null, and the caller says that there is room for an `int`; it need not be aligned.
    unsafe { optval.cast::<c_int>().write_unaligned(c_int::from(more)) };
    Some(())
}

/// What a handle stands for. Errors: `ENOTSOCK`.
pub(super) fn find(handle: *mut c_void) -> Result<Handle> {
    Handle::from_address(handle.addr())
}

/// Errors: `EFAULT` for NULL, `EINVAL` for what is no UTF-8.
///
/// # Safety
/// `addr` is NULL or a string that stays unchanged during `'a`.
pub(super) unsafe fn endpoint<'a>(addr: *const c_char) -> Result<&'a str> {
    // SAFETY: as the caller promises.
    unsafe { memory::string(addr) }?.to_str().map_err(|_| Errno::INVAL)
}

/// What both zmq_unbind() and zmq_disconnect() do. NULL is `EINVAL` here, and only where the context is not ended.
///
/// # Safety
/// As for [`endpoint`].
unsafe fn terminate_endpoint(handle: *mut c_void, addr: *const c_char) -> Result<c_int> {
    let socket = find(handle)?;
    // SAFETY: as the caller promises.
    let addr = if addr.is_null() { None } else { Some(unsafe { endpoint(addr) }?) };
    socket.terminate_endpoint(addr).map(|()| 0)
}
