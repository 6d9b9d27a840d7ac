//! The client's side.

use super::initiate::ShortTerm;
use super::keys::ClientKeys;
use super::message::{Counters, CurveCodec};
use super::{hello, initiate, log_key, nonce, ready, welcome};
use crate::crypto::keys::keypair;
use crate::crypto::{PublicKey, SecretKey, SharedKey};
use crate::engine::Failure;
use crate::engine::codec::Codec;
use crate::engine::mechanism::properties::{self, Authenticated, PeerProperties};
use crate::engine::mechanism::{Mechanism, Step, Turn, error};
use std::sync::Arc;

const HELLO_COUNTER: u64 = 1;
const INITIATE_COUNTER: u64 = 2;

/// The states of a client, by the command it waits for.
pub enum Client {
    Welcome(AwaitWelcome),
    Ready(AwaitReady),
}

/// HELLO is sent.
pub struct AwaitWelcome {
    keys: Arc<ClientKeys>,
    public: PublicKey,
    secret: SecretKey,
    /// The key of the server's long-term and our short-term key pair.
    hello_key: SharedKey,
}

/// INITIATE is sent.
pub struct AwaitReady {
    /// The key of the short-term key pairs.
    key: SharedKey,
}

impl Client {
    /// Appends our HELLO. Fails for a server key that no honest server has, such as all zeros.
    pub fn start(keys: &Arc<ClientKeys>, turn: &mut Turn<'_>) -> Result<Client, Failure> {
        let (public, secret) = keypair().map_err(Failure::Own)?;
        let hello_key = SharedKey::new(&keys.server, &secret).map_err(|_| Failure::CRYPTOGRAPHIC)?;
        hello::append(turn.out, &hello_key, &public, HELLO_COUNTER)?;
        Ok(Client::Welcome(AwaitWelcome { keys: Arc::clone(keys), public, secret, hello_key }))
    }

    pub fn command(self, body: &[u8], turn: &mut Turn<'_>) -> Result<Step, Failure> {
        error::check(body)?;
        match self {
            Client::Welcome(state) => state.command(body, turn).map(|next| Step::from(Client::Ready(next))),
            Client::Ready(state) => state.command(body, turn),
        }
    }
}

impl AwaitWelcome {
    fn command(self, body: &[u8], turn: &mut Turn<'_>) -> Result<AwaitReady, Failure> {
        let welcome = welcome::open(body, &self.hello_key)?;
        let key = SharedKey::new(&welcome.server, &self.secret).map_err(|_| Failure::CRYPTOGRAPHIC)?;
        log_key(turn.config, &self.public, &key);
        let short_term = ShortTerm { client: &self.public, server: &welcome.server, key: &key };
        let mut metadata = Vec::new();
        properties::append_ours(&mut metadata, turn.config);
        let stamp = (&welcome.cookie, INITIATE_COUNTER);
        initiate::append(turn.out, &self.keys, &short_term, stamp, &metadata)?;
        Ok(AwaitReady { key })
    }
}

impl AwaitReady {
    fn command(self, body: &[u8], turn: &mut Turn<'_>) -> Result<Step, Failure> {
        let ready = ready::open(body, &self.key)?;
        // No counted command has come before, and 0 is no valid counter.
        let mut theirs = 0;
        nonce::rise(&mut theirs, ready.counter)?;
        let peer =
            PeerProperties::parse(&ready.metadata, turn.config).map_err(|_| Failure::INVALID_METADATA)?;
        let counters = Counters { ours: INITIATE_COUNTER, theirs };
        let codec = Codec::curve(CurveCodec::of_client(&self.key, counters, turn.version));
        Ok(Step::Ready(peer.into_peer(turn, Authenticated::default(), codec)))
    }
}

impl From<Client> for Step {
    fn from(state: Client) -> Step {
        Step::Next(Mechanism::CurveClient(Box::new(state)))
    }
}
