//! As `conservation`, with several peers whose connections are reset inside a message, that leave with and without linger, and that are
//! unbound, disconnected and connected again.
//!
//! The law holds for the counts of all sockets, the closed ones among them: what was handed in was received, dropped for a reason, is
//! queued, or has gone to a connection and not come out of it.

use super::conservation::{partner, send_all, stats};
use crate::support::program::*;
use crate::support::random::Random;
use crate::support::wire::{Way, Wire};
use crate::support::{PATIENCE, curve};
use serde_json::Value;
use std::ffi::{CString, c_int};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Instant;
use zmq::crypto::{KemSecret, KemSuite};
use zmq::options::SocketType;

const STEPS: usize = 240;
/// Of so many steps one is a fault.
const FAULT_STEPS: usize = 20;
const FLOOD_BYTES: usize = 60_000;
const MARKS: [&[(c_int, c_int)]; 2] =
    [&[], &[(ZMQ_SNDHWM, 3), (ZMQ_RCVHWM, 2), (ZMQ_SNDBUF, 4096), (ZMQ_RCVBUF, 4096)]];

/// What the connections are made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Carrier {
    Inproc,
    Ipc,
    /// Through a wire that is cut.
    Tcp,
    Ws,
    Plain,
    Curve,
    Qzmq,
}

/// Keys of the server.
struct Keys {
    secret: Vec<u8>,
    public: Vec<u8>,
}

struct Member {
    socket: Socket,
    /// The peer of a PEER that has connected.
    peer: u32,
}

/// One socket that is bound, others that connect to it, and what was handed in and received.
struct Scene {
    context: Context,
    carrier: Carrier,
    types: [SocketType; 2],
    options: &'static [(c_int, c_int)],
    keys: Option<Keys>,
    authenticator: Option<JoinHandle<()>>,
    wire: Option<Wire>,
    /// Where the others connect.
    endpoint: String,
    bound_to: String,
    bound: Socket,
    others: Vec<Member>,
    random: Random,
    handed_in: i64,
    received: i64,
    /// Names of peers, for types that address them.
    names: Vec<Vec<u8>>,
    ids: Vec<u32>,
    /// Connections that the bound socket is to have accepted, without a wire.
    connects: usize,
}

impl Scene {
    fn new(carrier: Carrier, types: [SocketType; 2], options: &'static [(c_int, c_int)], seed: u64) -> Scene {
        let context = Context::new();
        let keys = match carrier {
            Carrier::Curve => {
                Some(Keys { secret: curve::SERVER.to_vec(), public: curve::public(&curve::SERVER).to_vec() })
            }
            Carrier::Qzmq => {
                let secret = KemSecret::generate(KemSuite::XWing).unwrap();
                Some(Keys { secret: secret.tagged().to_vec(), public: secret.public().tagged() })
            }
            _ => None,
        };
        let bound = context.socket(types[0] as c_int);
        let mut scene = Scene {
            context,
            carrier,
            types,
            options,
            keys,
            authenticator: None,
            wire: None,
            endpoint: String::new(),
            bound_to: String::new(),
            bound,
            others: Vec::new(),
            random: Random::seeded(seed),
            handed_in: 0,
            received: 0,
            names: Vec::new(),
            ids: Vec::new(),
            connects: 0,
        };
        scene.prepare(bound, types[0]);
        match carrier {
            Carrier::Plain => {
                bound.set(ZMQ_PLAIN_SERVER, 1);
                scene.authenticator = Some(authenticate(context));
            }
            Carrier::Curve | Carrier::Qzmq => {
                bound.set(ZMQ_CURVE_SERVER, 1);
                bound.set_bytes(ZMQ_CURVE_SECRETKEY, &scene.keys.as_ref().unwrap().secret);
            }
            _ => {}
        }
        scene.bind();
        let peers = if matches!(types[0], SocketType::Pair | SocketType::Channel) { 1 } else { 3 };
        for _ in 0..peers {
            let member = scene.member();
            scene.others.push(member);
        }
        scene.settle();
        scene
    }

    fn prepare(&self, socket: Socket, socket_type: SocketType) {
        self.options.iter().for_each(|&(option, value)| socket.set(option, value));
        socket.set(ZMQ_RECONNECT_IVL, 1);
        match socket_type {
            SocketType::Sub => socket.set_bytes(ZMQ_SUBSCRIBE, b"a"),
            // SAFETY: a C string.
            SocketType::Dish => assert_eq!(unsafe { zmq_join(socket.0, c"a".as_ptr()) }, 0),
            SocketType::Req => {
                socket.set(ZMQ_REQ_RELAXED, 1);
                socket.set(ZMQ_REQ_CORRELATE, 1);
            }
            _ => {}
        }
    }

