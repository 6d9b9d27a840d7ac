//! The reading side of a lane: takes frames out of their wire form.
//!
//! A frame has a fast path, by [`read_inline`](LaneReader::read_inline) and [`read_by_reference`](LaneReader::read_by_reference). It
//! gives up where the current block has no whole frame, or credit has to be granted. The caller then uses
//! [`read`](LaneReader::read).

use super::run::Run;
use crate::counters::LaneRecord;
use crate::errno::Result;
use crate::message::{Address, Body, COMMAND, Frame, FrameBody, IN_BODY_RING, MORE, Metadata, ROUTING_ID};
use crate::pipe::PipeEvent;
use crate::pipe::block_tail::BlockTail;
use crate::pipe::body_ring::RingReader;
use crate::pipe::hwm::Granting;
use crate::pipe::latest::Latest;
use crate::pipe::link::{Link, Side};
use crate::pipe::next_frame::{Ahead, ends_message, find, skip};
use crate::pipe::wire::{Header, whole_frame};
use crate::queue::blocks::Consumer;
use std::sync::Arc;

/// The reading side of a lane.
pub struct LaneReader {
    from: ReadFrom,
    granting: Granting,
    link: Arc<Link>,
    side: Side,
    /// Properties of the connection that the current frames come from.
    metadata: Option<Arc<Metadata>>,
    /// The last frame read was not its message's last.
    incomplete: bool,
    /// The next frame, cached from when it was found until it is taken or the reader moves on by another
    /// call.
    found: Option<Ahead>,
    ring: RingReader,
}

/// A frame of a message whose body lies in its block.
pub struct InlineFrame<'a> {
    pub more: bool,
    pub body: &'a [u8],
    /// Properties of the connection that the frame came from.
    pub metadata: Option<&'a Arc<Metadata>>,
}

/// Where frames are read from.
pub(super) enum ReadFrom {
    Blocks(Consumer<BlockTail>),
    Latest(Latest),
}

impl LaneReader {
    /// The reading side of the lane that the owner of `side` reads from.
    pub(super) fn new(from: ReadFrom, granting: Granting, link: Arc<Link>, side: Side) -> LaneReader {
        LaneReader {
            from,
            granting,
            link,
            side,
            metadata: None,
            incomplete: false,
            found: None,
            ring: RingReader::default(),
        }
    }

    /// The lane's record.
    pub fn record(&self) -> &LaneRecord {
        self.granting.record()
    }

    /// Whether a frame can be read. `false` leaves the reader asleep until [`PipeEvent::Readable`].
    #[inline]
    pub fn check(&mut self) -> bool {
        self.next_flags().is_some()
    }

    /// As [`check`](LaneReader::check), with the flags of the next frame.
    #[inline(always)]
    pub fn next_flags(&mut self) -> Option<u8> {
        if let Some(found) = &self.found {
            return Some(found.flags());
        }
        match &mut self.from {
            ReadFrom::Blocks(consumer) => {
                self.found = find(consumer, &mut self.metadata, &mut self.ring);
                self.found.as_ref().map(|found| found.flags())
            }
            ReadFrom::Latest(latest) => latest.next_flags(),
        }
    }

    /// Properties of the connection that the next frame comes from. Call it after
    /// [`check`](LaneReader::check) returned `true`.
    pub fn metadata(&self) -> Option<&Arc<Metadata>> {
        self.metadata.as_ref()
    }

    /// Whether the other end is closed and everything it wrote has been read. Call it after
    /// [`check`](Self::check) returned `false`.
    pub fn ended(&mut self) -> bool {
        // The other end stores `closed` after its last publish: a thread that sees it sees everything
        // published.
        self.link.is_closed(self.side.other()) && !self.check()
    }

    /// As [`ended`](Self::ended), after [`check_bytes`](Self::check_bytes) returned `false`.
    pub fn bytes_ended(&mut self) -> bool {
        self.link.is_closed(self.side.other()) && !self.check_bytes()
    }

