//! QZMQ as programs get it: CURVE's options with longer keys, on real sockets.

use crate::counted::{of_type, until};
use crate::secured::{Setup, property};
use crate::support::bench::*;
use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use zmq::crypto::{
    Certificate as Signed, Claims, DsaSecret, DsaSuite, KemPublic, KemSecret, KemSuite, Roles,
};
use zmq::security::certificate::Certificate;

/// A secret key, and its public one, as options take them.
pub fn pair(kem: KemSuite) -> (Vec<u8>, Vec<u8>) {
    let secret = KemSecret::generate(kem).unwrap();
    (secret.tagged().to_vec(), secret.public().tagged())
}

pub fn serve(socket: Socket, secret: &[u8]) {
    socket.set(ZMQ_CURVE_SERVER, 1);
    socket.set_bytes(ZMQ_CURVE_SECRETKEY, secret);
}

pub fn know(socket: Socket, server: &[u8], own: Option<&(Vec<u8>, Vec<u8>)>) {
    socket.set_bytes(ZMQ_CURVE_SERVERKEY, server);
    if let Some((secret, public)) = own {
        socket.set_bytes(ZMQ_CURVE_PUBLICKEY, public);
        socket.set_bytes(ZMQ_CURVE_SECRETKEY, secret);
    }
}

#[test]
fn messages_of_all_sizes_pass_both_ways_over_every_kem_and_stream() {
    for kem in KemSuite::ALL {
        for scheme in ["tcp://127.0.0.1:*", "ipc://*"] {
            let context = Context::new();
            let (server, client) = (context.patient(ZMQ_PAIR), context.patient(ZMQ_PAIR));
            let (keys, own) = (pair(kem), pair(kem));
            serve(server, &keys.0);
            let endpoint = server.try_bind(scheme).unwrap();
            know(client, &keys.1, Some(&own));
            client.connect(&endpoint);
            for len in [0, 1, 64, 255, 256, 8_192, 16_384, 16_385, 100_000, 1_000_000] {
                let body: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
                for (from, to) in [(client, server), (server, client)] {
                    from.try_send(&body, 0).unwrap();
                    assert!(to.try_frame(0).unwrap().0 == body, "{kem:?} {scheme} {len}");
                }
            }
            for number in 0..2_000_u32 {
                client.try_send(&number.to_be_bytes(), ZMQ_SNDMORE).unwrap();
                client.try_send(b"second", 0).unwrap();
            }
            for number in 0..2_000_u32 {
                assert_eq!(server.try_frame(0).unwrap().0, number.to_be_bytes());
                assert_eq!(server.try_frame(0).unwrap().0, b"second");
            }
            context.end(&[server, client]);
        }
    }
}

#[test]
fn subscribers_get_what_they_have_asked_for() {
    let context = Context::new();
    let (publisher, subscriber) = (context.patient(ZMQ_XPUB), context.patient(ZMQ_SUB));
    let keys = pair(KemSuite::XWing);
    serve(publisher, &keys.0);
    let endpoint = publisher.bind_anywhere();
    know(subscriber, &keys.1, None);
    subscriber.set_bytes(ZMQ_SUBSCRIBE, b"market");
    subscriber.connect(&endpoint);
    assert_eq!(publisher.try_frame(0).unwrap().0, b"\x01market");
    publisher.try_send(b"weather", 0).unwrap();
    publisher.try_send(b"market up", 0).unwrap();
    assert_eq!(subscriber.try_frame(0).unwrap().0, b"market up");
    context.end(&[publisher, subscriber]);
}

/// Connections to an endpoint, one after the other, each seen from the client's side.
pub struct Relay {
    pub endpoint: String,
    /// The client's end of each, once it is there.
    pub begun: Receiver<TcpStream>,
    /// What the client has said in each.
    pub seen: JoinHandle<Vec<Vec<u8>>>,
}

