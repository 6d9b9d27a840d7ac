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
fn publisher_and_subscriber(
    context: *mut std::ffi::c_void,
    port: u16,
    prepare: impl Fn(Socket),
) -> (Socket, Socket) {
    let (publisher, subscriber) = (open(context, ZMQ_PUB), open(context, ZMQ_SUB));
    prepare(publisher);
    prepare(subscriber);
    set_bytes(subscriber, ZMQ_SUBSCRIBE, b"");
    connect(subscriber, &format!("{NETWORK}:{port}"));
    connect(publisher, &format!("{NETWORK}:{port}"));
    set(subscriber, ZMQ_RCVTIMEO, 50);
    // Whatever is sent before the subscriber has found the stream is lost.
    for i in 0.. {
        assert!(i < 200, "nothing arrives");
        send(publisher, b"anybody?", 0).unwrap();
        if recv_all(subscriber, 0).is_ok() {
            break;
        }
    }
    set(subscriber, ZMQ_RCVTIMEO, PATIENCE_MS);
    send(publisher, b"begin", 0).unwrap();
    while recv_all(subscriber, 0).expect("the beginning") != [b"begin"] {}
    (publisher, subscriber)
}

#[test]
fn messages_of_every_size_pass_in_order() {
    let context = zmq_ctx_new();
    let (publisher, subscriber) =
        publisher_and_subscriber(context, 17_501, |socket| set(socket, ZMQ_RATE, 100_000));
    arrival::all_arrives_in_order(publisher, subscriber, &[0, 1, 253, 254, 255, 1400, 1500, 10_000, 100_000]);
    zmq_close(publisher);
    zmq_close(subscriber);
    assert_eq!(zmq_ctx_term(context), 0);
}

#[test]
fn a_subscriber_gets_what_it_asked_for() {
    let context = zmq_ctx_new();
    let (publisher, subscriber) = publisher_and_subscriber(context, 17_502, |_| {});
    set_bytes(subscriber, ZMQ_UNSUBSCRIBE, b"");
    set_bytes(subscriber, ZMQ_SUBSCRIBE, b"b");
    for message in [b"a1", b"b1", b"c1", b"b2"] {
        send(publisher, message, 0).unwrap();
    }
    assert_eq!(recv_all(subscriber, 0).unwrap(), [b"b1"]);
    assert_eq!(recv_all(subscriber, 0).unwrap(), [b"b2"]);
    zmq_close(publisher);
    zmq_close(subscriber);
    assert_eq!(zmq_ctx_term(context), 0);
}

#[test]
fn what_does_not_fit_is_refused() {
    let context = zmq_ctx_new();
    let socket = open(context, ZMQ_PUSH);
    assert_eq!(try_connect(socket, &format!("{NETWORK}:17503")), Err(Errno::NOCOMPATPROTO.0));
    zmq_close(socket);
    let socket = open(context, ZMQ_SUB);
    for endpoint in ["epgm://nosuchif;239.1.2.3:5", "epgm://239.1.2.3", "pgm://127.0.0.1;239.1.2.3:0"] {
        assert_eq!(try_connect(socket, endpoint), Err(libc::EINVAL), "{endpoint}");
    }
    zmq_close(socket);
    assert_eq!(zmq_ctx_term(context), 0);
    // SAFETY: a C string.
    assert_eq!(unsafe { zmq_has(c"pgm".as_ptr()) }, 1);
}
