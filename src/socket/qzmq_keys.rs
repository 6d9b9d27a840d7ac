//! The keys of a QZMQ server: made once for all its endpoints, changed while they are bound.

use crate::crypto::kem::FINGERPRINT_BYTES;
use crate::crypto::{Certificate, KemPublic, KemSecret, Roles, Trust};
use crate::engine::mechanism::qzmq::keys::{MAX_SERVER_KEYS, ServerKeys, Settings, Trusted};
use crate::errno::{Errno, Result};
use std::sync::{Arc, Weak};

/// What a socket needs to be a QZMQ server.
#[derive(Default)]
pub struct Keys {
    /// Of all endpoints, of clients as well.
    trusted: Arc<Trusted>,
    /// Keys beside the own one, for all endpoints.
    further: Vec<Arc<KemSecret>>,
    /// Made for the present value of `ZMQ_CURVE_SECRETKEY` when first needed.
    server: Option<Arc<ServerKeys>>,
    /// Those of all endpoints that are bound, each under the own key that it had then.
    served: Vec<Served>,
    /// The own key is new, and was not told of yet.
    is_new: bool,
}

/// Made for an endpoint, and shared by those that are like it.
struct Served {
    keys: Weak<ServerKeys>,
    /// The fingerprint of the own key, which may have been withdrawn since.
    own: [u8; FINGERPRINT_BYTES],
}

impl Keys {
    /// The own key has changed. Endpoints that are bound already keep what they have.
    pub fn changed(&mut self) {
        self.server = None;
    }

    /// Whether there are keys beside the own one.
    pub fn has_further(&self) -> bool {
        !self.further.is_empty()
    }

    /// Adds a key to all endpoints. Errors: `ENOBUFS` where there are [`MAX_SERVER_KEYS`], one of them an endpoint's own.
    pub fn add(&mut self, secret: &Arc<KemSecret>) -> Result<()> {
        if self.further.iter().any(|known| known.public() == secret.public()) {
            return Ok(());
        }
        if self.further.len() + 1 >= MAX_SERVER_KEYS {
            return Err(Errno::NOBUFS);
        }
        self.further.push(Arc::clone(secret));
        self.live().try_for_each(|keys| keys.add(Arc::clone(secret)))
    }

    /// Withdraws a key from all endpoints, added or own. Errors: `ENOENT` where there is no such key.
    pub fn withdraw(&mut self, public: &KemPublic) -> Result<()> {
        let before = self.further.len();
        self.further.retain(|known| known.public() != public);
        let own = self.live().filter(|keys| keys.withdraw(public).is_ok()).count();
        if self.further.len() < before || own > 0 { Ok(()) } else { Err(Errno::NOENT) }
    }

    /// All endpoints trust these from their next handshake on.
    pub fn trust(&self, trust: &Trust) {
        self.trusted.set(Arc::new(trust.clone()));
    }

    pub fn trusted(&self) -> Arc<Trusted> {
        Arc::clone(&self.trusted)
    }

    /// Shown at once at all endpoints with its key, unless it is for clients alone; the others go on with theirs. NULL is for all.
    pub fn show(&self, certificate: Option<&Arc<Certificate>>) {
        let fits = |keys: &Arc<ServerKeys>| {
            certificate.is_none_or(|certificate| {
                let claims = &certificate.claims;
                claims.roles.include(Roles::Server) && keys.knows(&claims.public)
            })
        };
        self.live().filter(fits).for_each(|keys| keys.set_certificate(certificate.cloned()));
    }

    /// The keys of an endpoint that is bound now, shared by those that speak in the same way. Errors: `ENOBUFS`, which does not happen.
    pub fn serve(
        &mut self,
        own: &Arc<KemSecret>,
        certificate: Option<Arc<Certificate>>,
        settings: Settings,
    ) -> Result<Arc<ServerKeys>> {
        let is_known = self.server.is_some();
        if let Some(server) = self.server.as_ref().filter(|server| server.settings == settings) {
            return Ok(Arc::clone(server));
        }
        let keys = match self.like(own, settings) {
            Some(keys) => keys,
            None => self.make(own, certificate, settings)?,
        };
        self.is_new |= !is_known;
        Ok(Arc::clone(self.server.insert(keys)))
    }

    /// Those of an endpoint with the same own key, which it still has, and the same settings.
    fn like(&self, own: &KemSecret, settings: Settings) -> Option<Arc<ServerKeys>> {
        let fingerprint = own.public().fingerprint();
        self.served
            .iter()
            .filter(|served| served.own == fingerprint)
            .filter_map(|served| served.keys.upgrade())
            .find(|keys| keys.settings == settings && keys.knows(own.public()))
    }

    fn make(
        &mut self,
        own: &Arc<KemSecret>,
        certificate: Option<Arc<Certificate>>,
        settings: Settings,
    ) -> Result<Arc<ServerKeys>> {
        let keys = Arc::new(ServerKeys::new(Arc::clone(own), settings).with_trusted(self.trusted()));
        keys.set_certificate(certificate);
        self.further.iter().try_for_each(|secret| keys.add(Arc::clone(secret)))?;
        self.served.retain(|served| served.keys.strong_count() > 0);
        self.served.push(Served { keys: Arc::downgrade(&keys), own: own.public().fingerprint() });
        Ok(keys)
    }

    /// Whether the own key counts since this was last called.
    pub fn take_new(&mut self) -> bool {
        std::mem::take(&mut self.is_new)
    }

