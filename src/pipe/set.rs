//! The pipes of one socket.
use super::Pipe;
use crate::errno::Result;
use crate::message::{Frame, OutFrame};
use slotmap::SlotMap;

slotmap::new_key_type! {
    /// A pipe of a socket; never reused.
    pub struct PipeId;
}

/// The pipes of one socket, by id. A pattern refers to pipes by id alone and reads and writes through this
/// set. Calls with the id of a pipe that is gone answer as a closed pipe would.
#[derive(Default)]
pub struct Pipes {
    pipes: SlotMap<PipeId, Pipe>,
    /// Ends found closed while reading or writing; the socket takes them and calls the pattern's `terminated`.
    closed: Vec<PipeId>,
}

impl Pipes {
    pub fn contains(&self, id: PipeId) -> bool {
        self.pipes.contains_key(id)
    }
    pub fn check_read(&mut self, id: PipeId) -> bool {
        let _ = id;
        todo!()
    }
    pub fn read(&mut self, id: PipeId) -> Option<Frame<'_>> {
        let _ = id;
        todo!()
    }
    /// The next frame without taking it.
    pub fn peek(&mut self, id: PipeId) -> Option<Frame<'_>> {
        let _ = id;
        todo!()
    }
    pub fn check_write(&mut self, id: PipeId) -> bool {
        let _ = id;
        todo!()
    }
    /// See [`Pipe::write`].
    pub fn write(&mut self, id: PipeId, frame: &mut OutFrame<'_>) -> Result<bool> {
        let _ = (id, frame);
        todo!()
    }
    pub fn write_subscription(&mut self, id: PipeId, subscribe: bool, topic: &[u8]) {
        let _ = (id, subscribe, topic);
        todo!()
    }
    pub fn flush(&mut self, id: PipeId) {
        let _ = id;
        todo!()
    }
    pub fn rollback(&mut self, id: PipeId) {
        let _ = id;
        todo!()
    }
    pub fn check_hwm(&self, id: PipeId) -> bool {
        let _ = id;
        todo!()
    }
    /// Closes the end. With `drain`, what the peer has already published may still be read first.
    /// The socket calls the pattern's `terminated` afterwards, never from inside this call.
    pub fn terminate(&mut self, id: PipeId, drain: bool) {
        let _ = (id, drain);
        todo!()
    }
    pub fn routing_id(&self, id: PipeId) -> &[u8] {
        self.pipes.get(id).map_or(&[], |pipe| &pipe.routing_id)
    }
    pub fn set_routing_id(&mut self, id: PipeId, routing_id: Vec<u8>) {
        if let Some(pipe) = self.pipes.get_mut(id) {
            pipe.routing_id = routing_id;
        }
    }
    /// Takes the ids found closed since the last call.
    pub fn take_closed(&mut self) -> Vec<PipeId> {
        std::mem::take(&mut self.closed)
    }
}
