//! `zmq_proxy` and `zmq_proxy_steerable` over working sockets.

use crate::support::program::{Context, Socket, poll};
use std::ffi::c_int;
use std::ptr;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use zmq::errno::Errno;
use zmq::ffi::constants::*;
use zmq::ffi::*;
use zmq::options::number::{ZMQ_RCVHWM, ZMQ_SNDHWM, ZMQ_SUBSCRIBE};

/// How a proxy ended and how much processor time it took.
type Ended = (Result<(), i32>, Duration);

/// Runs a proxy on a thread of its own, which closes the sockets in the end.
fn proxy(
    frontend: Socket,
    backend: Socket,
    capture: Option<Socket>,
    control: Option<Socket>,
) -> JoinHandle<Ended> {
    thread::spawn(move || {
        let handle = |socket: Option<Socket>| socket.map_or(ptr::null_mut(), |socket| socket.0);
        let before = processor_time();
        let rc = zmq_proxy_steerable(frontend.0, backend.0, handle(capture), handle(control));
        let outcome = if rc == 0 { Ok(()) } else { Err(zmq_errno()) };
        let spent = processor_time() - before;
        frontend.close();
        if backend != frontend {
            backend.close();
        }
        [capture, control].into_iter().flatten().for_each(Socket::close);
        (outcome, spent)
    })
}

/// A proxy between two sockets of these types, which are bound to `inproc://front` and `inproc://back`.
fn proxy_between(
    context: Context,
    (front, back): (c_int, c_int),
    capture: Option<Socket>,
    control: Option<Socket>,
) -> JoinHandle<Ended> {
    let frontend = context.bound(front, "inproc://front");
    let backend = context.bound(back, "inproc://back");
    proxy(frontend, backend, capture, control)
}

/// Ends the context under a proxy.
fn end(context: Context, running: JoinHandle<Ended>, sockets: &[Socket]) {
    sockets.iter().for_each(|socket| socket.close());
    context.shutdown();
    assert_eq!(running.join().unwrap().0, Err(Errno::TERM.0));
    context.term();
}

/// Of the calling thread.
fn processor_time() -> Duration {
    // SAFETY: the call fills in the time.
    let time = unsafe {
        let mut time: libc::timespec = std::mem::zeroed();
        assert_eq!(libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time), 0);
        time
    };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[test]
fn requests_and_replies() {
    let context = Context::new();
    let running = proxy_between(context, (ZMQ_ROUTER, ZMQ_DEALER), None, None);
    let requester = context.connected(ZMQ_REQ, "inproc://front");
    let replier = context.connected(ZMQ_REP, "inproc://back");
    let large = "x".repeat(50_000);
    for _ in 0..100 {
        requester.send(&["a", "", &large]);
        assert!(replier.recv() == ["a", "", &large]);
        replier.send(&[&large, "b"]);
        assert!(requester.recv() == [&large, "b"]);
    }
    end(context, running, &[requester, replier]);
}

#[test]
fn a_copy_goes_to_the_capture() {
    let context = Context::new();
    let capture = context.bound(ZMQ_PUSH, "inproc://capture");
    let running = proxy_between(context, (ZMQ_PULL, ZMQ_PUSH), Some(capture), None);
    let push = context.connected(ZMQ_PUSH, "inproc://front");
    let pull = context.connected(ZMQ_PULL, "inproc://back");
    let witness = context.connected(ZMQ_PULL, "inproc://capture");
    for round in 0..100 {
        let parts = ["a".to_owned(), "b".repeat(round * 300)];
        push.send(&[&parts[0], &parts[1]]);
        assert!(witness.recv() == parts);
        assert!(pull.recv() == parts);
    }
    end(context, running, &[push, pull, witness]);
}

