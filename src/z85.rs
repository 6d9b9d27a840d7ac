//! Z85 (RFC 32): binary keys as printable text, four bytes in five characters.
//!
//! Without padding, which the codec underneath knows and RFC 32 does not.

#![forbid(unsafe_code)]

use crate::errno::{Errno, Result};
use zeroize::Zeroizing;

/// How many characters `len` bytes take. Errors: `EINVAL` unless a multiple of 4.
pub fn encoded_len(len: usize) -> Result<usize> {
    if !len.is_multiple_of(4) {
        return Err(Errno::INVAL);
    }
    (len / 4).checked_mul(5).ok_or(Errno::INVAL)
}

/// How many bytes `len` characters hold. Errors: `EINVAL` unless a multiple of 5, and for no characters.
pub fn decoded_len(len: usize) -> Result<usize> {
    if len == 0 || !len.is_multiple_of(5) { Err(Errno::INVAL) } else { Ok(len / 5 * 4) }
}

/// The text of `data`; wiped when dropped, as it may be of a secret key. Errors: `EINVAL` as of [`encoded_len`].
pub fn encode(data: &[u8]) -> Result<Zeroizing<String>> {
    encoded_len(data.len())?;
    Ok(Zeroizing::new(z85::encode(data)))
}

/// The bytes that `text` stands for; wiped when dropped, as they may be a secret key. Errors: `EINVAL` as of
/// [`decoded_len`], for characters that are not Z85's, and for groups above 0xffffffff.
pub fn decode(text: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let len = decoded_len(text.len())?;
    let data = Zeroizing::new(z85::decode(text).map_err(|_| Errno::INVAL)?);
    // The codec takes '#' at the start of the last group for padding. Without padding such a group is above the
    // limit.
    if data.len() == len { Ok(data) } else { Err(Errno::INVAL) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        let data = [0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b];
        assert_eq!(encode(&data).unwrap().as_str(), "HelloWorld");
        assert_eq!(decode(b"HelloWorld").unwrap().as_slice(), data);
    }

    #[test]
    fn borders() {
        assert_eq!(encode(b"").unwrap().as_str(), "");
        assert_eq!(encode(&[0; 4]).unwrap().as_str(), "00000");
        assert_eq!(encode(&[0xff; 4]).unwrap().as_str(), "%nSc0");
        assert_eq!(decode(b"%nSc0").unwrap().as_slice(), [0xff; 4]);
    }

    #[test]
    fn what_is_not_z85() {
        for len in [1, 2, 3, 5, 42] {
            assert_eq!(encode(&vec![0; len]).unwrap_err(), Errno::INVAL);
        }
        let no_text: [&[u8]; 11] = [
            b"",
            b"0",
            b"0123",
            b"01234567",
            b"#####",
            b"%nSc1",
            b"0000\x7f",
            b"0000\x20",
            b"0000\x1f",
            b"0000\x80",
            b"0000\"",
        ];
        for text in no_text {
            assert_eq!(decode(text).unwrap_err(), Errno::INVAL, "{text:?}");
        }
    }

    #[test]
    fn no_padding() {
        for text in [&b"#0000"[..], b"##000", b"###00", b"####0", b"00000#0000", b"#000000000"] {
            assert_eq!(decode(text).unwrap_err(), Errno::INVAL, "{text:?}");
        }
    }

    #[test]
    fn every_byte_there_and_back() {
        let data: Vec<u8> = (0..=255).collect();
        assert_eq!(decode(encode(&data).unwrap().as_bytes()).unwrap().as_slice(), data);
    }
}
