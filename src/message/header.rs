//! The memory of a body: a header, and the bytes behind it. What it is used again for is the business of [`pool`](super::pool).

use super::refs::Refs;
use crate::errno::{Errno, Result};
use crate::sys::cancel::CancelOff;
use crate::sys::memory;
use crate::sys::thread_state::ThreadState;
use std::alloc::{Layout, dealloc};
use std::ffi::c_void;
use std::ptr::NonNull;

/// `zmq_free_fn`: called exactly once, on the thread that drops the last reference, with no lock held.
pub type FreeFn = unsafe extern "C" fn(data: *mut c_void, hint: *mut c_void);

/// What a [`Body`](super::Body) points at. Aligned so that bytes right behind it suit any C type, as `malloc`'s would.
#[repr(C, align(16))]
pub(super) struct Header {
    pub(super) refs: Refs,
    /// May be null only for an external body of no length.
    pub(super) data: *mut u8,
    pub(super) extent: Extent,
    pub(super) owner: Owner,
}

/// A body without references needs no length, and the list of bodies that wait for their free callback links through the same word:
/// waiting needs no memory and so cannot fail.
#[repr(C)]
pub(super) union Extent {
    pub(super) len: usize,
    next: *mut Header,
}

/// How the bytes are given back.
#[derive(Clone, Copy)]
pub(super) enum Owner {
    /// The header's own allocation, which has room for that many bytes after the header.
    Inline { room: usize },
    /// A `Vec<u8>` of this capacity.
    Vec { capacity: usize },
    /// The program.
    External { free: FreeFn, hint: *mut c_void },
    /// Constant data, which is never freed.
    Static,
}

impl Header {
    /// Memory for a header and `room` bytes after it, from `allocator` and not yet written.
    /// Errors: `ENOMEM`, also for lengths that no allocation can have.
    pub(super) fn allocate(room: usize, allocator: unsafe fn(Layout) -> *mut u8) -> Result<NonNull<Header>> {
        let layout = Header::layout(room)?;
        // SAFETY: the layout is at least a header long, so not zero-sized.
        NonNull::new(unsafe { allocator(layout) }.cast()).ok_or(Errno::NOMEM)
    }

    /// Of a header with `room` bytes after it. Errors: `ENOMEM` for lengths that no allocation can have.
    pub(super) fn layout(room: usize) -> Result<Layout> {
        let size = size_of::<Header>().checked_add(room).ok_or(Errno::NOMEM)?;
        Layout::from_size_align(size, align_of::<Header>()).map_err(|_| Errno::NOMEM)
    }

    /// Where the bytes after a header begin.
    #[inline(always)]
    pub(super) fn data_at(header: NonNull<Header>) -> *mut u8 {
        // SAFETY: every header is allocated with its bytes behind it, so one header further is within the
        // allocation or just at its end.
        unsafe { header.add(1) }.as_ptr().cast()
    }

    /// Gives the memory back to the allocator.
    ///
    /// # Safety
    /// Allocated by `allocate(room)` (or reallocated with the layout of that room), with no references left.
    pub(super) unsafe fn free(header: NonNull<Header>, room: usize) {
        memory::add_freed(room);
        if let Ok(layout) = Header::layout(room) {
            // SAFETY: the caller says that this is the layout it was allocated with. Headers need no drop.
            unsafe { dealloc(header.as_ptr().cast(), layout) };
        }
    }

    /// Frees the header of an external body, and runs its free callback.
    ///
    /// # Safety
    /// `header` is of an external body, has no references and is given up to this call.
    pub(super) unsafe fn run_free(header: NonNull<Header>) {
        // SAFETY: the header is alive and this call's alone.
        let (owner, data) = unsafe { ((*header.as_ptr()).owner, (*header.as_ptr()).data) };
        // SAFETY: external bodies are allocated with room for no bytes. Freed before the callback runs, so that a
        // callback that never returns leaks nothing of ours.
        unsafe { Header::free(header, 0) };
        if let Owner::External { free, hint } = owner {
            // A callback that is cancelled, by what it calls, would unwind frames that own something.
            let _off = CancelOff::for_callback(ThreadState::current());
            // SAFETY: the caller of `Body::external` promised that the callback may be called once, on any thread.
            unsafe { free(data.cast(), hint) };
        }
    }

    /// # Safety
    /// `header` has no references and is the caller's alone; likewise `next` unless it is null.
    pub(super) unsafe fn set_next(header: NonNull<Header>, next: *mut Header) {
        // SAFETY: alive and the caller's alone, by this function's contract.
        unsafe { (*header.as_ptr()).extent = Extent { next } };
    }

    /// # Safety
    /// `set_next` was called on `header`, and it is still the caller's alone.
    pub(super) unsafe fn next(header: NonNull<Header>) -> *mut Header {
        // SAFETY: `set_next` put the link there.
        unsafe { (*header.as_ptr()).extent.next }
    }
}
