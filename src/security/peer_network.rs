//! Where peers count as one.

use std::net::{IpAddr, Ipv4Addr};

/// An IPv4 address, or the network of an IPv6 address, within which a host may choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerNetwork {
    V4(Ipv4Addr),
    V6([u8; 8]),
}

impl PeerNetwork {
    /// Of an address as the authenticator is told it; `None` where that is no IP address.
    pub fn of(address: &str) -> Option<PeerNetwork> {
        let (address, _zone) = address.split_once('%').unwrap_or((address, ""));
        match address.parse::<IpAddr>().ok()?.to_canonical() {
            IpAddr::V4(address) => Some(PeerNetwork::V4(address)),
            IpAddr::V6(address) => address.octets().first_chunk().map(|network| PeerNetwork::V6(*network)),
        }
    }
}
