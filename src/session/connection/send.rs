//! The sending half of a connection: what the socket wrote, out of the pipe and into the stream.
//!
//! The thread that writes is not chosen here: [`Connection`](super::Connection) asks [`send_policy`](super::send_policy).

use crate::counters::{ConnectionCounter, ConnectionRecord};
use crate::engine::Failure;
use crate::engine::codec::AnySealer;
use crate::engine::ws::Outgoing;
use crate::engine::zmtp::heartbeat::SendState;
use crate::engine::zmtp::outgoing::Head;
use crate::engine::zmtp::{Version, frame};
use crate::errno::Errno;
use crate::pipe::{BlockTail, LaneReader};
use crate::session::connection::control;
use crate::session::connection::send_policy::{Form, Outlet};
use crate::session::connection::tls_stream::{self, Tunnel};
use crate::sys::memory;
use std::io::IoSlice;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

/// How frames leave.
pub enum SendForm {
    /// As they lie in the pipe.
    AsTheyLie,
    /// With another header, or subscriptions as messages.
    Framed(Version),
    /// Each in a box of its own (CURVE), control frames too.
    Sealed(AnySealer),
    /// In WebSocket frames, sealed or not.
    Ws(Outgoing),
    /// Bodies alone (STREAM, `ZMQ_ROUTER_RAW`).
    Raw,
}

/// The outcome of an attempt to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Everything left; the pipe's writer wakes us.
    All,
    /// Everything left, and the socket has closed its end: nothing will follow.
    Ended,
    /// The stream takes no more for now.
    Blocked,
    /// There is more, but others want their turn.
    Yield,
    /// There is no memory for what is to be sent. Nothing is lost: the next call goes on where this one stopped, and it is to
    /// come after a while, since nothing tells of memory.
    NoMemory,
    /// The stream is broken.
    Failed(Errno),
    /// It was before, and the session knows: nothing is sent any more.
    Over,
}

/// Ranges handed to one `writev`.
const MAX_WRITE_RANGES: usize = 16;
/// Bytes sent in one go, before others have their turn.
pub(super) const SEND_TURN_BYTES: usize = 1024 * 1024;
/// Encoded bytes gathered before a write, where frames do not leave as they lie.
const GATHER_BYTES: usize = 64 * 1024;
/// Everything needed to send. The thread that holds it, the I/O thread or a thread of the program, may send.
pub struct SendHalf {
    reader: LaneReader,
    form: SendForm,
    /// Bytes that go before anything else, from `out_at` on: control frames, frames encoded anew.
    out: Vec<u8>,
    out_at: usize,
    /// Control frames waiting for the next border between messages.
    control: Vec<u8>,
    /// Bytes sent of the body that stands at the end of the pipe's current block.
    body_at: usize,
    /// Bytes to hand to the stream at once.
    batch: usize,
    /// The stream stopped inside what was visible of the pipe: maybe inside a message.
    inside: bool,
    /// The stream took no more when it was last offered something.
    blocked: bool,
    /// There was no memory for what was to be sent.
    no_memory: bool,
    /// It took no more at some time since [`state`](SendHalf::state) was last asked.
    was_blocked: bool,
    /// Up to this byte control frames have gone to the stream, or go next.
    control_ends: u64,
    failed: Option<Errno>,
    /// When the stream took no more last, it had taken all until then, and took nothing of what it was offered.
    refused: bool,
    /// See [`give_up`](SendHalf::give_up).
    over: bool,
    /// Bytes sent so far.
    sent_bytes: u64,
    /// What lies between the stream and us.
    tunnel: Option<Arc<Tunnel>>,
    /// The closing frame of the protocol (a WebSocket's CLOSE) is appended.
    farewell: bool,
    /// See [`keep_size`](SendHalf::keep_size).
    keeps_size: bool,
    /// Peers of the socket may be served by other I/O threads than this one.
    beside_others: bool,
    record: Option<ConnectionRecord>,
}

