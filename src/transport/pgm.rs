//! `pgm://` and `epgm://`: reliable multicast through the system's OpenPGM, bare or in UDP. An address is
//! `interface;group:port`. Publishers send to the group, subscribers join it, and binding is the same as
//! connecting. Source: zmq_pgm(7).

use super::{Role, Scheme, Unconnected};
use crate::errno::{Errno, Result};
use crate::options::{SocketOptions, SocketType};
use crate::sys::pgm::{PgmSocket, Settings};

/// A multicast socket, open and working.
pub struct Multicast {
    pub socket: PgmSocket,
    pub receives: bool,
    endpoint: String,
}

impl Multicast {
    /// The endpoint as `ZMQ_LAST_ENDPOINT` shows it: as given.
    pub fn last_endpoint(&self) -> &str {
        &self.endpoint
    }
}

/// See [`super::datagrams`].
pub(super) fn open_bare(address: &str, _role: Role, options: &SocketOptions) -> Result<Unconnected> {
    open(Scheme::Pgm, address, options)
}

/// See [`super::datagrams`].
pub(super) fn open_in_udp(address: &str, _role: Role, options: &SocketOptions) -> Result<Unconnected> {
    open(Scheme::Epgm, address, options)
}

/// Errors: `EINVAL`, as OpenPGM's own errors tell little more.
fn open(scheme: Scheme, address: &str, options: &SocketOptions) -> Result<Unconnected> {
    let (network, port) = parse(address)?;
    let receives = matches!(options.socket_type, SocketType::Sub | SocketType::Xsub);
    let settings = Settings {
        in_udp: scheme == Scheme::Epgm,
        receives,
        max_tpdu: options.multicast_maxtpdu,
        sndbuf: options.sndbuf,
        rcvbuf: options.rcvbuf,
        rate_kbit: options.rate_kbit,
        recovery_ivl_ms: options.recovery_ivl_ms,
        hops: options.multicast_hops,
    };
    let socket = PgmSocket::open(network, port, &settings)?;
    let endpoint = format!("{}://{address}", scheme.name());
    Ok(Unconnected::Multicast(Multicast { socket, receives, endpoint }))
}

/// Interface and group, and the port. Errors: `EINVAL`.
fn parse(address: &str) -> Result<(&str, u16)> {
    /// Bytes of a network that libzmq keeps.
    const MAX_NETWORK_BYTES: usize = 254;
    let (network, port) = address.rsplit_once(':').ok_or(Errno::INVAL)?;
    let digits = port.find(|c: char| !c.is_ascii_digit()).unwrap_or(port.len());
    let port = port.get(..digits).unwrap_or_default().parse().unwrap_or(0);
    if port == 0 || network.len() > MAX_NETWORK_BYTES { Err(Errno::INVAL) } else { Ok((network, port)) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn addresses_are_networks_and_ports() {
        assert_eq!(parse("eth0;239.192.0.1:7500"), Ok(("eth0;239.192.0.1", 7500)));
        assert_eq!(parse(";[fe80::1%en0]:7500"), Ok((";[fe80::1%en0]", 7500)));
        for address in ["", "eth0;239.192.0.1", "239.192.0.1:0", "239.192.0.1:", "239.192.0.1:x", "a:70000"] {
            assert_eq!(parse(address), Err(Errno::INVAL), "{address}");
        }
        assert_eq!(parse(&format!("{}:5", "a".repeat(255))), Err(Errno::INVAL));
    }
}
