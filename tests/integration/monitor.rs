//! Monitors whose readers come late or are slow.

use crate::support::program::{Context, Monitor, Socket};
use std::ffi::{CString, c_int};
use zmq::ffi::constants::*;
use zmq::ffi::zmq_bind;
use zmq::options::number::ZMQ_RECONNECT_IVL;

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
