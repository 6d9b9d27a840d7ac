//! Functions that run when a thread ends. Registering one needs no memory.
//!
//! The standard library registers the destructors of a thread's variables with glibc, which ends the process
//! where it has no memory for that. So the library's thread-local variables have types without a destructor,
//! and their owners register here.

use super::cancel::CancelOff;
use super::contain::contain;
use super::thread_state::ThreadState;
use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Most tasks of one thread: one for each [`AtThreadEnd`] of the library.
const MAX_TASKS: usize = 8;

/// A function to be run at the end of every thread that has registered it. It has to be a `static`.
pub struct AtThreadEnd(pub fn());

thread_local! {
    static TASKS: [Cell<Option<&'static AtThreadEnd>>; MAX_TASKS] = const { [const { Cell::new(None) }; MAX_TASKS] };
}

/// The key whose destructor runs the tasks, plus one; 0 until there is one. Written once, by the first thread
/// that needs it, and read by all. A key is valid in every thread once `pthread_key_create` has returned it,
/// so Relaxed.
static TASKS_KEY: AtomicU64 = AtomicU64::new(0);

/// The process ends, or unloads the library: no more tasks are registered. Written at that moment, read by
/// threads that register. A thread that does not see it yet leaves some memory behind, so Relaxed.
static UNLOADED: AtomicBool = AtomicBool::new(false);

impl AtThreadEnd {
    /// Has the function run when the calling thread ends. `false`: it will not, for want of memory or because
    /// the process ends; the caller then must keep nothing for the thread.
    #[cold]
    pub fn register(&'static self) -> bool {
        TASKS.with(|tasks| {
            let registered =
                |task: &&Cell<Option<&'static AtThreadEnd>>| task.get().is_some_and(|it| ptr::eq(it, self));
            if tasks.iter().any(|task| registered(&task)) {
                return true;
            }
            let place = tasks.iter().find(|task| task.get().is_none());
            let Some(place) = place.filter(|_| watch_for_end()) else { return false };
            place.set(Some(self));
            true
        })
    }
}

/// Has [`thread_ends`] called on the calling thread.
fn watch_for_end() -> bool {
    if UNLOADED.load(Ordering::Relaxed) {
        return false;
    }
    // Any value but null makes the system call the destructor.
    let value = (&raw const UNLOADED).cast::<c_void>();
    // SAFETY: a key of `pthread_key_create`; the value is never dereferenced.
    key().is_some_and(|key| unsafe { libc::pthread_setspecific(key, value) } == 0)
}

fn key() -> Option<libc::pthread_key_t> {
    let known = TASKS_KEY.load(Ordering::Relaxed);
    if let Some(key) = known.checked_sub(1) {
        return Some(key as libc::pthread_key_t);
    }
    let mut key: libc::pthread_key_t = 0;
    // SAFETY: `key` is written to, and the destructor lives until `library_ends` deletes the key.
    if unsafe { libc::pthread_key_create(&raw mut key, Some(thread_ends)) } != 0 {
        return None;
    }
    match TASKS_KEY.compare_exchange(0, key as u64 + 1, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => Some(key),
        Err(other) => {
            // SAFETY: made above, and not yet known to other threads.
            unsafe { libc::pthread_key_delete(key) };
            Some((other - 1) as libc::pthread_key_t)
        }
    }
}

unsafe extern "C" fn thread_ends(_value: *mut c_void) {
    run_tasks();
}

fn run_tasks() {
    // The thread may still be cancelled, and would be unwound from here.
    let _off = CancelOff::for_callback(ThreadState::current());
    TASKS.with(|tasks| {
        for task in tasks {
            if let Some(AtThreadEnd(run)) = task.take() {
                contain(run);
            }
        }
    });
}

/// Runs the tasks of the thread that ends the process or unloads the library. No other thread will be called
/// here any more.
#[cfg(any(target_os = "linux", target_os = "android"))]
extern "C" fn library_ends() {
    UNLOADED.store(true, Ordering::Relaxed);
    if let Some(key) = TASKS_KEY.load(Ordering::Relaxed).checked_sub(1) {
        // SAFETY: a key of `pthread_key_create`, deleted only here.
        unsafe { libc::pthread_key_delete(key as libc::pthread_key_t) };
    }
    run_tasks();
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[used]
// SAFETY: the section holds pointers to functions of this type, which the loader calls once.
#[unsafe(link_section = ".fini_array")]
static LIBRARY_ENDS: extern "C" fn() = library_ends;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use std::sync::atomic::AtomicU32;

    static RUNS: AtomicU32 = AtomicU32::new(0);
    static COUNT: AtThreadEnd = AtThreadEnd(|| {
        RUNS.fetch_add(1, Ordering::SeqCst);
    });
    static PANIC: AtThreadEnd = AtThreadEnd(|| panic!("contained"));

    #[test]
    fn a_task_runs_once_on_each_thread_that_has_registered_it() {
        let threads: Vec<_> = (0..3)
            .map(|number| {
                std::thread::spawn(move || {
                    assert!(PANIC.register());
                    assert!(number == 0 || (COUNT.register() && COUNT.register()));
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(RUNS.load(Ordering::SeqCst), 2);
    }
}
