//! A session: one connection of a socket, from the first attempt or the accept to the end, on one I/O thread.

use super::connecter::{Attempt, Connecter, Step};
use super::connection::Connection;
use super::handshaking::{Handshaking, Outcome};
use super::monitor::{Endpoints, event};
use super::recv::{Limits, Received, RecvForm, RecvHalf};
use super::send::{SendForm, SendHalf, Sent};
use super::shared::{PEER_CLOSED, Shared, TERMINATE, WRITABLE};
use super::{Command, Owner};
use crate::ctx::Guard;
use crate::engine::zmtp::Version;
use crate::engine::zmtp::heartbeat::{Action, Intervals};
use crate::engine::{Failure, Heartbeat, Peer};
use crate::errno::Errno;
use crate::message::{Metadata, OutFrame};
use crate::options::{SocketOptions, SocketType};
use crate::pipe::{self, End, LaneOptions, LaneReader, LaneWriter, Pipe};
use crate::reactor::{Cx, Interest, Ready, Source};
use crate::sys::contain::contain;
use crate::transport::{Accepted, ConnectPlan};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

/// Timers of a session.
pub mod timer {
    pub const CONNECT: u8 = 1;
    pub const RECONNECT: u8 = 2;
    pub const HANDSHAKE: u8 = 3;
    pub const HEARTBEAT: u8 = 4;
    pub const LINGER: u8 = 5;
}

/// What the socket gives a session.
pub struct Ground {
    pub owner: Arc<Owner>,
    pub options: Arc<SocketOptions>,
    pub guard: Guard,
}

/// Lives on an I/O thread; others reach it through its [`Shared`].
pub struct Session {
    owner: Arc<Owner>,
    options: Arc<SocketOptions>,
    shared: Arc<Shared>,
    /// How to connect (again); `None` for a connection that was accepted.
    connecter: Option<Connecter>,
    stage: Stage,
    lanes: Option<(LaneReader, LaneWriter)>,
    end: Option<End>,
    endpoints: Endpoints,
    peer_address: String,
    /// Frames of our own, waiting to be sent.
    control: Vec<u8>,
    /// The socket wants no more of us but that we send what is left.
    closing: bool,
    /// Keeps the context from ending while we are here.
    _guard: Guard,
}

enum Stage {
    /// Between two attempts, or before the first.
    Waiting,
    Connecting(Attempt),
    Handshaking(Handshaking),
    Connected(Arc<Connection>),
}

/// Why a connection ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reason {
    Stream(Errno),
    Timeout,
    Protocol(Failure),
}

impl Session {
    /// For a connection that a listener has accepted.
    pub fn accepted(
        cx: &mut Cx<'_>,
        ground: Ground,
        shared: Arc<Shared>,
        stream: Accepted,
    ) -> Box<dyn Source> {
        let endpoints = Endpoints { local: stream.local, remote: stream.peer, bound: true };
        let mut session = Session::new(cx, ground, shared, None, endpoints);
        session.peer_address = stream.peer_address;
        session.begin_handshake(cx, stream.fd);
        Box::new(session)
    }

    /// For an endpoint to connect to, with the pipe's session end if the socket has made one already.
    pub fn connecting(
        cx: &mut Cx<'_>,
        ground: Ground,
        shared: Arc<Shared>,
        plan: ConnectPlan,
        pipe: Option<Pipe>,
    ) -> Box<dyn Source> {
        let endpoints = Endpoints::connecting(plan.endpoint());
        let connecter = Connecter::new(plan, Arc::clone(&ground.options));
        let mut session = Session::new(cx, ground, shared, Some(connecter), endpoints);
        if let Some(pipe) = pipe {
            session.take_pipe(pipe);
        }
        session.connect(cx);
        Box::new(session)
    }

    fn new(
        cx: &mut Cx<'_>,
        ground: Ground,
        shared: Arc<Shared>,
        connecter: Option<Connecter>,
        endpoints: Endpoints,
    ) -> Session {
        shared.set_remote(cx.remote());
        // Whatever was left for us before we had a place.
        cx.again();
        Session {
            owner: ground.owner,
            options: ground.options,
            shared,
            connecter,
            stage: Stage::Waiting,
            lanes: None,
            end: None,
            endpoints,
            peer_address: String::new(),
            control: Vec::new(),
            closing: false,
            _guard: ground.guard,
        }
    }

