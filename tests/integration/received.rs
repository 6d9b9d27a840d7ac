//! What has been received is delivered, however the connection ends: only the program itself can drop it.

use crate::support::program::{Context, Socket};
use crate::support::random::Random;
use crate::support::zmtp::{MORE, Version, frame, hello};
use crate::support::{PATIENCE, PATIENCE_MS};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};
use zmq::ffi::constants::*;
use zmq::options::draft_number::{ZMQ_RECONNECT_STOP, ZMQ_RECONNECT_STOP_CONN_REFUSED};
use zmq::options::number::*;

/// The peer's end of a stream. It is no socket of the library: it says what the test says, and goes when that says so.
enum Peer {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// How a peer goes.
#[derive(Clone, Copy, Debug)]
enum End {
    /// It has sent all, closes and is gone.
    Closes,
    /// In the middle of a message.
    Breaks,
    /// It takes back what it can.
    Resets,
}

impl Peer {
    fn write(&mut self, bytes: &[u8]) {
        match self {
            Peer::Tcp(stream) => stream.write_all(bytes).unwrap(),
            Peer::Unix(stream) => stream.write_all(bytes).unwrap(),
        }
    }

    /// Whatever has come.
    fn read_some(&mut self) {
        let mut bytes = [0; 4096];
        let _ = match self {
            Peer::Tcp(stream) => stream.read(&mut bytes),
            Peer::Unix(stream) => stream.read(&mut bytes),
        };
    }

    /// Until the library's system has all that was written. A Unix socket has it at once.
    fn wait_until_passed(&self) {
        let Peer::Tcp(stream) = self else { return };
        let start = Instant::now();
        loop {
            let mut held = 0;
            // SAFETY: the request writes an int.
            assert_eq!(unsafe { libc::ioctl(stream.as_raw_fd(), libc::TIOCOUTQ, &raw mut held) }, 0);
            if held == 0 {
                return;
            }
            assert!(start.elapsed() < PATIENCE);
            std::thread::yield_now();
        }
    }

    fn end(self, end: End) {
        self.wait_until_passed();
        if let (Peer::Tcp(stream), End::Resets) = (&self, end) {
            let abort = libc::linger { l_onoff: 1, l_linger: 0 };
            let (level, name) = (libc::SOL_SOCKET, libc::SO_LINGER);
            let size = size_of::<libc::linger>() as libc::socklen_t;
            // SAFETY: the pointer is to a value of that size.
            let rc =
                unsafe { libc::setsockopt(stream.as_raw_fd(), level, name, (&raw const abort).cast(), size) };
            assert_eq!(rc, 0);
        }
        drop(match self {
            Peer::Tcp(stream) => OwnedFd::from(stream),
            Peer::Unix(stream) => OwnedFd::from(stream),
        });
    }
}

/// How the stream comes about.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// The socket binds.
    Bound,
    /// It connects, and never again (`ZMQ_RECONNECT_IVL`).
    ConnectedOnce,
    /// It connects again until it is refused (`ZMQ_RECONNECT_STOP`).
    ConnectedUntilRefused,
    /// It tries for ever.
    Connected,
}

/// A stream between the socket and a peer that goes by itself. Nobody listens for the socket any more.
fn join(socket: Socket, way: Way, tcp: bool, name: &str) -> Peer {
    match way {
        Way::Bound => {}
        Way::ConnectedOnce => socket.set(ZMQ_RECONNECT_IVL, -1),
        Way::ConnectedUntilRefused => {
            socket.set(ZMQ_RECONNECT_IVL, 1);
            socket.set(ZMQ_RECONNECT_STOP, ZMQ_RECONNECT_STOP_CONN_REFUSED);
        }
        Way::Connected => socket.set(ZMQ_RECONNECT_IVL, 1),
    }
    match (way, tcp) {
        (Way::Bound, true) => {
            socket.bind("tcp://127.0.0.1:0");
            let endpoint = socket.last_endpoint();
            Peer::Tcp(TcpStream::connect(endpoint.trim_start_matches("tcp://")).unwrap())
        }
        (Way::Bound, false) => {
            socket.bind("ipc://*");
            let endpoint = socket.last_endpoint();
            Peer::Unix(UnixStream::connect(endpoint.trim_start_matches("ipc://")).unwrap())
        }
        (_, true) => {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            socket.connect(&format!("tcp://{}", listener.local_addr().unwrap()));
            Peer::Tcp(listener.accept().unwrap().0)
        }
        (_, false) => {
            let path = std::env::temp_dir().join(format!("zmq-{}-{name}", std::process::id()));
            let _ = std::fs::remove_file(&path);
            let listener = UnixListener::bind(&path).unwrap();
            socket.connect(&format!("ipc://{}", path.display()));
            let peer = listener.accept().unwrap().0;
            std::fs::remove_file(&path).unwrap();
            Peer::Unix(peer)
        }
    }
}

