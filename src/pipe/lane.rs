//! One direction of a pipe: frames in wire form in a list of blocks, or the latest message alone.

mod plain;
mod run;
mod weight;

pub use plain::{Plain, Wake};
pub use run::Run;

use super::PipeEvent;
use super::ahead::{Ahead, ends_message, find, skip};
use super::by_hand::{Hands, HandsIn, HandsOut};
use super::hwm::{self, Granting, Spending};
use super::latest::Latest;
use super::link::{Link, Side};
use super::wire::{Encoded, Header};
use crate::errno::Result;
use crate::message::{Address, Body, COMMAND, Frame, FrameBody, MORE, Metadata, Msg, OutFrame, ROUTING_ID};
use crate::queue::blocks::{self, Consumer, Producer};
use std::sync::Arc;
use weight::Weight;

/// What may stand between two blocks of a lane.
pub enum Tail {
    /// The body of the frame whose header ends the block.
    Body(Body),
    /// Frames from here on come from a connection with these properties.
    Properties(Arc<Metadata>),
    /// Bodies of frames from here on go by this ring.
    Hands(Hands),
}

/// How a lane is made.
#[derive(Clone, Copy, Debug)]
pub struct LaneOptions {
    /// Messages the lane holds at most; 0 or less: no limit.
    pub hwm: i32,
    /// Keep the latest message only.
    pub conflate: bool,
}

/// Makes the lane that the owner of `writer`'s end writes to. Errors: `ENOMEM`.
pub fn lane(link: &Arc<Link>, writer: Side, options: LaneOptions) -> Result<(LaneWriter, LaneReader)> {
    let (spending, granting) = hwm::account(if options.conflate { 0 } else { options.hwm });
    let (into, from) = if options.conflate {
        let latest = Latest::default();
        (Into::Latest(latest.clone(), false), From::Latest(latest))
    } else {
        let (producer, consumer) = blocks::queue()?;
        (Into::Blocks(producer), From::Blocks(consumer))
    };
    let writer_end = LaneWriter {
        into,
        spending,
        link: Arc::clone(link),
        side: writer,
        wake: false,
        weight: Weight::default(),
        hands: None,
        hands_full: false,
    };
    let reader_end = LaneReader {
        from,
        granting,
        link: Arc::clone(link),
        side: writer.other(),
        metadata: None,
        incomplete: false,
        found: None,
        hands: HandsIn::default(),
    };
    Ok((writer_end, reader_end))
}

enum Into {
    Blocks(Producer<Tail>),
    /// And whether the frames of a multipart message are being dropped.
    Latest(Latest, bool),
}

enum From {
    Blocks(Consumer<Tail>),
    Latest(Latest),
}

/// The writing side of a lane.
pub struct LaneWriter {
    into: Into,
    spending: Spending,
    link: Arc<Link>,
    side: Side,
    /// A conflating lane's reader is to be woken at the next flush.
    wake: bool,
    weight: Weight,
    /// Where the reader is a socket of this process.
    hands: Option<Box<HandsOut>>,
    /// Bodies go by hand of which the frames are not published yet.
    hands_full: bool,
}

/// The reading side of a lane.
pub struct LaneReader {
    from: From,
    granting: Granting,
    link: Arc<Link>,
    side: Side,
    /// Properties of the connection that frames come from now.
    metadata: Option<Arc<Metadata>>,
    /// The last frame read was not its message's last.
    incomplete: bool,
    /// The frame that lies ahead, once it was looked at, until it is taken or somebody else moves on.
    found: Option<Ahead>,
    hands: HandsIn,
}

impl LaneWriter {
    /// Says that the reader is a socket as well: large bodies go there from hand to hand.
    pub fn go_by_hand(&mut self) {
        self.hands = Some(Box::default());
    }

    /// Whether both ends are open and credit is left; if credit alone is missing, the writer then waits for
    /// [`PipeEvent::Writable`].
    #[inline(always)]
    pub fn check(&mut self) -> bool {
        self.open() && self.spending.check()
    }

    /// As [`check`](LaneWriter::check), without waiting.
    pub fn has_credit(&self) -> bool {
        self.open() && self.spending.has_credit()
    }

    #[inline(always)]
    fn open(&self) -> bool {
        self.link.is_open()
    }

