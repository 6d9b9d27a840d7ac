//! The 64-byte message and its bytes.

use super::{Body, FreeFn, MORE, Metadata, pool};
use crate::errno::Result;
use std::ffi::c_void;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr;
use std::sync::Arc;

/// Bodies of up to this many bytes lie inside the message.
pub(super) const INLINE: usize = 40;

/// Values of [`Msg::tag`]; two bytes that stale memory is unlikely to hold, and never 0: neither a closed message
/// nor zeroed memory passes for a message.
pub(super) const CLOSED: u16 = 0;
pub(super) const TAG_INLINE: u16 = 0xb3e1;
pub(super) const TAG_BODY: u16 = 0xb3e2;
pub(super) const TAG_CONSTANT: u16 = 0xb3e3;

/// What `zmq_msg_t` holds: 64 bytes, pointer-aligned, no self-pointers. Up to 40 bytes of body lie inside.
///
/// A message may lie in C's memory. There it is made by [`Msg::init_at`], reached by [`Msg::at`], which tells a
/// message from a closed one or garbage, and ended by [`Msg::close_at`].
#[repr(C, align(8))]
pub struct Msg {
    pub(super) content: Content,
    /// From `Arc::into_raw` or `KeptCount::take`, one count of it; null without properties.
    pub(super) metadata: *const Metadata,
    /// The group with a NUL after it.
    pub(super) group: Option<Body>,
    /// Of an inline body.
    pub(super) inline_len: u8,
    pub(super) flags: u8,
    /// Which field of `content` counts. Plain memory may hold anything, so no enum.
    pub(super) tag: u16,
    pub(super) routing_id: u32,
}

const _: () = assert!(size_of::<Msg>() == 64 && align_of::<Msg>() == 8);

#[repr(C)]
pub(super) union Content {
    /// The first `inline_len` bytes are written.
    inline: [MaybeUninit<u8>; INLINE],
    pub(super) body: ManuallyDrop<Body>,
    constant: Constant,
}

/// Bytes that outlive every message and need no freeing: no allocation and no count for them.
#[derive(Clone, Copy)]
struct Constant {
    data: *mut u8,
    len: usize,
}

// SAFETY: everything behind the pointers (`Body`, `Arc<Metadata>`, constant bytes) may be used from any thread.
unsafe impl Send for Msg {}
// SAFETY: as above; `&Msg` only reads.
unsafe impl Sync for Msg {}

impl Msg {
    /// The empty message.
    pub fn new() -> Msg {
        Msg::with_content(TAG_INLINE, Content { inline: [MaybeUninit::uninit(); INLINE] })
    }

    /// `len` bytes to be filled in (zeroed). Errors: `ENOMEM`.
    pub fn with_len(len: usize) -> Result<Msg> {
        if len > INLINE {
            return Ok(Msg::from_body(Body::with_len(len)?));
        }
        let mut msg = Msg::with_content(TAG_INLINE, Content { inline: [MaybeUninit::new(0); INLINE] });
        msg.inline_len = len as u8;
        Ok(msg)
    }

    /// Errors: `ENOMEM`.
    pub fn copy_from(data: &[u8]) -> Result<Msg> {
        if data.len() > INLINE {
            return Ok(Msg::from_body(Body::copy_from(data)?));
        }
        let mut msg = Msg::new();
        msg.write_inline(data);
        Ok(msg)
    }

    /// Makes this the message of a copy of `data`, where it lies. Made elsewhere and moved here, it would be written in narrow pieces
    /// and read back in wide ones, for which a processor has to wait. Errors: `ENOMEM`, and it stays what it was.
    #[inline]
    pub fn refill(&mut self, data: &[u8], more: bool, metadata: Option<&Arc<Metadata>>) -> Result<()> {
        let outside = data.len() > INLINE;
        let cache = (outside || metadata.is_some()).then(pool::here);
        let body = match cache {
            Some(cache) if outside => Some(Body::copy_with(cache, data)?),
            _ => None,
        };
        drop(self.release(TAG_INLINE));
        match body {
            Some(body) => {
                self.content.body = ManuallyDrop::new(body);
                self.tag = TAG_BODY;
            }
            None => self.write_inline(data),
        }
        self.flags = if more { MORE } else { 0 };
        self.routing_id = 0;
        if let (Some(metadata), Some(cache)) = (metadata, cache) {
            self.metadata = cache.metadata.take(metadata);
        }
        Ok(())
    }

    /// Makes this the empty message, where it lies.
    #[inline(always)]
    pub fn clear(&mut self) {
        let body = self.release(TAG_INLINE);
        self.flags = 0;
        self.routing_id = 0;
        if let Some(body) = body {
            body.drop_with(pool::here());
        }
    }

