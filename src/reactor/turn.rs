//! The thread itself.

use super::cx::Core;
use super::inbox::{Item, Shared};
use super::{Handle, Ready, Token};
use crate::errno::Result;
use crate::message::DeferFrees;
use crate::sys::poll::{PollFd, poll};
use crate::sys::thread::{self, Thread, ThreadSettings};
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Events taken from the kernel at once. Whoever is left over comes next turn.
const EVENTS: usize = 256;

/// One I/O thread.
struct Reactor {
    poll: mio::Poll,
    events: mio::Events,
    core: Core,
    items: Vec<Item>,
}

/// Starts an I/O thread; `number` is its own within the context, for its name.
///
/// Errors: `EMFILE`, `ENFILE`, `ENOMEM`, `EAGAIN` (no more threads).
pub fn spawn_reactor(settings: &ThreadSettings, number: usize) -> Result<(Handle, Thread)> {
    let poll = mio::Poll::new()?;
    let shared = Arc::new(Shared::new(poll.registry())?);
    let handle = Handle::new(Arc::clone(&shared));
    let thread = thread::spawn(settings, &format!("ZMQbg/IO/{number}"), move || {
        let (events, core) = (mio::Events::with_capacity(EVENTS), Core::new(shared));
        Reactor { poll, events, core, items: Vec::new() }.run();
    })?;
    Ok((handle, thread))
}

impl Reactor {
    fn run(mut self) {
        while !self.core.stopping {
            if self.sleep().is_err() {
                // The epoll descriptor is gone: somebody has closed what was not theirs. Without it nothing can be
                // waited for; ending drops every source, which closes its connection, and spins on nothing.
                return;
            }
            self.turn();
        }
    }

    /// Until something is ready, asked for or due.
    fn sleep(&mut self) -> Result<()> {
        let timeout = if self.core.again.is_empty() && self.core.shared.fall_asleep() {
            self.core.alarms.next().map(|at| at.saturating_duration_since(Instant::now()))
        } else {
            Some(Duration::ZERO)
        };
        let polled = self.poll(timeout);
        self.core.now = Instant::now();
        self.core.shared.wake_up(&mut self.items);
        match polled {
            Err(error) if error.kind() != ErrorKind::Interrupted => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Waits for events. The kernel counts milliseconds where it tells which descriptors are ready, so for less than one it
    /// is asked first whether any is.
    fn poll(&mut self, timeout: Option<Duration>) -> std::io::Result<()> {
        let mut timeout = timeout;
        if timeout.is_some_and(|timeout| !timeout.is_zero() && timeout < Duration::from_millis(1)) {
            let mut fds = [PollFd { fd: self.poll.as_raw_fd(), events: libc::POLLIN, revents: 0 }];
            // Whatever came of it, the events are asked for.
            let _ = poll(&mut fds, timeout.replace(Duration::ZERO));
        }
        self.poll.poll(&mut self.events, timeout)
    }

    fn turn(&mut self) {
        // Free callbacks run when the turn is over and no lock of a source's is held.
        let _frees = DeferFrees::new();
        let again = std::mem::take(&mut self.core.again);
        for event in &self.events {
            let ready = Ready {
                readable: event.is_readable() || event.is_read_closed(),
                writable: event.is_writable() || event.is_write_closed(),
                hangup: event.is_read_closed(),
                error: event.is_error(),
            };
            self.core.call(Token::new(event.token().0), |source, cx| source.ready(cx, ready));
        }
        self.events.clear();
        for item in self.items.drain(..) {
            self.core.handle(item);
        }
        self.core.ring();
        for token in again {
            self.core.another_go(token);
        }
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        let _frees = DeferFrees::new();
        let mut unhandled = std::mem::take(&mut self.items);
        unhandled.append(&mut self.core.shared.close());
        self.core.clear(unhandled);
    }
}
