//! What the handshakes of an endpoint are made with, out of the keys in its files. Pure.

use super::certificate::Certificate;
use super::keys::{Public, Secret};
#[cfg(feature = "qzmq")]
use crate::crypto::Certificate as Signed;
#[cfg(feature = "qzmq")]
use crate::engine::mechanism::qzmq::keys as qzmq;
use crate::engine::{ClientKeys, KeyRing, Security};
use crate::errno::Errno;
#[cfg(feature = "qzmq")]
use crate::options::KnownServer;
use std::sync::Arc;

/// What an endpoint speaks, and the keys that it came from. They stay the same as long as their files say the same: a handshake
/// that is under way has its cookie's key there, and a client its ticket.
pub struct Served {
    from: Vec<Arc<Certificate>>,
    beside: Vec<Arc<Certificate>>,
    name: Option<String>,
    #[cfg(feature = "qzmq")]
    certificate: Option<Arc<Signed>>,
    #[cfg(feature = "qzmq")]
    settings: qzmq::Settings,
    pub security: Security,
}

/// What the keys of an endpoint are made of.
pub struct Makings {
    /// Of a client: its own first, then the server's, unless that is known by its name.
    pub from: Vec<Arc<Certificate>>,
    /// Keys of CURVE for the time of a migration, in the same order.
    pub beside: Vec<Arc<Certificate>>,
    /// Of the server.
    pub name: Option<String>,
    #[cfg(feature = "qzmq")]
    pub certificate: Option<Arc<Signed>>,
    /// The same for all of an endpoint's handshakes.
    #[cfg(feature = "qzmq")]
    pub trusted: Arc<qzmq::Trusted>,
    #[cfg(feature = "qzmq")]
    pub settings: qzmq::Settings,
}

impl Makings {
    pub fn keys(&self) -> impl Iterator<Item = &Certificate> {
        self.from.iter().map(|key| &**key)
    }

    pub fn all(&self) -> impl Iterator<Item = &Certificate> {
        self.from.iter().chain(&self.beside).map(|key| &**key)
    }

    pub fn are_those_of(&self, served: &Served) -> bool {
        #[cfg(feature = "qzmq")]
        if self.certificate != served.certificate || self.settings != served.settings {
            return false;
        }
        self.from == served.from && self.beside == served.beside && self.name == served.name
    }

    pub fn served(self, security: Security) -> Served {
        #[cfg(feature = "qzmq")]
        let Makings { from, beside, name, certificate, settings, .. } = self;
        #[cfg(not(feature = "qzmq"))]
        let Makings { from, beside, name } = self;
        Served {
            from,
            beside,
            name,
            #[cfg(feature = "qzmq")]
            certificate,
            #[cfg(feature = "qzmq")]
            settings,
            security,
        }
    }
}

/// What a server with these keys speaks, of which the first is its own. Errors: `EINVAL` without a key, `ENOBUFS` for too many.
pub fn serve(secrets: &[&Secret], makings: &Makings) -> Result<Security, Errno> {
    let (own, more) = secrets.split_first().ok_or(Errno::INVAL)?;
    match own {
        Secret::Curve(own) => {
            #[cfg(not(feature = "qzmq"))]
            let _ = makings;
            let ring = Arc::new(KeyRing::default());
            let keys = ring.serve(own.clone());
            more.iter().filter_map(|secret| secret.curve()).try_for_each(|secret| ring.add(secret))?;
            Ok(Security::CurveServer(Arc::new(keys)))
        }
        #[cfg(feature = "qzmq")]
        Secret::Qzmq(own) => {
            let keys = qzmq::ServerKeys::new(Arc::clone(own), makings.settings);
            let keys = keys.with_trusted(Arc::clone(&makings.trusted));
            keys.set_certificate(makings.certificate.clone());
            more.iter().filter_map(|secret| secret.qzmq()).try_for_each(|secret| keys.add(secret))?;
            Ok(Security::QzmqServer(Arc::new(keys)))
        }
    }
}

/// What an endpoint speaks that has keys of CURVE beside those of QZMQ.
pub fn with_curve(security: Security, makings: &Makings) -> Security {
    #[cfg(feature = "qzmq")]
    if let Some(own) = makings.beside.first().and_then(|own| own.secret.as_ref()) {
        return match security {
            Security::QzmqServer(qzmq) => match serve(&[own], makings) {
                Ok(Security::CurveServer(curve)) => Security::QzmqServerBesideCurve(qzmq, curve),
                _ => Security::QzmqServer(qzmq),
            },
            Security::QzmqClient(qzmq) => match ask(&makings.beside, makings) {
                Some(Security::CurveClient(curve)) => Security::QzmqClientWithFallback(qzmq, curve),
                _ => Security::QzmqClient(qzmq),
            },
            security => security,
        };
    }
    #[cfg(not(feature = "qzmq"))]
    let _ = makings;
    security
}

/// What a client with these keys speaks; `None` for keys that do not fit.
pub fn ask(keys: &[Arc<Certificate>], makings: &Makings) -> Option<Security> {
    #[cfg(not(feature = "qzmq"))]
    let _ = makings;
    let mut keys = keys.iter();
    let own = keys.next()?.secret.as_ref()?;
    let server = keys.next().map(|known| &known.public);
    match (own, server) {
        (Secret::Curve(own), Some(Public::Curve(server))) => {
            let (public, secret, server) = (own.public(), own.clone(), *server);
            Some(Security::CurveClient(Arc::new(ClientKeys { public, secret, server })))
        }
        #[cfg(feature = "qzmq")]
        (Secret::Qzmq(own), server) => {
            let server = match server {
                Some(Public::Qzmq(server)) => KnownServer::Key(Arc::clone(server)),
                Some(Public::Curve(_)) => return None,
                None => KnownServer::Name(makings.name.clone()?),
            };
            let keys = qzmq::ClientKeys::of(server, Some(Arc::clone(own)), makings.settings).ok()?;
            let keys = keys.with_certificate(makings.certificate.clone());
            Some(Security::QzmqClient(Arc::new(keys.with_trusted(Arc::clone(&makings.trusted)))))
        }
        _ => None,
    }
}
