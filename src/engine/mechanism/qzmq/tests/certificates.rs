//! Certificates on either side, good ones and others.

use super::{Side, client, server, talk};
use crate::crypto::certificate::Refusal;
use crate::crypto::kem::work;
use crate::crypto::{Certificate, Claims, DsaSecret, DsaSuite, KemSecret, KemSuite, Roles, Trust};
use crate::engine::mechanism::qzmq::ask;
use crate::engine::mechanism::qzmq::keys::{ClientKeys, ServerKeys, Settings, Trusted};
use crate::engine::zmtp::frame;
use crate::engine::zmtp::tests::WALL_CLOCK_S;
use crate::engine::{Config, Failure};
use crate::message::COMMAND;
use crate::options::KnownServer;
use std::sync::Arc;

/// An authority, and the keys of a client and a server.
struct Setup {
    authority: DsaSecret,
    own: Arc<KemSecret>,
    server: Arc<KemSecret>,
    trust: Trust,
}

impl Setup {
    fn new(dsa: DsaSuite, kem: KemSuite) -> Setup {
        let secret = || Arc::new(KemSecret::generate(kem).unwrap());
        let authority = DsaSecret::generate(dsa).unwrap();
        let mut trust = Trust::default();
        trust.add(authority.public().clone()).unwrap();
        Setup { authority, own: secret(), server: secret(), trust }
    }

    fn small() -> Setup {
        Setup::new(DsaSuite::MlDsa44, KemSuite::XWing)
    }

    fn claims(&self, secret: &KemSecret, name: &str, roles: Roles) -> Claims {
        Claims {
            name: name.to_owned(),
            public: secret.public().clone(),
            roles,
            not_before_s: WALL_CLOCK_S,
            not_after_s: WALL_CLOCK_S + 1,
        }
    }

    fn of_client(&self) -> Claims {
        self.claims(&self.own, "alice", Roles::Client)
    }

    fn of_server(&self) -> Claims {
        self.claims(&self.server, "orders", Roles::Server)
    }

    fn sign(&self, claims: Claims) -> Arc<Certificate> {
        Arc::new(Certificate::sign(&self.authority, claims).unwrap())
    }

    fn trusted(&self) -> Arc<Trusted> {
        Arc::new(Trusted::new(self.trust.clone()))
    }

    /// A client that knows the server's key and shows this.
    fn client(&self, certificate: Option<Arc<Certificate>>) -> Config {
        let known = Arc::new(self.server.public().clone());
        let keys = ClientKeys::new(known, Some(Arc::clone(&self.own)), Settings::default()).unwrap();
        client(&Arc::new(keys.with_certificate(certificate)))
    }

    /// A client that knows the server's name.
    fn asking(&self, name: &str) -> Config {
        let (own, known) = (Some(Arc::clone(&self.own)), KnownServer::Name(name.to_owned()));
        let keys = ClientKeys::of(known, own, Settings::default()).unwrap().with_trusted(self.trusted());
        client(&Arc::new(keys))
    }

    /// A server that trusts the authority and shows this to those that ask.
    fn server(&self, certificate: Option<Arc<Certificate>>) -> Config {
        let keys = ServerKeys::new(Arc::clone(&self.server), Settings::default());
        let keys = keys.with_trusted(self.trusted());
        keys.set_certificate(certificate);
        server(&Arc::new(keys))
    }

    /// What the server says of a client with this certificate.
    fn verdict(&self, certificate: Certificate) -> Result<(), Failure> {
        let (_, server) = talk(&self.client(Some(Arc::new(certificate))), &self.server(None), |_, _| {});
        server.outcome.unwrap().map(drop)
    }

    /// What a client says that asks `orders` for its certificate, which is this.
    fn verdict_on_server(&self, certificate: Option<Arc<Certificate>>) -> Result<(), Failure> {
        // The server lets in certified clients alone, and this one has a key for the authenticator.
        let mut server = self.server(certificate);
        server.zap.enforce = false;
        let (client, _) = talk(&self.asking("orders"), &server, |_, _| {});
        client.outcome.unwrap_or(Err(Failure::SILENT)).map(drop)
    }
}

fn user(side: &Side) -> Option<String> {
    let peer = side.outcome.as_ref()?.as_ref().ok()?;
    let user = peer.properties.iter().find(|(name, _)| name == "User-Id")?;
    String::from_utf8(user.1.clone()).ok()
}

