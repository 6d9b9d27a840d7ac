//! Handshakes that peers have begun with the endpoints of a context, and what they may hold together
//! (`ZMQ_FERRO_MAX_HANDSHAKES_SIZE`).

use super::Stop;
use crate::sys::lock::Lock;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

/// Handshakes under way with peers that have come to us. Where they would hold too much together the one that has been under
/// way for the longest ends: a peer of good will needs a few round trips, so whoever wants to keep others out has to open
/// connections faster than all that fit come to an end by themselves.
#[derive(Default)]
pub struct Handshakes {
    book: Lock<Book>,
}

#[derive(Default)]
struct Book {
    /// By when they began.
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
    /// A handshake begins that will hold up to so many bytes. Where all would hold more than `limit_bytes` (0: no limit), those
    /// under way for the longest are stopped until there is room, or it is the only one; and how many that were.
    pub fn begin(
        self: &Arc<Self>,
        bytes: usize,
        limit_bytes: usize,
        peer: Weak<dyn Stop>,
    ) -> (HandshakeTicket, usize) {
        let mut book = self.book.lock();
        let mut stopped = 0;
        while limit_bytes > 0
            && book.bytes.saturating_add(bytes) > limit_bytes
            && let Some((_, oldest)) = book.pending.pop_first()
        {
            book.bytes -= oldest.bytes;
            // It only leaves a note for the thread that the handshake is on.
            if let Some(peer) = oldest.peer.upgrade() {
                peer.stop();
                stopped += 1;
            }
        }
        let number = book.next;
        book.next += 1;
        book.bytes += bytes;
        book.pending.insert(number, Pending { bytes, peer });
        drop(book);
        (HandshakeTicket { handshakes: Arc::clone(self), number }, stopped)
    }

    fn end(&self, number: u64) {
        let mut book = self.book.lock();
        if let Some(pending) = book.pending.remove(&number) {
            book.bytes -= pending.bytes;
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
    fn the_oldest_goes_where_there_is_no_room() {
        let handshakes = Arc::new(Handshakes::default());
        let (a, _a, none) = begin(&handshakes, 10, 30);
        let (b, ticket_b, _) = begin(&handshakes, 10, 30);
        let (c, _c, _) = begin(&handshakes, 10, 30);
        assert_eq!((none, a.stopped(), b.stopped()), (0, false, false));
        // One that is over makes room.
        drop(ticket_b);
        let (d, _d, none) = begin(&handshakes, 10, 30);
        assert_eq!((none, a.stopped()), (0, false));
        let (e, _e, one) = begin(&handshakes, 10, 30);
        assert_eq!((one, a.stopped(), b.stopped(), c.stopped()), (1, true, false, false));
        // A large one takes the place of several; one that is too large by itself is alone.
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
        let book = handshakes.book.lock();
        assert_eq!((book.pending.len(), book.bytes), (0, 0));
    }
}
