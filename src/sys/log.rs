//! Lines on stderr, for programs that ask for them.

use super::cancel::CancelOff;
use super::thread_state::ThreadState;
use std::fmt;
use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Name of an environment variable. If it is set, the library reports contained panics and limits that were
/// reached.
pub const LOG: &str = "FERROZMQ_LOG";

/// Shortest time between two lines of one kind, in milliseconds: a peer can cause some at any rate.
const MIN_INTERVAL_MS: u64 = 1000;

/// Whether the environment asked for lines when this was first called.
pub fn is_asked_for() -> bool {
    static ASKED: OnceLock<bool> = OnceLock::new();
    *ASKED.get_or_init(|| std::env::var_os(LOG).is_some())
}

/// Writes a line, asked for or not: something that the environment asks for cannot be done.
pub fn complain(line: fmt::Arguments<'_>) {
    let _off = CancelOff::for_call(ThreadState::current());
    // An error of stderr has no other place to be reported.
    let _ = writeln!(std::io::stderr(), "ferrozmq: {line}");
}

/// Lines of one kind.
#[derive(Default)]
pub struct Notice {
    /// When the last line was written, in milliseconds of the caller's clock and never 0
    /// then. Any thread writes and reads it. One line too many does no harm, so Relaxed.
    last_ms: AtomicU64,
}

impl Notice {
    pub const fn new() -> Notice {
        Notice { last_ms: AtomicU64::new(0) }
    }

    /// Writes a line, if lines are asked for and none of this kind was written lately. `now_ms` is of a clock
    /// that does not go back.
    pub fn write(&self, now_ms: u64, line: fmt::Arguments<'_>) {
        if is_asked_for() && self.is_due(now_ms) {
            complain(line);
        }
    }

    /// As [`write`](Notice::write), asked for or not.
    pub fn complain(&self, now_ms: u64, line: fmt::Arguments<'_>) {
        if self.is_due(now_ms) {
            complain(line);
        }
    }

    fn is_due(&self, now_ms: u64) -> bool {
        let last_ms = self.last_ms.load(Ordering::Relaxed);
        let due = last_ms == 0 || now_ms.saturating_sub(last_ms) >= MIN_INTERVAL_MS;
        if due {
            self.last_ms.store(now_ms.max(1), Ordering::Relaxed);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_of_line_is_written_once_a_second() {
        let notice = Notice::default();
        let due = [0, 500, 1000, 1001, 2000, 2001].map(|now_ms| notice.is_due(now_ms));
        assert_eq!(due, [true, false, false, true, false, true]);
    }
}
