//! Frames of a publisher's peers that it has not read yet.

use crate::errno::Result;
use crate::message::Frame;
use crate::pipe::{PipeId, Pipes};
use std::collections::{BTreeSet, VecDeque};

/// Frames of one pipe that are read before other pipes have their turn: a peer that floods must not keep the other peers from
/// being heard.
const TURN_FRAMES: u32 = 256;

/// Pipes that may have something to read, in the order of their turns.
#[derive(Default)]
pub struct Backlog {
    turns: VecDeque<PipeId>,
    /// Those in `turns`. No slot map: even an empty one takes memory of its own.
    listed: BTreeSet<PipeId>,
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
        if self.listed.insert(pipe) {
            self.turns.push_back(pipe);
        }
    }

    /// Reads from all pipes in turn, as far as the budget and the listener go.
    pub fn read(&mut self, pipes: &mut Pipes, listener: &mut impl Listener) {
        while let Some(pipe) = self.turns.pop_front() {
            match read_share(pipes, pipe, listener) {
                Left::Nothing | Left::HeldUp => {
                    self.listed.remove(&pipe);
                }
                Left::More => self.turns.push_back(pipe),
                Left::NoMoreNow if listener.is_inside(pipe) => return self.turns.push_front(pipe),
                Left::NoMoreNow => return self.turns.push_back(pipe),
            }
        }
    }
}

/// The state of a pipe after its turn.
enum Left {
    Nothing,
    HeldUp,
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
