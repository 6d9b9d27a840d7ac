//! XSUB: subscribes by messages, receives from its peers in turn (RFC 29).

use super::distribution::Distribution;
use super::fair_queue::FairQueue;
use super::load_balance::LoadBalancer;
use super::pending_announcements::{
    ASKED_FOR_TURNS, PendingAnnouncements, TURN_WISH_BYTES, TURN_WISHES, Told,
};
use super::subscriptions::Subscriptions;
use super::topic_tree::{Cursor, Step, Walked};
use super::{Behaviour, Origin, Room, flag, set_common};
use crate::counters::Reason;
use crate::errno::{Errno, Result};
use crate::message::{Frame, OutFrame};
use crate::options::draft_number::{
    ZMQ_ONLY_FIRST_SUBSCRIBE, ZMQ_TOPICS_COUNT, ZMQ_XSUB_VERBOSE_UNSUBSCRIBE,
};
use crate::options::number::ZMQ_INVERT_MATCHING;
use crate::options::value::put_int_padded;
use crate::options::{FlagRule, SocketOptions, value};
use crate::pipe::{PipeId, Pipes};

// In this order: see `Pattern`.
#[repr(C)]
pub struct Xsub {
    _out: Room<LoadBalancer>,
    pub(super) queue: FairQueue,
    out: Distribution,
    subscriptions: Subscriptions,
    /// Peers that have not heard of all of them yet.
    announcements: PendingAnnouncements<Cursor>,
    /// Messages without a matching subscription are dropped: a peer may send them unasked.
    filter: bool,
    invert_matching: bool,
    verbose_unsubscribe: bool,
    /// `ZMQ_ONLY_FIRST_SUBSCRIBE`: of a message only the first frame can be a subscription.
    only_first: bool,
    /// The next frame sent is not a message's first.
    inside: bool,
    /// The other frames of the message being sent can be subscriptions, too.
    others_subscribe: bool,
}

/// Which messages a program gets to see: those whose first frame begins with a topic; or, where the matching is inverted, those
/// whose does not.
pub struct Filter<'a> {
    subscriptions: &'a Subscriptions,
    inverted: bool,
}

impl Filter<'_> {
    #[inline(always)]
    pub fn passes(&self, first_frame: &[u8]) -> bool {
        // The first question spares a look at each message.
        (self.subscriptions.match_all() || self.subscriptions.matches(first_frame)) != self.inverted
    }
}

impl Xsub {
    pub fn new(options: &SocketOptions) -> Xsub {
        Xsub {
            _out: Room::uninit(),
            queue: FairQueue::default(),
            out: Distribution::default(),
            subscriptions: Subscriptions::default(),
            announcements: PendingAnnouncements::default(),
            filter: false,
            invert_matching: options.invert_matching,
            verbose_unsubscribe: false,
            only_first: false,
            inside: false,
            others_subscribe: false,
        }
    }

    /// For a SUB.
    pub(super) fn filtering(options: &SocketOptions) -> Xsub {
        Xsub { filter: true, ..Xsub::new(options) }
    }

    /// Every subscription goes to the peers, those to a topic that is subscribed to as well: a verbose XPUB behind
    /// them may want to see it. Errors: `ENOMEM`.
    pub(super) fn subscribe(&mut self, pipes: &mut Pipes, topic: &[u8]) -> Result<()> {
        self.subscriptions.add(topic)?;
        self.tell_all(pipes, true, topic)
    }

    /// Errors: `ENOMEM`.
    pub(super) fn unsubscribe(&mut self, pipes: &mut Pipes, topic: &[u8]) -> Result<()> {
        if self.subscriptions.remove(topic) || self.verbose_unsubscribe {
            return self.tell_all(pipes, false, topic);
        }
        Ok(())
    }

    /// Tells all peers, those without credit too: a subscription is never lost. Peers that have not heard of all topics yet hear
    /// of this one in its turn.
    fn tell_all(&mut self, pipes: &mut Pipes, subscribe: bool, topic: &[u8]) -> Result<()> {
        let mut result = Ok(());
        for pipe in self.out.all() {
            if self.announcements.progress(pipe).is_some_and(|cursor| !cursor.has_passed(topic)) {
                continue;
            }
            result = result.and(pipes.write_subscription(pipe, subscribe, topic));
            pipes.flush(pipe);
        }
        result
    }

