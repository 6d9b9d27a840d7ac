//! What one endpoint gets: a pure function of the policy and of the [`Scene`].
//!
//! The first row that fits decides.
//!
//! | transport | the program has | where | verdict |
//! |---|---|---|---|
//! | inproc | anything | | alone |
//! | any | chosen a mechanism, or a ZAP domain with a handler | | alone |
//! | one of `transports`, and the socket speaks ZMTP | nothing | | `mechanism`, if that is not NULL |
//! | ipc by a path, or with `ipc_same_user` | nothing | | NULL |
//! | wss, tls | nothing | | NULL, inside of TLS |
//! | any other | nothing | on loopback | NULL |
//! | any other | nothing | anywhere else | as `null_off_loopback` says: NULL, NULL with a warning, refused |
//!
//! With `wildcard_bind = "loopback"`, a bind to all interfaces is a bind to loopback, before the place is looked at.
//!
//! Names, interfaces and descriptors of the program may stand for any address. Where one is bound, the place is looked at once the
//! system has bound it: the scene is [settled](Scene::settled) then, and is decided again. A name that is connected to counts as
//! anywhere else, but for `localhost`.
//!
//! Laws:
//! - A socket that is left alone is left alone altogether: its address, its limits and its peers too.
//! - Where a mechanism is due, what it needs is there, or the endpoint is refused. It is never NULL instead.
//! - With `null_off_loopback = "refuse"` nothing of a program that set nothing leaves the machine in the clear.
//! - With `wildcard_bind = "loopback"` no endpoint over TCP or UDP is bound to all interfaces, however it was written.

use super::fault::Fault;
use super::file::{Clear, Policy, Rule, Settings, Side, Wildcard};
use crate::options::{Mechanism, SocketType};
use crate::transport::{Role, Scheme};
use std::net::{IpAddr, Ipv4Addr};

/// An endpoint that a program binds or connects, and what it has set for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scene {
    /// As the program wrote it.
    pub endpoint: String,
    pub scheme: Scheme,
    /// The endpoint behind its `://`; of a settled scene, what the system has bound, or sends to.
    pub address: String,
    /// The address is known, and no name.
    pub settled: bool,
    pub socket_type: SocketType,
    pub role: Role,
    pub own: Own,
    /// The address does not say where the bytes go: the listening descriptor is the program's (`ZMQ_USE_FD`), or there is a proxy.
    pub adopted: bool,
    /// The socket sends bytes as they are (`ZMQ_ROUTER_RAW`), and so speaks no mechanism.
    pub raw: bool,
}

/// What the program has set itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    Nothing,
    /// A mechanism, by any of its options.
    Mechanism,
    /// A ZAP domain, with a handler in the context that answers for it.
    Handler,
}

/// The decision.
#[derive(Clone, Debug)]
pub enum Verdict<'p> {
    /// The socket keeps what the program has set; the reason for people.
    Alone(&'static str),
    Secured(Terms<'p>),
    Refused(Fault),
}

/// What an endpoint gets.
#[derive(Clone, Debug)]
pub struct Terms<'p> {
    /// The rule that matched, by its line; `None`: the default alone.
    pub rule: Option<usize>,
    pub settings: &'p Settings,
    pub mechanism: Mechanism,
    pub side: Side,
    /// To be bound instead of what the program wrote.
    pub address: Option<String>,
    /// Said once the endpoint is there.
    pub warning: Option<Fault>,
    /// The place is known once the endpoint is bound, and decided about again.
    pub is_open: bool,
}

/// Decides about an endpoint.
pub fn decide<'p>(policy: &'p Policy, scene: &Scene) -> Verdict<'p> {
    if scene.scheme == Scheme::Inproc {
        return Verdict::Alone("inproc:// never leaves the process");
    }
    match scene.own {
        Own::Mechanism => return Verdict::Alone("the program has chosen a mechanism"),
        Own::Handler => return Verdict::Alone("the program has a ZAP domain and a handler"),
        Own::Nothing => {}
    }
    let rule = policy.rules.iter().find(|rule| matches(rule, scene));
    let settings = rule.map_or(&policy.default, |rule| &rule.settings);
    let rule = rule.map(|rule| rule.line);
    let side = settings.side.unwrap_or(match scene.role {
        Role::Binds => Side::Server,
        Role::Connects => Side::Client,
    });
    let address = loopback_instead(settings, scene);
    let mechanism = mechanism(settings, scene);
    let is_open = is_open(scene);
    let mut terms = Terms { rule, settings, mechanism, side, address, warning: None, is_open };
    if mechanism != Mechanism::Null {
        return match lack(policy, &terms) {
            Some(fault) => Verdict::Refused(fault),
            None => Verdict::Secured(terms),
        };
    }
    if !is_open && is_exposed(scene, terms.address.as_deref().unwrap_or(&scene.address), settings) {
        match settings.null_off_loopback {
            Clear::Allow => {}
            Clear::Warn => terms.warning = Some(exposed(policy, scene, rule)),
            Clear::Refuse => return Verdict::Refused(exposed(policy, scene, rule)),
        }
    }
    Verdict::Secured(terms)
}

