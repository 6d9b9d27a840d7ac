//! Fields of commands, taken off the front of their bytes.

/// Bytes that are not taken yet.
pub struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub fn new(bytes: &'a [u8]) -> Fields<'a> {
        Fields(bytes)
    }

    /// The next `len` bytes; `None` where there are fewer.
    pub fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(taken)
    }

    pub fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| *byte)
    }

    /// A length or number of two bytes.
    pub fn short(&mut self) -> Option<usize> {
        self.array().map(|bytes| usize::from(u16::from_be_bytes(*bytes)))
    }

    /// A length or number of four bytes.
    pub fn long(&mut self) -> Option<u32> {
        self.array().map(|bytes| u32::from_be_bytes(*bytes))
    }

    /// The bytes that are left.
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// Fails unless all bytes are taken.
    pub fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// What [`append_padding`] rounds up to.
const PADDING_BYTES: usize = 64;

/// Appends zeros until the length is a multiple of 64.
pub fn append_padding(text: &mut Vec<u8>) {
    text.resize(text.len().next_multiple_of(PADDING_BYTES), 0);
}

/// Whether the bytes at the end of this text are what [`append_padding`] appends.
pub fn is_padded(text: &[u8], padding: &[u8]) -> bool {
    text.len().is_multiple_of(PADDING_BYTES) && padding.len() < PADDING_BYTES && is_zero(padding)
}

pub fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_taken_in_order_and_never_beyond_the_end() {
        let mut fields = Fields::new(b"\x01\x02\x03\0\0\0\x09abc");
        assert_eq!(fields.byte(), Some(1));
        assert_eq!(fields.short(), Some(0x0203));
        assert_eq!(fields.long(), Some(9));
        assert_eq!(fields.take(4), None);
        assert_eq!(fields.rest(), b"abc");
        assert_eq!(fields.array::<3>(), Some(b"abc"));
        assert_eq!((fields.byte(), fields.end()), (None, Some(())));
        assert_eq!(Fields::new(b"x").end(), None);
    }

    #[test]
    fn padding_is_zeros_and_the_fewest() {
        for len in 0..200 {
            let mut text = vec![7; len];
            append_padding(&mut text);
            assert_eq!(text.len() % 64, 0);
            assert!(is_padded(&text, &text[len..]));
        }
        assert!(!is_padded(&[0; 64], &[0; 64]) && !is_padded(&[0; 64], &[0, 1]));
        assert!(!is_padded(&[0; 63], &[0; 59]) && !is_padded(&[0; 65], &[0; 61]), "no multiple of 64");
    }
}
