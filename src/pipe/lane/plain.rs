//! The short way of a frame out of a lane, where nothing about it is out of the ordinary.

use super::{From, LaneReader};
use crate::message::{Address, COMMAND, Frame, FrameBody, MORE, Metadata, ROUTING_ID};
use crate::pipe::PipeEvent;
use crate::pipe::wire::Header;
use std::sync::Arc;

/// A frame of a message whose body lies in its block.
pub struct Plain<'a> {
    more: bool,
    body: &'a [u8],
    metadata: Option<&'a Arc<Metadata>>,
}

impl<'a> Plain<'a> {
    #[inline(always)]
    pub fn more(&self) -> bool {
        self.more
    }

    #[inline(always)]
    pub fn into_frame(self) -> Frame<'a> {
        let flags = if self.more { MORE } else { 0 };
        Frame { flags, body: FrameBody::Slice(self.body), metadata: self.metadata, address: Address::None }
    }
}

impl LaneReader {
    /// As [`read`](LaneReader::read), where the frame is part of a message and lies whole in its block. `None` says nothing of
    /// what there is otherwise, and does not leave the reader asleep.
    #[inline(always)]
    pub fn read_plain(&mut self) -> Option<Plain<'_>> {
        let From::Blocks(consumer) = &mut self.from else { return None };
        if !consumer.ready() {
            return None;
        }
        let bytes = consumer.bytes();
        let header = Header::parse(bytes)?;
        let len = header.frame_len();
        if header.flags & (COMMAND | ROUTING_ID) != 0 || len > bytes.len() {
            return None;
        }
        let more = header.flags & MORE != 0;
        self.found = None;
        self.incomplete = more;
        if !more {
            consumer.tell(1);
            if self.granting.read(1) {
                self.link.notify(self.side.other(), PipeEvent::Writable);
            }
        }
        consumer.advance(len);
        Some(Plain { more, body: consumer.passed(len - header.len), metadata: self.metadata.as_ref() })
    }
}
