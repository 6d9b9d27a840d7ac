//! The buckets of connections that have ended (`rate`): one that comes back takes up what it has left, and its debt.
//!
//! Each peer has as many pairs of buckets as it may have connections at a time. A connection gets
//!
//! | of the peer's pairs | it gets |
//! |---|---|
//! | some were never used, or are full by now | a full one |
//! | all others are kept or in use | the fullest of those that are kept |
//! | all are in use, which is so for a moment where a connection ends late | an empty one |
//! | cannot be noted, since memory is short | an empty one, which is not kept |
//!
//! Laws: however often a peer connects, no more of it is read than by connections that stay. No more than [`MAX_KEPT`] pairs are kept, in
//! all: an attacker that has more addresses than that can make this side forget, and cannot make it grow.

use crate::security::peer_network::PeerNetwork;
use crate::session::connection::rate::{Buckets, FULL_MS, Home, Rates, Throttle};
use crate::sys::hash_map::HashMap;
use crate::sys::lock::Lock;
use std::sync::Arc;

/// Pairs that are kept.
const MAX_KEPT: usize = 4096;

/// The buckets of one endpoint's peers. Any I/O thread takes some and brings them back.
#[derive(Debug)]
pub struct KeptBuckets {
    rates: Rates,
    /// How many connections a peer may have at a time.
    per_peer: usize,
    book: Lock<Book>,
}

#[derive(Debug, Default)]
struct Book {
    peers: HashMap<Option<PeerNetwork>, Pairs>,
    kept: usize,
    /// When buckets were last lent.
    lent_at_ms: u64,
}

/// Those of one peer.
#[derive(Debug, Default)]
struct Pairs {
    in_use: usize,
    kept: Vec<Buckets>,
}

/// Where buckets go back to.
#[derive(Debug)]
struct Place {
    all: Arc<KeptBuckets>,
    peer: Option<PeerNetwork>,
}

impl KeptBuckets {
    /// `None` without a rate.
    pub fn new(rates: Rates, per_peer: u32) -> Option<Arc<KeptBuckets>> {
        let per_peer = usize::try_from(per_peer).unwrap_or(usize::MAX);
        rates.any().then(|| Arc::new(KeptBuckets { rates, per_peer, book: Lock::default() }))
    }

    /// For a connection that begins. `peer` is `None` where there is only one.
    pub fn lend(self: &Arc<Self>, peer: Option<PeerNetwork>, now_ms: u64) -> Throttle {
        let book = &mut *self.book.lock();
        book.lent_at_ms = book.lent_at_ms.max(now_ms);
        // A list that has grown long is moved in one piece, for which there may be no memory.
        if book.peers.try_reserve(1).is_err() {
            return Throttle::begun_empty(self.rates, now_ms);
        }
        let pairs = book.peers.entry(peer).or_default();
        book.kept = book.kept.saturating_sub(pairs.forget_full(now_ms));
        let buckets = if pairs.in_use.saturating_add(pairs.kept.len()) < self.per_peer {
            Buckets::full(self.rates, now_ms)
        } else if let Some(fullest) = pairs.take_fullest(now_ms) {
            book.kept = book.kept.saturating_sub(1);
            fullest
        } else {
            Buckets::empty(self.rates, now_ms)
        };
        pairs.in_use += 1;
        Throttle::lent(buckets, Box::new(Place { all: Arc::clone(self), peer }))
    }
}

impl Home for Place {
    fn take_back(&self, buckets: Buckets) {
        let book = &mut *self.all.book.lock();
        if book.kept >= MAX_KEPT {
            book.make_room();
        }
        // It is there: a peer with buckets in use is not forgotten.
        let Some(pairs) = book.peers.get_mut(&self.peer) else { return };
        pairs.in_use = pairs.in_use.saturating_sub(1);
        pairs.kept.push(buckets);
        book.kept += 1;
        // Of an empty one that was lent for a moment.
        let are_too_many = pairs.in_use.saturating_add(pairs.kept.len()) > self.all.per_peer;
        if are_too_many && pairs.take_fullest(book.lent_at_ms).is_some() {
            book.kept -= 1;
        }
    }
}

impl Book {
    /// Forgets what is full by now; all, where much is left. So there is little to do for each connection.
    fn make_room(&mut self) {
        let now_ms = self.lent_at_ms;
        let full: usize = self.peers.values_mut().map(|pairs| pairs.forget_full(now_ms)).sum();
        self.kept = self.kept.saturating_sub(full);
        if self.kept > MAX_KEPT / 2 {
            self.kept = 0;
            self.peers.values_mut().for_each(|pairs| pairs.kept.clear());
        }
        self.peers.retain(|_, pairs| pairs.in_use > 0 || !pairs.kept.is_empty());
    }
}

