//! Servers of QZMQ and CURVE, and clients that fall back: which client gets what, and what a relay can do.

use super::{Side, client, server, talk, testing};
use crate::crypto::certificate::Refusal;
use crate::crypto::keys::keypair;
use crate::crypto::{DsaSecret, DsaSuite, KemSecret, KemSuite, Trust};
use crate::engine::config::{Security, Zap};
use crate::engine::mechanism::qzmq::keys;
use crate::engine::{ClientKeys, Codec, Config, Failure, ServerKeys};
use std::sync::Arc;

/// The greeting's bytes up to the mechanism, and behind it.
const VERSION_END: usize = 12;
const MECHANISM_END: usize = 32;

/// The configurations of one server and its clients.
struct Parties {
    qzmq: Config,
    curve: Config,
    falls_back: Config,
    of_qzmq: Config,
    of_curve: Config,
    of_both: Config,
}

fn parties() -> Parties {
    let (client_keys, server_keys) = testing::pair(KemSuite::XWing);
    let (public, secret) = keypair().unwrap();
    let (server_public, server_secret) = keypair().unwrap();
    let curve_keys = Arc::new(ClientKeys { public, secret, server: server_public });
    let curve_server = Arc::new(ServerKeys::new(server_secret));
    let qzmq = client(&client_keys);
    let of_qzmq = server(&server_keys);
    let with = |config: &Config, security| Config { security, ..config.clone() };
    Parties {
        curve: with(&qzmq, Security::CurveClient(Arc::clone(&curve_keys))),
        falls_back: with(&qzmq, Security::QzmqClientWithFallback(client_keys, curve_keys)),
        of_curve: with(&of_qzmq, Security::CurveServer(Arc::clone(&curve_server))),
        of_both: with(&of_qzmq, Security::QzmqServerBesideCurve(server_keys, curve_server)),
        qzmq,
        of_qzmq,
    }
}

/// The server of both, which trusts an authority besides.
fn certifying(of_both: &Config) -> Config {
    let Security::QzmqServerBesideCurve(_, curve) = &of_both.security else { panic!("of both") };
    let mut trust = Trust::default();
    trust.add(DsaSecret::generate(DsaSuite::MlDsa44).unwrap().public().clone()).unwrap();
    let own = Arc::new(KemSecret::generate(KemSuite::XWing).unwrap());
    let qzmq = Arc::new(keys::ServerKeys::new(own, keys::Settings::default()).with_trust(trust));
    let security = Security::QzmqServerBesideCurve(qzmq, Arc::clone(curve));
    Config { security, ..of_both.clone() }
}

/// What both sides have agreed on: "QZMQ", "CURVE", or nothing.
fn agreed((client, server): (Side, Side)) -> Option<&'static str> {
    let name = |side: Side| match side.outcome?.ok()?.codec {
        Codec::Qzmq(_) => Some("QZMQ"),
        Codec::Curve(_) => Some("CURVE"),
        _ => None,
    };
    let (ours, theirs) = (name(client), name(server));
    assert_eq!(ours, theirs);
    ours
}

fn untouched(_: usize, _: &mut Vec<u8>) {}

/// Writes another name over the mechanism in the server's greeting, which is the first of its flights to have one.
fn rename(name: &'static [u8]) -> impl FnMut(usize, &mut Vec<u8>) {
    let mut whole = 0;
    move |flight, bytes| {
        if flight % 2 == 0 {
            return;
        }
        for byte in bytes.iter_mut() {
            if (VERSION_END..MECHANISM_END).contains(&whole) {
                *byte = name.get(whole - VERSION_END).copied().unwrap_or(0);
            }
            whole += 1;
        }
    }
}

#[test]
fn each_client_gets_what_it_and_the_server_speak() {
    let all = parties();
    assert_eq!(agreed(talk(&all.qzmq, &all.of_both, untouched)), Some("QZMQ"));
    assert_eq!(agreed(talk(&all.curve, &all.of_both, untouched)), Some("CURVE"));
    assert_eq!(agreed(talk(&all.falls_back, &all.of_both, untouched)), Some("QZMQ"));
    assert_eq!(agreed(talk(&all.falls_back, &all.of_qzmq, untouched)), Some("QZMQ"));
    assert_eq!(agreed(talk(&all.qzmq, &all.of_curve, untouched)), None);
    assert_eq!(agreed(talk(&all.curve, &all.of_qzmq, untouched)), None);
    let other = Config { security: Security::PlainServer, ..all.qzmq.clone() };
    assert_eq!(agreed(talk(&other, &all.of_both, untouched)), None);
}

#[test]
fn a_server_of_both_names_its_mechanism_after_the_client() {
    for (config, name) in [(parties().qzmq, &b"QZMQ\0"[..]), (parties().curve, b"CURVE")] {
        let (of_both, mut peer) = (Side::new(&parties().of_both), Side::new(&config));
        let mut of_both = of_both;
        let mut greeting = peer.said();
        let mut said = of_both.said();
        greeting.extend(peer.hear(&said));
        greeting.extend(peer.hear(&of_both.hear(&greeting[..11])));
        said = Vec::new();
        for byte in &greeting[11..MECHANISM_END - 1] {
            said.extend(of_both.hear(&[*byte]));
        }
        assert!(said.is_empty(), "the version is said, and nothing more");
        said.extend(of_both.hear(&greeting[MECHANISM_END - 1..MECHANISM_END]));
        assert!(said.starts_with(name));
    }
}

