//! The handshake of a connection, over WebSocket or not.

use super::zap::ZapReply;
use super::zmtp::handshake::{Handshake, Progress};
use super::{Config, Failure, ws};
use crate::options::Mechanism;

/// A handshake that is under way; see [`Handshake`].
// Its owner keeps one, boxed, for each connection that begins.
#[allow(clippy::large_enum_variant)]
pub enum Opening {
    Zmtp(Handshake),
    Ws(ws::Handshake),
}

impl Opening {
    /// Over WebSocket, with this side's role there; otherwise plain ZMTP.
    pub fn new(ws: Option<&ws::Role>, config: Config) -> Opening {
        match ws {
            Some(role) => Opening::Ws(ws::Handshake::new(role, config)),
            None => Opening::Zmtp(Handshake::new(config)),
        }
    }

    /// See [`Handshake::mechanism`].
    pub fn mechanism(&self) -> Mechanism {
        match self {
            Opening::Zmtp(handshake) => handshake.mechanism(),
            Opening::Ws(handshake) => handshake.mechanism(),
        }
    }

    /// See [`Handshake::only_asks_for_qzmq`].
    pub fn only_asks_for_qzmq(&self) -> bool {
        match self {
            Opening::Zmtp(handshake) => handshake.only_asks_for_qzmq(),
            Opening::Ws(handshake) => handshake.only_asks_for_qzmq(),
        }
    }

    /// Appends the bytes that must be sent now.
    pub fn output(&mut self, out: &mut Vec<u8>) {
        match self {
            Opening::Zmtp(handshake) => handshake.output(out),
            Opening::Ws(handshake) => handshake.output(out),
        }
    }

    /// See [`Handshake::held_beside`].
    pub fn held_beside(&self) -> usize {
        match self {
            Opening::Zmtp(handshake) => handshake.held_beside(),
            Opening::Ws(handshake) => handshake.held_beside(),
        }
    }

    /// See [`Handshake::input`].
    pub fn input(&mut self, bytes: &[u8]) -> Result<(usize, Progress), Failure> {
        match self {
            Opening::Zmtp(handshake) => handshake.input(bytes),
            Opening::Ws(handshake) => handshake.input(bytes),
        }
    }

    /// See [`Handshake::zap_reply`].
    pub fn zap_reply(&mut self, reply: ZapReply) -> Result<Progress, Failure> {
        match self {
            Opening::Zmtp(handshake) => handshake.zap_reply(reply),
            Opening::Ws(handshake) => handshake.zap_reply(reply),
        }
    }

    /// See [`Handshake::zap_unavailable`].
    pub fn zap_unavailable(&mut self) -> Result<Progress, Failure> {
        match self {
            Opening::Zmtp(handshake) => handshake.zap_unavailable(),
            Opening::Ws(handshake) => handshake.zap_unavailable(),
        }
    }
}
