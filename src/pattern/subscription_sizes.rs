//! How much each peer has subscribed to, and the most that one may (`ZMQ_FERRO_MAX_SUBSCRIPTIONS_SIZE`).

use crate::errno::{Errno, Result};
use crate::pipe::PipeId;
use crate::sys::memory;
use slotmap::SecondaryMap;

/// Weight of a topic beyond its own bytes.
const TOPIC_OVERHEAD_BYTES: usize = 64;

/// The topics or groups of each pipe, counted.
#[derive(Default)]
pub struct Holdings {
    pipes: SecondaryMap<PipeId, Held>,
    /// Topics of all pipes.
    total: usize,
    /// Most weight of one pipe's topics; 0: no limit.
    limit_bytes: usize,
}

#[derive(Clone, Copy, Default)]
struct Held {
    topics: usize,
    bytes: usize,
}

impl Holdings {
    /// A limit below 0 is none.
    pub fn set_limit(&mut self, limit_bytes: i32) {
        self.limit_bytes = usize::try_from(limit_bytes).unwrap_or(0);
    }

    /// Whether the pipe may have one more, of this length.
    ///
    /// Errors: `ENOBUFS`: all it has would weigh too much; `ENOMEM`: memory is short.
    pub fn allow(&self, pipe: PipeId, topic_len: usize) -> Result<()> {
        memory::check()?;
        let bytes = self.pipes.get(pipe).map_or(0, |held| held.bytes);
        let fits = bytes.saturating_add(weight(topic_len)) <= self.limit_bytes;
        if fits || self.limit_bytes == 0 { Ok(()) } else { Err(Errno::NOBUFS) }
    }

    pub fn add(&mut self, pipe: PipeId, topic_len: usize) {
        let mut held = self.pipes.get(pipe).copied().unwrap_or_default();
        held.topics += 1;
        held.bytes = held.bytes.saturating_add(weight(topic_len));
        self.pipes.insert(pipe, held);
        self.total += 1;
    }

    /// Takes one away that was added. Whether it was the pipe's last.
    pub fn remove(&mut self, pipe: PipeId, topic_len: usize) -> bool {
        let Some(held) = self.pipes.get_mut(pipe) else { return false };
        held.topics = held.topics.saturating_sub(1);
        held.bytes = held.bytes.saturating_sub(weight(topic_len));
        self.total = self.total.saturating_sub(1);
        // Memory is freed in bulk when a peer leaves.
        memory::add_freed(weight(topic_len));
        let last = held.topics == 0;
        if last {
            self.pipes.remove(pipe);
        }
        last
    }

    pub fn has_any(&self, pipe: PipeId) -> bool {
        self.pipes.contains_key(pipe)
    }

    /// Of all pipes.
    pub fn total(&self) -> usize {
        self.total
    }
}

fn weight(topic_len: usize) -> usize {
    topic_len.saturating_add(TOPIC_OVERHEAD_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use slotmap::SlotMap;

    #[test]
    fn each_pipe_has_a_limit_of_its_own() {
        let mut ids = SlotMap::with_key();
        let (a, b): (PipeId, PipeId) = (ids.insert(()), ids.insert(()));
        let mut holdings = Holdings::default();
        assert_eq!(holdings.allow(a, usize::MAX), Ok(()), "no limit");
        holdings.set_limit(2 * TOPIC_OVERHEAD_BYTES as i32 + 10);
        for (pipe, len, allowed) in
            [(a, 5, true), (a, 5, true), (a, 0, false), (b, 100, false), (b, 10, true)]
        {
            let outcome = holdings.allow(pipe, len);
            assert_eq!(outcome, if allowed { Ok(()) } else { Err(Errno::NOBUFS) }, "{len}");
            if allowed {
                holdings.add(pipe, len);
            }
        }
        assert_eq!(holdings.total(), 3);
        assert!(!holdings.remove(a, 5));
        assert_eq!(holdings.allow(a, 5), Ok(()));
        assert!(holdings.remove(a, 5) && !holdings.has_any(a) && holdings.has_any(b));
        assert!(!holdings.remove(a, 5), "it has none");
        assert_eq!(holdings.total(), 1);
    }
}
