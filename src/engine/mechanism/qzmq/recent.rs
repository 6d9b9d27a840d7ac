//! The tags of the last records of a peer: whether one that does not open has come before.
//!
//! No record opens twice, and none out of turn. This only tells an operator that records are repeated, and not changed.

use crate::crypto::aead::AEAD_TAG_BYTES;

/// Records that are remembered.
pub const REMEMBERED_RECORDS: usize = 64;
/// Bytes of a tag that are kept: two records have the same ones by chance once in 2^64.
const KEPT_BYTES: usize = 8;

/// The tags of the last [`REMEMBERED_RECORDS`] records, under any key.
#[derive(Debug)]
pub struct RecentTags {
    /// Zeros where there is none yet.
    tags: [[u8; KEPT_BYTES]; REMEMBERED_RECORDS],
    next: usize,
}

impl Default for RecentTags {
    fn default() -> RecentTags {
        RecentTags { tags: [[0; KEPT_BYTES]; REMEMBERED_RECORDS], next: 0 }
    }
}

impl RecentTags {
    /// Remembers a box that has opened. Its tag is as it was received.
    #[inline]
    pub fn note(&mut self, sealed: &[u8]) {
        if let (Some(tag), Some(place)) = (kept(sealed), self.tags.get_mut(self.next)) {
            *place = tag;
            self.next = (self.next + 1) % REMEMBERED_RECORDS;
        }
    }

    /// Whether a box that has not opened is one of those remembered.
    pub fn has(&self, sealed: &[u8]) -> bool {
        kept(sealed).is_some_and(|tag| tag != [0; KEPT_BYTES] && self.tags.contains(&tag))
    }
}

fn kept(sealed: &[u8]) -> Option<[u8; KEPT_BYTES]> {
    let tag = sealed.last_chunk::<AEAD_TAG_BYTES>()?;
    tag.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(number: usize) -> Vec<u8> {
        let mut sealed = vec![9; 20];
        sealed.extend_from_slice(&(number as u64).to_be_bytes());
        sealed.extend_from_slice(&[5; KEPT_BYTES]);
        sealed
    }

    #[test]
    fn the_last_records_are_remembered_and_no_others() {
        let mut recent = RecentTags::default();
        assert!(!recent.has(&sealed(0)) && !recent.has(b"short"));
        for number in 1..=200 {
            recent.note(&sealed(number));
            let first = number.saturating_sub(REMEMBERED_RECORDS);
            let known: Vec<usize> = (0..=number + 1).filter(|number| recent.has(&sealed(*number))).collect();
            assert_eq!(known, (first + 1..=number).collect::<Vec<_>>());
        }
        recent.note(b"short");
        assert!(recent.has(&sealed(200)));
    }
}
