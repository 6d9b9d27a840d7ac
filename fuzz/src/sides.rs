//! The sides of a handshake that an input can choose from: each mechanism as client and as server, each socket type.

use super::input::Input;
use std::sync::{Arc, LazyLock};
use zeroize::Zeroizing;
use zmq::crypto::{KEY_BYTES, SecretKey};
use zmq::engine::config::Zap;
use zmq::engine::zmtp::Version;
use zmq::engine::{ClientKeys, Config, Opening, Peer, Progress, Security, ServerKeys, ZapReply, ZapStatus};
use zmq::options::{SocketType, Text};

pub const ALL_TYPES: [SocketType; 21] = [
    SocketType::Pair,
    SocketType::Pub,
    SocketType::Sub,
    SocketType::Req,
    SocketType::Rep,
    SocketType::Dealer,
    SocketType::Router,
    SocketType::Pull,
    SocketType::Push,
    SocketType::Xpub,
    SocketType::Xsub,
    SocketType::Stream,
    SocketType::Server,
    SocketType::Client,
    SocketType::Radio,
    SocketType::Dish,
    SocketType::Gather,
    SocketType::Scatter,
    SocketType::Dgram,
    SocketType::Peer,
    SocketType::Channel,
];

/// A mechanism, named without its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    Null,
    Plain,
    Curve,
    Gssapi,
}

/// The keys are always the same, so that an input means the same each time.
static CLIENT: LazyLock<Arc<ClientKeys>> = LazyLock::new(|| {
    let client = SecretKey::from_bytes(&[7; KEY_BYTES]);
    Arc::new(ClientKeys { public: client.public(), secret: client, server: server_secret().public() })
});

fn server_secret() -> SecretKey {
    SecretKey::from_bytes(&[9; KEY_BYTES])
}

/// New for each input, with the key of its cookies.
fn server_keys() -> Arc<ServerKeys> {
    Arc::new(ServerKeys::new(server_secret()))
}

pub fn security(mechanism: Mechanism, server: bool) -> Security {
    match (mechanism, server) {
        (Mechanism::Null, _) => Security::Null,
        (Mechanism::Plain, true) => Security::PlainServer,
        (Mechanism::Plain, false) => Security::PlainClient {
            username: Zeroizing::new(b"ann".to_vec()),
            password: Zeroizing::new(b"secret".to_vec()),
        },
        (Mechanism::Curve, true) => Security::CurveServer(server_keys()),
        (Mechanism::Curve, false) => Security::CurveClient(Arc::clone(&CLIENT)),
        #[cfg(not(feature = "gssapi"))]
        (Mechanism::Gssapi, _) => Security::Gssapi,
        #[cfg(feature = "gssapi")]
        (Mechanism::Gssapi, _) => gssapi(server),
    }
}

#[cfg(feature = "gssapi")]
fn gssapi(server: bool) -> Security {
    use zmq::options::SocketOptions;
    let mut options = SocketOptions::new(SocketType::Dealer);
    options.mechanism = zmq::options::Mechanism::Gssapi;
    options.as_server = server;
    Security::new(&options, server_keys)
}

/// A side whose socket type, routing id, domain and properties the input chooses.
pub fn config(input: &mut Input<'_>, mechanism: Mechanism, server: bool) -> Config {
    let socket_type = input.one_of(&ALL_TYPES);
    let choices = input.byte();
    let domain = if choices & 1 == 1 { b"domain".to_vec() } else { Vec::new() };
    let mut app_metadata = std::collections::BTreeMap::new();
    if choices & 2 == 2 {
        // Beyond the longest property, and beyond what a handshake may hold. Long ones are wiped
        // wherever they were, which takes longer than a handshake, so they are few.
        let len = match input.byte() {
            len @ 0..250 => usize::from(len),
            250..253 => 30_000,
            253.. => 38_250,
        };
        app_metadata.insert(Text::from(&b"X-long"[..]), Text::from(&vec![b'v'; len][..]));
    }
    let routing_id = if choices & 4 == 4 { input.run().to_vec() } else { Vec::new() };
    Config {
        socket_type,
        security: security(mechanism, server),
        zap: Zap { domain, enforce: choices & 8 == 8, peer_address: b"127.0.0.1".to_vec() },
        routing_id,
        recv_routing_id: choices & 16 == 16,
        app_metadata,
        wall_clock: || 1_800_000_000,
        key_log: None,
    }
}

/// What an authenticator does.
#[derive(Clone, Copy, Debug)]
pub enum Authenticator {
    Absent,
    Says(ZapStatus),
}

impl Authenticator {
    pub fn chosen(input: &mut Input<'_>) -> Authenticator {
        input.one_of(&[
            Authenticator::Says(ZapStatus::Success),
            Authenticator::Says(ZapStatus::TemporaryError),
            Authenticator::Says(ZapStatus::AuthenticationFailure),
            Authenticator::Says(ZapStatus::InternalError),
            Authenticator::Absent,
        ])
    }

    pub fn answer(self, opening: &mut Opening) -> Result<Progress, zmq::engine::Failure> {
        match self {
            Authenticator::Absent => opening.zap_unavailable(),
            Authenticator::Says(status) => {
                let metadata = vec![("Hello".to_owned(), b"World".to_vec())];
                opening.zap_reply(ZapReply { status, text: Vec::new(), user_id: b"ann".to_vec(), metadata })
            }
        }
    }
}

/// What holds of every peer that was let in.
pub fn check_peer(peer: &Peer, config: &Config, mechanism: Mechanism, over_websocket: bool) {
    assert_eq!(peer.codec.is_sealed(), mechanism == Mechanism::Curve, "no other codec than the socket's own");
    if config.authenticates() && !over_websocket {
        assert!(peer.version >= Version::V3_0, "nobody gets in by an older version that knows no mechanism");
    }
    for (at, (name, _)) in peer.properties.iter().enumerate() {
        assert!(!["Peer-Address", "__fd"].contains(&name.as_str()), "no peer tells what is ours to tell");
        assert!(peer.properties[..at].iter().all(|(other, _)| other != name), "names are unlike each other");
    }
    if !config.recv_routing_id {
        assert!(peer.routing_id.is_empty());
    }
}
