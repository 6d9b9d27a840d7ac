//! Reading from many pipes in turn, a message from each.

use super::pipe_array::PipeArray;
use super::turn::Turn;
use crate::counters::Reason;
use crate::errno::{Errno, Result};
use crate::message::{COMMAND, Frame, MORE, Msg, ROUTING_ID};
use crate::pipe::{PipeId, Pipes};

/// The pipes that a socket reads from. The front group of `pipes` is active: these may have something to read. The
/// others sleep until [`FairQueue::activated`].
#[derive(Default)]
pub struct FairQueue {
    pipes: PipeArray,
    active: usize,
    /// Place of the active pipe whose turn it is.
    current: usize,
    /// The pipe of the message of which a frame has been taken and more are to come.
    inside: Option<PipeId>,
    /// The rest of that message is not wanted: it is dropped as the budgets of calls allow.
    skipping: bool,
    /// A pipe that waits until the others have been read, asleep so far.
    last: Option<PipeId>,
    /// The pipe whose message was announced but not taken, and whether that has passed the turn on already.
    announced: Option<(PipeId, bool)>,
    /// What [`first_choice`](FairQueue::first_choice) answers, and what the next frame changes. [`settle`](FairQueue::settle) makes them
    /// anew after each change of the others: each receive asks for them, and few change anything.
    first: Option<PipeId>,
    turn: Turn,
}

impl FairQueue {
    pub fn attach(&mut self, pipe: PipeId) {
        self.pipes.push(pipe);
        self.activated(pipe);
    }

    /// As [`attach`](FairQueue::attach), for a pipe from which nothing is read before the others, which have closed, are empty.
    pub fn attach_last(&mut self, pipe: PipeId) {
        self.pipes.push(pipe);
        self.last = Some(pipe);
        self.settle();
    }

    /// The pipe may have something to read again.
    pub fn activated(&mut self, pipe: PipeId) {
        if self.last == Some(pipe) {
            return;
        }
        if let Some(place) = self.pipes.place(pipe)
            && place >= self.active
        {
            self.pipes.swap(place, self.active);
            self.active += 1;
            self.settle();
        }
    }

    /// The pipe is about to go. If a message from it is half taken, [`take`](FairQueue::take) ends that message.
    pub fn terminated(&mut self, pipe: PipeId) {
        if self.announced(pipe) {
            self.announced = None;
        }
        if self.last == Some(pipe) {
            self.last = None;
        }
        if let Some(place) = self.pipes.place(pipe)
            && place < self.active
        {
            self.deactivate(place);
        }
        self.pipes.remove(pipe);
        if self.active == 0
            && let Some(last) = self.last.take()
        {
            // There is none left that it waits for. What it has said so far is not said again.
            self.activated(last);
        }
        self.settle();
    }

    /// The pipe whose message is half taken.
    pub fn inside(&self) -> Option<PipeId> {
        self.inside
    }

    /// Whether it was said that the pipe's message is the next one.
    pub fn announced(&self, pipe: PipeId) -> bool {
        self.announced.is_some_and(|(announced, _)| announced == pipe)
    }

    /// Counts a message from the pipe as begun, so that the next frame is the pipe's as well.
    pub fn begin(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        self.announce(pipes, pipe);
        self.inside = Some(pipe);
        self.settle();
    }

    /// The next message will be that of the pipe that [`next`](FairQueue::next) named, even if others arrive before it is taken.
    /// A message of one frame counts as taken for whose turn is next: the order in which peers are served is that of a socket
    /// that has taken the message to look at it.
    pub fn announce(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        if self.inside.is_none() && self.announced.is_none() {
            let single = pipes.next_flags(pipe).is_some_and(|flags| flags & MORE == 0);
            if single {
                self.pass_on(pipe);
            }
            self.announced = Some((pipe, single));
            self.settle();
        }
    }

    /// The half taken message of this pipe has had its turn: as [`announce`](FairQueue::announce), for a type that has
    /// to take a frame to know whether there is a message.
    pub fn counts_as_taken(&mut self, pipe: PipeId) {
        if self.inside == Some(pipe) {
            self.pass_on(pipe);
            self.announced = Some((pipe, true));
            self.settle();
        }
    }

