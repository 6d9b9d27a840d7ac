//! Receiving by way of a buffer, where bytes cannot lie in the pipe as they come: ZMTP 1.0, raw streams, and pipes that
//! conflate.

use super::{LARGEST_READ, RecvHalf, obey};
use crate::engine::Failure;
use crate::engine::zmtp::frame::Header;
use crate::engine::zmtp::{Version, frame, v1};
use crate::errno::Errno;
use crate::message::OutFrame;
use crate::session::tunnel;
use std::ops::Range;
use std::os::fd::BorrowedFd;

impl RecvHalf {
    /// Reads once into the buffer. How many bytes came, and how many could have.
    pub(super) fn read_scratch(&mut self, fd: BorrowedFd<'_>, least: usize) -> Result<(usize, usize), Errno> {
        self.scratch.drain(..self.scratch_at);
        self.scratch_at = 0;
        if self.scratch.is_empty() && self.scratch.capacity() > 2 * LARGEST_READ {
            // A long frame has gone; a connection keeps no more than it needs.
            self.scratch = Vec::new();
        }
        let (old, room) = (self.scratch.len(), least.max(self.want));
        self.scratch.try_reserve(room).map_err(|_| Errno::NOMEM)?;
        self.scratch.resize(old + room, 0);
        let room_left = self.scratch.get_mut(old..).unwrap_or_default();
        let outcome = tunnel::read(fd, self.tunnel.as_deref(), room_left);
        self.scratch.truncate(old + *outcome.as_ref().unwrap_or(&0));
        Ok((outcome?, room))
    }

    /// Raw bytes: what has been received is a message.
    pub(super) fn parse_raw(&mut self) -> Result<Option<usize>, Failure> {
        let bytes = self.scratch.get(self.scratch_at..).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(Some(1));
        }
        if !self.writer.check() {
            return Ok(None);
        }
        self.writer.append(&mut OutFrame::bytes(bytes, false)).map_err(Failure::Errno)?;
        self.scratch_at = self.scratch.len();
        self.content = true;
        Ok(Some(1))
    }

    /// Frames in another form than the pipe's, or for a pipe that conflates.
    pub(super) fn parse_scratch(
        &mut self,
        version: Version,
        now_ms: u64,
        control: &mut Vec<u8>,
    ) -> Result<Option<usize>, Failure> {
        loop {
            let bytes = self.scratch.get(self.scratch_at..).unwrap_or_default();
            let header = match version {
                Version::V1 => v1::parse_header(bytes)?,
                Version::V2 | Version::V3_0 | Version::V3_1 => frame::parse_header(bytes)?,
            };
            let Some(header) = header else { return Ok(Some(v1::MAX_HEADER)) };
            frame::check_size(header.body_len, self.limits.frame)?;
            let len = header.frame_len();
            if !self.inside {
                self.weight = 0;
            }
            if len > bytes.len() {
                return Ok(Some(more_of(len, bytes.len())));
            }
            if let Some(heartbeat) = &mut self.heartbeat {
                heartbeat.on_received();
            }
            if header.is_command() {
                let body = bytes.get(header.header_len..len).unwrap_or_default();
                obey(body, version, now_ms, &mut self.heartbeat, control);
                self.scratch_at += len;
                continue;
            }
            if !self.inside && !self.writer.check() {
                return Ok(None);
            }
            self.take_frame(&header, header.header_len..len, header.more())?;
            self.scratch_at += len;
        }
    }

    /// Puts a frame into the pipe: the bytes of the buffer in `body`, counted from where the frame begins.
    pub(super) fn take_frame(
        &mut self,
        header: &Header,
        body: Range<usize>,
        more: bool,
    ) -> Result<(), Failure> {
        let header_weight = if self.inside { header.header_len as u64 } else { 0 };
        self.weigh(header.body_len.saturating_add(header_weight))?;
        if !self.inside && more && self.content {
            self.content = false;
            self.writer.flush();
        }
        let bytes = self.scratch.get(self.scratch_at..).and_then(|bytes| bytes.get(body)).unwrap_or_default();
        self.writer.append(&mut OutFrame::bytes(bytes, more)).map_err(Failure::Errno)?;
        self.inside = more;
        self.content = true;
        Ok(())
    }
}

/// How many bytes to ask for when `have` are here of a frame that is `len` long. Memory follows the bytes received:
/// as much again as is here, at most.
pub(super) fn more_of(len: usize, have: usize) -> usize {
    len.saturating_sub(have).min(have.max(LARGEST_READ))
}
