//! Receiving by way of a buffer, where bytes cannot lie in the pipe as they come: ZMTP 1.0, raw streams, and pipes that
//! conflate.

use super::{MAX_READ_BYTES, Parsed, RecvHalf, obey};
use crate::engine::Failure;
use crate::engine::zmtp::frame::Header;
use crate::engine::zmtp::{Version, frame, v1};
use crate::message::OutFrame;
use std::ops::Range;

impl RecvHalf {
    /// Raw bytes: what has been received is a message.
    pub(super) fn parse_raw(&mut self) -> Result<Parsed, Failure> {
        let bytes = self.scratch.pending();
        if bytes.is_empty() {
            return Ok(Parsed::Needs(1));
        }
        if !self.writer.check() {
            return Ok(Parsed::NoCredit);
        }
        self.writer.append(&mut OutFrame::bytes(bytes, false)).map_err(Failure::Errno)?;
        self.scratch.clear();
        self.content = true;
        Ok(Parsed::Needs(1))
    }

    /// Frames in another form than the pipe's, or for a pipe that conflates.
    pub(super) fn parse_scratch(
        &mut self,
        version: Version,
        now_ms: u64,
        control: &mut Vec<u8>,
    ) -> Result<Parsed, Failure> {
        loop {
            let bytes = self.scratch.pending();
            let header = match version {
                Version::V1 => v1::parse_header(bytes)?,
                Version::V2 | Version::V3_0 | Version::V3_1 => frame::parse_header(bytes)?,
            };
            let Some(header) = header else { return Ok(Parsed::Needs(v1::MAX_HEADER)) };
            frame::check_size(header.body_len, self.limits.frame)?;
            let len = header.frame_len();
            if !self.inside {
                self.weight = 0;
            }
            if len > bytes.len() {
                return Ok(Parsed::Needs(more_of(len, bytes.len())));
            }
            if let Some(heartbeat) = &mut self.heartbeat {
                heartbeat.on_received();
            }
            if header.is_command() {
                self.commands += 1;
                let body = bytes.get(header.header_len..len).unwrap_or_default();
                obey(body, version, now_ms, &mut self.heartbeat, control);
                self.scratch.consume(len);
                continue;
            }
            if !self.inside && !self.writer.check() {
                return Ok(Parsed::NoCredit);
            }
            self.take_frame(&header, header.header_len..len, header.more())?;
            self.scratch.consume(len);
        }
    }

    /// Puts a frame into the pipe: the bytes of the buffer in `body`, counted from where the frame begins. Where there is no
    /// memory nothing has changed.
    pub(super) fn take_frame(
        &mut self,
        header: &Header,
        body: Range<usize>,
        more: bool,
    ) -> Result<(), Failure> {
        let header_weight = if self.inside { header.header_len as u64 } else { 0 };
        let weight = self.weight;
        self.weigh(header.body_len.saturating_add(header_weight))?;
        if !self.inside && more && self.content {
            self.content = false;
            self.writer.flush();
        }
        let appended = self.writer.append(&mut OutFrame::bytes(self.scratch.part(body), more));
        // A frame that is tried again is not to be weighed twice.
        appended.inspect_err(|_| self.weight = weight).map_err(Failure::Errno)?;
        self.inside = more;
        self.content = true;
        Ok(())
    }
}

/// How many bytes to ask for when `have` are here of a frame that is `len` long. Memory follows the bytes received:
/// as much again as is here, at most.
pub(super) fn more_of(len: usize, have: usize) -> usize {
    len.saturating_sub(have).min(have.max(MAX_READ_BYTES))
}
