//! QZMQ's records on a stream with WebSocket on it: what `records` writes leaves in frames, and what it reads was in some.
//!
//! Pings are answered and a closing frame is the end of the stream. Both are said in clear, so neither says anything of the peer.

use crate::engine::ws::Opcode;
use crate::engine::ws::Role;
use crate::engine::ws::records::{Front, MAX_FRAME_BYTES, OVERHEAD_BYTES, RecordFrames};
use crate::errno::{Errno, Result};
use crate::session::connection::control::MAX_CONTROL_BYTES;
use crate::session::connection::scratch::Scratch;
use crate::sys::lock::Lock;
use crate::sys::memory;

/// Bytes of records that are put into frames in one go. They are held until the stream has taken them all.
const MAX_HELD_BYTES: usize = 64 * 1024;
/// Memory that a connection keeps when all is sent.
const MAX_KEPT_BYTES: usize = 4 * 1024;
/// Bytes asked of the stream.
const READ_BYTES: usize = 64 * 1024;
/// Reads of the stream that may bring no byte of a record, one after the other. A peer that makes no end of pings is cut off.
const MAX_FRUITLESS_READS: u32 = 256;
/// "Normal closure".
const NORMAL_CLOSURE: u16 = 1000;

/// Reads from the stream underneath, into room; 0 at its end.
pub type ReadStream<'a> = &'a mut dyn FnMut(&mut [u8]) -> Result<usize>;
/// Writes to the stream underneath; the bytes that it took.
pub type WriteStream<'a> = &'a mut dyn FnMut(&[u8]) -> Result<usize>;

/// The frames between records and a stream. Any thread may read and write.
pub struct WsRecords(Lock<State>);

struct State {
    frames: RecordFrames,
    /// Bytes that the stream has not taken, from `held_at` on.
    held: Vec<u8>,
    held_at: usize,
    /// Frames as they came; `ready` bytes at the front are a record, or the rest of one.
    received: Scratch,
    ready: usize,
    /// Bytes have come since [`take_arrival`](WsRecords::take_arrival).
    arrived: bool,
    /// A closing frame of ours is among what is held, or was; and one of the peer's has come.
    parted: bool,
    farewell: bool,
}

impl WsRecords {
    /// `unsent`: bytes of the handshake that the stream has not taken. `rest`: bytes that came behind the peer's handshake.
    ///
    /// Errors: `ENOMEM`.
    pub fn new(role: &Role, unsent: &[u8], rest: &[u8]) -> Result<WsRecords> {
        let mut received = Scratch::default();
        received.room(rest.len())?.get_mut(..rest.len()).unwrap_or_default().copy_from_slice(rest);
        received.filled(rest.len());
        Ok(WsRecords(Lock::new(State {
            frames: RecordFrames::new(role),
            held: unsent.to_vec(),
            held_at: 0,
            received,
            ready: 0,
            arrived: false,
            parted: false,
            farewell: false,
        })))
    }

    /// Reads records into the room, in the form of byte streams; 0 at the end of the stream.
    ///
    /// Errors: the stream's; `EPROTO` for what is no record.
    pub fn read(&self, room: &mut [u8], input: ReadStream<'_>, output: WriteStream<'_>) -> Result<usize> {
        let mut state = self.0.lock();
        for _ in 0..MAX_FRUITLESS_READS {
            let (filled, need) = state.take_records(room)?;
            if state.held_at == 0 && !state.held.is_empty() {
                // The next write goes on with what the stream does not take, and fails with its error.
                let _ = state.transmit(output);
            }
            if filled > 0 || state.farewell {
                return Ok(filled);
            }
            let asked = state.received.room(need.max(READ_BYTES))?;
            let bytes = input(asked)?;
            if bytes == 0 {
                return Ok(0);
            }
            state.received.filled(bytes);
            state.arrived = true;
        }
        Err(Errno::PROTO)
    }

