//! Handles: addresses that may be asked about for ever.

use crate::errno::{Errno, Result};
use crate::queue::cached_answer::Memo;
use crate::sys::fork;
use crate::sys::lock::{Lock, LockGuard};
use crate::sys::pages::ForGood;
use crate::sys::retry::rest;
use crossbeam::atomic::AtomicCell;
use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// Slots of the first slab of a process; each further one has twice as many.
const FIRST_SLAB_SLOTS: usize = 64;
/// Slots that are made at a time. The rest of a slab takes no memory.
const MADE_AT_ONCE: usize = 64;
/// Slabs of one free list: enough for a thousand million handles.
const MAX_LIST_SLABS: usize = 24;
/// Slabs of all free lists: one process has no more than its own, and forked ones add eight each.
const MAX_SLABS: usize = MAX_LIST_SLABS + 8 * (MAX_FORK_DEPTH - 1);
/// Free handles that rest before the oldest of them is given out again.
const MIN_RESTING_HANDLES: usize = 32;
/// Size of the direct-mapped handle cache: `zmq_poll` over this many sockets finds each of them at one look. With 256 places it took 160
/// instructions for each of 2,000 sockets, with these 49.
const CACHED_HANDLES: usize = 2048;
/// How many forks deep a process may be before it uses a lock that an ancestor may have left locked.
const MAX_FORK_DEPTH: usize = 16;

/// [`Slot::born`] of a slot with nothing in it.
const EMPTY: u32 = 0;
/// [`Slot::born`] of a slot that a forked child has given up.
const ABANDONED: u32 = u32::MAX;
/// In [`Slot::born`], beside a generation: a thread of that generation looks whether the value of an ancestor can be used.
const ADOPTING: u32 = 1 << 31;
/// How long another thread waits before it looks again whether that is over, which takes some instructions.
const ADOPTION_PAUSE: Duration = Duration::from_micros(50);
/// [`Slot::last_rcvmore`] while the last call has received nothing.
const NO_RCVMORE: u32 = u32::MAX;

/// The handles of one kind, such as all sockets of the process.
///
/// A handle is the address of a [`Slot`]. Slots are never freed and never become anything else, so a handle that was closed long
/// ago can be looked at. Any other number is told from a handle without reading the memory that it points to. A closed handle is
/// given out again as late as possible.
///
/// Meant for a `static`.
pub struct Slots<T: 'static> {
    tag: u32,
    slabs: [OnceLock<ForGood<Slot<T>>>; MAX_SLABS],
    /// The next slab to make. Changed under the free list's lock; taken before the slab is made, so that a child
    /// forked in between makes another one. Makes no edge.
    next_slab: AtomicUsize,
    /// Handles, each in the place of its address, so that most are found at once. Written by the thread that gives a handle out,
    /// read by a thread that looks one up. The writer's earlier stores (the cell's release) are visible to a lookup that finds
    /// the slot (acquire). A lookup that finds another slot here searches the slabs. Slots stay slots, so what stands here is
    /// true for ever.
    known: [AtomicCell<Option<&'static Slot<T>>>; CACHED_HANDLES],
    /// The free slots, oldest first, by fork generation: the lock may have been held when the process forked, so a
    /// child uses another one. It does without what was free in its parent.
    free: [Lock<FreeList<T>>; MAX_FORK_DEPTH],
}