    fn take_pipe(&mut self, pipe: Pipe) {
        pipe.set_owner(self.shared.next_end());
        let (reader, writer, end) = pipe.into_parts();
        self.lanes = Some((reader, writer));
        self.end = Some(end);
    }

    fn tell(&self, kind: u64, value: u64) {
        self.owner.monitor.tell(kind, value, &self.endpoints);
    }
}

/// Connecting.
impl Session {
    fn connect(&mut self, cx: &mut Cx<'_>) {
        let Some(connecter) = &mut self.connecter else { return cx.finish() };
        let step = connecter.begin(&cx.remote());
        self.follow(cx, step);
    }

    /// Acts on what came of a step of the connecter.
    fn follow(&mut self, cx: &mut Cx<'_>, step: Step) {
        match step {
            Step::Wait(attempt) => {
                if let Some(fd) = attempt.fd() {
                    self.tell(event::CONNECT_DELAYED, Errno::INPROGRESS.0.unsigned_abs().into());
                    if let Err(errno) = cx.register(fd, Interest::READABLE | Interest::WRITABLE) {
                        return self.attempt_failed(cx, Some(fd), errno);
                    }
                    if self.options.connect_timeout_ms > 0 {
                        cx.set_timer(timer::CONNECT, millis(self.options.connect_timeout_ms));
                    }
                }
                self.stage = Stage::Connecting(attempt);
            }
            Step::Proxying(attempt) => {
                // A stream that was connected at once is not registered yet; else this says `EEXIST`.
                if let Some(fd) = attempt.fd() {
                    let _ = cx.register(fd, Interest::READABLE | Interest::WRITABLE);
                }
                self.stage = Stage::Connecting(attempt);
            }
            Step::Connected { fd, endpoints, peer_address } => {
                cx.cancel_timer(timer::CONNECT);
                self.endpoints = endpoints;
                self.peer_address = peer_address;
                self.tell(event::CONNECTED, fd_value(fd.as_raw_fd()));
                // The handshake registers it anew, whether it was registered for connecting or not.
                let _ = cx.deregister(fd.as_raw_fd());
                self.begin_handshake(cx, fd);
            }
            Step::Failed { fd, errno } => self.attempt_failed(cx, fd, errno),
        }
    }

    fn attempt_failed(&mut self, cx: &mut Cx<'_>, fd: Option<RawFd>, errno: Errno) {
        cx.cancel_timer(timer::CONNECT);
        self.stage = Stage::Waiting;
        if let Some(fd) = fd {
            self.tell(event::CLOSED, fd_value(fd));
        }
        const STOP_CONN_REFUSED: i32 = 0x1;
        if errno == Errno::CONNREFUSED && self.options.reconnect_stop & STOP_CONN_REFUSED != 0 {
            return self.give_up(cx);
        }
        self.connect_later(cx);
    }

    fn connect_later(&mut self, cx: &mut Cx<'_>) {
        let Some(connecter) = &mut self.connecter else { return cx.finish() };
        match connecter.backoff_ms() {
            Some(interval_ms) => {
                let endpoints = Endpoints::connecting(connecter.endpoint());
                self.owner.monitor.tell(
                    event::CONNECT_RETRIED,
                    u64::from(interval_ms.unsigned_abs()),
                    &endpoints,
                );
                cx.set_timer(timer::RECONNECT, millis(interval_ms));
            }
            None => self.give_up(cx),
        }
    }

    /// Never connects again.
    fn give_up(&mut self, cx: &mut Cx<'_>) {
        if let Some(connecter) = &self.connecter {
            self.owner.mailbox.send(Command::Gone(connecter.endpoint().into()));
        }
        cx.finish();
    }
}

/// Shaking hands.
impl Session {
    fn begin_handshake(&mut self, cx: &mut Cx<'_>, fd: OwnedFd) {
        if let Err(errno) = cx.register(fd.as_raw_fd(), Interest::READABLE | Interest::WRITABLE) {
            self.tell(event::CLOSED, fd_value(fd.as_raw_fd()));
            drop(fd);
            return self.lost(cx, Reason::Stream(errno));
        }
        if self.options.raw_socket {
            return self.establish(cx, fd, None, &[], &[]);
        }
        if self.options.handshake_ivl_ms > 0 {
            cx.set_timer(timer::HANDSHAKE, millis(self.options.handshake_ivl_ms));
        }
        self.stage = Stage::Handshaking(Handshaking::new(fd, &self.options));
        self.shake_hands(cx);
    }

