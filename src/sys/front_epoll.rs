//! A front epoll instance: one thread's own, ahead of the reactor's where both watch the same descriptor. The reactor's own is mio's.
//!
//! The kernel asks instances that watch with `EPOLLEXCLUSIVE` in the order in which they began to. The first one in which a
//! thread sleeps is woken, and no other. So a stream that a thread waits for wakes that thread, and any other stream wakes the
//! reactor. Neither the beginning nor the end of a wait takes a call.

use crate::errno::{Errno, Result};
use std::os::fd::RawFd;

/// What one [`wait`](Epoll::wait) tells at most; the rest comes with the next.
pub const MAX_TOLD_DESCRIPTORS: usize = 16;

#[cfg(front_epoll)]
mod sys {
    use super::{Errno, MAX_TOLD_DESCRIPTORS, RawFd, Result};
    use crate::sys::cancel::Closes;
    #[cfg(direct_calls)]
    use crate::sys::cancel::SystemCall;
    use crate::sys::faults::{self, Call};
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
    use std::time::Duration;

    #[derive(Debug)]
    pub struct Epoll(Closes<OwnedFd>);

    impl Epoll {
        /// Errors: `EMFILE`, `ENFILE`, `ENOMEM`.
        pub fn new() -> Result<Epoll> {
            // SAFETY: no pointers.
            let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
            if fd < 0 {
                return Err(Errno::last());
            }
            // SAFETY: a fresh descriptor, owned by nothing else.
            Ok(Epoll(Closes::new(unsafe { OwnedFd::from_raw_fd(fd) })))
        }

        #[cfg(test)]
        pub fn as_raw_fd(&self) -> RawFd {
            self.0.as_raw_fd()
        }

        /// Watches `fd` for something to read, until it is closed or ignored. Told as often as it is asked for, as long as there
        /// is something.
        ///
        /// Errors: `EEXIST`, `EBADF`, `EINVAL` (a system without `EPOLLEXCLUSIVE`), `ENOMEM`, `ENOSPC`.
        pub fn watch(&self, fd: RawFd) -> Result<()> {
            let events = libc::EPOLLIN | libc::EPOLLEXCLUSIVE;
            add(self.0.as_raw_fd(), fd, events, u64::try_from(fd).unwrap_or(u64::MAX))
        }

        /// Watches `fd` no more.
        pub fn ignore(&self, fd: RawFd) {
            // SAFETY: no pointer but a null one, which is what deleting takes. It fails only for what is not watched.
            unsafe { libc::epoll_ctl(self.0.as_raw_fd(), libc::EPOLL_CTL_DEL, fd, std::ptr::null_mut()) };
        }

        /// Sleeps until something is ready, for at most `timeout` (`None`: for ever), rounded up to milliseconds. Hands each descriptor that is ready
        /// to `tell`, with what poll(2) would say of it.
        ///
        /// Errors: `EINTR`, also where the calling thread is cancelled.
        pub fn wait(&self, timeout: Option<Duration>, mut tell: impl FnMut(RawFd, i16)) -> Result<()> {
            let timeout_ms = match timeout {
                None => -1,
                Some(timeout) => timeout.as_micros().div_ceil(1000).try_into().unwrap_or(i32::MAX),
            };
            let mut told = [libc::epoll_event { events: 0, u64: 0 }; MAX_TOLD_DESCRIPTORS];
            if let Some(errno) = faults::next(Call::EpollWait) {
                return Err(errno);
            }
            let count = sleep(self.0.as_raw_fd(), &mut told, timeout_ms)?;
            for event in told.iter().take(count) {
                // The bits of the two calls are the same on this system.
                let (fd, events) = (event.u64, event.events);
                tell(RawFd::try_from(fd).unwrap_or(-1), (events & 0x7fff) as i16);
            }
            Ok(())
        }
    }

    #[cfg(direct_calls)]
    fn sleep(epoll: RawFd, told: &mut [libc::epoll_event], timeout_ms: i32) -> Result<usize> {
        let room = told.as_mut_ptr().expose_provenance();
        let arguments = [epoll as usize, room, told.len(), timeout_ms as usize, 0, 0];
        // SAFETY: `told` has room for that many events, and there is no mask.
        let call = unsafe { SystemCall::new(libc::SYS_epoll_pwait, arguments) };
        if timeout_ms == 0 { call.make() } else { call.sleep() }
    }

    #[cfg(not(direct_calls))]
    fn sleep(epoll: RawFd, told: &mut [libc::epoll_event], timeout_ms: i32) -> Result<usize> {
        use crate::sys::{cancel::CancelOff, thread_state::ThreadState};
        let _off = CancelOff::for_call(ThreadState::current());
        // SAFETY: `told` has room for that many events.
        let rc = unsafe { libc::epoll_wait(epoll, told.as_mut_ptr(), told.len() as i32, timeout_ms) };
        usize::try_from(rc).map_err(|_| Errno::last())
    }

