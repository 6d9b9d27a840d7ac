//! Messages in C's memory: nothing vouches for what a `zmq_msg_t` holds but a tag in it.
//!
//! Up to libzmq 4.1 the type was 64 bytes without an alignment. A program that was compiled with it may have a message at any address, which
//! the processor does not mind and Rust does: [`elsewhere`] serves it there.

use super::msg::{Held, MAX_INLINE_BYTES};
use super::{Body, Msg};
use crate::errno::{Errno, Result};
use std::mem::MaybeUninit;

/// Makes a message in memory that holds none; what was there is overwritten, not closed. Errors: `EFAULT` for
/// a null or misaligned pointer.
///
/// # Safety
/// `at` is null or writable for 64 bytes.
pub unsafe fn init(at: *mut Msg, msg: Msg) -> Result<()> {
    usable(at)?;
    // SAFETY: aligned, and the caller says writable.
    unsafe { at.write(msg) };
    Ok(())
}

/// Makes the empty message in memory that holds none. Errors: as of [`init`].
///
/// # Safety
/// As of [`init`].
#[inline]
pub unsafe fn init_empty(at: *mut Msg) -> Result<()> {
    usable(at)?;
    // SAFETY: aligned, and the caller says writable.
    unsafe { Msg::write_inline_at(at, 0) };
    Ok(())
}

/// Makes a message of `len` bytes with no defined content in memory that holds none. Errors: as of [`init`]; `ENOMEM`, and the
/// memory holds no message then, so that closing it is `EFAULT` as well.
///
/// # Safety
/// As of [`init`], and the bytes are written before anything reads them.
#[inline]
pub unsafe fn init_len(at: *mut Msg, len: usize) -> Result<()> {
    usable(at)?;
    if len <= MAX_INLINE_BYTES {
        // SAFETY: aligned, and the caller says writable; for the content the caller answers.
        unsafe { Msg::write_inline_at(at, len) };
        return Ok(());
    }
    // SAFETY: the caller promises the same.
    match unsafe { Body::with_len_uninit(len) } {
        Ok(body) => {
            // SAFETY: aligned, and the caller says writable.
            unsafe { Msg::write_body_at(at, body) };
            Ok(())
        }
        // SAFETY: as the caller promises.
        Err(errno) => unsafe { void(at) }.and(Err(errno)),
    }
}

/// The message in this memory. Errors: `EFAULT` for a null or misaligned pointer, a closed message, or memory
/// that holds none.
///
/// # Safety
/// `at` is null or points at 64 readable and writable bytes that nothing else uses during `'a`. A message in them was made by
/// [`init`], or moved there whole.
pub unsafe fn message<'a>(at: *mut Msg) -> Result<&'a mut Msg> {
    // SAFETY: as the caller promises.
    match unsafe { held(at) }? {
        // SAFETY: aligned, the caller's to borrow, and the tag says that it is a message.
        Held::Message => Ok(unsafe { &mut *at }),
        Held::ClosedMessage | Held::Garbage => Err(Errno::FAULT),
    }
}

/// As [`message`], for reading only.
///
/// # Safety
/// As of [`message`], but others may read too.
pub unsafe fn message_ref<'a>(at: *const Msg) -> Result<&'a Msg> {
    // SAFETY: as the caller promises.
    match unsafe { held(at) }? {
        // SAFETY: aligned, readable, and the tag says that it is a message.
        Held::Message => Ok(unsafe { &*at }),
        Held::ClosedMessage | Held::Garbage => Err(Errno::FAULT),
    }
}

/// The MORE flag of a message or of a closed one: programs ask for it right after closing, and libzmq answers.
/// Errors: as of [`message`], but not for closed messages.
///
/// # Safety
/// As of [`message_ref`].
pub unsafe fn more(at: *const Msg) -> Result<bool> {
    // SAFETY: as the caller promises.
    match unsafe { held(at) }? {
        // SAFETY: `held` found the memory aligned, the caller says that it is readable.
        Held::Message | Held::ClosedMessage => Ok(unsafe { Msg::more_at(at) }),
        Held::Garbage => Err(Errno::FAULT),
    }
}

/// Ends the message in this memory, which holds none afterwards. A body that the program has lent is the caller's to drop:
/// that calls the program. Errors: as of [`message`].
///
/// # Safety
/// As of [`message`].
#[inline]
pub unsafe fn close(at: *mut Msg) -> Result<Option<Body>> {
    // The memory is marked before the body drops, and no longer borrowed then: a free callback that closes the same message
    // again gets EFAULT instead of a second free.
    // SAFETY: as the caller promises.
    unsafe { message(at) }.map(Msg::close)
}

/// Where the bytes of the message in this memory are: C keeps the address longer than a borrow of the message. Errors: as of
/// [`message`].
///
/// # Safety
/// As of [`message_ref`]; writing to the bytes is the caller's to answer for.
pub unsafe fn data(at: *mut Msg) -> Result<*mut u8> {
    // SAFETY: as the caller promises.
    unsafe { message_ref(at) }?;
    // SAFETY: a message lies there.
    Ok(unsafe { Msg::data_at(at) })
}

