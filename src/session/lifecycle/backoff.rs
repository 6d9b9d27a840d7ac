//! How long to wait before connecting again (`ZMQ_RECONNECT_IVL`, `ZMQ_RECONNECT_IVL_MAX`).

use crate::options::SocketOptions;

/// A refused connecter waits at least this long: each attempt asks an authenticator again, and tells the monitor. Programs know
/// from libzmq that a refusal is told once, and look for a second within a second.
const MIN_REFUSED_BACKOFF_MS: i32 = 1250;
/// A connecter that is refused over and over waits no longer, unless `ZMQ_RECONNECT_IVL_MAX` says so.
const MAX_REFUSED_BACKOFF_MS: i32 = 40_000;

/// Grows while attempts fail, handshakes among them; made anew by every success.
#[derive(Debug)]
pub struct Backoff {
    /// Before jitter, in milliseconds.
    current_ms: i32,
    least_ms: i32,
    most_ms: i32,
    /// As `current_ms`, after a refusal.
    refused_ms: i32,
}

impl Backoff {
    pub fn new(options: &SocketOptions) -> Backoff {
        let least_ms = options.reconnect_ivl_ms;
        Backoff {
            current_ms: least_ms,
            least_ms,
            most_ms: options.reconnect_ivl_max_ms,
            refused_ms: MIN_REFUSED_BACKOFF_MS.max(least_ms),
        }
    }

    /// Whether to try again at all.
    pub fn reconnects(&self) -> bool {
        self.least_ms > 0
    }

    /// The next interval in milliseconds. It is up to a whole basic interval longer by chance, so that peers of a restarted
    /// server do not all come at once.
    pub fn next_ms(&mut self, random: u32) -> i32 {
        let jitter = i64::from(random) % i64::from(self.least_ms.max(1));
        let interval = i64::from(self.current_ms) + jitter;
        if self.most_ms > self.least_ms {
            self.current_ms = self.current_ms.saturating_mul(2).min(self.most_ms);
        }
        let most = if self.most_ms > self.least_ms { self.most_ms } else { i32::MAX };
        i32::try_from(interval.min(i64::from(most))).unwrap_or(i32::MAX)
    }

    /// As [`next_ms`](Backoff::next_ms), after a refusal: grows without a maximum being set.
    pub fn next_refused_ms(&mut self, random: u32) -> i32 {
        let jitter = i64::from(random) % i64::from(self.least_ms.max(1));
        let interval = i64::from(self.refused_ms) + jitter;
        let most = MAX_REFUSED_BACKOFF_MS.max(self.most_ms).max(self.least_ms);
        self.refused_ms = self.refused_ms.saturating_mul(2).min(most);
        i32::try_from(interval).unwrap_or(i32::MAX)
    }
}

#[cfg(test)]
mod tests {
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
        assert_eq!([backoff.next_ms(0), backoff.next_ms(99), backoff.next_ms(100)], [100, 199, 100]);
    }

    #[test]
    fn with_a_maximum_it_doubles_up_to_it() {
        let mut backoff = backoff(100, 350);
        assert_eq!([0; 4].map(|_| backoff.next_ms(0)), [100, 200, 350, 350]);
        assert_eq!(backoff.next_ms(99), 350);
    }

    #[test]
    fn refused_backoff_doubles_under_any_maximum() {
        for (least, most) in [(100, 0), (100, 300), (10, 40_000)] {
            let mut backoff = backoff(least, most);
            assert_eq!(
                [0; 6].map(|_| backoff.next_refused_ms(0)),
                [1250, 2500, 5000, 10_000, 20_000, 40_000]
            );
            assert_eq!([0; 2].map(|_| backoff.next_refused_ms(0)), [40_000; 2]);
            assert_eq!(backoff.next_ms(9), least + 9, "a lost connection has not to wait for that");
        }
        let mut backoff = backoff(60_000, 90_000);
        assert_eq!([0; 3].map(|_| backoff.next_refused_ms(0)), [60_000, 90_000, 90_000]);
        assert_eq!(self::backoff(i32::MAX, 0).next_refused_ms(u32::MAX), i32::MAX);
    }

    #[test]
    fn nothing_or_less_means_never() {
        assert!(!backoff(0, 0).reconnects());
        assert!(!backoff(-1, 10).reconnects());
    }
}
