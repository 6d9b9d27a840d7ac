//! Keys of X25519 (RFC 7748), as CURVE uses them.

use super::random;
use crate::errno::Result;
use curve25519_dalek::MontgomeryPoint;
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// Bytes in a key, public or secret.
pub const KEY: usize = 32;

/// A secret key. Wiped when dropped, compared in constant time, never printed.
#[derive(Clone)]
pub struct SecretKey([u8; KEY]);

impl SecretKey {
    /// A fresh one. Errors: those of [`random::fill`].
    pub fn generate() -> Result<SecretKey> {
        let mut key = SecretKey([0; KEY]);
        random::fill(&mut key.0)?;
        Ok(key)
    }

    /// Any 32 bytes are a secret key.
    pub fn from_bytes(bytes: &[u8; KEY]) -> SecretKey {
        SecretKey(*bytes)
    }

    /// The key itself, for storing and for the socket option that reads it back. Whoever copies it wipes the copy.
    pub fn as_bytes(&self) -> &[u8; KEY] {
        &self.0
    }

    /// The public key that belongs to it.
    pub fn public(&self) -> PublicKey {
        PublicKey(MontgomeryPoint::mul_base_clamped(self.0).to_bytes())
    }

    /// What both sides get out of one's secret and the other's public key; raw, so to be hashed before use.
    pub(super) fn agree(&self, other: &PublicKey) -> Zeroizing<[u8; KEY]> {
        let mut point = MontgomeryPoint(other.0).mul_clamped(self.0);
        let agreed = Zeroizing::new(point.to_bytes());
        point.zeroize();
        agreed
    }
}

impl Drop for SecretKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl PartialEq for SecretKey {
    fn eq(&self, other: &SecretKey) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SecretKey {}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// A public key. Compared in constant time too: a server compares what peers send with keys that it may not
/// want to tell.
#[derive(Clone, Copy)]
pub struct PublicKey(pub [u8; KEY]);

impl PublicKey {
    pub fn as_bytes(&self) -> &[u8; KEY] {
        &self.0
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &PublicKey) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// A fresh pair. Errors: those of [`random::fill`].
pub fn keypair() -> Result<(PublicKey, SecretKey)> {
    let secret = SecretKey::generate()?;
    Ok((secret.public(), secret))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// RFC 7748, section 6.1.
    const ALICE: [u8; KEY] = [
        0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1, 0x72, 0x51, 0xb2, 0x66, 0x45, 0xdf,
        0x4c, 0x2f, 0x87, 0xeb, 0xc0, 0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9, 0x2c, 0x2a,
    ];
    const ALICE_PUBLIC: [u8; KEY] = [
        0x85, 0x20, 0xf0, 0x09, 0x89, 0x30, 0xa7, 0x54, 0x74, 0x8b, 0x7d, 0xdc, 0xb4, 0x3e, 0xf7, 0x5a, 0x0d,
        0xbf, 0x3a, 0x0d, 0x26, 0x38, 0x1a, 0xf4, 0xeb, 0xa4, 0xa9, 0x8e, 0xaa, 0x9b, 0x4e, 0x6a,
    ];

    #[test]
    fn the_public_key_of_the_rfc() {
        assert_eq!(SecretKey::from_bytes(&ALICE).public(), PublicKey(ALICE_PUBLIC));
    }

    #[test]
    fn both_sides_agree() {
        let (one, one_secret) = keypair().unwrap();
        let (other, other_secret) = keypair().unwrap();
        assert_ne!(one, other);
        assert_ne!(one_secret, other_secret);
        assert_eq!(*one_secret.agree(&other), *other_secret.agree(&one));
    }

    #[test]
    fn the_same_keys_as_crypto_box() {
        for _ in 0..20 {
            let (public, secret) = keypair().unwrap();
            let theirs = ::crypto_box::SecretKey::from(*secret.as_bytes());
            assert_eq!(theirs.public_key().as_bytes(), public.as_bytes());
        }
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", SecretKey::from_bytes(&[0xab; KEY])), "SecretKey(..)");
        assert!(format!("{:?}", PublicKey([0xab; KEY])).contains("abab"));
    }
}
