//! `zmq_ferro_keypair`, `zmq_ferro_public_key`, `zmq_ferro_fingerprint`: keys of QZMQ.

use super::{lockless, memory};
use crate::errno::{Errno, Result};
use std::ffi::{c_char, c_int};
use std::ptr;

/// A pair of keys for X-Wing, which is X25519 and ML-KEM-768: for `zmq_ferro_keypair`.
///
/// The public key has 1,525 characters, the secret one 45.
pub const ZMQ_FERRO_XWING: c_int = 0x4600_8001;

/// A pair of keys for ML-KEM-1024 alone: for `zmq_ferro_keypair`.
///
/// The public key has 1,965 characters, the secret one 85.
pub const ZMQ_FERRO_MLKEM1024: c_int = 0x4600_8002;

/// Makes a new key pair of QZMQ, of the kind `ZMQ_FERRO_XWING` or `ZMQ_FERRO_MLKEM1024`.
///
/// The keys are text in Z85 with a NUL behind it. The options `ZMQ_CURVE_SERVERKEY`, `ZMQ_CURVE_PUBLICKEY` and
/// `ZMQ_CURVE_SECRETKEY` take them. Buffers of 2,048 bytes for the public key and 128 for the secret one suffice for each kind.
///
/// Returns 0, or -1 with an errno and neither buffer written to. It is `EINVAL` for another kind or a buffer that is too small, and
/// `EFAULT` for NULL. It is `ENOTSUP` in a library built without QZMQ. Else it is what the system's random generator failed with.
///
/// # Safety
/// `z85_public_key` has room for `public_size` bytes and `z85_secret_key` for `secret_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_ferro_keypair(
    kind: c_int,
    z85_public_key: *mut c_char,
    public_size: usize,
    z85_secret_key: *mut c_char,
    secret_size: usize,
) -> c_int {
    lockless(-1, || {
        if z85_public_key.is_null() || z85_secret_key.is_null() {
            return Err(Errno::FAULT);
        }
        let (public, secret) = text::keypair(kind)?;
        check_size(&public, public_size)?;
        check_size(&secret, secret_size)?;
        // SAFETY: neither is null, both texts fit, and the caller says that there is room.
        unsafe {
            put(z85_public_key, &public);
            put(z85_secret_key, &secret);
        }
        Ok(0)
    })
}

/// Derives the public key of QZMQ from a secret one; both are text in Z85 with a NUL behind it.
///
/// `zmq_curve_public` does not take such keys: the buffers that programs give it have no room for them.
///
/// Returns 0, or -1 with an errno and the buffer not written to. It is `EINVAL` if the text is no secret key of QZMQ or the buffer
/// is too small. It is `EFAULT` for NULL, and `ENOTSUP` in a library built without QZMQ.
///
/// # Safety
/// `z85_public_key` has room for `public_size` bytes; `z85_secret_key` is a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_ferro_public_key(
    z85_public_key: *mut c_char,
    public_size: usize,
    z85_secret_key: *const c_char,
) -> c_int {
    lockless(-1, || {
        if z85_public_key.is_null() {
            return Err(Errno::FAULT);
        }
        // SAFETY: as the caller promises.
        let public = text::public_of(unsafe { memory::string(z85_secret_key) }?.to_bytes())?;
        check_size(&public, public_size)?;
        // SAFETY: not null, the text fits, and the caller says that there is room.
        unsafe { put(z85_public_key, &public) };
        Ok(0)
    })
}

/// Writes the fingerprint of a public key of QZMQ, 40 characters of Z85 with a NUL behind them.
///
/// It stands where CURVE has its 32-byte public key: in the request to the ZAP handler, as the User-Id of messages, and in the
/// certificate files of allowed clients.
///
/// Returns 0, or -1 with an errno. It is `EINVAL` if the text is no public key of QZMQ, `EFAULT` for NULL, `ENOTSUP` in a library
/// built without QZMQ. The buffer is not written to then.
///
/// # Safety
/// `z85_fingerprint` has room for 41 bytes; `z85_public_key` is a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_ferro_fingerprint(
    z85_fingerprint: *mut c_char,
    z85_public_key: *const c_char,
) -> c_int {
    lockless(-1, || {
        if z85_fingerprint.is_null() {
            return Err(Errno::FAULT);
        }
        // SAFETY: as the caller promises.
        let fingerprint = text::fingerprint_of(unsafe { memory::string(z85_public_key) }?.to_bytes())?;
        // SAFETY: not null; 32 bytes make 40 characters, and the caller says that there is room for those and a NUL.
        unsafe { put(z85_fingerprint, &fingerprint) };
        Ok(0)
    })
}

