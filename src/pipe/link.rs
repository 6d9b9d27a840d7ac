//! What the two ends of a pipe know of each other: whether the other is closed, and how to wake its owner.

use super::hwm::Marks;
use super::{Notify, PipeEvent};
use crate::errno::Errno;
use crate::queue::shim::{AtomicI32, AtomicU8, Ordering, edge};
use crate::sys::lock::Lock;
use std::sync::{Arc, OnceLock};

/// Which end of a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Left = 0,
    Right = 1,
}

impl Side {
    pub fn other(self) -> Side {
        match self {
            Side::Left => Side::Right,
            Side::Right => Side::Left,
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Shared by both ends.
#[derive(Default)]
pub struct Link {
    ends: [End; 2],
    /// Which ends are closed, a bit for each [`Side`]. The owner of an end sets its bit (AcqRel, after its last publish), the
    /// other end reads it (Acquire). A reader that sees the bit also sees everything published before.
    closed: AtomicU8,
    /// Why an end is closed by its owner, where that is the other's fault; 0: it is not. The owner writes it before it closes the
    /// end, the other reads it once it knows of that, which makes the edge; so Relaxed.
    refusal: AtomicI32,
    /// The marks that the owner of each end has set for it, by [`Side`]. A session sets none. A leaf: nothing is locked while it is held.
    marks: Lock<[Option<Marks>; 2]>,
}

#[derive(Default)]
struct End {
    /// Set once, when the end's owner has given it an identity of its own. Until then the owner has not looked at
    /// the pipe and cannot sleep on it.
    owner: OnceLock<Arc<dyn Notify>>,
    /// What the other end wants to be told before this one closes (`ZMQ_DISCONNECT_MSG` over inproc).
    farewell: OnceLock<Box<[u8]>>,
}

impl Link {
    /// Names the owner of an end; later calls change nothing.
    pub fn set_owner(&self, side: Side, owner: Arc<dyn Notify>) {
        // A second owner would be a bug of the caller; the first keeps working.
        let _ = self.end(side).owner.set(owner);
        // Dekker: our owner before what the other end has changed, as that has the change before our owner.
        edge::dekker();
    }

    /// Whether an end has an owner.
    pub fn is_owned(&self, side: Side) -> bool {
        self.end(side).owner.get().is_some()
    }

    /// Tells the owner of an end.
    pub fn notify(&self, side: Side, event: PipeEvent) {
        if let Some(owner) = self.end(side).owner.get() {
            owner.notify(event);
        }
    }

    /// Asks the owner of an end to [read now](Notify::read_now). Whether it has read something.
    pub fn ask_to_read(&self, side: Side) -> bool {
        self.end(side).owner.get().is_some_and(|owner| owner.read_now())
    }

    /// Closes an end and tells the other. Whether it was open before.
    pub fn close(&self, side: Side) -> bool {
        if self.closed.fetch_or(side.bit(), edge::CLOSE()) & side.bit() != 0 {
            return false;
        }
        // See `set_owner`.
        edge::dekker();
        self.notify(side.other(), PipeEvent::PeerClosed);
        true
    }

    /// Sets the marks that the owner of an end wants for it. `store` gets those that count: where both owners have set some, each lane has
    /// the sum. Two owners that set marks at once do so one after the other, or the lane would keep a sum without the part of one.
    pub fn set_marks(&self, side: Side, own: Marks, store: impl FnOnce(Marks)) {
        let mut marks = self.marks.lock();
        let [left, right] = &mut *marks;
        let (ours, theirs) = match side {
            Side::Left => (left, right),
            Side::Right => (right, left),
        };
        *ours = Some(own);
        store(own.with_those_of(*theirs));
        drop(marks);
        // See `set_owner`.
        edge::dekker();
    }

    pub fn refuse(&self, errno: Errno) {
        self.refusal.store(errno.0, Ordering::Relaxed);
    }

    pub fn refusal(&self) -> Option<Errno> {
        match self.refusal.load(Ordering::Relaxed) {
            0 => None,
            errno => Some(Errno(errno)),
        }
    }

    #[inline(always)]
    pub fn is_closed(&self, side: Side) -> bool {
        self.closed.load(Ordering::Acquire) & side.bit() != 0
    }

    /// Whether both ends are open.
    #[inline(always)]
    pub fn is_open(&self) -> bool {
        self.closed.load(Ordering::Acquire) == 0
    }

    /// Sets what an end is to say before it closes; later calls change nothing.
    pub fn ask_for_farewell(&self, side: Side, message: &[u8]) {
        let _ = self.end(side).farewell.set(message.into());
    }

    /// What an end is to say before it closes.
    pub fn farewell(&self, side: Side) -> Option<&[u8]> {
        self.end(side).farewell.get().map(|message| &**message)
    }

    #[inline(always)]
    fn end(&self, side: Side) -> &End {
        let [left, right] = &self.ends;
        match side {
            Side::Left => left,
            Side::Right => right,
        }
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;

    /// An end publishes something and closes. The other end that sees it closed sees what was published, and why it closed.
    fn model() {
        loom::model(|| {
            let shared = loom::sync::Arc::new((Link::default(), AtomicU8::new(0)));
            let theirs = loom::sync::Arc::clone(&shared);
            let closer = loom::thread::spawn(move || {
                let (link, published) = &*theirs;
                published.store(7, Ordering::Relaxed);
                link.refuse(Errno::ACCES);
                assert!(link.close(Side::Left));
                assert!(!link.close(Side::Left), "once");
            });
            let (link, published) = &*shared;
            if link.is_closed(Side::Left) {
                assert_eq!(published.load(Ordering::Relaxed), 7);
                assert_eq!(link.refusal(), Some(Errno::ACCES));
                assert!(!link.is_open());
            }
            assert!(!link.is_closed(Side::Right));
            assert!(closer.join().is_ok());
        });
    }

    crate::queue::shim::twin_with_weakened_edge!(model);

    #[test]
    fn loom_close_shows_all_that_was_published_before() {
        model();
    }

    #[test]
    fn loom_passes_a_close_with_nothing_weakened() {
        assert!(!fails("0"));
    }

    #[test]
    fn loom_catches_a_close_without_an_edge() {
        assert!(fails("5"));
    }
}
