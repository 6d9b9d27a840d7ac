//! All high-water-mark logic: messages (not frames) that a lane may hold, counted as libzmq counts them.
//!
//! The writer may be ahead of the reader by `hwm` messages. The reader grants credit back in batches of half of that. So a writer
//! that has stopped resumes with room for more than one message.

use crate::counters::LaneRecord;
use crate::queue::shim::{Ordering, edge};

/// The writer's count.
#[derive(Debug)]
pub struct Spending {
    lane: LaneRecord,
    /// Messages known to be read when the mark last changed.
    floor: u64,
    /// Messages that may be written in all, as of the last look for credit. While the mark stays, no further look is needed before. 0
    /// where that is not known.
    limit: u64,
}

/// The reader's count.
#[derive(Debug)]
pub struct Granting {
    lane: LaneRecord,
    told: u64,
    /// The mark, and the count of messages read before which there is nothing to grant under it: spares a division for each
    /// message.
    nothing_before: (u64, u64),
}

/// A fresh account with this high-water mark in messages; 0 or less: no limit.
pub fn account(hwm: i32) -> (Spending, Granting) {
    let lane = LaneRecord::new(cell_of(hwm));
    (Spending { lane: lane.clone(), floor: 0, limit: 0 }, Granting { lane, told: 0, nothing_before: (0, 0) })
}

/// The mark as the record has it: 0 for none.
fn cell_of(hwm: i32) -> u64 {
    u64::try_from(hwm).unwrap_or(0)
}

/// As the program has it.
fn in_messages(cell: u64) -> i32 {
    i32::try_from(cell).unwrap_or(i32::MAX)
}

/// The marks of an end, in messages; 0 or less: none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    pub send: i32,
    pub receive: i32,
}

impl Marks {
    /// The marks of the end whose owner has set these, where the owner of the other end may have set some as well.
    pub fn with_those_of(self, other: Option<Marks>) -> Marks {
        match other {
            Some(other) => {
                Marks { send: sum(self.send, other.receive), receive: sum(self.receive, other.send) }
            }
            None => self,
        }
    }
}

/// The mark of a pipe that both of its owners limit: the sum, and no limit where either has none.
pub fn sum(one: i32, other: i32) -> i32 {
    if one <= 0 || other <= 0 { 0 } else { one.saturating_add(other) }
}

impl Spending {
    /// The record of the lane.
    #[inline(always)]
    pub fn record(&self) -> &LaneRecord {
        &self.lane
    }

    #[inline(always)]
    fn hwm(&self) -> u64 {
        self.lane.hwm.load(Ordering::Relaxed)
    }

    /// Whether a message may be written, with no other effect.
    #[inline(always)]
    pub fn has_credit(&self) -> bool {
        let hwm = self.hwm();
        hwm == 0 || self.ahead() < hwm
    }

    /// As [`has_credit`](Spending::has_credit), by what was found last: `false` says nothing. It does not look at the mark: where the
    /// other owner changes that, this one has to [forget the limit](Spending::forget_limit).
    #[inline(always)]
    pub fn within_limit(&self) -> bool {
        self.written() < self.limit
    }

    /// The next message needs a look for credit.
    pub fn forget_limit(&mut self) {
        self.limit = 0;
    }

    /// How many messages may be written.
    #[inline]
    pub fn credit(&self) -> u64 {
        match self.hwm() {
            0 => u64::MAX,
            hwm => hwm.saturating_sub(self.ahead()),
        }
    }

    /// As [`has_credit`](Spending::has_credit); `false` leaves the writer waiting for [`Granting::read`] to answer
    /// `true`.
    #[inline(always)]
    pub fn check(&mut self) -> bool {
        let hwm = self.hwm();
        if self.written() >= self.limit {
            self.note_depth();
        }
        let credit = self.credit();
        self.limit = self.written().saturating_add(credit);
        if credit > 0 {
            return true;
        }
        self.lane.note_depth_written(hwm);
        self.lane.waiting.swap(1, Ordering::AcqRel);
        // Dekker: our flag before their count, as the reader has its count before our flag.
        edge::dekker();
        if !self.has_credit() {
            return false;
        }
        self.lane.waiting.swap(0, Ordering::AcqRel);
        true
    }

    /// Takes note of how many messages wait. It reads a line that the reader writes, so no writer does it for each message.
    #[cold]
    pub fn note_depth(&self) {
        self.lane.note_depth_written(self.lane.depth());
    }

    /// Counts messages as written.
    #[inline(always)]
    pub fn wrote(&mut self, messages: u64) {
        self.lane.wrote(messages);
    }

