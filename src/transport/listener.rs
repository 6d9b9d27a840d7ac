//! Listening sockets and the connections they accept.

use super::ipc::{IpcFilters, SocketFile};
use super::tuning::Tuning;
use super::{Layers, Scheme, endpoint};
use crate::errno::{Errno, Result};
use crate::options::{SocketOptions, accepts_tcp_peer};
use crate::sys::net;
use crate::sys::net_adopt::AdoptedFd;
use socket2::{SockAddr, SockRef};
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// A bound and listening socket; dropping it closes it at once.
#[derive(Debug)]
pub struct Listener {
    scheme: Scheme,
    // Before `file`: closed first, so that no client connects to a name about to be removed.
    fd: ListeningFd,
    endpoint: String,
    gate: Gate,
    tuning: Tuning,
    file: Option<SocketFile>,
    layers: Layers,
    /// The path behind the address, in endpoints.
    path: String,
}

#[derive(Debug)]
enum ListeningFd {
    Own(OwnedFd),
    Adopted(AdoptedFd),
}

/// The peers that may connect.
#[derive(Clone, Debug)]
pub(super) enum Gate {
    Tcp(Vec<(IpAddr, u8)>),
    Ipc(IpcFilters),
    /// All peers.
    Open,
}

/// An accepted connection, non-blocking and with the connection's options set.
#[derive(Debug)]
pub struct Accepted {
    pub fd: OwnedFd,
    pub scheme: Scheme,
    /// This side's endpoint.
    pub local: String,
    /// The peer's endpoint; `ipc://` for a local client, which has no name.
    pub peer: String,
    /// See [`peer_address`](super::peer_address).
    pub peer_address: String,
    /// The protocols on the stream below ZMTP.
    pub layers: Layers,
}

/// Why accepting a connection failed. All are reported as `ZMQ_EVENT_ACCEPT_FAILED`, with
/// [`errno`](AcceptError::errno) as the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptError {
    /// A filter has refused the peer; more connections may be waiting.
    Refused(Errno),
    /// That one connection is lost; more may be waiting.
    Transient(Errno),
    /// The system has no descriptors or memory left, or forbids the call. The connection is still waiting, so
    /// trying again at once would spin: wait a while.
    Exhausted(Errno),
    /// The listener seems to be unusable. That may be wrong: wait for longer.
    Fatal(Errno),
}

impl Listener {
    /// Binds and listens; see [`bind`](super::bind).
    pub fn bind(scheme: Scheme, address: &str, options: &SocketOptions) -> Result<Listener> {
        super::bind(scheme, address, options)
    }

    pub(super) fn own(
        scheme: Scheme,
        fd: OwnedFd,
        gate: Gate,
        options: &SocketOptions,
        file: Option<SocketFile>,
    ) -> Result<Listener> {
        let endpoint = endpoint::uri(scheme, &SockRef::from(&fd).local_addr()?);
        Ok(Listener {
            scheme,
            fd: ListeningFd::Own(fd),
            endpoint,
            gate,
            tuning: Tuning::of(options),
            file,
            layers: Layers::default(),
            path: String::new(),
        })
    }

    /// Takes over `ZMQ_USE_FD`, which the program has bound and made listen. On an error the descriptor stays
    /// the program's.
    ///
    /// Errors: `EBADF`, `ENOTSOCK`; `EADDRINUSE` if another endpoint has it; `EINVAL` if it is bound for
    /// another scheme.
    pub(super) fn adopt(scheme: Scheme, gate: Gate, options: &SocketOptions) -> Result<Listener> {
        let fd = AdoptedFd::adopt(options.use_fd)?;
        let local = SockRef::from(&fd).local_addr().map_err(Errno::from);
        match local.map(|address| endpoint::uri(scheme, &address)) {
            Ok(endpoint) if !endpoint.is_empty() => {
                let (fd, tuning) = (ListeningFd::Adopted(fd), Tuning::of(options));
                let (layers, path) = (Layers::default(), String::new());
                Ok(Listener { scheme, fd, endpoint, gate, tuning, file: None, layers, path })
            }
            unusable => {
                fd.release();
                Err(unusable.err().unwrap_or(Errno::INVAL))
            }
        }
    }

