//! The appending side.

use super::block::{
    Block, FIRST_BLOCK_BYTES, MAX_BLOCK_BYTES, Position, SEALED_BIT, Shared, uncount_spare, word,
};
use crate::errno::{Errno, Result};
use crate::queue::shim::{Arc, Ordering, edge};
use crate::sys::copying;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

/// The appending side.
pub struct Producer<T> {
    pub(super) shared: Arc<Shared<T>>,
    /// The block being filled.
    pub(super) block: NonNull<Block<T>>,
    /// Appended bytes in `block`.
    pub(super) filled: usize,
    /// Emptied blocks that the consumer gave back, a list.
    pub(super) spares: *mut Block<T>,
    /// Bytes behind `filled` that were received and then skipped. 0 where nothing is behind them, and when more is received.
    pub(super) skipped: usize,
    /// Bytes behind those that were received but are not appended yet.
    pub(super) received: usize,
    /// Messages that end in `block`.
    pub(super) messages: u32,
    /// Something was appended since the last message ended.
    pub(super) inside: bool,
    /// The block where the unpublished part begins, and the place in it.
    pub(super) oldest: NonNull<Block<T>>,
    pub(super) published: Position,
    /// The word that `oldest` gets when it is published, once it is sealed (when it is no longer `block`).
    pub(super) oldest_word: u64,
}

// SAFETY: the queue moves `T` values and bytes from one thread to another, which is sound when `T: Send`. Bytes of a block are
// the producer's until they are published, and the consumer's after. The Release and Acquire on `state` order the two, so no
// access races with another.
unsafe impl<T: Send> Send for Producer<T> {}

impl<T> Producer<T> {
    /// Appends `parts`, one after the other, as one run. Errors: `ENOMEM`, with nothing appended.
    ///
    /// It overwrites bytes received but not accepted: a caller uses either this or the receiving calls.
    #[inline]
    pub fn append(&mut self, parts: [&[u8]; 2]) -> Result<()> {
        let [first, second] = parts;
        if !self.append_here(first, second) {
            self.relocate(first.len() + second.len())?;
            self.append_here(first, second);
        }
        Ok(())
    }

