//! How much work a client can cause before it has shown that it knows the server's key.

use super::hostile::{framed, greeted};
use super::retry::{loaded, retried};
use super::{Side, client, configs, server};
use crate::crypto::kem::work::{self, Work};
use crate::crypto::{KemSuite, Trust};
use crate::engine::mechanism::qzmq::keys::testing;
use std::sync::Arc;

const NONE: Work = Work::NONE;
const ONE_DECAPSULATION: Work = Work { decapsulations: 1, ..NONE };

/// What a server does with bytes, and whether it goes on.
fn work_of(server: &mut Side, bytes: &[u8]) -> (bool, Work) {
    let ((), work) = work::of(|| drop(server.hear(bytes)));
    (server.outcome.is_none(), work)
}

#[test]
fn a_bogus_hello_costs_one_decapsulation_at_most() {
    for kem in KemSuite::ALL {
        let (mine, theirs) = configs(kem);
        let (_, mut server, hello) = greeted(&mine, &theirs);
        let honest = Work { encapsulations: 2, ..ONE_DECAPSULATION };
        assert_eq!(work_of(&mut server, &framed(&hello)), (true, honest), "an honest one");
        let (mut free, mut costly) = (0, 0);
        for at in (0..60).chain((60..hello.len()).step_by(211)) {
            let (_, mut server, mut hello) = greeted(&mine, &theirs);
            hello[at] ^= 0x11;
            match work_of(&mut server, &framed(&hello)) {
                (false, NONE) => free += 1,
                (false, ONE_DECAPSULATION) => costly += 1,
                other => panic!("byte {at}: {other:?}"),
            }
        }
        assert!(free > 5 && costly > 5, "{free} {costly}");
        for len in (0..hello.len()).step_by(173) {
            let (_, mut server, hello) = greeted(&mine, &theirs);
            assert_eq!(work_of(&mut server, &framed(&hello[..len])), (false, NONE), "{len} bytes");
        }
    }
}

#[test]
fn an_ephemeral_key_that_is_none_costs_nothing() {
    for kem in KemSuite::ALL {
        let (mine, theirs) = configs(kem);
        let (_, mut server, mut hello) = greeted(&mine, &theirs);
        let key_at = 6 + 4 + 32 + 1 + usize::from(hello[42]);
        hello[key_at..key_at + kem.public_bytes()].fill(0xff);
        assert_eq!(work_of(&mut server, &framed(&hello)), (false, NONE));
    }
}

/// Its key is in the box, so the server has to open that, and does nothing more for it.
#[test]
fn a_revoked_client_costs_one_decapsulation() {
    for kem in KemSuite::ALL {
        let (client_keys, server_keys) = testing::pair(kem);
        let mut trust = Trust::default();
        trust.revoke(client_keys.own.as_ref().unwrap().public().fingerprint());
        let server_keys = Arc::into_inner(server_keys).unwrap().with_trust(trust);
        let (mine, theirs) = (client(&client_keys), server(&Arc::new(server_keys)));
        let (_, mut server, hello) = greeted(&mine, &theirs);
        assert_eq!(work_of(&mut server, &framed(&hello)), (false, ONE_DECAPSULATION));
    }
}

#[test]
fn under_load_nothing_is_done_for_a_hello_without_its_cookie() {
    let (mine, theirs) = loaded();
    let (_, mut server, hello) = greeted(&mine, &theirs);
    assert_eq!(work_of(&mut server, &framed(&hello)), (true, NONE), "RETRY");
    assert_eq!(work_of(&mut server, &framed(&hello)), (false, NONE), "without the cookie again");
    // Each byte of a cookie, and a whole one of another connection.
    for at in 0..24 {
        let (mut client, mut server, retry) = retried();
        let mut again = client.hear(&retry);
        let cookie_at = again.len() - 24;
        again[cookie_at + at] ^= 1;
        assert_eq!(work_of(&mut server, &again), (false, NONE), "byte {at}");
    }
    let (mut client, _, retry) = retried();
    let (_, mut server, _) = retried();
    assert_eq!(work_of(&mut server, &client.hear(&retry)), (false, NONE));
    let (mut client, mut server, retry) = retried();
    let again = client.hear(&retry);
    assert_eq!(work_of(&mut server, &again).1.decapsulations, 1, "with its own it goes on");
}
