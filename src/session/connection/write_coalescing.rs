//! How long a session leaves sending to a program that does it itself.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use std::time::Duration;

/// The least time between two looks of the session, in microseconds.
const MIN_LOOK_US: u32 = 100;
/// The most. What the program sends last waits for twice as long.
const MAX_LOOK_US: u32 = 400;
/// Looks that find so many batches are too frequent.
const MANY_BATCHES_PER_LOOK: u32 = 5;

/// A session does not send, and is not woken to, while a thread of the program sends a batch each time that it runs out of credit.
/// The session looks now and then whether that goes on; what the program has left when it does not is the session's.
///
/// The time between looks follows the program: a look between two batches would take half a batch away from it, and wake the
/// peer for that. It begins short, so that a program which sends a little more than its credit and stops does not wait for the
/// rest to leave.
#[derive(Debug, Default)]
pub struct WriteCoalescing {
    /// Batches that the program has sent since the last look. Written by both; a count alone, so Relaxed.
    batches: AtomicU32,
    /// The program has sent a part of a batch that is too large for one turn. A guess whoever of its threads reads or writes it,
    /// so Relaxed.
    large: AtomicBool,
    /// The session looks by itself whether there is something to send, before long. It writes this; a thread of the
    /// program that has published something reads it. The edge is made by fences: whoever publishes later than the session's
    /// last look finds it lowered.
    lasts: AtomicBool,
    /// Time to the next look, in microseconds. The session's alone, so Relaxed.
    length_us: AtomicU32,
}

impl WriteCoalescing {
    /// On a program's thread that has run out of credit and sent what one turn allows: whether that was `all` there was. A batch of more
    /// than a turn does not count: it is in no cache any more when the credit is used up, and an I/O thread that sends meanwhile
    /// is of use.
    pub fn sent(&self, all: bool) {
        let large = self.large.load(Ordering::Relaxed);
        if large == all {
            self.large.store(!all, Ordering::Relaxed);
        }
        if all && !large {
            self.batches.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// On a program's thread that has published something: whether the session will look without being told.
    pub fn lasts(&self) -> bool {
        self.lasts.load(Ordering::Relaxed)
    }

    /// On the I/O thread: whether the session need not send, and is to look again after this time. `None`: it is to send.
    pub fn look(&self) -> Option<Duration> {
        let mut batches = self.batches.load(Ordering::Relaxed);
        if batches > 0 {
            batches = self.batches.swap(0, Ordering::Relaxed);
        }
        let lasted = self.lasts();
        self.set(batches > 0);
        if batches == 0 {
            return None;
        }
        let length_us = match self.length_us.load(Ordering::Relaxed) {
            _ if !lasted => MIN_LOOK_US,
            length_us if batches == 1 => length_us * 2,
            length_us if batches >= MANY_BATCHES_PER_LOOK => length_us / 2,
            length_us => length_us,
        };
        let length_us = length_us.clamp(MIN_LOOK_US, MAX_LOOK_US);
        self.length_us.store(length_us, Ordering::Relaxed);
        Some(Duration::from_micros(u64::from(length_us)))
    }

    fn set(&self, lasts: bool) {
        if lasts != self.lasts() {
            self.lasts.store(lasts, Ordering::Relaxed);
            // Dekker: the flag before we look for something to send, as the program publishes before it looks at the
            // flag.
            fence(Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look_after(nap: &WriteCoalescing, batches: u32) -> Option<u32> {
        (0..batches).for_each(|_| nap.sent(true));
        nap.look().map(|length| length.subsec_micros())
    }

    #[test]
    fn looks_are_as_rare_as_the_programs_batches() {
        let nap = WriteCoalescing::default();
        assert_eq!(look_after(&nap, 0), None);
        assert_eq!(look_after(&nap, 1), Some(MIN_LOOK_US), "the first is short");
        assert!(nap.lasts());
        assert_eq!(look_after(&nap, 1), Some(2 * MIN_LOOK_US));
        assert_eq!(look_after(&nap, 2), Some(2 * MIN_LOOK_US));
        assert_eq!(look_after(&nap, 1), Some(4 * MIN_LOOK_US));
        assert_eq!(look_after(&nap, 1), Some(MAX_LOOK_US), "no longer than that");
        assert_eq!(look_after(&nap, MANY_BATCHES_PER_LOOK), Some(MAX_LOOK_US / 2));
        assert_eq!(look_after(&nap, 0), None, "it has stopped");
        assert!(!nap.lasts());
        assert_eq!(look_after(&nap, 9), Some(MIN_LOOK_US), "and begins anew");
    }

    #[test]
    fn batches_of_more_than_a_turn_do_not_count() {
        let nap = WriteCoalescing::default();
        for all in [false, false, true, false, true] {
            nap.sent(all);
        }
        assert_eq!(look_after(&nap, 0), None);
        assert_eq!(look_after(&nap, 1), Some(MIN_LOOK_US));
    }
}
