//! How a thread that waits for sockets receives from their connections itself.

use crate::errno::{Errno, Result};
use crate::session::SocketLink;
use crate::session::connection::{Connection, Lending};
use crate::sys::lock::Lock;
use crate::sys::park::Parker;
use crate::sys::poll::{PollFd, SigMask, ppoll};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// A thread that would have to watch more streams than this leaves them all to the I/O threads, which are told of the ready
/// ones alone.
pub(super) const MAX_LENT_CONNECTIONS: usize = 8;

/// So often in a row a thread waits for the same connections before its bed watches them for good.
const MIN_ALIKE_WAITS: u8 = 2;

thread_local! {
    /// What the calling thread has received for itself so far, as a number that no other thread ever has; 0: nothing.
    static FED: Cell<u64> = const { Cell::new(0) };
}

/// Changes whenever the calling thread has received something for itself.
pub fn fed() -> u64 {
    FED.get()
}

/// The connections of a socket. Sessions add and remove them, threads that wait for the socket look for some to borrow.
#[derive(Default)]
pub struct Connections {
    list: Lock<List>,
    /// What [`FED`] said in the thread that called [`receive_pending`](Connections::receive_pending) last. Whoever uses the socket reads and
    /// writes it, and is one thread at a time; Relaxed, as a look too many or too few does no harm to memory.
    received_pending: AtomicU64,
}

#[derive(Default)]
struct List {
    all: Vec<Arc<Connection>>,
    /// How often it has changed.
    version: u64,
}

impl Connections {
    pub fn add(&self, connection: Arc<Connection>) {
        let mut list = self.list.lock();
        list.version += 1;
        list.all.push(connection);
    }

    pub fn remove(&self, connection: &Arc<Connection>) {
        let mut list = self.list.lock();
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
            let list = self.list.lock();
            if list.all.len() > MAX_LENT_CONNECTIONS {
                return false;
            }
            list.all.clone()
        };
        few.iter().fold(false, |any, connection| connection.send_for_credit() | any)
    }

    /// For a thread that has sent something large: sends it, as far as the stream takes it before long. Not where there are
    /// several connections: one that is slow is not to hold up the others. `len`: bytes of its last frame.
    pub fn drain_blocking(&self, len: usize) {
        let sole = match self.list.lock().all.as_slice() {
            [connection] => Arc::clone(connection),
            _ => return,
        };
        sole.drain_blocking(len);
    }

    /// A thread that receives for itself from one socket is ahead of the I/O threads: what came for another socket before
    /// that may still be with them, a subscription before the message that it is for. This receives it on the calling
    /// thread, if that has received anything since it last did so here. To be asked before nothing is made of nothing being
    /// there. Whether something may have come.
    #[inline]
    pub fn receive_pending(&self) -> bool {
        let fed = FED.get();
        fed != self.received_pending.load(Ordering::Relaxed) && fed != 0 && self.receive_all(fed)
    }

    #[cold]
    fn receive_all(&self, fed: u64) -> bool {
        self.received_pending.store(fed, Ordering::Relaxed);
        let few = {
            let list = self.list.lock();
            if list.all.is_empty() || list.all.len() > MAX_LENT_CONNECTIONS {
                return false;
            }
            list.all.clone()
        };
        let mut fds: Vec<_> = few.iter().map(readable).collect();
        // Where poll(2) fails, the I/O threads do it, as ever.
        let ready = ppoll(&mut fds, Some(Duration::ZERO), None).unwrap_or(0);
        let mut busy = false;
        for (connection, fd) in few.iter().zip(&fds) {
            if fd.revents != 0 {
                connection.feed_now(fd.revents & HANGUP != 0);
            }
            busy |= connection.await_receiver();
        }
        ready > 0 || busy
    }

    /// The I/O threads are to watch them all, now that somebody watches `ZMQ_FD` and relies on them: for room as well, for an I/O
    /// thread that a Unix socket's peer wakes by reading is awake when the answer comes.
    pub fn recall(&self) {
        self.list.lock().all.iter().for_each(|connection| connection.watch_for_room());
    }
}

#[cfg(test)]
impl Connections {
    pub fn lent(&self) -> usize {
        self.list.lock().all.iter().filter(|connection| connection.is_lent()).count()
    }

    pub fn first(&self) -> Option<Arc<Connection>> {
        self.list.lock().all.first().cloned()
    }

    pub fn last(&self) -> Option<Arc<Connection>> {
        self.list.lock().all.last().cloned()
    }

    pub fn count(&self) -> usize {
        self.list.lock().all.len()
    }
}