    /// Whether bytes of a record that is not whole have come since this was asked last. Those of pings are no such bytes.
    pub fn take_arrival(&self) -> bool {
        let mut state = self.0.lock();
        std::mem::take(&mut state.arrived) && RecordFrames::is_begun(state.received.pending())
    }

    /// Puts the records into frames, and writes what the stream takes. Returns the bytes of records taken; what the stream did not
    /// take is held. `records` are whole ones.
    ///
    /// Errors: the stream's, `EAGAIN` while it has not taken what is held; `ENOMEM`; `EPROTO` for what is no record.
    pub fn write(&self, records: &[u8], stream: WriteStream<'_>) -> Result<usize> {
        let mut state = self.0.lock();
        state.transmit(stream)?;
        let mut taken = 0;
        while taken < records.len() && state.held.len() < MAX_HELD_BYTES {
            let rest = records.get(taken..).unwrap_or_default();
            let State { frames, held, .. } = &mut *state;
            match memory::try_reserve(held, rest.len().min(MAX_FRAME_BYTES) + OVERHEAD_BYTES) {
                // The caller would write again what is held already.
                Err(_) if taken > 0 => break,
                outcome => outcome?,
            }
            taken += frames.append(held, rest).ok().flatten().ok_or(Errno::PROTO)?;
        }
        match state.transmit(stream) {
            // The next write begins with them, maybe on a thread that is permitted to.
            Err(errno) if errno.would_block() || errno.is_denial() || errno.is_shortage() => Ok(taken),
            outcome => outcome.map(|()| taken),
        }
    }

    /// Writes what is held. Errors: the stream's; `EAGAIN` while it does not take all.
    pub fn flush(&self, stream: WriteStream<'_>) -> Result<()> {
        self.0.lock().transmit(stream)
    }

    /// Writes a closing frame, once, if the stream takes it.
    pub fn close(&self, stream: WriteStream<'_>) {
        let mut state = self.0.lock();
        state.part(&NORMAL_CLOSURE.to_be_bytes());
        let _ = state.transmit(stream);
    }
}

impl State {
    /// Fills the room from the front of what was received. Returns the bytes filled, and how many more would help.
    fn take_records(&mut self, room: &mut [u8]) -> Result<(usize, usize)> {
        let mut filled = 0;
        loop {
            let bytes = self.ready.min(room.len() - filled);
            let place = room.get_mut(filled..filled + bytes).unwrap_or_default();
            place.copy_from_slice(self.received.part(0..bytes));
            self.received.consume(bytes);
            self.ready -= bytes;
            filled += bytes;
            if self.ready > 0 || self.farewell {
                return Ok((filled, 0));
            }
            let have = self.received.pending().len();
            match self.frames.front(self.received.part_mut(0..have)).map_err(|_| Errno::PROTO)? {
                Front::Needs(bytes) => return Ok((filled, bytes)),
                Front::Record { skip, len } => {
                    self.received.consume(skip);
                    self.ready = len;
                }
                Front::Control { opcode, payload, len } => {
                    self.take_control(opcode, payload, len);
                    self.received.consume(len);
                }
            }
        }
    }

    /// Answers a ping, and a closing frame. A peer that reads no answers gets no further ones.
    fn take_control(&mut self, opcode: Opcode, payload: usize, len: usize) {
        let said = self.received.part(payload..len).to_vec();
        match opcode {
            Opcode::Ping if self.held.len() + len + OVERHEAD_BYTES <= MAX_CONTROL_BYTES && !self.parted => {
                self.frames.append_control(&mut self.held, Opcode::Pong, &said);
            }
            Opcode::Close => {
                self.farewell = true;
                self.part(&said);
            }
            Opcode::Ping | Opcode::Pong | Opcode::Binary => {}
        }
    }

