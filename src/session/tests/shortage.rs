//! Memory that is refused while a connection sends and receives: it waits, and nothing is lost, doubled or out of order.

use super::halves::{Message, NO_LIMITS, heartbeat, messages, pipes, read_all, streams, write_some};
use super::panics::{Fixture, PATIENCE, SocketPipe, greet, greet_as, hello, pull};
use super::ws::ends;
use crate::engine::Heartbeat;
use crate::engine::codec::testing::codecs;
use crate::engine::codec::{AnyOpener, AnySealer};
use crate::engine::zmtp::Version;
use crate::engine::zmtp::heartbeat::{Action, Intervals};
use crate::errno::Errno;
use crate::message::OutFrame;
use crate::options::{SocketOptions, SocketType};
use crate::random::Random;
use crate::session::connection::recv::{Limits, Received, RecvForm, RecvHalf};
use crate::session::connection::send::{SendForm, SendHalf, Sent};
use crate::sys::faults::{self, Call};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::Instant;

/// How the frames travel from one end to the other.
fn forms() -> Vec<(&'static str, SendForm, RecvForm)> {
    let mut forms = vec![("3.1", SendForm::AsTheyLie, RecvForm::Zmtp(Version::V3_1))];
    for (name, version) in [("1.0", Version::V1), ("2.0", Version::V2), ("3.0", Version::V3_0)] {
        forms.push((name, SendForm::Framed(version), RecvForm::Zmtp(version)));
    }
    let (client, server) = codecs(Version::V3_1);
    let sealer = SendForm::Sealed(AnySealer::Curve(client.sealer));
    forms.push(("curve", sealer, RecvForm::Sealed(Version::V3_1, AnyOpener::Curve(server.opener))));
    for (name, role, sealed) in [("ws client", 0, false), ("ws server", 1, false), ("ws curve", 0, true)] {
        let (outgoing, incoming) = ends(role, sealed);
        forms.push((name, SendForm::Ws(outgoing), RecvForm::Ws(incoming)));
    }
    forms
}

/// The weight of the heaviest message, give or take less than a large frame: one that is counted twice is too heavy.
fn heaviest(messages: &[Message]) -> u64 {
    let weight = |message: &Message| message.iter().map(|frame| frame.len() + 100).sum::<usize>();
    messages.iter().map(weight).max().unwrap_or(0) as u64
}

#[test]
fn all_that_is_sent_arrives_although_memory_is_refused_time_and_again() {
    let mut waits = (0, 0);
    for seed in 0..6 {
        for (name, send_form, recv_form) in forms() {
            let mut random = Random::seeded(seed + 1);
            let sent = messages(&mut random, 100);
            let limits = Limits { message: heaviest(&sent), ..NO_LIMITS };
            let (near, far) = streams();
            let (mut left, right) = pipes(5, false);
            let (reader, _, _end) = right.into_parts();
            let mut send = SendHalf::new(reader, send_form);
            let (mut out, right) = pipes(3, false);
            let (_, writer, _recv_end) = right.into_parts();
            let mut recv = RecvHalf::new(writer, recv_form, limits, heartbeat(Version::V3_1));
            let (mut rest, mut partial, mut got) = (&sent[..], Message::new(), Vec::new());
            let mut refusal = |call| {
                let refused = !random.one_in(3);
                let (after, times) = (random.below(4) as u32, 1 + random.below(3) as u32);
                refused.then(|| faults::refuse_after(call, Errno::NOMEM, after, times))
            };
            let start = Instant::now();
            while got.len() < sent.len() {
                assert!(start.elapsed() < PATIENCE, "{name} {seed}: {} of {}", got.len(), sent.len());
                write_some(&mut left, &mut rest);
                {
                    let _refused = [refusal(Call::Allocate), refusal(Call::Send)];
                    let outcome = send.send(near.as_fd());
                    let good = matches!(outcome, Sent::All | Sent::Blocked | Sent::Yield | Sent::NoMemory);
                    assert!(good, "{name} {seed}: {outcome:?}");
                    waits.0 += usize::from(outcome == Sent::NoMemory);
                }
                {
                    let _refused = [refusal(Call::Allocate), refusal(Call::Receive)];
                    let outcome = recv.receive(far.as_fd(), 0, &mut Vec::new());
                    let good = matches!(
                        outcome,
                        Received::Blocked | Received::NoCredit | Received::Yield | Received::NoMemory
                    );
                    assert!(good, "{name} {seed}: {outcome:?}");
                    waits.1 += usize::from(outcome == Received::NoMemory);
                }
                read_all(&mut out, &mut partial, &mut got);
            }
            assert!(got == sent, "{name} {seed}");
        }
    }
    assert!(waits.0 > 100 && waits.1 > 100, "{waits:?}");
}

