//! The server's side.

use super::cookie::CookieId;
use super::keys::{KeyPair, ServerKeys};
use super::message::{Counters, CurveCodec};
use super::ready::Ready;
use super::welcome::{self, Welcome};
use super::{hello, initiate, nonce, ready};
use crate::crypto::keys::keypair;
use crate::crypto::{PublicKey, SharedKey};
use crate::engine::Failure;
use crate::engine::codec::Codec;
use crate::engine::mechanism::properties::{self, Authenticated, PeerProperties};
use crate::engine::mechanism::{Mechanism, Step, Turn, admit, error};
use crate::engine::zap::{ZapReply, ZapRequest};
use std::sync::Arc;
use zeroize::Zeroizing;

const READY_COUNTER: u64 = 1;

/// What a server waits for.
pub enum Server {
    Hello(AwaitHello),
    Initiate(AwaitInitiate),
    Zap(AwaitZap),
    Denied(Denied),
}

/// Nothing is known yet.
pub struct AwaitHello {
    keys: Arc<ServerKeys>,
}

/// WELCOME is sent. Our short-term key is in the cookie and nowhere else.
pub struct AwaitInitiate {
    keys: Arc<ServerKeys>,
    /// The key that the client knows us by.
    pair: Arc<KeyPair>,
    /// The client's short-term key.
    client: PublicKey,
    cookie: CookieId,
    /// The client's counter.
    theirs: u64,
}

/// The client is who it says it is; whether we want it is for the authenticator to say.
pub struct AwaitZap(Known);

/// The authenticator said no.
pub struct Denied(());

/// A client that has said all that it has to say.
struct Known {
    /// Of the short-term keys.
    key: SharedKey,
    /// The client's counter.
    theirs: u64,
    peer: PeerProperties,
}

impl Server {
    pub fn start(keys: &Arc<ServerKeys>) -> Server {
        Server::Hello(AwaitHello { keys: Arc::clone(keys) })
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
                Ok(told) => known.let_in(told, turn),
                Err(status) => Ok(Step::Denied(Server::Denied(Denied(())).into(), status)),
            },
            Server::Hello(_) | Server::Initiate(_) | Server::Denied(_) => Ok(Step::from(self)),
        }
    }

    /// Goes on without, unless a domain is enforced.
    pub fn zap_unavailable(self, turn: &mut Turn<'_>) -> Result<Step, Failure> {
        match self {
            Server::Zap(_) if turn.config.zap.enforce => Err(Failure::NO_AUTHENTICATOR),
            Server::Zap(AwaitZap(known)) => known.let_in(Authenticated::default(), turn),
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
    /// Bad properties end the connection without an event.
    fn command(mut self, body: &[u8], turn: &mut Turn<'_>) -> Result<Step, Failure> {
        let envelope = initiate::parse(body)?;
        nonce::rise(&mut self.theirs, envelope.counter)?;
        let (client, secret) = self.keys.cookies().open(&self.cookie, envelope.cookie)?;
        if client != self.client {
            return Err(Failure::CRYPTOGRAPHIC);
        }
        let key = SharedKey::new(&client, &secret).map_err(|_| Failure::CRYPTOGRAPHIC)?;
        let initiate = envelope.open(&key, &secret, &client, &self.pair)?;
        let peer = PeerProperties::parse(&initiate.metadata, turn.config).map_err(Failure::Errno)?;
        let known = Known { key, theirs: self.theirs, peer };
        let zap = &turn.config.zap;
        // Without a domain but with the duty to have one there is nothing to ask: encryption alone, as with libzmq.
        if zap.enforce && !zap.has_domain() {
            return known.let_in(Authenticated::default(), turn);
        }
        let credentials = vec![Zeroizing::new(initiate.client.as_bytes().to_vec())];
        let request = ZapRequest::new(zap, &turn.config.routing_id, "CURVE", credentials);
        Ok(Step::Zap(Server::Zap(AwaitZap(known)).into(), request))
    }
}

impl Known {
    /// Appends our READY.
    fn let_in(self, told: Authenticated, turn: &mut Turn<'_>) -> Result<Step, Failure> {
        let mut metadata = Vec::new();
        properties::append_ours(&mut metadata, turn.config);
        ready::append(turn.out, &self.key, &Ready { counter: READY_COUNTER, metadata })?;
        let counters = Counters { ours: READY_COUNTER, theirs: self.theirs };
        let codec = Codec::curve(CurveCodec::of_server(&self.key, counters, turn.version));
        Ok(Step::Ready(self.peer.into_peer(turn, told, codec)))
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
