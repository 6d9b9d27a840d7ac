//! `inproc://name`: the names themselves are the context's.

use crate::errno::{Errno, Result};

/// Any name will do, of any length, as long as there is one. The context's key is the whole endpoint, as it is in
/// libzmq. Errors: `EINVAL`.
pub(super) fn parse(name: &str) -> Result<&str> {
    if name.is_empty() { Err(Errno::INVAL) } else { Ok(name) }
}
