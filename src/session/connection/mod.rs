//! An established connection: a stream and its two halves. Any thread that holds a half may drive it.
//!
//! `zmq_send` writes the stream itself in [`Connection::send_inline`], and wakes the I/O thread where that answers `false`.
//!
//! | term | meaning |
//! |---|---|
//! | half | one direction of the stream, with its end of the pipe: [`SendHalf`] or [`RecvHalf`] |
//! | room | space in the stream's send buffer; a stream without room is blocked |
//! | lent, borrowed | a thread of the program that waits receives from the stream itself: [`registration`] |
//! | front epoll instance | that of a waiting thread, which the kernel asks before the reactor's: [`front_epoll`](crate::sys::front_epoll) |
//! | streaming | the socket sends again and again, and receives nothing meanwhile: [`send_rate`] |
//! | coalescing | the I/O thread lets published messages collect before it looks: [`write_coalescing`] |
//! | draining | a thread of the program writes, and waits for room: [`Connection::drain_blocking`] |
//! | owner of the flush | the thread that drains, and so makes sure that published messages leave: [`flush_owner`] |

pub(in crate::session) mod contention;
pub(in crate::session) mod control;
mod flush_owner;
mod lend_policy;
pub mod recv;
mod registration;
pub mod send;
pub(in crate::session) mod send_policy;
pub(in crate::session) mod send_rate;
pub(in crate::session) mod tls_stream;
mod watch;
pub(in crate::session) mod write_coalescing;

pub(in crate::session) use lend_policy::MIN_LOOK_INTERVAL;
pub(in crate::session) use registration::Lending;
pub use send_policy::MAX_DRAIN_MS;

use crate::engine::Heartbeat;
use crate::engine::zmtp::heartbeat::SendState;
use crate::errno::Errno;
use crate::reactor::{Remote, clock_ms};
use crate::session::connection::contention::{HalfGuard, HalfLock, rank};
use crate::session::connection::flush_owner::FlushOwner;
use crate::session::connection::recv::{Received, RecvHalf};
use crate::session::connection::send::{SendHalf, Sent};
use crate::session::connection::send_policy::{INLINE_SEND_MIN_BYTES, MAX_STALL, Writer};
use crate::session::connection::send_rate::SendRate;
use crate::session::connection::write_coalescing::WriteCoalescing;
use crate::session::letterbox::ConnectionLetterbox;
use crate::session::ordering::mark::note_received;
use crate::sys::cancel::Closes;
use crate::sys::contain::contain;
use crate::sys::net::{self, IntOption};
use crate::sys::poll::{PollFd, poll};
use registration::Watcher;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The send buffer that a thread which waits for a Unix socket gives it, as far as the system allows. It holds 208 KiB unless
/// asked, and sender and receiver would take turns. Half of what the system then says that it is, as it counts its own expenses
/// in.
const UNIX_SEND_BUFFER_BYTES: i32 = 512 * 1024;

/// A stream, and its two halves behind [locks](contention). Dropped, it closes the stream.
///
/// The session makes it when the handshake is over. While it lives:
/// - the I/O thread calls [`send`](Connection::send) and [`receive`](Connection::receive) when the reactor or a thread of the program
///   wakes the session;
/// - a thread of the program calls [`send_inline`](Connection::send_inline) when it has published; it calls
///   [`receive_inline`](Connection::receive_inline) when it has granted credit, [`send_for_credit`](Connection::send_for_credit)
///   when it has none left, and [`drain_blocking`](Connection::drain_blocking) behind a large message;
/// - a thread of the program that waits borrows the stream: see [`registration`].
///
/// At the end the session calls [`end_lending`](Connection::end_lending), then [`dismantle`](Connection::dismantle).
pub struct Connection {
    fd: Closes<OwnedFd>,
    /// Whether the peers have agreed on a mechanism: ZMTP 3 and later.
    pub has_mechanism: bool,
    pub(in crate::session) send: HalfLock<SendHalf>,
    pub(in crate::session) recv: HalfLock<RecvHalf>,
    /// The watcher of the stream. Locked before the halves, never after.
    watcher: Watcher,
    /// The session.
    pub(in crate::session) remote: Remote,
    /// What threads of the program leave for the session to do.
    letterbox: ConnectionLetterbox,
    /// How fast the socket sends.
    send_rate: Arc<SendRate>,
    /// The program has sent something and received nothing since. A guess for all threads that read or write it, so Relaxed.
    one_way: AtomicBool,
    /// Whether sending is left to the program for now.
    pub(in crate::session) coalescing: WriteCoalescing,
    /// Bytes that the stream holds, asked for when something large is sent first; 0 before. Each thread that asks gets the same,
    /// so Relaxed.
    stream_holds: AtomicUsize,
    /// How many bytes had been sent when a thread of the program last waited for room in vain. A guess for all threads that read
    /// or write it, so Relaxed.
    stalled_at: AtomicU64,
    /// Whether a thread of the program drains the stream.
    flush_owner: FlushOwner,
    /// Whether the peers have agreed to ask each other for signs of life.
    pub heartbeats: bool,
}

