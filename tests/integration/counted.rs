//! What sockets count, as `zmq_ferro_stats` tells it.

use crate::support::PATIENCE;
use crate::support::program::{Context, Socket};
use serde_json::Value;
use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr;
use std::time::Instant;
use zmq::errno::Errno;
use zmq::ffi::constants::*;
use zmq::ffi::*;
use zmq::options::number::ZMQ_FERRO_STATS_IVL;

const TRANSPORTS: [&str; 3] = ["inproc://counted", "tcp://127.0.0.1:*", "ipc://*"];

/// The text for a context, or for all.
fn text(context: *mut c_void) -> Result<String, c_int> {
    let mut size = 0;
    loop {
        let mut buffer = vec![1u8; size];
        // SAFETY: that many writable bytes.
        let rc = unsafe { zmq_ferro_stats(context, buffer.as_mut_ptr().cast::<c_char>(), &raw mut size) };
        if rc == 0 {
            assert_eq!(buffer[size - 1], 0);
            buffer.truncate(size - 1);
            return Ok(String::from_utf8(buffer).unwrap());
        }
        if zmq_errno() != Errno::NOBUFS.0 {
            return Err(zmq_errno());
        }
    }
}

fn stats(context: Context) -> Value {
    serde_json::from_str(&text(context.0).unwrap()).unwrap()
}

/// The only socket of this type.
pub fn of_type<'a>(stats: &'a Value, name: &str) -> &'a Value {
    let found: Vec<_> =
        stats["sockets"].as_array().unwrap().iter().filter(|socket| socket["type"] == name).collect();
    assert_eq!(found.len(), 1, "{name}: {stats}");
    found[0]
}

/// Asks until the answer is right.
pub fn until(context: Context, is_so: impl Fn(&Value) -> bool) -> Value {
    let start = Instant::now();
    loop {
        let stats = stats(context);
        if is_so(&stats) {
            return stats;
        }
        assert!(start.elapsed() < PATIENCE, "{stats:#}");
        std::thread::yield_now();
    }
}

fn pair_over(context: Context, transport: &str, types: (c_int, c_int)) -> (Socket, Socket) {
    let bound = context.patient(types.0);
    let endpoint = bound.try_bind(transport).unwrap();
    let connected = context.patient(types.1);
    connected.connect(&endpoint);
    (bound, connected)
}

#[test]
fn what_is_sent_is_received_over_every_transport() {
    const MESSAGES: usize = 500;
    for transport in TRANSPORTS {
        let context = Context::new();
        let (pull, push) = pair_over(context, transport, (ZMQ_PULL, ZMQ_PUSH));
        let mut bytes = 0;
        for i in 0..MESSAGES {
            // Of every way of sending, and on the wire in frames with short and long headers.
            let first = vec![b'x'; [0, 64, 300, 9000, 40_000][i % 5]];
            bytes += first.len() + 3;
            push.try_send(&first, ZMQ_SNDMORE).unwrap();
            push.try_send(b"end", 0).unwrap();
            assert_eq!(pull.try_frames(0).unwrap().len(), 2);
        }
        let counted = [MESSAGES, bytes, 2 * MESSAGES];
        // The stream's count follows what was written, and by then the receiver may have it all.
        let stats = until(context, |stats| {
            let connection = &of_type(stats, "PUSH")["connections"][0];
            connection.is_null() || connection["counters"]["messages_sent"] == MESSAGES
        });
        let (sender, receiver) = (of_type(&stats, "PUSH"), of_type(&stats, "PULL"));
        for (socket, suffix) in [(sender, "sent"), (receiver, "received")] {
            let names = ["messages", "bytes", "frames"].map(|name| format!("{name}_{suffix}"));
            let found = names.map(|name| socket["counters"][&name].as_u64().unwrap() as usize);
            assert_eq!(found, counted, "{transport}: {socket:#}");
            assert!(socket["dropped"].as_object().unwrap().values().all(|count| count == 0), "{socket:#}");
        }
        assert_eq!(sender["queued_to_send"], 0, "{transport}");
        assert_eq!(receiver["queued_to_receive"], 0, "{transport}");
        if transport.starts_with("inproc") {
            assert_eq!(sender["connections"].as_array().unwrap().len(), 0);
        } else {
            let [on, off] = [sender, receiver].map(|socket| &socket["connections"][0]);
            assert_eq!((&on["direction"], &off["direction"]), (&"out".into(), &"in".into()));
            assert_eq!((&on["mechanism"], &off["mechanism"]), (&"NULL".into(), &"NULL".into()));
            assert_eq!(on["counters"]["messages_sent"], MESSAGES);
            assert_eq!(off["counters"]["messages_received"], MESSAGES);
            let [sent, received] = [(on, "sent"), (off, "received")]
                .map(|(side, what)| side["counters"][format!("bytes_{what}")].as_u64().unwrap());
            // The handshake's last words may be among what was sent, and are not among what was received.
            assert!(
                received > bytes as u64 && (received..received + 100).contains(&sent),
                "{sent} {received}"
            );
            assert!(on["counters"]["handshake_time"].as_u64().unwrap() > 0);
            assert_eq!(sender["handshake_time"]["count"], 1);
            assert_eq!(sender["counters"]["handshakes_succeeded"], 1);
        }
        context.end(&[push, pull]);
    }
}

