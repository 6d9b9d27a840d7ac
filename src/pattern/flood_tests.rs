//! All socket types under all floods. A call of the program's ends with its budget, even if a peer never stops sending, and the
//! other peers are heard.
//!
//! A new socket type does not compile here before it says which flood it gets; a new flood is sent to all of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::Origin;
use super::pending_announcements::{ASKED_FOR_TURNS, TURN_WISHES};
use super::testing::{Bench, Peer};
use crate::errno::Errno;
use crate::message::OutFrame;
use crate::options::SocketType;
use crate::options::draft_number::ZMQ_TOPICS_COUNT;
use crate::options::number::{
    ZMQ_FERRO_LAST_VALUE, ZMQ_REQ_CORRELATE, ZMQ_SUBSCRIBE, ZMQ_XPUB_MANUAL, ZMQ_XPUB_VERBOSE,
};
use crate::pipe::{Notify, Pipe, PipeEvent, PipeId};
use parking_lot::Mutex;
use std::sync::Arc;

/// The frames that a peer sends without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flood {
    /// Messages of one frame.
    Singles,
    /// Messages of two frames.
    Doubles,
    /// Messages of two frames, the first of which is empty.
    Envelopes,
    /// Messages of [`ENDLESS_FRAMES`]: one takes longer than a call may.
    Endless,
    /// SUBSCRIBE and CANCEL of one topic.
    Churn,
    /// SUBSCRIBE of ever new topics.
    Topics,
    /// CANCEL of topics that were never subscribed to.
    Cancels,
    /// JOIN and LEAVE of one group.
    Groups,
    /// JOIN of one group, again and again.
    Joins,
    /// Subscriptions as messages.
    Spoken,
}

const ALL: [Flood; 10] = [
    Flood::Singles,
    Flood::Doubles,
    Flood::Envelopes,
    Flood::Endless,
    Flood::Churn,
    Flood::Topics,
    Flood::Cancels,
    Flood::Groups,
    Flood::Joins,
    Flood::Spoken,
];

/// The budget of a call. Smaller than it is, so that the floods may be.
const CALL_UNITS: u32 = 256;
/// The flood would go on for ever; a call that takes this many frames does not end by itself.
const FLOOD_FRAMES: u32 = 20 * CALL_UNITS;
const ENDLESS_FRAMES: u32 = 3 * CALL_UNITS;
const HWM_MESSAGES: i32 = 64;
/// Most frames that one call may take: its budget's, those that had been sent before, and those it has made room for at last.
const MAX_CALL_FRAMES: u32 = CALL_UNITS + 2 * HWM_MESSAGES.unsigned_abs();

/// A peer that fills the pipe again whenever there is room, as one does whose stream is read by the program's own thread.
struct Flooder {
    flood: Flood,
    state: Mutex<Option<FloodPipe>>,
}

struct FloodPipe {
    pipe: Pipe,
    frames: u32,
}

impl Flooder {
    fn go(&self) {
        if let Some(open) = &mut *self.state.lock() {
            while open.frames < FLOOD_FRAMES && open.pipe.check_write() {
                self.send_one(open);
                open.pipe.flush();
            }
        }
    }

    fn send_one(&self, open: &mut FloodPipe) {
        let number = open.frames;
        let pipe = &mut open.pipe;
        let mut write = |bytes: &[u8], more| assert!(pipe.write(&mut OutFrame::bytes(bytes, more)).unwrap());
        open.frames += 1;
        match self.flood {
            Flood::Singles => write(b"other", false),
            Flood::Doubles | Flood::Envelopes => {
                write(if self.flood == Flood::Doubles { b"other" } else { b"" }, true);
                write(b"x", false);
                open.frames += 1;
            }
            Flood::Endless => {
                (1..ENDLESS_FRAMES).for_each(|_| write(b"other", true));
                write(b"x", false);
                open.frames += ENDLESS_FRAMES - 1;
            }
            Flood::Spoken => write(if number.is_multiple_of(2) { b"\x01topic" } else { b"\0topic" }, false),
            Flood::Churn => pipe.write_subscription(number.is_multiple_of(2), b"topic").unwrap(),
            Flood::Topics => pipe.write_subscription(true, format!("{number}").as_bytes()).unwrap(),
            Flood::Cancels => pipe.write_subscription(false, format!("{number}").as_bytes()).unwrap(),
            Flood::Groups => pipe.write_membership(number.is_multiple_of(2), b"group").unwrap(),
            Flood::Joins => pipe.write_membership(true, b"group").unwrap(),
        }
    }

