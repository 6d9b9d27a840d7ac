//! What sockets count of their connections, each brought about over real sockets.

use crate::counted::{of_type, until};
use crate::secured::Setup;
use crate::support::bench::*;
use serde_json::Value;
use std::io::Write;
use std::net::TcpStream;
use std::thread;

/// Waits until the only socket of this type has counted so. It has counted nothing else of these.
fn counted(context: Context, socket_type: &str, expected: &[(&str, u64)]) -> Value {
    let is_so = |stats: &Value| {
        let counters = &of_type(stats, socket_type)["counters"];
        expected.iter().all(|(name, count)| counters[name] == *count)
    };
    of_type(&until(context, is_so), socket_type).clone()
}

/// How many handshakes of a socket were timed.
fn timed(socket: &Value) -> u64 {
    socket["handshake_time"]["count"].as_u64().unwrap()
}

fn stranger(endpoint: &str) -> TcpStream {
    TcpStream::connect(endpoint.strip_prefix("tcp://").unwrap()).unwrap()
}

#[test]
fn a_connection_is_counted_on_both_sides_from_its_begin_to_its_end() {
    let (servers, clients) = (Context::new(), Context::new());
    let (pull, push) = (servers.patient(ZMQ_PULL), clients.patient(ZMQ_PUSH));
    let endpoint = pull.bind_anywhere();
    push.connect(&endpoint);
    push.send(&["one"]);
    assert_eq!(pull.recv(), ["one"]);
    let bound = counted(servers, "PULL", &[("accepts", 1), ("handshakes_succeeded", 1), ("connects", 0)]);
    assert_eq!((timed(&bound), &bound["counters"]["disconnects_own"]), (1, &0.into()));
    counted(clients, "PUSH", &[("connects", 1), ("handshakes_succeeded", 1), ("reconnects", 0)]);
    push.close();
    counted(servers, "PULL", &[("disconnects_stream", 1), ("disconnects_own", 0)]);
    clients.term();
    servers.end(&[pull]);
}

#[test]
fn a_client_that_comes_back_has_reconnected() {
    let (servers, clients) = (Context::new(), Context::new());
    let (pull, push) = (servers.patient(ZMQ_PULL), clients.patient(ZMQ_PUSH));
    let endpoint = pull.bind_anywhere();
    push.set(ZMQ_RECONNECT_IVL, 10);
    push.connect(&endpoint);
    push.send(&["one"]);
    assert_eq!(pull.recv(), ["one"]);
    pull.unbind(&endpoint);
    counted(clients, "PUSH", &[("disconnects_stream", 1), ("connects", 1)]);
    counted(servers, "PULL", &[("disconnects_own", 1)]);
    // Attempts that find no listener count as well.
    until(clients, |stats| of_type(stats, "PUSH")["counters"]["reconnects"].as_u64().unwrap() >= 3);
    pull.bind(&endpoint);
    push.send(&["two"]);
    assert_eq!(pull.recv(), ["two"]);
    counted(clients, "PUSH", &[("connects", 2), ("handshakes_succeeded", 2)]);
    clients.end(&[push]);
    servers.end(&[pull]);
}

#[test]
fn handshakes_that_fail_are_counted_by_their_reason() {
    let context = Context::new();
    let pull = context.patient(ZMQ_PULL);
    pull.set(ZMQ_HANDSHAKE_IVL, 300);
    let endpoint = pull.bind_anywhere();
    stranger(&endpoint).write_all(&[0xff; 64]).unwrap();
    let none = ("handshakes_succeeded", 0);
    counted(context, "PULL", &[("handshakes_failed_protocol", 1), none]);
    drop(stranger(&endpoint));
    counted(context, "PULL", &[("handshakes_failed_stream", 1), ("handshakes_failed_protocol", 1), none]);
    let silent = stranger(&endpoint);
    let socket = counted(context, "PULL", &[("handshakes_failed_timeout", 1), ("accepts", 3), none]);
    assert_eq!(timed(&socket), 3);
    assert_eq!(socket["counters"]["disconnects_stream"], 0, "there was no connection");
    drop(silent);
    context.end(&[pull]);
}

