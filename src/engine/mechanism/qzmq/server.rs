//! The server's side.

use super::cookie::{Bond, CONNECTION_BYTES};
use super::hello::{self, Hello, Identity, Mode};
use super::initiate;
use super::keys::ServerKeys;
use super::ready::{self, Ready};
use super::refusal;
use super::retry;
use super::schedule::{Purpose, Schedule};
use super::suite::Suite;
use super::traffic::{Limits, Role};
use super::welcome;
use crate::crypto::{KemPublic, random};
use crate::engine::Failure;
use crate::engine::codec::Codec;
use crate::engine::mechanism::error;
use crate::engine::mechanism::properties::{self, Authenticated, PeerProperties};
use crate::engine::mechanism::{Mechanism, Step, Turn};
use crate::engine::zap::{ZapReply, ZapRequest};
use crate::engine::zmtp::frame;
use crate::message::COMMAND;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The states of a server, by the event it waits for.
pub enum Server {
    Hello(AwaitHello),
    Initiate(Box<AwaitInitiate>),
    Zap(AwaitZap),
    Denied(Denied),
}

/// Nothing has been received.
pub struct AwaitHello {
    keys: Arc<ServerKeys>,
    /// The client's and ours, empty where there are none.
    greetings: [Vec<u8>; 2],
    /// What cookies of this connection are bound to, once one is given.
    bound: Option<[u8; CONNECTION_BYTES]>,
}

/// WELCOME is sent.
pub struct AwaitInitiate {
    keys: Arc<ServerKeys>,
    suite: Suite,
    schedule: Schedule,
    identity: Identity,
}

/// The client has proved its identity; the authenticator decides whether to accept it.
pub struct AwaitZap(Known);

/// The authenticator refused the client.
pub struct Denied(());

/// A client whose INITIATE was accepted.
struct Known {
    suite: Suite,
    schedule: Schedule,
    peer: PeerProperties,
    limits: Limits,
}

impl Server {
    /// `greetings`: the client's and ours, empty where there are none.
    pub fn start(keys: &Arc<ServerKeys>, greetings: [&[u8]; 2]) -> Server {
        let greetings = greetings.map(<[u8]>::to_vec);
        Server::Hello(AwaitHello { keys: Arc::clone(keys), greetings, bound: None })
    }

    pub fn command(self, body: &[u8], turn: &mut Turn<'_>) -> Result<Step, Failure> {
        match self {
            Server::Hello(state) => state.command(body, turn),
            Server::Initiate(state) => state.command(body, turn),
            Server::Zap(_) | Server::Denied(_) => Err(Failure::UNSPECIFIED),
        }
    }

    pub fn zap_reply(self, reply: ZapReply, turn: &mut Turn<'_>) -> Result<Step, Failure> {
        match self {
            Server::Zap(AwaitZap(known)) => match reply.admit() {
                Ok(told) => known.finish(told, turn),
                Err(status) => {
                    if let Some(reason) = status.reason() {
                        known.refuse(reason, turn)?;
                    }
                    Ok(Step::Denied(Server::Denied(Denied(())).into(), status))
                }
            },
            Server::Hello(_) | Server::Initiate(_) | Server::Denied(_) => Ok(Step::from(self)),
        }
    }

    /// Goes on without an authenticator, unless a domain is enforced.
    pub fn zap_unavailable(self, turn: &mut Turn<'_>) -> Result<Step, Failure> {
        match self {
            Server::Zap(_) if turn.config.zap.enforce => Err(Failure::NO_AUTHENTICATOR),
            Server::Zap(AwaitZap(known)) => known.finish(Authenticated::default(), turn),
            Server::Hello(_) | Server::Initiate(_) | Server::Denied(_) => Ok(Step::from(self)),
        }
    }
}

impl AwaitHello {
    fn command(mut self, body: &[u8], turn: &mut Turn<'_>) -> Result<Step, Failure> {
        let hello = hello::parse(body)?;
        if self.wants_cookie(&hello, turn)? {
            return Ok(Step::from(Server::Hello(self)));
        }
        let Some(suite) = self.keys.settings.suites.choose(hello.kem, hello.suites) else {
            error::append(turn.out, refusal::NO_SUITE);
            return Err(Failure::MECHANISM_MISMATCH);
        };
        let (mut schedule, identity) = self.open(&hello)?;
        let ephemeral = public_key(&hello, hello.ephemeral)?;
        let (ciphertext, secret) = ephemeral.encapsulate().map_err(|_| Failure::CRYPTOGRAPHIC)?;
        let mut body = welcome::head(suite, ciphertext.bytes(), welcome::box_bytes(hello.kem, true))?;
        schedule.absorb(&body);
        schedule.mix(Some(secret.as_bytes()))?;
        match &identity {
            Identity::Anonymous => {
                let nothing = vec![0; hello.kem.ciphertext_bytes()];
                schedule.seal(Purpose::Welcome, suite.aead(), &nothing, &mut body)?;
                schedule.mix(None)?;
            }
            Identity::PublicKey(client) if self.keys.refuses(client) => return Err(Failure::CRYPTOGRAPHIC),
            Identity::PublicKey(client) => {
                let (ciphertext, secret) = client.encapsulate().map_err(|_| Failure::CRYPTOGRAPHIC)?;
                schedule.seal(Purpose::Welcome, suite.aead(), ciphertext.bytes(), &mut body)?;
                schedule.mix(Some(secret.as_bytes()))?;
            }
        }
        frame::append_frame(turn.out, COMMAND, &body);
        let state = AwaitInitiate { keys: self.keys, suite, schedule, identity };
        Ok(Step::from(Server::Initiate(Box::new(state))))
    }

