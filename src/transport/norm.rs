//! `norm://`: reliable multicast through the system's NORM library. An address is
//! `node,interface;group:port`; node and interface may be left out. Publishers send to the group, subscribers
//! join it, and binding is the same as connecting. The group may also be one receiver's address. Source:
//! libzmq, whose manual has no page on it.

use super::{Role, Scheme, Unconnected};
use crate::errno::{Errno, Result};
use crate::options::draft_number::{ZMQ_NORM_CC, ZMQ_NORM_CCE, ZMQ_NORM_CCE_ECNONLY, ZMQ_NORM_CCL};
use crate::options::{SocketOptions, SocketType};
use crate::sys::norm::{Mode, NormSocket, Place, Settings};

/// A socket that sends to or receives from a group.
pub struct Norm {
    pub socket: NormSocket,
    pub receives: bool,
    endpoint: String,
}

impl Norm {
    /// The endpoint as `ZMQ_LAST_ENDPOINT` shows it: as given.
    pub fn last_endpoint(&self) -> &str {
        &self.endpoint
    }
}

/// See [`super::datagrams`]. Errors: `EINVAL`, as NORM gives no reason; `EMFILE`; `ENOMEM`; `EPROTONOSUPPORT`
/// where the system has another NORM than 1.5.
pub(super) fn open(address: &str, _role: Role, options: &SocketOptions) -> Result<Unconnected> {
    let place = parse(address)?;
    let receives = matches!(options.socket_type, SocketType::Sub | SocketType::Xsub);
    let settings = Settings {
        receives,
        hops: options.multicast_hops,
        tos: options.tos,
        rate_kbit: options.rate_kbit,
        mode: match options.norm_mode {
            ZMQ_NORM_CC => Mode::Congestion,
            ZMQ_NORM_CCL => Mode::Lossy,
            ZMQ_NORM_CCE => Mode::Marked,
            ZMQ_NORM_CCE_ECNONLY => Mode::MarkedOnly,
            _ => Mode::Fixed,
        },
        unicast_nack: options.norm_unicast_nack,
        buffer_kib: options.norm_buffer_size_kib,
        segment: options.norm_segment_size,
        block: options.norm_block_size,
        parity: options.norm_num_parity,
        auto_parity: options.norm_num_autoparity,
        push: options.norm_push,
    };
    let socket = NormSocket::open(&place, &settings)?;
    let endpoint = format!("{}://{address}", Scheme::Norm.name());
    Ok(Unconnected::Norm(Norm { socket, receives, endpoint }))
}

/// Errors: `EINVAL`.
fn parse(address: &str) -> Result<Place<'_>> {
    let (node, network) = match address.split_once(',') {
        // NORM reserves the largest number and 0.
        Some((node, network)) => {
            let node = node.parse().ok().filter(|node| (1..u32::MAX).contains(node));
            (Some(node.ok_or(Errno::INVAL)?), network)
        }
        None => (None, address),
    };
    let (interface, network) = match network.split_once(';') {
        Some((interface, network)) => (Some(interface), network),
        None => (None, network),
    };
    let (address, port) = network.rsplit_once(':').ok_or(Errno::INVAL)?;
    let address = address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(address);
    let port = port.parse().ok().filter(|port| *port != 0).ok_or(Errno::INVAL)?;
    if address.is_empty() || interface == Some("") {
        return Err(Errno::INVAL);
    }
    Ok(Place { node, interface, address, port })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn addresses_are_a_node_an_interface_a_group_and_a_port() {
        let place = Place { node: None, interface: None, address: "224.1.2.3", port: 5555 };
        assert_eq!(parse("224.1.2.3:5555"), Ok(place));
        assert_eq!(parse("eth0;224.1.2.3:5555"), Ok(Place { interface: Some("eth0"), ..place }));
        let all = Place { node: Some(7), interface: Some("eth0"), ..place };
        assert_eq!(parse("7,eth0;224.1.2.3:5555"), Ok(all));
        assert_eq!(parse("7,224.1.2.3:5555"), Ok(Place { node: Some(7), ..place }));
        for address in ["[ff02::5]:5555", "ff02::5:5555"] {
            assert_eq!(parse(address), Ok(Place { address: "ff02::5", ..place }), "{address}");
        }
        for address in [
            "",
            "224.1.2.3",
            "224.1.2.3:",
            "224.1.2.3:0",
            "224.1.2.3:x",
            "224.1.2.3:65536",
            ":5",
            ";224.1.2.3:5",
            "0,224.1.2.3:5",
            "4294967295,224.1.2.3:5",
            "x,224.1.2.3:5",
            ",224.1.2.3:5",
        ] {
            assert_eq!(parse(address), Err(Errno::INVAL), "{address}");
        }
    }
}
