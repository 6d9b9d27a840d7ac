//! The local processes that may connect.

use crate::options::SocketOptions;
use crate::sys::credentials;
use std::os::fd::BorrowedFd;

/// The processes that `ZMQ_IPC_FILTER_UID`, `_GID` and `_PID` accept: those that any of the three names.
#[derive(Clone, Debug)]
pub struct IpcFilters {
    uids: Vec<u32>,
    gids: Vec<u32>,
    pids: Vec<i32>,
}

impl IpcFilters {
    pub fn of(options: &SocketOptions) -> IpcFilters {
        IpcFilters {
            uids: options.ipc_uid_accept_filters.clone(),
            gids: options.ipc_gid_accept_filters.clone(),
            pids: options.ipc_pid_accept_filters.clone(),
        }
    }

    /// Reads the group database, which may block, only if the ids themselves do not decide.
    pub fn admits(&self, fd: BorrowedFd<'_>) -> bool {
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
