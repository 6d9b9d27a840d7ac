//! Messages written where they stay, field by field. One that is made elsewhere and moved there is read back in other pieces than
//! it was written in, for which a processor has to wait.

use super::{INLINE, Msg, TAG_BODY, TAG_INLINE};
use crate::errno::Result;
use crate::message::{Body, Metadata};
use std::mem::ManuallyDrop;
use std::ptr;
use std::sync::Arc;

/// What a message referred to: its group, its properties and its body.
pub(in crate::message) type Held = (Option<Body>, Option<Arc<Metadata>>, Option<Body>);

impl Msg {
    /// As `*self = Msg::copy_from(data)`. Errors: `ENOMEM`, with nothing changed.
    #[inline]
    pub fn become_copy_of(&mut self, data: &[u8]) -> Result<()> {
        if data.len() > INLINE {
            self.adopt(Body::copy_from(data)?);
        } else {
            self.release();
            // SAFETY: the content begins with the inline bytes, has room for `INLINE` of them, and `data` is borrowed from
            // elsewhere.
            unsafe {
                ptr::copy_nonoverlapping(data.as_ptr(), (&raw mut self.content).cast::<u8>(), data.len());
            }
            self.inline_len = data.len() as u8;
        }
        self.flags = 0;
        self.routing_id = 0;
        Ok(())
    }

    /// As `*self = Msg::new()`, with the fields written where they are.
    #[inline]
    pub fn clear(&mut self) {
        self.release();
        self.flags = 0;
        self.routing_id = 0;
    }

    /// Whether there is anything to let go of.
    #[inline(always)]
    pub(in crate::message) fn refers(&self) -> bool {
        self.tag == TAG_BODY || !self.metadata.is_null() || self.group.is_some()
    }

    /// Makes the empty message one with this body.
    #[inline]
    pub(in crate::message) fn adopt(&mut self, body: Body) {
        self.release();
        self.content.body = ManuallyDrop::new(body);
        self.tag = TAG_BODY;
    }

    /// Makes the empty message one of so many bytes that have no defined content. Errors: `ENOMEM`, with nothing changed.
    ///
    /// # Safety
    /// The bytes are written (through [`data_ptr`](Msg::data_ptr)) before anything reads them.
    #[inline]
    pub(in crate::message) unsafe fn grow_uninit(&mut self, len: usize) -> Result<()> {
        if len > INLINE {
            // SAFETY: the caller promises the same.
            self.adopt(unsafe { Body::with_len_uninit(len) }?);
        } else {
            self.inline_len = len as u8;
        }
        Ok(())
    }

    /// Writes the fields of the empty message, one by one: a message that was made elsewhere would be read back in other pieces
    /// than it was written in, for which a processor has to wait.
    ///
    /// # Safety
    /// `at` is aligned and writable; what it holds is overwritten.
    #[inline(always)]
    pub(in crate::message) unsafe fn write_empty(at: *mut Msg) {
        // SAFETY: passed on from this function's own contract. The content of no bytes may be anything.
        unsafe {
            (&raw mut (*at).metadata).write(ptr::null());
            (&raw mut (*at).group).write(None);
            (&raw mut (*at).inline_len).write(0);
            (&raw mut (*at).flags).write(0);
            (&raw mut (*at).tag).write(TAG_INLINE);
            (&raw mut (*at).routing_id).write(0);
        }
    }

    /// Makes the message one that refers to nothing and marks it with `tag`. What it referred to is dropped by the caller.
    #[inline(never)]
    pub(in crate::message) fn take_apart(&mut self, tag: u16) -> Held {
        let body = match self.tag {
            // SAFETY: the tag says that this is the field in use, and another tag is written in a moment: nobody reads it again.
            TAG_BODY => Some(unsafe { ManuallyDrop::take(&mut self.content.body) }),
            _ => None,
        };
        self.tag = tag;
        let metadata = std::mem::replace(&mut self.metadata, ptr::null());
        // SAFETY: where it is not null it is from `Arc::into_raw`, with the count that this message held and now gives up.
        let metadata = (!metadata.is_null()).then(|| unsafe { Arc::from_raw(metadata) });
        (self.group.take(), metadata, body)
    }

    /// Lets go of everything that the message refers to; what stays is an inline body of some bytes.
    #[inline]
    pub(super) fn release(&mut self) {
        if self.refers() {
            // Callbacks that this runs find the fields already emptied.
            drop(self.take_apart(TAG_INLINE));
        }
        self.tag = TAG_INLINE;
        self.inline_len = 0;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::message::counted::Counted;

    #[test]
    fn what_it_was_is_gone_when_it_becomes_another() {
        for len in [0, 40, 41, 300] {
            let counted = Counted::new(b"lent");
            let metadata = Arc::new(Metadata::new([("X-a".to_owned(), b"b".to_vec())]));
            let mut msg = Msg::from_body(counted.body());
            msg.set_metadata(Some(Arc::clone(&metadata)));
            msg.set_group(b"group").unwrap();
            msg.set_routing_id(7);
            msg.set_more(true);
            msg.become_copy_of(&vec![9; len]).unwrap();
            assert_eq!((counted.freed(), Arc::strong_count(&metadata)), (1, 1));
            assert_eq!(msg.data(), vec![9; len]);
            assert_eq!((msg.group(), msg.routing_id(), msg.more()), (c"", 0, false));
            msg.clear();
            assert!(msg.is_empty() && msg.metadata().is_none());
        }
    }
}
