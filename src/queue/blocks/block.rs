//! The blocks, and the state that both sides share beside them.

use crate::errno::{Errno, Result};
use crate::queue::shim::{AtomicBool, AtomicPtr, AtomicU64, Ordering, UnsafeCell};
use crate::sys::memory::{add_freed, try_alloc};
use std::alloc::{Layout, dealloc};
use std::ptr::{self, NonNull};
// The process-wide count of freed bytes, which no loom model needs.
use std::sync::atomic::AtomicUsize;

/// Bytes of a queue's first block, small so that an idle queue costs little.
pub(super) const FIRST_BLOCK_BYTES: usize = 256;
/// Largest capacity of a block, in bytes. Blocks double up to it while the queue is in use.
pub(super) const MAX_BLOCK_BYTES: usize = 64 * 1024;

/// Bits of a state word: the published bytes of the block.
pub(super) const BYTES_MASK: u64 = 0x7fff_ffff;
/// Bit of a state word: nothing will be appended to the block, its tail is set and its successor linked.
pub(super) const SEALED_BIT: u64 = 0x8000_0000;
/// In a state word the count of messages that end in the block begins at this bit.
pub(super) const MESSAGES_SHIFT: u32 = 32;

/// Most bytes of emptied blocks, over all queues, that wait to be filled again. Blocks beyond it are freed. A queue that grows
/// and shrinks between two threads would otherwise have `malloc` take memory from the system and return it each time. That costs
/// more than the copying.
const MAX_SPARE_BYTES: usize = 8 * 1024 * 1024;

/// Bytes that wait so now. Changed by the consumer that puts a block aside and by either side when it takes
/// or frees one. Only a count, so Relaxed.
static SPARE_BYTES: AtomicUsize = AtomicUsize::new(0);

/// Counts a spare block of `capacity` bytes. `false`, and nothing counted, where the limit would be passed.
pub(super) fn count_spare(capacity: usize) -> bool {
    let fits = |kept: usize| kept.checked_add(capacity).filter(|&kept| kept <= MAX_SPARE_BYTES);
    SPARE_BYTES.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
}

/// Undoes [`count_spare`], for a block that is filled again or freed.
pub(super) fn uncount_spare(capacity: usize) {
    SPARE_BYTES.fetch_sub(capacity, Ordering::Relaxed);
}

/// State that producer and consumer share beside the blocks.
pub(super) struct Shared<T> {
    /// The consumer found nothing and sleeps. Written by both sides, always by swap, so that its history is
    /// one chain. The fences around it make the edge.
    pub(super) asleep: AtomicBool,
    /// List of emptied blocks on their way back to the producer. The consumer pushes one at a time (Release),
    /// the producer takes the whole list (Acquire): the consumer's last reads of a block happen before the
    /// producer's first writes.
    pub(super) spare: AtomicPtr<Block<T>>,
    /// The producer is gone, so the consumer frees blocks instead of handing them back. The producer writes
    /// it, the consumer reads it. A block handed back too late is freed with the queue, so Relaxed.
    pub(super) deserted: AtomicBool,
    /// First block of the list, for freeing it: the consumer writes it when it drops, `Shared::drop` reads it.
    pub(super) head: UnsafeCell<NonNull<Block<T>>>,
}

/// Header of a block; `capacity` bytes follow it in the same allocation. Bytes behind those appended or
/// received are uninitialised.
pub(super) struct Block<T> {
    /// Next block. The producer writes it before it publishes the `SEALED_BIT` word that lets the consumer read it.
    pub(super) next: AtomicPtr<Block<T>>,
    /// `BYTES_MASK`, `SEALED_BIT`, messages. The producer writes, the consumer reads. The Release store on the oldest
    /// unpublished block makes everything appended so far happen before the consumer's Acquire load.
    pub(super) state: AtomicU64,
    /// Written by the producer before sealing, taken by the consumer after it saw `SEALED_BIT`.
    pub(super) tail: UnsafeCell<Option<T>>,
    /// The block begins inside a message. Written by the producer before it links the block, constant from then on.
    pub(super) continued: UnsafeCell<bool>,
    pub(super) capacity: usize,
}

