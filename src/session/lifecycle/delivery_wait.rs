//! The end of a session that has written everything, to a peer that speaks: it waits until the peer's system has taken it.
//!
//! A tcp stream that is closed before keeps what it holds only as long as the peer says nothing. The next PING, PONG or message makes
//! the system reset the connection and drop the rest. A peer counts as one that speaks where there are heartbeats, or where
//! something of it lies unread at the end. For others the session does not wait: a slow peer would hold up `zmq_ctx_term`, which
//! libzmq ends as soon as the system has everything.
//!
//! A peer may send PING on purpose and read slowly, so the wait has a bound of its own.
//!
//! | the system holds | for how long it has not become less | since the first look | the session |
//! |---|---|---|---|
//! | nothing | | | ends |
//! | something | less than [`MAX_STANDSTILL_MS`] | less than [`MAX_WAIT_MS`] | looks again |
//! | something | longer | | ends, and leaves the rest to the system |
//! | something | | longer | ends, and leaves the rest to the system |

use std::time::Duration;

/// A peer that takes nothing for this long does not hold up `zmq_ctx_term` any longer.
const MAX_STANDSTILL_MS: u64 = 1000;
/// A peer that takes a little now and then does not hold it up for longer than this.
const MAX_WAIT_MS: u64 = 10_000;
/// Between two looks: at first, and at most.
const MIN_PAUSE_MS: u64 = 1;
const MAX_PAUSE_MS: u64 = 64;

/// What the session has seen of that. Plain numbers: an `Option` around them becomes code that valgrind complains of.
#[derive(Debug)]
pub struct DeliveryWait {
    /// At the last look; before the first, more than there can be.
    held_bytes: u64,
    /// The first look; before it, later than any.
    first_ms: u64,
    /// When they last became less.
    moved_ms: u64,
    /// The last pause; 0 before the first.
    pause_ms: u64,
}

impl Default for DeliveryWait {
    fn default() -> DeliveryWait {
        DeliveryWait { held_bytes: u64::MAX, first_ms: u64::MAX, moved_ms: 0, pause_ms: 0 }
    }
}

impl DeliveryWait {
    /// Whether the session waits already.
    pub fn is_waited_for(&self) -> bool {
        self.pause_ms > 0
    }

    /// The system holds `held_bytes` now. Returns the time until the session looks again, or `None`: it ends.
    pub fn look(&mut self, held_bytes: u64, now_ms: u64) -> Option<Duration> {
        if held_bytes < self.held_bytes {
            (self.held_bytes, self.moved_ms) = (held_bytes, now_ms);
        }
        self.first_ms = self.first_ms.min(now_ms);
        let stands_still = now_ms.saturating_sub(self.moved_ms) >= MAX_STANDSTILL_MS;
        if held_bytes == 0 || stands_still || now_ms.saturating_sub(self.first_ms) >= MAX_WAIT_MS {
            return None;
        }
        self.pause_ms = (self.pause_ms * 2).clamp(MIN_PAUSE_MS, MAX_PAUSE_MS);
        Some(Duration::from_millis(self.pause_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When a session ends whose system holds `held_bytes` at each time.
    fn end_ms(held_bytes: impl Fn(u64) -> u64) -> u64 {
        let (mut wait, mut now_ms) = (DeliveryWait::default(), 1000);
        while let Some(pause) = wait.look(held_bytes(now_ms - 1000), now_ms) {
            now_ms += u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        }
        now_ms - 1000
    }

    #[test]
    fn session_ends_when_all_is_taken_or_nothing_moves() {
        assert_eq!(end_ms(|_| 0), 0);
        assert!((50..200).contains(&end_ms(|ms| if ms < 50 { 7 } else { 0 })));
        let step_ms = MAX_STANDSTILL_MS * 9 / 10;
        let slow = |steps: u64| move |ms: u64| steps.saturating_sub(ms / step_ms);
        let whole = end_ms(slow(9));
        assert!((9 * step_ms..9 * step_ms + 100).contains(&whole), "{whole}: slowly, but to its end");
        let endless = end_ms(slow(100));
        assert!(
            (MAX_WAIT_MS..MAX_WAIT_MS + 100).contains(&endless),
            "{endless}: a peer that wants to hold it up"
        );
        let stops = end_ms(|ms| 9000 - ms.min(5000));
        assert!((5000 + MAX_STANDSTILL_MS..5200 + MAX_STANDSTILL_MS).contains(&stops), "{stops}");
    }
}