#[test]
fn a_certified_client_is_let_in_under_its_name_with_every_suite() {
    for (dsa, kem) in DsaSuite::ALL.into_iter().flat_map(|dsa| KemSuite::ALL.map(|kem| (dsa, kem))) {
        let setup = Setup::new(dsa, kem);
        let mine = setup.client(Some(setup.sign(setup.of_client())));
        let (client, server) = talk(&mine, &setup.server(None), |_, _| {});
        assert!(client.is_done() && server.is_done());
        assert_eq!(user(&server).as_deref(), Some("alice"));
        let key = server.outcome.unwrap().unwrap().public_key.unwrap();
        assert_eq!(*key.as_bytes(), setup.own.public().fingerprint());
        // With a ticket the certificate is looked at again.
        let (client, server) = talk(&mine, &setup.server(None), |_, _| {});
        assert!(client.is_done() && user(&server).as_deref() == Some("alice"));
    }
}

#[test]
fn a_resuming_client_is_certified_still_or_not_at_all() {
    let setup = Setup::small();
    let mine = setup.client(Some(setup.sign(setup.of_client())));
    let mut theirs = setup.server(None);
    let ((_, server), full) = work::of(|| talk(&mine, &theirs, |_, _| {}));
    assert!(server.is_done());
    let ((client, server), resumed) = work::of(|| talk(&mine, &theirs, |_, _| {}));
    assert!(client.is_done() && user(&server).as_deref() == Some("alice"), "by the ticket");
    assert_eq!((full.verifications, resumed.verifications), (1, 0), "the ticket vouches for the signature");
    theirs.wall_clock = || WALL_CLOCK_S + 1;
    let (client, server) = talk(&mine, &theirs, |_, _| {});
    assert!(!client.is_done());
    assert_eq!(server.outcome.unwrap().unwrap_err(), Failure::Uncertified(Refusal::Expired));
}

#[test]
fn a_server_that_trusts_an_authority_wants_certificates_unless_it_asks_an_authenticator() {
    let setup = Setup::small();
    for mine in [setup.client(None), client(&anonymous(&setup))] {
        let (client, server) = talk(&mine, &setup.server(None), |_, _| {});
        assert!(!client.is_done());
        let failure = server.outcome.unwrap().unwrap_err();
        assert_eq!(failure, Failure::Uncertified(Refusal::NoCertificate));
        assert!(failure.is_the_peers());
    }
}

fn anonymous(setup: &Setup) -> Arc<ClientKeys> {
    let known = Arc::new(setup.server.public().clone());
    Arc::new(ClientKeys::new(known, None, Settings::default()).unwrap())
}

#[test]
fn each_refusal_of_a_client_has_its_reason() {
    let setup = Setup::small();
    let refused = |refusal| Err(Failure::Uncertified(refusal));
    let signed = |claims| Certificate::sign(&setup.authority, claims).unwrap();
    assert_eq!(setup.verdict(signed(setup.of_client())), Ok(()));
    let early = Claims { not_before_s: WALL_CLOCK_S + 1, not_after_s: u64::MAX, ..setup.of_client() };
    assert_eq!(setup.verdict(signed(early)), refused(Refusal::NotYetValid));
    let late = Claims { not_before_s: 0, not_after_s: WALL_CLOCK_S, ..setup.of_client() };
    assert_eq!(setup.verdict(signed(late)), refused(Refusal::Expired));
    let other_role = Claims { roles: Roles::Server, ..setup.of_client() };
    assert_eq!(setup.verdict(signed(other_role)), refused(Refusal::OtherRole));
    // Signed by itself: by an authority that is its own.
    let own = DsaSecret::generate(DsaSuite::MlDsa44).unwrap();
    let by_itself = Certificate::sign(&own, setup.of_client()).unwrap();
    assert_eq!(setup.verdict(by_itself), refused(Refusal::UnknownAuthority));
    // One that names the right authority, and has the signature of another.
    let (good, forged) = (signed(setup.of_client()), Certificate::sign(&own, setup.of_client()).unwrap());
    let mut bytes = forged.bytes().to_vec();
    bytes[4..36].copy_from_slice(&good.bytes()[4..36]);
    assert_eq!(setup.verdict(Certificate::parse(&bytes).unwrap()), refused(Refusal::BadSignature));
    for revoked in [setup.own.public().fingerprint(), setup.authority.public().fingerprint()] {
        let mut setup = Setup { trust: setup.trust.clone(), ..setup_like(&setup) };
        setup.trust.revoke(revoked);
        assert_eq!(setup.verdict(signed(setup.of_client())), refused(Refusal::Revoked));
    }
}

