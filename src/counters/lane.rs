//! The record of a lane, which is one direction of a pipe. The lane's account is kept in it (`pipe::hwm`).
//!
//! In a lane between a socket and a session, one side is the socket's. Over inproc both are. A session takes messages out by the batch,
//! without a look at each. So it counts the messages alone, and subscriptions with them.
#![forbid(unsafe_code)]

use super::cells::{Cell, add, raise, value};
use super::rows::{Behaviour, Row, Unit};
use crate::queue::shim;
use std::mem::offset_of;
use std::sync::atomic::Ordering;

/// The reader's line, a line that both read, and the writer's. So that a line which changes with each message has a quiet neighbour:
/// processors fetch lines in pairs.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct LaneCells {
    /// 0, or the record's number: see `slot`. Written under the registry's lock.
    pub state: shim::AtomicU64,
    /// The number of the connection that has the session's side; 0: none. The session writes it.
    pub connection: Cell,
    /// Messages read, subscriptions among them. The reader writes it. The writer reads it when the mark changes, for credit of
    /// messages read under the old mark might otherwise never be granted. It also reads it to count the messages that are left. A
    /// count alone, so Relaxed.
    pub read: shim::AtomicU64,
    /// Subscriptions among them, where the reader looks at each.
    pub requests_read: Cell,
    /// Bytes of the bodies read, where the reader looks at each.
    pub bytes_read: Cell,
    /// Frames read that were not the last of their message, where the reader looks at each.
    pub continuation_frames_read: Cell,
    /// The greatest number of messages that the reader has found.
    pub greatest_depth_read: Cell,
    /// The number of the socket that reads, 0 for a session.
    pub reader_socket: Cell,

    /// Messages read so far, told in batches. The reader writes (Release), the writer reads (Acquire).
    pub granted: shim::AtomicU64,
    /// The writer has run out and waits. Written by both; the edge is made by the fences around it.
    pub waiting: shim::AtomicU64,
    /// The high-water mark; 0: none. Either owner writes it when an option changes, under the lock of the pipe's link, and both read it. An
    /// owner that has read it too early hears of the change by `PipeEvent::MarksChanged`, which makes the edge; so Relaxed.
    pub hwm: shim::AtomicU64,
    control_spare: [Cell; 5],

    /// Messages written, subscriptions among them. The writer writes it.
    pub written: Cell,
    /// Subscriptions among them.
    pub requests_written: Cell,
    /// Bytes of the bodies written.
    pub bytes_written: Cell,
    /// Frames written that were not the last of their message.
    pub continuation_frames_written: Cell,
    /// Messages written that another one has replaced (`ZMQ_CONFLATE`).
    pub conflated: Cell,
    /// The greatest number of messages that the writer has found waiting.
    pub greatest_depth_written: Cell,
    /// The number of the socket that writes, 0 for a session.
    pub writer_socket: Cell,
    writer_spare: Cell,
}

impl Default for LaneCells {
    fn default() -> LaneCells {
        let zero = || Cell::new(0);
        LaneCells {
            state: shim::AtomicU64::new(0),
            connection: zero(),
            read: shim::AtomicU64::new(0),
            requests_read: zero(),
            bytes_read: zero(),
            continuation_frames_read: zero(),
            greatest_depth_read: zero(),
            reader_socket: zero(),
            granted: shim::AtomicU64::new(0),
            waiting: shim::AtomicU64::new(0),
            hwm: shim::AtomicU64::new(0),
            control_spare: std::array::from_fn(|_| zero()),
            written: zero(),
            requests_written: zero(),
            bytes_written: zero(),
            continuation_frames_written: zero(),
            conflated: zero(),
            greatest_depth_written: zero(),
            writer_socket: zero(),
            writer_spare: zero(),
        }
    }
}

impl LaneCells {
    /// What lies where.
    pub fn rows() -> Vec<Row> {
        use Behaviour::{Counter, Gauge};
        use LaneCells as Cells;
        use Unit::{Bytes, Count, Frames, Messages};
        let row = |name, offset, unit, behaviour: Behaviour, help| {
            Row::new(name, offset, unit, behaviour.name(), help)
        };
        let (frames_read, frames_written) =
            (offset_of!(Cells, continuation_frames_read), offset_of!(Cells, continuation_frames_written));
        let (depth_read, depth_written) =
            (offset_of!(Cells, greatest_depth_read), offset_of!(Cells, greatest_depth_written));
        let messages = "Messages, subscriptions among them.";
        let requests = "Subscriptions, where each was looked at.";
        let bytes = "Bytes of the bodies, where each was looked at.";
        let frames = "Frames but the last of each message, where each was looked at.";
        let depth = "The most messages that were found waiting.";
        let socket = "The number of the socket; 0: a session.";
        vec![
            row("read", offset_of!(Cells, read), Messages, Counter, messages),
            row("requests_read", offset_of!(Cells, requests_read), Messages, Counter, requests),
            row("bytes_read", offset_of!(Cells, bytes_read), Bytes, Counter, bytes),
            row("continuation_frames_read", frames_read, Frames, Counter, frames),
            row("greatest_depth_read", depth_read, Messages, Gauge, depth),
            row("reader_socket", offset_of!(Cells, reader_socket), Count, Gauge, socket),
            row(
                "high_water_mark",
                offset_of!(Cells, hwm),
                Messages,
                Gauge,
                "Messages that it holds at most; 0: any number.",
            ),
            row("written", offset_of!(Cells, written), Messages, Counter, messages),
            row("requests_written", offset_of!(Cells, requests_written), Messages, Counter, requests),
            row("bytes_written", offset_of!(Cells, bytes_written), Bytes, Counter, bytes),
            row("continuation_frames_written", frames_written, Frames, Counter, frames),
            row(
                "conflated",
                offset_of!(Cells, conflated),
                Messages,
                Counter,
                "Messages that another one has replaced.",
            ),
            row("greatest_depth_written", depth_written, Messages, Gauge, depth),
            row("writer_socket", offset_of!(Cells, writer_socket), Count, Gauge, socket),
        ]
    }

