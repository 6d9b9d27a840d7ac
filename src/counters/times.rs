//! A histogram of how long handshakes took.
#![forbid(unsafe_code)]

use super::cells::{Cell, add_shared, value};
use super::rows::{HANDSHAKE_CLASSES_NS, Row, Unit};
use std::mem::offset_of;

/// A class for each of [`HANDSHAKE_CLASSES_NS`], and one for what is above.
pub const HANDSHAKE_CLASSES: usize = HANDSHAKE_CLASSES_NS.len() + 1;

/// Handshakes by their times, and the sum of these in nanoseconds. Any thread adds to it.
#[derive(Debug)]
#[repr(C)]
pub struct Times {
    classes: [Cell; HANDSHAKE_CLASSES],
    sum: Cell,
}

/// Their values at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeCounts {
    /// How many handshakes took how long, by class.
    pub classes: [u64; HANDSHAKE_CLASSES],
    /// In nanoseconds.
    pub sum: u64,
}

impl Default for Times {
    fn default() -> Times {
        Times { classes: std::array::from_fn(|_| Cell::new(0)), sum: Cell::new(0) }
    }
}

impl Times {
    /// What lies where, in a record that has them at `offset`.
    pub fn rows(name: &str, offset: usize, help: [&str; 2]) -> Vec<Row> {
        let [of_classes, of_sum] = help;
        let ends = HANDSHAKE_CLASSES_NS.iter().map(u64::to_string).chain(["+Inf".to_string()]);
        let class = |(index, end)| {
            let at = offset + offset_of!(Times, classes) + index * size_of::<Cell>();
            Row::new(name, at, Unit::Nanoseconds, &format!("bucket {end}"), of_classes)
        };
        let mut rows: Vec<Row> = ends.enumerate().map(class).collect();
        let (sum, at) = (format!("{name}_sum"), offset + offset_of!(Times, sum));
        rows.push(Row::new(&sum, at, Unit::Nanoseconds, "counter", of_sum));
        rows
    }

    /// One more, which took this time. Any thread may say so.
    pub fn add(&self, nanoseconds: u64) {
        let class = HANDSHAKE_CLASSES_NS.partition_point(|end| *end < nanoseconds);
        if let Some(cell) = self.classes.get(class) {
            add_shared(cell, 1);
        }
        add_shared(&self.sum, nanoseconds);
    }

    /// All of another's, which has ended.
    pub fn add_all(&self, ended: &Times) {
        for (cell, ended) in self.classes.iter().zip(&ended.classes) {
            add_shared(cell, value(ended));
        }
        add_shared(&self.sum, value(&ended.sum));
    }

    pub fn counts(&self) -> TimeCounts {
        TimeCounts { classes: self.classes.each_ref().map(value), sum: value(&self.sum) }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn handshakes_are_counted_in_their_class() {
        let (times, all) = (Times::default(), Times::default());
        for took in [0, 500_000, 500_001, 4_999_999_999, 5_000_000_001, u64::MAX >> 1] {
            times.add(took);
        }
        let classes = [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2];
        assert_eq!(times.counts().classes, classes);
        all.add_all(&times);
        all.add_all(&times);
        assert_eq!(all.counts().classes, classes.map(|count| 2 * count));
        assert_eq!(all.counts().sum, times.counts().sum.wrapping_mul(2));
    }
}
