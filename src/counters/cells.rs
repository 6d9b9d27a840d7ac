//! What records are made of: 64-bit cells and short texts.
#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicU64, Ordering};

/// A number of a record. Its record names the writer. Snapshots and other processes read it at any time. It orders nothing, so
/// Relaxed.
pub type Cell = AtomicU64;

/// Adds to a cell that has one writer, which is the caller: a load, an addition and a store.
#[inline(always)]
pub fn add(cell: &Cell, count: u64) {
    cell.store(cell.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
}

/// Adds to a cell that several threads write.
#[inline]
pub fn add_shared(cell: &Cell, count: u64) {
    cell.fetch_add(count, Ordering::Relaxed);
}

/// Raises a cell that has one writer, which is the caller.
#[inline(always)]
pub fn raise(cell: &Cell, to: u64) {
    if cell.load(Ordering::Relaxed) < to {
        cell.store(to, Ordering::Relaxed);
    }
}

#[inline]
pub fn value(cell: &Cell) -> u64 {
    cell.load(Ordering::Relaxed)
}

/// A text of at most 8 × `WORDS` bytes. A longer one is cut between two characters. Zeros fill what it leaves.
#[derive(Debug)]
#[repr(transparent)]
pub struct Text<const WORDS: usize>([Cell; WORDS]);

impl<const WORDS: usize> Text<WORDS> {
    pub const BYTES: usize = 8 * WORDS;

    /// Control characters become question marks: the texts of peers are among them.
    pub fn set(&self, text: &str) {
        let shown = text.get(..text.floor_char_boundary(Self::BYTES)).unwrap_or_default();
        let shown = shown.bytes().map(|byte| if byte.is_ascii_control() { b'?' } else { byte });
        let mut bytes = shown.chain(std::iter::repeat(0));
        for cell in &self.0 {
            let word = std::array::from_fn(|_| bytes.next().unwrap_or_default());
            cell.store(u64::from_ne_bytes(word), Ordering::Relaxed);
        }
    }

    /// Whether this is what stands there. It allocates nothing.
    pub fn is(&self, text: &str) -> bool {
        let mut bytes = text.bytes().chain(std::iter::repeat(0));
        text.len() <= Self::BYTES
            && self.0.iter().all(|cell| {
                let word = std::array::from_fn(|_| bytes.next().unwrap_or_default());
                value(cell) == u64::from_ne_bytes(word)
            })
    }

    /// What stands there; of a text that is just changing, a mixture.
    pub fn get(&self) -> String {
        let bytes: Vec<u8> = self.0.iter().flat_map(|cell| value(cell).to_ne_bytes()).collect();
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
    }
}

impl<const WORDS: usize> Default for Text<WORDS> {
    fn default() -> Text<WORDS> {
        Text(std::array::from_fn(|_| Cell::new(0)))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_as_far_as_it_fits() {
        let text = Text::<2>::default();
        assert_eq!(text.get(), "");
        for (given, kept) in [
            ("tcp://1", "tcp://1"),
            ("0123456789abcdef", "0123456789abcdef"),
            ("0123456789abcdefg", "0123456789abcdef"),
            ("0123456789abcd€", "0123456789abcd"),
            ("a\nb\0c", "a?b?c"),
            ("", ""),
        ] {
            text.set(given);
            assert_eq!(text.get(), kept);
            assert!(text.is(kept) && (given == kept || !text.is(given)) && !text.is("tcp://"));
        }
    }

    #[test]
    fn a_count_goes_round_rather_than_fail() {
        let cell = Cell::new(u64::MAX);
        add(&cell, 2);
        add_shared(&cell, 1);
        raise(&cell, 1);
        assert_eq!(value(&cell), 2);
        raise(&cell, 7);
        assert_eq!(value(&cell), 7);
    }
}
