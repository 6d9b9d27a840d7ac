//! How large files of the process may be (`ulimit -f`).
//!
//! Where a thread makes a file larger, the system sends it SIGXFSZ besides the error, which ends the program. The library's own threads
//! have all signals blocked, and threads of the program have not.

use crate::errno::{Errno, Result};

/// Errors: `EFBIG` where the process may have no file with a byte at `last`, counted from 0.
pub fn check_last_byte(last: u64) -> Result<()> {
    let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: a place for the limits. Where the call fails they stay as they are.
    unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut limit) };
    if is_within(last, limit.rlim_cur) { Ok(()) } else { Err(Errno(libc::EFBIG)) }
}

fn is_within(last: u64, limit: libc::rlim_t) -> bool {
    // The type's width and sign differ between systems.
    #[allow(clippy::useless_conversion)]
    let bytes = u64::try_from(limit).unwrap_or(u64::MAX);
    limit == libc::RLIM_INFINITY || last < bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_the_number_of_bytes() {
        for (last, limit, fits) in [
            (0, 1, true),
            (0, 0, false),
            (65_535, 65_536, true),
            (65_536, 65_536, false),
            (u64::MAX, libc::RLIM_INFINITY, true),
        ] {
            assert_eq!(is_within(last, limit), fits, "{last} of {limit}");
        }
    }
}
