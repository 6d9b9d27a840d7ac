//! `zmq_poll` and pollers over working sockets.

use crate::support::program::{Context, Socket, poll, raw_item};
use crate::support::signals::{Signal, Target};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use zmq::errno::Errno;
use zmq::ffi::constants::*;
use zmq::ffi::draft_constants::*;
use zmq::ffi::*;
use zmq::options::number::{ZMQ_EVENTS, ZMQ_FD, ZMQ_ROUTING_ID};

fn pair(context: Context, endpoint: &str) -> (Socket, Socket) {
    (context.bound(ZMQ_PAIR, endpoint), context.connected(ZMQ_PAIR, endpoint))
}

#[test]
fn what_is_ready_is_told_without_waiting() {
    let context = Context::new();
    let (one, other) = pair(context, "inproc://a");
    let both = ZMQ_POLLIN | ZMQ_POLLOUT;
    let mut items = [one.item(ZMQ_POLLIN), other.item(both), one.item(0), one.item(both)];
    assert_eq!(poll(&mut items, 0), Ok(2));
    assert_eq!(items.map(|item| item.revents), [0, 2, 0, 2]);
    other.send(&["x"]);
    assert_eq!(poll(&mut items, -1), Ok(3), "a socket that comes twice counts twice");
    assert_eq!(items.map(|item| item.revents), [1, 2, 0, 3]);
    assert_eq!(one.recv(), ["x"]);
    assert_eq!(poll(&mut items[..1], 0), Ok(0));
    one.close();
    other.close();
    context.term();
}

#[test]
fn the_time_runs_out() {
    let context = Context::new();
    let pull = context.socket(ZMQ_PULL);
    let start = Instant::now();
    assert_eq!(poll(&mut [pull.item(ZMQ_POLLIN)], 20), Ok(0));
    assert_eq!(poll(&mut [pull.item(ZMQ_POLLIN), raw_item(-1, ZMQ_POLLIN)], 20), Ok(0));
    assert!(start.elapsed() >= Duration::from_millis(40));
    pull.close();
    context.term();
}

/// How many items are ready, or errno; and what was told of each.
type Told = (Result<i32, i32>, Vec<i16>);

/// A thread that polls or is about to.
struct Sleeper<'a> {
    target: Target,
    thread: &'a JoinHandle<Told>,
}

impl Sleeper<'_> {
    fn disturb(&self, signal: Signal) {
        self.target.send_until_finished(signal, self.thread);
    }
}

/// Polls on another thread, and runs `then` meanwhile.
fn while_polling(mut items: Vec<zmq_pollitem_t>, then: impl FnOnce(&Sleeper)) -> Told {
    struct Items(Vec<zmq_pollitem_t>);
    // SAFETY: handles may cross threads.
    unsafe impl Send for Items {}
    let moved = Items(std::mem::take(&mut items));
    let (sender, receiver) = mpsc::channel();
    let polling = thread::spawn(move || {
        let Items(mut items) = { moved };
        sender.send(Target::own()).unwrap();
        let outcome = poll(&mut items, -1);
        (outcome, items.iter().map(|item| item.revents).collect())
    });
    then(&Sleeper { target: receiver.recv().unwrap(), thread: &polling });
    polling.join().unwrap()
}

#[test]
fn a_message_wakes_the_sleeper() {
    let context = Context::new();
    let (one, other) = pair(context, "inproc://a");
    let tcp = context.bound(ZMQ_PULL, "tcp://127.0.0.1:0");
    let push = context.connected(ZMQ_PUSH, &tcp.last_endpoint());
    let (mut here, there) = UnixStream::pair().unwrap();
    let sockets = || vec![one.item(ZMQ_POLLIN), tcp.item(ZMQ_POLLIN)];
    let mixed = || [sockets(), vec![raw_item(there.as_raw_fd(), ZMQ_POLLIN)]].concat();
    for _ in 0..100 {
        assert_eq!(while_polling(sockets(), |_| other.send(&["x"])), (Ok(1), vec![1, 0]));
        assert_eq!(one.recv(), ["x"]);
        assert_eq!(while_polling(sockets(), |_| push.send(&["y"])), (Ok(1), vec![0, 1]));
        assert_eq!(tcp.recv(), ["y"]);
    }
    for _ in 0..100 {
        assert_eq!(while_polling(mixed(), |_| other.send(&["x"])), (Ok(1), vec![1, 0, 0]));
        assert_eq!(one.recv(), ["x"]);
        assert_eq!(while_polling(mixed(), |_| push.send(&["y"])), (Ok(1), vec![0, 1, 0]));
        assert_eq!(tcp.recv(), ["y"]);
    }
    assert_eq!(while_polling(mixed(), |_| here.write_all(b"z").unwrap()), (Ok(1), vec![0, 0, 1]));
    for socket in [one, other, tcp, push] {
        socket.close();
    }
    context.term();
}

