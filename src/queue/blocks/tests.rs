#![allow(clippy::unwrap_used)]
use super::*;
use crate::queue::shim::Ordering;
use std::ptr::NonNull;

fn drain(consumer: &mut Consumer<u32>) -> (Vec<u8>, Vec<u32>, u32) {
    let (mut bytes, mut tails, mut messages) = (Vec::new(), Vec::new(), 0);
    while consumer.check() {
        bytes.extend_from_slice(consumer.bytes());
        messages += consumer.advance(consumer.bytes().len());
        tails.extend(consumer.take_tail());
    }
    (bytes, tails, messages)
}

#[test]
fn bytes_show_after_publish_and_not_before() {
    let (mut producer, mut consumer) = queue::<u32>().unwrap();
    assert!(!consumer.check());
    let mut sent = Vec::new();
    for i in 0..1000u32 {
        let data = vec![i as u8; (i % 97) as usize];
        producer.append([b"h", &data]).unwrap();
        sent.push(b'h');
        sent.extend_from_slice(&data);
        producer.end_messages(1);
        if i % 100 == 50 {
            producer.attach(i).unwrap();
        }
    }
    assert!(!consumer.check());
    assert!(producer.publish(), "publish reports a sleeping consumer");
    assert!(!producer.publish());
    let (bytes, tails, messages) = drain(&mut consumer);
    assert_eq!(bytes, sent);
    assert_eq!(tails, [50, 150, 250, 350, 450, 550, 650, 750, 850, 950]);
    assert_eq!(messages, 1000);
}

#[test]
fn rollback_leaves_published_bytes() {
    let (mut producer, mut consumer) = queue::<u32>().unwrap();
    producer.append([b"kept", b""]).unwrap();
    producer.publish();
    producer.append([&[7; 300], b""]).unwrap();
    producer.attach(1).unwrap();
    producer.append([&[8; 70_000], b""]).unwrap();
    assert!(producer.unpublished());
    producer.rollback();
    assert!(!producer.unpublished());
    producer.append([b" too", b""]).unwrap();
    producer.publish();
    assert_eq!(drain(&mut consumer), (b"kept too".to_vec(), vec![], 0));
}

#[test]
fn received_bytes_move_with_the_block() {
    let (mut producer, mut consumer) = queue::<u32>().unwrap();
    producer.receive_from(b"abcdefghij").unwrap();
    producer.accept(4);
    assert_eq!(producer.received(), b"efghij");
    let room = producer.receive(100_000, |room| Ok(room[..2].write_copy_of_slice(b"kl"))).unwrap();
    assert!(room.0 == 2 && room.1 >= 100_000);
    assert_eq!(producer.received(), b"efghijkl");
    producer.accept(8);
    producer.publish();
    assert_eq!(drain(&mut consumer).0, b"abcdefghijkl");
    producer.receive_from(b"xxyyzz").unwrap();
    producer.skip(4);
    assert_eq!(producer.received(), b"zz");
    producer.accept(2);
    producer.publish();
    assert_eq!(drain(&mut consumer).0, b"zz");
}

#[test]
fn skipped_bytes_leave_nothing_behind() {
    let (mut producer, mut consumer) = queue::<u32>().unwrap();
    producer.append([b"kept", b""]).unwrap();
    producer.end_messages(1);
    producer.publish();
    for round in 0..100u32 {
        // More than any block holds, then a few bytes that are not accepted yet.
        for _ in 0..20 {
            producer.receive_from(&[b'x'; 8000]).unwrap();
            producer.skip(8000);
        }
        producer.receive_from(&round.to_le_bytes()).unwrap();
        assert_eq!(producer.received(), round.to_le_bytes());
        producer.discard_received();
        // SAFETY: this test has the only handles of the queue.
        let blocks = unsafe {
            let mut blocks = 1;
            let mut at = consumer.block;
            while let Some(next) = NonNull::new(at.as_ref().next.load(Ordering::Relaxed)) {
                (at, blocks) = (next, blocks + 1);
            }
            blocks
        };
        assert!(blocks <= 2);
    }
    producer.append([b" too", b""]).unwrap();
    producer.end_messages(1);
    producer.publish();
    assert_eq!(drain(&mut consumer), (b"kept too".to_vec(), vec![], 2));
}

