//! READY, server to client: the server's properties.

use super::nonce;
use crate::crypto::{SharedKey, TAG_BYTES};
use crate::engine::Failure;
use crate::engine::zmtp::command;

const NAME: &[u8] = b"\x05READY";
const PREFIX: &[u8; 16] = b"CurveZMQREADY---";

/// The content of a READY.
#[derive(Debug, PartialEq, Eq)]
pub struct Ready {
    pub counter: u64,
    /// The server's properties.
    pub metadata: Vec<u8>,
}

/// Appends a READY frame; `key` is that of the short-term key pairs.
pub fn append(out: &mut Vec<u8>, key: &SharedKey, ready: &Ready) -> Result<(), Failure> {
    let mut sealed = vec![0; TAG_BYTES];
    sealed.extend_from_slice(&ready.metadata);
    key.seal_in_place(&nonce::counted(PREFIX, ready.counter), &mut sealed).map_err(Failure::Errno)?;
    command::append(out, NAME, &[&ready.counter.to_be_bytes(), &sealed[..]].concat());
    Ok(())
}

/// Opens the body of a READY.
pub fn open(body: &[u8], key: &SharedKey) -> Result<Ready, Failure> {
    let rest = body.strip_prefix(NAME).ok_or(Failure::UNEXPECTED_COMMAND)?;
    let (counter, sealed) = rest.split_first_chunk::<8>().ok_or(Failure::MALFORMED_READY)?;
    if sealed.len() < TAG_BYTES {
        return Err(Failure::MALFORMED_READY);
    }
    let counter = u64::from_be_bytes(*counter);
    let mut sealed = sealed.to_vec();
    let metadata = key
        .open_in_place(&nonce::counted(PREFIX, counter), &mut sealed)
        .map_err(|_| Failure::CRYPTOGRAPHIC)?
        .to_vec();
    Ok(Ready { counter, metadata })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::crypto::keys::keypair;
    use crate::engine::mechanism::tests::body;

    #[test]
    fn an_appended_ready_opens_only_unchanged() {
        let (server, server_secret) = keypair().unwrap();
        let (client, client_secret) = keypair().unwrap();
        let ours = SharedKey::new(&client, &server_secret).unwrap();
        let theirs = SharedKey::new(&server, &client_secret).unwrap();
        for metadata in [&b""[..], b"\x01a\0\0\0\x01b", &[7; 3000]] {
            let ready = Ready { counter: 1, metadata: metadata.to_vec() };
            let good = body(|out| append(out, &ours, &ready).unwrap());
            assert_eq!(good.len(), 30 + metadata.len());
            assert_eq!(open(&good, &theirs), Ok(ready));
            for at in [6, 13, 14, 29, good.len() - 1] {
                let mut changed = good.clone();
                changed[at] ^= 1;
                assert_eq!(open(&changed, &theirs), Err(Failure::CRYPTOGRAPHIC), "at {at}");
            }
            for cut in 6..30 {
                assert_eq!(open(&good[..cut], &theirs), Err(Failure::MALFORMED_READY));
            }
        }
        assert_eq!(open(b"\x05READX", &theirs), Err(Failure::UNEXPECTED_COMMAND));
    }
}
