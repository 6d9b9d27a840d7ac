//! From a stream to a connection: the handshake, the pipe, and the peer's properties.

use crate::engine::mechanism::properties::TLS_SUBJECT;
use crate::engine::zap::{ZapRequest, ZapStatus};
use crate::engine::zmtp::Version;
use crate::engine::zmtp::heartbeat::Intervals;
use crate::engine::{Config, Failure, Heartbeat, Peer, ws};
use crate::errno::Errno;
use crate::message::{Metadata, OutFrame};
use crate::options::draft_number::ZMQ_NOTIFY_CONNECT;
use crate::options::{SocketOptions, SocketType};
use crate::pipe::{self, LaneOptions, LaneReader, LaneWriter, Pipe};
use crate::reactor::{Cx, Interest};
use crate::session::Command;
use crate::session::connection::Connection;
use crate::session::connection::recv::{Limits, Received, RecvForm, RecvHalf};
use crate::session::connection::send::{SendForm, SendHalf};
use crate::session::connection::tls_stream::Tunnel;
use crate::session::lifecycle::connecter::Met;
use crate::session::lifecycle::connecting::READABLE_AND_WRITABLE;
use crate::session::lifecycle::handshaking::{Handshaking, Outcome, Stream};
use crate::session::lifecycle::reason::Reason;
use crate::session::lifecycle::session::{Session, Stage};
use crate::session::lifecycle::timer;
use crate::session::lifecycle::zap::Zap;
use crate::session::monitor_events::{descriptor_value, event};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

/// A peer whose authentication has failed for now is told nothing (RFC 25, RFC 27): after this number of milliseconds the
/// connection ends, so that the peer comes back. If it ended at once, the peer would be back at once, and would ask the same
/// authenticator.
const AUTH_FAILED_SILENCE_MS: i32 = 1100;

impl Session {
    /// `watched`: the reactor has watched the stream for being connected.
    pub(in crate::session) fn begin_handshake(&mut self, cx: &mut Cx<'_>, fd: OwnedFd, watched: bool) {
        let is_raw = self.options.raw_socket && self.layers.ws.is_none();
        // A Unix socket has room again each time that its peer reads, which would wake us in each step of the handshake.
        let for_room = is_raw || self.scheme.is_over_tcp();
        let registered = match (watched, for_room) {
            // Events in between are found by trying.
            (true, true) => Ok(()),
            (true, false) => cx.reregister(fd.as_raw_fd(), Interest::READABLE),
            (false, true) => cx.register(fd.as_raw_fd(), READABLE_AND_WRITABLE),
            (false, false) => cx.register(fd.as_raw_fd(), Interest::READABLE),
        };
        if registered.is_err() {
            self.tell(event::CLOSED, descriptor_value(fd.as_raw_fd()));
            drop(fd);
            return self.lost(cx);
        }
        if is_raw {
            let stream = Stream { fd, tunnel: None, for_room };
            return self.establish(cx, stream, None, &[], (&[], false));
        }
        if self.options.handshake_ivl_ms > 0 {
            cx.set_timer(timer::HANDSHAKE, timer::millis(self.options.handshake_ivl_ms));
        }
        let raw_fd = fd.as_raw_fd();
        let config = Config::new(&self.options, self.security.clone(), &self.peer_address);
        match Handshaking::new(fd, for_room, &self.layers, config) {
            Ok(handshaking) => self.stage = Stage::Handshaking(Box::new(handshaking)),
            Err(_) => {
                self.tell(event::CLOSED, descriptor_value(raw_fd));
                return self.lost(cx);
            }
        }
        self.shake_hands(cx);
    }

    pub(in crate::session) fn shake_hands(&mut self, cx: &mut Cx<'_>) {
        while let Stage::Handshaking(handshaking) = &mut self.stage {
            let outcome = handshaking.drive();
            match self.act_on(cx, outcome) {
                Some(outcome) => drop(self.act_on(cx, outcome)),
                None => return,
            }
        }
    }

