//! Subscriptions of peers, against a map that does the same.

use super::input::Input;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};
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

/// What is subscribed to, by the digest of the topic. Comparing topics would cost more than all else: libFuzzer watches each comparison.
/// The keys of its hashes are always the same, so that an input takes the same ways through it each time.
type Map = HashMap<u64, (Vec<u8>, u32), BuildHasherDefault<DefaultHasher>>;

/// The digests of all beginnings of a topic, of the empty one first (FNV-1a).
fn digests(topic: &[u8]) -> impl Iterator<Item = u64> {
    let empty = 0xcbf2_9ce4_8422_2325_u64;
    let longer = topic.iter().scan(empty, |digest, byte| {
        *digest = (*digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        Some(*digest)
    });
    std::iter::once(empty).chain(longer)
}

/// More of them cover nothing new.
const MOST_STEPS: usize = 150;

pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let mut tree = TopicTree::<Count>::default();
    let mut map = Map::default();
    let mut topic = Vec::new();
    for _ in 0..MOST_STEPS {
        if input.is_empty() {
            break;
        }
        let choices = input.byte();
        // Topics grow out of each other, or none would share a beginning.
        topic.truncate(if choices & 8 == 8 { usize::from(input.byte()) } else { 0 });
        topic.extend_from_slice(&input.bytes(usize::from(choices >> 4)).repeat(1 << (choices & 4)));
        let digest = digests(&topic).last().unwrap();
        match choices & 3 {
            0 | 1 => {
                let added = tree.insert(&topic, |count| {
                    count.0 += 1;
                    Ok(())
                });
                added.unwrap();
                map.entry(digest).or_insert_with(|| (topic.clone(), 0)).1 += 1;
            }
            2 => {
                let there = tree.update(&topic, |count| count.0 -= 1).is_some();
                assert_eq!(there, map.contains_key(&digest));
                if let Some((_, count)) = map.get_mut(&digest) {
                    *count -= 1;
                    if *count == 0 {
                        map.remove(&digest);
                    }
                }
            }
            _ => {
                let mut found = 0;
                tree.for_each_prefix(&topic, |count| {
                    found += count.0;
                    ControlFlow::Continue(())
                });
                let wanted: u32 =
                    digests(&topic).filter_map(|digest| map.get(&digest)).map(|(_, count)| count).sum();
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
    let mut wanted: Vec<_> = map.into_values().collect();
    wanted.sort_unstable();
    assert!(all == wanted, "every topic, in order");
}
