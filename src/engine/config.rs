//! The socket's settings that a handshake needs.
use super::mechanism::curve::keys::{ClientKeys, ServerKeys};
#[cfg(feature = "gssapi")]
use super::mechanism::gssapi::Settings;
#[cfg(feature = "qzmq")]
use super::mechanism::qzmq::keys as qzmq;
use crate::options::{Mechanism, SocketOptions, SocketType, Text};
use crate::sys::keylog::{KeyLog, key_log};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use zeroize::Zeroizing;

/// The socket's options that matter in a handshake.
#[derive(Clone, Debug)]
pub struct Config {
    pub socket_type: SocketType,
    /// The only mechanism spoken; a peer with another one is refused.
    pub security: Security,
    pub zap: Zap,
    /// Our routing id, at most 255 bytes. ZMTP 1 and 2 peers always get it, later ones only from REQ, DEALER
    /// and ROUTER.
    pub routing_id: Vec<u8>,
    /// Whether the socket uses the peer's routing id; [`Peer::routing_id`](super::Peer) stays empty
    /// otherwise.
    pub recv_routing_id: bool,
    /// Further properties for the peer (`ZMQ_METADATA`), sorted by name.
    pub app_metadata: BTreeMap<Text, Text>,
    /// Seconds since 1970, in UTC.
    pub wall_clock: fn() -> u64,
    /// What writes the keys of connections for dissectors.
    pub key_log: Option<KeyLog>,
}

/// A mechanism, this side's role in it, and the role's keys or credentials. The greeting never shows the
/// role: libzmq leaves that byte zero.
#[derive(Clone)]
pub enum Security {
    Null,
    /// User name and password, at most 255 bytes each.
    PlainClient {
        username: Zeroizing<Vec<u8>>,
        password: Zeroizing<Vec<u8>>,
    },
    PlainServer,
    CurveClient(Arc<ClientKeys>),
    /// Shared by all connections of a server: keys added later must reach each of them.
    CurveServer(Arc<ServerKeys>),
    #[cfg(feature = "qzmq")]
    QzmqClient(Arc<qzmq::ClientKeys>),
    #[cfg(feature = "qzmq")]
    QzmqServer(Arc<qzmq::ServerKeys>),
    /// QZMQ. Where the server names CURVE there is another connection, with [`fallback`](Security::fallback).
    #[cfg(feature = "qzmq")]
    QzmqClientWithFallback(Arc<qzmq::ClientKeys>, Arc<ClientKeys>),
    /// QZMQ, and CURVE with clients that name that.
    #[cfg(feature = "qzmq")]
    QzmqServerBesideCurve(Arc<qzmq::ServerKeys>, Arc<ServerKeys>),
    #[cfg(feature = "gssapi")]
    GssapiClient(Arc<Settings>),
    #[cfg(feature = "gssapi")]
    GssapiServer(Arc<Settings>),
    /// Never spoken: a socket that chose it connects to no peer.
    #[cfg(not(feature = "gssapi"))]
    Gssapi,
}

/// The authentication of peers.
#[derive(Clone, Debug, Default)]
pub struct Zap {
    /// `ZMQ_ZAP_DOMAIN`. Where one is set, NULL peers are authenticated too. Peers that speak ZMTP 1 or 2
    /// cannot be, and are refused.
    pub domain: Vec<u8>,
    /// `ZMQ_ZAP_ENFORCE_DOMAIN`: without an authenticator no peer is accepted.
    pub enforce: bool,
    /// The peer's address for the authenticator: its IP address without a port; for ipc as in libzmq.
    pub peer_address: Vec<u8>,
}

/// Seconds since 1970, in UTC; 0 before.
fn wall_clock_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl Config {
    /// The settings of a connection to or from `peer_address`; see [`Zap::peer_address`].
    pub fn new(options: &SocketOptions, security: Security, peer_address: &str) -> Config {
        Config {
            socket_type: options.socket_type,
            security,
            zap: Zap {
                domain: options.zap_domain.as_bytes().to_vec(),
                enforce: options.zap_enforce_domain,
                peer_address: peer_address.as_bytes().to_vec(),
            },
            routing_id: options.routing_id.clone(),
            recv_routing_id: options.recv_routing_id,
            app_metadata: options.app_metadata.clone(),
            wall_clock: wall_clock_s,
            key_log: key_log(),
        }
    }

    /// With what a client connects with after a server has named CURVE.
    pub fn falling_back(mut self) -> Config {
        self.security = self.security.fallback().unwrap_or(self.security);
        self
    }

    /// Whether peers have to be authenticated.
    pub fn authenticates(&self) -> bool {
        !matches!(self.security, Security::Null) || self.zap.has_domain()
    }
}

impl Security {
    /// The mechanism that the options select. `server` is called only for a CURVE server, and returns its
    /// keys.
    pub fn new(options: &SocketOptions, server: impl FnOnce() -> Arc<ServerKeys>) -> Security {
        // The options limit these to 255 bytes, the range of a length byte.
        let brief = |text: &Text| {
            let bytes = text.as_bytes();
            Zeroizing::new(bytes.get(..usize::from(u8::MAX)).unwrap_or(bytes).to_vec())
        };
        match (options.mechanism, options.as_server) {
            (Mechanism::Null, _) => Security::Null,
            (Mechanism::Plain, true) => Security::PlainServer,
            (Mechanism::Plain, false) => Security::PlainClient {
                username: brief(&options.plain_username),
                password: brief(&options.plain_password),
            },
            (Mechanism::Curve, true) => Security::CurveServer(server()),
            (Mechanism::Curve, false) => Security::CurveClient(Arc::new(ClientKeys::from_bytes(
                &options.curve_public_key,
                &options.curve_secret_key,
                &options.curve_server_key,
            ))),
            // No option has this value: the keys decide.
            (Mechanism::Qzmq, _) => Security::Null,
            #[cfg(feature = "gssapi")]
            (Mechanism::Gssapi, true) => Security::GssapiServer(Arc::new(Settings::from(options))),
            #[cfg(feature = "gssapi")]
            (Mechanism::Gssapi, false) => Security::GssapiClient(Arc::new(Settings::from(options))),
            #[cfg(not(feature = "gssapi"))]
            (Mechanism::Gssapi, _) => Security::Gssapi,
        }
    }

