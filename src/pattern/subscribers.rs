//! The subscriptions of each peer, on a publisher's side.

use super::subscription_sizes::Holdings;
use super::topic_tree::{Cursor, Step, TopicTree, Value};
use crate::errno::{Errno, Result};
use crate::pipe::{Budget, PipeId};
use crate::sys::memory;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// The topics of a PUB or XPUB socket's peers, and the pipes that each belongs to.
#[derive(Default)]
pub struct Subscribers {
    topics: TopicTree<Holders>,
    /// How much each pipe has: most pipes can be forgotten without looking at every topic.
    holdings: Holdings,
    /// Pipes that are gone and still have topics.
    leaving: BTreeSet<PipeId>,
    /// How far the topics were looked at for them. There is always memory for the longest topic, which may be what gives the
    /// memory back that there is not.
    look: Cursor,
}

/// Topics that one pass looks at for pipes that leave, and at most as many are removed in it.
const PASS_TOPICS: usize = 256;
/// Bytes of topics that are copied for that, unless a single topic is longer: a peer chooses how long its topics are.
const PASS_TOPIC_BYTES: usize = 64 * 1024;
/// The cost of taking a topic out of the tree, in units of a [`Budget`].
const REMOVAL_UNITS: usize = 16;
/// Topics looked at for one unit.
const LOOKS_PER_UNIT: usize = 4;

/// What [`Subscribers::remove`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// The pipe was not subscribed to the topic.
    Nothing,
    /// Others are still subscribed to the topic.
    OneOfMany,
    /// The topic has no subscriber any more.
    Last,
}

/// The pipes of one topic.
#[derive(Default)]
enum Holders {
    #[default]
    None,
    One(PipeId),
    /// In ascending order. Boxed so that the many topics with one pipe stay small.
    #[expect(clippy::box_collection)]
    Many(Box<Vec<PipeId>>),
}

impl Subscribers {
    /// What the topics of one pipe may weigh, in bytes.
    pub fn set_limit(&mut self, limit_bytes: i32) {
        self.holdings.set_limit(limit_bytes);
    }

    /// Whether the topic had no subscriber before. Errors: `ENOMEM`, and `ENOBUFS` for more than one pipe may have.
    pub fn add(&mut self, topic: &[u8], pipe: PipeId) -> Result<bool> {
        self.look.reserve(topic.len())?;
        let holdings = &self.holdings;
        let (first, new) = self.topics.insert(topic, |holders| {
            let first = holders.is_empty();
            if holders.as_slice().binary_search(&pipe).is_err() {
                holdings.allow(pipe, topic.len())?;
            }
            Ok((first, holders.add(pipe)?))
        })?;
        if new {
            self.holdings.add(pipe, topic.len());
        }
        Ok(first)
    }

    pub fn remove(&mut self, topic: &[u8], pipe: PipeId) -> Removed {
        let removed = self.topics.update(topic, |holders| match (holders.remove(pipe), holders.is_empty()) {
            (false, _) => Removed::Nothing,
            (true, false) => Removed::OneOfMany,
            (true, true) => Removed::Last,
        });
        let removed = removed.unwrap_or(Removed::Nothing);
        if removed != Removed::Nothing && self.holdings.remove(pipe, topic.len()) {
            self.leaving.remove(&pipe);
        }
        if self.topics.is_empty() {
            // Gives the memory back.
            self.look = Cursor::default();
        }
        removed
    }

    /// The pipe is gone. `true`: it has topics, which are to be [forgotten](Subscribers::forget_some).
    pub fn leave(&mut self, pipe: PipeId) -> bool {
        self.holdings.has_any(pipe) && self.leaving.insert(pipe)
    }

    /// Whether topics of pipes that are gone are still there.
    pub fn has_leaving_pipes(&self) -> bool {
        !self.leaving.is_empty()
    }

