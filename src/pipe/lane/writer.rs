//! The writing side of a lane: lays each frame out in wire form, and publishes whole messages.
//!
//! A frame has a fast path, by [`write_inline`](LaneWriter::write_inline) and
//! [`write_by_reference`](LaneWriter::write_by_reference). It gives up where a new block is needed, or credit has to be
//! looked for. The caller then uses [`append`](LaneWriter::append).

use super::run::Run;
use super::weight::Weight;
use crate::counters::LaneRecord;
use crate::errno::{Errno, Result};
use crate::message::{
    BY_REFERENCE_MIN_BYTES, Body, COMMAND, IN_BODY_RING, MORE, Metadata, Msg, OutFrame, ROUTING_ID,
};
use crate::pipe::PipeEvent;
use crate::pipe::block_tail::BlockTail;
use crate::pipe::body_ring::RingWriter;
use crate::pipe::hwm::Spending;
use crate::pipe::latest::Latest;
use crate::pipe::link::{Link, Side};
use crate::pipe::reader_turns::ReaderTurns;
use crate::pipe::wire::Encoded;
use crate::queue::blocks::Producer;
use std::sync::Arc;

/// The writing side of a lane.
pub struct LaneWriter {
    to: WriteTo,
    spending: Spending,
    link: Arc<Link>,
    side: Side,
    /// The next flush has to wake the conflating lane's reader.
    wake: bool,
    weight: Weight,
    /// Present where the reader is a socket of this process.
    ring: Option<Box<RingWriter>>,
    /// The ring holds bodies whose frames are not published yet.
    bodies_unpublished: bool,
    /// The routing id of this end's owner is in the lane.
    named: bool,
    /// Notices beyond the mark since there was credit last.
    excess: u32,
}

/// Notices that may lie in a lane beyond its mark. A program that is so far behind misses those that follow, as it does messages.
const MAX_EXCESS_NOTICES: u32 = 8;

/// The thread that the writer has to wake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    NotNeeded,
    Reader,
}

/// Where frames are written to.
pub(super) enum WriteTo {
    Blocks(Producer<BlockTail>),
    /// The flag: the frames of a multipart message are being dropped.
    Latest(Latest, bool),
}

impl LaneWriter {
    /// The writing side of the lane that the owner of `side` writes to.
    pub(super) fn new(to: WriteTo, spending: Spending, link: Arc<Link>, side: Side) -> LaneWriter {
        LaneWriter {
            to,
            spending,
            link,
            side,
            wake: false,
            weight: Weight::default(),
            ring: None,
            bodies_unpublished: false,
            named: false,
            excess: 0,
        }
    }

    /// The lane's record.
    pub fn record(&self) -> &LaneRecord {
        self.spending.record()
    }

    /// Has large bodies passed by reference, where the reader is a socket of this process as well.
    pub fn go_by_reference(&mut self) {
        self.ring = Some(Box::default());
    }

    /// Whether both ends are open and credit is left. Where only credit is missing, the writer waits for
    /// [`PipeEvent::Writable`].
    #[inline(always)]
    pub fn check(&mut self) -> bool {
        self.is_open() && self.spending.check()
    }

    /// As [`check`](LaneWriter::check), with a look for credit only where the [limit](LaneWriter::forget_limit) is reached: for an owner that
    /// hears of other marks.
    #[inline(always)]
    pub fn check_limit(&mut self) -> bool {
        self.is_open() && (self.spending.within_limit() || self.spending.check())
    }

    /// As [`check`](LaneWriter::check), after that has found no credit: the reader is asked to [read now](crate::pipe::Notify::read_now),
    /// where the call has a turn left for it.
    #[cold]
    #[inline(never)]
    pub fn check_again(&mut self, turns: &mut ReaderTurns) -> bool {
        self.is_open() && turns.give(|| self.link.ask_to_read(self.side.other())) && self.check()
    }

    /// As [`check`](LaneWriter::check), without waiting.
    pub fn has_credit(&self) -> bool {
        self.is_open() && self.spending.has_credit()
    }

    /// Whether one message more may be appended that tells of a connection: it begins, or has ended. That needs no credit, as a program that
    /// is behind is to hear of it too. But a peer that comes and goes adds no more than a few to what a program does not read.
    pub fn takes_notice(&mut self) -> bool {
        self.excess = if self.spending.has_credit() { 0 } else { self.excess.saturating_add(1) };
        self.excess <= MAX_EXCESS_NOTICES
    }

    /// Whether both ends are open.
    #[inline(always)]
    pub fn is_open(&self) -> bool {
        self.link.is_open()
    }

