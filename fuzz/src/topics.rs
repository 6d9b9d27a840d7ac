//! Subscriptions of peers, against a map that does the same slowly.

use super::input::Input;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use zmq::pattern::topic_tree::{Cursor, Step, TopicTree, Value, Walked};

/// How often a topic is subscribed to.
#[derive(Default)]
struct Count(u32);

impl Value for Count {
    fn is_empty(&self) -> bool {
        self.0 == 0
    }
}

/// More of them cover nothing new.
const MOST_STEPS: usize = 400;

pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let mut tree = TopicTree::<Count>::default();
    let mut map = BTreeMap::<Vec<u8>, u32>::new();
    let mut topic = Vec::new();
    for _ in 0..MOST_STEPS {
        if input.is_empty() {
            break;
        }
        let choices = input.byte();
        // Topics grow out of each other, or none would share a beginning.
        topic.truncate(if choices & 8 == 8 { usize::from(input.byte()) } else { 0 });
        topic.extend_from_slice(&input.bytes(usize::from(choices >> 4)).repeat(1 << (choices & 4)));
        match choices & 3 {
            0 | 1 => {
                let added = tree.insert(&topic, |count| {
                    count.0 += 1;
                    Ok(())
                });
                added.unwrap();
                *map.entry(topic.clone()).or_default() += 1;
            }
            2 => {
                let there = tree.update(&topic, |count| count.0 -= 1).is_some();
                assert_eq!(there, map.contains_key(&topic));
                if let Some(count) = map.get_mut(&topic) {
                    *count -= 1;
                    if *count == 0 {
                        map.remove(&topic);
                    }
                }
            }
            _ => {
                let mut found = 0;
                tree.for_each_prefix(&topic, |count| {
                    found += count.0;
                    ControlFlow::Continue(())
                });
                let wanted: u32 = (0..=topic.len()).filter_map(|len| map.get(&topic[..len])).sum();
                assert_eq!(found, wanted);
            }
        }
        assert_eq!(tree.len(), map.len());
    }
    let mut all = Vec::new();
    // In steps that the topics themselves decide on.
    let mut cursor = Cursor::default();
    while cursor.walk(&tree, |topic, count| {
        all.push((topic.to_vec(), count.0));
        if topic.len() % 2 == 0 { Step::GoOn } else { Step::StopBehind }
    }) == Ok(Walked::Stopped)
    {}
    assert!(all.into_iter().eq(map), "every topic, in order");
}
