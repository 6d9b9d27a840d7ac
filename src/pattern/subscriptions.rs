//! The topics of a subscriber, each with a count, as `ZMQ_UNSUBSCRIBE` takes back one subscription only.

use super::topic_tree::{Cursor, Step, TopicTree, Value, Walked};
use crate::errno::Result;
use crate::sys::memory;
use std::ops::ControlFlow;

/// The topics of a SUB or XSUB socket.
#[derive(Default)]
pub struct Subscriptions {
    topics: TopicTree<Count>,
}

#[derive(Default)]
struct Count(u32);

impl Value for Count {
    #[inline]
    fn is_empty(&self) -> bool {
        self.0 == 0
    }
}

impl Subscriptions {
    /// Whether the topic is new. Errors: `ENOMEM`.
    pub fn add(&mut self, topic: &[u8]) -> Result<bool> {
        memory::check()?;
        self.topics.insert(topic, |count| {
            count.0 = count.0.saturating_add(1);
            Ok(count.0 == 1)
        })
    }

    /// Whether that was the topic's last subscription.
    pub fn remove(&mut self, topic: &[u8]) -> bool {
        let last = self.topics.update(topic, |count| {
            count.0 -= 1;
            count.0 == 0
        });
        last == Some(true)
    }

    /// Whether `data` begins with a subscribed topic.
    #[inline]
    pub fn matches(&self, data: &[u8]) -> bool {
        let mut found = false;
        self.topics.for_each_prefix(data, |_| {
            found = true;
            ControlFlow::Break(())
        });
        found
    }

    /// Whether every topic matches.
    #[inline]
    pub fn match_all(&self) -> bool {
        self.topics.has_empty_topic()
    }

    /// Shows topics from the cursor on, in ascending order, until `visit` stops. Errors: `ENOMEM`, with the cursor not behind any
    /// topic that was not shown.
    pub fn walk(&self, cursor: &mut Cursor, mut visit: impl FnMut(&[u8]) -> Step) -> Result<Walked> {
        cursor.walk(&self.topics, |topic, _| visit(topic))
    }

    pub fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    /// Different topics.
    pub fn len(&self) -> usize {
        self.topics.len()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn subscriptions_are_counted() {
        let mut subscriptions = Subscriptions::default();
        assert!(subscriptions.add(b"a").unwrap());
        assert!(!subscriptions.add(b"a").unwrap());
        assert!(!subscriptions.remove(b"a"));
        assert!(subscriptions.matches(b"abc"));
        assert!(!subscriptions.remove(b"ab"));
        assert!(subscriptions.remove(b"a"));
        assert!(!subscriptions.matches(b"abc"));
        assert!(!subscriptions.remove(b"a"));
    }

    #[test]
    fn the_empty_topic_takes_all() {
        let mut subscriptions = Subscriptions::default();
        assert!(!subscriptions.matches(b"") && !subscriptions.match_all());
        subscriptions.add(b"").unwrap();
        assert!(subscriptions.matches(b"") && subscriptions.matches(b"x") && subscriptions.match_all());
        assert_eq!(subscriptions.len(), 1);
    }
}
