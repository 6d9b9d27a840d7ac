//! What other threads tell a socket.

use crate::errno::{Errno, Result};
use crate::queue::memo::Memo;
use crate::sys::eventfd::EventFd;
use crate::sys::fork::Born;
use crate::sys::lock::{Lock, LockGuard};
use crate::sys::park::Parker;
use std::os::fd::RawFd;
use std::sync::atomic::{
    AtomicU32,
    Ordering::{Acquire, Release},
};
use std::sync::{Arc, OnceLock};

const PENDING: u32 = 1;
const STOPPED: u32 = 2;
const CLOSED: u32 = 4;
const HAS_FD: u32 = 8;
/// The descriptor will be made readable, or is, for something that has been taken already.
const OWED: u32 = 16;

/// A queue of commands `C` from any thread to whoever holds the socket, and the "context terminated" bit.
///
/// The owner looks at [`state`](Mailbox::state) on every call: one load. To sleep, a thread registers its
/// [`Parker`] with one mailbox or many, looks at their states once more, and parks; a sender makes no system
/// call unless somebody is registered and asleep, or [`fd`](Mailbox::fd) was asked for.
///
/// In a forked child nothing is taken or delivered and [`register`](Mailbox::register) answers "stopped", so that
/// nobody sleeps: the threads that would answer do not exist, and one of them may have held the lock.
pub struct Mailbox<C> {
    /// The bits above. Written under the lock of `inner` only (release); read by anybody (acquire), so
    /// that what a sender wrote before `send` is visible to who sees the bit. The commands themselves pass
    /// through the lock. A sleeper misses no bit: `register` takes the lock, so a sender came before it, and the
    /// sleeper's next look sees the bit, or comes after it and finds the parker.
    state: AtomicU32,
    inner: Lock<Inner<C>>,
    /// Made when first asked for, under the lock of `inner`. Readable from the end of the call that has brought a command or
    /// the stop until that has been taken.
    event: OnceLock<EventFd>,
    /// What a command, the stop and the close make untrue.
    memo: OnceLock<&'static Memo>,
    born: Born,
}

/// A look at a mailbox.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct State(u32);

struct Inner<C> {
    queue: Vec<C>,
    sleepers: Vec<Arc<Parker>>,
    /// How often the descriptor has been signalled, or is about to be, less how often that has been undone.
    owed: u64,
}

impl<C> Mailbox<C> {
    pub fn new() -> Mailbox<C> {
        let inner = Inner { queue: Vec::new(), sleepers: Vec::new(), owed: 0 };
        Mailbox {
            state: AtomicU32::new(0),
            inner: Lock::new(inner),
            event: OnceLock::new(),
            memo: OnceLock::new(),
            born: Born::now(),
        }
    }

    /// From now on whatever comes clears `memo`, before anybody is told. To be called once.
    pub fn clears(&self, memo: &'static Memo) {
        let _ = self.memo.set(memo);
    }

    /// Delivers a command, from any thread. What comes after [`close`](Mailbox::close) is dropped.
    pub fn send(&self, command: C) {
        // Dropped here, with no lock held.
        let _refused = self.try_send(command);
    }

    /// As [`send`](Mailbox::send), but gives a command back that nobody will take any more.
    pub fn try_send(&self, command: C) -> std::result::Result<(), C> {
        let Some(mut inner) = self.lock() else {
            return Err(command);
        };
        if self.state().is_closed() {
            return Err(command);
        }
        inner.queue.push(command);
        self.raise(inner, PENDING);
        Ok(())
    }

    /// Wakes everybody and makes the descriptor readable, as if a command had come.
    pub fn touch(&self) {
        if let Some(inner) = self.lock() {
            self.raise(inner, PENDING);
        }
    }

    /// Sets the sticky "context terminated" bit and wakes everybody.
    pub fn stop(&self) {
        if let Some(inner) = self.lock() {
            self.raise(inner, STOPPED);
        }
    }

    /// Whether a command, the stop or the close is there: one load, meant for every call on a socket.
    #[inline]
    pub fn state(&self) -> State {
        State(self.state.load(Acquire))
    }

    /// Whether [`take`](Mailbox::take) would find something.
    #[inline]
    pub fn pending(&self) -> bool {
        self.state().is_pending()
    }

    /// Whether [`stop`](Mailbox::stop) was called.
    #[inline]
    pub fn stopped(&self) -> bool {
        self.state().is_stopped()
    }

    /// Moves all commands to the end of `into`, in the order of sending from each thread. The descriptor is no
    /// longer readable afterwards, unless a sender has not come to that yet: then it will be once for nothing, and there is
    /// something to look into until the next call of this, which makes it unreadable.
    pub fn take(&self, into: &mut Vec<C>) {
        let Some(mut inner) = self.lock() else {
            return;
        };
        if into.is_empty() {
            std::mem::swap(into, &mut inner.queue);
        } else {
            into.append(&mut inner.queue);
        }
        let before = State(self.state.fetch_and(!PENDING, Release));
        if let Some(event) = self.event.get()
            && !before.is_quiet()
        {
            inner.owed = inner.owed.saturating_sub(event.drain().unwrap_or(0));
            if inner.owed == 0 {
                self.state.fetch_and(!OWED, Release);
            } else {
                self.state.fetch_or(OWED, Release);
            }
        }
    }

