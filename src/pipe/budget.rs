//! How much the peers of a socket may have it do in one call.

/// Units for a call that sends, receives or sets something. A unit is about what it takes to read a small frame and to look a
/// topic up, some 100 to 400 ns, so a call is over after a few milliseconds.
pub const CALL_UNITS: u32 = 8 * 1024;
/// Units for a look at what a socket has: who waits for many sockets looks at all of them before it comes back to the first.
pub const LOOK_UNITS: u32 = 1024;

/// So many bytes of a frame cost as much as a frame more.
const UNIT_BYTES: usize = 1024;
/// What it costs to give credit: the stream is asked for more, with a system call.
const GRANT_UNITS: u32 = 16;

/// The work that is left to one call of what peers cause and the program never sees: messages that are dropped, wishes of
/// subscribers that are noted, what has to be forgotten of those that have gone. A peer that pours can cause any amount of it, and
/// pipes fill up again while they are emptied, so every loop over it ends with the budget. What is left is for the next call.
#[derive(Debug, Default)]
pub struct Budget {
    left: u32,
    undone: bool,
}

impl Budget {
    /// Another call begins.
    #[inline(always)]
    pub fn begin(&mut self, units: u32) {
        self.left = units;
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

    #[test]
    fn work_ends_with_the_budget_and_what_is_left_is_remembered() {
        let mut budget = Budget::default();
        budget.begin(3);
        let mut done = 0;
        while budget.allows() {
            budget.spend(2);
            done += 1;
        }
        assert_eq!(done, 2);
        assert!(budget.is_anything_undone() && budget.take_undone());
        assert!(!budget.take_undone(), "told once");
        budget.begin(1);
        assert!(budget.allows() && !budget.take_undone());
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
