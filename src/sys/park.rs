//! Putting a thread to sleep until another one wakes it.
//!
//! The token (`park::token`) decides; [`Parker`] makes the calls that sleep and wake.

mod token;

use super::cancel::is_cancelled;
use super::eventfd::EventFd;
use super::fork::Born;
use super::front_epoll::Epoll;
use super::futex;
use super::poll::{PollFd, SigMask, ppoll};
use super::retry::rest;
use crate::errno::{Errno, Result};
use std::os::fd::RawFd;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};
use token::{PARKED, POLLING, Token, Wake};

/// The kernel restarts a futex wait without a timeout after a signal whose handler was installed with
/// `SA_RESTART`, one with a timeout never. So there always is one: callers rely on `EINTR`.
const MAX_SLEEP: Duration = Duration::from_secs(24 * 3600);

/// The pause of a thread before it repeats a call that the system has refused.
const REFUSAL_PAUSE: Duration = Duration::from_millis(1);

/// Where one thread sleeps.
///
/// - `unpark` leaves a token that one `park` consumes: a wake between a look for work and `park` is not lost.
/// - One thread at a time parks; any thread unparks.
/// - A `park` may end without a token, by its timeout or a signal. It never loses one.
#[derive(Debug)]
pub struct Parker {
    token: Token<AtomicU32>,
    /// Made for the first [`poll`](Parker::poll).
    bell: OnceLock<EventFd>,
    /// Made for the first [`has_front_epoll`](Parker::has_front_epoll), with the bell in it. `None`: it could not be.
    front_epoll: OnceLock<Option<Epoll>>,
    born: Born,
}

impl Parker {
    pub fn new() -> Parker {
        Parker {
            token: Token::default(),
            bell: OnceLock::new(),
            front_epoll: OnceLock::new(),
            born: Born::now(),
        }
    }

    /// Whether this is a forked child's copy of a parker, which shares the bell with its parent's: to be replaced.
    pub fn forked(&self) -> bool {
        self.born.forked()
    }

    /// What [`poll`](Parker::poll) needs among its descriptors. Made by the first call; stays the parker's own.
    ///
    /// Errors: `EMFILE`, `ENFILE`, `ENOMEM`.
    pub fn bell(&self) -> Result<PollFd> {
        let fd = match self.bell.get() {
            Some(bell) => bell.fd(),
            None => self.make_bell()?,
        };
        Ok(PollFd { fd, events: libc::POLLIN, revents: 0 })
    }

    #[cold]
    fn make_bell(&self) -> Result<RawFd> {
        let fresh = EventFd::new()?;
        // Only the one thread that parks here comes here, so there is none yet.
        Ok(self.bell.get_or_init(|| fresh).fd())
    }

    /// As [`park`](Parker::park), in poll(2): also until one of `fds` is ready, whose last is the
    /// [`bell`](Parker::bell), and with `mask` in force. All `revents` are up to date afterwards, except that the bell's
    /// says nothing.
    ///
    /// Errors: `EINTR`, `EINVAL` (more descriptors than the process may have), `ENOMEM`.
    pub fn poll(&self, fds: &mut [PollFd], timeout: Option<Duration>, mask: Option<&SigMask>) -> Result<()> {
        self.sleep_polling(fds, timeout, |fds, timeout| ppoll(fds, timeout, mask).map(|_| ())).map(|_| ())
    }

    /// Whether [`poll_front`](Parker::poll_front) can be had here.
    pub fn has_front_epoll(&self) -> bool {
        self.front_epoll().is_some()
    }

    /// From now on until [`ignore`](Parker::ignore), or until it is closed, `fd` is among what
    /// [`poll_front`](Parker::poll_front) sleeps for. From any thread. `false`: it cannot be, or is already.
    pub fn watch(&self, fd: RawFd) -> bool {
        !self.forked() && self.front_epoll().is_some_and(|epoll| epoll.watch(fd).is_ok())
    }

