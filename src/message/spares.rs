//! What a thread keeps to use again, so that receiving a small message and closing it costs neither `malloc` and `free` nor
//! a locked instruction.

use super::Metadata;
use super::body::Header;
use super::magazine::{self, Magazine};
use crate::sys::thread_end::AtThreadEnd;
use std::cell::Cell;
use std::ptr::{self, NonNull};
use std::sync::Arc;

/// Bytes that the bodies of each shelf have room for.
const ROOM: [usize; 2] = [64, 128];
/// So many bodies' memory lies on a shelf at most: enough for a program that holds a few messages at a time.
const MAX_SHELF_BODIES: u32 = 16;

/// Of one thread. No destructor of its own, so that it can be looked at while the thread's other locals are torn down;
/// [`TIDY`] empties it.
pub(super) struct Spares {
    state: Cell<State>,
    /// A count of these properties that a message has let go of (from `Arc::into_raw`), or null. The next message of the same
    /// connection takes it over.
    metadata: Cell<*const Metadata>,
    /// Memory for a header and as many bytes as [`ROOM`] says, linked through its first word; and how many there are.
    shelves: [(Cell<*mut Header>, Cell<u32>); ROOM.len()],
    /// Memory of the last body that was larger than those, if it may be kept, and how much room it has; or null.
    last: Cell<(*mut Header, usize)>,
    /// That of those before it.
    magazines: [Magazine; magazine::SIZES],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing was kept yet.
    New,
    Open,
    /// The thread ends.
    Closed,
}

/// Empties a thread's spares when the thread ends.
static TIDY: AtThreadEnd = AtThreadEnd(empty);

thread_local! {
    static SPARES: Spares = const {
        Spares {
            state: Cell::new(State::New),
            metadata: Cell::new(ptr::null()),
            shelves: [const { (Cell::new(ptr::null_mut()), Cell::new(0)) }; ROOM.len()],
            last: Cell::new((ptr::null_mut(), 0)),
            magazines: [const { Magazine::new() }; magazine::SIZES],
        }
    };
}

/// How much room a body for `len` bytes is to have.
#[inline]
pub(super) fn room_for(len: usize) -> usize {
    if len <= ROOM[0] {
        ROOM[0]
    } else if len <= ROOM[1] {
        ROOM[1]
    } else {
        magazine::room_for(len)
    }
}

/// The calling thread's. Each look is a call in a shared library, so a message's way takes one.
#[inline]
pub(super) fn here() -> &'static Spares {
    let spares = SPARES.with(ptr::from_ref);
    // SAFETY: the variable has no destructor, so it is there for as long as its thread, which the reference does not leave:
    // `Spares` is not `Sync`.
    unsafe { &*spares }
}

impl Spares {
    /// A count of the properties for a message, to be given up by [`let_go`](Spares::let_go).
    #[inline]
    pub(super) fn hold(&self, metadata: &Arc<Metadata>) -> *const Metadata {
        if ptr::eq(self.metadata.get(), Arc::as_ptr(metadata)) {
            return self.metadata.replace(ptr::null());
        }
        Arc::into_raw(Arc::clone(metadata))
    }

    /// Gives a count up, or keeps it for the next message.
    ///
    /// # Safety
    /// `metadata` is from `Arc::into_raw` or [`hold`](Spares::hold), with a count that the caller does not use any more.
    #[inline]
    pub(super) unsafe fn let_go(&self, metadata: *const Metadata) {
        let left = if self.open() { self.metadata.replace(metadata) } else { metadata };
        if !left.is_null() {
            // SAFETY: the caller's, or one that an earlier call has kept.
            drop(unsafe { Arc::from_raw(left) });
        }
    }

