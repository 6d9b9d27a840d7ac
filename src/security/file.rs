//! The TOML file as a typed [`Policy`]. Every name that it does not know, and every value that does not fit, is a fault.

use super::certificate::parse_fingerprint;
use super::fault::Fault;
use super::reader::{Entry, Reader, entries};
use super::reload::{self, Content};
use crate::engine::zmtp::socket_type;
use crate::options::{Mechanism, SocketType};
use crate::sys::log::{Filter, Level};
use crate::transport::{Role, Scheme};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use toml::de::DeValue;
use wildmatch::WildMatch;

pub use super::reader::Place;

/// Keys by which clients may know one server; see `engine::mechanism::curve::keys`.
const MAX_SERVER_KEYS: usize = crate::engine::mechanism::curve::keys::MAX_SERVER_KEYS;

/// Authorities of one endpoint; as `crypto::certificate` bounds them.
const MAX_AUTHORITIES: usize = 64;

/// Bytes of a user name: its length is one byte on the wire (RFC 24).
const MAX_USERNAME_BYTES: usize = 255;

/// What a file says.
#[derive(Clone, Debug)]
pub struct Policy {
    pub file: PathBuf,
    pub default: Settings,
    /// Where the audit trail goes (`FERROZMQ_AUDIT`).
    pub audit: Option<Place>,
    /// What is logged (`FERROZMQ_LOG`).
    pub log: Option<LogSettings>,
    /// In the order of the file.
    pub rules: Vec<Rule>,
}

/// What is logged, and where: stderr where there is no file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    pub filter: Filter,
    pub file: Option<Place>,
}

/// Settings for some endpoints.
#[derive(Clone, Debug)]
pub struct Rule {
    pub line: usize,
    /// Matches what the program wrote; `None` matches all.
    pub endpoint: Option<WildMatch>,
    /// Empty: sockets of any type.
    pub sockets: Vec<SocketType>,
    pub role: Option<Role>,
    /// The default, with what the rule says in its place.
    pub settings: Settings,
}

/// All that can be said about an endpoint.
#[derive(Clone, Debug)]
pub struct Settings {
    pub mechanism: Mechanism,
    /// `None`: the side that binds is the server.
    pub side: Option<Side>,
    /// Those that get the mechanism.
    pub transports: Vec<Scheme>,
    pub server_key: Vec<Place>,
    pub client_key: Option<Place>,
    pub server_public: Option<Place>,
    pub migration: Migration,
    pub allow: Option<Allow>,
    /// QZMQ: authorities whose certificates are accepted, and the list of what is revoked.
    pub authorities: Vec<Place>,
    pub revoked: Option<Place>,
    /// QZMQ: what either side shows of its own key.
    pub server_certificate: Option<Place>,
    pub client_certificate: Option<Place>,
    /// QZMQ: the name by which the client knows its server, in place of `server_public`.
    pub server_name: Option<String>,
    /// The users of a PLAIN server.
    pub users: Option<Place>,
    /// A PLAIN client's name, and the file with its password.
    pub username: Option<String>,
    pub password_file: Option<Place>,
    pub null_off_loopback: Clear,
    pub wildcard_bind: Wildcard,
    pub ipc_same_user: bool,
    pub addresses: Addresses,
    pub limits: Limits,
}

/// Keys of CURVE beside those of QZMQ, for the time of a migration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Migration {
    /// With which a server takes clients of CURVE as well.
    pub server_key: Option<Place>,
    /// With which a client connects to a server that names CURVE.
    pub client_key: Option<Place>,
    pub server_public: Option<Place>,
}

/// The part of the socket in the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Server,
    Client,
}

/// The clients that a CURVE server lets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allow {
    Any,
    /// Those whose certificates are in a folder.
    Folder(Place),
    /// Those whose keys have these [fingerprints](crate::crypto::fingerprint()).
    Keys(Vec<String>),
}

/// What becomes of endpoints that others could reach or read, and that have no mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clear {
    Allow,
    Warn,
    Refuse,
}

