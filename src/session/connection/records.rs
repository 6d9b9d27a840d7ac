//! QZMQ's records between a stream and the halves of a connection. The caller transports their bytes.
//!
//! The sending half's bytes are gathered and sealed in memory of the thread, in records of up to 16 KiB. Memory of the connection
//! holds only what the stream does not take. The receiving half's bytes are received where they belong, and opened there. A buffer
//! holds what belongs elsewhere: the part of a record that has arrived, and records that are larger than the room for them. Records
//! about keys come and go in between; neither half sees them.
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
use std::cell::Cell;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::time::Instant;

/// Bytes of the longest record.
pub const MAX_RECORD_BYTES: usize = HEAD_BYTES + MAX_BOX_BYTES;
/// Content of each record where there is more than one. Four of them, with all that is around them, fit into a block of the
/// receiver's pipe. They fit into one segment of the loopback interface as well; a second one for a few bytes costs 7 % of the rate.
const CUT_CONTENT_BYTES: usize = MAX_CONTENT_BYTES - 35;
/// Bytes of content sealed in one go. They stay in the processor's cache until the stream takes them.
const MAX_SEALED_BYTES: usize = 8 * CUT_CONTENT_BYTES;
/// Memory that a thread keeps for what it seals next.
const MAX_KEPT_BYTES: usize = 256 * 1024;
/// Bytes asked of the stream at first; at most where they are opened; and at most into the buffer.
const FIRST_READ_BYTES: usize = 4 * 1024;
const MAX_READ_BYTES: usize = 256 * 1024;
const MAX_BUFFERED_BYTES: usize = 64 * 1024;
/// Reads end where a record does, as far as can be guessed, if records are as long as this.
const LONG_RECORD_BYTES: usize = 4 * 1024;
/// Reads and records that may bring no byte of data, one after the other. A peer that makes no end of them is cut off.
const MAX_FRUITLESS_RECORDS: u32 = 256;
/// Contents of records are put together up to this length.
const MAX_MERGED_BYTES: usize = 16 * 1024;
/// Bytes of a record beside its content.
const OVERHEAD_BYTES: usize = MAX_RECORD_BYTES - MAX_CONTENT_BYTES;
/// Memory for a record about keys beside those of data.
const KEY_RECORD_BYTES: usize = 4 * 1024;

thread_local! {
    /// What the thread has sealed in last.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The stream underneath.
pub trait Lower {
    /// Reads into room; 0 at the end of the stream.
    fn read(&mut self, room: &mut [u8]) -> Result<usize>;
    /// Copies `front` into room, which is longer, and reads behind it. Returns both.
    fn read_behind<'r>(&mut self, front: &[u8], room: &'r mut [MaybeUninit<u8>]) -> Result<&'r mut [u8]>;
    /// Writes; the bytes that the stream took.
    fn write(&mut self, bytes: &[u8]) -> Result<usize>;
}

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
    /// Nothing more is sealed or sent: the connection ends.
    failed: bool,
}

struct Receiving {
    boxes: Boxes,
    /// `opened` bytes of content, then `spent` bytes that count no more, then records as they came.
    scratch: Scratch,
    opened: usize,
    spent: usize,
    /// The content of a record that comes behind what is opened.
    about_keys: Option<(Kind, Vec<u8>)>,
    want: usize,
    /// Bytes of the last record opened.
    last_record: usize,
    /// The stream had less than was asked for, the last time.
    short: bool,
    /// Bytes have come since [`take_arrival`](Records::take_arrival).
    arrived: bool,
}