/// A place for a value, with a lock that says at the same time whether the value is still there.
///
/// `tag` comes first because programs look at the first bytes of a handle to see what it is.
#[repr(C, align(64))]
pub struct Slot<T: 'static> {
    tag: u32,
    /// The [`fork::generation`] that put the value in, or has adopted it; `EMPTY`; `ABANDONED`. Written under the lock by `insert` and
    /// `remove`, and by `abandon` and `lock_inherited`; read without it. The lock has the last word, so this makes no edge.
    born: AtomicU32,
    /// The socket's `ZMQ_EVENTS` as they were last looked at, for threads that ask without the lock. Empty without a value.
    cached_events: Memo,
    /// Whether more follow the frame that the last call under the lock has received; `NO_RCVMORE` where it received none. Written
    /// under the lock, read without; a number alone, so this makes no edge. The thread of that call reads what it wrote, and so
    /// does each thread that it has synchronised with since.
    last_rcvmore: AtomicU32,
    /// The [`fork::generation`] in which calls of each [`Path`] may take the fast one; [`fork::NO_GENERATION`] where none may. So one
    /// comparison tells that there is such a path, and that the handle came through no fork. Written by the thread that has made the handle,
    /// before any other knows it, so this makes no edge.
    fast_paths: [AtomicU32; Path::COUNT],
    value: Lock<Option<T>>,
    /// The next in the list of free slots. Read and written under the list's lock alone.
    next_free: AtomicCell<Option<&'static Slot<T>>>,
}

/// Free slots, oldest first, linked through themselves.
struct FreeList<T: 'static> {
    first: Option<&'static Slot<T>>,
    last: Option<&'static Slot<T>>,
    len: usize,
    /// The slab in which slots are made next; none at first.
    begun: usize,
    /// The slabs made for this list. They say how large the next one is: those of a forked process's ancestors do not count.
    slabs: usize,
}

/// A kind of call that may have a fast path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    Send = 0,
    Receive = 1,
}

/// A slot's value, locked.
pub struct SlotGuard<'a, T: 'static> {
    slot: &'a Slot<T>,
    /// `Some` for as long as the guard lives.
    value: LockGuard<'a, Option<T>>,
}

impl<T: Send> Slots<T> {
    /// `tag` is what a handle's first four bytes read as. It must be none that czmq looks for (0xcafe in one half) and
    /// none of libzmq's (0xbaddecaf, 0xabadcafe, 0xdeadbeef).
    pub const fn new(tag: u32) -> Slots<T> {
        Slots {
            tag,
            slabs: [const { OnceLock::new() }; MAX_SLABS],
            next_slab: AtomicUsize::new(0),
            known: [const { AtomicCell::new(None) }; CACHED_HANDLES],
            free: [const { Lock::new(FreeList::new()) }; MAX_FORK_DEPTH],
        }
    }

    /// A handle for `value`.
    ///
    /// Errors: `ENOMEM`, and `value` is dropped.
    pub fn insert(&self, value: T) -> Result<usize> {
        let slot = self.free_slot()?;
        let mut place = slot.value.lock();
        *place = Some(value);
        slot.born.store(fork::generation(), Relaxed);
        if let Some(known) = self.known.get(Self::place_of(slot.address())) {
            known.store(Some(slot));
        }
        Ok(slot.address())
    }

