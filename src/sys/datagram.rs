//! Datagram sockets, without `SIGPIPE`, and without `EINTR` unless signals keep coming.

use super::faults::{self, Call};
use super::retry::unless_interrupted;
use crate::errno::{Errno, Result};
use socket2::{SockAddr, SockRef};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::AsFd;

/// Calls made in all where signals interrupt them.
const MAX_TRIES: u32 = 4;

/// Receives one datagram. Returns its sender and its length, which is more than `room` holds if the datagram
/// was cut.
///
/// Errors: `EAGAIN` if there is none; `EAFNOSUPPORT` for a sender without an IP address; those of
/// recvfrom(2).
pub fn receive(fd: impl AsFd, room: &mut [u8]) -> Result<(usize, SocketAddr)> {
    // SAFETY: a `&mut [u8]` is also a `&mut [MaybeUninit<u8>]` as long as nothing uninitialised is written to it,
    // and recvfrom(2) writes bytes.
    let room = unsafe { &mut *(std::ptr::from_mut(room) as *mut [MaybeUninit<u8>]) };
    if let Some(errno) = faults::next(Call::Receive) {
        return Err(errno);
    }
    let socket = SockRef::from(&fd);
    // MSG_TRUNC: returns the true length; at most the room's bytes are written.
    let receive = || socket.recv_from_with_flags(room, libc::MSG_TRUNC);
    let (length, from) = unless_interrupted(MAX_TRIES, receive)?;
    Ok((length, from.as_socket().ok_or(Errno(libc::EAFNOSUPPORT))?))
}

/// Sends one datagram. An IPv6 socket accepts IPv4 addresses as well. Errors: `EAGAIN` and those of
/// sendto(2).
pub fn send(fd: impl AsFd, datagram: &[u8], to: &SocketAddr) -> Result<()> {
    let to = SockAddr::from(*to);
    if let Some(errno) = faults::next(Call::Send) {
        return Err(errno);
    }
    let socket = SockRef::from(&fd);
    let send = || socket.send_to_with_flags(datagram, &to, libc::MSG_NOSIGNAL);
    Ok(unless_interrupted(MAX_TRIES, send).map(|_| ())?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::net::UdpSocket;

    #[test]
    fn a_datagram_that_was_cut_shows_its_length() {
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
