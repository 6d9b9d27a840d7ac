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
use std::ffi::c_int;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

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
        // The line may be of a call that ends no thread.
        let _off = CancelOff::for_whole_call(ThreadState::current());
        lines.flush(MAX_ERROR_WAIT);
    }
}

/// As [`to_stderr`], for the file. A file that cannot be opened is told of, and its lines go to stderr.
pub fn to_file(text: &str, waits: bool) {
    let lines = FILE.find_or_make(|| LineWriter::new(FilePlace::default()));
    lines.push(text);
    if waits {
        flush();
    }
}

/// Waits until lines are written, and no longer than a moment.
pub fn flush() {
    flush_for(MAX_ERROR_WAIT);
}

extern "C" fn flush_at_exit() {
    contain(|| flush_for(MAX_LAST_WAIT));
}

/// The file first: it leaves lines for stderr where it cannot be opened. Both together take no longer than `most`.
fn flush_for(most: Duration) {
    let _off = CancelOff::for_whole_call(ThreadState::current());
    let began = Instant::now();
    if let Some(lines) = FILE.find() {
        lines.flush(most);
    }
    if let Some(lines) = STDERR.find() {
        lines.flush(most.saturating_sub(began.elapsed()));
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
        write_to(libc::STDERR_FILENO, lines, patience)
    }

    fn gap(&self, lost: u64) -> String {
        line::on_stderr(format_args!("{}", gap(lost)))
    }

    fn refused(&self, _why: Errno) {}

    fn last_act() -> extern "C" fn() {
        flush_at_exit
    }
}

/// Errors: `EAGAIN` where there is no room; those of poll(2), `ENOSPC` and `EDQUOT`. By any other the lines are gone.
fn write_to(fd: c_int, lines: &[u8], patience: Duration) -> Result<usize> {
    let mut fds = [PollFd { fd, events: libc::POLLOUT, revents: 0 }];
    match poll(&mut fds, Some(patience)) {
        Ok(0) | Err(Errno::INTR) => return Err(Errno::AGAIN),
        Ok(_) => {}
        Err(errno) => return Err(errno),
    }
    let piece = whole_lines(lines, line::MAX_LINE_BYTES);
    // SAFETY: the buffer outlives the call, and the number is that of an open file or of none.
    let written = unsafe { libc::write(fd, piece.as_ptr().cast(), piece.len()) };
    if let Ok(written) = usize::try_from(written) {
        return Ok(with_cut_line(piece, written));
    }
    match Errno::last() {
        Errno::INTR | Errno::AGAIN => Err(Errno::AGAIN),
        full @ (Errno(libc::ENOSPC) | Errno(libc::EDQUOT)) => Err(full),
        _ => Ok(piece.len()),
    }
}

/// Bytes of the lines of which something was written: a part of a line is what others see as well, and is not said again.
fn with_cut_line(piece: &[u8], written: usize) -> usize {
    let last = written.saturating_sub(1);
    let rest = piece.get(last..).unwrap_or_default();
    rest.iter().position(|byte| *byte == b'\n').map_or(piece.len(), |more| last + more + 1)
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

impl OpenFile {
    /// The file at the path. One that is new there has no line that was cut short. Errors: those of [`LogFile::open`].
    fn at(&mut self, path: &Path) -> std::io::Result<Arc<LogFile>> {
        let file = match &self.file {
            Some(file) => file.followed(path),
            None => Arc::new(LogFile::open(path)?),
        };
        self.is_torn &= self.file.as_ref().is_some_and(|last| Arc::ptr_eq(last, &file));
        Ok(Arc::clone(self.file.insert(file)))
    }
}

impl Place for FilePlace {
    type Open = OpenFile;
    const THREAD: &'static str = "ZMQbg/logfile";
    const MAX_QUEUED_BYTES: usize = 256 * 1024;

    fn write(&self, open: &mut OpenFile, lines: &[u8], patience: Duration) -> Result<usize> {
        let Some(path) = PATH.get() else { return Ok(lines.len()) };
        match open.at(path) {
            Ok(file) => write(&file, &mut open.is_torn, lines, patience),
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs::OpenOptions;
    use std::io::Read;
    use std::os::fd::AsRawFd;

    #[test]
    fn a_line_that_was_cut_is_not_said_again_and_those_behind_it_are() {
        let piece = b"one\ntwo\nthree\n";
        for (written, through) in [(1, 4), (4, 4), (5, 8), (8, 8), (9, 14), (14, 14)] {
            assert_eq!(with_cut_line(piece, written), through, "{written} bytes");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_keeps_the_lines_waiting() {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        assert_eq!(write_to(full.as_raw_fd(), b"one\ntwo\n", Duration::ZERO), Err(Errno(libc::ENOSPC)));
    }

    #[test]
    fn a_line_that_was_cut_is_ended_in_its_own_file_alone() {
        let folder = std::env::temp_dir().join(format!("ferrozmq-log-torn-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (path, moved) = (folder.join("log"), folder.join("log.1"));
        let mut open = OpenFile::default();
        let mut say = |lines: &[u8]| {
            let file = open.at(&path).unwrap();
            write(&file, &mut open.is_torn, lines, Duration::ZERO).unwrap();
            // As if the disk had been full before the end of a line.
            open.is_torn = true;
        };
        say(b"one\n");
        say(b"two\n");
        std::fs::rename(&path, &moved).unwrap();
        say(b"three\n");
        assert_eq!(std::fs::read(&moved).unwrap(), b"one\n\ntwo\n");
        assert_eq!(std::fs::read(&path).unwrap(), b"three\n");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_pipe_takes_lines_and_one_without_a_reader_swallows_them() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        assert_eq!(write_to(writer.as_raw_fd(), b"one\ntwo\n", Duration::ZERO), Ok(8));
        let mut read = [0; 8];
        reader.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"one\ntwo\n");
        drop(reader);
        assert_eq!(write_to(writer.as_raw_fd(), b"one\ntwo\n", Duration::ZERO), Ok(8));
    }

    #[test]
    #[cfg(ppoll)]
    fn where_the_system_refuses_to_wait_the_writer_rests() {
        use crate::sys::faults::{self, Call};
        let (_reader, writer) = std::io::pipe().unwrap();
        let _refused = faults::refuse(Call::Poll, Errno(libc::EPERM), 1);
        let written = write_to(writer.as_raw_fd(), b"one\n", Duration::ZERO);
        assert_eq!(
            written,
            Err(Errno(libc::EPERM)),
            "and not EAGAIN, after which it would try again at once"
        );
    }
}
