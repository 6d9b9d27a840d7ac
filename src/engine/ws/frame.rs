//! The WebSocket frames (RFC 6455, section 5.2) that ZWS uses: binary ones in one piece, ping, pong and
//! close. All others break the protocol, including fragments, as in libzmq.

use super::mask::{self, Masks};
use crate::engine::Failure;

/// Most bytes of a header, mask included.
pub const MAX_HEADER_BYTES: usize = 14;
/// Most bytes of the payload of a ping, a pong or a close.
pub const MAX_CONTROL_PAYLOAD_BYTES: u64 = 125;

/// In the first byte of a binary frame's payload: more frames of the message follow.
pub const MORE: u8 = 1;
/// In the same byte: the frame is a command.
pub const COMMAND: u8 = 2;

/// A longer payload could not be in memory in one piece.
const MAX_PAYLOAD_BYTES: u64 = isize::MAX as u64 - MAX_HEADER_BYTES as u64;

const FINAL_BIT: u8 = 0x80;
const MASKED_BIT: u8 = 0x80;
/// In place of a short length: two bytes of it follow, or eight.
const TWO_BYTES: u8 = 126;
const EIGHT_BYTES: u8 = 127;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

/// The beginning of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WsHeader {
    pub opcode: Opcode,
    pub header_len: usize,
    /// All zero where the frame is not masked.
    pub mask: [u8; 4],
    /// At least 1 for binary frames, at most 125 for all others; never more than memory can hold together
    /// with the header.
    pub payload_len: u64,
}

impl WsHeader {
    /// WsHeader and payload together, in bytes.
    pub fn frame_len(&self) -> usize {
        // The cast loses no bits: the payload is bounded by `isize::MAX`.
        self.header_len.saturating_add(self.payload_len as usize)
    }
}

/// Whether a frame whose first byte this is is a binary one.
pub fn is_binary(first: u8) -> bool {
    first == FINAL_BIT | Opcode::Binary as u8
}

/// Reads the header of the frame that begins at `buf[0]`; `None` if more bytes are needed. Each byte is
/// checked as soon as it arrives. Invalid are frames that are not final, have reserved bits set, are neither
/// binary nor control frames, or have an impossible length. So are frames masked where they must not be, and
/// the other way round.
pub fn parse_header(buf: &[u8], masked: bool) -> Result<Option<WsHeader>, Failure> {
    let [first, rest @ ..] = buf else { return Ok(None) };
    let opcode = [Opcode::Binary, Opcode::Close, Opcode::Ping, Opcode::Pong];
    let opcode =
        opcode.into_iter().find(|opcode| *first == FINAL_BIT | *opcode as u8).ok_or(Failure::SILENT)?;
    let [second, rest @ ..] = rest else { return Ok(None) };
    if (second & MASKED_BIT != 0) != masked {
        return Err(Failure::SILENT);
    }
    let short = second & !MASKED_BIT;
    if opcode != Opcode::Binary && u64::from(short) > MAX_CONTROL_PAYLOAD_BYTES {
        return Err(Failure::SILENT);
    }
    let (payload_len, rest) = match short {
        TWO_BYTES => match rest.split_first_chunk() {
            Some((len, rest)) => (u64::from(u16::from_be_bytes(*len)), rest),
            None => return Ok(None),
        },
        EIGHT_BYTES => match rest.split_first_chunk() {
            Some((len, rest)) => (u64::from_be_bytes(*len), rest),
            None => return Ok(None),
        },
        short => (u64::from(short), rest),
    };
    if payload_len > MAX_PAYLOAD_BYTES {
        return Err(Failure::TOO_LARGE);
    }
    if opcode == Opcode::Binary && payload_len == 0 {
        return Err(Failure::SILENT);
    }
    let mut header_len = buf.len() - rest.len();
    let mut mask = [0; 4];
    if masked {
        let Some(four) = rest.first_chunk() else { return Ok(None) };
        mask = *four;
        header_len += mask.len();
    }
    Ok(Some(WsHeader { opcode, header_len, mask, payload_len }))
}

/// Appends a frame of a message, or a command: `flags` are [`MORE`] and [`COMMAND`], the body is `front` and
/// then `body`.
pub fn append_binary(out: &mut Vec<u8>, masks: Option<&mut Masks>, flags: u8, front: &[u8], body: &[u8]) {
    append(out, Opcode::Binary, masks, [&[flags], front, body]);
}

/// Appends a ping, pong or close. Bytes of the payload beyond 125 are cut.
pub fn append_control(out: &mut Vec<u8>, opcode: Opcode, masks: Option<&mut Masks>, payload: &[u8]) {
    let payload = payload.get(..MAX_CONTROL_PAYLOAD_BYTES as usize).unwrap_or(payload);
    append(out, opcode, masks, [payload, &[], &[]]);
}

