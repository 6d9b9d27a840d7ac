//! The cookies of RETRY: a server under load has clients make a round trip before it does any public-key work.
//!
//! A server is under load while more connections have come in a second than its settings say. Nothing of a cookie is kept: it is
//! the time, and a code over the time, the connection, the client's address and its HELLO.

use crate::crypto::hkdf::DerivationKey;
use crate::crypto::{HashSuite, random};
use crate::engine::Failure;
use crate::sys::lock::Lock;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Bytes of a cookie.
pub const COOKIE_BYTES: usize = TIME_BYTES + CODE_BYTES;
const TIME_BYTES: usize = 8;
const CODE_BYTES: usize = 16;
/// Bytes of the number that a connection draws.
pub const CONNECTION_BYTES: usize = 16;
const KEY_BYTES: usize = 32;
/// How long a cookie holds.
const LIFE_MS: u64 = 60_000;
/// The time for which connections are counted.
const COUNTED_MS: u64 = 1_000;

/// A server's cookies, and how many connections come. Any thread may use them.
#[derive(Debug, Default)]
pub struct Cookies(Lock<State>);

#[derive(Debug, Default)]
struct State {
    /// Made when first used.
    key: Option<Zeroizing<[u8; KEY_BYTES]>>,
    /// When the last connection came, and when counting began.
    now_ms: u64,
    since_ms: u64,
    connections: u32,
}

/// What cookies have come to in a connection.
pub enum Demand {
    /// None was given.
    None,
    /// One was given, bound to this number. The next HELLO must have it.
    Made([u8; CONNECTION_BYTES]),
    /// It has come back: no further one is wanted here.
    Met,
}

/// What a cookie is bound to.
pub struct Bond<'a> {
    /// Drawn by the connection.
    pub connection: &'a [u8; CONNECTION_BYTES],
    pub address: &'a [u8],
    /// HELLO without its cookie field.
    pub hello: [&'a [u8]; 2],
}

impl Cookies {
    /// A connection has come; `now_ms` is of any clock that does not go back.
    pub fn note_connection(&self, now_ms: u64) {
        let mut state = self.0.lock();
        state.now_ms = now_ms;
        if now_ms.saturating_sub(state.since_ms) >= COUNTED_MS {
            (state.since_ms, state.connections) = (now_ms, 0);
        }
        state.connections = state.connections.saturating_add(1);
    }

    /// Whether more than `most` connections have come lately.
    pub fn is_under_load(&self, most: u32) -> bool {
        self.0.lock().connections > most
    }

    /// A cookie for a client. Errors: the system has no random bytes.
    pub fn make(&self, bond: &Bond<'_>) -> Result<[u8; COOKIE_BYTES], Failure> {
        let (key, now_ms) = self.key()?;
        let (time, mut cookie) = (now_ms.to_be_bytes(), [0; COOKIE_BYTES]);
        let (head, code) = cookie.split_at_mut(TIME_BYTES);
        head.copy_from_slice(&time);
        code.copy_from_slice(&bond.code(&key, &time));
        Ok(cookie)
    }

    /// Fails for a cookie that is not of this bond, or too old.
    pub fn check(&self, cookie: &[u8], bond: &Bond<'_>) -> Result<(), Failure> {
        let (key, now_ms) = self.key()?;
        let (time, code) = cookie.split_first_chunk::<TIME_BYTES>().ok_or(Failure::MALFORMED_HELLO)?;
        let is_ours: bool = bond.code(&key, time).ct_eq(code).into();
        let age_ms = now_ms.saturating_sub(u64::from_be_bytes(*time));
        if is_ours && age_ms <= LIFE_MS { Ok(()) } else { Err(Failure::CRYPTOGRAPHIC) }
    }

    fn key(&self) -> Result<(Zeroizing<[u8; KEY_BYTES]>, u64), Failure> {
        let mut state = self.0.lock();
        let now_ms = state.now_ms;
        if let Some(key) = &state.key {
            return Ok((key.clone(), now_ms));
        }
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        random::fill(&mut *key).map_err(Failure::Own)?;
        state.key = Some(key.clone());
        Ok((key, now_ms))
    }
}

impl Bond<'_> {
    /// HKDF-Extract is HMAC of its second argument under its first.
    fn code(&self, key: &[u8; KEY_BYTES], time: &[u8; TIME_BYTES]) -> [u8; CODE_BYTES] {
        let hello = HashSuite::Sha256.digest(&self.hello);
        let address = HashSuite::Sha256.digest(&[self.address]);
        let text = [&time[..], self.connection, address.bytes(), hello.bytes()].concat();
        let code = DerivationKey::extract(HashSuite::Sha256, key, &text);
        code.bytes().first_chunk().copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const BOND: Bond<'static> = Bond { connection: &[1; 16], address: b"::1", hello: [b"head", b"box"] };

    #[test]
    fn a_cookie_is_good_for_its_bond_alone() {
        let cookies = Cookies::default();
        let cookie = cookies.make(&BOND).unwrap();
        assert_eq!(cookies.check(&cookie, &BOND), Ok(()));
        let others = [
            Bond { connection: &[2; 16], ..BOND },
            Bond { address: b"::2", ..BOND },
            Bond { hello: [b"head", b"bax"], ..BOND },
        ];
        for other in &others {
            assert_eq!(cookies.check(&cookie, other), Err(Failure::CRYPTOGRAPHIC));
        }
        for at in 0..COOKIE_BYTES {
            let mut changed = cookie;
            changed[at] ^= 1;
            assert!(cookies.check(&changed, &BOND).is_err());
        }
        assert!(cookies.check(&cookie[..23], &BOND).is_err() && cookies.check(b"", &BOND).is_err());
        assert!(Cookies::default().check(&cookie, &BOND).is_err(), "of another server");
    }

    #[test]
    fn cookies_grow_old() {
        let cookies = Cookies::default();
        cookies.note_connection(5_000);
        let cookie = cookies.make(&BOND).unwrap();
        cookies.note_connection(5_000 + LIFE_MS);
        assert_eq!(cookies.check(&cookie, &BOND), Ok(()));
        cookies.note_connection(5_001 + LIFE_MS);
        assert_eq!(cookies.check(&cookie, &BOND), Err(Failure::CRYPTOGRAPHIC));
    }

    #[test]
    fn load_is_connections_in_a_second() {
        let cookies = Cookies::default();
        for _ in 0..10 {
            cookies.note_connection(100);
        }
        assert!(cookies.is_under_load(9) && !cookies.is_under_load(10));
        cookies.note_connection(100 + COUNTED_MS);
        assert!(!cookies.is_under_load(1));
    }
}
