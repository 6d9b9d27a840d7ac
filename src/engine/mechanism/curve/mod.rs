//! CURVE (RFCs 25 and 26). Each side proves that it has its long-term key by what it can open. All later
//! frames are sealed with short-term keys, which are wiped with the connection.
//!
//! The client sends HELLO, the server WELCOME, the client INITIATE. The server may ask the authenticator
//! about the client's long-term key, and sends READY. Then each frame is a MESSAGE. The states are in
//! `client` and `server`.

mod client;
mod cookie;
mod hello;
mod initiate;
pub mod keys;
pub mod message;
mod nonce;
mod ready;
mod server;
mod welcome;

pub(super) use client::Client;
pub(super) use server::Server;

use crate::crypto::{PublicKey, SharedKey};
use crate::engine::Config;

/// The label of a connection's key. What is behind it is described in `docs/observability.md`.
const KEY_LABEL: &str = "CURVE_SESSION_KEY";

/// Writes the key of the short-term key pairs for a dissector, if it is to be written. It knows the connection by the client's
/// short-term public key, which HELLO shows to all.
fn log_key(config: &Config, client: &PublicKey, key: &SharedKey) {
    if let Some(log) = config.key_log {
        log(KEY_LABEL, client.as_bytes(), key.as_bytes());
    }
}
