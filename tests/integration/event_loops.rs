//! Programs that wait for a socket in each way there is, whatever they did before in whatever order: nobody misses what comes.
//!
//! `ZMQ_FD` tells of what comes after `ZMQ_EVENTS` was asked last, and of all that came if it never was.

use crate::support::program::{Context, Socket, poll, raw_item};
use crate::support::{PATIENCE, PATIENCE_MS};
use std::ffi::c_int;
use std::ptr;
use std::thread;
use std::time::Instant;
use zmq::ffi::constants::*;
use zmq::ffi::draft_constants::*;
use zmq::ffi::*;
use zmq::options::number::{
    ZMQ_EVENTS, ZMQ_FD, ZMQ_RCVTIMEO, ZMQ_RECONNECT_IVL, ZMQ_SNDTIMEO, ZMQ_SUBSCRIBE,
};

/// Where setting up costs something, one case of so many is tried: a number without a factor in common with those of the choices,
/// so that each meets each.
const ONE_OF: usize = 13;

/// What is waited for, by a socket of the first type whose peer is of the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Message(c_int, c_int),
    /// Of a publisher's.
    Publication,
    Subscription,
    /// To be able to send.
    Room(c_int, c_int),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Inproc,
    Ipc,
    Tcp,
}

/// When the waiting socket was asked for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    Start,
    /// Between its endpoint and the other's.
    Between,
    Met,
    /// Once the message is on its way.
    Sent,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiter {
    Poll,
    /// As libuv and others do it: told once.
    EdgeTriggered,
    ZmqPoll,
    /// With a raw descriptor as well.
    ZmqPollMixed,
    Poller,
    Blocks,
}

/// One way to use a socket.
#[derive(Clone, Copy, Debug)]
struct Case {
    what: What,
    transport: Transport,
    /// The waiting socket binds.
    binds: bool,
    bound_first: bool,
    descriptor: Moment,
    asked: Moment,
    waiter: Waiter,
    /// The message is sent by another thread, at about the same time.
    meanwhile: bool,
}

const WHATS: [What; 14] = [
    What::Message(ZMQ_PAIR, ZMQ_PAIR),
    What::Message(ZMQ_PULL, ZMQ_PUSH),
    What::Message(ZMQ_DEALER, ZMQ_DEALER),
    What::Message(ZMQ_ROUTER, ZMQ_DEALER),
    What::Message(ZMQ_ROUTER, ZMQ_REQ),
    What::Message(ZMQ_REP, ZMQ_REQ),
    What::Message(ZMQ_SERVER, ZMQ_CLIENT),
    What::Message(ZMQ_GATHER, ZMQ_SCATTER),
    What::Message(ZMQ_CHANNEL, ZMQ_CHANNEL),
    What::Publication,
    What::Subscription,
    What::Room(ZMQ_PUSH, ZMQ_PULL),
    What::Room(ZMQ_REQ, ZMQ_REP),
    What::Room(ZMQ_PAIR, ZMQ_PAIR),
];
const MOMENTS: [Moment; 5] = [Moment::Start, Moment::Between, Moment::Met, Moment::Sent, Moment::Never];
const WAITERS: [Waiter; 6] = [
    Waiter::Poll,
    Waiter::EdgeTriggered,
    Waiter::ZmqPoll,
    Waiter::ZmqPollMixed,
    Waiter::Poller,
    Waiter::Blocks,
];

/// Takes a number apart into choices.
struct Choices(usize);

impl Choices {
    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        let choice = choices[self.0 % choices.len()];
        self.0 /= choices.len();
        choice
    }
}

impl What {
    fn types(self) -> (c_int, c_int) {
        match self {
            What::Message(ours, theirs) | What::Room(ours, theirs) => (ours, theirs),
            What::Publication => (ZMQ_SUB, ZMQ_XPUB),
            What::Subscription => (ZMQ_XPUB, ZMQ_SUB),
        }
    }

    fn wanted(self) -> c_int {
        if matches!(self, What::Room(..)) { ZMQ_POLLOUT } else { ZMQ_POLLIN }
    }

    /// These have no `ZMQ_FD`.
    fn is_thread_safe(self) -> bool {
        matches!(self.types().0, ZMQ_SERVER | ZMQ_GATHER | ZMQ_CHANNEL)
    }