    /// Prefetches the memory that the next bytes go to, for a caller about to append to many queues. That
    /// memory is in no cache then, and waiting for each queue in turn takes longer than the appending.
    #[inline(always)]
    pub fn prepare(&self) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: only a hint, which reads nothing that could be seen; the address lies in the block or one past it.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            let to = Block::bytes(self.block).add(self.filled);
            _mm_prefetch::<_MM_HINT_T0>(to.cast::<i8>());
            _mm_prefetch::<_MM_HINT_T0>(to.wrapping_add(64).cast::<i8>());
            _mm_prefetch::<_MM_HINT_T0>(self.block.as_ptr().cast::<i8>());
        }
    }

    /// As [`append`](Producer::append), but only where the current block has room for both parts. `false`: it
    /// has not, and nothing was appended.
    #[inline(always)]
    pub fn append_here(&mut self, first: &[u8], second: &[u8]) -> bool {
        let Some(filled) = self.place(first, second) else { return false };
        self.filled = filled;
        self.inside = true;
        true
    }

    /// As [`append_here`](Producer::append_here), of the bytes that end a message, which is published. `before` is called just before that.
    /// `true`: the consumer slept, as [`publish`](Producer::publish) says. `None`: there is no room, and nothing was done.
    #[inline(always)]
    pub fn append_and_publish(&mut self, first: &[u8], second: &[u8], before: impl FnOnce()) -> Option<bool> {
        let filled = self.place(first, second)?;
        let messages = self.messages.wrapping_add(1);
        before();
        (self.filled, self.messages, self.inside) = (filled, messages, false);
        Some(self.publish_up_to(filled, messages))
    }

    /// Lays both parts behind what is appended. Where that ends then; `None` where the block has no room for them.
    #[inline(always)]
    fn place(&mut self, first: &[u8], second: &[u8]) -> Option<usize> {
        let len = first.len() + second.len();
        if len > self.room() {
            return None;
        }
        // SAFETY: at least `len` bytes lie behind `filled`; this side alone reaches a block's unpublished bytes.
        unsafe {
            let to = Block::bytes(self.block).add(self.filled);
            ptr::copy_nonoverlapping(first.as_ptr(), to, first.len());
            copying::copy(second.as_ptr(), to.add(first.len()), second.len());
        }
        Some(self.filled + len)
    }

    /// Ends the current block with `tail`. Errors: `ENOMEM`, with the tail dropped and nothing else changed.
    pub fn attach(&mut self, tail: T) -> Result<()> {
        // Blocks that end in tails before they are full, as between large bodies, need not be large.
        let enough = (2 * self.filled).next_power_of_two();
        let next = self.next_block(self.received, enough)?;
        self.seal(Some(tail), next);
        Ok(())
    }

    /// Counts `messages` as ended, the last of them at the current place.
    #[inline(always)]
    pub fn end_messages(&mut self, messages: u32) {
        self.messages = self.messages.wrapping_add(messages);
        self.inside = false;
    }

    /// Marks the bytes appended since the last message as no part of a message.
    #[inline]
    pub fn end_aside(&mut self) {
        self.inside = false;
    }

    /// Removes the `len` bytes that the last call appended, and the messages counted since.
    pub fn take_back(&mut self, len: usize, messages: u32) {
        self.filled = self.filled.saturating_sub(len);
        self.messages = self.messages.wrapping_sub(messages);
    }

    /// Publishes everything appended so far. `true`: the consumer slept, and the caller has to wake it.
    #[inline(always)]
    pub fn publish(&mut self) -> bool {
        if self.oldest == self.block && self.published.bytes == self.filled {
            return false;
        }
        self.publish_up_to(self.filled, self.messages)
    }

    /// As [`publish`](Producer::publish), where something was appended. The arguments are the place that the current block is filled up to and
    /// the messages that end in it: at hand, they need not be read back.
    #[inline(always)]
    fn publish_up_to(&mut self, filled: usize, messages: u32) -> bool {
        let newest = word(filled, messages);
        if self.oldest == self.block {
            // SAFETY: the block is not sealed, so the consumer has not passed and freed it.
            unsafe { self.block.as_ref() }.state.store(newest, edge::PUBLISH());
        } else {
            // SAFETY: `block` is this side's own until the store below; `oldest` is not published as sealed yet.
            unsafe {
                self.block.as_ref().state.store(newest, Ordering::Relaxed);
                self.oldest.as_ref().state.store(self.oldest_word, edge::PUBLISH());
            }
            self.oldest = self.block;
        }
        self.published = Position { bytes: filled, messages };
        // Dekker: this side writes the state word before it reads the flag; the consumer writes the flag
        // before it reads the state word.
        edge::dekker();
        self.shared.asleep.load(Ordering::Relaxed) && self.shared.asleep.swap(false, Ordering::AcqRel)
    }

    /// Removes everything appended since the last [`publish`](Producer::publish), and the received bytes.
    pub fn rollback(&mut self) {
        if self.oldest != self.block {
            // SAFETY: nothing behind `published` in `oldest` is visible to the consumer: its tail and its
            // successors are this side's alone, and are cut off before they are freed.
            unsafe {
                let first = self.oldest.as_ref().next.swap(ptr::null_mut(), Ordering::Relaxed);
                self.oldest.as_ref().tail.with_mut(|tail| drop((*tail).take()));
                Block::free_list(first);
            }
            self.block = self.oldest;
        }
        self.filled = self.published.bytes;
        self.messages = self.published.messages;
        (self.skipped, self.received) = (0, 0);
        self.inside = false;
    }

    /// Whether something was appended since the last publish.
    #[inline]
    pub fn unpublished(&self) -> bool {
        self.oldest != self.block || self.filled != self.published.bytes
    }

    /// Has `read` fill room for at least `least` bytes behind those received so far. `read` returns the front
    /// part of the room that it has filled. Returns the number of bytes filled and the size of the room.
    /// Errors: `ENOMEM`, those of `read`, and `EINVAL` where the returned slice is not the front of the room.
    pub fn receive(
        &mut self,
        least: usize,
        read: impl for<'a> FnOnce(&'a mut [MaybeUninit<u8>]) -> Result<&'a mut [u8]>,
    ) -> Result<(usize, usize)> {
        self.close_gap(self.received);
        if self.room() < self.received + least {
            self.relocate(self.received + least)?;
        }
        let at = self.filled + self.received;
        // SAFETY: the bytes up to the capacity are allocated and may be uninitialised; this side alone reaches a
        // block's unpublished bytes, and `&mut self` is held until `read` is done with them.
        let spare = unsafe {
            let start = Block::bytes(self.block).add(at).cast::<MaybeUninit<u8>>();
            std::slice::from_raw_parts_mut(start, self.block.as_ref().capacity - at)
        };
        let (start, room) = (spare.as_ptr().cast::<u8>(), spare.len());
        let filled = read(spare)?;
        if !filled.is_empty() && (filled.as_ptr() != start || filled.len() > room) {
            return Err(Errno::INVAL);
        }
        // A `&mut [u8]` is initialised, and this one is the front of the room.
        self.received += filled.len();
        Ok((filled.len(), room))
    }

    /// As [`receive`](Producer::receive), copying `bytes`. Errors: `ENOMEM`.
    pub fn receive_from(&mut self, bytes: &[u8]) -> Result<()> {
        self.receive(bytes.len(), |room| match room.get_mut(..bytes.len()) {
            Some(front) => Ok(front.write_copy_of_slice(bytes)),
            None => Err(Errno::NOMEM),
        })
        .map(|_| ())
    }

    /// The bytes received and not accepted yet.
    #[inline]
    pub fn received(&mut self) -> &mut [u8] {
        let at = self.filled + self.skipped;
        // SAFETY: what was received never passes the capacity, its bytes were initialised by `receive`, and this
        // side alone reaches unpublished bytes.
        unsafe { std::slice::from_raw_parts_mut(Block::bytes(self.block).add(at), self.received) }
    }

    /// Appends the first `len` received bytes where they lie, or next to what was appended before where bytes between were
    /// [skipped](Producer::skip).
    #[inline]
    pub fn accept(&mut self, len: usize) {
        let len = len.min(self.received);
        self.close_gap(len);
        self.filled += len;
        self.received -= len;
        self.inside = true;
    }

    /// Drops the first `len` received bytes. The rest moves up as it is appended, each byte once: so it costs no more to skip many
    /// runs of bytes than one.
    pub fn skip(&mut self, len: usize) {
        let len = len.min(self.received);
        self.received -= len;
        self.skipped = if self.received == 0 { 0 } else { self.skipped + len };
    }

    /// Moves the first `len` received bytes to where the next are appended.
    #[inline]
    fn close_gap(&mut self, len: usize) {
        if self.skipped > 0 {
            self.move_up(len);
        }
    }

    #[cold]
    fn move_up(&mut self, len: usize) {
        // SAFETY: both ranges lie behind what is appended to the current block, which is this side's alone. The first `len`
        // received bytes are behind those that were skipped.
        unsafe {
            let to = Block::bytes(self.block).add(self.filled);
            ptr::copy(to.add(self.skipped), to, len);
        }
        if len == self.received {
            self.skipped = 0;
        }
    }

    /// Drops all received bytes, which the caller has copied elsewhere.
    pub fn discard_received(&mut self) {
        (self.skipped, self.received) = (0, 0);
    }

    /// Bytes behind `filled` in the current block.
    #[inline(always)]
    fn room(&self) -> usize {
        // SAFETY: `block` is the producer's own and alive.
        unsafe { self.block.as_ref() }.capacity - self.filled
    }

    /// Goes on in a new block with room for `len` bytes, and moves the received ones there.
    #[cold]
    fn relocate(&mut self, len: usize) -> Result<()> {
        let next = self.next_block(len, MAX_BLOCK_BYTES)?;
        // SAFETY: the new block holds at least `received` bytes and has no other reference yet.
        unsafe {
            let from = Block::bytes(self.block).add(self.filled + self.skipped);
            ptr::copy_nonoverlapping(from, Block::bytes(next), self.received);
        }
        self.seal(None, next);
        Ok(())
    }

    /// An empty block for at least `len` bytes. Where possible it is larger than the last one, but at most
    /// `enough` bytes.
    fn next_block(&mut self, len: usize, enough: usize) -> Result<NonNull<Block<T>>> {
        // SAFETY: `block` is the producer's own and alive.
        let last = unsafe { self.block.as_ref() }.capacity;
        // At least as large as the last block, unless `enough` is less.
        let wanted = len.max(last.min(enough));
        while let Some(spare) = self.take_spare() {
            // SAFETY: a block taken from the list has no other reference.
            unsafe {
                if spare.as_ref().capacity >= wanted {
                    return Ok(spare);
                }
                Block::free(spare);
            }
        }
        let grown = last.saturating_mul(2).min(MAX_BLOCK_BYTES).min(enough);
        Block::allocate(grown.max(len.next_power_of_two()).max(FIRST_BLOCK_BYTES))
    }

    /// A block that the consumer has emptied.
    fn take_spare(&mut self) -> Option<NonNull<Block<T>>> {
        if self.spares.is_null() {
            // Acquire: the consumer's last reads of the blocks happen before our writes.
            self.spares = self.shared.spare.swap(ptr::null_mut(), Ordering::Acquire);
        }
        let spare = NonNull::new(self.spares)?;
        // SAFETY: the consumer gave the blocks of the list up with the Release swap.
        unsafe {
            self.spares = spare.as_ref().next.swap(ptr::null_mut(), Ordering::Relaxed);
            uncount_spare(spare.as_ref().capacity);
        }
        Some(spare)
    }

    /// Frees the spare blocks.
    pub fn free_spares(&mut self) {
        let own = std::mem::replace(&mut self.spares, ptr::null_mut());
        // Acquire: the consumer's last reads of the blocks happen before they are freed.
        let returned = self.shared.spare.swap(ptr::null_mut(), Ordering::Acquire);
        // SAFETY: both lists have no other owner since the swap.
        unsafe {
            Block::free_spares(own);
            Block::free_spares(returned);
        }
    }

    /// Closes the current block with `tail` and makes `next` the current one.
    fn seal(&mut self, tail: Option<T>, next: NonNull<Block<T>>) {
        let sealed = word(self.filled, self.messages) | SEALED_BIT;
        // SAFETY: the consumer reads `tail` and `next` only after it saw `SEALED_BIT`, which is not stored yet.
        unsafe {
            let block = self.block.as_ref();
            next.as_ref().continued.with_mut(|continued| *continued = self.inside);
            block.tail.with_mut(|slot| *slot = tail);
            block.next.store(next.as_ptr(), Ordering::Relaxed);
            if self.oldest != self.block {
                // Not visible before `oldest` is published, whose Release store also covers this one.
                block.state.store(sealed, Ordering::Relaxed);
            }
        }
        if self.oldest == self.block {
            self.oldest_word = sealed;
        }
        self.block = next;
        self.filled = 0;
        self.skipped = 0;
        self.messages = 0;
    }
}

impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        // What was never published, no consumer can read.
        self.rollback();
        self.shared.deserted.store(true, Ordering::Relaxed);
        self.free_spares();
    }
}
