//! `zmq_msg_*`, but for sending and receiving.
//!
//! None of these calls takes a lock, so free callbacks run where they fall due ([`lockless`]). Those that only look at the 64 bytes,
//! where there is nothing that could panic, do without that as well.

use super::{lockless, memory, settled};
use crate::errno::{Errno, Result};
use crate::message::{FreeFn, Msg, in_place};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;

/// A message. Its content is the library's: use the zmq_msg_*() functions, never the bytes, and move it with
/// zmq_msg_move() only.
#[repr(C)]
#[cfg_attr(target_pointer_width = "64", repr(align(8)))]
#[cfg_attr(target_pointer_width = "32", repr(align(4)))]
#[allow(non_camel_case_types)]
pub struct zmq_msg_t {
    pub _private: [u8; 64],
}

const _: () =
    assert!(size_of::<zmq_msg_t>() == size_of::<Msg>() && align_of::<zmq_msg_t>() == align_of::<Msg>());

/// Gives back the data that a message was made of by zmq_msg_init_data().
#[allow(non_camel_case_types)]
pub type zmq_free_fn = FreeFn;

/// Property of a message, for zmq_msg_get(): 1 if more parts of the same message follow, else 0.
pub const ZMQ_MORE: c_int = 1;
/// Property of a message, for zmq_msg_get(): the descriptor of the connection it came from. It may be closed, or
/// another one's, by now.
pub const ZMQ_SRCFD: c_int = 2;
/// Property of a message, for zmq_msg_get(): 1 if its data may be in use by another message too, else 0.
pub const ZMQ_SHARED: c_int = 3;

/// Makes an empty message. The caller closes every message with zmq_msg_close() in the end.
///
/// Returns 0, or -1 with errno `EFAULT` for NULL.
///
/// # Safety
/// `msg` is NULL or points at a zmq_msg_t that holds no message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_init(msg: *mut zmq_msg_t) -> c_int {
    // SAFETY: as the caller promises.
    unsafe {
        if is_misaligned(msg) {
            return elsewhere(msg, |msg| zmq_msg_init(msg));
        }
        settled(-1, in_place::init_empty(msg.cast()).map(|()| 0), || "zmq_msg_init")
    }
}

/// Makes a message with room for `size` bytes. The caller writes them through zmq_msg_data() before it sends the
/// message.
///
/// Returns 0, or -1 with errno `ENOMEM`, or `EFAULT` for NULL.
///
/// # Safety
/// `msg` is NULL or points at a zmq_msg_t that holds no message. The bytes are written before they are read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_init_size(msg: *mut zmq_msg_t, size: usize) -> c_int {
    // SAFETY: as the caller promises; it is the program that writes the bytes, through the pointer that leaves here.
    unsafe {
        if is_misaligned(msg) {
            return elsewhere(msg, |msg| zmq_msg_init_size(msg, size));
        }
        settled(-1, in_place::init_len(msg.cast(), size).map(|()| 0), || "zmq_msg_init_size")
    }
}

/// Makes a message of the `size` bytes at `data` without copying them. When the library no longer needs them, it calls
/// `ffn(data, hint)` once, on any thread. Without `ffn` the data counts as constant and is never freed.
///
/// Returns 0, or -1 with errno `ENOMEM`, or `EFAULT` if `msg` is NULL, or `data` is although `size` is not 0. After a failure
/// the data is still the caller's.
///
/// # Safety
/// `msg` is NULL or points at a zmq_msg_t that holds no message. The data stays readable and unchanged until `ffn` is called
/// (without `ffn`, for good), and `ffn` may be called on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_init_data(
    msg: *mut zmq_msg_t,
    data: *mut c_void,
    size: usize,
    ffn: Option<zmq_free_fn>,
    hint: *mut c_void,
) -> c_int {
    // SAFETY: as the caller promises.
    unsafe {
        init(msg, || {
            memory::bytes(data, size)?;
            Msg::external(data.cast(), size, ffn, hint)
        })
    }
}

