//! The trail of a process: its lines, and the file that they go to.

use super::file::TrailFile;
use super::record::{Event, Process, Record};
use crate::errno::{Errno, Result};
use crate::sys::cancel::CancelOff;
use crate::sys::contain::contain;
use crate::sys::lines::{LineWriter, Place};
use crate::sys::log::{self, Level, Subsystem};
use crate::sys::thread_state::ThreadState;
use std::path::PathBuf;
use std::time::Duration;

/// How long a process waits for its last records.
pub const MAX_FLUSH_WAIT: Duration = Duration::from_secs(1);

/// The trail of one process.
pub type Trail = LineWriter<TrailPlace>;

/// Where a trail goes.
pub struct TrailPlace {
    path: PathBuf,
    pub process: Process,
}

impl TrailPlace {
    pub fn new(path: PathBuf) -> TrailPlace {
        TrailPlace { path, process: this_process() }
    }
}

impl Place for TrailPlace {
    type Open = Option<TrailFile>;
    const THREAD: &'static str = "ZMQbg/audit";
    /// Some 2,500 records.
    const MAX_QUEUED_BYTES: usize = 1 << 20;

    fn write(&self, open: &mut Option<TrailFile>, lines: &[u8], patience: Duration) -> Result<usize> {
        let file = match open {
            Some(file) => file,
            None => open.insert(TrailFile::open(&self.path)?),
        };
        file.write(lines, patience)
    }

    fn gap(&self, lost: u64) -> String {
        Record { lost: Some(lost), ..Record::new(Event::Gap) }.line(&self.process)
    }

    fn refused(&self, why: Errno) {
        let (path, why) = (self.path.display(), std::io::Error::from_raw_os_error(why.0));
        log::complain(
            (Subsystem::Security, Level::Error),
            format_args!("the audit trail cannot be written to {path}: {why}; records wait"),
        );
    }

    fn last_act() -> extern "C" fn() {
        flush_at_exit
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
    use super::*;
    use crate::audit::testing::Folder;
    use std::fs::{self, File};
    use std::io::{BufRead, BufReader};
    use std::time::Instant;

    const MAX_QUEUED_BYTES: usize = TrailPlace::MAX_QUEUED_BYTES;

    /// A trail lives as long as its process.
    fn trail(path: PathBuf) -> &'static Trail {
        Box::leak(Box::new(Trail::new(TrailPlace::new(path))))
    }

    fn waits_for_nothing(trail: &Trail) -> bool {
        let began = Instant::now();
        trail.flush(MAX_FLUSH_WAIT);
        began.elapsed() < MAX_FLUSH_WAIT
    }

    #[test]
    fn what_is_recorded_is_there_once_it_is_flushed() {
        let folder = Folder::new("flush");
        let path = folder.path("trail");
        let trail = trail(path.clone());
        trail.flush(MAX_FLUSH_WAIT);
        assert!(!path.exists(), "no record, no file and no thread");
        for round in 1..100 {
            trail.push(&format!("line {round}"));
            trail.flush(MAX_FLUSH_WAIT);
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
        trails.iter().for_each(|trail| trail.flush(MAX_FLUSH_WAIT));
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
        // It cannot be written, so no thread waits for it.
        while !waits_for_nothing(trail) {
            std::thread::yield_now();
        }
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