    /// A new peer is to hear of all subscriptions. `at_once`: the program has asked for it, and may call no more before it sees
    /// what the peer sends.
    fn begin_announcing(&mut self, pipes: &mut Pipes, pipe: PipeId, at_once: bool) {
        let mut cursor = Cursor::default();
        let mut told = if self.subscriptions.is_empty() { Told::All } else { Told::Some };
        let mut turns = if at_once { ASKED_FOR_TURNS } else { 0 };
        while turns > 0 && told == Told::Some {
            told = self.tell_some(pipes, pipe, &mut cursor);
            turns -= 1;
        }
        if told != Told::All {
            self.announcements.begin(pipe, cursor);
            pipes.budget.leave_undone();
        }
    }

    /// Tells a peer of some topics behind the cursor.
    fn tell_some(&self, pipes: &mut Pipes, pipe: PipeId, cursor: &mut Cursor) -> Told {
        let (mut count, mut bytes, mut refused) = (0, 0_usize, false);
        let walked = self.subscriptions.walk(cursor, |topic| {
            if count > 0 && bytes.saturating_add(topic.len()) > TURN_WISH_BYTES {
                return Step::StopBefore;
            }
            refused = pipes.write_subscription(pipe, true, topic).is_err();
            if refused {
                return Step::StopBefore;
            }
            (count, bytes) = (count + 1, bytes.saturating_add(topic.len()));
            if count == TURN_WISHES { Step::StopBehind } else { Step::GoOn }
        });
        pipes.flush(pipe);
        pipes.budget.spend(count.max(1));
        match walked {
            Ok(Walked::Through) => Told::All,
            Ok(Walked::Stopped) if !refused => Told::Some,
            Ok(Walked::Stopped) | Err(_) => Told::NoMemory,
        }
    }

    /// A frame that is part of a longer message, or no subscription: the peers get it as it is.
    fn send_part(&mut self, pipes: &mut Pipes, frame: &mut OutFrame<'_>) -> Result<()> {
        if !self.inside {
            self.others_subscribe = !self.only_first;
        }
        if !self.inside || self.others_subscribe {
            match subscription(frame.data()) {
                Some((true, topic)) => {
                    self.subscriptions.add(topic)?;
                    self.others_subscribe = true;
                }
                Some((false, topic)) => {
                    self.subscriptions.remove(topic);
                    self.others_subscribe = true;
                }
                None => {}
            }
        }
        self.out.send_to_all(pipes, frame)
    }

    /// The pipe of the next frame that passes the filter. Others are dropped, as far as the budget goes.
    #[inline]
    fn next(&mut self, pipes: &mut Pipes) -> Option<PipeId> {
        loop {
            let pipe = self.queue.next(pipes)?;
            // A message that the program was told of is not taken back when it unsubscribes.
            let settled = !self.filter || self.queue.inside().is_some() || self.queue.announced(pipe);
            if settled || self.wants(pipes, pipe) {
                return Some(pipe);
            }
            self.queue.skip_message(pipes, pipe, Reason::Filtered);
        }
    }

    #[inline]
    fn wants(&self, pipes: &mut Pipes, pipe: PipeId) -> bool {
        let filter = Filter { subscriptions: &self.subscriptions, inverted: self.invert_matching };
        pipes.peek(pipe).is_some_and(|frame| filter.passes(frame.data()))
    }

    /// See [`Pattern::filtered_queue`](super::Pattern::filtered_queue).
    #[inline(always)]
    pub(super) fn filtered_queue(&mut self) -> Option<(&mut FairQueue, Filter<'_>)> {
        if self.queue.is_skipping() {
            return None;
        }
        let filter = Filter { subscriptions: &self.subscriptions, inverted: self.invert_matching };
        Some((&mut self.queue, filter))
    }
}

/// Whether a frame of a message subscribes or unsubscribes, and the topic; `None`: neither.
pub(super) fn subscription(data: &[u8]) -> Option<(bool, &[u8])> {
    match data {
        [1, topic @ ..] => Some((true, topic)),
        [0, topic @ ..] => Some((false, topic)),
        _ => None,
    }
}

impl Behaviour for Xsub {
    fn attach(&mut self, pipes: &mut Pipes, pipe: PipeId, origin: Origin) {
        self.queue.attach(pipe);
        self.out.attach(pipe);
        self.begin_announcing(pipes, pipe, origin.is_asked_for());
    }

    fn go_on(&mut self, pipes: &mut Pipes) {
        // In the middle of a message a topic would become one of its frames.
        while !self.inside && !self.announcements.is_empty() && pipes.budget.allows() {
            let Some((pipe, mut cursor)) = self.announcements.next() else { return };
            let told = self.tell_some(pipes, pipe, &mut cursor);
            if told != Told::All {
                self.announcements.begin(pipe, cursor);
            }
            if told == Told::NoMemory {
                return pipes.budget.leave_for_want_of_memory();
            }
        }
    }

