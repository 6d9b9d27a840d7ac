//! Looks at files that hold up no I/O thread: each is made on a thread of its own, for which the I/O thread waits [`MOMENT`] at most.
//!
//! | the last look | the value is asked for | answer |
//! |---|---|---|
//! | is over, less than a second ago | | what it found |
//! | is over, a second ago or more | | another look begins, and its answer is waited for |
//! | goes on | for a handshake | what the look before it found, at once |
//! | goes on, the first of all | for a handshake | waited for; a fault [`MOMENT`] after that look has begun |
//! | none | for a bind or connect | made on the calling thread, as long as it takes |
//! | goes on, the first of all | for a bind or connect | waited for; a fault after [`MAX_CALL_WAIT`] |
//!
//! Laws: what was looked at is not looked at again within [`LOOK_INTERVAL`]. All handshakes of an I/O thread together wait for one look
//! no longer than [`MOMENT`].
//!
//! A look that takes long leaves valid what was known: a file server that hangs holds up its files, and no connection. Once it answers
//! that counts. There is no thread while no peer comes.

use super::fault::Fault;
use crate::sys::cancel::is_cancelled;
use crate::sys::contain::contain;
use crate::sys::lock::Lock;
use crate::sys::log::{Level, Notice, Subsystem};
use crate::sys::park::Parker;
use crate::sys::thread::{self, ThreadSettings};
#[cfg(test)]
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Shortest time between two looks at a file.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How long an I/O thread waits for a look. A file system of this machine takes microseconds. It counts from the look's beginning: where
/// that hangs, each handshake would else wait anew.
pub const MOMENT: Duration = Duration::from_millis(100);
/// How long a call of the program waits for the first look of another thread. Nothing else ends that wait: a call that ends no thread
/// is not cancelled in it.
const MAX_CALL_WAIT: Duration = Duration::from_secs(30);
/// The thread's name, of which the system shows 15 bytes.
const THREAD_NAME: &str = "ZMQbg/security";

/// A look at a file or a folder.
pub trait Look: Send + 'static {
    type Value: Send + Sync;

    /// What is there now. It may take as long as the file system likes.
    fn look(&mut self) -> Result<Arc<Self::Value>, Fault>;
}

/// For how long the answer is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// The program has made a call, and waits for it.
    Call,
    /// An I/O thread has other peers, too.
    Moment,
}

/// What a look finds, each time that it is asked for.
pub struct Watch<L: Look> {
    path: PathBuf,
    max_call_wait: Duration,
    known: Lock<Known<L::Value>>,
    /// Held while a look is made.
    look: Lock<L>,
}

struct Known<V> {
    looked: Option<Instant>,
    /// When the look has begun that goes on.
    begun: Option<Instant>,
    value: Option<Result<Arc<V>, Fault>>,
    /// Threads that wait for the look to be over.
    waiting: Vec<Arc<Parker>>,
}

impl<L: Look> Watch<L> {
    pub fn new(path: PathBuf, look: L) -> Arc<Watch<L>> {
        let known = Known { looked: None, begun: None, value: None, waiting: Vec::new() };
        let (known, look) = (Lock::new(known), Lock::new(look));
        Arc::new(Watch { path, max_call_wait: MAX_CALL_WAIT, known, look })
    }

    /// The value now.
    pub fn now(self: &Arc<Self>, patience: Patience) -> Result<Arc<L::Value>, Fault> {
        let mut known = self.known.lock();
        let (value, now) = (known.value.clone(), Instant::now());
        if let Some(value) = &value
            && (known.begun.is_some() || !is_due(known.looked, now))
        {
            return value.clone();
        }
        let begins = known.begun.is_none();
        let begun = *known.begun.get_or_insert(now);
        drop(known);
        match (begins, patience) {
            (true, Patience::Call) if value.is_none() => self.look(),
            (true, _) => {
                let this = Arc::clone(self);
                if thread::spawn(&ThreadSettings::default(), THREAD_NAME, move || this.look()).is_err() {
                    // Without threads of its own the library is slow at worst.
                    self.look();
                }
            }
            (false, _) => {}
        }
        let for_long = value.is_none() && patience == Patience::Call;
        self.wait(if for_long { now + self.max_call_wait } else { begun + MOMENT })
    }