/// Makes a message of a copy of the `size` bytes at `buf`, which may be NULL if `size` is 0.
///
/// Returns 0, or -1 with errno `ENOMEM`, or `EFAULT` if `msg` is NULL, or `buf` is although `size` is not 0.
///
/// # Safety
/// `msg` is NULL or points at a zmq_msg_t that holds no message; `buf` is readable for `size` bytes.
#[cfg(zmq_draft)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_init_buffer(msg: *mut zmq_msg_t, buf: *const c_void, size: usize) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { init(msg, || Msg::copy_from(memory::bytes(buf, size)?)) }
}

/// Closes a message. Its data is freed unless another message shares it. The zmq_msg_t may be made a message again.
///
/// Returns 0, or -1 with errno `EFAULT` if there is no message (it was closed already, or never made).
///
/// # Safety
/// `msg` is NULL or points at a zmq_msg_t that no other thread uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_close(msg: *mut zmq_msg_t) -> c_int {
    // SAFETY: as the caller promises.
    let closed = unsafe {
        if is_misaligned(msg) {
            elsewhere(msg, |msg| in_place::close(msg.cast()))
        } else {
            in_place::close(msg.cast())
        }
    };
    match closed {
        Ok(Some(body)) => lockless(-1, || {
            drop(body);
            Ok(0)
        }),
        // Nothing of the program's is called, and nothing can panic.
        others => settled(-1, others.map(|_| 0), || "zmq_msg_close"),
    }
}

/// Moves a message from `src` to `dest`, whose old content is released. `src` becomes empty.
///
/// Returns 0, or -1 with errno `EFAULT` if either is no message; both are unchanged then.
///
/// # Safety
/// `dest` and `src` are NULL or point at a zmq_msg_t that no other thread uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_move(dest: *mut zmq_msg_t, src: *mut zmq_msg_t) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { replace(dest, src, Msg::take) }
}

/// Makes `dest` a copy of `src`, and releases the old content of `dest`. The two messages share large data, so the
/// caller must not write to it from now on.
///
/// Returns 0, or -1 with errno `EFAULT` if either is no message; both are unchanged then.
///
/// # Safety
/// `dest` and `src` are NULL or point at a zmq_msg_t that no other thread uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_copy(dest: *mut zmq_msg_t, src: *mut zmq_msg_t) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { replace(dest, src, Msg::copy) }
}

/// Returns the address of a message's data. It is valid until the message is closed, moved, sent or received into.
///
/// Returns NULL with errno `EFAULT` if there is no message.
///
/// # Safety
/// `msg` is NULL or points at a zmq_msg_t.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_data(msg: *mut zmq_msg_t) -> *mut c_void {
    // SAFETY: as the caller promises.
    let data = unsafe {
        if is_misaligned(msg) { in_place::data_elsewhere(msg.cast()) } else { in_place::data(msg.cast()) }
    };
    settled(ptr::null_mut(), data.map(<*mut u8>::cast), || "zmq_msg_data")
}

/// Returns the number of bytes of a message; 0 with errno `EFAULT` if there is no message.
///
/// # Safety
/// `msg` is NULL or points at a zmq_msg_t.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_size(msg: *const zmq_msg_t) -> usize {
    // SAFETY: as the caller promises.
    unsafe {
        if is_misaligned(msg) {
            return elsewhere_ref(msg, |msg| zmq_msg_size(msg));
        }
        settled(0, in_place::message_ref(msg.cast()).map(Msg::len), || "zmq_msg_size")
    }
}

/// Returns 1 if more parts of the same message follow, else 0; also for a message that has been closed.
///
/// Returns -1 with errno `EFAULT` if there never was a message.
///
/// # Safety
/// `msg` is NULL or points at a zmq_msg_t.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_more(msg: *const zmq_msg_t) -> c_int {
    // SAFETY: as the caller promises.
    unsafe {
        if is_misaligned(msg) {
            return elsewhere_ref(msg, |msg| zmq_msg_more(msg));
        }
        settled(-1, in_place::more(msg.cast()).map(c_int::from), || "zmq_msg_more")
    }
}