    /// Memory for a header and `len` bytes, that was kept; and how much room it has.
    #[inline(always)]
    pub(super) fn take(&self, len: usize) -> Option<(NonNull<Header>, usize)> {
        let [small, medium] = ROOM;
        if len > medium {
            let (header, room) = self.last.get();
            // As of `magazine::room_for`, and somewhat more.
            if len <= room && room - len <= len / 4 {
                self.last.set((ptr::null_mut(), 0));
                return NonNull::new(header).map(|header| (header, room));
            }
            return self.take_larger(magazine::room_for(len));
        }
        let room = if len <= small { small } else { medium };
        let (first, count) = self.shelf(room)?;
        let header = NonNull::new(first.get())?;
        // SAFETY: what lies on a shelf is this thread's alone, and begins with the link to the next.
        first.set(unsafe { header.cast::<*mut Header>().read() });
        count.set(count.get() - 1);
        Some((header, room))
    }

    /// Keeps memory for the next body. `false`: the caller is to give it back.
    ///
    /// # Safety
    /// `header` was allocated with exactly this much room and is given up to this call if it answers `true`.
    #[inline]
    pub(super) unsafe fn keep(&self, header: *mut Header, room: usize) -> bool {
        let Some((first, count)) = self.shelf(room) else {
            // SAFETY: as the caller says.
            return unsafe { self.keep_larger(header, room) };
        };
        if count.get() >= MAX_SHELF_BODIES || !self.open() {
            return false;
        }
        // SAFETY: the caller's memory, long enough and aligned for a pointer.
        unsafe { header.cast::<*mut Header>().write(first.get()) };
        first.set(header);
        count.set(count.get() + 1);
        true
    }

    /// Whether something may be kept: it will be given back.
    #[inline]
    fn open(&self) -> bool {
        match self.state.get() {
            State::Open => true,
            State::New => self.begin(),
            State::Closed => false,
        }
    }

    #[cold]
    fn begin(&self) -> bool {
        let registered = TIDY.register();
        if registered {
            self.state.set(State::Open);
        }
        registered
    }

    #[inline(never)]
    fn take_larger(&self, room: usize) -> Option<(NonNull<Header>, usize)> {
        let magazine = self.magazines.get(magazine::index(room)?)?;
        // What it fetches is to be given back as well.
        if self.open() { magazine.take(room).map(|header| (header, room)) } else { None }
    }

    /// # Safety
    /// That of [`keep`](Spares::keep).
    #[inline(never)]
    unsafe fn keep_larger(&self, header: *mut Header, room: usize) -> bool {
        if magazine::index(room).is_none() || !self.open() {
            return false;
        }
        let (before, its_room) = self.last.replace((header, room));
        if !before.is_null() {
            self.make_room(before, its_room);
        }
        true
    }

    /// Puts away what was kept last.
    fn make_room(&self, header: *mut Header, room: usize) {
        let magazine = magazine::index(room).and_then(|index| self.magazines.get(index));
        // SAFETY: an earlier call has kept it, and it was allocated with this much room.
        unsafe {
            if !magazine.is_some_and(|magazine| magazine.keep(header, room)) {
                Header::free(header, room);
            }
        }
    }

    #[inline]
    fn shelf(&self, room: usize) -> Option<&(Cell<*mut Header>, Cell<u32>)> {
        let [small, large] = &self.shelves;
        if room == ROOM[0] {
            Some(small)
        } else if room == ROOM[1] {
            Some(large)
        } else {
            None
        }
    }
}