    fn bind(&mut self) {
        let name = match self.carrier {
            Carrier::Inproc => "inproc://conserved-through-faults".to_owned(),
            Carrier::Ipc => format!("ipc://@conserved-through-faults-{}", std::process::id()),
            Carrier::Ws => "ws://127.0.0.1:*/conserved".to_owned(),
            _ => "tcp://127.0.0.1:*".to_owned(),
        };
        self.bound_to = self.bound.try_bind(&name).unwrap();
        if matches!(self.carrier, Carrier::Inproc | Carrier::Ipc) {
            self.endpoint.clone_from(&self.bound_to);
            return;
        }
        let (scheme, place) = self.bound_to.split_once("://").unwrap();
        let (address, path) = place
            .split_once('/')
            .map_or((place, String::new()), |(address, path)| (address, format!("/{path}")));
        let target: SocketAddr = address.parse().unwrap();
        match &self.wire {
            Some(wire) => wire.set_target(target),
            None => {
                let wire = Wire::to(target);
                self.endpoint = format!("{scheme}://{}{path}", wire.address);
                self.wire = Some(wire);
            }
        }
    }

    /// One more socket that connects.
    fn member(&mut self) -> Member {
        let socket = self.context.socket(self.types[1] as c_int);
        self.prepare(socket, self.types[1]);
        match (self.carrier, &self.keys) {
            (Carrier::Plain, _) => {
                socket.set_bytes(ZMQ_PLAIN_USERNAME, b"user");
                socket.set_bytes(ZMQ_PLAIN_PASSWORD, b"password");
            }
            (Carrier::Curve, Some(keys)) => {
                socket.set_bytes(ZMQ_CURVE_SERVERKEY, &keys.public);
                socket.set_bytes(ZMQ_CURVE_SECRETKEY, &curve::HONEST);
                socket.set_bytes(ZMQ_CURVE_PUBLICKEY, &curve::public(&curve::HONEST));
            }
            (_, Some(keys)) => socket.set_bytes(ZMQ_CURVE_SERVERKEY, &keys.public),
            _ => {}
        }
        let mut member = Member { socket, peer: 0 };
        self.connect(&mut member);
        if self.types[1] == SocketType::Xsub {
            socket.try_send(b"\x01a", 0).unwrap();
        }
        member
    }

    fn connect(&mut self, member: &mut Member) {
        self.connects += 1;
        if self.types[1] != SocketType::Peer {
            return member.socket.connect(&self.endpoint);
        }
        let endpoint = CString::new(self.endpoint.as_str()).unwrap();
        // SAFETY: a C string.
        member.peer = unsafe { zmq_connect_peer(member.socket.0, endpoint.as_ptr()) };
        assert_ne!(member.peer, 0, "errno {}", zmq_errno());
    }

    /// A message goes to each peer that the bound socket knows.
    fn publishes(&self) -> bool {
        matches!(self.types[0], SocketType::Pub | SocketType::Xpub | SocketType::Radio)
    }

    /// A publisher has all its subscribers, and none that is gone.
    fn settle(&mut self) {
        if !self.publishes() {
            return;
        }
        if let Some(wire) = &self.wire {
            wire.spare();
        }
        let start = Instant::now();
        loop {
            // A socket that has no room does not see that its peer has gone.
            self.drain();
            self.look();
            let stats = stats(self.context);
            let bound = of(&stats, self.types[0]);
            let counters = &bound["counters"];
            let count = |name: &str| counters[name].as_u64().unwrap() as usize;
            let ends = ["stream", "protocol", "timeout", "own"];
            let ended: usize = ends.iter().map(|end| count(&format!("disconnects_{end}"))).sum();
            let expected = self.connects + self.wire.as_ref().map_or(0, Wire::cuts);
            let is_whole = self.carrier == Carrier::Inproc
                || (count("handshakes_succeeded") == expected && expected - ended == self.others.len());
            // All have subscribed, and so none of the subscriptions is one of a peer that is gone.
            let connections = bound["connections"].as_array().unwrap();
            let all_heard = self.carrier == Carrier::Inproc
                || connections.len() == self.others.len()
                    && connections.iter().all(|one| one["counters"]["messages_received"] != 0);
            if is_whole
                && all_heard
                && bound["queued_to_receive"] == 0
                && count("subscriptions") == self.others.len()
            {
                return;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "{} expected, {} connects: {}",
                expected,
                self.connects,
                summary(&stats)
            );
            std::thread::yield_now();
        }
    }

