//! The 64-byte message and its bytes.

use super::attached::{Attached, GROUP_MAX_LENGTH, group_body};
use super::{Body, FreeFn, MORE, Metadata, pool};
use crate::errno::Result;
use std::ffi::{CStr, c_void};
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr;
use std::sync::Arc;

/// Bodies of up to this many bytes lie inside the message: 40, and 48 with pointers of 32 bits.
pub(super) const MAX_INLINE_BYTES: usize = 64 - size_of::<Attached>() - 8;

/// Values of [`Msg::tag`]; two bytes that stale memory is unlikely to hold, and never 0: neither a closed message
/// nor zeroed memory passes for a message.
const TAG_CLOSED: u16 = 0;
const TAG_INLINE: u16 = 0xb3e1;
const TAG_BODY: u16 = 0xb3e2;
const TAG_CONSTANT: u16 = 0xb3e3;

/// What `zmq_msg_t` holds: 64 bytes, pointer-aligned, no self-pointers. Up to `MAX_INLINE_BYTES` of body lie inside.
///
/// A message may lie in C's memory: see [`in_place`](super::in_place).
#[repr(C)]
#[cfg_attr(target_pointer_width = "64", repr(align(8)))]
pub struct Msg {
    content: Content,
    attached: Attached,
    /// Of an inline body.
    inline_len: u8,
    flags: u8,
    /// Which field of `content` counts. Plain memory may hold anything, so no enum.
    tag: u16,
    routing_id: u32,
}

const _: () = assert!(size_of::<Msg>() == 64 && align_of::<Msg>() == align_of::<*const u8>());

#[repr(C)]
union Content {
    /// The first `inline_len` bytes are written.
    inline: [MaybeUninit<u8>; MAX_INLINE_BYTES],
    body: ManuallyDrop<Body>,
    constant: Constant,
}

/// Bytes that outlive every message and need no freeing: no allocation and no count for them.
#[derive(Clone, Copy)]
struct Constant {
    data: *mut u8,
    len: usize,
}

/// What memory of C's holds.
pub(super) enum Held {
    Message,
    ClosedMessage,
    Garbage,
}

// SAFETY: everything behind the pointers (`Body`, `Arc<Metadata>`, constant bytes) may be used from any thread.
unsafe impl Send for Msg {}
// SAFETY: as above; `&Msg` only reads.
unsafe impl Sync for Msg {}

impl Msg {
    /// The empty message.
    pub fn new() -> Msg {
        Msg::with_content(TAG_INLINE, Content { inline: [MaybeUninit::uninit(); MAX_INLINE_BYTES] })
    }

    /// `len` bytes to be filled in (zeroed). Errors: `ENOMEM`.
    pub fn with_len(len: usize) -> Result<Msg> {
        if len > MAX_INLINE_BYTES {
            return Ok(Msg::from_body(Body::with_len(len)?));
        }
        let mut msg =
            Msg::with_content(TAG_INLINE, Content { inline: [MaybeUninit::new(0); MAX_INLINE_BYTES] });
        msg.inline_len = len as u8;
        Ok(msg)
    }

