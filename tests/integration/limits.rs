//! What peers can make a context hold has a bound, and those of good will get on meanwhile.

use crate::support::program::{Context, Monitor};
use crate::support::zmtp::{COMMAND, Version, greeting, header};
use crate::support::{PATIENCE, PATIENCE_MS};
use std::ffi::c_int;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use zmq::ffi::constants::*;
use zmq::ffi::{zmq_ctx_get, zmq_ctx_set};
use zmq::options::number::{
    ZMQ_FERRO_MAX_HANDSHAKES_SIZE, ZMQ_FERRO_MAX_SUBSCRIPTIONS_SIZE, ZMQ_RCVTIMEO, ZMQ_SUBSCRIBE,
};

/// What a handshake counts as.
const HANDSHAKE_BYTES: c_int = 4096;

fn connection(endpoint: &str) -> TcpStream {
    let stream = TcpStream::connect(endpoint.strip_prefix("tcp://").unwrap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A peer that greets, waits for our greeting, and says no more.
fn half_a_handshake(endpoint: &str) -> TcpStream {
    let mut stream = connection(endpoint);
    stream.write_all(&greeting(3, "NULL")).unwrap();
    stream.read_exact(&mut [0; 64]).unwrap();
    stream
}

/// Reads on until the other side has closed.
fn is_closed(stream: &mut TcpStream) -> bool {
    loop {
        match stream.read(&mut [0; 256]) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == ErrorKind::ConnectionReset,
        }
    }
}

/// Whether it stands, as far as can be seen now.
fn stands(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    loop {
        match stream.read(&mut [0; 256]) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
}

/// The next event, and its value.
fn refusal(monitor: Monitor) -> (c_int, c_int) {
    let (event, value, _) = monitor.try_event(0).expect("an event");
    (event, value)
}

#[test]
fn half_handshakes_make_room_for_new_ones() {
    let context = Context::new();
    assert_eq!(zmq_ctx_get(context.0, ZMQ_FERRO_MAX_HANDSHAKES_SIZE), 64 << 20);
    assert_eq!(zmq_ctx_set(context.0, ZMQ_FERRO_MAX_HANDSHAKES_SIZE, 4 * HANDSHAKE_BYTES), 0);
    let pull = context.bound(ZMQ_PULL, "tcp://127.0.0.1:*");
    pull.set(ZMQ_RCVTIMEO, PATIENCE_MS);
    let events = Monitor::of_events(context, pull, ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL);
    let endpoint = pull.last_endpoint();
    let mut peers: Vec<_> = (0..4).map(|_| half_a_handshake(&endpoint)).collect();
    assert!(peers.iter_mut().all(stands), "as many as there is room for");
    for peer in &peers {
        peer.set_nonblocking(false).unwrap();
    }
    // One more, and the oldest goes; each of those that follow takes the place of another.
    for _ in 0..3 {
        peers.push(half_a_handshake(&endpoint));
        assert!(is_closed(&mut peers.remove(0)));
        assert_eq!(refusal(events), (ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL, libc::ENOBUFS));
    }
    // A peer of good will gets in, and is counted no more once it has.
    let push = context.connected(ZMQ_PUSH, &endpoint);
    push.send(&["through"]);
    assert_eq!(pull.recv(), ["through"]);
    assert!(is_closed(&mut peers.remove(0)));
    peers.push(half_a_handshake(&endpoint));
    assert!(peers.iter_mut().all(stands), "the one that is in needs no room");
    push.send(&["again"]);
    assert_eq!(pull.recv(), ["again"]);
    context.end(&[push, pull, events.0]);
}

/// As [`half_a_handshake`], and the beginning of a frame that does not end.
fn half_a_frame(endpoint: &str) -> TcpStream {
    let mut stream = half_a_handshake(endpoint);
    let frame = [&header(Version::V3, COMMAND, 32_000)[..], &[b'x'; HALF_A_FRAME]].concat();
    stream.write_all(&frame).unwrap();
    stream
}

/// With greeting and header that is a little less than five times what a handshake counts as.
const HALF_A_FRAME: usize = 5 * HANDSHAKE_BYTES as usize - 100;

#[test]
fn half_frames_count_by_their_size_until_their_peers_go() {
    let context = Context::new();
    assert_eq!(zmq_ctx_set(context.0, ZMQ_FERRO_MAX_HANDSHAKES_SIZE, 16 * HANDSHAKE_BYTES), 0);
    let pull = context.bound(ZMQ_PULL, "tcp://127.0.0.1:*");
    pull.set(ZMQ_RCVTIMEO, PATIENCE_MS);
    let events = Monitor::of_events(context, pull, ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL);
    let endpoint = pull.last_endpoint();
    let mut peers: Vec<_> = (0..8).map(|_| half_a_handshake(&endpoint)).collect();
    let mut long = vec![half_a_frame(&endpoint)];
    assert!(peers.iter_mut().all(stands), "14 of 16");
    long.push(half_a_frame(&endpoint));
    for mut peer in peers.drain(..4) {
        peer.set_nonblocking(false).unwrap();
        assert!(is_closed(&mut peer), "20 of 16 were it not for four");
        assert_eq!(refusal(events), (ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL, libc::ENOBUFS));
    }
    let push = context.connected(ZMQ_PUSH, &endpoint);
    push.send(&["through"]);
    assert_eq!(pull.recv(), ["through"]);
    assert!(is_closed(&mut peers.remove(0)), "the honest one takes its place for a while");
    assert!(peers.iter_mut().chain(&mut long).all(stands));
    for mut peer in long {
        peer.set_nonblocking(false).unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        assert!(is_closed(&mut peer));
    }
    peers.extend((3..16).map(|_| half_a_handshake(&endpoint)));
    assert!(peers.iter_mut().all(stands), "all of it was given back");
    context.end(&[push, pull, events.0]);
}

/// READY of a SUB.
fn ready() -> Vec<u8> {
    let mut command = b"\x05READY\x0bSocket-Type\0\0\0\x03SUB".to_vec();
    command.splice(..0, [4, command.len() as u8]);
    command
}

#[test]
fn a_peer_that_subscribes_to_too_much_is_cut_off_and_others_are_not() {
    let context = Context::new();
    let xpub = context.socket(ZMQ_XPUB);
    assert_eq!(xpub.int(ZMQ_FERRO_MAX_SUBSCRIPTIONS_SIZE), Ok(128 << 20));
    // Ten topics of 36 bytes.
    xpub.set(ZMQ_FERRO_MAX_SUBSCRIPTIONS_SIZE, 1000);
    xpub.set(ZMQ_RCVTIMEO, PATIENCE_MS);
    xpub.bind("tcp://127.0.0.1:*");
    let endpoint = xpub.last_endpoint();
    let events =
        Monitor::of_events(context, xpub, ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_DISCONNECTED);
    let good = context.connected(ZMQ_SUB, &endpoint);
    good.set(ZMQ_RCVTIMEO, PATIENCE_MS);
    good.set_bytes(ZMQ_SUBSCRIBE, b"good");
    assert_eq!(xpub.recv(), ["\x01good"]);
    let mut bad = half_a_handshake(&endpoint);
    bad.write_all(&ready()).unwrap();
    let topic = |number: usize| format!("\x01{number:036}");
    for number in 0..10 {
        bad.write_all(&[&[0, 37], topic(number).as_bytes()].concat()).unwrap();
        assert_eq!(xpub.recv(), [topic(number)]);
    }
    // What is there already needs no room, and what is unsubscribed from makes some.
    bad.write_all(&[&[0, 37], topic(3).as_bytes()].concat()).unwrap();
    bad.write_all(&[&[0, 37], topic(0).replace('\x01', "\0").as_bytes()].concat()).unwrap();
    assert_eq!(xpub.recv(), [topic(0).replace('\x01', "\0")]);
    for number in [10, 11] {
        bad.write_all(&[&[0, 37], topic(number).as_bytes()].concat()).unwrap();
    }
    assert_eq!(xpub.recv(), [topic(10)]);
    // The eleventh is never heard of, and all others are taken back.
    for number in 1..=10 {
        assert_eq!(xpub.recv(), [topic(number).replace('\x01', "\0")]);
    }
    assert!(is_closed(&mut bad));
    assert_eq!(refusal(events), (ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL, libc::ENOBUFS));
    assert_eq!(events.event(), ZMQ_EVENT_DISCONNECTED);
    xpub.send(&["good news"]);
    assert_eq!(good.recv(), ["good news"]);
    context.end(&[xpub, good, events.0]);
}
