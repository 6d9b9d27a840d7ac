//! The reading side.

use super::block::{Block, MESSAGES_SHIFT, SEALED_BIT, Shared, bytes_of, count_spare};
use super::distance::Distance;
use crate::queue::shim::{Arc, Ordering, edge};
use std::ptr::{self, NonNull};

/// The reading side.
pub struct Consumer<T> {
    pub(super) shared: Arc<Shared<T>>,
    pub(super) block: NonNull<Block<T>>,
    pub(super) position: usize,
    /// Messages of `block` that [`Consumer::advance`] has reported.
    pub(super) messages: u32,
    /// The state word of `block` at its last load. The reader uses it up before it loads again: the producer
    /// is busy writing that cache line.
    pub(super) seen: u64,
    pub(super) distance: Distance,
}

/// What lies at the front of a queue.
pub struct Front<'a, T> {
    consumer: &'a mut Consumer<T>,
    pub bytes: &'a [u8],
}

impl<T> Front<'_, T> {
    /// Passes the first `len` bytes; those that there are, where there are fewer.
    #[inline(always)]
    pub fn pass(self, len: usize) {
        self.consumer.position += len.min(self.bytes.len());
    }
}

// SAFETY: as for `Producer`.
unsafe impl<T: Send> Send for Consumer<T> {}

impl<T> Consumer<T> {
    /// Whether bytes or a tail are ready. `false` leaves the consumer asleep: the producer's next publish
    /// returns `true`.
    #[inline(always)]
    pub fn check(&mut self) -> bool {
        if self.ready() {
            return true;
        }
        self.distance.slept();
        self.shared.asleep.swap(true, Ordering::AcqRel);
        // Dekker: this side writes its flag before it reads the state word; the producer writes the state
        // word before it reads the flag.
        edge::dekker();
        if !self.ready() {
            return false;
        }
        // The producer may have lowered the flag at the same time and then wakes this thread needlessly:
        // harmless.
        self.shared.asleep.swap(false, Ordering::AcqRel);
        true
    }

    /// As [`check`](Consumer::check), but stays awake.
    #[inline(always)]
    pub fn ready(&mut self) -> bool {
        if self.position < bytes_of(self.seen) {
            return true;
        }
        loop {
            let state = self.state();
            self.seen = state;
            if self.position < bytes_of(state) {
                return true;
            }
            if state & SEALED_BIT == 0 {
                return false;
            }
            // SAFETY: the block is sealed, so the producer has left it; only the consumer reaches its tail.
            if unsafe { self.block.as_ref() }.tail.with(|tail| unsafe { (*tail).is_some() }) {
                return true;
            }
            self.next_block();
        }
    }

    /// Whether bytes are ready in the current block; does not go on to the next. `alone`: the calling thread
    /// reads only this queue, so it may pause here to let the producer get ahead.
    #[inline(always)]
    pub fn ready_here(&mut self, alone: bool) -> bool {
        self.position < bytes_of(self.seen) || self.look(alone)
    }

    #[inline(never)]
    fn look(&mut self, alone: bool) -> bool {
        if alone {
            self.distance.before_look();
        }
        let before = self.seen;
        self.seen = self.state();
        let nothing = self.seen == before && self.seen & SEALED_BIT == 0;
        if nothing && alone && self.distance.found_nothing() {
            self.seen = self.state();
        }
        let found = bytes_of(self.seen).saturating_sub(self.position);
        // A sealed block may end in a body, whose length is not among the block's bytes.
        if self.seen & SEALED_BIT == 0 {
            let messages = (self.seen >> MESSAGES_SHIFT) as u32;
            self.distance.found(found, messages.wrapping_sub((before >> MESSAGES_SHIFT) as u32));
        }
        found > 0
    }

    /// Unread published bytes of the current block, as of the last [`check`](Consumer::check) or
    /// [`ready`](Consumer::ready).
    #[inline(always)]
    pub fn bytes(&self) -> &[u8] {
        let len = bytes_of(self.seen);
        // SAFETY: bytes up to the published length were written before the Release store that `ready` read with
        // Acquire, and the producer writes only behind them.
        unsafe {
            std::slice::from_raw_parts(
                Block::bytes(self.block).add(self.position),
                len.saturating_sub(self.position),
            )
        }
    }

    /// The last `len` bytes that [`advance`](Consumer::advance) passed in the current block.
    #[inline(always)]
    pub fn passed(&self, len: usize) -> &[u8] {
        let len = len.min(self.position);
        // SAFETY: as in `bytes`; the block stays until this side asks for what lies ahead again.
        unsafe { std::slice::from_raw_parts(Block::bytes(self.block).add(self.position - len), len) }
    }

    /// The current block from its beginning: its published bytes, how many of them were passed, and whether the
    /// block begins inside a message.
    pub fn whole_block(&mut self) -> (&[u8], usize, bool) {
        self.seen = self.state();
        let len = bytes_of(self.seen);
        // SAFETY: as in `bytes`, which begins further on; `continued` does not change once the block is linked.
        unsafe {
            let bytes = std::slice::from_raw_parts(Block::bytes(self.block), len);
            (bytes, self.position, self.block.as_ref().continued.with(|continued| *continued))
        }
    }

    /// The tail that ends the current block, where the block is sealed and has one.
    pub fn tail(&self) -> Option<&T> {
        if self.state() & SEALED_BIT == 0 {
            return None;
        }
        // SAFETY: the block is sealed, so the producer has left it; `&self` keeps this side from taking the tail.
        unsafe { self.block.as_ref() }.tail.with(|tail| unsafe { (*tail).as_ref() })
    }

