//! The program's memory, and memory handed to the program.

use crate::errno::{Errno, Result};
use std::alloc::{Layout, alloc};
use std::ffi::{CStr, c_char};

/// The program's `(data, len)` for reading. `(NULL, 0)` is a legal empty buffer. Errors: `EFAULT` for NULL with a
/// length, and for lengths that no buffer can have.
///
/// # Safety
/// `data` is readable for `len` bytes, and unchanged during `'a`, unless `len` is 0 or it is NULL.
pub(crate) unsafe fn bytes<'a, T>(data: *const T, len: usize) -> Result<&'a [u8]> {
    // No bytes, or more than there can be: one comparison for both.
    if len.cast_signed() <= 0 {
        return if len == 0 { Ok(&[]) } else { Err(Errno::FAULT) };
    }
    if data.is_null() {
        return Err(Errno::FAULT);
    }
    // SAFETY: not null, of a possible length, and the caller vouches for the rest.
    Ok(unsafe { std::slice::from_raw_parts(data.cast(), len) })
}

/// Errors: `EFAULT` where there is no room for `len` bytes at `buf`, which is NULL.
#[inline(always)]
pub(crate) fn check_room<T>(buf: *const T, len: usize) -> Result<()> {
    if buf.is_null() { without_buffer(len) } else { Ok(()) }
}

#[cold]
fn without_buffer(len: usize) -> Result<()> {
    if len > 0 { Err(Errno::FAULT) } else { Ok(()) }
}

/// Lets `write` fill the program's buffer, for which `*len` says how much room there is, and sets `*len` to how much
/// was written. Errors: `EFAULT` for NULL, where `len` is, or the buffer although there should be room, and for lengths
/// that no buffer can have; those of `write`, and then `*len` stays.
///
/// # Safety
/// `len` is NULL or points at a number that no other thread uses, and `data` is writable for `*len` bytes unless it is NULL.
pub(crate) unsafe fn fill<T>(
    data: *mut T,
    len: *mut usize,
    write: impl FnOnce(&mut [u8]) -> Result<usize>,
) -> Result<()> {
    // SAFETY: the caller vouches for it unless it is null.
    let room = *unsafe { borrowed(len) }?;
    let out: &mut [u8] = match room {
        0 => &mut [],
        _ if data.is_null() || room > isize::MAX as usize => return Err(Errno::FAULT),
        // SAFETY: not null, of a possible length, and the caller vouches for the rest. The program need not have
        // written these bytes, but as they come from C they have some value.
        _ => unsafe { std::slice::from_raw_parts_mut(data.cast(), room) },
    };
    let written = write(out)?;
    // SAFETY: not null, and the caller says that it is a number's place.
    unsafe { len.write(written) };
    Ok(())
}

/// Writes `text` and a NUL to the program's buffer, for which `*size` says how much room there is. Sets `*size` to how much the two
/// take. Errors: `ENOBUFS` where they do not fit, with nothing but `*size` written; `EFAULT` for NULL, where `size` is, or the
/// buffer although there should be room.
///
/// # Safety
/// `size` is NULL or points at a number that no other thread uses, and `buffer` is writable for `*size` bytes unless it is NULL.
pub(crate) unsafe fn give_text(buffer: *mut c_char, size: *mut usize, text: &[u8]) -> Result<()> {
    // SAFETY: the caller vouches for it unless it is null.
    let room = *unsafe { borrowed(size) }?;
    check_room(buffer, room)?;
    let needed = text.len().saturating_add(1);
    // SAFETY: not null, and the caller says that it is a number's place.
    unsafe { size.write(needed) };
    if needed > room {
        return Err(Errno::NOBUFS);
    }
    // SAFETY: there is room for more than the text, so the buffer is not null, and the caller vouches for the rest.
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr().cast::<c_char>(), buffer, text.len());
        buffer.add(text.len()).write(0);
    }
    Ok(())
}

/// The program's NUL-terminated string. Errors: `EFAULT` for NULL.
///
/// # Safety
/// `text` is NULL or a NUL-terminated string that stays unchanged during `'a`.
pub(crate) unsafe fn string<'a>(text: *const c_char) -> Result<&'a CStr> {
    if text.is_null() {
        return Err(Errno::FAULT);
    }
    // SAFETY: not null; the caller vouches for the rest.
    Ok(unsafe { CStr::from_ptr(text) })
}

/// A value on the heap as a handle for the program; [`unboxed`] takes it back. Errors: `ENOMEM`, where `Box::new`
/// would end the process.
pub(crate) fn boxed<T>(value: T) -> Result<*mut T> {
    const { assert!(size_of::<T>() > 0) };
    // SAFETY: not zero-sized, see above.
    let handle = unsafe { alloc(Layout::new::<T>()) }.cast::<T>();
    if handle.is_null() {
        return Err(Errno::NOMEM);
    }
    // SAFETY: freshly allocated for a `T`.
    unsafe { handle.write(value) };
    Ok(handle)
}

/// Takes back what [`boxed`] gave out.
///
/// # Safety
/// `handle` is from `boxed` and is not used any more.
pub(crate) unsafe fn unboxed<T>(handle: *mut T) -> Box<T> {
    // SAFETY: from `boxed`, which allocates as a box does.
    unsafe { Box::from_raw(handle) }
}

/// What an optional handle of the program's points at. Errors: `EFAULT` for NULL.
///
/// # Safety
/// `handle` is NULL or points at a `T` that lives, and is only read, during `'a`.
pub(crate) unsafe fn borrowed<'a, T>(handle: *const T) -> Result<&'a T> {
    // SAFETY: the caller vouches for it unless it is null.
    unsafe { handle.as_ref() }.ok_or(Errno::FAULT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ptr;

    #[test]
    fn a_text_is_given_whole_or_not_at_all() {
        let mut buffer = [1; 4];
        let mut give = |size: Option<&mut usize>, text: &[u8]| {
            let size = size.map_or(ptr::null_mut(), ptr::from_mut);
            // SAFETY: the sizes below are no more than the buffer has.
            let given = unsafe { give_text(buffer.as_mut_ptr(), size, text) };
            (given, buffer)
        };
        let mut size = 4;
        assert_eq!(give(Some(&mut size), b"abcd"), (Err(Errno::NOBUFS), [1; 4]));
        assert_eq!(size, 5);
        size = 4;
        assert_eq!(give(Some(&mut size), b"ab"), (Ok(()), [97, 98, 0, 1]));
        assert_eq!(size, 3);
        assert_eq!(give(None, b"ab").0, Err(Errno::FAULT));
        // SAFETY: null.
        let nowhere = |size: &mut usize| unsafe { give_text(ptr::null_mut(), size, b"ab") };
        assert_eq!(nowhere(&mut size), Err(Errno::FAULT));
        size = 0;
        assert_eq!((nowhere(&mut size), size), (Err(Errno::NOBUFS), 3));
    }

    #[test]
    fn nothing_is_a_buffer_and_null_with_a_length_is_not() {
        // SAFETY: null, empty or readable.
        unsafe {
            assert_eq!(bytes::<u8>(ptr::null(), 0), Ok(&[][..]));
            assert_eq!(bytes::<u8>(ptr::null(), 1), Err(Errno::FAULT));
            assert_eq!(bytes(b"abc".as_ptr(), usize::MAX), Err(Errno::FAULT));
            assert_eq!(bytes(b"abc".as_ptr(), 2), Ok(&b"ab"[..]));
            assert_eq!(string(ptr::null()), Err(Errno::FAULT));
        }
    }
}
