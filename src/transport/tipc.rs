//! `tipc://`: services and sockets of a TIPC cluster. `{type,lower,upper}` is a range of services to bind to.
//! `{type,instance}`, with or without `@zone.cluster.node`, is a service to connect to.
//! `<zone.cluster.node:port>` is a socket to connect to, and `<*>` a socket to bind under a name of the
//! system's choice. Source: zmq_tipc(7).

use super::connect::{ConnectPlan, Target};
use super::listener::{Gate, Listener};
use super::{Scheme, endpoint};
use crate::errno::{Errno, Result};
use crate::options::SocketOptions;
use crate::sys::net;
use crate::sys::tipc::{FAMILY, TipcAddress};
use socket2::{Domain, SockAddr, Type};

/// Lowest type for applications; TIPC reserves those below.
const FIRST_SERVICE_TYPE: u32 = 64;

/// See [`super::bind`].
pub(super) fn bind(name: &str, options: &SocketOptions) -> Result<Listener> {
    let address = match parse(name)? {
        Name::Any => None,
        Name::Address(TipcAddress::Socket { .. }) => return Err(Errno::INVAL),
        Name::Address(address) => Some(sock_addr(address)?),
    };
    let socket = net::socket(Domain::from(FAMILY), Type::STREAM)?;
    if let Some(address) = address {
        socket.bind(&address)?;
    }
    socket.listen(options.backlog)?;
    Listener::own(Scheme::Tipc, socket.into(), Gate::Open, options, None)
}

/// See `transport::connect`.
pub(super) fn connect(name: &str, _options: &SocketOptions) -> Result<ConnectPlan> {
    let Name::Address(address) = parse(name)? else { return Err(Errno::INVAL) };
    let address = sock_addr(address)?;
    let uri = endpoint::uri(Scheme::Tipc, &address);
    Ok(ConnectPlan::new(Scheme::Tipc, uri, Target::Fixed(address)))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    /// `<*>`
    Any,
    Address(TipcAddress),
}

/// Errors: `EINVAL`. Text behind a complete name is ignored unless it is a domain, as in libzmq.
fn parse(name: &str) -> Result<Name> {
    if name.starts_with("<*>") {
        return Ok(Name::Any);
    }
    let domain = match name.split_once('@') {
        Some((_, domain)) => domain_number(domain)?,
        None => node_number([1, 0, 0]),
    };
    if let Some(socket) = name.strip_prefix('<') {
        let (numbers, port) = dotted(socket).ok_or(Errno::INVAL)?;
        let (port, _) = port.strip_prefix(':').and_then(leading_number).ok_or(Errno::INVAL)?;
        return Ok(Name::Address(TipcAddress::Socket { node: node_number(numbers), port }));
    }
    let service = name.strip_prefix('{').ok_or(Errno::INVAL)?;
    let (kind, rest) = leading_number(service).ok_or(Errno::INVAL)?;
    let (lower, rest) = rest.strip_prefix(',').and_then(leading_number).ok_or(Errno::INVAL)?;
    match rest.strip_prefix(',').and_then(leading_number) {
        Some((upper, _)) if kind >= FIRST_SERVICE_TYPE && upper >= lower => {
            Ok(Name::Address(TipcAddress::Services { kind, lower, upper }))
        }
        None if kind > FIRST_SERVICE_TYPE => {
            Ok(Name::Address(TipcAddress::Service { kind, instance: lower, domain }))
        }
        _ => Err(Errno::INVAL),
    }
}

/// `zone.cluster.node`, with no text behind it.
fn domain_number(text: &str) -> Result<u32> {
    match dotted(text) {
        Some((numbers, "")) => Ok(node_number(numbers)),
        _ => Err(Errno::INVAL),
    }
}

