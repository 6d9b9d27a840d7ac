//! Receiving what comes in boxes (CURVE): opened on its way from the buffer to the pipe's blocks, several frames in one go, and
//! taken apart there like what comes without; large bodies into memory of their own. Where the pipe conflates, or boxes are
//! not CURVE's, opened frame by frame where they lie in the buffer.

use super::copied::more_of;
use super::{Intake, Parsed, parse_in_place};
use crate::engine::Failure;
use crate::engine::codec::{AnyOpener, OVERHEAD_BYTES, Run};
use crate::engine::zmtp::Version;
use crate::engine::zmtp::frame::{self, FrameHeader};
use crate::message::{BY_REFERENCE_MIN_BYTES, BodyBuilder, COMMAND, MORE};
use crate::session::connection::scratch::Scratch;
use std::ops::Range;

/// Bytes opened in one go, give or take a frame.
const OPENED_RUN_BYTES: usize = 32 * 1024;

/// How boxes are opened, and the one at the front of the buffer.
pub struct SealedFrames {
    version: Version,
    opener: AnyOpener,
    /// The frame at the front of the buffer has been taken out of its box already: its flags, and how long its text is.
    opened: Option<(u8, usize)>,
    /// The fault of the frame behind those that have been opened already.
    forged: Option<Failure>,
}

impl SealedFrames {
    pub fn new(version: Version, opener: AnyOpener) -> SealedFrames {
        SealedFrames { version, opener, opened: None, forged: None }
    }

    /// Takes apart what lies in the buffer.
    pub fn parse(
        &mut self,
        intake: &mut Intake,
        now_ms: u64,
        control: &mut Vec<u8>,
    ) -> Result<Parsed, Failure> {
        if self.opener.curve().is_some() && intake.messages.blocks().is_some() {
            self.parse_runs(intake, now_ms, control)
        } else {
            self.parse_singly(intake, now_ms, control)
        }
    }

    /// Frames in CURVE's boxes, for a pipe with blocks.
    fn parse_runs(
        &mut self,
        intake: &mut Intake,
        now_ms: u64,
        control: &mut Vec<u8>,
    ) -> Result<Parsed, Failure> {
        loop {
            // Opened frames are whole: if it wants more, there is nothing left of them.
            if matches!(parse_in_place::parse(intake, self.version, now_ms, control)?, Parsed::NoCredit) {
                return Ok(Parsed::NoCredit);
            }
            if let Some(failure) = self.forged {
                return Err(failure);
            }
            let Some(header) = frame::parse_header(intake.scratch.pending())? else {
                return Ok(Parsed::Needs(frame::MAX_HEADER_BYTES));
            };
            intake.messages.check_size(header.body_len)?;
            let (len, have) = (header.frame_len(), intake.scratch.pending().len());
            if len > have {
                return Ok(Parsed::Needs(more_of(len, have)));
            }
            if !is_large(&header) {
                self.open_run(intake)?;
            } else if !intake.messages.takes_frame() {
                return Ok(Parsed::NoCredit);
            } else {
                self.open_large(&header, intake)?;
            }
            intake.commands.note_frame();
        }
    }

    /// Opens the frame at the front of the buffer and those behind it, up to the first that is large, not whole or wrong.
    fn open_run(&mut self, Intake { messages, scratch, .. }: &mut Intake) -> Result<(), Failure> {
        let Some(opener) = self.opener.curve() else { return Ok(()) };
        let most_frame = messages.limits().frame;
        let Some(producer) = messages.blocks() else { return Ok(()) };
        let pending = scratch.pending();
        let mut run = Run::default();
        let last = opener.last();
        while !run.is_full() && run.opened() < OPENED_RUN_BYTES {
            let rest = pending.get(run.received()..).unwrap_or_default();
            let Ok(Some(header)) = frame::parse_header(rest) else { break };
            let fits = frame::check_size(header.body_len, most_frame).is_ok();
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
        scratch.consume(run.received());
        Ok(())
    }

    /// Opens the frame at the front of the buffer into memory of its own.
    fn open_large(&mut self, header: &FrameHeader, intake: &mut Intake) -> Result<(), Failure> {
        let Some(opener) = self.opener.curve() else { return Ok(()) };
        let Intake { messages, large, scratch, .. } = intake;
        let sealed = scratch.part(header.header_len..header.frame_len());
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
        messages.weigh_frame(header.header_len, len as u64)?;
        if !messages.is_inside() && flags & MORE != 0 {
            messages.show_content();
        }
        scratch.consume(header.frame_len());
        large.begin(flags, builder);
        large.finish(messages, false).map(|_| ())
    }

    /// Frame by frame, where they lie. The kind of a frame shows in its box alone; the flags outside are not authenticated.
    fn parse_singly(
        &mut self,
        intake: &mut Intake,
        now_ms: u64,
        control: &mut Vec<u8>,
    ) -> Result<Parsed, Failure> {
        loop {
            let bytes = intake.scratch.pending();
            let Some(header) = frame::parse_header(bytes)? else {
                return Ok(Parsed::Needs(frame::MAX_HEADER_BYTES));
            };
            intake.messages.check_size(header.body_len)?;
            let len = header.frame_len();
            if len > bytes.len() {
                return Ok(Parsed::Needs(more_of(len, bytes.len())));
            }
            intake.commands.note_frame();
            let (flags, text) = self.open(&header, &mut intake.scratch)?;
            let taken = if flags & COMMAND != 0 {
                self.take_command(&header, text, intake, now_ms, control)?
            } else if intake.messages.takes_frame() {
                let weight = (header.header_len, header.body_len);
                intake.messages.append_frame(weight, intake.scratch.part(text), flags & MORE != 0)?;
                true
            } else {
                false
            };
            if !taken {
                return Ok(Parsed::NoCredit);
            }
            self.opened = None;
            intake.scratch.consume(len);
        }
    }

    /// Opens the frame at the front of the buffer, once: its flags, and where its text is, counted from there.
    fn open(&mut self, header: &FrameHeader, scratch: &mut Scratch) -> Result<(u8, Range<usize>), Failure> {
        let (flags, text_len) = match self.opened {
            Some(opened) => opened,
            None => {
                let body = scratch.part_mut(header.header_len..header.frame_len());
                let (flags, text) = self.opener.open(body)?;
                *self.opened.insert((flags, text.len()))
            }
        };
        let from = header.header_len + OVERHEAD_BYTES;
        Ok((flags, from..from + text_len))
    }

    /// `false`: there is no credit for it.
    fn take_command(
        &self,
        header: &FrameHeader,
        text: Range<usize>,
        Intake { messages, scratch, commands, .. }: &mut Intake,
        now_ms: u64,
        control: &mut Vec<u8>,
    ) -> Result<bool, Failure> {
        messages.weigh_command(header.frame_len())?;
        let body = scratch.part(text);
        if !commands.obey(body, self.version, now_ms, control) || !messages.wants_subscriptions() {
            return Ok(true);
        }
        if !messages.check_credit() {
            return Ok(false);
        }
        messages.append_subscription(body).map_err(Failure::Errno)?;
        Ok(true)
    }
}

/// Whether what is in it had better lie in memory of its own.
fn is_large(header: &FrameHeader) -> bool {
    header.body_len >= (BY_REFERENCE_MIN_BYTES + OVERHEAD_BYTES) as u64
}
