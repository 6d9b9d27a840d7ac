//! `zmq_version`, `zmq_has`.

use super::{lockless, memory};
use std::ffi::{CStr, c_char, c_int};

/// The environment variable that, set to 0, has [`zmq_has`] deny the draft interface. For programs that were compiled without it
/// and ask the library alone.
const DRAFTS_VARIABLE: &str = "FERROZMQ_DRAFTS";

/// The version of libzmq that this library stands in for.
pub const ZMQ_VERSION_MAJOR: c_int = 4;
pub const ZMQ_VERSION_MINOR: c_int = 3;
pub const ZMQ_VERSION_PATCH: c_int = 5;

/// A note in the library's file, and in every program that the static library is linked into. A reader of the file knows our
/// library by it, as the symbols are those of every libzmq. Linkers keep notes, though no code refers to them.
#[cfg(target_os = "linux")]
#[used]
#[unsafe(link_section = ".note.ferrozmq")]
static NOTE: Note = Note::new();

/// An ELF note whose text is the version of this crate.
#[cfg(target_os = "linux")]
#[repr(C, align(4))]
struct Note {
    name_len: u32,
    text_len: u32,
    kind: u32,
    name: [u8; 12],
    text: [u8; NOTE_TEXT_BYTES],
}

#[cfg(target_os = "linux")]
const NOTE_TEXT_BYTES: usize = 32;

#[cfg(target_os = "linux")]
impl Note {
    const fn new() -> Note {
        let version = env!("CARGO_PKG_VERSION").as_bytes();
        let mut text = [0; NOTE_TEXT_BYTES];
        // The compiler complains of a version that leaves no room for a NUL.
        text[version.len()] = 0;
        let mut at = 0;
        while at != version.len() {
            text[at] = version[at];
            at += 1;
        }
        let name_len = "ferrozmq\0".len() as u32;
        Note { name_len, text_len: NOTE_TEXT_BYTES as u32, kind: 1, name: *b"ferrozmq\0\0\0\0", text }
    }
}

/// The capabilities of this build, by the names that `zmq_has` knows; it denies all others. libzmq has the WebSocket transports
/// in upper case only; programs ask in lower case. It has no `tls`.
const CAPABILITIES: &[(&CStr, bool)] = &[
    (c"ipc", true),
    (c"curve", true),
    (c"qzmq", cfg!(feature = "qzmq")),
    (c"gssapi", cfg!(feature = "gssapi")),
    (c"pgm", cfg!(feature = "pgm")),
    (c"norm", cfg!(feature = "norm")),
    (c"tipc", true),
    (c"vmci", false),
    (c"vsock", true),
    (c"WS", true),
    (c"ws", true),
    (c"WSS", true),
    (c"wss", true),
    (c"tls", true),
    (c"draft", cfg!(zmq_draft)),
];

/// Writes the version of libzmq that the library stands in for: three numbers, each unless its pointer is NULL.
///
/// # Safety
/// Each pointer is NULL or points at an int.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_version(major: *mut c_int, minor: *mut c_int, patch: *mut c_int) {
    for (to, number) in [(major, ZMQ_VERSION_MAJOR), (minor, ZMQ_VERSION_MINOR), (patch, ZMQ_VERSION_PATCH)] {
        if !to.is_null() {
            // SAFETY: not null, so an int of the caller's.
            unsafe { to.write(number) };
        }
    }
}

/// Returns 1 if the library has a capability, else 0.
///
/// Names: "ipc", "pgm", "tipc", "norm", "vmci", "vsock", "WS", "WSS", "tls" (transports), "curve", "qzmq", "gssapi" (security
/// mechanisms), "draft" (the draft API; not where the environment has `FERROZMQ_DRAFTS=0`).
///
/// # Safety
/// `capability` is NULL or a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_has(capability: *const c_char) -> c_int {
    lockless(0, || {
        // SAFETY: as the caller promises.
        let capability = unsafe { memory::string(capability) }?;
        let is_here = CAPABILITIES.iter().any(|&(name, here)| here && name == capability);
        Ok((is_here && !(capability == c"draft" && are_drafts_hidden())).into())
    })
}

fn are_drafts_hidden() -> bool {
    std::env::var_os(DRAFTS_VARIABLE).is_some_and(|value| value == "0")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::ptr;

    #[test]
    fn version() {
        let (mut major, mut patch) = (0, 0);
        // SAFETY: ints or NULL.
        unsafe { zmq_version(&raw mut major, ptr::null_mut(), &raw mut patch) };
        assert_eq!((major, patch), (4, 5));
    }

    #[test]
    fn capabilities() {
        // SAFETY: strings or NULL.
        unsafe {
            assert_eq!(zmq_has(c"ipc".as_ptr()), 1);
            assert_eq!(zmq_has(c"tls".as_ptr()), 1);
            assert_eq!(zmq_has(c"qzmq".as_ptr()), c_int::from(cfg!(feature = "qzmq")));
            assert_eq!(zmq_has(c"norm".as_ptr()), c_int::from(cfg!(feature = "norm")));
            assert_eq!(zmq_has(c"pgm".as_ptr()), c_int::from(cfg!(feature = "pgm")));
            for not in [c"IPC", c"vmci", c"", c"nonsense"] {
                assert_eq!(zmq_has(not.as_ptr()), 0, "{not:?}");
            }
            assert_eq!(zmq_has(ptr::null()), 0);
        }
    }

    #[test]
    #[ignore = "run by the test below"]
    fn without_drafts() {
        // SAFETY: strings.
        unsafe {
            assert_eq!(zmq_has(c"draft".as_ptr()), 0);
            assert_eq!(zmq_has(c"curve".as_ptr()), 1);
        }
    }

    #[test]
    fn drafts_are_hidden_where_the_environment_says_so() {
        let test = "ffi::version::tests::without_drafts";
        for (value, hides) in [("0", true), ("1", !cfg!(zmq_draft)), ("", !cfg!(zmq_draft))] {
            let program = std::env::current_exe().unwrap();
            let child = std::process::Command::new(program)
                .args([test, "--exact", "--ignored"])
                .env(DRAFTS_VARIABLE, value)
                .output()
                .unwrap();
            assert_eq!(child.status.success(), hides, "{value:?}");
        }
    }
}
