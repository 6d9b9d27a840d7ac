//! Memory set aside for when the system has none: a map of granules, each free or taken, over bytes of the library itself.

use std::alloc::Layout;
use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

/// Granules that one word of a map tells of.
const GRANULES_PER_WORD: usize = 64;
/// Alignment of the reserve's bytes, and of what is taken from them at most.
const MAX_ALIGN_BYTES: usize = 4096;

const SMALL_GRANULE_BYTES: usize = 128;
const SMALL_WORDS: usize = 64;
const SMALL_BYTES: usize = SMALL_GRANULE_BYTES * SMALL_WORDS * GRANULES_PER_WORD;
const LARGE_GRANULE_BYTES: usize = 1024;
const LARGE_WORDS: usize = 24;
const LARGE_BYTES: usize = LARGE_GRANULE_BYTES * LARGE_WORDS * GRANULES_PER_WORD;
const HUGE_GRANULE_BYTES: usize = 64 * 1024;
const HUGE_WORDS: usize = 2;
const HUGE_BYTES: usize = HUGE_GRANULE_BYTES * HUGE_WORDS * GRANULES_PER_WORD;
/// Bytes of the whole reserve. They lie in zero pages, of which the system gives none before one is written to.
pub const RESERVE_BYTES: usize = SMALL_BYTES + LARGE_BYTES + HUGE_BYTES;

/// The reserve: small pieces in front, larger ones behind, such as lists that grow by doubling; and small ones too where the
/// front is full.
#[repr(C, align(4096))]
pub struct Reserve {
    /// The thread that has marked a granule as taken owns its bytes.
    bytes: UnsafeCell<[u8; RESERVE_BYTES]>,
    small: Map<AtomicU64, SMALL_WORDS>,
    large: Map<AtomicU64, LARGE_WORDS>,
    huge: Map<AtomicU64, HUGE_WORDS>,
}

// SAFETY: the bytes are reached through pieces alone, and `Map` gives no granule to two at a time.
unsafe impl Sync for Reserve {}

impl Reserve {
    pub const fn new() -> Reserve {
        Reserve {
            bytes: UnsafeCell::new([0; RESERVE_BYTES]),
            small: Map([const { AtomicU64::new(0) }; SMALL_WORDS]),
            large: Map([const { AtomicU64::new(0) }; LARGE_WORDS]),
            huge: Map([const { AtomicU64::new(0) }; HUGE_WORDS]),
        }
    }

    /// Whether a piece of the reserve begins at this address.
    #[inline(always)]
    pub fn holds(&self, at: *mut u8) -> bool {
        at.addr().wrapping_sub(self.bytes.get().addr()) < RESERVE_BYTES
    }

    /// A piece for this layout; null where there is none. Its bytes have no defined content.
    pub fn take(&self, layout: Layout) -> *mut u8 {
        if layout.align() > MAX_ALIGN_BYTES {
            return ptr::null_mut();
        }
        let start = self.bytes.get().cast::<u8>();
        let found = take_of(&self.small, SMALL_GRANULE_BYTES, layout)
            .or_else(|| Some(SMALL_BYTES + take_of(&self.large, LARGE_GRANULE_BYTES, layout)?))
            .or_else(|| Some(SMALL_BYTES + LARGE_BYTES + take_of(&self.huge, HUGE_GRANULE_BYTES, layout)?));
        // SAFETY: the maps have no granules beyond the bytes.
        found.map_or(ptr::null_mut(), |offset| unsafe { start.add(offset) })
    }

    /// Takes a piece back.
    ///
    /// # Safety
    /// [`take`](Reserve::take) gave it for this layout, and it is not used any more.
    pub unsafe fn give(&self, at: *mut u8, layout: Layout) {
        let offset = at.addr().wrapping_sub(self.bytes.get().addr());
        if offset < SMALL_BYTES {
            give_to(&self.small, SMALL_GRANULE_BYTES, offset, layout);
        } else if offset < SMALL_BYTES + LARGE_BYTES {
            give_to(&self.large, LARGE_GRANULE_BYTES, offset - SMALL_BYTES, layout);
        } else {
            give_to(&self.huge, HUGE_GRANULE_BYTES, offset - SMALL_BYTES - LARGE_BYTES, layout);
        }
    }

    /// Bytes that lie in pieces.
    pub fn taken_bytes(&self) -> usize {
        self.small.taken() * SMALL_GRANULE_BYTES
            + self.large.taken() * LARGE_GRANULE_BYTES
            + self.huge.taken() * HUGE_GRANULE_BYTES
    }
}

