//! The lane of a conflating pipe (`ZMQ_CONFLATE`): it holds only the latest message.

use crate::message::{Frame, Msg};
use crate::sys::lock::Lock;
use std::sync::Arc;

/// Shared by writer and reader. Only single-frame messages pass; the option forbids others.
#[derive(Clone, Default)]
pub struct Latest {
    state: Arc<Lock<State>>,
}

/// What the new message has met.
pub struct Put {
    /// The reader slept, and the caller has to wake it.
    pub wake: bool,
    /// There was one that was not read.
    pub replaced: bool,
}

#[derive(Default)]
struct State {
    /// The message that the reader has looked at. It is the one that it takes next: a newer one does not replace it.
    seen: Option<Msg>,
    message: Option<Msg>,
    /// The reader found no message and has to be woken.
    asleep: bool,
}

impl Latest {
    /// Puts the message in the place of the one before.
    pub fn put(&self, message: Msg) -> Put {
        let mut state = self.state.lock();
        // The replaced message is dropped after the lock is released: its free callback is the program's
        // code.
        let replaced = state.message.replace(message);
        let put = Put { wake: std::mem::take(&mut state.asleep), replaced: replaced.is_some() };
        drop(state);
        drop(replaced);
        put
    }

    /// Whether there is a message; `false` leaves the reader asleep.
    pub fn check(&self) -> bool {
        let mut state = self.state.lock();
        state.asleep = state.messages() == 0;
        !state.asleep
    }

    /// Messages to be read.
    pub fn messages(&self) -> u64 {
        self.state.lock().messages()
    }

    /// Takes the next frame; `None` leaves the reader asleep.
    pub fn take(&self) -> Option<Frame<'static>> {
        let mut state = self.state.lock();
        let message = state.seen.take().or_else(|| state.message.take());
        state.asleep = message.is_none();
        drop(state);
        message.map(Frame::owned)
    }

    /// The next frame, without taking it. What was looked at is what is taken, or the reader would judge one message and take another.
    pub fn peek(&self) -> Option<Frame<'static>> {
        let mut state = self.state.lock();
        if state.seen.is_none() {
            state.seen = state.message.take();
        }
        let message = state.seen.as_mut().map(Msg::copy);
        drop(state);
        message.map(Frame::owned)
    }
}

impl State {
    fn messages(&self) -> u64 {
        u64::from(self.seen.is_some()) + u64::from(self.message.is_some())
    }
}
