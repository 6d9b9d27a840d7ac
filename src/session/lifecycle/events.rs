//! What a session tells its socket's monitor, and under which endpoints.

use crate::engine::Failure;
use crate::errno::Errno;
use crate::session::SocketLink;
use crate::session::lifecycle::reason::Reason;
use crate::session::monitor_events::{Endpoints, descriptor_value, event};
use crate::sys::log::Notice;
use std::os::fd::RawFd;
use std::sync::Arc;

/// The events of one session.
pub struct SessionEvents {
    owner: Arc<SocketLink>,
    endpoints: Endpoints,
}

impl SessionEvents {
    pub fn new(owner: Arc<SocketLink>, endpoints: Endpoints) -> SessionEvents {
        SessionEvents { owner, endpoints }
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

    /// A handshake has ended. `denied`: by the authenticator, and that has been told.
    pub fn handshake_ended(&self, reason: Reason, denied: bool, fd: RawFd) {
        match reason {
            Reason::Stream(_) | Reason::Own(_) | Reason::Timeout if denied => {}
            Reason::Stream(errno) | Reason::Own(errno) => self.failed_without_detail(errno),
            Reason::Timeout => self.failed_without_detail(Errno::TIMEDOUT),
            Reason::Protocol(failure) => self.failed(failure),
        }
        self.tell(event::DISCONNECTED, descriptor_value(fd));
    }

    /// A connection has ended. `has_mechanism`: the peers had agreed on one.
    pub fn connection_ended(&self, reason: Reason, has_mechanism: bool, fd: RawFd) {
        match reason {
            Reason::Protocol(failure) => self.failed(failure),
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
