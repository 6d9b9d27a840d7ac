//! The keys of a server: made once for all its endpoints, changed while they are bound. Those of QZMQ are in `qzmq_keys`.

use crate::crypto::{KEY_BYTES, PublicKey, SecretKey};
#[cfg(feature = "qzmq")]
use crate::engine::mechanism::qzmq::keys as qzmq;
use crate::engine::{KeyRing, Security, ServerKeys};
#[cfg(feature = "qzmq")]
use crate::errno::Errno;
use crate::errno::Result;
#[cfg(feature = "qzmq")]
use crate::options::{KnownServer, QzmqKeys, qzmq_public_key, qzmq_secret_key};
use crate::options::{Mechanism, SocketOptions, curve_key};
#[cfg(feature = "qzmq")]
use crate::socket::qzmq_keys;
use std::sync::Arc;

/// A key that has changed: its mechanism, and the public key or its fingerprint, as an authenticator is told it.
pub type KeyName = (Mechanism, [u8; KEY_BYTES]);

/// What a socket needs to be a CURVE server, or one of QZMQ.
#[derive(Default)]
pub struct Keys {
    ring: Arc<KeyRing>,
    /// Made for the present value of `ZMQ_CURVE_SECRETKEY` when first needed.
    server: Option<Arc<ServerKeys>>,
    /// The own key is new, and was not told of yet.
    is_new: bool,
    /// There were keys beside the own one.
    has_further: bool,
    #[cfg(feature = "qzmq")]
    qzmq: qzmq_keys::Keys,
}

impl Keys {
    /// `ZMQ_CURVE_SECRETKEY` was set. Endpoints that are bound already keep the key that they have.
    pub fn secret_changed(&mut self) {
        self.server = None;
        #[cfg(feature = "qzmq")]
        self.qzmq.changed();
    }

    /// `ZMQ_FERRO_QZMQ_AUTHORITY`, `ZMQ_FERRO_QZMQ_REVOKED` or `ZMQ_FERRO_QZMQ_CERTIFICATE` was set: it counts at once.
    #[cfg(feature = "qzmq")]
    pub fn certificates_changed(&self, options: &SocketOptions) {
        self.qzmq.trust(options.qzmq.trust());
        self.qzmq.show(options.qzmq.certificate());
    }

    /// Whether an authority is trusted, or was.
    #[cfg(feature = "qzmq")]
    pub fn wants_certificates(&self) -> bool {
        self.qzmq.trusted().wants_certificates()
    }

    /// `ZMQ_FERRO_CURVE_SERVER_KEY_ADD`: the public key of the one that was added.
    ///
    /// Errors: `EINVAL`, also for a key of another mechanism than the own one or those added; `ENOBUFS`.
    pub fn add(&mut self, value: &[u8], options: &SocketOptions) -> Result<KeyName> {
        #[cfg(feature = "qzmq")]
        {
            let qzmq = qzmq_secret_key(value)?;
            self.check_kind(qzmq.is_some(), options)?;
            if let Some(secret) = qzmq {
                self.qzmq.add(&secret)?;
                return Ok((Mechanism::Qzmq, secret.public().fingerprint()));
            }
        }
        #[cfg(not(feature = "qzmq"))]
        let _ = options;
        let secret = SecretKey::from_bytes(&*curve_key(value)?);
        let public = secret.public();
        self.ring.add(secret)?;
        self.has_further = true;
        Ok((Mechanism::Curve, *public.as_bytes()))
    }

    /// `ZMQ_FERRO_CURVE_SERVER_KEY_WITHDRAW`: the key. Errors: `EINVAL`, `ENOENT`.
    pub fn withdraw(&mut self, value: &[u8], options: &SocketOptions) -> Result<KeyName> {
        #[cfg(feature = "qzmq")]
        if let Some(public) = qzmq_public_key(value)? {
            // The own key can be withdrawn before anything is bound.
            let _ = self.security(options);
            self.qzmq.withdraw(&public)?;
            return Ok((Mechanism::Qzmq, public.fingerprint()));
        }
        let public = PublicKey(*curve_key(value)?);
        let _ = self.server(options);
        self.ring.withdraw(&public)?;
        Ok((Mechanism::Curve, *public.as_bytes()))
    }

