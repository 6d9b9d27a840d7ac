//! Large messages between sockets of one process, through the C interface: by whatever way they go, nobody can tell but by the time.

use crate::support::bench::*;
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

static FREED: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" fn freed(_data: *mut c_void, _hint: *mut c_void) {
    FREED.fetch_add(1, Ordering::SeqCst);
}

/// A pair over inproc.
fn pair(from: c_int, to: c_int, test: impl FnOnce(Socket, Socket)) {
    let context = Context::new();
    let (from, to) = (context.patient(from), context.patient(to));
    to.bind("inproc://handed over");
    from.connect("inproc://handed over");
    test(from, to);
    context.end(&[from, to]);
}

/// Sends `len` bytes of `byte` as a message; where they lie.
fn send(socket: Socket, byte: u8, len: usize, flags: c_int) -> *mut c_void {
    let mut msg = MaybeUninit::<zmq_msg_t>::uninit();
    // SAFETY: the message is made before it is used, and its bytes are written.
    unsafe {
        assert_eq!(zmq_msg_init_size(msg.as_mut_ptr(), len), 0);
        let data = zmq_msg_data(msg.as_mut_ptr());
        ptr::write_bytes(data.cast::<u8>(), byte, len);
        assert_eq!(zmq_msg_send(msg.as_mut_ptr(), socket.0, flags), c_int::try_from(len).unwrap());
        assert_eq!(zmq_msg_size(msg.as_ptr()), 0, "the empty message stays");
        assert_eq!(zmq_msg_close(msg.as_mut_ptr()), 0);
        data
    }
}

/// Receives a message: its bytes, where they lie, and whether more follow.
fn recv(socket: Socket) -> (Vec<u8>, *mut c_void, bool) {
    let mut msg = MaybeUninit::<zmq_msg_t>::uninit();
    // SAFETY: the message is made before it is used.
    unsafe {
        assert_eq!(zmq_msg_init(msg.as_mut_ptr()), 0);
        let size = zmq_msg_recv(msg.as_mut_ptr(), socket.0, 0);
        let data = zmq_msg_data(msg.as_mut_ptr());
        let bytes = std::slice::from_raw_parts(data.cast::<u8>(), usize::try_from(size).unwrap()).to_vec();
        let more = zmq_msg_more(msg.as_ptr()) == 1;
        assert_eq!(zmq_msg_close(msg.as_mut_ptr()), 0);
        (bytes, data, more)
    }
}

#[test]
fn messages_of_all_sizes_arrive_in_order_and_in_parts() {
    for (from, to) in [(ZMQ_PUSH, ZMQ_PULL), (ZMQ_PAIR, ZMQ_PAIR), (ZMQ_DEALER, ZMQ_ROUTER)] {
        pair(from, to, |from, to| {
            for number in 0..400u32 {
                let (byte, len) = (number as u8, [5, 2048, 2047, 9000, 100_000][number as usize % 5]);
                let at = send(from, byte, len, ZMQ_SNDMORE);
                // What was let go of would be found again by whoever copies.
                let mut holder = MaybeUninit::<zmq_msg_t>::uninit();
                // SAFETY: closed below.
                assert_eq!(unsafe { zmq_msg_init_size(holder.as_mut_ptr(), len) }, 0);
                send(from, byte, 3000, 0);
                if to.int(ZMQ_TYPE) == Ok(ZMQ_ROUTER) {
                    assert!(recv(to).2, "a routing id");
                }
                let (bytes, there, more) = recv(to);
                assert!(bytes == vec![byte; len] && more, "{number}");
                assert!(len < 2047 || (there == at) == (len >= 2048), "{number}: handed over, or copied");
                // SAFETY: made above.
                assert_eq!(unsafe { zmq_msg_close(holder.as_mut_ptr()) }, 0);
                let mut buffer = [0u8; 100];
                // SAFETY: a buffer of that length.
                let size = unsafe { zmq_recv(to.0, buffer.as_mut_ptr().cast(), buffer.len(), 0) };
                assert_eq!((size, buffer), (3000, [byte; 100]), "cut off, but told of");
            }
        });
    }
}

#[test]
fn a_lent_message_is_given_back_once_it_was_read() {
    static DATA: [u8; 4000] = [9; 4000];
    pair(ZMQ_PUSH, ZMQ_PULL, |from, to| {
        for number in 0..100 {
            let mut msg = MaybeUninit::<zmq_msg_t>::uninit();
            // SAFETY: constant bytes, which the callback leaves alone.
            unsafe {
                let data = DATA.as_ptr().cast_mut().cast();
                assert_eq!(zmq_msg_init_data(msg.as_mut_ptr(), data, 4000, Some(freed), ptr::null_mut()), 0);
                assert_eq!(zmq_msg_send(msg.as_mut_ptr(), from.0, 0), 4000);
                assert_eq!(FREED.load(Ordering::SeqCst), number, "not before");
            }
            let (bytes, at, more) = recv(to);
            assert!(bytes == DATA && at == DATA.as_ptr().cast_mut().cast() && !more);
            assert_eq!(FREED.load(Ordering::SeqCst), number + 1);
        }
    });
}
