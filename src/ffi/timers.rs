//! `zmq_timers_*`.

use super::{lockless, memory, pointer};
use crate::ctx::{SlotGuard, Slots};
use crate::errno::{Errno, Result};
use crate::poll::{Pass, Timers};
use std::ffi::{c_int, c_long, c_void};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// The handler of a timer, called when it falls due.
#[allow(non_camel_case_types)]
pub type zmq_timer_fn = unsafe extern "C-unwind" fn(timer_id: c_int, arg: *mut c_void);

/// A set of timers and its clock.
struct Set {
    /// A handle comes back, this does not.
    number: u64,
    /// Times are milliseconds since then.
    start: Instant,
    timers: Timers<Handler>,
}

/// The program's handler and its argument.
#[derive(Clone, Copy)]
struct Handler {
    run: zmq_timer_fn,
    arg: *mut c_void,
}

// SAFETY: the pointer is only handed back to the program, which says where it may be used.
unsafe impl Send for Handler {}

/// All sets. A stale or foreign handle is EFAULT, and so is a set that another thread of the parent held at a fork.
static SETS: Slots<Set> = Slots::new(0xcafe_dada);

/// Creates an empty set of timers; free it with zmq_timers_destroy().
///
/// Unlike libzmq's, sets may be used from several threads. A forked child goes on with its parent's, except one that another
/// thread was using at that moment: that one can only be destroyed.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_timers_new() -> *mut c_void {
    pointer(|| {
        // Any thread takes numbers. That they differ is all that is asked for, so Relaxed.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Relaxed);
        let handle = SETS.insert(Set { number, start: Instant::now(), timers: Timers::new() })?;
        Ok(ptr::with_exposed_provenance_mut(handle))
    })
}

/// Destroys a set of timers and sets the pointer to it to NULL. A timer handler may destroy its own set.
///
/// Returns 0, or -1 with errno `EFAULT` if the pointer does not point at a set of timers.
///
/// # Safety
/// `timers_p` is NULL or points at a pointer variable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_timers_destroy(timers_p: *mut *mut c_void) -> c_int {
    lockless(-1, || {
        // SAFETY: as the caller promises.
        let handle = *unsafe { memory::borrowed(timers_p) }?;
        let slot = SETS.lookup(handle.addr()).ok_or(Errno::FAULT)?;
        match slot.lock_inherited() {
            // Nothing more falls due in a zmq_timers_execute() that is still under way.
            Some(set) => drop(SETS.remove(set)),
            // What another thread has left half done in the parent stays as it is.
            None if slot.abandon() => {}
            None => return Err(Errno::FAULT),
        }
        // SAFETY: not null, or `borrowed` had failed; a variable of the caller's.
        unsafe { timers_p.write(ptr::null_mut()) };
        Ok(0)
    })
}

/// Adds a timer: every `interval` milliseconds zmq_timers_execute() will call `handler(timer_id, arg)`.
///
/// Returns the timer's id, above 0, or -1 with errno `EFAULT` if `timers` is no set of timers or there is no
/// handler.
///
/// # Safety
/// `handler` may be called with `arg` until the timer is cancelled or the set destroyed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_timers_add(
    timers: *mut c_void,
    interval: usize,
    handler: Option<zmq_timer_fn>,
    arg: *mut c_void,
) -> c_int {
    with(timers, |set| {
        let handler = Handler { run: handler.ok_or(Errno::FAULT)?, arg };
        set.timers.add(set.now_ms(), interval as u64, handler)
    })
}

/// Cancels a timer. Its handler is not called any more, even if it was due already.
///
/// Returns 0, or -1 with errno `EFAULT` if `timers` is no set of timers, `EINVAL` if it has no such timer.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_timers_cancel(timers: *mut c_void, timer_id: c_int) -> c_int {
    with(timers, |set| set.timers.cancel(timer_id).map(|()| 0))
}

/// Changes a timer's interval (milliseconds) and restarts the timer.
///
/// Returns 0, or -1 with errno `EFAULT` if `timers` is no set of timers, `EINVAL` if it has no such timer.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_timers_set_interval(timers: *mut c_void, timer_id: c_int, interval: usize) -> c_int {
    with(timers, |set| set.timers.set_interval(set.now_ms(), timer_id, interval as u64).map(|()| 0))
}

/// Restarts a timer: it falls due one interval from now.
///
/// Returns 0, or -1 with errno `EFAULT` if `timers` is no set of timers, `EINVAL` if it has no such timer.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_timers_reset(timers: *mut c_void, timer_id: c_int) -> c_int {
    with(timers, |set| set.timers.reset(set.now_ms(), timer_id).map(|()| 0))
}

