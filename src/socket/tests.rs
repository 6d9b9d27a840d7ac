//! The fast paths in and out, over sockets of one process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::send::send_fast;
use super::{DONTWAIT, Handle, POLLIN, quiet, recv, send};
use crate::counters::{Reason, Snapshot, SocketCounter};
use crate::ctx::{Context, Path};
use crate::errno::Errno;
use crate::message::{BY_REFERENCE_MIN_BYTES, Body, Msg, OutFrame};
use crate::options::draft_number::ZMQ_HELLO_MSG;
use crate::options::number::{
    ZMQ_CONFLATE, ZMQ_RCVHWM, ZMQ_RCVMORE, ZMQ_ROUTER_MANDATORY, ZMQ_ROUTING_ID, ZMQ_SNDHWM, ZMQ_SUBSCRIBE,
};
use crate::options::{ContextOptions, SocketType};
use crate::pipe::Wake;
use crate::sys::faults::{self, Call};
use std::time::{Duration, Instant};

/// Two sockets, the first connected to the second, each of which has taken note of the other.
fn pair(from: SocketType, to: SocketType, topic: Option<&[u8]>) -> (Handle, Handle) {
    let context = Context::new(ContextOptions::new());
    let (from, to) = (Handle::open(&context, from).unwrap(), Handle::open(&context, to).unwrap());
    to.bind("inproc://fast-path").unwrap();
    from.connect("inproc://fast-path").unwrap();
    if let Some(topic) = topic {
        to.set_option(ZMQ_SUBSCRIBE, topic).unwrap();
    }
    for socket in [from, to] {
        socket.events().unwrap();
    }
    (from, to)
}

fn send_slowly(socket: Handle, data: &[u8]) {
    socket.send(&mut OutFrame::bytes(data, false), DONTWAIT).unwrap();
}

fn recv_slowly(socket: Handle) -> Vec<u8> {
    socket.recv(DONTWAIT, |frame| Ok(frame.data().to_vec())).unwrap()
}

fn recv_fast(socket: Handle) -> Option<Vec<u8>> {
    recv::recv_fast(socket, |frame| frame.body.to_vec())
}

fn recv_by_reference(socket: Handle) -> Option<(Body, bool)> {
    let mut locked = socket.try_lock(Path::Receive)?;
    recv::recv_by_reference(socket, &mut locked)
}

fn write_message(socket: Handle, message: &mut Msg, more: bool) -> Option<Wake> {
    let mut locked = socket.try_lock(Path::Send)?;
    send::write_message(quiet(&mut locked)?, message, more).map(|(wake, _)| wake)
}

/// Messages that the socket takes until it has no credit.
fn fill(socket: Handle) -> usize {
    let taken = std::iter::repeat_with(|| socket.send_bytes(b"x", false, DONTWAIT)).take_while(Result::is_ok);
    taken.take(10_000).count()
}

fn close(sockets: (Handle, Handle)) {
    sockets.0.close().unwrap();
    sockets.1.close().unwrap();
    assert!(send_fast(sockets.0, b"x", false).is_err(), "closed");
    assert!(recv_fast(sockets.1).is_none(), "closed");
}

#[test]
fn marks_that_the_peer_changes_hold_on_the_fast_path() {
    let context = Context::new(ContextOptions::new());
    let [from, to] = [SocketType::Push, SocketType::Pull].map(|kind| Handle::open(&context, kind).unwrap());
    let set = |socket: Handle, option, mark: i32| socket.set_option(option, &mark.to_ne_bytes()).unwrap();
    let receive = || to.recv_bytes(DONTWAIT, |data| data.len());
    let pass = |messages| {
        for _ in 0..messages {
            from.send_bytes(b"x", false, DONTWAIT).expect("the receiver grants by the new mark");
            receive().unwrap();
        }
    };
    set(from, ZMQ_SNDHWM, 1);
    set(to, ZMQ_RCVHWM, 1);
    to.bind("inproc://marks").unwrap();
    from.connect("inproc://marks").unwrap();
    set(to, ZMQ_RCVHWM, 1000);
    pass(10);
    set(to, ZMQ_RCVHWM, 2);
    assert_eq!(fill(from), 3, "the receiver has lowered its part");
    while receive().is_ok() {}
    set(from, ZMQ_SNDHWM, 1000);
    pass(10);
    set(from, ZMQ_SNDHWM, 1);
    pass(2000);
    set(from, ZMQ_SNDHWM, 0);
    assert_eq!(fill(from), 10_000);
    close((from, to));
}

