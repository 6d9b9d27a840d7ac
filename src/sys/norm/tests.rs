//! Sockets of NORM over the loopback device.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::settings::SETTINGS;
use super::*;
use std::mem::offset_of;

#[test]
fn the_structures_are_those_of_the_header() {
    assert_eq!(size_of::<headers::Event>(), 32);
    assert_eq!((offset_of!(headers::Event, sender), offset_of!(headers::Event, object)), (16, 24));
}

#[test]
fn invalid_places_are_refused() {
    let place = Place { node: None, interface: None, address: "239.255.77.9", port: 17_521 };
    for place in [
        Place { address: "", ..place },
        Place { address: "\0", ..place },
        Place { interface: Some("nosuchif"), ..place },
    ] {
        assert!(NormSocket::open(&place, &SETTINGS).is_err(), "{place:?}");
    }
}

#[test]
fn written_bytes_are_read() {
    let place = place(17_522);
    let mut receiver = NormSocket::open(&place, &SETTINGS).unwrap();
    let mut sender = NormSocket::open(&place, &SENDER).unwrap();
    assert_eq!(sender.write(b"hello"), 5);
    sender.flush();
    let stream = heard(&mut receiver);
    let mut room = [0; 64];
    assert_eq!(receiver.read(stream, &mut room), Read::Bytes(5));
    assert_eq!(&room[..5], b"hello");
    assert_eq!(receiver.read(stream, &mut room), Read::Nothing);
    while sender.next_event() != Some(Event::Empty) {
        wait(&sender);
    }
}

#[test]
fn the_least_recently_heard_of_too_many_senders_goes() {
    let place = place(17_523);
    let mut receiver = NormSocket::open(&place, &SETTINGS).unwrap();
    let mut senders: Vec<_> =
        (0..MAX_STREAMS + 2).map(|_| NormSocket::open(&place, &SENDER).unwrap()).collect();
    let mut streams = Vec::new();
    for (i, sender) in senders.iter_mut().enumerate() {
        assert_eq!(sender.write(&[i as u8]), 1);
        sender.flush();
        streams.push(read_from(&mut receiver, i as u8));
        assert!(receiver.streams.len() <= MAX_STREAMS, "{i}");
    }
    let mut room = [0; 8];
    assert_eq!((receiver.read(streams[0], &mut room), receiver.seek(streams[0])), (Read::Nothing, false));
    // A sender that has gone may come again.
    assert_eq!(senders[0].write(&[99]), 1);
    senders[0].flush();
    read_from(&mut receiver, 99);
}

#[test]
fn objects_that_are_no_streams_are_ignored() {
    unsafe extern "C" {
        fn NormDataEnqueue(
            session: Handle,
            data: *const u8,
            length: u32,
            info: *const u8,
            info_length: c_uint,
        ) -> Handle;
    }
    let place = place(17_524);
    let mut receiver = NormSocket::open(&place, &SETTINGS).unwrap();
    let mut sender = NormSocket::open(&place, &SENDER).unwrap();
    let data = [7u8; 5000];
    // SAFETY: a session that sends; the data outlive it.
    assert!(!unsafe { NormDataEnqueue(sender.session, data.as_ptr(), 5000, ptr::null(), 0) }.is_null());
    assert_eq!(sender.write(b"!"), 1);
    sender.flush();
    read_from(&mut receiver, b'!');
    assert_eq!(receiver.streams.len(), 1);
    drop(sender);
}

#[test]
fn bytes_lost_on_the_way_are_sent_again() {
    unsafe extern "C" {
        fn NormSetTxLoss(session: Handle, percent: f64);
    }
    let place = place(17_525);
    let mut receiver = NormSocket::open(&place, &SETTINGS).unwrap();
    let mut sender = NormSocket::open(&place, &SENDER).unwrap();
    // SAFETY: a session of ours.
    unsafe { NormSetTxLoss(sender.session, 20.0) };
    let sent: Vec<u8> = (0..10_000u32).flat_map(u32::to_be_bytes).collect();
    assert_eq!(sender.write(&sent), sent.len());
    sender.flush();
    let (mut received, mut room) = (Vec::new(), [0; 5000]);
    let stream = heard(&mut receiver);
    while received.len() < sent.len() {
        match receiver.read(stream, &mut room) {
            Read::Bytes(length) => received.extend_from_slice(&room[..length]),
            Read::Nothing if receiver.next_event().is_none() => wait(&receiver),
            Read::Nothing => {}
            Read::Lost => panic!("lost after {}", received.len()),
        }
    }
    assert!(received == sent);
}

const SENDER: Settings = Settings { receives: false, mode: Mode::Fixed, rate_kbit: 10_000, ..SETTINGS };

fn place(port: u16) -> Place<'static> {
    Place { node: None, interface: Some("lo"), address: "239.255.77.9", port }
}

/// A stream that has a message.
fn heard(receiver: &mut NormSocket) -> Stream {
    loop {
        match receiver.next_event() {
            Some(Event::Readable(stream)) if receiver.seek(stream) => return stream,
            Some(_) => {}
            None => wait(receiver),
        }
    }
}

/// Reads until `byte` comes, and returns its stream.
fn read_from(receiver: &mut NormSocket, byte: u8) -> Stream {
    let mut room = [0; 8];
    loop {
        let stream = heard(receiver);
        while let Read::Bytes(length) = receiver.read(stream, &mut room) {
            if room[..length].contains(&byte) {
                return stream;
            }
        }
    }
}

fn wait(socket: &NormSocket) {
    use crate::sys::poll::{PollFd, poll};
    let mut fds = [PollFd { fd: socket.fd(), events: libc::POLLIN, revents: 0 }];
    assert_eq!(poll(&mut fds, Some(std::time::Duration::from_secs(30))), Ok(1), "nothing happens");
}