/// Returns the milliseconds until the next timer falls due, 0 if one is due.
///
/// Returns -1 without timers (errno is left as it was), and with errno `EFAULT` if `timers` is no set of timers.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_timers_timeout(timers: *mut c_void) -> c_long {
    lockless(-1, || {
        let set = find(timers)?;
        let timeout_ms = set.timers.timeout(set.now_ms());
        Ok(timeout_ms.map_or(-1, |ms| c_long::try_from(ms).unwrap_or(c_long::MAX)))
    })
}

/// Calls the handlers of all timers that are due, each once, in the order of their times. Handlers may use all
/// zmq_timers_*() calls on the same set.
///
/// Returns 0, or -1 with errno `EFAULT` if `timers` is no set of timers.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn zmq_timers_execute(timers: *mut c_void) -> c_int {
    // A handler may end its thread. So nothing here needs dropping while one runs.
    let Some(run) = lockless(None, || begin(timers).map(Some)) else { return -1 };
    // The lock is released before the handler runs.
    while let Some((id, handler)) = lockless(None, || Ok(next_due(timers, run))) {
        // SAFETY: the program said so when it added the timer, which was not cancelled by now.
        unsafe { (handler.run)(id, handler.arg) };
    }
    0
}

/// The number of the set, and a pass over what is due.
fn begin(timers: *mut c_void) -> Result<(u64, Pass)> {
    let set = find(timers)?;
    Ok((set.number, set.timers.begin(set.now_ms())))
}

/// Nothing once a handler has destroyed the set, whose handle may stand for another one by now.
fn next_due(timers: *mut c_void, (number, pass): (u64, Pass)) -> Option<(c_int, Handler)> {
    let mut set = find(timers).ok().filter(|set| set.number == number)?;
    set.timers.next_due(pass)
}

