//! Free callbacks run with no lock of ours held.

use super::header::Header;
use crate::sys::thread_state::ThreadState;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

/// While one of these lives on a thread, the free callbacks of bodies that drop there wait. They are called when the outermost
/// `DeferFrees` of the thread is dropped. Made first in every entry point and reactor turn, so that it is dropped after every
/// lock guard.
///
/// Callbacks may call back into the library. What such a call lets go of is freed by the same outermost guard, in turn. So the
/// stack does not grow with the number of callbacks.
#[must_use]
pub struct DeferFrees(&'static ThreadState, PhantomData<*mut ()>);

impl DeferFrees {
    #[inline]
    pub fn new() -> DeferFrees {
        DeferFrees::at(ThreadState::current())
    }

    /// For a caller that has found the thread's variables already.
    #[inline]
    pub fn at(here: &'static ThreadState) -> DeferFrees {
        here.guards.set(here.guards.get() + 1);
        DeferFrees(here, PhantomData)
    }

    /// Whether free callbacks wait for the outermost guard.
    pub fn holds_any(&self) -> bool {
        !self.0.first.get().is_null()
    }

    /// Whether free callbacks wait for the calling thread's only guard.
    pub fn are_due() -> bool {
        let here = ThreadState::current();
        here.guards.get() == 1 && !here.first.get().is_null()
    }

    /// Runs the free callbacks that wait for the calling thread's only guard, for a call that goes to sleep: it may last for ever. The
    /// caller holds no lock. Inside of a callback they wait, as ever.
    pub fn run_due() {
        run_if_outermost(ThreadState::current());
    }
}

impl Default for DeferFrees {
    fn default() -> DeferFrees {
        DeferFrees::new()
    }
}

impl Drop for DeferFrees {
    #[inline]
    fn drop(&mut self) {
        run_if_outermost(self.0);
        self.0.guards.set(self.0.guards.get().saturating_sub(1));
    }
}

#[inline]
fn run_if_outermost(here: &ThreadState) {
    // The count stays at one while callbacks run: a guard made inside a callback is then not the outermost,
    // and leaves what it deferred to this loop.
    while let Some(header) = take_if_outermost(here) {
        // SAFETY: `free_when_unlocked` was given the header, and it has just been unlinked.
        unsafe { Header::run_free(header) };
    }
}

#[inline]
fn take_if_outermost(here: &ThreadState) -> Option<NonNull<Header>> {
    let header = NonNull::new(here.first.get().cast::<Header>())?;
    if here.guards.get() != 1 {
        return None;
    }
    // SAFETY: everything in the list was put there by `push` and is the list's alone.
    here.first.set(unsafe { Header::next(header) }.cast());
    Some(header)
}

/// # Safety
/// As of [`free_when_unlocked`].
unsafe fn push(here: &ThreadState, header: NonNull<Header>) {
    // SAFETY: given up to the list by the caller.
    unsafe { Header::set_next(header, ptr::null_mut()) };
    match NonNull::new(here.last.get().cast()).filter(|_| !here.first.get().is_null()) {
        // SAFETY: `last` is the last of a list that is not empty, and the list's alone.
        Some(last) => unsafe { Header::set_next(last, header.as_ptr()) },
        None => here.first.set(header.as_ptr().cast()),
    }
    here.last.set(header.as_ptr().cast());
}

/// Runs a body's free callback when the thread's outermost guard is dropped; at once where there is none.
///
/// # Safety
/// `header` is of an external body, has no references left, and is given up to this call.
pub(super) unsafe fn free_when_unlocked(header: NonNull<Header>) {
    let here = ThreadState::current();
    // SAFETY: passed on from this function's own contract.
    unsafe {
        match here.guards.get() {
            0 => Header::run_free(header),
            _ => push(here, header),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::testing::{Counted, FreeHook};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn at_once_without_a_guard() {
        let counted = Counted::new(b"x");
        drop(counted.body());
        assert_eq!(counted.freed(), 1);
    }

    #[test]
    fn only_when_the_outermost_guard_drops() {
        let (one, two) = (Counted::new(b"1"), Counted::new(b"2"));
        let outer = DeferFrees::new();
        let inner = DeferFrees::new();
        drop(one.body());
        drop(inner);
        drop(two.body());
        assert_eq!((one.freed(), two.freed()), (0, 0));
        drop(outer);
        assert_eq!((one.freed(), two.freed()), (1, 1));
        // And the list is empty again.
        drop(DeferFrees::new());
        assert_eq!((one.freed(), two.freed()), (1, 1));
    }

    #[test]
    fn when_they_are_due_unless_a_callback_is_running() {
        let (one, two) = (Counted::new(b"1"), Counted::new(b"2"));
        let outer = DeferFrees::new();
        drop(one.body());
        assert!(DeferFrees::are_due());
        let inner = DeferFrees::new();
        assert!(!DeferFrees::are_due());
        DeferFrees::run_due();
        assert_eq!(one.freed(), 0);
        drop(inner);
        DeferFrees::run_due();
        assert_eq!(one.freed(), 1);
        drop(two.body());
        drop(outer);
        assert_eq!((one.freed(), two.freed()), (1, 1));
    }

    #[test]
    fn in_the_order_of_dropping() {
        let order: Arc<parking_lot::Mutex<Vec<u8>>> = Arc::default();
        let hooks: Vec<_> = (0..3)
            .map(|i| {
                let order = Arc::clone(&order);
                FreeHook::new(move || order.lock().push(i))
            })
            .collect();
        let guard = DeferFrees::new();
        for hook in hooks {
            drop(hook.into_body());
        }
        drop(guard);
        assert_eq!(*order.lock(), [0, 1, 2]);
    }

    #[test]
    fn callbacks_may_come_back_in() {
        // Each callback drops the next body under a guard of its own; a recursion this deep would overflow the
        // stack.
        fn chain(left: usize, freed: Arc<AtomicUsize>) -> FreeHook {
            FreeHook::new(move || {
                freed.fetch_add(1, Ordering::Relaxed);
                if left > 0 {
                    let inner = DeferFrees::new();
                    drop(chain(left - 1, Arc::clone(&freed)).into_body());
                    let before = freed.load(Ordering::Relaxed);
                    drop(inner);
                    assert_eq!(freed.load(Ordering::Relaxed), before, "left to the outermost guard");
                }
            })
        }
        let freed = Arc::new(AtomicUsize::new(0));
        let guard = DeferFrees::new();
        drop(chain(100_000, Arc::clone(&freed)).into_body());
        assert_eq!(freed.load(Ordering::Relaxed), 0);
        drop(guard);
        assert_eq!(freed.load(Ordering::Relaxed), 100_001);
    }

    #[test]
    fn guards_of_other_threads_do_not_matter() {
        let counted = Counted::new(b"x");
        let _here = DeferFrees::new();
        let body = counted.body();
        let there = std::thread::spawn(move || drop(body));
        assert!(there.join().is_ok());
        assert_eq!(counted.freed(), 1);
    }

    #[test]
    fn while_the_thread_ends() {
        // A thread local that holds the last reference drops it during the thread's tear-down.
        struct Holder(std::cell::RefCell<Option<crate::message::Body>>);
        thread_local! {
            static HOLDER: Holder = const { Holder(std::cell::RefCell::new(None)) };
        }
        impl Drop for Holder {
            fn drop(&mut self) {
                let _guard = DeferFrees::new();
                self.0.take();
            }
        }
        let counted = Counted::new(b"x");
        let body = counted.body();
        let there = std::thread::spawn(move || {
            HOLDER.with(|holder| holder.0.replace(Some(body)));
        });
        assert!(there.join().is_ok());
        assert_eq!(counted.freed(), 1);
    }
}
