//! Keys of X25519 (RFC 7748), as CURVE uses them.

use super::random;
use crate::errno::Result;
use std::fmt;
use subtle::ConstantTimeEq;
use x25519_dalek::{PublicKey as Point, SharedSecret, StaticSecret};
use zeroize::Zeroizing;

/// Bytes of a key, public or secret.
pub const KEY_BYTES: usize = 32;

/// The points of small order: they yield the same key with every secret one, or one of a few. Only an
/// attacker sends them. As numbers of 255 bits: 0, 1 and p - 1 of orders 4, 1 and 2; p and p + 1, which equal
/// the first two; and two points of order 8.
const WITHOUT_SECRET: [[u8; KEY_BYTES]; 7] = [
    [0; KEY_BYTES],
    number(1, 0, 0),
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda,
        0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04,
        0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ],
    number(0xec, 0xff, 0x7f),
    number(0xed, 0xff, 0x7f),
    number(0xee, 0xff, 0x7f),
];

/// A secret key. Wiped when dropped, compared in constant time, never printed.
#[derive(Clone)]
pub struct SecretKey(StaticSecret);

impl SecretKey {
    /// Generates a key. Errors: those of [`random::fill`].
    pub fn generate() -> Result<SecretKey> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        random::fill(&mut *bytes)?;
        Ok(SecretKey::from_bytes(&bytes))
    }

    /// Any 32 bytes are a secret key.
    pub fn from_bytes(bytes: &[u8; KEY_BYTES]) -> SecretKey {
        SecretKey(StaticSecret::from(*bytes))
    }

    /// The key itself, for storing and for the socket option that reads it back. A caller that copies it has
    /// to wipe the copy.
    pub fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        self.0.as_bytes()
    }

    /// The public key that belongs to it.
    pub fn public(&self) -> PublicKey {
        PublicKey(Point::from(&self.0).to_bytes())
    }

    /// The X25519 result of one side's secret and the other's public key. It is raw, so hash it before use.
    pub(super) fn agree(&self, other: &PublicKey) -> SharedSecret {
        self.0.diffie_hellman(&Point::from(other.0))
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

    /// Whether its shared keys are no secret: the point has small order.
    pub(super) fn agrees_with_all(&self) -> bool {
        let mut number = self.0;
        // X25519 ignores the highest bit.
        number[KEY_BYTES - 1] &= 0x7f;
        WITHOUT_SECRET.contains(&number)
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

/// A number by its first byte, the byte repeated in between, and the last.
const fn number(first: u8, between: u8, last: u8) -> [u8; KEY_BYTES] {
    let mut number = [between; KEY_BYTES];
    number[0] = first;
    number[KEY_BYTES - 1] = last;
    number
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
        assert_eq!(one_secret.agree(&other).as_bytes(), other_secret.agree(&one).as_bytes());
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
    fn points_of_small_order_are_known() {
        let (public, secret) = keypair().unwrap();
        assert!(!public.agrees_with_all());
        for (number, high) in WITHOUT_SECRET.iter().flat_map(|number| [(number, 0), (number, 0x80)]) {
            let mut point = PublicKey(*number);
            point.0[KEY_BYTES - 1] |= high;
            assert!(point.agrees_with_all());
            assert!(!secret.agree(&point).was_contributory(), "{point:?}");
        }
        for first in 2..=0xff {
            let point = PublicKey(super::number(first, 0, 0));
            assert!(!point.agrees_with_all() && secret.agree(&point).was_contributory(), "{point:?}");
        }
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", SecretKey::from_bytes(&[0xab; KEY_BYTES])), "SecretKey(..)");
        assert!(format!("{:?}", PublicKey([0xab; KEY_BYTES])).contains("abab"));
    }
}
