//! Memory that the process keeps until it ends, from the system rather than from the allocator.
//!
//! Leak checkers list all memory that the allocator has given out at the end, including memory that is meant
//! to stay.

use crate::errno::{Errno, Result};
use std::ffi::c_void;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Smallest page alignment of all systems.
const PAGE_BYTES: usize = 4096;

/// What the cache of a processor is divided into.
const CACHE_LINE_BYTES: usize = 64;

/// Values for as long as the process lives, in one piece of memory, which takes no room before they are made.
///
/// They lie an odd number of cache lines apart. A thread may look at the same field of many, as `zmq_poll` does. It would else find all
/// those fields in a few sets of its cache: with 24 lines in an eighth of it, which holds 64 sockets.
#[derive(Debug)]
pub struct ForGood<T: 'static> {
    first: NonNull<T>,
    /// The values for which there is memory.
    capacity: usize,
    /// The values made so far. Written by [`ForGood::make`] behind them (release), read before one of them is given out (acquire).
    len: AtomicUsize,
    making: Mutex<()>,
}

// SAFETY: it gives out `&'static T` and nothing else, makes each `T` once, and never drops one.
unsafe impl<T: Send + Sync> Send for ForGood<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for ForGood<T> {}

impl<T: 'static> ForGood<T> {
    /// How many bytes lie between the beginnings of two neighbours.
    pub const STRIDE_BYTES: usize = {
        let unit = if align_of::<T>() > CACHE_LINE_BYTES { align_of::<T>() } else { CACHE_LINE_BYTES };
        (size_of::<T>().div_ceil(unit) | 1) * unit
    };

    /// Memory for `capacity` values. Errors: `ENOMEM`.
    pub fn with_capacity(capacity: usize) -> Result<ForGood<T>> {
        const { assert!(align_of::<T>() <= PAGE_BYTES) };
        let bytes = capacity.checked_mul(ForGood::<T>::STRIDE_BYTES).ok_or(Errno::NOMEM)?;
        let (len, making) = (AtomicUsize::new(0), Mutex::new(()));
        if bytes == 0 {
            return Ok(ForGood { first: NonNull::dangling(), capacity: 0, len, making });
        }
        // SAFETY: a new mapping at an address of the system's choice, which touches no other memory.
        let memory = unsafe {
            let (protection, flags) =
                (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANON);
            libc::mmap(ptr::null_mut(), bytes, protection, flags, -1, 0)
        };
        if memory == libc::MAP_FAILED {
            return Err(Errno::NOMEM);
        }
        show_to_leak_sanitizer(memory, bytes);
        let first = NonNull::new(memory.cast::<T>()).ok_or(Errno::NOMEM)?;
        Ok(ForGood { first, capacity, len, making })
    }

    /// Makes the next values, `most` of them, or as many as there is memory for.
    pub fn make(&self, most: usize, mut make: impl FnMut() -> T) -> impl Iterator<Item = &'static T> {
        let _alone = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = self.len.load(Ordering::Relaxed);
        let end = begin.saturating_add(most).min(self.capacity);
        for index in begin..end {
            // SAFETY: within the mapping, which is aligned well enough. No other thread makes values, and none is given out from
            // here on before `len` says so.
            unsafe { self.first.byte_add(index * ForGood::<T>::STRIDE_BYTES).write(make()) };
        }
        self.len.store(end, Ordering::Release);
        (begin..end).filter_map(|index| self.get(index))
    }

    pub fn get(&self, index: usize) -> Option<&'static T> {
        let len = self.len.load(Ordering::Acquire);
        // SAFETY: within the mapping that `make` has filled with `len` values at this distance, and never gives back.
        (index < len).then(|| unsafe { self.first.byte_add(index * Self::STRIDE_BYTES).as_ref() })
    }

    #[cfg(test)]
    pub fn iter(&self) -> impl Iterator<Item = &'static T> {
        (0..self.capacity).map_while(|index| self.get(index))
    }

    /// The value that begins at this address.
    #[inline]
    pub fn at(&self, address: usize) -> Option<&'static T> {
        let offset = address.wrapping_sub(self.first.addr().get());
        let index = offset / Self::STRIDE_BYTES;
        self.get(index).filter(|_| offset.is_multiple_of(Self::STRIDE_BYTES))
    }
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
        let mut count = || {
            next += 1;
            next
        };
        let numbers = ForGood::with_capacity(1000).unwrap();
        assert!(numbers.get(0).is_none() && numbers.at(numbers.first.addr().get()).is_none(), "not yet");
        assert!(numbers.make(10, &mut count).copied().eq(1..=10));
        assert!(numbers.get(9).is_some() && numbers.get(10).is_none());
        assert!(numbers.make(2000, &mut count).copied().eq(11..=1000));
        assert_eq!(numbers.make(1, &mut count).count(), 0, "it is full");
        assert!(numbers.iter().copied().eq(1..=1000));
        assert_eq!(ForGood::with_capacity(0).unwrap().make(1, || 1).count(), 0);
        assert_eq!(ForGood::<u64>::with_capacity(usize::MAX).err(), Some(Errno::NOMEM));
        assert_eq!(ForGood::<u64>::with_capacity(usize::MAX / 64).err(), Some(Errno::NOMEM));
    }

    #[test]
    fn values_are_found_by_their_addresses_and_by_no_other() {
        let made = ForGood::with_capacity(4).unwrap();
        assert_eq!(ForGood::<[u8; 24 * 64]>::STRIDE_BYTES, 25 * 64);
        let values = made.make(3, || [0u8; 24 * 64]);
        let addresses: Vec<_> = values.map(|value| ptr::from_ref(value).addr()).collect();
        for &address in &addresses {
            assert_eq!(made.at(address).map(|value| ptr::from_ref(value).addr()), Some(address));
            assert_eq!((made.at(address + 1), made.at(address - 1)), (None, None));
        }
        assert_eq!((made.at(0), made.at(usize::MAX)), (None, None));
        assert!(made.at(addresses[2] + 25 * 64).is_none());
        assert!(made.get(3).is_none());
    }
}
