//! One cached answer, valid until an event clears it.

use super::shim::Ordering::{Acquire, Relaxed, Release};
use super::shim::{AtomicU64, edge};

const KNOWN_BIT: u64 = 1 << 32;

/// A cached number, valid from when it was set until it is cleared. It spares the caller the computation.
///
/// Only one thread at a time sets it: the one that holds the answer's lock. A thread that makes the answer
/// untrue first notes the event where the setter will see it, and then clears the memo. Any thread may read
/// it.
#[derive(Debug)]
pub struct Memo {
    /// `KNOWN_BIT` and the number, or 0. An event noted before a `clear` (release) is visible to a `set` that
    /// comes after it (acquire, in the swap); that `set` then finds its answer untrue. A `set` that comes
    /// before is cleared.
    word: AtomicU64,
}

impl Memo {
    pub fn new() -> Memo {
        Memo { word: AtomicU64::new(0) }
    }

    /// The cached number, or `None`.
    #[inline]
    pub fn get(&self) -> Option<u32> {
        let word = self.word.load(Acquire);
        // The number is the lower half.
        (word & KNOWN_BIT != 0).then_some(word as u32)
    }

    /// Caches `number`, unless `still_true`, called after the store, returns `false`.
    #[inline]
    pub fn set(&self, number: u32, still_true: impl FnOnce() -> bool) {
        self.word.swap(KNOWN_BIT | u64::from(number), edge::REMEMBER());
        if !still_true() {
            self.clear();
        }
    }

    /// Clears the cache.
    #[inline]
    pub fn clear(&self) {
        // A swap and no store: loom, which tests this, does not order two stores as the memory model does.
        self.word.swap(0, Release);
    }

    /// As [`clear`](Memo::clear), for the thread that may call `set` now: cheaper where the memo is empty.
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
