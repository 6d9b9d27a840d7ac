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

use super::state::Socket;
use super::waiting::{For, Waiting};
use super::{DONTWAIT, FAST_RECV, Handle, Locked, quiet};
use crate::ctx::call;
use crate::errno::{Errno, Result};
use crate::message::{Body, Frame, Msg};
use crate::pattern::Pattern;
use crate::pipe::InlineFrame;

impl Handle {
    /// Receives one frame and gives its bytes to `take`, which calls nothing that could fail. Of `flags` only `ZMQ_DONTWAIT`
    /// counts. Waits according to `ZMQ_RCVTIMEO`. Errors: `EAGAIN`, `EINTR`, `ETERM`, `ENOTSOCK` and the pattern's own.
    #[inline(always)]
    pub fn recv_bytes<R>(self, flags: i32, take: impl Fn(&[u8]) -> R) -> Result<R> {
        match self.recv_fast(|frame| take(frame.body)) {
            Some(taken) => Ok(taken),
            None => self.recv_bytes_slow(flags, take),
        }
    }

    /// As [`recv_bytes`](Handle::recv_bytes), into a message, whose old content is released, also where there is nothing to receive. It
    /// stays where the socket may not receive at all. Returns how many bytes the message has. Errors: `ENOMEM`, too.
    #[inline(always)]
    pub fn recv_message(self, message: &mut Msg, flags: i32) -> Result<usize> {
        // The old content is released under the socket's lock.
        if !message.may_call_back()
            && let Some(received) = self.recv_fast(|frame| {
                message.refill(frame.body, frame.more, frame.metadata).map(|()| frame.body.len())
            })
        {
            return received;
        }
        self.recv_message_slow(message, flags)
    }

    /// Receives one frame and gives it to `take` while it still lies in the pipe, for callers inside of the library: without the
    /// fast path. Errors: as [`recv_bytes`](Handle::recv_bytes), and those of `take`, the frame being lost then.
    pub fn recv<R>(self, flags: i32, take: impl FnOnce(&mut Frame<'_>) -> Result<R>) -> Result<R> {
        self.recv_locked(self.lock()?, flags, take)
    }

    /// `None`: there is none, or it has to take the slow path.
    #[inline(always)]
    pub(super) fn recv_fast<R>(self, take: impl FnOnce(InlineFrame<'_>) -> R) -> Option<R> {
        let mut locked = self.try_lock(FAST_RECV)?;
        let (taken, more) = read_inline(quiet(&mut locked)?, take)?;
        self.0.set_last_rcvmore(more);
        Some(taken)
    }

    #[inline(never)]
    fn recv_bytes_slow<R>(self, flags: i32, take: impl FnOnce(&[u8]) -> R) -> Result<R> {
        call::cancelled_before(|| {
            let mut locked = self.try_lock(FAST_RECV);
            match locked.as_mut().and_then(|locked| self.recv_by_reference(locked)) {
                Some((body, _)) => Ok(take(body.as_slice())),
                None => self.recv_locked(self.keep(locked)?, flags, |frame| Ok(take(frame.data()))),
            }
        })
    }

    #[inline(never)]
    fn recv_message_slow(self, message: &mut Msg, flags: i32) -> Result<usize> {
        call::cancelled_before(|| {
            let mut locked = self.try_lock(FAST_RECV);
            if let Some((body, more)) = locked.as_mut().and_then(|locked| self.recv_by_reference(locked)) {
                drop(locked);
                *message = Msg::from_body(body);
                message.set_more(more);
                return Ok(message.len());
            }
            match self.recv_locked(self.keep(locked)?, flags, |frame| frame.take_into(message)) {
                Ok(()) => Ok(message.len()),
                Err(errno) => {
                    if matches!(errno, Errno::AGAIN | Errno::INTR) {
                        message.clear();
                    }
                    Err(errno)
                }
            }
        })
    }

    /// A frame whose body the pipe gives away, and whether more follow. `None` as of [`recv_fast`](Handle::recv_fast).
    #[inline]
    pub(super) fn recv_by_reference(self, locked: &mut Locked) -> Option<(Body, bool)> {
        let (body, more) = read_by_reference(quiet(locked)?)?;
        self.0.set_last_rcvmore(more);
        Some((body, more))
    }

    /// The pattern, else the wait.
    fn recv_locked<R>(
        self,
        mut socket: Locked,
        flags: i32,
        take: impl FnOnce(&mut Frame<'_>) -> Result<R>,
    ) -> Result<R> {
        let mut take = Some(take);
        socket.process()?;
        match self.try_recv(&mut socket, &mut take) {
            Err(Errno::AGAIN) if take.is_some() => {}
            outcome => return outcome,
        }
        let timeout_ms = if flags & DONTWAIT == 0 { socket.options.rcvtimeo_ms } else { 0 };
        if timeout_ms == 0 && socket.owner.connections.receive_pending() {
            socket.process()?;
            return self.try_recv(&mut socket, &mut take);
        }
        let mut waiting = Waiting::begin(&socket.owner, For::Receiving, timeout_ms)?;
        loop {
            socket.process()?;
            match self.try_recv(&mut socket, &mut take) {
                Err(Errno::AGAIN) if take.is_some() => {}
                outcome => return outcome,
            }
            drop(socket);
            let waited = waiting.wait();
            socket = self.lock()?;
            waited?;
        }
    }

    /// As [`Socket::try_recv`], and remembers for [`rcvmore`](Handle::rcvmore) whether more frames follow.
    #[inline(always)]
    fn try_recv<R>(
        self,
        socket: &mut Socket,
        take: &mut Option<impl FnOnce(&mut Frame<'_>) -> Result<R>>,
    ) -> Result<R> {
        let outcome = socket.try_recv(take);
        if outcome.is_ok() {
            self.0.set_last_rcvmore(socket.rcvmore);
        }
        outcome
    }
}

/// Whether sockets of this pattern have a fast path out.
pub(super) fn has_fast_path(pattern: &mut Pattern) -> bool {
    pattern.inline_queue().is_some() || pattern.filtered_queue().is_some()
}

#[inline(always)]
fn read_inline<R>(socket: &mut Socket, take: impl FnOnce(InlineFrame<'_>) -> R) -> Option<(R, bool)> {
    let Some(queue) = socket.pattern.inline_queue() else { return read_filtered(socket, take) };
    let id = queue.first_choice()?;
    let frame = socket.pipes.pipe(id)?.read_inline(queue.is_served_alone(), |_| true)?;
    let more = frame.more;
    queue.taken(id, more);
    socket.rcvmore = more;
    Some((take(frame), more))
}

#[inline(never)]
fn read_filtered<R>(socket: &mut Socket, take: impl FnOnce(InlineFrame<'_>) -> R) -> Option<(R, bool)> {
    let (queue, filter) = socket.pattern.filtered_queue()?;
    let id = queue.first_choice()?;
    let promised = queue.is_promised(id);
    let alone = queue.is_served_alone();
    let frame = socket.pipes.pipe(id)?.read_inline(alone, |body| promised || filter.passes(body))?;
    let more = frame.more;
    queue.taken(id, more);
    socket.rcvmore = more;
    Some((take(frame), more))
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
