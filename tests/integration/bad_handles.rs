//! Handles that are none, sockets that two threads use at once, signals, forks, and a system that has nothing left.

use crate::support::bench::*;
use crate::support::process::{inside, test_name};
use crate::support::signals::{Signal, Target};
use std::ffi::{CString, c_int, c_void};
use std::net::TcpStream;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};
use zmq::errno::Errno;

/// A pointer that may go to another thread.
#[derive(Clone, Copy)]
struct Shared(*mut c_void);

// SAFETY: what it points at is only ever handed to functions that take it from any thread.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    fn get(self) -> *mut c_void {
        self.0
    }
}

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
        let mut note = |name, rc| calls.push((name, rc, errno()));
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
    let context = zmq_ctx_new();
    let (closed, twice) = (open(context, ZMQ_PULL), open(context, ZMQ_PUSH));
    let open_one = open(context, ZMQ_PAIR);
    assert_eq!((zmq_close(closed), zmq_close(twice)), (0, 0));
    assert_eq!((zmq_close(twice), errno()), (-1, libc::ENOTSOCK));
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
    let near = open_one.addr();
    let handles = [
        ptr::null_mut(),
        closed,
        twice,
        context,
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
        if handle != context {
            for rc in [
                zmq_ctx_term(handle),
                zmq_ctx_shutdown(handle),
                zmq_ctx_set(handle, 1, 1),
                zmq_ctx_get(handle, 1),
            ] {
                assert_eq!((rc, errno()), (-1, libc::EFAULT), "{handle:?}");
            }
            assert_eq!((zmq_socket(handle, ZMQ_PAIR), errno()), (ptr::null_mut(), libc::EFAULT));
        }
    }
    // The one that is a handle has come to no harm.
    set(open_one, ZMQ_LINGER, 5);
    assert_eq!(zmq_close(open_one), 0);
    // SAFETY: pointers to handles.
    unsafe {
        zmq_timers_destroy(&raw mut timers);
        zmq_poller_destroy(&raw mut poller);
        zmq_atomic_counter_destroy(&mut { counter });
        libc::munmap(unreadable, 4096);
    }
    assert_eq!(zmq_ctx_term(context), 0);
    assert_eq!((zmq_ctx_term(context), errno()), (-1, libc::EFAULT));
}

