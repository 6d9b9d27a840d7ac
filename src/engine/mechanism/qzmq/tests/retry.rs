//! RETRY: a server under load wants a round trip before it does any work.

use super::{Side, client, server, talk};
use crate::crypto::KemSuite;
use crate::engine::mechanism::qzmq::keys::{ServerKeys, testing};
use crate::engine::mechanism::qzmq::retry::{self, Retry};
use crate::engine::{Config, Failure};
use std::sync::Arc;

/// A client and a server that is always under load.
pub fn loaded() -> (Config, Config) {
    let (client_keys, server_keys) = testing::pair(KemSuite::XWing);
    (client(&client_keys), server(&under_load(server_keys)))
}

/// The same keys, of a server that is always under load.
pub fn under_load(keys: Arc<ServerKeys>) -> Arc<ServerKeys> {
    let mut keys: ServerKeys = Arc::into_inner(keys).unwrap();
    keys.settings.most_connections = 0;
    keys.note_connection(1);
    Arc::new(keys)
}

#[test]
fn a_client_comes_again_with_the_cookie() {
    let (mine, theirs) = loaded();
    let mut flights = Vec::new();
    let (client, server) = talk(&mine, &theirs, |_, bytes| flights.push(bytes.clone()));
    assert!(client.is_done() && server.is_done());
    let hellos =
        flights.iter().flat_map(|flight| flight.windows(6)).filter(|name| *name == b"\x05HELLO").count();
    let retries =
        flights.iter().flat_map(|flight| flight.windows(6)).filter(|name| *name == b"\x05RETRY").count();
    assert_eq!((hellos, retries), (2, 1));
}

/// Talks until the server has said RETRY; the client, the server, and that frame.
pub fn retried() -> (Side, Side, Vec<u8>) {
    let (mine, theirs) = loaded();
    let (mut client, mut server) = (Side::new(&mine), Side::new(&theirs));
    let (mut to_server, mut to_client) = (client.said(), server.said());
    loop {
        to_client.extend(server.hear(&std::mem::take(&mut to_server)));
        if let Some(at) = to_client.windows(6).position(|name| name == b"\x05RETRY") {
            let retry = to_client.split_off(at - 2);
            client.hear(&to_client);
            return (client, server, retry);
        }
        to_server.extend(client.hear(&std::mem::take(&mut to_client)));
    }
}

#[test]
fn an_edited_cookie_leads_nowhere() {
    for at in 2..34 {
        let (mut client, mut server, mut retry) = retried();
        assert_eq!(retry.len(), 34);
        retry[at] ^= 1;
        let again = client.hear(&retry);
        server.hear(&again);
        assert!(!client.is_done() && !server.is_done());
        assert!(server.said().is_empty(), "byte {at}");
    }
}

#[test]
fn a_cookie_of_another_connection_costs_no_work() {
    let (mut client, _, retry) = retried();
    let again = client.hear(&retry);
    let (_, mut server, _) = retried();
    server.hear(&again);
    assert_eq!(server.outcome.map(|outcome| outcome.map(|_| ()).unwrap_err()), Some(Failure::CRYPTOGRAPHIC));
}

#[test]
fn a_client_takes_one_cookie() {
    let bad: [&[u8]; 8] = [
        b"\x05RETRY",
        b"\x05RETRY\x01",
        b"\x05RETRY\x02\0",
        b"\x05RETRY\x01\0x",
        b"\x05RETRY\x01\x071234567",
        b"\x05RETRY\0\0",
        b"\x05RETRY\0\x071234567",
        b"\x05RETRY\0\x08123456789",
    ];
    for body in bad {
        assert!(retry::parse(body).is_err());
    }
    assert_eq!(retry::parse(b"\x05RETRY\0\x0812345678"), Ok(Retry::Cookie(b"\x0812345678")));
    for body in [&b"\x05RETRY\x01\0"[..], b"\x05RETRY\x01\x0812345678"] {
        assert_eq!(retry::parse(body), Ok(Retry::Full), "whose cookie is ignored");
    }
    let (mut client, _, retry) = retried();
    assert!(!client.hear(&retry).is_empty());
    assert!(client.hear(&retry).is_empty());
    assert!(client.outcome.is_some_and(|outcome| outcome.is_err()), "a second one");
}
