//! The one way out of a socket. The caller takes the first of these that gives a frame:
//!
//! 1. **The fast path.** The socket's lock is free and its mailbox is quiet. The pattern takes frames from one pipe after the
//!    other, and the pipe has a small frame at hand. The caller copies it out and that is all. This code cannot panic, frees
//!    nothing and wakes no thread.
//! 2. **The pattern.** The caller obeys the mailbox's commands and asks the pattern for a frame.
//! 3. **The wait.** Until a frame is there or the time is over, the caller registers with the mailbox and sleeps. Or it receives
//!    from the socket's connections itself.
//!
//! A thread may be cancelled in `zmq_recv` once the fast path has found nothing. So the fast path gives its lock back then.

use super::blocking_call::{BlockingCall, For};
use super::state::Socket;
use super::{DONTWAIT, Handle, Locked, quiet, release};
use crate::ctx::{Path, call};
use crate::errno::{Errno, Result};
use crate::message::{Body, Frame, Msg};
use crate::pattern::Pattern;
use crate::pipe::InlineFrame;

/// [`Handle::recv_bytes`].
#[inline(always)]
pub(super) fn bytes<R>(handle: Handle, flags: i32, take: impl Fn(&[u8]) -> R + Copy) -> Result<R> {
    match recv_fast(handle, move |frame| take(frame.body)) {
        Some(taken) => Ok(taken),
        None => recv_bytes_slow(handle, flags, take),
    }
}

/// [`Handle::recv_message`].
#[inline(always)]
pub(super) fn message(handle: Handle, message: &mut Msg, flags: i32) -> Result<usize> {
    // The old content is released under the socket's lock.
    if !message.may_call_back()
        && let Some(received) = recv_fast(handle, |frame| {
            message.refill(frame.body, frame.more, frame.metadata).map(|()| frame.body.len())
        })
    {
        return received;
    }
    recv_message_slow(handle, message, flags)
}

