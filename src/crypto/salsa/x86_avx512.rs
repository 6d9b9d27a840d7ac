//! The kernel for AVX-512: sixteen blocks per call, and rotations in one instruction.

use super::rounds::{Vector, hash};
use super::{Aside, Block, Key, Lanes, MAX_LANES};
use std::arch::x86_64::*;

/// Blocks per call.
pub(super) const LANES: usize = 16;
/// Bytes of other work between two rounds: 20 of them cover slightly more than a call's blocks.
const STRIDE_BYTES: usize = LANES * 4;

/// # Safety
/// The processor has AVX-512F and BMI2 (which is for `aside`: it multiplies).
#[target_feature(enable = "avx512f,bmi2")]
pub(super) unsafe fn fill<A: Aside>(key: &Key, lanes: &Lanes, out: &mut [Block; MAX_LANES], aside: A) -> A {
    let (words, aside) = hash::<Words, A>(key, lanes, aside, STRIDE_BYTES);
    let quads = [quads(&words, 0), quads(&words, 4), quads(&words, 8), quads(&words, 12)];
    for at in 0..4 {
        let rows = transposed(quads.map(|quad| quad[at]));
        for (block, row) in out.iter_mut().skip(at).step_by(4).zip(rows) {
            // SAFETY: room for the 64 bytes that a vector has.
            unsafe { _mm512_storeu_si512(block.as_mut_ptr().cast(), row) };
        }
    }
    aside
}

/// Four words from `at` on. The n-th vector has those of the lanes n, n + 4, n + 8 and n + 12, a quarter
/// each.
#[target_feature(enable = "avx512f")]
fn quads(words: &[Words; 16], at: usize) -> [__m512i; 4] {
    let w = |word: usize| words[at + word].0;
    let low01 = _mm512_unpacklo_epi32(w(0), w(1));
    let high01 = _mm512_unpackhi_epi32(w(0), w(1));
    let low23 = _mm512_unpacklo_epi32(w(2), w(3));
    let high23 = _mm512_unpackhi_epi32(w(2), w(3));
    [
        _mm512_unpacklo_epi64(low01, low23),
        _mm512_unpackhi_epi64(low01, low23),
        _mm512_unpacklo_epi64(high01, high23),
        _mm512_unpackhi_epi64(high01, high23),
    ]
}

/// Transposes a matrix of quarters of vectors.
#[target_feature(enable = "avx512f")]
fn transposed(rows: [__m512i; 4]) -> [__m512i; 4] {
    const EVEN: i32 = 0b10_00_10_00;
    const ODD: i32 = 0b11_01_11_01;
    let even =
        [_mm512_shuffle_i32x4::<EVEN>(rows[0], rows[1]), _mm512_shuffle_i32x4::<EVEN>(rows[2], rows[3])];
    let odd = [_mm512_shuffle_i32x4::<ODD>(rows[0], rows[1]), _mm512_shuffle_i32x4::<ODD>(rows[2], rows[3])];
    [
        _mm512_shuffle_i32x4::<EVEN>(even[0], even[1]),
        _mm512_shuffle_i32x4::<EVEN>(odd[0], odd[1]),
        _mm512_shuffle_i32x4::<ODD>(even[0], even[1]),
        _mm512_shuffle_i32x4::<ODD>(odd[0], odd[1]),
    ]
}

/// Made only by `fill` and what it calls.
#[derive(Clone, Copy)]
struct Words(__m512i);

impl Vector for Words {
    #[inline(always)]
    fn splat(word: u32) -> Self {
        // SAFETY: `fill`'s caller vouches for AVX-512F.
        unsafe { Words(_mm512_set1_epi32(word as i32)) }
    }

    #[inline(always)]
    fn split(numbers: &[u64; MAX_LANES]) -> [Self; 2] {
        // SAFETY: as of `splat`; there are as many numbers as two vectors have.
        unsafe {
            let first = _mm512_loadu_si512(numbers.as_ptr().cast());
            let second = _mm512_loadu_si512(numbers[8..].as_ptr().cast());
            let lower = |first, second| {
                let words = _mm512_castsi256_si512(_mm512_cvtepi64_epi32(first));
                Words(_mm512_inserti64x4::<1>(words, _mm512_cvtepi64_epi32(second)))
            };
            let upper = |numbers| _mm512_srli_epi64::<32>(numbers);
            [lower(first, second), lower(upper(first), upper(second))]
        }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: as of `splat`.
        unsafe { Words(_mm512_add_epi32(self.0, other.0)) }
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: as of `splat`.
        unsafe { Words(_mm512_xor_si512(self.0, other.0)) }
    }

    #[inline(always)]
    fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self {
        // SAFETY: as of `splat`.
        unsafe { Words(_mm512_rol_epi32::<LEFT>(self.0)) }
    }
}
