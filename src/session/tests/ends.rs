//! Received bytes when a connection ends, in any order of events.

use super::halves::{Message, NO_LIMITS, heartbeat, messages, pipes, read_all, streams};
use super::panics::{Fixture, PATIENCE, greet_as};
use crate::engine::zmtp::{Version, frame};
use crate::errno::Errno;
use crate::message::{MORE, OutFrame};
use crate::options::{SocketOptions, SocketType};
use crate::pipe::{End, Pipe};
use crate::random::Random;
use crate::session::connection::recv::{Received, RecvForm, RecvHalf};
use crate::session::connection::send::{SendForm, SendHalf, Sent};
use crate::sys::faults::{self, Call};
use std::io::{ErrorKind, Write};
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::channel;

/// A connection whose session does what it is told, and its peer.
struct Connection {
    stream: UnixStream,
    send: SendHalf,
    recv: RecvHalf,
    end: End,
}

/// The peer, and the bytes that it has not written yet.
struct Sender<'w> {
    stream: Option<UnixStream>,
    rest: &'w [u8],
}

fn connection(hwm: i32) -> (Pipe, Connection, UnixStream) {
    let (stream, theirs) = streams();
    let (left, right) = pipes(hwm, false);
    let (reader, writer, end) = right.into_parts();
    let version = Version::V3_1;
    let recv = RecvHalf::new(writer, RecvForm::Zmtp(version), NO_LIMITS, heartbeat(version));
    (left, Connection { stream, send: SendHalf::new(reader, SendForm::AsTheyLie), recv, end }, theirs)
}

fn wire_of(messages: &[Message]) -> Vec<u8> {
    let mut wire = Vec::new();
    for message in messages {
        for (number, body) in message.iter().enumerate() {
            frame::append_frame(&mut wire, if number + 1 < message.len() { MORE } else { 0 }, body);
        }
    }
    wire
}

impl Sender<'_> {
    fn write(&mut self, random: &mut Random) {
        let Some(stream) = &mut self.stream else { return };
        let most = random.one_of(&[1, 50, 3000, 200_000]).min(self.rest.len());
        match stream.write(&self.rest[..most]) {
            Ok(n) => self.rest = &self.rest[n..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            // It is not read any more.
            Err(_) => self.stream = None,
        }
    }

    /// It lingers: it goes once all is written.
    fn close(&mut self) {
        if self.rest.is_empty() {
            self.stream = None;
        }
    }
}

/// Whether the connection goes on. What ends it is what [`Session`](crate::session::lifecycle::session::Session) ends it for.
fn receive(connection: &mut Connection) -> bool {
    let received = connection.recv.receive(connection.stream.as_fd(), 0, &mut Vec::new());
    match received {
        Received::Blocked | Received::NoCredit | Received::Yield => true,
        Received::End | Received::Failed(_) => false,
        Received::Stopped | Received::NoMemory | Received::OverRate(_) | Received::Broken(_) => {
            panic!("{received:?}")
        }
    }
}

