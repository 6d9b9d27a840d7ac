//! The short way of a small frame: nearly every call, and nothing in it that is for others.
//!
//! What it needs is at hand: the socket's lock is free, the mailbox is quiet, the pattern has no say in where the frame goes, its
//! pipe has credit and room, and nobody sleeps on it. It runs no code but this, so nothing can panic, nothing is freed and nobody is
//! woken on it; whatever else there is to do goes the long way, [`Handle::send`] and [`Handle::recv`].

use super::Handle;
use super::state::Socket;
use crate::ctx::SlotGuard;
use crate::errno::Result;
use crate::message::BY_REFERENCE;
use crate::pipe::{PipeId, Plain, Wake};

/// Sockets that may send straight, and receive: [`Slot::marks`](crate::ctx::Slot::marks) of the handle.
const SENDS: u32 = 1;
const RECEIVES: u32 = 2;

/// What became of a frame on the short way.
pub enum Straight {
    /// It was sent.
    Sent,
    /// It was sent, and its reader is to be woken: [`Handle::wake_reader`].
    Wake(PipeId),
    /// It has to go the long way.
    No,
}

impl Handle {
    /// Sends a small frame, as part of a message or as its end.
    #[inline(always)]
    pub fn send_straight(self, data: &[u8], more: bool) -> Straight {
        if data.len() >= BY_REFERENCE {
            return Straight::No;
        }
        let Some(mut guard) = self.undisturbed(SENDS) else { return Straight::No };
        guard.get_mut().and_then(|socket| socket.send_straight(data, more)).unwrap_or(Straight::No)
    }

    /// Ends [`Straight::Wake`].
    #[cold]
    pub fn wake_reader(self, pipe: PipeId) -> Result<()> {
        // Who has closed the socket meanwhile has told the reader as well.
        if let Some(mut socket) = self.0.lock()
            && let Some(pipe) = socket.pipes.pipe(pipe)
        {
            pipe.wake_reader();
        }
        Ok(())
    }

    /// Receives a small frame and gives it to `take`, which calls nobody. `None`: there is none, or it has to go the long way.
    #[inline(always)]
    pub fn recv_straight<R>(self, take: impl FnOnce(Plain<'_>) -> R) -> Option<R> {
        let mut guard = self.undisturbed(RECEIVES)?;
        let (taken, more) = guard.get_mut()?.recv_straight(take)?;
        self.0.tell(u8::from(more));
        Some(taken)
    }

    /// The socket, if it may go this way, nobody has it and it has nothing to do first.
    #[inline(always)]
    fn undisturbed(self, way: u32) -> Option<SlotGuard<'static, Socket>> {
        if self.0.marks() & way == 0 {
            return None;
        }
        let mut guard = self.0.try_lock()?;
        if !guard.get_mut()?.owner.mailbox.state().is_quiet() {
            return None;
        }
        self.0.memo().forget();
        self.0.say_nothing();
        Some(guard)
    }
}

impl Socket {
    /// Which ways are open to sockets of this type.
    pub(super) fn straight_ways(&mut self) -> u32 {
        let sends = if self.pattern.plain_out().is_some() { SENDS } else { 0 };
        let queue = self.pattern.plain_queue().is_some() || self.pattern.filtered_queue().is_some();
        let receives = if queue { RECEIVES } else { 0 };
        sends | receives
    }

    #[inline(always)]
    fn send_straight(&mut self, data: &[u8], more: bool) -> Option<Straight> {
        let out = self.pattern.plain_out()?;
        let id = out.first_choice()?;
        let wake = self.pipes.pipe(id)?.write_plain(data, more)?;
        out.written(id, more);
        Some(match wake {
            Wake::Nobody => Straight::Sent,
            Wake::Reader => Straight::Wake(id),
        })
    }

    #[inline(always)]
    fn recv_straight<R>(&mut self, take: impl FnOnce(Plain<'_>) -> R) -> Option<(R, bool)> {
        let Some(queue) = self.pattern.plain_queue() else { return self.recv_filtered(take) };
        let id = queue.first_choice()?;
        let frame = self.pipes.pipe(id)?.read_plain(|_| true)?;
        let more = frame.more;
        queue.taken(id, more);
        self.rcvmore = more;
        Some((take(frame), more))
    }

    #[inline(never)]
    fn recv_filtered<R>(&mut self, take: impl FnOnce(Plain<'_>) -> R) -> Option<(R, bool)> {
        let (queue, filter) = self.pattern.filtered_queue()?;
        let id = queue.first_choice()?;
        let promised = queue.is_promised(id);
        let frame = self.pipes.pipe(id)?.read_plain(|body| promised || filter.passes(body))?;
        let more = frame.more;
        queue.taken(id, more);
        self.rcvmore = more;
        Some((take(frame), more))
    }
}
