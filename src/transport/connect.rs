//! Connecting in steps: plan, resolve, start, finish. Only [`ConnectPlan::resolve`] blocks.

use super::tuning::{self, Tuning};
use super::{Layers, ProxyRequest, Scheme, endpoint, ip};
use crate::errno::{Errno, Result};
use crate::options::SocketOptions;
use crate::sys::faults::{self, Call};
use crate::sys::net::{self, IntOption};
use crate::sys::poll::{PollFd, poll};
use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// An address that `zmq_connect` has accepted, for repeated attempts to connect.
#[derive(Clone, Debug)]
pub struct ConnectPlan {
    scheme: Scheme,
    endpoint: String,
    target: Target,
    layers: Layers,
    /// The path behind the address, in endpoints.
    path: String,
}

#[derive(Clone, Debug)]
pub(super) enum Target {
    Ip {
        /// The `host:port` before the `;`.
        source: Option<String>,
        /// The name to connect to first: the peer's, or the proxy's.
        name: String,
        proxy: Option<ProxyRequest>,
    },
    /// An address that needs no name server.
    Fixed(SockAddr),
}

/// One address to try.
#[derive(Clone, Debug)]
pub enum Destination {
    Ip(SocketAddr),
    Fixed(SockAddr),
}

impl Destination {
    /// The IP address, as [`peer_address`](super::peer_address) writes it; empty of other transports.
    pub fn address(&self) -> String {
        match self {
            Destination::Ip(address) => endpoint::host_text(address),
            Destination::Fixed(_) => String::new(),
        }
    }
}

/// An attempt under way.
#[derive(Debug)]
pub struct Connecting {
    pub fd: OwnedFd,
    /// `Ok(true)`: connected and finished. `Ok(false)`: once the descriptor is writable, call [`proceed`]. An
    /// error: the attempt has failed at once. `EAGAIN` from a local socket means that the listener's queue is
    /// full.
    pub done: Result<bool>,
}

impl ConnectPlan {
    pub(super) fn new(scheme: Scheme, endpoint: String, target: Target) -> ConnectPlan {
        ConnectPlan { scheme, endpoint, target, layers: Layers::default(), path: String::new() }
    }

    pub(super) fn with_layers(self, layers: Layers, path: &str) -> ConnectPlan {
        ConnectPlan { layers, path: path.to_owned(), ..self }
    }

    /// Checks an address; see [`connect`](super::connect).
    pub fn parse(scheme: Scheme, address: &str, options: &SocketOptions) -> Result<ConnectPlan> {
        super::connect(scheme, address, options)
    }

    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The protocols on the stream below ZMTP.
    pub fn layers(&self) -> &Layers {
        &self.layers
    }

    /// The endpoint as `ZMQ_LAST_ENDPOINT` and monitor events show it, with names unresolved.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The endpoint with its name resolved, as libzmq's monitor shows it from the second attempt on. Through
    /// a proxy it is the one given: only the proxy resolves the name.
    pub fn resolved_endpoint(&self, destination: &Destination) -> String {
        match (&self.target, destination) {
            (Target::Ip { proxy: None, .. }, Destination::Ip(address)) => {
                endpoint::uri(self.scheme, &(*address).into()) + &self.path
            }
            _ => self.endpoint.clone(),
        }
    }

    /// The request to send to the proxy once connected to it; `None` without a proxy.
    pub fn proxy(&self) -> Option<&ProxyRequest> {
        match &self.target {
            Target::Ip { proxy, .. } => proxy.as_ref(),
            Target::Fixed(_) => None,
        }
    }

    /// The addresses to try, at least one; libzmq tries only the first. Blocks while name servers are asked.
    ///
    /// Errors: `EINVAL` for names that are wrong or not found, `ENOMEM`.
    pub fn resolve(&self, options: &SocketOptions) -> Result<Vec<Destination>> {
        match &self.target {
            Target::Ip { name, .. } => {
                ip::resolve_remote(name, ip::effective_ipv6(options)).map(destinations)
            }
            Target::Fixed(address) => Ok(vec![Destination::Fixed(address.clone())]),
        }
    }

    /// As [`resolve`](ConnectPlan::resolve), without blocking; `None` if a name server is needed.
    pub fn resolve_literal(&self, options: &SocketOptions) -> Option<Result<Vec<Destination>>> {
        match &self.target {
            Target::Ip { name, .. } => {
                let answer = ip::resolve_literal(name, ip::effective_ipv6(options))?;
                Some(answer.map(destinations))
            }
            Target::Fixed(address) => Some(Ok(vec![Destination::Fixed(address.clone())])),
        }
    }

