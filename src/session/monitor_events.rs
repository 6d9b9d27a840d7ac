//! The events of a socket's connections, told to the socket's monitor (`zmq_socket_monitor`).
//!
//! Sessions and listeners tell them with [`Monitor::tell`]. The [`Observer`] of `socket::monitor` makes messages of them.

use crate::audit::Record;
use crate::errno::{Errno, Result};
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
    slot: Lock<Slot>,
}

#[derive(Default)]
struct Slot {
    observer: Option<Arc<dyn Observer>>,
    /// The socket has closed. A monitor that began after that would never be stopped.
    is_closed: bool,
}

impl Monitor {
    /// Replaces the observer and stops the old one, for which no lock of the monitor's is held. Errors: `ENOTSOCK` once it is
    /// [closed](Monitor::close), and nothing has changed.
    pub fn set(&self, mask: u64, observer: Arc<dyn Observer>) -> Result<()> {
        let mut slot = self.slot.lock();
        if slot.is_closed {
            return Err(Errno::NOTSOCK);
        }
        self.mask.store(mask, Ordering::Relaxed);
        let old = slot.observer.replace(observer);
        drop(slot);
        stop(old);
        Ok(())
    }

    /// Stops the observer, if there is one, as [`set`](Monitor::set) does.
    pub fn clear(&self) {
        let old = self.take(&mut self.slot.lock());
        stop(old);
    }

    /// Takes `observer` back, as [`clear`](Monitor::clear) does, unless another one has replaced it.
    pub fn take_back(&self, observer: &Arc<dyn Observer>) {
        let mut slot = self.slot.lock();
        let is_there = slot.observer.as_ref().is_some_and(|there| Arc::ptr_eq(there, observer));
        let old = if is_there { self.take(&mut slot) } else { None };
        drop(slot);
        stop(old);
    }

    /// As [`clear`](Monitor::clear), and for good.
    pub fn close(&self) {
        let mut slot = self.slot.lock();
        slot.is_closed = true;
        let old = self.take(&mut slot);
        drop(slot);
        stop(old);
    }

    fn take(&self, slot: &mut Slot) -> Option<Arc<dyn Observer>> {
        self.mask.store(0, Ordering::Relaxed);
        slot.observer.take()
    }

    fn observer(&self) -> Option<Arc<dyn Observer>> {
        self.slot.lock().observer.clone()
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
        if self.wants(kind)
            && let Some(observer) = self.observer()
        {
            observer.event(kind, values, endpoints);
        }
    }

    /// As [`tell`](Monitor::tell), of a peer that has arrived or left.
    pub fn tell_peer(&self, arrived: bool, names: &PeerNames, endpoints: &Endpoints) {
        if self.wants(event::PEER)
            && let Some(observer) = self.observer()
        {
            observer.peer(arrived, names, endpoints);
        }
    }

    /// As [`tell`](Monitor::tell), for what the audit trail says.
    pub fn tell_record(&self, record: &Record, endpoints: &Endpoints) {
        if self.wants(event::AUDIT)
            && let Some(observer) = self.observer()
        {
            observer.record(record, endpoints);
        }
    }
}

fn stop(observer: Option<Arc<dyn Observer>>) {
    if let Some(observer) = observer {
        observer.stop();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::atomic::AtomicU32;

    #[derive(Default)]
    struct Stopped(AtomicU32);

    impl Observer for Stopped {
        fn event(&self, _: u64, _: &[u64], _: &Endpoints) {}
        fn record(&self, _: &Record, _: &Endpoints) {}
        fn stop(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn each_observer_is_stopped_once_and_none_begins_after_the_close() {
        let monitor = Monitor::default();
        let observers = [(); 3].map(|()| Arc::new(Stopped::default()));
        let [one, two, late] = observers.each_ref().map(|one| Arc::clone(one) as Arc<dyn Observer>);
        let stops = || observers.each_ref().map(|one| one.0.load(Ordering::Relaxed));
        monitor.set(event::CLOSED, Arc::clone(&one)).unwrap();
        monitor.set(event::CLOSED, two).unwrap();
        monitor.take_back(&one);
        assert_eq!(stops(), [1, 0, 0], "the one that has replaced it stays");
        assert!(monitor.wants(event::CLOSED));
        monitor.close();
        assert_eq!(stops(), [1, 1, 0]);
        assert_eq!(monitor.set(event::CLOSED, late), Err(Errno::NOTSOCK));
        assert!(!monitor.wants(event::CLOSED));
        monitor.clear();
        assert_eq!(stops(), [1, 1, 0]);
    }
}
