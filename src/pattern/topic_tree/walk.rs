//! A walk through the topics of a tree, in ascending order and in as many steps as the caller likes.
//!
//! The walk needs memory for the longest topic, since nodes hold only parts of topics. A peer chooses that length, and the walk
//! may run to free memory during a shortage. So [`Cursor::reserve`] sets it aside when the topic comes.

use super::{Node, ROOT_NODE, TopicTree, Value};
use crate::errno::{Errno, Result};
use crate::sys::memory;

/// Where a walk stands. A topic that is added to the tree behind that is met by the walk, one that is added before is not.
#[derive(Debug, Default)]
pub struct Cursor {
    topic: Vec<u8>,
    place: Place,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Before all topics.
    #[default]
    Beginning,
    /// Before the cursor's topic.
    Before,
    /// Right behind it.
    Behind,
}

/// What a visitor has of the walk after a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    GoOn,
    /// The walk goes on with the next topic, another time.
    StopBehind,
    /// The walk goes on with this very topic, another time.
    StopBefore,
}

/// The outcome of a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walked {
    /// There are no more topics. The next walk begins with the first.
    Through,
    Stopped,
}

impl Cursor {
    /// Sets memory aside for topics of this length. Errors: `ENOMEM`.
    pub fn reserve(&mut self, topic_len: usize) -> Result<()> {
        let missing = topic_len.saturating_sub(self.topic.len());
        memory::try_reserve(&mut self.topic, missing)
    }

    /// The topic that the walk stopped at.
    pub fn topic(&self) -> &[u8] {
        &self.topic
    }

    /// Whether the walk has come past this topic.
    pub fn has_passed(&self, topic: &[u8]) -> bool {
        match self.place {
            Place::Beginning => false,
            Place::Before => topic < self.topic.as_slice(),
            Place::Behind => topic <= self.topic.as_slice(),
        }
    }

    /// The next walk begins with the first topic. The memory stays.
    pub fn restart(&mut self) {
        self.topic.clear();
        self.place = Place::Beginning;
    }

    /// Shows topics of a tree and their values from the cursor on, in ascending order, until `visit` stops. Errors: `ENOMEM`,
    /// with the cursor not behind any topic that was not shown.
    pub fn walk<V: Value>(
        &mut self,
        tree: &TopicTree<V>,
        mut visit: impl FnMut(&[u8], &V) -> Step,
    ) -> Result<Walked> {
        let mut ahead = self.ahead_in(tree)?;
        while let Some((at, parent_len)) = ahead.pop() {
            let Some(node) = tree.node(at) else { continue };
            let Cursor { topic, place } = &mut *self;
            topic.truncate(parent_len);
            *place = Place::Before;
            memory::try_reserve(topic, node.label.as_slice().len())?;
            topic.extend_from_slice(node.label.as_slice());
            if !node.value.is_empty() {
                match visit(topic, &node.value) {
                    Step::GoOn => {}
                    Step::StopBehind => {
                        *place = Place::Behind;
                        return Ok(Walked::Stopped);
                    }
                    Step::StopBefore => return Ok(Walked::Stopped),
                }
            }
            *place = Place::Behind;
            push_children(&mut ahead, node, topic.len(), |_| true)?;
        }
        self.restart();
        Ok(Walked::Through)
    }

    /// The nodes behind the cursor, or at it, with what is below each. The cursor's topic begins with what leads to their parents.
    fn ahead_in<V: Value>(&self, tree: &TopicTree<V>) -> Result<Ahead> {
        let (mut ahead, mut at, mut len) = (Ahead::new(), ROOT_NODE, 0);
        let topic = self.topic.as_slice();
        if self.place == Place::Beginning || self.place == Place::Before && topic.is_empty() {
            push(&mut ahead, (ROOT_NODE, 0))?;
            return Ok(ahead);
        }
        while let Some(node) = tree.node(at) {
            let rest = topic.get(len..).unwrap_or_default();
            let first = rest.first().copied();
            // All that begin with the topic are behind it.
            push_children(&mut ahead, node, len, |child| first.is_none_or(|first| child > first))?;
            let child =
                first.and_then(|first| node.slot(first).ok()).and_then(|slot| node.children.get(slot));
            let Some(child) = child else { break };
            let Some(below) = tree.node(child.node) else { break };
            let label = below.label.as_slice();
            match rest.strip_prefix(label) {
                Some([]) if self.place == Place::Before => {
                    push(&mut ahead, (child.node, len))?;
                    break;
                }
                Some(_) => (at, len) = (child.node, len + label.len()),
                None => {
                    if label > rest {
                        push(&mut ahead, (child.node, len))?;
                    }
                    break;
                }
            }
        }
        Ok(ahead)
    }
}

