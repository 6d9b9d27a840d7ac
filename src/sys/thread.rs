//! The library's own threads: named, with signals blocked, and scheduled as the context's options say.

use super::cancel;
use super::contain::contain;
use super::faults::{self, Call};
use super::fork::Born;
use super::futex;
use super::retry::rest;
use super::thread_state::ThreadState;
use crate::errno::{Errno, Result};
use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Size of each thread's stack: address space, of which the system provides the used part.
const STACK_BYTES: usize = 2 * 1024 * 1024;

/// Longest sleep of a thread that joins another. It makes no difference: the joining thread is woken.
const MAX_JOIN_SLEEP: Duration = Duration::from_secs(3600);
/// Time between checks where a thread may not sleep.
const JOIN_POLL_INTERVAL: Duration = Duration::from_micros(50);

/// The settings of a context's threads (`ZMQ_THREAD_*` of `zmq_ctx_set`). The default changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThreadSettings {
    /// Comes before the thread's own name, with a slash between.
    pub name_prefix: Vec<u8>,
    /// 1 to 99 with `SCHED_FIFO` and `SCHED_RR`. With any other policy a value above 0 asks for the best nice value.
    pub priority: Option<i32>,
    /// `SCHED_FIFO` and the like.
    pub policy: Option<i32>,
    /// The processors the thread may run on; empty for all.
    pub affinity_cpus: Vec<usize>,
}

/// A thread started by [`spawn`]. It runs on by itself when this is dropped.
#[derive(Debug)]
pub struct Thread {
    /// `None` once joined or detached.
    id: Option<libc::pthread_t>,
    /// 1 once the thread's function has returned. Written by the thread (release), read by the thread that
    /// joins it (acquire).
    ended: Arc<AtomicU32>,
    born: Born,
}

// Where `pthread_t` is a number, Rust sees this by itself.
// SAFETY: the id is a name of the thread, and never followed as a pointer here. The system's functions take it on any thread.
unsafe impl Send for Thread {}
// SAFETY: as above; no function takes the id of a shared `Thread`.
unsafe impl Sync for Thread {}

impl Thread {
    /// Waits until the thread has ended. Returns at once on the thread itself, and in a forked child, where
    /// it does not exist.
    pub fn join(mut self) {
        // SAFETY: no pointers.
        let others = |id: &libc::pthread_t| unsafe { libc::pthread_equal(*id, libc::pthread_self()) } == 0;
        if !self.born.forked()
            && self.id.as_ref().is_some_and(others)
            && let Some(id) = self.id.take()
        {
            self.wait_for_ended();
            if futex::was_refused() && await_end(id) {
                return;
            }
            // SAFETY: the thread was neither joined nor detached, nor is it the calling one.
            unsafe { libc::pthread_join(id, ptr::null_mut()) };
        }
    }
}

impl Thread {
    /// Waits for `ended`. glibc ends the process where the system refuses to let it wait for a thread; this
    /// does not.
    fn wait_for_ended(&self) {
        while self.ended.load(Ordering::Acquire) == 0 {
            // The word is checked again after any result, but not at once after an error, which may come
            // without a wait.
            if futex::wait(&self.ended, 0, MAX_JOIN_SLEEP).is_err() {
                rest(JOIN_POLL_INTERVAL);
            }
        }
    }
}

/// Waits for a thread whose function has returned to be gone, with a check from time to time. `false`: it
/// takes too long.
#[cfg(target_os = "linux")]
fn await_end(id: libc::pthread_t) -> bool {
    /// A thread is gone some microseconds after its last store, unless the program's destructors take time.
    const MAX_JOIN_POLLS: u32 = 2000;
    (0..MAX_JOIN_POLLS).any(|_| {
        // SAFETY: the thread was neither joined nor detached: this joins it once, if it answers 0.
        let gone = unsafe { libc::pthread_tryjoin_np(id, ptr::null_mut()) } == 0;
        if !gone {
            rest(JOIN_POLL_INTERVAL);
        }
        gone
    })
}

#[cfg(not(target_os = "linux"))]
fn await_end(_id: libc::pthread_t) -> bool {
    false
}

impl Drop for Thread {
    fn drop(&mut self) {
        // In a forked child the thread's stack is free, and a new thread of the child may use it. Detaching
        // would write to it.
        if !self.born.forked()
            && let Some(id) = self.id.take()
        {
            // SAFETY: the thread was neither joined nor detached.
            unsafe { libc::pthread_detach(id) };
        }
    }
}

