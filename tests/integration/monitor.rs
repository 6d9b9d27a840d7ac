//! Monitors whose readers come late or are slow, and what they are told of peers.

use crate::support::program::{Context, Monitor, Socket, curve_keypair};
use std::ffi::{CString, c_int};
use zmq::ffi::constants::*;
use zmq::ffi::{zmq_bind, zmq_ferro_disconnect_peer, zmq_socket_monitor_versioned};
use zmq::options::number::{
    ZMQ_CURVE_PUBLICKEY, ZMQ_CURVE_SECRETKEY, ZMQ_CURVE_SERVER, ZMQ_CURVE_SERVERKEY, ZMQ_RECONNECT_IVL,
    ZMQ_ROUTING_ID,
};

/// Which event it is, and of which endpoint.
fn named(monitor: Monitor) -> (c_int, String) {
    let (event, _, endpoint) = monitor.try_event(0).expect("an event");
    (event, endpoint)
}

/// Has one `ZMQ_EVENT_BIND_FAILED` told, before this returns.
fn fail_to_bind(socket: Socket, endpoint: &str) {
    let endpoint = CString::new(endpoint).unwrap();
    // SAFETY: a string.
    assert_eq!(unsafe { zmq_bind(socket.0, endpoint.as_ptr()) }, -1);
}

#[test]
fn the_last_event_reaches_a_reader_that_comes_after_it() {
    let context = Context::new();
    let taken = context.bound(ZMQ_PULL, "tcp://127.0.0.1:0");
    let socket = context.socket(ZMQ_PULL);
    Monitor::start(socket, ZMQ_EVENT_BIND_FAILED);
    fail_to_bind(socket, &taken.last_endpoint());
    let reader = Monitor::read(context, socket);
    assert_eq!(reader.event(), ZMQ_EVENT_BIND_FAILED);
    assert_eq!(reader.try_event(ZMQ_DONTWAIT), Err(libc::EAGAIN));
    context.end(&[reader.0, socket, taken]);
}

#[test]
fn a_second_reader_gets_what_came_between() {
    let context = Context::new();
    let taken = context.bound(ZMQ_PULL, "tcp://127.0.0.1:0");
    let socket = context.socket(ZMQ_PULL);
    Monitor::start(socket, ZMQ_EVENT_BIND_FAILED | ZMQ_EVENT_MONITOR_STOPPED);
    let first = Monitor::read(context, socket);
    fail_to_bind(socket, &taken.last_endpoint());
    assert_eq!(first.event(), ZMQ_EVENT_BIND_FAILED);
    first.0.close();
    fail_to_bind(socket, &taken.last_endpoint());
    let second = Monitor::read(context, socket);
    assert_eq!(second.event(), ZMQ_EVENT_BIND_FAILED);
    Monitor::stop(socket);
    assert_eq!(second.event(), ZMQ_EVENT_MONITOR_STOPPED);
    context.end(&[second.0, socket, taken]);
}

#[test]
fn events_have_a_name_until_the_connection_is_lost_and_its_address_afterwards() {
    let context = Context::new();
    let peer = context.bound(ZMQ_PULL, "tcp://127.0.0.1:0");
    let address = peer.last_endpoint();
    let name = address.replace("127.0.0.1", "localhost");
    let socket = context.socket(ZMQ_PUSH);
    socket.set(ZMQ_RECONNECT_IVL, 1);
    Monitor::start(socket, ZMQ_EVENT_ALL);
    let reader = Monitor::read(context, socket);
    socket.connect(&name);
    for expected in [ZMQ_EVENT_CONNECT_DELAYED, ZMQ_EVENT_CONNECTED, ZMQ_EVENT_HANDSHAKE_SUCCEEDED] {
        assert_eq!(named(reader), (expected, name.clone()));
    }
    peer.close();
    assert_eq!(named(reader), (ZMQ_EVENT_DISCONNECTED, name));
    for expected in [ZMQ_EVENT_CONNECT_RETRIED, ZMQ_EVENT_CONNECT_DELAYED, ZMQ_EVENT_CLOSED] {
        assert_eq!(named(reader), (expected, address.clone()));
    }
    context.end(&[reader.0, socket]);
}

