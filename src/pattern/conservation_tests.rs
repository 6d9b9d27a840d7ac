//! Every message that a program or a peer hands in is found in exactly one place: it was received, it was dropped for a reason, or it
//! is queued.
//!
//! Messages, peers, marks and the moments when peers go are random. A new socket type does not compile here before it says what
//! is sent by it and to it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::Origin;
use super::testing::{Bench, Peer};
use crate::counters::{ContextRecord, Reason, Snapshot, SocketCounts, SocketRecord};
use crate::errno::{Errno, Result};
use crate::message::{Msg, OutFrame};
use crate::options::SocketType;
use crate::options::number::{ZMQ_SUBSCRIBE, ZMQ_XPUB_NODROP};
use crate::pipe::Pipes;
use crate::random::Random;

const SEEDS: u64 = 40;
const STEPS: usize = 400;
const TOPICS: [&str; 4] = ["a", "ab", "b", "c"];

/// A socket with its peers, and what was handed in and has come out.
struct Scene {
    socket_type: SocketType,
    bench: Bench,
    random: Random,
    peers: Vec<Subscriber>,
    named: u32,
    handed_in: u64,
    received: u64,
}

/// A peer, and what it has subscribed to or joined.
struct Subscriber {
    peer: Peer,
    topics: Vec<&'static str>,
}

/// How a message goes to the socket's peers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// To one peer.
    One,
    /// To each peer that has subscribed to it.
    Matching,
    /// To each peer.
    All,
}

/// What a program sends by a socket of this type: `None` where it does not, or answers only.
fn way(socket_type: SocketType) -> Option<Way> {
    use SocketType::*;
    match socket_type {
        Pair | Push | Dealer | Req | Rep | Router | Stream | Server | Peer | Client | Scatter | Channel
        | Dgram => Some(Way::One),
        Pub | Xpub | Radio => Some(Way::Matching),
        Xsub => Some(Way::All),
        Sub | Pull | Gather | Dish => None,
    }
}

impl Scene {
    fn new(socket_type: SocketType, seed: u64) -> Scene {
        let mut bench = Bench::new(socket_type);
        bench.pipes = Pipes::of(SocketRecord::of(&ContextRecord::begin(), "TESTED"));
        let mut random = Random::seeded(seed);
        match socket_type {
            SocketType::Sub => bench.set_bytes(ZMQ_SUBSCRIBE, b"a").unwrap(),
            SocketType::Dish => bench.join_group("a").unwrap(),
            SocketType::Pub | SocketType::Radio if random.below(4) == 0 => bench.set(ZMQ_XPUB_NODROP, 1),
            _ => {}
        }
        Scene { socket_type, bench, random, peers: Vec::new(), named: 0, handed_in: 0, received: 0 }
    }

    fn counts(&self) -> SocketCounts {
        Snapshot::of_socket(self.bench.pipes.record.number()).unwrap().unwrap()
    }

