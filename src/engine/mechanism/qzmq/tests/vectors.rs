//! The file of test vectors, tests/qzmq/vectors.json: checked here, step by step, as the document has them.
//!
//! `QZMQ_VECTORS=write cargo test --lib vectors_of_the_document` writes it anew, from new keys.

mod certified;

use self::certified::Certified;
use super::retry::under_load;
use super::tickets::give;
use super::{client, server};
use crate::crypto::aead::AEAD_TAG_BYTES;
use crate::crypto::hkdf::DerivationKey;
use crate::crypto::{KemSecret, KemSuite};
use crate::engine::Config;
use crate::engine::mechanism::properties;
use crate::engine::mechanism::qzmq::ask;
use crate::engine::mechanism::qzmq::derivation::box_key;
use crate::engine::mechanism::qzmq::fields::is_zero;
use crate::engine::mechanism::qzmq::hello::{self, Identity, Mode};
use crate::engine::mechanism::qzmq::keys::{ClientKeys, ServerKeys, Settings};
use crate::engine::mechanism::qzmq::ready::Ready;
use crate::engine::mechanism::qzmq::record::{HEAD_BYTES, RecordKey};
use crate::engine::mechanism::qzmq::retry::{self, Retry};
use crate::engine::mechanism::qzmq::schedule::{Prologue, Purpose, Schedule};
use crate::engine::mechanism::qzmq::suite::{Suite, Suites, hash_of, key_id};
use crate::engine::mechanism::qzmq::{Client, Server, initiate, ready, welcome};
use crate::engine::mechanism::tests::turn;
use crate::engine::mechanism::{Mechanism, Step};
use crate::engine::zmtp::frame;
use crate::engine::zmtp::tests::greeting;
use serde_json::{Value, json};
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

const CONTENTS: [&[u8]; 4] = [b"\0\x05first", b"\x04\x0a\x09SUBSCRIBE", b"x", &[0; 300]];

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/qzmq/vectors.json")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// What is special about a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    Known,
    Anonymous,
    /// RETRY wants a cookie.
    Cookie,
    Resuming,
    /// RETRY refuses a ticket.
    Refused,
    /// The client shows a certificate.
    Certified,
    /// The client asks the server for its certificate.
    Asked,
}

#[test]
fn vectors_of_the_document() {
    use Special::{Anonymous, Asked, Certified, Cookie, Known, Refused, Resuming};
    // What RETRY does depends on the KEM alone, and so do certificates.
    let both = [Suite::XWingAes256GcmSha256, Suite::MlKem1024Aes256GcmSha384];
    let all =
        [Known, Anonymous, Resuming].into_iter().flat_map(|special| Suite::ALL.map(|suite| (suite, special)));
    let all: Vec<_> = all
        .chain(
            [Cookie, Refused, Certified, Asked]
                .into_iter()
                .flat_map(|special| both.map(|suite| (suite, special))),
        )
        .collect();
    if std::env::var("QZMQ_VECTORS").is_ok_and(|value| value == "write") {
        let all: Vec<Value> = all.iter().map(|(suite, special)| handshake(*suite, *special)).collect();
        fs::create_dir_all(file().parent().unwrap()).unwrap();
        fs::write(file(), serde_json::to_string_pretty(&json!({ "handshakes": all })).unwrap() + "\n")
            .unwrap();
    }
    let vectors: Value = serde_json::from_str(&fs::read_to_string(file()).unwrap()).unwrap();
    let handshakes = vectors["handshakes"].as_array().unwrap();
    assert_eq!(handshakes.len(), all.len());
    handshakes.iter().for_each(check);
}

/// The body of the one frame that a step has appended.
fn said(out: &mut Vec<u8>) -> Vec<u8> {
    let header = frame::parse_header(out).unwrap().unwrap();
    let body = out[header.header_len..].to_vec();
    out.clear();
    body
}