/// What becomes of a bind to all interfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wildcard {
    Keep,
    Loopback,
}

/// Networks whose peers may connect, and those whose may not. Without any of the former, all others may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    pub allow: Vec<(IpAddr, u8)>,
    pub deny: Vec<(IpAddr, u8)>,
}

/// What peers may take up. Of each, 0 is no limit, but of `ban_seconds`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// `ZMQ_FERRO_MAX_FAILED_HANDSHAKES` and `ZMQ_FERRO_FAILED_HANDSHAKE_BAN_IVL`.
    pub failed_handshakes: Option<u32>,
    pub ban_seconds: Option<u32>,
    /// Connections of a bound endpoint at a time: all, and those of one address.
    pub connections: Option<u32>,
    pub connections_per_address: Option<u32>,
    /// Handshakes of a bound endpoint at a time.
    pub handshakes_under_way: Option<u32>,
    /// What is read of a peer.
    pub messages_per_second: Option<u32>,
    pub bytes_per_second: Option<u32>,
}

/// The names of [`Settings`] in the file.
const SETTINGS: [&str; 21] = [
    "mechanism",
    "side",
    "transports",
    "server_key",
    "client_key",
    "server_public",
    "migration",
    "allow",
    "authorities",
    "revoked",
    "server_certificate",
    "client_certificate",
    "server_name",
    "users",
    "username",
    "password_file",
    "null_off_loopback",
    "wildcard_bind",
    "ipc_same_user",
    "addresses",
    "limits",
];
/// The names of [`Migration`].
const MIGRATION: [&str; 3] = ["server_key", "client_key", "server_public"];
/// The names of [`Limits`].
const LIMITS: [&str; 7] = [
    "failed_handshakes",
    "ban_seconds",
    "connections",
    "connections_per_address",
    "handshakes_under_way",
    "messages_per_second",
    "bytes_per_second",
];
/// What a rule has besides.
const CONDITIONS: [&str; 3] = ["endpoint", "socket", "role"];

const MECHANISMS: [(&str, Mechanism); 3] =
    [("curve", Mechanism::Curve), ("plain", Mechanism::Plain), ("null", Mechanism::Null)];
const SIDES: [(&str, Side); 2] = [("server", Side::Server), ("client", Side::Client)];
const ROLES: [(&str, Role); 2] = [("bind", Role::Binds), ("connect", Role::Connects)];
const CLEAR: [(&str, Clear); 3] = [("allow", Clear::Allow), ("warn", Clear::Warn), ("refuse", Clear::Refuse)];
const WILDCARDS: [(&str, Wildcard); 2] = [("keep", Wildcard::Keep), ("loopback", Wildcard::Loopback)];

impl Policy {
    /// Reads a file. The first fault is the one that a program is told of.
    pub fn read(file: &Path) -> Result<Policy, Vec<Fault>> {
        let content = reload::read(file).map_err(|fault| vec![fault])?;
        Policy::of(file, &content)
    }

    pub(super) fn of(file: &Path, content: &Content) -> Result<Policy, Vec<Fault>> {
        reload::check_writers(file, &content.stamp).map_err(|fault| vec![fault])?;
        Policy::parse(file, &content.text)
    }

    /// Reads the text of a file. Relative paths in it count from the folder of `file`.
    pub fn parse(file: &Path, text: &str) -> Result<Policy, Vec<Fault>> {
        let mut reader = Reader::new(file, text);
        let mut policy = Policy {
            file: file.to_owned(),
            default: Settings::default(),
            audit: None,
            log: None,
            rules: Vec::new(),
        };
        if let Some(document) = reader.document() {
            read_document(&mut reader, &entries(document.get_ref()), &mut policy);
        }
        reader.faults.sort_by_key(|fault| fault.line);
        if reader.faults.is_empty() { Ok(policy) } else { Err(reader.faults) }
    }
}

