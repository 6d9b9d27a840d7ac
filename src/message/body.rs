//! Reference-counted message bodies.
//!
//! A body is one heap header with an atomic count. Its bytes either follow the header in the same allocation,
//! or belong to a `Vec` that was taken over, or to the program that lent them with a free callback.

use super::defer;
use super::large_blocks;
use super::spares::{self, Spares};
use crate::errno::{Errno, Result};
use crate::sys::cancel::CancelOff;
use crate::sys::copying;
use crate::sys::here::Here;
use crate::sys::memory::{self, try_alloc, try_alloc_zeroed};
use std::alloc::{Layout, dealloc};
use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering, fence};

/// `zmq_free_fn`: called exactly once, on whatever thread drops the last reference, with no lock held.
pub type FreeFn = unsafe extern "C" fn(data: *mut c_void, hint: *mut c_void);

/// A reference to an immutable, shared run of bytes; cloning counts, the last drop frees.
pub struct Body(NonNull<Header>);

/// What a [`Body`] points at. Aligned so that bytes right behind it suit any C type, as `malloc`'s would.
#[repr(C, align(16))]
pub(super) struct Header {
    /// Every holder of a `Body` writes it: up on clone, down on drop. The drop to zero must see all reads of the
    /// other holders as done, hence `Release` down and an `Acquire` fence before freeing.
    refs: AtomicUsize,
    /// May be null only for an external body of no length.
    data: *mut u8,
    extent: Extent,
    owner: Owner,
}

/// Once no reference is left a body's length is of no use, and the list of bodies that wait for their free
/// callback links through the same word: waiting needs no memory and so cannot fail.
#[repr(C)]
union Extent {
    len: usize,
    next: *mut Header,
}

/// Who gives the bytes back, and how.
#[derive(Clone, Copy)]
enum Owner {
    /// The header's own allocation, which holds `capacity` bytes after the header.
    Inline { capacity: usize },
    /// A `Vec<u8>` of this capacity.
    Vec { capacity: usize },
    /// The program.
    External { free: FreeFn, hint: *mut c_void },
    /// Nobody: constant data.
    Static,
}

// SAFETY: the bytes are only read while shared, the count is atomic, and whoever made an external body promised
// (`Body::external`) that its callback may run on any thread.
unsafe impl Send for Body {}
// SAFETY: as above; `&Body` only reads the bytes and counts.
unsafe impl Sync for Body {}

impl Body {
    /// Copies `data`. Errors: `ENOMEM`.
    pub fn copy_from(data: &[u8]) -> Result<Body> {
        Body::copy_with(spares::here(), data)
    }

    /// As [`copy_from`](Body::copy_from), for who has found the thread's spares already.
    #[inline(always)]
    pub(super) fn copy_with(spares: &Spares, data: &[u8]) -> Result<Body> {
        let (header, room) = Header::with_room(spares, data.len())?;
        // SAFETY: there is room for `data.len()` bytes at `data_at`, in memory that nobody else refers to and that
        // cannot overlap `data`.
        unsafe { copying::copy(data.as_ptr(), Header::data_at(header), data.len()) };
        Ok(Header::adopt(header, data.len(), room))
    }

    /// `len` zero bytes, to be filled in through [`as_mut_slice`](Body::as_mut_slice). Errors: `ENOMEM`.
    pub fn with_len(len: usize) -> Result<Body> {
        Ok(Header::adopt(Header::allocate(len, try_alloc_zeroed)?, len, len))
    }

    /// `len` bytes with no defined content. Errors: `ENOMEM`.
    ///
    /// # Safety
    /// The bytes are written (through [`as_ptr`](Body::as_ptr)) before anything reads them.
    #[inline]
    pub unsafe fn with_len_uninit(len: usize) -> Result<Body> {
        let (header, room) = Header::with_room(spares::here(), len)?;
        Ok(Header::adopt(header, len, room))
    }

    /// Takes over `data` without copying. Errors: `ENOMEM`.
    pub fn from_vec(data: Vec<u8>) -> Result<Body> {
        let header = Header::allocate(0, try_alloc)?;
        let mut data = ManuallyDrop::new(data);
        let (bytes, len, capacity) = (data.as_mut_ptr(), data.len(), data.capacity());
        Ok(Header::write(header, bytes, len, Owner::Vec { capacity }))
    }

