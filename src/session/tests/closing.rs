//! Sessions whose socket closes before they have a connection: they go on until what it has sent has left.

use super::halves::pipes;
use super::heartbeats::{expect, skip_handshake};
use super::panics::{Fixture, PATIENCE, drain, greet_as, hello};
use crate::counters::SocketCounter;
use crate::errno::Errno;
use crate::message::OutFrame;
use crate::options::{SocketOptions, SocketType};
use crate::pipe::{DISCONNECTED, OCCUPIED, Pipe};
use crate::session::Command;
use socket2::{Domain, Socket, Type};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Instant;

/// A place at which no peer listens yet, and its port, which no other socket gets meanwhile.
fn place() -> (Socket, u16) {
    let place = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    place.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let port = place.local_addr().unwrap().as_socket().unwrap().port();
    (place, port)
}

fn listen(place: Socket) -> TcpListener {
    place.listen(10).unwrap();
    place.set_nonblocking(true).unwrap();
    place.into()
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "{what}");
        thread::yield_now();
    }
}

fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = until("it does not connect", || listener.accept().ok());
    stream.set_nonblocking(false).unwrap();
    stream
}

fn send(pipe: &mut Pipe, body: &[u8]) {
    assert!(pipe.write(&mut OutFrame::bytes(body, false)).unwrap());
    pipe.flush();
}

/// The context ends.
fn end(fixture: Fixture) {
    let (ended, has_ended) = channel();
    thread::spawn(move || {
        fixture.end();
        ended.send(())
    });
    assert_eq!(has_ended.recv_timeout(PATIENCE), Ok(()));
}

/// Holds the I/O thread, turn by turn, until an attempt to connect has begun in the turn before. So the I/O thread has not been
/// told yet how that goes on.
fn hold_behind_an_attempt(fixture: &Fixture) -> (Sender<()>, Receiver<()>) {
    let attempts = || fixture.owner.record.counter(SocketCounter::Reconnects);
    let next = || fixture.hold_next();
    let mut held = next();
    held.1.recv_timeout(PATIENCE).unwrap();
    until("there is no further attempt", || {
        let (before, after) = (attempts(), next());
        drop(std::mem::replace(&mut held, after));
        held.1.recv_timeout(PATIENCE).unwrap();
        (attempts() > before).then_some(())
    });
    held
}

#[test]
fn a_name_that_is_found_as_the_socket_closes_leads_to_the_peer() {
    let mut options = SocketOptions::new(SocketType::Push);
    options.reconnect_ivl_ms = 1;
    let fixture = Fixture::new(options);
    fixture.owner.set_linger_ms(-1);
    let (place, port) = place();
    let (mut ours, theirs) = pipes(10, false);
    let session = fixture.connect(&format!("localhost:{port}"), theirs);
    let held = hold_behind_an_attempt(&fixture);
    until("the name is not found", || session.0.letterbox.is_woken().then_some(()));
    let listener = listen(place);
    send(&mut ours, b"last");
    ours.close();
    session.terminate(fixture.owner.linger_ms());
    drop(held);
    let mut peer = greet_as(b"PULL", accept(&listener));
    skip_handshake(&mut peer);
    expect(&mut peer, b"\0\x04last");
    end(fixture);
}

#[test]
fn a_peer_that_freezes_is_given_up_also_where_it_came_after_the_socket_had_closed() {
    let mut options = SocketOptions::new(SocketType::Pair);
    (options.heartbeat_ivl_ms, options.heartbeat_timeout_ms) = (100, 100);
    (options.reconnect_ivl_ms, options.sndbuf) = (1, 64 * 1024);
    let fixture = Fixture::new(options);
    fixture.owner.set_linger_ms(-1);
    let (place, port) = place();
    place.set_recv_buffer_size(64 * 1024).unwrap();
    let (mut ours, theirs) = pipes(0, false);
    // Far more than the stream takes.
    (0..8).for_each(|_| send(&mut ours, &vec![7; 1024 * 1024]));
    ours.close();
    let session = fixture.connect(&format!("127.0.0.1:{port}"), theirs);
    session.terminate(fixture.owner.linger_ms());
    (0..2).for_each(|_| drop(fixture.hold_io_threads()));
    let listener = listen(place);
    let mut frozen = greet_as(b"PAIR", accept(&listener));
    // No program receives it any more.
    frozen.write_all(b"\0\x01x").unwrap();
    let second = greet_as(b"PAIR", accept(&listener));
    drain(second);
    drop(frozen);
    end(fixture);
}

