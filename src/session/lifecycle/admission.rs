//! How many connections a bound endpoint has at a time (the security file's `limits`).
//!
//! | limit | what it counts | at the limit |
//! |---|---|---|
//! | `connections` | all | the new connection is closed |
//! | `connections_per_address` | those of one [`PeerNetwork`] | the new connection is closed |
//! | `handshakes_under_way` | those whose handshake is not over | the oldest handshake ends |
//!
//! Laws: a connection counts from its accept until its session is dropped. One that is refused counts for nothing. No count passes
//! its limit. There is an entry for an address only while it has a connection.

use crate::ctx::{HandshakeTicket, Handshakes, Stop};
use crate::security::file::Limits;
use crate::security::peer_network::PeerNetwork;
use crate::session::connection::kept_buckets::KeptBuckets;
use crate::session::connection::rate::{Rates, Throttle};
use crate::sys::hash_map::HashMap;
use crate::sys::lock::Lock;
use crate::transport::Accepted;
use std::fmt;
use std::sync::{Arc, Weak};

/// The connections of a bound endpoint. Its listener admits them; any I/O thread drops them.
pub struct Admission {
    connections: u32,
    connections_per_address: u32,
    handshakes_under_way: u32,
    handshakes: Arc<Handshakes>,
    counts: Lock<Counts>,
    /// Where addresses have a limit, and peers a rate.
    buckets: Option<Arc<KeptBuckets>>,
}

#[derive(Default)]
struct Counts {
    all: u32,
    by_place: HashMap<PeerNetwork, u32>,
}

/// A connection that counts, until it is dropped.
pub struct Counted {
    admission: Arc<Admission>,
    place: Option<PeerNetwork>,
}

/// A connection that a listener has accepted.
pub struct Arrival {
    pub stream: Accepted,
    pub tickets: Tickets,
    pub counted: Option<Counted>,
}

/// Those of the context and of the endpoint.
pub type Tickets = [Option<HandshakeTicket>; 2];

/// The limit that keeps a connection out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    Endpoint(u32),
    Address(u32),
    /// There is none to count the address with.
    Memory,
}

impl Admission {
    /// `None` where there is no limit.
    pub fn new(limits: &Limits) -> Option<Arc<Admission>> {
        let of = |limit: Option<u32>| limit.filter(|limit| *limit > 0);
        let (connections, connections_per_address) =
            (of(limits.connections), of(limits.connections_per_address));
        let handshakes_under_way = of(limits.handshakes_under_way);
        connections.or(connections_per_address).or(handshakes_under_way)?;
        Some(Arc::new(Admission {
            connections: connections.unwrap_or(u32::MAX),
            connections_per_address: connections_per_address.unwrap_or(u32::MAX),
            handshakes_under_way: handshakes_under_way.unwrap_or(0),
            handshakes: Arc::default(),
            counts: Lock::default(),
            buckets: connections_per_address.and_then(|most| KeptBuckets::new(Rates::of(limits), most)),
        }))
    }

    /// Counts a connection with a peer at `address`. One that has no IP address counts among all alone.
    pub fn admit(self: &Arc<Self>, address: &str) -> Result<Counted, Full> {
        let place = PeerNetwork::of(address).filter(|_| self.connections_per_address < u32::MAX);
        let counts = &mut *self.counts.lock();
        if counts.all >= self.connections {
            return Err(Full::Endpoint(self.connections));
        }
        if let Some(place) = place {
            let of_place = counts.by_place.get(&place).copied().unwrap_or(0);
            if of_place >= self.connections_per_address {
                return Err(Full::Address(self.connections_per_address));
            }
            // A list that has grown long is moved in one piece, for which there may be no memory.
            counts.by_place.try_reserve(1).map_err(|_| Full::Memory)?;
            counts.by_place.insert(place, of_place + 1);
        }
        counts.all += 1;
        Ok(Counted { admission: Arc::clone(self), place })
    }

    /// Begins a handshake, for which the oldest may have to end. Also returns how many had to.
    pub fn begin_handshake(&self, peer: Weak<dyn Stop>) -> (Option<HandshakeTicket>, usize) {
        if self.handshakes_under_way == 0 {
            return (None, 0);
        }
        let limit = usize::try_from(self.handshakes_under_way).unwrap_or(usize::MAX);
        let (ticket, stopped) = self.handshakes.begin(1, limit, peer);
        (Some(ticket), stopped)
    }
}