    fn shake_hands(&mut self, cx: &mut Cx<'_>) {
        let Stage::Handshaking(handshaking) = &mut self.stage else { return };
        match handshaking.drive() {
            Outcome::More => {}
            Outcome::Done { peer, unsent, rest } => {
                let Stage::Handshaking(handshaking) = std::mem::replace(&mut self.stage, Stage::Waiting)
                else {
                    return;
                };
                cx.cancel_timer(timer::HANDSHAKE);
                if peer.version >= Version::V3_0 {
                    self.tell(event::HANDSHAKE_SUCCEEDED, 0);
                }
                self.establish(cx, handshaking.into_fd(), Some(peer), &unsent, &rest);
            }
            Outcome::Failed(errno) => self.disconnected(cx, Reason::Stream(errno)),
            Outcome::Broken(failure) => self.disconnected(cx, Reason::Protocol(failure)),
        }
    }

    /// The handshake is over: connects the stream and the pipe. `peer` is `None` for a raw stream.
    fn establish(&mut self, cx: &mut Cx<'_>, fd: OwnedFd, peer: Option<Peer>, unsent: &[u8], rest: &[u8]) {
        let raw_fd = fd.as_raw_fd();
        let (reader, mut writer, fresh) = match self.lanes.take() {
            Some((reader, writer)) => (reader, writer, None),
            None => match self.make_pipe() {
                Ok((reader, writer, theirs)) => (reader, writer, Some(theirs)),
                Err(errno) => return self.lost(cx, Reason::Stream(errno)),
            },
        };
        let introduced = self.introduce(&mut writer, peer.as_ref(), raw_fd);
        if let Some(pipe) = fresh {
            self.owner.mailbox.send(Command::Bind(pipe));
        }
        let (send_form, recv_form) = forms(peer.as_ref(), &self.options);
        let heartbeat = peer
            .filter(|peer| peer.version.has_commands())
            .map(|_| Heartbeat::start(Intervals::from(&*self.options), cx.now_ms()));
        let mut send = SendHalf::new(reader, send_form);
        send.begin_with(unsent);
        let mut recv = RecvHalf::new(writer, recv_form, limits(&self.options), heartbeat);
        let begun = introduced.and_then(|()| recv.begin_with(rest));
        let connection = Arc::new(Connection::new(fd, send, recv));
        self.stage = Stage::Connected(Arc::clone(&connection));
        if let Err(errno) = begun {
            return self.disconnected(cx, Reason::Stream(errno));
        }
        self.shared.set_connection(Some(connection));
        self.watch_heartbeat(cx);
        self.receive(cx, false);
        self.send(cx);
    }

    fn make_pipe(&mut self) -> Result<(LaneReader, LaneWriter, Pipe), Errno> {
        let to_socket = LaneOptions { hwm: self.options.rcvhwm, conflate: self.options.conflates_in() };
        let from_socket = LaneOptions { hwm: self.options.sndhwm, conflate: self.options.conflates_out() };
        let (ours, mut theirs) = pipe::pair(to_socket, from_socket)?;
        theirs.endpoint = self.endpoints.identifier().to_string();
        ours.set_owner(self.shared.next_end());
        let (reader, writer, end) = ours.into_parts();
        self.end = Some(end);
        Ok((reader, writer, theirs))
    }

    /// Tells the socket who is there.
    fn introduce(&self, writer: &mut LaneWriter, peer: Option<&Peer>, fd: RawFd) -> Result<(), Errno> {
        let mut properties = peer.map(|peer| peer.properties.clone()).unwrap_or_default();
        if !self.peer_address.is_empty() {
            properties.push(("Peer-Address".to_string(), self.peer_address.clone().into_bytes()));
        }
        properties.push(("__fd".to_string(), fd.to_string().into_bytes()));
        writer.append_properties(Arc::new(Metadata::new(properties)))?;
        match peer {
            Some(peer) => {
                if self.options.recv_routing_id {
                    writer.append_routing_id(&peer.routing_id)?;
                }
                if peer.phantom_subscription {
                    writer.append_subscription(true, b"")?;
                }
            }
            None if self.options.raw_notify => writer.append(&mut OutFrame::bytes(b"", false))?,
            None => {}
        }
        writer.flush();
        Ok(())
    }
}

