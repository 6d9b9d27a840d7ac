//! Addresses whose peers fail handshake after handshake, and are refused for a while
//! (`ZMQ_FERRO_MAX_FAILED_HANDSHAKES`, and the security file's `failed_handshakes`).
//!
//! | the program's limit | the file's | how many are too many | for how long |
//! |---|---|---|---|
//! | set | | the program's | the program's time |
//! | 0 | for one endpoint or several | the least of them | the longest of theirs; the program's for an endpoint without one |
//! | 0 | none | nothing is counted | |
//!
//! Law: no further endpoint, and no failed attempt to bind one, raises a limit of the file or takes it away. It goes with its endpoint.

use crate::options::SocketOptions;
use crate::security::file::Limits;
use crate::security::peer_network::PeerNetwork;
use crate::sys::hash_map::HashMap;
use crate::sys::lock::Lock;
use std::collections::VecDeque;
use std::collections::hash_map::Entry;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// For how long the failures of an address are counted together, in milliseconds.
const BAN_WINDOW_MS: u64 = 60_000;

/// Addresses that are remembered. An attacker that has more of them than this can make us forget; none can make us grow.
const MAX_ADDRESSES: usize = 4096;

/// Failures of all the peers that a socket's listeners have accepted. Any thread may tell and ask.
#[derive(Default)]
pub struct BanList {
    /// How many failures are too many; 0 counts none. The socket writes it and `ban_ms`. I/O threads read both at every accept
    /// without a lock, so that a limit that is not set costs nothing. Nothing else hangs on them, so Relaxed.
    limit: AtomicU32,
    ban_ms: AtomicU32,
    /// Made when an option or a security file says something of it first: every socket has a list, and few need it.
    ledger: OnceLock<Box<Ledger>>,
}

#[derive(Default)]
struct Ledger {
    /// Where the limit and the time come from. Only threads that call the socket ask.
    sources: Lock<Sources>,
    book: Lock<Book>,
}

/// A limit, and how long an address is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Rule {
    limit: u32,
    ban_ms: u32,
}

#[derive(Debug, Default)]
struct Sources {
    /// By the options.
    own: Rule,
    /// By the security file, for the endpoints that are bound now.
    by_file: Vec<(EndpointNumber, ByFile)>,
    last: EndpointNumber,
}

/// What the security file says of one endpoint.
#[derive(Clone, Copy, Debug)]
struct ByFile {
    /// Not 0.
    limit: u32,
    /// `None`: the program's counts.
    ban_ms: Option<u32>,
}

/// A bound endpoint of the socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndpointNumber(u64);

impl Sources {
    /// What counts.
    fn rule(&self) -> Rule {
        let files = || self.by_file.iter().map(|(_, by_file)| by_file);
        match files().map(|by_file| by_file.limit).min() {
            Some(limit) if self.own.limit == 0 => {
                let times = files().map(|by_file| by_file.ban_ms.unwrap_or(self.own.ban_ms));
                Rule { limit, ban_ms: times.max().unwrap_or_default() }
            }
            _ => self.own,
        }
    }

    /// Adds the file's limit for another endpoint, where it has one.
    fn add(&mut self, limit: u32, ban_ms: Option<u32>) -> EndpointNumber {
        self.last = EndpointNumber(self.last.0.wrapping_add(1));
        if limit > 0 {
            self.by_file.push((self.last, ByFile { limit, ban_ms }));
        }
        self.last
    }
}

#[derive(Default)]
struct Book {
    records: HashMap<PeerNetwork, Record>,
    /// The places of all records, the one first written of first.
    order: VecDeque<PeerNetwork>,
}

/// Times are in milliseconds, of any clock that does not go back.
struct Record {
    /// When counting began.
    since_ms: u64,
    failures: u32,
    refused_until_ms: u64,
}

impl BanList {
    /// Takes over what the options say now. Without a limit all is forgotten.
    pub fn configure(&self, options: &SocketOptions) {
        let limit = options.max_failed_handshakes.unsigned_abs();
        let own = Rule { limit, ban_ms: options.failed_handshake_ban_ivl_ms.unsigned_abs() };
        self.change(|sources| sources.own = own);
    }

    /// Takes over what the security file says of an endpoint that is bound.
    pub fn add_endpoint(&self, options: &SocketOptions, limits: &Limits) -> EndpointNumber {
        let ban_ms = limits.ban_seconds.map(|seconds| seconds.saturating_mul(1000));
        self.configure(options);
        self.change(|sources| sources.add(limits.failed_handshakes.unwrap_or(0), ban_ms))
    }

    /// The endpoint is bound no more.
    pub fn remove_endpoint(&self, number: EndpointNumber) {
        self.change(|sources| sources.by_file.retain(|(other, _)| *other != number));
    }

    fn change<R>(&self, change: impl FnOnce(&mut Sources) -> R) -> R {
        let ledger = self.ledger.get_or_init(Box::default);
        let (rule, changed) = {
            let sources = &mut *ledger.sources.lock();
            let changed = change(sources);
            (sources.rule(), changed)
        };
        self.ban_ms.store(rule.ban_ms, Ordering::Relaxed);
        self.limit.store(rule.limit, Ordering::Relaxed);
        if rule.limit == 0 {
            *ledger.book.lock() = Book::default();
        }
        changed
    }

