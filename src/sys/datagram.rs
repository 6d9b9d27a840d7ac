//! Datagram sockets, with no signal and no `EINTR`.

use crate::errno::{Errno, Result};
use socket2::{SockAddr, SockRef};
use std::io::ErrorKind;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::AsFd;

/// Takes one datagram: how long it is, which is more than `room` holds if it was cut, and who sent it. Errors:
/// `EAGAIN` if there is none; `EAFNOSUPPORT` for a sender that has no IP address; what recvfrom(2) gives.
pub fn receive(fd: impl AsFd, room: &mut [u8]) -> Result<(usize, SocketAddr)> {
    // SAFETY: a `&mut [u8]` is also a `&mut [MaybeUninit<u8>]` as long as nothing uninitialised is written to it,
    // and recvfrom(2) writes bytes.
    let room = unsafe { &mut *(std::ptr::from_mut(room) as *mut [MaybeUninit<u8>]) };
    loop {
        // MSG_TRUNC: the true length, of which no more is written than there is room for.
        match SockRef::from(&fd).recv_from_with_flags(room, libc::MSG_TRUNC) {
            Ok((length, from)) => return Ok((length, from.as_socket().ok_or(Errno(libc::EAFNOSUPPORT))?)),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Sends one datagram. An IPv6 socket takes IPv4 addresses as well. Errors: `EAGAIN` and what sendto(2) gives.
pub fn send(fd: impl AsFd, datagram: &[u8], to: &SocketAddr) -> Result<()> {
    let to = SockAddr::from(*to);
    loop {
        match SockRef::from(&fd).send_to_with_flags(datagram, &to, libc::MSG_NOSIGNAL) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::net::UdpSocket;

    #[test]
    fn a_datagram_that_was_cut_says_so() {
        let (one, two) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let (from, to) = (one.local_addr().unwrap(), two.local_addr().unwrap());
        let mut room = [0; 4];
        for (sent, length) in [(&b""[..], 0), (b"ab", 2), (b"abcd", 4), (b"abcdefg", 7)] {
            send(&one, sent, &to).unwrap();
            assert_eq!(receive(&two, &mut room), Ok((length, from)));
            assert_eq!(&room[..length.min(4)], &sent[..length.min(4)]);
        }
        two.set_nonblocking(true).unwrap();
        assert_eq!(receive(&two, &mut room), Err(Errno::AGAIN));
        assert_eq!(send(&one, &[0; 70_000], &to), Err(Errno::MSGSIZE));
    }
}
