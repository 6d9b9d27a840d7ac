//! The secrets of records for a dissector, if they are to be written. What is behind the labels is described in `docs/observability.md`.

use super::hello::RANDOM_BYTES;
use crate::crypto::hkdf::DerivationKey;
use crate::sys::keylog::KeyLog;

const CLIENT: &str = "QZMQ_CLIENT_SECRET";
const SERVER: &str = "QZMQ_SERVER_SECRET";
const UPDATE: &str = "QZMQ_UPDATE_SECRET";

/// Writes the secrets of one connection. It knows the connection by the random of HELLO, which that shows to all.
#[derive(Clone, Copy)]
pub struct LoggedSecrets {
    log: KeyLog,
    random: [u8; RANDOM_BYTES],
}

impl LoggedSecrets {
    /// `None` where no keys are written.
    pub fn new(log: Option<KeyLog>, random: [u8; RANDOM_BYTES]) -> Option<LoggedSecrets> {
        log.map(|log| LoggedSecrets { log, random })
    }

    /// Writes the secrets of both directions, and what the next ones are made of.
    pub fn write(&self, [client, server]: [&DerivationKey; 2], update: &DerivationKey) {
        for (label, secret) in [(CLIENT, client), (SERVER, server), (UPDATE, update)] {
            (self.log)(label, &self.random, secret.bytes());
        }
    }
}
