#![allow(clippy::unwrap_used)]
use super::*;
use crate::message::testing::Counted;
use crate::message::{BY_REFERENCE_MIN_BYTES, FrameKind, Metadata, Msg};
use parking_lot::Mutex;

#[derive(Default)]
struct Log(Mutex<Vec<&'static str>>);

impl Notify for Log {
    fn notify(&self, event: PipeEvent) {
        self.0.lock().push(match event {
            PipeEvent::Readable => "readable",
            PipeEvent::Writable => "writable",
            PipeEvent::PeerClosed => "closed",
            PipeEvent::MarksChanged => "marks",
            PipeEvent::Hiccup(_) => "hiccup",
        });
    }
}

impl Log {
    fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.lock())
    }
}

fn pipe(hwm: i32) -> (Pipe, Pipe, Arc<Log>, Arc<Log>) {
    let options = LaneOptions { hwm, conflate: false };
    let (left, right) = pair(options, options).unwrap();
    let (left_log, right_log) = (Arc::new(Log::default()), Arc::new(Log::default()));
    left.set_owner(left_log.clone());
    right.set_owner(right_log.clone());
    (left, right, left_log, right_log)
}

fn send(pipe: &mut Pipe, data: &[u8], more: bool) -> bool {
    let taken = pipe.write(&mut OutFrame::bytes(data, more)).unwrap();
    if !more {
        pipe.flush();
    }
    taken
}

fn recv(pipe: &mut Pipe) -> Option<(Vec<u8>, bool)> {
    pipe.read().map(|frame| (frame.data().to_vec(), frame.more()))
}

#[test]
fn frames_of_all_sizes_arrive_and_peek_takes_nothing() {
    let (mut left, mut right, _, _) = pipe(0);
    let sizes = [0, 1, 40, 255, 256, BY_REFERENCE_MIN_BYTES - 1, BY_REFERENCE_MIN_BYTES, 300_000];
    for (i, &size) in sizes.iter().enumerate() {
        assert!(send(&mut left, &vec![i as u8; size], i + 1 < sizes.len()));
    }
    for (i, &size) in sizes.iter().enumerate() {
        let expected = vec![i as u8; size];
        assert_eq!(right.reader.next_len(), Some(size));
        assert_eq!(right.peek().unwrap().data(), expected);
        assert_eq!(recv(&mut right).unwrap(), (expected, i + 1 < sizes.len()));
    }
    assert_eq!(right.reader.next_len(), None);
    assert!(right.read().is_none());
}

#[test]
fn a_message_weighs_the_sum_of_its_large_frames() {
    let (mut left, _right, _, _) = pipe(0);
    let large = vec![0; 2 * BY_REFERENCE_MIN_BYTES];
    for _ in 0..2 {
        for more in [true, true, false] {
            assert!(send(&mut left, &large, more));
        }
        assert_eq!(left.last_weight(), 6 * BY_REFERENCE_MIN_BYTES);
    }
    assert!(send(&mut left, &large, false));
    assert_eq!(left.last_weight(), 2 * BY_REFERENCE_MIN_BYTES);
    assert!(send(&mut left, b"small", false));
    assert_eq!(left.last_weight(), 0);
    assert!(send(&mut left, &large, true));
    left.rollback();
    assert!(send(&mut left, &large, false));
    assert_eq!(
        left.last_weight(),
        2 * BY_REFERENCE_MIN_BYTES,
        "a message that was rolled back weighs nothing"
    );
}

#[test]
fn a_lent_buffer_of_any_size_comes_back_when_it_has_been_read() {
    let (mut left, mut right, _, _) = pipe(0);
    let (small, empty) = (Counted::new(b"small"), Counted::new(b""));
    for (lent, more) in [(&small, true), (&empty, true), (&small, false)] {
        let mut msg = Msg::from_body(lent.body());
        assert!(left.write(&mut OutFrame::msg(&mut msg, more)).unwrap());
    }
    left.flush();
    assert_eq!(small.freed(), 0);
    for expected in [(&b"small"[..], true), (b"", true)] {
        assert_eq!(recv(&mut right).unwrap(), (expected.0.to_vec(), expected.1));
    }
    assert_eq!(small.freed(), 1);
    assert_eq!(recv(&mut right).unwrap(), (b"small".to_vec(), false));
    assert!(right.read().is_none());
    assert_eq!((small.freed(), empty.freed()), (2, 1));
}

