//! Every way into a lane and out of it is counted, and what is left is lost for one reason.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::counters::{ContextRecord, Reason, Snapshot, SocketCounter, SocketCounts};
use crate::message::BY_REFERENCE_MIN_BYTES;

const NO_MARK: LaneOptions = LaneOptions { hwm: 0, conflate: false };

/// Two sockets' records.
struct Sockets {
    left: SocketRecord,
    right: SocketRecord,
}

impl Sockets {
    fn new() -> Sockets {
        let context = ContextRecord::begin();
        Sockets { left: SocketRecord::of(&context, "LEFT"), right: SocketRecord::of(&context, "RIGHT") }
    }

    /// Ends that belong to them.
    fn own(&self, (left, right): (Pipe, Pipe)) -> (Pipe, Pipe) {
        left.count_for(&self.left);
        right.count_for(&self.right);
        (left, right)
    }

    fn counts(&self) -> [SocketCounts; 2] {
        [&self.left, &self.right].map(|record| Snapshot::of_socket(record.number()).unwrap().unwrap())
    }

    /// Messages, bytes and frames that the left one has sent, and the right one received.
    fn passed(&self) -> ([u64; 3], [u64; 3]) {
        use SocketCounter::{
            BytesReceived, BytesSent, FramesReceived, FramesSent, MessagesReceived, MessagesSent,
        };
        let [left, right] = self.counts();
        let sent = [MessagesSent, BytesSent, FramesSent].map(|counter| left.counter(counter));
        let received =
            [MessagesReceived, BytesReceived, FramesReceived].map(|counter| right.counter(counter));
        (sent, received)
    }
}

fn send(pipe: &mut Pipe, data: &[u8], more: bool) {
    assert!(pipe.write(&mut OutFrame::bytes(data, more)).unwrap());
    if !more {
        pipe.flush();
    }
}

#[test]
fn frames_of_all_kinds_are_counted_on_both_sides() {
    let sockets = Sockets::new();
    for pair in [pair, pair_of_sockets] {
        let (mut left, mut right) = sockets.own(pair(NO_MARK, NO_MARK).unwrap());
        let (before, _) = sockets.passed();
        left.write_routing_id(b"id").unwrap();
        send(&mut left, b"first", true);
        send(&mut left, &vec![0; BY_REFERENCE_MIN_BYTES], false);
        let mut large = Msg::with_len(20_000).unwrap();
        left.write(&mut OutFrame::msg(&mut large, false)).unwrap();
        left.flush();
        let now = [before[0] + 2, before[1] + 5 + BY_REFERENCE_MIN_BYTES as u64 + 20_000, before[2] + 3];
        assert_eq!(sockets.passed().0, now);
        assert_eq!(sockets.counts()[1].queues.to_receive, 2);
        while right.read().is_some() {}
        assert_eq!(sockets.passed(), (now, now));
        // The fast paths.
        assert!(!right.check_read());
        send(&mut left, b"wakes", false);
        assert!(right.read().is_some());
        for more in [true, false] {
            left.write_inline(b"abc", more).unwrap();
        }
        let mut large = Msg::with_len(20_000).unwrap();
        left.write_message(&mut large, false);
        let sent = sockets.passed().0;
        assert!(right.read_inline(false, |_| true).unwrap().more);
        assert!(right.read_inline(false, |_| true).is_some());
        while right.read_by_reference().is_some() {}
        assert_eq!(sockets.passed(), (sent, sent));
    }
    let left = sockets.counts()[0].clone();
    assert!(Reason::ALL.iter().all(|reason| left.dropped(*reason) == 0), "{left:?}");
}

#[test]
fn runs_are_counted_in_both_pipes() {
    let (sockets, behind) = (Sockets::new(), Sockets::new());
    let (mut left, mut right) = sockets.own(pair(NO_MARK, NO_MARK).unwrap());
    let (mut on, _end) = behind.own(pair(NO_MARK, NO_MARK).unwrap());
    for _ in 0..10 {
        send(&mut left, b"one", true);
        send(&mut left, b"another", false);
    }
    assert_eq!(right.pass_run(&mut on, 7).unwrap().messages, 7);
    assert_eq!(sockets.passed(), ([10, 100, 20], [7, 70, 14]));
    assert_eq!(behind.passed().0, [7, 70, 14]);
    assert_eq!(behind.counts()[0].queues.to_send, 7);
}

#[test]
fn what_is_left_in_a_pipe_is_lost_once() {
    let sockets = Sockets::new();
    let (mut left, mut right) = sockets.own(pair(NO_MARK, NO_MARK).unwrap());
    for _ in 0..5 {
        send(&mut left, b"x", false);
    }
    left.write_subscription(true, b"topic").unwrap();
    left.flush();
    assert!(right.read().is_some());
    right.writer.record().lose_by(Reason::LingerOver);
    send(&mut right, b"back", false);
    drop((left, right));
    let [left, right] = sockets.counts();
    assert_eq!(left.counter(SocketCounter::MessagesSent), 5, "a subscription is no message");
    assert_eq!((left.dropped(Reason::Disconnected), left.dropped(Reason::LingerOver)), (4, 0));
    assert_eq!((right.dropped(Reason::Disconnected), right.dropped(Reason::LingerOver)), (0, 1));
    assert_eq!((left.queues.to_send, right.queues.to_receive), (0, 0));
}

