//! Lines of one kind, at a bounded rate: what is over the rate is counted, and the next line of the kind tells how many.

use super::{Level, Subsystem, is_on, now_ms, tell, tell_anyway};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Time over which lines are counted, in milliseconds.
const WINDOW_MS: u64 = 1000;
/// Bits of the number of lines in a window.
const LINES_BITS: u32 = 8;

/// Lines of one kind. A static has it, beside the code that writes them.
pub struct Notice {
    subsystem: Subsystem,
    level: Level,
    /// When the window began, in milliseconds, and in the last bits how many lines were written in it. 0: none yet. Any thread
    /// writes and reads it. Nothing else hangs on it, so Relaxed.
    window: AtomicU64,
    /// Lines that were left out since the last one. As `window`.
    left_out: AtomicU64,
}

impl Notice {
    pub const fn new(subsystem: Subsystem, level: Level) -> Notice {
        Notice { subsystem, level, window: AtomicU64::new(0), left_out: AtomicU64::new(0) }
    }

    /// Whether lines of this kind are asked for. One load.
    #[inline]
    pub fn is_on(&self) -> bool {
        is_on(self.subsystem, self.level)
    }

    /// Writes a line, if lines of this kind are asked for and not too many were written lately.
    pub fn write(&self, line: fmt::Arguments<'_>) {
        if self.is_on()
            && let Some(left_out) = self.admit(now_ms())
        {
            tell((self.subsystem, self.level), format_args!("{line}{}", LeftOut(left_out)));
        }
    }

    /// As [`write`](Notice::write), asked for or not.
    pub fn complain(&self, line: fmt::Arguments<'_>) {
        if let Some(left_out) = self.admit(now_ms()) {
            tell_anyway((self.subsystem, self.level), format_args!("{line}{}", LeftOut(left_out)));
        }
    }

    /// Counts a line. `Some` where it is to be written, with the number of those left out before. `now_ms` is of a clock that does
    /// not go back.
    fn admit(&self, now_ms: u64) -> Option<u64> {
        let most = self.level.lines_per_second();
        let counted = self.window.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |window| {
            let (began_ms, lines) = (window >> LINES_BITS, window & ((1 << LINES_BITS) - 1));
            if lines == 0 || now_ms.saturating_sub(began_ms) >= WINDOW_MS {
                return Some(now_ms << LINES_BITS | 1);
            }
            (lines < most).then_some(began_ms << LINES_BITS | (lines + 1))
        });
        match counted {
            Ok(_) => Some(self.left_out.swap(0, Ordering::Relaxed)),
            Err(_) => {
                self.left_out.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }
}

/// What stands behind a line.
struct LeftOut(u64);

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            left_out => write!(f, " ({left_out} more of this kind left out)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_written_once_a_second() {
        let notice = Notice::new(Subsystem::Limits, Level::Warn);
        let due = [0, 500, 999, 1000, 1001, 2000, 2001].map(|now_ms| notice.admit(now_ms));
        assert_eq!(due, [Some(0), None, None, Some(2), None, Some(1), None]);
    }

    #[test]
    fn others_are_written_twenty_times_a_second() {
        let notice = Notice::new(Subsystem::Connection, Level::Info);
        let written = (0..1000).filter(|now_ms| notice.admit(*now_ms).is_some()).count();
        assert_eq!((written, notice.admit(1000)), (20, Some(980)));
        assert_eq!(LeftOut(980).to_string(), " (980 more of this kind left out)");
        assert_eq!(LeftOut(0).to_string(), "");
        assert!(Level::ALL.iter().all(|level| level.lines_per_second() < 1 << LINES_BITS));
    }

    #[test]
    fn threads_that_write_at_once_lose_no_line_uncounted() {
        let notice = Notice::new(Subsystem::Connection, Level::Info);
        let told = |_| (0..500).filter_map(|_| notice.admit(5).map(|left_out| left_out + 1)).sum::<u64>();
        let sum: u64 = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|thread| scope.spawn(move || told(thread))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or(0)).sum()
        });
        assert_eq!(sum + notice.left_out.load(Ordering::Relaxed), 2000);
    }
}
