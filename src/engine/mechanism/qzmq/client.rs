//! The client's side.

use super::ask;
use super::encapsulation::encapsulate;
use super::hello::{self, BOX_AEAD, Fresh, Mode, RANDOM_BYTES};
use super::initiate;
use super::kept::Ticket;
use super::keys::ClientKeys;
use super::logged::LoggedSecrets;
use super::ready::{self, Ready};
use super::refusal;
use super::retry::{self, Retry};
use super::schedule::{Prologue, Purpose, Schedule};
use super::suite::{Suite, key_id};
use super::traffic::Role;
use super::welcome;
use crate::crypto::aead::AEAD_TAG_BYTES;
use crate::crypto::certificate::Refusal;
use crate::crypto::hkdf::DerivationKey;
use crate::crypto::kem::{Ciphertext, SharedSecret};
use crate::crypto::{KemPublic, KemSecret, PublicKey, random};
use crate::engine::Failure;
use crate::engine::codec::Codec;
use crate::engine::mechanism::error;
use crate::engine::mechanism::properties::{self, Authenticated, PeerProperties};
use crate::engine::mechanism::{Mechanism, Step, Turn};
use crate::engine::zmtp::frame;
use crate::engine::zmtp::peer::Peer;
use crate::message::COMMAND;
use crate::options::KnownServer;
use std::sync::Arc;

/// The cookie field of a HELLO without a cookie.
const NO_COOKIE: [u8; 1] = [0];

/// The states of a client, by the command it waits for.
pub enum Client {
    Certificate(AwaitCertificate),
    Welcome(AwaitWelcome),
    Ready(AwaitReady),
}

/// ASK is sent.
pub struct AwaitCertificate {
    keys: Arc<ClientKeys>,
    /// The greetings.
    prologue: Prologue,
}

/// The server, as the client knows it.
struct FoundServer {
    public: Arc<KemPublic>,
    /// By its certificate, if it was asked for that.
    name: Option<String>,
}

/// HELLO is sent.
pub struct AwaitWelcome {
    keys: Arc<ClientKeys>,
    server: FoundServer,
    /// What was said before this HELLO.
    prologue: Prologue,
    ephemeral: Box<KemSecret>,
    /// The suites that HELLO offers.
    offered: Vec<Suite>,
    /// Whether HELLO has a ticket.
    resumes: bool,
    /// Up to our HELLO's cookie field.
    schedule: Schedule,
    /// HELLO without its cookie field, and that field.
    hello: Vec<u8>,
    cookie_field: Vec<u8>,
}

/// INITIATE is sent.
pub struct AwaitReady {
    keys: Arc<ClientKeys>,
    server: FoundServer,
    suite: Suite,
    schedule: Schedule,
    /// Of our HELLO.
    random: [u8; RANDOM_BYTES],
}

impl Client {
    /// Appends our HELLO, or ASK where we know the server by its name. `greetings`: ours and the server's, empty where there are none.
    pub fn start(
        keys: &Arc<ClientKeys>,
        greetings: [&[u8]; 2],
        turn: &mut Turn<'_>,
    ) -> Result<Client, Failure> {
        let (keys, prologue) = (Arc::clone(keys), Prologue::new(keys.kem(), greetings));
        let KnownServer::Key(server) = &keys.server else {
            frame::append_frame(turn.out, COMMAND, &ask::body(keys.kem()));
            return Ok(Client::Certificate(AwaitCertificate { keys, prologue }));
        };
        if keys.trust().is_revoked(&server.fingerprint()) {
            return Err(Failure::Uncertified(Refusal::Revoked));
        }
        let server = FoundServer { public: Arc::clone(server), name: None };
        let ticket = keys.ticket.take();
        let state = AwaitWelcome::say_hello(keys, server, prologue, ticket)?;
        state.append_hello(turn.out);
        Ok(Client::Welcome(state))
    }

    #[cfg(test)]
    pub fn ephemeral_seed(&self) -> Vec<u8> {
        match self {
            Client::Welcome(state) => state.ephemeral.seed().to_vec(),
            Client::Certificate(_) | Client::Ready(_) => Vec::new(),
        }
    }

