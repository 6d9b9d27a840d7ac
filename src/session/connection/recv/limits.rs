//! What a peer may send, by the options of the socket.

use crate::options::{SocketOptions, SocketType};

/// What a peer may send.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one frame (`ZMQ_MAXMSGSIZE`); below 0: no limit.
    pub frame: i64,
    /// Bytes of all frames of one message together, the headers of all but the first among them: frames with nothing
    /// in them cost something too.
    pub message: u64,
    /// The socket wants the peer's subscriptions: SUBSCRIBE and CANCEL, JOIN and LEAVE.
    pub subscriptions: bool,
}

impl Limits {
    pub fn of(options: &SocketOptions) -> Limits {
        let message = match u64::try_from(options.maxmsgsize) {
            Ok(frame) => frame.saturating_mul(u64::from(options.max_multipart_factor.unsigned_abs().max(1))),
            Err(_) => u64::MAX,
        };
        let subscriptions =
            matches!(options.socket_type, SocketType::Pub | SocketType::Xpub | SocketType::Radio);
        Limits { frame: options.maxmsgsize, message, subscriptions }
    }
}
