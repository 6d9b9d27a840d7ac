//! `vsock://`: between virtual machines and their host. An address is a context id and a port. The context id
//! is a number, `*` for any, or `@` for the local one. The port is a number, or `*` where the system chooses.
//! Source: zmq_vsock(7).

use super::connect::{ConnectPlan, Target};
use super::listener::{Gate, Listener};
use super::{Scheme, endpoint};
use crate::errno::{Errno, Result};
use crate::options::SocketOptions;
use crate::sys::vsock;

/// `VMADDR_CID_ANY` and `VMADDR_PORT_ANY`.
const ANY_NUMBER: u32 = u32::MAX;
/// `VMADDR_CID_LOCAL`: the loopback address.
const LOCAL_CONTEXT: u32 = 1;

/// See [`super::bind`].
pub(super) fn bind(name: &str, options: &SocketOptions) -> Result<Listener> {
    let (context, port) = parse(name)?;
    let socket = vsock::open()?;
    socket.bind(&vsock::address(context, port)?)?;
    socket.listen(options.backlog)?;
    Listener::own(Scheme::Vsock, socket.into(), Gate::Open, options, None)
}

/// See `transport::connect`.
pub(super) fn connect(name: &str, _options: &SocketOptions) -> Result<ConnectPlan> {
    let (context, port) = parse(name)?;
    let address = vsock::address(context, port)?;
    let uri = endpoint::uri(Scheme::Vsock, &address);
    Ok(ConnectPlan::new(Scheme::Vsock, uri, Target::Fixed(address)))
}

/// Errors: `EINVAL`.
fn parse(name: &str) -> Result<(u32, u32)> {
    let (context, port) = name.rsplit_once(':').ok_or(Errno::INVAL)?;
    let context = if context == "@" { LOCAL_CONTEXT } else { number(context)? };
    Ok((context, number(port)?))
}

/// The number that a text begins with. Text behind it is ignored, as in libzmq.
fn number(text: &str) -> Result<u32> {
    if text == "*" || text == "-1" {
        return Ok(ANY_NUMBER);
    }
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.get(..end).unwrap_or_default().parse().map_err(|_| Errno::INVAL)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::options::SocketType;

    #[test]
    fn addresses_are_two_numbers() {
        for (name, address, shown) in [
            ("3:5555", (3, 5555), "vsock://3:5555"),
            ("@:5555", (1, 5555), "vsock://1:5555"),
            ("2:5555", (2, 5555), "vsock://2:5555"),
            ("*:*", (ANY_NUMBER, ANY_NUMBER), "vsock://*:*"),
            ("-1:-1", (ANY_NUMBER, ANY_NUMBER), "vsock://*:*"),
            ("4294967295:1", (ANY_NUMBER, 1), "vsock://*:1"),
            ("3:5555/", (3, 5555), "vsock://3:5555"),
        ] {
            assert_eq!(parse(name), Ok(address), "{name}");
            assert_eq!(endpoint::uri(Scheme::Vsock, &vsock::address(address.0, address.1).unwrap()), shown);
        }
        for name in
            ["", ":", "3", "3:", ":5", "@", "host:5", "3:http", "-2:5", "4294967296:5", "3:99999999999"]
        {
            assert_eq!(parse(name), Err(Errno::INVAL), "{name}");
        }
    }

    #[test]
    fn a_port_may_be_the_systems_choice() {
        let options = SocketOptions::new(SocketType::Pair);
        match bind("*:*", &options) {
            Ok(listener) => {
                let port = listener.last_endpoint().strip_prefix("vsock://*:").expect("any context");
                assert!(port.parse::<u32>().is_ok(), "{port}");
            }
            // The error of a kernel without vsock.
            Err(errno) => assert_eq!(errno, Errno(libc::EAFNOSUPPORT)),
        }
        assert_eq!(connect("3:5555", &options).unwrap().endpoint(), "vsock://3:5555");
        assert_eq!(connect("nobody:5555", &options).map(drop), Err(Errno::INVAL));
    }
}
