//! The handshakes that peers have begun with the endpoints of a context, and the bound on their memory
//! (`ZMQ_FERRO_MAX_HANDSHAKES_SIZE`).

use super::Stop;
use crate::sys::lock::Lock;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

/// Handshakes under way with peers that have connected to this context. Where one more would pass the limit,
/// the oldest ends. An honest peer needs only a few round trips. An attacker that wants to keep others out
/// must open connections faster than a full set of handshakes ends by itself.
#[derive(Default)]
pub struct Handshakes {
    state: Lock<State>,
}

#[derive(Default)]
struct State {
    /// In the order in which they began.
    pending: BTreeMap<u64, Pending>,
    next: u64,
    bytes: usize,
    /// As the last handshake was begun with.
    limit_bytes: usize,
    /// Those stopped so far.
    stops: u64,
}

struct Pending {
    bytes: usize,
    peer: Weak<dyn Stop>,
}

/// A handshake under way, until it is dropped.
pub struct HandshakeTicket {
    handshakes: Arc<Handshakes>,
    number: u64,
}

/// What became of a handshake that holds more than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grown {
    /// There is room, for which others had to end.
    Fits { stopped: usize, limit_bytes: usize },
    /// It was the oldest, or has been stopped before.
    HasToEnd,
}

impl Handshakes {
    /// Begins a handshake that will hold up to `bytes`. Where all would hold more than `limit_bytes` (0: no
    /// limit), the oldest are stopped until the new one fits or is the only one. Also returns the number of
    /// those stopped.
    pub fn begin(
        self: &Arc<Self>,
        bytes: usize,
        limit_bytes: usize,
        peer: Weak<dyn Stop>,
    ) -> (HandshakeTicket, usize) {
        let mut state = self.state.lock();
        let number = state.next;
        state.next += 1;
        state.bytes = state.bytes.saturating_add(bytes);
        state.limit_bytes = limit_bytes;
        state.pending.insert(number, Pending { bytes, peer });
        let (stopped, _) = state.make_room(number);
        drop(state);
        (HandshakeTicket { handshakes: Arc::clone(self), number }, stopped)
    }

    /// How many were stopped so far.
    pub fn stops(&self) -> u64 {
        self.state.lock().stops
    }

    /// A handshake holds more by now; see [`HandshakeTicket::grow`].
    fn grow(&self, number: u64, bytes: usize) -> Grown {
        let mut state = self.state.lock();
        let Some(pending) = state.pending.get_mut(&number) else { return Grown::HasToEnd };
        let more = bytes.saturating_sub(pending.bytes);
        pending.bytes = pending.bytes.saturating_add(more);
        state.bytes = state.bytes.saturating_add(more);
        match state.make_room(number) {
            (_, true) => Grown::HasToEnd,
            (stopped, false) => Grown::Fits { stopped, limit_bytes: state.limit_bytes },
        }
    }

    fn end(&self, number: u64) {
        let mut state = self.state.lock();
        if let Some(pending) = state.pending.remove(&number) {
            state.bytes = state.bytes.saturating_sub(pending.bytes);
        }
    }
}

impl State {
    /// Stops the oldest until all fits, or one is left. How many those were beside the one that asks, and whether that was among them:
    /// it ends by itself.
    fn make_room(&mut self, asks: u64) -> (usize, bool) {
        let (mut stopped, mut has_to_end) = (0, false);
        while self.limit_bytes > 0
            && self.bytes > self.limit_bytes
            && self.pending.len() > 1
            && let Some((number, oldest)) = self.pending.pop_first()
        {
            self.bytes = self.bytes.saturating_sub(oldest.bytes);
            if number == asks {
                has_to_end = true;
            } else if let Some(peer) = oldest.peer.upgrade() {
                // The call only leaves a note for the I/O thread of the handshake.
                peer.stop();
                stopped += 1;
                self.stops += 1;
            }
        }
        (stopped, has_to_end)
    }
}

