//! Whole handshakes between two sides of this library, with an authenticator between them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::{reply, securities};
use crate::crypto::keys::keypair;
use crate::engine::config::{Security, Zap};
use crate::engine::zmtp::tests::config;
use crate::engine::{
    ClientKeys, Config, Failure, Handshake, Peer, Progress, ServerKeys, ZapRequest, ZapStatus,
};
use crate::errno::Errno;
use crate::options::SocketType;
use crate::random::Random;
use std::sync::Arc;

/// The behaviour of the authenticator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Authenticator {
    Absent,
    /// It never answers.
    Mute,
    Says(ZapStatus),
}

/// One end of a pair, with the bytes on their way to it.
pub struct End {
    handshake: Handshake,
    arriving: Vec<u8>,
    pub asked: Vec<ZapRequest>,
    pub denied: Option<ZapStatus>,
    pub outcome: Option<Result<Peer, Failure>>,
}

impl End {
    pub fn new(config: Config) -> End {
        let handshake = Handshake::new(config);
        End { handshake, arriving: Vec::new(), asked: Vec::new(), denied: None, outcome: None }
    }

    /// Lets at most `piece` bytes arrive.
    fn turn(&mut self, other: &mut End, piece: usize, authenticator: Authenticator) {
        if self.outcome.is_none() && !self.arriving.is_empty() {
            let given: Vec<u8> = self.arriving[..piece.min(self.arriving.len())].to_vec();
            let progress = self.handshake.input(&given).map(|(consumed, progress)| {
                self.arriving.drain(..consumed);
                progress
            });
            self.take(progress);
        } else if self.outcome.is_none() && !self.asked.is_empty() && self.denied.is_none() {
            // A reply without a request changes nothing, so it may come repeatedly.
            let progress = match authenticator {
                Authenticator::Absent => self.handshake.zap_unavailable(),
                Authenticator::Mute => Ok(Progress::More),
                Authenticator::Says(status) => self.handshake.zap_reply(reply(status)),
            };
            self.take(progress);
        }
        self.handshake.output(&mut other.arriving);
    }

    fn take(&mut self, progress: Result<Progress, Failure>) {
        match progress {
            Ok(Progress::More) => {}
            Ok(Progress::Zap(request)) => self.asked.push(request),
            Ok(Progress::Denied(status)) => self.denied = Some(status),
            Ok(Progress::Done(peer)) => self.outcome = Some(Ok(peer)),
            Err(failure) => self.outcome = Some(Err(failure)),
        }
    }

    pub fn is_done(&self) -> bool {
        matches!(self.outcome, Some(Ok(_)))
    }
}

/// Exchanges bytes in pieces of any length until none are left.
pub fn talk(a: Config, b: Config, authenticator: Authenticator, seed: u64) -> (End, End) {
    let mut random = Random::seeded(seed);
    let (mut a, mut b) = (End::new(a), End::new(b));
    for _ in 0..3000 {
        let piece = 1 + random.below(400);
        match random.below(2) {
            0 => a.turn(&mut b, piece, authenticator),
            _ => b.turn(&mut a, piece, authenticator),
        }
    }
    (a, b)
}

fn client(security: Security) -> Config {
    Config { security, routing_id: b"cli".to_vec(), ..config(SocketType::Dealer) }
}

fn server(security: Security, domain: &[u8], enforce: bool) -> Config {
    let zap = Zap { domain: domain.to_vec(), enforce, peer_address: b"127.0.0.1".to_vec() };
    Config { security, zap, routing_id: b"srv".to_vec(), ..config(SocketType::Router) }
}

/// The sides that belong together: client, server, and the mechanism's name.
fn pairs() -> Vec<(Security, Security, &'static str)> {
    let mut sides = securities();
    let null = sides.remove(0).0;
    let mut pairs = vec![(null.clone(), null, "NULL")];
    let mut sides = sides.into_iter();
    while let (Some((client, name)), Some((server, _))) = (sides.next(), sides.next()) {
        pairs.push((client, server, name));
    }
    pairs
}

const STATUSES: [ZapStatus; 3] =
    [ZapStatus::TemporaryError, ZapStatus::AuthenticationFailure, ZapStatus::InternalError];

#[test]
fn admitted_under_any_chunking() {
    for (mine, theirs, name) in pairs() {
        for seed in 1..40 {
            let says = Authenticator::Says(ZapStatus::Success);
            let (cli, srv) = talk(client(mine.clone()), server(theirs.clone(), b"dom", true), says, seed);
            let [request] = &srv.asked[..] else { panic!("{name} asks once") };
            assert_eq!(request.mechanism, if name == "QZMQ" { "CURVE" } else { name });
            assert_eq!((&request.domain[..], &request.address[..]), (&b"dom"[..], &b"127.0.0.1"[..]));
            assert_eq!(request.routing_id, b"srv");
            assert!(cli.asked.is_empty(), "a client has no authenticator");
            let of_client = srv.outcome.unwrap().unwrap();
            assert_eq!(of_client.routing_id, b"cli");
            assert_eq!(of_client.socket_type.as_deref(), Some("DEALER"));
            assert_eq!(of_client.properties[0], ("User-Id".to_owned(), b"ann".to_vec()));
            assert_eq!(of_client.properties[1], ("Hello".to_owned(), b"World".to_vec()));
            let of_server = cli.outcome.unwrap().unwrap();
            assert_eq!(of_server.socket_type.as_deref(), Some("ROUTER"));
            assert!(of_server.properties.iter().all(|(name, _)| name != "User-Id"));
            assert!(cli.arriving.is_empty() && srv.arriving.is_empty());
        }
    }
}