impl Policy {
    /// All files and folders that it has endpoints read.
    pub(super) fn places(&self) -> impl Iterator<Item = &Place> {
        let settings = self.rules.iter().map(|rule| &rule.settings).chain([&self.default]);
        settings.flat_map(|settings| {
            let folder = match &settings.allow {
                Some(Allow::Folder(place)) => Some(place),
                _ => None,
            };
            let single =
                [&settings.client_key, &settings.server_public, &settings.users, &settings.password_file];
            let Migration { server_key, client_key, server_public } = &settings.migration;
            let certified = [&settings.revoked, &settings.server_certificate, &settings.client_certificate];
            let single = single.into_iter().chain([server_key, client_key, server_public]).chain(certified);
            settings.server_key.iter().chain(&settings.authorities).chain(folder).chain(single.flatten())
        })
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            mechanism: Mechanism::Curve,
            side: None,
            transports: vec![Scheme::Tcp, Scheme::Ws],
            server_key: Vec::new(),
            client_key: None,
            server_public: None,
            migration: Migration::default(),
            allow: None,
            authorities: Vec::new(),
            revoked: None,
            server_certificate: None,
            client_certificate: None,
            server_name: None,
            users: None,
            username: None,
            password_file: None,
            null_off_loopback: Clear::Warn,
            wildcard_bind: Wildcard::Keep,
            ipc_same_user: false,
            addresses: Addresses::default(),
            limits: Limits::default(),
        }
    }
}

impl Addresses {
    /// Whether a peer at an IP address may connect.
    pub fn admit(&self, peer: IpAddr) -> bool {
        let denied = !self.deny.is_empty() && crate::options::accepts_tcp_peer(&self.deny, peer);
        !denied && crate::options::accepts_tcp_peer(&self.allow, peer)
    }

    pub fn are_all(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty()
    }
}

fn read_document(reader: &mut Reader<'_>, document: &[Entry<'_>], policy: &mut Policy) {
    // The default comes first, wherever it stands: rules begin with it.
    for entry in document.iter().filter(|entry| entry.name == "default") {
        for setting in reader.table(entry).unwrap_or_default() {
            if !read_setting(reader, &setting, &mut policy.default) {
                reader.unknown(&setting, &SETTINGS);
            }
        }
    }
    for entry in document {
        match (entry.name, entry.value) {
            ("default", _) => {}
            ("rule", DeValue::Array(rules)) => {
                for rule in rules.iter() {
                    let line = reader.line_of(rule.span().start);
                    let DeValue::Table(table) = rule.get_ref() else {
                        reader.mistake(entry, "a rule is no table", "begin each rule with [[rule]]");
                        continue;
                    };
                    let rule = read_rule(reader, &entries(table), line, &policy.default);
                    policy.rules.push(rule);
                }
            }
            ("rule", _) => reader.mistake(entry, "rules are no list", "begin each rule with [[rule]]"),
            ("audit", _) => {
                for setting in reader.table(entry).unwrap_or_default() {
                    match setting.name {
                        "file" => policy.audit = reader.place(&setting),
                        _ => reader.unknown(&setting, &["file"]),
                    }
                }
            }
            ("log", _) => policy.log = read_log(reader, entry),
            _ => reader.unknown(entry, &["default", "rule", "audit", "log"]),
        }
    }
}

/// Without a level, warnings are logged.
fn read_log(reader: &mut Reader<'_>, entry: &Entry<'_>) -> Option<LogSettings> {
    let mut settings = LogSettings { filter: Filter::parse(Level::Warn.name()).0, file: None };
    for setting in reader.table(entry)? {
        match setting.name {
            "file" => settings.file = reader.place(&setting),
            "level" => {
                let parsed = reader.text(&setting).map(|text| Filter::parse(&text));
                if let Some((filter, complaint)) = parsed {
                    settings.filter = filter;
                    if let Some(complaint) = complaint {
                        reader.mistake(&setting, complaint, "see docs/observability.md");
                    }
                }
            }
            _ => reader.unknown(&setting, &["file", "level"]),
        }
    }
    Some(settings)
}