    /// Every socket looks at what its peers say.
    fn look(&self) {
        for socket in self.sockets() {
            socket.int(ZMQ_EVENTS).unwrap();
        }
    }

    fn sockets(&self) -> impl Iterator<Item = Socket> {
        [self.bound].into_iter().chain(self.others.iter().map(|member| member.socket))
    }

    fn send_from_bound(&mut self) {
        let topic = if self.random.below(4) == 0 { "b" } else { "a" };
        let body = self.body();
        let copies = if self.publishes() && topic == "a" { self.others.len() as i64 } else { 1 };
        let sent = match self.types[0] {
            SocketType::Server | SocketType::Peer => {
                let id = if self.ids.is_empty() { 77 } else { self.random.one_of(&self.ids) };
                send_message(self.bound, id, "", &body)
            }
            SocketType::Radio => send_message(self.bound, 0, topic, &body),
            SocketType::Client | SocketType::Scatter | SocketType::Channel => {
                self.bound.try_send(&body, ZMQ_DONTWAIT)
            }
            SocketType::Router => {
                let named = self.names.len();
                let name = if named == 0 {
                    b"unknown".to_vec()
                } else {
                    self.names[self.random.below(named)].clone()
                };
                send_all(self.bound, &[&name, &body])
            }
            _ => send_all(self.bound, &[topic.as_bytes(), &body]),
        };
        self.handed_in += if sent.is_ok() { copies } else { 0 };
    }

    fn send_from_other(&mut self) {
        let place = self.random.below(self.others.len());
        let (socket, peer) = (self.others[place].socket, self.others[place].peer);
        let body = self.body();
        let sent = match self.types[1] {
            SocketType::Sub | SocketType::Dish => return,
            SocketType::Peer => send_message(socket, peer, "", &body),
            SocketType::Client
            | SocketType::Scatter
            | SocketType::Channel
            | SocketType::Gather
            | SocketType::Server => socket.try_send(&body, ZMQ_DONTWAIT),
            _ => send_all(socket, &[b"a", &body]),
        };
        self.handed_in += i64::from(sent.is_ok());
    }

    fn body(&mut self) -> Vec<u8> {
        vec![b'x'; self.random.one_of(&[0, 50, 300, 9000, 40_000])]
    }

    /// Whether there was something.
    fn receive(&mut self, socket: Socket, socket_type: SocketType) -> bool {
        if matches!(socket_type, SocketType::Server | SocketType::Peer) {
            let Some(id) = receive_message(socket) else { return false };
            if socket == self.bound && !self.ids.contains(&id) {
                self.ids.push(id);
            }
            self.received += 1;
            return true;
        }
        let Ok(mut frames) = socket.try_frames(ZMQ_DONTWAIT) else { return false };
        if socket_type == SocketType::Router && !self.names.contains(&frames[0]) {
            self.names.push(frames.swap_remove(0));
        }
        let is_notice = socket_type == SocketType::Xpub && frames[0].first().is_some_and(|way| *way <= 1);
        self.received += i64::from(!is_notice);
        true
    }

    fn receive_one(&mut self) {
        let place = self.random.below(1 + self.others.len());
        match place.checked_sub(1) {
            None => drop(self.receive(self.bound, self.types[0])),
            Some(place) => drop(self.receive(self.others[place].socket, self.types[1])),
        }
    }

    fn drain(&mut self) {
        let mut some = true;
        while some {
            some = self.receive(self.bound, self.types[0]);
            for place in 0..self.others.len() {
                some |= self.receive(self.others[place].socket, self.types[1]);
            }
        }
    }

