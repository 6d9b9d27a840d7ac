//! QZMQ's records between a stream and the halves of a connection. The caller transports their bytes.
//!
//! The sending half's bytes are gathered and sealed where they lie, up to 16 KiB in a record. The receiving half's are opened in the
//! buffer, and copied to where they belong. Records about keys come and go in between; neither half sees them.
//!
//! The two directions have a lock each. A thread that receives takes the sending one as well, to answer KEY_UPDATE, never the other
//! way round.

use crate::counters::{ConnectionCounter, ConnectionRecord};
use crate::engine::Failure;
use crate::engine::codec::Traffic;
use crate::engine::codec::records::{
    HEAD_BYTES, Kind, MAX_BOX_BYTES, MAX_CONTENT_BYTES, RecentTags, RecordKey, box_len,
};
use crate::errno::{Errno, Result};
use crate::session::connection::scratch::Scratch;
use crate::sys::lock::Lock;
use crate::sys::memory;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::time::Instant;

/// Bytes of content sealed in one go. They are held until the stream has taken them all.
const MAX_HELD_BYTES: usize = 64 * 1024;
/// Memory that a connection keeps when all is sent.
const MAX_KEPT_BYTES: usize = 4 * 1024;
/// Bytes asked of the stream at first, and at most.
const FIRST_READ_BYTES: usize = 4 * 1024;
const MAX_READ_BYTES: usize = 64 * 1024;
/// Reads and records that may bring no byte of data, one after the other. A peer that makes no end of them is cut off.
const MAX_FRUITLESS_RECORDS: u32 = 256;
/// Contents of records are put together up to this length.
const MAX_MERGED_BYTES: usize = 16 * 1024;
/// Bytes of a record beside its content.
const OVERHEAD_BYTES: usize = HEAD_BYTES + MAX_BOX_BYTES - MAX_CONTENT_BYTES;
/// Memory for a record about keys beside those of data.
const KEY_RECORD_BYTES: usize = 4 * 1024;

/// Reads from the stream underneath, into room; 0 at its end.
pub type ReadStream<'a> = &'a mut dyn FnMut(&mut [u8]) -> Result<usize>;
/// Writes to the stream underneath; the bytes that it took.
pub type WriteStream<'a> = &'a mut dyn FnMut(&[u8]) -> Result<usize>;

/// The records of a connection, both ways.
pub struct Records {
    sending: Lock<Sending>,
    receiving: Lock<Receiving>,
    /// What the age of keys is counted from.
    epoch: Instant,
    /// What the connection counts; `None` in tests of records alone.
    counted: Option<ConnectionRecord>,
}

struct Sending {
    traffic: Traffic,
    /// Sealed bytes that the stream has not taken, from `held_at` on.
    held: Vec<u8>,
    held_at: usize,
}

struct Receiving {
    key: RecordKey,
    recent: RecentTags,
    /// `opened` bytes of content, then `spent` bytes that count no more, then records as they came.
    scratch: Scratch,
    opened: usize,
    spent: usize,
    /// The content of a record that comes behind what is opened.
    about_keys: Option<(Kind, Vec<u8>)>,
    want: usize,
    /// The stream had less than was asked for, the last time.
    short: bool,
    /// What the next read gives: a record was wrong.
    failed: Option<Errno>,
}

impl Records {
    /// `unsent`: bytes of the handshake that the stream has not taken. `rest`: bytes that came behind the peer's handshake.
    ///
    /// Errors: `ENOMEM`; `EPROTO` for a codec whose keys are taken.
    pub fn new(mut traffic: Traffic, unsent: &[u8], rest: &[u8]) -> Result<Records> {
        let key = traffic.take_opening().ok_or(Errno::PROTO)?;
        let mut scratch = Scratch::default();
        scratch.room(rest.len())?.get_mut(..rest.len()).unwrap_or_default().copy_from_slice(rest);
        scratch.filled(rest.len());
        Ok(Records {
            sending: Lock::new(Sending { traffic, held: unsent.to_vec(), held_at: 0 }),
            receiving: Lock::new(Receiving {
                key,
                recent: RecentTags::default(),
                scratch,
                opened: 0,
                spent: 0,
                about_keys: None,
                want: FIRST_READ_BYTES,
                short: false,
                failed: None,
            }),
            epoch: Instant::now(),
            counted: None,
        })
    }

    /// Counts in the record of the connection.
    pub fn counted_in(self, record: &ConnectionRecord) -> Records {
        Records { counted: Some(record.clone()), ..self }
    }

