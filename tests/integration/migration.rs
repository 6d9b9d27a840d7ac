//! Clients that may fall back from QZMQ to CURVE, and servers of CURVE alone and of both.

use crate::counted::{of_type, until};
use crate::qzmq::{know, pair, pass_on, serve, write_pair};
use crate::secured::Setup;
use crate::support::bench::*;
use crate::support::process::{inside, test_name};
use std::fs;
use std::net::{TcpListener, TcpStream};
use zmq::crypto::KemSuite;
use zmq::options::number::ZMQ_FERRO_CURVE_FALLBACK;

/// A client with keys of both kinds, for a server of which it knows this key of CURVE.
fn falling_back(context: Context, server: &[u8; 41]) -> Socket {
    let client = context.patient(ZMQ_PUSH);
    client.set(ZMQ_FERRO_CURVE_FALLBACK, 1);
    know(client, &pair(KemSuite::XWing).1, Some(&pair(KemSuite::XWing)));
    let own = curve_keypair();
    know(client, server, Some(&(own.1.to_vec(), own.0.to_vec())));
    client
}

#[test]
fn clients_of_a_migration_ban_nobody_from_a_server_of_curve_alone() {
    for scheme in ["tcp", "ws"] {
        let context = Context::new();
        let server = context.patient(ZMQ_PULL);
        let own = curve_keypair();
        serve(server, &own.1);
        server.set(ZMQ_FERRO_MAX_FAILED_HANDSHAKES, 2);
        let endpoint = server.try_bind(&format!("{scheme}://127.0.0.1:*")).unwrap();
        let mut sockets: Vec<Socket> = (0..5).map(|_| falling_back(context, &own.0)).collect();
        sockets.iter().for_each(|client| client.connect(&endpoint));
        sockets.iter().for_each(|client| client.try_send(b"hello", 0).unwrap());
        for _ in 0..5 {
            assert_eq!(server.try_frame(0).unwrap().0, b"hello", "{scheme}");
        }
        sockets.push(server);
        context.end(&sockets);
    }
}

/// As a server does while it refuses the client's address.
#[test]
fn a_client_goes_on_with_curve_while_the_server_hangs_up_without_a_word() {
    let context = Context::new();
    let server = context.patient(ZMQ_PULL);
    let own = curve_keypair();
    serve(server, &own.1);
    let onward = server.bind_anywhere().strip_prefix("tcp://").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    let seen = std::thread::spawn(move || {
        let relay = |near| pass_on(near, TcpStream::connect(&onward).unwrap());
        let first = relay(listener.accept().unwrap().0);
        for _ in 0..2 {
            drop(listener.accept().unwrap());
        }
        [first, relay(listener.accept().unwrap().0)]
    });
    let client = falling_back(context, &own.0);
    client.set(ZMQ_RECONNECT_IVL, 10);
    client.connect(&endpoint);
    client.try_send(b"hello", 0).unwrap();
    assert_eq!(server.try_frame(0).unwrap().0, b"hello");
    client.set(ZMQ_LINGER, 0);
    context.end(&[client, server]);
    let named = seen.join().unwrap().map(|said| String::from_utf8_lossy(&said[12..17]).into_owned());
    assert_eq!(named, ["QZMQ\0", "CURVE"]);
}

#[test]
fn clients_of_curve_that_fail_are_told_of_as_such_by_a_server_of_both() {
    if !inside(test_name!(clients_of_curve_that_fail_are_told_of_as_such_by_a_server_of_both)) {
        return;
    }
    let setup = Setup::new(
        "[default]\nserver_key = \"new.key_secret\"\nallow = { folder = \"allowed\" }\n\
         migration = { server_key = \"server.key_secret\" }\n[audit]\nfile = \"audit.jsonl\"\n",
    );
    write_pair(&setup, "new", KemSuite::XWing);
    let public = |name: &str| {
        let text = fs::read_to_string(setup.folder.join(format!("{name}.key"))).unwrap();
        text.split('"').find(|part| part.len() == 40).unwrap().as_bytes().to_vec()
    };
    let (servers, clients) = (setup.context(), Context::new());
    let server = servers.patient(ZMQ_PULL);
    let events = Monitor::of(servers, server);
    for scheme in ["tcp", "ws"] {
        let endpoint = server.try_bind(&format!("{scheme}://127.0.0.1:*")).unwrap();
        // One that the folder has not, and one with another server's key.
        for (known, outcome) in [
            (public("server"), ZMQ_EVENT_HANDSHAKE_FAILED_AUTH),
            (public("bob"), ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL),
        ] {
            let (client, own) = (clients.patient(ZMQ_PUSH), curve_keypair());
            know(client, &known, Some(&(own.1.to_vec(), own.0.to_vec())));
            client.set(ZMQ_RECONNECT_IVL, -1);
            client.connect(&endpoint);
            events.until(outcome);
            events.until(ZMQ_EVENT_DISCONNECTED);
            client.close();
        }
    }
    let is_counted = |stats: &serde_json::Value| {
        let counters = &of_type(stats, "PULL")["counters"];
        counters["handshakes_failed_auth"] == 2 && counters["handshakes_failed_protocol"] == 2
    };
    let stats = until(servers, is_counted);
    let of_server = of_type(&stats, "PULL");
    for name in ["qzmq_handshakes_failed_auth", "qzmq_handshakes_failed_protocol", "qzmq_auth_failures"] {
        assert_eq!(of_server["counters"][name], 0, "{name}");
    }
    assert_eq!(of_server["qzmq_handshake_duration"]["count"], 0);
    servers.end(&[server, events.0]);
    clients.end(&[]);
    let trail = fs::read_to_string(setup.folder.join("audit.jsonl")).unwrap();
    // The clients have theirs in the same file.
    let is_denial = |line: &&str| line.contains("\"denial\"") && line.contains("\"direction\":\"in\"");
    let denials: Vec<&str> = trail.lines().filter(is_denial).collect();
    assert_eq!(denials.len(), 4, "{trail}");
    assert!(denials.iter().all(|line| line.contains("\"mechanism\":\"CURVE\"")), "{denials:#?}");
}
