//! HELLO, client to server: the client's short-term key, and a box that proves it knows the server's key.

use super::keys::KeyPair;
use super::nonce;
use crate::crypto::{KEY_BYTES, PublicKey, SharedKey, TAG_BYTES};
use crate::engine::Failure;
use crate::engine::mechanism::check_name;
use crate::engine::zmtp::command;
use std::sync::Arc;

const NAME: &[u8] = b"\x05HELLO";
const VERSION: [u8; 2] = [1, 0];
/// Makes the reply shorter than the request, so that a server cannot be used to flood a third party.
const PADDING_BYTES: usize = 72;
const PROOF_BYTES: usize = 64;
const PREFIX: &[u8; 16] = b"CurveZMQHELLO---";
/// Bytes of the arguments behind the name.
const ARGUMENTS_BYTES: usize =
    VERSION.len() + PADDING_BYTES + KEY_BYTES + size_of::<u64>() + TAG_BYTES + PROOF_BYTES;

/// A HELLO whose form is valid; its box is not opened yet.
#[derive(Debug, PartialEq, Eq)]
pub struct Hello {
    /// The client's short-term key.
    pub client: PublicKey,
    pub counter: u64,
    sealed: [u8; TAG_BYTES + PROOF_BYTES],
}

/// Appends a HELLO frame; `key` is that of the server's long-term and the client's short-term key pair.
pub fn append(out: &mut Vec<u8>, key: &SharedKey, client: &PublicKey, counter: u64) -> Result<(), Failure> {
    let mut sealed = [0; TAG_BYTES + PROOF_BYTES];
    key.seal_in_place(&nonce::counted(PREFIX, counter), &mut sealed).map_err(Failure::Errno)?;
    let mut arguments = Vec::with_capacity(ARGUMENTS_BYTES);
    arguments.extend_from_slice(&VERSION);
    arguments.extend_from_slice(&[0; PADDING_BYTES]);
    arguments.extend_from_slice(client.as_bytes());
    arguments.extend_from_slice(&counter.to_be_bytes());
    arguments.extend_from_slice(&sealed);
    command::append(out, NAME, &arguments);
    Ok(())
}

/// Reads the body of a HELLO.
pub fn parse(body: &[u8]) -> Result<Hello, Failure> {
    check_name(body)?;
    let rest = body.strip_prefix(NAME).ok_or(Failure::UNEXPECTED_COMMAND)?;
    parse_arguments(rest).ok_or(Failure::MALFORMED_HELLO)
}

fn parse_arguments(rest: &[u8]) -> Option<Hello> {
    let (version, rest) = rest.split_first_chunk::<2>()?;
    let (_, rest) = rest.split_first_chunk::<PADDING_BYTES>()?;
    let (client, rest) = rest.split_first_chunk::<KEY_BYTES>()?;
    let (counter, rest) = rest.split_first_chunk::<8>()?;
    let sealed = rest.try_into().ok()?;
    (*version == VERSION).then(|| Hello {
        client: PublicKey(*client),
        counter: u64::from_be_bytes(*counter),
        sealed,
    })
}

impl Hello {
    /// Finds the key pair by which the client knows this server, and the key that it shares with the
    /// client's. Fails if it is none of `pairs`.
    pub fn open(&self, pairs: Vec<Arc<KeyPair>>) -> Result<(Arc<KeyPair>, SharedKey), Failure> {
        for pair in pairs {
            // A client's key of small order opens no box.
            let key = SharedKey::new(&self.client, &pair.secret).map_err(|_| Failure::CRYPTOGRAPHIC)?;
            let mut sealed = self.sealed;
            if key.open_in_place(&nonce::counted(PREFIX, self.counter), &mut sealed).is_ok() {
                return Ok((pair, key));
            }
        }
        Err(Failure::CRYPTOGRAPHIC)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::super::keys::{KeyRing, ServerKeys};
    use super::*;
    use crate::crypto::SecretKey;
    use crate::crypto::keys::keypair;
    use crate::engine::mechanism::tests::body;

    fn hello(server: &PublicKey) -> (PublicKey, Vec<u8>) {
        let (client, secret) = keypair().unwrap();
        let key = SharedKey::new(server, &secret).unwrap();
        (client, body(|out| append(out, &key, &client, 7).unwrap()))
    }

    #[test]
    fn an_appended_hello_opens_with_the_key_it_is_for() {
        let first = SecretKey::generate().unwrap();
        let second = SecretKey::generate().unwrap();
        let (first_public, second_public) = (first.public(), second.public());
        let ring = Arc::new(KeyRing::default());
        let keys = ring.serve(first);
        ring.add(second).unwrap();
        for server in [first_public, second_public] {
            let (client, body) = hello(&server);
            assert_eq!(body.len(), 200);
            let hello = parse(&body).unwrap();
            assert_eq!((hello.client, hello.counter), (client, 7));
            assert_eq!(hello.open(keys.pairs()).unwrap().0.public, server);
        }
        ring.withdraw(&first_public).unwrap();
        let (_, body) = hello(&first_public);
        assert_eq!(parse(&body).unwrap().open(keys.pairs()).err(), Some(Failure::CRYPTOGRAPHIC));
    }

    #[test]
    fn every_fault_has_its_code() {
        let keys = ServerKeys::new(SecretKey::generate().unwrap());
        let (_, good) = hello(&keys.pairs()[0].public);
        let outcome = |at: usize, byte: u8| {
            let mut body = good.clone();
            body[at] = byte;
            parse(&body).and_then(|hello| hello.open(keys.pairs()).map(|_| ())).err()
        };
        assert_eq!(outcome(0, 5), None);
        assert_eq!(outcome(0, 200), Some(Failure::MALFORMED_COMMAND));
        assert_eq!(outcome(5, b'X'), Some(Failure::UNEXPECTED_COMMAND));
        assert_eq!(outcome(6, 2), Some(Failure::MALFORMED_HELLO));
        assert_eq!(outcome(7, 1), Some(Failure::MALFORMED_HELLO));
        for at in [80, 112, 120, 199] {
            assert_eq!(outcome(at, !good[at]), Some(Failure::CRYPTOGRAPHIC), "at {at}");
        }
        assert_eq!(parse(b"\x05HELLO"), Err(Failure::MALFORMED_HELLO));
        assert_eq!(parse(&good[..199]), Err(Failure::MALFORMED_HELLO));
        assert_eq!(parse(&[&good[..], b"x"].concat()), Err(Failure::MALFORMED_HELLO));
    }

    #[test]
    fn keys_of_small_order_are_refused() {
        let keys = ServerKeys::new(SecretKey::generate().unwrap());
        let (_, mut body) = hello(&keys.pairs()[0].public);
        body[80..112].fill(0);
        assert_eq!(parse(&body).unwrap().open(keys.pairs()).err(), Some(Failure::CRYPTOGRAPHIC));
    }
}
