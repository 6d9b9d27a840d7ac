//! Clients that may fall back from QZMQ to CURVE, and servers of CURVE alone and of both.

use crate::qzmq::{know, pair, pass_on, serve};
use crate::support::bench::*;
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
