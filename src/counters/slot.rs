//! How a slot is shown to readers that take no lock, and taken from them.
//!
//! A slot's state is 0, or the number of the record in it. A number is never used again. The owner takes the record out of sight before
//! it changes what no reader is to mix: the numbers of one record with those of the next.
//!
//! A reader loads the state, copies the record and loads the state again. If both are the same number, the copy is of that record.
#![forbid(unsafe_code)]

use crate::queue::shim::{AtomicU64, Ordering, edge};

/// Shows a record that has been filled in.
pub fn show(state: &AtomicU64, number: u64) {
    state.store(number, edge::SHOW());
}

/// Takes a record out of sight. What the owner stores from here on is no part of it.
pub fn withdraw(state: &AtomicU64) {
    state.store(0, Ordering::Relaxed);
    edge::withdraw();
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::queue::shim::fence;
    use loom::sync::Arc;

    /// A copy of what a slot shows, as the tool takes it from outside. `None`: nothing, or it changed meanwhile.
    fn read(state: &AtomicU64, cell: &AtomicU64) -> Option<(u64, u64)> {
        let before = state.load(Ordering::Acquire);
        let copy = cell.load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        (before != 0 && state.load(Ordering::Relaxed) == before).then_some((before, copy))
    }

    /// A slot goes from record 1 to record 2, each of which has its own number in its cell.
    fn model() {
        loom::model(|| {
            let slot = Arc::new((AtomicU64::new(0), AtomicU64::new(1)));
            show(&slot.0, 1);
            let theirs = Arc::clone(&slot);
            let owner = loom::thread::spawn(move || {
                let (state, cell) = &*theirs;
                withdraw(state);
                cell.store(2, Ordering::Relaxed);
                show(state, 2);
            });
            if let Some((number, copy)) = read(&slot.0, &slot.1) {
                assert_eq!(number, copy);
            }
            assert!(owner.join().is_ok());
        });
    }

    crate::queue::shim::twin_with_weakened_edge!(model);

    #[test]
    fn loom_a_copy_is_of_one_record() {
        model();
    }

    #[test]
    fn loom_passes_a_slot_with_nothing_weakened() {
        assert!(!fails("0"));
    }

    #[test]
    fn loom_catches_a_record_that_shows_before_it_is_filled_in() {
        assert!(fails("6"));
    }

    #[test]
    fn loom_catches_a_slot_that_changes_before_it_is_withdrawn() {
        assert!(fails("7"));
    }
}
