//! DISH: receives the messages of the groups it has joined (RFC 48).
//!
//! In a pipe, as on the wire, a message is two frames: the group and the body. Anything else is dropped.

use super::Behaviour;
use super::distribution::Distribution;
use super::fair_queue::FairQueue;
use crate::errno::{Errno, Result};
use crate::message::{Address, Body, Frame, MORE, Msg};
use crate::pipe::{PipeId, Pipes};
use std::collections::BTreeMap;

#[derive(Default)]
pub struct Dish {
    queue: FairQueue,
    out: Distribution,
    /// The groups joined, and each as messages carry it.
    groups: BTreeMap<Vec<u8>, Body>,
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
            let group = self.group_ahead(pipes, pipe);
            let (Some(group), Ok(_)) = (group, self.queue.take(pipes, pipe)) else {
                self.queue.skip_message(pipes, pipe);
                continue;
            };
            if pipes.next_flags(pipe).is_some_and(|flags| flags & MORE == 0) {
                return Some((pipe, group));
            }
            self.queue.skip_message(pipes, pipe);
        }
    }

    /// The group whose frame lies ahead, if it was joined and a body follows.
    fn group_ahead(&self, pipes: &mut Pipes, pipe: PipeId) -> Option<Body> {
        let frame = pipes.peek(pipe)?;
        if frame.more() { self.groups.get(frame.data()).cloned() } else { None }
    }

    /// Tells a new peer of all groups. One that cannot hear of them is no use: it is closed.
    fn tell_everything(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        let told = self.groups.keys().try_for_each(|group| pipes.write_membership(pipe, true, group));
        match told {
            Ok(()) => pipes.flush(pipe),
            Err(_) => pipes.terminate(pipe),
        }
    }
}

impl Behaviour for Dish {
    fn attach(&mut self, pipes: &mut Pipes, pipe: PipeId, _: bool, _: bool) {
        self.queue.attach(pipe);
        self.out.attach(pipe);
        self.tell_everything(pipes, pipe);
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
        self.out.hiccuped(pipe);
        self.tell_everything(pipes, pipe);
    }

    fn terminated(&mut self, _: &mut Pipes, pipe: PipeId) {
        if self.ahead.take_if(|(from, _)| *from == pipe).is_some() {
            self.queue.forget();
        }
        self.queue.terminated(pipe);
        self.out.terminated(pipe);
    }

    fn join(&mut self, pipes: &mut Pipes, join: bool, group: &[u8]) -> Result<()> {
        if join {
            if self.groups.contains_key(group) {
                return Err(Errno::INVAL);
            }
            self.groups.insert(group.to_vec(), Msg::group_body(group)?);
        } else {
            self.groups.remove(group).ok_or(Errno::INVAL)?;
        }
        let mut told = Ok(());
        for pipe in self.out.all() {
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
    fn what_is_not_a_group_and_a_body_is_dropped() {
        let mut bench = Bench::new(SocketType::Dish);
        let (mut peer, mut other) = (bench.connect(), bench.connect());
        bench.join_group("g").unwrap();
        bench.join_group("").unwrap();
        for message in [&["g"][..], &["g", "body", "more"], &[""], &["", "", ""]] {
            peer.send(message);
        }
        assert!(!bench.has_in());
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
