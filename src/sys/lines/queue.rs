//! The lines that wait to be written: a bound on their bytes, and a count of those that did not fit.
//!
//! Laws: lines leave whole and in the order in which they came. Once one did not fit, none is kept until all are taken: so the gap
//! has one place, behind all that leaves with it. A line is never both kept and counted.

/// A plain value; [`LineWriter`](super::LineWriter) keeps it under a lock that is never held over a system call.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// Whole lines, each with its newline.
    pub lines: Vec<u8>,
    /// How many more would have come behind them.
    pub lost: u64,
}

impl Queue {
    /// Keeps the line, or counts it where more than `most` bytes would wait, or there is no memory.
    pub fn push(&mut self, line: &str, most: usize) {
        let bytes = line.len() + 1;
        let fits = self.lost == 0 && self.lines.len() + bytes <= most;
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

    /// Puts what was taken before all that has come since.
    pub fn put_back(&mut self, taken: Queue) {
        let since = std::mem::replace(self, taken);
        // Behind a gap nothing is kept, nor where there is no memory.
        if self.lost == 0 && self.lines.try_reserve(since.lines.len()).is_ok() {
            self.lines.extend_from_slice(&since.lines);
            self.lost = since.lost;
        } else {
            let lines = since.lines.iter().filter(|byte| **byte == b'\n').count();
            self.lost = self.lost.saturating_add(since.lost).saturating_add(lines as u64);
        }
    }

    /// All that waits. The queue is empty then.
    pub fn take(&mut self) -> Queue {
        std::mem::take(self)
    }
}

/// The whole lines at the beginning, of at most `most` bytes. Where none is longer than that, there is one.
pub fn whole_lines(lines: &[u8], most: usize) -> &[u8] {
    let piece = lines.get(..most).unwrap_or(lines);
    let end = piece.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    piece.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 1 << 10;

    #[test]
    fn lines_leave_in_order_and_what_did_not_fit_is_counted_behind_them() {
        let mut queue = Queue::default();
        assert!(queue.is_empty());
        let line = |number: usize| format!("{number:0127}");
        let fit = MOST / 128;
        (0..fit + 3).for_each(|number| queue.push(&line(number), MOST));
        // It would fit, and is not to overtake those.
        queue.push("", MOST);
        let taken = queue.take();
        let expected: String = (0..fit).map(|number| line(number) + "\n").collect();
        assert!(taken.lines == expected.as_bytes());
        assert_eq!((taken.lost, taken.is_empty(), queue.is_empty()), (4, false, true));
        queue.push("later", MOST);
        assert_eq!(queue.take(), Queue { lines: b"later\n".to_vec(), lost: 0 });
    }

    #[test]
    fn whole_lines_end_at_their_last_end() {
        for (lines, most, whole) in
            [("a\nb\n", 9, "a\nb\n"), ("a\nb\n", 3, "a\n"), ("a\nb", 9, "a\n"), ("ab", 9, ""), ("", 9, "")]
        {
            assert_eq!(whole_lines(lines.as_bytes(), most), whole.as_bytes());
        }
    }
}
