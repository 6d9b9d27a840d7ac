//! What a late subscriber gets of a publisher that keeps last values.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::errno::Errno;
use crate::message::testing::Counted;
use crate::message::{BY_REFERENCE_MIN_BYTES, Msg, OutFrame};
use crate::options::SocketType;
use crate::options::draft_number::ZMQ_XPUB_MANUAL_LAST_VALUE;
use crate::options::number::*;
use crate::pattern::Origin;
use crate::pattern::testing::{Bench, Peer};
use crate::random::Random;
use crate::sys::faults::{self, Call};
use std::collections::BTreeMap;

/// Steps in which work must be done that is done in steps.
const MANY_STEPS: usize = 10_000;

fn publisher(socket_type: SocketType, most_values: i32) -> Bench {
    let mut bench = Bench::new(socket_type);
    bench.set(ZMQ_FERRO_LAST_VALUE, most_values);
    bench
}

/// What the peer gets once it has subscribed to this.
fn subscribe(bench: &mut Bench, peer: &mut Peer, topic: &str) -> Vec<String> {
    peer.subscribe(true, topic);
    bench.settle();
    peer.recv_all()
}

/// What a peer gets that comes now and subscribes to this.
fn late(bench: &mut Bench, topic: &str) -> Vec<String> {
    let mut peer = bench.connect();
    subscribe(bench, &mut peer, topic)
}

#[test]
fn late_subscriber_gets_the_last_message_of_each_matching_topic_in_the_order_of_publication() {
    for socket_type in [SocketType::Pub, SocketType::Xpub] {
        let mut bench = publisher(socket_type, 10);
        for message in [&["a/1", "old"][..], &["b", "x", "", "y"], &["a/2", "2"], &["a/1", "new", "whole"]] {
            bench.send(message).unwrap();
        }
        assert_eq!(late(&mut bench, ""), ["b|x||y", "a/2|2", "a/1|new|whole"], "{socket_type:?}");
        assert_eq!(late(&mut bench, "a/"), ["a/2|2", "a/1|new|whole"]);
        assert_eq!(late(&mut bench, "a/1"), ["a/1|new|whole"]);
        assert_eq!(late(&mut bench, "a/11"), [""; 0]);
        bench.set(ZMQ_FERRO_LAST_VALUE, 0);
        assert_eq!(late(&mut bench, ""), [""; 0], "nothing is kept any more");
    }
}

#[test]
fn without_the_option_nothing_is_kept() {
    let mut bench = Bench::new(SocketType::Pub);
    bench.send(&["a", "1"]).unwrap();
    assert_eq!(late(&mut bench, ""), [""; 0]);
    bench.set(ZMQ_FERRO_LAST_VALUE, 1);
    assert_eq!(late(&mut bench, ""), [""; 0]);
    for refused in [-1, i32::MIN] {
        let value = refused.to_ne_bytes();
        assert_eq!(bench.set_bytes(ZMQ_FERRO_LAST_VALUE, &value), Err(Errno::INVAL));
        assert_eq!(bench.set_bytes(ZMQ_FERRO_LAST_VALUE_SIZE, &value), Err(Errno::INVAL));
    }
}

#[test]
fn subscriber_that_was_there_gets_each_message_once() {
    let mut bench = publisher(SocketType::Pub, 10);
    let mut peer = bench.connect();
    peer.subscribe(true, "");
    bench.send(&["a", "1"]).unwrap();
    bench.send(&["a", "2"]).unwrap();
    bench.settle();
    assert_eq!(peer.recv_all(), ["a|1", "a|2"]);
    assert_eq!(subscribe(&mut bench, &mut peer, "a"), ["a|2"], "as often as it subscribes");
    assert_eq!(subscribe(&mut bench, &mut peer, "a"), ["a|2"]);
    peer.subscribe(true, "a");
    peer.subscribe(true, "");
    bench.settle();
    assert_eq!(peer.recv_all(), ["a|2"], "once, where it has not been sent yet");
    peer.subscribe(true, "a");
    peer.subscribe(false, "a");
    peer.subscribe(false, "");
    bench.settle();
    assert_eq!(peer.recv_all(), [""; 0], "it wants nothing any more");
}

#[test]
fn subscription_that_was_taken_back_asks_for_nothing() {
    let mut bench = publisher(SocketType::Pub, 10);
    bench.send(&["a", "1"]).unwrap();
    let mut peer = bench.connect_with(1000, |pipe| {
        pipe.write_subscription(true, b"a").unwrap();
        pipe.write_subscription(false, b"a").unwrap();
        pipe.flush();
    });
    assert_eq!(peer.recv_all(), [""; 0]);
}