#[test]
fn marks_hold_that_the_peer_sets_before_the_bound_end_has_looked() {
    let context = Context::new(ContextOptions::new());
    let [bound, peer] = [SocketType::Dealer; 2].map(|kind| Handle::open(&context, kind).unwrap());
    let set = |socket: Handle, option, mark: i32| socket.set_option(option, &mark.to_ne_bytes()).unwrap();
    set(bound, ZMQ_SNDHWM, 5);
    // It goes to the peer before the bound socket has the pipe.
    bound.set_option(ZMQ_HELLO_MSG, b"hello").unwrap();
    bound.bind("inproc://early").unwrap();
    set(peer, ZMQ_RCVHWM, 0);
    peer.connect("inproc://early").unwrap();
    set(peer, ZMQ_RCVHWM, 10);
    assert_eq!(fill(bound), 14, "the hello takes one place");
    close((bound, peer));
}

#[test]
fn a_peer_whose_latest_message_alone_is_kept_has_its_name() {
    for is_early in [false, true] {
        let context = Context::new(ContextOptions::new());
        let [dealer, router] =
            [SocketType::Dealer, SocketType::Router].map(|kind| Handle::open(&context, kind).unwrap());
        dealer.set_option(ZMQ_CONFLATE, &1i32.to_ne_bytes()).unwrap();
        dealer.set_option(ZMQ_ROUTING_ID, b"name").unwrap();
        router.set_option(ZMQ_ROUTER_MANDATORY, &1i32.to_ne_bytes()).unwrap();
        if is_early {
            dealer.connect("inproc://name").unwrap();
            send_slowly(dealer, b"early");
            router.bind("inproc://name").unwrap();
        } else {
            router.bind("inproc://name").unwrap();
            dealer.connect("inproc://name").unwrap();
        }
        router.send(&mut OutFrame::bytes(b"name", true), DONTWAIT).unwrap();
        send_slowly(router, b"to it");
        assert_eq!(recv_slowly(dealer), b"to it");
        send_slowly(dealer, b"latest");
        assert_eq!((recv_slowly(router), recv_slowly(router)), (b"name".to_vec(), b"latest".to_vec()));
        close((dealer, router));
    }
}

#[test]
fn sends_are_refused_once_the_peer_has_gone() {
    for from in [SocketType::Push, SocketType::Dealer, SocketType::Pair] {
        let to = if from == SocketType::Push { SocketType::Pull } else { from };
        let (from, to) = pair(from, to, None);
        for _ in 0..3 {
            from.send_bytes(b"x", false, DONTWAIT).unwrap();
        }
        // What is left to be read keeps the pipe.
        let _ = to.send_bytes(b"unread", false, DONTWAIT);
        to.close().unwrap();
        for _ in 0..3 {
            assert_eq!(from.send_bytes(b"x", false, DONTWAIT), Err(Errno::AGAIN));
        }
        from.close().unwrap();
    }
}

#[test]
fn rcvmore_is_remembered_until_a_call_changes_it() {
    let (from, to) = pair(SocketType::Dealer, SocketType::Dealer, None);
    let receive = || to.recv_bytes(DONTWAIT, |data| data.len());
    for (frame, more) in [("1", true), ("2", false), ("3", true), ("4", false)] {
        from.send_bytes(frame.as_bytes(), more, DONTWAIT).unwrap();
    }
    for more in [true, false, true] {
        receive().unwrap();
        assert_eq!(to.rcvmore(), Some(more));
        to.send_bytes(b"no frame comes of it", false, DONTWAIT).unwrap();
        assert!(to.rcvmore().is_none_or(|remembered| remembered == more));
        let mut out = [0; 4];
        to.option(ZMQ_RCVMORE, &mut out).unwrap();
        assert_eq!(i32::from_ne_bytes(out), i32::from(more));
    }
    receive().unwrap();
    assert_eq!(receive(), Err(Errno::AGAIN));
    assert_eq!(to.rcvmore(), None, "the call has received nothing");
    close((from, to));
}

