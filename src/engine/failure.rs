//! Why the engine gave a connection up.
use crate::errno::Errno;

/// The end of a connection, caused by what the peer sent.
///
/// The owner closes the stream, raises the monitor event named here, then `ZMQ_EVENT_DISCONNECTED`. libzmq does
/// not reconnect after any of these, so neither should a connecter: the peer would only fail again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Raises `ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL` with this `ZMQ_PROTOCOL_ERROR_*` value.
    Protocol(i32),
    /// Raises `ZMQ_EVENT_HANDSHAKE_FAILED_AUTH` with this ZAP status: 300, 400 or 500.
    Auth(i32),
    /// Raises no event about the handshake: libzmq drops such peers without a word.
    Errno(Errno),
}

impl Failure {
    /// A frame or a command is longer than allowed.
    pub const TOO_LARGE: Failure = Failure::Errno(Errno::MSGSIZE);
    /// The peer broke the protocol in a way that no event tells of.
    pub const SILENT: Failure = Failure::Errno(Errno::PROTO);
    /// A command that has no place at this point.
    pub const UNEXPECTED_COMMAND: Failure = Failure::Protocol(0x1000_0001);
    /// ERROR without a well-formed reason.
    pub const MALFORMED_ERROR: Failure = Failure::Protocol(0x1000_0015);
    /// The peer speaks another mechanism than the socket.
    pub const MECHANISM_MISMATCH: Failure = Failure::Protocol(0x1100_0002);
}
