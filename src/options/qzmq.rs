//! QZMQ's keys in CURVE's options.
//!
//! A program chooses QZMQ by giving keys of QZMQ to `ZMQ_CURVE_PUBLICKEY`, `ZMQ_CURVE_SECRETKEY` and `ZMQ_CURVE_SERVERKEY`. The length of
//! a value says which kind it is, and its tag says so again. Each of the three holds one key at a time, of either kind.

use crate::crypto::certificate::{MAX_CERTIFICATE_BYTES, is_name};
use crate::crypto::kem::{FINGERPRINT_BYTES, KEY_TAG_BYTES};
use crate::crypto::{Certificate, Claims, DsaPublic, KemPublic, KemSecret, KemSuite, Roles, Trust};
use crate::errno::{Errno, Result};
use crate::z85;
use std::borrow::Cow;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The greatest number of a suite.
const MAX_SUITE: u8 = 4;

/// The keys of QZMQ that a socket has been given. Where one is set, CURVE's own place for it is zero.
#[derive(Clone, Default)]
pub struct QzmqValues {
    pub(super) public: Option<Arc<KemPublic>>,
    pub(super) secret: Option<Arc<KemSecret>>,
    pub(super) server: Option<Arc<KemPublic>>,
    /// What is shown in place of the public key. `ZMQ_FERRO_QZMQ_CERTIFICATE`.
    pub(super) certificate: Option<Arc<Certificate>>,
    /// Numbers of suites in order of preference; empty: all. `ZMQ_FERRO_QZMQ_SUITES`.
    suites: Vec<u8>,
    /// `ZMQ_FERRO_QZMQ_SERVER_NAME`; empty where there is none.
    server_name: String,
    /// `ZMQ_FERRO_QZMQ_AUTHORITY` and `ZMQ_FERRO_QZMQ_REVOKED`.
    trust: Trust,
}

/// The keys of an endpoint that speaks QZMQ. They fit together.
#[derive(Clone, Debug)]
pub enum QzmqKeys {
    Server {
        own: Arc<KemSecret>,
        /// Shown to clients that ask; of that key.
        certificate: Option<Arc<Certificate>>,
    },
    /// A client without a key of its own is anonymous.
    Client {
        server: KnownServer,
        own: Option<Arc<KemSecret>>,
        /// Shown in place of the public key; of that key.
        certificate: Option<Arc<Certificate>>,
    },
}

/// Puts a value into the place of QZMQ's key. A socket that `keeps_both` kinds keeps the key of the other. Returns whether the
/// value counts for CURVE's place.
pub fn put<K>(key: Option<Arc<K>>, place: &mut Option<Arc<K>>, keeps_both: bool) -> bool {
    if !keeps_both {
        *place = key;
        return true;
    }
    let is_curves = key.is_none();
    if let Some(key) = key {
        *place = Some(key);
    }
    is_curves
}

/// How a client knows its server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KnownServer {
    Key(Arc<KemPublic>),
    /// By the name in a certificate, which the server is asked for.
    Name(String),
}

impl QzmqValues {
    /// The keys for a server, or for a client; `None` where none is set.
    ///
    /// Errors: `EINVAL` as of [`SocketOptions::qzmq_keys`](super::SocketOptions::qzmq_keys).
    pub fn keys(&self, as_server: bool) -> Result<Option<QzmqKeys>> {
        let QzmqValues { public, secret, server, certificate, server_name, .. } = self;
        if !self.has_keys() {
            return Ok(None);
        }
        if public.as_deref().is_some_and(|public| secret.as_deref().map(KemSecret::public) != Some(public)) {
            return Err(Errno::INVAL);
        }
        let role = if as_server { Roles::Server } else { Roles::Client };
        if certificate.as_deref().is_some_and(|certificate| {
            let Claims { public, roles, .. } = &certificate.claims;
            secret.as_deref().map(KemSecret::public) != Some(public) || !roles.include(role)
        }) {
            return Err(Errno::INVAL);
        }
        let certificate = certificate.clone();
        if as_server {
            let own = secret.clone().ok_or(Errno::INVAL)?;
            return Ok(Some(QzmqKeys::Server { own, certificate }));
        }
        let server = match server {
            Some(server) if secret.as_ref().is_some_and(|own| own.suite() != server.suite()) => {
                return Err(Errno::INVAL);
            }
            Some(server) => KnownServer::Key(Arc::clone(server)),
            None if server_name.is_empty() || self.trust.is_empty() => return Err(Errno::INVAL),
            None => KnownServer::Name(server_name.clone()),
        };
        Ok(Some(QzmqKeys::Client { server, own: secret.clone(), certificate }))
    }

    /// Whether there is a key, or the name of a server in the place of its key.
    pub fn has_keys(&self) -> bool {
        let QzmqValues { public, secret, server, server_name, .. } = self;
        public.is_some() || secret.is_some() || server.is_some() || !server_name.is_empty()
    }

