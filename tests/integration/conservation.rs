//! Every message that a program hands in is found in exactly one place, as `zmq_ferro_stats` tells it: received by the other
//! program, dropped for a reason, queued, or on its way between two connections.
//!
//! The patterns alone, with peers that go at any moment, are tried in `pattern::conservation_tests`. Here are real transports, and in
//! `conserved_through_faults` connections that are cut. A new socket type does not compile before it says what it is tried with.

use crate::support::program::*;
use crate::support::{PATIENCE, random::Random};
use serde_json::Value;
use std::ffi::{c_char, c_int};
use std::mem::MaybeUninit;
use std::time::Instant;
use zmq::options::SocketType;
use zmq::options::draft_number::ZMQ_TOPICS_COUNT;

const TRANSPORTS: [&str; 4] =
    ["inproc://conserved", "tcp://127.0.0.1:*", "ipc://*", "ws://127.0.0.1:*/conserved"];
const STEPS: usize = 300;

/// Marks and options under which traffic is tried.
const VARIANTS: [&[(c_int, c_int)]; 4] = [
    &[],
    &[(ZMQ_SNDHWM, 2), (ZMQ_RCVHWM, 3)],
    &[(ZMQ_CONFLATE, 1)],
    &[(ZMQ_SNDHWM, 1), (ZMQ_RCVHWM, 1), (ZMQ_SNDBUF, 4096), (ZMQ_RCVBUF, 4096)],
];

/// The type at the other end; `None`: it is tried as the other end of another type, or has no such peers.
pub fn partner(socket_type: SocketType) -> Option<SocketType> {
    use SocketType::*;
    match socket_type {
        Pair => Some(Pair),
        Push => Some(Pull),
        Dealer => Some(Router),
        Router => Some(Dealer),
        Req => Some(Rep),
        Pub => Some(Sub),
        Xpub => Some(Xsub),
        Client => Some(Server),
        Scatter => Some(Gather),
        Channel => Some(Channel),
        Radio => Some(Dish),
        // The other ends.
        Pull | Rep | Sub | Xsub | Server | Gather | Dish => None,
        // A PEER names its peers in a call of its own, a STREAM's are no sockets, and datagrams may be lost.
        Peer | Stream | Dgram => None,
    }
}

/// Two sockets, and what was handed in and received.
struct Traffic {
    context: Context,
    sockets: [(Socket, SocketType); 2],
    random: Random,
    handed_in: u64,
    received: u64,
    /// The id of the last client that was heard.
    client: u32,
}

impl Traffic {
    fn new(transport: &str, types: [SocketType; 2], options: &[(c_int, c_int)], seed: u64) -> Traffic {
        let context = Context::new();
        let [bound, connected] = types.map(|socket_type| {
            let socket = context.socket(socket_type as c_int);
            options.iter().for_each(|&(option, value)| socket.set(option, value));
            match socket_type {
                SocketType::Sub => socket.set_bytes(ZMQ_SUBSCRIBE, b"a"),
                // SAFETY: a C string.
                SocketType::Dish => assert_eq!(unsafe { zmq_join(socket.0, c"a".as_ptr()) }, 0),
                SocketType::Dealer => socket.set_bytes(ZMQ_ROUTING_ID, b"dealer"),
                _ => {}
            }
            socket
        });
        let endpoint = bound.try_bind(transport).unwrap();
        connected.connect(&endpoint);
        if types[1] == SocketType::Xsub {
            connected.try_send(b"\x01a", 0).unwrap();
        }
        let start = Instant::now();
        while matches!(types[0], SocketType::Pub | SocketType::Xpub) && bound.int(ZMQ_TOPICS_COUNT) != Ok(1) {
            // That has the socket look at what its peers say.
            bound.int(ZMQ_EVENTS).unwrap();
            assert!(start.elapsed() < PATIENCE, "no subscription");
        }
        let sockets = [(bound, types[0]), (connected, types[1])];
        Traffic { context, sockets, random: Random::seeded(seed), handed_in: 0, received: 0, client: 0 }
    }

