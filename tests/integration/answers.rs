//! What calls answer where they fail or make no sense, as programs know it from libzmq.

use crate::support::bench::*;
use std::ffi::{CString, c_int, c_void};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::ptr;
use std::sync::{Mutex, mpsc};
use std::time::Duration;

/// Runs `test` on a socket of this type, in a context of its own.
fn with(kind: c_int, test: impl FnOnce(Context, Socket)) {
    let context = Context::new();
    let socket = context.patient(kind);
    test(context, socket);
    socket.close();
    context.term();
}

#[test]
fn null_is_no_endpoint_to_unbind_but_the_end_of_the_context_comes_first() {
    with(ZMQ_PAIR, |context, socket| {
        // SAFETY: NULL is allowed.
        unsafe {
            assert_eq!((zmq_unbind(socket.0, ptr::null()), zmq_errno()), (-1, libc::EINVAL));
            assert_eq!((zmq_disconnect(socket.0, ptr::null()), zmq_errno()), (-1, libc::EINVAL));
            context.shutdown();
            assert_eq!((zmq_disconnect(socket.0, ptr::null()), zmq_errno()), (-1, zmq::errno::Errno::TERM.0));
        }
    });
}

#[test]
fn that_there_is_no_room_for_a_socket_is_said_before_that_there_is_no_such_type() {
    with(ZMQ_PAIR, |context, _| {
        assert!(zmq_socket(context.0, 99).is_null());
        assert_eq!(zmq_errno(), libc::EINVAL);
    });
    let context = Context::new();
    assert_eq!(zmq_ctx_set(context.0, ZMQ_MAX_SOCKETS, 1), 0);
    let socket = context.patient(ZMQ_PAIR);
    assert!(zmq_socket(context.0, 99).is_null());
    assert_eq!(zmq_errno(), libc::EMFILE);
    assert_eq!((zmq_close(socket.0), zmq_ctx_term(context.0)), (0, 0));
}

/// Whether another thread can use the socket of `hint` while its callback runs.
static UNLOCKED: Mutex<Vec<bool>> = Mutex::new(Vec::new());

unsafe extern "C" fn use_socket(_: *mut c_void, hint: *mut c_void) {
    let (socket, (sender, receiver)) = (Socket(hint), mpsc::channel());
    std::thread::spawn(move || {
        let _ = sender.send(socket.int(ZMQ_TYPE) == Ok(ZMQ_PAIR));
    });
    let used = receiver.recv_timeout(Duration::from_secs(10)) == Ok(true);
    UNLOCKED.lock().unwrap().push(used);
}

#[test]
fn what_a_message_held_before_it_is_received_into_is_given_back_with_the_socket_unlocked() {
    with(ZMQ_PAIR, |context, socket| {
        let peer = context.patient(ZMQ_PAIR);
        socket.bind("inproc://held");
        peer.connect("inproc://held");
        for size in [0, 8, 100] {
            let mut msg = MaybeUninit::<zmq_msg_t>::uninit();
            let msg = msg.as_mut_ptr();
            let mut data = [0u8; 100];
            // SAFETY: a message of ours, of bytes that outlive it.
            unsafe {
                assert_eq!(
                    zmq_msg_init_data(msg, data.as_mut_ptr().cast(), size, Some(use_socket), socket.0),
                    0
                );
                assert_eq!(zmq_send(peer.0, b"x".as_ptr().cast(), 1, 0), 1);
                // Once for the command, which goes the long way.
                assert_eq!(zmq_send(peer.0, b"y".as_ptr().cast(), 1, 0), 1);
                let mut first = 0u8;
                assert_eq!(zmq_recv(socket.0, (&raw mut first).cast(), 1, 0), 1);
                assert_eq!((zmq_msg_recv(msg, socket.0, 0), zmq_msg_close(msg)), (1, 0));
            }
        }
        peer.close();
    });
    assert_eq!(*UNLOCKED.lock().unwrap(), [true; 3]);
}

#[test]
fn a_message_outlives_a_receive_that_the_socket_cannot_do_at_all() {
    for (kind, left) in [(ZMQ_PUSH, 40), (ZMQ_REQ, 40), (ZMQ_PULL, 0)] {
        with(kind, |_, socket| {
            let mut msg = MaybeUninit::<zmq_msg_t>::uninit();
            let msg = msg.as_mut_ptr();
            // SAFETY: a message of ours.
            unsafe {
                assert_eq!(zmq_msg_init_size(msg, 40), 0);
                assert_eq!(zmq_msg_recv(msg, socket.0, ZMQ_DONTWAIT), -1);
                assert_eq!(zmq_msg_size(msg), left, "type {kind}");
                assert_eq!(zmq_msg_close(msg), 0);
            }
        });
    }
}