impl Counted {
    /// What lets the connection read, where its address has buckets of its own.
    pub fn throttle(&self, now_ms: u64) -> Option<Throttle> {
        let buckets = self.admission.buckets.as_ref()?;
        self.place.map(|place| buckets.lend(Some(place), now_ms))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let counts = &mut *self.admission.counts.lock();
        counts.all = counts.all.saturating_sub(1);
        if let Some(place) = self.place
            && let Some(of_place) = counts.by_place.get_mut(&place)
        {
            *of_place = of_place.saturating_sub(1);
            if *of_place == 0 {
                counts.by_place.remove(&place);
            }
        }
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Full::Endpoint(limit) => write!(f, "the endpoint has {limit} connections (limits: connections)"),
            Full::Address(limit) => {
                write!(f, "the address has {limit} connections (limits: connections_per_address)")
            }
            Full::Memory => {
                write!(f, "there is no memory to count the address (limits: connections_per_address)")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn admission(connections: u32, per_address: u32, handshakes: u32) -> Arc<Admission> {
        let limits = Limits {
            connections: Some(connections),
            connections_per_address: Some(per_address),
            handshakes_under_way: Some(handshakes),
            ..Limits::default()
        };
        Admission::new(&limits).unwrap()
    }

    fn sizes(admission: &Admission) -> (u32, usize) {
        let counts = admission.counts.lock();
        (counts.all, counts.by_place.len())
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        assert!(Admission::new(&Limits::default()).is_none());
        let zero = Some(0);
        let limits = Limits { connections: zero, connections_per_address: zero, ..Limits::default() };
        assert!(Admission::new(&limits).is_none());
    }

    #[test]
    fn one_more_comes_in_when_another_has_left() {
        let admission = admission(3, 0, 0);
        let mut inside: Vec<_> = (0..3).map(|_| admission.admit("192.0.2.1").unwrap()).collect();
        for address in ["192.0.2.1", "192.0.2.2", "localhost:1000:1000:17", ""] {
            assert_eq!(admission.admit(address).err(), Some(Full::Endpoint(3)), "{address}");
        }
        inside.pop();
        inside.push(admission.admit("192.0.2.9").unwrap());
        assert_eq!(admission.admit("192.0.2.9").err(), Some(Full::Endpoint(3)));
        assert_eq!(sizes(&admission), (3, 0), "no addresses are kept for no limit of theirs");
    }

    #[test]
    fn addresses_of_one_network_share_a_limit() {
        let admission = admission(0, 2, 0);
        let one = admission.admit("2001:db8::1").unwrap();
        let _two = admission.admit("2001:db8::ffff:0:2").unwrap();
        assert_eq!(admission.admit("2001:db8::3%eth0").err(), Some(Full::Address(2)));
        let _other = admission.admit("2001:db8:0:1::1").unwrap();
        let _v4 = (admission.admit("192.0.2.1").unwrap(), admission.admit("::ffff:192.0.2.1").unwrap());
        assert_eq!(admission.admit("192.0.2.1").err(), Some(Full::Address(2)));
        let _local: Vec<_> = (0..9).map(|_| admission.admit("localhost:1000:1000:17").unwrap()).collect();
        drop(one);
        drop(admission.admit("2001:db8::3").unwrap());
        assert_eq!(sizes(&admission), (13, 3));
    }

    /// Connections that come and go in any order: the counts are those of the connections that are there.
    #[test]
    fn counts_are_those_of_the_connections_that_are_there() {
        let admission = admission(20, 5, 0);
        let mut inside: Vec<(u64, Counted)> = Vec::new();
        let mut state = 1u64;
        for _ in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (choice, host) = (state >> 40 & 1, state >> 50 & 7);
            let of_host = inside.iter().filter(|(of, _)| *of == host).count();
            if choice == 0 && !inside.is_empty() {
                let at = usize::try_from(state >> 45).unwrap() % inside.len();
                drop(inside.swap_remove(at));
            } else {
                let expected = match () {
                    () if inside.len() == 20 => Some(Full::Endpoint(20)),
                    () if of_host == 5 => Some(Full::Address(5)),
                    () => None,
                };
                let admitted = admission.admit(&format!("192.0.2.{host}"));
                assert_eq!(admitted.as_ref().err().copied(), expected);
                inside.extend(admitted.ok().map(|counted| (host, counted)));
            }
            let hosts: std::collections::HashSet<u64> = inside.iter().map(|(host, _)| *host).collect();
            assert_eq!(sizes(&admission), (u32::try_from(inside.len()).unwrap(), hosts.len()));
        }
        drop(inside);
        assert_eq!(sizes(&admission), (0, 0));
    }

    #[derive(Default)]
    struct Peer(AtomicBool);

    impl Stop for Peer {
        fn stop(&self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[test]
    fn the_oldest_handshake_ends_for_one_too_many() {
        let admission = admission(0, 0, 2);
        let peers: Vec<Arc<Peer>> = (0..4).map(|_| Arc::default()).collect();
        let mut tickets = Vec::new();
        let mut begin = |peer: &Arc<Peer>| {
            let weak: Weak<Peer> = Arc::downgrade(peer);
            let (ticket, stopped) = admission.begin_handshake(weak);
            tickets.push(ticket.unwrap());
            stopped
        };
        assert_eq!(peers.iter().map(&mut begin).collect::<Vec<_>>(), [0, 0, 1, 1]);
        let stopped: Vec<bool> = peers.iter().map(|peer| peer.0.load(Ordering::SeqCst)).collect();
        assert_eq!(stopped, [true, true, false, false]);
        tickets.pop();
        assert_eq!(admission.begin_handshake(Arc::downgrade(&peers[3]) as Weak<Peer>).1, 0);
    }
}
