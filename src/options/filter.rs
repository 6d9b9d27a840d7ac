//! Which peers may connect: networks for TCP, users, groups and processes for IPC.
//!
//! Sources: zmq_setsockopt(3) on `ZMQ_TCP_ACCEPT_FILTER` and `ZMQ_IPC_FILTER_*`, inet_aton(3).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::row::{self, Empty};
use super::socket_values::SocketOptions;
use super::value;
use crate::errno::{Errno, Result};

/// Longest text of a network.
const NETWORK_TEXT_MAX: usize = 255;
/// Bits before the IPv4 address in an IPv4-mapped IPv6 address.
const MAPPED_PREFIX: u8 = 96;

/// Whether `ZMQ_TCP_ACCEPT_FILTER`, with these networks, accepts a peer. An empty list accepts all peers. An
/// IPv4 peer of an IPv6 listener, whose address comes mapped, counts as an IPv4 peer.
pub fn accepts_tcp_peer(networks: &[(IpAddr, u8)], peer: IpAddr) -> bool {
    networks.is_empty() || networks.iter().any(|&network| contains(network, peer))
}

/// Adds a network; NULL removes all.
pub(super) fn set_tcp_accept(options: &mut SocketOptions, value: Option<&[u8]>) -> Result<()> {
    let text = row::text(value, NETWORK_TEXT_MAX, Empty::ByNull)?;
    if text.is_empty() {
        options.tcp_accept_filters.clear();
    } else {
        let network = network(text.to_str().ok_or(Errno::INVAL)?, options.ipv6)?;
        options.tcp_accept_filters.push(network);
    }
    Ok(())
}

pub(super) fn set_ipc_uid(options: &mut SocketOptions, value: Option<&[u8]>) -> Result<()> {
    value::add_or_clear(&mut options.ipc_uid_accept_filters, value, u32::from_ne_bytes)
}

pub(super) fn set_ipc_gid(options: &mut SocketOptions, value: Option<&[u8]>) -> Result<()> {
    value::add_or_clear(&mut options.ipc_gid_accept_filters, value, u32::from_ne_bytes)
}

pub(super) fn set_ipc_pid(options: &mut SocketOptions, value: Option<&[u8]>) -> Result<()> {
    value::add_or_clear(&mut options.ipc_pid_accept_filters, value, i32::from_ne_bytes)
}

/// Reads `address` or `address/bits`. Without `ipv6` only IPv4 addresses are valid. With it both are, and the
/// bits of an IPv4 address may count from the start of the IPv4-mapped form. Errors: `EINVAL`.
fn network(text: &str, ipv6: bool) -> Result<(IpAddr, u8)> {
    let (address, bits) = match text.rsplit_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let address = self::address(address, ipv6)?;
    let widest = if ipv6 { 128 } else { 32 };
    let bits = bits.map(|bits| prefix(bits, widest)).transpose()?;
    Ok(match (address, bits) {
        (IpAddr::V4(_), None) => (address, 32),
        (IpAddr::V6(_), None) => (address, 128),
        (IpAddr::V4(_), Some(bits)) if bits <= 32 => (address, bits),
        (IpAddr::V4(_), Some(bits)) if bits >= MAPPED_PREFIX => (address, bits - MAPPED_PREFIX),
        (IpAddr::V4(v4), Some(bits)) => (IpAddr::V6(v4.to_ipv6_mapped()), bits),
        (IpAddr::V6(_), Some(bits)) => (address, bits),
    })
}

/// The number of bits, read as `strtol` does. "0" alone means no bits. Otherwise white space and a sign may
/// come before the digits, and any text after them.
fn prefix(text: &str, widest: u8) -> Result<u8> {
    if text == "0" {
        return Ok(0);
    }
    let text = text.trim_start_matches([' ', '\t', '\n', '\u{b}', '\u{c}', '\r']);
    let text = text.strip_prefix('+').unwrap_or(text);
    let digits = text.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    match digits.trim_start_matches('0').parse() {
        Ok(bits) if bits <= widest => Ok(bits),
        _ => Err(Errno::INVAL),
    }
}

/// A numeric address, with or without brackets and a zone. The zone, the name or number of an interface,
/// takes no part in matching. The interface need not exist.
fn address(text: &str, ipv6: bool) -> Result<IpAddr> {
    let text = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let text = match text.rsplit_once('%') {
        Some((address, zone)) if is_zone(zone) => address,
        Some(_) => return Err(Errno::INVAL),
        None => text,
    };
    if let Some(v4) = inet_aton(text) {
        return Ok(IpAddr::V4(v4));
    }
    let v6: Ipv6Addr = text.parse().map_err(|_| Errno::INVAL)?;
    match v6.to_ipv4_mapped() {
        Some(v4) => Ok(IpAddr::V4(v4)),
        None if ipv6 => Ok(IpAddr::V6(v6)),
        None => Err(Errno::INVAL),
    }
}

