//! A socket in a fresh directory, and its removal.

use crate::errno::{Errno, Result};
use crate::sys;
use std::fs::{self, DirBuilder, Metadata};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::PathBuf;

/// Names to try for a fresh directory.
const MAX_DIRECTORY_TRIES: usize = 100;

/// A directory of our own for a socket about to be bound; removed when that fails.
pub struct FreshDirectory(PathBuf);

impl FreshDirectory {
    /// Creates the directory, which only this user may enter. Its parent is the first of `$TMPDIR`,
    /// `$TEMPDIR` and `$TMP` that is a directory, else the working directory. Errors: those of mkdir(2).
    pub fn create() -> Result<FreshDirectory> {
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
    pub fn socket_path(&self) -> Result<String> {
        let path = self.0.join("socket").into_os_string();
        path.into_string().map_err(|_| Errno::INVAL)
    }

    /// Call it after bind(2), when the socket exists.
    pub fn hold(mut self) -> SocketFile {
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
pub struct SocketFile {
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
    pub fn remove(&mut self) -> Result<()> {
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

fn random() -> Result<u32> {
    let mut bytes = [0; 4];
    sys::random::fill(&mut bytes)?;
    Ok(u32::from_ne_bytes(bytes))
}
