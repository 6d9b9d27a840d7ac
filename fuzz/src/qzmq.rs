//! QZMQ's handshake. Two honest sides shake hands, with cookies and tickets or without, and a relay changes, repeats, swaps and
//! invents what they say: the side that gets it must not come to its end. And the texts of the commands, as a peer with good keys
//! may send them.

use super::input::Input;
use std::sync::{Arc, LazyLock};
use zmq::crypto::{KemSecret, KemSuite};
use zmq::engine::config::{Security, Zap};
use zmq::engine::mechanism::qzmq::hello::{self, Identity, identity_bytes};
use zmq::engine::mechanism::qzmq::keys::{ClientKeys, ServerKeys, Settings};
use zmq::engine::mechanism::qzmq::ready::Ready;
use zmq::engine::mechanism::qzmq::suite::Suite;
use zmq::engine::mechanism::qzmq::{initiate, retry, welcome};
use zmq::engine::{Config, Failure, Opening, Peer, Progress};
use zmq::options::SocketType;

/// Turns of a conversation; an honest one takes no more than thirteen.
const MOST_TURNS: usize = 16;
/// What we say in one handshake is bounded, whatever the peer does.
const MOST_SAID: usize = 64 * 1024;

pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let kem = if input.flag() { KemSuite::MlKem1024 } else { KemSuite::XWing };
    match input.byte() % 8 {
        0 => texts(kem, &mut input),
        1 => bodies(kem, &mut input),
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

/// A server, under load or not.
fn server(kem: KemSuite, is_loaded: bool) -> Arc<ServerKeys> {
    let most_connections = if is_loaded { 0 } else { Settings::default().most_connections };
    let settings = Settings { most_connections, ..Settings::default() };
    let keys = ServerKeys::new(Arc::clone(&secrets(kem)[0]), settings);
    keys.note_connection(1);
    Arc::new(keys)
}

/// One side.
struct Side {
    opening: Opening,
    said: usize,
    outcome: Option<Result<Peer, Failure>>,
}

impl Side {
    fn new(security: Security, socket_type: SocketType) -> Side {
        let config = Config {
            socket_type,
            security,
            zap: Zap { peer_address: b"127.0.0.1".to_vec(), ..Zap::default() },
            routing_id: Vec::new(),
            recv_routing_id: false,
            app_metadata: Default::default(),
            wall_clock: || 1_800_000_000,
            key_log: None,
        };
        Side { opening: Opening::new(None, config), said: 0, outcome: None }
    }

    fn client(keys: &Arc<ClientKeys>) -> Side {
        Side::new(Security::QzmqClient(Arc::clone(keys)), SocketType::Push)
    }

    fn server(keys: &Arc<ServerKeys>) -> Side {
        Side::new(Security::QzmqServer(Arc::clone(keys)), SocketType::Pull)
    }

    fn say(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.opening.output(&mut out);
        self.said += out.len();
        assert!(self.said <= MOST_SAID, "{} bytes said", self.said);
        out
    }

    /// Takes bytes; how many of them, and none once it is over.
    fn hear(&mut self, bytes: &[u8]) -> usize {
        if self.outcome.is_some() {
            assert!(bytes.is_empty() || self.opening.input(bytes).is_err(), "over is over");
            return 0;
        }
        let mut taken = 0;
        let progress = self.opening.input(bytes).and_then(|(consumed, progress)| {
            taken = consumed;
            match progress {
                Progress::Zap(_) => self.opening.zap_unavailable(),
                other => Ok(other),
            }
        });
        self.outcome = match progress {
            Ok(Progress::Done(peer)) => Some(Ok(peer)),
            Ok(_) => None,
            Err(failure) => Some(Err(failure)),
        };
        taken
    }

    fn is_done(&self) -> bool {
        matches!(self.outcome, Some(Ok(_)))
    }
}

fn conversation(kem: KemSuite, input: &mut Input<'_>) {
    let choices = input.byte();
    let (resumes, refuses, is_loaded, known) =
        (choices & 1 == 1, choices & 2 == 2, choices & 4 == 4, choices & 8 == 0);
    let [server_secret, client_secret] = secrets(kem);
    let own = known.then(|| Arc::clone(client_secret));
    let public = Arc::new(server_secret.public().clone());
    let client_keys = Arc::new(ClientKeys::new(public, own, Settings::default()).unwrap());
    let server_keys = server(kem, is_loaded);
    if resumes {
        // What gives the ticket is another server with the same keys, if the ticket is to be refused.
        let giver = if refuses { server(kem, false) } else { Arc::clone(&server_keys) };
        let (first, second) = (Side::client(&client_keys), Side::server(&giver));
        talk(first, second, |_, _| {});
    }
    let (at, way) = (input.below(MOST_TURNS), input.byte());
    let mut earlier: Vec<Vec<u8>> = Vec::new();
    let (first, second) = (Side::client(&client_keys), Side::server(&server_keys));
    talk(first, second, |turn, said| {
        let honest = said.clone();
        if turn == at && !said.is_empty() {
            meddle(way, input, &earlier, said);
        }
        earlier.push(honest);
    });
}

/// Lets both talk. `edit` changes what is said in a turn; a side that has taken what was changed does not come to its end.
fn talk(client: Side, server: Side, mut edit: impl FnMut(usize, &mut Vec<u8>)) {
    let mut sides = [client, server];
    let mut meddled = [false; 2];
    for turn in 0..MOST_TURNS {
        let (from, to) = (turn % 2, 1 - turn % 2);
        let honest = sides[from].say();
        let mut said = honest.clone();
        edit(turn, &mut said);
        let is_over = sides[to].outcome.is_some();
        let taken = sides[to].hear(&said);
        // Bytes behind READY are records already.
        let is_honest =
            taken >= honest.len() && said.starts_with(&honest) && (said == honest || taken == honest.len());
        meddled[to] |= !is_over && !is_honest;
    }
    for (side, meddled) in sides.iter().zip(meddled) {
        assert!(!(meddled && side.is_done()), "a change was not noticed");
    }
    let is_undisturbed = !meddled.contains(&true);
    assert!(!is_undisturbed || sides.iter().all(Side::is_done), "two honest sides do not come to an end");
}

/// Changes what is said.
fn meddle(way: u8, input: &mut Input<'_>, earlier: &[Vec<u8>], said: &mut Vec<u8>) {
    let at = usize::from(input.u16()) % said.len();
    match way % 10 {
        1 => said[at] ^= input.byte().max(1),
        2 => said.truncate(at),
        3 => said.insert(at, input.byte()),
        4 => said.extend_from_within(at..),
        5 => {
            said.splice(at..at, input.run().iter().copied());
        }
        6 => {
            said.drain(at..(at + input.below(256)).min(said.len()));
        }
        7 => *said = input.rest().to_vec(),
        8 => *said = framed(input.rest()),
        9 => *said = earlier.get(at % earlier.len().max(1)).cloned().unwrap_or_default(),
        _ => {}
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
    for (name, choices, turn) in [
        ("full-edited", 0, 2),
        ("welcome-edited", 0, 3),
        ("initiate-edited", 0, 4),
        ("ready-edited", 0, 5),
        ("cookie-edited", 4, 3),
        ("ticket-edited", 1, 2),
        ("refusal-edited", 3, 3),
        ("refused-edited", 3, 4),
    ] {
        all.push((name, vec![1, 2, choices, turn, 1, 0, 99, 1]));
    }
    all
}
