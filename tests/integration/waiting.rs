//! Threads that wait in `zmq_recv` and `zmq_poll` for what comes over streams, which they may read themselves.

use crate::support::PATIENCE_MS;
use crate::support::process::no_child_begins;
use crate::support::program::{Context, Socket, poll, raw_item};
use crate::support::signals::{Signal, Target};
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};
use zmq::errno::Errno;
use zmq::ffi::constants::*;
use zmq::ffi::{zmq_errno, zmq_msg_init_data, zmq_msg_send};
use zmq::options::number::{
    ZMQ_EVENTS, ZMQ_FD, ZMQ_RCVHWM, ZMQ_RCVTIMEO, ZMQ_SNDHWM, ZMQ_SUBSCRIBE, ZMQ_XPUB_MANUAL,
};

fn endpoints() -> [&'static str; 2] {
    ["tcp://127.0.0.1:0", "ipc://*"]
}

/// Two sockets of a context of their own, the second connected to the first.
fn pair(endpoint: &str, bound: i32, connected: i32) -> (Context, Socket, Socket) {
    let context = Context::new();
    let bound = context.bound(bound, endpoint);
    let connected = context.connected(connected, &bound.last_endpoint());
    for socket in [bound, connected] {
        socket.set(ZMQ_RCVTIMEO, PATIENCE_MS);
    }
    (context, bound, connected)
}

#[test]
fn requests_and_replies_by_every_kind_of_wait() {
    const ROUNDS: usize = 400;
    for endpoint in endpoints() {
        let (context, rep, req) = pair(endpoint, ZMQ_REP, ZMQ_REQ);
        let server = thread::spawn(move || {
            for round in 0..ROUNDS {
                // In turns, so that the connection changes hands between the two ways to wait.
                if round / 50 % 2 == 1 {
                    assert_eq!(poll(&mut [rep.item(ZMQ_POLLIN), raw_item(-1, ZMQ_POLLIN)], -1), Ok(1));
                }
                let request = rep.recv();
                rep.send(&[&request[0]]);
            }
        });
        for round in 0..ROUNDS {
            req.send(&[&round.to_string()]);
            match round % 3 {
                0 => assert_eq!(poll(&mut [req.item(ZMQ_POLLIN)], -1), Ok(1)),
                1 => while req.int(ZMQ_EVENTS).unwrap() & ZMQ_POLLIN == 0 {},
                _ => {}
            }
            assert_eq!(req.recv(), [round.to_string()]);
        }
        server.join().unwrap();
        context.end(&[req, rep]);
    }
}

#[test]
fn a_stream_both_ways_loses_nothing() {
    const MESSAGES: usize = 20_000;
    for endpoint in endpoints() {
        let (context, one, other) = pair(endpoint, ZMQ_PAIR, ZMQ_PAIR);
        let echo = thread::spawn(move || {
            for _ in 0..MESSAGES {
                let message = one.try_recv(0).unwrap();
                one.try_send(&message, 0).unwrap();
            }
        });
        let (mut sent, mut received) = (0, 0);
        while received < MESSAGES {
            // Now a few, now many on their way.
            let window = [1, 10, 500][received / 1000 % 3];
            while sent < MESSAGES && sent < received + window {
                other.try_send(sent.to_string().as_bytes(), 0).unwrap();
                sent += 1;
            }
            assert_eq!(other.try_recv(0).unwrap(), received.to_string().as_bytes());
            received += 1;
        }
        echo.join().unwrap();
        context.end(&[one, other]);
    }
}

#[test]
fn what_nobody_waits_for_is_received_as_far_as_the_mark() {
    let (context, pull, push) = pair("tcp://127.0.0.1:0", ZMQ_PULL, ZMQ_PUSH);
    // Quick enough for the connection to stay with this thread.
    for _ in 0..100 {
        push.send(&["x"]);
        assert_eq!(pull.recv(), ["x"]);
    }
    let start = Instant::now();
    push.send(&["y"]);
    // No call that waits: the I/O thread has to take the connection back.
    while pull.int(ZMQ_EVENTS).unwrap() & ZMQ_POLLIN == 0 {
        assert!(start.elapsed() < Duration::from_secs(20));
    }
    assert_eq!(pull.recv(), ["y"]);
    context.end(&[push, pull]);
}

