//! The keys of connections, written for dissectors (`FERROZMQ_KEYLOG`), each test in a process of its own.

use crate::logged::{Folder, inside};
use crate::support::bench::*;
use crate::support::process::{copy_of_this_program, test_name};
use crate::support::{curve, tls};
use crypto_secretbox::aead::Aead;
use crypto_secretbox::{KeyInit, XSalsa20Poly1305};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;
use zmq::crypto::{KemSecret, KemSuite};
use zmq::options::draft_number::{ZMQ_WSS_CERT_PEM, ZMQ_WSS_HOSTNAME, ZMQ_WSS_KEY_PEM, ZMQ_WSS_TRUST_PEM};

/// A line of the file: label, connection, key.
type Line = (String, Vec<u8>, Vec<u8>);

fn lines(file: &Path) -> Vec<Line> {
    let bytes = |digits: &str| {
        let pairs = digits.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).unwrap());
        pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
    };
    let text = fs::read_to_string(file).unwrap();
    let line = |line: &str| {
        let [label, id, key] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        (label.to_owned(), bytes(id), bytes(key))
    };
    text.lines().map(line).collect()
}

/// Sends a message over CURVE.
fn talk() {
    let context = Context::new();
    let (pull, push) = (context.patient(ZMQ_PULL), context.patient(ZMQ_PUSH));
    pull.set(ZMQ_CURVE_SERVER, 1);
    pull.set_bytes(ZMQ_CURVE_SECRETKEY, &curve::SERVER);
    push.set_bytes(ZMQ_CURVE_SECRETKEY, &curve::HONEST);
    push.set_bytes(ZMQ_CURVE_PUBLICKEY, &curve::public(&curve::HONEST));
    push.set_bytes(ZMQ_CURVE_SERVERKEY, &curve::public(&curve::SERVER));
    push.connect(&pull.bind_anywhere());
    push.send(&["message"]);
    assert_eq!(pull.recv(), ["message"]);
    context.end(&[push, pull]);
}

#[test]
fn both_sides_of_curve_write_the_same_key() {
    let name = test_name!(both_sides_of_curve_write_the_same_key);
    let Some(folder) = inside() else {
        let folder = Folder::new("curve-keys");
        let keys = folder.file("keys");
        let said = folder.run(name, &[("FERROZMQ_KEYLOG", keys.to_str().unwrap())]);
        let warning = format!(
            "ferrozmq: warning: FERROZMQ_KEYLOG is set: a reader of {} can read all connections\n",
            keys.display()
        );
        assert_eq!(said, warning);
        assert_eq!(fs::metadata(keys).unwrap().permissions().mode() & 0o777, 0o600);
        return;
    };
    talk();
    talk();
    let lines = lines(&folder.join("keys"));
    assert_eq!(lines.len(), 4);
    assert!(lines.iter().all(|(label, id, key)| label == "CURVE_SESSION_KEY" && id.len() + key.len() == 64));
    assert!(lines[0] == lines[1] && lines[2] == lines[3] && lines[0].2 != lines[2].2);
}

#[test]
fn both_sides_of_qzmq_write_the_same_secrets() {
    let name = test_name!(both_sides_of_qzmq_write_the_same_secrets);
    let Some(folder) = inside() else {
        let folder = Folder::new("qzmq-keys");
        folder.run(name, &[("FERROZMQ_KEYLOG", folder.file("keys").to_str().unwrap())]);
        return;
    };
    let context = Context::new();
    let (pull, push) = (context.patient(ZMQ_PULL), context.patient(ZMQ_PUSH));
    let secret = KemSecret::generate(KemSuite::MlKem1024).unwrap();
    pull.set(ZMQ_CURVE_SERVER, 1);
    pull.set_bytes(ZMQ_CURVE_SECRETKEY, &secret.tagged());
    push.set_bytes(ZMQ_CURVE_SERVERKEY, &secret.public().tagged());
    push.connect(&pull.bind_anywhere());
    push.send(&["message"]);
    assert_eq!(pull.recv(), ["message"]);
    context.end(&[push, pull]);
    let mut lines = lines(&folder.join("keys"));
    lines.sort();
    assert_eq!(lines.len(), 6);
    let labels: Vec<&str> = lines.iter().step_by(2).map(|(label, ..)| label.as_str()).collect();
    assert_eq!(labels, ["QZMQ_CLIENT_SECRET", "QZMQ_SERVER_SECRET", "QZMQ_UPDATE_SECRET"]);
    assert!(lines.chunks(2).all(|pair| pair[0] == pair[1] && pair[0].1.len() == 32 && pair[0].2.len() == 48));
    assert!(lines[0].2 != lines[2].2 && lines[2].2 != lines[4].2);
}

