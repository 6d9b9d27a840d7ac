//! Copying bytes, also to addresses where the C library's copy is slow.

use std::ptr;

/// Copies of up to this many bytes use vector instructions in the C library, on every processor.
const PIECE_BYTES: usize = 1984;
/// The slow case: a target at least this many bytes further in its page than its source, and less than
/// [`TOO_CLOSE_END_BYTES`].
#[cfg(target_arch = "x86_64")]
const TOO_CLOSE_BYTES: usize = 1;
#[cfg(target_arch = "x86_64")]
const TOO_CLOSE_END_BYTES: usize = 32;
#[cfg(any(test, target_arch = "x86_64"))]
const PAGE_BYTES: usize = 4096;

/// As `memcpy`, for copies of any length.
///
/// From 2 KiB on the C library copies with `rep movsb`. On AMD's Zen 3 that is slow if the target lies 1 to 31
/// bytes further in its page than the source: 2 instead of 40 GB/s. So one copy in 128 is twenty times slower.
/// A program whose buffers happen to lie so is slow for as long as it runs. Copies in pieces are not.
///
/// # Safety
/// `from` is readable and `to` writable for `len` bytes, and the two do not overlap.
#[inline(always)]
pub unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: as the caller promises.
    unsafe {
        if len > PIECE_BYTES {
            copy_many(from, to, len);
        } else {
            ptr::copy_nonoverlapping(from, to, len);
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn are_too_close(from: *const u8, to: *mut u8) -> bool {
    (TOO_CLOSE_BYTES..TOO_CLOSE_END_BYTES).contains(&(to.addr().wrapping_sub(from.addr()) % PAGE_BYTES))
}

#[cfg(not(target_arch = "x86_64"))]
fn are_too_close(_from: *const u8, _to: *mut u8) -> bool {
    false
}

/// # Safety
/// That of [`copy`].
#[inline(never)]
unsafe fn copy_many(from: *const u8, to: *mut u8, len: usize) {
    let longest = if are_too_close(from, to) { PIECE_BYTES } else { len };
    let mut done = 0;
    while done < len {
        let piece = longest.min(len - done);
        // SAFETY: within the `len` bytes of both.
        unsafe { ptr::copy_nonoverlapping(from.add(done), to.add(done), piece) };
        done += piece;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_arrives_at_any_address() {
        let from: Vec<u8> = (0..20_000u32).map(|i| (i % 251) as u8).collect();
        for shift in [0, 1, 16, 31, 32, PAGE_BYTES - 1] {
            for len in [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES, 10_000] {
                let mut room = vec![0; 20_000];
                let start = (from.as_ptr().addr() + shift).wrapping_sub(room.as_ptr().addr()) % PAGE_BYTES;
                // SAFETY: `len` bytes from the front, and as many behind less than a page of twenty thousand.
                unsafe { copy(from.as_ptr(), room.as_mut_ptr().add(start), len) };
                assert_eq!(room[start..start + len], from[..len], "{shift} {len}");
                assert!(room[..start].iter().chain(&room[start + len..]).all(|byte| *byte == 0));
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn only_targets_just_behind_in_their_page_are_too_close() {
        let at = |offset: usize| ptr::without_provenance_mut::<u8>(PAGE_BYTES * 7 + offset);
        for (from, to, close) in [
            (0, 0, false),
            (0, 1, true),
            (100, 131, true),
            (100, 132, false),
            (16, 0, false),
            (PAGE_BYTES - 8, 8, true),
        ] {
            assert_eq!(are_too_close(at(from), at(to)), close, "{from} {to}");
        }
    }
}
