//! How much of what a peer sends is read at a time (`messages_per_second` and `bytes_per_second` of the security file's `limits`).
//!
//! Each rate has a bucket of tokens, one for each message or byte. It is full at first, and holds what the rate gives in a second.
//!
//! | the bucket | the stream |
//! |---|---|
//! | holds a token or more | is read, for as many as there are |
//! | is empty, or in debt | is not read before it holds a token again, and for [`MIN_PAUSE_MS`] at least |
//!
//! The buckets of a connection that ends are kept where that has a bound ([`kept_buckets`](super::kept_buckets)).
//!
//! A frame is read whole once it is begun, as far as its form asks for that. So a read may take more than there is, which is a debt.
//!
//! Laws: in any time, no more is taken than the rate gives in that time and one second, and one read more. A peer that stays below
//! its rate never waits. What is not read stays in the stream: nothing is dropped.

use crate::security::file::Limits;
use std::fmt::Debug;

/// A pause that is shorter would cost a wake-up for next to nothing.
const MIN_PAUSE_MS: u64 = 10;
/// The time in which an empty bucket is full.
pub const FULL_MS: i64 = 1000;
/// Parts of a token: with time in milliseconds, each adds a whole number of them.
const PARTS: i64 = FULL_MS;

/// The rates of a connection; `None`: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    pub messages_per_second: Option<u32>,
    pub bytes_per_second: Option<u32>,
}

/// What lets a connection with a rate read.
#[derive(Debug)]
pub struct Throttle {
    buckets: Buckets,
    /// Where the buckets go when the connection ends.
    home: Option<Box<dyn Home>>,
}

/// Where buckets come from that outlast a connection.
pub trait Home: Debug + Send + Sync {
    fn take_back(&self, buckets: Buckets);
}

/// The buckets of a connection with a rate.
#[derive(Clone, Copy, Debug)]
pub struct Buckets {
    messages: Option<Bucket>,
    bytes: Option<Bucket>,
}

/// What may be read now: 1 or more of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    pub messages: u64,
    pub bytes: usize,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    per_second: i64,
    /// In parts of a token; below 0 is debt.
    level: i64,
    filled_at_ms: u64,
}

impl Rates {
    /// By a security file, where 0 is no limit.
    pub fn of(limits: &Limits) -> Rates {
        let of = |limit: Option<u32>| limit.filter(|limit| *limit > 0);
        Rates {
            messages_per_second: of(limits.messages_per_second),
            bytes_per_second: of(limits.bytes_per_second),
        }
    }

    pub fn any(self) -> bool {
        self.messages_per_second.is_some() || self.bytes_per_second.is_some()
    }
}

impl Throttle {
    /// With full buckets, which nothing keeps. `None` without a rate.
    pub fn new(rates: Rates, now_ms: u64) -> Option<Throttle> {
        rates.any().then(|| Throttle { buckets: Buckets::full(rates, now_ms), home: None })
    }

    /// With empty buckets, which nothing keeps.
    pub fn begun_empty(rates: Rates, now_ms: u64) -> Throttle {
        Throttle { buckets: Buckets::empty(rates, now_ms), home: None }
    }

    /// With buckets that go home at the end.
    pub fn lent(buckets: Buckets, home: Box<dyn Home>) -> Throttle {
        Throttle { buckets, home: Some(home) }
    }

    /// See [`Buckets::allow`].
    pub fn allow(&mut self, now_ms: u64) -> Result<Allowance, u64> {
        self.buckets.allow(now_ms)
    }

    /// See [`Buckets::spend`].
    pub fn spend(&mut self, messages: u64, bytes: usize) {
        self.buckets.spend(messages, bytes);
    }
}

impl Drop for Throttle {
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            home.take_back(self.buckets);
        }
    }
}

impl Buckets {
    pub fn full(rates: Rates, now_ms: u64) -> Buckets {
        let bucket = |rate: Option<u32>| rate.map(|rate| Bucket::new(rate, now_ms));
        Buckets { messages: bucket(rates.messages_per_second), bytes: bucket(rates.bytes_per_second) }
    }

    pub fn empty(rates: Rates, now_ms: u64) -> Buckets {
        let empty = |bucket: Option<Bucket>| bucket.map(|bucket| Bucket { level: 0, ..bucket });
        let Buckets { messages, bytes } = Buckets::full(rates, now_ms);
        Buckets { messages: empty(messages), bytes: empty(bytes) }
    }

    /// For how many milliseconds they have been filled, which is [`FULL_MS`] at most; below 0: for how long they are in debt yet.
    pub fn credit_ms(&mut self, now_ms: u64) -> i64 {
        let both = [&mut self.messages, &mut self.bytes];
        let credits = both.into_iter().flatten().map(|bucket| {
            bucket.fill(now_ms);
            bucket.level / bucket.per_second.max(1)
        });
        credits.min().unwrap_or(FULL_MS)
    }

    /// What may be read now, else the milliseconds to wait. `now_ms` is of a clock that does not go back.
    pub fn allow(&mut self, now_ms: u64) -> Result<Allowance, u64> {
        let mut pause_ms = 0;
        let mut of = |bucket: &mut Option<Bucket>| {
            let Some(bucket) = bucket else { return u64::MAX };
            bucket.fill(now_ms);
            pause_ms = pause_ms.max(bucket.pause_ms());
            bucket.tokens()
        };
        let (messages, bytes) = (of(&mut self.messages), of(&mut self.bytes));
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        if pause_ms > 0 { Err(pause_ms) } else { Ok(Allowance { messages, bytes }) }
    }