    /// Undoes [`watch`](Parker::watch), from any thread.
    pub fn ignore(&self, fd: RawFd) {
        // A forked child shares the epoll instance with its parent.
        if let Some(Some(epoll)) = self.front_epoll.get()
            && !self.forked()
        {
            epoll.ignore(fd);
        }
    }

    /// As [`poll`](Parker::poll) over what is [watched](Parker::watch), which are `fds`; the last is the bell.
    pub fn poll_front(&self, fds: &mut [PollFd], timeout: Option<Duration>) -> Result<()> {
        let Some(epoll) = self.front_epoll() else { return self.poll(fds, timeout, None) };
        self.sleep_polling(fds, timeout, |fds, timeout| {
            fds.iter_mut().for_each(|fd| fd.revents = 0);
            let told = epoll.wait(timeout, |told, revents| {
                if let Some(fd) = fds.iter_mut().find(|fd| fd.fd == told) {
                    fd.revents = revents;
                }
            });
            match told {
                // It has no reason to; the other call is asked then.
                Err(errno) if errno != Errno::INTR => ppoll(fds, timeout, None).map(|_| ()),
                told => told,
            }
        })
        .map(|_| ())
    }

    fn front_epoll(&self) -> Option<&Epoll> {
        let make = || {
            let bell = self.bell().ok()?;
            Epoll::new().ok().filter(|epoll| epoll.watch(bell.fd).is_ok())
        };
        self.front_epoll.get_or_init(make).as_ref()
    }

    /// Whether there was a token, or one came.
    fn sleep_polling(
        &self,
        fds: &mut [PollFd],
        timeout: Option<Duration>,
        poll: impl FnOnce(&mut [PollFd], Option<Duration>) -> Result<()>,
    ) -> Result<bool> {
        let had_token = self.token.take();
        let may_sleep = !had_token && self.token.begin_sleep(POLLING);
        let outcome = poll(fds, if may_sleep { timeout } else { Some(Duration::ZERO) });
        let woken = self.token.end_sleep() || had_token;
        match outcome {
            Ok(()) => {}
            // As in `park`: a wake that is here by now counts.
            Err(_) if woken && !is_cancelled() => fds.iter_mut().for_each(|fd| fd.revents = 0),
            Err(errno) => return Err(errno),
        }
        // It may also have been rung too late, for a sleep that had ended otherwise.
        if let (Some(bell), Some(last)) = (self.bell.get(), fds.last())
            && last.fd == bell.fd()
            && last.revents != 0
            && bell.drain().is_err()
        {
            // It stays readable, and every sleep would end at once.
            rest(REFUSAL_PAUSE);
        }
        Ok(woken)
    }

