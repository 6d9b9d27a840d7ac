//! Transports: endpoints parsed, bound, connected and accepted. This layer speaks no protocol. Nothing blocks
//! here, except where a function says that it asks a name server.
//!
//! One file per scheme, and one row for it in `Scheme::row`.

#![forbid(unsafe_code)]

mod connect;
mod endpoint;
mod inproc;
mod ip;
mod ipc;
mod layers;
mod listener;
#[cfg(feature = "norm")]
mod norm;
#[cfg(feature = "pgm")]
mod pgm;
mod socks;
mod tcp;
mod tipc;
mod tls;
mod tuning;
mod udp;
mod vsock;
mod ws;
mod wss;

pub use connect::{ConnectPlan, Connecting, Destination, proceed};
pub use endpoint::{endpoints_of, local_user, other_names, peer_address};
pub use layers::Layers;
pub use listener::{AcceptError, Accepted, Listener};
#[cfg(feature = "norm")]
pub use norm::Norm;
#[cfg(feature = "pgm")]
pub use pgm::Multicast;
pub use socks::ProxyRequest;
pub use udp::Datagrams;

use crate::errno::{Errno, Result};
use crate::options::{SocketOptions, SocketType};
use std::net::SocketAddr;

/// The part of an endpoint before `://`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    Inproc,
    Tcp,
    Ipc,
    Udp,
    Ws,
    Wss,
    Tls,
    Tipc,
    Vsock,
    Vmci,
    Pgm,
    Epgm,
    Norm,
}

/// The registry's entry for a scheme.
struct Row {
    name: &'static str,
    types: Types,
    build: Build,
}

/// The socket types that a scheme carries.
enum Types {
    Any,
    /// All but STREAM, which has no frames.
    Messages,
    /// Multicast has no return path, so only publishers and subscribers fit.
    PubSub,
    Datagram,
}

/// How endpoints of a scheme are made.
enum Build {
    /// Inside the context, by name.
    InProcess,
    /// By byte streams between processes.
    Stream {
        bind: fn(&str, &SocketOptions) -> Result<Listener>,
        connect: fn(&str, &SocketOptions) -> Result<ConnectPlan>,
    },
    /// By datagrams, with no connection.
    Datagrams { open: fn(&str, Role, &SocketOptions) -> Result<Unconnected> },
    /// Not at all: this build lacks the transport.
    Absent,
}

/// `zmq_bind` or `zmq_connect`, where a transport opens its sockets in one way for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Binds,
    Connects,
}

/// A socket that needs no connection.
pub enum Unconnected {
    Datagrams(Datagrams),
    #[cfg(feature = "pgm")]
    Multicast(Multicast),
    #[cfg(feature = "norm")]
    Norm(Norm),
}

impl Unconnected {
    /// The address that is bound, or else sent to; `None` for multicast by a library, whose groups others can always join.
    pub fn place(&self) -> Option<SocketAddr> {
        match self {
            Unconnected::Datagrams(datagrams) => Some(datagrams.place()),
            #[cfg(feature = "pgm")]
            Unconnected::Multicast(_) => None,
            #[cfg(feature = "norm")]
            Unconnected::Norm(_) => None,
        }
    }

    /// The endpoint as `ZMQ_LAST_ENDPOINT` shows it.
    pub fn last_endpoint(&self) -> &str {
        match self {
            Unconnected::Datagrams(datagrams) => datagrams.last_endpoint(),
            #[cfg(feature = "pgm")]
            Unconnected::Multicast(multicast) => multicast.last_endpoint(),
            #[cfg(feature = "norm")]
            Unconnected::Norm(norm) => norm.last_endpoint(),
        }
    }
}

impl Scheme {
    /// Every scheme, in no particular order.
    pub const ALL: [Scheme; 13] = [
        Scheme::Inproc,
        Scheme::Tcp,
        Scheme::Ipc,
        Scheme::Udp,
        Scheme::Ws,
        Scheme::Wss,
        Scheme::Tls,
        Scheme::Tipc,
        Scheme::Vsock,
        Scheme::Vmci,
        Scheme::Pgm,
        Scheme::Epgm,
        Scheme::Norm,
    ];

    /// The registry.
    fn row(self) -> Row {
        let row = |name, types, build| Row { name, types, build };
        let tcp = Build::Stream { bind: tcp::bind, connect: tcp::connect };
        let ipc = Build::Stream { bind: ipc::bind, connect: ipc::connect };
        let ws = Build::Stream { bind: ws::bind, connect: ws::connect };
        let wss = Build::Stream { bind: wss::bind, connect: wss::connect };
        let tls = Build::Stream { bind: tls::bind, connect: tls::connect };
        let tipc = Build::Stream { bind: tipc::bind, connect: tipc::connect };
        let vsock = Build::Stream { bind: vsock::bind, connect: vsock::connect };
        match self {
            Scheme::Inproc => row("inproc", Types::Any, Build::InProcess),
            Scheme::Tcp => row("tcp", Types::Any, tcp),
            Scheme::Ipc => row("ipc", Types::Any, ipc),
            Scheme::Udp => row("udp", Types::Datagram, Build::Datagrams { open: udp::open }),
            Scheme::Ws => row("ws", Types::Messages, ws),
            Scheme::Wss => row("wss", Types::Messages, wss),
            Scheme::Tls => row("tls", Types::Messages, tls),
            Scheme::Tipc => row("tipc", Types::Any, tipc),
            Scheme::Vsock => row("vsock", Types::Any, vsock),
            Scheme::Vmci => row("vmci", Types::Any, Build::Absent),
            #[cfg(feature = "pgm")]
            Scheme::Pgm => row("pgm", Types::PubSub, Build::Datagrams { open: pgm::open_bare }),
            #[cfg(feature = "pgm")]
            Scheme::Epgm => row("epgm", Types::PubSub, Build::Datagrams { open: pgm::open_in_udp }),
            #[cfg(not(feature = "pgm"))]
            Scheme::Pgm => row("pgm", Types::PubSub, Build::Absent),
            #[cfg(not(feature = "pgm"))]
            Scheme::Epgm => row("epgm", Types::PubSub, Build::Absent),
            #[cfg(feature = "norm")]
            Scheme::Norm => row("norm", Types::PubSub, Build::Datagrams { open: norm::open }),
            #[cfg(not(feature = "norm"))]
            Scheme::Norm => row("norm", Types::PubSub, Build::Absent),
        }
    }

