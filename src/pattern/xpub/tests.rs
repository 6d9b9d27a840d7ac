//! What subscribers and the program of an XPUB or PUB socket see.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::errno::Errno;
use crate::options::SocketType;
use crate::options::draft_number::{ZMQ_ONLY_FIRST_SUBSCRIBE, ZMQ_TOPICS_COUNT, ZMQ_XPUB_MANUAL_LAST_VALUE};
use crate::options::number::*;
use crate::pattern::Origin;
use crate::pattern::testing::Bench;
use crate::pattern::xpub_notifications::MAX_UNREAD_NOTIFICATIONS;

fn all(bench: &mut Bench) -> Vec<String> {
    let mut all = Vec::new();
    while bench.has_in() {
        all.push(bench.recv().join("|"));
    }
    assert_eq!(bench.try_recv(), Err(Errno::AGAIN));
    all
}

#[test]
fn the_program_hears_of_first_and_last() {
    let mut bench = Bench::new(SocketType::Xpub);
    let (mut one, mut two) = (bench.connect(), bench.connect());
    one.subscribe(true, "a");
    two.send(&["\u{1}a"]);
    two.send(&["\u{1}b"]);
    assert_eq!(all(&mut bench), ["\u{1}a", "\u{1}b"]);
    one.subscribe(false, "a");
    assert_eq!(all(&mut bench), [""; 0]);
    two.subscribe(false, "a");
    assert_eq!(all(&mut bench), ["\0a"]);
    two.subscribe(false, "never");
    assert_eq!(all(&mut bench), ["\0never"], "as libzmq does");
    drop(two);
    assert_eq!(all(&mut bench), ["\0b"]);
}

#[test]
fn verbose_tells_more_and_verboser_all() {
    for (option, subscriptions, unsubscriptions) in [(ZMQ_XPUB_VERBOSE, 2, 1), (ZMQ_XPUB_VERBOSER, 2, 2)] {
        let mut bench = Bench::new(SocketType::Xpub);
        bench.set(option, 1);
        let mut peers = [bench.connect(), bench.connect()];
        peers.iter_mut().for_each(|peer| peer.subscribe(true, "a"));
        assert_eq!(all(&mut bench).len(), subscriptions);
        drop(peers);
        assert_eq!(all(&mut bench).len(), unsubscriptions);
    }
}

#[test]
fn other_messages_pass_through_with_all_their_frames() {
    let mut bench = Bench::new(SocketType::Xpub);
    let mut peer = bench.connect();
    peer.send(&["user", "\u{1}topic", ""]);
    peer.send(&[""]);
    assert_eq!(bench.recv_frame().unwrap(), ("user".into(), true));
    assert_eq!(bench.recv(), ["\u{1}topic"], "a subscription ends the message");
    assert_eq!(bench.recv(), [""]);
    assert_eq!(bench.recv(), [""]);
    bench.set(ZMQ_ONLY_FIRST_SUBSCRIBE, 1);
    peer.send(&["user", "\u{1}topic"]);
    assert_eq!(bench.recv(), ["user", "\u{1}topic"]);
    assert_eq!(bench.get(ZMQ_TOPICS_COUNT), 1);
    peer.send(&["\u{1}x", "\u{1}y"]);
    assert_eq!(all(&mut bench), ["\u{1}x", "\u{1}y"]);
}

#[test]
fn in_manual_mode_the_program_subscribes_for_its_peers() {
    let mut bench = Bench::new(SocketType::Xpub);
    assert_eq!(bench.set_bytes(ZMQ_SUBSCRIBE, b"x"), Err(Errno::INVAL));
    bench.set(ZMQ_XPUB_MANUAL, 1);
    let (mut one, mut two) = (bench.connect(), bench.connect());
    one.subscribe(true, "a");
    bench.settle();
    two.subscribe(true, "b");
    assert_eq!(bench.recv(), ["\u{1}a"]);
    bench.set_bytes(ZMQ_SUBSCRIBE, b"A").unwrap();
    assert_eq!(bench.recv(), ["\u{1}b"]);
    bench.set_bytes(ZMQ_SUBSCRIBE, b"B").unwrap();
    for topic in ["a", "b", "A", "B"] {
        bench.send(&[topic]).unwrap();
    }
    assert_eq!((one.recv_all(), two.recv_all()), (vec!["A".into()], vec!["B".into()]));
    two.subscribe(false, "b");
    assert_eq!(bench.recv(), ["\0b"]);
    bench.set_bytes(ZMQ_UNSUBSCRIBE, b"B").unwrap();
    bench.send(&["B"]).unwrap();
    assert_eq!(two.recv_all(), [""; 0]);
    // A peer that goes takes its wishes back, and the subscriptions that the program made of them.
    drop(one);
    assert_eq!(bench.recv(), ["\0a"]);
    assert_eq!(bench.get(ZMQ_TOPICS_COUNT), 0);
    bench.set_bytes(ZMQ_SUBSCRIBE, b"for no peer").unwrap();
    assert_eq!(bench.get(ZMQ_TOPICS_COUNT), 0);
}

#[test]
fn a_wish_of_a_peer_that_has_gone_is_heard_of_but_not_fulfilled() {
    let mut bench = Bench::new(SocketType::Xpub);
    bench.set(ZMQ_XPUB_MANUAL, 1);
    let mut peer = bench.connect();
    peer.subscribe(true, "a");
    bench.settle();
    drop(peer);
    assert_eq!(bench.recv(), ["\u{1}a"]);
    bench.set_bytes(ZMQ_SUBSCRIBE, b"a").unwrap();
    assert_eq!(bench.get(ZMQ_TOPICS_COUNT), 0);
}