/// A capture that takes nothing, for want of a peer or of a peer that reads, stops what is forwarded and no command.
#[test]
fn a_stuck_capture_keeps_no_command_waiting() {
    for (front, back, read) in
        [(ZMQ_PULL, ZMQ_PUSH, false), (ZMQ_PULL, ZMQ_PUSH, true), (ZMQ_ROUTER, ZMQ_DEALER, true)]
    {
        let context = Context::new();
        let capture = context.socket(ZMQ_PAIR);
        capture.set(ZMQ_SNDHWM, 1);
        let control = context.bound(ZMQ_REP, "inproc://control");
        let (push, pull) = if front == ZMQ_PULL { (ZMQ_PUSH, ZMQ_PULL) } else { (ZMQ_DEALER, ZMQ_DEALER) };
        let (push, pull) =
            (context.connected(push, "inproc://front"), context.connected(pull, "inproc://back"));
        let witness = context.socket(ZMQ_PAIR);
        witness.set(ZMQ_RCVHWM, 1);
        if read {
            witness.bind("inproc://witness");
            capture.connect("inproc://witness");
        }
        let running = proxy_between(context, (front, back), Some(capture), Some(control));
        let commander = context.connected(ZMQ_REQ, "inproc://control");
        for number in 0..100 {
            push.send(&[&number.to_string(), "x"]);
        }
        // Answered while the capture is stuck.
        for command in ["PAUSE", "RESUME"] {
            commander.send(&[command]);
            assert_eq!(commander.recv(), [""]);
        }
        if read {
            for number in 0..50 {
                let parts = [number.to_string(), "x".to_owned()];
                let copied = witness.recv();
                assert!(copied.ends_with(&parts), "{copied:?}");
                assert!(pull.recv().ends_with(&parts));
            }
        }
        commander.send(&["TERMINATE"]);
        assert_eq!(commander.recv(), [""]);
        assert_eq!(running.join().unwrap().0, Ok(()));
        [push, pull, witness, commander].into_iter().for_each(Socket::close);
        context.term();
    }
}

#[test]
fn subscriptions_go_the_other_way() {
    let context = Context::new();
    let running = proxy_between(context, (ZMQ_XSUB, ZMQ_XPUB), None, None);
    let publisher = context.connected(ZMQ_XPUB, "inproc://front");
    let subscriber = context.connected(ZMQ_SUB, "inproc://back");
    subscriber.set_bytes(ZMQ_SUBSCRIBE, b"a");
    assert_eq!(publisher.try_recv(0), Ok(b"\x01a".to_vec()));
    publisher.send(&["b"]);
    publisher.send(&["a", "1"]);
    assert_eq!(subscriber.recv(), ["a", "1"]);
    end(context, running, &[publisher, subscriber]);
}

#[test]
fn one_socket_talks_to_itself() {
    let context = Context::new();
    let echo = context.bound(ZMQ_REP, "inproc://echo");
    let running = proxy(echo, echo, None, None);
    let requester = context.connected(ZMQ_REQ, "inproc://echo");
    for parts in [&["a"][..], &["b", "c"], &["d"]] {
        requester.send(parts);
        assert_eq!(requester.recv(), parts);
    }
    end(context, running, &[requester]);
}

