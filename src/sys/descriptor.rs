//! Descriptors that somebody else may have closed.

use std::os::fd::RawFd;

/// Gives `number`, which is not open, to what `copy` is a descriptor of, closed on exec. `false` where somebody else has the
/// number by now: it is left alone.
pub fn reopen(copy: RawFd, number: RawFd) -> bool {
    // SAFETY: no pointers. The call takes a number that nobody has, the lowest from `number` on.
    let fresh = unsafe { libc::fcntl(copy, libc::F_DUPFD_CLOEXEC, number) };
    if fresh >= 0 && fresh != number {
        // SAFETY: a fresh descriptor that nobody else knows of.
        unsafe { libc::close(fresh) };
    }
    fresh >= 0 && fresh == number
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::{Read, Write};
    use std::os::fd::{AsRawFd, FromRawFd};
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_number_is_had_back_unless_somebody_has_it() {
        let (mut here, there) = UnixStream::pair().unwrap();
        // A number that other tests do not come by.
        // SAFETY: no pointers.
        let number = unsafe { libc::fcntl(there.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 900) };
        assert!(number >= 900);
        assert!(!reopen(there.as_raw_fd(), number), "it is open");
        // SAFETY: ours, and used no more.
        unsafe { libc::close(number) };
        assert!(!reopen(-1, number));
        assert!(reopen(there.as_raw_fd(), number));
        here.write_all(b"x").unwrap();
        // SAFETY: open, and nobody else owns it.
        let mut again = unsafe { UnixStream::from_raw_fd(number) };
        again.read_exact(&mut [0]).unwrap();
    }
}
