//! Heartbeats over real streams: what a side says unasked.

use super::halves::{NO_LIMITS, pipes, streams};
use super::panics::{Fixture, PATIENCE, SocketPipe, greet_as, pull};
use super::ws::ends;
use crate::engine::Heartbeat;
use crate::engine::zmtp::Version;
use crate::engine::zmtp::heartbeat::{Action, Intervals, SendState};
use crate::message::OutFrame;
use crate::options::{SocketOptions, SocketType};
use crate::pipe::{End, LaneOptions, Pipe, pair};
use crate::session::Listening;
use crate::session::connection::recv::{Received, RecvForm, RecvHalf};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

/// Asks for signs within 300 ms, and the answer.
const PING: &[u8] = b"\x04\x0f\x04PING\0\0LIFE\0\0\x01\x2c";
const ANSWER: &[u8] = b"\x04\x0d\x04PONGLIFE\0\0\x01\x2c";
const PONG: &[u8] = b"\x04\x05\x04PONG";

fn watching(socket_type: SocketType) -> SocketOptions {
    let mut options = SocketOptions::new(socket_type);
    // None but the first comes in the time of a test.
    options.heartbeat_ivl_ms = 3_600_000;
    options.heartbeat_timeout_ms = 300;
    options
}

/// A peer that has connected and shaken hands.
fn accept(options: SocketOptions, peer_type: &[u8; 4]) -> (Fixture, Listening, TcpStream, SocketPipe) {
    let fixture = Fixture::new(options);
    let (listening, address) = fixture.listen();
    let peer = greet_as(peer_type, TcpStream::connect(&address).unwrap());
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let pipe = fixture.pipe();
    fixture.until_connected();
    (fixture, listening, peer, pipe)
}

/// The bytes behind what the library says of itself, as many as these.
pub(super) fn expect(peer: &mut TcpStream, expected: &[u8]) {
    let mut bytes = vec![0; expected.len()];
    peer.read_exact(&mut bytes).unwrap();
    assert_eq!(bytes, expected);
}

/// Reads the greeting and READY, which end so.
pub(super) fn skip_handshake(peer: &mut TcpStream) {
    let mut seen = vec![0; 66];
    peer.read_exact(&mut seen).unwrap();
    let mut ready = vec![0; usize::from(seen[65])];
    peer.read_exact(&mut ready).unwrap();
}

#[test]
fn side_that_does_not_read_says_that_it_lives_to_a_peer_that_asks_for_it() {
    let mut options = pull();
    options.rcvhwm = 10;
    let (fixture, listening, mut peer, mut pipe) = accept(options, b"PUSH");
    skip_handshake(&mut peer);
    peer.write_all(PING).unwrap();
    expect(&mut peer, ANSWER);
    for number in 0..100 {
        peer.write_all(&[0, 1, number]).unwrap();
    }
    for round in 0..3 {
        // The program reads some, and the stream is read by its own thread, or by the I/O thread.
        (0..round * 10).for_each(|_| drop(pipe.recv()));
        expect(&mut peer, &PONG.repeat(3));
    }
    listening.close();
    drop(pipe);
    fixture.end();
}

#[test]
fn signs_begin_as_well_where_a_thread_of_the_program_has_read_the_ping() {
    let mut options = pull();
    options.rcvhwm = 10;
    let (fixture, listening, mut peer, mut pipe) = accept(options, b"PUSH");
    skip_handshake(&mut peer);
    let mut bytes: Vec<u8> = (0..50).flat_map(|number| [0, 1, number]).collect();
    bytes.extend_from_slice(PING);
    bytes.extend((50..150).flat_map(|number| [0, 1, number]));
    peer.write_all(&bytes).unwrap();
    (0..60).for_each(|number| assert_eq!(pipe.recv(), [number]));
    expect(&mut peer, &[ANSWER, &PONG.repeat(3)].concat());
    listening.close();
    drop(pipe);
    fixture.end();
}

#[test]
fn the_first_ping_goes_before_the_first_message() {
    for (socket_type, peer_type) in [(SocketType::Push, b"PULL"), (SocketType::Radio, b"DISH")] {
        let (fixture, listening, mut peer, pipe) = accept(watching(socket_type), peer_type);
        skip_handshake(&mut peer);
        expect(&mut peer, PING);
        listening.close();
        drop(pipe);
        fixture.end();
    }
}

