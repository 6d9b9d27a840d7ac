//! The library's allocator: the system's, with a reserve for when that has nothing left.
//!
//! Few programs of a language without `malloc`'s NULL survive its NULL: what grows by a node or a string ends the process. So
//! requests of up to 4 MiB that the system refuses come from the reserve. Code that can grow asks [`is_short`] first, and does
//! not grow while memory is short. What is large, or as large as a peer likes, is asked for with [`try_alloc`] or `try_reserve`.

mod reserve;
mod returned;

pub use returned::{Keeper, add_freed, add_keeper, forget_keepers, freed, return_to_system, tell_at};

use crate::errno::{Errno, Result};
use crate::sys::faults::{self, Call};
use crate::sys::retry::rest;
use reserve::{RESERVE_BYTES, Reserve};
use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What the system must be able to give at once for a shortage to be over.
const PROBE_BYTES: usize = 256 * 1024;
/// Bytes taken of the reserve that make a shortage, even if the system has memory again: later requests are to find the rest.
const MAX_TAKEN_BYTES: usize = RESERVE_BYTES / 8;
/// Requests up to this size are waited for. Those whose maker can do without are larger, as a rule.
const MAX_AWAITED_BYTES: usize = 64 * 1024;
/// How often a thread for which the reserve has nothing looks again, a millisecond later each, before it gives up.
const MAX_LOOKS: u32 = 2000;
const LOOK_PAUSE: Duration = Duration::from_millis(1);

/// The library's allocator.
pub struct Allocator;

#[cfg(feature = "reserve")]
#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

static RESERVE: Reserve = Reserve::new();

/// The system has refused something since it was asked last. Written by a thread that meets a refusal, and by one that finds the
/// shortage over; read by all. A hint alone, so Relaxed.
static REFUSED: AtomicBool = AtomicBool::new(false);

/// Whether memory is short, so that nothing is to grow. One load while there was no refusal; else the system is asked.
#[inline]
pub fn is_short() -> bool {
    REFUSED.load(Ordering::Relaxed) && is_still_short()
}

/// For what is about to grow, or to come. Errors: `ENOMEM` while memory [is short](is_short).
#[inline]
pub fn check() -> Result<()> {
    if is_short() { Err(Errno::NOMEM) } else { Ok(()) }
}

/// Memory from the system, or null: for requests whose maker can do without. It goes back as any other.
///
/// # Safety
/// That of [`GlobalAlloc::alloc`].
#[inline]
pub unsafe fn try_alloc(layout: Layout) -> *mut u8 {
    if faults::next(Call::Allocate).is_some() {
        return ptr::null_mut();
    }
    // SAFETY: the caller's contract.
    let at = unsafe { SOURCE.alloc(layout) };
    if at.is_null() {
        REFUSED.store(true, Ordering::Relaxed);
    }
    at
}

/// Another size for memory from [`try_alloc`], or null, with the memory as it was.
///
/// # Safety
/// That of [`GlobalAlloc::realloc`].
pub unsafe fn try_realloc(at: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
    if faults::next(Call::Allocate).is_some() {
        return ptr::null_mut();
    }
    // SAFETY: the caller's contract; what `try_alloc` gives comes from the same source.
    let moved = unsafe { SOURCE.realloc(at, layout, new_size) };
    if moved.is_null() {
        REFUSED.store(true, Ordering::Relaxed);
    }
    moved
}

/// Room for `more` further bytes. Errors: `ENOMEM`.
#[inline]
pub fn try_reserve(bytes: &mut Vec<u8>, more: usize) -> Result<()> {
    if bytes.capacity() - bytes.len() >= more {
        return Ok(());
    }
    match faults::next(Call::Allocate) {
        None => bytes.try_reserve(more).map_err(|_| Errno::NOMEM),
        Some(errno) => Err(errno),
    }
}

/// As [`try_alloc`], of zeros.
///
/// # Safety
/// The same.
pub unsafe fn try_alloc_zeroed(layout: Layout) -> *mut u8 {
    // SAFETY: the caller's contract.
    let at = unsafe { SOURCE.alloc_zeroed(layout) };
    if at.is_null() {
        REFUSED.store(true, Ordering::Relaxed);
    }
    at
}

/// What gives back all that it has not given itself to the system.
#[cfg(feature = "reserve")]
const SOURCE: System = System;

/// The program's own global allocator.
#[cfg(not(feature = "reserve"))]
const SOURCE: Chosen = Chosen;

