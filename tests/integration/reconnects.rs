//! Who connects again: to a peer that turned it away, to another peer under the same address, and what each is owed.

use crate::support::process::no_child_begins;
use crate::support::program::curve_keypair;
use crate::support::program::{Context, Monitor, Socket, poll};
use crate::support::{PATIENCE, PATIENCE_MS};
use std::collections::HashMap;
use std::ffi::c_int;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use zmq::ffi::constants::*;
use zmq::ffi::draft_constants::ZMQ_DISH;
use zmq::ffi::*;
use zmq::options::draft_number::{
    ZMQ_RECONNECT_STOP, ZMQ_RECONNECT_STOP_AFTER_DISCONNECT, ZMQ_RECONNECT_STOP_HANDSHAKE_FAILED,
};
use zmq::options::number::*;

/// Who was turned away does not ask an authenticator again sooner.
const LEAST_REST: Duration = Duration::from_secs(1);
const REFUSALS: [&str; 3] = ["300", "400", "500"];
const MECHANISMS: [&str; 3] = ["NULL", "PLAIN", "CURVE"];

fn socket(context: Context, socket_type: c_int) -> Socket {
    let socket = context.socket(socket_type);
    socket.set(ZMQ_RCVTIMEO, PATIENCE_MS);
    socket.set(ZMQ_SNDTIMEO, PATIENCE_MS);
    socket.set(ZMQ_RECONNECT_IVL, 1);
    socket
}

/// Addresses that no other process uses, by number.
fn endpoints(number: usize) -> [String; 2] {
    let process = std::process::id();
    let [.., a, b] = process.to_be_bytes();
    [format!("tcp://127.{a}.{b}.2:{}", 10_000 + number), format!("ipc://@reconnects-{process}-{number}")]
}

/// Calls until it says yes. What it waits for is not told of.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        thread::yield_now();
    }
}

/// An authenticator that answers the first question of a domain with what the domain is called up to the space, and all others
/// with 200; until the context ends. Tells the domain of each question, and when it came.
fn authenticator(context: Context, asked: Sender<(String, Instant)>) -> JoinHandle<()> {
    let handler = context.bound(ZMQ_REP, "inproc://zeromq.zap.01");
    thread::spawn(move || {
        let mut known = HashMap::new();
        loop {
            if poll(&mut [handler.item(ZMQ_POLLIN)], -1) != Ok(1) {
                break handler.close();
            }
            let request = handler.recv();
            let domain = request[2].clone();
            let refusal = domain.split(' ').next().unwrap().to_owned();
            asked.send((domain.clone(), Instant::now())).unwrap();
            let status = if known.insert(domain, ()).is_none() { &*refusal } else { "200" };
            handler.send(&["1.0", &request[1], status, "", "", ""]);
        }
    })
}

/// A server that asks the authenticator by the mechanism, and a client for it, that has not connected yet.
fn secured(context: Context, mechanism: &str, domain: &str) -> (Socket, Socket) {
    let (server, client) = (socket(context, ZMQ_ROUTER), socket(context, ZMQ_DEALER));
    server.set_bytes(ZMQ_ZAP_DOMAIN, domain.as_bytes());
    match mechanism {
        "PLAIN" => {
            server.set(ZMQ_PLAIN_SERVER, 1);
            client.set_bytes(ZMQ_PLAIN_USERNAME, b"u");
            client.set_bytes(ZMQ_PLAIN_PASSWORD, b"p");
        }
        "CURVE" => {
            let (public, secret) = curve_keypair();
            server.set(ZMQ_CURVE_SERVER, 1);
            server.set_bytes(ZMQ_CURVE_SECRETKEY, &secret[..40]);
            client.set_bytes(ZMQ_CURVE_SERVERKEY, &public[..40]);
            client.set_bytes(ZMQ_CURVE_PUBLICKEY, &public[..40]);
            client.set_bytes(ZMQ_CURVE_SECRETKEY, &secret[..40]);
        }
        _ => {}
    }
    (server, client)
}

/// All at once: each takes its time.
#[test]
fn who_was_refused_comes_in_once_the_authenticator_lets_it_and_has_lost_nothing() {
    let (context, (asked, questions)) = (Context::new(), mpsc::channel());
    let handler = authenticator(context, asked);
    let mut pairs = Vec::new();
    for refusal in REFUSALS {
        for mechanism in MECHANISMS {
            let domain = format!("{refusal} {mechanism}");
            let (server, client) = secured(context, mechanism, &domain);
            server.bind("tcp://127.0.0.1:0");
            client.connect(&server.last_endpoint());
            client.send(&["before"]);
            pairs.push((domain, server, client));
        }
    }
    let mut first = HashMap::new();
    while first.len() < pairs.len() {
        let (domain, when) = next(&questions);
        assert!(first.insert(domain, when).is_none(), "asked again before all were asked once");
    }
    for (_, _, client) in &pairs {
        client.send(&["after"]);
    }
    for _ in &pairs {
        let (domain, when) = next(&questions);
        assert!(when - first[&domain] >= LEAST_REST, "{domain}: {:?}", when - first[&domain]);
    }
    for (domain, server, client) in pairs {
        assert_eq!((&*server.recv()[1], &*server.recv()[1]), ("before", "after"), "{domain}");
        client.close();
        server.close();
    }
    context.shutdown();
    handler.join().unwrap();
    context.term();
}

