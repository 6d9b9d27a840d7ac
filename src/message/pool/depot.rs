//! The batches that threads have too much of, for other threads; and each piece of more than 32 KiB.

use super::class::{CLASSES, MAX_THREAD_ROOM_BYTES, room_of};
use crate::message::header::Header;
use crate::sys::lock::Lock;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

const MAX_DEPOT_BATCHES: usize = 64;
/// Large pieces that are under way lie in a cache still if there are few of them. A bound of 1, 2 or 4 MiB makes no difference that can be
/// measured; this one has room for two of the largest.
const MAX_DEPOT_BYTES: usize = 4 * 1024 * 1024;

/// Pieces of one class, linked through their first word. Frees them when dropped.
pub(super) struct Batch {
    first: Option<NonNull<Header>>,
    count: u32,
    class: usize,
}

// SAFETY: the pieces are the batch's alone.
unsafe impl Send for Batch {}

/// Batches by class. A thread that finds another thread here goes without: the pieces are freed, or come from the system.
pub(super) struct Depot {
    /// A bit for each class of which there may be a batch, so that a thread need not look in vain. Written under the lock, read without.
    /// The lock makes the edges; a stale bit costs a look or a piece from the system, so Relaxed.
    stocked: AtomicU64,
    shelf: Lock<Shelf>,
}

const _: () = assert!(CLASSES.len() <= u64::BITS as usize);

/// The batches, oldest first and without gaps.
struct Shelf {
    batches: [Option<Batch>; MAX_DEPOT_BATCHES],
    count: usize,
    bytes: usize,
}

impl Depot {
    pub(super) const fn new() -> Depot {
        Depot { stocked: AtomicU64::new(0), shelf: Lock::new(Shelf::new()) }
    }

    /// A batch of this class. `None` as well while another thread is here.
    #[inline]
    pub(super) fn take(&self, class: usize) -> Option<Batch> {
        if self.stocked.load(Ordering::Relaxed) & bit(class) == 0 {
            return None;
        }
        self.take_stocked(class)
    }

    fn take_stocked(&self, class: usize) -> Option<Batch> {
        let mut shelf = self.shelf.try_lock()?;
        let found = shelf.take(class);
        if found.is_none() {
            self.stocked.store(self.stocked.load(Ordering::Relaxed) & !bit(class), Ordering::Relaxed);
        }
        found
    }

    /// Keeps a batch, in place of those that have lain here for the longest.
    pub(super) fn put(&self, batch: Batch) {
        // As many batches at most make way as find a place. Each is freed without the lock.
        for _ in 0..=MAX_DEPOT_BATCHES {
            let Some(mut shelf) = self.shelf.try_lock() else { return };
            let Some(oldest) = shelf.make_way(batch.bytes()) else {
                let stocked = self.stocked.load(Ordering::Relaxed) | bit(batch.class);
                shelf.put(batch);
                return self.stocked.store(stocked, Ordering::Relaxed);
            };
            drop(shelf);
            drop(oldest);
        }
    }

    /// Frees all batches, unless another thread is here.
    pub(super) fn empty(&self) {
        let Some(mut shelf) = self.shelf.try_lock() else { return };
        let all = std::mem::replace(&mut *shelf, Shelf::new());
        self.stocked.store(0, Ordering::Relaxed);
        drop(shelf);
        drop(all);
    }
}

fn bit(class: usize) -> u64 {
    1 << class
}

impl Shelf {
    const fn new() -> Shelf {
        Shelf { batches: [const { None }; MAX_DEPOT_BATCHES], count: 0, bytes: 0 }
    }

    /// Of small pieces the oldest batch: the thread that read the newest one has it in its cache, where the next writer would have to fetch
    /// it from. Of large pieces the newest, which may still lie in a cache that both threads share.
    fn take(&mut self, class: usize) -> Option<Batch> {
        let mut batches = self.batches.get(..self.count)?.iter();
        let is_it = |batch: &Option<Batch>| batch.as_ref().is_some_and(|batch| batch.class == class);
        let small = CLASSES.get(class)?.room <= MAX_THREAD_ROOM_BYTES;
        let index = if small { batches.position(is_it) } else { batches.rposition(is_it) };
        self.remove(index?)
    }

    /// The oldest batch, where there is no room for that many bytes more.
    fn make_way(&mut self, bytes: usize) -> Option<Batch> {
        let fits = self.count < MAX_DEPOT_BATCHES && self.bytes.saturating_add(bytes) <= MAX_DEPOT_BYTES;
        if fits { None } else { self.remove(0) }
    }

    fn remove(&mut self, index: usize) -> Option<Batch> {
        let from = self.batches.get_mut(index..self.count).filter(|from| !from.is_empty())?;
        from.rotate_left(1);
        let removed = from.last_mut().and_then(Option::take)?;
        self.count -= 1;
        self.bytes = self.bytes.saturating_sub(removed.bytes());
        Some(removed)
    }