#[test]
fn the_end_of_the_context_wakes_the_sleeper() {
    for raw in [false, true] {
        let context = Context::new();
        let socket = context.socket(ZMQ_PULL);
        let mut items = vec![socket.item(ZMQ_POLLIN)];
        items.extend(raw.then(|| raw_item(-1, ZMQ_POLLIN)));
        assert_eq!(while_polling(items, |_| context.shutdown()).0, Err(Errno::TERM.0));
        socket.close();
        context.term();
    }
}

#[test]
fn closing_a_socket_wakes_the_sleeper() {
    for raw in [false, true] {
        let context = Context::new();
        let socket = context.socket(ZMQ_PULL);
        let mut items = vec![socket.item(ZMQ_POLLIN)];
        items.extend(raw.then(|| raw_item(-1, ZMQ_POLLIN)));
        assert_eq!(while_polling(items.clone(), |_| socket.close()).0, Err(libc::ENOTSOCK));
        for timeout_ms in [-1, 0, 1] {
            assert_eq!(poll(&mut items, timeout_ms), Err(libc::ENOTSOCK), "closed long ago");
        }
        context.term();
    }
}

#[test]
fn a_signal_wakes_the_sleeper() {
    let signal = Signal::Restarting.handle();
    let context = Context::new();
    let socket = context.socket(ZMQ_PULL);
    for items in [vec![socket.item(ZMQ_POLLIN)], vec![socket.item(ZMQ_POLLIN), raw_item(-1, 0)], vec![]] {
        let (outcome, _) = while_polling(items, |sleeper| sleeper.disturb(signal));
        assert_eq!(outcome, Err(libc::EINTR));
    }
    socket.close();
    context.term();
}

#[test]
fn a_socket_whose_descriptor_is_watched_elsewhere() {
    let context = Context::new();
    let (one, other) = pair(context, "inproc://a");
    let mut fd = [raw_item(one.int(ZMQ_FD).unwrap(), ZMQ_POLLIN)];
    // Takes what there is to take.
    assert_eq!(poll(&mut [one.item(ZMQ_POLLIN)], 0), Ok(0));
    assert_eq!(poll(&mut fd, 0), Ok(0));
    other.send(&["x"]);
    assert_eq!(poll(&mut fd, -1), Ok(1));
    assert_eq!(poll(&mut [one.item(ZMQ_POLLIN)], 0), Ok(1));
    one.close();
    other.close();
    context.term();
}

/// How long it takes to find the one socket of many that is ready; run with `--release --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn one_of_two_thousand() {
    const SOCKETS: usize = 2000;
    const ROUNDS: u32 = 1000;
    let context = Context::new();
    assert_eq!(zmq_ctx_set(context.0, zmq::options::number::ZMQ_MAX_SOCKETS, 3 * SOCKETS as i32), 0);
    let pulls: Vec<_> =
        (0..SOCKETS).map(|number| context.bound(ZMQ_PULL, &format!("inproc://{number}"))).collect();
    let pushes: Vec<_> =
        (0..SOCKETS).map(|number| context.connected(ZMQ_PUSH, &format!("inproc://{number}"))).collect();
    let mut items: Vec<_> = pulls.iter().map(|pull| pull.item(ZMQ_POLLIN)).collect();
    let measure = |name: &str, items: &mut [zmq_pollitem_t]| {
        let mut spent = Duration::ZERO;
        for round in 0..ROUNDS as usize {
            let ready = round * 7 % SOCKETS;
            pushes[ready].send(&["x"]);
            let start = Instant::now();
            assert_eq!(poll(items, -1), Ok(1));
            spent += start.elapsed();
            assert_eq!(pulls[ready].recv(), ["x"]);
        }
        println!("{name}: {:?} a call", spent / ROUNDS);
    };
    measure("ready already", &mut items);
    let start = Instant::now();
    for _ in 0..ROUNDS {
        assert_eq!(poll(&mut items, 0), Ok(0));
    }
    println!("none ready, no waiting: {:?} a call", start.elapsed() / ROUNDS);
    // How long after the message was sent a sleeper returns.
    let (sender, receiver) = mpsc::channel::<usize>();
    let sending = thread::spawn(move || {
        let mut sent = Vec::new();
        for ready in receiver {
            thread::sleep(Duration::from_millis(2));
            sent.push(Instant::now());
            pushes[ready].send(&["x"]);
        }
        pushes.into_iter().for_each(Socket::close);
        sent
    });
    let mut returned = Vec::new();
    for round in 0..100 {
        let ready = round * 7 % SOCKETS;
        sender.send(ready).unwrap();
        assert_eq!(poll(&mut items, -1), Ok(1));
        returned.push(Instant::now());
        assert_eq!(pulls[ready].recv(), ["x"]);
    }
    drop(sender);
    let sent = sending.join().unwrap();
    let late: Duration = sent.iter().zip(&returned).map(|(sent, returned)| *returned - *sent).sum();
    println!("woken from sleep: {:?} after the message was sent", late / 100);
    pulls.into_iter().for_each(Socket::close);
    context.term();
}

