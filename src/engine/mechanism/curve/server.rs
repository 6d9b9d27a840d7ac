//! The server's side.

use super::cookie::CookieId;
use super::keys::{KeyPair, ServerKeys};
use super::message::{Counters, CurveCodec};
use super::ready::Ready;
use super::welcome::{self, Welcome};
use super::{hello, initiate, log_key, nonce, ready};
#[cfg(feature = "qzmq")]
use crate::crypto::certificate::Refusal;
use crate::crypto::keys::keypair;
use crate::crypto::{PublicKey, SharedKey};
use crate::engine::Failure;
use crate::engine::codec::Codec;
use crate::engine::mechanism::properties::{self, Authenticated, PeerProperties};
use crate::engine::mechanism::{Mechanism, Step, Turn, admit, error};
use crate::engine::zap::{ZapReply, ZapRequest};
use crate::engine::zmtp::peer::Peer;
use std::sync::Arc;
use zeroize::Zeroizing;

const READY_COUNTER: u64 = 1;

/// The states of a server, by the command it waits for.
pub enum Server {
    Hello(AwaitHello),
    Initiate(AwaitInitiate),
    Zap(AwaitZap),
    Denied(Denied),
}

/// Initial state: no command was received.
pub struct AwaitHello {
    keys: Arc<ServerKeys>,
}

/// WELCOME is sent. Our short-term key is only in the cookie.
pub struct AwaitInitiate {
    keys: Arc<ServerKeys>,
    /// The key pair by which the client knows this server.
    pair: Arc<KeyPair>,
    /// The client's short-term key.
    client: PublicKey,
    cookie: CookieId,
    /// The client's counter.
    theirs: u64,
}

/// The client has proved its identity; the authenticator decides whether to accept it.
pub struct AwaitZap(Known);

/// The authenticator refused the client.
pub struct Denied(());

/// A client whose INITIATE was accepted.
struct Known {
    /// The key of the short-term key pairs.
    key: SharedKey,
    client: PublicKey,
    /// The client's counter.
    theirs: u64,
    peer: PeerProperties,
}

impl Server {
    pub fn start(keys: &Arc<ServerKeys>) -> Server {
        Server::Hello(AwaitHello { keys: Arc::clone(keys) })
    }

    /// What a client has said of itself before the authenticator has answered.
    pub fn kept(&self) -> Option<&PeerProperties> {
        if let Server::Zap(AwaitZap(known)) = self { Some(&known.peer) } else { None }
    }

    pub fn command(self, body: &[u8], turn: &mut Turn<'_>) -> Result<Step, Failure> {
        match self {
            Server::Hello(state) => state.command(body, turn).map(|next| Step::from(Server::Initiate(next))),
            Server::Initiate(state) => state.command(body, turn),
            Server::Zap(_) | Server::Denied(_) => Err(Failure::UNSPECIFIED),
        }
    }

    pub fn zap_reply(self, reply: ZapReply, turn: &mut Turn<'_>) -> Result<Step, Failure> {
        match self {
            Server::Zap(AwaitZap(known)) => match admit(reply, turn.out, error::append) {
                Ok(told) => known.finish(told, turn),
                Err(status) => Ok(Step::Denied(Server::Denied(Denied(())).into(), status)),
            },
            Server::Hello(_) | Server::Initiate(_) | Server::Denied(_) => Ok(Step::from(self)),
        }
    }

    /// Goes on without an authenticator, unless a domain is enforced.
    pub fn zap_unavailable(self, turn: &mut Turn<'_>) -> Result<Step, Failure> {
        match self {
            Server::Zap(_) if turn.config.zap.enforce => Err(Failure::NO_AUTHENTICATOR),
            Server::Zap(AwaitZap(known)) => known.finish_unasked(turn),
            Server::Hello(_) | Server::Initiate(_) | Server::Denied(_) => Ok(Step::from(self)),
        }
    }
}

impl AwaitHello {
    fn command(self, body: &[u8], turn: &mut Turn<'_>) -> Result<AwaitInitiate, Failure> {
        let hello = hello::parse(body)?;
        let (pair, key) = hello.open(self.keys.pairs())?;
        let (server, secret) = keypair().map_err(Failure::Own)?;
        let (id, cookie) = self.keys.cookies().seal(&hello.client, &secret)?;
        welcome::append(turn.out, &key, &Welcome { server, cookie })?;
        Ok(AwaitInitiate { keys: self.keys, pair, client: hello.client, cookie: id, theirs: hello.counter })
    }
}

impl AwaitInitiate {
    /// Invalid properties end the connection without an event.
    fn command(mut self, body: &[u8], turn: &mut Turn<'_>) -> Result<Step, Failure> {
        let envelope = initiate::parse(body)?;
        nonce::rise(&mut self.theirs, envelope.counter)?;
        let (client, secret) = self.keys.cookies().open(&self.cookie, envelope.cookie)?;
        if client != self.client {
            return Err(Failure::CRYPTOGRAPHIC);
        }
        let key = SharedKey::new(&client, &secret).map_err(|_| Failure::CRYPTOGRAPHIC)?;
        log_key(turn.config, &client, &key);
        let initiate = envelope.open(&key, &secret, &client, &self.pair)?;
        #[cfg(feature = "qzmq")]
        if turn.config.security.revokes(initiate.client.as_bytes()) {
            return Err(Failure::Uncertified(Refusal::Revoked));
        }
        let peer = PeerProperties::parse(&initiate.metadata, turn.config).map_err(Failure::Errno)?;
        let known = Known { key, client: initiate.client, theirs: self.theirs, peer };
        let zap = &turn.config.zap;
        // Enforcement without a domain gives the authenticator nothing to check: only encryption, as in
        // libzmq.
        if zap.enforce && !zap.has_domain() {
            return known.finish_unasked(turn);
        }
        let credentials = vec![Zeroizing::new(initiate.client.as_bytes().to_vec())];
        let request = ZapRequest::new(zap, &turn.config.routing_id, "CURVE", credentials);
        Ok(Step::Zap(Server::Zap(AwaitZap(known)).into(), request))
    }
}

impl Known {
    /// There is no authenticator. A client of CURVE has no certificate, so it is refused where QZMQ beside it wants one.
    fn finish_unasked(self, turn: &mut Turn<'_>) -> Result<Step, Failure> {
        #[cfg(feature = "qzmq")]
        if turn.config.security.wants_certificates() {
            return Err(Failure::Uncertified(Refusal::NoCertificate));
        }
        self.finish(Authenticated::default(), turn)
    }

    /// Appends our READY.
    fn finish(self, told: Authenticated, turn: &mut Turn<'_>) -> Result<Step, Failure> {
        let mut metadata = Vec::new();
        properties::append_ours(&mut metadata, turn.config);
        ready::append(turn.out, &self.key, &Ready { counter: READY_COUNTER, metadata })?;
        let counters = Counters { ours: READY_COUNTER, theirs: self.theirs };
        let codec = Codec::curve(CurveCodec::of_server(&self.key, counters, turn.version));
        let peer = self.peer.into_peer(turn, told, codec);
        Ok(Step::Ready(Peer { public_key: Some(self.client), ..peer }))
    }
}

impl From<Server> for Mechanism {
    fn from(state: Server) -> Mechanism {
        Mechanism::CurveServer(Box::new(state))
    }
}

impl From<Server> for Step {
    fn from(state: Server) -> Step {
        Step::Next(state.into())
    }
}