    /// The slot of a handle; `None` for a number that was never one. Never looks at what `address` points to.
    #[inline(always)]
    pub fn lookup(&self, address: usize) -> Option<&'static Slot<T>> {
        let known = self.known.get(Self::place_of(address))?.load();
        // 0 is no handle's address, and the address of none: one comparison for both.
        if known.map_or(0, Slot::address) == address { known } else { self.search(address) }
    }

    /// The place of an address among the [`known`](Slots::known) ones. From slot to slot it grows by an odd number, so that all places
    /// have been taken before two slots of a slab share one. To divide by the stride would take three instructions more.
    #[inline(always)]
    fn place_of(address: usize) -> usize {
        (address >> ForGood::<Slot<T>>::STRIDE_BYTES.trailing_zeros()) % CACHED_HANDLES
    }

    #[cold]
    fn search(&self, address: usize) -> Option<&'static Slot<T>> {
        // The latest first: it has as many as all others of its process together. A thread that was given a handle sees its slab.
        let made = self.slabs.get(..self.next_slab.load(Relaxed)).unwrap_or(&self.slabs);
        made.iter().rev().filter_map(OnceLock::get).find_map(|slab| slab.at(address))
    }

    /// Looks up and locks: `None` for a number that is no handle, was closed, or came through a fork.
    pub fn lock(&self, address: usize) -> Option<SlotGuard<'static, T>> {
        self.lookup(address)?.lock()
    }

    /// Ends the handle. A caller that waits for the lock finds the handle closed.
    pub fn remove(&self, guard: SlotGuard<'static, T>) -> Option<T> {
        let SlotGuard { slot, mut value } = guard;
        let removed = value.take();
        slot.born.store(EMPTY, Relaxed);
        slot.cached_events.clear();
        slot.forget_last_rcvmore();
        drop(value);
        self.free_list().lock().push_back(slot);
        removed
    }

    fn free_slot(&self) -> Result<&'static Slot<T>> {
        let mut free = self.free_list().lock();
        if free.len <= MIN_RESTING_HANDLES {
            let grown = self.grow(&mut free);
            if free.len == 0 {
                grown?;
            }
        }
        free.pop_front().ok_or(Errno::NOMEM)
    }

    /// Makes more slots: in the slab that this list has begun, or in the next one.
    fn grow(&self, free: &mut FreeList<T>) -> Result<()> {
        if !self.make_slots(free) {
            free.begun = self.make_slab(free.slabs)?;
            free.slabs += 1;
            self.make_slots(free);
        }
        Ok(())
    }

    /// Whether the list's slab had room for any.
    fn make_slots(&self, free: &mut FreeList<T>) -> bool {
        let Some(slab) = self.slabs.get(free.begun).and_then(OnceLock::get) else { return false };
        let before = free.len;
        let slots = slab.make(MADE_AT_ONCE, || Slot {
            tag: self.tag,
            born: AtomicU32::new(EMPTY),
            cached_events: Memo::new(),
            last_rcvmore: AtomicU32::new(NO_RCVMORE),
            fast_paths: [const { AtomicU32::new(fork::NO_GENERATION) }; Path::COUNT],
            value: Lock::new(None),
            next_free: AtomicCell::new(None),
        });
        slots.for_each(|slot| free.push_back(slot));
        free.len > before
    }

    /// Makes the next slab, with no slots yet, for a list that has `before` already. Which it is.
    fn make_slab(&self, before: usize) -> Result<usize> {
        if before >= MAX_LIST_SLABS {
            return Err(Errno::NOMEM);
        }
        let index = self.next_slab.load(Relaxed);
        let place = self.slabs.get(index).ok_or(Errno::NOMEM)?;
        self.next_slab.store(index + 1, Relaxed);
        // Never freed: that is the point.
        let made = ForGood::with_capacity(FIRST_SLAB_SLOTS << before);
        let slab = made.inspect_err(|_| self.next_slab.store(index, Relaxed))?;
        place.set(slab).map(|()| index).map_err(|_| Errno::NOMEM)
    }

    fn free_list(&self) -> &Lock<FreeList<T>> {
        let [first, ..] = &self.free;
        self.free.get(fork::generation() as usize % MAX_FORK_DEPTH).unwrap_or(first)
    }
}

impl<T> FreeList<T> {
    const fn new() -> FreeList<T> {
        FreeList { first: None, last: None, len: 0, begun: MAX_SLABS, slabs: 0 }
    }

    fn push_back(&mut self, slot: &'static Slot<T>) {
        slot.next_free.store(None);
        match self.last.replace(slot) {
            Some(last) => last.next_free.store(Some(slot)),
            None => self.first = Some(slot),
        }
        self.len += 1;
    }

    fn pop_front(&mut self) -> Option<&'static Slot<T>> {
        let first = self.first?;
        self.first = first.next_free.load();
        if self.first.is_none() {
            self.last = None;
        }
        self.len -= 1;
        Some(first)
    }
}

impl Path {
    const COUNT: usize = 2;
}

