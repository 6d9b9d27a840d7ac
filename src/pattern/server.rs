//! SERVER: every message says by its routing id which peer it is for, or from (RFC 41). PEER sockets do the same
//! (RFC 51).

use super::fair_queue::FairQueue;
use super::{Behaviour, Origin, single};
use crate::errno::{Errno, Result};
use crate::message::{Address, Frame, Msg, OutFrame};
use crate::pipe::{PipeId, Pipes};
use crate::sys::hash_map::HashMap;
use crate::sys::random::number_or_0;
use slotmap::SecondaryMap;

pub struct Server {
    queue: FairQueue,
    peers: HashMap<u32, PipeId>,
    routing_ids: SecondaryMap<PipeId, u32>,
    /// The routing id of the next peer, if it is free.
    next_id: u32,
}

impl Server {
    pub fn new() -> Server {
        // Any start will do; a random one keeps programs from relying on the ids.
        let next_id = number_or_0();
        Server {
            queue: FairQueue::default(),
            peers: HashMap::default(),
            routing_ids: SecondaryMap::new(),
            next_id,
        }
    }

    /// A routing id that no peer has; 0 stands for none.
    fn make_up(&mut self) -> u32 {
        loop {
            let routing_id = self.next_id;
            self.next_id = self.next_id.wrapping_add(1);
            if routing_id != 0 && !self.peers.contains_key(&routing_id) {
                return routing_id;
            }
        }
    }

    /// Errors: `EHOSTUNREACH`.
    fn find(&self, pipes: &Pipes, routing_id: u32) -> Result<PipeId> {
        let pipe = self.peers.get(&routing_id).copied();
        pipe.filter(|&pipe| pipes.is_open(pipe)).ok_or(Errno::HOSTUNREACH)
    }
}

impl Behaviour for Server {
    fn attach(&mut self, _: &mut Pipes, pipe: PipeId, _: Origin) {
        let routing_id = self.make_up();
        self.peers.insert(routing_id, pipe);
        self.routing_ids.insert(pipe, routing_id);
        self.queue.attach(pipe);
    }

    fn send(&mut self, pipes: &mut Pipes, frame: &mut OutFrame<'_>) -> Result<()> {
        single(frame)?;
        let pipe = self.find(pipes, frame.as_msg().map_or(0, Msg::routing_id))?;
        if !pipes.write_first(pipe, frame)? {
            return Err(if pipes.is_open(pipe) { Errno::AGAIN } else { Errno::HOSTUNREACH });
        }
        pipes.flush(pipe);
        Ok(())
    }

