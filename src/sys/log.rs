//! Lines on stderr, for programs that ask for them.

use super::cancel::CancelOff;
use super::poll::{PollFd, poll};
use super::thread_state::ThreadState;
use std::fmt;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Name of an environment variable. If it is set, the library reports contained panics and limits that were
/// reached.
pub const LOG: &str = "FERROZMQ_LOG";

/// Shortest time between two lines of one kind, in milliseconds: a peer can cause some at any rate.
const MIN_INTERVAL_MS: u64 = 1000;

/// Bytes of a line without its end. A pipe with room takes a page at once (poll(2), PIPE_BUF).
const MAX_LINE_BYTES: usize = 4000;

/// Whether the environment asked for lines when this was first called.
pub fn is_asked_for() -> bool {
    static ASKED: OnceLock<bool> = OnceLock::new();
    *ASKED.get_or_init(|| std::env::var_os(LOG).is_some())
}

/// Writes a line, asked for or not: something that the environment asks for cannot be done. A line for which stderr has no room is
/// left out: I/O threads complain too, and a full pipe without a reader would hold them up for ever.
pub fn complain(line: fmt::Arguments<'_>) {
    let _off = CancelOff::for_call(ThreadState::current());
    let mut stderr = std::io::stderr();
    let mut fds = [PollFd { fd: stderr.as_raw_fd(), events: libc::POLLOUT, revents: 0 }];
    if poll(&mut fds, Some(Duration::ZERO)) != Ok(1) {
        return;
    }
    // One piece, which is within the room that was found. An error of stderr has no other place to be reported.
    let mut text = format!("ferrozmq: {line}");
    text.truncate(text.floor_char_boundary(MAX_LINE_BYTES));
    text.push('\n');
    let _ = stderr.write_all(text.as_bytes());
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
