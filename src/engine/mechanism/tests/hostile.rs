//! Peers of a server that break CURVE or PLAIN. Their commands are made by hand; the server is a complete
//! one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::{reply, securities};
use crate::engine::config::{Security, Zap};
use crate::engine::zmtp::frame::{append_frame, parse_header};
use crate::engine::zmtp::tests::{config, greeting};
use crate::engine::{Codec, Config, Failure, Handshake, Peer, Progress, ZapStatus};
use crate::message::COMMAND;
use crate::options::SocketType;
use crate::random::Random;

fn configs(name: &str) -> (Config, Config) {
    let mut sides = securities().into_iter().filter(|(_, mechanism)| *mechanism == name);
    let zap = Zap { domain: b"dom".to_vec(), ..Default::default() };
    let client = Config { security: sides.next().unwrap().0, ..config(SocketType::Dealer) };
    let server = Config { security: sides.next().unwrap().0, zap, ..config(SocketType::Router) };
    (client, server)
}

/// An honest side, driven by hand.
struct Side(Handshake);

impl Side {
    /// A side after the greeting, and the bytes it sent then.
    fn greeted(config: &Config, name: &str) -> (Side, Vec<u8>) {
        let mut side = Side(Handshake::new(config.clone()));
        side.hear(&greeting(3, 1, name)).unwrap();
        let said = side.said().split_off(64);
        (side, said)
    }

    fn hear(&mut self, bytes: &[u8]) -> Result<Progress, Failure> {
        self.0.input(bytes).map(|(consumed, progress)| {
            assert_eq!(consumed, bytes.len());
            progress
        })
    }

    fn said(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.0.output(&mut out);
        out
    }

    /// Passes a frame in; returns the reply.
    fn answer(&mut self, frame: &[u8]) -> Vec<u8> {
        self.hear(frame).unwrap();
        self.said()
    }

    fn fails(mut self, frame: &[u8], failure: Failure) {
        assert_eq!(self.hear(frame).unwrap_err(), failure);
        assert_eq!(self.said(), b"", "no reply");
    }
}

fn frame(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    append_frame(&mut out, COMMAND, body);
    out
}

/// The frame with one byte of its body changed.
fn changed(good: &[u8], at: usize) -> Vec<u8> {
    let mut bad = good.to_vec();
    bad[parse_header(good).unwrap().unwrap().header_len + at] ^= 1;
    bad
}

/// A server that has sent WELCOME, the client's HELLO, its INITIATE, and the client.
fn welcomed() -> (Side, Vec<u8>, Vec<u8>, Side) {
    let (mine, theirs) = configs("CURVE");
    let (mut client, hello) = Side::greeted(&mine, "CURVE");
    let (mut server, _) = Side::greeted(&theirs, "CURVE");
    let welcome = server.answer(&hello);
    let initiate = client.answer(&welcome);
    (server, hello, initiate, client)
}

/// Two sides that have completed a handshake.
fn connected() -> (Peer, Peer) {
    let (mut server, _, initiate, mut client) = welcomed();
    assert!(matches!(server.hear(&initiate), Ok(Progress::Zap(_))));
    let Ok(Progress::Done(of_client)) = server.0.zap_reply(reply(ZapStatus::Success)) else {
        panic!("let in")
    };
    let ready = server.said();
    let Ok(Progress::Done(of_server)) = client.hear(&ready) else { panic!("ready") };
    (of_client, of_server)
}

#[test]
fn frames_after_the_handshake_are_sealed_both_ways() {
    let (of_client, of_server) = connected();
    let (Codec::Curve(mut server), Codec::Curve(mut client)) = (of_client.codec, of_server.codec) else {
        panic!("CURVE")
    };
    for (from, to) in [(&mut client.sealer, &mut server.opener), (&mut server.sealer, &mut client.opener)] {
        let mut wire = Vec::new();
        from.append_frame(&mut wire, 0, b"plaintext").unwrap();
        assert!(!wire.windows(9).any(|bytes| bytes == b"plaintext"));
        assert_eq!(to.open(&mut wire[2..]).unwrap(), (0, &mut { *b"plaintext" }[..]));
    }
}

#[test]
fn the_authenticator_is_asked_about_the_clients_long_term_key() {
    let (mut server, _, initiate, _) = welcomed();
    let Ok(Progress::Zap(request)) = server.hear(&initiate) else { panic!("it asks") };
    assert_eq!(request.credentials.len(), 1);
    assert_eq!(request.credentials[0].len(), 32);
}

#[test]
fn faults_of_an_initiate() {
    let fails = |make: fn(&[u8]) -> Vec<u8>, failure| {
        let (server, _, initiate, _) = welcomed();
        server.fails(&make(&initiate), failure);
    };
    fails(|_| frame(b"\x08INITIATE"), Failure::MALFORMED_INITIATE);
    fails(|good| changed(good, 5), Failure::UNEXPECTED_COMMAND);
    fails(|good| changed(good, 10), Failure::CRYPTOGRAPHIC); // the cookie's nonce
    fails(|good| changed(good, 30), Failure::CRYPTOGRAPHIC); // the cookie
    fails(|good| changed(good, 150), Failure::CRYPTOGRAPHIC); // the box
    fails(|good| changed(good, 112), Failure::CRYPTOGRAPHIC); // the counter: 3 for 2
    fails(|_| frame(b""), Failure::MALFORMED_COMMAND);
}