    /// Looks, and says so. A panic is the end of the look and not of later ones.
    fn look(&self) {
        let found = contain(|| self.look.lock().look());
        let mut known = self.known.lock();
        if let Some(found) = found {
            known.value = Some(found);
        }
        known.looked = Some(Instant::now());
        known.begun = None;
        let waiting = std::mem::take(&mut known.waiting);
        drop(known);
        waiting.iter().for_each(|parker| parker.unpark());
    }

    /// The value once the look is over; after the deadline, or to a thread that is cancelled, what was known before.
    fn wait(&self, deadline: Instant) -> Result<Arc<L::Value>, Fault> {
        let parker = Arc::new(Parker::new());
        loop {
            let mut known = self.known.lock();
            let left = deadline.saturating_duration_since(Instant::now());
            if known.begun.is_none() || left.is_zero() || is_cancelled() {
                known.waiting.retain(|waiting| !Arc::ptr_eq(waiting, &parker));
                let (value, is_late) = (known.value.clone(), known.begun.is_some());
                drop(known);
                return value.map_or_else(|| Err(self.unanswered()), |value| self.noted(value, is_late));
            }
            if !known.waiting.iter().any(|waiting| Arc::ptr_eq(waiting, &parker)) {
                known.waiting.push(Arc::clone(&parker));
            }
            drop(known);
            // A signal ends a wait early.
            let _ = parker.park(Some(left));
        }
    }

    fn noted<T>(&self, value: T, is_late: bool) -> T {
        static NOTICE: Notice = Notice::new(Subsystem::Security, Level::Warn);
        if is_late {
            let path = self.path.display();
            NOTICE.complain(format_args!("{path}: the file system is slow: what was read before counts"));
        }
        value
    }

    fn unanswered(&self) -> Fault {
        Fault::denial(
            &self.path,
            None,
            "the file system does not answer",
            "see why, or name a file of another one",
        )
    }
}

