//! A session as other threads reach it, and the ends of its pipes.

use crate::pipe::{Notify, PipeEvent};
use crate::session::SocketLink;
use crate::session::connection::Connection;
use crate::session::connection::recv::RecvHalf;
use crate::session::letterbox::{Flags, Letterbox};
use crate::sys::lock::Lock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A session as other threads reach it: its letterbox, and its connection while there is one.
#[derive(Default)]
pub struct SessionRemote {
    pub letterbox: Arc<Letterbox>,
    connection: Lock<Option<Arc<Connection>>>,
    /// How many pipes the session has had; with `ZMQ_IMMEDIATE` each connection brings its own. Written by the session before
    /// another thread knows of a pipe, compared on the socket's thread with the number that the pipe's end carries; Relaxed, since a
    /// pipe that is handed over carries its own edge.
    pipes: AtomicU32,
}

/// The session's end of one of its pipes, as the socket sees it.
pub struct SessionEnd {
    session: Arc<SessionRemote>,
    number: u32,
}

impl SessionRemote {
    /// From here on the program's threads may use the connection: those of its `socket`, and the one that publishes.
    pub fn publish(&self, connection: Arc<Connection>, socket: &SocketLink) {
        let old = self.connection.lock().replace(Arc::clone(&connection));
        drop(old);
        socket.connections.add(connection);
    }

    /// The program's threads find no connection any more, a thread that waits for it lets go of it, and what they have deferred
    /// is void.
    pub fn withdraw(&self, socket: &SocketLink) -> Option<Arc<Connection>> {
        let connection = self.connection.lock().take();
        self.letterbox.end_connection();
        let connection = connection?;
        socket.connections.remove(&connection);
        if connection.end_lending() {
            socket.mailbox.touch();
        }
        Some(connection)
    }

    /// Ends the session, which sends what is left for `linger_ms` milliseconds; nothing that the peer has sent reaches the socket once this returns, but for what has
    /// already.
    pub fn terminate(&self, linger_ms: i32) {
        self.letterbox.set_linger_ms(linger_ms);
        let connection = self.connection.lock().clone();
        if let Some(connection) = connection {
            connection.with_recv(RecvHalf::stop);
            // A thread that waits for the stream would find something there, again and again.
            connection.recall();
        }
        self.letterbox.raise(Flags::TERMINATE);
    }

    /// The present pipe is no longer the session's: its events are ignored from now on.
    pub fn forget_pipe(&self) {
        self.pipes.fetch_add(1, Ordering::Relaxed);
    }

    /// The owner of the next pipe's end.
    pub fn next_end(self: &Arc<Self>) -> Arc<SessionEnd> {
        let number = self.pipes.fetch_add(1, Ordering::Relaxed) + 1;
        Arc::new(SessionEnd { session: Arc::clone(self), number })
    }

    /// Whether the socket's own thread could send at once.
    fn send_inline(&self) -> bool {
        let connection = self.connection.lock().clone();
        connection.is_some_and(|connection| connection.send_inline())
    }

    /// Whether the socket's own thread, which has no credit, could send at once.
    fn send_before_refusal(&self) -> bool {
        // Where there is one I/O thread not even the count of references is touched, which both threads have.
        let connection =
            self.connection.lock().as_ref().filter(|connection| connection.is_beside_others()).cloned();
        connection.is_some_and(|connection| connection.send_before_refusal())
    }

    /// Whether the socket's own thread could receive at once.
    fn receive_inline(&self) -> bool {
        let connection = self.connection.lock().clone();
        connection.is_some_and(|connection| connection.receive_inline())
    }
}

impl crate::ctx::Stop for SessionRemote {
    fn stop(&self) {
        self.letterbox.raise(Flags::MAKE_ROOM);
    }
}

impl Notify for SessionEnd {
    fn notify(&self, event: PipeEvent) {
        if self.number != self.session.pipes.load(Ordering::Relaxed) {
            // The session has another pipe by now, or none: this one's end is no news.
            return;
        }
        match event {
            PipeEvent::Readable if self.session.send_inline() => {}
            PipeEvent::Readable => self.session.letterbox.raise(Flags::READABLE),
            PipeEvent::Writable if self.session.receive_inline() => {}
            PipeEvent::Writable => self.session.letterbox.raise(Flags::WRITABLE),
            PipeEvent::PeerClosed => self.session.letterbox.raise(Flags::PEER_CLOSED),
            PipeEvent::MarksChanged => self.session.letterbox.raise(Flags::MARKS_CHANGED),
            // Hiccups go from session to socket only.
            PipeEvent::Hiccup(_) => {}
        }
    }

    fn read_now(&self) -> bool {
        self.number == self.session.pipes.load(Ordering::Relaxed) && self.session.send_before_refusal()
    }
}
