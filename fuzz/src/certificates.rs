//! Certificates and keys of QZMQ, as peers, programs and files give them.

use std::sync::LazyLock;
use zmq::crypto::certificate::{Certificate, MAX_CERTIFICATE_BYTES, MAX_NAME_BYTES};
use zmq::crypto::{DsaPublic, DsaSecret, DsaSuite, KemPublic, KemSecret, Roles, Trust};

pub fn run(data: &[u8]) {
    super::begin();
    if let Ok(certificate) = Certificate::parse(data) {
        assert_eq!(certificate.bytes(), data, "one form for the same certificate");
        assert!(data.len() <= MAX_CERTIFICATE_BYTES && data.len().is_multiple_of(4));
        let claims = &certificate.claims;
        assert!(
            (1..=MAX_NAME_BYTES).contains(&claims.name.len()) && claims.not_before_s < claims.not_after_s
        );
        let mut trust = Trust::default();
        trust.add(authority().public().clone()).unwrap();
        let accepted = trust.check(&certificate, Roles::Client, claims.not_before_s);
        assert!(trust.check(&certificate, Roles::Client, claims.not_after_s).is_err(), "it has ended");
        trust.revoke(claims.public.fingerprint());
        assert!(accepted.is_err() || trust.check(&certificate, Roles::Client, claims.not_before_s).is_err());
    }
    if let Ok(key) = KemPublic::from_tagged(data) {
        assert_eq!(key.tagged(), data);
        // It fails for an X25519 point of small order.
        let _ = key.encapsulate();
    }
    if let Ok(key) = KemSecret::from_tagged(data) {
        assert_eq!(key.tagged().as_slice(), data);
    }
    if let Ok(key) = DsaPublic::from_tagged(data) {
        assert_eq!(key.tagged(), data);
        assert!(!key.verifies(b"", data, data));
    }
}

static AUTHORITY: LazyLock<DsaSecret> =
    LazyLock::new(|| DsaSecret::from_seed(DsaSuite::MlDsa44, &[7; 32]).unwrap());

/// The same one each time, so that inputs that it has signed stay so.
pub fn authority() -> &'static DsaSecret {
    &AUTHORITY
}