impl<T> Slot<T> {
    /// Waits for the lock. `None` if nothing is in the slot, or if it came through a fork: then a thread that does
    /// not exist here may hold the lock for ever.
    #[inline]
    pub fn lock(&self) -> Option<SlotGuard<'_, T>> {
        if self.born.load(Relaxed) != fork::generation() {
            return None;
        }
        let value = self.value.lock();
        value.is_some().then_some(SlotGuard { slot: self, value })
    }

    /// As [`lock`](Slot::lock), also for a value that came through a fork. `None` where a thread that does not exist here holds the
    /// lock: that thread may have changed the half of the value.
    pub fn lock_inherited(&self) -> Option<SlotGuard<'_, T>> {
        loop {
            let (born, own) = (self.born.load(Relaxed), fork::generation());
            if born == own {
                return self.lock();
            }
            if born == EMPTY || born == ABANDONED {
                return None;
            }
            if born == own | ADOPTING {
                rest(ADOPTION_PAUSE);
            } else if self.born.compare_exchange(born, own | ADOPTING, Relaxed, Relaxed).is_ok() {
                return self.adopt(born, own);
            }
        }
    }

    /// Takes over the value of an ancestor, if its lock is free. No thread of this process holds the lock, as none has before that.
    fn adopt(&self, born: u32, own: u32) -> Option<SlotGuard<'_, T>> {
        let value = self.value.try_lock();
        let after = if value.is_some() { own } else { born };
        let _ = self.born.compare_exchange(own | ADOPTING, after, Relaxed, Relaxed);
        value.filter(|value| value.is_some()).map(|value| SlotGuard { slot: self, value })
    }

    /// As [`lock`](Slot::lock), and `None` while another thread holds the lock. There may be nothing in the slot:
    /// [`SlotGuard::get_mut`] tells.
    pub fn try_lock(&self) -> Option<SlotGuard<'_, T>> {
        if self.born.load(Relaxed) != fork::generation() {
            return None;
        }
        Some(SlotGuard { slot: self, value: self.value.try_lock()? })
    }

    /// As [`try_lock`](Slot::try_lock), for a call on its [fast path](Slot::set_fast_path): `None` where there is none, too.
    #[inline(always)]
    pub fn try_lock_fast(&self, path: Path) -> Option<SlotGuard<'_, T>> {
        let [send, receive] = &self.fast_paths;
        let generation = match path {
            Path::Send => send,
            Path::Receive => receive,
        };
        if !fork::is_current(generation.load(Relaxed)) {
            return None;
        }
        let value = self.value.try_lock()?;
        Some(SlotGuard { slot: self, value })
    }

    /// Where the socket's `ZMQ_EVENTS` are cached; to be set under its lock.
    pub fn events_cache(&self) -> &Memo {
        &self.cached_events
    }

    /// The cached `ZMQ_EVENTS`; `None` after a fork. Takes no lock.
    #[inline]
    pub fn cached_events(&self) -> Option<u32> {
        self.cached_events.get().filter(|_| self.born.load(Relaxed) == fork::generation())
    }

    /// Remembers whether more frames follow the one received last, until the next call receives another, or
    /// [forgets it](Slot::forget_last_rcvmore). To be called under the lock.
    #[inline]
    pub fn set_last_rcvmore(&self, more: bool) {
        self.last_rcvmore.store(u32::from(more), Relaxed);
    }

    /// To be called under the lock.
    #[inline]
    pub fn forget_last_rcvmore(&self) {
        self.last_rcvmore.store(NO_RCVMORE, Relaxed);
    }

    /// What was [remembered](Slot::set_last_rcvmore); `None` after a fork. Takes no lock.
    #[inline]
    pub fn last_rcvmore(&self) -> Option<bool> {
        let more = self.last_rcvmore.load(Relaxed);
        (more != NO_RCVMORE && self.born.load(Relaxed) == fork::generation()).then_some(more != 0)
    }

    /// Notes whether calls of this kind may take the fast path; to be called by the thread that has made the handle, before it is given
    /// away.
    pub fn set_fast_path(&self, path: Path, exists: bool) {
        let generation = if exists { self.born.load(Relaxed) } else { fork::NO_GENERATION };
        if let Some(place) = self.fast_paths.get(path as usize) {
            place.store(generation, Relaxed);
        }
    }

    /// Whether the handle was made by the parent of this forked process.
    pub fn forked(&self) -> bool {
        let born = self.born.load(Relaxed);
        born != EMPTY && born != ABANDONED && born != fork::generation()
    }

    /// In a forked child: gives the handle up and leaks what it stands for. `false` if it is not
    /// [`forked`](Slot::forked) or was given up already.
    pub fn abandon(&self) -> bool {
        let born = self.born.load(Relaxed);
        self.forked() && self.born.compare_exchange(born, ABANDONED, Relaxed, Relaxed).is_ok()
    }

    /// What the handle's first four bytes read as.
    pub fn tag(&self) -> u32 {
        self.tag
    }

    /// The handle.
    pub fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

