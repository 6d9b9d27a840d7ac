//! Wakes that the system has refused to deliver. While there are any, one thread lives that delivers them as soon as it can: the
//! sleeper sleeps until then, and no other thread may come by to try again.

use super::fork::PerProcess;
use super::lock::{Lock, LockGuard};
use super::retry::{Patience, rest};
use super::thread::{self, ThreadSettings};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Makes the refused call, as the given number of signals. Whether it was not refused this time.
pub type Deliver = Box<dyn FnMut(u64) -> bool + Send>;

/// Rounds of delivery that the calling thread makes itself where no thread can be spawned.
const MAX_TRIES: u32 = 8;
/// The wait before another try for the list while another thread has it locked.
const LIST_RETRY_PAUSE: Duration = Duration::from_micros(50);

/// A forked child owes none of its parent's: the descriptors behind them are the parent's, too.
static OWED: PerProcess<Lock<Owed>> = PerProcess::new();

#[derive(Default)]
struct Owed {
    /// One entry for each sleeper to wake.
    wakes: Vec<Wake>,
    /// There is a thread that delivers them.
    is_delivered: bool,
}

struct Wake {
    id: u64,
    times: u64,
    deliver: Deliver,
}

/// An id that no other call of this gives, and that no address is.
pub fn new_id() -> u64 {
    /// Above what addresses there are.
    const FIRST: u64 = 1 << 63;
    // Relaxed: numbers that differ are all that is asked for.
    static NEXT: AtomicU64 = AtomicU64::new(FIRST);
    NEXT.fetch_add(1, Relaxed)
}

/// Delivers a wake later. `id` names the sleeper: wakes of the same id become one call.
#[cold]
pub fn deliver(id: u64, deliver: Deliver) {
    let starts = {
        let mut owed = owed();
        match owed.wakes.iter_mut().find(|wake| wake.id == id) {
            Some(wake) => wake.times = wake.times.saturating_add(1),
            None => owed.wakes.push(Wake { id, times: 1, deliver }),
        }
        !std::mem::replace(&mut owed.is_delivered, true)
    };
    if starts && thread::spawn(&ThreadSettings::default(), "ZMQbg/late", || work(u32::MAX)).is_err() {
        work(MAX_TRIES);
    }
}

/// No thread sleeps for this lock, so its release wakes none: the system may refuse that wake, too.
fn owed() -> LockGuard<'static, Owed> {
    let owed = OWED.find_or_make(Lock::default);
    loop {
        match owed.try_lock() {
            Some(owed) => return owed,
            None => rest(LIST_RETRY_PAUSE),
        }
    }
}

/// Delivers the wakes until none is left, or until the system has refused `tries` rounds in a row.
fn work(tries: u32) {
    let mut patience = Patience::default();
    loop {
        let mut wakes = {
            let mut owed = owed();
            if owed.wakes.is_empty() || patience.refused() >= tries {
                // Under the lock: a thread that adds a wake after this starts another.
                owed.is_delivered = false;
                return;
            }
            std::mem::take(&mut owed.wakes)
        };
        let before = wakes.len();
        wakes.retain_mut(|wake| !(wake.deliver)(wake.times));
        if wakes.len() == before {
            patience.wait(None);
        } else {
            patience.reset();
        }
        put_back(wakes);
    }
}

/// What could not be delivered, beside what has come meanwhile.
fn put_back(mut wakes: Vec<Wake>) {
    let mut owed = owed();
    for fresh in std::mem::take(&mut owed.wakes) {
        match wakes.iter_mut().find(|wake| wake.id == fresh.id) {
            Some(wake) => wake.times = wake.times.saturating_add(fresh.times),
            None => wakes.push(fresh),
        }
    }
    owed.wakes = wakes;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn a_wake_is_delivered_once_the_system_no_longer_refuses() {
        let (said, heard) = channel();
        let mut refusals = 5;
        deliver(
            new_id(),
            Box::new(move |times| {
                refusals -= 1;
                if refusals == 0 {
                    said.send(times).unwrap();
                }
                refusals == 0
            }),
        );
        assert_eq!(heard.recv_timeout(Duration::from_secs(20)), Ok(1));
        // It is over: what delivers is dropped.
        assert!(heard.recv_timeout(Duration::from_secs(20)).is_err());
    }

    #[test]
    fn a_child_owes_its_own_wakes_while_a_thread_of_its_parent_adds_one() {
        let held = owed();
        let code = crate::sys::fork::tests::child(|| {
            let (said, heard) = channel();
            deliver(new_id(), Box::new(move |times| said.send(times).is_ok()));
            i32::from(heard.recv_timeout(Duration::from_secs(10)) != Ok(1))
        });
        drop(held);
        assert_eq!(code, 0);
    }

    #[test]
    fn ids_differ_and_are_no_addresses() {
        let (one, two) = (new_id(), new_id());
        assert_ne!(one, two);
        assert!(one > usize::MAX as u64 / 2 && two > usize::MAX as u64 / 2);
    }
}