#[test]
fn a_counter_that_does_not_rise_is_told_from_a_forgery() {
    let (server, _, initiate, _) = welcomed();
    let mut stale = initiate;
    stale[9 + 105..9 + 113].copy_from_slice(&1u64.to_be_bytes());
    server.fails(&stale, Failure::INVALID_SEQUENCE);
}

#[test]
fn a_recorded_client_does_not_get_in_again() {
    let (mine, theirs) = configs("CURVE");
    let (mut client, hello) = Side::greeted(&mine, "CURVE");
    let (mut server, _) = Side::greeted(&theirs, "CURVE");
    let initiate = client.answer(&server.answer(&hello));
    assert!(matches!(server.hear(&initiate), Ok(Progress::Zap(_))));
    // The same server, whose cookie key has not changed meanwhile.
    let (mut again, _) = Side::greeted(&theirs, "CURVE");
    again.answer(&hello);
    again.fails(&initiate, Failure::CRYPTOGRAPHIC);
}

#[test]
fn commands_in_the_wrong_place() {
    let (server, hello, ..) = welcomed();
    server.fails(&hello, Failure::UNEXPECTED_COMMAND);
    let (_, _, initiate, client) = welcomed();
    client.fails(&initiate, Failure::UNEXPECTED_COMMAND);
    let (_, theirs) = configs("CURVE");
    Side::greeted(&theirs, "CURVE").0.fails(&initiate, Failure::UNEXPECTED_COMMAND);
    let (mine, _) = configs("CURVE");
    let (client, _) = Side::greeted(&mine, "CURVE");
    client.fails(&frame(b"\x05READY"), Failure::UNEXPECTED_COMMAND);
}

#[test]
fn a_peer_that_does_not_wait_for_the_authenticator_is_refused() {
    for name in ["PLAIN", "CURVE"] {
        let (mine, theirs) = configs(name);
        let (mut client, hello) = Side::greeted(&mine, name);
        let (mut server, _) = Side::greeted(&theirs, name);
        let question = match name {
            "PLAIN" => hello,
            _ => client.answer(&server.answer(&hello)),
        };
        assert!(matches!(server.hear(&question), Ok(Progress::Zap(_))));
        // The beginning of a frame may have arrived; a whole one may not.
        let eager = frame(b"\x08INITIATE");
        server.hear(&eager[..5]).unwrap();
        assert_eq!(server.hear(&eager[5..]).unwrap_err(), Failure::UNSPECIFIED);
        assert_eq!(server.0.zap_reply(reply(ZapStatus::Success)).unwrap_err(), Failure::SILENT);
    }
}

#[test]
fn no_bytes_may_follow_when_the_last_command_is_ours() {
    let (mut server, _, initiate, _) = welcomed();
    assert!(matches!(server.hear(&initiate), Ok(Progress::Zap(_))));
    server.hear(&[0]).unwrap();
    let outcome = server.0.zap_reply(reply(ZapStatus::Success));
    assert_eq!(outcome.unwrap_err(), Failure::UNEXPECTED_COMMAND);
}

#[test]
fn after_a_denial_every_command_is_one_too_many() {
    let (mut server, _, initiate, _) = welcomed();
    server.hear(&initiate).unwrap();
    let denial = server.0.zap_reply(reply(ZapStatus::AuthenticationFailure));
    assert!(matches!(denial, Ok(Progress::Denied(ZapStatus::AuthenticationFailure))));
    assert_eq!(server.said(), b"\x04\x0a\x05ERROR\x03400");
    // A later reply of the authenticator has no effect.
    assert!(matches!(server.0.zap_reply(reply(ZapStatus::Success)), Ok(Progress::More)));
    server.fails(&initiate, Failure::UNSPECIFIED);
}

#[test]
fn an_invalid_server_key_ends_the_handshake_before_hello() {
    let (_, theirs) = configs("CURVE");
    let Security::CurveServer(_) = &theirs.security else { panic!("server") };
    let keys = crate::engine::ClientKeys::from_bytes(&[1; 32], &[2; 32], &[0; 32]);
    let client = Config { security: Security::CurveClient(keys.into()), ..config(SocketType::Dealer) };
    let mut side = Handshake::new(client);
    assert_eq!(side.input(&greeting(3, 1, "CURVE")).unwrap_err(), Failure::CRYPTOGRAPHIC);
    let mut said = Vec::new();
    side.output(&mut said);
    assert_eq!(said.len(), 64);
}

#[test]
fn garbage_never_panics() {
    let mut random = Random::seeded(0x1234_5678_9abc_def1);
    for name in ["PLAIN", "CURVE"] {
        let (mine, theirs) = configs(name);
        for _ in 0..300 {
            let (mut client, hello) = Side::greeted(&mine, name);
            let (mut server, _) = Side::greeted(&theirs, name);
            let mut spoil = |mut bytes: Vec<u8>| {
                for _ in 0..random.below(3) {
                    if bytes.is_empty() {
                        break;
                    }
                    let at = random.below(bytes.len());
                    match random.below(3) {
                        0 => bytes[at] = random.below(256) as u8,
                        1 => bytes.truncate(at),
                        _ => bytes.insert(at, random.below(256) as u8),
                    }
                }
                bytes
            };
            let _ = server.0.input(&spoil(hello));
            let _ = server.0.zap_reply(reply(ZapStatus::Success));
            let welcome = spoil(server.said());
            let _ = client.0.input(&welcome);
            let initiate = spoil(client.said());
            let _ = server.0.input(&initiate);
            let _ = server.0.zap_reply(reply(ZapStatus::Success));
            let _ = client.0.input(&spoil(server.said()));
        }
    }
}
