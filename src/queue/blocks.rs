//! A single-producer single-consumer list of byte blocks.
//!
//! The producer appends bytes to its newest block and makes them visible in one step, however many blocks they
//! fill: it stores the state words of the newer blocks first and that of the oldest one last, and the consumer
//! reaches a newer block only through the older one's word. A block may end in a *tail*, a value that travels
//! between its bytes and those of the next block.
//!
//! A run of bytes appended in one call never straddles two blocks.
//!
//! Who sleeps is said by one flag: the consumer raises it when it finds nothing, the producer lowers it when it
//! publishes and is told to wake the consumer. Both do so around a sequentially consistent fence (a Dekker
//! handshake), so that of the two at least one sees the other.

use super::shim::{Arc, AtomicBool, AtomicPtr, AtomicU64, Ordering, UnsafeCell, edge};
use crate::errno::{Errno, Result};
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::{self, NonNull};

/// Capacity of a queue's first block, so that an idle queue costs little.
const FIRST_BLOCK: usize = 256;
/// Capacity that blocks grow to, by doubling, while the queue is in use.
const LARGEST_BLOCK: usize = 64 * 1024;

/// In a state word: the published bytes of the block.
const BYTES: u64 = 0x7fff_ffff;
/// In a state word: nothing will be appended to the block, its tail is set, its successor linked.
const SEALED: u64 = 0x8000_0000;
/// In a state word: messages that end in the block, above this many bits.
const MESSAGES_SHIFT: u32 = 32;

/// Makes an empty queue. Errors: `ENOMEM`.
pub fn queue<T>() -> Result<(Producer<T>, Consumer<T>)> {
    let block = Block::allocate(FIRST_BLOCK)?;
    let shared = Arc::new(Shared {
        asleep: AtomicBool::new(false),
        spare: AtomicPtr::new(ptr::null_mut()),
        head: UnsafeCell::new(block),
    });
    let producer = Producer {
        shared: Arc::clone(&shared),
        block,
        filled: 0,
        received: 0,
        messages: 0,
        inside: false,
        oldest: block,
        oldest_word: 0,
        published: Position::default(),
    };
    Ok((producer, Consumer { shared, block, position: 0, messages: 0 }))
}

/// What producer and consumer share beside the blocks themselves.
struct Shared<T> {
    /// The consumer found nothing. Written by both sides, always by swap, so that its history is one chain; the
    /// edge is made by the fences around it.
    asleep: AtomicBool,
    /// One emptied block on its way back. The consumer puts it (Release), the producer takes it (Acquire): the
    /// consumer's last reads of the block happen before the producer's first writes.
    spare: AtomicPtr<Block<T>>,
    /// First block of the list, for freeing it: the consumer writes it when it drops, `Shared::drop` reads it.
    head: UnsafeCell<NonNull<Block<T>>>,
}

/// Header of a block; `capacity` bytes follow it in the same allocation, zeroed when it was made.
struct Block<T> {
    /// Next block. The producer writes it before it publishes the `SEALED` word that lets the consumer read it.
    next: AtomicPtr<Block<T>>,
    /// `BYTES`, `SEALED`, messages. The producer writes, the consumer reads. The Release store on the oldest
    /// unpublished block makes everything appended so far happen before the consumer's Acquire load.
    state: AtomicU64,
    /// Written by the producer before sealing, taken by the consumer after it saw `SEALED`.
    tail: UnsafeCell<Option<T>>,
    /// The block begins inside a message. Written by the producer before it links the block, constant from then on.
    continued: UnsafeCell<bool>,
    capacity: usize,
}

/// A place in a block up to which all is published.
#[derive(Clone, Copy, Default)]
struct Position {
    bytes: usize,
    messages: u32,
}

/// The appending side.
pub struct Producer<T> {
    shared: Arc<Shared<T>>,
    /// The block being filled.
    block: NonNull<Block<T>>,
    /// Appended bytes in `block`.
    filled: usize,
    /// Bytes behind `filled` that were received but are not appended yet.
    received: usize,
    /// Messages that end in `block`.
    messages: u32,
    /// Something was appended since the last message ended.
    inside: bool,
    /// The block where the unpublished part begins, and the place in it.
    oldest: NonNull<Block<T>>,
    published: Position,
    /// The word that `oldest` gets when it is published, once it is sealed (when it is no longer `block`).
    oldest_word: u64,
}

