//! A call on one socket that waits, for as long as it lasts. The thread sleeps in `session::waiter`.

use crate::counters::SocketCounter;
use crate::errno::{Errno, Result};
use crate::session::{Deadline, SocketLink, Waiter};
use std::sync::Arc;

/// The event that a thread waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum For {
    Sending,
    Receiving,
}

/// Registered with a socket's mailbox for as long as it lives.
pub struct BlockingCall {
    socket: Arc<SocketLink>,
    /// `Some` until it is dropped.
    waiter: Option<Box<Waiter>>,
    what: For,
    deadline: Deadline,
}

impl BlockingCall {
    /// Registers the calling thread. `timeout_ms`: negative waits for ever. Errors: `EAGAIN` for a timeout of 0,
    /// with which a thread does not wait.
    pub fn begin(socket: &Arc<SocketLink>, what: For, timeout_ms: i32) -> Result<BlockingCall> {
        if timeout_ms == 0 {
            what.count_refusal(socket);
            return Err(Errno::AGAIN);
        }
        let deadline = Deadline::after_ms(timeout_ms);
        let waiter = Waiter::take();
        waiter.register(socket);
        Ok(BlockingCall { socket: Arc::clone(socket), waiter: Some(waiter), what, deadline })
    }

    /// Sleeps until the mailbox has something. A thread that waits for messages receives them from the socket's connections
    /// meanwhile. Errors: `EAGAIN` when the time is over, `EINTR`.
    pub fn wait(&mut self) -> Result<()> {
        let timeout = self.deadline.left();
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            self.what.count_refusal(&self.socket);
            return Err(Errno::AGAIN);
        }
        let Some(waiter) = &mut self.waiter else { return Ok(()) };
        match self.what {
            For::Sending => waiter.sleep_for_room(timeout),
            For::Receiving => waiter.sleep_for_messages(&self.socket, timeout),
        }
    }
}

impl For {
    /// The call does not wait, or has waited long enough.
    fn count_refusal(self, socket: &SocketLink) {
        let counter = match self {
            For::Sending => SocketCounter::SendsRefused,
            For::Receiving => SocketCounter::ReceivesRefused,
        };
        socket.record.add(counter, 1);
    }
}

impl Drop for BlockingCall {
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter.take() {
            waiter.unregister(&self.socket);
            waiter.keep();
        }
    }
}
