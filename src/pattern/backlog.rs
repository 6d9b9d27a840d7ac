//! Frames of a publisher's peers that it has not read yet.

use crate::errno::Result;
use crate::message::Frame;
use crate::pipe::{PipeId, Pipes};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};

/// Frames of one pipe that are read before other pipes have their turn: a peer that floods must not keep the other peers from
/// being heard.
const TURN_FRAMES: u32 = 256;

/// Pipes that may have something to read, in the order of their turns.
#[derive(Default)]
pub struct Backlog {
    turns: VecDeque<PipeId>,
    /// Those whose next frame is not wanted while the listener is crowded. The lowest number has waited longest.
    held_back: BTreeMap<u64, PipeId>,
    /// Those in `turns`, and those in `held_back` with their numbers. No slot map: even an empty one takes memory of its own.
    listed: BTreeMap<PipeId, Option<u64>>,
}

/// The reader of the frames.
pub trait Listener {
    /// Whether nothing more is to be read for now.
    fn is_full(&self) -> bool {
        false
    }

    /// Whether nothing more is to be read from this pipe, until it is [added](Backlog::add) again.
    fn holds_up(&self, _pipe: PipeId) -> bool {
        false
    }

    /// Whether the reader does not want some frames for now. It then [looks at](Listener::holds_back) each before it is taken.
    fn is_crowded(&self) -> bool {
        false
    }

    /// Whether this frame is one of those. Its pipe then has to wait, also with what lies behind.
    fn holds_back(&self, _pipe: PipeId, _frame: &Frame<'_>) -> bool {
        false
    }

    /// Whether the reader keeps the first frames of a message of this pipe, and has the pipe's turn go on until the last.
    fn is_inside(&self, _pipe: PipeId) -> bool {
        false
    }

    /// What taking a frame in costs beside reading it, in units of a [`Budget`](crate::pipe::Budget).
    fn units(&self) -> u32 {
        0
    }

    /// Takes a frame in. Errors: `ENOMEM`; `ENOBUFS` for more than the peer may subscribe to. The peer is dropped then: it would
    /// believe in subscriptions that it does not have.
    fn take_in(&mut self, pipe: PipeId, frame: Frame<'_>) -> Result<()>;
}

impl Backlog {
    /// The pipe has something to read.
    pub fn add(&mut self, pipe: PipeId) {
        if let Entry::Vacant(place) = self.listed.entry(pipe) {
            place.insert(None);
            self.turns.push_back(pipe);
        }
    }

    /// The pipe is gone.
    pub fn forget(&mut self, pipe: PipeId) {
        if let Some(&Some(number)) = self.listed.get(&pipe) {
            self.held_back.remove(&number);
            self.listed.remove(&pipe);
        }
    }

    /// Reads from all pipes in turn, as far as the budget and the listener go.
    pub fn read(&mut self, pipes: &mut Pipes, listener: &mut impl Listener) {
        while let Some(pipe) = self.next(listener) {
            match read_share(pipes, pipe, listener) {
                Left::Nothing | Left::HeldUp => {
                    self.listed.remove(&pipe);
                }
                Left::HeldBack => self.hold_back(pipe),
                Left::More => self.turns.push_back(pipe),
                Left::NoMoreNow if listener.is_inside(pipe) => return self.turns.push_front(pipe),
                Left::NoMoreNow => return self.turns.push_back(pipe),
            }
        }
    }

    /// The pipe whose turn it is. One whose turn goes on comes first. Those held back have waited longest of the others.
    fn next(&mut self, listener: &impl Listener) -> Option<PipeId> {
        let goes_on = self.turns.front().is_some_and(|&pipe| listener.is_inside(pipe));
        if !goes_on
            && !listener.is_crowded()
            && let Some((_, pipe)) = self.held_back.pop_first()
        {
            self.listed.insert(pipe, None);
            return Some(pipe);
        }
        self.turns.pop_front()
    }

    fn hold_back(&mut self, pipe: PipeId) {
        let number = self.held_back.last_key_value().map_or(0, |(last, _)| last.saturating_add(1));
        self.listed.insert(pipe, Some(number));
        self.held_back.insert(number, pipe);
    }
}

/// The state of a pipe after its turn.
enum Left {
    Nothing,
    HeldUp,
    HeldBack,
    More,
    /// The budget is used up, or the listener full.
    NoMoreNow,
}

fn read_share(pipes: &mut Pipes, pipe: PipeId, listener: &mut impl Listener) -> Left {
    let mut frames = 0;
    while frames < TURN_FRAMES || listener.is_inside(pipe) {
        frames += 1;
        if !pipes.check_read(pipe) {
            return Left::Nothing;
        }
        if listener.holds_up(pipe) {
            return Left::HeldUp;
        }
        if listener.is_full() || !pipes.budget.allows() {
            return Left::NoMoreNow;
        }
        if listener.is_crowded() && pipes.peek(pipe).is_some_and(|frame| listener.holds_back(pipe, &frame)) {
            return Left::HeldBack;
        }
        let Some(frame) = pipes.read(pipe) else { return Left::Nothing };
        let bytes = frame.data().len();
        let taken = listener.take_in(pipe, frame);
        pipes.spend_frame(pipe, bytes);
        pipes.budget.spend(listener.units());
        if let Err(errno) = taken {
            pipes.refuse(pipe, errno);
            return Left::Nothing;
        }
    }
    Left::More
}