/// [`Handle::recv`].
pub(super) fn frame<R>(
    handle: Handle,
    flags: i32,
    take: impl FnOnce(&mut Frame<'_>) -> Result<R>,
) -> Result<R> {
    recv_locked(handle, handle.lock()?, flags, take)
}

/// `None`: there is none, or it has to take the slow path.
#[inline(always)]
pub(super) fn recv_fast<R>(handle: Handle, take: impl FnOnce(InlineFrame<'_>) -> R) -> Option<R> {
    let mut socket = handle.try_lock(Path::Receive)?;
    match quiet(&mut socket).and_then(|socket| read_inline(handle, socket, take)) {
        Some(taken) => Some(taken),
        None => nothing_taken(socket),
    }
}

/// Apart, so that a frame that was taken is not asked for once more.
#[cold]
fn nothing_taken<R>(socket: Locked) -> Option<R> {
    drop(socket);
    None
}

#[inline(never)]
fn recv_bytes_slow<R>(handle: Handle, flags: i32, take: impl FnOnce(&[u8]) -> R) -> Result<R> {
    call::cancelled_before(|| {
        let mut socket = handle.try_lock(Path::Receive);
        match socket.as_mut().and_then(|socket| recv_by_reference(handle, socket)) {
            Some((body, _)) => Ok(take(body.as_slice())),
            None => recv_locked(handle, handle.keep(socket)?, flags, |frame| Ok(take(frame.data()))),
        }
    })
}

#[inline(never)]
fn recv_message_slow(handle: Handle, message: &mut Msg, flags: i32) -> Result<usize> {
    call::cancelled_before(|| {
        let mut socket = handle.try_lock(Path::Receive);
        if let Some((body, more)) = socket.as_mut().and_then(|socket| recv_by_reference(handle, socket)) {
            drop(socket);
            *message = Msg::from_body(body);
            message.set_more(more);
            return Ok(message.len());
        }
        let mut socket = handle.keep(socket)?;
        let there = recv_at_once(
            handle,
            &mut socket,
            flags,
            &mut Some(|frame: &mut Frame<'_>| frame.take_into(message)),
        )?;
        if there.is_none() {
            // The old content is the caller's no longer. Kept for the whole wait, it could be what the sender waits for.
            message.clear();
            recv_waiting(handle, socket, flags, |frame| frame.take_into(message))?;
        }
        Ok(message.len())
    })
}

/// A frame whose body the pipe gives away, and whether more follow. `None` as of [`recv_fast`].
#[inline]
pub(super) fn recv_by_reference(handle: Handle, socket: &mut Locked) -> Option<(Body, bool)> {
    let (body, more) = read_by_reference(quiet(socket)?)?;
    handle.note_rcvmore(more);
    Some((body, more))
}

/// The pattern, else the wait.
fn recv_locked<R>(
    handle: Handle,
    mut socket: Locked,
    flags: i32,
    take: impl FnOnce(&mut Frame<'_>) -> Result<R>,
) -> Result<R> {
    let mut take = Some(take);
    match (recv_at_once(handle, &mut socket, flags, &mut take)?, take) {
        (None, Some(take)) => recv_waiting(handle, socket, flags, take),
        (taken, _) => taken.ok_or(Errno::AGAIN),
    }
}

/// What is there already, without a wait; `None`: nothing is, and `take` is left.
fn recv_at_once<R>(
    handle: Handle,
    socket: &mut Locked,
    flags: i32,
    take: &mut Option<impl FnOnce(&mut Frame<'_>) -> Result<R>>,
) -> Result<Option<R>> {
    let taken = look(handle, socket, take)?;
    if taken.is_none() && timeout_ms(socket, flags) == 0 && socket.link.connections.receive_pending() {
        return look(handle, socket, take);
    }
    Ok(taken)
}

/// Waits until something is there, or the time is over. Errors: `EAGAIN` for a call that does not wait.
fn recv_waiting<R>(
    handle: Handle,
    mut socket: Locked,
    flags: i32,
    take: impl FnOnce(&mut Frame<'_>) -> Result<R>,
) -> Result<R> {
    let mut take = Some(take);
    let mut blocking = BlockingCall::begin(&socket.link, For::Receiving, timeout_ms(&socket, flags))?;
    loop {
        if let Some(taken) = look(handle, &mut socket, &mut take)? {
            return Ok(taken);
        }
        release(socket);
        let waited = blocking.wait();
        socket = handle.lock_again(&blocking.socket)?;
        waited?;
    }
}

/// Obeys the mailbox's commands and asks the pattern; `None`: nothing is there, and `take` is left.
#[inline(always)]
fn look<R>(
    handle: Handle,
    socket: &mut Locked,
    take: &mut Option<impl FnOnce(&mut Frame<'_>) -> Result<R>>,
) -> Result<Option<R>> {
    socket.process()?;
    match try_recv(handle, socket, take) {
        Err(Errno::AGAIN) if take.is_some() => Ok(None),
        outcome => outcome.map(Some),
    }
}

/// How long the call may wait; negative: without end.
fn timeout_ms(socket: &Socket, flags: i32) -> i32 {
    if flags & DONTWAIT == 0 { socket.options.rcvtimeo_ms } else { 0 }
}

/// As [`Socket::try_recv`], and remembers for [`Handle::rcvmore`] whether more frames follow.
#[inline(always)]
fn try_recv<R>(
    handle: Handle,
    socket: &mut Socket,
    take: &mut Option<impl FnOnce(&mut Frame<'_>) -> Result<R>>,
) -> Result<R> {
    let outcome = socket.try_recv(take);
    if outcome.is_ok() {
        handle.note_rcvmore(socket.rcvmore);
    }
    outcome
}

/// Whether sockets of this pattern have a fast path out.
pub(super) fn has_fast_path(pattern: &mut Pattern) -> bool {
    pattern.inline_queue().is_some() || pattern.filtered_queue().is_some()
}

#[inline(always)]
fn read_inline<R>(handle: Handle, socket: &mut Socket, take: impl FnOnce(InlineFrame<'_>) -> R) -> Option<R> {
    let Some(queue) = socket.pattern.inline_queue() else { return read_filtered(handle, socket, take) };
    let id = queue.first_choice()?;
    let frame = socket.pipes.pipe(id)?.read_inline(queue.is_served_alone(), |_| true)?;
    queue.first_taken(frame.more);
    socket.rcvmore = frame.more;
    handle.note_rcvmore(frame.more);
    Some(take(frame))
}

#[inline(never)]
fn read_filtered<R>(
    handle: Handle,
    socket: &mut Socket,
    take: impl FnOnce(InlineFrame<'_>) -> R,
) -> Option<R> {
    let (queue, filter) = socket.pattern.filtered_queue()?;
    let id = queue.first_choice()?;
    let promised = queue.is_promised(id);
    let alone = queue.is_served_alone();
    let frame = socket.pipes.pipe(id)?.read_inline(alone, |body| promised || filter.passes(body))?;
    queue.first_taken(frame.more);
    socket.rcvmore = frame.more;
    handle.note_rcvmore(frame.more);
    Some(take(frame))
}

#[inline]
fn read_by_reference(socket: &mut Socket) -> Option<(Body, bool)> {
    let queue = socket.pattern.inline_queue()?;
    let id = queue.first_choice()?;
    let (body, more) = socket.pipes.pipe(id)?.read_by_reference()?;
    queue.taken(id, more);
    socket.rcvmore = more;
    Some((body, more))
}