    /// Seals bytes of the ranges, and writes what the stream takes. Returns the number of bytes sealed; what the stream did not take is
    /// held.
    ///
    /// Errors: the stream's, `EAGAIN` while it has not taken what is held; `ENOMEM`; `EPROTO` where no more may be sealed. Nothing is
    /// sealed then.
    pub fn write(&self, ranges: &[IoSlice<'_>], stream: WriteStream<'_>) -> Result<usize> {
        let now_ms = self.now_ms();
        let mut sending = self.sending.lock();
        sending.transmit(stream)?;
        let (written, updates) = sending.seal(ranges, now_ms)?;
        if updates {
            self.count(ConnectionCounter::KeyUpdatesSent);
        }
        match sending.transmit(stream) {
            // The next write begins with them, maybe on a thread that is permitted to.
            Err(errno) if errno.would_block() || errno.is_denial() || errno.is_shortage() => Ok(written),
            outcome => outcome.map(|()| written),
        }
    }

    /// Writes what is held. Errors: the stream's; `EAGAIN` while it does not take all.
    pub fn flush(&self, stream: WriteStream<'_>) -> Result<()> {
        self.sending.lock().transmit(stream)
    }

    /// Reads opened bytes into the room, those of several records if they have arrived. Returns them; none at the end of the stream.
    ///
    /// Errors: the stream's; `EPROTO` for a record that does not open, once those before it are read.
    pub fn read<'r>(
        &self,
        room: &'r mut [MaybeUninit<u8>],
        input: ReadStream<'_>,
        output: WriteStream<'_>,
    ) -> Result<&'r mut [u8]> {
        let mut receiving = self.receiving.lock();
        for _ in 0..MAX_FRUITLESS_RECORDS {
            let need = receiving.open_records(room.len(), |is_replayed| self.count_forged(is_replayed));
            if receiving.opened > 0 {
                return Ok(receiving.take_opened(room));
            }
            match (receiving.about_keys.take(), need) {
                (Some((kind, content)), _) => self.answer(&mut receiving, kind, &content, output)?,
                (None, Err(errno)) => return Err(errno),
                (None, Ok(need)) => {
                    if receiving.receive(need, input)? == 0 {
                        return Ok(Default::default());
                    }
                }
            }
        }
        Err(Errno::PROTO)
    }

    /// Whether the stream has no more for now, and nothing that it had waits here.
    pub fn is_drained(&self) -> bool {
        let receiving = self.receiving.lock();
        receiving.short && receiving.opened == 0 && receiving.is_clear()
    }

    /// Does what a record about keys asks for.
    fn answer(
        &self,
        receiving: &mut Receiving,
        kind: Kind,
        content: &[u8],
        output: WriteStream<'_>,
    ) -> Result<()> {
        if kind == Kind::KeyUpdate {
            self.count(ConnectionCounter::KeyUpdatesReceived);
        }
        let mut sending = self.sending.lock();
        memory::try_reserve(&mut sending.held, KEY_RECORD_BYTES)?;
        let now_ms = self.now_ms();
        let Sending { traffic, held, .. } = &mut *sending;
        match traffic.take(kind, content, now_ms, held) {
            Ok(Some(key)) => receiving.key = key,
            Ok(None) => {}
            Err(failure) => {
                receiving.failed = Some(errno(failure));
                return Err(errno(failure));
            }
        }
        // The next write goes on with what the stream does not take, and fails with its error.
        let _ = sending.transmit(output);
        Ok(())
    }

    /// A record has not opened.
    #[cold]
    fn count_forged(&self, is_replayed: bool) {
        self.count(ConnectionCounter::AuthFailures);
        if is_replayed {
            self.count(ConnectionCounter::Replays);
        }
    }

    /// The caller has the lock of the direction that the counter belongs to.
    fn count(&self, counter: ConnectionCounter) {
        if let Some(record) = &self.counted {
            record.add(counter, 1);
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Sending {
    /// Seals up to [`MAX_HELD_BYTES`] of the ranges, behind KEY_UPDATE if that is due. Returns the bytes sealed, and whether it was due.
    ///
    /// Errors: `ENOMEM`, `EPROTO`, with none of them sealed.
    fn seal(&mut self, ranges: &[IoSlice<'_>], now_ms: u64) -> Result<(usize, bool)> {
        let total: usize = ranges.iter().map(|range| range.len()).sum::<usize>().min(MAX_HELD_BYTES);
        let records = total.div_ceil(MAX_CONTENT_BYTES);
        memory::try_reserve(&mut self.held, total + records * OVERHEAD_BYTES + KEY_RECORD_BYTES)?;
        let before = self.held.len();
        self.traffic.update_if_due(now_ms, &mut self.held).map_err(errno)?;
        let updates = self.held.len() > before;
        let (mut written, mut ranges) = (0, ranges.iter());
        let mut rest: &[u8] = &[];
        while written < total {
            let record = (total - written).min(MAX_CONTENT_BYTES);
            let at = RecordKey::begin(&mut self.held);
            while self.held.len() - at < record {
                if rest.is_empty() {
                    let Some(range) = ranges.next() else { break };
                    rest = range;
                    continue;
                }
                let (part, next) = rest.split_at((record - (self.held.len() - at)).min(rest.len()));
                self.held.extend_from_slice(part);
                rest = next;
            }
            self.traffic.seal_data(&mut self.held, at).map_err(errno)?;
            written += record;
        }
        Ok((written, updates))
    }

    fn transmit(&mut self, stream: WriteStream<'_>) -> Result<()> {
        while let Some(rest) = self.held.get(self.held_at..).filter(|rest| !rest.is_empty()) {
            self.held_at += stream(rest)?;
        }
        self.held_at = 0;
        self.held.clear();
        if self.held.capacity() > MAX_KEPT_BYTES {
            self.held = Vec::new();
        }
        Ok(())
    }
}

impl Receiving {
    /// Opens whole records at the front until there are `wanted` bytes of content, or a record about keys. Returns how many more
    /// bytes of the stream would help. Errors: `EPROTO` for a record that does not open; then no more is opened. `forged` is told of a
    /// record that is not authentic, and whether it had come before.
    fn open_records(&mut self, wanted: usize, forged: impl FnOnce(bool)) -> Result<usize> {
        while self.opened < wanted.min(MAX_MERGED_BYTES) && self.about_keys.is_none() {
            if let Some(errno) = self.failed {
                return Err(errno);
            }
            let unopened = self.opened + self.spent;
            let bytes = self.scratch.pending().get(unopened..).unwrap_or_default();
            let have = bytes.len();
            let len = match box_len(bytes) {
                Ok(Some(len)) if have >= HEAD_BYTES + len => len,
                Ok(Some(len)) => return Ok(HEAD_BYTES + len - have),
                Ok(None) => return Ok(HEAD_BYTES),
                Err(failure) => return Err(*self.failed.insert(errno(failure))),
            };
            let at = unopened + HEAD_BYTES;
            let (kind, content) = match self.key.open(self.scratch.part_mut(at..at + len)) {
                Ok(opened) => opened,
                Err(failure) => {
                    if failure == Failure::CRYPTOGRAPHIC {
                        forged(self.recent.has(self.scratch.part(at..at + len)));
                    }
                    return Err(*self.failed.insert(errno(failure)));
                }
            };
            self.recent.note(self.scratch.part(at..at + len));
            if kind != Kind::Data {
                self.about_keys = Some((kind, self.scratch.part(at..at + content).to_vec()));
                self.spent += HEAD_BYTES + len;
            } else {
                self.merge(at, content, len);
            }
        }
        Ok(HEAD_BYTES)
    }

    /// The content at `at` of a box of `len` bytes goes behind what is opened already.
    fn merge(&mut self, at: usize, content: usize, len: usize) {
        if self.opened == 0 {
            self.scratch.consume(at);
            (self.opened, self.spent) = (content, len - content);
        } else {
            let merged = self.opened + content;
            self.scratch.part_mut(self.opened..at + content).copy_within(at - self.opened.., 0);
            (self.opened, self.spent) = (merged, at + len - merged);
        }
    }

    /// Copies opened bytes into the room.
    fn take_opened<'r>(&mut self, room: &'r mut [MaybeUninit<u8>]) -> &'r mut [u8] {
        let bytes = self.opened.min(room.len());
        let place = room.get_mut(..bytes).unwrap_or_default();
        let taken = place.write_copy_of_slice(self.scratch.part(0..bytes));
        self.scratch.consume(bytes);
        self.opened -= bytes;
        if self.opened == 0 {
            self.scratch.consume(self.spent);
            self.spent = 0;
        }
        taken
    }

    /// Whether no record waits, whole or wrong, beyond what is opened.
    fn is_clear(&self) -> bool {
        let pending = self.scratch.pending().get(self.opened + self.spent..).unwrap_or_default();
        let waits = match box_len(pending) {
            Ok(Some(len)) => pending.len() >= HEAD_BYTES + len,
            Ok(None) => false,
            Err(_) => true,
        };
        !waits && self.about_keys.is_none() && self.failed.is_none()
    }

    /// Reads once from the stream.
    fn receive(&mut self, need: usize, input: ReadStream<'_>) -> Result<usize> {
        if self.opened == 0 {
            self.scratch.consume(self.spent);
            self.spent = 0;
        }
        let room = self.scratch.room(need.max(self.want))?;
        let asked = room.len().min(MAX_READ_BYTES.max(need));
        let bytes = input(room.get_mut(..asked).unwrap_or_default())?;
        self.scratch.filled(bytes);
        self.short = bytes < asked;
        if !self.short {
            self.want = (self.want * 2).min(MAX_READ_BYTES);
        }
        Ok(bytes)
    }
}

/// What ends the connection.
fn errno(failure: Failure) -> Errno {
    match failure {
        Failure::Errno(errno) | Failure::Own(errno) => errno,
        _ => Errno::PROTO,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::counters::{QZMQ, SocketCounter, SocketRecord};
    use crate::engine::codec::records::testing::{Limits, traffics};
    use crate::random::Random;
    use std::collections::VecDeque;

    /// A stream in memory that takes and gives what a test lets it.
    #[derive(Default)]
    struct Wire {
        bytes: VecDeque<u8>,
        room: usize,
    }

    impl Wire {
        fn take(&mut self, bytes: &[u8]) -> Result<usize> {
            let taken = bytes.len().min(self.room);
            if taken == 0 {
                return Err(Errno::AGAIN);
            }
            self.room -= taken;
            self.bytes.extend(&bytes[..taken]);
            Ok(taken)
        }

        fn give(&mut self, room: &mut [u8]) -> Result<usize> {
            if self.bytes.is_empty() {
                return Err(Errno::AGAIN);
            }
            let given = room.len().min(self.bytes.len());
            room.iter_mut().zip(self.bytes.drain(..given)).for_each(|(place, byte)| *place = byte);
            Ok(given)
        }
    }

    fn sides(limits: Limits) -> [Records; 2] {
        traffics(limits).map(|traffic| Records::new(traffic, &[], &[]).unwrap())
    }

    fn read(records: &Records, from: &mut Wire, to: &mut Wire, most: usize) -> Result<Vec<u8>> {
        let mut room = vec![MaybeUninit::uninit(); most];
        let read = records.read(&mut room, &mut |room| from.give(room), &mut |bytes| to.take(bytes));
        read.map(|bytes| bytes.to_vec())
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
            if let Ok(taken) = from.write(&ranges, &mut |bytes| wire.take(bytes)) {
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
            left.flush(&mut |bytes| to_right.take(bytes)).unwrap();
            right.flush(&mut |bytes| to_left.take(bytes)).unwrap();
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

    #[test]
    fn a_message_leaves_at_once_in_a_record_of_its_own() {
        let [left, right] = sides(Limits::default());
        let (mut there, mut back) = (Wire { room: usize::MAX, ..Wire::default() }, Wire::default());
        left.write(&[IoSlice::new(b"\0\x02hi")], &mut |bytes| there.take(bytes)).unwrap();
        assert_eq!(there.bytes.len(), 2 + 4 + 1 + 16);
        assert!(!right.is_drained(), "nothing is known of the stream");
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
            let mut wire = Wire { room: usize::MAX, ..Wire::default() };
            let mut records: Vec<Vec<u8>> = [b"one", b"two", b"six"]
                .map(|text| {
                    left.write(&[IoSlice::new(text)], &mut |bytes| wire.take(bytes)).unwrap();
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
        let sums = [
            SocketCounter::QzmqKeyUpdates,
            SocketCounter::QzmqAuthFailures,
            SocketCounter::QzmqReplayAttempts,
        ]
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
                left.write(&[IoSlice::new(b"data")], &mut |bytes| there.take(bytes)).unwrap();
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
                let mut wire = Wire { room: usize::MAX, ..Wire::default() };
                let [one, two] = [b"one", b"two"].map(|text| {
                    left.write(&[IoSlice::new(text)], &mut |bytes| wire.take(bytes)).unwrap();
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
        let (mut sent, mut back) = (Wire { room: usize::MAX, ..Wire::default() }, Wire::default());
        let left = Records::new(left, b"handshake", &[]).unwrap();
        left.write(&[IoSlice::new(b"data")], &mut |bytes| sent.take(bytes)).unwrap();
        let wire: Vec<u8> = sent.bytes.drain(..).collect();
        assert!(wire.starts_with(b"handshake"));
        let right = Records::new(right, &[], &wire[9..]).unwrap();
        assert_eq!(read(&right, &mut sent, &mut back, 100), Ok(b"data".to_vec()));
    }
}