impl Relay {
    pub fn to(endpoint: &str, connections: usize) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let through = format!("tcp://{}", listener.local_addr().unwrap());
        let onward = endpoint.strip_prefix("tcp://").unwrap().to_owned();
        let (tell, begun) = channel();
        let seen = std::thread::spawn(move || {
            let pass_on = |_| {
                let (near, _) = listener.accept().unwrap();
                tell.send(near.try_clone().unwrap()).unwrap();
                pass_on(near, TcpStream::connect(&onward).unwrap())
            };
            (0..connections).map(pass_on).collect()
        });
        Relay { endpoint: through, begun, seen }
    }
}

/// What has come from `near` until either end closes.
pub fn pass_on(mut near: TcpStream, mut far: TcpStream) -> Vec<u8> {
    let (mut back, mut there) = (far.try_clone().unwrap(), near.try_clone().unwrap());
    let backwards = std::thread::spawn(move || std::io::copy(&mut back, &mut there));
    let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(bytes @ 1..) = near.read(&mut buffer) {
        seen.extend_from_slice(&buffer[..bytes]);
        if far.write_all(&buffer[..bytes]).is_err() {
            break;
        }
    }
    let _ = far.shutdown(Shutdown::Both);
    drop((near, far));
    let _ = backwards.join();
    seen
}

#[test]
fn nothing_of_a_message_is_in_clear() {
    let (context, far) = (Context::new(), Context::new());
    let (server, client) = (far.patient(ZMQ_PULL), context.patient(ZMQ_PUSH));
    let keys = pair(KemSuite::XWing);
    serve(server, &keys.0);
    let relay = Relay::to(&server.bind_anywhere(), 1);
    know(client, &keys.1, None);
    client.connect(&relay.endpoint);
    client.try_send(b"a text that is to stay secret", 0).unwrap();
    assert_eq!(server.try_frame(0).unwrap().0, b"a text that is to stay secret");
    context.end(&[client]);
    far.end(&[server]);
    let seen = relay.seen.join().unwrap().concat();
    assert!(seen.windows(4).any(|bytes| bytes == b"QZMQ"));
    assert!(!seen.windows(6).any(|bytes| bytes == b"secret"));
}

/// The HELLO in what a client has said: whether it resumes, and the suites it offers.
pub fn hello(seen: &[u8]) -> (bool, Vec<u8>) {
    let at = seen.windows(6).position(|name| name == b"\x05HELLO").unwrap();
    let hello = &seen[at..];
    (hello[8] == 1, hello[43..][..usize::from(hello[42])].to_vec())
}

#[test]
fn a_client_that_connects_again_resumes_unless_an_option_says_no() {
    for (of_server_s, of_client_s) in [(7_200, 7_200), (0, 7_200), (7_200, 0)] {
        let (context, far) = (Context::new(), Context::new());
        let (server, client) = (far.patient(ZMQ_PULL), context.patient(ZMQ_PUSH));
        let keys = pair(KemSuite::XWing);
        serve(server, &keys.0);
        server.set(ZMQ_FERRO_QZMQ_TICKET_LIFE, of_server_s);
        let relay = Relay::to(&server.bind_anywhere(), 2);
        know(client, &keys.1, Some(&pair(KemSuite::XWing)));
        client.set(ZMQ_FERRO_QZMQ_TICKET_LIFE, of_client_s);
        client.set_bytes(ZMQ_FERRO_QZMQ_SUITES, &[2, 1]);
        client.connect(&relay.endpoint);
        for text in [b"first", b"other"] {
            let near = relay.begun.recv().unwrap();
            client.try_send(text, 0).unwrap();
            assert_eq!(server.try_frame(0).unwrap().0, text);
            near.shutdown(Shutdown::Both).unwrap();
        }
        context.end(&[client]);
        far.end(&[server]);
        let hellos: Vec<_> = relay.seen.join().unwrap().iter().map(|seen| hello(seen)).collect();
        let resumes = of_server_s > 0 && of_client_s > 0;
        assert_eq!(hellos, [(false, vec![2, 1]), (resumes, vec![2, 1])]);
    }
}