#[test]
fn commands() {
    // Every type gets the statistics; only REP has to answer the others.
    for (here, there) in [(ZMQ_PAIR, ZMQ_PAIR), (ZMQ_REP, ZMQ_REQ), (ZMQ_DEALER, ZMQ_DEALER)] {
        let context = Context::new();
        let control = context.bound(here, "inproc://control");
        let running = proxy_between(context, (ZMQ_PULL, ZMQ_PUSH), None, Some(control));
        let push = context.connected(ZMQ_PUSH, "inproc://front");
        let pull = context.connected(ZMQ_PULL, "inproc://back");
        let steer = context.connected(there, "inproc://control");
        let command = |text: &str| {
            steer.send(&[text]);
            if there == ZMQ_REQ {
                assert_eq!(steer.recv(), [""]);
            }
        };
        let statistics = || {
            steer.send(&["STATISTICS"]);
            let mut numbers = [0; 8];
            for number in &mut numbers {
                *number = u64::from_ne_bytes(steer.try_recv(0).unwrap().try_into().unwrap());
            }
            numbers
        };
        assert_eq!(statistics(), [0; 8]);
        push.send(&["abc", "de"]);
        assert_eq!(pull.recv(), ["abc", "de"]);
        assert_eq!(statistics(), [1, 5, 0, 0, 0, 0, 1, 5]);
        command("PAUSE");
        assert_eq!(statistics(), [1, 5, 0, 0, 0, 0, 1, 5], "and it rests by now");
        push.send(&["f"]);
        assert_eq!(poll(&mut [pull.item(ZMQ_POLLIN)], 20), Ok(0));
        command("something else");
        command("RESUME");
        assert_eq!(pull.recv(), ["f"]);
        assert_eq!(statistics(), [2, 6, 0, 0, 0, 0, 2, 6]);
        command("TERMINATE");
        assert_eq!(running.join().unwrap().0, Ok(()));
        [push, pull, steer].into_iter().for_each(Socket::close);
        context.term();
    }
}

#[test]
fn a_command_of_many_parts_is_one_command() {
    let context = Context::new();
    let control = context.bound(ZMQ_REP, "inproc://control");
    let running = proxy_between(context, (ZMQ_PULL, ZMQ_PUSH), None, Some(control));
    let steer = context.connected(ZMQ_REQ, "inproc://control");
    steer.send(&["PAUSE", "TERMINATE"]);
    assert_eq!(steer.recv(), [""]);
    steer.send(&["TERMINATE", "PAUSE"]);
    assert_eq!(steer.recv(), [""]);
    assert_eq!(running.join().unwrap().0, Ok(()));
    steer.close();
    context.term();
}

#[test]
fn waiting_for_room_costs_no_processor_time_and_nothing_is_lost() {
    const MESSAGES: u32 = 5000;
    let context = Context::new();
    let small = |socket_type| {
        let socket = context.socket(socket_type);
        socket.set(ZMQ_SNDHWM, 10);
        socket.set(ZMQ_RCVHWM, 10);
        socket
    };
    let (frontend, backend, push) = (small(ZMQ_PULL), small(ZMQ_PUSH), small(ZMQ_PUSH));
    let control = context.bound(ZMQ_PAIR, "inproc://control");
    frontend.bind("inproc://front");
    backend.bind("inproc://back");
    push.connect("inproc://front");
    let steer = context.connected(ZMQ_PAIR, "inproc://control");
    let running = proxy(frontend, backend, None, Some(control));
    // Nobody is at the back: the proxy takes nothing, so the high-water mark of the sender is reached.
    let start = Instant::now();
    let mut sent = 0u32;
    while push.try_send(&sent.to_ne_bytes(), ZMQ_DONTWAIT) == Ok(()) {
        sent += 1;
    }
    assert_eq!(sent, 20, "the sum of both ends");
    // Time for it to burn.
    thread::sleep(Duration::from_millis(200));
    assert_eq!(push.try_send(b"", ZMQ_DONTWAIT), Err(libc::EAGAIN));
    let pull = small(ZMQ_PULL);
    pull.connect("inproc://back");
    let idle = start.elapsed();
    let sending = thread::spawn(move || {
        for number in sent..MESSAGES {
            assert_eq!(push.try_send(&number.to_ne_bytes(), 0), Ok(()));
        }
        push
    });
    for number in 0..MESSAGES {
        assert_eq!(pull.try_recv(0), Ok(number.to_ne_bytes().to_vec()));
    }
    steer.send(&["TERMINATE"]);
    let (outcome, spent) = running.join().unwrap();
    assert_eq!(outcome, Ok(()));
    assert!(spent < idle, "{spent:?} of processor time; it was idle for {idle:?}");
    [sending.join().unwrap(), pull, steer].into_iter().for_each(Socket::close);
    context.term();
}

