//! An established connection: a stream and its two halves. Any thread that holds a half may drive it.
//!
//! `zmq_send` writes the stream itself in [`caller_io`], and wakes the I/O thread where that answers `false`.
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
mod caller_io;
mod flush_owner;
mod lend_policy;
pub(in crate::session) mod kept_buckets;
pub(in crate::session) mod rate;
#[cfg(feature = "qzmq")]
pub(in crate::session) mod records;
pub mod recv;
mod registration;
mod scratch;
pub mod send;
pub(in crate::session) mod send_policy;
pub(in crate::session) mod send_rate;
pub(in crate::session) mod tls_stream;
mod watch;
pub(in crate::session) mod write_coalescing;
#[cfg(feature = "qzmq")]
pub(in crate::session) mod ws_records;

pub(in crate::session) use lend_policy::MIN_LOOK_INTERVAL;
pub(in crate::session) use registration::Lending;
pub use send_policy::MAX_DRAIN_MS;

use crate::counters::{ConnectionCounter, ConnectionRecord};
use crate::engine::Heartbeat;
use crate::engine::zmtp::heartbeat::SendState;
use crate::errno::Errno;
use crate::reactor::Remote;
use crate::session::connection::contention::{HalfGuard, HalfLock, rank};
use crate::session::connection::flush_owner::FlushOwner;
use crate::session::connection::recv::{Received, RecvHalf};
use crate::session::connection::send::{SendHalf, Sent};
use crate::session::connection::send_policy::Writer;
use crate::session::connection::send_rate::SendRate;
use crate::session::connection::write_coalescing::WriteCoalescing;
use crate::session::letterbox::{ConnectionLetterbox, Flags};
use crate::sys::cancel::Closes;
use crate::sys::net::{self, IntOption};
use crate::sys::poll::{PollFd, poll};
use crate::sys::stream;
use caller_io::CallerIo;
use registration::{Beginning, Watcher};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

