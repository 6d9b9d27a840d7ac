//! The rounds, for any kind of vector.

use super::{Aside, Key, Lanes, MAX_LANES};

/// "expand 32-byte k".
const SIGMA: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];

/// A word of the state in several blocks at once: one block per lane.
///
/// Every method is force-inlined: code for an instruction set must end up in a function that is compiled for
/// it.
pub(super) trait Vector: Copy {
    /// `word` in every lane.
    fn splat(word: u32) -> Self;
    /// The lower and the upper halves of the first numbers, one per lane.
    fn split(numbers: &[u64; MAX_LANES]) -> [Self; 2];
    fn add(self, other: Self) -> Self;
    fn xor(self, other: Self) -> Self;
    /// To the left by `LEFT` bits; `RIGHT` is 32 - `LEFT`.
    fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self;
}

/// The initial state of the rounds.
#[inline(always)]
pub(super) fn start<V: Vector>(key: &Key, nonce: [V; 2], block: [V; 2]) -> [V; 16] {
    let k = |at: usize| V::splat(key[at]);
    let s = |at: usize| V::splat(SIGMA[at]);
    let [n0, n1] = nonce;
    let [b0, b1] = block;
    [s(0), k(0), k(1), k(2), k(3), s(1), n0, n1, b0, b1, s(2), k(4), k(5), k(6), k(7), s(3)]
}

/// The words of a block in each lane. `aside` goes on by `stride` bytes after each round.
#[inline(always)]
pub(super) fn hash<V: Vector, A: Aside>(key: &Key, lanes: &Lanes, aside: A, stride: usize) -> ([V; 16], A) {
    let first = start(key, V::split(&lanes.nonce), V::split(&lanes.block));
    let (mut x, aside) = rounds(first, aside, stride);
    for (x, first) in x.iter_mut().zip(first) {
        *x = x.add(first);
    }
    (x, aside)
}

/// The 20 rounds alone.
#[inline(always)]
pub(super) fn rounds<V: Vector, A: Aside>(mut x: [V; 16], mut aside: A, stride: usize) -> ([V; 16], A) {
    for _ in 0..10 {
        quarters(&mut x, [[0, 4, 8, 12], [5, 9, 13, 1], [10, 14, 2, 6], [15, 3, 7, 11]]);
        aside.go_on(stride);
        quarters(&mut x, [[0, 1, 2, 3], [5, 6, 7, 4], [10, 11, 8, 9], [15, 12, 13, 14]]);
        aside.go_on(stride);
    }
    (x, aside)
}

/// A round: four quarters that do not depend on one another, so in step.
#[inline(always)]
fn quarters<V: Vector>(x: &mut [V; 16], quarters: [[usize; 4]; 4]) {
    for [a, b, _, d] in quarters {
        x[b] = x[b].xor(x[a].add(x[d]).rotate::<7, 25>());
    }
    for [a, b, c, _] in quarters {
        x[c] = x[c].xor(x[b].add(x[a]).rotate::<9, 23>());
    }
    for [_, b, c, d] in quarters {
        x[d] = x[d].xor(x[c].add(x[b]).rotate::<13, 19>());
    }
    for [a, _, c, d] in quarters {
        x[a] = x[a].xor(x[d].add(x[c]).rotate::<18, 14>());
    }
}