#[test]
fn a_new_endpoint_makes_the_descriptor_readable() {
    let context = Context::new();
    let pull = context.bound(ZMQ_PULL, "tcp://127.0.0.1:0");
    let push = context.connected(ZMQ_PUSH, &pull.last_endpoint());
    for socket in [pull, push] {
        assert_eq!(poll(&mut [raw_item(socket.int(ZMQ_FD).unwrap(), ZMQ_POLLIN)], 0), Ok(1));
        socket.close();
    }
    context.term();
}

mod pollers {
    use super::*;
    use std::ffi::{c_long, c_void};
    use std::ptr;

    const NOTHING: zmq_poller_event_t =
        zmq_poller_event_t { socket: ptr::null_mut(), fd: -1, user_data: ptr::null_mut(), events: 0 };

    fn wait(poller: *mut c_void, room: usize, timeout_ms: c_long) -> Result<Vec<(Socket, usize, i16)>, i32> {
        let mut events = vec![NOTHING; room];
        // SAFETY: that many events.
        let rc = unsafe { zmq_poller_wait_all(poller, events.as_mut_ptr(), room as i32, timeout_ms) };
        let found = usize::try_from(rc).map_err(|_| zmq_errno())?;
        let told = |event: &zmq_poller_event_t| (Socket(event.socket), event.user_data.addr(), event.events);
        assert!(events.iter().skip(found).all(|event| event.events == 0 && event.socket.is_null()));
        Ok(events.iter().take(found).map(told).collect())
    }

    fn failed(rc: i32) -> i32 {
        assert_eq!(rc, -1);
        zmq_errno()
    }

    fn data(number: usize) -> *mut c_void {
        ptr::without_provenance_mut(number)
    }

    #[test]
    fn sockets_are_added_changed_and_removed() {
        let context = Context::new();
        let (one, other) = pair(context, "inproc://a");
        let mut poller = zmq_poller_new();
        assert_eq!(failed(zmq_poller_modify(poller, one.0, 1)), libc::EINVAL);
        assert_eq!(failed(zmq_poller_remove(poller, one.0)), libc::EINVAL);
        assert_eq!(failed(zmq_poller_add(poller, one.0, data(0), i16::MAX)), libc::EINVAL);
        assert_eq!(zmq_poller_add(poller, one.0, data(1), 1), 0);
        assert_eq!(failed(zmq_poller_add(poller, one.0, data(1), 1)), libc::EINVAL);
        assert_eq!(zmq_poller_add(poller, other.0, data(2), 0), 0);
        assert_eq!(zmq_poller_size(poller), 2);
        assert_eq!(wait(poller, 2, 0), Err(libc::EAGAIN));
        assert_eq!(wait(poller, 2, 10), Err(libc::EAGAIN));
        assert_eq!(zmq_poller_modify(poller, other.0, 3), 0);
        other.send(&["x"]);
        assert_eq!(wait(poller, 2, -1), Ok(vec![(one, 1, 1), (other, 2, 2)]));
        assert_eq!(wait(poller, 1, -1), Ok(vec![(one, 1, 1)]));
        assert_eq!(zmq_poller_remove(poller, other.0), 0);
        assert_eq!(wait(poller, 2, -1), Ok(vec![(one, 1, 1)]));
        let mut fd = 0;
        // SAFETY: places of the right type.
        unsafe {
            assert_eq!(failed(zmq_poller_fd(poller, &raw mut fd)), libc::EINVAL);
            assert_eq!(zmq_poller_destroy(&raw mut poller), 0);
        }
        one.close();
        other.close();
        context.term();
    }

