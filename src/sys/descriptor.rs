//! Descriptors that the program may have closed by mistake.

use std::os::fd::RawFd;

/// Duplicates `copy` as descriptor `number`, which is not open, closed on exec. `false` where the number is
/// in use again by now: that descriptor is left alone.
pub fn reopen(copy: RawFd, number: RawFd) -> bool {
    // SAFETY: no pointers. The call uses the lowest free number from `number` on.
    let fresh = unsafe { libc::fcntl(copy, libc::F_DUPFD_CLOEXEC, number) };
    if fresh >= 0 && fresh != number {
        // SAFETY: a fresh descriptor that no other code knows.
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
    fn a_number_is_restored_unless_it_is_in_use() {
        let (mut here, there) = UnixStream::pair().unwrap();
        // A number that other tests do not reach.
        // SAFETY: no pointers.
        let number = unsafe { libc::fcntl(there.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 900) };
        assert!(number >= 900);
        assert!(!reopen(there.as_raw_fd(), number), "it is open");
        // SAFETY: ours, and used no more.
        unsafe { libc::close(number) };
        assert!(!reopen(-1, number));
        assert!(reopen(there.as_raw_fd(), number));
        here.write_all(b"x").unwrap();
        // SAFETY: open, and without another owner.
        let mut again = unsafe { UnixStream::from_raw_fd(number) };
        again.read_exact(&mut [0]).unwrap();
    }
}
