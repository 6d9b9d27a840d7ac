//! The short way of a frame into a lane and out of it, where nothing about it is out of the ordinary. Whatever is goes the long
//! way, [`append`](LaneWriter::append) and [`read`](LaneReader::read): a new block, a reader or a writer that sleeps, a body that
//! travels by reference.

use super::{From, Into, LaneReader, LaneWriter, Tail};
use crate::message::{BY_REFERENCE_MIN_BYTES, Body, COMMAND, IN_BODY_RING, MORE, Metadata, Msg, ROUTING_ID};
use crate::pipe::hwm::Granting;
use crate::pipe::wire::{Encoded, Header};
use crate::queue::blocks::Consumer;
use std::sync::Arc;

/// A frame of a message whose body lies in its block.
pub struct InlineFrame<'a> {
    pub more: bool,
    pub body: &'a [u8],
    /// Properties of the connection that it came from.
    pub metadata: Option<&'a Arc<Metadata>>,
}

/// Whether the reader has fallen asleep meanwhile, so that whoever wrote has to wake it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    Nobody,
    Reader,
}

impl LaneWriter {
    /// Writes a small frame of the program's, and shows the message if it ends it. `None`: it has to go the long way, and nothing
    /// was written.
    #[inline(always)]
    pub fn write_inline(&mut self, body: &[u8], more: bool) -> Option<Wake> {
        let Into::Blocks(producer) = &mut self.into else { return None };
        if producer.reader_sleeps()
            || !self.link.is_open()
            || !self.spending.within_limit()
            || self.bodies_unpublished
        {
            return None;
        }
        let flags = if more { MORE } else { 0 };
        let written = match u8::try_from(body.len()) {
            Ok(len) => producer.append_here(&[flags, len], body),
            Err(_) if body.len() < BY_REFERENCE_MIN_BYTES => {
                producer.append_here(Encoded::new(flags, body.len()).as_slice(), body)
            }
            Err(_) => false,
        };
        if !written {
            return None;
        }
        if more {
            return Some(Wake::Nobody);
        }
        producer.end_messages(1);
        self.spending.wrote(1);
        Some(if producer.publish() { Wake::Reader } else { Wake::Nobody })
    }

    /// As [`write_inline`](LaneWriter::write_inline), for a large body of a message that is nothing else: the reader gets the body
    /// itself, and the empty message stays.
    #[inline]
    pub fn write_by_reference(&mut self, message: &mut Msg, more: bool) -> Option<Wake> {
        let (Into::Blocks(producer), Some(ring)) = (&mut self.into, &mut self.ring) else { return None };
        if producer.reader_sleeps()
            || !self.link.is_open()
            || !self.spending.within_limit()
            || !ring.has_room()
        {
            return None;
        }
        let flags = if more { MORE | IN_BODY_RING } else { IN_BODY_RING };
        if !message.has_own_body() || !producer.append_here(&[flags, 0], &[]) {
            return None;
        }
        if let Some(body) = message.take_body() {
            ring.hold(body);
        }
        self.bodies_unpublished = more;
        if more {
            return Some(Wake::Nobody);
        }
        ring.publish();
        producer.end_messages(1);
        self.spending.wrote(1);
        Some(if producer.publish() { Wake::Reader } else { Wake::Nobody })
    }

    /// Whether large bodies may go that way.
    #[inline(always)]
    pub fn goes_by_reference(&self) -> bool {
        self.ring.is_some()
    }
}

impl LaneReader {
    /// Takes a frame of a message that lies whole in the block that is being read. `None`: there is none, its body is not wanted, or it
    /// has to go the long way; nothing was taken, and the reader does not sleep. Who is `alone` with the lane, and has no other to read, may
    /// be made to wait for 1 µs.
    #[inline(always)]
    pub fn read_inline(
        &mut self,
        alone: bool,
        wanted: impl FnOnce(&[u8]) -> bool,
    ) -> Option<InlineFrame<'_>> {
        let From::Blocks(consumer) = &mut self.from else { return None };
        if !consumer.ready_here(alone) {
            return None;
        }
        let bytes = consumer.bytes();
        let header = Header::parse(bytes)?;
        let len = header.frame_len();
        if header.flags & (COMMAND | ROUTING_ID | IN_BODY_RING) != 0 || len > bytes.len() {
            return None;
        }
        if !wanted(bytes.get(header.len..len)?) {
            return None;
        }
        let more = header.flags & MORE != 0;
        if !more && !count(consumer, &mut self.granting) {
            return None;
        }
        self.found = None;
        self.incomplete = more;
        consumer.pass(len);
        Some(InlineFrame { more, body: consumer.passed(len - header.len), metadata: self.metadata.as_ref() })
    }

    /// As [`read_inline`](LaneReader::read_inline), for a body that goes by the ring; and whether more frames follow.
    #[inline]
    pub fn read_by_reference(&mut self) -> Option<(Body, bool)> {
        let From::Blocks(consumer) = &mut self.from else { return None };
        if !consumer.ready_here(false) || self.metadata.is_some() {
            return None;
        }
        let header = Header::parse(consumer.bytes())?;
        if header.flags & IN_BODY_RING == 0 || !self.ring.has_ours() {
            return None;
        }
        let more = header.flags & MORE != 0;
        if !more && !count(consumer, &mut self.granting) {
            return None;
        }
        self.found = None;
        self.incomplete = more;
        consumer.pass(header.len);
        self.ring.take().map(|body| (body, more))
    }
}

/// Counts a message as read. `false`: there is credit to be given, which is for the long way.
#[inline(always)]
fn count(consumer: &mut Consumer<Tail>, granting: &mut Granting) -> bool {
    let within = granting.read_within_batch();
    if within {
        consumer.tell(1);
    }
    within
}
