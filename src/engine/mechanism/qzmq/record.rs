//! Records, both ways: up to 16 KiB of the stream of frames under one tag.
//!
//! A record is the length of its box in two bytes, and the box. The text in the box is the content, a byte of type, and zeros.

use crate::crypto::AeadKey;
use crate::crypto::aead::{AEAD_NONCE_BYTES, AEAD_TAG_BYTES};
use crate::engine::Failure;
use zeroize::Zeroizing;

/// Bytes of the length in front of a box.
pub const HEAD_BYTES: usize = 2;
/// Most bytes of a record's content.
pub const MAX_CONTENT_BYTES: usize = 16 * 1024;
/// Most bytes of a text: content, type and padding.
const MAX_TEXT_BYTES: usize = MAX_CONTENT_BYTES + 1;
/// Most bytes of a box.
pub const MAX_BOX_BYTES: usize = MAX_TEXT_BYTES + AEAD_TAG_BYTES;
/// A box has a type at least.
const MIN_BOX_BYTES: usize = 1 + AEAD_TAG_BYTES;
/// Most records under one key: the limit of RFC 8446 for AES-GCM, 2^24.5.
pub const MAX_RECORDS: u64 = 23_726_566;
/// Of those, the ones kept for KEY_UPDATE_ACK and KEY_UPDATE_DONE, which are the last under their key.
const LAST_RECORDS: u64 = 2;

/// The type of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Data = 1,
    KeyUpdate = 2,
    KeyUpdateAck = 3,
    KeyUpdateDone = 4,
}

impl Kind {
    fn from_number(number: u8) -> Option<Kind> {
        match number {
            1 => Some(Kind::Data),
            2 => Some(Kind::KeyUpdate),
            3 => Some(Kind::KeyUpdateAck),
            4 => Some(Kind::KeyUpdateDone),
            _ => None,
        }
    }
}

/// The key of one direction, and how far it has counted.
pub struct RecordKey {
    key: AeadKey,
    iv: Zeroizing<[u8; AEAD_NONCE_BYTES]>,
    counter: u64,
}

impl RecordKey {
    pub fn new(key: AeadKey, iv: Zeroizing<[u8; AEAD_NONCE_BYTES]>) -> RecordKey {
        RecordKey { key, iv, counter: 0 }
    }

    /// Records sealed or opened with the key so far.
    pub fn counter(&self) -> u64 {
        self.counter
    }

    #[cfg(test)]
    pub fn count_to(&mut self, counter: u64) {
        self.counter = counter;
    }

    fn nonce(&self, counter: u64) -> [u8; AEAD_NONCE_BYTES] {
        let mut nonce = *self.iv;
        for (byte, count) in nonce.iter_mut().rev().zip(counter.to_le_bytes()) {
            *byte ^= count;
        }
        nonce
    }

    /// Begins a record at the end of `out`. The content is appended to `out` next.
    pub fn begin(out: &mut Vec<u8>) -> usize {
        out.extend_from_slice(&[0; HEAD_BYTES]);
        out.len()
    }

    /// Seals the record whose content lies in `out` from `at` on. `padding_bytes`: the text is padded to a multiple of it; 0 and 1 pad
    /// nothing. `out` has room for [`MAX_TEXT_BYTES`] and the tag.
    ///
    /// Fails with `EPROTO` once the key has sealed all that it may, and for a content that is too long. Then the record is taken off `out`,
    /// so that no content leaves in the clear.
    pub fn seal(
        &mut self,
        out: &mut Vec<u8>,
        at: usize,
        kind: Kind,
        padding_bytes: usize,
    ) -> Result<(), Failure> {
        let sealed = self.seal_in_place(out, at, kind, padding_bytes);
        if sealed.is_err() {
            out.truncate(at.saturating_sub(HEAD_BYTES));
        }
        sealed
    }

    fn seal_in_place(
        &mut self,
        out: &mut Vec<u8>,
        at: usize,
        kind: Kind,
        padding_bytes: usize,
    ) -> Result<(), Failure> {
        let content = out.len().saturating_sub(at);
        let most = match kind {
            Kind::Data | Kind::KeyUpdate => MAX_RECORDS - LAST_RECORDS,
            Kind::KeyUpdateAck | Kind::KeyUpdateDone => MAX_RECORDS,
        };
        if self.counter >= most || content > MAX_CONTENT_BYTES {
            return Err(Failure::SILENT);
        }
        out.push(kind as u8);
        let text = (content + 1).next_multiple_of(padding_bytes.clamp(1, MAX_TEXT_BYTES)).min(MAX_TEXT_BYTES);
        out.resize(at + text, 0);
        let len = ((text + AEAD_TAG_BYTES) as u16).to_be_bytes();
        let (head, text) = out.split_at_mut(at);
        if let Some(place) = head.last_chunk_mut::<HEAD_BYTES>() {
            *place = len;
        }
        let tag =
            self.key.seal_in_place(&self.nonce(self.counter), &len, text).map_err(|_| Failure::SILENT)?;
        out.extend_from_slice(&tag);
        self.counter += 1;
        Ok(())
    }

    /// Opens a box in place. Returns the type, and the bytes of content at its beginning.
    ///
    /// Fails for a box that is not the next one of this key; no more may be opened then.
    pub fn open(&mut self, sealed: &mut [u8]) -> Result<(Kind, usize), Failure> {
        self.open_to_front(sealed, 0)
    }

    /// As [`open`](Self::open), of the box that begins `from` bytes into `bytes` and ends with them. Its text goes to the front of
    /// `bytes`.
    pub fn open_to_front(&mut self, bytes: &mut [u8], from: usize) -> Result<(Kind, usize), Failure> {
        if self.counter >= MAX_RECORDS {
            return Err(Failure::CRYPTOGRAPHIC);
        }
        let len = (bytes.len().saturating_sub(from) as u16).to_be_bytes();
        let Some((text, tag)) = bytes.split_last_chunk_mut::<AEAD_TAG_BYTES>() else {
            return Err(Failure::CRYPTOGRAPHIC);
        };
        let nonce = self.nonce(self.counter);
        let opened = self.key.open_to_front(&nonce, &len, text, from, tag);
        opened.map_err(|_| Failure::CRYPTOGRAPHIC)?;
        self.counter += 1;
        let text = text.get(..text.len().saturating_sub(from)).unwrap_or_default();
        // Most records have no padding.
        let last = text.iter().rposition(|byte| *byte != 0).ok_or(Failure::MALFORMED_MESSAGE)?;
        let kind = text.get(last).copied().and_then(Kind::from_number).ok_or(Failure::MALFORMED_MESSAGE)?;
        if kind == Kind::Data && last == 0 {
            return Err(Failure::MALFORMED_MESSAGE);
        }
        Ok((kind, last))
    }
}

/// Bytes of the box at the front of what was received; `None` while its length is not there. Fails for a length that no box has.
pub fn box_len(received: &[u8]) -> Result<Option<usize>, Failure> {
    let Some(len) = received.first_chunk::<HEAD_BYTES>() else { return Ok(None) };
    let len = usize::from(u16::from_be_bytes(*len));
    if (MIN_BOX_BYTES..=MAX_BOX_BYTES).contains(&len) {
        Ok(Some(len))
    } else {
        Err(Failure::MALFORMED_MESSAGE)
    }
}
