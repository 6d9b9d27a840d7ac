//! Messages: the 64-byte [`Msg`], and the reference-counted [`Body`] behind large ones; the [`Frame`] a pipe hands out, and the
//! [`OutFrame`] it takes; and the properties of the connection a message came from.

mod attached;
mod body;
mod builder;
mod defer;
mod frame;
mod header;
pub mod in_place;
mod metadata;
mod msg;
mod pool;
mod refs;

#[cfg(test)]
pub(crate) mod testing;

pub use attached::{GROUP_MAX_LENGTH, group_body};
pub use body::Body;
pub use builder::BodyBuilder;
pub use defer::DeferFrees;
pub use frame::{Address, Frame, FrameBody, FrameKind, OutFrame};
pub use header::FreeFn;
pub use metadata::Metadata;
pub use msg::Msg;

/// Frees the memory that all threads together keep for bodies to come. A thread frees its own when it ends.
pub fn free_kept_bodies() {
    pool::empty_depot();
}

/// Wire flag: more frames of the same message follow (RFC 37, also ZMTP 2.0).
pub const MORE: u8 = 0x01;
/// Wire flag: the length takes eight bytes instead of one.
pub const LARGE: u8 = 0x02;
/// Wire flag: the frame is a command, no part of a message.
pub const COMMAND: u8 = 0x04;
/// Never on the wire: the frame is the peer's routing id, first in a pipe whose reader asked for it.
pub const ROUTING_ID: u8 = 0x08;
/// Never on the wire: the frame is empty, and stands for a body that goes beside it to a socket of the same process.
pub const IN_BODY_RING: u8 = 0x10;

/// A body of this length or more travels through a pipe by reference; a shorter one is copied into the pipe, unless the program
/// has lent it.
pub const BY_REFERENCE_MIN_BYTES: usize = 8 * 1024;
/// A message's own body of this length or more goes by the ring beside the lane, if the reader is a socket of this process.
pub const BODY_RING_MIN_BYTES: usize = 2 * 1024;
