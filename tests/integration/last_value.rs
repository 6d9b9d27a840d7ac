//! `ZMQ_FERRO_LAST_VALUE` over all transports that connect: late subscribers get what they have missed.

use crate::support::PATIENCE;
use crate::support::program::*;
use std::ffi::c_int;
use std::time::Instant;

/// A publisher that keeps last values, where it is bound, and how a subscriber is made that may connect there.
struct Scene {
    context: Context,
    publisher: Socket,
    endpoint: String,
    server_key: Option<[u8; 41]>,
}

impl Scene {
    fn new(socket_type: i32, name: &str) -> Scene {
        let context = Context::new();
        let publisher = context.patient(socket_type);
        publisher.set(ZMQ_FERRO_LAST_VALUE, 1000);
        let server_key = (name == "curve").then(|| {
            let (public, secret) = curve_keypair();
            publisher.set(ZMQ_CURVE_SERVER, 1);
            publisher.set_bytes(ZMQ_CURVE_SECRETKEY, &secret[..40]);
            public
        });
        let endpoint = publisher.try_bind(match name {
            "tcp" | "curve" => "tcp://127.0.0.1:*",
            "ws" => "ws://127.0.0.1:*/last",
            "ipc" => "ipc://*",
            _ => "inproc://last",
        });
        Scene { context, publisher, endpoint: endpoint.unwrap(), server_key }
    }

    fn subscriber(&self, topic: &str) -> Socket {
        let subscriber = self.context.patient(ZMQ_SUB);
        if let Some(server_key) = &self.server_key {
            let (public, secret) = curve_keypair();
            subscriber.set_bytes(ZMQ_CURVE_SERVERKEY, &server_key[..40]);
            subscriber.set_bytes(ZMQ_CURVE_PUBLICKEY, &public[..40]);
            subscriber.set_bytes(ZMQ_CURVE_SECRETKEY, &secret[..40]);
        }
        subscriber.set_bytes(ZMQ_SUBSCRIBE, topic.as_bytes());
        subscriber.connect(&self.endpoint);
        subscriber
    }

    /// The next message that this one gets, while the program of the publisher looks at its events.
    fn next(&self, subscriber: Socket) -> Vec<String> {
        let begun = Instant::now();
        while poll(&mut [subscriber.item(ZMQ_POLLIN)], 1) == Ok(0) {
            self.publisher.int(ZMQ_EVENTS).unwrap();
            assert!(begun.elapsed() < PATIENCE, "nothing came");
        }
        subscriber.recv()
    }
}

#[test]
fn late_subscribers_get_what_they_have_missed_over_every_transport() {
    for name in ["tcp", "ipc", "inproc", "ws", "curve"] {
        for socket_type in [ZMQ_PUB, ZMQ_XPUB] {
            let scene = Scene::new(socket_type, name);
            let large = "x".repeat(50_000);
            for message in [&["a/1", "old"][..], &["b", "other"], &["a/2", &large], &["a/1", "new", "whole"]]
            {
                scene.publisher.send(message);
            }
            let late = scene.subscriber("a");
            assert_eq!(scene.next(late), ["a/2", &large], "{name}");
            assert_eq!(scene.next(late), ["a/1", "new", "whole"], "{name}");
            scene.publisher.send(&["a/3", "live"]);
            assert_eq!(scene.next(late), ["a/3", "live"], "{name}: nothing lies between");
            let later = scene.subscriber("a/3");
            assert_eq!(scene.next(later), ["a/3", "live"], "{name}");
            scene.context.end(&[scene.publisher, late, later]);
        }
    }
}

#[test]
fn subscriber_with_a_low_mark_gets_every_topic_in_its_time() {
    let scene = Scene::new(ZMQ_PUB, "tcp");
    scene.publisher.set(ZMQ_SNDHWM, 5);
    let body = "x".repeat(20_000);
    for topic in 0..1000 {
        scene.publisher.send(&[&format!("{topic:04}"), &body]);
    }
    let slow = scene.context.patient(ZMQ_SUB);
    slow.set(ZMQ_RCVHWM, 2);
    slow.set_bytes(ZMQ_SUBSCRIBE, b"");
    slow.connect(&scene.endpoint);
    for topic in 0..1000 {
        assert_eq!(scene.next(slow), [format!("{topic:04}"), body.clone()]);
    }
    scene.context.end(&[scene.publisher, slow]);
}

#[test]
fn subscriber_that_connects_again_gets_the_values_again() {
    let scene = Scene::new(ZMQ_PUB, "tcp");
    scene.publisher.send(&["a", "1"]);
    let subscriber = scene.subscriber("a");
    assert_eq!(scene.next(subscriber), ["a", "1"]);
    subscriber.disconnect(&scene.endpoint);
    scene.publisher.send(&["a", "2"]);
    subscriber.connect(&scene.endpoint);
    // It may have been sent before the old connection ended; the new one brings it in any case.
    assert_eq!(scene.next(subscriber), ["a", "2"]);
    scene.context.end(&[scene.publisher, subscriber]);
}