#[test]
fn a_message_shows_whole_or_not_at_all() {
    let (mut left, mut right, _, right_log) = pipe(0);
    assert!(!right.check_read());
    assert!(send(&mut left, b"one", true));
    assert!(!right.check_read());
    left.rollback();
    assert!(send(&mut left, b"two", false));
    assert_eq!(right_log.take(), ["readable"]);
    assert_eq!(recv(&mut right).unwrap().0, b"two");
    assert!(right.read().is_none());
}

#[test]
fn credit_stops_and_resumes_the_writer() {
    let (mut left, mut right, left_log, _) = pipe(2);
    assert!(send(&mut left, b"1", false));
    assert!(send(&mut left, b"2", true));
    assert!(send(&mut left, b"2", false), "a message is counted, not a frame");
    assert!(!send(&mut left, b"3", false));
    assert!(left_log.take().is_empty());
    recv(&mut right).unwrap();
    assert_eq!(left_log.take(), ["writable"]);
    assert!(send(&mut left, b"3", false));
}

#[test]
fn subscriptions_count_but_need_no_credit() {
    let (mut left, mut right, left_log, _) = pipe(3);
    left.write_routing_id(b"me").unwrap();
    left.write_subscription(true, b"topic").unwrap();
    left.write_subscription(false, &[b'x'; BY_REFERENCE_MIN_BYTES * 2]).unwrap();
    assert!(send(&mut left, b"message", false));
    assert!(!left.check_write(), "two subscriptions and a message");
    left.write_subscription(true, b"more").unwrap();
    left.flush();
    assert_eq!(right.read().unwrap().kind(), FrameKind::RoutingId);
    assert_eq!(right.read().unwrap().kind(), FrameKind::Subscribe(b"topic"));
    assert_eq!(right.read().unwrap().kind(), FrameKind::Cancel(&[b'x'; BY_REFERENCE_MIN_BYTES * 2]));
    assert_eq!(recv(&mut right).unwrap(), (b"message".to_vec(), false));
    assert_eq!(right.read().unwrap().kind(), FrameKind::Subscribe(b"more"));
    assert!(right.read().is_none());
    assert_eq!(left_log.take(), ["writable"]);
    assert!(left.check_write());
}

#[test]
fn flushed_messages_outlive_the_writer() {
    let (mut left, mut right, left_log, right_log) = pipe(0);
    assert!(!right.check_read());
    assert!(send(&mut left, b"last words", false));
    left.write(&mut OutFrame::bytes(b"half", true)).unwrap();
    drop(left);
    assert_eq!(right_log.take(), ["readable", "closed"]);
    assert!(!right.check_write());
    assert!(!right.ended());
    assert_eq!(recv(&mut right).unwrap().0, b"last words");
    assert!(!right.check_read());
    assert!(right.ended());
    right.close();
    assert_eq!(left_log.take(), ["closed"]);
}

#[test]
fn a_hiccup_drops_what_was_unread_and_hands_over_a_new_lane() {
    let (mut left, right, _, _) = pipe(3);
    let slot = Arc::new(Mutex::new(None));
    struct Keep(Arc<Mutex<Option<LaneWriter>>>);
    impl Notify for Keep {
        fn notify(&self, event: PipeEvent) {
            if let PipeEvent::Hiccup(writer) = event {
                *self.0.lock() = Some(*writer);
            }
        }
    }
    let (left_owner, options) = (Arc::new(Keep(slot.clone())), LaneOptions { hwm: 3, conflate: false });
    let (mut fresh_left, fresh_right) = pair(options, options).unwrap();
    fresh_left.set_owner(left_owner);
    send(&mut left, b"elsewhere", false);
    drop((left, right));
    for _ in 0..3 {
        assert!(send(&mut fresh_left, b"old", false));
    }
    let (_, _, end) = fresh_right.into_parts();
    let mut reader = end.hiccup(options).unwrap();
    assert!(!send(&mut fresh_left, b"old", false));
    fresh_left.replace_writer(slot.lock().take().unwrap());
    assert!(send(&mut fresh_left, b"new", false));
    assert_eq!(reader.read().unwrap().data(), b"new");
    assert!(reader.read().is_none());
}

#[test]
fn properties_hold_from_where_they_were_appended() {
    let (mut left, mut right, _, _) = pipe(0);
    send(&mut left, b"before", false);
    let metadata = Arc::new(Metadata::new([("Peer-Address".to_string(), b"10.0.0.1".to_vec())]));
    left.writer.append_properties(metadata).unwrap();
    send(&mut left, b"after", false);
    assert!(right.read().unwrap().metadata.is_none());
    let message = right.read().unwrap().into_msg().unwrap();
    assert_eq!(message.metadata().unwrap().property(c"Peer-Address").unwrap(), c"10.0.0.1");
}