#[test]
fn a_peer_that_may_have_said_all_gets_no_first_ping_but_with_messages() {
    for waiting in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let fixture = Fixture::new(watching(SocketType::Pair));
        let options = LaneOptions { hwm: 10, conflate: false };
        let (ours, theirs) = pair(options, options).unwrap();
        let mut pipe = SocketPipe::new(ours);
        let mut send = || {
            assert!(pipe.pipe.write(&mut OutFrame::bytes(b"x", false)).unwrap());
            pipe.pipe.flush();
        };
        if waiting {
            send();
        }
        let session = fixture.connect(&listener.local_addr().unwrap().to_string(), theirs);
        let mut peer = greet_as(b"PAIR", listener.accept().unwrap().0);
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        fixture.until_connected();
        skip_handshake(&mut peer);
        if !waiting {
            // The answer shows that the session has begun without a message.
            peer.write_all(b"\x04\x07\x04PING\0\0").unwrap();
            expect(&mut peer, PONG);
            send();
        }
        expect(&mut peer, &if waiting { [PING, b"\0\x01x"].concat() } else { b"\0\x01x".to_vec() });
        drop((session, pipe));
        fixture.end();
    }
}

pub(super) fn zmtp() -> RecvForm {
    RecvForm::Zmtp(Version::V3_1)
}

/// A half whose peer is given up within 300 ms of its last byte, and its peer's stream.
pub(super) fn watched(form: RecvForm, conflate: bool) -> (Pipe, (RecvHalf, End), UnixStream, UnixStream) {
    let (ours, theirs) = streams();
    let (left, right) = pipes(2, conflate);
    let (_, writer, end) = right.into_parts();
    let heartbeat = Heartbeat::start(Intervals { ping_ms: 100, timeout_ms: 100, ttl_ds: 0 }, 0);
    let half = RecvHalf::new(writer, form, NO_LIMITS, Some(heartbeat));
    (left, (half, end), ours, theirs)
}

/// Whether the peer is given up in the two seconds from `from_ms` on. `receive`: what the session does before it asks.
pub(super) fn is_given_up(
    half: &mut RecvHalf,
    from_ms: u64,
    mut receive: impl FnMut(&mut RecvHalf, u64),
) -> bool {
    // The stream has taken all that it was given.
    let state = SendState { control_ends: Some(0), ..SendState::default() };
    (from_ms..from_ms + 2000).step_by(10).any(|now_ms| {
        receive(half, now_ms);
        let beat = half.heartbeat_mut().unwrap();
        let action = beat.poll(now_ms, &state);
        if action == Action::SendPing {
            beat.append_ping(b"", &mut Vec::new());
        }
        action == Action::Expired
    })
}

#[test]
fn a_dead_peer_is_found_after_the_credit_has_come_back_on_any_thread() {
    let (mut left, (mut half, _end), ours, mut theirs) = watched(zmtp(), false);
    theirs.write_all(&b"\0\x01x".repeat(5)).unwrap();
    assert_eq!(half.receive(ours.as_fd(), 0, &mut Vec::new()), Received::NoCredit);
    assert!(!is_given_up(&mut half, 0, |_, _| {}), "it is not heard");
    let mut read = 0;
    // Whichever thread receives, and however it has learnt of the credit.
    while half.receive(ours.as_fd(), 2000, &mut Vec::new()) == Received::NoCredit {
        while left.read().is_some() {
            read += 1;
        }
        assert!(read <= 5);
    }
    assert!(is_given_up(&mut half, 2000, |_, _| {}), "it is heard again, and so its silence is");
}

#[test]
fn a_peer_that_dies_within_a_frame_is_found() {
    // A message, and the beginning of another one.
    let bytes: [(_, _, &[u8]); 3] = [
        (zmtp(), false, b"\0\x01x\0\x05ab"),
        (zmtp(), true, b"\0\x01x\0\x05ab"),
        (RecvForm::Ws(ends(1, false).1), false, b"\x82\x02\0x\x82\x06\0ab"),
    ];
    for (number, (form, conflate, bytes)) in bytes.into_iter().enumerate() {
        let (_left, (mut half, _end), ours, mut theirs) = watched(form, conflate);
        theirs.write_all(bytes).unwrap();
        let given_up = is_given_up(&mut half, 0, |half, now_ms| {
            assert_eq!(half.receive(ours.as_fd(), now_ms, &mut Vec::new()), Received::Blocked);
        });
        assert!(given_up, "{number}");
    }
}
