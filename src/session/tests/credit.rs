//! The work of a thread of the program when it gives credit, and when it has none left.

use super::panics::{Fixture, PATIENCE, SocketPipe, hello, pull};
use crate::message::OutFrame;
use crate::options::{SocketOptions, SocketType};
use crate::pipe::ReaderTurns;
use crate::session::Listening;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

/// A socket with one peer.
struct Pair {
    fixture: Fixture,
    listening: Listening,
    peer: TcpStream,
    pipe: SocketPipe,
}

impl Pair {
    fn new(options: SocketOptions) -> Pair {
        Pair::with_io_threads(1, options)
    }

    fn with_io_threads(number: i32, options: SocketOptions) -> Pair {
        let peer_type = if options.socket_type == SocketType::Push { b"PULL" } else { b"PUSH" };
        Pair::to(number, options, &hello(peer_type))
    }

    /// With a peer that says this of itself.
    fn to(io_threads: i32, options: SocketOptions, hello: &[u8]) -> Pair {
        let fixture = Fixture::with_io_threads(io_threads, options);
        let (listening, address) = fixture.listen();
        let mut peer = TcpStream::connect(&address).unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        peer.write_all(hello).unwrap();
        let pipe = fixture.pipe();
        let pair = Pair { fixture, listening, peer, pipe };
        // The pipe is here before the connection.
        pair.patiently(|pair| pair.fixture.owner.connections.count() == 1);
        // What the session does as the connection begins needs both halves, which a test may hold.
        drop(pair.fixture.hold_io_threads());
        pair
    }

    /// More than the pipe takes, until the reactor has put the stream aside.
    fn fill(&mut self, more: &[u8]) {
        let mut bytes: Vec<u8> = (0..100).flat_map(|number| [0, 1, number]).collect();
        bytes.extend_from_slice(more);
        self.peer.write_all(&bytes).unwrap();
        self.patiently(|pair| pair.fixture.owner.connections.lent() == 1);
    }

    /// Looks again and again until it is so.
    #[track_caller]
    fn patiently(&self, mut is_so: impl FnMut(&Pair) -> bool) {
        let start = Instant::now();
        while !is_so(self) {
            assert!(start.elapsed() < PATIENCE);
            thread::yield_now();
        }
    }

    fn end(self) {
        self.listening.close();
        drop(self.pipe);
        self.fixture.end();
    }
}

fn low_mark() -> SocketOptions {
    let mut options = pull();
    options.rcvhwm = 10;
    options
}

#[test]
fn thread_that_grants_credit_receives() {
    let mut pair = Pair::new(low_mark());
    let start = Instant::now();
    let mut by_itself = false;
    // Again if the I/O thread was looking after the stream just then.
    while !by_itself {
        assert!(start.elapsed() < PATIENCE);
        pair.fill(b"");
        by_itself = true;
        for number in 0..100 {
            match pair.pipe.pipe.read() {
                Some(frame) => assert_eq!(frame.data(), [number]),
                None => {
                    by_itself = false;
                    assert_eq!(pair.pipe.recv(), [number]);
                }
            }
        }
        pair.patiently(|pair| pair.fixture.owner.connections.lent() == 0);
    }
    pair.peer.write_all(b"\0\x01x").unwrap();
    assert_eq!(pair.pipe.recv(), b"x", "by the I/O thread, which watches again");
    pair.end();
}

#[test]
fn a_stream_that_was_busy_is_put_aside_when_more_arrives() {
    let mut pair = Pair::new(low_mark());
    let connection = pair.fixture.owner.connections.first().unwrap();
    let sending = connection.send_half();
    pair.peer.write_all(&b"\0\x01x".repeat(20)).unwrap();
    pair.patiently(|_| connection.with_recv(|half| half.waits_for_credit()) == Some(true));
    // So that the I/O thread has found it busy, for the most part.
    thread::sleep(Duration::from_millis(1));
    drop(sending);
    let mut arrived = 20;
    pair.patiently(|pair| {
        (&pair.peer).write_all(b"\0\x01x").unwrap();
        arrived += 1;
        // No more than a stream takes that is not read.
        thread::sleep(Duration::from_millis(1));
        pair.fixture.owner.connections.lent() == 1
    });
    for _ in 0..arrived {
        assert_eq!(pair.pipe.recv(), b"x");
    }
    drop(connection);
    pair.end();
}

#[test]
fn a_session_that_is_turned_away_from_a_stream_without_credit_comes_again() {
    // A PUSH of ZMTP 2.0. With heartbeats the I/O thread would wait to be let in.
    let mut pair = Pair::to(1, low_mark(), b"\xff\0\0\0\0\0\0\0\x01\x7f\x01\x08\0\0");
    let connection = pair.fixture.owner.connections.first().unwrap();
    connection.with_recv(|half| half.read_at_most(30));
    // Behind it a message of more frames than one turn takes in reads as small as that.
    const FRAMES: usize = 20_000;
    pair.fill(&[&b"\x01\x01m".repeat(FRAMES)[..], b"\0\x04last"].concat());
    let held = pair.fixture.hold_io_threads();
    // The turn of this thread, as it grants credit, ends within the last message: the session is woken for the rest.
    for number in 0..100 {
        assert_eq!(pair.pipe.pipe.read().unwrap().data(), [number]);
    }
    let half = connection.recv_half();
    drop(held);
    pair.patiently(|_| connection.recv.has_turned_away());
    drop(half);
    for _ in 0..FRAMES {
        assert_eq!(pair.pipe.recv(), b"m");
    }
    assert_eq!(pair.pipe.recv(), b"last");
    drop(connection);
    pair.end();
}

