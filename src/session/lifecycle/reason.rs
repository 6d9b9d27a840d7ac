//! Why a connection ends.

use crate::engine::Failure;
use crate::errno::Errno;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The stream has ended or is broken.
    Stream(Errno),
    /// The system refuses this process what the connection needs.
    Own(Errno),
    /// The peer has not answered in time.
    Timeout,
    /// The peer has broken the protocol, or one side has refused the other.
    Protocol(Failure),
}

impl Reason {
    /// An errno, a `ZMQ_PROTOCOL_ERROR_*`, or an authenticator's status.
    pub fn code(self) -> i32 {
        match self {
            Reason::Stream(errno) | Reason::Own(errno) => errno.0,
            Reason::Timeout => Errno::TIMEDOUT.0,
            Reason::Protocol(Failure::Protocol(code) | Failure::Auth(code)) => code,
            Reason::Protocol(Failure::NoDetail(errno) | Failure::Own(errno) | Failure::Errno(errno)) => {
                errno.0
            }
        }
    }
}
