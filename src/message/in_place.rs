//! Messages in C's memory: nothing vouches for what a `zmq_msg_t` holds but a tag in it.

use super::msg::{CLOSED, INLINE, TAG_BODY, TAG_CONSTANT, TAG_INLINE};
use super::{Body, MORE, Msg, pool};
use crate::errno::{Errno, Result};
use std::mem::ManuallyDrop;
use std::ptr;

impl Msg {
    /// Makes a message in memory that holds none; what was there is overwritten, not closed. Errors: `EFAULT` for
    /// a null or misaligned pointer.
    ///
    /// # Safety
    /// `at` is null or writable for 64 bytes.
    pub unsafe fn init_at(at: *mut Msg, msg: Msg) -> Result<()> {
        if at.is_null() || !at.is_aligned() {
            return Err(Errno::FAULT);
        }
        // SAFETY: aligned, and the caller says writable.
        unsafe { at.write(msg) };
        Ok(())
    }

    /// Makes the empty message in memory that holds none. Errors: as of [`init_at`](Msg::init_at).
    ///
    /// # Safety
    /// As of [`init_at`](Msg::init_at).
    #[inline]
    pub unsafe fn init_empty_at(at: *mut Msg) -> Result<()> {
        if at.is_null() || !at.is_aligned() {
            return Err(Errno::FAULT);
        }
        // SAFETY: aligned, and the caller says writable.
        unsafe { Msg::write_fields_at(at, TAG_INLINE, 0) };
        Ok(())
    }

    /// Makes a message of `len` bytes with no defined content in memory that holds none. Errors: as of
    /// [`init_at`](Msg::init_at); `ENOMEM`, and the memory holds no message then, so that closing it is `EFAULT` as well.
    ///
    /// # Safety
    /// As of [`init_at`](Msg::init_at), and the bytes are written before anything reads them.
    #[inline]
    pub unsafe fn init_len_at(at: *mut Msg, len: usize) -> Result<()> {
        if at.is_null() || !at.is_aligned() {
            return Err(Errno::FAULT);
        }
        if len <= INLINE {
            // SAFETY: aligned, and the caller says writable; the content is bytes, of which the caller answers for.
            unsafe { Msg::write_fields_at(at, TAG_INLINE, len as u8) };
            return Ok(());
        }
        // SAFETY: the caller promises the same.
        match unsafe { Body::with_len_uninit(len) } {
            Ok(body) => {
                // SAFETY: aligned, and the caller says writable; the tag goes with the content.
                unsafe {
                    (&raw mut (*at).content.body).write(ManuallyDrop::new(body));
                    Msg::write_fields_at(at, TAG_BODY, 0);
                }
                Ok(())
            }
            // SAFETY: as the caller promises.
            Err(errno) => unsafe { Msg::void_at(at) }.and(Err(errno)),
        }
    }

    /// The message in this memory. Errors: `EFAULT` for a null or misaligned pointer, a closed message, or memory
    /// that holds none.
    ///
    /// # Safety
    /// `at` is null or points at 64 readable and writable bytes that nothing else uses during `'a`. A message in them was made by
    /// [`init_at`](Msg::init_at), or moved there whole.
    pub unsafe fn at<'a>(at: *mut Msg) -> Result<&'a mut Msg> {
        // SAFETY: as the caller promises.
        match unsafe { Msg::peek_tag(at) }? {
            // SAFETY: aligned, the caller's to borrow, and the tag says that it is a message.
            TAG_INLINE | TAG_BODY | TAG_CONSTANT => Ok(unsafe { &mut *at }),
            _ => Err(Errno::FAULT),
        }
    }

    /// As [`at`](Msg::at), for reading only.
    ///
    /// # Safety
    /// As of `at`, but others may read too.
    pub unsafe fn at_ref<'a>(at: *const Msg) -> Result<&'a Msg> {
        // SAFETY: as the caller promises.
        match unsafe { Msg::peek_tag(at) }? {
            // SAFETY: aligned, readable, and the tag says that it is a message.
            TAG_INLINE | TAG_BODY | TAG_CONSTANT => Ok(unsafe { &*at }),
            _ => Err(Errno::FAULT),
        }
    }

    /// The MORE flag of a message or of a closed one: programs ask for it right after closing, and libzmq answers.
    /// Errors: as of [`at`](Msg::at), but not for closed messages.
    ///
    /// # Safety
    /// As of [`at_ref`](Msg::at_ref).
    pub unsafe fn more_at(at: *const Msg) -> Result<bool> {
        // SAFETY: as the caller promises.
        match unsafe { Msg::peek_tag(at) }? {
            // SAFETY: `peek_tag` found the memory aligned, the caller says that it is readable; any byte is a `u8`.
            CLOSED | TAG_INLINE | TAG_BODY | TAG_CONSTANT => Ok(unsafe { (*at).flags } & MORE != 0),
            _ => Err(Errno::FAULT),
        }
    }

