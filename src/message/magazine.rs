//! Memory of bodies of up to 32 KiB, by the handful: a thread keeps some of a size, and leaves what is more to the next thread.
//!
//! A message that goes from thread to thread takes its memory along. `malloc` has no quick way above 1 KiB, and takes memory that another
//! thread frees back under a lock: that costs more than to copy 4 KiB.

use super::body::Header;
use crate::sys::lock::Lock;
use std::cell::Cell;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Rooms above this and up to [`LARGEST`] are kept here.
const LEAST: usize = 128;
const LARGEST: usize = 32 * 1024;
/// Powers of two from the one to the other.
pub(super) const SIZES: usize = 8;
/// Pieces in a magazine at most, and bytes.
const MAX_MAGAZINE_PIECES: u32 = 16;
const MAX_MAGAZINE_BYTES: usize = 64 * 1024;
/// A magazine of another room than what comes is given up after so many in turn.
const MIN_OTHER_ROOMS: u32 = 16;

/// Which of a thread's magazines is for this much room, if one is.
#[inline]
pub(super) fn index(room: usize) -> Option<usize> {
    if room <= LEAST || room > LARGEST {
        return None;
    }
    Some(((room - 1).ilog2() - LEAST.ilog2()) as usize)
}

/// How much room a body for `len` bytes is to have: an eighth of a power of two more than it needs at most, so that bodies of about the same
/// length can take each other's place.
#[inline]
pub(super) fn room_for(len: usize) -> usize {
    if index(len).is_none() {
        return len;
    }
    let step = 1 << ((len - 1).ilog2() - 3);
    len.next_multiple_of(step)
}

/// A thread's pieces of memory of about one size, all with the same room.
pub(super) struct Magazine {
    pieces: Cell<Pieces>,
    /// Pieces of other rooms that came since one of this room did.
    strangers: Cell<u32>,
}

/// Memory for a header and `room` bytes, linked through its first word.
#[derive(Clone, Copy)]
struct Pieces {
    first: *mut Header,
    count: u32,
    room: usize,
}

impl Magazine {
    pub(super) const fn new() -> Magazine {
        Magazine { pieces: Cell::new(Pieces::NONE), strangers: Cell::new(0) }
    }

    #[inline]
    pub(super) fn take(&self, room: usize) -> Option<NonNull<Header>> {
        self.take_or_fetch(room, &DEPOT)
    }

    #[inline]
    fn take_or_fetch(&self, room: usize, depot: &Depot) -> Option<NonNull<Header>> {
        let mut pieces = self.pieces.get();
        if pieces.count == 0 {
            pieces = depot.take(room)?;
        } else if pieces.room != room {
            return None;
        }
        let piece = pieces.pop();
        self.pieces.set(pieces);
        piece
    }

    /// `false`: the caller is to give it back.
    ///
    /// # Safety
    /// `header` was allocated with exactly this much room and is given up to this call if it answers `true`.
    #[inline]
    pub(super) unsafe fn keep(&self, header: *mut Header, room: usize) -> bool {
        // SAFETY: the caller's contract.
        unsafe { self.keep_or_leave(header, room, &DEPOT) }
    }

    /// # Safety
    /// That of [`keep`](Magazine::keep).
    #[inline]
    unsafe fn keep_or_leave(&self, header: *mut Header, room: usize, depot: &Depot) -> bool {
        let mut pieces = self.pieces.get();
        if pieces.count > 0 && pieces.room != room {
            self.strangers.set(self.strangers.get() + 1);
            if self.strangers.get() < MIN_OTHER_ROOMS {
                return false;
            }
            pieces.free();
            pieces = Pieces::NONE;
        }
        if pieces.count == most(room) {
            depot.put(pieces);
            pieces = Pieces::NONE;
        }
        self.strangers.set(0);
        // SAFETY: the caller's memory.
        unsafe { pieces.push(header, room) };
        self.pieces.set(pieces);
        true
    }

    /// Frees all.
    pub(super) fn empty(&self) {
        self.pieces.replace(Pieces::NONE).free();
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> u32 {
        self.pieces.get().count
    }
}

fn most(room: usize) -> u32 {
    MAX_MAGAZINE_PIECES.min((MAX_MAGAZINE_BYTES / room) as u32)
}

impl Pieces {
    const NONE: Pieces = Pieces { first: ptr::null_mut(), count: 0, room: 0 };

