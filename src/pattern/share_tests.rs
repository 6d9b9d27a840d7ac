//! Peers get equal shares of what a socket sends by turns, whichever I/O threads run: a thread that finds a peer's pipe full has it
//! read, before it passes the peer over or is refused.
//!
//! The I/O threads are a random order of reads here, and some of them are never heard of.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::Origin;
use super::testing::Bench;
use crate::errno::Errno;
use crate::message::OutFrame;
use crate::options::SocketType;
use crate::options::number::{ZMQ_CONNECT_ROUTING_ID, ZMQ_ROUTER_MANDATORY};
use crate::pipe::{Notify, Pipe, PipeEvent};
use parking_lot::Mutex;
use std::sync::Arc;

/// A peer whose connection any thread may write.
struct Peer {
    state: Mutex<Option<State>>,
}

struct State {
    pipe: Pipe,
    messages: u32,
    /// Messages that the stream takes before it is full.
    room: u32,
}

impl Peer {
    fn new(bench: &mut Bench, routing_id: &str, room: u32) -> Arc<Peer> {
        Peer::of(bench.connect_as(routing_id).pipe, room)
    }

    fn of(theirs: Pipe, room: u32) -> Arc<Peer> {
        let peer = Arc::new(Peer { state: Mutex::new(None) });
        theirs.set_owner(peer.clone());
        *peer.state.lock() = Some(State { pipe: theirs, messages: 0, room });
        peer
    }

    /// Any thread writes the connection. Whether it has written something.
    fn write_stream(&self) -> bool {
        let mut state = self.state.lock();
        let state = state.as_mut().unwrap();
        let before = state.messages;
        while state.messages < state.room {
            let Some(frame) = state.pipe.read() else { break };
            state.messages += u32::from(!frame.more());
        }
        state.messages != before
    }

    /// Whether something was written for it.
    fn has_any(&self) -> bool {
        self.state.lock().as_ref().unwrap().messages > 0
    }

    /// Messages that the peer has, or that wait for it.
    fn share(&self) -> u32 {
        let mut state = self.state.lock();
        let state = state.as_mut().unwrap();
        state.messages + u32::try_from(state.pipe.queued().1).unwrap()
    }
}

impl Notify for Peer {
    fn notify(&self, _event: PipeEvent) {}

    fn read_now(&self) -> bool {
        self.write_stream()
    }
}

/// What a program sends that never waits: whether it was taken.
fn send(bench: &mut Bench, frame: &mut OutFrame<'_>) -> bool {
    bench.settle();
    match bench.pattern.send(&mut bench.pipes, frame) {
        Ok(()) => true,
        Err(errno) => {
            assert_eq!(errno, Errno::AGAIN);
            false
        }
    }
}

#[test]
fn peers_get_equal_shares_whichever_io_threads_run() {
    for socket_type in [SocketType::Push, SocketType::Dealer, SocketType::Scatter, SocketType::Client] {
        for seed in 1..40u64 {
            let mut bench = Bench::new(socket_type);
            let count = if socket_type == SocketType::Client { 1 } else { 2 + seed as usize % 6 };
            let peers: Vec<_> = (0..count).map(|_| Peer::new(&mut bench, "", u32::MAX)).collect();
            let (mut random, mut sent) = (seed, 0u32);
            for _ in 0..5000 {
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                // The first peer's I/O thread never runs, and the last one's often.
                let which = (random >> 33) as usize % 64;
                if which > 0 && which < count {
                    peers[which].write_stream();
                } else if which < 60 {
                    assert!(
                        send(&mut bench, &mut OutFrame::bytes(b"x", false)),
                        "each peer takes all it gets"
                    );
                    sent += 1;
                } else {
                    assert!(bench.has_out());
                }
            }
            let shares: Vec<_> = peers.iter().map(|peer| peer.share()).collect();
            let (least, most) = (shares.iter().min().unwrap(), shares.iter().max().unwrap());
            assert!(most - least <= 1, "{socket_type:?} {seed}: {shares:?}");
            assert_eq!(shares.iter().sum::<u32>(), sent);
        }
    }
}

