//! A host is a host name, or a literal address with or without brackets and zone. Where binding, it may also be `*` or the name
//! of one of this host's interfaces. A port is a number; `*` and `0` let the system choose one (where binding). Service names are
//! not supported.

use crate::errno::{Errno, Result};
use crate::options::SocketOptions;
use crate::sys::{interface, net, net_resolve};
use net_resolve::Query;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// The forms that a name may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// The name is for bind(2): wildcards and interface names are allowed.
    pub bindable: bool,
    /// Host names may be looked up, which may block.
    pub dns: bool,
    pub ipv6: bool,
}

/// Whether `ZMQ_IPV6` is set and the kernel supports it. Without support the option silently means IPv4.
pub(super) fn effective_ipv6(options: &SocketOptions) -> bool {
    options.ipv6 && net::ipv6_supported()
}

/// The address to bind to. A source address before a `;` is checked and then ignored, as libzmq does.
/// Errors: `EINVAL`, `ENODEV`, `ENOMEM`.
pub(super) fn resolve_local(name: &str, ipv6: bool) -> Result<SocketAddr> {
    let name = match name.rsplit_once(';') {
        Some((source, name)) => {
            resolve_source(source, ipv6)?;
            name
        }
        None => name,
    };
    first(resolve(name, Rules { bindable: true, dns: true, ipv6 })?)
}

/// The local address to connect from; never blocks. Errors: `EINVAL`, `ENODEV`, `ENOMEM`.
pub(super) fn resolve_source(name: &str, ipv6: bool) -> Result<SocketAddr> {
    first(resolve(name, Rules { bindable: true, dns: false, ipv6 })?)
}

/// The address of an interface, given without a port: `*`, its name, or the address itself. Errors: `EINVAL`,
/// `ENODEV`, `ENOMEM`.
pub(super) fn resolve_interface(name: &str, ipv6: bool) -> Result<SocketAddr> {
    first(Parts::of_host(name, 0)?.resolve(Rules { bindable: true, dns: false, ipv6 })?)
}

/// The addresses to connect to. Errors: `EINVAL`, `ENOMEM`.
pub(super) fn resolve_remote(name: &str, ipv6: bool) -> Result<Vec<SocketAddr>> {
    let name = name.rsplit_once(';').map_or(name, |(_, name)| name);
    resolve(name, Rules { bindable: false, dns: true, ipv6 })
}

/// As [`resolve_remote`], without blocking; `None` if a name server is needed.
pub(super) fn resolve_literal(name: &str, ipv6: bool) -> Option<Result<Vec<SocketAddr>>> {
    let name = name.rsplit_once(';').map_or(name, |(_, name)| name);
    let rules = Rules { bindable: false, dns: false, ipv6 };
    let parts = match Parts::of(name, rules.bindable) {
        Ok(parts) => parts,
        Err(error) => return Some(Err(error)),
    };
    match parts.resolve(rules) {
        // A literal address of the other family is an error at once: a name server could not help.
        Err(Errno::INVAL) if parts.host.parse::<std::net::IpAddr>().is_err() => None,
        answer => Some(answer),
    }
}

/// All addresses of a name, at least one. Errors: `EINVAL` for bad syntax; for hosts that are not found
/// `ENODEV` where binding, otherwise `EINVAL`; `ENOMEM`.
pub(super) fn resolve(name: &str, rules: Rules) -> Result<Vec<SocketAddr>> {
    Parts::of(name, rules.bindable)?.resolve(rules)
}

/// A name split into its parts.
struct Parts<'a> {
    host: &'a str,
    port: u16,
    /// Interface number; 0 if none is given.
    zone: u32,
}