#[test]
fn those_published_longest_ago_are_let_go_of() {
    let mut bench = publisher(SocketType::Pub, 3);
    for topic in ["a", "b", "c", "a", "d"] {
        bench.send(&[topic, "x"]).unwrap();
    }
    assert_eq!(late(&mut bench, ""), ["c|x", "a|x", "d|x"]);
    bench.set(ZMQ_FERRO_LAST_VALUE, 2);
    assert_eq!(late(&mut bench, ""), ["a|x", "d|x"]);
    // One byte of topic in two places, a byte of value, and 64 for each frame.
    const WEIGHT_BYTES: i32 = 2 + 1 + 2 * 64;
    bench.set(ZMQ_FERRO_LAST_VALUE_SIZE, 2 * WEIGHT_BYTES - 1);
    assert_eq!(late(&mut bench, ""), ["d|x"]);
    bench.set(ZMQ_FERRO_LAST_VALUE_SIZE, 2 * WEIGHT_BYTES);
    bench.send(&["e", "x"]).unwrap();
    assert_eq!(late(&mut bench, ""), ["d|x", "e|x"]);
    bench.send(&["e", &"x".repeat(1000)]).unwrap();
    assert_eq!(late(&mut bench, ""), ["d|x"], "an old value would be taken for the last");
    bench.send(&[&"f".repeat(1000), "x"]).unwrap();
    assert_eq!(late(&mut bench, ""), ["d|x"]);
    bench.set(ZMQ_FERRO_LAST_VALUE_SIZE, 0);
    bench.send(&["e", &"x".repeat(1000)]).unwrap();
    assert_eq!(late(&mut bench, "e").len(), 1, "no limit");
}

#[test]
fn message_that_was_not_sent_is_not_kept() {
    let mut bench = publisher(SocketType::Pub, 10);
    bench.set(ZMQ_XPUB_NODROP, 1);
    let mut slow = bench.connect_with(1, |_| {});
    slow.subscribe(true, "");
    bench.send(&["a", "1"]).unwrap();
    assert_eq!(bench.send(&["a", "2"]), Err(Errno::AGAIN));
    assert_eq!(late(&mut bench, ""), ["a|1"]);
    assert_eq!(slow.recv_all(), ["a|1"]);
}

#[test]
fn peer_that_subscribes_inside_a_message_gets_it_afterwards() {
    let mut bench = publisher(SocketType::Pub, 10);
    for (topic, before) in [("new", &[][..]), ("new", &["new|2"]), ("other", &["new|2"])] {
        let mut early = bench.connect();
        assert_eq!(subscribe(&mut bench, &mut early, ""), before);
        bench.send_frame(topic, true).unwrap();
        let mut late = bench.connect();
        assert_eq!(subscribe(&mut bench, &mut late, topic), [""; 0]);
        bench.pipes.budget.take_undone();
        bench.settle();
        assert!(!bench.pipes.budget.take_undone(), "nothing to come back for before the end");
        bench.send_frame("2", false).unwrap();
        assert!(bench.pipes.budget.take_undone());
        bench.settle();
        assert_eq!(late.recv_all(), [format!("{topic}|2")]);
        assert_eq!(early.recv_all(), [format!("{topic}|2")]);
    }
}

#[test]
fn memory_that_is_lacking_costs_the_value_and_not_the_message() {
    let mut bench = publisher(SocketType::Pub, 10);
    let value = "x".repeat(1000);
    bench.send(&["a", "old"]).unwrap();
    bench.settle();
    for refused in [1, 2] {
        let mut send = |data: &str, more| {
            let mut frame = OutFrame::bytes(data.as_bytes(), more);
            bench.pattern.send(&mut bench.pipes, &mut frame).unwrap();
        };
        send("a", true);
        {
            let _refused = faults::refuse(Call::Allocate, Errno::NOMEM, refused);
            send(&value, false);
        }
        assert_eq!(late(&mut bench, ""), [""; 0]);
    }
    bench.send(&["a", &value]).unwrap();
    assert_eq!(late(&mut bench, "").len(), 1);
}

#[test]
fn lent_memory_is_given_back_at_once_and_large_bodies_are_shared() {
    let mut bench = publisher(SocketType::Pub, 10);
    let lent = Counted::new(b"lent");
    bench.send_frame("a", true).unwrap();
    bench.send_msg(&mut Msg::from_body(lent.body())).unwrap();
    assert_eq!(lent.freed(), 1);
    assert_eq!(late(&mut bench, "a"), ["a|lent"]);
    let large = "x".repeat(BY_REFERENCE_MIN_BYTES);
    bench.send(&["b", &large]).unwrap();
    let mut places = Vec::new();
    for _ in 0..2 {
        let mut peer = bench.connect();
        peer.subscribe(true, "b");
        bench.settle();
        assert_eq!(peer.pipe.read().unwrap().data(), b"b");
        places.push(peer.pipe.read().unwrap().into_msg().unwrap());
    }
    assert!(places.iter().all(|msg| msg.data() == large.as_bytes()));
    assert_eq!(places[0].data().as_ptr(), places[1].data().as_ptr());
}