/// Errors: `EINVAL` where the text and a NUL do not fit.
fn check_size(text: &str, size: usize) -> Result<()> {
    if text.len() < size { Ok(()) } else { Err(Errno::INVAL) }
}

/// Writes a text and a NUL.
///
/// # Safety
/// `to` is writable for one byte more than the text has.
unsafe fn put(to: *mut c_char, text: &str) {
    // SAFETY: as the caller promises.
    unsafe {
        ptr::copy_nonoverlapping(text.as_ptr().cast(), to, text.len());
        to.add(text.len()).write(0);
    }
}

/// Keys as text.
#[cfg(feature = "qzmq")]
mod text {
    use super::{ZMQ_FERRO_MLKEM1024, ZMQ_FERRO_XWING};
    use crate::crypto::{KemSecret, KemSuite};
    use crate::errno::{Errno, Result};
    use crate::options::{qzmq_public_key, qzmq_secret_key};
    use crate::z85;
    use std::ffi::c_int;
    use zeroize::Zeroizing;

    type Text = Zeroizing<String>;

    pub fn keypair(kind: c_int) -> Result<(Text, Text)> {
        let suite = match kind {
            ZMQ_FERRO_XWING => KemSuite::XWing,
            ZMQ_FERRO_MLKEM1024 => KemSuite::MlKem1024,
            _ => return Err(Errno::INVAL),
        };
        let secret = KemSecret::generate(suite)?;
        Ok((z85::encode(&secret.public().tagged())?, z85::encode(&secret.tagged())?))
    }

    pub fn public_of(secret: &[u8]) -> Result<Text> {
        let secret = qzmq_secret_key(secret)?.ok_or(Errno::INVAL)?;
        z85::encode(&secret.public().tagged())
    }

    pub fn fingerprint_of(public: &[u8]) -> Result<Text> {
        z85::encode(&qzmq_public_key(public)?.ok_or(Errno::INVAL)?.fingerprint())
    }
}

/// A library without QZMQ.
#[cfg(not(feature = "qzmq"))]
mod text {
    use crate::errno::{Errno, Result};
    use std::ffi::c_int;

    pub fn keypair(_: c_int) -> Result<(String, String)> {
        Err(Errno::NOTSUP)
    }

    pub fn public_of(_: &[u8]) -> Result<String> {
        Err(Errno::NOTSUP)
    }

    pub fn fingerprint_of(_: &[u8]) -> Result<String> {
        Err(Errno::NOTSUP)
    }
}

