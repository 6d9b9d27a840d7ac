//! The sleep of a waiting thread, over the connections that it has borrowed.
//!
//! The thread polls their streams and receives what comes, so a round trip wakes no I/O thread. It borrows before it sleeps, and
//! keeps the loans from sleep to sleep of one wait. When the wait is over it gives everything back. What is borrowed is decided
//! by [`front_policy`](super::front_policy), and for each stream by its connection.

use super::front_policy::{Borrowing, FrontPolicy, FrontUse, Wanted, borrowing};
use crate::errno::{Errno, Result};
use crate::session::connection::{Connection, Lending};
use crate::session::connections::MAX_LENT_CONNECTIONS;
use crate::session::ordering::mark::note_received;
use crate::session::ordering::{HANGUP, readable};
use crate::session::socket_link::SocketLink;
use crate::sys::park::Parker;
use crate::sys::poll::{PollFd, SigMask};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// The connections that the calling thread has borrowed. They go back when it is dropped.
#[derive(Default)]
pub struct LentConnections {
    connections: Vec<Arc<Connection>>,
    /// The [`Wanted::versions`] that they were borrowed with; 0: none are borrowed.
    versions: u64,
    /// These are all that the sockets have.
    complete: bool,
    /// The front epoll instance watches all of them, and the reactor some.
    in_front: bool,
    policy: FrontPolicy,
    /// All connections that the last wait was for.
    last: Vec<Weak<Connection>>,
    /// Whose front epoll instance may watch some of `last`.
    front: Option<Arc<Parker>>,
    /// The descriptors to poll. Kept from call to call, so that nothing is allocated.
    fds: Vec<PollFd>,
}

