//! Publishers and subscribers over `norm://`, in builds that have it.
#![cfg(feature = "norm")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/arrival.rs"]
mod arrival;
#[allow(dead_code, unused_imports, unused_macros)]
mod support;

use std::ffi::c_int;
use support::bench::*;
use zmq::errno::Errno;
use zmq::options::draft_number::*;
use zmq::sys::norm::{Mode, NormSocket, Place, Settings};

/// Through the loopback interface, which brings back what leaves by it.
const NETWORK: &str = "lo;239.255.77.9";

/// A socket that sends as fast as the loopback interface likes, which congestion control takes long to find out.
fn open_fast(context: Context, kind: c_int) -> Socket {
    let socket = context.patient(kind);
    socket.set(ZMQ_NORM_MODE, ZMQ_NORM_FIXED);
    socket.set(ZMQ_RATE, 100_000);
    socket
}

/// A subscriber to everything and a publisher, connected.
fn subscriber_and_publisher(context: Context, port: u16) -> (Socket, Socket) {
    let (subscriber, publisher) = (context.patient(ZMQ_SUB), open_fast(context, ZMQ_PUB));
    subscriber.set_bytes(ZMQ_SUBSCRIBE, b"");
    subscriber.connect(&format!("norm://{NETWORK}:{port}"));
    publisher.connect(&format!("norm://{NETWORK}:{port}"));
    (subscriber, publisher)
}

#[test]
fn messages_of_every_size_pass_in_order() {
    let context = Context::new();
    let (subscriber, publisher) = subscriber_and_publisher(context, 17_601);
    arrival::all_arrives_in_order(
        publisher,
        subscriber,
        &[0, 1, 254, 255, 256, 1400, 1500, 10_000, 100_000, 1_000_000],
    );
    publisher.close();
    subscriber.close();
    context.term();
}

#[test]
fn messages_of_several_publishers_stay_whole() {
    let context = Context::new();
    let (subscriber, first) = subscriber_and_publisher(context, 17_602);
    let second = open_fast(context, ZMQ_XPUB);
    second.connect(&format!("norm://77,{NETWORK}:17602"));
    let body = vec![5; 5000];
    for i in 0..50u8 {
        for (name, publisher) in [(1, first), (2, second)] {
            publisher.try_send(&[name, i], ZMQ_SNDMORE).unwrap();
            publisher.try_send(&body, ZMQ_SNDMORE).unwrap();
            publisher.try_send(&[name, i], 0).unwrap();
        }
    }
    let mut next = [0; 3];
    for _ in 0..100 {
        let message = subscriber.try_frames(0).unwrap();
        let (name, i) = (message[0][0], message[0][1]);
        assert!(message == [vec![name, i], body.clone(), vec![name, i]]);
        assert_eq!(i, next[usize::from(name)], "of {name}");
        next[usize::from(name)] += 1;
    }
    for socket in [first, second, subscriber] {
        socket.close();
    }
    context.term();
}

#[test]
fn a_subscriber_gets_what_it_asked_for_and_what_was_sent_before_it_came() {
    let context = Context::new();
    let publisher = open_fast(context, ZMQ_PUB);
    publisher.connect(&format!("norm://{NETWORK}:17603"));
    for message in [b"a1", b"b1", b"c1"] {
        publisher.try_send(message, 0).unwrap();
    }
    let subscriber = context.patient(ZMQ_XSUB);
    subscriber.try_send(b"\x01b", 0).unwrap();
    subscriber.try_bind(&format!("norm://{NETWORK}:17603")).unwrap();
    for message in [b"a2", b"b2"] {
        publisher.try_send(message, 0).unwrap();
    }
    // XSUB does not filter, so what comes is all there is, from the beginning of NORM's buffer.
    for message in [b"a1", b"b1", b"c1", b"a2", b"b2"] {
        assert_eq!(subscriber.try_frames(0).unwrap(), [message]);
    }
    let filtering = context.patient(ZMQ_SUB);
    filtering.set_bytes(ZMQ_SUBSCRIBE, b"b");
    filtering.connect(&format!("norm://{NETWORK}:17603"));
    publisher.try_send(b"b3", 0).unwrap();
    for message in [b"b1", b"b2", b"b3"] {
        assert_eq!(filtering.try_frames(0).unwrap(), [message]);
    }
    for socket in [publisher, subscriber, filtering] {
        socket.close();
    }
    context.term();
}

/// What comes in a stream is a stranger's word. None of it reaches the program, none of it is in another's way, and what
/// a stream has after it is received.
#[test]
fn streams_that_break_the_rules_hurt_nobody() {
    let context = Context::new();
    let subscriber = context.patient(ZMQ_SUB);
    subscriber.set_bytes(ZMQ_SUBSCRIBE, b"");
    subscriber.set_bytes(ZMQ_MAXMSGSIZE, &1000i64.to_ne_bytes());
    subscriber.connect(&format!("norm://{NETWORK}:17610"));
    let good = open_fast(context, ZMQ_PUB);
    good.connect(&format!("norm://{NETWORK}:17610"));
    let long = [7; 2000];
    let too_long = [&b"\0\x02\0\0\0\0\0\0\x07\xd0"[..], &long].concat();
    // What ends in the middle of something has what follows taken for the rest of that; `true`: it does not.
    let hostile: [(&[u8], bool); 9] = [
        (b"\0\x04\x05READY", true),
        (&too_long, true),
        (b"\xff\0\x06nobody", true),
        (b"\0\x01\x01a\xff\x01\x01b", true),
        (b"\0\0\x64only a part of it", false),
        (b"\0\x02\0\0", false),
        (b"\0\x02\x7f\xff\xff\xff\xff\xff\xff\xff and nothing", false),
        (b"\0\x02\xff\xff\xff\xff\xff\xff\xff\xff and nothing", false),
        (b"\xde\xad\xbe\xef\xfe\xed", false),
    ];
    for (i, (bytes, goes_on)) in hostile.into_iter().enumerate() {
        let mut stranger = stranger(17_610);
        assert_eq!(stranger.write(bytes), bytes.len());
        if goes_on {
            assert_eq!(stranger.write(b"\0\0\x02ok"), 5);
        }
        stranger.flush();
        if goes_on {
            assert_eq!(subscriber.try_frames(0).unwrap(), [b"ok"], "{i}");
        }
        good.try_send(&[i as u8], 0).unwrap();
        assert_eq!(subscriber.try_frames(0).unwrap(), [[i as u8]]);
    }
    for socket in [good, subscriber] {
        socket.close();
    }
    context.term();
}