    /// Appends a frame of a message, with or without credit. Errors: `ENOMEM`, with nothing appended.
    #[inline(always)]
    pub fn append(&mut self, frame: &mut OutFrame<'_>) -> Result<()> {
        let flags = if frame.more() { MORE } else { 0 };
        let WriteTo::Blocks(producer) = &mut self.to else {
            return self.append_latest(frame);
        };
        let len = if frame.is_copied() && !(self.ring.is_some() && frame.has_body_to_hand_over()) {
            let body = frame.data();
            match u8::try_from(body.len()) {
                Ok(len) => producer.append([&[flags, len], body])?,
                Err(_) => producer.append([Encoded::new(flags, body.len()).as_slice(), body])?,
            }
            if flags == 0 {
                producer.end_messages(1);
            }
            body.len()
        } else {
            let body = frame.share()?.clone();
            let len = body.len();
            if let Some(ring) = &mut self.ring
                && ring.offer(producer)?
            {
                ring.append(producer, flags, body)?;
                self.bodies_unpublished = true;
            } else {
                append_shared(producer, flags, body)?;
                self.weight.add(self.spending.written(), len);
            }
            len
        };
        self.record().wrote_frame(len, flags != 0);
        if flags == 0 {
            self.spending.wrote(1);
        }
        Ok(())
    }

    /// Writes a small frame of the program, and publishes the message if the frame ends it. `None`: the fast
    /// path cannot take it, and nothing was written.
    ///
    /// It asks neither whether both ends are open nor what the mark is: each owner that hears of a change
    /// [forgets the limit](LaneWriter::forget_limit).
    #[inline(always)]
    pub fn write_inline(&mut self, body: &[u8], more: bool) -> Option<Wake> {
        let WriteTo::Blocks(producer) = &mut self.to else { return None };
        if !self.spending.within_limit() || self.bodies_unpublished {
            return None;
        }
        match u8::try_from(body.len()) {
            Ok(len) => write_frame(producer, &self.spending, more, |flags| [flags, len], body),
            Err(_) if body.len() < BY_REFERENCE_MIN_BYTES => {
                write_frame(producer, &self.spending, more, |flags| Encoded::new(flags, body.len()), body)
            }
            Err(_) => None,
        }
    }

    /// As [`write_inline`](LaneWriter::write_inline), for the large body of a message that owns it. The reader
    /// gets the body itself, and `message` becomes empty.
    #[inline]
    pub fn write_by_reference(&mut self, message: &mut Msg, more: bool) -> Option<Wake> {
        let (WriteTo::Blocks(producer), Some(ring)) = (&mut self.to, &mut self.ring) else { return None };
        if !self.spending.within_limit() || !ring.has_room() {
            return None;
        }
        let flags = if more { MORE | IN_BODY_RING } else { IN_BODY_RING };
        if !message.has_own_body() || !producer.append_here(&[flags, 0], &[]) {
            return None;
        }
        if let Some(body) = message.take_body() {
            self.spending.record().wrote_frame(body.len(), more);
            ring.hold(body);
        }
        self.bodies_unpublished = more;
        if more {
            return Some(Wake::NotNeeded);
        }
        ring.publish();
        producer.end_messages(1);
        self.spending.wrote(1);
        Some(if producer.publish() { Wake::Reader } else { Wake::NotNeeded })
    }

    /// Whether large bodies may be passed by reference.
    #[inline(always)]
    pub fn goes_by_reference(&self) -> bool {
        self.ring.is_some()
    }

    /// Bytes of the large bodies of the last message appended.
    pub fn last_weight(&self) -> usize {
        self.weight.of(self.spending.written().wrapping_sub(1))
    }

    #[cold]
    fn append_latest(&mut self, frame: &mut OutFrame<'_>) -> Result<()> {
        let message = frame.to_msg()?;
        if let WriteTo::Latest(latest, dropping) = &mut self.to {
            let record = self.spending.record();
            record.wrote_frame(message.len(), frame.more());
            if frame.more() {
                *dropping = true;
                return Ok(());
            }
            record.wrote(1);
            // Frames of a multipart message are dropped: the option promises single frames.
            if std::mem::take(dropping) {
                record.replaced();
                return Ok(());
            }
            let put = latest.put(message);
            if put.replaced {
                record.replaced();
            }
            self.wake |= put.wake;
        }
        Ok(())
    }

    /// Appends a run of whole messages in wire form; the caller keeps within the credit. Errors: `ENOMEM`,
    /// with nothing appended.
    pub fn append_run(&mut self, frames: &[u8], run: Run) -> Result<()> {
        if let WriteTo::Blocks(producer) = &mut self.to {
            producer.append([frames, b""])?;
            self.count_messages(run.messages);
            self.record().wrote_frames(run.bytes, run.continuations);
        }
        Ok(())
    }

