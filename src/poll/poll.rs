//! `zmq_poll`: which of the items are ready. The loop of sleeping and looking again is [`Waiter::until`](crate::session::Waiter::until).

use super::{POLLIN, asked_of_system, told_by_system, with_waiter};
use crate::errno::Result;
use crate::socket::{Handle, unlocked};
use crate::sys::poll::{PollFd, SigMask};
use std::ffi::{c_int, c_long, c_short, c_void};

/// A `zmq_pollitem_t`: a socket, or a raw descriptor where `socket` is null.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct PollItem {
    pub socket: *mut c_void,
    /// Looked at only without a socket. A negative one is never ready.
    pub fd: c_int,
    /// What is asked for: `POLLIN` and its like.
    pub events: c_short,
    /// Those of `events` that have come. Errors of a descriptor are told unasked.
    pub revents: c_short,
}

/// Waits until at least one item is ready, for at most `timeout_ms` (0: does not wait; negative: without end), and
/// returns how many are. Without items it sleeps. `mask` is in force while it waits, and only then (`zmq_ppoll`).
///
/// Items may come twice. Over sockets alone the thread sleeps without any descriptor.
///
/// Errors: `EINTR`; `ENOTSOCK` (one of the sockets is none, or was closed meanwhile); `ETERM`; with raw
/// descriptors and with a mask also `EMFILE`, and `EINVAL` for more items than the process may have descriptors.
/// Source: zmq_poll(3).
pub fn poll(items: &mut [PollItem], timeout_ms: c_long, mask: Option<&SigMask>) -> Result<usize> {
    with_waiter(|waiter| {
        if mask.is_some() || items.iter().any(PollItem::is_raw) {
            waiter.ask(items.iter().map(PollItem::raw_fd), mask)?;
        }
        let ready = unlocked(|| look(items, waiter.told()))?;
        if ready > 0 {
            return Ok(ready);
        }
        if timeout_ms == 0 {
            let receive = items.iter().filter(|item| !item.is_raw() && item.receives());
            let came =
                waiter.receive_pending(receive, |item| item.socket.addr(), |item| item.handle()?.link())?;
            return if came { unlocked(|| look(items, waiter.told())) } else { Ok(0) };
        }
        for item in items.iter().filter(|item| !item.is_raw()) {
            waiter.attend(item.socket.addr(), item.receives(), || item.handle()?.link())?;
        }
        waiter.until(timeout_ms, mask, |told| look(items, told))
    })
}

impl PollItem {
    fn is_raw(&self) -> bool {
        self.socket.is_null()
    }

    fn receives(&self) -> bool {
        self.events & POLLIN != 0
    }

    fn handle(&self) -> Result<Handle> {
        Handle::from_address(self.socket.addr())
    }

    fn raw_fd(&self) -> PollFd {
        let fd = if self.is_raw() { self.fd } else { -1 };
        PollFd { fd, events: asked_of_system(self.events), revents: 0 }
    }

    /// Those of the events asked for that have come; `told` is the system's answer for a descriptor.
    fn look(&self, told: Option<&PollFd>) -> Result<c_short> {
        if self.is_raw() {
            return Ok(told_by_system(told.map_or(0, |fd| fd.revents)));
        }
        // Both bits that a socket may have fit a short.
        Ok(self.events & self.handle()?.events()? as c_short)
    }
}

/// Writes `revents` of all items and counts those that are ready. `told` is what the system said of each; empty
/// where all are sockets.
fn look(items: &mut [PollItem], told: &[PollFd]) -> Result<usize> {
    let mut ready = 0;
    for (index, item) in items.iter_mut().enumerate() {
        item.revents = item.look(told.get(index))?;
        ready += usize::from(item.revents != 0);
    }
    Ok(ready)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::errno::Errno;
    use crate::poll::{POLLERR, POLLOUT};
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;
    use std::ptr;
    use std::time::{Duration, Instant};

    fn raw(fd: c_int, events: c_short) -> PollItem {
        PollItem { socket: ptr::null_mut(), fd, events, revents: -1 }
    }

    #[test]
    fn without_items_it_sleeps() {
        let start = Instant::now();
        assert_eq!(poll(&mut [], 20, None), Ok(0));
        assert!(start.elapsed() >= Duration::from_millis(20));
        assert_eq!(poll(&mut [], 0, None), Ok(0));
    }

    #[test]
    fn raw_descriptors() {
        let (mut here, there) = UnixStream::pair().unwrap();
        let fd = there.as_raw_fd();
        let mut items = [raw(fd, POLLIN), raw(fd, POLLIN | POLLOUT), raw(fd, 0), raw(-1, POLLIN)];
        assert_eq!(poll(&mut items, -1, None), Ok(1));
        assert_eq!(items.map(|item| item.revents), [0, POLLOUT, 0, 0]);
        here.write_all(b"x").unwrap();
        assert_eq!(poll(&mut items, 0, None), Ok(2), "an item that comes twice counts twice");
        assert_eq!(items.map(|item| item.revents), [POLLIN, POLLIN | POLLOUT, 0, 0]);
    }

    #[test]
    fn bad_descriptor_is_an_error_unasked() {
        let mut items = [raw(c_int::MAX, 0)];
        assert_eq!(poll(&mut items, -1, None), Ok(1));
        assert_eq!(items[0].revents, POLLERR);
    }

    #[test]
    fn a_timeout_is_never_short() {
        let (_here, there) = UnixStream::pair().unwrap();
        let start = Instant::now();
        assert_eq!(poll(&mut [raw(there.as_raw_fd(), POLLIN)], 20, None), Ok(0));
        assert!(start.elapsed() >= Duration::from_millis(20));
    }

    #[test]
    fn poll_refuses_an_item_that_is_no_socket() {
        let mut number = 0u64;
        let mut item = raw(0, POLLIN);
        item.socket = (&raw mut number).cast();
        for timeout_ms in [-1, 0, 1] {
            assert_eq!(poll(&mut [item], timeout_ms, None), Err(Errno::NOTSOCK));
            assert_eq!(poll(&mut [raw(-1, POLLIN), item], timeout_ms, None), Err(Errno::NOTSOCK));
        }
    }
}
