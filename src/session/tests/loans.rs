//! Connections that a thread of the program receives from itself, and how they come back.

#[cfg(front_epoll)]
mod left_over;

use super::panics::{Fixture, PATIENCE, SocketPipe, drain, greet, greet_as, pull};
use crate::errno::Errno;
use crate::options::SocketOptions;
use crate::session::Listening;
use crate::session::connections::MAX_LENT_CONNECTIONS;
use crate::session::ordering::mark::receive_mark;
use crate::session::waiter::LentConnections;
use crate::sys::faults::{self, Call};
use crate::sys::park::Parker;
use crate::sys::poll::{PollFd, ppoll};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

/// A socket with one peer, and a thread of the program that may wait for it.
struct Lending {
    fixture: Fixture,
    listening: Listening,
    peer: Option<TcpStream>,
    pipe: SocketPipe,
    thread: Thread,
}

/// As a thread waits in `zmq_recv`.
struct Thread {
    parker: Arc<Parker>,
    lent: LentConnections,
}

impl Thread {
    /// With the parker that hears of the pipe.
    fn new(fixture: &Fixture, parker: Arc<Parker>) -> Thread {
        fixture.owner.mailbox.register(&parker);
        Thread { parker, lent: LentConnections::default() }
    }

    /// Until something happens, or a moment has passed.
    fn sleep(&mut self, fixture: &Fixture, timeout: Duration) {
        let owners = std::iter::once(&*fixture.owner);
        self.lent.sleep(&self.parker, owners, &mut [], Some(timeout), None).unwrap();
    }
}

impl Lending {
    fn new(options: SocketOptions) -> Lending {
        Lending::to(b"PUSH", options)
    }

    /// With a peer of this type.
    fn to(peer_type: &[u8; 4], options: SocketOptions) -> Lending {
        let fixture = Fixture::new(options);
        let (listening, address) = fixture.listen();
        let peer = greet_as(peer_type, TcpStream::connect(&address).unwrap());
        let pipe = fixture.pipe();
        let thread = Thread::new(&fixture, Arc::clone(&pipe.parker));
        let mut lending = Lending { fixture, listening, peer: Some(peer), pipe, thread };
        // The pipe is here before the connection.
        lending.patiently(|lending| lending.fixture.owner.connections.count() == 1);
        lending
    }

    fn say(&mut self, bytes: &[u8]) {
        self.peer.as_mut().unwrap().write_all(bytes).unwrap();
    }

    fn lent(&self) -> usize {
        self.fixture.owner.connections.lent()
    }

    /// Whether the thread's front epoll instance watches the stream for good.
    fn in_front(&self) -> bool {
        self.fixture.owner.connections.first().is_some_and(|first| first.hides_the_end())
    }

    /// Bytes that wait to be sent keep a connection with the reactor, as the last of the handshake may.
    fn borrow(&mut self) {
        self.patiently(|lending| {
            lending.thread.lent.give_back();
            lending.thread.sleep(&lending.fixture, Duration::ZERO);
            lending.lent() == 1
        });
    }

    /// Whether the system has bytes of the peer that are not received yet.
    fn has_bytes(&self) -> bool {
        let fd = self.fixture.owner.connections.first().unwrap().raw_fd();
        let mut fds = [PollFd { fd, events: libc::POLLIN, revents: 0 }];
        ppoll(&mut fds, Some(Duration::ZERO), None).unwrap() == 1
    }

    /// Receives one message, waiting as `zmq_recv` does.
    fn recv(&mut self) -> Vec<u8> {
        let start = Instant::now();
        loop {
            if let Some(frame) = self.pipe.pipe.read() {
                let data = frame.data().to_vec();
                self.thread.lent.give_back();
                return data;
            }
            assert!(start.elapsed() < PATIENCE, "nothing comes");
            self.thread.sleep(&self.fixture, PATIENCE);
        }
    }

    /// Looks again and again until it is so, with the streams watched by the I/O thread or on their way there.
    fn patiently(&mut self, mut is_so: impl FnMut(&mut Lending) -> bool) {
        let start = Instant::now();
        while !is_so(self) {
            assert!(start.elapsed() < PATIENCE);
            thread::yield_now();
        }
    }

    /// Waits on a thread of its own until the pipe has ended, while `run` is run.
    fn until_the_end(mut self, run: impl FnOnce(TcpStream, &Listening)) {
        let peer = self.peer.take().unwrap();
        let Lending { fixture, listening, mut pipe, mut thread, .. } = self;
        thread::scope(|scope| {
            let (fixture, pipe, thread) = (&fixture, &mut pipe, &mut thread);
            scope.spawn(move || {
                while pipe.pipe.read().is_some() || !pipe.pipe.ended() {
                    thread.sleep(fixture, PATIENCE);
                }
                thread.lent.give_back();
            });
            while fixture.owner.connections.lent() == 0 {
                thread::yield_now();
            }
            run(peer, &listening);
        });
        listening.close();
        drop((pipe, thread));
        fixture.end();
    }

