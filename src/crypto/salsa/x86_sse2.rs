//! The kernel for SSE2, which every x86-64 has: four blocks per call.

use super::rounds::{Vector, hash};
use super::{Aside, Block, Key, Lanes, MAX_LANES};
use std::arch::x86_64::*;

/// Blocks per call.
pub(super) const LANES: usize = 4;
/// Bytes of other work between two rounds: 20 of them cover slightly more than a call's blocks.
const STRIDE_BYTES: usize = LANES * 4;

pub(super) fn fill<A: Aside>(key: &Key, lanes: &Lanes, out: &mut [Block; MAX_LANES], aside: A) -> A {
    let (words, aside) = hash::<Words, A>(key, lanes, aside, STRIDE_BYTES);
    for (quarter, words) in words.as_chunks::<4>().0.iter().enumerate() {
        for (block, row) in out.iter_mut().zip(transposed(words)) {
            let bytes = &mut block.as_chunks_mut::<16>().0[quarter];
            // SAFETY: room for the 16 bytes that a vector has.
            unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), row) };
        }
    }
    aside
}

/// Four words of each lane, from a vector per word to a vector per lane.
fn transposed(words: &[Words; 4]) -> [__m128i; 4] {
    let [w0, w1, w2, w3] = words.map(|words| words.0);
    // SAFETY: every x86-64 has SSE2.
    unsafe {
        let (low01, high01) = (_mm_unpacklo_epi32(w0, w1), _mm_unpackhi_epi32(w0, w1));
        let (low23, high23) = (_mm_unpacklo_epi32(w2, w3), _mm_unpackhi_epi32(w2, w3));
        [
            _mm_unpacklo_epi64(low01, low23),
            _mm_unpackhi_epi64(low01, low23),
            _mm_unpacklo_epi64(high01, high23),
            _mm_unpackhi_epi64(high01, high23),
        ]
    }
}

#[derive(Clone, Copy)]
struct Words(__m128i);

impl Vector for Words {
    #[inline(always)]
    fn splat(word: u32) -> Self {
        // SAFETY: every x86-64 has SSE2.
        unsafe { Words(_mm_set1_epi32(word as i32)) }
    }

    #[inline(always)]
    fn split(numbers: &[u64; MAX_LANES]) -> [Self; 2] {
        // SAFETY: as of `splat`; there are more numbers than two vectors have.
        unsafe {
            let first = _mm_loadu_ps(numbers.as_ptr().cast());
            let second = _mm_loadu_ps(numbers[2..].as_ptr().cast());
            [
                Words(_mm_castps_si128(_mm_shuffle_ps::<0b10_00_10_00>(first, second))),
                Words(_mm_castps_si128(_mm_shuffle_ps::<0b11_01_11_01>(first, second))),
            ]
        }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: as of `splat`.
        unsafe { Words(_mm_add_epi32(self.0, other.0)) }
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: as of `splat`.
        unsafe { Words(_mm_xor_si128(self.0, other.0)) }
    }

    #[inline(always)]
    fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self {
        // SAFETY: as of `splat`.
        unsafe { Words(_mm_or_si128(_mm_slli_epi32::<LEFT>(self.0), _mm_srli_epi32::<RIGHT>(self.0))) }
    }
}
