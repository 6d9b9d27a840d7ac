//! Retries for calls that the system refuses without a reason: try again, at a bounded rate.

use super::cancel::CancelOff;
use super::faults::{self, Call};
use super::poll::poll;
use super::thread_state::ThreadState;
use super::timespec::timespec;
use crate::errno::Errno;
use std::time::Duration;

/// Retries made without a delay: a call that fails once need not fail twice.
const IMMEDIATE_RETRIES: u32 = 2;
const MIN_DELAY: Duration = Duration::from_millis(1);
const MAX_DELAY: Duration = Duration::from_millis(16);

/// Consecutive refusals of a call.
#[derive(Debug, Default)]
pub struct Patience {
    refused: u32,
}

impl Patience {
    /// The call has succeeded.
    pub fn reset(&mut self) {
        self.refused = 0;
    }

    /// The call was refused. From the third refusal on, waits before the next try: longer each time, up to 16
    /// ms and at most `most`.
    pub fn wait(&mut self, most: Option<Duration>) {
        let time = self.refuse();
        rest(most.map_or(time, |most| most.min(time)));
    }

    /// As [`wait`](Patience::wait), for a caller that waits by itself, for this long.
    pub fn refuse(&mut self) -> Duration {
        self.refused = self.refused.saturating_add(1);
        match self.refused.checked_sub(IMMEDIATE_RETRIES + 1) {
            Some(waits) => MIN_DELAY.saturating_mul(1 << waits.min(8)).min(MAX_DELAY),
            None => Duration::ZERO,
        }
    }

    /// Number of consecutive refusals.
    pub fn refused(&self) -> u32 {
        self.refused
    }
}

/// Sleeps for about `time`, by any call that the system does not refuse. It allocates nothing, and is no cancellation point: a call that
/// ends no thread may rest.
pub fn rest(time: Duration) {
    let _off = CancelOff::for_whole_call(ThreadState::current());
    if time.is_zero() || poll(&mut [], Some(time)).is_ok() {
        return;
    }
    if faults::next(Call::Nanosleep).is_some() || nanosleep(time).is_err() {
        std::thread::yield_now();
    }
}

fn nanosleep(time: Duration) -> Result<(), Errno> {
    let time = timespec(time);
    // SAFETY: the time outlives the call, and the remaining time is not asked for.
    let rc = unsafe { libc::nanosleep(&raw const time, std::ptr::null_mut()) };
    if rc == 0 { Ok(()) } else { Err(Errno::last()) }
}

/// Repeats a call while signals interrupt it, for at most `tries` calls in all.
pub fn unless_interrupted<T>(tries: u32, mut call: impl FnMut() -> std::io::Result<T>) -> std::io::Result<T> {
    let mut left = tries;
    loop {
        left = left.saturating_sub(1);
        match call() {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted && left > 0 => {}
            outcome => return outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::{Error, ErrorKind};
    use std::time::Instant;

    #[test]
    fn first_refusals_cost_no_delay_and_later_ones_no_processor_time() {
        let mut patience = Patience::default();
        let start = Instant::now();
        (0..IMMEDIATE_RETRIES).for_each(|_| patience.wait(None));
        assert!(start.elapsed() < MIN_DELAY);
        let start = Instant::now();
        (0..6).for_each(|_| patience.wait(None));
        assert!(start.elapsed() >= Duration::from_millis(1 + 2 + 4 + 8 + 16 + 16));
        assert_eq!(patience.refused(), 8);
        patience.reset();
        assert_eq!(patience.refused(), 0);
    }

    #[test]
    fn rest_uses_another_call_where_one_is_refused() {
        let _refused = faults::refuse(Call::Poll, Errno::FAULT, 1);
        let start = Instant::now();
        rest(Duration::from_millis(3));
        assert!(start.elapsed() >= Duration::from_millis(3));
    }

    #[test]
    fn rest_ends_where_all_calls_are_refused() {
        let calls = [Call::Poll, Call::Nanosleep];
        let _refused = calls.map(|call| faults::refuse(call, Errno::FAULT, 1));
        rest(Duration::from_secs(3600));
        assert_eq!(calls.map(faults::next), [None; 2], "each was tried once");
    }

    #[test]
    fn interruptions_have_an_end() {
        let mut calls = 0;
        let outcome: std::io::Result<()> = unless_interrupted(5, || {
            calls += 1;
            Err(Error::from(ErrorKind::Interrupted))
        });
        assert_eq!((outcome.unwrap_err().kind(), calls), (ErrorKind::Interrupted, 5));
        assert_eq!(unless_interrupted(5, || Ok(7)).unwrap(), 7);
    }
}
