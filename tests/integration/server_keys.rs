//! A CURVE server's keys while it is bound, and peers that fail one handshake after the other.

use crate::support::bench::*;
use std::ffi::{c_int, c_void};
use std::net::TcpStream;

fn try_set(socket: Socket, option: c_int, value: &[u8]) -> Result<(), i32> {
    // SAFETY: a slice's pointer and length.
    let outcome = unsafe { zmq_setsockopt(socket, option, value.as_ptr().cast(), value.len()) };
    if outcome == 0 { Ok(()) } else { Err(errno()) }
}

/// The public key and the secret one.
type Pair = ([u8; 41], [u8; 41]);

fn serve(socket: Socket, own: &Pair) {
    set(socket, ZMQ_CURVE_SERVER, 1);
    set_bytes(socket, ZMQ_CURVE_SECRETKEY, &own.1);
}

/// A client that knows the server by this key; it has sent its name.
fn client(context: *mut c_void, endpoint: &str, server: &[u8], name: &str) -> Socket {
    let socket = silent_client(context, endpoint, server);
    send(socket, name.as_bytes(), 0).unwrap();
    socket
}

/// A client that knows the server by this key. It sends nothing: one that is refused may be so before it could, and is not to
/// come back.
fn silent_client(context: *mut c_void, endpoint: &str, server: &[u8]) -> Socket {
    let (own, socket) = (curve_keypair(), open(context, ZMQ_PUSH));
    set_bytes(socket, ZMQ_CURVE_SERVERKEY, server);
    set_bytes(socket, ZMQ_CURVE_PUBLICKEY, &own.0);
    set_bytes(socket, ZMQ_CURVE_SECRETKEY, &own.1);
    set(socket, ZMQ_RECONNECT_IVL, -1);
    connect(socket, endpoint);
    socket
}

fn text(socket: Socket) -> String {
    String::from_utf8(recv(socket, 0).expect("a message").0).unwrap()
}

fn end(context: *mut c_void, sockets: &[Socket]) {
    for socket in sockets {
        zmq_close(*socket);
    }
    assert_eq!(zmq_ctx_term(context), 0);
}

#[test]
fn keys_change_while_the_socket_is_bound() {
    let context = zmq_ctx_new();
    let server = open(context, ZMQ_PULL);
    let monitor = monitor(context, server);
    let (old, new) = (curve_keypair(), curve_keypair());
    serve(server, &old);
    let endpoints = [bind(server), bind(server)];
    let stays = client(context, &endpoints[0], &old.0, "knows the old one");
    assert_eq!(text(server), "knows the old one");

    let early = silent_client(context, &endpoints[0], &new.0);
    assert_eq!(wait_for(monitor, ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL), 0x1100_0001);
    set_bytes(server, ZMQ_FERRO_CURVE_SERVER_KEY_ADD, &new.1);
    let mut clients = vec![stays, early];
    for endpoint in &endpoints {
        for (key, name) in [(&new.0, "knows the new one"), (&old.0, "knows the old one")] {
            clients.push(client(context, endpoint, key, name));
            assert_eq!(text(server), name);
        }
    }
    set_bytes(server, ZMQ_FERRO_CURVE_SERVER_KEY_WITHDRAW, &old.0);
    for endpoint in &endpoints {
        clients.push(silent_client(context, endpoint, &old.0));
        assert_eq!(wait_for(monitor, ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL), 0x1100_0001);
        clients.push(client(context, endpoint, &new.0, "knows the new one"));
        assert_eq!(text(server), "knows the new one");
    }
    send(stays, b"still here", 0).unwrap();
    assert_eq!(text(server), "still here");
    clients.extend([server, monitor]);
    end(context, &clients);
}

#[test]
fn what_is_no_key_and_what_is_one_too_many() {
    let context = zmq_ctx_new();
    let socket = open(context, ZMQ_PULL);
    let (add, withdraw) = (ZMQ_FERRO_CURVE_SERVER_KEY_ADD, ZMQ_FERRO_CURVE_SERVER_KEY_WITHDRAW);
    let own = curve_keypair();
    for value in [&own.1[..39], b"", &[b'"'; 40], &[7; 33]] {
        assert_eq!(try_set(socket, add, value), Err(libc::EINVAL));
        assert_eq!(try_set(socket, withdraw, value), Err(libc::EINVAL));
    }
    serve(socket, &own);
    assert_eq!(try_set(socket, withdraw, &curve_keypair().0), Err(libc::ENOENT));
    for number in 1..8 {
        assert_eq!(try_set(socket, add, &[number; 32]), Ok(()));
    }
    assert_eq!(try_set(socket, add, &[1; 32]), Ok(()), "it is there already");
    assert_eq!(try_set(socket, add, &own.1[..40]), Err(libc::ENOBUFS));
    assert_eq!(try_set(socket, withdraw, &own.0[..40]), Ok(()));
    assert_eq!(try_set(socket, withdraw, &own.0), Err(libc::ENOENT));
    let (mut key, mut len) = ([0u8; 41], 41);
    for option in [add, withdraw] {
        // SAFETY: 41 writable bytes.
        assert_eq!(unsafe { zmq_getsockopt(socket, option, key.as_mut_ptr().cast(), &raw mut len) }, -1);
        assert_eq!(errno(), libc::EINVAL);
    }
    end(context, &[socket]);
}

