//! The events of a socket's connections, told to the socket's monitor (`zmq_socket_monitor`).
//!
//! Sessions and listeners tell them with [`Monitor::tell`]. The [`Observer`] of `socket::monitor` makes messages of them.

use crate::audit::Record;
use crate::sys::lock::Lock;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// `ZMQ_EVENT_*`, the bits of the mask.
pub mod event {
    pub const CONNECTED: u64 = 0x0001;
    pub const CONNECT_DELAYED: u64 = 0x0002;
    pub const CONNECT_RETRIED: u64 = 0x0004;
    pub const LISTENING: u64 = 0x0008;
    pub const BIND_FAILED: u64 = 0x0010;
    pub const ACCEPTED: u64 = 0x0020;
    pub const ACCEPT_FAILED: u64 = 0x0040;
    pub const CLOSED: u64 = 0x0080;
    pub const CLOSE_FAILED: u64 = 0x0100;
    pub const DISCONNECTED: u64 = 0x0200;
    pub const MONITOR_STOPPED: u64 = 0x0400;
    pub const HANDSHAKE_FAILED_NO_DETAIL: u64 = 0x0800;
    pub const HANDSHAKE_SUCCEEDED: u64 = 0x1000;
    pub const HANDSHAKE_FAILED_PROTOCOL: u64 = 0x2000;
    pub const HANDSHAKE_FAILED_AUTH: u64 = 0x4000;
    pub const PIPES_STATS: u64 = 0x10000;
    /// `ZMQ_FERRO_EVENT_AUDIT`. The first version of monitors tells of its lower 16 bits, of which libzmq has no event.
    pub const AUDIT: u64 = 0x4000_8000;
    /// `ZMQ_FERRO_EVENT_PEER`. The first version of monitors tells it as [`PEER_V1`], since the lower 16 bits are those of
    /// [`AUDIT`].
    pub const PEER: u64 = 0x2000_8000;
    pub const PEER_V1: u16 = 0x8001;
    /// `ZMQ_FERRO_EVENT_STATS`. The first version of monitors tells it as [`STATS_V1`].
    pub const STATS: u64 = 0x1000_8000;
    pub const STATS_V1: u16 = 0x8002;
}

/// The value of an event about a descriptor where there is none: -1, as wide as it is told.
pub const NO_DESCRIPTOR: u64 = u64::MAX;

/// The value of an event about a descriptor.
pub fn descriptor_value(fd: RawFd) -> u64 {
    u64::try_from(fd).unwrap_or(NO_DESCRIPTOR)
}

/// The two endpoints of a connection, as far as they are known.
#[derive(Clone, Debug, Default)]
pub struct Endpoints {
    pub local: String,
    pub remote: String,
    /// The local one is the one that was bound: events are told under it, else under the remote one.
    pub bound: bool,
}

impl Endpoints {
    /// Of a listener, or of a bind that failed.
    pub fn bound(local: &str) -> Endpoints {
        Endpoints { local: local.to_string(), remote: String::new(), bound: true }
    }

    /// The same for both.
    pub fn both(endpoint: &str) -> Endpoints {
        Endpoints { local: endpoint.to_string(), remote: endpoint.to_string(), bound: false }
    }

    /// Of a connecter.
    pub fn connecting(remote: &str) -> Endpoints {
        Endpoints { local: String::new(), remote: remote.to_string(), bound: false }
    }

    /// The peer's, else the one that it has come to.
    pub fn peer(&self) -> &str {
        if self.remote.is_empty() { &self.local } else { &self.remote }
    }

    /// The endpoint that events are told under.
    pub fn identifier(&self) -> &str {
        if self.bound { &self.local } else { &self.remote }
    }
}

/// The names of the peer of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerNames {
    /// The name that the peer has given itself; empty if none.
    pub routing_id: Vec<u8>,
    /// The name that the authenticator has given it; empty if none.
    pub user_id: Vec<u8>,
    /// As ZMTP has it; empty where the peer's protocol has none.
    pub mechanism: &'static str,
}

/// Takes events, on the thread where they happen. Must not block.
pub trait Observer: Send + Sync {
    fn event(&self, kind: u64, values: &[u64], endpoints: &Endpoints);

    /// As [`event`](Observer::event), of [`AUDIT`](event::AUDIT).
    fn record(&self, record: &Record, endpoints: &Endpoints);

    /// As [`event`](Observer::event), of [`PEER`](event::PEER): one has arrived or left.
    fn peer(&self, _arrived: bool, _names: &PeerNames, _endpoints: &Endpoints) {}

    /// Is to take no more events. Another thread may still be in the middle of telling one, and may have others to tell.
    fn stop(&self) {}
}

/// The monitor of a socket; none at first.
#[derive(Default)]
pub struct Monitor {
    /// The events wanted. Written with the observer, under its lock. Threads that have an event to tell read it without the lock,
    /// so that a socket without a monitor pays nothing. A late read loses or adds an event at the moment of change, which no
    /// program can tell; so Relaxed.
    mask: AtomicU64,
    observer: Lock<Option<Arc<dyn Observer>>>,
}

impl Monitor {
    /// Replaces the observer and stops the old one, for which no lock of the monitor's is held.
    pub fn set(&self, mask: u64, observer: Option<Arc<dyn Observer>>) {
        let mut slot = self.observer.lock();
        self.mask.store(if observer.is_some() { mask } else { 0 }, Ordering::Relaxed);
        let old = std::mem::replace(&mut *slot, observer);
        drop(slot);
        if let Some(old) = old {
            old.stop();
        }
    }

    pub fn wants(&self, kind: u64) -> bool {
        self.mask.load(Ordering::Relaxed) & kind == kind
    }

    /// Tells an event, if the monitor wants it.
    pub fn tell(&self, kind: u64, value: u64, endpoints: &Endpoints) {
        self.tell_all(kind, &[value], endpoints);
    }

    /// As [`tell`](Monitor::tell), for an event of several values.
    pub fn tell_all(&self, kind: u64, values: &[u64], endpoints: &Endpoints) {
        if self.wants(kind) {
            let observer = self.observer.lock().clone();
            if let Some(observer) = observer {
                observer.event(kind, values, endpoints);
            }
        }
    }

    /// As [`tell`](Monitor::tell), of a peer that has arrived or left.
    pub fn tell_peer(&self, arrived: bool, names: &PeerNames, endpoints: &Endpoints) {
        if self.wants(event::PEER) {
            let observer = self.observer.lock().clone();
            if let Some(observer) = observer {
                observer.peer(arrived, names, endpoints);
            }
        }
    }

    /// As [`tell`](Monitor::tell), for what the audit trail says.
    pub fn tell_record(&self, record: &Record, endpoints: &Endpoints) {
        if self.wants(event::AUDIT) {
            let observer = self.observer.lock().clone();
            if let Some(observer) = observer {
                observer.record(record, endpoints);
            }
        }
    }
}