    fn end(self) {
        self.listening.close();
        drop((self.pipe, self.thread));
        self.fixture.end();
    }
}

/// So that the connection stays away while the thread is elsewhere.
fn come_back_quickly(lending: &mut Lending) {
    lending.patiently(|lending| {
        // Before the I/O thread can be faster.
        lending.thread.sleep(&lending.fixture, Duration::ZERO);
        lending.say(b"\0\x01q");
        assert_eq!(lending.recv(), b"q");
        lending.lent() == 1
    });
}

/// So that the connection stays in the thread's front epoll instance while the reactor watches it, too.
fn come_back_slowly(lending: &mut Lending) {
    lending.patiently(|lending| {
        thread::sleep(Duration::from_millis(2));
        lending.say(b"\0\x01s");
        assert_eq!(lending.recv(), b"s");
        lending.in_front()
    });
}

#[test]
fn message_that_came_before_the_loan_is_received_without_the_io_thread() {
    let (mut first, mut second) = (Lending::new(pull()), Lending::new(pull()));
    // Again if the I/O thread was faster after all.
    loop {
        come_back_quickly(&mut first);
        second.borrow();
        let before = receive_mark();
        first.say(b"\0\x05first");
        first.patiently(|first| first.has_bytes() || first.pipe.pipe.check_read());
        second.say(b"\0\x06second");
        assert_eq!(second.recv(), b"second");
        if receive_mark() != before {
            break;
        }
        assert_eq!(first.recv(), b"first");
    }
    first.fixture.owner.connections.receive_pending();
    assert_eq!(first.pipe.pipe.read().unwrap().data(), b"first");
    // It has received nothing since.
    first.say(b"\0\x05later");
    assert!(!first.fixture.owner.connections.receive_pending());
    assert_eq!(first.recv(), b"later");
    first.end();
    second.end();
}

#[test]
fn message_that_came_during_an_idle_loan_is_received() {
    let (mut first, mut second) = (Lending::new(pull()), Lending::new(pull()));
    let connection = first.fixture.owner.connections.first().unwrap();
    let start = Instant::now();
    // Again if the I/O thread was faster after all.
    loop {
        assert!(start.elapsed() < PATIENCE);
        second.borrow();
        let before = receive_mark();
        let (held, go) = (Barrier::new(2), Barrier::new(2));
        thread::scope(|scope| {
            scope.spawn(|| {
                connection.with_recv(|_| {
                    held.wait();
                    go.wait();
                    // So that it is found like this, for the most part.
                    thread::sleep(Duration::from_millis(1));
                })
            });
            held.wait();
            first.say(b"\0\x05first");
            first.patiently(|first| first.has_bytes());
            second.say(b"\0\x06second");
            assert_eq!(second.recv(), b"second");
            go.wait();
            first.fixture.owner.connections.receive_pending();
        });
        if receive_mark() != before {
            assert_eq!(first.pipe.pipe.read().unwrap().data(), b"first");
            break;
        }
        assert_eq!(first.recv(), b"first");
    }
    drop(connection);
    first.end();
    second.end();
}

#[test]
fn the_thread_that_waits_receives_itself() {
    let start = Instant::now();
    // Again if the thread was held up until the I/O thread had taken the connection back.
    loop {
        assert!(start.elapsed() < PATIENCE);
        let mut lending = Lending::new(pull());
        lending.borrow();
        let before = receive_mark();
        lending.say(b"\0\x05hello");
        lending.thread.sleep(&lending.fixture, PATIENCE);
        if receive_mark() == before {
            lending.end();
            continue;
        }
        assert_eq!(lending.lent(), 1, "the I/O thread had no hand in it");
        assert_eq!(lending.pipe.pipe.read().unwrap().data(), b"hello");
        lending.thread.lent.give_back();
        assert_eq!(lending.lent(), 0, "once is not often");
        lending.say(b"\0\x01x");
        assert_eq!(lending.pipe.recv(), b"x", "by the I/O thread");
        return lending.end();
    }
}

#[test]
fn connection_is_taken_back_from_a_thread_that_stays_away() {
    let mut lending = Lending::new(pull());
    come_back_quickly(&mut lending);
    lending.patiently(|lending| lending.lent() == 0);
    lending.say(b"\0\x01x");
    assert_eq!(lending.pipe.recv(), b"x");
    // Bytes that come before that are received as well.
    come_back_quickly(&mut lending);
    lending.say(b"\0\x01y");
    assert_eq!(lending.pipe.recv(), b"y");
    lending.end();
}

