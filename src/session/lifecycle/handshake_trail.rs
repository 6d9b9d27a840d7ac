//! What the audit trail has of a handshake: it gathers what becomes known, and words the end.

use crate::audit::{Direction, Event, Outcome, Record};
use crate::counters::QZMQ;
use crate::crypto::fingerprint;
use crate::engine::zmtp::Version;
use crate::engine::{Codec, Config, Failure, Peer, Security, ZapReply, ZapRequest, ZapStatus};
use crate::errno::Errno;
use crate::options::Mechanism;
use crate::session::lifecycle::reason::Reason;
use crate::session::monitor_events::Endpoints;
use crate::session::trail::{name_of, port_of, text_of};
use std::time::Instant;

/// The property in which a peer tells its routing id.
const IDENTITY: &str = "Identity";
const USER_ID: &str = "User-Id";
/// What a client says that may do with less than QZMQ.
pub const FALLS_BACK: &str = "the server names CURVE and not QZMQ: this client connects anew with CURVE";

/// One handshake. There is one only where a record is wanted.
pub struct HandshakeTrail {
    began: Instant,
    known: Record,
    /// The authenticator's words, with a refusal.
    text: Vec<u8>,
    /// The peer was to be authenticated, and there is no authenticator.
    unasked: bool,
    /// An authority that this side trusts has signed its key.
    certified: bool,
    part: Part,
}

/// This side's in the handshake: what a mistake looks like depends on it.
#[derive(Clone, Copy)]
enum Part {
    /// Of CURVE, or of QZMQ.
    KeyServer,
    KeyClient,
    Other,
}

impl HandshakeTrail {
    pub fn begin(config: &Config, endpoints: &Endpoints) -> HandshakeTrail {
        let (part, key) = match &config.security {
            Security::CurveClient(keys) => (Part::KeyClient, Some(fingerprint(keys.server.as_bytes()))),
            Security::CurveServer(_) => (Part::KeyServer, None),
            #[cfg(feature = "qzmq")]
            Security::QzmqClient(keys) | Security::QzmqClientWithFallback(keys, _) => {
                (Part::KeyClient, keys.server_fingerprint().map(|key| fingerprint(&key)))
            }
            #[cfg(feature = "qzmq")]
            Security::QzmqServer(_) | Security::QzmqServerBesideCurve(..) => (Part::KeyServer, None),
            _ => (Part::Other, None),
        };
        let known = Record { key, ..of_connection(Event::Authentication, config, endpoints) };
        HandshakeTrail {
            began: Instant::now(),
            known,
            text: Vec::new(),
            unasked: false,
            certified: false,
            part,
        }
    }

    /// This is the mechanism, as far as the peer has named one: a server of several has begun without knowing.
    pub fn speak(&mut self, mechanism: Mechanism) {
        self.known.mechanism = Some(name_of(mechanism));
    }

    /// The authenticator is to be asked. A password is among the credentials, and stays there.
    pub fn ask(&mut self, request: &ZapRequest) {
        if let Some(name) = &request.certified {
            self.known.user = name.as_bytes().to_vec();
            self.certified = true;
        }
        let credential = request.credentials.first().map(|credential| credential.as_slice());
        match (request.mechanism, credential) {
            ("CURVE", Some(key)) => self.known.key = Some(fingerprint(key)),
            (QZMQ, _) => self.known.key = request.key.map(|key| fingerprint(&key)),
            (_, Some(user)) => self.known.user = user.to_vec(),
            (_, None) => {}
        }
    }

    /// There is none.
    pub fn find_no_authenticator(&mut self) {
        self.unasked = true;
    }

    pub fn hear(&mut self, reply: &ZapReply) {
        self.known.status = Some(reply.status.code().unsigned_abs());
        self.text.clone_from(&reply.text);
    }

    /// The handshake has succeeded.
    pub fn admitted(&self, peer: &Peer) -> Record {
        let versed = peer.version >= Version::V3_0;
        Record {
            outcome: Some(Outcome::Ok),
            mechanism: sealed_by(peer).map(name_of).or(self.known.mechanism.filter(|_| versed)),
            key: peer.public_key.as_ref().map(|key| fingerprint(key.as_bytes())).or(self.known.key.clone()),
            user: user_id(peer),
            routing_id: routing_id(peer),
            reason: self.lack(peer).unwrap_or_default().as_bytes().to_vec(),
            ..self.at_end(Event::Authentication)
        }
    }