#[test]
fn messages_pass_whatever_the_options_say() {
    let context = Context::new();
    let (server, client) = (context.patient(ZMQ_PAIR), context.patient(ZMQ_PAIR));
    let keys = pair(KemSuite::MlKem1024);
    serve(server, &keys.0);
    for socket in [server, client] {
        socket.set_bytes(ZMQ_FERRO_QZMQ_SUITES, &[4]);
        socket.set(ZMQ_FERRO_QZMQ_UPDATE_RECORDS, 1);
        socket.set(ZMQ_FERRO_QZMQ_UPDATE_IVL, 1);
        socket.set(ZMQ_FERRO_QZMQ_PADDING, 1_000);
        socket.set_i64(ZMQ_FERRO_QZMQ_UPDATE_SIZE, 1);
    }
    let endpoint = server.bind_anywhere();
    know(client, &keys.1, None);
    client.connect(&endpoint);
    for len in (0..2_000).chain([16_384, 16_385, 300_000]) {
        let body = vec![7; len];
        for (from, to) in [(client, server), (server, client)] {
            from.try_send(&body, 0).unwrap();
            assert!(to.try_frame(0).unwrap().0 == body, "{len}");
        }
    }
    context.end(&[server, client]);
}

#[test]
fn an_endpoint_without_a_suite_for_its_keys_is_refused() {
    let context = Context::new();
    let (server, client) = (context.patient(ZMQ_PULL), context.patient(ZMQ_PUSH));
    let keys = pair(KemSuite::XWing);
    serve(server, &keys.0);
    know(client, &keys.1, None);
    for socket in [server, client] {
        socket.set_bytes(ZMQ_FERRO_QZMQ_SUITES, &[3, 4]);
    }
    assert_eq!(server.try_bind("tcp://127.0.0.1:*").unwrap_err(), libc::EINVAL);
    assert_eq!(client.try_connect("tcp://127.0.0.1:9").unwrap_err(), libc::EINVAL);
    context.end(&[server, client]);
}

#[test]
fn a_client_with_a_wrong_key_is_turned_away_and_told_nothing() {
    let context = Context::new();
    let server = context.patient(ZMQ_PULL);
    let monitor = Monitor::of(context, server);
    serve(server, &pair(KemSuite::XWing).0);
    let endpoint = server.bind_anywhere();
    let client = context.patient(ZMQ_PUSH);
    client.set(ZMQ_RECONNECT_IVL, -1);
    know(client, &pair(KemSuite::XWing).1, None);
    client.connect(&endpoint);
    assert_eq!(monitor.until(ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL), 0x1100_0001);
    context.end(&[client, server, monitor.0]);
}

#[test]
fn curve_and_null_do_not_get_in() {
    let context = Context::new();
    let server = context.patient(ZMQ_PULL);
    let monitor = Monitor::of(context, server);
    serve(server, &pair(KemSuite::XWing).0);
    let endpoint = server.bind_anywhere();
    let null = context.patient(ZMQ_PUSH);
    null.set(ZMQ_RECONNECT_IVL, -1);
    null.connect(&endpoint);
    assert_eq!(monitor.until(ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL), 0x1100_0002);
    let (curve, own) = (context.patient(ZMQ_PUSH), curve_keypair());
    curve.set(ZMQ_RECONNECT_IVL, -1);
    curve.set_bytes(ZMQ_CURVE_SERVERKEY, &curve_keypair().0);
    curve.set_bytes(ZMQ_CURVE_PUBLICKEY, &own.0);
    curve.set_bytes(ZMQ_CURVE_SECRETKEY, &own.1);
    curve.connect(&endpoint);
    assert_eq!(monitor.until(ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL), 0x1100_0002);
    context.end(&[null, curve, server, monitor.0]);
}

/// Until the only socket of this type has counted so.
pub fn counted(context: Context, socket_type: &str, counts: &[(&str, u64)]) -> serde_json::Value {
    let is_so = |stats: &serde_json::Value| {
        let counters = &of_type(stats, socket_type)["counters"];
        counts.iter().all(|(name, count)| counters[format!("qzmq_{name}")] == *count)
    };
    of_type(&until(context, is_so), socket_type).clone()
}

