//! Writing to many pipes in turn, a message to each.

use super::pipe_array::PipeArray;
use super::turn::Turn;
use crate::counters::Reason;
use crate::errno::{Errno, Result};
use crate::message::OutFrame;
use crate::pipe::{PipeId, Pipes, ReaderTurns};

/// The pipes that a socket writes to. The front group of `pipes` is active: these may have credit. The others wait
/// for [`LoadBalancer::activated`].
#[derive(Default)]
pub struct LoadBalancer {
    pipes: PipeArray,
    active: usize,
    /// Place of the active pipe whose turn it is.
    current: usize,
    state: State,
    /// What [`first_choice`](LoadBalancer::first_choice) answers, and what the next frame changes. [`settle`](LoadBalancer::settle) makes
    /// them anew after each change of the others: each send asks for them, and few change anything.
    first: Option<PipeId>,
    turn: Turn,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// The next frame begins a message.
    #[default]
    Border,
    /// The next frame goes to this pipe as the frames before it did.
    Inside(PipeId),
    /// The pipe of the message is gone: the rest of the message is dropped.
    Dropping,
}

impl LoadBalancer {
    pub fn attach(&mut self, pipe: PipeId) {
        self.pipes.push(pipe);
        self.activated(pipe);
    }

    /// The pipe may have credit again.
    pub fn activated(&mut self, pipe: PipeId) {
        if let Some(place) = self.pipes.place(pipe)
            && place >= self.active
        {
            self.pipes.swap(place, self.active);
            self.active += 1;
            self.settle();
        }
    }

    /// The pipe's lane was replaced: what was unsent is lost, and there is credit.
    pub fn hiccuped(&mut self, pipes: &Pipes, pipe: PipeId) {
        self.drop_message_of(pipes, pipe);
        self.activated(pipe);
    }

    /// The pipe is about to go.
    pub fn terminated(&mut self, pipes: &Pipes, pipe: PipeId) {
        self.drop_message_of(pipes, pipe);
        if let Some(place) = self.pipes.place(pipe)
            && place < self.active
        {
            self.deactivate(place);
        }
        self.pipes.remove(pipe);
        self.settle();
    }

    /// The pipe of the message that is being sent.
    pub fn inside(&self) -> Option<PipeId> {
        match self.state {
            State::Inside(pipe) => Some(pipe),
            _ => None,
        }
    }

    /// Sends a frame. Where the pipe of its message has gone, the message is dropped, this frame with it. Errors: `EAGAIN` without
    /// credit anywhere, of a message's first frame; `ENOMEM`; nothing was taken then.
    #[inline(always)]
    pub fn send(&mut self, pipes: &mut Pipes, frame: &mut OutFrame<'_>) -> Result<()> {
        match self.state {
            State::Border => self.send_first(pipes, frame),
            State::Inside(pipe) => self.send_next(pipes, pipe, frame),
            State::Dropping => {
                if !frame.more() {
                    self.set_state(State::Border);
                }
                Ok(())
            }
        }
    }

    /// As [`send`](LoadBalancer::send), for a caller that can begin the message anew. Where the pipe of the message has gone, that is
    /// `EAGAIN`, and nothing is dropped: the caller has the message still. It calls [`rollback`](LoadBalancer::rollback) then.
    pub fn send_or_break(&mut self, pipes: &mut Pipes, frame: &mut OutFrame<'_>) -> Result<()> {
        let State::Inside(pipe) = self.state else { return self.send(pipes, frame) };
        if self.write_next(pipes, pipe, frame)? { Ok(()) } else { Err(Errno::AGAIN) }
    }

    /// The pipe that the next frame goes to if that takes it: what [`send`](LoadBalancer::send) would try first. A caller that
    /// writes a frame to it, and flushes it at the end of its message, says so with [`written`](LoadBalancer::written).
    #[inline(always)]
    pub fn first_choice(&self) -> Option<PipeId> {
        debug_assert_eq!((self.first, self.turn), self.settled());
        self.first
    }

