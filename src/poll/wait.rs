//! How a thread sleeps until one of many sockets or descriptors has something.

use crate::errno::Result;
use crate::message::DeferFrees;
use crate::socket::{Borrowed, POLLIN, SocketLink, fed};
use crate::sys::park::Parker;
use crate::sys::poll::{PollFd, SigMask, ppoll};
use crate::sys::thread_end::AtThreadEnd;
use std::cell::Cell;
use std::ffi::{c_long, c_short};
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Up to so many mailboxes forget the parker at the end of each call: a kept one costs its senders a little.
const FORGOTTEN: usize = 64;

thread_local! {
    /// The calling thread's, while it does not wait.
    static WAITER: ManuallyDrop<Cell<Option<Box<Waiter>>>> = const { ManuallyDrop::new(Cell::new(None)) };
}

static FORGET: AtThreadEnd = AtThreadEnd(|| drop(WAITER.with(|place| place.take())));

/// A thread's bed, and the lists it needs for waiting, kept from call to call: to wait allocates nothing unless
/// it is for more than ever before.
#[derive(Default)]
pub(super) struct Waiter {
    parker: Arc<Parker>,
    /// Its thread has registered to drop it.
    kept: bool,
    /// Those that know the parker. If they are many they stay from call to call, for a program that waits for thousands of
    /// sockets will do so again.
    registered: Vec<Registered>,
    /// So many of `registered` are attended to in this call.
    attended: usize,
    borrowed: Borrowed,
    fds: Vec<PollFd>,
    /// What the thread had received for itself when it [received what was pending](Waiter::receive_pending) last.
    fed: u64,
}

struct Registered {
    /// The socket's.
    address: usize,
    owner: Arc<SocketLink>,
    /// The thread waits for messages, not only for room to send some.
    receives: bool,
}

/// BodyRing out the thread's waiter. A call from inside another one (there is none, but a waiter is cheap), or from a
/// thread that cannot keep one, gets a new one.
pub(super) fn with_waiter<R>(run: impl FnOnce(&mut Waiter) -> Result<R>) -> Result<R> {
    let waiter = WAITER.with(|place| place.take());
    // A forked child's would share a descriptor with its parent's.
    let mut waiter = waiter.filter(|waiter| !waiter.parker.forked()).unwrap_or_default();
    let outcome = run(&mut waiter);
    waiter.leave();
    waiter.kept = waiter.kept || FORGET.register();
    if waiter.kept {
        WAITER.with(|place| place.set(Some(waiter)));
    }
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

    /// Lets the socket of this address wake the thread when one of `events` may have come. Errors: those of `owner`, which
    /// is the socket's.
    pub(super) fn attend(
        &mut self,
        address: usize,
        events: c_short,
        owner: impl FnOnce() -> Result<Arc<SocketLink>>,
    ) -> Result<()> {
        let receives = i32::from(events) & POLLIN != 0;
        match self.registered.get_mut(self.attended) {
            // Addresses come back, for other sockets.
            Some(kept) if kept.address == address && !kept.owner.mailbox.state().is_closed() => {
                kept.receives = receives;
            }
            _ => {
                self.forget_from(self.attended);
                let owner = owner()?;
                owner.mailbox.register(&self.parker);
                self.registered.push(Registered { address, owner, receives });
            }
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
        self.parker.forget();
        // What came for a socket before it was attended to wakes nobody.
        let mut found = unlocked(|| look(&self.fds))?;
        let mut over = false;
        while found == 0 && !over {
            let owners = self.registered.iter().filter(|socket| socket.receives).map(|socket| &*socket.owner);
            self.borrowed.sleep(&self.parker, owners, &mut self.fds, deadline.left(), mask)?;
            // Something may have come in the last moment: look before giving up.
            over = deadline.left().is_some_and(|left| left.is_zero());
            found = unlocked(|| look(&self.fds))?;
        }
        self.borrowed.leave();
        Ok(found)
    }

    /// For a thread that does not wait: see `Connections::receive_pending`. `owners` are of
    /// the sockets that it would receive from. Whether something may have come. Errors: theirs.
    pub(super) fn receive_pending(
        &mut self,
        mut owners: impl Iterator<Item = Result<Arc<SocketLink>>>,
    ) -> Result<bool> {
        let fed = fed();
        if std::mem::replace(&mut self.fed, fed) == fed {
            return Ok(false);
        }
        owners.try_fold(false, |any, owner| Ok(owner?.connections.receive_pending() | any))
    }

    /// The end of a call.
    fn leave(&mut self) {
        self.borrowed.leave();
        if self.registered.len() <= FORGOTTEN {
            self.forget_from(0);
        }
        self.attended = 0;
        self.fds.clear();
    }

    /// Mailboxes from this place on shall not wake the thread any more.
    fn forget_from(&mut self, first: usize) {
        for socket in self.registered.drain(first.min(self.registered.len())..) {
            socket.owner.mailbox.unregister(&self.parker);
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
