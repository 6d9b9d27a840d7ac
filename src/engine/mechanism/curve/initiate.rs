//! INITIATE, client to server: the cookie, the client's long-term key with a vouch that it belongs to the
//! short-term one, and the client's properties.

use super::cookie::COOKIE_BYTES;
use super::keys::{ClientKeys, KeyPair};
use super::nonce::{self, RANDOM_BYTES};
use crate::crypto::{KEY_BYTES, PublicKey, SecretKey, SharedKey, TAG_BYTES};
use crate::engine::Failure;
use crate::engine::mechanism::check_name;
use crate::engine::zmtp::command;

const NAME: &[u8] = b"\x08INITIATE";
const PREFIX: &[u8; 16] = b"CurveZMQINITIATE";
const VOUCH_PREFIX: &[u8; 8] = b"VOUCH---";
/// A box around the client's short-term and the server's long-term key.
const VOUCH_BYTES: usize = TAG_BYTES + 2 * KEY_BYTES;
/// Bytes in the box before the properties.
const FIXED_BYTES: usize = KEY_BYTES + RANDOM_BYTES + VOUCH_BYTES;

/// The part outside the box.
pub struct Envelope<'a> {
    pub cookie: &'a [u8; COOKIE_BYTES],
    pub counter: u64,
    sealed: &'a [u8],
}

/// The part inside the box.
#[derive(Debug, PartialEq, Eq)]
pub struct Initiate {
    /// The client's long-term key.
    pub client: PublicKey,
    /// Its properties.
    pub metadata: Vec<u8>,
}

/// The short-term keys of a connection, as its client sees them.
pub struct ShortTerm<'a> {
    pub client: &'a PublicKey,
    pub server: &'a PublicKey,
    /// The key of the two short-term key pairs.
    pub key: &'a SharedKey,
}

/// Appends an INITIATE frame.
pub fn append(
    out: &mut Vec<u8>,
    keys: &ClientKeys,
    short_term: &ShortTerm<'_>,
    (cookie, counter): (&[u8; COOKIE_BYTES], u64),
    metadata: &[u8],
) -> Result<(), Failure> {
    let salt = nonce::salt()?;
    let mut sealed = vec![0; TAG_BYTES];
    sealed.extend_from_slice(keys.public.as_bytes());
    sealed.extend_from_slice(&salt);
    sealed.extend_from_slice(&vouch(keys, short_term, &salt)?);
    sealed.extend_from_slice(metadata);
    short_term.key.seal_in_place(&nonce::counted(PREFIX, counter), &mut sealed).map_err(Failure::Errno)?;
    let arguments = [&cookie[..], &counter.to_be_bytes(), &sealed].concat();
    command::append(out, NAME, &arguments);
    Ok(())
}

fn vouch(
    keys: &ClientKeys,
    short_term: &ShortTerm<'_>,
    salt: &[u8; RANDOM_BYTES],
) -> Result<[u8; VOUCH_BYTES], Failure> {
    let mut vouch = [0; VOUCH_BYTES];
    vouch[TAG_BYTES..TAG_BYTES + KEY_BYTES].copy_from_slice(short_term.client.as_bytes());
    vouch[TAG_BYTES + KEY_BYTES..].copy_from_slice(keys.server.as_bytes());
    let key = SharedKey::new(short_term.server, &keys.secret).map_err(|_| Failure::CRYPTOGRAPHIC)?;
    key.seal_in_place(&nonce::salted(VOUCH_PREFIX, salt), &mut vouch).map_err(Failure::Errno)?;
    Ok(vouch)
}

/// Reads the body of an INITIATE, except its box.
pub fn parse(body: &[u8]) -> Result<Envelope<'_>, Failure> {
    check_name(body)?;
    let rest = body.strip_prefix(NAME).ok_or(Failure::UNEXPECTED_COMMAND)?;
    parse_arguments(rest).ok_or(Failure::MALFORMED_INITIATE)
}

fn parse_arguments(rest: &[u8]) -> Option<Envelope<'_>> {
    let (cookie, rest) = rest.split_first_chunk::<COOKIE_BYTES>()?;
    let (counter, sealed) = rest.split_first_chunk::<8>()?;
    (sealed.len() >= TAG_BYTES + FIXED_BYTES).then(|| Envelope {
        cookie,
        counter: u64::from_be_bytes(*counter),
        sealed,
    })
}