    /// `first` and `turn`, by the others.
    #[inline]
    fn settled(&self) -> (Option<PipeId>, Turn) {
        let at_turn = if self.active > 0 { self.pipes.get(self.current) } else { None };
        match self.state {
            State::Border if self.active <= 1 => (at_turn, Turn::Between),
            State::Border => (at_turn, Turn::Shared),
            State::Inside(pipe) if self.active == 1 && at_turn == Some(pipe) => (at_turn, Turn::Inside),
            State::Inside(pipe) => (Some(pipe), Turn::Shared),
            State::Dropping => (None, Turn::Shared),
        }
    }

    #[inline]
    fn settle(&mut self) {
        (self.first, self.turn) = self.settled();
    }

    #[inline]
    fn set_state(&mut self, state: State) {
        self.state = state;
        self.settle();
    }

    /// Takes back the frames of an incomplete message.
    pub fn rollback(&mut self, pipes: &mut Pipes) {
        if let State::Inside(pipe) = self.state {
            pipes.rollback(pipe);
        }
        self.set_state(State::Border);
    }

    pub fn has_out(&mut self, pipes: &mut Pipes) -> bool {
        if self.state != State::Border {
            return true;
        }
        let mut turns = ReaderTurns::default();
        while self.active > 0 {
            let Some(pipe) = self.pipes.get(self.current) else { return false };
            if pipes.check_write(pipe) || pipes.check_write_again(pipe, &mut turns) {
                return true;
            }
            self.deactivate(self.current);
        }
        false
    }

    /// The only pipe that may have credit, between two messages.
    pub fn only_sink(&self) -> Option<PipeId> {
        self.pipes.get(0).filter(|_| self.state == State::Border && self.active == 1)
    }

    #[inline(always)]
    fn send_first(&mut self, pipes: &mut Pipes, frame: &mut OutFrame<'_>) -> Result<()> {
        if self.active == 0 {
            return Err(Errno::AGAIN);
        }
        let pipe = self.pipes.get(self.current).ok_or(Errno::AGAIN)?;
        if pipes.write(pipe, frame)? {
            self.flush_and_note(pipes, pipe, frame.more());
            return Ok(());
        }
        self.send_after_turns(pipes, pipe, frame)
    }

    /// As [`send_first`](LoadBalancer::send_first), once `pipe`, whose turn it is, was found without credit. Each such reader is asked
    /// to read, as far as the turns of one call go, before the next peer has its turn.
    #[cold]
    #[inline(never)]
    fn send_after_turns(
        &mut self,
        pipes: &mut Pipes,
        mut pipe: PipeId,
        frame: &mut OutFrame<'_>,
    ) -> Result<()> {
        let mut turns = ReaderTurns::default();
        loop {
            let written = pipes.write_again(pipe, frame, &mut turns)?;
            if !written {
                self.deactivate(self.current);
                let next = if self.active > 0 { self.pipes.get(self.current) } else { None };
                pipe = next.ok_or(Errno::AGAIN)?;
            }
            if written || pipes.write(pipe, frame)? {
                self.flush_and_note(pipes, pipe, frame.more());
                return Ok(());
            }
        }
    }

    fn send_next(&mut self, pipes: &mut Pipes, pipe: PipeId, frame: &mut OutFrame<'_>) -> Result<()> {
        if !self.write_next(pipes, pipe, frame)? {
            pipes.record.dropped(Reason::Disconnected, 1);
        }
        Ok(())
    }

    /// Whether the pipe of the message has taken the frame. `false`: it has gone, with the frames before this one.
    fn write_next(&mut self, pipes: &mut Pipes, pipe: PipeId, frame: &mut OutFrame<'_>) -> Result<bool> {
        let written = pipes.write_rest(pipe, frame)?;
        if written {
            self.flush_and_note(pipes, pipe, frame.more());
        } else {
            pipes.rollback(pipe);
            self.set_state(if frame.more() { State::Dropping } else { State::Border });
        }
        Ok(written)
    }

    fn flush_and_note(&mut self, pipes: &mut Pipes, pipe: PipeId, more: bool) {
        if !more {
            pipes.flush(pipe);
        }
        self.written(pipe, more);
    }

