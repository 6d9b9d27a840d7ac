//! Tells a forked child from its parent without a system call.
//!
//! What the library does with it stands where each thing is. In the child:
//!
//! | what it has of its parent | what becomes of it |
//! |---|---|
//! | contexts and sockets (`ctx`, `socket`) | dead: calls fail, and closing them ends nothing of the parent's |
//! | options of contexts (`ctx::contexts`) | are read and set, but for those that another thread was using |
//! | mailboxes and reactors (`ctx::mailbox`, `reactor::inbox`) | take no command, and wake no thread |
//! | threads (`sys::thread`) | are not waited for |
//! | what a thread sleeps in (`sys::park`) | is made anew |
//! | statics that belong to a process ([`PerProcess`]) | are made anew |
//! | statics that are set once ([`SetOnce`]) | stay as they are, or are set by the child |
//! | sets of timers, pollers (`ctx::slots`) | go on, but for those that another thread was using |
//! | descriptors of pollers (`poll::signal`) | are left alone |
//! | counters (`counters`) | are in no file of the parent's |

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32};

/// 0 until the handler is registered. Then the number of forks from there to this process, counted from 1.
/// [`generation`] writes it once, and [`bump`] in a child, which has one thread then. Any thread reads it. It
/// makes no edge: `fork` itself orders what the child sees.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// A number that differs between a forked child and its parent. An owner of threads or descriptors keeps the
/// number from when it was made. Where it differs, the threads do not exist, and a lock may be held by a
/// thread that does not exist.
///
/// One relaxed load after the first call. Never 0. Stays 1 while the system has no memory to register the
/// handler.
#[inline]
pub fn generation() -> u32 {
    match GENERATION.load(Relaxed) {
        0 => register(),
        generation => generation,
    }
}

/// The generation of no process.
pub const NO_GENERATION: u32 = u32::MAX;

/// Whether this, which is not 0, is the [`generation`] of the process. One load, and no look whether the handler is registered: an object
/// that was made before that has another generation than 0, and none is made in [`NO_GENERATION`].
#[inline(always)]
pub fn is_current(generation: u32) -> bool {
    GENERATION.load(Relaxed) == generation
}

/// The generation in which an object was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Born(u32);

impl Born {
    pub fn now() -> Born {
        Born(generation())
    }

    /// Whether this process is a forked child of the one in which the object was made.
    #[inline]
    pub fn forked(self) -> bool {
        self.0 != generation()
    }
}

/// A value that each process makes for itself when it first asks for it: a forked child leaves its parent's alone, whose locks
/// may be held by threads that the child does not have. It lives until the process ends.
pub struct PerProcess<T>(Shown<(Born, T)>);

impl<T: Send + Sync> PerProcess<T> {
    pub const fn new() -> PerProcess<T> {
        PerProcess(Shown::new())
    }

