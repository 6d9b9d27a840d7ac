//! A peer that comes and goes while the program of a socket that connects to it receives nothing, or makes no call at all.

use super::heartbeats::skip_handshake;
use super::panics::{Fixture, hello};
use crate::counters::SocketRecord;
use crate::options::draft_number::{ZMQ_NOTIFY_CONNECT, ZMQ_NOTIFY_DISCONNECT};
use crate::options::{SocketOptions, SocketType};
use crate::pipe::{self, LaneOptions, LaneWriter, Pipe, PipeEvent, PipeId};
use crate::session::socket_link::SocketEnd;
use crate::session::{Command, SocketLink};
use std::ffi::CString;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

const HWM: i32 = 10;
const TIMES: u8 = 40;

fn options(socket_type: SocketType) -> SocketOptions {
    let mut options = SocketOptions::new(socket_type);
    options.reconnect_ivl_ms = 1;
    options
}

/// A socket that has connected to a peer, and has never read its end of the pipe.
struct Scene {
    fixture: Fixture,
    listener: TcpListener,
    ours: Pipe,
}

impl Scene {
    fn new(options: SocketOptions) -> Scene {
        let fixture = Fixture::new(options);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let lane = LaneOptions { hwm: HWM, conflate: false };
        let (ours, theirs) = pipe::pair(lane, lane).unwrap();
        fixture.connect(&listener.local_addr().unwrap().to_string(), theirs);
        Scene { fixture, listener, ours }
    }

    /// The peer comes, and says its number.
    fn meet(&self, peer_type: &[u8], number: u8) -> TcpStream {
        let (mut peer, _) = self.listener.accept().unwrap();
        let property = [&b"\x08X-Number\0\0\0\x01"[..], &[b'a' + number]].concat();
        let mut hello = hello(peer_type);
        hello[65] += u8::try_from(property.len()).unwrap();
        peer.write_all(&[hello, property].concat()).unwrap();
        skip_handshake(&mut peer);
        self.fixture.until_connected();
        peer
    }

    /// It comes and goes, `times` times.
    fn flap(&self, peer_type: &[u8], times: u8) {
        (0..times).for_each(|number| drop(self.meet(peer_type, number)));
    }

    /// The next message that there is to read: its body, and its peer's number.
    fn read(&mut self) -> Option<(Vec<u8>, u8)> {
        let frame = self.ours.read()?;
        let body = frame.data().to_vec();
        let message = frame.into_msg().unwrap();
        let metadata = message.metadata().unwrap();
        let property = |name: &str| metadata.property(&CString::new(name).unwrap()).unwrap().to_bytes();
        assert_eq!(property("Peer-Address"), b"127.0.0.1");
        Some((body, property("X-Number")[0] - b'a'))
    }

    fn read_all(&mut self) -> Vec<(Vec<u8>, u8)> {
        std::iter::from_fn(|| self.read()).collect()
    }

    /// The next message, once it is there.
    fn wait(&mut self) -> (Vec<u8>, u8) {
        loop {
            if let Some(message) = self.read() {
                return message;
            }
            std::thread::yield_now();
        }
    }
}

#[test]
fn connections_that_bring_nothing_leave_nothing() {
    for (socket_type, peer_type) in [
        (SocketType::Push, &b"PULL"[..]),
        (SocketType::Scatter, b"GATHER"),
        (SocketType::Dealer, b"ROUTER"),
        (SocketType::Pair, b"PAIR"),
        (SocketType::Sub, b"PUB"),
        (SocketType::Pub, b"SUB"),
    ] {
        let mut scene = Scene::new(options(socket_type));
        scene.flap(peer_type, TIMES);
        let mut peer = scene.meet(peer_type, 100);
        assert_eq!(scene.ours.waiting(), (0, 1), "{socket_type:?}");
        peer.write_all(b"\0\x05first\0\x06second").unwrap();
        assert_eq!(scene.wait(), (b"first".to_vec(), 100), "{socket_type:?}");
        assert_eq!(scene.wait(), (b"second".to_vec(), 100), "{socket_type:?}");
        drop(peer);
        let mut peer = scene.meet(peer_type, 101);
        peer.write_all(b"\0\x05third").unwrap();
        assert_eq!(scene.wait(), (b"third".to_vec(), 101), "{socket_type:?}");
    }
}

