//! The boxes of one direction of a connection: XSalsa20-Poly1305 under one key, a fixed nonce prefix and a
//! message counter (RFC 26, MESSAGE commands).
//!
//! Why it is fast:
//! - XSalsa20 derives its subkey from the long-term key and the first 16 bytes of the nonce. These stay the
//!   same, so it is done once.
//! - A call of a `Kernel` computes one block per lane. Blocks that a message does not need are computed for
//!   the messages after it. Where those are not known, each following counter gets as many blocks as this
//!   message. So messages share calls even if sealed one by one.
//! - Authenticators run inside the kernel, between the rounds, on other units of the processor. For
//!   consecutive messages these are the authenticators of the last ones (`Sums`).
//! - Text is encrypted on the way to its destination, so that it is not copied.

use super::poly1305::Poly1305;
use super::salsa::{self, Block, Kernel, Key, Lanes, MAX_LANES};
use super::sums::Sums;
use super::{PREFIX_BYTES, TAG_BYTES};
use crate::errno::{Errno, Result};
use std::mem::MaybeUninit;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// The first bytes of key stream are the authenticator's key.
const MAC_KEY_BYTES: usize = 32;

/// Seals, or opens, the messages of one direction of one connection. Key and key stream are wiped when dropped.
pub struct BoxStream {
    key: Key,
    kernel: Kernel,
    ahead: Box<Ahead>,
    sums: Box<Sums>,
}

/// A message in a batch to open.
#[derive(Clone, Copy, Default)]
pub struct Sealed {
    pub counter: u64,
    /// Offset of its tag in the received bytes; the text follows.
    pub at: usize,
    /// Bytes of tag and text; more than the tag's 16.
    pub len: usize,
    /// Bytes to leave before the text at its destination; they are zeroed.
    pub gap: usize,
    /// The first byte of the text, which is not written with the others. 0 until the message is verified.
    pub first: u8,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Seal,
    Open,
}

impl BoxStream {
    /// `prefix` is the part of the nonce before the counter.
    pub(super) fn with_key(key: &[u8; 32], prefix: &[u8; PREFIX_BYTES]) -> BoxStream {
        BoxStream::with_kernel(key, prefix, Kernel::best())
    }

    pub(super) fn with_kernel(key: &[u8; 32], prefix: &[u8; PREFIX_BYTES], kernel: Kernel) -> BoxStream {
        BoxStream {
            key: salsa::hsalsa20(key, prefix),
            kernel,
            ahead: Box::new(Ahead::new()),
            sums: Box::new(Sums::new()),
        }
    }

    /// Encrypts the text behind the first 16 bytes of `buf` and puts the tag there.
    ///
    /// The caller must never use a counter twice. Errors: `EINVAL` for less than 16 bytes.
    pub fn seal_in_place(&mut self, counter: u64, buf: &mut [u8]) -> Result<()> {
        self.seal(counter, buf)
    }