impl SendHalf {
    pub fn new(reader: LaneReader, form: SendForm) -> SendHalf {
        SendHalf {
            reader,
            form,
            out: Vec::new(),
            out_at: 0,
            control: Vec::new(),
            body_at: 0,
            batch: usize::MAX,
            inside: false,
            blocked: false,
            no_memory: false,
            was_blocked: false,
            control_ends: 0,
            failed: None,
            refused: false,
            over: false,
            sent_bytes: 0,
            tunnel: None,
            farewell: false,
            keeps_size: false,
            beside_others: false,
            record: None,
        }
    }

    /// Writes through a tunnel, if there is one.
    pub fn through(mut self, tunnel: Option<Arc<Tunnel>>) -> SendHalf {
        self.tunnel = tunnel;
        self
    }

    /// Counts what it sends for this connection.
    pub fn counted_in(mut self, record: &ConnectionRecord) -> SendHalf {
        self.reader.record().carried_by(record);
        self.record = Some(record.clone());
        self
    }

    /// Of a context with this number of I/O threads.
    pub fn of_io_threads(mut self, number: usize) -> SendHalf {
        self.beside_others = number > 1;
        self
    }

    fn count(&self, counter: ConnectionCounter, count: u64) {
        if let Some(record) = &self.record {
            record.add(counter, count);
        }
    }

    /// Hands no more than this to the stream at once, give or take a frame where frames are encoded. Not 0.
    pub fn write_at_most(&mut self, bytes: usize) {
        self.batch = bytes;
    }

    /// Of the handshake, what the stream did not take yet. Nothing was sent here before.
    pub fn begin_with(&mut self, bytes: &[u8]) {
        self.out = bytes.to_vec();
    }

    /// A message that goes before all of the pipe's. Errors: what sealing it gives.
    pub fn begin_with_message(&mut self, body: &[u8]) -> Result<(), Errno> {
        make_room(&mut self.form, &mut self.out, body.len())?;
        append_frame(&mut self.form, &mut self.out, 0, body)?;
        if let SendForm::Sealed(sealer) = &mut self.form {
            sealer.finish(&mut self.out);
        }
        Ok(())
    }

    /// Whether a control frame would have to wait, for the stream or for the end of a message.
    pub fn is_busy(&self) -> bool {
        !self.over
            && (self.blocked || self.inside || self.out_at < self.out.len() || !self.control.is_empty())
    }

    /// Sends nothing any more: the session knows that the stream is broken. What the socket writes stays in the pipe, for the
    /// next connection, if there is one.
    pub fn give_up(&mut self) {
        (self.over, self.blocked) = (true, false);
        self.control = Vec::new();
    }

    /// Queues control frames (PING, PONG) for the next border between messages.
    pub fn queue_control(&mut self, frames: &[u8]) {
        if !self.over {
            control::append(&mut self.control, frames);
        }
    }

    /// How sending stands, but for what the system holds.
    pub fn state(&mut self) -> SendState {
        SendState {
            taken_bytes: self.sent_bytes,
            held_bytes: 0,
            was_full: std::mem::replace(&mut self.was_blocked, self.blocked),
            is_full: self.blocked,
            no_memory: self.no_memory,
            control_ends: self.control.is_empty().then_some(self.control_ends),
        }
    }

    /// Bytes sent so far.
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    /// How frames leave, for the [policy](super::send_policy).
    pub fn outlet(&self) -> Outlet {
        Outlet {
            hwm: self.reader.hwm(),
            form: match self.form {
                SendForm::AsTheyLie => Form::AsTheyLie,
                SendForm::Framed(_) | SendForm::Raw => Form::Copied,
                SendForm::Sealed(_) | SendForm::Ws(_) => Form::Transformed,
            },
            beside_others: self.beside_others,
            holds_back: self.tunnel.as_deref().is_some_and(|tunnel| !tunnel.is_drainable()),
        }
    }

    /// The program has said how many bytes the stream is to hold (`ZMQ_SNDBUF`).
    pub fn keep_size(&mut self) {
        self.keeps_size = true;
    }

    /// Whether it has.
    pub fn keeps_size(&self) -> bool {
        self.keeps_size
    }

    /// Whether the stream took no more when it was last offered something.
    pub fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// Whether the stream says that it takes no more right after it has taken all. That is so where it was just full, and where
    /// the system is not to be believed: then no event tells of room.
    pub fn is_refused(&self) -> bool {
        self.refused
    }

