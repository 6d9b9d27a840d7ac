//! X25519 (RFC 7748): by graviola where the processor is one that graviola is for, else by x25519-dalek.
//!
//! graviola has s2n-bignum's routines, which are proven to be right and to take the same time for all keys. They take less than half of
//! x25519-dalek's time, and need no C compiler. They want a 64-bit x86 or ARM processor with the features below.

use super::repeatable::{Operation, once};
use zeroize::Zeroizing;

const BYTES: usize = 32;

/// The public key of a secret one, which may be any 32 bytes.
pub fn public(secret: &[u8; BYTES]) -> [u8; BYTES] {
    once(Operation::X25519Public, &[secret], || {
        fast::public(secret).unwrap_or_else(|| anywhere::public(secret))
    })
}

/// What both sides compute, each of its own secret and the other's public key. It is raw, so hash it before use.
///
/// `None` for a public key of small order. Such a key yields zero with every secret one, so only an attacker sends it.
pub fn agree(secret: &[u8; BYTES], public: &[u8; BYTES]) -> Option<Zeroizing<[u8; BYTES]>> {
    once(Operation::X25519Agree, &[secret, public], || {
        fast::agree(secret, public).unwrap_or_else(|| anywhere::agree(secret, public))
    })
}

/// `None` where the processor lacks something.
#[cfg(all(fast_x25519, not(miri)))]
mod fast {
    use super::BYTES;
    use graviola::key_agreement::x25519::{PublicKey, StaticPrivateKey};
    use zeroize::Zeroizing;

    pub fn public(secret: &[u8; BYTES]) -> Option<[u8; BYTES]> {
        is_possible().then(|| StaticPrivateKey::from_array(secret).public_key().as_bytes())
    }

    pub fn agree(secret: &[u8; BYTES], public: &[u8; BYTES]) -> Option<Option<Zeroizing<[u8; BYTES]>>> {
        is_possible().then(|| {
            let public = PublicKey::from_array(public);
            let agreed = StaticPrivateKey::from_array(secret).diffie_hellman(&public).ok()?;
            Some(Zeroizing::new(agreed.0))
        })
    }

    /// All that graviola asks for before anything else; it panics where some of it is missing.
    #[cfg(target_arch = "x86_64")]
    fn is_possible() -> bool {
        use std::arch::is_x86_feature_detected as has;
        has!("adx")
            && has!("bmi1")
            && has!("bmi2")
            && has!("avx")
            && has!("avx2")
            && has!("aes")
            && has!("pclmulqdq")
    }

    #[cfg(target_arch = "aarch64")]
    fn is_possible() -> bool {
        use std::arch::is_aarch64_feature_detected as has;
        has!("neon") && has!("aes") && has!("pmull") && has!("sha2")
    }
}

#[cfg(not(all(fast_x25519, not(miri))))]
mod fast {
    use super::BYTES;
    use zeroize::Zeroizing;

    pub fn public(_: &[u8; BYTES]) -> Option<[u8; BYTES]> {
        None
    }

    pub fn agree(_: &[u8; BYTES], _: &[u8; BYTES]) -> Option<Option<Zeroizing<[u8; BYTES]>>> {
        None
    }
}

/// On any processor.
mod anywhere {
    use super::BYTES;
    use x25519_dalek::{PublicKey, StaticSecret};
    use zeroize::Zeroizing;

    pub fn public(secret: &[u8; BYTES]) -> [u8; BYTES] {
        PublicKey::from(&StaticSecret::from(*secret)).to_bytes()
    }

    pub fn agree(secret: &[u8; BYTES], public: &[u8; BYTES]) -> Option<Zeroizing<[u8; BYTES]>> {
        let agreed = StaticSecret::from(*secret).diffie_hellman(&PublicKey::from(*public));
        agreed.was_contributory().then(|| Zeroizing::new(*agreed.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::crypto::random;

    /// The points of small order, as numbers of 255 bits: 0, 1 and p - 1 of orders 4, 1 and 2; p and p + 1, which equal the first
    /// two; and two points of order 8.
    const OF_SMALL_ORDER: [[u8; BYTES]; 7] = [
        [0; BYTES],
        number(1, 0, 0),
        [
            0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
            0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
        ],
        [
            0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b,
            0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
        ],
        number(0xec, 0xff, 0x7f),
        number(0xed, 0xff, 0x7f),
        number(0xee, 0xff, 0x7f),
    ];

    /// A number by its first byte, the byte repeated in between, and the last.
    const fn number(first: u8, between: u8, last: u8) -> [u8; BYTES] {
        let mut number = [between; BYTES];
        number[0] = first;
        number[BYTES - 1] = last;
        number
    }

    fn some() -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        random::fill(&mut bytes).unwrap();
        bytes
    }

    /// Both ways of computing, where there are two.
    fn check(secret: &[u8; BYTES], point: &[u8; BYTES]) -> Option<Zeroizing<[u8; BYTES]>> {
        let expected = anywhere::agree(secret, point);
        assert!(agree(secret, point) == expected, "{point:?}");
        expected
    }

    #[test]
    fn both_ways_give_the_same() {
        for _ in 0..if cfg!(miri) { 3 } else { 300 } {
            let (secret, point) = (some(), some());
            assert_eq!(public(&secret), anywhere::public(&secret));
            assert!(check(&secret, &point).is_some());
        }
        // Secrets at the edges: all bits that X25519 sets or clears.
        for secret in [[0; BYTES], [0xff; BYTES], number(7, 0, 0x80), number(0xf8, 0xff, 0x7f)] {
            assert_eq!(public(&secret), anywhere::public(&secret));
            check(&secret, &some());
        }
    }

    #[test]
    fn points_of_small_order_yield_no_key() {
        let secret = some();
        for (number, high) in OF_SMALL_ORDER.iter().flat_map(|number| [(number, 0), (number, 0x80)]) {
            let mut point = *number;
            // The highest bit is ignored.
            point[BYTES - 1] |= high;
            assert!(check(&secret, &point).is_none(), "{point:?}");
        }
        // Their neighbours, among them numbers from p on, which stand for smaller ones.
        for first in 2..=0xff {
            assert!(check(&secret, &number(first, 0, 0)).is_some());
            if first > 0xee {
                assert!(check(&secret, &number(first, 0xff, 0x7f)).is_some());
                assert!(check(&secret, &number(first, 0xff, 0xff)).is_some());
            }
        }
    }

    /// RFC 7748, section 5.2: the first vector, and 1,000 rounds of the iteration.
    #[test]
    fn the_vectors_of_the_rfc() {
        let mut key = number(9, 0, 0);
        let mut point = key;
        for round in 1..=if cfg!(miri) { 1 } else { 1000 } {
            let agreed = check(&key, &point).unwrap();
            (key, point) = (*agreed, key);
            if round == 1 {
                assert_eq!(key[..4], [0x42, 0x2c, 0x8e, 0x7a]);
            }
            if round == 1000 {
                assert_eq!(key[..8], [0x68, 0x4c, 0xf5, 0x9b, 0xa8, 0x33, 0x09, 0x55]);
            }
        }
    }
}