#[test]
fn a_peer_whose_stream_is_full_is_passed_over() {
    // Credit comes back by half of the mark of 1,000.
    const TAKEN: u32 = 1500;
    let mut bench = Bench::new(SocketType::Push);
    let (slow, fast) = (Peer::new(&mut bench, "", 600), Peer::new(&mut bench, "", u32::MAX));
    for _ in 0..5000 {
        assert!(send(&mut bench, &mut OutFrame::bytes(b"x", false)));
    }
    assert_eq!((slow.share(), fast.share()), (TAKEN, 5000 - TAKEN));
    let mut bench = Bench::new(SocketType::Push);
    let slow = Peer::new(&mut bench, "", 600);
    let sent = (0..5000).map(|_| u32::from(send(&mut bench, &mut OutFrame::bytes(b"x", false)))).sum::<u32>();
    assert_eq!((sent, slow.share()), (TAKEN, TAKEN));
    assert!(!bench.has_out());
}

#[test]
fn what_is_routed_is_neither_dropped_nor_refused_while_the_stream_takes_it() {
    for mandatory in [0, 1] {
        let mut bench = Bench::new(SocketType::Router);
        bench.set(ZMQ_ROUTER_MANDATORY, mandatory);
        let peer = Peer::new(&mut bench, "peer", 4000);
        for _ in 0..5000 {
            if send(&mut bench, &mut OutFrame::bytes(b"peer", true)) {
                assert!(send(&mut bench, &mut OutFrame::bytes(b"x", false)));
            }
        }
        assert_eq!(peer.share(), 5000, "its pipe is full at the end");
        assert!(!send(&mut bench, &mut OutFrame::bytes(b"peer", true)) || mandatory == 0);
    }
}

#[test]
fn a_router_that_polls_for_room_has_its_peer_read_first() {
    let mut bench = Bench::new(SocketType::Router);
    bench.set(ZMQ_ROUTER_MANDATORY, 1);
    let peer = Peer::new(&mut bench, "peer", u32::MAX);
    for sent in 0..5_000 {
        assert!(bench.has_out(), "after {sent} messages");
        bench.send(&["peer", "x"]).unwrap();
    }
    assert_eq!(peer.share(), 5_000);
}

#[test]
fn a_stream_socket_has_its_peer_read_before_it_refuses() {
    let mut bench = Bench::new(SocketType::Stream);
    bench.set_bytes(ZMQ_CONNECT_ROUTING_ID, b"peer").unwrap();
    let peer = Peer::of(bench.join(1000, Origin::Connected, |_| {}).pipe, 4000);
    for sent in 0..5000 {
        assert!(send(&mut bench, &mut OutFrame::bytes(b"peer", true)), "after {sent}");
        assert!(send(&mut bench, &mut OutFrame::bytes(b"x", false)));
    }
    assert_eq!(peer.share(), 5000, "its pipe is full at the end");
    assert!(!send(&mut bench, &mut OutFrame::bytes(b"peer", true)));
}

/// Full pipes of peers whose streams take a message each, which gives no credit yet. A socket with a name sends to it alone.
fn full_pipes(bench: &mut Bench, is_routed: bool) -> Vec<Arc<Peer>> {
    const PEERS: usize = 100;
    let names: Vec<_> = (0..PEERS).map(|number| format!("peer {number}")).collect();
    let peers = names.iter().map(|name| Peer::new(bench, name, 1)).collect();
    for message in 0..PEERS * 1000 {
        if is_routed {
            assert!(send(bench, &mut OutFrame::bytes(names[message % PEERS].as_bytes(), true)));
        }
        assert!(send(bench, &mut OutFrame::bytes(b"x", false)));
    }
    peers
}

#[test]
fn a_call_that_is_refused_by_many_peers_has_few_of_them_read() {
    for socket_type in [SocketType::Push, SocketType::Dealer, SocketType::Scatter, SocketType::Router] {
        for sends in [true, false] {
            let mut bench = Bench::new(socket_type);
            let is_routed = socket_type == SocketType::Router;
            if is_routed {
                bench.set(ZMQ_ROUTER_MANDATORY, 1);
            }
            let peers = full_pipes(&mut bench, is_routed);
            assert!(!peers.iter().any(|peer| peer.has_any()));
            if sends && !is_routed {
                assert!(!send(&mut bench, &mut OutFrame::bytes(b"x", false)));
            } else {
                assert!(!bench.has_out());
            }
            let read = peers.iter().filter(|peer| peer.has_any()).count();
            assert_eq!(read, 8, "{socket_type:?}");
        }
    }
}