#[test]
fn full_pipe_waits_for_credit_and_misses_no_topic() {
    let mut bench = publisher(SocketType::Pub, 100);
    for topic in 0..10 {
        bench.send(&[&topic.to_string(), "old"]).unwrap();
    }
    let mut slow = bench.connect_with(3, |_| {});
    slow.subscribe(true, "");
    bench.settle();
    bench.send(&["0", "new"]).unwrap();
    bench.send(&["9", "new"]).unwrap();
    let mut got = Vec::new();
    for _ in 0..MANY_STEPS {
        let some = slow.recv_all();
        assert!(some.len() <= 3);
        got.extend(some);
        bench.settle();
    }
    let expected = (0..10).map(|topic| format!("{topic}|{}", if topic == 9 { "new" } else { "old" }));
    let expected: Vec<_> = expected.collect();
    // 0 was published anew after it had been sent, to a full pipe: missed as ever.
    assert_eq!(got, expected, "9 was missed, and the new one comes in its place");
}

#[test]
fn value_that_is_published_anew_meanwhile_comes_once() {
    let mut bench = publisher(SocketType::Pub, 100);
    bench.units = 8;
    for topic in 0..100 {
        bench.send(&[&format!("{topic:02}"), "old"]).unwrap();
    }
    let mut peer = bench.connect_with(0, |_| {});
    peer.subscribe(true, "");
    bench.settle();
    bench.send(&["99", "new"]).unwrap();
    for _ in 0..MANY_STEPS {
        bench.settle();
    }
    let got = peer.recv_all();
    assert_eq!(got.len(), 100);
    assert_eq!(got.iter().filter(|message| message.starts_with("99")).collect::<Vec<_>>(), ["99|new"]);
}

#[test]
fn manual_mode_sends_what_the_program_has_subscribed_to() {
    let mut bench = publisher(SocketType::Xpub, 10);
    bench.set(ZMQ_XPUB_MANUAL, 1);
    bench.send(&["a", "1"]).unwrap();
    bench.send(&["A", "2"]).unwrap();
    let mut peer = bench.connect();
    assert_eq!(subscribe(&mut bench, &mut peer, "a"), [""; 0]);
    assert_eq!(bench.recv(), ["\u{1}a"]);
    bench.set_bytes(ZMQ_SUBSCRIBE, b"A").unwrap();
    assert!(bench.pipes.budget.take_undone(), "a thread that waits looks again");
    bench.settle();
    assert_eq!(peer.recv_all(), ["A|2"]);
    bench.set(ZMQ_XPUB_MANUAL_LAST_VALUE, 1);
    peer.subscribe(true, "b");
    assert_eq!(bench.recv(), ["\u{1}b"]);
    bench.set_bytes(ZMQ_SUBSCRIBE, b"b").unwrap();
    bench.send(&["b", "for one"]).unwrap();
    assert_eq!(peer.recv_all(), ["b|for one"]);
    peer.subscribe(true, "b");
    assert_eq!(bench.recv(), ["\u{1}b"]);
    bench.set_bytes(ZMQ_SUBSCRIBE, b"").unwrap();
    bench.settle();
    assert_eq!(peer.recv_all(), ["a|1", "A|2"], "what went to one peer alone was not published");
}

#[test]
fn verbose_program_hears_of_subscriptions_and_the_welcome_comes_first() {
    let mut bench = publisher(SocketType::Xpub, 10);
    bench.set(ZMQ_XPUB_VERBOSER, 1);
    bench.set_bytes(ZMQ_XPUB_WELCOME_MSG, b"welcome").unwrap();
    bench.send(&["a", "1"]).unwrap();
    let mut peer = bench.connect_with(1000, |pipe| {
        pipe.write_subscription(true, b"a").unwrap();
        pipe.flush();
    });
    assert_eq!(peer.recv_all(), ["welcome", "a|1"]);
    assert_eq!(bench.recv(), ["\u{1}a"]);
}

