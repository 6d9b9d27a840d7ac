//! What is known of the other side: from its greeting, and after the handshake.

use super::Version;
use crate::engine::Codec;

/// Whom we talk to.
#[derive(Debug)]
#[cfg_attr(test, derive(PartialEq))]
pub struct Peer {
    /// libzmq raises `ZMQ_EVENT_HANDSHAKE_SUCCEEDED` for V3 peers only.
    pub version: Version,
    /// Empty if it told none, or if [`Config::recv_routing_id`](crate::engine::Config::recv_routing_id) is not set.
    pub routing_id: Vec<u8>,
    /// As it calls itself; only V3 peers do.
    pub socket_type: Option<String>,
    /// What the authenticator told of it, "User-Id" first; then all that it told of itself, with the two above among
    /// it. Names are unlike each other.
    pub properties: Vec<(String, Vec<u8>)>,
    /// It will never send a subscription, being ZMTP 1.0 without a greeting, yet we are PUB or XPUB: it
    /// counts as subscribed to everything. The pipe gets a subscription to the empty topic right after the
    /// routing id.
    pub phantom_subscription: bool,
    /// How its frames are coded, both ways.
    pub codec: Codec,
}

/// A greeting of ZMTP 3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerGreeting {
    /// V3_0 or V3_1; revisions from the future, and the unused 2, count as 3.1.
    pub version: Version,
    /// Padded with zeros; not checked here.
    pub mechanism: [u8; 20],
    /// No libzmq sets it, whichever side of the mechanism it is, so it tells nothing.
    pub as_server: bool,
}