    /// Errors: `ENOMEM`.
    pub fn copy_from(data: &[u8]) -> Result<Msg> {
        if data.len() > MAX_INLINE_BYTES {
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
        let outside = data.len() > MAX_INLINE_BYTES;
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
            self.attached.share_metadata(metadata, cache);
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
        if self.routing_id != 0 || !self.attached.is_nothing() {
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
        msg.attached = self.attached.clone();
        msg
    }

    /// The message, leaving the empty message in its place.
    pub fn take(&mut self) -> Msg {
        std::mem::take(self)
    }

    pub fn more(&self) -> bool {
        self.flags & MORE != 0
    }

    pub fn set_more(&mut self, more: bool) {
        self.flags = if more { self.flags | MORE } else { self.flags & !MORE };
    }

    /// The peer's routing id on SERVER and PEER sockets; 0 for none.
    pub fn routing_id(&self) -> u32 {
        self.routing_id
    }

    pub fn set_routing_id(&mut self, routing_id: u32) {
        self.routing_id = routing_id;
    }

    /// The properties of the connection that the message came from.
    pub fn metadata(&self) -> Option<&Metadata> {
        self.attached.metadata()
    }

    pub fn set_metadata(&mut self, metadata: Option<Arc<Metadata>>) {
        self.attached.set_metadata(metadata);
    }

    /// The RADIO/DISH group; empty for none.
    pub fn group(&self) -> &CStr {
        self.attached.group()
    }

    /// A NUL ends the group early, and so does [`GROUP_MAX_LENGTH`]. Errors: `ENOMEM`. The old group stays then.
    pub fn set_group(&mut self, group: &[u8]) -> Result<()> {
        let group = group.get(..GROUP_MAX_LENGTH).unwrap_or(group);
        self.attached.set_group(if group.is_empty() { None } else { Some(group_body(group)?) });
        Ok(())
    }

    /// A group that [`group_body`] has made.
    pub fn set_group_body(&mut self, group: Body) {
        self.attached.set_group(Some(group));
    }

    /// What the tag in this memory says.
    ///
    /// # Safety
    /// `at` is aligned and readable for 64 bytes.
    #[inline(always)]
    pub(super) unsafe fn held_at(at: *const Msg) -> Held {
        // SAFETY: as the caller promises. Read through the raw pointer: a reference would claim that the memory already is a message.
        match unsafe { (&raw const (*at).tag).read() } {
            TAG_INLINE | TAG_BODY | TAG_CONSTANT => Held::Message,
            TAG_CLOSED => Held::ClosedMessage,
            _ => Held::Garbage,
        }
    }

    /// The MORE flag in this memory.
    ///
    /// # Safety
    /// As of [`held_at`](Msg::held_at).
    #[inline(always)]
    pub(super) unsafe fn more_at(at: *const Msg) -> bool {
        // SAFETY: as the caller promises; any byte is a `u8`.
        unsafe { (&raw const (*at).flags).read() & MORE != 0 }
    }

    /// Where the bytes are, derived from `at` itself. A pointer from a `&mut Msg` would be void as soon as the next call borrows the
    /// message.
    ///
    /// # Safety
    /// A message lies at `at`, and nothing writes to it meanwhile.
    #[inline(always)]
    pub(super) unsafe fn data_at(at: *mut Msg) -> *mut u8 {
        // SAFETY: as the caller promises.
        let msg = unsafe { &*at };
        if msg.tag == TAG_INLINE { at.cast() } else { msg.data_ptr() }
    }

    /// Writes a message of `len` bytes that lie inside and are not written yet.
    ///
    /// # Safety
    /// `at` is aligned and writable for 64 bytes; `len` is no more than [`MAX_INLINE_BYTES`]; the bytes are written before they are
    /// read.
    #[inline(always)]
    pub(super) unsafe fn write_inline_at(at: *mut Msg, len: usize) {
        // SAFETY: as the caller promises.
        unsafe { Msg::write_fields_at(at, TAG_INLINE, len as u8) };
    }

    /// Writes a message that refers to the body.
    ///
    /// # Safety
    /// `at` is aligned and writable for 64 bytes.
    #[inline(always)]
    pub(super) unsafe fn write_body_at(at: *mut Msg, body: Body) {
        // SAFETY: as the caller promises; the tag goes with the content.
        unsafe {
            (&raw mut (*at).content.body).write(ManuallyDrop::new(body));
            Msg::write_fields_at(at, TAG_BODY, 0);
        }
    }

    /// Writes what closing a message leaves.
    ///
    /// # Safety
    /// `at` is aligned and writable for 64 bytes.
    pub(super) unsafe fn write_closed_at(at: *mut Msg) {
        // SAFETY: as the caller promises.
        unsafe {
            (&raw mut (*at).tag).write(TAG_CLOSED);
            (&raw mut (*at).flags).write(0);
        }
    }

    /// All but the content, field by field. A whole message would be made elsewhere and moved here. The move would read it in other
    /// pieces than it was written in, for which a processor has to wait.
    ///
    /// # Safety
    /// `at` is aligned and writable for 64 bytes, and the content is what the tag says or becomes it before it is looked at.
    #[inline(always)]
    unsafe fn write_fields_at(at: *mut Msg, tag: u16, inline_len: u8) {
        // SAFETY: as the caller promises.
        unsafe {
            (&raw mut (*at).attached).write(Attached::nothing());
            (&raw mut (*at).inline_len).write(inline_len);
            (&raw mut (*at).flags).write(0);
            (&raw mut (*at).tag).write(tag);
            (&raw mut (*at).routing_id).write(0);
        }
    }

    /// Leaves a closed message behind, before anything of it is dropped. The caller drops the body, if one is returned: that calls
    /// the program.
    #[inline(always)]
    pub(super) fn close(&mut self) -> Option<Body> {
        if self.tag != TAG_BODY && self.attached.is_nothing() {
            self.tag = TAG_CLOSED;
            return None;
        }
        let cache = pool::here();
        self.attached.release_metadata(cache);
        match self.release(TAG_CLOSED) {
            Some(body) if !body.is_lent() => {
                body.drop_with(cache);
                None
            }
            lent => lent,
        }
    }

    fn with_content(tag: u16, content: Content) -> Msg {
        Msg { content, attached: Attached::nothing(), inline_len: 0, flags: 0, tag, routing_id: 0 }
    }

    fn body_mut(&mut self) -> Option<&mut Body> {
        match self.tag {
            // SAFETY: the tag says that this is the field in use.
            TAG_BODY => Some(unsafe { &mut self.content.body }),
            _ => None,
        }
    }

    /// At most `MAX_INLINE_BYTES` bytes, where nothing outside is held.
    #[inline]
    fn write_inline(&mut self, data: &[u8]) {
        let len = data.len().min(MAX_INLINE_BYTES);
        // SAFETY: there is room for `MAX_INLINE_BYTES` bytes, borrowed mutably with `self`; any bytes may lie in `inline`.
        unsafe { ptr::copy_nonoverlapping(data.as_ptr(), (&raw mut self.content).cast(), len) };
        self.inline_len = len as u8;
    }

    /// Lets go of all that lies outside and leaves `tag` with nothing in it. The caller drops
    /// the body, and so decides what its free callback finds here.
    #[inline]
    fn release(&mut self, tag: u16) -> Option<Body> {
        let old = std::mem::replace(&mut self.tag, tag);
        self.inline_len = 0;
        self.attached.release();
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
mod tests;
