//! X-Wing (draft-connolly-cfrg-xwing-kem): X25519 and ML-KEM-768, good while one of the two is unbroken.

use super::SharedSecret;
use super::mlkem::mlkem768;
use crate::crypto::x25519;
use crate::errno::{Errno, Result};
use zeroize::Zeroizing;

const X25519_BYTES: usize = 32;
pub const SEED_BYTES: usize = 32;
pub const PUBLIC_BYTES: usize = mlkem768::PUBLIC_BYTES + X25519_BYTES;
pub const CIPHERTEXT_BYTES: usize = mlkem768::CIPHERTEXT_BYTES + X25519_BYTES;
/// Of which the first half is ML-KEM's, the second X25519's ephemeral secret key.
pub const RANDOMNESS_BYTES: usize = 64;
const LABEL: &[u8; 6] = b"\\.//^\\";
/// What the seed is expanded to: `d ‖ z` of ML-KEM, and X25519's secret key.
const EXPANDED_BYTES: usize = mlkem768::SEED_BYTES + X25519_BYTES;

/// A decapsulation key. Wiped when dropped.
pub struct Secret {
    mlkem: mlkem768::Secret,
    x25519: Zeroizing<[u8; X25519_BYTES]>,
    x25519_public: [u8; X25519_BYTES],
}

impl Secret {
    /// The pair of a seed.
    pub fn from_seed(seed: &[u8; SEED_BYTES]) -> (Secret, [u8; PUBLIC_BYTES]) {
        let expanded = Zeroizing::new(libcrux_sha3::shake256::<EXPANDED_BYTES>(seed));
        let (mlkem_seed, secret) = split::<{ mlkem768::SEED_BYTES }, X25519_BYTES, EXPANDED_BYTES>(&expanded);
        let (mlkem, mlkem_public) = mlkem768::Secret::from_seed(&mlkem_seed);
        let x25519_public = x25519::public(&secret);
        let secret = Secret { mlkem, x25519: secret, x25519_public };
        (secret, join(&mlkem_public, &x25519_public))
    }

    /// Errors: `EPROTO` for one of the few points that give the same X25519 secret with every key.
    pub fn decapsulate(&self, ciphertext: &[u8; CIPHERTEXT_BYTES]) -> Result<SharedSecret> {
        let (mlkem_ciphertext, point) =
            split::<{ mlkem768::CIPHERTEXT_BYTES }, X25519_BYTES, CIPHERTEXT_BYTES>(ciphertext);
        let agreed = x25519::agree(&self.x25519, &point).ok_or(Errno::PROTO)?;
        let shared = self.mlkem.decapsulate(&mlkem_ciphertext);
        Ok(combine(&shared, &agreed, &point, &self.x25519_public))
    }
}

/// Whether ML-KEM's half is what FIPS 203 takes for a key. Any 32 bytes are an X25519 key.
pub fn is_public(public: &[u8; PUBLIC_BYTES]) -> bool {
    mlkem768::is_public(&split::<{ mlkem768::PUBLIC_BYTES }, X25519_BYTES, PUBLIC_BYTES>(public).0)
}

/// Encapsulates to a public key that has been checked. Errors: as of [`Secret::decapsulate`].
pub fn encapsulate(
    public: &[u8; PUBLIC_BYTES],
    randomness: &[u8; RANDOMNESS_BYTES],
) -> Result<([u8; CIPHERTEXT_BYTES], SharedSecret)> {
    let (mlkem_public, point) = split::<{ mlkem768::PUBLIC_BYTES }, X25519_BYTES, PUBLIC_BYTES>(public);
    let (mlkem_randomness, ephemeral) = split::<32, X25519_BYTES, RANDOMNESS_BYTES>(randomness);
    let agreed = x25519::agree(&ephemeral, &point).ok_or(Errno::PROTO)?;
    let ephemeral_public = x25519::public(&ephemeral);
    let (ciphertext, shared) = mlkem768::encapsulate(&mlkem_public, &mlkem_randomness);
    let combined = combine(&shared, &agreed, &ephemeral_public, &point);
    Ok((join(&ciphertext, &ephemeral_public), combined))
}

fn combine(
    mlkem: &SharedSecret,
    agreed: &[u8; X25519_BYTES],
    ciphertext: &[u8; X25519_BYTES],
    public: &[u8; X25519_BYTES],
) -> SharedSecret {
    let parts: [&[u8]; 5] = [mlkem.as_bytes(), agreed, ciphertext, public, LABEL];
    let mut text = Zeroizing::new([0; 4 * X25519_BYTES + LABEL.len()]);
    for (place, byte) in text.iter_mut().zip(parts.into_iter().flatten()) {
        *place = *byte;
    }
    SharedSecret(Zeroizing::new(libcrux_sha3::sha256(&*text)))
}

/// `N` has to be `A` plus `B`, which the compiler checks. The parts are wiped, as they may be secret.
fn split<const A: usize, const B: usize, const N: usize>(
    bytes: &[u8; N],
) -> (Zeroizing<[u8; A]>, Zeroizing<[u8; B]>) {
    const { assert!(A + B == N) };
    let (mut first, mut second) = (Zeroizing::new([0; A]), Zeroizing::new([0; B]));
    first.copy_from_slice(&bytes[..A]);
    second.copy_from_slice(&bytes[A..]);
    (first, second)
}

fn join<const A: usize, const B: usize, const N: usize>(first: &[u8; A], second: &[u8; B]) -> [u8; N] {
    const { assert!(A + B == N) };
    let mut bytes = [0; N];
    bytes[..A].copy_from_slice(first);
    bytes[A..].copy_from_slice(second);
    bytes
}