    /// Begins to connect. The result of connect(2) is in [`Connecting`].
    ///
    /// Errors: `EINVAL` for a destination of another kind of plan; those of resolving the source address,
    /// socket(2) and bind(2), all of which may pass with time.
    pub fn start(&self, destination: &Destination, options: &SocketOptions) -> Result<Connecting> {
        let (socket, peer) = match (&self.target, destination) {
            (Target::Ip { source, .. }, Destination::Ip(peer)) => {
                let socket = tuning::open(peer, Type::STREAM, options)?;
                if let Some(source) = source {
                    bind_source(&socket, source, peer.is_ipv6())?;
                }
                (socket, SockAddr::from(*peer))
            }
            (Target::Fixed(_), Destination::Fixed(peer)) => (open(peer)?, peer.clone()),
            _ => return Err(Errno::INVAL),
        };
        let connected = match faults::next(Call::Connect) {
            Some(errno) => Err(errno),
            None => socket.connect(&peer).map_err(Errno::from),
        };
        let done = match connected {
            Ok(()) => finish(self.scheme, socket.as_fd(), options).map(|()| true),
            // A signal interrupts only the call, not the attempt. If no attempt is under way, `proceed` finds
            // out.
            Err(Errno::INPROGRESS | Errno::INTR) => Ok(false),
            Err(error) => Err(error),
        };
        Ok(Connecting { fd: socket.into(), done })
    }
}

/// Continues an attempt that [`start`](ConnectPlan::start) has left under way. Sets the connection's options
/// once it is connected; `false` while it is not.
///
/// Errors: the reason why the attempt has failed; `ENOTCONN` where no attempt is under way.
pub fn proceed(scheme: Scheme, fd: BorrowedFd<'_>, options: &SocketOptions) -> Result<bool> {
    match finish(scheme, fd, options) {
        Err(Errno::NOTCONN) if !is_settled(fd) => Ok(false),
        // It may have connected between the two checks.
        Err(Errno::NOTCONN) => finish(scheme, fd, options).map(|()| true),
        outcome => outcome.map(|()| true),
    }
}

/// Whether no attempt is under way: while the kernel still connects, poll(2) reports neither room to write
/// nor an end.
fn is_settled(fd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd { fd: fd.as_raw_fd(), events: libc::POLLOUT, revents: 0 }];
    poll(&mut fds, Some(Duration::ZERO)) == Ok(1)
}

/// A connection that its peer has reset by now counts, if it has brought something: the bytes are there to be received.
///
/// Errors: the reason why there is no connection; `ENOTCONN` where there is none yet.
fn finish(scheme: Scheme, fd: BorrowedFd<'_>, options: &SocketOptions) -> Result<()> {
    match find_connected(scheme, fd) {
        Err(_) if net::waiting_bytes(fd).is_ok_and(|bytes| bytes > 0) => {}
        found => found?,
    }
    if scheme.is_over_tcp() { Tuning::of(options).connected(fd) } else { Ok(()) }
}

/// Errors: as of [`finish`].
fn find_connected(scheme: Scheme, fd: BorrowedFd<'_>) -> Result<()> {
    let socket = SockRef::from(&fd);
    if let Some(error) = socket.take_error()? {
        return Err(error.into());
    }
    let peer = socket.peer_addr()?;
    if !scheme.is_over_tcp() {
        return Ok(());
    }
    // While no process listens on a local port, the kernel may choose that very port for our end and connect
    // the socket to itself. The server could not have its port back until we close the socket.
    if peer.as_socket() == socket.local_addr()?.as_socket() {
        return Err(Errno::CONNREFUSED);
    }
    Ok(())
}

/// A stream socket of the address's family, non-blocking and close-on-exec. Errors: those of socket(2).
fn open(address: &SockAddr) -> Result<Socket> {
    let domain = Domain::from(libc::c_int::from(address.family()));
    net::socket(domain, Type::STREAM)
}

fn bind_source(socket: &Socket, source: &str, ipv6: bool) -> Result<()> {
    let source = ip::resolve_source(source, ipv6)?;
    // So that several connections, to different servers, can have the same source port.
    net::set_option(socket.as_fd(), IntOption::ReuseAddress, 1)?;
    Ok(socket.bind(&source.into())?)
}

fn destinations(addresses: Vec<SocketAddr>) -> Vec<Destination> {
    addresses.into_iter().map(Destination::Ip).collect()
}
