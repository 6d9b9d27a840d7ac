//! The two halves of a connection with CURVE between them.

use super::halves::{
    Message, NO_LIMITS, PING, PONG, heartbeat, messages, pipes, read_all, streams, write_some,
};
use crate::engine::Failure;
use crate::engine::codec::testing::codecs;
use crate::engine::codec::{AnyOpener, AnySealer, Opener, Sealer};
use crate::engine::zmtp::Version;
use crate::message::{COMMAND, FrameKind, MORE};
use crate::pipe;
use crate::random::Random;
use crate::session::connection::recv::{Limits, Received, RecvForm, RecvHalf};
use crate::session::connection::send::{SendForm, SendHalf, Sent};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;

fn recv_half(right: pipe::Pipe, version: Version, opener: Opener, limits: Limits) -> (RecvHalf, pipe::End) {
    let (_, writer, end) = right.into_parts();
    (
        RecvHalf::new(
            writer,
            RecvForm::Sealed(version, AnyOpener::Curve(opener)),
            limits,
            heartbeat(version),
        ),
        end,
    )
}

fn wire(sealer: &mut Sealer, frames: &[(u8, &[u8])]) -> Vec<u8> {
    let mut wire = Vec::new();
    frames.iter().for_each(|(flags, body)| sealer.append_frame(&mut wire, *flags, body).unwrap());
    wire
}