    /// Refers to bytes of the program's own; with `free` they are given back to it by calling
    /// `free(data, hint)` when the last reference is gone, without `free` they are taken for constant.
    /// Errors: `ENOMEM` (then `free` is not called).
    ///
    /// # Safety
    /// `data` is readable for `len` bytes (or `len` is 0) and stays so, unchanged, until `free` is called or, without
    /// `free`, for as long as the program runs. `free` may be called once on any thread.
    pub unsafe fn external(
        data: *mut u8,
        len: usize,
        free: Option<FreeFn>,
        hint: *mut c_void,
    ) -> Result<Body> {
        let header = Header::allocate(0, try_alloc)?;
        let owner = free.map_or(Owner::Static, |free| Owner::External { free, hint });
        Ok(Header::write(header, data, len, owner))
    }

    /// As `drop`, for who has found the thread's spares already.
    #[inline]
    pub(super) fn drop_with(self, spares: &Spares) {
        if let Owner::Inline { capacity } = self.header().owner
            && self.is_unique()
        {
            let header = ManuallyDrop::new(self).0.as_ptr();
            // SAFETY: this was the only reference, and nobody else can make another; allocated with this much room.
            unsafe {
                if !spares.keep(header, capacity) {
                    Header::give_back(header, capacity);
                }
            }
        }
    }

    pub fn as_slice(&self) -> &[u8] {
        let header = self.header();
        if header.data.is_null() {
            return &[];
        }
        // SAFETY: `data` is readable for the length and unchanging while a reference is held: by construction for
        // our own allocations, by the promise given to `external` for the program's.
        unsafe { std::slice::from_raw_parts(header.data, self.len()) }
    }

    /// The bytes for writing, while nobody else holds a reference. `None` once shared, and for bytes that the
    /// program lent: those may be read-only.
    pub fn as_mut_slice(&mut self) -> Option<&mut [u8]> {
        if !self.is_unique() || !matches!(self.header().owner, Owner::Inline { .. } | Owner::Vec { .. }) {
            return None;
        }
        // SAFETY: our own allocation, of at least this length; the only reference to it is borrowed mutably.
        Some(unsafe { std::slice::from_raw_parts_mut(self.header().data, self.len()) })
    }

    /// Where the bytes are. Writing through it is for the sole holder of bytes of ours, or for the C program,
    /// which vouches for itself.
    pub fn as_ptr(&self) -> *mut u8 {
        self.header().data
    }

    pub fn len(&self) -> usize {
        // SAFETY: the union holds the length while a reference is alive; `self` is one.
        unsafe { self.header().extent.len }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether this is the only reference.
    pub fn is_unique(&self) -> bool {
        // Acquire: pairs with the Release of the holder that dropped last, so that its reads are over before
        // this holder writes.
        self.header().refs.load(Ordering::Acquire) == 1
    }

    /// Whether the bytes are constant ones that nobody frees.
    pub fn is_static(&self) -> bool {
        matches!(self.header().owner, Owner::Static)
    }

    /// Whether the bytes are the program's, which waits to hear that it has them back.
    pub fn is_lent(&self) -> bool {
        matches!(self.header().owner, Owner::External { .. })
    }

    fn header(&self) -> &Header {
        // SAFETY: a `Body` keeps its header alive, and nobody writes to a header that has references (except to
        // the atomic count).
        unsafe { self.0.as_ref() }
    }
}

impl Clone for Body {
    fn clone(&self) -> Body {
        // Relaxed: a new reference is made from one that is held, so nothing needs to be seen through it. The count
        // cannot overflow: every reference takes up at least 8 bytes of address space somewhere.
        self.header().refs.fetch_add(1, Ordering::Relaxed);
        Body(self.0)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        // Who holds the only reference need not count down: nobody else can make another. Acquire, as below.
        if self.header().refs.load(Ordering::Acquire) != 1 {
            if self.header().refs.fetch_sub(1, Ordering::Release) != 1 {
                return;
            }
            fence(Ordering::Acquire);
        }
        let header = self.0.as_ptr();
        match self.header().owner {
            // SAFETY: the last reference is gone, so the header is this call's alone.
            Owner::External { .. } => unsafe { defer::free_when_unlocked(header) },
            Owner::Vec { capacity } => {
                // SAFETY: these are the parts of the vector that `from_vec` took apart, and nobody refers to its
                // bytes any more.
                drop(unsafe { Vec::from_raw_parts((*header).data, (*header).extent.len, capacity) });
                // SAFETY: allocated with room for no bytes, see `from_vec`.
                unsafe { Header::release(header, 0) };
            }
            // SAFETY: allocated with room for this many bytes, see `Header::adopt`.
            Owner::Inline { capacity } => unsafe { Header::release(header, capacity) },
            // SAFETY: allocated with room for no bytes, see `external`.
            Owner::Static => unsafe { Header::release(header, 0) },
        }
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Body({} bytes)", self.len())
    }
}

impl Header {
    /// Memory for a header and `capacity` bytes after it, from `allocator` and not yet written.
    /// Errors: `ENOMEM`, also for lengths that no allocation can have.
    pub(super) fn allocate(
        capacity: usize,
        allocator: unsafe fn(Layout) -> *mut u8,
    ) -> Result<NonNull<Header>> {
        let layout = Header::layout(capacity)?;
        // SAFETY: the layout is at least a header long, so not zero-sized.
        NonNull::new(unsafe { allocator(layout) }.cast()).ok_or(Errno::NOMEM)
    }