    fn fail(&mut self) {
        let place = self.random.below(self.others.len());
        match self.random.below(5) {
            0 | 1 if let Some(wire) = &self.wire => {
                let way = self.random.one_of(&[Way::ToServer, Way::ToClient]);
                // A subscription that is lost on its way would look like a message.
                let way = if self.publishes() { Way::ToClient } else { way };
                wire.cut_after(way, self.random.below(FLOOD_BYTES));
            }
            2 => {
                self.others[place].socket.set(ZMQ_LINGER, self.random.one_of(&[0, 0, 300]));
                self.others[place].socket.close();
                self.others[place] = self.member();
            }
            3 => {
                // Over inproc the other end may have ended it.
                let _ = self.others[place].socket.try_disconnect(&self.endpoint);
                let mut member = Member { ..self.others[place] };
                self.connect(&mut member);
                self.others[place] = member;
            }
            4 => {
                self.settle();
                self.bound.unbind(&self.bound_to);
                self.bind();
                // All come again.
                self.connects += self.others.len();
            }
            _ => {}
        }
    }

    /// Cuts what there is: the steps may have come to it or not.
    fn cut(&mut self, what: &str) {
        self.pass();
        let Some(wire) = &self.wire else { return };
        let (before, start) = (wire.cuts(), Instant::now());
        wire.cut_after(Way::ToClient, 0);
        while wire.cuts() == before {
            // There was no connection at that moment. A publisher has had all of them.
            if !self.publishes() {
                wire.cut_after(Way::ToClient, 0);
            }
            assert!(start.elapsed() < PATIENCE, "{what}: there is no connection to cut");
            std::thread::yield_now();
        }
    }

    fn step(&mut self) {
        if self.random.one_in(FAULT_STEPS) {
            self.fail();
            // What was sent goes on its way, and meets the fault.
            if self.publishes() {
                (0..10).for_each(|_| self.receive_one());
                self.settle();
            }
        }
        self.pass();
    }

    fn pass(&mut self) {
        match self.random.below(6) {
            0 | 1 => self.send_from_bound(),
            2 | 3 => self.send_from_other(),
            _ => self.receive_one(),
        }
    }

    /// Sends and receives until something has arrived. All steps would be over before there is a connection otherwise.
    fn begin(&mut self, what: &str) {
        let start = Instant::now();
        while self.received == 0 {
            self.pass();
            assert!(start.elapsed() < PATIENCE, "{what}: nothing arrives: {}", summary(&stats(self.context)));
            std::thread::yield_now();
        }
    }

    /// Waits until everything is in its place. `open`: the bound socket is, and receives what arrives.
    fn check(&mut self, what: &str, open: bool) {
        let start = Instant::now();
        loop {
            if open {
                self.drain();
                self.look();
            }
            let found = Found::of(&stats(self.context), self.carrier);
            if self.received + found.sum() == self.handed_in {
                return;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "{what}: {} handed in, {} received, {found:?}: {}",
                self.handed_in,
                self.received,
                summary(&stats(self.context))
            );
            std::thread::yield_now();
        }
    }
}

/// Where messages are that were not received.
#[derive(Debug)]
pub struct Found {
    dropped: i64,
    queued: i64,
    waiting: i64,
    /// Sent by a connection, and not received by the other one.
    between: i64,
}

impl Found {
    pub fn of(stats: &Value, carrier: Carrier) -> Found {
        let sockets = stats["sockets"].as_array().unwrap();
        // The authenticator speaks to sessions.
        let is_ours = |one: &&Value| carrier != Carrier::Plain || one["type"] != "REP";
        let sockets: Vec<_> = sockets.iter().filter(is_ours).collect();
        let closed = &stats["contexts"][0]["closed_sockets"];
        let all = || sockets.iter().copied().chain([closed]);
        let counted = |name: &str| all().map(|one| one["counters"][name].as_i64().unwrap()).sum::<i64>();
        let queued = |name: &str| sockets.iter().map(|one| one[name].as_i64().unwrap()).sum::<i64>();
        let dropped = |one: &Value| {
            one["dropped"].as_object().unwrap().values().map(|count| count.as_i64().unwrap()).sum::<i64>()
        };
        // What one has to send over inproc the other has to receive.
        let to_receive = if carrier == Carrier::Inproc { 0 } else { queued("queued_to_receive") };
        Found {
            dropped: all().map(dropped).sum(),
            queued: queued("queued_to_send") + to_receive,
            waiting: sockets.iter().map(|one| one["counters"]["messages_waiting"].as_i64().unwrap()).sum(),
            between: counted("transport_messages_sent") - counted("transport_messages_received"),
        }
    }

    pub fn sum(&self) -> i64 {
        self.dropped + self.queued + self.waiting + self.between
    }
}