fn read_rule(reader: &mut Reader<'_>, table: &[Entry<'_>], line: usize, default: &Settings) -> Rule {
    let mut rule = Rule { line, endpoint: None, sockets: Vec::new(), role: None, settings: default.clone() };
    for entry in table {
        match entry.name {
            "endpoint" => rule.endpoint = reader.text(entry).map(|text| WildMatch::new(&text)),
            "socket" => {
                let types = SocketType::ALL.map(|socket_type| (socket_type::name(socket_type), socket_type));
                rule.sockets = reader.choices(entry, &types);
            }
            "role" => rule.role = reader.choice(entry, &ROLES),
            _ if read_setting(reader, entry, &mut rule.settings) => {}
            _ => reader.unknown(entry, &[&CONDITIONS[..], &SETTINGS[..]].concat()),
        }
    }
    rule
}

/// Takes over one setting; `false` where there is none of this name.
fn read_setting(reader: &mut Reader<'_>, entry: &Entry<'_>, settings: &mut Settings) -> bool {
    fn put<T>(place: &mut T, value: Option<T>) {
        if let Some(value) = value {
            *place = value;
        }
    }
    match entry.name {
        "mechanism" => put(&mut settings.mechanism, reader.choice(entry, &MECHANISMS)),
        "side" => settings.side = reader.choice(entry, &SIDES),
        "transports" => settings.transports = reader.choices(entry, &securable()),
        "server_key" => {
            settings.server_key = reader.places(entry);
            if settings.server_key.len() > MAX_SERVER_KEYS {
                let what = format!("a server has {MAX_SERVER_KEYS} keys at most");
                reader.mistake(entry, what, "take out keys that no client uses any more");
            }
        }
        "client_key" => settings.client_key = reader.place(entry),
        "server_public" => settings.server_public = reader.place(entry),
        "migration" => settings.migration = read_migration(reader, entry),
        "allow" => settings.allow = read_allow(reader, entry),
        "authorities" | "revoked" | "server_certificate" | "client_certificate" | "server_name" => {
            read_certified(reader, entry, settings);
        }
        "users" => settings.users = reader.place(entry),
        "username" => {
            settings.username = reader.text(entry);
            if settings.username.as_ref().is_some_and(|name| name.len() > MAX_USERNAME_BYTES) {
                let what = format!("a user name has {MAX_USERNAME_BYTES} bytes at most");
                reader.mistake(entry, what, "take a shorter one");
            }
        }
        "password_file" => settings.password_file = reader.place(entry),
        "null_off_loopback" => put(&mut settings.null_off_loopback, reader.choice(entry, &CLEAR)),
        "wildcard_bind" => put(&mut settings.wildcard_bind, reader.choice(entry, &WILDCARDS)),
        "ipc_same_user" => put(&mut settings.ipc_same_user, reader.yes_or_no(entry)),
        "addresses" => read_addresses(reader, entry, &mut settings.addresses),
        "limits" => read_limits(reader, entry, &mut settings.limits),
        _ => return false,
    }
    true
}

fn read_migration(reader: &mut Reader<'_>, entry: &Entry<'_>) -> Migration {
    let mut migration = Migration::default();
    for key in reader.table(entry).unwrap_or_default() {
        let place = match key.name {
            "server_key" => &mut migration.server_key,
            "client_key" => &mut migration.client_key,
            "server_public" => &mut migration.server_public,
            _ => {
                reader.unknown(&key, &MIGRATION);
                continue;
            }
        };
        *place = reader.place(&key);
    }
    if migration.client_key.is_some() != migration.server_public.is_some() {
        let what = "a client's migration takes its own key and the server's";
        reader.mistake(entry, what, "name both: client_key and server_public");
    }
    migration
}

