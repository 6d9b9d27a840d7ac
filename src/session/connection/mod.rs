//! An established connection: a stream and its two halves, driven by whoever is there.

mod apply;
pub(in crate::session) mod contention;
pub(in crate::session) mod control;
mod lend_policy;
pub mod recv;
pub mod send;
pub(in crate::session) mod send_rate;
pub(in crate::session) mod tls_stream;
mod watch;
pub(in crate::session) mod write_coalescing;

pub(in crate::session) use apply::Lending;
pub(in crate::session) use lend_policy::MIN_LOOK_INTERVAL;

use crate::engine::zmtp::heartbeat::SendState;
use crate::errno::Errno;
use crate::reactor::{Remote, clock_ms};
use crate::session::connection::contention::{Half, TurnedAway};
use crate::session::connection::recv::{Received, RecvHalf};
use crate::session::connection::send::{SendHalf, Sent};
use crate::session::connection::send_rate::SendRate;
use crate::session::connection::write_coalescing::WriteCoalescing;
use crate::session::letterbox::ConnectionLetterbox;
use crate::session::ordering::mark::note_received;
use crate::sys::cancel::Closes;
use crate::sys::contain::contain;
use crate::sys::lock::Lock;
use crate::sys::net::{self, IntOption};
use crate::sys::poll::{PollFd, poll};
use apply::Watcher;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long a thread that has sent something large waits for a stream that takes nothing.
const MAX_STALL: Duration = Duration::from_millis(1);
/// How long it waits in all, for a stream that takes a little now and then, in milliseconds.
pub const MAX_DRAIN_MS: i32 = 5;
const MAX_DRAIN: Duration = Duration::from_millis(MAX_DRAIN_MS as u64);

/// Bytes that a stream has to hold for anybody to wait for it. A connection to another host holds little before it has grown.
const MIN_DRAINABLE_BYTES: usize = 256 * 1024;
/// What a Unix socket is made to hold, as far as the system allows, by who waits for it: it holds 208 KiB unless asked, and sender
/// and receiver would take turns. Half of what the system then says that it is, as it counts its own expenses in.
const UNIX_SEND_BUFFER_BYTES: i32 = 512 * 1024;

/// A stream whose halves lie behind locks that are only tried from the program's threads, but for
/// [`drain_blocking`](Connection::drain_blocking), [`receive_ready_blocking`](Connection::receive_ready_blocking) and [`await_receiver`](Connection::await_receiver).
/// Dropped, it closes the stream.
pub struct Connection {
    fd: Closes<OwnedFd>,
    /// Whether the peers have agreed on a mechanism: ZMTP 3 and later.
    pub has_mechanism: bool,
    pub(in crate::session) send: Lock<Option<SendHalf>>,
    pub(in crate::session) recv: Lock<Option<RecvHalf>>,
    /// Who watches the stream. Locked before the halves, never after.
    watcher: Watcher,
    /// The session.
    pub(in crate::session) remote: Remote,
    /// What threads of the program leave for the session to do.
    letterbox: ConnectionLetterbox,
    /// How fast the socket sends.
    send_rate: Arc<SendRate>,
    /// The program has sent something and received nothing since. A guess whoever reads or writes it, so Relaxed.
    one_way: AtomicBool,
    pub(in crate::session) turned_away: TurnedAway,
    /// Whether sending is left to the program for now.
    pub(in crate::session) coalescing: WriteCoalescing,
    /// Bytes that the stream holds, asked for when something large is sent first; 0 before. Whoever asks gets the same, so Relaxed.
    stream_holds: AtomicUsize,
    /// How many bytes had been sent when a thread of the program last waited for room in vain. A guess whoever reads or writes
    /// it, so Relaxed.
    stalled_at: AtomicU64,
    /// A thread of the program sees to it that what there is to send leaves: the I/O thread does not try, also while that one
    /// waits for room. That thread writes it, the I/O thread reads it. Relaxed: before it leaves anything to the I/O thread it
    /// lowers the flag, and then has the reactor watch, or wakes it, which makes the edge. Not for sockets that several threads
    /// send on: what another one publishes meanwhile would be nobody's.
    flush_owned: AtomicBool,
    /// Whether the peers have agreed to ask each other for signs of life.
    pub heartbeats: bool,
}