/// Nodes whose turn comes later, the next one last, with the length of the topic that leads to each one's parent.
type Ahead = Vec<(u32, usize)>;

/// The children whose first byte is `wanted`, the first of them last.
fn push_children<V>(
    ahead: &mut Ahead,
    node: &Node<V>,
    len: usize,
    wanted: impl Fn(u8) -> bool,
) -> Result<()> {
    ahead.try_reserve(node.children.len()).map_err(|_| Errno::NOMEM)?;
    let wanted = node.children.iter().rev().filter(|child| wanted(child.first));
    ahead.extend(wanted.map(|child| (child.node, len)));
    Ok(())
}

fn push(ahead: &mut Ahead, next: (u32, usize)) -> Result<()> {
    ahead.try_reserve(1).map_err(|_| Errno::NOMEM)?;
    ahead.push(next);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::tests::{Number, add, all};
    use super::*;
    use crate::random::Random;
    use crate::sys::faults::{self, Call};

    fn topic(random: &mut Random, most: usize) -> Vec<u8> {
        (0..random.below(most)).map(|_| b'a' + random.below(3) as u8).collect()
    }

    fn tree(random: &mut Random) -> TopicTree<Number> {
        let mut tree = TopicTree::default();
        for _ in 0..200 {
            add(&mut tree, &topic(random, 7));
        }
        tree
    }

    #[test]
    fn walk_goes_on_at_or_behind_any_topic_whether_it_is_there_or_not() {
        let mut random = Random::seeded(11);
        let tree = tree(&mut random);
        let all = all(&tree);
        for round in 0..1000 {
            let place = if round % 2 == 0 { Place::Before } else { Place::Behind };
            let mut cursor = Cursor { topic: topic(&mut random, 8), place };
            let passed: Vec<_> = all.iter().map(|(topic, _)| cursor.has_passed(topic)).collect();
            let mut seen = Vec::new();
            let walked = cursor.walk(&tree, |topic, _| {
                seen.push(topic.to_vec());
                Step::GoOn
            });
            assert_eq!(walked, Ok(Walked::Through));
            let ahead = all.iter().zip(passed).filter(|(_, passed)| !passed);
            let expected: Vec<_> = ahead.map(|((topic, _), _)| topic.clone()).collect();
            assert_eq!(seen, expected);
        }
    }

    #[test]
    fn walk_in_steps_shows_each_topic_once_and_those_it_stops_before_twice() {
        let mut random = Random::seeded(5);
        let tree = tree(&mut random);
        let (mut cursor, mut seen) = (Cursor::default(), Vec::new());
        loop {
            let walked = cursor.walk(&tree, |topic, _| match random.below(4) {
                0 => Step::StopBefore,
                way => {
                    seen.push(topic.to_vec());
                    if way == 1 { Step::StopBehind } else { Step::GoOn }
                }
            });
            if walked == Ok(Walked::Through) {
                break;
            }
        }
        assert_eq!(seen, all(&tree).into_iter().map(|(topic, _)| topic).collect::<Vec<_>>());
    }

    #[test]
    fn walk_needs_no_memory_for_topics_that_it_was_set_aside_for() {
        let mut tree = TopicTree::default();
        let long = vec![b'x'; 100_000];
        let mut cursor = Cursor::default();
        for topic in [&long[..], &long[..50_000], b"y"] {
            cursor.reserve(topic.len()).unwrap();
            add(&mut tree, topic);
        }
        let _refused = faults::refuse(Call::Allocate, Errno::NOMEM, u32::MAX);
        for _ in 0..2 {
            let mut seen = 0;
            let walked = cursor.walk(&tree, |_, _| {
                seen += 1;
                Step::GoOn
            });
            assert_eq!((walked, seen), (Ok(Walked::Through), 3));
        }
        assert_eq!(Cursor::default().walk(&tree, |_, _| Step::GoOn), Err(Errno::NOMEM));
    }
}