/// That a settled scene is a bind to all interfaces, of which there is to be none; `None` where it is not.
pub fn wildcard(policy: &Policy, scene: &Scene, terms: &Terms<'_>) -> Option<Fault> {
    let is_wildcard = terms.settings.wildcard_bind == Wildcard::Loopback
        && scene.settled
        && scene.role == Role::Binds
        && has_ip(scene.scheme)
        && on_loopback(&scene.address).is_some();
    let what_to_do = "bind it to 127.0.0.1, or let it be by a [[rule]] with wildcard_bind = \"keep\"";
    is_wildcard.then(|| {
        let what = format!("{} is bound to all interfaces (wildcard_bind)", scene.endpoint);
        Fault::denial(&policy.file, terms.rule, what, what_to_do)
    })
}

/// That an endpoint is in the clear where others are.
fn exposed(policy: &Policy, scene: &Scene, rule: Option<usize>) -> Fault {
    let settled = Some(format!(", which is {}", scene.address));
    let settled = settled.filter(|_| scene.settled && !scene.endpoint.ends_with(&scene.address));
    let settled = settled.unwrap_or_default();
    let what = format!("{}{settled} is in the clear for others (null_off_loopback)", scene.endpoint);
    let what_to_do = "give it a mechanism, or let it be by a [[rule]] with null_off_loopback = \"allow\"";
    Fault::denial(&policy.file, rule, what, what_to_do)
}

fn matches(rule: &Rule, scene: &Scene) -> bool {
    rule.endpoint.as_ref().is_none_or(|pattern| pattern.matches(&scene.endpoint))
        && (rule.sockets.is_empty() || rule.sockets.contains(&scene.socket_type))
        && rule.role.is_none_or(|role| role == scene.role)
}

fn mechanism(settings: &Settings, scene: &Scene) -> Mechanism {
    let speaks = !scene.raw && !matches!(scene.socket_type, SocketType::Stream | SocketType::Dgram);
    if speaks && settings.transports.contains(&scene.scheme) { settings.mechanism } else { Mechanism::Null }
}

/// The setting without which the mechanism cannot be spoken.
fn lack(policy: &Policy, terms: &Terms<'_>) -> Option<Fault> {
    let settings = terms.settings;
    let (name, what_to_do) = match (terms.mechanism, terms.side) {
        (Mechanism::Curve, Side::Server) if settings.server_key.is_empty() => {
            ("server_key", "name the file with the server's secret key: server_key = \"server.key_secret\"")
        }
        (Mechanism::Curve, Side::Server) if settings.allow.is_none() && settings.authorities.is_empty() => {
            ("allow", "say whose keys are let in: allow = { folder = \"allowed\" }, or allow = \"any\"")
        }
        (Mechanism::Curve, Side::Client)
            if settings.server_name.is_some() && settings.authorities.is_empty() =>
        {
            (
                "authorities",
                "name the file of the authority that has signed the server's key: authorities = \"home.authority\"",
            )
        }
        (Mechanism::Curve, Side::Client)
            if settings.server_public.is_none() && settings.server_name.is_none() =>
        {
            ("server_public", "name the file with the server's public key: server_public = \"server.key\"")
        }
        (Mechanism::Plain, Side::Server) if settings.users.is_none() => {
            ("users", "name the file with the users and their hashed passwords: users = \"users\"")
        }
        (Mechanism::Plain, Side::Client) if settings.username.is_none() => {
            ("username", "say who this client is: username = \"...\"")
        }
        (Mechanism::Plain, Side::Client) if settings.password_file.is_none() => {
            ("password_file", "name the file with the password: password_file = \"password\"")
        }
        _ => return None,
    };
    Some(Fault::mistake(&policy.file, terms.rule, format!("there is no \"{name}\""), what_to_do))
}

/// Whether only the system can tell where the endpoint is, once it is bound.
fn is_open(scene: &Scene) -> bool {
    let binds = scene.role == Role::Binds;
    // A name that datagrams go to is resolved once and for all, too.
    (binds || scene.scheme == Scheme::Udp)
        && !scene.settled
        && match scene.scheme {
            Scheme::Ipc => scene.adopted,
            scheme => has_ip(scheme) && (binds && scene.adopted || is_name(&scene.address)),
        }
}