#[test]
fn messages_and_commands_arrive_however_they_are_cut_and_nothing_shows_on_the_way() {
    for seed in 0..4 {
        let version = if seed % 2 == 0 { Version::V3_1 } else { Version::V3_0 };
        let mut random = Random::seeded(seed);
        let sent = messages(&mut random, 100);
        let (client, server) = codecs(version);
        let ((near, mut tapped), (far, mut onward)) = (streams(), streams());
        let (mut left, right) = pipes(5, false);
        let (reader, _, _end) = right.into_parts();
        let mut send = SendHalf::new(reader, SendForm::Sealed(AnySealer::Curve(client.sealer)));
        let (mut out, right) = pipes(3, false);
        let (mut recv, _recv_end) = recv_half(right, version, server.opener, NO_LIMITS);
        let (mut rest, mut partial, mut got) = (&sent[..], Message::new(), Vec::new());
        let (mut seen, mut passed, mut pings, mut control) = (Vec::new(), 0, 0, Vec::new());
        while got.len() < sent.len() {
            write_some(&mut left, &mut rest);
            if random.one_in(3) && !send.is_busy() {
                send.queue_control(PING);
                pings += 1;
            }
            let outcome = send.send(near.as_fd());
            assert!(matches!(outcome, Sent::All | Sent::Blocked | Sent::Yield), "{outcome:?}");
            let mut buffer = vec![0; 1 + random.below(90_000)];
            match tapped.read(&mut buffer) {
                Ok(n) => seen.extend_from_slice(&buffer[..n]),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            passed += onward.write(&seen[passed..]).unwrap_or(0);
            let received = recv.receive(far.as_fd(), 0, &mut control);
            assert!(
                matches!(received, Received::Blocked | Received::NoCredit | Received::Yield),
                "{received:?}"
            );
            read_all(&mut out, &mut partial, &mut got);
        }
        assert!(got == sent, "{seed}");
        while passed < seen.len() || send.is_busy() {
            send.send(near.as_fd());
            let mut buffer = [0; 4096];
            if let Ok(n) = tapped.read(&mut buffer) {
                seen.extend_from_slice(&buffer[..n]);
            }
            passed += onward.write(&seen[passed..]).unwrap_or(0);
            recv.receive(far.as_fd(), 0, &mut control);
        }
        assert_eq!(control, PONG.repeat(pings), "every PING came through its box");
        assert!(pings > 0 && !seen.windows(5).any(|run| run == b"\x04PING"));
        let longest = sent.iter().flatten().max_by_key(|body| body.len()).unwrap();
        assert!(!seen.windows(40).any(|run| run == &longest[..40]), "nothing is in clear");
    }
}

#[test]
fn commands_need_no_credit_and_subscriptions_do() {
    let (ours, mut theirs) = streams();
    let (mut client, server) = codecs(Version::V3_1);
    let (mut left, right) = pipes(2, false);
    let limits = Limits { subscriptions: true, ..NO_LIMITS };
    let (mut half, _end) = recv_half(right, Version::V3_1, server.opener, limits);
    let subscribe: (u8, &[u8]) = (COMMAND, b"\x09SUBSCRIBEa");
    let cancel: (u8, &[u8]) = (COMMAND, b"\x06CANCELb");
    let ping: (u8, &[u8]) = (COMMAND, &PING[2..]);
    theirs.write_all(&wire(&mut client.sealer, &[subscribe, ping, cancel, ping, subscribe, ping])).unwrap();
    let mut control = Vec::new();
    assert_eq!(half.receive(ours.as_fd(), 0, &mut control), Received::NoCredit);
    assert_eq!(control, PONG.repeat(2));
    assert_eq!(
        half.receive(ours.as_fd(), 0, &mut control),
        Received::NoCredit,
        "opened once, kept for later"
    );
    assert_eq!(left.read().unwrap().kind(), FrameKind::Subscribe(b"a"));
    assert_eq!(left.read().unwrap().kind(), FrameKind::Cancel(b"b"));
    assert!(left.read().is_none());
    assert_eq!(half.receive(ours.as_fd(), 0, &mut control), Received::Blocked);
    assert_eq!(left.read().unwrap().kind(), FrameKind::Subscribe(b"a"));
    assert_eq!(control, PONG.repeat(3));
}

#[test]
fn box_that_does_not_open_ends_the_connection() {
    let open = [0, 5];
    type Spoil = fn(&mut Vec<u8>);
    let cases: [(Spoil, Failure); 3] = [
        (|wire| *wire.last_mut().unwrap() ^= 1, Failure::CRYPTOGRAPHIC),
        (|wire| wire.extend_from_within(..), Failure::INVALID_SEQUENCE),
        (|wire| wire.extend_from_slice(b"\0\x05hello"), Failure::MALFORMED_COMMAND),
    ];
    for (spoil, failure) in cases {
        let (ours, mut theirs) = streams();
        let (mut client, server) = codecs(Version::V3_1);
        let (mut left, right) = pipes(0, false);
        let (mut half, _end) = recv_half(right, Version::V3_1, server.opener, NO_LIMITS);
        let good = wire(&mut client.sealer, &[(0, &open)]);
        let mut bad = wire(&mut client.sealer, &[(0, b"more")]);
        spoil(&mut bad);
        theirs.write_all(&[good, bad].concat()).unwrap();
        assert_eq!(half.receive(ours.as_fd(), 0, &mut Vec::new()), Received::Broken(failure));
        assert_eq!(left.read().unwrap().data(), open, "what came before it is good");
    }
}

#[test]
fn limits_hold_for_boxes_and_their_contents() {
    let limits = Limits { frame: 100, message: 400, subscriptions: false };
    let outcome = |frames: &[(usize, u8)]| {
        let (ours, mut theirs) = streams();
        let (mut client, server) = codecs(Version::V3_1);
        let (_left, right) = pipes(0, false);
        let (mut half, _end) = recv_half(right, Version::V3_1, server.opener, limits);
        let body = [0; 200];
        let frames: Vec<_> = frames.iter().map(|(len, flags)| (*flags, &body[..*len])).collect();
        theirs.write_all(&wire(&mut client.sealer, &frames)).unwrap();
        half.receive(ours.as_fd(), 0, &mut Vec::new())
    };
    assert_eq!(outcome(&[(67, 0); 50]), Received::Blocked);
    assert_eq!(outcome(&[(68, 0)]), Received::Broken(Failure::TOO_LARGE));
    assert_eq!(outcome(&[(67, MORE); 5]), Received::Blocked, "its weight in the pipe is what counts");
    assert_eq!(outcome(&[(67, MORE); 6]), Received::Broken(Failure::TOO_LARGE));
    assert_eq!(outcome(&[(0, MORE); 300]), Received::Broken(Failure::TOO_LARGE));
}
