//! Messages in C's memory: nothing vouches for what a `zmq_msg_t` holds but a tag in it.

use super::msg::{CLOSED, TAG_BODY, TAG_CONSTANT, TAG_INLINE};
use super::{MORE, Msg};
use crate::errno::{Errno, Result};

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

    /// Makes a message of `len` bytes with no defined content, so that large ones are not written twice, in memory that holds
    /// none; what was there is overwritten, not closed. Errors: `EFAULT` for a null or misaligned pointer; `ENOMEM`, and then it
    /// holds none.
    ///
    /// # Safety
    /// `at` is null or writable for 64 bytes, and the message's bytes are written before anything reads them.
    #[inline]
    pub unsafe fn init_len_at(at: *mut Msg, len: usize) -> Result<()> {
        if at.is_null() || !at.is_aligned() {
            return Err(Errno::FAULT);
        }
        // SAFETY: aligned, and the caller says writable; then it is a message.
        let msg = unsafe {
            Msg::write_empty(at);
            &mut *at
        };
        // SAFETY: the caller promises as much.
        unsafe { msg.grow_uninit(len) }.inspect_err(|_| msg.tag = CLOSED)
    }

    /// The message in this memory. Errors: `EFAULT` for a null or misaligned pointer, a closed message, or memory
    /// that holds none.
    ///
    /// # Safety
    /// `at` is null or points at 64 readable and writable bytes that nothing else uses during `'a`, and if they
    /// hold a message then it was made by [`init_at`](Msg::init_at) (or moved there whole).
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

    /// Ends the message in this memory, which holds none afterwards. Errors: as of [`at`](Msg::at).
    ///
    /// # Safety
    /// As of [`at`](Msg::at).
    pub unsafe fn close_at(at: *mut Msg) -> Result<()> {
        // SAFETY: as the caller promises.
        let msg = unsafe { Msg::at(at) }?;
        if msg.refers() {
            // The memory is marked before what the message held drops: a free callback that closes the same message again
            // gets EFAULT instead of a second free.
            drop(msg.take_apart(CLOSED));
        } else {
            msg.tag = CLOSED;
        }
        Ok(())
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

    /// Makes memory hold no message, whatever it held; nothing is closed. Errors: `EFAULT` for a null or misaligned
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
    use std::ptr;

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
                assert_eq!(Msg::close_at(at), Err(Errno::FAULT));
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
            Msg::close_at(at).unwrap();
            assert_eq!(counted.freed(), 1);
            assert_eq!(Msg::close_at(at), Err(Errno::FAULT));
            assert_eq!((counted.freed(), Msg::more_at(at)), (1, Ok(true)));
            // The memory may be used again.
            Msg::init_at(at, Msg::new()).unwrap();
            assert_eq!(Msg::more_at(at), Ok(false));
            Msg::close_at(at).unwrap();
        }
    }
}
