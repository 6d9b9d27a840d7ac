//! A moment in which a thread leaves memory alone that another one writes.

use std::hint;
use std::time::{Duration, Instant};

/// How long that is: the time of some ten small messages, and a fraction of what it costs to sleep and to be woken.
const PAUSE: Duration = Duration::from_micros(1);
/// Looks at the clock at most, should it stand still.
const MOST_LOOKS: u32 = 200;

/// Lets 1 µs pass on the processor.
pub fn pause() {
    let start = Instant::now();
    for _ in 0..MOST_LOOKS {
        for _ in 0..4 {
            hint::spin_loop();
        }
        if start.elapsed() >= PAUSE {
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
        assert!(start.elapsed() >= PAUSE);
    }
}