    /// See [`Producer::prepare`](crate::queue::blocks::Producer::prepare).
    #[inline(always)]
    pub fn prepare(&self) {
        if let WriteTo::Blocks(producer) = &self.to {
            producer.prepare();
        }
    }

    /// Whether messages may be appended in wire form.
    pub fn takes_runs(&self) -> bool {
        matches!(self.to, WriteTo::Blocks(_))
    }

    /// Appends a frame that is part of no message and costs no credit; a lane that conflates carries none. Errors: `ENOMEM`.
    fn append_aside(&mut self, flags: u8, parts: [&[u8]; 2]) -> Result<()> {
        let WriteTo::Blocks(producer) = &mut self.to else { return Ok(()) };
        let [first, second] = parts;
        let header = Encoded::new(flags, first.len() + second.len());
        let mut frame = Vec::new();
        if frame.try_reserve(header.as_slice().len() + first.len()).is_err() {
            return Err(Errno::NOMEM);
        }
        frame.extend_from_slice(header.as_slice());
        frame.extend_from_slice(first);
        producer.append([&frame, second])?;
        producer.end_aside();
        Ok(())
    }

    /// Appends the routing id of this end's owner. Errors: `ENOMEM`.
    pub fn append_routing_id(&mut self, routing_id: &[u8]) -> Result<()> {
        if let WriteTo::Latest(latest, _) = &self.to {
            self.wake |= latest.put_routing_id(Body::copy_from(routing_id)?);
        } else {
            self.append_aside(ROUTING_ID, [routing_id, b""])?;
        }
        self.named = true;
        Ok(())
    }

    /// Whether the reader gets a routing id, or has it. A pipe has the same for all of its connections.
    pub fn is_named(&self) -> bool {
        self.named
    }

    /// Appends a SUBSCRIBE or CANCEL command, with or without credit. It counts as a message, so that a
    /// connection can stop reading when more of them arrive than the socket takes. Errors: `ENOMEM`.
    pub fn append_subscription(&mut self, subscribe: bool, topic: &[u8]) -> Result<()> {
        self.append_subscription_request(if subscribe { b"\x09SUBSCRIBE" } else { b"\x06CANCEL" }, topic)
    }

    /// Appends a JOIN or LEAVE command, as [`append_subscription`](LaneWriter::append_subscription) does. Errors:
    /// `ENOMEM`.
    pub fn append_membership(&mut self, join: bool, group: &[u8]) -> Result<()> {
        self.append_subscription_request(if join { b"\x04JOIN" } else { b"\x05LEAVE" }, group)
    }

    /// Appends a subscription request, whose body is `name` and then `what`. Errors: `ENOMEM`.
    pub fn append_subscription_request(&mut self, name: &[u8], what: &[u8]) -> Result<()> {
        self.append_aside(COMMAND, [name, what])?;
        self.count_messages(1);
        self.record().wrote_request();
        Ok(())
    }

    /// Notes that frames from here on come from another connection. Errors: `ENOMEM`.
    pub fn append_properties(&mut self, metadata: Arc<Metadata>) -> Result<()> {
        match &mut self.to {
            WriteTo::Blocks(producer) => producer.attach(BlockTail::Properties(metadata)),
            WriteTo::Latest(..) => Ok(()),
        }
    }

    /// Publishes what was appended and wakes the reader if it sleeps. Call it at the end of a message.
    #[inline(always)]
    pub fn flush(&mut self) {
        if self.bodies_unpublished {
            self.publish_bodies();
        }
        let wake = match &mut self.to {
            WriteTo::Blocks(producer) => producer.publish(),
            WriteTo::Latest(..) => std::mem::take(&mut self.wake),
        };
        if wake {
            self.wake_reader();
        }
    }

    /// Takes note of how many messages wait, for a writer that publishes by the batch.
    pub fn note_depth(&self) {
        self.spending.note_depth();
    }

    /// Wakes the reader, for which messages were published while it slept.
    pub fn wake_reader(&self) {
        self.link.notify(self.side.other(), PipeEvent::Readable);
    }

    /// Removes an incomplete message.
    pub fn rollback(&mut self) {
        self.weight = Weight::default();
        match &mut self.to {
            WriteTo::Blocks(producer) => producer.rollback(),
            WriteTo::Latest(_, dropping) => *dropping = false,
        }
        // After the blocks, which may hold the ring's switch.
        self.bodies_unpublished = false;
        if let Some(ring) = &mut self.ring {
            ring.rollback();
        }
    }