#[test]
fn other_socket_types_do_not_know_the_option() {
    let context = Context::new();
    for socket_type in [ZMQ_SUB, ZMQ_XSUB, ZMQ_PUSH, ZMQ_ROUTER, ZMQ_PAIR] {
        let socket = context.socket(socket_type);
        assert_eq!(socket.try_set(ZMQ_FERRO_LAST_VALUE, &1i32.to_ne_bytes()), Err(libc::EINVAL));
        assert_eq!(socket.int(ZMQ_FERRO_LAST_VALUE), Ok(0));
        socket.close();
    }
    let publisher = context.socket(ZMQ_PUB);
    assert_eq!(publisher.int(ZMQ_FERRO_LAST_VALUE), Ok(0));
    assert_eq!(publisher.int(ZMQ_FERRO_LAST_VALUE_SIZE), Ok(64 << 20));
    publisher.set(ZMQ_FERRO_LAST_VALUE, 7);
    assert_eq!(publisher.int(ZMQ_FERRO_LAST_VALUE), Ok(7));
    context.end(&[publisher]);
}

/// Its program makes no call after it has published.
#[test]
fn an_idle_publisher_serves_late_subscribers() {
    for name in ["inproc", "tcp", "ipc", "ws", "curve"] {
        for socket_type in [ZMQ_PUB, ZMQ_XPUB] {
            let scene = Scene::new(socket_type, name);
            for (topic, value) in [("a", "1"), ("b", "2"), ("a", "3")] {
                scene.publisher.send(&[topic, value]);
            }
            let (one, other) = (scene.subscriber("a"), scene.subscriber(""));
            assert_eq!(one.recv(), ["a", "3"], "{name}");
            assert_eq!([other.recv(), other.recv()], [["b", "2"], ["a", "3"]], "{name}");
            // One that subscribes to more, and one that takes no value twice.
            one.set_bytes(ZMQ_SUBSCRIBE, b"b");
            assert_eq!(one.recv(), ["b", "2"], "{name}");
            if socket_type == ZMQ_XPUB {
                // Its program finds the subscriptions all the same, whether or not it waits for them.
                let mut heard: Vec<_> = (0..3).map(|_| scene.publisher.recv()).collect();
                heard.sort();
                assert_eq!(heard, [["\u{1}"], ["\u{1}a"], ["\u{1}b"]], "{name}");
            }
            scene.context.end(&[scene.publisher, one, other]);
        }
    }
}

/// What is half sent is no last value, and nothing comes between its frames.
#[test]
fn a_publisher_in_the_middle_of_a_message_serves_after_it() {
    let scene = Scene::new(ZMQ_PUB, "tcp");
    scene.publisher.send(&["a", "old"]);
    scene.publisher.try_send(b"a", ZMQ_SNDMORE).unwrap();
    let late = scene.subscriber("a");
    assert_eq!(poll(&mut [late.item(ZMQ_POLLIN)], 100), Ok(0));
    scene.publisher.try_send(b"new", 0).unwrap();
    assert_eq!(late.recv(), ["a", "new"]);
    scene.context.end(&[scene.publisher, late]);
}

/// A program that watches `ZMQ_FD` is told of each late subscriber, whenever it has asked for the descriptor.
#[test]
fn a_program_that_watches_the_descriptor_serves_by_itself() {
    for _ in 0..20 {
        let scene = Scene::new(ZMQ_XPUB, "tcp");
        scene.publisher.send(&["a", "1"]);
        let late = scene.subscriber("a");
        let fd = scene.publisher.int(ZMQ_FD).unwrap();
        let mut heard = Vec::new();
        for topics in 1..=2 {
            while heard.len() < topics {
                if scene.publisher.int(ZMQ_EVENTS).unwrap() & ZMQ_POLLIN != 0 {
                    heard.push(scene.publisher.recv());
                    continue;
                }
                let mut watched = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
                // SAFETY: one descriptor, which is alive as long as the socket is.
                let ready = unsafe { libc::poll(&raw mut watched, 1, PATIENCE.as_millis() as c_int) };
                assert_eq!(ready, 1, "the descriptor has told nothing");
            }
            if topics == 1 {
                assert_eq!(late.recv(), ["a", "1"]);
                late.set_bytes(ZMQ_SUBSCRIBE, b"b");
            }
        }
        assert_eq!(heard, [["\u{1}a"], ["\u{1}b"]]);
        scene.context.end(&[scene.publisher, late]);
    }
}

/// Threads of the program use the publisher meanwhile, and close it in the end.
#[test]
fn a_busy_publisher_is_looked_at_between_its_calls() {
    for _ in 0..20 {
        let scene = Scene::new(ZMQ_XPUB, "tcp");
        let publisher = scene.publisher;
        publisher.send(&["a", "1"]);
        let busy = std::thread::spawn(move || {
            for _ in 0..2000 {
                publisher.int(ZMQ_EVENTS).unwrap();
                publisher.send(&["b", "2"]);
            }
        });
        let late = scene.subscriber("a");
        assert_eq!(late.recv(), ["a", "1"]);
        busy.join().unwrap();
        assert_eq!(publisher.recv(), ["\u{1}a"]);
        let another = scene.subscriber("a");
        publisher.close();
        scene.context.end(&[late, another]);
    }
}
