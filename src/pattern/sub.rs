//! SUB: receives the topics it has subscribed to (RFC 29).

use super::Behaviour;
use super::Origin;
use super::xsub::Xsub;
use crate::errno::Result;
use crate::message::Frame;
use crate::options::SocketOptions;
use crate::options::number::{ZMQ_INVERT_MATCHING, ZMQ_SUBSCRIBE, ZMQ_UNSUBSCRIBE};
use crate::pipe::{PipeId, Pipes};

/// An XSUB that subscribes by options instead of messages, and looks at what it gets once more.
pub struct Sub {
    pub(super) xsub: Xsub,
}

impl Sub {
    pub fn new(options: &SocketOptions) -> Sub {
        Sub { xsub: Xsub::filtering(options) }
    }
}

impl Behaviour for Sub {
    fn attach(&mut self, pipes: &mut Pipes, pipe: PipeId, origin: Origin) {
        self.xsub.attach(pipes, pipe, origin);
    }

    fn go_on(&mut self, pipes: &mut Pipes) {
        self.xsub.go_on(pipes);
    }

    #[inline]
    fn recv<'p>(&mut self, pipes: &'p mut Pipes) -> Result<Frame<'p>> {
        self.xsub.recv(pipes)
    }

    fn has_in(&mut self, pipes: &mut Pipes) -> bool {
        self.xsub.has_in(pipes)
    }

    fn read_activated(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        self.xsub.read_activated(pipes, pipe);
    }

    fn write_activated(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        self.xsub.write_activated(pipes, pipe);
    }

    fn hiccuped(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        self.xsub.hiccuped(pipes, pipe);
    }

    fn terminated(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        self.xsub.terminated(pipes, pipe);
    }

    fn set_option(
        &mut self,
        pipes: &mut Pipes,
        options: &mut SocketOptions,
        option: i32,
        value: &[u8],
    ) -> Option<Result<()>> {
        match option {
            ZMQ_SUBSCRIBE => Some(self.xsub.subscribe(pipes, value)),
            ZMQ_UNSUBSCRIBE => Some(self.xsub.unsubscribe(pipes, value)),
            ZMQ_INVERT_MATCHING => self.xsub.set_option(pipes, options, option, value),
            _ => None,
        }
    }

    fn option(&self, option: i32, out: &mut [u8]) -> Option<Result<usize>> {
        self.xsub.option(option, out)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use crate::errno::Errno;
    use crate::options::SocketType;
    use crate::options::number::ZMQ_SUBSCRIBE;
    use crate::pattern::testing::{Bench, Peer};

    /// A subscriber to what begins with "wanted", and its peer, where only the latest message is kept.
    fn conflating() -> (Bench, Peer) {
        let mut bench = Bench::new(SocketType::Sub);
        let peer = bench.connect_conflating();
        bench.set_bytes(ZMQ_SUBSCRIBE, b"wanted").unwrap();
        assert!(!bench.has_in());
        (bench, peer)
    }

    #[test]
    fn a_message_that_was_announced_is_the_one_received_where_only_the_latest_is_kept() {
        let (mut bench, mut peer) = conflating();
        peer.send(&["wanted, announced"]);
        assert!(bench.has_in());
        peer.send(&["wanted, later"]);
        peer.send(&["other"]);
        assert_eq!(bench.recv(), ["wanted, announced"]);
        assert_eq!(bench.try_recv(), Err(Errno::AGAIN));
        peer.send(&["other"]);
        peer.send(&["wanted, latest"]);
        assert_eq!(bench.recv(), ["wanted, latest"]);
        assert!(!bench.has_in());
    }

    #[test]
    fn a_message_that_comes_while_another_is_dropped_is_kept_where_only_the_latest_is() {
        let (mut bench, mut peer) = conflating();
        bench.units = 0;
        peer.send(&["other"]);
        assert!(!bench.has_in(), "looked at, and not dropped yet");
        peer.send(&["wanted"]);
        bench.units = 1;
        assert_eq!(bench.recv(), ["wanted"]);
        assert_eq!(bench.try_recv(), Err(Errno::AGAIN));
    }
}