/// The outcome of the I/O thread's attempt to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// The I/O thread has tried.
    Sent(Sent),
    /// A thread of the program holds the half, and wakes the session when it lets go.
    Busy,
    /// A thread of the program owns the flush, and leaves nothing behind without making the I/O thread look.
    LeftToCaller,
    /// The program writes by itself for now: the session is to look again after this time.
    Later(Duration),
}

/// The outcome of draining.
enum Drained {
    /// All has left, or nothing can leave any more.
    Over,
    /// The stream took nothing for [`MAX_STALL`].
    Stalled,
    /// The stream has no room, and the thread has waited long enough.
    OutOfTime,
    /// The rest, and the outcome, are the session's.
    LeftToSession,
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
            coalescing: WriteCoalescing::default(),
            flush_owner: FlushOwner::default(),
            stalled_at: AtomicU64::new(u64::MAX),
            stream_holds: AtomicUsize::new(0),
            send: HalfLock::new(send, rank::SEND_HALF),
            recv: HalfLock::new(recv, rank::RECV_HALF),
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

    /// On the I/O thread: sends published messages, after `control` frames, if the policy leaves it to this thread. `closing`:
    /// waits for a thread of the program that holds the half. `published`: the socket has published something, and nothing else
    /// has happened.
    pub fn send(&self, control: &[u8], closing: bool, published: bool) -> Flush {
        let urgent = closing || !control.is_empty();
        let batches = (published && !urgent).then(|| self.coalescing.take_batches());
        let last_look = self.coalescing.look();
        let writer = send_policy::when_told(urgent, batches, last_look, self.flush_owner.is_owned());
        if batches.is_some() {
            let look = if let Writer::IoThreadLater(look) = writer { Some(look) } else { None };
            self.coalescing.set_look(look);
        }
        match writer {
            Writer::IoThreadLater(look) => return Flush::Later(look),
            Writer::Caller | Writer::CallerDrains(_) => return Flush::LeftToCaller,
            Writer::IoThread => {}
        }
        let sent = {
            let half =
                if urgent { Some(self.send.lock_for_session()) } else { self.send.try_lock_for_session() };
            let Some(mut half) = half else { return Flush::Busy };
            let Some(half) = half.as_mut() else { return Flush::Sent(Sent::Over) };
            if !control.is_empty() {
                half.queue_control(control);
            }
            half.send_for_session(self.fd.as_fd())
        };
        if sent == Sent::Blocked {
            self.watch_for_room();
        }
        Flush::Sent(sent)
    }

    /// On the I/O thread, once all is sent and the session ends: sends the closing frame where the protocol has one.
    pub fn part(&self) {
        if let Some(half) = self.send.lock_for_session().as_mut() {
            half.part(self.fd.as_fd());
        }
    }