    /// Forgets the half taken message of a pipe that is gone.
    pub fn forget(&mut self) {
        self.inside = None;
        self.skipping = false;
        self.settle();
    }

    /// The pipe to [`take`](FairQueue::take) the next frame of a message from. Frames that belong to no message are
    /// dropped on the way, as far as the budget goes: `None` also where it is used up.
    #[inline(always)]
    pub fn next(&mut self, pipes: &mut Pipes) -> Option<PipeId> {
        if let Some(pipe) = self.inside {
            if !self.skipping {
                return (look_ahead(pipes, pipe) != Next::Later).then_some(pipe);
            }
            if !self.skip_rest(pipes) {
                return None;
            }
        }
        if let Some((pipe, _)) = self.announced {
            match look_ahead(pipes, pipe) {
                Next::Message => return Some(pipe),
                Next::Nothing => {
                    self.announced = None;
                    self.settle();
                }
                Next::Later => return None,
            }
        }
        loop {
            while self.active > 0 {
                let pipe = self.pipes.get(self.current)?;
                match look_ahead(pipes, pipe) {
                    Next::Message => return Some(pipe),
                    Next::Nothing => self.deactivate(self.current),
                    Next::Later => return None,
                }
            }
            let last = self.last.take()?;
            self.activated(last);
        }
    }

