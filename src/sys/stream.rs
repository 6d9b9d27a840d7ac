//! Reading from and writing to stream sockets, with no signal, and no `EINTR` unless it comes time and again.

use super::faults::{self, Call};
use super::patience::unless_interrupted;
use crate::errno::Result;
use socket2::SockRef;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;

/// How often a call is made again that a signal has cut short.
const TRIES: u32 = 4;

/// Reads into `room`; 0 at the end of the stream. Errors: `EAGAIN` and what recv(2) gives.
pub fn read(fd: impl AsFd, room: &mut [u8]) -> Result<usize> {
    // SAFETY: a `&mut [u8]` is also a `&mut [MaybeUninit<u8>]` as long as nothing uninitialised is written to it,
    // and recv(2) writes bytes.
    let room = unsafe { &mut *(std::ptr::from_mut(room) as *mut [MaybeUninit<u8>]) };
    receive(fd, room)
}

/// Reads into uninitialised room and returns the front of it that was filled; empty at the end of the stream.
/// Errors: `EAGAIN` and what recv(2) gives.
pub fn read_uninit(fd: impl AsFd, room: &mut [MaybeUninit<u8>]) -> Result<&mut [u8]> {
    let filled = receive(fd, room)?;
    let front = room.get_mut(..filled).unwrap_or_default();
    // SAFETY: recv(2) has written the first `filled` bytes.
    Ok(unsafe { &mut *(std::ptr::from_mut(front) as *mut [u8]) })
}

fn receive(fd: impl AsFd, room: &mut [MaybeUninit<u8>]) -> Result<usize> {
    if let Some(errno) = faults::next(Call::Receive) {
        return Err(errno);
    }
    let socket = SockRef::from(&fd);
    Ok(unless_interrupted(TRIES, || socket.recv(room))?)
}

/// The most ranges that the kernel takes in one call (`UIO_MAXIOV`); more would be `EMSGSIZE`.
const MAX_RANGES: usize = 1024;

/// Writes from the first [`MAX_RANGES`] of `ranges` in order, and says how many bytes went. Never raises `SIGPIPE`
/// in the host. Errors: `EAGAIN`, `EPIPE` and what sendmsg(2) gives.
pub fn write(fd: impl AsFd, ranges: &[IoSlice<'_>]) -> Result<usize> {
    let ranges = ranges.get(..MAX_RANGES).unwrap_or(ranges);
    if let Some(errno) = faults::next(Call::Send) {
        return Err(errno);
    }
    let socket = SockRef::from(&fd);
    Ok(unless_interrupted(TRIES, || socket.send_vectored_with_flags(ranges, libc::MSG_NOSIGNAL))?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::errno::Errno;
    use std::os::unix::net::UnixStream;

    #[test]
    fn bytes_pass_and_a_broken_stream_raises_no_signal() {
        let (left, right) = UnixStream::pair().unwrap();
        right.set_nonblocking(true).unwrap();
        assert_eq!(read(&right, &mut [0; 4]), Err(Errno::AGAIN));
        assert_eq!(write(&left, &[IoSlice::new(b"ab"), IoSlice::new(b"cde")]), Ok(5));
        let mut room = [0; 2];
        assert_eq!(read(&right, &mut room), Ok(2));
        assert_eq!(&room, b"ab");
        assert_eq!(read_uninit(&right, &mut [MaybeUninit::uninit(); 9]).unwrap(), b"cde");
        drop(right);
        assert_eq!(write(&left, &[IoSlice::new(b"x")]), Err(Errno::PIPE));
    }

    #[test]
    fn more_ranges_than_the_kernel_takes_are_a_short_write() {
        let (left, _right) = UnixStream::pair().unwrap();
        assert_eq!(write(&left, &vec![IoSlice::new(b"x"); MAX_RANGES + 1]), Ok(MAX_RANGES));
    }
}