#[test]
fn handshakes_and_messages_are_counted_apart() {
    let context = Context::new();
    let (server, client, stranger) =
        (context.patient(ZMQ_PULL), context.patient(ZMQ_PUSH), context.patient(ZMQ_DEALER));
    let keys = pair(KemSuite::XWing);
    serve(server, &keys.0);
    let endpoint = server.bind_anywhere();
    know(client, &keys.1, Some(&pair(KemSuite::XWing)));
    client.connect(&endpoint);
    for _ in 0..10 {
        client.try_send(b"a message", 0).unwrap();
        server.try_frame(0).unwrap();
    }
    let on_client = counted(context, "PUSH", &[("messages_encrypted", 10), ("handshakes_succeeded", 1)]);
    assert_eq!(on_client["qzmq_handshake_duration"]["count"], 1);
    let none = [("messages_encrypted", 0), ("auth_failures", 0), ("replay_attempts", 0), ("key_updates", 0)];
    counted(context, "PULL", &[&none[..], &[("messages_decrypted", 10)]].concat());
    know(stranger, &pair(KemSuite::XWing).1, None);
    stranger.set(ZMQ_RECONNECT_IVL, -1);
    stranger.connect(&endpoint);
    let failed = [("handshakes_failed_protocol", 1), ("handshakes_succeeded", 1), ("auth_failures", 1)];
    let on_server = counted(context, "PULL", &failed);
    assert_eq!(on_server["qzmq_handshake_duration"]["count"], 2);
    counted(context, "DEALER", &[("handshakes_failed_stream", 1), ("auth_failures", 0)]);
    // What ended connections and closed sockets have counted stays.
    client.disconnect(&endpoint);
    counted(context, "PUSH", &[("messages_encrypted", 10)]);
    server.close();
    let closed = |stats: &serde_json::Value| {
        let counters = &stats["contexts"][0]["closed_sockets"]["counters"];
        counters["qzmq_messages_decrypted"] == 10 && counters["qzmq_handshakes_failed_protocol"] == 1
    };
    until(context, closed);
    context.end(&[client, stranger]);
}

#[test]
fn sockets_without_qzmq_count_nothing_of_it() {
    let context = Context::new();
    let (server, client) = (context.patient(ZMQ_PULL), context.patient(ZMQ_PUSH));
    client.connect(&server.bind_anywhere());
    client.try_send(b"a message", 0).unwrap();
    server.try_frame(0).unwrap();
    let counts = counted(context, "PULL", &[("messages_decrypted", 0), ("handshakes_succeeded", 0)]);
    assert_eq!(
        (&counts["counters"]["handshakes_succeeded"], &counts["qzmq_handshake_duration"]["count"]),
        (&1.into(), &0.into())
    );
    context.end(&[server, client]);
}

#[test]
fn servers_keys_change_while_the_socket_is_bound() {
    let context = Context::new();
    let server = context.patient(ZMQ_PULL);
    let monitor = Monitor::of(context, server);
    let (old, new, large) = (pair(KemSuite::XWing), pair(KemSuite::XWing), pair(KemSuite::MlKem1024));
    serve(server, &old.0);
    let endpoints = [server.bind_anywhere(), server.bind_anywhere()];
    let ask = |endpoint: &str, key: &[u8]| {
        let client = context.patient(ZMQ_PUSH);
        client.set(ZMQ_RECONNECT_IVL, -1);
        know(client, key, None);
        client.connect(endpoint);
        client
    };
    let mut clients = vec![server, monitor.0];
    for key in [&new, &large] {
        server.set_bytes(ZMQ_FERRO_CURVE_SERVER_KEY_ADD, &key.0);
    }
    assert_eq!(server.try_set(ZMQ_FERRO_CURVE_SERVER_KEY_ADD, &[7; 32]), Err(libc::EINVAL), "of CURVE");
    for endpoint in &endpoints {
        for key in [&old, &new, &large] {
            let client = ask(endpoint, &key.1);
            client.try_send(b"hello", 0).unwrap();
            assert_eq!(server.try_frame(0).unwrap().0, b"hello");
            clients.push(client);
        }
    }
    server.set_bytes(ZMQ_FERRO_CURVE_SERVER_KEY_WITHDRAW, &old.1);
    assert_eq!(server.try_set(ZMQ_FERRO_CURVE_SERVER_KEY_WITHDRAW, &old.1), Err(libc::ENOENT));
    for endpoint in &endpoints {
        clients.push(ask(endpoint, &old.1));
        assert_eq!(monitor.until(ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL), 0x1100_0001);
    }
    clients[2].try_send(b"still here", 0).unwrap();
    assert_eq!(server.try_frame(0).unwrap().0, b"still here");
    context.end(&clients);
}

