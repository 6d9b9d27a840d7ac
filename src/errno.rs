//! Error numbers: the one error type of the crate, the codes only ØMQ knows, and their texts.
//!
//! Every fallible function returns `Result<T>`; `ffi` alone turns an [`Errno`] into C's `errno`.
#![forbid(unsafe_code)]

use std::ffi::CStr;

/// What every fallible function of this crate returns.
pub type Result<T, E = Errno> = std::result::Result<T, E>;

/// Codes below this are the system's own (`ZMQ_HAUSNUMERO` in `zmq.h`).
pub const HAUSNUMERO: i32 = 156_384_712;

/// A value of C's `errno`: the system's, or one of the ØMQ-only codes above [`HAUSNUMERO`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(pub i32);

impl Errno {
    pub const PERM: Errno = Errno(libc::EPERM);
    pub const NOENT: Errno = Errno(libc::ENOENT);
    pub const INTR: Errno = Errno(libc::EINTR);
    pub const BADF: Errno = Errno(libc::EBADF);
    pub const EXIST: Errno = Errno(libc::EEXIST);
    pub const ACCES: Errno = Errno(libc::EACCES);
    pub const AGAIN: Errno = Errno(libc::EAGAIN);
    pub const NOMEM: Errno = Errno(libc::ENOMEM);
    pub const FAULT: Errno = Errno(libc::EFAULT);
    pub const NODEV: Errno = Errno(libc::ENODEV);
    pub const INVAL: Errno = Errno(libc::EINVAL);
    pub const MFILE: Errno = Errno(libc::EMFILE);
    pub const PIPE: Errno = Errno(libc::EPIPE);
    pub const PROTO: Errno = Errno(libc::EPROTO);
    pub const NAMETOOLONG: Errno = Errno(libc::ENAMETOOLONG);
    pub const NOTSOCK: Errno = Errno(libc::ENOTSOCK);
    pub const MSGSIZE: Errno = Errno(libc::EMSGSIZE);
    pub const PROTONOSUPPORT: Errno = Errno(libc::EPROTONOSUPPORT);
    pub const NOTSUP: Errno = Errno(libc::ENOTSUP);
    pub const ADDRINUSE: Errno = Errno(libc::EADDRINUSE);
    pub const ADDRNOTAVAIL: Errno = Errno(libc::EADDRNOTAVAIL);
    pub const CONNRESET: Errno = Errno(libc::ECONNRESET);
    pub const NOBUFS: Errno = Errno(libc::ENOBUFS);
    pub const BUSY: Errno = Errno(libc::EBUSY);
    pub const NOTCONN: Errno = Errno(libc::ENOTCONN);
    pub const TIMEDOUT: Errno = Errno(libc::ETIMEDOUT);
    pub const CONNREFUSED: Errno = Errno(libc::ECONNREFUSED);
    pub const HOSTUNREACH: Errno = Errno(libc::EHOSTUNREACH);
    pub const INPROGRESS: Errno = Errno(libc::EINPROGRESS);
    /// The operation does not fit the socket's current state (`EFSM`).
    pub const FSM: Errno = Errno(HAUSNUMERO + 51);
    /// The transport does not fit the socket type (`ENOCOMPATPROTO`).
    pub const NOCOMPATPROTO: Errno = Errno(HAUSNUMERO + 52);
    /// The context was terminated (`ETERM`).
    pub const TERM: Errno = Errno(HAUSNUMERO + 53);
    /// There is no I/O thread to do the work (`EMTHREAD`).
    pub const MTHREAD: Errno = Errno(HAUSNUMERO + 54);

    /// Of a system call that has just failed.
    pub fn last() -> Errno {
        Errno::from(std::io::Error::last_os_error())
    }

    /// Whether the call may simply be made again later.
    pub fn would_block(self) -> bool {
        self.0 == libc::EAGAIN || self.0 == libc::EWOULDBLOCK
    }

    /// Whether the system has no memory for a call now: the call may be made again later.
    pub fn is_shortage(self) -> bool {
        matches!(self.0, libc::ENOMEM | libc::ENOBUFS)
    }

    /// Whether the calling thread, of all of the process's, may be what the system does not let make the call (seccomp(2)).
    pub fn is_denial(self) -> bool {
        matches!(self.0, libc::EPERM | libc::EACCES | libc::ENOSYS)
    }

    /// The text of the codes that the system does not know, worded as libzmq words them; `None` for the
    /// system's own, whose text is `strerror`'s.
    pub fn own_text(self) -> Option<&'static CStr> {
        match self {
            Errno::FSM => Some(c"Operation cannot be accomplished in current state"),
            Errno::NOCOMPATPROTO => Some(c"The protocol is not compatible with the socket type"),
            Errno::TERM => Some(c"Context was terminated"),
            Errno::MTHREAD => Some(c"No thread available"),
            Errno(libc::EHOSTUNREACH) => Some(c"Host unreachable"),
            _ => None,
        }
    }
}

impl std::fmt::Debug for Errno {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.own_text() {
            Some(text) => write!(f, "Errno({}: {})", self.0, text.to_string_lossy()),
            None => write!(f, "Errno({}: {})", self.0, std::io::Error::from_raw_os_error(self.0)),
        }
    }
}

impl std::fmt::Display for Errno {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

impl std::error::Error for Errno {}

impl From<std::io::Error> for Errno {
    /// An error without a system code (a short write, a bad string) becomes `EIO`.
    fn from(error: std::io::Error) -> Errno {
        Errno(error.raw_os_error().unwrap_or(libc::EIO))
    }
}
