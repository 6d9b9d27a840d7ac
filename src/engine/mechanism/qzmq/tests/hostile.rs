//! Peers that break the protocol: each field truncated, swapped, of a wrong size, commands out of order.

use super::{Side, configs};
use crate::crypto::KemSuite;
use crate::engine::zmtp::frame;
use crate::engine::{Config, Failure};
use crate::message::COMMAND;
use crate::random::Random;

/// Bytes of a greeting.
const GREETING_BYTES: usize = 64;

pub fn framed(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::append_frame(&mut out, COMMAND, body);
    out
}

pub fn body_of(framed: &[u8]) -> Vec<u8> {
    let header = frame::parse_header(framed).unwrap().unwrap();
    assert_eq!(header.frame_len(), framed.len());
    framed[header.header_len..].to_vec()
}

/// A client and a server that have greeted each other, and the client's HELLO.
pub fn greeted(mine: &Config, theirs: &Config) -> (Side, Side, Vec<u8>) {
    let (mut client, mut server) = (Side::new(mine), Side::new(theirs));
    let (from_client, from_server) = (client.said(), server.said());
    let more = server.hear(&from_client);
    let answer = client.hear(&[from_server, more].concat());
    let rest = server.hear(&answer[..GREETING_BYTES - from_client.len()]);
    let hello = client.hear(&rest);
    let hello = [&answer[GREETING_BYTES - from_client.len()..], &hello].concat();
    (client, server, body_of(&hello))
}

/// What a server says of a HELLO that was made from a good one.
fn told(kem: KemSuite, make: impl FnOnce(&mut Vec<u8>)) -> Option<Failure> {
    let (mine, theirs) = configs(kem);
    let (_client, mut server, mut hello) = greeted(&mine, &theirs);
    make(&mut hello);
    let answer = server.hear(&framed(&hello));
    let failure = server.outcome.map(|outcome| outcome.map(|_| ()).unwrap_err());
    assert!(failure.is_none() || answer.is_empty(), "faults are not answered");
    failure
}

#[test]
fn every_field_of_a_hello_is_checked() {
    let kem = KemSuite::XWing;
    // Where fields lie: name, version, mode, KEM, random, count, suites, key, id, ciphertext, length, box, cookie.
    let key_at = 6 + 4 + 32 + 1 + 2;
    let id_at = key_at + kem.public_bytes();
    let ciphertext_at = id_at + 8;
    let length_at = ciphertext_at + kem.ciphertext_bytes();
    assert_eq!(told(kem, |_| {}), None);
    let malformed = Some(Failure::MALFORMED_HELLO);
    assert_eq!(told(kem, |hello| hello[6] = 2), malformed, "major version");
    assert_eq!(told(kem, |hello| hello[7] = 9), Some(Failure::CRYPTOGRAPHIC), "minor version");
    assert_eq!(told(kem, |hello| hello[8] = 2), malformed, "mode");
    for number in [0, 2, 3, 255] {
        assert_eq!(told(kem, |hello| hello[9] = number), malformed, "KEM");
    }
    for count in [0, 9, 255] {
        assert_eq!(told(kem, |hello| hello[42] = count), malformed, "number of suites");
    }
    for suite in [0, 3, 99] {
        assert_eq!(told(kem, |hello| hello[43] = suite), Some(Failure::CRYPTOGRAPHIC), "the first suite");
    }
    assert_eq!(told(kem, |hello| hello.swap(43, 44)), Some(Failure::CRYPTOGRAPHIC), "order of suites");
    assert_eq!(told(kem, |hello| hello[id_at] ^= 1), Some(Failure::CRYPTOGRAPHIC), "the server's key");
    assert_eq!(told(kem, |hello| hello[ciphertext_at] ^= 1), Some(Failure::CRYPTOGRAPHIC));
    assert_eq!(told(kem, |hello| hello[key_at..id_at].fill(0xff)), Some(Failure::CRYPTOGRAPHIC));
    for len in [0u16, 15, 16, 1239, 1241, 6159, 65535] {
        let set = |hello: &mut Vec<u8>| hello[length_at..length_at + 2].copy_from_slice(&len.to_be_bytes());
        assert_eq!(told(kem, set), malformed, "box of {len}");
    }
    assert_eq!(told(kem, |hello| *hello.last_mut().unwrap() = 1), malformed, "a cookie that is not there");
    assert_eq!(told(kem, |hello| hello.push(0)), malformed);
}

