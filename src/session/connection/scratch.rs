//! The buffer between a stream and a pipe, where bytes cannot lie in the pipe as they come.

use crate::errno::Errno;
use crate::sys::memory;
use std::ops::Range;

/// Memory kept where longer frames have gone is at most twice this.
const MAX_READ_BYTES: usize = 64 * 1024;

/// Received bytes that wait to be taken apart.
#[derive(Default)]
pub struct Scratch {
    /// All of it written to once, so that nothing has to be cleared before a read.
    bytes: Vec<u8>,
    /// Where what waits begins, and where it ends.
    from: usize,
    to: usize,
}

impl Scratch {
    /// What waits.
    #[inline]
    pub fn pending(&self) -> &[u8] {
        self.bytes.get(self.from..self.to).unwrap_or_default()
    }

    /// A part of what waits.
    #[inline]
    pub fn part(&self, part: Range<usize>) -> &[u8] {
        self.pending().get(part).unwrap_or_default()
    }

    #[inline]
    pub fn part_mut(&mut self, part: Range<usize>) -> &mut [u8] {
        let pending = self.bytes.get_mut(self.from..self.to).unwrap_or_default();
        pending.get_mut(part).unwrap_or_default()
    }

    /// Takes bytes off the front.
    #[inline]
    pub fn consume(&mut self, bytes: usize) {
        self.from = self.from.saturating_add(bytes).min(self.to);
    }

    pub fn clear(&mut self) {
        (self.from, self.to) = (0, 0);
    }

    /// Room for this many bytes and more behind what waits. Errors: `ENOMEM`.
    pub fn room(&mut self, least: usize) -> Result<&mut [u8], Errno> {
        if self.bytes.len() - self.to < least {
            self.bytes.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
            if self.to == 0 && self.bytes.len() > 2 * MAX_READ_BYTES.max(least) {
                // A long frame has gone; a connection keeps no more than it needs.
                self.bytes = Vec::new();
            }
            if let Some(missing) = (self.to + least).checked_sub(self.bytes.len()) {
                memory::try_reserve(&mut self.bytes, missing)?;
                self.bytes.resize(self.to + least, 0);
            }
        }
        Ok(self.bytes.get_mut(self.to..).unwrap_or_default())
    }

    /// Counts `bytes` of the room as filled.
    pub fn filled(&mut self, bytes: usize) {
        self.to = self.to.saturating_add(bytes).min(self.bytes.len());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn put(scratch: &mut Scratch, bytes: &[u8]) {
        scratch.room(bytes.len()).unwrap()[..bytes.len()].copy_from_slice(bytes);
        scratch.filled(bytes.len());
    }

    #[test]
    fn waiting_bytes_stay_when_room_is_made() {
        let mut scratch = Scratch::default();
        put(&mut scratch, b"abcdef");
        scratch.consume(4);
        put(&mut scratch, &[b'x'; 5000]);
        assert_eq!(scratch.part(0..3), b"efx");
        assert_eq!(scratch.pending().len(), 5002);
        scratch.consume(9999);
        assert!(scratch.pending().is_empty());
        assert!(scratch.part(0..1).is_empty());
    }

    #[test]
    fn a_long_frame_leaves_no_memory_behind() {
        let mut scratch = Scratch::default();
        put(&mut scratch, &vec![1; 10 * MAX_READ_BYTES]);
        scratch.consume(10 * MAX_READ_BYTES);
        scratch.room(100).unwrap();
        assert!(scratch.bytes.len() <= 2 * MAX_READ_BYTES);
    }
}
