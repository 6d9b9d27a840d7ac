//! What a client says of itself: in HELLO's box, and in the server's tickets.

use super::fields::{Fields, is_zero};
use crate::crypto::aead::AEAD_TAG_BYTES;
use crate::crypto::certificate::Refusal;
use crate::crypto::{Certificate, KemPublic, KemSuite, Roles, Trust};
use crate::engine::Failure;

/// Bytes of an identity with a certificate in it.
pub const LARGE_IDENTITY_BYTES: usize = 6144;
/// Bytes of the kind and the length in front of an identity.
const HEAD_BYTES: usize = 3;
const ANONYMOUS: u8 = 0;
const PUBLIC_KEY: u8 = 1;
const CERTIFICATE: u8 = 2;

/// A client, as it has shown itself. It has not proved that it has the key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Identity {
    Anonymous,
    PublicKey(Box<KemPublic>),
    /// Of a key of the connection's KEM; whether it is accepted is said by [`Identity::check`].
    Certificate(Box<Certificate>),
}

/// Bytes of an identity without a certificate.
pub fn identity_bytes(kem: KemSuite) -> usize {
    kem.public_bytes() + 8
}

impl Identity {
    /// The key that the client has to prove.
    pub fn public(&self) -> Option<&KemPublic> {
        match self {
            Identity::Anonymous => None,
            Identity::PublicKey(public) => Some(public),
            Identity::Certificate(certificate) => Some(&certificate.claims.public),
        }
    }

    /// The name that an authority gives the key.
    pub fn name(&self) -> Option<&str> {
        match self {
            Identity::Anonymous | Identity::PublicKey(_) => None,
            Identity::Certificate(certificate) => Some(&certificate.claims.name),
        }
    }

    /// The first second, since 1970, at which the client is not certified any more.
    pub fn end_s(&self) -> Option<u64> {
        match self {
            Identity::Anonymous | Identity::PublicKey(_) => None,
            Identity::Certificate(certificate) => Some(certificate.claims.not_after_s),
        }
    }

    /// Whether the client's key may be used as it says, at this second since 1970. Fails for a key that is revoked, and for a
    /// certificate that is not accepted.
    pub fn check(&self, trust: &Trust, now_s: u64) -> Result<(), Failure> {
        self.check_by(trust, |certificate| trust.check(certificate, Roles::Client, now_s))
    }

    /// As [`check`](Self::check), of an identity in a ticket of this server: the full handshake has verified the signature.
    pub fn check_again(&self, trust: &Trust, now_s: u64) -> Result<(), Failure> {
        self.check_by(trust, |certificate| trust.check_again(certificate, Roles::Client, now_s))
    }

    fn check_by(
        &self,
        trust: &Trust,
        accept: impl FnOnce(&Certificate) -> Result<(), Refusal>,
    ) -> Result<(), Failure> {
        match self {
            Identity::Anonymous => Ok(()),
            Identity::PublicKey(public) if trust.is_revoked(&public.fingerprint()) => {
                Err(Failure::Uncertified(Refusal::Revoked))
            }
            Identity::PublicKey(_) => Ok(()),
            Identity::Certificate(certificate) => accept(certificate).map_err(Failure::Uncertified),
        }
    }

    /// The text of the box.
    pub fn encode(&self, kem: KemSuite) -> Vec<u8> {
        let (kind, content, bytes) = match self {
            Identity::Anonymous => (ANONYMOUS, &[][..], identity_bytes(kem)),
            Identity::PublicKey(public) => (PUBLIC_KEY, public.bytes(), identity_bytes(kem)),
            Identity::Certificate(certificate) => (CERTIFICATE, certificate.bytes(), LARGE_IDENTITY_BYTES),
        };
        let mut text = Vec::with_capacity(bytes + AEAD_TAG_BYTES);
        text.push(kind);
        text.extend_from_slice(&(content.len() as u16).to_be_bytes());
        text.extend_from_slice(content);
        text.resize(bytes, 0);
        text
    }

    /// Reads and checks the text of the box, whose length has been checked. A certificate's signature is not checked here.
    pub fn parse(kem: KemSuite, text: &[u8]) -> Result<Identity, Failure> {
        let (kind, content) = split(text).ok_or(Failure::MALFORMED_HELLO)?;
        match (kind, content) {
            (ANONYMOUS, []) => Ok(Identity::Anonymous),
            (PUBLIC_KEY, content) => KemPublic::parse(kem, content)
                .map(|public| Identity::PublicKey(Box::new(public)))
                .map_err(|_| Failure::CRYPTOGRAPHIC),
            (CERTIFICATE, content) => Certificate::parse(content)
                .ok()
                .filter(|certificate| certificate.claims.public.suite() == kem)
                .map(|certificate| Identity::Certificate(Box::new(certificate)))
                .ok_or(Failure::CRYPTOGRAPHIC),
            _ => Err(Failure::MALFORMED_HELLO),
        }
    }
}

fn split(text: &[u8]) -> Option<(u8, &[u8])> {
    let mut fields = Fields::new(text);
    let [kind, high, low] = *fields.array::<HEAD_BYTES>()?;
    let content = fields.take(usize::from(u16::from_be_bytes([high, low])))?;
    is_zero(fields.rest()).then_some((kind, content))
}
