//! How a thread sleeps until one of many sockets or descriptors has something.

use crate::ctx::Mailbox;
use crate::errno::Result;
use crate::message::DeferFrees;
use crate::socket::Command;
use crate::sys::park::Parker;
use crate::sys::poll::{PollFd, SigMask, ppoll};
use std::cell::Cell;
use std::ffi::c_long;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Up to so many mailboxes forget the parker at the end of each call: a kept one costs its senders a little.
const FORGOTTEN: usize = 64;

thread_local! {
    /// The calling thread's, while it does not wait.
    static WAITER: Cell<Option<Box<Waiter>>> = const { Cell::new(None) };
}

/// A thread's bed, and the lists it needs for waiting, kept from call to call: to wait allocates nothing unless
/// it is for more than ever before.
#[derive(Default)]
pub(super) struct Waiter {
    parker: Arc<Parker>,
    /// Those that know the parker, with the addresses of their sockets. If they are many they stay from call to call,
    /// for a program that waits for thousands of sockets will do so again.
    registered: Vec<(usize, Arc<Mailbox<Command>>)>,
    /// So many of `registered` are attended to in this call.
    attended: usize,
    /// Those whose descriptors are in `fds`: this keeps them open.
    polled: Vec<Arc<Mailbox<Command>>>,
    fds: Vec<PollFd>,
}

/// Hands out the thread's waiter. A call from inside another one (there is none, but a waiter is cheap), or from a
/// thread that is ending, gets a new one.
pub(super) fn with_waiter<R>(run: impl FnOnce(&mut Waiter) -> Result<R>) -> Result<R> {
    let mut waiter = WAITER.try_with(Cell::take).ok().flatten().unwrap_or_default();
    let outcome = run(&mut waiter);
    waiter.leave();
    let _ = WAITER.try_with(|place| place.set(Some(waiter)));
    outcome
}

/// Runs a look at sockets, and afterwards, with no lock held, the free callbacks of messages that it let go of. They
/// must not wait until the whole call is over: it may last for ever.
pub(super) fn unlocked<R>(look: impl FnOnce() -> Result<R>) -> Result<R> {
    let _frees = DeferFrees::new();
    look()
}

impl Waiter {
    /// To wait on raw descriptors too, or with a signal mask: the descriptor that goes with each item, in their
    /// order, and -1 (skipped by the system) for a socket. Asks the system once, without waiting.
    ///
    /// Errors: `EINTR`, `EINVAL` (more descriptors than the process may have), `ENOMEM`.
    pub(super) fn ask(&mut self, fds: impl Iterator<Item = PollFd>, mask: Option<&SigMask>) -> Result<()> {
        self.fds.clear();
        self.fds.extend(fds);
        // A mask that lets a pending signal through is to do so here already.
        ppoll(&mut self.fds, Some(Duration::ZERO), mask)?;
        Ok(())
    }

    /// What the system said last of each item; empty over sockets alone.
    pub(super) fn told(&self) -> &[PollFd] {
        &self.fds
    }

    /// Lets the socket of this address, which is the item of this index, wake the thread: by unparking it, or after
    /// [`ask`](Waiter::ask) by a descriptor (`ZMQ_FD`). Errors: those of `mailbox`, which is the socket's; `EMFILE`,
    /// `ENFILE`, `ENOMEM`; `ETERM` in a forked child.
    pub(super) fn attend(
        &mut self,
        index: usize,
        address: usize,
        mailbox: impl FnOnce() -> Result<Arc<Mailbox<Command>>>,
    ) -> Result<()> {
        if let Some(place) = self.fds.get_mut(index) {
            let mailbox = mailbox()?;
            *place = PollFd { fd: mailbox.fd()?, events: libc::POLLIN, revents: 0 };
            self.polled.push(mailbox);
            return Ok(());
        }
        let kept = self.registered.get(self.attended);
        // Addresses come back, for other sockets.
        if !kept.is_some_and(|(kept, mailbox)| *kept == address && !mailbox.state().is_closed()) {
            self.forget_from(self.attended);
            let mailbox = mailbox()?;
            mailbox.register(&self.parker);
            self.registered.push((address, mailbox));
        }
        self.attended += 1;
        Ok(())
    }

    /// Waits until `look`, which is handed what the system said of each item, counts something, or the time is over:
    /// then the result is 0. Errors: `EINTR` and those of `look`; as of [`ask`](Waiter::ask).
    pub(super) fn until(
        &mut self,
        timeout_ms: c_long,
        mask: Option<&SigMask>,
        mut look: impl FnMut(&[PollFd]) -> Result<usize>,
    ) -> Result<usize> {
        let deadline = Deadline::after_ms(timeout_ms);
        self.forget_from(self.attended);
        // What was left by an earlier call would end the first sleep for nothing.
        self.parker.park(Some(Duration::ZERO))?;
        // What came for a socket before it was attended to wakes nobody.
        let mut found = unlocked(|| look(&self.fds))?;
        let mut over = false;
        while found == 0 && !over {
            if self.fds.is_empty() && mask.is_none() {
                self.parker.park(deadline.left())?;
            } else {
                // A thread cannot change its mask and go to bed in one step, except here.
                ppoll(&mut self.fds, deadline.left(), mask)?;
            }
            // Something may have come in the last moment: look before giving up.
            over = deadline.left().is_some_and(|left| left.is_zero());
            found = unlocked(|| look(&self.fds))?;
        }
        Ok(found)
    }

    /// The end of a call.
    fn leave(&mut self) {
        if self.registered.len() <= FORGOTTEN {
            self.forget_from(0);
        }
        self.attended = 0;
        self.polled.clear();
        self.fds.clear();
    }

    /// Mailboxes from this place on shall not wake the thread any more.
    fn forget_from(&mut self, first: usize) {
        for (_, mailbox) in self.registered.drain(first.min(self.registered.len())..) {
            mailbox.unregister(&self.parker);
        }
    }
}

impl Drop for Waiter {
    /// Also when a panic unwinds: a mailbox must not keep a parker for ever.
    fn drop(&mut self) {
        self.forget_from(0);
    }
}

/// When to stop waiting.
#[derive(Clone, Copy)]
enum Deadline {
    Never,
    At(Instant),
}

impl Deadline {
    /// Of a timeout as the C interface has it: milliseconds, negative for none. One beyond what the clock can count
    /// is none either.
    fn after_ms(timeout_ms: c_long) -> Deadline {
        let end = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
        end.and_then(|timeout| Instant::now().checked_add(timeout)).map_or(Deadline::Never, Deadline::At)
    }

    /// `None`: without end.
    fn left(self) -> Option<Duration> {
        match self {
            Deadline::Never => None,
            Deadline::At(end) => Some(end.saturating_duration_since(Instant::now())),
        }
    }
}
