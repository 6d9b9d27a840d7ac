//! The log: a line for each event that the program asks for, on stderr or in a file (`FERROZMQ_LOG`, `FERROZMQ_LOG_FILE`).
//!
//! | file | what |
//! |---|---|
//! | `filter` | levels and subsystems, and the text that stands for them; pure |
//! | `notice` | lines of one kind, and the number of those left out |
//! | `shortage` | what is refused for want of descriptors, memory or threads |
//! | `line` | a line as text; pure |
//! | `output` | stderr and the file: each has a thread that writes, and lines that wait for it |
//! | `file` | the file: opened, followed when it is moved |
//!
//! Laws: nothing is written that was not asked for, but for complaints about what was asked for in vain. No line is about a
//! message. A thread that has a line never waits for the place where it goes, but a moment for errors. Lines for which there is no room
//! are counted, and a line says how many they were.

mod file;
mod filter;
mod line;
mod notice;
mod output;
pub mod shortage;

pub use file::LogFile;
pub use filter::{Filter, Level, Subsystem};
pub use line::is_hidden;
pub use notice::Notice;

use super::environment;
use super::fork::SetOnce;
use super::thread_state::ThreadState;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

/// Name of an environment variable: what is logged.
pub const LOG: &str = "FERROZMQ_LOG";
/// Name of an environment variable: the file that lines go to.
pub const LOG_FILE: &str = "FERROZMQ_LOG_FILE";

/// Says in [`FILTER`] that the environment was looked at.
const LOOKED: u64 = 1 << 63;
/// Says in [`FILTER`] that the environment has its say, and nothing else has.
const BY_ENVIRONMENT: u64 = 1 << 62;

/// The bits of the [`Filter`], and above them what is known of the environment. Written by the thread that looks first, and where a
/// security file is read. Any thread reads it. A late read loses a line at the moment of change, so Relaxed.
static FILTER: AtomicU64 = AtomicU64::new(0);
/// Set once. A forked child goes on with it.
static PATH: SetOnce<PathBuf> = SetOnce::new();

/// What a line is about, and how much it matters.
pub type About = (Subsystem, Level);

/// Whether lines of a subsystem and a level are written. One load, but for the first time in a process.
#[inline]
pub fn is_on(subsystem: Subsystem, level: Level) -> bool {
    filter().lets(subsystem, level)
}

/// Writes a line, asked for or not: something that was asked for cannot be done. It goes to stderr, and to the file as well where
/// there is one.
pub fn complain(about: About, line: fmt::Arguments<'_>) {
    filter();
    tell_anyway(about, line);
}

/// Takes over what a security file says of the log. What the environment says wins. The first file of lines that is named stays the
/// process's: `false` where that is another one.
pub fn configure(filter: Filter, path: Option<&Path>) -> bool {
    let known = FILTER.load(Ordering::Relaxed);
    let known = if known & LOOKED == 0 { look() } else { known };
    if known & BY_ENVIRONMENT == 0 {
        FILTER.store(LOOKED | u64::from(filter.bits()), Ordering::Relaxed);
    }
    path.is_none_or(|path| PATH.get_or_make(|| absolute(path)) == &absolute(path))
}

#[inline]
fn filter() -> Filter {
    let known = FILTER.load(Ordering::Relaxed);
    let known = if known & LOOKED == 0 { look() } else { known };
    // The filter's own bits.
    Filter::of_bits(u32::try_from(known & u64::from(u32::MAX)).unwrap_or(0))
}

/// Looks at the environment. Threads that do so at the same time do not wait for each other, and what the first has found counts.
#[cold]
fn look() -> u64 {
    // A program with more rights than its caller may be asked for lines on the caller's stderr, and for no file.
    let text = std::env::var_os(LOG).filter(|text| !text.is_empty());
    let (filter, complaint) =
        text.as_ref().map(|text| Filter::parse(&text.to_string_lossy())).unwrap_or_default();
    if let Some(path) = environment::variable(LOG_FILE).filter(|path| !path.is_empty()) {
        PATH.set(absolute(Path::new(&path)));
    }
    let known = LOOKED | if text.is_some() { BY_ENVIRONMENT } else { 0 } | u64::from(filter.bits());
    if let Err(other) = FILTER.compare_exchange(0, known, Ordering::Relaxed, Ordering::Relaxed) {
        return other;
    }
    if let Some(complaint) = complaint {
        tell_anyway((Subsystem::Stats, Level::Error), format_args!("{LOG}: {complaint}"));
    }
    known
}

/// The program may change its directory.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Milliseconds since the first line.
fn now_ms() -> u64 {
    static BEGAN: SetOnce<Instant> = SetOnce::new();
    u64::try_from(BEGAN.get_or_make(Instant::now).elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Writes a line to the file, or to stderr where there is none.
fn tell(about: About, text: fmt::Arguments<'_>) {
    if PATH.get().is_some() {
        output::to_file(&in_file(about, text), waits(about));
    } else {
        output::to_stderr(&line::on_stderr(text), waits(about));
    }
}

/// Writes a line to stderr, and to the file as well.
fn tell_anyway(about: About, text: fmt::Arguments<'_>) {
    if PATH.get().is_some() {
        output::to_file(&in_file(about, text), false);
    }
    output::to_stderr(&line::on_stderr(text), waits(about));
}

/// Whether the thread waits a moment for the line: many programs give up at an error, and end without a last act of the library. The
/// library's own threads never wait: peers would, for them.
fn waits((_, level): About) -> bool {
    level == Level::Error && !ThreadState::current().is_ours()
}

/// A line in the form that it has in a file, with what is known here.
fn in_file(about: About, text: fmt::Arguments<'_>) -> String {
    line::in_file(SystemTime::now(), std::process::id(), about, text)
}

/// Waits a moment until the lines are where they go.
pub fn flush() {
    output::flush();
}

/// Whether lines go to a file.
pub fn has_file() -> bool {
    filter();
    PATH.get().is_some()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sys::thread::{self, ThreadSettings};
    use std::sync::mpsc::channel;

    #[test]
    fn the_programs_threads_wait_for_errors_and_the_librarys_for_nothing() {
        let error = (Subsystem::Security, Level::Error);
        assert!(waits(error) && !waits((Subsystem::Security, Level::Warn)));
        let (tell, told) = channel();
        let run = move || tell.send(waits(error)).unwrap();
        thread::spawn(&ThreadSettings::default(), "test", run).unwrap().join();
        assert!(!told.recv().unwrap());
    }
}
