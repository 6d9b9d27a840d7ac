//! Sockets: pipes, one pattern, a mailbox, and the endpoints they are bound and connected to.
//!
//! A [`Handle`] is what a `void *socket` is validated into. Every call on it takes the socket's lock; a call that has to wait
//! releases it and sleeps. So two threads using one socket are serialised, and a close in between is seen as `ENOTSOCK`.

#![forbid(unsafe_code)]

mod attended;
mod blocking_call;
#[cfg(feature = "qzmq")]
mod certificates;
mod endpoint_list;
mod endpoints;
mod forward;
mod inproc;
mod inproc_peers;
mod keys;
#[cfg(feature = "qzmq")]
mod qzmq_keys;
mod monitor;
mod options;
mod own_security;
mod protection;
mod recv;
mod send;
mod state;
#[cfg(test)]
mod tests;

pub use crate::session::{Command, SocketLink, Waiter, unlocked};
pub use forward::Forwarded;

use crate::ctx::{Context, Path, Slot, SlotGuard, Slots};
use crate::errno::{Errno, Result};
use crate::message::{Frame, Msg, OutFrame};
use crate::options::SocketType;
use crate::options::number::ZMQ_FERRO_LAST_VALUE;
use crate::pipe::budget::{CALL_UNITS, LOOK_UNITS};
use crate::sys::probes;
use crate::sys::retry;
use state::Socket;
use std::sync::Arc;
use std::time::Instant;

/// `ZMQ_POLLIN`.
pub const POLLIN: i32 = 1;
/// `ZMQ_POLLOUT`.
pub const POLLOUT: i32 = 2;
/// `ZMQ_DONTWAIT`.
pub const DONTWAIT: i32 = 1;

/// A socket whose lock the caller has.
type Locked = SlotGuard<'static, Socket>;

/// All sockets of the process. The tag is what the first bytes of a handle read as.
static SOCKETS: Slots<Socket> = Slots::new(0x0f2e_504b);

