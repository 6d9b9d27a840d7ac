//! The audit trail: a line of JSON for each authentication, denial, ban, refused bind or connect, change of keys and fallback
//! (`FERROZMQ_AUDIT=FILE`).
//!
//! | file | what |
//! |---|---|
//! | `record` | a record, and its line |
//! | `writer` | the lines that wait, and the place where they go |
//! | `file` | the file: opened, followed when it is moved, whole lines |
//!
//! A file with something to record asks [`is_on`] first, and makes the [`Record`] only then. [`record()`] never waits for the file.
//! A forked child writes to the same file, with a queue and a writer of its own.
//!
//! No record holds a secret, a password, or a part of a message.

#![forbid(unsafe_code)]

mod file;
mod record;
#[cfg(test)]
mod testing;
mod writer;

pub use record::{Direction, Event, Outcome, Process, Record};

use crate::errno::{Errno, Result};
use crate::sys::cancel::CancelOff;
use crate::sys::environment;
use crate::sys::fork::{PerProcess, SetOnce};
use crate::sys::log::{self, Level, Subsystem};
use crate::sys::thread_state::ThreadState;
use file::TrailFile;
pub use file::is_refused_link;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use writer::{MAX_FLUSH_WAIT, Trail, TrailPlace};

/// The variable of the environment that names the file.
pub const AUDIT: &str = "FERROZMQ_AUDIT";

/// Written once, when `PATH` is set, by any thread; read by any thread before it makes a record. A late read loses a record at the
/// moment of switching on. `PATH` has its own edge; so Relaxed.
static ON: AtomicBool = AtomicBool::new(false);
static PATH: SetOnce<PathBuf> = SetOnce::new();
static TRAIL: PerProcess<Trail> = PerProcess::new();

/// Whether records are written.
#[inline]
pub fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// Switches the trail on if the environment asks for it; looks at the first call alone. A file that cannot be written does not
/// stop the program: that is said on stderr, and the records wait for it.
pub fn begin_by_environment() {
    static ASKED: SetOnce<Option<PathBuf>> = SetOnce::new();
    /// A thread tries the file, or has. One thread sets it, any reads it; it makes no edge, so Relaxed.
    static IS_TRIED: AtomicBool = AtomicBool::new(false);
    let Some(path) = ASKED.get_or_make(|| environment::variable(AUDIT).map(PathBuf::from)) else { return };
    let about = (Subsystem::Security, Level::Error);
    let is_empty = path.as_os_str().is_empty();
    // Each thread that comes switches the trail on, so that it loses no record. None waits for the one that tries the file, which a
    // file system or a full stderr may hold up: a forked child may not have that thread.
    let taken = if is_empty { Ok(()) } else { take_on(path).map(drop) };
    if IS_TRIED.swap(true, Ordering::Relaxed) {
        return;
    }
    if is_empty {
        let line = format_args!("{AUDIT} is set and names no file: no records are written");
        return log::complain(about, line);
    }
    if let Err(errno) = taken.and_then(|()| switch_on(path)) {
        let why = std::io::Error::from_raw_os_error(errno.0);
        let hint = if is_refused_link(path) { ": name the file that the link leads to" } else { "" };
        let (path, why) = (path.display(), format_args!("{why}{hint}"));
        log::complain(about, format_args!("{AUDIT}={path}: {why}"));
    }
}

/// Writes the trail of this process to `path` from now on, and to no other file later: where there is one already it stays, as that
/// of the environment does. The file is opened once, so that a mistake is known at once; also then the trail is on, and
/// the file is tried again.
///
/// Errors: those of open(2); `EEXIST` where the trail is written to another file.
pub fn switch_on(path: &Path) -> Result<()> {
    let _off = CancelOff::for_call(ThreadState::current());
    TrailFile::open(&take_on(path)?).map(drop)
}

/// Has records written to the file from now on; its absolute path. Errors: as for [`switch_on`], but for those of open(2).
fn take_on(path: &Path) -> Result<PathBuf> {
    // The program may change its directory.
    let path = std::path::absolute(path)?;
    if PATH.get_or_make(|| path.clone()) != &path {
        return Err(Errno::EXIST);
    }
    ON.store(true, Ordering::Relaxed);
    Ok(path)
}

/// Adds a record to the trail, if that is on.
pub fn record(record: &Record) {
    if let Some(trail) = trail() {
        trail.push(&record.line(&trail.place().process));
    }
}

/// The line of a record, as it would be written.
pub fn line(record: &Record) -> String {
    static PROCESS: PerProcess<Process> = PerProcess::new();
    match trail() {
        Some(trail) => record.line(&trail.place().process),
        None => record.line(PROCESS.find_or_make(writer::this_process)),
    }
}

/// Waits until what was recorded is written, for a second at most.
pub fn flush() {
    // Of calls that end no thread, and of the process's last act.
    let _off = CancelOff::for_whole_call(ThreadState::current());
    if let Some(trail) = TRAIL.find() {
        trail.flush(MAX_FLUSH_WAIT);
    }
}

fn trail() -> Option<&'static Trail> {
    if !is_on() {
        return None;
    }
    let path = PATH.get()?;
    Some(TRAIL.find_or_make(|| Trail::new(TrailPlace::new(path.clone()))))
}
