//! A short pause in which a thread leaves alone the memory that another thread writes.

use std::hint;
use std::time::{Duration, Instant};

/// Length of a pause: about the time of ten small messages, and a fraction of the cost of sleeping and being
/// woken.
const PAUSE_LENGTH: Duration = Duration::from_micros(1);
/// Most clock reads in a pause, in case the clock stands still.
const MAX_CLOCK_READS: u32 = 200;

/// Spins for 1 µs.
pub fn pause() {
    let start = Instant::now();
    for _ in 0..MAX_CLOCK_READS {
        for _ in 0..4 {
            hint::spin_loop();
        }
        if start.elapsed() >= PAUSE_LENGTH {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_has_its_length() {
        let start = Instant::now();
        pause();
        assert!(start.elapsed() >= PAUSE_LENGTH);
    }
}