/// Sends what it likes.
fn stranger(port: u16) -> NormSocket {
    let place = Place { node: None, interface: Some("lo"), address: "239.255.77.9", port };
    let settings = Settings {
        receives: false,
        hops: 1,
        tos: 0,
        rate_kbit: 100_000,
        mode: Mode::Fixed,
        unicast_nack: false,
        buffer_kib: 64,
        segment: 1400,
        block: 16,
        parity: 4,
        auto_parity: 0,
        push: false,
    };
    NormSocket::open(&place, &settings).unwrap()
}

#[test]
fn what_was_sent_before_the_end_arrives() {
    let context = Context::new();
    let (subscriber, publisher) = subscriber_and_publisher(context, 17_604);
    publisher.set(ZMQ_LINGER, -1);
    // No more than the receiver's buffer holds, as nobody is there any more to send again what is lost.
    for i in 0..100u32 {
        publisher.try_send(&i.to_be_bytes(), 0).unwrap();
    }
    publisher.close();
    for i in 0..100u32 {
        assert_eq!(subscriber.try_frames(0).unwrap(), [i.to_be_bytes()]);
    }
    subscriber.close();
    context.term();
}

#[test]
fn closing_waits_for_nobody_who_has_nothing_to_send() {
    let context = Context::new();
    for (kind, port) in [(ZMQ_PUB, 17_605), (ZMQ_SUB, 17_606)] {
        let socket = context.patient(kind);
        socket.set(ZMQ_LINGER, -1);
        socket.connect(&format!("norm://{NETWORK}:{port}"));
        socket.close();
    }
    context.term();
}

#[test]
fn options_are_read_back_and_bounded() {
    let context = Context::new();
    let socket = context.patient(ZMQ_PUB);
    let defaults = [
        (ZMQ_NORM_MODE, ZMQ_NORM_CC, 5),
        (ZMQ_NORM_UNICAST_NACK, 0, 2),
        (ZMQ_NORM_BUFFER_SIZE, 2048, 0),
        (ZMQ_NORM_SEGMENT_SIZE, 1400, 0),
        (ZMQ_NORM_BLOCK_SIZE, 16, 256),
        (ZMQ_NORM_NUM_PARITY, 4, 255),
        (ZMQ_NORM_NUM_AUTOPARITY, 0, -1),
        (ZMQ_NORM_PUSH, 0, 2),
    ];
    for (option, default, bad) in defaults {
        assert_eq!(socket.int(option), Ok(default), "{option}");
        assert_eq!(socket.try_set(option, &c_int::to_ne_bytes(bad)), Err(libc::EINVAL), "{option}");
        socket.set(option, 1);
        assert_eq!(socket.int(option), Ok(1), "{option}");
    }
    socket.close();
    for mode in ZMQ_NORM_FIXED..=ZMQ_NORM_CCE_ECNONLY {
        let socket = context.patient(ZMQ_PUB);
        for (option, value) in [
            (ZMQ_NORM_MODE, mode),
            (ZMQ_NORM_NUM_AUTOPARITY, 6),
            (ZMQ_NORM_PUSH, 1),
            (ZMQ_NORM_BLOCK_SIZE, 1),
        ] {
            socket.set(option, value);
        }
        socket.connect(&format!("norm://{NETWORK}:17607"));
        socket.try_send(b"into the void", 0).unwrap();
        socket.close();
    }
    context.term();
}

#[test]
fn what_does_not_fit_is_refused() {
    let context = Context::new();
    let socket = context.patient(ZMQ_PUSH);
    assert_eq!(socket.try_connect(&format!("norm://{NETWORK}:17608")), Err(Errno::NOCOMPATPROTO.0));
    socket.close();
    let socket = context.patient(ZMQ_SUB);
    for endpoint in
        ["norm://nosuchif;239.1.2.3:5", "norm://239.1.2.3", "norm://lo;239.1.2.3:0", "norm://0,239.1.2.3:5"]
    {
        assert_eq!(socket.try_connect(endpoint), Err(libc::EINVAL), "{endpoint}");
    }
    socket.close();
    let socket = context.patient(ZMQ_PUB);
    socket.set(ZMQ_NORM_SEGMENT_SIZE, 65_001);
    assert_eq!(socket.try_connect(&format!("norm://{NETWORK}:17609")), Err(libc::EINVAL));
    socket.close();
    context.term();
    // SAFETY: a C string.
    assert_eq!(unsafe { zmq_has(c"norm".as_ptr()) }, 1);
}
