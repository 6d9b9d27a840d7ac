use super::*;

/// There is room for all that is to be sent, and the peer takes it at once.
const ROOM: SendState = SendState {
    taken_bytes: 0,
    held_bytes: 0,
    was_full: false,
    is_full: false,
    no_memory: false,
    control_ends: Some(0),
};

fn heartbeat(ping_ms: u64, timeout_ms: u64) -> Heartbeat {
    Heartbeat::start(Intervals { ping_ms, timeout_ms, ttl_ds: 12 }, 1000)
}

/// Pings when asked to, until `until`; the times of the PINGs and the time of expiry.
fn run(heartbeat: &mut Heartbeat, until: u64) -> (Vec<u64>, Option<u64>) {
    run_with(heartbeat, until, |_| ROOM)
}

/// As [`run`], with a stream that stands so at each time.
fn run_with(
    heartbeat: &mut Heartbeat,
    until: u64,
    mut state: impl FnMut(u64) -> SendState,
) -> (Vec<u64>, Option<u64>) {
    let mut pings = Vec::new();
    while let Some(now) = heartbeat.deadline().filter(|at| *at <= until) {
        match heartbeat.poll(now, &state(now)) {
            Action::SendPing => {
                heartbeat.append_ping(b"", &mut Vec::new());
                pings.push(now);
            }
            Action::Expired => return (pings, Some(now)),
            Action::None | Action::SendPong => {}
        }
    }
    (pings, None)
}

#[test]
fn pings_come_at_the_interval_despite_received_bytes() {
    let mut heartbeat = heartbeat(50, 1000);
    assert_eq!(heartbeat.poll(1049, &ROOM), Action::None);
    heartbeat.on_received();
    assert_eq!(run(&mut heartbeat, 1200), (vec![1050, 1100, 1150, 1200], None));
}

#[test]
fn silence_expires_counted_from_the_first_unanswered_ping() {
    let mut heartbeat = heartbeat(50, 120);
    assert_eq!(run(&mut heartbeat, 2000), (vec![1050, 1100, 1150], Some(1170)));
}

#[test]
fn anything_received_ends_the_wait_until_the_next_ping() {
    let mut heartbeat = heartbeat(50, 70);
    assert_eq!(run(&mut heartbeat, 1119), (vec![1050, 1100], None));
    heartbeat.on_received();
    assert_eq!(run(&mut heartbeat, 2000), (vec![1150, 1200], Some(1220)));
}

#[test]
fn without_a_timeout_nothing_expires_and_without_an_interval_nothing_is_sent() {
    assert_eq!(run(&mut heartbeat(100, 0), 1500).1, None);
    let silent = heartbeat(0, 100);
    assert_eq!(silent.deadline(), None);
}

/// All that `wait` can be asked.
#[test]
fn the_table_is_as_its_rows_say() {
    let all = |hearing| {
        [(false, false), (false, true), (true, false), (true, true)].map(|(p, m)| wait(hearing, p, m))
    };
    use Wait::{BeginsAnew, Runs, StandsStill};
    assert_eq!(all(Hearing::Open), [Runs, Runs, Runs, BeginsAnew]);
    assert_eq!(all(Hearing::Suspended), [StandsStill; 4]);
    assert_eq!(all(Hearing::Over), [BeginsAnew, BeginsAnew, Runs, BeginsAnew]);
}

const FULL: SendState = SendState {
    taken_bytes: 900_000_000,
    held_bytes: 500_000,
    was_full: true,
    is_full: true,
    no_memory: false,
    control_ends: None,
};

#[test]
fn a_peer_behind_a_full_stream_is_dead_when_nothing_moves_for_the_timeout() {
    let mut dead = heartbeat(50, 120);
    // One PING is enough: the first has not left.
    assert_eq!(run_with(&mut dead, 2000, |_| FULL), (vec![1050], Some(1170)));
    // The peer is fast, and stops at 1400.
    let mut dying = heartbeat(50, 120);
    let moving = |now: u64| SendState { taken_bytes: FULL.taken_bytes + 50_000 * now.min(1400), ..FULL };
    assert_eq!(run_with(&mut dying, 3000, moving), (vec![1050], Some(1520)));
    let mut longer_than_the_interval = heartbeat(500, 120);
    assert_eq!(run_with(&mut longer_than_the_interval, 9000, |_| FULL).1, Some(1620));
}

