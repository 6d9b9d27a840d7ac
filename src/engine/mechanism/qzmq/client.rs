//! The client's side.

use super::hello::{BOX_AEAD, Fresh, Identity, Mode, RANDOM_BYTES};
use super::initiate;
use super::keys::ClientKeys;
use super::ready::{self, Ready};
use super::refusal;
use super::retry;
use super::schedule::{Purpose, Schedule};
use super::suite::{Suite, key_id};
use super::traffic::Role;
use super::welcome;
use crate::crypto::aead::AEAD_TAG_BYTES;
use crate::crypto::{KemSecret, random};
use crate::engine::Failure;
use crate::engine::codec::Codec;
use crate::engine::mechanism::error;
use crate::engine::mechanism::properties::{self, Authenticated, PeerProperties};
use crate::engine::mechanism::{Mechanism, Step, Turn};
use crate::engine::zmtp::frame;
use crate::message::COMMAND;
use std::sync::Arc;

/// The cookie field of a HELLO without a cookie.
const NO_COOKIE: [u8; 1] = [0];

/// The states of a client, by the command it waits for.
pub enum Client {
    Welcome(AwaitWelcome),
    Ready(AwaitReady),
}

/// HELLO is sent.
pub struct AwaitWelcome {
    keys: Arc<ClientKeys>,
    ephemeral: Box<KemSecret>,
    /// The suites that HELLO offers.
    offered: Vec<Suite>,
    /// Up to our HELLO's cookie field.
    schedule: Schedule,
    /// HELLO without its cookie field, and that field.
    hello: Vec<u8>,
    cookie_field: Vec<u8>,
}

/// INITIATE is sent.
pub struct AwaitReady {
    keys: Arc<ClientKeys>,
    suite: Suite,
    schedule: Schedule,
}

impl Client {
    /// Appends our HELLO. `greetings`: ours and the server's, empty where there are none.
    pub fn start(
        keys: &Arc<ClientKeys>,
        greetings: [&[u8]; 2],
        turn: &mut Turn<'_>,
    ) -> Result<Client, Failure> {
        let kem = keys.server.suite();
        let offered: Vec<Suite> = keys.settings.suites.of(kem).collect();
        let ephemeral = Box::new(KemSecret::generate(kem).map_err(Failure::Own)?);
        let (ciphertext, secret) = keys.server.encapsulate().map_err(Failure::Own)?;
        let mut random = [0; RANDOM_BYTES];
        random::fill(&mut random).map_err(Failure::Own)?;
        let identity = match &keys.own {
            Some(own) => Identity::PublicKey(Box::new(own.public().clone())),
            None => Identity::Anonymous,
        };
        let text = identity.encode(kem);
        let mut body = Fresh {
            kem,
            suites: &offered,
            random: &random,
            ephemeral: ephemeral.public(),
            key_id: key_id(&keys.server),
            mode: Mode::Full { ciphertext: ciphertext.bytes() },
            box_bytes: text.len() + AEAD_TAG_BYTES,
        }
        .head();
        let mut schedule = Schedule::begin(kem, greetings, &keys.server, None);
        schedule.absorb(&body);
        schedule.mix(Some(secret.as_bytes()))?;
        schedule.seal(Purpose::Hello, BOX_AEAD, &text, &mut body)?;
        let state = AwaitWelcome {
            keys: Arc::clone(keys),
            ephemeral,
            offered,
            schedule,
            hello: body,
            cookie_field: NO_COOKIE.to_vec(),
        };
        state.append_hello(turn.out);
        Ok(Client::Welcome(state))
    }

    #[cfg(test)]
    pub fn ephemeral_seed(&self) -> Vec<u8> {
        match self {
            Client::Welcome(state) => state.ephemeral.seed().to_vec(),
            Client::Ready(_) => Vec::new(),
        }
    }

    pub fn command(self, body: &[u8], turn: &mut Turn<'_>) -> Result<Step, Failure> {
        match self {
            Client::Welcome(state) if retry::is_retry(body) => {
                state.retry(body, turn).map(|next| Step::from(Client::Welcome(next)))
            }
            Client::Welcome(state) => state.command(body, turn).map(|next| Step::from(Client::Ready(next))),
            Client::Ready(state) => state.command(body, turn),
        }
    }
}

impl AwaitWelcome {
    fn append_hello(&self, out: &mut Vec<u8>) {
        frame::append_frame(out, COMMAND, &[&self.hello[..], &self.cookie_field].concat());
    }

    /// The server wants a cookie, once.
    fn retry(mut self, body: &[u8], turn: &mut Turn<'_>) -> Result<AwaitWelcome, Failure> {
        if self.cookie_field != NO_COOKIE {
            return Err(Failure::UNEXPECTED_COMMAND);
        }
        self.cookie_field = retry::cookie_field(body)?.to_vec();
        self.append_hello(turn.out);
        Ok(self)
    }

    fn command(mut self, body: &[u8], turn: &mut Turn<'_>) -> Result<AwaitReady, Failure> {
        // In clear, and so no more than a hint.
        error::check(body).map_err(|_| Failure::SILENT)?;
        let kem = self.keys.server.suite();
        let welcome = welcome::parse(body, kem, &self.offered, true)?;
        let (suite, schedule) = (welcome.suite, &mut self.schedule);
        schedule.absorb(&self.cookie_field);
        schedule.absorb(welcome.head);
        let secret = self.ephemeral.decapsulate(welcome.ciphertext).map_err(|_| Failure::CRYPTOGRAPHIC)?;
        schedule.mix(Some(secret.as_bytes()))?;
        let ciphertext = schedule.open(Purpose::Welcome, suite.aead(), welcome.sealed)?;
        match &self.keys.own {
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
        Ok(AwaitReady { keys: self.keys, suite, schedule: self.schedule })
    }
}

impl AwaitReady {
    fn command(mut self, body: &[u8], turn: &mut Turn<'_>) -> Result<Step, Failure> {
        let aead = self.suite.aead();
        if refusal::is_error(body) {
            return Err(refusal::told(body, self.schedule, aead));
        }
        let sealed = body.strip_prefix(ready::NAME).ok_or(Failure::UNEXPECTED_COMMAND)?;
        self.schedule.absorb(ready::NAME);
        let text = self.schedule.open(Purpose::Ready, aead, sealed)?;
        let ready = Ready::parse(&text)?;
        let peer =
            PeerProperties::parse(ready.properties, turn.config).map_err(|_| Failure::INVALID_METADATA)?;
        let traffic = self.schedule.traffic(Role::Client, aead, self.suite.kem())?;
        let codec = Codec::qzmq(traffic.with_limits(self.keys.settings.limits));
        Ok(Step::Ready(peer.into_peer(turn, Authenticated::default(), codec)))
    }
}

impl From<Client> for Step {
    fn from(state: Client) -> Step {
        Step::Next(Mechanism::QzmqClient(Box::new(state)))
    }
}
