//! A session: one connection of a socket, from the first attempt or the accept to the end, on one I/O thread.

use crate::ctx::{Guard, HandshakeTicket};
use crate::engine::zmtp::heartbeat::Action;
use crate::engine::{Heartbeat, Security};
use crate::errno::Errno;
use crate::options::SocketOptions;
use crate::pipe::{End, LaneReader, LaneWriter, Pipe};
use crate::reactor::{Cx, Ready, Source};
use crate::session::SocketLink;
use crate::session::connection::recv::{Received, RecvHalf};
use crate::session::connection::send::Sent;
use crate::session::connection::{Connection, Flush, MIN_LOOK_INTERVAL};
use crate::session::letterbox::{Deferred, Flags, Mail};
use crate::session::lifecycle::connecter::{Attempt, Connecter};
use crate::session::lifecycle::handshaking::Handshaking;
use crate::session::lifecycle::reason::Reason;
use crate::session::lifecycle::timer;
use crate::session::lifecycle::untaken::Untaken;
use crate::session::lifecycle::zap::Authenticators;
use crate::session::monitor_events::{Endpoints, descriptor_value, event};
use crate::session::remote::SessionRemote;
use crate::sys::contain::contain;
use crate::transport::{Accepted, ConnectPlan, Layers, Scheme};
use std::sync::Arc;
use std::time::Duration;

/// Before a stream is asked again that says that it takes nothing, though it has room, or has nothing, though it has; or for
/// which there was no memory.
const REFUSED_PAUSE: Duration = Duration::from_millis(10);

/// The part of a socket that a session gets.
pub struct SessionContext {
    pub owner: Arc<SocketLink>,
    pub options: Arc<SocketOptions>,
    /// The configuration of its handshakes, by the options and the socket's keys.
    pub security: Security,
    pub authenticators: Arc<dyn Authenticators>,
    pub guard: Guard,
}

/// Lives on an I/O thread; others reach it through its [`SessionRemote`].
pub struct Session {
    pub(in crate::session) owner: Arc<SocketLink>,
    pub(in crate::session) options: Arc<SocketOptions>,
    pub(in crate::session) security: Security,
    pub(in crate::session) authenticators: Arc<dyn Authenticators>,
    pub(in crate::session) remote: Arc<SessionRemote>,
    /// How to connect (again); `None` for a connection that was accepted.
    pub(in crate::session) connecter: Option<Connecter>,
    pub(in crate::session) stage: Stage,
    /// Of a peer that has come to us, until its handshake is over.
    pub(in crate::session) ticket: Option<HandshakeTicket>,
    pub(in crate::session) lanes: Option<(LaneReader, LaneWriter)>,
    pub(in crate::session) end: Option<End>,
    pub(in crate::session) endpoints: Endpoints,
    pub(in crate::session) peer_address: String,
    pub(in crate::session) scheme: Scheme,
    /// The protocol on the stream, below ZMTP.
    pub(in crate::session) layers: Layers,
    /// Frames of our own, waiting to be sent.
    pub(in crate::session) control: Vec<u8>,
    /// The socket has closed its end: only the rest is sent.
    pub(in crate::session) closing: bool,
    /// There was no memory for the hiccup that is to come before the next attempt.
    pub(in crate::session) owes_hiccup: bool,
    untaken: Untaken,
    /// Keeps the context from ending while we are here.
    pub(in crate::session) _guard: Guard,
}

pub(in crate::session) enum Stage {
    /// Between two attempts, or before the first.
    Waiting,
    Connecting(Attempt),
    Handshaking(Box<Handshaking>),
    Connected(Arc<Connection>),
}

impl Session {
    /// For a connection that a listener has accepted.
    pub fn accepted(
        cx: &mut Cx<'_>,
        session_context: SessionContext,
        remote: Arc<SessionRemote>,
        (stream, ticket): (Accepted, HandshakeTicket),
    ) -> Box<dyn Source> {
        let endpoints = Endpoints { local: stream.local, remote: stream.peer, bound: true };
        let mut session = Session::new(cx, session_context, remote, None, (stream.scheme, endpoints));
        session.ticket = Some(ticket);
        session.peer_address = stream.peer_address;
        session.layers = stream.layers;
        session.begin_handshake(cx, stream.fd, false);
        Box::new(session)
    }

