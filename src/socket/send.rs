//! The one way into a socket. A frame takes the first of these that has room for it:
//!
//! 1. **The fast path.** The socket's lock is free and its mailbox is quiet. The pattern has no say in where the frame goes. The
//!    pipe has credit and room. The frame is copied into the pipe, and a reader that sleeps is woken afterwards. This code cannot
//!    panic and frees nothing.
//! 2. **The pattern.** The caller obeys the mailbox's commands and gives the frame to the pattern, which picks a pipe.
//! 3. **The wait.** The caller registers with the mailbox and sleeps, until a pipe has room or the time is over.
//!
//! The lock that the fast path has taken is kept for the rest. A mailbox is quiet while it holds no command.

use super::blocking_call::{BlockingCall, For};
use super::state::Socket;
use super::{DONTWAIT, Handle, Locked, quiet, release};
use crate::ctx::{Path, call};
use crate::errno::{Errno, Result};
use crate::message::{BODY_RING_MIN_BYTES, BY_REFERENCE_MIN_BYTES, DeferFrees, Msg, OutFrame};
use crate::pattern::Pattern;
use crate::pipe::{PipeId, Wake};
use crate::session::{INLINE_SEND_MIN_BYTES, MAX_DRAIN_MS};
use std::sync::Arc;

/// The part of a call that the fast path leaves to the slow one.
pub(super) enum Left {
    /// All of it; and the lock, where it was free.
    Everything(Option<Locked>),
    /// The frame was sent by this pipe, whose reader sleeps.
    Wake(Locked, PipeId),
}

/// [`Handle::send_bytes`].
#[inline(always)]
pub(super) fn bytes(handle: Handle, data: &[u8], more: bool, flags: i32) -> Result<()> {
    match send_fast(handle, data, more) {
        Ok(()) => Ok(()),
        Err(Left::Wake(socket, pipe)) => wake_reader_slow(socket, pipe),
        Err(Left::Everything(socket)) => send_bytes_slow(handle, socket, data, more, flags),
    }
}

/// [`Handle::send_message`].
#[inline(always)]
pub(super) fn message(handle: Handle, message: &mut Msg, more: bool, flags: i32) -> Result<usize> {
    let mut left = Left::Everything(None);
    if let Some(bytes) = message.bare_bytes()
        && bytes.len() < BODY_RING_MIN_BYTES
    {
        let len = bytes.len();
        match send_fast(handle, bytes, more) {
            Ok(()) => {
                message.clear();
                return Ok(len);
            }
            Err(kept) => left = kept,
        }
    }
    send_message_slow(handle, left, message, more, flags)
}

/// [`Handle::send`].
pub(super) fn frame(handle: Handle, frame: &mut OutFrame<'_>, flags: i32) -> Result<()> {
    send_locked(handle, handle.lock()?, frame, flags)
}

#[inline(always)]
pub(super) fn send_fast(handle: Handle, data: &[u8], more: bool) -> std::result::Result<(), Left> {
    if data.len() >= BY_REFERENCE_MIN_BYTES {
        return Err(Left::Everything(None));
    }
    let Some(mut locked) = handle.try_lock(Path::Send) else { return Err(Left::Everything(None)) };
    match quiet(&mut locked).and_then(|socket| write_inline(socket, data, more)) {
        Some((Wake::NotNeeded, _)) => Ok(()),
        Some((Wake::Reader, pipe)) => Err(Left::Wake(locked, pipe)),
        None => Err(Left::Everything(Some(locked))),
    }
}

#[cold]
#[inline(never)]
fn send_bytes_slow(
    handle: Handle,
    socket: Option<Locked>,
    data: &[u8],
    more: bool,
    flags: i32,
) -> Result<()> {
    call::cancelled_after(|| {
        send_locked(handle, handle.keep(socket)?, &mut OutFrame::bytes(data, more), flags)
    })
}

/// Apart from [`send_bytes_slow`]: the fast path need not keep the rest of the call at hand for it.
#[cold]
#[inline(never)]
fn wake_reader_slow(socket: Locked, pipe: PipeId) -> Result<()> {
    call::cancelled_after(|| wake_reader(socket, pipe))
}

#[inline(never)]
fn send_message_slow(handle: Handle, left: Left, message: &mut Msg, more: bool, flags: i32) -> Result<usize> {
    call::cancelled_after(|| {
        let len = message.len();
        let sent = match (left, message.bare_bytes()) {
            (Left::Wake(socket, pipe), _) => wake_reader(socket, pipe),
            (_, Some(_)) if len >= BODY_RING_MIN_BYTES => send_by_reference(handle, message, more, flags),
            (Left::Everything(socket), Some(bytes)) => {
                send_locked(handle, handle.keep(socket)?, &mut OutFrame::bytes(bytes, more), flags)
            }
            (_, None) => frame(handle, &mut OutFrame::msg(message, more), flags),
        };
        match sent {
            Ok(()) => message.clear(),
            Err(Errno::TERM) => {}
            Err(_) => message.set_more(more),
        }
        sent.map(|()| len)
    })
}