#[cfg(all(test, feature = "qzmq"))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::crypto::KemPublic;
    use crate::ffi::zmq_errno;
    use crate::z85;
    use std::ffi::CStr;

    const ROOM: usize = 2048;

    fn keypair(kind: c_int, public_size: usize, secret_size: usize) -> (c_int, [u8; ROOM], [u8; ROOM]) {
        let (mut public, mut secret) = ([0x55; ROOM], [0x55; ROOM]);
        // SAFETY: there is at least that much room.
        let outcome = unsafe {
            zmq_ferro_keypair(
                kind,
                public.as_mut_ptr().cast(),
                public_size,
                secret.as_mut_ptr().cast(),
                secret_size,
            )
        };
        (outcome, public, secret)
    }

    fn text(room: &[u8]) -> &CStr {
        CStr::from_bytes_until_nul(room).unwrap()
    }

    #[test]
    fn a_fresh_pair_belongs_together() {
        for (kind, public_len, secret_len) in [(ZMQ_FERRO_XWING, 1525, 45), (ZMQ_FERRO_MLKEM1024, 1965, 85)] {
            let (outcome, public, secret) = keypair(kind, public_len + 1, secret_len + 1);
            assert_eq!(outcome, 0);
            assert_eq!((text(&public).count_bytes(), text(&secret).count_bytes()), (public_len, secret_len));
            assert_eq!((public[public_len + 1], secret[secret_len + 1]), (0x55, 0x55));
            let mut derived = [0x55; ROOM];
            // SAFETY: there is as much room, and the text ends.
            let outcome = unsafe {
                zmq_ferro_public_key(derived.as_mut_ptr().cast(), public_len + 1, secret.as_ptr().cast())
            };
            assert_eq!((outcome, &derived[..]), (0, &public[..]));
            let mut fingerprint = [0x55; 42];
            // SAFETY: there is room for 41 bytes, and the text ends.
            let outcome =
                unsafe { zmq_ferro_fingerprint(fingerprint.as_mut_ptr().cast(), public.as_ptr().cast()) };
            let key = KemPublic::from_tagged(&z85::decode(text(&public).to_bytes()).unwrap()).unwrap();
            assert_eq!((outcome, fingerprint[40], fingerprint[41]), (0, 0, 0x55));
            assert_eq!(text(&fingerprint).to_bytes(), z85::encode(&key.fingerprint()).unwrap().as_bytes());
        }
    }

    #[test]
    fn small_buffers_and_other_kinds_are_refused_and_nothing_is_written() {
        for (kind, public_size, secret_size) in [
            (ZMQ_FERRO_XWING, 1525, 46),
            (ZMQ_FERRO_XWING, 1526, 45),
            (ZMQ_FERRO_XWING, 0, 0),
            (ZMQ_FERRO_MLKEM1024, 1526, 86),
            (0, ROOM, ROOM),
            (3, ROOM, ROOM),
            (1, ROOM, ROOM),
            (ZMQ_FERRO_MLKEM1024 + 1, ROOM, ROOM),
            (-1, ROOM, ROOM),
        ] {
            assert_eq!(keypair(kind, public_size, secret_size), (-1, [0x55; ROOM], [0x55; ROOM]));
            assert_eq!(zmq_errno(), libc::EINVAL);
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let (_, public, secret) = keypair(ZMQ_FERRO_XWING, ROOM, ROOM);
        let curve = c"D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";
        let mut room = [0x55; ROOM];
        let to = room.as_mut_ptr().cast();
        for wrong in [c"", c"HelloWorld", curve, text(&public)] {
            // SAFETY: there is as much room, and the text ends.
            assert_eq!(unsafe { zmq_ferro_public_key(to, ROOM, wrong.as_ptr()) }, -1);
            assert_eq!(zmq_errno(), libc::EINVAL);
        }
        for wrong in [c"", c"HelloWorld", curve, text(&secret)] {
            // SAFETY: there is room for 41 bytes, and the text ends.
            assert_eq!(unsafe { zmq_ferro_fingerprint(to, wrong.as_ptr()) }, -1);
            assert_eq!(zmq_errno(), libc::EINVAL);
        }
        // SAFETY: NULL, or as much room, and texts that end.
        let outcomes = unsafe {
            [
                zmq_ferro_keypair(ZMQ_FERRO_XWING, ptr::null_mut(), ROOM, to, ROOM),
                zmq_ferro_keypair(ZMQ_FERRO_XWING, to, ROOM, ptr::null_mut(), ROOM),
                zmq_ferro_public_key(ptr::null_mut(), ROOM, secret.as_ptr().cast()),
                zmq_ferro_public_key(to, ROOM, ptr::null()),
                zmq_ferro_fingerprint(ptr::null_mut(), public.as_ptr().cast()),
                zmq_ferro_fingerprint(to, ptr::null()),
            ]
        };
        assert_eq!((outcomes, zmq_errno()), ([-1; 6], libc::EFAULT));
        assert_eq!(room, [0x55; ROOM]);
    }
}