#[test]
fn silent_peer_that_takes_a_byte_now_and_then_lives() {
    let by_taking = |now: u64| SendState { taken_bytes: FULL.taken_bytes + now / 100, ..FULL };
    let by_passing = |now: u64| SendState { held_bytes: FULL.held_bytes - now / 100, ..FULL };
    // Full now and then: what was sent before is still on its way.
    let in_bursts = |now: u64| SendState { is_full: false, ..by_passing(now) };
    // The PING has been taken, and is the last of what is on its way.
    let queued = |now: u64| SendState {
        was_full: false,
        is_full: false,
        control_ends: Some(FULL.taken_bytes),
        ..by_passing(now)
    };
    let streams: [&dyn Fn(u64) -> SendState; 4] = [&by_taking, &by_passing, &in_bursts, &queued];
    for (number, stream) in streams.into_iter().enumerate() {
        let mut slow = heartbeat(50, 120);
        assert_eq!(run_with(&mut slow, 20_000, stream).1, None, "{number}");
    }
}

#[test]
fn a_peer_that_moves_by_the_step_may_take_three_times_as_long_for_the_next() {
    let stepwise = |step_ms: u64| move |now: u64| SendState { taken_bytes: now / step_ms * 9000, ..FULL };
    let expires = |ping_ms, step_ms, stops| {
        let mut heartbeat = heartbeat(ping_ms, 120);
        assert!(heartbeat.on_full(1000) && !heartbeat.on_full(1001));
        run_with(&mut heartbeat, 30_000, |now| stepwise(step_ms)(now.min(stops))).1
    };
    assert_eq!(expires(400, 110, u64::MAX), None);
    assert_eq!(expires(400, 300, u64::MAX), None, "no byte for longer than the timeout, and then one");
    // It was found to have moved 100 ms after 300, and before that after as long.
    assert!(expires(400, 300, 10_200).is_some_and(|at| (11_100..=11_220).contains(&at)));
    // One that has never stood still.
    assert!(expires(400, 1, 10_000).is_some_and(|at| (10_120..=10_140).contains(&at)));
    // It has stopped before the first PING was due.
    assert_eq!(expires(400, 1, 1100), Some(1520));
    // Where there is room nothing is left of that.
    let mut roomy = heartbeat(400, 120);
    assert!(roomy.on_full(1000));
    assert_eq!(run_with(&mut roomy, 20_000, stepwise(300)).1, None);
    roomy.on_received();
    let end = run(&mut roomy, 90_000).1.unwrap_or_default();
    assert!((20_120..=20_520).contains(&end), "{end}");
}

#[test]
fn silent_peer_without_backlog_gets_no_longer_timeout() {
    // It has the PING, and there is always room: that it takes more is its system's doing.
    let mut stopped = heartbeat(50, 120);
    let roomy = |now: u64| SendState { taken_bytes: now, held_bytes: 3, control_ends: Some(1010), ..ROOM };
    assert_eq!(run_with(&mut stopped, 3000, roomy).1, Some(1170));
    // The network takes nothing, and the stream has room for more all the time.
    let mut cut_off = heartbeat(50, 120);
    let filling =
        |now: u64| SendState { taken_bytes: now, held_bytes: now - 900, control_ends: None, ..ROOM };
    assert_eq!(run_with(&mut cut_off, 3000, filling).1, Some(1170));
}

#[test]
fn peer_speaks_by_itself_where_either_side_keeps_watch() {
    let none = Intervals { ping_ms: 0, timeout_ms: 0, ttl_ds: 0 };
    let mut heartbeat = Heartbeat::start(none, 1000);
    assert!(!heartbeat.makes_peer_speak());
    let mut of_websocket = Heartbeat::start(none, 1000);
    heartbeat.on_ping(1000, 0, b"", &mut Vec::new());
    of_websocket.on_context(b"");
    assert!(heartbeat.makes_peer_speak() && of_websocket.makes_peer_speak());
    assert!(Heartbeat::start(Intervals { ping_ms: 9, ..none }, 1000).makes_peer_speak());
}

