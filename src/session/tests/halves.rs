//! The two halves of a connection over a pair of streams, with bytes cut up in any way.

use crate::engine::Heartbeat;
use crate::engine::zmtp::heartbeat::Intervals;
use crate::engine::zmtp::{Version, frame, v1};
use crate::message::{BY_REFERENCE_MIN_BYTES, COMMAND, FrameKind, MORE, OutFrame};
use crate::pipe::{self, LaneOptions, Pipe};
use crate::random::Random;
use crate::session::connection::control::MAX_CONTROL_BYTES;
use crate::session::connection::rate::{Rates, Throttle};
use crate::session::connection::recv::{Limits, Received, RecvForm, RecvHalf};
use crate::session::connection::send::{SendForm, SendHalf, Sent};
use crate::session::connection::send_policy::{Form, Outlet};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

pub type Message = Vec<Vec<u8>>;

pub const NO_LIMITS: Limits = Limits { frame: -1, message: u64::MAX, subscriptions: false };
const SILENT: Intervals = Intervals { ping_ms: 0, timeout_ms: 0, ttl_ds: 0 };
pub const PING: &[u8] = b"\x04\x09\x04PING\0\0ab";
pub const PONG: &[u8] = b"\x04\x07\x04PONGab";

pub fn streams() -> (UnixStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    theirs.set_nonblocking(true).unwrap();
    (ours, theirs)
}

pub fn pipes(hwm: i32, conflate: bool) -> (Pipe, Pipe) {
    let options = LaneOptions { hwm, conflate };
    pipe::pair(options, options).unwrap()
}

fn message(random: &mut Random, number: usize) -> Message {
    let frames = if random.one_in(3) { 1 + random.below(5) } else { 1 };
    let sizes = [0, 1, 7, 100, 255, 256, 1000, BY_REFERENCE_MIN_BYTES - 1, BY_REFERENCE_MIN_BYTES, 70_000];
    (0..frames)
        .map(|i| {
            let size = if random.one_in(4) { random.one_of(&sizes) } else { random.below(60) };
            let mut frame = vec![(number + i) as u8; size];
            frame.extend_from_slice(&(number as u32).to_le_bytes());
            frame
        })
        .collect()
}

pub fn messages(random: &mut Random, count: usize) -> Vec<Message> {
    (0..count).map(|number| message(random, number)).collect()
}

pub fn append_frame(wire: &mut Vec<u8>, version: Version, more: bool, body: &[u8]) {
    let flags = if more { MORE } else { 0 };
    match version {
        Version::V1 => v1::append_frame(wire, flags, body),
        _ => frame::append_frame(wire, flags, body),
    }
}

/// Takes a frame off the front; flags and body.
fn split_frame<'w>(wire: &mut &'w [u8], version: Version) -> Option<(u8, &'w [u8])> {
    let header = match version {
        Version::V1 => v1::parse_header(wire).unwrap()?,
        _ => frame::parse_header(wire).unwrap()?,
    };
    let whole = wire.get(..header.frame_len())?;
    *wire = &wire[header.frame_len()..];
    Some((header.flags, &whole[header.header_len..]))
}

pub fn read_all(pipe: &mut Pipe, partial: &mut Message, into: &mut Vec<Message>) {
    while let Some(frame) = pipe.read() {
        assert_eq!(frame.kind(), FrameKind::Message);
        partial.push(frame.data().to_vec());
        if !frame.more() {
            into.push(std::mem::take(partial));
        }
    }
}

pub fn heartbeat(version: Version) -> Option<Heartbeat> {
    version.has_commands().then(|| Heartbeat::start(SILENT, 0))
}

pub fn recv_half(right: Pipe, version: Version, limits: Limits) -> (RecvHalf, pipe::End) {
    let (_, writer, end) = right.into_parts();
    (RecvHalf::new(writer, RecvForm::Zmtp(version), limits, heartbeat(version)), end)
}