    /// The bytes of a message that is nothing but bytes of ours: a sender of them need not know of the message.
    #[inline]
    pub fn bare_bytes(&self) -> Option<&[u8]> {
        if self.routing_id != 0 || self.group.is_some() || !self.metadata.is_null() {
            return None;
        }
        match self.tag {
            // SAFETY: the tag says that the content is `inline`, whose first `inline_len` bytes are written.
            TAG_INLINE => Some(unsafe {
                std::slice::from_raw_parts((&raw const self.content).cast(), usize::from(self.inline_len))
            }),
            TAG_BODY => {
                // SAFETY: the tag says that this is the field in use.
                let body = unsafe { &self.content.body };
                (!body.is_lent() && !body.is_static()).then(|| body.as_slice())
            }
            _ => None,
        }
    }

    /// Whether the content is a body of ours.
    #[inline]
    pub fn has_own_body(&self) -> bool {
        // SAFETY: the tag says that this is the field in use.
        self.tag == TAG_BODY && unsafe { !self.content.body.is_lent() && !self.content.body.is_static() }
    }

    /// The body, if there is one: the empty message stays.
    #[inline]
    pub fn take_body(&mut self) -> Option<Body> {
        self.flags = 0;
        self.routing_id = 0;
        self.release(TAG_INLINE)
    }

    /// Refers to the body, however small it is.
    pub fn from_body(body: Body) -> Msg {
        Msg::with_content(TAG_BODY, Content { body: ManuallyDrop::new(body) })
    }

    /// Refers to bytes of the program's own (`zmq_msg_init_data`): see [`Body::external`]. Without `free` nothing is
    /// allocated. Errors: `ENOMEM` (then `free` is not called).
    ///
    /// # Safety
    /// That of [`Body::external`].
    pub unsafe fn external(
        data: *mut u8,
        len: usize,
        free: Option<FreeFn>,
        hint: *mut c_void,
    ) -> Result<Msg> {
        if free.is_none() {
            return Ok(Msg::with_content(TAG_CONSTANT, Content { constant: Constant { data, len } }));
        }
        // SAFETY: the caller's promise is `external`'s.
        Ok(Msg::from_body(unsafe { Body::external(data, len, free, hint) }?))
    }

    pub fn data(&self) -> &[u8] {
        let data = self.data_ptr();
        if data.is_null() {
            return &[];
        }
        // SAFETY: `data_ptr` points at `len` bytes, which live and stay unchanged as long as the message does.
        unsafe { std::slice::from_raw_parts(data, self.len()) }
    }

    /// The bytes for writing. Bytes that are shared, lent or constant are copied first; where memory for that is
    /// lacking the slice is empty.
    pub fn data_mut(&mut self) -> &mut [u8] {
        if self.tag == TAG_INLINE {
            let (len, start) = (self.len(), (&raw mut self.content).cast::<u8>());
            // SAFETY: the first `inline_len` bytes of an inline body are written and at the content's start.
            return unsafe { std::slice::from_raw_parts_mut(start, len) };
        }
        if self.body_mut().is_none_or(|body| body.as_mut_slice().is_none()) {
            let Ok(own) = Body::copy_from(self.data()) else { return &mut [] };
            self.replace_content(TAG_BODY, Content { body: ManuallyDrop::new(own) });
        }
        self.body_mut().and_then(Body::as_mut_slice).unwrap_or_default()
    }

    /// Where the bytes are, as `zmq_msg_data` tells; stays valid until the message is moved, changed or dropped,
    /// for a body outside the 64 bytes until the last reference to it is. Null for lent data that is null.
    pub fn data_ptr(&self) -> *mut u8 {
        match self.tag {
            // SAFETY: the tag says that this is the field in use.
            TAG_BODY => unsafe { &self.content.body }.as_ptr(),
            // SAFETY: as above.
            TAG_CONSTANT => unsafe { self.content.constant.data },
            _ => (&raw const self.content).cast_mut().cast(),
        }
    }