/// The reading side.
pub struct Consumer<T> {
    shared: Arc<Shared<T>>,
    block: NonNull<Block<T>>,
    position: usize,
    /// Messages of `block` already told by [`Consumer::advance`].
    messages: u32,
}

// SAFETY: the queue moves `T` values and bytes from one thread to another, which is sound when `T: Send`. A block
// is the producer's up to what it has published and the consumer's after, ordered by the Release and Acquire on
// `state`, so no access races with another.
unsafe impl<T: Send> Send for Producer<T> {}
// SAFETY: as for `Producer`.
unsafe impl<T: Send> Send for Consumer<T> {}

impl<T> Producer<T> {
    /// Appends `parts`, one after the other, as one run. Errors: `ENOMEM`, with nothing appended.
    ///
    /// Bytes received but not accepted would be overwritten: a caller uses either this or the receiving calls.
    #[inline]
    pub fn append(&mut self, parts: [&[u8]; 2]) -> Result<()> {
        let [first, second] = parts;
        let len = first.len() + second.len();
        if len > self.room() {
            self.relocate(len)?;
        }
        // SAFETY: at least `len` bytes lie behind `filled`; this side alone reaches a block's unpublished bytes.
        unsafe {
            let to = Block::bytes(self.block).add(self.filled);
            ptr::copy_nonoverlapping(first.as_ptr(), to, first.len());
            ptr::copy_nonoverlapping(second.as_ptr(), to.add(first.len()), second.len());
        }
        self.filled += len;
        self.inside = true;
        Ok(())
    }

    /// Ends the current block with `tail`. Errors: `ENOMEM`, with the tail dropped and nothing else changed.
    pub fn attach(&mut self, tail: T) -> Result<()> {
        // Where blocks end in tails before they are full, as between large bodies, they need not be large.
        let enough = (2 * self.filled).next_power_of_two();
        let next = self.next_block(self.received, enough)?;
        self.seal(Some(tail), next);
        Ok(())
    }

    /// Counts messages as ended, the last of them at the current place.
    #[inline]
    pub fn end_messages(&mut self, messages: u32) {
        self.messages = self.messages.wrapping_add(messages);
        self.inside = false;
    }

    /// Says that what was appended since the last message is no part of one.
    #[inline]
    pub fn end_aside(&mut self) {
        self.inside = false;
    }

    /// Takes back what the last call appended, `len` bytes, and the messages counted since.
    pub fn take_back(&mut self, len: usize, messages: u32) {
        self.filled = self.filled.saturating_sub(len);
        self.messages = self.messages.wrapping_sub(messages);
    }

    /// Makes everything appended so far visible. `true`: the consumer slept and is to be woken by the caller.
    #[inline]
    pub fn publish(&mut self) -> bool {
        let newest = word(self.filled, self.messages);
        if self.oldest == self.block {
            if self.published.bytes == self.filled {
                return false;
            }
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
        self.published = Position { bytes: self.filled, messages: self.messages };
        // Dekker: our state word before their flag, as the consumer has its flag before our state word.
        edge::dekker();
        self.shared.asleep.load(Ordering::Relaxed) && self.shared.asleep.swap(false, Ordering::AcqRel)
    }

    /// Takes back everything appended since the last [`publish`](Producer::publish), and what was received.
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
        self.received = 0;
        self.inside = false;
    }

    /// Whether something was appended since the last publish.
    #[inline]
    pub fn unpublished(&self) -> bool {
        self.oldest != self.block || self.filled != self.published.bytes
    }

