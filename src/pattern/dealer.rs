//! DEALER: sends to its peers in turn, receives from them in turn (RFC 28).

use super::fair_queue::FairQueue;
use super::load_balance::LoadBalancer;
use super::{Behaviour, Origin, flag};
use crate::errno::Result;
use crate::message::{Frame, OutFrame};
use crate::options::SocketOptions;
use crate::options::number::ZMQ_PROBE_ROUTER;
use crate::pipe::{PipeId, Pipes};

// In this order: see `Pattern`.
#[derive(Default)]
#[repr(C)]
pub struct Dealer {
    pub(super) out: LoadBalancer,
    pub(super) queue: FairQueue,
    probe_router: bool,
}

/// Sends an empty message, from which a ROUTER learns of its peer before that has something to say
/// (`ZMQ_PROBE_ROUTER`). Without credit or memory there is no probe.
pub(super) fn send_probe(pipes: &mut Pipes, pipe: PipeId) {
    if let Ok(true) = pipes.write(pipe, &mut OutFrame::bytes(b"", false)) {
        pipes.flush(pipe);
    }
}

impl Behaviour for Dealer {
    fn attach(&mut self, pipes: &mut Pipes, pipe: PipeId, _: Origin) {
        if self.probe_router {
            send_probe(pipes, pipe);
        }
        self.queue.attach(pipe);
        self.out.attach(pipe);
    }

    fn attach_last(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        if self.probe_router {
            send_probe(pipes, pipe);
        }
        self.queue.attach_last(pipe);
        self.out.attach(pipe);
    }

    #[inline]
    fn send(&mut self, pipes: &mut Pipes, frame: &mut OutFrame<'_>) -> Result<()> {
        self.out.send(pipes, frame)
    }

    #[inline]
    fn recv<'p>(&mut self, pipes: &'p mut Pipes) -> Result<Frame<'p>> {
        self.queue.recv(pipes)
    }

    fn has_in(&mut self, pipes: &mut Pipes) -> bool {
        self.queue.has_in(pipes)
    }

    fn only_source(&self) -> Option<PipeId> {
        self.queue.only_source()
    }

    fn has_out(&mut self, pipes: &mut Pipes) -> bool {
        self.out.has_out(pipes)
    }

    fn only_sink(&self) -> Option<PipeId> {
        self.out.only_sink()
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

    fn set_option(
        &mut self,
        _: &mut Pipes,
        options: &mut SocketOptions,
        option: i32,
        value: &[u8],
    ) -> Option<Result<()>> {
        match option {
            ZMQ_PROBE_ROUTER => Some(flag(value).map(|yes| {
                self.probe_router = yes;
                options.probe_router = yes;
            })),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use crate::options::SocketType;
    use crate::options::number::ZMQ_PROBE_ROUTER;
    use crate::pattern::testing::Bench;

    #[test]
    fn sends_and_receives_in_turn() {
        let mut bench = Bench::new(SocketType::Dealer);
        let (mut one, mut two) = (bench.connect(), bench.connect());
        bench.send(&["", "a"]).unwrap();
        bench.send(&["", "b"]).unwrap();
        assert_eq!((one.recv(), two.recv()), (vec!["".into(), "a".into()], vec!["".into(), "b".into()]));
        two.send(&["", "c"]);
        assert_eq!(bench.recv(), ["", "c"]);
    }

    #[test]
    fn a_probe_comes_first_where_asked_for() {
        let mut bench = Bench::new(SocketType::Dealer);
        assert_eq!(bench.connect().recv_all(), [""; 0]);
        bench.set(ZMQ_PROBE_ROUTER, 1);
        assert_eq!(bench.connect().recv_all(), [""]);
        assert!(bench.set_bytes(ZMQ_PROBE_ROUTER, b"x").is_err());
    }
}