    /// Checks the cookie, if there is one. Where one is missing under load, appends RETRY with it.
    fn wants_cookie(&mut self, hello: &Hello<'_>, turn: &mut Turn<'_>) -> Result<bool, Failure> {
        let (cookies, is_under_load) = self.keys.cookies();
        let cookie = hello.cookie_field.get(1..).unwrap_or_default();
        if cookie.is_empty() && (!is_under_load || self.bound.is_some()) {
            // A client that leaves its cookie out is one that did not get it.
            return if self.bound.is_some() { Err(Failure::CRYPTOGRAPHIC) } else { Ok(false) };
        }
        let mut connection = self.bound.unwrap_or_default();
        if self.bound.is_none() {
            random::fill(&mut connection).map_err(Failure::Own)?;
        }
        let address = &turn.config.zap.peer_address;
        let bond = Bond { connection: &connection, address, hello: [hello.head, hello.sealed] };
        if !cookie.is_empty() {
            return cookies.check(cookie, &bond).map(|()| false);
        }
        retry::append(turn.out, &cookies.make(&bond)?);
        self.bound = Some(connection);
        Ok(true)
    }

    /// Opens the box: the client knows our key.
    fn open(&self, hello: &Hello<'_>) -> Result<(Schedule, Identity), Failure> {
        let pair = self.keys.pair(hello.key_id).ok_or(Failure::CRYPTOGRAPHIC)?;
        let server = pair.secret.public();
        if server.suite() != hello.kem {
            return Err(Failure::CRYPTOGRAPHIC);
        }
        let Mode::Full { ciphertext } = hello.mode else { return Err(Failure::MALFORMED_HELLO) };
        let [client_greeting, server_greeting] = &self.greetings;
        let mut schedule = Schedule::begin(hello.kem, [client_greeting, server_greeting], server, None);
        schedule.absorb(hello.head);
        let secret = pair.secret.decapsulate(ciphertext).map_err(|_| Failure::CRYPTOGRAPHIC)?;
        schedule.mix(Some(secret.as_bytes()))?;
        let text = schedule.open(Purpose::Hello, hello::BOX_AEAD, hello.sealed)?;
        schedule.absorb(hello.cookie_field);
        Ok((schedule, Identity::parse(hello.kem, &text)?))
    }
}

impl AwaitInitiate {
    /// Invalid properties end the connection without an event.
    fn command(mut self, body: &[u8], turn: &mut Turn<'_>) -> Result<Step, Failure> {
        let sealed = initiate::sealed(body)?;
        self.schedule.absorb(initiate::NAME);
        let text = self.schedule.open(Purpose::Initiate, self.suite.aead(), sealed)?;
        let metadata = initiate::parse(&text)?;
        let peer = PeerProperties::parse(metadata, turn.config).map_err(Failure::Errno)?;
        let settings = self.keys.settings;
        let known = Known { suite: self.suite, schedule: self.schedule, peer, limits: settings.limits };
        let zap = &turn.config.zap;
        // As with CURVE, enforcement without a domain gives the authenticator nothing to check.
        if zap.enforce && !zap.has_domain() {
            return known.finish(Authenticated::default(), turn);
        }
        let (name, credential) = credential(&self.identity, settings.asks_as_qzmq);
        let request = ZapRequest::new(zap, &turn.config.routing_id, name, vec![Zeroizing::new(credential)]);
        Ok(Step::Zap(Server::Zap(AwaitZap(known)).into(), request))
    }
}

/// The mechanism and the credential of a request about a client. An anonymous one has zeros, or nothing, in place of a key.
fn credential(identity: &Identity, as_qzmq: bool) -> (&'static str, Vec<u8>) {
    match identity {
        Identity::PublicKey(public) if as_qzmq => ("QZMQ", public.bytes().to_vec()),
        Identity::Anonymous if as_qzmq => ("QZMQ", Vec::new()),
        Identity::PublicKey(public) => ("CURVE", public.fingerprint().to_vec()),
        Identity::Anonymous => ("CURVE", vec![0; 32]),
    }
}

impl Known {
    /// Appends our READY.
    fn finish(mut self, told: Authenticated, turn: &mut Turn<'_>) -> Result<Step, Failure> {
        let mut metadata = Vec::new();
        properties::append_ours(&mut metadata, turn.config);
        let aead = self.suite.aead();
        let mut body = ready::NAME.to_vec();
        self.schedule.absorb(ready::NAME);
        let text = Ready { properties: &metadata, life_s: 0, ticket: &[] }.encode();
        self.schedule.seal(Purpose::Ready, aead, &text, &mut body)?;
        frame::append_frame(turn.out, COMMAND, &body);
        let traffic = self.schedule.traffic(Role::Server, aead, self.suite.kem())?;
        let codec = Codec::qzmq(traffic.with_limits(self.limits));
        Ok(Step::Ready(self.peer.into_peer(turn, told, codec)))
    }

    /// Appends our ERROR.
    fn refuse(mut self, reason: &[u8], turn: &mut Turn<'_>) -> Result<(), Failure> {
        refusal::append(turn.out, &mut self.schedule, self.suite.aead(), reason)
    }
}

fn public_key(hello: &Hello<'_>, bytes: &[u8]) -> Result<KemPublic, Failure> {
    KemPublic::parse(hello.kem, bytes).map_err(|_| Failure::CRYPTOGRAPHIC)
}

impl From<Server> for Mechanism {
    fn from(state: Server) -> Mechanism {
        Mechanism::QzmqServer(Box::new(state))
    }
}

impl From<Server> for Step {
    fn from(state: Server) -> Step {
        Step::Next(state.into())
    }
}
