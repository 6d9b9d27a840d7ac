//! What a handshake has to know of the socket.
use crate::options::{Mechanism, SocketOptions, SocketType, Text};
use std::collections::BTreeMap;

/// The part of the socket's options that shows in a handshake.
#[derive(Clone, Debug)]
pub struct Config {
    pub socket_type: SocketType,
    /// The one mechanism spoken; a peer with any other is refused.
    pub mechanism: Mechanism,
    /// Which side of PLAIN and CURVE this is. It never shows in the greeting: libzmq leaves that byte zero.
    pub as_server: bool,
    /// Whether a ZAP domain is set. Peers that speak ZMTP 1 or 2 are refused then: they cannot be authenticated.
    pub zap_domain_set: bool,
    /// Ours, at most 255 bytes. ZMTP 1 and 2 peers always get it, later ones from REQ, DEALER and ROUTER alone.
    pub routing_id: Vec<u8>,
    /// Whether the peer's routing id is wanted; [`Peer::routing_id`](super::Peer) stays empty otherwise.
    pub recv_routing_id: bool,
    /// Further properties for the peer (`ZMQ_METADATA`), sorted by name.
    pub app_metadata: BTreeMap<Text, Text>,
}

impl Config {
    /// Whether only an authenticated peer will do.
    pub fn authenticates(&self) -> bool {
        self.mechanism != Mechanism::Null || self.zap_domain_set
    }
}

impl From<&SocketOptions> for Config {
    fn from(options: &SocketOptions) -> Config {
        Config {
            socket_type: options.socket_type,
            mechanism: options.mechanism,
            as_server: options.as_server,
            zap_domain_set: !options.zap_domain.is_empty(),
            routing_id: options.routing_id.clone(),
            recv_routing_id: options.recv_routing_id,
            app_metadata: options.app_metadata.clone(),
        }
    }
}