/// Bytes that are dropped in one read, and how often at most: a peer may send without end.
const DISCARD_BYTES: usize = 4096;
const MAX_DISCARDS: u32 = 256;

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
    /// Whether sending is left to the program for now.
    pub(in crate::session) coalescing: WriteCoalescing,
    caller_io: CallerIo,
    /// Whether a thread of the program drains the stream.
    flush_owner: FlushOwner,
    /// Whether the peers have agreed to ask each other for signs of life.
    pub heartbeats: bool,
    /// Whether the peer has a rate: then the I/O thread alone receives.
    pub is_rated: bool,
    /// Whether other I/O threads may serve other peers of the socket.
    beside_others: bool,
    /// What it counts; `None` in tests of the halves alone.
    record: Option<ConnectionRecord>,
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
            heartbeats: recv.heartbeat().is_some(),
            is_rated: recv.is_rated(),
            beside_others: send.outlet().beside_others,
            record: recv.record().cloned(),
            coalescing: WriteCoalescing::default(),
            flush_owner: FlushOwner::default(),
            send: HalfLock::new(send, rank::SEND_HALF),
            recv: HalfLock::new(recv, rank::RECV_HALF),
            watcher: Watcher::new(for_room),
            remote,
            letterbox,
            caller_io: CallerIo::new(send_rate),
        }
    }

    /// The I/O thread was woken for it.
    pub fn count_wakeup(&self) {
        if let Some(record) = &self.record {
            record.add(ConnectionCounter::Wakeups, 1);
        }
    }

    /// How often it was.
    #[cfg(test)]
    pub(in crate::session) fn wakeups(&self) -> u64 {
        self.record.as_ref().map_or(0, |record| record.counter(ConnectionCounter::Wakeups))
    }

    pub fn raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Without its port.
    pub fn peer_address(&self) -> String {
        crate::transport::peer_address(self.fd.as_fd())
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

    /// On the I/O thread: grants what was sent by the mark that the socket had set before, as nothing else may be left to send.
    pub fn heed_mark(&self) {
        match self.send.try_lock_for_session() {
            Some(mut half) => drop(half.as_mut().map(SendHalf::heed_mark)),
            // The thread that holds the half wakes the session when it lets go.
            None => self.letterbox.leave(Flags::MARKS_CHANGED),
        }
    }

    /// On the I/O thread, once all is sent and the session ends: sends the closing frame where the protocol has one.
    pub fn part(&self) {
        if let Some(half) = self.send.lock_for_session().as_mut() {
            half.part(self.fd.as_fd());
        }
    }

    /// On the I/O thread, at the end of the session: drops what the stream has. Bytes that lie unread when a stream is closed have the
    /// system reset the connection. Whether there were any.
    pub(in crate::session) fn discard_unread(&self) -> bool {
        let mut room = [0; DISCARD_BYTES];
        let discards = (0..MAX_DISCARDS)
            .take_while(|_| stream::read(self.fd.as_fd(), &mut room).is_ok_and(|bytes| bytes > 0));
        discards.count() > 0
    }

    /// Bytes that the system would drop if the stream were closed now and the peer said something then. That is to be expected
    /// where its heartbeats go on, or it `has_spoken`. Those of a Unix socket are the peer's already.
    pub(in crate::session) fn undelivered_bytes(&self, has_spoken: bool) -> u64 {
        let speaks = |half: &mut RecvHalf| half.heartbeat().is_some_and(Heartbeat::makes_peer_speak);
        if !has_spoken && !self.with_recv(speaks).unwrap_or(false) {
            return 0;
        }
        match net::option(self.fd.as_fd(), IntOption::Domain) {
            Ok(libc::AF_INET | libc::AF_INET6) => net::held_bytes(self.fd.as_fd()).unwrap_or(0),
            _ => 0,
        }
    }

    #[cfg(test)]
    pub(in crate::session) fn unread_bytes(&self) -> u64 {
        net::waiting_bytes(self.fd.as_fd()).unwrap_or(0)
    }

    /// The state of sending. Waits for a thread of the program that is sending.
    pub fn send_state(&self) -> SendState {
        let state = self.send_half().as_mut().map(|half| {
            let held_bytes = net::held_bytes(self.fd.as_fd()).unwrap_or(0);
            SendState { held_bytes, ..half.state() }
        });
        state.unwrap_or_default()
    }

    /// Whether messages wait to be sent.
    pub(in crate::session) fn has_messages(&self) -> bool {
        self.send_half().as_mut().is_some_and(|half| half.holds_at_least(1))
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
        let nothing =
            |half: &RecvHalf| half.received() == 0 && !half.waits_for_credit() && !half.is_over_rate();
        let in_vain = self.try_recv_half().is_some_and(|half| half.as_ref().is_some_and(nothing));
        let mut fds = [PollFd { fd: self.raw_fd(), events: libc::POLLIN, revents: 0 }];
        in_vain && !self.is_lent() && poll(&mut fds, Some(Duration::ZERO)) == Ok(1)
    }

    /// Whether a control frame would have to wait, or another thread holds the half.
    pub(in crate::session) fn seems_busy(&self) -> bool {
        self.try_send_half().is_none_or(|half| half.as_ref().is_none_or(SendHalf::is_busy))
    }

    /// Waits for at most `patience` for the stream to take more. Whether it does.
    fn await_room(&self, patience: Duration) -> bool {
        let mut fds = [PollFd { fd: self.raw_fd(), events: libc::POLLOUT, revents: 0 }];
        poll(&mut fds, Some(patience)) == Ok(1)
    }

    /// On the I/O thread: receives the bytes that the stream has; answers to the peer's commands go to `control`. `None`: a
    /// thread of the program holds the half, and wakes the session when it lets go.
    pub fn receive(&self, hangup: bool, now_ms: u64, control: &mut Vec<u8>) -> Option<Received> {
        let Beginning { hides_the_end, had_untold } = self.begin_receiving();
        let (received, hides_bytes) = {
            let half =
                if hangup { Some(self.recv.lock_for_session()) } else { self.recv.try_lock_for_session() };
            let Some(mut half) = half else {
                // A thread may have borrowed the stream since the note of its untold bytes was taken away.
                self.leave_untold(had_untold);
                return None;
            };
            let Some(half) = half.as_mut() else { return Some(Received::Stopped) };
            if hangup || hides_the_end {
                half.hang_up();
            }
            let received = half.receive_for_session(self.fd.as_fd(), now_ms, control);
            if half.received() > 0 {
                self.turn_round();
            }
            (received, half.may_hide_bytes())
        };
        // First: a stream that waits for credit has no note of untold bytes.
        self.settle(received);
        if received == Received::Yield {
            self.leave_untold(hides_bytes);
        }
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

    /// As [`with_recv`](Connection::with_recv), on an I/O thread that goes on with other sessions. `None`: another thread holds the
    /// half, and wakes the session when it lets go.
    pub fn with_recv_unless_in_use<R>(&self, f: impl FnOnce(&mut RecvHalf) -> R) -> Option<R> {
        self.recv.try_lock_for_session()?.as_mut().map(f)
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