#[test]
fn a_conflating_pipe_keeps_the_latest() {
    let options = LaneOptions { hwm: 1, conflate: true };
    let (mut left, mut right) = pair(options, options).unwrap();
    let log = Arc::new(Log::default());
    right.set_owner(log.clone());
    assert!(!right.check_read());
    for i in 0..10u8 {
        assert!(send(&mut left, &[i], false));
    }
    assert_eq!(log.take(), ["readable"]);
    assert_eq!(right.reader.next_len(), Some(1));
    assert_eq!(right.peek().unwrap().data(), [9]);
    assert_eq!(recv(&mut right).unwrap().0, [9]);
    assert!(right.read().is_none());
    let mut message = Msg::copy_from(b"msg").unwrap();
    left.write(&mut OutFrame::msg(&mut message, false)).unwrap();
    left.flush();
    assert_eq!(recv(&mut right).unwrap().0, b"msg");
}

#[test]
fn a_routing_id_comes_before_the_messages_of_a_conflating_pipe() {
    let options = LaneOptions { hwm: 1, conflate: true };
    let (mut left, mut right) = pair(options, options).unwrap();
    let log = Arc::new(Log::default());
    right.set_owner(log.clone());
    assert!(!right.check_read());
    left.write_routing_id(b"id").unwrap();
    left.flush();
    assert_eq!(log.take(), ["readable"]);
    assert_eq!(right.next_flags(), Some(crate::message::ROUTING_ID));
    assert!(!right.holds_message());
    assert_eq!((left.queued(), right.queued()), ((0, 0), (0, 0)));
    for body in [b"1", b"2"] {
        assert!(send(&mut left, body, false));
    }
    assert!(right.holds_message());
    assert_eq!(right.peek().unwrap().kind(), FrameKind::RoutingId);
    let frame = right.read().unwrap();
    assert_eq!((frame.kind(), frame.data()), (FrameKind::RoutingId, &b"id"[..]));
    drop(frame);
    assert_eq!(recv(&mut right).unwrap().0, b"2");
    assert!(!right.check_read());
}

#[test]
fn a_message_that_was_looked_at_is_the_one_that_is_taken() {
    let options = LaneOptions { hwm: 1, conflate: true };
    let (mut left, mut right) = pair(options, options).unwrap();
    let looks: [fn(&mut Pipe) -> usize; 2] =
        [|pipe| pipe.peek().unwrap().data().len(), |pipe| pipe.reader.next_len().unwrap()];
    for look in looks {
        send(&mut left, b"looked at", false);
        assert_eq!(look(&mut right), 9);
        send(&mut left, b"replaced", false);
        send(&mut left, b"last", false);
        assert_eq!((left.queued(), right.queued()), ((2, 0), (0, 2)));
        assert_eq!((right.reader.next_len(), right.peek().unwrap().data()), (Some(9), &b"looked at"[..]));
        assert_eq!(recv(&mut right).unwrap().0, b"looked at");
        assert_eq!(recv(&mut right).unwrap().0, b"last");
        assert!(right.read().is_none());
    }
}

#[test]
fn a_set_reports_closed_pipes_once() {
    let (left, right, _, _) = pipe(0);
    let mut pipes = Pipes::default();
    let id = pipes.insert(right);
    assert!(!pipes.check_read(id));
    assert!(!pipes.any_closed());
    drop(left);
    assert!(!pipes.check_read(id));
    assert!(!pipes.check_read(id));
    assert_eq!(pipes.take_closed(), [id]);
    pipes.remove(id);
    assert!(!pipes.check_read(id) && !pipes.check_write(id));
    assert!(pipes.take_closed().is_empty());
}

