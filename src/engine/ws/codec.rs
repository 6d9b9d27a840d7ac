//! Converts between frames of a pipe and WebSocket frames, in boxes where the mechanism is CURVE.

use super::{Masks, Opcode, Role, frame, mask};
use crate::engine::codec::{AnyOpener, AnySealer, OVERHEAD_BYTES};
use crate::engine::zmtp::{self, subscription};
use crate::engine::{Codec, Failure};
use crate::errno::Errno;
use crate::message;
use crate::sys::memory;

/// The encoding of outgoing frames.
pub struct Outgoing {
    masks: Option<Masks>,
    sealer: Option<AnySealer>,
    /// The frame being sealed.
    sealed: Vec<u8>,
}

/// The decoding of incoming frames, and the encoding of control frames in reply.
pub struct Incoming {
    /// Whether the peer has to mask its frames.
    pub masked: bool,
    masks: Option<Masks>,
    opener: Option<AnyOpener>,
    /// Mask of the frame whose body is received into memory of its own.
    body_mask: [u8; 4],
}

/// Both directions of a connection whose handshake is over.
pub fn codec(role: &Role, codec: Codec) -> (Outgoing, Incoming) {
    let (sealer, opener) = codec.halves().unzip();
    let outgoing = Outgoing { masks: role.masks(), sealer, sealed: Vec::new() };
    let incoming = Incoming { masked: role.peer_masks(), masks: role.masks(), opener, body_mask: [0; 4] };
    (outgoing, incoming)
}

impl Outgoing {
    /// Appends a pipe's frame. Subscriptions are messages. Fails where it cannot be sealed.
    pub fn append(&mut self, out: &mut Vec<u8>, flags: u8, body: &[u8]) -> Result<(), Failure> {
        let masks = self.masks.as_mut();
        if let Some(sealer) = &mut self.sealer {
            self.sealed.clear();
            sealer.append_frame(&mut self.sealed, flags, body)?;
            let header = zmtp::frame::parse_header(&self.sealed)?.ok_or(Failure::SILENT)?;
            let sealed = self.sealed.get(header.header_len..).unwrap_or_default();
            frame::append_binary(out, masks, 0, &[], sealed);
            if self.sealed.capacity() > MAX_KEPT_BYTES {
                self.sealed = Vec::new();
            }
            return Ok(());
        }
        match subscription::message_form(flags, body) {
            Some((first, topic)) => frame::append_binary(out, masks, 0, &[first], topic),
            None => frame::append_binary(out, masks, wire_flags(flags), &[], body),
        }
        Ok(())
    }

    /// Reserves memory for a frame of `bytes`, which [`append`](Outgoing::append) then has. Errors: `ENOMEM`.
    pub fn reserve(&mut self, bytes: usize) -> Result<(), Errno> {
        match self.sealer {
            Some(_) => memory::try_reserve(&mut self.sealed, bytes),
            None => Ok(()),
        }
    }

    /// Appends a close frame.
    pub fn append_close(&mut self, out: &mut Vec<u8>) {
        /// "Normal closure".
        const NORMAL_CLOSURE: u16 = 1000;
        frame::append_control(out, Opcode::Close, self.masks.as_mut(), &NORMAL_CLOSURE.to_be_bytes());
    }
}

/// Most memory kept between two frames that are sealed, in bytes.
const MAX_KEPT_BYTES: usize = 64 * 1024;

impl Incoming {
    pub fn is_sealed(&self) -> bool {
        self.opener.is_some()
    }

    /// Unmasks a whole payload, if the peer masks.
    pub fn unmask(&self, mask: [u8; 4], payload: &mut [u8]) {
        if self.masked {
            mask::apply(mask, 0, payload);
        }
    }

    /// Appends a control frame of ours.
    pub fn append_control(&mut self, out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
        frame::append_control(out, opcode, self.masks.as_mut(), payload);
    }

    /// Opens the whole payload of a binary frame in place, once. Returns the flags as a pipe has them, and
    /// the offset of the body.
    pub fn open(&mut self, mask: [u8; 4], payload: &mut [u8]) -> Result<(u8, usize), Failure> {
        self.unmask(mask, payload);
        let (first, body) = payload.split_first_mut().ok_or(Failure::SILENT)?;
        match &mut self.opener {
            Some(opener) => {
                let (flags, _) = opener.open(body)?;
                Ok((flags, 1 + OVERHEAD_BYTES))
            }
            None => Ok((pipe_flags(*first), 1)),
        }
    }

    /// Begins to receive the body of an unsealed frame into memory of its own. Returns the flags as a pipe
    /// has them. `begun` is the part of the payload received; it is unmasked.
    pub fn begin_body(&mut self, mask: [u8; 4], begun: &mut [u8]) -> u8 {
        self.body_mask = mask;
        self.unmask(mask, begun);
        begun.first().map_or(0, |first| pipe_flags(*first))
    }

    /// Unmasks more of that body: bytes at offset `at` in it.
    pub fn continue_body(&self, at: usize, bytes: &mut [u8]) {
        if self.masked {
            // The byte of flags comes before it.
            mask::apply(self.body_mask, at.wrapping_add(1), bytes);
        }
    }
}

fn wire_flags(flags: u8) -> u8 {
    let more = if flags & message::MORE == 0 { 0 } else { frame::MORE };
    let command = if flags & message::COMMAND == 0 { 0 } else { frame::COMMAND };
    more | command
}

fn pipe_flags(flags: u8) -> u8 {
    let more = if flags & frame::MORE == 0 { 0 } else { message::MORE };
    let command = if flags & frame::COMMAND == 0 { 0 } else { message::COMMAND };
    more | command
}
