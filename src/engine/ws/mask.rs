//! Masks (RFC 6455, section 5.3): a client combines each frame with four new random bytes. So a web page
//! cannot choose the bytes on the wire.

use crate::crypto::random;

/// Random bytes fetched at a time: one call of the system serves this many bytes of masks.
const POOL_BYTES: usize = 1024;

/// A source of masks.
#[derive(Debug)]
pub struct Masks {
    pool: Box<[u8; POOL_BYTES]>,
    used: usize,
}

impl Default for Masks {
    fn default() -> Masks {
        Masks { pool: Box::new([0; POOL_BYTES]), used: POOL_BYTES }
    }
}

impl Masks {
    /// A mask for the next frame.
    pub fn next_mask(&mut self) -> [u8; 4] {
        if let Some(mask) = self.take() {
            return mask;
        }
        // Without random bytes of the system the old ones are used again. Masks protect intermediaries, and
        // keep no secret.
        let _ = random::fill(&mut *self.pool);
        self.used = 0;
        self.take().unwrap_or_default()
    }

    fn take(&mut self) -> Option<[u8; 4]> {
        let mask = self.pool.get(self.used..)?.first_chunk().copied()?;
        self.used += mask.len();
        Some(mask)
    }
}

/// Masks or unmasks bytes at offset `at` in their frame.
pub fn apply(mask: [u8; 4], at: usize, bytes: &mut [u8]) {
    let mut mask = mask;
    mask.rotate_left(at % 4);
    let [a, b, c, d] = mask;
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for eight in words {
        *eight = (u64::from_ne_bytes(*eight) ^ word).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_masked_as_the_whole_is() {
        let mask = [1, 20, 33, 240];
        for len in 0..40u8 {
            let plain: Vec<u8> = (0..len).collect();
            let masked: Vec<u8> = plain.iter().enumerate().map(|(i, byte)| byte ^ mask[i % 4]).collect();
            for cut in 0..=usize::from(len) {
                let mut bytes = plain.clone();
                let (front, back) = bytes.split_at_mut(cut);
                apply(mask, 0, front);
                apply(mask, cut, back);
                assert_eq!(bytes, masked);
            }
        }
    }

    #[test]
    fn masks_are_new_each_time() {
        let mut masks = Masks::default();
        let drawn: std::collections::HashSet<_> = (0..1000).map(|_| masks.next_mask()).collect();
        assert!(drawn.len() > 990);
    }
}
