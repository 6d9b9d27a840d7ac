//! All high-water-mark logic: messages (not frames) that a lane may hold, counted as libzmq counts them.
//!
//! The writer may be ahead of the reader by `hwm` messages. The reader grants credit back in batches of half of that. So a writer
//! that has stopped resumes with room for more than one message.

use crate::queue::shim::{AtomicBool, AtomicI32, AtomicU64, Ordering, edge};
use crossbeam::utils::CachePadded;
use std::sync::Arc;

/// What both sides of a lane share.
#[derive(Debug)]
struct Credit {
    /// Messages read so far, told in batches. The reader writes (Release), the writer reads (Acquire).
    granted: AtomicU64,
    /// The writer has run out and waits. Written by both; the edge is made by the fences around it.
    waiting: AtomicBool,
    /// The high-water mark; 0 or less: none. Either owner writes it when an option changes, both read it; a late
    /// read does no harm, so Relaxed.
    hwm: AtomicI32,
    /// Messages read so far, exactly. The reader writes it. The writer reads it when the mark changes, for credit of messages
    /// read under the old mark might otherwise never be granted. The writer also reads it to count the messages that are left. A
    /// count alone, so Relaxed. In a cache line of its own: it changes with every message, and the writer looks at the others
    /// with every message.
    read: CachePadded<AtomicU64>,
}

/// The writer's count.
#[derive(Debug)]
pub struct Spending {
    credit: Arc<Credit>,
    written: u64,
    /// Messages known to be read when the mark last changed.
    floor: u64,
    /// Messages that may be written in all, as of the last look for credit, and the mark at that look. While the mark stays, no
    /// further look is needed before. 0 where that is not known.
    limit: (u64, i32),
}

/// The reader's count.
#[derive(Debug)]
pub struct Granting {
    credit: Arc<Credit>,
    read: u64,
    told: u64,
    /// The mark, and the count of messages read before which there is nothing to grant under it: spares a division for each
    /// message.
    nothing_before: (i32, u64),
}

/// A fresh account with this high-water mark in messages; 0 or less: no limit.
pub fn account(hwm: i32) -> (Spending, Granting) {
    let credit = Arc::new(Credit {
        granted: AtomicU64::new(0),
        waiting: AtomicBool::new(false),
        hwm: AtomicI32::new(hwm),
        read: CachePadded::new(AtomicU64::new(0)),
    });
    (
        Spending { credit: Arc::clone(&credit), written: 0, floor: 0, limit: (0, 0) },
        Granting { credit, read: 0, told: 0, nothing_before: (0, 0) },
    )
}

/// The mark of a pipe that both of its owners limit: the sum, and no limit where either has none.
pub fn sum(one: i32, other: i32) -> i32 {
    if one <= 0 || other <= 0 { 0 } else { one.saturating_add(other) }
}

impl Spending {
    /// Whether a message may be written, with no other effect.
    #[inline(always)]
    pub fn has_credit(&self) -> bool {
        let hwm = self.credit.hwm.load(Ordering::Relaxed);
        hwm <= 0 || self.ahead() < u64::from(hwm.unsigned_abs())
    }

    /// As [`has_credit`](Spending::has_credit), by what was found last: `false` says nothing.
    #[inline(always)]
    pub fn within_limit(&self) -> bool {
        let (limit, hwm) = self.limit;
        self.written < limit && self.credit.hwm.load(Ordering::Relaxed) == hwm
    }

    /// How many messages may be written.
    #[inline]
    pub fn credit(&self) -> u64 {
        match u64::try_from(self.credit.hwm.load(Ordering::Relaxed)) {
            Ok(hwm) if hwm > 0 => hwm.saturating_sub(self.ahead()),
            _ => u64::MAX,
        }
    }

    /// As [`has_credit`](Spending::has_credit); `false` leaves the writer waiting for [`Granting::read`] to answer
    /// `true`.
    #[inline(always)]
    pub fn check(&mut self) -> bool {
        let hwm = self.credit.hwm.load(Ordering::Relaxed);
        let credit = self.credit();
        self.limit = (self.written.saturating_add(credit), hwm);
        if credit > 0 {
            return true;
        }
        self.credit.waiting.swap(true, Ordering::AcqRel);
        // Dekker: our flag before their count, as the reader has its count before our flag.
        edge::dekker();
        if !self.has_credit() {
            return false;
        }
        self.credit.waiting.swap(false, Ordering::AcqRel);
        true
    }

    /// Counts messages as written.
    #[inline(always)]
    pub fn wrote(&mut self, messages: u64) {
        self.written = self.written.wrapping_add(messages);
    }

    /// How many messages were written in all.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// How many messages the writer is ahead by, as far as it has been told.
    #[inline(always)]
    pub fn ahead(&self) -> u64 {
        self.written.wrapping_sub(self.credit.granted.load(Ordering::Acquire).max(self.floor))
    }

    /// As [`ahead`](Spending::ahead), and exactly where there is no mark and the writer is never told.
    pub fn queued(&self) -> u64 {
        if self.credit.hwm.load(Ordering::Relaxed) > 0 {
            return self.ahead();
        }
        self.written.wrapping_sub(self.credit.read.load(Ordering::Relaxed))
    }