/// A handshake of two sides of this library.
fn handshake(suite: Suite, special: Special) -> Value {
    let kem = suite.kem();
    let secret = || Arc::new(KemSecret::generate(kem).unwrap());
    let (server_secret, client_secret) = (secret(), (special != Special::Anonymous).then(secret));
    let settings = Settings { suites: Suites::only(&[suite]), ..Settings::default() };
    let certified = Certified::new(special, &server_secret, client_secret.as_deref());
    let client_keys = Arc::new(certified.client_keys(&server_secret, client_secret.clone(), settings));
    let mut server_keys = Arc::new(certified.server_keys(&server_secret, settings));
    let mut psk = Vec::new();
    match special {
        Special::Cookie => server_keys = under_load(server_keys),
        Special::Refused => give(&client_keys, &ServerKeys::new(Arc::clone(&server_secret), settings)),
        Special::Resuming => {
            give(&client_keys, &server_keys);
            let ticket = client_keys.ticket.take().unwrap();
            psk = ticket.psk.bytes().to_vec();
            client_keys.ticket.keep(&ticket.bytes, ticket.psk, settings.ticket_life_s);
        }
        Special::Known | Special::Anonymous | Special::Certified | Special::Asked => {}
    }
    let (mine, theirs) = (client(&client_keys), server(&server_keys));
    let greetings = [greeting(3, 1, "QZMQ"), greeting(3, 1, "QZMQ")];
    let said = converse((&client_keys, &mine), (&server_keys, &theirs), [&greetings[0], &greetings[1]]);
    let ticket = client_keys.ticket.take();
    assert_eq!(ticket.is_none(), special == Special::Asked);
    let (mut client_properties, mut server_properties) = (Vec::new(), Vec::new());
    properties::append_ours(&mut client_properties, &mine);
    properties::append_ours(&mut server_properties, &theirs);
    let mut given = json!({
        "name": format!("{suite:?}, {special:?}"),
        "suites": [suite.number()],
        "suite": suite.number(),
        "mode": if psk.is_empty() { "full" } else { "resuming" },
        "server_seed": hex(server_secret.seed()),
        "client_seed": client_secret.map(|secret| hex(secret.seed())).unwrap_or_default(),
        "ephemeral_seed": hex(&said.ephemeral_seed),
        "psk": hex(&psk),
        "asked": hex(&said.asked),
        "refused": hex(&said.refused),
        "client_greeting": hex(&greetings[0]),
        "server_greeting": hex(&greetings[1]),
        "hello": hex(&said.hello),
        "welcome": hex(&said.welcome),
        "initiate": hex(&said.initiate),
        "ready": hex(&said.ready),
        "client_properties": hex(&client_properties),
        "server_properties": hex(&server_properties),
        "ticket": ticket.as_ref().map(|ticket| hex(&ticket.bytes)).unwrap_or_default(),
        "ticket_life_s": match ticket {
            None => 0,
            // A ticket ends with the client's certificate.
            Some(_) if certified.of_client.is_some() => 1,
            Some(_) => settings.ticket_life_s,
        },
    });
    given.as_object_mut().unwrap().extend(certified.members().as_object().unwrap().clone());
    let update = KemSecret::generate(kem).unwrap();
    let (ciphertext, _) = update.public().encapsulate().unwrap();
    given["update"] = json!({ "seed": hex(update.seed()), "ciphertext": hex(ciphertext.bytes()) });
    let derived = derive(&given);
    for (name, value) in derived.as_object().unwrap() {
        given[name] = value.clone();
    }
    given
}

/// The commands of a handshake: the last HELLO and what follows it.
#[derive(Default)]
struct Said {
    ephemeral_seed: Vec<u8>,
    asked: Vec<u8>,
    refused: Vec<u8>,
    hello: Vec<u8>,
    welcome: Vec<u8>,
    initiate: Vec<u8>,
    ready: Vec<u8>,
}