#[test]
fn a_publisher_hears_of_subscriptions_while_it_waits_for_something_else() {
    let (context, publisher, subscriber) = pair("tcp://127.0.0.1:0", ZMQ_XPUB, ZMQ_XSUB);
    for round in 0..100u8 {
        subscriber.try_send(&[1, round], 0).unwrap();
        assert_eq!(publisher.try_recv(0).unwrap(), [1, round]);
    }
    // Published with no call that receives in between.
    subscriber.try_send(&[1, 200], 0).unwrap();
    let start = Instant::now();
    while subscriber.try_recv(ZMQ_DONTWAIT).is_err() {
        assert!(start.elapsed() < Duration::from_secs(20));
        publisher.try_send(&[200], 0).unwrap();
    }
    context.end(&[subscriber, publisher]);
}

/// A thread that is about to wait, or does, for a message on a socket whose connection it reads from.
fn while_receiving(pull: Socket, push: Socket, then: impl FnOnce()) -> Result<Vec<u8>, i32> {
    let (ready, is_ready) = channel();
    let receiving = thread::spawn(move || {
        for _ in 0..20 {
            push.send(&["x"]);
            assert_eq!(pull.recv(), ["x"]);
        }
        ready.send(()).unwrap();
        pull.try_recv(0)
    });
    is_ready.recv().unwrap();
    then();
    receiving.join().unwrap()
}

#[test]
fn the_socket_is_closed_under_the_thread() {
    for endpoint in endpoints() {
        let (context, pull, push) = pair(endpoint, ZMQ_PULL, ZMQ_PUSH);
        assert_eq!(while_receiving(pull, push, || pull.close()), Err(libc::ENOTSOCK));
        context.end(&[push]);
    }
}

#[test]
fn the_context_ends_under_the_thread() {
    for endpoint in endpoints() {
        let (context, pull, push) = pair(endpoint, ZMQ_PULL, ZMQ_PUSH);
        assert_eq!(while_receiving(pull, push, || context.shutdown()), Err(Errno::TERM.0));
        context.end(&[pull, push]);
    }
}

#[test]
fn the_peer_goes_and_comes_again_under_the_thread() {
    let _addresses_are_free_at_once = no_child_begins();
    let (context, push, pull) = pair("tcp://127.0.0.1:0", ZMQ_PUSH, ZMQ_PULL);
    let name = push.last_endpoint();
    let again = || {
        push.close();
        let push = context.bound(ZMQ_PUSH, &name);
        push.send(&["y"]);
        push
    };
    let mut fresh = None;
    assert_eq!(while_receiving(pull, push, || fresh = Some(again())), Ok(b"y".to_vec()));
    context.end(&[pull, fresh.unwrap()]);
}

#[test]
fn the_time_runs_out_over_a_connection() {
    let (context, pull, push) = pair("tcp://127.0.0.1:0", ZMQ_PULL, ZMQ_PUSH);
    push.send(&["x"]);
    assert_eq!(pull.recv(), ["x"]);
    pull.set(ZMQ_RCVTIMEO, 20);
    let start = Instant::now();
    assert_eq!(pull.try_recv(0), Err(libc::EAGAIN));
    assert_eq!(zmq_errno(), libc::EAGAIN);
    assert!(start.elapsed() >= Duration::from_millis(20));
    context.end(&[push, pull]);
}