    #[inline]
    fn pop(&mut self) -> Option<NonNull<Header>> {
        let first = NonNull::new(self.first)?;
        // SAFETY: what lies here is this value's alone, and begins with the link to the next.
        self.first = unsafe { first.cast::<*mut Header>().read() };
        self.count -= 1;
        Some(first)
    }

    /// # Safety
    /// `header` was allocated with this much room, which is that of the others, and is given up to this call.
    #[inline]
    unsafe fn push(&mut self, header: *mut Header, room: usize) {
        // SAFETY: the caller's memory, long enough and aligned for a pointer.
        unsafe { header.cast::<*mut Header>().write(self.first) };
        *self = Pieces { first: header, count: self.count + 1, room };
    }

    fn free(mut self) {
        while let Some(header) = self.pop() {
            // SAFETY: `push` was told that it was allocated with this much room.
            unsafe { Header::free(header.as_ptr(), self.room) };
        }
    }
}

/// Full magazines of the whole process.
static DEPOT: Depot = Depot::new();
/// Magazines there at most, and bytes.
const MOST_HELD: usize = 64;
const MOST_BYTES_HELD: usize = 2 * 1024 * 1024;

/// Frees the full magazines that no thread has, unless another thread is here.
pub(super) fn empty() {
    DEPOT.empty();
}

struct Depot {
    /// How many there are, as a hint for who need not look. Written under the lock, read without; nothing hangs on it, so Relaxed.
    held: AtomicUsize,
    shelf: Lock<Shelf>,
}

struct Shelf {
    /// The first `held` are there, the one that came last behind the others.
    magazines: [Pieces; MOST_HELD],
    held: usize,
    bytes: usize,
}

// SAFETY: the pieces are nobody's but the depot's.
unsafe impl Send for Shelf {}

impl Depot {
    const fn new() -> Depot {
        Depot { held: AtomicUsize::new(0), shelf: Lock::new(Shelf::new()) }
    }

    /// A magazine of this room. `None` as well while another thread is here.
    #[cold]
    fn take(&self, room: usize) -> Option<Pieces> {
        if self.held.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mut shelf = self.shelf.try_lock()?;
        let found = shelf.take(room);
        self.held.store(shelf.held, Ordering::Relaxed);
        found
    }

    fn empty(&self) {
        let Some(mut shelf) = self.shelf.try_lock() else { return };
        let full = std::mem::replace(&mut *shelf, Shelf::new());
        self.held.store(0, Ordering::Relaxed);
        drop(shelf);
        full.magazines.into_iter().take(full.held).for_each(Pieces::free);
    }

    /// Takes a full magazine, in place of those that have lain here for the longest.
    #[cold]
    fn put(&self, pieces: Pieces) {
        let Some(mut shelf) = self.shelf.try_lock() else { return pieces.free() };
        // One that is in the way is freed without the lock.
        while let Some(oldest) = shelf.make_room(pieces.bytes()) {
            drop(shelf);
            oldest.free();
            let Some(again) = self.shelf.try_lock() else { return pieces.free() };
            shelf = again;
        }
        shelf.put(pieces);
        self.held.store(shelf.held, Ordering::Relaxed);
    }
}

impl Pieces {
    fn bytes(&self) -> usize {
        self.room.saturating_mul(self.count as usize)
    }
}

impl Shelf {
    const fn new() -> Shelf {
        Shelf { magazines: [Pieces::NONE; MOST_HELD], held: 0, bytes: 0 }
    }

    fn take(&mut self, room: usize) -> Option<Pieces> {
        let index = self.magazines.get(..self.held)?.iter().position(|pieces| pieces.room == room)?;
        self.remove(index)
    }

    /// The oldest, where there is no room for so many bytes more.
    fn make_room(&mut self, bytes: usize) -> Option<Pieces> {
        if self.held < MOST_HELD && self.bytes + bytes <= MOST_BYTES_HELD { None } else { self.remove(0) }
    }

    fn remove(&mut self, index: usize) -> Option<Pieces> {
        let from = self.magazines.get_mut(index..self.held).filter(|from| !from.is_empty())?;
        from.rotate_left(1);
        self.held -= 1;
        let pieces = std::mem::replace(self.magazines.get_mut(self.held)?, Pieces::NONE);
        self.bytes -= pieces.bytes();
        Some(pieces)
    }