/// Connected.
impl Session {
    fn send(&mut self, cx: &mut Cx<'_>) {
        let Stage::Connected(connection) = &self.stage else { return self.close_if_nothing_is_left(cx) };
        let sent = connection.send(&self.control);
        self.control.clear();
        match sent {
            Sent::Ended => cx.finish(),
            Sent::All if self.closing => cx.finish(),
            Sent::All | Sent::Blocked => {}
            Sent::Yield => cx.again(),
            Sent::Failed(errno) => self.disconnected(cx, Reason::Stream(errno)),
        }
    }

    fn receive(&mut self, cx: &mut Cx<'_>, hangup: bool) {
        let Stage::Connected(connection) = &self.stage else { return };
        let received = connection.receive(hangup, cx.now_ms(), &mut self.control);
        match received {
            Received::Blocked => {}
            Received::NoCredit => {
                let suspend = |recv: &mut RecvHalf| recv.heartbeat.as_mut().map(Heartbeat::suspend);
                connection.with_recv(suspend);
            }
            Received::Yield => cx.again(),
            Received::End => return self.disconnected(cx, Reason::Stream(Errno::PIPE)),
            // That is not the peer's fault.
            Received::Broken(Failure::Errno(Errno::NOMEM)) => {
                return self.disconnected(cx, Reason::Stream(Errno::NOMEM));
            }
            Received::Broken(failure) => return self.disconnected(cx, Reason::Protocol(failure)),
            Received::Failed(errno) => return self.disconnected(cx, Reason::Stream(errno)),
        }
        self.watch_heartbeat(cx);
        if !self.control.is_empty() {
            self.send(cx);
        }
    }

    fn watch_heartbeat(&mut self, cx: &mut Cx<'_>) {
        let Stage::Connected(connection) = &self.stage else { return };
        let deadline = connection.with_recv(|recv| recv.heartbeat.as_ref().and_then(Heartbeat::deadline));
        match deadline.flatten() {
            Some(at_ms) => {
                let after = Duration::from_millis(at_ms.saturating_sub(cx.now_ms()));
                cx.set_timer(timer::HEARTBEAT, after);
            }
            None => cx.cancel_timer(timer::HEARTBEAT),
        }
    }

    fn beat(&mut self, cx: &mut Cx<'_>) {
        let Stage::Connected(connection) = &self.stage else { return };
        // A peer that does not read cannot answer: its silence says nothing while a PING would only wait here.
        let busy = connection.is_busy();
        let (now_ms, control) = (cx.now_ms(), &mut self.control);
        let action = connection.with_recv(|recv| {
            let heartbeat = recv.heartbeat.as_mut()?;
            let action = heartbeat.poll(now_ms);
            if action == Action::SendPing && !busy {
                heartbeat.append_ping(now_ms, control);
            }
            Some(action)
        });
        if action.flatten() == Some(Action::Expired) {
            return self.disconnected(cx, Reason::Timeout);
        }
        self.watch_heartbeat(cx);
        self.send(cx);
    }
}

/// Endings.
impl Session {
    /// The stream has ended, in whatever stage.
    fn disconnected(&mut self, cx: &mut Cx<'_>, reason: Reason) {
        for id in [timer::HANDSHAKE, timer::HEARTBEAT, timer::CONNECT] {
            cx.cancel_timer(id);
        }
        match std::mem::replace(&mut self.stage, Stage::Waiting) {
            Stage::Handshaking(handshaking) => {
                match reason {
                    Reason::Stream(errno) => {
                        self.tell(event::HANDSHAKE_FAILED_NO_DETAIL, errno.0.unsigned_abs().into());
                    }
                    Reason::Timeout => {
                        self.tell(event::HANDSHAKE_FAILED_NO_DETAIL, Errno::TIMEDOUT.0.unsigned_abs().into());
                    }
                    Reason::Protocol(failure) => self.tell_failure(failure),
                }
                self.tell(event::DISCONNECTED, fd_value(handshaking.raw_fd()));
            }
            Stage::Connected(connection) => {
                if let Reason::Protocol(failure) = reason {
                    self.tell_failure(failure);
                }
                self.tell(event::DISCONNECTED, fd_value(connection.raw_fd()));
                self.take_apart(&connection);
            }
            Stage::Waiting | Stage::Connecting(_) => {}
        }
        self.lost(cx, reason);
    }