#[test]
fn denied_under_any_chunking() {
    for (mine, theirs, name) in pairs() {
        for (status, seed) in STATUSES.into_iter().flat_map(|status| (1..15).map(move |seed| (status, seed)))
        {
            let says = Authenticator::Says(status);
            let (cli, srv) = talk(client(mine.clone()), server(theirs.clone(), b"dom", false), says, seed);
            assert_eq!(srv.denied, Some(status), "{name}");
            assert_eq!(srv.outcome, None, "{name}: silent until the peer has gone");
            match status {
                ZapStatus::TemporaryError => assert_eq!(cli.outcome, None, "it learns nothing"),
                _ => assert_eq!(cli.outcome, Some(Err(Failure::Auth(status.code()))), "{name}"),
            }
        }
    }
}

#[test]
fn no_client_is_accepted_while_the_authenticator_is_silent() {
    for (mine, theirs, _) in pairs() {
        let (cli, srv) = talk(client(mine), server(theirs, b"dom", true), Authenticator::Mute, 5);
        assert_eq!((cli.outcome, srv.outcome, srv.denied), (None, None, None));
        assert_eq!(srv.asked.len(), 1);
    }
}

#[test]
fn clients_accepted_without_an_authenticator() {
    for (mine, theirs, name) in pairs() {
        for (domain, enforce) in [(&b""[..], false), (b"", true), (b"dom", false), (b"dom", true)] {
            let server = server(theirs.clone(), domain, enforce);
            let (cli, srv) = talk(client(mine.clone()), server, Authenticator::Absent, 9);
            let expected = match name {
                "NULL" => !enforce || domain.is_empty(),
                "CURVE" | "QZMQ" => !enforce || domain.is_empty(),
                _ => false,
            };
            assert_eq!(cli.is_done() && srv.is_done(), expected, "{name} {domain:?} {enforce}");
            if !expected {
                assert_eq!(srv.outcome, Some(Err(Failure::NoDetail(Errno::FAULT))));
                assert_eq!(cli.outcome, None);
            }
        }
    }
}

#[test]
fn null_without_a_domain_sends_no_request() {
    let (cli, srv) = talk(client(Security::Null), server(Security::Null, b"", false), Authenticator::Mute, 3);
    assert!(srv.asked.is_empty() && srv.is_done() && cli.is_done());
}

#[test]
fn two_of_the_same_side_never_agree() {
    for (security, name) in securities().into_iter().skip(1) {
        let says = Authenticator::Says(ZapStatus::Success);
        let (a, b) = talk(client(security.clone()), server(security, b"dom", false), says, 3);
        assert!(!a.is_done() && !b.is_done(), "{name}");
        assert!(a.asked.is_empty() && b.asked.is_empty(), "{name}");
    }
}

#[test]
fn types_that_do_not_go_together_never_agree() {
    for (mine, theirs, name) in pairs() {
        let puller = Config { security: mine, ..config(SocketType::Pull) };
        let says = Authenticator::Says(ZapStatus::Success);
        let (a, b) = talk(puller, server(theirs, b"dom", false), says, 3);
        assert!(!a.is_done() && !b.is_done(), "{name}");
    }
}

#[test]
fn a_slow_client_comes_back_with_an_expired_cookie() {
    let (public, secret) = keypair().unwrap();
    let keys = Arc::new(ServerKeys::new(secret));
    for (rotations, alive) in [(0, true), (1, true), (2, false)] {
        let (own_public, own_secret) = keypair().unwrap();
        let own = ClientKeys { public: own_public, secret: own_secret, server: public };
        let mut cli = Handshake::new(client(Security::CurveClient(Arc::new(own))));
        let mut srv = Handshake::new(server(Security::CurveServer(Arc::clone(&keys)), b"", false));
        let mut said = Vec::new();
        loop {
            cli.output(&mut said);
            if said.windows(9).any(|name| name == b"\x08INITIATE") {
                break;
            }
            assert!(matches!(srv.input(&said), Ok((_, Progress::More))));
            said.clear();
            srv.output(&mut said);
            assert!(matches!(cli.input(&said), Ok((_, Progress::More))));
            said.clear();
        }
        // Other peers are accepted meanwhile.
        for rotation in 1..=rotations {
            keys.rotate_cookies(rotations * 1_000_000 + rotation * 60_000);
        }
        match srv.input(&said) {
            Ok((_, Progress::Zap(_))) => assert!(alive, "{rotations}"),
            outcome => assert!(!alive && outcome.is_err_and(|failure| failure == Failure::CRYPTOGRAPHIC)),
        }
    }
}
