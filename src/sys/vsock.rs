//! Addresses and sockets of `vsock`, which only Linux has.

use crate::errno::Result;
use socket2::{SockAddr, Socket};

/// The address of a context and a port. Errors: `EAFNOSUPPORT` on other systems.
pub fn address(context: u32, port: u32) -> Result<SockAddr> {
    sys::address(context, port)
}

/// Context and port of an address; `None` for other families.
pub fn of(address: &SockAddr) -> Option<(u32, u32)> {
    sys::of(address)
}

/// A non-blocking stream socket. Errors: those of socket(2); `EAFNOSUPPORT` where the system has no such sockets.
pub fn open() -> Result<Socket> {
    sys::open()
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod sys {
    use crate::errno::Result;
    use socket2::{Domain, SockAddr, Socket, Type};

    pub fn address(context: u32, port: u32) -> Result<SockAddr> {
        Ok(SockAddr::vsock(context, port))
    }

    pub fn of(address: &SockAddr) -> Option<(u32, u32)> {
        address.as_vsock_address()
    }

    pub fn open() -> Result<Socket> {
        Ok(Socket::new(Domain::VSOCK, Type::STREAM.nonblocking(), None)?)
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod sys {
    use crate::errno::{Errno, Result};
    use socket2::{SockAddr, Socket};

    pub fn address(_context: u32, _port: u32) -> Result<SockAddr> {
        Err(Errno(libc::EAFNOSUPPORT))
    }

    pub fn of(_address: &SockAddr) -> Option<(u32, u32)> {
        None
    }

    pub fn open() -> Result<Socket> {
        Err(Errno(libc::EAFNOSUPPORT))
    }
}
