//! The kernel for any processor, in words that compilers turn into vectors of 128 bits. Also HSalsa20, which
//! runs too rarely to need a faster one.

use super::rounds::{Vector, hash, rounds, start};
use super::{Aside, Block, Key, Lanes, MAX_LANES};
use zeroize::Zeroizing;

/// Blocks per call.
pub(super) const LANES: usize = 4;
/// Bytes of other work between two rounds: 20 of them cover slightly more than a call's blocks.
const STRIDE_BYTES: usize = LANES * 4;

pub(super) fn fill<A: Aside>(key: &Key, lanes: &Lanes, out: &mut [Block; MAX_LANES], aside: A) -> A {
    let (words, aside) = hash::<Words<LANES>, A>(key, lanes, aside, STRIDE_BYTES);
    for (lane, block) in out.iter_mut().take(LANES).enumerate() {
        for (bytes, word) in block.as_chunks_mut::<4>().0.iter_mut().zip(words) {
            *bytes = word.0[lane].to_le_bytes();
        }
    }
    aside
}

/// HSalsa20: derives a key from a key and 16 bytes, as XSalsa20 does with the first part of its nonce.
pub(in crate::crypto) fn hsalsa20(key: &[u8; 32], input: &[u8; 16]) -> Key {
    let mut words = Zeroizing::new([0; 8]);
    words_of(key, &mut *words);
    let mut nonce = [0; 4];
    words_of(input, &mut nonce);
    let [n0, n1, b0, b1] = nonce.map(|word| Words([word]));
    let (x, ()) = rounds(start::<Words<1>>(&words, [n0, n1], [b0, b1]), (), 0);
    for (word, at) in words.iter_mut().zip([0, 5, 10, 15, 6, 7, 8, 9]) {
        *word = x[at].0[0];
    }
    words
}

fn words_of(bytes: &[u8], words: &mut [u32]) {
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *word = u32::from_le_bytes(*bytes);
    }
}

#[derive(Clone, Copy)]
struct Words<const N: usize>([u32; N]);

impl<const N: usize> Words<N> {
    #[inline(always)]
    fn with(mut self, other: Self, combine: impl Fn(u32, u32) -> u32) -> Self {
        for (word, other) in self.0.iter_mut().zip(other.0) {
            *word = combine(*word, other);
        }
        self
    }
}

impl<const N: usize> Vector for Words<N> {
    #[inline(always)]
    fn splat(word: u32) -> Self {
        Words([word; N])
    }

    #[inline(always)]
    fn split(numbers: &[u64; MAX_LANES]) -> [Self; 2] {
        let [mut low, mut high] = [Words([0; N]); 2];
        for ((number, low), high) in numbers.iter().zip(&mut low.0).zip(&mut high.0) {
            *low = *number as u32;
            *high = (*number >> 32) as u32;
        }
        [low, high]
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.with(other, u32::wrapping_add)
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        self.with(other, |a, b| a ^ b)
    }

    #[inline(always)]
    fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self {
        self.with(self, |a, _| a << LEFT | a >> RIGHT)
    }
}
