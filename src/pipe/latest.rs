//! The lane of a conflating pipe (`ZMQ_CONFLATE`): it holds only the latest message.

use crate::message::{Address, Body, Frame, FrameBody, Msg, ROUTING_ID};
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
    /// The routing id of the writer's owner. It is read before all messages, and none replaces it.
    routing_id: Option<Body>,
    /// The message that the reader has looked at. It is the one that it takes next: a newer one does not replace it.
    seen: Option<Msg>,
    message: Option<Msg>,
    /// The reader found nothing and has to be woken.
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

    /// Puts a routing id before the messages. Whether the reader slept, and the caller has to wake it.
    pub fn put_routing_id(&self, routing_id: Body) -> bool {
        let mut state = self.state.lock();
        state.routing_id = Some(routing_id);
        std::mem::take(&mut state.asleep)
    }

    /// The flags of the next frame; `None` leaves the reader asleep.
    pub fn next_flags(&self) -> Option<u8> {
        let mut state = self.state.lock();
        if state.routing_id.is_some() {
            return Some(ROUTING_ID);
        }
        state.asleep = state.messages() == 0;
        (!state.asleep).then_some(0)
    }

    /// Messages to be read.
    pub fn messages(&self) -> u64 {
        self.state.lock().messages()
    }

    /// Takes the next frame; `None` leaves the reader asleep.
    pub fn take(&self) -> Option<Frame<'static>> {
        let mut state = self.state.lock();
        if let Some(routing_id) = state.routing_id.take() {
            return Some(routing_id_frame(routing_id));
        }
        let message = state.seen.take().or_else(|| state.message.take());
        state.asleep = message.is_none();
        drop(state);
        message.map(Frame::owned)
    }

    /// The next frame, without taking it. What was looked at is what is taken, or the reader would judge one message and take another.
    pub fn peek(&self) -> Option<Frame<'static>> {
        let mut state = self.state.lock();
        if let Some(routing_id) = &state.routing_id {
            return Some(routing_id_frame(routing_id.clone()));
        }
        if state.seen.is_none() {
            state.seen = state.message.take();
        }
        let message = state.seen.as_mut().map(Msg::copy);
        drop(state);
        message.map(Frame::owned)
    }
}

fn routing_id_frame(routing_id: Body) -> Frame<'static> {
    Frame { flags: ROUTING_ID, body: FrameBody::Shared(routing_id), metadata: None, address: Address::None }
}

impl State {
    fn messages(&self) -> u64 {
        u64::from(self.seen.is_some()) + u64::from(self.message.is_some())
    }
}