    fn tell_failure(&self, failure: Failure) {
        match failure {
            Failure::Protocol(code) => {
                self.tell(event::HANDSHAKE_FAILED_PROTOCOL, code.unsigned_abs().into());
            }
            Failure::Auth(status) => self.tell(event::HANDSHAKE_FAILED_AUTH, status.unsigned_abs().into()),
            Failure::Errno(_) => {}
        }
    }

    /// Takes the lanes back from a connection that has ended.
    fn take_apart(&mut self, connection: &Connection) {
        self.shared.set_connection(None);
        self.control.clear();
        if let (Some(send), Some(recv)) = connection.dismantle() {
            let mut writer = recv.into_writer();
            if self.options.raw_socket && self.options.raw_notify {
                // Tells the program that the peer has gone; without memory it has to do without.
                if writer.append(&mut OutFrame::bytes(b"", false)).is_ok() {
                    writer.flush();
                }
            }
            self.lanes = Some((send.into_reader(), writer));
        }
    }

    /// There is no stream: connects again, or ends.
    fn lost(&mut self, cx: &mut Cx<'_>, reason: Reason) {
        if self.connecter.is_none() || matches!(reason, Reason::Protocol(_)) {
            // Dropping our end of the pipe tells the socket.
            return cx.finish();
        }
        if self.closing && !self.something_left() {
            return cx.finish();
        }
        if self.options.immediate {
            // The pipe goes with the connection; the next one brings its own.
            self.shared.forget_pipe();
            self.lanes = None;
            self.end = None;
        }
        let subscriber =
            matches!(self.options.socket_type, SocketType::Sub | SocketType::Xsub | SocketType::Dish);
        if subscriber && let (Some(end), Some((reader, _))) = (&self.end, &mut self.lanes) {
            let options = LaneOptions { hwm: self.options.sndhwm, conflate: false };
            match end.hiccup(options) {
                Ok(fresh) => *reader = fresh,
                Err(_) => return cx.finish(),
            }
        }
        if let Some(connecter) = &mut self.connecter {
            connecter.lost();
        }
        self.connect_later(cx);
    }

    /// The socket wants no more of us.
    fn close(&mut self, cx: &mut Cx<'_>) {
        if std::mem::replace(&mut self.closing, true) {
            return;
        }
        if let Some(end) = &self.end {
            end.close();
        }
        match self.owner.linger_ms() {
            0 => return cx.finish(),
            linger_ms if linger_ms > 0 => cx.set_timer(timer::LINGER, millis(linger_ms)),
            _ => {}
        }
        self.send(cx);
    }

    /// While there is no connection.
    fn close_if_nothing_is_left(&mut self, cx: &mut Cx<'_>) {
        if self.closing && !self.something_left() {
            cx.finish();
        }
    }

    fn something_left(&mut self) -> bool {
        self.lanes.as_mut().is_some_and(|(reader, _)| reader.check_bytes())
    }
}

impl Source for Session {
    fn ready(&mut self, cx: &mut Cx<'_>, ready: Ready) {
        match &mut self.stage {
            Stage::Waiting => {}
            Stage::Connecting(_) => self.attempt_ready(cx),
            Stage::Handshaking(_) => self.shake_hands(cx),
            Stage::Connected(_) => {
                if ready.writable {
                    self.send(cx);
                }
                if ready.readable || ready.hangup || ready.error {
                    self.receive(cx, ready.hangup || ready.error);
                }
                if self.closing && (ready.hangup || ready.error) {
                    // Nobody reads any more, so nothing else would notice.
                    self.disconnected(cx, Reason::Stream(Errno::PIPE));
                }
            }
        }
    }