fn append(out: &mut Vec<u8>, opcode: Opcode, masks: Option<&mut Masks>, parts: [&[u8]; 3]) {
    let len = parts.iter().map(|part| part.len()).fold(0, usize::saturating_add);
    out.reserve(len.saturating_add(MAX_HEADER_BYTES));
    let masked = if masks.is_some() { MASKED_BIT } else { 0 };
    out.push(FINAL_BIT | opcode as u8);
    if len < usize::from(TWO_BYTES) {
        out.push(masked | len as u8);
    } else if let Ok(len) = u16::try_from(len) {
        out.push(masked | TWO_BYTES);
        out.extend_from_slice(&len.to_be_bytes());
    } else {
        out.push(masked | EIGHT_BYTES);
        out.extend_from_slice(&(len as u64).to_be_bytes());
    }
    let mask = masks.map(Masks::next_mask);
    out.extend_from_slice(mask.as_ref().map_or(&[], |mask| &mask[..]));
    let payload = out.len();
    for part in parts {
        out.extend_from_slice(part);
    }
    if let Some(mask) = mask {
        mask::apply(mask, 0, out.get_mut(payload..).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn appended_frames_are_parsed_back() {
        for masked in [false, true] {
            let mut masks = masked.then(Masks::default);
            for len in [0, 1, 123, 124, 125, 126, 65_533, 65_534, 65_535, 70_000] {
                let body: Vec<u8> = (0..len).map(|i| i as u8).collect();
                let mut out = Vec::new();
                append_binary(&mut out, masks.as_mut(), MORE, b"x", &body);
                let header = parse_header(&out, masked).unwrap().unwrap();
                assert_eq!(header.opcode, Opcode::Binary);
                assert_eq!(header.frame_len(), out.len(), "{len}");
                for cut in 0..header.header_len {
                    assert_eq!(parse_header(&out[..cut], masked), Ok(None), "{len} {cut}");
                }
                assert_eq!(parse_header(&out[..2], !masked), Err(Failure::SILENT));
                let payload = &mut out[header.header_len..];
                mask::apply(header.mask, 0, payload);
                assert_eq!(payload[..2], [MORE, b'x']);
                assert_eq!(payload[2..], body);
            }
        }
    }

    #[test]
    fn frames_have_the_bytes_of_the_rfc() {
        let mut out = Vec::new();
        append_binary(&mut out, None, COMMAND, b"", b"hi");
        assert_eq!(out, b"\x82\x03\x02hi");
        out.clear();
        append_control(&mut out, Opcode::Ping, None, b"");
        append_control(&mut out, Opcode::Pong, None, b"yo");
        append_control(&mut out, Opcode::Close, None, &[3, 0xe8]);
        assert_eq!(out, b"\x89\0\x8a\x02yo\x88\x02\x03\xe8");
        // Section 5.7: "Hello", masked, here with another opcode.
        let header = parse_header(b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", true).unwrap().unwrap();
        let mut payload = *b"\x7f\x9f\x4d\x51\x58";
        mask::apply(header.mask, 0, &mut payload);
        assert_eq!(&payload, b"Hello");
    }

    #[test]
    fn other_frames_are_refused_at_the_first_byte_that_shows_it() {
        // Fragments, text, unknown opcodes, reserved bits.
        for first in [0x02, 0x00, 0x80, 0x81, 0x83, 0x87, 0x8b, 0x8f, 0xc2, 0xa2, 0x92, 0x08, 0x09] {
            assert_eq!(parse_header(&[first], false), Err(Failure::SILENT), "{first:x}");
        }
        // Control frames with a long length, and binary ones without a byte.
        for bytes in [&[0x89, 126][..], &[0x88, 127], &[0x8a, 126], &[0x82, 0], &[0x82, 126, 0, 0]] {
            assert_eq!(parse_header(bytes, false), Err(Failure::SILENT));
        }
        for len in [u64::MAX, 1 << 63, MAX_PAYLOAD_BYTES + 1] {
            let bytes = [&[0x82, 127][..], &len.to_be_bytes()].concat();
            assert_eq!(parse_header(&bytes, false), Err(Failure::TOO_LARGE));
        }
        let bytes = [&[0x82, 127][..], &MAX_PAYLOAD_BYTES.to_be_bytes()].concat();
        assert_eq!(parse_header(&bytes, false).unwrap().unwrap().payload_len, MAX_PAYLOAD_BYTES);
    }

    #[test]
    fn control_payloads_are_cut() {
        let mut out = Vec::new();
        append_control(&mut out, Opcode::Pong, None, &[7; 300]);
        assert_eq!(out.len(), 127);
    }
}