/// Of the calling thread, for good.
fn empty() {
    let spares = here();
    spares.state.set(State::Closed);
    let metadata = spares.metadata.replace(ptr::null());
    if !metadata.is_null() {
        // SAFETY: a count that `let_go` has kept.
        drop(unsafe { Arc::from_raw(metadata) });
    }
    let (last, room) = spares.last.replace((ptr::null_mut(), 0));
    if !last.is_null() {
        // SAFETY: it was kept, and allocated with this much room.
        unsafe { Header::free(last, room) };
    }
    spares.magazines.iter().for_each(Magazine::empty);
    for len in ROOM {
        while let Some((header, room)) = spares.take(len) {
            // SAFETY: `keep` was told that it was allocated with this much room.
            unsafe { Header::free(header.as_ptr(), room) };
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::message::{Body, Msg};

    #[test]
    fn memory_of_small_bodies_is_used_again() {
        let first = Body::copy_from(&[1; 50]).unwrap();
        let (at, second) = (first.as_ptr(), Body::copy_from(&[2; 64]).unwrap());
        assert_ne!(at, second.as_ptr());
        drop(first);
        let third = Body::copy_from(&[3; 41]).unwrap();
        assert_eq!((third.as_ptr(), third.len()), (at, 41));
        assert_eq!((third.as_slice(), second.as_slice()), (&[3; 41][..], &[2; 64][..]));
        let larger = Body::copy_from(&[4; 65]).unwrap();
        assert_eq!(larger.as_slice(), [4; 65]);
    }

    #[test]
    fn no_more_is_kept_than_said() {
        let bodies: Vec<_> = (0..1000).map(|_| Body::copy_from(&[0; 100]).unwrap()).collect();
        drop(bodies);
        assert_eq!(here().shelves[1].1.get(), MAX_SHELF_BODIES);
        assert_eq!(here().shelf(129).map(|_| ()), None);
    }

    #[test]
    fn memory_of_larger_bodies_is_used_again() {
        // Of a room that no other test leaves to others.
        let first = Body::copy_from(&[1; 29_000]).unwrap();
        let at = first.as_ptr();
        drop(first);
        let smaller = Body::copy_from(&[2; 20_000]).unwrap();
        assert_ne!(smaller.as_ptr(), at, "too much room");
        let second = Body::copy_from(&[3; 30_720]).unwrap();
        assert_eq!((second.as_ptr(), second.as_slice()), (at, &[3; 30_720][..]));
        let third = Body::copy_from(&[4; 30_720]).unwrap();
        assert_ne!(third.as_ptr(), at, "it is in use");
        drop((second, third));
        let (last, room) = here().last.get();
        assert_eq!((last.is_null(), room, here().magazines[7].count()), (false, 30_720, 1));
    }

    #[test]
    fn a_count_of_properties_is_taken_over_and_none_is_lost() {
        let (one, two) = (Arc::new(Metadata::default()), Arc::new(Metadata::default()));
        let message = |metadata: &Arc<Metadata>| {
            let mut msg = Msg::new();
            msg.refill(b"x", false, Some(metadata)).unwrap();
            msg
        };
        let (a, b) = (message(&one), message(&one));
        assert_eq!(Arc::strong_count(&one), 3);
        drop(a);
        assert_eq!(Arc::strong_count(&one), 3, "kept");
        let c = message(&one);
        assert_eq!(Arc::strong_count(&one), 3, "taken over");
        drop((b, c));
        assert_eq!(Arc::strong_count(&one), 2);
        drop(message(&two));
        assert_eq!((Arc::strong_count(&one), Arc::strong_count(&two)), (1, 2));
    }

    #[test]
    fn a_thread_that_ends_leaves_nothing() {
        struct Late(Cell<Option<Msg>>);
        impl Drop for Late {
            fn drop(&mut self) {
                drop(self.0.take());
            }
        }
        thread_local! {
            static LATE: Late = const { Late(Cell::new(None)) };
        }
        let metadata = Arc::new(Metadata::default());
        let there = Arc::clone(&metadata);
        let thread = std::thread::spawn(move || {
            let mut late = Msg::copy_from(&[1; 60]).unwrap();
            late.set_metadata(Some(Arc::clone(&there)));
            // One destructor is registered before that of the spares, and one message is closed after it.
            LATE.with(|place| place.0.set(Some(late)));
            let mut msg = Msg::new();
            msg.refill(&[0; 60], false, Some(&there)).unwrap();
            drop(msg);
            drop(there);
        });
        thread.join().unwrap();
        assert_eq!(Arc::strong_count(&metadata), 1);
    }
}
