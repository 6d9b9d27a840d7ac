//! The facts about the other side: from its greeting, and after the handshake.

use super::Version;
use crate::crypto::PublicKey;
use crate::engine::Codec;

/// Bytes of a greeting of ZMTP 3.
pub const GREETING_BYTES: usize = 64;

/// The peer of a connection.
#[derive(Debug)]
#[cfg_attr(test, derive(PartialEq))]
pub struct Peer {
    /// libzmq raises `ZMQ_EVENT_HANDSHAKE_SUCCEEDED` for V3 peers only.
    pub version: Version,
    /// Empty if it sent none, or if [`Config::recv_routing_id`](crate::engine::Config::recv_routing_id) is
    /// not set.
    pub routing_id: Vec<u8>,
    /// The name it sent; only V3 peers do.
    pub socket_type: Option<String>,
    /// The authenticator's properties, "User-Id" first; then all that the peer sent, including the two above.
    /// Their names differ.
    pub properties: Vec<(String, Vec<u8>)>,
    /// Of a client of CURVE, which has proved it to be its own.
    pub public_key: Option<PublicKey>,
    /// It will never send a subscription, as a ZMTP 1.0 peer without a greeting, although this socket is PUB
    /// or XPUB. It counts as subscribed to everything: the pipe gets a subscription to the empty topic right
    /// after the routing id.
    pub phantom_subscription: bool,
    /// The encoding of its frames, both ways.
    pub codec: Codec,
}

/// A greeting of ZMTP 3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerGreeting {
    /// V3_0 or V3_1; later revisions, and the unused 2, count as 3.1.
    pub version: Version,
    /// Padded with zeros; not checked here.
    pub mechanism: [u8; 20],
    /// No libzmq sets it, on either side of the mechanism, so it carries no information.
    pub as_server: bool,
    /// All of it; `None` where an HTTP upgrade took its place.
    pub bytes: Option<[u8; GREETING_BYTES]>,
}