#[test]
fn only_a_certificate_with_nothing_else_wrong_costs_a_verification() {
    let setup = Setup::small();
    let cost = |certificate: Certificate| {
        let (verdict, work) = work::of(|| setup.verdict(certificate));
        assert!(verdict.is_err());
        (work.verifications, work.decapsulations)
    };
    let signed = |claims| Certificate::sign(&setup.authority, claims).unwrap();
    let late = Claims { not_before_s: 0, not_after_s: WALL_CLOCK_S, ..setup.of_client() };
    assert_eq!(cost(signed(late)), (0, 1));
    assert_eq!(cost(signed(Claims { roles: Roles::Server, ..setup.of_client() })), (0, 1));
    let other = DsaSecret::generate(DsaSuite::MlDsa44).unwrap();
    assert_eq!(cost(Certificate::sign(&other, setup.of_client()).unwrap()), (0, 1));
    let mut bytes = signed(setup.of_client()).bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    assert_eq!(cost(Certificate::parse(&bytes).unwrap()), (1, 1), "of nothing but the signature");
}

/// The same keys.
fn setup_like(setup: &Setup) -> Setup {
    let authority = DsaSecret::from_tagged(&setup.authority.tagged()).unwrap();
    let (own, server) = (Arc::clone(&setup.own), Arc::clone(&setup.server));
    Setup { authority, own, server, trust: setup.trust.clone() }
}

#[test]
fn a_certificate_of_another_key_is_of_no_use() {
    let setup = Setup::small();
    let victim = KemSecret::generate(KemSuite::XWing).unwrap();
    let stolen = setup.sign(setup.claims(&victim, "victim", Roles::Client));
    let (client, server) = talk(&setup.client(Some(stolen)), &setup.server(None), |_, _| {});
    assert!(!client.is_done());
    assert_eq!(server.outcome.unwrap().unwrap_err(), Failure::CRYPTOGRAPHIC, "ct_C is for the victim");
    // A certificate of a key of another KEM.
    let large = KemSecret::generate(KemSuite::MlKem1024).unwrap();
    let misfit = setup.sign(setup.claims(&large, "alice", Roles::Client));
    let (_, server) = talk(&setup.client(Some(misfit)), &setup.server(None), |_, _| {});
    assert_eq!(server.outcome.unwrap().unwrap_err(), Failure::CRYPTOGRAPHIC);
}

#[test]
fn revoking_counts_from_the_next_handshake_on() {
    let setup = Setup::small();
    let trusted = setup.trusted();
    let keys = ServerKeys::new(Arc::clone(&setup.server), Settings::default());
    let theirs = server(&Arc::new(keys.with_trusted(Arc::clone(&trusted))));
    let mine = setup.client(Some(setup.sign(setup.of_client())));
    assert!(talk(&mine, &theirs, |_, _| {}).0.is_done());
    let mut trust = setup.trust.clone();
    trust.revoke(setup.own.public().fingerprint());
    trusted.set(Arc::new(trust));
    for _ in 0..2 {
        // The first time with a ticket.
        let (client, server) = talk(&mine, &theirs, |_, _| {});
        assert!(!client.is_done());
        assert_eq!(server.outcome.unwrap().unwrap_err(), Failure::Uncertified(Refusal::Revoked));
    }
    trusted.set(Arc::new(setup.trust.clone()));
    assert!(talk(&mine, &theirs, |_, _| {}).0.is_done());
}

/// An authority takes another's place in two steps, and clients come in between.
#[test]
fn no_client_slips_in_while_authorities_are_replaced() {
    let (setup, next) = (Setup::small(), Setup::small());
    let trusted = setup.trusted();
    let keys = ServerKeys::new(Arc::clone(&setup.server), Settings::default());
    let theirs = server(&Arc::new(keys.with_trusted(Arc::clone(&trusted))));
    let certified = setup.client(Some(setup.sign(setup.of_client())));
    let verdict = |mine: &Config| talk(mine, &theirs, |_, _| {}).1.outcome.unwrap().map(drop);
    assert_eq!(verdict(&certified), Ok(()));
    trusted.set(Arc::default());
    for mine in [setup.client(None), client(&anonymous(&setup))] {
        assert_eq!(verdict(&mine), Err(Failure::Uncertified(Refusal::NoCertificate)));
    }
    assert_eq!(verdict(&certified), Err(Failure::Uncertified(Refusal::UnknownAuthority)));
    trusted.set(Arc::new(next.trust.clone()));
    let by_next = Certificate::sign(&next.authority, setup.of_client()).unwrap();
    assert_eq!(verdict(&setup.client(Some(Arc::new(by_next)))), Ok(()));
    assert_eq!(verdict(&setup.client(None)), Err(Failure::Uncertified(Refusal::NoCertificate)));
}