fn converse(
    (client_keys, mine): (&Arc<ClientKeys>, &Config),
    (server_keys, theirs): (&Arc<ServerKeys>, &Config),
    greetings: [&[u8]; 2],
) -> Said {
    let (mut all, mut out) = (Said::default(), Vec::new());
    let mut first = Client::start(client_keys, greetings, &mut turn(mine, &mut out)).unwrap();
    let mut waiting = Mechanism::from(Server::start(server_keys, greetings));
    loop {
        all.hello = said(&mut out);
        let Ok(Step::Next(next)) = waiting.command(&all.hello, &mut turn(theirs, &mut out)) else {
            panic!("HELLO")
        };
        waiting = next;
        let answer = said(&mut out);
        all.ephemeral_seed = first.ephemeral_seed();
        let Ok(Step::Next(Mechanism::QzmqClient(next))) = first.command(&answer, &mut turn(mine, &mut out))
        else {
            panic!("WELCOME or RETRY")
        };
        first = *next;
        if ask::is_ask(&all.hello) {
            all.asked = [&all.hello[..], &answer].concat();
            continue;
        }
        if !retry::is_retry(&answer) {
            all.welcome = answer;
            break;
        }
        if retry::parse(&answer) == Ok(Retry::Full) {
            all.refused = [&all.hello[..], &answer].concat();
        }
    }
    all.initiate = said(&mut out);
    let Ok(Step::Zap(waiting, _)) = waiting.command(&all.initiate, &mut turn(theirs, &mut out)) else {
        panic!("INITIATE")
    };
    let Ok(Step::Ready(_)) = waiting.zap_unavailable(&mut turn(theirs, &mut out)) else { panic!("READY") };
    all.ready = said(&mut out);
    let Ok(Step::Ready(_)) = first.command(&all.ready, &mut turn(mine, &mut out)) else { panic!("READY") };
    all
}

fn check(given: &Value) {
    let derived = derive(given);
    for (name, value) in derived.as_object().unwrap() {
        assert_eq!(&given[name], value, "{}: {name}", given["name"]);
    }
}

/// A key of a vector; `None` where the member is empty.
fn secret_in(given: &Value, kem: KemSuite, name: &str) -> Option<KemSecret> {
    let seed = bytes(&given[name]);
    (!seed.is_empty()).then(|| KemSecret::from_seed(kem, &seed).unwrap())
}

/// Opens a vector's HELLO: the schedule up to its end, and whether it is full.
fn opened(given: &Value, kem: KemSuite, server: &KemSecret) -> (Schedule, bool) {
    let field = |name: &str| bytes(&given[name]);
    let greetings = [field("client_greeting"), field("server_greeting")];
    let mut prologue = Prologue::new(kem, [&greetings[0], &greetings[1]]);
    certified::check_server(given, server);
    let asked = field("asked");
    if !asked.is_empty() {
        prologue = prologue.refused(&asked, &[]);
    }
    let refused = field("refused");
    if !refused.is_empty() {
        let (first, retry) = refused.split_at(refused.len() - retry::REFUSAL.len());
        prologue = prologue.refused(first, retry);
    }
    let psk = field("psk");
    let psk = (!psk.is_empty()).then(|| DerivationKey::from_bytes(hash_of(kem), &psk).unwrap());
    let mut schedule = prologue.schedule(server.public(), psk.as_ref());
    let body = field("hello");
    let hello = hello::parse(&body).unwrap();
    assert_eq!(*hello.key_id, key_id(server.public()));
    let ephemeral = secret_in(given, kem, "ephemeral_seed").unwrap();
    assert_eq!(hello.ephemeral, ephemeral.public().bytes());
    schedule.absorb(hello.head);
    match hello.mode {
        Mode::Full { ciphertext } => {
            schedule.mix(Some(server.decapsulate(ciphertext).unwrap().as_bytes())).unwrap();
        }
        Mode::Resuming { .. } => schedule.mix(None).unwrap(),
    }
    let is_full = matches!(hello.mode, Mode::Full { .. });
    assert_eq!((is_full, given["mode"] == "full"), (psk.is_none(), psk.is_none()));
    let identity = schedule.open(Purpose::Hello, hello::BOX_AEAD, hello.sealed).unwrap();
    if is_full {
        let own = secret_in(given, kem, "client_seed");
        assert_eq!(Identity::parse(kem, &identity).unwrap(), certified::identity(given, own.as_ref()));
    }
    schedule.absorb(hello.cookie_field);
    (schedule, is_full)
}

