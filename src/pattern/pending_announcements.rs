//! Peers that have not heard yet of all that a subscriber wants.
//!
//! A socket may have many subscriptions, and a peer that comes and goes is told all of them each time. So new peers are told in
//! turn, a part at a time, as far as the budget of the call goes. Topics that the program subscribes to meanwhile are told at
//! once to the peers that are past them, and to the others in their turn.
//!
//! A peer that the program itself connects to has [`ASKED_FOR_TURNS`] turns in the call that asks: the program may call no more
//! before it sees what the peer sends.

use crate::pipe::PipeId;
use std::collections::BTreeMap;

/// Topics that one peer is told in one go, before another has its turn.
pub const TURN_WISHES: u32 = 64;
/// Bytes that are told in one go, unless the first wish is longer.
pub const TURN_WISH_BYTES: usize = 64 * 1024;

/// Turns that a peer which the program has asked for has at once: it hears 65,536 topics, in some 10 ms. More than the budget of a
/// call, as a program with some thousand topics may sleep before it calls again, and would miss messages.
pub const ASKED_FOR_TURNS: u32 = 1024;

/// The peers, each with how far it has heard. There may be many thousand, so no step looks at all of them.
pub struct PendingAnnouncements<C> {
    /// In the order of their turns.
    turns: BTreeMap<u64, PipeId>,
    /// Each with the key of its turn.
    peers: BTreeMap<PipeId, (u64, C)>,
    last_turn: u64,
}

/// The state of a peer after its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    All,
    Some,
    /// There was no memory to tell more.
    NoMemory,
}

impl<C> Default for PendingAnnouncements<C> {
    fn default() -> PendingAnnouncements<C> {
        PendingAnnouncements { turns: BTreeMap::new(), peers: BTreeMap::new(), last_turn: 0 }
    }
}

impl<C> PendingAnnouncements<C> {
    /// The pipe is to hear of everything from `from` on.
    pub fn begin(&mut self, pipe: PipeId, from: C) {
        self.remove(pipe);
        // At one turn a nanosecond it takes centuries to the end.
        self.last_turn = self.last_turn.wrapping_add(1);
        self.turns.insert(self.last_turn, pipe);
        self.peers.insert(pipe, (self.last_turn, from));
    }

    pub fn remove(&mut self, pipe: PipeId) {
        if let Some((turn, _)) = self.peers.remove(&pipe) {
            self.turns.remove(&turn);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// The peer whose turn it is.
    pub fn next(&mut self) -> Option<(PipeId, C)> {
        let (_, pipe) = self.turns.pop_first()?;
        let (_, progress) = self.peers.remove(&pipe)?;
        Some((pipe, progress))
    }

    /// How far the pipe has heard; `None`: of everything.
    pub fn progress(&self, pipe: PipeId) -> Option<&C> {
        self.peers.get(&pipe).map(|(_, progress)| progress)
    }
}
