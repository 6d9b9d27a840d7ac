//! How another thread ends the sleep of a reactor.

use super::{Interest, Token};
use crate::errno::Result;
use crate::sys::eventfd::EventFd;
use crate::sys::lock::Lock;
use mio::unix::SourceFd;

/// A descriptor among those that the reactor watches, which is told of each signal (edge-triggered) and never has to read it.
///
/// Not `mio::Waker`: that calls itself for as long as the system says `EAGAIN`, and leaves it at that for anything else.
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
    /// Errors: what the system says where it refuses all there is to do.
    pub fn wake(&self, registry: &mio::Registry) -> Result<()> {
        let mut event = self.event.lock();
        event.try_signal(1).or_else(|_| {
            // Somebody has closed what was not theirs, say. One that comes readable is told of as well.
            let is_ours = is_watched(registry, &event);
            let fresh = EventFd::signalled()?;
            watch(registry, &fresh)?;
            let old = std::mem::replace(&mut *event, fresh);
            if !is_ours {
                // The number is another's by now, maybe the fresh one's: it is not to be closed.
                std::mem::forget(old);
            }
            Ok(())
        })
    }

    /// Whether this is what `registry` watches: another instance does not know it, and nor does what is none.
    pub fn is_watched_by(&self, registry: &mio::Registry) -> bool {
        is_watched(registry, &self.event.lock())
    }

    /// For the reactor, when it was told of a signal.
    pub fn told(&self) {
        if !EventFd::COUNTS {
            // Not to be full one day. What is refused here is refused to who signals as well.
            let _ = self.event.lock().drain();
        }
    }
}

fn watched(registry: &mio::Registry) -> Result<EventFd> {
    let event = EventFd::new()?;
    watch(registry, &event)?;
    Ok(event)
}

/// Tells of it once more.
fn is_watched(registry: &mio::Registry, event: &EventFd) -> bool {
    let token = mio::Token(Token::NONE.raw());
    registry.reregister(&mut SourceFd(&event.fd()), token, Interest::READABLE).is_ok()
}

fn watch(registry: &mio::Registry, event: &EventFd) -> Result<()> {
    let token = mio::Token(Token::NONE.raw());
    Ok(registry.register(&mut SourceFd(&event.fd()), token, Interest::READABLE)?)
}
