//! The blocks themselves, and what both sides share beside them.

use crate::errno::{Errno, Result};
use crate::queue::shim::{AtomicBool, AtomicPtr, AtomicU64, Ordering, UnsafeCell};
use crate::sys::memory::{add_freed, try_alloc};
use std::alloc::{Layout, dealloc};
use std::ptr::{self, NonNull};
// A count for the process, of which no model has to know.
use std::sync::atomic::AtomicUsize;

/// Capacity of a queue's first block, so that an idle queue costs little.
pub(super) const FIRST_BLOCK: usize = 256;
/// Capacity that blocks grow to, by doubling, while the queue is in use.
pub(super) const LARGEST_BLOCK: usize = 64 * 1024;

/// In a state word: the published bytes of the block.
pub(super) const BYTES: u64 = 0x7fff_ffff;
/// In a state word: nothing will be appended to the block, its tail is set, its successor linked.
pub(super) const SEALED: u64 = 0x8000_0000;
/// In a state word: messages that end in the block, above this many bits.
pub(super) const MESSAGES_SHIFT: u32 = 32;

/// Bytes of all queues' emptied blocks that wait to be filled again; what would be more is freed. Memory that goes to and
/// fro between two threads is taken from the system and given back by `malloc` each time the queue swells and shrinks,
/// which costs more than the copying.
const MOST_KEPT: usize = 8 * 1024 * 1024;

/// What there is of that. Changed by who puts a block there and who takes one; a count alone, so Relaxed.
static KEPT: AtomicUsize = AtomicUsize::new(0);

/// Whether a block of this capacity may be kept. `true` counts it.
pub(super) fn keep(capacity: usize) -> bool {
    let fits = |kept: usize| kept.checked_add(capacity).filter(|&kept| kept <= MOST_KEPT);
    KEPT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
}

/// A block that was kept is not any more.
pub(super) fn unkeep(capacity: usize) {
    KEPT.fetch_sub(capacity, Ordering::Relaxed);
}

/// What producer and consumer share beside the blocks themselves.
pub(super) struct Shared<T> {
    /// The consumer found nothing. Written by both sides, always by swap, so that its history is one chain; the
    /// edge is made by the fences around it.
    pub(super) asleep: AtomicBool,
    /// Emptied blocks on their way back, a list. The consumer puts them in front (Release), the producer takes them all
    /// (Acquire): the consumer's last reads of a block happen before the producer's first writes.
    pub(super) spare: AtomicPtr<Block<T>>,
    /// The producer is gone, so emptied blocks are of no use. It writes it, the consumer reads it; one put aside too many is
    /// freed with the queue, so Relaxed.
    pub(super) deserted: AtomicBool,
    /// First block of the list, for freeing it: the consumer writes it when it drops, `Shared::drop` reads it.
    pub(super) head: UnsafeCell<NonNull<Block<T>>>,
}

/// Header of a block; `capacity` bytes follow it in the same allocation, of which those behind what was
/// appended or received have no defined content.
pub(super) struct Block<T> {
    /// Next block. The producer writes it before it publishes the `SEALED` word that lets the consumer read it.
    pub(super) next: AtomicPtr<Block<T>>,
    /// `BYTES`, `SEALED`, messages. The producer writes, the consumer reads. The Release store on the oldest
    /// unpublished block makes everything appended so far happen before the consumer's Acquire load.
    pub(super) state: AtomicU64,
    /// Written by the producer before sealing, taken by the consumer after it saw `SEALED`.
    pub(super) tail: UnsafeCell<Option<T>>,
    /// The block begins inside a message. Written by the producer before it links the block, constant from then on.
    pub(super) continued: UnsafeCell<bool>,
    pub(super) capacity: usize,
}

/// A place in a block up to which all is published.
#[derive(Clone, Copy, Default)]
pub(super) struct Position {
    pub(super) bytes: usize,
    pub(super) messages: u32,
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // SAFETY: both sides are gone; the list from `head` on and the spare belong to nobody else.
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
        // A state word has 31 bits for the bytes.
        if capacity as u64 > BYTES {
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

    /// # Safety
    /// Nobody else refers to the block.
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

    /// As [`free_list`](Block::free_list), for blocks that were kept.
    ///
    /// # Safety
    /// The same.
    pub(super) unsafe fn free_spares(mut first: *mut Block<T>) {
        while let Some(block) = NonNull::new(first) {
            // SAFETY: the caller owns the list.
            unsafe {
                first = block.as_ref().next.load(Ordering::Relaxed);
                unkeep(block.as_ref().capacity);
                Block::free(block);
            }
        }
    }

    /// # Safety
    /// Nobody else refers to any block of the list.
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
    (state & BYTES) as usize
}
