//! Socket calls that `socket2` lacks: integer options by name, accepting in one call, and addresses out of
//! the kernel's structures.

use super::faults::{self, Call};
use super::retry::unless_interrupted;
use crate::errno::{Errno, Result};
use socket2::{Domain, SockAddr, Socket, Type};
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Calls made in all where signals interrupt them.
const MAX_TRIES: u32 = 4;

/// A socket option that takes a C `int`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntOption {
    Nodelay,
    Keepalive,
    KeepaliveCount,
    /// Seconds.
    KeepaliveIdle,
    /// Seconds.
    KeepaliveInterval,
    /// How long sent bytes may stay unacknowledged, in milliseconds.
    UserTimeout,
    SendBuffer,
    ReceiveBuffer,
    ReuseAddress,
    /// `IP_TOS`.
    TypeOfService,
    /// `IPV6_TCLASS`.
    TrafficClass,
    Priority,
    /// Microseconds.
    BusyPoll,
    V6Only,
    /// Read only: whether listen(2) was called.
    AcceptsConnections,
    /// Read only: the family of addresses.
    Domain,
}

impl IntOption {
    /// Errors: `ENOPROTOOPT` for an option that this system does not have.
    fn level_and_name(self) -> Result<(libc::c_int, libc::c_int)> {
        use libc::{IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP, SOL_SOCKET};
        Ok(match self {
            IntOption::Nodelay => (IPPROTO_TCP, libc::TCP_NODELAY),
            IntOption::Keepalive => (SOL_SOCKET, libc::SO_KEEPALIVE),
            IntOption::KeepaliveCount => (IPPROTO_TCP, libc::TCP_KEEPCNT),
            #[cfg(not(target_vendor = "apple"))]
            IntOption::KeepaliveIdle => (IPPROTO_TCP, libc::TCP_KEEPIDLE),
            #[cfg(target_vendor = "apple")]
            IntOption::KeepaliveIdle => (IPPROTO_TCP, libc::TCP_KEEPALIVE),
            IntOption::KeepaliveInterval => (IPPROTO_TCP, libc::TCP_KEEPINTVL),
            #[cfg(any(target_os = "linux", target_os = "android"))]
            IntOption::UserTimeout => (IPPROTO_TCP, libc::TCP_USER_TIMEOUT),
            IntOption::SendBuffer => (SOL_SOCKET, libc::SO_SNDBUF),
            IntOption::ReceiveBuffer => (SOL_SOCKET, libc::SO_RCVBUF),
            IntOption::ReuseAddress => (SOL_SOCKET, libc::SO_REUSEADDR),
            IntOption::TypeOfService => (IPPROTO_IP, libc::IP_TOS),
            IntOption::TrafficClass => (IPPROTO_IPV6, libc::IPV6_TCLASS),
            #[cfg(any(target_os = "linux", target_os = "android"))]
            IntOption::Priority => (SOL_SOCKET, libc::SO_PRIORITY),
            #[cfg(any(target_os = "linux", target_os = "android"))]
            IntOption::BusyPoll => (SOL_SOCKET, libc::SO_BUSY_POLL),
            IntOption::V6Only => (IPPROTO_IPV6, libc::IPV6_V6ONLY),
            IntOption::AcceptsConnections => (SOL_SOCKET, libc::SO_ACCEPTCONN),
            #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
            IntOption::Domain => (SOL_SOCKET, libc::SO_DOMAIN),
            #[allow(unreachable_patterns)]
            _ => return Err(Errno(libc::ENOPROTOOPT)),
        })
    }
}

/// A non-blocking socket. Errors: those of socket(2).
pub fn socket(domain: Domain, kind: Type) -> Result<Socket> {
    #[cfg(not(target_vendor = "apple"))]
    {
        Ok(Socket::new(domain, kind.nonblocking(), None)?)
    }
    #[cfg(target_vendor = "apple")]
    {
        let socket = Socket::new(domain, kind, None)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }
}

/// Sets an option. Errors: those of setsockopt(2).
pub fn set_option(fd: BorrowedFd<'_>, option: IntOption, value: i32) -> Result<()> {
    let (level, name) = option.level_and_name()?;
    let length = size_of::<i32>() as libc::socklen_t;
    // SAFETY: the pointer is to `value`, which outlives the call and is `length` bytes long; the descriptor is
    // open for as long as it is borrowed.
    let rc = unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, (&raw const value).cast(), length) };
    if rc == 0 { Ok(()) } else { Err(Errno::last()) }
}

