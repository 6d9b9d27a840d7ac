//! Every suite, and every kind of client.

use super::{client, configs, server, talk};
use crate::crypto::{KemSecret, KemSuite, Trust};
use crate::engine::codec::{Codec, Traffic};
use crate::engine::config::Security;
use crate::engine::mechanism::qzmq::keys::{ClientKeys, ServerKeys, Settings, testing};
use crate::engine::mechanism::qzmq::record::{HEAD_BYTES, Kind, RecordKey};
use crate::engine::mechanism::qzmq::suite::{Suite, Suites};
use crate::engine::{Config, Failure, Handshake, Progress};
use std::sync::Arc;

fn secret_of(kem: KemSuite) -> Arc<KemSecret> {
    Arc::new(KemSecret::generate(kem).unwrap())
}

const KEMS: [KemSuite; 2] = [KemSuite::XWing, KemSuite::MlKem1024];

fn traffic(codec: Codec) -> Traffic {
    let Codec::Qzmq(traffic) = codec else { panic!("QZMQ") };
    *traffic
}

/// Whether what one side seals the other opens.
fn understand(from: &mut Traffic, to: &mut Traffic) -> bool {
    let mut record = Vec::new();
    let at = RecordKey::begin(&mut record);
    record.extend_from_slice(b"some bytes");
    from.seal_data(&mut record, at).unwrap();
    let mut key = to.take_opening().unwrap();
    key.open(&mut record[HEAD_BYTES..]) == Ok((Kind::Data, 10))
        && record[HEAD_BYTES..].starts_with(b"some bytes")
}

pub fn agree(client: &Config, server: &Config) -> bool {
    let (client, server) = talk(client, server, |_, _| {});
    let (Some(Ok(of_server)), Some(Ok(of_client))) = (client.outcome, server.outcome) else { return false };
    assert_eq!(of_client.routing_id, b"cli");
    assert_eq!(of_server.socket_type.as_deref(), Some("ROUTER"));
    let (mut client, mut server) = (traffic(of_server.codec), traffic(of_client.codec));
    assert!(understand(&mut client, &mut server) && understand(&mut server, &mut client));
    true
}

/// Only this suite of each KEM.
fn only(suite: Suite) -> Settings {
    Settings { suites: Suites::only(&[suite]), ..Settings::default() }
}

#[test]
fn every_suite_works_and_the_server_chooses() {
    for suite in Suite::ALL {
        let secret = || secret_of(suite.kem());
        let server_secret = secret();
        let known = Arc::new(server_secret.public().clone());
        let picky = Arc::new(ServerKeys::new(server_secret, only(suite)));
        let open = Arc::new(ClientKeys::new(known.clone(), Some(secret()), Settings::default()).unwrap());
        assert!(agree(&client(&open), &server(&picky)), "{suite:?}");
        for other in Suite::ALL.into_iter().filter(|other| other.kem() == suite.kem()) {
            let fixed = Arc::new(ClientKeys::new(known.clone(), Some(secret()), only(other)).unwrap());
            assert_eq!(agree(&client(&fixed), &server(&picky)), other == suite);
        }
    }
}

#[test]
fn without_a_suite_in_common_the_client_is_told() {
    let suites = [Suite::XWingAes256GcmSha256, Suite::XWingChaCha20Poly1305Sha256];
    let secret = secret_of(KemSuite::XWing);
    let known = Arc::new(secret.public().clone());
    let server_keys = Arc::new(ServerKeys::new(secret, only(suites[0])));
    let client_keys = Arc::new(ClientKeys::new(known, None, only(suites[1])).unwrap());
    let (client, server) = talk(&client(&client_keys), &server(&server_keys), |_, _| {});
    assert_eq!(server.outcome.unwrap().unwrap_err(), Failure::MECHANISM_MISMATCH);
    assert_eq!(client.outcome.unwrap().unwrap_err(), Failure::SILENT, "which is no more than a hint");
}

#[test]
fn anonymous_clients_look_like_others() {
    for kem in KEMS {
        let secret = secret_of(kem);
        let known = Arc::new(secret.public().clone());
        let server_keys = Arc::new(ServerKeys::new(secret, Settings::default()));
        let own = secret_of(kem);
        let mut lengths = Vec::new();
        for own in [None, Some(own)] {
            let keys = Arc::new(ClientKeys::new(known.clone(), own, Settings::default()).unwrap());
            assert!(agree(&client(&keys), &server(&server_keys)));
            let mut flights = Vec::new();
            talk(&client(&keys), &server(&server_keys), |_, bytes| flights.push(bytes.len()));
            lengths.push(flights);
        }
        assert_eq!(lengths[0], lengths[1]);
    }
}

