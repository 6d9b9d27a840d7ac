//! A CURVE server's keys while it is bound, and peers that fail one handshake after the other.

use crate::support::bench::*;
use std::ffi::c_int;
use std::net::TcpStream;
use std::time::Duration;

/// The public key and the secret one.
type Pair = ([u8; 41], [u8; 41]);

fn serve(socket: Socket, own: &Pair) {
    socket.set(ZMQ_CURVE_SERVER, 1);
    socket.set_bytes(ZMQ_CURVE_SECRETKEY, &own.1);
}

/// A client that knows the server by this key; it has sent its name.
fn client(context: Context, endpoint: &str, server: &[u8], name: &str) -> Socket {
    let socket = silent_client(context, endpoint, server);
    socket.try_send(name.as_bytes(), 0).unwrap();
    socket
}

/// A client that knows the server by this key. It sends nothing: one that is refused may be so before it could, and is not to
/// come back.
fn silent_client(context: Context, endpoint: &str, server: &[u8]) -> Socket {
    let (own, socket) = (curve_keypair(), context.patient(ZMQ_PUSH));
    socket.set_bytes(ZMQ_CURVE_SERVERKEY, server);
    socket.set_bytes(ZMQ_CURVE_PUBLICKEY, &own.0);
    socket.set_bytes(ZMQ_CURVE_SECRETKEY, &own.1);
    socket.set(ZMQ_RECONNECT_IVL, -1);
    socket.connect(endpoint);
    socket
}

fn text(socket: Socket) -> String {
    String::from_utf8(socket.try_frame(0).expect("a message").0).unwrap()
}

#[test]
fn keys_change_while_the_socket_is_bound() {
    let context = Context::new();
    let server = context.patient(ZMQ_PULL);
    let monitor = Monitor::of(context, server);
    let (old, new) = (curve_keypair(), curve_keypair());
    serve(server, &old);
    let endpoints = [server.bind_anywhere(), server.bind_anywhere()];
    let stays = client(context, &endpoints[0], &old.0, "knows the old one");
    assert_eq!(text(server), "knows the old one");

    let early = silent_client(context, &endpoints[0], &new.0);
    assert_eq!(monitor.until(ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL), 0x1100_0001);
    server.set_bytes(ZMQ_FERRO_CURVE_SERVER_KEY_ADD, &new.1);
    let mut clients = vec![stays, early];
    for endpoint in &endpoints {
        for (key, name) in [(&new.0, "knows the new one"), (&old.0, "knows the old one")] {
            clients.push(client(context, endpoint, key, name));
            assert_eq!(text(server), name);
        }
    }
    server.set_bytes(ZMQ_FERRO_CURVE_SERVER_KEY_WITHDRAW, &old.0);
    for endpoint in &endpoints {
        clients.push(silent_client(context, endpoint, &old.0));
        assert_eq!(monitor.until(ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL), 0x1100_0001);
        clients.push(client(context, endpoint, &new.0, "knows the new one"));
        assert_eq!(text(server), "knows the new one");
    }
    stays.try_send(b"still here", 0).unwrap();
    assert_eq!(text(server), "still here");
    clients.extend([server, monitor.0]);
    context.end(&clients);
}

#[test]
fn what_is_no_key_and_what_is_one_too_many() {
    let context = Context::new();
    let socket = context.patient(ZMQ_PULL);
    let (add, withdraw) = (ZMQ_FERRO_CURVE_SERVER_KEY_ADD, ZMQ_FERRO_CURVE_SERVER_KEY_WITHDRAW);
    let own = curve_keypair();
    for value in [&own.1[..39], b"", &[b'"'; 40], &[7; 33]] {
        assert_eq!(socket.try_set(add, value), Err(libc::EINVAL));
        assert_eq!(socket.try_set(withdraw, value), Err(libc::EINVAL));
    }
    serve(socket, &own);
    assert_eq!(socket.try_set(withdraw, &curve_keypair().0), Err(libc::ENOENT));
    for number in 1..8 {
        assert_eq!(socket.try_set(add, &[number; 32]), Ok(()));
    }
    assert_eq!(socket.try_set(add, &[1; 32]), Ok(()), "it is there already");
    assert_eq!(socket.try_set(add, &own.1[..40]), Err(libc::ENOBUFS));
    assert_eq!(socket.try_set(withdraw, &own.0[..40]), Ok(()));
    assert_eq!(socket.try_set(withdraw, &own.0), Err(libc::ENOENT));
    let (mut key, mut len) = ([0u8; 41], 41);
    for option in [add, withdraw] {
        // SAFETY: 41 writable bytes.
        assert_eq!(unsafe { zmq_getsockopt(socket.0, option, key.as_mut_ptr().cast(), &raw mut len) }, -1);
        assert_eq!(zmq_errno(), libc::EINVAL);
    }
    context.end(&[socket]);
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
    let context = Context::new();
    let server = context.patient(ZMQ_PULL);
    let monitor = Monitor::of(context, server);
    serve(server, &curve_keypair());
    let endpoints = [server.bind_anywhere(), server.bind_anywhere()];
    for _ in 0..2 {
        monitor.until(ZMQ_EVENT_LISTENING);
    }
    let fail = |address: &str, endpoint: &str| {
        let mut stream = from(address, endpoint);
        assert_eq!(monitor.event(), ZMQ_EVENT_ACCEPTED);
        assert!(pour(&mut stream, &[b'x'; 100]));
        until_closed(&mut stream);
        monitor.until(ZMQ_EVENT_DISCONNECTED);
    };
    for _ in 0..5 {
        fail("127.0.0.2", &endpoints[0]);
    }
    // It counts from now on, for sockets that are bound already; of both endpoints together.
    server.set(ZMQ_FERRO_FAILED_HANDSHAKE_BAN_IVL, c_int::MAX);
    server.set(ZMQ_FERRO_MAX_FAILED_HANDSHAKES, 3);
    for endpoint in [&endpoints[0], &endpoints[1], &endpoints[0]] {
        fail("127.0.0.2", endpoint);
    }
    for endpoint in &endpoints {
        let mut stream = from("127.0.0.2", endpoint);
        assert_eq!(until_closed(&mut stream), b"", "not even a greeting");
        let (kind, value, _) = monitor.try_event(0).unwrap();
        assert_eq!((kind, value), (ZMQ_EVENT_ACCEPT_FAILED, libc::EACCES));
    }
    // Others do not notice.
    fail("127.0.0.3", &endpoints[0]);
    // Without a limit nobody is refused, and with a new one counting begins anew.
    server.set(ZMQ_FERRO_MAX_FAILED_HANDSHAKES, 0);
    fail("127.0.0.2", &endpoints[0]);
    server.set(ZMQ_FERRO_MAX_FAILED_HANDSHAKES, 3);
    fail("127.0.0.2", &endpoints[0]);
    context.end(&[server, monitor.0]);
}

