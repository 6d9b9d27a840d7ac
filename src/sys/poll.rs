//! `poll(2)` and `ppoll(2)`.

#[cfg(direct_calls)]
use super::cancel::SystemCall;
#[cfg(ppoll)]
use super::faults::{self, Call};
#[cfg(ppoll)]
use super::timespec::timespec;
#[cfg(not(direct_calls))]
use super::{cancel::CancelOff, thread_state::ThreadState};
#[cfg(not(direct_calls))]
use crate::errno::Errno;
use crate::errno::Result;
use std::time::Duration;

/// `struct pollfd`: `fd`, `events` asked for and `revents` seen. A negative `fd` is skipped.
pub type PollFd = libc::pollfd;

/// A signal mask for [`ppoll`].
#[derive(Clone, Copy)]
pub struct SigMask(#[cfg_attr(not(ppoll), allow(dead_code))] libc::sigset_t);

impl SigMask {
    /// Copies the caller's mask; `None` for a null pointer.
    ///
    /// # Safety
    /// `mask` is null or points at a readable, initialised `sigset_t`.
    pub unsafe fn from_ptr(mask: *const libc::sigset_t) -> Option<SigMask> {
        // SAFETY: the caller's promise.
        unsafe { mask.as_ref() }.map(|mask| SigMask(*mask))
    }
}

/// Waits until one of `fds` is ready, for at most `timeout` (`None`: for ever), rounded up to the system's
/// resolution. Returns the number of entries with a result in `revents`. No cancellation point.
///
/// Errors: `EINTR`, `EINVAL` (more descriptors than the process may have), `ENOMEM`.
#[cfg(direct_calls)]
pub fn poll(fds: &mut [PollFd], timeout: Option<Duration>) -> Result<usize> {
    poll_by(SystemCall::make, fds, timeout, None)
}

/// As above.
#[cfg(not(direct_calls))]
pub fn poll(fds: &mut [PollFd], timeout: Option<Duration>) -> Result<usize> {
    ppoll(fds, timeout, None)
}

/// As [`poll`], with `mask` in force only while it waits. It also ends, with `EINTR`, where it would sleep
/// and the calling thread is cancelled.
#[cfg(direct_calls)]
pub fn ppoll(fds: &mut [PollFd], timeout: Option<Duration>, mask: Option<&SigMask>) -> Result<usize> {
    let sleeps = !timeout.is_some_and(|timeout| timeout.is_zero());
    poll_by(if sleeps { SystemCall::sleep } else { SystemCall::make }, fds, timeout, mask)
}

#[cfg(direct_calls)]
fn poll_by(
    make: fn(SystemCall) -> Result<usize>,
    fds: &mut [PollFd],
    timeout: Option<Duration>,
    mask: Option<&SigMask>,
) -> Result<usize> {
    /// The size of the kernel's own signal sets.
    const MASK_BYTES: usize = 8;
    if let Some(errno) = faults::next(Call::Poll) {
        return Err(errno);
    }
    let mut timeout = timeout.map(timespec);
    let timeout = timeout.as_mut().map_or(0, |timeout| std::ptr::from_mut(timeout).expose_provenance());
    let mask = mask.map_or(0, |mask| (&raw const mask.0).expose_provenance());
    let arguments = [fds.as_mut_ptr().expose_provenance(), fds.len(), timeout, mask, MASK_BYTES, 0];
    // SAFETY: `fds` is a valid array of that many pollfds; `timeout` and `mask` are null or point at values that
    // outlive the call, a mask as long as the kernel's at least.
    make(unsafe { SystemCall::new(libc::SYS_ppoll, arguments) })
}

/// As above.
#[cfg(all(not(direct_calls), ppoll))]
pub fn ppoll(fds: &mut [PollFd], timeout: Option<Duration>, mask: Option<&SigMask>) -> Result<usize> {
    if let Some(errno) = faults::next(Call::Poll) {
        return Err(errno);
    }
    let timeout = timeout.map(timespec);
    let timeout = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    let mask = mask.map_or(std::ptr::null(), |mask| &raw const mask.0);
    let _off = CancelOff::for_call(ThreadState::current());
    // SAFETY: `fds` is a valid array of that many pollfds; `timeout` and `mask` are null or point at values that
    // outlive the call.
    let rc = unsafe { libc::ppoll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, timeout, mask) };
    usize::try_from(rc).map_err(|_| Errno::last())
}

/// As [`poll`]; with a mask `ENOTSUP`, because this system has no such call.
#[cfg(not(ppoll))]
pub fn ppoll(fds: &mut [PollFd], timeout: Option<Duration>, mask: Option<&SigMask>) -> Result<usize> {
    if mask.is_some() {
        return Err(Errno::NOTSUP);
    }
    let timeout_ms = match timeout {
        None => -1,
        Some(timeout) => timeout.as_micros().div_ceil(1000).try_into().unwrap_or(i32::MAX),
    };
    let _off = CancelOff::for_call(ThreadState::current());
    // SAFETY: `fds` is a valid array of that many pollfds.
    let rc = unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, timeout_ms) };
    usize::try_from(rc).map_err(|_| Errno::last())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::time::Instant;

    #[test]
    fn reports_what_is_ready_and_times_out() {
        let (mut here, there) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut fds = [
            PollFd { fd: there.as_raw_fd(), events: libc::POLLIN, revents: 0 },
            PollFd { fd: -1, events: libc::POLLIN, revents: 0 },
        ];
        let start = Instant::now();
        assert_eq!(poll(&mut fds, Some(Duration::from_millis(10))), Ok(0));
        assert!(start.elapsed() >= Duration::from_millis(10));
        here.write_all(b"x").unwrap();
        assert_eq!(poll(&mut fds, None), Ok(1));
        assert_eq!((fds[0].revents, fds[1].revents), (libc::POLLIN, 0));
    }
}
