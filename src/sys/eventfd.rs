//! A descriptor that becomes readable when told to.

use crate::errno::{Errno, Result};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};

/// Readable from [`signal`](EventFd::signal) to [`drain`](EventFd::drain). Non-blocking, closed on exec.
#[derive(Debug)]
pub struct EventFd {
    read: File,
    /// Where the system has no eventfd: the other end of a pipe.
    write: Option<File>,
}

impl EventFd {
    /// Errors: `EMFILE`, `ENFILE`, `ENOMEM`.
    pub fn new() -> Result<EventFd> {
        open()
    }

    /// Makes it readable. Cannot fail in a way that matters: a full counter is readable already.
    pub fn signal(&self) {
        let mut end = self.write.as_ref().unwrap_or(&self.read);
        while let Err(error) = end.write(&1u64.to_ne_bytes()) {
            if error.kind() != ErrorKind::Interrupted {
                break;
            }
        }
    }

    /// Makes it unreadable. How many signals that undoes.
    pub fn drain(&self) -> u64 {
        let mut buffer = [0; 8];
        let mut undone = 0;
        loop {
            match (&self.read).read(&mut buffer) {
                // An eventfd gives its whole count in one read; a pipe goes on until it is empty.
                Ok(count) if count > 0 && self.write.is_some() => undone += 1,
                Ok(count) if count > 0 => return u64::from_ne_bytes(buffer),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => return undone,
            }
        }
    }

    /// Stays this object's: valid while it lives, not for the caller to close.
    pub fn fd(&self) -> RawFd {
        self.read.as_raw_fd()
    }
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn open() -> Result<EventFd> {
    // SAFETY: no pointers.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if fd < 0 {
        return Err(Errno::last());
    }
    // SAFETY: a fresh descriptor that nobody else owns.
    Ok(EventFd { read: unsafe { File::from_raw_fd(fd) }, write: None })
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn open() -> Result<EventFd> {
    let mut fds = [0; 2];
    // SAFETY: `fds` has room for the two descriptors.
    if unsafe { libc::pipe(fds.as_mut_ptr()) } != 0 {
        return Err(Errno::last());
    }
    let [read, write] = fds;
    // SAFETY: fresh descriptors that nobody else owns.
    let event = unsafe { EventFd { read: File::from_raw_fd(read), write: Some(File::from_raw_fd(write)) } };
    for fd in fds {
        // SAFETY: no pointers; `event` keeps the descriptors open.
        let rc = unsafe {
            libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC)
                | libc::fcntl(fd, libc::F_SETFL, libc::O_NONBLOCK)
        };
        if rc < 0 {
            return Err(Errno::last());
        }
    }
    Ok(event)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::sys::poll::{PollFd, poll};
    use std::time::Duration;

    fn readable(event: &EventFd) -> bool {
        let mut fds = [PollFd { fd: event.fd(), events: libc::POLLIN, revents: 0 }];
        poll(&mut fds, Some(Duration::ZERO)).unwrap() == 1
    }

    #[test]
    fn signalled_until_drained() {
        let event = EventFd::new().unwrap();
        assert!(!readable(&event));
        assert_eq!(event.drain(), 0);
        event.signal();
        event.signal();
        assert!(readable(&event));
        assert_eq!(event.drain(), 2);
        assert!(!readable(&event));
    }
}
