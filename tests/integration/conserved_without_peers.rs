//! As `conservation`, where the other side is no socket with a connection: datagrams, and the raw peers of a STREAM.

use super::conservation::{send_all, stats};
use super::conserved_through_faults::{Carrier, Found, of, send_message, summary};
use crate::support::PATIENCE;
use crate::support::program::*;
use crate::support::random::Random;
use std::ffi::c_int;
use std::io::Write;
use std::net::{TcpStream, UdpSocket};
use std::time::Instant;
use zmq::options::SocketType;

const STEPS: usize = 400;

/// Looks until the counts have everything in its place.
fn until_found(context: Context, handed_in: i64, mut receive: impl FnMut() -> i64) {
    let start = Instant::now();
    loop {
        let received = receive();
        let found = Found::of(&stats(context), Carrier::Tcp);
        if received + found.sum() == handed_in {
            return;
        }
        let told = summary(&stats(context));
        assert!(start.elapsed() < PATIENCE, "{handed_in} handed in, {received} received, {found:?}: {told}");
        std::thread::yield_now();
    }
}

#[test]
fn messages_are_conserved_as_datagrams() {
    let context = Context::new();
    let (radio, dish) =
        (context.socket(SocketType::Radio as c_int), context.socket(SocketType::Dish as c_int));
    // SAFETY: a C string.
    assert_eq!(unsafe { zmq_join(dish.0, c"a".as_ptr()) }, 0);
    let endpoint = dish.try_bind("udp://127.0.0.1:*").unwrap();
    radio.connect(&endpoint);
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = endpoint.strip_prefix("udp://").unwrap();
    let (mut handed_in, mut received) = (0, 0);
    let mut random = Random::seeded(1);
    for _ in 0..STEPS {
        let group = random.one_of(&["a", "b"]);
        let body = vec![b'x'; random.one_of(&[0, 50, 3000, 100_000])];
        send_message(radio, 0, group, &body).unwrap();
        if random.one_in(4) {
            // A group that is longer than the datagram. It comes out of the network, and no socket has sent it.
            stranger.send_to(b"\x05a", address).unwrap();
        }
        handed_in += 1;
        // So the system drops none, which nothing would tell of.
        until_found(context, handed_in, || {
            received += i64::from(dish.try_frames(ZMQ_DONTWAIT).is_ok());
            radio.int(ZMQ_EVENTS).unwrap();
            received
        });
    }
    let stats = stats(context);
    let of = |socket_type, reason: &str| of(&stats, socket_type)["dropped"][reason].as_u64().unwrap();
    assert_ne!(
        of(SocketType::Radio, "malformed") + of(SocketType::Radio, "over_size"),
        0,
        "{}",
        summary(&stats)
    );
    assert_ne!(of(SocketType::Dish, "malformed"), 0);
    assert_ne!(of(SocketType::Dish, "filtered"), 0);
    context.end(&[radio, dish]);
}

/// What a peer of a STREAM is sent and what it sends are bytes, of which each part that the socket makes or gets is a message.
#[test]
fn messages_are_conserved_by_a_stream() {
    let context = Context::new();
    let stream = context.socket(ZMQ_STREAM);
    let address = stream.bind_anywhere().strip_prefix("tcp://").unwrap().to_owned();
    let mut random = Random::seeded(1);
    let (mut handed_in, mut received, mut notices, mut peers) = (0, 0, 0, Vec::new());
    let mut names: Vec<Vec<u8>> = Vec::new();
    let mut receive = |names: &mut Vec<Vec<u8>>| {
        while let Ok(frames) = stream.try_frames(ZMQ_DONTWAIT) {
            if frames[1].is_empty() {
                notices += 1;
            } else {
                received += 1;
            }
            if !names.contains(&frames[0]) {
                names.push(frames[0].clone());
            }
        }
        (received, notices)
    };
    for _ in 0..STEPS {
        match random.below(6) {
            0 if peers.len() < 4 => {
                peers.push(TcpStream::connect(&address).unwrap());
                // Its name comes with the notice of its connection.
                let (known, start) = (names.len(), Instant::now());
                while names.len() == known {
                    receive(&mut names);
                    assert!(start.elapsed() < PATIENCE, "no notice of a connection has come");
                    std::thread::yield_now();
                }
            }
            // With something unread it is a reset.
            1 if random.one_in(4) => drop(peers.pop()),
            2 | 3 if let Some(mut peer) = peers.last() => {
                let _ = peer.write(&vec![b'x'; random.one_of(&[1, 5000])]);
            }
            4 | 5 if !names.is_empty() => {
                let name = names[random.below(names.len())].clone();
                let body = vec![b'x'; random.one_of(&[1, 5000, 70_000])];
                handed_in += i64::from(send_all(stream, &[&name, &body]).is_ok());
            }
            _ => drop(receive(&mut names)),
        }
    }
    until_found(context, handed_in, || receive(&mut names).0);
    drop(peers);
    until_found(context, handed_in, || receive(&mut names).0);
    let (received, notices) = receive(&mut names);
    assert!(notices > 0, "no peer has connected");
    assert!(handed_in > 0 && received > 0, "{handed_in} handed in, {received} received");
    stream.close();
    context.term();
}
