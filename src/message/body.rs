//! Reference-counted message bodies.
//!
//! A body is one heap header with an atomic count. Its bytes follow the header in the same allocation, or belong to a `Vec` that
//! was taken over. Or they belong to the program, which lent them with a free callback.

use super::defer;
use super::header::{Extent, FreeFn, Header, Owner};
use super::pool::{self, ThreadCache};
use super::refs::Refs;
use crate::errno::Result;
use crate::sys::copying;
use crate::sys::memory::{try_alloc, try_alloc_zeroed};
use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

/// A reference to an immutable, shared run of bytes; cloning counts, the last drop frees.
pub struct Body(NonNull<Header>);

// SAFETY: the bytes are only read while shared, the count is atomic, and the caller of `Body::external` promised that the
// callback may run on any thread.
unsafe impl Send for Body {}
// SAFETY: as above; `&Body` only reads the bytes and counts.
unsafe impl Sync for Body {}

impl Body {
    /// Copies `data`. Errors: `ENOMEM`.
    pub fn copy_from(data: &[u8]) -> Result<Body> {
        Body::copy_with(pool::here(), data)
    }

    /// As [`copy_from`](Body::copy_from), for a caller that has found the thread's cache already.
    #[inline(always)]
    pub(super) fn copy_with(cache: &ThreadCache, data: &[u8]) -> Result<Body> {
        let (header, room) = cache.obtain(data.len())?;
        // SAFETY: there is room for `data.len()` bytes at `data_at`, in memory that nothing else refers to and that
        // cannot overlap `data`.
        unsafe { copying::copy(data.as_ptr(), Header::data_at(header), data.len()) };
        Ok(Body::adopt(header, data.len(), room))
    }

    /// `len` zero bytes, to be filled in through [`as_mut_slice`](Body::as_mut_slice). Errors: `ENOMEM`.
    pub fn with_len(len: usize) -> Result<Body> {
        let room = pool::room_for(len);
        Ok(Body::adopt(Header::allocate(room, try_alloc_zeroed)?, len, room))
    }

    /// `len` bytes with no defined content. Errors: `ENOMEM`.
    ///
    /// # Safety
    /// The bytes are written (through [`as_ptr`](Body::as_ptr)) before anything reads them.
    #[inline]
    pub unsafe fn with_len_uninit(len: usize) -> Result<Body> {
        let (header, room) = pool::here().obtain(len)?;
        Ok(Body::adopt(header, len, room))
    }

    /// Takes over `data` without copying. Errors: `ENOMEM`.
    pub fn from_vec(data: Vec<u8>) -> Result<Body> {
        let header = Header::allocate(0, try_alloc)?;
        let mut data = ManuallyDrop::new(data);
        let (bytes, len, capacity) = (data.as_mut_ptr(), data.len(), data.capacity());
        Ok(Body::write(header, bytes, len, Owner::Vec { capacity }))
    }

    /// Refers to bytes of the program's own; with `free` they are given back to it by calling
    /// `free(data, hint)` when the last reference is gone, without `free` they are taken for constant.
    /// Errors: `ENOMEM` (then `free` is not called).
    ///
    /// # Safety
    /// `data` is readable for `len` bytes (or `len` is 0) and stays so, unchanged, until `free` is called. Without `free` it stays
    /// so for as long as the program runs. `free` may be called once on any thread.
    pub unsafe fn external(
        data: *mut u8,
        len: usize,
        free: Option<FreeFn>,
        hint: *mut c_void,
    ) -> Result<Body> {
        let header = Header::allocate(0, try_alloc)?;
        let owner = free.map_or(Owner::Static, |free| Owner::External { free, hint });
        Ok(Body::write(header, data, len, owner))
    }

    /// The first body in memory of [`Header::allocate`] (or `realloc`), with `len` bytes filled. The room is that of a class of the
    /// [pool](pool::room_for).
    #[inline(always)]
    pub(super) fn adopt(header: NonNull<Header>, len: usize, room: usize) -> Body {
        Body::write(header, Header::data_at(header), len, Owner::Inline { room })
    }

    /// As `drop`, for a caller that has found the thread's cache already.
    #[inline]
    pub(super) fn drop_with(self, cache: &ThreadCache) {
        if let Owner::Inline { room } = self.header().owner
            && self.is_unique()
        {
            let header = ManuallyDrop::new(self).0;
            // SAFETY: this was the only reference, and only its holder could make another; allocated with this much room.
            unsafe { cache.keep(header, room) };
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

    /// The bytes for writing, while there is no other reference. `None` once shared, and for bytes that the
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
        self.header().refs.is_one()
    }

    /// Whether the bytes are constant ones, which are never freed.
    pub fn is_static(&self) -> bool {
        matches!(self.header().owner, Owner::Static)
    }

    /// Whether the bytes are the program's, which waits to hear that it has them back.
    pub fn is_lent(&self) -> bool {
        matches!(self.header().owner, Owner::External { .. })
    }

    fn header(&self) -> &Header {
        // SAFETY: a `Body` keeps its header alive, and a header that has references is not written to (except for
        // the atomic count).
        unsafe { self.0.as_ref() }
    }

    #[inline(always)]
    fn write(header: NonNull<Header>, data: *mut u8, len: usize, owner: Owner) -> Body {
        let value = Header { refs: Refs::one(), data, extent: Extent { len }, owner };
        // SAFETY: `header` is a fresh allocation, aligned and large enough.
        unsafe { header.write(value) };
        Body(header)
    }
}

impl Clone for Body {
    fn clone(&self) -> Body {
        self.header().refs.add();
        Body(self.0)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if !self.header().refs.remove() {
            return;
        }
        let header = self.0;
        match self.header().owner {
            // SAFETY: the last reference is gone, so the header is this call's alone.
            Owner::External { .. } => unsafe { defer::free_when_unlocked(header) },
            Owner::Vec { capacity } => {
                let (data, len) = (self.as_ptr(), self.len());
                // SAFETY: these are the parts of the vector that `from_vec` took apart, and nothing refers to its
                // bytes any more.
                drop(unsafe { Vec::from_raw_parts(data, len, capacity) });
                // SAFETY: allocated with room for no bytes, see `from_vec`.
                unsafe { Header::free(header, 0) };
            }
            // SAFETY: allocated with this much room, see `adopt`.
            Owner::Inline { room } => unsafe { pool::here().keep(header, room) },
            // SAFETY: allocated with room for no bytes, see `external`.
            Owner::Static => unsafe { Header::free(header, 0) },
        }
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Body({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::errno::Errno;
    use crate::message::testing::Counted;
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
    fn lengths_that_no_allocation_can_have_are_enomem() {
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