    /// Appends a frame of a message, whatever the credit. Errors: `ENOMEM`, with nothing appended.
    #[inline(always)]
    pub fn append(&mut self, frame: &mut OutFrame<'_>) -> Result<()> {
        let flags = if frame.more() { MORE } else { 0 };
        let Into::Blocks(producer) = &mut self.into else {
            return self.append_latest(frame);
        };
        if frame.is_copied() && !(self.hands.is_some() && frame.has_body_to_hand_over()) {
            let body = frame.data();
            producer.append([Encoded::new(flags, body.len()).as_slice(), body])?;
            if flags == 0 {
                producer.end_messages(1);
            }
        } else {
            let body = frame.share()?.clone();
            let len = body.len();
            if let Some(hands) = &mut self.hands
                && hands.offer(producer)?
            {
                hands.append(producer, flags, body)?;
                self.hands_full = true;
            } else {
                append_shared(producer, flags, body)?;
                self.weight.add(self.spending.written(), len);
            }
        }
        if flags == 0 {
            self.spending.wrote(1);
        }
        Ok(())
    }

    /// Bytes of the large bodies of the last message that was appended.
    pub fn last_weight(&self) -> usize {
        self.weight.of(self.spending.written().wrapping_sub(1))
    }

    #[cold]
    fn append_latest(&mut self, frame: &mut OutFrame<'_>) -> Result<()> {
        let message = frame.to_msg()?;
        if let Into::Latest(latest, dropping) = &mut self.into {
            // Frames of a multipart message do not pass: the option promises single frames.
            if !frame.more() && !*dropping {
                self.wake |= latest.put(message);
            }
            *dropping = frame.more();
        }
        Ok(())
    }

    /// Appends a frame that is part of no message and costs no credit. Errors: `ENOMEM`.
    fn append_aside(&mut self, flags: u8, parts: [&[u8]; 2]) -> Result<()> {
        let Into::Blocks(producer) = &mut self.into else { return Ok(()) };
        let [first, second] = parts;
        let header = Encoded::new(flags, first.len() + second.len());
        let mut frame = Vec::new();
        if frame.try_reserve(header.as_slice().len() + first.len()).is_err() {
            return Err(crate::errno::Errno::NOMEM);
        }
        frame.extend_from_slice(header.as_slice());
        frame.extend_from_slice(first);
        producer.append([&frame, second])?;
        producer.end_aside();
        Ok(())
    }

    /// Appends the routing id of this end's owner. Errors: `ENOMEM`.
    pub fn append_routing_id(&mut self, routing_id: &[u8]) -> Result<()> {
        self.append_aside(ROUTING_ID, [routing_id, b""])
    }

    /// Appends a SUBSCRIBE or CANCEL command, whatever the credit; it counts as a message, so that a connection can
    /// stop to take more of them in than are read. Errors: `ENOMEM`.
    pub fn append_subscription(&mut self, subscribe: bool, topic: &[u8]) -> Result<()> {
        self.append_wish(if subscribe { b"\x09SUBSCRIBE" } else { b"\x06CANCEL" }, topic)
    }

    /// Appends a JOIN or LEAVE command, as [`append_subscription`](LaneWriter::append_subscription) does. Errors:
    /// `ENOMEM`.
    pub fn append_membership(&mut self, join: bool, group: &[u8]) -> Result<()> {
        self.append_wish(if join { b"\x04JOIN" } else { b"\x05LEAVE" }, group)
    }

    /// Appends the body of any such command. Errors: `ENOMEM`.
    pub fn append_wish(&mut self, name: &[u8], what: &[u8]) -> Result<()> {
        self.append_aside(COMMAND, [name, what])?;
        self.count_messages(1);
        Ok(())
    }

    /// Says that frames from here on come from another connection. Errors: `ENOMEM`.
    pub fn append_properties(&mut self, metadata: Arc<Metadata>) -> Result<()> {
        match &mut self.into {
            Into::Blocks(producer) => producer.attach(Tail::Properties(metadata)),
            Into::Latest(..) => Ok(()),
        }
    }

    /// Makes what was appended visible and wakes the reader if it sleeps. Call it at the end of a message.
    #[inline(always)]
    pub fn flush(&mut self) {
        if self.hands_full {
            self.hand_over();
        }
        let wake = match &mut self.into {
            Into::Blocks(producer) => producer.publish(),
            Into::Latest(..) => std::mem::take(&mut self.wake),
        };
        if wake {
            self.wake_reader();
        }
    }

    /// Tells the reader of what was published while it slept.
    pub fn wake_reader(&self) {
        self.link.notify(self.side.other(), PipeEvent::Readable);
    }

    /// Takes back an incomplete message.
    pub fn rollback(&mut self) {
        self.weight = Weight::default();
        match &mut self.into {
            Into::Blocks(producer) => producer.rollback(),
            Into::Latest(_, dropping) => *dropping = false,
        }
        // After the blocks, which may hold a part of it.
        self.hands_full = false;
        if let Some(hands) = &mut self.hands {
            hands.rollback();
        }
    }

