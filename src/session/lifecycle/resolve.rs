//! Names are resolved on threads of their own, so that a slow name server holds up no I/O thread.

use crate::errno::Result;
use crate::sys::lock::Lock;
use crate::sys::thread::{self, ThreadSettings};
use std::sync::Arc;

/// A lookup that runs on a thread of its own.
pub struct Lookup<A> {
    answer: Arc<Lock<Option<Result<A>>>>,
}

impl<A: Send + 'static> Lookup<A> {
    /// Asks on a new thread; `done` is called there once [`take`](Lookup::take) has something. The answer of a dropped lookup is
    /// discarded; its thread ends when the system's resolver lets it. Errors: `EAGAIN` (no more threads).
    pub fn start(
        ask: impl FnOnce() -> Result<A> + Send + 'static,
        done: impl FnOnce() + Send + 'static,
    ) -> Result<Lookup<A>> {
        let answer = Arc::new(Lock::new(None));
        let theirs = Arc::downgrade(&answer);
        let settings = ThreadSettings::default();
        thread::spawn(&settings, "Lookup", move || {
            let found = ask();
            if let Some(answer) = theirs.upgrade() {
                *answer.lock() = Some(found);
                done();
            }
        })?;
        Ok(Lookup { answer })
    }

    /// The answer, once it is there.
    pub fn take(&self) -> Option<Result<A>> {
        self.answer.lock().take()
    }
}