/// The counts that are not 0, a line for each socket.
pub fn summary(stats: &Value) -> String {
    let of = |one: &Value| {
        let all = ["counters", "dropped"].iter().flat_map(|part| one[part].as_object().unwrap());
        let some = all.filter(|(_, count)| **count != 0).map(|(name, count)| format!(" {name} {count}"));
        let queued = format!(", {} to send, {} to receive", one["queued_to_send"], one["queued_to_receive"]);
        format!("\n{}:{}{queued}", one["type"], some.collect::<String>())
    };
    stats["sockets"]
        .as_array()
        .unwrap()
        .iter()
        .chain([&stats["contexts"][0]["closed_sockets"]])
        .map(of)
        .collect()
}

pub fn of(stats: &Value, socket_type: SocketType) -> &Value {
    let name = format!("{socket_type:?}").to_uppercase();
    stats["sockets"].as_array().unwrap().iter().find(|socket| socket["type"] == name).unwrap()
}

/// Lets all in, until the context ends.
fn authenticate(context: Context) -> JoinHandle<()> {
    let handler = context.bound(ZMQ_REP, "inproc://zeromq.zap.01");
    std::thread::spawn(move || {
        while let Ok(request) = handler.try_frames(0) {
            let answer = [b"1.0", &request[1][..], b"200", b"OK", b"user", b""];
            if (0..answer.len())
                .any(|at| handler.try_send(answer[at], if at < 5 { ZMQ_SNDMORE } else { 0 }).is_err())
            {
                break;
            }
        }
        handler.close();
    })
}

pub fn send_message(socket: Socket, id: u32, group: &str, body: &[u8]) -> Result<(), c_int> {
    let group = CString::new(group).unwrap();
    let mut msg = MaybeUninit::<zmq_msg_t>::uninit();
    let msg = msg.as_mut_ptr();
    // SAFETY: the message is initialised first, and filled within its size; it is closed if it was not sent.
    unsafe {
        assert_eq!(zmq_msg_init_size(msg, body.len()), 0);
        std::ptr::copy_nonoverlapping(body.as_ptr(), zmq_msg_data(msg).cast(), body.len());
        if id != 0 {
            zmq_msg_set_routing_id(msg, id);
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

/// The id of the peer that has sent one.
fn receive_message(socket: Socket) -> Option<u32> {
    let mut msg = MaybeUninit::<zmq_msg_t>::uninit();
    let msg = msg.as_mut_ptr();
    // SAFETY: the message is initialised first and closed last.
    unsafe {
        zmq_msg_init(msg);
        let some = zmq_msg_recv(msg, socket.0, ZMQ_DONTWAIT) != -1;
        let id = some.then(|| zmq_msg_routing_id(msg));
        zmq_msg_close(msg);
        id
    }
}

fn try_all(carrier: Carrier) {
    for socket_type in SocketType::ALL {
        let other =
            if socket_type == SocketType::Peer { Some(SocketType::Peer) } else { partner(socket_type) };
        let Some(other) = other else { continue };
        if carrier != Carrier::Tcp
            && carrier != Carrier::Inproc
            && !matches!(socket_type, SocketType::Push | SocketType::Router | SocketType::Xpub)
        {
            continue;
        }
        for (seed, options) in MARKS.iter().enumerate() {
            let what =
                format!("{socket_type:?} and {other:?}, {carrier:?}, seed {seed}, options {options:?}");
            let mut scene = Scene::new(carrier, [socket_type, other], options, seed as u64 + 1);
            scene.begin(&what);
            (0..STEPS).for_each(|_| scene.step());
            scene.settle();
            scene.cut(&what);
            scene.settle();
            scene.check(&what, true);
            (0..STEPS / 4).for_each(|_| scene.step());
            scene.settle();
            for member in std::mem::take(&mut scene.others) {
                member.socket.close();
            }
            scene.check(&format!("{what}, one left"), true);
            scene.bound.close();
            scene.check(&format!("{what}, none left"), false);
            scene.context.term();
            scene.authenticator.into_iter().for_each(|thread| thread.join().unwrap());
        }
    }
}

#[test]
fn messages_are_conserved_over_inproc() {
    try_all(Carrier::Inproc);
}

#[test]
fn messages_are_conserved_over_tcp() {
    try_all(Carrier::Tcp);
}

#[test]
fn messages_are_conserved_over_ipc_and_ws() {
    try_all(Carrier::Ipc);
    try_all(Carrier::Ws);
}

#[test]
fn messages_are_conserved_over_mechanisms() {
    [Carrier::Plain, Carrier::Curve, Carrier::Qzmq].into_iter().for_each(try_all);
}
