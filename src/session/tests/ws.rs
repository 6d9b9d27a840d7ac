//! The two halves of a connection with WebSocket between them, with CURVE in it or not.

use super::halves::{Message, NO_LIMITS, heartbeat, messages, pipes, read_all, streams, write_some};
use crate::engine::codec::testing::codecs;
use crate::engine::ws::{self, Role};
use crate::engine::zmtp::Version;
use crate::engine::{Codec, Failure};
use crate::message::FrameKind;
use crate::random::Random;
use crate::session::connection::recv::{Limits, Received, RecvForm, RecvHalf};
use crate::session::connection::send::{SendForm, SendHalf, Sent};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;

fn roles() -> [Role; 2] {
    [Role::Client { host: "a:1".into(), path: "/".into() }, Role::Server]
}

/// Of the sender and of the receiver.
pub fn ends(role: usize, sealed: bool) -> (ws::Outgoing, ws::Incoming) {
    let (near, far) = match sealed {
        true => {
            let (client, server) = codecs(Version::V3_0);
            (Codec::Curve(Box::new(client)), Codec::Curve(Box::new(server)))
        }
        false => (Codec::Clear, Codec::Clear),
    };
    let (outgoing, _) = ws::codec(&roles()[role], near);
    let (_, incoming) = ws::codec(&roles()[1 - role], far);
    (outgoing, incoming)
}

#[test]
fn messages_arrive_however_they_are_cut() {
    for seed in 0..8 {
        let (role, sealed) = (seed as usize % 2, seed % 4 > 1);
        let mut random = Random::seeded(seed);
        let sent = messages(&mut random, 100);
        let (outgoing, incoming) = ends(role, sealed);
        let ((near, mut tapped), (far, mut onward)) = (streams(), streams());
        let (mut left, right) = pipes(5, false);
        let (reader, _, _end) = right.into_parts();
        let mut send = SendHalf::new(reader, SendForm::Ws(outgoing));
        let (mut out, right) = pipes(3, false);
        let (_, writer, _recv_end) = right.into_parts();
        let mut recv = RecvHalf::new(writer, RecvForm::Ws(incoming), NO_LIMITS, heartbeat(Version::V3_0));
        let (mut rest, mut partial, mut got) = (&sent[..], Message::new(), Vec::new());
        let (mut seen, mut passed) = (Vec::new(), 0);
        while got.len() < sent.len() {
            write_some(&mut left, &mut rest);
            let outcome = send.send(near.as_fd());
            assert!(matches!(outcome, Sent::All | Sent::Blocked | Sent::Yield), "{outcome:?}");
            let mut buffer = vec![0; 1 + random.below(90_000)];
            match tapped.read(&mut buffer) {
                Ok(n) => seen.extend_from_slice(&buffer[..n]),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            passed += onward.write(&seen[passed..]).unwrap_or(0);
            let received = recv.receive(far.as_fd(), 0, &mut Vec::new());
            assert!(
                matches!(received, Received::Blocked | Received::NoCredit | Received::Yield),
                "{received:?}"
            );
            read_all(&mut out, &mut partial, &mut got);
        }
        assert!(got == sent, "{seed}");
        drop(left);
        // The end, and the CLOSE frame before it.
        assert!(matches!(send.send(near.as_fd()), Sent::Ended));
        tapped.read_to_end(&mut seen).unwrap_err();
        onward.write_all(&seen[passed..]).unwrap();
        let mut control = Vec::new();
        assert_eq!(recv.receive(far.as_fd(), 0, &mut control), Received::End);
        assert_eq!(control[0], 0x88, "it is answered");
    }
}

#[test]
fn subscriptions_are_taken_as_messages_and_as_commands() {
    let (ours, mut theirs) = streams();
    let (mut left, right) = pipes(2, false);
    let (_, writer, _end) = right.into_parts();
    let (_, incoming) = ends(1, false);
    let limits = Limits { subscriptions: true, ..NO_LIMITS };
    let mut half = RecvHalf::new(writer, RecvForm::Ws(incoming), limits, None);
    theirs.write_all(b"\x82\x0c\x02\x09SUBSCRIBEa\x82\x09\x02\x06CANCELb\x82\x03\0\x01c").unwrap();
    let mut control = Vec::new();
    assert_eq!(half.receive(ours.as_fd(), 0, &mut control), Received::NoCredit);
    assert_eq!(left.read().unwrap().kind(), FrameKind::Subscribe(b"a"));
    assert_eq!(left.read().unwrap().kind(), FrameKind::Cancel(b"b"));
    assert!(left.read().is_none());
    assert_eq!(half.receive(ours.as_fd(), 0, &mut control), Received::Blocked);
    assert_eq!(left.read().unwrap().data(), b"\x01c", "the pattern knows what that is");
}

#[test]
fn pings_need_no_credit_and_their_answers_do_not_pile_up() {
    let (ours, mut theirs) = streams();
    let (_left, right) = pipes(1, false);
    let (_, writer, _end) = right.into_parts();
    let (_, incoming) = ends(1, false);
    let mut half = RecvHalf::new(writer, RecvForm::Ws(incoming), NO_LIMITS, None);
    let mut control = Vec::new();
    for _ in 0..1000 {
        theirs.write_all(&[&b"\x89\x7d"[..], &[7; 125]].concat()).unwrap();
        assert_eq!(half.receive(ours.as_fd(), 0, &mut control), Received::Blocked);
    }
    assert!(control.len() > 1000 && control.len() <= crate::session::connection::control::MAX_CONTROL_BYTES);
}

#[test]
fn limits_hold_whether_a_body_is_large_or_small() {
    let limits = Limits { frame: 10_000, message: 20_000, subscriptions: false };
    let outcome = |frames: &[(usize, u8)]| {
        let (ours, mut theirs) = streams();
        let (_left, right) = pipes(0, false);
        let (_, writer, _end) = right.into_parts();
        let (_, incoming) = ends(1, false);
        let mut half = RecvHalf::new(writer, RecvForm::Ws(incoming), limits, None);
        for (len, flags) in frames {
            let mut wire = Vec::new();
            ws::frame::append_binary(&mut wire, None, *flags, &[], &vec![0; *len]);
            // Its body is still on its way when the frame is judged.
            let (front, back) = wire.split_at(wire.len().min(20));
            for piece in [front, back] {
                theirs.write_all(piece).unwrap();
                match half.receive(ours.as_fd(), 0, &mut Vec::new()) {
                    Received::Blocked => {}
                    other => return other,
                }
            }
        }
        Received::Blocked
    };
    assert_eq!(outcome(&[(10_000, 0); 5]), Received::Blocked);
    assert_eq!(outcome(&[(10_001, 0)]), Received::Broken(Failure::TOO_LARGE));
    assert_eq!(outcome(&[(9000, 1); 3]), Received::Broken(Failure::TOO_LARGE));
    assert_eq!(outcome(&[(7000, 1); 3]), Received::Broken(Failure::TOO_LARGE));
    assert_eq!(outcome(&[(0, 1); 10_000]), Received::Broken(Failure::TOO_LARGE));
}
