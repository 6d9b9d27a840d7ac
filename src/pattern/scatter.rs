//! SCATTER: each message, of one frame, to one peer, in turn (RFC 49).

use super::push::Push;
use super::{Behaviour, Origin, single};
use crate::errno::Result;
use crate::message::OutFrame;
use crate::pipe::{PipeId, Pipes};

#[derive(Default)]
pub struct Scatter {
    push: Push,
}

impl Behaviour for Scatter {
    fn attach(&mut self, pipes: &mut Pipes, pipe: PipeId, origin: Origin) {
        self.push.attach(pipes, pipe, origin);
    }

    fn send(&mut self, pipes: &mut Pipes, frame: &mut OutFrame<'_>) -> Result<()> {
        single(frame)?;
        self.push.send(pipes, frame)
    }

    fn has_out(&mut self, pipes: &mut Pipes) -> bool {
        self.push.has_out(pipes)
    }

    fn write_activated(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        self.push.write_activated(pipes, pipe);
    }

    fn hiccuped(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        self.push.hiccuped(pipes, pipe);
    }

    fn peer_closed(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        self.push.peer_closed(pipes, pipe);
    }

    fn terminated(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        self.push.terminated(pipes, pipe);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use crate::errno::Errno;
    use crate::options::SocketType;
    use crate::pattern::testing::Bench;

    #[test]
    fn messages_of_one_frame_go_round() {
        let mut bench = Bench::new(SocketType::Scatter);
        assert_eq!(bench.send(&["no peer"]), Err(Errno::AGAIN));
        let mut peers = [bench.connect(), bench.connect()];
        assert_eq!(bench.send_frame("half", true), Err(Errno::INVAL));
        for text in ["1", "2", "3"] {
            bench.send(&[text]).unwrap();
        }
        assert_eq!(peers.each_mut().map(|peer| peer.recv_all().join(" ")), ["1 3", "2"]);
        assert_eq!(bench.try_recv(), Err(Errno::NOTSUP));
    }
}
