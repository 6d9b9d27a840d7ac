//! Resumption, by honest sides and others.

use super::hostile::{body_of, framed, greeted};
use super::retry::under_load;
use super::{client, server, talk};
use crate::crypto::certificate::Refusal;
use crate::crypto::hkdf::DerivationKey;
use crate::crypto::{KemSecret, KemSuite, Trust};
use crate::engine::mechanism::qzmq::hello::{self, Identity, Mode};
use crate::engine::mechanism::qzmq::keys::{ClientKeys, ServerKeys, Settings, testing};
use crate::engine::mechanism::qzmq::suite::{Suite, Suites, hash_of, key_id};
use crate::engine::mechanism::qzmq::ticket::Sealed;
use crate::engine::mechanism::tests::reply;
use crate::engine::zap::ZapStatus;
use crate::engine::{Config, Failure, Handshake, Progress};
use std::sync::Arc;

/// A client that has a ticket of the server's.
pub fn with_ticket(kem: KemSuite) -> (Arc<ClientKeys>, Arc<ServerKeys>) {
    let (client_keys, server_keys) = testing::pair(kem);
    give(&client_keys, &server_keys);
    (client_keys, server_keys)
}

/// Gives the client a ticket as if they had shaken hands before.
pub fn give(client_keys: &ClientKeys, server_keys: &ServerKeys) {
    let kem = client_keys.kem();
    let psk = DerivationKey::from_bytes(hash_of(kem), &vec![9; hash_of(kem).digest_bytes()]).unwrap();
    let identity = match &client_keys.own {
        Some(own) => Identity::PublicKey(Box::new(own.public().clone())),
        None => Identity::Anonymous,
    };
    let names = (kem, &key_id(client_keys.server_key()));
    let sealed = server_keys.tickets().seal(names, &identity, &psk, None).unwrap();
    let Sealed { life_s, ticket } = sealed.unwrap();
    client_keys.ticket.keep(&ticket, psk, life_s);
}

/// The HELLOs of a conversation: whether each resumes. And whether it came to its end on both sides.
fn hellos(mine: &Config, theirs: &Config) -> (Vec<bool>, bool) {
    let mut resumed = Vec::new();
    let (client, server) = talk(mine, theirs, |number, bytes| {
        for (at, _) in
            bytes.windows(6).enumerate().filter(|(_, name)| *name == b"\x05HELLO" && number % 2 == 0)
        {
            resumed.push(bytes[at + 8] == 1);
        }
    });
    (resumed, client.is_done() && server.is_done())
}

#[test]
fn the_next_connection_resumes_in_every_suite() {
    for suite in Suite::ALL {
        for own in [true, false] {
            let settings = Settings { suites: Suites::only(&[suite]), ..Settings::default() };
            let secret = || Arc::new(KemSecret::generate(suite.kem()).unwrap());
            let server_secret = secret();
            let known = Arc::new(server_secret.public().clone());
            let mine = client(&Arc::new(ClientKeys::new(known, own.then(secret), settings).unwrap()));
            let theirs = server(&Arc::new(ServerKeys::new(server_secret, settings)));
            for turn in 0..4 {
                assert!(super::suites::agree(&mine, &theirs), "{suite:?}, {turn}");
                let (resumed, done) = hellos(&mine, &theirs);
                assert_eq!((resumed, done), (vec![true], true), "{suite:?}, {turn}");
            }
        }
    }
}

#[test]
fn the_suite_is_chosen_anew() {
    let (client_keys, server_keys) = with_ticket(KemSuite::XWing);
    let mut keys = Arc::into_inner(server_keys).unwrap();
    keys.settings.suites = Suites::only(&[Suite::XWingChaCha20Poly1305Sha256]);
    let theirs = server(&Arc::new(keys));
    assert_eq!(hellos(&client(&client_keys), &theirs), (vec![true], true));
}