    /// Room for receiving: at least `least` bytes behind those received so far. Errors: `ENOMEM`.
    pub fn spare(&mut self, least: usize) -> Result<&mut [u8]> {
        if self.room() < self.received + least {
            self.relocate(self.received + least)?;
        }
        let start = self.filled + self.received;
        // SAFETY: the bytes up to the capacity were zeroed when the block was made, so they are initialised, and
        // this side alone reaches a block's unpublished bytes.
        Ok(unsafe {
            std::slice::from_raw_parts_mut(
                Block::bytes(self.block).add(start),
                self.block.as_ref().capacity - start,
            )
        })
    }

    /// Counts `len` bytes of [`spare`](Producer::spare) as received; never more than there were.
    pub fn commit(&mut self, len: usize) {
        self.received = (self.received + len).min(self.room());
    }

    /// What was received and not accepted yet.
    #[inline]
    pub fn received(&mut self) -> &mut [u8] {
        // SAFETY: `received` never passes the capacity, and this side alone reaches unpublished bytes.
        unsafe { std::slice::from_raw_parts_mut(Block::bytes(self.block).add(self.filled), self.received) }
    }

    /// Appends the first `len` received bytes where they lie.
    #[inline]
    pub fn accept(&mut self, len: usize) {
        let len = len.min(self.received);
        self.filled += len;
        self.received -= len;
        self.inside = true;
    }

    /// Drops all received bytes, which the caller has moved elsewhere.
    pub fn discard_received(&mut self) {
        self.received = 0;
    }

    /// Drops what was appended since the last publish but keeps what was received behind it.
    pub fn drop_unpublished(&mut self) {
        let mut start = self.published.bytes;
        if self.oldest != self.block {
            // SAFETY: nothing behind `published` in `oldest` is visible to the consumer: its tail and the blocks
            // between it and the current one are this side's alone, and are cut off before they are freed.
            unsafe {
                let oldest = self.oldest.as_ref();
                let mut between = oldest.next.swap(self.block.as_ptr(), Ordering::Relaxed);
                oldest.tail.with_mut(|tail| drop((*tail).take()));
                while between != self.block.as_ptr()
                    && let Some(block) = NonNull::new(between)
                {
                    between = block.as_ref().next.load(Ordering::Relaxed);
                    Block::free(block);
                }
                self.block.as_ref().continued.with_mut(|continued| *continued = false);
            }
            self.oldest_word = word(self.published.bytes, self.published.messages) | SEALED;
            self.messages = 0;
            start = 0;
        }
        // SAFETY: both ranges lie behind what is published of the current block, which is this side's alone.
        unsafe {
            let bytes = Block::bytes(self.block);
            ptr::copy(bytes.add(self.filled), bytes.add(start), self.received);
        }
        self.filled = start;
        self.inside = false;
    }

    /// Bytes behind `filled` in the current block.
    #[inline]
    fn room(&self) -> usize {
        // SAFETY: `block` is the producer's own and alive.
        unsafe { self.block.as_ref() }.capacity - self.filled
    }

    /// Goes on in a new block with room for `len` bytes, the received ones moved there.
    #[cold]
    fn relocate(&mut self, len: usize) -> Result<()> {
        let next = self.next_block(len, LARGEST_BLOCK)?;
        // SAFETY: the new block holds at least `received` bytes and nobody else knows it yet.
        unsafe {
            let from = Block::bytes(self.block).add(self.filled);
            ptr::copy_nonoverlapping(from, Block::bytes(next), self.received);
        }
        self.seal(None, next);
        Ok(())
    }

    /// An empty block for at least `len` bytes, larger than the last where the queue is in use, and no larger than
    /// `enough` where that does.
    fn next_block(&mut self, len: usize, enough: usize) -> Result<NonNull<Block<T>>> {
        // SAFETY: `block` is the producer's own and alive.
        let last = unsafe { self.block.as_ref() }.capacity;
        // Acquire: the consumer's last reads of the spare happen before our writes.
        if let Some(spare) = NonNull::new(self.shared.spare.swap(ptr::null_mut(), Ordering::Acquire)) {
            // SAFETY: the consumer has passed the block and gave it up with the Release swap.
            if unsafe { spare.as_ref() }.capacity >= len {
                return Ok(spare);
            }
            // SAFETY: as above; nobody else refers to it.
            unsafe { Block::free(spare) };
        }
        let grown = last.saturating_mul(2).min(LARGEST_BLOCK).min(enough);
        Block::allocate(grown.max(len.next_power_of_two()).max(FIRST_BLOCK))
    }