/// Sends a large message of the library's own memory. The pipe takes the body itself, if it can at once.
fn send_by_reference(handle: Handle, message: &mut Msg, more: bool, flags: i32) -> Result<()> {
    let mut socket = handle.try_lock(Path::Send);
    let open = socket.as_mut().and_then(quiet);
    match open.and_then(|open| write_message(open, message, more)) {
        Some((Wake::NotNeeded, _)) => Ok(()),
        Some((Wake::Reader, pipe)) => socket.map_or(Ok(()), |socket| wake_reader(socket, pipe)),
        None => send_locked(handle, handle.keep(socket)?, &mut OutFrame::msg(message, more), flags),
    }
}

/// The pattern, else the wait.
#[inline(always)]
fn send_locked(handle: Handle, mut socket: Locked, frame: &mut OutFrame<'_>, flags: i32) -> Result<()> {
    socket.receive_subscriptions();
    socket.process()?;
    let timeout_ms = if flags & DONTWAIT == 0 { socket.options.sndtimeo_ms } else { 0 };
    let len = frame.data().len();
    let large = len >= BY_REFERENCE_MIN_BYTES && !frame.more() && may_drain_blocking(&socket, timeout_ms);
    match socket.try_send(frame) {
        Err(Errno::AGAIN) => wait_and_send(handle, socket, frame, timeout_ms, large),
        Ok(()) if large => drain_blocking(socket, len),
        outcome => outcome,
    }
}

/// Sends once a pipe has room, or the time is over. After sending, a `large` frame is [drained](drain_blocking).
#[cold]
#[inline(never)]
fn wait_and_send(
    handle: Handle,
    mut socket: Locked,
    frame: &mut OutFrame<'_>,
    timeout_ms: i32,
    large: bool,
) -> Result<()> {
    let len = frame.data().len();
    let mut blocking = BlockingCall::begin(&socket.link, For::Sending, timeout_ms)?;
    loop {
        // Commands that came while the caller was not registered.
        socket.process()?;
        match socket.try_send(frame) {
            Err(Errno::AGAIN) => {}
            Ok(()) if large => return drain_blocking(socket, len),
            outcome => return outcome,
        }
        let made_room = blocking.make_room(|| socket.link.connections.send_for_credit());
        if made_room && !DeferFrees::are_due() {
            continue;
        }
        release(socket);
        let waited = if made_room {
            blocking.run_frees();
            Ok(())
        } else {
            blocking.wait()
        };
        socket = handle.lock_again(&blocking.socket)?;
        waited?;
    }
}

/// Whether sockets of this pattern have a fast path in.
pub(super) fn has_fast_path(pattern: &mut Pattern) -> bool {
    pattern.inline_out().is_some()
}

/// Writes a small frame, and says by which pipe. `None`: it has to take the slow path, and nothing was written.
#[inline(always)]
fn write_inline(socket: &mut Socket, data: &[u8], more: bool) -> Option<(Wake, PipeId)> {
    let out = socket.pattern.inline_out()?;
    let id = out.first_choice()?;
    let wake = socket.pipes.pipe(id)?.write_inline(data, more)?;
    // Asked for anew where it is needed, so that it need not be kept meanwhile.
    let written = if wake == Wake::NotNeeded { PipeId::default() } else { out.first_choice()? };
    out.first_written(more);
    Some((wake, written))
}

/// As [`write_inline`], for a message whose body the pipe takes. Apart from it: with the writing as a closure of one for both, that
/// takes 27 instructions more.
pub(super) fn write_message(socket: &mut Socket, message: &mut Msg, more: bool) -> Option<(Wake, PipeId)> {
    let out = socket.pattern.inline_out()?;
    let id = out.first_choice()?;
    let wake = socket.pipes.pipe(id)?.write_message(message, more)?;
    out.written(id, more);
    Some((wake, id))
}

pub(super) fn wake_reader(mut socket: Locked, pipe: PipeId) -> Result<()> {
    if let Some(pipe) = socket.get_mut().and_then(|socket| socket.pipes.pipe(pipe)) {
        pipe.wake_reader();
    }
    Ok(())
}

/// Whether a send that may last this long may be held up until its connection has taken a large message.
#[cold]
fn may_drain_blocking(socket: &Socket, timeout_ms: i32) -> bool {
    !(0..=MAX_DRAIN_MS).contains(&timeout_ms) && socket.may_drain_blocking()
}

/// The last frame of a message was large, `len` bytes. If the whole message has [`INLINE_SEND_MIN_BYTES`], it is drained into the
/// stream without the socket's lock.
#[cold]
fn drain_blocking(socket: Locked, len: usize) -> Result<()> {
    if socket.pipes.last_weight() >= INLINE_SEND_MIN_BYTES {
        let link = Arc::clone(&socket.link);
        drop(socket);
        link.connections.drain_blocking(len);
    }
    Ok(())
}