/// Whether `text` is an interface's name, or its number, which is never 0.
fn is_zone(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        || text.trim_start_matches('0').starts_with(|c: char| c.is_ascii_digit())
}

/// An IPv4 address in any of C's notations: one to four numbers, each decimal, octal (leading 0) or
/// hexadecimal (leading 0x). The last number fills all bytes that are left.
fn inet_aton(text: &str) -> Option<Ipv4Addr> {
    let mut address: u32 = 0;
    let mut free_bits = 32;
    let mut parts = text.split('.').peekable();
    while let Some(part) = parts.next() {
        let number = c_number(part)?;
        if parts.peek().is_none() {
            let fits = free_bits == 32 || u64::from(number) < 1u64 << free_bits;
            return fits.then(|| Ipv4Addr::from(address | number));
        }
        // A fifth number would find no bits free, a number above 255 does not fit.
        if free_bits == 8 || number > 255 {
            return None;
        }
        free_bits -= 8;
        address |= number << free_bits;
    }
    None
}

/// A number as C writes it.
fn c_number(text: &str) -> Option<u32> {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let (digits, radix) = match hex {
        Some(hex) => (hex, 16),
        None if text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    // `from_str_radix` would take a sign.
    if !digits.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(digits, radix).ok()
}

fn contains((network, bits): (IpAddr, u8), peer: IpAddr) -> bool {
    match (network, peer.to_canonical()) {
        (IpAddr::V4(network), IpAddr::V4(peer)) => {
            same_prefix(u32::from(network).into(), u32::from(peer).into(), bits, 32)
        }
        (IpAddr::V4(_), IpAddr::V6(_)) => false,
        (IpAddr::V6(network), IpAddr::V4(peer)) => {
            same_prefix(network.into(), peer.to_ipv6_mapped().into(), bits, 128)
        }
        (IpAddr::V6(network), IpAddr::V6(peer)) => same_prefix(network.into(), peer.into(), bits, 128),
    }
}

/// Whether the first `bits` of two addresses of `width` bits agree.
fn same_prefix(one: u128, other: u128, bits: u8, width: u8) -> bool {
    let ignored = u32::from(width.saturating_sub(bits));
    // With 128 ignored bits nothing is left to differ.
    (one ^ other).checked_shr(ignored).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    fn parsed(text: &str, ipv6: bool) -> Option<String> {
        network(text, ipv6).ok().map(|(address, bits)| format!("{address}/{bits}"))
    }

    /// Measured on libzmq 4.3.4 and 4.3.5. One difference: an IPv4 prefix stays an IPv4 prefix where IPv6 is
    /// on.
    #[test]
    fn networks_are_read_as_c_reads_them() {
        for (text, plain, ipv6) in [
            ("10.0.0.0/8", Some("10.0.0.0/8"), Some("10.0.0.0/8")),
            ("127.0.0.1", Some("127.0.0.1/32"), Some("127.0.0.1/32")),
            ("127.1", Some("127.0.0.1/32"), Some("127.0.0.1/32")),
            ("0x7f000001", Some("127.0.0.1/32"), Some("127.0.0.1/32")),
            ("010.0.0.1", Some("8.0.0.1/32"), Some("8.0.0.1/32")),
            ("4294967295", Some("255.255.255.255/32"), Some("255.255.255.255/32")),
            ("4294967296", None, None),
            ("256.0.0.1", None, None),
            ("1.2.3.256", None, None),
            ("1.2.3.4.5", None, None),
            ("1.2.3.", None, None),
            ("+1.2.3.4", None, None),
            ("", None, None),
            ("/8", None, None),
            ("localhost", None, None),
            ("*", None, None),
            ("10.0.0.0/", None, None),
            ("10.0.0.0/0", Some("10.0.0.0/0"), Some("10.0.0.0/0")),
            ("10.0.0.0/00", None, None),
            ("10.0.0.0/-1", None, None),
            ("10.0.0.0/33", None, Some("::ffff:10.0.0.0/33")),
            ("10.0.0.0/104", None, Some("10.0.0.0/8")),
            ("10.0.0.0/129", None, None),
            ("10.0.0.0/ 8", Some("10.0.0.0/8"), Some("10.0.0.0/8")),
            ("10.0.0.0/8x", Some("10.0.0.0/8"), Some("10.0.0.0/8")),
            ("10.0.0.0/x", None, None),
            ("10.0.0.0/99999999999999999999", None, None),
            ("::1", None, Some("::1/128")),
            ("[::1]", None, Some("::1/128")),
            ("fe80::/10", None, Some("fe80::/10")),
            ("fe80::1%lo", None, Some("fe80::1/128")),
            ("fe80::1%1/64", None, Some("fe80::1/64")),
            ("fe80::1%0", None, None),
            ("fe80::1%", None, None),
            ("::ffff:1.2.3.4", Some("1.2.3.4/32"), Some("1.2.3.4/32")),
        ] {
            assert_eq!(parsed(text, false).as_deref(), plain, "{text} without IPv6");
            assert_eq!(parsed(text, true).as_deref(), ipv6, "{text} with IPv6");
        }
    }

    #[test]
    fn a_peer_is_accepted_by_any_network_that_contains_it() {
        let accepts = |network: &str, peer: &str| {
            let network = self::network(network, true).unwrap();
            contains(network, peer.parse().unwrap())
        };
        assert!(accepts("10.0.0.0/8", "10.255.0.1"));
        assert!(accepts("10.0.0.0/8", "::ffff:10.255.0.1"));
        assert!(!accepts("10.0.0.0/8", "11.0.0.1"));
        assert!(!accepts("10.0.0.0/8", "::1"), "an IPv4 network has no IPv6 members");
        assert!(accepts("10.0.0.0/9", "10.127.0.1") && !accepts("10.0.0.0/9", "10.128.0.1"));
        assert!(accepts("1.2.3.4/0", "99.0.0.1"));
        assert!(accepts("::/0", "2001:db8::1") && accepts("::/0", "1.2.3.4"));
        assert!(accepts("fe80::/10", "fe80::1") && !accepts("fe80::/10", "fec0::1"));
        assert!(accepts("::1", "::1") && !accepts("::1", "::2"));

        let mut options = SocketOptions::new(super::super::SocketType::Pair);
        let peer = IpAddr::from([127, 0, 0, 1]);
        assert!(accepts_tcp_peer(&options.tcp_accept_filters, peer), "an empty list accepts all peers");
        set_tcp_accept(&mut options, Some(b"10.0.0.0/8")).unwrap();
        assert!(!accepts_tcp_peer(&options.tcp_accept_filters, peer));
        set_tcp_accept(&mut options, Some(b"127.0.0.0/8")).unwrap();
        assert!(accepts_tcp_peer(&options.tcp_accept_filters, peer));
        assert_eq!(set_tcp_accept(&mut options, Some(b"")), Err(Errno::INVAL));
        assert_eq!(options.tcp_accept_filters.len(), 2);
        set_tcp_accept(&mut options, None).unwrap();
        assert!(options.tcp_accept_filters.is_empty());
    }

    #[test]
    fn networks_accept_their_members() {
        let admits = |network: &str, bits, peer: &str| {
            accepts_tcp_peer(&[(network.parse().unwrap(), bits)], peer.parse().unwrap())
        };
        assert!(admits("127.0.0.1", 32, "127.0.0.1"));
        assert!(!admits("127.0.0.255", 32, "127.0.0.1"));
        assert!(admits("127.0.0.255", 24, "127.0.0.1"));
        assert!(!admits("127.0.0.128", 25, "127.0.0.1"));
        assert!(admits("0.0.0.0", 0, "9.9.9.9"));
        assert!(admits("127.0.0.0", 8, "::ffff:127.1.2.3"));
        assert!(!admits("127.0.0.0", 8, "::1"));
        assert!(admits("fe80::", 10, "febf::1"));
        assert!(!admits("fe80::", 10, "fec0::1"));
        assert!(admits("::", 0, "::1"));
        assert!(!admits("::1", 128, "::2"));
        assert!(accepts_tcp_peer(&[], "1.2.3.4".parse().unwrap()));
    }

    #[test]
    fn ipc_filters_are_sets() {
        let mut options = SocketOptions::new(super::super::SocketType::Pair);
        set_ipc_uid(&mut options, Some(&1000u32.to_ne_bytes())).unwrap();
        set_ipc_uid(&mut options, Some(&1000u32.to_ne_bytes())).unwrap();
        set_ipc_gid(&mut options, Some(&u32::MAX.to_ne_bytes())).unwrap();
        set_ipc_pid(&mut options, Some(&(-1i32).to_ne_bytes())).unwrap();
        assert_eq!(options.ipc_uid_accept_filters, [1000]);
        assert_eq!(options.ipc_gid_accept_filters, [u32::MAX]);
        assert_eq!(options.ipc_pid_accept_filters, [-1]);
        assert_eq!(set_ipc_uid(&mut options, Some(b"")), Err(Errno::INVAL));
        assert_eq!(set_ipc_uid(&mut options, Some(&[0; 8])), Err(Errno::INVAL));
        set_ipc_uid(&mut options, None).unwrap();
        assert!(options.ipc_uid_accept_filters.is_empty());
    }
}
