//! A session as other threads reach it.

use crate::pipe::{Notify, PipeEvent};
use crate::reactor::Remote;
use crate::session::connection::Connection;
use crate::session::connection::recv::RecvHalf;
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
/// The authenticator has answered.
pub const ZAP: u32 = 16;
/// The endpoint goes because the program has disconnected it.
pub const DISCONNECT: u32 = 64;

/// The handshake is to end, to make room for others.
pub const MAKE_ROOM: u32 = 32;

/// What the socket's thread leaves for the session, and the connection while there is one.
#[derive(Default)]
pub struct Shared {
    /// What happened since the session last looked. Others set bits (Release), the session takes them all (Acquire):
    /// what led to a bit is visible to the session when it acts on it.
    flags: AtomicU32,
    /// Set once, by the session itself, before anybody else knows of it.
    remote: OnceLock<Remote>,
    connection: Lock<Option<Arc<Connection>>>,
    /// How many pipes the session has had; with `ZMQ_IMMEDIATE` each connection brings its own. Written by the
    /// session before a pipe is known to anybody, compared on the socket's thread with the number that the pipe's
    /// end carries; Relaxed, since a pipe that is handed over carries its own edge.
    pipes: AtomicU32,
}

/// The session's end of one of its pipes, as the socket sees it.
pub struct SessionEnd {
    shared: Arc<Shared>,
    number: u32,
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

    /// Leaves word for whenever the session is woken next.
    pub fn note_disconnect(&self) {
        self.flags.fetch_or(DISCONNECT, Ordering::Release);
    }

    pub fn take_flags(&self) -> u32 {
        self.flags.swap(0, Ordering::Acquire)
    }

    pub fn set_connection(&self, connection: Arc<Connection>) {
        let old = self.connection.lock().replace(connection);
        drop(old);
    }

    /// The program's threads find no connection any more.
    pub fn take_connection(&self) -> Option<Arc<Connection>> {
        self.connection.lock().take()
    }

    /// Ends the session; nothing that the peer has sent reaches the socket once this returns, but for what has
    /// already.
    pub fn terminate(&self) {
        let connection = self.connection.lock().clone();
        if let Some(connection) = connection {
            connection.with_recv(RecvHalf::stop);
            // A thread that waits for the stream would find something there, again and again.
            connection.recall();
        }
        self.raise(TERMINATE);
    }

    /// The pipe there was is no longer the session's: what becomes of it does not matter.
    pub fn forget_pipe(&self) {
        self.pipes.fetch_add(1, Ordering::Relaxed);
    }

    /// The owner of the next pipe's end.
    pub fn next_end(self: &Arc<Self>) -> Arc<SessionEnd> {
        let number = self.pipes.fetch_add(1, Ordering::Relaxed) + 1;
        Arc::new(SessionEnd { shared: Arc::clone(self), number })
    }

    /// Whether the socket's own thread could send at once.
    fn send_inline(&self) -> bool {
        let connection = self.connection.lock().clone();
        connection.is_some_and(|connection| connection.send_inline())
    }

    /// Whether the socket's own thread could receive at once.
    fn receive_inline(&self) -> bool {
        let connection = self.connection.lock().clone();
        connection.is_some_and(|connection| connection.receive_inline())
    }
}

impl crate::ctx::Stop for Shared {
    fn stop(&self) {
        self.raise(MAKE_ROOM);
    }
}

impl Notify for SessionEnd {
    fn notify(&self, event: PipeEvent) {
        if self.number != self.shared.pipes.load(Ordering::Relaxed) {
            // The session has another pipe by now, or none: this one's end is no news.
            return;
        }
        match event {
            PipeEvent::Readable if self.shared.send_inline() => {}
            PipeEvent::Readable => self.shared.raise(READABLE),
            PipeEvent::Writable if self.shared.receive_inline() => {}
            PipeEvent::Writable => self.shared.raise(WRITABLE),
            PipeEvent::PeerClosed => self.shared.raise(PEER_CLOSED),
            // Hiccups go from session to socket only.
            PipeEvent::Hiccup(_) => {}
        }
    }
}