    /// This much was read.
    pub fn spend(&mut self, messages: u64, bytes: usize) {
        for (bucket, tokens) in [(&mut self.messages, messages), (&mut self.bytes, bytes as u64)] {
            if let Some(bucket) = bucket {
                bucket.spend(tokens);
            }
        }
    }
}

impl Bucket {
    fn new(per_second: u32, now_ms: u64) -> Bucket {
        let per_second = i64::from(per_second.max(1));
        Bucket { per_second, level: per_second * PARTS, filled_at_ms: now_ms }
    }

    fn fill(&mut self, now_ms: u64) {
        let since_ms = i64::try_from(now_ms.saturating_sub(self.filled_at_ms)).unwrap_or(i64::MAX);
        let gained = self.per_second.saturating_mul(since_ms);
        self.level = self.level.saturating_add(gained).min(self.per_second.saturating_mul(PARTS));
        self.filled_at_ms = self.filled_at_ms.max(now_ms);
    }

    fn tokens(&self) -> u64 {
        u64::try_from(self.level / PARTS).unwrap_or(0)
    }

    fn spend(&mut self, tokens: u64) {
        let parts = i64::try_from(tokens).unwrap_or(i64::MAX).saturating_mul(PARTS);
        self.level = self.level.saturating_sub(parts);
    }

    /// Until there is a token; 0 where there is.
    fn pause_ms(&self) -> u64 {
        let lacking = PARTS.saturating_sub(self.level);
        if lacking <= 0 {
            return 0;
        }
        let pause_ms = lacking.unsigned_abs().div_ceil(self.per_second.unsigned_abs().max(1));
        pause_ms.max(MIN_PAUSE_MS)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const START_MS: u64 = 5_000_000;

    fn throttle(messages: Option<u32>, bytes: Option<u32>) -> Throttle {
        let rates = Rates { messages_per_second: messages, bytes_per_second: bytes };
        Throttle::new(rates, START_MS).unwrap()
    }

    #[test]
    fn a_second_may_come_at_once_and_then_the_rate() {
        let mut throttle = throttle(Some(10), None);
        assert_eq!(throttle.allow(START_MS), Ok(Allowance { messages: 10, bytes: usize::MAX }));
        throttle.spend(10, 1_000_000);
        assert_eq!(throttle.allow(START_MS), Err(100));
        assert_eq!(throttle.allow(START_MS + 99), Err(MIN_PAUSE_MS));
        assert_eq!(throttle.allow(START_MS + 100).unwrap().messages, 1);
        assert_eq!(throttle.allow(START_MS + 700).unwrap().messages, 7);
        assert_eq!(throttle.allow(START_MS + 60_000).unwrap().messages, 10, "no more than a second's");
    }

    #[test]
    fn a_debt_is_paid_off_first() {
        let mut throttle = throttle(None, Some(1000));
        throttle.spend(1, 6000);
        assert_eq!(throttle.allow(START_MS), Err(5001));
        assert_eq!(throttle.allow(START_MS + 5000), Err(MIN_PAUSE_MS));
        assert_eq!(throttle.allow(START_MS + 5001), Ok(Allowance { messages: u64::MAX, bytes: 1 }));
    }

    #[test]
    fn both_rates_hold() {
        let mut throttle = throttle(Some(2), Some(1000));
        throttle.spend(2, 10);
        assert_eq!(throttle.allow(START_MS), Err(500), "messages");
        throttle.spend(0, 2990);
        assert_eq!(throttle.allow(START_MS + 500), Err(1501), "bytes");
        assert!(Throttle::new(Rates::default(), START_MS).is_none());
    }

    /// Readers of all sizes and paces, whose timer comes when they were told or later.
    #[test]
    fn no_more_is_taken_than_the_rate_gives() {
        let mut state = 1u64;
        let mut random = move |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for rate in [1, 7, 1000, 1_000_000, u32::MAX] {
            let mut throttle = throttle(Some(rate), None);
            let (mut now_ms, mut taken) = (START_MS, 0u64);
            for _ in 0..2000 {
                match throttle.allow(now_ms) {
                    Ok(allowance) => {
                        assert!(allowance.messages > 0);
                        let messages = 1 + random(allowance.messages);
                        throttle.spend(messages, 0);
                        taken += messages;
                    }
                    Err(pause_ms) => now_ms += pause_ms + random(3),
                }
                let most = u64::from(rate) * (now_ms - START_MS + 1000) / 1000;
                assert!(taken <= most, "{taken} of {most} at {rate}");
            }
            // The reader that takes all it may, and waits as long as it is told, gets what the rate gives.
            let begun_ms = now_ms;
            let mut got = 0;
            while now_ms < begun_ms + 20_000 {
                match throttle.allow(now_ms) {
                    Ok(allowance) => {
                        throttle.spend(allowance.messages, 0);
                        got += allowance.messages;
                    }
                    Err(pause_ms) => now_ms += pause_ms,
                }
            }
            let due = u64::from(rate) * (now_ms - begun_ms) / 1000;
            assert!(got + 1 >= due * 99 / 100, "{got} of {due} at {rate}");
        }
    }

    #[test]
    fn a_clock_that_stands_or_goes_back_gives_nothing_and_breaks_nothing() {
        let mut throttle = throttle(Some(1), Some(u32::MAX));
        throttle.spend(u64::MAX, usize::MAX);
        throttle.spend(u64::MAX, usize::MAX);
        assert!(throttle.allow(START_MS).is_err());
        assert!(throttle.allow(0).is_err());
        assert!(throttle.allow(START_MS + 1000).is_err(), "a debt without end");
    }
}
