//! The short way of a small frame: nearly every call, and nothing in it that is for others.
//!
//! What it needs is at hand: the socket's lock is free, the mailbox is quiet, the pattern has no say in where the frame goes, its
//! pipe has credit and room, and nobody sleeps on it. It runs no code but this, so nothing can panic, nothing is freed and nobody is
//! woken on it; whatever else there is to do goes the long way, [`Handle::send`] and [`Handle::recv`].

use super::Handle;
use super::state::Socket;
use crate::ctx::SlotGuard;
use crate::errno::Result;
use crate::message::{BY_REFERENCE_MIN_BYTES, Body, Msg};
use crate::pipe::{InlineFrame, PipeId, Wake};

/// Sockets that may send and receive on the fast path: [`Slot::fast_paths`](crate::ctx::Slot::fast_paths) of the handle.
const SENDS: u32 = 1;
const RECEIVES: u32 = 2;

/// What became of a frame on the short way.
pub enum FastPath {
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
    pub fn send_fast(self, data: &[u8], more: bool) -> FastPath {
        if data.len() >= BY_REFERENCE_MIN_BYTES {
            return FastPath::No;
        }
        let Some(mut guard) = self.undisturbed(SENDS) else { return FastPath::No };
        guard.get_mut().and_then(|socket| socket.send_fast(data, more)).unwrap_or(FastPath::No)
    }

    /// As [`send_fast`](Handle::send_fast), for a message that may be handed over. Then the empty message stays.
    #[inline]
    pub fn send_message_fast(self, message: &mut Msg, more: bool) -> FastPath {
        let Some(mut guard) = self.undisturbed(SENDS) else { return FastPath::No };
        guard.get_mut().and_then(|socket| socket.send_message_fast(message, more)).unwrap_or(FastPath::No)
    }

    /// Ends [`FastPath::Wake`].
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
    pub fn recv_fast<R>(self, take: impl FnOnce(InlineFrame<'_>) -> R) -> Option<R> {
        let mut guard = self.undisturbed(RECEIVES)?;
        let (taken, more) = guard.get_mut()?.recv_fast(take)?;
        self.0.set_last_rcvmore(more);
        Some(taken)
    }

    /// Receives a frame whose body is handed over, and whether more follow. `None` as of [`recv_fast`](Handle::recv_fast).
    #[inline]
    pub fn recv_by_reference(self) -> Option<(Body, bool)> {
        let mut guard = self.undisturbed(RECEIVES)?;
        let (body, more) = guard.get_mut()?.recv_by_reference()?;
        self.0.set_last_rcvmore(more);
        Some((body, more))
    }

    /// The socket, if it may go this way, nobody has it and it has nothing to do first.
    #[inline(always)]
    fn undisturbed(self, way: u32) -> Option<SlotGuard<'static, Socket>> {
        if self.0.fast_paths() & way == 0 {
            return None;
        }
        let mut guard = self.0.try_lock()?;
        if !guard.get_mut()?.owner.mailbox.state().is_quiet() {
            return None;
        }
        self.0.events_cache().forget();
        self.0.forget_last_rcvmore();
        Some(guard)
    }
}

impl Socket {
    /// Which ways are open to sockets of this type.
    pub(super) fn fast_path_ways(&mut self) -> u32 {
        let sends = if self.pattern.inline_out().is_some() { SENDS } else { 0 };
        let queue = self.pattern.inline_queue().is_some() || self.pattern.filtered_queue().is_some();
        let receives = if queue { RECEIVES } else { 0 };
        sends | receives
    }

    #[inline(always)]
    fn send_fast(&mut self, data: &[u8], more: bool) -> Option<FastPath> {
        let out = self.pattern.inline_out()?;
        let id = out.first_choice()?;
        let wake = self.pipes.pipe(id)?.write_inline(data, more)?;
        out.written(id, more);
        Some(match wake {
            Wake::Nobody => FastPath::Sent,
            Wake::Reader => FastPath::Wake(id),
        })
    }

    /// Apart from [`send_fast`](Socket::send_fast): with the writing as a closure of one for both, that takes 27 instructions more.
    fn send_message_fast(&mut self, message: &mut Msg, more: bool) -> Option<FastPath> {
        let out = self.pattern.inline_out()?;
        let id = out.first_choice()?;
        let wake = self.pipes.pipe(id)?.write_message(message, more)?;
        out.written(id, more);
        Some(match wake {
            Wake::Nobody => FastPath::Sent,
            Wake::Reader => FastPath::Wake(id),
        })
    }