/// A connection that says nothing, one that ends half-way, and one with the wrong mechanism count as well; good ones do
/// not.
#[test]
fn what_counts_as_a_failure() {
    let context = Context::new();
    let server = context.patient(ZMQ_PULL);
    let monitor = Monitor::of(context, server);
    server.set(ZMQ_FERRO_MAX_FAILED_HANDSHAKES, 3);
    let own = curve_keypair();
    serve(server, &own);
    let endpoint = server.bind_anywhere();
    server.set(ZMQ_HANDSHAKE_IVL, 50);
    let hasty = server.bind_anywhere();
    let mut clients = Vec::new();
    for _ in 0..6 {
        // From 127.0.0.1.
        clients.push(client(context, &endpoint, &own.0, "good"));
        assert_eq!(text(server), "good");
    }
    drop(from("127.0.0.1", &endpoint));
    monitor.until(ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL);
    let silent = from("127.0.0.1", &hasty);
    assert_eq!(monitor.until(ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL), libc::ETIMEDOUT as u32);
    let mut null = from("127.0.0.1", &endpoint);
    assert!(pour(&mut null, &hello(Version::V3, "PUSH", b"")));
    assert_eq!(monitor.until(ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL), 0x1100_0002);
    monitor.until(ZMQ_EVENT_DISCONNECTED);
    let refused = from("127.0.0.1", &endpoint);
    assert_eq!(monitor.until(ZMQ_EVENT_ACCEPT_FAILED), libc::EACCES as u32);
    drop((silent, refused));
    clients[0].try_send(b"still here", 0).unwrap();
    assert_eq!(text(server), "still here");
    clients.extend([server, monitor.0]);
    context.end(&clients);
}

/// An authenticator that does not answer bans none of those that wait for it. Those that do not wait are another matter.
#[test]
fn a_slow_authenticator_bans_no_peer() {
    let context = Context::new();
    let (handler, server) = (context.patient(ZMQ_ROUTER), context.patient(ZMQ_PULL));
    handler.bind("inproc://zeromq.zap.01");
    let monitor = Monitor::of(context, server);
    server.set(ZMQ_FERRO_MAX_FAILED_HANDSHAKES, 2);
    server.set_bytes(ZMQ_ZAP_DOMAIN, b"global");
    let endpoint = server.bind_anywhere();
    let ask = || {
        let mut peer = from("127.0.0.1", &endpoint);
        assert!(pour(&mut peer, &hello(Version::V3, "PUSH", b"")));
        assert!(handler.try_frames(0).unwrap().len() > 7, "the authenticator is asked");
        peer
    };
    for _ in 0..3 {
        let peer = ask();
        // As long as a client with little time for a handshake waits.
        std::thread::sleep(Duration::from_millis(400));
        drop(peer);
        monitor.until(ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL);
    }
    for _ in 0..2 {
        drop(ask());
        monitor.until(ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL);
        monitor.until(ZMQ_EVENT_DISCONNECTED);
    }
    let refused = from("127.0.0.1", &endpoint);
    assert_eq!(monitor.until(ZMQ_EVENT_ACCEPT_FAILED), libc::EACCES as u32);
    drop(refused);
    context.end(&[handler, server, monitor.0]);
}

/// A server that takes connections and turns them away hears less and less of a client.
#[test]
fn a_client_whose_handshakes_fail_backs_off() {
    let context = Context::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = context.patient(ZMQ_PUSH);
    let monitor = Monitor::of(context, socket);
    socket.set(ZMQ_RECONNECT_IVL, 1);
    socket.set(ZMQ_RECONNECT_IVL_MAX, 20);
    socket.connect(&format!("tcp://{}", listener.local_addr().unwrap()));
    let mut intervals = Vec::new();
    while intervals.len() < 8 {
        drop(listener.accept().unwrap());
        intervals.push(monitor.until(ZMQ_EVENT_CONNECT_RETRIED));
    }
    assert_eq!(intervals, [1, 2, 4, 8, 16, 20, 20, 20]);
    // A handshake that succeeds begins it anew.
    let mut stream = listener.accept().unwrap().0;
    assert!(pour(&mut stream, &hello(Version::V3, "PULL", b"")));
    monitor.until(ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    drop(stream);
    assert_eq!(monitor.until(ZMQ_EVENT_CONNECT_RETRIED), 1);
    context.end(&[socket, monitor.0]);
}
