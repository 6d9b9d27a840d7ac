//! Wakes a sleeping reactor from another thread.

use super::{Interest, Token};
use crate::errno::Result;
use crate::sys::eventfd::EventFd;
use crate::sys::lock::Lock;
use mio::unix::SourceFd;

/// A descriptor that the reactor watches edge-triggered: each signal is an event, and the reactor never has
/// to read it.
///
/// Not `mio::Waker`: that one retries without end while the system returns `EAGAIN`, and gives up on any
/// other error.
pub struct Waker {
    event: Lock<EventFd>,
}

impl Waker {
    /// Errors: `EMFILE`, `ENFILE`, `ENOMEM`, `ENOSPC`.
    pub fn new(registry: &mio::Registry) -> Result<Waker> {
        Ok(Waker { event: Lock::new(watched(registry)?) })
    }

    /// Ends the reactor's sleep, or the next one.
    ///
    /// Errors: those of the system, where both the signal and a fresh descriptor fail.
    pub fn wake(&self, registry: &mio::Registry) -> Result<()> {
        let mut event = self.event.lock();
        event.try_signal(1).or_else(|_| {
            // The program may have closed the descriptor by mistake. Adding a readable descriptor is an event
            // as well.
            let is_ours = is_watched(registry, &event);
            let fresh = EventFd::signalled()?;
            watch(registry, &fresh)?;
            let old = std::mem::replace(&mut *event, fresh);
            if !is_ours {
                // The number is another descriptor's by now, maybe the fresh one's: do not close it.
                std::mem::forget(old);
            }
            Ok(())
        })
    }

    /// Whether `registry` watches the descriptor. Another epoll instance does not know it, and a number that
    /// is closed or is no epoll instance fails as well.
    pub fn is_watched_by(&self, registry: &mio::Registry) -> bool {
        is_watched(registry, &self.event.lock())
    }

    /// For the reactor: a signal has woken it.
    pub fn signalled(&self) {
        if !EventFd::COUNTS {
            // Keeps a pipe from filling up. An error here meets the next signal as well.
            let _ = self.event.lock().drain();
        }
    }
}

fn watched(registry: &mio::Registry) -> Result<EventFd> {
    let event = EventFd::new()?;
    watch(registry, &event)?;
    Ok(event)
}

/// Makes the event arrive once more.
fn is_watched(registry: &mio::Registry, event: &EventFd) -> bool {
    let token = mio::Token(Token::NONE.raw());
    registry.reregister(&mut SourceFd(&event.fd()), token, Interest::READABLE).is_ok()
}

fn watch(registry: &mio::Registry, event: &EventFd) -> Result<()> {
    let token = mio::Token(Token::NONE.raw());
    Ok(registry.register(&mut SourceFd(&event.fd()), token, Interest::READABLE)?)
}