    fn recv<'p>(&mut self, pipes: &'p mut Pipes) -> Result<Frame<'p>> {
        let pipe = self.queue.next_single(pipes).ok_or(Errno::AGAIN)?;
        let routing_id = self.routing_ids.get(pipe).copied().unwrap_or_default();
        let frame = self.queue.take(pipes, pipe)?;
        Ok(Frame { address: Address::RoutingId(routing_id), ..frame })
    }

    fn has_in(&mut self, pipes: &mut Pipes) -> bool {
        self.queue.next_single(pipes).is_some()
    }

    fn has_out(&mut self, _: &mut Pipes) -> bool {
        // A message's pipe is known, and so whether it has to wait, once it is sent.
        true
    }

    fn read_activated(&mut self, _: &mut Pipes, pipe: PipeId) {
        self.queue.activated(pipe);
    }

    fn terminated(&mut self, _: &mut Pipes, pipe: PipeId) {
        if let Some(routing_id) = self.routing_ids.remove(pipe) {
            self.peers.remove(&routing_id);
        }
        self.queue.terminated(pipe);
    }

    fn routing_id(&self, pipe: PipeId) -> Option<u32> {
        self.routing_ids.get(pipe).copied()
    }

    fn find_peer(&self, pipes: &Pipes, routing_id: &[u8]) -> Result<PipeId> {
        let number = <[u8; 4]>::try_from(routing_id).map_err(|_| Errno::INVAL)?;
        self.find(pipes, u32::from_ne_bytes(number))
    }

    fn disconnect_peer(&mut self, pipes: &mut Pipes, routing_id: u32) -> Result<()> {
        pipes.retire(self.find(pipes, routing_id)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use crate::errno::Errno;
    use crate::message::Msg;
    use crate::options::SocketType;
    use crate::pattern::Pattern;
    use crate::pattern::testing::{Bench, Peer};

    fn send(bench: &mut Bench, routing_id: u32, data: &str) -> Result<(), Errno> {
        let mut msg = Msg::copy_from(data.as_bytes()).unwrap();
        msg.set_routing_id(routing_id);
        bench.send_msg(&mut msg).map(drop)
    }

    fn recv(bench: &mut Bench) -> (u32, Vec<u8>) {
        let msg = bench.recv_msg().unwrap();
        (msg.routing_id(), msg.data().to_vec())
    }

    fn routing_id(bench: &Bench, peer: &Peer) -> u32 {
        bench.pattern.routing_id(peer.id).unwrap()
    }

    #[test]
    fn peers_are_found_by_the_bytes_of_their_number() {
        let mut bench = Bench::new(SocketType::Server);
        let mut peer = bench.connect();
        let id = routing_id(&bench, &peer).to_ne_bytes();
        assert_eq!(bench.pattern.find_peer(&bench.pipes, &id), Ok(peer.id));
        for wrong in [&id[..3], b"", b"12345"] {
            assert_eq!(bench.pattern.find_peer(&bench.pipes, wrong), Err(Errno::INVAL));
        }
        assert_eq!(bench.pattern.find_peer(&bench.pipes, &[0; 4]), Err(Errno::HOSTUNREACH));
        peer.send(&["1"]);
        bench.settle();
        bench.pipes.disconnect(peer.id);
        assert!(!peer.is_open());
        assert_eq!(bench.pattern.find_peer(&bench.pipes, &id), Err(Errno::HOSTUNREACH));
        assert_eq!(recv(&mut bench), (u32::from_ne_bytes(id), b"1".to_vec()), "what has come is read");
    }

    #[test]
    fn messages_carry_the_routing_id_of_their_peer() {
        let mut bench = Bench::new(SocketType::Server);
        let (mut a, mut b) = (bench.connect(), bench.connect());
        let (id_of_a, id_of_b) = (routing_id(&bench, &a), routing_id(&bench, &b));
        assert!(id_of_a != 0 && id_of_b != 0 && id_of_a != id_of_b);
        b.send(&["from b"]);
        assert_eq!(recv(&mut bench), (id_of_b, b"from b".to_vec()));
        a.send(&["from a"]);
        assert_eq!(recv(&mut bench), (id_of_a, b"from a".to_vec()));
        send(&mut bench, id_of_a, "to a").unwrap();
        assert_eq!((a.recv_all(), b.recv_all()), (vec!["to a".into()], vec![]));
        assert_eq!(send(&mut bench, 0, "to no peer"), Err(Errno::HOSTUNREACH));
        assert_eq!(bench.send(&["to no peer"]), Err(Errno::HOSTUNREACH));
        assert_eq!(bench.send_frame("half", true), Err(Errno::INVAL));
        drop(a);
        assert_eq!(send(&mut bench, id_of_a, "gone"), Err(Errno::HOSTUNREACH));
    }

    #[test]
    fn a_full_peer_is_waited_for() {
        let mut bench = Bench::new(SocketType::Server);
        let mut peer = bench.connect_with(1, |_| {});
        let id = routing_id(&bench, &peer);
        send(&mut bench, id, "1").unwrap();
        assert_eq!(send(&mut bench, id, "2"), Err(Errno::AGAIN));
        assert_eq!(peer.recv_all(), ["1"]);
        send(&mut bench, id, "2").unwrap();
    }

    #[test]
    fn routing_ids_go_round_and_pass_over_none_and_those_in_use() {
        let mut bench = Bench::new(SocketType::Server);
        let Pattern::Server(server) = &mut bench.pattern else { unreachable!() };
        server.next_id = u32::MAX;
        let first = bench.connect();
        let second = bench.connect();
        assert_eq!((routing_id(&bench, &first), routing_id(&bench, &second)), (u32::MAX, 1));
        let Pattern::Server(server) = &mut bench.pattern else { unreachable!() };
        server.next_id = u32::MAX;
        let third = bench.connect();
        assert_eq!(routing_id(&bench, &third), 2);
    }

    #[test]
    fn a_peer_can_be_sent_away() {
        let mut bench = Bench::new(SocketType::Peer);
        let mut peer = bench.connect();
        let id = routing_id(&bench, &peer);
        send(&mut bench, id, "last").unwrap();
        peer.send(&["unread"]);
        bench.pattern.disconnect_peer(&mut bench.pipes, id).unwrap();
        assert_eq!(peer.recv_all(), ["last"]);
        assert_eq!(send(&mut bench, id, "too late"), Err(Errno::HOSTUNREACH));
        // As with `zmq_ferro_disconnect_peer`, what it has said before is heard.
        assert_eq!(recv(&mut bench), (id, b"unread".to_vec()));
        assert!(!peer.is_open());
        assert_eq!(bench.pattern.disconnect_peer(&mut bench.pipes, id), Err(Errno::HOSTUNREACH));
        let mut other = Bench::new(SocketType::Router);
        assert_eq!(other.pattern.disconnect_peer(&mut other.pipes, id), Err(Errno::NOTSUP));
    }

    #[test]
    fn messages_of_several_frames_are_dropped() {
        for socket_type in [SocketType::Server, SocketType::Client, SocketType::Gather, SocketType::Channel] {
            let mut bench = Bench::new(socket_type);
            let mut peer = bench.connect();
            peer.send(&["a", "b"]);
            assert!(!bench.has_in());
            peer.send(&["c", "d", "e"]);
            peer.send(&["whole"]);
            assert!(bench.has_in());
            assert_eq!(bench.recv(), ["whole"], "{socket_type:?}");
            assert_eq!(bench.try_recv(), Err(Errno::AGAIN));
        }
    }
}