/// Reads a property of a message: `ZMQ_MORE`, `ZMQ_SRCFD` or `ZMQ_SHARED`.
///
/// Returns the value, or -1 with errno `EINVAL` for other properties and where the descriptor is not known, `EFAULT` if there
/// is no message.
///
/// # Safety
/// `msg` is NULL or points at a zmq_msg_t.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_get(msg: *const zmq_msg_t, property: c_int) -> c_int {
    match property {
        // SAFETY: as the caller promises.
        ZMQ_MORE => unsafe { zmq_msg_more(msg) },
        // SAFETY: as the caller promises.
        ZMQ_SRCFD => unsafe { look(msg, -1, |msg| source_fd(msg).ok_or(Errno::INVAL)) },
        // SAFETY: as the caller promises.
        ZMQ_SHARED => unsafe { look(msg, -1, |msg| Ok(msg.is_shared().into())) },
        _ => lockless(-1, || Err(Errno::INVAL)),
    }
}

/// Sets a property of a message. There is none that can be set: always -1 with errno `EINVAL`.
///
/// # Safety
/// Nothing: no argument is used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_set(msg: *mut zmq_msg_t, property: c_int, optval: c_int) -> c_int {
    let _ = (msg, property, optval);
    lockless(-1, || Err(Errno::INVAL))
}

/// Reads a property of the connection that a message came from, by name: "Socket-Type", "Routing-Id", "Peer-Address",
/// "User-Id", the peer's own "X-..." and those that the authenticator added.
///
/// Returns a string that the message owns, or NULL with errno: `EINVAL` if there is no such property; `EFAULT` if there is no
/// message or no name.
///
/// # Safety
/// `msg` is NULL or points at a zmq_msg_t; `property` is NULL or a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_gets(msg: *const zmq_msg_t, property: *const c_char) -> *const c_char {
    // SAFETY: as the caller promises.
    unsafe {
        look(msg, ptr::null(), |msg| {
            let name = memory::string(property)?;
            property_of(msg, name).map(CStr::as_ptr).ok_or(Errno::INVAL)
        })
    }
}

/// The routing id of the peer that a message came from or is to go to (SERVER and PEER sockets); 0 if there is none, also
/// with errno `EFAULT` if there is no message.
///
/// # Safety
/// `msg` is NULL or points at a zmq_msg_t.
#[cfg(zmq_draft)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_routing_id(msg: *mut zmq_msg_t) -> u32 {
    // SAFETY: as the caller promises.
    unsafe { look(msg, 0, |msg| Ok(msg.routing_id())) }
}

/// Sets the peer that a message goes to (SERVER and PEER sockets), by the routing id of a message from that peer.
///
/// Returns 0, or -1 with errno `EINVAL` for routing id 0, `EFAULT` if there is no message.
///
/// # Safety
/// `msg` is NULL or points at a zmq_msg_t that no other thread uses.
#[cfg(zmq_draft)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_set_routing_id(msg: *mut zmq_msg_t, routing_id: u32) -> c_int {
    // SAFETY: as the caller promises.
    unsafe {
        look_mut(msg, -1, |msg| {
            if routing_id == 0 {
                return Err(Errno::INVAL);
            }
            msg.set_routing_id(routing_id);
            Ok(0)
        })
    }
}

/// The group of a message (RADIO and DISH sockets), a string that the message owns; empty if it has none.
///
/// Returns NULL with errno `EFAULT` if there is no message.
///
/// # Safety
/// `msg` is NULL or points at a zmq_msg_t.
#[cfg(zmq_draft)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_group(msg: *mut zmq_msg_t) -> *const c_char {
    // SAFETY: as the caller promises.
    unsafe { look(msg, ptr::null(), |msg| Ok(msg.group().as_ptr())) }
}

/// Sets the group of a message (RADIO and DISH sockets). Bytes after the 255th are left off.
///
/// Returns 0, or -1 with errno `ENOMEM`, or `EFAULT` if there is no message or no group.
///
/// # Safety
/// `msg` is NULL or points at a zmq_msg_t that no other thread uses; `group` is NULL or a NUL-terminated string.
#[cfg(zmq_draft)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_set_group(msg: *mut zmq_msg_t, group: *const c_char) -> c_int {
    // SAFETY: as the caller promises.
    unsafe {
        look_mut(msg, -1, |msg| {
            msg.set_group(memory::string(group)?.to_bytes())?;
            Ok(0)
        })
    }
}