impl Connection {
    /// For a stream that the reactor watches for the session behind `remote`, for something to read, and for room if
    /// `for_room`.
    pub fn new(
        fd: OwnedFd,
        for_room: bool,
        has_mechanism: bool,
        (send, recv): (SendHalf, RecvHalf),
        remote: Remote,
        letterbox: ConnectionLetterbox,
        send_rate: Arc<SendRate>,
    ) -> Connection {
        Connection {
            fd: Closes::new(fd),
            has_mechanism,
            heartbeats: recv.heartbeat.is_some(),
            turned_away: TurnedAway::default(),
            coalescing: WriteCoalescing::default(),
            flush_owned: AtomicBool::new(false),
            stalled_at: AtomicU64::new(u64::MAX),
            stream_holds: AtomicUsize::new(0),
            send: Lock::new(Some(send)),
            recv: Lock::new(Some(recv)),
            watcher: Watcher::new(for_room),
            remote,
            letterbox,
            send_rate,
            one_way: AtomicBool::new(false),
        }
    }

    pub fn raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// On the I/O thread: sends what there is, after `control` frames. `patient`: waits for a thread of the program that is
    /// at it; else [`Sent::Blocked`] says that the session will be woken.
    pub fn send(&self, control: &[u8], patient: bool) -> Sent {
        let sent = {
            let half = if patient || !control.is_empty() {
                Some(self.send.lock())
            } else {
                // Who minds it leaves nothing behind without saying so.
                if self.flush_owned.load(Ordering::Relaxed) {
                    return Sent::All;
                }
                self.turned_away.unless_in_use(Half::Send, || self.send.try_lock())
            };
            let Some(mut half) = half else { return Sent::Blocked };
            let Some(half) = half.as_mut() else { return Sent::All };
            if !control.is_empty() {
                half.queue_control(control);
            }
            half.send_for_session(self.fd.as_fd())
        };
        if sent == Sent::Blocked {
            self.watch_for_room();
        }
        sent
    }

    /// On the I/O thread, once all is sent and the session ends: says farewell where the transport has one.
    pub fn part(&self) {
        if let Some(half) = self.send.lock().as_mut() {
            half.part(self.fd.as_fd());
        }
    }

    /// Bytes that the system would drop if the stream were closed now and its peer said something. Those of a Unix socket are
    /// the peer's already.
    pub(in crate::session) fn untaken_bytes(&self) -> u64 {
        match net::option(self.fd.as_fd(), IntOption::Domain) {
            Ok(libc::AF_INET | libc::AF_INET6) => net::held_bytes(self.fd.as_fd()).unwrap_or(0),
            _ => 0,
        }
    }

    /// How sending stands. Waits for a thread of the program that is at it.
    pub fn send_state(&self) -> SendState {
        let state = self.send.lock().as_mut().map(|half| {
            let held_bytes = net::held_bytes(self.fd.as_fd()).unwrap_or(0);
            SendState { held_bytes, ..half.state() }
        });
        self.wake_if_contended(Half::Send);
        state.unwrap_or_default()
    }

    /// Bytes sent so far. `None` while somebody else sends.
    pub(in crate::session) fn sent_bytes(&self) -> Option<u64> {
        let sent_bytes = self.send.try_lock().and_then(|half| half.as_ref().map(SendHalf::sent_bytes));
        self.wake_if_contended(Half::Send);
        sent_bytes
    }

    /// Whether the stream has taken nothing since so many bytes were sent, says that it will not, and has room.
    pub(in crate::session) fn refuses_in_spite_of_room(&self, sent_bytes: u64) -> bool {
        let refuses = |half: &SendHalf| half.is_blocked() && half.sent_bytes() == sent_bytes;
        let blocked = self.send.try_lock().is_some_and(|half| half.as_ref().is_some_and(refuses));
        self.wake_if_contended(Half::Send);
        blocked && self.await_room(Duration::ZERO)
    }

    /// Whether the last attempt to receive has brought nothing, though there is something.
    pub(in crate::session) fn withholds_bytes(&self) -> bool {
        let nothing = |half: &RecvHalf| half.received() == 0 && !half.waits_for_credit();
        let in_vain = self.recv.try_lock().is_some_and(|half| half.as_ref().is_some_and(nothing));
        self.wake_if_contended(Half::Recv);
        let mut fds = [PollFd { fd: self.raw_fd(), events: libc::POLLIN, revents: 0 }];
        in_vain && !self.is_lent() && poll(&mut fds, Some(Duration::ZERO)) == Ok(1)
    }

