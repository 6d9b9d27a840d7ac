//! PUSH: each message to one peer, in turn (RFC 30).

use super::load_balance::LoadBalancer;
use super::{Behaviour, Origin};
use crate::errno::Result;
use crate::message::OutFrame;
use crate::pipe::{PipeId, Pipes};

#[derive(Default)]
#[repr(C)]
pub struct Push {
    pub(super) out: LoadBalancer,
}

impl Behaviour for Push {
    fn attach(&mut self, _: &mut Pipes, pipe: PipeId, _: Origin) {
        self.out.attach(pipe);
    }

    #[inline]
    fn send(&mut self, pipes: &mut Pipes, frame: &mut OutFrame<'_>) -> Result<()> {
        self.out.send(pipes, frame)
    }

    fn has_out(&mut self, pipes: &mut Pipes) -> bool {
        self.out.has_out(pipes)
    }

    fn only_sink(&self) -> Option<PipeId> {
        self.out.only_sink()
    }

    fn write_activated(&mut self, _: &mut Pipes, pipe: PipeId) {
        self.out.activated(pipe);
    }

    fn hiccuped(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        self.out.hiccuped(pipes, pipe);
    }

    fn peer_closed(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        // The socket never reads the peer's messages.
        pipes.terminate(pipe);
    }

    fn terminated(&mut self, pipes: &mut Pipes, pipe: PipeId) {
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
    fn whole_messages_go_round() {
        let mut bench = Bench::new(SocketType::Push);
        assert_eq!(bench.send(&["no peer"]), Err(Errno::AGAIN));
        assert!(!bench.has_out());
        let mut peers = [bench.connect(), bench.connect(), bench.connect()];
        for i in 0..6 {
            bench.send(&[&format!("a{i}"), &format!("b{i}")]).unwrap();
        }
        let got = peers.each_mut().map(|peer| peer.recv_all());
        assert_eq!(got, [["a0|b0", "a3|b3"], ["a1|b1", "a4|b4"], ["a2|b2", "a5|b5"]]);
        assert_eq!(bench.pattern.recv(&mut bench.pipes).err(), Some(Errno::NOTSUP));
    }

    #[test]
    fn a_peer_without_credit_is_passed_over_until_it_reads() {
        let mut bench = Bench::new(SocketType::Push);
        let mut slow = bench.connect_with(1, |_| {});
        let mut fast = bench.connect_with(3, |_| {});
        for text in ["1", "2", "3", "4"] {
            bench.send(&[text]).unwrap();
        }
        assert_eq!(bench.send(&["5"]), Err(Errno::AGAIN));
        assert!(!bench.has_out());
        assert_eq!(slow.recv_all(), ["1"]);
        assert!(bench.has_out());
        bench.send(&["5"]).unwrap();
        assert_eq!(slow.recv_all(), ["5"]);
        assert_eq!(fast.recv_all(), ["2", "3", "4"]);
    }

    #[test]
    fn a_message_whose_peer_goes_is_dropped_whole() {
        let mut bench = Bench::new(SocketType::Push);
        // The socket hears of it before the next frame: the rest vanishes.
        let one = bench.connect();
        bench.send_frame("half", true).unwrap();
        drop(one);
        bench.settle();
        let mut two = bench.connect();
        bench.send_frame("more", true).unwrap();
        bench.send_frame("rest", false).unwrap();
        // It only notices when it writes the next frame.
        bench.send_frame("half", true).unwrap();
        drop(two);
        bench.send_frame_unsettled("more", true).unwrap();
        two = bench.connect();
        bench.send_frame("rest", false).unwrap();
        bench.send(&["whole"]).unwrap();
        assert_eq!(two.recv_all(), ["whole"]);
    }

    #[test]
    fn a_hiccup_in_a_message_drops_it_and_brings_credit() {
        let mut bench = Bench::new(SocketType::Push);
        let peer = bench.connect_with(1, |_| {});
        bench.send(&["unsent"]).unwrap();
        assert!(!bench.has_out());
        let (mut reader, _writer, _end) = peer.hiccup();
        bench.send_frame("half", true).unwrap();
        bench.send_frame("whole", false).unwrap();
        assert_eq!(reader.read().unwrap().data(), b"half");

        let mut bench = Bench::new(SocketType::Push);
        let peer = bench.connect();
        bench.send_frame("half", true).unwrap();
        let (mut reader, _writer, _end) = peer.hiccup();
        bench.send_frame("rest", false).unwrap();
        bench.send(&["whole"]).unwrap();
        assert_eq!(reader.read().unwrap().data(), b"whole");
    }

    #[test]
    fn peer_that_goes_is_forgotten_at_once_with_its_messages() {
        let mut bench = Bench::new(SocketType::Push);
        let mut peer = bench.connect();
        peer.send(&["never read"]);
        drop(peer);
        bench.settle();
        assert!(bench.pipes.is_empty());
    }
}
