//! Receiving what comes in boxes (CURVE): opened where it lies in the buffer, and copied into the pipe from there.

use super::copied::more_of;
use super::{RecvForm, RecvHalf, obey};
use crate::engine::Failure;
use crate::engine::codec::OVERHEAD;
use crate::engine::zmtp::frame::{self, Header};
use crate::message::{COMMAND, MORE};
use std::ops::Range;

impl RecvHalf {
    /// As [`parse`](RecvHalf::parse), for sealed frames. What a frame is shows in its box alone; the flags outside
    /// were nobody's to trust.
    pub(super) fn parse_sealed(
        &mut self,
        now_ms: u64,
        control: &mut Vec<u8>,
    ) -> Result<Option<usize>, Failure> {
        loop {
            let bytes = self.scratch.pending();
            let Some(header) = frame::parse_header(bytes)? else { return Ok(Some(frame::MAX_HEADER)) };
            frame::check_size(header.body_len, self.limits.frame)?;
            let len = header.frame_len();
            if len > bytes.len() {
                return Ok(Some(more_of(len, bytes.len())));
            }
            if let Some(heartbeat) = &mut self.heartbeat {
                heartbeat.on_received();
            }
            let (flags, text) = self.open(&header)?;
            if !self.inside {
                self.weight = 0;
            }
            let taken = if flags & COMMAND != 0 {
                self.take_command(&header, text, now_ms, control)?
            } else if !self.inside && !self.writer.check() {
                false
            } else {
                self.take_frame(&header, text, flags & MORE != 0)?;
                true
            };
            if !taken {
                return Ok(None);
            }
            self.opened = None;
            self.scratch.consume(len);
        }
    }

    /// Opens the frame at the front of the buffer, once: its flags, and where its text is, counted from there.
    fn open(&mut self, header: &Header) -> Result<(u8, Range<usize>), Failure> {
        let (flags, text_len) = match self.opened {
            Some(opened) => opened,
            None => {
                let RecvForm::Sealed(_, opener) = &mut self.form else { return Err(Failure::SILENT) };
                let body = self.scratch.part_mut(header.header_len..header.frame_len());
                let (flags, text) = opener.open(body)?;
                *self.opened.insert((flags, text.len()))
            }
        };
        let from = header.header_len + OVERHEAD;
        Ok((flags, from..from + text_len))
    }

    /// `false`: there is no credit for it.
    fn take_command(
        &mut self,
        header: &Header,
        text: Range<usize>,
        now_ms: u64,
        control: &mut Vec<u8>,
    ) -> Result<bool, Failure> {
        let RecvForm::Sealed(version, _) = self.form else { return Ok(true) };
        let wanted = self.wants_subscriptions();
        if self.inside {
            self.weigh(header.frame_len() as u64)?;
        }
        let body = self.scratch.part(text);
        if !obey(body, version, now_ms, &mut self.heartbeat, control) || !wanted {
            return Ok(true);
        }
        if !self.writer.check() {
            return Ok(false);
        }
        self.writer.append_wish(body, b"").map_err(Failure::Errno)?;
        self.content = true;
        Ok(true)
    }
}
