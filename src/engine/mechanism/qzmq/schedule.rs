//! The key schedule: the transcript and the chain, as both sides keep them while they shake hands.
//!
//! Every byte of the handshake goes into the transcript, and every secret into the chain. The key of a box comes from both. So a
//! box opens only where both sides have seen the same, and know the same secrets.

use super::derivation::box_key;
use super::logged::LoggedSecrets;
use super::suite::hash_of;
use super::traffic::{Role, Traffic};
use crate::crypto::aead::{AEAD_NONCE_BYTES, AEAD_TAG_BYTES};
use crate::crypto::hkdf::{DerivationKey, Digest, MAX_DIGEST_BYTES};
use crate::crypto::{AeadKey, AeadSuite, KemPublic, KemSuite};
use crate::engine::Failure;
use zeroize::Zeroizing;

/// Bytes of a shared secret.
const SECRET_BYTES: usize = 32;
/// What stands in for a secret that there is none of.
const NO_SECRET: [u8; SECRET_BYTES] = [0; SECRET_BYTES];

/// The command that a box is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Hello,
    Welcome,
    Initiate,
    Ready,
    Error,
}

impl Purpose {
    /// The labels of its key and of its iv.
    const fn labels(self) -> (&'static [u8], &'static [u8]) {
        match self {
            Purpose::Hello => (b"hello key", b"hello iv"),
            Purpose::Welcome => (b"welcome key", b"welcome iv"),
            Purpose::Initiate => (b"initiate key", b"initiate iv"),
            Purpose::Ready => (b"ready key", b"ready iv"),
            Purpose::Error => (b"error key", b"error iv"),
        }
    }
}

/// What both sides have said, and what only they know.
#[derive(Clone)]
pub struct Schedule {
    transcript: Digest,
    chain: DerivationKey,
}

/// What was said before a HELLO.
#[derive(Clone)]
pub struct Prologue {
    kem: KemSuite,
    transcript: Digest,
}

impl Prologue {
    /// `greetings`: the client's and the server's, empty where there are none.
    pub fn new(kem: KemSuite, greetings: [&[u8]; 2]) -> Prologue {
        let hash = hash_of(kem);
        let name: &[u8] = match kem {
            KemSuite::XWing => b"QZMQ/1 X-Wing SHA-256",
            KemSuite::MlKem1024 => b"QZMQ/1 ML-KEM-1024 SHA-384",
        };
        let [first, second] = greetings;
        let transcript = hash.digest(&[name]);
        let transcript = hash.digest(&[transcript.bytes(), first, second]);
        Prologue { kem, transcript }
    }

    /// Goes on with a HELLO whose ticket was refused, and the RETRY that said so: their bodies.
    pub fn refused(&self, hello: &[u8], retry: &[u8]) -> Prologue {
        let transcript = hash_of(self.kem).digest(&[self.transcript.bytes(), hello, retry]);
        Prologue { kem: self.kem, transcript }
    }

    pub fn kem(&self) -> KemSuite {
        self.kem
    }

    /// Begins with a HELLO to this server. `psk`: of a handshake that resumes.
    pub fn schedule(&self, server: &KemPublic, psk: Option<&DerivationKey>) -> Schedule {
        let hash = hash_of(self.kem);
        let transcript = hash.digest(&[self.transcript.bytes(), server.bytes()]);
        let zeros = [0; MAX_DIGEST_BYTES];
        let zeros = zeros.get(..hash.digest_bytes()).unwrap_or_default();
        let chain = DerivationKey::extract(hash, zeros, psk.map_or(zeros, DerivationKey::bytes));
        Schedule { transcript, chain }
    }
}

impl Schedule {
    /// Goes on with something that was said in clear.
    pub fn absorb(&mut self, bytes: &[u8]) {
        self.transcript = self.transcript.hash().digest(&[self.transcript.bytes(), bytes]);
    }

    /// Goes on with a secret; `None` where this handshake has none of its kind.
    pub fn mix(&mut self, secret: Option<&[u8; SECRET_BYTES]>) -> Result<(), Failure> {
        let salt = self.derive(b"derived")?;
        self.chain = DerivationKey::extract(self.chain.hash(), salt.bytes(), secret.unwrap_or(&NO_SECRET));
        Ok(())
    }

    /// Seals the text, appends the box to `out`, and goes on with it.
    pub fn seal(
        &mut self,
        purpose: Purpose,
        aead: AeadSuite,
        text: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let (key, iv) = self.box_key(purpose, aead)?;
        let at = out.len();
        out.extend_from_slice(text);
        let sealed = out.get_mut(at..).unwrap_or_default();
        let tag = key.seal_in_place(&iv, self.transcript.bytes(), sealed).map_err(Failure::Own)?;
        out.extend_from_slice(&tag);
        self.absorb(out.get(at..).unwrap_or_default());
        Ok(())
    }

    /// Opens a box, and goes on with it.
    pub fn open(
        &mut self,
        purpose: Purpose,
        aead: AeadSuite,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let (text, tag) = sealed.split_last_chunk::<AEAD_TAG_BYTES>().ok_or(Failure::CRYPTOGRAPHIC)?;
        let (key, iv) = self.box_key(purpose, aead)?;
        let mut text = Zeroizing::new(text.to_vec());
        key.open_in_place(&iv, self.transcript.bytes(), &mut text, tag)
            .map_err(|_| Failure::CRYPTOGRAPHIC)?;
        self.absorb(sealed);
        Ok(text)
    }

    #[cfg(test)]
    pub fn transcript(&self) -> &[u8] {
        self.transcript.bytes()
    }

    /// A key that comes from the chain as it is.
    #[cfg(test)]
    pub fn derived(&self, label: &[u8]) -> DerivationKey {
        self.derive(label).unwrap_or_else(|_| unreachable!())
    }

    /// What a handshake begins with that resumes by the ticket of this one. After INITIATE.
    pub fn next_psk(&self) -> Result<DerivationKey, Failure> {
        self.derive(b"resumption")
    }

    /// The keys of the records, after READY.
    pub fn traffic(
        &self,
        role: Role,
        aead: AeadSuite,
        kem: KemSuite,
        logged: Option<LoggedSecrets>,
    ) -> Result<Traffic, Failure> {
        let [client, server] = [self.derive(b"client data")?, self.derive(b"server data")?];
        let update = self.derive(b"update")?;
        if let Some(logged) = &logged {
            logged.write([&client, &server], &update);
        }
        Ok(Traffic::new(role, aead, kem, [client, server], update)?.logged(logged))
    }

    fn derive(&self, label: &[u8]) -> Result<DerivationKey, Failure> {
        self.chain.derive(label, self.transcript.bytes()).map_err(Failure::Own)
    }

    fn box_key(
        &self,
        purpose: Purpose,
        aead: AeadSuite,
    ) -> Result<(AeadKey, Zeroizing<[u8; AEAD_NONCE_BYTES]>), Failure> {
        let (key_label, iv_label) = purpose.labels();
        box_key(&self.chain, aead, (key_label, iv_label), self.transcript.bytes())
    }
}