impl Pairs {
    /// Forgets those that are full by now. Returns how many.
    fn forget_full(&mut self, now_ms: u64) -> usize {
        let before = self.kept.len();
        self.kept.retain_mut(|buckets| buckets.credit_ms(now_ms) < FULL_MS);
        before.saturating_sub(self.kept.len())
    }

    fn take_fullest(&mut self, now_ms: u64) -> Option<Buckets> {
        let credits = self.kept.iter_mut().map(|buckets| buckets.credit_ms(now_ms));
        let (at, _) = credits.enumerate().max_by_key(|(_, credit)| *credit)?;
        Some(self.kept.swap_remove(at))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const START_MS: u64 = 5_000_000;
    const RATES: Rates = Rates { messages_per_second: Some(10), bytes_per_second: Some(1000) };

    fn place(address: &str) -> Option<PeerNetwork> {
        PeerNetwork::of(address)
    }

    fn messages(throttle: &mut Throttle, now_ms: u64) -> u64 {
        throttle.allow(now_ms).map_or(0, |allowance| allowance.messages)
    }

    #[test]
    fn a_peer_that_comes_back_has_what_it_has_left_and_its_debt() {
        let kept = KeptBuckets::new(RATES, 1).unwrap();
        let peer = place("192.0.2.1");
        let mut first = kept.lend(peer, START_MS);
        assert_eq!(messages(&mut first, START_MS), 10);
        first.spend(7, 10);
        drop(first);
        let mut second = kept.lend(peer, START_MS);
        assert_eq!(messages(&mut second, START_MS), 3);
        second.spend(3, 3000);
        drop(second);
        let mut third = kept.lend(peer, START_MS + 1000);
        assert_eq!(third.allow(START_MS + 1000), Err(1011), "in debt for its bytes");
        assert_eq!(messages(&mut kept.lend(place("192.0.2.2"), START_MS), START_MS), 10, "others are not");
        drop(third);
        assert_eq!(messages(&mut kept.lend(peer, START_MS + 9000), START_MS + 9000), 10);
        assert!(KeptBuckets::new(Rates::default(), 1).is_none());
    }

    #[test]
    fn a_peer_has_as_many_buckets_as_it_may_have_connections() {
        let kept = KeptBuckets::new(RATES, 3).unwrap();
        let peer = place("192.0.2.1");
        // Whichever connections end and come back, in any order: a second's worth of each, and no more.
        let (mut state, mut taken, mut open) = (1u64, 0, Vec::new());
        for _ in 0..1000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            if open.len() == 3 || !open.is_empty() && state >> 63 == 0 {
                let mut throttle: Throttle = open.swap_remove((state >> 33) as usize % open.len());
                if let Ok(allowance) = throttle.allow(START_MS) {
                    let messages = 1 + (state >> 40) % allowance.messages;
                    throttle.spend(messages, 1);
                    taken += messages;
                }
            } else {
                open.push(kept.lend(peer, START_MS));
            }
        }
        assert_eq!(taken, 30);
    }

    #[test]
    fn a_connection_that_ends_late_gives_nothing_away() {
        let kept = KeptBuckets::new(RATES, 1).unwrap();
        let mut late = kept.lend(None, START_MS);
        late.spend(10, 0);
        let mut next = kept.lend(None, START_MS);
        assert_eq!(messages(&mut next, START_MS), 0);
        assert_eq!(messages(&mut next, START_MS + 500), 5);
        next.spend(5, 0);
        drop((late, next));
        let mut one = kept.lend(None, START_MS + 500);
        assert_eq!(messages(&mut one, START_MS + 500), 0);
        assert_eq!(kept.book.lock().kept, 0, "there is one pair again");
    }

    #[test]
    fn what_is_kept_has_a_bound() {
        let kept = KeptBuckets::new(RATES, 1).unwrap();
        let stays = kept.lend(place("192.0.2.1"), START_MS);
        let sizes = || {
            let book = kept.book.lock();
            (book.kept, book.peers.len(), book.peers.values().map(|pairs| pairs.kept.len()).sum::<usize>())
        };
        let come_and_go = |debt: usize, from_ms: u64| {
            for number in 0..2 * MAX_KEPT {
                let address = format!("10.0.{}.{}", number / 256, number % 256);
                kept.lend(place(&address), from_ms + number as u64).spend(1, debt);
                let (counted, peers, pairs) = sizes();
                assert!(counted == pairs && counted <= MAX_KEPT && peers <= MAX_KEPT + 1);
            }
        };
        kept.lend(place("192.0.2.2"), START_MS).spend(1, 100_000_000);
        // Those that owe nothing for long make no other be forgotten.
        come_and_go(1, START_MS);
        assert_eq!(messages(&mut kept.lend(place("192.0.2.2"), START_MS), START_MS), 0);
        come_and_go(100_000_000, START_MS);
        drop(stays);
        assert!(sizes().0 <= MAX_KEPT);
    }
}
