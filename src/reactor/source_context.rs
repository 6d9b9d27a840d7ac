//! The calls that a source may make while it is being called: registering descriptors, timers, other sources.

use super::inbox::{Item, Shared};
use super::registered::told;
use super::table::Table;
use super::timers::{Alarms, Timers};
use super::{Interest, Remote, Source, Token, clock_ms};
use crate::errno::{Errno, Result};
use crate::sys::contain::contain;
use mio::unix::SourceFd;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The reactor as seen by the source that is being called.
pub struct SourceContext<'a> {
    core: &'a mut Core,
    token: Token,
}

/// All of a reactor but its `mio::Poll`, which lends out events while the sources are called.
pub struct Core {
    pub shared: Arc<Shared>,
    pub entries: Table<Entry>,
    pub alarms: Alarms,
    /// Sources that asked for another call, in the next turn.
    pub again: Vec<Token>,
    pub now: Instant,
    pub stopping: bool,
}

/// A source and the state that the reactor keeps for it.
pub struct Entry {
    /// `None` while the source is being made or called.
    source: Option<Box<dyn Source>>,
    remote: Remote,
    timers: Timers,
    again: bool,
    finished: bool,
}

impl SourceContext<'_> {
    pub fn token(&self) -> Token {
        self.token
    }

    /// When this turn began.
    pub fn now(&self) -> Instant {
        self.core.now
    }

    /// [`clock_ms`] of [`now`](SourceContext::now).
    pub fn now_ms(&self) -> u64 {
        clock_ms(self.core.now)
    }

    /// Has [`Source::ready`] called when `fd` becomes ready, or is ready now. The source still owns the fd;
    /// closing it ends the registration. A source may register several.
    ///
    /// Errors: `EEXIST` (registered already), `EBADF`, `EPERM` (a plain file), `ENOMEM`, `ENOSPC` (the user's
    /// limit).
    pub fn register(&mut self, fd: RawFd, interest: Interest) -> Result<()> {
        let token = mio::Token(self.token.raw());
        told(self.core.shared.registry().register(&mut SourceFd(&fd), token, interest))
    }

    /// Changes the interest. A readiness that holds already is reported once more.
    ///
    /// Errors: `ENOENT` (not registered), `EBADF`, `ENOMEM`.
    pub fn reregister(&mut self, fd: RawFd, interest: Interest) -> Result<()> {
        let token = mio::Token(self.token.raw());
        Ok(self.core.shared.registry().reregister(&mut SourceFd(&fd), token, interest)?)
    }

    /// Ends the registration of an fd that stays open. An event already taken from the kernel still arrives.
    ///
    /// Errors: `ENOENT` (not registered), `EBADF`.
    pub fn deregister(&mut self, fd: RawFd) -> Result<()> {
        Ok(self.core.shared.registry().deregister(&mut SourceFd(&fd))?)
    }

    /// Has [`Source::timer`] called once with `id`, `after` from the start of this turn and up to a
    /// millisecond late. Replaces the timer of the same id.
    pub fn set_timer(&mut self, id: u8, after: Duration) {
        match self.core.now.checked_add(after) {
            Some(deadline) => {
                if let Some(entry) = self.core.entries.value(self.token) {
                    entry.timers.set(&mut self.core.alarms, self.token, id, deadline);
                }
            }
            // Beyond the clock's range, so it never fires.
            None => self.cancel_timer(id),
        }
    }

    pub fn cancel_timer(&mut self, id: u8) {
        if let Some(entry) = self.core.entries.value(self.token) {
            entry.timers.cancel(&mut self.core.alarms, id);
        }
    }

    /// Has [`Source::wake`] called once, after the other sources had their turn.
    pub fn again(&mut self) {
        if let Some(entry) = self.core.entries.value(self.token)
            && !std::mem::replace(&mut entry.again, true)
        {
            self.core.again.push(self.token);
        }
    }

    /// A handle by which other threads reach this source.
    pub fn remote(&mut self) -> Remote {
        match self.core.entries.value(self.token) {
            Some(entry) => entry.remote.clone(),
            None => Remote::new(&self.core.shared),
        }
    }

    /// Adds another source to this thread, made at once.
    ///
    /// Errors: `ENOBUFS` when the table of sources is full; `make` is dropped then.
    pub fn spawn(&mut self, make: impl FnOnce(&mut SourceContext<'_>) -> Box<dyn Source>) -> Result<Remote> {
        let remote = Remote::new(&self.core.shared);
        self.core.shared.count_one_more();
        if self.core.admit(make, &remote) { Ok(remote) } else { Err(Errno::NOBUFS) }
    }

    /// Has the reactor drop the source and its timers when this call returns. The source is not called again.
    pub fn finish(&mut self) {
        if let Some(entry) = self.core.entries.value(self.token) {
            entry.finished = true;
        }
    }
}

