//! Key encapsulation: X-Wing, which is hybrid, and ML-KEM-1024 alone.
//!
//! | File | What |
//! |---|---|
//! | `mlkem` | ML-KEM by libcrux |
//! | `xwing` | X-Wing over it |
//! | `tagged` | keys as programs and files have them, and fingerprints |
//!
//! Encapsulating to a public key gives a ciphertext and a secret of 32 bytes; decapsulating the ciphertext gives the secret again.
//! Decapsulation tells nothing about a ciphertext of the right length: a wrong one gives another secret (implicit rejection).
//!
//! Nothing here allocates what a peer's bytes ask for. Secrets are wiped when dropped, but for what libcrux leaves on the stack.

pub(in crate::crypto) mod mlkem;
mod tagged;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub mod work;
mod xwing;

use super::random;
use crate::errno::{Errno, Result};
use mlkem::mlkem1024;
use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;
use tagged::What;
use zeroize::Zeroizing;

pub use tagged::{FINGERPRINT_BYTES, KEY_TAG_BYTES};

/// Bytes of a shared secret, in both suites.
pub const SHARED_SECRET_BYTES: usize = 32;
/// Bytes of the longest seed.
pub const MAX_SEED_BYTES: usize = mlkem1024::SEED_BYTES;
/// Bytes of the longest public key.
pub const MAX_PUBLIC_BYTES: usize = mlkem1024::PUBLIC_BYTES;

/// What keys and ciphertexts are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KemSuite {
    /// X25519 and ML-KEM-768.
    XWing,
    /// ML-KEM-1024 alone.
    MlKem1024,
}

impl KemSuite {
    pub const ALL: [KemSuite; 2] = [KemSuite::XWing, KemSuite::MlKem1024];

    /// The number that it has in keys and on the wire.
    pub const fn number(self) -> u8 {
        match self {
            KemSuite::XWing => 1,
            KemSuite::MlKem1024 => 2,
        }
    }

    /// The suite with a number, if there is one.
    pub fn from_number(number: u8) -> Option<KemSuite> {
        KemSuite::ALL.into_iter().find(|suite| suite.number() == number)
    }

    /// The name that people use.
    pub const fn name(self) -> &'static str {
        match self {
            KemSuite::XWing => "X-Wing",
            KemSuite::MlKem1024 => "ML-KEM-1024",
        }
    }

    /// Bytes of the seed that a secret key is made of.
    pub const fn seed_bytes(self) -> usize {
        match self {
            KemSuite::XWing => xwing::SEED_BYTES,
            KemSuite::MlKem1024 => mlkem1024::SEED_BYTES,
        }
    }

    /// Bytes of a public key.
    pub const fn public_bytes(self) -> usize {
        match self {
            KemSuite::XWing => xwing::PUBLIC_BYTES,
            KemSuite::MlKem1024 => mlkem1024::PUBLIC_BYTES,
        }
    }

    /// Bytes of a public key with its tag.
    pub const fn tagged_public_bytes(self) -> usize {
        KEY_TAG_BYTES + self.public_bytes()
    }

    /// Bytes of a secret key with its tag.
    pub const fn tagged_secret_bytes(self) -> usize {
        KEY_TAG_BYTES + self.seed_bytes()
    }

    /// Bytes of a ciphertext.
    pub const fn ciphertext_bytes(self) -> usize {
        match self {
            KemSuite::XWing => xwing::CIPHERTEXT_BYTES,
            KemSuite::MlKem1024 => mlkem1024::CIPHERTEXT_BYTES,
        }
    }
}

/// A secret key and its public one. Wiped when dropped, never printed.
pub struct KemSecret {
    seed: Zeroizing<Vec<u8>>,
    expanded: Expanded,
    public: KemPublic,
}

enum Expanded {
    XWing(xwing::Secret),
    MlKem1024(mlkem1024::Secret),
}

