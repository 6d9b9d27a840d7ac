//! The next frame that a lane's reader comes to.

use super::block_tail::BlockTail;
use super::body_ring::RingReader;
use super::wire::Header;
use crate::message::{COMMAND, IN_BODY_RING, MORE, Metadata, ROUTING_ID};
use crate::queue::blocks::Consumer;
use std::num::NonZeroU64;
use std::sync::Arc;

/// What is known of the next frame, in one word. It is written and read back at once, and a processor
/// forwards a store without a stall only to a load of the same size.
#[derive(Clone, Copy)]
pub struct Ahead(NonZeroU64);

/// The length of a header, which is never 0, above the flags.
const HEADER_SHIFT: u32 = 8;
/// The body is the block's tail.
const IN_TAIL_BIT: u64 = 1 << 15;
/// Bytes of the body in the block, which has fewer than 2^31.
const BODY_SHIFT: u32 = 16;

impl Ahead {
    /// The next frame in the blocks; `None` where a block ends in anything but a frame's body.
    #[inline(always)]
    pub fn look(consumer: &Consumer<BlockTail>) -> Option<Ahead> {
        let bytes = consumer.bytes();
        let header = Header::parse(bytes)?;
        let flags = header.flags & (MORE | COMMAND | ROUTING_ID | IN_BODY_RING);
        let front = u64::from(flags) | (header.len as u64) << HEADER_SHIFT;
        let body =
            if header.frame_len() <= bytes.len() { header.body_len << BODY_SHIFT } else { IN_TAIL_BIT };
        NonZeroU64::new(front | body).map(Ahead)
    }

    #[inline(always)]
    pub fn flags(self) -> u8 {
        self.0.get() as u8 & !IN_BODY_RING
    }

    /// The body is passed by reference, through the body ring.
    #[inline(always)]
    pub fn is_by_reference(self) -> bool {
        self.0.get() as u8 & IN_BODY_RING != 0
    }

    #[inline(always)]
    pub fn header_len(self) -> usize {
        (self.0.get() >> HEADER_SHIFT) as usize & 0xf
    }

    /// Bytes of the body in the block. `None`: the body is the tail.
    #[inline(always)]
    pub fn body_len(self) -> Option<usize> {
        if self.0.get() & IN_TAIL_BIT == 0 { Some((self.0.get() >> BODY_SHIFT) as usize) } else { None }
    }
}

/// Finds the next frame that the socket gets. `None` leaves the consumer asleep.
#[inline(always)]
pub fn find(
    consumer: &mut Consumer<BlockTail>,
    metadata: &mut Option<Arc<Metadata>>,
    ring_reader: &mut RingReader,
) -> Option<Ahead> {
    loop {
        if !consumer.check() {
            return None;
        }
        if let Some(ahead) = Ahead::look(consumer) {
            return Some(ahead);
        }
        // Between two blocks: the properties of another connection, or another ring.
        match consumer.take_tail() {
            Some(BlockTail::Properties(new)) => *metadata = Some(new),
            Some(BlockTail::BodyRing(ring)) => ring_reader.switch_ring(ring),
            _ => return None,
        }
    }
}

/// Whether a frame is the last of one message, as messages are counted.
#[inline(always)]
pub fn ends_message(flags: u8) -> bool {
    flags & (MORE | ROUTING_ID) == 0
}

/// Passes over the frame.
pub fn skip(consumer: &mut Consumer<BlockTail>, ahead: &Ahead) {
    consumer.advance(ahead.header_len() + ahead.body_len().unwrap_or(0));
    if ahead.body_len().is_none() {
        drop(consumer.take_tail());
    }
}
