//! One thread of the process writes, made at its first record. A disk that stalls holds up this thread alone.
//!
//! What cannot be written waits, and is tried again every second: first with the writer, then in the queue, until that is full.
//! Only then is a record lost, and counted.

use super::file::TrailFile;
use super::queue::Queue;
use super::record::{Event, Process, Record};
use crate::errno::{Errno, Result};
use crate::sys::cancel::CancelOff;
use crate::sys::contain::contain;
use crate::sys::exit::at_exit;
use crate::sys::fork::PerProcess;
use crate::sys::lock::Lock;
use crate::sys::log::{self, Level, Subsystem};
use crate::sys::park::Parker;
use crate::sys::retry::rest;
use crate::sys::thread::{self, ThreadSettings};
use crate::sys::thread_state::ThreadState;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the writer waits after it could not write.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How long [`flush`](Trail::flush) waits at most.
const MAX_FLUSH_WAIT: Duration = Duration::from_secs(1);

/// The trail of one process.
pub struct Trail {
    path: PathBuf,
    process: Process,
    desk: Lock<Desk>,
    /// Where the writer sleeps.
    writer: Parker,
}

/// What the threads that have records and the writer share.
#[derive(Default)]
struct Desk {
    queue: Queue,
    has_writer: bool,
    /// The writer has taken lines that it has not written yet.
    is_writing: bool,
    /// The last write was refused.
    is_stuck: bool,
    /// Threads that wait until all is written.
    waiting: Vec<Arc<Parker>>,
}

impl Trail {
    pub fn new(path: PathBuf) -> Trail {
        Trail { path, process: this_process(), desk: Lock::default(), writer: Parker::new() }
    }

    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Keeps a line until the writer comes for it.
    pub fn push(&'static self, line: &str) {
        let mut desk = self.desk.lock();
        desk.queue.push(line);
        let starts = !std::mem::replace(&mut desk.has_writer, true);
        drop(desk);
        if !starts {
            self.writer.unpark();
        } else if thread::spawn(&ThreadSettings::default(), "ZMQbg/audit", || self.write()).is_err() {
            // The next record tries again. What waits does not fit some time, and is counted.
            self.desk.lock().has_writer = false;
        }
    }

