//! A thread asleep until something happens to a socket.

use crate::errno::{Errno, Result};
use crate::session::Owner;
use crate::sys::park::Parker;
use std::sync::Arc;
use std::time::{Duration, Instant};

thread_local! {
    static PARKER: Arc<Parker> = Arc::new(Parker::new());
}

/// The calling thread's own parker.
pub fn thread_parker() -> Arc<Parker> {
    // A thread that is ending has lost its own.
    PARKER.try_with(Arc::clone).unwrap_or_else(|_| Arc::new(Parker::new()))
}

/// Registered with a socket's mailbox for as long as it lives.
pub struct Waiting {
    owner: Arc<Owner>,
    parker: Arc<Parker>,
    /// `None`: for ever.
    deadline: Option<Instant>,
}

impl Waiting {
    /// Registers the calling thread. `timeout_ms`: negative waits for ever. Errors: `EAGAIN` for a timeout of 0,
    /// with which nobody waits.
    pub fn begin(owner: &Arc<Owner>, timeout_ms: i32) -> Result<Waiting> {
        if timeout_ms == 0 {
            return Err(Errno::AGAIN);
        }
        let deadline = match u64::try_from(timeout_ms) {
            Ok(timeout_ms) => Instant::now().checked_add(Duration::from_millis(timeout_ms)),
            Err(_) => None,
        };
        let parker = thread_parker();
        owner.mailbox.register(&parker);
        Ok(Waiting { owner: Arc::clone(owner), parker, deadline })
    }

    /// Sleeps until the mailbox has something. Errors: `EAGAIN` when the time is over, `EINTR`.
    pub fn wait(&mut self) -> Result<()> {
        let timeout = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(Errno::AGAIN);
        }
        // A wake by mistake costs one more look.
        self.parker.park(timeout).map(|_| ())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.owner.mailbox.unregister(&self.parker);
    }
}
