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
