//! Marks that are set while the pipe is in use.
#![allow(clippy::unwrap_used)]
use super::*;
use parking_lot::Mutex;

/// Takes note of other marks, and keeps the lane of a hiccup.
#[derive(Default)]
struct Owner {
    fresh: Mutex<Option<LaneWriter>>,
    marks: Mutex<u32>,
}

impl Notify for Owner {
    fn notify(&self, event: PipeEvent) {
        match event {
            PipeEvent::Hiccup(writer) => *self.fresh.lock() = Some(*writer),
            PipeEvent::MarksChanged => *self.marks.lock() += 1,
            _ => {}
        }
    }
}

fn room(pipe: &mut Pipe) -> usize {
    let mut send = || pipe.write(&mut OutFrame::bytes(b"x", false)).unwrap();
    (0..100).take_while(|_| send()).count()
}

#[test]
fn a_lane_that_a_hiccup_brings_has_the_mark_that_was_set() {
    let options = LaneOptions { hwm: 2, conflate: false };
    for (mark, expected) in [(None, 2), (Some(5), 5), (Some(1), 1), (Some(0), 100)] {
        let (mut left, right) = pair(options, options).unwrap();
        let [left_owner, right_owner] = [(); 2].map(|()| Arc::new(Owner::default()));
        left.set_owner(left_owner.clone());
        right.set_owner(right_owner.clone());
        if let Some(mark) = mark {
            left.set_hwms(mark, 0);
        }
        let (_, _, end) = right.into_parts();
        let before = *right_owner.marks.lock();
        let fresh = end.hiccup(options).unwrap();
        left.replace_writer(left_owner.fresh.lock().take().unwrap());
        assert_eq!(room(&mut left), expected, "{mark:?}");
        let told = *right_owner.marks.lock() > before;
        assert_eq!(told, mark.is_some(), "the reader may have looked at the mark before");
        assert_eq!(fresh.hwm(), mark.unwrap_or(2));
    }
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