    /// Closes the current block with `tail` and makes `next` the current one.
    fn seal(&mut self, tail: Option<T>, next: NonNull<Block<T>>) {
        let sealed = word(self.filled, self.messages) | SEALED;
        // SAFETY: the consumer reads `tail` and `next` only after it saw `SEALED`, which is not stored yet.
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
        self.messages = 0;
    }
}

impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        // What was never published is nobody's.
        self.rollback();
    }
}

impl<T> Consumer<T> {
    /// Whether bytes or a tail lie ahead. `false` leaves the consumer asleep: the producer's next publish
    /// answers `true`.
    #[inline]
    pub fn check(&mut self) -> bool {
        if self.ready() {
            return true;
        }
        self.shared.asleep.swap(true, Ordering::AcqRel);
        // Dekker: our flag before their state word, as the producer has its state word before our flag.
        edge::dekker();
        if !self.ready() {
            return false;
        }
        // The producer may have lowered the flag at the same time and wake us once too often: harmless.
        self.shared.asleep.swap(false, Ordering::AcqRel);
        true
    }

    /// As [`check`](Consumer::check), but stays awake.
    #[inline]
    pub fn ready(&mut self) -> bool {
        loop {
            let state = self.state();
            if self.position < bytes_of(state) {
                return true;
            }
            if state & SEALED == 0 {
                return false;
            }
            // SAFETY: the block is sealed, so the producer has left it; only the consumer reaches its tail.
            if unsafe { self.block.as_ref() }.tail.with(|tail| unsafe { (*tail).is_some() }) {
                return true;
            }
            self.next_block();
        }
    }