/// A pair of QZMQ as `NAME.key` and `NAME.key_secret` in the folder of a security file.
pub fn write_pair(setup: &Setup, name: &str, kem: KemSuite) -> Certificate {
    let pair = Certificate::generate_qzmq(None, kem).unwrap();
    let public = format!("curve\n    public-key = \"{}\"\n", pair.public_z85());
    let secret = format!("{public}    secret-key = \"{}\"\n", *pair.secret.as_ref().unwrap().z85());
    fs::write(setup.folder.join(format!("{name}.key")), public).unwrap();
    let file = setup.folder.join(format!("{name}.key_secret"));
    fs::write(&file, secret).unwrap();
    fs::set_permissions(file, Permissions::from_mode(0o600)).unwrap();
    pair
}

#[test]
fn a_security_file_takes_keys_of_qzmq_as_it_takes_others() {
    for kem in KemSuite::ALL {
        let setup = Setup::curve();
        write_pair(&setup, "server", kem);
        let alice = write_pair(&setup, "alice", kem);
        setup.let_in("alice");
        let context = setup.context();
        let (server, client) = (context.patient(ZMQ_PULL), context.patient(ZMQ_PUSH));
        let events = Monitor::of(context, server);
        let endpoint = server.bind_anywhere();
        client.connect(&endpoint);
        client.try_send(b"hello", 0).unwrap();
        assert_eq!(property(server, "User-Id"), "alice");
        counted(context, "PULL", &[("handshakes_succeeded", 1)]);
        // By a fingerprint, and one that is not let in.
        let stranger = write_pair(&setup, "alice", kem);
        fs::remove_file(setup.folder.join("allowed/alice.key")).unwrap();
        let text = format!(
            "[default]\nserver_key = \"server.key_secret\"\nclient_key = \"alice.key_secret\"\n\
             server_public = \"server.key\"\nallow = {{ fingerprints = [\"{}\"] }}\n",
            alice.fingerprint()
        );
        assert_ne!(stranger.fingerprint(), alice.fingerprint());
        fs::write(setup.folder.join("security.toml"), text).unwrap();
        let refused = setup.context();
        let (other, late) = (refused.patient(ZMQ_PULL), refused.patient(ZMQ_PUSH));
        let denials = Monitor::of(refused, other);
        late.set(ZMQ_RECONNECT_IVL, -1);
        late.connect(&other.bind_anywhere());
        assert_eq!(denials.until(ZMQ_EVENT_HANDSHAKE_FAILED_AUTH), 400);
        refused.end(&[late, other, denials.0]);
        context.end(&[client, server, events.0]);
    }
}