    /// Frames that the socket has taken: all but what fits into the pipe.
    fn frames(&self) -> u32 {
        self.state.lock().as_ref().map_or(0, |open| open.frames)
    }
}

impl Notify for Flooder {
    fn notify(&self, event: PipeEvent) {
        if matches!(event, PipeEvent::Writable) {
            self.go();
        }
    }
}

/// A socket, a well-behaved peer and one that floods.
struct Scene {
    bench: Bench,
    good: Option<Peer>,
    flooder: Arc<Flooder>,
}

/// The options of a socket type that make most frames of a flood unwanted, and the role of the well-behaved peer.
fn role(socket_type: SocketType) -> (&'static [(i32, i32)], Role) {
    use SocketType::*;
    const VERBOSE: &[(i32, i32)] = &[(ZMQ_XPUB_VERBOSE, 1)];
    const CORRELATE: &[(i32, i32)] = &[(ZMQ_REQ_CORRELATE, 0)];
    match socket_type {
        // One peer alone, which is the one that floods.
        Pair | Channel | Dgram => (&[], Role::Alone),
        Push | Scatter => (&[], Role::NeverReads),
        Pull | Gather | Dealer | Client | Xsub => (&[], Role::Hears(&["good"], &["good"])),
        Server | Peer => (&[], Role::Hears(&["good"], &["good"])),
        Router | Stream => (&[], Role::Hears(&["good"], &["good"])),
        Sub => (&[], Role::Subscribes),
        Dish => (&[], Role::Joins),
        Rep => (&[], Role::Hears(&["", "good"], &["good"])),
        Req => (CORRELATE, Role::Asks),
        Pub => (&[], Role::Publishes),
        Xpub => (VERBOSE, Role::Publishes),
        Radio => (&[], Role::Broadcasts),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Alone,
    /// Never reads.
    NeverReads,
    /// What the peer sends, and the end of what the program gets.
    Hears(&'static [&'static str], &'static [&'static str]),
    Subscribes,
    Joins,
    Asks,
    Publishes,
    Broadcasts,
}

impl Scene {
    fn new(socket_type: SocketType, flood: Flood) -> Scene {
        let mut bench = Bench::new(socket_type);
        bench.units = CALL_UNITS;
        let (options, role) = role(socket_type);
        options.iter().for_each(|&(option, value)| bench.set(option, value));
        match role {
            Role::Subscribes => bench.set_bytes(ZMQ_SUBSCRIBE, b"good").unwrap(),
            Role::Joins => bench.join_group("good").unwrap(),
            _ => {}
        }
        let named = |pipe: &mut Pipe, name: &str| {
            if matches!(socket_type, SocketType::Router | SocketType::Rep) {
                pipe.write_routing_id(name.as_bytes()).unwrap();
                pipe.flush();
            }
        };
        let good =
            (role != Role::Alone).then(|| bench.connect_with(HWM_MESSAGES, |pipe| named(pipe, "good")));
        if role == Role::Asks {
            bench.send(&["question"]).unwrap();
        }
        let (id, mut theirs) = bench.insert(HWM_MESSAGES);
        named(&mut theirs, "bad");
        let state = Mutex::new(None);
        let flooder = Arc::new(Flooder { flood, state });
        theirs.set_owner(flooder.clone());
        *flooder.state.lock() = Some(FloodPipe { pipe: theirs, frames: 0 });
        let mut scene = Scene { bench, good, flooder };
        scene.attach(id);
        scene.flooder.go();
        scene
    }

