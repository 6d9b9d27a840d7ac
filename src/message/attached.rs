//! What a message refers to beside its content: the properties of its connection, and a group.

use super::pool::{self, ThreadCache};
use super::{Body, Metadata};
use crate::errno::{Errno, Result};
use std::ffi::CStr;
use std::ptr;
use std::sync::Arc;

/// `ZMQ_GROUP_MAX_LENGTH`, in bytes.
pub const GROUP_MAX_LENGTH: usize = 255;

/// Sixteen of the 64 bytes of a message, which [releases](Attached::release) them when it drops: a `Drop` of their own would look at
/// them once more.
#[repr(C)]
pub(super) struct Attached {
    /// From `Arc::into_raw` or `KeptCount::take`, one count of it; null without properties.
    metadata: *const Metadata,
    /// The group with a NUL after it.
    group: Option<Body>,
}

impl Attached {
    #[inline(always)]
    pub(super) const fn nothing() -> Attached {
        Attached { metadata: ptr::null(), group: None }
    }

    #[inline(always)]
    pub(super) fn is_nothing(&self) -> bool {
        self.group.is_none() && self.metadata.is_null()
    }

    /// Lets go of both.
    #[inline(always)]
    pub(super) fn release(&mut self) {
        if self.group.is_some() {
            self.group = None;
        }
        if !self.metadata.is_null() {
            self.set_metadata(None);
        }
    }

    /// The count goes to this cache, which is the thread's.
    #[inline(always)]
    pub(super) fn release_metadata(&mut self, cache: &ThreadCache) {
        if !self.metadata.is_null() {
            let old = std::mem::replace(&mut self.metadata, ptr::null());
            // SAFETY: the count that was held here and is given up now.
            unsafe { cache.give_back(old) };
        }
    }

    #[inline]
    pub(super) fn metadata(&self) -> Option<&Metadata> {
        // SAFETY: not null means a count of a live `Arc`, held until it is replaced or released.
        unsafe { self.metadata.as_ref() }
    }

    pub(super) fn set_metadata(&mut self, metadata: Option<Arc<Metadata>>) {
        let new = metadata.map_or(ptr::null(), Arc::into_raw);
        let old = std::mem::replace(&mut self.metadata, new);
        if !old.is_null() {
            // SAFETY: the count that was held here and is given up now.
            unsafe { pool::here().give_back(old) };
        }
    }

    /// As [`set_metadata`](Attached::set_metadata), with a count that this cache, the thread's, may have kept.
    #[inline(always)]
    pub(super) fn share_metadata(&mut self, metadata: &Arc<Metadata>, cache: &ThreadCache) {
        self.release_metadata(cache);
        self.metadata = cache.metadata.take(metadata);
    }

    pub(super) fn group(&self) -> &CStr {
        let group = self.group.as_ref().map_or(&b"\0"[..], Body::as_slice);
        CStr::from_bytes_until_nul(group).unwrap_or_default()
    }

    pub(super) fn set_group(&mut self, group: Option<Body>) {
        self.group = group;
    }
}

impl Clone for Attached {
    fn clone(&self) -> Attached {
        if !self.metadata.is_null() {
            // SAFETY: from `Arc::into_raw` with a count that is held here; the one added is the clone's.
            unsafe { Arc::increment_strong_count(self.metadata) };
        }
        Attached { metadata: self.metadata, group: self.group.clone() }
    }
}

/// A group for [`Msg::set_group_body`](super::Msg::set_group_body), to be shared by many messages. Errors: `EINVAL` for more than
/// [`GROUP_MAX_LENGTH`] bytes; `ENOMEM`.
pub fn group_body(group: &[u8]) -> Result<Body> {
    let mut with_nul = [0; GROUP_MAX_LENGTH + 1];
    let place = with_nul.get_mut(..group.len()).filter(|place| place.len() <= GROUP_MAX_LENGTH);
    place.ok_or(Errno::INVAL)?.copy_from_slice(group);
    Body::copy_from(with_nul.get(..=group.len()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::message::Msg;

    #[test]
    fn groups() {
        let mut msg = Msg::new();
        assert_eq!(msg.group(), c"");
        for len in [1, 15, 16, 254, 255] {
            msg.set_group(&vec![b'g'; len]).unwrap();
            assert_eq!(msg.group().to_bytes(), vec![b'g'; len]);
        }
        msg.set_group(&[b'h'; 256]).unwrap();
        assert_eq!(msg.group().count_bytes(), 255);
        msg.set_group(b"ab\0cd").unwrap();
        assert_eq!(msg.group(), c"ab");
        msg.set_group(b"").unwrap();
        assert_eq!(msg.group(), c"");
    }
}
