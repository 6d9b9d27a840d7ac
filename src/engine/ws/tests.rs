//! Whole handshakes over WebSocket: between two sides of this library, and with hostile peers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::engine::mechanism::tests::{reply, securities};
use crate::engine::zmtp::Version;
use crate::engine::zmtp::tests::config;
use crate::engine::{Config, Failure, Peer, Progress, ZapStatus};
use crate::options::SocketType;
use crate::random::{Random, noise};

struct End {
    handshake: Handshake,
    arriving: Vec<u8>,
    asked: bool,
    outcome: Option<Result<Peer, Failure>>,
}

fn client() -> Role {
    Role::Client { host: "localhost:80".into(), path: "/".into() }
}

impl End {
    fn new(role: &Role, config: Config) -> End {
        let handshake = Handshake::new(role, config);
        End { handshake, arriving: Vec::new(), asked: false, outcome: None }
    }

    fn turn(&mut self, other: &mut End, piece: usize) {
        if self.outcome.is_none() && !self.arriving.is_empty() {
            let given = self.arriving[..piece.min(self.arriving.len())].to_vec();
            let progress = self.handshake.input(&given).map(|(taken, progress)| {
                self.arriving.drain(..taken);
                progress
            });
            self.take(progress);
        } else if self.asked && self.outcome.is_none() {
            let progress = self.handshake.zap_reply(reply(ZapStatus::Success));
            self.take(progress);
        }
        self.handshake.output(&mut other.arriving);
    }

    fn take(&mut self, progress: Result<Progress, Failure>) {
        match progress {
            Ok(Progress::More) => {}
            Ok(Progress::Zap(_)) => self.asked = true,
            Ok(Progress::Denied(_)) => panic!("nobody is denied here"),
            Ok(Progress::Done(peer)) => self.outcome = Some(Ok(peer)),
            Err(failure) => self.outcome = Some(Err(failure)),
        }
    }
}

fn talk(a: Config, b: Config, seed: u64) -> (End, End) {
    let mut random = Random::seeded(seed);
    let (mut a, mut b) = (End::new(&client(), a), End::new(&Role::Server, b));
    let mut turns = 0..3000;
    while turns.next().is_some() && (a.outcome.is_none() || b.outcome.is_none()) {
        let piece = 1 + random.below(90);
        match random.below(2) {
            0 => a.turn(&mut b, piece),
            _ => b.turn(&mut a, piece),
        }
    }
    (a, b)
}

#[test]
fn every_mechanism_completes_with_pieces_of_any_size() {
    for (ours, name) in securities() {
        if ["GSSAPI", "QZMQ"].contains(&name) {
            continue;
        }
        for (theirs, _) in securities().into_iter().filter(|(_, other)| *other == name) {
            for seed in 1..20 {
                let a = Config {
                    security: ours.clone(),
                    routing_id: b"me".to_vec(),
                    ..config(SocketType::Dealer)
                };
                let mut b = Config { security: theirs.clone(), ..config(SocketType::Router) };
                b.zap.domain = b"home".to_vec();
                // The connecting side need not be the mechanism's client.
                let fits = name == "NULL" || format!("{ours:?}") != format!("{theirs:?}");
                let (a, b) = talk(a, b, seed);
                // The keys do not belong together.
                let fits = fits && name != "CURVE";
                if fits {
                    let (a, b) = (a.outcome.unwrap().unwrap(), b.outcome.unwrap().unwrap());
                    assert_eq!((a.version, b.version), (Version::V3_0, Version::V3_0));
                    assert_eq!(b.routing_id, b"me");
                } else {
                    assert!(!matches!(a.outcome, Some(Ok(_))), "{ours:?} {theirs:?}");
                }
            }
        }
    }
}

#[cfg(feature = "qzmq")]
fn sides_of_qzmq() -> [Config; 2] {
    let mut sides = securities().into_iter().filter(|(_, name)| *name == "QZMQ").map(|(side, _)| side);
    let mut side = |kind| Config { security: sides.next().unwrap(), ..config(kind) };
    [side(SocketType::Dealer), side(SocketType::Router)]
}

#[cfg(feature = "qzmq")]
#[test]
fn qzmq_completes_with_pieces_of_any_size() {
    for (seed, turned) in [(1, false), (2, true)] {
        let [client, server] = sides_of_qzmq();
        // The connecting side need not be the mechanism's client.
        let (a, b) = if turned { talk(server, client, seed) } else { talk(client, server, seed) };
        for side in [a, b] {
            assert!(matches!(side.outcome.unwrap().unwrap().codec, crate::engine::Codec::Qzmq(_)));
        }
    }
}

