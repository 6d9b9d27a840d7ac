//! High-water marks that are set on connections: a socket that was stopped by one goes on by the next.

use crate::support::PATIENCE;
use crate::support::process::no_child_begins;
use crate::support::program::{Context, Monitor, Socket, poll, raw_item};
use std::ffi::c_int;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Instant;
use zmq::ffi::constants::*;
use zmq::ffi::draft_constants::{ZMQ_CHANNEL, ZMQ_CLIENT, ZMQ_GATHER, ZMQ_SCATTER, ZMQ_SERVER};
use zmq::options::number::*;

/// What sends, and what receives from it.
const PAIRS: [(c_int, c_int); 8] = [
    (ZMQ_PUSH, ZMQ_PULL),
    (ZMQ_DEALER, ZMQ_DEALER),
    (ZMQ_PAIR, ZMQ_PAIR),
    (ZMQ_REQ, ZMQ_ROUTER),
    (ZMQ_XSUB, ZMQ_XPUB),
    (ZMQ_SCATTER, ZMQ_GATHER),
    (ZMQ_CLIENT, ZMQ_SERVER),
    (ZMQ_CHANNEL, ZMQ_CHANNEL),
];
/// A mark, and the one that is set on a connection stopped by it.
const RAISED: [(c_int, c_int); 2] = [(1, 1000), (10, 0)];

/// Addresses that no other process uses, by number.
fn endpoints(number: usize) -> [String; 3] {
    let process = std::process::id();
    let [.., a, b] = process.to_be_bytes();
    [
        format!("tcp://127.{a}.{b}.3:{}", 10_000 + number),
        format!("ipc://@marks-{process}-{number}"),
        format!("inproc://marks-{number}"),
    ]
}

fn numbered(number: c_int) -> Vec<u8> {
    format!("message {number}").into_bytes()
}

fn is_ready(socket: Socket, event: c_int) -> bool {
    poll(&mut [socket.item(event)], 0) == Ok(1)
}

/// A socket that has used up its mark, and is connected to an address that is not bound yet.
fn stopped(context: Context, (socket_type, mark): (c_int, c_int), endpoint: &str) -> Socket {
    let socket = context.patient(socket_type);
    socket.set(ZMQ_RECONNECT_IVL, 1);
    socket.set(ZMQ_SNDHWM, mark);
    if socket_type == ZMQ_REQ {
        socket.set(ZMQ_REQ_RELAXED, 1);
    }
    socket.connect(endpoint);
    for number in 0..mark {
        assert_eq!(socket.try_send(&numbered(number), ZMQ_DONTWAIT), Ok(()), "{number} of {mark}");
    }
    // An XSUB drops what it has no credit for.
    let refusal = if socket_type == ZMQ_XSUB { Ok(()) } else { Err(libc::EAGAIN) };
    assert_eq!(socket.try_send(b"too many", ZMQ_DONTWAIT), refusal);
    if socket_type != ZMQ_XSUB {
        assert!(!is_ready(socket, ZMQ_POLLOUT));
    }
    socket
}

fn receive_numbers(peer: Socket, numbers: std::ops::Range<c_int>, told: &str) {
    numbers.for_each(|number| {
        let frames = peer.try_frames(0);
        assert_eq!(frames.as_ref().map(|frames| frames.last()), Ok(Some(&numbered(number))), "{told}");
    });
}

/// `drains_first`: the peer comes and has all that waits before anything more is sent.
fn goes_on(context: Context, (sender, receiver): (c_int, c_int), marks: (c_int, c_int), place: (&str, bool)) {
    let (endpoint, drains_first) = place;
    let told = format!("{sender} at {endpoint}, {marks:?}, drains first: {drains_first}");
    let socket = stopped(context, (sender, marks.0), endpoint);
    let peer = context.patient(receiver);
    socket.set(ZMQ_SNDHWM, marks.1);
    let end = marks.0 + 20;
    if drains_first {
        peer.bind(endpoint);
        receive_numbers(peer, 0..marks.0, &told);
    }
    assert!(is_ready(socket, ZMQ_POLLOUT), "{told}");
    for number in marks.0..end {
        assert_eq!(socket.try_send(&numbered(number), ZMQ_DONTWAIT), Ok(()), "{told}");
    }
    if drains_first {
        receive_numbers(peer, marks.0..end, &told);
    } else {
        peer.bind(endpoint);
        receive_numbers(peer, 0..end, &told);
    }
    socket.close();
    peer.close();
}

