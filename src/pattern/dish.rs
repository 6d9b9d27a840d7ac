//! DISH: receives the messages of the groups it has joined (RFC 48).
//!
//! In a pipe, as on the wire, a message is two frames: the group and the body. Anything else is dropped.

use super::Behaviour;
use super::Origin;
use super::distribution::Distribution;
use super::fair_queue::FairQueue;
use super::pending_announcements::{ASKED_FOR_TURNS, PendingAnnouncements, TURN_WISHES, Told};
use crate::counters::Reason;
use crate::errno::{Errno, Result};
use crate::message::{Address, Body, Frame, MORE, group_body};
use crate::pipe::{PipeId, Pipes};
use std::collections::BTreeMap;
use std::ops::Bound;

#[derive(Default)]
pub struct Dish {
    queue: FairQueue,
    out: Distribution,
    /// The groups joined, and each as messages carry it.
    groups: BTreeMap<Vec<u8>, Body>,
    /// Peers that have not heard of all groups yet, each with the last one that it has heard of.
    announcements: PendingAnnouncements<Option<Vec<u8>>>,
    /// The group of a message whose body lies ahead in the pipe.
    ahead: Option<(PipeId, Body)>,
}

impl Dish {
    /// Goes to the body of the next message of a group that was joined. Others are dropped, as far as the budget goes.
    fn next(&mut self, pipes: &mut Pipes) -> Option<(PipeId, Body)> {
        if self.ahead.is_some() {
            return self.ahead.take();
        }
        loop {
            let pipe = self.queue.next(pipes)?;
            let is_alone = pipes.next_flags(pipe).is_none_or(|flags| flags & MORE == 0);
            let Some(group) = self.group_ahead(pipes, pipe) else {
                let reason = if is_alone { Reason::Malformed } else { Reason::Filtered };
                self.queue.skip_message(pipes, pipe, reason);
                continue;
            };
            self.queue.take(pipes, pipe).ok()?;
            if pipes.next_flags(pipe).is_some_and(|flags| flags & MORE == 0) {
                return Some((pipe, group));
            }
            self.queue.skip_message(pipes, pipe, Reason::Malformed);
        }
    }

    /// The group whose frame lies ahead, if it was joined and a body follows.
    fn group_ahead(&self, pipes: &mut Pipes, pipe: PipeId) -> Option<Body> {
        let frame = pipes.peek(pipe)?;
        if frame.more() { self.groups.get(frame.data()).cloned() } else { None }
    }

    /// A new peer is to hear of all groups. `at_once`: the program has asked for it.
    fn begin_announcing(&mut self, pipes: &mut Pipes, pipe: PipeId, at_once: bool) {
        let mut last = None;
        let mut told = if self.groups.is_empty() { Told::All } else { Told::Some };
        let mut turns = if at_once { ASKED_FOR_TURNS } else { 0 };
        while turns > 0 && told == Told::Some {
            told = self.tell_some(pipes, pipe, &mut last);
            turns -= 1;
        }
        if told != Told::All {
            self.announcements.begin(pipe, last);
            pipes.budget.leave_undone();
        }
    }

    /// Tells a peer of some groups behind the last one that it has heard of.
    fn tell_some(&self, pipes: &mut Pipes, pipe: PipeId, last: &mut Option<Vec<u8>>) -> Told {
        let behind = last.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut groups = self.groups.range::<[u8], _>((behind, Bound::Unbounded));
        let (mut count, mut told, mut heard) = (0, Told::Some, None);
        while told == Told::Some && count < TURN_WISHES {
            told = match groups.next() {
                None => Told::All,
                Some((group, _)) if pipes.write_membership(pipe, true, group).is_err() => Told::NoMemory,
                Some((group, _)) => {
                    heard = Some(group);
                    Told::Some
                }
            };
            count += 1;
        }
        pipes.flush(pipe);
        pipes.budget.spend(count);
        if let Some(heard) = heard {
            *last = Some(heard.clone());
        }
        told
    }
}