/// # Safety
/// `at` is NULL or points at a zmq_msg_t that holds no message.
unsafe fn init(at: *mut zmq_msg_t, make: impl FnOnce() -> Result<Msg>) -> c_int {
    if is_misaligned(at) {
        // SAFETY: as the caller promises.
        return unsafe { elsewhere(at, |at| init_aligned(at, make)) };
    }
    // SAFETY: as the caller promises.
    unsafe { init_aligned(at, make) }
}

/// # Safety
/// As of [`init`].
unsafe fn init_aligned(at: *mut zmq_msg_t, make: impl FnOnce() -> Result<Msg>) -> c_int {
    lockless(-1, || {
        // First of all it is made none: programs close what they failed to make, and that shall be EFAULT too. And
        // where there can be no message nothing is made, so that lent data stays the caller's.
        // SAFETY: as the caller promises.
        unsafe {
            in_place::void(at.cast())?;
            in_place::init(at.cast(), make()?)?;
        }
        Ok(0)
    })
}

/// Puts what `take` makes of `src` into `dest`. They may be the same.
///
/// # Safety
/// `dest` and `src` are NULL or point at a zmq_msg_t that no other thread uses.
unsafe fn replace(dest: *mut zmq_msg_t, src: *mut zmq_msg_t, take: fn(&mut Msg) -> Msg) -> c_int {
    lockless(-1, || {
        // SAFETY: as the caller promises.
        let old = unsafe { replaced(dest, src, take) }?;
        // Only now: its free callback may use both messages.
        drop(old);
        Ok(0)
    })
}

/// As [`replace`]. What was in `dest`.
///
/// # Safety
/// As of [`replace`].
unsafe fn replaced(dest: *mut zmq_msg_t, src: *mut zmq_msg_t, take: fn(&mut Msg) -> Msg) -> Result<Msg> {
    // SAFETY: as the caller promises. Two that are the same are in one place, and each borrow ends before the next begins.
    unsafe {
        if is_misaligned(dest) {
            let is_same = dest == src;
            return elsewhere(dest, |dest| replaced(dest, if is_same { dest } else { src }, take));
        }
        if is_misaligned(src) {
            return elsewhere(src, |src| replaced(dest, src, take));
        }
        in_place::message(dest.cast())?;
        let msg = take(in_place::message(src.cast())?);
        Ok(std::mem::replace(in_place::message(dest.cast())?, msg))
    }
}

/// # Safety
/// `at` is NULL or points at a zmq_msg_t that no thread writes to meanwhile.
unsafe fn look<T>(at: *const zmq_msg_t, on_failure: T, run: impl FnOnce(&Msg) -> Result<T>) -> T {
    // SAFETY: as the caller promises.
    let look =
        |at: *const zmq_msg_t| lockless(on_failure, || run(unsafe { in_place::message_ref(at.cast()) }?));
    // SAFETY: as the caller promises.
    if is_misaligned(at) { unsafe { elsewhere_ref(at, look) } } else { look(at) }
}

/// # Safety
/// `at` is NULL or points at a zmq_msg_t that no other thread uses.
unsafe fn look_mut<T>(at: *mut zmq_msg_t, on_failure: T, run: impl FnOnce(&mut Msg) -> Result<T>) -> T {
    // SAFETY: as the caller promises.
    let look = |at: *mut zmq_msg_t| lockless(on_failure, || run(unsafe { in_place::message(at.cast()) }?));
    // SAFETY: as the caller promises.
    if is_misaligned(at) { unsafe { elsewhere(at, look) } } else { look(at) }
}

/// Whether the program has the message where the library could not have it ([`in_place`]).
#[inline(always)]
pub(super) fn is_misaligned(at: *const zmq_msg_t) -> bool {
    in_place::is_misaligned(at.cast())
}

/// Makes a call with the message in memory where the library can have it.
///
/// # Safety
/// `at` points at a zmq_msg_t that no other thread uses.
pub(super) unsafe fn elsewhere<T>(at: *mut zmq_msg_t, call: impl FnOnce(*mut zmq_msg_t) -> T) -> T {
    // SAFETY: as the caller promises.
    unsafe { in_place::elsewhere(at.cast(), |at| call(at.cast())) }
}

