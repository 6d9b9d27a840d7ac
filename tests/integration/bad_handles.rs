//! Handles that are none, sockets that two threads use at once, signals, forks, and a system that has nothing left.

use crate::support::bench::*;
use crate::support::process::{inside, test_name};
use crate::support::signals::{Signal, Target};
use std::ffi::{c_int, c_void};
use std::net::TcpStream;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};
use zmq::errno::Errno;

/// Every call that takes a socket, with whatever else it needs in order.
fn calls_on_a_socket(socket: *mut c_void) -> Vec<(&'static str, c_int, i32)> {
    let (mut value, mut len) = (0 as c_int, size_of::<c_int>());
    let value_at: *mut c_void = (&raw mut value).cast();
    let mut item = zmq_pollitem_t { socket, fd: -1, events: ZMQ_POLLIN as _, revents: 0 };
    let mut msg = std::mem::MaybeUninit::<zmq_msg_t>::uninit();
    let msg = msg.as_mut_ptr();
    // SAFETY: all pointers but the socket are good.
    unsafe {
        zmq_msg_init(msg);
        let mut calls = Vec::new();
        let mut note = |name, rc| calls.push((name, rc, zmq_errno()));
        note("getsockopt", zmq_getsockopt(socket, ZMQ_LINGER, value_at, &raw mut len));
        note("setsockopt", zmq_setsockopt(socket, ZMQ_LINGER, value_at, len));
        note("bind", zmq_bind(socket, c"inproc://x".as_ptr()));
        note("connect", zmq_connect(socket, c"inproc://x".as_ptr()));
        note("unbind", zmq_unbind(socket, c"inproc://x".as_ptr()));
        note("disconnect", zmq_disconnect(socket, c"inproc://x".as_ptr()));
        note("send", zmq_send(socket, value_at, 4, ZMQ_DONTWAIT));
        note("send_const", zmq_send_const(socket, value_at, 0, ZMQ_DONTWAIT));
        note("recv", zmq_recv(socket, value_at, 4, ZMQ_DONTWAIT));
        note("msg_send", zmq_msg_send(msg, socket, ZMQ_DONTWAIT));
        note("msg_recv", zmq_msg_recv(msg, socket, ZMQ_DONTWAIT));
        note("monitor", zmq_socket_monitor(socket, ptr::null(), 0));
        note("poll", zmq_poll(&raw mut item, 1, 0));
        note("proxy", zmq_proxy(socket, socket, ptr::null_mut()));
        note("close", zmq_close(socket));
        zmq_msg_close(msg);
        calls
    }
}

