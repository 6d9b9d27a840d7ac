//! The cookie: the state of a client between WELCOME and INITIATE, sealed so that only the server can open
//! it. The client sends it back. Meanwhile the server's memory holds no key that could open the connection's
//! later messages.

use super::nonce;
use crate::crypto::{KEY_BYTES, PublicKey, SealKey, SecretKey, TAG_BYTES};
use crate::engine::Failure;
use crate::sys::lock::Lock;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Bytes of a cookie: the random part of its nonce, and a box around two keys.
pub const COOKIE_BYTES: usize = nonce::RANDOM_BYTES + TAG_BYTES + 2 * KEY_BYTES;

/// How long a key seals cookies, in milliseconds. It opens them for as long again.
const KEY_LIFE_MS: u64 = 60_000;

const PREFIX: &[u8; 8] = b"COOKIE--";

/// The keys of all cookies of a server: the current one and the one before. Cookies sealed with an older one
/// no longer open.
#[derive(Default)]
pub struct CookieKeys(Lock<Generations>);

#[derive(Default)]
struct Generations {
    /// Made when first used.
    current: Option<Arc<SealKey>>,
    previous: Option<Arc<SealKey>>,
    since_ms: u64,
}

/// Distinguishes one cookie from all others; a connection accepts only its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CookieId([u8; nonce::RANDOM_BYTES]);

impl CookieKeys {
    /// Changes the key if it is time.
    pub fn rotate(&self, now_ms: u64) {
        let mut keys = self.0.lock();
        if now_ms.saturating_sub(keys.since_ms) >= KEY_LIFE_MS {
            keys.previous = keys.current.take();
            keys.since_ms = now_ms;
        }
    }

    /// Seals the client's short-term key and our own.
    pub fn seal(
        &self,
        client: &PublicKey,
        ours: &SecretKey,
    ) -> Result<(CookieId, [u8; COOKIE_BYTES]), Failure> {
        let key = self.current()?;
        let salt = nonce::salt()?;
        let mut text = Zeroizing::new([0; TAG_BYTES + 2 * KEY_BYTES]);
        text[TAG_BYTES..TAG_BYTES + KEY_BYTES].copy_from_slice(client.as_bytes());
        text[TAG_BYTES + KEY_BYTES..].copy_from_slice(ours.as_bytes());
        key.seal_in_place(&nonce::salted(PREFIX, &salt), &mut *text).map_err(Failure::Errno)?;
        let mut cookie = [0; COOKIE_BYTES];
        cookie[..nonce::RANDOM_BYTES].copy_from_slice(&salt);
        cookie[nonce::RANDOM_BYTES..].copy_from_slice(&*text);
        Ok((CookieId(salt), cookie))
    }

    /// Opens a cookie that came back. Fails if it is not the one that this connection gave (`id`), was
    /// changed, or is too old.
    pub fn open(
        &self,
        id: &CookieId,
        cookie: &[u8; COOKIE_BYTES],
    ) -> Result<(PublicKey, SecretKey), Failure> {
        let (salt, sealed) = cookie.split_first_chunk().ok_or(Failure::CRYPTOGRAPHIC)?;
        if *salt != id.0 {
            return Err(Failure::CRYPTOGRAPHIC);
        }
        let (current, previous) = {
            let keys = self.0.lock();
            (keys.current.clone(), keys.previous.clone())
        };
        let nonce = nonce::salted(PREFIX, salt);
        for key in [current, previous].into_iter().flatten() {
            let mut text = Zeroizing::new(sealed.to_vec());
            if let Ok(keys) = key.open_in_place(&nonce, &mut text)
                && let ([client, ours], []) = keys.as_chunks::<KEY_BYTES>()
            {
                return Ok((PublicKey(*client), SecretKey::from_bytes(ours)));
            }
        }
        Err(Failure::CRYPTOGRAPHIC)
    }

    fn current(&self) -> Result<Arc<SealKey>, Failure> {
        let mut keys = self.0.lock();
        if let Some(key) = &keys.current {
            return Ok(Arc::clone(key));
        }
        let key = Arc::new(SealKey::generate().map_err(Failure::Own)?);
        keys.current = Some(Arc::clone(&key));
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::crypto::keys::keypair;

    fn opens(keys: &CookieKeys, id: &CookieId, cookie: &[u8; COOKIE_BYTES]) -> bool {
        keys.open(id, cookie).is_ok()
    }

    #[test]
    fn a_sealed_cookie_opens_only_unchanged() {
        let keys = CookieKeys::default();
        let (client, ours) = (keypair().unwrap().0, keypair().unwrap().1);
        let (id, cookie) = keys.seal(&client, &ours).unwrap();
        assert_eq!(keys.open(&id, &cookie), Ok((client, ours)));
        for at in 0..COOKIE_BYTES {
            let mut changed = cookie;
            changed[at] ^= 1;
            assert_eq!(keys.open(&id, &changed), Err(Failure::CRYPTOGRAPHIC));
        }
    }

    #[test]
    fn the_cookie_of_another_connection_is_refused() {
        let keys = CookieKeys::default();
        let (client, ours) = keypair().unwrap();
        let (id, cookie) = keys.seal(&client, &ours).unwrap();
        let (other_id, other_cookie) = keys.seal(&client, &ours).unwrap();
        assert!(opens(&keys, &id, &cookie) && opens(&keys, &other_id, &other_cookie));
        assert!(!opens(&keys, &other_id, &cookie) && !opens(&keys, &id, &other_cookie));
    }

    #[test]
    fn old_cookies_do_not_open() {
        let keys = CookieKeys::default();
        keys.rotate(1_000_000);
        let (client, ours) = keypair().unwrap();
        let (id, cookie) = keys.seal(&client, &ours).unwrap();
        keys.rotate(1_000_000 + KEY_LIFE_MS - 1);
        assert!(opens(&keys, &id, &cookie), "before the key changes");
        keys.rotate(1_000_000 + KEY_LIFE_MS);
        assert!(opens(&keys, &id, &cookie), "the generation before");
        let (young_id, young) = keys.seal(&client, &ours).unwrap();
        keys.rotate(1_000_000 + 2 * KEY_LIFE_MS);
        assert!(!opens(&keys, &id, &cookie));
        assert!(opens(&keys, &young_id, &young));
        keys.rotate(1_000_000 + 3 * KEY_LIFE_MS);
        assert!(!opens(&keys, &young_id, &young), "even if no key was used meanwhile");
    }
}
