//! The server's side.

use super::ask;
use super::cookie::{Bond, CONNECTION_BYTES, Demand};
use super::encapsulation::encapsulate;
use super::hello::{self, Hello, Mode, RANDOM_BYTES};
use super::identity::Identity;
use super::initiate;
use super::keys::ServerKeys;
use super::logged::LoggedSecrets;
use super::ready::{self, Ready};
use super::refusal;
use super::retry;
use super::schedule::{Prologue, Purpose, Schedule};
use super::suite::{KEY_ID_BYTES, Suite};
use super::ticket::{Grant, Sealed};
use super::traffic::Role;
use super::welcome;
use crate::crypto::certificate::Refusal;
use crate::crypto::kem::SharedSecret;
use crate::crypto::{Certificate, KemPublic, KemSuite, PublicKey, random};
use crate::engine::Failure;
use crate::engine::codec::Codec;
use crate::engine::mechanism::error;
use crate::engine::mechanism::properties::{self, Authenticated, PeerProperties};
use crate::engine::mechanism::{Mechanism, Step, Turn};
use crate::engine::zap::{ZapReply, ZapRequest};
use crate::engine::zmtp::frame;
use crate::engine::zmtp::peer::Peer;
use crate::message::COMMAND;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The states of a server, by the event it waits for.
pub enum Server {
    Hello(AwaitHello),
    Initiate(Box<AwaitInitiate>),
    Zap(AwaitZap),
    Denied(Denied),
}

/// HELLO is due.
pub struct AwaitHello {
    keys: Arc<ServerKeys>,
    before: Before,
    cookie: Demand,
    /// The client knows us by our certificate, and takes no ticket.
    has_asked: bool,
}

/// What was said before the HELLO that is due.
enum Before {
    /// The client's greeting and ours, empty where there are none.
    Greetings([Vec<u8>; 2]),
    /// Those, ASK and its answer.
    Asked(Prologue),
    /// Those, a HELLO whose ticket was refused, and the RETRY that said so.
    Refusal(Prologue),
}

/// WELCOME is sent.
pub struct AwaitInitiate(Begun);

/// The client has proved its identity; the authenticator decides whether to accept it.
pub struct AwaitZap(Known);

/// The authenticator refused the client.
pub struct Denied(());

/// A handshake that HELLO has begun.
struct Begun {
    keys: Arc<ServerKeys>,
    suite: Suite,
    schedule: Schedule,
    /// Of the key by which the client knows us.
    key_id: [u8; KEY_ID_BYTES],
    identity: Identity,
    /// The end of the ticket that the client resumes with.
    ends_ms: Option<u64>,
    /// Of HELLO.
    random: [u8; RANDOM_BYTES],
    /// Whether READY has a ticket, where the settings allow one.
    gives_ticket: bool,
}

/// A client whose INITIATE was accepted.
struct Known {
    begun: Begun,
    peer: PeerProperties,
}

/// What opens HELLO's box, and the client's identity where that is known before.
enum Proof {
    Secret(SharedSecret),
    Ticket(Grant),
}

impl Server {
    /// `greetings`: the client's and ours, empty where there are none.
    pub fn start(keys: &Arc<ServerKeys>, greetings: [&[u8]; 2]) -> Server {
        let greetings = greetings.map(<[u8]>::to_vec);
        let (keys, before) = (Arc::clone(keys), Before::Greetings(greetings));
        Server::Hello(AwaitHello { keys, before, cookie: Demand::None, has_asked: false })
    }

    /// What a client has said of itself before the authenticator has answered.
    pub fn kept(&self) -> Option<&PeerProperties> {
        if let Server::Zap(AwaitZap(known)) = self { Some(&known.peer) } else { None }
    }

    pub fn command(self, body: &[u8], turn: &mut Turn<'_>) -> Result<Step, Failure> {
        match self {
            Server::Hello(state) => state.command(body, turn),
            Server::Initiate(state) => state.command(body, turn),
            Server::Zap(_) | Server::Denied(_) => Err(Failure::UNSPECIFIED),
        }
    }

    pub fn zap_reply(self, reply: ZapReply, turn: &mut Turn<'_>) -> Result<Step, Failure> {
        match self {
            Server::Zap(AwaitZap(known)) => match reply.admit() {
                Ok(told) => {
                    let told = told.or_name(known.begun.identity.name());
                    known.finish(told, turn)
                }
                Err(status) => {
                    if let Some(reason) = status.reason() {
                        known.refuse(reason, turn)?;
                    }
                    Ok(Step::Denied(Server::Denied(Denied(())).into(), status))
                }
            },
            Server::Hello(_) | Server::Initiate(_) | Server::Denied(_) => Ok(Step::from(self)),
        }
    }