#[test]
fn a_last_value_goes_to_the_peer_that_has_just_come() {
    let mut bench = Bench::new(SocketType::Xpub);
    bench.set(ZMQ_XPUB_MANUAL_LAST_VALUE, 1);
    let (mut one, mut two) = (bench.connect(), bench.connect());
    for (peer, cached) in [(&mut one, "cached 1"), (&mut two, "cached 2")] {
        peer.subscribe(true, "");
        bench.recv();
        bench.set_bytes(ZMQ_SUBSCRIBE, b"").unwrap();
        bench.send(&[cached, "rest"]).unwrap();
    }
    bench.send(&["both"]).unwrap();
    assert_eq!(one.recv_all(), ["cached 1|rest", "both"]);
    assert_eq!(two.recv_all(), ["cached 2|rest", "both"]);
}

/// Has the peer subscribe to a topic and end that, `times` times.
fn churn(bench: &mut Bench, peer: &mut crate::pattern::testing::Peer, times: usize) {
    for _ in 0..times {
        peer.send(&["\u{1}churn"]);
        peer.send(&["\0churn"]);
        bench.settle();
    }
}

#[test]
fn a_program_that_never_receives_keeps_its_subscribers_and_its_memory() {
    for option in [None, Some(ZMQ_XPUB_VERBOSE), Some(ZMQ_XPUB_VERBOSER)] {
        let mut bench = Bench::new(SocketType::Xpub);
        option.into_iter().for_each(|option| bench.set(option, 1));
        let mut peer = bench.connect_with(0, |_| {});
        churn(&mut bench, &mut peer, 5 * MAX_UNREAD_NOTIFICATIONS);
        peer.subscribe(true, "late");
        bench.send(&["late"]).unwrap();
        assert_eq!(peer.recv_all(), ["late"], "{option:?}");
        let told = all(&mut bench);
        assert!(told.len() <= MAX_UNREAD_NOTIFICATIONS + 9, "{option:?}: {}", told.len());
        assert_eq!(told.last().unwrap(), "\u{1}late");
    }
}

#[test]
fn program_that_stops_receiving_hears_the_subscriptions_that_remain() {
    let mut bench = Bench::new(SocketType::Xpub);
    let mut peer = bench.connect_with(0, |_| {});
    peer.subscribe(true, "a");
    peer.subscribe(true, "b");
    assert_eq!(all(&mut bench), ["\u{1}a", "\u{1}b"]);
    churn(&mut bench, &mut peer, 5 * MAX_UNREAD_NOTIFICATIONS);
    peer.subscribe(false, "a");
    peer.subscribe(true, "c");
    let told = all(&mut bench);
    assert!(told.len() <= MAX_UNREAD_NOTIFICATIONS + 9, "{}", told.len());
    assert_eq!(told[told.len() - 2..], ["\0a", "\u{1}c"]);
    assert_eq!(bench.get(ZMQ_TOPICS_COUNT), 2);
}

#[test]
fn verbose_and_manual_xpub_miss_nothing_and_the_peer_waits() {
    for option in [ZMQ_XPUB_VERBOSE, ZMQ_XPUB_VERBOSER, ZMQ_XPUB_MANUAL] {
        let mut bench = Bench::new(SocketType::Xpub);
        bench.set(option, 1);
        let mut peer = bench.connect_with(0, |_| {});
        assert_eq!(all(&mut bench), [""; 0], "it listens");
        churn(&mut bench, &mut peer, 5 * MAX_UNREAD_NOTIFICATIONS);
        let waiting = |bench: &mut Bench| bench.pipes.pipe(peer.id).unwrap().queued().1 as usize;
        assert!(waiting(&mut bench) >= 8 * MAX_UNREAD_NOTIFICATIONS, "{option}: left unread");
        let mut told = 0;
        while bench.recv_frame().is_ok() || bench.pipes.budget.take_undone() {
            told += 1;
        }
        assert!(told >= 10 * MAX_UNREAD_NOTIFICATIONS, "{option}: {told}");
        assert_eq!(waiting(&mut bench), 0);
    }
}

#[test]
fn messages_of_peers_wait_in_their_pipes() {
    let mut bench = Bench::new(SocketType::Xpub);
    let mut peer = bench.connect_with(0, |_| {});
    for _ in 0..3 * MAX_UNREAD_NOTIFICATIONS {
        peer.send(&["two", "frames"]);
    }
    bench.settle();
    assert!(bench.pipes.pipe(peer.id).unwrap().queued().1 as usize >= 2 * MAX_UNREAD_NOTIFICATIONS);
    let mut messages = 0;
    while let Ok(frames) = bench.try_recv() {
        assert_eq!(frames, ["two", "frames"]);
        messages += 1;
    }
    assert_eq!(messages, 3 * MAX_UNREAD_NOTIFICATIONS);
}

#[test]
fn everyone_is_welcomed() {
    let mut bench = Bench::new(SocketType::Xpub);
    bench.set_bytes(ZMQ_XPUB_WELCOME_MSG, b"hello").unwrap();
    assert_eq!(bench.connect().recv_all(), ["hello"]);
    bench.set_bytes(ZMQ_XPUB_WELCOME_MSG, b"").unwrap();
    assert_eq!(bench.connect().recv_all(), [""; 0]);
}

#[test]
fn peer_that_cannot_subscribe_gets_everything() {
    let mut bench = Bench::new(SocketType::Xpub);
    let mut peer = bench.connect();
    bench.pattern.attach(&mut bench.pipes, peer.id, Origin::Datagrams);
    bench.send(&["x"]).unwrap();
    assert_eq!(peer.recv(), ["x"]);
    assert!(!bench.has_in());
}