    /// For an endpoint to connect to, with the pipe's session end if the socket has made one already.
    pub fn connecting(
        cx: &mut Cx<'_>,
        session_context: SessionContext,
        remote: Arc<SessionRemote>,
        (plan, routing_id): (ConnectPlan, Vec<u8>),
        pipe: Option<Pipe>,
    ) -> Box<dyn Source> {
        let endpoints = Endpoints::connecting(plan.endpoint());
        let (scheme, layers) = (plan.scheme(), plan.layers().clone());
        let connecter = Connecter::new(plan, Arc::clone(&session_context.options), routing_id);
        let mut session = Session::new(cx, session_context, remote, Some(connecter), (scheme, endpoints));
        session.layers = layers;
        if let Some(pipe) = pipe {
            session.take_pipe(pipe);
        }
        session.connect(cx);
        Box::new(session)
    }

    fn new(
        cx: &mut Cx<'_>,
        session_context: SessionContext,
        remote: Arc<SessionRemote>,
        connecter: Option<Connecter>,
        (scheme, endpoints): (Scheme, Endpoints),
    ) -> Session {
        remote.letterbox.set_remote(cx.remote());
        // Flags that were set before we had a place.
        cx.again();
        Session {
            owner: session_context.owner,
            options: session_context.options,
            security: session_context.security,
            authenticators: session_context.authenticators,
            remote,
            connecter,
            stage: Stage::Waiting,
            ticket: None,
            lanes: None,
            end: None,
            endpoints,
            peer_address: String::new(),
            scheme,
            layers: Layers::default(),
            control: Vec::new(),
            closing: false,
            owes_hiccup: false,
            untaken: Untaken::default(),
            _guard: session_context.guard,
        }
    }

    fn take_pipe(&mut self, pipe: Pipe) {
        pipe.set_owner(self.remote.next_end());
        let (reader, writer, end) = pipe.into_parts();
        self.lanes = Some((reader, writer));
        self.end = Some(end);
    }

    pub(in crate::session) fn tell(&self, kind: u64, value: u64) {
        self.owner.monitor.tell(kind, value, &self.endpoints);
    }
}

impl Session {
    /// Sends published messages.
    pub(in crate::session) fn send(&mut self, cx: &mut Cx<'_>) {
        self.flush(cx, false);
    }

    /// `published`: the socket has published something, and nothing else has happened.
    fn flush(&mut self, cx: &mut Cx<'_>, published: bool) {
        let Stage::Connected(connection) = &self.stage else { return self.close_if_nothing_is_left(cx) };
        let flush = connection.send(&self.control, self.closing, published);
        self.control.clear();
        let sent = match flush {
            Flush::Sent(sent) => sent,
            Flush::Later(look) => return cx.set_timer(timer::COALESCING, look),
            Flush::Busy | Flush::LeftToCaller => return,
        };
        match sent {
            Sent::Ended => self.finish_when_taken(cx),
            Sent::All if self.closing => {
                if !self.untaken.is_waited_for() {
                    connection.part();
                }
                self.finish_when_taken(cx);
            }
            Sent::Over if self.closing => self.disconnected(cx, Reason::Stream(Errno::PIPE)),
            Sent::All | Sent::Over => {}
            Sent::Blocked => {
                if connection.refuses_at_once() {
                    cx.set_timer(timer::REFUSED, REFUSED_PAUSE);
                }
                self.note_full(cx);
            }
            Sent::Yield => cx.again(),
            Sent::NoMemory => cx.set_timer(timer::REFUSED, REFUSED_PAUSE),
            Sent::Failed(errno) => self.end_when_read(cx, errno),
        }
    }

    /// All is written: the session ends once the peer's system has it.
    fn finish_when_taken(&mut self, cx: &mut Cx<'_>) {
        let Stage::Connected(connection) = &self.stage else { return };
        match self.untaken.look(connection.untaken_bytes(), cx.now_ms()) {
            Some(pause) => cx.set_timer(timer::UNTAKEN, pause),
            None => cx.finish(),
        }
    }

    /// Nothing more can be sent, or no event would tell of the stream any more. What it holds has been received by the system and
    /// is the program's: the connection ends when that is in the pipe, which may have to wait for credit.
    fn end_when_read(&mut self, cx: &mut Cx<'_>, errno: Errno) {
        let Stage::Connected(connection) = &self.stage else { return };
        connection.end_when_read(errno);
        if self.closing {
            return self.disconnected(cx, Reason::Stream(errno));
        }
        self.receive(cx, true);
    }

