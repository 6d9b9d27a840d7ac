//! ZWS 2.0 (RFC 45): the commands and messages of ZMTP in WebSocket frames (RFC 6455).
//!
//! A connection begins with an HTTP request ([`upgrade`]), in which both sides agree on a [`Subprotocol`] and
//! so on a mechanism. Each command and each frame of a message is then a binary frame of its own ([`frame`]).
//! Its first byte says whether more frames of the message follow, and whether it is a command. Heartbeats are
//! WebSocket's own. Subscriptions are messages, as in ZMTP 3.0.
//!
//! With QZMQ the messages are in records, and each of those is a binary frame ([`records`]).

pub mod codec;
pub mod frame;
pub mod handshake;
pub mod mask;
#[cfg(feature = "qzmq")]
pub mod records;
pub mod upgrade;

#[cfg(test)]
mod tests;

pub use codec::{Incoming, Outgoing, codec};
pub use frame::{Opcode, WsHeader};
pub use handshake::Handshake;
pub use mask::Masks;
pub use upgrade::Subprotocol;

/// This side's role in the connection. Clients mask their frames, servers never do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// `host` and `path` go into the request: only visible ASCII.
    Client {
        host: String,
        path: String,
    },
    Server,
}

impl Role {
    /// The masks for outgoing frames.
    pub fn masks(&self) -> Option<Masks> {
        match self {
            Role::Client { .. } => Some(Masks::default()),
            Role::Server => None,
        }
    }

    /// Whether the peer has to mask its frames.
    pub fn peer_masks(&self) -> bool {
        *self == Role::Server
    }
}