    fn hand_over(&mut self) {
        self.hands_full = false;
        if let Some(hands) = &mut self.hands {
            hands.publish();
        }
    }

    /// Messages that were written and are not known to be read.
    pub fn queued(&self) -> u64 {
        self.spending.queued()
    }

    /// Sets the high-water mark in messages.
    pub fn set_hwm(&mut self, hwm: i32) {
        if matches!(self.into, Into::Blocks(_)) {
            self.spending.set_hwm(hwm);
        }
    }

    /// Whether something was appended since the last flush.
    pub fn unpublished(&self) -> bool {
        match &self.into {
            Into::Blocks(producer) => producer.unpublished(),
            Into::Latest(..) => false,
        }
    }

    /// The blocks, for a connection that receives straight into them; `None` where the lane conflates.
    pub fn blocks(&mut self) -> Option<&mut Producer<Tail>> {
        match &mut self.into {
            Into::Blocks(producer) => Some(producer),
            Into::Latest(..) => None,
        }
    }

    /// Appends the by-reference body of a frame whose header has just been accepted into
    /// [`blocks`](LaneWriter::blocks). Errors: `ENOMEM`.
    pub fn append_body(&mut self, more: bool, body: Body) -> Result<()> {
        let Into::Blocks(producer) = &mut self.into else { return Ok(()) };
        if !more {
            // Before the tail: the reader counts the message when it passes the header's block.
            producer.end_messages(1);
        }
        producer.attach(Tail::Body(body))?;
        if !more {
            self.spending.wrote(1);
        }
        Ok(())
    }

    /// Counts messages, the last of which ended with what was just accepted into [`blocks`](LaneWriter::blocks).
    #[inline]
    pub fn count_messages(&mut self, messages: u32) {
        if let Into::Blocks(producer) = &mut self.into {
            producer.end_messages(messages);
            self.spending.wrote(u64::from(messages));
        }
    }

    /// How many messages may be written now; 0 where an end is closed.
    #[inline]
    pub fn credit(&self) -> u64 {
        if self.open() { self.spending.credit() } else { 0 }
    }
}

fn append_shared(producer: &mut Producer<Tail>, flags: u8, body: Body) -> Result<()> {
    let header = Encoded::new(flags, body.len());
    producer.append([header.as_slice(), b""])?;
    let ended = u32::from(flags & MORE == 0);
    if ended > 0 {
        producer.end_messages(ended);
    }
    // A header without its body would break all that follows.
    producer.attach(Tail::Body(body)).inspect_err(|_| producer.take_back(header.as_slice().len(), ended))
}

impl LaneReader {
    /// Whether a frame lies ahead. `false` leaves the reader asleep until [`PipeEvent::Readable`].
    #[inline]
    pub fn check(&mut self) -> bool {
        self.next_flags().is_some()
    }

    /// As [`check`](LaneReader::check), with the flags of the frame that lies ahead.
    #[inline(always)]
    pub fn next_flags(&mut self) -> Option<u8> {
        if let Some(found) = &self.found {
            return Some(found.flags());
        }
        match &mut self.from {
            From::Blocks(consumer) => {
                self.found = find(consumer, &mut self.metadata, &mut self.hands);
                self.found.as_ref().map(|found| found.flags())
            }
            From::Latest(latest) => latest.check().then_some(0),
        }
    }

    /// Properties of the connection that the frame ahead comes from. Ask after [`check`](LaneReader::check) said
    /// `true`.
    pub fn metadata(&self) -> Option<&Arc<Metadata>> {
        self.metadata.as_ref()
    }

    /// Whether the other end is closed and everything it wrote has been read. Ask after [`check`](Self::check)
    /// said `false`.
    pub fn ended(&mut self) -> bool {
        // Closed is stored after the last publish: seeing it, everything published can be seen as well.
        self.link.is_closed(self.side.other()) && !self.check()
    }

    /// As [`ended`](Self::ended), after [`check_bytes`](Self::check_bytes) said `false`.
    pub fn bytes_ended(&mut self) -> bool {
        self.link.is_closed(self.side.other()) && !self.check_bytes()
    }

