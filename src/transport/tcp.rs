//! `tcp://`: binding to interfaces, and the checks of `zmq_connect`.

use super::connect::{ConnectPlan, Target};
use super::listener::{Gate, Listener};
use super::{Scheme, ip, socks, tuning};
use crate::errno::{Errno, Result};
use crate::options::SocketOptions;
use crate::sys::net::{self, IntOption};
use socket2::Type;
use std::os::fd::AsFd;

/// See [`super::bind`]. With `ZMQ_USE_FD` set the address is ignored.
pub(super) fn bind(address: &str, options: &SocketOptions) -> Result<Listener> {
    listen(Scheme::Tcp, address, options)
}

/// See `transport::connect`.
pub(super) fn connect(address: &str, options: &SocketOptions) -> Result<ConnectPlan> {
    plan(Scheme::Tcp, address, format!("tcp://{address}"), options)
}

/// For every scheme whose stream is TCP.
pub(super) fn listen(scheme: Scheme, address: &str, options: &SocketOptions) -> Result<Listener> {
    let gate = Gate::Tcp(options.tcp_accept_filters.clone());
    if options.use_fd != -1 {
        return Listener::adopt(scheme, gate, options);
    }
    let local = ip::resolve_local(address, ip::effective_ipv6(options))?;
    let socket = tuning::open(&local, Type::STREAM, options)?;
    // Without it, a restarted server could not have its port back while old connections linger in TIME_WAIT.
    net::set_option(socket.as_fd(), IntOption::ReuseAddress, 1)?;
    socket.bind(&local.into())?;
    socket.listen(options.backlog)?;
    Listener::own(scheme, socket.into(), gate, options, None)
}

/// For every scheme whose stream is TCP; `endpoint` is the program's text.
pub(super) fn plan(
    scheme: Scheme,
    address: &str,
    endpoint: String,
    options: &SocketOptions,
) -> Result<ConnectPlan> {
    check_syntax(address)?;
    let proxy = socks::ProxyRequest::of(address, options)?;
    let name = match proxy {
        Some(_) => String::from_utf8_lossy(options.socks_proxy_address.as_bytes()).into_owned(),
        None => address.to_owned(),
    };
    let source = name.rsplit_once(';').map(|(source, _)| source.to_owned());
    let target = Target::Ip { source, name, proxy };
    Ok(ConnectPlan::new(scheme, endpoint, target))
}

/// The coarse check of libzmq: plausible characters, and a port that starts with a digit. Other mistakes show
/// when the name is resolved, and then count as a host that is not reachable yet.
fn check_syntax(address: &str) -> Result<()> {
    let bytes = address.as_bytes();
    let starts = |byte: &u8| byte.is_ascii_alphanumeric() || b"[:".contains(byte);
    let continues = |byte: &u8| byte.is_ascii_alphanumeric() || b".-:%;[]_*".contains(byte);
    let plausible = bytes.first().is_some_and(starts) && bytes.iter().skip(1).all(continues);
    let (_, port) = address.rsplit_once(':').ok_or(Errno::INVAL)?;
    if plausible && port.starts_with(|c: char| c.is_ascii_digit()) { Ok(()) } else { Err(Errno::INVAL) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn connect_checks_characters_and_the_port_alone() {
        for address in [
            "localhost:5555",
            "127.0.0.1:0",
            "lo:5555;localhost:1235",
            "127.0.0.1:5x",
            "127.0.0.1:70000",
            "[::1]:5",
            "[fe80::1%eth0]:5",
            ":5",
            "a_b-c.d:1",
        ] {
            assert_eq!(check_syntax(address), Ok(()), "{address}");
        }
        for address in [
            "127.0.0.1:*",
            "bad name:1",
            "*:5555",
            "a/b:1",
            "-a:5",
            "_a:1",
            "a",
            "a:",
            "a:http",
            "ä:1",
            "",
            "a:1/",
        ] {
            assert_eq!(check_syntax(address), Err(Errno::INVAL), "{address}");
        }
    }
}
