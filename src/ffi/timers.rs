//! `zmq_timers_*`.

use super::{lockless, memory, pointer};
use crate::errno::{Errno, Result};
use crate::poll::{Pass, Timers};
use crate::sys::lock::Lock;
use std::collections::BTreeMap;
use std::ffi::{c_int, c_long, c_void};
use std::ptr;
use std::sync::Arc;
use std::time::Instant;

/// The handler of a timer, called when it falls due.
#[allow(non_camel_case_types)]
pub type zmq_timer_fn = unsafe extern "C-unwind" fn(timer_id: c_int, arg: *mut c_void);

/// A set of timers and its clock.
struct Set {
    /// Times are milliseconds since then.
    start: Instant,
    timers: Lock<Timers<Handler>>,
}

/// The program's handler and its argument.
#[derive(Clone, Copy)]
struct Handler {
    run: zmq_timer_fn,
    arg: *mut c_void,
}

// SAFETY: the pointer is only handed back to the program, which says where it may be used.
unsafe impl Send for Handler {}

/// All living sets, by handle. Looked up before a handle is followed, so that a stale or foreign one is EFAULT. A
/// handle is the address of the set, which `Arc` keeps where it is.
static SETS: Lock<BTreeMap<usize, Arc<Set>>> = Lock::new(BTreeMap::new());

/// Creates an empty set of timers; free it with zmq_timers_destroy().
///
/// Unlike libzmq's, sets may be used from several threads.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_timers_new() -> *mut c_void {
    pointer(|| {
        let set = Arc::new(Set { start: Instant::now(), timers: Lock::new(Timers::new()) });
        let handle = Arc::as_ptr(&set).cast_mut().cast::<c_void>();
        SETS.lock().insert(handle.addr(), set);
        Ok(handle)
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
        let mut sets = SETS.lock();
        let set = sets.remove(&handle.addr()).ok_or(Errno::FAULT)?;
        if sets.is_empty() {
            // An empty map of this kind keeps the memory of its last node.
            *sets = BTreeMap::new();
        }
        drop(sets);
        // Nothing more falls due in a zmq_timers_execute() that is still under way.
        set.timers.lock().clear();
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
        set.timers.lock().add(set.now_ms(), interval as u64, handler)
    })
}

/// Cancels a timer. Its handler is not called any more, even if it was due already.
///
/// Returns 0, or -1 with errno `EFAULT` if `timers` is no set of timers, `EINVAL` if it has no such timer.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_timers_cancel(timers: *mut c_void, timer_id: c_int) -> c_int {
    with(timers, |set| set.timers.lock().cancel(timer_id).map(|()| 0))
}

/// Changes a timer's interval (milliseconds) and restarts the timer.
///
/// Returns 0, or -1 with errno `EFAULT` if `timers` is no set of timers, `EINVAL` if it has no such timer.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_timers_set_interval(timers: *mut c_void, timer_id: c_int, interval: usize) -> c_int {
    with(timers, |set| set.timers.lock().set_interval(set.now_ms(), timer_id, interval as u64).map(|()| 0))
}

/// Restarts a timer: it falls due one interval from now.
///
/// Returns 0, or -1 with errno `EFAULT` if `timers` is no set of timers, `EINVAL` if it has no such timer.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_timers_reset(timers: *mut c_void, timer_id: c_int) -> c_int {
    with(timers, |set| set.timers.lock().reset(set.now_ms(), timer_id).map(|()| 0))
}

/// Returns the milliseconds until the next timer falls due, 0 if one is due.
///
/// Returns -1 without timers (errno is left as it was), and with errno `EFAULT` if `timers` is no set of timers.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_timers_timeout(timers: *mut c_void) -> c_long {
    lockless(-1, || {
        let set = find(timers)?;
        let timeout_ms = set.timers.lock().timeout(set.now_ms());
        Ok(timeout_ms.map_or(-1, |ms| c_long::try_from(ms).unwrap_or(c_long::MAX)))
    })
}

/// Calls the handlers of all timers that are due, each once, in the order of their times. Handlers may use all
/// zmq_timers_*() calls on the same set.
///
/// Returns 0, or -1 with errno `EFAULT` if `timers` is no set of timers.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn zmq_timers_execute(timers: *mut c_void) -> c_int {
    // A handler may end its thread. So nothing here needs dropping while one runs: the set is kept by a count that a thread
    // that ends takes along.
    let Some((kept, pass)) = lockless(None, || begin(timers).map(Some)) else { return -1 };
    // SAFETY: `begin` has left a count.
    let set = unsafe { &*kept };
    // The lock is released before the handler runs.
    while let Some((id, handler)) = lockless(None, || Ok(set.timers.lock().next_due(pass))) {
        // SAFETY: the program said so when it added the timer, which was not cancelled by now.
        unsafe { (handler.run)(id, handler.arg) };
    }
    lockless(-1, || {
        // SAFETY: of `begin`, and not used any more.
        drop(unsafe { Arc::from_raw(kept) });
        Ok(0)
    })
}

/// A count of the set, and a pass over what is due.
fn begin(timers: *mut c_void) -> Result<(*const Set, Pass)> {
    let set = find(timers)?;
    let pass = set.timers.lock().begin(set.now_ms());
    Ok((Arc::into_raw(set), pass))
}

impl Set {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

fn with(handle: *mut c_void, run: impl FnOnce(&Set) -> Result<c_int>) -> c_int {
    lockless(-1, || run(&*find(handle)?))
}

fn find(handle: *mut c_void) -> Result<Arc<Set>> {
    SETS.lock().get(&handle.addr()).cloned().ok_or(Errno::FAULT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::zmq_errno;

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
}
