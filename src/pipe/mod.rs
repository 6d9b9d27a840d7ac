//! Pipes: two lanes between two owners.
//!
//! A [`Pipe`] is one end. Its outgoing lane is the peer's incoming lane. Frames lie in a lane in ZMTP 3 wire
//! form, so that a connection can write them out without touching each; a message is visible to the reader
//! whole or not at all.

mod hwm;
mod notify;
mod set;

pub use notify::{Notify, PipeEvent};
pub use set::{PipeId, Pipes};

use crate::errno::Result;
use crate::message::{Frame, OutFrame};

/// One end of a pipe.
pub struct Pipe {
    /// The pattern's own key for the peer (ROUTER, STREAM, REP); empty where the pattern has none.
    pub routing_id: Vec<u8>,
    /// The endpoint this pipe belongs to, for `zmq_disconnect` and the monitor.
    pub endpoint: String,
}

impl Pipe {
    /// Whether a frame of a complete message can be read now. `false` puts the reader to sleep: the peer's
    /// next publish sends `PipeEvent::Readable`.
    pub fn check_read(&mut self) -> bool {
        todo!()
    }
    /// Takes the next frame.
    pub fn read(&mut self) -> Option<Frame<'_>> {
        todo!()
    }
    /// Looks at the next frame without taking it.
    pub fn peek(&mut self) -> Option<Frame<'_>> {
        todo!()
    }
    /// Whether a message may be written now: both ends alive and credit left. `false` puts the writer to sleep:
    /// the peer's next grant of credit sends `PipeEvent::Writable`.
    pub fn check_write(&mut self) -> bool {
        todo!()
    }
    /// Appends a frame; `Ok(false)` (nothing taken) without credit or after the peer is gone. Not visible to
    /// the reader before [`flush`](Pipe::flush) after the last frame of the message. Errors: `ENOMEM`.
    pub fn write(&mut self, frame: &mut OutFrame<'_>) -> Result<bool> {
        let _ = frame;
        todo!()
    }
    /// Appends the peer's routing id frame; costs no credit.
    pub fn write_routing_id(&mut self, routing_id: &[u8]) {
        let _ = routing_id;
        todo!()
    }
    /// Appends a SUBSCRIBE or CANCEL command; costs no credit, so that no subscription is ever lost to HWM.
    pub fn write_subscription(&mut self, subscribe: bool, topic: &[u8]) {
        let _ = (subscribe, topic);
        todo!()
    }
    /// Makes complete messages visible and wakes the reader if it sleeps.
    pub fn flush(&mut self) {
        todo!()
    }
    /// Takes back the frames of an incomplete message.
    pub fn rollback(&mut self) {
        todo!()
    }
    /// Whether credit is left, with no other effect.
    pub fn check_hwm(&self) -> bool {
        todo!()
    }
}