#[test]
fn a_sender_stopped_by_its_mark_goes_on_by_a_higher_one() {
    let context = Context::new();
    let mut number = 100;
    for pair in PAIRS {
        for marks in RAISED {
            for drains_first in [false, true] {
                number += 1;
                for endpoint in endpoints(number) {
                    goes_on(context, pair, marks, (&endpoint, drains_first));
                }
            }
        }
    }
    context.term();
}

/// The descriptor tells of it, since a program that waits for that alone would not look.
#[test]
fn a_descriptor_tells_of_room_by_a_higher_mark() {
    for endpoint in endpoints(1) {
        let context = Context::new();
        let socket = stopped(context, (ZMQ_PUSH, 1), &endpoint);
        let fd = socket.int(ZMQ_FD).unwrap();
        while poll(&mut [raw_item(fd, ZMQ_POLLIN)], 0) == Ok(1) {
            assert_eq!(socket.int(ZMQ_EVENTS), Ok(0));
        }
        socket.set(ZMQ_SNDHWM, 2);
        assert_eq!(poll(&mut [raw_item(fd, ZMQ_POLLIN)], 0), Ok(1));
        assert_eq!(socket.int(ZMQ_EVENTS), Ok(ZMQ_POLLOUT));
        context.end(&[socket]);
    }
}

/// Mostly the sender sleeps by then. Each mark lets one more message out.
#[test]
fn a_thread_that_waits_for_room_is_woken_by_a_higher_mark() {
    const MARKS: c_int = 200;
    for endpoint in endpoints(2) {
        let context = Context::new();
        let socket = stopped(context, (ZMQ_CLIENT, 1), &endpoint);
        let (sent, is_sent) = channel();
        let sender = thread::spawn(move || {
            for number in 1..MARKS {
                socket.try_send(&numbered(number), 0).unwrap();
                sent.send(number).unwrap();
            }
        });
        for mark in 2..=MARKS {
            socket.set(ZMQ_SNDHWM, mark);
            assert_eq!(is_sent.recv(), Ok(mark - 1));
        }
        sender.join().unwrap();
        context.end(&[socket]);
    }
}

/// More than the two systems between a publisher and a subscriber that does not read hold.
#[test]
fn a_subscriber_that_was_past_the_mark_gets_messages_again_by_a_higher_one() {
    const MESSAGES: usize = 400;
    for publisher in [ZMQ_PUB, ZMQ_XPUB] {
        for marks in RAISED {
            for endpoint in ["tcp://127.0.0.1:0", "ipc://*", "inproc://published"] {
                let context = Context::new();
                let (publisher, subscriber) = (context.patient(publisher), context.patient(ZMQ_SUB));
                for socket in [publisher, subscriber] {
                    socket.set(ZMQ_SNDHWM, marks.0);
                    socket.set(ZMQ_RCVHWM, marks.0);
                    socket.set(ZMQ_SNDBUF, 64 * 1024);
                    socket.set(ZMQ_RCVBUF, 64 * 1024);
                }
                subscriber.set_bytes(ZMQ_SUBSCRIBE, b"");
                publisher.bind(endpoint);
                subscriber.connect(&publisher.last_endpoint());
                let start = Instant::now();
                while subscriber.try_recv(ZMQ_DONTWAIT).is_err() {
                    assert!(start.elapsed() < PATIENCE);
                    publisher.try_send(b"begin", 0).unwrap();
                }
                (0..MESSAGES).for_each(|_| publisher.try_send(&[7; 60_000], 0).unwrap());
                publisher.set(ZMQ_SNDHWM, marks.1);
                let (start, mut received) = (Instant::now(), 0);
                let told = format!("{endpoint}, {marks:?}");
                loop {
                    publisher.try_send(b"end", 0).unwrap();
                    match subscriber.try_recv(ZMQ_DONTWAIT) {
                        Ok(message) if message == b"end" => break,
                        Ok(message) => received += usize::from(message.len() == 60_000),
                        Err(_) => assert!(start.elapsed() < PATIENCE, "{told}"),
                    }
                }
                assert!(received < MESSAGES, "{told}: none was dropped");
                context.end(&[publisher, subscriber]);
            }
        }
    }
}