fn next(questions: &Receiver<(String, Instant)>) -> (String, Instant) {
    questions.recv_timeout(PATIENCE).unwrap()
}

#[test]
fn what_waits_for_who_refuses_outlives_neither_the_socket_nor_the_endpoint() {
    for disconnects in [false, true] {
        let (context, other, (asked, _questions)) = (Context::new(), Context::new(), mpsc::channel());
        let handler = authenticator(context, asked);
        let (server, _) = secured(context, "NULL", "400 for good");
        server.bind("tcp://127.0.0.1:0");
        let client = socket(other, ZMQ_DEALER);
        client.set(ZMQ_LINGER, -1);
        let events = Monitor::of(other, client);
        client.connect(&server.last_endpoint());
        client.send(&["never heard"]);
        events.until(ZMQ_EVENT_HANDSHAKE_FAILED_AUTH);
        events.until(ZMQ_EVENT_CONNECT_RETRIED);
        if disconnects {
            client.disconnect(&server.last_endpoint());
        }
        client.close();
        events.0.close();
        let (done, ended) = mpsc::channel();
        thread::spawn(move || {
            other.term();
            done.send(()).unwrap();
        });
        assert_eq!(ended.recv_timeout(PATIENCE), Ok(()), "the context does not end");
        context.shutdown();
        server.close();
        handler.join().unwrap();
    }
}

/// The I/O thread hears of the disconnect after the next calls of the program, as a rule.
#[test]
fn an_endpoint_lingers_as_the_socket_did_when_it_was_disconnected() {
    for number in 40..60 {
        for endpoint in endpoints(number) {
            let context = Context::new();
            let (server, client) = (socket(context, ZMQ_PULL), socket(context, ZMQ_PUSH));
            client.set(ZMQ_LINGER, -1);
            client.connect(&endpoint);
            client.send(&["what is left"]);
            client.disconnect(&endpoint);
            client.set(ZMQ_LINGER, 0);
            client.close();
            server.bind(&endpoint);
            assert_eq!(server.recv(), ["what is left"], "{endpoint}");
            server.close();
            context.term();

            let context = Context::new();
            let client = socket(context, ZMQ_PUSH);
            client.set(ZMQ_LINGER, 0);
            client.connect(&endpoint);
            client.send(&["never heard"]);
            client.disconnect(&endpoint);
            client.set(ZMQ_LINGER, -1);
            client.close();
            context.term();
        }
    }
}

#[test]
fn the_send_that_follows_a_refusal_for_good_is_taken_yet() {
    let context = Context::new();
    let (server, client) = (socket(context, ZMQ_PULL), socket(context, ZMQ_PUSH));
    server.set(ZMQ_PLAIN_SERVER, 1);
    server.bind("tcp://127.0.0.1:0");
    client.set(ZMQ_RECONNECT_STOP, ZMQ_RECONNECT_STOP_HANDSHAKE_FAILED);
    client.set(ZMQ_SNDHWM, 0);
    let events = Monitor::of(context, client);
    client.connect(&server.last_endpoint());
    events.until(ZMQ_EVENT_DISCONNECTED);
    assert_eq!(client.try_send(b"x", ZMQ_DONTWAIT), Ok(()));
    until("the pipe stays", || client.try_send(b"x", ZMQ_DONTWAIT) == Err(libc::EAGAIN));
    [events.0, server, client].into_iter().for_each(Socket::close);
    context.term();
}

fn as_from(name: &str) -> [String; 3] {
    [name, "from", name].map(str::to_owned)
}

