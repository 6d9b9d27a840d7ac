//! Receiving WebSocket frames (ZWS): unmasked, and opened, where they lie in the buffer, and copied into the pipe from
//! there. Large bodies are received into memory of their own, if they are not sealed.

use super::copied::more_of;
use super::{Intake, Parsed};
use crate::engine::Failure;
use crate::engine::ws::frame::{MAX_HEADER_BYTES, parse_header};
use crate::engine::ws::{Incoming, Opcode, WsHeader};
use crate::engine::zmtp::command::Command;
use crate::message::{BY_REFERENCE_MIN_BYTES, BodyBuilder, COMMAND, MORE};
use crate::session::connection::control::MAX_CONTROL_BYTES;

/// How WebSocket frames are unmasked and opened, and the one at the front of the buffer.
pub struct WsFrames {
    incoming: Incoming,
    /// The frame at the front of the buffer is unmasked and out of its box: its flags, and behind how many bytes its body begins.
    opened: Option<(u8, usize)>,
    /// The peer has sent a closing frame: bytes behind it are dropped.
    farewell: bool,
}

impl WsFrames {
    pub fn new(incoming: Incoming) -> WsFrames {
        WsFrames { incoming, opened: None, farewell: false }
    }

    /// Whether the peer has sent a closing frame.
    pub fn has_farewell(&self) -> bool {
        self.farewell
    }

    /// Takes apart what lies in the buffer.
    pub fn parse(&mut self, intake: &mut Intake, control: &mut Vec<u8>) -> Result<Parsed, Failure> {
        loop {
            let bytes = intake.scratch.pending();
            let header = parse_header(bytes, self.incoming.masked)?;
            let Some(header) = header else { return Ok(Parsed::Needs(MAX_HEADER_BYTES)) };
            let (len, have) = (header.frame_len(), bytes.len());
            intake.commands.note_frame();
            if header.opcode != Opcode::Binary {
                if len > have {
                    return Ok(Parsed::Needs(len - have));
                }
                if !self.take_control(&header, intake, control) {
                    return Ok(Parsed::Needs(1));
                }
                continue;
            }
            // Behind the flags; in a box, if it is in one.
            let body_len = header.payload_len.saturating_sub(1);
            intake.messages.check_size(body_len)?;
            if !intake.messages.takes_frame() {
                return Ok(Parsed::NoCredit);
            }
            if len <= have {
                self.take_binary(&header, body_len, intake)?;
                continue;
            }
            if self.incoming.is_sealed() || body_len < BY_REFERENCE_MIN_BYTES as u64 {
                return Ok(Parsed::Needs(more_of(len, have)));
            }
            if have <= header.header_len {
                return Ok(Parsed::Needs(1));
            }
            self.begin_body(&header, body_len, intake)?;
            return Ok(Parsed::Needs(1));
        }
    }

    /// Appends a ping of ours to `control`.
    pub fn append_ping(&mut self, context: &[u8], control: &mut Vec<u8>) {
        self.incoming.append_control(control, Opcode::Ping, context);
    }

    /// Appends an unasked pong of ours.
    pub fn append_pong(&mut self, control: &mut Vec<u8>) {
        self.incoming.append_control(control, Opcode::Pong, &[]);
    }

    /// Unmasks bytes of a body that is received into memory of its own; they stand at `at` in it.
    pub fn unmask_body(&self, at: usize, bytes: &mut [u8]) {
        self.incoming.continue_body(at, bytes);
    }

    /// Does what a whole control frame asks for; `false`: it was the last.
    fn take_control(&mut self, header: &WsHeader, intake: &mut Intake, control: &mut Vec<u8>) -> bool {
        intake.commands.count();
        let payload = intake.scratch.part_mut(header.header_len..header.frame_len());
        self.incoming.unmask(header.mask, payload);
        if header.opcode == Opcode::Ping
            && let Some(heartbeat) = intake.commands.heartbeat_mut()
        {
            heartbeat.on_context(payload);
        }
        let room = control.len() + payload.len() + MAX_HEADER_BYTES <= MAX_CONTROL_BYTES;
        match header.opcode {
            Opcode::Ping if room => self.incoming.append_control(control, Opcode::Pong, payload),
            Opcode::Close => {
                if room {
                    self.incoming.append_control(control, Opcode::Close, payload);
                }
                self.farewell = true;
            }
            Opcode::Ping | Opcode::Pong | Opcode::Binary => {}
        }
        intake.scratch.consume(header.frame_len());
        !self.farewell
    }

    /// Puts a whole binary frame into the pipe, or obeys it. One that the pipe has no memory for stays, opened.
    fn take_binary(
        &mut self,
        header: &WsHeader,
        body_len: u64,
        Intake { messages, scratch, commands, .. }: &mut Intake,
    ) -> Result<(), Failure> {
        let len = header.frame_len();
        let (flags, skip) = match self.opened {
            Some(opened) => opened,
            None => {
                let payload = scratch.part_mut(header.header_len..len);
                *self.opened.insert(self.incoming.open(header.mask, payload)?)
            }
        };
        let body = scratch.part((header.header_len + skip).min(len)..len);
        if flags & COMMAND != 0 {
            commands.count();
            if messages.wants_subscriptions() && Command::parse(body).is_subscription_request() {
                messages.append_subscription(body).map_err(Failure::Errno)?;
            }
            messages.weigh_command(len)?;
        } else {
            messages.append_frame((header.header_len + 1, body_len), body, flags & MORE != 0)?;
        }
        self.opened = None;
        scratch.consume(len);
        Ok(())
    }

    /// Begins to receive a large body into memory of its own. Where there is none nothing has changed.
    fn begin_body(
        &mut self,
        header: &WsHeader,
        body_len: u64,
        Intake { messages, large, scratch, .. }: &mut Intake,
    ) -> Result<(), Failure> {
        let len = usize::try_from(body_len).map_err(|_| Failure::TOO_LARGE)?;
        let have = scratch.pending().len();
        let mut builder = BodyBuilder::with_expected(len);
        // Received bytes are unmasked where they lie, once: there is to be memory for it.
        builder.trust(have);
        builder.spare().map_err(Failure::Errno)?;
        messages.weigh_frame(header.header_len, body_len)?;
        messages.flush();
        let begun = scratch.part_mut(header.header_len..have);
        let flags = self.incoming.begin_body(header.mask, begun);
        builder.extend(begun.get(1..).unwrap_or_default()).map_err(Failure::Errno)?;
        scratch.clear();
        large.begin(flags, builder);
        Ok(())
    }
}
