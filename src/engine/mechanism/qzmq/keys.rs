//! The long-term keys of either side, and what goes with them.

use super::cookie::Cookies;
use super::identity::Identity;
use super::kept::KeptTicket;
pub use super::suite::Suites;
use super::suite::{KEY_ID_BYTES, key_id};
use super::ticket::Tickets;
pub use super::traffic::Limits;
use crate::crypto::{Certificate, KemPublic, KemSecret, KemSuite, Trust};
use crate::errno::{Errno, Result};
use crate::options::KnownServer;
use crate::sys::lock::Lock;
use std::sync::Arc;

/// Most keys by which clients may know one server. Each costs a comparison of eight bytes in a handshake.
pub const MAX_SERVER_KEYS: usize = 8;

/// A server does without cookies up to here: a tenth of a core for key exchanges, give or take.
const MAX_CONNECTIONS_PER_SECOND: u32 = 500;

/// Two hours.
const TICKET_LIFE_S: u32 = 7_200;

/// How a side speaks, apart from its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    pub suites: Suites,
    pub limits: Limits,
    /// The authenticator is told of the mechanism `QZMQ` and the whole public key, instead of `CURVE` and the fingerprint.
    pub asks_as_qzmq: bool,
    /// Connections in a second beyond which a server wants a cookie of each client.
    pub most_connections: u32,
    /// Seconds for which a server's tickets hold, and for which a client keeps one. There are none at 0.
    pub ticket_life_s: u32,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            suites: Suites::default(),
            limits: Limits::default(),
            asks_as_qzmq: false,
            most_connections: MAX_CONNECTIONS_PER_SECOND,
            ticket_life_s: TICKET_LIFE_S,
        }
    }
}

/// The authorities that a side trusts, and the keys that were revoked. It may change at any time, on any thread, for all endpoints that share it.
///
/// Clients that had to be certified once have to be from then on. That holds where no authority is left: another may be about to take
/// its place.
#[derive(Debug, Default)]
pub struct Trusted(Lock<Known>);

#[derive(Debug, Default)]
struct Known {
    trust: Arc<Trust>,
    /// There has been an authority.
    wants_certificates: bool,
}

/// The keys of a client.
#[derive(Debug)]
pub struct ClientKeys {
    pub server: KnownServer,
    /// Our own, of the same KEM; `None` for an anonymous client.
    pub own: Option<Arc<KemSecret>>,
    /// Shown in place of the own public key.
    certificate: Option<Arc<Certificate>>,
    trusted: Arc<Trusted>,
    pub(super) ticket: KeptTicket,
    pub settings: Settings,
}

/// The keys by which clients know a server. Any thread may change and use them.
#[derive(Debug)]
pub struct ServerKeys {
    pairs: Lock<Vec<Arc<Pair>>>,
    cookies: Cookies,
    tickets: Tickets,
    /// Shown to clients that ask.
    certificate: Lock<Option<Arc<Certificate>>>,
    trusted: Arc<Trusted>,
    pub settings: Settings,
}

/// A key pair and its id in HELLOs.
#[derive(Debug)]
pub struct Pair {
    pub secret: Arc<KemSecret>,
    id: [u8; KEY_ID_BYTES],
}

impl Trusted {
    pub fn new(trust: Trust) -> Trusted {
        let trusted = Trusted::default();
        trusted.set(Arc::new(trust));
        trusted
    }

    /// From the next handshake on.
    pub fn set(&self, trust: Arc<Trust>) {
        let mut known = self.0.lock();
        known.wants_certificates |= !trust.is_empty();
        known.trust = trust;
    }

    pub fn now(&self) -> Arc<Trust> {
        Arc::clone(&self.0.lock().trust)
    }

    /// Whether a client has to be certified where no authenticator is asked about it.
    pub fn wants_certificates(&self) -> bool {
        self.0.lock().wants_certificates
    }
}

impl ClientKeys {
    /// Errors: `EINVAL` where the own key is of another KEM than the server's.
    pub fn new(
        server: Arc<KemPublic>,
        own: Option<Arc<KemSecret>>,
        settings: Settings,
    ) -> Result<ClientKeys> {
        ClientKeys::of(KnownServer::Key(server), own, settings)
    }

    /// As [`new`](Self::new). A client that knows the server by its name asks for the certificate of a key of its own KEM.
    pub fn of(server: KnownServer, own: Option<Arc<KemSecret>>, settings: Settings) -> Result<ClientKeys> {
        if let (KnownServer::Key(server), Some(own)) = (&server, &own)
            && own.suite() != server.suite()
        {
            return Err(Errno::INVAL);
        }
        let ticket = KeptTicket::new(settings.ticket_life_s);
        Ok(ClientKeys { server, own, certificate: None, trusted: Arc::default(), ticket, settings })
    }

    /// Shows this certificate of the own key, if there is one.
    pub fn with_certificate(self, certificate: Option<Arc<Certificate>>) -> ClientKeys {
        ClientKeys { certificate, ..self }
    }

    /// Connects to no server whose key is revoked, and trusts these authorities.
    pub fn with_trusted(self, trusted: Arc<Trusted>) -> ClientKeys {
        ClientKeys { trusted, ..self }
    }

    /// The fingerprint of the server's key, where that is known before the handshake.
    pub fn server_fingerprint(&self) -> Option<[u8; 32]> {
        match &self.server {
            KnownServer::Key(server) => Some(server.fingerprint()),
            KnownServer::Name(_) => None,
        }
    }

    /// Of a client that knows it.
    #[cfg(test)]
    pub fn server_key(&self) -> &Arc<KemPublic> {
        match &self.server {
            KnownServer::Key(server) => server,
            KnownServer::Name(_) => unreachable!(),
        }
    }