#[test]
fn without_a_life_there_are_no_tickets() {
    for of_client in [true, false] {
        let server_secret = Arc::new(KemSecret::generate(KemSuite::XWing).unwrap());
        let known = Arc::new(server_secret.public().clone());
        let none = Settings { ticket_life_s: 0, ..Settings::default() };
        let (first, second) =
            if of_client { (none, Settings::default()) } else { (Settings::default(), none) };
        let mine = client(&Arc::new(ClientKeys::new(known, None, first).unwrap()));
        let theirs = server(&Arc::new(ServerKeys::new(server_secret, second)));
        for _ in 0..2 {
            assert_eq!(hellos(&mine, &theirs), (vec![false], true));
        }
    }
}

/// A server that was started again has the keys of its clients, and not those of its tickets.
#[test]
fn a_full_handshake_follows_a_refused_ticket_on_the_same_connection() {
    for kem in KemSuite::ALL {
        let secret = Arc::new(KemSecret::generate(kem).unwrap());
        let known = Arc::new(secret.public().clone());
        let mine = Arc::new(ClientKeys::new(known, None, Settings::default()).unwrap());
        let start = || Arc::new(ServerKeys::new(Arc::clone(&secret), Settings::default()));
        give(&mine, &start());
        let again = server(&start());
        assert_eq!(hellos(&client(&mine), &again), (vec![true, false], true));
        assert_eq!(hellos(&client(&mine), &again), (vec![true], true), "by the new ticket");
    }
}

#[test]
fn cookies_and_tickets_go_together() {
    let (client_keys, server_keys) = with_ticket(KemSuite::XWing);
    let (mine, theirs) = (client(&client_keys), server(&under_load(server_keys)));
    assert_eq!(hellos(&mine, &theirs), (vec![true, true], true));
    // One cookie is enough for a connection.
    let secret = Arc::new(KemSecret::generate(KemSuite::XWing).unwrap());
    let known = Arc::new(secret.public().clone());
    let mine = Arc::new(ClientKeys::new(known, None, Settings::default()).unwrap());
    give(&mine, &ServerKeys::new(Arc::clone(&secret), Settings::default()));
    let theirs = under_load(Arc::new(ServerKeys::new(secret, Settings::default())));
    assert_eq!(hellos(&client(&mine), &server(&theirs)), (vec![true, true, false], true));
}

#[test]
fn an_ended_ticket_is_refused_by_the_server_and_dropped_by_the_client() {
    let (client_keys, server_keys) = with_ticket(KemSuite::XWing);
    server_keys.note_connection(7_200_000);
    assert_eq!(hellos(&client(&client_keys), &server(&server_keys)), (vec![true, false], true));
    client_keys.note_connection(7_200_000);
    assert_eq!(hellos(&client(&client_keys), &server(&server_keys)), (vec![false], true));
}

#[test]
fn a_ticket_of_another_key_of_the_server_is_refused() {
    let (client_keys, server_keys) = with_ticket(KemSuite::XWing);
    let ticket = client_keys.ticket.take().unwrap();
    let second = Arc::new(KemSecret::generate(KemSuite::XWing).unwrap());
    let known = Arc::new(second.public().clone());
    server_keys.add(second).unwrap();
    let other = Arc::new(ClientKeys::new(known, None, Settings::default()).unwrap());
    other.ticket.keep(&ticket.bytes, ticket.psk, 100);
    assert_eq!(hellos(&client(&other), &server(&server_keys)), (vec![true, false], true));
}

/// A thief of a ticket without its psk can do nothing with it, for either key.
#[test]
fn a_stolen_ticket_opens_nothing() {
    let (client_keys, server_keys) = with_ticket(KemSuite::XWing);
    let ticket = client_keys.ticket.take().unwrap();
    let wrong = DerivationKey::from_bytes(hash_of(KemSuite::XWing), &[8; 32]).unwrap();
    client_keys.ticket.keep(&ticket.bytes, wrong, 100);
    let (client, server) = talk(&client(&client_keys), &server(&server_keys), |_, _| {});
    assert_eq!(server.outcome.unwrap().unwrap_err(), Failure::CRYPTOGRAPHIC);
    assert!(!client.is_done());
}