impl KemSecret {
    /// The pair of a seed. Errors: `EINVAL` for a seed of another length than [`KemSuite::seed_bytes`].
    pub fn from_seed(suite: KemSuite, seed: &[u8]) -> Result<KemSecret> {
        #[cfg(test)]
        work::note(|work| work.key_pairs += 1);
        let (expanded, public) = match suite {
            KemSuite::XWing => {
                let (secret, public) = xwing::Secret::from_seed(array(seed)?);
                (Expanded::XWing(secret), Public::XWing(public))
            }
            KemSuite::MlKem1024 => {
                let (secret, public) = mlkem1024::Secret::from_seed(array(seed)?);
                (Expanded::MlKem1024(secret), Public::MlKem1024(public))
            }
        };
        Ok(KemSecret { seed: Zeroizing::new(seed.to_vec()), expanded, public: KemPublic(public) })
    }

    /// A fresh pair. Errors: those of [`random::fill`].
    pub fn generate(suite: KemSuite) -> Result<KemSecret> {
        let mut bytes = Zeroizing::new([0; MAX_SEED_BYTES]);
        let seed = bytes.get_mut(..suite.seed_bytes()).unwrap_or_default();
        random::fill(seed)?;
        KemSecret::from_seed(suite, seed)
    }

    /// Reads a key with its tag. Errors: `EINVAL` for what is none.
    pub fn from_tagged(bytes: &[u8]) -> Result<KemSecret> {
        let (suite, seed) = What::Secret.untag(bytes)?;
        KemSecret::from_seed(suite, seed)
    }

    /// The key with its tag; wiped when dropped.
    pub fn tagged(&self) -> Zeroizing<Vec<u8>> {
        // Not grown afterwards, which would leave a copy behind.
        Zeroizing::new([&What::Secret.tag(self.suite())[..], self.seed()].concat())
    }

    pub fn suite(&self) -> KemSuite {
        self.public.suite()
    }

    pub fn public(&self) -> &KemPublic {
        &self.public
    }

    /// The seed, for storing. A caller that copies it has to wipe the copy.
    pub fn seed(&self) -> &[u8] {
        &self.seed
    }

    /// The secret of a ciphertext. Errors: `EPROTO` for a ciphertext of a wrong length. `EPROTO` too for one with an X25519 point
    /// that gives the same secret with every key.
    pub fn decapsulate(&self, ciphertext: &[u8]) -> Result<SharedSecret> {
        #[cfg(test)]
        work::note(|work| work.decapsulations += 1);
        match &self.expanded {
            Expanded::XWing(secret) => secret.decapsulate(array(ciphertext).map_err(|_| Errno::PROTO)?),
            Expanded::MlKem1024(secret) => {
                Ok(secret.decapsulate(array(ciphertext).map_err(|_| Errno::PROTO)?))
            }
        }
    }
}

impl PartialEq for KemSecret {
    fn eq(&self, other: &KemSecret) -> bool {
        self.suite() == other.suite() && bool::from(self.seed().ct_eq(other.seed()))
    }
}

impl Eq for KemSecret {}

impl fmt::Debug for KemSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KemSecret({}, ..)", self.suite().name())
    }
}

/// A public key whose form has been checked.
#[derive(Clone)]
pub struct KemPublic(Public);

// In place, so that a peer's key allocates nothing.
#[expect(clippy::large_enum_variant)]
#[derive(Clone)]
enum Public {
    XWing([u8; xwing::PUBLIC_BYTES]),
    MlKem1024([u8; mlkem1024::PUBLIC_BYTES]),
}

impl KemPublic {
    /// Takes a key, and checks it as FIPS 203, section 7.2, says. Errors: `EINVAL` for what is no key of the suite.
    pub fn parse(suite: KemSuite, bytes: &[u8]) -> Result<KemPublic> {
        let (is_public, public) = match suite {
            KemSuite::XWing => {
                let bytes = array(bytes)?;
                (xwing::is_public(bytes), Public::XWing(*bytes))
            }
            KemSuite::MlKem1024 => {
                let bytes = array(bytes)?;
                (mlkem1024::is_public(bytes), Public::MlKem1024(*bytes))
            }
        };
        if is_public { Ok(KemPublic(public)) } else { Err(Errno::INVAL) }
    }

    /// Reads a key with its tag. Errors: `EINVAL` for what is none, as of [`KemPublic::parse`].
    pub fn from_tagged(bytes: &[u8]) -> Result<KemPublic> {
        let (suite, raw) = What::Public.untag(bytes)?;
        KemPublic::parse(suite, raw)
    }