fn take_of<const N: usize>(map: &Map<AtomicU64, N>, granule: usize, layout: Layout) -> Option<usize> {
    let step = layout.align().div_ceil(granule);
    map.take(layout.size().div_ceil(granule), step).map(|index| index * granule)
}

fn give_to<const N: usize>(map: &Map<AtomicU64, N>, granule: usize, offset: usize, layout: Layout) {
    map.give(offset / granule, layout.size().div_ceil(granule));
}

/// A word of a map: the standard library's atomic, or loom's.
trait Word {
    fn load(&self) -> u64;
    /// From `old` to `new`; whether it was `old`.
    fn change(&self, old: u64, new: u64) -> bool;
    fn clear(&self, bits: u64);
}

impl Word for AtomicU64 {
    fn load(&self) -> u64 {
        AtomicU64::load(self, Ordering::Relaxed)
    }

    fn change(&self, old: u64, new: u64) -> bool {
        self.compare_exchange(old, new, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    fn clear(&self, bits: u64) {
        self.fetch_and(!bits, Ordering::Release);
    }
}

/// Which granules are taken: a bit for each. Any thread sets bits, for what it takes (acquire), and clears those that it
/// gives back (release): what one has written into a granule was written before the next one takes it. Without a lock, so
/// that a forked child finds none that a thread of its parent holds.
struct Map<W, const N: usize>([W; N]);

impl<W: Word, const N: usize> Map<W, N> {
    /// Takes `count` granules that lie in one word, the first at a multiple of `step`; where the first is.
    fn take(&self, count: usize, step: usize) -> Option<usize> {
        let ones = run_of_ones(count)?;
        self.0.iter().enumerate().find_map(|(word, bits)| {
            let index = take_bits(bits, ones, count, step)?;
            Some(word * GRANULES_PER_WORD + index)
        })
    }

    fn give(&self, index: usize, count: usize) {
        let (Some(word), Some(ones)) = (self.0.get(index / GRANULES_PER_WORD), run_of_ones(count)) else {
            return;
        };
        word.clear(ones << (index % GRANULES_PER_WORD));
    }

    fn taken(&self) -> usize {
        self.0.iter().map(|word| word.load().count_ones() as usize).sum()
    }
}

/// As many low bits as there are granules; `None` for none and for more than a word has.
fn run_of_ones(count: usize) -> Option<u64> {
    (1..=GRANULES_PER_WORD).contains(&count).then(|| u64::MAX >> (GRANULES_PER_WORD - count))
}

fn take_bits<W: Word>(word: &W, ones: u64, count: usize, step: usize) -> Option<usize> {
    loop {
        let bits = word.load();
        let fits = |&index: &usize| bits & (ones << index) == 0;
        let index = (0..=GRANULES_PER_WORD - count).step_by(step).find(fits)?;
        // Where it fails another thread has changed the word, so one of them gets on.
        if word.change(bits, bits | ones << index) {
            return Some(index);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::Arc;

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    fn reserve() -> Box<Reserve> {
        // SAFETY: zeros are what `Reserve::new` makes, and a test's stack does not hold it.
        unsafe { Box::new_zeroed().assume_init() }
    }

    #[test]
    fn pieces_do_not_overlap_and_are_aligned() {
        let reserve = reserve();
        let mut taken: Vec<(usize, usize)> = Vec::new();
        for (size, align) in [
            (1, 1),
            (128, 16),
            (129, 8),
            (8192, 4096),
            (65_536, 16),
            (1_000_000, 16),
            (65_537, 4096),
            (5000, 1024),
            (200, 256),
        ] {
            let at = reserve.take(layout(size, align));
            assert!(reserve.holds(at), "{size}");
            assert_eq!(at.addr() % align, 0, "{size}");
            assert!(
                taken.iter().all(|&(start, end)| at.addr() >= end || at.addr() + size <= start),
                "{size}"
            );
            // SAFETY: the piece has this many bytes.
            unsafe { at.write_bytes(0xaa, size) };
            taken.push((at.addr(), at.addr() + size));
        }
        assert!(!reserve.holds(ptr::null_mut()) && !reserve.holds((&raw const taken).cast_mut().cast()));
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let reserve = reserve();
        assert!(reserve.take(layout(HUGE_GRANULE_BYTES * GRANULES_PER_WORD + 1, 1)).is_null());
        assert!(reserve.take(layout(usize::MAX / 4, 1)).is_null());
        assert!(reserve.take(layout(8, 8192)).is_null());
        assert_eq!(reserve.taken_bytes(), 0);
    }

    #[test]
    fn all_of_it_can_be_taken_and_used_again() {
        let reserve = reserve();
        let one = layout(SMALL_GRANULE_BYTES, 16);
        for _ in 0..2 {
            let pieces: Vec<_> =
                std::iter::repeat_with(|| reserve.take(one)).take_while(|at| !at.is_null()).collect();
            assert_eq!(pieces.len(), (SMALL_WORDS + LARGE_WORDS + HUGE_WORDS) * GRANULES_PER_WORD);
            assert_eq!(reserve.taken_bytes(), RESERVE_BYTES);
            // SAFETY: taken above for this layout.
            pieces.into_iter().for_each(|at| unsafe { reserve.give(at, one) });
            assert_eq!(reserve.taken_bytes(), 0);
        }
    }

    #[test]
    fn threads_get_pieces_of_their_own() {
        let reserve = Arc::new(reserve());
        let threads: Vec<_> = (1..=4_usize)
            .map(|mark| {
                let reserve = Arc::clone(&reserve);
                std::thread::spawn(move || {
                    for round in 0..5000 {
                        let layout = layout(1 + (round * mark * 37) % 3000, 16);
                        let at = reserve.take(layout);
                        assert!(!at.is_null());
                        // SAFETY: the piece has `layout.size()` bytes, and is this thread's.
                        unsafe {
                            at.write_bytes(mark as u8, layout.size());
                            std::thread::yield_now();
                            let bytes = std::slice::from_raw_parts(at, layout.size());
                            assert!(bytes.iter().all(|&byte| byte == mark as u8));
                            reserve.give(at, layout);
                        }
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(reserve.taken_bytes(), 0);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    /// Whether giving back is weakened to make no edge. Set by a test before its model runs; loom does not see it.
    static WEAK_GIVE: AtomicBool = AtomicBool::new(false);

    struct Model(loom::sync::atomic::AtomicU64);

    impl Word for Model {
        fn load(&self) -> u64 {
            self.0.load(Ordering::Relaxed)
        }

        fn change(&self, old: u64, new: u64) -> bool {
            self.0.compare_exchange(old, new, Ordering::Acquire, Ordering::Relaxed).is_ok()
        }

        fn clear(&self, bits: u64) {
            let weak = WEAK_GIVE.load(Ordering::Relaxed);
            self.0.fetch_and(!bits, if weak { Ordering::Relaxed } else { Ordering::Release });
        }
    }

    /// Three threads that each take what two have room for, write to it and give it back.
    fn model() {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(|| {
            let cells = [(); 2].map(|()| loom::cell::UnsafeCell::new(0));
            let shared = Arc::new((Map([Model(loom::sync::atomic::AtomicU64::new(0))]), cells));
            let write = |shared: &(Map<Model, 1>, [loom::cell::UnsafeCell<u32>; 2])| {
                // 24 granules: two such pieces lie in a word.
                if let Some(index) = shared.0.take(24, 24) {
                    // SAFETY: the piece is this thread's; loom says so if it is not.
                    shared.1[index / 24].with_mut(|value| unsafe { *value += 1 });
                    shared.0.give(index, 24);
                }
            };
            let threads = [(); 2].map(|()| {
                let shared = Arc::clone(&shared);
                loom::thread::spawn(move || write(&shared))
            });
            write(&shared);
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            assert_eq!(shared.0.taken(), 0);
        });
    }

    fn fails(how: &str) -> bool {
        crate::sys::weakened_twin::fails("sys::memory::reserve::loom_tests::twin", "WEAKENED_RESERVE", how)
    }

    #[test]
    #[ignore = "run by the tests below"]
    fn twin() {
        WEAK_GIVE.store(std::env::var("WEAKENED_RESERVE").is_ok_and(|how| how == "give"), Ordering::Relaxed);
        model();
    }

    #[test]
    fn loom_no_granule_is_two_threads() {
        model();
    }

    #[test]
    fn loom_passes_a_reserve_with_nothing_weakened() {
        assert!(!fails(""));
    }

    #[test]
    fn loom_catches_a_weak_give() {
        assert!(fails("give"));
    }
}
