//! Datagram sockets, with no signal, and no `EINTR` unless it comes time and again.

use super::faults::{self, Call};
use super::patience::unless_interrupted;
use crate::errno::{Errno, Result};
use socket2::{SockAddr, SockRef};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::AsFd;

/// How often a call is made again that a signal has cut short.
const TRIES: u32 = 4;

/// Takes one datagram: how long it is, which is more than `room` holds if it was cut, and who sent it. Errors:
/// `EAGAIN` if there is none; `EAFNOSUPPORT` for a sender that has no IP address; what recvfrom(2) gives.
pub fn receive(fd: impl AsFd, room: &mut [u8]) -> Result<(usize, SocketAddr)> {
    // SAFETY: a `&mut [u8]` is also a `&mut [MaybeUninit<u8>]` as long as nothing uninitialised is written to it,
    // and recvfrom(2) writes bytes.
    let room = unsafe { &mut *(std::ptr::from_mut(room) as *mut [MaybeUninit<u8>]) };
    if let Some(errno) = faults::next(Call::Receive) {
        return Err(errno);
    }
    let socket = SockRef::from(&fd);
    // MSG_TRUNC: the true length, of which no more is written than there is room for.
    let receive = || socket.recv_from_with_flags(room, libc::MSG_TRUNC);
    let (length, from) = unless_interrupted(TRIES, receive)?;
    Ok((length, from.as_socket().ok_or(Errno(libc::EAFNOSUPPORT))?))
}

/// Sends one datagram. An IPv6 socket takes IPv4 addresses as well. Errors: `EAGAIN` and what sendto(2) gives.
pub fn send(fd: impl AsFd, datagram: &[u8], to: &SocketAddr) -> Result<()> {
    let to = SockAddr::from(*to);
    if let Some(errno) = faults::next(Call::Send) {
        return Err(errno);
    }
    let socket = SockRef::from(&fd);
    let send = || socket.send_to_with_flags(datagram, &to, libc::MSG_NOSIGNAL);
    Ok(unless_interrupted(TRIES, send).map(|_| ())?)
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
