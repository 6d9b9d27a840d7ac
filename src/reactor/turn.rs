//! The loop of the I/O thread.

use super::inbox::{Item, Shared};
use super::source_context::Core;
use super::trim::Trim;
use super::{Handle, Ready, Token};
use crate::counters::{IoThreadRecord, StatsFile};
use crate::errno::{Errno, Result};
use crate::message::{self, DeferFrees};
use crate::sys;
use crate::sys::contain::contain;
use crate::sys::faults::{self, Call};
use crate::sys::memory;
use crate::sys::poll::PollFd;
use crate::sys::retry::Patience;
use crate::sys::thread::{self, Thread, ThreadSettings};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Events taken from the kernel in one turn. Other ready descriptors come in the next turn.
const TURN_EVENTS: usize = 256;

/// One I/O thread.
struct Reactor {
    events: mio::Events,
    core: Core,
    items: Vec<Item>,
    trim: Trim,
    /// The file that shows that the thread is at work, and when that was last said.
    file: Option<(Arc<StatsFile>, Instant)>,
    /// Delay between polls that fail.
    patience: Patience,
    /// What it counts.
    record: IoThreadRecord,
}

/// Time between two signs of a thread at work.
const BEAT_INTERVAL: Duration = Duration::from_secs(1);

/// Called on an I/O thread whose epoll instance is lost. Its sources are dropped next, and it takes no
/// others.
pub type OnLoss = Box<dyn FnOnce() + Send>;

/// Starts an I/O thread, which counts in `record`. `number` is its number within the context, for the thread's name.
///
/// Errors: `EMFILE`, `ENFILE`, `ENOMEM`, `EAGAIN` (no more threads).
pub fn spawn_reactor(
    settings: &ThreadSettings,
    number: usize,
    record: IoThreadRecord,
    on_loss: OnLoss,
) -> Result<(Handle, Thread)> {
    let poll = mio::Poll::new()?;
    let shared = Arc::new(Shared::new(poll.registry())?);
    let handle = Handle::new(Arc::clone(&shared));
    let keeper: Weak<Shared> = Arc::downgrade(&shared);
    memory::add_keeper(keeper);
    let thread = thread::spawn(settings, &format!("ZMQbg/IO/{number}"), move || {
        let (events, core) = (mio::Events::with_capacity(TURN_EVENTS), Core::new(shared));
        let trim = Trim::new(Instant::now());
        let file = StatsFile::current().map(|file| (file, Instant::now()));
        Reactor { events, core, items: Vec::new(), trim, file, patience: Patience::default(), record }
            .run(poll, on_loss);
    })?;
    Ok((handle, thread))
}

impl Reactor {
    fn run(mut self, mut poll: mio::Poll, on_loss: OnLoss) {
        while !self.core.stopping {
            if self.sleep(&mut poll).is_err() && !self.core.shared.is_watched_by(&poll) {
                // The epoll instance is lost, and with it the list of registrations. Callers that wait for
                // messages have to be told; dropping the sources, next, closes their connections.
                contain(on_loss);
                // The number may be another descriptor's by now.
                return std::mem::forget(poll);
            }
            self.turn();
        }
    }

    /// Sleeps until a descriptor is ready, an item arrives or a timer is due.
    ///
    /// Errors: those of the system's poll, which may fail for no reason of ours. This call then takes a
    /// moment, and the rest of the turn goes on.
    fn sleep(&mut self, poll: &mut mio::Poll) -> Result<()> {
        let timeout = if self.core.again.is_empty() && self.core.shared.fall_asleep() {
            self.core.alarms.next().map(|at| at.saturating_duration_since(Instant::now()))
        } else {
            Some(Duration::ZERO)
        };
        let timeout = self.watch_memory(timeout);
        self.record.asks(self.core.now.elapsed());
        let polled = self.poll(poll, timeout);
        match &polled {
            Ok(()) => self.patience.reset(),
            Err(_) => self.patience.wait(timeout),
        }
        self.core.now = Instant::now();
        self.beat();
        self.core.shared.wake_up(&mut self.items);
        self.give_back_memory();
        match polled {
            Err(Errno::INTR) => Ok(()),
            polled => polled,
        }
    }

    /// Shows other processes that the thread is at work.
    fn beat(&mut self) {
        if let Some((file, last)) = &mut self.file
            && self.core.now.saturating_duration_since(*last) >= BEAT_INTERVAL
        {
            *last = self.core.now;
            file.beat();
        }
    }

    /// Limits `timeout` while freed memory is to be returned to the system.
    fn watch_memory(&self, timeout: Option<Duration>) -> Option<Duration> {
        let Some(again) = self.trim.look_again_after(memory::freed()) else {
            memory::tell_at(self.trim.worth_it_at());
            return timeout;
        };
        Some(timeout.map_or(again, |timeout| timeout.min(again)))
    }

    /// Returns unused memory to the system after a burst, once the reactor is idle.
    fn give_back_memory(&mut self) {
        let idle = self.events.is_empty() && self.items.is_empty();
        if self.trim.is_due(memory::freed(), idle, self.core.now) {
            self.core.tidy();
            message::free_kept_bodies();
            memory::return_to_system();
        }
    }

    /// Waits for events. epoll counts in milliseconds, so for a shorter `timeout` poll() waits first.
    fn poll(&mut self, poll: &mut mio::Poll, timeout: Option<Duration>) -> Result<()> {
        let mut timeout = timeout;
        if timeout.is_some_and(|timeout| !timeout.is_zero() && timeout < Duration::from_millis(1)) {
            let mut fds = [PollFd { fd: poll.as_raw_fd(), events: libc::POLLIN, revents: 0 }];
            // The events are taken in any case.
            let _ = sys::poll::poll(&mut fds, timeout.replace(Duration::ZERO));
        }
        match faults::next(Call::EpollWait) {
            Some(errno) => Err(errno),
            None => Ok(poll.poll(&mut self.events, timeout)?),
        }
    }

    fn turn(&mut self) {
        // Free callbacks run when the turn is over, when no lock of a source is held.
        let _frees = DeferFrees::new();
        let again = std::mem::take(&mut self.core.again);
        self.record.told(self.events.iter().count() as u64);
        for event in &self.events {
            let token = Token::new(event.token().0);
            if token == Token::NONE {
                self.core.shared.signalled();
                self.record.woken();
                continue;
            }
            let ready = Ready {
                readable: event.is_readable() || event.is_read_closed(),
                writable: event.is_writable() || event.is_write_closed(),
                hangup: event.is_read_closed(),
                error: event.is_error(),
            };
            self.core.call(token, |source, cx| source.ready(cx, ready));
        }
        self.events.clear();
        for item in self.items.drain(..) {
            self.core.handle(item);
        }
        self.core.ring();
        for token in again {
            self.core.another_go(token);
        }
        self.record.serves(self.core.entries.len() as u64);
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
