//! ZMTP, the ZeroMQ Message Transport Protocol: 3.1 (RFC 37), and its elders 3.0 (RFC 23), 2.0 (RFC 15) and
//! 1.0 (RFC 13).
//!
//! Data phase, by [`Version`]: V2 and later frame alike ([`frame`]), V1 has its own form ([`v1`]). V3 peers
//! may send commands ([`command`]) and be sent PING ([`heartbeat`]); a V2 peer's frames with the COMMAND flag
//! are dropped. V3.1 peers take subscriptions as commands, all others as messages ([`subscription`]).

mod assembler;
pub mod command;
pub mod frame;
pub mod greeting;
pub mod handshake;
pub mod heartbeat;
pub mod outgoing;
pub mod socket_type;
pub mod subscription;
pub mod v1;

#[cfg(test)]
pub(super) mod tests;

pub use assembler::MAX_BODY as MAX_HANDSHAKE_BODY;
pub(super) use greeting::PeerGreeting;

/// What a peer speaks; what both speak, since ours is the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// ZMTP 1.0, with a greeting or without.
    V1,
    /// ZMTP 2.0.
    V2,
    /// ZMTP 3.0.
    V3_0,
    /// ZMTP 3.1, and whatever comes after it.
    V3_1,
}

impl Version {
    /// Whether a frame with the COMMAND flag means something, PING among others. Where not, such frames of a V2
    /// peer are dropped, and no heartbeat is kept.
    pub fn has_commands(self) -> bool {
        self >= Version::V3_0
    }

    /// Whether the peer takes SUBSCRIBE and CANCEL commands rather than messages.
    pub fn takes_subscription_commands(self) -> bool {
        self >= Version::V3_1
    }
}