    fn part(&mut self, said: &[u8]) {
        if !std::mem::replace(&mut self.parted, true) {
            self.frames.append_control(&mut self.held, Opcode::Close, said);
        }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::engine::codec::records::testing::{Limits, traffics};
    use crate::random::Random;
    use crate::session::connection::records::testing::{self, Wire};
    use crate::session::connection::records::{Lower, Records};
    use crate::sys::faults::{Call, refuse, refuse_after};
    use std::io::IoSlice;
    use std::mem::MaybeUninit;

    fn frames() -> [WsRecords; 2] {
        let client = Role::Client { host: "a:1".into(), path: "/".into() };
        [client, Role::Server].map(|role| WsRecords::new(&role, &[], &[]).unwrap())
    }

    /// What records are read from and written to: frames, whose bytes come from one wire and go to another.
    struct Through<'a>(&'a WsRecords, [&'a mut Wire; 2]);

    impl Lower for Through<'_> {
        fn read(&mut self, room: &mut [u8]) -> Result<usize> {
            let [from, to] = &mut self.1;
            self.0.read(room, &mut |room| from.give(room), &mut |bytes| to.take(bytes))
        }

        fn read_behind<'r>(&mut self, front: &[u8], room: &'r mut [MaybeUninit<u8>]) -> Result<&'r mut [u8]> {
            testing::behind(front, room, |bytes| self.read(bytes))
        }

