//! Reference-counted message bodies.
use crate::errno::Result;
use std::ffi::c_void;

/// `zmq_free_fn`.
pub type FreeFn = unsafe extern "C" fn(data: *mut c_void, hint: *mut c_void);

/// A reference to an immutable, shared run of bytes; cloning counts, the last drop frees.
pub struct Body(());

impl Body {
    /// Copies `data`. Errors: `ENOMEM`.
    pub fn copy_from(data: &[u8]) -> Result<Body> {
        let _ = data;
        todo!()
    }
    /// Takes over `data` without copying.
    pub fn from_vec(data: Vec<u8>) -> Result<Body> {
        let _ = data;
        todo!()
    }
    pub fn as_slice(&self) -> &[u8] {
        todo!()
    }
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }
}
impl Clone for Body {
    fn clone(&self) -> Body {
        todo!()
    }
}