    /// The writer has written messages, whose frames it counts besides.
    #[inline(always)]
    pub fn wrote(&self, messages: u64) {
        add(&self.written, messages);
    }

    /// The writer has written a subscription, which counts as a message.
    pub fn wrote_request(&self) {
        add(&self.requests_written, 1);
    }

    /// The reader has read one.
    pub fn read_request(&self) {
        add(&self.requests_read, 1);
    }

    /// The writer has replaced a message.
    pub fn replaced(&self) {
        add(&self.conflated, 1);
    }

    /// The writer has found this number of messages waiting.
    pub fn note_depth_written(&self, depth: u64) {
        raise(&self.greatest_depth_written, depth);
    }

    /// The writer has written the frame of a message.
    #[inline(always)]
    pub fn wrote_frame(&self, bytes: usize, more: bool) {
        add(&self.bytes_written, bytes as u64);
        if more {
            add(&self.continuation_frames_written, 1);
        }
    }

    /// The writer has written a frame that is not the last of its message.
    #[inline(always)]
    pub fn wrote_continuation(&self, bytes: usize) {
        add(&self.bytes_written, bytes as u64);
        add(&self.continuation_frames_written, 1);
    }

    /// The writer has written the last frame of a message, and so the message.
    #[inline(always)]
    pub fn wrote_last(&self, bytes: usize) {
        add(&self.bytes_written, bytes as u64);
        add(&self.written, 1);
    }

    /// The reader has read bytes of a message's frame.
    #[inline(always)]
    pub fn read_bytes(&self, bytes: usize) {
        add(&self.bytes_read, bytes as u64);
    }

    /// The reader has read a frame that is not the last of its message.
    #[inline(always)]
    pub fn read_continuation(&self, bytes: usize) {
        add(&self.bytes_read, bytes as u64);
        add(&self.continuation_frames_read, 1);
    }

    /// The writer has written frames of messages, some of which were not the last of theirs.
    #[inline]
    pub fn wrote_frames(&self, bytes: u64, continuations: u64) {
        add(&self.bytes_written, bytes);
        add(&self.continuation_frames_written, continuations);
    }

    /// The reader has read the frame of a message.
    #[inline(always)]
    pub fn read_frame(&self, bytes: usize, more: bool) {
        add(&self.bytes_read, bytes as u64);
        if more {
            add(&self.continuation_frames_read, 1);
        }
    }

    /// As [`wrote_frames`](LaneCells::wrote_frames), of the reader.
    #[inline]
    pub fn read_frames(&self, bytes: u64, continuations: u64) {
        add(&self.bytes_read, bytes);
        add(&self.continuation_frames_read, continuations);
    }

    /// Messages in the lane, subscriptions among them. The reader is asked first: so there are never fewer than none.
    pub fn depth(&self) -> u64 {
        let gone = self.read.load(Ordering::Acquire).wrapping_add(value(&self.conflated));
        value(&self.written).saturating_sub(gone)
    }

    /// The reader has found this number of messages.
    pub fn note_depth_read(&self, depth: u64) {
        raise(&self.greatest_depth_read, depth);
    }

    /// Messages written without subscriptions.
    pub fn messages_written(&self) -> u64 {
        value(&self.written).saturating_sub(value(&self.requests_written))
    }

    /// Messages read without subscriptions, of a reader that looks at each.
    pub fn messages_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed).saturating_sub(value(&self.requests_read))
    }

    /// Subscriptions that are left in it, where no socket reads and has counted them. `None`: one is to look.
    pub fn requests_left(&self) -> Option<u64> {
        let (requests, depth) = (value(&self.requests_written), self.depth());
        if requests == 0 || depth == 0 || value(&self.reader_socket) != 0 {
            return Some(0);
        }
        if self.read.load(Ordering::Relaxed) == 0 {
            Some(requests)
        } else {
            (requests == value(&self.written)).then_some(depth)
        }
    }

    /// Messages that were never read, of a lane that has ended. `requests`: subscriptions among those.
    pub fn unread(&self, requests: u64) -> u64 {
        self.depth().saturating_sub(requests)
    }
}
