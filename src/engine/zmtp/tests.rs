//! Whole handshakes: against ourselves, against transcripts of other versions, and against garbage.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::handshake::{Handshake, Progress};
use super::peer::Peer;
use super::{Version, frame, socket_type};
use crate::engine::config::Zap;
use crate::engine::mechanism::tests::securities;
use crate::engine::{Codec, Config, Failure, Security};
use crate::errno::Errno;
use crate::options::SocketType;
use crate::random::Random;

pub const ALL_TYPES: [SocketType; 21] = [
    SocketType::Pair,
    SocketType::Pub,
    SocketType::Sub,
    SocketType::Req,
    SocketType::Rep,
    SocketType::Dealer,
    SocketType::Router,
    SocketType::Pull,
    SocketType::Push,
    SocketType::Xpub,
    SocketType::Xsub,
    SocketType::Stream,
    SocketType::Server,
    SocketType::Client,
    SocketType::Radio,
    SocketType::Dish,
    SocketType::Gather,
    SocketType::Scatter,
    SocketType::Dgram,
    SocketType::Peer,
    SocketType::Channel,
];

const SIGNATURE: &[u8] = b"\xff\0\0\0\0\0\0\0\x01\x7f";
const READY_DEALER: &[u8] = b"\x04,\x05READY\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\x03abc";

/// The second since 1970 at which handshakes are made.
pub const WALL_CLOCK_S: u64 = 1_800_000_000;

/// NULL, no routing id.
pub fn config(socket_type: SocketType) -> Config {
    Config {
        socket_type,
        security: Security::Null,
        zap: Default::default(),
        routing_id: Vec::new(),
        recv_routing_id: matches!(socket_type, SocketType::Router | SocketType::Rep),
        app_metadata: Default::default(),
        wall_clock: || WALL_CLOCK_S,
        key_log: None,
    }
}

/// A greeting of ZMTP 3, or an older one.
pub fn greeting(revision: u8, minor: u8, mechanism: &str) -> Vec<u8> {
    let mut bytes = [SIGNATURE, &[revision, minor], mechanism.as_bytes()].concat();
    bytes.resize(64, 0);
    bytes
}

/// All that can be observed of one handshake.
#[derive(Debug, PartialEq)]
struct Seen {
    /// `None` while more bytes are due.
    outcome: Option<Result<Peer, Failure>>,
    consumed: usize,
    sent: Vec<u8>,
}

/// Feeds a transcript in pieces of the lengths that `piece` gives.
fn feed(config: &Config, bytes: &[u8], mut piece: impl FnMut() -> usize) -> Seen {
    let mut handshake = Handshake::new(config.clone());
    let mut seen = Seen { outcome: None, consumed: 0, sent: Vec::new() };
    handshake.output(&mut seen.sent);
    while seen.outcome.is_none() && seen.consumed < bytes.len() {
        let end = bytes.len().min(seen.consumed + piece().max(1));
        let given = &bytes[seen.consumed..end];
        match handshake.input(given) {
            Ok((consumed, Progress::More)) => {
                assert_eq!(consumed, given.len());
                seen.consumed += consumed;
            }
            Ok((_, Progress::Zap(_) | Progress::Denied(_))) => panic!("nobody is to be asked here"),
            Ok((consumed, Progress::Done(peer))) => {
                assert!(consumed <= given.len());
                seen.consumed += consumed;
                seen.outcome = Some(Ok(peer));
            }
            Err(failure) => {
                // The position within the piece is not compared.
                seen.consumed = 0;
                seen.outcome = Some(Err(failure));
            }
        }
        handshake.output(&mut seen.sent);
    }
    if seen.outcome.is_some() {
        assert_eq!(
            handshake.input(b"\0").unwrap_err(),
            Failure::SILENT,
            "no bytes are taken after a failure"
        );
    }
    seen
}

fn at_once(config: &Config, bytes: &[u8]) -> Seen {
    feed(config, bytes, || usize::MAX)
}

/// A peer and the bytes it was sent; its transcript must end with two bytes that are not for the handshake.
fn accepted(config: &Config, bytes: &[u8]) -> (Peer, Vec<u8>) {
    let seen = at_once(config, bytes);
    assert_eq!(seen.consumed, bytes.len() - 2, "{seen:?}");
    (seen.outcome.unwrap().unwrap(), seen.sent)
}

fn refused(config: &Config, bytes: &[u8]) -> Failure {
    at_once(config, bytes).outcome.unwrap().unwrap_err()
}

fn router() -> Config {
    Config { routing_id: b"me".to_vec(), ..config(SocketType::Router) }
}