    /// How many messages were written in all.
    #[inline(always)]
    pub fn written(&self) -> u64 {
        self.lane.written.load(Ordering::Relaxed)
    }

    /// How many messages the writer is ahead by, as far as it has been told.
    #[inline(always)]
    pub fn ahead(&self) -> u64 {
        self.written().wrapping_sub(self.lane.granted.load(Ordering::Acquire).max(self.floor))
    }

    /// As [`ahead`](Spending::ahead), and exactly where there is no mark and the writer is never told.
    pub fn queued(&self) -> u64 {
        if self.hwm() > 0 { self.ahead() } else { self.lane.depth() }
    }

    /// Sets the mark in messages; 0 or less: none. The reader's owner is to be told, and has it [heeded](Granting::heed_mark): what the
    /// reader has read by the old mark meanwhile it would never grant otherwise, where nothing is left to read.
    pub fn set_hwm(&mut self, hwm: i32) {
        self.lane.hwm.store(cell_of(hwm), Ordering::Relaxed);
        self.floor = self.lane.read.load(Ordering::Relaxed);
        self.forget_limit();
    }

    /// Whether the writer has waited for the reader to answer `true`, and has credit without that: by another mark. It waits no more then.
    pub fn resumes(&mut self) -> bool {
        // The side that takes the flag has the writer go on. Where there is no credit the check sets it again.
        self.lane.waiting.load(Ordering::Relaxed) != 0
            && self.lane.waiting.swap(0, Ordering::AcqRel) != 0
            && self.check()
    }

    /// The mark in messages; 0: none.
    pub fn mark(&self) -> i32 {
        in_messages(self.hwm())
    }
}

impl Granting {
    /// The record of the lane.
    #[inline(always)]
    pub fn record(&self) -> &LaneRecord {
        &self.lane
    }

    #[inline(always)]
    fn count(&self, messages: u64) -> u64 {
        let read = self.lane.read.load(Ordering::Relaxed).wrapping_add(messages);
        self.lane.read.store(read, Ordering::Relaxed);
        read
    }

    /// Counts messages as read. `true`: the writer waits and must be told by the caller.
    #[inline(always)]
    pub fn read(&mut self, messages: u64) -> bool {
        let read = self.count(messages);
        let hwm = self.lane.hwm.load(Ordering::Relaxed);
        if self.nothing_before.0 == hwm && read < self.nothing_before.1 {
            return false;
        }
        self.grant_batches(hwm, read)
    }

    /// As [`read`](Granting::read) of one message, unless there may be something to grant then: `false`, and it is not counted. It does
    /// not look at the mark: where the other owner changes that, this one has to [heed it](Granting::heed_mark).
    #[inline(always)]
    pub fn read_within_batch(&mut self) -> bool {
        let read = self.lane.read.load(Ordering::Relaxed).wrapping_add(1);
        if read >= self.nothing_before.1 {
            return false;
        }
        self.lane.read.store(read, Ordering::Relaxed);
        true
    }

    /// The writer's owner may have set another mark: the next message needs a look at it. `true`: the writer waits and must be told by the
    /// caller. Messages read [within the batch](Granting::read_within_batch) of the old mark are granted, as it may wait for these.
    pub fn heed_mark(&mut self) -> bool {
        self.forget_batch();
        self.grant(self.lane.read.load(Ordering::Relaxed))
    }

    fn forget_batch(&mut self) {
        self.nothing_before = (0, 0);
    }

    /// How many messages were read in all.
    pub fn messages_read(&self) -> u64 {
        self.lane.read.load(Ordering::Relaxed)
    }

    fn grant_batches(&mut self, hwm: u64, read: u64) -> bool {
        if hwm == 0 {
            self.nothing_before = (0, u64::MAX);
            return false;
        }
        let batch = hwm.div_ceil(2);
        // Whole batches, as libzmq grants them: a reader that takes many messages at once gives no more.
        let due = read - read % batch;
        self.nothing_before = (hwm, due.saturating_add(batch));
        due > self.told && self.grant(due)
    }

    fn grant(&mut self, due: u64) -> bool {
        self.told = due;
        self.lane.granted.store(due, Ordering::Release);
        edge::dekker();
        self.lane.waiting.load(Ordering::Relaxed) != 0 && self.lane.waiting.swap(0, Ordering::AcqRel) != 0
    }

    /// The mark in messages; 0: none.
    pub fn hwm(&self) -> i32 {
        in_messages(self.lane.hwm.load(Ordering::Relaxed))
    }