#[test]
#[cfg(front_epoll)]
fn a_thread_that_comes_back_slowly_has_the_stream_and_so_has_the_io_thread_meanwhile() {
    let mut lending = Lending::new(pull());
    come_back_slowly(&mut lending);
    let start = Instant::now();
    let mut received_by_itself = false;
    while !received_by_itself {
        assert!(start.elapsed() < PATIENCE);
        assert_eq!(lending.lent(), 0);
        lending.say(b"\0\x01x");
        assert_eq!(lending.pipe.recv(), b"x", "by the I/O thread");
        assert!(lending.in_front());
        let (mut peer, before) = (lending.peer.take().unwrap(), receive_mark());
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(5));
                peer.write_all(b"\0\x01y").unwrap();
            });
            assert_eq!(lending.recv(), b"y");
        });
        lending.peer = Some(peer);
        // Unless it was not asleep by then.
        received_by_itself = receive_mark() != before;
    }
    // A message and the end of the stream, of which the reactor tells the same, with the thread elsewhere.
    lending.say(b"\0\x01z");
    drop(lending.peer.take());
    assert_eq!(lending.pipe.recv(), b"z");
    lending.pipe.wait_for_the_end();
    lending.end();
}

#[test]
#[cfg(front_epoll)]
fn a_thread_that_waits_for_something_else_leaves_the_stream_to_the_io_thread() {
    let (mut first, mut second) = (Lending::new(pull()), Lending::new(pull()));
    come_back_slowly(&mut first);
    let owners = [&*second.fixture.owner].into_iter();
    first.thread.lent.sleep(&first.thread.parker, owners, &mut [], Some(Duration::ZERO), None).unwrap();
    first.thread.lent.give_back();
    assert!(!first.in_front());
    first.say(b"\0\x01x");
    assert_eq!(first.pipe.recv(), b"x");
    // Back again.
    come_back_slowly(&mut first);
    // Another thread's front epoll instance.
    come_back_slowly(&mut second);
    second.fixture.owner.mailbox.register(&first.thread.parker);
    second.pipe.wake(&first.thread.parker);
    std::mem::swap(&mut first.thread, &mut second.thread);
    come_back_quickly(&mut second);
    second.patiently(|second| second.lent() == 0);
    second.say(b"\0\x01x");
    assert_eq!(second.pipe.recv(), b"x");
    // A descriptor that is asked for.
    come_back_slowly(&mut second);
    second.fixture.owner.mailbox.fd().unwrap();
    second.fixture.owner.connections.recall();
    assert!(!second.in_front());
    first.end();
    second.end();
}

#[test]
fn a_peer_that_goes_is_noticed_by_the_thread() {
    Lending::new(pull()).until_the_end(|mut peer, _| {
        peer.write_all(b"\0\x04last").unwrap();
        drop(peer);
    });
    let slowly = cfg!(front_epoll).then_some(come_back_slowly as fn(&mut Lending));
    for come_back in [Some(come_back_quickly as fn(&mut Lending)), slowly].into_iter().flatten() {
        let mut lending = Lending::new(pull());
        come_back(&mut lending);
        drop(lending.peer.take());
        lending.pipe.wait_for_the_end();
        lending.end();
    }
}

#[test]
fn a_peer_that_breaks_the_protocol_is_thrown_out() {
    Lending::new(pull()).until_the_end(|mut peer, _| {
        peer.write_all(b"\x02\xff\xff\xff\xff\xff\xff\xff\xff").unwrap();
        drain(peer);
    });
}

#[test]
fn a_panic_ends_the_connection_and_nothing_else() {
    let lending = Lending::new(pull());
    let connection = lending.fixture.owner.connections.first().unwrap();
    lending.until_the_end(|mut peer, _| {
        connection.with_recv(|half| half.panics = true);
        drop(connection);
        peer.write_all(b"\0\x01x").unwrap();
        drain(peer);
    });
}

#[test]
fn an_endpoint_closes_under_the_thread_that_waits() {
    Lending::new(pull()).until_the_end(|peer, listening| {
        listening.close();
        drain(peer);
    });
}

#[test]
fn a_peer_that_falls_silent_is_given_up() {
    let mut options = pull();
    options.heartbeat_ivl_ms = 10;
    Lending::new(options).until_the_end(|peer, _| drain(peer));
}

