//! Attempts to connect that lead to no handshake: each is followed by one other.

use super::halves::pipes;
use super::panics::{Fixture, PATIENCE};
use crate::audit::Record;
use crate::options::{SocketOptions, SocketType};
use crate::security::SecurityFile;
use crate::security::rules::{Own, Scene};
use crate::session::{Endpoints, Observer, event};
use crate::sys::lock::Lock;
use crate::transport::{Role, Scheme};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Instant;
use std::{fs, thread};

/// The kinds of all events.
#[derive(Default)]
struct Events(Lock<Vec<u64>>);

impl Observer for Events {
    fn event(&self, kind: u64, _values: &[u64], _endpoints: &Endpoints) {
        self.0.lock().push(kind);
    }

    fn record(&self, _record: &Record, _endpoints: &Endpoints) {}
}

fn until(mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE);
        thread::yield_now();
    }
}

#[test]
fn a_handshake_that_cannot_begin_is_tried_again_once_at_a_time() {
    attempts_are_made_one_at_a_time(SocketType::Push);
}

/// It has no handshake, and what the file says counts all the same.
#[test]
fn a_raw_stream_that_the_file_refuses_is_tried_again_once_at_a_time() {
    attempts_are_made_one_at_a_time(SocketType::Stream);
}

/// Of a socket whose security file is at fault.
fn attempts_are_made_one_at_a_time(socket_type: SocketType) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let name = format!("ferrozmq-attempts-{}-{}.toml", std::process::id(), socket_type as i32);
    let path = std::env::temp_dir().join(name);
    fs::write(&path, "[default]\nmechanism = \"null\"\n").unwrap();
    let scene = Scene {
        endpoint: format!("tcp://{address}"),
        scheme: Scheme::Tcp,
        address: address.clone(),
        settled: false,
        socket_type,
        role: Role::Connects,
        own: Own::Nothing,
        adopted: false,
        raw: false,
    };
    let protection = Arc::new(Arc::new(SecurityFile::new(&path)).protect(&scene).unwrap().unwrap());
    // From now on it is at fault, as is found when it is looked at next.
    fs::write(&path, "nonsense").unwrap();
    until(|| protection.security(0).is_err());
    let mut options = SocketOptions::new(socket_type);
    // The time for a handshake is over long before the next attempt.
    (options.handshake_ivl_ms, options.reconnect_ivl_ms) = (20, 300);
    let fixture = Fixture::new(options);
    let events = Arc::new(Events::default());
    fixture.owner.monitor.set(u64::MAX, events.clone()).unwrap();
    let (_ours, theirs) = pipes(10, false);
    let session = fixture.connect_protected(&address, theirs, protection);
    let seen = |kind| events.0.lock().iter().filter(|event| **event == kind).count();
    until(|| seen(event::CONNECTED) == 3);
    let (closed, retried) = (seen(event::CLOSED), seen(event::CONNECT_RETRIED));
    assert!((2..=3).contains(&closed) && (2..=3).contains(&retried), "{closed} and {retried}");
    session.terminate(fixture.owner.linger_ms());
    fixture.end();
    fs::remove_file(path).unwrap();
}
