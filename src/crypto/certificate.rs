//! Certificates of QZMQ: an authority says whose a KEM public key is, for which role, and how long.
//!
//! The format stands byte by byte in docs/qzmq.md. Everything in front of the signature is signed. There are no chains: an authority signs
//! keys, and a socket names the authorities that it trusts.

use super::dsa::{DsaPublic, DsaSecret, DsaSuite, MAX_SIGNATURE_BYTES};
use super::kem::{FINGERPRINT_BYTES, KEY_TAG_BYTES, KemPublic, KemSuite, MAX_PUBLIC_BYTES};
use crate::errno::{Errno, Result};
use std::collections::BTreeSet;

/// Bytes of a name.
pub const MAX_NAME_BYTES: usize = 255;
/// Bytes of the longest certificate.
pub const MAX_CERTIFICATE_BYTES: usize = FIXED_BYTES
    + MAX_NAME_BYTES.next_multiple_of(4)
    + KEY_TAG_BYTES
    + MAX_PUBLIC_BYTES
    + MAX_SIGNATURE_BYTES
    + MAX_PADDING_BYTES;
/// Authorities that a socket may trust. A certificate costs that number of comparisons at most, and one verification: it names its authority.
pub const MAX_AUTHORITIES: usize = 64;
/// Bytes in front of the name: tag, authority, validity, roles, length of the name.
const FIXED_BYTES: usize = 4 + FINGERPRINT_BYTES + 8 + 8 + 1 + 1;
/// Zeros behind the name, so that Z85 takes the whole.
const MAX_PADDING_BYTES: usize = 3;
/// What signatures are made for, so that none serves another protocol.
const CONTEXT: &[u8] = b"QZMQ certificate 1";

/// What a key may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Roles {
    Client = 1,
    Server = 2,
    Both = 3,
}

impl Roles {
    fn from_number(number: u8) -> Option<Roles> {
        [Roles::Client, Roles::Server, Roles::Both].into_iter().find(|roles| *roles as u8 == number)
    }

    /// Whether these are among the roles of `self`.
    pub fn include(self, role: Roles) -> bool {
        self as u8 & role as u8 == role as u8
    }
}

/// What an authority says of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// 1 to 255 bytes of UTF-8 without control characters.
    pub name: String,
    pub public: KemPublic,
    pub roles: Roles,
    /// The first second of the validity, since 1970 in UTC.
    pub not_before_s: u64,
    /// The first second after it.
    pub not_after_s: u64,
}

/// A certificate whose form has been checked, and its signature not yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    pub claims: Claims,
    /// The fingerprint of the authority's key.
    pub authority: [u8; FINGERPRINT_BYTES],
    pub suite: DsaSuite,
    bytes: Vec<u8>,
}

/// Why a certificate is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    UnknownAuthority,
    BadSignature,
    NotYetValid,
    Expired,
    OtherRole,
    Revoked,
    /// A server is not the one that the client has asked for.
    OtherName,
    /// A client shows none to a server that wants one.
    NoCertificate,
}

impl Refusal {
    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Refusal::UnknownAuthority => "its certificate is by an authority that is not trusted",
            Refusal::BadSignature => "its certificate is not the authority's",
            Refusal::NotYetValid => "its certificate is not valid yet",
            Refusal::Expired => "its certificate has expired",
            Refusal::OtherRole => "its certificate is for the other role",
            Refusal::Revoked => "its key or its authority is revoked",
            Refusal::OtherName => "its certificate is for another name",
            Refusal::NoCertificate => "it shows no certificate, and no authenticator is bound",
        }
    }
}

impl Certificate {
    /// Signs claims. Errors: `EINVAL` for a name that cannot be, or a validity without a second; those of the system's random numbers.
    pub fn sign(authority: &DsaSecret, claims: Claims) -> Result<Certificate> {
        if !is_name(&claims.name) || claims.not_before_s >= claims.not_after_s {
            return Err(Errno::INVAL);
        }
        let public = authority.public();
        let mut bytes = signed_part(public, &claims)?;
        bytes.extend_from_slice(&authority.sign(CONTEXT, &bytes)?);
        Ok(Certificate { claims, authority: public.fingerprint(), suite: public.suite(), bytes })
    }