    /// Whether this many bytes wait in the pipe at least.
    pub fn holds_at_least(&mut self, least: usize) -> bool {
        if !self.reader.check_bytes() {
            return false;
        }
        let Some(consumer) = self.reader.blocks() else { return false };
        let mut bytes = 0usize;
        consumer.spans(|span, tail| {
            let body = if let Some(BlockTail::Body(body)) = tail { body.len() } else { 0 };
            bytes = bytes.saturating_add(span.len()).saturating_add(body);
            bytes < least
        });
        bytes >= least
    }

    /// As [`send`](SendHalf::send), on the I/O thread. What the system did not let a thread of the program do it may let this
    /// one; those threads are not let in again.
    pub fn send_for_session(&mut self, fd: BorrowedFd<'_>) -> Sent {
        self.lift_denial(|half| half.send(fd))
    }

    fn lift_denial<R>(&mut self, run: impl FnOnce(&mut SendHalf) -> R) -> R {
        let denied = self.failed.take_if(|errno| errno.is_denial());
        let outcome = run(self);
        self.failed = self.failed.or(denied);
        outcome
    }

    /// Sends control frames and published messages.
    pub fn send(&mut self, fd: BorrowedFd<'_>) -> Sent {
        if self.over {
            return Sent::Over;
        }
        if let Some(errno) = self.failed {
            return Sent::Failed(errno);
        }
        let before = self.reader.messages_read();
        let sent = self.send_all(fd);
        self.count(ConnectionCounter::MessagesSent, self.reader.messages_read().wrapping_sub(before));
        self.no_memory = sent == Sent::NoMemory;
        self.blocked = matches!(sent, Sent::Blocked | Sent::NoMemory);
        self.was_blocked |= self.blocked;
        sent
    }

    fn send_all(&mut self, fd: BorrowedFd<'_>) -> Sent {
        let mut sent = 0;
        self.refused = false;
        loop {
            let step = match self.step(fd) {
                Ok(step) => step,
                Err(errno) if errno.would_block() => {
                    self.count(ConnectionCounter::SendCalls, 1);
                    self.count(ConnectionCounter::SendsBlocked, 1);
                    self.refused = sent == 0 && !self.blocked;
                    return Sent::Blocked;
                }
                Err(errno) if errno.is_shortage() => return Sent::NoMemory,
                Err(errno) => {
                    self.failed = Some(errno);
                    return Sent::Failed(errno);
                }
            };
            match step {
                Step::Wrote(n) => {
                    sent += n;
                    self.count_bytes(n);
                }
                Step::Short(n) => {
                    self.count_bytes(n);
                    return Sent::Blocked;
                }
                Step::Nothing if !self.reader.bytes_ended() => return Sent::All,
                Step::Nothing if self.say_farewell() => {}
                Step::Nothing => {
                    if let Some(tunnel) = &self.tunnel {
                        tunnel.close(fd);
                    }
                    return Sent::Ended;
                }
            }
            if sent >= SEND_TURN_BYTES {
                return Sent::Yield;
            }
        }
    }

    /// One call has sent this.
    fn count_bytes(&mut self, bytes: usize) {
        self.sent_bytes = self.sent_bytes.wrapping_add(bytes as u64);
        self.count(ConnectionCounter::SendCalls, 1);
        self.count(ConnectionCounter::BytesSent, bytes as u64);
    }

    /// For a session that ends while the socket has not closed the pipe yet: sends the protocol's closing frame, as far as the
    /// stream takes it.
    pub fn part(&mut self, fd: BorrowedFd<'_>) {
        let ended = self.say_farewell() && self.send_for_session(fd) == Sent::Ended;
        if let Some(tunnel) = &self.tunnel
            && !ended
        {
            tunnel.close(fd);
        }
    }

    /// See [`LaneReader::heed_mark`].
    pub fn heed_mark(&mut self) {
        self.reader.heed_mark();
    }

    /// Frees what is kept only to be used again.
    pub fn tidy(&mut self) {
        self.reader.free_spares();
    }