#[test]
fn a_message_that_could_not_be_sent_says_whether_it_was_a_part() {
    with(ZMQ_PUSH, |_, socket| {
        let mut msg = MaybeUninit::<zmq_msg_t>::uninit();
        let msg = msg.as_mut_ptr();
        // SAFETY: a message of ours.
        unsafe {
            assert_eq!(zmq_msg_init_size(msg, 3), 0);
            assert_eq!(zmq_msg_send(msg, socket.0, ZMQ_DONTWAIT | ZMQ_SNDMORE), -1);
            assert_eq!((zmq_msg_size(msg), zmq_msg_more(msg)), (3, 1));
            assert_eq!(zmq_msg_send(msg, socket.0, ZMQ_DONTWAIT), -1);
            assert_eq!((zmq_msg_size(msg), zmq_msg_more(msg)), (3, 0));
            assert_eq!(zmq_msg_close(msg), 0);
        }
    });
}

#[test]
fn a_mark_changed_before_anybody_was_bound_counts_on_top_of_the_binders() {
    with(ZMQ_PULL, |context, late| {
        let early = context.patient(ZMQ_PUSH);
        early.connect("inproc://marks");
        late.set(ZMQ_RCVHWM, 2);
        // SAFETY: C strings and a slice.
        unsafe {
            assert_eq!(zmq_bind(late.0, c"inproc://marks".as_ptr()), 0);
            early.set(ZMQ_SNDHWM, 1);
            let sent =
                (0..10).take_while(|_| zmq_send(early.0, c"x".as_ptr().cast(), 1, ZMQ_DONTWAIT) == 1).count();
            assert_eq!(sent, 3);
        }
        early.close();
    });
}

/// Has `socket` connect to a port where nobody listens, and waits until it knows.
fn connect_in_vain(context: Context, socket: Socket) -> CString {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoint = CString::new(format!("tcp://127.0.0.1:{port}")).unwrap();
    let events = CString::new(format!("inproc://events-{port}")).unwrap();
    let monitor = context.patient(ZMQ_PAIR);
    // SAFETY: C strings.
    unsafe {
        assert_eq!(zmq_socket_monitor(socket.0, events.as_ptr(), ZMQ_EVENT_CLOSED), 0);
        assert_eq!(zmq_connect(monitor.0, events.as_ptr()), 0);
        assert_eq!(zmq_connect(socket.0, endpoint.as_ptr()), 0);
        monitor.try_frames(0).unwrap();
        assert_eq!(zmq_socket_monitor(socket.0, ptr::null(), 0), 0);
    }
    monitor.close();
    endpoint
}

#[test]
fn an_endpoint_whose_only_attempt_has_failed_takes_messages_until_it_is_disconnected() {
    for interval_ms in [0, -1] {
        with(ZMQ_PUSH, |context, socket| {
            socket.set(ZMQ_RECONNECT_IVL, interval_ms);
            let endpoint = connect_in_vain(context, socket);
            // The I/O thread is done with the first once it has told of the second.
            let other = context.patient(ZMQ_PUSH);
            connect_in_vain(context, other);
            // SAFETY: C strings.
            unsafe {
                let send = || zmq_send(socket.0, c"x".as_ptr().cast(), 1, ZMQ_DONTWAIT);
                assert_eq!(send(), 1);
                assert_eq!(zmq_disconnect(socket.0, endpoint.as_ptr()), 0);
                assert_eq!((send(), zmq_errno()), (-1, libc::EAGAIN));
                assert_eq!((zmq_disconnect(socket.0, endpoint.as_ptr()), zmq_errno()), (-1, libc::ENOENT));
            }
            other.close();
        });
    }
}

#[test]
fn a_version_of_events_that_nobody_knows_is_taken_and_nothing_is_told() {
    with(ZMQ_PUSH, |context, socket| {
        let name = c"inproc://events".as_ptr();
        let monitor = context.patient(ZMQ_PAIR);
        // SAFETY: C strings.
        unsafe {
            let tcp = c"tcp://127.0.0.1:*".as_ptr();
            assert_eq!(
                (zmq_socket_monitor_versioned(socket.0, tcp, 1, 3, 0), zmq_errno()),
                (-1, libc::EPROTONOSUPPORT)
            );
            assert_eq!(zmq_socket_monitor_versioned(socket.0, name, 0xffff, 3, ZMQ_PAIR), 0);
            assert_eq!(zmq_connect(monitor.0, name), 0);
            assert_eq!(zmq_bind(socket.0, tcp), 0);
            assert_eq!(monitor.try_frames(ZMQ_DONTWAIT), Err(libc::EAGAIN));
        }
        monitor.close();
    });
}