    fn readable(fd: i32) -> bool {
        poll(&mut [raw_item(fd, ZMQ_POLLIN)], 0) == Ok(1)
    }

    /// A poller with these sockets, and its descriptor.
    fn watching(sockets: &[Socket]) -> (*mut c_void, i32) {
        let poller = zmq_poller_new();
        for (number, socket) in sockets.iter().enumerate() {
            assert_eq!(zmq_poller_add(poller, socket.0, data(number), 1), 0);
        }
        let mut fd = -1;
        // SAFETY: a place of the right type.
        assert_eq!(unsafe { zmq_poller_fd(poller, &raw mut fd) }, 0);
        (poller, fd)
    }

    /// Each call on a socket takes its commands, and a program may make any before it looks at the descriptor.
    #[test]
    fn the_descriptor_is_readable_until_the_poller_waits_or_the_events_are_asked_for() {
        let context = Context::new();
        let (one, other) =
            (context.bound(ZMQ_CHANNEL, "inproc://a"), context.connected(ZMQ_CHANNEL, "inproc://a"));
        let (first, second) = (watching(&[one]), watching(&[one]));
        let arrives = |text: &str| {
            assert_eq!(one.try_recv(ZMQ_DONTWAIT), Err(libc::EAGAIN));
            for (poller, _) in [first, second] {
                assert_eq!(wait(poller, 1, 0), Err(libc::EAGAIN));
            }
            assert!(!readable(first.1) && !readable(second.1));
            other.send(&[text]);
            assert!(readable(first.1) && readable(second.1));
            one.send(&["taken"]);
            assert_eq!(poll(&mut [one.item(ZMQ_POLLIN)], 0), Ok(1));
            assert!(readable(first.1) && readable(second.1), "no poller has waited");
        };
        arrives("1");
        assert_eq!(wait(first.0, 1, 0), Ok(vec![(one, 0, 1)]));
        assert!(!readable(first.1) && readable(second.1), "the other poller has not waited");
        assert_eq!(one.recv(), ["1"]);
        arrives("2");
        assert_eq!(one.int(ZMQ_EVENTS), Ok(ZMQ_POLLIN | ZMQ_POLLOUT));
        assert!(!readable(first.1) && !readable(second.1), "the program has looked");
        assert_eq!(wait(first.0, 1, 0), Ok(vec![(one, 0, 1)]));
        assert_eq!(one.recv(), ["2"]);
        arrives("3");
        one.close();
        assert!(readable(first.1));
        for (mut poller, _) in [first, second] {
            assert_eq!(wait(poller, 1, 0), Err(libc::ENOTSOCK));
            // SAFETY: a pointer variable.
            assert_eq!(unsafe { zmq_poller_destroy(&raw mut poller) }, 0);
        }
        other.close();
        context.term();
    }

    #[test]
    fn message_that_ends_a_wait_does_not_leave_the_descriptor_readable() {
        let context = Context::new();
        let (one, other) =
            (context.bound(ZMQ_CHANNEL, "inproc://a"), context.connected(ZMQ_CHANNEL, "inproc://a"));
        let (mut poller, fd) = watching(&[one]);
        let handle = poller.expose_provenance();
        // A look that comes in the middle of the send may find the message before its signal.
        let ends_unreadable = |_| {
            let waiting = thread::spawn(move || wait(ptr::with_exposed_provenance_mut(handle), 1, -1));
            thread::sleep(Duration::from_millis(20));
            other.send(&["x"]);
            assert_eq!(waiting.join().unwrap(), Ok(vec![(one, 0, 1)]));
            assert_eq!(one.recv(), ["x"]);
            !readable(fd)
        };
        assert!((0..10).any(ends_unreadable));
        // SAFETY: a pointer variable.
        assert_eq!(unsafe { zmq_poller_destroy(&raw mut poller) }, 0);
        one.close();
        other.close();
        context.term();
    }