    /// Takes the next frame of the pipe that [`next`](FairQueue::next) named. A message that was half taken when its pipe went
    /// ends in an empty frame: the caller would else take the next message for the rest of it.
    #[inline(always)]
    pub fn take<'p>(&mut self, pipes: &'p mut Pipes, pipe: PipeId) -> Result<Frame<'p>> {
        match pipes.read(pipe) {
            Some(frame) => {
                self.taken(pipe, frame.more());
                Ok(frame)
            }
            None if self.inside == Some(pipe) => {
                self.inside = None;
                self.settle();
                Ok(Frame::owned(Msg::new()))
            }
            None => Err(Errno::AGAIN),
        }
    }

    /// Takes the next frame. Errors: `EAGAIN`.
    #[inline(always)]
    pub fn recv<'p>(&mut self, pipes: &'p mut Pipes) -> Result<Frame<'p>> {
        let pipe = self.next(pipes).ok_or(Errno::AGAIN)?;
        self.take(pipes, pipe)
    }

    /// The pipe that the next frame comes from if it has one: what [`recv`](FairQueue::recv) would try first. A caller that takes
    /// a frame from it says so with [`taken`](FairQueue::taken).
    #[inline(always)]
    pub fn first_choice(&self) -> Option<PipeId> {
        debug_assert_eq!((self.first, self.turn), self.settled());
        self.first
    }

    /// `first` and `turn`, by the others.
    #[inline]
    fn settled(&self) -> (Option<PipeId>, Turn) {
        let at_turn = if self.active > 0 { self.pipes.get(self.current) } else { None };
        match (self.inside, self.announced) {
            (None, None) if self.active <= 1 => (at_turn, Turn::Between),
            (None, None) => (at_turn, Turn::Shared),
            (None, Some((announced, _))) => (Some(announced), Turn::Shared),
            (inside, None) if self.active == 1 && inside == at_turn => (inside, Turn::Inside),
            (inside, _) => (inside, Turn::Shared),
        }
    }

    #[inline]
    fn settle(&mut self) {
        (self.first, self.turn) = self.settled();
    }

    /// Whether an unwanted message is being dropped: no frame may be taken before that is done.
    #[inline(always)]
    pub fn is_skipping(&self) -> bool {
        self.skipping
    }

    /// Whether no pipe but one is known to have frames.
    #[inline(always)]
    pub fn is_served_alone(&self) -> bool {
        self.active <= 1
    }

    /// Whether the pipe's next frame was announced to the program, or belongs to a message it has begun to take.
    #[inline(always)]
    pub fn is_promised(&self, pipe: PipeId) -> bool {
        self.inside.is_some() || self.announced(pipe)
    }

    /// As [`next`](FairQueue::next), where a message is one frame: longer ones are dropped.
    pub fn next_single(&mut self, pipes: &mut Pipes) -> Option<PipeId> {
        loop {
            let pipe = self.next(pipes)?;
            if pipes.next_flags(pipe).is_none_or(|flags| flags & MORE == 0) {
                return Some(pipe);
            }
            self.skip_message(pipes, pipe, Reason::Malformed);
        }
    }

    /// Drops the message that lies ahead in the pipe that [`next`](FairQueue::next) named, or the rest of it. What the budget does
    /// not reach is dropped by `next`, before it names another.
    pub fn skip_message(&mut self, pipes: &mut Pipes, pipe: PipeId, reason: Reason) {
        pipes.record.dropped(reason, 1);
        self.inside = Some(pipe);
        self.skipping = true;
        self.settle();
        self.skip_rest(pipes);
    }

    /// Whether the message that is being dropped is through.
    #[cold]
    fn skip_rest(&mut self, pipes: &mut Pipes) -> bool {
        while let Some(pipe) = self.inside {
            if look_ahead(pipes, pipe) == Next::Later || !pipes.budget.allows() {
                return false;
            }
            let bytes = self.take(pipes, pipe).map_or(0, |frame| frame.data().len());
            pipes.spend_frame(pipe, bytes);
        }
        self.skipping = false;
        true
    }

    #[inline]
    pub fn has_in(&mut self, pipes: &mut Pipes) -> bool {
        self.next(pipes).is_some()
    }

    /// The only pipe that may have something to read, between two messages.
    pub fn only_source(&self) -> Option<PipeId> {
        let is_between = self.inside.is_none() && self.announced.is_none();
        self.pipes.get(0).filter(|_| is_between && self.active == 1)
    }

    /// As [`taken`](FairQueue::taken), of the [first choice](FairQueue::first_choice).
    #[inline(always)]
    pub fn first_taken(&mut self, more: bool) {
        if !self.turn.stays(more)
            && let Some(pipe) = self.first
        {
            self.note_taken(pipe, more);
        }
    }

    /// A frame of the pipe's was taken, and whether more of its message are to come.
    #[inline(always)]
    pub fn taken(&mut self, pipe: PipeId, more: bool) {
        if !self.turn.stays(more) {
            self.note_taken(pipe, more);
        }
    }

    #[inline]
    fn note_taken(&mut self, pipe: PipeId, more: bool) {
        let passed_on = self.announced.take().is_some_and(|(_, passed_on)| passed_on);
        self.inside = more.then_some(pipe);
        if !more && !passed_on {
            self.pass_on(pipe);
        }
        self.settle();
    }

    #[inline(always)]
    fn pass_on(&mut self, pipe: PipeId) {
        // One alone keeps its turn.
        if self.active > 1 && self.pipes.get(self.current) == Some(pipe) {
            self.current += 1;
            if self.current >= self.active {
                self.current = 0;
            }
        }
    }

    /// Moves an active pipe to the sleeping ones.
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

/// What lies ahead in a pipe.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// A frame of a message.
    Message,
    /// Nothing: the pipe says when that has changed.
    Nothing,
    /// Frames that belong to no message, more of them than the budget reaches.
    Later,
}

#[inline(always)]
fn look_ahead(pipes: &mut Pipes, pipe: PipeId) -> Next {
    match pipes.next_flags(pipe) {
        Some(flags) if flags & (COMMAND | ROUTING_ID) == 0 => Next::Message,
        Some(_) => pass_over(pipes, pipe),
        None => Next::Nothing,
    }
}

/// Drops frames that belong to no message: the peer's routing id after it has connected again, subscriptions to something that
/// does not publish.
#[cold]
fn pass_over(pipes: &mut Pipes, pipe: PipeId) -> Next {
    loop {
        match pipes.next_flags(pipe) {
            Some(flags) if flags & (COMMAND | ROUTING_ID) == 0 => return Next::Message,
            Some(_) if !pipes.budget.allows() => return Next::Later,
            Some(_) => {
                let bytes = pipes.read(pipe).map_or(0, |frame| frame.data().len());
                pipes.spend_frame(pipe, bytes);
            }
            None => return Next::Nothing,
        }
    }
}