#[test]
fn two_threads_on_one_socket_take_turns() {
    for _ in 0..5 {
        let context = zmq_ctx_new();
        let (one, other) = (open(context, ZMQ_DEALER), open(context, ZMQ_DEALER));
        let endpoint = bind(one);
        connect(other, &endpoint);
        let (sent, received, closed) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
        let shared = Shared(one);
        std::thread::scope(|scope| {
            for kind in 0..6 {
                let (sent, received, closed, endpoint) = (&sent, &received, &closed, &endpoint);
                scope.spawn(move || {
                    let socket = shared.get();
                    loop {
                        let gone = closed.load(SeqCst);
                        let rc = match kind {
                            0 | 1 => {
                                send(socket, b"from one", ZMQ_DONTWAIT).map(|()| sent.fetch_add(1, SeqCst))
                            }
                            2 => recv(socket, ZMQ_DONTWAIT).map(|_| received.fetch_add(1, SeqCst)),
                            3 => recv(socket, 0).map(|_| received.fetch_add(1, SeqCst)),
                            4 => {
                                let value: c_int = 1000;
                                // SAFETY: an int and its size.
                                let rc = unsafe {
                                    zmq_setsockopt(socket, ZMQ_SNDHWM, (&raw const value).cast(), 4)
                                };
                                if rc < 0 { Err(errno()) } else { Ok(0) }
                            }
                            _ => {
                                let name = CString::new(endpoint.as_str()).unwrap();
                                // SAFETY: a C string.
                                let rc = unsafe {
                                    zmq_connect(socket, c"inproc://nowhere".as_ptr());
                                    zmq_disconnect(socket, c"inproc://nowhere".as_ptr());
                                    zmq_bind(socket, name.as_ptr())
                                };
                                assert_eq!(rc, -1);
                                if errno() == libc::EADDRINUSE { Ok(0) } else { Err(errno()) }
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
                send(other, b"to one", 0).unwrap();
                recv(other, 0).unwrap();
            }
            while received.load(SeqCst) < 300 {
                std::thread::yield_now();
            }
            assert_eq!(zmq_close(one), 0);
            closed.store(true, SeqCst);
        });
        assert!(sent.load(SeqCst) >= 300);
        assert_eq!((zmq_close(one), errno()), (-1, libc::ENOTSOCK));
        zmq_close(other);
        assert_eq!(zmq_ctx_term(context), 0);
    }
}

fn poll_one(socket: *mut c_void, events: i32) -> Result<c_int, i32> {
    let mut item = zmq_pollitem_t { socket, fd: -1, events: events as _, revents: 0 };
    // SAFETY: one item.
    let rc = unsafe { zmq_poll(&raw mut item, 1, -1) };
    if rc < 0 { Err(errno()) } else { Ok(rc) }
}

/// A way to wait for ever for a socket without peers.
type Wait = fn(*mut c_void) -> Result<(), i32>;

const WAITS: [Wait; 4] = [
    |socket| recv(socket, 0).map(drop),
    |socket| send(socket, b"x", 0),
    |socket| poll_one(socket, ZMQ_POLLIN).map(drop),
    |socket| poll_one(socket, ZMQ_POLLOUT).map(drop),
];

/// Has a thread wait in each way, calls `disturb` once it sleeps, and says what each wait came to.
fn disturbed(context: *mut c_void, disturb: impl Fn(*mut c_void, Target)) -> Vec<Result<(), i32>> {
    let wait_for_it = |wait: &Wait| {
        let socket = open(context, ZMQ_DEALER);
        set(socket, ZMQ_RCVTIMEO, -1);
        set(socket, ZMQ_SNDTIMEO, -1);
        let shared = Shared(socket);
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(move || {
                sender.send(Target::own()).unwrap();
                let outcome = wait(shared.get());
                zmq_close(shared.get());
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
    let context = zmq_ctx_new();
    let outcomes = disturbed(context, |socket, _| assert_eq!(zmq_close(socket), 0));
    assert_eq!(outcomes, [Err(libc::ENOTSOCK); 4]);
    assert_eq!(zmq_ctx_term(context), 0);
}

#[test]
fn a_context_that_ends_wakes_whoever_waits() {
    for (number, wait) in WAITS.iter().enumerate() {
        let context = zmq_ctx_new();
        let sockets: Vec<_> = (0..3).map(|_| Shared(open(context, ZMQ_DEALER))).collect();
        for socket in &sockets {
            set(socket.get(), ZMQ_RCVTIMEO, -1);
            set(socket.get(), ZMQ_SNDTIMEO, -1);
        }
        std::thread::scope(|scope| {
            let waiters: Vec<_> = sockets
                .iter()
                .map(|socket| {
                    scope.spawn(move || {
                        let socket = socket.get();
                        let outcome = wait(socket);
                        let again = wait(socket);
                        assert_eq!(zmq_close(socket), 0);
                        (outcome, again)
                    })
                })
                .collect();
            // Whether they sleep already or come later makes no difference.
            assert_eq!(zmq_ctx_term(context), 0);
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
    let context = zmq_ctx_new();
    let outcomes = disturbed(context, |_, target| target.send(signal));
    assert_eq!(outcomes, [Err(libc::EINTR); 4]);
    // The same for the end of a context that waits for its sockets.
    let socket = open(context, ZMQ_PAIR);
    let shared = Shared(context);
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(move || {
            sender.send(Target::own()).unwrap();
            let first = (zmq_ctx_term(shared.get()), errno());
            sender.send(Target::own()).unwrap();
            (first, zmq_ctx_term(shared.get()))
        });
        let target = receiver.recv().unwrap();
        target.until_asleep();
        target.send(signal);
        receiver.recv().unwrap();
        assert_eq!(zmq_close(socket), 0);
        assert_eq!(waiter.join().unwrap(), ((-1, libc::EINTR), 0));
    });
}

/// A message over tcp in a context of its own.
fn exchange() {
    let context = zmq_ctx_new();
    let (pull, push) = (open(context, ZMQ_PULL), open(context, ZMQ_PUSH));
    connect(push, &bind(pull));
    send(push, b"hello", 0).unwrap();
    assert_eq!(recv(pull, 0), Ok((b"hello".to_vec(), false)));
    zmq_close(pull);
    zmq_close(push);
    assert_eq!(zmq_ctx_term(context), 0);
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
                assert!(recv(bench.socket, ZMQ_DONTWAIT).is_err());
                assert_eq!(zmq_close(bench.socket), 0);
                assert_eq!((zmq_close(bench.socket), errno()), (-1, libc::ENOTSOCK));
                assert_eq!(zmq_ctx_term(bench.context), 0);
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

fn limit_descriptors(limit: u64) {
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
    let connecter = open(bench.context, ZMQ_PUSH);
    // What waits to be accepted has its descriptors before there are none left.
    let clients: Vec<_> = (0..5)
        // SAFETY: plain numbers.
        .map(|_| unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0) })
        .collect();
    // SAFETY: the lowest that is free.
    let lowest = unsafe { libc::dup(0) };
    // SAFETY: just made.
    unsafe { libc::close(lowest) };
    limit_descriptors(lowest as u64);
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
    connect(connecter, &bench.endpoint.clone());
    let other = zmq_ctx_new();
    assert!(zmq_socket(other, ZMQ_PULL).is_null());
    assert_eq!(errno(), libc::EMFILE);
    // SAFETY: a C string.
    assert_eq!(unsafe { zmq_bind(connecter, c"tcp://127.0.0.1:*".as_ptr()) }, -1);
    assert_eq!(errno(), libc::EMFILE);
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
    send(connecter, b"late", 0).unwrap();
    while bench.strays.is_empty() {
        bench.good();
    }
    assert_eq!(bench.strays[0], [b"late".to_vec()]);
    // SAFETY: ours.
    clients.iter().for_each(|client| assert_eq!(unsafe { libc::close(*client) }, 0));
    zmq_close(connecter);
    assert_eq!(zmq_ctx_term(other), 0);
}
