//! GATHER: a message, of one frame, from each peer, in turn (RFC 49).

use super::Behaviour;
use super::Origin;
use super::fair_queue::FairQueue;
use crate::errno::{Errno, Result};
use crate::message::Frame;
use crate::pipe::{PipeId, Pipes};

#[derive(Default)]
pub struct Gather {
    queue: FairQueue,
}

impl Behaviour for Gather {
    fn attach(&mut self, _: &mut Pipes, pipe: PipeId, _: Origin) {
        self.queue.attach(pipe);
    }

    fn recv<'p>(&mut self, pipes: &'p mut Pipes) -> Result<Frame<'p>> {
        let pipe = self.queue.next_single(pipes).ok_or(Errno::AGAIN)?;
        self.queue.take(pipes, pipe)
    }

    fn has_in(&mut self, pipes: &mut Pipes) -> bool {
        self.queue.next_single(pipes).is_some()
    }

    fn read_activated(&mut self, _: &mut Pipes, pipe: PipeId) {
        self.queue.activated(pipe);
    }

    fn terminated(&mut self, _: &mut Pipes, pipe: PipeId) {
        self.queue.terminated(pipe);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use crate::errno::Errno;
    use crate::options::SocketType;
    use crate::pattern::testing::Bench;

    #[test]
    fn peers_take_turns() {
        let mut bench = Bench::new(SocketType::Gather);
        let mut peers = [bench.connect(), bench.connect()];
        for peer in &mut peers {
            for text in ["1", "2"] {
                peer.send(&[text]);
            }
        }
        let got: Vec<_> = (0..4).map(|_| bench.recv().concat()).collect();
        assert_eq!(got, ["1", "1", "2", "2"]);
        assert_eq!(bench.try_recv(), Err(Errno::AGAIN));
        assert_eq!(bench.send(&["no"]), Err(Errno::NOTSUP));
        assert!(!bench.has_out());
    }
}
