//! A mark that is lowered below what waits, between two frames of a message: that message goes on whole.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::testing::{Bench, Peer};
use crate::counters::{ContextRecord, Reason, Snapshot, SocketRecord};
use crate::message::OutFrame;
use crate::options::SocketType;
use crate::options::number::{ZMQ_REQ_RELAXED, ZMQ_ROUTER_MANDATORY};
use crate::pipe::Pipes;

/// Messages that wait when the mark goes down to one.
const WAITING_MESSAGES: usize = 3;

fn bench(socket_type: SocketType) -> (Bench, Peer) {
    let mut bench = Bench::new(socket_type);
    bench.pipes = Pipes::of(SocketRecord::of(&ContextRecord::begin(), "TESTED"));
    match socket_type {
        SocketType::Req => bench.set(ZMQ_REQ_RELAXED, 1),
        SocketType::Router => bench.set(ZMQ_ROUTER_MANDATORY, 1),
        _ => {}
    }
    let mut peer = if socket_type == SocketType::Router { bench.connect_as("peer") } else { bench.connect() };
    if matches!(socket_type, SocketType::Pub | SocketType::Xpub) {
        peer.subscribe(true, "");
    }
    (bench, peer)
}

/// What stands before the body of each message that is sent.
fn address(bench: &mut Bench, peer: &mut Peer, socket_type: SocketType) -> Option<Vec<u8>> {
    match socket_type {
        SocketType::Router => Some(b"peer".to_vec()),
        SocketType::Dgram => Some(b"127.0.0.1:5".to_vec()),
        SocketType::Stream => {
            peer.send(&[""]);
            bench.settle();
            let address = bench.pattern.recv(&mut bench.pipes).unwrap().data().to_vec();
            bench.recv();
            Some(address)
        }
        _ => None,
    }
}

/// The last message that the peer gets.
fn last(peer: &mut Peer) -> Vec<String> {
    std::iter::from_fn(|| Some(peer.recv()).filter(|message| !message.is_empty())).last().unwrap_or_default()
}

fn send(bench: &mut Bench, data: &[u8], more: bool) {
    bench.settle();
    bench.pattern.send(&mut bench.pipes, &mut OutFrame::bytes(data, more)).unwrap();
}

/// Sends messages of these bodies. The mark goes down after `frames` frames of the last one.
fn lowered_after(frames: usize, socket_type: SocketType, bodies: &[&str]) {
    let (mut bench, mut peer) = bench(socket_type);
    let address = address(&mut bench, &mut peer, socket_type);
    let message: Vec<_> =
        address.iter().map(Vec::as_slice).chain(bodies.iter().map(|body| body.as_bytes())).collect();
    for number in 0..=WAITING_MESSAGES {
        if socket_type == SocketType::Rep {
            peer.send(&["", "request"]);
            assert_eq!(bench.recv(), ["request"]);
        }
        for (place, frame) in message.iter().enumerate() {
            if number == WAITING_MESSAGES && place == frames {
                peer.pipe.set_hwms(1, 1);
                assert_eq!(bench.pipes.credit(peer.id), 0, "{socket_type:?}");
            }
            send(&mut bench, frame, place + 1 < message.len());
        }
    }
    let is_whole =
        last(&mut peer).ends_with(&bodies.iter().map(|&body| body.into()).collect::<Vec<String>>());
    assert!(is_whole, "{socket_type:?} after {frames} frames");
    let counts = Snapshot::of_socket(bench.pipes.record.number()).unwrap().unwrap();
    for reason in [Reason::Disconnected, Reason::HighWaterMark] {
        assert_eq!(counts.dropped(reason), 0, "{socket_type:?} after {frames} frames: {reason:?}");
    }
}

#[test]
fn a_message_goes_on_whole_under_a_mark_that_is_lowered_meanwhile() {
    use SocketType::*;
    for socket_type in [Push, Dealer, Pair, Req, Rep, Router, Pub, Xpub, Xsub] {
        let frames = if socket_type == Router { 4 } else { 3 };
        (1..frames).for_each(|after| lowered_after(after, socket_type, &["a", "b", "c"]));
    }
    for socket_type in [Stream, Dgram] {
        lowered_after(1, socket_type, &["body"]);
    }
}
