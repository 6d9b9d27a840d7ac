//! Whether a stream is lent to a thread of the program that waits for it, and where it goes afterwards.
//!
//! The policy is pure: the caller passes the time, and the policy keeps its own observations. The watcher of the stream is
//! decided by [`watch`](super::watch), which asks for nothing but the answers of this file.
//!
//! A burst is [`MIN_BURST_BYTES`] or more at once, before which the program has sent nothing. A thread is told in vain where
//! poll(2) says that the stream is readable, and there is nothing to read.

use super::watch::Leave;
use std::time::{Duration, Instant};

/// When the session first looks whether the thread still comes back. Each time that it does, the session waits twice as
/// long before it looks again, up to [`MAX_LOOK_INTERVAL`]: a message that comes just before a look may wait for it.
pub const MIN_LOOK_INTERVAL: Duration = Duration::from_millis(1);
const MAX_LOOK_INTERVAL: Duration = Duration::from_millis(8);
/// A thread that comes back within this time is quick, and a wait that is over within it was short.
const MAX_QUICK_RETURN: Duration = Duration::from_millis(1);
/// After this number of quick returns in a row the stream stays away from the reactor between two waits.
const MIN_QUICK_RETURNS: u8 = 2;
/// The I/O thread keeps a stream that is not for lending for this long. That is a stream that fills whole blocks while the
/// program, which only receives, works on received messages. Or it is one that two threads want at once.
const LEND_BACKOFF: Duration = Duration::from_millis(50);
/// Times in a row that the system tells a thread of bytes that are not there. Another thread may have received them meanwhile,
/// but not each time.
const MIN_VAIN_WAKES: u8 = 16;
const MAX_VAIN_WAKE_GAP: Duration = Duration::from_millis(10);
/// Longer than any process runs.
const LEND_NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
/// A burst has at least this number of bytes at once.
const MIN_BURST_BYTES: usize = 8 * 1024;
/// After this number of slow bursts in a row the I/O thread receives. A burst is slow if the program worked longer on it than it
/// took to receive, as it does with small messages. A thread is soon done with large ones, which it finds in its cache.
const MIN_SLOW_BURSTS: u8 = 3;
/// After this number of wake-ups in a row for room that no bytes wait for, the reactor watches for room no more.
const MIN_IDLE_ROOM_WAKES: u8 = 4;
/// Wake-ups that follow each other faster do not count: they find the I/O thread awake.
const MIN_IDLE_ROOM_WAKE_GAP_MS: u64 = 2;

/// The policy's observations of one stream.
#[derive(Debug, Default)]
pub struct LendPolicy {
    /// The stream is not lent before this.
    lend_backoff_until: Option<Instant>,
    /// Changes whenever a thread borrows the stream, and what the session's last look saw of that.
    visits: u32,
    visits_seen: u32,
    /// Looks in a row that found that the thread had come back.
    looks: u32,
    /// When the stream left the reactor, and when the last thread gave it back.
    lent_at: Option<Instant>,
    left_at: Option<Instant>,
    quick_returns: u8,
    slow_bursts: u8,
    burst: Option<Burst>,
    idle_room_wakes: u8,
    /// How often in a row a thread was told of something to read that was not there, and when it was last.
    vain: u8,
    vain_at: Option<Instant>,
    /// When the I/O thread was last woken for room, in milliseconds of the reactor's clock.
    room_wake_ms: u64,
}

/// Much has come since the thread last asked for the stream.
#[derive(Clone, Copy, Debug)]
struct Burst {
    /// How long it took to receive.
    took: Duration,
    /// When the last of it was received.
    until: Instant,
}

impl LendPolicy {
    /// A thread asks for the stream.
    pub fn asked(&mut self, now: Instant) {
        if let Some(burst) = self.burst.take() {
            self.count_burst(now.saturating_duration_since(burst.until) > burst.took, now);
        }
    }

    /// Whether the stream may leave the reactor now.
    pub fn lends(&mut self, now: Instant) -> bool {
        let lends = self.lend_backoff_until.is_none_or(|until| now >= until);
        if lends {
            self.lend_backoff_until = None;
        }
        lends
    }

    /// A thread asks for a stream that the reactor watches.
    pub fn asked_at_the_reactor(&mut self, now: Instant) {
        let quick =
            self.left_at.is_some_and(|left_at| now.saturating_duration_since(left_at) < MAX_QUICK_RETURN);
        self.quick_returns = if quick { self.quick_returns.saturating_add(1) } else { 0 };
        self.lent_at = Some(now);
    }

    /// A thread has the stream.
    pub fn lent(&mut self) {
        self.visits = self.visits.wrapping_add(1);
    }