/// Whether endpoints of the scheme have IP addresses.
fn has_ip(scheme: Scheme) -> bool {
    scheme.is_over_tcp() || scheme == Scheme::Udp
}

/// Whether others could reach the endpoint, or read what goes there, where it has no mechanism.
fn is_exposed(scene: &Scene, address: &str, settings: &Settings) -> bool {
    let proxied = scene.adopted && scene.role == Role::Connects;
    match scene.scheme {
        Scheme::Inproc => false,
        // Other users of this machine are kept out by the socket's file, or by `ipc_same_user`. An abstract name has no file: any
        // user of the network namespace may connect to it, or bind it first.
        Scheme::Ipc => address.starts_with('@') && !settings.ipc_same_user,
        // Inside of TLS.
        Scheme::Wss | Scheme::Tls => false,
        Scheme::Tcp | Scheme::Ws | Scheme::Udp => proxied || !is_loopback(address),
        Scheme::Tipc | Scheme::Vsock | Scheme::Vmci | Scheme::Pgm | Scheme::Epgm | Scheme::Norm => true,
    }
}

/// The address on loopback, for a bind to all interfaces that is to be none.
fn loopback_instead(settings: &Settings, scene: &Scene) -> Option<String> {
    let turns = settings.wildcard_bind == Wildcard::Loopback
        && scene.role == Role::Binds
        && has_ip(scene.scheme)
        && !scene.adopted
        && !scene.settled;
    if turns { on_loopback(&scene.address) } else { None }
}

/// The address on loopback instead of on all interfaces; `None` where it is not on all.
pub fn on_loopback(address: &str) -> Option<String> {
    let (before, host, after) = parts(address);
    let loopback = match host {
        "*" => "127.0.0.1",
        // C's other notations of 0.0.0.0, as `0` and `0x0.0`.
        _ if !host.is_empty() && host.bytes().all(|byte| b"0xX.".contains(&byte)) => "127.0.0.1",
        _ => match ip(host)? {
            // Of the IPv4 addresses, also as an IPv6 socket has them.
            address if address.to_canonical() == IpAddr::V4(Ipv4Addr::UNSPECIFIED) => "127.0.0.1",
            IpAddr::V6(address) if address.is_unspecified() => "[::1]",
            _ => return None,
        },
    };
    Some(format!("{before}{loopback}{after}"))
}

/// Whether an address names this machine's loopback. A name other than `localhost` may stand for anything.
pub fn is_loopback(address: &str) -> bool {
    let (_, host, _) = parts(address);
    host == "localhost" || ip(host).is_some_and(|address| address.to_canonical().is_loopback())
}

/// Whether a name server or the interfaces of the machine say what the address stands for.
fn is_name(address: &str) -> bool {
    let (_, host, _) = parts(address);
    host != "*" && ip(host).is_none()
}

/// An address as what is before its host, which ends with `;`, the host, and the port and path behind it.
fn parts(address: &str) -> (&str, &str, &str) {
    let end = address.find('/').unwrap_or(address.len());
    let (named, _) = address.split_at_checked(end).unwrap_or((address, ""));
    let begin = named.rfind(';').map_or(0, |at| at + 1);
    let end = named.rfind(':').filter(|colon| *colon >= begin).unwrap_or(end);
    let part = |range| address.get(range).unwrap_or_default();
    (part(0..begin), part(begin..end), part(end..address.len()))
}