/// Takes over one setting about certificates of QZMQ.
fn read_certified(reader: &mut Reader<'_>, entry: &Entry<'_>, settings: &mut Settings) {
    if cfg!(not(feature = "qzmq")) {
        reader.mistake(entry, "this library was built without QZMQ", "leave it out, or take another build");
    }
    match entry.name {
        "authorities" => {
            reader.refuse_empty(entry);
            settings.authorities = reader.places(entry);
            if settings.authorities.len() > MAX_AUTHORITIES {
                let what = format!("there are more than {MAX_AUTHORITIES} authorities");
                reader.mistake(entry, what, "take out those that sign no more");
            }
        }
        "revoked" => settings.revoked = reader.place(entry),
        "server_certificate" => settings.server_certificate = reader.place(entry),
        "client_certificate" => settings.client_certificate = reader.place(entry),
        _ => settings.server_name = reader.text(entry),
    }
}

/// The transports on which a mechanism can be spoken, by their names.
fn securable() -> Vec<(&'static str, Scheme)> {
    let all = Scheme::ALL.into_iter().filter(|scheme| scheme.carries_mechanisms());
    all.map(|scheme| (scheme.name(), scheme)).collect()
}

fn read_allow(reader: &mut Reader<'_>, entry: &Entry<'_>) -> Option<Allow> {
    const FORMS: &str = "write \"any\", { folder = \"...\" } or { fingerprints = [\"...\"] }";
    if let DeValue::String(text) = entry.value {
        if text == "any" {
            return Some(Allow::Any);
        }
        reader.mistake(entry, format!("\"{text}\" does not say whom to let in"), FORMS);
        return None;
    }
    let table = reader.table(entry)?;
    let [only] = table.as_slice() else {
        reader.mistake(entry, "it must say one thing", FORMS);
        return None;
    };
    match only.name {
        "folder" => reader.place(only).map(Allow::Folder),
        "fingerprints" => {
            let mut keys = Vec::new();
            for (text, _) in reader.texts(only) {
                match parse_fingerprint(&text) {
                    Ok(key) => keys.push(key),
                    Err(_) => {
                        let what_to_do = "a fingerprint is 0000-0000-0000-0000-0000-0000-0000-0000, or the 40 characters of the public key";
                        reader.mistake(only, format!("\"{text}\" is no fingerprint"), what_to_do);
                    }
                }
            }
            Some(Allow::Keys(keys))
        }
        _ => {
            reader.unknown(only, &["folder", "fingerprints"]);
            None
        }
    }
}

fn read_addresses(reader: &mut Reader<'_>, entry: &Entry<'_>, addresses: &mut Addresses) {
    for list in reader.table(entry).unwrap_or_default() {
        let networks = match list.name {
            "allow" => {
                reader.refuse_empty(&list);
                &mut addresses.allow
            }
            "deny" => &mut addresses.deny,
            _ => {
                reader.unknown(&list, &["allow", "deny"]);
                continue;
            }
        };
        networks.clear();
        for (text, _) in reader.texts(&list) {
            match network(&text) {
                Some(network) => networks.push(network),
                None => {
                    reader.mistake(&list, format!("\"{text}\" is no network"), "write it as \"10.0.0.0/8\"")
                }
            }
        }
    }
}

fn read_limits(reader: &mut Reader<'_>, entry: &Entry<'_>, limits: &mut Limits) {
    for limit in reader.table(entry).unwrap_or_default() {
        match limit.name {
            "failed_handshakes" => limits.failed_handshakes = reader.number(&limit, 0..1_000_001),
            "ban_seconds" => limits.ban_seconds = reader.number(&limit, 1..86_401),
            "connections" => limits.connections = reader.number(&limit, 0..1_000_001),
            "connections_per_address" => {
                limits.connections_per_address = reader.number(&limit, 0..1_000_001);
            }
            "handshakes_under_way" => limits.handshakes_under_way = reader.number(&limit, 0..1_000_001),
            "messages_per_second" => limits.messages_per_second = reader.number(&limit, 0..u32::MAX),
            "bytes_per_second" => limits.bytes_per_second = reader.number(&limit, 0..u32::MAX),
            _ => reader.unknown(&limit, &LIMITS),
        }
    }
}