#[test]
fn a_signal_wakes_a_thread_that_reads() {
    let signal = Signal::Restarting.handle();
    let (context, pull, push) = pair("tcp://127.0.0.1:0", ZMQ_PULL, ZMQ_PUSH);
    push.send(&["x"]);
    assert_eq!(pull.recv(), ["x"]);
    let (sender, receiver) = channel();
    let receiving = thread::spawn(move || {
        sender.send(Target::own()).unwrap();
        pull.try_recv(0)
    });
    let target: Target = receiver.recv().unwrap();
    target.send_until_finished(signal, &receiving);
    assert_eq!(receiving.join().unwrap(), Err(libc::EINTR));
    context.end(&[push, pull]);
}

#[test]
fn a_descriptor_asked_for_late_is_not_late_itself() {
    let (context, pull, push) = pair("tcp://127.0.0.1:0", ZMQ_PULL, ZMQ_PUSH);
    for _ in 0..100 {
        push.send(&["x"]);
        assert_eq!(pull.recv(), ["x"]);
    }
    let fd = pull.int(ZMQ_FD).unwrap();
    while pull.int(ZMQ_EVENTS).unwrap() & ZMQ_POLLIN != 0 {}
    push.send(&["y"]);
    while pull.int(ZMQ_EVENTS).unwrap() & ZMQ_POLLIN == 0 {
        assert_eq!(poll(&mut [raw_item(fd, ZMQ_POLLIN)], PATIENCE_MS.into()), Ok(1));
    }
    assert_eq!(pull.recv(), ["y"]);
    context.end(&[push, pull]);
}

#[test]
fn a_socket_moves_from_thread_to_thread() {
    let (context, rep, req) = pair("tcp://127.0.0.1:0", ZMQ_REP, ZMQ_REQ);
    let server = thread::spawn(move || {
        for _ in 0..300 {
            let request = rep.recv();
            rep.send(&[&request[0]]);
        }
    });
    for _ in 0..30 {
        let client = thread::spawn(move || {
            for _ in 0..10 {
                req.send(&["x"]);
                assert_eq!(req.recv(), ["x"]);
            }
        });
        client.join().unwrap();
    }
    server.join().unwrap();
    context.end(&[req, rep]);
}

#[test]
fn a_full_stream_moves_on_while_the_thread_waits() {
    let (context, one, other) = pair("tcp://127.0.0.1:0", ZMQ_PAIR, ZMQ_PAIR);
    other.set(ZMQ_SNDHWM, 0);
    let big = vec![7; 1 << 20];
    for _ in 0..20 {
        one.send(&["x"]);
        assert_eq!(other.recv(), ["x"]);
    }
    // More than the kernel takes, and then a wait for an answer that comes only when all has arrived.
    for _ in 0..30 {
        other.try_send(&big, 0).unwrap();
    }
    let reader = thread::spawn(move || {
        for _ in 0..30 {
            one.try_recv(0).unwrap();
        }
        one.send(&["done"]);
    });
    assert_eq!(other.recv(), ["done"]);
    reader.join().unwrap();
    context.end(&[one, other]);
}

/// More than one call gets through, none of it a request, and then one.
#[test]
fn who_waits_comes_back_to_what_a_call_has_left_undone() {
    const JUNK: usize = 40_000;
    let wait_for_fd = |socket: Socket| {
        let fd = socket.int(ZMQ_FD).unwrap();
        let mut looks = 0;
        while socket.int(ZMQ_EVENTS).unwrap() & ZMQ_POLLIN == 0 {
            let mut items = [raw_item(fd, ZMQ_POLLIN)];
            assert_eq!(poll(&mut items, PATIENCE_MS.into()), Ok(1), "after {looks} looks");
            looks += 1;
        }
        assert!(looks > 2, "{looks}");
    };
    let wait_in_poll = |socket: Socket| {
        assert_eq!(poll(&mut [socket.item(ZMQ_POLLIN)], PATIENCE_MS.into()), Ok(1));
    };
    let look_in_vain = |socket: Socket| {
        let mut calls = 0;
        while poll(&mut [socket.item(ZMQ_POLLIN)], 0) == Ok(0) {
            calls += 1;
        }
        assert!(calls > 2, "{calls}");
    };
    let ways: [&dyn Fn(Socket); 4] = [&wait_for_fd, &wait_in_poll, &look_in_vain, &|_| {}];
    for wait in ways {
        let context = Context::new();
        let (rep, dealer) = (context.socket(ZMQ_REP), context.socket(ZMQ_DEALER));
        rep.set(ZMQ_RCVTIMEO, PATIENCE_MS);
        for socket in [rep, dealer] {
            socket.set(ZMQ_SNDHWM, 0);
            socket.set(ZMQ_RCVHWM, 0);
        }
        rep.bind("inproc://junk");
        dealer.connect("inproc://junk");
        (0..JUNK).for_each(|_| dealer.send(&["no request"]));
        dealer.send(&["", "request"]);
        wait(rep);
        assert_eq!(rep.recv(), ["request"]);
        context.end(&[rep, dealer]);
    }
}

