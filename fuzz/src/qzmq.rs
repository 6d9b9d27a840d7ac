//! QZMQ's handshake. Two honest sides shake hands, with cookies, tickets and certificates or without, over bytes or WebSockets. A relay
//! changes, repeats, swaps and invents what they say: the side that gets it must not come to its end. And the texts of the commands, as
//! a peer with good keys may send them. What comes behind the handshake is in `records`.

mod records;

use super::certificates;
use super::input::Input;
use super::relay::{self, Side};
use super::sides::Authenticator;
use std::sync::{Arc, LazyLock};
use zmq::crypto::{Certificate, Claims, KemSecret, KemSuite, Roles, Trust};
use zmq::engine::config::{Security, Zap};
use zmq::engine::mechanism::qzmq::hello::{self, Identity, identity_bytes};
use zmq::engine::mechanism::qzmq::keys::{ClientKeys, Limits, ServerKeys, Settings, Trusted};
use zmq::engine::mechanism::qzmq::ready::Ready;
use zmq::engine::mechanism::qzmq::suite::Suite;
use zmq::engine::mechanism::qzmq::{initiate, retry, welcome};
use zmq::engine::{Config, ZapStatus, ws};
use zmq::options::{KnownServer, SocketType};

/// Turns of a conversation; an honest one takes no more than fifteen.
const MOST_TURNS: usize = 16;
/// What we say in one handshake is bounded, whatever the peer does.
const MOST_SAID: usize = 64 * 1024;

pub fn run(data: &[u8]) {
    // They take random bytes, which would be missing from the first input.
    LazyLock::force(&CERTIFICATES);
    super::begin();
    let mut input = Input(data);
    let kem = if input.flag() { KemSuite::MlKem1024 } else { KemSuite::XWing };
    match input.byte() % 8 {
        0 => texts(kem, &mut input),
        1 => bodies(kem, &mut input),
        7 => after_handshake(kem, &mut input),
        _ => conversation(kem, &mut input),
    }
}

/// The same each time, so that an input means the same. The first is a server's.
static SECRETS: LazyLock<[[Arc<KemSecret>; 2]; 2]> = LazyLock::new(|| {
    KemSuite::ALL.map(|kem| {
        [1, 2].map(|byte| {
            let seed = [byte; 64];
            let bytes = if kem == KemSuite::XWing { 32 } else { 64 };
            Arc::new(KemSecret::from_seed(kem, &seed[..bytes]).unwrap())
        })
    })
});

fn secrets(kem: KemSuite) -> &'static [Arc<KemSecret>; 2] {
    &SECRETS[usize::from(kem == KemSuite::MlKem1024)]
}

/// Of a client and of a server, with each KEM. They are valid for ever.
static CERTIFICATES: LazyLock<[[Arc<Certificate>; 2]; 2]> = LazyLock::new(|| {
    super::begin();
    KemSuite::ALL.map(|kem| {
        let [server, client] = secrets(kem);
        [(client, "client", Roles::Client), (server, "server", Roles::Server)].map(|(key, name, roles)| {
            let (name, public) = (name.to_owned(), key.public().clone());
            let claims = Claims { name, public, roles, not_before_s: 0, not_after_s: u64::MAX };
            Arc::new(Certificate::sign(certificates::authority(), claims).unwrap())
        })
    })
});

fn trusted() -> Arc<Trusted> {
    let mut trust = Trust::default();
    trust.add(certificates::authority().public().clone()).unwrap();
    Arc::new(Trusted::new(trust))
}

/// What two honest sides have in mind, by the bits of a byte.
#[derive(Clone, Copy)]
struct Plan {
    kem: KemSuite,
    choices: u8,
    limits: Limits,
}

impl Plan {
    const RESUMES: u8 = 1;
    const REFUSES: u8 = 2;
    const UNDER_LOAD: u8 = 4;
    const ANONYMOUS: u8 = 8;
    const OVER_WEBSOCKET: u8 = 16;
    const ASKS: u8 = 32;
    const CERTIFIED: u8 = 64;
    /// An authenticator is bound. The two lowest bits say what it answers.
    const AUTHENTICATED: u8 = 128;

    fn has(self, choice: u8) -> bool {
        self.choices & choice != 0
    }