/// The byte is in no transcript, so it has one value.
#[cfg(feature = "qzmq")]
#[test]
fn commands_of_qzmq_begin_with_the_one_byte() {
    for first in (0..=255_u8).filter(|first| cfg!(not(miri)) || *first < 8) {
        let [client_side, server_side] = sides_of_qzmq();
        let (mut a, mut b) = (End::new(&client(), client_side), End::new(&Role::Server, server_side));
        a.turn(&mut b, 4096);
        b.turn(&mut a, 4096);
        assert!(b.outcome.is_none());
        b.arriving.clear();
        a.turn(&mut b, 4096);
        // HELLO's frame: two bytes, a length of two, and the mask, which is over the first byte of the payload too.
        assert_eq!((b.arriving[0], b.arriving[1]), (0x82, 0x80 | 126));
        b.arriving[8] ^= frame::COMMAND ^ first;
        b.turn(&mut a, 8192);
        assert_eq!(b.outcome.is_none(), first == frame::COMMAND, "{first}");
    }
}

/// A client that may fall back offers both names, and the answer is no more than a reason for another connection.
#[cfg(feature = "qzmq")]
#[test]
fn servers_take_what_they_speak_of_what_is_offered() {
    use crate::crypto::keys::keypair;
    use crate::engine::{ClientKeys, Codec, Security, ServerKeys};
    use std::sync::Arc;
    let (public, secret) = keypair().unwrap();
    let (server, server_secret) = keypair().unwrap();
    let curve_client = Arc::new(ClientKeys { public, secret, server });
    let curve_server = Arc::new(ServerKeys::new(server_secret));
    let [client, server] = sides_of_qzmq();
    let (Security::QzmqClient(qzmq_client), Security::QzmqServer(qzmq_server)) =
        (client.security.clone(), server.security.clone())
    else {
        panic!("two sides")
    };
    let with = |config: &Config, security| Config { security, ..config.clone() };
    let falls_back = with(&client, Security::QzmqClientWithFallback(qzmq_client, Arc::clone(&curve_client)));
    let of_both = with(&server, Security::QzmqServerBesideCurve(qzmq_server, Arc::clone(&curve_server)));
    let (a, b) = talk(falls_back.clone(), of_both.clone(), 4);
    assert!(matches!(a.outcome, Some(Ok(Peer { codec: Codec::Qzmq(_), .. }))) && b.outcome.unwrap().is_ok());
    let (a, b) = talk(with(&client, Security::CurveClient(curve_client)), of_both, 5);
    assert!(matches!(a.outcome, Some(Ok(Peer { codec: Codec::Curve(_), .. }))) && b.outcome.unwrap().is_ok());
    let (a, b) = talk(falls_back, with(&server, Security::CurveServer(curve_server)), 6);
    assert!(a.outcome == Some(Err(Failure::Fallback)) && !matches!(b.outcome, Some(Ok(_))));
}

/// The upgrade has a place of its own for the mechanism; nothing of the mechanism is said before both sides have agreed there.
#[cfg(feature = "qzmq")]
#[test]
fn qzmq_and_another_mechanism_do_not_meet() {
    let sides: Vec<_> = securities().into_iter().filter(|(_, name)| *name == "QZMQ").collect();
    let [(ours, _), (theirs, _)] = &sides[..] else { panic!("two sides") };
    for (a, b) in [(ours, &crate::engine::Security::PlainServer), (&crate::engine::Security::Null, theirs)] {
        let a = Config { security: a.clone(), ..config(SocketType::Dealer) };
        let b = Config { security: b.clone(), ..config(SocketType::Router) };
        let (a, b) = talk(a, b, 3);
        assert!(matches!(b.outcome, Some(Err(_))) && !matches!(a.outcome, Some(Ok(_))));
    }
}

#[test]
fn curve_seals_over_websocket_too() {
    use crate::crypto::keys::keypair;
    use crate::engine::{ClientKeys, Security, ServerKeys};
    use std::sync::Arc;
    let (public, secret) = keypair().unwrap();
    let (server, server_secret) = keypair().unwrap();
    let keys = Arc::new(ClientKeys { public, secret, server });
    let a = Config { security: Security::CurveClient(keys), ..config(SocketType::Push) };
    let keys = Arc::new(ServerKeys::new(server_secret));
    let b = Config { security: Security::CurveServer(keys), ..config(SocketType::Pull) };
    let (a, b) = talk(a, b, 5);
    let (a, b) = (a.outcome.unwrap().unwrap(), b.outcome.unwrap().unwrap());
    let (mut outgoing, _) = codec(&client(), a.codec);
    let (_, mut incoming) = codec(&Role::Server, b.codec);
    for body in [&b"hi"[..], b"", &[7; 70_000]] {
        let mut wire = Vec::new();
        outgoing.append(&mut wire, crate::message::MORE, body).unwrap();
        let header = frame::parse_header(&wire, true).unwrap().unwrap();
        let payload = &mut wire[header.header_len..];
        let (flags, skip) = incoming.open(header.mask, payload).unwrap();
        assert_eq!((flags, &payload[skip..]), (crate::message::MORE, body));
    }
}