    /// Bytes that the system would drop if the stream were closed now, since the peer's heartbeats go on. Those of a Unix socket
    /// are the peer's already.
    pub(in crate::session) fn untaken_bytes(&self) -> u64 {
        let speaks = |half: &mut RecvHalf| half.heartbeat.as_ref().is_some_and(Heartbeat::makes_peer_speak);
        if !self.with_recv(speaks).unwrap_or(false) {
            return 0;
        }
        match net::option(self.fd.as_fd(), IntOption::Domain) {
            Ok(libc::AF_INET | libc::AF_INET6) => net::held_bytes(self.fd.as_fd()).unwrap_or(0),
            _ => 0,
        }
    }

    /// The state of sending. Waits for a thread of the program that is sending.
    pub fn send_state(&self) -> SendState {
        let state = self.send_half().as_mut().map(|half| {
            let held_bytes = net::held_bytes(self.fd.as_fd()).unwrap_or(0);
            SendState { held_bytes, ..half.state() }
        });
        state.unwrap_or_default()
    }

    /// Bytes sent so far. `None` while another thread sends.
    pub(in crate::session) fn sent_bytes(&self) -> Option<u64> {
        self.try_send_half().and_then(|half| half.as_ref().map(SendHalf::sent_bytes))
    }

    /// Whether the stream, which had room before, has taken nothing and has room still: no event would tell of that again.
    pub(in crate::session) fn refuses_at_once(&self) -> bool {
        let refused =
            self.try_send_half().is_some_and(|half| half.as_ref().is_some_and(SendHalf::is_refused));
        refused && self.await_room(Duration::ZERO)
    }

    /// Whether the stream has taken nothing since its count of sent bytes was `sent_bytes`, says that it will not, and has room.
    /// `None`: another thread was sending then, and may have found the same.
    pub(in crate::session) fn refuses_in_spite_of_room(&self, sent_bytes: Option<u64>) -> bool {
        let refuses = |half: &SendHalf| {
            half.is_blocked() && sent_bytes.is_none_or(|sent_bytes| half.sent_bytes() == sent_bytes)
        };
        let blocked = self.try_send_half().is_some_and(|half| half.as_ref().is_some_and(refuses));
        blocked && self.await_room(Duration::ZERO)
    }

    /// Whether the last attempt to receive has brought nothing, though there is something.
    pub(in crate::session) fn withholds_bytes(&self) -> bool {
        let nothing = |half: &RecvHalf| half.received() == 0 && !half.waits_for_credit();
        let in_vain = self.try_recv_half().is_some_and(|half| half.as_ref().is_some_and(nothing));
        let mut fds = [PollFd { fd: self.raw_fd(), events: libc::POLLIN, revents: 0 }];
        in_vain && !self.is_lent() && poll(&mut fds, Some(Duration::ZERO)) == Ok(1)
    }

    /// Whether a control frame would have to wait, or another thread holds the half.
    pub(in crate::session) fn seems_busy(&self) -> bool {
        self.try_send_half().is_none_or(|half| half.as_ref().is_none_or(SendHalf::is_busy))
    }

    /// On a program's thread that has published something: sends published messages, if the policy leaves it to this thread.
    /// `false`: the I/O thread is to be woken.
    pub fn send_inline(&self) -> bool {
        let turn = self.send_rate.begin(Instant::now());
        let streaming = self.one_way.swap(true, Ordering::Relaxed) && turn.streaming;
        let sent = {
            let Some(mut guard) = self.try_send_half() else { return false };
            let Some(half) = guard.as_mut() else { return false };
            let outlet = half.outlet();
            let much_waits = || half.holds_at_least(INLINE_SEND_MIN_BYTES);
            let writer =
                send_policy::after_publishing(streaming, outlet, much_waits, || self.coalescing.next_look());
            match writer {
                Writer::Caller | Writer::CallerDrains(_) => half.send(self.fd.as_fd()),
                Writer::IoThread => return false,
                Writer::IoThreadLater(_) => return true,
            }
        };
        turn.end(Instant::now());
        match sent {
            Sent::All => true,
            Sent::Blocked => {
                self.leave_blocked();
                true
            }
            // The half is gone: there is nothing to send.
            Sent::Over => true,
            Sent::Yield | Sent::NoMemory | Sent::Ended | Sent::Failed(_) => false,
        }
    }

