//! `zmq_send*`, `zmq_recv*` and `zmq_msg_send`, `zmq_msg_recv`.

use super::constants::{ZMQ_DONTWAIT, ZMQ_SNDMORE};
use super::socket::find;
use super::{memory, settled, transfer, zmq_msg_t};
use crate::errno::{Errno, Result};
use crate::message::{BODY_RING_MIN_BYTES, Msg, OutFrame};
use crate::socket::{FastPath, Handle};
use crate::sys::copying;
use libc::iovec;
use std::ffi::{c_int, c_void};
use std::ptr;

/// Sends the `len` bytes at `buf`, as a whole message or, with ZMQ_SNDMORE in `flags`, as a part of one; waits until that
/// is possible, unless ZMQ_DONTWAIT is in `flags`.
///
/// Returns `len`, or -1 with errno `EAGAIN` if it is not possible now (or within ZMQ_SNDTIMEO), `ENOTSUP` if sockets of this
/// type do not send, `EFSM` if it is not this one's turn to, `EHOSTUNREACH`, `EINVAL`, `ENOMEM`, `ETERM`, `ENOTSOCK`, `EINTR`; `EFAULT` for
/// NULL.
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
    // SAFETY: as the caller promises.
    let data = unsafe { memory::bytes(buf, len) };
    if let (Ok(socket), Ok(data)) = (find(socket), data)
        && let Some(sent) = send_fast(socket, data, flags)
    {
        return sent;
    }
    send_bytes(socket, data, flags)
}

/// As zmq_send(), for bytes that never change and are never freed: they are not copied.
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
        // SAFETY: as the caller promises, who also lends the bytes for good.
        let mut msg = unsafe {
            memory::bytes(buf, len)?;
            Msg::external(buf.cast_mut().cast(), len, None, ptr::null_mut())
        }?;
        send(socket, &mut OutFrame::msg(&mut msg, has_more(flags)), flags)
    })
}

/// As zmq_send(), for a message, which is the empty message afterwards. After a failure it is what it was, but says by
/// zmq_msg_more() whether it was to be a part.
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
    // SAFETY: as the caller promises.
    let mut msg = unsafe { Msg::at(msg.cast()) };
    if let (Ok(socket), Ok(msg)) = (find(socket), &mut msg)
        && let Some(bytes) = msg.bare_bytes()
        && bytes.len() < BODY_RING_MIN_BYTES
        && let Some(sent) = send_fast(socket, bytes, flags)
    {
        msg.clear();
        return sent;
    }
    send_msg(socket, msg, flags)
}

/// Older name of zmq_msg_send(), with another order.
///
/// # Safety
/// `msg` is NULL or points at a zmq_msg_t that no other thread uses.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_sendmsg(socket: *mut c_void, msg: *mut zmq_msg_t, flags: c_int) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { zmq_msg_send(msg, socket, flags) }
}

/// Sends `count` buffers, with ZMQ_SNDMORE in `flags` as the parts of one message, without as a message each.
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
            sent = send(socket, &mut OutFrame::bytes(data, more), flags)?;
        }
        Ok(sent)
    })
}

/// Receives a message, or a part of one (see ZMQ_RCVMORE), into the `len` bytes at `buf`. What there is no room for is gone. Waits
/// until there is something, unless ZMQ_DONTWAIT is in `flags`.
///
/// Returns the size of the message, which may be more than `len`, or -1 with errno `EAGAIN` if there is nothing now (or within
/// ZMQ_RCVTIMEO), `ENOTSUP` if sockets of this type do not receive, `EFSM` if it is not this one's turn to, `ETERM`, `ENOTSOCK`,
/// `EINTR`; `EFAULT` for NULL.
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
    if let Ok(socket) = find(socket)
        && (len == 0 || !buf.is_null())
        && let Some(received) = socket.recv_fast(|frame| {
            // SAFETY: as the caller promises; see `copy_out`.
            unsafe { copy_out(frame.body, buf, len) }
        })
    {
        return received;
    }
    // SAFETY: as the caller promises.
    unsafe { recv_bytes(socket, buf, len, flags) }
}

/// As zmq_recv(), into a message of the right size, whose old content is released, also where there was nothing to
/// receive; it stays where the socket may not receive at all.
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
    // SAFETY: as the caller promises.
    let mut msg = unsafe { Msg::at(msg.cast()) };
    if let (Ok(socket), Ok(msg)) = (find(socket), &mut msg)
        // The old content is let go of under the socket's lock.
        && !msg.may_call_back()
        && let Some(received) = socket.recv_fast(|frame| {
            msg.refill(frame.body, frame.more, frame.metadata).map(|()| size(frame.body.len()))
        })
    {
        return settled(-1, received);
    }
    recv_msg(socket, msg, flags)
}

/// Older name of zmq_msg_recv(), with another order.
///
/// # Safety
/// `msg` is NULL or points at a zmq_msg_t that no other thread uses.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_recvmsg(socket: *mut c_void, msg: *mut zmq_msg_t, flags: c_int) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { zmq_msg_recv(msg, socket, flags) }
}

