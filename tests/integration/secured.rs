//! Sockets that a security file secures, in programs that set no mechanism.

use crate::support::bench::*;
use crate::support::process::{inside, role, spawn, test_name};
use std::ffi::{CString, c_int};
use std::fs::{self, Permissions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use zmq::crypto::SecretKey;
use zmq::ffi::draft_constants::{ZMQ_DGRAM, ZMQ_DISH, ZMQ_RADIO};
use zmq::security::certificate::Certificate;
use zmq::z85;

/// What a monitor says of a handshake that failed.
const FAILURES: [c_int; 3] = [
    ZMQ_EVENT_HANDSHAKE_FAILED_AUTH,
    ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL,
    ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL,
];
/// After this time a file that peers ask for all along has been looked at twice.
const TWO_LOOKS: Duration = Duration::from_millis(2500);

/// A folder with keys and a security file.
pub struct Setup {
    pub folder: PathBuf,
}

impl Setup {
    /// `text` is what the file's `[default]` begins with.
    pub fn new(text: &str) -> Setup {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("ferrozmq-secured-{}-{number}", std::process::id()));
        fs::create_dir_all(folder.join("allowed")).unwrap();
        for name in ["server", "alice", "bob"] {
            pair(&folder.join(name));
        }
        let setup = Setup { folder };
        setup.let_in("alice");
        setup.write("security.toml", text);
        setup
    }

    /// A server and a client with a key, each from its file.
    pub fn curve() -> Setup {
        Setup::new(
            "[default]\nserver_key = \"server.key_secret\"\nclient_key = \"alice.key_secret\"\n\
             server_public = \"server.key\"\nallow = { folder = \"allowed\" }\n",
        )
    }

    pub fn let_in(&self, name: &str) {
        let file = format!("{name}.key");
        fs::copy(self.folder.join(&file), self.folder.join("allowed").join(file)).unwrap();
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.folder.join(file), text).unwrap();
    }

    fn write_secret(&self, file: &str, text: &str) {
        self.write(file, text);
        fs::set_permissions(self.folder.join(file), Permissions::from_mode(0o600)).unwrap();
    }

    /// A context whose sockets the file secures.
    pub fn context(&self) -> Context {
        let context = Context::new();
        assert_eq!(set_path(context, &self.folder.join("security.toml")), Ok(()));
        context
    }
}