    fn authenticator(self) -> Authenticator {
        let answers = [
            ZapStatus::Success,
            ZapStatus::AuthenticationFailure,
            ZapStatus::TemporaryError,
            ZapStatus::InternalError,
        ];
        match self.has(Plan::AUTHENTICATED) {
            true => Authenticator::Says(answers[usize::from(self.choices & 3)]),
            false => Authenticator::Absent,
        }
    }

    /// Whether two honest sides come to their end.
    fn admits(self) -> bool {
        matches!(self.authenticator(), Authenticator::Absent | Authenticator::Says(ZapStatus::Success))
    }

    fn settings(self) -> Settings {
        Settings { limits: self.limits, ..Settings::default() }
    }

    /// A server, under load or not.
    fn server(self, is_loaded: bool) -> Arc<ServerKeys> {
        let most_connections = if is_loaded { 0 } else { Settings::default().most_connections };
        let settings = Settings { most_connections, ..self.settings() };
        let keys = ServerKeys::new(Arc::clone(&secrets(self.kem)[0]), settings);
        let [_, shown] = &CERTIFICATES[usize::from(self.kem == KemSuite::MlKem1024)];
        keys.set_certificate(Some(Arc::clone(shown)));
        let keys = if self.has(Plan::CERTIFIED) { keys.with_trusted(trusted()) } else { keys };
        keys.note_connection(1);
        Arc::new(keys)
    }

    fn client(self) -> Arc<ClientKeys> {
        let [server_secret, client_secret] = secrets(self.kem);
        // An anonymous client has no KEM of its own to ask by, and nothing that an authority could sign.
        let is_known = !self.has(Plan::ANONYMOUS) || self.has(Plan::ASKS | Plan::CERTIFIED);
        let own = is_known.then(|| Arc::clone(client_secret));
        let server = match self.has(Plan::ASKS) {
            true => KnownServer::Name("server".to_owned()),
            false => KnownServer::Key(Arc::new(server_secret.public().clone())),
        };
        let [shown, _] = &CERTIFICATES[usize::from(self.kem == KemSuite::MlKem1024)];
        let shown = self.has(Plan::CERTIFIED).then(|| Arc::clone(shown));
        let keys = ClientKeys::of(server, own, self.settings()).unwrap();
        Arc::new(keys.with_certificate(shown).with_trusted(trusted()))
    }

    fn sides(self, client: &Arc<ClientKeys>, server: &Arc<ServerKeys>) -> [Side; 2] {
        let role = ws::Role::Client { host: "host:1".to_owned(), path: "/".to_owned() };
        let over_websocket = self.has(Plan::OVER_WEBSOCKET);
        let of_client = config(Security::QzmqClient(Arc::clone(client)), SocketType::Push);
        let of_server = config(Security::QzmqServer(Arc::clone(server)), SocketType::Pull);
        [
            Side::new(over_websocket.then_some(&role), of_client),
            Side::new(over_websocket.then_some(&ws::Role::Server), of_server),
        ]
    }

    /// Both sides, with a ticket if they are to have one.
    fn begin(self) -> [Side; 2] {
        let (client_keys, server_keys) = (self.client(), self.server(self.has(Plan::UNDER_LOAD)));
        if self.has(Plan::RESUMES) {
            // What gives the ticket is another server with the same keys, if the ticket is to be refused.
            let giver = if self.has(Plan::REFUSES) { self.server(false) } else { Arc::clone(&server_keys) };
            talk(self, &mut self.sides(&client_keys, &giver), |_, _| {});
        }
        self.sides(&client_keys, &server_keys)
    }
}

fn config(security: Security, socket_type: SocketType) -> Config {
    Config {
        socket_type,
        security,
        zap: Zap { peer_address: b"127.0.0.1".to_vec(), ..Zap::default() },
        routing_id: Vec::new(),
        recv_routing_id: false,
        app_metadata: Default::default(),
        wall_clock: || 1_800_000_000,
        key_log: None,
    }
}

fn conversation(kem: KemSuite, input: &mut Input<'_>) {
    let plan = Plan { kem, choices: input.byte(), limits: Limits::default() };
    let mut sides = plan.begin();
    let (at, way) = (input.below(MOST_TURNS), input.byte());
    let mut earlier: Vec<Vec<u8>> = Vec::new();
    talk(plan, &mut sides, |turn, said| {
        let honest = said.clone();
        if turn == at && !said.is_empty() {
            meddle(way, input, &earlier, said);
        }
        earlier.push(honest);
    });
}

