//! Messages and their bytes.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::errno::Errno;
use crate::message::testing::Counted;
use std::mem::offset_of;

fn lent(counted: &Counted) -> Msg {
    Msg::from_body(counted.body())
}

#[test]
fn sixty_four_bytes() {
    assert_eq!((size_of::<Msg>(), align_of::<Msg>()), (64, align_of::<*const u8>()));
    assert_eq!(offset_of!(Msg, attached), MAX_INLINE_BYTES);
    assert_eq!(size_of::<Content>(), MAX_INLINE_BYTES);
}

#[test]
fn small_bodies_lie_inside_and_large_ones_outside() {
    let data: Vec<u8> = (0..=255).collect();
    for len in [0, 1, 33, 39, 40, 41, 64, 256] {
        let msg = Msg::copy_from(&data[..len]).unwrap();
        assert_eq!(msg.data(), &data[..len]);
        let start = ptr::from_ref(&msg) as usize;
        let inside = (start..start + 64).contains(&(msg.data_ptr() as usize));
        assert_eq!(inside, len <= MAX_INLINE_BYTES, "{len}");
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