#[test]
fn messages_of_all_sizes_come_in_order_and_are_counted() {
    const MESSAGES: usize = 3000;
    let parts = |number: usize| -> Vec<String> {
        let len = if number.is_multiple_of(50) { 20_000 } else { number * 7 % 900 };
        (0..=number % 3).map(|part| format!("{number}.{part}{}", "x".repeat(len))).collect()
    };
    for endpoint in ["inproc://", "ipc://@ferrozmq-proxied-"] {
        let context = Context::new();
        let names = ["front", "back"].map(|name| format!("{endpoint}{name}{}", std::process::id()));
        let frontend = context.bound(ZMQ_PULL, &names[0]);
        let backend = context.bound(ZMQ_PUSH, &names[1]);
        let control = context.bound(ZMQ_PAIR, "inproc://control");
        let running = proxy(frontend, backend, None, Some(control));
        let push = context.connected(ZMQ_PUSH, &names[0]);
        let pull = context.connected(ZMQ_PULL, &names[1]);
        let steer = context.connected(ZMQ_PAIR, "inproc://control");
        let sending = thread::spawn(move || {
            for number in 0..MESSAGES {
                push.send(&parts(number).iter().map(String::as_str).collect::<Vec<_>>());
            }
            push
        });
        for number in 0..MESSAGES {
            assert!(pull.recv() == parts(number), "message {number}");
        }
        let bytes = (0..MESSAGES).flat_map(parts).map(|part| part.len() as u64).sum();
        steer.send(&["STATISTICS"]);
        for number in [MESSAGES as u64, bytes, 0, 0, 0, 0, MESSAGES as u64, bytes] {
            assert_eq!(steer.try_recv(0), Ok(number.to_ne_bytes().to_vec()));
        }
        steer.send(&["TERMINATE"]);
        assert_eq!(running.join().unwrap().0, Ok(()));
        [sending.join().unwrap(), pull, steer].into_iter().for_each(Socket::close);
        context.term();
    }
}

#[test]
fn nothing_passes_a_capture_that_has_no_room() {
    let context = Context::new();
    let capture = context.bound(ZMQ_PUSH, "inproc://capture");
    let running = proxy_between(context, (ZMQ_PULL, ZMQ_PUSH), Some(capture), None);
    let push = context.connected(ZMQ_PUSH, "inproc://front");
    let pull = context.connected(ZMQ_PULL, "inproc://back");
    push.send(&["a", "b"]);
    push.send(&["c"]);
    // Nobody is at the capture.
    assert_eq!(poll(&mut [pull.item(ZMQ_POLLIN)], 50), Ok(0));
    let witness = context.connected(ZMQ_PULL, "inproc://capture");
    for parts in [&["a", "b"][..], &["c"]] {
        assert_eq!(witness.recv(), parts);
        assert_eq!(pull.recv(), parts);
    }
    end(context, running, &[push, pull, witness]);
}

#[test]
fn handles_that_are_none() {
    let context = Context::new();
    let socket = context.socket(ZMQ_PAIR);
    let mut number = 0u64;
    let (null, garbage) = (ptr::null_mut(), (&raw mut number).cast());
    let errno = |rc| (rc, zmq_errno());
    assert_eq!(errno(zmq_proxy(null, socket.0, null)), (-1, libc::EFAULT));
    assert_eq!(errno(zmq_proxy(socket.0, null, null)), (-1, libc::EFAULT));
    assert_eq!(errno(zmq_device(ZMQ_QUEUE, socket.0, null)), (-1, libc::EFAULT));
    assert_eq!(errno(zmq_proxy(garbage, socket.0, null)), (-1, libc::ENOTSOCK));
    assert_eq!(errno(zmq_proxy(socket.0, socket.0, garbage)), (-1, libc::ENOTSOCK));
    assert_eq!(errno(zmq_proxy_steerable(socket.0, socket.0, null, garbage)), (-1, libc::ENOTSOCK));
    socket.close();
    context.term();
}
