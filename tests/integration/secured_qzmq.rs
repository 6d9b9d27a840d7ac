//! How a security file has QZMQ spoken by programs that know nothing of it.

use crate::qzmq::{Relay, hello, write_pair};
use crate::secured::Setup;
use crate::support::bench::*;
use std::fs;
use std::net::Shutdown;
use zmq::crypto::KemSuite;

/// A file with keys, in which servers and clients each have a rule of their own.
fn setup(of_servers: &str, of_clients: &str) -> Setup {
    let setup = Setup::curve();
    for name in ["server", "alice"] {
        write_pair(&setup, name, KemSuite::XWing);
    }
    let text = format!(
        "[default]\nserver_key = \"server.key_secret\"\nallow = \"any\"\n\
         client_key = \"alice.key_secret\"\nserver_public = \"server.key\"\n\
         [[rule]]\nrole = \"bind\"\n{of_servers}\n[[rule]]\nrole = \"connect\"\n{of_clients}\n"
    );
    fs::write(setup.folder.join("security.toml"), text).unwrap();
    setup
}

#[test]
fn both_sides_speak_as_the_file_says() {
    // (servers, clients, whether the second connection resumes)
    for (of_servers, of_clients, resumes) in [
        ("", "qzmq = { suites = [\"xwing-chacha20poly1305\"], padding_bytes = 16384 }", true),
        ("qzmq = { ticket_seconds = 0 }", "qzmq = { suites = [\"xwing-chacha20poly1305\"] }", false),
        ("", "qzmq = { suites = [\"xwing-chacha20poly1305\"], ticket_seconds = 0 }", false),
    ] {
        let setup = setup(of_servers, of_clients);
        let (context, far) = (setup.context(), setup.context());
        let (server, client) = (far.patient(ZMQ_PULL), context.patient(ZMQ_PUSH));
        let relay = Relay::to(&server.bind_anywhere(), 2);
        client.connect(&relay.endpoint);
        for text in [b"first", b"other"] {
            let near = relay.begun.recv().unwrap();
            client.try_send(text, 0).unwrap();
            assert_eq!(server.try_frame(0).unwrap().0, text);
            near.shutdown(Shutdown::Both).unwrap();
        }
        context.end(&[client]);
        far.end(&[server]);
        let seen = relay.seen.join().unwrap();
        let hellos: Vec<_> = seen.iter().map(|seen| hello(seen)).collect();
        assert_eq!(hellos, [(false, vec![2]), (resumes, vec![2])]);
        // One short message, which takes a few bytes unless it is padded.
        assert_eq!(seen[0].len() > 16_384, of_clients.contains("padding"), "{}", seen[0].len());
    }
}

#[test]
fn suites_count_from_the_next_handshake_on() {
    let suites = |name: &str| format!("qzmq = {{ suites = [\"{name}\"] }}");
    let setup = setup(&suites("xwing-aes256gcm"), &suites("xwing-chacha20poly1305"));
    let context = setup.context();
    let (server, client) = (context.patient(ZMQ_PULL), context.patient(ZMQ_PUSH));
    let monitor = Monitor::of(context, server);
    client.connect(&server.bind_anywhere());
    monitor.until(ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL);
    let file = setup.folder.join("security.toml");
    let text = fs::read_to_string(&file).unwrap().replace("chacha20poly1305", "aes256gcm");
    fs::write(file, text).unwrap();
    client.try_send(b"agreed", 0).unwrap();
    assert_eq!(server.try_frame(0).unwrap().0, b"agreed");
    context.end(&[client, server, monitor.0]);
}

#[test]
fn keys_without_a_suite_are_refused() {
    let none = "qzmq = { suites = [\"mlkem1024-aes256gcm\"] }";
    let setup = setup(none, none);
    let context = setup.context();
    let socket = context.patient(ZMQ_DEALER);
    assert_eq!(socket.try_bind("tcp://127.0.0.1:*").err(), Some(libc::EINVAL));
    assert_eq!(socket.try_connect("tcp://127.0.0.1:9"), Err(libc::EINVAL));
    context.end(&[socket]);
}
