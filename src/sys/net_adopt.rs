//! The owner of a descriptor is the only one to close it. A number alone proves nothing, so the numbers taken
//! over are kept in a list. A program that gives the same number twice gets an error. Otherwise a later close
//! would hit any file that has got the number meanwhile.

use super::fork::{Born, PerProcess};
use super::lock::Lock;
use crate::errno::{Errno, Result};
use socket2::SockRef;
use std::collections::BTreeSet;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Numbers adopted and not yet closed. A forked child has a list of its own: it closes none of those that its parent has adopted.
static ADOPTED: PerProcess<Lock<BTreeSet<RawFd>>> = PerProcess::new();

fn adopted() -> &'static Lock<BTreeSet<RawFd>> {
    ADOPTED.find_or_make(Lock::default)
}

/// A descriptor taken over from the program; closed when dropped, as libzmq does.
#[derive(Debug)]
pub struct AdoptedFd(Option<OwnedFd>, RawFd, Born);

impl AdoptedFd {
    /// Takes over `fd` and marks it close-on-exec and non-blocking.
    ///
    /// Errors: `EBADF` when it is not open, `EADDRINUSE` when another endpoint has already taken it over; the
    /// descriptor then stays the caller's.
    pub fn adopt(fd: RawFd) -> Result<AdoptedFd> {
        let mut adopted = adopted().lock();
        // SAFETY: F_GETFD touches no memory, and is answered with EBADF for a number that is not open.
        if fd < 0 || unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1 {
            return Err(Errno::BADF);
        }
        if adopted.contains(&fd) {
            return Err(Errno::ADDRINUSE);
        }
        // SAFETY: open just now, and the program that set ZMQ_USE_FD keeps it open until the borrow ends here.
        let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
        SockRef::from(&borrowed).set_cloexec(true)?;
        SockRef::from(&borrowed).set_nonblocking(true)?;
        adopted.insert(fd);
        // SAFETY: the number is open and has no other owner here: it was not in the list. By setting
        // ZMQ_USE_FD the program has given it away (zmq_setsockopt(3)).
        Ok(AdoptedFd(Some(unsafe { OwnedFd::from_raw_fd(fd) }), fd, Born::now()))
    }

    /// Gives the descriptor back to the program without closing it.
    pub fn release(mut self) {
        if let Some(fd) = self.0.take() {
            std::mem::forget(fd);
        }
    }

    fn fd(&self) -> RawFd {
        self.1
    }
}

impl AsFd for AdoptedFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: open until `self` is dropped, and the borrow cannot outlive `self`.
        unsafe { BorrowedFd::borrow_raw(self.fd()) }
    }
}

impl AsRawFd for AdoptedFd {
    fn as_raw_fd(&self) -> RawFd {
        self.fd()
    }
}

impl Drop for AdoptedFd {
    fn drop(&mut self) {
        if self.2.forked() {
            // The program of this child may have handed the number over anew.
            return std::mem::forget(self.0.take());
        }
        // The list stays locked while the file is closed. A thread that opens the next file with this number,
        // and hands it over at once, must find the number free.
        let mut adopted = adopted().lock();
        drop(self.0.take());
        adopted.remove(&self.1);
        if adopted.is_empty() {
            // An empty set of this kind keeps the memory of its last node.
            *adopted = BTreeSet::new();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::io::Read;
    use std::os::fd::IntoRawFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn an_adopted_descriptor_is_closed_with_its_owner() {
        let (mut a, b) = UnixStream::pair().unwrap();
        drop(AdoptedFd::adopt(b.into_raw_fd()).unwrap());
        assert_eq!(a.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn the_same_number_is_not_taken_twice_and_a_released_one_stays_open() {
        let (_a, b) = UnixStream::pair().unwrap();
        let first = AdoptedFd::adopt(b.as_raw_fd()).unwrap();
        assert_eq!(AdoptedFd::adopt(b.as_raw_fd()).unwrap_err(), Errno::ADDRINUSE);
        first.release();
        AdoptedFd::adopt(b.as_raw_fd()).unwrap().release();
    }

    #[test]
    fn a_child_hands_over_descriptors_while_a_thread_of_its_parent_does() {
        let (a, b) = UnixStream::pair().unwrap();
        let adopted_before = AdoptedFd::adopt(b.into_raw_fd()).unwrap();
        let held = adopted().lock();
        let code = crate::sys::fork::tests::child(|| {
            let own = AdoptedFd::adopt(a.as_raw_fd()).and_then(|own| {
                own.release();
                AdoptedFd::adopt(adopted_before.as_raw_fd())
            });
            i32::from(own.is_err())
        });
        assert_eq!(code, 0);
        drop(held);
    }

    #[test]
    fn numbers_that_are_not_open_are_refused() {
        assert_eq!(AdoptedFd::adopt(-7).unwrap_err(), Errno::BADF);
        assert_eq!(AdoptedFd::adopt(1_000_000_000).unwrap_err(), Errno::BADF);
    }
}
