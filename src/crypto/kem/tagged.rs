//! Keys as programs and files have them: a tag of four bytes, and the raw key.
//!
//! The tag says what the key is, so that no key is taken for another one. A secret key is its seed, which determines the public key.

use super::KemSuite;
use crate::errno::{Errno, Result};

/// Bytes of a tag.
pub const KEY_TAG_BYTES: usize = 4;
/// Bytes of the fingerprint of a public key: as many as a CURVE key has, so that it fits in the same places.
pub const FINGERPRINT_BYTES: usize = 32;
/// The first byte of every tag.
const FAMILY: u8 = b'Q';
/// The last byte of every tag: the form of the rest.
const VERSION: u8 = 1;

/// The second byte of a tag.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum What {
    Public = b'P' as isize,
    Secret = b'S' as isize,
}

impl What {
    pub fn tag(self, suite: KemSuite) -> [u8; KEY_TAG_BYTES] {
        [FAMILY, self as u8, suite.number(), VERSION]
    }

    /// The suite and the raw key. Errors: `EINVAL` for another tag.
    pub fn untag(self, bytes: &[u8]) -> Result<(KemSuite, &[u8])> {
        let (tag, raw) = bytes.split_first_chunk::<KEY_TAG_BYTES>().ok_or(Errno::INVAL)?;
        let suite = KemSuite::from_number(tag[2]).ok_or(Errno::INVAL)?;
        if *tag == self.tag(suite) { Ok((suite, raw)) } else { Err(Errno::INVAL) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{KemPublic, KemSecret};
    use super::*;
    use sha2::{Digest, Sha256};

    #[test]
    fn keys_come_back() {
        for suite in KemSuite::ALL {
            let secret = KemSecret::generate(suite).unwrap();
            let (tagged, tagged_secret) = (secret.public().tagged(), secret.tagged());
            assert_eq!(
                (tagged.len(), tagged_secret.len()),
                (suite.tagged_public_bytes(), suite.tagged_secret_bytes())
            );
            assert_eq!(&KemPublic::from_tagged(&tagged).unwrap(), secret.public());
            assert_eq!(KemSecret::from_tagged(&tagged_secret).unwrap().seed(), secret.seed());
        }
    }

    #[test]
    fn tags_are_those_of_the_document() {
        let secret = KemSecret::from_seed(KemSuite::XWing, &[7; 32]).unwrap();
        assert!(
            secret.tagged().starts_with(b"QS\x01\x01\x07")
                && secret.public().tagged().starts_with(b"QP\x01\x01")
        );
        let secret = KemSecret::from_seed(KemSuite::MlKem1024, &[7; 64]).unwrap();
        assert!(
            secret.tagged().starts_with(b"QS\x02\x01\x07")
                && secret.public().tagged().starts_with(b"QP\x02\x01")
        );
    }

    #[test]
    fn a_fingerprint_is_a_digest_of_tag_and_key() {
        for suite in KemSuite::ALL {
            let public = KemSecret::generate(suite).unwrap().public().clone();
            assert_eq!(public.fingerprint()[..], Sha256::digest(public.tagged())[..]);
        }
    }

    /// Every byte of the tag counts, and every length.
    #[test]
    fn other_tags_and_lengths_are_refused() {
        for suite in KemSuite::ALL {
            let secret = KemSecret::generate(suite).unwrap();
            let (public, secret) = (secret.public().tagged(), secret.tagged().to_vec());
            for at in 0..KEY_TAG_BYTES {
                for byte in 0..=0xff {
                    let changed = |key: &[u8]| {
                        let mut key = key.to_vec();
                        (key[at] != byte).then(|| {
                            key[at] = byte;
                            key
                        })
                    };
                    if let (Some(public), Some(secret)) = (changed(&public), changed(&secret)) {
                        assert_eq!(KemPublic::from_tagged(&public), Err(Errno::INVAL));
                        assert_eq!(KemSecret::from_tagged(&secret).unwrap_err(), Errno::INVAL);
                    }
                }
            }
            for len in (0..8).chain([public.len() - 1]) {
                assert_eq!(KemPublic::from_tagged(&public[..len]), Err(Errno::INVAL));
            }
            for len in 0..secret.len() {
                assert_eq!(KemSecret::from_tagged(&secret[..len]).unwrap_err(), Errno::INVAL);
            }
            assert_eq!(KemPublic::from_tagged(&secret), Err(Errno::INVAL));
            assert_eq!(KemSecret::from_tagged(&public).unwrap_err(), Errno::INVAL);
        }
    }
}
