//! Peers get equal shares of what a program sends, also those of an I/O thread that has no processor.

use crate::support::PATIENCE;
use crate::support::program::*;
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, ThreadId};
use std::time::Instant;

/// Above what a caller may write by itself under a low mark: so the I/O thread frees it.
const HELD_BYTES: usize = 64 * 1024;
static DATA: [u8; HELD_BYTES] = [b'x'; HELD_BYTES];

/// Messages that are sent until an I/O thread frees one.
const MAX_HELD_MESSAGES: usize = 2_000;

/// What the free callback does.
struct Hold {
    /// The thread that sends, and that releases.
    program: ThreadId,
    /// Whether another thread runs the callback.
    begun: Sender<bool>,
    release: Receiver<()>,
}

unsafe extern "C" fn hold(_data: *mut c_void, hint: *mut c_void) {
    // SAFETY: made by `hold_io_thread`, and given to one message.
    let hold = unsafe { Box::from_raw(hint.cast::<Hold>()) };
    // The thread that releases would wait for itself.
    let is_other = thread::current().id() != hold.program;
    // An error: the test has failed already.
    if hold.begun.send(is_other).is_ok() && is_other {
        // An error: the sender was dropped.
        let _ = hold.release.recv_timeout(PATIENCE * 2);
    }
}

/// Keeps the first I/O thread of the context from running until the sender is dropped: it frees a message that waits for that. `None`:
/// the program's thread freed every message.
fn hold_io_thread(context: Context) -> (Option<Sender<()>>, [Socket; 2]) {
    let (from, to) = (context.patient(ZMQ_PUSH), context.patient(ZMQ_PULL));
    for socket in [from, to] {
        socket.set_i64(ZMQ_AFFINITY, 1);
        socket.set(ZMQ_SNDHWM, 10);
    }
    from.connect(&to.bind_anywhere());
    for _ in 0..MAX_HELD_MESSAGES {
        let ((begun, has_begun), (sender, release)) = (channel(), channel());
        let hint = Box::into_raw(Box::new(Hold { program: thread::current().id(), begun, release })).cast();
        let mut msg = MaybeUninit::uninit();
        // SAFETY: constant bytes, which the callback leaves alone; the message is the library's once it was sent.
        unsafe {
            let msg = msg.as_mut_ptr();
            let data = DATA.as_ptr().cast_mut().cast();
            assert_eq!(zmq_msg_init_data(msg, data, HELD_BYTES, Some(hold), hint), 0);
            assert_eq!(zmq_msg_send(msg, from.0, 0), c_int::try_from(HELD_BYTES).unwrap());
        }
        if has_begun.recv_timeout(PATIENCE).unwrap() {
            return (Some(sender), [from, to]);
        }
        assert_eq!(to.recv()[0].len(), HELD_BYTES);
    }
    (None, [from, to])
}

/// What each peer of another context has received when one of them has a few pipes' worth.
fn shares(kinds: (c_int, c_int), send: impl Fn(Socket, usize) -> bool + Sync) -> [usize; 2] {
    const MOST: usize = 5_000;
    let (context, theirs) = (Context::new(), Context::new());
    assert_eq!(zmq_ctx_set(context.0, ZMQ_IO_THREADS, 2), 0);
    let to = [0, 1].map(|_| theirs.patient(kinds.1));
    let from = [1, 2].map(|affinity| {
        let socket = context.patient(kinds.0);
        socket.set_i64(ZMQ_AFFINITY, affinity);
        socket
    });
    for (from, to) in from.into_iter().zip(to) {
        from.connect(&to.bind_anywhere());
        from.send(&["connected"]);
        assert_eq!(to.recv(), ["connected"]);
    }
    let (held, others) = hold_io_thread(context);
    // A build without the extras of Linux may write more on the program's own thread: then no I/O thread can be held.
    assert!(held.is_some() || cfg!(feature = "portable"), "the program's thread freed every message");
    let (mut sent, start) = ([0; 2], Instant::now());
    thread::scope(|scope| {
        for socket in to {
            scope.spawn(move || while socket.recv() != ["last"] {});
        }
        while sent.iter().all(|&sent| sent < MOST) {
            assert!(start.elapsed() < PATIENCE, "{sent:?}");
            for (socket, sent) in from.into_iter().zip(&mut sent) {
                *sent += (0..32).take_while(|_| send(socket, *sent)).count();
            }
        }
        drop(held);
        from.iter().for_each(|socket| socket.send(&["last"]));
    });
    let mut sockets = from.to_vec();
    sockets.extend(others);
    context.end(&sockets);
    theirs.end(&to);
    sent
}

#[test]
fn peers_of_an_io_thread_without_a_processor_get_as_much_as_the_others() {
    let at_once = |socket: Socket, _| socket.try_send(b"x", ZMQ_DONTWAIT).is_ok();
    let when_told =
        |socket: Socket, sent| poll(&mut [socket.item(ZMQ_POLLOUT)], 0) == Ok(1) && at_once(socket, sent);
    for kinds in [(ZMQ_PUSH, ZMQ_PULL), (ZMQ_DEALER, ZMQ_DEALER), (ZMQ_PAIR, ZMQ_PAIR)] {
        for [held, other] in [shares(kinds, at_once), shares(kinds, when_told)] {
            assert!(held * 10 >= (held + other) / 2 * 9, "{held} and {other}");
        }
    }
}