    fn attach(&mut self, id: PipeId) {
        self.bench.pattern.attach(&mut self.bench.pipes, id, Origin::Accepted);
    }

    /// Every call that a program may make. None takes all of the flood.
    fn call_everything(&mut self, what: &str) {
        type Call = fn(&mut Bench);
        let calls: [(&str, Call); 6] = [
            ("process", |bench| bench.settle()),
            ("events", |bench| {
                let _ = (bench.has_in(), bench.has_out());
            }),
            ("recv", |bench| drop(bench.recv_frame())),
            ("send", |bench| {
                let _ = bench.send_frame("x", false);
            }),
            ("join", |bench| {
                let _ = bench.join_group("other").and_then(|()| bench.leave_group("other"));
            }),
            ("recv again", |bench| drop(bench.recv_frame())),
        ];
        for (name, call) in calls {
            let before = self.flooder.frames();
            call(&mut self.bench);
            let taken = self.flooder.frames() - before;
            let most =
                if self.flooder.flood == Flood::Endless { ENDLESS_FRAMES * 3 } else { MAX_CALL_FRAMES * 2 };
            assert!(taken <= most, "{what}: {name} took {taken} frames");
        }
    }

    /// Whether the well-behaved peer is served while the other one floods.
    fn is_served(&mut self, role: Role) -> bool {
        let Some(good) = &mut self.good else { return true };
        match role {
            Role::Alone | Role::NeverReads => true,
            Role::Hears(sent, expected) => {
                good.send(sent);
                self.hears(expected)
            }
            Role::Subscribes => {
                good.send(&["good"]);
                self.hears(&["good"])
            }
            Role::Joins => {
                good.send(&["good", "body"]);
                self.hears(&["body"])
            }
            Role::Asks => {
                good.send(&["", "answer"]);
                self.hears(&["answer"])
            }
            Role::Publishes => {
                good.subscribe(true, "good");
                self.reaches(|bench| bench.send(&["good"]).unwrap())
            }
            Role::Broadcasts => {
                good.join(true, "good");
                self.reaches(|bench| bench.send_to("good", "x").unwrap())
            }
        }
    }

    /// Within some calls, as a program makes them that looks and receives.
    fn hears(&mut self, expected: &[&str]) -> bool {
        let mut message = Vec::new();
        (0..20_000).any(|_| match self.bench.recv_frame() {
            Ok((frame, more)) => {
                message.push(frame);
                if more {
                    return false;
                }
                let told = std::mem::take(&mut message);
                told.iter().rev().zip(expected.iter().rev()).all(|(a, b)| a == b)
            }
            // A REP has to answer before it hears more.
            Err(Errno::FSM) => {
                self.bench.send_frame("reply", false).unwrap();
                false
            }
            Err(_) => false,
        })
    }

    fn reaches(&mut self, send: impl Fn(&mut Bench)) -> bool {
        (0..20_000).any(|_| {
            // A program that listens, where there is something to listen to.
            let _ = self.bench.recv_frame();
            send(&mut self.bench);
            !self.good.as_mut().unwrap().recv_all().is_empty()
        })
    }
}

#[test]
fn no_call_takes_more_than_its_budget_and_the_others_are_heard() {
    for socket_type in SocketType::ALL {
        for flood in ALL {
            let what = format!("{socket_type:?} under {flood:?}");
            let mut scene = Scene::new(socket_type, flood);
            scene.call_everything(&what);
            assert!(scene.is_served(role(socket_type).1), "{what}: the other peer is not served");
            scene.call_everything(&what);
        }
    }
}

#[test]
fn a_publisher_that_only_sends_hears_the_others_under_any_flood() {
    for (receives_once, flood) in [false, true].into_iter().flat_map(|once| ALL.map(|flood| (once, flood))) {
        let mut scene = Scene::new(SocketType::Xpub, flood);
        if receives_once {
            let _ = scene.bench.recv_frame();
        }
        let good = scene.good.as_mut().unwrap();
        good.subscribe(true, "good");
        let is_heard = (0..1000).any(|_| {
            scene.bench.send(&["good"]).unwrap();
            !good.recv_all().is_empty()
        });
        assert!(is_heard, "{flood:?}, receives once: {receives_once}");
    }
}