    fn timer(&mut self, cx: &mut Cx<'_>, id: u8) {
        match id {
            timer::RECONNECT => self.connect(cx),
            timer::CONNECT => {
                let fd = match &self.stage {
                    Stage::Connecting(attempt) => attempt.fd(),
                    _ => None,
                };
                self.attempt_failed(cx, fd, Errno::TIMEDOUT);
            }
            timer::HANDSHAKE => self.disconnected(cx, Reason::Timeout),
            timer::HEARTBEAT => self.beat(cx),
            timer::LINGER => cx.finish(),
            _ => {}
        }
    }

    fn wake(&mut self, cx: &mut Cx<'_>) {
        let flags = self.shared.take_flags();
        if flags & WRITABLE != 0
            && let Stage::Connected(connection) = &self.stage
        {
            let now_ms = cx.now_ms();
            connection.with_recv(|recv| recv.heartbeat.as_mut().map(|heartbeat| heartbeat.resume(now_ms)));
        }
        if flags & (PEER_CLOSED | TERMINATE) != 0 {
            return self.close(cx);
        }
        match &self.stage {
            Stage::Connecting(_) => self.attempt_ready(cx),
            Stage::Connected(_) => {
                self.send(cx);
                self.receive(cx, false);
            }
            Stage::Waiting | Stage::Handshaking(_) => {}
        }
    }

    fn panicked(&mut self, cx: &mut Cx<'_>) -> bool {
        for id in [timer::HANDSHAKE, timer::HEARTBEAT, timer::CONNECT] {
            cx.cancel_timer(id);
        }
        let fd = match std::mem::replace(&mut self.stage, Stage::Waiting) {
            Stage::Connected(connection) => {
                self.shared.set_connection(None);
                drop(connection.dismantle());
                Some(connection.raw_fd())
            }
            Stage::Handshaking(handshaking) => Some(handshaking.raw_fd()),
            Stage::Waiting | Stage::Connecting(_) => None,
        };
        // Whatever was half done goes, and the pipe with it, of which the socket is told.
        self.shared.forget_pipe();
        self.control.clear();
        self.lanes = None;
        self.end = None;
        if let Some(fd) = fd {
            contain(|| self.tell(event::DISCONNECTED, fd_value(fd)));
        }
        if self.closing {
            return false;
        }
        match &mut self.connecter {
            Some(connecter) => connecter.lost(),
            None => return false,
        }
        self.connect_later(cx);
        true
    }
}

impl Session {
    fn attempt_ready(&mut self, cx: &mut Cx<'_>) {
        if let Stage::Connecting(_) = &self.stage
            && let Stage::Connecting(attempt) = std::mem::replace(&mut self.stage, Stage::Waiting)
            && let Some(connecter) = &mut self.connecter
        {
            let step = connecter.proceed(attempt);
            self.follow(cx, step);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The connection's halves may be in the hands of the socket's thread: take the lanes back first, so that
        // they go together with the pipe's end.
        if let Stage::Connected(connection) = &self.stage {
            self.shared.set_connection(None);
            drop(connection.dismantle());
        }
    }
}

/// How frames leave and arrive.
fn forms(peer: Option<&Peer>, options: &SocketOptions) -> (SendForm, RecvForm) {
    let Some(peer) = peer else { return (SendForm::Raw, RecvForm::Raw) };
    let subscribes = matches!(options.socket_type, SocketType::Sub | SocketType::Xsub);
    let send = match peer.version {
        Version::V3_1 => SendForm::AsTheyLie,
        Version::V2 | Version::V3_0 if !subscribes => SendForm::AsTheyLie,
        version => SendForm::Framed(version),
    };
    (send, RecvForm::Zmtp(peer.version))
}

fn limits(options: &SocketOptions) -> Limits {
    let message = match u64::try_from(options.maxmsgsize) {
        Ok(frame) => frame.saturating_mul(u64::from(options.max_multipart_factor.unsigned_abs().max(1))),
        Err(_) => u64::MAX,
    };
    let subscriptions = matches!(options.socket_type, SocketType::Pub | SocketType::Xpub);
    Limits { frame: options.maxmsgsize, message, subscriptions }
}

fn millis(ms: i32) -> Duration {
    Duration::from_millis(u64::from(ms.max(0).unsigned_abs()))
}

fn fd_value(fd: RawFd) -> u64 {
    u64::try_from(fd).unwrap_or(0)
}
