//! Keys of X25519 (RFC 7748), as CURVE uses them.

use super::{random, x25519};
use crate::errno::Result;
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Bytes of a key, public or secret.
pub const KEY_BYTES: usize = 32;

/// A secret key. Wiped when dropped, compared in constant time, never printed.
#[derive(Clone)]
pub struct SecretKey(Zeroizing<[u8; KEY_BYTES]>);

impl SecretKey {
    /// Generates a key. Errors: those of [`random::fill`].
    pub fn generate() -> Result<SecretKey> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        random::fill(&mut *bytes)?;
        Ok(SecretKey::from_bytes(&bytes))
    }

    /// Any 32 bytes are a secret key.
    pub fn from_bytes(bytes: &[u8; KEY_BYTES]) -> SecretKey {
        SecretKey(Zeroizing::new(*bytes))
    }

    /// The key itself, for storing and for the socket option that reads it back. A caller that copies it has
    /// to wipe the copy.
    pub fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// The public key that belongs to it.
    pub fn public(&self) -> PublicKey {
        PublicKey(x25519::public(&self.0))
    }

    /// See [`x25519::agree`].
    pub(super) fn agree(&self, other: &PublicKey) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
        x25519::agree(&self.0, &other.0)
    }
}

impl PartialEq for SecretKey {
    fn eq(&self, other: &SecretKey) -> bool {
        self.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

impl Eq for SecretKey {}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// A public key. Compared in constant time too: a server compares keys of peers with keys that it may not
/// want to reveal.
#[derive(Clone, Copy)]
pub struct PublicKey(pub [u8; KEY_BYTES]);

impl PublicKey {
    pub fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &PublicKey) -> bool {
        self.as_bytes().ct_eq(other.as_bytes()).into()
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

/// Generates a pair. Errors: those of [`random::fill`].
pub fn keypair() -> Result<(PublicKey, SecretKey)> {
    let secret = SecretKey::generate()?;
    Ok((secret.public(), secret))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// RFC 7748, section 6.1.
    const ALICE: [u8; KEY_BYTES] = [
        0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1, 0x72, 0x51, 0xb2, 0x66, 0x45, 0xdf,
        0x4c, 0x2f, 0x87, 0xeb, 0xc0, 0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9, 0x2c, 0x2a,
    ];
    const ALICE_PUBLIC: [u8; KEY_BYTES] = [
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
        assert_eq!(one_secret.agree(&other).unwrap(), other_secret.agree(&one).unwrap());
    }

    #[test]
    fn shared_keys_equal_those_of_crypto_box() {
        for _ in 0..20 {
            let (public, secret) = keypair().unwrap();
            let theirs = ::crypto_box::SecretKey::from(*secret.as_bytes());
            assert_eq!(theirs.public_key().as_bytes(), public.as_bytes());
        }
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", SecretKey::from_bytes(&[0xab; KEY_BYTES])), "SecretKey(..)");
        assert!(format!("{:?}", PublicKey([0xab; KEY_BYTES])).contains("abab"));
    }
}
