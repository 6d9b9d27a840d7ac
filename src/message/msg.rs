//! The 64-byte message.
use super::{Body, Metadata};
use crate::errno::Result;
use std::sync::Arc;

/// What `zmq_msg_t` holds: 64 bytes, pointer-aligned, no self-pointers. Up to 40 bytes of body lie inside.
#[repr(C, align(8))]
pub struct Msg {
    bytes: [u8; 64],
}

impl Msg {
    /// The empty message.
    pub fn new() -> Msg {
        todo!()
    }
    /// `len` bytes to be filled in (zeroed). Errors: `ENOMEM`.
    pub fn with_len(len: usize) -> Result<Msg> {
        let _ = len;
        todo!()
    }
    pub fn copy_from(data: &[u8]) -> Result<Msg> {
        let _ = data;
        todo!()
    }
    pub fn from_body(body: Body) -> Msg {
        let _ = body;
        todo!()
    }
    pub fn data(&self) -> &[u8] {
        todo!()
    }
    pub fn data_mut(&mut self) -> &mut [u8] {
        todo!()
    }
    pub fn len(&self) -> usize {
        self.data().len()
    }
    /// A shared reference to the body, for a pipe to keep; `None` where the body lies inside the 64 bytes.
    pub fn share(&mut self) -> Option<Body> {
        todo!()
    }
    /// Another message with the same content (by reference where it is large), flags and properties.
    pub fn copy(&mut self) -> Msg {
        todo!()
    }
    pub fn more(&self) -> bool {
        todo!()
    }
    pub fn set_more(&mut self, more: bool) {
        let _ = more;
        todo!()
    }
    pub fn metadata(&self) -> Option<&Metadata> {
        todo!()
    }
    pub fn set_metadata(&mut self, metadata: Option<Arc<Metadata>>) {
        let _ = metadata;
        todo!()
    }
    pub fn routing_id(&self) -> u32 {
        todo!()
    }
    pub fn set_routing_id(&mut self, routing_id: u32) {
        let _ = routing_id;
        todo!()
    }
}
impl Default for Msg {
    fn default() -> Msg {
        Msg::new()
    }
}
