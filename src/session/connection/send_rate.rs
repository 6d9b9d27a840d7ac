//! Whether the program's own thread had better send, or the I/O thread, in batches.

use std::cell::Cell;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A socket that sends again within this time is streaming, on connections from which it has received nothing in between.
/// The time that the thread spends sending does not count: one that publishes to many is streaming however long it
/// takes to reach them all.
const MAX_STREAMING_GAP: Duration = Duration::from_micros(20);

/// Where the clock begins: for the whole process, since what a thread has spent sending in all is taken off.
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

thread_local! {
    /// How long this thread has spent sending so far, in nanoseconds.
    static SENDING_NS: Cell<u64> = const { Cell::new(0) };
}

/// How fast a socket sends, to whichever peer.
#[derive(Debug, Default)]
pub struct SendRate {
    /// When it last sent, in nanoseconds since [`EPOCH`] less what the thread had spent sending by then. A guess whoever
    /// reads or writes it, so Relaxed.
    last_ns: AtomicU64,
}

/// An attempt to send.
pub struct Turn {
    pub streaming: bool,
    begun_ns: u64,
}

impl SendRate {
    /// The program sends something.
    pub fn begin(&self) -> Turn {
        let begun_ns = now_ns();
        let own_ns = begun_ns.saturating_sub(SENDING_NS.get());
        let last_ns = self.last_ns.swap(own_ns, Ordering::Relaxed);
        Turn { streaming: own_ns.saturating_sub(last_ns) < MAX_STREAMING_GAP.as_nanos() as u64, begun_ns }
    }
}

impl Turn {
    /// The thread has sent it itself.
    pub fn end(self) {
        let spent_ns = now_ns().saturating_sub(self.begun_ns);
        SENDING_NS.set(SENDING_NS.get().wrapping_add(spent_ns));
    }
}

fn now_ns() -> u64 {
    u64::try_from(EPOCH.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spent_sending_is_no_time_between() {
        let rate = SendRate::default();
        rate.begin().end();
        let turn = rate.begin();
        let begun = Instant::now();
        while begun.elapsed() < 3 * MAX_STREAMING_GAP {}
        turn.end();
        // A thread that loses its processor just here streams the next time.
        assert!((0..100).any(|_| rate.begin().streaming));
        let paused = Instant::now();
        while paused.elapsed() < 3 * MAX_STREAMING_GAP {}
        assert!(!rate.begin().streaming);
    }
}
