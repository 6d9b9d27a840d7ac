//! Memory that the process keeps until it ends, from the system rather than from the allocator.
//!
//! Leak checkers list all memory that the allocator has given out at the end, including memory that is meant
//! to stay.

use crate::errno::{Errno, Result};
use std::ffi::c_void;
use std::ptr;

/// Smallest page alignment of all systems.
const PAGE_BYTES: usize = 4096;

/// `len` values that live as long as the process. Errors: `ENOMEM`.
pub fn for_good<T>(len: usize, mut make: impl FnMut() -> T) -> Result<&'static [T]> {
    const { assert!(align_of::<T>() <= PAGE_BYTES) };
    let bytes = len.checked_mul(size_of::<T>()).ok_or(Errno::NOMEM)?;
    if bytes == 0 {
        return Ok(&[]);
    }
    // SAFETY: a new mapping at an address of the system's choice, which touches no other memory.
    let memory = unsafe {
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANON);
        libc::mmap(ptr::null_mut(), bytes, protection, flags, -1, 0)
    };
    if memory == libc::MAP_FAILED {
        return Err(Errno::NOMEM);
    }
    show_to_leak_sanitizer(memory, bytes);
    let first = memory.cast::<T>();
    for index in 0..len {
        // SAFETY: within the mapping, which is aligned well enough and has no other user.
        unsafe { first.add(index).write(make()) };
    }
    // SAFETY: `len` values were written, and the mapping is never unmapped.
    Ok(unsafe { std::slice::from_raw_parts(first, len) })
}

/// Registers the mapping with LeakSanitizer, where that is in the process. It does not search mappings by
/// itself, and would report memory that only they point to as lost.
fn show_to_leak_sanitizer(memory: *const c_void, bytes: usize) {
    // SAFETY: a NUL-terminated name.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__lsan_register_root_region".as_ptr()) };
    if !found.is_null() {
        // SAFETY: the sanitizer's function of this name takes a pointer and a size (sanitizer/lsan_interface.h).
        let register =
            unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*const c_void, usize)>(found) };
        // SAFETY: the mapping is readable for this many bytes, for good.
        unsafe { register(memory, bytes) };
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn values_are_made_in_order_and_stay() {
        let mut next = 0u64;
        let made = for_good(1000, || {
            next += 1;
            next
        });
        assert!(made.unwrap().iter().copied().eq(1..=1000));
        assert_eq!(for_good(0, || 1).unwrap(), []);
        assert_eq!(for_good(usize::MAX, || 1u64), Err(Errno::NOMEM));
        assert_eq!(for_good(usize::MAX / 16, || 1u64), Err(Errno::NOMEM));
    }
}
