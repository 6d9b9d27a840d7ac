//! The keys of a CURVE server: made once for all its endpoints, changed while they are bound.

#[cfg(feature = "qzmq")]
use crate::crypto::Trust;
use crate::crypto::{PublicKey, SecretKey};
#[cfg(feature = "qzmq")]
use crate::engine::mechanism::qzmq::keys as qzmq;
use crate::engine::{KeyRing, Security, ServerKeys};
#[cfg(feature = "qzmq")]
use crate::errno::Errno;
use crate::errno::Result;
#[cfg(feature = "qzmq")]
use crate::options::QzmqKeys;
use crate::options::{SocketOptions, curve_key};
use std::sync::Arc;

/// What a socket needs to be a CURVE server.
#[derive(Default)]
pub struct Keys {
    ring: Arc<KeyRing>,
    /// Made for the present value of `ZMQ_CURVE_SECRETKEY` when first needed.
    server: Option<Arc<ServerKeys>>,
    /// The own key is new, and was not told of yet.
    is_new: bool,
}

impl Keys {
    /// `ZMQ_CURVE_SECRETKEY` was set. Endpoints that are bound already keep the key that they have.
    pub fn secret_changed(&mut self) {
        self.server = None;
    }

    /// `ZMQ_FERRO_CURVE_SERVER_KEY_ADD`: the public key of the one that was added. Errors: `EINVAL`, `ENOBUFS`.
    pub fn add(&self, value: &[u8]) -> Result<PublicKey> {
        let secret = SecretKey::from_bytes(&*curve_key(value)?);
        let public = secret.public();
        self.ring.add(secret).map(|()| public)
    }

    /// `ZMQ_FERRO_CURVE_SERVER_KEY_WITHDRAW`: the key. Errors: `EINVAL`, `ENOENT`.
    pub fn withdraw(&mut self, value: &[u8], options: &SocketOptions) -> Result<PublicKey> {
        let public = PublicKey(*curve_key(value)?);
        // The own key can be withdrawn before anything is bound.
        let _ = self.server(options);
        self.ring.withdraw(&public).map(|()| public)
    }

    /// For the handshakes of an endpoint that is bound or connected now.
    ///
    /// Errors: `EINVAL` for keys that do not fit together; `EPROTONOSUPPORT` for certificates, which no handshake shows so far. A
    /// socket that is to trust an authority must not let clients in without that.
    pub fn security(&mut self, options: &SocketOptions) -> Result<Security> {
        #[cfg(feature = "qzmq")]
        if let Some(keys) = options.qzmq_keys()? {
            if !options.qzmq.trust().is_empty() {
                return Err(Errno::PROTONOSUPPORT);
            }
            let trust = options.qzmq.trust().clone();
            return qzmq_security(keys, trust);
        }
        Ok(Security::new(options, || self.server(options)))
    }

    /// The own key, where it counts since this was last called.
    pub fn take_new_own(&mut self, options: &SocketOptions) -> Option<PublicKey> {
        let is_new = std::mem::take(&mut self.is_new);
        is_new.then(|| SecretKey::from_bytes(&options.curve_secret_key).public())
    }

    fn server(&mut self, options: &SocketOptions) -> Arc<ServerKeys> {
        let (ring, is_new) = (&self.ring, &mut self.is_new);
        let make = || {
            *is_new = true;
            Arc::new(ring.serve(SecretKey::from_bytes(&options.curve_secret_key)))
        };
        Arc::clone(self.server.get_or_insert_with(make))
    }
}

/// For an endpoint with keys of QZMQ. Errors: as of [`Keys::security`].
#[cfg(feature = "qzmq")]
fn qzmq_security(keys: QzmqKeys, trust: Trust) -> Result<Security> {
    let settings = qzmq::Settings::default();
    Ok(match keys {
        QzmqKeys::Server(own) => {
            Security::QzmqServer(Arc::new(qzmq::ServerKeys::new(own, settings).with_trust(trust)))
        }
        QzmqKeys::Client { certificate: Some(_), .. } => return Err(Errno::PROTONOSUPPORT),
        QzmqKeys::Client { server, own, certificate: None } => {
            Security::QzmqClient(Arc::new(qzmq::ClientKeys::new(server, own, settings)?))
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    #[cfg(not(feature = "qzmq"))]
    use crate::errno::Errno;
    use crate::options::SocketType;
    use crate::options::number::ZMQ_CURVE_SECRETKEY;
    #[cfg(feature = "qzmq")]
    use crate::options::number::ZMQ_CURVE_SERVERKEY;

    fn server() -> SocketOptions {
        let mut options = SocketOptions::new(SocketType::Dealer);
        options.set(ZMQ_CURVE_SECRETKEY, &[1; 32]).unwrap();
        options
    }

    #[test]
    fn all_endpoints_share_keys_until_the_secret_one_changes() {
        let (mut keys, mut options) = (Keys::default(), server());
        let first = keys.server(&options);
        assert!(Arc::ptr_eq(&first, &keys.server(&options)));
        options.set(ZMQ_CURVE_SECRETKEY, &[2; 32]).unwrap();
        keys.secret_changed();
        assert!(keys.take_new_own(&options).is_some());
        assert!(!Arc::ptr_eq(&first, &keys.server(&options)));
        let own = *SecretKey::from_bytes(&[2; 32]).public().as_bytes();
        assert!(keys.take_new_own(&options) == Some(PublicKey(own)), "it counts from the bind on");
        keys.server(&options);
        assert!(keys.take_new_own(&options).is_none(), "told once");
    }

    #[test]
    fn keys_are_added_by_the_secret_and_withdrawn_by_the_public_one() {
        let (mut keys, options) = (Keys::default(), server());
        for value in [&[7; 31][..], &[7; 33], b"", b"short"] {
            assert_eq!(keys.add(value).err(), Some(Errno::INVAL));
            assert_eq!(keys.withdraw(value, &options).err(), Some(Errno::INVAL));
        }
        let public = |secret: [u8; 32]| *SecretKey::from_bytes(&secret).public().as_bytes();
        assert!(keys.add(&[7; 32]).unwrap() == PublicKey(public([7; 32])));
        assert_eq!(keys.withdraw(&[7; 32], &options).err(), Some(Errno::NOENT), "that is the secret one");
        keys.withdraw(&public([7; 32]), &options).unwrap();
        assert_eq!(keys.withdraw(&public([7; 32]), &options).err(), Some(Errno::NOENT));
        keys.withdraw(&public([1; 32]), &options).unwrap();
        let more: Vec<_> = (10..20).map(|number| keys.add(&[number; 32])).collect();
        assert_eq!((more[6].is_ok(), more[7].err()), (true, Some(Errno::NOBUFS)));
    }

    #[cfg(feature = "qzmq")]
    #[test]
    fn keys_of_two_kinds_are_refused() {
        let (mut keys, mut options) = (Keys::default(), server());
        let qzmq = crate::crypto::KemSecret::generate(crate::crypto::KemSuite::XWing).unwrap();
        options.set(ZMQ_CURVE_SERVERKEY, &qzmq.public().tagged()).unwrap();
        assert_eq!(keys.security(&options).err(), Some(Errno::INVAL));
        options.set(ZMQ_CURVE_SERVERKEY, &[7; 32]).unwrap();
        assert!(keys.security(&options).is_ok());
    }
}