/// A session takes subscriptions and messages alike, without a look at each.
#[test]
fn subscriptions_left_by_a_session_are_no_lost_messages() {
    for (messages, taken, lost) in [(0, 0, 0), (3, 0, 3), (3, 1, 2)] {
        let sockets = Sockets::new();
        let (mut left, right) = pair(NO_MARK, NO_MARK).unwrap();
        left.count_for(&sockets.left);
        for _ in 0..messages {
            send(&mut left, b"x", false);
        }
        left.write_subscription(true, b"topic").unwrap();
        left.flush();
        let (mut reader, writer, end) = right.into_parts();
        for _ in 0..taken {
            assert!(reader.check_bytes());
            reader.blocks().unwrap().advance(3);
            reader.count_messages(1);
        }
        drop((left, reader, writer, end));
        assert_eq!(sockets.counts()[0].dropped(Reason::Disconnected), lost);
    }
}

/// A reconnect replaces a lane before the socket has heard of the one before, and the socket writes to that one first.
#[test]
fn subscriptions_to_a_lane_that_nothing_reads_any_more_are_no_lost_messages() {
    let sockets = Sockets::new();
    let (mut left, right) = pair(NO_MARK, NO_MARK).unwrap();
    left.count_for(&sockets.left);
    drop(right);
    for topic in [b"a", b"b"] {
        left.write_subscription(true, topic).unwrap();
        left.flush();
    }
    drop(left);
    assert_eq!(sockets.counts()[0].dropped(Reason::Disconnected), 0);
}

#[test]
fn a_message_that_is_replaced_is_dropped_for_that() {
    let sockets = Sockets::new();
    let options = LaneOptions { hwm: 1, conflate: true };
    let (mut left, mut right) = sockets.own(pair(options, options).unwrap());
    left.write_routing_id(b"id").unwrap();
    assert_eq!(right.read().unwrap().data(), b"id", "no message");
    for _ in 0..10 {
        send(&mut left, b"x", false);
    }
    send(&mut left, b"more than", true);
    send(&mut left, b"one frame", false);
    assert_eq!(sockets.counts()[0].queues.to_send, 1);
    assert!(right.read().is_some());
    let check = |sockets: &Sockets| {
        let ([sent, ..], [received, ..]) = sockets.passed();
        let [left, right] = sockets.counts();
        assert_eq!((sent, received, left.dropped(Reason::Conflate)), (11, 1, 10));
        assert_eq!((left.queues.to_send, right.dropped(Reason::Conflate)), (0, 0));
    };
    check(&sockets);
    drop((left, right));
    check(&sockets);
}

/// Numbers that look like chance.
struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// A session that writes tells of each batch, so the greatest depth of what a socket is to receive is exact.
#[test]
fn the_greatest_depth_is_exact_where_the_writer_tells_of_each_batch() {
    let mut random = Random(1);
    for _ in 0..50 {
        let sockets = Sockets::new();
        let (socket, session) = pair(NO_MARK, NO_MARK).unwrap();
        socket.count_for(&sockets.right);
        let ((mut socket, _), (_reader, mut writer, end)) = ((socket, ()), session.into_parts());
        let (mut depth, mut greatest) = (0, 0);
        for _ in 0..random.below(30) {
            let (written, read) = (random.below(50), random.below(60));
            for _ in 0..written {
                writer.append(&mut OutFrame::bytes(b"x", false)).unwrap();
            }
            writer.note_depth();
            writer.flush();
            depth += written;
            greatest = greatest.max(depth);
            depth -= (0..read).take_while(|_| socket.read().is_some()).count() as u64;
            let queues = &sockets.counts()[1].queues;
            assert_eq!((queues.to_receive, queues.to_receive_max), (depth, greatest));
        }
        drop((writer, end));
    }
}

/// Over inproc a look costs the writer a line of the reader's, so it looks where its credit is over. A queue that has filled up is always
/// seen. Any other may have held more than is told, by less than the mark.
#[test]
fn the_greatest_depth_of_two_sockets_is_right_within_the_mark() {
    const MARK: u64 = 10;
    let mut random = Random(1);
    for _ in 0..60 {
        let sockets = Sockets::new();
        let options = LaneOptions { hwm: MARK as i32, conflate: false };
        let (mut left, mut right) = sockets.own(pair_of_sockets(options, options).unwrap());
        let (mut depth, mut greatest, mut was_full) = (0, 0, false);
        for _ in 0..random.below(60) {
            let written = (0..random.below(8)).take_while(|_| {
                let fits = left.write(&mut OutFrame::bytes(b"x", false)).unwrap();
                was_full |= !fits;
                left.flush();
                fits
            });
            depth += written.count() as u64;
            greatest = greatest.max(depth);
            let most = random.below(8);
            depth -= (0..most).take_while(|_| right.read().is_some()).count() as u64;
            let told = sockets.counts()[0].queues.to_send_max;
            if was_full {
                assert_eq!(told, MARK, "full is full, also while the reader has not told of what it took");
            }
            assert!(told <= greatest.max(if was_full { MARK } else { 0 }), "{told} of {greatest}");
            assert!(greatest - told.min(greatest) < MARK, "{told} of {greatest}");
        }
    }
}
