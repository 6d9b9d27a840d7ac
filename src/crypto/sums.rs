//! The authenticators of several texts, one after the other, computed between the rounds of the key stream.
//!
//! A short text's sum is a chain of multiplications, each of which needs the result of the one before. No
//! other work needs the sum until the text is sent or shown. So texts queue up here, and the kernels work the
//! queue off between their rounds.

use super::TAG_BYTES;
use super::poly1305::{BLOCK_BYTES, Sum, partial_block, tag_of};
use super::salsa::Aside;
use zeroize::Zeroize;

/// Most texts in the queue. More than any kernel has lanes, so that calls and texts keep step.
const MAX_WAITING_TEXTS: usize = 32;

/// Texts in one buffer, each behind room for its tag, in the order of `push`.
pub(super) struct Sums {
    texts: [Text; MAX_WAITING_TEXTS],
    /// Texts pushed, completed and taken since the beginning. Their places are these numbers modulo
    /// `MAX_WAITING_TEXTS`.
    pushed: usize,
    done: usize,
    taken: usize,
}

/// A text; the bytes from `at` on are not in the sum yet.
#[derive(Clone, Copy)]
struct Text {
    sum: Sum,
    pad: [u64; 2],
    begin: usize,
    at: usize,
    end: usize,
    /// The text ends at `end`.
    whole: bool,
    tag: [u8; TAG_BYTES],
}

/// A text with its tag.
pub(super) struct Done {
    /// Where the text begins: the tag goes before it.
    pub(super) begin: usize,
    pub(super) tag: [u8; TAG_BYTES],
}

impl Sums {
    pub(super) fn new() -> Sums {
        let sum = Sum::ZERO;
        let text = Text { sum, pad: [0; 2], begin: 0, at: 0, end: 0, whole: false, tag: [0; TAG_BYTES] };
        Sums { texts: [text; MAX_WAITING_TEXTS], pushed: 0, done: 0, taken: 0 }
    }

    pub(super) fn is_full(&self) -> bool {
        self.pushed - self.taken == MAX_WAITING_TEXTS
    }

    /// Whether the queue is empty.
    pub(super) fn is_idle(&self) -> bool {
        self.pushed == self.done
    }

    /// Pushes a text that begins at `begin` of the buffer, of which no byte is written yet. The queue must
    /// not be full.
    #[inline(always)]
    pub(super) fn push(&mut self, key: &[u8; 32], begin: usize) {
        let (sum, pad) = Sum::new(key);
        let text = Text { sum, pad, begin, at: begin, end: begin, whole: false, tag: [0; TAG_BYTES] };
        self.texts[self.pushed % MAX_WAITING_TEXTS] = text;
        self.pushed += 1;
    }

    /// The text pushed last is written up to `end`; if `whole`, it ends there.
    #[inline(always)]
    pub(super) fn extend(&mut self, end: usize, whole: bool) {
        let last = &mut self.texts[self.pushed.wrapping_sub(1) % MAX_WAITING_TEXTS];
        (last.end, last.whole) = (end, whole);
    }

    /// The queued work, to be done aside and then given to [`Sums::resume`]. `buffer` has the texts.
    #[inline(always)]
    pub(super) fn aside<'a>(&'a mut self, buffer: &'a [u8]) -> Adding<'a> {
        let mut adding = Adding { sum: Sum::ZERO, rest: &[], sums: self, buffer };
        adding.load();
        adding
    }

    /// Computes the rest of all complete texts.
    pub(super) fn conclude(&mut self, buffer: &[u8]) {
        let mut adding = self.aside(buffer);
        while !adding.sums.is_idle() {
            let before = adding.sums.done;
            adding.finish();
            if adding.sums.done == before {
                break;
            }
        }
        adding.store();
    }

    /// The next completed text that was not taken yet.
    #[inline(always)]
    pub(super) fn take(&mut self) -> Option<Done> {
        if self.taken == self.done {
            return None;
        }
        let text = &self.texts[self.taken % MAX_WAITING_TEXTS];
        self.taken += 1;
        Some(Done { begin: text.begin, tag: text.tag })
    }
}

impl Drop for Sums {
    fn drop(&mut self) {
        for text in &mut self.texts {
            text.sum.wipe();
            text.pad.zeroize();
        }
    }
}

/// Work done aside. The sum at the front is held by value, so that it stays in registers.
pub(super) struct Adding<'a> {
    sum: Sum,
    /// The bytes of the first text that are written and not in the sum.
    rest: &'a [u8],
    sums: &'a mut Sums,
    buffer: &'a [u8],
}

impl<'a> Adding<'a> {
    #[inline(always)]
    fn load(&mut self) {
        let (buffer, text) = (self.buffer, &self.sums.texts[self.sums.done % MAX_WAITING_TEXTS]);
        if self.sums.done == self.sums.pushed {
            self.rest = &[];
            return;
        }
        self.sum = text.sum;
        self.rest = buffer.get(text.at..text.end).unwrap_or_default();
    }

    /// Writes back the state of the text at the front.
    #[inline(always)]
    pub(super) fn store(self) {
        if self.sums.done != self.sums.pushed {
            let text = &mut self.sums.texts[self.sums.done % MAX_WAITING_TEXTS];
            text.sum = self.sum;
            text.at = text.end.saturating_sub(self.rest.len());
        }
    }

    /// Completes the text at the front, if it is whole, and goes on to the next.
    ///
    /// It makes no call, such as memcpy(3), which would have to save all vector registers.
    #[inline(always)]
    fn finish(&mut self) {
        let text = &mut self.sums.texts[self.sums.done % MAX_WAITING_TEXTS];
        if self.sums.done == self.sums.pushed || !text.whole {
            return;
        }
        let (blocks, rest) = self.rest.as_chunks::<BLOCK_BYTES>();
        self.sum.add(blocks);
        if !rest.is_empty() {
            // A tag stands before the text, so there are always sixteen bytes that end where it ends.
            let last = self.buffer.get(..text.end).and_then(<[u8]>::last_chunk::<BLOCK_BYTES>);
            self.sum.add_partial(partial_block(last.unwrap_or(&[0; BLOCK_BYTES]), rest.len()));
        }
        text.tag = tag_of(&self.sum, text.pad);
        self.sums.done += 1;
        self.load();
    }
}

impl Aside for Adding<'_> {
    #[inline(always)]
    fn go_on(&mut self, len: usize) {
        if let Some((now, rest)) = self.rest.split_at_checked(len) {
            self.sum.add(now.as_chunks().0);
            self.rest = rest;
        } else {
            self.finish();
        }
    }
}
