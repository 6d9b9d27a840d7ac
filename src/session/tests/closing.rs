//! Sessions whose socket closes before they have a connection: they go on until what it has sent has left.

use super::halves::pipes;
use super::heartbeats::{expect, skip_handshake};
use super::panics::{Fixture, PATIENCE, greet_as};
use crate::counters::SocketCounter;
use crate::message::OutFrame;
use crate::options::{SocketOptions, SocketType};
use crate::pipe::Pipe;
use socket2::{Domain, Socket, Type};
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
    session.terminate();
    drop(held);
    let mut peer = greet_as(b"PULL", accept(&listener));
    skip_handshake(&mut peer);
    expect(&mut peer, b"\0\x04last");
    end(fixture);
}