#[test]
fn truncated_commands_are_refused_at_every_length() {
    let (mine, theirs) = configs(KemSuite::XWing);
    let (mut client, mut server, hello) = greeted(&mine, &theirs);
    let welcome = body_of(&server.hear(&framed(&hello)));
    let initiate = body_of(&client.hear(&framed(&welcome)));
    for cut in 1..hello.len() {
        let (_, mut server, _) = greeted(&mine, &theirs);
        server.hear(&framed(&hello[..cut]));
        assert!(matches!(server.outcome, Some(Err(_))), "HELLO of {cut}");
    }
    for cut in (1..welcome.len()).step_by(13).chain(welcome.len() - 17..welcome.len()) {
        let (mut client, _, _) = greeted(&mine, &theirs);
        client.hear(&framed(&welcome[..cut]));
        assert!(matches!(client.outcome, Some(Err(_))), "WELCOME of {cut}");
    }
    for cut in 1..initiate.len() {
        let (mut client, mut server, hello) = greeted(&mine, &theirs);
        let welcome = server.hear(&framed(&hello));
        let initiate = body_of(&client.hear(&welcome));
        server.hear(&framed(&initiate[..cut]));
        assert!(matches!(server.outcome, Some(Err(_))), "INITIATE of {cut}");
    }
}

#[test]
fn commands_of_another_connection_or_out_of_order_are_refused() {
    let (mine, theirs) = configs(KemSuite::XWing);
    let (mut client, mut server, hello) = greeted(&mine, &theirs);
    let welcome = server.hear(&framed(&hello));
    let initiate = client.hear(&welcome);
    let ready = server.hear(&initiate);
    assert!(server.is_done());
    for (name, flight) in [("HELLO", framed(&hello)), ("INITIATE", initiate.clone())] {
        let (_, mut server, hello) = greeted(&mine, &theirs);
        if name == "INITIATE" {
            server.hear(&framed(&hello));
        }
        server.hear(&flight);
        // The replayed HELLO has other greetings only if those differ; its WELCOME opens to no attacker.
        assert!(!server.is_done(), "{name} of another connection");
    }
    for flight in [welcome, ready] {
        let (mut client, ..) = greeted(&mine, &theirs);
        client.hear(&flight);
        assert!(matches!(client.outcome, Some(Err(_))));
    }
    let (_, mut server, _) = greeted(&mine, &theirs);
    server.hear(&initiate);
    assert!(matches!(server.outcome, Some(Err(Failure::UNEXPECTED_COMMAND))));
}

#[test]
fn frames_with_other_headers_are_refused() {
    let (mine, theirs) = configs(KemSuite::XWing);
    for flags in [0x00, 0x02, 0x03, 0x07, 0x0e, 0x86] {
        let (_, mut server, hello) = greeted(&mine, &theirs);
        let mut frame = framed(&hello);
        frame[0] = flags;
        server.hear(&frame);
        assert!(!server.is_done() && server.said().is_empty(), "{flags}");
    }
}

#[test]
fn garbage_is_refused_and_never_panics() {
    let (mine, theirs) = configs(KemSuite::XWing);
    let mut random = Random::seeded(7);
    for round in 0..300 {
        let (mut client, mut server, mut hello) = greeted(&mine, &theirs);
        let from = random.below(hello.len());
        let len = random.below(hello.len() - from).min(64) + 1;
        for byte in hello.iter_mut().skip(from).take(len) {
            *byte = random.below(256) as u8;
        }
        let answer = server.hear(&framed(&hello));
        let mut answer = if answer.is_empty() { framed(b"\x07WELCOME") } else { answer };
        let at = random.below(answer.len());
        answer[at] ^= 1 + random.below(255) as u8;
        client.hear(&answer);
        assert!(!client.is_done() && !server.is_done(), "{round}");
    }
}