type Message = Vec<Vec<u8>>;

/// A message that is like no other, in bytes on the wire as well.
fn message(random: &mut Random, number: usize) -> (Message, Vec<u8>) {
    let frames = random.one_of(&[1, 1, 1, 2, 3]);
    let message: Message = (0..frames)
        .map(|part| {
            let mut body = format!("{number}.{part}").into_bytes();
            body.resize(body.len() + random.one_of(&[0, 1, 100, 300, 1500, 9000]), b'x');
            body
        })
        .collect();
    let wire = message.iter().enumerate().flat_map(|(part, body)| {
        let flags = if part + 1 < frames { MORE } else { 0 };
        frame(Version::V3, flags, body)
    });
    let wire = wire.collect();
    (message, wire)
}

fn try_recv_all(socket: Socket, flags: i32) -> Result<Message, i32> {
    let mut frames = vec![socket.try_recv(flags)?];
    while socket.int(ZMQ_RCVMORE) == Ok(1) {
        frames.push(socket.try_recv(flags).expect("a part of a message"));
    }
    Ok(frames)
}

/// Receives the next, which is to be this one.
fn expect(socket: Socket, kind: i32, expected: &Message, what: &str) {
    let mut got = try_recv_all(socket, 0).unwrap_or_else(|errno| panic!("errno {errno}, {what}"));
    if kind == ZMQ_ROUTER {
        got.remove(0);
    }
    assert!(got == *expected, "{what}: {} frames, {:?}", got.len(), got.first().map(Vec::len));
}

/// One peer that sends, and goes; the program reads a little before, says something that nobody hears any more, and reads the rest.
fn run(seed: u64) {
    let mut random = Random::seeded(seed);
    let (kind, peer_type) = random.one_of(&[
        (ZMQ_PULL, "PUSH"),
        (ZMQ_DEALER, "DEALER"),
        (ZMQ_PAIR, "PAIR"),
        (ZMQ_ROUTER, "DEALER"),
        (ZMQ_SUB, "PUB"),
        (ZMQ_XSUB, "PUB"),
    ]);
    let way = random.one_of(&[Way::Bound, Way::ConnectedOnce, Way::ConnectedUntilRefused, Way::Connected]);
    let end = random.one_of(&[End::Closes, End::Breaks, End::Resets]);
    let tcp = random.one_in(2);
    let what = format!("seed {seed}: {peer_type} to {kind} {way:?} {end:?} tcp {tcp}");
    let context = Context::new();
    let socket = context.socket(kind);
    socket.set(ZMQ_RCVTIMEO, PATIENCE_MS);
    socket.set(ZMQ_RCVHWM, random.one_of(&[1, 2, 5, 1000]));
    if random.one_in(2) {
        socket.set(ZMQ_HEARTBEAT_IVL, 1);
        socket.set(ZMQ_HEARTBEAT_TTL, 60_000);
        socket.set(ZMQ_HEARTBEAT_TIMEOUT, 60_000);
    }
    if kind == ZMQ_SUB {
        socket.set_bytes(ZMQ_SUBSCRIBE, b"");
    }
    let mut peer = join(socket, way, tcp, &seed.to_string());
    peer.write(&hello(Version::V3, peer_type, b"peer"));
    // No more than the system takes at once, so that the peer can be gone before the program has read anything.
    let (mut messages, mut bytes) = (Vec::new(), 0);
    while bytes < 30_000 && messages.len() < 60 {
        let (message, wire) = message(&mut random, messages.len());
        peer.write(&wire);
        bytes += wire.len();
        messages.push(message);
    }
    let mut rest = messages.iter();
    for message in rest.by_ref().take(random.below(messages.len() + 1)) {
        expect(socket, kind, message, &what);
    }
    if random.one_in(2) {
        peer.read_some();
    }
    if let End::Breaks = end {
        peer.write(&frame(Version::V3, MORE, b"never whole"));
    }
    peer.end(end);
    if matches!(kind, ZMQ_DEALER | ZMQ_PAIR | ZMQ_ROUTER) {
        for _ in 0..random.below(8) {
            // It goes nowhere, or waits for the next connection.
            if kind == ZMQ_ROUTER {
                let _ = socket.try_send(b"peer", ZMQ_DONTWAIT | ZMQ_SNDMORE);
            }
            let _ = socket.try_send(&[7; 2000], ZMQ_DONTWAIT);
            std::thread::sleep(Duration::from_micros(200));
        }
    }
    // The more has failed by then the better; it is right in any case.
    std::thread::sleep(Duration::from_millis(random.one_of(&[0, 3, 10])));
    for message in rest {
        expect(socket, kind, message, &what);
    }
    assert_eq!(socket.try_recv(ZMQ_DONTWAIT), Err(libc::EAGAIN), "{what}");
    socket.close();
    context.term();
}

