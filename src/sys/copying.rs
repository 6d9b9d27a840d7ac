//! Copying bytes, also to places where the C library's way of it is slow.

use std::ptr;

/// The C library copies fewer bytes than this with vector instructions, on every processor.
const PIECE: usize = 1984;
/// Where a target lies so many bytes further in its page than its source, less than [`TOO_CLOSE_END`].
#[cfg(target_arch = "x86_64")]
const TOO_CLOSE: usize = 1;
#[cfg(target_arch = "x86_64")]
const TOO_CLOSE_END: usize = 32;
#[cfg(target_arch = "x86_64")]
const PAGE: usize = 4096;

/// As `memcpy`, for copies of any length.
///
/// From 2 KiB on the C library copies with `rep movsb`, which AMD's Zen 3 does at 2 instead of 40 GB/s where the target lies 1 to 31
/// bytes further in its page than the source: one copy in 128 is twenty times slower, and a program whose buffers happen to
/// lie so is for as long as it lives. Copied piece by piece it is not.
///
/// # Safety
/// `from` is readable and `to` writable for `len` bytes, and the two do not overlap.
#[inline(always)]
pub unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: as the caller promises.
    unsafe {
        if len > PIECE {
            copy_many(from, to, len);
        } else {
            ptr::copy_nonoverlapping(from, to, len);
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn are_too_close(from: *const u8, to: *mut u8) -> bool {
    (TOO_CLOSE..TOO_CLOSE_END).contains(&(to.addr().wrapping_sub(from.addr()) % PAGE))
}

#[cfg(not(target_arch = "x86_64"))]
fn are_too_close(_from: *const u8, _to: *mut u8) -> bool {
    false
}

/// # Safety
/// That of [`copy`].
#[inline(never)]
unsafe fn copy_many(from: *const u8, to: *mut u8, len: usize) {
    let longest = if are_too_close(from, to) { PIECE } else { len };
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
    fn every_byte_arrives_wherever_it_goes() {
        let from: Vec<u8> = (0..20_000u32).map(|i| (i % 251) as u8).collect();
        for shift in [0, 1, 16, 31, 32, PAGE - 1] {
            for len in [0, 1, PIECE, PIECE + 1, 2 * PIECE, 10_000] {
                let mut room = vec![0; 20_000];
                let start = (from.as_ptr().addr() + shift).wrapping_sub(room.as_ptr().addr()) % PAGE;
                // SAFETY: `len` bytes from the front, and as many behind less than a page of twenty thousand.
                unsafe { copy(from.as_ptr(), room.as_mut_ptr().add(start), len) };
                assert_eq!(room[start..start + len], from[..len], "{shift} {len}");
                assert!(room[..start].iter().chain(&room[start + len..]).all(|byte| *byte == 0));
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn only_what_lies_just_behind_in_its_page_is_too_close() {
        let at = |offset: usize| ptr::without_provenance_mut::<u8>(PAGE * 7 + offset);
        for (from, to, close) in [
            (0, 0, false),
            (0, 1, true),
            (100, 131, true),
            (100, 132, false),
            (16, 0, false),
            (PAGE - 8, 8, true),
        ] {
            assert_eq!(are_too_close(at(from), at(to)), close, "{from} {to}");
        }
    }
}
