//! Messages that arrived first are seen first, across sockets.
//!
//! **The law.** A thread of the program has received something for itself, on one socket. From then on it sees on every other
//! socket what had arrived there before.
//!
//! It is a law because threads receive for themselves. Such a thread is ahead of the I/O threads, which may still have to read
//! other streams. A subscription may lie in the stream of a publisher, for example, while the thread has read on another socket
//! that it was sent. If the thread published now, the message would reach no subscriber.
//!
//! **How it is kept.** A thread has a [mark](mark::receive_mark), which changes whenever it receives for itself. A socket keeps
//! the mark of the thread that last received what was pending there. If the two differ, the thread looks at the socket's streams
//! before anything depends on there being nothing:
//!
//! | the thread | the look |
//! |---|---|
//! | receives without waiting, and finds nothing | [`Connections::receive_pending`](super::connections::Connections::receive_pending) |
//! | publishes | the same |
//! | polls without waiting, and finds nothing | the same, for all sockets that it polls for messages |
//! | waits | it polls the streams before it sleeps: the waiter notes the mark with the socket |
//!
//! A look polls the streams. It receives from each that has bytes. It waits where an I/O thread is in the middle of receiving,
//! for at most one turn of that.
//!
//! **Where it is not kept.** A socket with more than [`MAX_LENT_CONNECTIONS`](super::connections::MAX_LENT_CONNECTIONS)
//! connections is left to the I/O threads: to poll all of its streams for each message would cost more than the message. A
//! connection with a [rate](super::connection::rate) is left to them as well: what waits in its stream is to wait.

pub mod mark;

use super::connection::Connection;
use crate::sys::poll::{PollFd, ppoll};
use std::sync::Arc;
use std::time::Duration;

/// The peer has closed, or there was an error.
pub(super) const HANGUP: i16 = libc::POLLHUP | libc::POLLERR;

/// Receives on the calling thread what these connections have. Whether something may have come.
#[cold]
pub(super) fn receive_all(connections: &[Arc<Connection>]) -> bool {
    let connections = || connections.iter().filter(|connection| !connection.is_rated);
    let mut fds: Vec<_> = connections().map(readable).collect();
    if fds.is_empty() {
        return false;
    }
    // Where poll(2) fails, the I/O threads receive, as ever.
    let ready = ppoll(&mut fds, Some(Duration::ZERO), None).unwrap_or(0);
    let mut waited = false;
    for (connection, fd) in connections().zip(&fds) {
        if fd.revents != 0 {
            connection.receive_ready_blocking(fd.revents & HANGUP != 0);
        }
        waited |= connection.await_receiver();
    }
    ready > 0 || waited
}

/// The stream of a connection, to be polled for something to read.
pub(super) fn readable(connection: &Arc<Connection>) -> PollFd {
    PollFd { fd: connection.raw_fd(), events: libc::POLLIN, revents: 0 }
}

/// The sockets at which a thread has looked since it last received for itself. It spares a thread that polls thousands of sockets
/// without waiting the question to each of them.
#[derive(Debug, Default)]
pub(super) struct Looked {
    mark: u64,
    /// Their addresses, in the order in which they were asked for.
    sockets: Vec<usize>,
}

impl Looked {
    /// Whether a thread with this mark has to look at the sockets of these addresses. Notes that it then has.
    ///
    /// A socket that has been made since at a known address holds nothing that came before the mark.
    pub fn is_due(&mut self, mark: u64, sockets: impl Iterator<Item = usize> + Clone) -> bool {
        if mark == 0 || mark == self.mark && sockets.clone().eq(self.sockets.iter().copied()) {
            return false;
        }
        self.mark = mark;
        self.sockets.clear();
        self.sockets.extend(sockets);
        true
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn thread_looks_once_at_the_same_sockets_for_each_mark() {
        let mut looked = Looked::default();
        assert!(!looked.is_due(0, [1, 2].into_iter()), "it has received nothing");
        assert!(looked.is_due(5, [1, 2].into_iter()));
        assert!(!looked.is_due(5, [1, 2].into_iter()));
        assert!(looked.is_due(5, [3].into_iter()), "others");
        assert!(!looked.is_due(5, [3].into_iter()));
        assert!(looked.is_due(5, [3, 1].into_iter()), "one more");
        assert!(looked.is_due(6, [3, 1].into_iter()), "it has received since");
    }
}