/// A plain peer without properties.
fn peer(version: Version, routing_id: &[u8]) -> Peer {
    Peer {
        version,
        routing_id: routing_id.to_vec(),
        socket_type: None,
        properties: Vec::new(),
        public_key: None,
        phantom_subscription: false,
        codec: Codec::Clear,
    }
}

/// One end of a pair, with the bytes on their way to it.
struct End {
    handshake: Handshake,
    arriving: Vec<u8>,
    outcome: Option<Result<Peer, Failure>>,
}

impl End {
    fn new(config: Config) -> End {
        End { handshake: Handshake::new(config), arriving: Vec::new(), outcome: None }
    }

    /// Lets at most `piece` bytes arrive.
    fn turn(&mut self, other: &mut End, piece: usize) {
        self.handshake.output(&mut other.arriving);
        if self.outcome.is_some() || self.arriving.is_empty() {
            return;
        }
        let given: Vec<u8> = self.arriving[..piece.min(self.arriving.len())].to_vec();
        match self.handshake.input(&given) {
            Ok((consumed, progress)) => {
                self.arriving.drain(..consumed);
                if let Progress::Done(peer) = progress {
                    self.outcome = Some(Ok(peer));
                    self.handshake.output(&mut other.arriving);
                    frame::append_frame(&mut other.arriving, 0, b"hello");
                }
            }
            Err(failure) => self.outcome = Some(Err(failure)),
        }
    }
}

fn pair(a: Config, b: Config, seed: u64) -> (End, End) {
    let mut random = Random::seeded(seed);
    let (mut a, mut b) = (End::new(a), End::new(b));
    for _ in 0..10_000 {
        let piece = 1 + random.below(90);
        if random.below(2) == 0 {
            a.turn(&mut b, piece);
        } else {
            b.turn(&mut a, piece);
        }
        let both = a.outcome.is_some() && b.outcome.is_some();
        if both || matches!(a.outcome, Some(Err(_))) || matches!(b.outcome, Some(Err(_))) {
            break;
        }
    }
    (a, b)
}

#[test]
fn two_of_us_agree_under_any_chunking() {
    for seed in 1..200 {
        let dealer = Config { routing_id: b"dee".to_vec(), ..config(SocketType::Dealer) };
        let mut router = router();
        router.app_metadata.insert("X-long".into(), "v".repeat(300).as_str().into());
        let (dealer, router) = pair(dealer, router, seed);
        let of_router = dealer.outcome.unwrap().unwrap();
        assert_eq!(of_router.version, Version::V3_1);
        assert_eq!(of_router.routing_id, b"", "DEALER uses no routing ids");
        assert_eq!(of_router.socket_type.as_deref(), Some("ROUTER"));
        assert_eq!(of_router.properties[1], ("Identity".to_owned(), b"me".to_vec()));
        assert_eq!(of_router.properties[2], ("X-long".to_owned(), vec![b'v'; 300]));
        let of_dealer = router.outcome.unwrap().unwrap();
        assert_eq!(of_dealer.routing_id, b"dee");
        assert_eq!(of_dealer.socket_type.as_deref(), Some("DEALER"));
        // Either may have finished while the other's first message was under way; no byte of it is lost.
        assert!(b"\0\x05hello".starts_with(&dealer.arriving));
        assert!(b"\0\x05hello".starts_with(&router.arriving));
        assert!(dealer.arriving.len() + router.arriving.len() >= 7);
    }
}

#[test]
fn every_two_types_agree_or_not() {
    for ours in ALL_TYPES {
        for theirs in ALL_TYPES {
            let (a, b) = pair(config(ours), config(theirs), 7);
            if socket_type::compatible(ours, socket_type::name(theirs).as_bytes()) {
                assert!(matches!((a.outcome, b.outcome), (Some(Ok(_)), Some(Ok(_)))), "{ours:?} {theirs:?}");
            } else {
                let failed = |end: &End| end.outcome == Some(Err(Failure::Errno(Errno::INVAL)));
                assert!(failed(&a) || failed(&b), "{ours:?} {theirs:?}");
            }
        }
    }
}

#[test]
fn zmtp_3_is_spoken_as_libzmq_speaks_it() {
    for (minor, version) in [(0, Version::V3_0), (1, Version::V3_1)] {
        let bytes = [&greeting(3, minor, "NULL")[..], READY_DEALER, b"\0\x02"].concat();
        let (peer, sent) = accepted(&router(), &bytes);
        assert_eq!(peer.version, version);
        assert_eq!(peer.routing_id, b"abc");
        let mut ours = greeting(3, 1, "NULL");
        ours[8] = 3;
        ours.extend_from_slice(b"\x04+\x05READY\x0bSocket-Type\0\0\0\x06ROUTER\x08Identity\0\0\0\x02me");
        assert_eq!(sent, ours);
    }
}

