//! Messages that have come whole are delivered, with anything behind them in the stream.

use super::halves::{Message, append_frame, pipes, read_all, recv_half, streams};
use crate::engine::zmtp::Version;
use crate::session::connection::recv::{Limits, Received};
use std::io::Write;
use std::os::fd::AsFd;

/// Bytes behind a message in the same read that end the connection or are never complete.
fn bad_ends(version: Version) -> Vec<Vec<u8>> {
    let framed = |parts: &[(bool, &[u8])]| {
        let mut wire = Vec::new();
        parts.iter().for_each(|(more, body)| append_frame(&mut wire, version, *more, body));
        wire
    };
    let endless: &[u8] = if version == Version::V1 { b"\xff" } else { b"\x03" };
    let mut ends = vec![
        framed(&[(true, b"first")]),
        framed(&[(true, b"first"), (false, &[7; 600])]),
        framed(&[(true, b"first"), (true, &[7; 450]), (false, &[7; 450])]),
        [&framed(&[(true, b"first")])[..], endless, &[0xff; 8], b"x"].concat(),
        [endless, &[0, 0, 0, 0, 0, 0x10, 0, 0], b"\x01 some of a large frame"].concat(),
    ];
    if version.has_commands() {
        // A large command of which little is here, by itself and inside a message.
        let command = [b"\x06\0\0\0\0\0\x10\0\0", &b"\x09SUBSCRIBEtopic"[..]].concat();
        ends.push([&framed(&[(true, b"first")])[..], &command].concat());
        ends.push(command);
    }
    ends
}

#[test]
fn complete_messages_are_delivered_before_any_end_of_the_stream() {
    let limits = [(500, u64::MAX), (-1, 800), (-1, u64::MAX)];
    for version in [Version::V1, Version::V2, Version::V3_0, Version::V3_1] {
        for (number, end) in bad_ends(version).iter().enumerate() {
            for ((frame, message), subscriptions) in limits.into_iter().zip([false, true, true]) {
                let mut wire = Vec::new();
                append_frame(&mut wire, version, false, b"whole");
                append_frame(&mut wire, version, true, b"two");
                append_frame(&mut wire, version, false, b"frames");
                wire.extend_from_slice(end);
                let (ours, mut theirs) = streams();
                let (mut left, right) = pipes(0, false);
                let (mut half, _end) = recv_half(right, version, Limits { frame, message, subscriptions });
                theirs.write_all(&wire).unwrap();
                drop(theirs);
                half.hang_up();
                let received = half.receive(ours.as_fd(), 0, &mut Vec::new());
                assert!(matches!(received, Received::End | Received::Broken(_)), "{version:?} {number}");
                let (mut partial, mut got) = (Message::new(), Vec::new());
                read_all(&mut left, &mut partial, &mut got);
                assert_eq!(got.first(), Some(&vec![b"whole".to_vec()]), "{version:?} {number} {frame}");
                let second = vec![b"two".to_vec(), b"frames".to_vec()];
                assert_eq!(got.get(1), Some(&second), "{version:?} {number} {frame} {message}");
            }
        }
    }
}
