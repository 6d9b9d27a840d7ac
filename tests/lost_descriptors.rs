//! Somebody closes descriptors that are not theirs: the library goes on or says that it cannot, and never waits in silence.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod program;

use program::{Context, Socket};
use std::os::fd::{IntoRawFd, RawFd};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};
use zmq::errno::Errno;
use zmq::ffi::constants::*;
use zmq::options::number::{ZMQ_LINGER, ZMQ_RCVTIMEO, ZMQ_SNDTIMEO};

/// Tells the process in which it is done what is done to the descriptors.
const WHAT: &str = "FERROZMQ_TEST_LOST";
const EPOLL: &str = "anon_inode:[eventpoll]";
const EVENT: &str = "anon_inode:[eventfd]";
/// Nothing waits so long unless it fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// The numbers of all descriptors of a kind. What an I/O thread has is there first, and its own before its copies.
fn all(kind: &str) -> Vec<RawFd> {
    let mut numbers: Vec<RawFd> = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| std::fs::read_link(entry.path()).is_ok_and(|link| link.to_str() == Some(kind)))
        .map(|entry| entry.file_name().to_str().unwrap().parse().unwrap())
        .collect();
    numbers.sort_unstable();
    numbers
}

/// A PULL and two PUSH that are connected to it.
fn sockets(context: Context) -> (Socket, Socket, Socket) {
    let pull = context.bound(ZMQ_PULL, "tcp://127.0.0.1:0");
    let [push, other] = [(); 2].map(|()| context.connected(ZMQ_PUSH, &pull.last_endpoint()));
    for socket in [pull, push, other] {
        socket.set(ZMQ_RCVTIMEO, 20_000);
        socket.set(ZMQ_SNDTIMEO, 20_000);
        socket.set(ZMQ_LINGER, 0);
    }
    for socket in [push, other] {
        socket.send(&["before"]);
        assert_eq!(pull.recv(), ["before"]);
    }
    (pull, push, other)
}

#[test]
#[ignore = "closes descriptors of its process; the tests below run it"]
fn victim() {
    let what = std::env::var(WHAT).unwrap();
    let context = Context::new();
    let (pull, push, other) = sockets(context);
    let (epolls, events) = (all(EPOLL), all(EVENT));
    // The number is taken by nobody, for nothing is opened before it is had back.
    let closed = if what == "event" { events[0] } else { epolls[0] };
    match what.as_str() {
        "epoll" | "event" => {
            // SAFETY: no pointers. What the library makes of it is what is tested.
            unsafe { libc::close(closed) };
        }
        "reused" => {
            let file = std::fs::File::open("/dev/null").unwrap().into_raw_fd();
            for number in epolls {
                // SAFETY: as above.
                unsafe { libc::dup2(file, number) };
            }
        }
        other => panic!("{other}"),
    }
    // The I/O thread is to be woken for that.
    other.close();
    let start = Instant::now();
    if what == "reused" {
        while push.try_send(b"x", ZMQ_DONTWAIT) != Err(Errno::TERM.0) {
            assert!(start.elapsed() < PATIENCE, "nobody says that the I/O thread is gone");
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(pull.try_recv(0), Err(Errno::TERM.0));
    } else {
        while what == "epoll" && !all(EPOLL).contains(&closed) {
            assert!(start.elapsed() < PATIENCE, "it is not had back");
            thread::sleep(Duration::from_millis(1));
        }
        let fresh = context.connected(ZMQ_PUSH, &pull.last_endpoint());
        for socket in [push, fresh] {
            socket.send(&["after"]);
            assert_eq!(pull.recv(), ["after"]);
        }
        fresh.close();
    }
    pull.close();
    push.close();
    context.term();
}

/// In a process of its own.
fn survives(what: &str) {
    let own = std::env::current_exe().unwrap();
    let run = Command::new(own).args(["--exact", "victim", "--ignored"]).env(WHAT, what).output().unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(said.contains("running 1 test") && run.status.success(), "{what}: {said}");
}

#[test]
fn an_epoll_instance_whose_number_is_free_is_had_back() {
    survives("epoll");
}

#[test]
fn an_eventfd_that_is_gone_is_replaced() {
    survives("event");
}

#[test]
fn an_io_thread_that_cannot_go_on_ends_the_context() {
    survives("reused");
}