#[test]
fn zmtp_2_is_spoken_as_libzmq_speaks_it() {
    let bytes = [SIGNATURE, b"\x01\x05", b"\0\x03abc", b"\0\x02"].concat();
    let (seen, sent) = accepted(&router(), &bytes);
    assert_eq!(seen, peer(Version::V2, b"abc"));
    assert_eq!(sent, b"\xff\0\0\0\0\0\0\0\x03\x7f\x03\x06\0\x02me");
}

#[test]
fn zmtp_1_with_a_greeting_is_spoken_as_libzmq_speaks_it() {
    let bytes = [SIGNATURE, b"\0\x05", b"\x04\0abc", b"\x03\0"].concat();
    let (seen, sent) = accepted(&router(), &bytes);
    assert_eq!(seen, peer(Version::V1, b"abc"));
    assert_eq!(sent, b"\xff\0\0\0\0\0\0\0\x03\x7f\x03\x06\x03\0me");
}

#[test]
fn zmtp_1_without_a_greeting_is_spoken_as_libzmq_speaks_it() {
    for id in [&b"\x04\0abc"[..], b"\xff\0\0\0\0\0\0\0\x04\0abc"] {
        let (seen, sent) = accepted(&router(), &[id, b"\x03\0"].concat());
        assert_eq!(seen, peer(Version::V1, b"abc"));
        assert_eq!(sent, b"\xff\0\0\0\0\0\0\0\x03\x7fme");
    }
    for anonymous in [&b"\x01\0"[..], b"\xff\0\0\0\0\0\0\0\x01\0"] {
        let (seen, _) = accepted(&router(), &[anonymous, b"\x03\0"].concat());
        assert_eq!(seen, peer(Version::V1, b""));
    }
}

#[test]
fn only_zmtp_1_subscribers_without_a_greeting_count_as_subscribed() {
    for (ours, phantom) in [(SocketType::Pub, true), (SocketType::Xpub, true), (SocketType::Push, false)] {
        let (seen, _) = accepted(&config(ours), b"\x01\0\x01\0");
        assert_eq!(seen.phantom_subscription, phantom);
        let (seen, _) = accepted(&config(ours), &[SIGNATURE, b"\0\x02\x01\0\x01\0"].concat());
        assert!(!seen.phantom_subscription);
        let (seen, _) = accepted(&config(ours), &[SIGNATURE, b"\x01\x02\0\0\0\0"].concat());
        assert!(!seen.phantom_subscription);
    }
}

#[test]
fn routing_ids_of_older_peers_are_kept_only_where_the_socket_uses_them() {
    let (seen, _) = accepted(&config(SocketType::Dealer), b"\x04\0abc\x03\0");
    assert_eq!(seen, peer(Version::V1, b""));
}

#[test]
fn a_socket_that_authenticates_refuses_older_peers() {
    let zap = Zap { domain: b"dom".to_vec(), ..Default::default() };
    let with_domain = Config { zap, ..router() };
    let secured = securities().into_iter().skip(1).map(|(security, _)| Config { security, ..router() });
    for config in secured.chain([with_domain]) {
        for older in [&b"\x01\0"[..], b"\x01", b"\xff\0\0\0\0\0\0\0\x01\0"] {
            let seen = at_once(&config, older);
            assert_eq!(seen.outcome, Some(Err(Failure::SILENT)));
            assert_eq!(seen.sent.len(), 10, "the peer does not get the routing id");
        }
        for revision in [0, 1] {
            assert_eq!(refused(&config, &[SIGNATURE, &[revision, 5]].concat()), Failure::SILENT);
        }
    }
}

#[test]
fn mechanisms_must_be_the_same_and_never_fall_back() {
    for (security, ours) in securities() {
        for theirs in ["NULL", "PLAIN", "CURVE", "GSSAPI"] {
            let config = Config { security: security.clone(), ..config(SocketType::Dealer) };
            let seen = at_once(&config, &greeting(3, 1, theirs));
            if ours == theirs && ours != "GSSAPI" {
                assert_eq!(seen.outcome, None);
            } else {
                assert_eq!(seen.outcome, Some(Err(Failure::MECHANISM_MISMATCH)), "{security:?} {theirs}");
                assert_eq!(seen.sent.len(), 64, "no byte after the greeting");
            }
        }
    }
    for odd in ["NUL", "NULLX", "null", "NULL\0x", ""] {
        assert_eq!(refused(&router(), &greeting(3, 1, odd)), Failure::MECHANISM_MISMATCH, "{odd}");
    }
}

