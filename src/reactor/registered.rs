//! What becomes of a registration with the system.

use crate::errno::{Errno, Result};
use crate::sys::log::shortage::{self, What};

/// Tells of a registration that the system has no place for. Most of those that ask for one try again later, and say nothing of it.
pub fn told(outcome: std::io::Result<()>) -> Result<()> {
    let outcome = outcome.map_err(Errno::from);
    outcome.inspect_err(|errno| {
        shortage::tell(What::Watch, *errno, format_args!("an I/O thread cannot watch a descriptor for now"));
    })
}
