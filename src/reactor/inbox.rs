//! The messages of other threads to a reactor.

use super::registered::told;
use super::waker::Waker;
use super::{Interest, Make, Token};
use crate::errno::{Errno, Result};
use crate::sys::descriptor::reopen;
use crate::sys::fork::Born;
use crate::sys::front_epoll::watch_behind;
use crate::sys::late_wakes;
use crate::sys::lock::Lock;
use crate::sys::memory::{self, Keeper};
use mio::unix::SourceFd;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{AcqRel, Relaxed},
};

/// An I/O thread, as other threads see it.
#[derive(Clone)]
pub struct Handle(Arc<Shared>);

/// One source of an I/O thread, as other threads see it. It may outlive the source; its calls then do
/// nothing.
#[derive(Clone)]
pub struct Remote(Arc<SourceState>);

/// The state that a reactor shares with other threads.
pub struct Shared {
    inbox: Lock<Inbox>,
    waker: Waker,
    registry: mio::Registry,
    /// Number of sources here or on their way. Only a hint for choosing a thread, so Relaxed.
    load: AtomicUsize,
    born: Born,
}

/// The flag is under one lock with the items, so that a sender cannot miss a reactor that is about to sleep.
#[derive(Default)]
struct Inbox {
    items: Vec<Item>,
    asleep: bool,
    /// The reactor has ended and handles no more items.
    closed: bool,
}

pub enum Item {
    Add(Make, Remote),
    Wake(Remote),
    Stop,
}

struct SourceState {
    shared: Arc<Shared>,
    /// Written by the reactor when the source arrives and when it goes. Read by the reactor, and by the calls
    /// that register, where the kernel's own order is enough.
    token: AtomicUsize,
    /// Whether a wake lies in the inbox; `true` for ever once the source is gone. Set by `wake`, cleared by
    /// the reactor before it calls the source, both by an exchange (acquire and release). A thread that finds
    /// it set knows that the coming call sees all it has written before.
    queued: AtomicBool,
}

impl Handle {
    pub fn new(shared: Arc<Shared>) -> Handle {
        Handle(shared)
    }

    /// Moves a source to the I/O thread, which runs `make`. Where the reactor has ended, `make` and its
    /// captures are dropped, on the calling thread or the I/O thread. The remote may be used at once.
    pub fn add(&self, make: Make) -> Remote {
        let remote = Remote::new(&self.0);
        self.0.load.fetch_add(1, Relaxed);
        if !self.0.push(Item::Add(make, remote.clone())) {
            remote.gone();
        }
        remote
    }

    /// Number of sources on the thread.
    pub fn load(&self) -> usize {
        self.0.load.load(Relaxed)
    }

    /// Ends the reactor after its current turn; the I/O thread drops the sources that are left. Does not
    /// wait.
    pub fn stop(&self) {
        self.0.push(Item::Stop);
    }

