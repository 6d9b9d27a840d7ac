//! One frame of a handshake, gathered from pieces of any size.
use super::frame::{self, FrameHeader};
use super::v1;
use crate::engine::Failure;
use crate::message::COMMAND;
use zeroize::Zeroizing;

/// Most bytes of the body of a command or routing id before the handshake is over. libzmq's only limit is
/// `ZMQ_MAXMSGSIZE`. Here an unauthenticated peer takes at most this much memory, and only as its bytes
/// arrive. READY and INITIATE are the long commands: some hundred bytes, and the application's own
/// `ZMQ_METADATA`.
pub const MAX_BODY_BYTES: u64 = 32 * 1024;

/// Bytes allocated at once for a frame, more than a command with a password has: no copy of them stays behind
/// where the buffer grows.
pub const FRAME_BUFFER_BYTES: usize = 1024;

/// Buffers of handshakes grow by this. Each growth copies what is there, which is not much, and not often: the session reads 2 KiB at a time.
const ROOM_BYTES: usize = 1024;

/// Makes room for `more` bytes, and for little beyond: `Vec` by itself would take up to twice as much memory as a peer has sent. There
/// will be `most` bytes at most.
pub fn make_room(bytes: &mut Vec<u8>, more: usize, most: usize) {
    let needed = bytes.len().saturating_add(more);
    if needed > bytes.capacity() {
        let room = needed.checked_next_multiple_of(ROOM_BYTES).unwrap_or(needed).min(most).max(needed);
        bytes.reserve_exact(room.saturating_sub(bytes.len()));
    }
}

/// The form of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// ZMTP 1.0.
    V1,
    /// All later versions.
    V2,
}

pub struct HandshakeFrame {
    form: Form,
    header: Option<FrameHeader>,
    /// The received part of header and body.
    bytes: Zeroizing<Vec<u8>>,
    /// See [`was_canonical`](HandshakeFrame::was_canonical).
    canonical: bool,
}

impl HandshakeFrame {
    pub fn new(form: Form) -> HandshakeFrame {
        HandshakeFrame { form, header: None, bytes: Zeroizing::default(), canonical: false }
    }

    /// Whether no frame has begun.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether the header of the last frame was the one that a command of its length has, to the bit.
    pub fn was_canonical(&self) -> bool {
        self.canonical
    }

    /// Takes bytes off the front of `bytes`, at most up to the end of the frame. Returns its body once it is
    /// complete. It is wiped when dropped: there may be a password in it. The next call begins another frame.
    /// Fails with `EMSGSIZE` as soon as the header shows a body that is too long.
    pub fn input(&mut self, bytes: &mut &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
        let header = loop {
            match self.header {
                Some(header) => break header,
                None => self.header = parse(self.form, &self.bytes)?,
            }
            if self.header.is_none() {
                // Headers are short, so one byte at a time costs nothing and never takes one too many.
                let Some((first, rest)) = bytes.split_first() else { return Ok(None) };
                self.bytes.push(*first);
                *bytes = rest;
            }
        };
        frame::check_size(header.body_len, MAX_BODY_BYTES as i64)?;
        if header.frame_len() <= FRAME_BUFFER_BYTES {
            let missing = header.frame_len().saturating_sub(self.bytes.len());
            self.bytes.reserve_exact(missing);
        }
        let missing = header.frame_len().saturating_sub(self.bytes.len()).min(bytes.len());
        let (taken, rest) = bytes.split_at(missing);
        make_room(&mut self.bytes, taken.len(), header.frame_len());
        self.bytes.extend_from_slice(taken);
        *bytes = rest;
        if self.bytes.len() < header.frame_len() {
            return Ok(None);
        }
        self.header = None;
        let mut whole = std::mem::take(&mut self.bytes);
        let canonical = frame::header(COMMAND, whole.len() - header.header_len);
        self.canonical =
            whole.starts_with(canonical.as_slice()) && canonical.as_slice().len() == header.header_len;
        whole.drain(..header.header_len);
        Ok(Some(whole))
    }
}

fn parse(form: Form, bytes: &[u8]) -> Result<Option<FrameHeader>, Failure> {
    match form {
        Form::V1 => v1::parse_header(bytes),
        Form::V2 => frame::parse_header(bytes),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn frames_are_assembled_from_pieces_of_any_size() {
        let long = vec![7; 300];
        for form in [Form::V1, Form::V2] {
            let mut wire = Vec::new();
            for body in [&b"hi"[..], b"", &long] {
                match form {
                    Form::V1 => v1::append_frame(&mut wire, 0, body),
                    Form::V2 => frame::append_frame(&mut wire, 0, body),
                }
            }
            for piece in 1..wire.len() {
                let mut assembler = HandshakeFrame::new(form);
                let mut bodies = Vec::new();
                for mut bytes in wire.chunks(piece) {
                    while !bytes.is_empty() {
                        bodies.extend(assembler.input(&mut bytes).unwrap());
                    }
                }
                assert_eq!(bodies, [&b"hi"[..], b"", &long].map(|body| Zeroizing::new(body.to_vec())));
            }
        }
    }

    #[test]
    fn an_unfinished_frame_takes_little_more_memory_than_was_sent() {
        for piece in [1, 100, 2048, 5000] {
            let mut wire = Vec::new();
            frame::append_header(&mut wire, 0, MAX_BODY_BYTES as usize);
            wire.resize(wire.len() + MAX_BODY_BYTES as usize - 1, 7);
            let mut assembler = HandshakeFrame::new(Form::V2);
            let mut sent = 0;
            for mut bytes in wire.chunks(piece) {
                sent += bytes.len();
                assert_eq!(assembler.input(&mut bytes), Ok(None));
                assert!(assembler.bytes.capacity() <= sent + ROOM_BYTES, "{piece} {sent}");
            }
        }
    }

    #[test]
    fn too_long_a_body_is_refused_before_it_arrives() {
        let mut header = Vec::new();
        frame::append_header(&mut header, 0, MAX_BODY_BYTES as usize);
        assert_eq!(HandshakeFrame::new(Form::V2).input(&mut &header[..]), Ok(None));
        header.clear();
        frame::append_header(&mut header, 0, MAX_BODY_BYTES as usize + 1);
        assert_eq!(HandshakeFrame::new(Form::V2).input(&mut &header[..]), Err(Failure::TOO_LARGE));
    }
}