    /// Whether a control frame would have to wait, where somebody who is sending counts as busy.
    pub(in crate::session) fn seems_busy(&self) -> bool {
        let Some(half) = self.send.try_lock() else { return true };
        let busy = half.as_ref().is_none_or(SendHalf::is_busy);
        drop(half);
        self.wake_if_contended(Half::Send);
        busy
    }

    /// On a program's thread: sends what there is, unless it is streaming or somebody else is at it. `false`: the
    /// I/O thread is to be woken.
    pub fn send_inline(&self) -> bool {
        let turn = self.send_rate.begin();
        let streaming = self.one_way.swap(true, Ordering::Relaxed) && turn.streaming;
        let sent = {
            let Some(mut guard) = self.send.try_lock() else { return false };
            let Some(half) = guard.as_mut() else { return false };
            if streaming && !half.is_heavy() || half.outweighs_mark() {
                drop(guard);
                self.wake_if_contended(Half::Send);
                // Ordered behind what was published by the fence of that.
                return self.coalescing.lasts();
            }
            half.send(self.fd.as_fd())
        };
        turn.end();
        self.wake_if_contended(Half::Send);
        match sent {
            Sent::All => true,
            Sent::Blocked => {
                self.leave_blocked();
                true
            }
            // Nobody can do anything for it.
            Sent::Over => true,
            Sent::Yield | Sent::NoMemory | Sent::Ended | Sent::Failed(_) => false,
        }
    }

    /// On a program's thread that has no credit left: sends what there is, unless somebody else is at it. Whether
    /// something went.
    pub fn send_for_credit(&self) -> bool {
        let Some(mut half) = self.send.try_lock() else { return false };
        let Some(sending) = half.as_mut() else { return false };
        let before = sending.sent_bytes();
        // Who runs out of credit is streaming: the first message of the next batch is not to go alone.
        let turn = self.send_rate.begin();
        let sent = sending.send(self.fd.as_fd());
        turn.end();
        let progress = sending.sent_bytes() != before;
        drop(half);
        self.wake_if_contended(Half::Send);
        if progress && matches!(sent, Sent::All | Sent::Yield) {
            self.coalescing.sent(sent == Sent::All);
        }
        match sent {
            Sent::All | Sent::Over => progress,
            Sent::Blocked => {
                self.leave_blocked();
                progress
            }
            // What is left, and what came of it, is the I/O thread's.
            Sent::Yield | Sent::NoMemory | Sent::Ended | Sent::Failed(_) => {
                self.remote.wake();
                sent == Sent::Yield
            }
        }
    }

    /// On a program's thread that has just sent something large, and may wait: sends what there is, and waits for the stream to
    /// take it as long as it goes on taking. A program that is faster than its stream would else fill the pipe up to the
    /// high-water mark, and all of that memory would be cold when its turn comes. Where the stream takes nothing the thread
    /// goes on after [`MAX_STALL`], and does not wait again before there is room; after [`MAX_DRAIN`] it does in any case.
    /// Nothing is waited for where the stream holds little, or less than half of a frame of `len` bytes: its peer would stand
    /// still while the next one is made.
    pub fn drain_blocking(&self, len: usize) {
        // A statement of its own: the half is to be free again before anybody is let in.
        let standing = self
            .send
            .lock()
            .as_ref()
            .filter(|half| half.may_be_waited_for())
            .map(|half| (half.is_blocked().then(|| half.sent_bytes()), half.keeps_size()));
        let Some((blocked, keeps_size)) = standing else { return self.wake_if_contended(Half::Send) };
        let holds = self.stream_holds(keeps_size);
        if holds < MIN_DRAINABLE_BYTES || len / 2 > holds {
            return self.wake_if_contended(Half::Send);
        }
        let stalled = blocked.is_some_and(|sent_bytes| sent_bytes == self.stalled_at.load(Ordering::Relaxed));
        if stalled && !self.await_room(Duration::ZERO) {
            return self.wake_if_contended(Half::Send);
        }
        let ownership = FlushOwnership::begin(self);
        let begun = Instant::now();
        let mut sent = if blocked.is_some() { Sent::Blocked } else { Sent::Yield };
        let mut stalls = false;
        // Also where the stream takes all it is offered: what had piled up before may be far more than this message.
        while matches!(sent, Sent::Yield | Sent::Blocked) && begun.elapsed() < MAX_DRAIN {
            if sent == Sent::Blocked {
                self.leave_room_to_program();
                stalls = !self.await_room(MAX_STALL);
            }
            if stalls {
                break;
            }
            sent = self.send.lock().as_mut().map_or(Sent::All, |half| half.send(self.fd.as_fd()));
        }
        // Before anything that makes the I/O thread look.
        drop(ownership);
        match sent {
            Sent::Blocked => {
                if stalls {
                    let sent_bytes = self.send.lock().as_ref().map_or(0, SendHalf::sent_bytes);
                    self.stalled_at.store(sent_bytes, Ordering::Relaxed);
                }
                self.leave_blocked();
            }
            Sent::Yield | Sent::NoMemory | Sent::Ended | Sent::Failed(_) => self.remote.wake(),
            Sent::All | Sent::Over => {}
        }
        self.wake_if_contended(Half::Send);
    }

