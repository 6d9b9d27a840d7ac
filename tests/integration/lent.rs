//! Memory that a program lends to messages, while a call waits that holds some of it.

use crate::support::PATIENCE_MS;
use crate::support::program::{Context, Socket};
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;
use zmq::ffi::constants::*;
use zmq::ffi::{zmq_msg_close, zmq_msg_init, zmq_msg_init_data, zmq_msg_recv, zmq_msg_send, zmq_msg_t};
use zmq::options::number::{ZMQ_RCVTIMEO, ZMQ_SUBSCRIBE, ZMQ_XPUB_MANUAL};

const LEN: usize = 20_000;
static DATA: [u8; LEN] = [b'x'; LEN];

/// Says when the only buffer of a program is given back.
struct Buffer {
    back: Sender<()>,
    comes: Receiver<()>,
}

unsafe extern "C" fn give_back(_: *mut c_void, hint: *mut c_void) {
    // SAFETY: the hint is the sender of a `Buffer` that outlives the message.
    let _ = unsafe { &*hint.cast::<Sender<()>>() }.send(());
}

impl Buffer {
    fn new() -> Buffer {
        let (back, comes) = channel();
        Buffer { back, comes }
    }

    fn send(&self, socket: Socket) {
        let mut msg = MaybeUninit::uninit();
        let hint = ptr::from_ref(&self.back).cast_mut().cast();
        // SAFETY: constant bytes, which the callback leaves alone; the hint outlives the message.
        unsafe {
            let msg = msg.as_mut_ptr();
            assert_eq!(
                zmq_msg_init_data(msg, DATA.as_ptr().cast_mut().cast(), LEN, Some(give_back), hint),
                0
            );
            assert_eq!(zmq_msg_send(msg, socket.0, 0), LEN as c_int);
        }
    }

    fn wait(&self, what: &str) {
        assert!(self.comes.recv_timeout(Duration::from_millis(PATIENCE_MS as u64)).is_ok(), "{what}");
    }
}

/// Receives three messages. The program does not close the message in between.
fn receive_into_one(receiver: Socket) {
    let mut msg = MaybeUninit::<zmq_msg_t>::uninit();
    let msg = msg.as_mut_ptr();
    // SAFETY: a message of this thread's.
    unsafe {
        assert_eq!(zmq_msg_init(msg), 0);
        (0..3).for_each(|_| assert_eq!(zmq_msg_recv(msg, receiver.0, 0), LEN as c_int));
        assert_eq!(zmq_msg_close(msg), 0);
    }
}

#[test]
fn what_a_message_held_is_given_back_before_the_receiver_waits_for_the_next() {
    for (bound, connected) in [(ZMQ_PULL, ZMQ_PUSH), (ZMQ_PAIR, ZMQ_PAIR), (ZMQ_DEALER, ZMQ_DEALER)] {
        let context = Context::new();
        let receiver = context.bound(bound, "inproc://lent");
        let sender = context.connected(connected, "inproc://lent");
        receiver.set(ZMQ_RCVTIMEO, 2 * PATIENCE_MS);
        let buffer = Buffer::new();
        thread::scope(|scope| {
            scope.spawn(move || {
                receive_into_one(receiver);
            });
            for number in 0..3 {
                buffer.send(sender);
                buffer.wait(&format!("{bound} {number}"));
            }
        });
        context.end(&[receiver, sender]);
    }
}

#[test]
fn what_a_receiver_drops_is_given_back_while_it_waits() {
    let context = Context::new();
    let publisher = context.bound(ZMQ_XPUB, "inproc://unwanted");
    let subscriber = context.connected(ZMQ_SUB, "inproc://unwanted");
    subscriber.set(ZMQ_RCVTIMEO, 2 * PATIENCE_MS);
    // What does not begin with the topic comes all the same, and the subscriber drops it.
    publisher.set(ZMQ_XPUB_MANUAL, 1);
    subscriber.set_bytes(ZMQ_SUBSCRIBE, b"a");
    assert_eq!(publisher.recv(), ["\u{1}a"]);
    publisher.set_bytes(ZMQ_SUBSCRIBE, b"");
    let buffer = Buffer::new();
    thread::scope(|scope| {
        scope.spawn(move || assert_eq!(subscriber.recv(), ["a last one"]));
        for number in 0..3 {
            buffer.send(publisher);
            buffer.wait(&number.to_string());
        }
        publisher.send(&["a last one"]);
    });
    context.end(&[publisher, subscriber]);
}