/// The connections that the calling thread has borrowed. They go back when it is dropped.
#[derive(Default)]
pub struct Borrowed {
    connections: Vec<Arc<Connection>>,
    /// The versions of the lists that these were taken from, added up: none of them ever falls.
    versions: u64,
    /// These are all that the sockets have.
    complete: bool,
    /// The bed watches them all, and for some the reactor does as well.
    in_bed: bool,
    /// All that there were to borrow the last time, and how often in a row they have been the same since.
    last: Vec<Weak<Connection>>,
    alike: u8,
    /// The bed that some of these may be watched by still.
    bed: Option<Arc<Parker>>,
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
        parker: &Arc<Parker>,
        owners: impl Iterator<Item = &'a SocketLink> + Clone,
        raw: &mut [PollFd],
        timeout: Option<Duration>,
        mask: Option<&SigMask>,
    ) -> Result<()> {
        let needs_poll = !raw.is_empty() || mask.is_some();
        self.refresh(owners.clone(), Some(parker).filter(|_| !needs_poll));
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
        self.fds.extend(self.connections.iter().map(readable));
        self.fds.push(bell);
        let polled = if self.in_bed {
            parker.poll_watched(&mut self.fds, timeout)
        } else {
            parker.poll(&mut self.fds, timeout, mask)
        };
        match polled {
            Err(errno) if errno != Errno::INTR && !needs_poll => {
                // The system has no reason to refuse; the I/O threads watch them, as ever.
                self.leave();
                return parker.park(timeout).map(|_| ());
            }
            polled => polled?,
        }
        raw.iter_mut().zip(&self.fds).for_each(|(raw, told)| raw.revents = told.revents);
        if self.feed(raw.len()) {
            let fed = note_feed();
            // Where the reactor watches as well, an I/O thread may have something in hand.
            if self.complete && !(self.in_bed && self.connections.iter().any(|one| one.is_receiving())) {
                // Nothing came before that which the system did not tell of.
                owners.for_each(|owner| owner.connections.received_pending.store(fed, Ordering::Relaxed));
            }
        }
        Ok(())
    }

    /// Gives everything back: the thread is going to do something else.
    pub fn leave(&mut self) {
        self.connections.drain(..).for_each(|connection| connection.leave());
        self.versions = 0;
        self.in_bed = false;
    }

    /// Borrows what there is, if that has changed since the last time. `bed`: the thread will sleep in what that watches.
    fn refresh<'a>(
        &mut self,
        owners: impl Iterator<Item = &'a SocketLink> + Clone,
        bed: Option<&Arc<Parker>>,
    ) {
        let (mut versions, mut count) = (0, 0);
        for (index, owner) in owners.clone().enumerate() {
            let list = owner.connections.list.lock();
            versions += list.version;
            count += list.all.len();
            // Where somebody watches `ZMQ_FD`, what this thread receives would wake that one for nothing.
            if index >= MAX_LENT_CONNECTIONS || count > MAX_LENT_CONNECTIONS || owner.mailbox.state().has_fd()
            {
                drop(list);
                return self.leave();
            }
        }
        if versions == self.versions {
            return;
        }
        self.leave();
        self.versions = versions;
        self.complete = true;
        let mut all = std::mem::take(&mut self.connections);
        for owner in owners {
            for connection in &owner.connections.list.lock().all {
                // A socket may be waited for twice.
                if !all.iter().any(|other| Arc::ptr_eq(other, connection)) {
                    all.push(Arc::clone(connection));
                }
            }
        }
        let bed = bed.filter(|bed| self.is_at_home_in(bed, &all));
        let count = all.len();
        all.retain(|connection| {
            let lending = connection.borrow(bed);
            self.in_bed |= lending == Lending::InFront;
            lending != Lending::Refused
        });
        self.complete = all.len() == count;
        self.connections = all;
    }

    /// Whether the thread has waited for the same connections often enough for the bed to watch them also between its waits. That
    /// would not pay for who waits now for these and now for those: what the bed watches and nobody waits for would wake the
    /// thread for nothing, and nobody else, and has to leave it.
    fn is_at_home_in(&mut self, bed: &Arc<Parker>, all: &[Arc<Connection>]) -> bool {
        let same_bed = self.bed.as_ref().is_some_and(|last| Arc::ptr_eq(last, bed));
        if same_bed && self.last.iter().map(Weak::as_ptr).eq(all.iter().map(Arc::as_ptr)) {
            self.alike = self.alike.saturating_add(1);
            return self.alike >= MIN_ALIKE_WAITS && bed.watches();
        }
        self.leave_bed();
        self.alike = 0;
        self.bed = Some(Arc::clone(bed));
        self.last.extend(all.iter().map(Arc::downgrade));
        false
    }

    /// The bed watches nothing any more for this thread.
    fn leave_bed(&mut self) {
        let bed = self.bed.take();
        let last = self.last.drain(..).filter_map(|last| last.upgrade());
        // In a forked child a thread that does not exist may hold the locks.
        if let Some(bed) = bed.filter(|bed| !bed.forked()) {
            last.for_each(|connection| connection.leave_front(&bed));
        }
    }

    /// Receives from the connections of which poll(2) said something, behind so many other descriptors. Whether it did.
    fn feed(&mut self, others: usize) -> bool {
        let mut told = self.fds.get(others..).unwrap_or_default().iter();
        let mut any = false;
        let count = self.connections.len();
        self.connections.retain(|connection| {
            let revents = told.next().map_or(0, |fd| fd.revents);
            any |= revents != 0;
            let keeps = revents == 0 || connection.feed(revents & HANGUP != 0);
            if !keeps {
                connection.leave();
            }
            keeps
        });
        // Those that an I/O thread has again may have something that came before.
        self.complete &= self.connections.len() == count;
        any
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        self.leave();
        self.leave_bed();
    }
}

/// The peer has closed, or there was an error.
const HANGUP: i16 = libc::POLLHUP | libc::POLLERR;

/// The stream, to be polled for something to read.
fn readable(connection: &Arc<Connection>) -> PollFd {
    PollFd { fd: connection.raw_fd(), events: libc::POLLIN, revents: 0 }
}

/// The calling thread has received something; its next [`FED`].
pub(super) fn note_feed() -> u64 {
    /// The number of the thread is above so many bits; a thread that received a message each nanosecond would count for
    /// two weeks until it had another one's numbers.
    const COUNT_BITS: u32 = 50;
    static THREADS: AtomicU64 = AtomicU64::new(0);
    let fed = match FED.get() {
        // Relaxed: numbers that differ are all that is asked for.
        0 => THREADS.fetch_add(1, Ordering::Relaxed) << COUNT_BITS,
        fed => fed,
    };
    FED.set(fed.wrapping_add(1));
    FED.get()
}