#[test]
fn a_ping_is_answered_and_its_ttl_kept() {
    let mut heartbeat = heartbeat(0, 0);
    let mut out = Vec::new();
    heartbeat.on_ping(1000, 1, b"LOL", &mut out);
    assert_eq!(out, b"\x04\x08\x04PONGLOL");
    assert_eq!(heartbeat.deadline(), Some(1100));
    heartbeat.on_ping(1050, 1, b"", &mut out);
    assert_eq!(heartbeat.poll(1149, &ROOM), Action::None);
    assert_eq!(heartbeat.poll(1150, &ROOM), Action::Expired);
}

#[test]
fn anything_received_ends_the_ttl_and_so_does_a_ping_without_one() {
    let mut heartbeat = heartbeat(0, 0);
    heartbeat.on_ping(1000, 1, b"", &mut Vec::new());
    heartbeat.on_received();
    assert_eq!(heartbeat.deadline(), None);
    heartbeat.on_ping(1000, 1, b"", &mut Vec::new());
    heartbeat.on_ping(1001, 0, b"", &mut Vec::new());
    assert_eq!(heartbeat.deadline(), None);
}

#[test]
fn the_longest_ttl_is_not_cut() {
    let mut heartbeat = heartbeat(0, 0);
    heartbeat.on_ping(0, u16::MAX, b"", &mut Vec::new());
    assert_eq!(heartbeat.deadline(), Some(6_553_500));
}

#[test]
fn a_ping_carries_our_ttl() {
    let mut out = Vec::new();
    heartbeat(50, 0).append_ping(b"", &mut out);
    assert_eq!(out, b"\x04\x07\x04PING\0\x0c");
}

#[test]
fn nothing_expires_while_we_do_not_read() {
    let mut heartbeat = heartbeat(100, 150);
    heartbeat.on_ping(1000, 3, b"", &mut Vec::new());
    assert_eq!(heartbeat.poll(1100, &ROOM), Action::SendPing);
    heartbeat.append_ping(b"", &mut Vec::new());
    heartbeat.suspend(1000);
    let stuck = SendState { was_full: true, is_full: true, ..ROOM };
    assert_eq!(run_with(&mut heartbeat, 2000, |_| stuck).1, None);
    heartbeat.resume(2000);
    assert_eq!(run(&mut heartbeat, 3000).1, Some(2150));
}

#[test]
fn ping_without_use_is_not_sent() {
    for (ttl_ds, pings) in [(0, vec![1400, 1500]), (3, vec![1100, 1200, 1300, 1400, 1500])] {
        let mut heartbeat = Heartbeat::start(Intervals { ping_ms: 100, timeout_ms: 1000, ttl_ds }, 1000);
        heartbeat.suspend(1000);
        let (mut sent, expired) = run(&mut heartbeat, 1350);
        assert_eq!(expired, None);
        heartbeat.resume(1350);
        sent.extend(run(&mut heartbeat, 1500).0);
        assert_eq!(sent, pings, "a TTL is a promise");
    }
    let mut watched = Heartbeat::start(Intervals { ping_ms: 100, timeout_ms: 0, ttl_ds: 0 }, 1000);
    watched.on_ping(1000, 0, b"", &mut Vec::new());
    watched.suspend(1000);
    assert_eq!(run(&mut watched, 1200), (vec![1100, 1200], None), "the peer waits for signs of life");
    // Nor does its time begin.
    let mut heartbeat = Heartbeat::start(Intervals { ping_ms: 1000, timeout_ms: 100, ttl_ds: 0 }, 1000);
    heartbeat.suspend(1000);
    assert_eq!(run(&mut heartbeat, 2050), (vec![], None));
    heartbeat.resume(2060);
    assert_eq!(run(&mut heartbeat, 5000), (vec![3000], Some(3100)));
}

