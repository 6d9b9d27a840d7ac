//! Addresses of TIPC sockets as the kernel defines them (`linux/tipc.h`); no crate in use here has them.

use socket2::SockAddr;
use std::io;

/// Whether this is a system that may have TIPC. To another one the number of the family means something else.
const IS_HERE: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// `AF_TIPC`.
pub const FAMILY: i32 = 30;

const ADDR_RANGE: u8 = 1;
const ADDR_NAME: u8 = 2;
const ADDR_ID: u8 = 3;
/// `TIPC_ZONE_SCOPE`: the range is visible in the whole zone.
const ZONE_SCOPE: i8 = 1;

/// An address of a TIPC socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TipcAddress {
    /// A socket itself.
    Socket { node: u32, port: u32 },
    /// A service, to connect to, in a domain: a zone, a cluster, a node.
    Service { kind: u32, instance: u32, domain: u32 },
    /// Services from `lower` to `upper`, to bind to.
    Services { kind: u32, lower: u32, upper: u32 },
}

/// `struct sockaddr_tipc`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Raw {
    family: libc::sa_family_t,
    addrtype: u8,
    scope: i8,
    /// Port and node; or kind, instance and domain; or kind, lower and upper.
    numbers: [u32; 3],
}

impl TipcAddress {
    /// The address for bind(2) and connect(2). `None` only for an error of socket2's, which none causes here.
    pub fn to_sock_addr(self) -> Option<SockAddr> {
        if !IS_HERE {
            return None;
        }
        let (addrtype, scope, numbers) = match self {
            TipcAddress::Socket { node, port } => (ADDR_ID, 0, [port, node, 0]),
            TipcAddress::Service { kind, instance, domain } => (ADDR_NAME, 0, [kind, instance, domain]),
            TipcAddress::Services { kind, lower, upper } => (ADDR_RANGE, ZONE_SCOPE, [kind, lower, upper]),
        };
        let raw = Raw { family: FAMILY as libc::sa_family_t, addrtype, scope, numbers };
        // SAFETY: the storage is larger than `Raw` and aligned for every kind of address; the length says how much of it
        // was written, and the family is the address's own.
        let address = unsafe {
            SockAddr::try_init(|storage, length| {
                storage.cast::<Raw>().write(raw);
                *length = size_of::<Raw>() as libc::socklen_t;
                io::Result::Ok(())
            })
        };
        address.ok().map(|((), address)| address)
    }

    /// Reads an address of the kernel; `None` for other families, and for addresses that are too short.
    pub fn of(address: &SockAddr) -> Option<TipcAddress> {
        if !IS_HERE || i32::from(address.family()) != FAMILY || (address.len() as usize) < size_of::<Raw>() {
            return None;
        }
        // SAFETY: the family says that a `sockaddr_tipc` lies there, whose length was checked; the read asks for no
        // alignment, and every pattern of bits is a `Raw`.
        let raw = unsafe { address.as_ptr().cast::<Raw>().read_unaligned() };
        let [first, second, third] = raw.numbers;
        match raw.addrtype {
            ADDR_ID => Some(TipcAddress::Socket { port: first, node: second }),
            ADDR_NAME => Some(TipcAddress::Service { kind: first, instance: second, domain: third }),
            ADDR_RANGE => Some(TipcAddress::Services { kind: first, lower: second, upper: third }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses_come_back() {
        assert_eq!(size_of::<Raw>(), 16);
        for address in [
            TipcAddress::Socket { node: 0x0100_1002, port: 7 },
            TipcAddress::Service { kind: 5560, instance: 1, domain: 2 },
            TipcAddress::Services { kind: 5560, lower: 0, upper: u32::MAX },
        ] {
            assert_eq!(TipcAddress::of(&address.to_sock_addr().unwrap()), Some(address));
        }
        assert_eq!(TipcAddress::of(&"127.0.0.1:5".parse::<std::net::SocketAddr>().unwrap().into()), None);
    }
}