    /// Reads a certificate, and checks its form and the public key in it. The signature is checked by [`Trust::check`].
    ///
    /// Errors: `EINVAL`. Nothing is allocated that the bytes given do not fill.
    pub fn parse(bytes: &[u8]) -> Result<Certificate> {
        let mut rest = bytes;
        let [b'Q', b'C', suite, 1] = *take::<4>(&mut rest)? else { return Err(Errno::INVAL) };
        let suite = DsaSuite::from_number(suite).ok_or(Errno::INVAL)?;
        let authority = *take::<FINGERPRINT_BYTES>(&mut rest)?;
        let not_before_s = u64::from_be_bytes(*take(&mut rest)?);
        let not_after_s = u64::from_be_bytes(*take(&mut rest)?);
        let [roles, name_len] = *take::<2>(&mut rest)?;
        let roles = Roles::from_number(roles).ok_or(Errno::INVAL)?;
        let (name, behind) = rest.split_at_checked(name_len.into()).ok_or(Errno::INVAL)?;
        let name = str::from_utf8(name).map_err(|_| Errno::INVAL)?;
        let kem = KemSuite::ALL.into_iter().find(|kem| {
            Some(behind.len())
                == padding_bytes(suite, name.len())
                    .checked_add(kem.tagged_public_bytes() + suite.signature_bytes())
        });
        let kem = kem.ok_or(Errno::INVAL)?;
        let (padding, behind) =
            behind.split_at_checked(padding_bytes(suite, name.len())).ok_or(Errno::INVAL)?;
        let (key, _) = behind.split_at_checked(kem.tagged_public_bytes()).ok_or(Errno::INVAL)?;
        if !is_name(name) || not_before_s >= not_after_s || padding.iter().any(|byte| *byte != 0) {
            return Err(Errno::INVAL);
        }
        let public = KemPublic::from_tagged(key)?;
        let claims = Claims { name: name.to_owned(), public, roles, not_before_s, not_after_s };
        Ok(Certificate { claims, authority, suite, bytes: bytes.to_vec() })
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes that are signed, and the signature.
    fn parts(&self) -> (&[u8], &[u8]) {
        let at = self.bytes.len().saturating_sub(self.suite.signature_bytes());
        self.bytes.split_at_checked(at).unwrap_or_default()
    }
}

/// The authorities that a socket trusts, and the keys that it has stopped to trust.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    authorities: Vec<DsaPublic>,
    revoked: BTreeSet<[u8; FINGERPRINT_BYTES]>,
}

impl Trust {
    /// Trusts one more authority. Adding one again changes nothing. Errors: `ENOBUFS` beyond [`MAX_AUTHORITIES`].
    pub fn add(&mut self, authority: DsaPublic) -> Result<()> {
        if self.authorities.contains(&authority) {
            return Ok(());
        }
        if self.authorities.len() >= MAX_AUTHORITIES {
            return Err(Errno::NOBUFS);
        }
        self.authorities.push(authority);
        Ok(())
    }

    pub fn forget_authorities(&mut self) {
        self.authorities.clear();
    }

    pub fn forget_revoked(&mut self) {
        self.revoked.clear();
    }

    /// Accepts a key no more, also with a certificate. `fingerprint` is that of the KEM public key, or of an authority's key.
    pub fn revoke(&mut self, fingerprint: [u8; FINGERPRINT_BYTES]) {
        self.revoked.insert(fingerprint);
    }

    /// Whether certificates are taken at all.
    pub fn is_empty(&self) -> bool {
        self.authorities.is_empty()
    }

    /// Whether any key was revoked.
    pub fn revokes(&self) -> bool {
        !self.revoked.is_empty()
    }

    /// Whether a key was revoked. This holds for keys without a certificate as well.
    pub fn is_revoked(&self, fingerprint: &[u8; FINGERPRINT_BYTES]) -> bool {
        self.revoked.contains(fingerprint)
    }

    /// Checks a certificate for one role. `now_s` is in seconds since 1970 in UTC. The signature, which is dear, comes last.
    pub fn check(
        &self,
        certificate: &Certificate,
        role: Roles,
        now_s: u64,
    ) -> std::result::Result<(), Refusal> {
        let authority = self.check_claims(certificate, role, now_s)?;
        let (signed, signature) = certificate.parts();
        if authority.verifies(CONTEXT, signed, signature) { Ok(()) } else { Err(Refusal::BadSignature) }
    }

    /// As [`check`](Self::check), of a certificate that has passed it before, on the word of what the caller has sealed itself. All
    /// that may have changed since is checked. The signature has not: the authority is known by the hash of its key.
    pub fn check_again(
        &self,
        certificate: &Certificate,
        role: Roles,
        now_s: u64,
    ) -> std::result::Result<(), Refusal> {
        self.check_claims(certificate, role, now_s).map(drop)
    }