    /// Sets the mark in messages; 0 or less: none.
    pub fn set_hwm(&mut self, hwm: i32) {
        self.credit.hwm.store(hwm, Ordering::Relaxed);
        self.floor = self.credit.read.load(Ordering::Relaxed);
        self.limit = (0, 0);
    }
}

impl Granting {
    /// Counts messages as read. `true`: the writer waits and must be told by the caller.
    #[inline(always)]
    pub fn read(&mut self, messages: u64) -> bool {
        self.read = self.read.wrapping_add(messages);
        self.credit.read.store(self.read, Ordering::Relaxed);
        let hwm = self.credit.hwm.load(Ordering::Relaxed);
        if hwm <= 0 || (self.nothing_before.0 == hwm && self.read < self.nothing_before.1) {
            return false;
        }
        self.grant_batches(hwm)
    }

    /// As [`read`](Granting::read) of one message, unless there may be something to grant then: `false`, and it is not counted.
    #[inline(always)]
    pub fn read_within_batch(&mut self) -> bool {
        let hwm = self.credit.hwm.load(Ordering::Relaxed);
        let read = self.read.wrapping_add(1);
        if hwm > 0 && (self.nothing_before.0 != hwm || read >= self.nothing_before.1) {
            return false;
        }
        self.read = read;
        self.credit.read.store(read, Ordering::Relaxed);
        true
    }

    fn grant_batches(&mut self, hwm: i32) -> bool {
        let batch = u64::from(hwm.unsigned_abs()).div_ceil(2);
        // Whole batches, as libzmq grants them: a reader that takes many messages at once gives no more.
        let due = self.read - self.read % batch;
        self.nothing_before = (hwm, due.saturating_add(batch));
        due > self.told && self.grant(due)
    }

    fn grant(&mut self, due: u64) -> bool {
        self.told = due;
        self.credit.granted.store(due, Ordering::Release);
        edge::dekker();
        self.credit.waiting.load(Ordering::Relaxed) && self.credit.waiting.swap(false, Ordering::AcqRel)
    }

    /// The mark in messages; 0 or less: none.
    pub fn hwm(&self) -> i32 {
        self.credit.hwm.load(Ordering::Relaxed)
    }

    /// Sets the mark in messages; 0 or less: none. `true`: the writer waits and must be told by the caller.
    pub fn set_hwm(&mut self, hwm: i32) -> bool {
        self.credit.hwm.store(hwm, Ordering::Relaxed);
        self.grant(self.read)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn credit_comes_back_in_halves() {
        let (mut spending, mut granting) = account(4);
        for _ in 0..4 {
            assert!(spending.check());
            spending.wrote(1);
        }
        assert!(!spending.check());
        assert!(!granting.read(1));
        assert!(!spending.has_credit());
        assert!(granting.read(1), "the writer waits and is to be told");
        assert!(spending.check());
        assert_eq!(spending.ahead(), 2);
    }

    #[test]
    fn a_mark_of_one_works_in_lock_step() {
        let (mut spending, mut granting) = account(1);
        for _ in 0..3 {
            assert!(spending.check());
            spending.wrote(1);
            assert!(!spending.check());
            assert!(granting.read(1));
        }
    }

    #[test]
    fn a_smaller_mark_does_not_strand_what_was_read() {
        let (mut spending, mut granting) = account(1000);
        spending.wrote(400);
        granting.read(400);
        spending.set_hwm(100);
        assert!(spending.check());
        let (mut spending, mut granting) = account(100);
        spending.wrote(100);
        assert!(!spending.check());
        assert!(!granting.read(20));
        assert!(granting.set_hwm(90), "the writer waits and is to be told");
        assert!(spending.check());
    }

    #[test]
    fn no_mark_no_limit() {
        let (mut spending, _granting) = account(0);
        spending.wrote(1_000_000);
        assert!(spending.check());
        assert_eq!(sum(0, 5), 0);
        assert_eq!(sum(2, 5), 7);
        assert_eq!(sum(i32::MAX, 5), i32::MAX);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use loom::sync::Notify;

    /// A writer that has run out of credit waits while the reader reads. Loom says so if it sleeps on.
    fn model() {
        loom::model(|| {
            let (mut spending, mut granting) = account(1);
            let wake = Arc::new(Notify::new());
            let theirs = Arc::clone(&wake);
            spending.wrote(1);
            let reader = loom::thread::spawn(move || {
                if granting.read(1) {
                    theirs.notify();
                }
            });
            while !spending.check() {
                wake.wait();
            }
            assert!(reader.join().is_ok());
        });
    }

    crate::queue::shim::twin_with_weakened_edge!(model);

    #[test]
    fn loom_writer_without_credit_is_told_of_it() {
        model();
    }

    #[test]
    fn loom_passes_credit_with_nothing_weakened() {
        assert!(!fails("0"));
    }

    #[test]
    fn loom_catches_a_writer_that_waits_for_credit_it_has() {
        assert!(fails("3"));
    }
}