/// What a sender can send at once.
fn room(sender: Socket) -> usize {
    (0..100).take_while(|_| sender.try_send(b"x", ZMQ_DONTWAIT).is_ok()).count()
}

/// The sum of what both sides set last, whichever side sets something.
#[test]
fn a_mark_set_over_inproc_leaves_the_other_sides_part_alone() {
    const UNLIMITED: usize = 100;
    // By steps: which of the two sets what. And the room after that.
    type Step = (bool, c_int, c_int);
    const STEPS: [(&[Step], usize); 6] = [
        (&[], 2),
        (&[(true, ZMQ_SNDHWM, 10)], 11),
        (&[(true, ZMQ_SNDHWM, 10), (false, ZMQ_SNDHWM, 3)], 11),
        (&[(true, ZMQ_SNDHWM, 0), (false, ZMQ_SNDHWM, 3)], UNLIMITED),
        (&[(false, ZMQ_RCVHWM, 5), (true, ZMQ_RCVHWM, 3)], 6),
        (&[(false, ZMQ_RCVHWM, 5), (true, ZMQ_SNDHWM, 10), (false, ZMQ_RCVHWM, 1)], 11),
    ];
    let context = Context::new();
    for (bound_first, has_looked) in [(true, true), (true, false), (false, true)] {
        for (place, (steps, expected)) in STEPS.into_iter().enumerate() {
            let (push, pull) = (context.patient(ZMQ_PUSH), context.patient(ZMQ_PULL));
            push.set(ZMQ_SNDHWM, 1);
            pull.set(ZMQ_RCVHWM, 1);
            let name = format!("inproc://parts-{place}-{bound_first}-{has_looked}");
            if bound_first {
                pull.bind(&name);
                push.connect(&name);
            } else {
                push.connect(&name);
                pull.bind(&name);
            }
            if has_looked {
                assert!(!is_ready(pull, ZMQ_POLLIN), "it has taken the pipe in");
            }
            for &(by_sender, option, mark) in steps {
                (if by_sender { push } else { pull }).set(option, mark);
            }
            assert_eq!(
                room(push),
                expected,
                "bound first: {bound_first}, has looked: {has_looked}, {steps:?}"
            );
            push.close();
            pull.close();
        }
    }
    context.term();
}

#[test]
fn a_mark_changed_between_connect_and_bind_is_the_one_that_counts() {
    let context = Context::new();
    let (push, pull) = (context.patient(ZMQ_PUSH), context.patient(ZMQ_PULL));
    push.set(ZMQ_SNDHWM, 1);
    push.connect("inproc://later");
    push.set(ZMQ_SNDHWM, 4);
    pull.set(ZMQ_RCVHWM, 2);
    pull.bind("inproc://later");
    assert_eq!(room(push), 6);
    pull.set(ZMQ_RCVHWM, 3);
    assert_eq!(room(push), 1);
    context.end(&[push, pull]);
}

/// The lane begins anew with each connection of a subscriber.
#[test]
fn a_subscriber_keeps_the_mark_that_was_set_when_it_connects_again() {
    const MARK: c_int = 5;
    let _addresses_are_free_at_once = no_child_begins();
    for endpoint in endpoints(3).into_iter().take(2) {
        let context = Context::new();
        let publisher = context.bound(ZMQ_XPUB, &endpoint);
        let subscriber = context.patient(ZMQ_XSUB);
        subscriber.set(ZMQ_RECONNECT_IVL, 1);
        subscriber.set(ZMQ_SNDHWM, 1);
        let events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_CONNECT_RETRIED;
        let monitor = Monitor::of_events(context, subscriber, events);
        subscriber.connect(&endpoint);
        monitor.until(ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
        subscriber.set(ZMQ_SNDHWM, MARK);
        publisher.close();
        monitor.until(ZMQ_EVENT_CONNECT_RETRIED);
        (0..2 * MARK).for_each(|number| subscriber.try_send(&numbered(number), 0).unwrap());
        let publisher = context.patient(ZMQ_XPUB);
        publisher.bind(&endpoint);
        receive_numbers(publisher, 0..MARK, &endpoint);
        subscriber.try_send(b"end", 0).unwrap();
        assert_eq!(publisher.try_recv(0), Ok(b"end".to_vec()), "{endpoint}");
        Monitor::stop(subscriber);
        context.end(&[publisher, subscriber, monitor.0]);
    }
}