    /// On a program's thread that has no credit left: sends published messages, unless another thread does. Whether something
    /// went.
    pub fn send_for_credit(&self) -> bool {
        let Some(mut half) = self.try_send_half() else { return false };
        let Some(sending) = half.as_mut() else { return false };
        let before = sending.sent_bytes();
        // A thread that runs out of credit is streaming: the first message of the next batch is not to go alone.
        let turn = self.send_rate.begin(Instant::now());
        let sent = sending.send(self.fd.as_fd());
        turn.end(Instant::now());
        let progress = sending.sent_bytes() != before;
        drop(half);
        if progress && matches!(sent, Sent::All | Sent::Yield) {
            self.coalescing.sent(sent == Sent::All);
        }
        match sent {
            Sent::All | Sent::Over => progress,
            Sent::Blocked => {
                self.leave_blocked();
                progress
            }
            // The rest, and the outcome, are the I/O thread's.
            Sent::Yield | Sent::NoMemory | Sent::Ended | Sent::Failed(_) => {
                self.remote.wake();
                sent == Sent::Yield
            }
        }
    }

    /// On a program's thread that has just published a large message, and may wait. It writes published messages, and waits for
    /// the stream while that goes on taking, if the [policy](send_policy) has it. A program that is faster than its stream would
    /// else fill the pipe up to the high-water mark. All of that memory would be cold when its turn comes. `frame_bytes`: of the
    /// last frame.
    pub fn drain_blocking(&self, frame_bytes: usize) {
        let standing = self
            .send_half()
            .as_ref()
            .map(|half| (half.outlet(), half.is_blocked().then(|| half.sent_bytes()), half.keeps_size()));
        let Some((outlet, blocked, keeps_size)) = standing else { return };
        let is_stalled = || {
            blocked.is_some_and(|sent_bytes| sent_bytes == self.stalled_at.load(Ordering::Relaxed))
                && !self.await_room(Duration::ZERO)
        };
        let holds = || self.stream_holds(keeps_size);
        let writer = send_policy::after_large_frame(frame_bytes, outlet, holds, is_stalled);
        let Some(Writer::CallerDrains(limit)) = writer else { return };
        let ownership = self.flush_owner.begin();
        let drained = self.drain(blocked.is_some(), limit);
        // Before anything that makes the I/O thread look.
        drop(ownership);
        match drained {
            Drained::Over => {}
            Drained::Stalled => {
                let sent_bytes = self.send_half().as_ref().map_or(0, SendHalf::sent_bytes);
                self.stalled_at.store(sent_bytes, Ordering::Relaxed);
                self.leave_blocked();
            }
            Drained::OutOfTime => self.leave_blocked(),
            Drained::LeftToSession => self.remote.wake(),
        }
    }

    /// Writes published messages, and waits for room between two writes, for `limit` in all. Where the stream takes nothing for
    /// [`MAX_STALL`] the thread goes on with its program, and does not wait again before there is room. `blocked`: there was no
    /// room.
    fn drain(&self, mut blocked: bool, limit: Duration) -> Drained {
        let begun = Instant::now();
        // Also where the stream takes all it is offered: what had piled up before may be far more than this message.
        loop {
            if blocked {
                self.leave_room_to_program();
                if !self.await_room(MAX_STALL) {
                    return Drained::Stalled;
                }
            }
            let sent = self.send_half().as_mut().map_or(Sent::Over, |half| half.send(self.fd.as_fd()));
            blocked = match sent {
                Sent::Blocked => true,
                Sent::Yield => false,
                Sent::NoMemory | Sent::Ended | Sent::Failed(_) => return Drained::LeftToSession,
                Sent::All | Sent::Over => return Drained::Over,
            };
            if begun.elapsed() >= limit {
                return if blocked { Drained::OutOfTime } else { Drained::LeftToSession };
            }
        }
    }

