//! The descriptor of a poller (`zmq_poller_fd`).

use crate::errno::Result;
use crate::sys::cancel::CancelOff;
use crate::sys::fork::Born;
use crate::sys::lock::Lock;
use crate::sys::thread_state::ThreadState;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

/// A descriptor that becomes readable when one of those it watches does, and stays so until [`drain`](Signal::drain).
///
/// Those it watches stay readable meanwhile (`Mailbox::poller_fd`): the system would else take back what it has told of them. A thread that waits
/// drains it while others add to it, so the lock is its own.
pub(super) struct Signal {
    /// `Some` until this is dropped.
    inner: Lock<Option<(Poll, Events)>>,
    fd: RawFd,
    born: Born,
}

impl Signal {
    /// Errors: `EMFILE`, `ENFILE`, `ENOMEM`.
    pub(super) fn new() -> Result<Signal> {
        let poll = Poll::new()?;
        let fd = poll.as_raw_fd();
        let inner = Lock::new(Some((poll, Events::with_capacity(64))));
        Ok(Signal { inner, fd, born: Born::now() })
    }

    /// Watches `fd` too, which is to stay open until it is ignored. Errors: `ENOMEM`, `ENOSPC`.
    pub(super) fn watch(&self, fd: RawFd) -> Result<()> {
        let inner = self.inner.lock();
        let Some((poll, _)) = &*inner else { return Ok(()) };
        Ok(poll.registry().register(&mut SourceFd(&fd), Token(0), Interest::READABLE)?)
    }

    /// Watches `fd` no more.
    pub(super) fn ignore(&self, fd: RawFd) {
        let inner = self.inner.lock();
        let Some((poll, _)) = &*inner else { return };
        // Fails only for what was never watched.
        let _ = poll.registry().deregister(&mut SourceFd(&fd));
    }

    /// Stays this object's: valid while it lives, not for the caller to close.
    pub(super) fn fd(&self) -> RawFd {
        self.fd
    }

    /// Whether it is the parent's of this process, which goes on with it.
    pub(super) fn is_forked(&self) -> bool {
        self.born.forked()
    }

    /// Makes it unreadable.
    pub(super) fn drain(&self) {
        // Each event is told once; a failure leaves it readable, which costs the program one look in vain.
        let _off = CancelOff::for_call(ThreadState::current());
        let mut inner = self.inner.lock();
        let Some((poll, events)) = &mut *inner else { return };
        while poll.poll(events, Some(Duration::ZERO)).is_ok() && !events.is_empty() {}
    }
}

impl Drop for Signal {
    /// In a forked child the number may be another descriptor's by now, which is to stay open.
    fn drop(&mut self) {
        let inner = self.inner.lock().take();
        if self.born.forked() {
            std::mem::forget(inner);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::ctx::Mailbox;
    use crate::sys::poll::{PollFd, poll};

    fn readable(signal: &Signal) -> bool {
        let mut fds = [PollFd { fd: signal.fd(), events: libc::POLLIN, revents: 0 }];
        poll(&mut fds, Some(Duration::ZERO)).unwrap() == 1
    }

    #[test]
    fn readable_from_a_command_to_the_drain() {
        let mailbox = Mailbox::new();
        mailbox.send(0);
        let signal = Signal::new().unwrap();
        assert!(!readable(&signal));
        signal.watch(mailbox.poller_fd().unwrap()).unwrap();
        assert!(readable(&signal), "what came before is told as well");
        signal.drain();
        assert!(!readable(&signal));
        mailbox.take(&mut Vec::new());
        mailbox.send(1);
        mailbox.take(&mut Vec::new());
        assert!(readable(&signal), "not told yet, though it was taken");
        signal.drain();
        assert!(!readable(&signal));
        mailbox.send(3);
        assert!(readable(&signal), "the mailbox's descriptor was readable before");
        mailbox.hush();
        assert!(!readable(&signal));
        mailbox.take(&mut Vec::new());
        signal.ignore(mailbox.poller_fd().unwrap());
        mailbox.take(&mut Vec::new());
        mailbox.send(2);
        assert!(!readable(&signal));
    }
}