impl Drop for Setup {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A fresh pair as `stem.key` and `stem.key_secret`.
pub fn pair(stem: &Path) {
    let secret = SecretKey::generate().unwrap();
    let text = |name: &str, key: &[u8]| format!("    {name} = \"{}\"\n", *z85::encode(key).unwrap());
    let public = format!("curve\n{}", text("public-key", secret.public().as_bytes()));
    fs::write(stem.with_extension("key"), &public).unwrap();
    let secret_file = stem.with_extension("key_secret");
    fs::write(&secret_file, public + &text("secret-key", secret.as_bytes())).unwrap();
    fs::set_permissions(secret_file, Permissions::from_mode(0o600)).unwrap();
}

fn set_path(context: Context, path: &Path) -> Result<(), i32> {
    let text = path.to_str().unwrap().as_bytes();
    // SAFETY: a slice's pointer and length.
    let outcome = unsafe { zmq_ctx_set_ext(context.0, ZMQ_FERRO_SECURITY, text.as_ptr().cast(), text.len()) };
    if outcome == 0 { Ok(()) } else { Err(zmq_errno()) }
}

/// The text of a property of a message that this receives.
pub fn property(socket: Socket, name: &str) -> String {
    let mut msg = std::mem::MaybeUninit::<zmq_msg_t>::uninit();
    let (msg, name) = (msg.as_mut_ptr(), CString::new(name).unwrap());
    // SAFETY: the message is initialised first and closed last.
    unsafe {
        zmq_msg_init(msg);
        assert!(zmq_msg_recv(msg, socket.0, 0) >= 0, "{}", zmq_errno());
        let value = zmq_msg_gets(msg, name.as_ptr());
        assert!(!value.is_null());
        let value = std::ffi::CStr::from_ptr(value).to_str().unwrap().to_owned();
        zmq_msg_close(msg);
        value
    }
}

#[test]
fn both_sides_speak_curve_by_the_file_alone() {
    let setup = Setup::curve();
    let context = setup.context();
    let (server, client) = (context.patient(ZMQ_REP), context.patient(ZMQ_REQ));
    let endpoint = server.bind_anywhere();
    client.connect(&endpoint);
    client.try_send(b"question", 0).unwrap();
    assert_eq!(property(server, "User-Id"), "alice");
    server.try_send(b"answer", 0).unwrap();
    assert_eq!(client.try_frame(0).unwrap().0, b"answer");
    context.end(&[client, server]);
}

#[test]
fn clients_without_the_right_key_are_refused() {
    let setup = Setup::curve();
    let (context, plain) = (setup.context(), Context::new());
    let server = context.patient(ZMQ_PULL);
    let events = Monitor::of(context, server);
    let endpoint = server.bind_anywhere();
    // No mechanism at all.
    let null = plain.patient(ZMQ_PUSH);
    null.set(ZMQ_RECONNECT_IVL, -1);
    null.connect(&endpoint);
    events.until(ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL);
    // A key that is not in the folder.
    let stranger = plain.patient(ZMQ_PUSH);
    let own = curve_keypair();
    let server_key = Certificate::read_public(&setup.folder.join("server.key")).unwrap().public_z85();
    stranger.set_bytes(ZMQ_CURVE_SERVERKEY, server_key.as_bytes());
    stranger.set_bytes(ZMQ_CURVE_PUBLICKEY, &own.0);
    stranger.set_bytes(ZMQ_CURVE_SECRETKEY, &own.1);
    stranger.set(ZMQ_RECONNECT_IVL, -1);
    stranger.connect(&endpoint);
    assert_eq!(events.until(ZMQ_EVENT_HANDSHAKE_FAILED_AUTH), 400);
    plain.end(&[null, stranger]);
    context.end(&[server, events.0]);
}

#[test]
fn a_program_that_chose_a_mechanism_is_left_alone() {
    let setup = Setup::curve();
    let context = setup.context();
    let (server, client) = (context.patient(ZMQ_PULL), context.patient(ZMQ_PUSH));
    let own = curve_keypair();
    server.set(ZMQ_CURVE_SERVER, 1);
    server.set_bytes(ZMQ_CURVE_SECRETKEY, &own.1);
    let endpoint = server.bind_anywhere();
    let clients = curve_keypair();
    client.set_bytes(ZMQ_CURVE_SERVERKEY, &own.0);
    client.set_bytes(ZMQ_CURVE_PUBLICKEY, &clients.0);
    client.set_bytes(ZMQ_CURVE_SECRETKEY, &clients.1);
    client.connect(&endpoint);
    client.try_send(b"hello", 0).unwrap();
    assert_eq!(server.try_frame(0).unwrap().0, b"hello");
    context.end(&[client, server]);
}

#[test]
fn faults_of_files_make_bind_and_connect_fail() {
    for (text, bound, connected) in [
        ("[default]\nalow = \"any\"\n", libc::EINVAL, libc::EINVAL),
        ("[default]\nallow = \"any\"\n", libc::EINVAL, libc::EINVAL),
        (
            "[default]\nallow = \"any\"\nserver_key = \"gone\"\nserver_public = \"gone\"\n",
            libc::EINVAL,
            libc::EINVAL,
        ),
        (
            "[default]\nallow = \"any\"\nserver_key = \"open\"\nserver_public = \"server.key\"\nclient_key = \"open\"\n",
            libc::EACCES,
            libc::EACCES,
        ),
        (
            "[default]\nallow = { folder = \"gone\" }\nserver_key = \"server.key_secret\"\n",
            libc::EINVAL,
            libc::EINVAL,
        ),
        ("[default]\nmechanism = \"null\"\nnull_off_loopback = \"refuse\"\n", libc::EACCES, libc::EACCES),
    ] {
        let setup = Setup::new(text);
        fs::write(setup.folder.join("open"), fs::read(setup.folder.join("server.key_secret")).unwrap())
            .unwrap();
        let context = setup.context();
        let socket = context.patient(ZMQ_REP);
        let events = Monitor::of(context, socket);
        assert_eq!(socket.try_bind("tcp://*:*"), Err(bound), "{text}");
        assert_eq!(events.until(ZMQ_EVENT_BIND_FAILED), bound.unsigned_abs());
        assert_eq!(socket.try_connect("tcp://192.0.2.1:9"), Err(connected), "{text}");
        // Inside of the process nothing is at risk.
        socket.try_bind("inproc://fine").unwrap();
        context.end(&[socket, events.0]);
    }
}

#[test]
fn a_wildcard_is_bound_to_loopback_and_unbound_by_its_name() {
    let setup = Setup::new(
        "[default]\nmechanism = \"null\"\nnull_off_loopback = \"refuse\"\nwildcard_bind = \"loopback\"\n",
    );
    let context = setup.context();
    let socket = context.patient(ZMQ_REP);
    let endpoint = socket.try_bind("tcp://*:*").unwrap();
    assert!(endpoint.starts_with("tcp://127.0.0.1:"), "{endpoint}");
    let written = CString::new(endpoint.replace("127.0.0.1", "*")).unwrap();
    // SAFETY: a C string.
    assert_eq!(unsafe { zmq_unbind(socket.0, written.as_ptr()) }, 0, "{}", zmq_errno());
    context.end(&[socket]);
}

#[test]
fn the_option_of_a_socket_comes_before_the_contexts() {
    let (setup, other) = (Setup::curve(), Setup::new("[default]\nmechanism = \"null\"\n"));
    let context = setup.context();
    let (server, client) = (context.patient(ZMQ_PULL), context.patient(ZMQ_PUSH));
    for socket in [server, client] {
        let path = other.folder.join("security.toml");
        socket.set_bytes(ZMQ_FERRO_SECURITY, path.to_str().unwrap().as_bytes());
    }
    let endpoint = server.bind_anywhere();
    client.connect(&endpoint);
    client.try_send(b"in the clear", 0).unwrap();
    assert_eq!(server.try_frame(0).unwrap().0, b"in the clear");
    assert_eq!(set_path(context, Path::new("/late")), Ok(()), "not in use yet");
    context.end(&[client, server]);
    let context = setup.context();
    let server = context.patient(ZMQ_PULL);
    server.bind_anywhere();
    assert_eq!(set_path(context, Path::new("/late")), Err(libc::EINVAL));
    context.end(&[server]);
}

/// A cheap hash of "password", made by the reference implementation of Argon2.
const OF_PASSWORD: &str =
    "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

#[test]
fn users_are_let_in_by_their_hashed_passwords() {
    let setup = Setup::new(
        "[default]\nmechanism = \"plain\"\nusers = \"users\"\nusername = \"ann\"\npassword_file = \"password\"\n",
    );
    setup.write_secret("users", &format!("ann:{OF_PASSWORD}\n"));
    setup.write_secret("password", "password\n");
    let (context, stranger) = (setup.context(), Context::new());
    let (server, client) = (context.patient(ZMQ_PULL), context.patient(ZMQ_PUSH));
    let events = Monitor::of(context, server);
    let endpoint = server.bind_anywhere();
    client.connect(&endpoint);
    client.try_send(b"hello", 0).unwrap();
    assert_eq!(property(server, "User-Id"), "ann");
    let mut clients = Vec::new();
    for (name, password) in [("ann", "Password"), ("bob", "password"), ("\u{fc}", "x")] {
        let other = stranger.patient(ZMQ_PUSH);
        other.set(ZMQ_RECONNECT_IVL, -1);
        other.set_bytes(ZMQ_PLAIN_USERNAME, name.as_bytes());
        other.set_bytes(ZMQ_PLAIN_PASSWORD, password.as_bytes());
        other.connect(&endpoint);
        assert_eq!(events.until(ZMQ_EVENT_HANDSHAKE_FAILED_AUTH), 400, "{name}");
        clients.push(other);
    }
    stranger.end(&clients);
    context.end(&[client, server, events.0]);
}

#[test]
fn a_password_that_others_may_read_is_none() {
    let setup = Setup::new(
        "[default]\nmechanism = \"plain\"\nusers = \"users\"\nusername = \"ann\"\npassword_file = \"users\"\n",
    );
    setup.write("users", &format!("ann:{OF_PASSWORD}\n"));
    let context = setup.context();
    let socket = context.patient(ZMQ_PAIR);
    assert_eq!(socket.try_bind("tcp://127.0.0.1:*"), Err(libc::EACCES));
    assert_eq!(socket.try_connect("tcp://127.0.0.1:9"), Err(libc::EACCES));
    context.end(&[socket]);
}

#[test]
fn addresses_are_kept_out_and_let_in() {
    for (networks, admitted) in [
        ("deny = [\"127.0.0.0/8\"]", false),
        ("allow = [\"10.0.0.0/8\"]", false),
        ("allow = [\"127.0.0.0/8\"]", true),
        ("allow = [\"127.0.0.0/8\"], deny = [\"127.0.0.1\"]", false),
    ] {
        let setup = Setup::new(&format!("[default]\nmechanism = \"null\"\naddresses = {{ {networks} }}\n"));
        let context = setup.context();
        let (server, client) = (context.patient(ZMQ_PULL), context.patient(ZMQ_PUSH));
        let events = Monitor::of(context, server);
        client.set(ZMQ_RECONNECT_IVL, -1);
        client.connect(&server.bind_anywhere());
        if admitted {
            events.until(ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
        } else {
            assert_eq!(events.until(ZMQ_EVENT_ACCEPT_FAILED), libc::EACCES.cast_unsigned(), "{networks}");
        }
        context.end(&[client, server, events.0]);
    }
}

#[test]
fn the_files_limits_ban_an_address() {
    let setup = Setup::curve();
    setup.write(
        "security.toml",
        "[default]\nserver_key = \"server.key_secret\"\nallow = { folder = \"allowed\" }\n\
         limits = { failed_handshakes = 2, ban_seconds = 60 }\n",
    );
    let (context, plain) = (setup.context(), Context::new());
    let server = context.patient(ZMQ_PULL);
    let events = Monitor::of(context, server);
    let endpoint = server.bind_anywhere();
    let clients = [(); 3].map(|()| {
        let client = plain.patient(ZMQ_PUSH);
        client.set(ZMQ_RECONNECT_IVL, -1);
        client
    });
    for client in &clients[..2] {
        client.connect(&endpoint);
        events.until(ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL);
        events.until(ZMQ_EVENT_DISCONNECTED);
    }
    clients[2].connect(&endpoint);
    assert_eq!(events.until(ZMQ_EVENT_ACCEPT_FAILED), libc::EACCES.cast_unsigned());
    plain.end(&clients);
    context.end(&[server, events.0]);
}

#[test]
fn processes_of_the_same_user_connect_by_ipc() {
    let setup = Setup::new("[default]\ntransports = [\"tcp\"]\nipc_same_user = true\n");
    let context = setup.context();
    let (server, client) = (context.patient(ZMQ_PULL), context.patient(ZMQ_PUSH));
    client.connect(&server.try_bind("ipc://*").unwrap());
    client.try_send(b"hello", 0).unwrap();
    assert_eq!(server.try_frame(0).unwrap().0, b"hello");
    context.end(&[client, server]);
}

/// A socket without mechanism under a file that has one is refused where it could be reached: what it sends is in the clear.
#[test]
fn a_raw_router_is_none_that_speaks_a_mechanism() {
    let setup = Setup::new(
        "[default]\nserver_key = \"server.key_secret\"\nserver_public = \"server.key\"\n\
         allow = { folder = \"allowed\" }\nnull_off_loopback = \"refuse\"\n",
    );
    let context = setup.context();
    let router = context.patient(ZMQ_ROUTER);
    router.set(ZMQ_ROUTER_RAW, 1);
    assert_eq!(router.try_bind("tcp://*:*"), Err(libc::EACCES));
    assert_eq!(router.try_connect("tcp://192.0.2.1:9"), Err(libc::EACCES));
    context.end(&[router]);
}

/// A connection to this machine goes elsewhere, where a proxy makes it.
#[test]
fn a_proxy_takes_a_connection_off_the_machine() {
    let setup = Setup::new("[default]\nmechanism = \"null\"\nnull_off_loopback = \"refuse\"\n");
    let context = setup.context();
    let socket = context.patient(ZMQ_REQ);
    assert_eq!(socket.try_connect("tcp://127.0.0.1:9"), Ok(()));
    socket.set_bytes(ZMQ_SOCKS_PROXY, b"192.0.2.1:1080");
    assert_eq!(socket.try_connect("tcp://127.0.0.1:10"), Err(libc::EACCES));
    context.end(&[socket]);
}

#[test]
fn addresses_count_as_they_are_when_a_peer_comes() {
    let setup = Setup::new("[default]\nmechanism = \"null\"\n");
    let context = setup.context();
    let (server, client) = (context.patient(ZMQ_PULL), context.patient(ZMQ_PUSH));
    let events = Monitor::of(context, server);
    let endpoint = server.bind_anywhere();
    client.connect(&endpoint);
    events.until(ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    let address = endpoint.strip_prefix("tcp://").unwrap();
    for file in ["[default]\nmechanism = \"null\"\naddresses = { deny = [\"127.0.0.1\"] }\n", "[defualt]\n"] {
        setup.write("security.toml", file);
        // The file is looked at once a second: until then peers get in.
        let outcome = || {
            let _peer = std::net::TcpStream::connect(address).unwrap();
            let ends = [ZMQ_EVENT_ACCEPTED, ZMQ_EVENT_ACCEPT_FAILED];
            std::iter::from_fn(|| events.try_event(0).ok()).find(|(kind, ..)| ends.contains(kind)).unwrap()
        };
        let (_, value, _) =
            std::iter::repeat_with(outcome).find(|(kind, ..)| *kind == ZMQ_EVENT_ACCEPT_FAILED).unwrap();
        assert_eq!(value, libc::EACCES);
    }
    context.end(&[client, server, events.0]);
}

/// Where the file has a socket speak NULL, a ZAP domain of the program means what it means without the file.
#[test]
fn a_domain_without_a_handler_keeps_nobody_out_of_null() {
    for (enforced, outcome) in [(0, ZMQ_EVENT_HANDSHAKE_SUCCEEDED), (1, ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL)]
    {
        let setup = Setup::new("[default]\nmechanism = \"null\"\n");
        let context = setup.context();
        let (server, client) = (context.patient(ZMQ_PULL), context.patient(ZMQ_PUSH));
        server.set_bytes(ZMQ_ZAP_DOMAIN, b"global");
        server.set(zmq::options::draft_number::ZMQ_ZAP_ENFORCE_DOMAIN, enforced);
        let events = Monitor::of(context, server);
        client.connect(&server.bind_anywhere());
        events.until(outcome);
        context.end(&[client, server, events.0]);
    }
}

/// What all users may write says nothing about who is let in.
#[test]
fn files_that_all_may_write_are_refused() {
    let bind = |setup: &Setup| {
        let context = setup.context();
        let server = context.patient(ZMQ_PULL);
        let bound = server.try_bind("tcp://127.0.0.1:*");
        context.end(&[server]);
        bound.map(drop)
    };
    let setup = Setup::curve();
    assert_eq!(bind(&setup), Ok(()));
    fs::set_permissions(setup.folder.join("security.toml"), Permissions::from_mode(0o646)).unwrap();
    assert_eq!(bind(&setup), Err(libc::EACCES));
    let setup = Setup::curve();
    let alice = setup.folder.join("allowed").join("alice.key");
    fs::set_permissions(alice, Permissions::from_mode(0o666)).unwrap();
    let context = setup.context();
    let (server, client) = (context.patient(ZMQ_PULL), context.patient(ZMQ_PUSH));
    let events = Monitor::of(context, server);
    client.connect(&server.bind_anywhere());
    assert_eq!(events.until(ZMQ_EVENT_HANDSHAKE_FAILED_AUTH), 400);
    context.end(&[client, server, events.0]);
}

/// As a script says it whose own variable was not set.
#[test]
fn a_variable_that_names_no_file_is_a_mistake() {
    let name = test_name!(a_variable_that_names_no_file_is_a_mistake);
    if role().is_none() {
        let output = spawn(name, "no file", &["env", "FERROZMQ_SECURITY="]).wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    let context = Context::new();
    let socket = context.patient(ZMQ_PAIR);
    assert_eq!(socket.try_bind("tcp://127.0.0.1:*"), Err(libc::EINVAL));
    assert_eq!(socket.try_connect("tcp://127.0.0.1:9"), Err(libc::EINVAL));
    socket.try_bind("inproc://fine").unwrap();
    context.end(&[socket]);
}

/// A daemon leaves the folder that it was started in, and others may write in the one that it goes to.
#[test]
fn a_relative_path_counts_from_the_folder_where_it_was_named() {
    const WAYS: [&str; 4] = ["environment", "environment, bound later", "context", "socket"];
    const FILE: &str = "security.toml";
    let Some(way) = role() else {
        let name = test_name!(a_relative_path_counts_from_the_folder_where_it_was_named);
        for way in WAYS {
            let setup = Setup::curve();
            fs::create_dir(setup.folder.join("open")).unwrap();
            setup.write(
                "open/security.toml",
                "[default]\nmechanism = \"null\"\nnull_off_loopback = \"allow\"\n",
            );
            let folder = format!("--chdir={}", setup.folder.display());
            let variable = format!("FERROZMQ_SECURITY={FILE}");
            let by_environment = ["env", &folder, &variable];
            let before = if way.starts_with("environment") { &by_environment } else { &by_environment[..2] };
            let output = spawn(name, way, before).wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && said.contains("1 passed"), "{way}: {said}");
        }
        return;
    };
    let folder = std::env::current_dir().unwrap();
    let of_file = |name: &str| {
        let context = Context::new();
        assert_eq!(set_path(context, &folder.join(name)), Ok(()));
        context
    };
    let (context, open, secured) = (Context::new(), of_file("open/security.toml"), of_file(FILE));
    let server = context.patient(ZMQ_PULL);
    let events = Monitor::of(context, server);
    match way.as_str() {
        "context" => assert_eq!(set_path(context, Path::new(FILE)), Ok(())),
        "socket" => server.set_bytes(ZMQ_FERRO_SECURITY, FILE.as_bytes()),
        _ => {}
    }
    let leave = || std::env::set_current_dir(folder.join("open")).unwrap();
    let endpoint = if way == WAYS[0] {
        let endpoint = server.bind_anywhere();
        leave();
        endpoint
    } else {
        leave();
        server.bind_anywhere()
    };
    let null = open.patient(ZMQ_PUSH);
    null.set(ZMQ_RECONNECT_IVL, 20);
    null.connect(&endpoint);
    // What was bound before has read the right file. The peer comes back until the file has been looked at again.
    let until = if way == WAYS[0] { Instant::now() + TWO_LOOKS } else { Instant::now() };
    let mut refused = false;
    while !refused || Instant::now() < until {
        let event = events.event();
        assert_ne!(event, ZMQ_EVENT_HANDSHAKE_SUCCEEDED, "{way}: the open file counts");
        refused |= FAILURES.contains(&event);
    }
    null.close();
    let client = secured.patient(ZMQ_PUSH);
    client.connect(&endpoint);
    client.send(&["message"]);
    assert_eq!(property(server, "User-Id"), "alice");
    secured.end(&[client]);
    open.term();
    context.end(&[server, events.0]);
}

/// A name, an interface or a descriptor of the program counts as the address that the system has bound.
#[test]
fn what_is_bound_counts_and_not_what_was_written() {
    let refusing = |more: &str| {
        Setup::new(&format!("[default]\nmechanism = \"null\"\nnull_off_loopback = \"refuse\"\n{more}"))
    };
    let outcome = |setup: &Setup, kind, endpoint: &str| {
        let context = setup.context();
        let socket = context.patient(kind);
        let bound = socket.try_bind(endpoint).map(drop);
        context.end(&[socket]);
        bound
    };
    let (strict, exempt) = (refusing(""), refusing("ipc_same_user = true\n"));
    for (kind, endpoint, expected) in [
        (ZMQ_REP, "tcp://lo:*", Ok(())),
        (ZMQ_REP, "tcp://localhost:*", Ok(())),
        (ZMQ_REP, "ws://lo:*", Ok(())),
        (ZMQ_REP, "tcp://*:*", Err(libc::EACCES)),
        (ZMQ_REP, "tcp://0:*", Err(libc::EACCES)),
        (ZMQ_REP, "ws://0:*", Err(libc::EACCES)),
        (ZMQ_DGRAM, "udp://lo:*", Ok(())),
        (ZMQ_DGRAM, "udp://127.0.0.1:*", Ok(())),
        (ZMQ_DGRAM, "udp://0:*", Err(libc::EACCES)),
        (ZMQ_DISH, "udp://*:*", Err(libc::EACCES)),
        // A group is received on all interfaces, whatever it was joined on.
        (ZMQ_DISH, "udp://lo;239.0.0.1:*", Err(libc::EACCES)),
        (ZMQ_REP, "ipc://*", Ok(())),
        (ZMQ_REP, "ipc://@ferrozmq-what-is-bound", Err(libc::EACCES)),
    ] {
        assert_eq!(outcome(&strict, kind, endpoint), expected, "{endpoint}");
    }
    assert_eq!(outcome(&exempt, ZMQ_REP, "ipc://@ferrozmq-what-is-bound"), Ok(()));
    let context = strict.context();
    let radio = context.patient(ZMQ_RADIO);
    assert_eq!(radio.try_connect("udp://192.0.2.1:9"), Err(libc::EACCES));
    assert_eq!(radio.try_connect("udp://localhost:9"), Ok(()));
    let dealer = context.patient(ZMQ_DEALER);
    assert_eq!(dealer.try_connect("ipc://@ferrozmq-what-is-bound"), Err(libc::EACCES));
    context.end(&[radio, dealer]);
}

#[test]
fn no_endpoint_is_bound_to_all_interfaces_where_none_is_to_be() {
    let setup = Setup::new("[default]\nmechanism = \"null\"\nwildcard_bind = \"loopback\"\n");
    let context = setup.context();
    for (kind, endpoint) in [(ZMQ_REP, "tcp://*:*"), (ZMQ_REP, "ws://0:*"), (ZMQ_DGRAM, "udp://*:*")] {
        let socket = context.patient(kind);
        let bound = socket.try_bind(endpoint).unwrap();
        assert!(bound.contains("://127.0.0.1:"), "{bound}");
        let written = CString::new(bound.replace("127.0.0.1", "*")).unwrap();
        // SAFETY: a C string.
        assert_eq!(unsafe { zmq_unbind(socket.0, written.as_ptr()) }, 0, "{bound}: {}", zmq_errno());
        socket.close();
    }
    let dish = context.patient(ZMQ_DISH);
    assert_eq!(dish.try_bind("udp://239.0.0.1:*"), Err(libc::EACCES));
    // The program has bound it before the library sees it.
    let server = context.patient(ZMQ_REP);
    for (address, expected) in [("0.0.0.0:0", Err(libc::EACCES)), ("127.0.0.1:0", Ok(()))] {
        let listener = std::net::TcpListener::bind(address).unwrap();
        server.set(ZMQ_USE_FD, listener.as_raw_fd());
        assert_eq!(server.try_bind("tcp://127.0.0.1:*").map(drop), expected, "{address}");
        if expected.is_ok() {
            // It is the socket's from now on. One that was refused is the program's still, and closed here.
            std::mem::forget(listener);
        }
    }
    context.end(&[dish, server]);
}

/// Another user has taken the name of the server. This needs the superuser, which can become one.
#[test]
fn no_client_connects_to_the_listener_of_another_user() {
    const NOBODY: u32 = 65_534;
    if !inside(test_name!(no_client_connects_to_the_listener_of_another_user)) {
        return;
    }
    // SAFETY: no pointers.
    if unsafe { libc::geteuid() } != 0 {
        return eprintln!("not the superuser: this test does nothing");
    }
    let setup = Setup::new("[default]\nmechanism = \"null\"\nipc_same_user = true\n");
    let (clients, others) = (setup.context(), Context::new());
    let other = others.patient(ZMQ_PULL);
    // Two users besides the superuser: its own processes listen for others. Its effective user alone changes.
    // SAFETY: no pointers.
    let become_user = |user| assert_eq!(unsafe { libc::seteuid(user) }, 0);
    become_user(NOBODY);
    let endpoint = other.try_bind("ipc://@ferrozmq-another-user").unwrap();
    become_user(0);
    let client = clients.patient(ZMQ_PUSH);
    let events = Monitor::of(clients, client);
    client.connect(&endpoint);
    events.until(ZMQ_EVENT_CONNECTED);
    events.until(ZMQ_EVENT_CLOSED);
    client.try_send(b"secret", 0).unwrap();
    // A stream has no handshake in which the listener could be looked at.
    let stream = clients.patient(ZMQ_STREAM);
    let events_of_stream = Monitor::of(clients, stream);
    stream.connect(&endpoint);
    for events in [&events, &events_of_stream] {
        for _ in 0..2 {
            events.until(ZMQ_EVENT_CONNECTED);
            events.until(ZMQ_EVENT_CLOSED);
        }
    }
    stream.disconnect(&endpoint);
    assert_eq!(other.try_frame(ZMQ_DONTWAIT), Err(libc::EAGAIN));
    // Its own user may.
    become_user(NOBODY);
    assert_eq!(other.try_frame(0).unwrap().0, b"secret");
    become_user(0);
    clients.end(&[client, events.0, stream, events_of_stream.0]);
    others.end(&[other]);
}
