//! A socket that sets another mark on a connection whose session has nothing left to send.

use super::panics::{Fixture, PATIENCE, greet_as};
use crate::message::OutFrame;
use crate::options::{SocketOptions, SocketType};
use std::io::Read;
use std::net::TcpStream;
use std::time::Instant;

/// The session sends them all before it hears of the mark, and reads nothing afterwards.
#[test]
fn a_session_grants_what_it_has_sent_when_the_socket_sets_another_mark() {
    const MESSAGES: u64 = 3;
    let fixture = Fixture::new(SocketOptions::new(SocketType::Push));
    let (listening, address) = fixture.listen();
    let mut peer = greet_as(b"PULL", TcpStream::connect(&address).unwrap());
    let mut socket = fixture.pipe();
    for _ in 0..MESSAGES {
        assert!(socket.pipe.write(&mut OutFrame::bytes(b"sent", false)).unwrap());
        socket.pipe.flush();
    }
    let mut received = Vec::new();
    while !received.windows(4).filter(|&bytes| bytes == b"sent").count().eq(&(MESSAGES as usize)) {
        let mut bytes = [0; 256];
        let length = peer.read(&mut bytes).unwrap();
        received.extend_from_slice(&bytes[..length]);
    }
    assert_eq!(socket.pipe.granted(), 0, "half of the mark is not sent");
    socket.pipe.set_hwms(2, 0);
    let start = Instant::now();
    while socket.pipe.granted() < MESSAGES {
        assert!(start.elapsed() < PATIENCE, "the session has not heard of it");
        std::thread::yield_now();
    }
    drop(socket);
    listening.close();
    fixture.end();
}