    #[test]
    fn a_message_wakes_the_sleeper() {
        let context = Context::new();
        let (one, other) = pair(context, "inproc://a");
        let (_here, there) = UnixStream::pair().unwrap();
        let mut poller = zmq_poller_new();
        assert_eq!(zmq_poller_add(poller, one.0, data(1), 1), 0);
        for round in 0..200 {
            if round == 100 {
                assert_eq!(zmq_poller_add_fd(poller, there.as_raw_fd(), data(2), 1), 0);
            }
            let handle = poller.expose_provenance();
            let waiting = thread::spawn(move || wait(ptr::with_exposed_provenance_mut(handle), 2, -1));
            other.send(&["x"]);
            assert_eq!(waiting.join().unwrap(), Ok(vec![(one, 1, 1)]));
            assert_eq!(one.recv(), ["x"]);
        }
        // SAFETY: a pointer variable.
        assert_eq!(unsafe { zmq_poller_destroy(&raw mut poller) }, 0);
        one.close();
        other.close();
        context.term();
    }

    #[test]
    fn a_closed_socket() {
        let context = Context::new();
        let socket = context.socket(ZMQ_PULL);
        let mut poller = zmq_poller_new();
        assert_eq!(zmq_poller_add(poller, socket.0, data(1), 1), 0);
        socket.close();
        assert_eq!(wait(poller, 1, -1), Err(libc::ENOTSOCK));
        assert_eq!(failed(zmq_poller_add(poller, socket.0, data(1), 1)), libc::ENOTSOCK);
        assert_eq!(failed(zmq_poller_modify(poller, socket.0, 1)), libc::ENOTSOCK);
        assert_eq!(failed(zmq_poller_remove(poller, socket.0)), libc::ENOTSOCK);
        assert_eq!(zmq_poller_size(poller), 0);
        // SAFETY: a pointer variable.
        assert_eq!(unsafe { zmq_poller_destroy(&raw mut poller) }, 0);
        context.term();
    }

    #[test]
    fn the_end_of_the_context_is_told_of_sockets_that_are_asked_for_nothing() {
        let context = Context::new();
        let socket = context.socket(ZMQ_PULL);
        let mut poller = zmq_poller_new();
        assert_eq!(zmq_poller_add(poller, socket.0, data(1), 0), 0);
        assert_eq!(wait(poller, 1, 0), Err(libc::EAGAIN));
        let handle = poller.expose_provenance();
        let waiting = thread::spawn(move || wait(ptr::with_exposed_provenance_mut(handle), 1, 60_000));
        context.shutdown();
        assert_eq!(waiting.join().unwrap(), Err(Errno::TERM.0));
        assert_eq!(wait(poller, 1, 0), Err(Errno::TERM.0));
        // SAFETY: a pointer variable.
        assert_eq!(unsafe { zmq_poller_destroy(&raw mut poller) }, 0);
        socket.close();
        context.term();
    }

    #[test]
    fn the_end_of_the_context() {
        let context = Context::new();
        let socket = context.socket(ZMQ_PULL);
        let mut poller = zmq_poller_new();
        assert_eq!(zmq_poller_add(poller, socket.0, data(1), 1), 0);
        context.shutdown();
        assert_eq!(wait(poller, 1, -1), Err(Errno::TERM.0));
        assert_eq!(zmq_poller_modify(poller, socket.0, 0), 0);
        assert_eq!(zmq_poller_remove(poller, socket.0), 0);
        // SAFETY: a pointer variable.
        assert_eq!(unsafe { zmq_poller_destroy(&raw mut poller) }, 0);
        socket.close();
        context.term();
    }
}

#[test]
fn a_disconnect_that_frees_a_name_tells_of_what_the_next_of_that_name_has_sent() {
    let context = Context::new();
    let router = context.socket(ZMQ_ROUTER);
    let [first, second] = ["inproc://first", "inproc://second"].map(|endpoint| {
        let dealer = context.socket(ZMQ_DEALER);
        dealer.set_bytes(ZMQ_ROUTING_ID, b"same");
        dealer.bind(endpoint);
        router.connect(endpoint);
        dealer
    });
    second.send(&["waits"]);
    let mut descriptor = [raw_item(router.int(ZMQ_FD).unwrap(), ZMQ_POLLIN)];
    while router.int(ZMQ_EVENTS).unwrap() & ZMQ_POLLIN == 0 && poll(&mut descriptor, 0) == Ok(1) {}
    assert_eq!(router.try_frames(ZMQ_DONTWAIT), Err(libc::EAGAIN), "the name is the other's");
    router.disconnect("inproc://first");
    assert_eq!(poll(&mut descriptor, 0), Ok(1));
    assert_eq!(router.recv(), ["same", "waits"]);
    context.end(&[router, first, second]);
}
