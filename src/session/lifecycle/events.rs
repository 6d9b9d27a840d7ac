//! What a session tells its socket's monitor, the audit trail and the log, and under which endpoints.

use crate::audit::{self, Record};
use crate::counters::{self, ConnectionCounter, ConnectionRecord, SocketCounter};
use crate::engine::zap::ZapStatus;
use crate::engine::zmtp::Version;
use crate::engine::{Config, Failure, Peer};
use crate::errno::Errno;
use crate::options::{Mechanism, SocketOptions};
use crate::pipe::{DISCONNECTED as DISCONNECTED_BY_PROGRAM, OCCUPIED};
use crate::security::{Fault, Protection};
use crate::session::lifecycle::handshake_trail::{self, HandshakeTrail};
use crate::session::lifecycle::handshaking::Handshaking;
use crate::session::lifecycle::reason::Reason;
use crate::session::lifecycle::turned_away::Kind;
use crate::session::monitor_events::{Endpoints, PeerNames, descriptor_value, event};
use crate::session::{SocketLink, trail};
use crate::sys::log::shortage::{self, What};
use crate::sys::log::{Level, Notice, Subsystem};
use crate::sys::probes;
use std::fmt::{self, Display};
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// The events of one session.
pub struct SessionEvents {
    owner: Arc<SocketLink>,
    endpoints: Endpoints,
    /// What the audit trail has of the peer, once that is in.
    admitted: Option<Box<Record>>,
    /// There is a connection of which no end was told.
    is_open: bool,
    /// When the last handshake began, and its mechanism.
    handshake: Option<(Instant, Mechanism)>,
    /// Its peer, where a monitor wants to know.
    names: Option<Box<PeerNames>>,
}

static CONNECTED: Notice = Notice::new(Subsystem::Connection, Level::Info);
static DISCONNECTED: Notice = Notice::new(Subsystem::Connection, Level::Info);
static FALLS_BACK: Notice = Notice::new(Subsystem::Security, Level::Warn);
static ATTEMPT_FAILED: Notice = Notice::new(Subsystem::Reconnect, Level::Info);
static RETRIED: Notice = Notice::new(Subsystem::Reconnect, Level::Debug);

/// Properties of a peer that its connection's record shows.
const IDENTITY: &str = "Identity";
const USER_ID: &str = "User-Id";

impl SessionEvents {
    pub fn new(owner: Arc<SocketLink>, endpoints: Endpoints) -> SessionEvents {
        SessionEvents { owner, endpoints, admitted: None, is_open: false, names: None, handshake: None }
    }

    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// Events are told under these from now on.
    pub fn set_endpoints(&mut self, endpoints: Endpoints) {
        self.endpoints = endpoints;
    }

    pub fn tell(&self, kind: u64, value: u64) {
        self.owner.monitor.tell(kind, value, &self.endpoints);
    }

    /// Counts one for the socket.
    pub fn count(&self, counter: SocketCounter) {
        self.owner.record.add(counter, 1);
    }

    /// Another attempt to connect to `endpoint` is to come after this time.
    pub fn retried(&self, interval_ms: i32, endpoint: &str) {
        RETRIED.write(format_args!("{endpoint} is tried again in {interval_ms} ms"));
        let endpoints = Endpoints::connecting(endpoint);
        self.owner.monitor.tell(event::CONNECT_RETRIED, u64::from(interval_ms.unsigned_abs()), &endpoints);
    }

    /// An attempt to connect to `endpoint` has failed.
    pub fn attempt_failed(&self, endpoint: &str, errno: Errno) {
        ATTEMPT_FAILED.write(format_args!("{endpoint} cannot be reached: {}", trail::shown(errno)));
        shortage::tell(What::Connect, errno, format_args!("{endpoint} cannot be reached for now"));
    }

    /// A stream is connected.
    pub fn connected(&self, fd: RawFd) {
        self.count(SocketCounter::Connects);
        CONNECTED.write(format_args!("connected to {}", self.peer()));
        probes::connect(self.endpoints.peer(), fd);
        self.tell(event::CONNECTED, descriptor_value(fd));
    }

    /// There is a connection: messages may pass. A panic may have ended the last one untold.
    pub fn opened(&mut self) {
        self.closed_by_this_side();
        self.is_open = true;
        if self.owner.monitor.wants(event::PEER) {
            // A raw stream has no names.
            let names = self.names.get_or_insert_default();
            self.owner.monitor.tell_peer(true, names, &self.endpoints);
        }
    }

