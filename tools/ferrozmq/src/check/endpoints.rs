//! What endpoints would get.

use crate::cli::Check;
use crate::failure::Failure;
use serde::Serialize;
use std::fmt::{self, Display};
use zmq::engine::zmtp::socket_type;
use zmq::options::{Mechanism, SocketType};
use zmq::security::Policy;
use zmq::security::file::{Allow, Clear, Limits, Place, Side};
use zmq::security::rules::{Own, Scene, Terms, Verdict, decide};
use zmq::transport::{Role, Scheme};

/// What is looked at where the command line names no endpoint. The address is one of those for documentation (RFC 5737).
const EXAMPLES: [(Role, &str); 6] = [
    (Role::Binds, "tcp://*:5555"),
    (Role::Binds, "tcp://127.0.0.1:5555"),
    (Role::Connects, "tcp://127.0.0.1:5555"),
    (Role::Connects, "tcp://192.0.2.1:5555"),
    (Role::Binds, "ipc:///run/example"),
    (Role::Connects, "ipc:///run/example"),
];

/// An endpoint and what it would get.
#[derive(Debug, Serialize)]
pub struct Row {
    role: &'static str,
    endpoint: String,
    /// `alone`, `null`, `plain`, `curve` or `refused`.
    verdict: &'static str,
    /// The line of the rule that matches; none: the default.
    rule: Option<usize>,
    words: Vec<String>,
}

/// The endpoints that the command line names, or the examples.
pub fn scenes(options: &Check) -> Result<Vec<Scene>, Failure> {
    let socket_type = match &options.socket {
        Some(name) => named(name)?,
        None => SocketType::Dealer,
    };
    let bound = options.bind.iter().map(|endpoint| (Role::Binds, endpoint.as_str()));
    let connected = options.connect.iter().map(|endpoint| (Role::Connects, endpoint.as_str()));
    let mut named: Vec<(Role, &str)> = bound.chain(connected).collect();
    if named.is_empty() {
        named.extend(EXAMPLES);
    }
    named.into_iter().map(|(role, endpoint)| scene(role, endpoint, socket_type)).collect()
}

fn named(name: &str) -> Result<SocketType, Failure> {
    let found =
        SocketType::ALL.into_iter().find(|socket| socket_type::name(*socket).eq_ignore_ascii_case(name));
    found.ok_or_else(|| {
        let names: Vec<&str> = SocketType::ALL.into_iter().map(socket_type::name).collect();
        Failure::new(format!("--socket {name}: there are {}", names.join(", ")))
    })
}

fn scene(role: Role, endpoint: &str, socket_type: SocketType) -> Result<Scene, Failure> {
    let parts = endpoint.split_once("://");
    let known = parts.and_then(|(name, address)| {
        Some((Scheme::ALL.into_iter().find(|scheme| scheme.name() == name)?, address))
    });
    let (scheme, address) = known
        .ok_or_else(|| Failure::new(format!("{endpoint}: write TRANSPORT://ADDRESS, as tcp://*:5555")))?;
    let (endpoint, address) = (endpoint.to_owned(), address.to_owned());
    let (own, settled) = (Own::Nothing, false);
    Ok(Scene { endpoint, scheme, address, settled, socket_type, role, own, adopted: false, raw: false })
}

pub fn row(policy: &Policy, scene: &Scene) -> Row {
    let role = if scene.role == Role::Binds { "bind" } else { "connect" };
    let mut row =
        Row { role, endpoint: scene.endpoint.clone(), verdict: "alone", rule: None, words: Vec::new() };
    match decide(policy, scene) {
        Verdict::Alone(why) => row.words.push(why.to_owned()),
        Verdict::Refused(fault) => {
            row.verdict = "refused";
            row.words.push(fault.to_string());
        }
        Verdict::Secured(terms) => {
            row.rule = terms.rule;
            row.verdict = match terms.mechanism {
                Mechanism::Null => "null",
                Mechanism::Plain => "plain",
                Mechanism::Curve => "curve",
                Mechanism::Qzmq => "qzmq",
                Mechanism::Gssapi => "gssapi",
            };
            row.words = words(scene, &terms);
        }
    }
    row
}

