//! What a session tells its socket's monitor and the audit trail, and under which endpoints.

use crate::audit::{self, Record};
use crate::engine::{Config, Failure, Peer};
use crate::errno::Errno;
use crate::options::SocketOptions;
use crate::security::Fault;
use crate::session::lifecycle::handshake_trail::{self, HandshakeTrail};
use crate::session::lifecycle::handshaking::Handshaking;
use crate::session::lifecycle::reason::Reason;
use crate::session::monitor_events::{Endpoints, descriptor_value, event};
use crate::session::{SocketLink, trail};
use crate::sys::log::Notice;
use std::os::fd::RawFd;
use std::sync::Arc;

/// The events of one session.
pub struct SessionEvents {
    owner: Arc<SocketLink>,
    endpoints: Endpoints,
    /// What the audit trail has of the peer, once that is in.
    admitted: Option<Box<Record>>,
}

impl SessionEvents {
    pub fn new(owner: Arc<SocketLink>, endpoints: Endpoints) -> SessionEvents {
        SessionEvents { owner, endpoints, admitted: None }
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

    /// Another attempt to connect to `endpoint` is to come after this time.
    pub fn retried(&self, interval_ms: i32, endpoint: &str) {
        let endpoints = Endpoints::connecting(endpoint);
        self.owner.monitor.tell(event::CONNECT_RETRIED, u64::from(interval_ms.unsigned_abs()), &endpoints);
    }

    /// A descriptor is closed that has not been a connection yet.
    pub fn closed(&self, fd: RawFd) {
        self.tell(event::CLOSED, descriptor_value(fd));
    }

    /// There is no handshake, since the security file is at fault or does not let it be.
    pub fn kept_away(&self, options: &SocketOptions, peer_address: &str, fault: &Fault) {
        trail::tell_fault(&self.owner, options, &self.endpoints, (peer_address, fault));
    }

    /// A handshake has ended. Where the authenticator has denied the peer, that has been told.
    pub fn handshake_ended(&self, reason: Reason, handshaking: &Handshaking) {
        if !handshaking.denied {
            self.record(&handshaking.trail, |trail| trail.failed(reason, handshaking.zap.is_some()));
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
    pub fn trail(&self, config: &Config) -> Option<Box<HandshakeTrail>> {
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

    /// A connection has ended. `has_mechanism`: the peers had agreed on one.
    pub fn connection_ended(&self, reason: Reason, has_mechanism: bool, fd: RawFd) {
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

    /// The socket drops a peer that subscribes to too much. `fd`: of the connection.
    pub fn cut_off(&self, errno: Errno, limit_bytes: i32, peer: &str, fd: Option<RawFd>, now_ms: u64) {
        static NOTICE: Notice = Notice::new();
        let line = format_args!(
            "a peer ({peer}) subscribes to more than {limit_bytes} bytes (ZMQ_FERRO_MAX_SUBSCRIPTIONS_SIZE), or memory is short: it is cut off"
        );
        NOTICE.write(now_ms, line);
        self.failed_without_detail(errno);
        if let Some(fd) = fd {
            self.tell(event::DISCONNECTED, descriptor_value(fd));
        }
    }

    fn failed(&self, failure: Failure) {
        match failure {
            Failure::Protocol(code) => {
                self.tell(event::HANDSHAKE_FAILED_PROTOCOL, code.unsigned_abs().into());
            }
            Failure::Auth(status) => self.tell(event::HANDSHAKE_FAILED_AUTH, status.unsigned_abs().into()),
            Failure::NoDetail(errno) | Failure::Own(errno) => self.failed_without_detail(errno),
            Failure::Errno(_) => {}
        }
    }

    fn failed_without_detail(&self, errno: Errno) {
        self.tell(event::HANDSHAKE_FAILED_NO_DETAIL, errno.0.unsigned_abs().into());
    }
}