#[test]
fn all_whole_messages_of_a_peer_that_is_gone_are_read() {
    (0..300).for_each(run);
}

#[test]
fn what_a_peer_says_before_it_closes_at_once_reaches_a_stream_socket() {
    for (number, (way, tcp)) in [Way::ConnectedOnce, Way::ConnectedUntilRefused, Way::Bound]
        .into_iter()
        .flat_map(|way| [(way, true), (way, false)])
        .cycle()
        .take(60)
        .enumerate()
    {
        let what = format!("{way:?} tcp {tcp}");
        let context = Context::new();
        let socket = context.socket(ZMQ_STREAM);
        socket.set(ZMQ_RCVTIMEO, PATIENCE_MS);
        let mut peer = join(socket, way, tcp, &format!("stream-{number}"));
        peer.write(b"answer");
        peer.end(if number % 2 == 0 { End::Closes } else { End::Resets });
        // Somebody there, what it said, and that it is gone.
        let mut id = Vec::new();
        for expected in [&b""[..], b"answer", b""] {
            let got = try_recv_all(socket, 0).unwrap_or_else(|errno| panic!("errno {errno}, {what}"));
            assert!(id.is_empty() || id == got[0], "{what}");
            id.clone_from(&got[0]);
            assert_eq!(got[1], expected, "{what}");
            // It may be gone by now; what it said is there all the same.
            if socket.try_send(&id, ZMQ_DONTWAIT | ZMQ_SNDMORE).is_ok() {
                let _ = socket.try_send(b"late", ZMQ_DONTWAIT);
            }
        }
        socket.close();
        context.term();
    }
}

#[test]
fn an_endpoint_that_was_given_up_can_be_connected_to_again() {
    let context = Context::new();
    let socket = context.socket(ZMQ_DEALER);
    socket.set(ZMQ_RCVTIMEO, PATIENCE_MS);
    socket.set(ZMQ_RECONNECT_IVL, -1);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    for round in 0..20 {
        // A DEALER connects to an endpoint once at a time: it has to have forgotten the last.
        let start = Instant::now();
        listener.set_nonblocking(true).unwrap();
        let accepted = loop {
            socket.connect(&endpoint);
            match listener.accept() {
                Ok((stream, _)) => break stream,
                Err(_) => std::thread::yield_now(),
            }
            assert!(start.elapsed() < PATIENCE, "round {round}");
        };
        accepted.set_nonblocking(false).unwrap();
        let mut peer = Peer::Tcp(accepted);
        peer.write(&hello(Version::V3, "DEALER", b""));
        peer.write(&frame(Version::V3, 0, format!("round {round}").as_bytes()));
        peer.end(End::Closes);
    }
    // Each by a pipe of its own, so in any order.
    let mut got: Vec<_> = (0..20).map(|_| socket.recv()[0].clone()).collect();
    let mut expected: Vec<_> = (0..20).map(|round| format!("round {round}")).collect();
    got.sort();
    expected.sort();
    assert_eq!(got, expected);
    socket.close();
    context.term();
}