/// Three numbers with dots between them, and the text behind.
fn dotted(text: &str) -> Option<([u32; 3], &str)> {
    let (zone, rest) = leading_number(text)?;
    let (cluster, rest) = rest.strip_prefix('.').and_then(leading_number)?;
    let (node, rest) = rest.strip_prefix('.').and_then(leading_number)?;
    Some(([zone, cluster, node], rest))
}

/// Zone, cluster and node in one number, as the kernel encodes them; higher bits are cut off.
fn node_number([zone, cluster, node]: [u32; 3]) -> u32 {
    (zone << 24) | ((cluster & 0xfff) << 12) | (node & 0xfff)
}

/// The number that a text begins with, after blanks, and the text behind; `None` also if it is too large.
fn leading_number(text: &str) -> Option<(u32, &str)> {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, rest))
}

fn sock_addr(address: TipcAddress) -> Result<SockAddr> {
    address.to_sock_addr().ok_or(Errno::INVAL)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::options::SocketType;

    fn address(name: &str) -> TipcAddress {
        match parse(name) {
            Ok(Name::Address(address)) => address,
            other => panic!("{name}: {other:?}"),
        }
    }

    #[test]
    fn names_are_services_ranges_and_sockets() {
        assert_eq!(parse("<*>"), Ok(Name::Any));
        assert_eq!(address("{5560,0,7}"), TipcAddress::Services { kind: 5560, lower: 0, upper: 7 });
        assert_eq!(address("{5560, 0, 7}"), TipcAddress::Services { kind: 5560, lower: 0, upper: 7 });
        assert_eq!(address("{5560,3}"), TipcAddress::Service { kind: 5560, instance: 3, domain: 1 << 24 });
        assert_eq!(address("{5560,3}@0.0.0"), TipcAddress::Service { kind: 5560, instance: 3, domain: 0 });
        assert_eq!(
            address("{5560,3}@1.2.3"),
            TipcAddress::Service { kind: 5560, instance: 3, domain: 0x0100_2003 }
        );
        assert_eq!(address("<1.2.3:77>"), TipcAddress::Socket { node: 0x0100_2003, port: 77 });
    }

    #[test]
    fn other_names_are_errors() {
        for name in [
            "",
            "*",
            "{",
            "{}",
            "{5560}",
            "{5560,}",
            "{5560,9,7}",
            "{63,0,7}",
            "{64,0}",
            "{5560,0}@1.2",
            "<>",
            "{5560,0}@1.2.3.4",
            "{5560,0}@",
            "{4294967296,0}",
            "<1.2.3>",
            "<1.2:3>",
            "<1.2.3:x>",
            "5560,0",
        ] {
            assert_eq!(parse(name), Err(Errno::INVAL), "{name}");
        }
    }

    #[test]
    fn names_are_written_as_libzmq_writes_them() {
        let shown = |name: &str| endpoint::uri(Scheme::Tipc, &sock_addr(address(name)).unwrap());
        assert_eq!(shown("{5560,0,7}"), "tipc://{5560, 0, 7}");
        assert_eq!(shown("{5560,3}@0.0.0"), "tipc://{5560, 3, 0}");
        assert_eq!(shown("<1.2.3:77>"), "tipc://<1.2.3:77>");
    }

    #[test]
    fn sockets_are_not_bound_by_name_nor_connected_without_one() {
        let options = SocketOptions::new(SocketType::Pair);
        assert_eq!(bind("<1.2.3:77>", &options).map(drop), Err(Errno::INVAL));
        assert_eq!(connect("<*>", &options).map(drop), Err(Errno::INVAL));
        assert_eq!(connect("<1.2.3:77>", &options).unwrap().endpoint(), "tipc://<1.2.3:77>");
        // The error of a kernel without TIPC.
        match bind("<*>", &options) {
            Ok(listener) => assert!(listener.last_endpoint().starts_with("tipc://<")),
            Err(errno) => assert_eq!(errno, Errno(libc::EAFNOSUPPORT)),
        }
    }
}