#[test]
fn a_peer_of_another_name_is_another_peer() {
    let _addresses_are_free_at_once = no_child_begins();
    for endpoint in endpoints(1) {
        let context = Context::new();
        let router = socket(context, ZMQ_ROUTER);
        router.set(ZMQ_ROUTER_MANDATORY, 1);
        router.connect(&endpoint);
        let mut gone = None;
        for name in ["a", "b", "c"] {
            let dealer = socket(context, ZMQ_DEALER);
            dealer.set_bytes(ZMQ_ROUTING_ID, name.as_bytes());
            dealer.bind(&endpoint);
            // Without a word of the peer's.
            let known = |name: &str| match router.try_send(name.as_bytes(), ZMQ_SNDMORE | ZMQ_DONTWAIT) {
                Ok(()) => router.try_send(b"hello", ZMQ_DONTWAIT).is_ok(),
                Err(errno) => {
                    assert!([libc::EHOSTUNREACH, libc::EAGAIN].contains(&errno), "errno {errno}");
                    false
                }
            };
            until("the new name is not known", || known(name));
            assert_eq!(dealer.recv(), ["hello"]);
            dealer.send(&["from", name]);
            if let Some(gone) = gone {
                // What the last peer said before it went comes under its name, and nothing reaches it any more.
                assert_eq!(router.recv(), as_from(gone));
                assert_eq!(router.recv(), as_from(name));
                let sent = router.try_send(gone.as_bytes(), ZMQ_SNDMORE | ZMQ_DONTWAIT);
                assert_eq!(sent, Err(libc::EHOSTUNREACH), "{gone} after {name:?} came");
            } else {
                assert_eq!(router.recv(), as_from(name));
            }
            assert_eq!(dealer.try_recv(ZMQ_DONTWAIT), Err(libc::EAGAIN), "a stranger got it");
            dealer.send(&["from", name]);
            assert_eq!(poll(&mut [router.item(ZMQ_POLLIN)], PATIENCE_MS.into()), Ok(1));
            dealer.close();
            gone = Some(name);
        }
        router.close();
        context.term();
    }
}

#[test]
fn a_peer_of_the_same_name_is_the_same() {
    let _addresses_are_free_at_once = no_child_begins();
    for endpoint in endpoints(2) {
        let context = Context::new();
        let router = socket(context, ZMQ_ROUTER);
        router.set(ZMQ_ROUTER_MANDATORY, 1);
        router.connect(&endpoint);
        let events = Monitor::of(context, router);
        for round in 0..3 {
            let dealer = socket(context, ZMQ_DEALER);
            dealer.set_bytes(ZMQ_ROUTING_ID, b"a");
            dealer.bind(&endpoint);
            if round > 0 {
                // Sent while nobody was there.
                assert_eq!(dealer.recv(), ["meanwhile"]);
            }
            dealer.send(&["x"]);
            assert_eq!(router.recv(), ["a", "x"]);
            dealer.close();
            events.until(ZMQ_EVENT_DISCONNECTED);
            events.until(ZMQ_EVENT_CONNECT_RETRIED);
            router.send(&["a", "meanwhile"]);
        }
        events.0.close();
        router.close();
        context.term();
    }
}

#[test]
fn a_probe_is_sent_on_every_connection() {
    let _addresses_are_free_at_once = no_child_begins();
    for (number, socket_type) in [ZMQ_ROUTER, ZMQ_DEALER, ZMQ_REQ].into_iter().enumerate() {
        for immediate in [0, 1] {
            for endpoint in endpoints(10 + 2 * number + immediate) {
                let context = Context::new();
                let prober = socket(context, socket_type);
                prober.set(ZMQ_PROBE_ROUTER, 1);
                prober.set(ZMQ_IMMEDIATE, immediate as c_int);
                prober.set_bytes(ZMQ_ROUTING_ID, b"p");
                prober.connect(&endpoint);
                for round in 0..3 {
                    let router = socket(context, ZMQ_ROUTER);
                    router.bind(&endpoint);
                    if immediate == 1 {
                        // The prober takes the connection in when it is at work.
                        until("no probe", || {
                            prober.int(ZMQ_EVENTS).unwrap();
                            router.int(ZMQ_EVENTS).unwrap() & ZMQ_POLLIN != 0
                        });
                    }
                    assert_eq!(router.recv(), ["p", ""], "type {socket_type}, round {round}");
                    router.close();
                }
                prober.close();
                context.term();
            }
        }
    }
}

#[test]
fn the_name_given_to_a_peer_stays_its_endpoints() {
    let _addresses_are_free_at_once = no_child_begins();
    for (number, immediate) in [0, 1].into_iter().enumerate() {
        for endpoint in endpoints(20 + number) {
            let context = Context::new();
            let router = socket(context, ZMQ_ROUTER);
            router.set(ZMQ_ROUTER_MANDATORY, 1);
            router.set(ZMQ_IMMEDIATE, immediate);
            router.set_bytes(ZMQ_CONNECT_ROUTING_ID, b"peer");
            router.connect(&endpoint);
            for own in ["a", "b"] {
                let dealer = socket(context, ZMQ_DEALER);
                dealer.set_bytes(ZMQ_ROUTING_ID, own.as_bytes());
                dealer.bind(&endpoint);
                dealer.send(&["x"]);
                assert_eq!(router.recv(), ["peer", "x"]);
                router.send(&["peer", "y"]);
                assert_eq!(dealer.recv(), ["y"]);
                let own = router.try_send(own.as_bytes(), ZMQ_SNDMORE);
                assert_eq!(own, Err(libc::EHOSTUNREACH));
                dealer.close();
            }
            router.close();
            context.term();
        }
    }
}

