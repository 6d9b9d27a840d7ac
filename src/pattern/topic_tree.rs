//! A compact radix tree from topics to values.
//!
//! Every node holds the bytes that lead to it from its parent. So a topic costs one node and at most one more where it parts from
//! others. Nodes lie in one arena and refer to each other by number: nothing here recurses, so no topic of a peer's can exhaust
//! the stack.

mod walk;

pub use walk::{Cursor, Step, Walked};

use crate::errno::{Errno, Result};
use std::ops::ControlFlow;

/// A value of the tree; empty ones are not kept.
pub trait Value: Default {
    fn is_empty(&self) -> bool;
}

/// Topics with a value each.
pub struct TopicTree<V> {
    /// The first is the root, once there is any.
    nodes: Vec<Node<V>>,
    /// Places in `nodes` to be used again.
    free: Vec<u32>,
    /// Topics whose value is not empty.
    len: usize,
}

struct Node<V> {
    label: Label,
    /// By their first byte, in ascending order.
    children: Box<[Child]>,
    value: V,
}

#[derive(Clone, Copy)]
struct Child {
    /// First byte of the child's label.
    first: u8,
    node: u32,
}

/// The bytes between a node and its parent. Only the root's are none.
enum Label {
    Short { len: u8, bytes: [u8; MAX_INLINE_LABEL_BYTES] },
    Long(Box<[u8]>),
}

/// Bytes that make a label no larger than it has to be for a boxed slice.
const MAX_INLINE_LABEL_BYTES: usize = 22;

const ROOT_NODE: u32 = 0;

impl<V: Value> TopicTree<V> {
    /// Topics with a value.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no topic has a value.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Lets `change` make or change the value of a topic. Errors: `ENOMEM`, and what `change` answers; a value that
    /// is empty afterwards is not kept.
    pub fn insert<R>(&mut self, topic: &[u8], change: impl FnOnce(&mut V) -> Result<R>) -> Result<R> {
        let at = self.make_path(topic)?;
        let Some(node) = self.node_mut(at) else { return Err(Errno::NOMEM) };
        let was_empty = node.value.is_empty();
        let result = change(&mut node.value);
        match (was_empty, node.value.is_empty()) {
            (true, false) => self.len += 1,
            (false, true) => self.len -= 1,
            _ => {}
        }
        if result.is_err() {
            self.prune(topic);
        }
        result
    }

    /// Lets `change` change the value of a topic that has one; forgets the topic if the value is empty afterwards.
    pub fn update<R>(&mut self, topic: &[u8], change: impl FnOnce(&mut V) -> R) -> Option<R> {
        let (at, _) = self.find(topic)?;
        let node = self.node_mut(at)?;
        if node.value.is_empty() {
            return None;
        }
        let result = change(&mut node.value);
        if node.value.is_empty() {
            self.len -= 1;
            self.prune(topic);
        }
        Some(result)
    }

    /// Shows the values of all topics that `data` begins with, the shortest first, until `visit` breaks.
    #[inline]
    pub fn for_each_prefix(&self, data: &[u8], mut visit: impl FnMut(&V) -> ControlFlow<()>) {
        let mut rest = data;
        let mut next = self.nodes.first();
        while let Some(node) = next {
            if !node.value.is_empty() && visit(&node.value).is_break() {
                return;
            }
            let Some(&first) = rest.first() else { return };
            let Ok(slot) = node.slot(first) else { return };
            next = node.children.get(slot).and_then(|child| self.node(child.node));
            let Some(below) = next.and_then(|node| rest.strip_prefix(node.label.as_slice())) else { return };
            rest = below;
        }
    }

    /// Whether there is a value for the empty topic, which all data begin with.
    #[inline]
    pub fn has_empty_topic(&self) -> bool {
        self.nodes.first().is_some_and(|root| !root.value.is_empty())
    }

    fn node(&self, at: u32) -> Option<&Node<V>> {
        self.nodes.get(at as usize)
    }

    fn node_mut(&mut self, at: u32) -> Option<&mut Node<V>> {
        self.nodes.get_mut(at as usize)
    }

    /// The node of a topic, and its parent (the root is its own).
    fn find(&self, topic: &[u8]) -> Option<(u32, u32)> {
        let (mut at, mut parent, mut rest) = (ROOT_NODE, ROOT_NODE, topic);
        while let Some(&first) = rest.first() {
            let node = self.node(at)?;
            let child = node.children.get(node.slot(first).ok()?)?.node;
            rest = rest.strip_prefix(self.node(child)?.label.as_slice())?;
            (parent, at) = (at, child);
        }
        self.node(at).map(|_| (at, parent))
    }