    fn send(&mut self, place: usize) {
        let (socket, socket_type) = self.sockets[place];
        let topic = ["a", "ab", "b"][self.random.below(3)];
        let parts = 1 + self.random.below(3);
        let body = vec![b'x'; [0, 50, 300, 9000][self.random.below(4)]];
        let sent = match socket_type {
            SocketType::Server | SocketType::Radio => self.send_message(socket, topic, &body),
            SocketType::Client | SocketType::Scatter | SocketType::Channel => {
                socket.try_send(&body, ZMQ_DONTWAIT)
            }
            SocketType::Router => {
                let name: &[u8] = if topic == "b" { b"unknown" } else { b"dealer" };
                send_all(socket, &[name, &body])
            }
            // The other end's types decide whether there are more frames.
            _ if self.sockets.iter().any(|(_, one)| *one == SocketType::Pub) || parts > 1 => {
                send_all(socket, &[topic.as_bytes(), &body])
            }
            _ => socket.try_send(topic.as_bytes(), ZMQ_DONTWAIT),
        };
        self.handed_in += u64::from(sent.is_ok());
    }

    fn send_message(&self, socket: Socket, group: &str, body: &[u8]) -> Result<(), c_int> {
        let group = std::ffi::CString::new(group).unwrap();
        let mut msg = MaybeUninit::<zmq_msg_t>::uninit();
        let msg = msg.as_mut_ptr();
        // SAFETY: the message is initialised first, and filled within its size; it is closed if it was not sent.
        unsafe {
            assert_eq!(zmq_msg_init_size(msg, body.len()), 0);
            std::ptr::copy_nonoverlapping(body.as_ptr(), zmq_msg_data(msg).cast(), body.len());
            if self.client != 0 {
                zmq_msg_set_routing_id(msg, self.client);
            } else {
                zmq_msg_set_group(msg, group.as_ptr());
            }
            if zmq_msg_send(msg, socket.0, ZMQ_DONTWAIT) == -1 {
                let errno = zmq_errno();
                zmq_msg_close(msg);
                return Err(errno);
            }
        }
        Ok(())
    }

    /// Whether there was something.
    fn receive(&mut self, place: usize) -> bool {
        let (socket, socket_type) = self.sockets[place];
        if socket_type == SocketType::Server {
            let mut msg = MaybeUninit::<zmq_msg_t>::uninit();
            let msg = msg.as_mut_ptr();
            // SAFETY: the message is initialised first and closed last.
            unsafe {
                zmq_msg_init(msg);
                let some = zmq_msg_recv(msg, socket.0, ZMQ_DONTWAIT) != -1;
                if some {
                    self.client = zmq_msg_routing_id(msg);
                    self.received += 1;
                }
                zmq_msg_close(msg);
                return some;
            }
        }
        let Ok(frames) = socket.try_frames(ZMQ_DONTWAIT) else { return false };
        let is_notice = socket_type == SocketType::Xpub && frames[0].first().is_some_and(|way| *way <= 1);
        self.received += u64::from(!is_notice);
        true
    }

    /// Messages that are neither received nor lost: queued, and between two connections.
    fn unreceived(&self, stats: &Value, over_inproc: bool) -> i64 {
        let sockets = stats["sockets"].as_array().unwrap();
        let sum = |name: &str| sockets.iter().map(|socket| socket[name].as_i64().unwrap()).sum::<i64>();
        if over_inproc {
            // What one has to send the other has to receive.
            return sum("queued_to_send");
        }
        let connections = || sockets.iter().flat_map(|socket| socket["connections"].as_array().unwrap());
        let counted =
            |name: &str| connections().map(|one| one["counters"][name].as_i64().unwrap()).sum::<i64>();
        sum("queued_to_send") + sum("queued_to_receive") + counted("messages_sent")
            - counted("messages_received")
    }

