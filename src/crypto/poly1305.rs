//! Poly1305: a polynomial in `r`, modulo 2^130 - 5, of a text's blocks of 16 bytes; plus a pad.
//!
//! Sources: D. J. Bernstein, "The Poly1305-AES message-authentication code"; RFC 8439, section 2.5.
//!
//! Three words of 64 bits, on purpose: it needs only the integer units and general registers, which the key stream
//! kernels leave alone, so that a processor computes both at once where their instructions are mixed.

use super::stream::TAG;
use zeroize::Zeroize;

/// Bytes in a block.
const BLOCK: usize = 16;

/// The authenticator of one text, which it is shown piece by piece.
pub(super) struct Poly1305 {
    /// The sum so far: 2^130 and a little at most.
    sum: [u64; 3],
    r: [u64; 2],
    pad: [u64; 2],
    /// How many bytes of the text are in the sum: whole blocks.
    done: usize,
}

impl Poly1305 {
    /// For one text only: a key that authenticates two gives itself away.
    pub(super) fn new(key: &[u8; 32]) -> Poly1305 {
        let word = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&key[at..at + 8]);
            u64::from_le_bytes(bytes)
        };
        let r = [word(0) & 0x0fff_fffc_0fff_ffff, word(8) & 0x0fff_fffc_0fff_fffc];
        Poly1305 { sum: [0; 3], r, pad: [word(16), word(24)], done: 0 }
    }

    /// Goes on by `len` bytes, a multiple of 16, if `text` has as many that are not in the sum yet.
    #[inline(always)]
    pub(super) fn step(&mut self, text: &[u8], len: usize) {
        if let Some(bytes) = text.get(self.done..).and_then(|rest| rest.get(..len)) {
            self.add_blocks(bytes);
        }
    }

    /// Goes on through all whole blocks of `text`.
    pub(super) fn absorb(&mut self, text: &[u8]) {
        self.add_blocks(text.get(self.done..).unwrap_or_default());
    }

    /// Goes on to the end of `text`, which is now all of it.
    pub(super) fn conclude(&mut self, text: &[u8]) {
        self.absorb(text);
        let rest = text.get(self.done..).unwrap_or_default();
        let mut last = [0; BLOCK];
        if let Some(room) = last.get_mut(..rest.len()).filter(|room| !room.is_empty()) {
            room.copy_from_slice(rest);
            last[rest.len()] = 1;
            self.sum = add_block(self.sum, self.r, &last, 0);
            self.done = text.len();
        }
    }

    /// The tag, after [`Poly1305::conclude`].
    pub(super) fn tag(&self) -> [u8; TAG] {
        reduced(self.sum).wrapping_add(u128::from(self.pad[0]) | u128::from(self.pad[1]) << 64).to_le_bytes()
    }

    #[inline(always)]
    fn add_blocks(&mut self, bytes: &[u8]) {
        let (blocks, _) = bytes.as_chunks::<BLOCK>();
        let mut sum = self.sum;
        for block in blocks {
            sum = add_block(sum, self.r, block, 1);
        }
        self.sum = sum;
        self.done += blocks.len() * BLOCK;
    }
}

impl Drop for Poly1305 {
    fn drop(&mut self) {
        self.r.zeroize();
        self.pad.zeroize();
    }
}

/// `(sum + block + high * 2^128) * r`, reduced to 2^130 and a little.
#[inline(always)]
fn add_block(sum: [u64; 3], r: [u64; 2], block: &[u8; BLOCK], high: u64) -> [u64; 3] {
    let [r0, r1] = r;
    // r1 is a multiple of 4 and 2^130 is 5, so that 2^128 * r1 is 5/4 * r1.
    let s1 = r1 + (r1 >> 2);
    let block = u128::from_le_bytes(*block);
    let (h0, carry) = sum[0].overflowing_add(block as u64);
    let (h1, carry) = sum[1].carrying_add((block >> 64) as u64, carry);
    let h2 = sum[2] + high + u64::from(carry);

    let d0 = wide(h0, r0) + wide(h1, s1);
    // h2 is below 8 and r0, s1 below 2^61: no product with h2 is wider than 64 bits.
    let d1 = wide(h0, r1) + wide(h1, r0) + u128::from(h2 * s1) + (d0 >> 64);
    let d2 = h2 * r0 + (d1 >> 64) as u64;

    let five = (d2 >> 2) + (d2 & !3);
    let (h0, carry) = (d0 as u64).overflowing_add(five);
    let (h1, carry) = (d1 as u64).overflowing_add(u64::from(carry));
    [h0, h1, (d2 & 3) + u64::from(carry)]
}

/// `sum` modulo 2^130 - 5, of which the lower 128 bits.
fn reduced(sum: [u64; 3]) -> u128 {
    let low = u128::from(sum[0]) | u128::from(sum[1]) << 64;
    // As sum is below 2 * (2^130 - 5), it is too large exactly if adding 5 reaches 2^130.
    let (less, carry) = low.overflowing_add(5);
    let too_large = ((sum[2] + u64::from(carry)) >> 2) & 1;
    let mask = u128::from(too_large).wrapping_neg();
    (low & !mask) | (less & mask)
}

#[inline(always)]
fn wide(a: u64, b: u64) -> u128 {
    u128::from(a) * u128::from(b)
}
