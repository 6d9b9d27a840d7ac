//! Monitors whose readers come late or are slow.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod program;

use program::{Context, Socket};
use std::ffi::{CString, c_int};
use std::ptr;
use zmq::ffi::constants::*;
use zmq::ffi::{zmq_bind, zmq_errno, zmq_socket_monitor};
use zmq::options::number::{ZMQ_RCVTIMEO, ZMQ_RECONNECT_IVL};

const EVENTS: &str = "inproc://events";
/// Nothing waits so long unless it fails.
const PATIENCE_MS: c_int = 20_000;

/// Has the socket monitored, by nobody yet.
fn monitor(socket: Socket, events: c_int) {
    let name = CString::new(EVENTS).unwrap();
    // SAFETY: a string.
    let rc = unsafe { zmq_socket_monitor(socket.0, name.as_ptr(), events) };
    assert_eq!(rc, 0, "errno {}", zmq_errno());
}

fn stop_monitor(socket: Socket) {
    // SAFETY: no string stops it.
    assert_eq!(unsafe { zmq_socket_monitor(socket.0, ptr::null(), 0) }, 0);
}

fn reader(context: Context) -> Socket {
    let reader = context.connected(ZMQ_PAIR, EVENTS);
    reader.set(ZMQ_RCVTIMEO, PATIENCE_MS);
    reader
}

/// Receives an event and says which.
fn event(reader: Socket) -> c_int {
    event_of(reader).0
}

/// Receives an event and says which, and of which endpoint.
fn event_of(reader: Socket) -> (c_int, String) {
    let first = reader.try_recv(0).expect("no event");
    let endpoint = reader.try_recv(0).expect("no endpoint");
    (u16::from_ne_bytes([first[0], first[1]]).into(), String::from_utf8(endpoint).unwrap())
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
    monitor(socket, ZMQ_EVENT_BIND_FAILED);
    fail_to_bind(socket, &taken.last_endpoint());
    let reader = reader(context);
    assert_eq!(event(reader), ZMQ_EVENT_BIND_FAILED);
    assert_eq!(reader.try_recv(ZMQ_DONTWAIT), Err(libc::EAGAIN));
    [reader, socket, taken].iter().for_each(|socket| socket.close());
    context.term();
}

#[test]
fn a_second_reader_gets_what_came_between() {
    let context = Context::new();
    let taken = context.bound(ZMQ_PULL, "tcp://127.0.0.1:0");
    let socket = context.socket(ZMQ_PULL);
    monitor(socket, ZMQ_EVENT_BIND_FAILED | ZMQ_EVENT_MONITOR_STOPPED);
    let first = reader(context);
    fail_to_bind(socket, &taken.last_endpoint());
    assert_eq!(event(first), ZMQ_EVENT_BIND_FAILED);
    first.close();
    fail_to_bind(socket, &taken.last_endpoint());
    let second = reader(context);
    assert_eq!(event(second), ZMQ_EVENT_BIND_FAILED);
    stop_monitor(socket);
    assert_eq!(event(second), ZMQ_EVENT_MONITOR_STOPPED);
    [second, socket, taken].iter().for_each(|socket| socket.close());
    context.term();
}

#[test]
fn events_have_a_name_until_the_connection_is_lost_and_its_address_afterwards() {
    let context = Context::new();
    let peer = context.bound(ZMQ_PULL, "tcp://127.0.0.1:0");
    let address = peer.last_endpoint();
    let name = address.replace("127.0.0.1", "localhost");
    let socket = context.socket(ZMQ_PUSH);
    socket.set(ZMQ_RECONNECT_IVL, 1);
    monitor(socket, ZMQ_EVENT_ALL);
    let reader = reader(context);
    socket.connect(&name);
    for expected in [ZMQ_EVENT_CONNECT_DELAYED, ZMQ_EVENT_CONNECTED, ZMQ_EVENT_HANDSHAKE_SUCCEEDED] {
        assert_eq!(event_of(reader), (expected, name.clone()));
    }
    peer.close();
    assert_eq!(event_of(reader), (ZMQ_EVENT_DISCONNECTED, name));
    for expected in [ZMQ_EVENT_CONNECT_RETRIED, ZMQ_EVENT_CONNECT_DELAYED, ZMQ_EVENT_CLOSED] {
        assert_eq!(event_of(reader), (expected, address.clone()));
    }
    [reader, socket].iter().for_each(|socket| socket.close());
    context.term();
}

#[test]
fn events_beyond_the_water_marks_reach_a_slow_reader() {
    // Both water marks are 1000, and as many may wait beside them.
    const MANY: usize = 2_500;
    let context = Context::new();
    let taken = context.bound(ZMQ_PULL, "tcp://127.0.0.1:0");
    let socket = context.socket(ZMQ_PULL);
    monitor(socket, ZMQ_EVENT_BIND_FAILED);
    let reader = reader(context);
    (0..MANY).for_each(|_| fail_to_bind(socket, &taken.last_endpoint()));
    (0..MANY).for_each(|_| assert_eq!(event(reader), ZMQ_EVENT_BIND_FAILED));
    [reader, socket, taken].iter().for_each(|socket| socket.close());
    context.term();
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
        monitor(socket, ZMQ_EVENT_ALL);
        if round % 100 == 0 {
            let reader = reader(context);
            event(reader);
            reader.close();
        }
        if round % 2 == 0 {
            stop_monitor(socket);
        }
    }
    socket.close();
    context.term();
}
