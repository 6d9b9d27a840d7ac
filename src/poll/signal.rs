//! The descriptor of a poller (`zmq_poller_fd`).

use crate::errno::Result;
use crate::sys::cancel::CancelOff;
use crate::sys::thread_state::ThreadState;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

/// A descriptor that becomes readable when one of those it watches does, and stays so until [`drain`](Signal::drain).
pub(super) struct Signal {
    poll: Poll,
    events: Events,
}

impl Signal {
    /// Errors: `EMFILE`, `ENFILE`, `ENOMEM`.
    pub(super) fn new() -> Result<Signal> {
        Ok(Signal { poll: Poll::new()?, events: Events::with_capacity(64) })
    }

    /// Watches `fd` too, which is to stay open until it is ignored. Errors: `ENOMEM`, `ENOSPC`.
    pub(super) fn watch(&self, fd: RawFd) -> Result<()> {
        Ok(self.poll.registry().register(&mut SourceFd(&fd), Token(0), Interest::READABLE)?)
    }

    /// Watches `fd` no more.
    pub(super) fn ignore(&self, fd: RawFd) {
        // Fails only for what was never watched.
        let _ = self.poll.registry().deregister(&mut SourceFd(&fd));
    }

    /// Stays this object's: valid while it lives, not for the caller to close.
    pub(super) fn fd(&self) -> RawFd {
        self.poll.as_raw_fd()
    }

    /// Makes it unreadable.
    pub(super) fn drain(&mut self) {
        // Each event is told once; a failure leaves it readable, which costs the program one look in vain.
        let _off = CancelOff::for_call(ThreadState::current());
        while self.poll.poll(&mut self.events, Some(Duration::ZERO)).is_ok() && !self.events.is_empty() {}
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
        let mut signal = Signal::new().unwrap();
        assert!(!readable(&signal));
        signal.watch(mailbox.fd().unwrap()).unwrap();
        assert!(readable(&signal), "what came before is told as well");
        signal.drain();
        assert!(!readable(&signal));
        mailbox.take(&mut Vec::new());
        mailbox.send(1);
        assert!(readable(&signal));
        signal.drain();
        signal.ignore(mailbox.fd().unwrap());
        mailbox.take(&mut Vec::new());
        mailbox.send(2);
        assert!(!readable(&signal));
    }
}