    pub fn command(self, body: &[u8], turn: &mut Turn<'_>) -> Result<Step, Failure> {
        match self {
            Client::Certificate(state) => {
                state.command(body, turn).map(|next| Step::from(Client::Welcome(next)))
            }
            Client::Welcome(state) if retry::is_retry(body) => {
                state.retry(body, turn).map(|next| Step::from(Client::Welcome(next)))
            }
            Client::Welcome(state) => state.command(body, turn).map(|next| Step::from(Client::Ready(next))),
            Client::Ready(state) => state.command(body, turn),
        }
    }
}

impl AwaitCertificate {
    /// Appends our HELLO to the server that the certificate is of. It has no ticket: that of another key would be in vain.
    fn command(self, body: &[u8], turn: &mut Turn<'_>) -> Result<AwaitWelcome, Failure> {
        let AwaitCertificate { keys, prologue } = self;
        let KnownServer::Name(name) = &keys.server else { return Err(Failure::UNSPECIFIED) };
        let now_s = (turn.config.wall_clock)();
        let certificate = ask::accept(body, prologue.kem(), (&keys.trust(), name), now_s)?;
        let claims = certificate.claims;
        let server = FoundServer { public: Arc::new(claims.public), name: Some(claims.name) };
        let prologue = prologue.refused(&ask::body(prologue.kem()), body);
        let next = AwaitWelcome::say_hello(keys, server, prologue, None)?;
        next.append_hello(turn.out);
        Ok(next)
    }
}

impl AwaitWelcome {
    /// Makes a HELLO, by the ticket if there is one.
    fn say_hello(
        keys: Arc<ClientKeys>,
        server: FoundServer,
        prologue: Prologue,
        ticket: Option<Ticket>,
    ) -> Result<AwaitWelcome, Failure> {
        let kem = prologue.kem();
        let offered: Vec<Suite> = keys.settings.suites.of(kem).collect();
        let ephemeral = Box::new(KemSecret::generate(kem).map_err(Failure::Own)?);
        let mut random = [0; RANDOM_BYTES];
        random::fill(&mut random).map_err(Failure::Own)?;
        let proof = Proof::new(&server.public, ticket)?;
        let text = proof.text(&keys);
        let mut hello = Fresh {
            kem,
            suites: &offered,
            random: &random,
            ephemeral: ephemeral.public(),
            key_id: key_id(&server.public),
            mode: proof.mode(),
            box_bytes: text.len() + AEAD_TAG_BYTES,
        }
        .head();
        let mut schedule = prologue.schedule(&server.public, proof.psk());
        schedule.absorb(&hello);
        schedule.mix(proof.secret())?;
        schedule.seal(Purpose::Hello, BOX_AEAD, &text, &mut hello)?;
        let resumes = matches!(proof, Proof::Ticket(_));
        let cookie_field = NO_COOKIE.to_vec();
        Ok(AwaitWelcome {
            keys,
            server,
            prologue,
            ephemeral,
            offered,
            resumes,
            schedule,
            hello,
            cookie_field,
        })
    }

    fn append_hello(&self, out: &mut Vec<u8>) {
        frame::append_frame(out, COMMAND, &self.whole_hello());
    }

    fn whole_hello(&self) -> Vec<u8> {
        [&self.hello[..], &self.cookie_field].concat()
    }

    /// The server wants a cookie, once for each HELLO, or a HELLO without a ticket.
    fn retry(mut self, body: &[u8], turn: &mut Turn<'_>) -> Result<AwaitWelcome, Failure> {
        let next = match retry::parse(body)? {
            Retry::Cookie(field) if self.cookie_field == NO_COOKIE => {
                self.cookie_field = field.to_vec();
                self
            }
            Retry::Full if self.resumes => {
                let prologue = self.prologue.refused(&self.whole_hello(), body);
                AwaitWelcome::say_hello(self.keys, self.server, prologue, None)?
            }
            Retry::Cookie(_) | Retry::Full => return Err(Failure::UNEXPECTED_COMMAND),
        };
        next.append_hello(turn.out);
        Ok(next)
    }