impl<'a> Parts<'a> {
    fn of(name: &'a str, bindable: bool) -> Result<Parts<'a>> {
        // The last colon, because IPv6 addresses contain colons.
        let (host, port) = name.rsplit_once(':').ok_or(Errno::INVAL)?;
        Parts::of_host(host, parse_port(port, bindable)?)
    }

    fn of_host(host: &'a str, port: u16) -> Result<Parts<'a>> {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let (host, zone) = match bare.unwrap_or(host).rsplit_once('%') {
            Some((host, zone)) => (host, parse_zone(zone)?),
            None => (bare.unwrap_or(host), 0),
        };
        Ok(Parts { host, port, zone })
    }

    fn resolve(&self, rules: Rules) -> Result<Vec<SocketAddr>> {
        let mut addresses = self.hosts(rules)?;
        for address in &mut addresses {
            address.set_port(self.port);
            if let SocketAddr::V6(v6) = address
                && self.zone != 0
            {
                v6.set_scope_id(self.zone);
            }
        }
        Ok(addresses)
    }

    fn hosts(&self, rules: Rules) -> Result<Vec<SocketAddr>> {
        if rules.bindable {
            if self.host == "*" {
                return Ok(vec![any(rules.ipv6)]);
            }
            // Literals first: listing interfaces may end the process, in glibc, where another thread closes
            // its netlink socket. If the system cannot list its interfaces, none has this name.
            let literal = Query { ipv6: rules.ipv6, numeric: true };
            if let Ok(addresses) = net_resolve::lookup(self.host, literal) {
                return Ok(addresses);
            }
            if let Ok(Some(address)) = interface::address_of(self.host, rules.ipv6) {
                return Ok(vec![address]);
            }
        }
        let query = Query { ipv6: rules.ipv6, numeric: !rules.dns };
        net_resolve::lookup(self.host, query).map_err(|error| match error {
            Errno::INVAL if rules.bindable => Errno::NODEV,
            error => error,
        })
    }
}

/// Reads the digits that a port starts with. Text behind them is ignored, as in libzmq, where `tcp://*:5555/`
/// works. A number beyond 65535 is refused rather than wrapped around.
pub(super) fn parse_port(text: &str, bindable: bool) -> Result<u16> {
    match text {
        "*" if bindable => Ok(0),
        "0" => Ok(0),
        _ => {
            let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            let port = text.get(..digits).unwrap_or_default().parse().unwrap_or(0);
            if port == 0 { Err(Errno::INVAL) } else { Ok(port) }
        }
    }
}

/// The number of the interface that a zone gives by name or number.
fn parse_zone(zone: &str) -> Result<u32> {
    let index = match zone.bytes().next() {
        Some(first) if first.is_ascii_alphabetic() => interface::index_of(zone),
        _ => zone.parse().ok().filter(|index| *index != 0),
    };
    index.ok_or(Errno::INVAL)
}

/// The wildcard address.
pub(super) fn any(ipv6: bool) -> SocketAddr {
    match ipv6 {
        true => (Ipv6Addr::UNSPECIFIED, 0).into(),
        false => (Ipv4Addr::UNSPECIFIED, 0).into(),
    }
}

fn first(addresses: Vec<SocketAddr>) -> Result<SocketAddr> {
    addresses.into_iter().next().ok_or(Errno::INVAL)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn bound(name: &str, ipv6: bool) -> std::result::Result<String, Errno> {
        resolve_local(name, ipv6).map(|address| address.to_string())
    }

    fn remote(name: &str, ipv6: bool) -> std::result::Result<String, Errno> {
        let answer = resolve_literal(name, ipv6).expect("an answer without a name server")?;
        Ok(answer.first().unwrap().to_string())
    }

    #[test]
    fn wildcards_are_for_binding_only() {
        for port in ["*", "0"] {
            assert_eq!(bound(&format!("*:{port}"), false).unwrap(), "0.0.0.0:0");
            assert_eq!(bound(&format!("*:{port}"), true).unwrap(), "[::]:0");
        }
        assert_eq!(bound("127.0.0.1:*", false).unwrap(), "127.0.0.1:0");
        assert_eq!(remote("127.0.0.1:*", false), Err(Errno::INVAL));
        assert_eq!(remote("127.0.0.1:0", false).unwrap(), "127.0.0.1:0");
        assert!(resolve_literal("*:80", false).is_none_or(|answer| answer.is_err()));
    }

    #[test]
    fn ports_are_numbers_up_to_65535() {
        assert_eq!(bound("127.0.0.1:65535", false).unwrap(), "127.0.0.1:65535");
        assert_eq!(bound("127.0.0.1:5555/", false).unwrap(), "127.0.0.1:5555");
        for port in ["", "65536", "70000", "99999999999", "http", "!", "00", "-1", " 80"] {
            assert_eq!(bound(&format!("127.0.0.1:{port}"), false), Err(Errno::INVAL), "{port:?}");
        }
        assert_eq!(bound("127.0.0.1", false), Err(Errno::INVAL));
    }

    #[test]
    fn hosts_are_literals_interfaces_or_names() {
        assert_eq!(bound("lo:7", false).unwrap(), "127.0.0.1:7");
        assert_eq!(bound("localhost:7", false).unwrap(), "127.0.0.1:7");
        assert_eq!(bound(":7", false), Err(Errno::NODEV));
        assert_eq!(resolve_source("localhost:7", false), Err(Errno::NODEV));
        assert_eq!(resolve_source("lo:7", false).unwrap().to_string(), "127.0.0.1:7");
        assert!(resolve_literal("localhost:7", false).is_none());
        assert!(resolve_literal("lo:7", false).is_none());
    }

    #[test]
    fn the_family_is_the_options() {
        assert_eq!(remote("127.0.0.1:7", true).unwrap(), "[::ffff:127.0.0.1]:7");
        assert_eq!(remote("[::1]:7", true).unwrap(), "[::1]:7");
        assert_eq!(remote("::1:7", true).unwrap(), "[::1]:7");
        assert_eq!(remote("[::1]:7", false), Err(Errno::INVAL));
        assert_eq!(bound("[::1]:7", false), Err(Errno::NODEV));
        assert_eq!(remote("[127.0.0.1]:7", false).unwrap(), "127.0.0.1:7");
    }

    #[test]
    fn zones_are_interfaces_by_name_or_number() {
        let index = interface::index_of("lo").unwrap();
        let expected = format!("[fe80::1%{index}]:7");
        assert_eq!(remote("[fe80::1%lo]:7", true).unwrap(), expected);
        assert_eq!(remote(&format!("fe80::1%{index}:7"), true).unwrap(), expected);
        assert_eq!(remote("127.0.0.1%lo:7", false).unwrap(), "127.0.0.1:7");
        for zone in ["", "nosuchif", "0", "-1", "99999999999"] {
            assert_eq!(remote(&format!("[fe80::1%{zone}]:7"), true), Err(Errno::INVAL), "{zone:?}");
        }
    }

    #[test]
    fn a_source_address_is_apart_from_the_destination() {
        assert_eq!(remote("lo:0;127.0.0.1:7", false).unwrap(), "127.0.0.1:7");
        assert_eq!(bound("127.0.0.1:0;lo:7", false).unwrap(), "127.0.0.1:7");
        assert_eq!(bound("nosuchif:0;lo:7", false), Err(Errno::NODEV));
    }
}
