//! How a thread of the program waits for sockets, in `zmq_send`, `zmq_recv`, `zmq_poll` and their like.
//!
//! Each thread has one [`Waiter`]. It has a [`Parker`] with its bell and its front epoll instance. It has the connections that
//! the thread has [borrowed](sleep), and the mailboxes that the parker is registered with. The order of a wait:
//!
//! 1. [`Waiter::take`]; the parker is registered with the mailbox of each socket.
//! 2. The thread looks at the sockets. Any later event ends the sleep.
//! 3. The thread sleeps, receiving for itself meanwhile, and looks again.
//! 4. [`Waiter::keep`]: the connections go back.
//!
//! | the thread waits for | it sleeps in ([`sleep`]) |
//! |---|---|
//! | sockets, none of whose connections it has borrowed | `sys::futex`, on the token of its parker |
//! | the same borrowed connections, again and again | its front epoll instance: their streams and the bell |
//! | other borrowed connections, or raw descriptors | ppoll(2): their streams, the descriptors, and the bell |
//!
//! The bell is a descriptor (`sys::eventfd`) by which another thread ends a sleep in epoll or ppoll(2).
//!
//! The waiter is kept in the thread from wait to wait, so that a wait allocates nothing. It is away while the thread waits: a
//! thread that waits inside of a wait, as a free callback may, gets a fresh one. So does a thread that can keep none, and a forked
//! child, whose copy would share descriptors with its parent's.

mod deadline;
mod front_policy;
mod sleep;

pub use deadline::Deadline;
#[cfg(test)]
pub use sleep::LentConnections;

use super::ordering::Looked;
use super::ordering::mark::receive_mark;
use super::socket_link::SocketLink;
use crate::errno::{Errno, Result};
use crate::message::DeferFrees;
use crate::sys::park::Parker;
use crate::sys::poll::{PollFd, SigMask, ppoll};
use crate::sys::thread_end::AtThreadEnd;
use std::cell::Cell;
use std::ffi::c_long;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::time::Duration;

/// Up to this many mailboxes forget the parker at the end of each call: a registered parker costs their senders a little.
const MAX_FORGOTTEN_REGISTRATIONS: usize = 64;

thread_local! {
    /// The calling thread's, while it does not wait.
    static WAITER: ManuallyDrop<Cell<Option<Box<Waiter>>>> = const { ManuallyDrop::new(Cell::new(None)) };
}

static DROP_WAITER: AtThreadEnd = AtThreadEnd(|| drop(WAITER.with(|place| place.take())));

/// What a thread needs for waiting.
#[derive(Default)]
pub struct Waiter {
    parker: Arc<Parker>,
    /// The thread has registered to drop this when it ends.
    kept: bool,
    /// The sockets of `zmq_poll` and its like, whose mailboxes the parker is registered with. If they are many they stay
    /// registered from call to call: a program that waits for thousands of sockets will do so again. A wait for something else
    /// may then be woken for each of them once.
    registered: Vec<Registered>,
    /// How many of `registered` this call waits for: the first ones.
    attended: usize,
    lent: sleep::LentConnections,
    /// What poll(2) is asked for besides.
    raw: Vec<PollFd>,
    looked: Looked,
}

struct Registered {
    /// The socket's.
    address: usize,
    socket: Arc<SocketLink>,
    /// The thread waits for messages, not only for room to send some.
    receives: bool,
}

/// Runs a look at sockets, and afterwards, with no lock held, the free callbacks of messages that it let go of. They
/// must not wait until the whole call is over: it may last for ever.
pub fn unlocked<R>(look: impl FnOnce() -> Result<R>) -> Result<R> {
    let _frees = DeferFrees::new();
    look()
}

/// From wait to wait.
impl Waiter {
    /// The calling thread's.
    pub fn take() -> Box<Waiter> {
        let waiter = WAITER.with(|place| place.take());
        waiter.filter(|waiter| !waiter.parker.forked()).unwrap_or_default()
    }

    /// The wait is over.
    pub fn keep(mut self: Box<Waiter>) {
        self.lent.give_back();
        if self.registered.len() <= MAX_FORGOTTEN_REGISTRATIONS {
            self.forget_from(0);
        }
        self.attended = 0;
        self.raw.clear();
        self.kept = self.kept || DROP_WAITER.register();
        if self.kept {
            WAITER.with(|place| place.set(Some(self)));
        }
    }
}

/// For a wait for one socket.
impl Waiter {
    /// Lets the socket wake the thread, to be undone by [`unregister`](Waiter::unregister).
    pub fn register(&self, socket: &SocketLink) {
        socket.mailbox.register(&self.parker);
        // What an earlier call has left would end the first sleep for nothing. An event from now on shows in the look that
        // follows.
        self.parker.forget();
    }

    pub fn unregister(&self, socket: &SocketLink) {
        socket.mailbox.unregister(&self.parker);
    }

    /// Before a sleep: runs the free callbacks of what the call has let go of, as [`until`](Waiter::until) does between two sleeps.
    pub fn run_frees(&mut self) {
        if DeferFrees::are_due() {
            self.lent.give_back();
            DeferFrees::run_due();
        }
    }

    /// Sleeps until the socket's mailbox has something, or the time is over. A wake by mistake costs one more look. Errors:
    /// `EINTR`.
    pub fn sleep_for_room(&mut self, timeout: Option<Duration>) -> Result<()> {
        self.parker.park(timeout).map(|_| ())
    }

    /// As [`sleep_for_room`](Waiter::sleep_for_room), and receives from the socket's connections meanwhile.
    pub fn sleep_for_messages(&mut self, socket: &SocketLink, timeout: Option<Duration>) -> Result<()> {
        self.lent.sleep(&self.parker, std::iter::once(socket), &mut [], timeout, None)
    }
}