fn words(scene: &Scene, terms: &Terms<'_>) -> Vec<String> {
    let settings = terms.settings;
    let shown = |place: &Place| format!("shows the certificate {}", place.path.display());
    let mut words = Vec::new();
    match (terms.mechanism, terms.side) {
        (Mechanism::Null, _) => words.push("in the clear, no authentication".to_owned()),
        (Mechanism::Plain, Side::Server) => {
            words.push("as server, in the clear".to_owned());
            words.extend(
                settings.users.iter().map(|users| format!("lets in the users in {}", users.path.display())),
            );
        }
        (Mechanism::Plain, Side::Client) => {
            words.push("as client, in the clear".to_owned());
            words.extend(settings.username.iter().map(|name| format!("user {name}")));
        }
        (_, Side::Server) => {
            words.push("as server".to_owned());
            words.extend(settings.server_key.iter().map(|key| format!("key {}", key.path.display())));
            let beside = settings.migration.server_key.iter();
            words.extend(beside.map(|key| format!("takes CURVE as well, key {}", key.path.display())));
            words.push(match &settings.allow {
                Some(Allow::Any) => "lets in any key".to_owned(),
                Some(Allow::Folder(folder)) => format!("lets in the keys in {}", folder.path.display()),
                Some(Allow::Keys(keys)) => format!("lets in {} keys by fingerprint", keys.len()),
                None if settings.authorities.is_empty() => "lets in none".to_owned(),
                None => "lets in no key without a certificate".to_owned(),
            });
            let by = |place: &Place| format!("lets in certificates by {}", place.path.display());
            words.extend(settings.authorities.iter().map(by));
            words.extend(settings.server_certificate.iter().map(shown));
        }
        (_, Side::Client) => {
            words.push("as client".to_owned());
            words.extend(
                settings.server_public.iter().map(|key| format!("of the server {}", key.path.display())),
            );
            let name = settings.server_name.iter().filter(|_| settings.server_public.is_none());
            words.extend(name.map(|name| format!("of the server certified as {name}")));
            words.push(match &settings.client_key {
                Some(key) => format!("key {}", key.path.display()),
                None => "a key of its own for each process".to_owned(),
            });
            words.extend(settings.client_certificate.iter().map(shown));
            let beside = settings.migration.server_public.iter();
            let words_of = |key: &Place| format!("falls back to CURVE, of the server {}", key.path.display());
            words.extend(beside.map(words_of));
        }
    }
    if terms.mechanism == Mechanism::Curve {
        words.extend(settings.qzmq.words());
    }
    if let Some(address) = &terms.address {
        words.push(format!("bound as {}://{address}", scene.scheme.name()));
    }
    if terms.is_open
        && terms.mechanism == Mechanism::Null
        && !matches!(scene.scheme, Scheme::Wss | Scheme::Tls)
    {
        let outcome = match settings.null_off_loopback {
            Clear::Allow => None,
            Clear::Warn => Some("warns"),
            Clear::Refuse => Some("refused"),
        };
        let words_of =
            |outcome| format!("{outcome} where the name stands for an address that others can reach");
        words.extend(outcome.map(words_of));
    }
    if settings.ipc_same_user && scene.scheme == Scheme::Ipc {
        words.push("peers of the same user alone".to_owned());
    }
    if scene.role == Role::Binds && !settings.addresses.are_all() {
        words.push("not from every address".to_owned());
    }
    words.extend(limits(scene, &settings.limits));
    words.extend(terms.warning.as_ref().map(|warning| format!("warns: {warning}")));
    words
}

/// What peers may take up. 0 is no limit; all but the rates are of bound endpoints.
fn limits(scene: &Scene, limits: &Limits) -> Option<String> {
    let of = |limit: Option<u32>, words: &str| {
        limit.filter(|most| *most > 0).map(|most| format!("{most} {words}"))
    };
    let ban = of(limits.failed_handshakes, "failed handshakes of an address").map(|most| {
        match limits.ban_seconds {
            Some(seconds) => format!("{most}, which is then refused for {seconds} seconds"),
            None => format!("{most}, which is then refused for a while"),
        }
    });
    let of_bound = [
        of(limits.connections, "connections"),
        of(limits.connections_per_address, "connections of an address"),
        of(limits.handshakes_under_way, "handshakes under way"),
        ban,
    ];
    let rates = [
        of(limits.messages_per_second, "messages per second of a peer"),
        of(limits.bytes_per_second, "bytes per second of a peer"),
    ];
    let binds = scene.role == Role::Binds;
    let words: Vec<String> = of_bound.into_iter().filter(|_| binds).chain(rates).flatten().collect();
    (!words.is_empty()).then(|| format!("at most {}", words.join(", ")))
}

impl Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = self.rule.map_or("the default".to_owned(), |line| format!("the rule in line {line}"));
        write!(f, "{} {}\n    {}", self.role, self.endpoint, self.verdict.to_uppercase())?;
        if !matches!(self.verdict, "alone" | "refused") {
            write!(f, " by {rule}")?;
        }
        self.words.iter().try_for_each(|word| write!(f, "\n    {word}"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn limits_are_told_where_they_count() {
        let told = |role, limited| {
            limits(&scene(role, "tcp://192.0.2.1:5555", SocketType::Dealer).unwrap(), &limited)
        };
        let all = Limits {
            failed_handshakes: Some(3),
            ban_seconds: Some(60),
            connections: Some(9),
            connections_per_address: Some(0),
            handshakes_under_way: None,
            messages_per_second: Some(1000),
            bytes_per_second: None,
        };
        let bound = "at most 9 connections, 3 failed handshakes of an address, which is then refused for 60 seconds, \
                     1000 messages per second of a peer";
        assert_eq!(told(Role::Binds, all).as_deref(), Some(bound));
        assert_eq!(told(Role::Connects, all).as_deref(), Some("at most 1000 messages per second of a peer"));
        assert_eq!(told(Role::Binds, Limits::default()), None);
    }
}