#[test]
fn a_peer_that_the_authenticator_denies_and_its_ban_are_counted() {
    let (servers, clients) = (Context::new(), Context::new());
    let handler = servers.bound(ZMQ_REP, "inproc://zeromq.zap.01");
    handler.set(ZMQ_RCVTIMEO, PATIENCE_MS);
    let pull = servers.patient(ZMQ_PULL);
    pull.set(ZMQ_PLAIN_SERVER, 1);
    pull.set(ZMQ_FERRO_MAX_FAILED_HANDSHAKES, 1);
    let endpoint = pull.bind_anywhere();
    let push = clients.patient(ZMQ_PUSH);
    push.set_bytes(ZMQ_PLAIN_USERNAME, b"mallory");
    push.set_bytes(ZMQ_PLAIN_PASSWORD, b"guess");
    push.set(ZMQ_RECONNECT_IVL, -1);
    push.connect(&endpoint);
    let answers = thread::spawn(move || {
        let request = handler.recv();
        handler.send(&["1.0", &request[1], "400", "", "", ""]);
        handler
    });
    counted(servers, "PULL", &[("handshakes_failed_auth", 1), ("handshakes_failed_protocol", 0)]);
    counted(clients, "PUSH", &[("handshakes_failed_auth", 1), ("connects", 1), ("reconnects", 0)]);
    let banned = stranger(&endpoint);
    counted(servers, "PULL", &[("bans", 1), ("accepts", 1), ("connections_refused", 0)]);
    drop(banned);
    clients.end(&[push]);
    servers.end(&[pull, answers.join().unwrap()]);
}

#[test]
fn connections_over_a_limit_are_counted() {
    let setup = Setup::new("[default]\nmechanism = \"null\"\n[default.limits]\nconnections = 1\n");
    let context = setup.context();
    let pull = context.patient(ZMQ_PULL);
    let endpoint = pull.bind_anywhere();
    let inside = stranger(&endpoint);
    counted(context, "PULL", &[("accepts", 1), ("connections_refused", 0)]);
    let outside = [stranger(&endpoint), stranger(&endpoint)];
    counted(context, "PULL", &[("accepts", 1), ("connections_refused", 2), ("bans", 0)]);
    drop((inside, outside));
    context.end(&[pull]);
}

#[test]
fn a_peer_that_gives_no_sign_of_life_is_counted() {
    let context = Context::new();
    let pull = context.patient(ZMQ_PULL);
    pull.set(ZMQ_HEARTBEAT_IVL, 50);
    pull.set(ZMQ_HEARTBEAT_TIMEOUT, 200);
    let endpoint = pull.bind_anywhere();
    let mut peer = stranger(&endpoint);
    peer.write_all(&hello(Version::V3, "PUSH", b"")).unwrap();
    let expected = [("disconnects_timeout", 1), ("handshakes_succeeded", 1), ("disconnects_stream", 0)];
    counted(context, "PULL", &expected);
    context.end(&[pull]);
}

#[test]
fn a_peer_that_breaks_the_protocol_or_subscribes_to_too_much_is_counted() {
    let context = Context::new();
    let xpub = context.patient(ZMQ_XPUB);
    xpub.set(ZMQ_FERRO_MAX_SUBSCRIPTIONS_SIZE, 1000);
    let endpoint = xpub.bind_anywhere();
    let mut breaks = stranger(&endpoint);
    breaks.write_all(&hello(Version::V3, "SUB", b"")).unwrap();
    // A frame that is longer than any may be.
    breaks.write_all(&[&[2][..], &[0xff; 8]].concat()).unwrap();
    counted(context, "XPUB", &[("disconnects_protocol", 1), ("handshakes_succeeded", 1)]);
    let mut greedy = stranger(&endpoint);
    greedy.write_all(&hello(Version::V3, "SUB", b"")).unwrap();
    let long = [&[0, 201, 1][..], &[b'x'; 200]].concat();
    for number in 0..20 {
        let mut subscription = long.clone();
        subscription[3] = number;
        greedy.write_all(&subscription).unwrap_or_default();
    }
    let is_so = |stats: &Value| {
        // The socket looks at its subscribers in its calls.
        let _ = xpub.try_recv(ZMQ_DONTWAIT);
        of_type(stats, "XPUB")["counters"]["subscriptions_refused"] == 1
    };
    let stats = until(context, is_so);
    let counters = &of_type(&stats, "XPUB")["counters"];
    assert_eq!((&counters["disconnects_own"], &counters["disconnects_protocol"]), (&1.into(), &1.into()));
    context.end(&[xpub]);
}