        fn write(&mut self, bytes: &[u8]) -> Result<usize> {
            let [_, to] = &mut self.1;
            self.0.write(bytes, &mut |bytes| to.take(bytes))
        }
    }

    #[test]
    fn bytes_arrive_through_frames_while_keys_are_replaced() {
        for seed in 0..2 {
            let mut random = Random::seeded(seed);
            let limits = Limits { records: 3, interval_ms: 0, ..Limits::default() };
            let records = traffics(limits).map(|traffic| Records::new(traffic, &[], &[]).unwrap());
            let (frames, mut wires) = (frames(), [Wire::default(), Wire::default()]);
            let (mut sent, mut got) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
            for round in 0..150 {
                let last = round >= 90;
                wires
                    .iter_mut()
                    .for_each(|wire| wire.room = if last { usize::MAX } else { random.below(40_000) });
                for side in [0, 1] {
                    let bytes: Vec<u8> = (0..random.below(50_000)).map(|_| random.below(256) as u8).collect();
                    let offered = if last { &[][..] } else { &bytes };
                    let mut onto = Through(&frames[side], [&mut Wire::default(), &mut wires[side]]);
                    if let Ok(taken) = records[side].write(&[IoSlice::new(offered)], &mut onto) {
                        sent[side].extend_from_slice(&offered[..taken]);
                    }
                    let _ = frames[side].flush(&mut |bytes| wires[side].take(bytes));
                }
                let [up, down] = &mut wires;
                for side in [1, 0] {
                    let wires = if side == 1 { [&mut *up, &mut *down] } else { [&mut *down, &mut *up] };
                    let most = 1 + random.below(70_000);
                    let mut through = Through(&frames[side], wires);
                    if let Ok(bytes) = testing::read(&records[side], &mut through, most) {
                        got[1 - side].extend(bytes);
                    }
                }
            }
            assert!(got == sent && sent.iter().all(|bytes| bytes.len() > 100_000), "{seed}");
        }
    }

    #[test]
    fn what_the_handshake_left_comes_first() {
        let [client, server] = frames();
        let record = [&[0, 17][..], &[7; 17]].concat();
        let mut wire = Wire::wide();
        client.write(&record, &mut |bytes| wire.take(bytes)).unwrap();
        let begun: Vec<u8> = wire.bytes.drain(..9).collect();
        let late = WsRecords::new(&Role::Server, b"our last words", &begun).unwrap();
        late.flush(&mut |bytes| wire.take(bytes)).unwrap();
        let mut room = [0; 100];
        let (mut rest, mut back) = (Wire::default(), Wire::wide());
        rest.bytes.extend(wire.bytes.drain(..record.len() + 7 - 9 - 2));
        assert_eq!(wire.bytes, b"our last words");
        let read = late.read(&mut room, &mut |room| rest.give(room), &mut |bytes| back.take(bytes));
        assert_eq!(read.map(|bytes| &room[..bytes]), Ok(&record[..]));
        server.close(&mut |bytes| back.take(bytes));
        server.close(&mut |bytes| back.take(bytes));
        assert_eq!(back.bytes, [0x88, 2, 3, 0xe8], "once");
    }

    #[test]
    fn no_record_is_written_twice_where_memory_is_short() {
        let [client, _] = frames();
        let record = [&[64, 0][..], &[7; 64 << 8]].concat();
        let (both, mut wire) = ([&record[..], &record].concat(), Wire::wide());
        let refusal = refuse_after(Call::Allocate, Errno::NOMEM, 1, 1);
        assert_eq!(client.write(&both, &mut |bytes| wire.take(bytes)), Ok(record.len()));
        drop(refusal);
        assert_eq!(client.write(&both[record.len()..], &mut |bytes| wire.take(bytes)), Ok(record.len()));
        let frame = wire.bytes.len() / 2;
        assert!((record.len()..record.len() + OVERHEAD_BYTES).contains(&frame), "{frame}");
        let refusal = refuse(Call::Allocate, Errno::NOMEM, 1);
        let fresh = frames();
        assert_eq!(fresh[0].write(&both, &mut |bytes| wire.take(bytes)), Err(Errno::NOMEM));
        drop(refusal);
    }

    #[test]
    fn pings_are_answered_and_a_closing_frame_is_the_end() {
        let [client, server] = frames();
        let (mut there, mut back, mut room) = (Wire::wide(), Wire::wide(), [0; 100]);
        there.bytes.extend([0x89, 0x82, 0, 0, 0, 0, b'h', b'i', 0x8a, 0x80, 0, 0, 0, 0]);
        let mut read = |there: &mut Wire, back: &mut Wire| {
            server.read(&mut room, &mut |room| there.give(room), &mut |bytes| back.take(bytes))
        };
        assert_eq!(read(&mut there, &mut back), Err(Errno::AGAIN));
        assert_eq!(back.bytes.drain(..).collect::<Vec<_>>(), b"\x8a\x02hi");
        client.close(&mut |bytes| there.take(bytes));
        there.bytes.extend(b"what comes after it");
        assert_eq!((read(&mut there, &mut back), read(&mut there, &mut back)), (Ok(0), Ok(0)));
        assert_eq!(back.bytes, [0x88, 2, 3, 0xe8]);
    }

    #[test]
    fn a_peer_that_reads_no_answers_gets_few_and_an_endless_one_is_cut_off() {
        let [_, server] = frames();
        let ping = [&[0x89, 0xfd, 0, 0, 0, 0][..], &[b'x'; 125]].concat();
        let (mut there, mut shut, mut room) = (Wire::wide(), Wire::default(), [0; 100]);
        (0..4000).for_each(|_| there.bytes.extend(&ping));
        let read = server.read(&mut room, &mut |room| there.give(room), &mut |bytes| shut.take(bytes));
        assert_eq!(read, Err(Errno::AGAIN));
        let held = server.0.lock().held.len();
        assert!((1_000..=MAX_CONTROL_BYTES).contains(&held), "{held}");
        let mut endless = |room: &mut [u8]| {
            room[..ping.len()].copy_from_slice(&ping);
            Ok(ping.len())
        };
        assert_eq!(server.read(&mut room, &mut endless, &mut |bytes| shut.take(bytes)), Err(Errno::PROTO));
    }

    #[test]
    fn what_is_no_record_ends_the_connection() {
        for wrong in [&b"\x82\x92\0\0\0\0\x02"[..], b"\x81\x92", b"\x82\x81\0\0\0\0\0", b"\x82\x12"] {
            let [_, server] = frames();
            let (mut there, mut back, mut room) = (Wire::wide(), Wire::wide(), [0; 100]);
            there.bytes.extend(wrong);
            there.bytes.extend([0; 17]);
            let read = server.read(&mut room, &mut |room| there.give(room), &mut |bytes| back.take(bytes));
            assert_eq!(read, Err(Errno::PROTO), "{wrong:?}");
        }
    }
}
