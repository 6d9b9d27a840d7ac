//! WELCOME, server to client: the server's short-term key, and a cookie.

use super::cookie::COOKIE;
use super::nonce::{self, RANDOM};
use crate::crypto::{HandshakeKey, KEY, PublicKey, TAG};
use crate::engine::Failure;
use crate::engine::zmtp::command;

const NAME: &[u8] = b"\x07WELCOME";
const PREFIX: &[u8; 8] = b"WELCOME-";
const SEALED: usize = TAG + KEY + COOKIE;

/// What a WELCOME tells.
#[derive(Debug, PartialEq, Eq)]
pub struct Welcome {
    /// The server's short-term key.
    pub server: PublicKey,
    pub cookie: [u8; COOKIE],
}

/// Appends a WELCOME frame; `key` is that of the server's long-term and the client's short-term key.
pub fn append(out: &mut Vec<u8>, key: &HandshakeKey, welcome: &Welcome) -> Result<(), Failure> {
    let salt = nonce::salt()?;
    let mut arguments = [0; RANDOM + SEALED];
    let (front, sealed) = arguments.split_at_mut(RANDOM);
    front.copy_from_slice(&salt);
    sealed[TAG..TAG + KEY].copy_from_slice(welcome.server.as_bytes());
    sealed[TAG + KEY..].copy_from_slice(&welcome.cookie);
    key.seal_in_place(&nonce::salted(PREFIX, &salt), sealed).map_err(Failure::Errno)?;
    command::append(out, NAME, &arguments);
    Ok(())
}

/// Opens the body of a WELCOME. A wrong length is no other fault than a wrong box, as with libzmq.
pub fn open(body: &[u8], key: &HandshakeKey) -> Result<Welcome, Failure> {
    let rest = body.strip_prefix(NAME).ok_or(Failure::UNEXPECTED_COMMAND)?;
    open_arguments(rest, key).ok_or(Failure::CRYPTOGRAPHIC)
}

fn open_arguments(rest: &[u8], key: &HandshakeKey) -> Option<Welcome> {
    let (salt, sealed) = rest.split_first_chunk::<RANDOM>()?;
    let mut sealed: [u8; SEALED] = sealed.try_into().ok()?;
    let text = key.open_in_place(&nonce::salted(PREFIX, salt), &mut sealed).ok()?;
    let (server, rest) = text.split_first_chunk::<KEY>()?;
    let cookie = *rest.first_chunk::<COOKIE>()?;
    Some(Welcome { server: PublicKey(*server), cookie })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::crypto::keys::keypair;
    use crate::engine::mechanism::tests::body;

    #[test]
    fn what_is_appended_opens_and_only_whole() {
        let (server, server_secret) = keypair().unwrap();
        let (client, client_secret) = keypair().unwrap();
        let welcome = Welcome { server: keypair().unwrap().0, cookie: [7; COOKIE] };
        let key = HandshakeKey::new(&client, &server_secret).unwrap();
        let good = body(|out| append(out, &key, &welcome).unwrap());
        assert_eq!(good.len(), 168);
        let key = HandshakeKey::new(&server, &client_secret).unwrap();
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
