//! The count of references to a body.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How many `Body` values refer to one header. Written by each thread that clones or drops one of them, read by the thread that asks whether
/// its reference is the only one. Reads through a reference that was dropped happen before what the last holder does with the memory:
/// `Release` on the way down, `Acquire` where the last holder learns that it is the last.
#[derive(Debug)]
pub(super) struct Refs<C = AtomicUsize>(C);

/// An atomic counter: the standard library's, or loom's.
pub(super) trait Counter {
    fn load(&self, ordering: Ordering) -> usize;
    /// Returns what it was.
    fn add_one(&self, ordering: Ordering) -> usize;
    /// Returns what it was.
    fn take_one(&self, ordering: Ordering) -> usize;
    fn fence(ordering: Ordering);
}

impl Refs {
    /// One reference.
    pub(super) fn one() -> Refs {
        Refs(AtomicUsize::new(1))
    }
}

impl<C: Counter> Refs<C> {
    /// Whether the caller's reference is the only one. Only its holder could make another, so the answer stays true until it does.
    #[inline(always)]
    pub(super) fn is_one(&self) -> bool {
        // Acquire: pairs with the Release of the holder that dropped last, so that its reads are over before this holder writes or frees.
        self.0.load(Ordering::Acquire) == 1
    }

    /// Counts a reference made from one that the caller holds.
    #[inline(always)]
    pub(super) fn add(&self) {
        // Relaxed: nothing needs to be seen through a reference made from one that is held. The count cannot overflow, since each
        // reference takes up at least 8 bytes of address space.
        self.0.add_one(Ordering::Relaxed);
    }

    /// Gives up the caller's reference. `true`: it was the last, and the memory is the caller's alone.
    #[inline(always)]
    pub(super) fn remove(&self) -> bool {
        // The holder of the only reference need not count down, which spares it a locked instruction.
        if self.is_one() {
            return true;
        }
        if self.0.take_one(Ordering::Release) != 1 {
            return false;
        }
        C::fence(Ordering::Acquire);
        true
    }
}

impl Counter for AtomicUsize {
    #[inline(always)]
    fn load(&self, ordering: Ordering) -> usize {
        AtomicUsize::load(self, ordering)
    }

    #[inline(always)]
    fn add_one(&self, ordering: Ordering) -> usize {
        self.fetch_add(1, ordering)
    }

    #[inline(always)]
    fn take_one(&self, ordering: Ordering) -> usize {
        self.fetch_sub(1, ordering)
    }

    #[inline(always)]
    fn fence(ordering: Ordering) {
        std::sync::atomic::fence(ordering);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use loom::cell::UnsafeCell;
    use std::sync::Arc;
    use std::sync::atomic::AtomicU8;

    /// Which edge is weakened: 0 none, 1 the way down, 2 the load of the only holder, 3 the fence of the last holder. Set by a test before
    /// its model runs; loom does not see it.
    static WEAKENED: AtomicU8 = AtomicU8::new(0);

    fn unless_weakened(which: u8, ordering: Ordering) -> Ordering {
        if WEAKENED.load(Ordering::Relaxed) == which { Ordering::Relaxed } else { ordering }
    }

    struct Model(loom::sync::atomic::AtomicUsize);

    impl Counter for Model {
        fn load(&self, ordering: Ordering) -> usize {
            self.0.load(unless_weakened(2, ordering))
        }

        fn add_one(&self, ordering: Ordering) -> usize {
            self.0.fetch_add(1, ordering)
        }

        fn take_one(&self, ordering: Ordering) -> usize {
            self.0.fetch_sub(1, unless_weakened(1, ordering))
        }

        fn fence(ordering: Ordering) {
            if WEAKENED.load(Ordering::Relaxed) != 3 {
                loom::sync::atomic::fence(ordering);
            }
        }
    }

    /// A header and its bytes.
    type Shared = (Refs<Model>, UnsafeCell<u32>);

    /// Reads the bytes, and gives up its reference; frees them where it was the last.
    fn read_and_drop(shared: &Shared) -> bool {
        // SAFETY: a reference is held; loom says so if the last holder writes meanwhile.
        assert_eq!(shared.1.with(|bytes| unsafe { *bytes }), 7);
        let last = shared.0.remove();
        if last {
            // SAFETY: it was the last reference; loom says so if another holder may still read.
            shared.1.with_mut(|bytes| unsafe { *bytes = 0 });
        }
        last
    }

    /// Two threads hold a reference each, and one of them makes a third for itself.
    fn model() {
        loom::model(|| {
            let refs = Refs(Model(loom::sync::atomic::AtomicUsize::new(1)));
            let shared: Arc<Shared> = Arc::new((refs, UnsafeCell::new(7)));
            shared.0.add();
            let theirs = Arc::clone(&shared);
            let thread = loom::thread::spawn(move || {
                theirs.0.add();
                [read_and_drop(&theirs), read_and_drop(&theirs)].into_iter().filter(|&last| last).count()
            });
            let ours = usize::from(read_and_drop(&shared));
            assert_eq!(thread.join().unwrap() + ours, 1, "freed once");
        });
    }

    fn fails(which: u8) -> bool {
        crate::sys::weakened_twin::fails(
            "message::refs::loom_tests::twin",
            "WEAKENED_REFS",
            &which.to_string(),
        )
    }

    #[test]
    #[ignore = "run by the tests below"]
    fn twin() {
        let which = std::env::var("WEAKENED_REFS").map_or(0, |which| which.parse().unwrap());
        WEAKENED.store(which, Ordering::Relaxed);
        model();
    }

    #[test]
    fn loom_a_body_is_freed_once_after_all_reads() {
        model();
    }

    #[test]
    fn loom_passes_references_with_nothing_weakened() {
        assert!(!fails(0));
    }

    #[test]
    fn loom_catches_a_weak_drop_of_a_reference() {
        assert!(fails(1));
    }

    #[test]
    fn loom_catches_a_weak_look_of_the_only_holder() {
        assert!(fails(2));
    }

    #[test]
    fn loom_catches_a_last_holder_without_a_fence() {
        assert!(fails(3));
    }
}