#[test]
fn a_client_finds_its_server_by_name_with_every_suite() {
    for (dsa, kem) in DsaSuite::ALL.into_iter().flat_map(|dsa| KemSuite::ALL.map(|kem| (dsa, kem))) {
        let setup = Setup::new(dsa, kem);
        let shown = setup.sign(setup.of_server());
        let known = KnownServer::Name("orders".to_owned());
        let keys = ClientKeys::of(known, Some(Arc::clone(&setup.own)), Settings::default()).unwrap();
        let keys = keys.with_certificate(Some(setup.sign(setup.of_client())));
        let mine = client(&Arc::new(keys.with_trusted(setup.trusted())));
        let theirs = setup.server(Some(shown));
        for _ in 0..2 {
            let (client, server) = talk(&mine, &theirs, |_, _| {});
            assert_eq!(user(&client).as_deref(), Some("orders"));
            assert_eq!(user(&server).as_deref(), Some("alice"));
            let key = client.outcome.unwrap().unwrap().public_key.unwrap();
            assert_eq!(*key.as_bytes(), setup.server.public().fingerprint());
        }
    }
}

/// The server's next certificate may be of another key.
#[test]
fn a_client_that_asks_gets_no_ticket() {
    let setup = Setup::small();
    let shown = setup.sign(setup.of_server());
    let certificate = setup.sign(setup.of_client());
    let known = KnownServer::Name("orders".to_owned());
    let keys = ClientKeys::of(known, Some(Arc::clone(&setup.own)), Settings::default()).unwrap();
    let keys = keys.with_certificate(Some(Arc::clone(&certificate))).with_trusted(setup.trusted());
    let (asking, knowing) = (client(&Arc::new(keys)), setup.client(Some(certificate)));
    let ready_bytes = |mine: &Config| {
        let mut last = 0;
        let (client, server) = talk(mine, &setup.server(Some(Arc::clone(&shown))), |flight, bytes| {
            if flight % 2 == 1 && !bytes.is_empty() {
                last = bytes.len();
            }
        });
        assert!(client.is_done() && server.is_done());
        last
    };
    // With a certificate in it a ticket has more than 5,000 bytes.
    let (without, with) = (ready_bytes(&asking), ready_bytes(&knowing));
    assert!(without < 300 && with > 5000, "{without} and {with} bytes");
}

#[test]
fn each_refusal_of_a_server_has_its_reason() {
    let setup = Setup::small();
    let refused = |refusal| Err(Failure::Uncertified(refusal));
    let signed = |claims| Some(setup.sign(claims));
    let other_name = Claims { name: "other".to_owned(), ..setup.of_server() };
    assert_eq!(setup.verdict_on_server(signed(other_name)), refused(Refusal::OtherName));
    let late = Claims { not_before_s: 0, not_after_s: WALL_CLOCK_S, ..setup.of_server() };
    assert_eq!(setup.verdict_on_server(signed(late)), refused(Refusal::Expired));
    let early = Claims { not_before_s: WALL_CLOCK_S + 1, not_after_s: u64::MAX, ..setup.of_server() };
    assert_eq!(setup.verdict_on_server(signed(early)), refused(Refusal::NotYetValid));
    let other_role = Claims { roles: Roles::Client, ..setup.of_server() };
    assert_eq!(setup.verdict_on_server(signed(other_role)), refused(Refusal::OtherRole));
    let own = DsaSecret::generate(DsaSuite::MlDsa65).unwrap();
    let by_itself = Certificate::sign(&own, setup.of_server()).unwrap();
    assert_eq!(setup.verdict_on_server(Some(Arc::new(by_itself))), refused(Refusal::UnknownAuthority));
    let large = KemSecret::generate(KemSuite::MlKem1024).unwrap();
    let misfit = setup.claims(&large, "orders", Roles::Server);
    assert_eq!(setup.verdict_on_server(signed(misfit)), Err(Failure::SILENT), "the server has none to show");
    assert_eq!(setup.verdict_on_server(None), Err(Failure::SILENT));
    // Another's certificate: its holder cannot open HELLO.
    let stranger = KemSecret::generate(KemSuite::XWing).unwrap();
    let copied = setup.claims(&stranger, "orders", Roles::Server);
    assert_eq!(setup.verdict_on_server(signed(copied)), Err(Failure::SILENT));
}

