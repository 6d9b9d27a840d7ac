//! The long-term keys of either side.

use super::cookie::CookieKeys;
use crate::crypto::{KEY_BYTES, PublicKey, SecretKey};
use crate::errno::{Errno, Result};
use crate::sys::lock::Lock;
use std::sync::{Arc, Weak};

/// Most keys by which clients may know one endpoint. A server tries them one after the other on each HELLO.
/// Each try costs as much as any other step of the handshake. More keys than a change of keys needs would
/// help an attacker flood it.
pub const MAX_SERVER_KEYS: usize = 8;

/// The keys of a client.
#[derive(Debug)]
pub struct ClientKeys {
    /// Our own, as the program gave them; a server finds out whether the secret key belongs to the public
    /// one.
    pub public: PublicKey,
    pub secret: SecretKey,
    /// The server's public key.
    pub server: PublicKey,
}

/// The keys that all endpoints of a server socket share: those it is known by, and those of its cookies. Any
/// thread may change and use them.
#[derive(Default)]
pub struct KeyRing {
    known: Lock<Known>,
    cookies: CookieKeys,
}

/// The keys with which a ring opens HELLOs.
#[derive(Default)]
struct Known {
    /// Each belongs to the endpoints that hold it ([`ServerKeys`]) and applies only to those.
    own: Vec<Weak<KeyPair>>,
    /// Apply to all endpoints.
    further: Vec<Arc<KeyPair>>,
}

/// The keys of the endpoints that were bound under one value of `ZMQ_CURVE_SECRETKEY`.
pub struct ServerKeys {
    own: Arc<KeyPair>,
    ring: Arc<KeyRing>,
}

/// A secret key and its public key.
#[derive(Debug)]
pub struct KeyPair {
    pub public: PublicKey,
    pub secret: SecretKey,
}

impl ClientKeys {
    pub fn from_bytes(
        public: &[u8; KEY_BYTES],
        secret: &[u8; KEY_BYTES],
        server: &[u8; KEY_BYTES],
    ) -> ClientKeys {
        ClientKeys {
            public: PublicKey(*public),
            secret: SecretKey::from_bytes(secret),
            server: PublicKey(*server),
        }
    }
}

impl KeyRing {
    /// Keys for endpoints whose own key is `own`.
    pub fn serve(self: &Arc<KeyRing>, own: SecretKey) -> ServerKeys {
        let own = Arc::new(KeyPair::new(own));
        let mut known = self.known.lock();
        known.own.retain(|pair| pair.strong_count() > 0);
        known.own.push(Arc::downgrade(&own));
        ServerKeys { own, ring: Arc::clone(self) }
    }

    /// Adds a key by which clients may know this server, from their next HELLO on, at every endpoint. Adding
    /// a key again changes nothing. Errors: `ENOBUFS` where there are [`MAX_SERVER_KEYS`], one of them an
    /// endpoint's own.
    pub fn add(&self, secret: SecretKey) -> Result<()> {
        let pair = KeyPair::new(secret);
        let further = &mut self.known.lock().further;
        if further.iter().any(|known| known.public == pair.public) {
            return Ok(());
        }
        if further.len() + 1 >= MAX_SERVER_KEYS {
            return Err(Errno::NOBUFS);
        }
        further.push(Arc::new(pair));
        Ok(())
    }

    /// Withdraws a key, added or an endpoint's own: no HELLO opens with it any more. Connections that are
    /// established, or beyond HELLO, go on. Errors: `ENOENT` where there is no such key.
    pub fn withdraw(&self, public: &PublicKey) -> Result<()> {
        let known = &mut *self.known.lock();
        let before = known.own.len() + known.further.len();
        known.own.retain(|pair| pair.upgrade().is_none_or(|pair| pair.public != *public));
        known.further.retain(|pair| pair.public != *public);
        if known.own.len() + known.further.len() < before { Ok(()) } else { Err(Errno::NOENT) }
    }
}

impl ServerKeys {
    /// Keys on a ring of their own.
    pub fn new(own: SecretKey) -> ServerKeys {
        Arc::new(KeyRing::default()).serve(own)
    }

    /// Changes the key of cookies when it is time; `now_ms` is of any clock that does not go back. Call it
    /// whenever a peer is accepted.
    pub fn rotate_cookies(&self, now_ms: u64) {
        self.ring.cookies.rotate(now_ms);
    }

    pub(super) fn cookies(&self) -> &CookieKeys {
        &self.ring.cookies
    }

    /// The keys by which clients may know this server, our own first.
    pub(super) fn pairs(&self) -> Vec<Arc<KeyPair>> {
        let known = self.ring.known.lock();
        let own = known.own.iter().any(|pair| std::ptr::eq(pair.as_ptr(), &*self.own)).then_some(&self.own);
        let further = known.further.iter().filter(|pair| own.is_none_or(|own| own.public != pair.public));
        own.into_iter().chain(further).cloned().collect()
    }
}

impl KeyPair {
    fn new(secret: SecretKey) -> KeyPair {
        KeyPair { public: secret.public(), secret }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn publics(keys: &ServerKeys) -> Vec<PublicKey> {
        keys.pairs().iter().map(|pair| pair.public).collect()
    }

    fn secret(number: u8) -> SecretKey {
        SecretKey::from_bytes(&[number; KEY_BYTES])
    }

    #[test]
    fn keys_are_added_and_withdrawn() {
        let ring = Arc::new(KeyRing::default());
        let keys = ring.serve(secret(0));
        for number in 1..MAX_SERVER_KEYS as u8 {
            ring.add(secret(number)).unwrap();
            ring.add(secret(number)).unwrap();
        }
        assert_eq!(keys.pairs().len(), MAX_SERVER_KEYS);
        let one_more = secret(99).public();
        assert_eq!(ring.add(secret(99)), Err(Errno::NOBUFS));
        let added = secret(3).public();
        ring.withdraw(&added).unwrap();
        assert_eq!(ring.withdraw(&added), Err(Errno::NOENT));
        ring.add(secret(99)).unwrap();
        assert_eq!(publics(&keys).last(), Some(&one_more));
        assert!(!publics(&keys).contains(&added));
    }

    #[test]
    fn an_own_key_applies_only_to_its_endpoints_until_withdrawn() {
        let ring = Arc::new(KeyRing::default());
        let (old, new) = (ring.serve(secret(1)), ring.serve(secret(2)));
        ring.add(secret(3)).unwrap();
        let [first, second, third] = [1, 2, 3].map(|number| secret(number).public());
        assert_eq!((publics(&old), publics(&new)), (vec![first, third], vec![second, third]));
        ring.withdraw(&first).unwrap();
        assert_eq!((publics(&old), publics(&new)), (vec![third], vec![second, third]));
        ring.add(secret(2)).unwrap();
        assert_eq!((publics(&old), publics(&new)), (vec![third, second], vec![second, third]), "once");
        let again = ring.serve(secret(1));
        assert_eq!((publics(&old), publics(&again)), (vec![third, second], vec![first, third, second]));
    }

    #[test]
    fn the_keys_of_endpoints_that_are_gone_are_forgotten() {
        let ring = Arc::new(KeyRing::default());
        for number in 0..50 {
            drop(ring.serve(secret(number)));
        }
        assert!(ring.known.lock().own.len() <= 1);
        assert_eq!(ring.withdraw(&secret(49).public()), Err(Errno::NOENT));
    }
}