#[test]
fn received_frames_come_out_under_any_cut() {
    for (seed, version) in
        [Version::V1, Version::V2, Version::V3_0, Version::V3_1].repeat(3).iter().enumerate()
    {
        let mut random = Random::seeded(seed as u64);
        let sent = messages(&mut random, 200);
        let (mut wire, mut pings) = (Vec::new(), 0);
        for message in &sent {
            for (i, body) in message.iter().enumerate() {
                // Also between the frames of a message, where libzmq sends them, too.
                if version.has_commands() && random.one_in(4) {
                    wire.extend_from_slice(PING);
                    pings += 1;
                }
                append_frame(&mut wire, *version, i + 1 < message.len(), body);
            }
        }
        let (ours, mut theirs) = streams();
        // Little credit: it runs out all the time.
        let (mut left, right) = pipes(5, false);
        let (mut half, _end) = recv_half(right, *version, NO_LIMITS);
        let begin = random.below(wire.len().min(3000));
        half.begin_with(&wire[..begin], false).unwrap();
        let (mut rest, mut control) = (&wire[begin..], Vec::new());
        let (mut partial, mut got) = (Message::new(), Vec::new());
        let mut pongs = 0;
        while got.len() < sent.len() {
            if !rest.is_empty() {
                let most = random.one_of(&[1, 10, 300, 20_000, 300_000]);
                let n = (1 + random.below(most)).min(rest.len());
                match theirs.write(&rest[..n]) {
                    Ok(n) => rest = &rest[n..],
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
            }
            let received = half.receive(ours.as_fd(), 0, &mut control);
            assert!(
                matches!(received, Received::Blocked | Received::NoCredit | Received::Yield),
                "{version:?} {seed}: {received:?}"
            );
            assert_eq!(control.len() % PONG.len(), 0);
            pongs += control.len() / PONG.len();
            control.clear();
            if random.one_in(3) || rest.is_empty() {
                read_all(&mut left, &mut partial, &mut got);
            }
        }
        assert!(got == sent, "{version:?} {seed}");
        assert_eq!((pongs, partial.len()), (pings, 0));
        drop(theirs);
        half.hang_up();
        assert_eq!(half.receive(ours.as_fd(), 0, &mut control), Received::End);
    }
}

#[test]
fn bytes_after_the_handshake_are_received_on_their_event() {
    let (ours, mut theirs) = streams();
    let (mut left, right) = pipes(5, false);
    let (mut half, _end) = recv_half(right, Version::V3_1, NO_LIMITS);
    half.begin_with(b"", true).unwrap();
    theirs.write_all(b"\0\x01x").unwrap();
    // The reactor tells of it as well.
    assert_eq!(half.receive(ours.as_fd(), 0, &mut Vec::new()), Received::Blocked);
    assert!(left.read().is_none());
    half.begin_with(b"", true).unwrap();
    half.expect_bytes();
    assert_eq!(half.receive(ours.as_fd(), 0, &mut Vec::new()), Received::Blocked);
    assert_eq!(left.read().unwrap().data(), b"x");
}

/// What comes in the pause is an event that the reactor tells of once.
#[test]
fn bytes_after_the_handshake_are_received_when_the_pause_of_a_rate_is_over() {
    let (ours, mut theirs) = streams();
    let (mut left, right) = pipes(5, false);
    let rates = Rates { messages_per_second: Some(5), bytes_per_second: Some(1000) };
    let mut throttle = Throttle::new(rates, 0).unwrap();
    throttle.spend(5, 0);
    let (half, _end) = recv_half(right, Version::V3_1, NO_LIMITS);
    let mut half = half.at_rate(Some(throttle));
    half.begin_with(b"", true).unwrap();
    let mut receive = |now_ms| half.receive_for_session(ours.as_fd(), now_ms, &mut Vec::new());
    assert_eq!(receive(0), Received::OverRate(200));
    theirs.write_all(b"\0\x01x").unwrap();
    assert_eq!(receive(150), Received::OverRate(50));
    assert_eq!(receive(200), Received::Blocked);
    assert_eq!(left.read().unwrap().data(), b"x");
}

#[test]
fn raw_bytes_come_out_in_order_as_far_as_there_is_credit() {
    let mut random = Random::seeded(1);
    let wire: Vec<u8> = (0..500_000u32).map(|i| (i / 7) as u8).collect();
    let (ours, mut theirs) = streams();
    let (mut left, right) = pipes(2, false);
    let (_, writer, _end) = right.into_parts();
    let mut half = RecvHalf::new(writer, RecvForm::Raw, NO_LIMITS, None);
    let (mut rest, mut got, mut stops) = (&wire[..], Vec::new(), 0);
    while got.len() < wire.len() {
        if let Ok(n) = theirs.write(&rest[..rest.len().min(1 + random.below(9000))]) {
            rest = &rest[n..];
        }
        stops += usize::from(half.receive(ours.as_fd(), 0, &mut Vec::new()) == Received::NoCredit);
        while random.one_in(2)
            && let Some(frame) = left.read()
        {
            assert!(!frame.more() && !frame.data().is_empty());
            got.extend_from_slice(frame.data());
        }
    }
    assert!(got == wire && stops > 0);
}

#[test]
fn a_conflating_pipe_gets_the_latest_message() {
    for version in [Version::V1, Version::V3_1] {
        let (ours, mut theirs) = streams();
        let (mut left, right) = pipes(0, true);
        let (mut half, _end) = recv_half(right, version, NO_LIMITS);
        let mut wire = Vec::new();
        for number in 0..100u8 {
            append_frame(&mut wire, version, number % 10 == 5, &[number; 300]);
        }
        theirs.write_all(&wire).unwrap();
        while half.receive(ours.as_fd(), 0, &mut Vec::new()) != Received::Blocked {}
        assert_eq!(left.read().unwrap().data(), [99; 300]);
        assert!(left.read().is_none());
    }
}

#[test]
fn limits_hold_for_frames_and_for_whole_messages() {
    let limits = Limits { frame: 100, message: 400, subscriptions: false };
    for version in [Version::V1, Version::V2, Version::V3_1] {
        let outcome = |frames: &[(usize, bool)]| {
            let (ours, mut theirs) = streams();
            let (_left, right) = pipes(0, false);
            let (mut half, _end) = recv_half(right, version, limits);
            let mut wire = Vec::new();
            frames.iter().for_each(|(len, more)| append_frame(&mut wire, version, *more, &vec![0; *len]));
            theirs.write_all(&wire).unwrap();
            half.receive(ours.as_fd(), 0, &mut Vec::new())
        };
        let too_large = |received| matches!(received, Received::Broken(_));
        assert_eq!(outcome(&[(100, false); 50]), Received::Blocked);
        assert_eq!(outcome(&[(100, true), (100, true), (100, false)].repeat(9)), Received::Blocked);
        assert!(too_large(outcome(&[(101, false)])), "{version:?}");
        assert!(too_large(outcome(&[(100, true); 5])), "{version:?}");
        assert!(too_large(outcome(&[(0, true); 300])), "{version:?}: nothing is something");
    }
}

#[test]
fn messages_of_several_frames_come_in_runs_and_never_in_part() {
    let (ours, mut theirs) = streams();
    let (mut left, right) = pipes(2, false);
    let (mut half, _end) = recv_half(right, Version::V3_1, NO_LIMITS);
    let sent: Vec<Message> =
        (0..4).map(|n| (0..3).map(|i| vec![n; 130 * usize::from(n) + i]).collect()).collect();
    let mut wire = Vec::new();
    for message in &sent {
        for (i, body) in message.iter().enumerate() {
            append_frame(&mut wire, Version::V3_1, i < 2, body);
        }
    }
    // The last message without its last frame.
    let cut = wire.len() - 300;
    theirs.write_all(&wire[..cut]).unwrap();
    let (mut partial, mut got, mut control) = (Message::new(), Vec::new(), Vec::new());
    let outcome = half.receive(ours.as_fd(), 0, &mut control);
    assert_eq!(outcome, Received::NoCredit, "messages are counted, not frames");
    read_all(&mut left, &mut partial, &mut got);
    assert_eq!((got.len(), partial.len()), (2, 0));
    assert_eq!(half.receive(ours.as_fd(), 0, &mut control), Received::Blocked);
    read_all(&mut left, &mut partial, &mut got);
    assert_eq!((got.len(), partial.len()), (3, 0), "what is not there whole does not show");
    theirs.write_all(&wire[cut..]).unwrap();
    half.receive(ours.as_fd(), 0, &mut control);
    read_all(&mut left, &mut partial, &mut got);
    assert_eq!(got, sent);
}

#[test]
fn commands_leave_nothing_behind_and_are_no_subscriptions_where_none_are_wanted() {
    for subscriptions in [false, true] {
        let (ours, mut theirs) = streams();
        let (mut left, right) = pipes(0, false);
        let (mut half, _end) = recv_half(right, Version::V3_1, Limits { subscriptions, ..NO_LIMITS });
        let mut wire = Vec::new();
        let mut command = |flags, body: &[u8]| frame::append_frame(&mut wire, COMMAND | flags, body);
        command(0, b"\x09SUBSCRIBEa");
        command(0, &[b"\x06CANCEL", &[b'b'; 20_000][..]].concat());
        // Flags that a command cannot have, and one that is not on the wire at all.
        command(MORE, b"\x09SUBSCRIBEc");
        wire.extend_from_slice(b"\x08\x02id\x0c\x02id");
        append_frame(&mut wire, Version::V3_1, true, b"one");
        frame::append_frame(&mut wire, COMMAND, b"\x09SUBSCRIBEinside");
        frame::append_frame(&mut wire, COMMAND, &[b"\x09SUBSCRIBE", &[b'd'; 20_000][..]].concat());
        append_frame(&mut wire, Version::V3_1, false, b"two");
        theirs.write_all(&wire).unwrap();
        while half.receive(ours.as_fd(), 0, &mut Vec::new()) != Received::Blocked {}
        if subscriptions {
            assert_eq!(left.read().unwrap().kind(), FrameKind::Subscribe(b"a"));
            assert_eq!(left.read().unwrap().kind(), FrameKind::Cancel(&[b'b'; 20_000]));
            let last = left.read().unwrap();
            assert_eq!((last.kind(), last.more()), (FrameKind::Subscribe(b"c"), false));
        }
        let (mut partial, mut got) = (Message::new(), Vec::new());
        read_all(&mut left, &mut partial, &mut got);
        assert_eq!(got, [vec![b"id".to_vec()], vec![b"one".to_vec(), b"two".to_vec()]]);
    }
}

#[test]
fn subscriptions_stop_at_the_mark() {
    let (ours, mut theirs) = streams();
    let (mut left, right) = pipes(10, false);
    let limits = Limits { subscriptions: true, ..NO_LIMITS };
    let (mut half, _end) = recv_half(right, Version::V3_1, limits);
    let mut wire = Vec::new();
    (0..25).for_each(|_| frame::append_frame(&mut wire, COMMAND, b"\x09SUBSCRIBEa"));
    theirs.write_all(&wire).unwrap();
    for (expected, count) in [(Received::NoCredit, 10), (Received::NoCredit, 10), (Received::Blocked, 5)] {
        assert_eq!(half.receive(ours.as_fd(), 0, &mut Vec::new()), expected);
        assert_eq!((0..99).take_while(|_| left.read().is_some()).count(), count);
    }
}

/// A stream that keeps borders shows how much is read and written at once.
#[test]
fn batches_are_as_large_as_they_may_be() {
    let (ours, theirs) = std::os::unix::net::UnixDatagram::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let (mut left, right) = pipes(0, false);
    let (mut half, _end) = recv_half(right, Version::V3_1, NO_LIMITS);
    half.read_at_most(30);
    theirs.send(&[0, 1, b'x'].repeat(100)).unwrap();
    assert_eq!(half.receive(ours.as_fd(), 0, &mut Vec::new()), Received::Blocked);
    // The bytes of a datagram beyond the read are lost.
    assert_eq!((0..99).take_while(|_| left.read().is_some()).count(), 10);

    let (mut left, right) = pipes(0, false);
    let (reader, _writer, _end) = right.into_parts();
    let mut half = SendHalf::new(reader, SendForm::AsTheyLie);
    half.write_at_most(100);
    for size in [1, 150, BY_REFERENCE_MIN_BYTES] {
        assert!(left.write(&mut OutFrame::bytes(&vec![7; size], false)).unwrap());
    }
    left.flush();
    assert_eq!(half.send(ours.as_fd()), Sent::All);
    theirs.set_nonblocking(true).unwrap();
    let (mut sizes, mut buffer) = (Vec::new(), [0; 9999]);
    while let Ok(size) = theirs.recv(&mut buffer) {
        sizes.push(size);
    }
    assert_eq!(sizes.iter().sum::<usize>(), 3 + 152 + 9 + BY_REFERENCE_MIN_BYTES);
    assert!(sizes.iter().rev().skip(1).all(|size| *size == 100), "{sizes:?}");
}

/// What a peer reads: messages, commands; and whether a command stood inside a message.
#[derive(Default)]
struct Peer {
    wire: Vec<u8>,
    at: usize,
    partial: Message,
    messages: Vec<Message>,
    commands: usize,
    command_inside: bool,
}

impl Peer {
    fn read(&mut self, stream: &mut UnixStream, random: &mut Random) {
        let mut buffer = vec![0; 1 + random.below(50_000)];
        match stream.read(&mut buffer) {
            Ok(n) => self.wire.extend_from_slice(&buffer[..n]),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }

    fn parse(&mut self, version: Version) {
        let mut rest = &self.wire[self.at..];
        while let Some((flags, body)) = split_frame(&mut rest, version) {
            if flags & COMMAND != 0 {
                self.commands += 1;
                self.command_inside |= !self.partial.is_empty();
                continue;
            }
            self.partial.push(body.to_vec());
            if flags & MORE == 0 {
                self.messages.push(std::mem::take(&mut self.partial));
            }
        }
        self.at = self.wire.len() - rest.len();
    }
}

/// Writes messages as far as there is credit.
pub fn write_some(left: &mut Pipe, rest: &mut &[Message]) {
    while let Some((message, others)) = rest.split_first() {
        if !left.check_write() {
            return;
        }
        for (i, body) in message.iter().enumerate() {
            assert!(left.write(&mut OutFrame::bytes(body, i + 1 < message.len())).unwrap());
        }
        left.flush();
        *rest = others;
    }
}

#[test]
fn sent_frames_arrive_under_any_cut() {
    // As they lie, or framed for a version.
    let forms = [None, Some(Version::V1), Some(Version::V2), Some(Version::V3_0)];
    for (seed, framed) in forms.repeat(3).into_iter().enumerate() {
        let version = framed.unwrap_or(Version::V3_1);
        let mut random = Random::seeded(100 + seed as u64);
        let sent = messages(&mut random, 200);
        let (ours, mut theirs) = streams();
        let (mut left, right) = pipes(5, false);
        let (reader, _, _end) = right.into_parts();
        let mut half = SendHalf::new(reader, framed.map_or(SendForm::AsTheyLie, SendForm::Framed));
        let (mut rest, mut peer, mut queued) = (&sent[..], Peer::default(), 0);
        while peer.messages.len() < sent.len() {
            write_some(&mut left, &mut rest);
            if version.has_commands() && random.one_in(3) && !half.is_busy() {
                half.queue_control(PONG);
                queued += 1;
            }
            let outcome = half.send(ours.as_fd());
            assert!(matches!(outcome, Sent::All | Sent::Blocked | Sent::Yield), "{framed:?}: {outcome:?}");
            peer.read(&mut theirs, &mut random);
            peer.parse(version);
        }
        assert!(peer.messages == sent, "{framed:?} {seed}");
        assert!(!peer.command_inside, "{framed:?} {seed}");
        assert!(peer.commands <= queued && (queued == 0 || peer.commands + 1 >= queued));
        left.close();
        assert_eq!(half.send(ours.as_fd()), Sent::Ended);
    }
}

#[test]
fn control_frames_wait_for_the_end_of_a_message_and_do_not_pile_up() {
    let (ours, mut theirs) = streams();
    let (mut left, right) = pipes(0, false);
    let (reader, _, _end) = right.into_parts();
    let mut half = SendHalf::new(reader, SendForm::AsTheyLie);
    let message = vec![vec![1; 300_000], vec![2; 3_000_000], vec![3; 10]];
    write_some(&mut left, &mut &[message.clone(), message.clone()][..]);
    assert_eq!(half.send(ours.as_fd()), Sent::Blocked);
    assert!(half.is_busy());
    (0..100_000).for_each(|_| half.queue_control(PONG));
    let (mut peer, mut random) = (Peer::default(), Random::seeded(3));
    while half.send(ours.as_fd()) != Sent::All || peer.messages.len() < 2 || peer.commands == 0 {
        peer.read(&mut theirs, &mut random);
        peer.parse(Version::V3_1);
    }
    while peer.at < peer.wire.len() {
        peer.read(&mut theirs, &mut random);
        peer.parse(Version::V3_1);
    }
    assert!(peer.messages == [message.clone(), message]);
    assert!(!peer.command_inside && !half.is_busy());
    assert_eq!(peer.commands, MAX_CONTROL_BYTES / PONG.len());
}

#[test]
fn raw_and_conflated_frames_leave_alone() {
    let (ours, mut theirs) = streams();
    let (mut left, right) = pipes(0, false);
    let (reader, _, _end) = right.into_parts();
    let mut half = SendHalf::new(reader, SendForm::Raw);
    write_some(&mut left, &mut &[vec![b"ab".to_vec(), b"c".to_vec()], vec![vec![b'd'; 10_000]]][..]);
    assert_eq!(half.send(ours.as_fd()), Sent::All);
    let mut wire = [0; 10_003];
    theirs.read_exact(&mut wire).unwrap();
    assert!(wire[..3] == *b"abc" && wire[3..] == [b'd'; 10_000]);

    let (mut left, right) = pipes(0, true);
    let (reader, _, _end) = right.into_parts();
    let mut half = SendHalf::new(reader, SendForm::AsTheyLie);
    (0..9).for_each(|i| write_some(&mut left, &mut &[vec![vec![i]]][..]));
    assert_eq!(half.send(ours.as_fd()), Sent::All);
    let mut wire = [0; 3];
    theirs.read_exact(&mut wire).unwrap();
    assert_eq!(wire, [0, 1, 8]);
    left.close();
    assert_eq!(half.send(ours.as_fd()), Sent::Ended);
}

#[test]
fn a_new_connection_begins_with_a_whole_message() {
    for seed in 0..40 {
        let mut random = Random::seeded(500 + seed);
        let sent = messages(&mut random, 400);
        let (mut left, right) = pipes(4, false);
        let (mut reader, _, _end) = right.into_parts();
        let (mut rest, mut got, mut all) = (&sent[..], Vec::<Message>::new(), false);
        let mut connections = 0;
        while !all {
            let (ours, mut theirs) = streams();
            // Little room, so that it mostly breaks inside a block.
            socket2::SockRef::from(&ours).set_send_buffer_size(1).unwrap();
            // The next peer may be of another version.
            let form = if random.one_in(2) { SendForm::AsTheyLie } else { SendForm::Framed(Version::V2) };
            let mut half = SendHalf::new(reader, form);
            let mut peer = Peer::default();
            for _ in 0..1 + random.below(5) {
                write_some(&mut left, &mut rest);
                all = half.send(ours.as_fd()) == Sent::All && rest.is_empty();
                // Now and then, so that the stream is full when it breaks; but the last words are heard.
                while (all || random.one_in(2)) && {
                    let before = peer.wire.len();
                    peer.read(&mut theirs, &mut random);
                    peer.wire.len() > before
                } {}
                peer.parse(Version::V2);
            }
            got.append(&mut peer.messages);
            reader = half.into_reader();
            connections += 1;
            assert!(connections < 10_000, "{seed}: no credit comes back");
        }
        // Some are lost; what comes is whole, in order, and comes once.
        let mut remaining = sent.iter();
        assert!(got.iter().all(|message| remaining.any(|other| other == message)), "{seed}");
        assert!(left.queued().0 <= 4, "{seed}");
    }
}

#[test]
fn a_message_that_a_lost_connection_began_never_shows() {
    for version in [Version::V1, Version::V2, Version::V3_1] {
        let (mut left, right) = pipes(3, false);
        let (_, mut writer, _end) = right.into_parts();
        for round in 0..20u8 {
            let (ours, mut theirs) = streams();
            let mut half = RecvHalf::new(writer, RecvForm::Zmtp(version), NO_LIMITS, heartbeat(version));
            let mut wire = Vec::new();
            append_frame(&mut wire, version, false, &[round]);
            append_frame(&mut wire, version, true, b"lost");
            append_frame(&mut wire, version, true, &[0; 50_000]);
            append_frame(&mut wire, version, false, &[0; 50_000]);
            let cut = wire.len() - [1, 40_000, 50_001, 70_000][usize::from(round) % 4];
            theirs.write_all(&wire[..cut]).unwrap();
            while half.receive(ours.as_fd(), 0, &mut Vec::new()) == Received::Yield {}
            drop(theirs);
            half.hang_up();
            assert_eq!(half.receive(ours.as_fd(), 0, &mut Vec::new()), Received::End);
            writer = half.into_writer();
            assert_eq!(left.read().unwrap().data(), [round], "{version:?}");
            assert!(left.read().is_none(), "{version:?} {round}");
        }
    }
}

#[test]
fn half_tells_how_much_waits_and_how_it_leaves() {
    for hwm in [0, 1, 1000] {
        let (mut left, right) = pipes(hwm, false);
        let (reader, _, _end) = right.into_parts();
        let mut half = SendHalf::new(reader, SendForm::AsTheyLie);
        assert_eq!(
            half.outlet(),
            Outlet { hwm, form: Form::AsTheyLie, holds_back: false, beside_others: false }
        );
        assert!(!half.holds_at_least(1), "nothing is there");
        assert!(left.write(&mut OutFrame::bytes(&vec![0; 40_000], false)).unwrap());
        assert!(!half.holds_at_least(1), "it is not published");
        left.flush();
        assert!(half.holds_at_least(40_000) && !half.holds_at_least(40_100));
    }
    let (_left, right) = pipes(10, false);
    let half = SendHalf::new(right.into_parts().0, SendForm::Raw);
    assert_eq!(
        half.outlet(),
        Outlet { hwm: 10, form: Form::Copied, holds_back: false, beside_others: false }
    );
}

#[test]
fn a_stream_without_room_keeps_a_half_busy() {
    let (mut left, right) = pipes(0, false);
    let (reader, _, _end) = right.into_parts();
    let mut half = SendHalf::new(reader, SendForm::AsTheyLie);
    let (mut ours, _theirs) = streams();
    while std::io::Write::write(&mut ours, &[0; 4096]).is_ok() {}
    assert!(left.write(&mut OutFrame::bytes(b"x", false)).unwrap());
    left.flush();
    assert_eq!(half.send(ours.as_fd()), Sent::Blocked);
    assert!(half.is_busy(), "the reactor has to tell of room");
}