    /// Waits until all is written, and no longer than a moment; not at all where nothing can be written.
    pub fn flush(&self) {
        let parker = Arc::new(Parker::new());
        let deadline = Instant::now() + MAX_FLUSH_WAIT;
        loop {
            let mut desk = self.desk.lock();
            let done = desk.queue.is_empty() && !desk.is_writing;
            let left = deadline.saturating_duration_since(Instant::now());
            if done || desk.is_stuck || !desk.has_writer || left.is_zero() {
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

    /// The writer's life.
    fn write(&'static self) {
        static LAST_ACT: PerProcess<bool> = PerProcess::new();
        LAST_ACT.find_or_make(|| at_exit(flush_at_exit));
        let mut file = None;
        loop {
            let taken = self.take();
            if taken.is_empty() {
                // The token of a record that comes now ends the wait.
                let _ = self.writer.park(None);
                continue;
            }
            let mut lines = taken.lines;
            if taken.lost > 0 {
                let gap = Record { lost: Some(taken.lost), ..Record::new(Event::Gap) };
                lines.extend_from_slice(gap.line(&self.process).as_bytes());
                lines.push(b'\n');
            }
            self.write_all(&lines, &mut file);
        }
    }

    /// What waits. Where that is nothing, those that wait for it are told.
    fn take(&self) -> Queue {
        let mut desk = self.desk.lock();
        let taken = desk.queue.take();
        desk.is_writing = !taken.is_empty();
        let waiting = if desk.is_writing { Vec::new() } else { std::mem::take(&mut desk.waiting) };
        drop(desk);
        waiting.iter().for_each(|parker| parker.unpark());
        taken
    }

    /// Writes all of the lines, however long that takes.
    fn write_all(&self, lines: &[u8], file: &mut Option<TrailFile>) {
        let mut rest_of_lines = lines;
        while !rest_of_lines.is_empty() {
            match self.write_some(rest_of_lines, file) {
                Ok(written) => {
                    rest_of_lines = rest_of_lines.get(written..).unwrap_or_default();
                    self.set_stuck(None);
                }
                Err(errno) => {
                    self.set_stuck(Some(errno));
                    if !errno.would_block() {
                        rest(RETRY_INTERVAL);
                    }
                }
            }
        }
    }

    fn write_some(&self, lines: &[u8], file: &mut Option<TrailFile>) -> Result<usize> {
        let open = match file {
            Some(open) => open,
            None => file.insert(TrailFile::open(&self.path)?),
        };
        open.write(lines, RETRY_INTERVAL)
    }

    /// Notes whether the last write was refused. That is told once, when it begins.
    fn set_stuck(&self, why: Option<Errno>) {
        let mut desk = self.desk.lock();
        let was_stuck = std::mem::replace(&mut desk.is_stuck, why.is_some());
        let waiting = if why.is_some() { std::mem::take(&mut desk.waiting) } else { Vec::new() };
        drop(desk);
        waiting.iter().for_each(|parker| parker.unpark());
        if let Some(errno) = why
            && !was_stuck
        {
            let (path, why) = (self.path.display(), std::io::Error::from_raw_os_error(errno.0));
            log::complain(
                (Subsystem::Security, Level::Error),
                format_args!("the audit trail cannot be written to {path}: {why}; records wait"),
            );
        }
    }
}

pub fn this_process() -> Process {
    Process { id: std::process::id(), name: process_name() }
}

/// The name that the system shows for the process.
fn process_name() -> Vec<u8> {
    let _off = CancelOff::for_call(ThreadState::current());
    let name = std::fs::read("/proc/self/comm").ok().filter(|name| !name.is_empty());
    let mut name = name.unwrap_or_else(|| {
        let program = std::env::current_exe().unwrap_or_default();
        program.file_name().map(|name| name.as_encoded_bytes().to_vec()).unwrap_or_default()
    });
    if name.last() == Some(&b'\n') {
        name.pop();
    }
    name
}

extern "C" fn flush_at_exit() {
    contain(super::flush);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::super::queue::MAX_QUEUED_BYTES;
    use super::*;
    use crate::audit::testing::Folder;
    use std::fs::{self, File};
    use std::io::{BufRead, BufReader};

    /// A trail lives as long as its process.
    fn trail(path: PathBuf) -> &'static Trail {
        Box::leak(Box::new(Trail::new(path)))
    }

    #[test]
    fn what_is_recorded_is_there_once_it_is_flushed() {
        let folder = Folder::new("flush");
        let path = folder.path("trail");
        let trail = trail(path.clone());
        trail.flush();
        assert!(!path.exists(), "no record, no file and no thread");
        for round in 1..100 {
            trail.push(&format!("line {round}"));
            trail.flush();
            assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), round);
        }
    }

    #[test]
    fn lines_of_many_threads_and_writers_stay_whole() {
        let folder = Folder::new("many");
        let path = folder.path("trail");
        let trails = [0, 1, 2].map(|_| trail(path.clone()));
        std::thread::scope(|scope| {
            for number in 0..6 {
                let trail = trails[number % 3];
                scope.spawn(move || (0..500).for_each(|line| trail.push(&format!("{number} {line:0200}"))));
            }
        });
        trails.iter().for_each(|trail| trail.flush());
        let text = fs::read_to_string(&path).unwrap();
        for number in 0..6 {
            let of_thread = text.lines().filter_map(|line| line.strip_prefix(&format!("{number} ")));
            let lines: Vec<usize> = of_thread.map(|line| line.parse().unwrap()).collect();
            assert_eq!(lines, (0..500).collect::<Vec<_>>());
        }
        assert_eq!(text.lines().count(), 3000);
    }

    #[test]
    fn what_nobody_reads_waits_and_what_does_not_fit_is_a_gap() {
        let folder = Folder::new("gap");
        let path = folder.fifo("pipe");
        let trail = trail(path.clone());
        trail.push("first");
        while !trail.desk.lock().is_stuck {
            std::thread::yield_now();
        }
        let began = Instant::now();
        trail.flush();
        assert!(began.elapsed() < MAX_FLUSH_WAIT, "it cannot be written");
        let fit = MAX_QUEUED_BYTES / 1024;
        (0..fit + 17).for_each(|line| trail.push(&format!("{line:01023}")));
        let mut lines = BufReader::new(File::open(&path).unwrap()).lines().map(|line| line.unwrap());
        assert_eq!(lines.next().unwrap(), "first");
        for expected in 0..fit {
            assert_eq!(lines.next().unwrap().parse(), Ok(expected));
        }
        let gap = lines.next().unwrap();
        let end = format!(",\"pid\":{},\"process\":", std::process::id());
        assert!(gap.contains(&end) && gap.ends_with(",\"event\":\"gap\",\"lost\":17}"), "{gap}");
        trail.push("later");
        assert_eq!(lines.next().unwrap(), "later");
    }
}