#[test]
fn frames_take_the_fast_path_once_their_way_is_known() {
    use SocketType::{Dealer, Pair, Pull, Push};
    for (from, to) in [(Push, Pull), (Dealer, Dealer), (Pair, Pair)] {
        let (from, to) = pair(from, to, None);
        // This wakes a sleeping reader, and there is credit to look for.
        send_slowly(from, b"long");
        assert!(recv_fast(to).is_none(), "the mailbox says that there is something");
        assert_eq!(recv_slowly(to), b"long");
        for more in [true, false] {
            assert!(send_fast(from, b"short", more).is_ok());
        }
        for more in [true, false] {
            assert_eq!(recv_fast(to), Some(b"short".to_vec()));
            assert_eq!(to.rcvmore(), Some(more));
        }
        assert!(recv_fast(to).is_none(), "nothing there");
        assert!(send_fast(from, &[0; BY_REFERENCE_MIN_BYTES], false).is_err(), "by reference");
        let guard = from.0.lock().unwrap();
        assert!(send_fast(from, b"x", false).is_err(), "another caller holds the lock");
        drop(guard);
        close((from, to));
    }
}

#[test]
fn large_message_goes_by_reference() {
    let (from, to) = pair(SocketType::Push, SocketType::Pull, None);
    let message = || Msg::copy_from(&[7; 5000]).unwrap();
    assert_eq!(write_message(from, &mut message(), false), None, "the reader sleeps");
    for round in 0..3 {
        from.send(&mut OutFrame::msg(&mut message(), false), DONTWAIT).unwrap();
        assert_eq!(
            recv_by_reference(to).is_some(),
            round > 0,
            "the first message woke the reader, and there was credit to look for"
        );
        if round == 0 {
            assert_eq!(recv_slowly(to), [7; 5000]);
        }
    }
    for more in [true, false] {
        let mut message = message();
        let at = message.data_ptr();
        assert_eq!(write_message(from, &mut message, more), Some(Wake::NotNeeded));
        assert!(message.is_empty());
        if !more {
            for more in [true, false] {
                assert!(recv_fast(to).is_none());
                let (body, follows) = recv_by_reference(to).unwrap();
                assert_eq!((follows, body.as_ptr() == at, to.rcvmore()), (more, !more, Some(more)));
            }
        }
    }
    assert!(recv_by_reference(to).is_none());
    close((from, to));
}

#[test]
fn subscriber_receives_its_topics_on_the_fast_path() {
    let (from, to) = pair(SocketType::Pub, SocketType::Sub, Some(b"a"));
    from.events().unwrap();
    send_slowly(from, b"a1");
    assert_eq!(recv_slowly(to), b"a1");
    for text in [b"a2", b"a3"] {
        send_slowly(from, text);
    }
    assert_eq!(to.events(), Ok(POLLIN), "announces it");
    assert_eq!([recv_fast(to), recv_fast(to)], [Some(b"a2".to_vec()), Some(b"a3".to_vec())]);
    assert!(send_fast(from, b"a4", false).is_err(), "a publisher has a say in it");
    close((from, to));
}

#[test]
fn sleeping_reader_is_woken_by_wake_reader() {
    let (from, to) = pair(SocketType::Push, SocketType::Pull, None);
    send_slowly(from, b"1");
    assert_eq!(recv_slowly(to), b"1");
    let id = from.0.lock().unwrap().pipes.ids()[0];
    assert!(to.link().unwrap().mailbox.state().is_quiet());
    send::wake_reader(from.lock().unwrap(), id).unwrap();
    assert!(to.link().unwrap().mailbox.pending());
    close((from, to));
}

#[test]
fn calls_pause_while_there_is_no_memory_to_tell_a_peer_what_is_subscribed_to() {
    let context = Context::new(ContextOptions::new());
    let open = |socket_type| Handle::open(&context, socket_type).unwrap();
    let (subscriber, publisher) = (open(SocketType::Sub), open(SocketType::Xpub));
    subscriber.set_option(ZMQ_SUBSCRIBE, b"a").unwrap();
    subscriber.bind("inproc://short-of-memory").unwrap();
    publisher.connect("inproc://short-of-memory").unwrap();
    let refused = faults::refuse(Call::Allocate, Errno::NOMEM, u32::MAX);
    let begun = Instant::now();
    for _ in 0..10 {
        subscriber.events().unwrap();
        assert!(subscriber.link().unwrap().mailbox.pending(), "a waiting thread comes back at once");
    }
    assert!(begun.elapsed() >= Duration::from_millis(10), "{:?}", begun.elapsed());
    let pauses = faults::refuse(Call::Poll, Errno::NOMEM, 1);
    let mut locked = subscriber.lock().unwrap();
    locked.process().unwrap();
    assert!(faults::next(Call::Poll).is_some(), "no pause under the lock, which other threads wait for");
    assert!(!locked.take_shortage_rest().is_zero(), "the pause is left to the caller");
    drop((locked, pauses, refused));
    subscriber.events().unwrap();
    assert!(!subscriber.link().unwrap().mailbox.pending());
    assert_eq!(recv_slowly(publisher), b"\x01a");
    publisher.close().unwrap();
    subscriber.close().unwrap();
}