#[test]
fn what_the_system_holds_arrives_though_the_peer_said_something_that_is_not_read() {
    let fixture = Fixture::new(SocketOptions::new(SocketType::Pair));
    fixture.owner.set_linger_ms(-1);
    let (place, port) = place();
    place.set_recv_buffer_size(64 * 1024).unwrap();
    let listener = listen(place);
    let (mut ours, theirs) = pipes(10, false);
    let session = fixture.connect(&format!("127.0.0.1:{port}"), theirs);
    let mut peer = greet_as(b"PAIR", accept(&listener));
    skip_handshake(&mut peer);
    fixture.until_connected();
    let held = fixture.hold_io_threads();
    // More than the peer's system takes, and less than this one holds.
    let body = vec![7; 512 * 1024];
    send(&mut ours, &body);
    ours.close();
    session.terminate(fixture.owner.linger_ms());
    peer.write_all(b"\0\x01x").unwrap();
    let connection = fixture.owner.connections.first().unwrap();
    let unread = || connection.unread_bytes() > 0;
    until("it does not arrive", || unread().then_some(()));
    drop((connection, held));
    // The session has ended, and the stream is closed.
    end(fixture);
    expect(&mut peer, &[&[2, 0, 0, 0, 0, 0, 8, 0, 0], &body[..]].concat());
}

/// A socket that closes while its peer, to which it has connected, reads none of its messages; then the peer goes.
fn close_before_a_peer_that_goes(options: SocketOptions, greeting: &[u8]) -> (Fixture, TcpListener) {
    let fixture = Fixture::new(options);
    fixture.owner.set_linger_ms(-1);
    let (place, port) = place();
    place.set_recv_buffer_size(64 * 1024).unwrap();
    let listener = listen(place);
    let (mut ours, theirs) = pipes(0, false);
    let session = fixture.connect(&format!("127.0.0.1:{port}"), theirs);
    let mut peer = accept(&listener);
    peer.write_all(greeting).unwrap();
    skip_handshake(&mut peer);
    fixture.until_connected();
    (0..8).for_each(|_| send(&mut ours, &vec![7; 1024 * 1024]));
    ours.close();
    session.terminate(fixture.owner.linger_ms());
    // The session has closed before the peer goes.
    (0..2).for_each(|_| drop(fixture.hold_io_threads()));
    (fixture, listener)
}

/// As [`hello`], of a peer with this name.
fn hello_of(name: u8) -> Vec<u8> {
    let mut hello = hello(b"DEALER");
    let property = [&b"\x08Identity\0\0\0\x01"[..], &[name]].concat();
    hello[65] += u8::try_from(property.len()).unwrap();
    [hello, property].concat()
}

fn going(socket_type: SocketType) -> SocketOptions {
    let mut options = SocketOptions::new(socket_type);
    (options.reconnect_ivl_ms, options.sndbuf) = (1, 64 * 1024);
    options
}

#[test]
fn messages_of_immediate_end_with_their_connection() {
    let options = SocketOptions { immediate: true, ..going(SocketType::Push) };
    let (fixture, listener) = close_before_a_peer_that_goes(options, &hello(b"PULL"));
    drop(listener);
    end(fixture);
}

#[test]
fn messages_of_xsub_wait_for_the_next_peer() {
    let (fixture, listener) = close_before_a_peer_that_goes(going(SocketType::Xsub), &hello(b"XPUB"));
    let mut second = greet_as(b"XPUB", accept(&listener));
    let mut bytes = Vec::new();
    second.read_to_end(&mut bytes).unwrap();
    assert!(bytes.len() > 1024 * 1024, "{}", bytes.len());
    end(fixture);
}

#[test]
fn a_stranger_gets_no_pipe_of_a_socket_that_closes() {
    let (fixture, listener) = close_before_a_peer_that_goes(going(SocketType::Router), &hello_of(b'a'));
    let mut stranger = accept(&listener);
    stranger.write_all(&hello_of(b'b')).unwrap();
    drain(stranger);
    let mut commands = Vec::new();
    fixture.owner.mailbox.take(&mut commands);
    assert!(!commands.iter().any(|command| matches!(command, Command::Bind(_))));
    end(fixture);
}

#[test]
fn a_socket_that_does_not_want_a_peer_of_its_own_endpoint_meets_it_again() {
    for (errno, again) in [(Errno::NOBUFS, true), (OCCUPIED, true), (DISCONNECTED, false)] {
        let fixture = Fixture::new(going(SocketType::Xpub));
        let (place, port) = place();
        let listener = listen(place);
        let (ours, theirs) = pipes(0, false);
        let session = fixture.connect(&format!("127.0.0.1:{port}"), theirs);
        let mut first = greet_as(b"XSUB", accept(&listener));
        skip_handshake(&mut first);
        fixture.until_connected();
        ours.refuse(errno);
        drop(ours);
        assert_eq!(first.read(&mut [0]).unwrap(), 0);
        if again {
            let mut second = greet_as(b"XSUB", accept(&listener));
            skip_handshake(&mut second);
            let Command::Bind(pipe) = fixture.command() else { panic!("no pipe") };
            assert!(pipe.is_of_connect);
            session.terminate(fixture.owner.linger_ms());
        }
        end(fixture);
    }
}