/// Reads an option back. Errors: those of getsockopt(2).
pub fn option(fd: BorrowedFd<'_>, option: IntOption) -> Result<i32> {
    let (level, name) = option.level_and_name()?;
    let mut value = 0i32;
    let mut length = size_of::<i32>() as libc::socklen_t;
    // SAFETY: both pointers are to locals that outlive the call, and `length` is the size of `value`; the
    // descriptor is open for as long as it is borrowed.
    let rc =
        unsafe { libc::getsockopt(fd.as_raw_fd(), level, name, (&raw mut value).cast(), &raw mut length) };
    if rc == 0 { Ok(value) } else { Err(Errno::last()) }
}

/// Has a socket use one network device (`SO_BINDTODEVICE`). Errors: those of setsockopt(2); `ENOPROTOOPT` on other systems than Linux.
pub fn bind_to_device(fd: BorrowedFd<'_>, name: &[u8]) -> Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        Ok(socket2::SockRef::from(&fd).bind_device(Some(name))?)
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = (fd, name);
        Err(Errno(libc::ENOPROTOOPT))
    }
}

/// Bytes written to a stream that the system still holds, since the peer has not taken them. Over a Unix
/// socket the system counts its own overhead as well.
///
/// Errors: those of ioctl(2); `ENOTTY` or `EOPNOTSUPP` where the socket's family does not tell.
pub fn held_bytes(fd: BorrowedFd<'_>) -> Result<u64> {
    let mut held = 0i32;
    // SAFETY: the request writes an `int` to the pointer, which is to a local that outlives the call; the descriptor is
    // open for as long as it is borrowed.
    let rc = unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCOUTQ, &raw mut held) };
    if rc == 0 { Ok(u64::from(held.max(0).unsigned_abs())) } else { Err(Errno::last()) }
}

/// Bytes that have come in a stream and were not read yet.
///
/// Errors: those of ioctl(2); `EINVAL` of a listener.
pub fn waiting_bytes(fd: BorrowedFd<'_>) -> Result<u64> {
    let mut waiting = 0i32;
    // SAFETY: as in `held_bytes`.
    let rc = unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONREAD, &raw mut waiting) };
    if rc == 0 { Ok(u64::from(waiting.max(0).unsigned_abs())) } else { Err(Errno::last()) }
}

/// Accepts one connection of a listener's queue. It is non-blocking and close-on-exec from the start, so that
/// no other thread's fork can leak it. A listener in blocking mode waits.
///
/// Errors: those of accept4(2); `EINTR` only where signals keep coming.
pub fn accept(listener: BorrowedFd<'_>) -> Result<(OwnedFd, SockAddr)> {
    if let Some(errno) = faults::next(Call::Accept) {
        return Err(errno);
    }
    let accept = || {
        // SAFETY: `try_init` hands in storage of the length it has put into `length`, and accept4 writes no more
        // than that length and then the true one.
        unsafe {
            SockAddr::try_init(|storage, length| accept_one(listener.as_raw_fd(), storage.cast(), length))
        }
    };
    Ok(unless_interrupted(MAX_TRIES, accept)?)
}

/// Errors: those of accept4(2).
///
/// # Safety
/// That of accept(2): room for an address of the length at `length`.
#[cfg(not(target_vendor = "apple"))]
unsafe fn accept_one(
    listener: RawFd,
    address: *mut libc::sockaddr,
    length: *mut libc::socklen_t,
) -> std::io::Result<OwnedFd> {
    // SAFETY: as the caller promises.
    let fd = unsafe { libc::accept4(listener, address, length, libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK) };
    // SAFETY: the call has made the descriptor, and nothing else has it.
    unsafe { made(fd) }
}

