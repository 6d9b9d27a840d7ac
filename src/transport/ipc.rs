//! `ipc://`: local sockets by path, by abstract name (`@name`), or in a fresh directory (`*`).

mod filters;
mod socket_file;

pub(super) use filters::IpcFilters;
pub(super) use socket_file::SocketFile;

use super::connect::{ConnectPlan, Target};
use super::listener::{Gate, Listener};
use super::{Scheme, endpoint};
use crate::errno::{Errno, Result};
use crate::options::SocketOptions;
use crate::sys::net;
use socket_file::FreshDirectory;
use socket2::{Domain, SockAddr, Type};
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

/// Bytes that fit into `sockaddr_un` with the NUL that libzmq keeps behind the path.
const MAX_PATH_BYTES: usize = 107;

/// See [`super::bind`]. A socket file of the same name is replaced: a server that crashed leaves its own
/// behind. A file with content is not replaced.
pub(super) fn bind(address: &str, options: &SocketOptions) -> Result<Listener> {
    let gate = Gate::Ipc(IpcFilters::of(options));
    if options.use_fd != -1 {
        // An address that could not be bound is refused with a descriptor too, as by libzmq.
        parse(address)?;
        return Listener::adopt(Scheme::Ipc, gate, options);
    }
    let fresh = if address.starts_with('*') { Some(FreshDirectory::create()?) } else { None };
    let path = match &fresh {
        Some(directory) => directory.socket_path()?,
        None => address.to_owned(),
    };
    let local = parse(&path)?;
    if !path.starts_with('@') {
        remove_stale(Path::new(&path));
    }
    let socket = net::socket(Domain::UNIX, Type::STREAM)?;
    socket.bind(&local)?;
    let file = fresh.map(FreshDirectory::hold);
    socket.listen(options.backlog)?;
    Listener::own(Scheme::Ipc, socket.into(), gate, options, file)
}

/// See `transport::connect`.
pub(super) fn connect(address: &str, _options: &SocketOptions) -> Result<ConnectPlan> {
    let address = parse(address)?;
    let uri = endpoint::uri(Scheme::Ipc, &address);
    Ok(ConnectPlan::new(Scheme::Ipc, uri, Target::Fixed(address)))
}

/// Errors: `ENAMETOOLONG`; `EINVAL` for an abstract name that is empty, and for NULs.
fn parse(path: &str) -> Result<SockAddr> {
    if path.len() > MAX_PATH_BYTES {
        return Err(Errno::NAMETOOLONG);
    }
    if path.is_empty() || path == "@" || path.contains('\0') {
        return Err(Errno::INVAL);
    }
    let address = match path.strip_prefix('@') {
        Some(name) => SockAddr::unix(format!("\0{name}")),
        None => SockAddr::unix(path),
    };
    address.map_err(|_| Errno::INVAL)
}

/// Removes a socket, a link or an empty file at `path`: a former server may have left it, or `mkstemp`
/// reserved the name with it. Any other file stays, and bind(2) then returns `EADDRINUSE`.
fn remove_stale(path: &Path) {
    let Ok(found) = fs::symlink_metadata(path) else { return };
    let kind = found.file_type();
    if kind.is_socket() || kind.is_symlink() || (kind.is_file() && found.len() == 0) {
        let _ = fs::remove_file(path);
    }
}