/// A validated socket handle: cheap to copy, never dangling; whether the socket is still open shows on each call.
#[derive(Clone, Copy)]
pub struct Handle(&'static Slot<Socket>);

impl Handle {
    /// `zmq_socket`. Errors: `ETERM`, `EMFILE`, and what starting I/O threads may give.
    pub fn open(context: &Context, socket_type: SocketType) -> Result<Handle> {
        let mut socket = Socket::new(context, socket_type)?;
        let link = Arc::clone(&socket.link);
        let sends = send::has_fast_path(&mut socket.pattern);
        let receives = recv::has_fast_path(&mut socket.pattern);
        let handle = Handle::from_address(SOCKETS.insert(socket)?)?;
        handle.0.set_fast_path(Path::Send, sends);
        handle.0.set_fast_path(Path::Receive, receives);
        link.mailbox.clears(handle.0.events_cache());
        Ok(handle)
    }

    /// As [`open`](Handle::open), for the number of a type. Errors: `EINVAL`, too. A lack of room comes before an unknown type.
    pub fn open_number(context: &Context, socket_type: i32) -> Result<Handle> {
        let socket_type = SocketType::try_from(socket_type);
        let handle = Handle::open(context, socket_type.unwrap_or(SocketType::Pair))?;
        if let Err(errno) = socket_type {
            handle.close()?;
            return Err(errno);
        }
        Ok(handle)
    }

    /// Of the address a program gave us; it may be closed, but it is a handle. Errors: `ENOTSOCK`.
    #[inline]
    pub fn from_address(address: usize) -> Result<Handle> {
        SOCKETS.lookup(address).map(Handle).ok_or(Errno::NOTSOCK)
    }

    /// The address a program knows the socket by.
    pub fn address(self) -> usize {
        self.0.address()
    }

    /// `zmq_close`. Errors: `ENOTSOCK`.
    pub fn close(self) -> Result<()> {
        if self.0.forked() {
            // The socket behind it lives on in the parent: leave it alone.
            return if self.0.abandon() { Ok(()) } else { Err(Errno::NOTSOCK) };
        }
        let guard = self.lock()?;
        if let Some(socket) = SOCKETS.remove(guard) {
            socket.close();
        }
        Ok(())
    }

    /// `zmq_bind`.
    pub fn bind(self, endpoint: &str) -> Result<()> {
        endpoints::bind(&mut *self.lock()?, endpoint)
    }

    /// `zmq_connect`.
    pub fn connect(self, endpoint: &str) -> Result<()> {
        endpoints::connect(&mut *self.lock()?, endpoint).map(drop)
    }

    /// `zmq_connect_peer`: the routing id of the peer.
    pub fn connect_peer(self, endpoint: &str) -> Result<u32> {
        endpoints::connect_peer(&mut *self.lock()?, endpoint)
    }

    /// `zmq_disconnect_peer`. Errors: `EHOSTUNREACH` for an unknown peer; `ENOTSUP` for a type without such peers; `ETERM`,
    /// `ENOTSOCK`.
    pub fn disconnect_peer(self, routing_id: u32) -> Result<()> {
        let mut socket = self.lock()?;
        socket.process()?;
        socket.disconnect_peer(routing_id)
    }

    /// `zmq_ferro_disconnect_peer`. Errors: `EHOSTUNREACH` for an unknown peer; `EINVAL` for what is no routing id of this type;
    /// `ENOTSUP` for a type without such peers; `ETERM`, `ENOTSOCK`.
    pub fn disconnect_peer_by_id(self, routing_id: &[u8]) -> Result<()> {
        let mut socket = self.lock()?;
        socket.process()?;
        socket.disconnect_peer_by_id(routing_id)
    }

    /// `zmq_unbind` and `zmq_disconnect`, which libzmq does not tell apart. Errors: `EINVAL` for no endpoint.
    pub fn terminate_endpoint(self, endpoint: Option<&str>) -> Result<()> {
        let mut socket = self.lock()?;
        match endpoint {
            Some(endpoint) => endpoints::terminate_endpoint(&mut socket, endpoint),
            None => socket.process().and(Err(Errno::INVAL)),
        }
    }

    /// Sends `data` as one frame, and says whether more of its message follow. Of `flags` only `ZMQ_DONTWAIT` counts. Waits
    /// according to `ZMQ_SNDTIMEO`. On any error nothing was taken. Errors: `EAGAIN`, `EINTR`, `ETERM`, `ENOTSOCK` and the
    /// pattern's own.
    #[inline(always)]
    pub fn send_bytes(self, data: &[u8], more: bool, flags: i32) -> Result<()> {
        let sent = send::bytes(self, data, more, flags);
        if sent.is_ok() {
            probes::send(self.address(), data.len());
        }
        sent
    }

    /// As [`send_bytes`](Handle::send_bytes), for a message. On success its content is taken and it becomes empty. After a
    /// failure it is unchanged, but says whether it was to be a part. Returns how many bytes it had.
    #[inline(always)]
    pub fn send_message(self, message: &mut Msg, more: bool, flags: i32) -> Result<usize> {
        let sent = send::message(self, message, more, flags);
        if let Ok(bytes) = sent {
            probes::send(self.address(), bytes);
        }
        sent
    }

    /// As [`send_bytes`](Handle::send_bytes), for any frame, which says itself whether more follow, and for callers inside of the
    /// library: without the fast path.
    pub fn send(self, frame: &mut OutFrame<'_>, flags: i32) -> Result<()> {
        let bytes = frame.data().len();
        let sent = send::frame(self, frame, flags);
        if sent.is_ok() {
            probes::send(self.address(), bytes);
        }
        sent
    }

    /// Receives one frame and gives its bytes to `take`, which calls nothing that could fail and says how many there were. Of `flags` only `ZMQ_DONTWAIT`
    /// counts. Waits according to `ZMQ_RCVTIMEO`. Errors: `EAGAIN`, `EINTR`, `ETERM`, `ENOTSOCK` and the pattern's own.
    #[inline(always)]
    pub fn recv_bytes(self, flags: i32, take: impl Fn(&[u8]) -> usize + Copy) -> Result<usize> {
        // Behind the call the size is at hand; inside of `take` the probe costs nine instructions.
        let received = recv::bytes(self, flags, take);
        if let Ok(bytes) = received {
            probes::receive(self.address(), bytes);
        }
        received
    }

    /// As [`recv_bytes`](Handle::recv_bytes), into a message, whose old content is released, also where there is nothing to receive. It
    /// stays where the socket may not receive at all. Returns how many bytes the message has. Errors: `ENOMEM`, too.
    #[inline(always)]
    pub fn recv_message(self, message: &mut Msg, flags: i32) -> Result<usize> {
        let received = recv::message(self, message, flags);
        if let Ok(bytes) = received {
            probes::receive(self.address(), bytes);
        }
        received
    }

    /// Receives one frame and gives it to `take` while it still lies in the pipe, for callers inside of the library: without the
    /// fast path. Errors: as [`recv_bytes`](Handle::recv_bytes), and those of `take`, the frame being lost then.
    pub fn recv<R>(self, flags: i32, take: impl FnOnce(&mut Frame<'_>) -> Result<R>) -> Result<R> {
        recv::frame(self, flags, |frame| {
            probes::receive(self.address(), frame.data().len());
            take(frame)
        })
    }

    /// Takes up to `most` messages that lie ready. It sends them to `to`, which is another socket, and a copy of each to
    /// `capture`, a third one. A message is taken only where `to` has room for it. Never waits.
    ///
    /// The sockets are locked once, together, and a frame goes from pipe to pipe without a message of its own in between.
    ///
    /// Errors: `ETERM`, `ENOTSOCK`, and those of receiving and sending but `EAGAIN`.
    pub fn forward(self, to: Handle, capture: Option<Handle>, most: u64) -> Result<Forwarded> {
        forward::forward(self, to, capture, most)
    }

    /// `zmq_setsockopt`.
    pub fn set_option(self, option: i32, value: &[u8]) -> Result<()> {
        self.set_option_value(option, Some(value))
    }

    /// As [`set_option`](Handle::set_option), with a value or, of size 0, NULL.
    pub fn set_option_value(self, option: i32, value: Option<&[u8]>) -> Result<()> {
        let mut socket = self.lock()?;
        options::set(&mut socket, option, value)?;
        if option == ZMQ_FERRO_LAST_VALUE {
            // Without I/O threads the program's calls serve alone.
            let _ = attended::attend(self, &socket);
        }
        Ok(())
    }

    /// `zmq_getsockopt`: writes the value to `out` and says how many bytes it took.
    pub fn option(self, option: i32, out: &mut [u8]) -> Result<usize> {
        let mut socket = self.lock()?;
        let outcome = options::get(&mut socket, option, out);
        release(socket);
        outcome
    }

    /// `ZMQ_RCVMORE`, where a frame was received by the last call on the socket: takes no lock. `None`: ask for the
    /// [`option`](Handle::option).
    #[inline]
    pub fn rcvmore(self) -> Option<bool> {
        self.0.last_rcvmore()
    }

    /// `ZMQ_EVENTS`: [`POLLIN`], [`POLLOUT`], after processing other threads' commands. Errors: `ETERM`, `ENOTSOCK`.
    ///
    /// Takes no lock if nothing has happened since the last time: `zmq_poll` over thousands of sockets hangs on it.
    #[inline]
    pub fn events(self) -> Result<i32> {
        match self.0.cached_events() {
            Some(events) => Ok(events.cast_signed()),
            None => self.look_for_events(),
        }
    }

    #[cold]
    fn look_for_events(self) -> Result<i32> {
        let mut socket = self.lock()?;
        socket.pipes.budget.begin(LOOK_UNITS, Instant::now);
        socket.process()?;
        let events = socket.readiness();
        self.0.events_cache().set(events.cast_unsigned(), || socket.link.mailbox.state().is_quiet());
        release(socket);
        Ok(events)
    }

    /// `zmq_socket_get_peer_state`: [`POLLOUT`] if a message to the peer with this routing id could be sent now.
    /// Errors: `EHOSTUNREACH` for a peer that is unknown or has gone; `ENOTSUP` for a type that does not route; `ETERM`, `ENOTSOCK`.
    pub fn peer_state(self, routing_id: &[u8]) -> Result<i32> {
        let mut socket = self.lock()?;
        socket.process()?;
        let reachable = socket.pattern.can_reach(&socket.pipes, routing_id)?;
        Ok(if reachable { POLLOUT } else { 0 })
    }

    /// `zmq_join`, or `zmq_leave`. Errors: `EINVAL` for a group that is joined already, or not, or too long; `ENOTSUP` for
    /// a type that has no groups; `ETERM`, `ENOTSOCK`, `ENOMEM`.
    pub fn join(self, join: bool, group: &[u8]) -> Result<()> {
        let mut socket = self.lock()?;
        socket.process()?;
        socket.join(join, group)
    }

    /// For waiting on many sockets: register a parker with its mailbox, look at [`events`](Handle::events) once
    /// more, park. Errors: `ENOTSOCK`.
    pub fn link(self) -> Result<Arc<SocketLink>> {
        // Leaves what is remembered alone.
        let socket = self.0.lock().ok_or(Errno::NOTSOCK)?;
        Ok(Arc::clone(&socket.link))
    }

    /// Whether the socket of this link is of a type that several threads may use. Errors: `ENOTSOCK` once it is closed.
    pub fn is_thread_safe(self, link: &Arc<SocketLink>) -> Result<bool> {
        Ok(self.lock_again(link)?.options.socket_type.is_thread_safe())
    }

    /// `zmq_socket_monitor_versioned`; `None` stops monitoring. Errors: `ETERM`, `EINVAL`, `EPROTONOSUPPORT`,
    /// `EADDRINUSE`, `ENOTSOCK`.
    pub fn monitor(self, endpoint: Option<&str>, events: u64, version: i32, socket_type: i32) -> Result<()> {
        monitor::monitor(self, endpoint, events, version, socket_type)
    }

    /// `zmq_socket_monitor_pipes_stats`. Errors: `EINVAL` if no monitor wants `ZMQ_EVENT_PIPES_STATS`, `EAGAIN` if there is
    /// no pipe, `ENOTSOCK`.
    pub fn report_pipes(self) -> Result<()> {
        self.lock()?.report_pipes()
    }

    /// What [`rcvmore`](Handle::rcvmore) is to answer. The caller has the lock.
    #[inline(always)]
    fn note_rcvmore(self, more: bool) {
        self.0.set_last_rcvmore(more);
    }

    /// The socket for a call on the fast path: `None` where there is no such path, or another thread has the lock. The socket may have
    /// been closed: [`quiet`] and [`keep`](Handle::keep) look.
    ///
    /// `ZMQ_RCVMORE` stays as it was remembered: a call that ends here has received another frame, or none and sent one.
    #[inline(always)]
    fn try_lock(self, path: Path) -> Option<Locked> {
        let locked = self.0.try_lock_fast(path)?;
        self.0.events_cache().forget();
        Some(locked)
    }

    /// The socket for the rest of a call that began with [`try_lock`](Handle::try_lock).
    #[inline(always)]
    fn keep(self, locked: Option<Locked>) -> Result<Locked> {
        let Some(mut locked) = locked else { return self.lock() };
        let socket = locked.get_mut().ok_or(Errno::NOTSOCK)?;
        socket.pipes.budget.begin(CALL_UNITS, Instant::now);
        self.0.forget_last_rcvmore();
        Ok(locked)
    }

    #[inline(always)]
    fn lock(self) -> Result<Locked> {
        let socket = self.0.lock().ok_or(Errno::NOTSOCK)?;
        Ok(self.begin_call(socket))
    }

    /// As [`lock`](Handle::lock), in a call that has been without the lock. By now the handle may stand for another socket, which is left alone.
    /// Errors: `ENOTSOCK`.
    fn lock_again(self, link: &Arc<SocketLink>) -> Result<Locked> {
        let same = self.0.lock().filter(|socket| Arc::ptr_eq(&socket.link, link));
        Ok(self.begin_call(same.ok_or(Errno::NOTSOCK)?))
    }

    /// The call may change the cached events and `ZMQ_RCVMORE`.
    #[inline(always)]
    fn begin_call(self, mut socket: Locked) -> Locked {
        socket.pipes.budget.begin(CALL_UNITS, Instant::now);
        self.0.events_cache().forget();
        self.0.forget_last_rcvmore();
        socket
    }
}

/// Releases the socket's lock in a call that the program, or a loop, makes again as soon as the socket asks for it. Where memory is
/// short the thread pauses then: other threads may have what frees some.
#[inline]
fn release(mut socket: Locked) {
    let rest = socket.take_shortage_rest();
    drop(socket);
    retry::rest(rest);
}

/// The socket, if it is open and no command waits in its mailbox.
#[inline(always)]
fn quiet(locked: &mut Locked) -> Option<&mut Socket> {
    locked.get_mut().filter(|socket| socket.mailbox.state().is_quiet())
}
