//! A session: one connection of a socket, from the first attempt or the accept to the end, on one I/O thread.
//!
//! [`Session`] goes from [`stage`](super::stage) to stage. What happens in a stage has a file of its own, which tells how the stage has ended.
//! How it ends is in [`ends`]. The pipe to the socket, which outlasts connections, is in [`session_pipe`](super::session_pipe).

use crate::engine::Peer;
use crate::engine::zmtp::Version;
use crate::errno::Errno;
use crate::options::draft_number::ZMQ_RECONNECT_STOP_AFTER_DISCONNECT;
use crate::pipe::Pipe;
use crate::reactor::{Ready, Source, SourceContext};
use crate::session::connection::Connection;
use crate::session::connection::tls_stream::Tunnel;
use crate::session::letterbox::{Flags, Mail};
use crate::session::lifecycle::admission::{Arrival, Counted, Tickets};
use crate::session::lifecycle::backoff::Setback;
use crate::session::lifecycle::connecter::{Attempt, Connecter, Met};
use crate::session::lifecycle::connecting::{Connecting, Next, READABLE_AND_WRITABLE};
use crate::session::lifecycle::data_phase::DataPhase;
use crate::session::lifecycle::ends::{self, After, AfterClose, End, Ended, Kept};
use crate::session::lifecycle::establishing::{self, Establishing, Introduction, Makings, Progress};
use crate::session::lifecycle::events::SessionEvents;
use crate::session::lifecycle::handshake_memory::HandshakeMemory;
use crate::session::lifecycle::handshaking::{Handshaking, Stream};
use crate::session::lifecycle::reason::Reason;
use crate::session::lifecycle::session_context::SessionContext;
use crate::session::lifecycle::session_pipe::{SessionPipe, last_words};
use crate::session::lifecycle::stage::Stage;
use crate::session::lifecycle::{linger, timer};
use crate::session::monitor_events::{Endpoints, NO_DESCRIPTOR, descriptor_value, event};
use crate::session::remote::SessionRemote;
use crate::session::{Command, SessionHandle};
use crate::sys::contain::contain;
use crate::transport::{ConnectPlan, Layers, Scheme};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

/// Lives on an I/O thread; others reach it through its [`SessionRemote`].
pub struct Session {
    socket: SessionContext,
    remote: Arc<SessionRemote>,
    /// How to connect (again); `None` for a connection that was accepted.
    connecter: Option<Connecter>,
    stage: Stage,
    /// Of a peer that has come to us, until its handshake has them.
    tickets: Tickets,
    /// Of a peer that has come to us, where the endpoint has limits. Dropped with the session.
    counted: Option<Counted>,
    pipe: SessionPipe,
    events: SessionEvents,
    peer_address: String,
    scheme: Scheme,
    /// The protocol on the stream, below ZMTP.
    layers: Layers,
    /// The socket has closed its end: only the rest is sent.
    closing: bool,
}

impl Session {
    /// For an accepted connection.
    pub fn accepted(
        cx: &mut SourceContext<'_>,
        socket: SessionContext,
        remote: Arc<SessionRemote>,
        Arrival { stream, tickets, counted }: Arrival,
    ) -> Box<dyn Source> {
        let endpoints = Endpoints { local: stream.local, remote: stream.peer, bound: true };
        let mut session = Session::new(cx, socket, remote, None, (stream.scheme, endpoints));
        session.tickets = tickets;
        session.counted = counted;
        session.peer_address = stream.peer_address;
        session.layers = stream.layers;
        session.begin_handshake(cx, stream.fd, false);
        Box::new(session)
    }

    /// For an endpoint to connect to, with the pipe's session end if the socket has made one already.
    pub fn connecting(
        cx: &mut SourceContext<'_>,
        socket: SessionContext,
        remote: Arc<SessionRemote>,
        (plan, routing_id): (ConnectPlan, Vec<u8>),
        pipe: Option<Pipe>,
    ) -> Box<dyn Source> {
        let endpoints = Endpoints::connecting(plan.endpoint());
        let (scheme, layers) = (plan.scheme(), plan.layers().clone());
        let connecter = Connecter::new(plan, Arc::clone(&socket.options), routing_id);
        let mut session = Session::new(cx, socket, remote, Some(connecter), (scheme, endpoints));
        session.layers = layers;
        if let Some(pipe) = pipe {
            session.pipe.set(pipe);
        }
        session.connect(cx);
        Box::new(session)
    }