/// Opens boxes, one after the other.
struct Boxes {
    key: RecordKey,
    recent: RecentTags,
    /// A record was wrong, or is lost: the next read is `EPROTO`, and so is each behind it. An errno that is worth another attempt would
    /// keep the connection for ever.
    failed: bool,
    /// That record was not authentic, and had or had not come before. Not counted yet.
    forged: Option<bool>,
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
            sending: Lock::new(Sending { traffic, held: unsent.to_vec(), held_at: 0, failed: false }),
            receiving: Lock::new(Receiving {
                boxes: Boxes { key, recent: RecentTags::default(), failed: false, forged: None },
                scratch,
                opened: 0,
                spent: 0,
                about_keys: None,
                want: FIRST_READ_BYTES,
                last_record: 0,
                short: false,
                arrived: false,
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
    /// Errors: the stream's, `EAGAIN` while it has not taken what is held; `ENOMEM`; `EPROTO` where no more may be sealed. None of the
    /// bytes is sealed then. After `EPROTO` nothing is sealed or sent any more.
    pub fn write(&self, ranges: &[IoSlice<'_>], stream: &mut impl Lower) -> Result<usize> {
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
    pub fn flush(&self, stream: &mut impl Lower) -> Result<()> {
        self.sending.lock().transmit(stream)
    }

    /// Reads opened bytes into the room, those of several records if they have arrived. Returns them; none at the end of the stream.
    ///
    /// Errors: the stream's; `EPROTO` for a record that does not open, once those before it are read.
    pub fn read<'r>(&self, room: &'r mut [MaybeUninit<u8>], stream: &mut impl Lower) -> Result<&'r mut [u8]> {
        let mut receiving = self.receiving.lock();
        let most = room.len();
        if !receiving.can_open_in_place(most) {
            let bytes = self.read_buffered(&mut receiving, most, stream)?;
            let opened = room.get_mut(..bytes).unwrap_or_default();
            let opened = opened.write_copy_of_slice(receiving.scratch.part(0..bytes));
            receiving.take_opened(bytes);
            return Ok(opened);
        }
        let received = receiving.receive_in_place(room, stream)?;
        let opened = receiving.open_in_place(received);
        self.count_forged(&mut receiving);
        if opened > 0 || received.is_empty() {
            return Ok(received.get_mut(..opened).unwrap_or_default());
        }
        // All of it went to the buffer, and the room is free again.
        let bytes = self.read_buffered(&mut receiving, received.len(), stream)?;
        let opened = received.get_mut(..bytes).unwrap_or_default();
        opened.copy_from_slice(receiving.scratch.part(0..bytes));
        receiving.take_opened(bytes);
        Ok(opened)
    }

    /// Opens records in the buffer until there is content for room of `most` bytes. Returns how much, 0 at the end of the stream.
    fn read_buffered(
        &self,
        receiving: &mut Receiving,
        most: usize,
        stream: &mut impl Lower,
    ) -> Result<usize> {
        for _ in 0..MAX_FRUITLESS_RECORDS {
            let need = receiving.open_buffered(most);
            self.count_forged(receiving);
            if receiving.opened > 0 {
                return Ok(receiving.opened.min(most));
            }
            if receiving.about_keys.is_some() {
                self.answer(receiving, stream)?;
            } else if receiving.receive(need?, most, stream)? == 0 {
                return Ok(0);
            }
        }
        Err(Errno::PROTO)
    }

    /// Whether the stream has no more for now, and nothing that it had waits here.
    pub fn is_drained(&self) -> bool {
        let receiving = self.receiving.lock();
        receiving.short && !receiving.has_records()
    }

    /// Whether a read would bring something, or an error, without anything new from the stream.
    pub fn has_received(&self) -> bool {
        self.receiving.lock().has_records()
    }

    /// Whether bytes of a record have come since this was asked last.
    pub fn take_arrival(&self) -> bool {
        std::mem::take(&mut self.receiving.lock().arrived)
    }

    /// Does what a record about keys asks for. Errors: `ENOMEM`, and the record waits; `EPROTO`.
    fn answer(&self, receiving: &mut Receiving, stream: &mut impl Lower) -> Result<()> {
        let mut sending = self.sending.lock();
        if sending.failed {
            return Err(receiving.boxes.fail());
        }
        memory::try_reserve(&mut sending.held, KEY_RECORD_BYTES)?;
        let Some((kind, content)) = receiving.about_keys.take() else { return Ok(()) };
        if kind == Kind::KeyUpdate {
            self.count(ConnectionCounter::KeyUpdatesReceived);
        }
        let now_ms = self.now_ms();
        let Sending { traffic, held, .. } = &mut *sending;
        match traffic.take(kind, &content, now_ms, held) {
            Ok(Some(key)) => receiving.boxes.key = key,
            Ok(None) => {}
            Err(_) => return Err(receiving.boxes.fail()),
        }
        // The next write goes on with what the stream does not take, and fails with its error.
        let _ = sending.transmit(stream);
        Ok(())
    }

    /// Counts a record that has not opened.
    fn count_forged(&self, receiving: &mut Receiving) {
        let Some(is_replayed) = receiving.boxes.forged.take() else { return };
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
    /// Seals up to [`MAX_SEALED_BYTES`] of the ranges, behind KEY_UPDATE if that is due; nothing is held before. Returns the bytes
    /// sealed, and whether it was due.
    ///
    /// Errors: `ENOMEM`, with none of them sealed. `EPROTO` where no more may be, which is for good. Then `held` has no part of them.
    fn seal(&mut self, ranges: &[IoSlice<'_>], now_ms: u64) -> Result<(usize, bool)> {
        let total: usize = ranges.iter().map(|range| range.len()).sum::<usize>().min(MAX_SEALED_BYTES);
        let records = total.div_ceil(CUT_CONTENT_BYTES);
        if self.held.capacity() == 0 {
            self.held = SPARE.try_with(Cell::take).unwrap_or_default();
        }
        let bytes =
            if self.traffic.pads() { records * MAX_RECORD_BYTES } else { total + records * OVERHEAD_BYTES };
        memory::try_reserve(&mut self.held, bytes + KEY_RECORD_BYTES)?;
        let before = self.held.len();
        if let Err(failure) = self.traffic.update_if_due(now_ms, &mut self.held) {
            return Err(self.fail(failure));
        }
        let updates = self.held.len() > before;
        let (mut written, mut ranges) = (0, ranges.iter());
        let mut rest: &[u8] = &[];
        while written < total {
            let record = (total - written).min(CUT_CONTENT_BYTES);
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
            if let Err(failure) = self.traffic.seal_data(&mut self.held, at) {
                // The records before this one are good, and the next call fails.
                return if written > 0 { Ok((written, updates)) } else { Err(self.fail(failure)) };
            }
            written += record;
        }
        Ok((written, updates))
    }

    /// Notes what ends the connection. A lack of the system's does not.
    fn fail(&mut self, failure: Failure) -> Errno {
        if let Failure::Own(errno) = failure {
            return errno;
        }
        self.failed = true;
        Errno::PROTO
    }

    fn transmit(&mut self, stream: &mut impl Lower) -> Result<()> {
        if self.failed {
            return Err(Errno::PROTO);
        }
        while let Some(rest) = self.held.get(self.held_at..).filter(|rest| !rest.is_empty()) {
            self.held_at += stream.write(rest)?;
        }
        self.held_at = 0;
        let mut spare = std::mem::take(&mut self.held);
        if (1..=MAX_KEPT_BYTES).contains(&spare.capacity()) {
            spare.clear();
            let _ = SPARE.try_with(|place| place.set(spare));
        }
        Ok(())
    }
}

impl Receiving {
    /// Whether records can be received into room of `most` bytes and opened there.
    fn can_open_in_place(&self, most: usize) -> bool {
        most >= MAX_RECORD_BYTES && !self.has_records()
    }

    /// Reads once from the stream, into the room. What is there of a record goes ahead. Returns both; none at the end of the stream.
    fn receive_in_place<'r>(
        &mut self,
        room: &'r mut [MaybeUninit<u8>],
        stream: &mut impl Lower,
    ) -> Result<&'r mut [u8]> {
        self.scratch.consume(self.spent);
        self.spent = 0;
        let begun = self.scratch.pending().len();
        let most = room.len().min(MAX_READ_BYTES);
        // The next one may be as long as the last.
        let whole = match self.last_record {
            LONG_RECORD_BYTES.. => most - most % self.last_record,
            _ => most,
        };
        let asked = whole.min(self.want.max(self.rest_of_record() + begun)).max(begun + 1);
        // What is left over is to find room. More than that is left over only behind a record about keys.
        self.scratch.room(asked.min(MAX_BUFFERED_BYTES))?;
        let room = room.get_mut(..asked).unwrap_or_default();
        let both = stream.read_behind(self.scratch.pending(), room).inspect_err(|_| self.short = true)?;
        if both.len() <= begun {
            return Ok(Default::default());
        }
        self.scratch.clear();
        self.note_read(both.len() - begun, asked - begun);
        Ok(both)
    }

    /// Opens whole records at the front of `bytes`, up to one about keys or one that does not open. The rest goes to the buffer, where
    /// there is nothing. Returns the bytes of content at the front.
    fn open_in_place(&mut self, bytes: &mut [u8]) -> usize {
        let (mut opened, mut at) = (0, 0);
        while !self.boxes.failed && self.about_keys.is_none() {
            let len = match box_len(bytes.get(at..).unwrap_or_default()) {
                Ok(Some(len)) if bytes.len() - at >= HEAD_BYTES + len => len,
                Ok(_) => break,
                Err(_) => {
                    self.boxes.fail();
                    break;
                }
            };
            let end = at + HEAD_BYTES + len;
            let place = bytes.get_mut(opened..end).unwrap_or_default();
            match self.boxes.open_to_front(place, at + HEAD_BYTES - opened) {
                Ok((Kind::Data, content)) => opened += content,
                Ok((kind, content)) => {
                    self.about_keys = Some((kind, place.get(..content).unwrap_or_default().to_vec()));
                }
                // The next read tells it.
                Err(_) => {}
            }
            (self.last_record, at) = (HEAD_BYTES + len, end);
        }
        let rest = bytes.get(at..).unwrap_or_default();
        // Without memory the rest is lost, and what is opened is not.
        match self.scratch.room(rest.len()) {
            Ok(room) => {
                room.get_mut(..rest.len()).unwrap_or_default().copy_from_slice(rest);
                self.scratch.filled(rest.len());
            }
            Err(_) => drop(self.boxes.fail()),
        }
        opened
    }

    /// Opens whole records at the front of the buffer until there are `wanted` bytes of content, or a record about keys. Returns how
    /// many more bytes of the stream would help. Errors: `EPROTO` for a record that does not open; then no more is opened.
    fn open_buffered(&mut self, wanted: usize) -> Result<usize> {
        while self.opened < wanted.min(MAX_MERGED_BYTES) && self.about_keys.is_none() {
            if self.boxes.failed {
                return Err(Errno::PROTO);
            }
            let unopened = self.opened + self.spent;
            let bytes = self.scratch.pending().get(unopened..).unwrap_or_default();
            let len = match box_len(bytes) {
                Ok(Some(len)) if bytes.len() >= HEAD_BYTES + len => len,
                Ok(_) => return Ok(self.rest_of_record()),
                Err(_) => return Err(self.boxes.fail()),
            };
            let end = unopened + HEAD_BYTES + len;
            let place = self.scratch.part_mut(self.opened..end);
            let (kind, content) = self.boxes.open_to_front(place, self.spent + HEAD_BYTES)?;
            if kind == Kind::Data {
                self.opened += content;
            } else {
                self.about_keys = Some((kind, place.get(..content).unwrap_or_default().to_vec()));
            }
            (self.last_record, self.spent) = (HEAD_BYTES + len, end - self.opened);
        }
        Ok(HEAD_BYTES)
    }

    /// Bytes of the record at the front of what is not opened that are missing, as far as is known.
    fn rest_of_record(&self) -> usize {
        let bytes = self.scratch.pending().get(self.opened + self.spent..).unwrap_or_default();
        match box_len(bytes) {
            Ok(Some(len)) => (HEAD_BYTES + len).saturating_sub(bytes.len()),
            Ok(None) | Err(_) => HEAD_BYTES,
        }
    }

    /// Takes bytes off what is opened.
    fn take_opened(&mut self, bytes: usize) {
        self.scratch.consume(bytes);
        self.opened = self.opened.saturating_sub(bytes);
        if self.opened == 0 {
            self.scratch.consume(self.spent);
            self.spent = 0;
        }
    }

    /// Whether content or a record waits, whole or wrong.
    fn has_records(&self) -> bool {
        self.opened > 0 || !self.is_clear()
    }

    /// Whether no record waits, whole or wrong, beyond what is opened.
    fn is_clear(&self) -> bool {
        let pending = self.scratch.pending().get(self.opened + self.spent..).unwrap_or_default();
        let waits = match box_len(pending) {
            Ok(Some(len)) => pending.len() >= HEAD_BYTES + len,
            Ok(None) => false,
            Err(_) => true,
        };
        !waits && self.about_keys.is_none() && !self.boxes.failed
    }

    /// Reads once from the stream, into the buffer. `most`: the room that there is for content.
    fn receive(&mut self, need: usize, most: usize, stream: &mut impl Lower) -> Result<usize> {
        if self.opened == 0 {
            self.scratch.consume(self.spent);
            self.spent = 0;
        }
        // Of long records no more than is wanted, so that the next ones are received where they belong.
        let begun = self.scratch.pending().len();
        let bulk = self.last_record >= LONG_RECORD_BYTES && most < self.last_record;
        let want =
            if bulk { self.last_record.saturating_sub(begun) } else { self.want.min(MAX_BUFFERED_BYTES) };
        let asked = need.max(want);
        let room = self.scratch.room(asked)?;
        let asked = if bulk { asked } else { room.len().min(MAX_BUFFERED_BYTES.max(need)) };
        let room = room.get_mut(..asked).unwrap_or_default();
        let bytes = stream.read(room).inspect_err(|_| self.short = true)?;
        self.scratch.filled(bytes);
        self.note_read(bytes, asked);
        Ok(bytes)
    }

    fn note_read(&mut self, bytes: usize, asked: usize) {
        self.short = bytes < asked;
        self.arrived |= bytes > 0;
        if !self.short {
            self.want = (self.want * 2).min(MAX_READ_BYTES);
        }
    }
}

impl Boxes {
    /// Opens the box that begins `from` bytes into `bytes` and ends with them, and moves its text to their front. Returns its type and
    /// the length of its content. Errors: `EPROTO`; then no more is to be opened.
    fn open_to_front(&mut self, bytes: &mut [u8], from: usize) -> Result<(Kind, usize)> {
        match self.key.open_to_front(bytes, from) {
            Ok(opened) => {
                self.recent.note(bytes);
                Ok(opened)
            }
            Err(failure) => {
                if failure == Failure::CRYPTOGRAPHIC {
                    self.forged = Some(self.recent.has(bytes));
                }
                Err(self.fail())
            }
        }
    }

    /// No more is opened. Returns `EPROTO`, which is what reads give from now on.
    fn fail(&mut self) -> Errno {
        self.failed = true;
        Errno::PROTO
    }
}

#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;
