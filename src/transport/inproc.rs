//! `inproc://name`: the context keeps the names.

use crate::errno::{Errno, Result};

/// Any name of any length is valid, but for the empty one. The context's key is the whole endpoint, as in
/// libzmq. Errors: `EINVAL`.
pub(super) fn parse(name: &str) -> Result<&str> {
    if name.is_empty() { Err(Errno::INVAL) } else { Ok(name) }
}