    /// Goes on without an authenticator, unless a domain is enforced.
    pub fn zap_unavailable(self, turn: &mut Turn<'_>) -> Result<Step, Failure> {
        match self {
            Server::Zap(_) if turn.config.zap.enforce => Err(Failure::NO_AUTHENTICATOR),
            Server::Zap(AwaitZap(known)) => known.finish_unasked(turn),
            Server::Hello(_) | Server::Initiate(_) | Server::Denied(_) => Ok(Step::from(self)),
        }
    }
}

impl AwaitHello {
    fn command(mut self, body: &[u8], turn: &mut Turn<'_>) -> Result<Step, Failure> {
        if ask::is_ask(body) {
            return self.show_certificate(body, turn);
        }
        let hello = hello::parse(body)?;
        if self.wants_cookie(&hello, turn)? {
            return Ok(Step::from(Server::Hello(self)));
        }
        let Some(suite) = self.keys.settings.suites.choose(hello.kem, hello.suites) else {
            error::append(turn.out, refusal::NO_SUITE);
            return Err(Failure::MECHANISM_MISMATCH);
        };
        let pair = self.keys.pair(hello.key_id).filter(|pair| pair.secret.suite() == hello.kem);
        let pair = pair.ok_or(Failure::CRYPTOGRAPHIC)?;
        let prologue = self.before.prologue(hello.kem)?;
        // A check of the key's form is cheap, and comes before what is not.
        let ephemeral = KemPublic::parse(hello.kem, hello.ephemeral).map_err(|_| Failure::CRYPTOGRAPHIC)?;
        let proof = match hello.mode {
            Mode::Full { ciphertext } => {
                Proof::Secret(pair.secret.decapsulate(ciphertext).map_err(|_| Failure::CRYPTOGRAPHIC)?)
            }
            // A client goes on without a ticket once one was refused.
            Mode::Resuming { .. } if matches!(self.before, Before::Refusal(_)) => {
                return Err(Failure::UNEXPECTED_COMMAND);
            }
            Mode::Resuming { ticket } => match self.keys.tickets().open(hello.kem, hello.key_id, ticket) {
                Some(grant) => Proof::Ticket(grant),
                None => return Ok(self.refuse_ticket(&prologue, body, turn)),
            },
        };
        let server = pair.secret.public();
        let begun = Begun::open(self.keys, suite, &hello, (&prologue, server), proof)?;
        let begun = Begun { gives_ticket: !self.has_asked, ..begun };
        begun.check_identity((turn.config.wall_clock)())?;
        begun.welcome(&ephemeral, turn).map(|next| Step::from(Server::Initiate(Box::new(next))))
    }

    /// Answers ASK, once. It costs no public-key work, so no cookie is asked for.
    fn show_certificate(self, body: &[u8], turn: &mut Turn<'_>) -> Result<Step, Failure> {
        let (Before::Greetings(_), Demand::None) = (&self.before, &self.cookie) else {
            return Err(Failure::UNEXPECTED_COMMAND);
        };
        let kem = ask::parse(body)?;
        let fits = |certificate: &Arc<Certificate>| certificate.claims.public.suite() == kem;
        let certificate = self.keys.certificate().filter(fits).ok_or(Failure::NOTHING_TO_SHOW)?;
        let answer = ask::answer(&certificate);
        frame::append_frame(turn.out, COMMAND, &answer);
        let before = Before::Asked(self.before.prologue(kem)?.refused(body, &answer));
        Ok(Step::from(Server::Hello(AwaitHello { before, has_asked: true, ..self })))
    }

    /// Checks the cookie, if there is one. Where one is missing under load, appends RETRY with it.
    fn wants_cookie(&mut self, hello: &Hello<'_>, turn: &mut Turn<'_>) -> Result<bool, Failure> {
        let (cookies, is_under_load) = self.keys.cookies();
        let cookie = hello.cookie_field.get(1..).unwrap_or_default();
        let (hello, address) = ([hello.head, hello.sealed], &turn.config.zap.peer_address);
        match &self.cookie {
            Demand::Made(connection) => {
                // A client that leaves its cookie out is one that did not get it.
                cookies.check(cookie, &Bond { connection, address, hello })?;
                self.cookie = Demand::Met;
                Ok(false)
            }
            Demand::None | Demand::Met if !cookie.is_empty() => Err(Failure::CRYPTOGRAPHIC),
            Demand::None if is_under_load => {
                let mut connection = [0; CONNECTION_BYTES];
                random::fill(&mut connection).map_err(Failure::Own)?;
                let bond = Bond { connection: &connection, address, hello };
                retry::append_cookie(turn.out, &cookies.make(&bond)?);
                self.cookie = Demand::Made(connection);
                Ok(true)
            }
            Demand::None | Demand::Met => Ok(false),
        }
    }