    fn send(self, peer: Socket) {
        match self {
            What::Message(_, ZMQ_CLIENT | ZMQ_SCATTER | ZMQ_CHANNEL) => peer.send(&["x"]),
            What::Message(..) => peer.send(&["x", "y"]),
            What::Publication => {
                // Nothing is sent to a subscriber that the publisher has not heard of.
                assert_eq!(peer.try_recv(0), Ok(b"\x01".to_vec()));
                peer.send(&["x", "y"]);
            }
            What::Subscription => peer.set_bytes(ZMQ_SUBSCRIBE, b""),
            What::Room(..) => {}
        }
    }
}

impl Case {
    fn new(number: usize, transports: &[Transport]) -> Case {
        let mut choices = Choices(number);
        Case {
            what: choices.of(&WHATS),
            transport: choices.of(transports),
            binds: choices.of(&[true, false]),
            bound_first: choices.of(&[true, false]),
            descriptor: choices.of(&MOMENTS),
            asked: choices.of(&MOMENTS),
            waiter: choices.of(&WAITERS),
            meanwhile: choices.of(&[false, true]),
        }
    }

    fn count(transports: &[Transport]) -> usize {
        WHATS.len() * transports.len() * 8 * MOMENTS.len() * MOMENTS.len() * WAITERS.len()
    }

    fn is_possible(&self) -> bool {
        // A subscriber that has bound says what it wants when it takes a connection in, so it has to be at work.
        let needs_subscriber = match self.what {
            What::Publication => self.binds && !self.meanwhile,
            What::Subscription => !self.binds && (self.transport != Transport::Inproc || self.bound_first),
            _ => false,
        };
        if needs_subscriber {
            return false;
        }
        let needs_descriptor = matches!(self.waiter, Waiter::Poll | Waiter::EdgeTriggered);
        let has_descriptor = self.descriptor != Moment::Never;
        if has_descriptor { !self.what.is_thread_safe() } else { !needs_descriptor }
    }

    /// Two endpoints of different cases are never the same.
    fn endpoint(&self, number: usize) -> String {
        let process = std::process::id();
        match self.transport {
            Transport::Inproc => format!("inproc://{number}"),
            Transport::Ipc => format!("ipc://@event-loops-{process}-{number}"),
            Transport::Tcp => {
                let [.., a, b] = process.to_be_bytes();
                format!("tcp://127.{a}.{b}.1:{}", 10_000 + number % 20_000)
            }
        }
    }

    fn run(self, context: Context, number: usize) {
        let (ours, theirs) = self.what.types();
        let (socket, peer) = (context.socket(ours), context.socket(theirs));
        for socket in [socket, peer] {
            socket.set(ZMQ_RCVTIMEO, PATIENCE_MS);
            socket.set(ZMQ_SNDTIMEO, PATIENCE_MS);
            socket.set(ZMQ_RECONNECT_IVL, 1);
        }
        if self.what == What::Publication {
            socket.set_bytes(ZMQ_SUBSCRIBE, b"");
        }
        let mut program = Program { case: self, socket, descriptor: None, told: false };
        program.at(Moment::Start);
        let endpoint = self.endpoint(number);
        let endpoint_of = |socket: Socket, binds| {
            if binds { socket.bind(&endpoint) } else { socket.connect(&endpoint) }
        };
        if self.binds == self.bound_first {
            endpoint_of(socket, self.binds);
            program.at(Moment::Between);
            endpoint_of(peer, !self.binds);
        } else {
            endpoint_of(peer, !self.binds);
            program.at(Moment::Between);
            endpoint_of(socket, self.binds);
        }
        program.at(Moment::Met);
        if self.meanwhile {
            let sender = thread::spawn(move || self.what.send(peer));
            program.wait();
            sender.join().unwrap();
        } else {
            self.what.send(peer);
            program.at(Moment::Sent);
            program.wait();
        }
        socket.close();
        peer.close();
    }
}

/// What the program knows of its socket.
struct Program {
    case: Case,
    socket: Socket,
    descriptor: Option<c_int>,
    /// `ZMQ_EVENTS` has said already that there is what is waited for.
    told: bool,
}

impl Program {
    fn at(&mut self, moment: Moment) {
        if self.case.descriptor == moment {
            self.descriptor = Some(self.socket.int(ZMQ_FD).unwrap());
        }
        if self.case.asked == moment {
            self.told = self.is_ready();
        }
    }

    fn is_ready(&self) -> bool {
        self.socket.int(ZMQ_EVENTS).unwrap() & self.case.what.wanted() != 0
    }

