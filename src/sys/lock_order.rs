//! The order in which a thread may take several locks, checked in debug builds.
//!
//! Law: a thread waits for a lock only while every lock that it holds has a lower rank. Then no two threads wait for each other. A lock
//! without a rank is a leaf, or stands outside of the order. To try a lock waits for nothing, so that is allowed in any order.

/// The place of a lock in the order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank(u8);

impl Rank {
    #[cfg(debug_assertions)]
    pub const NONE: Rank = Rank(0);

    /// A place among [`PLACES`], from 1 on.
    pub const fn new(place: u8) -> Rank {
        assert!(place > 0 && (place as usize) < PLACES);
        Rank(place)
    }
}

const PLACES: usize = 8;

#[cfg(debug_assertions)]
mod held {
    use super::{PLACES, Rank};
    use std::cell::Cell;

    thread_local! {
        /// How many locks of each rank the thread holds.
        static HELD: Cell<[u8; PLACES]> = const { Cell::new([0; PLACES]) };
    }

    impl Rank {
        /// The thread is about to wait for a lock of this rank.
        pub fn check(self) {
            let held = HELD.try_with(Cell::get).unwrap_or_default();
            let highest = held.iter().rposition(|count| *count > 0).unwrap_or(0);
            assert!(
                self.0 == 0 || highest < usize::from(self.0),
                "a thread that holds a lock of rank {highest} waits for one of rank {}",
                self.0
            );
        }

        pub fn taken(self) {
            self.count(1);
        }

        pub fn released(self) {
            self.count(-1);
        }

        fn count(self, change: i8) {
            if self.0 == 0 {
                return;
            }
            // A thread that ends has lost its count, and checks nothing any more.
            let _ = HELD.try_with(|held| {
                let mut counts = held.get();
                if let Some(count) = counts.get_mut(usize::from(self.0)) {
                    *count = count.saturating_add_signed(change);
                }
                held.set(counts);
            });
        }
    }
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::*;
    use crate::sys::lock::Lock;

    const LOW: Rank = Rank::new(1);
    const HIGH: Rank = Rank::new(2);

    #[test]
    fn locks_are_taken_upwards_and_tried_in_any_order() {
        let (low, high, leaf) = (Lock::ranked(LOW, ()), Lock::ranked(HIGH, ()), Lock::new(()));
        for _ in 0..2 {
            let held = (low.lock(), high.lock(), leaf.lock());
            assert!(high.try_lock().is_none());
            drop(held);
            let held = high.lock();
            let tried = low.try_lock();
            assert!(tried.is_some());
            drop(held);
            drop(high.lock());
            drop(tried);
        }
    }

    #[test]
    #[should_panic(expected = "a thread that holds a lock of rank 2 waits for one of rank 1")]
    fn thread_that_waits_downwards_is_found_out_though_the_lock_is_free() {
        let (low, high) = (Lock::ranked(LOW, ()), Lock::ranked(HIGH, ()));
        let _held = high.lock();
        drop(low.lock());
    }

    #[test]
    #[should_panic(expected = "a thread that holds a lock of rank 1 waits for one of rank 1")]
    fn thread_that_waits_for_another_lock_of_the_same_rank_is_found_out() {
        let (one, other) = (Lock::ranked(LOW, ()), Lock::ranked(LOW, ()));
        let _held = one.lock();
        drop(other.lock());
    }
}