/// The values for a new thread.
struct Start {
    full_name: Vec<u8>,
    settings: ThreadSettings,
    run: Box<dyn FnOnce() + Send>,
    ended: Arc<AtomicU32>,
}

/// Starts a thread to which no signal is delivered. `name` comes after the prefix; the system keeps 15 bytes.
/// Settings that need a privilege the process lacks are skipped.
///
/// `std::thread::spawn` ends the process where it has no memory, on the calling or the new thread, so it is
/// not used.
///
/// Errors: `EAGAIN`, `ENOMEM`.
pub fn spawn(settings: &ThreadSettings, name: &str, run: impl FnOnce() + Send + 'static) -> Result<Thread> {
    let mut full_name = settings.name_prefix.clone();
    if !full_name.is_empty() {
        full_name.push(b'/');
    }
    full_name.extend_from_slice(name.as_bytes());
    let ended = Arc::new(AtomicU32::new(0));
    if let Some(errno) = faults::next(Call::Thread) {
        return Err(errno);
    }
    let (settings, run, ended_there) = (settings.clone(), Box::new(run), Arc::clone(&ended));
    let start = Box::new(Start { full_name, settings, run, ended: ended_there });
    let blocked = BlockedSignals::all();
    let id = create(start);
    drop(blocked);
    Ok(Thread { id: Some(id?), ended, born: Born::now() })
}

/// Creates a thread that runs `start`.
fn create(start: Box<Start>) -> Result<libc::pthread_t> {
    let start = Box::into_raw(start);
    let mut id = MaybeUninit::uninit();
    let mut attributes = MaybeUninit::uninit();
    // SAFETY: the attributes are used only between init and destroy. `begin` takes the value over if there is
    // a thread; otherwise this function takes it back.
    let code = unsafe {
        let mut code = libc::pthread_attr_init(attributes.as_mut_ptr());
        if code == 0 {
            // This is too little for a program with many thread-local variables. Then the system's own size
            // is used.
            libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), STACK_BYTES);
            code = libc::pthread_create(id.as_mut_ptr(), attributes.as_ptr(), begin, start.cast());
            if code == libc::EINVAL {
                code = libc::pthread_create(id.as_mut_ptr(), ptr::null(), begin, start.cast());
            }
            libc::pthread_attr_destroy(attributes.as_mut_ptr());
        }
        code
    };
    if code != 0 {
        // SAFETY: from `into_raw`, and there is no thread that could take it over.
        drop(unsafe { Box::from_raw(start) });
        return Err(Errno(code));
    }
    // SAFETY: `pthread_create` has succeeded and so written it.
    Ok(unsafe { id.assume_init() })
}

extern "C" fn begin(start: *mut c_void) -> *mut c_void {
    // SAFETY: made by `create`, for this thread alone.
    let Start { full_name, settings, run, ended } = *unsafe { Box::from_raw(start.cast::<Start>()) };
    cancel::never();
    ThreadState::current().is_ours.set(true);
    contain(move || {
        name_current(&full_name);
        schedule_current(&settings);
        run();
    });
    ended.store(1, Ordering::Release);
    futex::wake_one(&ended);
    ptr::null_mut()
}

