//! Reads from and writes to stream sockets, without `SIGPIPE`, and without `EINTR` unless signals keep
//! coming.

use super::faults::{self, Call};
use super::retry::unless_interrupted;
use crate::errno::{Errno, Result};
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;

/// Calls made in all where signals interrupt them.
const MAX_TRIES: u32 = 4;

/// Reads into `room`; 0 at the end of the stream. Errors: `EAGAIN` and those of recv(2).
pub fn read(fd: impl AsFd, room: &mut [u8]) -> Result<usize> {
    // SAFETY: a `&mut [u8]` is also a `&mut [MaybeUninit<u8>]` as long as nothing uninitialised is written to it,
    // and recv(2) writes bytes.
    let room = unsafe { &mut *(std::ptr::from_mut(room) as *mut [MaybeUninit<u8>]) };
    receive(fd, room)
}

/// Reads into uninitialised room and returns the front of it that was filled; empty at the end of the stream.
/// Errors: `EAGAIN` and those of recv(2).
pub fn read_uninit(fd: impl AsFd, room: &mut [MaybeUninit<u8>]) -> Result<&mut [u8]> {
    let filled = receive(fd, room)?;
    let front = room.get_mut(..filled).unwrap_or_default();
    // SAFETY: recv(2) has written the first `filled` bytes.
    Ok(unsafe { &mut *(std::ptr::from_mut(front) as *mut [u8]) })
}

/// Copies `front` into the room, has `read` fill room behind it, and returns both. Of a `front` that is longer than the room a part
/// is copied. Errors: those of `read`, and `EINVAL` where the slice that it returns is not the front of its room.
pub fn read_behind<'r>(
    front: &[u8],
    room: &'r mut [MaybeUninit<u8>],
    read: impl for<'a> FnOnce(&'a mut [MaybeUninit<u8>]) -> Result<&'a mut [u8]>,
) -> Result<&'r mut [u8]> {
    let front = front.get(..room.len()).unwrap_or(front);
    let (place, rest) = room.split_at_mut(front.len());
    place.write_copy_of_slice(front);
    let (start, most) = (rest.as_ptr().cast::<u8>(), rest.len());
    let filled = read(rest)?;
    if !filled.is_empty() && (filled.as_ptr() != start || filled.len() > most) {
        return Err(Errno::INVAL);
    }
    let both = front.len() + filled.len();
    let both = room.get_mut(..both).unwrap_or_default();
    // SAFETY: `front` was copied, and a `&mut [u8]` behind it is initialised.
    Ok(unsafe { &mut *(std::ptr::from_mut(both) as *mut [u8]) })
}

fn receive(fd: impl AsFd, room: &mut [MaybeUninit<u8>]) -> Result<usize> {
    if let Some(errno) = faults::next(Call::Receive) {
        return Err(errno);
    }
    let fd = fd.as_fd();
    Ok(unless_interrupted(MAX_TRIES, || calls::receive(fd, room))?)
}

/// Most ranges of one call (`UIO_MAXIOV`); more give `EMSGSIZE`.
const MAX_RANGES: usize = 1024;

