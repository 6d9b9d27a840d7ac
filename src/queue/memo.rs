//! An answer that is remembered until something happens.

use super::shim::Ordering::{Acquire, Relaxed, Release};
use super::shim::{AtomicU64, edge};

const KNOWN: u64 = 1 << 32;

/// A number that was true when it was set and still is unless it was cleared. It spares the question.
///
/// Whoever answers is one at a time (has a lock); whoever makes an answer untrue notes what happened first, where
/// the answerer will see it, and clears the memo then; anybody reads it.
#[derive(Debug)]
pub struct Memo {
    /// `KNOWN` and the number, or 0. What was noted before a `clear` (release) is visible to a `set` that comes after
    /// it (acquire, in the swap), which then finds its answer untrue; a `set` that comes before is cleared.
    word: AtomicU64,
}

impl Memo {
    pub fn new() -> Memo {
        Memo { word: AtomicU64::new(0) }
    }

    /// What is remembered.
    #[inline]
    pub fn get(&self) -> Option<u32> {
        let word = self.word.load(Acquire);
        // The number is the lower half.
        (word & KNOWN != 0).then_some(word as u32)
    }

    /// Remembers an answer, unless `still_true`, asked afterwards, denies it.
    #[inline]
    pub fn set(&self, number: u32, still_true: impl FnOnce() -> bool) {
        self.word.swap(KNOWN | u64::from(number), edge::REMEMBER());
        if !still_true() {
            self.clear();
        }
    }

    /// Remembers nothing any more.
    #[inline]
    pub fn clear(&self) {
        // A swap and no store: loom, which tests this, does not order two stores as the memory model does.
        self.word.swap(0, Release);
    }

    /// As [`clear`](Memo::clear), for whoever is the answerer at the time: cheaper where there is nothing.
    #[inline]
    pub fn forget(&self) {
        if self.word.load(Relaxed) != 0 {
            self.clear();
        }
    }
}

impl Default for Memo {
    fn default() -> Memo {
        Memo::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn remembers_until_cleared() {
        let memo = Memo::new();
        assert_eq!(memo.get(), None);
        memo.set(0, || true);
        assert_eq!(memo.get(), Some(0));
        memo.set(u32::MAX, || true);
        assert_eq!(memo.get(), Some(u32::MAX));
        memo.forget();
        assert_eq!(memo.get(), None);
        memo.set(1, || false);
        assert_eq!(memo.get(), None);
    }
}
