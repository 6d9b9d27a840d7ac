//! `zmq_send*`, `zmq_recv*` and `zmq_msg_send`, `zmq_msg_recv`.

use super::constants::ZMQ_SNDMORE;
use super::msg::{elsewhere, is_misaligned};
use super::socket::find;
use super::{memory, transfer, transferred, zmq_msg_t};
use crate::errno::{Errno, Result};
use crate::message::{Msg, OutFrame, in_place};
use crate::sys::copying;
use libc::iovec;
use std::ffi::{c_int, c_void};
use std::ptr;

/// Sends the `len` bytes at `buf`. They are a whole message or, with ZMQ_SNDMORE in `flags`, a part of one. The call
/// waits until that is possible, unless ZMQ_DONTWAIT is in `flags`.
///
/// Returns `len`, or -1 with errno: `EAGAIN` if it is not possible now (or within ZMQ_SNDTIMEO); `ENOTSUP` if sockets of this
/// type do not send; `EFSM` if it is not this one's turn to; `EFAULT` for NULL; `EHOSTUNREACH`, `EINVAL`, `ENOMEM`, `ETERM`,
/// `ENOTSOCK`, `EINTR`.
///
/// # Safety
/// `buf` is readable for `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_send(
    socket: *mut c_void,
    buf: *const c_void,
    len: usize,
    flags: c_int,
) -> c_int {
    transferred(find(socket).and_then(|socket| {
        // SAFETY: as the caller promises.
        let data = unsafe { memory::bytes(buf, len) }?;
        socket.send_bytes(data, has_more(flags), flags)?;
        Ok(size(data.len()))
    }))
}

/// Sends `len` bytes at `buf` that never change and are never freed. The library does not copy them.
///
/// Returns as zmq_send() does.
///
/// # Safety
/// `buf` is readable for `len` bytes for as long as the process lives.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_send_const(
    socket: *mut c_void,
    buf: *const c_void,
    len: usize,
    flags: c_int,
) -> c_int {
    transfer(|| {
        let socket = find(socket)?;
        // SAFETY: as the caller promises; it also lends the bytes for good.
        let mut msg = unsafe {
            memory::bytes(buf, len)?;
            Msg::external(buf.cast_mut().cast(), len, None, ptr::null_mut())
        }?;
        socket.send(&mut OutFrame::msg(&mut msg, has_more(flags)), flags)?;
        Ok(size(len))
    })
}

/// Sends `msg`. On success the library takes its content and `msg` becomes empty. After a failure the content is
/// unchanged, but zmq_msg_more() says whether it was to be a part.
///
/// Returns the size of the message, or -1 as zmq_send() does; `EFAULT` if there is no message.
///
/// # Safety
/// `msg` is NULL or points at a zmq_msg_t that no other thread uses.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_msg_send(
    msg: *mut zmq_msg_t,
    socket: *mut c_void,
    flags: c_int,
) -> c_int {
    if is_misaligned(msg) {
        // SAFETY: as the caller promises.
        return transferred(find(socket).and_then(|socket| unsafe {
            elsewhere(msg, |msg| socket.send_message(in_place::message(msg.cast())?, has_more(flags), flags))
                .map(size)
        }));
    }
    transferred(find(socket).and_then(|socket| {
        // SAFETY: as the caller promises.
        let msg = unsafe { in_place::message(msg.cast()) }?;
        socket.send_message(msg, has_more(flags), flags).map(size)
    }))
}

/// Older name of zmq_msg_send(), with another order of arguments.
///
/// # Safety
/// `msg` is NULL or points at a zmq_msg_t that no other thread uses.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_sendmsg(socket: *mut c_void, msg: *mut zmq_msg_t, flags: c_int) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { zmq_msg_send(msg, socket, flags) }
}

/// Sends `count` buffers. With ZMQ_SNDMORE in `flags` they are the parts of one message, without it each is a message.
///
/// Returns the size of the last one, or -1 as zmq_send() does, and then some may have been sent; `EINVAL` if there are no
/// buffers.
///
/// # Safety
/// `iov` is NULL or points at `count` buffers, each readable for its length.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_sendiov(
    socket: *mut c_void,
    iov: *mut iovec,
    count: usize,
    flags: c_int,
) -> c_int {
    transfer(|| {
        let socket = find(socket)?;
        if iov.is_null() || count == 0 {
            return Err(Errno::INVAL);
        }
        let mut sent = 0;
        for index in 0..count {
            // SAFETY: as the caller promises: one of `count`, whose bytes are readable.
            let data = unsafe {
                let buffer = iov.add(index).read();
                memory::bytes(buffer.iov_base, buffer.iov_len)
            }?;
            let more = has_more(flags) && index + 1 < count;
            socket.send_bytes(data, more, flags)?;
            sent = size(data.len());
        }
        Ok(sent)
    })
}

