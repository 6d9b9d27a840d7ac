//! Single boxes, for the handshake, where each has a key or a nonce of its own. A box is a tag of 16 bytes
//! and the encrypted text.
//!
//! One kind is NaCl's (X25519, XSalsa20-Poly1305), as RFC 26 requires: [`SharedKey`]. The cipher that seals the messages after the
//! handshake makes them. Only the server itself opens its cookies, so they have a kind of their own, [`SealKey`].

use super::keys::{KEY_BYTES, PublicKey, SecretKey};
use super::random;
use super::salsa::hsalsa20;
use super::stream::BoxStream;
use super::{PREFIX_BYTES, TAG_BYTES};
use crate::errno::{Errno, Result};
use chacha20poly1305::{AeadInPlace, KeyInit, XChaCha20Poly1305};
use zeroize::Zeroizing;

/// Bytes of a nonce.
pub const NONCE_BYTES: usize = 24;

/// The shared key of a secret key and the other side's public key (`crypto_box_beforenm`). It serves the rest
/// of the handshake and the [`BoxStream`]s of the connection.
pub struct SharedKey(Zeroizing<[u8; KEY_BYTES]>);

impl SharedKey {
    /// Errors: `EPROTO` for one of the public keys that yield the same shared key with every secret one.
    pub fn new(public: &PublicKey, secret: &SecretKey) -> Result<SharedKey> {
        let agreed = secret.agree(public).ok_or(Errno::PROTO)?;
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        for (bytes, word) in key.as_chunks_mut::<4>().0.iter_mut().zip(*hsalsa20(&agreed, &[0; 16])) {
            *bytes = word.to_le_bytes();
        }
        Ok(SharedKey(key))
    }

    /// Encrypts the text behind the first 16 bytes of `buf` and puts the tag there.
    ///
    /// A nonce must never be used twice. Errors: `EINVAL` for less than 16 bytes.
    pub fn seal_in_place(&self, nonce: &[u8; NONCE_BYTES], buf: &mut [u8]) -> Result<()> {
        let (mut stream, counter) = self.single(nonce);
        stream.seal_in_place(counter, buf)
    }

    /// Checks the tag in the first 16 bytes of `buf`, decrypts the text behind it and returns that.
    ///
    /// Errors: `EPROTO` if the other side did not seal it under this nonce; all of `buf` is zero then.
    pub fn open_in_place<'a>(&self, nonce: &[u8; NONCE_BYTES], buf: &'a mut [u8]) -> Result<&'a mut [u8]> {
        let (mut stream, counter) = self.single(nonce);
        if let Err(errno) = stream.open_in_place(counter, buf) {
            buf.fill(0);
            return Err(errno);
        }
        Ok(buf.get_mut(TAG_BYTES..).unwrap_or_default())
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

    /// The key itself; a reader of it can open all boxes.
    pub fn as_bytes(&self) -> &[u8; KEY_BYTES] {
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

    /// As [`SharedKey::seal_in_place`].
    pub fn seal_in_place(&self, nonce: &[u8; NONCE_BYTES], buf: &mut [u8]) -> Result<()> {
        let (tag, text) = buf.split_first_chunk_mut::<TAG_BYTES>().ok_or(Errno::INVAL)?;
        // It fails only for texts larger than memory.
        *tag = self.0.encrypt_in_place_detached(nonce.into(), b"", text).map_err(|_| Errno::INVAL)?.into();
        Ok(())
    }

    /// As [`SharedKey::open_in_place`].
    pub fn open_in_place<'a>(&self, nonce: &[u8; NONCE_BYTES], buf: &'a mut [u8]) -> Result<&'a mut [u8]> {
        let (tag, text) = buf.split_first_chunk_mut::<TAG_BYTES>().ok_or(Errno::PROTO)?;
        let opened = self.0.decrypt_in_place_detached(nonce.into(), b"", text, (&*tag).into());
        if opened.is_err() {
            buf.fill(0);
            return Err(Errno::PROTO);
        }
        Ok(buf.get_mut(TAG_BYTES..).unwrap_or_default())
    }
}