    /// Takes the next frame; `None` if there is none.
    #[inline(always)]
    pub fn read(&mut self) -> Option<Frame<'_>> {
        let consumer = match &mut self.from {
            ReadFrom::Blocks(consumer) => consumer,
            ReadFrom::Latest(latest) => {
                let frame = latest.take()?;
                count_frame(&self.granting, frame.flags, &frame.body);
                self.granting.read(u64::from(ends_message(frame.flags)));
                return Some(frame);
            }
        };
        let ahead = match self.found.take() {
            Some(found) => found,
            None => find(consumer, &mut self.metadata, &mut self.ring)?,
        };
        self.incomplete = ahead.flags() & MORE != 0;
        if ends_message(ahead.flags()) {
            consumer.tell(1);
            if self.granting.read(1) {
                self.link.notify(self.side.other(), PipeEvent::Writable);
            }
        }
        let body = match ahead.body_len() {
            Some(len) => {
                consumer.advance(ahead.header_len() + len);
                match ahead.is_by_reference().then(|| self.ring.take()).flatten() {
                    Some(body) => FrameBody::Shared(body),
                    None => FrameBody::Slice(consumer.passed(len)),
                }
            }
            None => {
                consumer.advance(ahead.header_len());
                match consumer.take_tail() {
                    Some(BlockTail::Body(body)) => FrameBody::Shared(body),
                    _ => FrameBody::Slice(&[]),
                }
            }
        };
        count_frame(&self.granting, ahead.flags(), &body);
        Some(Frame { flags: ahead.flags(), body, metadata: self.metadata.as_ref(), address: Address::None })
    }

    /// Takes a frame that lies whole in the current block. `None`: there is none, `wanted` refused its body,
    /// or the fast path cannot take it. Nothing was taken then, and the reader does not sleep. `alone`: the
    /// thread has no other lane to read, and may be made to pause for 1 µs.
    #[inline(always)]
    pub fn read_inline(
        &mut self,
        alone: bool,
        wanted: impl FnOnce(&[u8]) -> bool,
    ) -> Option<InlineFrame<'_>> {
        let ReadFrom::Blocks(consumer) = &mut self.from else { return None };
        if !consumer.ready_here(alone) {
            return None;
        }
        let front = consumer.front();
        let (more, body, len) = whole_frame(front.bytes)?;
        if !wanted(body) {
            return None;
        }
        // The consumer is not told of the message, as only connections ask it.
        if more {
            self.granting.record().read_continuation(body.len());
        } else if self.granting.read_within_batch() {
            self.granting.record().read_bytes(body.len());
        } else {
            return None;
        }
        front.pass(len);
        self.found = None;
        self.incomplete = more;
        Some(InlineFrame { more, body, metadata: self.metadata.as_ref() })
    }

    /// As [`read_inline`](LaneReader::read_inline), for a body in the ring. The flag: more frames follow.
    #[inline]
    pub fn read_by_reference(&mut self) -> Option<(Body, bool)> {
        let ReadFrom::Blocks(consumer) = &mut self.from else { return None };
        if !consumer.ready_here(false) || self.metadata.is_some() {
            return None;
        }
        let header = Header::parse(consumer.bytes())?;
        if header.flags & IN_BODY_RING == 0 || !self.ring.has_ours() {
            return None;
        }
        let more = header.flags & MORE != 0;
        if !more && !self.granting.read_within_batch() {
            return None;
        }
        self.found = None;
        self.incomplete = more;
        consumer.advance(header.len);
        let body = self.ring.take()?;
        self.granting.record().read_frame(body.len(), more);
        Some((body, more))
    }

    /// Returns the next frame without taking it. It stays the next one, also where the lane conflates.
    pub fn peek(&mut self) -> Option<Frame<'_>> {
        if !self.check() {
            return None;
        }
        let consumer = match &self.from {
            ReadFrom::Blocks(consumer) => consumer,
            ReadFrom::Latest(latest) => return latest.peek(),
        };
        let ahead = Ahead::look(consumer)?;
        let body = match ahead.body_len() {
            Some(_) if ahead.is_by_reference() => FrameBody::Shared(self.ring.peek()?.clone()),
            Some(len) => {
                FrameBody::Slice(consumer.bytes().get(ahead.header_len()..ahead.header_len() + len)?)
            }
            None => match consumer.tail() {
                Some(BlockTail::Body(body)) => FrameBody::Shared(body.clone()),
                _ => FrameBody::Slice(&[]),
            },
        };
        Some(Frame { flags: ahead.flags(), body, metadata: self.metadata.as_ref(), address: Address::None })
    }

    /// Bytes of the next frame's body; `None` if there is no frame. Unlike [`peek`](LaneReader::peek) this touches no count of a
    /// shared body.
    #[inline(always)]
    pub fn next_len(&mut self) -> Option<usize> {
        self.next_flags()?;
        let consumer = match &self.from {
            ReadFrom::Blocks(consumer) => consumer,
            ReadFrom::Latest(latest) => return latest.peek().map(|frame| frame.body.len()),
        };
        let ahead = self.found?;
        match ahead.body_len() {
            Some(len) if !ahead.is_by_reference() => Some(len),
            Some(_) => self.ring.peek().map(|body| body.len()),
            None => match consumer.tail() {
                Some(BlockTail::Body(body)) => Some(body.len()),
                _ => Some(0),
            },
        }
    }

    /// Messages that can be read, including the rest of one begun.
    pub fn queued(&mut self) -> u64 {
        if !self.check() {
            return 0;
        }
        let consumer = match &self.from {
            ReadFrom::Blocks(consumer) => consumer,
            ReadFrom::Latest(latest) => return latest.messages(),
        };
        count_ahead(consumer, |flags| ends_message(flags) && flags & COMMAND == 0)
    }

    /// Whether more can be read than a routing id.
    pub fn holds_message(&mut self) -> bool {
        if !self.check() {
            return false;
        }
        let consumer = match &self.from {
            ReadFrom::Blocks(consumer) => consumer,
            ReadFrom::Latest(latest) => return latest.messages() > 0,
        };
        let Some(first) = Ahead::look(consumer) else { return false };
        if first.flags() & ROUTING_ID == 0 {
            return true;
        }
        let mut bytes = 0usize;
        consumer.spans(|span, _| {
            bytes = bytes.saturating_add(span.len());
            true
        });
        bytes > first.header_len() + first.body_len().unwrap_or(0)
    }

    /// Passes up to `most` messages at the front to `take`, as bytes in wire form and what they are. The lane
    /// moves past them unless `take` fails. The run is empty where something else comes first, such as a body
    /// by reference. Errors: those of `take`.
    pub fn pass_run(&mut self, most: u32, take: impl FnOnce(&[u8], Run) -> Result<()>) -> Result<Run> {
        if self.incomplete || !self.check() {
            return Ok(Run::default());
        }
        let ReadFrom::Blocks(consumer) = &mut self.from else { return Ok(Run::default()) };
        let run = Run::ahead(consumer.bytes(), most);
        if run.messages > 0 {
            take(consumer.bytes().get(..run.len).unwrap_or_default(), run)?;
            self.found = None;
            consumer.tell(run.messages);
            consumer.advance(run.len);
            self.record().read_frames(run.bytes, run.continuations);
            self.count_messages(run.messages);
        }
        Ok(run)
    }

    /// Drops the rest of a message of which frames have been read.
    pub fn skip_incomplete(&mut self) {
        while self.incomplete && self.read().is_some() {}
        self.incomplete = false;
    }

    /// Frees spare blocks.
    pub fn free_spares(&mut self) {
        if let ReadFrom::Blocks(consumer) = &mut self.from {
            consumer.free_spares();
        }
    }

    /// The blocks, for a connection that writes them as they are; `None` where the lane conflates.
    pub fn blocks(&mut self) -> Option<&mut Consumer<BlockTail>> {
        self.found = None;
        match &mut self.from {
            ReadFrom::Blocks(consumer) => Some(consumer),
            ReadFrom::Latest(_) => None,
        }
    }

    /// As [`check`](LaneReader::check), for a connection that writes blocks as they are: whether bytes can be
    /// read, of any frame.
    #[inline]
    pub fn check_bytes(&mut self) -> bool {
        match &mut self.from {
            ReadFrom::Blocks(consumer) => consumer.check(),
            ReadFrom::Latest(latest) => latest.next_flags().is_some(),
        }
    }

    /// Goes to the next border between messages, after bytes were passed without parsing frames. Drops the
    /// rest of a message of which some bytes have been sent.
    pub fn resync(&mut self) {
        self.found = None;
        let ReadFrom::Blocks(consumer) = &mut self.from else { return };
        let (bytes, passed, mut inside) = consumer.whole_block();
        let (mut start, mut ended) = (0, 0u32);
        // Blocks begin with a frame.
        while start < passed {
            let Some(header) = bytes.get(start..).and_then(Header::parse) else { break };
            inside = header.flags & MORE != 0;
            ended = ended.wrapping_add(u32::from(ends_message(header.flags)));
            start = start.saturating_add(header.frame_len());
        }
        let len = bytes.len();
        // The connection counted block by block; from here on the reader may count frame by frame.
        let mut messages = consumer.tell_up_to(ended);
        if start > len {
            // The frame's body is the tail, and some of it has been sent.
            consumer.advance(len - passed);
            drop(consumer.take_tail());
        } else {
            consumer.advance(start.saturating_sub(passed));
        }
        while inside && consumer.ready() {
            let Some(ahead) = Ahead::look(consumer) else { break };
            inside = ahead.flags() & MORE != 0;
            if ends_message(ahead.flags()) {
                consumer.tell(1);
                messages += 1;
            }
            skip(consumer, &ahead);
        }
        self.incomplete = false;
        self.count_messages(messages);
    }

    /// Takes note of how many messages wait, for a reader that takes many in one go.
    pub fn note_depth(&self) {
        self.record().note_depth_read(self.record().depth());
    }

    /// Counts messages that were sent through [`blocks`](LaneReader::blocks).
    pub fn count_messages(&mut self, messages: u32) {
        self.note_depth();
        if messages > 0 && self.granting.read(u64::from(messages)) {
            self.link.notify(self.side.other(), PipeEvent::Writable);
        }
    }

    /// Number of messages read so far, subscriptions among them.
    pub fn messages_read(&self) -> u64 {
        self.granting.messages_read()
    }

    /// The high-water mark in messages; 0 or less: none.
    pub fn hwm(&self) -> i32 {
        self.granting.hwm()
    }

    /// See [`Granting::heed_mark`].
    pub fn heed_mark(&mut self) {
        if matches!(self.from, ReadFrom::Blocks(_)) && self.granting.heed_mark() {
            self.link.notify(self.side.other(), PipeEvent::Writable);
        }
    }

    /// Sets the high-water mark in messages. The caller [heeds it](LaneReader::heed_mark) afterwards.
    pub fn set_hwm(&mut self, hwm: i32) {
        if matches!(self.from, ReadFrom::Blocks(_)) {
            self.granting.set_hwm(hwm);
        }
    }
}

