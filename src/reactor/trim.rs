//! When an I/O thread gives memory back to the system that the process does not need any more.

use std::time::{Duration, Instant};

/// Bytes given back to the allocator from which on it is worth while.
const WORTH_BYTES: u64 = 4 * 1024 * 1024;
/// For how long nothing more may have been given back, if the thread has slept all that time.
const QUIET_WHILE_ASLEEP: Duration = Duration::from_secs(1);
/// The same, if the thread had something to do meanwhile.
const QUIET_WHILE_BUSY: Duration = Duration::from_secs(3);

/// What is known of how much was given back, in bytes since the process began.
pub struct Trim {
    /// When it was dealt with last.
    done: u64,
    /// At the last look, and since when it has been that much.
    seen: u64,
    since: Instant,
}

impl Trim {
    pub fn new(now: Instant) -> Trim {
        Trim { done: 0, seen: 0, since: now }
    }

    /// How long the thread may sleep, with `freed` bytes given back by now. `None`: until it is told that there are
    /// [more](Trim::worth_it_at).
    pub fn look_again_after(&self, freed: u64) -> Option<Duration> {
        self.is_worth_it(freed).then_some(QUIET_WHILE_ASLEEP)
    }

    /// With how many bytes given back there is something to do.
    pub fn worth_it_at(&self) -> u64 {
        self.done.saturating_add(WORTH_BYTES)
    }

    /// The thread has woken, or is about to sleep. `idle`: it had nothing to do since the last look. `true`: now is the time;
    /// that counts as done.
    pub fn is_due(&mut self, freed: u64, idle: bool, now: Instant) -> bool {
        if freed != self.seen {
            (self.seen, self.since) = (freed, now);
            return false;
        }
        let quiet = now.saturating_duration_since(self.since);
        let due =
            self.is_worth_it(freed) && quiet >= if idle { QUIET_WHILE_ASLEEP } else { QUIET_WHILE_BUSY };
        if due {
            self.done = freed;
        }
        due
    }

    fn is_worth_it(&self, freed: u64) -> bool {
        freed >= self.worth_it_at()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_nothing_has_come_for_a_second() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut trim = Trim::new(start);
        assert!(!trim.is_due(WORTH_BYTES - 1, true, at(0)));
        assert_eq!(trim.look_again_after(WORTH_BYTES - 1), None);
        assert!(!trim.is_due(WORTH_BYTES - 1, true, at(9000)), "not worth it");
        assert!(!trim.is_due(WORTH_BYTES, true, at(10_000)));
        assert_eq!(trim.look_again_after(WORTH_BYTES), Some(QUIET_WHILE_ASLEEP));
        assert!(!trim.is_due(2 * WORTH_BYTES, true, at(11_000)), "it goes on");
        assert!(!trim.is_due(2 * WORTH_BYTES, true, at(11_999)));
        assert!(!trim.is_due(2 * WORTH_BYTES, false, at(12_500)), "it is busy");
        assert!(trim.is_due(2 * WORTH_BYTES, true, at(12_500)));
        assert!(!trim.is_due(2 * WORTH_BYTES, true, at(14_000)), "done");
        assert_eq!((trim.look_again_after(2 * WORTH_BYTES), trim.worth_it_at()), (None, 3 * WORTH_BYTES));
    }

    #[test]
    fn somewhat_later_where_the_thread_is_busy() {
        let start = Instant::now();
        let mut trim = Trim::new(start);
        assert!(!trim.is_due(WORTH_BYTES, false, start));
        assert!(!trim.is_due(WORTH_BYTES, false, start + Duration::from_millis(2999)));
        assert!(trim.is_due(WORTH_BYTES, false, start + QUIET_WHILE_BUSY));
    }
}