    fn topic(&mut self) -> &'static str {
        TOPICS[self.random.below(TOPICS.len())]
    }

    fn peer_comes(&mut self) {
        let hwm = 1 + self.random.below(4) as i32;
        let names = matches!(self.socket_type, SocketType::Router | SocketType::Rep);
        let name = self.named.to_string();
        self.named += 1;
        let origin = self.origin();
        let peer = self.bench.join(hwm, origin, |pipe| {
            if names {
                pipe.write_routing_id(name.as_bytes()).unwrap();
                pipe.flush();
            }
        });
        let mut subscriber = Subscriber { peer, topics: Vec::new() };
        for _ in 0..self.random.below(3) {
            let topic = self.topic();
            if subscriber.topics.contains(&topic) {
                continue;
            }
            match self.socket_type {
                SocketType::Pub | SocketType::Xpub => subscriber.peer.subscribe(true, topic),
                SocketType::Radio => subscriber.peer.join(true, topic),
                _ => continue,
            }
            subscriber.topics.push(topic);
        }
        self.bench.settle();
        self.peers.push(subscriber);
    }

    /// One that the program has connected to does not wait until the one before it has been read, where there can be one peer only.
    fn origin(&mut self) -> Origin {
        let has_one_peer = matches!(self.socket_type, SocketType::Pair | SocketType::Channel);
        if has_one_peer && self.random.below(4) > 0 { Origin::Reconnected } else { Origin::Accepted }
    }

    /// A peer goes, with what it has not read. It may have something under way to the socket.
    fn peer_goes(&mut self) {
        self.peer_goes_unheard();
        self.bench.settle();
    }

    /// As [`peer_goes`](Scene::peer_goes), and the socket has not heard of it yet.
    fn peer_goes_unheard(&mut self) {
        if !self.peers.is_empty() {
            let place = self.random.below(self.peers.len());
            drop(self.peers.swap_remove(place));
        }
    }

    fn peer_reads(&mut self) {
        let Some(most) = self.peers.len().checked_sub(1) else { return };
        let place = self.random.below(most + 1);
        let count = self.random.below(4);
        for _ in 0..count {
            self.read_one(place);
        }
    }

    /// Whether there was something.
    fn read_one(&mut self, place: usize) -> bool {
        let frames = self.peers[place].peer.recv();
        let is_wish = ["+", "-", "JOIN", "LEAVE"]
            .iter()
            .any(|way| frames.first().is_some_and(|first| first.starts_with(way)));
        self.received += u64::from(!frames.is_empty() && !is_wish);
        !frames.is_empty()
    }

    /// A peer sends something that the socket takes, or does not.
    fn peer_sends(&mut self) {
        if matches!(self.socket_type, SocketType::Pub | SocketType::Xpub | SocketType::Radio)
            || self.peers.is_empty()
        {
            return;
        }
        let (place, topic, shape) = (self.random.below(self.peers.len()), self.topic(), self.random.below(4));
        let subscriber = &mut self.peers[place];
        if !subscriber.peer.is_open() || !subscriber.peer.pipe.check_write() {
            return;
        }
        let frames: &[&str] = match shape {
            0 => &[topic],
            1 => &[topic, "body"],
            2 => &["", "body"],
            _ => &["", topic, ""],
        };
        subscriber.peer.send(frames);
        self.handed_in += 1;
    }

    /// How many places a message is to be found in that begins so.
    fn copies(&self, way: Way, topic: &str) -> u64 {
        let matching = match (way, self.socket_type) {
            (Way::One, _) => 1,
            (Way::All, _) => self.peers.len(),
            (Way::Matching, SocketType::Radio) => {
                self.peers.iter().filter(|peer| peer.topics.contains(&topic)).count()
            }
            (Way::Matching, _) => {
                let wants = |peer: &&Subscriber| peer.topics.iter().any(|prefix| topic.starts_with(prefix));
                self.peers.iter().filter(wants).count()
            }
        };
        matching.max(1) as u64
    }

    fn program_sends(&mut self) {
        use SocketType::*;
        let Some(way) = way(self.socket_type) else { return };
        self.bench.settle();
        let topic = self.topic();
        let copies = self.copies(way, topic);
        let place = (!self.peers.is_empty()).then(|| self.random.below(self.peers.len()));
        let id = place.map(|place| self.peers[place].peer.id);
        let parts = 1 + self.random.below(3);
        let body = ["body", "more", "end"];
        let sent = match self.socket_type {
            Radio => self.bench.send_to(topic, "body"),
            Server | Peer => {
                let mut msg = Msg::copy_from(b"body").unwrap();
                msg.set_routing_id(id.and_then(|id| self.bench.pattern.routing_id(id)).unwrap_or(77));
                self.bench.send_msg(&mut msg).map(drop)
            }
            Client | Scatter | Channel => self.bench.send(&["body"]),
            Dgram => self.send_parts(&["127.0.0.1:5", "body"]),
            Router | Stream => {
                let id = id.filter(|_| parts > 1).map(|id| self.bench.pipes.routing_id(id).to_vec());
                let id = id.unwrap_or_else(|| b"unknown".to_vec());
                let more = if self.socket_type == Stream { 1 } else { parts - 1 };
                // A name that is text or not.
                let mut frames: Vec<&[u8]> = vec![&id];
                frames.extend(body[..more].iter().map(|part| part.as_bytes()));
                self.send_frames(&frames)
            }
            _ => {
                let frames: Vec<_> = [topic].into_iter().chain(body[..parts - 1].iter().copied()).collect();
                self.send_parts(&frames)
            }
        };
        self.handed_in += if sent.is_ok() { copies } else { 0 };
    }

    fn send_parts(&mut self, frames: &[&str]) -> Result<()> {
        let frames: Vec<_> = frames.iter().map(|frame| frame.as_bytes()).collect();
        self.send_frames(&frames)
    }

    /// A peer may go in the middle of it, and the socket may hear of it before the next frame or after that. Errors: as the first
    /// frame's, where nothing was taken.
    fn send_frames(&mut self, frames: &[&[u8]]) -> Result<()> {
        for (i, frame) in frames.iter().enumerate() {
            if i == 0 || self.random.below(2) == 0 {
                self.bench.settle();
            }
            let more = i + 1 < frames.len();
            let sent = self.bench.pattern.send(&mut self.bench.pipes, &mut OutFrame::bytes(frame, more));
            match sent {
                Ok(()) => {}
                Err(errno) if i == 0 => return Err(errno),
                Err(errno) => panic!("{:?}: frame {i} is refused: {errno:?}", self.socket_type),
            }
            if more && self.random.below(10) == 0 {
                self.peer_goes_unheard();
            }
        }
        Ok(())
    }

    /// Whether there was something; a REP answers it.
    fn program_receives(&mut self) -> bool {
        match self.bench.try_recv() {
            Ok(frames) => {
                // An XPUB hears of subscriptions.
                let is_notice = self.socket_type == SocketType::Xpub;
                self.received += u64::from(!is_notice);
                if self.socket_type == SocketType::Rep {
                    self.send_parts(&["reply"]).unwrap();
                    self.handed_in += 1;
                }
                assert!(!frames.is_empty());
                true
            }
            Err(Errno::AGAIN | Errno::FSM | Errno::NOTSUP) => false,
            Err(errno) => panic!("{:?}: {errno:?}", self.socket_type),
        }
    }

    fn step(&mut self) {
        match self.random.below(10) {
            0 if self.peers.len() < 4 => self.peer_comes(),
            1 if self.random.below(4) == 0 => self.peer_goes(),
            2 | 3 => self.peer_reads(),
            4 | 5 => self.peer_sends(),
            6 if self.socket_type != SocketType::Rep => drop(self.program_receives()),
            6 => drop(self.program_receives()),
            _ if self.socket_type != SocketType::Rep => self.program_sends(),
            _ => {}
        }
    }

    /// All that can be read is read, and all peers go.
    fn end(&mut self) {
        loop {
            self.bench.settle();
            let mut some = self.program_receives();
            for place in 0..self.peers.len() {
                some |= self.read_one(place);
            }
            if !some {
                break;
            }
        }
        self.peers.clear();
        while self.program_receives() {}
        self.bench.settle();
    }
}