    /// On a program's thread that has found the stream full: the reactor is to tell when it has room. Where it has, in spite of
    /// what it said, the session tries again by its timer.
    fn leave_blocked(&self) {
        self.watch_for_room();
        let refused =
            self.send.try_lock().is_some_and(|half| half.as_ref().is_some_and(SendHalf::is_refused));
        self.wake_if_contended(Half::Send);
        if refused && self.await_room(Duration::ZERO) {
            self.letterbox.defer(|deferred| deferred.refused = true);
            self.remote.wake();
        }
    }

    fn stream_holds(&self, keeps_size: bool) -> usize {
        let known = self.stream_holds.load(Ordering::Relaxed);
        if known != 0 {
            return known;
        }
        let holds = room_of(self.fd.as_fd(), keeps_size).max(1);
        self.stream_holds.store(holds, Ordering::Relaxed);
        holds
    }

    /// Waits for so long for the stream to take more. Whether it does.
    fn await_room(&self, patience: Duration) -> bool {
        let mut fds = [PollFd { fd: self.raw_fd(), events: libc::POLLOUT, revents: 0 }];
        poll(&mut fds, Some(patience)) == Ok(1)
    }

    /// On a program's thread that has just given credit to a pipe that took no more: receives what the stream has, unless
    /// somebody else is at it. `false`: the I/O thread is to be woken.
    pub fn receive_inline(&self) -> bool {
        let mut answers = Vec::new();
        let received = contain(|| {
            let mut half = self.recv.try_lock()?;
            let half = half.as_mut()?;
            let now_ms = clock_ms(Instant::now());
            if let Some(heartbeat) = &mut half.heartbeat {
                heartbeat.resume(now_ms);
            }
            let received = self.receive_with(half, false, now_ms, &mut answers);
            if received == Received::NoCredit
                && let Some(heartbeat) = &mut half.heartbeat
            {
                heartbeat.suspend();
            }
            if half.received() > 0 {
                note_received();
            }
            Some(received)
        });
        self.wake_if_contended(Half::Recv);
        match received {
            Some(Some(received @ (Received::NoCredit | Received::Blocked))) if answers.is_empty() => {
                self.turn_round();
                self.settle(received);
                true
            }
            // What came of it is the session's business.
            Some(_) => {
                self.letterbox.defer_answers(&answers);
                false
            }
            None => {
                self.letterbox.defer(|deferred| deferred.panicked = true);
                false
            }
        }
    }

    /// Notes that something was received. Whether the program's thread had sent something before that.
    pub(in crate::session) fn turn_round(&self) -> bool {
        // Written only if there is something to say: the sender's thread may be another one.
        self.one_way.load(Ordering::Relaxed) && self.one_way.swap(false, Ordering::Relaxed)
    }

    /// On the I/O thread: receives what there is; answers to the peer's commands go to `control`.
    pub fn receive(&self, hangup: bool, now_ms: u64, control: &mut Vec<u8>) -> Received {
        let hidden = self.hides_the_end();
        let received = {
            let half = if hangup {
                Some(self.recv.lock())
            } else {
                self.turned_away.unless_in_use(Half::Recv, || self.recv.try_lock())
            };
            // The session will be woken.
            let Some(mut half) = half else { return Received::Stopped };
            let Some(half) = half.as_mut() else { return Received::Stopped };
            if hangup || hidden {
                half.hang_up();
            }
            let received = half.receive_for_session(self.fd.as_fd(), now_ms, control);
            if half.received() > 0 {
                self.turn_round();
            }
            received
        };
        self.settle(received);
        received
    }

