//! Keys of either kind as key files have them: CURVE's, and QZMQ's. Their length tells them apart.

#[cfg(feature = "qzmq")]
use crate::crypto::{KemPublic, KemSecret, KemSuite};
use crate::crypto::{PublicKey, SecretKey, fingerprint};
use crate::errno::Result;
use crate::options::{Mechanism, curve_key};
#[cfg(feature = "qzmq")]
use crate::options::{qzmq_public_key, qzmq_secret_key};
use crate::z85;
#[cfg(feature = "qzmq")]
use std::sync::Arc;
use zeroize::Zeroizing;

/// Characters of a CURVE key, and of a fingerprint of QZMQ.
pub const CURVE_Z85: usize = 40;

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Public {
    /// Or the fingerprint of a key of QZMQ, which has the same length and stands for it in lists of clients.
    Curve(PublicKey),
    #[cfg(feature = "qzmq")]
    Qzmq(Arc<KemPublic>),
}

/// A secret key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    Curve(SecretKey),
    #[cfg(feature = "qzmq")]
    Qzmq(Arc<KemSecret>),
}

/// What a key is for. Keys of one endpoint have one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Curve,
    #[cfg(feature = "qzmq")]
    Qzmq(KemSuite),
}

impl Kind {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Curve => "CURVE",
            #[cfg(feature = "qzmq")]
            Kind::Qzmq(KemSuite::XWing) => "QZMQ (X-Wing)",
            #[cfg(feature = "qzmq")]
            Kind::Qzmq(KemSuite::MlKem1024) => "QZMQ (ML-KEM-1024)",
        }
    }

    pub fn mechanism(self) -> Mechanism {
        match self {
            Kind::Curve => Mechanism::Curve,
            #[cfg(feature = "qzmq")]
            Kind::Qzmq(_) => Mechanism::Qzmq,
        }
    }
}

impl Public {
    pub fn kind(&self) -> Kind {
        match self {
            Public::Curve(_) => Kind::Curve,
            #[cfg(feature = "qzmq")]
            Public::Qzmq(key) => Kind::Qzmq(key.suite()),
        }
    }

    /// Reads a key in Z85. Errors: `EINVAL`.
    pub fn parse(text: &str) -> Result<Public> {
        #[cfg(feature = "qzmq")]
        if let Some(key) = qzmq_public_key(text_of(text))? {
            return Ok(Public::Qzmq(key));
        }
        curve_key(text_of(text)).map(|key| Public::Curve(PublicKey(*key)))
    }

    /// The key in Z85.
    pub fn z85(&self) -> String {
        match self {
            Public::Curve(key) => text(key.as_bytes()),
            #[cfg(feature = "qzmq")]
            Public::Qzmq(key) => text(&key.tagged()),
        }
    }

    /// The key as people compare it, and as lists of clients may have it. A key of QZMQ has that of its 32-byte fingerprint, which
    /// authenticators are told in place of a CURVE key.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.credential())
    }

    /// What an authenticator is told of the key's owner.
    pub fn credential(&self) -> [u8; 32] {
        match self {
            Public::Curve(key) => *key.as_bytes(),
            #[cfg(feature = "qzmq")]
            Public::Qzmq(key) => key.fingerprint(),
        }
    }

    /// The key, if it is one of CURVE.
    pub fn curve(&self) -> Option<PublicKey> {
        match self {
            Public::Curve(key) => Some(*key),
            #[cfg(feature = "qzmq")]
            Public::Qzmq(_) => None,
        }
    }
}

impl Secret {
    /// Reads a key in Z85. Errors: `EINVAL`.
    pub fn parse(text: &str) -> Result<Secret> {
        #[cfg(feature = "qzmq")]
        if let Some(key) = qzmq_secret_key(text_of(text))? {
            return Ok(Secret::Qzmq(key));
        }
        curve_key(text_of(text)).map(|key| Secret::Curve(SecretKey::from_bytes(&key)))
    }

    /// The key in Z85; wiped when dropped.
    pub fn z85(&self) -> Zeroizing<String> {
        match self {
            Secret::Curve(key) => z85::encode(key.as_bytes()),
            #[cfg(feature = "qzmq")]
            Secret::Qzmq(key) => z85::encode(&key.tagged()),
        }
        // Both lengths are multiples of 4.
        .unwrap_or_default()
    }

    /// The public key that belongs to it.
    pub fn public(&self) -> Public {
        match self {
            Secret::Curve(key) => Public::Curve(key.public()),
            #[cfg(feature = "qzmq")]
            Secret::Qzmq(key) => Public::Qzmq(Arc::new(key.public().clone())),
        }
    }

    /// The key, if it is one of QZMQ.
    #[cfg(feature = "qzmq")]
    pub fn qzmq(&self) -> Option<Arc<KemSecret>> {
        match self {
            Secret::Curve(_) => None,
            Secret::Qzmq(key) => Some(Arc::clone(key)),
        }
    }

    /// The key, if it is one of CURVE.
    pub fn curve(&self) -> Option<SecretKey> {
        match self {
            Secret::Curve(key) => Some(key.clone()),
            #[cfg(feature = "qzmq")]
            Secret::Qzmq(_) => None,
        }
    }
}

/// Options take keys as bytes too, and with a NUL. Files do not.
fn text_of(text: &str) -> &[u8] {
    let is_text = text.len().is_multiple_of(5) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_text { text.as_bytes() } else { &[] }
}

/// Z85 of what has a multiple of 4 bytes.
fn text(bytes: &[u8]) -> String {
    z85::encode(bytes).map(|text| text.to_string()).unwrap_or_default()
}

#[cfg(all(test, feature = "qzmq"))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::errno::Errno;

    fn secrets() -> [Secret; 3] {
        let qzmq = |suite| Secret::Qzmq(Arc::new(KemSecret::generate(suite).unwrap()));
        [Secret::Curve(SecretKey::generate().unwrap()), qzmq(KemSuite::XWing), qzmq(KemSuite::MlKem1024)]
    }

    #[test]
    fn keys_of_both_kinds_come_back() {
        for secret in secrets() {
            let public = secret.public();
            assert_eq!(Secret::parse(&secret.z85()).unwrap(), secret);
            assert_eq!(Public::parse(&public.z85()).unwrap(), public);
            assert_eq!(secret.curve().is_some(), public.curve().is_some());
        }
    }

    /// Lists of clients hold either; an authenticator is told the fingerprint.
    #[test]
    fn a_fingerprint_stands_for_its_key() {
        for secret in secrets() {
            let public = secret.public();
            let told = Public::parse(&text(&public.credential())).unwrap();
            assert_eq!(told.fingerprint(), public.fingerprint());
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for secret in secrets() {
            let (public, secret) = (secret.public().z85(), secret.z85().to_string());
            let kind_matters = secret.len() > CURVE_Z85;
            for wrong in
                ["".to_owned(), format!("{public}\0"), public[5..].to_owned(), format!("{public}00000")]
            {
                assert_eq!(Public::parse(&wrong).unwrap_err(), Errno::INVAL);
                assert_eq!(Secret::parse(&wrong).unwrap_err(), Errno::INVAL);
            }
            assert_eq!(Public::parse(&secret).is_err(), kind_matters);
            assert_eq!(Secret::parse(&public).is_err(), kind_matters);
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        for secret in secrets() {
            let text = secret.z85();
            assert!(!format!("{secret:?}").contains(&text[10..20]));
        }
    }
}
