//! Frame headers of ZMTP 2.0 and later: a byte of flags, then the body's length in one byte or eight (RFC 37).
//!
//! A frame that the program sends gets its header where it enters the pipe (`pipe::lane::writer`).

use crate::engine::Failure;
use crate::message::{COMMAND, LARGE, MORE};
use crate::pipe::wire;

/// Most bytes of a header.
pub const MAX_HEADER_BYTES: usize = wire::MAX_HEADER_BYTES;

/// The flags with a meaning on the wire. Receivers ignore the others, as in libzmq. They must not reach a
/// pipe, where [`ROUTING_ID`](crate::message::ROUTING_ID) is one of them: a peer could forge routing ids.
/// [`clear_reserved_flags`] clears them in place.
pub const WIRE_FLAGS: u8 = MORE | LARGE | COMMAND;

/// A longer body could not be in memory in one piece, even with its header.
const MAX_ADDRESSABLE_BODY_BYTES: u64 = isize::MAX as u64 - MAX_HEADER_BYTES as u64;

/// The beginning of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// [`MORE`], [`LARGE`], [`COMMAND`]; never any other.
    pub flags: u8,
    pub header_len: usize,
    /// At most `isize::MAX` less the longest header, so that a frame's length always fits a `usize`.
    /// [`check_size`] checks it against the socket's limit.
    pub body_len: u64,
}

impl FrameHeader {
    pub(super) fn new(flags: u8, header_len: usize, body_len: u64) -> Result<FrameHeader, Failure> {
        if body_len > MAX_ADDRESSABLE_BODY_BYTES {
            return Err(Failure::TOO_LARGE);
        }
        Ok(FrameHeader { flags, header_len, body_len })
    }

    pub fn more(&self) -> bool {
        self.flags & MORE != 0
    }

    pub fn is_command(&self) -> bool {
        self.flags & COMMAND != 0
    }

    /// FrameHeader and body together, in bytes.
    #[inline]
    pub fn frame_len(&self) -> usize {
        // The cast loses no bits: `new` bounds the body by `isize::MAX`.
        self.header_len.saturating_add(self.body_len as usize)
    }
}

/// Reads the header of the frame that begins at `buf[0]`; `None` if more bytes are needed. Fails with
/// `EMSGSIZE` for a body larger than memory can hold.
#[inline]
pub fn parse_header(buf: &[u8]) -> Result<Option<FrameHeader>, Failure> {
    let Some(header) = wire::Header::parse(buf) else { return Ok(None) };
    FrameHeader::new(header.flags & WIRE_FLAGS, header.len, header.body_len).map(Some)
}

/// Clears the flags without meaning of a frame whose header begins with `first`.
#[inline]
pub fn clear_reserved_flags(first: &mut u8) {
    *first &= WIRE_FLAGS;
}

/// Appends a whole frame.
pub fn append_frame(out: &mut Vec<u8>, flags: u8, body: &[u8]) {
    append_header(out, flags, body.len());
    out.extend_from_slice(body);
}

/// Appends a header for a body of `len` bytes.
pub fn append_header(out: &mut Vec<u8>, flags: u8, len: usize) {
    out.extend_from_slice(header(flags, len).as_slice());
}

/// The header for a body of `len` bytes. Of `flags` only MORE and COMMAND count; LARGE follows from the length.
#[inline]
pub fn header(flags: u8, len: usize) -> wire::Encoded {
    wire::Encoded::new(flags & (MORE | COMMAND), len)
}

/// Fails with `EMSGSIZE` if a body is longer than `ZMQ_MAXMSGSIZE` allows, in bytes; below 0 allows all. It
/// applies to commands as well as to messages, as in libzmq.
#[inline]
pub fn check_size(body_len: u64, max_msg_size: i64) -> Result<(), Failure> {
    match u64::try_from(max_msg_size) {
        Ok(max) if body_len > max => Err(Failure::TOO_LARGE),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn encoded_headers_are_parsed_back() {
        for len in [0, 1, 254, 255, 256, 257, 65_535, 65_536, 1 << 40] {
            for flags in [0, MORE, COMMAND, MORE | COMMAND] {
                let encoded = header(flags, len);
                let (bytes, header_len) = (encoded.as_slice(), if len <= 255 { 2 } else { 9 });
                assert_eq!(bytes.len(), header_len);
                let header = parse_header(bytes).unwrap().unwrap();
                let large = if len <= 255 { 0 } else { LARGE };
                assert_eq!(header, FrameHeader { flags: flags | large, header_len, body_len: len as u64 });
                assert_eq!(header.frame_len(), header_len + len);
                for cut in 0..header_len {
                    assert_eq!(parse_header(&bytes[..cut]), Ok(None));
                }
            }
        }
    }

    #[test]
    fn only_more_and_command_are_encoded() {
        assert_eq!(header(0xff, 3).as_slice(), [MORE | COMMAND, 3]);
    }

    #[test]
    fn reserved_flags_are_ignored() {
        let header = parse_header(b"\xf8\x02hi").unwrap().unwrap();
        assert_eq!(header, FrameHeader { flags: 0, header_len: 2, body_len: 2 });
        let mut first = 0xff;
        clear_reserved_flags(&mut first);
        assert_eq!(first, MORE | LARGE | COMMAND);
    }

    #[test]
    fn a_large_header_may_carry_a_small_length() {
        let header = parse_header(b"\x02\0\0\0\0\0\0\0\x03foo").unwrap().unwrap();
        assert_eq!(header, FrameHeader { flags: LARGE, header_len: 9, body_len: 3 });
    }

    #[test]
    fn lengths_that_no_machine_can_hold_are_refused() {
        for len in [u64::MAX, 1 << 63, MAX_ADDRESSABLE_BODY_BYTES + 1] {
            let mut bytes = vec![LARGE];
            bytes.extend_from_slice(&len.to_be_bytes());
            assert_eq!(parse_header(&bytes), Err(Failure::TOO_LARGE));
        }
        let mut bytes = vec![LARGE];
        bytes.extend_from_slice(&MAX_ADDRESSABLE_BODY_BYTES.to_be_bytes());
        assert_eq!(parse_header(&bytes).unwrap().unwrap().frame_len(), isize::MAX as usize);
    }

    #[test]
    fn sizes_above_the_maximum_are_refused() {
        assert_eq!(check_size(u64::MAX, -1), Ok(()));
        assert_eq!(check_size(0, 0), Ok(()));
        assert_eq!(check_size(1, 0), Err(Failure::TOO_LARGE));
        assert_eq!(check_size(100, 100), Ok(()));
        assert_eq!(check_size(101, 100), Err(Failure::TOO_LARGE));
    }

    #[test]
    fn appended_frames_carry_their_header() {
        let mut out = Vec::new();
        append_frame(&mut out, MORE, b"hi");
        append_frame(&mut out, 0, &[7; 256]);
        assert_eq!(out[..4], *b"\x01\x02hi");
        assert_eq!(out[4..13], *b"\x02\0\0\0\0\0\0\x01\0");
        assert_eq!(out.len(), 4 + 9 + 256);
    }
}