    /// A descriptor is closed that has not been a connection yet.
    pub fn closed(&self, fd: RawFd) {
        self.tell(event::CLOSED, descriptor_value(fd));
    }

    /// Keys have come and gone, as a handshake of the endpoint finds.
    pub fn keys_changed(&self, options: &SocketOptions, protection: &Protection) {
        let news = protection.take_key_news();
        trail::tell_key_news(&self.owner, options, self.endpoints.identifier(), news);
    }

    /// There is no handshake, since the security file is at fault or does not let it be.
    pub fn kept_away(&self, options: &SocketOptions, peer_address: &str, fault: &Fault, now_ms: u64) {
        let (peer, why) = ((Kind::Fault, peer_address), (fault.errno, fault as &dyn Display));
        self.count(Kind::Fault.counter());
        // The next record tells how many were left out.
        trail::tell_turned_away((&self.owner, options), &self.endpoints, peer, why, now_ms);
    }

    /// A handshake has succeeded. Programs know from libzmq that older versions of ZMTP have none.
    pub fn handshake_succeeded(&self, peer: &Peer, duration: Duration) {
        if peer.version >= Version::V3_0 {
            self.tell(event::HANDSHAKE_SUCCEEDED, 0);
        }
        self.handshake_over(0, duration);
    }

    /// The authenticator has denied the peer.
    pub fn handshake_denied(&self, status: ZapStatus, handshaking: &Handshaking) {
        self.tell(event::HANDSHAKE_FAILED_AUTH, status.code().unsigned_abs().into());
        self.handshake_failed(SocketCounter::HandshakesFailedAuth, status.code(), true, handshaking);
    }

    /// A handshake has ended. Where the authenticator has denied the peer, that has been told.
    pub fn handshake_ended(&self, reason: Reason, handshaking: &Handshaking) {
        if !handshaking.denied {
            let (counter, forged) = (reason.failed_handshake(), reason.is_of_authentication());
            self.handshake_failed(counter, reason.code(), forged, handshaking);
            self.record(&handshaking.trail, |trail| match reason {
                Reason::Protocol(Failure::Fallback) => trail.falls_back(),
                reason => trail.failed(reason, handshaking.zap.is_some()),
            });
            if reason == Reason::Protocol(Failure::Fallback) {
                FALLS_BACK.write(format_args!("{}: {}", self.peer(), handshake_trail::FALLS_BACK));
            }
        }
        match reason {
            Reason::Stream(_) | Reason::Own(_) | Reason::Timeout if handshaking.denied => {}
            Reason::Stream(errno) | Reason::Own(errno) => self.failed_without_detail(errno),
            Reason::Timeout => self.failed_without_detail(Errno::TIMEDOUT),
            Reason::Protocol(failure) => self.failed(failure),
        }
        self.tell(event::DISCONNECTED, descriptor_value(handshaking.raw_fd()));
    }

    /// A trail for a handshake that begins, if one is wanted.
    pub fn trail(&mut self, config: &Config) -> Option<Box<HandshakeTrail>> {
        self.handshake = Some((Instant::now(), config.security.mechanism()));
        let wanted = trail::is_wanted(&self.owner);
        wanted.then(|| Box::new(HandshakeTrail::begin(config, &self.endpoints)))
    }

    pub fn record(&self, trail: &Option<Box<HandshakeTrail>>, make: impl FnOnce(&HandshakeTrail) -> Record) {
        if let Some(trail) = trail {
            trail::tell(&self.owner, &self.endpoints, || make(trail));
        }
    }

    /// A handshake has succeeded. That less was asked of a peer than the socket should ask is told of the socket's first.
    pub fn admitted(&mut self, trail: Option<Box<HandshakeTrail>>, peer: Option<&Peer>) {
        self.admitted = None;
        let (Some(trail), Some(peer)) = (trail, peer) else { return };
        let admitted = trail.admitted(peer);
        if trail.lack(peer).is_some() && self.owner.fallbacks.is_first() {
            let fallback = || Record { event: audit::Event::Fallback, ..admitted.clone() };
            trail::tell(&self.owner, &self.endpoints, fallback);
        }
        trail::tell(&self.owner, &self.endpoints, || admitted.clone());
        self.admitted = Some(Box::new(admitted));
    }

