//! `zmq_ferro_stats`.

use super::{int, memory};
use crate::counters::{Snapshot, json};
use crate::ctx::contexts;
use crate::errno::Result;
use std::ffi::{c_char, c_int, c_void};

/// Writes what the sockets of a context have counted to `buffer`, as one JSON text that ends in a NUL: messages and bytes each way,
/// messages dropped by reason, what is queued, handshakes, and the same for each connection. With NULL for `context` they are all
/// sockets of the process. Any thread may call it, at any time.
///
/// `size` points at the bytes that there is room for at `buffer`, and gets the bytes that the text takes, with the NUL. A text
/// that does not fit is not written. Ask with a size of 0, and allow for some more: the next text may be longer.
///
/// Returns 0, or -1 with errno: `ENOBUFS` if the text does not fit, and `*size` says what it takes; `EFAULT` if `context` is none, if
/// `size` is NULL, or if `buffer` is NULL and `*size` is not 0; `ETERM` for a context from before a fork; `ENOMEM`.
///
/// # Safety
/// `size` is NULL or points at a number, and `buffer` is writable for `*size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_ferro_stats(
    context: *mut c_void,
    buffer: *mut c_char,
    size: *mut usize,
) -> c_int {
    int(|| {
        let text = text_of(context)?;
        // SAFETY: as the caller promises.
        unsafe { memory::give_text(buffer, size, &text) }?;
        Ok(0)
    })
}

fn text_of(context: *mut c_void) -> Result<Vec<u8>> {
    let number = match context.is_null() {
        true => None,
        false => Some(contexts::find(context.addr())?.number()),
    };
    json::of_snapshot(&Snapshot::take(number)?)
}

#[cfg(all(test, feature = "reserve", not(loom)))]
mod tests {
    use super::*;
    use crate::counters::{ConnectionRecord, ContextRecord, SocketRecord};
    use crate::ffi::zmq_errno;
    use crate::sys::fork;
    use crate::sys::memory::tests::Shortage;
    use std::ptr;

    /// Their text is larger than 4 MiB, the largest piece that the library has in reserve.
    const CONNECTIONS: usize = 10_000;
    /// Pieces of which the system has some left.
    const SMALL_BYTES: usize = 1 << 16;

    #[test]
    #[cfg(all(target_os = "linux", feature = "reserve"))]
    fn counts_of_many_peers_fail_where_memory_is_refused_and_end_no_process() {
        let code = fork::tests::child(|| {
            let context = ContextRecord::begin();
            let socket = SocketRecord::of(&context, "ROUTER");
            let connections: Vec<_> =
                (0..CONNECTIONS).map(|_| ConnectionRecord::of(&socket, |_| {})).collect();
            let mut size = 0;
            // SAFETY: no buffer for no bytes, and a number.
            let mut ask = || unsafe {
                let outcome = zmq_ferro_stats(ptr::null_mut(), ptr::null_mut(), &raw mut size);
                (outcome, zmq_errno())
            };
            let shortage = Shortage::begin(SMALL_BYTES);
            let refused = ask();
            drop(shortage);
            let given = ask();
            drop(connections);
            match (refused, given, size) {
                ((-1, libc::ENOMEM), (-1, libc::ENOBUFS), 4_500_000..) => 0,
                ((-1, libc::ENOMEM), ..) => 1,
                _ => 2,
            }
        });
        assert_eq!(code, 0);
    }
}