#[test]
fn a_sender_that_has_lingered_and_gone_is_asked_in_vain_and_loses_nothing() {
    const MESSAGES: usize = 400;
    const BYTES: usize = 5000;
    let context = Context::new();
    let socket = context.socket(ZMQ_PUSH);
    socket.set(ZMQ_LINGER, -1);
    socket.set(ZMQ_HEARTBEAT_IVL, 60_000);
    let mut peer = join(socket, Way::Connected, true, "lingered");
    peer.write(&hello(Version::V3, "PULL", b""));
    for _ in 0..MESSAGES {
        socket.try_send(&[7; BYTES], 0).unwrap();
    }
    socket.close();
    let Peer::Tcp(mut stream) = peer else { panic!("a tcp stream was asked for") };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut received = Vec::new();
    let mut room = vec![0; 50_000];
    loop {
        // What a peer says that keeps watch. To a stream that was closed too soon it is what ends it.
        let _ = stream.write(b"\x04\x07\x04PING\0\0");
        std::thread::sleep(Duration::from_millis(5));
        match stream.read(&mut room) {
            Ok(0) | Err(_) => break,
            Ok(n) => received.extend_from_slice(&room[..n]),
        }
    }
    let wire: usize = frame(Version::V3, 0, &[7; BYTES]).len();
    assert!(received.len() >= MESSAGES * wire, "{} of {}", received.len(), MESSAGES * wire);
    context.term();
}

#[test]
fn three_peers_of_a_pair_are_read_one_after_the_other_though_two_have_gone() {
    let context = Context::new();
    let pair = context.patient(ZMQ_PAIR);
    let meets = |number: &str| {
        let peer = context.bound(ZMQ_PAIR, &format!("inproc://{number}"));
        pair.connect(&format!("inproc://{number}"));
        peer.send(&[number]);
        peer
    };
    meets("1").close();
    meets("2").close();
    assert_eq!(pair.recv(), ["1"]);
    let third = meets("3");
    assert_eq!((pair.recv(), pair.recv()), (vec!["2".to_string()], vec!["3".to_string()]));
    context.end(&[pair, third]);
}

/// A publisher's program may never receive. Messages that one of its peers sends are that peer's affair.
#[test]
fn a_publisher_that_only_sends_has_late_subscribers_though_a_peer_sends_messages() {
    for endpoint in ["tcp://127.0.0.1:*", "inproc://publisher"] {
        let context = Context::new();
        let publisher = context.socket(ZMQ_XPUB);
        publisher.bind(endpoint);
        let endpoint = publisher.last_endpoint();
        let talker = context.connected(ZMQ_XSUB, &endpoint);
        let publish_until_heard = |subscriber: Socket| {
            let end = Instant::now() + PATIENCE;
            while subscriber.try_recv(ZMQ_DONTWAIT) != Ok(b"topic".to_vec()) {
                assert!(Instant::now() < end, "{endpoint}: the subscriber is not heard");
                publisher.send(&["topic"]);
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        let subscriber = || {
            let subscriber = context.connected(ZMQ_SUB, &endpoint);
            subscriber.set_bytes(ZMQ_SUBSCRIBE, b"topic");
            subscriber
        };
        let early = subscriber();
        for _ in 0..5 {
            (0..500).for_each(|_| talker.send(&["no subscription"]));
            publish_until_heard(early);
        }
        let late = subscriber();
        publish_until_heard(late);
        context.end(&[publisher, talker, early, late]);
    }
}