    /// Unread published bytes of the current block.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        let len = bytes_of(self.state());
        // SAFETY: bytes up to the published length were written before the Release store that `state` read with
        // Acquire, and the producer writes only behind them.
        unsafe {
            std::slice::from_raw_parts(
                Block::bytes(self.block).add(self.position),
                len.saturating_sub(self.position),
            )
        }
    }

    /// The last `len` bytes that [`advance`](Consumer::advance) passed in the current block.
    #[inline]
    pub fn passed(&self, len: usize) -> &[u8] {
        let len = len.min(self.position);
        // SAFETY: as in `bytes`; the block stays until this side asks for what lies ahead again.
        unsafe { std::slice::from_raw_parts(Block::bytes(self.block).add(self.position - len), len) }
    }

    /// The current block from its beginning: its published bytes, how many of them were passed, and whether the
    /// block begins inside a message.
    pub fn whole_block(&self) -> (&[u8], usize, bool) {
        let len = bytes_of(self.state());
        // SAFETY: as in `bytes`, which begins further on; `continued` does not change once the block is linked.
        unsafe {
            let bytes = std::slice::from_raw_parts(Block::bytes(self.block), len);
            (bytes, self.position, self.block.as_ref().continued.with(|continued| *continued))
        }
    }

    /// The tail that ends the current block, where the block is sealed and has one.
    pub fn tail(&self) -> Option<&T> {
        if self.state() & SEALED == 0 {
            return None;
        }
        // SAFETY: the block is sealed, so the producer has left it; `&self` keeps this side from taking the tail.
        unsafe { self.block.as_ref() }.tail.with(|tail| unsafe { (*tail).as_ref() })
    }

    /// Counts `len` bytes as read. Returns how many messages have ended since the last time it told, once the
    /// reader stands at the end of what the block shows; else 0.
    pub fn advance(&mut self, len: usize) -> u32 {
        let state = self.state();
        self.position = (self.position + len).min(bytes_of(state));
        if self.position < bytes_of(state) {
            return 0;
        }
        let ended = (state >> MESSAGES_SHIFT) as u32;
        ended.wrapping_sub(std::mem::replace(&mut self.messages, ended))
    }

    /// For a reader that counts by itself: counts messages as told that end in the bytes it is about to pass.
    #[inline]
    pub fn tell(&mut self, messages: u32) {
        self.messages = self.messages.wrapping_add(messages);
    }

    /// Of so many messages that end in the part of the current block that was passed, how many were not told yet;
    /// they count as told now.
    pub fn tell_up_to(&mut self, messages: u32) -> u32 {
        let untold = messages.saturating_sub(self.messages);
        self.messages += untold;
        untold
    }

    /// Takes the tail, if the reader stands before it, and goes on to the next block.
    pub fn take_tail(&mut self) -> Option<T> {
        let state = self.state();
        if state & SEALED == 0 || self.position < bytes_of(state) {
            return None;
        }
        // SAFETY: the block is sealed, so the producer has left it; `&mut self` is the only reader.
        let tail = unsafe { self.block.as_ref() }.tail.with_mut(|tail| unsafe { (*tail).take() });
        self.next_block();
        tail
    }

    /// Calls `visit` with the unread bytes and the tail of each published block, first the current one, until it
    /// answers `false` or there is no more. A second argument of `None` says that the block has no tail.
    pub fn spans<'a>(&'a self, mut visit: impl FnMut(&'a [u8], Option<&'a T>) -> bool) {
        let mut block = self.block;
        let mut position = self.position;
        loop {
            // SAFETY: blocks from the current one on are alive until this side frees them, and it is borrowed.
            let header = unsafe { block.as_ref() };
            let state = header.state.load(Ordering::Acquire);
            let len = bytes_of(state);
            // SAFETY: as in `bytes`.
            let bytes = unsafe {
                std::slice::from_raw_parts(Block::bytes(block).add(position), len.saturating_sub(position))
            };
            if state & SEALED == 0 {
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

    #[inline]
    fn state(&self) -> u64 {
        // SAFETY: the current block is alive until this side passes it.
        unsafe { self.block.as_ref() }.state.load(Ordering::Acquire)
    }

    /// Leaves the current, sealed block and gives it back to the producer.
    #[cold]
    fn next_block(&mut self) {
        // SAFETY: a sealed block has a successor, set before the Release store that showed us `SEALED`.
        let next = unsafe { self.block.as_ref() }.next.load(Ordering::Relaxed);
        let Some(next) = NonNull::new(next) else { return };
        let passed = std::mem::replace(&mut self.block, next);
        self.position = 0;
        self.messages = 0;
        // SAFETY: the producer left the block when it sealed it and this side has just done so too. Reset, it can
        // be handed over by the Release swap; what was there before is freed.
        unsafe {
            passed.as_ref().tail.with_mut(|tail| drop((*tail).take()));
            passed.as_ref().state.store(0, Ordering::Relaxed);
            passed.as_ref().next.store(ptr::null_mut(), Ordering::Relaxed);
            let old = self.shared.spare.swap(passed.as_ptr(), edge::HAND_BACK());
            if let Some(old) = NonNull::new(old) {
                Block::free(old);
            }
        }
    }
}

impl<T> Drop for Consumer<T> {
    fn drop(&mut self) {
        // What lies ahead must not wait for the producer's end to be freed.
        while self.ready() {
            self.advance(usize::MAX / 2);
            drop(self.take_tail());
        }
        // SAFETY: `Shared::drop` reads `head` after both sides are gone, ordered by the counter of the `Arc`.
        self.shared.head.with_mut(|head| unsafe { *head = self.block });
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // SAFETY: both sides are gone; the list from `head` on and the spare belong to nobody else.
        unsafe {
            Block::free_list(self.head.with(|head| (*head).as_ptr()));
            let spare = self.spare.load(Ordering::Relaxed);
            if let Some(spare) = NonNull::new(spare) {
                Block::free(spare);
            }
        }
    }
}

impl<T> Block<T> {
    fn layout(capacity: usize) -> Result<Layout> {
        let header = Layout::new::<Block<T>>();
        let bytes = Layout::array::<u8>(capacity).map_err(|_| Errno::NOMEM)?;
        header.extend(bytes).map(|(layout, _)| layout.pad_to_align()).map_err(|_| Errno::NOMEM)
    }

    fn allocate(capacity: usize) -> Result<NonNull<Block<T>>> {
        // A state word has 31 bits for the bytes.
        if capacity as u64 > BYTES {
            return Err(Errno::NOMEM);
        }
        let layout = Self::layout(capacity)?;
        // SAFETY: the layout is not empty, it holds the header.
        let memory = unsafe { alloc_zeroed(layout) }.cast::<Block<T>>();
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
    fn bytes(block: NonNull<Block<T>>) -> *mut u8 {
        // SAFETY: `capacity` bytes follow the header in the same allocation.
        unsafe { block.as_ptr().add(1).cast::<u8>() }
    }

    /// # Safety
    /// Nobody else refers to the block.
    unsafe fn free(block: NonNull<Block<T>>) {
        // SAFETY: the caller owns the block; `allocate` made it with this very layout.
        unsafe {
            let capacity = block.as_ref().capacity;
            block.as_ptr().drop_in_place();
            if let Ok(layout) = Self::layout(capacity) {
                dealloc(block.as_ptr().cast(), layout);
            }
        }
    }

    /// # Safety
    /// Nobody else refers to any block of the list.
    unsafe fn free_list(mut first: *mut Block<T>) {
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
fn word(bytes: usize, messages: u32) -> u64 {
    bytes as u64 | u64::from(messages) << MESSAGES_SHIFT
}

#[inline]
fn bytes_of(state: u64) -> usize {
    (state & BYTES) as usize
}

#[cfg(all(test, not(loom)))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn drain(consumer: &mut Consumer<u32>) -> (Vec<u8>, Vec<u32>, u32) {
        let (mut bytes, mut tails, mut messages) = (Vec::new(), Vec::new(), 0);
        while consumer.check() {
            bytes.extend_from_slice(consumer.bytes());
            messages += consumer.advance(consumer.bytes().len());
            tails.extend(consumer.take_tail());
        }
        (bytes, tails, messages)
    }

    #[test]
    fn nothing_shows_before_publish_and_all_after() {
        let (mut producer, mut consumer) = queue::<u32>().unwrap();
        assert!(!consumer.check());
        let mut sent = Vec::new();
        for i in 0..1000u32 {
            let data = vec![i as u8; (i % 97) as usize];
            producer.append([b"h", &data]).unwrap();
            sent.push(b'h');
            sent.extend_from_slice(&data);
            producer.end_messages(1);
            if i % 100 == 50 {
                producer.attach(i).unwrap();
            }
        }
        assert!(!consumer.check());
        assert!(producer.publish(), "a sleeping consumer is told of");
        assert!(!producer.publish());
        let (bytes, tails, messages) = drain(&mut consumer);
        assert_eq!(bytes, sent);
        assert_eq!(tails, [50, 150, 250, 350, 450, 550, 650, 750, 850, 950]);
        assert_eq!(messages, 1000);
    }

    #[test]
    fn rollback_leaves_what_was_published() {
        let (mut producer, mut consumer) = queue::<u32>().unwrap();
        producer.append([b"kept", b""]).unwrap();
        producer.publish();
        producer.append([&[7; 300], b""]).unwrap();
        producer.attach(1).unwrap();
        producer.append([&[8; 70_000], b""]).unwrap();
        assert!(producer.unpublished());
        producer.rollback();
        assert!(!producer.unpublished());
        producer.append([b" too", b""]).unwrap();
        producer.publish();
        assert_eq!(drain(&mut consumer), (b"kept too".to_vec(), vec![], 0));
    }

    #[test]
    fn received_bytes_move_with_the_block() {
        let (mut producer, mut consumer) = queue::<u32>().unwrap();
        producer.spare(10).unwrap()[..10].copy_from_slice(b"abcdefghij");
        producer.commit(10);
        producer.accept(4);
        assert_eq!(producer.received(), b"efghij");
        producer.spare(100_000).unwrap()[..2].copy_from_slice(b"kl");
        producer.commit(2);
        assert_eq!(producer.received(), b"efghijkl");
        producer.accept(8);
        producer.publish();
        assert_eq!(drain(&mut consumer).0, b"abcdefghijkl");
        producer.spare(6).unwrap()[..6].copy_from_slice(b"xxyyzz");
        producer.commit(6);
        producer.accept(4);
        producer.drop_unpublished();
        assert_eq!(producer.received(), b"zz");
        producer.accept(2);
        producer.publish();
        assert_eq!(drain(&mut consumer).0, b"zz");
    }

    #[test]
    fn what_is_dropped_leaves_nothing_behind() {
        let (mut producer, mut consumer) = queue::<u32>().unwrap();
        producer.append([b"kept", b""]).unwrap();
        producer.end_messages(1);
        producer.publish();
        for round in 0..100u32 {
            // More than any block holds, then a bit that is not accepted yet.
            for _ in 0..20 {
                producer.spare(8000).unwrap()[..8000].fill(b'x');
                producer.commit(8000);
                producer.accept(8000);
            }
            producer.spare(4).unwrap()[..4].copy_from_slice(&round.to_le_bytes());
            producer.commit(4);
            producer.drop_unpublished();
            assert_eq!(producer.received(), round.to_le_bytes());
            producer.discard_received();
            // SAFETY: nobody else has the queue.
            let blocks = unsafe {
                let mut blocks = 1;
                let mut at = consumer.block;
                while let Some(next) = NonNull::new(at.as_ref().next.load(Ordering::Relaxed)) {
                    (at, blocks) = (next, blocks + 1);
                }
                blocks
            };
            assert!(blocks <= 2);
        }
        producer.append([b" too", b""]).unwrap();
        producer.end_messages(1);
        producer.publish();
        assert_eq!(drain(&mut consumer), (b"kept too".to_vec(), vec![], 2));
    }

    #[test]
    fn blocks_between_tails_are_small() {
        let (mut producer, _consumer) = queue::<u32>().unwrap();
        producer.append([&[7; 100_000], b""]).unwrap();
        for i in 0..3 {
            producer.append([b"head", b""]).unwrap();
            producer.attach(i).unwrap();
        }
        // SAFETY: the block is the producer's own.
        assert_eq!(unsafe { producer.block.as_ref() }.capacity, FIRST_BLOCK);
    }

    #[test]
    fn two_threads_agree() {
        let (mut producer, mut consumer) = queue::<u32>().unwrap();
        let writer = std::thread::spawn(move || {
            for i in 0..200_000u32 {
                producer.append([&i.to_le_bytes(), b""]).unwrap();
                producer.end_messages(1);
                if i % 1000 == 0 {
                    producer.attach(i).unwrap();
                }
                producer.publish();
            }
        });
        let (mut next, mut messages) = (0u32, 0u32);
        while next < 200_000 {
            if !consumer.ready() {
                std::thread::yield_now();
                continue;
            }
            let bytes = consumer.bytes();
            let len = bytes.len();
            for number in bytes.chunks_exact(4) {
                assert_eq!(u32::from_le_bytes(number.try_into().unwrap()), next);
                next += 1;
            }
            messages += consumer.advance(len);
            if let Some(tail) = consumer.take_tail() {
                assert_eq!(tail + 1, next);
            }
        }
        writer.join().unwrap();
        assert_eq!(messages, 200_000);
    }

    #[test]
    fn tails_are_freed_with_the_queue() {
        let counter = std::sync::Arc::new(());
        let (mut producer, mut consumer) = queue::<std::sync::Arc<()>>().unwrap();
        for _ in 0..5 {
            producer.append([b"x", b""]).unwrap();
            producer.attach(std::sync::Arc::clone(&counter)).unwrap();
        }
        producer.publish();
        assert!(consumer.check());
        producer.attach(std::sync::Arc::clone(&counter)).unwrap();
        assert_eq!(std::sync::Arc::strong_count(&counter), 7);
        drop(consumer);
        assert_eq!(std::sync::Arc::strong_count(&counter), 2);
        drop(producer);
        assert_eq!(std::sync::Arc::strong_count(&counter), 1);
    }
}