impl HandshakeTicket {
    /// The handshake holds this number of bytes by now. Others may have to end for it, the oldest first; so may itself.
    pub fn grow(&self, bytes: usize) -> Grown {
        self.handshakes.grow(self.number, bytes)
    }
}

impl Drop for HandshakeTicket {
    fn drop(&mut self) {
        self.handshakes.end(self.number);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[derive(Default)]
    struct Peer(AtomicBool);

    impl Stop for Peer {
        fn stop(&self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    impl Peer {
        fn stopped(&self) -> bool {
            self.0.load(Ordering::SeqCst)
        }
    }

    fn begin(
        handshakes: &Arc<Handshakes>,
        bytes: usize,
        limit: usize,
    ) -> (Arc<Peer>, HandshakeTicket, usize) {
        let peer = Arc::new(Peer::default());
        let weak: Weak<Peer> = Arc::downgrade(&peer);
        let (ticket, stopped) = handshakes.begin(bytes, limit, weak);
        (peer, ticket, stopped)
    }

    #[test]
    fn the_oldest_handshake_ends_at_the_limit() {
        let handshakes = Arc::new(Handshakes::default());
        let (a, _a, none) = begin(&handshakes, 10, 30);
        let (b, ticket_b, _) = begin(&handshakes, 10, 30);
        let (c, _c, _) = begin(&handshakes, 10, 30);
        assert_eq!((none, a.stopped(), b.stopped()), (0, false, false));
        // A handshake that has ended makes room.
        drop(ticket_b);
        let (d, _d, none) = begin(&handshakes, 10, 30);
        assert_eq!((none, a.stopped()), (0, false));
        let (e, _e, one) = begin(&handshakes, 10, 30);
        assert_eq!((one, a.stopped(), b.stopped(), c.stopped()), (1, true, false, false));
        // A large handshake takes the place of several. One larger than the limit is alone.
        let (f, _f, two) = begin(&handshakes, 20, 30);
        assert_eq!((two, c.stopped(), d.stopped(), e.stopped()), (2, true, true, false));
        let (g, _g, two) = begin(&handshakes, 100, 30);
        assert_eq!((two, e.stopped(), f.stopped(), g.stopped()), (2, true, true, false));
    }

    #[test]
    fn a_handshake_that_grows_takes_the_place_of_older_ones() {
        let handshakes = Arc::new(Handshakes::default());
        let [a, b, c, d] = [0; 4].map(|_| begin(&handshakes, 10, 40));
        assert_eq!(c.1.grow(20), Grown::Fits { stopped: 1, limit_bytes: 40 });
        assert_eq!((a.0.stopped(), b.0.stopped()), (true, false));
        assert_eq!(a.1.grow(11), Grown::HasToEnd, "it was stopped before");
        assert_eq!(c.1.grow(15), Grown::Fits { stopped: 0, limit_bytes: 40 }, "the most counts");
        assert_eq!(b.1.grow(11), Grown::HasToEnd, "the oldest");
        assert!(!b.0.stopped() && !c.0.stopped(), "it needs no call for that");
        assert_eq!(d.1.grow(20), Grown::Fits { stopped: 0, limit_bytes: 40 });
        // One larger than the limit is alone.
        assert_eq!(d.1.grow(100), Grown::Fits { stopped: 1, limit_bytes: 40 });
        assert_eq!(d.1.grow(1000), Grown::Fits { stopped: 0, limit_bytes: 40 });
        drop((a, b, c, d));
        let state = handshakes.state.lock();
        assert_eq!((state.pending.len(), state.bytes), (0, 0));
    }

    #[test]
    fn no_limit_and_nothing_left() {
        let handshakes = Arc::new(Handshakes::default());
        let all: Vec<_> = (0..100).map(|_| begin(&handshakes, usize::MAX / 1000, 0)).collect();
        assert!(all.iter().all(|(peer, _, stopped)| *stopped == 0 && !peer.stopped()));
        drop(all);
        let state = handshakes.state.lock();
        assert_eq!((state.pending.len(), state.bytes), (0, 0));
    }
}