    /// As [`written`](LoadBalancer::written), to the [first choice](LoadBalancer::first_choice).
    #[inline(always)]
    pub fn first_written(&mut self, more: bool) {
        if !self.turn.stays(more)
            && let Some(pipe) = self.first
        {
            self.note_written(pipe, more);
        }
    }

    /// A frame was written to the pipe, and flushed at the end of its message; whether more of that are to come.
    #[inline(always)]
    pub fn written(&mut self, pipe: PipeId, more: bool) {
        if !self.turn.stays(more) {
            self.note_written(pipe, more);
        }
    }

    #[inline]
    fn note_written(&mut self, pipe: PipeId, more: bool) {
        self.state = if more { State::Inside(pipe) } else { State::Border };
        // One alone keeps its turn.
        if !more && self.active > 1 && self.pipes.get(self.current) == Some(pipe) {
            self.current += 1;
            if self.current >= self.active {
                self.current = 0;
            }
        }
        self.settle();
    }

    fn drop_message_of(&mut self, pipes: &Pipes, pipe: PipeId) {
        if self.state == State::Inside(pipe) {
            pipes.record.dropped(Reason::Disconnected, 1);
            self.set_state(State::Dropping);
        }
    }

    /// Moves an active pipe to the waiting ones.
    fn deactivate(&mut self, place: usize) {
        self.active -= 1;
        self.pipes.swap(place, self.active);
        if self.current == self.active {
            // The pipe whose turn it is was the last of the active ones: it has moved, or has left.
            self.current = if place < self.active { place } else { 0 };
        }
        self.settle();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::counters::{ContextRecord, Snapshot, SocketRecord};
    use crate::options::SocketType;
    use crate::pattern::testing::Bench;

    fn bench(socket_type: SocketType) -> Bench {
        let mut bench = Bench::new(socket_type);
        bench.pipes = Pipes::of(SocketRecord::of(&ContextRecord::begin(), "TESTED"));
        bench
    }

    fn dropped(bench: &Bench) -> u64 {
        Snapshot::of_socket(bench.pipes.record.number()).unwrap().unwrap().dropped(Reason::Disconnected)
    }

    /// A sender that does not wait used to be refused the last frame, of a message that was counted as dropped.
    #[test]
    fn a_message_whose_pipe_goes_unheard_is_taken_and_dropped_once() {
        for socket_type in [SocketType::Push, SocketType::Dealer, SocketType::Pair, SocketType::Req] {
            for frames in 2..5 {
                for goes_after in 0..frames - 1 {
                    let mut bench = bench(socket_type);
                    let mut peer = Some(bench.connect());
                    for frame in 0..frames {
                        bench.send_frame_unsettled("frame", frame + 1 < frames).unwrap();
                        if frame == goes_after {
                            peer = None;
                        }
                    }
                    assert!(peer.is_none());
                    assert_eq!(
                        dropped(&bench),
                        1,
                        "{socket_type:?}, {frames} frames, gone after {goes_after}"
                    );
                    bench.settle();
                    assert_eq!(
                        dropped(&bench),
                        1,
                        "{socket_type:?}, {frames} frames, gone after {goes_after}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_message_that_its_sender_can_begin_anew_is_not_dropped() {
        for more in [false, true] {
            let mut bench = bench(SocketType::Push);
            let mut out = LoadBalancer::default();
            let gone = bench.insert(10);
            out.attach(gone.0);
            out.send_or_break(&mut bench.pipes, &mut OutFrame::bytes(b"half", true)).unwrap();
            drop(gone);
            let mut last = OutFrame::bytes(b"rest", more);
            assert_eq!(out.send_or_break(&mut bench.pipes, &mut last), Err(Errno::AGAIN));
            out.rollback(&mut bench.pipes);
            assert_eq!(dropped(&bench), 0);
            let (other, mut peer) = bench.insert(10);
            out.attach(other);
            for (text, more) in [("half", true), ("rest", false)] {
                out.send_or_break(&mut bench.pipes, &mut OutFrame::bytes(text.as_bytes(), more)).unwrap();
            }
            assert_eq!(peer.read().unwrap().data(), b"half");
            assert_eq!(peer.read().unwrap().data(), b"rest");
            assert_eq!(dropped(&bench), 0);
        }
    }
}