    fn live(&self) -> impl Iterator<Item = Arc<ServerKeys>> {
        self.served.iter().filter_map(|served| served.keys.upgrade())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::crypto::{Claims, DsaSecret, DsaSuite, KemSuite};

    fn secret() -> Arc<KemSecret> {
        Arc::new(KemSecret::generate(KemSuite::XWing).unwrap())
    }

    fn knows(keys: &ServerKeys, secret: &KemSecret) -> bool {
        keys.knows(secret.public())
    }

    #[test]
    fn endpoints_share_keys_until_the_own_one_changes() {
        let (mut keys, old, new) = (Keys::default(), secret(), secret());
        let serve = |keys: &mut Keys, own| keys.serve(own, None, Settings::default()).unwrap();
        let first = serve(&mut keys, &old);
        assert!(keys.take_new() && !keys.take_new());
        assert!(Arc::ptr_eq(&first, &serve(&mut keys, &old)));
        keys.changed();
        let second = serve(&mut keys, &new);
        assert!(keys.take_new() && !Arc::ptr_eq(&first, &second));
        let added = secret();
        keys.add(&added).unwrap();
        keys.add(&added).unwrap();
        assert!(knows(&first, &added) && knows(&second, &added));
        keys.withdraw(old.public()).unwrap();
        assert!(!knows(&first, &old) && knows(&second, &new));
        keys.withdraw(added.public()).unwrap();
        assert_eq!(keys.withdraw(added.public()), Err(Errno::NOENT));
        assert!(!knows(&first, &added) && !knows(&second, &added) && !keys.has_further());
    }

    #[test]
    fn endpoints_that_speak_in_another_way_share_no_more_than_the_keys() {
        let (mut keys, own) = (Keys::default(), secret());
        let first = keys.serve(&own, None, Settings::default()).unwrap();
        assert!(keys.take_new());
        let other = Settings { ticket_life_s: 0, ..Settings::default() };
        let second = keys.serve(&own, None, other).unwrap();
        assert!(!Arc::ptr_eq(&first, &second) && second.settings == other);
        assert!(!keys.take_new(), "the own key is the same");
        let added = secret();
        keys.add(&added).unwrap();
        assert!(knows(&first, &added) && knows(&second, &added));
    }

    /// Endpoints that are bound, and those that are bound between two authorities.
    #[test]
    fn endpoints_want_certificates_after_the_last_authority_was_removed() {
        let (mut keys, own) = (Keys::default(), secret());
        let bound = keys.serve(&own, None, Settings::default()).unwrap();
        assert!(!bound.wants_certificates());
        let mut trust = Trust::default();
        let authority = DsaSecret::generate(DsaSuite::MlDsa44).unwrap();
        trust.add(authority.public().clone()).unwrap();
        keys.trust(&trust);
        trust.forget_authorities();
        keys.trust(&trust);
        keys.changed();
        let later = keys.serve(&secret(), None, Settings::default()).unwrap();
        assert!(bound.wants_certificates() && later.wants_certificates());
    }

    #[test]
    fn endpoints_that_are_alike_share_whatever_was_bound_in_between() {
        let (mut keys, own, other_own) = (Keys::default(), secret(), secret());
        let usual = Settings::default();
        let without_tickets = Settings { ticket_life_s: 0, ..usual };
        let first = keys.serve(&own, None, usual).unwrap();
        let second = keys.serve(&own, None, without_tickets).unwrap();
        assert!(Arc::ptr_eq(&first, &keys.serve(&own, None, usual).unwrap()));
        keys.changed();
        let third = keys.serve(&other_own, None, usual).unwrap();
        assert!(!Arc::ptr_eq(&first, &third));
        keys.changed();
        assert!(Arc::ptr_eq(&second, &keys.serve(&own, None, without_tickets).unwrap()));
        // A key that was withdrawn counts again for endpoints that are bound with it from then on.
        keys.withdraw(own.public()).unwrap();
        keys.changed();
        let again = keys.serve(&own, None, usual).unwrap();
        assert!(knows(&again, &own) && !knows(&first, &own));
    }

    fn certificate(secret: &KemSecret, roles: Roles) -> Arc<Certificate> {
        let authority = DsaSecret::generate(DsaSuite::MlDsa44).unwrap();
        let (name, public) = ("orders".to_owned(), secret.public().clone());
        let claims = Claims { name, public, roles, not_before_s: 0, not_after_s: 1 };
        Arc::new(Certificate::sign(&authority, claims).unwrap())
    }

    #[test]
    fn a_certificate_is_shown_where_its_key_is_and_takes_none_off_elsewhere() {
        let (mut keys, old, new) = (Keys::default(), secret(), secret());
        let [of_old, of_new] = [&old, &new].map(|secret| certificate(secret, Roles::Server));
        let first = keys.serve(&old, Some(Arc::clone(&of_old)), Settings::default()).unwrap();
        keys.changed();
        keys.show(Some(&of_new));
        assert_eq!(first.certificate(), Some(Arc::clone(&of_old)));
        let second = keys.serve(&new, Some(Arc::clone(&of_new)), Settings::default()).unwrap();
        keys.show(Some(&certificate(&new, Roles::Client)));
        assert_eq!(second.certificate(), Some(of_new), "not one for clients alone");
        let renewed = certificate(&old, Roles::Both);
        keys.show(Some(&renewed));
        assert_eq!(first.certificate(), Some(renewed));
        keys.show(None);
        assert_eq!((first.certificate(), second.certificate()), (None, None));
    }

    #[test]
    fn keys_have_a_bound_and_count_for_later_endpoints() {
        let mut keys = Keys::default();
        let more: Vec<_> = (1..MAX_SERVER_KEYS).map(|_| secret()).collect();
        more.iter().for_each(|secret| keys.add(secret).unwrap());
        assert_eq!(keys.add(&secret()), Err(Errno::NOBUFS));
        let served = keys.serve(&secret(), None, Settings::default()).unwrap();
        assert!(more.iter().all(|secret| knows(&served, secret)));
    }
}
