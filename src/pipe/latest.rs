//! The lane of a conflating pipe (`ZMQ_CONFLATE`): it holds only the latest message.

use crate::message::Msg;
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
        state.asleep = state.message.is_none();
        !state.asleep
    }

    pub fn take(&self) -> Option<Msg> {
        self.state.lock().message.take()
    }

    /// A message with the same content, without taking it.
    pub fn peek(&self) -> Option<Msg> {
        self.state.lock().message.as_mut().map(Msg::copy)
    }
}