    fn put(&mut self, pieces: Pieces) {
        if let Some(place) = self.magazines.get_mut(self.held) {
            *place = pieces;
            self.held += 1;
            self.bytes += pieces.bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sys::memory::try_alloc;

    fn piece(room: usize) -> *mut Header {
        Header::allocate(room, try_alloc).unwrap().as_ptr()
    }

    fn pieces(room: usize, count: u32) -> Pieces {
        let mut pieces = Pieces::NONE;
        // SAFETY: allocated with this much room, and given up.
        (0..count).for_each(|_| unsafe { pieces.push(piece(room), room) });
        pieces
    }

    #[test]
    fn rooms_are_little_larger_than_what_they_are_for() {
        for len in [129, 1024, 1025, 1500, 2048, 4000, 4096, 4097, 20_000, LARGEST] {
            let room = room_for(len);
            assert!((len..=len + len / 8 + 1).contains(&room) && index(room) == index(len), "{len}: {room}");
            assert_eq!(room_for(room), room);
        }
        for len in [0, 100, LEAST, LARGEST + 1, usize::MAX] {
            assert_eq!((room_for(len), index(len)), (len, None));
        }
        assert_eq!((index(LEAST + 1), index(2 * LEAST), index(LARGEST)), (Some(0), Some(0), Some(SIZES - 1)));
    }

    #[test]
    fn what_was_kept_last_is_taken_first_and_nothing_of_another_room() {
        let magazine = Magazine::new();
        let (one, two) = (piece(3000), piece(3000));
        // SAFETY: allocated with this much room, and given up.
        unsafe { assert!(magazine.keep(one, 3000) && magazine.keep(two, 3000)) };
        assert_eq!(magazine.take(3001), None);
        assert_eq!(magazine.take(3000).unwrap().as_ptr(), two);
        // SAFETY: as above.
        unsafe { assert!(magazine.keep(two, 3000)) };
        magazine.empty();
        assert_eq!(magazine.count(), 0);
    }

    #[test]
    fn another_room_takes_over_after_a_while() {
        let magazine = Magazine::new();
        let other = piece(2500);
        // SAFETY: allocated with this much room, and given up where it is kept.
        unsafe {
            assert!(magazine.keep(piece(2300), 2300));
            assert!((1..MIN_OTHER_ROOMS).all(|_| !magazine.keep(other, 2500)));
            assert!(magazine.keep(other, 2500));
        }
        assert_eq!(magazine.take(2500).unwrap().as_ptr(), other);
        // SAFETY: it was taken.
        unsafe { Header::free(other, 2500) };
    }

    #[test]
    fn what_one_thread_has_too_much_of_another_one_finds() {
        static HERE: Depot = Depot::new();
        let room = 5632;
        let mine = Magazine::new();
        for _ in 0..=2 * most(room) {
            // SAFETY: allocated with this much room, and given up.
            assert!(unsafe { mine.keep_or_leave(piece(room), room, &HERE) });
        }
        assert_eq!(mine.count(), 1);
        let theirs = std::thread::spawn(move || {
            let magazine = Magazine::new();
            assert_eq!(magazine.take_or_fetch(room + 1, &HERE), None);
            let found = magazine.take_or_fetch(room, &HERE).unwrap();
            // SAFETY: it was taken, with this much room.
            unsafe { assert!(magazine.keep_or_leave(found.as_ptr(), room, &HERE)) };
            let count = magazine.count();
            magazine.empty();
            count
        });
        assert_eq!(theirs.join().unwrap(), most(room));
        mine.empty();
        HERE.take(room).unwrap().free();
        assert!(HERE.take(room).is_none());
    }

    #[test]
    fn the_depot_holds_no_more_than_that() {
        let mut shelf = Shelf::new();
        for number in 0..3 * MOST_HELD {
            let some = pieces(if number % 2 == 0 { 1100 } else { LARGEST }, 2);
            while let Some(oldest) = shelf.make_room(some.bytes()) {
                oldest.free();
            }
            shelf.put(some);
            assert!(shelf.held <= MOST_HELD && shelf.bytes <= MOST_BYTES_HELD);
        }
        while let Some(some) = shelf.take(1100).or_else(|| shelf.take(LARGEST)) {
            some.free();
        }
        assert_eq!((shelf.held, shelf.bytes), (0, 0));
    }
}