    /// Sends published messages, now that the stream has room. Where it still takes nothing, no event would tell of the room
    /// again.
    fn send_into_room(&mut self, cx: &mut Cx<'_>) {
        let Stage::Connected(connection) = &self.stage else { return };
        let before = connection.sent_bytes();
        self.send(cx);
        if let Stage::Connected(connection) = &self.stage
            && connection.refuses_in_spite_of_room(before)
        {
            cx.set_timer(timer::REFUSED, REFUSED_PAUSE);
        }
    }

    /// A while after the stream has taken or given nothing in spite of what the system says of it, or after there was no memory.
    fn try_again(&mut self, cx: &mut Cx<'_>) {
        self.send_into_room(cx);
        self.receive(cx, false);
        if let Stage::Connected(connection) = &self.stage
            && connection.withholds_bytes()
        {
            cx.set_timer(timer::REFUSED, REFUSED_PAUSE);
        }
    }

    pub(in crate::session) fn receive(&mut self, cx: &mut Cx<'_>, hangup: bool) {
        let Stage::Connected(connection) = &self.stage else { return };
        let received = connection.receive(hangup, cx.now_ms(), &mut self.control);
        match received {
            // None: the thread that holds the half wakes the session.
            None | Some(Received::Blocked | Received::Stopped) => {}
            Some(Received::NoCredit) => {
                if connection.heartbeats {
                    let now_ms = cx.now_ms();
                    let suspend =
                        |recv: &mut RecvHalf| recv.heartbeat.as_mut().map(|beat| beat.suspend(now_ms));
                    connection.with_recv(suspend);
                }
            }
            Some(Received::Yield) => cx.again(),
            Some(Received::NoMemory) => cx.set_timer(timer::REFUSED, REFUSED_PAUSE),
            Some(Received::End) => {
                if !self.control.is_empty() {
                    // Such as the answer to a closing frame. It is dropped if the stream does not take it.
                    connection.send(&self.control, true, false);
                }
                return self.disconnected(cx, Reason::Stream(Errno::PIPE));
            }
            Some(Received::Broken(failure)) => return self.disconnected(cx, Reason::Protocol(failure)),
            Some(Received::Failed(errno)) => return self.disconnected(cx, Reason::Stream(errno)),
        }
        self.watch_heartbeat(cx);
        if !self.control.is_empty() {
            self.send(cx);
        }
    }

    /// Does the work that threads of the program have deferred on the connection.
    fn run_deferred(&mut self, cx: &mut Cx<'_>, deferred: Deferred) {
        let Stage::Connected(_) = &self.stage else { return };
        if deferred.panicked {
            // As if it had happened here.
            if !self.panicked(cx) {
                cx.finish();
            }
            return;
        }
        if deferred.refused {
            cx.set_timer(timer::REFUSED, REFUSED_PAUSE);
        }
        if deferred.arm_timer {
            cx.set_timer(timer::LOOK, MIN_LOOK_INTERVAL);
        }
        self.control.extend_from_slice(&deferred.answers);
        if let Some(errno) = deferred.failed {
            self.end_when_read(cx, errno);
        }
    }

    fn look_after_stream(&mut self, cx: &mut Cx<'_>) {
        if let Stage::Connected(connection) = &self.stage
            && let Some(after) = connection.look_after()
        {
            cx.set_timer(timer::LOOK, after);
        }
    }

    pub(in crate::session) fn watch_heartbeat(&mut self, cx: &mut Cx<'_>) {
        let Stage::Connected(connection) = &self.stage else { return };
        if !connection.heartbeats {
            return;
        }
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
        // Bytes that the stream has taken by now are a sign of life, and so are bytes that lie in it.
        self.send(cx);
        self.receive(cx, true);
        if self.poll_heartbeat(cx) == Action::Expired {
            return self.disconnected(cx, Reason::Timeout);
        }
        self.watch_heartbeat(cx);
        self.send(cx);
    }

    /// The stream takes no more: what it does is a sign of life from now on.
    fn note_full(&mut self, cx: &mut Cx<'_>) {
        let Stage::Connected(connection) = &self.stage else { return };
        let note =
            |recv: &mut RecvHalf| recv.heartbeat.as_mut().is_some_and(|beat| beat.on_full(cx.now_ms()));
        if connection.heartbeats && connection.with_recv(note) == Some(true) {
            self.watch_heartbeat(cx);
        }
    }

