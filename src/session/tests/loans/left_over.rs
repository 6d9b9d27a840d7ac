//! Bytes of which no event tells the reactor: a thread has left them in the stream, or the I/O thread was turned away from them.

use super::super::panics::pull;
use super::{Lending, PATIENCE, come_back_slowly};
use crate::message::OutFrame;
use crate::options::{SocketOptions, SocketType};
use crate::session::connection::Connection;
use crate::session::ordering::mark::receive_mark;
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

/// A message, and behind it more commands than one turn takes, the last of them before another message. In one segment.
fn more_than_a_turn() -> Vec<u8> {
    let commands = b"\x04\x02\x01X".repeat(4000);
    [&b"\0\x05first"[..], &commands, b"\0\x04last"].concat()
}

#[test]
fn what_the_turn_of_a_thread_leaves_over_is_received_when_the_thread_has_gone() {
    let mut lending = Lending::new(pull());
    come_back_slowly(&mut lending);
    let start = Instant::now();
    let mut received_by_itself = 0;
    while received_by_itself < 5 {
        assert!(start.elapsed() < PATIENCE);
        // So that a turn ends within what came at once.
        let connection = lending.fixture.owner.connections.first().unwrap();
        connection.with_recv(|half| half.read_at_most(1024));
        drop(connection);
        let (mut peer, before) = (lending.peer.take().unwrap(), receive_mark());
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(5));
                peer.write_all(&more_than_a_turn()).unwrap();
            });
            assert_eq!(lending.recv(), b"first");
        });
        lending.peer = Some(peer);
        // Unless it was not asleep by then.
        received_by_itself += u32::from(receive_mark() != before && lending.in_front());
        assert_eq!(lending.pipe.recv(), b"last", "by the I/O thread, of which nothing tells it");
    }
    lending.end();
}

#[test]
fn what_comes_while_a_borrower_holds_the_half_is_received_when_it_has_gone() {
    let mut lending = Lending::new(pull());
    come_back_slowly(&mut lending);
    let connection = lending.fixture.owner.connections.first().unwrap();
    lending.patiently(|lending| {
        lending.thread.lent.give_back();
        lending.thread.sleep(&lending.fixture, Duration::ZERO);
        lending.lent() == 1 && lending.in_front()
    });
    let half = connection.recv_half();
    // The thread does not sleep, so it is the I/O thread that is told, and turned away.
    lending.say(b"\0\x01x");
    lending.patiently(|_| connection.recv.has_turned_away());
    drop(half);
    // The session is woken for that while the stream is still lent.
    lending.fixture.run_there();
    lending.thread.lent.give_back();
    assert_eq!(lending.pipe.recv(), b"x");
    drop(connection);
    lending.end();
}

/// Publishes a message that the thread does not send by itself, so that the session is told of it.
fn publish(lending: &mut Lending, connection: &Connection) {
    let sending = connection.send_half();
    assert!(lending.pipe.pipe.write(&mut OutFrame::bytes(b"y", false)).unwrap());
    lending.pipe.pipe.flush();
    drop(sending);
}

fn pair() -> Lending {
    let lending = Lending::to(b"PAIR", SocketOptions::new(SocketType::Pair));
    // The session has done all that comes at a connection's beginning.
    lending.fixture.run_there();
    lending
}

#[test]
fn what_comes_while_a_thread_holds_the_half_is_received_also_if_that_thread_publishes() {
    let mut lending = pair();
    let connection = lending.fixture.owner.connections.first().unwrap();
    let half = connection.recv_half();
    lending.say(b"\0\x01x");
    lending.patiently(|_| connection.recv.has_turned_away());
    // The I/O thread goes on: it does not wait for the half.
    lending.fixture.run_there();
    let held = lending.fixture.hold_io_threads();
    drop(half);
    publish(&mut lending, &connection);
    drop(held);
    assert_eq!(lending.pipe.recv(), b"x");
    drop(connection);
    lending.end();
}

#[test]
fn an_end_that_a_thread_finds_alone_is_followed_up_also_if_that_thread_publishes() {
    let mut lending = pair();
    lending.borrow();
    let connection = lending.fixture.owner.connections.first().unwrap();
    let held = lending.fixture.hold_io_threads();
    // What breaks the protocol, and leaves nothing in the stream.
    lending.say(b"\x02\xff\xff\xff\xff\xff\xff\xff\xff");
    lending.patiently(|lending| lending.has_bytes());
    assert!(!connection.receive_ready(false));
    publish(&mut lending, &connection);
    drop((connection, held));
    lending.pipe.wait_for_the_end();
    lending.thread.lent.give_back();
    lending.end();
}