    #[inline(always)]
    fn recv_fast<R>(&mut self, take: impl FnOnce(InlineFrame<'_>) -> R) -> Option<(R, bool)> {
        let Some(queue) = self.pattern.inline_queue() else { return self.recv_filtered(take) };
        let id = queue.first_choice()?;
        let frame = self.pipes.pipe(id)?.read_inline(queue.is_served_alone(), |_| true)?;
        let more = frame.more;
        queue.taken(id, more);
        self.rcvmore = more;
        Some((take(frame), more))
    }

    #[inline]
    fn recv_by_reference(&mut self) -> Option<(Body, bool)> {
        let queue = self.pattern.inline_queue()?;
        let id = queue.first_choice()?;
        let (body, more) = self.pipes.pipe(id)?.read_by_reference()?;
        queue.taken(id, more);
        self.rcvmore = more;
        Some((body, more))
    }

    #[inline(never)]
    fn recv_filtered<R>(&mut self, take: impl FnOnce(InlineFrame<'_>) -> R) -> Option<(R, bool)> {
        let (queue, filter) = self.pattern.filtered_queue()?;
        let id = queue.first_choice()?;
        let promised = queue.is_promised(id);
        let alone = queue.is_served_alone();
        let frame = self.pipes.pipe(id)?.read_inline(alone, |body| promised || filter.passes(body))?;
        let more = frame.more;
        queue.taken(id, more);
        self.rcvmore = more;
        Some((take(frame), more))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::ctx::Context;
    use crate::message::OutFrame;
    use crate::options::number::ZMQ_SUBSCRIBE;
    use crate::options::{ContextOptions, SocketType};

    /// Two sockets, the first connected to the second, each of which has taken note of the other.
    fn pair(from: SocketType, to: SocketType, topic: Option<&[u8]>) -> (Handle, Handle) {
        let context = Context::new(ContextOptions::new());
        let (from, to) = (Handle::open(&context, from).unwrap(), Handle::open(&context, to).unwrap());
        to.bind("inproc://fast-path").unwrap();
        from.connect("inproc://fast-path").unwrap();
        if let Some(topic) = topic {
            to.set_option(ZMQ_SUBSCRIBE, topic).unwrap();
        }
        for socket in [from, to] {
            socket.events().unwrap();
        }
        (from, to)
    }

    fn send(socket: Handle, data: &[u8]) {
        socket.send(&mut OutFrame::bytes(data, false), super::super::DONTWAIT).unwrap();
    }

    fn recv(socket: Handle) -> Vec<u8> {
        socket.recv(super::super::DONTWAIT, |frame| Ok(frame.data().to_vec())).unwrap()
    }

    fn recv_fast(socket: Handle) -> Option<Vec<u8>> {
        socket.recv_fast(|frame| frame.body.to_vec())
    }

    fn close(sockets: (Handle, Handle)) {
        sockets.0.close().unwrap();
        sockets.1.close().unwrap();
        assert!(matches!(sockets.0.send_fast(b"x", false), FastPath::No), "closed");
        assert!(recv_fast(sockets.1).is_none(), "closed");
    }

    #[test]
    fn frames_take_the_fast_path_once_their_way_is_known() {
        use SocketType::{Dealer, Pair, Pull, Push};
        for (from, to) in [(Push, Pull), (Dealer, Dealer), (Pair, Pair)] {
            let (from, to) = pair(from, to, None);
            // Somebody sleeps, who is woken by it, and there is credit to be looked for.
            send(from, b"long");
            assert!(recv_fast(to).is_none(), "the mailbox says that there is something");
            assert_eq!(recv(to), b"long");
            for more in [true, false] {
                assert!(matches!(from.send_fast(b"short", more), FastPath::Sent));
            }
            for more in [true, false] {
                assert_eq!(recv_fast(to), Some(b"short".to_vec()));
                assert_eq!(to.rcvmore(), Some(more));
            }
            assert!(recv_fast(to).is_none(), "nothing there");
            assert!(
                matches!(from.send_fast(&[0; BY_REFERENCE_MIN_BYTES], false), FastPath::No),
                "by reference"
            );
            let guard = from.0.lock().unwrap();
            assert!(matches!(from.send_fast(b"x", false), FastPath::No), "somebody has it");
            drop(guard);
            close((from, to));
        }
    }

    #[test]
    fn a_large_message_is_handed_over() {
        let (from, to) = pair(SocketType::Push, SocketType::Pull, None);
        let message = || Msg::copy_from(&[7; 5000]).unwrap();
        assert!(matches!(from.send_message_fast(&mut message(), false), FastPath::No), "the reader sleeps");
        for round in 0..3 {
            from.send(&mut OutFrame::msg(&mut message(), false), super::super::DONTWAIT).unwrap();
            assert_eq!(
                to.recv_by_reference().is_some(),
                round > 0,
                "somebody was woken, and there was credit to be looked for"
            );
            if round == 0 {
                assert_eq!(recv(to), [7; 5000]);
            }
        }
        for more in [true, false] {
            let mut message = message();
            let at = message.data_ptr();
            assert!(matches!(from.send_message_fast(&mut message, more), FastPath::Sent));
            assert!(message.is_empty());
            if !more {
                for more in [true, false] {
                    assert!(recv_fast(to).is_none());
                    let (body, told) = to.recv_by_reference().unwrap();
                    assert_eq!((told, body.as_ptr() == at, to.rcvmore()), (more, !more, Some(more)));
                }
            }
        }
        assert!(to.recv_by_reference().is_none());
        close((from, to));
    }

    #[test]
    fn subscriber_sees_what_it_wants_on_the_fast_path() {
        let (from, to) = pair(SocketType::Pub, SocketType::Sub, Some(b"a"));
        from.events().unwrap();
        send(from, b"a1");
        assert_eq!(recv(to), b"a1");
        for text in [b"a2", b"a3"] {
            send(from, text);
        }
        assert_eq!(to.events(), Ok(super::super::POLLIN), "announces it");
        assert_eq!([recv_fast(to), recv_fast(to)], [Some(b"a2".to_vec()), Some(b"a3".to_vec())]);
        assert!(matches!(from.send_fast(b"a4", false), FastPath::No), "a publisher has a say in it");
        close((from, to));
    }

    #[test]
    fn who_waits_is_told_when_it_is_woken_by_itself() {
        let (from, to) = pair(SocketType::Push, SocketType::Pull, None);
        send(from, b"1");
        assert_eq!(recv(to), b"1");
        let id = from.0.lock().unwrap().pipes.ids()[0];
        assert!(to.owner().unwrap().mailbox.state().is_quiet());
        from.wake_reader(id).unwrap();
        assert!(to.owner().unwrap().mailbox.pending());
        close((from, to));
        assert_eq!(from.wake_reader(id), Ok(()), "closed");
    }
}