/// Two sides that have shaken hands undisturbed, and what passes between them.
fn after_handshake(kem: KemSuite, input: &mut Input<'_>) {
    let (choices, records) = (input.byte(), u64::from(input.byte()));
    let padding_bytes = usize::from(input.byte());
    let limits = Limits { records, padding_bytes, interval_ms: 0, ..Limits::default() };
    let plan = Plan { kem, choices, limits };
    if !plan.admits() {
        return;
    }
    let mut sides = plan.begin();
    talk(plan, &mut sides, |_, _| {});
    let peers = sides.map(|side| side.outcome.unwrap().unwrap());
    records::run(peers, plan.has(Plan::OVER_WEBSOCKET), input);
}

/// Lets both talk. `edit` changes what is said in a turn; a side that has taken what was changed does not come to its end.
fn talk(plan: Plan, sides: &mut [Side; 2], mut edit: impl FnMut(usize, &mut Vec<u8>)) {
    let mut meddled = [false; 2];
    for turn in 0..MOST_TURNS {
        let (from, to) = (turn % 2, 1 - turn % 2);
        let honest = sides[from].say();
        assert!(sides[from].said <= MOST_SAID, "{} bytes said", sides[from].said);
        let mut said = honest.clone();
        edit(turn, &mut said);
        let is_over = sides[to].outcome.is_some();
        assert!(!is_over || said.is_empty() || !sides[to].goes_on(), "over is over");
        let taken = sides[to].hear(&said, plan.authenticator());
        // Bytes behind READY are records already.
        let is_honest =
            taken >= honest.len() && said.starts_with(&honest) && (said == honest || taken == honest.len());
        meddled[to] |= !is_over && !is_honest;
    }
    // A request for the upgrade is in no transcript, and a ping may come at any time.
    if !plan.has(Plan::OVER_WEBSOCKET) {
        for (side, meddled) in sides.iter().zip(meddled) {
            assert!(!(meddled && side.is_done()), "a change was not noticed");
        }
    }
    let is_undisturbed = !meddled.contains(&true);
    let is_done = sides.iter().all(Side::is_done);
    assert!(!is_undisturbed || is_done == plan.admits(), "two honest sides come to another end");
}

/// Changes what is said.
fn meddle(way: u8, input: &mut Input<'_>, earlier: &[Vec<u8>], said: &mut Vec<u8>) {
    match way % 10 {
        way @ 1..=6 => {
            relay::edit(way.into(), input, said, 0);
        }
        0 => {}
        way => {
            let at = usize::from(input.u16());
            match way {
                7 => *said = input.rest().to_vec(),
                8 => *said = framed(input.rest()),
                _ => *said = earlier.get(at % earlier.len().max(1)).cloned().unwrap_or_default(),
            }
        }
    }
}

fn framed(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    zmq::engine::zmtp::frame::append_frame(&mut out, zmq::message::COMMAND, body);
    out
}

/// Bodies in clear: an honest one in which the input changes places.
fn bodies(kem: KemSuite, input: &mut Input<'_>) {
    let which = input.byte() % 4;
    let suite =
        if kem == KemSuite::XWing { Suite::XWingAes256GcmSha256 } else { Suite::MlKem1024Aes256GcmSha384 };
    let mut body = match which {
        0 => hello_body(kem, 1),
        1 => hello_body(kem, 0),
        2 => welcome_body(kem, suite),
        _ => b"\x05RETRY\0\x0812345678".to_vec(),
    };
    while !input.is_empty() {
        let (at, way) = (usize::from(input.u16()) % body.len().max(1), input.byte());
        if body.is_empty() {
            break;
        }
        match way % 4 {
            0 => body[at] = input.byte(),
            1 => body.truncate(at),
            2 => {
                body.splice(at..at, input.run().iter().copied());
            }
            _ => {
                body.drain(at..(at + input.below(256)).min(body.len()));
            }
        }
    }
    if let Ok(hello) = hello::parse(&body) {
        assert_eq!([hello.head, hello.sealed, hello.cookie_field].concat(), body, "nothing is left out");
        assert!((1..=8).contains(&hello.suites.len()));
    }
    for is_full in [true, false] {
        if let Ok(welcome) = welcome::parse(&body, kem, &[suite], is_full) {
            assert_eq!([welcome.head, welcome.sealed].concat(), body);
            assert_eq!(welcome.suite, suite, "one that was offered");
        }
    }
    if let Ok(retry::Retry::Cookie(field)) = retry::parse(&body) {
        assert!(body.ends_with(field) && field.len() > 8 && usize::from(field[0]) == field.len() - 1);
    }
}

