//! A few large blocks of memory that bodies have left behind.
//!
//! What comes from the system page by page, and goes back to it, costs more than to copy the bytes that go there; and the memory
//! used last is the one that lies in a cache still.

use super::body::Header;
use crate::sys::lock::Lock;
use std::ptr::NonNull;

/// Blocks for at least so many bytes are kept: the system's allocator does well with smaller ones.
const LEAST: usize = 32 * 1024;
/// Bytes kept at most, by the whole process.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// Blocks kept at most.
const MOST: usize = 16;

static SPARE: Lock<Spare> = Lock::new(Spare { blocks: [const { None }; MOST], bytes: 0 });

/// Kept blocks, the one kept last in front.
struct Spare {
    blocks: [Option<Block>; MOST],
    bytes: usize,
}

/// An allocation without references, for a header and so many bytes behind it.
struct Block(NonNull<Header>, usize);

// SAFETY: whoever holds the block holds the only pointer to it.
unsafe impl Send for Block {}

/// A kept block for at least so many bytes, and for how many; for a quarter more at most. `None` as well while another thread
/// is here.
pub(super) fn take(capacity: usize) -> Option<(NonNull<Header>, usize)> {
    if !(LEAST..=MOST_BYTES).contains(&capacity) {
        return None;
    }
    let mut spare = SPARE.try_lock()?;
    let fits = |block: &Option<Block>| {
        block.as_ref().is_some_and(|block| (capacity..=capacity + capacity / 4).contains(&block.1))
    };
    let index = spare.blocks.iter().position(fits)?;
    let Block(header, capacity) = spare.blocks.get_mut(index)?.take()?;
    spare.blocks.get_mut(index..)?.rotate_left(1);
    spare.bytes -= capacity;
    Some((header, capacity))
}

/// Keeps a block without references, in place of those that have lain here for the longest. `false`: it is the caller's to free.
pub(super) fn keep(header: NonNull<Header>, capacity: usize) -> bool {
    if !(LEAST..=MOST_BYTES / 2).contains(&capacity) {
        return false;
    }
    let Some(mut spare) = SPARE.try_lock() else { return false };
    while spare.bytes + capacity > MOST_BYTES || spare.blocks.last().is_some_and(Option::is_some) {
        let Some(oldest) = spare.blocks.iter_mut().rfind(|block| block.is_some()) else { return false };
        let Some(Block(header, capacity)) = oldest.take() else { return false };
        spare.bytes -= capacity;
        // SAFETY: whoever kept it had no references left and gave it up, allocated with this capacity.
        unsafe { Header::release(header.as_ptr(), capacity) };
    }
    spare.blocks.rotate_right(1);
    if let Some(front) = spare.blocks.first_mut() {
        *front = Some(Block(header, capacity));
    }
    spare.bytes += capacity;
    true
}