    fn publish_bodies(&mut self) {
        self.bodies_unpublished = false;
        if let Some(ring) = &mut self.ring {
            ring.publish();
        }
    }

    /// Messages that were written and are not known to be read.
    pub fn queued(&self) -> u64 {
        self.spending.queued()
    }

    /// See [`Spending::forget_limit`]. The next message looks again whether both ends are open, too.
    pub fn forget_limit(&mut self) {
        self.spending.forget_limit();
    }

    /// See [`Spending::resumes`].
    pub fn resumes(&mut self) -> bool {
        self.is_open() && self.spending.resumes()
    }

    /// The high-water mark in messages; 0: none.
    pub fn hwm(&self) -> i32 {
        self.spending.mark()
    }

    /// Sets the high-water mark in messages.
    pub fn set_hwm(&mut self, hwm: i32) {
        if matches!(self.to, WriteTo::Blocks(_)) {
            self.spending.set_hwm(hwm);
        }
    }

    /// Whether something was appended since the last flush.
    pub fn unpublished(&self) -> bool {
        match &self.to {
            WriteTo::Blocks(producer) => producer.unpublished(),
            WriteTo::Latest(..) => false,
        }
    }

    /// Frees spare blocks.
    pub fn free_spares(&mut self) {
        if let WriteTo::Blocks(producer) = &mut self.to {
            producer.free_spares();
        }
    }

    /// The blocks, for a connection that receives into them; `None` where the lane conflates.
    pub fn blocks(&mut self) -> Option<&mut Producer<BlockTail>> {
        match &mut self.to {
            WriteTo::Blocks(producer) => Some(producer),
            WriteTo::Latest(..) => None,
        }
    }

    /// Appends the body, by reference, of a frame whose header has just been accepted into
    /// [`blocks`](LaneWriter::blocks). Errors: `ENOMEM`, with the body dropped and nothing else changed.
    pub fn append_body(&mut self, more: bool, body: Body) -> Result<()> {
        let WriteTo::Blocks(producer) = &mut self.to else { return Ok(()) };
        if !more {
            // Before the tail: the reader counts the message when it passes the header's block.
            producer.end_messages(1);
        }
        let (ended, len) = (u32::from(!more), body.len());
        producer.attach(BlockTail::Body(body)).inspect_err(|_| producer.take_back(0, ended))?;
        self.record().wrote_frame(len, more);
        if !more {
            self.spending.wrote(1);
        }
        Ok(())
    }

    /// Counts messages, the last of which ended with the bytes just accepted into
    /// [`blocks`](LaneWriter::blocks).
    #[inline]
    pub fn count_messages(&mut self, messages: u32) {
        if let WriteTo::Blocks(producer) = &mut self.to {
            producer.end_messages(messages);
            self.spending.wrote(u64::from(messages));
        }
    }

    /// Counts a subscription, which [`count_messages`](LaneWriter::count_messages) has counted as a message.
    pub fn count_request(&self) {
        self.record().wrote_request();
    }

    /// Number of messages written so far, of those too that were replaced.
    pub fn written(&self) -> u64 {
        self.spending.written()
    }

    /// Number of messages that may be written now; 0 where an end is closed.
    #[inline]
    pub fn credit(&self) -> u64 {
        if self.is_open() { self.spending.credit() } else { 0 }
    }
}

/// Writes a frame where the block has room for it, and publishes the message that it ends.
#[inline(always)]
fn write_frame<H: AsRef<[u8]>>(
    producer: &mut Producer<BlockTail>,
    spending: &Spending,
    more: bool,
    header: impl FnOnce(u8) -> H,
    body: &[u8],
) -> Option<Wake> {
    if more {
        let written = producer.append_here(header(MORE).as_ref(), body);
        return written.then(|| {
            spending.record().wrote_continuation(body.len());
            Wake::NotNeeded
        });
    }
    let slept =
        producer.append_and_publish(header(0).as_ref(), body, || spending.record().wrote_last(body.len()))?;
    Some(if slept { Wake::Reader } else { Wake::NotNeeded })
}

fn append_shared(producer: &mut Producer<BlockTail>, flags: u8, body: Body) -> Result<()> {
    let header = Encoded::new(flags, body.len());
    producer.append([header.as_slice(), b""])?;
    let ended = u32::from(flags & MORE == 0);
    if ended > 0 {
        producer.end_messages(ended);
    }
    // A header without its body would corrupt the frames that follow.
    producer.attach(BlockTail::Body(body)).inspect_err(|_| producer.take_back(header.as_slice().len(), ended))
}
