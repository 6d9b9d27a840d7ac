//! The limits of a security file.

use crate::secured::Setup;
use crate::support::bench::*;
use crate::support::zmtp::until_closed;
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A file with limits alone.
fn limited(limits: &str) -> Setup {
    Setup::new(&format!("[default]\nmechanism = \"null\"\n[default.limits]\n{limits}\n"))
}

/// A PULL socket that the file protects, its monitor, and its endpoint.
fn server(context: Context) -> (Socket, Monitor, String) {
    let server = context.patient(ZMQ_PULL);
    let events = Monitor::of(context, server);
    let endpoint = server.bind_anywhere();
    (server, events, endpoint)
}

/// A client whose hello has arrived.
fn inside(clients: Context, server: Socket, endpoint: &str) -> Socket {
    let client = clients.patient(ZMQ_PUSH);
    client.connect(endpoint);
    client.try_send(b"hello", 0).unwrap();
    assert_eq!(server.try_frame(0).unwrap().0, b"hello");
    client
}

fn stranger(endpoint: &str) -> TcpStream {
    TcpStream::connect(endpoint.strip_prefix("tcp://").unwrap()).unwrap()
}

#[test]
fn a_connection_too_many_is_closed_and_comes_in_when_another_has_left() {
    let setup = limited("connections = 2");
    let (context, clients) = (setup.context(), Context::new());
    let (server, events, endpoint) = server(context);
    let (one, two) = (inside(clients, server, &endpoint), inside(clients, server, &endpoint));
    let mut late = stranger(&endpoint);
    assert_eq!(events.until(ZMQ_EVENT_ACCEPT_FAILED), libc::ENOBUFS as u32);
    until_closed(&mut late);
    let waiting = clients.patient(ZMQ_PUSH);
    waiting.connect(&endpoint);
    waiting.try_send(b"patience", 0).unwrap();
    assert_eq!(events.until(ZMQ_EVENT_ACCEPT_FAILED), libc::ENOBUFS as u32);
    one.close();
    assert_eq!(server.try_frame(0).unwrap().0, b"patience", "it has come back by itself");
    two.try_send(b"still here", 0).unwrap();
    assert_eq!(server.try_frame(0).unwrap().0, b"still here");
    clients.end(&[two, waiting]);
    context.end(&[server, events.0]);
}

#[test]
fn addresses_have_limits_of_their_own() {
    let setup = limited("connections_per_address = 1");
    let (context, clients) = (setup.context(), Context::new());
    let (server, events, endpoint) = server(context);
    let one = inside(clients, server, &endpoint);
    until_closed(&mut stranger(&endpoint));
    assert_eq!(events.until(ZMQ_EVENT_ACCEPT_FAILED), libc::ENOBUFS as u32);
    let elsewhere = endpoint.replace("tcp://", "tcp://127.0.0.2:0;");
    let other = inside(clients, server, &elsewhere);
    one.try_send(b"still here", 0).unwrap();
    assert_eq!(server.try_frame(0).unwrap().0, b"still here");
    clients.end(&[one, other]);
    context.end(&[server, events.0]);
}

/// Failures are counted for the socket: what another endpoint, or a failed bind, or another option says takes nothing away.
#[test]
fn failed_handshakes_are_limited_as_the_strictest_endpoint_says() {
    let setup = Setup::new(
        "[default]\nmechanism = \"null\"\n[default.limits]\nfailed_handshakes = 2\n\
         [[rule]]\nendpoint = \"tcp://127.0.0.2:*\"\nlimits = { failed_handshakes = 0 }\n\
         [[rule]]\nendpoint = \"tcp://127.0.0.3:*\"\nlimits = { failed_handshakes = 9 }\n",
    );
    let context = setup.context();
    let (server, events, endpoint) = server(context);
    let fail = || {
        drop(stranger(&endpoint));
        events.until(ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL);
        events.until(ZMQ_EVENT_DISCONNECTED);
    };
    fail();
    for host in ["127.0.0.2", "127.0.0.3"] {
        server.try_bind(&format!("tcp://{host}:*")).unwrap();
    }
    let taken = endpoint.replace("127.0.0.1", "127.0.0.2");
    let _listener = std::net::TcpListener::bind(taken.strip_prefix("tcp://").unwrap());
    assert_eq!(server.try_bind(&taken), Err(libc::EADDRINUSE));
    server.set(ZMQ_FERRO_FAILED_HANDSHAKE_BAN_IVL, 30_000);
    fail();
    until_closed(&mut stranger(&endpoint));
    assert_eq!(events.until(ZMQ_EVENT_ACCEPT_FAILED), libc::EACCES as u32);
    context.end(&[server, events.0]);
}

