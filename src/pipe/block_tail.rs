//! The values in a lane's blocks beside their bytes.

use crate::message::{Body, Metadata};
use std::sync::Arc;

/// A value between two blocks of a lane.
pub enum BlockTail {
    /// The body of the frame whose header ends the block.
    Body(Body),
    /// The connection, by its properties, from which the frames from here on come.
    Properties(Arc<Metadata>),
    /// The ring through which the bodies of frames from here on are passed.
    BodyRing(BodyRing),
}

/// The reader's end of a ring, on its way to the reader.
pub struct BodyRing(pub(super) rtrb::Consumer<Body>);
