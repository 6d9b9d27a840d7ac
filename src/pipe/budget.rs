//! The bound on the work that a socket's peers may cause in one call.

use std::time::Instant;

/// Work units for one call. A unit is about the time to read a small frame and look a topic up, 100 to 400
/// ns. So a call ends after a few milliseconds. Used units come back in time.
pub const CALL_UNITS: u32 = 8 * 1024;
/// Units for one look at a socket: a thread that polls many sockets looks at all of them before it comes back
/// to the first.
pub const LOOK_UNITS: u32 = 1024;
/// Units that a call has in any case, so that consecutive calls make progress.
const MIN_CALL_UNITS: u32 = 8;
/// Units that come back in a millisecond. A flood then takes up to a third of the thread's time. A program
/// that calls a thousand times in a row, and gets a message each time, must not be delayed each time: it has
/// other sockets to look after.
///
/// With 128 a publisher that sends all the time needed 3.2 s to hear of 100,000 topics; with 1,024 it needs
/// 0.42 s (libzmq 0.45). Under a flood of subscriptions the thread's other peers still wait 10 ms at most.
const UNITS_PER_MS: u32 = 1024;

/// While at least this many units are left for all calls, a call does not read the clock: that costs more
/// than a small send.
const AMPLE_UNITS: u32 = CALL_UNITS / 2;

/// This many bytes of a frame cost one unit more.
const UNIT_BYTES: usize = 1024;
/// Units for granting credit: the connection then reads the stream again, with a system call.
const GRANT_UNITS: u32 = 16;

/// Bounds the work in one call that peers cause and the program never sees: messages to drop, subscriptions
/// to note, and state of peers that have gone. A peer can cause any amount of it, and pipes fill up again
/// while they are emptied. So every loop over such work ends with the budget, and the next call does the
/// rest.
#[derive(Debug)]
pub struct Budget {
    /// Units left for this call.
    left: u32,
    /// Units left for all calls, until more have come back.
    stock: u32,
    /// When units last came back; without meaning while the stock is full.
    since: Option<Instant>,
    undone: bool,
    /// Work was left undone for want of memory.
    short_of_memory: bool,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget { left: CALL_UNITS, stock: CALL_UNITS, since: None, undone: false, short_of_memory: false }
    }
}

impl Budget {
    /// Begins a call, with `most` units. `now` is called only where few units are left.
    #[inline(always)]
    pub fn begin(&mut self, most: u32, now: impl FnOnce() -> Instant) {
        self.left = most.min(self.stock);
        if self.stock < AMPLE_UNITS {
            self.begin_short(most, now());
        }
    }

    /// As `begin`, where most of the units used by earlier calls have not come back yet.
    #[cold]
    #[inline(never)]
    fn begin_short(&mut self, most: u32, now: Instant) {
        self.refill(now);
        self.left = most.min(self.stock).max(MIN_CALL_UNITS);
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

    /// Whether a piece of work may be done now; its cost is [spent](Budget::spend) afterwards. `false`: the
    /// work is noted as undone.
    #[inline]
    pub fn allows(&mut self) -> bool {
        self.undone |= self.left == 0;
        self.left > 0
    }

    /// Subtracts the cost of work done. The last piece may cost more than was left.
    #[inline]
    pub fn spend(&mut self, units: u32) {
        self.left = self.left.saturating_sub(units);
        self.stock = self.stock.saturating_sub(units);
    }

    /// Notes that work was found and left for the next call.
    pub fn leave_undone(&mut self) {
        self.undone = true;
    }

    /// As [`leave_undone`](Budget::leave_undone), where there was no memory to do the work.
    pub fn leave_for_want_of_memory(&mut self) {
        self.undone = true;
        self.short_of_memory = true;
    }

    /// Whether work was left for want of memory since the last call of this.
    pub fn take_short_of_memory(&mut self) -> bool {
        std::mem::take(&mut self.short_of_memory)
    }

    #[inline(always)]
    pub fn is_anything_undone(&self) -> bool {
        self.undone
    }

    /// Whether work was left undone since the last call of this.
    pub fn take_undone(&mut self) -> bool {
        std::mem::take(&mut self.undone)
    }
}

/// Units for taking a frame of `bytes` out of a pipe whose high-water mark is `hwm` messages (0 or less:
/// none).
pub fn frame_units(bytes: usize, hwm: i32) -> u32 {
    let weight = u32::try_from(bytes / UNIT_BYTES).unwrap_or(u32::MAX);
    // Credit is granted in halves of the mark.
    let grants =
        u32::try_from(hwm).ok().filter(|&hwm| hwm > 0).map_or(0, |hwm| GRANT_UNITS / hwm.div_ceil(2));
    weight.saturating_add(1 + grants)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn work_ends_with_the_budget_and_the_rest_is_remembered() {
        let mut budget = Budget::default();
        budget.begin(30, || unreachable!("nothing was used up"));
        let mut done = 0;
        while budget.allows() {
            budget.spend(20);
            done += 1;
        }
        assert_eq!(done, 2);
        assert!(budget.is_anything_undone() && budget.take_undone());
        assert!(!budget.take_undone(), "reported once");
        budget.begin(1, Instant::now);
        assert!(budget.allows() && !budget.take_undone());
    }

    #[test]
    fn consecutive_calls_share_the_units_that_come_back() {
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
            assert_eq!(use_up(now), MIN_CALL_UNITS);
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
        assert!(used >= UNITS_PER_MS * 9, "{used}: no time is lost between refills");
        assert!(now > begun);
        assert_eq!(use_up(now + Duration::from_secs(3600)), CALL_UNITS, "the stock has a limit");
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
