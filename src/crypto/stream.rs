//! The boxes of a connection, one direction of it: XSalsa20-Poly1305 under one key, a fixed nonce prefix and a message
//! counter (RFC 26, MESSAGE commands).
//!
//! What makes it fast:
//! - XSalsa20 derives its key from the long-term key and the first 16 bytes of the nonce, which stay the same: once.
//! - A call of a [`Kernel`] computes as many blocks as there are lanes. Those that a message does not need
//!   are filled with what the messages after it will: the next ones where they are known, else as many as this message's
//!   of each counter that follows. So messages share calls even if sealed one by one.
//! - The authenticator of a long message runs inside the kernel, between the rounds: other units of the processor.

use super::boxes::SharedKey;
use super::poly1305::Poly1305;
use super::salsa::{self, Block, Kernel, Key, Lanes, MAX_LANES};
use crate::errno::{Errno, Result};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// Bytes of the authentication tag, which stands before the text.
pub const TAG: usize = 16;
/// Bytes of the nonce's fixed part.
pub const PREFIX: usize = 16;

/// The first bytes of key stream are the authenticator's key.
const MAC_KEY: usize = 32;

/// Seals, or opens, the messages of one direction of one connection. Key and key stream are wiped when dropped.
pub struct BoxStream {
    key: Key,
    kernel: Kernel,
    ahead: Box<Ahead>,
}

/// A message in a batch: `buf` is 16 bytes for the tag and the text.
pub struct Frame<'a> {
    pub counter: u64,
    pub buf: &'a mut [u8],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Seal,
    Open,
}

impl BoxStream {
    /// `prefix` is the part of the nonce before the counter.
    pub fn new(key: &SharedKey, prefix: &[u8; PREFIX]) -> BoxStream {
        BoxStream::with_key(key.as_bytes(), prefix)
    }

    pub(super) fn with_key(key: &[u8; 32], prefix: &[u8; PREFIX]) -> BoxStream {
        BoxStream::with_kernel(key, prefix, Kernel::best())
    }

    pub(super) fn with_kernel(key: &[u8; 32], prefix: &[u8; PREFIX], kernel: Kernel) -> BoxStream {
        BoxStream { key: salsa::hsalsa20(key, prefix), kernel, ahead: Box::new(Ahead::new()) }
    }

    /// Encrypts the text behind the first 16 bytes of `buf` and puts the tag there.
    ///
    /// A counter must never be used twice; nobody checks that here. Errors: `EINVAL` for less than 16 bytes.
    pub fn seal_in_place(&mut self, counter: u64, buf: &mut [u8]) -> Result<()> {
        self.seal(counter, buf, &[])
    }

