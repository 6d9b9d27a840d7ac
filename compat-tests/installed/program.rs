//! A Rust program that calls the C library.

use std::ffi::{CStr, c_char, c_int, c_void};

unsafe extern "C" {
    fn zmq_ctx_new() -> *mut c_void;
    fn zmq_ctx_term(context: *mut c_void) -> c_int;
    fn zmq_socket(context: *mut c_void, kind: c_int) -> *mut c_void;
    fn zmq_close(socket: *mut c_void) -> c_int;
    fn zmq_bind(socket: *mut c_void, endpoint: *const c_char) -> c_int;
}

fn main() {
    const ENDPOINT: &CStr = c"tcp://127.0.0.1:*";
    // SAFETY: handles from the library itself, each used until it is closed.
    let failed = unsafe {
        let context = zmq_ctx_new();
        let socket = zmq_socket(context, 0);
        zmq_bind(socket, ENDPOINT.as_ptr()) | zmq_close(socket) | zmq_ctx_term(context)
    };
    let caught = std::panic::catch_unwind(|| assert!(std::env::args().count() > 1)).is_err();
    std::process::exit(failed | i32::from(!caught));
}