/// Writes the first `MAX_RANGES` of `ranges` in order, and returns the number of bytes written. Never
/// raises `SIGPIPE`. Errors: `EAGAIN`, `EPIPE` and those of sendmsg(2).
pub fn write(fd: impl AsFd, ranges: &[IoSlice<'_>]) -> Result<usize> {
    let ranges = ranges.get(..MAX_RANGES).unwrap_or(ranges);
    if let Some(errno) = faults::next(Call::Send) {
        return Err(errno);
    }
    let fd = fd.as_fd();
    Ok(unless_interrupted(MAX_TRIES, || calls::send(fd, ranges))?)
}

/// Without libc's wrappers, which are cancellation points.
#[cfg(direct_calls)]
mod calls {
    use crate::sys::cancel::SystemCall;
    use crate::sys::thread_state::ThreadState;
    use std::io::{Error, IoSlice, Result};
    use std::mem::MaybeUninit;
    use std::os::fd::{AsRawFd, BorrowedFd};

    pub fn receive(fd: BorrowedFd<'_>, room: &mut [MaybeUninit<u8>]) -> Result<usize> {
        let (fd, at) = (fd.as_raw_fd() as usize, room.as_mut_ptr().expose_provenance());
        ThreadState::current().entered_kernel.set(true);
        // SAFETY: the room is writable for that many bytes, and no address is asked for.
        let call = unsafe { SystemCall::new(libc::SYS_recvfrom, [fd, at, room.len(), 0, 0, 0]) };
        call.make().map_err(|errno| Error::from_raw_os_error(errno.0))
    }

    pub fn send(fd: BorrowedFd<'_>, ranges: &[IoSlice<'_>]) -> Result<usize> {
        // SAFETY: all-zero is a header without address, data and control data.
        let mut header = unsafe { MaybeUninit::<libc::msghdr>::zeroed().assume_init() };
        // An `IoSlice` has the layout of an `iovec`, by its documentation; sendmsg(2) writes to none of them.
        header.msg_iov = ranges.as_ptr().cast_mut().cast();
        header.msg_iovlen = ranges.len() as _;
        let (fd, header) = (fd.as_raw_fd() as usize, (&raw const header).expose_provenance());
        ThreadState::current().entered_kernel.set(true);
        // SAFETY: the header outlives the call, and so do the ranges.
        let call =
            unsafe { SystemCall::new(libc::SYS_sendmsg, [fd, header, libc::MSG_NOSIGNAL as usize, 0, 0, 0]) };
        call.make().map_err(|errno| Error::from_raw_os_error(errno.0))
    }
}

#[cfg(not(direct_calls))]
mod calls {
    use crate::sys::cancel::CancelOff;
    use crate::sys::thread_state::ThreadState;
    use socket2::SockRef;
    use std::io::{IoSlice, Result};
    use std::mem::MaybeUninit;
    use std::os::fd::BorrowedFd;

    pub fn receive(fd: BorrowedFd<'_>, room: &mut [MaybeUninit<u8>]) -> Result<usize> {
        let _off = CancelOff::for_call(ThreadState::current());
        SockRef::from(&fd).recv(room)
    }

    pub fn send(fd: BorrowedFd<'_>, ranges: &[IoSlice<'_>]) -> Result<usize> {
        let _off = CancelOff::for_call(ThreadState::current());
        SockRef::from(&fd).send_vectored_with_flags(ranges, libc::MSG_NOSIGNAL)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
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
    fn bytes_are_read_behind_others() {
        let mut room = [MaybeUninit::uninit(); 5];
        let mut read = |front: &[u8], bytes: &[u8]| {
            read_behind(front, &mut room, |rest| Ok(rest[..bytes.len()].write_copy_of_slice(bytes)))
                .map(|both| both.to_vec())
        };
        assert_eq!(read(b"ab", b"cd"), Ok(b"abcd".to_vec()));
        assert_eq!(read(b"", b"abcde"), Ok(b"abcde".to_vec()));
        assert_eq!(read(b"abc", b""), Ok(b"abc".to_vec()));
        assert_eq!(read(b"abcdefg", b""), Ok(b"abcde".to_vec()));
        let elsewhere = read_behind(b"a", &mut room, |_| Ok(Box::leak(Box::new([0; 2]))));
        assert_eq!(elsewhere.map(|both| both.len()), Err(Errno::INVAL));
        assert_eq!(read_behind(b"a", &mut room, |_| Err(Errno::AGAIN)).map(|_| ()), Err(Errno::AGAIN));
    }

    #[test]
    fn more_ranges_than_the_kernel_takes_are_a_short_write() {
        let (left, _right) = UnixStream::pair().unwrap();
        assert_eq!(write(&left, &vec![IoSlice::new(b"x"); MAX_RANGES + 1]), Ok(MAX_RANGES));
    }
}