#[test]
fn inverted_matching_sends_what_is_not_subscribed_to() {
    let mut bench = publisher(SocketType::Xpub, 10);
    bench.set(ZMQ_INVERT_MATCHING, 1);
    bench.send(&["a", "1"]).unwrap();
    bench.send(&["b", "2"]).unwrap();
    let mut peer = bench.connect_with(1000, |pipe| {
        pipe.write_subscription(true, b"a").unwrap();
        pipe.flush();
    });
    assert_eq!(peer.recv_all(), ["b|2"]);
    peer.subscribe(false, "a");
    bench.settle();
    assert_eq!(peer.recv_all(), ["a|1"]);
}

#[test]
fn peer_that_cannot_subscribe_is_sent_none() {
    let mut bench = publisher(SocketType::Pub, 10);
    bench.send(&["a", "1"]).unwrap();
    let mut datagrams = bench.join(1000, Origin::Datagrams, |_| {});
    assert_eq!(datagrams.recv_all(), [""; 0]);
    bench.send(&["a", "2"]).unwrap();
    assert_eq!(datagrams.recv_all(), ["a|2"]);
}

#[test]
fn peer_that_goes_leaves_nothing_behind() {
    let mut bench = publisher(SocketType::Pub, 1000);
    bench.units = 8;
    for topic in 0..1000 {
        bench.send(&[&topic.to_string(), "x"]).unwrap();
    }
    let peers: Vec<_> = (0..10).map(|_| bench.connect_with(1, |_| {})).collect();
    for mut peer in peers {
        peer.subscribe(true, "");
        bench.settle();
        drop(peer);
    }
    let mut steps = 0;
    loop {
        bench.pipes.budget.take_undone();
        bench.settle();
        if !bench.pipes.budget.is_anything_undone() {
            break;
        }
        steps += 1;
        assert!(steps < MANY_STEPS, "no end");
    }
    assert_eq!(late(&mut bench, "999"), ["999|x"]);
}

#[test]
fn connection_that_is_replaced_gets_what_its_subscriptions_ask_for() {
    let mut bench = publisher(SocketType::Pub, 10);
    bench.send(&["a", "1"]).unwrap();
    let mut peer = bench.connect();
    peer.subscribe(true, "a");
    bench.settle();
    let (mut reader, mut writer, _end) = peer.hiccup();
    writer.append_subscription(true, b"a").unwrap();
    writer.flush();
    bench.settle();
    assert_eq!(reader.read().unwrap().data(), b"a");
    assert_eq!(reader.read().unwrap().data(), b"1");
    assert!(reader.read().is_none());
}

/// Peers come, subscribe, read some and go, at random: each has in the end the last value of each topic that it wants.
/// The values of a topic come in the order of publication.
#[test]
fn subscribers_agree_with_a_map() {
    for seed in 0..20 {
        let mut random = Random::seeded(seed);
        let mut bench = publisher(SocketType::Pub, 8);
        bench.units = 16;
        let (mut last, mut count) = (BTreeMap::new(), 0_u32);
        let topic = |random: &mut Random| format!("{}{}", random.below(2), random.below(4));
        let mut peers: Vec<(Peer, String, BTreeMap<String, u32>)> = Vec::new();
        for _ in 0..2000 {
            match random.below(10) {
                0 if peers.len() < 5 => {
                    let mut peer = bench.connect_with(0, |_| {});
                    let prefix = topic(&mut random)[..random.below(3)].to_owned();
                    peer.subscribe(true, &prefix);
                    peers.push((peer, prefix, BTreeMap::new()));
                }
                1 if !peers.is_empty() => drop(peers.swap_remove(random.below(peers.len()))),
                2 => bench.settle(),
                _ => {
                    let topic = topic(&mut random);
                    count += 1;
                    bench.send(&[&topic, &count.to_string()]).unwrap();
                    last.insert(topic, count);
                }
            }
            for (peer, _, got) in &mut peers {
                for message in peer.recv_all() {
                    let (topic, number) = message.split_once('|').unwrap();
                    let number: u32 = number.parse().unwrap();
                    let before = got.insert(topic.to_owned(), number);
                    assert!(
                        before.is_none_or(|before| before < number),
                        "seed {seed}: {topic} {before:?} {number}"
                    );
                }
            }
        }
        (0..100).for_each(|_| bench.settle());
        for (mut peer, prefix, mut got) in peers {
            for message in peer.recv_all() {
                let (topic, number) = message.split_once('|').unwrap();
                got.insert(topic.to_owned(), number.parse().unwrap());
            }
            let wanted = last.iter().filter(|(topic, _)| topic.starts_with(&prefix));
            let wanted: BTreeMap<_, _> = wanted.map(|(topic, number)| (topic.clone(), *number)).collect();
            assert_eq!(got, wanted, "seed {seed}, prefix {prefix:?}");
        }
    }
}