/// Receives the parts of one message, up to `*count`, each into memory that is to be freed with free(), and sets `*count` to
/// how many there are.
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
            let part =
                socket.recv(flags & ZMQ_DONTWAIT, |frame| Ok((allocated(frame.data())?, frame.more())));
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

/// The long way of zmq_send().
#[inline(never)]
fn send_bytes(socket: *mut c_void, data: Result<&[u8]>, flags: c_int) -> c_int {
    transfer(|| send(find(socket)?, &mut OutFrame::bytes(data?, has_more(flags)), flags))
}

/// The long way of zmq_msg_send().
#[inline(never)]
fn send_msg(socket: *mut c_void, msg: Result<&mut Msg>, flags: c_int) -> c_int {
    transfer(|| {
        let socket = find(socket)?;
        let msg = msg?;
        let sent = match msg.bare_bytes().map(<[u8]>::len) {
            Some(len) if len >= BODY_RING_MIN_BYTES => hand_over(socket, msg, flags),
            Some(_) => send(socket, &mut OutFrame::bytes(msg.data(), has_more(flags)), flags),
            None => send(socket, &mut OutFrame::msg(msg, has_more(flags)), flags),
        };
        match sent {
            Ok(sent) => {
                msg.clear();
                Ok(sent)
            }
            Err(errno) => {
                if errno != Errno::TERM {
                    msg.set_more(has_more(flags));
                }
                Err(errno)
            }
        }
    })
}

/// Sends a large message, by handing it over if that can be done at once.
fn hand_over(socket: Handle, msg: &mut Msg, flags: c_int) -> Result<c_int> {
    let len = msg.len();
    match socket.send_message_fast(msg, has_more(flags)) {
        FastPath::Sent => Ok(size(len)),
        FastPath::Wake(pipe) => socket.wake_reader(pipe).map(|()| size(len)),
        FastPath::No => send(socket, &mut OutFrame::msg(msg, has_more(flags)), flags),
    }
}

/// The long way of zmq_recv().
///
/// # Safety
/// That of zmq_recv().
#[inline(never)]
unsafe fn recv_bytes(socket: *mut c_void, buf: *mut c_void, len: usize, flags: c_int) -> c_int {
    transfer(|| {
        let socket = find(socket)?;
        if buf.is_null() && len > 0 {
            return Err(Errno::FAULT);
        }
        if let Some((body, _)) = socket.recv_by_reference() {
            // SAFETY: as the caller promises.
            return Ok(unsafe { copy_out(body.as_slice(), buf, len) });
        }
        // SAFETY: as the caller promises.
        socket.recv(flags & ZMQ_DONTWAIT, |frame| Ok(unsafe { copy_out(frame.data(), buf, len) }))
    })
}

/// The long way of zmq_msg_recv().
#[inline(never)]
fn recv_msg(socket: *mut c_void, msg: Result<&mut Msg>, flags: c_int) -> c_int {
    transfer(|| {
        let socket = find(socket)?;
        let msg = msg?;
        if let Some((body, more)) = socket.recv_by_reference() {
            let len = body.len();
            *msg = Msg::from_body(body);
            msg.set_more(more);
            return Ok(size(len));
        }
        if let Err(errno) = socket.recv(flags & ZMQ_DONTWAIT, |frame| frame.take_into(msg)) {
            if matches!(errno, Errno::AGAIN | Errno::INTR) {
                msg.clear();
            }
            return Err(errno);
        }
        Ok(size(msg.len()))
    })
}

/// Copies what there is room for, and says how much there was.
///
/// # Safety
/// `buf` is writable for `len` bytes; without bytes it may be null.
#[inline(always)]
unsafe fn copy_out(data: &[u8], buf: *mut c_void, len: usize) -> c_int {
    // SAFETY: as the caller promises. The data is ours, so the two do not overlap.
    unsafe { copying::copy(data.as_ptr(), buf.cast(), data.len().min(len)) };
    size(data.len())
}

fn send(socket: Handle, frame: &mut OutFrame<'_>, flags: c_int) -> Result<c_int> {
    let len = frame.data().len();
    socket.send(frame, flags & ZMQ_DONTWAIT)?;
    Ok(size(len))
}

/// `None`: it has to go the long way.
#[inline(always)]
fn send_fast(socket: Handle, data: &[u8], flags: c_int) -> Option<c_int> {
    match socket.send_fast(data, has_more(flags)) {
        FastPath::Sent => Some(size(data.len())),
        FastPath::Wake(pipe) => Some(transfer(|| socket.wake_reader(pipe).map(|()| size(data.len())))),
        FastPath::No => None,
    }
}

fn has_more(flags: c_int) -> bool {
    flags & ZMQ_SNDMORE != 0
}

/// What an int can say of a size.
fn size(len: usize) -> c_int {
    c_int::try_from(len).unwrap_or(c_int::MAX)
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