    /// For the handshakes of an endpoint that is bound or connected now.
    ///
    /// Errors: `EINVAL` for keys that do not fit together.
    pub fn security(&mut self, options: &SocketOptions) -> Result<Security> {
        #[cfg(feature = "qzmq")]
        if options.mechanism == Mechanism::Curve && options.as_server {
            self.check_kind(options.qzmq_keys()?.is_some(), options)?;
        }
        #[cfg(feature = "qzmq")]
        if let Some(keys) = options.qzmq_keys()? {
            let security = self.qzmq_security(keys, options)?;
            return if options.has_curve_keys() { self.with_curve(security, options) } else { Ok(security) };
        }
        Ok(Security::new(options, || self.server(options)))
    }

    /// The same, and CURVE for the time of a migration. Errors: `EINVAL` where a key of CURVE is missing.
    #[cfg(feature = "qzmq")]
    fn with_curve(&mut self, security: Security, options: &SocketOptions) -> Result<Security> {
        let is_there = |key: &[u8; 32]| *key != [0; 32];
        let knows_server = options.as_server || is_there(&options.curve_server_key);
        if !is_there(&options.curve_secret_key) || !knows_server {
            return Err(Errno::INVAL);
        }
        match (security, Security::new(options, || self.server(options))) {
            (Security::QzmqServer(qzmq), Security::CurveServer(curve)) => {
                Ok(Security::QzmqServerBesideCurve(qzmq, curve))
            }
            (Security::QzmqClient(qzmq), Security::CurveClient(curve)) => {
                Ok(Security::QzmqClientWithFallback(qzmq, curve))
            }
            _ => Err(Errno::INVAL),
        }
    }

    /// The own key, where it counts since this was last called.
    pub fn take_new_own(&mut self, options: &SocketOptions) -> Option<KeyName> {
        #[cfg(feature = "qzmq")]
        if self.qzmq.take_new()
            && let Ok(Some(QzmqKeys::Server { own, .. })) = options.qzmq_keys()
        {
            return Some((Mechanism::Qzmq, own.public().fingerprint()));
        }
        let is_new = std::mem::take(&mut self.is_new);
        let public = || *SecretKey::from_bytes(&options.curve_secret_key).public().as_bytes();
        is_new.then(|| (Mechanism::Curve, public()))
    }

    /// Refuses keys of QZMQ where there are keys of CURVE, and the other way round, unless a server may have both. Errors: `EINVAL`.
    #[cfg(feature = "qzmq")]
    fn check_kind(&self, is_qzmq: bool, options: &SocketOptions) -> Result<()> {
        if options.curve_beside_qzmq {
            return Ok(());
        }
        let (has_curve, has_qzmq) = (self.has_further, self.qzmq.has_further());
        let own_is_qzmq = options.as_server.then(|| options.qzmq_keys()).transpose()?.flatten().is_some();
        let own_is_curve = options.as_server && *options.curve_secret_key != [0; KEY_BYTES];
        let is_mixed = if is_qzmq { has_curve || own_is_curve } else { has_qzmq || own_is_qzmq };
        if is_mixed { Err(Errno::INVAL) } else { Ok(()) }
    }

    fn server(&mut self, options: &SocketOptions) -> Arc<ServerKeys> {
        let (ring, is_new) = (&self.ring, &mut self.is_new);
        let make = || {
            *is_new = true;
            Arc::new(ring.serve(SecretKey::from_bytes(&options.curve_secret_key)))
        };
        Arc::clone(self.server.get_or_insert_with(make))
    }