/// A server that has granted a client's request, and the bytes it has sent since.
fn granted(fields: &str) -> (Handshake, Vec<u8>) {
    let mut server = Handshake::new(&Role::Server, config(SocketType::Router));
    let request = format!(
        "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: abc\r\n{fields}\r\n"
    );
    assert!(matches!(server.input(request.as_bytes()), Ok((_, Progress::More))));
    let mut said = Vec::new();
    server.output(&mut said);
    assert!(said.starts_with(b"HTTP/1.1 101 "));
    let end = said.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    (server, said.split_off(end))
}

fn masked(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut masks = Masks::default();
    let mut out = Vec::new();
    match opcode {
        Opcode::Binary => frame::append_binary(&mut out, Some(&mut masks), payload[0], &[], &payload[1..]),
        _ => frame::append_control(&mut out, opcode, Some(&mut masks), payload),
    }
    out
}

#[test]
fn without_a_mechanism_routing_ids_come_first() {
    let (mut server, said) = granted("Sec-WebSocket-Protocol: ZWS2.0\r\n");
    assert_eq!(said, b"\x82\x01\0", "our routing id, which is empty");
    let mut wire = masked(Opcode::Binary, b"\0ann");
    let taken = wire.len();
    wire.extend_from_slice(b"next");
    match server.input(&wire) {
        Ok((n, Progress::Done(peer))) => {
            assert_eq!((n, &peer.routing_id[..], peer.version), (taken, &b"ann"[..], Version::V3_0));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_server_may_agree_to_a_mechanism_and_not_speak_it() {
    for (domain, fits) in [(&b""[..], true), (b"home", false)] {
        let mut ours = config(SocketType::Dealer);
        ours.zap.domain = domain.to_vec();
        let mut client = Handshake::new(&client(), ours);
        let mut said = Vec::new();
        client.output(&mut said);
        let mut head = upgrade::Head::of_request();
        head.input(&mut &said[..]).unwrap();
        let (accept_key, _) = head.read_request(&config(SocketType::Router)).unwrap();
        let mut wire = Vec::new();
        upgrade::append_answer(&mut wire, &accept_key, Subprotocol::Null);
        wire.extend_from_slice(b"\x82\x03\0me");
        assert_eq!(matches!(client.input(&wire), Ok((_, Progress::Done(_)))), fits);
    }
}

#[test]
fn pings_are_answered_but_not_without_end() {
    let (mut server, said) = granted("Sec-WebSocket-Protocol: ZWS2.0/NULL\r\n");
    assert!(said.starts_with(b"\x82"), "READY");
    let ping = masked(Opcode::Ping, b"yo");
    let mut answered = 0;
    while server.input(&ping).is_ok() {
        let mut pong = Vec::new();
        server.output(&mut pong);
        assert_eq!(pong, b"\x8a\x02yo");
        answered += 1;
        assert!(answered < 100);
    }
    assert!(answered > 3);
}

#[test]
fn frames_too_large_for_a_handshake_end_it() {
    let (mut server, _) = granted("Sec-WebSocket-Protocol: ZWS2.0/NULL\r\n");
    assert_eq!(server.input(b"\x82\xff\0\0\0\0\0\x10\0\0mask").unwrap_err(), Failure::TOO_LARGE);
    for bytes in [&b"\x82\x05\x02READ"[..], b"\x02", b"\x81", b"\x88\x80mask", b"\x82\x80mask"] {
        let (mut server, _) = granted("Sec-WebSocket-Protocol: ZWS2.0/NULL\r\n");
        assert_eq!(server.input(bytes).unwrap_err(), Failure::SILENT, "{bytes:?}");
        assert_eq!(server.input(b"x").unwrap_err(), Failure::SILENT, "no bytes are taken after a failure");
    }
}

#[test]
fn other_requests_get_a_refusal() {
    let mut server = Handshake::new(&Role::Server, config(SocketType::Router));
    assert_eq!(server.input(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap_err(), Failure::WS_UNSPECIFIED);
    let mut said = Vec::new();
    server.output(&mut said);
    assert!(said.starts_with(b"HTTP/1.1 400 "));
}

#[test]
fn no_bytes_make_it_panic_or_hold_much() {
    for round in 0..300 {
        let (mut server, _) = granted("Sec-WebSocket-Protocol: ZWS2.0/NULL\r\n");
        let noise = noise(round, 200);
        let mut bytes = if round % 2 == 0 { masked(Opcode::Binary, &noise[..100]) } else { Vec::new() };
        bytes.extend(noise);
        let _ = server.input(&bytes);
        let mut client = Handshake::new(&client(), config(SocketType::Dealer));
        let _ = client.input(&bytes);
    }
}