/// Whether a file is to be looked at again.
fn is_due(looked: Option<Instant>, now: Instant) -> bool {
    looked.is_none_or(|looked| now.saturating_duration_since(looked) >= LOOK_INTERVAL)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};

    #[test]
    fn a_file_is_looked_at_once_a_second() {
        let start = Instant::now();
        assert!(is_due(None, start));
        for (after_ms, due) in [(0, false), (999, false), (1000, true), (5000, true)] {
            assert_eq!(is_due(Some(start), start + Duration::from_millis(after_ms)), due, "{after_ms}");
        }
        assert!(
            !is_due(Some(start + LOOK_INTERVAL), start),
            "a clock that goes back does not look at each handshake"
        );
    }

    /// A file system that answers when the test says what.
    struct Slow(Receiver<u32>);

    impl Look for Slow {
        type Value = u32;

        fn look(&mut self) -> Result<Arc<u32>, Fault> {
            let answer = self.0.recv().map_err(|_| Fault::mistake(Path::new("file"), None, "gone", "wait"));
            assert_ne!(answer, Ok(0), "a panic");
            answer.map(Arc::new)
        }
    }

    fn watch() -> (Arc<Watch<Slow>>, Sender<u32>) {
        let (answers, asked) = channel();
        (Watch::new(PathBuf::from("file"), Slow(asked)), answers)
    }

    /// Has the next call look again.
    fn forget(watch: &Watch<Slow>) {
        watch.known.lock().looked = None;
    }

    fn settle(watch: &Watch<Slow>) {
        while watch.known.lock().begun.is_some() {
            std::thread::yield_now();
        }
    }

    fn value(watch: &Arc<Watch<Slow>>, patience: Patience) -> Option<u32> {
        watch.now(patience).ok().map(|value| *value)
    }

    #[test]
    fn an_answer_that_is_there_at_once_counts_at_once() {
        let (watch, answers) = watch();
        for (number, patience) in [(1, Patience::Call), (2, Patience::Moment), (3, Patience::Call)] {
            answers.send(number).unwrap();
            forget(&watch);
            // The thread of a look may be late on a busy machine: then what was known counts until it is there.
            while value(&watch, patience) != Some(number) {
                settle(&watch);
            }
            assert_eq!(value(&watch, patience), Some(number), "not looked at twice within a second");
        }
    }

    #[test]
    fn a_file_system_that_hangs_holds_nobody_up_and_leaves_valid_what_was_known() {
        let (watch, answers) = watch();
        answers.send(1).unwrap();
        assert_eq!(value(&watch, Patience::Call), Some(1));
        forget(&watch);
        let began = Instant::now();
        assert_eq!(value(&watch, Patience::Moment), Some(1), "after a moment");
        assert!(began.elapsed() >= MOMENT);
        for _ in 0..1000 {
            assert_eq!(value(&watch, Patience::Moment), Some(1));
        }
        // Each of the thousand would have waited for a moment: a minute.
        assert!(began.elapsed() < 500 * MOMENT);
        assert_eq!(value(&watch, Patience::Call), Some(1), "a bind has what is known");
        answers.send(2).unwrap();
        settle(&watch);
        assert_eq!(value(&watch, Patience::Moment), Some(2), "it answers again");
        drop(answers);
        forget(&watch);
        while value(&watch, Patience::Moment).is_some() {}
    }

    #[test]
    fn what_was_never_read_is_a_fault_for_now() {
        let (watch, answers) = watch();
        let fault = watch.now(Patience::Moment).unwrap_err();
        assert!(fault.what.contains("does not answer"), "{fault}");
        assert!(watch.now(Patience::Moment).is_err(), "another peer, and the same look");
        let caller = {
            let watch = Arc::clone(&watch);
            std::thread::spawn(move || value(&watch, Patience::Call))
        };
        answers.send(7).unwrap();
        assert_eq!(caller.join().unwrap(), Some(7), "a call waits for the look of another thread");
        assert_eq!(value(&watch, Patience::Moment), Some(7));
    }

    #[test]
    fn a_file_system_that_hangs_from_the_start_holds_an_io_thread_up_once() {
        let (watch, answers) = watch();
        let began = Instant::now();
        for _ in 0..1000 {
            assert!(watch.now(Patience::Moment).is_err());
        }
        // Each of the thousand would have waited for a moment.
        assert!(began.elapsed() >= MOMENT && began.elapsed() < 500 * MOMENT);
        answers.send(1).unwrap();
        settle(&watch);
        assert_eq!(value(&watch, Patience::Moment), Some(1));
    }

    #[test]
    fn a_call_does_not_wait_for_ever_for_the_first_look_of_another_thread() {
        let (mut watch, answers) = watch();
        Arc::get_mut(&mut watch).unwrap().max_call_wait = MOMENT / 2;
        let first = {
            let watch = Arc::clone(&watch);
            std::thread::spawn(move || value(&watch, Patience::Call))
        };
        while watch.known.lock().begun.is_none() {
            std::thread::yield_now();
        }
        let fault = watch.now(Patience::Call).unwrap_err();
        assert!(fault.what.contains("does not answer"), "{fault}");
        answers.send(3).unwrap();
        assert_eq!(first.join().unwrap(), Some(3));
        assert_eq!(value(&watch, Patience::Call), Some(3));
    }

    #[test]
    #[cfg(any(direct_calls, futex))]
    fn a_thread_that_is_cancelled_does_not_wait_for_a_look() {
        let (watch, answers) = watch();
        assert!(watch.now(Patience::Moment).is_err(), "a look has begun");
        // That thread would spin until the file system answers, which the test lets it do only afterwards.
        assert_eq!(crate::sys::cancel::as_if_cancelled(|| value(&watch, Patience::Call)), None);
        answers.send(1).unwrap();
        assert_eq!(value(&watch, Patience::Call), Some(1));
    }

    #[test]
    fn a_panic_ends_one_look_alone() {
        let (watch, answers) = watch();
        answers.send(1).unwrap();
        assert_eq!(value(&watch, Patience::Call), Some(1));
        forget(&watch);
        answers.send(0).unwrap();
        assert_eq!(value(&watch, Patience::Moment), Some(1));
        settle(&watch);
        forget(&watch);
        answers.send(2).unwrap();
        while value(&watch, Patience::Moment) != Some(2) {}
    }
}