/// A place in a block, up to which everything is published.
#[derive(Clone, Copy, Default)]
pub(super) struct Position {
    pub(super) bytes: usize,
    pub(super) messages: u32,
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // SAFETY: both sides are gone; the list from `head` on and the spare have no other owner.
        unsafe {
            Block::free_list(self.head.with(|head| (*head).as_ptr()));
            Block::free_spares(self.spare.load(Ordering::Relaxed));
        }
    }
}

impl<T> Block<T> {
    pub(super) fn layout(capacity: usize) -> Result<Layout> {
        let header = Layout::new::<Block<T>>();
        let bytes = Layout::array::<u8>(capacity).map_err(|_| Errno::NOMEM)?;
        header.extend(bytes).map(|(layout, _)| layout.pad_to_align()).map_err(|_| Errno::NOMEM)
    }

    pub(super) fn allocate(capacity: usize) -> Result<NonNull<Block<T>>> {
        // A state word has 31 bits for the count of bytes.
        if capacity as u64 > BYTES_MASK {
            return Err(Errno::NOMEM);
        }
        let layout = Self::layout(capacity)?;
        // SAFETY: the layout is not empty, it holds the header.
        let memory = unsafe { try_alloc(layout) }.cast::<Block<T>>();
        let block = NonNull::new(memory).ok_or(Errno::NOMEM)?;
        let header = Block {
            next: AtomicPtr::new(ptr::null_mut()),
            state: AtomicU64::new(0),
            tail: UnsafeCell::new(None),
            continued: UnsafeCell::new(false),
            capacity,
        };
        // SAFETY: the allocation begins with room for the header, suitably aligned.
        unsafe { block.as_ptr().write(header) };
        Ok(block)
    }

    /// The first byte behind the header.
    #[inline]
    pub(super) fn bytes(block: NonNull<Block<T>>) -> *mut u8 {
        // SAFETY: `capacity` bytes follow the header in the same allocation.
        unsafe { block.as_ptr().add(1).cast::<u8>() }
    }

    /// Frees one block.
    ///
    /// # Safety
    /// The caller holds the only reference to the block.
    pub(super) unsafe fn free(block: NonNull<Block<T>>) {
        // SAFETY: the caller owns the block; `allocate` made it with this very layout.
        unsafe {
            let capacity = block.as_ref().capacity;
            block.as_ptr().drop_in_place();
            add_freed(capacity);
            if let Ok(layout) = Self::layout(capacity) {
                dealloc(block.as_ptr().cast(), layout);
            }
        }
    }

    /// As [`free_list`](Block::free_list), for spare blocks: their bytes are no longer counted as such.
    ///
    /// # Safety
    /// As there.
    pub(super) unsafe fn free_spares(mut first: *mut Block<T>) {
        while let Some(block) = NonNull::new(first) {
            // SAFETY: the caller owns the list.
            unsafe {
                first = block.as_ref().next.load(Ordering::Relaxed);
                uncount_spare(block.as_ref().capacity);
                Block::free(block);
            }
        }
    }

    /// Frees a list of blocks, linked by `next`.
    ///
    /// # Safety
    /// The caller holds the only references to the blocks of the list.
    pub(super) unsafe fn free_list(mut first: *mut Block<T>) {
        while let Some(block) = NonNull::new(first) {
            // SAFETY: the caller owns the list.
            unsafe {
                first = block.as_ref().next.load(Ordering::Relaxed);
                Block::free(block);
            }
        }
    }
}

#[inline]
pub(super) fn word(bytes: usize, messages: u32) -> u64 {
    bytes as u64 | u64::from(messages) << MESSAGES_SHIFT
}

#[inline]
pub(super) fn bytes_of(state: u64) -> usize {
    (state & BYTES_MASK) as usize
}
