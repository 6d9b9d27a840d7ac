//! Sessions, each between a socket's pipe and a stream, and the listeners that make them.
#![forbid(unsafe_code)]

mod attendant;
mod connection;
mod connectionless;
mod connections;
mod letterbox;
mod lifecycle;
mod monitor_events;
mod ordering;
mod remote;
mod socket_link;
mod unclaimed;
#[cfg(test)]
mod tests;
pub mod trail;
mod waiter;

pub use attendant::{Look, attend};
pub use connection::MAX_DRAIN_MS;
pub use connection::recv;
pub use connection::send_policy::INLINE_SEND_MIN_BYTES;
pub use connectionless::datagrams::exchange;
pub use connectionless::stats::answer as answer_with_stats;
pub use lifecycle::listener::{Listening, listen};
pub use lifecycle::session_context::SessionContext;
pub use lifecycle::zap::Authenticators;
pub use monitor_events::{Endpoints, Monitor, Observer, PeerNames, event};
pub use socket_link::{Command, SocketEnd, SocketLink};
pub use waiter::{Deadline, Waiter, unlocked};

use crate::pipe::Pipe;
use crate::reactor::Handle;
use crate::transport::ConnectPlan;
use letterbox::Flags;
use remote::SessionRemote;
use std::sync::Arc;

/// A session as its socket knows it.
pub struct SessionHandle(Arc<SessionRemote>);

impl SessionHandle {
    /// Says that it is the program that wants the end: to be followed by [`terminate`](SessionHandle::terminate).
    pub fn disconnect(&self, linger_ms: i32) {
        self.0.letterbox.set_linger_ms(linger_ms);
        self.0.letterbox.leave(Flags::DISCONNECT);
    }

    /// Ends the session once what the socket sent has left, or `linger_ms` (`ZMQ_LINGER`) is over.
    pub fn terminate(&self, linger_ms: i32) {
        self.0.terminate(linger_ms);
    }

    /// Whether they stand for the same session.
    pub fn is(&self, other: &SessionHandle) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Connects on an I/O thread, again and again. `pipe` is the session's end of the pipe, where the socket has made one already (it
/// has not with `ZMQ_IMMEDIATE`). `routing_id` is the socket's name for the peer; empty: the peer's own.
pub fn connect(
    io_thread: &Handle,
    session_context: SessionContext,
    plan: ConnectPlan,
    pipe: Option<Pipe>,
    routing_id: Vec<u8>,
) -> SessionHandle {
    let remote = Arc::new(SessionRemote::default());
    let theirs = Arc::clone(&remote);
    io_thread.add(Box::new(move |cx| {
        lifecycle::session::Session::connecting(cx, session_context, theirs, (plan, routing_id), pipe)
    }));
    SessionHandle(remote)
}
