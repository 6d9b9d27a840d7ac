//! ffi

pub mod constants;
#[cfg(zmq_draft)]
pub mod draft_constants;
