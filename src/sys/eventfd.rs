//! A descriptor that becomes readable when told to.

use super::cancel::{CancelOff, Closes};
use super::faults::{self, Call};
use super::late_wakes;
use super::retry::unless_interrupted;
use super::thread_state::ThreadState;
use crate::errno::{Errno, Result};
use std::fs::File;
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};

/// How often a call is made again that a signal is said to have cut short: none can, for it does not wait.
const MAX_TRIES: u32 = 3;

/// Readable from [`signal`](EventFd::signal) to [`drain`](EventFd::drain). Non-blocking, closed on exec.
#[derive(Debug)]
pub struct EventFd {
    read: Closes<File>,
    /// Where the system has no eventfd: the other end of a pipe.
    write: Option<Closes<File>>,
    /// Its own in this process, so that what is owed to it is not taken for what is owed to another one.
    id: u64,
}

impl EventFd {
    /// Errors: `EMFILE`, `ENFILE`, `ENOMEM`.
    pub fn new() -> Result<EventFd> {
        open(0)
    }

    /// One that is readable from the start. Errors: as of [`new`](EventFd::new).
    pub fn signalled() -> Result<EventFd> {
        open(1)
    }

    /// Whether a reader that hears of each signal (edge-triggered) never has to [`drain`](EventFd::drain): signals are counted,
    /// and not kept.
    pub const COUNTS: bool = cfg!(eventfd);

    /// Makes it readable; where the system refuses that, as soon as it no longer does, by a thread of its own.
    pub fn signal(&self) {
        if self.try_signal(1).is_err()
            && let Ok(copy) = self.try_clone()
        {
            late_wakes::deliver(self.id, Box::new(move |times| copy.try_signal(times).is_ok()));
        }
    }

    /// Makes it readable, as `times` signals.
    ///
    /// Errors: what the system says where it refuses each of the calls that could.
    pub fn try_signal(&self, times: u64) -> Result<()> {
        let _off = CancelOff::for_call(ThreadState::current());
        let mut end: &File = self.write.as_ref().unwrap_or(&self.read);
        let bytes = times.to_ne_bytes();
        let mut written = attempt(|| end.write(&bytes));
        if written.is_err() {
            // Another call to the system, if not to us: what refuses one need not refuse the other.
            written = attempt(|| end.write_vectored(&[IoSlice::new(&bytes)]));
        }
        written
    }

    /// Makes it unreadable. How many signals that undoes.
    ///
    /// Errors: what the system says where it refuses each of the calls that could; it is still readable then.
    pub fn drain(&self) -> Result<u64> {
        let _off = CancelOff::for_call(ThreadState::current());
        let mut undone = 0;
        loop {
            let mut buffer = [0; 8];
            match self.read(&mut buffer) {
                // An eventfd gives its whole count in one read. A pipe holds a number for each write, whole, and goes on until it is empty.
                Ok(count) if count > 0 && self.write.is_some() => undone += u64::from_ne_bytes(buffer),
                Ok(count) if count > 0 => return Ok(u64::from_ne_bytes(buffer)),
                Ok(_) => return Ok(undone),
                Err(errno) if errno.would_block() => return Ok(undone),
                Err(errno) => return Err(errno),
            }
        }
    }

    fn read(&self, buffer: &mut [u8; 8]) -> Result<usize> {
        let mut end: &File = &self.read;
        match unless_interrupted(MAX_TRIES, || end.read(buffer)).map_err(Errno::from) {
            Err(errno) if !errno.would_block() => {
                // As in `try_signal`.
                Ok(unless_interrupted(MAX_TRIES, || end.read_vectored(&mut [IoSliceMut::new(buffer)]))?)
            }
            read => read,
        }
    }

    fn try_clone(&self) -> Result<EventFd> {
        let write = self.write.as_ref().map(|end| end.try_clone().map(Closes::new)).transpose()?;
        Ok(EventFd { read: Closes::new(self.read.try_clone()?), write, id: self.id })
    }

    /// Stays this object's: valid while it lives, not for the caller to close.
    pub fn fd(&self) -> RawFd {
        self.read.as_raw_fd()
    }
}

fn attempt(write: impl FnMut() -> std::io::Result<usize>) -> Result<()> {
    match faults::next(Call::Signal) {
        Some(errno) => Err(errno),
        None => Ok(unless_interrupted(MAX_TRIES, write).map(|_| ())?),
    }
}

#[cfg(eventfd)]
fn open(signals: u32) -> Result<EventFd> {
    // SAFETY: no pointers.
    let fd = unsafe { libc::eventfd(signals, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if fd < 0 {
        return Err(Errno::last());
    }
    // SAFETY: a fresh descriptor without another owner.
    Ok(EventFd { read: Closes::new(unsafe { File::from_raw_fd(fd) }), write: None, id: late_wakes::new_id() })
}

#[cfg(not(eventfd))]
fn open(signals: u32) -> Result<EventFd> {
    let mut fds = [0; 2];
    // SAFETY: `fds` has room for the two descriptors.
    if unsafe { libc::pipe(fds.as_mut_ptr()) } != 0 {
        return Err(Errno::last());
    }
    let [read, write] = fds;
    // SAFETY: fresh descriptors without another owner.
    let (read, write) =
        unsafe { (Closes::new(File::from_raw_fd(read)), Some(Closes::new(File::from_raw_fd(write)))) };
    let event = EventFd { read, write, id: late_wakes::new_id() };
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
    for _ in 0..signals {
        event.try_signal(1)?;
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
        assert_eq!(event.drain(), Ok(0));
        event.signal();
        event.signal();
        assert!(readable(&event));
        assert_eq!(event.drain(), Ok(2));
        assert!(!readable(&event));
    }

    #[test]
    fn one_may_be_signalled_from_the_start() {
        assert_eq!(EventFd::signalled().unwrap().drain(), Ok(1));
    }

    #[test]
    fn a_refused_call_is_made_another_way() {
        let event = EventFd::new().unwrap();
        let _refused = faults::refuse(Call::Signal, Errno::PERM, 1);
        assert_eq!(event.try_signal(3), Ok(()));
        assert_eq!(event.drain(), Ok(3));
    }

    #[test]
    fn refused_signal_arrives_late_and_is_counted() {
        let event = EventFd::new().unwrap();
        {
            let _refused = faults::refuse(Call::Signal, Errno::PERM, 1000);
            assert_eq!(event.try_signal(1), Err(Errno::PERM));
            // The thread that delivers them is another one, and is not refused.
            (0..20).for_each(|_| event.signal());
        }
        let mut arrived = 0;
        while arrived < 20 {
            let mut fds = [PollFd { fd: event.fd(), events: libc::POLLIN, revents: 0 }];
            assert_eq!(poll(&mut fds, Some(Duration::from_secs(20))), Ok(1), "{arrived}");
            arrived += event.drain().unwrap();
        }
        assert_eq!(arrived, 20);
    }
}