    /// The value, if this process has made it already.
    pub fn find(&'static self) -> Option<&'static T> {
        self.0.get().filter(|(born, _)| !born.forked()).map(|(_, value)| value)
    }

    /// The value, made by `make` if there is none. Threads that make one at the same time all get the first.
    pub fn find_or_make(&'static self, make: impl FnOnce() -> T) -> &'static T {
        let before = self.0.last();
        if let Some(value) = self.find() {
            return value;
        }
        let (Ok((_, value)) | Err((_, value))) = self.0.show(before, (Born::now(), make()));
        value
    }
}

impl<T: Send + Sync> Default for PerProcess<T> {
    fn default() -> PerProcess<T> {
        PerProcess::new()
    }
}

/// A value that is set once, and that forked children go on with. No thread waits for another that is setting it, as it would with the
/// standard library's `OnceLock`: in a forked child that thread does not exist.
pub struct SetOnce<T>(Shown<T>);

impl<T: Send + Sync> SetOnce<T> {
    pub const fn new() -> SetOnce<T> {
        SetOnce(Shown::new())
    }

    #[inline]
    pub fn get(&'static self) -> Option<&'static T> {
        self.0.get()
    }

    /// Whether it was this call that has set it.
    pub fn set(&'static self, value: T) -> bool {
        self.get().is_none() && self.0.show(std::ptr::null_mut(), value).is_ok()
    }

    /// The value, made by `make` if there is none. Threads that make one at the same time all get the first: what else `make` does may
    /// be done by several.
    #[inline]
    pub fn get_or_make(&'static self, make: impl FnOnce() -> T) -> &'static T {
        match self.get() {
            Some(value) => value,
            None => {
                let (Ok(value) | Err(value)) = self.0.show(std::ptr::null_mut(), make());
                value
            }
        }
    }
}

impl<T: Send + Sync> Default for SetOnce<T> {
    fn default() -> SetOnce<T> {
        SetOnce::new()
    }
}

/// The value that was shown last. Those before it stay where they are.
struct Shown<T> {
    /// Null, or what this process or an ancestor has made. Written by the thread that has made one (release), read by any
    /// (acquire), which so sees the value whole.
    made: AtomicPtr<T>,
    /// The place of the first value. On the heap it would look like a leak once the last context is gone. Forked children, and a
    /// thread that comes second, take the heap.
    first: UnsafeCell<MaybeUninit<T>>,
    /// A thread has taken that place. Any thread takes it, at most one gets it; `made` makes the edge, so Relaxed.
    is_first_taken: AtomicBool,
}

// SAFETY: `first` is written by the one thread that has taken it, before `made` shows it to others; from then on it is only read.
unsafe impl<T: Send + Sync> Sync for Shown<T> {}

impl<T: Send + Sync> Shown<T> {
    const fn new() -> Shown<T> {
        Shown {
            made: AtomicPtr::new(std::ptr::null_mut()),
            first: UnsafeCell::new(MaybeUninit::uninit()),
            is_first_taken: AtomicBool::new(false),
        }
    }

    fn last(&self) -> *mut T {
        self.made.load(Acquire)
    }

    #[inline]
    fn get(&'static self) -> Option<&'static T> {
        // SAFETY: null, or a value that is never freed.
        unsafe { self.last().as_ref() }
    }

    /// Shows a value in the place of `before`; the value that another thread has shown there is the error.
    #[cold]
    fn show(&'static self, before: *mut T, value: T) -> Result<&'static T, &'static T> {
        let fresh = self.place(value);
        match self.made.compare_exchange(before, fresh, AcqRel, Acquire) {
            // SAFETY: this thread has made it just now; from here on it is never freed.
            Ok(_) => Ok(unsafe { &*fresh }),
            Err(other) => {
                self.discard(fresh);
                // SAFETY: another thread of this process has put it there, and it is never freed.
                Err(unsafe { &*other })
            }
        }
    }

    /// Puts a value where it can stay. No other thread knows of it so far.
    fn place(&'static self, value: T) -> *mut T {
        if self.is_first_taken.swap(true, Relaxed) {
            return Box::into_raw(Box::new(value));
        }
        // SAFETY: only the thread that has taken the place writes there.
        unsafe { (*self.first.get()).write(value) }
    }

    /// Drops a value that no other thread has seen.
    fn discard(&'static self, value: *mut T) {
        if value == self.first.get().cast() {
            // SAFETY: this thread has written it, and it is shown to none.
            unsafe { std::ptr::drop_in_place(value) };
        } else {
            // SAFETY: from `Box::into_raw`, and shown to none.
            drop(unsafe { Box::from_raw(value) });
        }
    }
}

/// Two threads may both come here. Then the handler runs twice in a child and adds two, which serves as well.
#[cold]
fn register() -> u32 {
    // SAFETY: `bump` is a plain function that lives as long as this library (glibc removes it at dlclose). It
    // only makes an atomic store, which is allowed between fork and exec.
    let rc = unsafe { libc::pthread_atfork(None, None, Some(bump)) };
    if rc != 0 {
        return 1;
    }
    let _ = GENERATION.compare_exchange(0, 1, Relaxed, Relaxed);
    GENERATION.load(Relaxed)
}

unsafe extern "C" fn bump() {
    let next = GENERATION.load(Relaxed).wrapping_add(1);
    GENERATION.store(if next == NO_GENERATION { 1 } else { next }, Relaxed);
}

#[cfg(test)]
pub mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    /// The exit code of a child that does what `inside` says.
    pub fn child(inside: impl FnOnce() -> i32) -> i32 {
        // SAFETY: the child runs `inside`, which waits for no other thread, and ends without running anything of the parent's.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            // SAFETY: ends a child that hangs.
            unsafe { libc::alarm(60) };
            let code = inside();
            // SAFETY: as above.
            unsafe { libc::_exit(code) };
        }
        let mut status = 0;
        // SAFETY: `status` is a valid place for the result.
        assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
        assert!(libc::WIFEXITED(status), "signal {}", libc::WTERMSIG(status));
        libc::WEXITSTATUS(status)
    }

    #[test]
    fn a_child_sets_what_a_thread_of_its_parent_was_setting() {
        static VALUE: SetOnce<u32> = SetOnce::new();
        let [begun, forked] = [(); 2].map(|()| std::sync::Barrier::new(2));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                VALUE.get_or_make(|| {
                    begun.wait();
                    forked.wait();
                    1
                })
            });
            begun.wait();
            let code =
                child(|| i32::from(VALUE.get_or_make(|| 2) != &2 || VALUE.set(3) || VALUE.get() != Some(&2)));
            forked.wait();
            assert_eq!(code, 0);
        });
        assert_eq!((VALUE.get(), VALUE.set(4), VALUE.get_or_make(|| 5)), (Some(&1), false, &1));
    }

    #[test]
    fn each_process_has_a_value_of_its_own() {
        static VALUE: PerProcess<u32> = PerProcess::new();
        assert_eq!(VALUE.find(), None);
        assert_eq!((VALUE.find_or_make(|| 1), VALUE.find_or_make(|| 2)), (&1, &1));
        let code = child(|| {
            let before = VALUE.find().is_none();
            i32::from(!before || *VALUE.find_or_make(|| 3) != 3 || VALUE.find() != Some(&3))
        });
        assert_eq!((code, VALUE.find()), (0, Some(&1)));
    }

    #[test]
    fn threads_that_make_a_value_at_once_get_the_same() {
        static VALUE: PerProcess<u32> = PerProcess::new();
        let barrier = std::sync::Barrier::new(4);
        let got: Vec<u32> = std::thread::scope(|scope| {
            let make = |number| {
                barrier.wait();
                *VALUE.find_or_make(|| number)
            };
            let threads = [0, 1, 2, 3].map(|number| scope.spawn(move || make(number)));
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(got.iter().all(|value| Some(value) == VALUE.find()), "{got:?}");
    }

    #[test]
    fn a_child_differs_and_the_parent_does_not_change() {
        let born = Born::now();
        assert!(!born.forked());
        assert_eq!(child(|| i32::from(!born.forked() || Born::now().forked())), 0);
        assert!(!born.forked());
    }
}