    /// Where there is room for it.
    fn put(&mut self, batch: Batch) {
        if let Some(place) = self.batches.get_mut(self.count) {
            self.count += 1;
            self.bytes += batch.bytes();
            *place = Some(batch);
        }
    }
}

impl Batch {
    /// # Safety
    /// `header` was allocated with the room of `class`, has no references, and is given up to this call.
    pub(super) unsafe fn of_one(header: NonNull<Header>, class: usize) -> Batch {
        // SAFETY: the caller's memory, long enough and aligned for a pointer.
        unsafe { header.cast::<*mut Header>().write(std::ptr::null_mut()) };
        Batch { first: Some(header), count: 1, class }
    }

    /// # Safety
    /// As of [`of_one`](Batch::of_one) for each of `count` pieces that are linked from `first` on.
    pub(super) unsafe fn of_list(first: Option<NonNull<Header>>, count: u32, class: usize) -> Batch {
        Batch { first, count, class }
    }

    /// The first piece, and how many are linked from it on; they are the caller's.
    pub(super) fn into_list(self) -> (Option<NonNull<Header>>, u32) {
        let batch = std::mem::ManuallyDrop::new(self);
        (batch.first, batch.count)
    }

    pub(super) fn pop(&mut self) -> Option<NonNull<Header>> {
        let first = self.first?;
        // SAFETY: what lies here is this batch's alone, and begins with the link to the next.
        self.first = NonNull::new(unsafe { first.cast::<*mut Header>().read() });
        self.count -= 1;
        Some(first)
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    fn bytes(&self) -> usize {
        CLASSES.get(self.class).map_or(0, |class| class.room * self.count as usize)
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        let room = room_of(self.class);
        while let Some(header) = self.pop() {
            // SAFETY: `of_one` and `of_list` were told that it was allocated with this much room.
            unsafe { Header::free(header, room) };
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::message::pool::class::{CLASS_COUNT, MAX_ROOM_BYTES, class_of};
    use crate::sys::memory::try_alloc;

    /// A batch of one piece with room for `len` bytes, and where that lies.
    fn batch(len: usize) -> (Batch, NonNull<Header>) {
        let class = class_of(len).unwrap();
        let header = Header::allocate(CLASSES[class].room, try_alloc).unwrap();
        // SAFETY: allocated with this much room, and given up.
        (unsafe { Batch::of_one(header, class) }, header)
    }

    #[test]
    fn the_oldest_small_batch_and_the_newest_large_one_go_first() {
        let depot = Depot::new();
        for (len, newest_first) in [(4096, false), (65_536, true)] {
            let class = class_of(len).unwrap();
            assert!(depot.take(class).is_none());
            let headers = [0, 1].map(|_| {
                let (batch, header) = batch(len);
                depot.put(batch);
                header
            });
            assert_eq!(depot.take(class).unwrap().first, Some(headers[usize::from(newest_first)]));
            assert_eq!(depot.take(class).unwrap().first, Some(headers[usize::from(!newest_first)]));
            assert!(depot.take(class).is_none());
        }
    }

    #[test]
    fn no_more_is_held_than_that_and_the_oldest_make_way() {
        let depot = Depot::new();
        for number in 0..5 * MAX_DEPOT_BATCHES {
            // Small ones alone at first, which are too many; then all sizes, which are too much.
            let len = if number < 2 * MAX_DEPOT_BATCHES {
                1100
            } else {
                [64, 1100, 40_000, MAX_ROOM_BYTES][number % 4]
            };
            depot.put(batch(len).0);
            let shelf = depot.shelf.lock();
            let bytes: usize = shelf.batches.iter().flatten().map(Batch::bytes).sum();
            assert!(shelf.count <= MAX_DEPOT_BATCHES && bytes <= MAX_DEPOT_BYTES && shelf.bytes == bytes);
            assert!(shelf.batches.iter().take(shelf.count).all(Option::is_some));
            assert_eq!(
                shelf.batches[shelf.count - 1].as_ref().unwrap().class,
                class_of(len).unwrap(),
                "the newest"
            );
        }
        while (0..CLASS_COUNT).filter_map(|class| depot.take(class)).count() > 0 {}
        let shelf = depot.shelf.lock();
        assert_eq!((shelf.count, shelf.bytes), (0, 0));
    }

    #[test]
    fn an_emptied_depot_has_nothing_and_a_thread_that_is_turned_away_frees() {
        let (depot, class) = (Depot::new(), class_of(4096).unwrap());
        depot.put(batch(4096).0);
        let held = depot.shelf.lock();
        assert!(depot.take(class).is_none(), "another thread is here");
        depot.put(batch(4096).0);
        depot.empty();
        drop(held);
        assert!(depot.take(class).is_some() && depot.take(class).is_none());
        depot.put(batch(4096).0);
        depot.empty();
        assert!(depot.take(class).is_none());
    }
}