    /// On a program's thread that has found the stream full: the reactor is to tell when it has room. Where it has, in spite of
    /// what it said, the session tries again by its timer.
    fn leave_blocked(&self) {
        self.watch_for_room();
        if self.refuses_at_once() {
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

    /// Waits for at most `patience` for the stream to take more. Whether it does.
    fn await_room(&self, patience: Duration) -> bool {
        let mut fds = [PollFd { fd: self.raw_fd(), events: libc::POLLOUT, revents: 0 }];
        poll(&mut fds, Some(patience)) == Ok(1)
    }

    /// On a program's thread that has just given credit to a full pipe: receives the bytes that the stream has, unless another
    /// thread does. `false`: the I/O thread is to be woken.
    pub fn receive_inline(&self) -> bool {
        let mut answers = Vec::new();
        let received = contain(|| {
            let mut half = self.try_recv_half()?;
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
        match received {
            Some(Some(received @ (Received::NoCredit | Received::Blocked))) if answers.is_empty() => {
                self.turn_round();
                self.settle(received);
                true
            }
            // The session deals with the outcome.
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

    /// On the I/O thread: receives the bytes that the stream has; answers to the peer's commands go to `control`. `None`: a
    /// thread of the program holds the half, and wakes the session when it lets go.
    pub fn receive(&self, hangup: bool, now_ms: u64, control: &mut Vec<u8>) -> Option<Received> {
        let hidden = self.hides_the_end();
        let received = {
            let mut half =
                if hangup { self.recv.lock_for_session() } else { self.recv.try_lock_for_session()? };
            let Some(half) = half.as_mut() else { return Some(Received::Stopped) };
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
        Some(received)
    }

    /// Waits until the thread that is receiving now has done. Whether there was one.
    pub(in crate::session) fn await_receiver(&self) -> bool {
        let receiving = self.is_receiving();
        if receiving {
            // The I/O thread, for one burst.
            drop(self.recv_half());
        }
        receiving
    }

    /// Whether a thread is receiving now.
    pub(in crate::session) fn is_receiving(&self) -> bool {
        self.try_recv_half().is_none()
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

    /// The sending half, unless another thread holds it.
    fn try_send_half(&self) -> Option<HalfGuard<'_, SendHalf>> {
        self.send.try_lock(&self.remote)
    }

    /// The sending half, when no other thread holds it.
    pub(in crate::session) fn send_half(&self) -> HalfGuard<'_, SendHalf> {
        self.send.lock(&self.remote)
    }

    /// The receiving half, unless another thread holds it.
    pub(in crate::session) fn try_recv_half(&self) -> Option<HalfGuard<'_, RecvHalf>> {
        self.recv.try_lock(&self.remote)
    }

    /// The receiving half, when no other thread holds it.
    pub(in crate::session) fn recv_half(&self) -> HalfGuard<'_, RecvHalf> {
        self.recv.lock(&self.remote)
    }

    /// Frees buffers that are kept only to be used again, unless another thread holds a half.
    pub fn tidy(&self) {
        if let Some(mut half) = self.try_recv_half() {
            let _ = half.as_mut().map(RecvHalf::tidy);
        }
        if let Some(mut half) = self.try_send_half() {
            let _ = half.as_mut().map(SendHalf::tidy);
        }
    }

    /// Something about the receiving half.
    pub fn with_recv<R>(&self, f: impl FnOnce(&mut RecvHalf) -> R) -> Option<R> {
        self.recv_half().as_mut().map(f)
    }

    /// The stream is broken, or the I/O thread would not be told of it any more. Nothing is sent from now on, and the bytes that
    /// it holds are [received](RecvHalf::end_when_read).
    pub fn end_when_read(&self, errno: Errno) {
        if let Some(half) = self.send_half().as_mut() {
            half.give_up();
        }
        self.with_recv(|half| half.end_when_read(errno));
    }

    /// Takes the halves away: nothing is sent or received here any more.
    pub fn dismantle(&self) -> (Option<SendHalf>, Option<RecvHalf>) {
        let send = self.send.lock_for_session().take();
        (send, self.recv.lock_for_session().take())
    }
}

/// The bytes that a stream holds, once it holds as many as a thread that waits for it wants. The stream is left alone if the
/// program has set the size (`keeps_size`). A tcp connection grows by itself, unless it is told how large it is.
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::send_policy::MIN_DRAINABLE_BYTES;
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