/// The credential of the request about a client.
pub fn asked(client: &Config, server: &Config) -> (&'static str, Vec<u8>) {
    let (mut client, mut server) = (Handshake::new(client.clone()), Handshake::new(server.clone()));
    loop {
        let mut bytes = Vec::new();
        client.output(&mut bytes);
        if let (_, Progress::Zap(request)) = server.input(&bytes).unwrap() {
            let [credential] = &request.credentials[..] else { panic!("one") };
            return (request.mechanism, credential.to_vec());
        }
        bytes.clear();
        server.output(&mut bytes);
        client.input(&bytes).unwrap();
    }
}

#[test]
fn the_authenticator_is_told_of_the_key() {
    for kem in KEMS {
        let secret = secret_of(kem);
        let known = Arc::new(secret.public().clone());
        let own = secret_of(kem);
        let public = Arc::new(own.public().clone());
        let mut keys = ServerKeys::new(secret, Settings::default());
        let named = Arc::new(ClientKeys::new(known.clone(), Some(own), Settings::default()).unwrap());
        let anonymous = Arc::new(ClientKeys::new(known, None, Settings::default()).unwrap());
        let fingerprint = public.fingerprint().to_vec();
        let plain = server(&Arc::new(keys));
        assert_eq!(asked(&client(&named), &plain), ("CURVE", fingerprint));
        assert_eq!(asked(&client(&anonymous), &plain), ("CURVE", vec![0; 32]));
        let Security::QzmqServer(shared) = &plain.security else { panic!("QZMQ") };
        assert!(!shared.settings.asks_as_qzmq);
        let (client_keys, server_keys) = testing::pair(kem);
        keys = Arc::into_inner(server_keys).unwrap();
        keys.settings.asks_as_qzmq = true;
        let own = client_keys.own.as_ref().unwrap().public().clone();
        let whole = server(&Arc::new(keys));
        assert_eq!(asked(&client(&client_keys), &whole), ("QZMQ", own.tagged()));
    }
}

#[test]
fn wrong_keys_and_kems_are_refused() {
    let (mine, theirs) = configs(KemSuite::XWing);
    assert!(agree(&mine, &theirs));
    let (_, stranger) = configs(KemSuite::XWing);
    assert!(!agree(&mine, &stranger), "another server's key");
    let (_, other) = configs(KemSuite::MlKem1024);
    assert!(!agree(&mine, &other), "another KEM");
    let own = secret_of(KemSuite::MlKem1024);
    let known = Arc::new(secret_of(KemSuite::XWing).public().clone());
    assert!(ClientKeys::new(known, Some(own), Settings::default()).is_err(), "mixed");
}

#[test]
fn a_server_is_known_by_several_keys() {
    let (client_keys, server_keys) = testing::pair(KemSuite::XWing);
    let second = secret_of(KemSuite::MlKem1024);
    let public = Arc::new(second.public().clone());
    server_keys.add(second).unwrap();
    let other = Arc::new(ClientKeys::new(public.clone(), None, Settings::default()).unwrap());
    let bound = server(&server_keys);
    assert!(agree(&client(&client_keys), &bound) && agree(&client(&other), &bound));
    server_keys.withdraw(&public).unwrap();
    assert!(agree(&client(&client_keys), &bound) && !agree(&client(&other), &bound));
    server_keys.withdraw(&public).unwrap_err();
}

#[test]
fn a_revoked_key_is_refused() {
    let (client_keys, server_keys) = testing::pair(KemSuite::XWing);
    let own = client_keys.own.as_ref().unwrap().public().fingerprint();
    for revoked in [false, true] {
        let mut trust = Trust::default();
        trust.revoke(if revoked { own } else { [0; 32] });
        let secret = secret_of(KemSuite::XWing);
        let known = Arc::new(secret.public().clone());
        let mine = ClientKeys::new(known, client_keys.own.clone(), server_keys.settings).unwrap();
        let theirs = ServerKeys::new(secret, server_keys.settings).with_trust(trust);
        assert_eq!(agree(&client(&Arc::new(mine)), &server(&Arc::new(theirs))), !revoked);
    }
}
