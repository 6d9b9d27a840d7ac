//! Writing each message to many pipes at once.

use super::pipe_array::PipeArray;
use crate::counters::Reason;
use crate::errno::Result;
use crate::message::OutFrame;
use crate::pipe::{PipeId, Pipes};

/// Distance in pipes at which a pipe is prepared for its turn.
const PREFETCH_DISTANCE_PIPES: usize = 3;

/// The pipes that a socket distributes to, in four groups, each the front part of the next:
///
/// - matching: get the message that is being sent;
/// - active: could have got it;
/// - eligible: can get the next message, but not the one being sent, of which they have missed a part;
/// - all others have no credit, until [`Distribution::activated`]. The last of them are to get the message and miss it.
#[derive(Default)]
pub struct Distribution {
    pipes: PipeArray,
    matching: usize,
    active: usize,
    eligible: usize,
    missing: usize,
    /// Some frames of a message were sent and more are to come.
    inside: bool,
}

impl Distribution {
    pub fn attach(&mut self, pipe: PipeId) {
        self.missing = 0;
        self.pipes.push(pipe);
        self.activated(pipe);
    }

    pub fn contains(&self, pipe: PipeId) -> bool {
        self.pipes.contains(pipe)
    }

    /// All pipes, with or without credit.
    pub fn all(&self) -> impl Iterator<Item = PipeId> + '_ {
        self.pipes.iter()
    }

    /// The pipe may have credit again.
    pub fn activated(&mut self, pipe: PipeId) {
        let Some(place) = self.pipes.place(pipe) else { return };
        if place < self.eligible {
            return;
        }
        // Between two messages nothing is missed.
        self.missing = 0;
        self.pipes.swap(place, self.eligible);
        self.eligible += 1;
        if !self.inside {
            self.pipes.swap(self.eligible - 1, self.active);
            self.active += 1;
        }
    }

    /// The pipe's lane was replaced: what was unsent is lost, and there is credit.
    pub fn hiccuped(&mut self, pipes: &Pipes, pipe: PipeId) {
        if self.inside && self.pipes.place(pipe).is_some_and(|place| place < self.active) {
            self.lose_rest(pipes, pipe);
            self.exclude(pipe);
        }
        self.activated(pipe);
    }

    /// The pipe is about to go.
    pub fn terminated(&mut self, pipes: &Pipes, pipe: PipeId) {
        self.lose_rest(pipes, pipe);
        self.missing = 0;
        self.exclude(pipe);
        self.retire(pipe);
        self.pipes.remove(pipe);
    }

    /// Before a message's first frame: no pipe is to get it yet.
    pub fn unmatch(&mut self) {
        self.matching = 0;
        self.missing = 0;
    }

    /// The pipe does not get the rest of a message that it has got some frames of.
    fn lose_rest(&self, pipes: &Pipes, pipe: PipeId) {
        if self.inside && self.pipes.place(pipe).is_some_and(|place| place < self.matching) {
            pipes.record.dropped(Reason::Disconnected, 1);
        }
    }

    /// The pipe is to get the message.
    #[inline]
    pub fn match_pipe(&mut self, pipe: PipeId) {
        if let Some(place) = self.pipes.place(pipe)
            && (self.matching..self.active).contains(&place)
        {
            self.pipes.swap(place, self.matching);
            self.matching += 1;
        } else {
            self.note_missing(pipe);
        }
    }

    /// The pipe is to get the message, and may be without credit.
    #[cold]
    fn note_missing(&mut self, pipe: PipeId) {
        let present = self.pipes.len().saturating_sub(self.missing);
        if let Some(place) = self.pipes.place(pipe)
            && (self.eligible..present).contains(&place)
        {
            self.pipes.swap(place, present - 1);
            self.missing += 1;
        }
    }

    /// All pipes are to get the message.
    pub fn match_all(&mut self) {
        self.matching = self.active;
        self.missing = self.pipes.len().saturating_sub(self.eligible);
    }

    /// Those that were not to get the message are, and the other way round.
    pub fn invert_match(&mut self) {
        let (others, missed) = (self.pipes.len().saturating_sub(self.eligible), self.missing);
        // Those that miss it are last, and now the others are to be.
        for place in 0..missed.min(others.saturating_sub(missed)) {
            self.pipes.swap(self.eligible + place, self.pipes.len() - 1 - place);
        }
        self.missing = others.saturating_sub(missed);
        let matched = std::mem::take(&mut self.matching);
        for place in matched..self.active {
            self.pipes.swap(place, self.matching);
            self.matching += 1;
        }
    }

    /// Whether all matching pipes have credit. One that has none waits for it.
    pub fn check_write(&self, pipes: &mut Pipes) -> bool {
        // A closed pipe will never have credit, and does not miss what is sent.
        self.pipes.iter().take(self.matching).all(|pipe| pipes.check_write(pipe) || !pipes.is_open(pipe))
    }

    /// How many messages the matching pipes take, of those that are open; `None` where there is none.
    pub fn credit(&self, pipes: &Pipes) -> Option<u64> {
        let open = self.pipes.iter().take(self.matching).filter(|&pipe| pipes.is_open(pipe));
        open.map(|pipe| pipes.credit(pipe)).min()
    }

    /// Writes a frame to the matching pipes. Those without credit miss the whole message. Errors: `ENOMEM`, with
    /// nothing written.
    #[inline]
    pub fn send_to_matching(&mut self, pipes: &mut Pipes, frame: &mut OutFrame<'_>) -> Result<()> {
        // A publisher may have many messages that nothing is subscribed to: they cost no look at the pipes.
        if self.matching == 0 && self.missing == 0 {
            if !self.inside {
                pipes.record.dropped(Reason::NoSubscriber, 1);
            }
            self.frame_sent(frame.more());
            return Ok(());
        }
        self.send_to_some(pipes, frame)
    }

    /// As [`send_to_matching`](Distribution::send_to_matching), with a pipe that is to get it or misses it.
    fn send_to_some(&mut self, pipes: &mut Pipes, frame: &mut OutFrame<'_>) -> Result<()> {
        if self.matching > 0 {
            // Made now if ever, so that no pipe has the frame yet where memory is lacking.
            frame.shared()?;
        }
        let mut missed = self.missing > 0 && !self.inside && self.count_missing(pipes);
        let mut place = 0;
        while place < self.matching {
            let Some(pipe) = self.pipes.get(place) else { break };
            if let Some(soon) = self.pipes.get(place + PREFETCH_DISTANCE_PIPES) {
                pipes.prepare_write(soon);
            }
            // A pipe that fails gives its place to another.
            let written = match pipes.write_and_flush(pipe, frame) {
                // Later frames need no credit.
                Ok(false) if self.inside => pipes.write_rest_and_flush(pipe, frame),
                written => written,
            };
            match written {
                Ok(true) => place += 1,
                Ok(false) => {
                    missed |= self.miss(pipes, pipe);
                    self.retire(pipe);
                }
                // For want of memory; its turn comes with the next message.
                Err(_) => missed |= self.miss(pipes, pipe),
            }
        }
        if self.matching == 0 && !self.inside && !missed {
            pipes.record.dropped(Reason::NoSubscriber, 1);
        }
        self.frame_sent(frame.more());
        Ok(())
    }

    #[inline]
    fn frame_sent(&mut self, more: bool) {
        self.inside = more;
        if !more {
            self.active = self.eligible;
            self.matching = 0;
        }
    }

    pub fn send_to_all(&mut self, pipes: &mut Pipes, frame: &mut OutFrame<'_>) -> Result<()> {
        if !self.inside {
            self.match_all();
        }
        self.send_to_matching(pipes, frame)
    }

    /// Counts a message that pipes without credit miss. Whether there are any: closed ones are no peers.
    #[cold]
    fn count_missing(&mut self, pipes: &Pipes) -> bool {
        let missing = std::mem::take(&mut self.missing);
        let first = self.pipes.len().saturating_sub(missing);
        let open = (first..self.pipes.len()).filter_map(|place| self.pipes.get(place));
        let open = open.filter(|&pipe| pipes.is_open(pipe)).count();
        pipes.record.dropped(Reason::HighWaterMark, open as u64);
        open > 0
    }

    /// The pipe does not get the rest of the message, nor any of it. Whether it was to: a closed one is no peer when a message
    /// begins.
    fn miss(&mut self, pipes: &mut Pipes, pipe: PipeId) -> bool {
        let is_open = pipes.is_open(pipe);
        let is_missed = is_open || self.inside;
        if is_missed {
            pipes.record.dropped(if is_open { Reason::HighWaterMark } else { Reason::Disconnected }, 1);
        }
        if self.inside {
            pipes.rollback(pipe);
        }
        self.exclude(pipe);
        is_missed
    }

    /// Moves a pipe out of the matching and active groups.
    fn exclude(&mut self, pipe: PipeId) {
        self.leave(pipe, |this| &mut this.matching);
        self.leave(pipe, |this| &mut this.active);
    }

    /// Moves a pipe out of the eligible group.
    fn retire(&mut self, pipe: PipeId) {
        self.leave(pipe, |this| &mut this.eligible);
    }

    fn leave(&mut self, pipe: PipeId, group: impl Fn(&mut Distribution) -> &mut usize) {
        let len = *group(self);
        if let Some(place) = self.pipes.place(pipe)
            && place < len
        {
            self.pipes.swap(place, len - 1);
            *group(self) = len - 1;
        }
    }
}
