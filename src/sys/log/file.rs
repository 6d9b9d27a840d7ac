//! The file of the log: for its user alone, appended to by whole lines, and followed when it is moved.

use crate::errno::{Errno, Result};
use crate::sys::cancel::CancelOff;
use crate::sys::file;
use crate::sys::thread_state::ThreadState;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Only the user that runs the program may read what is written.
const MODE: u32 = 0o600;

/// An open file, and which one it is.
#[derive(Debug)]
pub struct LogFile {
    file: File,
    /// `None` for a pipe or a terminal, which are never moved.
    id: Option<(u64, u64)>,
}

impl LogFile {
    /// Opens the file, and makes it where there is none. A symbolic link is refused (`ELOOP`): where others may write to the folder,
    /// it could lead anywhere. A pipe without a reader is an error and not a wait (`ENXIO`). Other errors: those of open(2).
    pub fn open(path: &Path) -> io::Result<LogFile> {
        let _off = CancelOff::for_call(ThreadState::current());
        let appends = libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT;
        let file = file::open(path, appends | libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY, MODE)?;
        let metadata = file.metadata()?;
        Ok(LogFile { file, id: metadata.is_file().then(|| id(&metadata)) })
    }

    /// Errors: those of fstat(2).
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }

    /// The file that is at the path now, opened anew if this one was moved away or removed. Where that cannot be, this one serves
    /// on.
    pub fn followed(self: &Arc<Self>, path: &Path) -> Arc<LogFile> {
        let there = path.symlink_metadata().ok().map(|metadata| id(&metadata));
        if self.id.is_none() || self.id == there {
            return Arc::clone(self);
        }
        LogFile::open(path).map_or_else(|_| Arc::clone(self), Arc::new)
    }

    /// Whether it is no pipe and no terminal.
    pub fn is_regular(&self) -> bool {
        self.id.is_some()
    }

    /// Appends a line in one write, which the system does not mix with those of other processes. A pipe that has no room, and a disk
    /// that is full, get nothing, or a part.
    pub fn append(&self, line: &[u8]) {
        let _ = self.write(line, Duration::ZERO);
    }

    /// Appends lines in one write; how many bytes that were. A pipe that is full is waited for, `patience` at most. Errors: those of
    /// write(2); `EAGAIN` where a pipe stays full; `EFBIG` where the process may have no larger file; `EBADF` where the descriptor is
    /// another file's by now: a forked child may have closed all that it had, and keys must not go elsewhere.
    pub fn write(&self, lines: &[u8], patience: Duration) -> Result<usize> {
        let _off = CancelOff::for_call(ThreadState::current());
        if let Some(known) = self.id
            && id(&self.file.metadata()?) != known
        {
            return Err(Errno::BADF);
        }
        file::append(&self.file, self.is_regular(), lines, patience)
    }
}

fn id(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs::{self, OpenOptions};
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
    use std::path::PathBuf;

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("ferrozmq-log-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn a_file_is_for_its_user_alone_and_appended_to() {
        let folder = folder("append");
        let path = folder.join("log");
        LogFile::open(&path).unwrap().append(b"one\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        LogFile::open(&path).unwrap().append(b"two\n");
        assert_eq!(fs::read(&path).unwrap(), b"one\ntwo\n");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_link_a_folder_and_a_pipe_without_a_reader_are_refused() {
        let folder = folder("refused");
        let (link, target) = (folder.join("link"), folder.join("target"));
        symlink(&target, &link).unwrap();
        let refused = |path: &Path| LogFile::open(path).unwrap_err().raw_os_error();
        assert_eq!(refused(&link), Some(libc::ELOOP));
        assert!(!target.exists());
        assert_eq!(refused(&folder), Some(libc::EISDIR));
        assert_eq!(refused(&folder.join("none/log")), Some(libc::ENOENT));
        let fifo = std::ffi::CString::new(folder.join("fifo").to_str().unwrap()).unwrap();
        // SAFETY: a string.
        assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0);
        assert_eq!(refused(&folder.join("fifo")), Some(libc::ENXIO));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    #[cfg(ppoll)]
    fn a_full_pipe_that_cannot_be_waited_for_is_no_full_pipe() {
        use crate::sys::faults::{self, Call};
        let folder = folder("unpolled");
        let path = folder.join("fifo");
        let fifo = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
        // SAFETY: a string.
        assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0);
        let _reader = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&path).unwrap();
        let full = LogFile::open(&path).unwrap();
        while full.write(&[b'x'; 4096], Duration::ZERO).is_ok() {}
        assert_eq!(full.write(b"x\n", Duration::from_millis(1)), Err(Errno::AGAIN));
        let _refused = faults::refuse(Call::Poll, Errno(libc::EPERM), 1);
        assert_eq!(full.write(b"x\n", Duration::from_secs(60)), Err(Errno(libc::EPERM)));
        fs::remove_dir_all(folder).unwrap();
    }

    /// As in a forked child that has closed all that it had, and opened files of its own.
    #[test]
    fn another_file_under_the_same_number_gets_nothing() {
        use std::os::fd::AsRawFd;
        let folder = folder("number");
        let log = LogFile::open(&folder.join("log")).unwrap();
        let other = OpenOptions::new().append(true).create(true).open(folder.join("other")).unwrap();
        // SAFETY: two descriptors of this test.
        assert!(unsafe { libc::dup2(other.as_raw_fd(), log.file.as_raw_fd()) } >= 0);
        assert_eq!(log.write(b"key\n", Duration::ZERO), Err(Errno::BADF));
        assert_eq!(fs::read(folder.join("other")).unwrap(), b"");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_that_was_moved_is_made_anew_and_one_that_cannot_be_serves_on() {
        let folder = folder("moved");
        let path = folder.join("log");
        let first = Arc::new(LogFile::open(&path).unwrap());
        assert!(Arc::ptr_eq(&first.followed(&path), &first));
        fs::rename(&path, folder.join("log.1")).unwrap();
        let second = first.followed(&path);
        second.append(b"second\n");
        assert_eq!(fs::read(&path).unwrap(), b"second\n");
        fs::remove_file(&path).unwrap();
        symlink(folder.join("log.1"), &path).unwrap();
        assert!(Arc::ptr_eq(&second.followed(&path), &second), "a link is not followed");
        let full = Arc::new(LogFile::open(Path::new("/dev/full")).unwrap());
        full.append(b"line\n");
        assert!(Arc::ptr_eq(&full.followed(Path::new("/none")), &full));
        fs::remove_dir_all(folder).unwrap();
    }
}