/// As above, in several calls: another thread's fork may leak it in between. A stream that stays in blocking mode would stop the I/O thread, and is
/// closed. Errors: those of fcntl(2), too.
///
/// # Safety
/// The same.
#[cfg(target_vendor = "apple")]
unsafe fn accept_one(
    listener: RawFd,
    address: *mut libc::sockaddr,
    length: *mut libc::socklen_t,
) -> std::io::Result<OwnedFd> {
    // SAFETY: as the caller promises.
    let fd = unsafe { libc::accept(listener, address, length) };
    // SAFETY: the call has made the descriptor, and nothing else has it.
    let stream = unsafe { made(fd)? };
    for (command, flag) in [(libc::F_SETFD, libc::FD_CLOEXEC), (libc::F_SETFL, libc::O_NONBLOCK)] {
        // SAFETY: no pointers; the descriptor is open.
        if unsafe { libc::fcntl(stream.as_raw_fd(), command, flag) } == -1 {
            return Err(std::io::Error::last_os_error());
        }
    }
    Ok(stream)
}

/// The descriptor that a call has returned. Errors: where it is -1, those of the call.
///
/// # Safety
/// The call was the last one of this thread. A descriptor is the caller's own.
unsafe fn made(fd: RawFd) -> std::io::Result<OwnedFd> {
    if fd == -1 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: as the caller promises.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Whether this kernel supports IPv6 sockets. `true` when in doubt, for example without free descriptors.
pub fn ipv6_supported() -> bool {
    match Socket::new(Domain::IPV6, Type::STREAM, None) {
        Ok(_) => true,
        Err(error) => error.raw_os_error() != Some(libc::EAFNOSUPPORT),
    }
}

/// The IP address in a `sockaddr`; `None` for other families and for null.
///
/// # Safety
/// `address` is null, or points at a `sockaddr` that is as long as its family says.
pub(super) unsafe fn socket_addr(address: *const libc::sockaddr) -> Option<SocketAddr> {
    if address.is_null() {
        return None;
    }
    // SAFETY: not null, and by the caller's word at least a `sockaddr` long.
    match i32::from(unsafe { (*address).sa_family }) {
        libc::AF_INET => {
            // SAFETY: the family says that a `sockaddr_in` lies here; the read does not ask for alignment.
            let v4 = unsafe { address.cast::<libc::sockaddr_in>().read_unaligned() };
            let ip = u32::from_be(v4.sin_addr.s_addr).into();
            Some(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: the family says that a `sockaddr_in6` lies here; the read does not ask for alignment.
            let v6 = unsafe { address.cast::<libc::sockaddr_in6>().read_unaligned() };
            let (ip, port) = (v6.sin6_addr.s6_addr.into(), u16::from_be(v6.sin6_port));
            Some(SocketAddrV6::new(ip, port, v6.sin6_flowinfo, v6.sin6_scope_id).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;

    #[test]
    fn options_are_set_and_read_back() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        for (name, value) in
            [(IntOption::Nodelay, 1), (IntOption::KeepaliveIdle, 77), (IntOption::Priority, 3)]
        {
            set_option(listener.as_fd(), name, value).unwrap();
            assert_eq!(option(listener.as_fd(), name), Ok(value));
        }
        assert_eq!(option(listener.as_fd(), IntOption::AcceptsConnections), Ok(1));
        assert_eq!(set_option(listener.as_fd(), IntOption::TrafficClass, 1), Err(Errno(libc::ENOPROTOOPT)));
    }

    #[test]
    fn bytes_not_taken_by_the_peer_are_held() {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(held_bytes(ours.as_fd()), Ok(0));
        (&ours).write_all(&[7; 1000]).unwrap();
        assert!(held_bytes(ours.as_fd()).unwrap() >= 1000);
        (&theirs).read_exact(&mut [0; 1000]).unwrap();
        assert_eq!(held_bytes(ours.as_fd()), Ok(0));
        let file = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(held_bytes(file.as_fd()), Err(Errno(libc::ENOTTY)));
    }

    #[test]
    fn bytes_not_read_yet_are_waiting() {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(waiting_bytes(ours.as_fd()), Ok(0));
        (&theirs).write_all(&[7; 1000]).unwrap();
        assert_eq!(waiting_bytes(ours.as_fd()), Ok(1000));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(waiting_bytes(listener.as_fd()), Err(Errno::INVAL));
    }

    #[test]
    fn accepted_descriptors_do_not_block_and_know_their_peer() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (fd, peer) = accept(listener.as_fd()).unwrap();
        assert_eq!(peer.as_socket(), Some(client.local_addr().unwrap()));
        let mut buffer = [std::mem::MaybeUninit::uninit()];
        assert_eq!(
            socket2::SockRef::from(&fd).recv(&mut buffer).unwrap_err().raw_os_error(),
            Some(libc::EAGAIN)
        );
    }
}