    /// Sleeps until [`unpark`](Parker::unpark), `timeout`, or a signal. `Ok(true)`: unparked, now or since the
    /// last `park`; `Ok(false)`: the time is over. Without a timeout it waits for ever.
    ///
    /// Errors: `EINTR`, also for handlers installed with `SA_RESTART`, and where the thread is cancelled.
    pub fn park(&self, timeout: Option<Duration>) -> Result<bool> {
        if self.token.take() {
            return Ok(true);
        }
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Ok(false);
        }
        // A timeout beyond what the clock can count is none.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        if !futex::EXISTS
            && let Ok(bell) = self.bell()
        {
            return self.park_polling(bell, deadline);
        }
        if !self.token.begin_sleep(PARKED) {
            // Unparked in between.
            return Ok(self.token.take());
        }
        let outcome = self.sleep(deadline);
        // Whichever way the sleep ended, a token that is here by now counts: it must not be lost to a timeout.
        if self.token.end_sleep() && !is_cancelled() {
            return Ok(true);
        }
        outcome.map(|()| false)
    }

    /// As [`park`](Parker::park), in poll(2) over the bell alone.
    fn park_polling(&self, bell: PollFd, deadline: Option<Instant>) -> Result<bool> {
        loop {
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            match self.sleep_polling(&mut [bell], left, |fds, timeout| ppoll(fds, timeout, None).map(|_| ()))
            {
                Ok(true) => return Ok(true),
                Ok(false) if left.is_some_and(|left| left.is_zero()) => return Ok(false),
                Ok(false) => {}
                Err(Errno::INTR) => return Err(Errno::INTR),
                Err(_) => rest(REFUSAL_PAUSE),
            }
        }
    }

    /// Uses up a token that is there.
    pub fn forget(&self) {
        self.token.take();
    }

    /// Wakes the thread in `park`, or makes the next `park` return at once. No system call unless it sleeps.
    pub fn unpark(&self) {
        match self.token.put() {
            Wake::No => {}
            Wake::Futex => futex::wake_one(self.token.word()),
            Wake::Bell => self.ring(),
        }
    }

    #[cold]
    fn ring(&self) {
        if let Some(bell) = self.bell.get() {
            bell.signal();
        }
    }

    /// Until the token's word is no longer PARKED (`Ok`), the deadline (`Ok`) or a signal (`EINTR`).
    fn sleep(&self, deadline: Option<Instant>) -> Result<()> {
        loop {
            let left = match deadline {
                None => MAX_SLEEP,
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Ok(());
                    }
                    left.min(MAX_SLEEP)
                }
            };
            let woken = futex::sleep(self.token.word(), PARKED, left);
            if !self.token.is_parked() && !is_cancelled() {
                return Ok(());
            }
            match woken {
                Err(Errno::TIMEDOUT) => {
                    // The system is never early; where it says that it is over before it is, to ask again would spin.
                    let left = deadline.map_or(left, |at| at.saturating_duration_since(Instant::now()));
                    rest(left.min(REFUSAL_PAUSE));
                }
                outcome => outcome?,
            }
        }
    }
}

impl Default for Parker {
    fn default() -> Parker {
        Parker::new()
    }
}

