//! How long to wait before connecting again (`ZMQ_RECONNECT_IVL`, `ZMQ_RECONNECT_IVL_MAX`).
//!
//! | after | at first | again and again | longer by chance, by less than |
//! |---|---|---|---|
//! | [`Failed`](Setback::Failed) | `ZMQ_RECONNECT_IVL` | the same; twice as long, up to `ZMQ_RECONNECT_IVL_MAX`, if that is set | `ZMQ_RECONNECT_IVL`, and not beyond `ZMQ_RECONNECT_IVL_MAX` |
//! | [`Refused`](Setback::Refused) | [`MIN_REFUSED_BACKOFF_MS`] | twice as long, up to [`MAX_REFUSED_BACKOFF_MS`] or `ZMQ_RECONNECT_IVL_MAX` | `ZMQ_RECONNECT_IVL` |
//! | [`NoDescriptor`](Setback::NoDescriptor) | [`MIN_EXHAUSTED_BACKOFF_MS`] | twice as long, up to [`MAX_EXHAUSTED_BACKOFF_MS`] | as much again |
//!
//! Laws, which the tests check:
//! - No wait is shorter than `ZMQ_RECONNECT_IVL`.
//! - A wait for descriptors is shorter than twice the longer of [`MAX_EXHAUSTED_BACKOFF_MS`] and `ZMQ_RECONNECT_IVL`.
//! - Waits for descriptors grow only in a row, and lengthen no other wait.

use crate::errno::Errno;
use crate::options::SocketOptions;

/// A refused connecter waits at least this long: each attempt asks an authenticator again, and tells the monitor. Programs know
/// from libzmq that a refusal is told once, and look for a second within a second.
const MIN_REFUSED_BACKOFF_MS: i32 = 1250;
/// A connecter that is refused over and over waits no longer, unless `ZMQ_RECONNECT_IVL_MAX` says so.
const MAX_REFUSED_BACKOFF_MS: i32 = 40_000;
/// A connecter for which the system has no descriptor waits at least this long. All connecters of the process fail at once then:
/// thousands that try every tenth of a second would take a processor.
const MIN_EXHAUSTED_BACKOFF_MS: i32 = 250;
/// It waits no longer than this, and as much again by chance: so long goes by at most before it finds that there are descriptors.
const MAX_EXHAUSTED_BACKOFF_MS: i32 = 2000;

/// Why a connecter has to connect again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setback {
    /// The attempt has failed, or the connection has ended.
    Failed,
    /// One side has refused the other.
    Refused,
    /// The process or the system has no descriptor left.
    NoDescriptor,
}

impl Setback {
    /// That of an attempt that has failed.
    pub fn of(errno: Errno) -> Setback {
        match errno.0 {
            libc::EMFILE | libc::ENFILE => Setback::NoDescriptor,
            _ => Setback::Failed,
        }
    }
}

/// Grows while attempts fail, handshakes among them; made anew by every success.
#[derive(Debug)]
pub struct Backoff {
    /// Before jitter, in milliseconds, as are the others.
    current_ms: i32,
    least_ms: i32,
    most_ms: i32,
    /// As `current_ms`, after a refusal.
    refused_ms: i32,
    /// As `current_ms`, where there is no descriptor.
    exhausted_ms: i32,
}

impl Backoff {
    pub fn new(options: &SocketOptions) -> Backoff {
        let least_ms = options.reconnect_ivl_ms;
        Backoff {
            current_ms: least_ms,
            least_ms,
            most_ms: options.reconnect_ivl_max_ms,
            refused_ms: MIN_REFUSED_BACKOFF_MS.max(least_ms),
            exhausted_ms: MIN_EXHAUSTED_BACKOFF_MS,
        }
    }

    /// Whether to try again at all.
    pub fn reconnects(&self) -> bool {
        self.least_ms > 0
    }

    /// The next interval in milliseconds. It is longer by chance, so that peers of a restarted server do not all come at once.
    pub fn next_ms(&mut self, setback: Setback, random: u32) -> i32 {
        if setback != Setback::NoDescriptor {
            self.exhausted_ms = MIN_EXHAUSTED_BACKOFF_MS;
        }
        match setback {
            Setback::Failed => self.next_failed_ms(random),
            Setback::Refused => self.next_refused_ms(random),
            Setback::NoDescriptor => self.next_exhausted_ms(random),
        }
    }

    fn next_failed_ms(&mut self, random: u32) -> i32 {
        let interval = longer_by_chance(self.current_ms, self.least_ms, random);
        if self.most_ms <= self.least_ms {
            return interval;
        }
        self.current_ms = self.current_ms.saturating_mul(2).min(self.most_ms);
        interval.min(self.most_ms)
    }

    /// Grows without a maximum being set.
    fn next_refused_ms(&mut self, random: u32) -> i32 {
        let interval = longer_by_chance(self.refused_ms, self.least_ms, random);
        let most = MAX_REFUSED_BACKOFF_MS.max(self.most_ms).max(self.least_ms);
        self.refused_ms = self.refused_ms.saturating_mul(2).min(most);
        interval
    }