impl<T> SlotGuard<'_, T> {
    /// As by dereferencing, and `None` where [`Slot::try_lock`] has found nothing.
    #[inline(always)]
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.as_mut()
    }
}

impl<T> Deref for SlotGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &*self.value {
            Some(value) => value,
            // A guard is made with a value inside and consumed by `remove`.
            None => unreachable!(),
        }
    }
}

impl<T> DerefMut for SlotGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        match &mut *self.value {
            Some(value) => value,
            None => unreachable!(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::thread;

    #[test]
    fn a_handle_is_stale_after_removal_and_for_long() {
        static SLOTS: Slots<String> = Slots::new(0x1234_5678);
        let first = SLOTS.insert("first".into()).unwrap();
        assert_eq!(SLOTS.lookup(first).map(|slot| (slot.tag(), slot.address())), Some((0x1234_5678, first)));
        assert_eq!(SLOTS.lock(first).as_deref().map(String::as_str), Some("first"));
        assert_eq!(SLOTS.remove(SLOTS.lock(first).unwrap()).as_deref(), Some("first"));
        assert!(SLOTS.lock(first).is_none());
        for _ in 0..MIN_RESTING_HANDLES {
            let other = SLOTS.insert("other".into()).unwrap();
            assert_ne!(other, first);
            SLOTS.remove(SLOTS.lock(other).unwrap());
        }
    }

    #[test]
    fn last_rcvmore_is_gone_with_the_value() {
        static SLOTS: Slots<u64> = Slots::new(1);
        let handle = SLOTS.insert(1).unwrap();
        let slot = SLOTS.lookup(handle).unwrap();
        assert_eq!(slot.last_rcvmore(), None);
        for more in [true, false] {
            slot.set_last_rcvmore(more);
            assert_eq!(slot.last_rcvmore(), Some(more));
        }
        slot.forget_last_rcvmore();
        assert_eq!(slot.last_rcvmore(), None);
        slot.set_last_rcvmore(true);
        SLOTS.remove(SLOTS.lock(handle).unwrap());
        assert_eq!(slot.last_rcvmore(), None);
    }

    #[test]
    fn numbers_that_are_no_handles() {
        static SLOTS: Slots<u64> = Slots::new(1);
        assert!(SLOTS.lookup(0).is_none());
        let handle = SLOTS.insert(1).unwrap();
        for number in [0, 1, handle + 1, handle - 1, handle + 8, handle ^ (1 << 40), usize::MAX] {
            assert!(SLOTS.lookup(number).is_none(), "{number:#x}");
        }
        let past_the_end = SLOTS.slabs[0].get().unwrap().iter().last().unwrap().address()
            + ForGood::<Slot<u64>>::STRIDE_BYTES;
        assert!(SLOTS.lookup(past_the_end).is_none());
        assert!(SLOTS.lock(handle + size_of::<Slot<u64>>()).is_none(), "a slot, but nothing in it");
    }

    #[test]
    fn a_child_goes_on_with_what_no_other_thread_of_its_parent_held() {
        static SLOTS: Slots<u32> = Slots::new(1);
        let [free, held] = [1, 2].map(|number| SLOTS.insert(number).unwrap());
        let slot = |handle| SLOTS.lookup(handle).unwrap();
        let _held = SLOTS.lock(held).unwrap();
        let code = fork::tests::child(|| {
            let lost = slot(held).lock_inherited().is_none() && slot(held).lock_inherited().is_none();
            let given_up = slot(held).abandon() && slot(held).lock_inherited().is_none();
            let before = slot(free).lock().is_none();
            let adopted = slot(free).lock_inherited().is_some_and(|value| *value == 1);
            let threads: Vec<_> =
                (0..2).map(|_| thread::spawn(move || *slot(free).lock().unwrap())).collect();
            let used = threads.into_iter().all(|thread| thread.join().is_ok_and(|value| value == 1));
            let removed = SLOTS.remove(SLOTS.lock(free).unwrap()) == Some(1);
            let gone = slot(free).lock_inherited().is_none();
            i32::from(!(lost && given_up && before && adopted && used && removed && gone))
        });
        assert_eq!(code, 0);
        assert_eq!(SLOTS.lock(free).as_deref(), Some(&1));
    }

    #[test]
    fn it_grows_and_every_handle_stays() {
        static SLOTS: Slots<usize> = Slots::new(1);
        let handles: Vec<_> = (0..1000).map(|number| SLOTS.insert(number).unwrap()).collect();
        for (number, handle) in handles.iter().enumerate() {
            assert_eq!(SLOTS.lock(*handle).map(|guard| *guard), Some(number));
        }
    }

    #[test]
    fn each_forked_process_begins_with_a_small_slab_and_doubles_it() {
        static SLOTS: Slots<u64> = Slots::new(1);
        for depth in 0..MAX_FORK_DEPTH {
            // Of a child: each has a list of its own, and makes no slots for its ancestors.
            let mut free = FreeList::new();
            for slots in [FIRST_SLAB_SLOTS, 2 * FIRST_SLAB_SLOTS, 4 * FIRST_SLAB_SLOTS] {
                SLOTS.grow(&mut free).unwrap();
                while SLOTS.make_slots(&mut free) {}
                let slab = SLOTS.slabs[free.begun].get().unwrap();
                assert_eq!(slab.iter().count(), slots, "{depth} forks deep");
            }
        }
    }

    #[test]
    fn neighbours_in_a_slab_do_not_share_a_place() {
        static SLOTS: Slots<[u8; 1700]> = Slots::new(1);
        let mut places: Vec<_> = (0..FIRST_SLAB_SLOTS)
            .map(|_| Slots::<[u8; 1700]>::place_of(SLOTS.insert([0; 1700]).unwrap()))
            .collect();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), FIRST_SLAB_SLOTS);
    }

    #[test]
    fn threads_insert_use_and_close_the_same_handles() {
        static SLOTS: Slots<usize> = Slots::new(1);
        static SHARED: Lock<Vec<usize>> = Lock::new(Vec::new());
        let threads: Vec<_> = (0..4)
            .map(|_| {
                thread::spawn(|| {
                    let mut removed = 0;
                    for round in 0..2000 {
                        SHARED.lock().push(SLOTS.insert(0).unwrap());
                        // No thread owns a handle: any thread may use it, close it, or find it closed.
                        let shared = SHARED.lock();
                        let handle = shared[round * 7 % shared.len()];
                        drop(shared);
                        if let Some(mut guard) = SLOTS.lock(handle) {
                            *guard += 1;
                            if *guard > 2 {
                                removed += usize::from(SLOTS.remove(guard).is_some());
                            }
                        }
                    }
                    removed
                })
            })
            .collect();
        let removed: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        let slots = SLOTS.slabs.iter().filter_map(OnceLock::get).flat_map(|slab| slab.iter());
        assert_eq!(slots.filter(|slot| slot.lock().is_some()).count(), 4 * 2000 - removed);
        assert!(removed > 0);
    }
}