#[test]
fn every_message_is_found_in_exactly_one_place() {
    let mut missing = Vec::new();
    for socket_type in SocketType::ALL {
        let mut reasons = [0; Reason::COUNT];
        for seed in 0..SEEDS {
            let mut scene = Scene::new(socket_type, seed);
            for step in 0..STEPS {
                scene.step();
                // A look takes longer than many steps.
                if !step.is_multiple_of(4) {
                    continue;
                }
                let counts = scene.counts();
                let dropped: u64 = Reason::ALL.iter().map(|reason| counts.dropped(*reason)).sum();
                assert!(
                    scene.received + dropped <= scene.handed_in,
                    "{socket_type:?}, seed {seed}, step {step}: {} received and {dropped} dropped of {}: {counts:?}",
                    scene.received,
                    scene.handed_in
                );
            }
            scene.end();
            let counts = scene.counts();
            let dropped = Reason::ALL.iter().map(|reason| counts.dropped(*reason));
            reasons.iter_mut().zip(dropped.clone()).for_each(|(sum, count)| *sum += count);
            if matches!(socket_type, SocketType::Pair | SocketType::Channel) {
                assert_eq!(
                    counts.queues.to_receive, 0,
                    "{socket_type:?}, seed {seed}: what is never received"
                );
            }
            // A REQ that has not asked reads nothing.
            let queued = counts.queues.to_send + counts.queues.to_receive;
            assert_eq!(
                scene.handed_in,
                scene.received + dropped.sum::<u64>() + queued,
                "{socket_type:?}, seed {seed}: {} received; {counts:?}",
                scene.received
            );
        }
        let never = expected(socket_type).iter().filter(|reason| reasons[**reason as usize] == 0);
        missing.extend(never.map(|reason| format!("{socket_type:?}: {reason:?}")));
    }
    assert!(missing.is_empty(), "never happened: {missing:?}");
}

/// Reasons that the random traffic is to meet; else it would prove little.
fn expected(socket_type: SocketType) -> &'static [Reason] {
    use SocketType::*;
    match socket_type {
        Pub | Xpub | Radio => &[Reason::HighWaterMark, Reason::NoSubscriber, Reason::Disconnected],
        Sub => &[Reason::Filtered],
        Dish => &[Reason::Filtered, Reason::Malformed],
        Xsub => &[Reason::HighWaterMark, Reason::Disconnected],
        Router => &[Reason::HighWaterMark, Reason::Unroutable, Reason::Malformed, Reason::Disconnected],
        Rep => &[Reason::Malformed, Reason::HighWaterMark, Reason::Disconnected],
        Req => &[Reason::Malformed, Reason::Disconnected],
        Server | Peer | Client | Gather | Channel => &[Reason::Malformed],
        Pair | Push | Dealer | Stream | Scatter | Dgram => &[Reason::Disconnected],
        Pull => &[],
    }
}
