//! The suites, and the numbers that they have on the wire.

use crate::crypto::{AeadSuite, HashSuite, KemPublic, KemSuite};

/// Most suites that a HELLO may offer.
pub const MAX_SUITES: usize = 8;

/// A KEM, an AEAD and a hash function that go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    XWingAes256GcmSha256 = 1,
    XWingChaCha20Poly1305Sha256 = 2,
    MlKem1024Aes256GcmSha384 = 3,
    MlKem1024ChaCha20Poly1305Sha384 = 4,
}

impl Suite {
    /// All of them, in the order in which they are preferred.
    pub const ALL: [Suite; 4] = [
        Suite::XWingAes256GcmSha256,
        Suite::XWingChaCha20Poly1305Sha256,
        Suite::MlKem1024Aes256GcmSha384,
        Suite::MlKem1024ChaCha20Poly1305Sha384,
    ];

    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The suite with this number, if there is one.
    pub fn from_number(number: u8) -> Option<Suite> {
        Suite::ALL.into_iter().find(|suite| suite.number() == number)
    }

    pub const fn kem(self) -> KemSuite {
        match self {
            Suite::XWingAes256GcmSha256 | Suite::XWingChaCha20Poly1305Sha256 => KemSuite::XWing,
            Suite::MlKem1024Aes256GcmSha384 | Suite::MlKem1024ChaCha20Poly1305Sha384 => KemSuite::MlKem1024,
        }
    }

    pub const fn aead(self) -> AeadSuite {
        match self {
            Suite::XWingAes256GcmSha256 | Suite::MlKem1024Aes256GcmSha384 => AeadSuite::Aes256Gcm,
            Suite::XWingChaCha20Poly1305Sha256 | Suite::MlKem1024ChaCha20Poly1305Sha384 => {
                AeadSuite::ChaCha20Poly1305
            }
        }
    }
}

/// The hash function of all suites with this KEM: so the transcript can begin before a suite is chosen.
pub const fn hash_of(kem: KemSuite) -> HashSuite {
    match kem {
        KemSuite::XWing => HashSuite::Sha256,
        KemSuite::MlKem1024 => HashSuite::Sha384,
    }
}

/// Bytes by which a client names the server's key.
pub const KEY_ID_BYTES: usize = 8;

/// The id of a server's key.
pub fn key_id(server: &KemPublic) -> [u8; KEY_ID_BYTES] {
    let digest = hash_of(server.suite()).digest(&[server.bytes()]);
    digest.bytes().first_chunk().copied().unwrap_or_default()
}

/// Suites in order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suites {
    list: [Option<Suite>; Suite::ALL.len()],
}

impl Default for Suites {
    /// All of them.
    fn default() -> Suites {
        Suites { list: Suite::ALL.map(Some) }
    }
}

impl Suites {
    /// The one that is preferred to all others.
    pub fn first(&self) -> Suite {
        self.list.into_iter().flatten().next().unwrap_or(Suite::XWingAes256GcmSha256)
    }

    /// The suites with this KEM.
    pub fn of(&self, kem: KemSuite) -> impl Iterator<Item = Suite> + use<> {
        self.list.into_iter().flatten().filter(move |suite| suite.kem() == kem)
    }

    /// These, in this order; of a KEM without any, all.
    pub fn only(suites: &[Suite]) -> Suites {
        let unnamed = |suite: &Suite| suites.iter().all(|named| named.kem() != suite.kem());
        let all = suites.iter().copied().chain(Suite::ALL.into_iter().filter(unnamed));
        let mut list = [None; Suite::ALL.len()];
        for (place, suite) in list.iter_mut().zip(all) {
            *place = Some(suite);
        }
        Suites { list }
    }

    /// The suites with these numbers, in this order. Of none all are meant. `None` for a number that no suite has.
    pub fn numbered(numbers: &[u8]) -> Option<Suites> {
        if numbers.is_empty() {
            return Some(Suites::default());
        }
        let mut list = [None; Suite::ALL.len()];
        if numbers.len() > list.len() {
            return None;
        }
        for (place, number) in list.iter_mut().zip(numbers) {
            *place = Some(Suite::from_number(*number)?);
        }
        Some(Suites { list })
    }

    /// The first of ours that a peer offers by its number.
    pub fn choose(&self, kem: KemSuite, offered: &[u8]) -> Option<Suite> {
        self.of(kem).find(|suite| offered.contains(&suite.number()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_have_the_numbers_of_the_document() {
        let numbers: Vec<u8> = Suite::ALL.iter().map(|suite| suite.number()).collect();
        assert_eq!(numbers, [1, 2, 3, 4]);
        for number in 0..=255 {
            assert_eq!(
                Suite::from_number(number).map(Suite::number),
                (1..=4).contains(&number).then_some(number)
            );
        }
    }

    #[test]
    fn suites_come_in_the_order_of_their_numbers_list() {
        let of = |numbers: &[u8], kem| {
            Suites::numbered(numbers).map(|suites| suites.of(kem).map(Suite::number).collect())
        };
        assert_eq!(of(&[], KemSuite::XWing), Some(vec![1, 2]));
        assert_eq!(of(&[4, 2, 1], KemSuite::XWing), Some(vec![2, 1]));
        assert_eq!(of(&[4, 2, 1], KemSuite::MlKem1024), Some(vec![4]));
        assert_eq!(of(&[1], KemSuite::MlKem1024), Some(vec![]));
        assert_eq!((of(&[5], KemSuite::XWing), of(&[1, 2, 3, 4, 1], KemSuite::XWing)), (None, None));
    }

    #[test]
    fn our_favourite_among_the_offered_is_chosen() {
        let all = Suites::default();
        assert_eq!(all.choose(KemSuite::XWing, &[2, 1]), Some(Suite::XWingAes256GcmSha256));
        assert_eq!(all.choose(KemSuite::XWing, &[9, 2]), Some(Suite::XWingChaCha20Poly1305Sha256));
        assert_eq!(all.choose(KemSuite::MlKem1024, &[4, 1]), Some(Suite::MlKem1024ChaCha20Poly1305Sha384));
        assert_eq!(all.choose(KemSuite::XWing, &[3, 4, 0]), None, "those are of the other KEM");
    }
}