    fn command(mut self, body: &[u8], turn: &mut Turn<'_>) -> Result<AwaitReady, Failure> {
        // In clear, and so no more than a hint.
        error::check(body).map_err(|_| Failure::SILENT)?;
        let kem = self.prologue.kem();
        let welcome = welcome::parse(body, kem, &self.offered, !self.resumes)?;
        let (suite, schedule) = (welcome.suite, &mut self.schedule);
        schedule.absorb(&self.cookie_field);
        schedule.absorb(welcome.head);
        let secret = self.ephemeral.decapsulate(welcome.ciphertext).map_err(|_| Failure::CRYPTOGRAPHIC)?;
        schedule.mix(Some(secret.as_bytes()))?;
        let ciphertext = schedule.open(Purpose::Welcome, suite.aead(), welcome.sealed)?;
        match &self.keys.own {
            _ if self.resumes => schedule.mix(None)?,
            Some(own) => {
                let secret = own.decapsulate(&ciphertext).map_err(|_| Failure::CRYPTOGRAPHIC)?;
                schedule.mix(Some(secret.as_bytes()))?;
            }
            None if super::fields::is_zero(&ciphertext) => schedule.mix(None)?,
            None => return Err(Failure::MALFORMED_WELCOME),
        }
        let mut metadata = Vec::new();
        properties::append_ours(&mut metadata, turn.config);
        let mut body = initiate::NAME.to_vec();
        schedule.absorb(initiate::NAME);
        schedule.seal(Purpose::Initiate, suite.aead(), &initiate::encode(&metadata), &mut body)?;
        frame::append_frame(turn.out, COMMAND, &body);
        let random = hello::random_of(&self.hello);
        Ok(AwaitReady { keys: self.keys, server: self.server, suite, schedule: self.schedule, random })
    }
}

impl AwaitReady {
    fn command(mut self, body: &[u8], turn: &mut Turn<'_>) -> Result<Step, Failure> {
        let aead = self.suite.aead();
        if refusal::is_error(body) {
            return Err(refusal::told(body, self.schedule, aead));
        }
        let sealed = body.strip_prefix(ready::NAME).ok_or(Failure::UNEXPECTED_COMMAND)?;
        let psk = self.schedule.next_psk()?;
        self.schedule.absorb(ready::NAME);
        let text = self.schedule.open(Purpose::Ready, aead, sealed)?;
        let ready = Ready::parse(&text)?;
        let peer =
            PeerProperties::parse(ready.properties, turn.config).map_err(|_| Failure::INVALID_METADATA)?;
        let logged = LoggedSecrets::new(turn.config.key_log, self.random);
        let traffic = self.schedule.traffic(Role::Client, aead, self.suite.kem(), logged)?;
        let codec = Codec::qzmq(traffic.with_limits(self.keys.settings.limits));
        if self.server.name.is_none() {
            self.keys.ticket.keep(ready.ticket, psk, ready.life_s);
        }
        let public_key = Some(PublicKey(self.server.public.fingerprint()));
        let peer = peer.into_peer(turn, Authenticated::of_name(self.server.name.as_deref()), codec);
        Ok(Step::Ready(Peer { public_key, ..peer }))
    }
}

/// How HELLO shows that the client knows the server.
enum Proof {
    Encapsulation(Box<Ciphertext>, SharedSecret),
    Ticket(Ticket),
}

impl Proof {
    fn new(server: &KemPublic, ticket: Option<Ticket>) -> Result<Proof, Failure> {
        if let Some(ticket) = ticket {
            return Ok(Proof::Ticket(ticket));
        }
        let (ciphertext, secret) = encapsulate(server)?;
        Ok(Proof::Encapsulation(Box::new(ciphertext), secret))
    }

    fn mode(&self) -> Mode<'_> {
        match self {
            Proof::Encapsulation(ciphertext, _) => Mode::Full { ciphertext: ciphertext.bytes() },
            Proof::Ticket(ticket) => Mode::Resuming { ticket: &ticket.bytes },
        }
    }

    fn psk(&self) -> Option<&DerivationKey> {
        match self {
            Proof::Encapsulation(..) => None,
            Proof::Ticket(ticket) => Some(&ticket.psk),
        }
    }

    fn secret(&self) -> Option<&[u8; 32]> {
        match self {
            Proof::Encapsulation(_, secret) => Some(secret.as_bytes()),
            Proof::Ticket(_) => None,
        }
    }

    /// The text of the box: the client's identity, unless the server has it in the ticket.
    fn text(&self, keys: &ClientKeys) -> Vec<u8> {
        match self {
            Proof::Ticket(_) => Vec::new(),
            Proof::Encapsulation(..) => keys.identity().encode(keys.kem()),
        }
    }
}

impl From<Client> for Step {
    fn from(state: Client) -> Step {
        Step::Next(Mechanism::QzmqClient(Box::new(state)))
    }
}