/// Opens a connection from another address of this host, which a flooder does not have.
fn from(address: &str, endpoint: &str) -> TcpStream {
    let to = endpoint.strip_prefix("tcp://").unwrap().parse().unwrap();
    let stream = connect_from(address.parse().unwrap(), to, PATIENCE).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[test]
fn an_address_that_keeps_failing_is_refused_for_a_while() {
    let context = zmq_ctx_new();
    let server = open(context, ZMQ_PULL);
    let monitor = monitor(context, server);
    serve(server, &curve_keypair());
    let endpoints = [bind(server), bind(server)];
    for _ in 0..2 {
        wait_for(monitor, ZMQ_EVENT_LISTENING);
    }
    let fail = |address: &str, endpoint: &str| {
        let mut stream = from(address, endpoint);
        assert_eq!(event(monitor).unwrap().0, ZMQ_EVENT_ACCEPTED);
        assert!(pour(&mut stream, &[b'x'; 100]));
        until_closed(&mut stream);
        wait_for(monitor, ZMQ_EVENT_DISCONNECTED);
    };
    for _ in 0..5 {
        fail("127.0.0.2", &endpoints[0]);
    }
    // It counts from now on, for sockets that are bound already; of both endpoints together.
    set(server, ZMQ_FERRO_FAILED_HANDSHAKE_BAN_IVL, c_int::MAX);
    set(server, ZMQ_FERRO_MAX_FAILED_HANDSHAKES, 3);
    for endpoint in [&endpoints[0], &endpoints[1], &endpoints[0]] {
        fail("127.0.0.2", endpoint);
    }
    for endpoint in &endpoints {
        let mut stream = from("127.0.0.2", endpoint);
        assert_eq!(until_closed(&mut stream), b"", "not even a greeting");
        assert_eq!(event(monitor).unwrap(), (ZMQ_EVENT_ACCEPT_FAILED, libc::EACCES as u32));
    }
    // Others do not notice.
    fail("127.0.0.3", &endpoints[0]);
    // Without a limit nobody is refused, and with a new one counting begins anew.
    set(server, ZMQ_FERRO_MAX_FAILED_HANDSHAKES, 0);
    fail("127.0.0.2", &endpoints[0]);
    set(server, ZMQ_FERRO_MAX_FAILED_HANDSHAKES, 3);
    fail("127.0.0.2", &endpoints[0]);
    end(context, &[server, monitor]);
}

/// A connection that says nothing, one that ends half-way, and one with the wrong mechanism count as well; good ones do
/// not.
#[test]
fn what_counts_as_a_failure() {
    let context = zmq_ctx_new();
    let server = open(context, ZMQ_PULL);
    let monitor = monitor(context, server);
    set(server, ZMQ_FERRO_MAX_FAILED_HANDSHAKES, 3);
    let own = curve_keypair();
    serve(server, &own);
    let endpoint = bind(server);
    set(server, ZMQ_HANDSHAKE_IVL, 50);
    let hasty = bind(server);
    let mut clients = Vec::new();
    for _ in 0..6 {
        // From 127.0.0.1.
        clients.push(client(context, &endpoint, &own.0, "good"));
        assert_eq!(text(server), "good");
    }
    drop(from("127.0.0.1", &endpoint));
    wait_for(monitor, ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL);
    let silent = from("127.0.0.1", &hasty);
    assert_eq!(wait_for(monitor, ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL), libc::ETIMEDOUT as u32);
    let mut null = from("127.0.0.1", &endpoint);
    assert!(pour(&mut null, &hello(Version::V3, "PUSH", b"")));
    assert_eq!(wait_for(monitor, ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL), 0x1100_0002);
    wait_for(monitor, ZMQ_EVENT_DISCONNECTED);
    let refused = from("127.0.0.1", &endpoint);
    assert_eq!(wait_for(monitor, ZMQ_EVENT_ACCEPT_FAILED), libc::EACCES as u32);
    drop((silent, refused));
    send(clients[0], b"still here", 0).unwrap();
    assert_eq!(text(server), "still here");
    clients.extend([server, monitor]);
    end(context, &clients);
}

/// A server that takes connections and turns them away hears less and less of a client.
#[test]
fn a_client_whose_handshakes_fail_backs_off() {
    let context = zmq_ctx_new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = open(context, ZMQ_PUSH);
    let monitor = monitor(context, socket);
    set(socket, ZMQ_RECONNECT_IVL, 1);
    set(socket, ZMQ_RECONNECT_IVL_MAX, 20);
    connect(socket, &format!("tcp://{}", listener.local_addr().unwrap()));
    let mut intervals = Vec::new();
    while intervals.len() < 8 {
        drop(listener.accept().unwrap());
        intervals.push(wait_for(monitor, ZMQ_EVENT_CONNECT_RETRIED));
    }
    assert_eq!(intervals, [1, 2, 4, 8, 16, 20, 20, 20]);
    // A handshake that succeeds begins it anew.
    let mut stream = listener.accept().unwrap().0;
    assert!(pour(&mut stream, &hello(Version::V3, "PULL", b"")));
    wait_for(monitor, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    drop(stream);
    assert_eq!(wait_for(monitor, ZMQ_EVENT_CONNECT_RETRIED), 1);
    end(context, &[socket, monitor]);
}
