//! What the files of security by configuration may say: the security file itself, certificates, and the hashes of passwords.

use std::path::Path;
use std::sync::LazyLock;
use zmq::crypto::password::PasswordHash;
use zmq::options::{Mechanism, SocketType};
use zmq::security::Fault;
use zmq::security::certificate::Certificate;
use zmq::security::file::Policy;
use zmq::security::rules::{Own, Scene, Verdict, decide};
use zmq::transport::{Role, Scheme};

const FILE: &str = "/etc/ferrozmq/security.toml";

/// The first byte says which file the others are.
pub fn run(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    match kind % 3 {
        0 => policy(text),
        1 => certificate(text),
        _ => drop(PasswordHash::parse(text)),
    }
}

fn policy(text: &str) {
    let policy = match Policy::parse(Path::new(FILE), text) {
        Ok(policy) => policy,
        Err(faults) => {
            assert!(!faults.is_empty());
            return faults.iter().for_each(one_line);
        }
    };
    SCENES.iter().for_each(|known| scene(&policy, known));
}

/// Each transport, with addresses and sockets of different kinds, on both sides.
static SCENES: LazyLock<Vec<Scene>> = LazyLock::new(|| {
    let mut all = Vec::new();
    for scheme in Scheme::ALL {
        for (address, adopted) in
            [("*:5555", false), ("127.0.0.1:5555", false), ("[::]:1", false), ("a:1", true)]
        {
            for socket_type in [SocketType::Rep, SocketType::Stream] {
                for role in [Role::Binds, Role::Connects] {
                    all.push(Scene {
                        endpoint: format!("{}://{address}", scheme.name()),
                        scheme,
                        address: address.to_owned(),
                        socket_type,
                        role,
                        own: Own::Nothing,
                        settled: false,
                        adopted,
                        raw: socket_type == SocketType::Stream,
                    });
                }
            }
        }
    }
    all
});

fn scene(policy: &Policy, scene: &Scene) {
    match decide(policy, scene) {
        Verdict::Alone(_) => assert_eq!(scene.scheme, Scheme::Inproc),
        Verdict::Refused(fault) => one_line(&fault),
        Verdict::Secured(terms) => {
            let settings = terms.settings;
            let due = !scene.raw && settings.transports.contains(&scene.scheme);
            assert_eq!(terms.mechanism, if due { settings.mechanism } else { Mechanism::Null });
            terms.warning.iter().for_each(one_line);
        }
    }
}

fn certificate(text: &str) {
    let certificate = match Certificate::parse(Path::new(FILE), text) {
        Ok(certificate) => certificate,
        Err(fault) => return one_line(&fault),
    };
    if let Some(secret) = &certificate.secret {
        assert_eq!(secret.public(), certificate.public, "a pair");
    }
}

/// A fault is a line on stderr, whatever the file says.
fn one_line(fault: &Fault) {
    let line = fault.to_string();
    assert!(!line.contains(|c: char| c.is_control()), "{line:?}");
}
