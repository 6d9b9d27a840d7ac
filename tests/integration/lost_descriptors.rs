//! Somebody closes descriptors that are not theirs: the library goes on or says that it cannot, and never waits in silence.

use crate::support::process::{inside, test_name};
use crate::support::program::{Context, Socket};
use crate::support::signals::until_others_sleep;
use crate::support::{PATIENCE, PATIENCE_MS};
use std::os::fd::{IntoRawFd, RawFd};
use std::thread;
use std::time::{Duration, Instant};
use zmq::errno::Errno;
use zmq::ffi::constants::*;
use zmq::options::number::{ZMQ_LINGER, ZMQ_RCVTIMEO, ZMQ_SNDTIMEO};

const EPOLL: &str = "anon_inode:[eventpoll]";
const EVENT: &str = "anon_inode:[eventfd]";

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
        socket.set(ZMQ_RCVTIMEO, PATIENCE_MS);
        socket.set(ZMQ_SNDTIMEO, PATIENCE_MS);
        socket.set(ZMQ_LINGER, 0);
    }
    for socket in [push, other] {
        socket.send(&["before"]);
        assert_eq!(pull.recv(), ["before"]);
    }
    (pull, push, other)
}

/// What is done to the descriptors.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Loss {
    Epoll,
    /// Without an eventfd there is a pipe, and no test that closes one end of it.
    #[cfg_attr(not(eventfd), allow(dead_code))]
    Event,
    /// The number of the epoll instance is that of a file now.
    Reused,
}

/// Closes descriptors of the library.
fn lose(what: Loss) {
    let context = Context::new();
    let (pull, push, other) = sockets(context);
    let (epolls, events) = (all(EPOLL), all(EVENT));
    // An I/O thread that is awake needs no waking, and would find out only later.
    until_others_sleep();
    // Nothing is opened before it is had back, so the number stays free until then.
    let closed = if what == Loss::Event { events[0] } else { epolls[0] };
    match what {
        Loss::Epoll | Loss::Event => {
            // SAFETY: no pointers. What the library makes of it is what is tested.
            unsafe { libc::close(closed) };
        }
        Loss::Reused => {
            let file = std::fs::File::open("/dev/null").unwrap().into_raw_fd();
            for number in epolls {
                // SAFETY: as above.
                unsafe { libc::dup2(file, number) };
            }
        }
    }
    // The I/O thread is to be woken for that.
    other.close();
    let start = Instant::now();
    if what == Loss::Reused {
        while push.try_send(b"x", ZMQ_DONTWAIT) != Err(Errno::TERM.0) {
            assert!(start.elapsed() < PATIENCE, "nobody says that the I/O thread is gone");
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(pull.try_recv(0), Err(Errno::TERM.0));
    } else {
        // Listing the descriptors would take the free number itself.
        // SAFETY: no pointers.
        while what == Loss::Epoll && unsafe { libc::fcntl(closed, libc::F_GETFD) } < 0 {
            assert!(start.elapsed() < PATIENCE, "it is not had back");
            thread::sleep(Duration::from_millis(1));
        }
        assert!(what != Loss::Epoll || all(EPOLL).contains(&closed));
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

#[test]
fn an_epoll_instance_whose_number_is_free_is_had_back() {
    if inside(test_name!(an_epoll_instance_whose_number_is_free_is_had_back)) {
        lose(Loss::Epoll);
    }
}

#[test]
#[cfg(eventfd)]
fn an_eventfd_that_is_gone_is_replaced() {
    if inside(test_name!(an_eventfd_that_is_gone_is_replaced)) {
        lose(Loss::Event);
    }
}

#[test]
fn an_io_thread_that_cannot_go_on_ends_the_context() {
    if inside(test_name!(an_io_thread_that_cannot_go_on_ends_the_context)) {
        lose(Loss::Reused);
    }
}
