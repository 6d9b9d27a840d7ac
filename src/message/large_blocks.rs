//! A few large blocks of memory that bodies have left behind.
//!
//! What comes from the system page by page, and goes back to it, costs more than to copy the bytes that go there; and the memory
//! used last is the one that lies in a cache still.

use super::body::Header;
use crate::sys::lock::Lock;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

/// Blocks for at least so many bytes are kept: the system's allocator does well with smaller ones.
const LEAST: usize = 32 * 1024;
/// Bytes kept at most, by the whole process.
const MAX_KEPT_BYTES: usize = 4 * 1024 * 1024;
/// Of a single one, so that there is room for two.
const MAX_BLOCK_BYTES: usize = MAX_KEPT_BYTES / 2;
/// Blocks kept at most.
const MAX_KEPT_BLOCKS: usize = 16;

static SPARE: Lock<Spare> = Lock::new(Spare::new());

/// A kept block for at least so many bytes, and for how many; for a quarter more at most. `None` as well while another thread
/// is here.
pub(super) fn take(capacity: usize) -> Option<(NonNull<Header>, usize)> {
    if !(LEAST..=MAX_BLOCK_BYTES).contains(&capacity) {
        return None;
    }
    SPARE.try_lock()?.take(capacity)
}

/// Keeps a block without references, in place of those that have lain here for the longest. `false`: it is the caller's to free.
///
/// # Safety
/// `header` was allocated by `Header::allocate(capacity)`, and is the caller's alone.
pub(super) unsafe fn keep(header: NonNull<Header>, capacity: usize) -> bool {
    if !(LEAST..=MAX_BLOCK_BYTES).contains(&capacity) {
        return false;
    }
    let Some(mut spare) = SPARE.try_lock() else { return false };
    spare.keep(Block(header, capacity));
    true
}

/// Frees what is kept, unless another thread is here.
pub(super) fn empty() {
    if let Some(mut spare) = SPARE.try_lock() {
        *spare = Spare::new();
    }
}

/// Kept blocks, the one kept last in front, without gaps.
struct Spare {
    blocks: [Option<Block>; MAX_KEPT_BLOCKS],
    bytes: usize,
}

/// An allocation without references, for a header and so many bytes behind it.
struct Block(NonNull<Header>, usize);

// SAFETY: whoever holds the block holds the only pointer to it.
unsafe impl Send for Block {}

impl Spare {
    const fn new() -> Spare {
        Spare { blocks: [const { None }; MAX_KEPT_BLOCKS], bytes: 0 }
    }

    fn take(&mut self, capacity: usize) -> Option<(NonNull<Header>, usize)> {
        let fits = |block: &Option<Block>| {
            block.as_ref().is_some_and(|block| (capacity..=capacity + capacity / 4).contains(&block.1))
        };
        let index = self.blocks.iter().position(fits)?;
        let block = ManuallyDrop::new(self.blocks.get_mut(index)?.take()?);
        self.blocks.get_mut(index..)?.rotate_left(1);
        self.bytes -= block.1;
        Some((block.0, block.1))
    }

    /// Keeps a block of no more than [`MAX_BLOCK_BYTES`].
    fn keep(&mut self, block: Block) {
        while self.bytes + block.1 > MAX_KEPT_BYTES || self.blocks.last().is_some_and(Option::is_some) {
            let oldest = self.blocks.iter_mut().rfind(|block| block.is_some()).and_then(Option::take);
            let Some(oldest) = oldest else { break };
            self.bytes -= oldest.1;
        }
        self.bytes += block.1;
        self.blocks.rotate_right(1);
        if let Some(front) = self.blocks.first_mut() {
            *front = Some(block);
        }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: whoever kept it had allocated it with this capacity, left no references, and gave it up.
        unsafe { Header::free(self.0.as_ptr(), self.1) };
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sys::memory::try_alloc;

    fn block(capacity: usize) -> Block {
        Block(Header::allocate(capacity, try_alloc).unwrap(), capacity)
    }

    /// The capacity of what is found, which is freed.
    fn found(spare: &mut Spare, capacity: usize) -> Option<usize> {
        spare.take(capacity).map(|(header, capacity)| Block(header, capacity).1)
    }

    #[test]
    fn what_fits_is_found_again_and_the_last_one_first() {
        let mut spare = Spare::new();
        assert_eq!(found(&mut spare, 50_000), None);
        for capacity in [60_000, 100_000, 50_000] {
            spare.keep(block(capacity));
        }
        assert_eq!(found(&mut spare, 50_000), Some(50_000));
        assert_eq!(found(&mut spare, 50_000), Some(60_000));
        assert_eq!(found(&mut spare, 50_000), None, "twice as much would be wasted");
        assert_eq!((found(&mut spare, 100_001), found(&mut spare, 99_999)), (None, Some(100_000)));
        assert_eq!(spare.bytes, 0);
    }

    #[test]
    fn no_more_is_kept_than_that() {
        let mut spare = Spare::new();
        for capacity in [MAX_BLOCK_BYTES, LEAST, MAX_BLOCK_BYTES, MAX_BLOCK_BYTES] {
            spare.keep(block(capacity));
            assert!(spare.bytes <= MAX_KEPT_BYTES);
        }
        assert_eq!(found(&mut spare, LEAST), None, "it was the oldest");
        (0..2 * MAX_KEPT_BLOCKS).for_each(|_| spare.keep(block(LEAST)));
        let kept: usize = spare.blocks.iter().flatten().map(|block| block.1).sum();
        assert_eq!((kept, spare.bytes), (MAX_KEPT_BLOCKS * LEAST, MAX_KEPT_BLOCKS * LEAST));
    }
}