    /// Ends the message in this memory, which holds none afterwards. A body that the program has lent is the caller's to drop:
    /// that calls the program. Errors: as of [`at`](Msg::at).
    ///
    /// # Safety
    /// As of [`at`](Msg::at).
    #[inline]
    pub unsafe fn close_at(at: *mut Msg) -> Result<Option<Body>> {
        // The memory is marked before the body drops, and no longer borrowed then: a free callback that closes the same message
        // again gets EFAULT instead of a second free.
        // SAFETY: as the caller promises.
        let msg = unsafe { Msg::at(at) }?;
        if msg.is_bare() {
            msg.tag = CLOSED;
            return Ok(None);
        }
        let cache = pool::here();
        if !msg.metadata.is_null() {
            let metadata = std::mem::replace(&mut msg.metadata, ptr::null());
            // SAFETY: the count that this message held and now gives up.
            unsafe { cache.give_back(metadata) };
        }
        match msg.release(CLOSED) {
            Some(body) if !body.is_lent() => {
                body.drop_with(cache);
                Ok(None)
            }
            lent => Ok(lent),
        }
    }

    /// Where the bytes of the message in this memory are. Derived from `at` itself: a pointer from a `&mut Msg` would be
    /// void as soon as the next call borrows the message, and C keeps it longer. Errors: as of [`at`](Msg::at).
    ///
    /// # Safety
    /// As of [`at_ref`](Msg::at_ref); writing to the bytes is the caller's to answer for.
    pub unsafe fn data_at(at: *mut Msg) -> Result<*mut u8> {
        // SAFETY: as the caller promises.
        let msg = unsafe { Msg::at_ref(at) }?;
        Ok(if msg.tag == TAG_INLINE { at.cast() } else { msg.data_ptr() })
    }

    /// Makes memory hold no message; a message that it held is not closed. Errors: `EFAULT` for a null or misaligned
    /// pointer.
    ///
    /// # Safety
    /// As of [`init_at`](Msg::init_at).
    pub unsafe fn void_at(at: *mut Msg) -> Result<()> {
        if at.is_null() || !at.is_aligned() {
            return Err(Errno::FAULT);
        }
        // SAFETY: aligned, and the caller says writable.
        unsafe {
            (&raw mut (*at).tag).write(CLOSED);
            (&raw mut (*at).flags).write(0);
        }
        Ok(())
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
            (&raw mut (*at).metadata).write(ptr::null());
            (&raw mut (*at).group).write(None);
            (&raw mut (*at).inline_len).write(inline_len);
            (&raw mut (*at).flags).write(0);
            (&raw mut (*at).tag).write(tag);
            (&raw mut (*at).routing_id).write(0);
        }
    }

    /// # Safety
    /// `at` is null or readable for 64 bytes.
    unsafe fn peek_tag(at: *const Msg) -> Result<u16> {
        if at.is_null() || !at.is_aligned() {
            return Err(Errno::FAULT);
        }
        // SAFETY: aligned, and the caller says readable. Read through the raw pointer: a reference would claim
        // that the memory already is a message.
        Ok(unsafe { (&raw const (*at).tag).read() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::message::counted::Counted;
    use std::mem::MaybeUninit;

    #[test]
    fn memory_without_a_message_is_efault() {
        let mut memory = MaybeUninit::<Msg>::zeroed();
        let at = memory.as_mut_ptr();
        // SAFETY: 64 writable bytes, used by this test alone; or null.
        unsafe {
            assert_eq!(Msg::at(ptr::null_mut()).unwrap_err(), Errno::FAULT);
            assert_eq!(Msg::init_at(at.wrapping_byte_add(4), Msg::new()), Err(Errno::FAULT));
            for fill in [0x00, 0x01, 0x65, 0x68, 0xa5, 0xcc, 0xff] {
                at.write_bytes(fill, 1);
                assert_eq!(Msg::at(at).unwrap_err(), Errno::FAULT, "{fill:#x}");
                assert_eq!(Msg::close_at(at).unwrap_err(), Errno::FAULT);
            }
        }
    }

    #[test]
    fn closing_in_place() {
        let counted = Counted::new(b"lent");
        let mut memory = MaybeUninit::<Msg>::zeroed();
        let at = memory.as_mut_ptr();
        // SAFETY: 64 writable bytes, used by this test alone.
        unsafe {
            Msg::init_at(at, Msg::from_body(counted.body())).unwrap();
            Msg::at(at).unwrap().set_more(true);
            assert_eq!(Msg::at_ref(at).unwrap().data(), b"lent");
            drop(Msg::close_at(at).unwrap());
            assert_eq!(counted.freed(), 1);
            assert_eq!(Msg::close_at(at).unwrap_err(), Errno::FAULT);
            assert_eq!((counted.freed(), Msg::more_at(at)), (1, Ok(true)));
            // The memory may be used again.
            Msg::init_at(at, Msg::new()).unwrap();
            assert_eq!(Msg::more_at(at), Ok(false));
            drop(Msg::close_at(at).unwrap());
        }
    }
}