#[test]
fn the_oldest_handshake_ends_for_one_too_many() {
    let setup = limited("handshakes_under_way = 2");
    let (context, clients) = (setup.context(), Context::new());
    let (server, events, endpoint) = server(context);
    let mut silent: Vec<TcpStream> = (0..3).map(|_| stranger(&endpoint)).collect();
    until_closed(&mut silent[0]);
    // The peer that speaks is soon done, and takes no place any more.
    let one = inside(clients, server, &endpoint);
    until_closed(&mut silent[1]);
    let _silent_too = stranger(&endpoint);
    let two = inside(clients, server, &endpoint);
    until_closed(&mut silent[2]);
    one.try_send(b"still here", 0).unwrap();
    assert_eq!(server.try_frame(0).unwrap().0, b"still here");
    clients.end(&[one, two]);
    context.end(&[server, events.0]);
}

/// A peer whose messages wait in itself and in the stream, however many there are.
fn flooding(clients: Context, endpoint: &str) -> Socket {
    let client = clients.patient(ZMQ_PUSH);
    client.set(ZMQ_SNDHWM, 0);
    client.connect(endpoint);
    client
}

/// What the rates of this test give in two seconds, less what two clocks may differ by.
const TWO_SECONDS: Duration = Duration::from_millis(1950);

#[test]
fn a_flood_of_messages_arrives_whole_and_in_order_at_the_rate() {
    for mechanism in ["\"null\"", "\"curve\""] {
        let setup = Setup::new(&format!(
            "[default]\nmechanism = {mechanism}\nserver_key = \"server.key_secret\"\nserver_public = \"server.key\"\n\
             allow = \"any\"\n[[rule]]\nrole = \"bind\"\nlimits = {{ messages_per_second = 1000 }}\n"
        ));
        let (context, clients) = (setup.context(), setup.context());
        let (server, events, endpoint) = server(context);
        let begun = Instant::now();
        let flood = flooding(clients, &endpoint);
        for number in 0..3000u32 {
            flood.try_send(&number.to_be_bytes(), 0).unwrap();
        }
        assert_eq!(server.try_frame(0).unwrap().0, 0u32.to_be_bytes());
        let other = inside_beside(clients, &endpoint);
        let (mut next, mut came_at) = (1u32, None);
        while next < 3000 || came_at.is_none() {
            let body = server.try_frame(0).unwrap().0;
            if body == b"other" {
                came_at = Some(next);
            } else {
                assert_eq!(body, next.to_be_bytes());
                next += 1;
            }
        }
        // The first thousand are let in at once.
        assert!(begun.elapsed() >= TWO_SECONDS, "{mechanism}: {:?}", begun.elapsed());
        assert!(came_at < Some(3000), "{mechanism}: another peer waited for the flood to end");
        clients.end(&[flood, other]);
        context.end(&[server, events.0]);
    }
}

/// Another peer, which has sent its only message.
fn inside_beside(clients: Context, endpoint: &str) -> Socket {
    let other = clients.patient(ZMQ_PUSH);
    other.connect(endpoint);
    other.try_send(b"other", 0).unwrap();
    other
}

