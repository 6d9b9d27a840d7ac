//! Reading and writing connected sockets without blocking, without `SIGPIPE`, into memory that need not be
//! initialised first.

use crate::errno::{Errno, Result};
use socket2::SockRef;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;

/// The most slices the kernel takes in one call (`UIO_MAXIOV`); more would be `EMSGSIZE`.
pub const MAX_SLICES: usize = 1024;

/// Reads what has arrived, at most `buffer.len()` bytes, and returns how many of its first bytes are now
/// initialised; 0 for a buffer that is not empty means that the peer has closed. Never blocks, whatever mode the
/// descriptor is in.
///
/// Errors: `EAGAIN` when nothing has arrived; else what recv(2) says.
pub fn recv_uninit(fd: BorrowedFd<'_>, buffer: &mut [MaybeUninit<u8>]) -> Result<usize> {
    retry(|| SockRef::from(&fd).recv_with_flags(buffer, libc::MSG_DONTWAIT))
}

/// As [`recv_uninit`], appending to `buffer` within the capacity it has left, at most `limit` bytes. Never
/// allocates: without spare capacity the answer is `ENOBUFS`, as 0 would read as the peer's end.
pub fn recv_append(fd: BorrowedFd<'_>, buffer: &mut Vec<u8>, limit: usize) -> Result<usize> {
    let length = buffer.len();
    let spare = buffer.spare_capacity_mut();
    let window = spare.len().min(limit);
    let Some(window) = spare.get_mut(..window).filter(|window| !window.is_empty()) else {
        return Err(Errno::NOBUFS);
    };
    let count = recv_uninit(fd, window)?;
    // SAFETY: recv(2) has initialised the first `count` bytes after `length`, and `count` is at most the window,
    // which lies within the vector's capacity.
    unsafe { buffer.set_len(length + count) };
    Ok(count)
}

/// Writes as much of `slices`, in order, as the socket takes now, and returns how many bytes that were; only the
/// first [`MAX_SLICES`] slices are looked at. Never blocks and never raises `SIGPIPE`: the signal would end a host
/// program that has not asked for one.
///
/// Errors: `EAGAIN` when no byte fits; `EPIPE` or `ECONNRESET` when the peer is gone; else what sendmsg(2) says.
pub fn writev(fd: BorrowedFd<'_>, slices: &[IoSlice<'_>]) -> Result<usize> {
    let slices = slices.get(..MAX_SLICES).unwrap_or(slices);
    let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
    retry(|| SockRef::from(&fd).send_vectored_with_flags(slices, flags))
}

/// As [`writev`] with a single slice.
pub fn write(fd: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize> {
    retry(|| SockRef::from(&fd).send_with_flags(bytes, libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT))
}

/// Sets or clears `O_NONBLOCK`, which belongs to the open file, not to this descriptor alone.
pub fn set_nonblocking(fd: BorrowedFd<'_>, nonblocking: bool) -> Result<()> {
    SockRef::from(&fd).set_nonblocking(nonblocking).map_err(Errno::from)
}

/// Makes the descriptor vanish in programs that this process executes.
pub fn set_cloexec(fd: BorrowedFd<'_>) -> Result<()> {
    SockRef::from(&fd).set_cloexec(true).map_err(Errno::from)
}

/// Makes the call again for as long as a signal cuts it short: these calls do not wait, so a handler's wish to
/// interrupt a wait does not concern them.
fn retry<T>(mut call: impl FnMut() -> std::io::Result<T>) -> Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            other => return other.map_err(Errno::from),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn bytes_written_in_slices_are_read_back_without_initialising_the_buffer() {
        let (a, b) = UnixStream::pair().unwrap();
        let sent = writev(a.as_fd(), &[IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cde")]).unwrap();
        assert_eq!(sent, 5);
        let mut buffer = Vec::with_capacity(16);
        buffer.push(b'!');
        assert_eq!(recv_append(b.as_fd(), &mut buffer, 3).unwrap(), 3);
        assert_eq!(recv_append(b.as_fd(), &mut buffer, 100).unwrap(), 2);
        assert_eq!(buffer, b"!abcde");
    }

    #[test]
    fn a_blocking_descriptor_does_not_block() {
        let (a, b) = UnixStream::pair().unwrap();
        let mut buffer = Vec::with_capacity(16);
        assert_eq!(recv_append(b.as_fd(), &mut buffer, 16), Err(Errno::AGAIN));
        let block = [0u8; 65536];
        loop {
            match write(a.as_fd(), &block) {
                Ok(count) => assert!(count > 0),
                Err(error) => break assert_eq!(error, Errno::AGAIN),
            }
        }
    }

    #[test]
    fn a_closed_peer_is_end_of_stream_when_read_and_epipe_without_a_signal_when_written() {
        let (a, b) = UnixStream::pair().unwrap();
        drop(b);
        let mut buffer = Vec::with_capacity(1);
        assert_eq!(recv_append(a.as_fd(), &mut buffer, 1), Ok(0));
        assert_eq!(writev(a.as_fd(), &[IoSlice::new(b"x")]), Err(Errno::PIPE));
    }

    #[test]
    fn a_full_buffer_is_not_mistaken_for_the_end() {
        let (_a, b) = UnixStream::pair().unwrap();
        assert_eq!(recv_append(b.as_fd(), &mut Vec::new(), 10), Err(Errno::NOBUFS));
    }

    #[test]
    fn more_slices_than_the_kernel_takes_are_a_short_write() {
        let (a, _b) = UnixStream::pair().unwrap();
        let slices = vec![IoSlice::new(b"x"); MAX_SLICES + 1];
        assert_eq!(writev(a.as_fd(), &slices), Ok(MAX_SLICES));
    }
}