impl Drop for Parker {
    /// In a forked child the numbers may be other descriptors' by now, which are to stay open.
    fn drop(&mut self) {
        if self.forked() {
            std::mem::forget((self.bell.take(), self.front_epoll.take()));
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::os::fd::AsRawFd;
    use std::sync::Arc;
    use std::sync::atomic::{
        AtomicBool,
        Ordering::{Acquire, Relaxed, Release},
    };
    use std::thread;

    #[test]
    fn token_is_kept_and_used_once() {
        let parker = Parker::new();
        parker.unpark();
        parker.unpark();
        assert_eq!(parker.park(None), Ok(true));
        assert_eq!(parker.park(Some(Duration::ZERO)), Ok(false));
        assert_eq!(parker.park(Some(Duration::from_millis(1))), Ok(false));
    }

    #[test]
    fn timeout_is_never_short() {
        let parker = Parker::new();
        let start = Instant::now();
        assert_eq!(parker.park(Some(Duration::from_millis(20))), Ok(false));
        assert!(start.elapsed() >= Duration::from_millis(20));
    }

    #[test]
    fn threads_play_ping_pong() {
        let pair = Arc::new((Parker::new(), Parker::new()));
        let other = Arc::clone(&pair);
        let thread = thread::spawn(move || {
            for _ in 0..2000 {
                assert_eq!(other.0.park(None), Ok(true));
                other.1.unpark();
            }
        });
        for _ in 0..2000 {
            pair.0.unpark();
            assert_eq!(pair.1.park(None), Ok(true));
        }
        thread.join().unwrap();
    }

    /// In poll(2), with this descriptor besides.
    fn poll(parker: &Parker, fd: RawFd, timeout: Option<Duration>) -> Result<bool> {
        let mut fds = [PollFd { fd, events: libc::POLLIN, revents: 0 }, parker.bell().unwrap()];
        parker.poll(&mut fds, timeout, None)?;
        Ok(fds[0].revents != 0)
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_child_closes_no_descriptor_that_has_a_number_of_its_parents() {
        use crate::sys::fork::tests::child;
        let parker = Parker::new();
        let bell = parker.bell().unwrap().fd;
        #[cfg(front_epoll)]
        let numbers = [bell, parker.front_epoll().unwrap().as_raw_fd()];
        #[cfg(not(front_epoll))]
        let numbers = [bell];
        let parker = std::cell::Cell::new(Some(parker));
        let code = child(|| {
            // As a daemon does: closes all, and opens what it needs.
            let file = std::fs::File::open("/dev/null").unwrap();
            // SAFETY: numbers that the child's copy of the parker has.
            numbers.iter().for_each(|fd| assert_eq!(unsafe { libc::dup2(file.as_raw_fd(), *fd) }, *fd));
            drop(parker.take());
            // SAFETY: a number, and no pointers.
            i32::from(numbers.iter().any(|fd| unsafe { libc::fcntl(*fd, libc::F_GETFD) } < 0))
        });
        assert_eq!(code, 0);
    }

    #[test]
    fn polling_thread_is_told_of_the_bell_and_of_the_others() {
        use std::io::Write;
        let (mut here, there) = std::os::unix::net::UnixStream::pair().unwrap();
        let (parker, fd) = (Arc::new(Parker::new()), there.as_raw_fd());
        let start = Instant::now();
        assert_eq!(poll(&parker, fd, Some(Duration::from_millis(10))), Ok(false));
        assert!(start.elapsed() >= Duration::from_millis(10));
        parker.unpark();
        assert_eq!(poll(&parker, fd, None), Ok(false), "a token is used");
        let other = Arc::clone(&parker);
        let thread = thread::spawn(move || other.unpark());
        assert_eq!(poll(&parker, fd, None), Ok(false), "the bell rings");
        thread.join().unwrap();
        assert_eq!(poll(&parker, fd, Some(Duration::from_millis(1))), Ok(false), "and is silent again");
        here.write_all(b"x").unwrap();
        parker.unpark();
        assert_eq!(poll(&parker, fd, None), Ok(true), "a token does not hide a descriptor");
        assert_eq!(poll(&parker, fd, None), Ok(true));
    }

    #[test]
    fn wake_is_not_lost_between_the_futex_and_the_bell() {
        const ROUNDS: usize = 3000;
        let (_here, there) = std::os::unix::net::UnixStream::pair().unwrap();
        let pair = Arc::new((Parker::new(), Parker::new(), std::sync::atomic::AtomicUsize::new(0)));
        let other = Arc::clone(&pair);
        let thread = thread::spawn(move || {
            for round in 0..ROUNDS {
                while other.2.load(Relaxed) <= round {
                    other.1.park(None).unwrap();
                }
                other.0.unpark();
            }
        });
        for round in 0..ROUNDS {
            pair.2.store(round + 1, Relaxed);
            pair.1.unpark();
            // Now in the one, now in the other. Late rings wake once too often, so the token counts alone.
            match round % 3 {
                0 => drop(pair.0.park(None).unwrap()),
                _ => drop(poll(&pair.0, std::os::fd::AsRawFd::as_raw_fd(&there), None).unwrap()),
            }
        }
        thread.join().unwrap();
    }

    extern "C" fn ignore(_signal: libc::c_int) {}

    #[test]
    fn signal_ends_the_sleep_even_with_sa_restart() {
        // SAFETY: a zeroed sigaction is valid (no flags, empty mask); the handler does nothing.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = ignore as *const () as usize;
            action.sa_flags = libc::SA_RESTART;
            assert_eq!(libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut()), 0);
        }
        let done = Arc::new(AtomicBool::new(false));
        let finished = Arc::clone(&done);
        let (sender, receiver) = std::sync::mpsc::channel();
        let sleeper = thread::spawn(move || {
            // SAFETY: no argument, no failure.
            sender.send(unsafe { libc::pthread_self() }).unwrap();
            let outcome = Parker::new().park(None);
            finished.store(true, Release);
            outcome
        });
        let target = receiver.recv().unwrap();
        // The signal is repeated: the first ones may come before the sleep.
        while !done.load(Acquire) {
            // SAFETY: the thread is not joined yet, so its id is valid.
            unsafe { libc::pthread_kill(target, libc::SIGUSR1) };
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(sleeper.join().unwrap(), Err(Errno::INTR));
    }
}