#[test]
fn a_stream_can_be_named_before_it_is_connected() {
    for immediate in [0, 1] {
        let context = Context::new();
        let (server, client) = (socket(context, ZMQ_STREAM), socket(context, ZMQ_STREAM));
        server.bind("tcp://127.0.0.1:0");
        client.set(ZMQ_IMMEDIATE, immediate);
        client.set_bytes(ZMQ_CONNECT_ROUTING_ID, b"peer");
        client.connect(&server.last_endpoint());
        // Both sides are told of the connection.
        assert_eq!(client.recv(), ["peer", ""]);
        client.send(&["peer", "x"]);
        server.recv();
        assert_eq!(server.recv()[1], "x");
        [server, client].into_iter().for_each(Socket::close);
        context.term();
    }
}

#[test]
fn an_endpoint_that_is_to_be_tried_no_more_says_so_when_it_is_disconnected() {
    for stops in [true, false] {
        let context = Context::new();
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("tcp://{}", taken.local_addr().unwrap());
        drop(taken);
        let client = socket(context, ZMQ_PULL);
        client.set(ZMQ_RECONNECT_IVL, 3_600_000);
        if stops {
            client.set(ZMQ_RECONNECT_STOP, ZMQ_RECONNECT_STOP_AFTER_DISCONNECT);
        }
        let events = Monitor::of(context, client);
        client.connect(&endpoint);
        events.until(ZMQ_EVENT_CONNECT_RETRIED);
        client.disconnect(&endpoint);
        if stops {
            assert_eq!(events.event(), ZMQ_EVENT_CLOSED);
        }
        Monitor::stop(client);
        assert_eq!(events.event(), ZMQ_EVENT_MONITOR_STOPPED);
        [events.0, client].into_iter().for_each(Socket::close);
        context.term();
    }
}

#[test]
fn subscriber_without_a_peer_does_not_hold_up_its_context_whatever_its_linger() {
    for (number, socket_type) in [ZMQ_SUB, ZMQ_DISH].into_iter().enumerate() {
        for endpoint in endpoints(900 + number) {
            let context = Context::new();
            let subscriber = context.socket(socket_type);
            subscriber.set(ZMQ_LINGER, -1);
            subscriber.connect(&endpoint);
            if socket_type == ZMQ_SUB {
                subscriber.set_bytes(ZMQ_SUBSCRIBE, b"topic");
            } else {
                // SAFETY: an open socket and a C string.
                assert_eq!(unsafe { zmq_join(subscriber.0, c"group".as_ptr()) }, 0);
            }
            subscriber.close();
            let (done, over) = mpsc::channel();
            let ending = thread::spawn(move || {
                context.term();
                done.send(()).unwrap();
            });
            assert_eq!(over.recv_timeout(PATIENCE), Ok(()), "{endpoint}, type {socket_type}");
            ending.join().unwrap();
        }
    }
}

#[test]
fn an_immediate_pair_takes_its_peer_back_while_messages_of_the_one_before_are_unread() {
    for (number, endpoint) in endpoints(40).into_iter().enumerate() {
        let (context, others) = (Context::new(), Context::new());
        let pair = socket(context, ZMQ_PAIR);
        pair.set(ZMQ_IMMEDIATE, 1);
        let peers = |name: &str| {
            let peer = socket(others, ZMQ_PAIR);
            until("the address is not free", || peer.try_bind(&endpoint).is_ok());
            peer.send(&[name]);
            peer
        };
        pair.connect(&endpoint);
        let mut peer = peers("first");
        assert_eq!(poll(&mut [pair.item(ZMQ_POLLIN)], PATIENCE_MS.into()), Ok(1));
        for name in ["second", "third"] {
            let monitor = Monitor::of(context, pair);
            peer.close();
            // The session has heard of it before it connects again.
            monitor.until(ZMQ_EVENT_DISCONNECTED);
            peer = peers(name);
            monitor.until(ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
            Monitor::stop(pair);
            monitor.0.close();
            // The socket's own look at what has come.
            let _ = poll(&mut [pair.item(ZMQ_POLLIN)], 0);
        }
        assert_eq!((pair.recv(), pair.recv()), (vec!["first".into()], vec!["second".into()]), "{number}");
        pair.send(&["for the third"]);
        assert_eq!(peer.recv(), ["for the third"]);
        others.end(&[peer]);
        context.end(&[pair]);
    }
}
