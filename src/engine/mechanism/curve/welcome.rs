//! WELCOME, server to client: the server's short-term key, and a cookie.

use super::cookie::COOKIE_BYTES;
use super::nonce::{self, RANDOM_BYTES};
use crate::crypto::{KEY_BYTES, PublicKey, SharedKey, TAG_BYTES};
use crate::engine::Failure;
use crate::engine::zmtp::command;

const NAME: &[u8] = b"\x07WELCOME";
const PREFIX: &[u8; 8] = b"WELCOME-";
const SEALED_BYTES: usize = TAG_BYTES + KEY_BYTES + COOKIE_BYTES;

/// The content of a WELCOME.
#[derive(Debug, PartialEq, Eq)]
pub struct Welcome {
    /// The server's short-term key.
    pub server: PublicKey,
    pub cookie: [u8; COOKIE_BYTES],
}

/// Appends a WELCOME frame; `key` is that of the server's long-term and the client's short-term key pair.
pub fn append(out: &mut Vec<u8>, key: &SharedKey, welcome: &Welcome) -> Result<(), Failure> {
    let salt = nonce::salt()?;
    let mut arguments = [0; RANDOM_BYTES + SEALED_BYTES];
    let (front, sealed) = arguments.split_at_mut(RANDOM_BYTES);
    front.copy_from_slice(&salt);
    sealed[TAG_BYTES..TAG_BYTES + KEY_BYTES].copy_from_slice(welcome.server.as_bytes());
    sealed[TAG_BYTES + KEY_BYTES..].copy_from_slice(&welcome.cookie);
    key.seal_in_place(&nonce::salted(PREFIX, &salt), sealed).map_err(Failure::Errno)?;
    command::append(out, NAME, &arguments);
    Ok(())
}

/// Opens the body of a WELCOME. A wrong length is the same fault as a wrong box, as in libzmq.
pub fn open(body: &[u8], key: &SharedKey) -> Result<Welcome, Failure> {
    let rest = body.strip_prefix(NAME).ok_or(Failure::UNEXPECTED_COMMAND)?;
    open_arguments(rest, key).ok_or(Failure::CRYPTOGRAPHIC)
}

fn open_arguments(rest: &[u8], key: &SharedKey) -> Option<Welcome> {
    let (salt, sealed) = rest.split_first_chunk::<RANDOM_BYTES>()?;
    let mut sealed: [u8; SEALED_BYTES] = sealed.try_into().ok()?;
    let text = key.open_in_place(&nonce::salted(PREFIX, salt), &mut sealed).ok()?;
    let (server, rest) = text.split_first_chunk::<KEY_BYTES>()?;
    let cookie = *rest.first_chunk::<COOKIE_BYTES>()?;
    Some(Welcome { server: PublicKey(*server), cookie })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::crypto::keys::keypair;
    use crate::engine::mechanism::tests::body;

    #[test]
    fn an_appended_welcome_opens_only_unchanged() {
        let (server, server_secret) = keypair().unwrap();
        let (client, client_secret) = keypair().unwrap();
        let welcome = Welcome { server: keypair().unwrap().0, cookie: [7; COOKIE_BYTES] };
        let key = SharedKey::new(&client, &server_secret).unwrap();
        let good = body(|out| append(out, &key, &welcome).unwrap());
        assert_eq!(good.len(), 168);
        let key = SharedKey::new(&server, &client_secret).unwrap();
        assert_eq!(open(&good, &key), Ok(welcome));
        for at in 8..good.len() {
            let mut changed = good.clone();
            changed[at] ^= 1;
            assert_eq!(open(&changed, &key), Err(Failure::CRYPTOGRAPHIC));
        }
        assert_eq!(open(&good[..167], &key), Err(Failure::CRYPTOGRAPHIC));
        assert_eq!(open(&[&good[..], b"x"].concat(), &key), Err(Failure::CRYPTOGRAPHIC));
        assert_eq!(open(b"\x07WELCOMX", &key), Err(Failure::UNEXPECTED_COMMAND));
    }
}