    /// All but the signature. Returns the authority.
    fn check_claims(
        &self,
        certificate: &Certificate,
        role: Roles,
        now_s: u64,
    ) -> std::result::Result<&DsaPublic, Refusal> {
        let claims = &certificate.claims;
        let authority =
            self.authorities.iter().find(|authority| authority.fingerprint() == certificate.authority);
        let authority = authority.ok_or(Refusal::UnknownAuthority)?;
        if !claims.roles.include(role) {
            return Err(Refusal::OtherRole);
        }
        if now_s < claims.not_before_s {
            return Err(Refusal::NotYetValid);
        }
        if now_s >= claims.not_after_s {
            return Err(Refusal::Expired);
        }
        if self.is_revoked(&claims.public.fingerprint()) || self.is_revoked(&certificate.authority) {
            return Err(Refusal::Revoked);
        }
        if authority.suite() != certificate.suite {
            return Err(Refusal::BadSignature);
        }
        Ok(authority)
    }
}

/// Whether a certificate may have this name.
pub fn is_name(name: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len()) && !name.chars().any(char::is_control)
}

/// Zeros behind the name, so that the whole has a multiple of 4 bytes.
fn padding_bytes(suite: DsaSuite, name_len: usize) -> usize {
    let len = FIXED_BYTES.saturating_add(name_len).saturating_add(suite.signature_bytes());
    len.next_multiple_of(4).saturating_sub(len)
}

/// Errors: `EINVAL` for a name that is too long.
fn signed_part(authority: &DsaPublic, claims: &Claims) -> Result<Vec<u8>> {
    let name_len = u8::try_from(claims.name.len()).map_err(|_| Errno::INVAL)?;
    let mut bytes = Vec::with_capacity(MAX_CERTIFICATE_BYTES);
    bytes.extend_from_slice(&[b'Q', b'C', authority.suite().number(), 1]);
    bytes.extend_from_slice(&authority.fingerprint());
    bytes.extend_from_slice(&claims.not_before_s.to_be_bytes());
    bytes.extend_from_slice(&claims.not_after_s.to_be_bytes());
    bytes.extend_from_slice(&[claims.roles as u8, name_len]);
    bytes.extend_from_slice(claims.name.as_bytes());
    bytes.resize(bytes.len() + padding_bytes(authority.suite(), claims.name.len()), 0);
    bytes.extend_from_slice(&claims.public.tagged());
    Ok(bytes)
}

