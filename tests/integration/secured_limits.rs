//! The limits of a security file.

use crate::secured::Setup;
use crate::support::bench::*;
use crate::support::zmtp::until_closed;
use std::net::TcpStream;

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