/// As [`elsewhere`], for reading only.
///
/// # Safety
/// `at` points at a zmq_msg_t that no thread writes to meanwhile.
unsafe fn elsewhere_ref<T>(at: *const zmq_msg_t, call: impl FnOnce(*const zmq_msg_t) -> T) -> T {
    // SAFETY: as the caller promises.
    unsafe { in_place::elsewhere_ref(at.cast(), |at| call(at.cast())) }
}

fn property_of<'m>(msg: &'m Msg, name: &CStr) -> Option<&'m CStr> {
    msg.metadata()?.property(name)
}

/// The connection's descriptor, which its session put among the properties.
fn source_fd(msg: &Msg) -> Option<c_int> {
    property_of(msg, c"__fd")?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ffi::zmq_errno;
    use crate::message::Metadata;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn garbage() -> zmq_msg_t {
        zmq_msg_t { _private: [0xa5; 64] }
    }

    unsafe extern "C" fn count(data: *mut c_void, freed: *mut c_void) {
        // SAFETY: the test's own bytes and counter, which outlive the messages.
        unsafe {
            assert_eq!(*data.cast::<u8>(), b'l');
            (*freed.cast::<AtomicUsize>()).fetch_add(1, Ordering::SeqCst);
        }
    }

    fn failed(outcome: c_int) -> c_int {
        assert_eq!(outcome, -1);
        zmq_errno()
    }

    #[test]
    fn made_written_read_and_closed() {
        for len in [0, 33, 40, 41, 10_000] {
            let mut room = garbage();
            let msg = &raw mut room;
            // SAFETY: room for a message, which is written before it is read.
            unsafe {
                assert_eq!(zmq_msg_init_size(msg, len), 0);
                let data = zmq_msg_data(msg).cast::<u8>();
                assert!(!data.is_null());
                data.write_bytes(7, len);
                assert_eq!((zmq_msg_size(msg), zmq_msg_more(msg)), (len, 0));
                assert_eq!(memory::bytes(zmq_msg_data(msg), len).unwrap(), vec![7; len]);
                assert_eq!(zmq_msg_close(msg), 0);
                assert_eq!(failed(zmq_msg_close(msg)), libc::EFAULT);
            }
        }
    }

    /// As programs have them that were compiled with libzmq 4.1 or older: behind a byte, say.
    #[test]
    fn a_message_may_lie_at_any_address() {
        let mut memory = [[0xa5_u8; 72]; 2];
        let [first, second] = [0, 1].map(|place| (&raw mut memory[place]).cast::<u8>());
        for (offset, len) in (0..8).flat_map(|offset| [0, 7, 40, 41, 10_000].map(|len| (offset, len))) {
            let freed = AtomicUsize::new(0);
            let [one, other] = [first, second].map(|at| at.wrapping_add(offset).cast::<zmq_msg_t>());
            // SAFETY: room for two messages, of this test alone.
            unsafe {
                assert_eq!(zmq_msg_init_size(one, len), 0);
                let data = zmq_msg_data(one).cast::<u8>();
                data.write_bytes(7, len);
                let inside = data.addr().wrapping_sub(one.addr()) < 64;
                assert_eq!(inside, len <= 40, "where a program expects it");
                assert_eq!((zmq_msg_init(other), zmq_msg_copy(other, one), zmq_msg_size(other)), (0, 0, len));
                assert_eq!((zmq_msg_move(one, other), zmq_msg_size(one), zmq_msg_size(other)), (0, len, 0));
                assert_eq!((zmq_msg_move(one, one), zmq_msg_size(one), zmq_msg_more(one)), (0, len, 0));
                assert_eq!(memory::bytes(zmq_msg_data(one), len).unwrap(), vec![7; len]);
                assert_eq!((zmq_msg_close(one), failed(zmq_msg_close(one))), (0, libc::EFAULT));
                let (lent, hint) =
                    ((&raw mut *b"lent".to_vec().leak()).cast(), (&raw const freed).cast_mut().cast());
                assert_eq!(zmq_msg_init_data(one, lent, 4, Some(count), hint), 0);
                assert_eq!((zmq_msg_get(one, ZMQ_SHARED), zmq_msg_move(other, one)), (0, 0));
                assert_eq!((zmq_msg_close(one), freed.load(Ordering::SeqCst)), (0, 0));
                assert_eq!((zmq_msg_close(other), freed.load(Ordering::SeqCst)), (0, 1));
                assert_eq!(failed(zmq_msg_copy(one, other)), libc::EFAULT);
            }
        }
    }

    #[test]
    fn calls_on_no_message_are_efault() {
        let (mut closed, mut never, mut room) = (garbage(), garbage(), garbage());
        let msg = &raw mut room;
        // SAFETY: room for messages, or NULL.
        unsafe {
            assert_eq!(zmq_msg_init(msg), 0);
            assert_eq!((zmq_msg_init(&raw mut closed), zmq_msg_close(&raw mut closed)), (0, 0));
            for no_msg in [&raw mut closed, &raw mut never, ptr::null_mut()] {
                assert!(zmq_msg_data(no_msg).is_null());
                assert_eq!(zmq_errno(), libc::EFAULT);
                assert_eq!((zmq_msg_size(no_msg), zmq_errno()), (0, libc::EFAULT));
                assert!(zmq_msg_gets(no_msg, c"Identity".as_ptr()).is_null());
                assert_eq!(failed(zmq_msg_get(no_msg, ZMQ_SHARED)), libc::EFAULT);
                assert_eq!(failed(zmq_msg_close(no_msg)), libc::EFAULT);
                assert_eq!(failed(zmq_msg_copy(no_msg, msg)), libc::EFAULT);
                assert_eq!(failed(zmq_msg_copy(msg, no_msg)), libc::EFAULT);
                assert_eq!(failed(zmq_msg_move(no_msg, msg)), libc::EFAULT);
                assert_eq!(failed(zmq_msg_move(msg, no_msg)), libc::EFAULT);
            }
            // Closing does not make a program forget that there is more.
            assert_eq!(zmq_msg_more(&raw mut closed), 0);
            assert_eq!(failed(zmq_msg_more(&raw mut never)), libc::EFAULT);
            assert_eq!(failed(zmq_msg_init(ptr::null_mut())), libc::EFAULT);
            assert_eq!(zmq_msg_close(msg), 0);
        }
    }

    #[test]
    fn message_that_could_not_be_made_is_none() {
        let mut room = garbage();
        let msg = &raw mut room;
        // SAFETY: room for a message.
        unsafe {
            assert_eq!((zmq_msg_init(msg), zmq_msg_close(msg)), (0, 0));
            assert_eq!(failed(zmq_msg_init_size(msg, usize::MAX)), libc::ENOMEM);
            assert_eq!(failed(zmq_msg_close(msg)), libc::EFAULT);
        }
    }

    #[test]
    fn lent_data_is_given_back_once() {
        let freed = AtomicUsize::new(0);
        let hint = (&raw const freed).cast_mut().cast::<c_void>();
        let mut lent = *b"lent";
        let data = lent.as_mut_ptr().cast::<c_void>();
        let (mut one, mut two) = (garbage(), garbage());
        let (a, b) = (&raw mut one, &raw mut two);
        // SAFETY: room for messages; the data and the counter outlive them.
        unsafe {
            assert_eq!(failed(zmq_msg_init_data(ptr::null_mut(), data, 4, Some(count), hint)), libc::EFAULT);
            assert_eq!(failed(zmq_msg_init_data(a, ptr::null_mut(), 4, Some(count), hint)), libc::EFAULT);
            assert_eq!(freed.load(Ordering::SeqCst), 0);
            assert_eq!(zmq_msg_init_data(a, data, 4, Some(count), hint), 0);
            assert_eq!(zmq_msg_init(b), 0);
            assert_eq!((zmq_msg_data(a), zmq_msg_get(a, ZMQ_SHARED)), (data, 0));
            assert_eq!(zmq_msg_copy(b, a), 0);
            assert_eq!((zmq_msg_get(a, ZMQ_SHARED), zmq_msg_get(b, ZMQ_SHARED)), (1, 1));
            assert_eq!((zmq_msg_move(a, b), zmq_msg_size(b), freed.load(Ordering::SeqCst)), (0, 0, 0));
            // Onto itself: nothing is lost.
            assert_eq!((zmq_msg_move(a, a), zmq_msg_copy(a, a), zmq_msg_size(a)), (0, 0, 4));
            assert_eq!((zmq_msg_close(b), zmq_msg_close(a)), (0, 0));
        }
        assert_eq!(freed.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn constants_and_nothing() {
        let mut room = garbage();
        let (msg, text) = (&raw mut room, c"constant".as_ptr().cast_mut().cast::<c_void>());
        // SAFETY: room for a message; the data is constant.
        unsafe {
            assert_eq!(zmq_msg_init_data(msg, text, 8, None, ptr::null_mut()), 0);
            assert_eq!((zmq_msg_data(msg), zmq_msg_get(msg, ZMQ_SHARED)), (text, 1));
            assert_eq!(zmq_msg_close(msg), 0);
            assert_eq!(zmq_msg_init_data(msg, ptr::null_mut(), 0, None, ptr::null_mut()), 0);
            assert_eq!((zmq_msg_size(msg), zmq_msg_close(msg)), (0, 0));
        }
    }

    #[test]
    fn properties() {
        let mut room = garbage();
        let msg = &raw mut room;
        let properties = [("__fd", "17"), ("Routing-Id", "me")].map(|(k, v)| (k.to_owned(), v.into()));
        // SAFETY: room for a message.
        unsafe {
            assert_eq!(zmq_msg_init(msg), 0);
            assert_eq!(failed(zmq_msg_get(msg, ZMQ_SRCFD)), libc::EINVAL);
            assert_eq!(failed(zmq_msg_get(msg, 99)), libc::EINVAL);
            assert_eq!(failed(zmq_msg_set(msg, ZMQ_MORE, 1)), libc::EINVAL);
            in_place::message(msg.cast()).unwrap().set_metadata(Some(Arc::new(Metadata::new(properties))));
            assert_eq!(zmq_msg_get(msg, ZMQ_SRCFD), 17);
            assert_eq!(CStr::from_ptr(zmq_msg_gets(msg, c"Identity".as_ptr())), c"me");
            assert!(zmq_msg_gets(msg, c"User-Id".as_ptr()).is_null());
            assert_eq!(zmq_errno(), libc::EINVAL);
            assert!(zmq_msg_gets(msg, ptr::null()).is_null());
            assert_eq!(zmq_errno(), libc::EFAULT);
            assert_eq!(zmq_msg_close(msg), 0);
        }
    }

    #[cfg(zmq_draft)]
    #[test]
    fn drafts() {
        let mut room = garbage();
        let msg = &raw mut room;
        let long = std::ffi::CString::new([b'g'; 300]).unwrap();
        // SAFETY: room for a message; strings.
        unsafe {
            assert_eq!(failed(zmq_msg_init_buffer(msg, ptr::null(), 1)), libc::EFAULT);
            assert_eq!(zmq_msg_init_buffer(msg, b"abc".as_ptr().cast(), 3), 0);
            assert_eq!(memory::bytes(zmq_msg_data(msg), 3), Ok(&b"abc"[..]));
            assert_eq!((zmq_msg_routing_id(msg), CStr::from_ptr(zmq_msg_group(msg))), (0, c""));
            assert_eq!(failed(zmq_msg_set_routing_id(msg, 0)), libc::EINVAL);
            assert_eq!((zmq_msg_set_routing_id(msg, 5), zmq_msg_routing_id(msg)), (0, 5));
            assert_eq!(zmq_msg_set_group(msg, long.as_ptr()), 0);
            assert_eq!(CStr::from_ptr(zmq_msg_group(msg)).count_bytes(), 255);
            assert_eq!(failed(zmq_msg_set_group(msg, ptr::null())), libc::EFAULT);
            assert_eq!(zmq_msg_close(msg), 0);
            assert_eq!(zmq_msg_init_buffer(msg, ptr::null(), 0), 0);
            assert_eq!(zmq_msg_close(msg), 0);
        }
    }
}
