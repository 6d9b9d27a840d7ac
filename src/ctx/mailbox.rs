//! The commands of other threads to a socket.

use crate::errno::{Errno, Result};
use crate::queue::cached_answer::Memo;
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

const PENDING_BIT: u32 = 1;
const STOPPED_BIT: u32 = 2;
const CLOSED_BIT: u32 = 4;
const HAS_FD_BIT: u32 = 8;
/// The descriptor is or will be readable for a command that has already been taken.
const OWED_BIT: u32 = 16;

/// Signals of a descriptor that taking leaves readable, until they are undone: where the system has no eventfd they are numbers in a pipe.
const MAX_KEPT_SIGNALS: u64 = 256;

/// A queue of commands `C` from any thread to the thread that holds the socket, and the "context terminated"
/// bit.
///
/// The owner loads [`state`](Mailbox::state) on every call: one load. To sleep, a thread registers its
/// [`Parker`] with one or more mailboxes, checks their states again, and parks. A sender makes no system call
/// unless a thread is registered and asleep, or [`fd`](Mailbox::fd) has been called.
///
/// In a forked child no command is taken or delivered, and [`register`](Mailbox::register) returns "stopped",
/// so that no thread sleeps. The threads that would answer do not exist there, and one of them may have held
/// the lock.
pub struct Mailbox<C> {
    /// The bits above. Written only under the lock of `inner` (release), read by any thread (acquire). A
    /// thread that sees a bit thus sees what the sender wrote before `send`; the commands themselves pass
    /// through the lock.
    ///
    /// A sleeper misses no bit, because `register` takes the lock. A sender that came before is seen by the
    /// sleeper's next look. A sender that comes after finds the parker.
    state: AtomicU32,
    inner: Lock<Inner<C>>,
    /// Made by the first call of `fd` or `poller_fd`, under the lock of `inner`. Readable from the end of the call that
    /// brought a command or the stop, until that has been taken or, for pollers, until [`hush`](Mailbox::hush).
    event: OnceLock<EventFd>,
    /// Told when the bit of a command, the stop or the close is set that was not set before, without the lock of `inner`. The thread that tells
    /// it may have the socket's lock. Set once, by the owner, under the lock of `inner`.
    attendant: OnceLock<Box<dyn Fn() + Send + Sync>>,
    /// The cached answer that a command, the stop or the close makes untrue.
    memo: OnceLock<&'static Memo>,
    born: Born,
}

/// The bits of a mailbox at one moment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct State(u32);

struct Inner<C> {
    queue: Vec<C>,
    sleepers: Vec<Arc<Parker>>,
    /// Number of signals of the descriptor, made or about to be made, less those drained.
    owed: u64,
    /// The descriptor is for pollers: taking leaves it readable.
    is_kept: bool,
}

impl<C> Mailbox<C> {
    pub fn new() -> Mailbox<C> {
        let inner = Inner { queue: Vec::new(), sleepers: Vec::new(), owed: 0, is_kept: false };
        Mailbox {
            state: AtomicU32::new(0),
            inner: Lock::new(inner),
            event: OnceLock::new(),
            attendant: OnceLock::new(),
            memo: OnceLock::new(),
            born: Born::now(),
        }
    }

    /// From now on each change clears `memo`, before any thread is woken. Call it once.
    pub fn clears(&self, memo: &'static Memo) {
        let _ = self.memo.set(memo);
    }

    /// From now on `attendant` is called when a command comes to an empty mailbox. `false`: there is one already, or the process has forked.
    ///
    /// A command that came before this call lies in the mailbox when it returns, and [`state`](Mailbox::state) shows it: a sender sets its bit under
    /// the same lock. One that comes later finds the attendant.
    pub fn attend(&self, attendant: Box<dyn Fn() + Send + Sync>) -> bool {
        let Some(_inner) = self.lock() else { return false };
        self.attendant.set(attendant).is_ok()
    }

    /// Whether [`attend`](Mailbox::attend) was called.
    pub fn is_attended(&self) -> bool {
        self.attendant.get().is_some()
    }

    /// Delivers a command, from any thread. A command sent after [`close`](Mailbox::close) is dropped.
    pub fn send(&self, command: C) {
        // Dropped here, with no lock held.
        let _refused = self.try_send(command);
    }

    /// As [`send`](Mailbox::send), but returns the command as the error after [`close`](Mailbox::close).
    pub fn try_send(&self, command: C) -> std::result::Result<(), C> {
        let Some(mut inner) = self.lock() else {
            return Err(command);
        };
        if self.state().is_closed() {
            return Err(command);
        }
        inner.queue.push(command);
        self.raise(inner, PENDING_BIT);
        Ok(())
    }

