//! Models of the queue, which loom runs under every interleaving. Each is run again with one edge weakened,
//! which loom must catch.

#![allow(clippy::unwrap_used)]

use super::blocks::{Consumer, Producer, queue};
use super::shim::edge::WEAKENED;
use crate::sys::weakened_twin::fails;
use loom::sync::Notify;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A consumer on its own thread reads `tails` tails, sleeping on `wake` whenever it finds nothing.
fn read_tails(consumer: &mut Consumer<u32>, wake: &Notify, tails: u32) {
    let mut next = 0;
    while next < tails {
        if !consumer.check() {
            wake.wait();
            continue;
        }
        let len = consumer.bytes().len();
        consumer.advance(len);
        if let Some(tail) = consumer.take_tail() {
            assert_eq!(tail, next);
            next += 1;
        }
    }
}

fn send_tails(producer: &mut Producer<u32>, wake: &Notify, tails: u32) {
    for tail in 0..tails {
        producer.append([b"x", b"y"]).unwrap();
        producer.attach(tail).unwrap();
        if producer.publish() {
            wake.notify();
        }
    }
}

fn model(tails: u32) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let (mut producer, mut consumer) = queue::<u32>().unwrap();
        let wake = loom::sync::Arc::new(Notify::new());
        let their = wake.clone();
        let reader = loom::thread::spawn(move || read_tails(&mut consumer, &their, tails));
        send_tails(&mut producer, &wake, tails);
        reader.join().unwrap();
    });
}

/// A number is published while an answer is computed: the memo must not keep the answer computed before.
fn memo_model() {
    use super::cached_answer::Memo;
    use super::shim::{
        AtomicU64,
        Ordering::{Acquire, Release},
    };
    loom::model(|| {
        let shared = Arc::new((AtomicU64::new(0), Memo::new()));
        let theirs = Arc::clone(&shared);
        let event = loom::thread::spawn(move || {
            let (happened, memo) = &*theirs;
            happened.fetch_or(1, Release);
            memo.clear();
        });
        let (happened, memo) = &*shared;
        if happened.load(Acquire) == 0 {
            memo.set(7, || happened.load(Acquire) == 0);
        }
        event.join().unwrap();
        assert_eq!(memo.get(), None);
    });
}

/// Whether the model fails with this edge weakened.
fn weakened(edge: u8) -> bool {
    fails("queue::loom_tests::twin", "WEAKENED_EDGE", &edge.to_string())
}

/// The model with the edge weakened that the environment names. It fails, unless that is edge 0.
#[test]
#[ignore = "run by the tests below"]
fn twin() {
    let edge = std::env::var("WEAKENED_EDGE").map_or(0, |edge| edge.parse().unwrap());
    WEAKENED.store(edge, Ordering::Relaxed);
    if edge == 4 {
        memo_model();
    } else {
        model(3);
    }
}

#[test]
fn loom_a_memo_is_never_out_of_date() {
    memo_model();
}

#[test]
fn loom_catches_a_weak_memo() {
    assert!(weakened(4));
}

#[test]
fn loom_everything_published_arrives_in_order() {
    model(3);
}

/// Both sides may free emptied blocks at any time. No block is freed or filled twice.
#[test]
fn loom_emptied_blocks_are_freed_by_one_side_alone() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(|| {
        let (mut producer, mut consumer) = queue::<u32>().unwrap();
        let wake = loom::sync::Arc::new(Notify::new());
        let their = wake.clone();
        let reader = loom::thread::spawn(move || {
            read_tails(&mut consumer, &their, 1);
            consumer.free_spares();
            consumer
        });
        send_tails(&mut producer, &wake, 1);
        producer.free_spares();
        // A kept block is filled again where neither side has freed it.
        producer.append([b"x", b"y"]).unwrap();
        producer.attach(1).unwrap();
        producer.publish();
        let mut consumer = reader.join().unwrap();
        assert!(consumer.ready());
        assert_eq!(consumer.bytes(), b"xy");
    });
}

#[test]
fn loom_passes_a_twin_with_no_edge_weakened() {
    assert!(!weakened(0));
}

#[test]
fn loom_catches_a_weak_publish() {
    assert!(weakened(1));
}

#[test]
fn loom_catches_a_weak_hand_back() {
    assert!(weakened(2));
}

#[test]
fn loom_catches_a_lost_wakeup() {
    assert!(weakened(3));
}

#[test]
fn loom_a_message_over_two_blocks_shows_whole_or_not_at_all() {
    loom::model(|| {
        let seen = Arc::new(());
        let (mut producer, mut consumer) = queue::<Arc<()>>().unwrap();
        let theirs = Arc::clone(&seen);
        let writer = loom::thread::spawn(move || {
            producer.append([b"a", b""]).unwrap();
            producer.attach(theirs).unwrap();
            producer.append([b"b", b""]).unwrap();
            producer.publish();
        });
        if consumer.ready() {
            assert_eq!(consumer.bytes(), b"a");
            consumer.advance(1);
            assert!(consumer.take_tail().is_some());
            assert!(consumer.ready());
            assert_eq!(consumer.bytes(), b"b");
        }
        writer.join().unwrap();
    });
}