fn ip(host: &str) -> Option<IpAddr> {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let (host, _zone) = host.split_once('%').unwrap_or((host, ""));
    host.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::errno::Errno;
    use std::path::Path;

    fn policy(text: &str) -> Policy {
        Policy::parse(Path::new("security.toml"), text).unwrap()
    }

    fn scene(endpoint: &str, socket_type: SocketType, role: Role) -> Scene {
        let (scheme, address) = endpoint.split_once("://").unwrap();
        let scheme = Scheme::ALL.into_iter().find(|row| row.name() == scheme).unwrap();
        let (endpoint, address) = (endpoint.to_owned(), address.to_owned());
        let (own, settled) = (Own::Nothing, false);
        Scene { endpoint, scheme, address, settled, socket_type, role, own, adopted: false, raw: false }
    }

    const KEYS: &str = "server_key = \"s\"\nserver_public = \"p\"\nallow = \"any\"\nusers = \"u\"\nusername = \"n\"\npassword_file = \"f\"\n";

    /// All scenes: transports, places, socket types, roles, and what the program has set.
    fn scenes() -> Vec<Scene> {
        let mut scenes = Vec::new();
        for scheme in Scheme::ALL {
            for host in [
                "*",
                "127.0.0.1",
                "[::1]",
                "localhost",
                "192.0.2.1",
                "example.org",
                "0.0.0.0",
                "[::]",
                "@name",
            ] {
                for socket_type in SocketType::ALL {
                    for (role, own, adopted) in [
                        (Role::Binds, Own::Nothing, false),
                        (Role::Binds, Own::Nothing, true),
                        (Role::Binds, Own::Mechanism, false),
                        (Role::Binds, Own::Handler, false),
                        (Role::Connects, Own::Nothing, false),
                        (Role::Connects, Own::Nothing, true),
                        (Role::Connects, Own::Mechanism, false),
                    ] {
                        let endpoint = format!("{}://{host}:5555", scheme.name());
                        let raw = socket_type == SocketType::Router && host == "192.0.2.1";
                        scenes.push(Scene { own, adopted, raw, ..scene(&endpoint, socket_type, role) });
                    }
                }
            }
        }
        scenes
    }

    #[test]
    fn laws_hold_for_all_scenes() {
        for mechanism in ["curve", "plain", "null"] {
            for clear in ["allow", "warn", "refuse"] {
                for wildcard in ["keep", "loopback"] {
                    for keys in ["", KEYS] {
                        let policy = policy(&format!(
                            "[default]\nmechanism = \"{mechanism}\"\nnull_off_loopback = \"{clear}\"\nwildcard_bind = \"{wildcard}\"\n{keys}"
                        ));
                        for scene in scenes() {
                            check(&policy, &scene, keys.is_empty());
                        }
                    }
                }
            }
        }
    }

    fn check(policy: &Policy, scene: &Scene, lacks_keys: bool) {
        let settings = &policy.default;
        let alone = scene.scheme == Scheme::Inproc || scene.own != Own::Nothing;
        let is_name =
            ["localhost", "example.org", "@name"].iter().any(|name| scene.address.starts_with(name));
        let resolves = scene.role == Role::Binds || scene.scheme == Scheme::Udp;
        let is_open = resolves
            && !scene.settled
            && match scene.scheme {
                Scheme::Ipc => scene.adopted,
                scheme => has_ip(scheme) && (is_name || scene.adopted && scene.role == Role::Binds),
            };
        // Any address may come of it.
        if is_open && !alone {
            for address in
                ["127.0.0.1:5555", "[::1]:5555", "192.0.2.1:5555", "0.0.0.0:5555", "[::]:5555", "@name"]
            {
                check(
                    policy,
                    &Scene { address: address.to_owned(), settled: true, ..scene.clone() },
                    lacks_keys,
                );
            }
        }
        let speaks = !scene.raw && !matches!(scene.socket_type, SocketType::Stream | SocketType::Dgram);
        let due = speaks
            && matches!(scene.scheme, Scheme::Tcp | Scheme::Ws)
            && settings.mechanism != Mechanism::Null;
        match decide(policy, scene) {
            Verdict::Alone(_) => assert!(alone, "{scene:?}"),
            Verdict::Secured(terms) => {
                assert!(!alone, "{scene:?}");
                assert_eq!(terms.mechanism != Mechanism::Null, due, "{scene:?}");
                assert!(!(due && lacks_keys), "{scene:?}");
                let address = terms.address.as_deref().unwrap_or(&scene.address);
                let proxied = scene.adopted && scene.role == Role::Connects;
                let named = match scene.scheme {
                    Scheme::Ipc => !address.starts_with('@'),
                    Scheme::Wss | Scheme::Tls => true,
                    Scheme::Tcp | Scheme::Ws | Scheme::Udp => is_loopback(address) && !proxied,
                    _ => false,
                };
                assert_eq!(terms.is_open, is_open, "{scene:?}");
                if terms.is_open {
                    assert!(terms.warning.is_none() && terms.address.is_none(), "{scene:?}");
                } else if terms.mechanism == Mechanism::Null && settings.null_off_loopback == Clear::Refuse {
                    assert!(named, "in the clear: {scene:?}");
                }
                if terms.warning.is_some() {
                    assert!(!named && settings.null_off_loopback == Clear::Warn && !due, "{scene:?}");
                }
                if settings.wildcard_bind == Wildcard::Loopback
                    && scene.role == Role::Binds
                    && has_ip(scene.scheme)
                {
                    let refused = wildcard(policy, scene, &terms).is_some();
                    assert!(refused || terms.is_open || on_loopback(address).is_none(), "{scene:?}");
                    assert!(!refused || scene.settled, "{scene:?}");
                } else {
                    assert_eq!(terms.address, None, "{scene:?}");
                    assert!(wildcard(policy, scene, &terms).is_none(), "{scene:?}");
                }
            }
            Verdict::Refused(fault) => {
                assert!(!alone, "{scene:?}");
                match fault.errno {
                    Errno::INVAL => assert!(due && lacks_keys, "{scene:?}: {fault}"),
                    errno => {
                        assert_eq!(errno, Errno::ACCES);
                        assert!(!due && settings.null_off_loopback == Clear::Refuse, "{scene:?}: {fault}");
                        assert!(!is_open, "{scene:?}: {fault}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_first_rule_that_matches_counts() {
        let policy = policy(&format!(
            "[default]\n{KEYS}[[rule]]\nendpoint = \"tcp://*:5555\"\nsocket = \"REP\"\nmechanism = \"null\"\n\
             [[rule]]\nrole = \"connect\"\nside = \"server\"\n[[rule]]\nside = \"client\"\n"
        ));
        let decided = |scene: Scene| match decide(&policy, &scene) {
            Verdict::Secured(terms) => (terms.rule, terms.mechanism, terms.side),
            other => panic!("{other:?}"),
        };
        use SocketType::{Pub, Rep};
        let rep = scene("tcp://*:5555", Rep, Role::Binds);
        assert_eq!(decided(rep), (Some(8), Mechanism::Null, Side::Server));
        let named = scene("tcp://192.0.2.1:5555", Rep, Role::Connects);
        assert_eq!(decided(named), (Some(8), Mechanism::Null, Side::Client), "a pattern's * is any text");
        let other = scene("tcp://*:5556", Rep, Role::Connects);
        assert_eq!(decided(other), (Some(12), Mechanism::Curve, Side::Server));
        let publisher = scene("tcp://*:5555", Pub, Role::Binds);
        assert_eq!(decided(publisher), (Some(15), Mechanism::Curve, Side::Client));
    }

    #[test]
    fn each_side_lacks_its_own() {
        let lack = |text: &str, role| match decide(&policy(text), &scene("tcp://*:1", SocketType::Rep, role))
        {
            Verdict::Refused(fault) => fault.what,
            other => panic!("{other:?}"),
        };
        assert!(lack("", Role::Binds).contains("server_key"));
        assert!(lack("[default]\nserver_key = \"s\"", Role::Binds).contains("allow"));
        assert!(lack("", Role::Connects).contains("server_public"));
        assert!(lack("[default]\nside = \"server\"", Role::Connects).contains("server_key"));
        let plain = "[default]\nmechanism = \"plain\"\n";
        assert!(lack(plain, Role::Binds).contains("users"));
        assert!(lack(plain, Role::Connects).contains("username"));
        assert!(lack(&format!("{plain}username = \"u\""), Role::Connects).contains("password_file"));
    }

    #[test]
    fn wildcards_are_turned_to_loopback() {
        for (address, turned) in [
            ("*:5555", Some("127.0.0.1:5555")),
            ("*:*", Some("127.0.0.1:*")),
            ("0.0.0.0:5555", Some("127.0.0.1:5555")),
            ("0:5555", Some("127.0.0.1:5555")),
            ("0x0.0:5555", Some("127.0.0.1:5555")),
            ("10:5555", None),
            ("[::]:5555", Some("[::1]:5555")),
            ("[::ffff:0.0.0.0]:5555", Some("127.0.0.1:5555")),
            ("*:80/path:x", Some("127.0.0.1:80/path:x")),
            ("eth0;*:5555", Some("eth0;127.0.0.1:5555")),
            ("127.0.0.1:5555", None),
            ("eth0:5555", None),
            ("example.org:5555", None),
            ("", None),
        ] {
            assert_eq!(on_loopback(address).as_deref(), turned, "{address}");
        }
    }

    #[test]
    fn loopback_is_known_by_its_addresses_and_by_one_name() {
        for address in [
            "127.0.0.1:1",
            "127.9.9.9:1",
            "[::1]:1",
            "localhost:1",
            "[::ffff:127.0.0.1]:1",
            "::1:1",
            "192.0.2.1:5;127.0.0.1:1",
        ] {
            assert!(is_loopback(address), "{address}");
        }
        for address in [
            "*:1",
            "0.0.0.0:1",
            "192.0.2.1:1",
            "localhost.example.org:1",
            "lo:1",
            "127.0.0.1:5;192.0.2.1:1",
            "",
            ":1",
            "x/127.0.0.1:1",
        ] {
            assert!(!is_loopback(address), "{address}");
        }
    }
}