/// Makes memory hold no message; a message that it held is not closed. Errors: `EFAULT` for a null or misaligned
/// pointer.
///
/// # Safety
/// As of [`init`].
pub unsafe fn void(at: *mut Msg) -> Result<()> {
    usable(at)?;
    // SAFETY: aligned, and the caller says writable.
    unsafe { Msg::write_closed_at(at) };
    Ok(())
}

/// Whether [`elsewhere`] is needed.
#[inline(always)]
pub fn is_misaligned(at: *const Msg) -> bool {
    !at.is_aligned()
}

/// Does something with a message at an address that no message of the library's has: it lies elsewhere meanwhile. The memory holds the
/// empty message then, so that a thread that is cancelled leaves nothing there that is used twice.
///
/// # Safety
/// `at` points at 64 readable and writable bytes that nothing else uses.
#[cold]
pub unsafe fn elsewhere<T>(at: *mut Msg, act: impl FnOnce(*mut Msg) -> T) -> T {
    let (mut room, mut empty) = (MaybeUninit::<Msg>::uninit(), MaybeUninit::<Msg>::uninit());
    // SAFETY: the caller says that the bytes can be read and written; the rest is memory of this function's. Bytes need no alignment.
    unsafe {
        copy(at, room.as_mut_ptr());
        Msg::write_inline_at(empty.as_mut_ptr(), 0);
        copy(empty.as_ptr(), at);
        let outcome = act(room.as_mut_ptr());
        copy(room.as_ptr(), at);
        outcome
    }
}

/// As [`elsewhere`], for reading only: others may read too.
///
/// # Safety
/// `at` points at 64 readable bytes that nothing writes to.
#[cold]
pub unsafe fn elsewhere_ref<T>(at: *const Msg, act: impl FnOnce(*const Msg) -> T) -> T {
    let mut room = MaybeUninit::<Msg>::uninit();
    // SAFETY: as of `elsewhere`. What is read here is never dropped.
    unsafe { copy(at, room.as_mut_ptr()) };
    act(room.as_ptr())
}

/// As [`data`], of a message at an address that no message of the library's has.
///
/// # Safety
/// As of [`data`] and [`elsewhere_ref`].
#[cold]
pub unsafe fn data_elsewhere(at: *mut Msg) -> Result<*mut u8> {
    // SAFETY: as the caller promises.
    unsafe {
        elsewhere_ref(at, |room| {
            let data = data(room.cast_mut())?;
            // Small ones lie inside the message, and so where the program has it.
            let inside = data.addr().wrapping_sub(room.addr());
            Ok(if inside < size_of::<Msg>() { at.cast::<u8>().wrapping_add(inside) } else { data })
        })
    }
}

/// # Safety
/// `from` is readable and `to` writable for 64 bytes, of any alignment. They do not overlap.
unsafe fn copy(from: *const Msg, to: *mut Msg) {
    // SAFETY: as the caller promises.
    unsafe { std::ptr::copy_nonoverlapping(from.cast::<u8>(), to.cast::<u8>(), size_of::<Msg>()) };
}

/// # Safety
/// `at` is null or readable for 64 bytes.
unsafe fn held(at: *const Msg) -> Result<Held> {
    usable(at)?;
    // SAFETY: aligned, and the caller says readable.
    Ok(unsafe { Msg::held_at(at) })
}

/// Errors: `EFAULT` for a null or misaligned pointer.
#[inline(always)]
fn usable(at: *const Msg) -> Result<()> {
    if at.is_null() || !at.is_aligned() { Err(Errno::FAULT) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::message::testing::Counted;
    use std::mem::MaybeUninit;
    use std::ptr;

    #[test]
    fn memory_without_a_message_is_efault() {
        let mut memory = MaybeUninit::<Msg>::zeroed();
        let at = memory.as_mut_ptr();
        // SAFETY: 64 writable bytes, used by this test alone; or null.
        unsafe {
            assert_eq!(message(ptr::null_mut()).unwrap_err(), Errno::FAULT);
            assert_eq!(init(at.wrapping_byte_add(4), Msg::new()), Err(Errno::FAULT));
            for fill in [0x00, 0x01, 0x65, 0x68, 0xa5, 0xcc, 0xff] {
                at.write_bytes(fill, 1);
                assert_eq!(message(at).unwrap_err(), Errno::FAULT, "{fill:#x}");
                assert_eq!(close(at).unwrap_err(), Errno::FAULT);
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
            init(at, Msg::from_body(counted.body())).unwrap();
            message(at).unwrap().set_more(true);
            assert_eq!(message_ref(at).unwrap().data(), b"lent");
            drop(close(at).unwrap());
            assert_eq!(counted.freed(), 1);
            assert_eq!(close(at).unwrap_err(), Errno::FAULT);
            assert_eq!((counted.freed(), more(at)), (1, Ok(true)));
            // The memory may be used again.
            init(at, Msg::new()).unwrap();
            assert_eq!(more(at), Ok(false));
            drop(close(at).unwrap());
        }
    }
}