    /// Wakes all sleepers and makes the descriptor readable, as if a command had come.
    pub fn touch(&self) {
        if let Some(inner) = self.lock() {
            self.raise(inner, PENDING_BIT);
        }
    }

    /// Sets the sticky "context terminated" bit and wakes all sleepers.
    pub fn stop(&self) {
        if let Some(inner) = self.lock() {
            self.raise(inner, STOPPED_BIT);
        }
    }

    /// The bits for a command, the stop and the close: one load, meant for every call on a socket.
    #[inline]
    pub fn state(&self) -> State {
        State(self.state.load(Acquire))
    }

    /// Whether [`take`](Mailbox::take) would find a command.
    #[inline]
    pub fn pending(&self) -> bool {
        self.state().is_pending()
    }

    /// Whether [`stop`](Mailbox::stop) was called.
    #[inline]
    pub fn stopped(&self) -> bool {
        self.state().is_stopped()
    }

    /// Moves all commands to the end of `into`, in the order of sending from each thread. Afterwards the
    /// descriptor is no longer readable, with one exception. A sender that has queued its command but not
    /// signalled yet makes it readable once for nothing. `OWED_BIT` then stays set, and the next call drains
    /// that signal. The descriptor for pollers stays as it is, and owes nothing.
    pub fn take(&self, into: &mut Vec<C>) {
        let Some(mut inner) = self.lock() else {
            return;
        };
        if into.is_empty() {
            std::mem::swap(into, &mut inner.queue);
        } else {
            into.append(&mut inner.queue);
        }
        let before = State(self.state.fetch_and(!PENDING_BIT, Release));
        if let Some(event) = self.event.get()
            && !inner.is_kept
            && !before.is_quiet()
        {
            inner.undo_signals(event);
            if inner.owed == 0 {
                self.state.fetch_and(!OWED_BIT, Release);
            } else {
                self.state.fetch_or(OWED_BIT, Release);
            }
        }
    }

    /// Takes out those commands that are `void`, for the caller to drop with no lock held. Also returns how many are left. A thread that they
    /// have woken may find none.
    pub fn take_back(&self, void: impl FnMut(&mut C) -> bool) -> (Vec<C>, usize) {
        let Some(mut inner) = self.lock() else {
            return (Vec::new(), 0);
        };
        let taken = inner.queue.extract_if(.., void).collect();
        (taken, inner.queue.len())
    }

    /// Commands that wait.
    pub fn waiting(&self) -> usize {
        self.lock().map_or(0, |inner| inner.queue.len())
    }

    /// Refuses commands from now on and returns those queued, which the caller drops with no lock held.
    pub fn close(&self) -> Vec<C> {
        let Some(mut inner) = self.lock() else {
            return Vec::new();
        };
        let left = std::mem::take(&mut inner.queue);
        self.state.fetch_and(!PENDING_BIT, Release);
        self.raise(inner, CLOSED_BIT);
        left
    }

    /// From now on every send, stop and close unparks `parker`, which may be registered with many mailboxes.
    /// Check the returned state before parking: an earlier command does not unpark.
    pub fn register(&self, parker: &Arc<Parker>) -> State {
        match self.lock() {
            Some(mut inner) => inner.sleepers.push(Arc::clone(parker)),
            None => return State(STOPPED_BIT | CLOSED_BIT),
        }
        self.state()
    }

    /// Undoes one [`register`](Mailbox::register). A sender already under way may still unpark once.
    pub fn unregister(&self, parker: &Arc<Parker>) {
        if let Some(mut inner) = self.lock()
            && let Some(index) = inner.sleepers.iter().position(|sleeper| Arc::ptr_eq(sleeper, parker))
        {
            inner.sleepers.swap_remove(index);
        }
    }

    /// `ZMQ_FD`: readable from when a command comes to an empty mailbox, or the context stops, until
    /// [`take`](Mailbox::take). Made by the first call; the mailbox owns it.
    ///
    /// Errors: `EMFILE`, `ENFILE`, `ENOMEM`; `ETERM` in a forked child.
    pub fn fd(&self) -> Result<RawFd> {
        self.make_fd(false)
    }

    /// As [`fd`](Mailbox::fd), for the pollers of an owner that has no `ZMQ_FD`. Any call of the owner may take commands, so taking leaves it readable.
    /// A poller is told of each signal once (edge-triggered). Of one mailbox only one of the two is ever called.
    pub fn poller_fd(&self) -> Result<RawFd> {
        self.make_fd(true)
    }