    /// Sets the mark in messages; 0 or less: none. The caller [heeds it](Granting::heed_mark) afterwards.
    pub fn set_hwm(&mut self, hwm: i32) {
        self.lane.hwm.store(cell_of(hwm), Ordering::Relaxed);
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
        granting.set_hwm(90);
        assert!(granting.heed_mark(), "the writer waits and is to be told");
        assert!(spending.check());
    }

    #[test]
    fn what_is_read_by_the_mark_before_gives_credit() {
        let (mut spending, mut granting) = account(1000);
        assert!(!granting.read(0));
        spending.wrote(3);
        spending.set_hwm(2);
        assert!((0..3).all(|_| granting.read_within_batch()), "the reader has not heard of it");
        assert!(!spending.check());
        assert!(granting.heed_mark(), "the writer waits and is to be told");
        assert!(spending.check());
        spending.wrote(2);
        assert!(!spending.check());
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
    use std::sync::Arc;

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

#[cfg(all(test, loom))]
mod loom_mark_tests {
    use super::*;
    use crate::queue::shim::AtomicBool;
    use loom::sync::Notify;
    use std::sync::Arc;

    /// The number for [`edge::WEAKENED`] of a reader whose owner does not heed another mark.
    const HEEDLESS: u8 = 8;

    /// How an owner hears of what the other side has done, and not of what loom makes up.
    pub struct News {
        is_new: AtomicBool,
        wake: Notify,
    }

    impl News {
        pub fn new() -> News {
            News { is_new: AtomicBool::new(false), wake: Notify::new() }
        }

        pub fn tell(&self) {
            self.is_new.store(true, Ordering::Release);
            self.wake.notify();
        }

        pub fn wait(&self) {
            while !self.is_new.load(Ordering::Acquire) {
                self.wake.wait();
            }
        }
    }

    /// A writer sets a lower mark while the reader takes all there is. Loom says so if the writer sleeps on.
    fn model() {
        let heeds = edge::WEAKENED.load(Ordering::Relaxed) != HEEDLESS;
        let mut model = loom::model::Builder::new();
        // Two find each of the faults below. Without a bound it takes minutes.
        model.preemption_bound = Some(2);
        model.check(move || {
            let (mut spending, mut granting) = account(1000);
            let (credit, news) = (Arc::new(Notify::new()), Arc::new(News::new()));
            let (their_credit, their_news) = (Arc::clone(&credit), Arc::clone(&news));
            spending.wrote(3);
            let reader = loom::thread::spawn(move || {
                let tell = |waits: bool| {
                    if waits {
                        their_credit.notify();
                    }
                };
                tell(granting.read(3));
                if heeds {
                    their_news.wait();
                    tell(granting.heed_mark());
                }
            });
            spending.set_hwm(2);
            news.tell();
            while !spending.check() {
                credit.wait();
            }
            assert!(reader.join().is_ok());
        });
    }

    crate::queue::shim::twin_with_weakened_edge!(model);

    #[test]
    fn loom_writer_that_lowers_the_mark_is_told_of_what_was_read_meanwhile() {
        model();
    }

    #[test]
    fn loom_passes_a_lower_mark_with_nothing_weakened() {
        assert!(!fails("0"));
    }

    #[test]
    fn loom_catches_a_reader_that_does_not_heed_a_lower_mark() {
        assert!(fails("8"));
    }

    #[test]
    fn loom_catches_a_lower_mark_without_the_fences() {
        assert!(fails("3"));
    }
}

#[cfg(all(test, loom))]
mod loom_resume_tests {
    use super::loom_mark_tests::News;
    use super::*;
    use std::sync::Arc;

    /// A writer that has stopped gets another mark while the reader reads. It looks once and then waits to be told. Loom says so if it
    /// has credit and sleeps on.
    fn model() {
        loom::model(|| {
            let (mut spending, mut granting) = account(2);
            let told = Arc::new(News::new());
            let theirs = Arc::clone(&told);
            spending.wrote(2);
            assert!(!spending.check());
            let reader = loom::thread::spawn(move || {
                if granting.read(2) {
                    theirs.tell();
                }
            });
            spending.set_hwm(1);
            if !spending.resumes() {
                told.wait();
            }
            assert!(spending.check());
            assert!(reader.join().is_ok());
        });
    }

    crate::queue::shim::twin_with_weakened_edge!(model);

    #[test]
    fn loom_writer_with_another_mark_resumes_or_is_told() {
        model();
    }

    #[test]
    fn loom_passes_a_writer_that_resumes_with_nothing_weakened() {
        assert!(!fails("0"));
    }

    #[test]
    fn loom_catches_a_writer_that_is_neither_resumed_nor_told() {
        assert!(fails("3"));
    }
}