#[test]
fn falling_back_takes_another_connection() {
    let all = parties();
    let (client, server) = talk(&all.falls_back, &all.of_curve, untouched);
    assert_eq!(client.outcome, Some(Err(Failure::Fallback)));
    assert!(!server.is_done());
    let second = Config { security: all.falls_back.security.fallback().unwrap(), ..all.qzmq.clone() };
    assert_eq!(agreed(talk(&second, &all.of_curve, untouched)), Some("CURVE"));
    assert!(all.qzmq.security.fallback().is_none() && all.curve.security.fallback().is_none());
}

#[test]
fn a_relay_that_renames_the_mechanism_gets_a_client_without_fallback_nowhere() {
    let all = parties();
    for of in [&all.of_both, &all.of_qzmq] {
        let (client, server) = talk(&all.qzmq, of, rename(b"CURVE"));
        assert_eq!(client.outcome, Some(Err(Failure::MECHANISM_MISMATCH)));
        assert!(!server.is_done());
        // A client that may fall back is made to.
        let (client, server) = talk(&all.falls_back, of, rename(b"CURVE"));
        assert_eq!(client.outcome, Some(Err(Failure::Fallback)));
        assert!(!server.is_done());
    }
    for name in [&b"NULL"[..], b"PLAIN", b"GSSAPI", b"", b"QZMQ2"] {
        let (client, _) = talk(&all.falls_back, &all.of_both, rename(name));
        assert_eq!(client.outcome, Some(Err(Failure::MECHANISM_MISMATCH)), "{name:?}");
    }
}

#[test]
fn a_client_whose_mechanism_a_relay_renames_gets_no_keys() {
    let all = parties();
    let mut whole = 0;
    let (client, server) = talk(&all.qzmq, &all.of_both, |flight, bytes| {
        for byte in bytes.iter_mut().filter(|_| flight % 2 == 0) {
            if (VERSION_END..MECHANISM_END).contains(&whole) {
                *byte = b"CURVE".get(whole - VERSION_END).copied().unwrap_or(0);
            }
            whole += 1;
        }
    });
    assert!(!client.is_done() && !server.is_done());
}

/// CURVE has no certificates. Beside a QZMQ that wants them it takes an authenticator to let a client in.
#[test]
fn a_client_of_curve_is_not_let_in_where_certificates_are_wanted() {
    let all = parties();
    let certifying = certifying(&all.of_both);
    let uncertified = Failure::Uncertified(Refusal::NoCertificate);
    for enforce in [false, true] {
        let with = |config: &Config| Config { zap: Zap { enforce, ..config.zap.clone() }, ..config.clone() };
        let (client, server) = talk(&all.curve, &with(&certifying), untouched);
        assert_eq!(server.outcome, Some(Err(uncertified)), "enforced: {enforce}");
        assert!(!client.is_done());
        // Nothing changes where no authority is trusted.
        assert_eq!(agreed(talk(&all.curve, &with(&all.of_both), untouched)), Some("CURVE"));
    }
}

/// A list of what is revoked counts over either mechanism, before an authenticator is asked.
#[test]
fn a_key_of_curve_that_is_revoked_gets_nowhere_at_a_server_of_both() {
    let all = parties();
    let Security::CurveClient(keys) = &all.curve.security else { panic!("of CURVE") };
    let Security::QzmqServerBesideCurve(_, curve) = &all.of_both.security else { panic!("of both") };
    let revokes = |key: [u8; 32]| {
        let mut trust = Trust::default();
        trust.revoke(key);
        let own = Arc::new(KemSecret::generate(KemSuite::XWing).unwrap());
        let qzmq = Arc::new(keys::ServerKeys::new(own, keys::Settings::default()).with_trust(trust));
        let security = Security::QzmqServerBesideCurve(qzmq, Arc::clone(curve));
        Config { security, ..all.of_both.clone() }
    };
    let (client, server) = talk(&all.curve, &revokes(*keys.public.as_bytes()), untouched);
    assert_eq!(server.outcome, Some(Err(Failure::Uncertified(Refusal::Revoked))));
    assert!(!client.is_done());
    assert_eq!(agreed(talk(&all.curve, &revokes([7; 32]), untouched)), Some("CURVE"));
}

#[test]
fn a_client_falls_back_to_no_key_of_curve_that_is_revoked() {
    let all = parties();
    let Security::QzmqClientWithFallback(qzmq, curve) = &all.falls_back.security else { panic!("of both") };
    let revokes = |key: [u8; 32]| {
        let mut trust = Trust::default();
        trust.revoke(key);
        let trusted = Arc::new(keys::Trusted::new(trust));
        let keys = keys::ClientKeys::of(qzmq.server.clone(), qzmq.own.clone(), qzmq.settings).unwrap();
        let security =
            Security::QzmqClientWithFallback(Arc::new(keys.with_trusted(trusted)), Arc::clone(curve));
        Config { security, ..all.falls_back.clone() }
    };
    for (key, outcome) in
        [([7; 32], Failure::Fallback), (*curve.server.as_bytes(), Failure::MECHANISM_MISMATCH)]
    {
        let (client, _) = talk(&revokes(key), &all.of_curve, untouched);
        assert_eq!(client.outcome, Some(Err(outcome)));
    }
}
