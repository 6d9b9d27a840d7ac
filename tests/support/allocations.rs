//! Counts what is allocated, by the whole process and by each thread. It replaces `malloc`, so a binary has it only if it names it.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static HELD_HERE: Cell<usize> = const { Cell::new(0) };
    static MAX_HERE: Cell<usize> = const { Cell::new(0) };
}

/// How many bytes the process holds.
pub fn held() -> usize {
    HELD.load(Relaxed)
}

/// The most bytes that the process held during `run` beyond what it held before.
pub fn most_held(run: impl FnOnce()) -> usize {
    let before = held();
    MOST.store(before, Relaxed);
    run();
    MOST.load(Relaxed).saturating_sub(before)
}

/// The most bytes that this thread held during `run` beyond what it held before, and what `run` came to.
pub fn most_held_here<R>(run: impl FnOnce() -> R) -> (usize, R) {
    let before = HELD_HERE.get();
    MAX_HERE.set(before);
    let result = run();
    (MAX_HERE.get() - before, result)
}

/// glibc's own, under the names that a program which replaces `malloc` may call it by.
mod system {
    use std::ffi::c_void;

    unsafe extern "C" {
        pub fn __libc_malloc(size: usize) -> *mut c_void;
        pub fn __libc_calloc(count: usize, size: usize) -> *mut c_void;
        pub fn __libc_realloc(at: *mut c_void, size: usize) -> *mut c_void;
        pub fn __libc_memalign(align: usize, size: usize) -> *mut c_void;
        pub fn __libc_free(at: *mut c_void);
        pub fn malloc_usable_size(at: *mut c_void) -> usize;
    }
}

/// Counts what was just allocated.
fn took(at: *mut c_void) -> *mut c_void {
    // SAFETY: null, or memory that was just allocated.
    let more = unsafe { system::malloc_usable_size(at) };
    let held = HELD.fetch_add(more, Relaxed) + more;
    MOST.fetch_max(held, Relaxed);
    HELD_HERE.set(HELD_HERE.get().wrapping_add(more));
    MAX_HERE.set(MAX_HERE.get().max(HELD_HERE.get()));
    at
}

/// What another thread took may be given back here: no thread holds less than nothing.
fn gave(bytes: usize) {
    HELD.fetch_sub(bytes, Relaxed);
    HELD_HERE.set(HELD_HERE.get().saturating_sub(bytes));
}

#[unsafe(no_mangle)]
extern "C" fn malloc(size: usize) -> *mut c_void {
    // SAFETY: any size will do.
    took(unsafe { system::__libc_malloc(size) })
}

#[unsafe(no_mangle)]
extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
    // SAFETY: any size will do.
    took(unsafe { system::__libc_calloc(count, size) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn realloc(at: *mut c_void, size: usize) -> *mut c_void {
    // SAFETY: as the caller promises.
    unsafe {
        let before = system::malloc_usable_size(at);
        let moved = system::__libc_realloc(at, size);
        if !moved.is_null() || size == 0 {
            gave(before);
        }
        took(moved)
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn posix_memalign(out: *mut *mut c_void, align: usize, size: usize) -> c_int {
    // SAFETY: as the caller promises.
    unsafe {
        let at = took(system::__libc_memalign(align, size));
        if at.is_null() {
            return libc::ENOMEM;
        }
        out.write(at);
    }
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn free(at: *mut c_void) {
    // SAFETY: as the caller promises.
    unsafe {
        gave(system::malloc_usable_size(at));
        system::__libc_free(at);
    }
}