#[test]
fn outcome_of_receiving_for_credit_is_left_to_the_session() {
    let mut pair = Pair::new(low_mark());
    // A PING, which is to be answered, and what is no frame.
    pair.fill(b"\x04\x09\x04PING\0\0ab\x02\xff\xff\xff\xff\xff\xff\xff\xff");
    for number in 0..100 {
        assert_eq!(pair.pipe.recv(), [number]);
    }
    pair.pipe.wait_for_the_end();
    let mut seen = Vec::new();
    let _ = pair.peer.read_to_end(&mut seen);
    assert!(seen.ends_with(b"\x04\x07\x04PONGab"));
    pair.end();
}

#[test]
fn a_peer_that_went_meanwhile_is_missed_in_the_end() {
    let mut pair = Pair::new(low_mark());
    pair.fill(b"");
    pair.peer.shutdown(std::net::Shutdown::Both).unwrap();
    for number in 0..100 {
        assert_eq!(pair.pipe.recv(), [number]);
    }
    pair.pipe.wait_for_the_end();
    pair.end();
}

#[test]
fn a_panic_on_the_way_ends_the_connection() {
    let mut pair = Pair::new(low_mark());
    pair.fill(b"");
    let connection = pair.fixture.owner.connections.first().unwrap();
    connection.with_recv(|half| half.panics = true);
    drop(connection);
    for number in 0..10 {
        assert_eq!(pair.pipe.recv(), [number]);
    }
    pair.pipe.wait_for_the_end();
    pair.end();
}

#[test]
fn session_coalesces_while_the_program_sends_and_sends_the_rest() {
    let mut options = SocketOptions::new(SocketType::Push);
    options.sndhwm = 10;
    let mut pair = Pair::new(options);
    let connection = pair.fixture.owner.connections.first().unwrap();
    let mut reader = pair.peer.try_clone().unwrap();
    let total = std::sync::atomic::AtomicUsize::new(usize::MAX);
    thread::scope(|scope| {
        let reading = scope.spawn(|| {
            // Behind what the library says of itself, every message is three bytes.
            let (mut bytes, mut buffer) = (0, [0; 4096]);
            while bytes < total.load(std::sync::atomic::Ordering::SeqCst) {
                bytes += reader.read(&mut buffer).unwrap();
            }
            bytes
        });
        let (mut sent, mut coalesced_batches) = (0usize, 0);
        let start = Instant::now();
        while coalesced_batches < 3 {
            assert!(start.elapsed() < PATIENCE);
            if pair.pipe.pipe.write(&mut OutFrame::bytes(b"x", false)).unwrap() {
                pair.pipe.pipe.flush();
                sent += 3;
            } else {
                coalesced_batches +=
                    usize::from(connection.send_for_credit() && connection.coalescing.look().is_some());
            }
        }
        // One more, to which the program does nothing else.
        let greeting = 64 + 28;
        total.store(greeting + sent + 3, std::sync::atomic::Ordering::SeqCst);
        while !pair.pipe.pipe.write(&mut OutFrame::bytes(b"x", false)).unwrap() {
            assert_eq!(pair.pipe.parker.park(Some(PATIENCE)), Ok(true), "the I/O thread sends");
        }
        pair.pipe.pipe.flush();
        assert!(reading.join().unwrap() >= sent);
    });
    drop(connection);
    pair.end();
}

/// Messages of one byte, as many as the pipe takes, also by having the reader read. No I/O thread runs meanwhile.
fn send_without_io_threads(pair: &mut Pair, most: usize) -> usize {
    let held = pair.fixture.hold_io_threads();
    let mut sent = 0;
    let pipe = &mut pair.pipe.pipe;
    while sent < most && (pipe.check_write() || pipe.check_write_again(&mut ReaderTurns::default())) {
        assert!(pipe.write(&mut OutFrame::bytes(b"x", false)).unwrap());
        pipe.flush();
        sent += 1;
    }
    drop(held);
    sent
}

/// Sends to a peer that reads nothing before.
fn sent_without_io_threads(io_threads: i32, sndhwm: i32, most: usize) -> usize {
    let mut options = SocketOptions::new(SocketType::Push);
    options.sndhwm = sndhwm;
    sent_by(io_threads, options, most, (64 + 28, b"\0\x01x"))
}