    /// Whether both handles refer to the same thread.
    pub fn same(&self, other: &Handle) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Remote {
    pub fn new(shared: &Arc<Shared>) -> Remote {
        let (token, queued) = (AtomicUsize::new(Token::NONE.raw()), AtomicBool::new(false));
        Remote(Arc::new(SourceState { shared: Arc::clone(shared), token, queued }))
    }

    /// Has the source's `wake` called soon, from any thread, the I/O thread included. Wakes that come before
    /// that call are one. Makes a system call only if the reactor sleeps.
    pub fn wake(&self) {
        if !self.0.queued.swap(true, AcqRel) {
            self.0.shared.push(Item::Wake(self.clone()));
        }
    }

    /// Whether a wake lies in the inbox.
    #[cfg(test)]
    pub fn is_woken(&self) -> bool {
        self.0.queued.load(Relaxed)
    }

    /// The I/O thread that the source lives on.
    pub fn handle(&self) -> Handle {
        Handle(Arc::clone(&self.0.shared))
    }

    /// As [`SourceContext::register`](super::SourceContext::register), from any thread: for a thread that gives a borrowed connection back.
    ///
    /// Errors: `ENOENT` before the source has arrived, after it has gone, and in a forked child; otherwise as
    /// there.
    pub fn register(&self, fd: RawFd, interest: Interest) -> Result<()> {
        let token = mio::Token(self.live_token()?.raw());
        told(self.0.shared.registry.register(&mut SourceFd(&fd), token, interest))
    }

    /// As [`register`](Remote::register), for reading only, and EPOLLEXCLUSIVE behind a
    /// [`Parker`](crate::sys::park::Parker) that watches the descriptor already: for a thread that may come
    /// to wait there again. The peer's end is reported as readable. The registration may not be
    /// [changed](Remote::reregister), only undone.
    ///
    /// Errors: `EINVAL`, `ENOTSUP` where the system has no such registration; otherwise as there.
    pub fn register_behind(&self, fd: RawFd) -> Result<()> {
        let token = self.live_token()?.raw();
        watch_behind(self.0.shared.registry.as_raw_fd(), fd, token)
    }

    /// As [`SourceContext::reregister`](super::SourceContext::reregister), from any thread.
    pub fn reregister(&self, fd: RawFd, interest: Interest) -> Result<()> {
        let token = mio::Token(self.live_token()?.raw());
        Ok(self.0.shared.registry.reregister(&mut SourceFd(&fd), token, interest)?)
    }

    /// As [`SourceContext::deregister`](super::SourceContext::deregister), from any thread. An event already taken from the kernel still arrives.
    pub fn deregister(&self, fd: RawFd) -> Result<()> {
        self.live_token()?;
        Ok(self.0.shared.registry.deregister(&mut SourceFd(&fd))?)
    }

    /// For the reactor: the source has arrived.
    pub fn arrived(&self, token: Token) {
        self.0.token.store(token.raw(), Relaxed);
    }

    /// For the reactor: the source has gone, or will never arrive.
    pub fn gone(&self) {
        self.0.token.store(Token::NONE.raw(), Relaxed);
        self.0.queued.store(true, Relaxed);
        self.0.shared.load.fetch_sub(1, Relaxed);
    }

    /// For the reactor: takes the wake that it found in the inbox. `None` if the source is gone.
    pub fn take_wake(&self) -> Option<Token> {
        let token = self.token();
        if token == Token::NONE {
            return None;
        }
        self.0.queued.swap(false, AcqRel);
        Some(token)
    }

    fn token(&self) -> Token {
        Token::new(self.0.token.load(Relaxed))
    }

    /// The token, where epoll may be changed: a forked child shares the epoll instance with its parent, so it
    /// may not.
    fn live_token(&self) -> Result<Token> {
        let token = self.token();
        if token == Token::NONE || self.0.shared.born.forked() { Err(Errno::NOENT) } else { Ok(token) }
    }
}

impl Keeper for Shared {
    fn look(&self) {
        if !self.born.forked() {
            // If the wake fails, the reactor looks the next time it wakes.
            let _ = self.waker.wake(&self.registry);
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        memory::forget_keepers();
    }
}

impl Shared {
    pub fn new(registry: &mio::Registry) -> Result<Shared> {
        Ok(Shared {
            inbox: Lock::new(Inbox::default()),
            waker: Waker::new(registry)?,
            registry: registry.try_clone()?,
            load: AtomicUsize::new(0),
            born: Born::now(),
        })
    }

    pub fn registry(&self) -> &mio::Registry {
        &self.registry
    }

    /// Counts a source that another source makes.
    pub fn count_one_more(&self) {
        self.load.fetch_add(1, Relaxed);
    }

    /// `false`, and the item dropped, when the reactor has ended. Likewise in a forked child, where the I/O
    /// thread does not exist.
    fn push(self: &Arc<Self>, item: Item) -> bool {
        if self.born.forked() {
            return false;
        }
        let mut inbox = self.inbox.lock();
        if inbox.closed {
            drop(inbox);
            return false;
        }
        inbox.items.push(item);
        let asleep = std::mem::take(&mut inbox.asleep);
        drop(inbox);
        if asleep && self.waker.wake(&self.registry).is_err() {
            self.wake_late();
        }
        true
    }

    /// Has a wake that the system refused tried again later. The next sender tries too, since that may be
    /// sooner.
    #[cold]
    fn wake_late(self: &Arc<Self>) {
        let mut inbox = self.inbox.lock();
        // The reactor may be awake already: then the next sender wakes it needlessly.
        inbox.asleep = true;
        drop(inbox);
        let shared = Arc::clone(self);
        let id = Arc::as_ptr(self).addr() as u64;
        late_wakes::deliver(id, Box::new(move |_| shared.waker.wake(&shared.registry).is_ok()));
    }

    /// For the reactor: whether its epoll instance is still the one with which the descriptors are
    /// registered. Where the program has closed the descriptor by mistake, its number is restored from the
    /// duplicate with which other threads register.
    pub fn is_watched_by(&self, poll: &mio::Poll) -> bool {
        let is_ours = || self.waker.is_watched_by(poll.registry());
        is_ours() || reopen(self.registry.as_raw_fd(), poll.as_raw_fd()) && is_ours()
    }

    /// For the reactor: the waker has woken it.
    pub fn signalled(&self) {
        self.waker.signalled();
    }

    /// For the reactor: whether it may sleep. After `true` senders wake it.
    pub fn fall_asleep(&self) -> bool {
        let mut inbox = self.inbox.lock();
        inbox.asleep = inbox.items.is_empty();
        inbox.asleep
    }

    /// For the reactor: awake again. Swaps the items into `into`, which is empty.
    pub fn wake_up(&self, into: &mut Vec<Item>) {
        let mut inbox = self.inbox.lock();
        inbox.asleep = false;
        std::mem::swap(&mut inbox.items, into);
    }

    /// For the reactor: accepts no more items, and returns those not handled.
    pub fn close(&self) -> Vec<Item> {
        let mut inbox = self.inbox.lock();
        inbox.closed = true;
        std::mem::take(&mut inbox.items)
    }
}