#[test]
fn messages_that_are_not_read_keep_the_properties_of_their_connections() {
    let mut scene = Scene::new(options(SocketType::Dealer));
    for number in 0..TIMES {
        let mut peer = scene.meet(b"ROUTER", number);
        if number % 8 == 0 {
            peer.write_all(b"\0\x01x").unwrap();
        }
        // One that is not complete goes with its connection.
        peer.write_all(b"\x01\x04half").unwrap();
    }
    drop(scene.meet(b"ROUTER", 100));
    drop(scene.meet(b"ROUTER", 101));
    let numbers: Vec<_> = scene.read_all().into_iter().map(|(_, number)| number).collect();
    assert_eq!(numbers, [0, 8, 16, 24, 32]);
}

#[test]
fn a_routing_id_comes_once_by_a_pipe() {
    for (socket_type, peer_type) in [(SocketType::Router, &b"DEALER"[..]), (SocketType::Rep, b"REQ")] {
        let mut scene = Scene::new(options(socket_type));
        scene.flap(peer_type, TIMES);
        let mut peer = scene.meet(peer_type, 100);
        // An empty id has a header alone.
        assert_eq!(scene.ours.waiting().0, 2, "{socket_type:?}");
        assert!(scene.ours.waiting().1 <= 3, "{socket_type:?}");
        assert_eq!(scene.read(), Some((Vec::new(), 0)));
        peer.write_all(b"\0\x05first").unwrap();
        assert_eq!(scene.wait(), (b"first".to_vec(), 100), "{socket_type:?}");
    }
}

#[test]
fn notices_of_connections_pile_up_no_further_than_the_mark_and_a_few_more() {
    let most = usize::try_from(HWM).unwrap() + 8;
    let mut router = options(SocketType::Router);
    router.router_notify = ZMQ_NOTIFY_CONNECT | ZMQ_NOTIFY_DISCONNECT;
    let mut silent = options(SocketType::Router);
    silent.router_notify = ZMQ_NOTIFY_DISCONNECT;
    let mut dealer = options(SocketType::Dealer);
    dealer.hiccup_msg = b"again".to_vec();
    for (options, peer_type, of_connection) in
        [(router, &b"DEALER"[..], 2), (silent, b"DEALER", 1), (dealer, b"ROUTER", 1)]
    {
        let mut scene = Scene::new(options);
        scene.flap(peer_type, TIMES);
        drop(scene.meet(peer_type, 100));
        let _last = scene.meet(peer_type, 101);
        let mut notices = scene.read_all();
        if peer_type == b"DEALER" {
            assert_eq!(notices.remove(0), (Vec::new(), 0), "the routing id");
        }
        assert_eq!(notices.len(), most);
        for (at, (_, number)) in notices.iter().enumerate() {
            assert_eq!(usize::from(*number), at / of_connection, "each has those of its own connection");
        }
    }
}

#[test]
fn a_socket_hears_of_the_last_hiccup_alone() {
    let link = Arc::new(SocketLink::new(0, SocketRecord::default()));
    let lane = LaneOptions { hwm: HWM, conflate: false };
    let (ours, theirs) = pipe::pair(lane, lane).unwrap();
    ours.set_owner(Arc::new(SocketEnd { owner: Arc::clone(&link), id: PipeId::default() }));
    let (_, _, end) = theirs.into_parts();
    let mut readers: Vec<_> = (0..TIMES).map(|_| end.hiccup(lane).unwrap()).collect();
    let mut commands = Vec::new();
    link.mailbox.take(&mut commands);
    let mut writers: Vec<LaneWriter> = commands
        .into_iter()
        .map(|command| match command {
            Command::Pipe(_, PipeEvent::Hiccup(writer)) => *writer,
            _ => unreachable!(),
        })
        .collect();
    assert_eq!(writers.len(), 1);
    writers[0].append_subscription(true, b"x").unwrap();
    writers[0].flush();
    assert!(readers.pop().unwrap().check());
}
