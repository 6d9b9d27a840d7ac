//! Receiving by way of a buffer, where bytes cannot lie in the pipe as they come: ZMTP 1.0, raw streams, and pipes that
//! conflate.

use super::{Intake, MAX_READ_BYTES, Parsed};
use crate::engine::Failure;
use crate::engine::zmtp::{Version, frame, v1};

/// Raw bytes: what has been received is a message.
pub fn parse_raw(intake: &mut Intake) -> Result<Parsed, Failure> {
    let bytes = intake.scratch.pending();
    if bytes.is_empty() {
        return Ok(Parsed::Needs(1));
    }
    if !intake.messages.check_credit() {
        return Ok(Parsed::NoCredit);
    }
    intake.messages.append_message(bytes).map_err(Failure::Errno)?;
    intake.scratch.clear();
    Ok(Parsed::Needs(1))
}

/// Frames in another form than the pipe's, or for a pipe that conflates.
pub fn parse_frames(
    intake: &mut Intake,
    version: Version,
    now_ms: u64,
    control: &mut Vec<u8>,
) -> Result<Parsed, Failure> {
    let Intake { messages, scratch, commands, .. } = intake;
    loop {
        let bytes = scratch.pending();
        let header = match version {
            Version::V1 => v1::parse_header(bytes)?,
            Version::V2 | Version::V3_0 | Version::V3_1 => frame::parse_header(bytes)?,
        };
        let Some(header) = header else { return Ok(Parsed::Needs(v1::MAX_HEADER_BYTES)) };
        messages.check_size(header.body_len)?;
        let len = header.frame_len();
        let Some(body) = bytes.get(header.header_len..len) else {
            return Ok(Parsed::Needs(more_of(len, bytes.len())));
        };
        commands.note_frame();
        if header.is_command() {
            commands.obey(body, version, now_ms, control);
        } else if messages.takes_frame() {
            messages.append_frame((header.header_len, header.body_len), body, header.more())?;
        } else {
            return Ok(Parsed::NoCredit);
        }
        scratch.consume(len);
    }
}

/// How many bytes to ask for when `have` are here of a frame that is `len` long. Memory follows the bytes received:
/// as much again as is here, at most.
pub fn more_of(len: usize, have: usize) -> usize {
    len.saturating_sub(have).min(have.max(MAX_READ_BYTES))
}
