//! What a burst of messages has taken goes back to the system once it is over.

use crate::support::process::{inside, test_name};
use crate::support::program::{Context, Socket};
use crate::support::{PATIENCE, PATIENCE_MS};
use std::time::{Duration, Instant};
use zmq::ffi::constants::*;
use zmq::options::number::{ZMQ_RCVHWM, ZMQ_RCVTIMEO, ZMQ_SNDHWM};

const MIB: usize = 1 << 20;
const BURST_BYTES: usize = 48 * MIB;

/// Bytes of the process that lie in memory and belong to no file.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

/// Has so much queued at the reader, of messages of this size, and reads it all.
fn burst(push: Socket, pull: Socket, size: usize) {
    let message = vec![5; size];
    for _ in 0..BURST_BYTES / size {
        push.try_send(&message, 0).unwrap();
    }
    push.send(&["end"]);
    let mut held = 0;
    for number in 0.. {
        if number % 100 == 0 {
            held = held.max(resident());
        }
        let received = pull.try_recv(0).unwrap();
        if received == b"end" {
            break;
        }
        assert_eq!(received.len(), size);
    }
    assert!(held > BURST_BYTES / 2, "{held} bytes held at most: no burst");
}

#[test]
fn memory_goes_back_after_a_burst() {
    if !inside(test_name!(memory_goes_back_after_a_burst)) {
        return;
    }
    let context = Context::new();
    let pull = context.socket(ZMQ_PULL);
    pull.set(ZMQ_RCVHWM, 0);
    pull.set(ZMQ_RCVTIMEO, PATIENCE_MS);
    pull.bind("tcp://127.0.0.1:*");
    let push = context.socket(ZMQ_PUSH);
    push.set(ZMQ_SNDHWM, 0);
    push.connect(&pull.last_endpoint());
    push.send(&["here"]);
    assert_eq!(pull.recv(), ["here"]);
    let before = resident();
    for size in [1000, 20_000] {
        burst(push, pull, size);
        let begun = Instant::now();
        // Blocks that the sender has taken back for itself stay with it: 8 MiB of all queues together at most.
        while resident() > before + 12 * MIB {
            assert!(begun.elapsed() < PATIENCE, "{} bytes held for good", resident() - before);
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    push.close();
    pull.close();
    context.term();
}
