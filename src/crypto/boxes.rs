//! Single boxes, for the handshake, where each has a key or a nonce of its own. A box is a tag of 16 bytes
//! and the encrypted text.
//!
//! Two kinds are NaCl's (X25519, XSalsa20-Poly1305), as RFC 26 requires. crypto_box makes those of
//! [`HandshakeKey`]. Those of [`SharedKey`] are made by the cipher that also seals the messages after the
//! handshake. Both use the same key, so that X25519 is computed once. Only the server itself opens its
//! cookies, so they have a kind of their own, [`SealKey`].

use super::keys::{KEY_BYTES, PublicKey, SecretKey};
use super::random;
use super::salsa::hsalsa20;
use super::stream::BoxStream;
use super::{PREFIX_BYTES, TAG_BYTES};
use crate::errno::{Errno, Result};
use chacha20poly1305::{AeadInPlace, KeyInit, XChaCha20Poly1305};
use crypto_box::SalsaBox;
use zeroize::Zeroizing;

/// Bytes of a nonce.
pub const NONCE_BYTES: usize = 24;

/// For boxes between a long-term key and the other side's short-term one, which seal only parts of the
/// handshake.
pub struct HandshakeKey(SalsaBox);

impl HandshakeKey {
    /// Errors: `EPROTO` for one of the public keys that yield the same shared key with every secret one.
    pub fn new(public: &PublicKey, secret: &SecretKey) -> Result<HandshakeKey> {
        if public.agrees_with_all() {
            return Err(Errno::PROTO);
        }
        let secret = crypto_box::SecretKey::from(*secret.as_bytes());
        Ok(HandshakeKey(SalsaBox::new(&crypto_box::PublicKey::from(public.0), &secret)))
    }

    /// Encrypts the text behind the first 16 bytes of `buf` and puts the tag there.
    ///
    /// A nonce must never be used twice. Errors: `EINVAL` for less than 16 bytes.
    pub fn seal_in_place(&self, nonce: &[u8; NONCE_BYTES], buf: &mut [u8]) -> Result<()> {
        seal(&self.0, nonce, buf)
    }

    /// Checks the tag in the first 16 bytes of `buf`, decrypts the text behind it and returns that.
    ///
    /// Errors: `EPROTO` if the other side did not seal it under this nonce; all of `buf` is zero then.
    pub fn open_in_place<'a>(&self, nonce: &[u8; NONCE_BYTES], buf: &'a mut [u8]) -> Result<&'a mut [u8]> {
        open(&self.0, nonce, buf)
    }
}

/// The shared key of a secret key and the other side's public key (`crypto_box_beforenm`). It serves the rest
/// of the handshake and the [`BoxStream`]s of the connection.
pub struct SharedKey(Zeroizing<[u8; KEY_BYTES]>);

impl SharedKey {
    /// Errors: `EPROTO` for one of the public keys that yield the same shared key with every secret one.
    pub fn new(public: &PublicKey, secret: &SecretKey) -> Result<SharedKey> {
        let agreed = secret.agree(public);
        if !agreed.was_contributory() {
            return Err(Errno::PROTO);
        }
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        for (bytes, word) in key.as_chunks_mut::<4>().0.iter_mut().zip(*hsalsa20(agreed.as_bytes(), &[0; 16]))
        {
            *bytes = word.to_le_bytes();
        }
        Ok(SharedKey(key))
    }

    /// As [`HandshakeKey::seal_in_place`].
    pub fn seal_in_place(&self, nonce: &[u8; NONCE_BYTES], buf: &mut [u8]) -> Result<()> {
        let (mut stream, counter) = self.single(nonce);
        stream.seal_in_place(counter, buf)
    }

    /// As [`HandshakeKey::open_in_place`].
    pub fn open_in_place<'a>(&self, nonce: &[u8; NONCE_BYTES], buf: &'a mut [u8]) -> Result<&'a mut [u8]> {
        let (mut stream, counter) = self.single(nonce);
        stream.open_in_place(counter, buf)
    }

    /// For one direction of the connection. `prefix` is the part of the nonce before the counter.
    pub fn stream(&self, prefix: &[u8; PREFIX_BYTES]) -> BoxStream {
        BoxStream::with_key(self.as_bytes(), prefix)
    }

    /// A single box is a stream of one message.
    fn single(&self, nonce: &[u8; NONCE_BYTES]) -> (BoxStream, u64) {
        let mut prefix = [0; PREFIX_BYTES];
        let mut counter = [0; NONCE_BYTES - PREFIX_BYTES];
        prefix.copy_from_slice(&nonce[..PREFIX_BYTES]);
        counter.copy_from_slice(&nonce[PREFIX_BYTES..]);
        (BoxStream::with_key(&self.0, &prefix), u64::from_be_bytes(counter))
    }

    pub(super) fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

/// A key for boxes that the sealer itself opens, as a server does with cookies: XChaCha20-Poly1305. Wiped
/// when dropped.
pub struct SealKey(XChaCha20Poly1305);

impl SealKey {
    /// Generates a key. Errors: those of [`random::fill`].
    pub fn generate() -> Result<SealKey> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        random::fill(&mut *key)?;
        Ok(SealKey(XChaCha20Poly1305::new((&*key).into())))
    }

    /// As [`HandshakeKey::seal_in_place`].
    pub fn seal_in_place(&self, nonce: &[u8; NONCE_BYTES], buf: &mut [u8]) -> Result<()> {
        seal(&self.0, nonce, buf)
    }

    /// As [`HandshakeKey::open_in_place`].
    pub fn open_in_place<'a>(&self, nonce: &[u8; NONCE_BYTES], buf: &'a mut [u8]) -> Result<&'a mut [u8]> {
        open(&self.0, nonce, buf)
    }
}

/// All ciphers here have these sizes.
trait Cipher:
    AeadInPlace<NonceSize = chacha20poly1305::consts::U24, TagSize = chacha20poly1305::consts::U16>
{
}

impl Cipher for SalsaBox {}
impl Cipher for XChaCha20Poly1305 {}

fn seal(cipher: &impl Cipher, nonce: &[u8; NONCE_BYTES], buf: &mut [u8]) -> Result<()> {
    let (tag, text) = buf.split_first_chunk_mut::<TAG_BYTES>().ok_or(Errno::INVAL)?;
    // It fails only for texts larger than memory.
    *tag = cipher.encrypt_in_place_detached(nonce.into(), b"", text).map_err(|_| Errno::INVAL)?.into();
    Ok(())
}

fn open<'a>(cipher: &impl Cipher, nonce: &[u8; NONCE_BYTES], buf: &'a mut [u8]) -> Result<&'a mut [u8]> {
    let (tag, text) = buf.split_first_chunk_mut::<TAG_BYTES>().ok_or(Errno::PROTO)?;
    let opened = cipher.decrypt_in_place_detached(nonce.into(), b"", text, (&*tag).into());
    if opened.is_err() {
        buf.fill(0);
        return Err(Errno::PROTO);
    }
    Ok(buf.get_mut(TAG_BYTES..).unwrap_or_default())
}
