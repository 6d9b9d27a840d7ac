//! A session as other threads reach it.

use super::connection::Connection;
use crate::pipe::{Notify, PipeEvent};
use crate::reactor::Remote;
use crate::sys::lock::Lock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

/// The socket published while we slept.
pub const READABLE: u32 = 1;
/// The socket granted credit while we waited.
pub const WRITABLE: u32 = 2;
/// The socket closed its end of the pipe.
pub const PEER_CLOSED: u32 = 4;
/// The endpoint is to go.
pub const TERMINATE: u32 = 8;

/// What the socket's thread leaves for the session, and the connection while there is one.
#[derive(Default)]
pub struct Shared {
    /// What happened since the session last looked. Others set bits (Release), the session takes them all (Acquire):
    /// what led to a bit is visible to the session when it acts on it.
    flags: AtomicU32,
    /// Set once, by the session itself, before anybody else knows of it.
    remote: OnceLock<Remote>,
    connection: Lock<Option<Arc<Connection>>>,
}

impl Shared {
    pub fn set_remote(&self, remote: Remote) {
        // The first stays: there is only one.
        let _ = self.remote.set(remote);
    }

    /// Leaves a flag and wakes the session.
    pub fn raise(&self, flag: u32) {
        self.flags.fetch_or(flag, Ordering::Release);
        if let Some(remote) = self.remote.get() {
            remote.wake();
        }
    }

    pub fn take_flags(&self) -> u32 {
        self.flags.swap(0, Ordering::Acquire)
    }

    pub fn set_connection(&self, connection: Option<Arc<Connection>>) {
        let old = std::mem::replace(&mut *self.connection.lock(), connection);
        drop(old);
    }

    /// Whether the socket's own thread could send at once.
    fn send_inline(&self) -> bool {
        let connection = self.connection.lock().clone();
        connection.is_some_and(|connection| connection.send_inline())
    }
}

impl Notify for Shared {
    fn notify(&self, event: PipeEvent) {
        match event {
            PipeEvent::Readable if self.send_inline() => {}
            PipeEvent::Readable => self.raise(READABLE),
            PipeEvent::Writable => self.raise(WRITABLE),
            PipeEvent::PeerClosed => self.raise(PEER_CLOSED),
            // Hiccups go from session to socket only.
            PipeEvent::Hiccup(_) => {}
        }
    }
}
