//! Definitions shared by the multicast transports.

/// A whole message, frame by frame.
pub type Message = Vec<Vec<u8>>;

/// The limits on a sender's messages.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one frame (`ZMQ_MAXMSGSIZE`); below 0: no limit.
    pub frame: i64,
    /// Bytes of all frames of one message together.
    pub message: u64,
}