    fn refuse_ticket(self, prologue: &Prologue, body: &[u8], turn: &mut Turn<'_>) -> Step {
        retry::append_refusal(turn.out);
        let before = Before::Refusal(prologue.refused(body, retry::REFUSAL));
        Step::from(Server::Hello(AwaitHello { before, ..self }))
    }
}

impl Before {
    /// Fails for a HELLO of another KEM than what came before.
    fn prologue(&self, kem: KemSuite) -> Result<Prologue, Failure> {
        match self {
            Before::Greetings([client, server]) => Ok(Prologue::new(kem, [client, server])),
            Before::Asked(prologue) | Before::Refusal(prologue) if prologue.kem() == kem => {
                Ok(prologue.clone())
            }
            Before::Asked(_) | Before::Refusal(_) => Err(Failure::UNEXPECTED_COMMAND),
        }
    }
}

impl Begun {
    /// Opens HELLO's box: the client knows our key, or the psk of its ticket.
    fn open(
        keys: Arc<ServerKeys>,
        suite: Suite,
        hello: &Hello<'_>,
        (prologue, server): (&Prologue, &KemPublic),
        proof: Proof,
    ) -> Result<Begun, Failure> {
        let (psk, secret) = match &proof {
            Proof::Secret(secret) => (None, Some(secret.as_bytes())),
            Proof::Ticket(grant) => (Some(&grant.psk), None),
        };
        let mut schedule = prologue.schedule(server, psk);
        schedule.absorb(hello.head);
        schedule.mix(secret)?;
        let text = schedule.open(Purpose::Hello, hello::BOX_AEAD, hello.sealed)?;
        schedule.absorb(hello.cookie_field);
        let (identity, ends_ms) = match proof {
            Proof::Secret(_) => (Identity::parse(hello.kem, &text)?, None),
            Proof::Ticket(grant) => (grant.identity, Some(grant.ends_ms)),
        };
        let (key_id, random) = (*hello.key_id, hello::random_of(hello.head));
        Ok(Begun { keys, suite, schedule, key_id, identity, ends_ms, random, gives_ticket: true })
    }

    /// `now_s` is in seconds since 1970.
    fn check_identity(&self, now_s: u64) -> Result<(), Failure> {
        let trust = self.keys.trust();
        match self.ends_ms {
            Some(_) => self.identity.check_again(&trust, now_s),
            None => self.identity.check(&trust, now_s),
        }
    }

    /// Appends our WELCOME.
    fn welcome(mut self, ephemeral: &KemPublic, turn: &mut Turn<'_>) -> Result<AwaitInitiate, Failure> {
        let (kem, aead, schedule) = (self.suite.kem(), self.suite.aead(), &mut self.schedule);
        let (ciphertext, secret) = encapsulate(ephemeral)?;
        let box_bytes = welcome::box_bytes(kem, self.ends_ms.is_none());
        let mut body = welcome::head(self.suite, ciphertext.bytes(), box_bytes)?;
        schedule.absorb(&body);
        schedule.mix(Some(secret.as_bytes()))?;
        match self.identity.public() {
            _ if self.ends_ms.is_some() => {
                schedule.seal(Purpose::Welcome, aead, &[], &mut body)?;
                schedule.mix(None)?;
            }
            None => {
                let nothing = vec![0; kem.ciphertext_bytes()];
                schedule.seal(Purpose::Welcome, aead, &nothing, &mut body)?;
                schedule.mix(None)?;
            }
            Some(client) => {
                let (ciphertext, secret) = encapsulate(client)?;
                schedule.seal(Purpose::Welcome, aead, ciphertext.bytes(), &mut body)?;
                schedule.mix(Some(secret.as_bytes()))?;
            }
        }
        frame::append_frame(turn.out, COMMAND, &body);
        Ok(AwaitInitiate(self))
    }

    /// A ticket by which the client can resume; `None` for one that has asked for our certificate.
    ///
    /// It ends with the client's certificate. `now_s` is in seconds since 1970.
    fn ticket(&self, now_s: u64) -> Result<Option<Sealed>, Failure> {
        if !self.gives_ticket {
            return Ok(None);
        }
        let end_s = self.identity.end_s().map(|end_s| end_s.saturating_sub(now_s));
        let end_ms = end_s.map(|seconds| self.keys.tickets().ms_in(seconds));
        let ends_ms = self.ends_ms.into_iter().chain(end_ms).min();
        let psk = self.schedule.next_psk()?;
        let names = (self.suite.kem(), &self.key_id);
        self.keys.tickets().seal(names, &self.identity, &psk, ends_ms)
    }
}