    /// Acts on the outcome of the handshake. `Some`: the next outcome, or the handshake is to be driven on.
    fn act_on(&mut self, cx: &mut Cx<'_>, outcome: Outcome) -> Option<Outcome> {
        match outcome {
            Outcome::Blocked => {
                if let Stage::Handshaking(handshaking) = &mut self.stage
                    && handshaking.needs_room()
                    && let Err(errno) = cx.reregister(handshaking.raw_fd(), READABLE_AND_WRITABLE)
                {
                    self.disconnected(cx, Reason::Stream(errno));
                }
                return None;
            }
            Outcome::DriveOn => return None,
            Outcome::Ask(request) => return self.ask(&request),
            Outcome::Denied(status) => {
                self.tell(event::HANDSHAKE_FAILED_AUTH, status.code().unsigned_abs().into());
                if status == ZapStatus::AuthenticationFailure {
                    self.count_failure(cx.now_ms());
                }
                if status == ZapStatus::TemporaryError
                    && !(1..=AUTH_FAILED_SILENCE_MS).contains(&self.options.handshake_ivl_ms)
                {
                    cx.set_timer(timer::HANDSHAKE, timer::millis(AUTH_FAILED_SILENCE_MS));
                }
                return Some(Outcome::DriveOn);
            }
            Outcome::Done { peer, unsent, rest, drained } => {
                if let Stage::Handshaking(handshaking) = std::mem::replace(&mut self.stage, Stage::Waiting) {
                    cx.cancel_timer(timer::HANDSHAKE);
                    if peer.version >= Version::V3_0 {
                        self.tell(event::HANDSHAKE_SUCCEEDED, 0);
                    }
                    let (stream, rest) = (handshaking.into_stream(), (rest.as_slice(), drained));
                    self.establish(cx, stream, Some(peer), &unsent, rest);
                }
            }
            Outcome::Failed(errno) => self.disconnected(cx, Reason::Stream(errno)),
            Outcome::Broken(Failure::Own(errno)) => self.disconnected(cx, Reason::Own(errno)),
            Outcome::Broken(failure) => self.disconnected(cx, Reason::Protocol(failure)),
        }
        None
    }

    /// Asks the authenticator about the peer.
    fn ask(&mut self, request: &ZapRequest) -> Option<Outcome> {
        let Stage::Handshaking(handshaking) = &mut self.stage else { return None };
        let subject = handshaking.peer_subject();
        let properties = subject.map(|subject| Metadata::new([subject_property(subject)]));
        let asked = Zap::ask(&*self.authenticators, &self.remote, request, properties);
        match asked {
            Ok(Some(zap)) => {
                handshaking.zap = Some(zap);
                Some(Outcome::DriveOn)
            }
            Ok(None) => Some(handshaking.zap_unavailable().unwrap_or(Outcome::DriveOn)),
            Err(errno) => Some(Outcome::Failed(errno)),
        }
    }

    /// The handshake is over: connects the stream and the pipe. `peer` is `None` for a raw stream. `rest` has come from the
    /// peer already, and, if `drained`, all that there is for now.
    pub(in crate::session) fn establish(
        &mut self,
        cx: &mut Cx<'_>,
        Stream { fd, tunnel, for_room }: Stream,
        peer: Option<Peer>,
        unsent: &[u8],
        (rest, drained): (&[u8], bool),
    ) {
        self.ticket = None;
        let raw_fd = fd.as_raw_fd();
        // See `Connections::recall`.
        let has_fd = self.owner.mailbox.state().has_fd();
        if has_fd && !for_room && cx.reregister(raw_fd, READABLE_AND_WRITABLE).is_err() {
            return self.lost(cx);
        }
        let met = self.meet(peer.as_ref());
        let (reader, mut writer, fresh) = match self.lanes.take() {
            Some((reader, writer)) => (reader, writer, None),
            None => match self.make_pipe() {
                Ok((reader, writer, theirs)) => (reader, writer, Some(theirs)),
                Err(_) => return self.lost(cx),
            },
        };
        let subject = tunnel.as_deref().and_then(Tunnel::peer_subject);
        let introduced = self.introduce(&mut writer, peer.as_ref(), subject, raw_fd);
        // A new pipe is probed by the socket.
        let probes = self.options.probe_router && fresh.is_none() && met == Met::Again;
        if let Some(pipe) = fresh {
            self.owner.mailbox.send(Command::Bind(Box::new(pipe)));
        }
        let has_mechanism = peer.as_ref().is_some_and(|peer| peer.version >= Version::V3_0);
        let beats = peer.as_ref().is_some_and(|peer| peer.version.has_commands());
        let (send_form, recv_form) = forms(peer, self.layers.ws.as_ref(), &self.options);
        let heartbeat = beats.then(|| Heartbeat::start(Intervals::from(&*self.options), cx.now_ms()));
        let mut send = SendHalf::new(reader, send_form).through(tunnel.clone());
        if let Some(bytes) = self.options.out_batch() {
            send.write_at_most(bytes);
        }
        if self.options.sndbuf >= 0 {
            send.keep_size();
        }
        send.begin_with(unsent);
        let greeted = match self.options.hello() {
            Some(hello) => send.begin_with_message(hello),
            None => Ok(()),
        };
        let probed = if probes { send.begin_with_message(b"") } else { Ok(()) };
        let recv = RecvHalf::new(writer, recv_form, Limits::of(&self.options), heartbeat);
        let mut recv = recv.through(tunnel);
        if let Some(bytes) = self.options.in_batch() {
            recv.read_at_most(bytes);
        }
        let begun = introduced.and(greeted).and(probed).and_then(|()| recv.begin_with(rest, drained));
        let connection = Arc::new(Connection::new(
            fd,
            for_room || has_fd,
            has_mechanism,
            (send, recv),
            cx.remote(),
            self.remote.letterbox.for_connection(),
            Arc::clone(&self.owner.send_rate),
        ));
        self.stage = Stage::Connected(Arc::clone(&connection));
        match begun {
            Ok(()) => self.begin_data_phase(cx, connection),
            Err(errno) => self.disconnected(cx, Reason::Stream(errno)),
        }
    }