    /// Forgets some topics of pipes that are gone, in ascending order, round and round until there are none. `each` hears of each
    /// topic, of the pipe that had it, and whether no subscriber is left.
    pub fn forget_some(&mut self, budget: &mut Budget, mut each: impl FnMut(&[u8], PipeId, bool)) {
        let (mut found, mut looks, mut copied_bytes) = (Vec::new(), 0, 0_usize);
        let (leaving, mut in_place) = (&self.leaving, None);
        let walked = self.look.walk(&self.topics, |topic, holders| {
            looks += 1;
            for pipe in holders.among(leaving) {
                copied_bytes = copied_bytes.saturating_add(topic.len());
                if found.len() == PASS_TOPICS || copied_bytes > PASS_TOPIC_BYTES {
                    // The first one is taken out where it lies, however long it is.
                    in_place = found.is_empty().then_some(pipe);
                    return Step::StopBefore;
                }
                match copy(topic, pipe, &mut found) {
                    Ok(()) => {}
                    Err(_) => {
                        in_place = found.is_empty().then_some(pipe);
                        return Step::StopBefore;
                    }
                }
            }
            if looks == PASS_TOPICS { Step::StopBehind } else { Step::GoOn }
        });
        if walked.is_err() {
            budget.leave_for_want_of_memory();
        }
        let taken = found.len() + usize::from(in_place.is_some());
        let units = looks / LOOKS_PER_UNIT + 1 + taken * REMOVAL_UNITS;
        budget.spend(u32::try_from(units).unwrap_or(u32::MAX));
        for (topic, pipe) in found {
            let removed = self.remove(&topic, pipe);
            each(&topic, pipe, removed == Removed::Last);
        }
        if let Some(pipe) = in_place {
            let look = std::mem::take(&mut self.look);
            let removed = self.remove(look.topic(), pipe);
            each(look.topic(), pipe, removed == Removed::Last);
            if !self.topics.is_empty() {
                self.look = look;
            }
        }
        if self.leaving.is_empty() {
            self.look.restart();
        }
    }

    /// Names the pipes that want `data`, those with several matching topics several times.
    #[inline]
    pub fn for_each_match(&self, data: &[u8], mut visit: impl FnMut(PipeId)) {
        self.topics.for_each_prefix(data, |holders| {
            holders.as_slice().iter().for_each(|&pipe| visit(pipe));
            ControlFlow::Continue(())
        });
    }