    /// Counts `len` bytes as read. At the end of the published bytes, returns how many messages have ended
    /// since it last returned them; otherwise 0.
    #[inline(always)]
    pub fn advance(&mut self, len: usize) -> u32 {
        let state = self.seen;
        self.position = (self.position + len).min(bytes_of(state));
        if self.position < bytes_of(state) {
            return 0;
        }
        let ended = (state >> MESSAGES_SHIFT) as u32;
        ended.wrapping_sub(std::mem::replace(&mut self.messages, ended))
    }

    /// The unread published bytes of the current block, as [`bytes`](Consumer::bytes), for a reader that may pass some of them.
    #[inline(always)]
    pub fn front(&mut self) -> Front<'_, T> {
        let len = bytes_of(self.seen).saturating_sub(self.position);
        // SAFETY: as in `bytes`; the block stays until this side asks for what lies ahead again, for which it has to be borrowed anew.
        let bytes = unsafe { std::slice::from_raw_parts(Block::bytes(self.block).add(self.position), len) };
        Front { consumer: self, bytes }
    }

    /// Counts `messages` as reported, which end in the bytes that the reader is about to pass.
    #[inline(always)]
    pub fn tell(&mut self, messages: u32) {
        self.messages = self.messages.wrapping_add(messages);
    }

    /// `messages` of the current block have ended in the part that was passed. Returns how many of them were
    /// not reported yet, and counts them as reported.
    pub fn tell_up_to(&mut self, messages: u32) -> u32 {
        let untold = messages.saturating_sub(self.messages);
        self.messages += untold;
        untold
    }

    /// Takes the tail and goes on to the next block. `None` where bytes remain before it, or where the block
    /// has no tail.
    pub fn take_tail(&mut self) -> Option<T> {
        let state = self.state();
        if state & SEALED_BIT == 0 || self.position < bytes_of(state) {
            return None;
        }
        // SAFETY: the block is sealed, so the producer has left it; `&mut self` is the only reader.
        let tail = unsafe { self.block.as_ref() }.tail.with_mut(|tail| unsafe { (*tail).take() });
        self.next_block();
        tail
    }

    /// Calls `visit` with the unread bytes and the tail of each published block, from the current one on. It
    /// ends when `visit` returns `false` or the published part ends. A second argument of `None` means that
    /// the block has no tail.
    pub fn spans<'a>(&'a self, mut visit: impl FnMut(&'a [u8], Option<&'a T>) -> bool) {
        let mut block = self.block;
        let mut position = self.position;
        loop {
            // SAFETY: blocks from the current one on are alive until this side frees them; `&self` prevents that.
            let header = unsafe { block.as_ref() };
            let state = header.state.load(Ordering::Acquire);
            let len = bytes_of(state);
            // SAFETY: as in `bytes`.
            let bytes = unsafe {
                std::slice::from_raw_parts(Block::bytes(block).add(position), len.saturating_sub(position))
            };
            if state & SEALED_BIT == 0 {
                visit(bytes, None);
                return;
            }
            // SAFETY: as in `tail`.
            let go_on = header.tail.with(|tail| visit(bytes, unsafe { (*tail).as_ref() }));
            match NonNull::new(header.next.load(Ordering::Relaxed)) {
                Some(next) if go_on => block = next,
                _ => return,
            }
            position = 0;
        }
    }

    #[inline(always)]
    fn state(&self) -> u64 {
        // SAFETY: the current block is alive until this side passes it.
        unsafe { self.block.as_ref() }.state.load(Ordering::Acquire)
    }

    /// Leaves the current, sealed block and gives it back to the producer.
    #[cold]
    fn next_block(&mut self) {
        // SAFETY: a sealed block has a successor, set before the Release store that showed us `SEALED_BIT`.
        let next = unsafe { self.block.as_ref() }.next.load(Ordering::Relaxed);
        let Some(next) = NonNull::new(next) else { return };
        let passed = std::mem::replace(&mut self.block, next);
        self.position = 0;
        self.messages = 0;
        self.seen = 0;
        // SAFETY: the producer left the block when it sealed it and this side has just done so too. Reset, it can be
        // handed over by the Release swap, or freed.
        unsafe {
            passed.as_ref().tail.with_mut(|tail| drop((*tail).take()));
            passed.as_ref().state.store(0, Ordering::Relaxed);
            if self.shared.deserted.load(Ordering::Relaxed) || !count_spare(passed.as_ref().capacity) {
                return Block::free(passed);
            }
            let mut first = self.shared.spare.load(Ordering::Relaxed);
            loop {
                passed.as_ref().next.store(first, Ordering::Relaxed);
                let put = passed.as_ptr();
                match self.shared.spare.compare_exchange(first, put, edge::HAND_BACK(), Ordering::Relaxed) {
                    Ok(_) => return,
                    Err(now) => first = now,
                }
            }
        }
    }
}

impl<T> Consumer<T> {
    /// Frees the emptied blocks that the producer has not taken back yet.
    pub fn free_spares(&mut self) {
        // Relaxed: this side pushed the blocks, and the swap leaves the list to one side alone.
        let list = self.shared.spare.swap(ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: the list was taken out by this side.
        unsafe { Block::free_spares(list) };
    }
}

impl<T> Drop for Consumer<T> {
    fn drop(&mut self) {
        // Frees the published rest now, rather than when the producer is dropped.
        while self.ready() {
            self.advance(usize::MAX / 2);
            drop(self.take_tail());
        }
        // SAFETY: `Shared::drop` reads `head` after both sides are gone, ordered by the counter of the `Arc`.
        self.shared.head.with_mut(|head| unsafe { *head = self.block });
    }
}
