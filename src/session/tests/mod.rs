//! Tests of sessions: what needs no socket around them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod complete;
mod credit;
mod denied;
mod ends;
mod halves;
mod loans;
mod panics;
mod refused;
#[cfg(target_os = "linux")]
mod room;
mod sealed;
mod shortage;
mod ws;

/// Random numbers that are the same in every run (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn seeded(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}