/// As [`sent_without_io_threads`], with what is on the wire: bytes before the messages, and each message.
fn sent_by(io_threads: i32, options: SocketOptions, most: usize, (before, each): (usize, &[u8])) -> usize {
    let mut pair = Pair::with_io_threads(io_threads, options);
    let sent = send_without_io_threads(&mut pair, most);
    pair.peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = vec![0; before + each.len() * sent];
    pair.peer.read_exact(&mut bytes).unwrap();
    assert!(bytes.ends_with(&each.repeat(sent)), "each message once");
    pair.end();
    sent
}

#[test]
fn thread_that_would_be_refused_sends_by_itself() {
    assert_eq!(sent_without_io_threads(2, 100, 2_000), 2_000);
    assert_eq!(sent_without_io_threads(2, 1_000, 5_000), 5_000);
}

#[test]
fn thread_that_a_stream_socket_would_refuse_sends_by_itself() {
    let options = || SocketOptions::new(SocketType::Stream);
    assert_eq!(sent_by(2, options(), 5_000, (0, b"x")), 5_000);
    assert!(
        (1_000..=1_001).contains(&sent_by(1, options(), 5_000, (0, b"x"))),
        "all peers have one I/O thread"
    );
}

#[test]
fn thread_is_refused_where_the_mark_is_low_or_the_stream_is_full() {
    // The first message leaves at once.
    assert!((99..=100).contains(&sent_without_io_threads(2, 99, 2_000)));
    assert!(
        (1_000..=1_001).contains(&sent_without_io_threads(1, 1_000, 2_000)),
        "all peers have one I/O thread"
    );
    let most = 100_000_000;
    let sent = sent_without_io_threads(2, 1_000, most);
    assert!((1_001..most).contains(&sent), "{sent}");
}

#[test]
fn an_io_thread_that_is_turned_away_waits_to_be_let_in() {
    let mut pair = Pair::new(SocketOptions::new(SocketType::Push));
    let connection = pair.fixture.owner.connections.first().unwrap();
    let sending = connection.send_half();
    assert!(pair.pipe.pipe.write(&mut OutFrame::bytes(b"x", false)).unwrap());
    pair.pipe.pipe.flush();
    pair.patiently(|_| connection.send.has_turned_away());
    // As the I/O thread does while it goes on: it is not to wake itself.
    assert_eq!(connection.with_recv(|half| half.received()), Some(0));
    assert!(connection.send.has_turned_away());
    drop(sending);
    let mut bytes = [0; 1];
    while bytes != *b"x" {
        pair.peer.read_exact(&mut bytes).unwrap();
    }
    drop(connection);
    pair.end();
}

#[test]
fn draining_thread_goes_on_when_the_stream_takes_no_more() {
    let mut pair = Pair::new(SocketOptions::new(SocketType::Push));
    let connection = pair.fixture.owner.connections.first().unwrap();
    let body = vec![7; 64 * 1024];
    // Far more than a stream takes that is not read.
    const COUNT: usize = 500;
    for _ in 0..COUNT {
        assert!(pair.pipe.pipe.write(&mut OutFrame::bytes(&body, false)).unwrap());
        pair.pipe.pipe.flush();
        connection.drain_blocking(body.len());
    }
    drop(connection);
    let sent = COUNT * (9 + body.len());
    assert!(pair.pipe.pipe.queued().0 > 0, "the stream was never full");
    pair.peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let (mut bytes, mut buffer) = (0, vec![0; 1024 * 1024]);
    while bytes < 64 + 28 + sent {
        // The program does nothing any more.
        bytes += pair.peer.read(&mut buffer).unwrap();
    }
    assert_eq!(bytes, 64 + 28 + sent);
    pair.end();
}

#[test]
fn room_that_comes_while_a_thread_drains_is_not_missed() {
    let mut pair = Pair::new(SocketOptions::new(SocketType::Push));
    let connection = pair.fixture.owner.connections.first().unwrap();
    let body = vec![7; 64 * 1024];
    // Far more than a stream takes that is not read.
    const COUNT: usize = 500;
    let held = pair.fixture.hold_io_threads();
    for _ in 0..COUNT {
        assert!(pair.pipe.pipe.write(&mut OutFrame::bytes(&body, false)).unwrap());
    }
    pair.pipe.pipe.flush();
    let (mut bytes, mut buffer) = (0, vec![0; 1024 * 1024]);
    connection.drain_out_of_time(|| {
        drop(held);
        // It has done all that it was woken for before.
        (0..2).for_each(|_| drop(pair.fixture.hold_io_threads()));
        let before = connection.wakeups();
        pair.peer.set_nonblocking(true).unwrap();
        pair.patiently(|pair| {
            bytes += (&pair.peer).read(&mut buffer).unwrap_or(0);
            connection.wakeups() > before
        });
        // The I/O thread knows of the room, and has left it to this thread.
        drop(pair.fixture.hold_io_threads());
        pair.peer.set_nonblocking(false).unwrap();
    });
    drop(connection);
    let expected = 64 + 28 + COUNT * (9 + body.len());
    while bytes < expected {
        // The program does nothing any more.
        bytes += pair.peer.read(&mut buffer).unwrap();
    }
    assert_eq!(bytes, expected);
    pair.end();
}