    /// The first option about certificates that is set.
    pub fn certificate_option(&self) -> Option<&'static str> {
        let set = [
            ("ZMQ_FERRO_QZMQ_AUTHORITY", !self.trust.is_empty()),
            ("ZMQ_FERRO_QZMQ_REVOKED", self.trust.revokes()),
            ("ZMQ_FERRO_QZMQ_SERVER_NAME", !self.server_name.is_empty()),
            ("ZMQ_FERRO_QZMQ_CERTIFICATE", self.certificate.is_some()),
        ];
        set.into_iter().find_map(|(name, is_set)| is_set.then_some(name))
    }

    /// What is shown to clients that ask.
    pub fn certificate(&self) -> Option<&Arc<Certificate>> {
        self.certificate.as_ref()
    }

    pub fn suites(&self) -> &[u8] {
        &self.suites
    }

    /// Errors: `EINVAL` for a number that no suite has, and for one that is there twice.
    pub(super) fn set_suites(&mut self, numbers: &[u8]) -> Result<()> {
        let is_fine = |(at, number): (usize, &u8)| {
            (1..=MAX_SUITE).contains(number) && !numbers.iter().take(at).any(|other| other == number)
        };
        if !numbers.iter().enumerate().all(is_fine) {
            return Err(Errno::INVAL);
        }
        self.suites = numbers.to_vec();
        Ok(())
    }

    /// Whose certificates are accepted.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Adds an authority; NULL removes all, and leaves what was revoked. Errors: `EINVAL`, `ENOBUFS`.
    pub(super) fn set_authority(&mut self, value: Option<&[u8]>) -> Result<()> {
        let Some(value) = value else {
            self.trust.forget_authorities();
            return Ok(());
        };
        self.trust.add(DsaPublic::from_tagged(&binary(value)?)?)
    }

    /// NULL removes it. Errors: `EINVAL`.
    pub(super) fn set_certificate(&mut self, value: Option<&[u8]>) -> Result<()> {
        let parse = |value: &[u8]| Certificate::parse(&binary(value)?).map(Arc::new);
        self.certificate = value.map(parse).transpose()?;
        Ok(())
    }

    /// Nothing removes it. Errors: `EINVAL` for what no certificate has as a name.
    pub(super) fn set_server_name(&mut self, name: &[u8]) -> Result<()> {
        let name = str::from_utf8(name).map_err(|_| Errno::INVAL)?;
        if !name.is_empty() && !is_name(name) {
            return Err(Errno::INVAL);
        }
        self.server_name = name.to_owned();
        Ok(())
    }

    /// Adds a fingerprint; `None` removes all.
    pub(super) fn set_revoked(&mut self, fingerprint: Option<[u8; FINGERPRINT_BYTES]>) {
        match fingerprint {
            Some(fingerprint) => self.trust.revoke(fingerprint),
            None => self.trust.forget_revoked(),
        }
    }
}

/// The bytes of a value that may be Z85. The tags of what these options take have a byte that Z85 has not. Errors: `EINVAL`.
fn binary(value: &[u8]) -> Result<Cow<'_, [u8]>> {
    if value.iter().take(KEY_TAG_BYTES).any(|byte| !byte.is_ascii_graphic()) {
        return Ok(Cow::Borrowed(value));
    }
    let text = value.strip_suffix(&[0]).unwrap_or(value);
    if text.len() > MAX_CERTIFICATE_BYTES.saturating_mul(2) {
        return Err(Errno::INVAL);
    }
    z85::decode(text).map(|bytes| Cow::Owned(bytes.to_vec()))
}

/// Whether a value has the length of a key of QZMQ, and so is one or a mistake.
pub fn is_key(value: &[u8]) -> bool {
    KemSuite::ALL
        .iter()
        .flat_map(|suite| [suite.tagged_public_bytes(), suite.tagged_secret_bytes()])
        .any(|bytes| [Ok(bytes), z85::encoded_len(bytes)].contains(&Ok(without_nul(value, bytes).len())))
}

/// A public key; `None` for a value of another length than those of QZMQ's keys. Errors: `EINVAL`.
pub fn public(value: &[u8]) -> Result<Option<Arc<KemPublic>>> {
    tagged(value, KemSuite::tagged_public_bytes, KemPublic::from_tagged)
}

/// A secret key; `None` for a value of another length than those of QZMQ's keys. Errors: `EINVAL`.
pub fn secret(value: &[u8]) -> Result<Option<Arc<KemSecret>>> {
    tagged(value, KemSuite::tagged_secret_bytes, KemSecret::from_tagged)
}

fn tagged<K>(
    value: &[u8],
    bytes_of: impl Fn(KemSuite) -> usize,
    parse: impl FnOnce(&[u8]) -> Result<K>,
) -> Result<Option<Arc<K>>> {
    for bytes in KemSuite::ALL.map(bytes_of) {
        if value.len() == bytes {
            return parse(value).map(Arc::new).map(Some);
        }
        let text = without_nul(value, bytes);
        if Ok(text.len()) == z85::encoded_len(bytes) {
            let key: Zeroizing<Vec<u8>> = z85::decode(text)?;
            return parse(&key).map(Arc::new).map(Some);
        }
    }
    // A public key in the secret one's place, or the other way round.
    if is_key(value) { Err(Errno::INVAL) } else { Ok(None) }
}

/// The text without the NUL behind it, if it has the length of the Z85 of `bytes` bytes then.
fn without_nul(value: &[u8], bytes: usize) -> &[u8] {
    match value {
        [text @ .., 0] if Ok(text.len()) == z85::encoded_len(bytes) => text,
        _ => value,
    }
}

#[cfg(test)]
pub(super) mod tests;