/// What follows from the seeds and the commands, by the document.
fn derive(given: &Value) -> Value {
    let field = |name: &str| bytes(&given[name]);
    let suite = Suite::from_number(given["suite"].as_u64().unwrap() as u8).unwrap();
    let (kem, aead) = (suite.kem(), suite.aead());
    let secret = |name: &str| secret_in(given, kem, name);
    let (own, ephemeral) = (secret("client_seed"), secret("ephemeral_seed").unwrap());
    let (mut schedule, is_full) = opened(given, kem, &secret("server_seed").unwrap());
    let hello_h = hex(schedule.transcript());

    let body = field("welcome");
    let welcome = welcome::parse(&body, kem, &[suite], is_full).unwrap();
    schedule.absorb(welcome.head);
    schedule.mix(Some(ephemeral.decapsulate(welcome.ciphertext).unwrap().as_bytes())).unwrap();
    let ciphertext = schedule.open(Purpose::Welcome, aead, welcome.sealed).unwrap();
    match &own {
        _ if !is_full => {
            assert!(ciphertext.is_empty());
            schedule.mix(None).unwrap();
        }
        Some(own) => schedule.mix(Some(own.decapsulate(&ciphertext).unwrap().as_bytes())).unwrap(),
        None => {
            assert!(is_zero(&ciphertext));
            schedule.mix(None).unwrap();
        }
    }
    let welcome_h = hex(schedule.transcript());

    let body = field("initiate");
    schedule.absorb(initiate::NAME);
    let text = schedule.open(Purpose::Initiate, aead, initiate::sealed(&body).unwrap()).unwrap();
    assert_eq!(initiate::parse(&text).unwrap(), field("client_properties"));
    let initiate_h = hex(schedule.transcript());
    let next_psk = schedule.next_psk().unwrap();

    let body = field("ready");
    schedule.absorb(ready::NAME);
    let text = schedule.open(Purpose::Ready, aead, &body[ready::NAME.len()..]).unwrap();
    let life_s = given["ticket_life_s"].as_u64().unwrap() as u32;
    let expected =
        Ready { properties: &field("server_properties"), life_s, ticket: &field("ticket") }.encode();
    assert_eq!(*text, expected);
    let secrets = [b"client data".as_slice(), b"server data", b"update"].map(|label| schedule.derived(label));
    json!({
        "hello_h": hello_h,
        "welcome_h": welcome_h,
        "initiate_h": initiate_h,
        "ready_h": hex(schedule.transcript()),
        "next_psk": hex(next_psk.bytes()),
        "client_secret": hex(secrets[0].bytes()),
        "server_secret": hex(secrets[1].bytes()),
        "update_secret": hex(secrets[2].bytes()),
        "client_records": records(suite, &secrets[0], &CONTENTS),
        "server_records": records(suite, &secrets[1], &CONTENTS[1..3]),
        "update": update(kem, &secrets[2], given),
    })
}

fn records(suite: Suite, secret: &DerivationKey, contents: &[&[u8]]) -> Value {
    let (key, iv) = box_key(secret, suite.aead(), (b"key", b"iv"), &[]).unwrap();
    let mut key = RecordKey::new(key, iv);
    let records = contents.iter().map(|content| {
        let mut record = Vec::new();
        let at = RecordKey::begin(&mut record);
        record.extend_from_slice(content);
        key.seal(&mut record, at, crate::engine::codec::records::Kind::Data, 0).unwrap();
        assert_eq!(record.len(), HEAD_BYTES + content.len() + 1 + AEAD_TAG_BYTES);
        json!({ "type": 1, "content": hex(content), "record": hex(&record) })
    });
    records.collect()
}

fn update(kem: KemSuite, secret: &DerivationKey, given: &Value) -> Value {
    let hash = hash_of(kem);
    let (seed, ciphertext) = (&given["update"]["seed"], bytes(&given["update"]["ciphertext"]));
    let ephemeral = KemSecret::from_seed(kem, &bytes(seed)).unwrap();
    let exchange = hash.digest(&[ephemeral.public().bytes(), &ciphertext]);
    let salt = secret.derive(b"derived", exchange.bytes()).unwrap();
    let shared = ephemeral.decapsulate(&ciphertext).unwrap();
    let next = DerivationKey::extract(hash, salt.bytes(), shared.as_bytes());
    let derived = |label: &[u8]| hex(next.derive(label, exchange.bytes()).unwrap().bytes());
    json!({
        "seed": seed,
        "ciphertext": hex(&ciphertext),
        "update_secret": hex(next.bytes()),
        "client_secret": derived(b"client data"),
        "server_secret": derived(b"server data"),
    })
}