#[test]
fn what_is_skipped_is_missing_between_what_is_accepted() {
    let mut random = crate::random::Random::seeded(1);
    let (mut producer, mut consumer) = queue::<u32>().unwrap();
    let (mut kept, mut got, mut pending) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..3000u32 {
        let most = if random.one_in(50) { 40_000 } else { 300 };
        let bytes = vec![round as u8; random.below(most)];
        producer.receive_from(&bytes).unwrap();
        pending.extend_from_slice(&bytes);
        for _ in 0..random.below(5) {
            let len = random.below(pending.len() + 1);
            let front: Vec<u8> = pending.drain(..len).collect();
            if random.one_in(2) {
                producer.accept(len);
                kept.extend_from_slice(&front);
            } else {
                producer.skip(len);
            }
            assert_eq!(producer.received(), pending);
        }
        match random.below(20) {
            0 => {
                if !pending.is_empty() {
                    producer.discard_received();
                    pending.clear();
                }
                producer.append([b"own", b""]).unwrap();
                producer.attach(round).unwrap();
                kept.extend_from_slice(b"own");
            }
            1 => {
                producer.publish();
                got.extend(drain(&mut consumer).0);
                assert!(got == kept);
            }
            2 => {
                producer.rollback();
                pending.clear();
                kept.truncate(got.len());
            }
            _ => {}
        }
    }
}

#[test]
fn blocks_between_tails_are_small() {
    let (mut producer, _consumer) = queue::<u32>().unwrap();
    producer.append([&[7; 100_000], b""]).unwrap();
    for i in 0..3 {
        producer.append([b"head", b""]).unwrap();
        producer.attach(i).unwrap();
    }
    // SAFETY: the block is the producer's own.
    assert_eq!(unsafe { producer.block.as_ref() }.capacity, FIRST_BLOCK_BYTES);
}

#[test]
fn two_threads_agree() {
    let (mut producer, mut consumer) = queue::<u32>().unwrap();
    let writer = std::thread::spawn(move || {
        for i in 0..200_000u32 {
            producer.append([&i.to_le_bytes(), b""]).unwrap();
            producer.end_messages(1);
            if i % 1000 == 0 {
                producer.attach(i).unwrap();
            }
            producer.publish();
        }
    });
    let (mut next, mut messages) = (0u32, 0u32);
    while next < 200_000 {
        if !consumer.ready() {
            std::thread::yield_now();
            continue;
        }
        let bytes = consumer.bytes();
        let len = bytes.len();
        for number in bytes.chunks_exact(4) {
            assert_eq!(u32::from_le_bytes(number.try_into().unwrap()), next);
            next += 1;
        }
        messages += consumer.advance(len);
        if let Some(tail) = consumer.take_tail() {
            assert_eq!(tail + 1, next);
        }
    }
    writer.join().unwrap();
    assert_eq!(messages, 200_000);
}

#[test]
fn tails_are_freed_with_the_queue() {
    let counter = std::sync::Arc::new(());
    let (mut producer, mut consumer) = queue::<std::sync::Arc<()>>().unwrap();
    for _ in 0..5 {
        producer.append([b"x", b""]).unwrap();
        producer.attach(std::sync::Arc::clone(&counter)).unwrap();
    }
    producer.publish();
    assert!(consumer.check());
    producer.attach(std::sync::Arc::clone(&counter)).unwrap();
    assert_eq!(std::sync::Arc::strong_count(&counter), 7);
    drop(consumer);
    assert_eq!(std::sync::Arc::strong_count(&counter), 2);
    drop(producer);
    assert_eq!(std::sync::Arc::strong_count(&counter), 1);
}

#[test]
fn blocks_that_are_kept_can_be_freed_from_either_end() {
    for by_consumer in [false, true] {
        let (mut producer, mut consumer) = queue::<u32>().unwrap();
        let bytes = vec![7; 200_000];
        for _ in 0..3 {
            for part in bytes.chunks(1000) {
                producer.append([part, b""]).unwrap();
            }
            producer.end_messages(1);
            producer.publish();
            while consumer.ready() {
                consumer.advance(usize::MAX / 2);
            }
            if by_consumer {
                consumer.free_spares();
                assert!(producer.shared.spare.load(Ordering::Relaxed).is_null());
            } else {
                producer.free_spares();
                assert!(producer.spares.is_null());
                assert!(producer.shared.spare.load(Ordering::Relaxed).is_null());
            }
        }
    }
}