    /// Waits until the counts, which connections add by the batch, have everything in its place. `drains`: what arrives meanwhile
    /// is received.
    fn check(&mut self, what: &str, over_inproc: bool, drains: bool) {
        let start = Instant::now();
        loop {
            while drains && self.receive(0) | self.receive(1) {}
            // A connection that is just there is taken in by a call of the program: its messages are queued from then on.
            for (socket, _) in self.sockets {
                socket.int(ZMQ_EVENTS).unwrap();
            }
            let stats = stats(self.context);
            let dropped: i64 = stats["sockets"].as_array().unwrap().iter().map(dropped).sum();
            let unreceived = self.unreceived(&stats, over_inproc);
            let found = self.received as i64 + dropped + unreceived;
            if found == self.handed_in as i64 {
                return;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "{what}: {} handed in, {} received, {dropped} dropped, {unreceived} under way: {stats:#}",
                self.handed_in,
                self.received
            );
            std::thread::yield_now();
        }
    }
}

fn dropped(socket: &Value) -> i64 {
    socket["dropped"].as_object().unwrap().values().map(|count| count.as_i64().unwrap()).sum()
}

/// Errors: as the first frame's.
pub fn send_all(socket: Socket, frames: &[&[u8]]) -> Result<(), c_int> {
    for (i, frame) in frames.iter().enumerate() {
        let more = if i + 1 < frames.len() { ZMQ_SNDMORE } else { 0 };
        socket.try_send(frame, ZMQ_DONTWAIT | more)?;
    }
    Ok(())
}

pub fn stats(context: Context) -> Value {
    let mut buffer = vec![0u8; 1 << 20];
    let mut size = buffer.len();
    // SAFETY: that many writable bytes.
    let rc = unsafe { zmq_ferro_stats(context.0, buffer.as_mut_ptr().cast::<c_char>(), &raw mut size) };
    assert_eq!(rc, 0, "errno {}", zmq_errno());
    serde_json::from_slice(&buffer[..size - 1]).unwrap()
}

#[test]
fn messages_are_conserved_over_every_transport() {
    for transport in TRANSPORTS {
        for socket_type in SocketType::ALL {
            let Some(other) = partner(socket_type) else { continue };
            for (seed, options) in VARIANTS.iter().enumerate() {
                let what = format!(
                    "{socket_type:?} and {other:?} over {transport}, seed {seed}, options {options:?}"
                );
                let mut traffic = Traffic::new(transport, [socket_type, other], options, seed as u64);
                for _ in 0..STEPS {
                    match traffic.random.below(6) {
                        0 | 1 => traffic.send(0),
                        2 => traffic.send(1),
                        3 => drop(traffic.receive(0)),
                        _ => drop(traffic.receive(1)),
                    }
                }
                // What its peers have sent waits in an XPUB, once it is read from its pipe.
                if socket_type != SocketType::Xpub {
                    traffic.check(&what, transport.starts_with("inproc"), false);
                }
                traffic.check(&what, transport.starts_with("inproc"), true);
                traffic.context.end(&traffic.sockets.map(|(socket, _)| socket));
            }
        }
    }
}

#[test]
fn what_linger_and_size_cost_is_told() {
    let context = Context::new();
    let push = context.socket(ZMQ_PUSH);
    // There is nothing at the other end.
    push.connect("tcp://127.0.0.1:1");
    for _ in 0..7 {
        push.try_send(b"left", 0).unwrap();
    }
    push.disconnect("tcp://127.0.0.1:1");
    let start = Instant::now();
    while stats(context)["sockets"][0]["dropped"]["linger_over"] != 7 {
        assert!(start.elapsed() < PATIENCE, "{:#}", stats(context));
    }
    push.close();
    let pull = context.socket(ZMQ_PULL);
    pull.set_i64(ZMQ_MAXMSGSIZE, 10);
    let endpoint = pull.bind_anywhere();
    let push = context.connected(ZMQ_PUSH, &endpoint);
    push.try_send(&[0; 11], 0).unwrap();
    let start = Instant::now();
    while dropped_by_size(&stats(context)) != 1 {
        assert!(start.elapsed() < PATIENCE, "{:#}", stats(context));
    }
    context.end(&[pull, push]);
}

fn dropped_by_size(stats: &Value) -> i64 {
    let sockets = stats["sockets"].as_array().unwrap();
    sockets.iter().map(|socket| socket["dropped"]["over_size"].as_i64().unwrap()).sum()
}