    /// The node of a topic, made if there is none. Errors: `ENOMEM`.
    fn make_path(&mut self, topic: &[u8]) -> Result<u32> {
        if self.nodes.is_empty() {
            self.add_node(&[])?;
        }
        let (mut at, mut rest) = (ROOT_NODE, topic);
        while let Some(&first) = rest.first() {
            let node = self.node(at).ok_or(Errno::NOMEM)?;
            let slot = match node.slot(first) {
                Ok(slot) => slot,
                Err(slot) => return self.add_leaf(at, slot, rest),
            };
            let child = node.children.get(slot).ok_or(Errno::NOMEM)?.node;
            let label = self.node(child).map_or(&[][..], |node| node.label.as_slice());
            let common = label.iter().zip(rest).take_while(|(a, b)| a == b).count();
            at = if common < label.len() { self.split(at, slot, child, common)? } else { child };
            rest = rest.get(common..).unwrap_or_default();
        }
        Ok(at)
    }

    fn add_leaf(&mut self, parent: u32, slot: usize, label: &[u8]) -> Result<u32> {
        let first = label.first().copied().unwrap_or_default();
        let leaf = self.add_node(label)?;
        let added = match self.node_mut(parent) {
            Some(parent) => parent.add_child(slot, Child { first, node: leaf }),
            None => Err(Errno::NOMEM),
        };
        if added.is_err() {
            self.drop_node(leaf);
        }
        added.map(|()| leaf)
    }

    /// Puts a node between `parent` and its child in `slot`, where the child's label is cut. Errors: `ENOMEM`, with
    /// nothing changed.
    fn split(&mut self, parent: u32, slot: usize, child: u32, common: usize) -> Result<u32> {
        let label = self.node(child).map_or(&[][..], |node| node.label.as_slice());
        let (Some(upper), Some(lower)) = (label.get(..common), label.get(common..)) else {
            return Err(Errno::NOMEM);
        };
        let (upper, lower) = (Label::new(&[upper])?, Label::new(&[lower])?);
        let first = lower.as_slice().first().copied().unwrap_or_default();
        let middle = self.add_node(upper.as_slice())?;
        let added = match self.node_mut(middle) {
            Some(node) => node.add_child(0, Child { first, node: child }),
            None => Err(Errno::NOMEM),
        };
        if added.is_err() {
            self.drop_node(middle);
            return Err(Errno::NOMEM);
        }
        if let Some(node) = self.node_mut(child) {
            node.label = lower;
        }
        if let Some(entry) = self.node_mut(parent).and_then(|node| node.children.get_mut(slot)) {
            entry.node = middle;
        }
        Ok(middle)
    }

    /// Takes the nodes out that a topic without a value leaves behind.
    fn prune(&mut self, topic: &[u8]) {
        if self.len == 0 {
            // Gives the memory back.
            *self = TopicTree::default();
            return;
        }
        let Some((at, parent)) = self.find(topic) else { return };
        let Some(node) = self.node(at) else { return };
        if at == ROOT_NODE || !node.value.is_empty() || node.children.len() > 1 {
            return;
        }
        if node.children.len() == 1 {
            return self.merge(at);
        }
        let Some(first) = node.label.as_slice().first().copied() else { return };
        self.drop_node(at);
        let Some(parent_node) = self.node_mut(parent) else { return };
        parent_node.remove_child(first);
        if parent != ROOT_NODE && parent_node.value.is_empty() && parent_node.children.len() == 1 {
            self.merge(parent);
        }
    }

    /// Makes a node without a value and its only child one. Stays as it is where memory is lacking for that.
    fn merge(&mut self, at: u32) {
        let Some(node) = self.node(at) else { return };
        let [Child { node: child, .. }] = *node.children else { return };
        let Some(below) = self.node(child) else { return };
        let Ok(label) = Label::new(&[node.label.as_slice(), below.label.as_slice()]) else { return };
        let Some(below) = self.node_mut(child) else { return };
        let (value, children) = (std::mem::take(&mut below.value), std::mem::take(&mut below.children));
        if let Some(node) = self.node_mut(at) {
            *node = Node { label, children, value };
        }
        self.drop_node(child);
    }

