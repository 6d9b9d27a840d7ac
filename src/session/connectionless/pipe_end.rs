//! The session's end of a pipe, without a connection.

use crate::pipe::{End, LaneReader, LaneWriter};
#[cfg(any(feature = "norm", feature = "pgm"))]
use crate::{errno::Result, message::OutFrame};

/// The session's end of a pipe, taken apart.
pub type Parts = (LaneReader, LaneWriter, End);

/// A message of any number of frames. Errors: `ENOMEM`.
#[cfg(any(feature = "norm", feature = "pgm"))]
pub(in crate::session) fn deliver_whole(writer: &mut LaneWriter, message: &[Vec<u8>]) -> Result<()> {
    for (i, frame) in message.iter().enumerate() {
        writer.append(&mut OutFrame::bytes(frame, i + 1 < message.len()))?;
    }
    writer.flush();
    Ok(())
}
