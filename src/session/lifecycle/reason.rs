//! Why a connection ends.

use crate::counters::SocketCounter;
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
    /// What a handshake that ends so is counted as.
    pub fn failed_handshake(self) -> SocketCounter {
        match self {
            Reason::Stream(_) | Reason::Own(_) => SocketCounter::HandshakesFailedStream,
            Reason::Timeout => SocketCounter::HandshakesFailedTimeout,
            Reason::Protocol(Failure::Auth(_)) => SocketCounter::HandshakesFailedAuth,
            Reason::Protocol(_) => SocketCounter::HandshakesFailedProtocol,
        }
    }

    /// Whether a handshake that ends so has shown that one side has not the identity that it was to have.
    pub fn is_of_authentication(self) -> bool {
        match self {
            #[cfg(feature = "qzmq")]
            Reason::Protocol(Failure::Uncertified(_)) => true,
            reason => matches!(reason, Reason::Protocol(Failure::Auth(_) | Failure::CRYPTOGRAPHIC)),
        }
    }

    /// What a connection that ends so is counted as.
    pub fn disconnect(self) -> SocketCounter {
        match self {
            Reason::Stream(_) => SocketCounter::DisconnectsStream,
            Reason::Own(_) => SocketCounter::DisconnectsOwn,
            Reason::Timeout => SocketCounter::DisconnectsTimeout,
            Reason::Protocol(_) => SocketCounter::DisconnectsProtocol,
        }
    }

    /// An errno, a `ZMQ_PROTOCOL_ERROR_*`, or an authenticator's status.
    pub fn code(self) -> i32 {
        match self {
            Reason::Stream(errno) | Reason::Own(errno) => errno.0,
            Reason::Timeout => Errno::TIMEDOUT.0,
            Reason::Protocol(Failure::Protocol(code) | Failure::Auth(code)) => code,
            #[cfg(feature = "qzmq")]
            Reason::Protocol(Failure::Uncertified(_)) => Failure::UNCERTIFIED_CODE,
            Reason::Protocol(Failure::NoDetail(errno) | Failure::Own(errno) | Failure::Errno(errno)) => {
                errno.0
            }
            Reason::Protocol(Failure::Fallback) => Reason::Protocol(Failure::MECHANISM_MISMATCH).code(),
        }
    }
}
