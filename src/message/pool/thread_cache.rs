//! What one thread keeps to use again, so that most bodies cost neither the allocator nor a locked instruction.

use super::class::{CLASSES, THREAD_CLASS_COUNT, class_of, room_for, room_of};
use super::depot::{Batch, Depot};
use crate::errno::Result;
use crate::message::header::Header;
use crate::message::metadata::{KeptCount, Metadata};
use crate::sys::memory::try_alloc;
use crate::sys::thread_end::AtThreadEnd;
use std::cell::Cell;
use std::ptr::{self, NonNull};

/// What all open lists of one thread may hold.
const MAX_THREAD_BYTES: usize = 512 * 1024;

/// Of the whole process.
static DEPOT: Depot = Depot::new();

/// Frees what lies in the depot, unless another thread is there.
pub fn empty_depot() {
    DEPOT.empty();
}

/// What one thread keeps to use again. No destructor of its own, so that it can be looked at while the thread's other locals are torn
/// down; [`TIDY`] empties it.
pub struct ThreadCache {
    state: Cell<State>,
    pub metadata: KeptCount,
    lists: [List; THREAD_CLASS_COUNT],
    /// What the open lists may hold.
    granted_bytes: Cell<usize>,
    /// The list to close next.
    next_closed: Cell<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing was kept yet.
    New,
    Open,
    /// The thread ends.
    Closed,
}

/// Pieces of one class, linked through their first word. A closed list has neither pieces nor vacancies.
struct List {
    first: Cell<*mut Header>,
    vacancies: Cell<u32>,
}

/// Empties a thread's cache when the thread ends.
static TIDY: AtThreadEnd = AtThreadEnd(|| here().close());

thread_local! {
    static CACHE: ThreadCache = const { ThreadCache::new() };
}

/// The calling thread's. Each look is a call in a shared library, so a message's way takes one.
#[inline]
pub fn here() -> &'static ThreadCache {
    let cache = CACHE.with(ptr::from_ref);
    // SAFETY: the variable has no destructor, so it is there for as long as its thread, which the reference does not leave:
    // `ThreadCache` is not `Sync`.
    unsafe { &*cache }
}

impl ThreadCache {
    const fn new() -> ThreadCache {
        ThreadCache {
            state: Cell::new(State::New),
            metadata: KeptCount::new(),
            lists: [const { List { first: Cell::new(ptr::null_mut()), vacancies: Cell::new(0) } };
                THREAD_CLASS_COUNT],
            granted_bytes: Cell::new(0),
            next_closed: Cell::new(0),
        }
    }

    /// Memory for a header and at least `len` bytes, new or used before, and how much room it has: [`room_for`] that length.
    /// Errors: `ENOMEM`, also for lengths that no allocation can have.
    #[inline(always)]
    pub fn obtain(&self, len: usize) -> Result<(NonNull<Header>, usize)> {
        if let Some(class) = class_of(len)
            && let Some(list) = self.lists.get(class)
            && let Some(header) = list.pop()
        {
            return Ok((header, room_of(class)));
        }
        self.obtain_elsewhere(len)
    }

    #[inline(never)]
    fn obtain_elsewhere(&self, len: usize) -> Result<(NonNull<Header>, usize)> {
        let room = room_for(len);
        match class_of(len).and_then(|class| self.fetch(class, &DEPOT)) {
            Some(header) => Ok((header, room)),
            None => Ok((Header::allocate(room, try_alloc)?, room)),
        }
    }

    /// A piece of a batch from the depot. The list, which is empty, gets the others.
    fn fetch(&self, class: usize, depot: &Depot) -> Option<NonNull<Header>> {
        let mut batch = depot.take(class)?;
        let header = batch.pop();
        if let Some(list) = self.lists.get(class).filter(|list| list.is_open() || self.open(class)) {
            list.fill(batch);
        }
        header
    }

