//! Applies `SocketOptions` to descriptors.

use crate::errno::{Errno, Result};
use crate::options::SocketOptions;
use crate::sys::net::{IntOption, bind_to_device, set_option, socket};
use socket2::{Domain, Socket, Type};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

/// The options of every TCP connection, accepted or connected.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tuning {
    tos: i32,
    priority: i32,
    keepalive: i32,
    keepalive_cnt: i32,
    keepalive_idle_s: i32,
    keepalive_intvl_s: i32,
    maxrt_ms: i32,
}

impl Tuning {
    pub(super) fn of(options: &SocketOptions) -> Tuning {
        Tuning {
            tos: options.tos,
            priority: options.priority,
            keepalive: options.tcp_keepalive,
            keepalive_cnt: options.tcp_keepalive_cnt,
            keepalive_idle_s: options.tcp_keepalive_idle_s,
            keepalive_intvl_s: options.tcp_keepalive_intvl_s,
            maxrt_ms: options.tcp_maxrt_ms,
        }
    }

    /// For an established connection. Errors: those of setsockopt(2), for example where the connection is
    /// down again.
    pub(super) fn connected(self, fd: BorrowedFd<'_>) -> Result<()> {
        // The session batches by itself, so Nagle's algorithm could only delay.
        set_option(fd, IntOption::Nodelay, 1)?;
        if self.keepalive != -1 {
            set_option(fd, IntOption::Keepalive, self.keepalive)?;
            let details = [
                (IntOption::KeepaliveCount, self.keepalive_cnt),
                (IntOption::KeepaliveIdle, self.keepalive_idle_s),
                (IntOption::KeepaliveInterval, self.keepalive_intvl_s),
            ];
            for (option, value) in details.into_iter().filter(|(_, value)| *value != -1) {
                set_option(fd, option, value)?;
            }
        }
        // Only now: set earlier it would shorten the wait for the connection itself, which has an option of
        // its own.
        if self.maxrt_ms > 0 {
            set_option(fd, IntOption::UserTimeout, self.maxrt_ms)?;
        }
        Ok(())
    }

    /// Sets type of service and priority of the packets. Errors: `EPERM` for priorities that need a
    /// privilege.
    pub(super) fn marked(self, fd: BorrowedFd<'_>) -> Result<()> {
        if self.tos != 0 {
            set_option(fd, IntOption::TypeOfService, self.tos)?;
            match set_option(fd, IntOption::TrafficClass, self.tos) {
                // The socket is IPv4, which has no traffic class.
                Err(Errno(libc::ENOPROTOOPT)) | Err(Errno::INVAL) | Ok(()) => {}
                Err(error) => return Err(error),
            }
        }
        if self.priority != 0 {
            set_option(fd, IntOption::Priority, self.priority)?;
        }
        Ok(())
    }
}

/// A socket of `kind` (TCP, UDP) for the address's family, non-blocking and close-on-exec. It has all options
/// that must be set before bind(2), listen(2) or connect(2); accepted sockets inherit them from their
/// listener.
///
/// Errors: those of socket(2); `EPERM` or `ENODEV` for devices and priorities that are not available. Buffer
/// sizes and busy polling are hints: a kernel that refuses them causes no error.
pub(super) fn open(address: &SocketAddr, kind: Type, options: &SocketOptions) -> Result<Socket> {
    let socket = socket(Domain::for_address(*address), kind)?;
    let fd = socket.as_fd();
    if address.is_ipv6() {
        // IPv4 peers connect through the same socket, against any default of the system.
        set_option(fd, IntOption::V6Only, 0)?;
    }
    Tuning::of(options).marked(fd)?;
    if !options.bindtodevice.is_empty() {
        bind_to_device(fd, options.bindtodevice.as_bytes())?;
    }
    let wishes = [
        (IntOption::SendBuffer, options.sndbuf, options.sndbuf >= 0),
        (IntOption::ReceiveBuffer, options.rcvbuf, options.rcvbuf >= 0),
        (IntOption::BusyPoll, options.busy_poll, options.busy_poll > 0),
    ];
    for (option, value, _) in wishes.into_iter().filter(|(_, _, wanted)| *wanted) {
        let _ = set_option(fd, option, value);
    }
    Ok(socket)
}