#[test]
fn a_ticket_works_for_the_identity_that_is_in_it() {
    let (client_keys, server_keys) = with_ticket(KemSuite::XWing);
    let ticket = client_keys.ticket.take().unwrap();
    // The same server, known by another client, which was given the first one's ticket and its psk.
    let thief = ClientKeys::new(Arc::clone(client_keys.server_key()), None, Settings::default()).unwrap();
    thief.ticket.keep(&ticket.bytes, ticket.psk, 100);
    let own = client_keys.own.as_ref().unwrap().public().fingerprint();
    assert_eq!(
        super::suites::asked(&client(&Arc::new(thief)), &server(&server_keys)),
        ("CURVE", own.to_vec())
    );
}

#[test]
fn the_authenticator_is_asked_again() {
    let (client_keys, server_keys) = with_ticket(KemSuite::XWing);
    let (mine, theirs) = (client(&client_keys), server(&server_keys));
    let fingerprint = client_keys.own.as_ref().unwrap().public().fingerprint().to_vec();
    assert_eq!(super::suites::asked(&mine, &theirs), ("CURVE", fingerprint));
    give(&client_keys, &server_keys);
    let mut handshakes = [Handshake::new(mine), Handshake::new(theirs)];
    for round in 0..10 {
        let mut bytes = Vec::new();
        handshakes[round % 2].output(&mut bytes);
        match handshakes[1 - round % 2].input(&bytes) {
            Ok((_, Progress::Zap(request))) => {
                assert_eq!(request.mechanism, "CURVE");
                handshakes[1].zap_reply(reply(ZapStatus::AuthenticationFailure)).unwrap();
            }
            Ok((_, Progress::Done(_))) => panic!("it was denied"),
            Ok(_) => {}
            Err(failure) => return assert_eq!(failure, Failure::Auth(400)),
        }
    }
    panic!("the client was not told");
}

#[test]
fn a_revoked_client_stays_out() {
    let (client_keys, server_keys) = with_ticket(KemSuite::XWing);
    let mut trust = Trust::default();
    trust.revoke(client_keys.own.as_ref().unwrap().public().fingerprint());
    let keys = Arc::into_inner(server_keys).unwrap().with_trust(trust);
    let (client, server) = talk(&client(&client_keys), &server(&Arc::new(keys)), |_, _| {});
    assert_eq!(server.outcome.unwrap().unwrap_err(), Failure::Uncertified(Refusal::Revoked));
    assert!(!client.is_done());
    assert!(client_keys.ticket.take().is_none(), "which drops the ticket");
}

#[test]
fn a_withdrawn_key_takes_its_tickets_along() {
    let (client_keys, server_keys) = with_ticket(KemSuite::XWing);
    server_keys.withdraw(client_keys.server_key()).unwrap();
    let (_, server) = talk(&client(&client_keys), &server(&server_keys), |_, _| {});
    assert_eq!(server.outcome.unwrap().unwrap_err(), Failure::CRYPTOGRAPHIC);
}

/// The server cannot know a second use of a ticket. It gives the attacker a WELCOME that it cannot open.
#[test]
fn a_replayed_hello_with_a_ticket_leads_nowhere() {
    let (client_keys, server_keys) = with_ticket(KemSuite::XWing);
    let (mine, theirs) = (client(&client_keys), server(&server_keys));
    let (mut honest, mut first, hello) = greeted(&mine, &theirs);
    let initiate = honest.hear(&first.hear(&framed(&hello)));
    assert!(!first.hear(&initiate).is_empty() && first.is_done());
    let (_, mut second, _) = greeted(&mine, &theirs);
    assert!(!second.hear(&framed(&hello)).is_empty());
    second.hear(&initiate);
    assert_eq!(second.outcome.unwrap().unwrap_err(), Failure::CRYPTOGRAPHIC);
}

