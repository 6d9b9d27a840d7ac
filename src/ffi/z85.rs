//! `zmq_z85_encode`, `zmq_z85_decode`.

use super::{memory, pointer};
use crate::errno::{Errno, Result};
use crate::z85;
use std::ffi::c_char;
use std::ptr;
use zeroize::Zeroizing;

/// Bytes that are coded at a time: a multiple of 4 and of 5.
const BLOCK_BYTES: usize = 1000;

/// Writes `size` bytes of `data` as Z85 text to `dest`, which needs room for size * 5 / 4 characters and a NUL.
///
/// Returns `dest`, or NULL with errno `EINVAL` if `size` is not a multiple of 4 (`EFAULT` for NULL pointers).
///
/// # Safety
/// `data` is readable for `size` bytes and `dest` writable for size * 5 / 4 + 1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_z85_encode(dest: *mut c_char, data: *const u8, size: usize) -> *mut c_char {
    pointer(|| {
        let len = z85::encoded_len(size)?;
        if dest.is_null() || (data.is_null() && size > 0) {
            return Err(Errno::FAULT);
        }
        // SAFETY: as the caller promises, none of them null.
        unsafe {
            by_blocks(data, size, dest.cast(), |block| {
                z85::encode(block).map(|text| Zeroizing::new(text.as_bytes().to_vec()))
            })?;
            dest.add(len).write(0);
        }
        Ok(dest)
    })
}

/// Writes the bytes that the Z85 text `string` stands for to `dest`, which needs room for strlen(string) * 4 / 5 bytes.
///
/// Returns `dest`, or NULL with errno: `EINVAL` if the text's length is 0 or not a multiple of 5, or if it is no Z85; `EFAULT`
/// for NULL pointers. What `dest` holds then is undefined.
///
/// # Safety
/// `string` is a NUL-terminated string and `dest` writable for strlen(string) * 4 / 5 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_z85_decode(dest: *mut u8, string: *const c_char) -> *mut u8 {
    pointer(|| {
        // SAFETY: as the caller promises.
        let len = unsafe { memory::string(string) }?.count_bytes();
        z85::decoded_len(len)?;
        if dest.is_null() {
            return Err(Errno::FAULT);
        }
        // SAFETY: as the caller promises, none of them null.
        unsafe { by_blocks(string.cast(), len, dest, z85::decode) }?;
        Ok(dest)
    })
}

/// Codes a block at a time, so that neither a large text nor one that is coded in place needs memory of its own.
///
/// # Safety
/// `from` is readable for `len` bytes, `to` writable for all that `code` makes of them.
unsafe fn by_blocks(
    from: *const u8,
    len: usize,
    mut to: *mut u8,
    code: impl Fn(&[u8]) -> Result<Zeroizing<Vec<u8>>>,
) -> Result<()> {
    let mut block = Zeroizing::new([0; BLOCK_BYTES]);
    for start in (0..len).step_by(BLOCK_BYTES) {
        let now = BLOCK_BYTES.min(len - start);
        // Copied out first: were `from` borrowed as a slice, `to` could not lie over it.
        // SAFETY: `start + now` is at most `len`; `now` is at most the block's size.
        unsafe { ptr::copy(from.add(start), block.as_mut_ptr(), now) };
        let coded = code(block.get(..now).unwrap_or_default())?;
        // SAFETY: the caller says that there is room for all of it.
        unsafe {
            ptr::copy(coded.as_ptr(), to, coded.len());
            to = to.add(coded.len());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::zmq_errno;
    use std::ffi::CStr;

    #[test]
    fn more_than_a_block_there_and_back() {
        let data: Vec<u8> = (0..3204u32).map(|i| (i % 251) as u8).collect();
        let mut text = vec![0x55; 3204 / 4 * 5 + 2];
        let mut back = vec![0x55; 3205];
        // SAFETY: enough room everywhere.
        unsafe {
            assert_eq!(
                zmq_z85_encode(text.as_mut_ptr().cast(), data.as_ptr(), data.len()),
                text.as_mut_ptr().cast()
            );
            assert_eq!(zmq_z85_decode(back.as_mut_ptr(), text.as_ptr().cast()), back.as_mut_ptr());
            assert_eq!((&back[..3204], back[3204]), (&data[..], 0x55));
            assert_eq!((text[4005], text[4006]), (0, 0x55));
            // In place.
            assert!(!zmq_z85_decode(text.as_mut_ptr(), text.as_ptr().cast()).is_null());
            assert_eq!(text[..3204], data);
        }
    }

    #[test]
    fn errors() {
        let mut room = [0u8; 32];
        let at = room.as_mut_ptr();
        // SAFETY: enough room or NULL.
        unsafe {
            assert!(zmq_z85_encode(ptr::null_mut(), ptr::null(), 42).is_null());
            assert_eq!(zmq_errno(), libc::EINVAL);
            assert!(zmq_z85_encode(ptr::null_mut(), ptr::null(), 4).is_null());
            assert_eq!(zmq_errno(), libc::EFAULT);
            assert!(!zmq_z85_encode(at.cast(), ptr::null(), 0).is_null());
            assert_eq!(CStr::from_ptr(at.cast()), c"");
            for text in [c"", c"0", c"012345678", c"#####", c"%nSc1"] {
                assert!(zmq_z85_decode(at, text.as_ptr()).is_null());
                assert_eq!(zmq_errno(), libc::EINVAL);
            }
            assert!(zmq_z85_decode(at, ptr::null()).is_null());
            assert_eq!(zmq_errno(), libc::EFAULT);
        }
    }
}
