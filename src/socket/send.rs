//! The one way into a socket. A frame takes the first of these that has room for it:
//!
//! 1. **The fast path.** The socket's lock is free and its mailbox is quiet. The pattern has no say in where the frame goes. The
//!    pipe has credit, room and a reader that is awake. The frame is copied into the pipe and that is all. This code cannot
//!    panic, frees nothing and wakes no thread.
//! 2. **The pattern.** The caller obeys the mailbox's commands and gives the frame to the pattern, which picks a pipe.
//! 3. **The wait.** The caller registers with the mailbox and sleeps, until a pipe has room or the time is over.
//!
//! The lock that the fast path has taken is kept for the rest. A mailbox is quiet while it holds no command.

use super::state::Socket;
use super::waiting::{For, Waiting};
use super::{DONTWAIT, FAST_SEND, Handle, Locked, quiet};
use crate::ctx::call;
use crate::errno::{Errno, Result};
use crate::message::{BODY_RING_MIN_BYTES, BY_REFERENCE_MIN_BYTES, Msg, OutFrame};
use crate::pattern::Pattern;
use crate::pipe::{PipeId, Wake};
use crate::session::{INLINE_SEND_MIN_BYTES, MAX_DRAIN_MS};
use std::sync::Arc;

/// The part of a call that the fast path leaves to the slow one.
pub(super) enum Left {
    /// All of it; and the lock, where it was free.
    Everything(Option<Locked>),
    /// The frame was sent by this pipe, whose reader has fallen asleep meanwhile.
    Wake(Locked, PipeId),
}

impl Handle {
    /// Sends `data` as one frame, and says whether more of its message follow. Of `flags` only `ZMQ_DONTWAIT` counts. Waits
    /// according to `ZMQ_SNDTIMEO`. On any error nothing was taken. Errors: `EAGAIN`, `EINTR`, `ETERM`, `ENOTSOCK` and the
    /// pattern's own.
    #[inline(always)]
    pub fn send_bytes(self, data: &[u8], more: bool, flags: i32) -> Result<()> {
        match self.send_fast(data, more) {
            Ok(()) => Ok(()),
            Err(left) => self.send_bytes_slow(left, data, more, flags),
        }
    }

    /// As [`send_bytes`](Handle::send_bytes), for a message. On success its content is taken and it becomes empty. After a
    /// failure it is unchanged, but says whether it was to be a part. Returns how many bytes it had.
    #[inline(always)]
    pub fn send_message(self, message: &mut Msg, more: bool, flags: i32) -> Result<usize> {
        let mut left = Left::Everything(None);
        if let Some(bytes) = message.bare_bytes()
            && bytes.len() < BODY_RING_MIN_BYTES
        {
            let len = bytes.len();
            match self.send_fast(bytes, more) {
                Ok(()) => {
                    message.clear();
                    return Ok(len);
                }
                Err(kept) => left = kept,
            }
        }
        self.send_message_slow(left, message, more, flags)
    }

    /// As [`send_bytes`](Handle::send_bytes), for any frame, which says itself whether more follow, and for callers inside of the
    /// library: without the fast path.
    pub fn send(self, frame: &mut OutFrame<'_>, flags: i32) -> Result<()> {
        self.send_locked(self.lock()?, frame, flags)
    }

    #[inline(always)]
    pub(super) fn send_fast(self, data: &[u8], more: bool) -> std::result::Result<(), Left> {
        if data.len() >= BY_REFERENCE_MIN_BYTES {
            return Err(Left::Everything(None));
        }
        let Some(mut locked) = self.try_lock(FAST_SEND) else { return Err(Left::Everything(None)) };
        match quiet(&mut locked).and_then(|socket| write_inline(socket, data, more)) {
            Some((Wake::NotNeeded, _)) => Ok(()),
            Some((Wake::Reader, pipe)) => Err(Left::Wake(locked, pipe)),
            None => Err(Left::Everything(Some(locked))),
        }
    }

    #[cold]
    #[inline(never)]
    fn send_bytes_slow(self, left: Left, data: &[u8], more: bool, flags: i32) -> Result<()> {
        call::cancelled_after(|| match left {
            Left::Wake(locked, pipe) => wake_reader(locked, pipe),
            Left::Everything(locked) => {
                self.send_locked(self.keep(locked)?, &mut OutFrame::bytes(data, more), flags)
            }
        })
    }

    #[inline(never)]
    fn send_message_slow(self, left: Left, message: &mut Msg, more: bool, flags: i32) -> Result<usize> {
        call::cancelled_after(|| {
            let len = message.len();
            let sent = match (left, message.bare_bytes()) {
                (Left::Wake(locked, pipe), _) => wake_reader(locked, pipe),
                (_, Some(_)) if len >= BODY_RING_MIN_BYTES => self.send_by_reference(message, more, flags),
                (Left::Everything(locked), Some(bytes)) => {
                    self.send_locked(self.keep(locked)?, &mut OutFrame::bytes(bytes, more), flags)
                }
                (_, None) => self.send(&mut OutFrame::msg(message, more), flags),
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
    fn send_by_reference(self, message: &mut Msg, more: bool, flags: i32) -> Result<()> {
        let mut locked = self.try_lock(FAST_SEND);
        let socket = locked.as_mut().and_then(quiet);
        match socket.and_then(|socket| write_message(socket, message, more)) {
            Some((Wake::NotNeeded, _)) => Ok(()),
            Some((Wake::Reader, pipe)) => locked.map_or(Ok(()), |locked| wake_reader(locked, pipe)),
            None => self.send_locked(self.keep(locked)?, &mut OutFrame::msg(message, more), flags),
        }
    }

    /// The pattern, else the wait.
    #[inline(always)]
    fn send_locked(self, mut socket: Locked, frame: &mut OutFrame<'_>, flags: i32) -> Result<()> {
        socket.receive_subscriptions();
        socket.process()?;
        let timeout_ms = if flags & DONTWAIT == 0 { socket.options.sndtimeo_ms } else { 0 };
        let len = frame.data().len();
        let large = len >= BY_REFERENCE_MIN_BYTES && !frame.more() && may_drain_blocking(&socket, timeout_ms);
        match socket.try_send(frame, timeout_ms) {
            Err(Errno::AGAIN) => self.wait_and_send(socket, frame, timeout_ms, large),
            Ok(()) if large => drain_blocking(socket, len),
            outcome => outcome,
        }
    }

    /// Sends once a pipe has room, or the time is over. After sending, a `large` frame is [drained](drain_blocking).
    #[cold]
    #[inline(never)]
    fn wait_and_send(
        self,
        mut socket: Locked,
        frame: &mut OutFrame<'_>,
        timeout_ms: i32,
        large: bool,
    ) -> Result<()> {
        let len = frame.data().len();
        let mut waiting = Waiting::begin(&socket.owner, For::Sending, timeout_ms)?;
        loop {
            // Commands that came while the caller was not registered.
            socket.process()?;
            match socket.try_send(frame, timeout_ms) {
                Err(Errno::AGAIN) => {}
                Ok(()) if large => return drain_blocking(socket, len),
                outcome => return outcome,
            }
            if socket.owner.connections.send_for_credit() {
                continue;
            }
            drop(socket);
            let waited = waiting.wait();
            socket = self.lock()?;
            waited?;
        }
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
    out.written(id, more);
    Some((wake, id))
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
        let owner = Arc::clone(&socket.owner);
        drop(socket);
        owner.connections.drain_blocking(len);
    }
    Ok(())
}