    /// Takes the next frame; `None` if there is none.
    #[inline(always)]
    pub fn read(&mut self) -> Option<Frame<'_>> {
        let consumer = match &mut self.from {
            From::Blocks(consumer) => consumer,
            From::Latest(latest) => {
                let message = latest.check().then(|| latest.take())??;
                return Some(Frame::owned(message));
            }
        };
        let ahead = match self.found.take() {
            Some(found) => found,
            None => find(consumer, &mut self.metadata, &mut self.hands)?,
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
                match ahead.is_by_hand().then(|| self.hands.take()).flatten() {
                    Some(body) => FrameBody::Shared(body),
                    None => FrameBody::Slice(consumer.passed(len)),
                }
            }
            None => {
                consumer.advance(ahead.header_len());
                match consumer.take_tail() {
                    Some(Tail::Body(body)) => FrameBody::Shared(body),
                    _ => FrameBody::Slice(&[]),
                }
            }
        };
        Some(Frame { flags: ahead.flags(), body, metadata: self.metadata.as_ref(), address: Address::None })
    }

    /// The next frame, left where it is.
    pub fn peek(&mut self) -> Option<Frame<'_>> {
        if !self.check() {
            return None;
        }
        let consumer = match &self.from {
            From::Blocks(consumer) => consumer,
            From::Latest(latest) => return latest.peek().map(Frame::owned),
        };
        let ahead = Ahead::look(consumer)?;
        let body = match ahead.body_len() {
            Some(_) if ahead.is_by_hand() => FrameBody::Shared(self.hands.peek()?.clone()),
            Some(len) => {
                FrameBody::Slice(consumer.bytes().get(ahead.header_len()..ahead.header_len() + len)?)
            }
            None => match consumer.tail() {
                Some(Tail::Body(body)) => FrameBody::Shared(body.clone()),
                _ => FrameBody::Slice(&[]),
            },
        };
        Some(Frame { flags: ahead.flags(), body, metadata: self.metadata.as_ref(), address: Address::None })
    }

    /// Messages that can be read, in whole or their rest.
    pub fn queued(&mut self) -> u64 {
        if !self.check() {
            return 0;
        }
        let From::Blocks(consumer) = &self.from else { return 1 };
        let mut messages = 0;
        consumer.spans(|mut bytes, _| {
            while let Some(header) = Header::parse(bytes) {
                messages += u64::from(ends_message(header.flags) && header.flags & COMMAND == 0);
                bytes = bytes.get(header.frame_len()..).unwrap_or_default();
            }
            true
        });
        messages
    }

    /// Whether more lies ahead than a routing id.
    pub fn holds_message(&mut self) -> bool {
        if !self.check() {
            return false;
        }
        let From::Blocks(consumer) = &self.from else { return true };
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

    /// Drops the rest of a message of which frames were read already.
    pub fn skip_incomplete(&mut self) {
        while self.incomplete && self.read().is_some() {}
        self.incomplete = false;
    }

    /// The latest message of a conflating lane; `None` where the lane does not conflate or has none.
    pub fn take_latest(&mut self) -> Option<Msg> {
        match &self.from {
            From::Latest(latest) => latest.take(),
            From::Blocks(_) => None,
        }
    }

    /// The blocks, for a connection that writes them out as they are; `None` where the lane conflates.
    pub fn blocks(&mut self) -> Option<&mut Consumer<Tail>> {
        self.found = None;
        match &mut self.from {
            From::Blocks(consumer) => Some(consumer),
            From::Latest(_) => None,
        }
    }

    /// As [`check`](LaneReader::check) where frames leave as they lie: whether bytes lie ahead, in whatever frame.
    #[inline]
    pub fn check_bytes(&mut self) -> bool {
        match &mut self.from {
            From::Blocks(consumer) => consumer.check(),
            From::Latest(latest) => latest.check(),
        }
    }

    /// Goes to the next border between messages, where bytes were passed without looking at frames: drops the rest
    /// of a message of which some has left already.
    pub fn resync(&mut self) {
        self.found = None;
        let From::Blocks(consumer) = &mut self.from else { return };
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
        // The connection has counted block by block; from here on it may be frame by frame.
        let mut messages = consumer.tell_up_to(ended);
        if start > len {
            // The frame's body is the tail, and was begun.
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

    /// Counts messages that left through [`blocks`](LaneReader::blocks).
    pub fn count_messages(&mut self, messages: u32) {
        if messages > 0 && self.granting.read(u64::from(messages)) {
            self.link.notify(self.side.other(), PipeEvent::Writable);
        }
    }

    /// The high-water mark in messages; 0 or less: none.
    pub fn hwm(&self) -> i32 {
        self.granting.hwm()
    }

    /// Sets the high-water mark in messages.
    pub fn set_hwm(&mut self, hwm: i32) {
        if matches!(self.from, From::Blocks(_)) && self.granting.set_hwm(hwm) {
            self.link.notify(self.side.other(), PipeEvent::Writable);
        }
    }
}