#[test]
fn what_is_no_handle_is_told_so() {
    let context = Context::new();
    let (closed, twice) = (context.patient(ZMQ_PULL), context.patient(ZMQ_PUSH));
    let open_one = context.patient(ZMQ_PAIR);
    assert_eq!((zmq_close(closed.0), zmq_close(twice.0)), (0, 0));
    assert_eq!((zmq_close(twice.0), zmq_errno()), (-1, libc::ENOTSOCK));
    let on_the_stack = [0u64; 64];
    let on_the_heap = vec![0xffu8; 4096];
    let mut timers = zmq_timers_new();
    let counter = zmq_atomic_counter_new();
    let mut poller = zmq_poller_new();
    // SAFETY: a page that can be neither read nor written.
    let unreadable = unsafe {
        libc::mmap(ptr::null_mut(), 4096, libc::PROT_NONE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0)
    };
    let at = |number: usize| ptr::with_exposed_provenance_mut::<c_void>(number);
    let near = open_one.0.addr();
    let handles = [
        ptr::null_mut(),
        closed.0,
        twice.0,
        context.0,
        timers,
        counter,
        poller,
        unreadable,
        on_the_stack.as_ptr().cast_mut().cast(),
        on_the_heap.as_ptr().cast_mut().cast(),
        at(1),
        at(0x10),
        at(usize::MAX),
        at(usize::MAX / 2 + 1),
        at(0xbadd_ecaf),
        at(near + 1),
        at(near - 8),
        at(near + 8),
        at(near ^ 32),
        calls_on_a_socket as *mut c_void,
    ];
    for handle in handles {
        for _ in 0..2 {
            for (name, rc, errno) in calls_on_a_socket(handle) {
                let expected = match name {
                    // NULL means a descriptor there, and -1 none.
                    "poll" if handle.is_null() => rc == 0,
                    "proxy" if handle.is_null() => (rc, errno) == (-1, libc::EFAULT),
                    _ => (rc, errno) == (-1, libc::ENOTSOCK),
                };
                assert!(expected, "{name} {handle:?}: {rc} {errno}");
            }
        }
        if handle != context.0 {
            for rc in [
                zmq_ctx_term(handle),
                zmq_ctx_shutdown(handle),
                zmq_ctx_set(handle, 1, 1),
                zmq_ctx_get(handle, 1),
            ] {
                assert_eq!((rc, zmq_errno()), (-1, libc::EFAULT), "{handle:?}");
            }
            assert_eq!((zmq_socket(handle, ZMQ_PAIR), zmq_errno()), (ptr::null_mut(), libc::EFAULT));
        }
    }
    // The one that is a handle has come to no harm.
    open_one.set(ZMQ_LINGER, 5);
    open_one.close();
    // SAFETY: pointers to handles.
    unsafe {
        zmq_timers_destroy(&raw mut timers);
        zmq_poller_destroy(&raw mut poller);
        zmq_atomic_counter_destroy(&mut { counter });
        libc::munmap(unreadable, 4096);
    }
    context.term();
    assert_eq!((zmq_ctx_term(context.0), zmq_errno()), (-1, libc::EFAULT));
}

#[test]
fn two_threads_on_one_socket_take_turns() {
    for _ in 0..5 {
        let context = Context::new();
        let (one, other) = (context.patient(ZMQ_DEALER), context.patient(ZMQ_DEALER));
        let endpoint = one.bind_anywhere();
        other.connect(&endpoint);
        let (sent, received, closed) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for kind in 0..6 {
                let (sent, received, closed, endpoint) = (&sent, &received, &closed, &endpoint);
                scope.spawn(move || {
                    loop {
                        let gone = closed.load(SeqCst);
                        let rc = match kind {
                            0 | 1 => {
                                one.try_send(b"from one", ZMQ_DONTWAIT).map(|()| sent.fetch_add(1, SeqCst))
                            }
                            2 => one.try_frame(ZMQ_DONTWAIT).map(|_| received.fetch_add(1, SeqCst)),
                            3 => one.try_frame(0).map(|_| received.fetch_add(1, SeqCst)),
                            4 => one.try_set(ZMQ_SNDHWM, &c_int::to_ne_bytes(1000)).map(|()| 0),
                            _ => {
                                let _ = one.try_connect("inproc://nowhere");
                                // SAFETY: a C string.
                                unsafe { zmq_disconnect(one.0, c"inproc://nowhere".as_ptr()) };
                                match one.try_bind(endpoint).unwrap_err() {
                                    libc::EADDRINUSE => Ok(0),
                                    errno => Err(errno),
                                }
                            }
                        };
                        match rc {
                            Ok(_) | Err(libc::EAGAIN) => assert!(!gone, "{kind}"),
                            Err(errno) => {
                                assert_eq!(errno, libc::ENOTSOCK, "{kind}");
                                return;
                            }
                        }
                    }
                });
            }
            // Exchanges go on all the while.
            for _ in 0..300 {
                other.try_send(b"to one", 0).unwrap();
                other.try_frame(0).unwrap();
            }
            while received.load(SeqCst) < 300 {
                std::thread::yield_now();
            }
            one.close();
            closed.store(true, SeqCst);
        });
        assert!(sent.load(SeqCst) >= 300);
        assert_eq!((zmq_close(one.0), zmq_errno()), (-1, libc::ENOTSOCK));
        other.close();
        context.term();
    }
}