#[test]
fn a_peer_for_which_there_is_no_memory_is_turned_away_and_a_program_is_told() {
    let context = Context::new(ContextOptions::new());
    let open = |socket_type| Handle::open(&context, socket_type).unwrap();
    let (server, client) = (open(SocketType::Pull), open(SocketType::Push));
    server.bind("inproc://no-room").unwrap();
    let refused = faults::refuse(Call::MakeRoom, Errno::NOMEM, 4);
    for endpoint in ["inproc://no-room", "inproc://not-bound", "tcp://127.0.0.1:9"] {
        assert_eq!(client.connect(endpoint), Err(Errno::NOMEM));
        assert_eq!(client.terminate_endpoint(Some(endpoint)), Err(Errno::NOENT), "nothing is left of it");
    }
    assert_eq!(open(SocketType::Dgram).bind("udp://127.0.0.1:*"), Err(Errno::NOMEM));
    assert_eq!(client.send(&mut OutFrame::bytes(b"x", false), DONTWAIT), Err(Errno::AGAIN));
    drop(refused);
    client.connect("inproc://no-room").unwrap();
    let refused = faults::refuse(Call::MakeRoom, Errno::NOMEM, 1);
    server.events().unwrap();
    drop(refused);
    client.events().unwrap();
    assert_eq!(client.send(&mut OutFrame::bytes(b"x", false), DONTWAIT), Err(Errno::AGAIN), "turned away");
    client.connect("inproc://no-room").unwrap();
    send_slowly(client, b"heard");
    assert_eq!(recv_slowly(server), b"heard");
    [client, server].into_iter().for_each(|socket| socket.close().unwrap());
}

/// The peer has closed its end, and the socket has not obeyed the command that tells of it.
#[test]
fn a_message_whose_peer_is_found_gone_between_two_frames_is_taken_and_dropped() {
    use SocketType::{Dealer, Pair, Pull, Push, Rep, Req};
    for (from, to) in [(Push, Pull), (Dealer, Dealer), (Pair, Pair), (Req, Rep)] {
        let (sender, receiver) = pair(from, to, None);
        sender.send(&mut OutFrame::bytes(b"first", true), DONTWAIT).unwrap();
        receiver.close().unwrap();
        let mut socket = sender.lock().unwrap();
        socket.try_send(&mut OutFrame::bytes(b"last", false)).unwrap();
        let counts = Snapshot::of_socket(socket.pipes.record.number()).unwrap().unwrap();
        assert_eq!(counts.dropped(Reason::Disconnected), 1, "{from:?}");
        assert_eq!(counts.counter(SocketCounter::MessagesSent), 0, "{from:?}");
        drop(socket);
        sender.close().unwrap();
    }
}

/// A handle comes back for another socket, 33 sockets later.
#[test]
fn call_that_was_without_the_lock_leaves_another_socket_of_its_handle_alone() {
    let (own, other) = pair(SocketType::Push, SocketType::Pull, None);
    let link = own.link().unwrap();
    assert!(own.lock_again(&link).is_ok());
    send_slowly(own, b"x");
    assert_eq!(recv_slowly(other), b"x");
    assert_eq!(other.lock_again(&link).err(), Some(Errno::NOTSOCK));
    assert_eq!(other.rcvmore(), Some(false), "still remembered");
    let events = other.events().unwrap().cast_unsigned();
    assert_eq!(other.lock_again(&link).err(), Some(Errno::NOTSOCK));
    assert_eq!(other.0.cached_events(), Some(events));
    own.close().unwrap();
    assert_eq!(own.lock_again(&link).err(), Some(Errno::NOTSOCK));
    other.close().unwrap();
}