#[test]
fn whether_more_follows_is_told_of_the_last_frame_received_whatever_comes_between() {
    with(ZMQ_PAIR, |context, socket| {
        let peer = context.patient(ZMQ_PAIR);
        let more = |socket: Socket, room: usize| {
            let (mut told, mut len) = ([-1; 2], room);
            // SAFETY: room for two numbers.
            let rc = unsafe { zmq_getsockopt(socket.0, ZMQ_RCVMORE, told.as_mut_ptr().cast(), &raw mut len) };
            if rc == 0 { Ok((told[0], len)) } else { Err(zmq_errno()) }
        };
        // SAFETY: strings and buffers of ours.
        unsafe {
            assert_eq!(zmq_bind(socket.0, c"inproc://more".as_ptr()), 0);
            assert_eq!(zmq_connect(peer.0, c"inproc://more".as_ptr()), 0);
            assert_eq!(more(socket, 4), Ok((0, 4)));
            for flags in [ZMQ_SNDMORE, ZMQ_SNDMORE, 0] {
                assert_eq!(zmq_send(peer.0, ptr::null(), 0, flags), 0);
            }
            let mut byte = 0u8;
            for expected in [1, 1, 0] {
                assert_eq!(zmq_recv(socket.0, (&raw mut byte).cast(), 1, 0), 0);
                assert_eq!(more(socket, 4), Ok((expected, 4)));
                // What is sent, or not received, changes nothing.
                assert_eq!(zmq_send(socket.0, ptr::null(), 0, 0), 0);
                assert_eq!(more(socket, 8), Ok((expected, 4)));
            }
            assert_eq!(zmq_recv(socket.0, (&raw mut byte).cast(), 1, ZMQ_DONTWAIT), -1);
            assert_eq!(more(socket, 4), Ok((0, 4)));
            assert_eq!(more(socket, 3), Err(libc::EINVAL));
            context.shutdown();
            assert_eq!(zmq_recv(socket.0, (&raw mut byte).cast(), 1, 0), -1);
            assert_eq!(more(socket, 4), Err(zmq::errno::Errno::TERM.0));
        }
        peer.close();
        assert_eq!(more(peer, 4), Err(libc::ENOTSOCK));
    });
}

#[test]
fn options_count_until_a_call_has_said_that_the_context_ends() {
    // It could not end otherwise: nothing takes the message, which may be sent for ever.
    let context = Context::new();
    let socket = context.patient(ZMQ_PUSH);
    socket.set(ZMQ_LINGER, -1);
    socket.connect("tcp://127.0.0.1:9");
    socket.send(&["never heard"]);
    context.shutdown();
    socket.set(ZMQ_RCVHWM, 5);
    socket.set(ZMQ_LINGER, 0);
    assert_eq!(socket.int(ZMQ_LINGER), Ok(0));
    socket.close();
    context.term();

    let context = Context::new();
    let socket = context.patient(ZMQ_PUSH);
    context.shutdown();
    assert_eq!(socket.int(ZMQ_EVENTS), Err(zmq::errno::Errno::TERM.0));
    assert_eq!(socket.try_set(ZMQ_LINGER, &0_i32.to_ne_bytes()), Err(zmq::errno::Errno::TERM.0));
    assert_eq!(socket.int(ZMQ_LINGER), Err(zmq::errno::Errno::TERM.0));
    socket.close();
    context.term();
}

#[test]
fn a_wildcard_stands_for_no_other_endpoint() {
    with(ZMQ_PAIR, |_, socket| {
        let port = socket.try_bind("tcp://127.0.0.1:*").unwrap().rsplit_once(':').unwrap().1.to_owned();
        for wildcard in ["*", "0.0.0.0"] {
            assert_eq!(socket.try_disconnect(&format!("tcp://{wildcard}:{port}")), Err(libc::ENOENT));
        }
        socket.unbind(&format!("tcp://127.0.0.1:{port}"));
    });
}

#[test]
fn a_message_at_any_address_is_sent_and_received() {
    with(ZMQ_PAIR, |context, socket| {
        let peer = context.patient(ZMQ_PAIR);
        socket.bind("inproc://anywhere");
        peer.connect("inproc://anywhere");
        let mut memory = [0_u8; 72];
        for (offset, len) in (0..8).flat_map(|offset| [0, 7, 41, 10_000].map(|len| (offset, len))) {
            let at = (&raw mut memory).cast::<u8>().wrapping_add(offset).cast::<zmq_msg_t>();
            let size = c_int::try_from(len).unwrap();
            // SAFETY: room for a message, and two sockets.
            unsafe {
                assert_eq!(zmq_msg_init_size(at, len), 0);
                zmq_msg_data(at).write_bytes(7, len);
                assert_eq!((zmq_msg_send(at, socket.0, 0), zmq_msg_size(at)), (size, 0));
                assert_eq!((zmq_msg_recv(at, peer.0, 0), zmq_msg_size(at)), (size, len));
                let data = std::slice::from_raw_parts(zmq_msg_data(at).cast::<u8>(), len);
                assert!(data.iter().all(|byte| *byte == 7));
                assert_eq!(zmq_msg_close(at), 0);
            }
        }
        peer.close();
    });
}