#[test]
fn events_beyond_the_water_marks_reach_a_slow_reader() {
    // Both water marks are 1000, and as many may wait beside them.
    const MANY: usize = 2_500;
    let context = Context::new();
    let taken = context.bound(ZMQ_PULL, "tcp://127.0.0.1:0");
    let socket = context.socket(ZMQ_PULL);
    Monitor::start(socket, ZMQ_EVENT_BIND_FAILED);
    let reader = Monitor::read(context, socket);
    (0..MANY).for_each(|_| fail_to_bind(socket, &taken.last_endpoint()));
    (0..MANY).for_each(|_| assert_eq!(reader.event(), ZMQ_EVENT_BIND_FAILED));
    context.end(&[reader.0, socket, taken]);
}

#[test]
fn a_monitor_that_is_stopped_leaves_its_name_at_once() {
    let context = Context::new();
    let socket = context.socket(ZMQ_PUSH);
    // Tells of attempt after attempt on the I/O thread.
    socket.set(ZMQ_RECONNECT_IVL, 1);
    let gone = context.bound(ZMQ_PULL, "tcp://127.0.0.1:0");
    let endpoint = gone.last_endpoint();
    gone.close();
    socket.connect(&endpoint);
    for round in 0..2_000 {
        Monitor::start(socket, ZMQ_EVENT_ALL);
        if round % 100 == 0 {
            let reader = Monitor::read(context, socket);
            reader.event();
            reader.0.close();
        }
        if round % 2 == 0 {
            Monitor::stop(socket);
        }
    }
    socket.close();
    context.term();
}

/// The frames of an event of the first version that names a peer: arrived or not, the peer's endpoint, and its names.
fn peer_event(reader: Monitor) -> (bool, String, [String; 3]) {
    let frames = reader.0.try_frames(0).expect("an event");
    let text = |frame: &[u8]| String::from_utf8(frame.to_vec()).unwrap();
    let [event, _, peer, names @ ..] = &frames[..] else { panic!("{frames:?}") };
    let [routing_id, user_id, mechanism] = names else { panic!("{frames:?}") };
    assert_eq!(event[..2], 0x8001_u16.to_ne_bytes());
    let value = u32::from_ne_bytes(event[2..].try_into().unwrap());
    assert!(value <= 1, "{value}");
    (value == 1, text(peer), [text(routing_id), text(user_id), text(mechanism)])
}

#[test]
fn peers_are_told_by_name_when_they_arrive_and_when_they_leave() {
    for endpoint in ["tcp://127.0.0.1:*", "ipc://*", "ws://127.0.0.1:*/names"] {
        let context = Context::new();
        let router = context.patient(ZMQ_ROUTER);
        let reader = Monitor::of_events(context, router, ZMQ_FERRO_EVENT_PEER);
        router.bind(endpoint);
        let endpoint = router.last_endpoint();
        let dealer = context.socket(ZMQ_DEALER);
        let monitored = Monitor::of_events(context, dealer, ZMQ_FERRO_EVENT_PEER);
        dealer.set_bytes(ZMQ_ROUTING_ID, b"worker-7");
        dealer.connect(&endpoint);
        let (arrived, peer, names) = peer_event(reader);
        assert!(arrived && names == ["worker-7", "", "NULL"], "{endpoint}: {names:?}");
        if !endpoint.starts_with("ipc") {
            assert!(peer.contains("://127.0.0.1:") && peer != endpoint, "{peer}");
        }
        let (arrived, server, names) = peer_event(monitored);
        assert!(arrived && names == ["", "", "NULL"], "{endpoint}: {names:?}");
        assert_eq!(server, endpoint);
        // The name is one by which the peer is disconnected.
        // SAFETY: that many readable bytes.
        let outcome = unsafe { zmq_ferro_disconnect_peer(router.0, b"worker-7".as_ptr().cast(), 8) };
        // It may not have been heard of: then its first message brings it.
        if outcome == -1 {
            dealer.send(&["hello"]);
            assert_eq!(router.recv(), ["worker-7", "hello"]);
            // SAFETY: as above.
            let again = unsafe { zmq_ferro_disconnect_peer(router.0, b"worker-7".as_ptr().cast(), 8) };
            assert_eq!(again, 0);
        }
        assert_eq!(peer_event(reader), (false, peer, ["worker-7", "", "NULL"].map(str::to_owned)));
        assert!(!peer_event(monitored).0);
        // It connects again by itself.
        assert!(peer_event(reader).0 && peer_event(monitored).0);
        dealer.close();
        assert!(!peer_event(reader).0);
        context.end(&[router, reader.0, monitored.0]);
    }
}