    /// For an endpoint with keys of QZMQ. Errors: as of [`Keys::security`].
    #[cfg(feature = "qzmq")]
    fn qzmq_security(&mut self, keys: QzmqKeys, options: &SocketOptions) -> Result<Security> {
        let settings = qzmq_settings(options)?;
        let kem = match &keys {
            QzmqKeys::Server { own, .. } => Some(own.suite()),
            QzmqKeys::Client { server: KnownServer::Key(server), .. } => Some(server.suite()),
            // Without a key of its own it takes the KEM of its favourite suite.
            QzmqKeys::Client { server: KnownServer::Name(_), own, .. } => own.as_ref().map(|own| own.suite()),
        };
        if kem.is_some_and(|kem| settings.suites.of(kem).next().is_none()) {
            return Err(Errno::INVAL);
        }
        self.qzmq.trust(options.qzmq.trust());
        Ok(match keys {
            QzmqKeys::Server { own, certificate } => {
                Security::QzmqServer(self.qzmq.serve(&own, certificate, settings)?)
            }
            QzmqKeys::Client { server, own, certificate } => {
                let keys = qzmq::ClientKeys::of(server, own, settings)?;
                let keys = keys.with_certificate(certificate).with_trusted(self.qzmq.trusted());
                Security::QzmqClient(Arc::new(keys))
            }
        })
    }
}

