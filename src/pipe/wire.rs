//! Frame headers as they lie in a lane: those of ZMTP 3 (RFC 37, "Framing").

use crate::message::{LARGE, MORE};

/// Bytes of the longest header: flags and an eight-byte length.
pub const MAX_HEADER_BYTES: usize = 9;

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub flags: u8,
    /// Bytes of the header itself: 2 or 9.
    pub len: usize,
    pub body_len: u64,
}

impl Header {
    /// Reads a header; `None` while bytes are missing.
    #[inline(always)]
    pub fn parse(bytes: &[u8]) -> Option<Header> {
        let (&flags, rest) = bytes.split_first()?;
        if flags & LARGE == 0 {
            return Some(Header { flags, len: 2, body_len: u64::from(*rest.first()?) });
        }
        let length = rest.first_chunk::<8>()?;
        Some(Header { flags, len: MAX_HEADER_BYTES, body_len: u64::from_be_bytes(*length) })
    }

    /// Length of header and body together; `usize::MAX`, which no block holds, where the sum overflows.
    #[inline(always)]
    pub fn frame_len(&self) -> usize {
        usize::try_from(self.body_len).map_or(usize::MAX, |body| body.saturating_add(self.len))
    }
}

/// Whether more frames follow, the body, and the length with the header, of a message's frame that lies whole at the front. `None` also
/// where that is none, or has its body elsewhere. As [`Header::parse`], with fewer comparisons for a short frame.
#[inline(always)]
pub fn whole_frame(bytes: &[u8]) -> Option<(bool, &[u8], usize)> {
    let ([flags, length], rest) = bytes.split_first_chunk::<2>()?;
    if flags & !MORE == 0 {
        let len = usize::from(*length);
        return Some((flags & MORE != 0, rest.get(..len)?, 2 + len));
    }
    let (header, rest) = bytes.split_first_chunk::<MAX_HEADER_BYTES>()?;
    let [_, length @ ..] = header;
    let len = usize::try_from(u64::from_be_bytes(*length)).ok()?;
    let body = rest.get(..len).filter(|_| flags & !MORE == LARGE)?;
    Some((flags & MORE != 0, body, MAX_HEADER_BYTES + len))
}

/// A header as bytes.
pub struct Encoded {
    bytes: [u8; MAX_HEADER_BYTES],
    len: usize,
}

impl Encoded {
    /// The header of a frame with these flags and this many body bytes. `LARGE` is left out of `flags`: the
    /// length decides it.
    #[inline]
    pub fn new(flags: u8, body_len: usize) -> Encoded {
        let mut bytes = [0; MAX_HEADER_BYTES];
        match u8::try_from(body_len) {
            Ok(short) => {
                bytes[0] = flags;
                bytes[1] = short;
                Encoded { bytes, len: 2 }
            }
            Err(_) => {
                bytes[0] = flags | LARGE;
                bytes[1..].copy_from_slice(&(body_len as u64).to_be_bytes());
                Encoded { bytes, len: MAX_HEADER_BYTES }
            }
        }
    }

    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl AsRef<[u8]> for Encoded {
    #[inline(always)]
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{COMMAND, IN_BODY_RING, ROUTING_ID};

    #[test]
    fn headers_come_back() {
        for (flags, len) in [(0, 0), (1, 255), (4, 256), (1, 70_000)] {
            let encoded = Encoded::new(flags, len);
            let header = Header::parse(encoded.as_slice()).unwrap_or_else(|| unreachable!());
            assert_eq!((header.flags & !LARGE, header.body_len), (flags, len as u64));
            assert_eq!(header.len, encoded.as_slice().len());
            assert_eq!(Header::parse(&encoded.as_slice()[..header.len - 1]), None);
        }
    }

    #[test]
    fn whole_frames_of_messages_are_told_from_others() {
        for (flags, len) in [(0, 0), (MORE, 0), (0, 255), (MORE, 256), (0, 70_000)] {
            let frame = [Encoded::new(flags, len).as_slice(), &vec![7; len], b"next"].concat();
            let whole = frame.len() - 4;
            assert_eq!(whole_frame(&frame), Some((flags == MORE, &vec![7; len][..], whole)));
            assert!(whole_frame(&frame[..whole]).is_some());
            for cut in [0, 1, 2, 8, 9, whole - 1].into_iter().filter(|cut| *cut < whole) {
                assert_eq!(whole_frame(&frame[..cut]), None, "{cut} of {whole}");
            }
            for other in [COMMAND, ROUTING_ID, IN_BODY_RING, 0x80] {
                let mut frame = frame.clone();
                frame[0] |= other;
                assert_eq!(whole_frame(&frame), None, "{other:#x}");
            }
        }
        assert_eq!(whole_frame(&[[LARGE; 1], [0xff; 1]].concat().repeat(9)), None);
    }
}