    fn add_node(&mut self, label: &[u8]) -> Result<u32> {
        let node = Node { label: Label::new(&[label])?, children: Box::default(), value: V::default() };
        if let Some(at) = self.free.pop()
            && let Some(place) = self.node_mut(at)
        {
            *place = node;
            return Ok(at);
        }
        let at = u32::try_from(self.nodes.len()).map_err(|_| Errno::NOMEM)?;
        if self.nodes.len() == self.nodes.capacity() {
            // By an eighth: doubling would leave half of a large tree's memory unused.
            let extra = (self.nodes.len() / 8).max(4);
            self.nodes.try_reserve_exact(extra).map_err(|_| Errno::NOMEM)?;
        }
        self.nodes.push(node);
        Ok(at)
    }

    fn drop_node(&mut self, at: u32) {
        if let Some(node) = self.node_mut(at) {
            *node = Node { label: Label::empty(), children: Box::default(), value: V::default() };
            // Without memory for its number the place is not used again.
            if self.free.try_reserve(1).is_ok() {
                self.free.push(at);
            }
        }
    }
}

impl<V> Default for TopicTree<V> {
    fn default() -> TopicTree<V> {
        TopicTree { nodes: Vec::new(), free: Vec::new(), len: 0 }
    }
}

impl<V> Node<V> {
    /// Where the child with this first byte is, or would have to be.
    #[inline]
    fn slot(&self, first: u8) -> std::result::Result<usize, usize> {
        self.children.binary_search_by_key(&first, |child| child.first)
    }

    fn add_child(&mut self, slot: usize, child: Child) -> Result<()> {
        let mut children = Vec::new();
        children.try_reserve_exact(self.children.len() + 1).map_err(|_| Errno::NOMEM)?;
        let (before, behind) = self.children.split_at_checked(slot).unwrap_or((&self.children, &[]));
        children.extend_from_slice(before);
        children.push(child);
        children.extend_from_slice(behind);
        self.children = children.into_boxed_slice();
        Ok(())
    }

    fn remove_child(&mut self, first: u8) {
        if let Ok(slot) = self.slot(first) {
            let mut children = std::mem::take(&mut self.children).into_vec();
            children.remove(slot);
            self.children = children.into_boxed_slice();
        }
    }
}

impl Label {
    fn empty() -> Label {
        Label::Short { len: 0, bytes: [0; MAX_INLINE_LABEL_BYTES] }
    }

    /// Of these parts, one after the other. Errors: `ENOMEM`.
    fn new(parts: &[&[u8]]) -> Result<Label> {
        let len = parts.iter().map(|part| part.len()).sum();
        if len <= MAX_INLINE_LABEL_BYTES {
            let mut bytes = [0; MAX_INLINE_LABEL_BYTES];
            let all = parts.iter().copied().flatten();
            bytes.iter_mut().zip(all).for_each(|(to, from)| *to = *from);
            return Ok(Label::Short { len: len as u8, bytes });
        }
        let mut long = Vec::new();
        long.try_reserve_exact(len).map_err(|_| Errno::NOMEM)?;
        parts.iter().for_each(|part| long.extend_from_slice(part));
        Ok(Label::Long(long.into_boxed_slice()))
    }

