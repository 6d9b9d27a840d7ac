//! Security mechanisms: the commands between the greeting and the first message.
//!
//! One folder or file per mechanism, and in it one file per command on the wire; ERROR is much the same in
//! all of them. A state is a type that takes itself and an event, and returns the next state. `Mechanism`
//! is the closed set of states. No mechanism ever falls back to a weaker one: where a socket may, that takes
//! another connection.
//!
//! A server may have to ask an authenticator ([`zap`](crate::engine::zap)). While it waits for the reply it
//! accepts no command; a peer that sends one is refused, so that commands cannot pile up.

pub mod curve;
mod error;
#[cfg(feature = "gssapi")]
pub mod gssapi;
mod null;
mod plain;
pub mod properties;
#[cfg(feature = "qzmq")]
pub mod qzmq;

#[cfg(test)]
pub(super) mod tests;

use super::config::Security;
use super::zap::{ZapReply, ZapRequest, ZapStatus};
use super::zmtp::greeting;
use super::zmtp::peer::Peer;
use super::zmtp::{PeerGreeting, Version};
use super::{Config, Failure};
use crate::options;
use properties::{Authenticated, PeerProperties};

/// A mechanism that waits for the peer's next command, or for the authenticator.
pub(super) enum Mechanism {
    Null(null::State),
    PlainClient(plain::Client),
    PlainServer(plain::Server),
    CurveClient(Box<curve::Client>),
    CurveServer(Box<curve::Server>),
    #[cfg(feature = "qzmq")]
    QzmqClient(Box<qzmq::Client>),
    #[cfg(feature = "qzmq")]
    QzmqServer(Box<qzmq::Server>),
    #[cfg(feature = "gssapi")]
    GssapiClient(Box<gssapi::Client>),
    #[cfg(feature = "gssapi")]
    GssapiServer(Box<gssapi::Server>),
}

/// The result of an event.
pub(super) enum Step {
    /// A command is due.
    Next(Mechanism),
    /// The authenticator is to be asked.
    Zap(Mechanism, ZapRequest),
    /// The authenticator refused the peer, which was told as much of it as it may know. The connection has no
    /// further use.
    Denied(Mechanism, ZapStatus),
    Ready(Peer),
}

/// The context that a state gets with an event.
pub(super) struct Turn<'a> {
    pub config: &'a Config,
    pub version: Version,
    /// Bytes to send are appended here.
    pub out: &'a mut Vec<u8>,
}

impl Mechanism {
    /// Begins the mechanism of the socket, if the peer speaks the same: appends this side's first command.
    /// Fails with a mechanism mismatch otherwise.
    pub(super) fn start(peer: &PeerGreeting, turn: &mut Turn<'_>) -> Result<Step, Failure> {
        let security = &turn.config.security;
        let named = greeting::mechanism_of(&peer.mechanism).ok_or(Failure::MECHANISM_MISMATCH)?;
        if named != security.mechanism_for(named) {
            let falls_back = named == options::Mechanism::Curve && security.fallback().is_some();
            return Err(if falls_back { Failure::Fallback } else { Failure::MECHANISM_MISMATCH });
        }
        match security {
            Security::Null => Ok(null::start(turn)),
            Security::PlainClient { username, password } => {
                Ok(Step::from(plain::Client::start(username, password, turn)))
            }
            Security::PlainServer => Ok(Step::from(plain::Server::start())),
            Security::CurveClient(keys) => curve::Client::start(keys, turn).map(Step::from),
            Security::CurveServer(keys) => Ok(Step::from(curve::Server::start(keys))),
            #[cfg(feature = "qzmq")]
            Security::QzmqServerBesideCurve(_, keys) if named == options::Mechanism::Curve => {
                Ok(Step::from(curve::Server::start(keys)))
            }
            #[cfg(feature = "qzmq")]
            Security::QzmqClient(keys) | Security::QzmqClientWithFallback(keys, _) => {
                let (ours, theirs) = greetings(peer, turn.config);
                qzmq::Client::start(keys, [&ours, &theirs], turn).map(Step::from)
            }
            #[cfg(feature = "qzmq")]
            Security::QzmqServer(keys) | Security::QzmqServerBesideCurve(keys, _) => {
                let (ours, theirs) = greetings(peer, turn.config);
                Ok(Step::from(qzmq::Server::start(keys, [&theirs, &ours])))
            }
            #[cfg(feature = "gssapi")]
            Security::GssapiClient(settings) => gssapi::Client::start(settings, turn).map(Step::from),
            #[cfg(feature = "gssapi")]
            Security::GssapiServer(settings) => gssapi::Server::start(settings).map(Step::from),
            #[cfg(not(feature = "gssapi"))]
            Security::Gssapi => Err(Failure::MECHANISM_MISMATCH),
        }
    }

    /// Whether a command is refused whose frame has another header than it needs.
    pub(super) fn is_strict(&self) -> bool {
        match self {
            #[cfg(feature = "qzmq")]
            Mechanism::QzmqClient(_) | Mechanism::QzmqServer(_) => true,
            _ => false,
        }
    }

