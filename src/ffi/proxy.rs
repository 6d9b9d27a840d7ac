//! `zmq_proxy*`, `zmq_device`.

use super::lockless_wait;
use super::socket::find;
use crate::errno::{Errno, Result};
use crate::poll;
use crate::socket::Handle;
use std::ffi::{c_int, c_void};

/// Forwards messages from `frontend` to `backend` and back until a call fails. Sends a copy of each to `capture`,
/// unless that is NULL. `frontend` and `backend` may be the same socket.
///
/// Returns -1 with errno: `ETERM` when the context was ended; `ENOTSOCK` if a socket is none; `EFAULT` for NULL; `EINTR`, and the
/// errors of sending and receiving.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn zmq_proxy(
    frontend: *mut c_void,
    backend: *mut c_void,
    capture: *mut c_void,
) -> c_int {
    run(frontend, backend, capture, std::ptr::null_mut())
}

/// Forwards as zmq_proxy() does, and obeys commands received from `control`, unless that is NULL: PAUSE, RESUME,
/// TERMINATE and STATISTICS. STATISTICS is answered with eight parts, each a 64-bit number: messages and bytes that the
/// frontend received and sent, then those of the backend. A REP socket answers the other commands with an empty
/// message.
///
/// Returns 0 after TERMINATE, or -1 as zmq_proxy() does.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn zmq_proxy_steerable(
    frontend: *mut c_void,
    backend: *mut c_void,
    capture: *mut c_void,
    control: *mut c_void,
) -> c_int {
    run(frontend, backend, capture, control)
}

/// Older form of zmq_proxy(). The type does not matter.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn zmq_device(r#type: c_int, frontend: *mut c_void, backend: *mut c_void) -> c_int {
    let _ = r#type;
    zmq_proxy(frontend, backend, std::ptr::null_mut())
}

fn run(frontend: *mut c_void, backend: *mut c_void, capture: *mut c_void, control: *mut c_void) -> c_int {
    lockless_wait(|| {
        if frontend.is_null() || backend.is_null() {
            return Err(Errno::FAULT);
        }
        poll::proxy(find(frontend)?, find(backend)?, optional(capture)?, optional(control)?)?;
        Ok(0)
    })
}

fn optional(handle: *mut c_void) -> Result<Option<Handle>> {
    if handle.is_null() { Ok(None) } else { find(handle).map(Some) }
}