    /// A handshake with a peer at `address` has failed, by its own fault. An address that is no IP address counts
    /// for nothing.
    pub fn failed(&self, address: &str, now_ms: u64) {
        let limit = self.limit.load(Ordering::Relaxed);
        if limit > 0
            && let Some(place) = PeerNetwork::of(address)
            && let Some(ledger) = self.ledger.get()
        {
            let ban_ms = u64::from(self.ban_ms.load(Ordering::Relaxed));
            let mut book = ledger.book.lock();
            let record = book.record(place, now_ms);
            if record.refused_until_ms > now_ms {
                // Let in before.
                return;
            }
            record.failures = record.failures.saturating_add(1);
            if record.failures >= limit {
                *record =
                    Record { since_ms: now_ms, failures: 0, refused_until_ms: now_ms.saturating_add(ban_ms) };
            }
        }
    }

    /// Whether a peer at `address` is to be turned away now.
    pub fn refuse(&self, address: &str, now_ms: u64) -> bool {
        if self.limit.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let (Some(place), Some(ledger)) = (PeerNetwork::of(address), self.ledger.get()) else { return false };
        ledger.book.lock().records.get(&place).is_some_and(|record| record.refused_until_ms > now_ms)
    }
}

impl Book {
    /// The record of a place, made if there is none and begun anew if it is old.
    fn record(&mut self, place: PeerNetwork, now_ms: u64) -> &mut Record {
        if !self.records.contains_key(&place) {
            self.make_room(now_ms);
            self.order.push_back(place);
        }
        let fresh = Record { since_ms: now_ms, failures: 0, refused_until_ms: 0 };
        match self.records.entry(place) {
            Entry::Occupied(entry) => {
                let record = entry.into_mut();
                if record.is_old(now_ms) {
                    *record = fresh;
                }
                record
            }
            Entry::Vacant(entry) => entry.insert(fresh),
        }
    }

    /// Forgets what is old, as far as it comes first, and the first of all if there are too many.
    fn make_room(&mut self, now_ms: u64) {
        while let Some(first) = self.order.front() {
            let old = self.records.get(first).is_none_or(|record| record.is_old(now_ms));
            if !old && self.order.len() < MAX_ADDRESSES {
                return;
            }
            self.records.remove(first);
            self.order.pop_front();
        }
    }
}