#[test]
fn a_security_file_with_keys_of_two_kinds_is_at_fault() {
    let mixed: [&[(&str, KemSuite)]; 3] = [
        &[("alice", KemSuite::XWing)],
        &[("server", KemSuite::XWing)],
        &[("server", KemSuite::XWing), ("alice", KemSuite::MlKem1024)],
    ];
    for pairs in mixed {
        let setup = Setup::curve();
        for (name, kem) in pairs {
            write_pair(&setup, name, *kem);
        }
        let context = setup.context();
        let client = context.patient(ZMQ_PUSH);
        assert_eq!(client.try_connect("tcp://127.0.0.1:1"), Err(libc::EINVAL));
        context.end(&[client]);
    }
    let setup = Setup::curve();
    write_pair(&setup, "new", KemSuite::XWing);
    let text = "[default]\nserver_key = [\"server.key_secret\", \"new.key_secret\"]\nallow = \"any\"\n";
    fs::write(setup.folder.join("security.toml"), text).unwrap();
    let context = setup.context();
    let server = context.patient(ZMQ_PULL);
    assert_eq!(server.try_bind("tcp://127.0.0.1:*").err(), Some(libc::EINVAL));
    context.end(&[server]);
}

/// An authority of QZMQ, and what it signs, as the options take it.
struct Signer(DsaSecret);

impl Signer {
    fn new() -> Signer {
        Signer(DsaSecret::generate(DsaSuite::MlDsa65).unwrap())
    }

    fn public(&self) -> Vec<u8> {
        self.0.public().tagged().to_vec()
    }

    fn sign(&self, public: &[u8], name: &str, roles: Roles) -> Vec<u8> {
        let public = KemPublic::from_tagged(public).unwrap();
        let (name, not_before_s, not_after_s) = (name.to_owned(), 0, u64::MAX);
        let claims = Claims { name, public, roles, not_before_s, not_after_s };
        Signed::sign(&self.0, claims).unwrap().bytes().to_vec()
    }
}

#[test]
fn certificates_let_both_sides_in_by_their_names() {
    let (context, authority) = (Context::new(), Signer::new());
    let (server, client) = (context.patient(ZMQ_REP), context.patient(ZMQ_REQ));
    let (keys, own) = (pair(KemSuite::XWing), pair(KemSuite::XWing));
    serve(server, &keys.0);
    server.set_bytes(ZMQ_FERRO_QZMQ_AUTHORITY, &authority.public());
    server.set_bytes(ZMQ_FERRO_QZMQ_CERTIFICATE, &authority.sign(&keys.1, "orders", Roles::Server));
    let monitor = Monitor::of(context, server);
    let endpoint = server.bind_anywhere();
    client.set_bytes(ZMQ_CURVE_SECRETKEY, &own.0);
    client.set_bytes(ZMQ_FERRO_QZMQ_SERVER_NAME, b"orders");
    assert_eq!(client.try_connect(&endpoint), Err(libc::EINVAL), "without an authority");
    client.set_bytes(ZMQ_FERRO_QZMQ_AUTHORITY, &authority.public());
    let signed = authority.sign(&own.1, "alice", Roles::Client);
    client.set_bytes(ZMQ_FERRO_QZMQ_CERTIFICATE, &signed);
    client.connect(&endpoint);
    client.try_send(b"question", 0).unwrap();
    assert_eq!(property(server, "User-Id"), "alice");
    server.try_send(b"answer", 0).unwrap();
    assert_eq!(property(client, "User-Id"), "orders");
    // Without one, and without an authenticator.
    let stranger = context.patient(ZMQ_REQ);
    stranger.set(ZMQ_RECONNECT_IVL, -1);
    know(stranger, &keys.1, Some(&pair(KemSuite::XWing)));
    stranger.connect(&endpoint);
    assert_eq!(monitor.until(ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL), 0x1100_0001);
    // A key that is revoked stays out, at endpoints that are bound already.
    server.set_bytes(ZMQ_FERRO_QZMQ_REVOKED, &KemPublic::from_tagged(&own.1).unwrap().fingerprint());
    let late = context.patient(ZMQ_REQ);
    late.set(ZMQ_RECONNECT_IVL, -1);
    know(late, &keys.1, Some(&own));
    late.set_bytes(ZMQ_FERRO_QZMQ_CERTIFICATE, &signed);
    late.connect(&endpoint);
    assert_eq!(monitor.until(ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL), 0x1100_0001);
    counted(context, "REP", &[("handshakes_failed_protocol", 2), ("auth_failures", 2)]);
    context.end(&[client, stranger, late, server, monitor.0]);
}

