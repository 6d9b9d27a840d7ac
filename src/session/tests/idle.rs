//! Peers that come and go while the program of the socket makes no call.

use super::panics::{Fixture, greet_as, hello};
use crate::options::{SocketOptions, SocketType};
use crate::session::Command;
use crate::session::unclaimed::LOOK_SESSIONS;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

/// A peer shakes hands, says this, and goes. Returns when its session has closed the stream.
fn come_and_go(address: &str, (name, socket): (&[u8], &[u8]), says: &[u8]) {
    let mut stream = greet_as(name, TcpStream::connect(address).unwrap());
    // Else the system would drop with the stream what was said.
    stream.read_exact(&mut vec![0; hello(socket).len()]).unwrap();
    stream.write_all(says).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let _ = stream.read_to_end(&mut Vec::new());
}

#[test]
fn pipes_of_peers_that_have_gone_do_not_wait_for_the_program() {
    const SUBSCRIBE: &[u8] = b"\0\x02\x01a";
    for (socket_type, names, says) in [
        (SocketType::Pub, (&b"SUB"[..], &b"PUB"[..]), SUBSCRIBE),
        (SocketType::Push, (b"PULL", b"PUSH"), b"\0\x01x"),
        (SocketType::Pull, (b"PUSH", b"PULL"), b""),
        (SocketType::Router, (b"DEALER", b"ROUTER"), b""),
        (SocketType::Xpub, (b"SUB", b"XPUB"), b""),
    ] {
        let fixture = Fixture::new(SocketOptions::new(socket_type));
        let (listening, address) = fixture.listen();
        for round in 0..3 * LOOK_SESSIONS {
            come_and_go(&address, names, says);
            let waiting = fixture.owner.mailbox.waiting();
            assert!(waiting <= LOOK_SESSIONS + 1, "{socket_type:?}: {waiting} in round {round}");
        }
        listening.close();
        fixture.end();
    }
}

#[test]
fn what_peers_have_left_before_they_went_is_received_in_order() {
    const MESSAGES: u8 = 150;
    for (socket_type, names) in [
        (SocketType::Pull, (&b"PUSH"[..], &b"PULL"[..])),
        (SocketType::Router, (b"DEALER", b"ROUTER")),
        (SocketType::Xpub, (b"SUB", b"XPUB")),
    ] {
        let fixture = Fixture::new(SocketOptions::new(socket_type));
        let (listening, address) = fixture.listen();
        for number in 0..MESSAGES {
            come_and_go(&address, names, &[0, 2, 1, number]);
            come_and_go(&address, names, b"");
        }
        let mut commands = Vec::new();
        fixture.owner.mailbox.take(&mut commands);
        assert!(commands.len() < 2 * usize::from(MESSAGES), "{socket_type:?}: none was taken back");
        let mut received = Vec::new();
        for command in commands {
            let Command::Bind(mut pipe) = command else { panic!("no pipe") };
            while let Some(frame) = pipe.read() {
                received.extend(frame.data().strip_prefix(b"\x01").unwrap_or_default().iter().copied());
            }
        }
        let expected: Vec<_> = (0..MESSAGES).collect();
        assert_eq!(received, expected, "{socket_type:?}");
        listening.close();
        fixture.end();
    }
}

#[cfg(front_epoll)]
#[test]
fn beyond_a_bound_no_peer_is_accepted_until_the_program_makes_a_call() {
    use crate::session::unclaimed::MAX_KEPT_PIPES;
    use std::io::ErrorKind;

    let fixture = Fixture::new(SocketOptions::new(SocketType::Pull));
    let (listening, address) = fixture.listen();
    let mut sent = 0;
    while !fixture.owner.has_many_unclaimed() {
        come_and_go(&address, (b"PUSH", b"PULL"), b"\0\x01x");
        // Its session is dropped.
        fixture.run_there();
        sent += 1;
        assert!(sent < 10 * MAX_KEPT_PIPES);
    }
    let mut waits = greet_as(b"PUSH", TcpStream::connect(&address).unwrap());
    (0..20).for_each(|_| fixture.run_there());
    waits.set_nonblocking(true).unwrap();
    let heard = waits.read(&mut [0; 8]).map_err(|error| error.kind());
    assert_eq!(heard, Err(ErrorKind::WouldBlock), "it is not accepted");
    let mut commands = Vec::new();
    fixture.owner.mailbox.take(&mut commands);
    let messages = |command: Command| match command {
        Command::Bind(mut pipe) => std::iter::from_fn(|| pipe.read().map(drop)).count(),
        _ => panic!("no pipe"),
    };
    assert_eq!(commands.into_iter().map(messages).sum::<usize>(), sent, "none is lost");
    waits.set_nonblocking(false).unwrap();
    waits.read_exact(&mut [0; 64]).unwrap();
    drop(waits);
    listening.close();
    fixture.end();
}
