//! How far behind its writer a reader of small messages stays.
//!
//! A reader as fast as its writer comes right behind it, and takes the line with the published length away from it for each
//! message; to write it, the writer has to take it back. Each then waits for the other's cache all the time, or the reader sleeps and
//! is woken for a few messages. A reader that leaves the line alone for a moment finds many messages there, and is far enough
//! behind after a few such moments.

use crate::sys::pause::pause;

/// Of messages that are this long on average there is no need: the bytes themselves, which go from cache to cache, take longer than
/// the line does, and least where the reader is right behind.
const SMALL: usize = 1024;
/// Bytes that a look finds where the reader is right behind.
const FEW: usize = 2 * 1024;
/// After so many looks in turn that each found something, messages come in a stream: whoever waits for single ones, such as an
/// answer, sleeps before that.
const STREAM: u32 = 8;
/// As many at most, after pauses that brought nothing.
const LONGEST: u32 = 1 << 16;

/// A reader's distance from its writer.
pub(super) struct Distance {
    /// Looks that found small messages since the reader last slept, or last found others.
    looks: u32,
    /// How many it takes until it pauses: twice as many after each pause that brought nothing, for then nobody writes meanwhile. It
    /// may be this very thread that does.
    until_pause: u32,
    /// The last look found few.
    near: bool,
    /// A pause came before the look.
    paused: bool,
    /// Messages that the last look without a pause found.
    usual: u32,
}

impl Default for Distance {
    fn default() -> Distance {
        Distance { looks: 0, until_pause: STREAM, near: false, paused: false, usual: 0 }
    }
}

impl Distance {
    /// Before a look.
    #[inline]
    pub(super) fn keep(&mut self) {
        self.paused = self.near && self.pause_in_stream();
    }

    /// A look found nothing. Whether to look again.
    #[inline]
    pub(super) fn fell_short(&mut self) -> bool {
        if self.paused || !self.pause_in_stream() {
            return false;
        }
        (self.paused, self.usual) = (true, 0);
        true
    }

    /// What the look found: so many bytes, in which so many messages end.
    #[inline]
    pub(super) fn found(&mut self, bytes: usize, messages: u32) {
        if !std::mem::take(&mut self.paused) {
            self.usual = messages;
        } else if messages > self.usual {
            self.until_pause = STREAM;
        } else {
            self.until_pause = (self.until_pause * 2).min(LONGEST);
            self.looks = 0;
        }
        if bytes > SMALL.saturating_mul(messages as usize) {
            self.slept();
        } else if bytes > 0 {
            self.looks = self.looks.saturating_add(1);
            self.near = bytes <= FEW;
        }
    }

    /// The reader is about to sleep.
    #[inline]
    pub(super) fn slept(&mut self) {
        self.looks = 0;
    }

    fn pause_in_stream(&self) -> bool {
        let stream = self.looks >= self.until_pause;
        if stream {
            pause();
        }
        stream
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Distance {
        /// A look of somebody who reads one small message at a time; whether it came after a pause.
        fn look(&mut self, messages: u32) -> bool {
            self.keep();
            let paused = self.paused;
            self.found(10 * messages as usize, messages);
            paused
        }
    }

    #[test]
    fn only_a_stream_is_waited_for() {
        let mut distance = Distance::default();
        for _ in 0..3 {
            for _ in 0..STREAM {
                assert!(!distance.look(1));
            }
            distance.slept();
        }
        (0..STREAM).for_each(|_| assert!(!distance.look(1)));
        assert!(distance.look(2));
        assert!(distance.look(2), "while it brings something");
    }

    #[test]
    fn who_finds_much_is_far_enough_behind() {
        let mut distance = Distance::default();
        (0..STREAM).for_each(|_| distance.found(FEW, 20));
        distance.keep();
        assert!(distance.paused);
        distance.found(FEW + 1, 21);
        distance.keep();
        assert!(!distance.paused);
        assert!(distance.fell_short(), "before it sleeps it waits once");
        distance.found(0, 0);
        assert!(!distance.fell_short());
    }

    #[test]
    fn large_messages_are_not_waited_for() {
        let mut distance = Distance::default();
        (0..STREAM).for_each(|_| distance.found(SMALL, 1));
        distance.found(SMALL + 1, 1);
        assert!(!distance.fell_short());
    }

    #[test]
    fn who_writes_and_reads_in_turn_on_one_thread_is_soon_left_alone() {
        let mut distance = Distance::default();
        let pauses = (0..100_000).filter(|_| distance.look(3)).count();
        assert!((5..20).contains(&pauses), "{pauses}");
    }
}