#[test]
fn reading_after_a_broken_connection_goes_on_at_a_message_border() {
    // Three messages of two frames, small and large, of which `passed` bytes have been sent.
    let frames: [&[u8]; 6] =
        [b"a1", b"a2", &[1; 300], &[2; BY_REFERENCE_MIN_BYTES], &[3; BY_REFERENCE_MIN_BYTES * 9], b"c2"];
    let wire_len = |upto: usize| -> usize {
        frames[..upto].iter().map(|f| f.len() + if f.len() > 255 { 9 } else { 2 }).sum()
    };
    for passed in 0..wire_len(4) {
        let (mut left, right, _, _) = pipe(0);
        for (i, frame) in frames.iter().enumerate() {
            assert!(send(&mut left, frame, i % 2 == 0));
        }
        let (mut reader, _, _end) = right.into_parts();
        let (mut rest, mut of_tail) = (passed, 0);
        while rest > 0 {
            let consumer = reader.blocks().unwrap();
            assert!(consumer.ready());
            let n = consumer.bytes().len().min(rest);
            consumer.advance(n);
            rest -= n;
            if n == 0 {
                let Some(BlockTail::Body(body)) = consumer.tail() else { unreachable!() };
                of_tail = body.len().min(rest);
                rest -= of_tail;
                if of_tail == body.len() {
                    consumer.take_tail();
                }
            }
        }
        let _ = of_tail;
        reader.resync();
        let next = if passed == 0 {
            0
        } else if passed <= wire_len(2) {
            2
        } else {
            4
        };
        assert_eq!(reader.read().unwrap().data(), frames[next], "{passed} bytes passed");
    }
}

#[test]
fn queued_messages_are_counted_on_both_sides() {
    let (mut left, mut right, _, _) = pipe(0);
    assert_eq!((left.queued(), right.queued()), ((0, 0), (0, 0)));
    left.write_routing_id(b"id").unwrap();
    for size in [1, BY_REFERENCE_MIN_BYTES, 5] {
        assert!(left.write(&mut OutFrame::bytes(b"first", true)).unwrap());
        assert!(left.write(&mut OutFrame::bytes(&vec![0; size], false)).unwrap());
    }
    left.flush();
    assert_eq!((left.queued(), right.queued()), ((3, 0), (0, 3)));
    for _ in 0..3 {
        right.read().unwrap();
    }
    assert_eq!((left.queued(), right.queued()), ((2, 0), (0, 2)));
}

#[test]
fn a_farewell_comes_last_and_only_if_it_was_asked_for() {
    let (mut left, mut right, _, _) = pipe(1);
    left.bid_farewell();
    assert!(!right.check_read());
    right.ask_for_farewell(b"gone");
    assert!(left.write(&mut OutFrame::bytes(b"whole", false)).unwrap());
    left.flush();
    left.bid_farewell();
    left.close();
    assert_eq!(right.read().unwrap().data(), b"whole");
    assert_eq!(right.read().unwrap().data(), b"gone");
    assert!(right.read().is_none() && right.ended());
    // The other end is closed.
    right.bid_farewell();
}

#[test]
fn the_fast_path_and_the_slow_path_may_be_mixed() {
    let (mut left, mut right, _, _) = pipe(10);
    let (mut sent, mut received, mut short) = (Vec::new(), Vec::new(), [0, 0]);
    for round in 0..3000usize {
        let size =
            [0, 1, 33, 255, 256, 700, BY_REFERENCE_MIN_BYTES - 1, BY_REFERENCE_MIN_BYTES][round * 7 % 8];
        let (data, more) = (vec![round as u8; size], round % 3 != 0);
        let written = (round % 5 != 0).then(|| left.write_inline(&data, more)).flatten();
        short[0] += u32::from(written.is_some());
        if written.is_some() || send(&mut left, &data, more) {
            sent.push((data, more));
        }
        if round % 4 != 0 {
            continue;
        }
        loop {
            let plain = (received.len() % 3 != 0).then(|| right.read_inline(false, |_| true)).flatten();
            short[1] += u32::from(plain.is_some());
            match plain.map(|plain| (plain.body.to_vec(), plain.more)).or_else(|| recv(&mut right)) {
                Some(frame) => received.push(frame),
                None => break,
            }
        }
    }
    // A message is held back until its end.
    let border = sent.iter().rposition(|(_, more)| !more).unwrap() + 1;
    received.extend(std::iter::from_fn(|| recv(&mut right)));
    assert!(received == sent[..border], "{} of {border}", received.len());
    assert!(short[0] > 300 && short[1] > 300, "{short:?}");
}

