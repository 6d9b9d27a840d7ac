//! Marks that are set while the pipe is in use.
#![allow(clippy::unwrap_used)]
use super::*;

fn room(pipe: &mut Pipe) -> usize {
    let mut send = || pipe.write(&mut OutFrame::bytes(b"x", false)).unwrap();
    (0..100).take_while(|_| send()).count()
}

#[test]
fn a_writer_that_a_mark_has_stopped_goes_on_by_a_higher_one_and_is_told_once() {
    let options = LaneOptions { hwm: 2, conflate: false };
    for higher in [5, 0] {
        let (mut left, _right) = pair(options, options).unwrap();
        assert!(!left.set_hwms(2, 0), "it has not been stopped");
        assert_eq!(room(&mut left), 2);
        assert!(!left.set_hwms(1, 0), "there is no credit");
        assert!(left.set_hwms(higher, 0));
        assert!(!left.set_hwms(higher, 0), "it goes on already");
        assert!(left.check_write());
    }
}