    fn next_exhausted_ms(&mut self, random: u32) -> i32 {
        let interval = self.exhausted_ms.max(self.least_ms);
        self.exhausted_ms = self.exhausted_ms.saturating_mul(2).min(MAX_EXHAUSTED_BACKOFF_MS);
        longer_by_chance(interval, interval, random)
    }
}

/// By less than `spread_ms`.
fn longer_by_chance(interval_ms: i32, spread_ms: i32, random: u32) -> i32 {
    let jitter = i64::from(random) % i64::from(spread_ms.max(1));
    i32::try_from(i64::from(interval_ms) + jitter).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::Setback::{Failed, NoDescriptor, Refused};
    use super::*;
    use crate::options::SocketType;

    fn backoff(least: i32, most: i32) -> Backoff {
        let mut options = SocketOptions::new(SocketType::Dealer);
        (options.reconnect_ivl_ms, options.reconnect_ivl_max_ms) = (least, most);
        Backoff::new(&options)
    }

    #[test]
    fn without_a_maximum_it_stays() {
        let mut backoff = backoff(100, 0);
        assert_eq!([0, 99, 100].map(|random| backoff.next_ms(Failed, random)), [100, 199, 100]);
    }

    #[test]
    fn with_a_maximum_it_doubles_up_to_it() {
        let mut backoff = backoff(100, 350);
        assert_eq!([0; 4].map(|_| backoff.next_ms(Failed, 0)), [100, 200, 350, 350]);
        assert_eq!(backoff.next_ms(Failed, 99), 350);
    }

    #[test]
    fn refused_backoff_doubles_under_any_maximum() {
        for (least, most) in [(100, 0), (100, 300), (10, 40_000)] {
            let mut backoff = backoff(least, most);
            assert_eq!(
                [0; 6].map(|_| backoff.next_ms(Refused, 0)),
                [1250, 2500, 5000, 10_000, 20_000, 40_000]
            );
            assert_eq!([0; 2].map(|_| backoff.next_ms(Refused, 0)), [40_000; 2]);
            assert_eq!(backoff.next_ms(Failed, 9), least + 9, "a lost connection has not to wait for that");
        }
        let mut backoff = backoff(60_000, 90_000);
        assert_eq!([0; 3].map(|_| backoff.next_ms(Refused, 0)), [60_000, 90_000, 90_000]);
        assert_eq!(self::backoff(i32::MAX, 0).next_ms(Refused, u32::MAX), i32::MAX);
    }

    #[test]
    fn waits_for_descriptors_grow_in_a_row_and_stay_short() {
        for (least, most) in [(100, 0), (100, 300), (1, 40_000)] {
            let mut backoff = backoff(least, most);
            assert_eq!([0; 5].map(|_| backoff.next_ms(NoDescriptor, 0)), [250, 500, 1000, 2000, 2000]);
            assert_eq!(backoff.next_ms(NoDescriptor, 1999), 3999, "the longest");
            assert_eq!(backoff.next_ms(NoDescriptor, 2000), 2000);
            assert_eq!(backoff.next_ms(Failed, 0), least, "it lengthens no other wait");
            assert_eq!(backoff.next_ms(NoDescriptor, 249), 499, "and begins anew behind one");
        }
        let mut backoff = backoff(60_000, 0);
        assert_eq!([0, 59_999].map(|random| backoff.next_ms(NoDescriptor, random)), [60_000, 119_999]);
        assert_eq!(self::backoff(i32::MAX, 0).next_ms(NoDescriptor, u32::MAX), i32::MAX);
    }

    #[test]
    fn connecters_without_descriptors_take_turns() {
        let (connecters, mut tries_in) = (10_000_u32, [0_u32; 40]);
        for connecter in 0..connecters {
            let (mut backoff, mut at_ms) = (backoff(100, 0), 0);
            for attempt in 0_u32.. {
                let random = connecter.wrapping_mul(2_654_435_761).wrapping_add(attempt).wrapping_mul(40_503);
                at_ms += backoff.next_ms(NoDescriptor, random >> 4);
                let Some(tries) = usize::try_from(at_ms / 1000).ok().and_then(|s| tries_in.get_mut(s)) else {
                    break;
                };
                *tries += 1;
            }
        }
        let later = tries_in.get(5..).unwrap_or_default();
        assert!(
            later.iter().all(|tries| (connecters / 5..connecters * 3 / 5).contains(tries)),
            "{tries_in:?}"
        );
    }

    #[test]
    fn errno_of_an_attempt_says_whether_there_is_no_descriptor() {
        assert_eq!([libc::EMFILE, libc::ENFILE].map(|code| Setback::of(Errno(code))), [NoDescriptor; 2]);
        assert_eq!(Setback::of(Errno::CONNREFUSED), Failed);
    }

    #[test]
    fn nothing_or_less_means_never() {
        assert!(!backoff(0, 0).reconnects());
        assert!(!backoff(-1, 10).reconnects());
    }
}