/// Whether the next handshake fails, for a key that is not accepted.
fn ends_in_failure(monitor: Monitor) -> bool {
    loop {
        let (event, value, _) = monitor.try_event(0).unwrap();
        match event {
            ZMQ_EVENT_HANDSHAKE_SUCCEEDED => return false,
            ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL => {
                assert_eq!(value, 0x1100_0001);
                return true;
            }
            _ => {}
        }
    }
}

/// A file as `ferrozmq cert` writes it.
fn write_field(setup: &Setup, file: &str, name: &str, bytes: &[u8]) {
    let text = format!("metadata\nqzmq\n    {name} = \"{}\"\n", *zmq::z85::encode(bytes).unwrap());
    fs::write(setup.folder.join(file), text).unwrap();
}

#[test]
fn a_security_file_has_certificates_for_programs_that_know_nothing_of_them() {
    let (setup, authority) = (Setup::curve(), Signer::new());
    let [server, alice] = ["server", "alice"].map(|name| write_pair(&setup, name, KemSuite::MlKem1024));
    let sign = |pair: &Certificate, name: &str, roles| {
        let zmq::security::keys::Public::Qzmq(public) = &pair.public else { panic!("a key of QZMQ") };
        authority.sign(&public.tagged(), name, roles)
    };
    write_field(&setup, "home.authority", "authority-key", &authority.public());
    write_field(&setup, "server.certificate", "certificate", &sign(&server, "orders", Roles::Server));
    write_field(&setup, "alice.certificate", "certificate", &sign(&alice, "alice", Roles::Client));
    fs::write(setup.folder.join("revoked"), "").unwrap();
    let text = "[default]\nserver_key = \"server.key_secret\"\nserver_certificate = \"server.certificate\"\n\
                client_key = \"alice.key_secret\"\nclient_certificate = \"alice.certificate\"\n\
                server_name = \"orders\"\nauthorities = \"home.authority\"\nrevoked = \"revoked\"\n";
    fs::write(setup.folder.join("security.toml"), text).unwrap();
    let context = setup.context();
    let (rep, req) = (context.patient(ZMQ_REP), context.patient(ZMQ_REQ));
    let monitor = Monitor::of(context, rep);
    let endpoint = rep.bind_anywhere();
    req.connect(&endpoint);
    req.try_send(b"question", 0).unwrap();
    assert_eq!(property(rep, "User-Id"), "alice");
    rep.try_send(b"answer", 0).unwrap();
    assert_eq!(property(req, "User-Id"), "orders");
    // A line that is added counts without a restart.
    let zmq::security::keys::Public::Qzmq(public) = &alice.public else { panic!("a key of QZMQ") };
    let line = format!("{} alice.key\n", *zmq::z85::encode(&public.fingerprint()).unwrap());
    fs::write(setup.folder.join("revoked"), line).unwrap();
    // Each attempt is a socket of its own, until the list is looked at again.
    let mut sockets = vec![req, rep, monitor.0];
    loop {
        let late = context.patient(ZMQ_REQ);
        late.set(ZMQ_RECONNECT_IVL, -1);
        late.connect(&endpoint);
        sockets.push(late);
        if ends_in_failure(monitor) {
            break;
        }
    }
    context.end(&sockets);
    // A certificate of another key, or for the other role, is a mistake at once.
    let swapped = [
        ("server.certificate", sign(&alice, "orders", Roles::Server)),
        ("alice.certificate", sign(&alice, "alice", Roles::Server)),
    ];
    for (file, bytes) in swapped {
        write_field(&setup, file, "certificate", &bytes);
        let context = setup.context();
        let socket = context.patient(ZMQ_REQ);
        let outcome = if file.starts_with("server") {
            socket.try_bind("tcp://127.0.0.1:*").map(drop)
        } else {
            socket.try_connect(&endpoint)
        };
        assert_eq!(outcome, Err(libc::EINVAL), "{file}");
        context.end(&[socket]);
    }
}
