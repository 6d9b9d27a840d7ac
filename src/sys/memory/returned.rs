//! Memory that goes back to the system once the process needs it no more.
//!
//! glibc keeps what is freed for the next request, and gives back no more than what lies at the end of its heaps. After a
//! burst of messages that is most of what they took, for ever.

use crate::sys::lock::Lock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// Bytes that were freed so far, about. Threads that free bodies and blocks add to it, threads with a keeper read it. Two that
/// add at once may lose one of both, so that it costs no locked instruction; it decides nothing but when to look, so Relaxed.
static FREED: AtomicU64 = AtomicU64::new(0);

/// The count of [`FREED`] at which the keepers are told. Written by the keepers' threads, and by the thread that tells them;
/// Relaxed, as above.
static TELL_AT: AtomicU64 = AtomicU64::new(u64::MAX);

/// Only tried, since a forked child may find it locked for ever. A keeper that is not in the list is not told, and looks now
/// and then.
static KEEPERS: Lock<Vec<Weak<dyn Keeper>>> = Lock::new(Vec::new());

/// Looks after memory of one owner, such as an I/O thread.
pub trait Keeper: Send + Sync {
    /// `FREED` has reached the count of [`tell_at`]: look at [`freed`].
    fn look(&self);
}

/// Counts `bytes` as freed.
#[inline]
pub fn add_freed(bytes: usize) {
    let total = FREED.load(Ordering::Relaxed).wrapping_add(bytes as u64);
    FREED.store(total, Ordering::Relaxed);
    if total >= TELL_AT.load(Ordering::Relaxed) {
        tell();
    }
}

/// Bytes that were freed so far, about.
pub fn freed() -> u64 {
    FREED.load(Ordering::Relaxed)
}

/// From now on `keeper` is told, until it is dropped.
pub fn add_keeper(keeper: Weak<dyn Keeper>) {
    if let Some(mut keepers) = KEEPERS.try_lock() {
        keepers.push(keeper);
    }
}

/// Forgets those that are gone, and the list with the last of them.
pub fn forget_keepers() {
    let Some(mut keepers) = KEEPERS.try_lock() else { return };
    keepers.retain(|keeper| keeper.strong_count() > 0);
    if keepers.is_empty() {
        *keepers = Vec::new();
    }
}

/// Has all keepers told once, when [`freed`] reaches `bytes`; or earlier, where another keeper asked for that.
pub fn tell_at(bytes: u64) {
    TELL_AT.fetch_min(bytes, Ordering::Relaxed);
}

#[cold]
fn tell() {
    TELL_AT.store(u64::MAX, Ordering::Relaxed);
    let keepers: Vec<Arc<dyn Keeper>> = match KEEPERS.try_lock() {
        Some(keepers) => keepers.iter().filter_map(Weak::upgrade).collect(),
        // Another thread has the list locked; the next thread to free something tries again.
        None => return tell_at(freed()),
    };
    // Unlocked: dropped here as the last, a keeper leaves the list.
    keepers.iter().for_each(|keeper| keeper.look());
}

/// Has the allocator give back its free memory to the system. It locks the heaps one after the other, for as long as that takes.
pub fn return_to_system() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: no pointers.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    #[derive(Default)]
    struct Told(AtomicU32);

    impl Keeper for Told {
        fn look(&self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn who_wants_to_know_is_told_once() {
        let told = Arc::new(Told::default());
        let keeper: Weak<Told> = Arc::downgrade(&told);
        add_keeper(keeper);
        // Other tests of this process free something too, and may want to know of it.
        tell_at(freed() + (1 << 40));
        add_freed(1 << 41);
        let first = told.0.load(Ordering::SeqCst);
        assert!(first > 0);
        drop(told);
        forget_keepers();
    }
}
