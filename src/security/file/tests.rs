//! What the file may say, and what it may not.

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
    let text = "[default]\nmigration = { server_key = \"s\", client_key = \"c\", server_public = \"/p\" }\n";
    let policy = Policy::parse(Path::new("/etc/f.toml"), text).unwrap();
    let Migration { server_key, client_key, server_public } = &policy.default.migration;
    let paths = [server_key, client_key, server_public].map(|place| place.as_ref().unwrap().path.as_path());
    assert_eq!(paths, [Path::new("/etc/s"), Path::new("/etc/c"), Path::new("/p")]);
    assert_eq!(policy.places().count(), 3);
    for (wrong, what) in [
        ("{ client_key = \"c\" }", "its own key and the server's"),
        ("{ server_public = \"p\" }", "its own key and the server's"),
        ("{ key = \"c\" }", "no setting \"key\""),
        ("\"s\"", "\"migration\" holds"),
        ("{ server_key = [\"s\"] }", "\"server_key\" holds"),
    ] {
        let faults = Policy::parse(Path::new("f"), &format!("[default]\nmigration = {wrong}\n")).unwrap_err();
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
    for (peer, admitted) in [("10.2.0.1", true), ("10.1.0.1", false), ("11.0.0.1", false), ("::1", true)] {
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
    assert_eq!((second.settings.mechanism, &second.sockets[..]), (Mechanism::Null, &[SocketType::Pub][..]));
    assert!(matches!(&second.settings.allow, Some(Allow::Folder(place)) if place.path.ends_with("allowed")));
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
    for text in
        ["", "/8", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "10.0.0/8", "host", "10.0.0.0/8/8"]
    {
        assert_eq!(network(text), None, "{text}");
    }
}

/// A key that stands in a wrong place is not shown: it may be the secret one.
#[test]
fn no_fault_shows_a_key() {
    let mut secrets = vec!["JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6".to_owned()];
    #[cfg(feature = "qzmq")]
    for suite in crate::crypto::KemSuite::ALL {
        let pair = super::super::certificate::Certificate::generate_qzmq(None, suite).unwrap();
        secrets.push(pair.secret.unwrap().z85().to_string());
    }
    let forms = [
        "allow = \"KEY\"",
        "allow = { fingerprints = [\"KEY\"] }",
        "addresses = { allow = [\"KEY\"] }",
        "mechanism = \"KEY\"",
        "transports = [\"KEY\"]",
        "ipc_same_user = \"KEY\"",
        "limits = \"KEY\"",
        "limits = { connections = \"KEY\" }",
        "qzmq = { suites = [\"KEY\"] }",
        "migration = { server_key = \"KEY\" }",
    ];
    for secret in &secrets {
        for form in forms {
            let text = form.replace("KEY", secret);
            // A key of CURVE stands for its fingerprint, as either half of a pair has the same form.
            let faults = Policy::parse(Path::new("security.toml"), &format!("[default]\n{text}")).err();
            let told = faults.iter().flatten().map(ToString::to_string).collect::<String>();
            assert_eq!(told.is_empty(), form.contains("fingerprints") && secret.len() == 40, "{form}");
            assert!(!told.contains(&secret[..40]), "{form}: {told}");
        }
    }
}