    /// Memory for a header and at least `len` bytes after it, new or used before; and for how many bytes exactly.
    /// Errors: as of [`allocate`](Header::allocate).
    #[inline(always)]
    fn with_room(spares: &Spares, len: usize) -> Result<(NonNull<Header>, usize)> {
        match spares.take(len) {
            Some(found) => Ok(found),
            None => Header::with_new_room(len),
        }
    }

    #[inline(never)]
    fn with_new_room(len: usize) -> Result<(NonNull<Header>, usize)> {
        Header::allocate_or_reuse(spares::room_for(len))
    }

    /// As [`allocate`](Header::allocate), for memory that need not be new: the memory, and its capacity, which is that much or
    /// somewhat more. Errors: `ENOMEM`.
    pub(super) fn allocate_or_reuse(capacity: usize) -> Result<(NonNull<Header>, usize)> {
        match large_blocks::take(capacity) {
            Some(found) => Ok(found),
            None => Ok((Header::allocate(capacity, try_alloc)?, capacity)),
        }
    }

    /// Of a header with `capacity` bytes after it.
    pub(super) fn layout(capacity: usize) -> Result<Layout> {
        let size = size_of::<Header>().checked_add(capacity).ok_or(Errno::NOMEM)?;
        Layout::from_size_align(size, align_of::<Header>()).map_err(|_| Errno::NOMEM)
    }

    /// Where the bytes after a header begin.
    pub(super) fn data_at(header: NonNull<Header>) -> *mut u8 {
        // SAFETY: every header is allocated with its bytes behind it, so one header further is within the
        // allocation or just at its end.
        unsafe { header.add(1) }.as_ptr().cast()
    }

    /// Makes the first body of an allocation from [`allocate`](Header::allocate) (or `realloc`) that has room for
    /// `capacity` bytes, `len` of them filled.
    pub(super) fn adopt(header: NonNull<Header>, len: usize, capacity: usize) -> Body {
        Header::write(header, Header::data_at(header), len, Owner::Inline { capacity })
    }

    /// Gives the memory of a header back, or keeps it for the next body.
    ///
    /// # Safety
    /// Allocated by `allocate(capacity)`, with no references left.
    #[inline]
    pub(super) unsafe fn release(header: *mut Header, capacity: usize) {
        // SAFETY: the caller's contract.
        unsafe {
            if !spares::here().keep(header, capacity) {
                Header::give_back(header, capacity);
            }
        }
    }

    /// As [`release`](Header::release), not for this thread's small bodies.
    ///
    /// # Safety
    /// The same.
    pub(super) unsafe fn give_back(header: *mut Header, capacity: usize) {
        // SAFETY: as the caller says; whoever did not take it has nothing of it.
        unsafe {
            if !NonNull::new(header).is_some_and(|header| large_blocks::keep(header, capacity)) {
                Header::free(header, capacity);
            }
        }
    }

    /// Gives the memory back to where it came from.
    ///
    /// # Safety
    /// As of [`release`](Header::release).
    pub(super) unsafe fn free(header: *mut Header, capacity: usize) {
        memory::add_freed(capacity);
        if let Ok(layout) = Header::layout(capacity) {
            // SAFETY: the caller says that this is the layout it was allocated with. Headers need no drop.
            unsafe { dealloc(header.cast(), layout) };
        }
    }