#[test]
fn flags_of_commands_do_not_matter_as_with_libzmq() {
    for flags in [0, 1, 4, 0xf8] {
        let ready = [&[flags, 6][..], b"\x05READY"].concat();
        accepted(&router(), &[&greeting(3, 1, "NULL")[..], &ready, b"\0\x02"].concat());
    }
    let large = b"\x06\0\0\0\0\0\0\0\x06\x05READY";
    accepted(&router(), &[&greeting(3, 1, "NULL")[..], large, b"\0\x02"].concat());
}

#[test]
fn an_unauthenticated_peer_is_bounded() {
    let limits: [&[u8]; 3] = [
        &[&greeting(3, 1, "NULL")[..], b"\x06\0\0\0\0\0\0\x80\x01"].concat(),
        &[SIGNATURE, b"\x01\x05\x02\0\0\0\0\0\0\x80\x01"].concat(),
        b"\xff\0\0\0\0\0\0\x80\x02\0",
    ];
    for bytes in limits {
        assert_eq!(refused(&router(), bytes), Failure::TOO_LARGE);
        // One byte less is accepted.
        let mut bytes = bytes.to_vec();
        let length_end = bytes.len() - usize::from(bytes.last() == Some(&0)) - 1;
        bytes[length_end] -= 1;
        assert_eq!(at_once(&router(), &bytes).outcome, None);
    }
}

/// Transcripts of valid handshakes, each followed by further bytes.
fn transcripts() -> Vec<Vec<u8>> {
    let null = greeting(3, 1, "NULL");
    vec![
        [&null[..], READY_DEALER, b"\0\x02hi"].concat(),
        [&greeting(3, 0, "NULL")[..], b"\x04\x06\x05READY", b"\0\x02hi"].concat(),
        [&null[..], b"\x04\x0a\x05ERROR\x03400", b"\0\x02hi"].concat(),
        [&null[..], b"\x06\0\0\0\0\0\0\x01\0\x05READY", &b"\x03X-a\0\0\0\x01b".repeat(25), b"\0\x02hi"]
            .concat(),
        [SIGNATURE, b"\x01\x05\0\x03abc\0\x02hi"].concat(),
        [SIGNATURE, b"\0\x05\x04\0abc\x03\0hi"].concat(),
        b"\x04\0abc\x03\0hi".to_vec(),
        b"\xff\0\0\0\0\0\0\0\x04\0abc\x03\0hi".to_vec(),
        greeting(3, 1, "CURVE"),
        b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n".to_vec(),
    ]
}

#[test]
fn chunking_never_changes_the_outcome() {
    let mut random = Random::seeded(0x9e37_79b9_7f4a_7c15);
    let configs =
        [router(), config(SocketType::Xpub), Config { security: Security::PlainServer, ..router() }];
    for bytes in transcripts() {
        for config in &configs {
            let whole = at_once(config, &bytes);
            assert_eq!(feed(config, &bytes, || 1), whole);
            for _ in 0..50 {
                assert_eq!(feed(config, &bytes, || 1 + random.below(20)), whole);
            }
        }
    }
}

#[test]
fn garbage_never_panics_and_is_judged_the_same_in_any_pieces() {
    let mut random = Random::seeded(0xdead_beef_cafe_f00d);
    let transcripts = transcripts();
    let configs =
        [router(), config(SocketType::Dealer), Config { security: Security::PlainServer, ..router() }];
    let edges = [0, 1, 2, 3, 4, 5, 0x7f, 0x80, 0xfe, 0xff];
    for _ in 0..20_000 {
        let mut bytes = transcripts[random.below(transcripts.len())].clone();
        for _ in 0..1 + random.below(4) {
            let at = random.below(bytes.len());
            match random.below(5) {
                0 => bytes[at] = random.below(256) as u8,
                1 => bytes[at] = edges[random.below(edges.len())],
                2 => bytes.insert(at, random.below(256) as u8),
                3 => bytes.truncate(at.max(1)),
                _ => drop(bytes.remove(at)),
            }
            if bytes.is_empty() {
                bytes.push(0xff);
            }
        }
        let config = &configs[random.below(configs.len())];
        let whole = at_once(config, &bytes);
        assert_eq!(feed(config, &bytes, || 1 + random.below(9)), whole, "{bytes:?}");
    }
}
