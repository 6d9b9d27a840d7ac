//! Publishers and subscribers over `epgm://`, in builds that have it.
#![cfg(feature = "pgm")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/arrival.rs"]
mod arrival;
#[allow(dead_code, unused_imports, unused_macros)]
mod support;

use support::bench::*;
use zmq::errno::Errno;

/// Through the loopback interface, which brings back what leaves by it.
const NETWORK: &str = "epgm://127.0.0.1;239.255.77.9";

/// A publisher and a subscriber to everything, connected; `prepare` sets options before.
fn publisher_and_subscriber(context: Context, port: u16, prepare: impl Fn(Socket)) -> (Socket, Socket) {
    let (publisher, subscriber) = (context.patient(ZMQ_PUB), context.patient(ZMQ_SUB));
    prepare(publisher);
    prepare(subscriber);
    subscriber.set_bytes(ZMQ_SUBSCRIBE, b"");
    subscriber.connect(&format!("{NETWORK}:{port}"));
    publisher.connect(&format!("{NETWORK}:{port}"));
    subscriber.set(ZMQ_RCVTIMEO, 50);
    // Whatever is sent before the subscriber has found the stream is lost.
    for i in 0.. {
        assert!(i < 200, "nothing arrives");
        publisher.try_send(b"anybody?", 0).unwrap();
        if subscriber.try_frames(0).is_ok() {
            break;
        }
    }
    subscriber.set(ZMQ_RCVTIMEO, PATIENCE_MS);
    publisher.try_send(b"begin", 0).unwrap();
    while subscriber.try_frames(0).expect("the beginning") != [b"begin"] {}
    (publisher, subscriber)
}

#[test]
fn messages_of_every_size_pass_in_order() {
    let context = Context::new();
    let (publisher, subscriber) =
        publisher_and_subscriber(context, 17_501, |socket| socket.set(ZMQ_RATE, 100_000));
    arrival::all_arrives_in_order(publisher, subscriber, &[0, 1, 253, 254, 255, 1400, 1500, 10_000, 100_000]);
    publisher.close();
    subscriber.close();
    context.term();
}

#[test]
fn a_subscriber_gets_what_it_asked_for() {
    let context = Context::new();
    let (publisher, subscriber) = publisher_and_subscriber(context, 17_502, |_| {});
    subscriber.set_bytes(ZMQ_UNSUBSCRIBE, b"");
    subscriber.set_bytes(ZMQ_SUBSCRIBE, b"b");
    for message in [b"a1", b"b1", b"c1", b"b2"] {
        publisher.try_send(message, 0).unwrap();
    }
    assert_eq!(subscriber.try_frames(0).unwrap(), [b"b1"]);
    assert_eq!(subscriber.try_frames(0).unwrap(), [b"b2"]);
    publisher.close();
    subscriber.close();
    context.term();
}

#[test]
fn what_does_not_fit_is_refused() {
    let context = Context::new();
    let socket = context.patient(ZMQ_PUSH);
    assert_eq!(socket.try_connect(&format!("{NETWORK}:17503")), Err(Errno::NOCOMPATPROTO.0));
    socket.close();
    let socket = context.patient(ZMQ_SUB);
    for endpoint in ["epgm://nosuchif;239.1.2.3:5", "epgm://239.1.2.3", "pgm://127.0.0.1;239.1.2.3:0"] {
        assert_eq!(socket.try_connect(endpoint), Err(libc::EINVAL), "{endpoint}");
    }
    socket.close();
    context.term();
    // SAFETY: a C string.
    assert_eq!(unsafe { zmq_has(c"pgm".as_ptr()) }, 1);
}
