//! How much the peers of a socket may have it do in one call.

use std::time::Instant;

/// Units for a call. A unit is about what it takes to read a small frame and to look a topic up, some 100 to 400 ns, so a call is
/// over after a few milliseconds. What one call has used up comes back in time.
pub const CALL_UNITS: u32 = 8 * 1024;
/// Units for a look at what a socket has: who waits for many sockets looks at all of them before it comes back to the first.
pub const LOOK_UNITS: u32 = 1024;
/// So many there are in any case, so that calls that follow each other get somewhere.
const LEAST_UNITS: u32 = 8;
/// What comes back in a millisecond. A program that calls a thousand times in a row, and gets something each time, is not to be
/// held up each time: it has other sockets to look after. A flood then takes up to a third of the thread's time.
///
/// With 128 a publisher that sends all the time needed 3.2 s to hear of 100,000 topics; with 1,024 it needs 0.42 s (libzmq 0.45),
/// and under a flood of subscriptions the thread's other peers still wait 10 ms at most.
const UNITS_PER_MS: u32 = 1024;

/// With so many left for all calls, a call need not ask how much has come back: the clock costs more than a small send.
const AMPLE_UNITS: u32 = CALL_UNITS / 2;

/// So many bytes of a frame cost as much as a frame more.
const UNIT_BYTES: usize = 1024;
/// What it costs to give credit: the stream is asked for more, with a system call.
const GRANT_UNITS: u32 = 16;

/// The work that is left to one call of what peers cause and the program never sees: messages that are dropped, wishes of
/// subscribers that are noted, what has to be forgotten of those that have gone. A peer that pours can cause any amount of it, and
/// pipes fill up again while they are emptied, so every loop over it ends with the budget. What is left is for the next call.
#[derive(Debug)]
pub struct Budget {
    /// For this call.
    left: u32,
    /// For all calls, until more has come back.
    stock: u32,
    /// Since when nothing has come back; while the stock is full this does not matter.
    since: Option<Instant>,
    undone: bool,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget { left: CALL_UNITS, stock: CALL_UNITS, since: None, undone: false }
    }
}

impl Budget {
    /// Another call begins, for which this is enough. The time is asked for only where little is left.
    #[inline(always)]
    pub fn begin(&mut self, most: u32, now: impl FnOnce() -> Instant) {
        self.left = most.min(self.stock);
        if self.stock < AMPLE_UNITS {
            self.begin_short(most, now());
        }
    }

    /// Much of what earlier calls have used up has not come back yet.
    #[cold]
    #[inline(never)]
    fn begin_short(&mut self, most: u32, now: Instant) {
        self.refill(now);
        self.left = most.min(self.stock).max(LEAST_UNITS);
    }

    fn refill(&mut self, now: Instant) {
        let since = *self.since.get_or_insert(now);
        let us = u32::try_from(now.saturating_duration_since(since).as_micros()).unwrap_or(u32::MAX);
        let back = u64::from(us) * u64::from(UNITS_PER_MS) / 1000;
        if back > 0 {
            let back = u32::try_from(back).unwrap_or(u32::MAX);
            self.stock = self.stock.saturating_add(back).min(CALL_UNITS);
            self.since = (self.stock < CALL_UNITS).then_some(now);
        }
    }

    /// Whether a piece of work may be done now, which then [costs](Budget::spend) something. `false`: it is left undone.
    #[inline]
    pub fn allows(&mut self) -> bool {
        self.undone |= self.left == 0;
        self.left > 0
    }

    /// The last piece may have cost more than there was.
    #[inline]
    pub fn spend(&mut self, units: u32) {
        self.left = self.left.saturating_sub(units);
        self.stock = self.stock.saturating_sub(units);
    }

    /// Something was found that is to be done, and nobody has begun with it.
    pub fn leave_undone(&mut self) {
        self.undone = true;
    }

    #[inline(always)]
    pub fn is_anything_undone(&self) -> bool {
        self.undone
    }

    /// Whether something was left undone since this was last asked.
    pub fn take_undone(&mut self) -> bool {
        std::mem::take(&mut self.undone)
    }
}

/// What it costs to take a frame of so many bytes out of a pipe with this high-water mark in messages (0 or less: none).
pub fn frame_units(bytes: usize, hwm: i32) -> u32 {
    let weight = u32::try_from(bytes / UNIT_BYTES).unwrap_or(u32::MAX);
    // Credit is given back in halves of the mark.
    let grants =
        u32::try_from(hwm).ok().filter(|&hwm| hwm > 0).map_or(0, |hwm| GRANT_UNITS / hwm.div_ceil(2));
    weight.saturating_add(1 + grants)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn work_ends_with_the_budget_and_what_is_left_is_remembered() {
        let mut budget = Budget::default();
        budget.begin(30, || unreachable!("nothing was used up"));
        let mut done = 0;
        while budget.allows() {
            budget.spend(20);
            done += 1;
        }
        assert_eq!(done, 2);
        assert!(budget.is_anything_undone() && budget.take_undone());
        assert!(!budget.take_undone(), "told once");
        budget.begin(1, Instant::now);
        assert!(budget.allows() && !budget.take_undone());
    }

    #[test]
    fn calls_that_follow_each_other_share_what_comes_back_in_time() {
        let (mut budget, mut now) = (Budget::default(), Instant::now());
        let mut use_up = |now| {
            budget.begin(CALL_UNITS, || now);
            let mut used = 0;
            while budget.allows() {
                budget.spend(1);
                used += 1;
            }
            used
        };
        assert_eq!(use_up(now), CALL_UNITS);
        for _ in 0..100 {
            assert_eq!(use_up(now), LEAST_UNITS);
        }
        for ms in [1, 2, 3] {
            now += Duration::from_millis(ms);
            assert_eq!(u64::from(use_up(now)), ms * u64::from(UNITS_PER_MS));
        }
        let begun = now;
        let used: u32 = (0..10_000)
            .map(|_| {
                now += Duration::from_micros(1);
                use_up(now)
            })
            .sum();
        assert!(used >= UNITS_PER_MS * 9, "{used}: none of the time is lost, however often one asks");
        assert!(now > begun);
        assert_eq!(use_up(now + Duration::from_secs(3600)), CALL_UNITS, "no more than that");
    }

    #[test]
    fn large_frames_and_low_marks_cost_more() {
        assert_eq!(frame_units(0, 0), 1);
        assert_eq!(frame_units(UNIT_BYTES - 1, 1000), 1);
        assert_eq!(frame_units(UNIT_BYTES, 1000), 2);
        assert_eq!(frame_units(0, 1), 1 + GRANT_UNITS);
        assert_eq!(frame_units(usize::MAX, i32::MAX), u32::MAX);
    }
}