    /// Checks the tag in the first 16 bytes of `buf`, decrypts the text behind it and returns that.
    ///
    /// Errors: `EPROTO` if it is not what the peer sealed under this counter; the text is zeroed then.
    pub fn open_in_place<'a>(&mut self, counter: u64, buf: &'a mut [u8]) -> Result<&'a mut [u8]> {
        self.open(counter, buf, &[])?;
        Ok(buf.get_mut(TAG..).unwrap_or_default())
    }

    /// [`BoxStream::seal_in_place`] for each frame. Errors: `EINVAL` for a frame of less than 16 bytes; those
    /// before it are sealed.
    pub fn seal_batch(&mut self, frames: &mut [Frame<'_>]) -> Result<()> {
        let mut rest = frames;
        while let Some((frame, following)) = rest.split_first_mut() {
            self.seal(frame.counter, frame.buf, following)?;
            rest = following;
        }
        Ok(())
    }

    /// [`BoxStream::open_in_place`] for each frame, as far as they are good. Returns how many are; the frame at
    /// this place, if there is one, is a forgery and its text zeroed, and those behind it are untouched.
    pub fn open_batch(&mut self, frames: &mut [Frame<'_>]) -> usize {
        let mut opened = 0;
        let mut rest = frames;
        while let Some((frame, following)) = rest.split_first_mut() {
            if self.open(frame.counter, frame.buf, following).is_err() {
                break;
            }
            opened += 1;
            rest = following;
        }
        opened
    }

    fn seal(&mut self, counter: u64, buf: &mut [u8], following: &[Frame<'_>]) -> Result<()> {
        let (tag, text) = buf.split_first_chunk_mut::<TAG>().ok_or(Errno::INVAL)?;
        *tag = self.crypt(Way::Seal, counter, text, following);
        Ok(())
    }

    fn open(&mut self, counter: u64, buf: &mut [u8], following: &[Frame<'_>]) -> Result<()> {
        let (tag, text) = buf.split_first_chunk_mut::<TAG>().ok_or(Errno::PROTO)?;
        let right = self.crypt(Way::Open, counter, text, following);
        if words(&right).ct_eq(&words(tag)).into() {
            Ok(())
        } else {
            // What a forger sent is decrypted by now, and must not be seen.
            text.fill(0);
            Err(Errno::PROTO)
        }
    }

    /// Encrypts or decrypts `text`; returns the tag of what is encrypted.
    fn crypt(&mut self, way: Way, counter: u64, text: &mut [u8], following: &[Frame<'_>]) -> [u8; TAG] {
        let blocks = blocks_of(text.len());
        let mut mac: Option<Poly1305> = None;
        let mut done = 0;
        let mut block = 0;
        while block < blocks {
            if !self.ahead.has(counter, block) {
                // The authenticator follows while sealing, and goes ahead while opening.
                let encrypted = if way == Way::Seal { &text[..done] } else { &*text };
                self.ahead.plan(self.kernel.lanes(), (counter, block, blocks), following);
                let Ahead { blocks, lanes, .. } = &mut *self.ahead;
                match &mut mac {
                    None => self.kernel.fill(&self.key, lanes, blocks, ()),
                    Some(mac) => {
                        let aside = mac.aside(encrypted);
                        let adding = self.kernel.fill(&self.key, lanes, blocks, aside);
                        mac.resume(adding, encrypted);
                    }
                }
            }
            let mut stream = self.ahead.take(counter, block, blocks);
            block += (stream.len() / salsa::BLOCK) as u64;
            let mac = mac.get_or_insert_with(|| {
                let (key, rest) = stream.split_first_chunk().unwrap_or((&[0; MAC_KEY], &[]));
                stream = rest;
                Poly1305::new(key)
            });
            let end = text.len().min(done + stream.len());
            if way == Way::Open {
                if end < text.len() { mac.absorb(&text[..end]) } else { mac.conclude(text) }
            }
            for (byte, stream) in text[done..end].iter_mut().zip(stream) {
                *byte ^= stream;
            }
            done = end;
        }
        mac.map_or([0; TAG], |mut mac| {
            if way == Way::Seal {
                mac.conclude(text);
            }
            mac.tag()
        })
    }
}

impl Drop for BoxStream {
    fn drop(&mut self) {
        self.ahead.blocks.as_flattened_mut().zeroize();
    }
}

/// Two words are compared faster than sixteen bytes.
fn words(tag: &[u8; TAG]) -> [u64; 2] {
    let tag = u128::from_ne_bytes(*tag);
    [tag as u64, (tag >> 64) as u64]
}

/// How many blocks of key stream a text takes.
fn blocks_of(text_len: usize) -> u64 {
    (MAC_KEY + text_len).div_ceil(salsa::BLOCK) as u64
}

/// Key stream that is computed but not used yet.
#[repr(C, align(64))]
struct Ahead {
    blocks: [Block; MAX_LANES],
    /// What each of `blocks` is.
    lanes: Lanes,
    /// Those before are used up.
    next: usize,
    /// Those from here on were never computed.
    end: usize,
}

impl Ahead {
    fn new() -> Ahead {
        Ahead { blocks: [[0; salsa::BLOCK]; MAX_LANES], lanes: Lanes::new(), next: 0, end: 0 }
    }

    /// Whether the block is there; those before it are dropped then.
    #[inline(always)]
    fn has(&mut self, counter: u64, block: u64) -> bool {
        let found = (self.next..self.end).find(|lane| self.lanes.is(*lane, counter, block));
        self.next = found.unwrap_or(self.next);
        found.is_some()
    }

    /// Says what the next call of the kernel is to compute: a message's blocks from `block` to `blocks`, and those of
    /// the messages that follow or may follow. What was left is dropped.
    fn plan(
        &mut self,
        lanes: usize,
        (mut counter, mut block, mut blocks): (u64, u64, u64),
        following: &[Frame<'_>],
    ) {
        let mut following = following.iter();
        for lane in 0..lanes.min(MAX_LANES) {
            if block == blocks {
                block = 0;
                counter = counter.wrapping_add(1);
                if let Some(frame) = following.next() {
                    counter = frame.counter;
                    blocks = blocks_of(frame.buf.len().saturating_sub(TAG));
                }
            }
            self.lanes.set(lane, counter, block);
            block += 1;
        }
        (self.next, self.end) = (0, lanes);
    }

    /// The blocks of a message from `block` to `blocks`, as many as there are in a row; they are used up then.
    #[inline(always)]
    fn take(&mut self, counter: u64, block: u64, blocks: u64) -> &[u8] {
        let (from, mut to) = (self.next, self.next);
        for block in block..blocks {
            if to == self.end || !self.lanes.is(to, counter, block) {
                break;
            }
            to += 1;
        }
        self.next = to;
        self.blocks.get(from..to).unwrap_or_default().as_flattened()
    }
}
