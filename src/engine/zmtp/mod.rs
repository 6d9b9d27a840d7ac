//! ZMTP, the ZeroMQ Message Transport Protocol: 3.1 (RFC 37), and the older 3.0 (RFC 23), 2.0 (RFC 15) and
//! 1.0 (RFC 13).
//!
//! Data phase, by [`Version`]: V2 and later have the same frames ([`frame`]), V1 has its own form ([`v1`]).
//! V3 peers may send commands ([`command`]) and be sent PING ([`heartbeat`]); a V2 peer's frames with the
//! COMMAND flag are dropped. V3.1 peers take subscriptions as commands, all others as messages
//! ([`subscription`]).

mod handshake_frame;
pub mod command;
pub mod frame;
pub mod greeting;
pub mod handshake;
pub mod heartbeat;
pub mod outgoing;
pub mod peer;
mod signs_of_life;
pub mod socket_type;
pub mod subscription;
pub mod v1;
mod version;

#[cfg(test)]
pub(super) mod tests;

pub use handshake_frame::{MAX_BODY_BYTES as MAX_HANDSHAKE_BODY, make_room};
pub(super) use peer::PeerGreeting;
pub use version::Version;
