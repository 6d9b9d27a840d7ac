//! Frame headers as they lie in a lane: those of ZMTP 3 (RFC 37, "Framing").

use crate::message::LARGE;

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
