//! The bound on the readers that one call on a socket has read on its own thread.

/// A reader writes at most a turn's bytes, one MiB, to its stream. So a call that is refused by all of a socket's peers is back within
/// a few milliseconds, however many there are.
const MAX_READER_TURNS: u32 = 8;

/// The turns that one call still gives to readers, which then [read](super::Notify::read_now) on the calling thread. A reader that does
/// nothing has had no turn.
#[derive(Debug)]
pub struct ReaderTurns {
    left: u32,
}

impl Default for ReaderTurns {
    fn default() -> ReaderTurns {
        ReaderTurns { left: MAX_READER_TURNS }
    }
}

impl ReaderTurns {
    /// Lets a reader read by `read`, which answers whether that has done something. Without turns left nothing is called.
    pub fn give(&mut self, read: impl FnOnce() -> bool) -> bool {
        let Some(left) = self.left.checked_sub(1) else { return false };
        let has_read = read();
        if has_read {
            self.left = left;
        }
        has_read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_that_read_use_up_turns_and_others_do_not() {
        let mut turns = ReaderTurns::default();
        assert!((0..1000).all(|_| !turns.give(|| false)));
        assert!((0..MAX_READER_TURNS).all(|_| turns.give(|| true)));
        assert!(!turns.give(|| unreachable!("no turns are left")));
    }
}