#[test]
fn unusual_frames_are_not_written_on_the_fast_path() {
    let (mut left, mut right, left_log, right_log) = pipe(2);
    assert_eq!(left.write_inline(b"x", false), None, "credit was never checked");
    assert!(send(&mut left, b"1", false));
    assert_eq!(left.write_inline(&[0; BY_REFERENCE_MIN_BYTES], false), None, "by reference");
    assert_eq!(left.write_inline(&[0; 300], false), None, "no room in the first block");
    assert_eq!(left.write_inline(b"2", false), Some(Wake::NotNeeded));
    assert_eq!(left.write_inline(b"3", false), None, "no credit");
    assert!(!left.check_write());
    assert_eq!([recv(&mut right), recv(&mut right)], [b"1", b"2"].map(|data| Some((data.to_vec(), false))));
    assert!(recv(&mut right).is_none());
    assert!(left.check_write());
    assert_eq!(left.write_inline(b"3", false), Some(Wake::Reader), "the reader sleeps");
    left.wake_reader();
    assert_eq!(right_log.take(), ["readable"]);
    assert_eq!(left.write_inline(b"4", true), Some(Wake::NotNeeded));
    left_log.take();
    for (mark, room) in [(1, false), (100, true)] {
        right.set_hwms(0, mark);
        assert!(left_log.take().contains(&"marks"));
        left.heed_peer();
        assert_eq!(left.write_inline(b"5", false), None, "the peer changed the mark");
        assert_eq!(left.check_write(), room);
    }
    assert_eq!(left.write_inline(b"5", false), Some(Wake::NotNeeded));
    right.close();
    assert!(left_log.take().contains(&"closed"));
    left.heed_peer();
    assert_eq!(left.write_inline(b"6", false), None, "the peer has closed");
    assert!(!left.check_write());
    assert_eq!(left.write_inline(b"6", false), None, "the peer has closed");
}

#[test]
fn end_that_is_closed_writes_and_reads_nothing_on_the_fast_path() {
    for drains in [false, true] {
        let (mut left, mut right, ..) = pipe(0);
        for pipe in [&mut left, &mut right] {
            assert!(send(pipe, b"1", false) && send(pipe, b"2", false));
        }
        assert_eq!(recv(&mut left), Some((b"1".to_vec(), false)));
        if drains {
            left.close_and_drain();
        } else {
            left.close();
        }
        assert_eq!(left.write_inline(b"3", false), None);
        assert_eq!(left.read_inline(false, |_| true).map(|frame| frame.body), drains.then_some(&b"2"[..]));
    }
}

#[test]
fn reader_on_the_fast_path_grants_what_the_writer_has_changed() {
    let (mut left, mut right, left_log, right_log) = pipe(1000);
    for _ in 0..3 {
        assert!(send(&mut left, b"x", false));
    }
    recv(&mut right);
    assert!(right.read_inline(false, |_| true).is_some());
    left.set_hwms(1, 0);
    assert!(right_log.take().contains(&"marks"));
    assert!(!left.check_write());
    right.heed_peer();
    assert!(right.read_inline(false, |_| true).is_none(), "there is credit to grant under the new mark");
    assert!(recv(&mut right).is_some());
    assert_eq!(left_log.take(), ["writable"]);
}

#[test]
fn what_was_read_on_the_fast_path_is_granted_when_the_owner_hears_of_a_lower_mark() {
    let (mut left, mut right, left_log, _right_log) = pipe(1000);
    for _ in 0..3 {
        assert!(send(&mut left, b"x", false));
    }
    recv(&mut right);
    left.set_hwms(2, 0);
    assert!(!left.check_write());
    for _ in 0..2 {
        assert!(right.read_inline(false, |_| true).is_some());
    }
    assert_eq!(left_log.take(), [""; 0], "all is read, and the writer is not told");
    right.heed_peer();
    assert_eq!(left_log.take(), ["writable"]);
    assert!(left.check_write());
}

#[test]
fn unusual_frames_are_not_read_on_the_fast_path() {
    let (mut left, mut right, left_log, _) = pipe(4);
    assert!(right.read_inline(false, |_| true).is_none(), "the lane is empty");
    left.write_subscription(true, b"topic").unwrap();
    for data in [&b"1"[..], b"2", &[0; BY_REFERENCE_MIN_BYTES]] {
        assert!(send(&mut left, data, false));
    }
    assert!(!left.check_write());
    assert!(right.read_inline(false, |_| true).is_none(), "a command");
    assert_eq!(right.read().unwrap().kind(), FrameKind::Subscribe(b"topic"));
    assert!(right.read_inline(false, |_| true).is_none(), "credit has to be granted");
    assert_eq!(recv(&mut right), Some((b"1".to_vec(), false)));
    assert_eq!(left_log.take(), ["writable"]);
    assert!(right.read_inline(false, |body| body != b"2").is_none(), "not wanted");
    assert_eq!(right.read_inline(false, |body| body == b"2").unwrap().body, b"2");
    assert!(right.read_inline(false, |_| true).is_none(), "by reference");
    assert_eq!(recv(&mut right).unwrap().0.len(), BY_REFERENCE_MIN_BYTES);
}