#[test]
fn the_key_opens_what_was_sealed() {
    let name = test_name!(the_key_opens_what_was_sealed);
    let Some(folder) = inside() else {
        let folder = Folder::new("opened");
        let keys = folder.file("keys");
        folder.run(name, &[("FERROZMQ_KEYLOG", keys.to_str().unwrap())]);
        return;
    };
    let bench = curve::bench(ZMQ_PULL, ZMQ_PUSH, |_| {});
    let (mut client, key) = curve::Client::connected(&bench);
    let message = client.message(&key, 0, b"what the client says");
    let (_, _, logged) = lines(&folder.join("keys")).pop().unwrap();
    let (counter, sealed) = message.strip_prefix(b"\x07MESSAGE").unwrap().split_at(8);
    let nonce = [&b"CurveZMQMESSAGEC"[..], counter].concat();
    let opened = XSalsa20Poly1305::new_from_slice(&logged).unwrap();
    let opened = opened.decrypt(nonce.as_slice().into(), sealed).unwrap();
    assert_eq!(opened, b"\0what the client says");
}

#[test]
fn secrets_of_tls_are_written_as_nss_has_them() {
    let name = test_name!(secrets_of_tls_are_written_as_nss_has_them);
    let Some(folder) = inside() else {
        let folder = Folder::new("tls-keys");
        let keys = folder.file("keys");
        folder.run(name, &[("FERROZMQ_KEYLOG", keys.to_str().unwrap())]);
        return;
    };
    let context = Context::new();
    let (pull, push) = (context.patient(ZMQ_PULL), context.patient(ZMQ_PUSH));
    pull.set_bytes(ZMQ_WSS_CERT_PEM, tls::SERVER);
    pull.set_bytes(ZMQ_WSS_KEY_PEM, tls::SERVER_KEY);
    push.set_bytes(ZMQ_WSS_TRUST_PEM, tls::AUTHORITY);
    push.set_bytes(ZMQ_WSS_HOSTNAME, tls::HOSTNAME);
    push.connect(&pull.try_bind("tls://127.0.0.1:*").unwrap());
    push.send(&["message"]);
    assert_eq!(pull.recv(), ["message"]);
    context.end(&[push, pull]);
    let lines = lines(&folder.join("keys"));
    for label in ["CLIENT_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"] {
        let both: Vec<&Line> = lines.iter().filter(|line| line.0 == label).collect();
        assert!(both.len() == 2 && both[0] == both[1] && both[0].1.len() == 32, "{label}: {lines:?}");
    }
}

#[test]
fn without_a_safe_file_no_keys_are_written_and_the_program_runs() {
    let name = test_name!(without_a_safe_file_no_keys_are_written_and_the_program_runs);
    if inside().is_some() {
        return talk();
    }
    let folder = Folder::new("unsafe-keys");
    let (open, link) = (folder.file("open"), folder.file("link"));
    fs::write(&open, "").unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    symlink(folder.file("target"), &link).unwrap();
    for file in [open.as_path(), &link, Path::new("/dev/null"), &folder.file("none/keys")] {
        let said = folder.run(name, &[("FERROZMQ_KEYLOG", file.to_str().unwrap())]);
        assert_eq!(said.matches(": no keys are written: ").count(), 1, "{said}");
    }
    assert!(fs::read(open).unwrap().is_empty() && !folder.file("target").exists());
    assert_eq!(folder.run(name, &[("FERROZMQ_KEYLOG", "")]), "");
}

#[test]
fn a_program_with_more_rights_than_its_caller_writes_no_keys() {
    let name = test_name!(a_program_with_more_rights_than_its_caller_writes_no_keys);
    if inside().is_some() {
        // SAFETY: no pointers.
        let (is_secure, user) = unsafe { (libc::getauxval(libc::AT_SECURE) != 0, libc::geteuid()) };
        assert_eq!((is_secure, user), (true, 65534), "the system knows no setuid here");
        return talk();
    }
    // SAFETY: no pointers.
    if unsafe { libc::geteuid() } != 0 {
        eprintln!("only root can make a setuid program");
        return;
    }
    let folder = Folder::new("setuid-keys");
    let (program, keys, log) = (folder.file("program"), folder.file("keys"), folder.file("log"));
    copy_of_this_program(&program);
    for path in [&folder.file(""), &program] {
        chown(path, Some(65534), Some(65534)).unwrap();
    }
    fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)).unwrap();
    let mut command = Command::new(program);
    command.args(["--exact", "--nocapture", "--test-threads=1", name]);
    command.env("FERROZMQ_TEST_ROLE", folder.file("")).env("FERROZMQ_LOG", "info");
    command.env("FERROZMQ_KEYLOG", &keys).env("FERROZMQ_LOG_FILE", &log);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{output:?}");
    assert!(said.contains("no keys are written: the program has more rights than its caller"), "{said}");
    assert!(said.contains("ferrozmq: PULL is bound to ") && !keys.exists() && !log.exists(), "{said}");
}
