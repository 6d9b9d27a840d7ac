//! Frame headers of ZMTP 1.0 (RFC 13): the length of flags and body in one byte, or 0xFF and eight more; then
//! the byte of flags, of which only MORE counts.
use super::frame::FrameHeader;
use crate::engine::Failure;
use crate::message::MORE;

/// Most bytes of a header.
pub const MAX_HEADER_BYTES: usize = 10;

/// In place of a short length: a long one follows.
const LONG_LENGTH_MARK: u8 = 0xff;

/// Reads the header of the frame that begins at `buf[0]`; `None` if more bytes are needed. A length of zero
/// leaves no room for the flags and breaks the protocol. A body larger than memory can hold is `EMSGSIZE`.
/// Both fail as soon as the length has arrived, before the flags.
pub fn parse_header(buf: &[u8]) -> Result<Option<FrameHeader>, Failure> {
    let [first, rest @ ..] = buf else { return Ok(None) };
    let (len, rest, header_len) = if *first == LONG_LENGTH_MARK {
        let Some((len, rest)) = rest.split_first_chunk::<8>() else { return Ok(None) };
        (u64::from_be_bytes(*len), rest, MAX_HEADER_BYTES)
    } else {
        (u64::from(*first), rest, 2)
    };
    let body_len = len.checked_sub(1).ok_or(Failure::SILENT)?;
    let header = FrameHeader::new(0, header_len, body_len)?;
    Ok(rest.first().map(|flags| FrameHeader { flags: flags & MORE, ..header }))
}

/// Writes a header for a body of `len` bytes and returns its length: 2 or 10. Of `flags` only MORE counts.
pub fn encode_header(flags: u8, len: usize, header: &mut [u8; MAX_HEADER_BYTES]) -> usize {
    let flags = flags & MORE;
    let len = (len as u64).saturating_add(1);
    match u8::try_from(len) {
        Ok(short) if short != LONG_LENGTH_MARK => {
            header[0] = short;
            header[1] = flags;
            2
        }
        _ => {
            header[0] = LONG_LENGTH_MARK;
            header[1..9].copy_from_slice(&len.to_be_bytes());
            header[9] = flags;
            MAX_HEADER_BYTES
        }
    }
}

/// Appends a whole frame.
pub fn append_frame(out: &mut Vec<u8>, flags: u8, body: &[u8]) {
    let mut header = [0; MAX_HEADER_BYTES];
    let header_len = encode_header(flags, body.len(), &mut header);
    out.extend(header.iter().take(header_len));
    out.extend_from_slice(body);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn encoded_headers_are_parsed_back() {
        for len in [0, 1, 252, 253, 254, 255, 256, 65_536, 1 << 40] {
            for flags in [0, MORE] {
                let mut bytes = [0; MAX_HEADER_BYTES];
                let header_len = encode_header(flags, len, &mut bytes);
                assert_eq!(header_len, if len <= 253 { 2 } else { 10 });
                let header = parse_header(&bytes[..header_len]).unwrap().unwrap();
                assert_eq!(header, FrameHeader { flags, header_len, body_len: len as u64 });
                for cut in 0..header_len {
                    assert_eq!(parse_header(&bytes[..cut]), Ok(None));
                }
            }
        }
    }

    #[test]
    fn known_frames_read_as_libzmq_reads_them() {
        let mut out = Vec::new();
        append_frame(&mut out, 0, b"me");
        assert_eq!(out, b"\x03\0me");
        let header = parse_header(b"\xff\0\0\0\0\0\0\0\x04\0abc").unwrap().unwrap();
        assert_eq!(header, FrameHeader { flags: 0, header_len: 10, body_len: 3 });
        let header = parse_header(b"\x04\xffabc").unwrap().unwrap();
        assert_eq!(header, FrameHeader { flags: MORE, header_len: 2, body_len: 3 });
    }

    #[test]
    fn a_length_of_zero_is_refused_before_the_flags() {
        assert_eq!(parse_header(b"\0"), Err(Failure::SILENT));
        assert_eq!(parse_header(b"\xff\0\0\0\0\0\0\0\0"), Err(Failure::SILENT));
    }

    #[test]
    fn lengths_that_no_machine_can_hold_are_refused() {
        assert_eq!(parse_header(&[0xff; 9]), Err(Failure::TOO_LARGE));
        assert_eq!(parse_header(b"\xff\x80\0\0\0\0\0\0\0\0"), Err(Failure::TOO_LARGE));
    }
}
