//! Lines about what the system refuses for want of descriptors, memory or threads. Programs often do not look at the errno of a call, and
//! what fails on an I/O thread has no call that it could fail.

use super::{Level, Notice, Subsystem};
use crate::errno::Errno;
use std::fmt;

/// What has failed. Lines of one of these keep none of another away.
#[derive(Clone, Copy)]
pub enum What {
    Call,
    Accept,
    Connect,
    Watch,
    Thread,
}

/// For each [`What`]: of descriptors and threads, and of memory.
static NOTICES: [[Notice; 2]; 5] =
    [const { [Notice::new(Subsystem::Limits, Level::Warn), Notice::new(Subsystem::Memory, Level::Warn)] }; 5];

/// Tells of a failure, if it is for want of something. `subject` has failed.
pub fn tell(what: What, errno: Errno, subject: fmt::Arguments<'_>) {
    let wants_threads = matches!(what, What::Thread) && errno == Errno::AGAIN;
    let kind = if wants_threads { Some(0) } else { kind(errno) };
    let notice = kind.and_then(|kind| NOTICES.get(what as usize)?.get(kind));
    if let Some(notice) = notice.filter(|notice| notice.is_on()) {
        notice.write(format_args!("{subject}: {}", std::io::Error::from_raw_os_error(errno.0)));
    }
}

/// The place of a notice: whether descriptors are wanted, or memory.
fn kind(errno: Errno) -> Option<usize> {
    match errno.0 {
        // The last is of epoll_ctl(2): too many descriptors are watched.
        libc::EMFILE | libc::ENFILE | libc::ENOSPC => Some(0),
        libc::ENOMEM | libc::ENOBUFS => Some(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_failures_are_none_for_want_of_something() {
        let wants = [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::ENOBUFS, libc::ENOSPC];
        assert!(wants.into_iter().all(|code| kind(Errno(code)).is_some()));
        let others = [libc::EAGAIN, libc::EINVAL, libc::EADDRINUSE, libc::ECONNREFUSED, libc::EINTR];
        assert!(others.into_iter().all(|code| kind(Errno(code)).is_none()));
    }
}