    /// Gives the pipe's lane back, at a border between messages: the connection is gone. The message that has gone to the stream in part
    /// counts as sent.
    pub fn into_reader(mut self) -> LaneReader {
        let before = self.reader.messages_read();
        match self.form {
            SendForm::AsTheyLie => self.reader.resync(),
            SendForm::Framed(_) | SendForm::Sealed(_) | SendForm::Ws(_) | SendForm::Raw => {
                self.reader.skip_incomplete();
            }
        }
        self.count(ConnectionCounter::MessagesSent, self.reader.messages_read().wrapping_sub(before));
        self.reader
    }

    /// Whether there is something to say to the peer before the stream ends.
    fn say_farewell(&mut self) -> bool {
        match &mut self.form {
            SendForm::Ws(outgoing) if !self.farewell => {
                self.farewell = true;
                outgoing.append_close(&mut self.out);
                true
            }
            _ => false,
        }
    }

    /// Bytes taken from the pipe and not by the stream yet.
    fn step(&mut self, fd: BorrowedFd<'_>) -> Result<Step, Errno> {
        if self.out_at == self.out.len() {
            self.out.clear();
            self.out_at = 0;
            if !self.inside && !self.control.is_empty() {
                self.encode_control()?;
                self.control_ends = self.sent_bytes.wrapping_add(self.out.len() as u64);
            } else if matches!(self.form, SendForm::AsTheyLie) && self.reader.blocks().is_some() {
                return self.write_blocks(fd);
            } else {
                let encoded = self.encode();
                // Frames that are encoded already may leave.
                encoded.or_else(|errno| {
                    if self.out.is_empty() || !errno.is_shortage() { Err(errno) } else { Ok(()) }
                })?;
            }
        }
        let rest = self.out.get(self.out_at..).unwrap_or_default();
        if rest.is_empty() {
            // An idle connection keeps no more than it needs.
            self.out = Vec::new();
            self.out_at = 0;
            tls_stream::flush(fd, self.tunnel.as_deref())?;
            return Ok(Step::Nothing);
        }
        let n = tls_stream::write(fd, self.tunnel.as_deref(), &[IoSlice::new(rest)])?;
        let short = n < rest.len() && self.tunnel.is_none();
        self.out_at += n;
        Ok(if short { Step::Short(n) } else { Step::Wrote(n) })
    }