    /// The KEM of the handshake.
    pub fn kem(&self) -> KemSuite {
        match (&self.server, &self.own) {
            (KnownServer::Key(server), _) => server.suite(),
            (KnownServer::Name(_), Some(own)) => own.suite(),
            (KnownServer::Name(_), None) => self.settings.suites.first().kem(),
        }
    }

    pub(super) fn trust(&self) -> Arc<Trust> {
        self.trusted.now()
    }

    /// Whether a key was revoked, by its fingerprint. A key of CURVE is its own.
    pub fn revokes(&self, fingerprint: &[u8; 32]) -> bool {
        self.trust().is_revoked(fingerprint)
    }

    /// What the client says of itself.
    pub(super) fn identity(&self) -> Identity {
        match (&self.certificate, &self.own) {
            (Some(certificate), _) => Identity::Certificate(Box::new(Certificate::clone(certificate))),
            (None, Some(own)) => Identity::PublicKey(Box::new(own.public().clone())),
            (None, None) => Identity::Anonymous,
        }
    }

    /// A connection is made; `now_ms` is of any clock that does not go back.
    pub fn note_connection(&self, now_ms: u64) {
        self.ticket.note_time(now_ms);
    }
}

impl ServerKeys {
    pub fn new(own: Arc<KemSecret>, settings: Settings) -> ServerKeys {
        ServerKeys {
            pairs: Lock::new(vec![Arc::new(Pair::new(own))]),
            cookies: Cookies::default(),
            tickets: Tickets::new(settings.ticket_life_s),
            certificate: Lock::default(),
            trusted: Arc::default(),
            settings,
        }
    }

    /// Accepts the certificates of these authorities, and no key that is revoked.
    pub fn with_trusted(self, trusted: Arc<Trusted>) -> ServerKeys {
        ServerKeys { trusted, ..self }
    }

    /// Trusts these authorities, from now on and as long as it lives.
    #[cfg(test)]
    pub fn with_trust(self, trust: Trust) -> ServerKeys {
        self.with_trusted(Arc::new(Trusted::new(trust)))
    }

    /// Shows this certificate of a key of its own to clients that ask from now on.
    pub fn set_certificate(&self, certificate: Option<Arc<Certificate>>) {
        *self.certificate.lock() = certificate;
    }

    /// What clients that ask are shown.
    pub fn certificate(&self) -> Option<Arc<Certificate>> {
        self.certificate.lock().clone()
    }

    pub(super) fn trust(&self) -> Arc<Trust> {
        self.trusted.now()
    }

    /// Whether a key was revoked, by its fingerprint. A key of CURVE is its own.
    pub fn revokes(&self, fingerprint: &[u8; 32]) -> bool {
        self.trust().is_revoked(fingerprint)
    }

    /// Whether a client has to be certified where no authenticator is asked about it.
    pub fn wants_certificates(&self) -> bool {
        self.trusted.wants_certificates()
    }

    /// Adds a key by which clients may know this server, from their next HELLO on. Adding a key again changes nothing. Errors:
    /// `ENOBUFS` where there are [`MAX_SERVER_KEYS`].
    pub fn add(&self, secret: Arc<KemSecret>) -> Result<()> {
        let pair = Pair::new(secret);
        let mut pairs = self.pairs.lock();
        if pairs.iter().any(|known| known.secret.public() == pair.secret.public()) {
            return Ok(());
        }
        if pairs.len() >= MAX_SERVER_KEYS {
            return Err(Errno::NOBUFS);
        }
        pairs.push(Arc::new(pair));
        Ok(())
    }

    /// Withdraws a key: no HELLO opens with it any more. Connections beyond HELLO go on. Errors: `ENOENT` where there is no such key.
    pub fn withdraw(&self, public: &KemPublic) -> Result<()> {
        let mut pairs = self.pairs.lock();
        let before = pairs.len();
        pairs.retain(|pair| pair.secret.public() != public);
        if pairs.len() < before { Ok(()) } else { Err(Errno::NOENT) }
    }

    /// Whether clients may know the server by this key.
    pub fn knows(&self, public: &KemPublic) -> bool {
        self.pairs.lock().iter().any(|pair| pair.secret.public() == public)
    }

    /// A connection has come; `now_ms` is of any clock that does not go back. Call it whenever a peer is accepted.
    pub fn note_connection(&self, now_ms: u64) {
        self.cookies.note_connection(now_ms);
        self.tickets.note_time(now_ms);
    }

    pub(super) fn tickets(&self) -> &Tickets {
        &self.tickets
    }

    /// The cookies, and whether clients need one.
    pub(super) fn cookies(&self) -> (&Cookies, bool) {
        (&self.cookies, self.cookies.is_under_load(self.settings.most_connections))
    }

    /// The pair with this id.
    pub(super) fn pair(&self, id: &[u8; KEY_ID_BYTES]) -> Option<Arc<Pair>> {
        self.pairs.lock().iter().find(|pair| pair.id == *id).cloned()
    }
}

impl Pair {
    fn new(secret: Arc<KemSecret>) -> Pair {
        Pair { id: key_id(secret.public()), secret }
    }
}

#[cfg(test)]
pub mod testing {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A client with a key of its own, and the server that it knows.
    pub fn pair(kem: KemSuite) -> (Arc<ClientKeys>, Arc<ServerKeys>) {
        let server = Arc::new(KemSecret::generate(kem).unwrap());
        let own = Some(Arc::new(KemSecret::generate(kem).unwrap()));
        let known = Arc::new(server.public().clone());
        let client = ClientKeys::new(known, own, Settings::default()).unwrap();
        (Arc::new(client), Arc::new(ServerKeys::new(server, Settings::default())))
    }
}
