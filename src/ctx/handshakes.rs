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
        let mut stopped = 0;
        while limit_bytes > 0
            && state.bytes.saturating_add(bytes) > limit_bytes
            && let Some((_, oldest)) = state.pending.pop_first()
        {
            state.bytes -= oldest.bytes;
            // The call only leaves a note for the I/O thread of the handshake.
            if let Some(peer) = oldest.peer.upgrade() {
                peer.stop();
                stopped += 1;
            }
        }
        let number = state.next;
        state.next += 1;
        state.bytes += bytes;
        state.pending.insert(number, Pending { bytes, peer });
        drop(state);
        (HandshakeTicket { handshakes: Arc::clone(self), number }, stopped)
    }

    fn end(&self, number: u64) {
        let mut state = self.state.lock();
        if let Some(pending) = state.pending.remove(&number) {
            state.bytes -= pending.bytes;
        }
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
    fn no_limit_and_nothing_left() {
        let handshakes = Arc::new(Handshakes::default());
        let all: Vec<_> = (0..100).map(|_| begin(&handshakes, usize::MAX / 1000, 0)).collect();
        assert!(all.iter().all(|(peer, _, stopped)| *stopped == 0 && !peer.stopped()));
        drop(all);
        let state = handshakes.state.lock();
        assert_eq!((state.pending.len(), state.bytes), (0, 0));
    }
}