    /// Memory that it keeps of the peer beyond the peer's own bytes, while the authenticator thinks.
    pub(super) fn held_beside(&self) -> usize {
        let kept = match self {
            Mechanism::Null(state) => state.kept(),
            Mechanism::CurveServer(state) => state.kept(),
            #[cfg(feature = "qzmq")]
            Mechanism::QzmqServer(state) => state.kept(),
            _ => None,
        };
        kept.map_or(0, PeerProperties::held_beside)
    }

    /// Takes the body of the peer's next command. The COMMAND flag of its frame does not matter, as in
    /// libzmq, unless the mechanism is strict.
    pub(super) fn command(self, body: &[u8], turn: &mut Turn<'_>) -> Result<Step, Failure> {
        match self {
            Mechanism::Null(state) => state.command(body, turn),
            Mechanism::PlainClient(state) => state.command(body, turn),
            Mechanism::PlainServer(state) => state.command(body, turn),
            Mechanism::CurveClient(state) => state.command(body, turn),
            Mechanism::CurveServer(state) => state.command(body, turn),
            #[cfg(feature = "qzmq")]
            Mechanism::QzmqClient(state) => state.command(body, turn),
            #[cfg(feature = "qzmq")]
            Mechanism::QzmqServer(state) => state.command(body, turn),
            #[cfg(feature = "gssapi")]
            Mechanism::GssapiClient(state) => state.command(body, turn),
            #[cfg(feature = "gssapi")]
            Mechanism::GssapiServer(state) => state.command(body, turn),
        }
    }

    /// Takes the authenticator's reply. One without a request is ignored.
    pub(super) fn zap_reply(self, reply: ZapReply, turn: &mut Turn<'_>) -> Result<Step, Failure> {
        match self {
            Mechanism::Null(state) => state.zap_reply(reply, turn),
            Mechanism::PlainServer(state) => state.zap_reply(reply, turn),
            Mechanism::CurveServer(state) => state.zap_reply(reply, turn),
            #[cfg(feature = "qzmq")]
            Mechanism::QzmqServer(state) => state.zap_reply(reply, turn),
            #[cfg(feature = "qzmq")]
            Mechanism::QzmqClient(_) => Ok(Step::Next(self)),
            #[cfg(feature = "gssapi")]
            Mechanism::GssapiServer(state) => state.zap_reply(reply, turn),
            #[cfg(feature = "gssapi")]
            Mechanism::GssapiClient(_) => Ok(Step::Next(self)),
            Mechanism::PlainClient(_) | Mechanism::CurveClient(_) => Ok(Step::Next(self)),
        }
    }

    /// There is no authenticator to ask.
    pub(super) fn zap_unavailable(self, turn: &mut Turn<'_>) -> Result<Step, Failure> {
        match self {
            Mechanism::Null(state) => state.zap_unavailable(turn),
            Mechanism::PlainServer(state) => state.zap_unavailable(),
            Mechanism::CurveServer(state) => state.zap_unavailable(turn),
            #[cfg(feature = "qzmq")]
            Mechanism::QzmqServer(state) => state.zap_unavailable(turn),
            #[cfg(feature = "qzmq")]
            Mechanism::QzmqClient(_) => Ok(Step::Next(self)),
            #[cfg(feature = "gssapi")]
            Mechanism::GssapiServer(state) => state.zap_unavailable(turn),
            #[cfg(feature = "gssapi")]
            Mechanism::GssapiClient(_) => Ok(Step::Next(self)),
            Mechanism::PlainClient(_) | Mechanism::CurveClient(_) => Ok(Step::Next(self)),
        }
    }
}

/// Accepts the peer if the authenticator does. Otherwise returns the denial, and appends the mechanism's
/// ERROR if the peer may know.
fn admit(
    reply: ZapReply,
    out: &mut Vec<u8>,
    append_error: fn(&mut Vec<u8>, &[u8]),
) -> Result<Authenticated, ZapStatus> {
    reply.admit().inspect_err(|status| {
        if let Some(reason) = status.reason() {
            append_error(out, reason);
        }
    })
}

/// Our greeting and the peer's; both are empty where an HTTP upgrade took their place.
#[cfg(feature = "qzmq")]
fn greetings(peer: &PeerGreeting, config: &Config) -> (Vec<u8>, Vec<u8>) {
    match &peer.bytes {
        Some(theirs) => (greeting::ours(config, options::Mechanism::Qzmq).to_vec(), theirs.to_vec()),
        None => Default::default(),
    }
}

/// Commands have a name of at least one byte. Servers report its lack; in other states the command is
/// unexpected.
fn check_name(body: &[u8]) -> Result<(), Failure> {
    match body.split_first() {
        Some((name_len, rest)) if !rest.is_empty() && rest.len() >= usize::from(*name_len) => Ok(()),
        _ => Err(Failure::MALFORMED_COMMAND),
    }
}
