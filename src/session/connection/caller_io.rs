//! I/O on the calling thread: a thread of the program that has published, or given credit, writes or reads the stream itself.
//!
//! The [policy](super::send_policy) decides whether it does. What the thread leaves undone is the session's.

use super::Connection;
use super::recv::Received;
use super::send::{SEND_TURN_BYTES, SendHalf, Sent};
use super::send_policy::{self, INLINE_SEND_MIN_BYTES, MAX_STALL, Writer};
use super::send_rate::SendRate;
use crate::reactor::clock_ms;
use crate::session::ordering::mark::note_received;
use crate::sys::contain::contain;
use crate::sys::net::{self, IntOption};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The send buffer that a thread which waits for a Unix socket gives it, as far as the system allows. It holds 208 KiB unless
/// asked, and sender and receiver would take turns. Half of what the system then says that it is, as it counts its own expenses
/// in.
const UNIX_SEND_BUFFER_BYTES: i32 = 512 * 1024;

/// What the calling threads remember of a connection.
pub(super) struct CallerIo {
    /// How fast the socket sends.
    send_rate: Arc<SendRate>,
    /// The program has sent something and received nothing since. A guess for all threads that read or write it, so Relaxed.
    one_way: AtomicBool,
    /// Bytes that the stream holds, asked for when something large is sent first; 0 before. Each thread that asks gets the same,
    /// so Relaxed.
    stream_holds: AtomicUsize,
    /// How many bytes had been sent when a thread of the program last waited for room in vain. A guess for all threads that read
    /// or write it, so Relaxed.
    stalled_at: AtomicU64,
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

impl CallerIo {
    pub fn new(send_rate: Arc<SendRate>) -> CallerIo {
        CallerIo {
            send_rate,
            one_way: AtomicBool::new(false),
            stream_holds: AtomicUsize::new(0),
            stalled_at: AtomicU64::new(u64::MAX),
        }
    }
}

impl Connection {
    /// On a program's thread that has published something: sends published messages, if the policy leaves it to this thread.
    /// `false`: the I/O thread is to be woken.
    pub fn send_inline(&self) -> bool {
        let turn = self.caller_io.send_rate.begin(Instant::now());
        let streaming = self.caller_io.one_way.swap(true, Ordering::Relaxed) && turn.streaming;
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
        self.send_batch(|_| true)
    }

    /// As [`send_for_credit`](Connection::send_for_credit), where the thread would else not wait, but be refused or pass the peer over; if
    /// the [policy](send_policy) has it. Only where there are [several I/O threads](Connection::is_beside_others).
    pub fn send_before_refusal(&self) -> bool {
        self.send_batch(|half| {
            let (outlet, is_blocked) = (half.outlet(), half.is_blocked());
            let more_than_a_turn_waits = || half.holds_at_least(SEND_TURN_BYTES);
            send_policy::before_refusal(outlet, is_blocked, more_than_a_turn_waits).is_some()
        })
    }

    /// Whether other I/O threads may serve other peers of the socket. It is known without the half: while a thread held that for
    /// nothing, the I/O thread would be turned away.
    pub fn is_beside_others(&self) -> bool {
        self.beside_others
    }

    fn send_batch(&self, may_send: impl FnOnce(&mut SendHalf) -> bool) -> bool {
        let Some(mut half) = self.try_send_half() else { return false };
        let Some(sending) = half.as_mut() else { return false };
        if !may_send(sending) {
            return false;
        }
        let before = sending.sent_bytes();
        // A thread that runs out of credit is streaming: the first message of the next batch is not to go alone.
        let turn = self.caller_io.send_rate.begin(Instant::now());
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
            blocked.is_some_and(|sent_bytes| sent_bytes == self.caller_io.stalled_at.load(Ordering::Relaxed))
                && !self.await_room(Duration::ZERO)
        };
        let holds = || self.stream_holds(keeps_size);
        let writer = send_policy::after_large_frame(frame_bytes, outlet, holds, is_stalled);
        let Some(Writer::CallerDrains(limit)) = writer else { return };
        let ownership = self.flush_owner.begin();
        let drained = self.drain(blocked.is_some(), limit);
        // Before anything that makes the I/O thread look.
        drop(ownership);
        self.leave_drained(drained);
    }

    /// As [`drain_blocking`](Connection::drain_blocking), where the stream is full and the time is over before the half is let go of.
    /// `meanwhile`: what happens until then.
    #[cfg(test)]
    pub(in crate::session) fn drain_out_of_time(&self, meanwhile: impl FnOnce()) {
        let ownership = self.flush_owner.begin();
        {
            let mut half = self.send_half();
            let mut send = || half.as_mut().map_or(Sent::Over, |half| half.send(self.fd.as_fd()));
            while send() != Sent::Blocked {}
            meanwhile();
        }
        drop(ownership);
        self.leave_drained(Drained::OutOfTime);
    }

    /// After draining, once the flush has no owner: makes sure that the rest leaves.
    fn leave_drained(&self, drained: Drained) {
        match drained {
            Drained::Over => {}
            Drained::Stalled => {
                let sent_bytes = self.send_half().as_ref().map_or(0, SendHalf::sent_bytes);
                self.caller_io.stalled_at.store(sent_bytes, Ordering::Relaxed);
                self.leave_blocked();
            }
            Drained::OutOfTime => {
                // The I/O thread may have been told of room, and have left it to the owner. A stream that is watched for room
                // already would tell of it no more.
                self.leave_room_to_program();
                self.leave_blocked();
            }
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
        let known = self.caller_io.stream_holds.load(Ordering::Relaxed);
        if known != 0 {
            return known;
        }
        let holds = room_of(self.fd.as_fd(), keeps_size).max(1);
        self.caller_io.stream_holds.store(holds, Ordering::Relaxed);
        holds
    }

    /// On a program's thread that has just given credit to a full pipe: receives the bytes that the stream has, unless another
    /// thread does. `false`: the I/O thread is to be woken.
    pub fn receive_inline(&self) -> bool {
        if self.is_rated {
            return false;
        }
        let mut answers = Vec::new();
        let received = contain(|| {
            let mut half = self.try_recv_half()?;
            let half = half.as_mut()?;
            let now_ms = clock_ms(Instant::now());
            let received = self.receive_with(half, false, now_ms, &mut answers);
            if half.received() > 0 {
                note_received();
            }
            Some((received, half.sets_timer()))
        });
        match received {
            Some(Some((received @ (Received::NoCredit | Received::Blocked), false)))
                if answers.is_empty() =>
            {
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
        self.caller_io.one_way.load(Ordering::Relaxed)
            && self.caller_io.one_way.swap(false, Ordering::Relaxed)
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