    /// Checks the tag in the first 16 bytes of `buf`, decrypts the text behind it and returns that.
    ///
    /// Errors: `EPROTO` if the peer did not seal it under this counter; the text is zeroed then.
    pub fn open_in_place<'a>(&mut self, counter: u64, buf: &'a mut [u8]) -> Result<&'a mut [u8]> {
        self.open(counter, buf)?;
        Ok(buf.get_mut(TAG_BYTES..).unwrap_or_default())
    }

    /// Appends the tag and the encrypted text, `first` and `rest`. The tag is valid only after
    /// [`finish`](BoxStream::finish). Until then the caller only appends to `out` and makes no other call on
    /// this stream.
    ///
    /// The caller must never use a counter twice. `first` has 31 bytes at most; `out` should have room.
    #[inline]
    pub fn seal_onto(&mut self, counter: u64, first: &[u8], rest: &[u8], out: &mut Vec<u8>) {
        if self.sums.is_full() {
            self.finish(out);
        }
        let blocks = blocks_of(first.len() + rest.len());
        let begin = out.len() + TAG_BYTES;
        let stream =
            self.ahead.stream(self.kernel, &self.key, (counter, 0, blocks), NONE, &mut self.sums, out);
        let Some((mac_key, mut stream)) = stream.split_first_chunk::<MAC_KEY_BYTES>() else { return };
        self.sums.push(mac_key, begin);
        out.extend_from_slice(&[0; TAG_BYTES]);
        let (mut text, mut block) = (rest, 0);
        xor_onto(out, first, stream);
        stream = stream.get(first.len()..).unwrap_or_default();
        loop {
            block += (stream.len() as u64).div_ceil(salsa::BLOCK_BYTES as u64);
            let (now, later) = text.split_at(text.len().min(stream.len()));
            xor_onto(out, now, stream);
            text = later;
            if block >= blocks {
                break;
            }
            self.sums.extend(out.len(), false);
            let next = (counter, block, blocks);
            stream = self.ahead.stream(self.kernel, &self.key, next, NONE, &mut self.sums, out);
        }
        self.sums.extend(out.len(), true);
    }

    /// Writes all tags to their places.
    pub fn finish(&mut self, out: &mut [u8]) {
        self.sums.conclude(out);
        while let Some(done) = self.sums.take() {
            let place = done.begin.checked_sub(TAG_BYTES).and_then(|at| out.get_mut(at..done.begin));
            if let Some(place) = place {
                place.copy_from_slice(&done.tag);
            }
        }
    }

    /// Opens messages of `received` into `room`, one behind the other. Returns the filled part and the number
    /// of good messages. A message behind the good ones is a forgery; its text and all that follows is
    /// zeroed.
    pub fn open_batch<'a>(
        &mut self,
        received: &[u8],
        batch: &mut [Sealed],
        room: &'a mut [MaybeUninit<u8>],
    ) -> (&'a mut [u8], usize) {
        let mut verdict = Verdict { good: 0, forged: false };
        let mut filled = 0;
        for at in 0..batch.len() {
            if self.sums.is_full() {
                verdict.take(&mut self.sums, received);
            }
            if self.sums.is_full() {
                self.sums.conclude(received);
                verdict.take(&mut self.sums, received);
            }
            let Some((now, following)) = batch.get_mut(at..).and_then(<[Sealed]>::split_first_mut) else {
                break;
            };
            let to = room.get_mut(filled..).unwrap_or_default();
            let Some(written) = self.open_one(received, now, following, to) else { break };
            filled += written;
        }
        self.sums.conclude(received);
        verdict.take(&mut self.sums, received);
        // SAFETY: `open_one` has written all the bytes that it said it has, one message's behind the other's.
        let filled = unsafe { room.get_mut(..filled).unwrap_or_default().assume_init_mut() };
        if verdict.good < batch.len() {
            let good = batch.iter().take(verdict.good).map(Sealed::room).sum();
            filled.get_mut(good..).unwrap_or_default().fill(0);
            batch.iter_mut().skip(verdict.good).for_each(|forged| forged.first = 0);
        }
        (filled, verdict.good)
    }

    /// Decrypts a message, which is verified later. Returns the number of bytes written to the front of `to`.
    /// `None`: it has no text, or no room for it.
    #[inline(always)]
    fn open_one(
        &mut self,
        received: &[u8],
        now: &mut Sealed,
        following: &[Sealed],
        to: &mut [MaybeUninit<u8>],
    ) -> Option<usize> {
        let begin = now.at.checked_add(TAG_BYTES)?;
        let end = now.at.checked_add(now.len)?;
        let (first, mut text) = received.get(begin..end)?.split_first()?;
        let (gap, mut to) = to.get_mut(..now.room())?.split_at_mut_checked(now.gap)?;
        gap.fill(MaybeUninit::new(0));
        let blocks = blocks_of(now.text());
        let next = (now.counter, 0, blocks);
        let stream = self.ahead.stream(self.kernel, &self.key, next, following, &mut self.sums, received);
        let (mac_key, stream) = stream.split_first_chunk::<MAC_KEY_BYTES>()?;
        self.sums.push(mac_key, begin);
        self.sums.extend(end, true);
        let (first_stream, mut stream) = stream.split_first()?;
        now.first = first ^ first_stream;
        let mut block = 0;
        loop {
            block += (stream.len() as u64).div_ceil(salsa::BLOCK_BYTES as u64);
            let len = text.len().min(stream.len());
            let ((now_text, later), (now_to, later_to)) = (text.split_at(len), to.split_at_mut(len));
            for ((to, byte), stream) in now_to.iter_mut().zip(now_text).zip(stream) {
                to.write(byte ^ stream);
            }
            (text, to) = (later, later_to);
            if block >= blocks {
                break;
            }
            let next = (now.counter, block, blocks);
            stream = self.ahead.stream(self.kernel, &self.key, next, following, &mut self.sums, received);
        }
        // `to` has been used up: it is as long as the text without its first byte.
        Some(now.room())
    }

    fn seal(&mut self, counter: u64, buf: &mut [u8]) -> Result<()> {
        let (tag, text) = buf.split_first_chunk_mut::<TAG_BYTES>().ok_or(Errno::INVAL)?;
        *tag = self.crypt(Way::Seal, counter, text);
        Ok(())
    }

    fn open(&mut self, counter: u64, buf: &mut [u8]) -> Result<()> {
        let (tag, text) = buf.split_first_chunk_mut::<TAG_BYTES>().ok_or(Errno::PROTO)?;
        let right = self.crypt(Way::Open, counter, text);
        if words(&right).ct_eq(&words(tag)).into() {
            Ok(())
        } else {
            // The text of a forgery is decrypted by now, and must not be seen.
            text.fill(0);
            Err(Errno::PROTO)
        }
    }

    /// Encrypts or decrypts `text`; returns the tag of the encrypted text.
    fn crypt(&mut self, way: Way, counter: u64, text: &mut [u8]) -> [u8; TAG_BYTES] {
        let blocks = blocks_of(text.len());
        let mut mac: Option<Poly1305> = None;
        let mut done = 0;
        let mut block = 0;
        while block < blocks {
            if !self.ahead.has(counter, block) {
                // The authenticator follows while sealing, and goes ahead while opening.
                let encrypted = if way == Way::Seal { &text[..done] } else { &*text };
                self.ahead.plan(self.kernel.lanes(), (counter, block, blocks), NONE);
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
            block += (stream.len() / salsa::BLOCK_BYTES) as u64;
            let mac = mac.get_or_insert_with(|| {
                let (key, rest) = stream.split_first_chunk().unwrap_or((&[0; MAC_KEY_BYTES], &[]));
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
        mac.map_or([0; TAG_BYTES], |mut mac| {
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

impl Sealed {
    /// Bytes of the text.
    fn text(&self) -> usize {
        self.len.saturating_sub(TAG_BYTES)
    }

    /// Bytes that it takes at its destination.
    pub fn room(&self) -> usize {
        self.gap.saturating_add(self.text().saturating_sub(1))
    }
}

/// No following message is known.
const NONE: &[Sealed] = &[];

/// Counts the good messages before the first forgery.
struct Verdict {
    good: usize,
    forged: bool,
}

impl Verdict {
    fn take(&mut self, sums: &mut Sums, received: &[u8]) {
        while let Some(done) = sums.take() {
            let tag = received.get(..done.begin).and_then(<[u8]>::last_chunk::<TAG_BYTES>);
            let right = tag.is_some_and(|tag| words(&done.tag).ct_eq(&words(tag)).into());
            self.forged |= !right;
            self.good += usize::from(!self.forged);
        }
    }
}

/// Encrypts and appends as much of `text` as there is key stream for.
#[inline(always)]
fn xor_onto(out: &mut Vec<u8>, text: &[u8], stream: &[u8]) {
    let len = text.len().min(stream.len());
    out.reserve(len);
    let spare = out.spare_capacity_mut();
    for ((to, byte), stream) in spare.iter_mut().zip(text).zip(stream) {
        to.write(byte ^ stream);
    }
    // SAFETY: there is room for `len` bytes more, which were just written: `spare` is the longest of the three.
    unsafe { out.set_len(out.len() + len) };
}

/// Two words compare faster than sixteen bytes.
fn words(tag: &[u8; TAG_BYTES]) -> [u64; 2] {
    let tag = u128::from_ne_bytes(*tag);
    [tag as u64, (tag >> 64) as u64]
}

/// Blocks of key stream for a text.
fn blocks_of(text_len: usize) -> u64 {
    (MAC_KEY_BYTES + text_len).div_ceil(salsa::BLOCK_BYTES) as u64
}

/// Key stream that is computed and not used yet.
#[repr(C, align(64))]
struct Ahead {
    blocks: [Block; MAX_LANES],
    /// Message and number of each block in `blocks`.
    lanes: Lanes,
    /// Blocks before this one are used up.
    next: usize,
    /// Blocks from this one on were never computed.
    end: usize,
}

impl Ahead {
    fn new() -> Ahead {
        Ahead { blocks: [[0; salsa::BLOCK_BYTES]; MAX_LANES], lanes: Lanes::new(), next: 0, end: 0 }
    }

    /// Whether the block has been computed. Those before it are dropped then.
    #[inline(always)]
    fn has(&mut self, counter: u64, block: u64) -> bool {
        let found = (self.next..self.end).find(|lane| self.lanes.is(*lane, counter, block));
        self.next = found.unwrap_or(self.next);
        found.is_some()
    }

    /// Plans the next call of the kernel: a message's blocks from `block` to `blocks`, then those of the
    /// messages that follow or may follow. Unused blocks are dropped.
    fn plan(
        &mut self,
        lanes: usize,
        (mut counter, mut block, mut blocks): (u64, u64, u64),
        following: &[Sealed],
    ) {
        let mut following = following.iter();
        for lane in 0..lanes.min(MAX_LANES) {
            if block == blocks {
                block = 0;
                counter = counter.wrapping_add(1);
                if let Some(frame) = following.next() {
                    counter = frame.counter;
                    blocks = blocks_of(frame.text());
                }
            }
            self.lanes.set(lane, counter, block);
            block += 1;
        }
        (self.next, self.end) = (0, lanes);
    }

    /// As [`take`](Ahead::take), but computes missing blocks now. Meanwhile `sums` of texts in `buffer` go
    /// on.
    #[inline(always)]
    fn stream(
        &mut self,
        kernel: Kernel,
        key: &Key,
        (counter, block, blocks): (u64, u64, u64),
        following: &[Sealed],
        sums: &mut Sums,
        buffer: &[u8],
    ) -> &[u8] {
        if !self.has(counter, block) {
            self.plan(kernel.lanes(), (counter, block, blocks), following);
            self.fill(kernel, key, sums, buffer);
        }
        self.take(counter, block, blocks)
    }

    #[inline(never)]
    fn fill(&mut self, kernel: Kernel, key: &Key, sums: &mut Sums, buffer: &[u8]) {
        if sums.is_idle() {
            kernel.fill(key, &self.lanes, &mut self.blocks, ());
        } else {
            kernel.fill(key, &self.lanes, &mut self.blocks, sums.aside(buffer)).store();
        }
    }

    /// Takes the blocks of a message from `block` to `blocks`, as far as they lie in a row.
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
