//! The thread that compares passwords with hashes. That takes tens of milliseconds each, which an I/O thread does not have.
//!
//! The thread begins with the first comparison and ends with the last. What waits has a bound: a peer that comes when the queue is full
//! is to come again.

use crate::crypto::password::PasswordHash;
use crate::errno::{Errno, Result};
use crate::sys::contain::contain;
use crate::sys::fork::PerProcess;
use crate::sys::lock::Lock;
use crate::sys::thread::{self, ThreadSettings};
use std::collections::VecDeque;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Comparisons that wait: some seconds' worth, after which most peers have given up.
const MAX_WAITING: usize = 64;
/// The thread's name, of which the system shows 15 bytes.
const THREAD_NAME: &str = "ZMQpasswords";

/// A comparison, and the call that takes its outcome on the thread.
struct Job {
    hash: Arc<PasswordHash>,
    password: Zeroizing<Vec<u8>>,
    /// Whether the session still waits for the outcome.
    is_wanted: Box<dyn Fn() -> bool + Send>,
    done: Box<dyn FnOnce(Result<bool>) + Send>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Job>,
    runs: bool,
}

/// A forked child has a queue of its own: the thread is the parent's.
static QUEUE: PerProcess<Lock<Queue>> = PerProcess::new();

/// Has a password compared. `done` is called on the thread, unless `is_wanted` says no by then: peers that hang up cost no time, and
/// a context that ends does not wait for the comparisons of its peers. Errors: `EAGAIN` where too many wait; those of a thread that cannot begin.
pub fn compare(
    hash: Arc<PasswordHash>,
    password: Zeroizing<Vec<u8>>,
    is_wanted: impl Fn() -> bool + Send + 'static,
    done: impl FnOnce(Result<bool>) + Send + 'static,
) -> Result<()> {
    let queue = QUEUE.find_or_make(Lock::default);
    let mut state = queue.lock();
    if state.waiting.len() >= MAX_WAITING {
        return Err(Errno::AGAIN);
    }
    state.waiting.push_back(Job { hash, password, is_wanted: Box::new(is_wanted), done: Box::new(done) });
    if !state.runs {
        match thread::spawn(&ThreadSettings::default(), THREAD_NAME, run) {
            Ok(_runs_by_itself) => state.runs = true,
            Err(errno) => {
                // Dropped without the lock, as a session may go with it.
                let never_made = std::mem::take(&mut state.waiting);
                drop(state);
                drop(never_made);
                return Err(errno);
            }
        }
    }
    Ok(())
}

fn run() {
    let queue = QUEUE.find_or_make(Lock::default);
    loop {
        let mut state = queue.lock();
        let Some(job) = state.waiting.pop_front() else {
            state.runs = false;
            return;
        };
        drop(state);
        // A panic must not leave the queue without its thread.
        contain(|| {
            if (job.is_wanted)() {
                (job.done)(job.hash.verify(&job.password));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::mpsc;

    /// A cheap hash of "password", by the reference implementation.
    const OF_PASSWORD: &str =
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

    #[test]
    fn comparisons_are_made_in_turn_and_their_number_has_a_bound() {
        let hash = Arc::new(PasswordHash::parse(OF_PASSWORD).unwrap());
        let (sender, receiver) = mpsc::channel();
        let ask = |password: &[u8]| {
            let sender = sender.clone();
            let password = Zeroizing::new(password.to_vec());
            compare(
                Arc::clone(&hash),
                password,
                || true,
                move |outcome| sender.send(outcome).unwrap_or_default(),
            )
        };
        ask(b"password").unwrap();
        ask(b"wrong").unwrap();
        assert_eq!([receiver.recv().unwrap(), receiver.recv().unwrap()], [Ok(true), Ok(false)]);
        let taken = (0..MAX_WAITING * 2).take_while(|_| ask(b"wrong").is_ok()).count();
        assert!((MAX_WAITING..MAX_WAITING * 2).contains(&taken), "{taken}");
        for _ in 0..taken {
            assert_eq!(receiver.recv().unwrap(), Ok(false));
        }
        // What is not wanted any more is not compared: the sender goes without a word.
        let (unwanted, outcome) = mpsc::channel::<Result<bool>>();
        let done = move |result| unwanted.send(result).unwrap_or_default();
        compare(Arc::clone(&hash), Zeroizing::new(b"password".to_vec()), || false, done).unwrap();
        assert_eq!(outcome.recv(), Err(mpsc::RecvError));
        // Another thread begins for those that come later.
        ask(b"password").unwrap();
        assert_eq!(receiver.recv().unwrap(), Ok(true));
    }
}
