//! Receiving WebSocket frames (ZWS): unmasked, and opened, where they lie in the buffer, and copied into the pipe from
//! there. Large bodies are received into memory of their own, if they are not sealed.

use super::copied::more_of;
use super::{Parsed, RecvForm, RecvHalf};
use crate::engine::Failure;
use crate::engine::ws::frame::{MAX_HEADER, parse_header};
use crate::engine::ws::{Header, Opcode};
use crate::engine::zmtp::command::{self, Command};
use crate::engine::zmtp::frame::{self, Header as FrameHeader};
use crate::message::{BY_REFERENCE_MIN_BYTES, BodyBuilder, COMMAND, MORE};
use crate::session::connection::control::MAX_CONTROL_BYTES;

impl RecvHalf {
    /// As [`parse`](RecvHalf::parse), for WebSocket frames.
    pub(super) fn parse_ws(&mut self, control: &mut Vec<u8>) -> Result<Parsed, Failure> {
        loop {
            let RecvForm::Ws(incoming) = &self.form else { return Err(Failure::SILENT) };
            let sealed = incoming.is_sealed();
            let bytes = self.scratch.pending();
            let header = parse_header(bytes, incoming.masked)?;
            let Some(header) = header else { return Ok(Parsed::Needs(MAX_HEADER)) };
            let (len, have) = (header.frame_len(), bytes.len());
            if let Some(heartbeat) = &mut self.heartbeat {
                heartbeat.on_received();
            }
            if header.opcode != Opcode::Binary {
                if len > have {
                    return Ok(Parsed::Needs(len - have));
                }
                if !self.take_control(&header, control) {
                    return Ok(Parsed::Needs(1));
                }
                continue;
            }
            // Behind the flags; in a box, if it is in one.
            let body_len = header.payload_len.saturating_sub(1);
            frame::check_size(body_len, self.limits.frame)?;
            if !self.inside {
                if !self.writer.check() {
                    return Ok(Parsed::NoCredit);
                }
                self.weight = 0;
            }
            if len <= have {
                self.take_binary(&header)?;
                continue;
            }
            if sealed || body_len < BY_REFERENCE_MIN_BYTES as u64 {
                return Ok(Parsed::Needs(more_of(len, have)));
            }
            if have <= header.header_len {
                return Ok(Parsed::Needs(1));
            }
            self.begin_ws_body(&header, body_len)?;
            return Ok(Parsed::Needs(1));
        }
    }

    /// Appends a ping of ours to `control`, if there is a heartbeat.
    pub fn append_ping(&mut self, control: &mut Vec<u8>) {
        let Some(heartbeat) = &mut self.heartbeat else { return };
        match &mut self.form {
            RecvForm::Ws(incoming) => {
                incoming.append_control(control, Opcode::Ping, &[]);
                heartbeat.ping_appended();
            }
            _ => heartbeat.append_ping(control),
        }
    }

    /// Appends an unasked pong of ours.
    pub fn append_pong(&mut self, control: &mut Vec<u8>) {
        match &mut self.form {
            RecvForm::Ws(incoming) => incoming.append_control(control, Opcode::Pong, &[]),
            _ => command::append_pong(control, &[]),
        }
    }

    /// Does what a whole control frame asks for; `false`: it was the last.
    fn take_control(&mut self, header: &Header, control: &mut Vec<u8>) -> bool {
        self.commands += 1;
        let RecvForm::Ws(incoming) = &mut self.form else { return true };
        let payload = self.scratch.part_mut(header.header_len..header.frame_len());
        incoming.unmask(header.mask, payload);
        if header.opcode == Opcode::Ping
            && let Some(heartbeat) = &mut self.heartbeat
        {
            heartbeat.be_watched();
        }
        let room = control.len() + payload.len() + MAX_HEADER <= MAX_CONTROL_BYTES;
        match header.opcode {
            Opcode::Ping if room => incoming.append_control(control, Opcode::Pong, payload),
            Opcode::Close => {
                if room {
                    incoming.append_control(control, Opcode::Close, payload);
                }
                self.farewell = true;
            }
            Opcode::Ping | Opcode::Pong | Opcode::Binary => {}
        }
        self.scratch.consume(header.frame_len());
        !self.farewell
    }

    /// Puts a whole binary frame into the pipe, or obeys it. One that the pipe has no memory for stays, opened.
    fn take_binary(&mut self, header: &Header) -> Result<(), Failure> {
        let len = header.frame_len();
        let RecvForm::Ws(incoming) = &mut self.form else { return Err(Failure::SILENT) };
        let (flags, skip) = match self.opened {
            Some(opened) => opened,
            None => {
                let payload = self.scratch.part_mut(header.header_len..len);
                *self.opened.insert(incoming.open(header.mask, payload)?)
            }
        };
        let body = (header.header_len + skip).min(len)..len;
        if flags & COMMAND != 0 {
            self.commands += 1;
            let wanted = self.wants_subscriptions();
            let body = self.scratch.part(body);
            if wanted && Command::parse(body).is_subscription_request() {
                self.writer.append_subscription_request(body, b"").map_err(Failure::Errno)?;
                self.content = true;
            }
            if self.inside {
                self.weigh(len as u64)?;
            }
        } else {
            let (header_len, body_len) = (header.header_len + 1, header.payload_len.saturating_sub(1));
            let as_framed = FrameHeader { flags: 0, header_len, body_len };
            self.take_frame(&as_framed, body, flags & MORE != 0)?;
        }
        self.opened = None;
        self.scratch.consume(len);
        Ok(())
    }

    /// Begins to receive a large body into memory of its own. Where there is none nothing has changed.
    fn begin_ws_body(&mut self, header: &Header, body_len: u64) -> Result<(), Failure> {
        let len = usize::try_from(body_len).map_err(|_| Failure::TOO_LARGE)?;
        let have = self.scratch.pending().len();
        let mut builder = BodyBuilder::with_expected(len);
        // Received bytes are unmasked where they lie, once: there is to be memory for it.
        builder.trust(have);
        builder.spare().map_err(Failure::Errno)?;
        let weight = if self.inside { header.header_len as u64 } else { 0 };
        self.weigh(body_len.saturating_add(weight))?;
        if !self.inside {
            self.flush();
        }
        let RecvForm::Ws(incoming) = &mut self.form else { return Err(Failure::SILENT) };
        let begun = self.scratch.part_mut(header.header_len..have);
        let flags = incoming.begin_body(header.mask, begun);
        builder.extend(begun.get(1..).unwrap_or_default()).map_err(Failure::Errno)?;
        self.scratch.clear();
        self.body = Some((flags, builder));
        Ok(())
    }
}

/// Unmasks bytes of a body that is received into memory of its own; they stand at `at` in it.
pub(super) fn unmask_body(form: &RecvForm, at: usize, bytes: &mut [u8]) {
    if let RecvForm::Ws(incoming) = form {
        incoming.continue_body(at, bytes);
    }
}
