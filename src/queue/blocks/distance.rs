//! How far a reader of small messages stays behind its writer, against false sharing.
//!
//! A reader as fast as its writer reads the published length after each message, and so takes that cache line
//! from the writer. The writer has to fetch the line back to publish the next length. The two then wait for
//! each other's cache, or the reader sleeps and is woken for a few messages. A reader that pauses for a
//! moment finds many messages, and after a few pauses is far enough behind.

use crate::sys::pause::pause;

/// Mean length from which messages are too large for a pause to pay. Their own cache lines take longer to
/// transfer than that of the length, and least where the reader is right behind.
const SMALL_MESSAGE_BYTES: usize = 1024;
/// A look that finds at most this many bytes shows that the reader is right behind the writer.
const NEAR_BYTES: usize = 2 * 1024;
/// After this many consecutive looks that each found something, messages count as a stream. A reader that
/// waits for single messages, such as replies, sleeps before that.
const STREAM_LOOKS: u32 = 8;
/// Largest number of looks before a pause, after pauses that gained nothing.
const MAX_STREAM_LOOKS: u32 = 1 << 16;

/// A reader's distance from its writer.
pub(super) struct Distance {
    /// Looks that found small messages since the reader last slept, or last found large ones.
    looks: u32,
    /// Looks before the reader pauses. Doubled after each pause that gained nothing: no thread writes during
    /// it then, perhaps because reader and writer are the same thread.
    until_pause: u32,
    /// The last look found at most [`NEAR_BYTES`].
    near: bool,
    /// A pause came before the look.
    paused: bool,
    /// Messages found by the last look without a pause before it.
    usual: u32,
}

impl Default for Distance {
    fn default() -> Distance {
        Distance { looks: 0, until_pause: STREAM_LOOKS, near: false, paused: false, usual: 0 }
    }
}

impl Distance {
    /// Called before a look. Pauses where the reader is right behind in a stream.
    #[inline]
    pub(super) fn before_look(&mut self) {
        self.paused = self.near && self.pause_in_stream();
    }

    /// Called after a look that found nothing. `true` after a pause: the caller looks again.
    #[inline]
    pub(super) fn found_nothing(&mut self) -> bool {
        if self.paused || !self.pause_in_stream() {
            return false;
        }
        (self.paused, self.usual) = (true, 0);
        true
    }

    /// Reports the result of a look: `bytes`, in which `messages` end.
    #[inline]
    pub(super) fn found(&mut self, bytes: usize, messages: u32) {
        if !std::mem::take(&mut self.paused) {
            self.usual = messages;
        } else if messages > self.usual {
            self.until_pause = STREAM_LOOKS;
        } else {
            self.until_pause = (self.until_pause * 2).min(MAX_STREAM_LOOKS);
            self.looks = 0;
        }
        if bytes > SMALL_MESSAGE_BYTES.saturating_mul(messages as usize) {
            self.slept();
        } else if bytes > 0 {
            self.looks = self.looks.saturating_add(1);
            self.near = bytes <= NEAR_BYTES;
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
        /// A look of a reader that takes one small message at a time. Returns whether it came after a pause.
        fn look(&mut self, messages: u32) -> bool {
            self.before_look();
            let paused = self.paused;
            self.found(10 * messages as usize, messages);
            paused
        }
    }

    #[test]
    fn only_a_stream_causes_pauses() {
        let mut distance = Distance::default();
        for _ in 0..3 {
            for _ in 0..STREAM_LOOKS {
                assert!(!distance.look(1));
            }
            distance.slept();
        }
        (0..STREAM_LOOKS).for_each(|_| assert!(!distance.look(1)));
        assert!(distance.look(2));
        assert!(distance.look(2), "a pause that gains something is repeated");
    }

    #[test]
    fn reader_that_finds_many_bytes_does_not_pause() {
        let mut distance = Distance::default();
        (0..STREAM_LOOKS).for_each(|_| distance.found(NEAR_BYTES, 20));
        distance.before_look();
        assert!(distance.paused);
        distance.found(NEAR_BYTES + 1, 21);
        distance.before_look();
        assert!(!distance.paused);
        assert!(distance.found_nothing(), "the reader pauses once before it sleeps");
        distance.found(0, 0);
        assert!(!distance.found_nothing());
    }

    #[test]
    fn large_messages_cause_no_pause() {
        let mut distance = Distance::default();
        (0..STREAM_LOOKS).for_each(|_| distance.found(SMALL_MESSAGE_BYTES, 1));
        distance.found(SMALL_MESSAGE_BYTES + 1, 1);
        assert!(!distance.found_nothing());
    }

    #[test]
    fn reader_on_its_writers_thread_soon_stops_pausing() {
        let mut distance = Distance::default();
        let pauses = (0..100_000).filter(|_| distance.look(3)).count();
        assert!((5..20).contains(&pauses), "{pauses}");
    }
}
