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
/// `size` is NULL, or if `buffer` is NULL and `*size` is not 0; `ETERM` for a context from before a fork.
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
        unsafe { memory::give_text(buffer, size, text.as_bytes()) }?;
        Ok(0)
    })
}

fn text_of(context: *mut c_void) -> Result<String> {
    let number = match context.is_null() {
        true => None,
        false => Some(contexts::find(context.addr())?.number()),
    };
    Ok(json::of_snapshot(&Snapshot::take(number)))
}
