//! Whole handshakes of QZMQ, honest and not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod certificates;
mod hostile;
mod migration;
mod relay;
mod retry;
mod suites;
mod tickets;
mod vectors;
mod work;

use super::keys::testing;
use super::keys::{ClientKeys, ServerKeys};
use crate::crypto::KemSuite;
use crate::engine::config::{Security, Zap};
use crate::engine::zmtp::tests::config;
use crate::engine::{Config, Failure, Handshake, Peer, Progress};
use crate::options::SocketType;
use std::sync::Arc;

pub fn client(keys: &Arc<ClientKeys>) -> Config {
    let security = Security::QzmqClient(Arc::clone(keys));
    Config { security, routing_id: b"cli".to_vec(), ..config(SocketType::Dealer) }
}

pub fn server(keys: &Arc<ServerKeys>) -> Config {
    let zap = Zap { peer_address: b"127.0.0.1".to_vec(), ..Default::default() };
    let security = Security::QzmqServer(Arc::clone(keys));
    Config { security, zap, routing_id: b"srv".to_vec(), ..config(SocketType::Router) }
}

pub fn configs(kem: KemSuite) -> (Config, Config) {
    let (client_keys, server_keys) = testing::pair(kem);
    (client(&client_keys), server(&server_keys))
}

/// What one side has come to.
pub type Outcome = Option<Result<Peer, Failure>>;

/// A side that is driven by hand. It goes on without an authenticator.
pub struct Side {
    handshake: Handshake,
    pub outcome: Outcome,
}

impl Side {
    pub fn new(config: &Config) -> Side {
        Side { handshake: Handshake::new(config.clone()), outcome: None }
    }

    /// Takes bytes; returns the answer.
    pub fn hear(&mut self, bytes: &[u8]) -> Vec<u8> {
        if self.outcome.is_none() && !bytes.is_empty() {
            let progress = self.handshake.input(bytes).and_then(|(_, progress)| match progress {
                Progress::Zap(_) => self.handshake.zap_unavailable(),
                other => Ok(other),
            });
            self.outcome = match progress {
                Ok(Progress::Done(peer)) => Some(Ok(peer)),
                Ok(_) => None,
                Err(failure) => Some(Err(failure)),
            };
        }
        self.said()
    }

    pub fn said(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.handshake.output(&mut out);
        out
    }

    pub fn is_done(&self) -> bool {
        matches!(self.outcome, Some(Ok(_)))
    }
}

/// What each side says to the other, flight by flight: to the server, to the client, and so on.
pub fn talk(client: &Config, server: &Config, mut edit: impl FnMut(usize, &mut Vec<u8>)) -> (Side, Side) {
    let (mut client, mut server) = (Side::new(client), Side::new(server));
    let mut to_client = server.said();
    let mut to_server = client.said();
    for round in 0..8 {
        edit(2 * round, &mut to_server);
        to_client.extend(server.hear(&std::mem::take(&mut to_server)));
        edit(2 * round + 1, &mut to_client);
        to_server.extend(client.hear(&std::mem::take(&mut to_client)));
        if to_server.is_empty() {
            break;
        }
    }
    (client, server)
}
