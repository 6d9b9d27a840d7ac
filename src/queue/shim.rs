//! The atomics and cells of this layer: the standard library's, or loom's under `--cfg loom`.

#[cfg(not(loom))]
pub use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, Ordering, fence,
};

#[cfg(loom)]
pub use loom::sync::atomic::{
    AtomicBool, AtomicI32, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, Ordering, fence,
};

#[cfg(not(loom))]
pub use std::sync::Arc;

#[cfg(loom)]
pub use loom::sync::Arc;

/// `std::cell::UnsafeCell` behind loom's closure interface, so that loom can see every access.
#[cfg(not(loom))]
#[derive(Debug, Default)]
pub struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    pub const fn new(value: T) -> UnsafeCell<T> {
        UnsafeCell(std::cell::UnsafeCell::new(value))
    }

    #[inline]
    pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    #[inline]
    pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}

#[cfg(loom)]
pub use loom::cell::UnsafeCell;

/// The orderings that the queue's correctness depends on. Loom tests weaken one at a time, to show that the
/// models would fail.
#[cfg(not(loom))]
pub mod edge {
    use super::{Ordering, fence};

    /// Of the store that publishes a block's state word.
    pub const PUBLISH: fn() -> Ordering = || Ordering::Release;
    /// Of the swap that hands an emptied block back to the producer.
    pub const HAND_BACK: fn() -> Ordering = || Ordering::AcqRel;
    /// Of the swap that caches an answer in a memo.
    pub const REMEMBER: fn() -> Ordering = || Ordering::AcqRel;

    /// Of the exchange that closes an end of a pipe.
    pub const CLOSE: fn() -> Ordering = || Ordering::AcqRel;

    /// Of the store that shows a record of counts.
    pub const SHOW: fn() -> Ordering = || Ordering::Release;

    /// The fence between a record's withdrawal and what its slot holds next.
    #[inline]
    pub fn withdraw() {
        fence(Ordering::Release);
    }

    /// The fence between the two halves of the sleep handshake.
    #[inline]
    pub fn dekker() {
        fence(Ordering::SeqCst);
    }
}

#[cfg(loom)]
pub mod edge {
    use super::{Ordering, fence};
    use std::sync::atomic::AtomicU8;

    /// The weakened edge: 0 none, 1 publish, 2 hand-back, 3 the sleep handshake, 4 the memo, 5 the close of a pipe. Of a record of counts: 6
    /// the store that shows it, 7 the fence behind its withdrawal. A model of its own has 8 (`pipe::hwm`). A test sets it
    /// before its model runs; the model only reads it, so loom need not see it.
    pub static WEAKENED: AtomicU8 = AtomicU8::new(0);

    fn weakened(which: u8) -> bool {
        WEAKENED.load(Ordering::Relaxed) == which
    }

    pub const PUBLISH: fn() -> Ordering = || if weakened(1) { Ordering::Relaxed } else { Ordering::Release };
    pub const HAND_BACK: fn() -> Ordering = || if weakened(2) { Ordering::Relaxed } else { Ordering::AcqRel };

    pub const REMEMBER: fn() -> Ordering = || if weakened(4) { Ordering::Relaxed } else { Ordering::AcqRel };

    pub const CLOSE: fn() -> Ordering = || if weakened(5) { Ordering::Relaxed } else { Ordering::AcqRel };

    pub const SHOW: fn() -> Ordering = || if weakened(6) { Ordering::Relaxed } else { Ordering::Release };

    pub fn withdraw() {
        if !weakened(7) {
            fence(Ordering::Release);
        }
    }

    pub fn dekker() {
        if !weakened(3) {
            fence(Ordering::SeqCst);
        }
    }
}

/// The twin of a model whose edges are in [`edge`], and `fails`, which runs it with one of them weakened.
#[cfg(all(test, loom))]
macro_rules! twin_with_weakened_edge {
    ($model:path) => {
        /// The model with the edge weakened that the environment names. It fails, unless that is edge 0.
        #[test]
        #[ignore = "run by the tests below"]
        fn twin() {
            let edge = std::env::var("WEAKENED_EDGE").ok().and_then(|edge| edge.parse().ok());
            crate::queue::shim::edge::WEAKENED.store(edge.unwrap_or(0), std::sync::atomic::Ordering::Relaxed);
            $model();
        }

        fn fails(edge: &str) -> bool {
            crate::sys::weakened_twin::fails(concat!(module_path!(), "::twin"), "WEAKENED_EDGE", edge)
        }
    };
}
#[cfg(all(test, loom))]
pub(crate) use twin_with_weakened_edge;
