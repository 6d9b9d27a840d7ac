//! The file of test vectors, tests/qzmq/vectors.json: checked here, step by step, as the document has them.
//!
//! `QZMQ_VECTORS=write cargo test --lib vectors_of_the_document` writes it anew, from new keys.

use super::{client, server};
use crate::crypto::aead::AEAD_TAG_BYTES;
use crate::crypto::hkdf::DerivationKey;
use crate::crypto::{KemSecret, KemSuite};
use crate::engine::mechanism::properties;
use crate::engine::mechanism::qzmq::derivation::box_key;
use crate::engine::mechanism::qzmq::fields::is_zero;
use crate::engine::mechanism::qzmq::hello::{self, Identity, Mode};
use crate::engine::mechanism::qzmq::keys::{ClientKeys, ServerKeys, Settings};
use crate::engine::mechanism::qzmq::ready::Ready;
use crate::engine::mechanism::qzmq::record::{HEAD_BYTES, RecordKey};
use crate::engine::mechanism::qzmq::schedule::{Prologue, Purpose};
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

#[test]
fn vectors_of_the_document() {
    if std::env::var("QZMQ_VECTORS").is_ok_and(|value| value == "write") {
        let all: Vec<Value> = Suite::ALL
            .into_iter()
            .flat_map(|suite| [true, false].map(|named| handshake(suite, named)))
            .collect();
        fs::create_dir_all(file().parent().unwrap()).unwrap();
        fs::write(file(), serde_json::to_string_pretty(&json!({ "handshakes": all })).unwrap() + "\n")
            .unwrap();
    }
    let vectors: Value = serde_json::from_str(&fs::read_to_string(file()).unwrap()).unwrap();
    let handshakes = vectors["handshakes"].as_array().unwrap();
    assert_eq!(handshakes.len(), 8);
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
fn handshake(suite: Suite, named: bool) -> Value {
    let kem = suite.kem();
    let secret = || Arc::new(KemSecret::generate(kem).unwrap());
    let (server_secret, client_secret) = (secret(), named.then(secret));
    let settings = Settings { suites: Suites::only(&[suite]), ticket_life_s: 0, ..Settings::default() };
    let known = Arc::new(server_secret.public().clone());
    let client_keys = Arc::new(ClientKeys::new(known, client_secret.clone(), settings).unwrap());
    let server_keys = Arc::new(ServerKeys::new(Arc::clone(&server_secret), settings));
    let (mine, theirs) = (client(&client_keys), server(&server_keys));
    let greetings = [greeting(3, 1, "QZMQ"), greeting(3, 1, "QZMQ")];
    let both = [&greetings[0][..], &greetings[1]];
    let mut out = Vec::new();
    let first = Client::start(&client_keys, both, &mut turn(&mine, &mut out)).unwrap();
    let ephemeral = first.ephemeral_seed();
    let hello = said(&mut out);
    let waiting = Server::start(&server_keys, both);
    let Ok(Step::Next(waiting)) = waiting.command(&hello, &mut turn(&theirs, &mut out)) else {
        panic!("HELLO")
    };
    let welcome = said(&mut out);
    let Ok(Step::Next(Mechanism::QzmqClient(first))) = first.command(&welcome, &mut turn(&mine, &mut out))
    else {
        panic!("WELCOME")
    };
    let initiate = said(&mut out);
    let Ok(Step::Zap(waiting, _)) = waiting.command(&initiate, &mut turn(&theirs, &mut out)) else {
        panic!("INITIATE")
    };
    let Ok(Step::Ready(_)) = waiting.zap_unavailable(&mut turn(&theirs, &mut out)) else { panic!("READY") };
    let ready = said(&mut out);
    let Ok(Step::Ready(_)) = first.command(&ready, &mut turn(&mine, &mut out)) else { panic!("READY") };
    let (mut client_properties, mut server_properties) = (Vec::new(), Vec::new());
    properties::append_ours(&mut client_properties, &mine);
    properties::append_ours(&mut server_properties, &theirs);
    let mut given = json!({
        "name": format!("{suite:?}, {}", if named { "public key" } else { "anonymous" }),
        "suites": [suite.number()],
        "suite": suite.number(),
        "mode": "full",
        "server_seed": hex(server_secret.seed()),
        "client_seed": client_secret.map(|secret| hex(secret.seed())).unwrap_or_default(),
        "ephemeral_seed": hex(&ephemeral),
        "psk": "",
        "client_greeting": hex(&greetings[0]),
        "server_greeting": hex(&greetings[1]),
        "hello": hex(&hello),
        "welcome": hex(&welcome),
        "initiate": hex(&initiate),
        "ready": hex(&ready),
        "client_properties": hex(&client_properties),
        "server_properties": hex(&server_properties),
        "ticket": "",
        "ticket_life_s": 0,
    });
    let update = KemSecret::generate(kem).unwrap();
    let (ciphertext, _) = update.public().encapsulate().unwrap();
    given["update"] = json!({ "seed": hex(update.seed()), "ciphertext": hex(ciphertext.bytes()) });
    let derived = derive(&given);
    for (name, value) in derived.as_object().unwrap() {
        given[name] = value.clone();
    }
    given
}

fn check(given: &Value) {
    let derived = derive(given);
    for (name, value) in derived.as_object().unwrap() {
        assert_eq!(&given[name], value, "{}: {name}", given["name"]);
    }
}

/// What follows from the seeds and the commands, by the document.
fn derive(given: &Value) -> Value {
    let field = |name: &str| bytes(&given[name]);
    let suite = Suite::from_number(given["suite"].as_u64().unwrap() as u8).unwrap();
    let (kem, aead) = (suite.kem(), suite.aead());
    let secret = |name: &str| KemSecret::from_seed(kem, &field(name)).unwrap();
    let server_secret = secret("server_seed");
    let own = (!field("client_seed").is_empty()).then(|| secret("client_seed"));
    let greetings = [field("client_greeting"), field("server_greeting")];
    let prologue = Prologue::new(kem, [&greetings[0], &greetings[1]]);
    let mut schedule = prologue.schedule(server_secret.public(), None);

    let body = field("hello");
    let hello = hello::parse(&body).unwrap();
    let Mode::Full { ciphertext } = hello.mode else { panic!("full") };
    assert_eq!(*hello.key_id, key_id(server_secret.public()));
    let ephemeral = secret("ephemeral_seed");
    assert_eq!(hello.ephemeral, ephemeral.public().bytes());
    schedule.absorb(hello.head);
    schedule.mix(Some(server_secret.decapsulate(ciphertext).unwrap().as_bytes())).unwrap();
    let identity = schedule.open(Purpose::Hello, hello::BOX_AEAD, hello.sealed).unwrap();
    let expected =
        own.as_ref().map_or(Identity::Anonymous, |own| Identity::PublicKey(Box::new(own.public().clone())));
    assert_eq!(Identity::parse(kem, &identity).unwrap(), expected);
    schedule.absorb(hello.cookie_field);
    let hello_h = hex(schedule.transcript());

    let body = field("welcome");
    let welcome = welcome::parse(&body, kem, &[suite], true).unwrap();
    schedule.absorb(welcome.head);
    schedule.mix(Some(ephemeral.decapsulate(welcome.ciphertext).unwrap().as_bytes())).unwrap();
    let ciphertext = schedule.open(Purpose::Welcome, aead, welcome.sealed).unwrap();
    match &own {
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
    let expected =
        Ready { properties: &field("server_properties"), life_s: 0, ticket: &field("ticket") }.encode();
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
