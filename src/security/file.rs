//! The TOML file as a typed [`Policy`]. Every name that it does not know, and every value that does not fit, is a fault.

use super::certificate::parse_fingerprint;
use super::fault::Fault;
use super::qzmq_settings::{self, QzmqSettings};
use super::reader::{Entry, Reader, entries, shown};
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
    pub qzmq: QzmqSettings,
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
const SETTINGS: [&str; 22] = [
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
    "qzmq",
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
            qzmq: QzmqSettings::default(),
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
        "qzmq" => qzmq_settings::read(reader, entry, &mut settings.qzmq),
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
        reader.mistake(entry, format!("{} does not say whom to let in", shown(text)), FORMS);
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
                        reader.mistake(only, format!("{} is no fingerprint", shown(&text)), what_to_do);
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
                    let what = format!("{} is no network", shown(&text));
                    reader.mistake(&list, what, "write it as \"10.0.0.0/8\"");
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
mod tests;