#[test]
fn a_revoked_server_is_not_connected_to() {
    for by_name in [false, true] {
        let mut setup = Setup::small();
        let shown = setup.sign(setup.of_server());
        setup.trust.revoke(setup.server.public().fingerprint());
        let mine = if by_name {
            setup.asking("orders")
        } else {
            let known = Arc::new(setup.server.public().clone());
            let keys = ClientKeys::new(known, None, Settings::default()).unwrap();
            client(&Arc::new(keys.with_trusted(setup.trusted())))
        };
        let (client, _) = talk(&mine, &setup.server(Some(shown)), |_, _| {});
        assert_eq!(client.outcome.unwrap().unwrap_err(), Failure::Uncertified(Refusal::Revoked));
    }
}

/// ASK and its answer are in the transcript: no edit of them leads to keys.
#[test]
fn an_edited_question_or_answer_leads_nowhere() {
    let setup = Setup::small();
    let (mine, theirs) = (setup.asking("orders"), setup.server(Some(setup.sign(setup.of_server()))));
    let mut flights = Vec::new();
    talk(&mine, &theirs, |_, bytes| flights.push(bytes.clone()));
    let question = flights.iter().position(|bytes| bytes.ends_with(&ask::body(KemSuite::XWing))).unwrap();
    let len = flights[question + 1].len();
    let question_len = ask::body(KemSuite::XWing).len() + 2;
    let places = (0..question_len).map(|at| (question, at));
    for (flight, at) in
        places.chain((0..len).step_by(if cfg!(miri) { 997 } else { 61 }).map(|at| (question + 1, at)))
    {
        let (client, server) = talk(&mine, &theirs, |now, bytes| {
            if now == flight {
                let at = if flight == question { bytes.len() - question_len + at } else { at };
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1;
                }
            }
        });
        assert!(!client.is_done() && !server.is_done(), "flight {flight}, byte {at}");
    }
}

#[test]
fn a_server_answers_one_question_and_well_formed_ones_alone() {
    let setup = Setup::small();
    let theirs = setup.server(Some(setup.sign(setup.of_server())));
    let question = ask::body(KemSuite::XWing);
    let verdict = |said: &[&[u8]]| {
        let (_, server) = talk(&setup.asking("orders"), &theirs, |_, bytes| {
            if bytes.ends_with(&question) {
                bytes.truncate(bytes.len() - question.len() - 2);
                said.iter().for_each(|body| frame::append_frame(bytes, COMMAND, body));
            }
        });
        server.outcome.map(|outcome| outcome.map(drop))
    };
    assert_eq!(verdict(&[&question, &question]), Some(Err(Failure::UNEXPECTED_COMMAND)));
    for wrong in
        [&b"\x03ASK\x02\x00\x01"[..], b"\x03ASK\x01\x00\x03", b"\x03ASK\x01\x00", b"\x03ASK\x01\x00\x01\x00"]
    {
        assert_eq!(verdict(&[wrong]), Some(Err(Failure::MALFORMED_HELLO)), "{wrong:?}");
    }
    assert_eq!(
        verdict(&[b"\x03ASK\x01\x00\x02"]),
        Some(Err(Failure::NOTHING_TO_SHOW)),
        "no such certificate"
    );
    assert!(!Failure::NOTHING_TO_SHOW.is_the_peers());
}

#[test]
fn truncated_and_lengthened_answers_are_refused() {
    let setup = Setup::small();
    let good = ask::answer(&setup.sign(setup.of_server()));
    let accept =
        |body: &[u8]| ask::accept(body, KemSuite::XWing, (&setup.trust, "orders"), WALL_CLOCK_S).map(drop);
    assert_eq!(accept(&good), Ok(()));
    for len in (0..good.len()).step_by(19) {
        assert!(accept(&good[..len]).is_err(), "{len}");
    }
    assert_eq!(accept(&[&good[..], &[0]].concat()), Err(Failure::CRYPTOGRAPHIC));
    let other = ask::accept(&good, KemSuite::MlKem1024, (&setup.trust, "orders"), WALL_CLOCK_S);
    assert_eq!(other.unwrap_err(), Failure::CRYPTOGRAPHIC);
}
