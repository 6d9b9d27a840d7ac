//! `ipc://`: local sockets by path, by abstract name (`@name`), or in a fresh directory (`*`).

use super::connect::{ConnectPlan, Target};
use super::listener::{Gate, Listener};
use super::{Scheme, endpoint};
use crate::errno::{Errno, Result};
use crate::options::SocketOptions;
use crate::sys::{self, credentials};
use socket2::{Domain, SockAddr, Socket, Type};
use std::fs::{self, DirBuilder, Metadata};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Bytes that fit into `sockaddr_un` with the NUL that libzmq keeps behind the path.
const MAX_PATH_BYTES: usize = 107;
/// Names to try for a fresh directory.
const MAX_DIRECTORY_TRIES: usize = 100;

/// See [`super::bind`]. A socket file of the same name is replaced: a server that crashed leaves its own
/// behind. A file with content is not replaced.
pub(super) fn bind(address: &str, options: &SocketOptions) -> Result<Listener> {
    let gate = Gate::Ipc(IpcFilters::of(options));
    if options.use_fd != -1 {
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
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    socket.bind(&local)?;
    let file = fresh.map(FreshDirectory::hold);
    socket.listen(options.backlog)?;
    Listener::own(Scheme::Ipc, socket.into(), gate, options, file)
}

/// See [`super::connect`].
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

/// The processes that `ZMQ_IPC_FILTER_UID`, `_GID` and `_PID` accept: those that any of the three names.
#[derive(Clone, Debug)]
pub(super) struct IpcFilters {
    uids: Vec<u32>,
    gids: Vec<u32>,
    pids: Vec<i32>,
}

impl IpcFilters {
    fn of(options: &SocketOptions) -> IpcFilters {
        IpcFilters {
            uids: options.ipc_uid_accept_filters.clone(),
            gids: options.ipc_gid_accept_filters.clone(),
            pids: options.ipc_pid_accept_filters.clone(),
        }
    }

    /// Reads the group database, which may block, only if the ids themselves do not decide.
    pub(super) fn admits(&self, fd: BorrowedFd<'_>) -> bool {
        if self.uids.is_empty() && self.gids.is_empty() && self.pids.is_empty() {
            return true;
        }
        let Ok(ids) = credentials::peer(fd) else { return false };
        self.uids.contains(&ids.uid)
            || self.gids.contains(&ids.gid)
            || self.pids.contains(&ids.pid)
            || self.gids.iter().any(|gid| credentials::is_member(ids.uid, *gid))
    }
}

/// A directory of our own for a socket about to be bound; removed when that fails.
struct FreshDirectory(PathBuf);

impl FreshDirectory {
    /// Creates the directory, which only this user may enter. Its parent is the first of `$TMPDIR`,
    /// `$TEMPDIR` and `$TMP` that is a directory, else the working directory. Errors: those of mkdir(2).
    fn create() -> Result<FreshDirectory> {
        let parent = ["TMPDIR", "TEMPDIR", "TMP"]
            .into_iter()
            .filter_map(std::env::var_os)
            .map(PathBuf::from)
            .find(|path| path.is_dir())
            .unwrap_or_default();
        for _ in 0..MAX_DIRECTORY_TRIES {
            let path = parent.join(format!("tmp{:06x}", random()? & 0xff_ffff));
            match DirBuilder::new().mode(0o700).create(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error.into()),
                Ok(()) => return Ok(FreshDirectory(path)),
            }
        }
        Err(Errno(libc::EEXIST))
    }

    /// Errors: `EINVAL` when the temporary directory's name is not UTF-8: endpoints are.
    fn socket_path(&self) -> Result<String> {
        let path = self.0.join("socket").into_os_string();
        path.into_string().map_err(|_| Errno::INVAL)
    }

    /// Call it after bind(2), when the socket exists.
    fn hold(mut self) -> SocketFile {
        let directory = std::mem::take(&mut self.0);
        let path = directory.join("socket");
        let identity = fs::symlink_metadata(&path).map(identity).ok();
        SocketFile { path, directory, identity, pid: std::process::id() }
    }
}

impl Drop for FreshDirectory {
    fn drop(&mut self) {
        if !self.0.as_os_str().is_empty() {
            let _ = fs::remove_dir(&self.0);
        }
    }
}

/// A bound socket in a directory made for it. Both are removed with the listener. Sockets under a name that
/// the program chose stay, as in libzmq.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    directory: PathBuf,
    /// The file that was bound; `None` if it could not be determined.
    identity: Option<(u64, u64)>,
    /// A forked child that closes its copy of the listener must leave the parent's file alone.
    pid: u32,
}

impl SocketFile {
    /// Removes the socket, if it is still the one that was bound, and its directory. Errors: those of
    /// unlink(2) and rmdir(2).
    pub(super) fn remove(&mut self) -> Result<()> {
        let identity_now = fs::symlink_metadata(&self.path).map(identity).ok();
        let path = std::mem::take(&mut self.path);
        if path.as_os_str().is_empty() || self.pid != std::process::id() || self.identity != identity_now {
            return Ok(());
        }
        fs::remove_file(&path)?;
        fs::remove_dir(&self.directory)?;
        Ok(())
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = self.remove();
    }
}

/// Device and inode.
fn identity(metadata: Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
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

fn random() -> Result<u32> {
    let mut bytes = [0; 4];
    sys::random::fill(&mut bytes)?;
    Ok(u32::from_ne_bytes(bytes))
}