    pub(super) fn with_layers(mut self, layers: Layers, path: &str) -> Listener {
        self.endpoint += path;
        path.clone_into(&mut self.path);
        self.layers = layers;
        self
    }

    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The endpoint as `ZMQ_LAST_ENDPOINT` and monitor events show it, with the address and port that the
    /// system has chosen.
    pub fn last_endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The descriptor, to be registered with the reactor for reading.
    pub fn fd(&self) -> BorrowedFd<'_> {
        match &self.fd {
            ListeningFd::Own(fd) => fd.as_fd(),
            ListeningFd::Adopted(fd) => fd.as_fd(),
        }
    }

    /// Accepts one waiting connection; `None` if none is waiting.
    pub fn accept(&self) -> std::result::Result<Option<Accepted>, AcceptError> {
        let (fd, peer) = match net::accept(self.fd()) {
            Ok(accepted) => accepted,
            Err(error) if error.would_block() => return Ok(None),
            Err(error) => return Err(AcceptError::of(error)),
        };
        if !self.gate.admits(fd.as_fd(), &peer) {
            // The error of accept(2) where a firewall forbids the connection.
            return Err(AcceptError::Refused(Errno::PERM));
        }
        if self.scheme.is_over_tcp() {
            let tuned = self.tuning.marked(fd.as_fd()).and_then(|()| self.tuning.connected(fd.as_fd()));
            tuned.map_err(AcceptError::Transient)?;
        }
        let local = SockRef::from(&fd).local_addr().map_err(|error| AcceptError::Transient(error.into()))?;
        let peer_address = endpoint::address_text(fd.as_fd(), &peer);
        let name = |address: &SockAddr| endpoint::uri(self.scheme, address) + &self.path;
        let (local, peer) = (name(&local), name(&peer));
        Ok(Some(Accepted { fd, scheme: self.scheme, local, peer, peer_address, layers: self.layers.clone() }))
    }

    /// The endpoint is not to be: a descriptor of the program stays the program's, and any other is closed.
    pub fn give_back(self) {
        if let ListeningFd::Adopted(fd) = self.fd {
            fd.release();
        }
    }

    /// Closes at once and removes the file and directory made for this endpoint. The socket is closed even on
    /// an error. Errors: those of unlink(2) and rmdir(2), for `ZMQ_EVENT_CLOSE_FAILED`.
    pub fn close(self) -> Result<()> {
        let Listener { fd, file, .. } = self;
        drop(fd);
        match file {
            Some(mut file) => file.remove(),
            None => Ok(()),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd()
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.fd().as_raw_fd()
    }
}

impl Gate {
    fn admits(&self, fd: BorrowedFd<'_>, peer: &SockAddr) -> bool {
        match self {
            Gate::Tcp(networks) => match peer.as_socket() {
                Some(peer) => accepts_tcp_peer(networks, peer.ip()),
                None => networks.is_empty(),
            },
            Gate::Ipc(filters) => filters.admits(fd),
            Gate::Open => true,
        }
    }
}

impl AcceptError {
    pub fn errno(self) -> Errno {
        match self {
            AcceptError::Refused(errno)
            | AcceptError::Transient(errno)
            | AcceptError::Exhausted(errno)
            | AcceptError::Fatal(errno) => errno,
        }
    }

    /// Classifies an error of accept4(2). An unknown one counts as exhaustion: waiting is always safe,
    /// spinning and giving up are not.
    pub(super) fn of(errno: Errno) -> AcceptError {
        match errno.0 {
            // Errors of the next connection in the queue, which the call has removed.
            libc::ECONNABORTED
            | libc::ECONNRESET
            | libc::EPROTO
            | libc::ENOPROTOOPT
            | libc::ENETDOWN
            | libc::ENETUNREACH
            | libc::EHOSTDOWN
            | libc::EHOSTUNREACH
            | libc::ETIMEDOUT => AcceptError::Transient(errno),
            #[cfg(any(target_os = "linux", target_os = "android"))]
            libc::ENONET => AcceptError::Transient(errno),
            libc::EBADF | libc::ENOTSOCK | libc::EINVAL | libc::EOPNOTSUPP | libc::EFAULT => {
                AcceptError::Fatal(errno)
            }
            _ => AcceptError::Exhausted(errno),
        }
    }
}