/// A client that sends one ticket after the other makes the server look at one.
#[test]
fn a_second_ticket_ends_the_connection() {
    let (client_keys, server_keys) = with_ticket(KemSuite::XWing);
    let other = with_ticket(KemSuite::XWing).1;
    let secret = Arc::clone(&server_keys.pair(&key_id(client_keys.server_key())).unwrap().secret);
    other.add(secret).unwrap();
    let theirs = server(&other);
    let (_, mut refusing, hello) = greeted(&client(&client_keys), &theirs);
    assert_eq!(body_of(&refusing.hear(&framed(&hello))), b"\x05RETRY\x01\0");
    refusing.hear(&framed(&hello));
    assert_eq!(refusing.outcome.unwrap().unwrap_err(), Failure::UNEXPECTED_COMMAND);
}

/// A client's HELLO with a ticket that was altered, sent by the client itself. The server refuses it, and learns nothing from it.
#[test]
fn tickets_of_every_length_are_refused_politely() {
    let (client_keys, server_keys) = with_ticket(KemSuite::XWing);
    let whole = client_keys.ticket.take().unwrap();
    let theirs = server(&server_keys);
    for len in [1, 2, 19, 20, 21, 35, 36, 37, 500, whole.bytes.len() - 1, whole.bytes.len() + 1, 8192] {
        let mut ticket = whole.bytes.clone();
        ticket.resize(len, 0);
        client_keys.ticket.keep(&ticket, whole.psk.clone(), 100);
        let (_, mut side, hello) = greeted(&client(&client_keys), &theirs);
        let parsed = hello::parse(&hello).unwrap();
        assert!(matches!(parsed.mode, Mode::Resuming { ticket } if ticket.len() == len));
        assert_eq!(body_of(&side.hear(&framed(&hello))), b"\x05RETRY\x01\0", "{len} bytes");
    }
    for len in [0, 8193, 65535] {
        client_keys.ticket.keep(&vec![1; len], whole.psk.clone(), 100);
        let (_, mut side, hello) = greeted(&client(&client_keys), &theirs);
        side.hear(&framed(&hello));
        let refused = matches!(side.outcome, Some(Err(_)));
        assert_eq!(refused, len > 0, "without one the client begins anew");
    }
}

/// RETRY comes from anyone on the path. It makes the client do more, and never less.
#[test]
fn a_forged_refusal_costs_the_connection() {
    let (client_keys, server_keys) = with_ticket(KemSuite::XWing);
    let (mut client, mut server, hello) = greeted(&client(&client_keys), &server(&server_keys));
    let second = client.hear(&framed(b"\x05RETRY\x01\0"));
    assert_eq!(body_of(&second)[8], 0, "a full HELLO");
    assert!(!server.hear(&framed(&hello)).is_empty());
    server.hear(&second);
    assert!(!server.is_done());
    // Nor does it help to keep the first HELLO back: the server has refused nothing.
    let (mut client, mut server, _) = {
        give(&client_keys, &server_keys);
        greeted(&super::client(&client_keys), &super::server(&server_keys))
    };
    let second = client.hear(&framed(b"\x05RETRY\x01\0"));
    server.hear(&second);
    assert_eq!(server.outcome.unwrap().unwrap_err(), Failure::CRYPTOGRAPHIC);
}

#[test]
fn a_refusal_of_no_ticket_ends_the_connection() {
    let (client_keys, server_keys) = testing::pair(KemSuite::XWing);
    let (mut client, ..) = greeted(&client(&client_keys), &server(&server_keys));
    client.hear(&framed(b"\x05RETRY\x01\0"));
    assert_eq!(client.outcome.unwrap().unwrap_err(), Failure::UNEXPECTED_COMMAND);
    let (client_keys, server_keys) = with_ticket(KemSuite::XWing);
    let (mut client, ..) = greeted(&super::client(&client_keys), &super::server(&server_keys));
    client.hear(&framed(b"\x05RETRY\x01\0"));
    client.hear(&framed(b"\x05RETRY\x01\0"));
    assert_eq!(client.outcome.unwrap().unwrap_err(), Failure::UNEXPECTED_COMMAND, "a second one");
}