    /// The heartbeat's action for now. A PING or PONG that is due is appended to `control`.
    fn poll_heartbeat(&mut self, cx: &mut Cx<'_>) -> Action {
        let Stage::Connected(connection) = &self.stage else { return Action::None };
        let state = connection.send_state();
        let control = &mut self.control;
        let action = connection.with_recv(|recv| {
            let action = recv.heartbeat.as_mut()?.poll(cx.now_ms(), &state);
            match action {
                Action::SendPing => recv.append_ping(control),
                Action::SendPong => recv.append_pong(control),
                Action::None | Action::Expired => {}
            }
            Some(action)
        });
        action.flatten().unwrap_or(Action::None)
    }
}

impl Source for Session {
    fn ready(&mut self, cx: &mut Cx<'_>, ready: Ready) {
        match &mut self.stage {
            Stage::Waiting => {}
            Stage::Connecting(_) => self.attempt_ready(cx),
            Stage::Handshaking(handshaking) => {
                handshaking.hangup |= ready.hangup || ready.error;
                self.shake_hands(cx);
            }
            Stage::Connected(connection) => {
                if ready.writable {
                    if !ready.readable {
                        connection.told_of_room(cx.now_ms());
                    }
                    self.send_into_room(cx);
                }
                if ready.readable || ready.hangup || ready.error {
                    self.receive(cx, ready.hangup || ready.error);
                }
                if self.closing && (ready.hangup || ready.error) {
                    // The program reads no more, so nothing else would notice.
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
            timer::LOOK => self.look_after_stream(cx),
            timer::COALESCING => self.flush(cx, true),
            timer::REFUSED => self.try_again(cx),
            timer::UNTAKEN => self.finish_when_taken(cx),
            _ => {}
        }
    }

    fn wake(&mut self, cx: &mut Cx<'_>) {
        let Mail { flags, deferred } = self.remote.letterbox.take();
        if flags.has(Flags::WRITABLE)
            && let Stage::Connected(connection) = &self.stage
            && connection.heartbeats
        {
            let now_ms = cx.now_ms();
            connection.with_recv(|recv| recv.heartbeat.as_mut().map(|heartbeat| heartbeat.resume(now_ms)));
        }
        self.run_deferred(cx, deferred);
        if flags.has(Flags::DISCONNECT) && self.stops_attempts() {
            return cx.finish();
        }
        if flags.has(Flags::PEER_CLOSED.or(Flags::TERMINATE)) {
            return self.close(cx);
        }
        match &self.stage {
            Stage::Connecting(_) => self.attempt_ready(cx),
            Stage::Connected(connection) => {
                // A session that is only told of published messages need not ask for more bytes. Bytes of a lent stream are
                // received by its borrower, but for those that lie here already for want of credit.
                let receives =
                    flags.has(Flags::WRITABLE) || !flags.has(Flags::READABLE) && !connection.is_lent();
                self.flush(cx, flags == Flags::READABLE);
                if receives {
                    self.receive(cx, false);
                } else {
                    self.watch_heartbeat(cx);
                }
            }
            Stage::Handshaking(_) if flags.has(Flags::MAKE_ROOM) => {
                self.disconnected(cx, Reason::Stream(Errno::NOBUFS));
            }
            Stage::Handshaking(_) => self.shake_hands(cx),
            Stage::Waiting => {}
        }
    }

    fn tidy(&mut self) {
        if let Stage::Connected(connection) = &self.stage {
            connection.tidy();
        }
    }

    fn panicked(&mut self, cx: &mut Cx<'_>) -> bool {
        for id in timer::OF_A_CONNECTION {
            cx.cancel_timer(id);
        }
        let fd = match std::mem::replace(&mut self.stage, Stage::Waiting) {
            Stage::Connected(connection) => Some(connection.raw_fd()),
            Stage::Handshaking(handshaking) => Some(handshaking.raw_fd()),
            Stage::Waiting | Stage::Connecting(_) => None,
        };
        // The half-done work goes, and the pipe with it, of which the socket is told.
        self.remote.forget_pipe();
        self.let_go();
        self.control.clear();
        self.lanes = None;
        self.end = None;
        if let Some(fd) = fd {
            contain(|| self.tell(event::DISCONNECTED, descriptor_value(fd)));
        }
        if self.closing {
            return false;
        }
        if self.connecter.is_none() {
            return false;
        }
        self.connect_later(cx);
        true
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.let_go();
    }
}