    fn new(
        cx: &mut SourceContext<'_>,
        socket: SessionContext,
        remote: Arc<SessionRemote>,
        connecter: Option<Connecter>,
        (scheme, endpoints): (Scheme, Endpoints),
    ) -> Session {
        remote.letterbox.set_remote(cx.remote());
        // Flags that were set before we had a place.
        cx.again();
        Session {
            events: SessionEvents::new(Arc::clone(&socket.owner), endpoints),
            pipe: SessionPipe::new(&remote, &socket.owner, &socket.options),
            socket,
            remote,
            connecter,
            stage: Stage::default(),
            tickets: [None, None],
            counted: None,
            peer_address: String::new(),
            scheme,
            layers: Layers::default(),
            closing: false,
        }
    }

    fn connect(&mut self, cx: &mut SourceContext<'_>) {
        if !self.pipe.hiccup(self.socket.options.sndhwm) {
            return self.connect_later(cx);
        }
        match self.attempts() {
            Some(mut attempts) => {
                let next = attempts.begin(cx);
                self.follow(cx, next);
            }
            None => cx.finish(),
        }
    }

    fn attempts(&mut self) -> Option<Connecting<'_>> {
        let (options, events, closing) = (&self.socket.options, &self.events, self.closing);
        self.connecter.as_mut().map(|connecter| Connecting { connecter, options, events, closing })
    }

    fn proceed(&mut self, cx: &mut SourceContext<'_>) {
        self.attempt(cx, |attempts, cx, attempt| attempts.proceed(cx, attempt));
    }

    /// Takes the attempt that is under way a step further.
    fn attempt(
        &mut self,
        cx: &mut SourceContext<'_>,
        step: impl FnOnce(&mut Connecting<'_>, &mut SourceContext<'_>, Attempt) -> Next,
    ) {
        if let Stage::Connecting(_) = &self.stage
            && let Stage::Connecting(attempt) = self.stage.take()
            && let Some(mut attempts) = self.attempts()
        {
            let next = step(&mut attempts, cx, attempt);
            self.follow(cx, next);
        }
    }

    /// Acts on where an attempt has led.
    fn follow(&mut self, cx: &mut SourceContext<'_>, next: Next) {
        match next {
            Next::Wait(attempt) => self.stage = Stage::Connecting(attempt),
            Next::Connected { fd, watched, endpoints, peer_address } => {
                self.events.set_endpoints(endpoints);
                self.peer_address = peer_address;
                self.events.connected(fd.as_raw_fd());
                self.begin_handshake(cx, fd, watched);
            }
            Next::Failed => self.stage = Stage::Waiting,
            Next::GiveUp => {
                self.stage = Stage::Waiting;
                self.give_up(cx);
            }
        }
    }

    /// Connects again after a while, or gives up where the program does not want that.
    fn connect_later(&mut self, cx: &mut SourceContext<'_>) {
        let later = self.attempts().is_some_and(|mut attempts| attempts.try_later(cx, Setback::Failed));
        if !later {
            self.give_up(cx);
        }
    }

    /// Never connects again.
    fn give_up(&mut self, cx: &mut SourceContext<'_>) {
        self.socket.owner.mailbox.send(Command::Gone(SessionHandle(Arc::clone(&self.remote))));
        cx.finish();
    }

    /// Whether an endpoint that the program has disconnected is not to be tried again while it waits for that; tells of it.
    fn stops_attempts(&self) -> bool {
        let is_wanted = self.socket.options.reconnect_stop & ZMQ_RECONNECT_STOP_AFTER_DISCONNECT != 0;
        let stops = is_wanted && self.connecter.is_some() && matches!(self.stage, Stage::Waiting);
        stops.then(|| self.events.tell(event::CLOSED, NO_DESCRIPTOR)).is_some()
    }

    /// `watched`: the reactor has watched the stream for being connected.
    fn begin_handshake(&mut self, cx: &mut SourceContext<'_>, fd: OwnedFd, watched: bool) {
        let tickets = std::mem::take(&mut self.tickets);
        let is_raw = self.socket.options.raw_socket && self.layers.ws.is_none();
        // A Unix socket has room again each time that its peer reads, which would wake us in each step of the handshake.
        let for_room = is_raw || self.scheme.is_over_tcp();
        let raw_fd = fd.as_raw_fd();
        if establishing::watch(cx, raw_fd, watched, for_room).is_err() {
            self.events.closed(raw_fd);
            drop(fd);
            return self.ended(cx, End::Stream);
        }
        let config =
            self.socket.config(&self.events, &self.peer_address, self.connecter.is_some(), cx.now_ms());
        if is_raw && config.is_ok() {
            let stream = Stream { fd, tunnel: None, for_room };
            return self.establish(cx, stream, Introduction::default());
        }
        let falls_back = config.is_ok() && self.connecter.as_mut().is_some_and(Connecter::take_fallback);
        let memory = self.connecter.is_none().then(|| HandshakeMemory::new(tickets, &self.layers));
        let handshaking = config.and_then(|config| {
            let config = if falls_back { config.falling_back() } else { config };
            let trail = self.events.trail(&config);
            Handshaking::new(fd, for_room, &self.layers, config)
                .map(|handshaking| handshaking.recorded_in(trail).counted_in(memory))
        });
        match handshaking {
            Ok(handshaking) => self.stage = Stage::Handshaking(Box::new(handshaking)),
            Err(_) => {
                self.events.closed(raw_fd);
                return self.ended(cx, End::Stream);
            }
        }
        if self.socket.options.handshake_ivl_ms > 0 {
            cx.set_timer(timer::HANDSHAKE, timer::millis(self.socket.options.handshake_ivl_ms));
        }
        self.shake_hands(cx);
    }

    fn shake_hands(&mut self, cx: &mut SourceContext<'_>) {
        let Stage::Handshaking(handshaking) = &mut self.stage else { return };
        let lent = Establishing {
            options: &self.socket.options,
            events: &self.events,
            protection: self.socket.protection.as_deref(),
            authenticators: &*self.socket.authenticators,
            guard: &self.socket.guard,
            remote: &self.remote,
        };
        let accepted = self.connecter.is_none();
        let progress = lent.shake_hands(cx, handshaking, |now_ms| {
            if accepted {
                self.socket.owner.ban_list.failed(&self.peer_address, now_ms);
            }
        });
        match progress {
            Progress::Wait => {}
            Progress::Over(reason) => self.disconnected(cx, reason),
            Progress::Done(introduction) => {
                if let Stage::Handshaking(mut handshaking) = self.stage.take() {
                    self.events.admitted(handshaking.trail.take(), introduction.peer.as_ref());
                    self.establish(cx, handshaking.into_stream(), introduction);
                }
            }
        }
    }

    /// The handshake is over: connects the stream and the pipe.
    fn establish(&mut self, cx: &mut SourceContext<'_>, stream: Stream, introduction: Introduction) {
        let Stream { fd, tunnel, for_room } = stream;
        let raw_fd = fd.as_raw_fd();
        // See `Connections::recall`.
        let has_fd = self.socket.owner.mailbox.state().has_fd();
        let peer = introduction.peer.as_ref();
        let has_mechanism = peer.is_some_and(|peer| peer.version >= Version::V3_0);
        if has_fd
            && !for_room
            && let Err(errno) = cx.reregister(raw_fd, READABLE_AND_WRITABLE)
        {
            return self.fell_short(cx, errno, (has_mechanism, raw_fd));
        }
        let met = self.meet(peer);
        if self.closing && !self.pipe.exists() {
            // What lingered was for another peer, and the program has done with this one's endpoint.
            self.events.closed(raw_fd);
            return cx.finish();
        }
        let routing_id = self.connecter.as_ref().map_or(&b""[..], Connecter::given_id);
        let lanes = self.pipe.lanes(&self.socket.options, self.events.endpoints(), routing_id);
        let (reader, mut writer, fresh) = match lanes {
            Ok(lanes) => lanes,
            Err(errno) => return self.fell_short(cx, errno, (has_mechanism, raw_fd)),
        };
        let subject = tunnel.as_deref().and_then(Tunnel::peer_subject);
        let properties = establishing::properties(peer, subject, (self.peer_address.as_str(), raw_fd));
        let introduced = establishing::introduce(&mut writer, &self.socket.options, peer, &properties);
        self.pipe.properties = Some(properties);
        // A new pipe is probed by the socket.
        let probes = self.socket.options.probe_router && fresh.is_none() && met == Met::Again;
        if let Some(mut pipe) = fresh {
            pipe.is_of_connect = self.connecter.is_some();
            pipe.count_for(&self.socket.owner.record);
            self.socket.owner.mailbox.send(Command::Bind(Box::new(pipe)));
        }
        let (protection, now_ms) = (self.socket.protection.as_deref(), cx.now_ms());
        let throttle =
            establishing::throttle(protection, self.counted.as_ref(), self.connecter.as_mut(), now_ms);
        let makings = Makings {
            options: &self.socket.options,
            role: self.layers.ws.as_ref(),
            lanes: (reader, writer),
            tunnel,
            record: self.events.connection_record(peer, &self.peer_address),
            introduction,
            throttle,
            probes,
            io_threads: self.socket.guard.context().io_threads(),
        };
        let (halves, begun) = establishing::halves(makings, now_ms);
        let connection = Arc::new(Connection::new(
            fd,
            for_room || has_fd,
            has_mechanism,
            halves,
            cx.remote(),
            self.remote.letterbox.for_connection(),
            Arc::clone(&self.socket.owner.send_rate),
        ));
        self.stage = Stage::Connected(DataPhase::new(Arc::clone(&connection), self.closing));
        match introduced.and(begun) {
            Ok(()) => self.begin_data_phase(cx, connection),
            Err(errno) => self.disconnected(cx, Reason::Stream(errno)),
        }
    }

    /// The handshake has succeeded, and the connection cannot be had.
    fn fell_short(
        &mut self,
        cx: &mut SourceContext<'_>,
        errno: Errno,
        (has_mechanism, raw_fd): (bool, RawFd),
    ) {
        self.events.connection_ended(Reason::Stream(errno), has_mechanism, raw_fd);
        self.ended(cx, End::Stream);
    }

    /// From here on threads of the program may use the connection, too.
    fn begin_data_phase(&mut self, cx: &mut SourceContext<'_>, connection: Arc<Connection>) {
        self.remote.publish(connection, &self.socket.owner);
        self.events.opened();
        if let Some(connecter) = &mut self.connecter {
            connecter.established();
        }
        let sends_alone = self.socket.options.socket_type.sends_alone();
        self.in_data_phase(cx, |data_phase, cx| data_phase.begin(cx, sends_alone));
    }

    /// Does something with the connection, if there is one, and acts on its end.
    fn in_data_phase(
        &mut self,
        cx: &mut SourceContext<'_>,
        act: impl FnOnce(&mut DataPhase, &mut SourceContext<'_>) -> Result<(), Reason>,
    ) {
        if let Stage::Connected(data_phase) = &mut self.stage
            && let Err(reason) = act(data_phase, cx)
        {
            self.disconnected(cx, reason);
        }
    }

    /// Compares the peer with the last one. A stranger gets a pipe of its own: messages in the present pipe are for the last
    /// peer, or from it.
    fn meet(&mut self, peer: Option<&Peer>) -> Met {
        let (Some(connecter), Some(peer)) = (&mut self.connecter, peer) else { return Met::First };
        let met = connecter.meet(&peer.routing_id);
        if met == Met::Stranger {
            self.pipe.forget();
        }
        met
    }

    /// The stream has ended, in any stage.
    fn disconnected(&mut self, cx: &mut SourceContext<'_>, reason: Reason) {
        timer::cancel_those_of_a_connection(cx);
        let mut end = End::Stream;
        match self.stage.take() {
            Stage::Handshaking(handshaking) => {
                if self.connecter.is_none() && handshaking.counts(reason) {
                    self.socket.owner.ban_list.failed(&self.peer_address, cx.now_ms());
                }
                self.events.handshake_ended(reason, &handshaking);
                if let Some(connecter) = &mut self.connecter {
                    let stops = connecter.handshake_ended(reason, handshaking.denied, handshaking.heard);
                    end = End::Handshake { stops };
                }
            }
            Stage::Connected(data_phase) => {
                let connection = data_phase.connection();
                self.events.connection_ended(reason, connection.has_mechanism, connection.raw_fd());
                drop(self.remote.withdraw(&self.socket.owner));
                self.pipe.take_back(connection, last_words(&self.socket.options, self.connecter.is_none()));
                if matches!(reason, Reason::Protocol(_)) {
                    end = End::Protocol;
                }
            }
            Stage::Waiting | Stage::Connecting(_) => {}
        }
        self.ended(cx, end);
    }

    /// As [`ends`] needs to know it.
    fn state(&mut self) -> Ended {
        let options = &self.socket.options;
        Ended {
            connects: self.connecter.is_some(),
            closing: self.closing,
            has_pipe: self.pipe.exists(),
            refused: self.connecter.as_ref().is_some_and(Connecter::is_refused),
            something_left: self.pipe.something_left(),
            immediate: options.immediate,
            socket_type: options.socket_type,
        }
    }

    /// Drops the connection, if there is one, and its lanes. The socket's thread may hold its halves, and the lanes are to go
    /// before the pipe's end does.
    fn let_go(&mut self) {
        if let Some(connection) = self.remote.withdraw(&self.socket.owner) {
            drop(connection.dismantle());
        }
    }

    /// There is no stream any more, or none came about.
    fn ended(&mut self, cx: &mut SourceContext<'_>, end: End) {
        let after = ends::after(end, self.state());
        let Some(connecter) = &mut self.connecter else { return cx.finish() };
        match after {
            // Dropping our end of the pipe tells the socket.
            After::End => return cx.finish(),
            // So the pipe goes at the socket's second look. Programs know that from libzmq, where the send that follows a refusal does
            // not fail yet.
            After::EndWhenHeard => {
                connecter.end();
                let session = SessionHandle(Arc::clone(&self.remote));
                return self.socket.owner.mailbox.send(Command::Over { session, seen: false });
            }
            After::ConnectAgain(Kept::Everything) => {}
            After::ConnectAgain(Kept::Nothing) => self.pipe.forget(),
            After::ConnectAgain(Kept::Incoming) => {
                self.pipe.owe_hiccup();
                self.pipe.hiccup(self.socket.options.sndhwm);
            }
        }
        connecter.lost();
        self.events.set_endpoints(Endpoints::connecting(connecter.endpoint()));
        self.connect_later(cx);
    }

    /// The socket has closed its end since it does not want the peer. `over`: the program has done with the endpoint.
    fn cut_off(&mut self, cx: &mut SourceContext<'_>, errno: Errno, over: bool) {
        let fd = self.stage.connection().map(Connection::raw_fd);
        let limit = self.socket.options.max_subscriptions_size;
        self.events.cut_off(errno, limit, &self.peer_address, fd);
        let after = ends::after(End::Pipe { refusal: errno, over }, self.state());
        let (After::ConnectAgain(_), Some(connecter)) = (after, &mut self.connecter) else {
            return cx.finish();
        };
        if fd.is_none() {
            // The attempt goes on, and brings a pipe of its own.
            return self.pipe.forget();
        }
        timer::cancel_those_of_a_connection(cx);
        connecter.cut_off();
        self.events.set_endpoints(Endpoints::connecting(connecter.endpoint()));
        self.stage = Stage::Waiting;
        self.let_go();
        self.pipe.forget();
        self.connect_later(cx);
    }

    /// The socket has closed its end.
    fn close(&mut self, cx: &mut SourceContext<'_>) {
        if std::mem::replace(&mut self.closing, true) {
            return;
        }
        self.pipe.close();
        let connected = if let Stage::Connected(data_phase) = &mut self.stage {
            data_phase.close(cx);
            true
        } else {
            false
        };
        let over = self.connecter.as_ref().is_some_and(Connecter::is_over);
        let after = ends::after_close(connected, over, self.state());
        let linger_ms = self.remote.letterbox.linger_ms().unwrap_or_else(|| self.socket.owner.linger_ms());
        if after != AfterClose::End && !linger::begin(cx, linger_ms) {
            return;
        }
        match after {
            AfterClose::End => cx.finish(),
            AfterClose::Send => self.in_data_phase(cx, DataPhase::send),
            // The wake may have been for a name that was found, or for the authenticator's answer, too.
            AfterClose::Wait => cx.again(),
        }
    }
}