    /// Takes nothing any more and returns what is there; drop it with no lock held.
    pub fn close(&self) -> Vec<C> {
        let Some(mut inner) = self.lock() else {
            return Vec::new();
        };
        let left = std::mem::take(&mut inner.queue);
        self.state.fetch_and(!PENDING, Release);
        self.raise(inner, CLOSED);
        left
    }

    /// From now on every send, stop and close unparks `parker`, which may be registered with many mailboxes. Look
    /// at the returned state before parking: what was there already does not unpark.
    pub fn register(&self, parker: &Arc<Parker>) -> State {
        match self.lock() {
            Some(mut inner) => inner.sleepers.push(Arc::clone(parker)),
            None => return State(STOPPED | CLOSED),
        }
        self.state()
    }

    /// Undoes one [`register`](Mailbox::register). A sender that was at it already may still unpark once.
    pub fn unregister(&self, parker: &Arc<Parker>) {
        if let Some(mut inner) = self.lock()
            && let Some(index) = inner.sleepers.iter().position(|sleeper| Arc::ptr_eq(sleeper, parker))
        {
            inner.sleepers.swap_remove(index);
        }
    }

    /// `ZMQ_FD`: readable from the moment a command comes to an empty mailbox, or the context stops, until
    /// [`take`](Mailbox::take). Made by the first call; stays the mailbox's own.
    ///
    /// Errors: `EMFILE`, `ENFILE`, `ENOMEM`; `ETERM` in a forked child.
    pub fn fd(&self) -> Result<RawFd> {
        let mut inner = self.lock().ok_or(Errno::TERM)?;
        if let Some(event) = self.event.get() {
            return Ok(event.fd());
        }
        let event = EventFd::new()?;
        if !self.state().is_quiet() {
            inner.owed += 1;
            event.signal();
        }
        // Locked, so there is none yet.
        let fd = self.event.get_or_init(|| event).fd();
        self.state.fetch_or(HAS_FD, Release);
        Ok(fd)
    }

    /// Sets `bit` and tells everybody, with the lock released: a woken thread wants it at once, and would be put to sleep once
    /// more, to be woken a second time.
    fn raise(&self, mut inner: LockGuard<'_, Inner<C>>, bit: u32) {
        let before = self.state.fetch_or(bit, Release);
        // Still locked: whoever registers after this sees it.
        if let Some(memo) = self.memo.get() {
            memo.clear();
        }
        let event = self.event.get().filter(|_| before & bit == 0);
        inner.owed += u64::from(event.is_some());
        // Nearly always there is none or one, and an empty `Vec` is no allocation.
        let first = inner.sleepers.first().map(Arc::clone);
        let others = inner.sleepers.get(1..).unwrap_or_default().to_vec();
        drop(inner);
        if let Some(event) = event {
            event.signal();
        }
        if let Some(first) = first {
            first.unpark();
        }
        others.iter().for_each(|sleeper| sleeper.unpark());
    }

    /// `None` in a forked child, where a thread that does not exist may hold the lock, and where the descriptor is
    /// shared with the parent.
    fn lock(&self) -> Option<LockGuard<'_, Inner<C>>> {
        if self.born.forked() {
            return None;
        }
        Some(self.inner.lock())
    }
}

impl State {
    /// Nothing at all to look into.
    #[inline]
    pub fn is_quiet(self) -> bool {
        self.0 & (PENDING | STOPPED | CLOSED | OWED) == 0
    }

    /// Whether [`Mailbox::fd`] was ever asked for, so that somebody may be watching it.
    #[inline]
    pub fn has_fd(self) -> bool {
        self.0 & HAS_FD != 0
    }

    #[inline]
    pub fn is_pending(self) -> bool {
        self.0 & PENDING != 0
    }

    #[inline]
    pub fn is_stopped(self) -> bool {
        self.0 & STOPPED != 0
    }

    #[inline]
    pub fn is_closed(self) -> bool {
        self.0 & CLOSED != 0
    }
}

impl<C> Default for Mailbox<C> {
    fn default() -> Mailbox<C> {
        Mailbox::new()
    }
}

