//! PULL: a message from each peer, in turn (RFC 30).

use super::fair_queue::FairQueue;
use super::load_balance::LoadBalancer;
use super::{Behaviour, Origin, Room};
use crate::errno::Result;
use crate::message::Frame;
use crate::pipe::{PipeId, Pipes};

// In this order: see `Pattern`.
#[repr(C)]
pub struct Pull {
    _out: Room<LoadBalancer>,
    pub(super) queue: FairQueue,
}

impl Default for Pull {
    fn default() -> Pull {
        Pull { _out: Room::uninit(), queue: FairQueue::default() }
    }
}

impl Behaviour for Pull {
    fn attach(&mut self, _: &mut Pipes, pipe: PipeId, _: Origin) {
        self.queue.attach(pipe);
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
    fn peers_take_turns_a_message_each() {
        let mut bench = Bench::new(SocketType::Pull);
        let mut peers = [bench.connect(), bench.connect(), bench.connect()];
        assert_eq!(bench.try_recv(), Err(Errno::AGAIN));
        for (name, peer) in ["x", "y", "z"].into_iter().zip(&mut peers) {
            for i in 0..2 {
                peer.send(&[&format!("{name}{i}"), "end"]);
            }
        }
        let mut got = Vec::new();
        while bench.has_in() {
            got.push(bench.recv().join("|"));
        }
        assert_eq!(got[..3].iter().collect::<std::collections::BTreeSet<_>>().len(), 3);
        assert!(got[..3].iter().all(|message| message.ends_with("0|end")));
        assert!(got[3..].iter().all(|message| message.ends_with("1|end")));
        assert_eq!(bench.send(&["no"]), Err(Errno::NOTSUP));
    }

    #[test]
    fn a_message_stays_in_one_piece_when_other_peers_come_and_go() {
        // Every place that the peer read from can have among others, and every place of the one that goes.
        for reader in 0..4 {
            for leaver in (0..4).filter(|&leaver| leaver != reader) {
                let mut bench = Bench::new(SocketType::Pull);
                let mut peers: Vec<_> = (0..4).map(|_| Some(bench.connect())).collect();
                peers[reader].as_mut().unwrap().send(&["1", "2", "3"]);
                assert_eq!(bench.recv_frame().unwrap(), ("1".into(), true));
                for peer in peers.iter_mut().flatten() {
                    peer.send(&["other"]);
                }
                let id = peers[leaver].take().unwrap().id;
                bench.pipes.terminate(id);
                let _late = bench.connect();
                assert_eq!(bench.recv(), ["2", "3"]);
                for _ in 0..3 {
                    assert_eq!(bench.recv(), ["other"]);
                }
                assert_eq!(bench.try_recv(), Err(Errno::AGAIN));
            }
        }
    }

    #[test]
    fn a_message_cut_off_by_closing_its_pipe_ends() {
        let mut bench = Bench::new(SocketType::Pull);
        let (mut one, mut two) = (bench.connect(), bench.connect());
        one.send(&["1", "2"]);
        assert_eq!(bench.recv_frame().unwrap(), ("1".into(), true));
        two.send(&["whole"]);
        bench.pipes.terminate(one.id);
        assert!(bench.has_in());
        assert_eq!(bench.recv(), [""]);
        assert_eq!(bench.recv(), ["whole"]);
    }

    #[test]
    fn messages_of_a_peer_outlive_it() {
        let mut bench = Bench::new(SocketType::Pull);
        let mut peer = bench.connect();
        peer.send(&["last"]);
        drop(peer);
        bench.settle();
        assert_eq!(bench.pipes.len(), 1);
        assert_eq!(bench.recv(), ["last"]);
        assert!(!bench.has_in());
        bench.settle();
        assert!(bench.pipes.is_empty());
        drop(bench.connect());
        bench.settle();
        assert!(bench.pipes.is_empty(), "nothing was left to read");
    }

    #[test]
    fn command_is_passed_over() {
        let mut bench = Bench::new(SocketType::Pull);
        let mut peer = bench.connect_as("name");
        peer.subscribe(true, "topic");
        assert!(!bench.has_in());
        peer.send(&["message"]);
        assert_eq!(bench.recv(), ["message"]);
    }
}