/// Of a message whose free callback waits for a socket, if it runs in the thread that polls. The sender's thread frees the message
/// where the poller was the first to let go of it.
struct Freed {
    socket: Socket,
    poller: ThreadId,
    /// Whether the callback waits.
    begun: Sender<bool>,
    received: Sender<Result<Vec<u8>, c_int>>,
}

unsafe extern "C" fn receive_when_freed(_: *mut c_void, hint: *mut c_void) {
    // SAFETY: the hint is a `Freed` that outlives the message.
    let freed = unsafe { &*hint.cast::<Freed>() };
    let waits = thread::current().id() == freed.poller;
    freed.begun.send(waits).unwrap();
    if waits {
        freed.received.send(freed.socket.try_recv(0)).unwrap();
    }
}

#[test]
fn a_free_callback_inside_of_a_wait_receives_from_what_its_thread_had_borrowed() {
    static DATA: [u8; 20_000] = [b'x'; 20_000];
    let (context, pull, push) = pair("tcp://127.0.0.1:0", ZMQ_PULL, ZMQ_PUSH);
    let publisher = context.bound(ZMQ_XPUB, "inproc://dropped");
    let subscriber = context.connected(ZMQ_SUB, "inproc://dropped");
    // What does not begin with the topic comes all the same, and the subscriber drops it when it looks.
    publisher.set(ZMQ_XPUB_MANUAL, 1);
    subscriber.set_bytes(ZMQ_SUBSCRIBE, b"a");
    assert_eq!(publisher.recv(), ["\u{1}a"]);
    publisher.set_bytes(ZMQ_SUBSCRIBE, b"");
    let ((begun, began), (received, outcome)) = (channel(), channel());
    let freed = Freed { socket: pull, poller: thread::current().id(), begun, received };
    let hint = ptr::from_ref(&freed).expose_provenance();
    thread::scope(|scope| {
        scope.spawn(move || {
            // The thread has borrowed by the second time at the latest: it slept before.
            let mut rounds = 0;
            while rounds < 3 {
                let mut msg = MaybeUninit::uninit();
                let (data, hint) = (DATA.as_ptr().cast_mut().cast(), ptr::with_exposed_provenance_mut(hint));
                // SAFETY: constant bytes, which the callback leaves alone; the hint outlives the message.
                unsafe {
                    let msg = msg.as_mut_ptr();
                    assert_eq!(zmq_msg_init_data(msg, data, DATA.len(), Some(receive_when_freed), hint), 0);
                    assert_eq!(zmq_msg_send(msg, publisher.0, 0), 20_000);
                }
                if began.recv().unwrap() {
                    push.send(&["for the callback"]);
                    assert_eq!(outcome.recv().unwrap(), Ok(b"for the callback".to_vec()));
                    rounds += 1;
                }
            }
            publisher.send(&["a last one"]);
        });
        let mut items = [pull.item(ZMQ_POLLIN), subscriber.item(ZMQ_POLLIN)];
        assert_eq!(poll(&mut items, -1), Ok(1));
    });
    assert_eq!(subscriber.recv(), ["a last one"]);
    context.end(&[pull, push, publisher, subscriber]);
}
