//! One thread of the process writes to a place, made at the first line. A disk that stalls holds up this thread alone.
//!
//! What cannot be written waits, and is tried again every second: first with the writer, then in the queue, until that is full.
//! Only then is a line lost, and counted.

use super::queue::Queue;
use crate::errno::{Errno, Result};
use crate::sys::cancel::is_cancelled;
use crate::sys::exit::at_exit;
use crate::sys::lock::{Lock, LockGuard};
use crate::sys::park::Parker;
use crate::sys::retry::rest;
use crate::sys::sigpipe::without_sigpipe;
use crate::sys::thread::{self, ThreadSettings};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long the writer waits after it could not write.
pub const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Where lines go.
pub trait Place: Send + Sync + 'static {
    /// What the writer keeps open of it.
    type Open: Default + Send;
    /// Of the writer, in a list of threads.
    const THREAD: &'static str;
    /// Bytes of lines that wait at most.
    const MAX_QUEUED_BYTES: usize;

    /// Writes the lines at the beginning of `lines`; how many bytes of whole lines that were, at least one. The writer calls it, and it
    /// may take any time. Errors: `EAGAIN` after a wait of `patience`, and others. The next write comes [`RETRY_INTERVAL`] after this one.
    fn write(&self, open: &mut Self::Open, lines: &[u8], patience: Duration) -> Result<usize>;

    /// The line that says how many lines were lost, without its end.
    fn gap(&self, lost: u64) -> String;

    /// Lines are refused since this write, and wait.
    fn refused(&self, why: Errno);

    /// What [`LineWriter::flush`] is called by at the end of the process.
    fn last_act() -> extern "C" fn();
}

/// The lines for one place, of one process.
pub struct LineWriter<P: Place> {
    place: P,
    desk: Lock<Desk<P::Open>>,
    /// Where the writer sleeps.
    writer: Parker,
    /// The process calls its last act. The thread that starts the writer sets it under no lock; twice does no harm, so Relaxed.
    has_last_act: AtomicBool,
}

/// What the threads that have lines and the writer share.
#[derive(Default)]
struct Desk<O> {
    queue: Queue,
    /// There is a writer, or a thread writes in its place.
    has_writer: bool,
    /// What a thread has opened that has written in the writer's place. The writer takes it over.
    open: O,
    /// The writer has taken lines that it has not written yet.
    is_writing: bool,
    /// The last write was refused.
    is_stuck: bool,
    /// The longest time that a thread has waited in vain since the last write.
    waited_in_vain: Duration,
    /// Threads that wait until all is written.
    waiting: Vec<Arc<Parker>>,
}

impl<P: Place> LineWriter<P> {
    pub fn new(place: P) -> LineWriter<P> {
        let (desk, writer, has_last_act) = (Lock::default(), Parker::new(), AtomicBool::new(false));
        LineWriter { place, desk, writer, has_last_act }
    }

    pub fn place(&self) -> &P {
        &self.place
    }

    /// Keeps a line until the writer comes for it. It ends without a newline.
    pub fn push(&'static self, line: &str) {
        let mut desk = self.desk.lock();
        desk.queue.push(line, P::MAX_QUEUED_BYTES);
        let starts = !std::mem::replace(&mut desk.has_writer, true);
        drop(desk);
        if !starts {
            return self.writer.unpark();
        }
        // Before the writer: the process may end before that runs.
        if !self.has_last_act.swap(true, Ordering::Relaxed) {
            at_exit(P::last_act());
        }
        if thread::spawn(&ThreadSettings::default(), P::THREAD, || self.work()).is_err() {
            // The next line tries again, and a thread that waits for the lines writes them itself.
            let mut desk = self.desk.lock();
            desk.has_writer = false;
            tell(desk);
        }
    }