    /// Runs the free callback of a body without references, then gives the header back.
    ///
    /// # Safety
    /// `header` is of an external body, has no references and is given up to this call.
    pub(super) unsafe fn run_free(header: *mut Header) {
        // SAFETY: the header is alive and this call's alone.
        let (owner, data) = unsafe { ((*header).owner, (*header).data) };
        // SAFETY: external bodies are allocated with room for no bytes. Released before the callback runs, so that a
        // callback that never returns leaks nothing of ours.
        unsafe { Header::release(header, 0) };
        if let Owner::External { free, hint } = owner {
            // A callback that is cancelled, by what it calls, would unwind frames that own something.
            let _off = CancelOff::for_callback(Here::find());
            // SAFETY: whoever made the body promised that the callback may be called once, on any thread.
            unsafe { free(data.cast(), hint) };
        }
    }

    /// # Safety
    /// `header` has no references and is the caller's alone; likewise `next` unless it is null.
    pub(super) unsafe fn set_next(header: *mut Header, next: *mut Header) {
        // SAFETY: alive and the caller's alone, by this function's contract.
        unsafe { (*header).extent = Extent { next } };
    }

    /// # Safety
    /// `set_next` was called on `header`, and it is still the caller's alone.
    pub(super) unsafe fn next(header: *mut Header) -> *mut Header {
        // SAFETY: `set_next` put the link there.
        unsafe { (*header).extent.next }
    }

    fn write(header: NonNull<Header>, data: *mut u8, len: usize, owner: Owner) -> Body {
        let value = Header { refs: AtomicUsize::new(1), data, extent: Extent { len }, owner };
        // SAFETY: `header` is a fresh allocation, aligned and large enough.
        unsafe { header.write(value) };
        Body(header)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::message::counted::Counted;
    use std::ptr;
    use std::sync::Arc;

    #[test]
    fn bytes_behind_the_header_suit_any_c_type() {
        assert_eq!(size_of::<Header>() % 16, 0);
        let body = Body::copy_from(b"0123456789").unwrap();
        assert_eq!(body.as_slice(), b"0123456789");
        assert_eq!(body.as_ptr() as usize % 16, 0);
    }

    #[test]
    fn lengths_nobody_can_allocate_are_enomem() {
        for len in [usize::MAX, usize::MAX - 47, isize::MAX as usize, 1 << 56] {
            assert_eq!(Body::with_len(len).unwrap_err(), Errno::NOMEM, "{len}");
        }
    }

    #[test]
    fn empty_bodies() {
        assert!(Body::copy_from(b"").unwrap().is_empty());
        assert!(Body::from_vec(Vec::new()).unwrap().is_empty());
        // SAFETY: no bytes, no callback.
        let nothing = unsafe { Body::external(ptr::null_mut(), 0, None, ptr::null_mut()) }.unwrap();
        assert_eq!(nothing.as_slice(), b"");
        assert!(nothing.is_static());
    }

    #[test]
    fn a_vector_is_taken_over_where_it_lies() {
        let mut vec = Vec::with_capacity(100);
        vec.extend_from_slice(b"abc");
        let at = vec.as_ptr();
        let body = Body::from_vec(vec).unwrap();
        assert_eq!((body.as_ptr().cast_const(), body.as_slice()), (at, &b"abc"[..]));
    }

    #[test]
    fn writable_only_while_unshared() {
        let mut body = Body::with_len(3).unwrap();
        body.as_mut_slice().unwrap().copy_from_slice(b"xyz");
        let other = body.clone();
        assert!(!body.is_unique() && body.as_mut_slice().is_none());
        drop(other);
        assert!(body.is_unique());
        assert_eq!(body.as_mut_slice().unwrap(), b"xyz");
    }

    #[test]
    fn lent_bytes_are_never_writable() {
        let counted = Counted::new(b"lent");
        let mut body = counted.body();
        assert!(body.as_mut_slice().is_none());
        drop(body);
        assert_eq!(counted.freed(), 1);
    }

    #[test]
    fn the_callback_runs_once_however_many_threads_let_go() {
        let counted = Arc::new(Counted::new(b"shared by many"));
        let body = counted.body();
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let (body, counted) = (body.clone(), Arc::clone(&counted));
                std::thread::spawn(move || {
                    for _ in 0..100 {
                        let again = body.clone();
                        assert_eq!(again.as_slice(), b"shared by many");
                    }
                    assert_eq!(counted.freed(), 0);
                })
            })
            .collect();
        // The first thread to end must not free what this one still holds.
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(counted.freed(), 0);
        let last = std::thread::spawn(move || drop(body));
        last.join().unwrap();
        assert_eq!(counted.freed(), 1);
    }
}
