//! The key exchange X25519MLKEM768 of TLS 1.3 (draft-ietf-tls-ecdhe-mlkem): it stays secret while X25519 or ML-KEM-768 is unbroken.
//!
//! ring has no ML-KEM. X25519 is its own, and ML-KEM is that of QZMQ.

use crate::crypto::kem::mlkem::mlkem768;
use crate::crypto::random;
use rustls::crypto::ring::kx_group::X25519;
use rustls::crypto::{ActiveKeyExchange, CompletedKeyExchange, SharedSecret, SupportedKxGroup};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::{Error, NamedGroup, PeerMisbehaved, ProtocolVersion};
use zeroize::Zeroizing;

const INVALID_SHARE: Error = Error::PeerMisbehaved(PeerMisbehaved::InvalidKeyShare);

/// The group. ML-KEM comes first in shares and in the secret.
#[derive(Debug)]
pub struct X25519MlKem768;

/// A client that has sent its share.
struct Begun {
    x25519: Box<dyn ActiveKeyExchange>,
    mlkem: mlkem768::Secret,
    share: Vec<u8>,
}

impl SupportedKxGroup for X25519MlKem768 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let x25519 = X25519.start()?;
        let seed = random_bytes::<{ mlkem768::SEED_BYTES }>()?;
        let (mlkem, public) = mlkem768::Secret::from_seed(&seed);
        let share = [&public[..], x25519.pub_key()].concat();
        Ok(Box::new(Begun { x25519, mlkem, share }))
    }

    fn start_and_complete(&self, share: &[u8]) -> Result<CompletedKeyExchange, Error> {
        let (public, point) = share.split_first_chunk::<{ mlkem768::PUBLIC_BYTES }>().ok_or(INVALID_SHARE)?;
        if !mlkem768::is_public(public) {
            return Err(INVALID_SHARE);
        }
        let x25519 = X25519.start_and_complete(point)?;
        let (ciphertext, secret) = mlkem768::encapsulate(public, &*random_bytes()?);
        Ok(CompletedKeyExchange {
            group: self.name(),
            pub_key: [&ciphertext[..], &x25519.pub_key].concat(),
            secret: joined(secret.as_bytes(), &x25519.secret),
        })
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519MLKEM768
    }

    fn usable_for_version(&self, version: ProtocolVersion) -> bool {
        version == ProtocolVersion::TLSv1_3
    }
}

impl ActiveKeyExchange for Begun {
    fn complete(self: Box<Self>, share: &[u8]) -> Result<SharedSecret, Error> {
        let (ciphertext, point) =
            share.split_first_chunk::<{ mlkem768::CIPHERTEXT_BYTES }>().ok_or(INVALID_SHARE)?;
        let agreed = self.x25519.complete(point)?;
        Ok(joined(self.mlkem.decapsulate(ciphertext).as_bytes(), &agreed))
    }

    /// X25519 alone, for servers that know no ML-KEM: they need not ask again.
    fn hybrid_component(&self) -> Option<(NamedGroup, &[u8])> {
        Some((self.x25519.group(), self.x25519.pub_key()))
    }

    fn complete_hybrid_component(self: Box<Self>, point: &[u8]) -> Result<SharedSecret, Error> {
        self.x25519.complete(point)
    }

    fn pub_key(&self) -> &[u8] {
        &self.share
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519MLKEM768
    }
}

fn random_bytes<const N: usize>() -> Result<Zeroizing<[u8; N]>, Error> {
    let mut bytes = Zeroizing::new([0; N]);
    random::fill(&mut *bytes).map_err(|_| Error::FailedToGetRandomBytes)?;
    Ok(bytes)
}

fn joined(mlkem: &[u8], x25519: &SharedSecret) -> SharedSecret {
    SharedSecret::from([mlkem, x25519.secret_bytes()].concat())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn both_sides_agree() {
        let begun = X25519MlKem768.start().unwrap();
        assert_eq!(begun.pub_key().len(), 1_216);
        let answer = X25519MlKem768.start_and_complete(begun.pub_key()).unwrap();
        assert_eq!((answer.pub_key.len(), answer.secret.secret_bytes().len()), (1_120, 64));
        let secret = begun.complete(&answer.pub_key).unwrap();
        assert_eq!(secret.secret_bytes(), answer.secret.secret_bytes());
    }

    #[test]
    fn shares_of_another_length_or_without_a_key_are_refused() {
        let begun = X25519MlKem768.start().unwrap();
        let share = begun.pub_key();
        let no_key = [&[0xff; 1_184][..], &share[1_184..]].concat();
        let no_point = [&share[..1_184], &[0; 32]].concat();
        for wrong in [&share[..1_215], &[share, &[0]].concat(), &share[..32], b"", &no_key, &no_point] {
            assert!(X25519MlKem768.start_and_complete(wrong).is_err());
        }
        let answer = X25519MlKem768.start_and_complete(share).unwrap().pub_key;
        for wrong in [&answer[..1_119], &[&answer[..], &[0]].concat(), b""] {
            assert!(X25519MlKem768.start().unwrap().complete(wrong).is_err());
        }
    }

    #[test]
    fn each_half_counts() {
        let begun = X25519MlKem768.start().unwrap();
        let answer = X25519MlKem768.start_and_complete(begun.pub_key()).unwrap();
        for at in [0, 1_087, 1_088, 1_118] {
            let mut changed = answer.pub_key.clone();
            changed[at] ^= 1;
            let begun = X25519MlKem768.start().unwrap();
            let of_another = X25519MlKem768.start_and_complete(begun.pub_key()).unwrap();
            let secret = begun.complete(&changed).unwrap();
            assert!(secret.secret_bytes() != of_another.secret.secret_bytes());
        }
    }
}
