//! Writing each message to many pipes at once.

use super::pipe_array::PipeArray;
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
/// - all others have no credit, until [`Distribution::activated`].
#[derive(Default)]
pub struct Distribution {
    pipes: PipeArray,
    matching: usize,
    active: usize,
    eligible: usize,
    /// Some frames of a message were sent and more are to come.
    inside: bool,
}

impl Distribution {
    pub fn attach(&mut self, pipe: PipeId) {
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
        self.pipes.swap(place, self.eligible);
        self.eligible += 1;
        if !self.inside {
            self.pipes.swap(self.eligible - 1, self.active);
            self.active += 1;
        }
    }

    /// The pipe's lane was replaced: what was unsent is lost, and there is credit.
    pub fn hiccuped(&mut self, pipe: PipeId) {
        if self.inside && self.pipes.place(pipe).is_some_and(|place| place < self.active) {
            self.exclude(pipe);
        }
        self.activated(pipe);
    }

    /// The pipe is about to go.
    pub fn terminated(&mut self, pipe: PipeId) {
        self.exclude(pipe);
        self.retire(pipe);
        self.pipes.remove(pipe);
    }

    /// Before a message's first frame: no pipe is to get it yet.
    pub fn unmatch(&mut self) {
        self.matching = 0;
    }

    /// The pipe is to get the message.
    #[inline]
    pub fn match_pipe(&mut self, pipe: PipeId) {
        if let Some(place) = self.pipes.place(pipe)
            && (self.matching..self.active).contains(&place)
        {
            self.pipes.swap(place, self.matching);
            self.matching += 1;
        }
    }

    /// All pipes are to get the message.
    pub fn match_all(&mut self) {
        self.matching = self.active;
    }

    /// Those that were not to get the message are, and the other way round.
    pub fn invert_match(&mut self) {
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
    pub fn send_to_matching(&mut self, pipes: &mut Pipes, frame: &mut OutFrame<'_>) -> Result<()> {
        if self.matching > 0 {
            // Made now if ever, so that no pipe has the frame yet where memory is lacking.
            frame.shared()?;
        }
        let mut place = 0;
        while place < self.matching {
            let Some(pipe) = self.pipes.get(place) else { break };
            if let Some(soon) = self.pipes.get(place + PREFETCH_DISTANCE_PIPES) {
                pipes.prepare_write(soon);
            }
            // A pipe that fails gives its place to another.
            match pipes.write(pipe, frame) {
                Ok(true) => {
                    if !frame.more() {
                        pipes.flush(pipe);
                    }
                    place += 1;
                }
                Ok(false) => {
                    self.miss(pipes, pipe);
                    self.retire(pipe);
                }
                // For want of memory; its turn comes with the next message.
                Err(_) => self.miss(pipes, pipe),
            }
        }
        self.inside = frame.more();
        if !self.inside {
            self.active = self.eligible;
            self.matching = 0;
        }
        Ok(())
    }

    pub fn send_to_all(&mut self, pipes: &mut Pipes, frame: &mut OutFrame<'_>) -> Result<()> {
        if !self.inside {
            self.match_all();
        }
        self.send_to_matching(pipes, frame)
    }

    /// The pipe does not get the rest of the message, nor any of it.
    fn miss(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        if self.inside {
            pipes.rollback(pipe);
        }
        self.exclude(pipe);
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