#[test]
fn what_waits_and_what_is_refused_is_counted() {
    for transport in TRANSPORTS {
        let context = Context::new();
        let (push, pull) = pair_over(context, transport, (ZMQ_PUSH, ZMQ_PULL));
        assert_eq!(pull.try_recv(ZMQ_DONTWAIT), Err(Errno::AGAIN.0));
        for _ in 0..100 {
            push.try_send(b"waits", 0).unwrap();
        }
        let stats = until(context, |stats| of_type(stats, "PULL")["queued_to_receive"] == 100);
        let receiver = of_type(&stats, "PULL");
        assert_eq!(receiver["counters"]["receives_refused"], 1);
        assert_eq!(receiver["counters"]["messages_received"], 0);
        pull.try_recv(0).unwrap();
        assert_eq!(of_type(&self::stats(context), "PULL")["queued_to_receive"], 99);
        pull.close();
        // The sender has no peer.
        until(context, |_| push.try_send(b"refused", ZMQ_DONTWAIT) == Err(Errno::AGAIN.0));
        assert_ne!(of_type(&self::stats(context), "PUSH")["counters"]["sends_refused"], 0);
        context.end(&[push]);
    }
}

#[test]
fn a_context_tells_of_its_own_sockets_alone() {
    let (one, other) = (Context::new(), Context::new());
    let (ours, theirs) = (one.socket(ZMQ_REP), other.socket(ZMQ_REQ));
    ours.bind("inproc://own \"name\"");
    let stats = stats(one);
    assert_eq!(stats["sockets"].as_array().unwrap().len(), 1);
    assert_eq!(stats["pid"], std::process::id());
    let all: Value = serde_json::from_str(&text(ptr::null_mut()).unwrap()).unwrap();
    assert!(all["sockets"].as_array().unwrap().len() >= 2);
    one.end(&[ours]);
    assert_eq!(text(one.0), Err(Errno::FAULT.0));
    other.end(&[theirs]);
}

#[test]
fn a_text_without_room_is_not_written() {
    let context = Context::new();
    let mut buffer = [7 as c_char; 16];
    let mut size = buffer.len();
    // SAFETY: that many writable bytes.
    let rc = unsafe { zmq_ferro_stats(context.0, buffer.as_mut_ptr(), &raw mut size) };
    assert_eq!((rc, zmq_errno(), buffer), (-1, Errno::NOBUFS.0, [7; 16]));
    assert!(size > buffer.len());
    // SAFETY: NULL.
    assert_eq!(unsafe { zmq_ferro_stats(context.0, buffer.as_mut_ptr(), ptr::null_mut()) }, -1);
    assert_eq!(zmq_errno(), Errno::FAULT.0);
    context.term();
}