impl Source for Session {
    fn ready(&mut self, cx: &mut SourceContext<'_>, ready: Ready) {
        match &mut self.stage {
            Stage::Waiting => {}
            Stage::Connecting(_) => self.proceed(cx),
            Stage::Handshaking(handshaking) => {
                handshaking.hangup |= ready.hangup || ready.error;
                self.shake_hands(cx);
            }
            Stage::Connected(_) => self.in_data_phase(cx, |data_phase, cx| data_phase.ready(cx, ready)),
        }
    }

    fn timer(&mut self, cx: &mut SourceContext<'_>, id: u8) {
        match id {
            timer::RECONNECT => self.connect(cx),
            timer::CONNECT => self.attempt(cx, |attempts, cx, attempt| attempts.time_out(cx, attempt)),
            timer::HANDSHAKE => self.disconnected(cx, Reason::Timeout),
            timer::LINGER => cx.finish(),
            id => self.in_data_phase(cx, |data_phase, cx| data_phase.timer(cx, id)),
        }
    }

    fn wake(&mut self, cx: &mut SourceContext<'_>) {
        let Mail { flags, deferred } = self.remote.letterbox.take();
        if matches!(self.stage, Stage::Connected(_)) {
            if !deferred.panicked {
                self.in_data_phase(cx, |data_phase, cx| data_phase.run_deferred(cx, deferred));
            } else if !self.panicked(cx) {
                // As if it had happened here.
                cx.finish();
            }
        }
        if flags.has(Flags::DISCONNECT) && self.stops_attempts() {
            return cx.finish();
        }
        if flags.has(Flags::MAKE_ROOM) && matches!(self.stage, Stage::Handshaking(_)) {
            self.disconnected(cx, Reason::Stream(Errno::NOBUFS));
        }
        // It may hear of it twice, and the second time with the wake of a thread that has let go of a half.
        // News of it may be of a pipe that the session has forgotten; and of this one it may not have come yet.
        if !self.closing && (self.pipe.is_left() || flags.has(Flags::TERMINATE)) {
            return match self.pipe.refusal() {
                Some(errno) => self.cut_off(cx, errno, flags.has(Flags::TERMINATE)),
                None => self.close(cx),
            };
        }
        self.pipe.wake(flags);
        match &self.stage {
            Stage::Connecting(_) => self.proceed(cx),
            Stage::Connected(_) => self.in_data_phase(cx, |data_phase, cx| data_phase.wake(cx, flags)),
            Stage::Handshaking(_) => self.shake_hands(cx),
            Stage::Waiting => {}
        }
    }

    fn tidy(&mut self) {
        let _ = self.stage.connection().map(Connection::tidy);
    }

    fn panicked(&mut self, cx: &mut SourceContext<'_>) -> bool {
        timer::cancel_those_of_a_connection(cx);
        let fd = self.stage.take().raw_fd();
        // The half-done work goes, and the pipe with it, of which the socket is told.
        self.let_go();
        self.pipe.forget();
        if let Some(fd) = fd {
            contain(|| self.events.tell(event::DISCONNECTED, descriptor_value(fd)));
        }
        if self.closing || self.connecter.is_none() {
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