#[test]
fn pings_are_answered() {
    let lending = Lending::new(pull());
    lending.until_the_end(|mut peer, _| {
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        // Behind what the library has said of itself.
        let pong = b"\x04\x07\x04PONGab";
        for _ in 0..3 {
            peer.write_all(b"\x04\x09\x04PING\0\0ab").unwrap();
            let mut seen = Vec::new();
            while !seen.ends_with(pong) {
                let mut byte = [0];
                peer.read_exact(&mut byte).unwrap();
                seen.extend(byte);
            }
        }
    });
}

#[test]
fn many_connections_stay_where_they_are() {
    let mut lending = Lending::new(pull());
    let address = lending.peer.as_ref().unwrap().peer_addr().unwrap();
    let mut others = Vec::new();
    for _ in 0..MAX_LENT_CONNECTIONS {
        let stream = greet(TcpStream::connect(address).unwrap());
        others.push((stream, lending.fixture.pipe()));
    }
    lending.patiently(|lending| lending.fixture.owner.connections.count() == MAX_LENT_CONNECTIONS + 1);
    lending.thread.sleep(&lending.fixture, Duration::from_millis(1));
    assert_eq!(lending.lent(), 0);
    for (stream, pipe) in &mut others {
        stream.write_all(b"\0\x01x").unwrap();
        assert_eq!(pipe.recv(), b"x");
    }
    // One less, and they are few.
    drop(others.pop());
    lending.patiently(|lending| {
        lending.thread.lent.give_back();
        lending.thread.sleep(&lending.fixture, Duration::ZERO);
        lending.lent() == MAX_LENT_CONNECTIONS
    });
    lending.end();
}

#[test]
fn a_descriptor_that_was_asked_for_keeps_them_at_home() {
    let mut lending = Lending::new(pull());
    come_back_quickly(&mut lending);
    lending.fixture.owner.mailbox.fd().unwrap();
    lending.fixture.owner.connections.recall();
    lending.thread.sleep(&lending.fixture, Duration::from_millis(1));
    assert_eq!(lending.lent(), 0);
    lending.say(b"\0\x01x");
    assert_eq!(lending.recv(), b"x");
    lending.end();
}

#[test]
fn two_threads_at_one_socket_leave_it_to_the_io_thread() {
    let mut lending = Lending::new(pull());
    let mut other = Thread::new(&lending.fixture, Arc::new(Parker::new()));
    lending.patiently(|lending| {
        lending.borrow();
        other.sleep(&lending.fixture, Duration::ZERO);
        other.lent.give_back();
        lending.thread.lent.give_back();
        lending.thread.sleep(&lending.fixture, Duration::ZERO);
        lending.lent() == 0
    });
    lending.say(b"\0\x01x");
    assert_eq!(lending.recv(), b"x");
    lending.end();
}

#[test]
fn a_heavy_stream_of_small_messages_goes_to_the_io_thread() {
    let mut lending = Lending::new(pull());
    let mut message = vec![0, 200];
    message.resize(202, 7);
    let many = message.repeat(300);
    let mut kept = false;
    let mut expected = 0;
    let start = Instant::now();
    while !kept {
        assert!(start.elapsed() < PATIENCE);
        lending.thread.sleep(&lending.fixture, Duration::ZERO);
        lending.say(&many);
        expected += 300;
        while expected > 0 {
            assert_eq!(lending.recv(), [7; 200]);
            expected -= 1;
        }
        lending.thread.sleep(&lending.fixture, Duration::ZERO);
        kept = lending.lent() == 0;
    }
    lending.end();
}

#[test]
fn a_thread_that_may_not_receive_is_served_by_the_io_thread_for_good() {
    let mut lending = Lending::new(pull());
    lending.borrow();
    lending.say(b"\0\x01a");
    {
        let _refused = faults::refuse(Call::Receive, Errno::PERM, 1);
        assert_eq!(lending.recv(), b"a");
    }
    // The I/O thread keeps it, also when the time is long over for which it keeps what two threads want.
    for byte in b"bcd" {
        thread::sleep(Duration::from_millis(60));
        lending.say(&[0, 1, *byte]);
        assert_eq!(lending.recv(), [*byte]);
        assert_eq!(lending.lent(), 0);
    }
}

#[test]
fn stream_that_withholds_its_bytes_makes_no_thread_spin() {
    let mut lending = Lending::new(pull());
    lending.borrow();
    lending.fixture.refuse_there(Call::Receive, Errno::AGAIN, 5);
    lending.say(b"\0\x01a");
    let _refused = faults::refuse(Call::Receive, Errno::AGAIN, 1000);
    // Sooner or later the I/O thread has the stream, and asks again until it has the bytes.
    assert_eq!(lending.recv(), b"a");
    let asked = (0..1000).take_while(|_| faults::next(Call::Receive).is_some()).count();
    assert!(asked > 800, "asked {} times", 1000 - asked);
}
