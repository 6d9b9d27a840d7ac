//! The lines that wait to be written: a bound on their bytes, and a count of those that did not fit.
//!
//! Laws: lines leave whole and in the order in which they came. Once one did not fit, none is kept until all are taken: so the gap
//! has one place, behind all that leaves with it. A line is never both kept and counted.

/// Bytes that wait at most: some 2,500 lines.
pub const MAX_QUEUED_BYTES: usize = 1 << 20;

/// A plain value; [`writer`](super::writer) keeps it under a lock that is never held over a system call.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// Whole lines, each with its newline.
    pub lines: Vec<u8>,
    /// How many more would have come behind them.
    pub lost: u64,
}

impl Queue {
    /// Keeps the line, or counts it where there is no room or no memory.
    pub fn push(&mut self, line: &str) {
        let bytes = line.len() + 1;
        let fits = self.lost == 0 && self.lines.len() + bytes <= MAX_QUEUED_BYTES;
        if fits && self.lines.try_reserve(bytes).is_ok() {
            self.lines.extend_from_slice(line.as_bytes());
            self.lines.push(b'\n');
        } else {
            self.lost = self.lost.saturating_add(1);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.lost == 0
    }

    /// All that waits. The queue is empty then.
    pub fn take(&mut self) -> Queue {
        std::mem::take(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_leave_in_order_and_what_did_not_fit_is_counted_behind_them() {
        let mut queue = Queue::default();
        assert!(queue.is_empty());
        let line = |number: usize| format!("{number:0127}");
        let fit = MAX_QUEUED_BYTES / 128;
        (0..fit + 3).for_each(|number| queue.push(&line(number)));
        // It would fit, and is not to overtake those.
        queue.push("");
        let taken = queue.take();
        let expected: String = (0..fit).map(|number| line(number) + "\n").collect();
        assert!(taken.lines == expected.as_bytes());
        assert_eq!((taken.lost, taken.is_empty(), queue.is_empty()), (4, false, true));
        queue.push("later");
        assert_eq!(queue.take(), Queue { lines: b"later\n".to_vec(), lost: 0 });
    }
}
