//! `zmq_curve_keypair`, `zmq_curve_public`.

use super::{lockless, memory};
use crate::crypto::{KEY_BYTES, SecretKey, keys};
use crate::errno::{Errno, Result};
use crate::z85;
use std::ffi::{c_char, c_int};
use std::ptr;

/// Characters of a key.
const KEY_TEXT_CHARS: usize = KEY_BYTES / 4 * 5;

/// Makes a new CURVE key pair. The public and the secret key are 40 characters of Z85 and a NUL each.
///
/// Returns 0, or -1 with errno `EFAULT` for NULL, or what the system's random generator failed with; neither buffer
/// is written to then.
///
/// # Safety
/// Both pointers have room for 41 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_curve_keypair(
    z85_public_key: *mut c_char,
    z85_secret_key: *mut c_char,
) -> c_int {
    lockless(-1, || {
        if z85_public_key.is_null() || z85_secret_key.is_null() {
            return Err(Errno::FAULT);
        }
        let (public, secret) = keys::keypair()?;
        // SAFETY: neither is null, and the caller says that there is room.
        unsafe {
            put(z85_public_key, public.as_bytes())?;
            put(z85_secret_key, secret.as_bytes())?;
        }
        Ok(0)
    })
}

/// Derives the public CURVE key from a secret one; both are 40 characters of Z85 and a NUL.
///
/// Returns 0, or -1 with errno `EINVAL` if the secret key is anything but 40 characters of Z85, `EFAULT` for NULL; the
/// buffer is not written to then.
///
/// # Safety
/// `z85_public_key` has room for 41 bytes; `z85_secret_key` is a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_curve_public(
    z85_public_key: *mut c_char,
    z85_secret_key: *const c_char,
) -> c_int {
    lockless(-1, || {
        if z85_public_key.is_null() {
            return Err(Errno::FAULT);
        }
        // SAFETY: as the caller promises.
        let text = unsafe { memory::string(z85_secret_key) }?.to_bytes();
        // libzmq takes any length that Z85 has, and reads or writes past its own 32 bytes for all but this one.
        if text.len() != KEY_TEXT_CHARS {
            return Err(Errno::INVAL);
        }
        let secret = z85::decode(text)?;
        let secret = SecretKey::from_bytes(secret.first_chunk().ok_or(Errno::INVAL)?);
        // SAFETY: not null, and the caller says that there is room.
        unsafe { put(z85_public_key, secret.public().as_bytes()) }?;
        Ok(0)
    })
}

/// Writes a key's text and a NUL.
///
/// # Safety
/// `to` is writable for 41 bytes.
unsafe fn put(to: *mut c_char, key: &[u8; KEY_BYTES]) -> Result<()> {
    let text = z85::encode(key)?;
    // SAFETY: 32 bytes make 40 characters, and there is room for those and a NUL.
    unsafe {
        ptr::copy_nonoverlapping(text.as_ptr().cast(), to, text.len());
        to.add(text.len()).write(0);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::zmq_errno;
    use std::ffi::CStr;

    /// The pair of zmq_curve(7).
    const PUBLIC: &CStr = c"Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
    const SECRET: &CStr = c"D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";

    fn public_of(secret: *const c_char) -> (c_int, Vec<u8>) {
        let mut room = [0x55u8; 42];
        // SAFETY: room for 41 bytes, and a string or NULL.
        let outcome = unsafe { zmq_curve_public(room.as_mut_ptr().cast(), secret) };
        assert_eq!(room[41], 0x55);
        (outcome, room[..41].to_vec())
    }

    #[test]
    fn the_pair_of_the_manual() {
        assert_eq!(public_of(SECRET.as_ptr()), (0, PUBLIC.to_bytes_with_nul().to_vec()));
    }

    #[test]
    fn a_fresh_pair_belongs_together() {
        let (mut public, mut secret) = ([0x55u8; 42], [0x55u8; 42]);
        // SAFETY: room for 41 bytes each.
        let outcome = unsafe { zmq_curve_keypair(public.as_mut_ptr().cast(), secret.as_mut_ptr().cast()) };
        assert_eq!((outcome, public[40], secret[40], public[41], secret[41]), (0, 0, 0, 0x55, 0x55));
        assert_ne!(public, secret);
        assert_eq!(public_of(secret.as_ptr().cast()), (0, public[..41].to_vec()));
    }

    #[test]
    fn public_key_of_a_malformed_secret_key_is_refused() {
        let long = [b'0'; 45];
        let longer = [&long[..], &long[..35], b"\0"].concat();
        let texts = [
            c"",
            c"42",
            c"HelloWorld",
            c"0123456789012345678901234567890123456789.",
            c"D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%c\"",
            c"#####000000000000000000000000000000000000",
            c"#####00000000000000000000000000000000000",
        ];
        let texts = texts.iter().map(|text| text.as_ptr());
        for text in texts.chain([longer.as_ptr().cast()]) {
            assert_eq!(public_of(text), (-1, vec![0x55; 41]));
            assert_eq!(zmq_errno(), libc::EINVAL);
        }
    }

    #[test]
    fn null() {
        let mut room = [0u8; 41];
        let at = room.as_mut_ptr().cast();
        // SAFETY: NULL, or room for 41 bytes.
        let outcomes = unsafe {
            [
                zmq_curve_keypair(ptr::null_mut(), at),
                zmq_curve_keypair(at, ptr::null_mut()),
                zmq_curve_public(ptr::null_mut(), SECRET.as_ptr()),
                zmq_curve_public(at, ptr::null()),
            ]
        };
        assert_eq!(outcomes, [-1; 4]);
        assert_eq!(zmq_errno(), libc::EFAULT);
        assert_eq!(room, [0; 41]);
    }
}
