//! Who has subscribed to what, on a publisher's side.

use super::topic_tree::{TopicTree, Value};
use crate::errno::{Errno, Result};
use crate::pipe::PipeId;
use slotmap::SecondaryMap;
use std::ops::ControlFlow;

/// The topics of a PUB or XPUB socket's peers, and the pipes that each belongs to.
#[derive(Default)]
pub struct Subscribers {
    topics: TopicTree<Holders>,
    /// How many topics each pipe has: most pipes can be forgotten without looking at every topic.
    counts: SecondaryMap<PipeId, usize>,
}

/// What [`Subscribers::remove`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// The pipe was not subscribed to the topic.
    Nothing,
    /// Others are still subscribed to the topic.
    OneOfMany,
    /// Nobody is any more.
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
    /// Whether the topic had no subscriber before. Errors: `ENOMEM`.
    pub fn add(&mut self, topic: &[u8], pipe: PipeId) -> Result<bool> {
        let (first, new) = self.topics.insert(topic, |holders| {
            let first = holders.is_empty();
            Ok((first, holders.add(pipe)?))
        })?;
        if new {
            let count = self.counts.get(pipe).copied().unwrap_or(0);
            self.counts.insert(pipe, count + 1);
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
        if removed != Removed::Nothing
            && let Some(count) = self.counts.get_mut(pipe)
        {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(pipe);
            }
        }
        removed
    }

    /// Forgets a pipe. `each` hears of its topics in ascending order, and of which nobody is subscribed to any more.
    pub fn remove_pipe(&mut self, pipe: PipeId, mut each: impl FnMut(&[u8], bool)) {
        let Some(count) = self.counts.get(pipe).copied() else { return };
        let mut topics = Vec::with_capacity(count);
        self.topics.for_each(|topic, holders| {
            if holders.as_slice().binary_search(&pipe).is_ok() {
                topics.push(topic.to_vec());
            }
        });
        for topic in topics {
            let removed = self.remove(&topic, pipe);
            each(&topic, removed == Removed::Last);
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

    /// Different topics.
    pub fn len(&self) -> usize {
        self.topics.len()
    }
}

impl Holders {
    fn as_slice(&self) -> &[PipeId] {
        match self {
            Holders::None => &[],
            Holders::One(pipe) => std::slice::from_ref(pipe),
            Holders::Many(pipes) => pipes,
        }
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
        let mut gone = Vec::new();
        subscribers.remove_pipe(a, |topic, last| gone.push((topic.to_vec(), last)));
        assert_eq!(gone, [(b"".to_vec(), true), (b"both".to_vec(), false), (b"mine".to_vec(), true)]);
        subscribers.remove_pipe(a, |_, _| panic!("forgotten already"));
        assert_eq!(matching(&subscribers, b"both"), [b]);
    }
}