/// A sender and a receiver whose program reads slowly: after the first PING nothing is read, for want of credit, but for a moment
/// each second. The sender's stream is full and moves each 2.9 s, as a tcp peer's system opens its window. When the sender gives
/// the receiver up, within a minute.
fn slow_reader_is_given_up_at(sender: Intervals, receiver: Intervals, first_ping: bool) -> Option<u64> {
    let mut sender = Heartbeat::start(sender, 0);
    let mut receiver = Heartbeat::start(receiver, 0);
    let mut frames = Vec::new();
    if first_ping {
        let context = sender.first_context();
        sender.append_ping(&context, &mut frames);
        receiver.on_ping(1, sender.intervals.ttl_ds, &context, &mut frames);
        sender.on_bytes(2);
    }
    sender.on_full(3);
    receiver.suspend(3);
    let stepwise = |now: u64| SendState { taken_bytes: 2_000_000 + now / 2900, ..FULL };
    for now in 3..60_000 {
        if now % 1000 == 0 {
            receiver.resume(now);
            receiver.on_bytes(now);
        } else if now % 1000 == 1 {
            receiver.suspend(now);
        }
        if receiver.deadline().is_some_and(|at| at <= now) {
            let said = receiver.poll(now, &ROOM);
            assert_ne!(said, Action::Expired);
            if said != Action::None {
                sender.on_bytes(now);
            }
        }
        if sender.deadline().is_some_and(|at| at <= now) {
            match sender.poll(now, &stepwise(now)) {
                // It waits for the end of a message, behind the full stream.
                Action::SendPing => sender.append_ping(b"", &mut frames),
                Action::Expired => return Some(now),
                Action::SendPong | Action::None => {}
            }
        }
    }
    None
}

#[test]
fn slow_reader_that_knows_that_it_is_watched_is_not_given_up() {
    let none = Intervals { ping_ms: 0, timeout_ms: 0, ttl_ds: 0 };
    let often = |ttl_ds| Intervals { ping_ms: 300, timeout_ms: 300, ttl_ds };
    let watcher = |ttl_ds| Intervals { ping_ms: 500, timeout_ms: 1000, ttl_ds };
    for sender in [often(0), often(3), watcher(0), watcher(10), watcher(600)] {
        for receiver in [none, often(0), watcher(0), watcher(10)] {
            assert_eq!(slow_reader_is_given_up_at(sender, receiver, true), None, "{sender:?} {receiver:?}");
        }
        // It cannot know.
        assert!(slow_reader_is_given_up_at(sender, none, false).is_some_and(|at| at < 5000), "{sender:?}");
    }
}

#[test]
fn unread_peer_is_judged_by_the_stream_alone() {
    let mut silent = heartbeat(50, 120);
    silent.stop_hearing();
    assert_eq!(run(&mut silent, 9000).1, None, "its answers would not be heard");
    let mut slow = heartbeat(50, 120);
    slow.stop_hearing();
    let slowly = |now: u64| SendState { taken_bytes: FULL.taken_bytes + now / 100, ..FULL };
    assert_eq!(run_with(&mut slow, 9000, slowly).1, None);
    let mut dead = heartbeat(50, 120);
    dead.stop_hearing();
    dead.suspend(1000);
    assert_eq!(run_with(&mut dead, 9000, |_| FULL).1, Some(1170));
}

#[test]
fn a_peer_that_speaks_is_asked_once_it_is_silent_for_the_interval() {
    let mut heartbeat = Heartbeat::start(Intervals { ping_ms: 50, timeout_ms: 120, ttl_ds: 0 }, 1000);
    heartbeat.on_bytes(1030);
    assert_eq!(run(&mut heartbeat, 1079), (vec![], None));
    heartbeat.on_bytes(1079);
    assert_eq!(
        run(&mut heartbeat, 9000),
        (vec![1129, 1179, 1229], Some(1249)),
        "within interval and timeout"
    );
    let mut watched = Heartbeat::start(Intervals { ping_ms: 50, timeout_ms: 120, ttl_ds: 0 }, 1000);
    watched.on_ping(1030, 0, b"", &mut Vec::new());
    watched.on_bytes(1040);
    assert_eq!(run(&mut watched, 1150), (vec![1050, 1100, 1150], None), "it waits for signs of life");
}

#[test]
fn the_end_of_time_is_no_overflow() {
    let mut heartbeat = Heartbeat::start(Intervals { ping_ms: 9, timeout_ms: 9, ttl_ds: 9 }, u64::MAX);
    assert_eq!(heartbeat.poll(u64::MAX, &ROOM), Action::SendPing);
    heartbeat.append_ping(b"", &mut Vec::new());
    heartbeat.on_ping(u64::MAX, 9, b"", &mut Vec::new());
    assert_eq!(heartbeat.deadline(), Some(u64::MAX));
}
