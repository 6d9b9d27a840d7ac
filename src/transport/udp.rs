//! To bind, an address is an interface and a port, or a multicast group to join and a port. To connect, it is
//! a host or a group and a port. `interface;` before a group chooses the interface. Source: zmq_udp(7).

use super::{Role, Unconnected, ip, tuning};
use crate::errno::{Errno, Result};
use crate::options::{SocketOptions, SocketType};
use crate::sys::interface;
use socket2::{Socket, Type};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A datagram socket, open, non-blocking and bound where it receives; dropping it closes it.
#[derive(Debug)]
pub struct Datagrams {
    fd: OwnedFd,
    endpoint: String,
    target: Option<SocketAddr>,
    receives: bool,
    place: SocketAddr,
}

impl Datagrams {
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The endpoint as `ZMQ_LAST_ENDPOINT` shows it: as given, with the port that the system has chosen, if
    /// any.
    pub fn last_endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The destination of all that is sent; `None` where nothing is sent, or each message names its own.
    pub fn target(&self) -> Option<SocketAddr> {
        self.target
    }

    /// The address that is bound, or else the target. A group to be received is bound on all interfaces.
    pub fn place(&self) -> SocketAddr {
        self.place
    }

    /// Whether datagrams are received here.
    pub fn receives(&self) -> bool {
        self.receives
    }
}

/// See [`super::datagrams`].
pub(super) fn open(name: &str, role: Role, options: &SocketOptions) -> Result<Unconnected> {
    open_socket(name, role, options).map(Unconnected::Datagrams)
}

fn open_socket(name: &str, role: Role, options: &SocketOptions) -> Result<Datagrams> {
    let (sends, receives) = match (options.socket_type, role) {
        (SocketType::Radio, Role::Connects) => (true, false),
        (SocketType::Dish, Role::Binds) => (false, true),
        (SocketType::Dgram, Role::Binds) => (true, true),
        _ => return Err(Errno::NOCOMPATPROTO),
    };
    let address = Address::resolve(name, receives, ip::effective_ipv6(options))?;
    let socket = tuning::open(&address.interface, Type::DGRAM, options)?;
    if sends {
        prepare_sending(&socket, &address, options)?;
    }
    if receives {
        bind(&socket, &address)?;
    }
    let mut endpoint = format!("udp://{name}");
    let local = if receives { socket.local_addr()?.as_socket() } else { None };
    let place = local.unwrap_or(address.target);
    if receives && address.target.port() == 0 {
        let chosen = place.port();
        let host = name.rsplit_once(':').map_or(name, |(host, _)| host);
        endpoint = format!("udp://{host}:{chosen}");
    }
    let target = (!receives).then_some(address.target);
    Ok(Datagrams { fd: socket.into(), endpoint, target, receives, place })
}

/// The meaning of a name.
#[derive(Debug, PartialEq, Eq)]
struct Address {
    /// The address to bind to, or to send from, with the target's port.
    interface: SocketAddr,
    /// The interface's number, the only form that IPv6 multicast accepts: 0 where the system chooses, `None`
    /// where it is unknown.
    number: Option<u32>,
    /// A peer or a group; the same as `interface` where there is neither.
    target: SocketAddr,
}

impl Address {
    /// Errors: `EINVAL`, also for an interface before an address that is no group; `ENODEV` for missing
    /// interfaces, and for IPv6 groups where the interface is not given by name; `ENOMEM`.
    fn resolve(name: &str, bindable: bool, ipv6: bool) -> Result<Address> {
        let (source, name) = match name.rsplit_once(';') {
            Some((source, name)) => (Some(source), name),
            None => (None, name),
        };
        let source = match source {
            Some(source) => {
                let address = ip::resolve_interface(source, ipv6)?;
                if address.ip().is_multicast() {
                    return Err(Errno::INVAL);
                }
                Some((address, if source == "*" { Some(0) } else { interface::index_of(source) }))
            }
            None => None,
        };
        let rules = ip::Rules { bindable, dns: true, ipv6 };
        let target = ip::resolve(name, rules)?.into_iter().next().ok_or(Errno::INVAL)?;
        let multicast = target.ip().is_multicast();
        let (mut interface, number) = match source {
            Some(_) if !multicast => return Err(Errno::INVAL),
            Some(source) => source,
            None if multicast || !bindable => (ip::any(target.is_ipv6()), Some(0)),
            None => (target, None),
        };
        interface.set_port(target.port());
        if interface.is_ipv6() != target.is_ipv6() {
            return Err(Errno::INVAL);
        }
        if multicast && target.is_ipv6() && number.is_none() {
            return Err(Errno::NODEV);
        }
        Ok(Address { interface, number, target })
    }

    fn is_multicast(&self) -> bool {
        self.target.ip().is_multicast()
    }
}

/// Sets the options for sending multicast. A socket that names its peers one by one needs them too, since any
/// may be a group. Errors: those of setsockopt(2), such as `EINVAL` for more than 255 hops.
fn prepare_sending(socket: &Socket, address: &Address, options: &SocketOptions) -> Result<()> {
    let hops = u32::try_from(options.multicast_hops).unwrap_or(1);
    if address.interface.is_ipv6() {
        socket.set_multicast_loop_v6(options.multicast_loop)?;
        socket.set_multicast_hops_v6(hops)?;
    } else {
        socket.set_multicast_loop_v4(options.multicast_loop)?;
        socket.set_multicast_ttl_v4(hops)?;
    }
    if !address.is_multicast() {
        return Ok(());
    }
    match (address.interface.ip(), address.number) {
        (IpAddr::V6(_), Some(number)) if number > 0 => socket.set_multicast_if_v6(number)?,
        (IpAddr::V4(interface), _) if !interface.is_unspecified() => {
            socket.set_multicast_if_v4(&interface)?
        }
        _ => {}
    }
    Ok(())
}