    /// The record of a connection that begins. `peer`: what it has said of itself; `None` for a raw stream.
    pub fn connection_record(&mut self, peer: Option<&Peer>, peer_address: &str) -> ConnectionRecord {
        let agreed = peer.and_then(handshake_trail::sealed_by);
        let handshake = self.handshake.take().map(|(began, first)| (began, agreed.unwrap_or(first)));
        let took = handshake.map(|(began, _)| u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX));
        if let Some(took) = took {
            let is_qzmq = handshake.is_some_and(|(_, mechanism)| mechanism == Mechanism::Qzmq);
            self.count_handshake(SocketCounter::HandshakesSucceeded, is_qzmq, took);
        }
        let property = |wanted: &str| {
            let properties = peer.map(|peer| peer.properties.as_slice()).unwrap_or_default();
            properties.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_slice())
        };
        let versed = peer.is_some_and(|peer| peer.version >= Version::V3_0);
        let mechanism = handshake.filter(|_| versed).map_or("", |(_, mechanism)| trail::name_of(mechanism));
        self.names = peer.filter(|_| self.owner.monitor.wants(event::PEER)).map(|peer| {
            let (routing_id, user_id) = (handshake_trail::routing_id(peer), handshake_trail::user_id(peer));
            Box::new(PeerNames { routing_id, user_id, mechanism })
        });
        ConnectionRecord::of(&self.owner.record, |cells| {
            cells.accepted.store(self.endpoints.bound.into(), Ordering::Relaxed);
            cells.peer.set(if peer_address.is_empty() { &self.endpoints.remote } else { peer_address });
            cells.endpoint.set(self.endpoints.identifier());
            cells.mechanism.set(mechanism);
            cells.user_id.set(&String::from_utf8_lossy(property(USER_ID).unwrap_or_default()));
            let routing_id = property(IDENTITY).unwrap_or_default();
            cells.routing_id.set(&routing_id.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
            cells.set(ConnectionCounter::HandshakeTime, took.unwrap_or_default());
        })
    }

    /// A connection has ended. `has_mechanism`: the peers had agreed on one.
    pub fn connection_ended(&mut self, reason: Reason, has_mechanism: bool, fd: RawFd) {
        self.closed_for(reason.disconnect(), reason.code(), || words_of_end(reason));
        match reason {
            Reason::Protocol(Failure::TOO_LARGE) => self.owner.record.dropped(counters::Reason::OverSize, 1),
            Reason::Protocol(Failure::INVALID_SEQUENCE) => self.count(SocketCounter::CurveReplays),
            _ => {}
        }
        match reason {
            Reason::Protocol(failure) => {
                if let Some(admitted) = &self.admitted {
                    trail::tell(&self.owner, &self.endpoints, || handshake_trail::broken(admitted, failure));
                }
                self.failed(failure);
            }
            // Programs know this from libzmq: where no mechanism was agreed on, the handshake counts as failed at the end.
            Reason::Stream(errno) if !has_mechanism => self.failed_without_detail(errno),
            Reason::Stream(_) | Reason::Own(_) | Reason::Timeout => {}
        }
        self.tell(event::DISCONNECTED, descriptor_value(fd));
    }

    /// The socket drops a peer that subscribes to too much, for which it has no memory, or that the program disconnects. `fd`: of the
    /// connection.
    pub fn cut_off(&mut self, errno: Errno, limit_bytes: i32, peer: &str, fd: Option<RawFd>) {
        static NOTICE: Notice = Notice::new(Subsystem::Limits, Level::Warn);
        if errno == DISCONNECTED_BY_PROGRAM {
            return self.disconnected_by_program(fd);
        }
        if errno == OCCUPIED {
            return self.ended_by_socket(fd, || "what the peer before has sent is not read yet".to_owned());
        }
        if errno == Errno::NOMEM {
            NOTICE.write(format_args!("memory is short for a peer ({peer}): it is cut off"));
            self.closed_for(SocketCounter::DisconnectsOwn, errno.0, || "memory is short".to_owned());
        } else {
            let limit = format_args!("{limit_bytes} bytes (ZMQ_FERRO_MAX_SUBSCRIPTIONS_SIZE)");
            NOTICE.write(format_args!("a peer ({peer}) subscribes to more than {limit}: it is cut off"));
            self.count(SocketCounter::SubscriptionsRefused);
            self.closed_for(SocketCounter::DisconnectsOwn, errno.0, || {
                "it subscribes to too much".to_owned()
            });
        }
        self.failed_without_detail(errno);
        if let Some(fd) = fd {
            self.tell(event::DISCONNECTED, descriptor_value(fd));
        }
    }

    /// The program has disconnected the peer by name. `fd`: of the connection.
    fn disconnected_by_program(&mut self, fd: Option<RawFd>) {
        self.ended_by_socket(fd, || "the program has disconnected it".to_owned());
    }

    fn ended_by_socket(&mut self, fd: Option<RawFd>, why: impl FnOnce() -> String) {
        self.closed_for(SocketCounter::DisconnectsOwn, 0, why);
        if let Some(fd) = fd {
            self.tell(event::DISCONNECTED, descriptor_value(fd));
        }
    }

    /// Tells of the end, if there was a connection.
    fn closed_for(&mut self, counter: SocketCounter, code: i32, why: impl FnOnce() -> String) {
        if std::mem::take(&mut self.is_open) {
            self.count(counter);
            if DISCONNECTED.is_on() {
                DISCONNECTED.write(format_args!("disconnected from {}: {}", self.peer(), why()));
            }
            probes::disconnect(self.endpoints.peer(), code);
            if let Some(names) = self.names.take() {
                self.owner.monitor.tell_peer(false, &names, &self.endpoints);
            }
        }
    }

    fn closed_by_this_side(&mut self) {
        self.closed_for(SocketCounter::DisconnectsOwn, 0, || "this side has closed it".to_owned());
    }

    /// `forged`: one side had not the identity that it was to have.
    fn handshake_failed(&self, counter: SocketCounter, code: i32, forged: bool, handshaking: &Handshaking) {
        let (duration, is_qzmq) = (handshaking.duration(), handshaking.mechanism() == Mechanism::Qzmq);
        self.count_handshake(counter, is_qzmq, u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
        if is_qzmq && forged {
            self.count(SocketCounter::QzmqAuthFailures);
        }
        self.handshake_over(code, duration);
    }

    fn count_handshake(&self, counter: SocketCounter, is_qzmq: bool, nanoseconds: u64) {
        self.count(counter);
        if let Some(besides) = counters::of_qzmq(counter).filter(|_| is_qzmq) {
            self.count(besides);
        }
        self.owner.record.handshake_took(nanoseconds, is_qzmq);
    }

    fn handshake_over(&self, code: i32, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        probes::handshake(self.endpoints.peer(), code, micros);
    }

    /// The peer, for people.
    fn peer(&self) -> PeerName<'_> {
        PeerName(&self.endpoints)
    }

    fn failed(&self, failure: Failure) {
        match failure {
            Failure::Protocol(code) => {
                self.tell(event::HANDSHAKE_FAILED_PROTOCOL, code.unsigned_abs().into());
            }
            #[cfg(feature = "qzmq")]
            Failure::Uncertified(_) => {
                self.tell(event::HANDSHAKE_FAILED_PROTOCOL, Failure::UNCERTIFIED_CODE.unsigned_abs().into());
            }
            Failure::Auth(status) => self.tell(event::HANDSHAKE_FAILED_AUTH, status.unsigned_abs().into()),
            Failure::NoDetail(errno) | Failure::Own(errno) => self.failed_without_detail(errno),
            Failure::Errno(_) => {}
            Failure::Fallback => self.failed(Failure::MECHANISM_MISMATCH),
        }
    }

    fn failed_without_detail(&self, errno: Errno) {
        self.tell(event::HANDSHAKE_FAILED_NO_DETAIL, errno.0.unsigned_abs().into());
    }
}

impl Drop for SessionEvents {
    fn drop(&mut self) {
        self.closed_by_this_side();
    }
}

/// The peer of a connection, and where it has come to this side.
struct PeerName<'a>(&'a Endpoints);

impl fmt::Display for PeerName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Endpoints { local, remote, bound } = self.0;
        let remote = if remote.is_empty() { "a peer" } else { remote };
        if *bound { write!(f, "{remote} at {local}") } else { f.write_str(remote) }
    }
}

/// Why a connection has ended, for people.
fn words_of_end(reason: Reason) -> String {
    match reason {
        Reason::Stream(Errno::PIPE | Errno::CONNRESET) => "the peer has hung up".to_owned(),
        Reason::Timeout => "the peer was silent for too long (heartbeat)".to_owned(),
        Reason::Stream(_) | Reason::Own(_) | Reason::Protocol(_) => {
            let (_, words) = handshake_trail::words(reason);
            String::from_utf8_lossy(&words).into_owned()
        }
    }
}