impl Behaviour for Dish {
    fn attach(&mut self, pipes: &mut Pipes, pipe: PipeId, origin: Origin) {
        self.queue.attach(pipe);
        self.out.attach(pipe);
        self.begin_announcing(pipes, pipe, origin.is_asked_for());
    }

    fn go_on(&mut self, pipes: &mut Pipes) {
        while !self.announcements.is_empty() && pipes.budget.allows() {
            let Some((pipe, mut last)) = self.announcements.next() else { return };
            let told = self.tell_some(pipes, pipe, &mut last);
            if told != Told::All {
                self.announcements.begin(pipe, last);
            }
            if told == Told::NoMemory {
                return pipes.budget.leave_for_want_of_memory();
            }
        }
    }

    fn recv<'p>(&mut self, pipes: &'p mut Pipes) -> Result<Frame<'p>> {
        let (pipe, group) = self.next(pipes).ok_or(Errno::AGAIN)?;
        let frame = self.queue.take(pipes, pipe)?;
        Ok(Frame { address: Address::Group(group), ..frame })
    }

    fn has_in(&mut self, pipes: &mut Pipes) -> bool {
        let before = self.ahead.is_some();
        self.ahead = self.next(pipes);
        if !before && let Some((pipe, _)) = self.ahead {
            self.queue.counts_as_taken(pipe);
        }
        self.ahead.is_some()
    }

    fn has_out(&mut self, _: &mut Pipes) -> bool {
        // Groups can be joined and left at any time.
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
        if self.ahead.take_if(|(from, _)| *from == pipe).is_some() {
            self.queue.forget();
        }
        self.queue.terminated(pipe);
        self.out.terminated(pipes, pipe);
        self.announcements.remove(pipe);
    }

    fn join(&mut self, pipes: &mut Pipes, join: bool, group: &[u8]) -> Result<()> {
        if join {
            if self.groups.contains_key(group) {
                return Err(Errno::INVAL);
            }
            self.groups.insert(group.to_vec(), group_body(group)?);
        } else {
            self.groups.remove(group).ok_or(Errno::INVAL)?;
        }
        let mut told = Ok(());
        for pipe in self.out.all() {
            let last = self.announcements.progress(pipe);
            if last.is_some_and(|last| last.as_deref().is_none_or(|last| group > last)) {
                // In its turn.
                continue;
            }
            told = told.and(pipes.write_membership(pipe, join, group));
            pipes.flush(pipe);
        }
        told
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use crate::errno::Errno;
    use crate::message::GROUP_MAX_LENGTH;
    use crate::options::SocketType;
    use crate::pattern::testing::Bench;

    #[test]
    fn peers_hear_of_each_group_once_in_as_many_steps_as_it_takes() {
        let mut bench = Bench::new(SocketType::Dish);
        for i in 0..1000 {
            bench.join_group(&format!("{i:04}")).unwrap();
        }
        bench.units = 100;
        let mut peer = bench.connect();
        let (mut heard, mut steps) = (peer.recv_all(), 1);
        assert!(heard.len() < 300, "{}", heard.len());
        bench.join_group("0000 comes").unwrap();
        bench.join_group("9999 comes").unwrap();
        bench.leave_group("0999").unwrap();
        while steps < 100 && heard.len() < 1001 {
            bench.settle();
            heard.extend(peer.recv_all());
            steps += 1;
        }
        heard.sort();
        heard.dedup();
        assert_eq!(heard.len(), 1001);
        assert!(heard.iter().all(|wish| wish.starts_with("JOIN") && wish != "JOIN 0999"));
    }

    #[test]
    fn messages_of_joined_groups_arrive_with_their_group() {
        let mut bench = Bench::new(SocketType::Dish);
        let mut peer = bench.connect();
        bench.join_group("News").unwrap();
        bench.join_group("Sports").unwrap();
        assert_eq!(peer.recv_all(), ["JOIN News", "JOIN Sports"]);
        peer.send(&["Movies", "m"]);
        assert!(!bench.has_in());
        peer.send(&["Sports", "s"]);
        peer.send(&["News", "n"]);
        assert!(bench.has_in() && bench.has_in());
        assert_eq!(bench.recv_group(), ("Sports".into(), "s".into()));
        assert_eq!(bench.recv_group(), ("News".into(), "n".into()));
        bench.leave_group("News").unwrap();
        assert_eq!(peer.recv_all(), ["LEAVE News"]);
        peer.send(&["News", "n"]);
        assert_eq!(bench.try_recv(), Err(Errno::AGAIN));
        assert_eq!(bench.connect().recv_all(), ["JOIN Sports"]);
        assert_eq!(bench.send(&["x"]), Err(Errno::NOTSUP));
        assert!(bench.has_out());
    }

    #[test]
    fn a_message_that_was_announced_has_had_its_turn() {
        let mut bench = Bench::new(SocketType::Dish);
        let (mut one, mut other) = (bench.connect(), bench.connect());
        bench.join_group("g").unwrap();
        assert!(!bench.has_in());
        one.send(&["g", "1"]);
        assert!(bench.has_in() && bench.has_in());
        other.send(&["g", "3"]);
        one.send(&["g", "2"]);
        for body in ["1", "2", "3"] {
            assert_eq!(bench.recv_group(), ("g".into(), body.into()));
        }
    }

    #[test]
    fn groups_that_cannot_be_joined_or_left() {
        let mut bench = Bench::new(SocketType::Dish);
        assert_eq!(bench.leave_group("g"), Err(Errno::INVAL));
        bench.join_group("g").unwrap();
        assert_eq!(bench.join_group("g"), Err(Errno::INVAL));
        let long = "g".repeat(GROUP_MAX_LENGTH);
        bench.join_group(&long).unwrap();
        assert_eq!(bench.join_group(&(long + "g")), Err(Errno::INVAL));
        let mut other = Bench::new(SocketType::Sub);
        assert_eq!(other.join_group("g"), Err(Errno::NOTSUP));
    }

    #[test]
    fn message_other_than_group_and_body_is_dropped() {
        let mut bench = Bench::new(SocketType::Dish);
        let (mut peer, mut other) = (bench.connect(), bench.connect());
        bench.join_group("g").unwrap();
        bench.join_group("").unwrap();
        for message in [&["g"][..], &["g", "body", "more"], &[""], &["", "", ""]] {
            peer.send(message);
        }
        assert!(!bench.has_in());
        peer.send(&["g"]);
        peer.send(&["g", ""]);
        other.send(&["", "to no group"]);
        let mut got = [bench.recv_group(), bench.recv_group()];
        got.sort();
        assert_eq!(got, [("".into(), "to no group".into()), ("g".into(), "".into())]);
        assert!(!bench.has_in());
    }

    #[test]
    fn a_peer_that_goes_takes_a_message_found_by_a_poll_along() {
        let mut bench = Bench::new(SocketType::Dish);
        let (mut one, mut two) = (bench.connect(), bench.connect());
        bench.join_group("g").unwrap();
        one.send(&["g", "lost"]);
        assert!(bench.has_in());
        bench.pipes.terminate(one.id);
        assert!(!bench.has_in());
        two.send(&["g", "next"]);
        assert_eq!(bench.recv_group(), ("g".into(), "next".into()));
    }

    #[test]
    fn a_new_connection_hears_of_the_groups_again() {
        let mut bench = Bench::new(SocketType::Dish);
        let peer = bench.connect_with(1, |_| {});
        for i in 0..100 {
            bench.join_group(&i.to_string()).unwrap();
        }
        let (mut reader, _writer, _end) = peer.hiccup();
        bench.settle();
        let mut again = 0;
        while reader.read().is_some() {
            again += 1;
        }
        assert_eq!(again, 100);
    }
}