    pub fn len(&self) -> usize {
        match self.tag {
            // SAFETY: the tag says that this is the field in use.
            TAG_BODY => unsafe { &self.content.body }.len(),
            // SAFETY: as above.
            TAG_CONSTANT => unsafe { self.content.constant.len },
            _ => usize::from(self.inline_len),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A shared reference to the body, for a pipe to keep; `None` where the body lies inside the 64 bytes (or,
    /// for constant data, where memory for a reference is lacking: copy it then).
    pub fn share(&mut self) -> Option<Body> {
        if self.tag == TAG_CONSTANT {
            // SAFETY: the tag says that this is the field in use.
            let Constant { data, len } = unsafe { self.content.constant };
            // SAFETY: the caller that made the message promised as much for constant data.
            let body = unsafe { Body::external(data, len, None, ptr::null_mut()) }.ok()?;
            self.replace_content(TAG_BODY, Content { body: ManuallyDrop::new(body) });
        }
        self.body_mut().cloned()
    }

    /// Whether to let go of the body may call the program.
    #[inline]
    pub fn may_call_back(&self) -> bool {
        // SAFETY: the tag says that this is the field in use.
        self.tag == TAG_BODY && unsafe { self.content.body.is_lent() }
    }

    /// Whether the body has bytes, and they are the program's until its free callback is called.
    pub fn is_lent(&self) -> bool {
        self.may_call_back() && !self.is_empty()
    }

    /// Whether the body may be in use elsewhere too, so must not be written to (`ZMQ_SHARED`).
    pub fn is_shared(&self) -> bool {
        match self.tag {
            TAG_BODY => {
                // SAFETY: the tag says that this is the field in use.
                let body = unsafe { &self.content.body };
                body.is_static() || !body.is_unique()
            }
            TAG_CONSTANT => true,
            _ => false,
        }
    }

    /// Another message with the same content (by reference where it is large), flags and properties.
    pub fn copy(&mut self) -> Msg {
        let content = match self.tag {
            // SAFETY: the tag says that this is the field in use.
            TAG_BODY => Content { body: unsafe { &self.content.body }.clone() },
            // SAFETY: the other fields are plain bytes, for which the content's own bytes are copied.
            _ => unsafe { ptr::read(&raw const self.content) },
        };
        let mut msg = Msg::with_content(self.tag, content);
        msg.inline_len = self.inline_len;
        msg.flags = self.flags;
        msg.routing_id = self.routing_id;
        msg.group = self.group.clone();
        msg.set_metadata(self.metadata_arc());
        msg
    }

    /// The message, leaving the empty message in its place.
    pub fn take(&mut self) -> Msg {
        std::mem::take(self)
    }

    fn with_content(tag: u16, content: Content) -> Msg {
        Msg { content, metadata: ptr::null(), group: None, inline_len: 0, flags: 0, tag, routing_id: 0 }
    }

    fn body_mut(&mut self) -> Option<&mut Body> {
        match self.tag {
            // SAFETY: the tag says that this is the field in use.
            TAG_BODY => Some(unsafe { &mut self.content.body }),
            _ => None,
        }
    }

    /// At most `INLINE` bytes, where nothing outside is held.
    #[inline]
    fn write_inline(&mut self, data: &[u8]) {
        let len = data.len().min(INLINE);
        // SAFETY: there is room for `INLINE` bytes, borrowed mutably with `self`; any bytes may lie in `inline`.
        unsafe { ptr::copy_nonoverlapping(data.as_ptr(), (&raw mut self.content).cast(), len) };
        self.inline_len = len as u8;
    }

    /// Whether the 64 bytes are all there is.
    #[inline]
    pub(super) fn is_bare(&self) -> bool {
        self.tag != TAG_BODY && self.group.is_none() && self.metadata.is_null()
    }

    /// Lets go of all that lies outside and leaves `tag` with nothing in it. The caller drops
    /// the body, and so decides what its free callback finds here.
    #[inline]
    pub(super) fn release(&mut self, tag: u16) -> Option<Body> {
        let old = std::mem::replace(&mut self.tag, tag);
        self.inline_len = 0;
        if self.group.is_some() {
            self.group = None;
        }
        if !self.metadata.is_null() {
            self.set_metadata(None);
        }
        // SAFETY: the old tag says that this is the field in use; with the new one it is not looked at again.
        (old == TAG_BODY)
            .then(|| ManuallyDrop::into_inner(unsafe { ptr::read(&raw const self.content.body) }))
    }

    fn replace_content(&mut self, tag: u16, content: Content) {
        // Nothing of the old content is reachable through `self` by the time it drops.
        let old_tag = std::mem::replace(&mut self.tag, tag);
        let mut old = std::mem::replace(&mut self.content, content);
        if old_tag == TAG_BODY {
            // SAFETY: the old tag says that this is the field in use; `old` is not used again.
            unsafe { ManuallyDrop::drop(&mut old.body) };
        }
    }
}

impl Drop for Msg {
    fn drop(&mut self) {
        // All callbacks that this runs find the fields already emptied.
        drop(self.release(TAG_INLINE));
    }
}

impl Default for Msg {
    fn default() -> Msg {
        Msg::new()
    }
}

impl std::fmt::Debug for Msg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Msg").field("len", &self.len()).field("more", &self.more()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::errno::Errno;
    use crate::message::counted::Counted;
    use std::mem::offset_of;

    fn lent(counted: &Counted) -> Msg {
        Msg::from_body(counted.body())
    }

    #[test]
    fn sixty_four_bytes() {
        assert_eq!((size_of::<Msg>(), align_of::<Msg>()), (64, 8));
        assert_eq!(offset_of!(Msg, metadata), INLINE);
        assert_eq!(size_of::<Content>(), INLINE);
    }

    #[test]
    fn small_bodies_lie_inside_and_large_ones_outside() {
        let data: Vec<u8> = (0..=255).collect();
        for len in [0, 1, 33, 39, 40, 41, 64, 256] {
            let msg = Msg::copy_from(&data[..len]).unwrap();
            assert_eq!(msg.data(), &data[..len]);
            let start = ptr::from_ref(&msg) as usize;
            let inside = (start..start + 64).contains(&(msg.data_ptr() as usize));
            assert_eq!(inside, len <= INLINE, "{len}");
            let moved = Box::new(msg);
            assert_eq!(moved.data(), &data[..len]);
        }
    }

    #[test]
    fn new_lengths_are_zeroed_and_writable() {
        for len in [0, 40, 41, 100_000] {
            let mut msg = Msg::with_len(len).unwrap();
            assert!(msg.len() == len && msg.data().iter().all(|&byte| byte == 0));
            msg.data_mut().fill(9);
            assert!(msg.data().iter().all(|&byte| byte == 9));
        }
        assert_eq!(Msg::with_len(usize::MAX).unwrap_err(), Errno::NOMEM);
    }

    #[test]
    fn a_copy_carries_everything() {
        let metadata = Arc::new(Metadata::new([("X-a".to_owned(), b"b".to_vec())]));
        for len in [5, 5000] {
            let mut msg = Msg::copy_from(&vec![1; len]).unwrap();
            msg.set_more(true);
            msg.set_routing_id(77);
            msg.set_group(b"gr").unwrap();
            msg.set_metadata(Some(Arc::clone(&metadata)));
            let copy = msg.copy();
            drop(msg);
            assert_eq!(copy.data(), vec![1; len]);
            assert!(copy.more() && copy.routing_id() == 77 && copy.group() == c"gr");
            assert_eq!(copy.metadata().unwrap().property(c"X-a"), Some(c"b"));
        }
        // This thread may keep one for the next message.
        Msg::new().refill(b"", false, Some(&Arc::new(Metadata::default()))).unwrap();
        assert_eq!(Arc::strong_count(&metadata), 1);
    }

    #[test]
    fn writing_to_a_copy_leaves_the_original_alone() {
        let mut msg = Msg::copy_from(&[1; 100]).unwrap();
        let mut copy = msg.copy();
        assert!(msg.is_shared() && copy.is_shared());
        assert_eq!(msg.data_ptr(), copy.data_ptr());
        copy.data_mut()[0] = 2;
        assert_eq!((msg.data()[0], copy.data()[0], copy.len()), (1, 2, 100));
        assert!(!msg.is_shared() && !copy.is_shared());
    }

    #[test]
    fn shared_as_zmq_msg_get_tells() {
        let mut inline = Msg::copy_from(b"small").unwrap();
        let copy = inline.copy();
        assert!(!inline.is_shared() && !copy.is_shared() && inline.share().is_none());
        let mut large = Msg::with_len(1024).unwrap();
        assert!(!large.is_shared());
        let kept = large.share().unwrap();
        assert!(large.is_shared());
        drop(kept);
        assert!(!large.is_shared());
    }

    #[test]
    fn constants_are_used_where_they_lie() {
        let data = b"constant";
        // SAFETY: constant data.
        let mut msg = unsafe { Msg::external(data.as_ptr().cast_mut(), 8, None, ptr::null_mut()) }.unwrap();
        assert!(msg.is_shared());
        let copy = msg.copy();
        let body = msg.share().unwrap();
        for at in [msg.data_ptr(), copy.data_ptr(), body.as_ptr()] {
            assert_eq!(at.cast_const(), data.as_ptr());
        }
        assert!(msg.is_shared() && copy.is_shared());
        drop(body);
        assert!(msg.is_shared());
        msg.data_mut()[0] = b'C';
        assert_eq!((msg.data(), copy.data()), (&b"Constant"[..], &b"constant"[..]));
    }

    #[test]
    fn nothing_lent() {
        // SAFETY: no bytes.
        let mut msg = unsafe { Msg::external(ptr::null_mut(), 0, None, ptr::null_mut()) }.unwrap();
        assert!(msg.data().is_empty() && msg.data_mut().is_empty());
    }

    #[test]
    fn the_callback_runs_once_across_copies() {
        let counted = Counted::new(b"lent bytes");
        let mut msg = lent(&counted);
        let mut copies: Vec<Msg> = (0..10).map(|_| msg.copy()).collect();
        let kept = msg.share().unwrap();
        copies[3].data_mut()[0] = b'L';
        drop(msg);
        drop(kept);
        std::thread::spawn(move || drop(copies.split_off(5))).join().unwrap();
        assert_eq!(counted.freed(), 1);
    }
}
