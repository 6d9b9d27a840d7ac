//! Where lines of the log go: stderr and the file, each with a thread of its own. A full pipe or a stalled disk holds up that thread alone.

use super::file::LogFile;
use super::{LOG_FILE, PATH, line};
use crate::errno::{Errno, Result};
use crate::sys::cancel::CancelOff;
use crate::sys::contain::contain;
use crate::sys::fork::PerProcess;
use crate::sys::lines::{LineWriter, Place, whole_lines};
use crate::sys::poll::{PollFd, poll};
use crate::sys::thread_state::ThreadState;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Bytes of one write to a file.
const MAX_FILE_WRITE_BYTES: usize = 64 * 1024;
/// How long a thread waits for a line that may be the last one before the program gives up.
const MAX_ERROR_WAIT: Duration = Duration::from_millis(20);
/// How long a process waits for its last lines.
const MAX_LAST_WAIT: Duration = Duration::from_secs(1);

static STDERR: PerProcess<LineWriter<Stderr>> = PerProcess::new();
static FILE: PerProcess<LineWriter<FilePlace>> = PerProcess::new();

/// Leaves a line for stderr. `waits`: the caller waits a moment until it is there.
pub fn to_stderr(text: &str, waits: bool) {
    let lines = STDERR.find_or_make(|| LineWriter::new(Stderr));
    lines.push(text);
    if waits {
        wait(lines);
    }
}

/// As [`to_stderr`], for the file. A file that cannot be opened is told of, and its lines go to stderr.
pub fn to_file(text: &str, waits: bool) {
    let lines = FILE.find_or_make(|| LineWriter::new(FilePlace::default()));
    lines.push(text);
    if waits {
        wait(lines);
    }
}

fn wait<P: Place>(lines: &LineWriter<P>) {
    // A thread that is cancelled ends in the call that it has made, and not here.
    let _off = CancelOff::for_call(ThreadState::current());
    lines.flush(MAX_ERROR_WAIT);
}

/// Waits until lines are written, and no longer than a moment.
pub fn flush() {
    let _off = CancelOff::for_call(ThreadState::current());
    flush_for(MAX_ERROR_WAIT);
}

extern "C" fn flush_at_exit() {
    contain(|| flush_for(MAX_LAST_WAIT));
}

/// The file first: it leaves lines for stderr where it cannot be opened.
fn flush_for(most: Duration) {
    if let Some(lines) = FILE.find() {
        lines.flush(most);
    }
    if let Some(lines) = STDERR.find() {
        lines.flush(most);
    }
}

/// What is said in the place of lines that were left out.
fn gap(lost: u64) -> String {
    format!("{lost} lines of the log left out: there was no room for them")
}

struct Stderr;

impl Place for Stderr {
    type Open = ();
    const THREAD: &'static str = "ZMQbg/log";
    const MAX_QUEUED_BYTES: usize = 64 * 1024;

    /// A pipe with room takes a page at once, in one piece (poll(2), pipe(7)). Where stderr is closed, or no reader is left, lines are gone.
    fn write(&self, (): &mut (), lines: &[u8], patience: Duration) -> Result<usize> {
        let mut fds = [PollFd { fd: libc::STDERR_FILENO, events: libc::POLLOUT, revents: 0 }];
        if poll(&mut fds, Some(patience)) != Ok(1) {
            return Err(Errno::AGAIN);
        }
        let piece = whole_lines(lines, line::MAX_LINE_BYTES);
        // SAFETY: the buffer outlives the call, and the number is that of stderr or of none.
        let written = unsafe { libc::write(libc::STDERR_FILENO, piece.as_ptr().cast(), piece.len()) };
        match Errno::last() {
            Errno::INTR | Errno::AGAIN if written < 0 => Err(Errno::AGAIN),
            // A part of a line is what others see as well, and is not said again.
            _ => Ok(piece.len()),
        }
    }

    fn gap(&self, lost: u64) -> String {
        line::on_stderr(format_args!("{}", gap(lost)))
    }

    fn refused(&self, _why: Errno) {}

    fn last_act() -> extern "C" fn() {
        flush_at_exit
    }
}

#[derive(Default)]
struct FilePlace {
    /// That it cannot be opened was told. The writer alone uses it, so Relaxed.
    is_told: AtomicBool,
}

/// What the writer has open.
#[derive(Default)]
struct OpenFile {
    file: Option<Arc<LogFile>>,
    /// The last write ended in the middle of a line.
    is_torn: bool,
}

impl Place for FilePlace {
    type Open = OpenFile;
    const THREAD: &'static str = "ZMQbg/logfile";
    const MAX_QUEUED_BYTES: usize = 256 * 1024;

    fn write(&self, open: &mut OpenFile, lines: &[u8], patience: Duration) -> Result<usize> {
        let Some(path) = PATH.get() else { return Ok(lines.len()) };
        let opened = match &open.file {
            Some(file) => Ok(file.followed(path)),
            None => LogFile::open(path).map(Arc::new),
        };
        match opened {
            Ok(file) => {
                write(Arc::clone(open.file.insert(file)).as_ref(), &mut open.is_torn, lines, patience)
            }
            Err(error) => {
                self.give_to_stderr(path, &error, lines);
                Ok(lines.len())
            }
        }
    }

    fn gap(&self, lost: u64) -> String {
        super::in_file((super::Subsystem::Stats, super::Level::Warn), format_args!("{}", gap(lost)))
    }

    fn refused(&self, why: Errno) {
        // A pipe that is full is none of the file's faults.
        if !why.would_block()
            && let Some(path) = PATH.get()
        {
            let why = std::io::Error::from_raw_os_error(why.0);
            let text = format_args!("{LOG_FILE}={}: {why}: lines wait", path.display());
            to_stderr(&line::on_stderr(text), false);
        }
    }

    fn last_act() -> extern "C" fn() {
        flush_at_exit
    }
}

impl FilePlace {
    fn give_to_stderr(&self, path: &Path, error: &std::io::Error, lines: &[u8]) {
        if !self.is_told.swap(true, Ordering::Relaxed) {
            let text = format_args!("{LOG_FILE}={}: {error}: lines go to stderr", path.display());
            to_stderr(&line::on_stderr(text), false);
        }
        let lines = String::from_utf8_lossy(lines);
        lines.lines().for_each(|line| to_stderr(line, false));
    }
}

/// Writes what goes into one write. A line that was cut short is ended first, and then written whole.
fn write(file: &LogFile, is_torn: &mut bool, lines: &[u8], patience: Duration) -> Result<usize> {
    if *is_torn {
        file.write(b"\n", patience)?;
        *is_torn = false;
    }
    let most = if file.is_regular() { MAX_FILE_WRITE_BYTES } else { line::MAX_LINE_BYTES };
    let piece = whole_lines(lines, most);
    let written = file.write(piece, patience)?;
    let whole = piece.get(..written).map_or(0, |written| whole_lines(written, most).len());
    *is_torn = whole < written;
    if whole == 0 { Err(Errno(libc::ENOSPC)) } else { Ok(whole) }
}