impl LentConnections {
    /// Sleeps until `parker` is unparked, one of `raw` is ready, or something has been received for one of `sockets`. The parker
    /// is registered with their mailboxes. `raw` is up to date afterwards. The loans stay for the next sleep.
    ///
    /// Errors: `EINTR`, as [`Parker::park`]; over `raw` and with a mask those of [`Parker::poll`] and [`Parker::bell`].
    pub fn sleep<'a>(
        &mut self,
        parker: &Arc<Parker>,
        sockets: impl Iterator<Item = &'a SocketLink> + Clone,
        raw: &mut [PollFd],
        timeout: Option<Duration>,
        mask: Option<&SigMask>,
    ) -> Result<()> {
        let needs_poll = !raw.is_empty() || mask.is_some();
        self.refresh(sockets.clone(), Some(parker).filter(|_| !needs_poll));
        let bell = if needs_poll || !self.connections.is_empty() { parker.bell() } else { Err(Errno::AGAIN) };
        let bell = match bell {
            Ok(bell) => bell,
            Err(errno) if needs_poll => return Err(errno),
            Err(_) => {
                self.give_back();
                return parker.park(timeout).map(|_| ());
            }
        };
        self.fds.clear();
        self.fds.extend_from_slice(raw);
        self.fds.extend(self.connections.iter().map(readable));
        self.fds.push(bell);
        let polled = if self.in_front {
            parker.poll_front(&mut self.fds, timeout)
        } else {
            parker.poll(&mut self.fds, timeout, mask)
        };
        match polled {
            Err(errno) if errno != Errno::INTR && !needs_poll => {
                // The system has no reason to refuse. The I/O threads watch the streams, as ever.
                self.give_back();
                return parker.park(timeout).map(|_| ());
            }
            polled => polled?,
        }
        raw.iter_mut().zip(&self.fds).for_each(|(raw, told)| raw.revents = told.revents);
        if self.receive_ready(raw.len()) {
            let mark = note_received();
            // Where the reactor watches as well, an I/O thread may be receiving.
            if self.complete && !(self.in_front && self.connections.iter().any(|one| one.is_receiving())) {
                // The poll has told of everything that had come.
                sockets.for_each(|socket| socket.connections.received_pending.set(mark));
            }
        }
        Ok(())
    }

    /// Gives everything back: the thread is going to do something else.
    pub fn give_back(&mut self) {
        self.connections.drain(..).for_each(|connection| connection.leave());
        self.versions = 0;
        self.in_front = false;
    }

    /// Borrows the connections of the wait, if those have changed since the last sleep. `front`: the thread's parker, if the
    /// thread can sleep in its front epoll instance.
    fn refresh<'a>(
        &mut self,
        sockets: impl Iterator<Item = &'a SocketLink> + Clone,
        front: Option<&Arc<Parker>>,
    ) {
        let wanted = wanted(sockets.clone());
        match borrowing(wanted, self.versions) {
            Borrowing::Nothing => self.give_back(),
            Borrowing::Same => {}
            Borrowing::Anew => {
                self.give_back();
                // As it was before the lists are read: a connection that comes meanwhile is borrowed at the next sleep.
                self.versions = wanted.versions;
                self.borrow(sockets, front);
            }
        }
    }

    fn borrow<'a>(&mut self, sockets: impl Iterator<Item = &'a SocketLink>, front: Option<&Arc<Parker>>) {
        let mut all = std::mem::take(&mut self.connections);
        sockets.for_each(|socket| socket.connections.add_to(&mut all));
        let front = front.filter(|front| self.uses_front(front, &all));
        let count = all.len();
        all.retain(|connection| {
            let lending = connection.borrow(front);
            self.in_front |= lending == Lending::InFront;
            lending != Lending::Refused
        });
        self.complete = all.len() == count;
        self.connections = all;
    }

    /// Whether the front epoll instance of this parker, the thread's own, watches these connections, which the thread waits for.
    fn uses_front(&mut self, front: &Arc<Parker>, all: &[Arc<Connection>]) -> bool {
        let same_front = self.front.as_ref().is_some_and(|last| Arc::ptr_eq(last, front));
        let equal = same_front && self.last.iter().map(Weak::as_ptr).eq(all.iter().map(Arc::as_ptr));
        match self.policy.wait(equal) {
            FrontUse::Used => front.has_front_epoll(),
            FrontUse::Unused => false,
            FrontUse::Abandoned => {
                self.leave_front();
                self.front = Some(Arc::clone(front));
                self.last.extend(all.iter().map(Arc::downgrade));
                false
            }
        }
    }

    /// The front epoll instance watches nothing any more for this thread.
    fn leave_front(&mut self) {
        let front = self.front.take();
        let last = self.last.drain(..).filter_map(|last| last.upgrade());
        // In a forked child a thread that does not exist may hold the locks.
        if let Some(front) = front.filter(|front| !front.forked()) {
            last.for_each(|connection| connection.leave_front(&front));
        }
    }

    /// Receives from the connections that poll(2) told of, behind the first `others` descriptors. Whether it told of any.
    fn receive_ready(&mut self, others: usize) -> bool {
        let mut told = self.fds.get(others..).unwrap_or_default().iter();
        let mut any = false;
        let count = self.connections.len();
        self.connections.retain(|connection| {
            let revents = told.next().map_or(0, |fd| fd.revents);
            any |= revents != 0;
            let keeps = revents == 0 || connection.receive_ready(revents & HANGUP != 0);
            if !keeps {
                connection.leave();
            }
            keeps
        });
        // A connection that an I/O thread has again may hold something that came before.
        self.complete &= self.connections.len() == count;
        any
    }
}

impl Drop for LentConnections {
    fn drop(&mut self) {
        self.give_back();
        self.leave_front();
    }
}

/// What a thread waits for that waits for these sockets, as far as it is needed: a thread that waits for thousands asks few.
fn wanted<'a>(sockets: impl Iterator<Item = &'a SocketLink>) -> Wanted {
    let mut wanted = Wanted::default();
    for socket in sockets {
        let (version, connections) = socket.connections.version_and_len();
        wanted.sockets += 1;
        wanted.versions = wanted.versions.wrapping_add(version);
        wanted.connections += connections;
        wanted.has_fd |= socket.mailbox.state().has_fd();
        if wanted.sockets.max(wanted.connections) > MAX_LENT_CONNECTIONS || wanted.has_fd {
            break;
        }
    }
    wanted
}
