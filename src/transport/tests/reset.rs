//! A peer that accepts, speaks, and resets the connection before the side that connects has looked.

use super::{options, planned, ready};
use crate::errno::{Errno, Result};
use crate::transport::{Connecting, proceed};
use mio::Interest;
use socket2::SockRef;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

/// What an attempt finds whose peer has said this and reset the connection, and the stream.
fn find_after_reset(said: &[u8]) -> (Result<bool>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let options = options();
    let plan = planned(&format!("tcp://{}", listener.local_addr().unwrap()), &options).unwrap();
    let destinations = plan.resolve_literal(&options).unwrap().unwrap();
    let Connecting { fd, done } = plan.start(&destinations[0], &options).unwrap();
    assert_eq!(done, Ok(false), "a look comes later");
    let (mut peer, _) = listener.accept().unwrap();
    peer.write_all(said).unwrap();
    ready(fd.as_fd(), if said.is_empty() { Interest::WRITABLE } else { Interest::READABLE });
    SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
    drop(peer);
    let stream = TcpStream::from(fd);
    // Looks at the state alone, which a reset changes: the address is gone then.
    while stream.peer_addr().is_ok() {
        std::thread::yield_now();
    }
    (proceed(plan.scheme(), stream.as_fd(), &options), stream)
}

#[test]
fn what_the_peer_has_said_before_is_received() {
    let (found, mut stream) = find_after_reset(b"said");
    assert_eq!(found, Ok(true));
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).unwrap();
    assert_eq!(heard, b"said");
}

#[test]
fn a_peer_that_has_said_nothing_leaves_an_attempt_that_has_failed() {
    assert_eq!(find_after_reset(b"").0, Err(Errno::CONNRESET));
}