    /// Keeps memory for a body to come, or frees it.
    ///
    /// # Safety
    /// `header` was allocated with exactly this much room, which is [`room_for`] some length, has no references, and is given up to this
    /// call.
    #[inline(always)]
    pub unsafe fn keep(&self, header: NonNull<Header>, room: usize) {
        if let Some(class) = class_of(room)
            && let Some(list) = self.lists.get(class)
            && list.vacancies.get() > 0
        {
            // SAFETY: the caller's contract; all rooms of a list are that of its class.
            return unsafe { list.push(header) };
        }
        // SAFETY: the caller's contract.
        unsafe { self.put_away(header, room, &DEPOT) };
    }

    /// For a piece that finds no vacancy in its list.
    ///
    /// # Safety
    /// That of [`keep`](ThreadCache::keep).
    #[inline(never)]
    unsafe fn put_away(&self, header: NonNull<Header>, room: usize, depot: &Depot) {
        let Some(class) = class_of(room) else {
            // SAFETY: the caller's contract.
            return unsafe { Header::free(header, room) };
        };
        // SAFETY: the caller's contract; a room is that of its class.
        let piece = unsafe { Batch::of_one(header, class) };
        match self.lists.get(class) {
            None => depot.put(piece),
            Some(list) if list.is_open() => {
                depot.put(list.take_all(class));
                list.fill(piece);
            }
            Some(list) if self.open(class) => list.fill(piece),
            Some(_) => drop(piece),
        }
    }

    /// Opens the list of this class, which is closed, and closes others where all together would hold too much. `false`: the thread ends,
    /// or would not tell when it does.
    fn open(&self, class: usize) -> bool {
        let (true, Some(list), Some(own)) = (self.is_open(), self.lists.get(class), CLASSES.get(class))
        else {
            return false;
        };
        for _ in 0..THREAD_CLASS_COUNT {
            if self.granted_bytes.get() + own.batch_bytes() <= MAX_THREAD_BYTES {
                break;
            }
            let next = self.next_closed.get();
            self.next_closed.set((next + 1) % THREAD_CLASS_COUNT);
            self.close_list(next);
        }
        self.granted_bytes.set(self.granted_bytes.get() + own.batch_bytes());
        list.vacancies.set(own.batch_pieces);
        true
    }

    fn close_list(&self, class: usize) {
        if let (Some(list), Some(own)) =
            (self.lists.get(class).filter(|list| list.is_open()), CLASSES.get(class))
        {
            drop(list.take_all(class));
            list.vacancies.set(0);
            self.granted_bytes.set(self.granted_bytes.get() - own.batch_bytes());
        }
    }

    /// Gives a count of properties up, or keeps it for the next message.
    ///
    /// # Safety
    /// As of [`KeptCount::give_back`].
    #[inline]
    pub unsafe fn give_back(&self, metadata: *const Metadata) {
        // SAFETY: the caller's contract.
        unsafe { self.metadata.give_back(metadata, self.is_open()) };
    }

    /// Whether something may be kept: the thread will give it back.
    #[inline]
    fn is_open(&self) -> bool {
        match self.state.get() {
            State::Open => true,
            State::New => self.register(),
            State::Closed => false,
        }
    }

    #[cold]
    fn register(&self) -> bool {
        let registered = TIDY.register();
        if registered {
            self.state.set(State::Open);
        }
        registered
    }

    /// For good.
    fn close(&self) {
        self.state.set(State::Closed);
        self.metadata.give_up();
        (0..THREAD_CLASS_COUNT).for_each(|class| self.close_list(class));
    }
}

impl List {
    #[inline(always)]
    fn pop(&self) -> Option<NonNull<Header>> {
        let first = NonNull::new(self.first.get())?;
        // SAFETY: what lies in a list is this thread's alone, and begins with the link to the next.
        self.first.set(unsafe { first.cast::<*mut Header>().read() });
        self.vacancies.set(self.vacancies.get() + 1);
        Some(first)
    }