    /// On what less than was asked for the peer was let in, if it was.
    pub fn lack(&self, peer: &Peer) -> Option<&'static str> {
        match self.known.mechanism {
            _ if peer.version < Version::V3_0 => Some("the peer speaks a version of ZMTP without mechanisms"),
            Some(QZMQ) if self.certified => None,
            Some("CURVE" | QZMQ) if self.unasked => Some("no authenticator is bound: any key is let in"),
            _ if self.unasked => Some("no authenticator is bound: any peer is let in"),
            _ => None,
        }
    }

    /// The server has named CURVE, and this client goes on with that.
    pub fn falls_back(&self) -> Record {
        let status = Some(Reason::Protocol(Failure::Fallback).code().unsigned_abs());
        Record { status, reason: FALLS_BACK.as_bytes().to_vec(), ..self.at_end(Event::Fallback) }
    }

    /// The authenticator has turned the peer away.
    pub fn denied(&self, status: ZapStatus) -> Record {
        let mut reason = b"refused by the authenticator".to_vec();
        if !self.text.is_empty() {
            reason.extend_from_slice(b": ");
            reason.extend_from_slice(&self.text);
        }
        let status = Some(status.code().unsigned_abs());
        Record { outcome: Some(Outcome::Denied), status, reason, ..self.at_end(Event::Denial) }
    }

    /// The handshake has failed. `waits`: the authenticator had been asked and had not answered.
    pub fn failed(&self, reason: Reason, waits: bool) -> Record {
        let (status, reason) = match reason {
            Reason::Timeout if waits => (Errno::TIMEDOUT.0, b"the authenticator does not answer".to_vec()),
            reason => {
                let (status, mut words) = words(reason);
                words.extend_from_slice(self.likely_cause(reason).as_bytes());
                (status, words)
            }
        };
        let status = Some(status.unsigned_abs());
        Record { outcome: Some(Outcome::Denied), status, reason, ..self.at_end(Event::Denial) }
    }

    /// What an operator looks for first, to be added to the words for the end.
    fn likely_cause(&self, reason: Reason) -> &'static str {
        match (self.part, reason) {
            (Part::KeyServer, Reason::Protocol(Failure::CRYPTOGRAPHIC)) => {
                ": does the client have this server's public key, and does each pair belong together?"
            }
            (Part::KeyClient, Reason::Stream(Errno::PIPE | Errno::CONNRESET)) => {
                ": is its public key the one that this client has?"
            }
            (Part::KeyClient, Reason::Protocol(Failure::Auth(_))) => {
                ": is this client's key among those that it lets in?"
            }
            (Part::KeyServer | Part::KeyClient, Reason::Protocol(Failure::MECHANISM_MISMATCH)) => {
                if self.known.mechanism == Some(QZMQ) {
                    ": this side demands QZMQ"
                } else {
                    ": this side demands CURVE"
                }
            }
            (Part::Other, Reason::Protocol(Failure::MECHANISM_MISMATCH)) => {
                ": is it secured, and this side is not?"
            }
            _ => "",
        }
    }

    fn at_end(&self, event: Event) -> Record {
        let now = Record::new(event);
        Record { event, time: now.time, duration: Some(self.began.elapsed()), ..self.known.clone() }
    }
}

/// The mechanism that the peers have agreed on, where their frames show it: the first of several is not always that.
pub fn sealed_by(peer: &Peer) -> Option<Mechanism> {
    matches!(peer.codec, Codec::Curve(_)).then_some(Mechanism::Curve)
}

/// The name that the peer has given itself; empty if none.
pub fn routing_id(peer: &Peer) -> Vec<u8> {
    property(peer, IDENTITY)
}

/// The name that the authenticator has given the peer; empty if none.
pub fn user_id(peer: &Peer) -> Vec<u8> {
    property(peer, USER_ID)
}

fn property(peer: &Peer, wanted: &str) -> Vec<u8> {
    let found = peer.properties.iter().find(|(name, _)| name == wanted);
    found.map(|(_, value)| value.clone()).unwrap_or_default()
}

/// The peer, which was `admitted`, has broken the protocol since.
pub fn broken(admitted: &Record, failure: Failure) -> Record {
    let (status, reason) = words(Reason::Protocol(failure));
    let (status, outcome) = (Some(status.unsigned_abs()), Some(Outcome::Denied));
    let Record { event, time, .. } = Record::new(Event::Denial);
    Record { event, time, outcome, status, reason, duration: None, ..admitted.clone() }
}