    /// From here on threads of the program may use the connection, too.
    fn begin_data_phase(&mut self, cx: &mut Cx<'_>, connection: Arc<Connection>) {
        self.remote.set_connection(Arc::clone(&connection));
        self.owner.connections.add(connection);
        if let Some(connecter) = &mut self.connecter {
            connecter.established();
        }
        self.watch_heartbeat(cx);
        // Receiving comes first: where the peer has gone already, a send would fail, and the bytes that the peer sent before
        // would be lost.
        self.receive(cx, false);
        self.ping_first();
        self.send(cx);
        if let Stage::Connected(connection) = &self.stage {
            // Bytes to send kept a stream without credit with the reactor.
            connection.settle(Received::NoCredit);
        }
    }

    /// A PING before the first message. Later ones lie behind messages, where a slow peer does not see that it is watched.
    ///
    /// The system of a peer that has said all and gone answers by taking back what it has not passed on yet. So there is none where
    /// such a peer would otherwise be sent nothing.
    fn ping_first(&mut self) {
        let Stage::Connected(connection) = &self.stage else { return };
        if !connection.heartbeats || !self.options.socket_type.sends_alone() && !connection.has_messages() {
            return;
        }
        let control = &mut self.control;
        connection.with_recv(|recv| {
            if recv.heartbeat.as_ref().is_some_and(Heartbeat::sends_pings) {
                recv.append_ping(control);
            }
        });
    }

    /// Compares the peer with the last one. A stranger gets a pipe of its own: messages in the present pipe are for the last
    /// peer, or from it.
    fn meet(&mut self, peer: Option<&Peer>) -> Met {
        let (Some(connecter), Some(peer)) = (&mut self.connecter, peer) else { return Met::First };
        let met = connecter.meet(&peer.routing_id);
        if met == Met::Stranger {
            self.forget_pipe();
        }
        met
    }

    pub(in crate::session) fn make_pipe(&mut self) -> Result<(LaneReader, LaneWriter, Pipe), Errno> {
        let to_socket = LaneOptions { hwm: self.options.rcvhwm, conflate: self.options.conflates_in() };
        let from_socket = LaneOptions { hwm: self.options.sndhwm, conflate: self.options.conflates_out() };
        let (ours, mut theirs) = pipe::pair(to_socket, from_socket)?;
        theirs.local.clone_from(&self.endpoints.local);
        theirs.remote.clone_from(&self.endpoints.remote);
        if let Some(connecter) = &self.connecter {
            theirs.routing_id = connecter.given_id().to_vec();
        }
        ours.set_owner(self.remote.next_end());
        let (reader, writer, end) = ours.into_parts();
        self.end = Some(end);
        Ok((reader, writer, theirs))
    }

    /// Tells the socket of the peer: its properties and its routing id.
    pub(in crate::session) fn introduce(
        &self,
        writer: &mut LaneWriter,
        peer: Option<&Peer>,
        subject: Option<String>,
        fd: RawFd,
    ) -> Result<(), Errno> {
        // The first of a name counts, and no authenticator knows the certificate better than TLS does.
        let mut properties: Vec<_> = subject.map(subject_property).into_iter().collect();
        properties.extend(peer.into_iter().flat_map(|peer| peer.properties.iter().cloned()));
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
                if self.options.router_notify & ZMQ_NOTIFY_CONNECT != 0 {
                    writer.append(&mut OutFrame::bytes(b"", false))?;
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

fn subject_property(subject: String) -> (String, Vec<u8>) {
    (TLS_SUBJECT.to_string(), subject.into_bytes())
}

/// How frames leave and arrive.
fn forms(peer: Option<Peer>, role: Option<&ws::Role>, options: &SocketOptions) -> (SendForm, RecvForm) {
    let Some(peer) = peer else { return (SendForm::Raw, RecvForm::Raw) };
    let version = peer.version;
    if let Some(role) = role {
        let (outgoing, incoming) = ws::codec(role, peer.codec);
        return (SendForm::Ws(outgoing), RecvForm::Ws(incoming));
    }
    if let Some((sealer, opener)) = peer.codec.halves() {
        return (SendForm::Sealed(sealer), RecvForm::Sealed(version, opener));
    }
    let subscribes = matches!(options.socket_type, SocketType::Sub | SocketType::Xsub);
    let send = match version {
        Version::V3_1 => SendForm::AsTheyLie,
        Version::V2 | Version::V3_0 if !subscribes => SendForm::AsTheyLie,
        version => SendForm::Framed(version),
    };
    (send, RecvForm::Zmtp(version))
}