    /// Has the epoll instance `epoll` tell once of each arrival at `fd`, under the number `token`. It does not tell while a
    /// thread sleeps in an instance that has watched `fd` for longer with `EPOLLEXCLUSIVE`. That the peer will send no more is
    /// told as something to read.
    ///
    /// Errors: as of [`Epoll::watch`].
    pub fn watch_behind(epoll: RawFd, fd: RawFd, token: usize) -> Result<()> {
        add(epoll, fd, libc::EPOLLIN | libc::EPOLLET | libc::EPOLLEXCLUSIVE, token as u64)
    }

    fn add(epoll: RawFd, fd: RawFd, events: i32, data: u64) -> Result<()> {
        let mut event = libc::epoll_event { events: events.cast_unsigned(), u64: data };
        // SAFETY: the event outlives the call.
        let rc = unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &raw mut event) };
        if rc == 0 { Ok(()) } else { Err(Errno::last()) }
    }
}

#[cfg(not(front_epoll))]
mod sys {
    use super::{Errno, RawFd, Result};
    use std::time::Duration;

    /// There is none.
    #[derive(Debug)]
    pub enum Epoll {}

    impl Epoll {
        pub fn new() -> Result<Epoll> {
            Err(Errno::NOTSUP)
        }

        pub fn watch(&self, _fd: RawFd) -> Result<()> {
            match *self {}
        }

        pub fn ignore(&self, _fd: RawFd) {
            match *self {}
        }

        pub fn wait(&self, _timeout: Option<Duration>, _tell: impl FnMut(RawFd, i16)) -> Result<()> {
            match *self {}
        }
    }

    pub fn watch_behind(_epoll: RawFd, _fd: RawFd, _token: usize) -> Result<()> {
        Err(Errno::NOTSUP)
    }
}

pub use sys::{Epoll, watch_behind};

#[cfg(all(test, front_epoll))]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::io::{Read, Write};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc;
    use std::thread;
    use std::time::{Duration, Instant};

    fn told(epoll: &Epoll, timeout: Option<Duration>) -> Vec<(RawFd, i16)> {
        let mut told = Vec::new();
        epoll.wait(timeout, |fd, events| told.push((fd, events))).unwrap();
        told
    }

    /// Waits until the thread of this number sleeps.
    fn until_asleep(thread: i32) {
        let sleeps = || {
            let stat = std::fs::read_to_string(format!("/proc/self/task/{thread}/stat")).unwrap_or_default();
            stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('S'))
        };
        while !sleeps() {
            thread::yield_now();
        }
    }

    #[test]
    fn tells_what_is_ready_and_times_out() {
        let (mut here, there) = UnixStream::pair().unwrap();
        let epoll = Epoll::new().unwrap();
        epoll.watch(there.as_raw_fd()).unwrap();
        let start = Instant::now();
        assert_eq!(told(&epoll, Some(Duration::from_millis(10))), []);
        assert!(start.elapsed() >= Duration::from_millis(10));
        here.write_all(b"x").unwrap();
        assert_eq!(told(&epoll, None), [(there.as_raw_fd(), libc::POLLIN)]);
        drop(here);
        assert_eq!(told(&epoll, None), [(there.as_raw_fd(), libc::POLLIN | libc::POLLHUP)]);
        epoll.ignore(there.as_raw_fd());
        assert_eq!(told(&epoll, Some(Duration::ZERO)), []);
    }

    /// What all of this is for.
    #[test]
    fn sleeper_in_front_is_woken_alone_and_the_instance_behind_otherwise() {
        let (mut here, mut there) = UnixStream::pair().unwrap();
        let (front, behind) = (Epoll::new().unwrap(), Epoll::new().unwrap());
        let fd = there.as_raw_fd();
        front.watch(fd).unwrap();
        watch_behind(behind.as_raw_fd(), fd, 7).unwrap();
        // No thread sleeps: both are told.
        here.write_all(b"x").unwrap();
        assert_eq!(told(&behind, None), [(7, libc::POLLIN)]);
        assert_eq!(told(&front, None), [(fd, libc::POLLIN)]);
        there.read_exact(&mut [0]).unwrap();
        assert_eq!(told(&front, Some(Duration::ZERO)), []);
        for _ in 0..10 {
            thread::scope(|scope| {
                let (say, hear) = mpsc::channel();
                let front = &front;
                let sleeper = scope.spawn(move || {
                    // SAFETY: no arguments.
                    say.send(unsafe { libc::gettid() }).unwrap();
                    told(front, None)
                });
                until_asleep(hear.recv().unwrap());
                here.write_all(b"x").unwrap();
                assert_eq!(sleeper.join().unwrap(), [(fd, libc::POLLIN)]);
            });
            there.read_exact(&mut [0]).unwrap();
        }
        assert_eq!(told(&behind, Some(Duration::ZERO)), []);
    }
}
