//! getaddrinfo(3).

use crate::errno::{Errno, Result};
use std::ffi::CString;
use std::net::SocketAddr;
use std::ptr;

/// A query to the resolver.
#[derive(Clone, Copy, Debug)]
pub struct Query {
    /// IPv6 addresses; where there are none, IPv4 ones mapped into them. Otherwise IPv4 addresses.
    pub ipv6: bool,
    /// Literal addresses only: the call returns at once and asks no name server.
    pub numeric: bool,
}

/// The addresses of `host`, in the resolver's order, without ports, each once. Unless `numeric` is set, it
/// may block while name servers are asked.
///
/// Errors: `ENOMEM`; `EINVAL` for all others, as the resolver's own codes have no errno.
pub fn lookup(host: &str, query: Query) -> Result<Vec<SocketAddr>> {
    let host = CString::new(host).map_err(|_| Errno::INVAL)?;
    let mut flags = 0;
    if query.numeric {
        flags |= libc::AI_NUMERICHOST;
    }
    if query.ipv6 {
        flags |= libc::AI_V4MAPPED;
    }
    let hints = libc::addrinfo {
        ai_flags: flags,
        ai_family: if query.ipv6 { libc::AF_INET6 } else { libc::AF_INET },
        // Without it, every address comes once per socket type.
        ai_socktype: libc::SOCK_STREAM,
        ai_protocol: 0,
        ai_addrlen: 0,
        ai_addr: ptr::null_mut(),
        ai_canonname: ptr::null_mut(),
        ai_next: ptr::null_mut(),
    };
    let mut list = List(ptr::null_mut());
    // SAFETY: `host` is a C string, `hints` has null where the manual page wants null, and `list.0` receives the
    // list; all three outlive the call.
    let rc = unsafe { libc::getaddrinfo(host.as_ptr(), ptr::null(), &raw const hints, &raw mut list.0) };
    match rc {
        0 => {}
        libc::EAI_MEMORY => return Err(Errno::NOMEM),
        _ => return Err(Errno::INVAL),
    }
    let addresses = list.addresses();
    if addresses.is_empty() { Err(Errno::INVAL) } else { Ok(addresses) }
}

/// The list of getaddrinfo(3), or null.
struct List(*mut libc::addrinfo);

impl List {
    fn addresses(&self) -> Vec<SocketAddr> {
        let mut addresses = Vec::new();
        let mut next = self.0;
        while !next.is_null() {
            // SAFETY: not null, so an entry of the list that getaddrinfo made and that lives as long as `self`.
            let entry = unsafe { &*next };
            // SAFETY: the resolver fills addresses in as their family wants.
            if let Some(address) = unsafe { super::net::socket_addr(entry.ai_addr) }
                && !addresses.contains(&address)
            {
                addresses.push(address);
            }
            next = entry.ai_next;
        }
        addresses
    }
}

impl Drop for List {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: getaddrinfo made the list, and it is freed only here.
            unsafe { libc::freeaddrinfo(self.0) };
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn one(host: &str, ipv6: bool) -> Result<String> {
        lookup(host, Query { ipv6, numeric: true }).map(|all| all.first().unwrap().ip().to_string())
    }

    #[test]
    fn literals_answer_in_the_family_asked_for() {
        assert_eq!(one("127.0.0.1", false).unwrap(), "127.0.0.1");
        assert_eq!(one("127.1", false).unwrap(), "127.0.0.1");
        assert_eq!(one("::1", true).unwrap(), "::1");
        assert_eq!(one("127.0.0.1", true).unwrap(), "::ffff:127.0.0.1");
        assert_eq!(one("::1", false), Err(Errno::INVAL));
    }

    #[test]
    fn names_and_nonsense_are_no_literals() {
        for host in ["localhost", "", "1.2.3.256", "a\0b", "[::1]"] {
            assert_eq!(one(host, false), Err(Errno::INVAL), "{host:?}");
        }
    }
}