    fn send(&mut self, pipes: &mut Pipes, frame: &mut OutFrame<'_>) -> Result<()> {
        let whole = !self.inside && !frame.more();
        match subscription(frame.data()) {
            Some((true, topic)) if whole => self.subscribe(pipes, topic)?,
            Some((false, topic)) if whole => self.unsubscribe(pipes, topic)?,
            _ => {
                self.send_part(pipes, frame)?;
                self.inside = frame.more();
                if !self.inside && !self.announcements.is_empty() {
                    pipes.budget.leave_undone();
                }
            }
        }
        Ok(())
    }

    #[inline]
    fn recv<'p>(&mut self, pipes: &'p mut Pipes) -> Result<Frame<'p>> {
        let pipe = self.next(pipes).ok_or(Errno::AGAIN)?;
        self.queue.take(pipes, pipe)
    }

    fn has_in(&mut self, pipes: &mut Pipes) -> bool {
        let Some(pipe) = self.next(pipes) else { return false };
        self.queue.announce(pipes, pipe);
        true
    }

    fn has_out(&mut self, _: &mut Pipes) -> bool {
        // A peer without credit misses the message.
        true
    }

    fn read_activated(&mut self, _: &mut Pipes, pipe: PipeId) {
        self.queue.activated(pipe);
    }

    fn write_activated(&mut self, _: &mut Pipes, pipe: PipeId) {
        self.out.activated(pipe);
    }

    fn hiccuped(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        self.out.hiccuped(pipes, pipe);
        self.announcements.remove(pipe);
        self.begin_announcing(pipes, pipe, false);
    }

    fn terminated(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        self.queue.terminated(pipe);
        self.out.terminated(pipes, pipe);
        self.announcements.remove(pipe);
    }

    fn set_option(
        &mut self,
        _: &mut Pipes,
        options: &mut SocketOptions,
        option: i32,
        value: &[u8],
    ) -> Option<Result<()>> {
        Some(match option {
            ZMQ_ONLY_FIRST_SUBSCRIBE => flag(value).map(|yes| self.only_first = yes),
            ZMQ_XSUB_VERBOSE_UNSUBSCRIBE => {
                value::flag(value, FlagRule::Any).map(|yes| self.verbose_unsubscribe = yes)
            }
            ZMQ_INVERT_MATCHING => {
                set_common(options, option, value).map(|()| self.invert_matching = options.invert_matching)
            }
            _ => return None,
        })
    }

    fn option(&self, option: i32, out: &mut [u8]) -> Option<Result<usize>> {
        let topics = || i32::try_from(self.subscriptions.len()).unwrap_or(i32::MAX);
        (option == ZMQ_TOPICS_COUNT).then(|| put_int_padded(out, topics()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::super::Origin;
    use crate::errno::Errno;
    use crate::options::SocketType;
    use crate::options::draft_number::{
        ZMQ_ONLY_FIRST_SUBSCRIBE, ZMQ_TOPICS_COUNT, ZMQ_XSUB_VERBOSE_UNSUBSCRIBE,
    };
    use crate::options::number::{ZMQ_INVERT_MATCHING, ZMQ_SUBSCRIBE, ZMQ_UNSUBSCRIBE};
    use crate::pattern::pending_announcements::TURN_WISHES;
    use crate::pattern::testing::{Bench, Peer};
    use crate::pipe::budget::CALL_UNITS;
    use crate::sys::faults::{self, Call};
    use std::collections::BTreeSet;

    #[test]
    fn subscriptions_go_to_all_peers_and_to_those_that_come_later() {
        let mut bench = Bench::new(SocketType::Sub);
        let mut early = bench.connect();
        bench.set_bytes(ZMQ_SUBSCRIBE, b"b").unwrap();
        bench.set_bytes(ZMQ_SUBSCRIBE, b"a").unwrap();
        bench.set_bytes(ZMQ_SUBSCRIBE, b"a").unwrap();
        assert_eq!(early.recv_all(), ["+b", "+a", "+a"]);
        assert_eq!(bench.get(ZMQ_TOPICS_COUNT), 2);
        let mut late = bench.connect();
        assert_eq!(late.recv_all(), ["+a", "+b"]);
        bench.set_bytes(ZMQ_UNSUBSCRIBE, b"a").unwrap();
        bench.set_bytes(ZMQ_UNSUBSCRIBE, b"never").unwrap();
        assert_eq!(early.recv_all(), [""; 0]);
        bench.set_bytes(ZMQ_UNSUBSCRIBE, b"a").unwrap();
        assert_eq!((early.recv_all(), late.recv_all()), (vec!["-a".into()], vec!["-a".into()]));
        assert_eq!(bench.send(&["x"]), Err(Errno::NOTSUP));
        assert!(!bench.has_out());
    }

    #[test]
    fn no_peer_is_told_of_a_topic_in_the_middle_of_a_message() {
        const MANY: usize = 1000;
        let mut bench = Bench::new(SocketType::Xsub);
        for i in 0..MANY {
            bench.send(&[&format!("\u{1}{i:04}")]).unwrap();
        }
        bench.units = 100;
        let mut peer = bench.connect();
        let mut heard = peer.recv_all();
        assert!(heard.len() < MANY);
        for frames in [["\u{1}more", "\u{1}topics"], ["x", "y"]] {
            // Before each frame the socket goes on with what is left to tell.
            bench.send(&frames).unwrap();
            assert!(bench.pipes.budget.take_undone(), "the waiting thread is to come back");
        }
        while heard.len() < MANY + 2 {
            bench.settle();
            let before = heard.len();
            heard.extend(peer.recv_all());
            assert!(heard.len() > before, "{before}");
        }
        let (messages, topics): (Vec<_>, Vec<_>) = heard.into_iter().partition(|one| one.contains('|'));
        assert_eq!(messages, ["\u{1}more|\u{1}topics", "x|y"]);
        assert!(topics.iter().all(|topic| topic.starts_with('+')), "{topics:?}");
    }

    #[test]
    fn new_peers_are_told_each_topic_once_in_steps() {
        const MANY: usize = 3000;
        const UNITS: u32 = 200;
        let topic = |i: usize| format!("{:06}", i * 7919 % 1_000_003);
        let mut bench = Bench::new(SocketType::Xsub);
        for i in 0..MANY {
            bench.send(&[&format!("\u{1}{}", topic(i))]).unwrap();
        }
        bench.units = UNITS;
        let mut peers = [bench.connect(), bench.connect()];
        let mut heard: [BTreeSet<String>; 2] = Default::default();
        let (mut steps, mut wanted): (_, BTreeSet<String>) = (0, (0..MANY).map(topic).collect());
        while heard.iter().any(|heard| *heard != wanted) {
            bench.settle();
            let mut told = 0;
            for (peer, heard) in peers.iter_mut().zip(&mut heard) {
                for wish in peer.recv_all() {
                    let (way, topic) = wish.split_at(1);
                    let news = if way == "+" { heard.insert(topic.into()) } else { heard.remove(topic) };
                    assert!(news, "{wish} twice");
                    told += 1;
                }
            }
            // At most what four calls have told, and a turn beyond the budget of each.
            assert!(told <= 4 * (UNITS + TURN_WISHES) as usize, "{told} in a few calls");
            steps += 1;
            assert!(steps < 100, "no end");
            if steps > 8 {
                continue;
            }
            let (comes, goes) = (topic(MANY + steps), topic(steps * 7));
            bench.send(&[&format!("\u{1}{comes}")]).unwrap();
            bench.send(&[&format!("\0{goes}")]).unwrap();
            wanted.insert(comes);
            wanted.remove(&goes);
        }
        assert!(steps >= 3, "{steps}");
    }

    #[test]
    fn peer_that_the_program_asked_for_is_told_before_the_call_ends() {
        const MANY: usize = 3 * CALL_UNITS as usize;
        let mut bench = Bench::new(SocketType::Sub);
        for i in 0..MANY {
            bench.set_bytes(ZMQ_SUBSCRIBE, format!("{i:06}").as_bytes()).unwrap();
        }
        for origin in [Origin::Connected, Origin::Awaited] {
            let (id, pipe) = bench.insert(0);
            bench.pattern.attach(&mut bench.pipes, id, origin);
            assert_eq!(Peer { id, pipe }.recv_all().len(), MANY, "{origin:?}");
        }
    }

    #[test]
    fn a_peer_hears_of_all_once_there_is_memory() {
        for origin in [Origin::Accepted, Origin::Connected, Origin::Awaited] {
            let mut bench = Bench::new(SocketType::Sub);
            let topics: Vec<_> = (0..100).map(|i| format!("{i:0>200}")).collect();
            topics.iter().for_each(|topic| bench.set_bytes(ZMQ_SUBSCRIBE, topic.as_bytes()).unwrap());
            let (id, pipe) = bench.insert(0);
            let refused = faults::refuse_after(Call::Allocate, Errno::NOMEM, 1, u32::MAX);
            bench.pattern.attach(&mut bench.pipes, id, origin);
            bench.settle();
            drop(refused);
            bench.settle();
            let mut peer = Peer { id, pipe };
            let heard: Vec<_> = topics.iter().map(|topic| format!("+{topic}")).collect();
            assert_eq!(peer.recv_all(), heard);
        }
    }

    #[test]
    fn no_subscription_is_lost_for_want_of_credit() {
        let mut bench = Bench::new(SocketType::Sub);
        let mut peer = bench.connect_with(1, |_| {});
        for i in 0..2000 {
            bench.set_bytes(ZMQ_SUBSCRIBE, format!("{i:04}").as_bytes()).unwrap();
        }
        assert_eq!(peer.recv_all().len(), 2000);
        let (mut reader, _writer, _end) = peer.hiccup();
        bench.settle();
        let mut again = 0;
        while reader.read().is_some() {
            again += 1;
        }
        assert_eq!(again, 2000);
    }

    #[test]
    fn unsubscribed_message_is_dropped_with_all_its_frames() {
        let mut bench = Bench::new(SocketType::Sub);
        let mut peer = bench.connect();
        bench.set_bytes(ZMQ_SUBSCRIBE, b"a").unwrap();
        peer.send(&["b", "apple"]);
        assert!(!bench.has_in());
        peer.send(&["b"]);
        peer.send(&["apple", "b", "c"]);
        assert!(bench.has_in());
        assert_eq!(bench.recv(), ["apple", "b", "c"]);
        bench.set(ZMQ_INVERT_MATCHING, 1);
        peer.send(&["apple"]);
        peer.send(&["b"]);
        assert_eq!(bench.recv(), ["b"]);
        assert_eq!(bench.try_recv(), Err(Errno::AGAIN));
    }

    #[test]
    fn xsub_receives_unfiltered_and_forwards_subscriptions() {
        let mut bench = Bench::new(SocketType::Xsub);
        let mut peer = bench.connect();
        peer.send(&["anything"]);
        assert_eq!(bench.recv(), ["anything"]);
        assert!(bench.has_out());
        for message in ["\u{1}a", "\u{1}a", "user", "", "\0b", "\0a", "\0a", "\0a"] {
            bench.send(&[message]).unwrap();
        }
        assert_eq!(peer.recv_all(), ["+a", "+a", "user", "", "-a"]);
        bench.set(ZMQ_XSUB_VERBOSE_UNSUBSCRIBE, 1);
        bench.send(&["\0b"]).unwrap();
        assert_eq!(peer.recv_all(), ["-b"]);
    }

    #[test]
    fn frames_of_longer_messages_can_subscribe_unless_told_otherwise() {
        let mut bench = Bench::new(SocketType::Xsub);
        let mut peer = bench.connect();
        bench.send(&["user", "\u{1}a", "\u{1}b"]).unwrap();
        assert_eq!(peer.recv_all(), ["user|\u{1}a|\u{1}b"]);
        assert_eq!(bench.get(ZMQ_TOPICS_COUNT), 2);
        bench.send(&["\0a", "\0never"]).unwrap();
        assert_eq!(peer.recv_all(), ["\0a|\0never"]);
        assert_eq!(bench.get(ZMQ_TOPICS_COUNT), 1);
        bench.set(ZMQ_ONLY_FIRST_SUBSCRIBE, 1);
        bench.send(&["user", "\0b"]).unwrap();
        assert_eq!(bench.get(ZMQ_TOPICS_COUNT), 1);
        bench.send(&["\u{1}c", "\u{1}d"]).unwrap();
        assert_eq!(bench.get(ZMQ_TOPICS_COUNT), 3);
    }

    #[test]
    fn a_message_that_was_announced_is_not_taken_back() {
        let mut bench = Bench::new(SocketType::Sub);
        bench.set_bytes(ZMQ_SUBSCRIBE, b"a").unwrap();
        let mut peer = bench.connect();
        peer.send(&["apple"]);
        peer.send(&["avocado"]);
        assert!(bench.has_in());
        bench.set_bytes(ZMQ_UNSUBSCRIBE, b"a").unwrap();
        assert_eq!(bench.recv(), ["apple"]);
        assert_eq!(bench.try_recv(), Err(Errno::AGAIN));
    }
}
