//! An established connection: a stream and its two halves, driven by whoever is there.

use super::recv::{Received, RecvHalf};
use super::send::{SendHalf, Sent};
use crate::sys::lock::Lock;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A program that sends again within this time is streaming: the I/O thread sends then, in batches, instead of
/// the program's own thread.
const STREAMING: Duration = Duration::from_micros(20);

/// A stream whose halves lie behind locks that are only ever tried from the program's threads. Dropped, it closes
/// the stream.
pub struct Connection {
    fd: OwnedFd,
    /// Whether the peers have agreed on a mechanism: ZMTP 3 and later.
    pub has_mechanism: bool,
    send: Lock<Option<SendHalf>>,
    recv: Lock<Option<RecvHalf>>,
    epoch: Instant,
    /// When a program's thread last sent here, in nanoseconds since `epoch`. Written and read under the lock of
    /// `send` or for a guess; so Relaxed.
    last_inline_ns: AtomicU64,
}

impl Connection {
    pub fn new(fd: OwnedFd, has_mechanism: bool, send: SendHalf, recv: RecvHalf) -> Connection {
        Connection {
            fd,
            has_mechanism,
            send: Lock::new(Some(send)),
            recv: Lock::new(Some(recv)),
            epoch: Instant::now(),
            last_inline_ns: AtomicU64::new(0),
        }
    }

    pub fn raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// On the I/O thread: sends what there is, after `control` frames.
    pub fn send(&self, control: &[u8]) -> Sent {
        let mut half = self.send.lock();
        let Some(half) = half.as_mut() else { return Sent::All };
        if !control.is_empty() {
            half.queue_control(control);
        }
        half.send(self.fd.as_fd())
    }

    /// Whether a control frame would have to wait.
    pub fn is_busy(&self) -> bool {
        self.send.lock().as_ref().is_none_or(SendHalf::is_busy)
    }

    /// On a program's thread: sends what there is, unless it is streaming or somebody else is at it. `false`: the
    /// I/O thread is to be woken.
    pub fn send_inline(&self) -> bool {
        let now_ns = u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let last_ns = self.last_inline_ns.swap(now_ns, Ordering::Relaxed);
        if now_ns.saturating_sub(last_ns) < STREAMING.as_nanos() as u64 {
            return false;
        }
        let Some(mut half) = self.send.try_lock() else { return false };
        match half.as_mut().map(|half| half.send(self.fd.as_fd())) {
            // Blocked: the reactor watches for the stream to take more.
            Some(Sent::All | Sent::Blocked) => true,
            Some(Sent::Yield | Sent::Ended | Sent::Failed(_)) | None => false,
        }
    }

    /// On the I/O thread: receives what there is; answers to the peer's commands go to `control`.
    pub fn receive(&self, hangup: bool, now_ms: u64, control: &mut Vec<u8>) -> Received {
        let mut half = self.recv.lock();
        let Some(half) = half.as_mut() else { return Received::Blocked };
        if hangup {
            half.hang_up();
        }
        half.receive(self.fd.as_fd(), now_ms, control)
    }

    /// Something about the receiving half.
    pub fn with_recv<R>(&self, f: impl FnOnce(&mut RecvHalf) -> R) -> Option<R> {
        self.recv.lock().as_mut().map(f)
    }

    /// Takes the halves away: nobody sends or receives here any more.
    pub fn dismantle(&self) -> (Option<SendHalf>, Option<RecvHalf>) {
        (self.send.lock().take(), self.recv.lock().take())
    }
}
