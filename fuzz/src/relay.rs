//! Two sides that shake hands, and a relay between them that changes, drops, repeats and adds bytes. So inputs get behind boxes that
//! they could never make themselves.

use super::input::Input;
use super::sides::Authenticator;
use zmq::engine::{Config, Failure, Opening, Peer, Progress, ws};

/// One side, and what it has come to.
pub struct Side {
    opening: Opening,
    pub config: Config,
    /// Bytes that it has said.
    pub said: usize,
    asked: bool,
    pub outcome: Option<Result<Peer, Failure>>,
}

impl Side {
    /// `role`: over WebSockets.
    pub fn new(role: Option<&ws::Role>, config: Config) -> Side {
        let opening = Opening::new(role, config.clone());
        Side { opening, config, said: 0, asked: false, outcome: None }
    }

    pub fn say(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.opening.output(&mut out);
        self.said += out.len();
        out
    }

    /// Takes bytes; how many of them, and none once it is over.
    pub fn hear(&mut self, bytes: &[u8], authenticator: Authenticator) -> usize {
        if self.outcome.is_some() {
            return 0;
        }
        let mut taken = 0;
        let progress = self.opening.input(bytes).map(|(consumed, progress)| {
            taken = consumed;
            progress
        });
        self.take(progress);
        if self.asked && self.outcome.is_none() {
            let answer = authenticator.answer(&mut self.opening);
            self.take(answer);
        }
        taken
    }

    /// Whether it takes bytes although it has come to its end.
    pub fn goes_on(&mut self) -> bool {
        self.opening.input(b"x").is_ok()
    }

    pub fn is_done(&self) -> bool {
        matches!(self.outcome, Some(Ok(_)))
    }

    fn take(&mut self, progress: Result<Progress, Failure>) {
        match progress {
            Ok(Progress::Done(peer)) => self.outcome = Some(Ok(peer)),
            Ok(Progress::Zap(_)) => self.asked = true,
            Ok(Progress::More | Progress::Denied(_)) => {}
            Err(failure) => self.outcome = Some(Err(failure)),
        }
    }
}

/// Changes the bytes from `start` on, which are some, in one of the ways from 1 to 6. Whether it did.
pub fn edit(way: usize, input: &mut Input<'_>, said: &mut Vec<u8>, start: usize) -> bool {
    let at = start + usize::from(input.u16()) % (said.len() - start);
    match way {
        1 => said[at] ^= input.byte().max(1),
        2 => said.truncate(at),
        3 => said.insert(at, input.byte()),
        4 => said.extend_from_within(at..),
        5 => {
            said.splice(at..at, input.run().iter().copied());
        }
        6 => {
            said.drain(at..(at + input.below(256)).min(said.len()));
        }
        _ => return false,
    }
    true
}
