//! Receiving what comes in boxes (CURVE): opened on its way from the buffer to the pipe's blocks, several frames in one go, and
//! taken apart there like what comes without; large bodies into memory of their own. Where the pipe conflates, or boxes are
//! not CURVE's, opened frame by frame where they lie in the buffer.

use super::copied::more_of;
use super::{Parsed, RecvForm, RecvHalf, obey};
use crate::engine::Failure;
use crate::engine::codec::{AnyOpener, OVERHEAD_BYTES, Run};
use crate::engine::zmtp::Version;
use crate::engine::zmtp::frame::{self, Header};
use crate::message::{BY_REFERENCE_MIN_BYTES, BodyBuilder, COMMAND, MORE};
use std::ops::Range;

/// Bytes opened in one go, give or take a frame.
const OPENED_RUN_BYTES: usize = 32 * 1024;

impl RecvHalf {
    /// As [`parse`](RecvHalf::parse), for frames in CURVE's boxes and a pipe with blocks.
    pub(super) fn parse_runs(
        &mut self,
        version: Version,
        now_ms: u64,
        control: &mut Vec<u8>,
    ) -> Result<Parsed, Failure> {
        loop {
            // Opened frames are whole: if it wants more, there is nothing left of them.
            if matches!(self.parse_blocks(version, now_ms, control)?, Parsed::NoCredit) {
                return Ok(Parsed::NoCredit);
            }
            if let Some(failure) = self.forged {
                return Err(failure);
            }
            let Some(header) = frame::parse_header(self.scratch.pending())? else {
                return Ok(Parsed::Needs(frame::MAX_HEADER));
            };
            frame::check_size(header.body_len, self.limits.frame)?;
            let (len, have) = (header.frame_len(), self.scratch.pending().len());
            if len > have {
                return Ok(Parsed::Needs(more_of(len, have)));
            }
            if !is_large(&header) {
                self.open_run()?;
            } else if !self.inside && !self.writer.check() {
                return Ok(Parsed::NoCredit);
            } else {
                self.open_large(&header)?;
            }
            if let Some(heartbeat) = &mut self.heartbeat {
                heartbeat.on_received();
            }
        }
    }

    /// Opens the frame at the front of the buffer and those behind it, up to the first that is large, not whole or wrong.
    fn open_run(&mut self) -> Result<(), Failure> {
        let RecvForm::Sealed(_, AnyOpener::Curve(opener)) = &mut self.form else { return Ok(()) };
        let Some(producer) = self.writer.blocks() else { return Ok(()) };
        let pending = self.scratch.pending();
        let mut run = Run::default();
        let last = opener.last();
        while !run.is_full() && run.opened() < OPENED_RUN_BYTES {
            let rest = pending.get(run.received()..).unwrap_or_default();
            let Ok(Some(header)) = frame::parse_header(rest) else { break };
            let fits = frame::check_size(header.body_len, self.limits.frame).is_ok();
            if !fits || header.frame_len() > rest.len() || is_large(&header) {
                break;
            }
            match opener.add(&mut run, &header, pending) {
                Ok(()) => {}
                // It is opened when it is the first.
                Err(_) if !run.is_empty() => break,
                Err(failure) => return Err(failure),
            }
        }
        let mut all = true;
        let opened = producer.receive(run.opened(), |room| {
            let (opened, good) = opener.open_run(&mut run, pending, room);
            all = good;
            Ok(opened)
        });
        // Without memory none was opened.
        opened.inspect_err(|_| opener.take_back(last)).map_err(Failure::Errno)?;
        if !all {
            self.forged = Some(Failure::CRYPTOGRAPHIC);
        }
        self.scratch.consume(run.received());
        Ok(())
    }

    /// Opens the frame at the front of the buffer into memory of its own.
    fn open_large(&mut self, header: &Header) -> Result<(), Failure> {
        let RecvForm::Sealed(_, AnyOpener::Curve(opener)) = &mut self.form else { return Ok(()) };
        let sealed = self.scratch.part(header.header_len..header.frame_len());
        let len = sealed.len().saturating_sub(OVERHEAD_BYTES);
        let mut builder = BodyBuilder::with_expected(len);
        // All of it has arrived.
        builder.trust(len);
        let mut opened = Err(Failure::SILENT);
        let filled = builder.fill(|room| {
            let (outcome, text) = match opener.open_into(sealed, room) {
                Ok((flags, text)) => (Ok(flags), text),
                Err(failure) => (Err(failure), Default::default()),
            };
            opened = outcome;
            Ok(text)
        });
        filled.map_err(Failure::Errno)?;
        let flags = opened?;
        if !self.inside {
            self.weight = 0;
        }
        let header_weight = if self.inside { header.header_len as u64 } else { 0 };
        self.weigh((len as u64).saturating_add(header_weight))?;
        if !self.inside && flags & MORE != 0 && self.content {
            self.content = false;
            self.writer.flush();
        }
        self.scratch.consume(header.frame_len());
        self.body = Some((flags, builder));
        self.finish_body().map(|_| ())
    }

    /// As [`parse`](RecvHalf::parse), for sealed frames. The kind of a frame shows in its box alone; the flags outside are not
    /// authenticated.
    pub(super) fn parse_sealed(&mut self, now_ms: u64, control: &mut Vec<u8>) -> Result<Parsed, Failure> {
        loop {
            let bytes = self.scratch.pending();
            let Some(header) = frame::parse_header(bytes)? else {
                return Ok(Parsed::Needs(frame::MAX_HEADER));
            };
            frame::check_size(header.body_len, self.limits.frame)?;
            let len = header.frame_len();
            if len > bytes.len() {
                return Ok(Parsed::Needs(more_of(len, bytes.len())));
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
                return Ok(Parsed::NoCredit);
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
        let from = header.header_len + OVERHEAD_BYTES;
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
        self.commands += 1;
        let body = self.scratch.part(text);
        if !obey(body, version, now_ms, &mut self.heartbeat, control) || !wanted {
            return Ok(true);
        }
        if !self.writer.check() {
            return Ok(false);
        }
        self.writer.append_subscription_request(body, b"").map_err(Failure::Errno)?;
        self.content = true;
        Ok(true)
    }
}

/// Whether what is in it had better lie in memory of its own.
fn is_large(header: &Header) -> bool {
    header.body_len >= (BY_REFERENCE_MIN_BYTES + OVERHEAD_BYTES) as u64
}