/// Binds, and joins the group if there is one. Errors: those of bind(2) and setsockopt(2), such as `ENODEV`
/// where no interface leads to the group.
fn bind(socket: &Socket, address: &Address) -> Result<()> {
    socket.set_reuse_address(true)?;
    if !address.is_multicast() {
        return Ok(socket.bind(&address.interface.into())?);
    }
    // All receivers of a group on this host get each datagram, so several may bind the port.
    socket.set_reuse_port(true)?;
    let mut any = ip::any(address.target.is_ipv6());
    any.set_port(address.target.port());
    socket.bind(&any.into())?;
    match (address.target.ip(), address.interface.ip()) {
        (IpAddr::V4(group), IpAddr::V4(interface)) => socket.join_multicast_v4(&group, &interface)?,
        (IpAddr::V6(group), _) => socket.join_multicast_v6(&group, address.number.unwrap_or(0))?,
        _ => return Err(Errno::INVAL),
    }
    Ok(())
}

impl AsFd for Datagrams {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use socket2::SockRef;

    fn resolved(name: &str, bindable: bool, ipv6: bool) -> Result<(String, String)> {
        let address = Address::resolve(name, bindable, ipv6)?;
        Ok((address.interface.to_string(), address.target.to_string()))
    }

    fn pair(interface: &str, target: &str) -> Result<(String, String)> {
        Ok((interface.to_string(), target.to_string()))
    }

    #[test]
    fn an_address_to_bind_to_is_an_interface_and_one_to_connect_to_a_peer() {
        assert_eq!(resolved("*:5", true, false), pair("0.0.0.0:5", "0.0.0.0:5"));
        assert_eq!(resolved("lo:5", true, false), pair("127.0.0.1:5", "127.0.0.1:5"));
        assert_eq!(resolved("127.0.0.1:5", false, false), pair("0.0.0.0:5", "127.0.0.1:5"));
        assert_eq!(resolved("[::1]:5", false, true), pair("[::]:5", "[::1]:5"));
        assert_eq!(resolved("127.0.0.1:5", false, true), pair("[::]:5", "[::ffff:127.0.0.1]:5"));
        for name in ["*:5", "lo:5", "127.0.0.1:*", "[::1]:5", "127.0.0.1"] {
            assert_eq!(resolved(name, false, false), Err(Errno::INVAL), "{name}");
        }
    }

    #[test]
    fn a_group_is_its_own_target_and_may_have_an_interface() {
        for bindable in [true, false] {
            assert_eq!(resolved("239.0.0.1:5", bindable, false), pair("0.0.0.0:5", "239.0.0.1:5"));
            assert_eq!(resolved("lo;239.0.0.1:5", bindable, false), pair("127.0.0.1:5", "239.0.0.1:5"));
            assert_eq!(resolved("*;239.0.0.1:5", bindable, false), pair("0.0.0.0:5", "239.0.0.1:5"));
            assert_eq!(resolved("lo;127.0.0.1:5", bindable, false), Err(Errno::INVAL));
            assert_eq!(resolved("239.0.0.2;239.0.0.1:5", bindable, false), Err(Errno::INVAL));
            assert_eq!(resolved("nosuchif;239.0.0.1:5", bindable, false), Err(Errno::NODEV));
            assert_eq!(resolved("localhost;239.0.0.1:5", bindable, false), Err(Errno::NODEV));
        }
    }

    #[test]
    fn ipv6_groups_require_their_interface_by_name() {
        let number = |name: &str| Address::resolve(name, true, true).map(|address| address.number);
        assert_eq!(number("[ff02::1]:5"), Ok(Some(0)));
        assert_eq!(number("*;[ff02::1]:5"), Ok(Some(0)));
        assert_eq!(number("::1;[ff02::1]:5"), Err(Errno::NODEV));
        if interface::address_of("lo", true).unwrap().is_some() {
            assert_eq!(number("lo;[ff02::1]:5"), Ok(Some(interface::index_of("lo").unwrap())));
        }
    }

    #[test]
    fn multicast_leaves_as_the_options_say() {
        let mut options = SocketOptions::new(SocketType::Radio);
        let opened =
            |name: &str, options: &SocketOptions| open_socket(name, Role::Connects, options).unwrap();
        let radio = opened("lo;239.0.0.1:5", &options);
        let socket = SockRef::from(&radio);
        assert_eq!((socket.multicast_loop_v4().unwrap(), socket.multicast_ttl_v4().unwrap()), (true, 1));
        assert_eq!(socket.multicast_if_v4().unwrap().to_string(), "127.0.0.1");
        options.multicast_loop = false;
        options.multicast_hops = 7;
        let radio = opened("239.0.0.1:5", &options);
        let socket = SockRef::from(&radio);
        assert_eq!((socket.multicast_loop_v4().unwrap(), socket.multicast_ttl_v4().unwrap()), (false, 7));
        assert_eq!(socket.multicast_if_v4().unwrap().to_string(), "0.0.0.0");
        options.ipv6 = true;
        if interface::address_of("lo", true).unwrap().is_some() {
            let radio = opened("lo;[ff02::1]:5", &options);
            let socket = SockRef::from(&radio);
            assert_eq!(
                (socket.multicast_loop_v6().unwrap(), socket.multicast_hops_v6().unwrap()),
                (false, 7)
            );
            assert_eq!(socket.multicast_if_v6().unwrap(), interface::index_of("lo").unwrap());
        }
    }
}