#[cfg(not(feature = "reserve"))]
struct Chosen;

// SAFETY: hands everything on to the program's allocator.
#[cfg(not(feature = "reserve"))]
unsafe impl GlobalAlloc for Chosen {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract.
        unsafe { std::alloc::alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract.
        unsafe { std::alloc::dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's contract.
        unsafe { std::alloc::realloc(at, layout, new_size) }
    }
}

// SAFETY: the system's allocator, but for pieces of the reserve. Each piece has one owner, is large and aligned enough, and goes
// back to the reserve; nothing here unwinds.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract.
        let at = unsafe { System.alloc(layout) };
        if at.is_null() { refused(layout) } else { at }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract.
        let at = unsafe { System.alloc_zeroed(layout) };
        if at.is_null() { refused_zeroed(layout) } else { at }
    }

    #[inline]
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        if RESERVE.holds(at) {
            // SAFETY: it came from there for this layout, as the caller says.
            unsafe { give(at, layout) };
        } else {
            // SAFETY: the caller's contract, and it did not come from the reserve.
            unsafe { System.dealloc(at, layout) };
        }
    }

    #[inline]
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if !RESERVE.holds(at) {
            // SAFETY: the caller's contract, and it did not come from the reserve.
            let moved = unsafe { System.realloc(at, layout, new_size) };
            if !moved.is_null() {
                return moved;
            }
        }
        // SAFETY: the caller's contract; where the system has moved nothing the old memory is as it was.
        unsafe { move_elsewhere(at, layout, new_size) }
    }
}

#[cold]
unsafe fn give(at: *mut u8, layout: Layout) {
    // SAFETY: the caller's contract.
    unsafe { RESERVE.give(at, layout) };
}

#[cold]
fn is_still_short() -> bool {
    if RESERVE.taken_bytes() > MAX_TAKEN_BYTES {
        return true;
    }
    let Ok(layout) = Layout::from_size_align(PROBE_BYTES, 16) else { return true };
    // SAFETY: the layout is not empty; what was allocated is given back at once with the same layout.
    unsafe {
        let probe = System.alloc(layout);
        if probe.is_null() {
            return true;
        }
        System.dealloc(probe, layout);
    }
    REFUSED.store(false, Ordering::Relaxed);
    false
}

/// What the system has refused, from the reserve. Where that has none left the thread waits a while for others to give
/// something back, since null ends the process; and null for what no piece is large enough for.
#[cold]
fn refused(layout: Layout) -> *mut u8 {
    REFUSED.store(true, Ordering::Relaxed);
    let mut at = RESERVE.take(layout);
    if layout.size() > MAX_AWAITED_BYTES {
        return at;
    }
    for _ in 0..MAX_LOOKS {
        if !at.is_null() {
            break;
        }
        #[cfg(all(test, not(loom)))]
        tests::LOOKS.fetch_add(1, Ordering::Relaxed);
        rest(LOOK_PAUSE);
        // SAFETY: a layout that is not empty, as `GlobalAlloc::alloc` demands.
        at = unsafe { System.alloc(layout) };
        if at.is_null() {
            at = RESERVE.take(layout);
        }
    }
    at
}

#[cold]
fn refused_zeroed(layout: Layout) -> *mut u8 {
    let at = refused(layout);
    if !at.is_null() {
        // SAFETY: just allocated with this size, and this thread's alone.
        unsafe { at.write_bytes(0, layout.size()) };
    }
    at
}

/// # Safety
/// That of [`GlobalAlloc::realloc`].
#[cold]
unsafe fn move_elsewhere(at: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
    // SAFETY: the caller says that the new size suits the alignment, and is not 0.
    let new = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
    // SAFETY: as above; the old memory has the length of `layout`, the new one that of `new`, and they do not overlap.
    unsafe {
        let moved = Allocator.alloc(new);
        if !moved.is_null() {
            ptr::copy_nonoverlapping(at, moved, layout.size().min(new_size));
            Allocator.dealloc(at, layout);
        }
        moved
    }
}