    /// The I/O thread is to have the stream for a while.
    pub fn refuse_lending(&mut self, now: Instant) {
        self.lend_backoff_until = self.lend_backoff_until.max(now.checked_add(LEND_BACKOFF));
    }

    /// The system told a thread of something to read, and then there was nothing. Whether it does so again and again: then the
    /// I/O thread is to have the stream for a while, or the thread would spin.
    pub fn told_in_vain(&mut self, now: Instant) -> bool {
        let soon = self.vain_at.is_some_and(|at| now.saturating_duration_since(at) < MAX_VAIN_WAKE_GAP);
        self.vain_at = Some(now);
        self.vain = if soon { self.vain.saturating_add(1) } else { 1 };
        let spins = self.vain >= MIN_VAIN_WAKES;
        if spins {
            self.vain = 0;
            self.refuse_lending(now);
        }
        spins
    }

    /// The I/O thread is to have the stream for good.
    pub fn never_lend(&mut self, now: Instant) {
        self.lend_backoff_until = self.lend_backoff_until.max(now.checked_add(LEND_NEVER));
    }

    /// Whether the I/O thread has asked to keep the stream.
    pub fn is_backing_off(&self) -> bool {
        self.lend_backoff_until.is_some()
    }

    /// Where the stream goes whose thread waits no longer.
    ///
    /// After a long wait the stream does not stay: the session would look after a thread that sleeps again by then, which costs
    /// more than to have the reactor watch.
    pub fn leave(&self, now: Instant) -> Leave {
        let short =
            self.lent_at.is_some_and(|lent_at| now.saturating_duration_since(lent_at) < MAX_QUICK_RETURN);
        match self.is_backing_off() {
            true => Leave::ToReactor,
            false if short && self.quick_returns >= MIN_QUICK_RETURNS => Leave::Stay,
            false => Leave::ToFront,
        }
    }

    /// The stream was given back.
    pub fn left(&mut self, now: Instant) {
        self.left_at = Some(now);
    }

    /// The session looks: whether a thread has come since it last did.
    pub fn look(&mut self) -> bool {
        std::mem::replace(&mut self.visits_seen, self.visits) != self.visits
    }

    /// The session goes on looking: after how long.
    pub fn look_again(&mut self) -> Duration {
        self.looks = self.looks.saturating_add(1);
        MIN_LOOK_INTERVAL.saturating_mul(1 << self.looks.min(16)).min(MAX_LOOK_INTERVAL)
    }

    /// The session looks no more: a thread that waits for long is to begin anew.
    pub fn stop_looking(&mut self) {
        (self.quick_returns, self.looks, self.lent_at) = (0, 0, None);
    }

    /// `bytes` came at once, received from `begun` until `now`. `sent_before`: the program had sent something before that.
    pub fn received(&mut self, bytes: usize, sent_before: bool, begun: Instant, now: Instant) {
        if !LendPolicy::is_burst(bytes, sent_before) {
            (self.slow_bursts, self.burst) = (0, None);
            return;
        }
        let before = self.burst.map_or(Duration::ZERO, |burst| burst.took);
        let took = before.saturating_add(now.saturating_duration_since(begun));
        self.burst = Some(Burst { took, until: now });
    }

    /// Whether this number of bytes at once counts as a burst.
    pub fn is_burst(bytes: usize, sent_before: bool) -> bool {
        bytes >= MIN_BURST_BYTES && !sent_before
    }

    /// A burst was slow, or not.
    pub fn count_burst(&mut self, slow: bool, now: Instant) {
        self.slow_bursts = if slow { self.slow_bursts.saturating_add(1) } else { 0 };
        if self.slow_bursts >= MIN_SLOW_BURSTS {
            self.slow_bursts = 0;
            self.refuse_lending(now);
        }
    }

    /// Bytes wait for room.
    pub fn needs_room(&mut self) {
        self.idle_room_wakes = 0;
    }

    /// The I/O thread was woken for room alone. `apart`: not right behind the last time.
    pub fn woken_for_room(&mut self, now_ms: u64) -> bool {
        let before_ms = std::mem::replace(&mut self.room_wake_ms, now_ms);
        now_ms.saturating_sub(before_ms) >= MIN_IDLE_ROOM_WAKE_GAP_MS
    }