    /// A connection has come, or is made; `now_ms` is of any clock that does not go back. Keys of cookies and tickets change with time,
    /// and a server wants cookies under load.
    pub fn note_connection(&self, now_ms: u64) {
        match self {
            Security::CurveServer(keys) => keys.rotate_cookies(now_ms),
            #[cfg(feature = "qzmq")]
            Security::QzmqClient(keys) | Security::QzmqClientWithFallback(keys, _) => {
                keys.note_connection(now_ms);
            }
            #[cfg(feature = "qzmq")]
            Security::QzmqServer(keys) => keys.note_connection(now_ms),
            #[cfg(feature = "qzmq")]
            Security::QzmqServerBesideCurve(keys, curve) => {
                keys.note_connection(now_ms);
                curve.rotate_cookies(now_ms);
            }
            _ => {}
        }
    }

    /// The mechanism, or the first of several.
    pub fn mechanism(&self) -> Mechanism {
        match self {
            Security::Null => Mechanism::Null,
            Security::PlainClient { .. } | Security::PlainServer => Mechanism::Plain,
            Security::CurveClient(_) | Security::CurveServer(_) => Mechanism::Curve,
            #[cfg(feature = "qzmq")]
            Security::QzmqClient(_)
            | Security::QzmqServer(_)
            | Security::QzmqClientWithFallback(..)
            | Security::QzmqServerBesideCurve(..) => Mechanism::Qzmq,
            #[cfg(feature = "gssapi")]
            Security::GssapiClient(_) | Security::GssapiServer(_) => Mechanism::Gssapi,
            #[cfg(not(feature = "gssapi"))]
            Security::Gssapi => Mechanism::Gssapi,
        }
    }
}

#[cfg(feature = "qzmq")]
impl Security {
    /// The mechanism for a peer: the one that the peer has named, if it is one of several of this side.
    pub fn mechanism_for(&self, named: Mechanism) -> Mechanism {
        match (self, named) {
            (Security::QzmqServerBesideCurve(..), Mechanism::Curve) => Mechanism::Curve,
            _ => self.mechanism(),
        }
    }

    /// Whether this side names its mechanism only after the peer has.
    pub fn is_several(&self) -> bool {
        matches!(self, Security::QzmqServerBesideCurve(..))
    }

    /// Whether a server that asks no authenticator lets in certified clients alone, over any mechanism.
    pub fn wants_certificates(&self) -> bool {
        match self {
            Security::QzmqServer(keys) | Security::QzmqServerBesideCurve(keys, _) => {
                keys.wants_certificates()
            }
            _ => false,
        }
    }

    /// Whether a server of QZMQ accepts a client's key of CURVE no more: one that takes both has one list of what is revoked.
    pub fn revokes(&self, key: &[u8; 32]) -> bool {
        matches!(self, Security::QzmqServerBesideCurve(keys, _) if keys.revokes(key))
    }

    /// What a client connects with instead, after a server has named CURVE. Nothing where the server's key of CURVE is revoked.
    pub fn fallback(&self) -> Option<Security> {
        match self {
            Security::QzmqClientWithFallback(qzmq, curve) if !qzmq.revokes(curve.server.as_bytes()) => {
                Some(Security::CurveClient(Arc::clone(curve)))
            }
            _ => None,
        }
    }
}

#[cfg(not(feature = "qzmq"))]
impl Security {
    /// The only mechanism.
    pub fn mechanism_for(&self, _named: Mechanism) -> Mechanism {
        self.mechanism()
    }

    /// Never, without QZMQ.
    pub fn is_several(&self) -> bool {
        false
    }

    /// Nothing, without QZMQ.
    pub fn fallback(&self) -> Option<Security> {
        None
    }
}

impl fmt::Debug for Security {
    /// Only the kind: the rest holds secrets, which belong in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Security::Null => "Null",
            Security::PlainClient { .. } => "PlainClient",
            Security::PlainServer => "PlainServer",
            Security::CurveClient(_) => "CurveClient",
            Security::CurveServer(_) => "CurveServer",
            #[cfg(feature = "qzmq")]
            Security::QzmqClient(_) => "QzmqClient",
            #[cfg(feature = "qzmq")]
            Security::QzmqServer(_) => "QzmqServer",
            #[cfg(feature = "qzmq")]
            Security::QzmqClientWithFallback(..) => "QzmqClientWithFallback",
            #[cfg(feature = "qzmq")]
            Security::QzmqServerBesideCurve(..) => "QzmqServerBesideCurve",
            #[cfg(feature = "gssapi")]
            Security::GssapiClient(_) => "GssapiClient",
            #[cfg(feature = "gssapi")]
            Security::GssapiServer(_) => "GssapiServer",
            #[cfg(not(feature = "gssapi"))]
            Security::Gssapi => "Gssapi",
        })
    }
}

impl Zap {
    pub fn has_domain(&self) -> bool {
        !self.domain.is_empty()
    }
}
