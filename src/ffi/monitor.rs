//! `zmq_socket_monitor*`.

use super::constants::ZMQ_PAIR;
use super::int;
use super::socket::{endpoint, find};
use crate::errno::Result;
use std::ffi::{c_char, c_int, c_void};

/// Monitors `socket`: binds a PAIR socket to `addr` (`inproc://...`) that sends its events. `events` is a sum of
/// `ZMQ_EVENT_...`. NULL for `addr` ends the monitor.
///
/// Returns 0, or -1 with errno `EINVAL`, `EPROTONOSUPPORT` for other transports, `EADDRINUSE`, `ETERM`, `ENOTSOCK`.
///
/// # Safety
/// `addr` is NULL or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_socket_monitor(
    socket: *mut c_void,
    addr: *const c_char,
    events: c_int,
) -> c_int {
    // As C converts: a negative number becomes events that version 1 has not.
    // SAFETY: as the caller promises.
    int(|| unsafe { monitor(socket, addr, events as u64, 1, ZMQ_PAIR) })
}

/// Monitors `socket` as zmq_socket_monitor() does, with more events, messages of `event_version`, and a socket of
/// `type_` (`ZMQ_PAIR`, `ZMQ_PUB` or `ZMQ_PUSH`).
///
/// Returns 0, or -1 with errno `EINVAL`, `EPROTONOSUPPORT` for other transports, `EADDRINUSE`, `ETERM`, `ENOTSOCK`.
///
/// # Safety
/// `addr` is NULL or a string.
#[cfg(zmq_draft)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_socket_monitor_versioned(
    socket: *mut c_void,
    addr: *const c_char,
    events: u64,
    event_version: c_int,
    r#type: c_int,
) -> c_int {
    // SAFETY: as the caller promises.
    int(|| unsafe { monitor(socket, addr, events, event_version, r#type) })
}

/// Makes the monitor of a socket send `ZMQ_EVENT_PIPES_STATS` for each peer: how many messages wait for the peer, and
/// how many of the peer's wait to be received.
///
/// Returns 0, or -1 with errno `EINVAL` if no monitor wants that event, `EAGAIN` if there is no peer, `ENOTSOCK`.
#[cfg(zmq_draft)]
#[unsafe(no_mangle)]
pub extern "C" fn zmq_socket_monitor_pipes_stats(socket: *mut c_void) -> c_int {
    int(|| find(socket)?.report_pipes().map(|()| 0))
}

/// # Safety
/// `addr` is NULL or a string.
unsafe fn monitor(
    socket: *mut c_void,
    addr: *const c_char,
    events: u64,
    version: c_int,
    socket_type: c_int,
) -> Result<c_int> {
    let socket = find(socket)?;
    // SAFETY: as the caller promises.
    let addr = if addr.is_null() { None } else { Some(unsafe { endpoint(addr) }?) };
    socket.monitor(addr, events, version, socket_type)?;
    Ok(0)
}
