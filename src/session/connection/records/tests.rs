//! Records between two sides in memory, honest and not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::testing::{self, Ways, Wire};
use super::*;
use crate::counters::{QZMQ, SocketCounter, SocketRecord};
use crate::engine::codec::records::{
    MAX_RECORDS,
    testing::{Limits, traffics},
};
use crate::random::Random;
use crate::sys::faults::{Call, refuse, refuse_after};

fn sides(limits: Limits) -> [Records; 2] {
    traffics(limits).map(|traffic| Records::new(traffic, &[], &[]).unwrap())
}

fn read(records: &Records, from: &mut Wire, to: &mut Wire, most: usize) -> Result<Vec<u8>> {
    testing::read(records, &mut Ways(from, to), most)
}

fn write(records: &Records, ranges: &[IoSlice<'_>], to: &mut Wire) -> Result<usize> {
    records.write(ranges, &mut Ways(&mut Wire::default(), to))
}

fn flush(records: &Records, to: &mut Wire) {
    records.flush(&mut Ways(&mut Wire::default(), to)).unwrap();
}

/// Sends bytes both ways in pieces of any length, and checks that they arrive.
fn exchange(limits: Limits, rounds: usize, seed: u64) -> u64 {
    let mut random = Random::seeded(seed);
    let [left, right] = sides(limits);
    let (mut to_right, mut to_left) = (Wire::default(), Wire::default());
    let (mut sent, mut got) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for _ in 0..rounds {
        to_right.room += random.below(40_000);
        to_left.room += random.below(40_000);
        let bytes: Vec<u8> = (0..random.below(50_000)).map(|_| random.below(256) as u8).collect();
        let cut = random.below(bytes.len() + 1);
        let ranges = [IoSlice::new(&bytes[..cut]), IoSlice::new(&[]), IoSlice::new(&bytes[cut..])];
        let (from, wire, at) = match random.below(2) {
            0 => (&left, &mut to_right, 0),
            _ => (&right, &mut to_left, 1),
        };
        if let Ok(taken) = write(from, &ranges, wire) {
            sent[at].extend_from_slice(&bytes[..taken]);
        }
        let most = 1 + random.below(70_000);
        if let Ok(bytes) = read(&right, &mut to_right, &mut to_left, most) {
            got[0].extend(bytes);
        }
        if let Ok(bytes) = read(&left, &mut to_left, &mut to_right, most) {
            got[1].extend(bytes);
        }
    }
    (to_right.room, to_left.room) = (usize::MAX, usize::MAX);
    for _ in 0..10 {
        flush(&left, &mut to_right);
        flush(&right, &mut to_left);
        while let Ok(bytes) = read(&right, &mut to_right, &mut to_left, 100_000) {
            got[0].extend(bytes);
        }
        while let Ok(bytes) = read(&left, &mut to_left, &mut to_right, 100_000) {
            got[1].extend(bytes);
        }
    }
    assert!(got == sent, "{seed}");
    assert!(left.is_drained() && right.is_drained());
    left.sending.lock().traffic.updates()
}

#[test]
fn bytes_arrive_however_they_are_cut() {
    for seed in 0..4 {
        assert_eq!(exchange(Limits::default(), 200, seed), 0);
    }
    for padding_bytes in [1, 64, 100, 4096, 16_384, usize::MAX] {
        exchange(Limits { padding_bytes, ..Limits::default() }, 60, 9);
    }
}

#[test]
fn keys_are_replaced_under_load_and_nothing_is_lost() {
    for seed in 0..4 {
        let limits = Limits { records: 3, interval_ms: 0, ..Limits::default() };
        assert!(exchange(limits, 200, seed) > 10, "updates");
        let limits = Limits { bytes: 100_000, interval_ms: 0, ..Limits::default() };
        assert!(exchange(limits, 200, seed) > 10, "updates");
    }
}

/// The peer's answer to KEY_UPDATE may take as long as it likes: neither side waits for it, and all data passes meanwhile.
#[test]
fn an_update_holds_no_data_up() {
    let limits = Limits { records: 1, ..Limits::default() };
    let [left, right] = sides(limits);
    let (mut there, mut back) = (Wire::wide(), Wire::default());
    let say = |text: &[u8], there: &mut Wire| {
        assert_eq!(write(&left, &[IoSlice::new(text)], there), Ok(text.len()), "at once");
    };
    say(b"before", &mut there);
    say(b"behind KEY_UPDATE", &mut there);
    assert_eq!(read(&right, &mut there, &mut back, 100), Ok(b"before".to_vec()));
    // The answer finds no room for now.
    assert_eq!(read(&right, &mut there, &mut back, 100), Ok(b"behind KEY_UPDATE".to_vec()));
    for _ in 0..100 {
        say(b"under way", &mut there);
        assert_eq!(read(&right, &mut there, &mut back, 100), Ok(b"under way".to_vec()));
    }
    assert_eq!(left.sending.lock().traffic.updates(), 0, "under way still");
    back.room = usize::MAX;
    flush(&right, &mut back);
    assert_eq!(read(&left, &mut back, &mut there, 100), Err(Errno::AGAIN));
    assert_eq!(left.sending.lock().traffic.updates(), 1);
    say(b"under the new key", &mut there);
    assert_eq!(read(&right, &mut there, &mut back, 100), Ok(b"under the new key".to_vec()));
}

#[test]
fn a_record_about_keys_waits_while_there_is_no_memory_for_the_answer() {
    let ([left, _], [_, right]) =
        (sides(Limits { records: 1, ..Limits::default() }), sides(Limits::default()));
    let (mut there, mut back) = (Wire::default(), Wire::default());
    (there.room, back.room) = (usize::MAX, usize::MAX);
    for text in [&b"first"[..], b"behind KEY_UPDATE"] {
        write(&left, &[IoSlice::new(text)], &mut there).unwrap();
    }
    assert_eq!(read(&right, &mut there, &mut back, 100), Ok(b"first".to_vec()));
    for _ in 0..2 {
        let refusal = refuse(Call::Allocate, Errno::NOMEM, 1);
        assert_eq!(read(&right, &mut there, &mut back, 100), Err(Errno::NOMEM));
        drop(refusal);
        assert!(right.has_received() && back.bytes.is_empty());
    }
    assert_eq!(read(&right, &mut there, &mut back, 100), Ok(b"behind KEY_UPDATE".to_vec()));
    assert_eq!(read(&left, &mut back, &mut there, 100), Err(Errno::AGAIN));
    assert_eq!(left.sending.lock().traffic.updates(), 1, "it was answered");
}

/// Of what was received behind a record about keys more may be left over than there is room for.
#[test]
fn records_that_are_lost_for_want_of_memory_end_the_connection() {
    for opens_some in [false, true] {
        let update_at = if opens_some { 1 } else { 0 };
        let ([left, _], [_, right]) =
            (sides(Limits { records: update_at, ..Limits::default() }), sides(Limits::default()));
        let (mut there, mut back) = (Wire::default(), Wire::default());
        (there.room, back.room) = (usize::MAX, usize::MAX);
        let (bulk, mut sent) = (vec![7; 160 * 1024], 0);
        if opens_some {
            write(&left, &[IoSlice::new(b"first")], &mut there).unwrap();
        }
        while sent < bulk.len() {
            sent += write(&left, &[IoSlice::new(&bulk[sent..])], &mut there).unwrap();
        }
        right.receiving.lock().want = MAX_READ_BYTES;
        let refusal = refuse_after(Call::Allocate, Errno::NOMEM, 1, 1);
        let first = read(&right, &mut there, &mut back, MAX_READ_BYTES);
        drop(refusal);
        assert_eq!(first, if opens_some { Ok(b"first".to_vec()) } else { Err(Errno::PROTO) });
        for _ in 0..3 {
            assert_eq!(read(&right, &mut there, &mut back, MAX_READ_BYTES), Err(Errno::PROTO), "for good");
        }
    }
}

/// Bulk comes in records that fill the room that they are received into, be it small or large.
#[test]
fn bulk_is_received_into_any_room() {
    for most in [1, 100, 16_000, MAX_RECORD_BYTES, 65_536, 1 << 20] {
        let [left, right] = sides(Limits::default());
        let (mut there, mut back) = (Wire::wide(), Wire::default());
        let bytes: Vec<u8> = (0..400_000).map(|at| (at % 251) as u8).collect();
        let (mut sent, mut got) = (0, Vec::new());
        while got.len() < bytes.len() {
            if sent < bytes.len() {
                sent += write(&left, &[IoSlice::new(&bytes[sent..])], &mut there).unwrap();
            }
            got.extend(read(&right, &mut there, &mut back, most).unwrap());
        }
        assert!(got == bytes, "{most}");
        assert!(right.is_drained() || there.bytes.is_empty());
    }
}

/// A thread that leaves off must not leave behind what poll(2) does not tell of.
#[test]
fn it_is_known_what_waits_behind_a_read() {
    let [left, right] = sides(Limits::default());
    let (mut there, mut back) = (Wire::wide(), Wire::default());
    for text in [b"first", b"other"] {
        write(&left, &[IoSlice::new(text)], &mut there).unwrap();
    }
    let last = there.bytes.pop_back().unwrap();
    assert_eq!(read(&right, &mut there, &mut back, 3), Ok(b"fir".to_vec()));
    assert!(right.has_received(), "half of a content");
    assert_eq!(read(&right, &mut there, &mut back, 3), Ok(b"st".to_vec()));
    assert!(!right.has_received(), "a record that is not whole is of no use");
    there.bytes.push_back(last);
    assert_eq!(read(&right, &mut there, &mut back, 3), Ok(b"oth".to_vec()));
    assert!(right.has_received());
}

#[test]
fn a_message_leaves_at_once_in_a_record_of_its_own() {
    let [left, right] = sides(Limits::default());
    let (mut there, mut back) = (Wire::wide(), Wire::default());
    write(&left, &[IoSlice::new(b"\0\x02hi")], &mut there).unwrap();
    assert_eq!(there.bytes.len(), 2 + 4 + 1 + 16);
    assert!(!right.is_drained(), "nothing is known of the stream");
    assert!(!right.has_received());
    assert_eq!(read(&right, &mut there, &mut back, 100), Ok(b"\0\x02hi".to_vec()));
    assert!(right.is_drained());
    assert_eq!(read(&right, &mut there, &mut back, 100), Err(Errno::AGAIN));
}

#[test]
fn changed_lost_repeated_and_swapped_records_end_the_connection() {
    type Spoil = fn(&mut Vec<Vec<u8>>);
    let cases: [(&str, Spoil, usize); 7] = [
        ("nothing", |_| {}, 3),
        ("lost", |records| drop(records.remove(1)), 1),
        ("repeated", |records| records.insert(1, records[0].clone()), 1),
        ("swapped", |records| records.swap(1, 2), 1),
        ("length", |records| records[1][1] ^= 1, 1),
        ("text", |records| records[1][2] ^= 1, 1),
        ("tag", |records| *records[2].last_mut().unwrap() ^= 0x80, 2),
    ];
    for (name, spoil, good) in cases {
        let [left, right] = sides(Limits::default());
        let mut wire = Wire::wide();
        let mut records: Vec<Vec<u8>> = [b"one", b"two", b"six"]
            .map(|text| {
                write(&left, &[IoSlice::new(text)], &mut wire).unwrap();
                wire.bytes.drain(..).collect()
            })
            .to_vec();
        spoil(&mut records);
        wire.bytes = records.concat().into();
        let mut back = Wire::default();
        let whole = read(&right, &mut wire, &mut back, 100).unwrap();
        assert_eq!(whole, b"onetwosix"[..3 * good], "{name}: what came before is good");
        let then = read(&right, &mut wire, &mut back, 100);
        assert_eq!(then, Err(if good == 3 { Errno::AGAIN } else { Errno::PROTO }), "{name}");
        if good < 3 {
            assert_eq!(read(&right, &mut wire, &mut back, 100), Err(Errno::PROTO), "{name}: for good");
        }
    }
}

/// Bytes of the records at the front of a wire, and their number. What lies behind has the form of none.
fn whole_records(wire: &Wire) -> (usize, usize) {
    let bytes: Vec<u8> = wire.bytes.iter().copied().collect();
    let (mut at, mut count) = (0, 0);
    while let Ok(Some(len)) = box_len(&bytes[at..]) {
        (at, count) = (at + HEAD_BYTES + len, count + 1);
    }
    (at, count)
}

#[test]
fn nothing_leaves_in_the_clear_once_the_key_seals_no_more() {
    let ([left, _], [_, right]) = (
        sides(Limits { records: u64::MAX, ..Limits::default() }),
        sides(Limits { records: 0, ..Limits::default() }),
    );
    left.sending.lock().traffic.count_to(MAX_RECORDS - 4);
    let (mut there, mut back) = (Wire::wide(), Wire::default());
    back.room = usize::MAX;
    // Four records of text, of which the key may seal two.
    let secret = b"in the clear".repeat(CUT_CONTENT_BYTES / 3);
    let taken = write(&left, &[IoSlice::new(&secret)], &mut there);
    assert_eq!(taken, Ok(2 * CUT_CONTENT_BYTES), "what was sealed counts");
    assert_eq!(write(&left, &[IoSlice::new(&secret)], &mut there), Err(Errno::PROTO));
    // The peer asks for new keys, and gets no answer.
    write(&right, &[IoSlice::new(b"data")], &mut back).unwrap();
    let _ = read(&left, &mut back, &mut there, 100);
    let _ = left.flush(&mut Ways(&mut Wire::default(), &mut there));
    let sent: Vec<u8> = there.bytes.iter().copied().collect();
    assert!(!sent.windows(12).any(|bytes| bytes == b"in the clear"));
    assert_eq!(whole_records(&there), (there.bytes.len(), 2));
    assert_eq!(write(&left, &[IoSlice::new(b"more")], &mut there), Err(Errno::PROTO), "for good");
}

/// Counts of two sides, and those of their socket once both have ended.
fn counted(limits: Limits, exchange: impl FnOnce([&Records; 2])) -> [u64; 5] {
    let socket = SocketRecord::default();
    let record = || ConnectionRecord::of(&socket, |cells| cells.mechanism.set(QZMQ));
    let [left, right] = sides(limits).map(|side| side.counted_in(&record()));
    exchange([&left, &right]);
    let of_right = |counter| right.counted.as_ref().unwrap().counter(counter);
    let counts = [ConnectionCounter::KeyUpdatesReceived, ConnectionCounter::AuthFailures].map(of_right);
    drop((left, right));
    let [updates, failures] = counts;
    let sums =
        [SocketCounter::QzmqKeyUpdates, SocketCounter::QzmqAuthFailures, SocketCounter::QzmqReplayAttempts]
            .map(|counter| socket.counter(counter));
    let [all_updates, all_failures, replays] = sums;
    [updates, failures, all_updates, all_failures, replays]
}

#[test]
fn key_updates_are_counted_on_both_sides() {
    let limits = Limits { records: 3, interval_ms: 0, ..Limits::default() };
    let counts = counted(limits, |[left, right]| {
        let (mut there, mut back) = (Wire::default(), Wire::default());
        (there.room, back.room) = (usize::MAX, usize::MAX);
        for _ in 0..8 {
            write(left, &[IoSlice::new(b"data")], &mut there).unwrap();
            assert_eq!(read(right, &mut there, &mut back, 100), Ok(b"data".to_vec()));
            assert_eq!(read(left, &mut back, &mut there, 100), Err(Errno::AGAIN));
        }
    });
    assert_eq!(counts, [2, 0, 4, 0, 0]);
}

#[test]
fn records_that_come_twice_are_counted_apart_from_changed_ones() {
    type Spoil = fn(Vec<u8>, Vec<u8>) -> Vec<u8>;
    let cases: [(Spoil, u64); 3] = [
        (|one, two| [one.clone(), two, one].concat(), 1),
        (|one, two| [&one[..], &two[..two.len() - 1], b"?"].concat(), 0),
        (|_, two| two, 0),
    ];
    for (spoil, replays) in cases {
        let counts = counted(Limits::default(), |[left, right]| {
            let mut wire = Wire::wide();
            let [one, two] = [b"one", b"two"].map(|text| {
                write(left, &[IoSlice::new(text)], &mut wire).unwrap();
                wire.bytes.drain(..).collect::<Vec<u8>>()
            });
            wire.bytes = spoil(one, two).into();
            let mut back = Wire::default();
            let reads = [(); 3].map(|()| read(right, &mut wire, &mut back, 100).is_err());
            assert_eq!(reads[1..], [true; 2], "counted once");
        });
        assert_eq!(counts, [0, 1, 0, 1, replays]);
    }
}

#[test]
fn what_the_handshake_left_comes_first() {
    let [left, right] = traffics(Limits::default());
    let (mut sent, mut back) = (Wire::wide(), Wire::default());
    let left = Records::new(left, b"handshake", &[]).unwrap();
    write(&left, &[IoSlice::new(b"data")], &mut sent).unwrap();
    let wire: Vec<u8> = sent.bytes.drain(..).collect();
    assert!(wire.starts_with(b"handshake"));
    let right = Records::new(right, &[], &wire[9..]).unwrap();
    assert_eq!(read(&right, &mut sent, &mut back, 100), Ok(b"data".to_vec()));
}