    /// The name, as in endpoints.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Whether the stream underneath is TCP, and so takes TCP's options.
    pub fn is_over_tcp(self) -> bool {
        matches!(self, Scheme::Tcp | Scheme::Ws | Scheme::Wss | Scheme::Tls)
    }

    /// Whether each of its connections begins with a mechanism.
    pub fn carries_mechanisms(self) -> bool {
        matches!(self.row().build, Build::Stream { .. })
    }

    /// Whether this build includes the transport (for `zmq_has`).
    pub fn is_built(self) -> bool {
        !matches!(self.row().build, Build::Absent)
    }

    /// Whether the transport has no connections: see [`datagrams`].
    pub fn has_datagrams(self) -> bool {
        matches!(self.row().build, Build::Datagrams { .. })
    }
}

/// Splits an endpoint at its first `://` into the scheme and the address, neither of which may be empty.
///
/// Errors: `EINVAL` for text that is no endpoint, `EPROTONOSUPPORT` for schemes that are unknown or not
/// built. Scheme names are lower case. Source: zmq_bind(3), zmq_connect(3).
pub fn parse(uri: &str) -> Result<(Scheme, &str)> {
    let (name, address) = uri.split_once("://").ok_or(Errno::INVAL)?;
    if name.is_empty() || address.is_empty() {
        return Err(Errno::INVAL);
    }
    let scheme = Scheme::ALL.into_iter().find(|scheme| scheme.name() == name && scheme.is_built());
    let scheme = scheme.ok_or(Errno::PROTONOSUPPORT)?;
    match scheme {
        Scheme::Inproc => Ok((scheme, inproc::parse(address)?)),
        _ => Ok((scheme, address)),
    }
}

/// Whether sockets of a type may use a scheme. Errors: `ENOCOMPATPROTO`.
pub fn compatible(scheme: Scheme, socket_type: SocketType) -> Result<()> {
    use SocketType::{Dgram, Dish, Pub, Radio, Sub, Xpub, Xsub};
    let fits = match scheme.row().types {
        Types::Any => true,
        Types::Messages => socket_type != SocketType::Stream,
        Types::PubSub => matches!(socket_type, Pub | Sub | Xpub | Xsub),
        Types::Datagram => matches!(socket_type, Radio | Dish | Dgram),
    };
    if fits { Ok(()) } else { Err(Errno::NOCOMPATPROTO) }
}

/// Binds and listens. Blocks while a name server is asked if the address is a host name.
///
/// Errors: `EPROTONOSUPPORT` for schemes that do not listen; `EINVAL`, `ENODEV`, `ENAMETOOLONG` and
/// `EADDRNOTAVAIL` for addresses that are wrong or not this host's; `EADDRINUSE`; otherwise those of
/// socket(2), bind(2), listen(2).
pub fn bind(scheme: Scheme, address: &str, options: &SocketOptions) -> Result<Listener> {
    match scheme.row().build {
        Build::Stream { bind, .. } => bind(address, options),
        _ => Err(Errno::PROTONOSUPPORT),
    }
}

/// Checks an address as `zmq_connect` does: only its syntax, without resolving names.
///
/// Errors: `EPROTONOSUPPORT` for schemes that are not connected this way; `EINVAL`, `ENAMETOOLONG`.
pub fn connect(scheme: Scheme, address: &str, options: &SocketOptions) -> Result<ConnectPlan> {
    match scheme.row().build {
        Build::Stream { connect, .. } => connect(address, options),
        _ => Err(Errno::PROTONOSUPPORT),
    }
}

/// Opens a socket that needs no connection. Blocks while a name server is asked if the address is a host
/// name.
///
/// Errors: `EPROTONOSUPPORT` for schemes that have connections; `ENOCOMPATPROTO` for socket types that do not
/// bind or connect here; `EINVAL` and `ENODEV` for addresses that are wrong or not this host's; otherwise
/// those of socket(2), bind(2) and setsockopt(2).
pub fn datagrams(scheme: Scheme, address: &str, role: Role, options: &SocketOptions) -> Result<Unconnected> {
    match scheme.row().build {
        Build::Datagrams { open } => open(address, role, options),
        _ => Err(Errno::PROTONOSUPPORT),
    }
}

#[cfg(test)]
mod tests;
