//! The kernel for AVX2: eight blocks per call.

use super::rounds::{Vector, hash};
use super::{Aside, Block, Key, Lanes, MAX_LANES};
use std::arch::x86_64::*;

/// Blocks per call.
pub(super) const LANES: usize = 8;
/// Bytes of other work between two rounds: 20 of them cover slightly more than a call's blocks.
const STRIDE_BYTES: usize = LANES * 4;

/// # Safety
/// The processor has AVX2 and BMI2 (which is for `aside`: it multiplies).
#[target_feature(enable = "avx2,bmi2")]
pub(super) unsafe fn fill<A: Aside>(key: &Key, lanes: &Lanes, out: &mut [Block; MAX_LANES], aside: A) -> A {
    let (words, aside) = hash::<Words, A>(key, lanes, aside, STRIDE_BYTES);
    store(std::hint::black_box(&words), out);
    aside
}

/// Takes `words` through memory, from a `black_box`. So the compiler knows from the start that `fill` needs
/// an aligned stack. Otherwise it spills registers to unaligned places, half of them across cache lines.
/// Forbidding inlining is not enough.
#[inline(never)]
#[target_feature(enable = "avx2")]
fn store(words: &[Words; 16], out: &mut [Block; MAX_LANES]) {
    let (halves, _) = words.as_chunks::<8>();
    for (half, words) in halves.iter().enumerate() {
        for (block, row) in out.iter_mut().zip(transposed(words)) {
            let bytes = &mut block.as_chunks_mut::<32>().0[half];
            // SAFETY: room for the 32 bytes that a vector has.
            unsafe { _mm256_storeu_si256(bytes.as_mut_ptr().cast(), row) };
        }
    }
}

/// Eight words of each lane, from a vector per word to a vector per lane.
#[target_feature(enable = "avx2")]
fn transposed(words: &[Words; 8]) -> [__m256i; 8] {
    let w = words.map(|words| words.0);
    // Names refer to the lower half of each vector; the upper half has the same of the lanes from 4 on.
    let quads = |at: usize| {
        let low01 = _mm256_unpacklo_epi32(w[at], w[at + 1]);
        let high01 = _mm256_unpackhi_epi32(w[at], w[at + 1]);
        let low23 = _mm256_unpacklo_epi32(w[at + 2], w[at + 3]);
        let high23 = _mm256_unpackhi_epi32(w[at + 2], w[at + 3]);
        [
            _mm256_unpacklo_epi64(low01, low23),
            _mm256_unpackhi_epi64(low01, low23),
            _mm256_unpacklo_epi64(high01, high23),
            _mm256_unpackhi_epi64(high01, high23),
        ]
    };
    let (first, second) = (quads(0), quads(4));
    let low = |lane: usize| _mm256_permute2x128_si256::<0x20>(first[lane], second[lane]);
    let high = |lane: usize| _mm256_permute2x128_si256::<0x31>(first[lane], second[lane]);
    [low(0), low(1), low(2), low(3), high(0), high(1), high(2), high(3)]
}

/// Made only by `fill` and what it calls.
#[derive(Clone, Copy)]
struct Words(__m256i);

impl Vector for Words {
    #[inline(always)]
    fn splat(word: u32) -> Self {
        // SAFETY: `fill`'s caller vouches for AVX2.
        unsafe { Words(_mm256_set1_epi32(word as i32)) }
    }

    #[inline(always)]
    fn split(numbers: &[u64; MAX_LANES]) -> [Self; 2] {
        // SAFETY: as of `splat`; there are more numbers than two vectors have.
        unsafe {
            let first = _mm256_loadu_ps(numbers.as_ptr().cast());
            let second = _mm256_loadu_ps(numbers[4..].as_ptr().cast());
            let low = _mm256_castps_si256(_mm256_shuffle_ps::<0b10_00_10_00>(first, second));
            let high = _mm256_castps_si256(_mm256_shuffle_ps::<0b11_01_11_01>(first, second));
            // The shuffles work on each half of the vectors, so the result is in the order 0 1 4 5 2 3 6 7.
            const IN_ORDER: i32 = 0b11_01_10_00;
            [
                Words(_mm256_permute4x64_epi64::<IN_ORDER>(low)),
                Words(_mm256_permute4x64_epi64::<IN_ORDER>(high)),
            ]
        }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: as of `splat`.
        unsafe { Words(_mm256_add_epi32(self.0, other.0)) }
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: as of `splat`.
        unsafe { Words(_mm256_xor_si256(self.0, other.0)) }
    }

    #[inline(always)]
    fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self {
        // SAFETY: as of `splat`.
        unsafe {
            Words(_mm256_or_si256(_mm256_slli_epi32::<LEFT>(self.0), _mm256_srli_epi32::<RIGHT>(self.0)))
        }
    }
}