#[test]
fn call_over_its_budget_announces_the_rest() {
    for socket_type in SocketType::ALL {
        for flood in ALL {
            let what = format!("{socket_type:?} under {flood:?}");
            let mut scene = Scene::new(socket_type, flood);
            let mut calls = 0;
            // Until the flood has ended or the program is to receive, each call either says that more is to do or has done all.
            loop {
                let before = scene.flooder.frames();
                let readable = scene.bench.has_in();
                let undone = scene.bench.pipes.budget.take_undone();
                calls += 1;
                if !undone && (readable || scene.flooder.frames() == before) {
                    break;
                }
                assert!(calls < 1000, "{what}: no end");
            }
            if !scene.bench.has_in() && scene.flooder.frames() < FLOOD_FRAMES {
                // A socket that never reads leaves it in the pipe.
                let never_reads = role(socket_type).1 == Role::NeverReads;
                assert!(
                    never_reads,
                    "{what}: stopped in the middle, at {} after {calls}",
                    scene.flooder.frames()
                );
            }
        }
    }
}

#[test]
fn a_subscriber_that_leaves_is_forgotten_in_steps() {
    const MANY: i32 = 3000;
    for (socket_type, option) in [
        (SocketType::Pub, None),
        (SocketType::Xpub, None),
        (SocketType::Xpub, Some(ZMQ_XPUB_VERBOSE)),
        (SocketType::Xpub, Some(ZMQ_XPUB_MANUAL)),
    ] {
        let mut bench = Bench::new(socket_type);
        bench.units = CALL_UNITS;
        option.into_iter().for_each(|option| bench.set(option, 1));
        let mut peer = bench.connect_with(0, |_| {});
        for topic in 0..MANY {
            peer.subscribe(true, &topic.to_string());
        }
        let mut told = 0;
        bench.pipes.budget.leave_undone();
        while bench.pipes.budget.take_undone() {
            bench.settle();
        }
        while socket_type == SocketType::Xpub && bench.recv_frame().is_ok() {
            told += 1;
            if option == Some(ZMQ_XPUB_MANUAL) {
                bench.set_bytes(ZMQ_SUBSCRIBE, told.to_string().as_bytes()).unwrap();
            }
        }
        assert_eq!(bench.get(ZMQ_TOPICS_COUNT), MANY, "{socket_type:?} {option:?}");
        assert!(told == MANY || socket_type == SocketType::Pub);
        drop(peer);
        let mut steps = 0;
        while told > 0 || bench.get(ZMQ_TOPICS_COUNT) > 0 {
            let before = bench.get(ZMQ_TOPICS_COUNT);
            bench.settle();
            let gone = before - bench.get(ZMQ_TOPICS_COUNT);
            assert!(gone <= CALL_UNITS.cast_signed(), "{socket_type:?} {option:?}: {gone} at once");
            // Frames that a program receives without another look at events.
            while bench.pattern.recv(&mut bench.pipes).is_ok() {
                told -= 1;
            }
            if socket_type == SocketType::Pub {
                told = bench.get(ZMQ_TOPICS_COUNT);
            }
            steps += 1;
            assert!(steps < 1000, "{socket_type:?} {option:?}: {told} were not taken back");
        }
        assert!(steps > 5 && told == 0, "{socket_type:?} {option:?}: {steps}, {told}");
    }
}

