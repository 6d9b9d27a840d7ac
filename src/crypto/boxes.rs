//! Boxes of NaCl, one at a time: crypto_box (X25519, XSalsa20-Poly1305) and crypto_secretbox (without the X25519).
//!
//! For the handshake, where each box has a key or a nonce of its own. A box is 16 bytes of tag and the encrypted text.

use super::keys::{KEY, PublicKey, SecretKey};
use super::random;
use super::salsa::hsalsa20;
use super::stream::{BoxStream, PREFIX};
use crate::errno::{Errno, Result};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Bytes in a nonce.
pub const NONCE: usize = 24;

/// What a secret key and the other side's public key make: the key for boxes between the two (`crypto_box_beforenm`).
pub struct SharedKey(Zeroizing<[u8; KEY]>);

impl SharedKey {
    /// Errors: `EPROTO` for one of the public keys that make the same key with every secret one. Only someone who
    /// means harm sends those.
    pub fn new(public: &PublicKey, secret: &SecretKey) -> Result<SharedKey> {
        let agreed = secret.agree(public);
        if agreed.ct_eq(&[0; KEY]).into() {
            return Err(Errno::PROTO);
        }
        let mut key = Zeroizing::new([0; KEY]);
        for (bytes, word) in key.as_chunks_mut::<4>().0.iter_mut().zip(*hsalsa20(&agreed, &[0; 16])) {
            *bytes = word.to_le_bytes();
        }
        Ok(SharedKey(key))
    }

    /// Encrypts the text behind the first 16 bytes of `buf` and puts the tag there.
    ///
    /// A nonce must never be used twice. Errors: `EINVAL` for less than 16 bytes.
    pub fn seal_in_place(&self, nonce: &[u8; NONCE], buf: &mut [u8]) -> Result<()> {
        seal(&self.0, nonce, buf)
    }

    /// Checks the tag in the first 16 bytes of `buf`, decrypts the text behind it and returns that.
    ///
    /// Errors: `EPROTO` if the other side did not seal it under this nonce; the text is zeroed then.
    pub fn open_in_place<'a>(&self, nonce: &[u8; NONCE], buf: &'a mut [u8]) -> Result<&'a mut [u8]> {
        open(&self.0, nonce, buf)
    }

    pub(super) fn as_bytes(&self) -> &[u8; KEY] {
        &self.0
    }
}

/// A key for boxes that whoever seals them opens himself, as a server does with cookies. Wiped when dropped.
pub struct SecretBoxKey(Zeroizing<[u8; KEY]>);

impl SecretBoxKey {
    /// A fresh one. Errors: those of [`random::fill`].
    pub fn generate() -> Result<SecretBoxKey> {
        let mut key = SecretBoxKey(Zeroizing::new([0; KEY]));
        random::fill(&mut *key.0)?;
        Ok(key)
    }

    /// As [`SharedKey::seal_in_place`].
    pub fn seal_in_place(&self, nonce: &[u8; NONCE], buf: &mut [u8]) -> Result<()> {
        seal(&self.0, nonce, buf)
    }

    /// As [`SharedKey::open_in_place`].
    pub fn open_in_place<'a>(&self, nonce: &[u8; NONCE], buf: &'a mut [u8]) -> Result<&'a mut [u8]> {
        open(&self.0, nonce, buf)
    }
}

fn seal(key: &[u8; KEY], nonce: &[u8; NONCE], buf: &mut [u8]) -> Result<()> {
    let (mut stream, counter) = stream(key, nonce);
    stream.seal_in_place(counter, buf)
}

fn open<'a>(key: &[u8; KEY], nonce: &[u8; NONCE], buf: &'a mut [u8]) -> Result<&'a mut [u8]> {
    let (mut stream, counter) = stream(key, nonce);
    stream.open_in_place(counter, buf)
}

/// A box alone is a stream of one message.
fn stream(key: &[u8; KEY], nonce: &[u8; NONCE]) -> (BoxStream, u64) {
    let mut prefix = [0; PREFIX];
    let mut counter = [0; NONCE - PREFIX];
    prefix.copy_from_slice(&nonce[..PREFIX]);
    counter.copy_from_slice(&nonce[PREFIX..]);
    (BoxStream::with_key(key, &prefix), u64::from_be_bytes(counter))
}