/// Names the calling thread; cut to what the system keeps.
pub fn name_current(name: &[u8]) {
    let mut bytes = [0u8; 16];
    for (to, from) in bytes.iter_mut().zip(name.iter().take_while(|byte| **byte != 0).take(15)) {
        *to = *from;
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // SAFETY: `bytes` ends with a NUL: at most 15 of 16 were written.
    unsafe {
        libc::pthread_setname_np(libc::pthread_self(), bytes.as_ptr().cast());
    }
    #[cfg(target_vendor = "apple")]
    // SAFETY: `bytes` ends with a NUL: at most 15 of 16 were written.
    unsafe {
        libc::pthread_setname_np(bytes.as_ptr().cast());
    }
}

/// Sets policy, priority and processors of the calling thread. Settings without the privilege are skipped: a
/// thread with a lower priority is better than none.
fn schedule_current(settings: &ThreadSettings) {
    if settings.policy.is_some() || settings.priority.is_some() {
        set_policy(settings.policy, settings.priority.filter(|priority| *priority >= 0));
    }
    if !settings.affinity_cpus.is_empty() {
        set_affinity(&settings.affinity_cpus);
    }
}

fn set_policy(policy: Option<i32>, priority: Option<i32>) {
    let mut current = 0;
    let mut param = MaybeUninit::<libc::sched_param>::zeroed();
    // SAFETY: both pointers are valid for writing; all-zero is a valid sched_param.
    let mut param = unsafe {
        if libc::pthread_getschedparam(libc::pthread_self(), &raw mut current, param.as_mut_ptr()) != 0 {
            return;
        }
        param.assume_init()
    };
    let policy = policy.unwrap_or(current);
    let real_time = policy == libc::SCHED_FIFO || policy == libc::SCHED_RR;
    // The other policies take priority 0 only.
    param.sched_priority = if real_time { priority.unwrap_or(param.sched_priority) } else { 0 };
    // SAFETY: `param` is initialised.
    unsafe { libc::pthread_setschedparam(libc::pthread_self(), policy, &raw const param) };
    if !real_time && priority.is_some_and(|priority| priority > 0) {
        // SAFETY: no pointers. On Linux this is the thread's own nice value.
        unsafe { libc::nice(-20) };
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn set_affinity(cpus: &[usize]) {
    // SAFETY: all-zero is the empty set; CPU_SET is given numbers inside it only.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        for &cpu in cpus.iter().filter(|cpu| **cpu < libc::CPU_SETSIZE as usize) {
            libc::CPU_SET(cpu, &mut set);
        }
        libc::sched_setaffinity(0, size_of_val(&set), &raw const set);
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn set_affinity(_cpus: &[usize]) {}

/// While it lives, no signal is delivered to the calling thread; a thread started meanwhile never gets one.
pub struct BlockedSignals(libc::sigset_t);

impl BlockedSignals {
    pub fn all() -> BlockedSignals {
        // SAFETY: both sets are written by the calls before they are read; the old mask stays all-zero (empty) if
        // the call failed, which it cannot with SIG_SETMASK and valid pointers.
        unsafe {
            let mut all: libc::sigset_t = std::mem::zeroed();
            let mut old: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&raw mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut old);
            BlockedSignals(old)
        }
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        // SAFETY: the mask that was in force.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut()) };
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::sync::mpsc;

    fn blocked(signal: i32) -> bool {
        // SAFETY: the call fills in the mask.
        unsafe {
            let mut mask: libc::sigset_t = std::mem::zeroed();
            libc::pthread_sigmask(libc::SIG_SETMASK, std::ptr::null(), &raw mut mask);
            libc::sigismember(&raw const mask, signal) == 1
        }
    }

    #[test]
    fn signals_are_blocked_on_the_new_thread_only() {
        let before = blocked(libc::SIGUSR2);
        let (sender, receiver) = mpsc::channel();
        let settings = ThreadSettings {
            name_prefix: b"a\0b".to_vec(),
            priority: Some(50),
            policy: Some(9999),
            affinity_cpus: vec![0, usize::MAX],
        };
        let thread = spawn(&settings, "test", move || sender.send(blocked(libc::SIGUSR2)).unwrap()).unwrap();
        assert!(receiver.recv().unwrap());
        thread.join();
        assert_eq!(blocked(libc::SIGUSR2), before);
    }

    #[test]
    fn a_thread_is_joined_where_the_system_refuses_waits() {
        for errno in [libc::ENOSYS, libc::EFAULT, libc::EINTR] {
            let (go, goes) = mpsc::channel::<()>();
            let thread = spawn(&ThreadSettings::default(), "test", move || {
                let _ = goes.recv();
            })
            .unwrap();
            let ended = Arc::clone(&thread.ended);
            let _refused = faults::refuse(Call::FutexWait, Errno(errno), 1_000_000);
            let releases = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(20));
                drop(go);
            });
            thread.join();
            assert_eq!(ended.load(Ordering::Acquire), 1);
            releases.join().unwrap();
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_name_is_prefixed_and_cut() {
        let (sender, receiver) = mpsc::channel();
        let settings = ThreadSettings { name_prefix: b"prefix".to_vec(), ..ThreadSettings::default() };
        let name = || std::fs::read_to_string("/proc/thread-self/comm").unwrap();
        let thread = spawn(&settings, "ZMQbg/IO/0", move || sender.send(name()).unwrap()).unwrap();
        assert_eq!(receiver.recv().unwrap().trim_end(), "prefix/ZMQbg/IO");
        thread.join();
    }
}