/// For a wait for many sockets, and for descriptors besides.
impl Waiter {
    /// To wait on raw descriptors too, or with a signal mask: the descriptor that goes with each item, in their
    /// order, and -1 (skipped by the system) for a socket. Asks the system once, without waiting.
    ///
    /// Errors: `EINTR`, `EINVAL` (more descriptors than the process may have), `ENOMEM`.
    pub fn ask(&mut self, raw: impl Iterator<Item = PollFd>, mask: Option<&SigMask>) -> Result<()> {
        self.raw.clear();
        self.raw.extend(raw);
        // A mask that lets a pending signal through is to do so here already.
        ppoll(&mut self.raw, Some(Duration::ZERO), mask)?;
        Ok(())
    }

    /// What the system said last of each item; empty over sockets alone.
    pub fn told(&self) -> &[PollFd] {
        &self.raw
    }

    /// Lets the socket of this address wake the thread. `receives`: the thread waits for messages there. Errors: those of
    /// `socket`.
    pub fn attend(
        &mut self,
        address: usize,
        receives: bool,
        socket: impl FnOnce() -> Result<Arc<SocketLink>>,
    ) -> Result<()> {
        match self.registered.get_mut(self.attended) {
            // Addresses come back, for other sockets.
            Some(kept) if kept.address == address && !kept.socket.mailbox.state().is_closed() => {
                kept.receives = receives;
            }
            _ => {
                self.forget_from(self.attended);
                let socket = socket()?;
                socket.mailbox.register(&self.parker);
                self.registered.push(Registered { address, socket, receives });
            }
        }
        self.attended += 1;
        Ok(())
    }

    /// Waits until `look`, which is handed what the system said of each item, counts something, or the time is over:
    /// then the result is 0. Errors: `EINTR`, `ENOTSOCK` once a socket was closed, and those of `look`; as of [`ask`](Waiter::ask).
    pub fn until(
        &mut self,
        timeout_ms: c_long,
        mask: Option<&SigMask>,
        mut look: impl FnMut(&[PollFd]) -> Result<usize>,
    ) -> Result<usize> {
        let deadline = Deadline::after_ms(timeout_ms);
        self.forget_from(self.attended);
        // As of `register`.
        self.parker.forget();
        self.check_attended()?;
        let mut found = unlocked(|| look(&self.raw))?;
        let mut over = false;
        while found == 0 && !over {
            let sockets = self.registered.iter().filter(|one| one.receives).map(|one| &*one.socket);
            self.lent.sleep(&self.parker, sockets, &mut self.raw, deadline.left(), mask)?;
            // Something may have come in the last moment: look before giving up.
            over = deadline.left().is_some_and(|left| left.is_zero());
            self.check_attended()?;
            found = self.look_between_sleeps(&mut look)?;
        }
        self.lent.give_back();
        Ok(found)
    }

    /// The handle of a socket that was closed may stand for another one by now, at which `look` is not to look. Errors: `ENOTSOCK`.
    fn check_attended(&self) -> Result<()> {
        let mut attended = self.registered.iter().take(self.attended);
        if attended.any(|one| one.socket.mailbox.state().is_closed()) { Err(Errno::NOTSOCK) } else { Ok(()) }
    }

    /// As [`unlocked`]. Before free callbacks run the connections go back. A callback may wait for one of the same sockets. No thread
    /// receives from a connection that this thread has borrowed and does not poll.
    fn look_between_sleeps(&mut self, look: &mut impl FnMut(&[PollFd]) -> Result<usize>) -> Result<usize> {
        let frees = DeferFrees::new();
        let found = look(&self.raw);
        if frees.holds_any() {
            self.lent.give_back();
        }
        drop(frees);
        found
    }

    /// For a thread that polls without waiting: receives what was [pending](super::ordering) for the sockets of `items`, each of
    /// which has an `address` and a `socket`. Whether something may have come. Errors: those of `socket`.
    pub fn receive_pending<T>(
        &mut self,
        items: impl Iterator<Item = T> + Clone,
        address: impl Fn(&T) -> usize,
        socket: impl Fn(&T) -> Result<Arc<SocketLink>>,
    ) -> Result<bool> {
        if !self.looked.is_due(receive_mark(), items.clone().map(|item| address(&item))) {
            return Ok(false);
        }
        let mut items = items;
        items.try_fold(false, |any, item| Ok(socket(&item)?.connections.receive_pending() | any))
    }

    /// Mailboxes from this place on shall not wake the thread any more.
    fn forget_from(&mut self, first: usize) {
        for one in self.registered.drain(first.min(self.registered.len())..) {
            one.socket.mailbox.unregister(&self.parker);
        }
    }
}

impl Drop for Waiter {
    /// Also when a panic unwinds: a mailbox must not keep a parker for ever.
    fn drop(&mut self) {
        self.forget_from(0);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::counters::SocketRecord;

    /// The look would find a socket that has the handle by now.
    #[test]
    fn wait_ends_where_a_socket_was_closed_since_it_began() {
        let link = Arc::new(SocketLink::new(0, SocketRecord::default()));
        let mut waiter = Waiter::take();
        waiter.attend(8, true, || Ok(Arc::clone(&link))).unwrap();
        assert_eq!(waiter.until(0, None, |_| Ok(1)), Ok(1));
        let mut looks = 0;
        let closed_in_between = waiter.until(-1, None, |_| {
            looks += 1;
            drop(link.mailbox.close());
            Ok(looks - 1)
        });
        assert_eq!((closed_in_between, looks), (Err(Errno::NOTSOCK), 1));
        assert_eq!(waiter.until(0, None, |_| Ok(1)), Err(Errno::NOTSOCK));
        waiter.keep();
    }
}
