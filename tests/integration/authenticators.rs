//! What an authenticator is asked, and what it is spared: questions of peers that have gone.

use crate::support::program::{Context, Socket, poll};
use crate::support::zmtp::{COMMAND, Version, frame, greeting, until_closed};
use crate::support::{PATIENCE, PATIENCE_MS};
use std::ffi::c_int;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use zmq::ffi::constants::*;
use zmq::options::number::{ZMQ_PLAIN_SERVER, ZMQ_RCVTIMEO};

/// More than a look at the mailbox leaves there.
const STRANGERS: usize = 300;

/// An authenticator of this type, and a server of PLAIN that asks it.
fn bound(handler: c_int) -> (Context, Socket, Socket) {
    let context = Context::new();
    let handler = context.bound(handler, "inproc://zeromq.zap.01");
    handler.set(ZMQ_RCVTIMEO, PATIENCE_MS);
    let server = context.socket(ZMQ_PULL);
    server.set(ZMQ_PLAIN_SERVER, 1);
    server.bind("tcp://127.0.0.1:*");
    (context, handler, server)
}

/// A peer that the server has greeted: what the I/O thread did before is done then.
fn greeted(server: Socket) -> TcpStream {
    let mut stream = TcpStream::connect(server.last_endpoint().strip_prefix("tcp://").unwrap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&greeting(3, "PLAIN")).unwrap();
    stream.read_exact(&mut [0; 64]).unwrap();
    stream
}

fn settle(server: Socket) {
    drop(greeted(server));
}

/// A peer that has said its name.
fn client(server: Socket, name: &str) -> TcpStream {
    let mut stream = greeted(server);
    let hello = [&b"\x05HELLO"[..], &[name.len() as u8][..], name.as_bytes(), b"\x01p"].concat();
    stream.write_all(&frame(Version::V3, COMMAND, &hello)).unwrap();
    stream
}

/// Hangs up, and waits until the server has done so.
fn leave(mut stream: TcpStream) {
    stream.shutdown(Shutdown::Write).unwrap();
    until_closed(&mut stream);
}

/// Takes a question. Who it is about, and what names the asker.
fn question(handler: Socket) -> (String, Vec<Vec<u8>>) {
    let frames = handler.try_frames(0).unwrap();
    let begins = frames.iter().position(|frame| frame == b"1.0").unwrap();
    assert_eq!(frames.len() - begins, 8, "{frames:?}");
    (String::from_utf8(frames[begins + 6].clone()).unwrap(), frames[..begins].to_vec())
}

/// Lets the asker in.
fn answer(handler: Socket, asker: &[Vec<u8>]) {
    let answer = [&b"1.0"[..], b"1", b"200", b"", b"user", b""];
    let frames: Vec<&[u8]> = asker.iter().map(Vec::as_slice).chain(answer).collect();
    for (at, frame) in frames.iter().enumerate() {
        let flags = if at + 1 < frames.len() { ZMQ_SNDMORE } else { 0 };
        handler.try_send(frame, flags).unwrap();
    }
}

fn is_let_in(mut stream: &TcpStream) -> bool {
    let mut welcome = [0; 10];
    stream.read_exact(&mut welcome).is_ok() && welcome.ends_with(b"WELCOME")
}

#[test]
fn questions_of_peers_that_have_gone_are_not_asked() {
    for kind in [ZMQ_REP, ZMQ_ROUTER] {
        let (context, handler, server) = bound(kind);
        for _ in 0..STRANGERS {
            leave(client(server, "stranger"));
        }
        let honest = client(server, "honest");
        let (name, asker) = question(handler);
        assert_eq!(name, "honest", "{STRANGERS} have asked before, and have gone");
        answer(handler, &asker);
        assert!(is_let_in(&honest));
        assert_eq!(handler.try_frames(ZMQ_DONTWAIT).err(), Some(libc::EAGAIN));
        drop(honest);
        context.end(&[handler, server]);
    }
}

/// The handler has taken the pipes in, and has been told of a question.
#[test]
fn of_questions_that_it_holds_an_authenticator_hears_what_it_was_told_of_or_has_begun() {
    for kind in [ZMQ_REP, ZMQ_ROUTER] {
        for begins in [false, true] {
            let (context, handler, server) = bound(kind);
            let strangers: Vec<_> = (0..5).map(|_| client(server, "stranger")).collect();
            let last = client(server, "last");
            let honest = client(server, "honest");
            settle(server);
            assert_eq!(poll(&mut [handler.item(ZMQ_POLLIN)], PATIENCE_MS.into()), Ok(1));
            let mut first = Vec::new();
            if begins {
                first.push(handler.try_frame(0).unwrap().0);
            }
            strangers.into_iter().for_each(leave);
            leave(last);
            settle(server);
            let mut frames = handler.try_frames(0).unwrap();
            frames.splice(..0, first);
            let begins = frames.iter().position(|frame| frame == b"1.0").unwrap();
            assert_eq!((frames.len() - begins, &frames[begins + 6][..]), (8, &b"stranger"[..]), "whole");
            answer(handler, &frames[..begins]);
            let (name, asker) = question(handler);
            assert_eq!(name, "honest");
            answer(handler, &asker);
            assert!(is_let_in(&honest));
            drop(honest);
            context.end(&[handler, server]);
        }
    }
}
