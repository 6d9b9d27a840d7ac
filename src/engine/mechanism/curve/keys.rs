//! The long-term keys of either side.

use super::cookie::CookieKeys;
use crate::crypto::{KEY, PublicKey, SecretKey};
use crate::errno::{Errno, Result};
use crate::sys::lock::Lock;
use std::sync::Arc;

/// A server opens each HELLO with one key after the other, and each try costs as much as any other step of the
/// handshake. More keys than a change of keys needs would be a present to whoever floods it.
pub const MAX_SERVER_KEYS: usize = 8;

/// What a client needs.
#[derive(Debug)]
pub struct ClientKeys {
    /// Ours, as we say; a server finds out whether the secret one belongs to it.
    pub public: PublicKey,
    pub secret: SecretKey,
    /// The server's.
    pub server: PublicKey,
}

/// What a server needs; one for all its connections, from any thread.
pub struct ServerKeys {
    /// Those that clients may know us by, the socket's own first.
    pairs: Lock<Vec<Arc<KeyPair>>>,
    pub(super) cookies: CookieKeys,
}

/// A secret key and the public one that belongs to it.
#[derive(Debug)]
pub struct KeyPair {
    pub public: PublicKey,
    pub secret: SecretKey,
}

impl ClientKeys {
    pub fn from_bytes(public: &[u8; KEY], secret: &[u8; KEY], server: &[u8; KEY]) -> ClientKeys {
        ClientKeys {
            public: PublicKey(*public),
            secret: SecretKey::from_bytes(secret),
            server: PublicKey(*server),
        }
    }
}

impl ServerKeys {
    /// With the socket's own key.
    pub fn new(secret: SecretKey) -> ServerKeys {
        let pairs = Lock::new(vec![Arc::new(KeyPair::new(secret))]);
        ServerKeys { pairs, cookies: CookieKeys::default() }
    }

    /// Lets clients in that know us by this key, from their next HELLO on. A key that is there already stays where
    /// it is. Errors: `ENOBUFS` where there are [`MAX_SERVER_KEYS`].
    pub fn add(&self, secret: SecretKey) -> Result<()> {
        let pair = KeyPair::new(secret);
        let mut pairs = self.pairs.lock();
        if pairs.iter().any(|known| known.public == pair.public) {
            return Ok(());
        }
        if pairs.len() >= MAX_SERVER_KEYS {
            return Err(Errno::NOBUFS);
        }
        pairs.push(Arc::new(pair));
        Ok(())
    }

    /// Takes a key back: no HELLO opens with it any more. Connections that stand, or have got beyond HELLO, are
    /// left alone. Errors: `ENOENT` where it is not there.
    pub fn withdraw(&self, public: &PublicKey) -> Result<()> {
        let mut pairs = self.pairs.lock();
        let before = pairs.len();
        pairs.retain(|pair| pair.public != *public);
        if pairs.len() < before { Ok(()) } else { Err(Errno::NOENT) }
    }

    /// Changes the key of cookies when it is time; `now_ms` is of any clock that does not go back. To be called
    /// whenever a peer is accepted.
    pub fn rotate_cookies(&self, now_ms: u64) {
        self.cookies.rotate(now_ms);
    }

    pub(super) fn pairs(&self) -> Vec<Arc<KeyPair>> {
        self.pairs.lock().clone()
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

    #[test]
    fn keys_come_and_go() {
        let keys = ServerKeys::new(SecretKey::from_bytes(&[0; KEY]));
        for number in 1..MAX_SERVER_KEYS as u8 {
            keys.add(SecretKey::from_bytes(&[number; KEY])).unwrap();
            keys.add(SecretKey::from_bytes(&[number; KEY])).unwrap();
        }
        assert_eq!(keys.pairs().len(), MAX_SERVER_KEYS);
        let one_more = SecretKey::from_bytes(&[99; KEY]);
        let public = one_more.public();
        assert_eq!(keys.add(one_more.clone()), Err(Errno::NOBUFS));
        let first = keys.pairs()[0].public;
        keys.withdraw(&first).unwrap();
        assert_eq!(keys.withdraw(&first), Err(Errno::NOENT));
        keys.add(one_more).unwrap();
        assert_eq!(keys.pairs().last().unwrap().public, public);
    }
}
