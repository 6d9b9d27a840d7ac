//! The connections of one socket, for the threads that use the socket.
//!
//! Sessions add and remove connections on I/O threads. A thread of the program finds them here: it borrows them while it waits
//! ([`waiter`](super::waiter)), writes for credit, and receives what came first ([`ordering`](super::ordering)).

use super::connection::Connection;
use super::ordering;
use super::ordering::mark::{MarkCell, receive_mark};
use crate::sys::lock::Lock;
use std::sync::Arc;

/// A thread that would have to watch more streams than this leaves all of them to the I/O threads. The reactor tells
/// them of the ready streams alone.
pub(super) const MAX_LENT_CONNECTIONS: usize = 8;

/// The connections of a socket.
#[derive(Default)]
pub struct Connections {
    list: Lock<List>,
    /// The mark of the thread that last received what was pending here.
    pub(super) received_pending: MarkCell,
}

#[derive(Default)]
struct List {
    all: Vec<Arc<Connection>>,
    /// How often the list has changed.
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

    /// How often the list has changed, and how many connections it has.
    pub(super) fn version_and_len(&self) -> (u64, usize) {
        let list = self.list.lock();
        (list.version, list.all.len())
    }

    /// Adds those connections to `to` that are not there yet: a thread may wait twice for one socket.
    pub(super) fn add_to(&self, to: &mut Vec<Arc<Connection>>) {
        for connection in &self.list.lock().all {
            if !to.iter().any(|other| Arc::ptr_eq(other, connection)) {
                to.push(Arc::clone(connection));
            }
        }
    }

    /// All connections, if one thread may drive that many.
    pub(super) fn few(&self) -> Option<Vec<Arc<Connection>>> {
        let list = self.list.lock();
        (list.all.len() <= MAX_LENT_CONNECTIONS).then(|| list.all.clone())
    }

    /// Receives on the calling thread what had come before the thread last received for itself, unless it has looked here since.
    /// To be called before anything is concluded from there being nothing. Whether something may have come.
    #[inline]
    pub fn receive_pending(&self) -> bool {
        let mark = receive_mark();
        mark != 0 && !self.received_pending.is(mark) && self.receive_all(mark)
    }

    #[cold]
    fn receive_all(&self, mark: u64) -> bool {
        self.received_pending.set(mark);
        ordering::receive_all(&self.few().unwrap_or_default())
    }

    /// For a thread that has to wait until something is sent: the thread sends the published messages itself, which takes less
    /// time than a hand-over to the I/O thread and back. Whether something was sent. Where there are many connections the I/O
    /// threads send side by side.
    pub fn send_for_credit(&self) -> bool {
        let few = self.few().unwrap_or_default();
        few.iter().fold(false, |any, connection| connection.send_for_credit() | any)
    }

    /// For a thread that has sent something large: the thread writes it, as far as the stream accepts it soon. Not where there are
    /// several connections: a slow one must not hold up the others. `len`: bytes of the last frame.
    pub fn drain_blocking(&self, len: usize) {
        let sole = match self.list.lock().all.as_slice() {
            [connection] => Arc::clone(connection),
            _ => return,
        };
        sole.drain_blocking(len);
    }

    /// The I/O threads are to watch all streams, because the program watches `ZMQ_FD` from now on. They watch for room as well: an
    /// I/O thread that a Unix socket's peer wakes by reading is awake when the answer comes.
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
