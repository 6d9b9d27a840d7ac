//! When the reactor watches a stream for room: it tells of its epoll instance in `/proc`.

use super::panics::{Fixture, PATIENCE, SocketPipe, greet, hello, pull};
use crate::transport::Scheme;
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::os::fd::RawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::thread;
use std::time::Instant;

/// What the epoll instances of this process watch a descriptor for.
fn events_of(fd: RawFd) -> u32 {
    let mut events = 0;
    for entry in fs::read_dir("/proc/self/fdinfo").unwrap() {
        // Others come and go meanwhile.
        let Ok(info) = fs::read_to_string(entry.unwrap().path()) else { continue };
        for line in info.lines().filter_map(|line| line.strip_prefix("tfd:")) {
            let mut words = line.split_whitespace();
            if words.next().and_then(|word| word.parse().ok()) == Some(fd) {
                let mask = words.skip_while(|word| *word != "events:").nth(1).unwrap();
                events |= u32::from_str_radix(mask, 16).unwrap();
            }
        }
    }
    events
}

/// Whether the `n`th connection, once it is established, is watched for room, and what it goes by.
fn is_watched_for_room(fixture: &Fixture, n: usize) -> (bool, SocketPipe) {
    let pipe = fixture.pipe();
    let begun = Instant::now();
    while fixture.owner.connections.count() < n {
        assert!(begun.elapsed() < PATIENCE);
        thread::yield_now();
    }
    let events = events_of(fixture.owner.connections.last().unwrap().raw_fd());
    assert_ne!(events & libc::EPOLLIN as u32, 0);
    (events & libc::EPOLLOUT as u32 != 0, pipe)
}

#[test]
fn local_stream_is_watched_for_room_where_the_program_watches_the_descriptor() {
    let fixture = Fixture::new(pull());
    let name = format!("ferrozmq-room-{}", std::process::id());
    let (listening, _) = fixture.listen_at(Scheme::Ipc, &format!("@{name}"));
    let connect = || {
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let mut stream = UnixStream::connect_addr(&address).unwrap();
        stream.write_all(&hello(b"PUSH")).unwrap();
        stream
    };
    let first = connect();
    let (for_room, mut first_pipe) = is_watched_for_room(&fixture, 1);
    assert!(!for_room);
    fixture.owner.mailbox.fd().unwrap();
    fixture.owner.connections.recall();
    let connection = fixture.owner.connections.first().unwrap();
    assert_ne!(events_of(connection.raw_fd()) & libc::EPOLLOUT as u32, 0);
    drop(connection);
    let second = connect();
    let (for_room, mut second_pipe) = is_watched_for_room(&fixture, 2);
    assert!(for_room);
    drop((first, second));
    first_pipe.wait_for_the_end();
    second_pipe.wait_for_the_end();
    listening.close();
    fixture.end();
}

#[test]
fn a_tcp_stream_says_so_only_after_it_was_full() {
    let fixture = Fixture::new(pull());
    let (listening, address) = fixture.listen();
    let peer = greet(TcpStream::connect(&address).unwrap());
    let (for_room, mut pipe) = is_watched_for_room(&fixture, 1);
    assert!(for_room);
    drop(peer);
    pipe.wait_for_the_end();
    listening.close();
    fixture.end();
}