    #[inline]
    fn as_slice(&self) -> &[u8] {
        match self {
            Label::Short { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Label::Long(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::random::Random;
    use std::collections::BTreeMap;

    #[derive(Default)]
    pub struct Number(u32);

    impl Value for Number {
        fn is_empty(&self) -> bool {
            self.0 == 0
        }
    }

    pub fn add(tree: &mut TopicTree<Number>, topic: &[u8]) {
        tree.insert(topic, |number| {
            number.0 += 1;
            Ok(())
        })
        .unwrap();
    }

    fn remove(tree: &mut TopicTree<Number>, topic: &[u8]) -> Option<u32> {
        tree.update(topic, |number| {
            number.0 -= 1;
            number.0
        })
    }

    fn prefixes(tree: &TopicTree<Number>, data: &[u8]) -> u32 {
        let mut sum = 0;
        tree.for_each_prefix(data, |number| {
            sum += number.0;
            ControlFlow::Continue(())
        });
        sum
    }

    pub fn all(tree: &TopicTree<Number>) -> Vec<(Vec<u8>, u32)> {
        let mut all = Vec::new();
        let walked = Cursor::default().walk(tree, |topic, number| {
            all.push((topic.to_vec(), number.0));
            Step::GoOn
        });
        assert_eq!(walked, Ok(Walked::Through));
        all
    }

    /// Bytes of memory, as an allocator with steps of 16 bytes and 8 of its own counts them.
    fn memory(tree: &TopicTree<Number>) -> usize {
        let allocation = |bytes: usize| if bytes == 0 { 0 } else { (bytes + 8).next_multiple_of(16).max(32) };
        let own = tree.nodes.iter().map(|node| {
            let label = if let Label::Long(bytes) = &node.label { allocation(bytes.len()) } else { 0 };
            label + allocation(size_of_val(&*node.children))
        });
        own.sum::<usize>() + size_of::<Node<Number>>() * tree.nodes.capacity() + 4 * tree.free.capacity()
    }

    #[test]
    fn tree_agrees_with_a_map() {
        let (mut tree, mut map, mut random) = (TopicTree::default(), BTreeMap::new(), Random::seeded(7));
        for step in 0..20_000 {
            let len = random.below(if step % 50 == 0 { 60 } else { 5 });
            let topic: Vec<u8> = (0..len).map(|_| b'a' + random.below(3) as u8).collect();
            if random.below(5) < if step < 10_000 { 3 } else { 2 } {
                add(&mut tree, &topic);
                *map.entry(topic.clone()).or_insert(0) += 1;
            } else {
                let expected = map.get_mut(&topic).map(|count| {
                    *count -= 1;
                    *count
                });
                map.retain(|_, count| *count > 0);
                assert_eq!(remove(&mut tree, &topic), expected);
            }
            let sum: u32 =
                map.iter().filter(|(key, _)| topic.starts_with(key)).map(|(_, count)| *count).sum();
            assert_eq!(prefixes(&tree, &topic), sum);
            assert_eq!(tree.len(), map.len());
            if step % 500 == 0 {
                assert_eq!(all(&tree), map.clone().into_iter().collect::<Vec<_>>());
            }
        }
        for (topic, count) in map {
            for _ in 0..count {
                remove(&mut tree, &topic).unwrap();
            }
        }
        assert!(tree.nodes.is_empty());
    }

    #[test]
    fn nodes_that_nothing_needs_are_gone() {
        let mut tree = TopicTree::default();
        for topic in ["a", "abcdef", "abcxyz", "abc"] {
            add(&mut tree, topic.as_bytes());
        }
        let nodes = |tree: &TopicTree<Number>| tree.nodes.len() - tree.free.len();
        assert_eq!(nodes(&tree), 5);
        remove(&mut tree, b"abc");
        assert_eq!(nodes(&tree), 5, "two topics still part there");
        remove(&mut tree, b"abcdef");
        assert_eq!(nodes(&tree), 3);
        assert_eq!(prefixes(&tree, b"abcxyz!"), 2);
    }

    #[test]
    fn a_value_that_could_not_be_made_leaves_nothing() {
        let mut tree: TopicTree<Number> = TopicTree::default();
        add(&mut tree, b"kept");
        assert_eq!(tree.insert(b"kex", |_| Err::<(), _>(Errno::NOMEM)), Err(Errno::NOMEM));
        assert_eq!((tree.len(), tree.nodes.len() - tree.free.len()), (1, 2));
        assert_eq!(prefixes(&tree, b"kept"), 1);
    }

    #[test]
    fn a_very_long_chain_is_only_walked() {
        let mut tree = TopicTree::default();
        let longest = vec![b'x'; 2_000];
        for len in 0..longest.len() {
            add(&mut tree, &longest[..len]);
        }
        assert_eq!(prefixes(&tree, &longest), 2_000);
        assert!(all(&tree).iter().map(|(topic, _)| topic.len()).eq(0..longest.len()));
        drop(tree);
    }

    #[test]
    fn a_topic_of_thirty_bytes_takes_at_most_200() {
        let topics: [fn(u64, &mut Random) -> String; 3] = [
            |i, _| format!("sensor/{i:08}/temperature/in"),
            |_, random| (0..30).map(|_| char::from(b'a' + random.below(26) as u8)).collect(),
            |i, _| format!("{:030b}", i.reverse_bits() >> 34),
        ];
        for topic in topics {
            let (mut tree, mut random) = (TopicTree::default(), Random::seeded(3));
            for i in 0..20_000 {
                add(&mut tree, topic(i, &mut random).as_bytes());
            }
            let each = memory(&tree) / tree.len();
            assert!(each <= 200, "{each} bytes, as for {}", topic(1, &mut random));
        }
    }
}