    /// Whether the pipe wants `data`.
    pub fn match_for(&self, data: &[u8], pipe: PipeId) -> bool {
        let mut wanted = false;
        self.topics.for_each_prefix(data, |holders| {
            wanted = holders.as_slice().binary_search(&pipe).is_ok();
            if wanted { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        wanted
    }

    /// The cost of adding a topic or taking one out, beside the frame that says so, in units of a [`Budget`]: the more there are,
    /// the less of them lies in a cache.
    pub fn change_units(&self) -> u32 {
        match self.topics.len() {
            0..16_384 => 0,
            16_384..131_072 => 4,
            _ => 8,
        }
    }

    /// Topics of all pipes, those of several pipes as often.
    pub fn total(&self) -> usize {
        self.holdings.total()
    }

    /// Different topics.
    pub fn len(&self) -> usize {
        self.topics.len()
    }
}

/// Errors: `ENOMEM`.
fn copy(topic: &[u8], pipe: PipeId, copies: &mut Vec<(Vec<u8>, PipeId)>) -> Result<()> {
    let mut copy = Vec::new();
    memory::try_reserve(&mut copy, topic.len())?;
    copies.try_reserve(1).map_err(|_| Errno::NOMEM)?;
    copy.extend_from_slice(topic);
    copies.push((copy, pipe));
    Ok(())
}

impl Holders {
    fn as_slice(&self) -> &[PipeId] {
        match self {
            Holders::None => &[],
            Holders::One(pipe) => std::slice::from_ref(pipe),
            Holders::Many(pipes) => pipes,
        }
    }

    /// Those that are among these.
    fn among<'a>(&'a self, pipes: &'a BTreeSet<PipeId>) -> impl Iterator<Item = PipeId> + 'a {
        let held = self.as_slice();
        // Whichever are fewer are looked for among the others.
        let few = if pipes.len() < held.len() { Some(pipes) } else { None };
        let of_few = few.into_iter().flatten().filter(|pipe| held.binary_search(pipe).is_ok());
        let rest = if few.is_none() { held } else { &[] };
        of_few.chain(rest.iter().filter(|pipe| pipes.contains(pipe))).copied()
    }

    /// Whether the pipe is new. Errors: `ENOMEM`.
    fn add(&mut self, pipe: PipeId) -> Result<bool> {
        match self {
            Holders::None => *self = Holders::One(pipe),
            Holders::One(one) if *one == pipe => return Ok(false),
            Holders::One(one) => {
                let mut pipes = Vec::new();
                pipes.try_reserve_exact(2).map_err(|_| Errno::NOMEM)?;
                pipes.extend([pipe.min(*one), pipe.max(*one)]);
                *self = Holders::Many(Box::new(pipes));
            }
            Holders::Many(pipes) => {
                let Err(place) = pipes.binary_search(&pipe) else { return Ok(false) };
                pipes.try_reserve(1).map_err(|_| Errno::NOMEM)?;
                pipes.insert(place, pipe);
            }
        }
        Ok(true)
    }

    /// Whether the pipe was there.
    fn remove(&mut self, pipe: PipeId) -> bool {
        let Ok(place) = self.as_slice().binary_search(&pipe) else { return false };
        if let Holders::Many(pipes) = self {
            pipes.remove(place);
            if let [one] = ***pipes {
                *self = Holders::One(one);
            }
        } else {
            *self = Holders::None;
        }
        true
    }
}

impl Value for Holders {
    #[inline]
    fn is_empty(&self) -> bool {
        matches!(self, Holders::None)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::sys::faults::{self, Call};
    use slotmap::SlotMap;

    fn pipes<const N: usize>() -> [PipeId; N] {
        let mut ids = SlotMap::with_key();
        [(); N].map(|()| ids.insert(()))
    }

    fn matching(subscribers: &Subscribers, data: &[u8]) -> Vec<PipeId> {
        let mut found = Vec::new();
        subscribers.for_each_match(data, |pipe| found.push(pipe));
        found
    }

    #[test]
    fn topics_belong_to_pipes() {
        let [a, b, c] = pipes();
        let mut subscribers = Subscribers::default();
        assert!(subscribers.add(b"x", a).unwrap());
        assert!(!subscribers.add(b"x", a).unwrap());
        assert!(!subscribers.add(b"x", b).unwrap());
        assert!(!subscribers.add(b"x", c).unwrap());
        assert!(subscribers.add(b"xy", c).unwrap());
        assert_eq!(matching(&subscribers, b"xyz"), [a, b, c, c]);
        assert_eq!(matching(&subscribers, b"y"), []);
        assert_eq!(subscribers.remove(b"xy", a), Removed::Nothing);
        assert_eq!(subscribers.remove(b"x", b), Removed::OneOfMany);
        assert_eq!(subscribers.remove(b"x", b), Removed::Nothing);
        assert_eq!(subscribers.remove(b"x", a), Removed::OneOfMany);
        assert_eq!(subscribers.remove(b"x", c), Removed::Last);
        assert_eq!(subscribers.len(), 1);
    }

    #[test]
    fn a_pipe_that_goes_takes_its_topics_along() {
        let [a, b] = pipes();
        let mut subscribers = Subscribers::default();
        for topic in ["both", "", "mine"] {
            subscribers.add(topic.as_bytes(), a).unwrap();
        }
        subscribers.add(b"both", b).unwrap();
        let (mut gone, mut budget) = (Vec::new(), Budget::default());
        assert!(subscribers.leave(a) && subscribers.has_leaving_pipes());
        subscribers.forget_some(&mut budget, |topic, _, last| gone.push((topic.to_vec(), last)));
        assert_eq!(gone, [(b"".to_vec(), true), (b"both".to_vec(), false), (b"mine".to_vec(), true)]);
        assert!(!subscribers.leave(a) && !subscribers.has_leaving_pipes(), "forgotten already");
        assert_eq!(matching(&subscribers, b"both"), [b]);
        assert_eq!(subscribers.total(), 1);
    }

    #[test]
    fn long_topics_are_forgotten_a_few_at_a_time() {
        let (mut subscribers, pipes) = (Subscribers::default(), pipes::<3>());
        let topic = |number: u8| vec![number; PASS_TOPIC_BYTES / 2 + 1];
        for number in 0..5 {
            pipes.iter().for_each(|&pipe| assert!(subscribers.add(&topic(number), pipe).is_ok()));
        }
        pipes.iter().for_each(|&pipe| assert!(subscribers.leave(pipe)));
        let mut steps = 0;
        while subscribers.has_leaving_pipes() {
            let mut forgotten = 0;
            subscribers.forget_some(&mut Budget::default(), |_, _, _| forgotten += 1);
            assert!(forgotten <= 1, "{forgotten} copies at once");
            steps += 1;
            assert!(steps < 100, "no end");
        }
        assert_eq!((subscribers.len(), subscribers.total()), (0, 0));
    }

    #[test]
    fn topics_are_forgotten_where_no_memory_is_left() {
        let (mut subscribers, [a, b]) = (Subscribers::default(), pipes());
        let topics: Vec<_> = (0..20).map(|number: u8| vec![number; 1000 * usize::from(number)]).collect();
        for topic in &topics {
            subscribers.add(topic, a).unwrap();
            subscribers.add(topic, b).unwrap();
        }
        subscribers.leave(a);
        let _refused = faults::refuse(Call::Allocate, Errno::NOMEM, u32::MAX);
        let mut gone = Vec::new();
        for _ in 0..topics.len() {
            subscribers.forget_some(&mut Budget::default(), |topic, pipe, last| {
                gone.push(topic.to_vec());
                assert_eq!((pipe, last), (a, false));
            });
        }
        assert!(!subscribers.has_leaving_pipes());
        assert_eq!(gone, topics);
        assert_eq!(matching(&subscribers, b""), [b]);
    }

    #[test]
    fn many_topics_go_in_steps_with_others_coming_and_going_meanwhile() {
        const MANY: usize = 5000;
        let [a, b, c] = pipes();
        let mut subscribers = Subscribers::default();
        let topic = |i: usize| format!("{:05}", i * 7919 % 100_003).into_bytes();
        for i in 0..MANY {
            subscribers.add(&topic(i), a).unwrap();
            subscribers.add(&topic(i + MANY / 2), b).unwrap();
        }
        subscribers.leave(a);
        let (mut gone, mut steps, mut budget) = (Vec::new(), 0, Budget::default());
        while subscribers.has_leaving_pipes() {
            subscribers.forget_some(&mut budget, |topic, pipe, last| gone.push((topic.to_vec(), pipe, last)));
            subscribers.add(&topic(MANY * 2 + steps), c).unwrap();
            subscribers.remove(&topic(MANY / 2 + steps), b);
            if steps == 3 {
                assert!(subscribers.leave(b), "while another does");
            }
            steps += 1;
        }
        assert!(steps > 3 * MANY / 2 / PASS_TOPICS, "{steps}");
        let of = |pipe| gone.iter().filter(|(_, whose, _)| *whose == pipe).count();
        assert_eq!(of(a), MANY);
        assert!(of(b) + steps >= MANY && of(c) == 0);
        assert_eq!(subscribers.total(), steps);
    }
}