impl Record {
    fn is_old(&self, now_ms: u64) -> bool {
        self.refused_until_ms <= now_ms && now_ms.saturating_sub(self.since_ms) >= BAN_WINDOW_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::SocketType;

    const START: u64 = 5_000_000;

    fn bans(limit: i32, ban_ms: i32) -> BanList {
        let bans = BanList::default();
        configure(&bans, limit, ban_ms);
        bans
    }

    fn configure(bans: &BanList, limit: i32, ban_ms: i32) {
        bans.configure(&options(limit, ban_ms));
    }

    fn options(limit: i32, ban_ms: i32) -> SocketOptions {
        let mut options = SocketOptions::new(SocketType::Dealer);
        (options.max_failed_handshakes, options.failed_handshake_ban_ivl_ms) = (limit, ban_ms);
        options
    }

    fn rule(bans: &BanList) -> (u32, u32) {
        (bans.limit.load(Ordering::Relaxed), bans.ban_ms.load(Ordering::Relaxed))
    }

    #[test]
    fn the_least_limit_of_the_files_endpoints_holds_for_as_long_as_any_says() {
        let bans = bans(0, 500);
        let add_for = |ban_ms, failed_handshakes, ban_seconds| {
            let limits = Limits { failed_handshakes, ban_seconds, ..Limits::default() };
            bans.add_endpoint(&options(0, ban_ms), &limits);
            rule(&bans)
        };
        let add = |failed_handshakes, ban_seconds| add_for(500, failed_handshakes, ban_seconds);
        assert_eq!(add(None, Some(9)), (0, 500));
        assert_eq!(add(Some(5), Some(10)), (5, 10_000));
        bans.failed("192.0.2.1", START);
        // Another endpoint has no limit, a higher one, or a shorter time.
        for limits in [(Some(0), Some(1)), (None, None), (Some(9), Some(2))] {
            assert_eq!(add(limits.0, limits.1), (5, 10_000));
        }
        assert_eq!(add(Some(2), None), (2, 10_000));
        // The program sets another time alone, which holds where the file gives none.
        configure(&bans, 0, 60_000);
        assert_eq!(rule(&bans), (2, 60_000));
        bans.failed("192.0.2.1", START);
        assert!(bans.refuse("192.0.2.1", START + 59_999), "the failure of before counts");
        assert_eq!(add_for(60_000, None, None), (2, 60_000));
        assert!(bans.refuse("192.0.2.1", START + 59_999), "and the ban stays");
    }

    #[test]
    fn a_limit_of_the_file_goes_with_its_endpoint() {
        let bans = bans(0, 500);
        let add = |limit, seconds| {
            let limits =
                Limits { failed_handshakes: Some(limit), ban_seconds: Some(seconds), ..Limits::default() };
            bans.add_endpoint(&options(0, 500), &limits)
        };
        let (strict, lax) = (add(3, 60), add(50, 1));
        assert_eq!(rule(&bans), (3, 60_000));
        bans.remove_endpoint(strict);
        assert_eq!(rule(&bans), (50, 1000));
        bans.remove_endpoint(strict);
        assert_eq!(rule(&bans), (50, 1000), "once is enough");
        bans.remove_endpoint(lax);
        assert_eq!(rule(&bans), (0, 500));
        add(50, 2);
        assert_eq!(rule(&bans), (50, 2000), "bound again by another file");
    }

    #[test]
    fn a_limit_of_the_program_counts_in_place_of_the_files() {
        let bans = bans(7, 500);
        let limits = Limits { failed_handshakes: Some(3), ban_seconds: Some(9), ..Limits::default() };
        bans.add_endpoint(&options(7, 500), &limits);
        assert_eq!(rule(&bans), (7, 500));
        configure(&bans, 0, 500);
        assert_eq!(rule(&bans), (3, 9000), "without it the file's is there");
    }

    #[test]
    fn as_many_as_the_limit_are_too_many() {
        let bans = bans(3, 500);
        for at in [0, 10] {
            bans.failed("192.0.2.1", START + at);
            assert!(!bans.refuse("192.0.2.1", START + at));
        }
        bans.failed("192.0.2.1", START + 20);
        assert!(bans.refuse("192.0.2.1", START + 20));
        assert!(!bans.refuse("192.0.2.2", START + 20), "others do not notice");
        // Those that were let in before do not prolong it.
        bans.failed("192.0.2.1", START + 400);
        assert!(bans.refuse("192.0.2.1", START + 519));
        assert!(!bans.refuse("192.0.2.1", START + 520));
        for at in [520, 521] {
            bans.failed("192.0.2.1", START + at);
            assert!(!bans.refuse("192.0.2.1", START + at), "counting begins anew");
        }
        bans.failed("192.0.2.1", START + 522);
        assert!(bans.refuse("192.0.2.1", START + 522));
    }

    #[test]
    fn a_minute_later_all_is_forgiven() {
        let bans = bans(2, 500);
        bans.failed("192.0.2.1", START);
        bans.failed("192.0.2.1", START + BAN_WINDOW_MS);
        assert!(!bans.refuse("192.0.2.1", START + BAN_WINDOW_MS));
        bans.failed("192.0.2.1", START + 2 * BAN_WINDOW_MS - 1);
        assert!(bans.refuse("192.0.2.1", START + 2 * BAN_WINDOW_MS - 1));
    }

    #[test]
    fn addresses_of_one_network_count_as_one() {
        for (one, other, same) in [
            ("2001:db8::1", "2001:db8::ffff:0:2", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("fe80::1%eth0", "fe80::2%7", true),
            ("192.0.2.1", "192.0.2.2", false),
        ] {
            let bans = bans(1, 500);
            bans.failed(one, START);
            assert!(bans.refuse(one, START), "{one}");
            assert_eq!(bans.refuse(other, START), same, "{one} {other}");
        }
        let bans = bans(1, 500);
        for address in ["", "localhost:1000:1000:17", "localhost"] {
            bans.failed(address, START);
            assert!(!bans.refuse(address, START), "{address}");
        }
        assert!(bans.ledger.get().is_none_or(|ledger| ledger.book.lock().records.is_empty()));
    }

    #[test]
    fn without_a_limit_nothing_is_kept() {
        let bans = bans(0, 500);
        bans.failed("192.0.2.1", START);
        assert!(bans.ledger.get().is_none_or(|ledger| ledger.book.lock().records.is_empty()));
        configure(&bans, 1, 500);
        bans.failed("192.0.2.1", START);
        assert!(bans.refuse("192.0.2.1", START));
        configure(&bans, 0, 500);
        configure(&bans, 1, 500);
        assert!(!bans.refuse("192.0.2.1", START), "taking the limit away forgives all");
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_goes_first() {
        let bans = bans(1, 500);
        let address = |number: usize| format!("10.0.{}.{}", number / 256, number % 256);
        for number in 0..MAX_ADDRESSES + 10 {
            bans.failed(&address(number), START);
        }
        let sizes = |bans: &BanList| {
            let book = bans.ledger.get_or_init(Box::default).book.lock();
            (book.records.len(), book.order.len())
        };
        assert_eq!(sizes(&bans), (MAX_ADDRESSES, MAX_ADDRESSES));
        assert!(!bans.refuse(&address(9), START), "the first are forgotten");
        assert!(bans.refuse(&address(10), START) && bans.refuse(&address(MAX_ADDRESSES + 9), START));
        bans.failed("192.0.2.1", START + BAN_WINDOW_MS);
        assert_eq!(sizes(&bans), (1, 1));
    }
}
