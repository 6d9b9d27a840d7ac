//! Receive marks: numbers by which a thread knows whether it has received something since it last looked at a socket.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

/// A thread takes this many marks at a time, so that it nearly always counts alone.
const MARKS_PER_RANGE: u64 = 1 << 20;

thread_local! {
    static MARK: Cell<u64> = const { Cell::new(0) };
}

/// The calling thread's mark. It changes whenever the thread has received something for itself; 0: it never has. No other thread
/// ever has the same one, but for 0.
pub fn receive_mark() -> u64 {
    MARK.get()
}

/// The calling thread has received something for itself: its next mark.
pub(in crate::session) fn note_received() -> u64 {
    /// How many ranges have been taken. Any thread takes one; Relaxed, as the numbers have to differ and nothing else.
    static RANGES: AtomicU64 = AtomicU64::new(0);
    let mark = match next_in_range(MARK.get()) {
        Some(mark) => mark,
        // 2^44 ranges do not run out.
        None => first_of(RANGES.fetch_add(1, Ordering::Relaxed)),
    };
    MARK.set(mark);
    mark
}

/// `None`: the thread has no range yet, or has used it up. A multiple of the range is never a mark, so that 0 is none.
fn next_in_range(mark: u64) -> Option<u64> {
    let next = mark.wrapping_add(1);
    (mark != 0 && !next.is_multiple_of(MARKS_PER_RANGE)).then_some(next)
}

fn first_of(range: u64) -> u64 {
    range.wrapping_mul(MARKS_PER_RANGE).wrapping_add(1)
}

/// The mark that some thread had when it last looked at a socket.
///
/// Any thread that uses the socket writes and reads it. Relaxed, as it orders nothing: only a thread with the mark M ever writes
/// M, so a thread that finds its own mark has looked since it last received. What others have written in between costs it one
/// look.
#[derive(Debug, Default)]
pub(in crate::session) struct MarkCell(AtomicU64);

impl MarkCell {
    pub fn is(&self, mark: u64) -> bool {
        self.0.load(Ordering::Relaxed) == mark
    }

    pub fn set(&self, mark: u64) {
        self.0.store(mark, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn marks_of_threads_differ() {
        let marks = || (0..1000).map(|_| note_received()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(marks)).collect();
        let mut all: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert!(all.iter().all(|mark| *mark != 0));
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 4000);
    }

    #[test]
    fn mark_is_the_threads_until_it_receives_again() {
        std::thread::spawn(|| {
            assert_eq!(receive_mark(), 0);
            let mark = note_received();
            assert_eq!(receive_mark(), mark);
            assert_ne!(note_received(), mark);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn range_ends_before_the_next_one_begins() {
        assert_eq!(next_in_range(0), None);
        assert_eq!(first_of(0), 1);
        assert_eq!(next_in_range(1), Some(2));
        assert_eq!(next_in_range(MARKS_PER_RANGE - 1), None);
        assert_eq!(next_in_range(first_of(1)), Some(MARKS_PER_RANGE + 2));
        assert_eq!(next_in_range(u64::MAX), None);
    }
}