    /// Makes [`poller_fd`](Mailbox::poller_fd) unreadable, for a program that looks at the owner instead of waiting with the poller. To be called
    /// before that look takes commands. A sender that has queued its command but not signalled yet makes it readable once for nothing.
    pub fn hush(&self) {
        if self.state().has_fd()
            && let Some(mut inner) = self.lock()
            && inner.is_kept
            && let Some(event) = self.event.get()
        {
            inner.undo_signals(event);
        }
    }

    fn make_fd(&self, is_kept: bool) -> Result<RawFd> {
        let mut inner = self.lock().ok_or(Errno::TERM)?;
        if let Some(event) = self.event.get() {
            return Ok(event.fd());
        }
        let event = EventFd::new()?;
        inner.is_kept = is_kept;
        if !self.state().is_quiet() {
            inner.owed += 1;
            event.signal();
        }
        // The lock is held, so no other thread makes one.
        let fd = self.event.get_or_init(|| event).fd();
        self.state.fetch_or(HAS_FD_BIT, Release);
        Ok(fd)
    }

    /// Sets `bit` and wakes the sleepers, with the lock released. A woken thread takes the lock at once; were
    /// it held, the thread would sleep again and have to be woken a second time.
    fn raise(&self, mut inner: LockGuard<'_, Inner<C>>, bit: u32) {
        let before = self.state.fetch_or(bit, Release);
        // Still locked: a thread that registers later sees the cleared memo.
        if let Some(memo) = self.memo.get() {
            memo.clear();
        }
        let event = self.event.get().filter(|_| before & bit == 0);
        inner.owed += u64::from(event.is_some());
        if let Some(event) = event
            && inner.is_kept
            && inner.owed > MAX_KEPT_SIGNALS
        {
            // The one that follows makes it readable again.
            inner.undo_signals(event);
        }
        // There is nearly always at most one sleeper, and an empty `Vec` does not allocate.
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
        // Last: a thread of the program that is woken then finds the socket's lock free more often.
        if before & bit == 0
            && let Some(attendant) = self.attendant.get()
        {
            attendant();
        }
    }

    /// `None` in a forked child, where a thread that does not exist may hold the lock. The descriptor is
    /// shared with the parent, too.
    fn lock(&self) -> Option<LockGuard<'_, Inner<C>>> {
        if self.born.forked() {
            return None;
        }
        Some(self.inner.lock())
    }
}

impl<C> Inner<C> {
    fn undo_signals(&mut self, event: &EventFd) {
        if self.owed > 0 {
            self.owed = self.owed.saturating_sub(event.drain().unwrap_or(0));
        }
    }
}

impl State {
    /// Whether no bit asks for anything to be done.
    #[inline]
    pub fn is_quiet(self) -> bool {
        self.0 & (PENDING_BIT | STOPPED_BIT | CLOSED_BIT | OWED_BIT) == 0
    }

    /// Whether [`Mailbox::fd`] was ever called, so that a thread may be watching it.
    #[inline]
    pub fn has_fd(self) -> bool {
        self.0 & HAS_FD_BIT != 0
    }

    #[inline]
    pub fn is_pending(self) -> bool {
        self.0 & PENDING_BIT != 0
    }

    #[inline]
    pub fn is_stopped(self) -> bool {
        self.0 & STOPPED_BIT != 0
    }

    #[inline]
    pub fn is_closed(self) -> bool {
        self.0 & CLOSED_BIT != 0
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

    /// Parks until one of the mailboxes has a bit set, as `zmq_poll` does.
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

    #[test]
    fn the_descriptor_for_pollers_is_readable_until_hushed() {
        let mailbox = Mailbox::new();
        mailbox.send(1);
        let fd = mailbox.poller_fd().unwrap();
        assert!(readable(fd), "made late, yet the edge is not lost");
        mailbox.take(&mut Vec::new());
        assert!(readable(fd) && mailbox.state().is_quiet(), "taking leaves it, and owes nothing");
        mailbox.hush();
        assert!(!readable(fd));
        mailbox.hush();
        for number in 0..3 * MAX_KEPT_SIGNALS {
            mailbox.send(number);
            assert!(readable(fd), "{number}");
            mailbox.take(&mut Vec::new());
            assert!(mailbox.inner.lock().owed <= MAX_KEPT_SIGNALS, "{number}");
        }
        mailbox.hush();
        assert!(!readable(fd) && mailbox.state().is_quiet());
        drop(mailbox.close());
        assert!(readable(fd));
        assert_eq!(mailbox.poller_fd(), Ok(fd));
    }

    /// A command taken before its sender signals leads to one more signal, for nothing. No signal is missing.
    #[test]
    fn the_descriptor_misses_no_command_and_ends_unreadable() {
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
            // Taken at once, so that some are taken before their signal.
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