/// `address` or `address/bits`.
fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let address: IpAddr = address.parse().ok()?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Some(width), |bits| bits.parse().ok().filter(|bits| *bits <= width))?;
    Some((address, bits))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    const FILE: &str = "/etc/ferrozmq/security.toml";
    const KEY: &str = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";

    fn parse(text: &str) -> Policy {
        Policy::parse(Path::new(FILE), text).unwrap()
    }

    /// The lines of the faults, and the first one.
    fn faults(text: &str) -> (Vec<usize>, Fault) {
        let faults = Policy::parse(Path::new(FILE), text).unwrap_err();
        (faults.iter().filter_map(|fault| fault.line).collect(), faults[0].clone())
    }

    #[test]
    fn a_migration_has_keys_of_its_own() {
        let text =
            "[default]\nmigration = { server_key = \"s\", client_key = \"c\", server_public = \"/p\" }\n";
        let policy = Policy::parse(Path::new("/etc/f.toml"), text).unwrap();
        let Migration { server_key, client_key, server_public } = &policy.default.migration;
        let paths =
            [server_key, client_key, server_public].map(|place| place.as_ref().unwrap().path.as_path());
        assert_eq!(paths, [Path::new("/etc/s"), Path::new("/etc/c"), Path::new("/p")]);
        assert_eq!(policy.places().count(), 3);
        for (wrong, what) in [
            ("{ client_key = \"c\" }", "its own key and the server's"),
            ("{ server_public = \"p\" }", "its own key and the server's"),
            ("{ key = \"c\" }", "no setting \"key\""),
            ("\"s\"", "\"migration\" holds"),
            ("{ server_key = [\"s\"] }", "\"server_key\" holds"),
        ] {
            let faults =
                Policy::parse(Path::new("f"), &format!("[default]\nmigration = {wrong}\n")).unwrap_err();
            assert!(faults[0].what.contains(what), "{wrong}: {}", faults[0].what);
        }
    }

    #[test]
    fn an_empty_file_secures_by_curve_and_has_no_keys() {
        let policy = parse("");
        assert_eq!(policy.default.mechanism, Mechanism::Curve);
        assert_eq!(policy.default.transports, [Scheme::Tcp, Scheme::Ws]);
        assert!(policy.default.server_key.is_empty() && policy.default.allow.is_none());
        assert_eq!(policy.default.null_off_loopback, Clear::Warn);
        assert!(policy.rules.is_empty());
    }

    #[test]
    fn all_settings_are_taken_over() {
        let policy = parse(&format!(
            r#"
            [default]
            mechanism = "null"
            side = "server"
            transports = ["tcp", "ipc"]
            server_key = ["new.key_secret", "/old.key_secret"]
            client_key = "client.key_secret"
            server_public = "server.key"
            allow = {{ fingerprints = ["{KEY}"] }}
            null_off_loopback = "refuse"
            wildcard_bind = "loopback"
            ipc_same_user = true
            addresses = {{ allow = ["10.0.0.0/8", "::1"], deny = ["10.1.0.0/16"] }}
            [default.limits]
            failed_handshakes = 10
            ban_seconds = 60
            connections = 1000
            connections_per_address = 20
            handshakes_under_way = 100
            messages_per_second = 1000
            bytes_per_second = 1000000
            "#
        ));
        let settings = policy.default;
        assert_eq!((settings.mechanism, settings.side), (Mechanism::Null, Some(Side::Server)));
        assert_eq!(settings.transports, [Scheme::Tcp, Scheme::Ipc]);
        let paths: Vec<&str> = settings.server_key.iter().map(|place| place.path.to_str().unwrap()).collect();
        assert_eq!(paths, ["/etc/ferrozmq/new.key_secret", "/old.key_secret"], "relative to the file");
        assert_eq!(settings.client_key.unwrap().line, 7);
        assert_eq!(settings.server_public.unwrap().path, Path::new("/etc/ferrozmq/server.key"));
        assert_eq!(settings.allow, Some(Allow::Keys(vec![parse_fingerprint(KEY).unwrap()])));
        assert_eq!((settings.null_off_loopback, settings.wildcard_bind), (Clear::Refuse, Wildcard::Loopback));
        assert!(settings.ipc_same_user);
        for (peer, admitted) in [("10.2.0.1", true), ("10.1.0.1", false), ("11.0.0.1", false), ("::1", true)]
        {
            assert_eq!(settings.addresses.admit(peer.parse().unwrap()), admitted, "{peer}");
        }
        let limits = Limits {
            failed_handshakes: Some(10),
            ban_seconds: Some(60),
            connections: Some(1000),
            connections_per_address: Some(20),
            handshakes_under_way: Some(100),
            messages_per_second: Some(1000),
            bytes_per_second: Some(1_000_000),
        };
        assert_eq!(settings.limits, limits);
    }

    #[test]
    fn a_rule_begins_with_the_default_wherever_that_stands() {
        let policy = parse(
            r#"
            [[rule]]
            endpoint = "tcp://*:5555"
            socket = ["REP", "ROUTER"]
            role = "bind"
            allow = "any"
            [[rule]]
            socket = "PUB"
            mechanism = "null"
            [default]
            server_key = "server.key_secret"
            allow = { folder = "allowed" }
            "#,
        );
        let [first, second] = policy.rules.as_slice() else { panic!("{:?}", policy.rules) };
        assert_eq!((first.line, second.line), (2, 7));
        assert_eq!(
            (&first.sockets[..], first.role),
            (&[SocketType::Rep, SocketType::Router][..], Some(Role::Binds))
        );
        assert_eq!(first.settings.allow, Some(Allow::Any));
        assert_eq!(first.settings.server_key, policy.default.server_key);
        assert_eq!(
            (second.settings.mechanism, &second.sockets[..]),
            (Mechanism::Null, &[SocketType::Pub][..])
        );
        assert!(
            matches!(&second.settings.allow, Some(Allow::Folder(place)) if place.path.ends_with("allowed"))
        );
    }

    #[test]
    fn every_mistake_has_its_line() {
        for (text, line, what_to_do) in [
            ("[defualt]\n", 1, "did you mean \"default\"?"),
            ("[default]\nalow = \"any\"", 2, "did you mean \"allow\"?"),
            ("[default]\n\nmechanism = \"kurve\"", 3, "did you mean \"curve\"?"),
            ("[default]\nmechanism = 7", 2, "write a text"),
            ("[default]\nmechanism = \"\"", 2, "leave it out"),
            ("[default]\ntransports = [\"tcp\",\n\"inproc\"]", 3, "write one of"),
            ("[default]\ntransports = []", 2, "leave it out"),
            ("[[rule]]\nsocket = []", 2, "leave it out"),
            ("[default]\naddresses = { allow = [] }", 2, "leave it out"),
            ("[default]\nserver_key = 1", 2, "write a text"),
            ("[default]\nserver_key = [\"a\",\n 1]", 3, "write a text"),
            ("[default]\nallow = \"all\"", 2, "\"any\""),
            ("[default]\nallow = { }", 2, "\"any\""),
            ("[default]\nallow = { folder = \"a\", fingerprints = [] }", 2, "\"any\""),
            ("[default]\nallow = { folders = \"a\" }", 2, "did you mean \"folder\"?"),
            ("[default]\nallow = { fingerprints = [\"short\"] }", 2, "40 characters"),
            ("[default]\nipc_same_user = 1", 2, "true or false"),
            ("[default]\naddresses = { allow = [\"10.0.0.0/33\"] }", 2, "10.0.0.0/8"),
            ("[default]\naddresses = { allowed = [] }", 2, "did you mean \"allow\"?"),
            ("[default]\nlimits = 3", 2, "as a table"),
            ("[default.limits]\nban_seconds = 0", 2, "from 1 to"),
            ("[default.limits]\nban_seconds = 1.5", 2, "from 1 to"),
            ("[default.limits]\nfailed_handshakes = -1", 2, "from 0 to"),
            ("[default.limits]\nconnections = \"few\"", 2, "from 0 to"),
            ("[default.limits]\nconections = 1", 2, "did you mean \"connections\"?"),
            ("[default.limits]\nmemory = 1", 2, "write one of"),
            ("[rule]\nsocket = \"REP\"", 1, "[[rule]]"),
            ("rule = [1]", 1, "[[rule]]"),
            ("[[rule]]\nsocket = \"REPP\"", 2, "did you mean \"REP\"?"),
            ("[[rule]]\nrole = \"binds\"", 2, "did you mean \"bind\"?"),
            ("[[rule]]\nendpoints = \"x\"", 2, "did you mean \"endpoint\"?"),
            ("[default]\nendpoint = \"x\"", 2, "write one of"),
            ("default = 1", 1, "as a table"),
            ("[default]\nmechanism =", 2, "docs/security.md"),
            ("[default]\nside = \"client\"\nside = \"server\"", 3, "docs/security.md"),
        ] {
            let (lines, fault) = faults(text);
            assert_eq!(lines, [line], "{text:?}: {fault}");
            assert!(fault.what_to_do.contains(what_to_do), "{text:?}: {fault}");
        }
        // A secret key that stands where its file should is not shown.
        let secret = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6";
        for name in ["server_key", "client_key", "server_public"] {
            let (lines, fault) = faults(&format!("[default]\n{name} = \"{secret}\""));
            assert!(
                lines == [2] && fault.what.contains("a key") && !fault.to_string().contains(secret),
                "{fault}"
            );
        }
        let many = format!("[default]\nserver_key = [{}]", "\"a\",".repeat(MAX_SERVER_KEYS + 1));
        assert!(faults(&many).1.what.contains("at most"));
    }

    #[test]
    fn the_audit_trail_has_a_file() {
        let audit = parse("[audit]\nfile = \"audit.jsonl\"").audit.unwrap();
        assert_eq!((audit.path.to_str(), audit.line), (Some("/etc/ferrozmq/audit.jsonl"), 2));
        assert_eq!(faults("[audit]\nfiles = \"x\"").0, [2]);
    }

    #[test]
    fn the_log_has_levels_and_a_file() {
        let log = parse("[log]\nlevel = \"warn,security=info\"\nfile = \"log\"").log.unwrap();
        assert_eq!(log.filter, Filter::parse("security=info,warn").0);
        let file = log.file.unwrap();
        assert_eq!((file.path.to_str(), file.line), (Some("/etc/ferrozmq/log"), 3));
        assert_eq!(parse("[log]").log, Some(LogSettings { filter: Filter::parse("warn").0, file: None }));
        assert_eq!(parse("").log, None);
        for (text, lines) in [
            ("[log]\nlevels = \"warn\"", [2]),
            ("[log]\nlevel = \"warm\"", [2]),
            ("[log]\nlevel = 1", [2]),
            ("log = \"warn\"", [1]),
        ] {
            assert_eq!(faults(text).0, lines, "{text}");
        }
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let (lines, _) = faults("[[rule]]\nrole = \"x\"\n[default]\nmechanism = 1\nside = 2\n[extra]\n");
        assert_eq!(lines, [2, 4, 5, 6]);
    }

    #[test]
    fn networks_are_addresses_with_as_many_bits_as_they_have() {
        for (text, bits) in
            [("10.0.0.0/8", Some(8)), ("10.0.0.1", Some(32)), ("::/0", Some(0)), ("fe80::1", Some(128))]
        {
            assert_eq!(network(text).map(|(_, bits)| bits), bits, "{text}");
        }
        for text in [
            "",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/-1",
            "10.0.0/8",
            "host",
            "10.0.0.0/8/8",
        ] {
            assert_eq!(network(text), None, "{text}");
        }
    }
}
