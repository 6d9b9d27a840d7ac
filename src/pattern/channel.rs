//! CHANNEL: one peer, and no other, messages of one frame each (RFC 52).

use super::client::Client;
use super::{Behaviour, Sent};
use crate::errno::Result;
use crate::message::{Frame, OutFrame};
use crate::pipe::{PipeId, Pipes};

#[derive(Default)]
pub struct Channel {
    peer: Option<PipeId>,
    client: Client,
}

impl Behaviour for Channel {
    fn attach(&mut self, pipes: &mut Pipes, pipe: PipeId, subscribe_to_all: bool, locally_initiated: bool) {
        if let Some(peer) = self.peer {
            if pipes.is_open(peer) || pipes.check_read(peer) {
                return pipes.terminate(pipe);
            }
            // Closed and read, though nobody has said so yet.
            self.terminated(pipes, peer);
        }
        self.peer = Some(pipe);
        self.client.attach(pipes, pipe, subscribe_to_all, locally_initiated);
    }

    fn send(&mut self, pipes: &mut Pipes, frame: &mut OutFrame<'_>) -> Result<Sent> {
        self.client.send(pipes, frame)
    }

    fn recv<'p>(&mut self, pipes: &'p mut Pipes) -> Result<Frame<'p>> {
        self.client.recv(pipes)
    }

    fn has_in(&mut self, pipes: &mut Pipes) -> bool {
        self.client.has_in(pipes)
    }

    fn has_out(&mut self, pipes: &mut Pipes) -> bool {
        self.client.has_out(pipes)
    }

    fn read_activated(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        self.client.read_activated(pipes, pipe);
    }

    fn write_activated(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        self.client.write_activated(pipes, pipe);
    }

    fn hiccuped(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        self.client.hiccuped(pipes, pipe);
    }

    fn terminated(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        if self.peer == Some(pipe) {
            self.peer = None;
            self.client.terminated(pipes, pipe);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use crate::errno::Errno;
    use crate::options::SocketType;
    use crate::pattern::testing::Bench;

    #[test]
    fn a_second_peer_is_turned_away_until_the_first_has_gone() {
        let mut bench = Bench::new(SocketType::Channel);
        assert_eq!(bench.send(&["nobody"]), Err(Errno::AGAIN));
        let mut one = bench.connect();
        let two = bench.connect();
        bench.settle();
        assert!(!two.is_open() && one.is_open());
        bench.send(&["to one"]).unwrap();
        assert_eq!(bench.send_frame("half", true), Err(Errno::INVAL));
        assert_eq!(one.recv_all(), ["to one"]);
        one.send(&["last"]);
        drop(one);
        assert!(!bench.connect().is_open(), "the first is there until it has been read");
        assert_eq!(bench.recv(), ["last"]);
        assert!(!bench.has_in());
        let mut three = bench.connect();
        bench.send(&["to three"]).unwrap();
        assert_eq!(three.recv_all(), ["to three"]);
    }
}