#[test]
fn peer_is_not_held_dead_while_memory_for_its_messages_is_short() {
    let intervals = Intervals { ping_ms: 100, timeout_ms: 100, ttl_ds: 1 };
    let (ours, mut theirs) = streams();
    let (_left, right) = pipes(0, false);
    let (_, writer, _end) = right.into_parts();
    let heartbeat = Some(Heartbeat::start(intervals, 0));
    let mut half = RecvHalf::new(writer, RecvForm::Zmtp(Version::V3_1), NO_LIMITS, heartbeat);
    theirs.write_all(&[&[2][..], &1_000_000u64.to_be_bytes(), &[7; 100_000]].concat()).unwrap();
    let state = SendHalf::new(pipes(0, false).1.into_parts().0, SendForm::AsTheyLie).state();
    let refused = faults::refuse(Call::Allocate, Errno::NOMEM, u32::MAX);
    for now in (0..2000).step_by(10) {
        assert_eq!(half.receive(ours.as_fd(), now, &mut Vec::new()), Received::NoMemory);
        let beat = half.heartbeat_mut().unwrap();
        assert_ne!(beat.poll(now, &state), Action::Expired, "at {now}");
        beat.append_ping(b"", &mut Vec::new());
    }
    drop(refused);
    assert_eq!(half.receive(ours.as_fd(), 2000, &mut Vec::new()), Received::Blocked);
    let beat = half.heartbeat_mut().unwrap();
    let expires = (2010..3000).step_by(10).find(|now| beat.poll(*now, &state) == Action::Expired);
    assert!(expires.is_some(), "it is heard again, and so its silence is");
}

#[test]
fn a_session_asks_again_until_there_is_memory() {
    // Once for longer than any burst of events lasts.
    for call in [Call::Allocate, Call::Receive] {
        let fixture = Fixture::new(pull());
        let (listening, address) = fixture.listen();
        let mut peer = greet(TcpStream::connect(&address).unwrap());
        let mut pipe = fixture.pipe();
        fixture.until_connected();
        fixture.refuse_there(call, Errno::NOMEM, 5);
        peer.write_all(&[&[2][..], &70_000u64.to_be_bytes(), &[7; 70_000]].concat()).unwrap();
        assert_eq!(pipe.recv(), [7; 70_000], "{call:?}");
        listening.close();
        fixture.end();
    }
    let fixture = Fixture::new(SocketOptions::new(SocketType::Push));
    let (listening, address) = fixture.listen();
    let mut peer = greet_as(b"PULL", TcpStream::connect(&address).unwrap());
    let mut pipe = fixture.pipe();
    peer.read_exact(&mut vec![0; hello(b"PUSH").len()]).unwrap();
    fixture.until_connected();
    fixture.refuse_there(Call::Send, Errno::NOBUFS, 5);
    let _refused = faults::refuse(Call::Send, Errno::NOBUFS, 1);
    pipe.pipe.write(&mut OutFrame::bytes(b"a", false)).unwrap();
    pipe.pipe.flush();
    let mut bytes = [0; 3];
    peer.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"\0\x01a");
    listening.close();
    fixture.end();
}

#[test]
fn a_subscriber_without_memory_for_its_next_attempt_makes_it_later() {
    let mut options = SocketOptions::new(SocketType::Sub);
    options.reconnect_ivl_ms = 1;
    let fixture = Fixture::new(options);
    let peer = TcpListener::bind("127.0.0.1:0").unwrap();
    let (ours, theirs) = pipes(10, false);
    let mut pipe = SocketPipe::new(ours);
    let session = fixture.connect(&peer.local_addr().unwrap().to_string(), theirs);
    let mut first = greet_as(b"XPUB", peer.accept().unwrap().0);
    first.write_all(b"\0\x01a").unwrap();
    assert_eq!(pipe.recv(), b"a");
    fixture.refuse_there(Call::Allocate, Errno::NOMEM, 5);
    drop(first);
    let mut second = greet_as(b"XPUB", peer.accept().unwrap().0);
    second.write_all(b"\0\x01b").unwrap();
    assert_eq!(pipe.recv(), b"b", "by the same pipe");
    session.terminate(fixture.owner.linger_ms());
    pipe.wait_for_the_end();
    drop(second);
    fixture.end();
}
