//! USDT probes of the provider `ferrozmq`: places in the library at which a tracer (bpftrace, perf, SystemTap, gdb) can attach.
//!
//! A probe is one instruction that does nothing. A note in the ELF file says where it is, and in which registers its arguments lie. So a call of one of these functions costs no more than having the arguments at hand. The page
//! `docs/observability.md` has a line of bpftrace for each, and a test compares the two and the notes.
//!
//! A text is an address and a length, as bpftrace's `str()` takes it.

use probe::probe;

/// A frame was taken by a socket. `socket` is its address as the program knows it.
#[inline(always)]
pub fn send(socket: usize, bytes: usize) {
    probe!(ferrozmq, send, socket, bytes);
}

/// A frame is handed to the program.
#[inline(always)]
pub fn receive(socket: usize, bytes: usize) {
    probe!(ferrozmq, receive, socket, bytes);
}

/// Messages are lost. `socket` is the number that the counters have for it; `reason` is their name for that.
///
/// It stands in one place. The linker takes out functions that nothing calls, and leaves the notes of copies in them: bpftrace would attach
/// to none where one has an address that does not exist.
#[inline(never)]
pub fn drop(socket: u64, reason: &str, messages: u64) {
    probe!(ferrozmq, drop, socket, reason.as_ptr(), reason.len(), messages);
}

/// A stream is connected to the peer, or was accepted from it.
pub fn connect(peer: &str, fd: i32) {
    probe!(ferrozmq, connect, peer.as_ptr(), peer.len(), fd);
}

/// A connection has ended. `why`: 0 if this side has closed it, an errno, or a `ZMQ_PROTOCOL_ERROR_*`.
pub fn disconnect(peer: &str, why: i32) {
    probe!(ferrozmq, disconnect, peer.as_ptr(), peer.len(), why);
}

/// A handshake is over, which has taken `micros` microseconds. `why`: 0 if it has succeeded, an authenticator's status, an errno, or a
/// `ZMQ_PROTOCOL_ERROR_*`.
pub fn handshake(peer: &str, why: i32, micros: u64) {
    probe!(ferrozmq, handshake, peer.as_ptr(), peer.len(), why, micros);
}

/// The keys of a server's endpoint have changed. `added`: whether clients that know another key get in from now on; else some
/// that did do not any more.
pub fn key_update(endpoint: &str, added: bool) {
    probe!(ferrozmq, key_update, endpoint.as_ptr(), endpoint.len(), added);
}