/// A HELLO of the right form, with nothing in it: full or resuming.
fn hello_body(kem: KemSuite, mode: u8) -> Vec<u8> {
    let mut body = b"\x05HELLO\x01\0".to_vec();
    body.extend([mode, kem.number()]);
    body.extend([0; 32]);
    body.extend([2, 1, 2]);
    body.resize(body.len() + kem.public_bytes() + 8, 0);
    let box_bytes = if mode == 0 {
        body.resize(body.len() + kem.ciphertext_bytes(), 0);
        identity_bytes(kem) + 16
    } else {
        body.extend([0, 40]);
        body.resize(body.len() + 40, 7);
        16
    };
    body.extend((box_bytes as u16).to_be_bytes());
    body.resize(body.len() + box_bytes + 1, 0);
    body
}

fn welcome_body(kem: KemSuite, suite: Suite) -> Vec<u8> {
    let mut body = b"\x07WELCOME".to_vec();
    body.push(suite.number());
    body.resize(body.len() + 32 + kem.ciphertext_bytes(), 0);
    body.extend([0, 16]);
    body.resize(body.len() + 16, 0);
    body
}

/// Texts of boxes, as the holder of the keys may make them: one form for each, and no other.
fn texts(kem: KemSuite, input: &mut Input<'_>) {
    let which = input.byte() % 3;
    let mut text = input.rest().to_vec();
    match which {
        0 => {
            if let Ok(properties) = initiate::parse(&text) {
                assert_eq!(initiate::encode(properties), text);
            }
        }
        1 => {
            if let Ok(ready) = Ready::parse(&text) {
                assert_eq!(ready.encode(), text);
            }
        }
        _ => {
            text.resize(identity_bytes(kem), 0);
            if let Ok(identity) = Identity::parse(kem, &text) {
                assert_eq!(identity.encode(kem), text);
            }
        }
    }
}

/// Inputs to begin with: each kind of conversation as it is, some with a change, and the texts.
pub fn known() -> Vec<(&'static str, Vec<u8>)> {
    let mut all = vec![
        ("initiate", [b"\0\0\0\0\0\0\x14\x0bSocket-Type\0\0\0\x04PUSH", &[0; 40][..]].concat()),
        ("ready", [b"\0\0\x01\0\0\0\0\0\0\0\x09\0\x05ticke", &[0; 49][..]].concat()),
        ("identity", b"\0\0\x02\0\0\0".to_vec()),
        ("hello", b"\0\x01\0\0\x2a\x02\x03\x01\x02\x03".to_vec()),
        ("welcome", b"\0\x01\x02\0\x08\0\x02".to_vec()),
        ("retry", b"\0\x01\x03\0\x06\0\x01".to_vec()),
    ];
    for (name, choices) in [
        ("full", 0),
        ("anonymous", 8),
        ("cookie", 4),
        ("resuming", 1),
        ("resuming-cookie", 5),
        ("refused", 3),
    ] {
        all.push((name, vec![0, 2, choices, 0, 0]));
    }
    for (name, choices) in [
        ("over-ws", 16),
        ("asking", 32),
        ("asking-cookie", 36),
        ("certified", 64),
        ("certified-resuming", 65),
        ("certified-on-both-sides", 96),
        ("all-over-ws", 0x74),
        ("let-in-by-an-authenticator", 0x80),
        ("kept-out-by-an-authenticator", 0x81),
        ("kept-out-for-now", 0x82),
    ] {
        all.push((name, vec![1, 2, choices, 0, 0]));
    }
    all.extend(records::known());
    for (name, choices, turn) in [
        ("full-edited", 0, 2),
        ("welcome-edited", 0, 3),
        ("initiate-edited", 0, 4),
        ("ready-edited", 0, 5),
        ("cookie-edited", 4, 3),
        ("ticket-edited", 1, 2),
        ("refusal-edited", 3, 3),
        ("refused-edited", 3, 4),
        ("ask-edited", 32, 2),
        ("certificate-edited", 32, 3),
        ("certified-edited", 64, 2),
        ("ws-edited", 16, 4),
    ] {
        all.push((name, vec![1, 2, choices, turn, 1, 0, 99, 1]));
    }
    all
}
