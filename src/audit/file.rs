//! The file of the trail: opened with care, followed when it is moved, and written by whole lines.
//!
//! Several processes may write to one file. Each write(2) appends whole lines in one piece, so lines of different processes never
//! mix. A write that the system cuts short (a full disk, a process that is killed) leaves the beginning of a line. The next write
//! ends it first. A write under way looks the same to other writers, so each holds the file's lock (flock) from its look to its end.

use super::record::MAX_LINE_BYTES;
use crate::errno::{Errno, Result};
use crate::sys::cancel::CancelOff;
use crate::sys::file;
use crate::sys::lines::whole_lines;
use crate::sys::retry::rest;
use crate::sys::thread_state::ThreadState;
use std::fs::{File, Metadata, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Time between two looks whether the file has been moved, at least.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How long a writer waits for another one, at most, and between two looks. A lock that a stranger keeps must not keep records back.
const MAX_LOCK_WAIT_MS: u32 = 100;
const LOCK_REST: Duration = Duration::from_millis(1);
/// Bytes of one write to a file.
const MAX_WRITE_BYTES: usize = 64 * 1024;
/// Only the user that runs the program may read what is written.
const MODE: u32 = 0o600;

pub struct TrailFile {
    path: PathBuf,
    file: File,
    /// Pipes and terminals have no end that could be looked at, and are never moved.
    is_regular: bool,
    /// The last write ended in the middle of a line.
    torn: bool,
    looked_at: Instant,
}

impl TrailFile {
    /// Opens the file, and makes it if there is none. A symbolic link is refused (`ELOOP`): where others may write to the folder, it could
    /// lead anywhere. A pipe without a reader is an error, not a wait. Errors: those of open(2).
    pub fn open(path: &Path) -> Result<TrailFile> {
        let _off = CancelOff::for_call(ThreadState::current());
        let is_other = look_at(path).is_ok_and(|there| is_other(&there));
        let file =
            if is_other { open(path, false) } else { open(path, true).or_else(|_| open(path, false)) }?;
        let is_regular = file.metadata()?.is_file();
        Ok(TrailFile { path: path.to_owned(), file, is_regular, torn: false, looked_at: Instant::now() })
    }

    /// Writes the lines at the beginning of `lines`, as many as go into one write; how many bytes of whole lines that were, at
    /// least one. A pipe that is full is waited for, `patience` at most. Errors: those of write(2); `ENOSPC` where no whole line was
    /// taken; `EAGAIN` where a pipe stays full.
    pub fn write(&mut self, lines: &[u8], patience: Duration) -> Result<usize> {
        self.follow();
        let locked = self.lock();
        let outcome = self.append(lines, patience);
        if locked {
            // It fails for no descriptor that is locked.
            let _ = self.file.unlock();
        }
        outcome
    }

    fn append(&mut self, lines: &[u8], patience: Duration) -> Result<usize> {
        if self.ends_in_a_cut_line()? {
            self.put(b"\n", patience)?;
            self.torn = false;
        }
        let piece = whole_lines(lines, if self.is_regular { MAX_WRITE_BYTES } else { MAX_LINE_BYTES });
        let written = self.put(piece, patience)?;
        let whole = piece.get(..written).map_or(0, |written| whole_lines(written, MAX_WRITE_BYTES).len());
        self.torn = whole < written;
        if whole == 0 { Err(Errno(libc::ENOSPC)) } else { Ok(whole) }
    }

    /// Whether the file's lock was to be had. Without it another writer's write under way may be taken for a cut line, and an empty line
    /// comes between the two.
    fn lock(&self) -> bool {
        if !self.is_regular {
            return false;
        }
        for _ in 0..MAX_LOCK_WAIT_MS {
            match self.file.try_lock() {
                Ok(()) => return true,
                Err(TryLockError::WouldBlock) => rest(LOCK_REST),
                Err(TryLockError::Error(_)) => return false,
            }
        }
        false
    }

    fn put(&self, bytes: &[u8], patience: Duration) -> Result<usize> {
        file::append(&self.file, self.is_regular, bytes, patience)
    }

    /// Whether what was written last, by this process or another, is no whole line.
    fn ends_in_a_cut_line(&self) -> Result<bool> {
        if !self.is_regular {
            return Ok(self.torn);
        }
        let Some(last) = self.file.metadata()?.len().checked_sub(1) else { return Ok(false) };
        let mut byte = [0];
        match self.file.read_at(&mut byte, last) {
            Ok(1) => Ok(byte != *b"\n"),
            // It was cut off meanwhile, or may only be written.
            _ => Ok(self.torn),
        }
    }

    /// Opens what is at the path now, if the file was moved away or removed. Where that cannot be, the old file serves on.
    fn follow(&mut self) {
        if !self.is_regular || self.looked_at.elapsed() < LOOK_INTERVAL {
            return;
        }
        self.looked_at = Instant::now();
        let id = |file: &Metadata| (file.dev(), file.ino());
        let (there, ours) = (look_at(&self.path).ok(), self.file.metadata().ok());
        if there.as_ref().map(id) != ours.as_ref().map(id)
            && let Ok(fresh) = TrailFile::open(&self.path)
        {
            *self = fresh;
        }
    }
}

fn open(path: &Path, readable: bool) -> Result<File> {
    // O_NONBLOCK: a pipe without a reader would hold the thread up. Files do not mind it.
    let follows = if is_descriptor(path) { 0 } else { libc::O_NOFOLLOW };
    let access = if readable { libc::O_RDWR } else { libc::O_WRONLY };
    let flags = access | libc::O_APPEND | libc::O_CREAT | libc::O_NOCTTY | libc::O_NONBLOCK | follows;
    Ok(file::open(path, flags, MODE)?)
}

/// Whether the path is a symbolic link, through which the trail is not written.
pub fn is_refused_link(path: &Path) -> bool {
    look_at(path).is_ok_and(|there| there.is_symlink())
}

/// What is at the path, and not what a link there leads to.
fn look_at(path: &Path) -> io::Result<Metadata> {
    if is_descriptor(path) { path.metadata() } else { path.symlink_metadata() }
}

/// Whether the path names a descriptor of a process, as `/dev/stderr` does. Such names are links that no user can change.
fn is_descriptor(path: &Path) -> bool {
    let is_number = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    let names: Vec<&str> = path.to_str().unwrap_or_default().split('/').collect();
    match names.as_slice() {
        ["", "dev", "stdout" | "stderr"] => true,
        ["", "dev", "fd", number] => is_number(number),
        ["", "proc", process, "fd", number] => {
            (*process == "self" || is_number(process)) && is_number(number)
        }
        _ => false,
    }
}

/// Whether it is something that must not be opened for reading: a pipe that its writer reads has a reader.
fn is_other(there: &Metadata) -> bool {
    let kind = there.file_type();
    kind.is_fifo() || kind.is_char_device()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::audit::testing::Folder;
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::PermissionsExt;

    fn put(file: &mut TrailFile, lines: &[u8]) -> Result<usize> {
        file.write(lines, Duration::ZERO)
    }

    #[test]
    fn a_lock_that_a_stranger_keeps_keeps_no_record_back() {
        let folder = Folder::new("locked");
        let path = folder.path("trail");
        let mut file = TrailFile::open(&path).unwrap();
        let stranger = File::open(&path).unwrap();
        stranger.lock().unwrap();
        assert_eq!(put(&mut file, b"one\n"), Ok(4));
        drop(stranger);
        assert_eq!(put(&mut file, b"two\n"), Ok(4));
        let other = File::open(&path).unwrap();
        assert!(other.try_lock().is_ok(), "no lock outlives its write");
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    }

    #[test]
    fn a_file_is_made_for_its_user_alone_and_appended_to() {
        let folder = Folder::new("file");
        let path = folder.path("trail");
        let mut file = TrailFile::open(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, MODE);
        assert_eq!(put(&mut file, b"one\ntwo\n"), Ok(8));
        let mut other = TrailFile::open(&path).unwrap();
        assert_eq!((put(&mut other, b"three\n"), put(&mut file, b"four\nfi")), (Ok(6), Ok(5)));
        assert_eq!(fs::read(&path).unwrap(), b"one\ntwo\nthree\nfour\n");
        assert_eq!(TrailFile::open(&folder.path("none/trail")).err(), Some(Errno::NOENT));
        assert_eq!(TrailFile::open(&folder.path("")).err(), Some(Errno(libc::EISDIR)));
    }

    #[test]
    fn a_line_that_somebody_left_unfinished_is_ended_first() {
        let folder = Folder::new("torn");
        let path = folder.path("trail");
        fs::write(&path, "whole\ncut o").unwrap();
        let mut file = TrailFile::open(&path).unwrap();
        assert_eq!((put(&mut file, b"next\n"), put(&mut file, b"last\n")), (Ok(5), Ok(5)));
        assert_eq!(fs::read(&path).unwrap(), b"whole\ncut o\nnext\nlast\n");
    }

    #[test]
    fn a_file_that_is_moved_or_removed_is_made_anew_and_one_that_shrinks_is_gone_on_with() {
        let folder = Folder::new("moved");
        let (path, moved) = (folder.path("trail"), folder.path("trail.1"));
        let mut file = TrailFile::open(&path).unwrap();
        put(&mut file, b"one\n").unwrap();
        fs::rename(&path, &moved).unwrap();
        // Before it looks again.
        put(&mut file, b"two\n").unwrap();
        let mut write_later = |line: &[u8]| {
            file.looked_at = Instant::now().checked_sub(LOOK_INTERVAL).unwrap();
            put(&mut file, line).unwrap();
        };
        write_later(b"three\n");
        assert_eq!(fs::read(&moved).unwrap(), b"one\ntwo\n");
        fs::remove_file(&path).unwrap();
        write_later(b"four\n");
        assert_eq!(fs::read(&path).unwrap(), b"four\n");
        fs::write(&path, "").unwrap();
        write_later(b"five\n");
        assert_eq!(fs::read(&path).unwrap(), b"five\n");
        // The folder's owner has it lead elsewhere: the old one serves.
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(folder.path("target"), &path).unwrap();
        write_later(b"linked\n");
        assert!(!folder.path("target").exists());
        fs::write(folder.path("target"), "").unwrap();
        write_later(b"linked again\n");
        assert_eq!(fs::read(folder.path("target")).unwrap(), b"");
        // Where there is no place for a new one it serves as well.
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        write_later(b"six\n");
    }

    #[test]
    fn only_names_of_descriptors_are_followed() {
        for (path, is_one) in [
            ("/dev/stdout", true),
            ("/dev/stderr", true),
            ("/dev/fd/3", true),
            ("/proc/self/fd/17", true),
            ("/proc/1/fd/1", true),
            ("/dev/stdin", false),
            ("/dev/fd", false),
            ("/dev/fd/3/trail", false),
            ("/dev/fd/../shm/trail", false),
            ("/proc/self/cwd/trail", false),
            ("/proc/self/fd/", false),
            ("/proc/a/fd/1", false),
            ("/tmp/stdout", false),
        ] {
            assert_eq!(is_descriptor(Path::new(path)), is_one, "{path}");
        }
    }

    /// This thread has no signals blocked, as none of the program has.
    #[test]
    fn a_limit_on_the_size_of_files_is_an_error_and_no_end() {
        const FOLDER: &str = "FERROZMQ_TEST_LIMITED";
        const TEST: &str = "audit::file::tests::a_limit_on_the_size_of_files_is_an_error_and_no_end";
        let Some(path) = std::env::var_os(FOLDER).map(PathBuf::from) else {
            let folder = Folder::new("limited");
            // In blocks of 512 bytes, or of 1024 with other shells.
            let script = "ulimit -f 1; exec \"$0\" --exact --nocapture \"$1\"";
            let mut command = std::process::Command::new("sh");
            command.args(["-c", script]).arg(std::env::current_exe().unwrap()).arg(TEST);
            let output = command.env(FOLDER, folder.path("")).output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            return assert!(
                output.status.success() && said.contains("1 passed"),
                "{}: {said}",
                output.status
            );
        };
        let line = [b'x'; 127].into_iter().chain([b'\n']).collect::<Vec<_>>();
        let mut trail = TrailFile::open(&path.join("trail")).unwrap();
        let log = crate::sys::log::LogFile::open(&path.join("log")).unwrap();
        let mut writes: [&mut dyn FnMut() -> Result<usize>; 2] =
            [&mut || put(&mut trail, &line), &mut || log.write(&line, Duration::ZERO)];
        for write in &mut writes {
            let refusal = loop {
                match write() {
                    Ok(bytes) => assert_eq!(bytes, line.len()),
                    Err(errno) => break errno,
                }
            };
            assert_eq!(refusal, Errno(libc::EFBIG));
        }
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let mut file = TrailFile::open(Path::new("/dev/full")).unwrap();
        assert_eq!(put(&mut file, b"line\n"), Err(Errno(libc::ENOSPC)));
    }

    #[test]
    fn a_pipe_is_written_by_pieces_that_stay_whole_and_never_waited_for() {
        let folder = Folder::new("pipe");
        let path = folder.fifo("pipe");
        assert_eq!(TrailFile::open(&path).err(), Some(Errno(libc::ENXIO)));
        let reader = std::thread::spawn({
            let path = path.clone();
            move || File::open(path)
        });
        let mut file = loop {
            match TrailFile::open(&path) {
                Ok(file) => break file,
                Err(errno) => assert_eq!(errno, Errno(libc::ENXIO)),
            }
        };
        let mut reader = reader.join().unwrap().unwrap();
        let lines = [b"x".repeat(99), b"\n".to_vec()].concat().repeat(100);
        let mut written = 0;
        let refusal = loop {
            match put(&mut file, &lines) {
                Ok(bytes) => {
                    assert_eq!(bytes, MAX_LINE_BYTES / 100 * 100);
                    written += bytes;
                }
                Err(errno) => break errno,
            }
        };
        assert_eq!(refusal, Errno::AGAIN);
        drop(file);
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        assert!(read.len() == written && read.starts_with(&lines) && read.ends_with(b"x\n"));
    }
}