    /// The key with its tag.
    pub fn tagged(&self) -> Vec<u8> {
        [&What::Public.tag(self.suite())[..], self.bytes()].concat()
    }

    /// SHA-256 of the key with its tag: what stands for the key where 32 bytes have room.
    pub fn fingerprint(&self) -> [u8; FINGERPRINT_BYTES] {
        Sha256::new()
            .chain_update(What::Public.tag(self.suite()))
            .chain_update(self.bytes())
            .finalize()
            .into()
    }

    pub fn suite(&self) -> KemSuite {
        match self.0 {
            Public::XWing(_) => KemSuite::XWing,
            Public::MlKem1024(_) => KemSuite::MlKem1024,
        }
    }

    pub fn bytes(&self) -> &[u8] {
        match &self.0 {
            Public::XWing(bytes) => bytes,
            Public::MlKem1024(bytes) => bytes,
        }
    }

    /// A fresh secret, and the ciphertext that the holder of the secret key gets it from.
    ///
    /// Errors: those of [`random::fill`]; `EPROTO` for a key with an X25519 point that gives the same secret with every key.
    pub fn encapsulate(&self) -> Result<(Ciphertext, SharedSecret)> {
        let mut randomness = Zeroizing::new([0; xwing::RANDOMNESS_BYTES]);
        random::fill(&mut *randomness)?;
        self.encapsulate_with(&randomness)
    }

    /// ML-KEM-1024 takes the first half of the randomness.
    fn encapsulate_with(
        &self,
        randomness: &[u8; xwing::RANDOMNESS_BYTES],
    ) -> Result<(Ciphertext, SharedSecret)> {
        #[cfg(test)]
        work::note(|work| work.encapsulations += 1);
        match &self.0 {
            Public::XWing(public) => {
                let (ciphertext, shared) = xwing::encapsulate(public, randomness)?;
                Ok((Ciphertext(CiphertextBytes::XWing(ciphertext)), shared))
            }
            Public::MlKem1024(public) => {
                let half = Zeroizing::new(std::array::from_fn(|at| randomness[at]));
                let (ciphertext, shared) = mlkem1024::encapsulate(public, &half);
                Ok((Ciphertext(CiphertextBytes::MlKem1024(ciphertext)), shared))
            }
        }
    }
}

/// Compared in constant time: a server compares keys of peers with keys that it may not want to reveal.
impl PartialEq for KemPublic {
    fn eq(&self, other: &KemPublic) -> bool {
        self.bytes().ct_eq(other.bytes()).into()
    }
}

impl Eq for KemPublic {}

impl fmt::Debug for KemPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KemPublic({}, ", self.suite().name())?;
        self.bytes().iter().take(8).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("..)")
    }
}

/// What an encapsulation sends.
pub struct Ciphertext(CiphertextBytes);

// In place, so that a peer's key allocates nothing.
#[expect(clippy::large_enum_variant)]
enum CiphertextBytes {
    XWing([u8; xwing::CIPHERTEXT_BYTES]),
    MlKem1024([u8; mlkem1024::CIPHERTEXT_BYTES]),
}

impl Ciphertext {
    pub fn bytes(&self) -> &[u8] {
        match &self.0 {
            CiphertextBytes::XWing(bytes) => bytes,
            CiphertextBytes::MlKem1024(bytes) => bytes,
        }
    }
}

/// A secret that both sides share. Wiped when dropped, compared in constant time, never printed.
pub struct SharedSecret(Zeroizing<[u8; SHARED_SECRET_BYTES]>);

impl SharedSecret {
    pub fn as_bytes(&self) -> &[u8; SHARED_SECRET_BYTES] {
        &self.0
    }
}

impl PartialEq for SharedSecret {
    fn eq(&self, other: &SharedSecret) -> bool {
        self.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

impl Eq for SharedSecret {}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(..)")
    }
}

/// Errors: `EINVAL` for another length.
fn array<const N: usize>(bytes: &[u8]) -> Result<&[u8; N]> {
    bytes.try_into().map_err(|_| Errno::INVAL)
}