    /// Writes ranges of the pipe's blocks as they lie.
    fn write_blocks(&mut self, fd: BorrowedFd<'_>) -> Result<Step, Errno> {
        if !self.reader.check_bytes() {
            self.inside = false;
            tls_stream::flush(fd, self.tunnel.as_deref())?;
            return Ok(Step::Nothing);
        }
        let Some(consumer) = self.reader.blocks() else { return Ok(Step::Nothing) };
        let (written, total, whole) = {
            // Borrowed from the blocks for the length of the call.
            let mut ranges: [IoSlice<'_>; MAX_WRITE_RANGES] = std::array::from_fn(|_| IoSlice::new(&[]));
            let (mut used, mut total, mut whole) = (0, 0, true);
            let (mut body_at, batch) = (self.body_at, self.batch);
            consumer.spans(|bytes, tail| {
                let body = match tail {
                    Some(BlockTail::Body(body)) => body.as_slice().get(body_at..).unwrap_or_default(),
                    _ => &[],
                };
                body_at = 0;
                for range in [bytes, body] {
                    if range.is_empty() {
                        continue;
                    }
                    let part = range.get(..batch - total).unwrap_or(range);
                    let Some(slot) = ranges.get_mut(used) else {
                        whole = false;
                        return false;
                    };
                    *slot = IoSlice::new(part);
                    used += 1;
                    total += part.len();
                    if part.len() < range.len() {
                        whole = false;
                        return false;
                    }
                }
                true
            });
            (
                tls_stream::write(fd, self.tunnel.as_deref(), ranges.get(..used).unwrap_or_default())?,
                total,
                whole,
            )
        };
        self.pass(written);
        self.inside = written < total || !whole;
        // A tunnel takes no more than it can hold, also where the stream has more room.
        let short = written < total && self.tunnel.is_none();
        Ok(if short { Step::Short(written) } else { Step::Wrote(written) })
    }

    /// Takes `written` bytes out of the pipe, and gives credit for the messages among them.
    fn pass(&mut self, mut written: usize) {
        let mut messages = 0;
        if let Some(consumer) = self.reader.blocks() {
            while written > 0 && consumer.ready() {
                let n = consumer.bytes().len().min(written);
                messages += consumer.advance(n);
                written -= n;
                if n > 0 {
                    continue;
                }
                let Some(BlockTail::Body(body)) = consumer.tail() else { break };
                let n = (body.len() - self.body_at).min(written);
                written -= n;
                self.body_at += n;
                if self.body_at == body.len() {
                    self.body_at = 0;
                    drop(consumer.take_tail());
                }
            }
        }
        self.reader.count_messages(messages);
    }

    /// Control frames leave as they are, unless they have to be sealed. Where there is no memory for all of them they stay.
    fn encode_control(&mut self) -> Result<(), Errno> {
        let SendForm::Sealed(sealer) = &mut self.form else {
            std::mem::swap(&mut self.out, &mut self.control);
            return Ok(());
        };
        let mut rest = self.control.as_slice();
        while let Ok(Some(header)) = frame::parse_header(rest) {
            let (one, next) = rest.split_at(header.frame_len().min(rest.len()));
            let body = one.get(header.header_len..).unwrap_or_default();
            if let Err(failure) = sealer.append_frame(&mut self.out, header.flags, body) {
                self.out.clear();
                return Err(errno(failure));
            }
            rest = next;
        }
        self.control.clear();
        Ok(())
    }

    /// Takes frames out of the pipe and encodes them. One that there is no memory for stays in the pipe.
    fn encode(&mut self) -> Result<(), Errno> {
        let mut encoded = Ok(());
        self.reader.note_depth();
        while encoded.is_ok() && self.out.len() < GATHER_BYTES.min(self.batch) {
            let Some(len) = self.reader.next_len() else {
                self.inside = false;
                break;
            };
            if let Err(errno) = make_room(&mut self.form, &mut self.out, len) {
                encoded = Err(errno);
                break;
            }
            let Some(frame) = self.reader.read() else { break };
            encoded = append_frame(&mut self.form, &mut self.out, frame.flags, frame.data());
            self.inside = frame.more();
        }
        if let SendForm::Sealed(sealer) = &mut self.form {
            sealer.finish(&mut self.out);
        }
        encoded
    }
}

enum Step {
    Wrote(usize),
    /// Less than was offered: the stream is full.
    Short(usize),
    Nothing,
}

/// Bytes that a form puts around a body, at most.
const MAX_FRAMING_BYTES: usize = 64;

/// Makes room for the frame of a body. Errors: `ENOMEM`.
#[inline(always)]
fn make_room(form: &mut SendForm, out: &mut Vec<u8>, body_len: usize) -> Result<(), Errno> {
    let len = body_len.saturating_add(MAX_FRAMING_BYTES);
    memory::try_reserve(out, len)?;
    if let SendForm::Ws(outgoing) = form {
        outgoing.reserve(len)?;
    }
    Ok(())
}

/// Appends a frame in the form in which frames leave, where there is [room](make_room) for it. Sealed ones have to be finished.
/// Errors: what sealing gives.
#[inline(always)]
fn append_frame(form: &mut SendForm, out: &mut Vec<u8>, flags: u8, body: &[u8]) -> Result<(), Errno> {
    match form {
        SendForm::Raw => out.extend_from_slice(body),
        SendForm::AsTheyLie => append(out, Version::V3_1, flags, body),
        SendForm::Framed(version) => append(out, *version, flags, body),
        SendForm::Sealed(sealer) => sealer.append_unfinished(out, flags, body).map_err(errno)?,
        SendForm::Ws(outgoing) => outgoing.append(out, flags, body).map_err(errno)?,
    }
    Ok(())
}

fn append(out: &mut Vec<u8>, version: Version, flags: u8, body: &[u8]) {
    let head = Head::new(version, flags, body);
    out.extend_from_slice(head.bytes());
    out.extend_from_slice(body.get(head.skip..).unwrap_or_default());
}

/// What ends the connection when a frame cannot be sealed.
fn errno(failure: Failure) -> Errno {
    match failure {
        Failure::Errno(errno) => errno,
        _ => Errno::PROTO,
    }
}
