//! `zmq_curve_keypair`, `zmq_curve_public`.

use super::int;
use crate::errno::Errno;
use std::ffi::{c_char, c_int};

/// Makes a fresh CURVE key pair: the public and the secret key as 40 characters of Z85 and a NUL each.
///
/// Returns 0, or -1 with errno `ENOTSUP`: this build has no CURVE (see zmq_has()).
///
/// # Safety
/// Both pointers have room for 41 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_curve_keypair(
    z85_public_key: *mut c_char,
    z85_secret_key: *mut c_char,
) -> c_int {
    let _ = (z85_public_key, z85_secret_key);
    int(|| Err(Errno::NOTSUP))
}

/// Derives the public CURVE key from a secret one; both are 40 characters of Z85 and a NUL.
///
/// Returns 0, or -1 with errno `ENOTSUP`: this build has no CURVE (see zmq_has()).
///
/// # Safety
/// `z85_public_key` has room for 41 bytes; `z85_secret_key` is a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_curve_public(
    z85_public_key: *mut c_char,
    z85_secret_key: *const c_char,
) -> c_int {
    let _ = (z85_public_key, z85_secret_key);
    int(|| Err(Errno::NOTSUP))
}