impl<C: Send> super::Stop for Mailbox<C> {
    fn stop(&self) {
        Mailbox::stop(self);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::sys::poll::{PollFd, poll};
    use std::thread;
    use std::time::Duration;

    fn readable(fd: RawFd) -> bool {
        let mut fds = [PollFd { fd, events: libc::POLLIN, revents: 0 }];
        poll(&mut fds, Some(Duration::ZERO)).unwrap() == 1
    }

    /// Parks until one of the mailboxes has something, as `zmq_poll` does.
    fn wait<C>(mailboxes: &[&Mailbox<C>]) {
        let parker = Arc::new(Parker::new());
        let quiet = mailboxes
            .iter()
            .map(|mailbox| mailbox.register(&parker))
            .filter(|state| state.is_quiet())
            .count();
        if quiet == mailboxes.len() {
            while mailboxes.iter().all(|mailbox| mailbox.state().is_quiet()) {
                parker.park(None).unwrap();
            }
        }
        mailboxes.iter().for_each(|mailbox| mailbox.unregister(&parker));
    }

    #[test]
    fn commands_come_in_order_and_the_bit_goes() {
        let mailbox = Mailbox::new();
        assert!(mailbox.state().is_quiet());
        mailbox.send(1);
        mailbox.send(2);
        assert!(mailbox.pending() && !mailbox.stopped());
        let mut taken = vec![0];
        mailbox.take(&mut taken);
        assert_eq!(taken, [0, 1, 2]);
        assert!(mailbox.state().is_quiet());
    }

    #[test]
    fn the_descriptor_is_readable_until_taken() {
        let mailbox = Mailbox::new();
        mailbox.send(1);
        let fd = mailbox.fd().unwrap();
        assert!(readable(fd), "made late, yet the edge is not lost");
        mailbox.take(&mut Vec::new());
        assert!(!readable(fd));
        mailbox.send(2);
        mailbox.send(3);
        assert!(readable(fd));
        mailbox.take(&mut Vec::new());
        assert!(!readable(fd));
        mailbox.stop();
        assert!(readable(fd));
        assert_eq!(mailbox.fd(), Ok(fd));
        assert!(mailbox.state().has_fd());
    }

    /// Whoever takes a command before its sender has come to the descriptor is told once more, for nothing, and nobody is told
    /// too little.
    #[test]
    fn the_descriptor_misses_nothing_and_falls_silent() {
        const EACH: u32 = 5000;
        let mailbox = Arc::new(Mailbox::new());
        let fd = mailbox.fd().unwrap();
        let sender = |mailbox: Arc<Mailbox<u32>>| move || (0..EACH).for_each(|number| mailbox.send(number));
        let senders = [(); 2].map(|()| thread::spawn(sender(Arc::clone(&mailbox))));
        let mut taken = Vec::new();
        while taken.len() < 2 * EACH as usize {
            let mut fds = [PollFd { fd, events: libc::POLLIN, revents: 0 }];
            assert_eq!(poll(&mut fds, Some(Duration::from_secs(60))), Ok(1));
            mailbox.take(&mut taken);
            // At once, so that some come too early.
            mailbox.take(&mut taken);
        }
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        if !mailbox.state().is_quiet() {
            mailbox.take(&mut taken);
        }
        assert!(mailbox.state().is_quiet() && !readable(fd));
    }

    #[test]
    fn stop_sticks() {
        let mailbox = Mailbox::<()>::new();
        mailbox.stop();
        mailbox.take(&mut Vec::new());
        assert!(mailbox.stopped() && !mailbox.pending());
    }

    #[test]
    fn a_closed_mailbox_gives_commands_back() {
        let mailbox = Mailbox::new();
        mailbox.send(1);
        assert_eq!(mailbox.close(), [1]);
        assert_eq!(mailbox.try_send(2), Err(2));
        assert!(!mailbox.pending());
    }

    #[test]
    fn stop_wakes_a_sleeper() {
        let mailbox = Arc::new(Mailbox::<()>::new());
        let stopper = Arc::clone(&mailbox);
        let thread = thread::spawn(move || stopper.stop());
        wait(&[&mailbox]);
        assert!(mailbox.stopped());
        thread.join().unwrap();
    }

    #[test]
    fn one_thread_waits_on_many_and_loses_nothing() {
        const EACH: usize = 5000;
        let mailboxes: Vec<_> = (0..3).map(|_| Arc::new(Mailbox::new())).collect();
        let senders: Vec<_> = mailboxes
            .iter()
            .cloned()
            .map(|mailbox| thread::spawn(move || (0..EACH).for_each(|number| mailbox.send(number))))
            .collect();
        let borrowed: Vec<_> = mailboxes.iter().map(|mailbox| &**mailbox).collect();
        let mut seen = [0; 3];
        while seen.iter().sum::<usize>() < 3 * EACH {
            wait(&borrowed);
            for (mailbox, seen) in mailboxes.iter().zip(&mut seen) {
                let mut taken = Vec::new();
                mailbox.take(&mut taken);
                for number in taken {
                    assert_eq!(number, *seen);
                    *seen += 1;
                }
            }
        }
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        assert!(mailboxes.iter().all(|mailbox| mailbox.state().is_quiet()));
    }
}
