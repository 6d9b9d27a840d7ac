//! Commands that a peer pours between messages and into them: what no program sees does not wait in the pipe, where its reader would
//! pass over all of it in one call.

use super::halves::{Message, NO_LIMITS, heartbeat, pipes, read_all, streams};
use super::ws::ends;
use crate::engine::codec::AnyOpener;
use crate::engine::codec::testing::codecs;
use crate::engine::zmtp::{Version, frame};
use crate::message::{COMMAND, MORE};
use crate::session::connection::recv::{Limits, Received, RecvForm, RecvHalf};
use std::io::{ErrorKind, Write};
use std::os::fd::AsFd;

const MANY: usize = 3000;

/// How a peer speaks: its frames as the stream has them, and what takes those apart.
type Speech = (Box<dyn FnMut(&mut Vec<u8>, u8, &[u8])>, RecvForm);

fn speeches() -> Vec<(&'static str, Speech)> {
    let plain = |version| -> Speech { (Box::new(frame::append_frame), RecvForm::Zmtp(version)) };
    let curve = |version| -> Speech {
        let (client, server) = codecs(version);
        let mut sealer = client.sealer;
        let append = move |wire: &mut Vec<u8>, flags, body: &[u8]| {
            sealer.append_frame(wire, flags, body).unwrap();
        };
        (Box::new(append), RecvForm::Sealed(version, AnyOpener::Curve(server.opener)))
    };
    let ws = |wire: &mut Vec<u8>, flags: u8, body: &[u8]| {
        let flag = if flags == COMMAND { 2 } else { flags };
        wire.extend_from_slice(&[0x82, 1 + body.len() as u8, flag]);
        wire.extend_from_slice(body);
    };
    vec![
        ("2", plain(Version::V2)),
        ("3.0", plain(Version::V3_0)),
        ("3.1", plain(Version::V3_1)),
        ("CURVE 3.0", curve(Version::V3_0)),
        ("CURVE 3.1", curve(Version::V3_1)),
        ("WebSocket", (Box::new(ws), RecvForm::Ws(ends(1, false).1))),
    ]
}

/// The frames of the flood, and those of them that a program sees, as bytes in the pipe.
fn flood() -> (Vec<(u8, Vec<u8>)>, usize) {
    let mut frames = Vec::new();
    let many = |frames: &mut Vec<_>| {
        (0..MANY).for_each(|_| frames.push((COMMAND, Vec::new())));
        frames.push((COMMAND, b"\x04PONG".to_vec()));
        frames.push((COMMAND, vec![7; 100]));
    };
    // Before the first message, between two, and inside of one, of which a program takes frame by frame.
    many(&mut frames);
    frames.push((0, b"one".to_vec()));
    many(&mut frames);
    frames.push((MORE, b"two".to_vec()));
    many(&mut frames);
    frames.push((MORE, b"".to_vec()));
    many(&mut frames);
    frames.push((0, b"three".to_vec()));
    for _ in 0..MANY {
        frames.push((0, Vec::new()));
        (0..3).for_each(|_| frames.push((COMMAND, b"x".to_vec())));
    }
    (frames, 5 + 5 + 2 + 7 + 2 * MANY)
}

#[test]
fn what_no_program_sees_does_not_wait_in_the_pipe() {
    for subscriptions in [false, true] {
        for (what, (mut append, form)) in speeches() {
            let (ours, mut theirs) = streams();
            let (mut left, right) = pipes(0, false);
            let (_, writer, _end) = right.into_parts();
            let limits = Limits { subscriptions, ..NO_LIMITS };
            let mut half = RecvHalf::new(writer, form, limits, heartbeat(Version::V3_1));
            let (frames, seen_bytes) = flood();
            let mut wire = Vec::new();
            frames.iter().for_each(|(flags, body)| append(&mut wire, *flags, body));
            let mut rest = &wire[..];
            while !rest.is_empty() {
                match theirs.write(rest) {
                    Ok(n) => rest = &rest[n..],
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
                loop {
                    match half.receive(ours.as_fd(), 0, &mut Vec::new()) {
                        Received::Yield => {}
                        received => break assert_eq!(received, Received::Blocked, "{what}"),
                    }
                }
            }
            assert_eq!(left.waiting().0, seen_bytes, "{what}");
            let (mut partial, mut got) = (Message::new(), Vec::new());
            read_all(&mut left, &mut partial, &mut got);
            assert_eq!(got.len(), 2 + MANY, "{what}");
            let first: [&[&[u8]]; 2] = [&[b"one"], &[b"two", b"", b"three"]];
            assert_eq!(got[..2], first, "{what}");
            assert!(got[2..].iter().all(|message| *message == [b""]), "{what}");
        }
    }
}