#[cfg(all(test, not(loom)))]
pub mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::atomic::AtomicU32;

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 16).unwrap()
    }

    #[test]
    fn refused_request_comes_from_the_reserve_and_goes_back() {
        // As after a refusal: nothing else in this process takes from the reserve.
        let at = refused_zeroed(layout(300));
        assert!(RESERVE.holds(at));
        // SAFETY: allocated above with these layouts, one after the other.
        unsafe {
            assert!((0..300).all(|i| at.add(i).read() == 0));
            at.write_bytes(7, 300);
            let moved = Allocator.realloc(at, layout(300), 5000);
            assert!(!RESERVE.holds(moved), "the system has memory");
            assert!((0..300).all(|i| moved.add(i).read() == 7));
            Allocator.dealloc(moved, layout(5000));
        }
        assert!(!is_short(), "the system has memory again");
    }

    /// While it lives the system has no memory left but pieces that are smaller than `smallest`.
    pub struct Shortage {
        /// The blocks taken: each has the address of the one before and its size.
        last: *mut [usize; 2],
    }

    impl Shortage {
        /// `smallest` is at least 16, and a multiple of that.
        pub fn begin(smallest: usize) -> Shortage {
            allow_more(false);
            let mut shortage = Shortage { last: ptr::null_mut() };
            let large = [1 << 20, 1 << 16, 1 << 12];
            let sizes = large.into_iter().chain((1..=65).rev().map(|count| count * 16));
            sizes.filter(|size| *size >= smallest).for_each(|size| shortage.take(size));
            shortage
        }

        fn take(&mut self, size: usize) {
            // SAFETY: the layout is not empty, and what is allocated has room for two words.
            unsafe {
                loop {
                    let at = System.alloc(layout(size)).cast::<[usize; 2]>();
                    if at.is_null() {
                        return;
                    }
                    at.write([self.last.expose_provenance(), size]);
                    self.last = at;
                }
            }
        }
    }

    impl Drop for Shortage {
        fn drop(&mut self) {
            while !self.last.is_null() {
                // SAFETY: a block that was allocated with this layout, and has these two words.
                unsafe {
                    let [before, size] = self.last.read();
                    System.dealloc(self.last.cast(), layout(size));
                    self.last = ptr::with_exposed_provenance_mut(before);
                }
            }
            allow_more(true);
        }
    }

    /// Whether the process may map more memory than it has now.
    fn allow_more(more: bool) {
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages: u64 = pages.split(' ').next().unwrap().parse().unwrap();
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: room for a limit, and a limit.
        unsafe {
            assert_eq!(libc::getrlimit(libc::RLIMIT_AS, &raw mut limit), 0);
            limit.rlim_cur = if more { limit.rlim_max } else { pages * 4096 };
            assert_eq!(libc::setrlimit(libc::RLIMIT_AS, &raw const limit), 0);
        }
    }

    /// Looks of threads that wait for memory. Written by these, read by a test, as a count alone: so Relaxed.
    pub static LOOKS: AtomicU32 = AtomicU32::new(0);

    /// Waits until a thread waits for memory. It looks again and again, so that this call misses none.
    pub fn until_a_thread_waits() {
        let before = LOOKS.load(Ordering::Relaxed);
        while LOOKS.load(Ordering::Relaxed) == before {
            std::thread::yield_now();
        }
    }

    /// The whole reserve, which is given back when this is dropped.
    pub struct EmptyReserve(Vec<usize>);

    impl EmptyReserve {
        pub fn begin() -> EmptyReserve {
            let mut pieces = Vec::with_capacity(RESERVE_BYTES / 128);
            let take = || RESERVE.take(layout(100)).expose_provenance();
            pieces.extend(std::iter::repeat_with(take).take_while(|at| *at != 0));
            EmptyReserve(pieces)
        }
    }

    impl Drop for EmptyReserve {
        fn drop(&mut self) {
            for at in &self.0 {
                // SAFETY: taken for this layout.
                unsafe { RESERVE.give(ptr::with_exposed_provenance_mut(*at), layout(100)) };
            }
        }
    }

    #[test]
    fn request_beyond_all_memory_is_refused_at_once_and_nothing_is_lost() {
        // SAFETY: the layouts are not empty; what is given back was allocated with the layout said.
        unsafe {
            let at = Allocator.alloc(layout(100));
            at.write_bytes(5, 100);
            assert!(Allocator.realloc(at, layout(100), isize::MAX as usize - 4096).is_null());
            assert!((0..100).all(|i| at.add(i).read() == 5));
            Allocator.dealloc(at, layout(100));
            assert!(try_alloc(layout(isize::MAX as usize - 4096)).is_null());
            assert!(try_alloc_zeroed(layout(isize::MAX as usize - 4096)).is_null());
        }
    }
}