    /// Whether the reactor is to watch for room no more. `idle`: the wake-up counts, and nothing waited to be sent.
    pub fn gives_up_room(&mut self, idle: bool) -> bool {
        self.idle_room_wakes = if idle { self.idle_room_wakes.saturating_add(1) } else { 0 };
        self.idle_room_wakes >= MIN_IDLE_ROOM_WAKES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A burst that took `took` to receive, and a thread that asks again after `worked`.
    fn burst(policy: &mut LendPolicy, now: &mut Instant, bytes: usize, took: Duration, worked: Duration) {
        let begun = *now;
        *now += took;
        policy.received(bytes, false, begun, *now);
        *now += worked;
        policy.asked(*now);
    }

    #[test]
    fn stream_of_slow_bursts_goes_to_the_io_thread_for_a_while() {
        let (mut policy, mut now) = (LendPolicy::default(), Instant::now());
        let (short, long) = (Duration::from_micros(10), Duration::from_micros(20));
        for _ in 0..2 * MIN_SLOW_BURSTS {
            burst(&mut policy, &mut now, MIN_BURST_BYTES, long, short);
        }
        assert!(policy.lends(now), "soon done with them");
        for _ in 1..MIN_SLOW_BURSTS {
            burst(&mut policy, &mut now, MIN_BURST_BYTES, short, long);
        }
        burst(&mut policy, &mut now, MIN_BURST_BYTES, long, short);
        assert!(policy.lends(now), "not in a row");
        for _ in 0..MIN_SLOW_BURSTS {
            burst(&mut policy, &mut now, MIN_BURST_BYTES - 1, short, long);
        }
        assert!(policy.lends(now), "not much");
        for _ in 0..MIN_SLOW_BURSTS {
            burst(&mut policy, &mut now, MIN_BURST_BYTES, short, long);
        }
        assert!(!policy.lends(now));
        assert_eq!(policy.leave(now), Leave::ToReactor);
        assert!(!policy.lends(now + LEND_BACKOFF - Duration::from_nanos(1)));
        assert!(policy.lends(now + LEND_BACKOFF));
        assert!(!policy.is_backing_off());
    }

    #[test]
    fn stream_stays_with_a_thread_that_comes_back_quickly_again_and_again() {
        let (mut policy, mut now) = (LendPolicy::default(), Instant::now());
        let short = MAX_QUICK_RETURN / 2;
        for _ in 0..MIN_QUICK_RETURNS {
            assert_eq!(policy.leave(now), Leave::ToFront);
            policy.left(now);
            now += short;
            policy.asked_at_the_reactor(now);
        }
        assert_eq!(policy.leave(now + short), Leave::Stay);
        assert_eq!(policy.leave(now + MAX_QUICK_RETURN), Leave::ToFront, "after a long wait");
        policy.left(now);
        policy.asked_at_the_reactor(now + MAX_QUICK_RETURN);
        assert_eq!(policy.leave(now + MAX_QUICK_RETURN), Leave::ToFront, "after a long absence");
    }

    #[test]
    fn session_looks_more_and_more_rarely_while_the_thread_comes() {
        let mut policy = LendPolicy::default();
        assert!(!policy.look());
        policy.lent();
        assert!(policy.look());
        assert!(!policy.look(), "once for each visit");
        let intervals: Vec<_> = (0..5).map(|_| policy.look_again().as_millis()).collect();
        assert_eq!(intervals, [2, 4, 8, 8, 8]);
        policy.stop_looking();
        assert_eq!(policy.look_again().as_millis(), 2);
    }

    #[test]
    fn a_thread_that_is_told_in_vain_again_and_again_gets_the_stream_no_more_for_a_while() {
        let (mut policy, start) = (LendPolicy::default(), Instant::now());
        for _ in 0..3 {
            let now = start + MAX_VAIN_WAKE_GAP;
            assert!((1..MIN_VAIN_WAKES).all(|_| !policy.told_in_vain(now)));
            assert!(policy.lends(now));
            assert!(policy.told_in_vain(now));
            assert!(!policy.lends(now) && policy.lends(now + LEND_BACKOFF));
        }
        // Now and then it is no matter.
        let rare = (1..100).map(|i| start + (i + 2) * MAX_VAIN_WAKE_GAP);
        assert!(rare.into_iter().all(|now| !policy.told_in_vain(now)));
        policy.never_lend(start);
        policy.refuse_lending(start);
        assert!(!policy.lends(start + 1000 * LEND_BACKOFF));
    }

    #[test]
    fn room_that_nothing_waits_for_is_given_up_after_some_wake_ups() {
        let mut policy = LendPolicy::default();
        assert!(policy.woken_for_room(10));
        assert!(!policy.woken_for_room(11), "right behind the last");
        for _ in 1..MIN_IDLE_ROOM_WAKES {
            assert!(!policy.gives_up_room(true));
        }
        assert!(policy.gives_up_room(true));
        policy.needs_room();
        assert!(!policy.gives_up_room(true));
        assert!(!policy.gives_up_room(false), "in a row");
    }
}
