//! An established connection: a stream and its two halves, driven by whoever is there.

use super::loan::Loan;
use super::pace::Pace;
use super::recv::{Received, RecvHalf};
use super::send::{SendHalf, Sent};
use crate::reactor::Remote;
use crate::sys::lock::Lock;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A stream whose halves lie behind locks that are only ever tried from the program's threads. Dropped, it closes
/// the stream.
pub struct Connection {
    fd: OwnedFd,
    /// Whether the peers have agreed on a mechanism: ZMTP 3 and later.
    pub has_mechanism: bool,
    send: Lock<Option<SendHalf>>,
    pub(super) recv: Lock<Option<RecvHalf>>,
    /// Who watches the stream. Locked before the halves, never after.
    pub(super) loan: Loan,
    /// The session.
    pub(super) remote: Remote,
    /// How fast the socket sends.
    pace: Arc<Pace>,
    /// The program has sent something and received nothing since. A guess whoever reads or writes it, so Relaxed.
    one_way: AtomicBool,
}

impl Connection {
    /// For a stream that the session behind `remote` has registered, for reading and writing.
    pub fn new(
        fd: OwnedFd,
        has_mechanism: bool,
        send: SendHalf,
        recv: RecvHalf,
        remote: Remote,
        pace: Arc<Pace>,
    ) -> Connection {
        Connection {
            fd,
            has_mechanism,
            send: Lock::new(Some(send)),
            recv: Lock::new(Some(recv)),
            loan: Loan::default(),
            remote,
            pace,
            one_way: AtomicBool::new(false),
        }
    }

    pub fn raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// On the I/O thread: sends what there is, after `control` frames.
    pub fn send(&self, control: &[u8]) -> Sent {
        let sent = {
            let mut half = self.send.lock();
            let Some(half) = half.as_mut() else { return Sent::All };
            if !control.is_empty() {
                half.queue_control(control);
            }
            half.send(self.fd.as_fd())
        };
        if sent == Sent::Blocked {
            self.watch_for_room();
        }
        sent
    }

    /// Whether a control frame would have to wait.
    pub fn is_busy(&self) -> bool {
        self.send.lock().as_ref().is_none_or(SendHalf::is_busy)
    }

    /// As [`is_busy`](Connection::is_busy), where somebody who is sending counts as busy.
    pub(super) fn seems_busy(&self) -> bool {
        self.send.try_lock().is_none_or(|half| half.as_ref().is_none_or(SendHalf::is_busy))
    }

    /// On a program's thread: sends what there is, unless it is streaming or somebody else is at it. `false`: the
    /// I/O thread is to be woken.
    pub fn send_inline(&self) -> bool {
        let turn = self.pace.begin();
        let streaming = self.one_way.swap(true, Ordering::Relaxed) && turn.streaming;
        let sent = {
            let Some(mut half) = self.send.try_lock() else { return false };
            let Some(half) = half.as_mut() else { return false };
            if streaming && !half.is_heavy() {
                return false;
            }
            half.send(self.fd.as_fd())
        };
        turn.end();
        match sent {
            Sent::All => true,
            Sent::Blocked => {
                self.watch_for_room();
                true
            }
            Sent::Yield | Sent::Ended | Sent::Failed(_) => false,
        }
    }

    /// On a program's thread that has no credit left: sends what there is, unless somebody else is at it. Whether
    /// something went.
    pub fn send_for_credit(&self) -> bool {
        let Some(mut half) = self.send.try_lock() else { return false };
        let Some(sending) = half.as_mut() else { return false };
        let before = sending.sent_bytes();
        let sent = sending.send(self.fd.as_fd());
        let progress = sending.sent_bytes() != before;
        drop(half);
        match sent {
            Sent::All => progress,
            Sent::Blocked => {
                self.watch_for_room();
                progress
            }
            // What is left, and what came of it, is the I/O thread's.
            Sent::Yield | Sent::Ended | Sent::Failed(_) => {
                self.remote.wake();
                sent == Sent::Yield
            }
        }
    }

    /// Notes that something was received. Whether the program's thread had sent something before that.
    pub(super) fn turn_round(&self) -> bool {
        // Written only if there is something to say: the sender's thread may be another one.
        self.one_way.load(Ordering::Relaxed) && self.one_way.swap(false, Ordering::Relaxed)
    }

    /// On the I/O thread: receives what there is; answers to the peer's commands go to `control`.
    pub fn receive(&self, hangup: bool, now_ms: u64, control: &mut Vec<u8>) -> Received {
        let mut half = self.recv.lock();
        let Some(half) = half.as_mut() else { return Received::Stopped };
        let received = self.receive_with(half, hangup, now_ms, control);
        if half.received() > 0 {
            self.turn_round();
        }
        received
    }

    /// Waits until who is receiving now has done. Whether somebody was.
    pub(super) fn await_receiver(&self) -> bool {
        let receiving = self.recv.try_lock().is_none();
        if receiving {
            // The I/O thread, for one burst.
            drop(self.recv.lock());
        }
        receiving
    }

    pub(super) fn receive_with(
        &self,
        half: &mut RecvHalf,
        hangup: bool,
        now_ms: u64,
        control: &mut Vec<u8>,
    ) -> Received {
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