    /// Waits until who is receiving now has done. Whether somebody was.
    pub(in crate::session) fn await_receiver(&self) -> bool {
        let receiving = self.is_receiving();
        if receiving {
            // The I/O thread, for one burst.
            drop(self.recv.lock());
            self.wake_if_contended(Half::Recv);
        }
        receiving
    }

    /// Whether somebody is receiving now.
    pub(in crate::session) fn is_receiving(&self) -> bool {
        if self.recv.try_lock().is_none() {
            return true;
        }
        self.wake_if_contended(Half::Recv);
        false
    }

    pub(in crate::session) fn receive_with(
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

    /// For who has let go of a half: lets the I/O thread have its turn, if it wanted one.
    pub(in crate::session) fn wake_if_contended(&self, half: Half) {
        if self.turned_away.is_waiting(half) {
            self.remote.wake();
        }
    }

    /// Frees what is kept only to be used again, unless somebody is at it.
    pub fn tidy(&self) {
        if let Some(mut half) = self.recv.try_lock() {
            let _ = half.as_mut().map(RecvHalf::tidy);
            drop(half);
            self.wake_if_contended(Half::Recv);
        }
        if let Some(mut half) = self.send.try_lock() {
            let _ = half.as_mut().map(SendHalf::tidy);
            drop(half);
            self.wake_if_contended(Half::Send);
        }
    }

    /// Something about the receiving half.
    pub fn with_recv<R>(&self, f: impl FnOnce(&mut RecvHalf) -> R) -> Option<R> {
        let answer = self.recv.lock().as_mut().map(f);
        self.wake_if_contended(Half::Recv);
        answer
    }

    /// The stream is broken, or nobody would be told of it any more: nothing is sent from now on, and what it holds is
    /// [received](RecvHalf::end_when_read).
    pub fn end_when_read(&self, errno: Errno) {
        if let Some(half) = self.send.lock().as_mut() {
            half.give_up();
        }
        self.wake_if_contended(Half::Send);
        self.with_recv(|half| half.end_when_read(errno));
    }

    /// Takes the halves away: nobody sends or receives here any more.
    pub fn dismantle(&self) -> (Option<SendHalf>, Option<RecvHalf>) {
        (self.send.lock().take(), self.recv.lock().take())
    }
}

/// How many bytes a stream holds, once it holds as many as somebody who waits for it wants, unless the program has said how many
/// (`keeps_size`). A tcp connection grows by itself, unless it is told how large it is.
fn room_of(fd: BorrowedFd<'_>, keeps_size: bool) -> usize {
    let ask = || net::option(fd, IntOption::SendBuffer).unwrap_or(0);
    if !keeps_size
        && net::option(fd, IntOption::Domain) == Ok(libc::AF_UNIX)
        && ask() < UNIX_SEND_BUFFER_BYTES
    {
        // A wish: the system's limit may be lower.
        let _ = net::set_option(fd, IntOption::SendBuffer, UNIX_SEND_BUFFER_BYTES);
    }
    usize::try_from(ask()).unwrap_or(0)
}

/// A thread of the program sees to what there is to send, and when it drops this either all has left or the I/O thread is told.
struct FlushOwnership<'a>(&'a AtomicBool);

impl<'a> FlushOwnership<'a> {
    fn begin(connection: &'a Connection) -> FlushOwnership<'a> {
        connection.flush_owned.store(true, Ordering::Relaxed);
        FlushOwnership(&connection.flush_owned)
    }
}

impl Drop for FlushOwnership<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_unix_socket_is_made_to_hold_more_and_a_tcp_connection_is_left_alone() {
        let holds = |fd| usize::try_from(net::option(fd, IntOption::SendBuffer).unwrap()).unwrap();
        let (local, _peer) = UnixStream::pair().unwrap();
        let before = holds(local.as_fd());
        assert_eq!(room_of(local.as_fd(), true), before, "the program has said how many");
        let room = room_of(local.as_fd(), false);
        assert!(room >= before.max(MIN_DRAINABLE_BYTES), "{room} after {before}");
        assert_eq!((room_of(local.as_fd(), false), holds(local.as_fd())), (room, room));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let before = holds(tcp.as_fd());
        assert_eq!((room_of(tcp.as_fd(), false), holds(tcp.as_fd())), (before, before));
    }
}