/// What is known of a connection before a byte is exchanged.
fn of_connection(event: Event, config: &Config, endpoints: &Endpoints) -> Record {
    Record {
        direction: Some(if endpoints.bound { Direction::In } else { Direction::Out }),
        endpoint: endpoints.identifier().to_owned(),
        peer: String::from_utf8_lossy(&config.zap.peer_address).into_owned(),
        port: port_of(&endpoints.remote),
        domain: config.zap.domain.clone(),
        mechanism: Some(name_of(config.security.mechanism())),
        ..Record::new(event)
    }
}

/// The number and the words for the end of a connection.
pub fn words(reason: Reason) -> (i32, Vec<u8>) {
    match reason {
        Reason::Timeout => (Errno::TIMEDOUT.0, b"the handshake took too long".to_vec()),
        Reason::Stream(Errno::PIPE | Errno::CONNRESET) => {
            (Errno::PIPE.0, b"the peer has hung up in the handshake".to_vec())
        }
        Reason::Stream(Errno::NOBUFS) => {
            (Errno::NOBUFS.0, b"ended to make room for other handshakes".to_vec())
        }
        Reason::Stream(errno) | Reason::Own(errno) => (errno.0, text_of(errno)),
        Reason::Protocol(Failure::NO_AUTHENTICATOR) => {
            (Errno::FAULT.0, b"no authenticator is bound, and one is demanded".to_vec())
        }
        #[cfg(feature = "qzmq")]
        Reason::Protocol(Failure::NOTHING_TO_SHOW) => (
            Errno::NOENT.0,
            b"the client asks for a certificate, and this server has none of that KEM".to_vec(),
        ),
        Reason::Protocol(Failure::NoDetail(errno) | Failure::Own(errno)) => (errno.0, text_of(errno)),
        Reason::Protocol(Failure::Errno(errno)) => {
            (errno.0, [b"the peer has broken the protocol: ", &*text_of(errno)].concat())
        }
        #[cfg(feature = "qzmq")]
        Reason::Protocol(Failure::Uncertified(refusal)) => {
            (Failure::UNCERTIFIED_CODE, refusal.words().as_bytes().to_vec())
        }
        Reason::Protocol(Failure::Auth(status)) => (status, b"refused by the peer".to_vec()),
        Reason::Protocol(Failure::Fallback) => words(Reason::Protocol(Failure::MECHANISM_MISMATCH)),
        Reason::Protocol(failure @ Failure::Protocol(code)) => {
            (code, of_protocol(failure).as_bytes().to_vec())
        }
    }
}