/// A peer that comes again and again has no second's worth each time.
#[test]
fn a_rate_outlasts_the_connections_of_an_address() {
    let setup = limited("messages_per_second = 1000\nconnections_per_address = 1");
    let flood = |mut stream: TcpStream, server: Socket| {
        let messages = frame(Version::V3, 0, b"x").repeat(1000);
        assert!(pour(&mut stream, &[hello(Version::V3, "PUSH", b""), messages].concat()));
        for _ in 0..1000 {
            server.try_frame(0).unwrap();
        }
    };
    let context = setup.context();
    let (server, events, endpoint) = server(context);
    let begun = Instant::now();
    for _ in 0..3 {
        flood(stranger(&endpoint), server);
        events.until(ZMQ_EVENT_DISCONNECTED);
    }
    assert!(begun.elapsed() >= TWO_SECONDS, "{:?}", begun.elapsed());
    // The same of a server that has this side connect again.
    let client = context.patient(ZMQ_PULL);
    client.set(ZMQ_RECONNECT_IVL, 10);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let begun = Instant::now();
    client.connect(&format!("tcp://{}", listener.local_addr().unwrap()));
    for _ in 0..3 {
        flood(listener.accept().unwrap().0, client);
    }
    assert!(begun.elapsed() >= TWO_SECONDS, "{:?}", begun.elapsed());
    context.end(&[client, server, events.0]);
}

#[test]
fn bytes_that_come_with_the_handshake_count_as_well() {
    let setup = limited("bytes_per_second = 3000\nconnections_per_address = 1");
    let context = setup.context();
    let (server, events, endpoint) = server(context);
    let message = [&[0, 250][..], &[b'x'; 250]].concat().repeat(7);
    let begun = Instant::now();
    for _ in 0..6 {
        let mut stream = stranger(&endpoint);
        assert!(pour(&mut stream, &[hello(Version::V3, "PUSH", b""), message.clone()].concat()));
        (0..7).for_each(|_| drop(server.try_frame(0).unwrap()));
        drop(stream);
        events.until(ZMQ_EVENT_DISCONNECTED);
    }
    assert!(begun.elapsed() >= TWO_SECONDS, "{:?}", begun.elapsed());
    context.end(&[server, events.0]);
}

#[test]
fn large_messages_arrive_whole_at_the_rate_of_their_bytes() {
    const BODY_BYTES: usize = 300_000;
    let setup = limited("bytes_per_second = 1000000");
    let (context, clients) = (setup.context(), Context::new());
    let (server, events, endpoint) = server(context);
    let begun = Instant::now();
    let flood = flooding(clients, &endpoint);
    for number in 0..10u8 {
        flood.try_send(&[number; BODY_BYTES], ZMQ_SNDMORE).unwrap();
        flood.try_send(&[number], 0).unwrap();
    }
    for number in 0..10u8 {
        assert!(server.try_frame(0).unwrap().0 == [number; BODY_BYTES]);
        assert_eq!(server.try_frame(0).unwrap().0, [number]);
    }
    // Three million bytes, of which the first million is let in at once.
    assert!(begun.elapsed() >= TWO_SECONDS, "{:?}", begun.elapsed());
    clients.end(&[flood]);
    context.end(&[server, events.0]);
}

#[test]
fn heartbeats_of_both_sides_leave_a_peer_alone_whose_messages_wait() {
    let setup = limited("messages_per_second = 1");
    let (context, clients) = (setup.context(), Context::new());
    let server = context.patient(ZMQ_PULL);
    let flood = clients.patient(ZMQ_PUSH);
    // A message a second is far less than a sign of life in each timeout.
    for socket in [server, flood] {
        socket.set(ZMQ_HEARTBEAT_IVL, 150);
        socket.set(ZMQ_HEARTBEAT_TIMEOUT, 500);
        socket.set(ZMQ_HEARTBEAT_TTL, 500);
    }
    let (events, theirs) = (Monitor::of(context, server), Monitor::of(clients, flood));
    flood.connect(&server.bind_anywhere());
    for number in 0..4u8 {
        flood.try_send(&[number], 0).unwrap();
    }
    for number in 0..4u8 {
        assert_eq!(server.try_frame(0).unwrap().0, [number]);
    }
    for events in [events, theirs] {
        while let Ok((kind, ..)) = events.try_event(ZMQ_DONTWAIT) {
            assert_ne!(kind, ZMQ_EVENT_DISCONNECTED);
        }
    }
    clients.end(&[flood, theirs.0]);
    context.end(&[server, events.0]);
}