#[test]
fn raw_peers_have_an_address_alone_and_curve_peers_their_mechanism() {
    let context = Context::new();
    let stream = context.socket(ZMQ_STREAM);
    let reader = Monitor::of_events(context, stream, ZMQ_FERRO_EVENT_PEER);
    let endpoint = stream.bind_anywhere();
    let peer = std::net::TcpStream::connect(endpoint.strip_prefix("tcp://").unwrap()).unwrap();
    let address = format!("tcp://{}", peer.local_addr().unwrap());
    let nameless = ["", "", ""].map(str::to_owned);
    assert_eq!(peer_event(reader), (true, address.clone(), nameless.clone()));
    drop(peer);
    assert_eq!(peer_event(reader), (false, address, nameless));
    context.end(&[stream, reader.0]);

    let context = Context::new();
    let server = context.socket(ZMQ_PULL);
    let ((public, secret), (own, own_secret)) = (curve_keypair(), curve_keypair());
    server.set(ZMQ_CURVE_SERVER, 1);
    server.set_bytes(ZMQ_CURVE_SECRETKEY, &secret[..40]);
    let reader = Monitor::of_events(context, server, ZMQ_FERRO_EVENT_PEER | ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    let endpoint = server.bind_anywhere();
    let client = context.socket(ZMQ_PUSH);
    client.set_bytes(ZMQ_CURVE_SERVERKEY, &public[..40]);
    client.set_bytes(ZMQ_CURVE_PUBLICKEY, &own[..40]);
    client.set_bytes(ZMQ_CURVE_SECRETKEY, &own_secret[..40]);
    client.connect(&endpoint);
    assert_eq!(
        reader.event(),
        ZMQ_EVENT_HANDSHAKE_SUCCEEDED,
        "other events have the frames that they always had"
    );
    let (arrived, _, names) = peer_event(reader);
    assert!(arrived && names == ["", "", "CURVE"], "{names:?}");
    context.end(&[client, server, reader.0]);
}

#[test]
fn peers_are_not_told_to_readers_of_all_events_and_the_second_version_has_its_own_frames() {
    let context = Context::new();
    let router = context.socket(ZMQ_ROUTER);
    let old = Monitor::of_events(context, router, ZMQ_EVENT_ALL);
    let endpoint = router.bind_anywhere();
    let dealer = context.socket(ZMQ_DEALER);
    // SAFETY: a string.
    let outcome = unsafe {
        zmq_socket_monitor_versioned(
            dealer.0,
            c"inproc://second".as_ptr(),
            ZMQ_FERRO_EVENT_PEER as u64,
            2,
            ZMQ_PAIR,
        )
    };
    assert_eq!(outcome, 0);
    let second = context.connected(ZMQ_PAIR, "inproc://second");
    dealer.connect(&endpoint);
    let frames = second.try_frames(0).unwrap();
    let number = |frame: &[u8]| u64::from_ne_bytes(frame.try_into().unwrap());
    assert_eq!(frames[..3].iter().map(|frame| number(frame)).collect::<Vec<_>>(), [0x2000_8000, 1, 1]);
    let texts: Vec<_> = frames[3..].iter().map(|frame| String::from_utf8_lossy(frame)).collect();
    assert!(texts[0].starts_with("tcp://127.0.0.1:"), "{texts:?}");
    assert_eq!(texts[1..], [&*endpoint, &endpoint, "", "", "NULL"]);
    dealer.close();
    let kinds: Vec<_> =
        std::iter::from_fn(|| Some(old.event())).take_while(|&kind| kind != ZMQ_EVENT_DISCONNECTED).collect();
    assert_eq!(kinds, [ZMQ_EVENT_LISTENING, ZMQ_EVENT_ACCEPTED, ZMQ_EVENT_HANDSHAKE_SUCCEEDED]);
    context.end(&[router, old.0, second]);
}