impl Drop for LaneReader {
    /// What is left is lost, but subscriptions are no messages.
    fn drop(&mut self) {
        let record = self.granting.record();
        let left = match (record.requests_left(), &self.from) {
            (Some(left), _) => left,
            (None, ReadFrom::Blocks(consumer)) => count_ahead(consumer, |flags| flags & COMMAND != 0),
            (None, ReadFrom::Latest(_)) => 0,
        };
        record.leave_requests(left);
    }
}

/// Counts a frame of a message as read, or a subscription. A routing id is neither.
#[inline(always)]
fn count_frame(granting: &Granting, flags: u8, body: &FrameBody<'_>) {
    match flags & (COMMAND | ROUTING_ID) {
        0 => granting.record().read_frame(body.len(), flags & MORE != 0),
        COMMAND => granting.record().read_request(),
        _ => {}
    }
}

/// The frames ahead whose flags are wanted.
fn count_ahead(consumer: &Consumer<BlockTail>, wanted: impl Fn(u8) -> bool) -> u64 {
    let mut frames = 0;
    consumer.spans(|mut bytes, _| {
        while let Some(header) = Header::parse(bytes) {
            frames += u64::from(wanted(header.flags));
            bytes = bytes.get(header.frame_len()..).unwrap_or_default();
        }
        true
    });
    frames
}