    fn wait(&mut self) {
        if !self.told {
            // Taken only now, where it was to be taken once the message is sent, and that happens meanwhile.
            let descriptor = self.descriptor.map_or_else(|| self.socket.int(ZMQ_FD), Ok);
            match self.case.waiter {
                Waiter::Poll => self.by_descriptor(|timeout_ms| {
                    assert!(poll(&mut [raw_item(descriptor.unwrap(), ZMQ_POLLIN)], timeout_ms).is_ok());
                }),
                Waiter::EdgeTriggered => self.by_edge(descriptor.unwrap()),
                Waiter::ZmqPoll => self.by_poll(&mut [self.item()]),
                Waiter::ZmqPollMixed => self.by_poll(&mut [self.item(), raw_item(-1, ZMQ_POLLIN)]),
                Waiter::Poller => self.by_poller(),
                Waiter::Blocks => {}
            }
        }
        self.use_it();
    }

    fn item(&self) -> zmq_pollitem_t {
        self.socket.item(self.case.what.wanted())
    }

    fn by_poll(&self, items: &mut [zmq_pollitem_t]) {
        assert_eq!(poll(items, PATIENCE_MS.into()), Ok(1), "{:?}", self.case);
    }

    /// Asks only when the descriptor says so.
    fn by_descriptor(&self, mut wait: impl FnMut(i64)) {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "nothing told of it: {:?}", self.case);
            wait(i64::try_from(left.as_millis()).unwrap() + 1);
            if Instant::now() < end && self.is_ready() {
                return;
            }
        }
    }

    fn by_edge(&self, descriptor: c_int) {
        // SAFETY: system calls on a descriptor of our own and places of the right type.
        unsafe {
            let epoll = libc::epoll_create1(libc::EPOLL_CLOEXEC);
            let events = (libc::EPOLLIN | libc::EPOLLET).cast_unsigned();
            let mut event = libc::epoll_event { events, u64: 0 };
            assert_eq!(libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, descriptor, &raw mut event), 0);
            self.by_descriptor(|timeout_ms| {
                let timeout_ms = c_int::try_from(timeout_ms).unwrap();
                assert!(libc::epoll_wait(epoll, &raw mut event, 1, timeout_ms) >= 0);
            });
            assert_eq!(libc::close(epoll), 0);
        }
    }

    fn by_poller(&self) {
        let mut poller = zmq_poller_new();
        let wanted = i16::try_from(self.case.what.wanted()).unwrap();
        assert_eq!(zmq_poller_add(poller, self.socket.0, ptr::null_mut(), wanted), 0);
        let mut event =
            zmq_poller_event_t { socket: ptr::null_mut(), fd: -1, user_data: ptr::null_mut(), events: 0 };
        // SAFETY: places of the right type.
        unsafe {
            let rc = zmq_poller_wait(poller, &raw mut event, PATIENCE_MS.into());
            assert_eq!(rc, 0, "errno {}: {:?}", zmq_errno(), self.case);
            assert_eq!((event.socket, event.events), (self.socket.0, wanted));
            assert_eq!(zmq_poller_destroy(&raw mut poller), 0);
        }
    }

    /// Where it is there, a call that would wait need not.
    fn use_it(&self) {
        let flags = if self.case.waiter == Waiter::Blocks && !self.told { 0 } else { ZMQ_DONTWAIT };
        if self.case.what.wanted() == ZMQ_POLLOUT {
            assert_eq!(self.socket.try_send(b"x", flags), Ok(()), "{:?}", self.case);
        } else {
            assert!(self.socket.try_recv(flags).is_ok(), "errno {}: {:?}", zmq_errno(), self.case);
        }
    }
}

/// Every case, or one of so many.
fn run_all(transports: &[Transport], one_of: usize) {
    let context = Context::new();
    let mut done = 0;
    for number in (0..Case::count(transports)).step_by(one_of) {
        let case = Case::new(number, transports);
        if case.is_possible() {
            case.run(context, number);
            done += 1;
        }
    }
    context.term();
    println!("{done} cases");
}

#[test]
fn nobody_misses_what_comes_in_process() {
    run_all(&[Transport::Inproc], 1);
}

#[test]
fn nobody_misses_what_comes_from_outside() {
    run_all(&[Transport::Tcp, Transport::Ipc], ONE_OF);
}