/// Receives a message, or a part of one (see ZMQ_RCVMORE), into the `len` bytes at `buf`. Bytes beyond `len` are
/// discarded. The call waits until a message is there, unless ZMQ_DONTWAIT is in `flags`.
///
/// Returns the size of the message, which may be more than `len`, or -1 with errno: `EAGAIN` if there is nothing now (or within
/// ZMQ_RCVTIMEO); `ENOTSUP` if sockets of this type do not receive; `EFSM` if it is not this one's turn to; `EFAULT` for NULL;
/// `ETERM`, `ENOTSOCK`, `EINTR`.
///
/// # Safety
/// `buf` is writable for `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_recv(
    socket: *mut c_void,
    buf: *mut c_void,
    len: usize,
    flags: c_int,
) -> c_int {
    transferred(find(socket).and_then(|socket| {
        memory::check_room(buf, len)?;
        // SAFETY: as the caller promises, and there is room.
        let copied = socket.recv_bytes(flags, move |data| unsafe { copy_out(data, buf, len) });
        copied.map(size)
    }))
}

/// Receives a message, or a part of one, into `msg`, which gets the right size. The old content of `msg` is released,
/// also where there is nothing to receive. It stays where the socket may not receive at all.
///
/// Returns the size of the message, or -1 as zmq_recv() does; `EFAULT` if there is no message, `ENOMEM`.
///
/// # Safety
/// `msg` is NULL or points at a zmq_msg_t that no other thread uses.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_msg_recv(
    msg: *mut zmq_msg_t,
    socket: *mut c_void,
    flags: c_int,
) -> c_int {
    if is_misaligned(msg) {
        // SAFETY: as the caller promises.
        return transferred(find(socket).and_then(|socket| unsafe {
            elsewhere(msg, |msg| socket.recv_message(in_place::message(msg.cast())?, flags)).map(size)
        }));
    }
    transferred(find(socket).and_then(|socket| {
        // SAFETY: as the caller promises.
        let msg = unsafe { in_place::message(msg.cast()) }?;
        socket.recv_message(msg, flags).map(size)
    }))
}

/// Older name of zmq_msg_recv(), with another order of arguments.
///
/// # Safety
/// `msg` is NULL or points at a zmq_msg_t that no other thread uses.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_recvmsg(socket: *mut c_void, msg: *mut zmq_msg_t, flags: c_int) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { zmq_msg_recv(msg, socket, flags) }
}

/// Receives the parts of one message, at most `*count`, each into memory that the caller frees with free(). Sets
/// `*count` to the number of parts.
///
/// Returns how many there are, or -1 as zmq_recv() does, and then `*count` says how many were received before; `EINVAL` if there
/// are no buffers, `ENOMEM`.
///
/// # Safety
/// `count` is NULL or points at a number, and `iov` is NULL or points at `*count` buffers.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_recviov(
    socket: *mut c_void,
    iov: *mut iovec,
    count: *mut usize,
    flags: c_int,
) -> c_int {
    transfer(|| {
        let socket = find(socket)?;
        // SAFETY: as the caller promises.
        let room = unsafe { count.as_ref() }.copied().unwrap_or(0);
        if iov.is_null() || room == 0 {
            return Err(Errno::INVAL);
        }
        let mut received = 0;
        let mut more = true;
        // SAFETY: not null, or there were no room.
        unsafe { count.write(received) };
        while more && received < room {
            let part = socket.recv(flags, |frame| Ok((allocated(frame.data())?, frame.more())));
            let buffer;
            (buffer, more) = part?;
            // SAFETY: one of `room` buffers.
            unsafe { iov.add(received).write(buffer) };
            received += 1;
            // SAFETY: as above.
            unsafe { count.write(received) };
        }
        Ok(size(received))
    })
}

/// Copies as many bytes as there is room for, and returns the size of the whole frame.
///
/// # Safety
/// `buf` is writable for `len` bytes; without bytes it may be null.
#[inline(always)]
unsafe fn copy_out(data: &[u8], buf: *mut c_void, len: usize) -> usize {
    // SAFETY: as the caller promises. The data is ours, so the two do not overlap.
    unsafe { copying::copy(data.as_ptr(), buf.cast(), data.len().min(len)) };
    data.len()
}

fn has_more(flags: c_int) -> bool {
    flags & ZMQ_SNDMORE != 0
}

/// What an int can say of a size.
#[inline(always)]
fn size(len: usize) -> c_int {
    match c_int::try_from(len) {
        Ok(size) => size,
        Err(_) => greatest_size(),
    }
}

/// Apart, so that other sizes cost one comparison.
#[cold]
#[inline(never)]
fn greatest_size() -> c_int {
    c_int::MAX
}

/// A copy that C's `free` frees. Errors: `ENOMEM`.
fn allocated(data: &[u8]) -> Result<iovec> {
    // Never of nothing: NULL would look like a failure.
    // SAFETY: no pointers.
    let memory = unsafe { libc::malloc(data.len().max(1)) };
    if memory.is_null() {
        return Err(Errno::NOMEM);
    }
    // SAFETY: fresh memory of that length.
    unsafe { ptr::copy_nonoverlapping(data.as_ptr(), memory.cast(), data.len()) };
    Ok(iovec { iov_base: memory, iov_len: data.len() })
}