    /// Where there is a vacancy.
    ///
    /// # Safety
    /// `header` was allocated with the room of the list's class, has no references, and is given up to this call.
    #[inline(always)]
    unsafe fn push(&self, header: NonNull<Header>) {
        // SAFETY: the caller's memory, long enough and aligned for a pointer.
        unsafe { header.cast::<*mut Header>().write(self.first.get()) };
        self.first.set(header.as_ptr());
        self.vacancies.set(self.vacancies.get() - 1);
    }

    fn is_open(&self) -> bool {
        self.vacancies.get() > 0 || !self.first.get().is_null()
    }

    /// All pieces of this list, which is that of `class` and open, and stays open.
    fn take_all(&self, class: usize) -> Batch {
        let full = CLASSES.get(class).map_or(0, |class| class.batch_pieces);
        let first = NonNull::new(self.first.replace(ptr::null_mut()));
        let count = full - self.vacancies.replace(full).min(full);
        // SAFETY: the pieces of the list, which are no others' and are all of its class.
        unsafe { Batch::of_list(first, count, class) }
    }

    /// Puts a batch of its class into this list, which is empty and open.
    fn fill(&self, batch: Batch) {
        let (first, count) = batch.into_list();
        self.first.set(first.map_or(ptr::null_mut(), NonNull::as_ptr));
        self.vacancies.set(self.vacancies.get().saturating_sub(count));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::message::pool::class::{CLASS_COUNT, MAX_ROOM_BYTES, MAX_THREAD_ROOM_BYTES};
    use crate::message::{Body, Msg};

    /// A cache that belongs to no thread, and takes what it is given.
    fn cache() -> ThreadCache {
        let cache = ThreadCache::new();
        cache.state.set(State::Open);
        cache
    }

    fn piece(len: usize) -> (NonNull<Header>, usize) {
        (Header::allocate(room_for(len), try_alloc).unwrap(), room_for(len))
    }

    fn keep(cache: &ThreadCache, (header, room): (NonNull<Header>, usize), depot: &Depot) {
        match cache.lists.get(class_of(room).unwrap()).filter(|list| list.vacancies.get() > 0) {
            // SAFETY: allocated with this much room, and given up.
            Some(list) => unsafe { list.push(header) },
            // SAFETY: as above.
            None => unsafe { cache.put_away(header, room, depot) },
        }
    }

    fn count(cache: &ThreadCache, class: usize) -> u32 {
        let (list, full) = (&cache.lists[class], CLASSES[class].batch_pieces);
        if list.is_open() { full - list.vacancies.get() } else { 0 }
    }

    #[test]
    fn memory_of_bodies_is_used_again_by_bodies_of_about_the_same_length() {
        // Of classes that no other test leaves to others.
        for (len, about, other) in [(50, 41, 65), (29_000, 28_800, 20_000)] {
            let first = Body::copy_from(&vec![1; len]).unwrap();
            let at = first.as_ptr();
            drop(first);
            let second = Body::copy_from(&vec![2; other]).unwrap();
            assert_ne!(second.as_ptr(), at, "of another class");
            let third = Body::copy_from(&vec![3; about]).unwrap();
            assert_eq!((third.as_ptr(), third.as_slice()), (at, &vec![3; about][..]));
            let fourth = Body::copy_from(&vec![4; len]).unwrap();
            assert_ne!(fourth.as_ptr(), at, "it is in use");
            assert_eq!((second.as_slice(), fourth.as_slice()), (&vec![2; other][..], &vec![4; len][..]));
        }
    }

    #[test]
    fn a_list_keeps_a_batch_and_leaves_full_ones_in_the_depot() {
        let (mine, depot, class) = (cache(), Depot::new(), class_of(5632).unwrap());
        let full = CLASSES[class].batch_pieces;
        (0..=2 * full).for_each(|_| keep(&mine, piece(5632), &depot));
        assert_eq!(count(&mine, class), 1);
        let theirs = cache();
        assert!(theirs.fetch(class + 1, &depot).is_none());
        let header = theirs.fetch(class, &depot).unwrap();
        assert_eq!(count(&theirs, class), full - 1);
        keep(&theirs, (header, CLASSES[class].room), &depot);
        assert_eq!(depot.take(class).unwrap().count(), full);
        assert!(depot.take(class).is_none());
        [&mine, &theirs].into_iter().for_each(ThreadCache::close);
        assert_eq!((count(&theirs, class), theirs.granted_bytes.get()), (0, 0));
    }

    #[test]
    fn what_was_kept_last_is_taken_first() {
        let (cache, depot) = (cache(), Depot::new());
        let (one, two) = (piece(3000), piece(3000));
        keep(&cache, one, &depot);
        keep(&cache, two, &depot);
        assert_eq!(cache.obtain(3000), Ok(two));
        assert_eq!(cache.obtain(2900), Ok(one));
        keep(&cache, one, &depot);
        keep(&cache, two, &depot);
        cache.close();
    }

    #[test]
    fn a_thread_keeps_no_more_than_its_bytes_in_any_order_of_classes() {
        let (cache, depot) = (cache(), Depot::new());
        for round in 0..3 * THREAD_CLASS_COUNT {
            // All classes in turn, and in steps that leave none out.
            let class = round * 5 % THREAD_CLASS_COUNT;
            (0..CLASSES[class].batch_pieces).for_each(|_| keep(&cache, piece(CLASSES[class].room), &depot));
            assert_eq!(count(&cache, class), CLASSES[class].batch_pieces, "the newest is open");
            let kept: usize =
                (0..THREAD_CLASS_COUNT).map(|c| count(&cache, c) as usize * CLASSES[c].room).sum();
            let open = (0..THREAD_CLASS_COUNT).filter(|&class| cache.lists[class].is_open());
            let granted: usize = open.map(|class| CLASSES[class].batch_bytes()).sum();
            assert!(kept <= granted && granted <= MAX_THREAD_BYTES, "{kept}, {granted}");
            assert_eq!(granted, cache.granted_bytes.get());
        }
        cache.close();
    }

    #[test]
    fn large_pieces_go_to_the_depot_and_longer_ones_to_the_system() {
        let (cache, depot) = (cache(), Depot::new());
        let large = piece(MAX_THREAD_ROOM_BYTES + 1);
        keep(&cache, large, &depot);
        assert_eq!(cache.granted_bytes.get(), 0);
        assert_eq!(cache.fetch(class_of(large.1).unwrap(), &depot), Some(large.0));
        keep(&cache, large, &depot);
        let (header, room) = piece(MAX_ROOM_BYTES + 1);
        // SAFETY: allocated with this much room, and given up.
        unsafe { cache.put_away(header, room, &depot) };
        assert_eq!((0..CLASS_COUNT).filter_map(|class| depot.take(class)).count(), 1);
    }

    #[test]
    fn a_closed_cache_keeps_nothing() {
        let (cache, depot) = (cache(), Depot::new());
        cache.close();
        keep(&cache, piece(100), &depot);
        assert!(!cache.is_open() && cache.lists.iter().all(|list| !list.is_open()));
    }

    #[test]
    fn a_thread_that_ends_keeps_nothing_that_it_lets_go_of_later() {
        let thread = std::thread::spawn(|| {
            let late = Msg::copy_from(&[1; 60]).unwrap();
            drop(Msg::copy_from(&[2; 60]).unwrap());
            assert_eq!((count(here(), 0), here().granted_bytes.get()), (1, CLASSES[0].batch_bytes()));
            // As the system does when the thread ends, after which destructors of its variables may still run.
            here().close();
            drop(late);
            assert_eq!(Msg::copy_from(&[3; 60]).unwrap().data(), [3; 60]);
            assert!(here().lists.iter().all(|list| !list.is_open()) && here().granted_bytes.get() == 0);
        });
        thread.join().unwrap();
    }
}