/// The words for a `ZMQ_PROTOCOL_ERROR_*`.
fn of_protocol(failure: Failure) -> &'static str {
    match failure {
        Failure::MECHANISM_MISMATCH => "the peer has another mechanism",
        Failure::CRYPTOGRAPHIC => "a key is wrong, or bytes were changed on the way",
        Failure::KEY_EXCHANGE => "the client vouches for another connection",
        Failure::INVALID_SEQUENCE => "a command came twice or too late",
        Failure::UNEXPECTED_COMMAND => "the peer sends a command that has no place here",
        Failure::INVALID_METADATA => "the peer's properties are malformed, or do not suit this socket",
        Failure::WS_UNSPECIFIED => "the upgrade to WebSocket has failed",
        failure if failure.is_the_peers() => "the peer has broken the protocol",
        _ => "the authenticator's reply is malformed",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::options::{SocketOptions, SocketType};
    use zeroize::Zeroizing;

    fn trail(security: Security) -> HandshakeTrail {
        let config = Config::new(&SocketOptions::new(SocketType::Rep), security, "10.0.0.9");
        let (local, remote) = ("tcp://10.0.0.1:5555".into(), "tcp://10.0.0.9:50112".into());
        HandshakeTrail::begin(&config, &Endpoints { local, remote, bound: true })
    }

    fn text(bytes: &[u8]) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    /// A password is nowhere in a record, so that readers of the trail learn none.
    #[test]
    fn a_refused_name_is_recorded_without_its_password() {
        let mut trail = trail(Security::PlainServer);
        let credentials = [&b"ann"[..], b"secret"].map(|text| Zeroizing::new(text.to_vec())).to_vec();
        trail.ask(&ZapRequest {
            domain: Vec::new(),
            address: Vec::new(),
            routing_id: Vec::new(),
            mechanism: "PLAIN",
            credentials,
            key: None,
            certified: None,
        });
        let status = ZapStatus::AuthenticationFailure;
        trail.hear(&ZapReply {
            status,
            text: b"No access".to_vec(),
            user_id: Vec::new(),
            metadata: Vec::new(),
        });
        let record = trail.denied(status);
        assert_eq!((record.user.as_slice(), record.status), (&b"ann"[..], Some(400)));
        assert_eq!((record.peer.as_str(), record.port), ("10.0.0.9", Some(50112)));
        assert_eq!(text(&record.reason), "refused by the authenticator: No access");
        assert!(!format!("{record:?}").contains("secret"));
    }

    #[cfg(feature = "qzmq")]
    #[test]
    fn sides_of_a_migration_are_a_server_and_a_client_of_keys() {
        use crate::crypto::{KemSuite, keys::keypair};
        use crate::engine::mechanism::qzmq::keys::testing;
        use crate::engine::{ClientKeys, ServerKeys};
        use std::sync::Arc;
        let (client, server) = testing::pair(KemSuite::XWing);
        let (public, secret) = keypair().unwrap();
        let curve_server = Arc::new(ServerKeys::new(secret.clone()));
        let curve_client = Arc::new(ClientKeys { public, secret, server: public });
        let known = fingerprint(&client.server_fingerprint().unwrap());
        let trail_of_client = trail(Security::QzmqClientWithFallback(client, curve_client));
        let denial = trail_of_client.failed(Reason::Stream(Errno::PIPE), false);
        assert_eq!(
            (denial.key.as_ref(), trail_of_client.falls_back().key.as_ref()),
            (Some(&known), Some(&known))
        );
        assert!(text(&denial.reason).ends_with("is its public key the one that this client has?"));
        let denial = trail(Security::QzmqServerBesideCurve(server, curve_server))
            .failed(Reason::Protocol(Failure::CRYPTOGRAPHIC), false);
        assert!(text(&denial.reason).contains("does the client have this server's public key"));
    }

    #[cfg(feature = "qzmq")]
    #[test]
    fn what_certificates_lack_has_words() {
        use crate::crypto::certificate::Refusal;
        let trail = trail(Security::Null);
        for (failure, status, words) in [
            (
                Failure::Uncertified(Refusal::NoCertificate),
                Failure::UNCERTIFIED_CODE,
                "it shows no certificate, and no authenticator is bound",
            ),
            (
                Failure::NOTHING_TO_SHOW,
                Errno::NOENT.0,
                "the client asks for a certificate, and this server has none of that KEM",
            ),
        ] {
            let record = trail.failed(Reason::Protocol(failure), false);
            assert_eq!((record.status, text(&record.reason)), (Some(status.unsigned_abs()), words));
        }
    }

    #[test]
    fn each_end_has_a_number_and_words() {
        let trail = trail(Security::Null);
        let failures = [
            (
                Failure::MECHANISM_MISMATCH,
                0x1100_0002,
                "the peer has another mechanism: is it secured, and this side is not?",
            ),
            (Failure::MALFORMED_HELLO, 0x1000_0013, "the peer has broken the protocol"),
            (Failure::ZAP_BAD_VERSION, 0x2000_0003, "the authenticator's reply is malformed"),
            (Failure::WS_UNSPECIFIED, 0x3000_0000, "the upgrade to WebSocket has failed"),
            (Failure::NO_AUTHENTICATOR, 14, "no authenticator is bound, and one is demanded"),
            (Failure::Auth(400), 400, "refused by the peer"),
            (Failure::SILENT, 71, "the peer has broken the protocol: Protocol error"),
        ];
        for (failure, status, words) in failures {
            let record = trail.failed(Reason::Protocol(failure), false);
            assert_eq!((record.status, text(&record.reason)), (Some(status), words));
        }
        let curve = HandshakeTrail { part: Part::KeyServer, ..self::trail(Security::Null) };
        let record = curve.failed(Reason::Protocol(Failure::MECHANISM_MISMATCH), false);
        assert_eq!(text(&record.reason), "the peer has another mechanism: this side demands CURVE");
        let timeouts = [false, true].map(|waits| trail.failed(Reason::Timeout, waits));
        assert_eq!(timeouts.each_ref().map(|record| record.status), [Some(110); 2]);
        assert_eq!(text(&timeouts[0].reason), "the handshake took too long");
        assert_eq!(text(&timeouts[1].reason), "the authenticator does not answer");
        let record = trail.failed(Reason::Stream(Errno::CONNRESET), false);
        assert_eq!(text(&record.reason), "the peer has hung up in the handshake");
    }
}
