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
    /// After a wait the handle may stand for another one: `Handle::lock_again`.
    pub(super) socket: Arc<SocketLink>,
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

    /// Does `work`, which may make room, unless the time is over. Whether it has made some: the caller then tries again without a
    /// [`wait`](BlockingCall::wait), and would go on as long as the room is another peer's.
    pub fn make_room(&self, work: impl FnOnce() -> bool) -> bool {
        self.deadline.left().is_none_or(|left| !left.is_zero()) && work()
    }

    /// As [`wait`](BlockingCall::wait), without the sleep: for a call that goes on, and may do so for ever.
    pub fn run_frees(&mut self) {
        if let Some(waiter) = &mut self.waiter {
            waiter.run_frees();
        }
    }

    /// Sleeps until the mailbox has something. A thread that waits for messages receives them from the socket's connections
    /// meanwhile. Free callbacks that are due run before, so the caller holds no lock. Errors: `EAGAIN` when the time is over, `EINTR`.
    pub fn wait(&mut self) -> Result<()> {
        self.run_frees();
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

#[cfg(all(test, not(loom)))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::counters::SocketRecord;
    use std::time::{Duration, Instant};

    #[test]
    fn a_call_that_makes_room_for_others_alone_ends_with_its_time() {
        let link = Arc::new(SocketLink::new(0, SocketRecord::default()));
        let begun = Instant::now();
        let mut call = BlockingCall::begin(&link, For::Sending, 1).unwrap();
        while call.make_room(|| true) {
            assert!(begun.elapsed() < Duration::from_secs(5), "without end");
        }
        assert!(begun.elapsed() >= Duration::from_millis(1));
        assert_eq!(call.wait(), Err(Errno::AGAIN));
        let patient = BlockingCall::begin(&link, For::Sending, -1).unwrap();
        assert!(patient.make_room(|| true) && !patient.make_room(|| false));
    }
}