/// A way to wait for ever for a socket without peers.
type Wait = fn(Socket) -> Result<(), i32>;

const WAITS: [Wait; 4] = [
    |socket| socket.try_frame(0).map(drop),
    |socket| socket.try_send(b"x", 0),
    |socket| poll(&mut [socket.item(ZMQ_POLLIN)], -1).map(drop),
    |socket| poll(&mut [socket.item(ZMQ_POLLOUT)], -1).map(drop),
];

/// Has a thread wait in each way, calls `disturb` once it sleeps, and says what each wait came to.
fn disturbed(context: Context, disturb: impl Fn(Socket, Target)) -> Vec<Result<(), i32>> {
    let wait_for_it = |wait: &Wait| {
        let socket = context.patient(ZMQ_DEALER);
        socket.set(ZMQ_RCVTIMEO, -1);
        socket.set(ZMQ_SNDTIMEO, -1);
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(move || {
                sender.send(Target::own()).unwrap();
                let outcome = wait(socket);
                zmq_close(socket.0);
                outcome
            });
            let target: Target = receiver.recv().unwrap();
            target.until_asleep();
            disturb(socket, target);
            waiter.join().unwrap()
        })
    };
    WAITS.iter().map(wait_for_it).collect()
}

#[test]
fn a_socket_that_is_closed_wakes_whoever_waits_for_it() {
    let context = Context::new();
    let outcomes = disturbed(context, |socket, _| socket.close());
    assert_eq!(outcomes, [Err(libc::ENOTSOCK); 4]);
    context.term();
}

#[test]
fn a_context_that_ends_wakes_whoever_waits() {
    for (number, wait) in WAITS.iter().enumerate() {
        let context = Context::new();
        let sockets: Vec<_> = (0..3).map(|_| context.patient(ZMQ_DEALER)).collect();
        for socket in &sockets {
            socket.set(ZMQ_RCVTIMEO, -1);
            socket.set(ZMQ_SNDTIMEO, -1);
        }
        std::thread::scope(|scope| {
            let waiters: Vec<_> = sockets
                .iter()
                .map(|socket| {
                    scope.spawn(move || {
                        let outcome = wait(*socket);
                        let again = wait(*socket);
                        socket.close();
                        (outcome, again)
                    })
                })
                .collect();
            // Whether they sleep already or come later makes no difference.
            context.term();
            for waiter in waiters {
                let term = Err(Errno::TERM.0);
                assert_eq!(waiter.join().unwrap(), (term, term), "{number}");
            }
        });
    }
}

#[test]
fn a_signal_ends_a_wait() {
    let signal = Signal::Plain.handle();
    let context = Context::new();
    let outcomes = disturbed(context, |_, target| target.send(signal));
    assert_eq!(outcomes, [Err(libc::EINTR); 4]);
    // The same for the end of a context that waits for its sockets.
    let socket = context.patient(ZMQ_PAIR);
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(move || {
            sender.send(Target::own()).unwrap();
            let first = context.try_term();
            sender.send(Target::own()).unwrap();
            (first, context.try_term())
        });
        let target = receiver.recv().unwrap();
        target.until_asleep();
        target.send(signal);
        receiver.recv().unwrap();
        socket.close();
        assert_eq!(waiter.join().unwrap(), (Err(libc::EINTR), Ok(())));
    });
}

/// A message over tcp in a context of its own.
fn exchange() {
    let context = Context::new();
    let (pull, push) = (context.patient(ZMQ_PULL), context.patient(ZMQ_PUSH));
    push.connect(&pull.bind_anywhere());
    push.try_send(b"hello", 0).unwrap();
    assert_eq!(pull.try_frame(0), Ok((b"hello".to_vec(), false)));
    pull.close();
    push.close();
    context.term();
}