/// How QZMQ is spoken, by the options, whose ranges the table of options keeps. Errors: `EINVAL`.
#[cfg(feature = "qzmq")]
fn qzmq_settings(options: &SocketOptions) -> Result<qzmq::Settings> {
    let limits = qzmq::Limits {
        records: u64::from(options.qzmq_update_records.unsigned_abs()),
        bytes: options.qzmq_update_size.unsigned_abs(),
        age_ms: u64::from(options.qzmq_update_ivl_ms.unsigned_abs()),
        padding_bytes: usize::try_from(options.qzmq_padding).unwrap_or(0),
        ..qzmq::Limits::default()
    };
    Ok(qzmq::Settings {
        suites: qzmq::Suites::numbered(options.qzmq.suites()).ok_or(Errno::INVAL)?,
        limits,
        ticket_life_s: options.qzmq_ticket_life_s.unsigned_abs(),
        asks_as_qzmq: options.asks_as_qzmq,
        ..qzmq::Settings::default()
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
    use crate::options::number::{
        ZMQ_CURVE_SERVER, ZMQ_CURVE_SERVERKEY, ZMQ_FERRO_QZMQ_PADDING, ZMQ_FERRO_QZMQ_SUITES,
        ZMQ_FERRO_QZMQ_TICKET_LIFE, ZMQ_FERRO_QZMQ_UPDATE_IVL, ZMQ_FERRO_QZMQ_UPDATE_RECORDS,
        ZMQ_FERRO_QZMQ_UPDATE_SIZE,
    };

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
        assert_eq!(keys.take_new_own(&options), Some((Mechanism::Curve, own)), "it counts from the bind on");
        keys.server(&options);
        assert!(keys.take_new_own(&options).is_none(), "told once");
    }

    #[test]
    fn keys_are_added_by_the_secret_and_withdrawn_by_the_public_one() {
        let (mut keys, options) = (Keys::default(), server());
        for value in [&[7; 31][..], &[7; 33], b"", b"short"] {
            assert_eq!(keys.add(value, &options).err(), Some(Errno::INVAL));
            assert_eq!(keys.withdraw(value, &options).err(), Some(Errno::INVAL));
        }
        let public = |secret: [u8; 32]| *SecretKey::from_bytes(&secret).public().as_bytes();
        assert!(keys.add(&[7; 32], &options).unwrap() == (Mechanism::Curve, public([7; 32])));
        assert_eq!(keys.withdraw(&[7; 32], &options).err(), Some(Errno::NOENT), "that is the secret one");
        keys.withdraw(&public([7; 32]), &options).unwrap();
        assert_eq!(keys.withdraw(&public([7; 32]), &options).err(), Some(Errno::NOENT));
        keys.withdraw(&public([1; 32]), &options).unwrap();
        let more: Vec<_> = (10..20).map(|number| keys.add(&[number; 32], &options)).collect();
        assert_eq!((more[6].is_ok(), more[7].err()), (true, Some(Errno::NOBUFS)));
    }

    #[cfg(feature = "qzmq")]
    #[test]
    fn an_endpoint_needs_a_suite_that_fits_its_keys() {
        for (suites, fits) in [(&[][..], true), (&[1], true), (&[3, 2], true), (&[3, 4], false)] {
            let (mut keys, mut options) = (Keys::default(), SocketOptions::new(SocketType::Dealer));
            let qzmq = crate::crypto::KemSecret::generate(crate::crypto::KemSuite::XWing).unwrap();
            options.set(ZMQ_CURVE_SERVERKEY, &qzmq.public().tagged()).unwrap();
            options.set(ZMQ_FERRO_QZMQ_SUITES, suites).unwrap();
            assert_eq!(keys.security(&options).err(), (!fits).then_some(Errno::INVAL), "{suites:?}");
        }
    }

    /// The defaults of the options are those of the mechanism.
    #[cfg(feature = "qzmq")]
    #[test]
    fn the_options_say_how_qzmq_is_spoken() {
        let mut options = SocketOptions::new(SocketType::Dealer);
        let (settings, default) = (qzmq_settings(&options).unwrap(), qzmq::Settings::default());
        assert_eq!((settings.suites, settings.limits), (default.suites, default.limits));
        assert_eq!(settings.ticket_life_s, default.ticket_life_s);
        for (option, value) in [
            (ZMQ_FERRO_QZMQ_UPDATE_RECORDS, 5),
            (ZMQ_FERRO_QZMQ_UPDATE_IVL, 6),
            (ZMQ_FERRO_QZMQ_PADDING, 7),
            (ZMQ_FERRO_QZMQ_TICKET_LIFE, 8_i32),
        ] {
            options.set(option, &value.to_ne_bytes()).unwrap();
        }
        options.set(ZMQ_FERRO_QZMQ_UPDATE_SIZE, &9_i64.to_ne_bytes()).unwrap();
        let settings = qzmq_settings(&options).unwrap();
        let limits =
            qzmq::Limits { records: 5, bytes: 9, age_ms: 6, padding_bytes: 7, ..qzmq::Limits::default() };
        assert_eq!((settings.limits, settings.ticket_life_s), (limits, 8));
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

    #[cfg(feature = "qzmq")]
    #[test]
    fn a_server_of_one_kind_takes_no_key_of_the_other() {
        let secret = || crate::crypto::KemSecret::generate(crate::crypto::KemSuite::XWing).unwrap();
        let (own, more) = (secret(), secret());
        let yes = 1_i32.to_ne_bytes();
        let (mut keys, mut options) = (Keys::default(), server());
        options.set(ZMQ_CURVE_SERVER, &yes).unwrap();
        assert_eq!(keys.add(&more.tagged(), &options), Err(Errno::INVAL), "the own one is of CURVE");
        options.set(ZMQ_CURVE_SECRETKEY, &own.tagged()).unwrap();
        keys.secret_changed();
        assert_eq!(keys.add(&[7; 32], &options), Err(Errno::INVAL));
        let name = (Mechanism::Qzmq, more.public().fingerprint());
        assert_eq!(keys.add(&more.tagged(), &options), Ok(name));
        assert!(keys.security(&options).is_ok());
        assert_eq!(keys.take_new_own(&options), Some((Mechanism::Qzmq, own.public().fingerprint())));
        assert_eq!(keys.withdraw(&more.public().tagged(), &options), Ok(name));
        assert_eq!(keys.withdraw(&more.public().tagged(), &options), Err(Errno::NOENT));
        assert!(keys.withdraw(&own.public().tagged(), &options).is_ok());
        // What was added before the own key is known shows at the bind.
        let mut keys = Keys::default();
        keys.add(&more.tagged(), &SocketOptions::new(SocketType::Dealer)).unwrap();
        assert_eq!(keys.add(&[7; 32], &options), Err(Errno::INVAL));
        options.set(ZMQ_CURVE_SECRETKEY, &[1; 32]).unwrap();
        assert_eq!(keys.security(&options).err(), Some(Errno::INVAL));
    }
}