impl Envelope<'_> {
    /// Opens the box and checks the vouch. `short_term` is our key, and `key` the one that it shares with the
    /// `client`'s. `server` is the pair by which the client knows this server.
    ///
    /// Fails with a key exchange error if the vouch is for other keys than those in use. Such an INITIATE was
    /// meant for another connection or another server.
    pub fn open(
        &self,
        key: &SharedKey,
        short_term: &SecretKey,
        client: &PublicKey,
        server: &KeyPair,
    ) -> Result<Initiate, Failure> {
        let mut sealed = self.sealed.to_vec();
        let text = key
            .open_in_place(&nonce::counted(PREFIX, self.counter), &mut sealed)
            .map_err(|_| Failure::CRYPTOGRAPHIC)?;
        let (long_term, rest) = text.split_first_chunk::<KEY_BYTES>().ok_or(Failure::MALFORMED_INITIATE)?;
        let (salt, rest) = rest.split_first_chunk::<RANDOM_BYTES>().ok_or(Failure::MALFORMED_INITIATE)?;
        let (vouch, metadata) = rest.split_first_chunk::<VOUCH_BYTES>().ok_or(Failure::MALFORMED_INITIATE)?;
        let long_term = PublicKey(*long_term);
        let mut vouch = *vouch;
        let vouched = SharedKey::new(&long_term, short_term)
            .and_then(|key| key.open_in_place(&nonce::salted(VOUCH_PREFIX, salt), &mut vouch))
            .map_err(|_| Failure::CRYPTOGRAPHIC)?;
        match vouched.as_chunks::<KEY_BYTES>() {
            ([of_client, of_server], [])
                if PublicKey(*of_client) == *client && PublicKey(*of_server) == server.public =>
            {
                Ok(Initiate { client: long_term, metadata: metadata.to_vec() })
            }
            _ => Err(Failure::KEY_EXCHANGE),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::super::keys::ServerKeys;
    use super::*;
    use crate::crypto::keys::keypair;
    use crate::engine::mechanism::tests::body;
    use std::sync::Arc;

    /// All keys of a handshake.
    struct Cast {
        client: ClientKeys,
        client_short: (PublicKey, SecretKey),
        server: Arc<KeyPair>,
        server_short: (PublicKey, SecretKey),
    }

    fn cast() -> Cast {
        let (public, secret) = keypair().unwrap();
        let server = ServerKeys::new(SecretKey::generate().unwrap()).pairs().remove(0);
        Cast {
            client: ClientKeys { public, secret, server: server.public },
            client_short: keypair().unwrap(),
            server,
            server_short: keypair().unwrap(),
        }
    }

    fn said(cast: &Cast, vouched: &PublicKey) -> Vec<u8> {
        let key = SharedKey::new(&cast.server_short.0, &cast.client_short.1).unwrap();
        let short_term = ShortTerm { client: vouched, server: &cast.server_short.0, key: &key };
        body(|out| append(out, &cast.client, &short_term, (&[7; COOKIE_BYTES], 2), b"metadata").unwrap())
    }

    fn heard(cast: &Cast, body: &[u8]) -> Result<Initiate, Failure> {
        let key = SharedKey::new(&cast.client_short.0, &cast.server_short.1).unwrap();
        parse(body)?.open(&key, &cast.server_short.1, &cast.client_short.0, &cast.server)
    }

    #[test]
    fn an_appended_initiate_opens_only_unchanged() {
        let cast = cast();
        let good = said(&cast, &cast.client_short.0);
        assert_eq!(good.len(), 257 + 8);
        let envelope = parse(&good).unwrap();
        assert_eq!((envelope.cookie, envelope.counter), (&[7; COOKIE_BYTES], 2));
        let initiate = Initiate { client: cast.client.public, metadata: b"metadata".to_vec() };
        assert_eq!(heard(&cast, &good), Ok(initiate));
        for at in 105..good.len() {
            let mut changed = good.clone();
            changed[at] ^= 1;
            assert_eq!(heard(&cast, &changed), Err(Failure::CRYPTOGRAPHIC), "at {at}");
        }
        for cut in 9..257 {
            assert_eq!(heard(&cast, &good[..cut]), Err(Failure::MALFORMED_INITIATE));
        }
        assert_eq!(heard(&cast, b"\x08INITIATX"), Err(Failure::UNEXPECTED_COMMAND));
        assert_eq!(heard(&cast, b"\x08INITIAT"), Err(Failure::MALFORMED_COMMAND));
        assert_eq!(heard(&cast, b"\x05HELLO"), Err(Failure::UNEXPECTED_COMMAND));
    }

    #[test]
    fn a_vouch_for_another_connection_is_refused() {
        let cast = cast();
        let other = keypair().unwrap().0;
        assert_eq!(heard(&cast, &said(&cast, &other)), Err(Failure::KEY_EXCHANGE));
    }

    #[test]
    fn a_vouch_for_another_server_is_refused() {
        let mut cast = cast();
        let body = said(&cast, &cast.client_short.0);
        cast.server = ServerKeys::new(SecretKey::generate().unwrap()).pairs().remove(0);
        assert_eq!(heard(&cast, &body), Err(Failure::KEY_EXCHANGE));
    }

    #[test]
    fn a_key_whose_secret_the_client_does_not_have_is_refused() {
        let mut cast = cast();
        for public in [keypair().unwrap().0, PublicKey([0; KEY_BYTES])] {
            cast.client.public = public;
            let body = said(&cast, &cast.client_short.0);
            assert_eq!(heard(&cast, &body), Err(Failure::CRYPTOGRAPHIC));
        }
    }
}
