//! CLIENT: sends to its peers in turn, receives from them in turn, messages of one frame each (RFC 41).

use super::fair_queue::FairQueue;
use super::load_balance::LoadBalancer;
use super::{Behaviour, Origin, single};
use crate::errno::{Errno, Result};
use crate::message::{Frame, OutFrame};
use crate::pipe::{PipeId, Pipes};

#[derive(Default)]
pub struct Client {
    queue: FairQueue,
    out: LoadBalancer,
}

impl Behaviour for Client {
    fn attach(&mut self, _: &mut Pipes, pipe: PipeId, _: Origin) {
        self.queue.attach(pipe);
        self.out.attach(pipe);
    }

    fn attach_last(&mut self, _: &mut Pipes, pipe: PipeId) {
        self.queue.attach_last(pipe);
        self.out.attach(pipe);
    }

    fn send(&mut self, pipes: &mut Pipes, frame: &mut OutFrame<'_>) -> Result<()> {
        single(frame)?;
        self.out.send(pipes, frame)
    }

    fn recv<'p>(&mut self, pipes: &'p mut Pipes) -> Result<Frame<'p>> {
        let pipe = self.queue.next_single(pipes).ok_or(Errno::AGAIN)?;
        self.queue.take(pipes, pipe)
    }

    fn has_in(&mut self, pipes: &mut Pipes) -> bool {
        self.queue.next_single(pipes).is_some()
    }

    fn has_out(&mut self, pipes: &mut Pipes) -> bool {
        self.out.has_out(pipes)
    }

    fn read_activated(&mut self, _: &mut Pipes, pipe: PipeId) {
        self.queue.activated(pipe);
    }

    fn write_activated(&mut self, _: &mut Pipes, pipe: PipeId) {
        self.out.activated(pipe);
    }

    fn hiccuped(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        self.out.hiccuped(pipes, pipe);
    }

    fn terminated(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        self.queue.terminated(pipe);
        self.out.terminated(pipes, pipe);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use crate::errno::Errno;
    use crate::options::SocketType;
    use crate::pattern::testing::Bench;

    #[test]
    fn servers_take_turns() {
        let mut bench = Bench::new(SocketType::Client);
        assert_eq!(bench.send(&["no peer"]), Err(Errno::AGAIN));
        let mut servers = [bench.connect(), bench.connect()];
        for text in ["1", "2", "3"] {
            bench.send(&[text]).unwrap();
        }
        assert_eq!(bench.send_frame("half", true), Err(Errno::INVAL));
        let got = servers.each_mut().map(|server| server.recv_all().join(" "));
        assert_eq!(got, ["1 3", "2"]);
        servers[1].send(&["reply"]);
        assert!(bench.has_in() && bench.has_out());
        let reply = bench.recv_msg().unwrap();
        assert_eq!((reply.data(), reply.routing_id()), (&b"reply"[..], 0));
    }
}
