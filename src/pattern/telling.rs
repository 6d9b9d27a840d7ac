//! Peers that have not heard yet of all that a subscriber wants.
//!
//! A socket may have many subscriptions, and a peer that comes and goes is told all of them each time. So new peers are told in
//! turn, a part at a time, as far as the budget of the call goes. Topics that the program subscribes to meanwhile are told at
//! once to the peers that are past them, and to the others in their turn.

use crate::pipe::PipeId;
use std::collections::VecDeque;

/// Topics that one peer is told in one go, before another has its turn.
pub const TURN_WISHES: u32 = 64;
/// Bytes that are told in one go, unless the first wish is longer.
pub const TURN_WISH_BYTES: usize = 64 * 1024;

/// The peers, each with how far it has heard.
pub struct Telling<C> {
    turns: VecDeque<(PipeId, C)>,
}

/// The state of a peer after its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    All,
    Some,
    /// There was no memory to tell more.
    NoMemory,
}

impl<C> Default for Telling<C> {
    fn default() -> Telling<C> {
        Telling { turns: VecDeque::new() }
    }
}

impl<C> Telling<C> {
    /// The pipe is to hear of everything from `from` on.
    pub fn begin(&mut self, pipe: PipeId, from: C) {
        self.remove(pipe);
        self.turns.push_back((pipe, from));
    }

    pub fn remove(&mut self, pipe: PipeId) {
        self.turns.retain(|(other, _)| *other != pipe);
    }

    pub fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// The peer whose turn it is.
    pub fn next(&mut self) -> Option<(PipeId, C)> {
        self.turns.pop_front()
    }

    /// How far the pipe has heard; `None`: of everything.
    pub fn progress(&self, pipe: PipeId) -> Option<&C> {
        self.turns.iter().find(|(other, _)| *other == pipe).map(|(_, progress)| progress)
    }
}