impl AwaitInitiate {
    /// Invalid properties end the connection without an event.
    fn command(self, body: &[u8], turn: &mut Turn<'_>) -> Result<Step, Failure> {
        let AwaitInitiate(mut begun) = self;
        let sealed = initiate::sealed(body)?;
        begun.schedule.absorb(initiate::NAME);
        let text = begun.schedule.open(Purpose::Initiate, begun.suite.aead(), sealed)?;
        let metadata = initiate::parse(&text)?;
        let peer = PeerProperties::parse(metadata, turn.config).map_err(Failure::Errno)?;
        let known = Known { begun, peer };
        let zap = &turn.config.zap;
        // As with CURVE, enforcement without a domain gives the authenticator nothing to check.
        if zap.enforce && !zap.has_domain() {
            return known.finish_unasked(turn);
        }
        let identity = &known.begun.identity;
        let (mechanism, credential) = credential(identity, known.begun.keys.settings.asks_as_qzmq);
        let credentials = vec![Zeroizing::new(credential)];
        let request = ZapRequest {
            key: identity.public().map(KemPublic::fingerprint),
            certified: identity.name().map(str::to_owned),
            ..ZapRequest::new(zap, &turn.config.routing_id, mechanism, credentials)
        };
        Ok(Step::Zap(Server::Zap(AwaitZap(known)).into(), request))
    }
}

/// The mechanism and the credential of a request about a client. An anonymous one has zeros, or nothing, in place of a key.
fn credential(identity: &Identity, as_qzmq: bool) -> (&'static str, Vec<u8>) {
    if as_qzmq {
        let credential = match identity {
            Identity::Anonymous => Vec::new(),
            Identity::PublicKey(public) => public.tagged(),
            Identity::Certificate(certificate) => certificate.bytes().to_vec(),
        };
        return ("QZMQ", credential);
    }
    ("CURVE", identity.public().map_or_else(|| vec![0; 32], |public| public.fingerprint().to_vec()))
}

impl Known {
    /// There is no authenticator. Where authorities are trusted, or were, a client has to be certified.
    fn finish_unasked(self, turn: &mut Turn<'_>) -> Result<Step, Failure> {
        let name = self.begun.identity.name();
        if name.is_none() && self.begun.keys.wants_certificates() {
            return Err(Failure::Uncertified(Refusal::NoCertificate));
        }
        let told = Authenticated::of_name(name);
        self.finish(told, turn)
    }

    /// Appends our READY.
    fn finish(self, told: Authenticated, turn: &mut Turn<'_>) -> Result<Step, Failure> {
        let Known { mut begun, peer } = self;
        let mut properties = Vec::new();
        properties::append_ours(&mut properties, turn.config);
        let ticket = begun.ticket((turn.config.wall_clock)())?;
        let (life_s, ticket) = ticket.as_ref().map_or((0, &[][..]), |sealed| (sealed.life_s, &sealed.ticket));
        let text = Ready { properties: &properties, life_s, ticket }.encode();
        let (aead, schedule) = (begun.suite.aead(), &mut begun.schedule);
        let mut body = ready::NAME.to_vec();
        schedule.absorb(ready::NAME);
        schedule.seal(Purpose::Ready, aead, &text, &mut body)?;
        frame::append_frame(turn.out, COMMAND, &body);
        let logged = LoggedSecrets::new(turn.config.key_log, begun.random);
        let traffic = schedule.traffic(Role::Server, aead, begun.suite.kem(), logged)?;
        let codec = Codec::qzmq(traffic.with_limits(begun.keys.settings.limits));
        let public_key = begun.identity.public().map(|public| PublicKey(public.fingerprint()));
        Ok(Step::Ready(Peer { public_key, ..peer.into_peer(turn, told, codec) }))
    }

    /// Appends our ERROR.
    fn refuse(mut self, reason: &[u8], turn: &mut Turn<'_>) -> Result<(), Failure> {
        let aead = self.begun.suite.aead();
        refusal::append(turn.out, &mut self.begun.schedule, aead, reason)
    }
}

impl From<Server> for Mechanism {
    fn from(state: Server) -> Mechanism {
        Mechanism::QzmqServer(Box::new(state))
    }
}

impl From<Server> for Step {
    fn from(state: Server) -> Step {
        Step::Next(state.into())
    }
}