impl Core {
    pub fn new(shared: Arc<Shared>) -> Core {
        let (entries, alarms) = (Table::new(), Alarms::default());
        Core { shared, entries, alarms, again: Vec::new(), now: Instant::now(), stopping: false }
    }

    /// Carries out what another thread asked for.
    pub fn handle(&mut self, item: Item) {
        match item {
            Item::Add(make, remote) => {
                self.admit(make, &remote);
            }
            Item::Wake(remote) => {
                if let Some(token) = remote.take_wake() {
                    self.call(token, |source, cx| source.wake(cx));
                }
            }
            Item::Stop => self.stopping = true,
        }
    }

    /// Has all sources free their spare memory.
    pub fn tidy(&mut self) {
        for token in self.entries.tokens() {
            self.call(token, |source, _| source.tidy());
        }
    }

    /// Calls the sources whose timers are due.
    pub fn ring(&mut self) {
        let mark = self.alarms.mark();
        while let Some((token, id)) = self.alarms.pop(self.now, mark) {
            let Some(entry) = self.entries.value(token) else {
                continue;
            };
            if entry.timers.rung(&mut self.alarms, token, id, self.now) {
                self.call(token, |source, cx| source.timer(cx, id));
            }
        }
    }

    /// The call that the source asked for in the turn before.
    pub fn another_go(&mut self, token: Token) {
        if let Some(entry) = self.entries.value(token) {
            entry.again = false;
            self.call(token, |source, cx| source.wake(cx));
        }
    }

    /// Calls a source, if it still exists. Drops it where it has finished, or has panicked and cannot go on.
    pub fn call(&mut self, token: Token, call: impl FnOnce(&mut dyn Source, &mut SourceContext<'_>)) {
        let Some(mut source) = self.entries.value(token).and_then(|entry| entry.source.take()) else {
            return;
        };
        let mut cx = SourceContext { core: self, token };
        let fine = contain(|| call(&mut *source, &mut cx)).is_some()
            || contain(|| source.panicked(&mut cx)).unwrap_or(false);
        match self.entries.value(token) {
            Some(entry) if fine && !entry.finished => entry.source = Some(source),
            _ => self.dismiss(token, Some(source)),
        }
    }

    /// Ends the reactor: drops all sources, and the items that it has not handled.
    pub fn clear(&mut self, unhandled: Vec<Item>) {
        for item in unhandled {
            if let Item::Add(make, remote) = item {
                remote.gone();
                contain(|| drop(make));
            }
        }
        for token in self.entries.tokens() {
            let source = self.entries.value(token).and_then(|entry| entry.source.take());
            self.dismiss(token, source);
        }
    }

    /// Makes a source and gives it a place in the table; `false` if the table is full.
    fn admit(
        &mut self,
        make: impl FnOnce(&mut SourceContext<'_>) -> Box<dyn Source>,
        remote: &Remote,
    ) -> bool {
        let (timers, remote_here) = (Timers::default(), remote.clone());
        let entry = Entry { source: None, remote: remote_here, timers, again: false, finished: false };
        let Ok(token) = self.entries.insert(entry) else {
            remote.gone();
            contain(|| drop(make));
            return false;
        };
        remote.arrived(token);
        let source = contain(|| make(&mut SourceContext { core: self, token }));
        match self.entries.value(token) {
            Some(entry) if source.is_some() && !entry.finished => entry.source = source,
            _ => self.dismiss(token, source),
        }
        true
    }

    /// Removes the source from the table before it is dropped, so that nothing its drop does is delivered to
    /// it.
    fn dismiss(&mut self, token: Token, source: Option<Box<dyn Source>>) {
        if let Some(mut entry) = self.entries.remove(token) {
            entry.timers.cancel_all(&mut self.alarms);
            entry.remote.gone();
        }
        contain(|| drop(source));
    }
}
