//! What subscribers and the program of an XPUB or PUB socket see.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::reading::MAX_MESSAGE_FRAMES;
use super::{MAX_UNHEARD_MESSAGES, Xpub};
use crate::counters::{ContextRecord, Reason, Snapshot, SocketRecord};
use crate::errno::Errno;
use crate::options::SocketType;
use crate::options::draft_number::{ZMQ_ONLY_FIRST_SUBSCRIBE, ZMQ_TOPICS_COUNT, ZMQ_XPUB_MANUAL_LAST_VALUE};
use crate::options::number::*;
use crate::pattern::testing::{Bench, Peer};
use crate::pattern::xpub_notifications::{MAX_UNREAD_NOTIFICATIONS, MESSAGE_SHARE};
use crate::pattern::{Origin, Pattern};
use crate::pipe::Pipes;

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
fn churn(bench: &mut Bench, peer: &mut Peer, times: usize) {
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

/// Whether a peer that comes now gets what it subscribes to. It goes then, and is forgotten.
fn reaches_a_late_subscriber(bench: &mut Bench) -> bool {
    let topics = bench.get(ZMQ_TOPICS_COUNT);
    let mut late = bench.connect();
    late.subscribe(true, "late");
    bench.send(&["late"]).unwrap();
    let got = late.recv_all() == ["late"];
    drop(late);
    bench.settle();
    got && bench.get(ZMQ_TOPICS_COUNT) == topics
}

#[test]
fn messages_of_one_peer_keep_no_other_from_being_heard_and_forgotten() {
    let mut bench = Bench::new(SocketType::Xpub);
    let (mut bad, mut good) = (bench.connect_with(0, |_| {}), bench.connect());
    (0..3 * MAX_UNREAD_NOTIFICATIONS).for_each(|_| bad.send(&["other"]));
    bad.subscribe(true, "behind");
    assert!(reaches_a_late_subscriber(&mut bench));
    assert_eq!(held(&bench), MAX_UNREAD_NOTIFICATIONS + 2, "the others are left in the pipe");
    good.send(&["\u{1}a", "rest"]);
    good.send(&["before", "\u{1}b"]);
    bench.settle();
    bench.send(&["a"]).unwrap();
    bench.send(&["b"]).unwrap();
    assert_eq!(good.recv_all(), ["a", "b"], "it has sent little");
    // What it sends in messages that subscribe counts as well.
    for _ in 0..10 * MESSAGE_SHARE {
        good.send(&["\u{1}a", "rest"]);
    }
    bench.settle();
    assert!(held(&bench) < MAX_UNREAD_NOTIFICATIONS + 2 * MESSAGE_SHARE, "{}", held(&bench));
    for _ in 0..3 * MAX_UNREAD_NOTIFICATIONS {
        assert!(reaches_a_late_subscriber(&mut bench));
    }
    assert_eq!(bench.pipes.len(), 2);
    let told = all(&mut bench);
    assert_eq!(told.iter().filter(|told| *told == "other").count(), 3 * MAX_UNREAD_NOTIFICATIONS);
    assert_eq!(told.iter().filter(|told| *told == "rest").count(), 10 * MESSAGE_SHARE + 1);
    assert!(told.iter().any(|told| told == "\u{1}behind"), "{told:?}");
}

#[test]
fn connections_that_come_and_go_leave_little_beyond_the_bound() {
    let mut bench = Bench::new(SocketType::Xpub);
    let mut first = bench.connect_with(0, |_| {});
    (0..MAX_UNREAD_NOTIFICATIONS).for_each(|_| first.send(&["first"]));
    settle_all(&mut bench, |_, _| {});
    for frames in [1, MAX_MESSAGE_FRAMES] {
        let (before, pipes) = (held(&bench), bench.pipes.len());
        let mut peer = bench.connect_with(0, |_| {});
        (0..MAX_MESSAGE_FRAMES / frames).for_each(|_| write_message(&mut peer, frames));
        drop(peer);
        settle_all(&mut bench, |_, _| {});
        assert_eq!((held(&bench) - before, bench.pipes.len() - pipes), (MESSAGE_SHARE, 1), "{frames}");
    }
    let mut messages = 0;
    while let Ok(frame) = bench.pattern.recv(&mut bench.pipes) {
        messages += usize::from(!frame.more());
    }
    assert!(bench.pipes.budget.take_undone(), "what was held back is announced");
    messages += std::iter::from_fn(|| bench.try_recv().ok()).count();
    assert_eq!(messages, MAX_UNREAD_NOTIFICATIONS + MAX_MESSAGE_FRAMES + 1);
    assert_eq!((held(&bench), bench.pipes.len()), (0, 1));
}

#[test]
fn peers_whose_messages_wait_have_their_turns_and_are_forgotten_when_they_go() {
    let mut bench = Bench::new(SocketType::Xpub);
    let mut peers: Vec<_> = (0..5).map(|_| bench.connect_with(0, |_| {})).collect();
    for (number, peer) in peers.iter_mut().enumerate() {
        (0..MAX_UNREAD_NOTIFICATIONS).for_each(|_| peer.send(&[&number.to_string()]));
    }
    let gone = peers.remove(2);
    bench.settle();
    bench.pipes.terminate(gone.id);
    drop(peers.pop());
    bench.settle();
    let told = all(&mut bench);
    let of = |number: &str| told.iter().filter(|told| *told == number).count();
    for number in ["0", "1", "3", "4"] {
        assert_eq!(of(number), MAX_UNREAD_NOTIFICATIONS, "{number}");
        let first = told.iter().position(|told| told == number);
        assert!(first.is_some_and(|first| first < 2 * MAX_UNREAD_NOTIFICATIONS), "{number}: {first:?}");
    }
    assert!(of("2") < MAX_UNREAD_NOTIFICATIONS);
    assert_eq!(bench.pipes.len(), 3);
}

#[test]
fn a_program_that_has_received_once_and_only_sends_then_keeps_its_subscribers_and_its_memory() {
    for option in [ZMQ_XPUB_VERBOSE, ZMQ_XPUB_VERBOSER] {
        let mut bench = Bench::new(SocketType::Xpub);
        bench.set(option, 1);
        let mut first = bench.connect_with(0, |_| {});
        first.subscribe(true, "first");
        assert_eq!(bench.recv(), ["\u{1}first"]);
        churn(&mut bench, &mut first, MAX_UNREAD_NOTIFICATIONS);
        assert!(!reaches_a_late_subscriber(&mut bench), "the program may be slow");
        (0..MAX_UNHEARD_MESSAGES).for_each(|_| bench.send(&["first"]).unwrap());
        settle_all(&mut bench, |_, _| {});
        for _ in 0..2 * MAX_UNREAD_NOTIFICATIONS {
            assert!(reaches_a_late_subscriber(&mut bench), "{option}");
        }
        assert_eq!(bench.pipes.len(), 1);
        assert!(held(&bench) <= MAX_UNREAD_NOTIFICATIONS + 9, "{option}: {}", held(&bench));
        // One that receives again is one that sees everything.
        bench.recv();
        let before = held(&bench);
        churn(&mut bench, &mut first, MAX_UNREAD_NOTIFICATIONS);
        assert_eq!(all(&mut bench).len(), before + 2 * MAX_UNREAD_NOTIFICATIONS, "{option}");
    }
}

#[test]
fn ends_of_what_was_never_wished_for_do_not_pile_up() {
    let mut bench = Bench::new(SocketType::Xpub);
    bench.set(ZMQ_XPUB_MANUAL, 1);
    let mut peer = bench.connect_with(0, |_| {});
    churn(&mut bench, &mut peer, MAX_UNREAD_NOTIFICATIONS);
    for number in 0..2 * MAX_UNREAD_NOTIFICATIONS {
        peer.subscribe(false, &format!("never {number}"));
        peer.subscribe(true, "again");
        peer.subscribe(false, "again");
        peer.subscribe(false, "again");
        bench.settle();
    }
    assert!(held(&bench) <= MAX_UNREAD_NOTIFICATIONS + 9, "{}", held(&bench));
}

/// Of two peers, where the program has heard of the first one's subscription.
#[test]
fn a_program_of_verbose_kind_hears_of_the_last_end() {
    let mut bench = Bench::new(SocketType::Xpub);
    bench.set(ZMQ_XPUB_VERBOSE, 1);
    let (mut one, mut two) = (bench.connect_with(0, |_| {}), bench.connect_with(0, |_| {}));
    one.subscribe(true, "a");
    assert_eq!(bench.recv(), ["\u{1}a"]);
    churn(&mut bench, &mut one, MAX_UNREAD_NOTIFICATIONS);
    (0..MAX_UNHEARD_MESSAGES).for_each(|_| bench.send(&["a"]).unwrap());
    settle_all(&mut bench, |_, _| {});
    two.subscribe(true, "a");
    one.subscribe(false, "a");
    bench.settle();
    two.subscribe(false, "a");
    bench.settle();
    let told = all(&mut bench);
    let last = told.iter().rev().find(|told| told.ends_with('a') && told.len() == 2);
    assert_eq!(last.map(String::as_str), Some("\0a"));
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

fn xpub(bench: &Bench) -> &Xpub {
    match &bench.pattern {
        Pattern::Xpub(xpub) => xpub,
        _ => panic!("no XPUB"),
    }
}

/// Frames that wait for the program, and those of messages that were not read to their end.
fn held(bench: &Bench) -> usize {
    xpub(bench).notifications.len() + xpub(bench).readings.kept()
}

fn write_message(peer: &mut Peer, frames: usize) {
    (1..frames).for_each(|_| peer.write(b"", true));
    peer.write(b"end", false);
}

/// Until nothing is left undone. `each` sees every step, and what was held before it.
fn settle_all(bench: &mut Bench, mut each: impl FnMut(&Bench, usize)) {
    for _ in 0..10_000 {
        let before = held(bench);
        bench.pipes.budget.take_undone();
        bench.settle();
        each(bench, before);
        if !bench.pipes.budget.is_anything_undone() {
            return;
        }
    }
    panic!("no end");
}

fn dropped(bench: &Bench) -> u64 {
    Snapshot::of_socket(bench.pipes.record.number()).unwrap().unwrap().dropped(Reason::Malformed)
}

fn small_budget() -> Bench {
    let mut bench = Bench::new(SocketType::Xpub);
    bench.pipes = Pipes::of(SocketRecord::of(&ContextRecord::begin(), "TESTED"));
    bench.units = 256;
    bench
}

#[test]
fn a_message_of_endless_frames_is_read_in_steps_and_dropped() {
    for option in [None, Some(ZMQ_XPUB_VERBOSE)] {
        let mut bench = small_budget();
        option.into_iter().for_each(|option| bench.set(option, 1));
        let (mut peer, mut other) = (bench.connect_with(0, |_| {}), bench.connect());
        write_message(&mut peer, 100_000);
        peer.subscribe(true, "behind");
        let mut steps = 0;
        let units = bench.units as usize;
        settle_all(&mut bench, |bench, before| {
            assert!(held(bench) <= before + units && held(bench) <= MAX_MESSAGE_FRAMES, "{}", held(bench));
            if steps == 50 {
                other.subscribe(true, "beside");
            }
            steps += 1;
        });
        assert!(steps > 100_000 / units);
        assert_eq!(all(&mut bench), ["\u{1}beside", "\u{1}behind"], "{option:?}");
        assert_eq!(dropped(&bench), 1);
    }
}

#[test]
fn messages_of_many_frames_arrive_whole_and_no_more_is_kept_than_of_one() {
    let mut bench = small_budget();
    let mut peers: Vec<_> = (0..5).map(|_| bench.connect_with(0, |_| {})).collect();
    peers.iter_mut().for_each(|peer| write_message(peer, MAX_MESSAGE_FRAMES));
    let mut most = 0;
    for _ in 0..5 {
        settle_all(&mut bench, |bench, _| most = most.max(xpub(bench).readings.kept()));
        let frames = bench.recv();
        assert_eq!(frames.len(), MAX_MESSAGE_FRAMES);
        assert_eq!(frames.last().unwrap(), "end");
    }
    assert!(most > 0 && most < MAX_MESSAGE_FRAMES + peers.len() * MESSAGE_SHARE, "{most}");
    assert_eq!((dropped(&bench), held(&bench)), (0, 0));
    write_message(&mut peers[0], MAX_MESSAGE_FRAMES + 1);
    write_message(&mut peers[0], 2);
    settle_all(&mut bench, |_, _| {});
    assert_eq!(bench.recv(), ["", "end"]);
    assert_eq!(dropped(&bench), 1);
}

#[test]
fn a_message_that_is_dropped_is_counted_though_it_subscribes() {
    let mut bench = small_budget();
    let mut peer = bench.connect_with(0, |_| {});
    (0..=MAX_MESSAGE_FRAMES).for_each(|_| peer.write(b"", true));
    peer.write(b"\x01a", true);
    peer.write(b"end", false);
    settle_all(&mut bench, |_, _| {});
    assert_eq!(all(&mut bench), ["\u{1}a"]);
    assert_eq!(dropped(&bench), 1);
}

#[test]
fn a_message_that_ends_in_a_subscription_has_its_end_where_many_wait() {
    let mut bench = Bench::new(SocketType::Xpub);
    let (mut peer, mut other) = (bench.connect(), bench.connect());
    churn(&mut bench, &mut peer, MAX_UNREAD_NOTIFICATIONS);
    peer.send(&["\u{1}topic"]);
    peer.send(&["mine", "\0topic"]);
    other.send(&["of another"]);
    bench.settle();
    let all = all(&mut bench);
    assert_eq!(all[all.len() - 3..], ["\u{1}topic", "mine|\0topic", "of another"]);
}

#[test]
fn a_turn_does_not_go_on_for_subscriptions_that_say_nothing_new() {
    let mut bench = small_budget();
    let (mut peer, mut other) = (bench.connect_with(0, |_| {}), bench.connect());
    peer.send(&["\u{1}a"]);
    peer.write(b"kept", true);
    (0..20_000).for_each(|_| peer.write(b"\x01a", true));
    peer.write(b"end", false);
    other.subscribe(true, "b");
    let (mut steps, mut heard) = (0, None);
    settle_all(&mut bench, |bench, _| {
        steps += 1;
        if heard.is_none() && bench.get(ZMQ_TOPICS_COUNT) == 2 {
            heard = Some(steps);
        }
    });
    assert!(heard.is_some_and(|step| step < steps / 4), "{heard:?} of {steps}");
    assert_eq!(all(&mut bench), ["\u{1}a", "\u{1}b"]);
    assert_eq!(dropped(&bench), 1);
}

#[test]
fn what_is_kept_of_a_message_goes_with_its_pipe() {
    let mut bench = small_budget();
    let mut peer = bench.connect_with(0, |_| {});
    write_message(&mut peer, MAX_MESSAGE_FRAMES);
    bench.settle();
    assert!(xpub(&bench).readings.kept() > 0);
    bench.pipes.terminate(peer.id);
    settle_all(&mut bench, |_, _| {});
    assert_eq!(held(&bench), 0);
    let mut other = bench.connect();
    other.send(&["a", "b"]);
    assert_eq!(bench.recv(), ["a", "b"]);
}
