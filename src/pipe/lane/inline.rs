//! The fast path of a frame into a lane and out of it. It gives up where a new block is needed, the other
//! side sleeps, or a body is passed by reference. The caller then uses [`append`](LaneWriter::append) or
//! [`read`](LaneReader::read).

use super::{From, Into, LaneReader, LaneWriter};
use crate::message::{BY_REFERENCE_MIN_BYTES, Body, COMMAND, IN_BODY_RING, MORE, Metadata, Msg, ROUTING_ID};
use crate::pipe::hwm::Granting;
use crate::pipe::tail::Tail;
use crate::pipe::wire::{Encoded, Header};
use crate::queue::blocks::Consumer;
use std::sync::Arc;

/// A frame of a message whose body lies in its block.
pub struct InlineFrame<'a> {
    pub more: bool,
    pub body: &'a [u8],
    /// Properties of the connection that the frame came from.
    pub metadata: Option<&'a Arc<Metadata>>,
}

/// The thread that the writer has to wake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    NotNeeded,
    Reader,
}

impl LaneWriter {
    /// Writes a small frame of the program, and publishes the message if the frame ends it. `None`: the fast
    /// path cannot take it, and nothing was written.
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
            return Some(Wake::NotNeeded);
        }
        producer.end_messages(1);
        self.spending.wrote(1);
        Some(if producer.publish() { Wake::Reader } else { Wake::NotNeeded })
    }

    /// As [`write_inline`](LaneWriter::write_inline), for the large body of a message that owns it. The reader
    /// gets the body itself, and `message` becomes empty.
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
}

impl LaneReader {
    /// Takes a frame that lies whole in the current block. `None`: there is none, `wanted` refused its body,
    /// or the fast path cannot take it. Nothing was taken then, and the reader does not sleep. `alone`: the
    /// thread has no other lane to read, and may be made to pause for 1 µs.
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

    /// As [`read_inline`](LaneReader::read_inline), for a body in the ring. The flag: more frames follow.
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

/// Counts a message as read. `false`: credit has to be granted, which the slow path does.
#[inline(always)]
fn count(consumer: &mut Consumer<Tail>, granting: &mut Granting) -> bool {
    let within = granting.read_within_batch();
    if within {
        consumer.tell(1);
    }
    within
}