    /// Waits until all is written, and no longer than `most`; not at all where nothing can be written, or a thread has waited as long
    /// in vain. A thread that is cancelled waits no longer. Where there is no writer, the caller writes what can be written without a
    /// wait.
    pub fn flush(&self, most: Duration) {
        let parker = Arc::new(Parker::new());
        let deadline = Instant::now() + most;
        loop {
            let mut desk = self.desk.lock();
            let done = desk.queue.is_empty() && !desk.is_writing;
            if !done && !desk.has_writer {
                desk.waiting.retain(|waiting| !Arc::ptr_eq(waiting, &parker));
                return self.write_here(desk);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if done || desk.is_stuck || desk.waited_in_vain >= most || left.is_zero() || is_cancelled() {
                if !done && left.is_zero() {
                    // The next thread does not wait as long as well.
                    desk.waited_in_vain = desk.waited_in_vain.max(most);
                }
                desk.waiting.retain(|waiting| !Arc::ptr_eq(waiting, &parker));
                return;
            }
            if !desk.waiting.iter().any(|waiting| Arc::ptr_eq(waiting, &parker)) {
                desk.waiting.push(Arc::clone(&parker));
            }
            drop(desk);
            // A signal ends a wait early.
            let _ = parker.park(Some(left));
        }
    }

    /// Tries once to write what waits: there is no thread that does. What is refused waits on.
    #[cold]
    fn write_here(&self, mut desk: LockGuard<'_, Desk<P::Open>>) {
        desk.has_writer = true;
        desk.is_writing = true;
        let was_stuck = desk.is_stuck;
        let (mut waits, mut open) = (desk.queue.take(), std::mem::take(&mut desk.open));
        drop(desk);
        // The caller may be a thread of the program, which a pipe without a reader must not end.
        let refused = without_sigpipe(|| self.write_at_once(&mut waits, &mut open)).err();
        if let Some(errno) = refused.filter(|_| !was_stuck) {
            self.place.refused(errno);
        }
        let mut desk = self.desk.lock();
        desk.queue.put_back(waits);
        desk.open = open;
        (desk.has_writer, desk.is_writing, desk.is_stuck) = (false, false, refused.is_some());
        tell(desk);
    }

    /// Writes what it can without a wait, and takes that out of the queue.
    fn write_at_once(&self, waits: &mut Queue, open: &mut P::Open) -> Result<()> {
        while !waits.lines.is_empty() {
            let written = self.place.write(open, &waits.lines, Duration::ZERO)?;
            waits.lines.drain(..written.min(waits.lines.len()));
        }
        if waits.lost > 0 {
            let gap = self.place.gap(waits.lost) + "\n";
            self.place.write(open, gap.as_bytes(), Duration::ZERO)?;
            waits.lost = 0;
        }
        Ok(())
    }

    /// The writer's life.
    fn work(&'static self) {
        let mut open = std::mem::take(&mut self.desk.lock().open);
        loop {
            let taken = self.take();
            if taken.is_empty() {
                // The token of a line that comes now ends the wait.
                let _ = self.writer.park(None);
                continue;
            }
            let mut lines = taken.lines;
            if taken.lost > 0 {
                lines.extend_from_slice(self.place.gap(taken.lost).as_bytes());
                lines.push(b'\n');
            }
            self.write_all(&lines, &mut open);
        }
    }

    /// What waits. Where that is nothing, those that wait for it are told.
    fn take(&self) -> Queue {
        let mut desk = self.desk.lock();
        let taken = desk.queue.take();
        desk.is_writing = !taken.is_empty();
        if !desk.is_writing {
            tell(desk);
        }
        taken
    }

    /// Writes all of the lines, however long that takes.
    fn write_all(&self, lines: &[u8], open: &mut P::Open) {
        let (mut rest_of_lines, mut is_refused) = (lines, false);
        while !rest_of_lines.is_empty() {
            let began = Instant::now();
            match self.place.write(open, rest_of_lines, RETRY_INTERVAL) {
                Ok(written) => {
                    rest_of_lines = rest_of_lines.get(written..).unwrap_or_default();
                    self.set_stuck(false);
                    is_refused = false;
                }
                Err(errno) => {
                    self.set_stuck(true);
                    if !std::mem::replace(&mut is_refused, true) {
                        self.place.refused(errno);
                    }
                    // A place that is full has been waited for as long. One that only says so must not be asked without a pause.
                    rest(RETRY_INTERVAL.saturating_sub(began.elapsed()));
                }
            }
        }
    }

    /// Notes whether the last write was refused.
    fn set_stuck(&self, is_stuck: bool) {
        let mut desk = self.desk.lock();
        desk.is_stuck = is_stuck;
        if is_stuck {
            tell(desk);
        } else {
            desk.waited_in_vain = Duration::ZERO;
        }
    }
}

/// Wakes the threads that wait: they look anew.
fn tell<O>(mut desk: LockGuard<'_, Desk<O>>) {
    let waiting = std::mem::take(&mut desk.waiting);
    drop(desk);
    waiting.iter().for_each(|parker| parker.unpark());
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    #[cfg(any(direct_calls, futex))]
    use crate::sys::cancel::as_if_cancelled;
    use crate::sys::faults::{self, Call};
    use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

    /// Takes a line whenever the test lets it, and none in between.
    struct Gate {
        lets: Lock<Receiver<Result<()>>>,
        said: Lock<Vec<String>>,
        refusals: Lock<Vec<Errno>>,
    }

    const LINE_BYTES: usize = 8;

    impl Place for Gate {
        type Open = ();
        const THREAD: &'static str = "ZMQbg/test";
        const MAX_QUEUED_BYTES: usize = 4 * LINE_BYTES;

        fn write(&self, (): &mut (), lines: &[u8], patience: Duration) -> Result<usize> {
            if patience.is_zero() {
                self.lets.lock().try_recv().unwrap_or(Err(Errno::AGAIN))?;
            } else {
                self.lets.lock().recv().unwrap_or(Ok(()))?;
            }
            let end = lines.iter().position(|byte| *byte == b'\n').unwrap();
            self.said.lock().push(String::from_utf8(lines[..end].to_vec()).unwrap());
            Ok(end + 1)
        }

        fn gap(&self, lost: u64) -> String {
            format!("{lost} lost")
        }

        fn refused(&self, why: Errno) {
            self.refusals.lock().push(why);
        }

        fn last_act() -> extern "C" fn() {
            extern "C" fn nothing() {}
            nothing
        }
    }

    fn gate() -> (&'static LineWriter<Gate>, SyncSender<Result<()>>) {
        let (lets_in, lets) = sync_channel(0);
        let gate = Gate { lets: Lock::new(lets), said: Lock::default(), refusals: Lock::default() };
        (Box::leak(Box::new(LineWriter::new(gate))), lets_in)
    }

    /// The writer has come to its write.
    fn until_it_writes(lets_in: &SyncSender<Result<()>>, outcome: Result<()>) {
        while lets_in.try_send(outcome) == Err(TrySendError::Full(outcome)) {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_place_that_takes_nothing_holds_up_no_thread_and_what_does_not_fit_is_counted() {
        let (lines, lets_in) = gate();
        lines.push("first..");
        until_it_writes(&lets_in, Err(Errno::AGAIN));
        (0..4 + 3).for_each(|number| lines.push(&format!("line {number:2}")));
        let began = Instant::now();
        lines.flush(Duration::from_millis(20));
        lines.flush(Duration::from_secs(60));
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "one thread has waited in vain, and no other does"
        );
        (0..6).for_each(|_| lets_in.send(Ok(())).unwrap());
        lines.flush(Duration::from_secs(60));
        let said = lines.place.said.lock().clone();
        assert_eq!(said, ["first..", "line  0", "line  1", "line  2", "line  3", "3 lost"]);
        assert_eq!(*lines.place.refusals.lock(), [Errno::AGAIN], "told once");
    }

    /// As a file system does that says that there is no room, and is ready all the time.
    #[test]
    fn a_place_that_is_full_and_cannot_be_waited_for_is_not_asked_all_the_time() {
        let (lines, lets_in) = gate();
        lines.push("one....");
        until_it_writes(&lets_in, Err(Errno::AGAIN));
        let began = Instant::now();
        until_it_writes(&lets_in, Ok(()));
        assert!(began.elapsed() >= RETRY_INTERVAL / 2, "{:?}", began.elapsed());
        lines.flush(Duration::from_secs(60));
    }

    #[test]
    fn a_write_that_ends_late_ends_the_waits() {
        let (lines, lets_in) = gate();
        lines.push("one");
        until_it_writes(&lets_in, Err(Errno::AGAIN));
        while !lines.desk.lock().is_stuck {
            std::thread::yield_now();
        }
        lines.flush(Duration::from_secs(60));
        until_it_writes(&lets_in, Ok(()));
        while lines.desk.lock().is_stuck {
            std::thread::yield_now();
        }
        std::thread::scope(|scope| {
            lines.push("two");
            scope.spawn(|| lines.flush(Duration::from_secs(60)));
            while lines.desk.lock().waiting.is_empty() && !lines.desk.lock().queue.is_empty() {
                std::thread::yield_now();
            }
            until_it_writes(&lets_in, Ok(()));
        });
        assert_eq!(*lines.place.said.lock(), ["one", "two"]);
    }

    #[test]
    fn a_short_wait_in_vain_spares_others_as_short_a_wait_and_no_longer_one() {
        const SHORT: Duration = Duration::from_millis(20);
        let (lines, lets_in) = gate();
        lines.push("last");
        lines.flush(SHORT);
        assert_eq!(lines.desk.lock().waited_in_vain, SHORT);
        lines.flush(SHORT);
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| lines.flush(Duration::from_secs(60)));
            while lines.desk.lock().waiting.is_empty() {
                assert!(!waits.is_finished(), "it waits as well");
                std::thread::yield_now();
            }
            until_it_writes(&lets_in, Ok(()));
        });
        assert_eq!(*lines.place.said.lock(), ["last"]);
        assert_eq!(lines.desk.lock().waited_in_vain, Duration::ZERO, "a write has succeeded");
    }

    #[test]
    #[cfg(any(direct_calls, futex))]
    fn a_thread_that_is_cancelled_does_not_wait_and_spares_no_other_its_wait() {
        let (lines, lets_in) = gate();
        lines.push("last");
        let began = Instant::now();
        as_if_cancelled(|| lines.flush(Duration::from_secs(60)));
        assert!(began.elapsed() < Duration::from_secs(30), "none of its sleeps lasts");
        let desk = lines.desk.lock();
        assert!(desk.waiting.is_empty() && desk.waited_in_vain.is_zero());
        drop(desk);
        until_it_writes(&lets_in, Ok(()));
        lines.flush(Duration::from_secs(60));
        assert_eq!(*lines.place.said.lock(), ["last"]);
    }

    #[test]
    fn without_a_writer_the_thread_that_waits_writes_what_it_can() {
        let (lets_in, lets) = sync_channel(8);
        let gate = Gate { lets: Lock::new(lets), said: Lock::default(), refusals: Lock::default() };
        let lines: &'static LineWriter<Gate> = Box::leak(Box::new(LineWriter::new(gate)));
        let refused = faults::refuse(Call::Thread, Errno::AGAIN, 5);
        ["one....", "two....", "three..", "four...", "lost"].iter().for_each(|line| lines.push(line));
        drop(refused);
        lines.flush(Duration::from_secs(60));
        assert_eq!(*lines.place.refusals.lock(), [Errno::AGAIN], "nothing lets it write");
        (0..2).for_each(|_| lets_in.send(Ok(())).unwrap());
        lines.flush(Duration::from_secs(60));
        assert_eq!(*lines.place.said.lock(), ["one....", "two...."]);
        (0..3).for_each(|_| lets_in.send(Ok(())).unwrap());
        lines.flush(Duration::from_secs(60));
        assert_eq!(lines.place.said.lock()[2..], ["three..", "four...", "1 lost"]);
        assert_eq!(lines.place.refusals.lock().len(), 1, "told once");
        // A line that finds a thread for the writer again goes its usual way.
        lines.push("five");
        lets_in.send(Ok(())).unwrap();
        lines.flush(Duration::from_secs(60));
        assert_eq!(lines.place.said.lock().last().unwrap(), "five");
    }
}
