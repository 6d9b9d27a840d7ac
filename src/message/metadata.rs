//! Properties of the connection that a message came from.
use std::ffi::{CStr, CString};

/// Properties by name, as `zmq_msg_gets` answers them; one per connection, shared by its messages.
#[derive(Debug, Default)]
pub struct Metadata {
    properties: Vec<(CString, CString)>,
}

impl Metadata {
    /// Values are cut at the first NUL: `zmq_msg_gets` hands out C strings.
    pub fn new(properties: impl IntoIterator<Item = (String, Vec<u8>)>) -> Metadata {
        let _ = properties;
        todo!()
    }
    pub fn property(&self, name: &CStr) -> Option<&CStr> {
        let _ = name;
        todo!()
    }
}
