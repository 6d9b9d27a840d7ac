//! What a transport owes a publisher and its subscriber.

use super::support::bench::*;

/// What is sent comes, whatever its size, in order, and all of it.
pub fn all_arrives_in_order(from: Socket, to: Socket, sizes: &[usize]) {
    for size in sizes {
        let body: Vec<u8> = (0..*size).map(|i| i as u8).collect();
        from.try_send(b"size", ZMQ_SNDMORE).unwrap();
        from.try_send(&body, 0).unwrap();
        assert!(to.try_frames(0).unwrap() == [b"size".to_vec(), body], "{size}");
    }
    for i in 0..2000u32 {
        from.try_send(&i.to_be_bytes(), 0).unwrap();
        if i % 100 == 99 {
            for j in i - 99..=i {
                assert_eq!(to.try_frames(0).unwrap(), [j.to_be_bytes().to_vec()]);
            }
        }
    }
}