/// The random interleaving of a seed.
fn interleave(seed: u64) {
    let mut random = Random::seeded(seed);
    let sent = messages(&mut random, 40);
    let wire = wire_of(&sent);
    // It goes in the middle of a message in some cases: that one is none.
    let cut = if random.one_in(3) { random.below(wire.len()) } else { wire.len() };
    let mut end_of_last = 0;
    let is_whole = |message: &&Message| {
        end_of_last += wire_of(std::slice::from_ref(*message)).len();
        end_of_last <= cut
    };
    let whole = sent.iter().take_while(is_whole).count();
    let (mut left, connection, stream) = connection(random.one_of(&[1, 2, 7, 0]));
    let mut connection = Some(connection);
    let mut peer = Sender { stream: Some(stream), rest: &wire[..cut] };
    let (mut partial, mut got) = (Message::new(), Vec::new());
    // Whether sending had failed before the peer was through.
    let mut failed_early = false;
    for _ in 0..100_000 {
        match random.below(6) {
            0 => peer.write(&mut random),
            1 => peer.close(),
            2 | 3 => {
                if let Some(open) = &mut connection
                    && !receive(open)
                {
                    // It is taken apart, and its session never connects again.
                    let Connection { recv, send, end, .. } = connection.take().unwrap();
                    drop((recv.into_writer(), send.into_reader(), end));
                }
            }
            4 if random.one_in(20) => {
                if let Some(open) = &mut connection {
                    // A reply, to a peer that may be there still; or the system refuses it.
                    let _ = left.write(&mut OutFrame::bytes(b"reply", false));
                    left.flush();
                    let outcome = open.send.send(open.stream.as_fd());
                    if matches!(outcome, Sent::Failed(_)) || random.one_in(20) {
                        failed_early |= peer.stream.is_some();
                        open.send.give_up();
                        open.recv.end_when_read(Errno::PIPE);
                        assert_eq!(open.send.send(open.stream.as_fd()), Sent::Over);
                    }
                }
            }
            4 => {}
            _ => {
                let before = got.len();
                read_all(&mut left, &mut partial, &mut got);
                assert!(got[before..] == sent[before..got.len()], "{seed}: a prefix, and whole");
                assert!(partial.is_empty());
                if connection.is_none() && left.ended() {
                    break;
                }
            }
        }
    }
    assert!(connection.is_none() && left.ended(), "{seed}: it has not ended");
    assert!(got.len() <= whole && (failed_early || got.len() == whole), "{seed}: {} of {whole}", got.len());
}

#[test]
fn whole_messages_are_read_and_all_of_them_where_the_peer_lingered() {
    (0..200).for_each(interleave);
}

#[test]
fn a_stream_that_is_to_end_is_read_to_its_end_as_credit_allows() {
    let (mut left, mut open, mut peer) = connection(1);
    peer.write_all(&wire_of(&[vec![b"1".to_vec()], vec![b"2".to_vec()], vec![b"3".to_vec()]])).unwrap();
    open.recv.end_when_read(Errno::CONNRESET);
    for number in [b"1", b"2", b"3"] {
        assert!(left.read().is_none_or(|_| false));
        let received = open.recv.receive(open.stream.as_fd(), 0, &mut Vec::new());
        let expected = if number == b"3" { Received::Failed(Errno::CONNRESET) } else { Received::NoCredit };
        assert_eq!(received, expected);
        assert_eq!(left.read().unwrap().data(), number);
    }
    // The first reason stays, also when others follow.
    peer.write_all(b"\0\x01x").unwrap();
    open.recv.end_when_read(Errno::PIPE);
    assert_eq!(
        open.recv.receive(open.stream.as_fd(), 0, &mut Vec::new()),
        Received::Failed(Errno::CONNRESET)
    );
}

#[test]
fn a_subscriber_that_closes_does_not_wait_for_another_peer_to_tell_it_of_subscriptions() {
    let mut options = SocketOptions::new(SocketType::Sub);
    options.reconnect_ivl_ms = 1;
    let fixture = Fixture::new(options);
    fixture.owner.set_linger_ms(-1);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (mut ours, theirs) = pipes(10, false);
    let _session = fixture.connect(&listener.local_addr().unwrap().to_string(), theirs);
    let peer = greet_as(b"XPUB", listener.accept().unwrap().0);
    fixture.until_connected();
    drop(listener);
    // The subscription does not leave before the peer is gone, and the socket with it.
    fixture.refuse_there(Call::Send, Errno::AGAIN, u32::MAX);
    let _refused = faults::refuse(Call::Send, Errno::AGAIN, u32::MAX);
    ours.write_subscription(true, b"topic").unwrap();
    ours.flush();
    ours.close();
    drop(peer);
    let (ended, has_ended) = channel();
    std::thread::spawn(move || {
        fixture.end();
        ended.send(())
    });
    assert_eq!(has_ended.recv_timeout(PATIENCE), Ok(()));
}