#[test]
fn last_values_go_out_in_steps_and_the_others_are_served() {
    const MANY: usize = 20 * CALL_UNITS as usize;
    for socket_type in [SocketType::Pub, SocketType::Xpub] {
        let mut bench = Bench::new(socket_type);
        bench.set(ZMQ_FERRO_LAST_VALUE, MANY as i32);
        (0..MANY).for_each(|topic| bench.send(&[&format!("{topic:06}"), "x"]).unwrap());
        bench.units = CALL_UNITS;
        // Each asks for everything, again and again.
        let mut greedy: Vec<_> = (0..3).map(|_| bench.connect_with(0, |_| {})).collect();
        greedy.iter_mut().for_each(|peer| (0..10).for_each(|_| peer.subscribe(true, "")));
        let mut modest = bench.connect();
        modest.subscribe(true, "000007");
        let (mut got, mut served) = (0, None);
        for call in 0.. {
            assert!(call < 10_000, "{socket_type:?}: no end");
            bench.pipes.budget.take_undone();
            bench.settle();
            let some: usize = greedy.iter_mut().map(|peer| peer.recv_all().len()).sum();
            assert!(some <= CALL_UNITS as usize, "{socket_type:?}: {some} in one call");
            got += some;
            if served.is_none() && modest.recv_all() == ["000007|x"] {
                served = Some(call);
            }
            if !bench.pipes.budget.is_anything_undone() {
                break;
            }
        }
        assert!(got >= 3 * MANY, "{socket_type:?}: {got}");
        assert!(served.is_some_and(|call| call < 100), "{socket_type:?}: served in call {served:?}");
    }
}

/// How a program makes a socket of this type want the message that begins so; `None`: its peers are told nothing.
fn wish(socket_type: SocketType) -> Option<fn(&mut Bench, &str)> {
    use SocketType::*;
    match socket_type {
        Sub => Some(|bench, topic| bench.set_bytes(ZMQ_SUBSCRIBE, topic.as_bytes()).unwrap()),
        Xsub => Some(|bench, topic| bench.send(&[&format!("\u{1}{topic}")]).unwrap()),
        Dish => Some(|bench, group| bench.join_group(group).unwrap()),
        Pair | Channel | Dgram | Push | Scatter | Pull | Gather | Dealer | Client | Server | Peer
        | Router | Stream | Rep | Req | Pub | Xpub | Radio => None,
    }
}

/// Calls until the peer has heard `all`, each of which tells at most what its budget allows, and a turn.
fn hears_in_steps(
    bench: &mut Bench,
    what: &str,
    all: usize,
    mut heard: usize,
    mut hear: impl FnMut() -> usize,
) {
    while heard < all {
        assert!(bench.pipes.budget.take_undone(), "{what}: nobody comes back for the rest");
        // A call tells twice where it lets go of pipes between.
        bench.settle();
        let told = hear();
        assert!(told > 0 && told <= (CALL_UNITS + 2 * TURN_WISHES) as usize, "{what}: {told} in one call");
        heard += told;
    }
    assert_eq!(heard, all, "{what}: each once");
}

#[test]
fn peers_hear_of_many_wishes_in_steps() {
    const ASKED_FOR: usize = (ASKED_FOR_TURNS * TURN_WISHES) as usize;
    const MANY: usize = ASKED_FOR + 20 * CALL_UNITS as usize;
    for (socket_type, wish) in SocketType::ALL.into_iter().filter_map(|of| Some((of, wish(of)?))) {
        let mut bench = Bench::new(socket_type);
        (0..MANY).for_each(|i| wish(&mut bench, &i.to_string()));
        bench.units = CALL_UNITS;
        for origin in [Origin::Accepted, Origin::Connected, Origin::Awaited] {
            let what = format!("{socket_type:?} {origin:?}");
            let (id, pipe) = bench.insert(0);
            let mut peer = Peer { id, pipe };
            bench.pattern.attach(&mut bench.pipes, id, origin);
            let heard = peer.recv_all().len();
            assert_eq!(heard, if origin.is_asked_for() { ASKED_FOR } else { 0 }, "{what}: at once");
            hears_in_steps(&mut bench, &what, MANY, heard, || peer.recv_all().len());
            let (mut reader, _writer, _end) = peer.hiccup();
            let hear = move || std::iter::from_fn(|| reader.read().map(drop)).count();
            bench.pipes.budget.leave_undone();
            hears_in_steps(&mut bench, &format!("{what}, connected again"), MANY, 0, hear);
        }
    }
}
