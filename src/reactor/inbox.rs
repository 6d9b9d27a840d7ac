//! What other threads tell a reactor.

use super::waker::Waker;
use super::{Cx, Interest, Source, Token};
use crate::errno::{Errno, Result};
use crate::sys::descriptor::reopen;
use crate::sys::epoll::watch_behind;
use crate::sys::fork::Born;
use crate::sys::late;
use crate::sys::lock::Lock;
use crate::sys::memory::{self, Keeper};
use mio::unix::SourceFd;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{AcqRel, Relaxed},
};

/// Makes a source on its own thread, where it can register descriptors and set timers at once.
pub type Make = Box<dyn FnOnce(&mut Cx<'_>) -> Box<dyn Source> + Send>;

/// An I/O thread as others see it.
#[derive(Clone)]
pub struct Handle(Arc<Shared>);

/// One source of an I/O thread as others see it. Outlives the source: then it does nothing.
#[derive(Clone)]
pub struct Remote(Arc<Seat>);

/// What a reactor shares with other threads.
pub struct Shared {
    inbox: Lock<Inbox>,
    waker: Waker,
    registry: mio::Registry,
    /// Sources here or on their way. Only a hint for choosing a thread, so it makes no edge.
    load: AtomicUsize,
    born: Born,
}

/// Under one lock with the items, so a sender cannot miss a reactor that is going to sleep.
#[derive(Default)]
struct Inbox {
    items: Vec<Item>,
    asleep: bool,
    /// The reactor has ended and will look at nothing any more.
    closed: bool,
}

pub enum Item {
    Add(Make, Remote),
    Wake(Remote),
    Stop,
}

struct Seat {
    shared: Arc<Shared>,
    /// Written by the reactor when the source arrives and when it goes; read by it, and by register and its like,
    /// where the kernel's own order is enough.
    token: AtomicUsize,
    /// Whether a wake lies in the inbox; for ever once the source is gone. Set by `wake`, cleared by the reactor
    /// before it calls the source, both by an exchange (acquire and release): who finds it set already knows that
    /// the call to come sees all it has written before.
    queued: AtomicBool,
}

impl Handle {
    pub fn new(shared: Arc<Shared>) -> Handle {
        Handle(shared)
    }

    /// Moves a source to the thread: `make` runs there. What the source owns is dropped, here or there, when the
    /// reactor has ended. The remote may be used at once.
    pub fn add(&self, make: Make) -> Remote {
        let remote = Remote::new(&self.0);
        self.0.load.fetch_add(1, Relaxed);
        if !self.0.push(Item::Add(make, remote.clone())) {
            remote.gone();
        }
        remote
    }

    /// How many sources live there.
    pub fn load(&self) -> usize {
        self.0.load.load(Relaxed)
    }

    /// Ends the reactor after its current turn; what is left is dropped on its thread. Does not wait.
    pub fn stop(&self) {
        self.0.push(Item::Stop);
    }

    /// Whether both are the same thread.
    pub fn same(&self, other: &Handle) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Remote {
    pub fn new(shared: &Arc<Shared>) -> Remote {
        let (token, queued) = (AtomicUsize::new(Token::NONE.raw()), AtomicBool::new(false));
        Remote(Arc::new(Seat { shared: Arc::clone(shared), token, queued }))
    }

    /// Has the source's `wake` called soon, from any thread, the reactor's own too. Wakes that come before that
    /// call are one. A system call only if the reactor sleeps.
    pub fn wake(&self) {
        if !self.0.queued.swap(true, AcqRel) {
            self.0.shared.push(Item::Wake(self.clone()));
        }
    }

    /// The thread the source lives on.
    pub fn handle(&self) -> Handle {
        Handle(Arc::clone(&self.0.shared))
    }

    /// As [`Cx::register`], from any thread: for who has borrowed a connection and gives it back.
    ///
    /// Errors: `ENOENT` before the source has arrived, after it has gone, and in a forked child; else as there.
    pub fn register(&self, fd: RawFd, interest: Interest) -> Result<()> {
        let token = mio::Token(self.seated()?.raw());
        Ok(self.0.shared.registry.register(&mut SourceFd(&fd), token, interest)?)
    }

    /// As [`register`](Remote::register) for reading alone, but behind who watches it with a
    /// [`Parker`](crate::sys::park::Parker) already: for who may come to wait there again. The peer's end is told as something
    /// to read. Not to be [changed](Remote::reregister), only undone.
    ///
    /// Errors: `EINVAL`, `ENOTSUP` where the system cannot; else as there.
    pub fn register_behind(&self, fd: RawFd) -> Result<()> {
        let token = self.seated()?.raw();
        watch_behind(self.0.shared.registry.as_raw_fd(), fd, token)
    }

    /// As [`Cx::reregister`], from any thread.
    pub fn reregister(&self, fd: RawFd, interest: Interest) -> Result<()> {
        let token = mio::Token(self.seated()?.raw());
        Ok(self.0.shared.registry.reregister(&mut SourceFd(&fd), token, interest)?)
    }

    /// As [`Cx::deregister`], from any thread. An event that is on its way still arrives.
    pub fn deregister(&self, fd: RawFd) -> Result<()> {
        self.seated()?;
        Ok(self.0.shared.registry.deregister(&mut SourceFd(&fd))?)
    }

    /// For the reactor: the source has arrived.
    pub fn seat(&self, token: Token) {
        self.0.token.store(token.raw(), Relaxed);
    }

    /// For the reactor: the source has gone, or will never come.
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

    /// The token, where epoll may be told about it: a forked child shares epoll with its parent.
    fn seated(&self) -> Result<Token> {
        let token = self.token();
        if token == Token::NONE || self.0.shared.born.forked() { Err(Errno::NOENT) } else { Ok(token) }
    }
}

impl Keeper for Shared {
    fn look(&self) {
        if !self.born.forked() {
            // Where it cannot be woken, it looks when it wakes.
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

    /// For a source that another source makes.
    pub fn count_one_more(&self) {
        self.load.fetch_add(1, Relaxed);
    }

    /// `false`, and the item dropped, when the reactor has ended or this is a forked child, where it does not exist.
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

    /// The system refuses to have the reactor woken. Whoever comes next is to try, too: that may be sooner.
    #[cold]
    fn wake_late(self: &Arc<Self>) {
        let mut inbox = self.inbox.lock();
        // It may have woken by itself and be about: then the next sender wakes it for nothing.
        inbox.asleep = true;
        drop(inbox);
        let shared = Arc::clone(self);
        let id = Arc::as_ptr(self).addr() as u64;
        late::deliver(id, Box::new(move |_| shared.waker.wake(&shared.registry).is_ok()));
    }

    /// For the reactor: whether its instance is still the one that all is registered with. Where somebody has closed the
    /// descriptor, which was not theirs, the number is had back by way of the copy that others register with.
    pub fn is_watched_by(&self, poll: &mio::Poll) -> bool {
        let is_ours = || self.waker.is_watched_by(poll.registry());
        is_ours() || reopen(self.registry.as_raw_fd(), poll.as_raw_fd()) && is_ours()
    }

    /// For the reactor: the waker has woken it.
    pub fn told(&self) {
        self.waker.told();
    }

    /// For the reactor: whether it may sleep. From `true` on senders wake it.
    pub fn fall_asleep(&self) -> bool {
        let mut inbox = self.inbox.lock();
        inbox.asleep = inbox.items.is_empty();
        inbox.asleep
    }

    /// For the reactor: awake again; swaps the items out into the empty `into`.
    pub fn wake_up(&self, into: &mut Vec<Item>) {
        let mut inbox = self.inbox.lock();
        inbox.asleep = false;
        std::mem::swap(&mut inbox.items, into);
    }

    /// For the reactor: takes nothing any more.
    pub fn close(&self) -> Vec<Item> {
        let mut inbox = self.inbox.lock();
        inbox.closed = true;
        std::mem::take(&mut inbox.items)
    }
}