/// Takes bytes from the front. Errors: `EINVAL` where there are less.
fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; N]> {
    let (taken, behind) = rest.split_first_chunk().ok_or(Errno::INVAL)?;
    *rest = behind;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::crypto::KemSecret;
    use crate::crypto::kem::work;

    const NOW_S: u64 = 1_800_000_000;

    fn claims(kem: KemSuite, name: &str) -> Claims {
        let public = KemSecret::generate(kem).unwrap().public().clone();
        Claims {
            name: name.to_owned(),
            public,
            roles: Roles::Client,
            not_before_s: NOW_S,
            not_after_s: NOW_S + 10,
        }
    }

    fn trust(authority: &DsaSecret) -> Trust {
        let mut trust = Trust::default();
        trust.add(authority.public().clone()).unwrap();
        trust
    }

    #[test]
    fn certificates_come_back_in_every_suite_and_length_of_name() {
        for (dsa, kem) in DsaSuite::ALL.into_iter().flat_map(|dsa| KemSuite::ALL.map(|kem| (dsa, kem))) {
            let authority = DsaSecret::generate(dsa).unwrap();
            for len in [1, 2, 3, 4, 254, 255] {
                let made = Certificate::sign(&authority, claims(kem, &"n".repeat(len))).unwrap();
                assert_eq!((made.bytes().len() % 4, made.bytes().len() <= MAX_CERTIFICATE_BYTES), (0, true));
                let read = Certificate::parse(made.bytes()).unwrap();
                assert_eq!(read, made);
                assert_eq!(trust(&authority).check(&read, Roles::Client, NOW_S), Ok(()));
            }
        }
        // An identity in HELLO has no more room.
        const { assert!(MAX_CERTIFICATE_BYTES <= 6141) };
    }

    #[test]
    fn names_and_validities_that_cannot_be_are_refused() {
        let authority = DsaSecret::generate(DsaSuite::MlDsa44).unwrap();
        for name in ["", "a\nb", "a\0", "\u{7f}", &"n".repeat(256)] {
            assert_eq!(
                Certificate::sign(&authority, claims(KemSuite::XWing, name)).err(),
                Some(Errno::INVAL)
            );
        }
        let backwards = Claims { not_after_s: NOW_S, ..claims(KemSuite::XWing, "n") };
        assert_eq!(Certificate::sign(&authority, backwards).err(), Some(Errno::INVAL));
    }

    #[test]
    fn each_refusal_has_its_reason() {
        let (authority, other) = (
            DsaSecret::generate(DsaSuite::MlDsa65).unwrap(),
            DsaSecret::generate(DsaSuite::MlDsa65).unwrap(),
        );
        let certificate = Certificate::sign(&authority, claims(KemSuite::XWing, "alice")).unwrap();
        let check = |trust: &Trust, role, now_s| {
            let verdict = trust.check(&certificate, role, now_s);
            assert_eq!(trust.check_again(&certificate, role, now_s), verdict);
            verdict
        };
        let trusting = trust(&authority);
        assert_eq!(check(&trusting, Roles::Client, NOW_S + 9), Ok(()));
        assert_eq!(check(&trusting, Roles::Client, NOW_S + 10), Err(Refusal::Expired));
        assert_eq!(check(&trusting, Roles::Client, u64::MAX), Err(Refusal::Expired));
        assert_eq!(check(&trusting, Roles::Client, NOW_S - 1), Err(Refusal::NotYetValid));
        assert_eq!(check(&trusting, Roles::Server, NOW_S), Err(Refusal::OtherRole));
        assert_eq!(check(&trusting, Roles::Both, NOW_S), Err(Refusal::OtherRole));
        assert_eq!(check(&Trust::default(), Roles::Client, NOW_S), Err(Refusal::UnknownAuthority));
        assert_eq!(check(&trust(&other), Roles::Client, NOW_S), Err(Refusal::UnknownAuthority));
        for fingerprint in [certificate.claims.public.fingerprint(), authority.public().fingerprint()] {
            let mut revoking = trusting.clone();
            revoking.revoke([7; 32]);
            assert_eq!(check(&revoking, Roles::Client, NOW_S), Ok(()));
            revoking.revoke(fingerprint);
            assert_eq!(check(&revoking, Roles::Client, NOW_S), Err(Refusal::Revoked));
        }
    }

    /// Of the signed part every byte, of the signature some: no edit leads to trust.
    #[test]
    fn a_changed_certificate_is_refused() {
        let authority = DsaSecret::generate(DsaSuite::MlDsa44).unwrap();
        let good = Certificate::sign(&authority, claims(KemSuite::XWing, "alice")).unwrap();
        let trust = trust(&authority);
        let signed = good.parts().0.len();
        let places = (0..signed).chain((signed..good.bytes().len()).step_by(101));
        for at in places.filter(|at| !cfg!(miri) && (*at < 100 || at % 13 == 0)) {
            let mut bytes = good.bytes().to_vec();
            bytes[at] ^= 1;
            let accepted = Certificate::parse(&bytes)
                .is_ok_and(|certificate| trust.check(&certificate, Roles::Client, NOW_S).is_ok());
            assert!(!accepted, "byte {at}");
        }
    }

    #[test]
    fn a_certificate_of_another_length_is_none() {
        let authority = DsaSecret::generate(DsaSuite::MlDsa44).unwrap();
        let good = Certificate::sign(&authority, claims(KemSuite::MlKem1024, "alice")).unwrap();
        for len in (0..200).chain([good.bytes().len() - 4, good.bytes().len() - 1]) {
            assert_eq!(Certificate::parse(&good.bytes()[..len]), Err(Errno::INVAL), "{len}");
        }
        for more in [1, 4, 348] {
            assert_eq!(Certificate::parse(&[good.bytes(), &vec![0; more]].concat()), Err(Errno::INVAL));
        }
        let mut padded = good.bytes().to_vec();
        padded[FIXED_BYTES + 5] = 1;
        assert_eq!(Certificate::parse(&padded), Err(Errno::INVAL), "padding is zeros");
    }

    fn key(number: u8) -> DsaPublic {
        let tagged = [&[b'Q', b'A', 1, 1][..], &[number; 1312]].concat();
        DsaPublic::from_tagged(&tagged).unwrap()
    }

    #[test]
    fn authorities_have_a_bound() {
        let mut trust = Trust::default();
        (0..64).for_each(|number| trust.add(key(number)).unwrap());
        assert_eq!((trust.add(key(5)), trust.add(key(64))), (Ok(()), Err(Errno::NOBUFS)));
    }

    #[test]
    fn a_certificate_costs_no_hash_of_an_authority() {
        let authority = DsaSecret::generate(DsaSuite::MlDsa44).unwrap();
        let certificate = Certificate::sign(&authority, claims(KemSuite::XWing, "alice")).unwrap();
        let mut trust = Trust::default();
        (0..63).for_each(|number| trust.add(key(number)).unwrap());
        trust.add(authority.public().clone()).unwrap();
        let (checked, work) = work::of(|| trust.check(&certificate, Roles::Client, NOW_S));
        assert_eq!((checked, work.fingerprints), (Ok(()), 0));
    }
}
