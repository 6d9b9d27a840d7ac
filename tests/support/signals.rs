//! Signals to one thread of many. Their handlers do nothing, and are the same for all tests of a process.

use std::thread::{self, JoinHandle};
use std::time::Duration;

#[derive(Clone, Copy)]
pub enum Signal {
    /// System calls that it interrupts fail.
    Plain,
    /// System calls that it interrupts go on, where they can (`SA_RESTART`).
    Restarting,
}

/// A thread that signals can be sent to until it is joined.
#[derive(Clone, Copy)]
pub struct Target {
    thread: libc::pthread_t,
    number: libc::pid_t,
}

impl Signal {
    fn number(self) -> libc::c_int {
        match self {
            Signal::Plain => libc::SIGUSR1,
            Signal::Restarting => libc::SIGUSR2,
        }
    }

    /// Installs the handler.
    pub fn handle(self) -> Signal {
        extern "C" fn ignore(_signal: libc::c_int) {}
        // SAFETY: a zeroed sigaction is valid (no flags, empty mask); the handler does nothing.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = ignore as *const () as usize;
            if let Signal::Restarting = self {
                action.sa_flags = libc::SA_RESTART;
            }
            assert_eq!(libc::sigaction(self.number(), &raw const action, std::ptr::null_mut()), 0);
        }
        self
    }
}

impl Target {
    /// The calling thread.
    pub fn own() -> Target {
        // SAFETY: no arguments, no failure.
        unsafe { Target { thread: libc::pthread_self(), number: libc::gettid() } }
    }

    /// Sends it, to a thread that has not been joined.
    pub fn send(self, signal: Signal) {
        // SAFETY: the thread has not been joined, so its id is valid.
        assert_eq!(unsafe { libc::pthread_kill(self.thread, signal.number()) }, 0);
    }

    /// Sends it again and again until the thread has ended: the first ones may come before it sleeps.
    pub fn send_until_finished<R>(self, signal: Signal, thread: &JoinHandle<R>) {
        while !thread.is_finished() {
            self.send(signal);
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until the thread sleeps.
    pub fn until_asleep(self) {
        until_asleep(self.number);
    }
}

/// Waits until the thread of this number sleeps.
pub fn until_asleep(number: libc::pid_t) {
    let start = std::time::Instant::now();
    loop {
        let stat = std::fs::read_to_string(format!("/proc/self/task/{number}/stat")).unwrap_or_default();
        if stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('S')) {
            return;
        }
        assert!(start.elapsed() < super::PATIENCE);
        thread::yield_now();
    }
}

/// Waits until every other thread of the process sleeps.
pub fn until_others_sleep() {
    // SAFETY: no arguments, no failure.
    let own = unsafe { libc::gettid() };
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().file_name());
    let numbers: Vec<libc::pid_t> = tasks.map(|name| name.to_str().unwrap().parse().unwrap()).collect();
    numbers.into_iter().filter(|number| *number != own).for_each(until_asleep);
}