#[test]
fn a_socket_of_the_context_can_ask_for_the_counts() {
    let context = Context::new();
    let (push, pull) = pair_over(context, "inproc://counted", (ZMQ_PUSH, ZMQ_PULL));
    push.send(&["a task"]);
    let ask = |types: c_int, request: &[&str], frames: usize| {
        let asking = context.patient(types);
        asking.connect("inproc://ferrozmq.stats");
        for _ in 0..20 {
            asking.send(request);
            let answer = asking.try_frames(0).unwrap();
            assert_eq!(answer.len(), frames);
            let stats: Value = serde_json::from_slice(answer.last().unwrap()).unwrap();
            assert_eq!(of_type(&stats, "PULL")["queued_to_receive"], 1);
        }
        asking.close();
    };
    ask(ZMQ_REQ, &["anything"], 1);
    ask(ZMQ_REQ, &["of", "", "several frames"], 1);
    ask(ZMQ_DEALER, &["an id", "", "x"], 3);
    ask(ZMQ_DEALER, &["no envelope"], 1);
    // A request whose answer is not waited for, and one that waits for no turn.
    let hasty = context.socket(ZMQ_DEALER);
    hasty.connect("inproc://ferrozmq.stats");
    for _ in 0..100 {
        hasty.send(&["", "x"]);
    }
    context.end(&[push, pull, hasty]);
}

#[test]
fn the_name_of_the_counts_is_the_programs_if_it_binds_it() {
    let context = Context::new();
    let before = context.patient(ZMQ_REQ);
    before.connect("inproc://ferrozmq.stats");
    let rep = context.patient(ZMQ_REP);
    rep.bind("inproc://ferrozmq.stats");
    let after = context.patient(ZMQ_REQ);
    after.connect("inproc://ferrozmq.stats");
    after.send(&["question"]);
    assert_eq!(rep.recv(), ["question"]);
    rep.send(&["answer"]);
    assert_eq!(after.recv(), ["answer"]);
    before.send(&["x"]);
    assert!(before.recv()[0].starts_with('{'));
    // Types that ask nothing wait for a socket of the program, as for any name.
    rep.close();
    let (pull, push) = (context.patient(ZMQ_PULL), context.patient(ZMQ_PUSH));
    push.connect("inproc://ferrozmq.stats");
    pull.bind("inproc://ferrozmq.stats");
    push.send(&["a task"]);
    assert_eq!(pull.recv(), ["a task"]);
    context.end(&[before, after, pull, push]);
}

#[test]
fn a_monitor_tells_the_counts_again_and_again() {
    let context = Context::new();
    let (push, pull) = pair_over(context, "inproc://counted", (ZMQ_PUSH, ZMQ_PULL));
    for (version, events) in [(1, ZMQ_EVENT_ALL | ZMQ_FERRO_EVENT_STATS), (2, ZMQ_FERRO_EVENT_STATS)] {
        push.set(ZMQ_FERRO_STATS_IVL, 5);
        let name = CString::new(format!("inproc://counts-{version}")).unwrap();
        // SAFETY: a string.
        let rc =
            unsafe { zmq_socket_monitor_versioned(push.0, name.as_ptr(), events as u64, version, ZMQ_PAIR) };
        assert_eq!(rc, 0);
        let monitor = context.patient(ZMQ_PAIR);
        monitor.connect(name.to_str().unwrap());
        for _ in 0..3 {
            push.send(&["a task"]);
            let frames = monitor.try_frames(0).unwrap();
            let (first, number) = if version == 1 {
                (2, 0x8002u16.to_ne_bytes().to_vec())
            } else {
                (5, (ZMQ_FERRO_EVENT_STATS as u64).to_ne_bytes().to_vec())
            };
            assert_eq!(frames.len(), first + 1);
            assert!(frames[0].starts_with(&number));
            let counts: Value = serde_json::from_slice(&frames[first]).unwrap();
            assert_eq!(counts["type"], "PUSH");
            assert!(counts["counters"]["messages_sent"].as_u64().unwrap() <= 6);
        }
        monitor.close();
    }
    context.end(&[push, pull]);
}

#[test]
fn what_a_closed_socket_has_counted_is_its_contexts() {
    let context = Context::new();
    // No peer is there.
    let push = context.socket(ZMQ_PUSH);
    push.connect("ipc://@no-peer-of-the-counted");
    for _ in 0..5 {
        push.send(&["lost", "message"]);
    }
    push.close();
    let stats = until(context, |stats| stats["sockets"].as_array().unwrap().is_empty());
    let closed = &stats["contexts"][0]["closed_sockets"];
    assert_eq!(
        (&closed["counters"]["messages_sent"], &closed["counters"]["frames_sent"]),
        (&5.into(), &10.into())
    );
    assert_eq!(
        (&closed["dropped"]["linger_over"], &closed["dropped"]["disconnected"]),
        (&5.into(), &0.into())
    );
    context.term();
}
