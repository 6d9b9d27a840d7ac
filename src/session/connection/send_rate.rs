//! Whether the program's own thread had better send, or the I/O thread, in batches.

use crate::sys::fork::SetOnce;
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A socket that sends again within this time is streaming, on connections from which it has received nothing in between.
/// The time that the thread spends sending does not count: one that publishes to many is streaming however long it
/// takes to reach them all.
const MAX_STREAMING_GAP: Duration = Duration::from_micros(20);

thread_local! {
    /// How long this thread has spent sending so far, in nanoseconds.
    static SENDING_NS: Cell<u64> = const { Cell::new(0) };
}

/// How fast a socket sends, to all its peers together.
#[derive(Debug, Default)]
pub struct SendRate {
    /// When it last sent, in nanoseconds since the first that this process sent less what the thread had spent sending by then. A
    /// guess for all threads that read or write it, so Relaxed.
    last_ns: AtomicU64,
}

/// An attempt to send.
pub struct Turn {
    pub streaming: bool,
    begun_ns: u64,
}

impl SendRate {
    /// The program sends something.
    pub fn begin(&self, now: Instant) -> Turn {
        let begun_ns = clock_ns(now);
        let own_ns = begun_ns.saturating_sub(SENDING_NS.get());
        let last_ns = self.last_ns.swap(own_ns, Ordering::Relaxed);
        Turn { streaming: own_ns.saturating_sub(last_ns) < MAX_STREAMING_GAP.as_nanos() as u64, begun_ns }
    }
}

impl Turn {
    /// The thread has sent it itself.
    pub fn end(self, now: Instant) {
        let spent_ns = clock_ns(now).saturating_sub(self.begun_ns);
        SENDING_NS.set(SENDING_NS.get().wrapping_add(spent_ns));
    }
}

/// A point in time as nanoseconds since the first one: one scale for the whole process, since what a thread has spent sending in all
/// is taken off.
fn clock_ns(at: Instant) -> u64 {
    static EPOCH: SetOnce<Instant> = SetOnce::new();
    let since = at.saturating_duration_since(*EPOCH.get_or_make(|| at));
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spent_sending_is_no_time_between() {
        let (rate, gap) = (SendRate::default(), MAX_STREAMING_GAP);
        let mut now = Instant::now() + 10 * gap;
        // The clock begins here, and what other tests of this thread have spent is taken off.
        rate.begin(now).end(now);
        let turn = rate.begin(now);
        assert!(turn.streaming);
        now += 3 * gap;
        turn.end(now);
        let turn = rate.begin(now);
        assert!(turn.streaming);
        turn.end(now);
        now += gap - Duration::from_nanos(1);
        let turn = rate.begin(now);
        assert!(turn.streaming);
        turn.end(now);
        now += gap;
        assert!(!rate.begin(now).streaming);
    }
}
