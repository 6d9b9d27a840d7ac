//! Endpoints as text, as `ZMQ_LAST_ENDPOINT`, monitor events and message properties show them.

use super::{Scheme, ip};
use crate::options::SocketOptions;
use crate::sys::tipc::TipcAddress;
use crate::sys::{credentials, interface, vsock};
use socket2::{SockAddr, SockRef};
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;

/// The endpoints of a connected descriptor, this side's and the peer's. A side without a name (a client's
/// local socket) is `ipc://`. A side that the kernel no longer knows is empty.
pub fn endpoints_of(scheme: Scheme, fd: BorrowedFd<'_>) -> (String, String) {
    let socket = SockRef::from(&fd);
    let name = |address: std::io::Result<SockAddr>| address.map(|a| uri(scheme, &a)).unwrap_or_default();
    (name(socket.local_addr()), name(socket.peer_addr()))
}

/// The peer of a connected descriptor, as the property `Peer-Address` and ZAP requests show it. It is an IP
/// address without a port, or, for a local socket, `localhost:uid:gid:pid`. Empty when the kernel no longer
/// knows it.
pub fn peer_address(fd: BorrowedFd<'_>) -> String {
    match SockRef::from(&fd).peer_addr() {
        Ok(address) => address_text(fd, &address),
        Err(_) => String::new(),
    }
}

/// Other names under which an endpoint may have been recorded, for one not found as written; most likely name
/// first. For example, `tcp://[::ffff:127.0.0.1]:9` and `tcp://127.0.0.1:9` are the same, and so is
/// `tcp://lo:9` once bound. Each name is resolved only when the iterator reaches it; host names block while a
/// name server is asked.
pub fn other_names<'a>(
    scheme: Scheme,
    address: &'a str,
    options: &'a SocketOptions,
) -> impl Iterator<Item = String> + use<'a> {
    let name = move |bindable: bool| {
        let ipv6 = ip::effective_ipv6(options);
        let address = match bindable {
            true => ip::resolve_local(address, ipv6).ok(),
            false => ip::resolve_remote(address, ipv6).ok()?.into_iter().next(),
        };
        Some(uri(scheme, &address?.into()))
    };
    // A name that cannot be connected to is not resolved as a bound one either: unbinding `tcp://*:9` is
    // ENOENT in libzmq, bound or not.
    [false, true]
        .into_iter()
        .take(if matches!(scheme, Scheme::Tcp | Scheme::Tls) { 2 } else { 0 })
        .map_while(name)
}

/// An address of a scheme as an endpoint; empty if the address is of another family.
pub(super) fn uri(scheme: Scheme, address: &SockAddr) -> String {
    let name = scheme.name();
    match scheme {
        Scheme::Ipc => match unix_name(address) {
            Some(path) => format!("{name}://{path}"),
            None => String::new(),
        },
        Scheme::Tipc => match TipcAddress::of(address) {
            Some(address) => format!("{name}://{}", tipc_text(address)),
            None => String::new(),
        },
        Scheme::Vsock => match vsock::of(address) {
            Some(address) => format!("{name}://{}", vsock_text(address)),
            None => String::new(),
        },
        _ => match address.as_socket() {
            Some(SocketAddr::V4(v4)) => format!("{name}://{v4}"),
            Some(v6) => format!("{name}://[{}]:{}", host_text(&v6), v6.port()),
            None => String::new(),
        },
    }
}

/// The text of [`peer_address`] for an address that is already known.
pub(super) fn address_text(fd: BorrowedFd<'_>, address: &SockAddr) -> String {
    if let Some(ip) = address.as_socket() {
        return host_text(&ip);
    }
    if !address.is_unix() {
        return String::new();
    }
    // `localhost` is what getnameinfo(3) returns for a local socket, so programs expect it.
    match credentials::peer(fd) {
        Ok(ids) => format!("localhost:{}:{}:{}", ids.uid, ids.gid, ids.pid),
        Err(_) => String::from("localhost"),
    }
}

/// The user whose process is at the other end of a local socket, by its [`peer_address`]; `None` of other transports, and where the
/// kernel does not know.
pub fn local_user(peer_address: &str) -> Option<u32> {
    peer_address.strip_prefix("localhost:")?.split(':').next()?.parse().ok()
}

/// A TIPC address: a service's domain in the place of a range's upper end, as libzmq does.
fn tipc_text(address: TipcAddress) -> String {
    match address {
        TipcAddress::Socket { node, port } => {
            format!("<{}.{}.{}:{port}>", node >> 24, (node >> 12) & 0xfff, node & 0xfff)
        }
        TipcAddress::Service { kind, instance, domain } => format!("{{{kind}, {instance}, {domain}}}"),
        TipcAddress::Services { kind, lower, upper } => format!("{{{kind}, {lower}, {upper}}}"),
    }
}

/// An address as endpoints show it.
fn vsock_text((context, port): (u32, u32)) -> String {
    let shown = |number: u32| if number == u32::MAX { String::from("*") } else { number.to_string() };
    format!("{}:{}", shown(context), shown(port))
}

/// The host of an address as getnameinfo(3) writes it: with the zone where there is one. The zone of a link
/// is written by name.
pub(super) fn host_text(address: &SocketAddr) -> String {
    match address {
        SocketAddr::V4(v4) => v4.ip().to_string(),
        SocketAddr::V6(v6) if v6.scope_id() == 0 => v6.ip().to_string(),
        SocketAddr::V6(v6) => {
            let octets = v6.ip().octets();
            let multicast_on_link = matches!(octets, [0xff, scope, ..] if scope & 0x0f == 2);
            let of_link = v6.ip().is_unicast_link_local() || multicast_on_link;
            let zone = if of_link { interface::name_of(v6.scope_id()) } else { None };
            format!("{}%{}", v6.ip(), zone.unwrap_or_else(|| v6.scope_id().to_string()))
        }
    }
}

/// A local socket's path, or `@` and its abstract name up to the first NUL; empty if it has no name.
fn unix_name(address: &SockAddr) -> Option<String> {
    if let Some(path) = address.as_pathname() {
        return Some(path.to_string_lossy().into_owned());
    }
    if let Some(name) = address.as_abstract_namespace() {
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        return Some(format!("@{}", String::from_utf8_lossy(name)));
    }
    address.is_unix().then(String::new)
}
