//! Poly1305: a polynomial in `r`, modulo 2^130 - 5, of a text's blocks of 16 bytes; plus a pad.
//!
//! Sources: D. J. Bernstein, "The Poly1305-AES message-authentication code"; RFC 8439, section 2.5.
//!
//! It computes in three words of 64 bits. That needs only the integer units and general registers, which the
//! key stream kernels leave free. So a processor computes both at once where their instructions are mixed.

use super::TAG_BYTES;
use super::salsa::Aside;
use zeroize::Zeroize;

/// Bytes of a block.
pub(super) const BLOCK_BYTES: usize = 16;

/// The authenticator of one text, which is added piece by piece.
pub(super) struct Poly1305 {
    sum: Sum,
    pad: [u64; 2],
    /// Bytes of the text in the sum: whole blocks.
    done: usize,
}

impl Poly1305 {
    /// For one text only: a key that authenticates two texts is revealed.
    pub(super) fn new(key: &[u8; 32]) -> Poly1305 {
        let (sum, pad) = Sum::new(key);
        Poly1305 { sum, pad, done: 0 }
    }

    /// The remaining work for `text`, to be done aside and then given to [`Poly1305::resume`].
    pub(super) fn aside<'a>(&self, text: &'a [u8]) -> Adding<'a> {
        Adding { sum: self.sum, rest: text.get(self.done..).unwrap_or_default() }
    }

    /// Continues from where `adding` ended; `text` is the one that it was made for.
    pub(super) fn resume(&mut self, adding: Adding<'_>, text: &[u8]) {
        self.sum = adding.sum;
        self.done = text.len() - adding.rest.len();
    }

    /// Adds all whole blocks of `text`.
    pub(super) fn absorb(&mut self, text: &[u8]) {
        let (blocks, _) = text.get(self.done..).unwrap_or_default().as_chunks::<BLOCK_BYTES>();
        self.sum.add(blocks);
        self.done += blocks.len() * BLOCK_BYTES;
    }

    /// Adds the rest of `text`, which is now complete.
    pub(super) fn conclude(&mut self, text: &[u8]) {
        self.absorb(text);
        let rest = text.get(self.done..).unwrap_or_default();
        let mut last = [0; BLOCK_BYTES];
        if let Some(room) = last.get_mut(..rest.len()).filter(|room| !room.is_empty()) {
            room.copy_from_slice(rest);
            last[rest.len()] = 1;
            self.sum.h = add_block(self.sum.h, self.sum.r, &last, 0);
            self.done = text.len();
        }
    }

    /// The tag, after [`Poly1305::conclude`].
    pub(super) fn tag(&self) -> [u8; TAG_BYTES] {
        tag_of(&self.sum, self.pad)
    }
}

impl Drop for Poly1305 {
    fn drop(&mut self) {
        self.sum.r.zeroize();
        self.pad.zeroize();
    }
}

/// The polynomial so far.
#[derive(Clone, Copy)]
pub(super) struct Sum {
    /// 2^130 and a little at most.
    h: [u64; 3],
    r: [u64; 2],
}

impl Sum {
    pub(super) const ZERO: Sum = Sum { h: [0; 3], r: [0; 2] };

    /// The sum of an empty text, and the pad.
    #[inline(always)]
    pub(super) fn new(key: &[u8; 32]) -> (Sum, [u64; 2]) {
        let (words, _) = key.as_chunks::<8>();
        let word = |at: usize| words.get(at).map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let r = [word(0) & 0x0fff_fffc_0fff_ffff, word(1) & 0x0fff_fffc_0fff_fffc];
        (Sum { h: [0; 3], r }, [word(2), word(3)])
    }

    /// Adds the last block of a text, as [`partial_block`] makes it.
    #[inline(always)]
    pub(super) fn add_partial(&mut self, block: [u8; BLOCK_BYTES]) {
        self.h = add_block(self.h, self.r, &block, 0);
    }

    pub(super) fn wipe(&mut self) {
        self.r.zeroize();
    }

    #[inline(always)]
    pub(super) fn add(&mut self, blocks: &[[u8; BLOCK_BYTES]]) {
        for block in blocks {
            self.h = add_block(self.h, self.r, block, 1);
        }
    }
}

/// A sum computed aside. It is passed by value and has nothing to wipe, so it stays in registers.
#[derive(Clone, Copy)]
pub(super) struct Adding<'a> {
    sum: Sum,
    rest: &'a [u8],
}

impl Aside for Adding<'_> {
    #[inline(always)]
    fn go_on(&mut self, len: usize) {
        if let Some((now, rest)) = self.rest.split_at_checked(len) {
            self.sum.add(now.as_chunks().0);
            self.rest = rest;
        }
    }
}

/// The last block of a text, of `len` bytes, 1 to 15. `len` of the 16 bytes given, those at the end, are its
/// own.
#[inline(always)]
pub(super) fn partial_block(last: &[u8; BLOCK_BYTES], len: usize) -> [u8; BLOCK_BYTES] {
    let bits = 8 * (len as u32 % BLOCK_BYTES as u32);
    let own = u128::from_le_bytes(*last) >> ((u128::BITS - bits) % u128::BITS);
    (own | 1 << bits).to_le_bytes()
}

/// The tag of a text whose blocks are all in the sum.
#[inline(always)]
pub(super) fn tag_of(sum: &Sum, pad: [u64; 2]) -> [u8; TAG_BYTES] {
    let pad = u128::from(pad[0]) | u128::from(pad[1]) << 64;
    reduced(sum.h).wrapping_add(pad).to_le_bytes()
}

/// `(sum + block + high * 2^128) * r`, reduced to 2^130 and a little.
#[inline(always)]
fn add_block(sum: [u64; 3], r: [u64; 2], block: &[u8; BLOCK_BYTES], high: u64) -> [u64; 3] {
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

/// `sum` modulo 2^130 - 5: the lower 128 bits of it.
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