#[test]
fn a_forked_child_lets_go_and_starts_afresh() {
    if !inside(test_name!(a_forked_child_lets_go_and_starts_afresh)) {
        return;
    }
    let mut bench = Bench::pull();
    for _ in 0..5 {
        // SAFETY: the child runs on with this thread alone, which holds no lock.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let fine = std::panic::catch_unwind(|| {
                assert!(bench.socket.try_frame(ZMQ_DONTWAIT).is_err());
                bench.socket.close();
                assert_eq!((zmq_close(bench.socket.0), zmq_errno()), (-1, libc::ENOTSOCK));
                bench.context.term();
                exchange();
                exchange();
            });
            // SAFETY: ends the child without running anything of the parent's.
            unsafe { libc::_exit(c_int::from(fine.is_err())) };
        }
        bench.good();
        let mut status = 0;
        // SAFETY: a place for the result.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0);
        bench.good();
    }
}

fn limit_descriptors(limit: libc::rlim_t) {
    let limits = libc::rlimit { rlim_cur: limit, rlim_max: 4096 };
    // SAFETY: a valid struct.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limits) }, 0);
}

fn cpu_time() -> Duration {
    // SAFETY: a zeroed timespec is a valid place for the result.
    unsafe {
        let mut time: libc::timespec = std::mem::zeroed();
        assert_eq!(libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time), 0);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }
}

#[test]
fn a_process_without_descriptors_neither_dies_nor_spins() {
    if !inside(test_name!(a_process_without_descriptors_neither_dies_nor_spins)) {
        return;
    }
    let mut bench = Bench::pull();
    let connecter = bench.context.patient(ZMQ_PUSH);
    // What waits to be accepted has its descriptors before there are none left.
    let clients: Vec<_> = (0..5)
        // SAFETY: plain numbers.
        .map(|_| unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0) })
        .collect();
    // SAFETY: the lowest that is free.
    let lowest = unsafe { libc::dup(0) };
    // SAFETY: just made.
    unsafe { libc::close(lowest) };
    limit_descriptors(lowest as libc::rlim_t);
    assert_eq!(TcpStream::connect("127.0.0.1:1").unwrap_err().raw_os_error(), Some(libc::EMFILE));
    let port: u16 = bench.endpoint.rsplit(':').next().unwrap().parse().unwrap();
    for client in &clients {
        // SAFETY: a zeroed address is valid, its fields are set, and its length is right.
        unsafe {
            let mut address: libc::sockaddr_in = std::mem::zeroed();
            address.sin_family = libc::AF_INET as _;
            address.sin_port = port.to_be();
            address.sin_addr.s_addr = u32::from_ne_bytes([127, 0, 0, 1]);
            let len = size_of::<libc::sockaddr_in>() as _;
            assert_eq!(libc::connect(*client, (&raw const address).cast(), len), 0);
        }
    }
    assert_eq!(bench.wait_for(ZMQ_EVENT_ACCEPT_FAILED), libc::EMFILE as u32);
    connecter.connect(&bench.endpoint);
    let other = Context::new();
    assert!(zmq_socket(other.0, ZMQ_PULL).is_null());
    assert_eq!(zmq_errno(), libc::EMFILE);
    assert_eq!(connecter.try_bind("tcp://127.0.0.1:*"), Err(libc::EMFILE));
    let (cpu, start) = (cpu_time(), Instant::now());
    let mut failures = 0;
    while start.elapsed() < Duration::from_secs(1) {
        bench.good();
        while bench.event(50).is_some() {
            failures += 1;
        }
    }
    let cpu = cpu_time() - cpu;
    assert!(cpu < Duration::from_millis(400), "{cpu:?} {failures}");
    assert!((1..100).contains(&failures), "{failures}");
    // As soon as there are some, all goes on.
    limit_descriptors(4096);
    for _ in &clients {
        bench.wait_for(ZMQ_EVENT_ACCEPTED);
    }
    connecter.try_send(b"late", 0).unwrap();
    while bench.strays.is_empty() {
        bench.good();
    }
    assert_eq!(bench.strays[0], [b"late".to_vec()]);
    // SAFETY: ours.
    clients.iter().for_each(|client| assert_eq!(unsafe { libc::close(*client) }, 0));
    connecter.close();
    other.term();
}
