//! What a session knows of its socket.

use crate::ctx::Guard;
use crate::engine::{Config, Security};
use crate::errno::Result;
use crate::options::SocketOptions;
use crate::security::Protection;
use crate::session::SocketLink;
use crate::session::lifecycle::establishing;
use crate::session::lifecycle::events::SessionEvents;
use crate::session::lifecycle::zap::Authenticators;
use std::sync::Arc;

/// The part of a socket that a session gets.
pub struct SessionContext {
    pub owner: Arc<SocketLink>,
    pub options: Arc<SocketOptions>,
    /// The configuration of its handshakes, by the options and the socket's keys.
    pub security: Security,
    /// What a security file says; it comes before `security`.
    pub protection: Option<Arc<Protection>>,
    pub authenticators: Arc<dyn Authenticators>,
    /// Keeps the context from ending while the session is there.
    pub guard: Guard,
}

impl SessionContext {
    /// What the next handshake is made with. `connects`: this side has connected. A raw stream has no handshake, and the security file its
    /// say all the same. Errors: those of the security file.
    pub fn config(
        &self,
        events: &SessionEvents,
        peer_address: &str,
        connects: bool,
        now_ms: u64,
    ) -> Result<Config> {
        if let Some(protection) = &self.protection {
            return establishing::secured((protection, &self.options), events, peer_address, now_ms);
        }
        let begun_ms = connects.then_some(now_ms);
        Ok(establishing::by_options(&self.options, self.security.clone(), peer_address, begun_ms))
    }
}
