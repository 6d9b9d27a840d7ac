//! How a thread that waits for sockets receives from their connections itself.

use super::Owner;
use super::connection::Connection;
use crate::errno::{Errno, Result};
use crate::sys::lock::Lock;
use crate::sys::park::Parker;
use crate::sys::poll::{PollFd, SigMask};
use std::sync::Arc;
use std::time::Duration;

/// A thread that would have to watch more streams than this leaves them all to the I/O threads, which are told of the ready
/// ones alone.
pub(super) const MOST: usize = 8;

/// The connections of a socket. Sessions add and remove them, threads that wait for the socket look for some to borrow.
#[derive(Default)]
pub struct Connections(Lock<List>);

#[derive(Default)]
struct List {
    all: Vec<Arc<Connection>>,
    /// How often it has changed.
    version: u64,
}

impl Connections {
    pub fn add(&self, connection: Arc<Connection>) {
        let mut list = self.0.lock();
        list.version += 1;
        list.all.push(connection);
    }

    pub fn remove(&self, connection: &Arc<Connection>) {
        let mut list = self.0.lock();
        if let Some(index) = list.all.iter().position(|other| Arc::ptr_eq(other, connection)) {
            list.version += 1;
            let gone = list.all.swap_remove(index);
            drop(list);
            drop(gone);
        }
    }

    /// For a thread that has to wait until something is sent: sends what there is itself, which takes less than to be woken
    /// by who has done it. Whether something went. Where there are many the I/O threads do it side by side.
    pub fn send_for_credit(&self) -> bool {
        let few = {
            let list = self.0.lock();
            if list.all.len() > MOST {
                return false;
            }
            list.all.clone()
        };
        few.iter().fold(false, |any, connection| connection.send_for_credit() | any)
    }

    /// The I/O threads are to watch them all, now that somebody relies on them.
    pub fn recall(&self) {
        self.0.lock().all.iter().for_each(|connection| connection.recall());
    }
}

#[cfg(test)]
impl Connections {
    pub fn lent(&self) -> usize {
        self.0.lock().all.iter().filter(|connection| connection.is_lent()).count()
    }

    pub fn first(&self) -> Option<Arc<Connection>> {
        self.0.lock().all.first().cloned()
    }

    pub fn count(&self) -> usize {
        self.0.lock().all.len()
    }
}

/// The connections that the calling thread has borrowed. They go back when it is dropped.
#[derive(Default)]
pub struct Borrowed {
    connections: Vec<Arc<Connection>>,
    /// The versions of the lists that these were taken from, added up: none of them ever falls.
    versions: u64,
    /// What is polled, kept from call to call so that nothing is allocated.
    fds: Vec<PollFd>,
}

impl Borrowed {
    /// Sleeps until `parker` is unparked, one of `raw` is ready, or something has been received for one of `owners`, on
    /// which the parker is registered. `raw` is up to date afterwards. What is borrowed stays so, for the next sleep.
    ///
    /// Errors: `EINTR`, as [`Parker::park`]; over `raw` and with a mask those of [`Parker::poll`] and
    /// [`Parker::bell`].
    pub fn sleep<'a>(
        &mut self,
        parker: &Parker,
        owners: impl Iterator<Item = &'a Owner> + Clone,
        raw: &mut [PollFd],
        timeout: Option<Duration>,
        mask: Option<&SigMask>,
    ) -> Result<()> {
        self.refresh(owners);
        let needs_poll = !raw.is_empty() || mask.is_some();
        let bell = if needs_poll || !self.connections.is_empty() { parker.bell() } else { Err(Errno::AGAIN) };
        let bell = match bell {
            Ok(bell) => bell,
            Err(errno) if needs_poll => return Err(errno),
            Err(_) => {
                self.leave();
                return parker.park(timeout).map(|_| ());
            }
        };
        self.fds.clear();
        self.fds.extend_from_slice(raw);
        let stream = |connection: &Arc<Connection>| PollFd {
            fd: connection.raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        self.fds.extend(self.connections.iter().map(stream));
        self.fds.push(bell);
        parker.poll(&mut self.fds, timeout, mask)?;
        raw.iter_mut().zip(&self.fds).for_each(|(raw, told)| raw.revents = told.revents);
        self.feed(raw.len());
        Ok(())
    }

    /// Gives everything back: the thread is going to do something else.
    pub fn leave(&mut self) {
        self.connections.drain(..).for_each(|connection| connection.leave());
        self.versions = 0;
    }

    /// Borrows what there is, if that has changed since the last time.
    fn refresh<'a>(&mut self, owners: impl Iterator<Item = &'a Owner> + Clone) {
        let (mut versions, mut count) = (0, 0);
        for (index, owner) in owners.clone().enumerate() {
            let list = owner.connections.0.lock();
            versions += list.version;
            count += list.all.len();
            // Where somebody watches `ZMQ_FD`, what this thread receives would wake that one for nothing.
            if index >= MOST || count > MOST || owner.mailbox.state().has_fd() {
                drop(list);
                return self.leave();
            }
        }
        if versions == self.versions {
            return;
        }
        self.leave();
        self.versions = versions;
        for owner in owners {
            let list = owner.connections.0.lock();
            for connection in &list.all {
                // A socket may be waited for twice.
                let ours = self.connections.iter().any(|other| Arc::ptr_eq(other, connection));
                if !ours && connection.borrow() {
                    self.connections.push(Arc::clone(connection));
                }
            }
        }
    }

    /// Receives from the connections of which poll(2) said something, behind so many other descriptors.
    fn feed(&mut self, others: usize) {
        let mut told = self.fds.get(others..).unwrap_or_default().iter();
        self.connections.retain(|connection| {
            let revents = told.next().map_or(0, |fd| fd.revents);
            let hangup = revents & (libc::POLLHUP | libc::POLLERR) != 0;
            let keeps = revents == 0 || connection.feed(hangup);
            if !keeps {
                connection.leave();
            }
            keeps
        });
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        self.leave();
    }
}