impl Set {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

fn with(handle: *mut c_void, run: impl FnOnce(&mut Set) -> Result<c_int>) -> c_int {
    lockless(-1, || run(&mut *find(handle)?))
}

/// The set, locked.
fn find(handle: *mut c_void) -> Result<SlotGuard<'static, Set>> {
    let slot = SETS.lookup(handle.addr()).ok_or(Errno::FAULT)?;
    slot.lock_inherited().ok_or(Errno::FAULT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::zmq_errno;
    #[cfg(all(cancel_in_calls, feature = "reserve", not(loom)))]
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

    /// What the handlers below work on.
    struct Game {
        timers: *mut c_void,
        calls: u32,
        other: c_int,
    }

    unsafe extern "C-unwind" fn count(_: c_int, game: *mut c_void) {
        // SAFETY: the test's own.
        unsafe { (*game.cast::<Game>()).calls += 1 };
    }

    /// Ends itself and another timer, and adds one that is due at once.
    unsafe extern "C-unwind" fn meddle(id: c_int, game: *mut c_void) {
        // SAFETY: the test's own.
        unsafe {
            let Game { timers, other, .. } = *game.cast::<Game>();
            assert_eq!(zmq_timers_reset(timers, id), 0);
            assert_eq!(zmq_timers_set_interval(timers, id, 0), 0);
            assert_eq!(zmq_timers_cancel(timers, id), 0);
            assert_eq!(zmq_timers_cancel(timers, other), 0);
            assert!(zmq_timers_add(timers, 0, Some(count), game) > 0);
            assert_eq!(zmq_timers_timeout(timers), 0);
            count(id, game);
        }
    }

    unsafe extern "C-unwind" fn destroy(id: c_int, game: *mut c_void) {
        // SAFETY: the test's own.
        unsafe {
            assert_eq!(zmq_timers_destroy(&raw mut (*game.cast::<Game>()).timers), 0);
            count(id, game);
        }
    }

    fn failed(outcome: c_int) -> c_int {
        assert_eq!(outcome, -1);
        zmq_errno()
    }

    #[test]
    fn handles_that_are_none() {
        let mut none = 0u64;
        let mut stale = zmq_timers_new();
        let kept = stale;
        // SAFETY: a pointer variable or NULL.
        unsafe {
            assert_eq!(zmq_timers_destroy(&raw mut stale), 0);
            assert!(stale.is_null());
            assert_eq!(failed(zmq_timers_destroy(&raw mut stale)), libc::EFAULT);
            assert_eq!(failed(zmq_timers_destroy(ptr::null_mut())), libc::EFAULT);
        }
        for handle in [ptr::null_mut(), kept, (&raw mut none).cast(), ptr::without_provenance_mut(1)] {
            // SAFETY: the handler is never called.
            let added = unsafe { zmq_timers_add(handle, 1, Some(count), ptr::null_mut()) };
            assert_eq!(failed(added), libc::EFAULT);
            assert_eq!(failed(zmq_timers_cancel(handle, 1)), libc::EFAULT);
            assert_eq!(failed(zmq_timers_reset(handle, 1)), libc::EFAULT);
            assert_eq!(failed(zmq_timers_set_interval(handle, 1, 1)), libc::EFAULT);
            assert_eq!(failed(zmq_timers_execute(handle)), libc::EFAULT);
            assert_eq!((zmq_timers_timeout(handle), zmq_errno()), (-1, libc::EFAULT));
        }
    }

    #[test]
    fn handlers_use_their_own_set() {
        let mut game = Game { timers: zmq_timers_new(), calls: 0, other: 0 };
        let arg = (&raw mut game).cast::<c_void>();
        // SAFETY: `game` outlives the timers; it is only used through `arg` until they are gone.
        unsafe {
            let timers = (*arg.cast::<Game>()).timers;
            assert_eq!(zmq_timers_timeout(timers), -1);
            assert_eq!(failed(zmq_timers_add(timers, 1, None, arg)), libc::EFAULT);
            assert!(zmq_timers_add(timers, 0, Some(meddle), arg) > 0);
            (*arg.cast::<Game>()).other = zmq_timers_add(timers, 0, Some(count), arg);
            assert_eq!(zmq_timers_execute(timers), 0);
            assert_eq!((*arg.cast::<Game>()).calls, 1);
            // The one that the handler added.
            assert_eq!(zmq_timers_execute(timers), 0);
            assert_eq!((*arg.cast::<Game>()).calls, 2);
            // A handler destroys the set; the timer after it is not called.
            assert!(zmq_timers_add(timers, 0, Some(destroy), arg) > 0);
            assert!(zmq_timers_add(timers, 0, Some(count), arg) > 0);
            assert_eq!(zmq_timers_execute(timers), 0);
            assert!((*arg.cast::<Game>()).timers.is_null());
            assert_eq!((*arg.cast::<Game>()).calls, 4);
        }
    }

    /// A thread that is cancelled already adds timers, with no memory left.
    #[cfg(all(cancel_in_calls, feature = "reserve", not(loom)))]
    fn add_without_memory(timers: usize, stage: &AtomicU32) {
        use crate::sys::faults::{self, Call};
        use crate::sys::memory::tests::Shortage;
        unsafe extern "C-unwind" {
            fn pthread_cancel(thread: libc::pthread_t) -> c_int;
            fn pthread_setcancelstate(state: c_int, old: *mut c_int) -> c_int;
        }
        let timers = ptr::with_exposed_provenance_mut(timers);
        // What refuses calls in tests has a place for each thread, for which there would be no memory.
        assert!(faults::next(Call::Poll).is_none());
        // SAFETY: the calling thread; the old state is not asked for.
        unsafe {
            pthread_setcancelstate(1, ptr::null_mut());
            assert_eq!(pthread_cancel(libc::pthread_self()), 0);
            std::mem::forget(Shortage::begin(16));
            stage.store(1, SeqCst);
            pthread_setcancelstate(0, ptr::null_mut());
        }
        // SAFETY: the handler is never called.
        let added =
            (0..100).all(|_| unsafe { zmq_timers_add(timers, 1000, Some(count), ptr::null_mut()) } > 0);
        // SAFETY: as above.
        unsafe { pthread_setcancelstate(1, ptr::null_mut()) };
        stage.store(if added { 2 } else { 3 }, SeqCst);
    }

    /// A call that puts no cancellation off waits for memory, too.
    #[test]
    #[cfg(all(cancel_in_calls, feature = "reserve", not(loom)))]
    fn a_thread_that_is_cancelled_waits_for_memory_to_the_end_of_its_call() {
        use crate::sys::memory::tests::{EmptyReserve, until_a_thread_waits};
        /// 0, then 1 while the thread is in its calls, 2 once they are done, 3 where they failed.
        static STAGE: AtomicU32 = AtomicU32::new(0);
        let code = crate::sys::fork::tests::child(|| {
            let timers = zmq_timers_new().expose_provenance();
            let reserve = EmptyReserve::begin();
            let _thread = std::thread::spawn(move || add_without_memory(timers, &STAGE));
            until_a_thread_waits();
            drop(reserve);
            while STAGE.load(SeqCst) < 2 {
                std::thread::yield_now();
            }
            i32::from(STAGE.load(SeqCst) != 2)
        });
        assert_eq!(code, 0);
    }
}
