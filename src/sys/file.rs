//! Files opened, read and appended to by calls that are repeated a bounded number of times.
//!
//! The standard library repeats a call that a signal has interrupted for as long as that goes on. A file system, or a filter of system
//! calls, that never stops saying so would keep the thread there.

use super::faults::{self, Call};
use super::file_limit;
use super::poll::{PollFd, poll};
use super::retry::unless_interrupted;
use crate::errno::{Errno, Result};
use std::ffi::{CString, c_int};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

/// Calls in a row that may be interrupted, or that find no room where poll(2) says that there is some.
const MAX_TRIES: u32 = 4;
/// Bytes of one read.
const READ_BYTES: usize = 16 * 1024;

/// Opens a file by open(2), with `O_CLOEXEC` besides `flags`. `mode`: of a file that `O_CREAT` makes. Errors: those of open(2); `EINVAL`
/// for a path with a NUL in it.
pub fn open(path: &Path, flags: c_int, mode: u32) -> io::Result<File> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let flags = flags | libc::O_LARGEFILE;
    let path =
        CString::new(path.as_os_str().as_bytes()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let fd = unless_interrupted(MAX_TRIES, || {
        if let Some(errno) = faults::next(Call::Open) {
            return Err(io::Error::from_raw_os_error(errno.0));
        }
        // SAFETY: a string that outlives the call, and the mode that `O_CREAT` wants.
        let fd = unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC, mode) };
        if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(fd) }
    })?;
    // SAFETY: open just now, and owned by no other.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// Appends what the file has to `bytes`, up to `most_bytes` bytes. What is in the room that `bytes` has already is not moved. Errors:
/// those of read(2); `ENOMEM`.
pub fn read(mut file: &File, bytes: &mut Vec<u8>, most_bytes: usize) -> io::Result<()> {
    let mut left = most_bytes;
    while left > 0 {
        let (before, room) = (bytes.len(), (bytes.capacity() - bytes.len()).clamp(1, READ_BYTES).min(left));
        bytes.try_reserve(room).map_err(|_| io::Error::from_raw_os_error(libc::ENOMEM))?;
        bytes.resize(before.saturating_add(room), 0);
        let outcome = unless_interrupted(MAX_TRIES, || {
            if let Some(errno) = faults::next(Call::Read) {
                return Err(io::Error::from_raw_os_error(errno.0));
            }
            file.read(bytes.get_mut(before..).unwrap_or_default())
        });
        let given = *outcome.as_ref().unwrap_or(&0);
        bytes.truncate(before.saturating_add(given));
        left = left.saturating_sub(given);
        if outcome? == 0 {
            break;
        }
    }
    Ok(())
}

/// Appends bytes in one write; how many that were. A pipe that is full is waited for, `patience` at most. Errors: those of write(2);
/// `EAGAIN` where a pipe stays full; `EFBIG` where the process may have no larger file.
pub fn append(mut file: &File, is_regular: bool, bytes: &[u8], patience: Duration) -> Result<usize> {
    if is_regular {
        // Threads of the program write keys, and the last lines where the library has no thread for them.
        file_limit::check_last_byte(file.metadata()?.len())?;
    }
    let mut written = Err(Errno::AGAIN);
    for _ in 0..MAX_TRIES {
        written = match faults::next(Call::Write) {
            Some(errno) => Err(errno),
            None => file.write(bytes).map_err(Errno::from),
        };
        match written {
            Err(Errno::INTR) => {}
            Err(errno) if errno.would_block() && has_room(file, patience)? => {}
            _ => break,
        }
    }
    written
}

/// Waits until a pipe is read. Errors: those of poll(2).
fn has_room(file: &File, patience: Duration) -> Result<bool> {
    if patience.is_zero() {
        return Ok(false);
    }
    let mut fds = [PollFd { fd: file.as_raw_fd(), events: libc::POLLOUT, revents: 0 }];
    match poll(&mut fds, Some(patience)) {
        Err(Errno::INTR) => Ok(false),
        ready => Ok(ready? == 1),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn path() -> std::path::PathBuf {
        let name = format!("ferrozmq-file-{}-{:?}", std::process::id(), std::thread::current().id());
        std::env::temp_dir().join(name)
    }

    #[test]
    fn what_is_interrupted_for_ever_is_an_error() {
        let path = path();
        let opened = || open(&path, libc::O_RDWR | libc::O_CREAT | libc::O_APPEND, 0o600);
        let file = opened().unwrap();
        let mut bytes = Vec::new();
        for (times, fails) in [(MAX_TRIES - 1, false), (u32::MAX, true)] {
            let refused = faults::refuse(Call::Open, Errno::INTR, times);
            assert_eq!(opened().err().and_then(|error| error.raw_os_error()), fails.then_some(libc::EINTR));
            drop(refused);
            for errno in [Errno::INTR, Errno::AGAIN] {
                let _refused = faults::refuse(Call::Write, errno, times);
                let expected = if fails { Err(errno) } else { Ok(4) };
                assert_eq!(append(&file, true, b"line", Duration::from_secs(60)), expected, "always ready");
            }
            let _refused = faults::refuse(Call::Read, Errno::INTR, times);
            assert_eq!(read(&opened().unwrap(), &mut bytes, 100).is_err(), fails);
        }
        assert_eq!(bytes, b"lineline");
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_file_is_read_up_to_a_limit_and_into_the_room_that_is_there() {
        let path = path();
        let content: Vec<u8> = (0..3 * READ_BYTES + 7).map(|byte| byte as u8).collect();
        std::fs::write(&path, &content).unwrap();
        for most in [0, 1, READ_BYTES, 3 * READ_BYTES + 7, usize::MAX] {
            let mut bytes = Vec::new();
            read(&open(&path, libc::O_RDONLY, 0).unwrap(), &mut bytes, most).unwrap();
            assert_eq!(bytes, content[..most.min(content.len())]);
        }
        let mut bytes = Vec::with_capacity(content.len() + 1);
        let place = bytes.as_ptr();
        read(&open(&path, libc::O_RDONLY, 0).unwrap(), &mut bytes, usize::MAX).unwrap();
        assert!(bytes == content && bytes.as_ptr() == place, "a key that was moved is not wiped");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(open(&path, libc::O_RDONLY, 0).unwrap_err().raw_os_error(), Some(libc::ENOENT));
        assert_eq!(
            open(Path::new("a\0b"), libc::O_RDONLY, 0).unwrap_err().raw_os_error(),
            Some(libc::EINVAL)
        );
    }
}
