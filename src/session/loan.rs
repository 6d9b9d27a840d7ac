//! A connection on loan. A thread of the program that waits for a socket watches the streams itself and receives what comes,
//! so that a message costs no hand-over between threads; the reactor is not to be woken for it as well.
//!
//! A stream is borrowed when a thread begins to wait, and returned when the wait is over. If the thread comes back
//! quickly, again and again, the stream stays away in between, as long as the session, which looks from time to time
//! ([`WATCH`]), finds that it does. So a stream is away from the reactor only while a thread waits for it or the session
//! looks after it.
//!
//! Where the system can, a stream that is returned stays watched by the thread's bed, and the reactor watches *behind* that
//! (`sys::epoll`): who comes back to wait has it without asking for it, however long it was elsewhere, and while nobody
//! waits the reactor is told.

use super::connection::Connection;
use super::recv::{Received, RecvHalf};
use super::send::MOST_CONTROL;
use super::turned_away::Half;
use crate::errno::Errno;
use crate::reactor::{Interest, clock_ms};
use crate::sys::contain::contain;
use crate::sys::lock::{Lock, LockGuard};
use crate::sys::park::Parker;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// When the session first looks whether the thread still comes back. Each time that it does, the session waits twice as
/// long before it looks again, up to the other limit: every look may hold up a message.
pub const WATCH: Duration = Duration::from_millis(1);
const LONGEST_WATCH: Duration = Duration::from_millis(8);
/// A thread that comes back within this time is quick, and after so many times in a row the stream stays away.
const QUICK: Duration = Duration::from_millis(1);
const QUICK_ENOUGH: u8 = 2;
/// For so long the I/O thread keeps a stream that is not for borrowing: one that fills whole blocks while the program, which only
/// receives, has other things to do, or one that two threads want at once.
const KEPT: Duration = Duration::from_millis(50);
/// So much at once, so often in a row, is a stream that the I/O thread had better receive while the program's thread
/// works, if what it does with it takes longer than to receive it. That is so with small messages; large ones are soon done
/// with, by a thread that finds them in its cache.
const HEAVY_BYTES: usize = 8 * 1024;
const HEAVY_ENOUGH: u8 = 3;
/// Woken so often in a row for room that nobody waits for, the reactor watches for that no more, until somebody does. Wakes
/// that follow each other faster do not count: they find the thread awake.
const ROOM_ENOUGH: u8 = 4;
const ROOM_APART_MS: u64 = 2;

pub struct Loan(Lock<Terms>);

#[derive(Default)]
struct Terms {
    /// The reactor does not watch the stream.
    away: bool,
    /// What watches the stream for the thread that has borrowed it last.
    bed: Option<Arc<Parker>>,
    /// The reactor watches behind `bed`, for something to read alone. Not while the stream is away.
    behind: bool,
    /// When at home, the reactor watches for something to read alone, and not for room. A stream socket that shares
    /// memory with its peer has room again whenever that reads, which would wake the I/O thread each time.
    reading_only: bool,
    /// How often in a row the reactor was woken for room that nobody waited for, and when it was last, as [`clock_ms`].
    rooms: u8,
    room_ms: u64,
    /// The pipe takes no more: who reads from it gives credit and receives, and the reactor would be woken by each arrival
    /// for nothing.
    full: bool,
    /// A thread waits for the stream.
    held: bool,
    /// The session looks after the stream, or has been asked to.
    watched: bool,
    /// Changes when a thread comes, and what the session saw of that.
    visits: u32,
    seen: u32,
    /// How often the session has looked and found that it had.
    looks: u32,
    /// When the stream was taken from the reactor, and when the last thread left.
    since: Option<Instant>,
    left: Option<Instant>,
    quick: u8,
    heavy: u8,
    /// Much has come: how long it took to receive, and until when.
    burst: Option<(Duration, Instant)>,
    /// Not to be borrowed until then.
    kept_until: Option<Instant>,
    /// The connection is over.
    ended: bool,
    errand: Errand,
}

/// What the program's thread leaves for the session.
#[derive(Default)]
pub struct Errand {
    /// Look after the stream from now on.
    pub watch: bool,
    /// Receiving has panicked.
    pub panicked: bool,
    /// The stream could not be given back to the reactor.
    pub failed: Option<Errno>,
    /// Answers to the peer's commands.
    pub answers: Vec<u8>,
}

/// What becomes of a wish to borrow a stream.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Lending {
    /// Somebody else watches it.
    Refused,
    /// Nobody else watches it.
    Away,
    /// The reactor watches behind the bed: who sleeps in anything but that is not the only one to be woken.
    Behind,
}

impl Loan {
    /// Of a stream that the reactor watches for something to read, and for room if `for_room`.
    pub fn new(for_room: bool) -> Loan {
        Loan(Lock::new(Terms { reading_only: !for_room, ..Terms::default() }))
    }
}

/// For the program's threads.
impl Connection {
    /// To be asked by a thread that is about to wait. Unless it is refused it polls the stream, calls
    /// [`feed`](Connection::feed) when there is something to read, and [`leave`](Connection::leave) afterwards. `bed`: that
    /// watches the stream from now on, also between two waits.
    pub fn borrow(&self, bed: Option<&Arc<Parker>>) -> Lending {
        let mut terms = self.loan.0.lock();
        if terms.ended {
            return Lending::Refused;
        }
        terms.judge_burst();
        if terms.held {
            // Two threads at one socket: only the I/O thread is there for both.
            terms.keep();
            return Lending::Refused;
        }
        let now = Instant::now();
        let in_bed = bed.is_some_and(|bed| terms.is_watched_by(bed));
        if !terms.away {
            let quick = terms.left.is_some_and(|left| now.saturating_duration_since(left) < QUICK);
            terms.quick = if quick { terms.quick.saturating_add(1) } else { 0 };
            terms.since = Some(now);
            let stays_behind = terms.behind && in_bed && !terms.is_kept(now);
            if !stays_behind && !self.send_away(&mut terms, now) {
                // A bed would be woken for what its thread does not poll.
                if terms.behind {
                    self.take_back(&mut terms);
                }
                return Lending::Refused;
            }
        }
        if !in_bed {
            self.leave_any_bed(&mut terms);
            if let Some(bed) = bed {
                if !bed.watch(self.raw_fd()) {
                    self.take_back(&mut terms);
                    return Lending::Refused;
                }
                terms.bed = Some(Arc::clone(bed));
            }
        }
        terms.held = true;
        terms.visits = terms.visits.wrapping_add(1);
        if terms.behind { Lending::Behind } else { Lending::Away }
    }

    /// Receives what there is, on the thread that has borrowed the stream. `hangup`: poll(2) says that the peer has closed,
    /// or of an error. `false`: the I/O thread has the stream back.
    pub fn feed(&self, hangup: bool) -> bool {
        // Held by the session for moments only; then it is its turn.
        self.feed_by(hangup, || self.recv.try_lock())
    }

    /// Receives what there is, on a thread that has been told of that by poll(2) and has to have it now. The session may hold the
    /// half and not receive: it looks after the heartbeat, or has looked before that came.
    pub fn feed_now(&self, hangup: bool) {
        self.feed_by(hangup, || Some(self.recv.lock()));
    }

    fn feed_by<'a>(
        &'a self,
        hangup: bool,
        lock: impl Fn() -> Option<LockGuard<'a, Option<RecvHalf>>>,
    ) -> bool {
        let mut answers = Vec::new();
        let begun = Instant::now();
        let received = contain(|| {
            let mut half = lock()?;
            let half = half.as_mut()?;
            half.expect_bytes();
            let received = self.receive_with(half, hangup, clock_ms(begun), &mut answers);
            // What the turn has left over poll(2) tells of again, unless it lies in a tunnel.
            let all_told =
                received == Received::Blocked || received == Received::Yield && !half.is_tunnelled();
            Some((all_told, half.received()))
        });
        self.let_in(Half::Recv);
        let sent_before = self.turn_round();
        let mut terms = self.loan.0.lock();
        let keeps = match received {
            Some(Some((true, bytes))) => {
                terms.weigh(bytes, sent_before, begun);
                terms.kept_until.is_none()
            }
            // How it ended, what there is no credit for, and what poll(2) does not see is the session's business.
            Some(Some(_)) => {
                terms.keep();
                false
            }
            Some(None) => {
                // The I/O thread is receiving: who takes what it brings is not to take the stream away each time.
                terms.add_heavy(!sent_before);
                false
            }
            None => {
                terms.errand.panicked = true;
                terms.keep();
                false
            }
        };
        let wake = !keeps || !answers.is_empty();
        terms.errand.answer(answers);
        if !keeps {
            self.take_back(&mut terms);
        }
        drop(terms);
        if wake {
            self.remote.wake();
        }
        keeps
    }

    /// The thread that has borrowed the stream waits no longer.
    pub fn leave(&self) {
        let mut terms = self.loan.0.lock();
        terms.held = false;
        if !(terms.away || terms.behind) || terms.watched || terms.full {
            return;
        }
        let now = Instant::now();
        if terms.quick >= QUICK_ENOUGH
            && terms.kept_until.is_none()
            && terms.waited_shortly(now)
            && (terms.away || self.send_away(&mut terms, now))
        {
            terms.watched = true;
            terms.errand.watch = true;
            drop(terms);
            return self.remote.wake();
        }
        terms.left = Some(now);
        self.give_back(&mut terms);
    }

    /// That bed is not to watch the stream any more, for its thread waits for something else.
    pub fn leave_bed(&self, bed: &Arc<Parker>) {
        let mut terms = self.loan.0.lock();
        if terms.is_watched_by(bed) && !terms.held {
            if terms.behind {
                self.take_back(&mut terms);
            } else {
                self.leave_any_bed(&mut terms);
            }
        }
    }

    fn leave_any_bed(&self, terms: &mut Terms) {
        if let Some(bed) = terms.bed.take() {
            bed.ignore(self.raw_fd());
        }
    }

    /// Takes the stream away from the reactor, if that may be.
    fn send_away(&self, terms: &mut Terms, now: Instant) -> bool {
        if terms.is_kept(now) {
            return false;
        }
        terms.kept_until = None;
        // What waits to be sent needs the reactor. Whoever finds the stream full later asks for it under this lock.
        terms.away = !self.seems_busy() && self.remote.deregister(self.raw_fd()).is_ok();
        terms.behind &= !terms.away;
        // Nothing waits to be sent.
        terms.reading_only |= terms.away;
        terms.away
    }
}

/// For the session, and for whoever needs the reactor.
impl Connection {
    /// The reactor is to watch the stream.
    pub fn recall(&self) {
        self.take_back(&mut self.loan.0.lock());
    }

    /// The stream has no room for what is to be sent: the reactor is to tell when it has.
    pub(super) fn watch_for_room(&self) {
        let mut terms = self.loan.0.lock();
        if terms.ended {
            return;
        }
        terms.rooms = 0;
        let reading_only = std::mem::replace(&mut terms.reading_only, false);
        if terms.away || terms.behind {
            self.take_back(&mut terms);
        } else if reading_only && let Err(errno) = self.remote.reregister(self.raw_fd(), terms.interest()) {
            self.fail(&mut terms, errno);
        }
    }

    /// The I/O thread has been woken for room in the stream and for nothing else, and has not sent yet. A stream that is never
    /// lent, for somebody watches `ZMQ_FD`, would else wake it for each message that its peer reads.
    pub(super) fn told_of_room(&self, now_ms: u64) {
        let mut terms = self.loan.0.lock();
        let slow = now_ms.saturating_sub(std::mem::replace(&mut terms.room_ms, now_ms)) >= ROOM_APART_MS;
        if terms.ended || terms.away || terms.reading_only {
            return;
        }
        terms.rooms = if !slow || self.seems_busy() { 0 } else { terms.rooms.saturating_add(1) };
        if terms.rooms >= ROOM_ENOUGH {
            // Nothing waits to be sent; whoever finds the stream full later asks for room under this lock.
            terms.reading_only = true;
            if let Err(errno) = self.remote.reregister(self.raw_fd(), terms.interest()) {
                self.fail(&mut terms, errno);
            }
        }
    }

    /// The stream has no room for what is to be sent, and a thread of the program waits for it: the reactor need not tell. Who
    /// stops waiting calls [`watch_for_room`](Connection::watch_for_room).
    pub(super) fn leave_room_to_program(&self) {
        let mut terms = self.loan.0.lock();
        if terms.away || terms.ended || std::mem::replace(&mut terms.reading_only, true) {
            return;
        }
        if let Err(errno) = self.remote.reregister(self.raw_fd(), terms.interest()) {
            self.fail(&mut terms, errno);
        }
    }

    /// Whether somebody else than the reactor watches the stream.
    pub fn is_lent(&self) -> bool {
        let terms = self.loan.0.lock();
        terms.away || terms.behind && terms.held
    }

    /// Whether the reactor says of the stream that there is something to read, where only its end is left.
    pub(super) fn hides_the_end(&self) -> bool {
        self.loan.0.lock().behind
    }

    /// After an attempt to receive that ended in this way: the reactor watches the stream unless there is nothing that it
    /// could do.
    pub(super) fn settle(&self, received: Received) {
        let mut terms = self.loan.0.lock();
        if terms.ended || (received != Received::NoCredit && !terms.full) {
            return;
        }
        // Others may have received since.
        let full = self.with_recv(|half| half.waits_for_credit()).unwrap_or(false);
        if std::mem::replace(&mut terms.full, full) == full {
            return;
        }
        if full {
            if !terms.away {
                if self.seems_busy() || self.remote.deregister(self.raw_fd()).is_err() {
                    // Tried again when more arrives.
                    terms.full = false;
                    return;
                }
                (terms.away, terms.behind) = (true, false);
                terms.reading_only = true;
            }
            if !terms.held {
                self.leave_any_bed(&mut terms);
            }
        } else if !terms.held && !terms.watched {
            self.take_back(&mut terms);
        }
    }

    /// Leaves answers to the peer's commands for the session.
    pub(super) fn leave_answers(&self, answers: Vec<u8>) {
        self.loan.0.lock().errand.answer(answers);
    }

    /// Leaves word that receiving has panicked.
    pub(super) fn leave_panic(&self) {
        self.loan.0.lock().errand.panicked = true;
    }

    /// What the program's thread has left.
    pub fn take_errand(&self) -> Errand {
        std::mem::take(&mut self.loan.0.lock().errand)
    }

    /// To be called [`WATCH`] after [`Errand::watch`], and again after what this answers. `None`: no more.
    pub fn look_after(&self) -> Option<Duration> {
        let mut terms = self.loan.0.lock();
        let visits = terms.visits;
        let came = std::mem::replace(&mut terms.seen, visits) != visits;
        terms.watched = terms.away && came;
        if terms.watched {
            terms.looks = terms.looks.saturating_add(1);
            return Some(WATCH.saturating_mul(1 << terms.looks.min(16)).min(LONGEST_WATCH));
        }
        // Who waits for so long at a time is to begin anew.
        (terms.quick, terms.looks, terms.since) = (0, 0, None);
        if !terms.held && !terms.full {
            self.give_back(&mut terms);
        }
        None
    }

    /// The stream is not borrowed any more. Whether a thread polls it still: that one is to be woken, and holds the stream
    /// open until then.
    pub fn end_loan(&self) -> bool {
        let mut terms = self.loan.0.lock();
        terms.ended = true;
        self.leave_any_bed(&mut terms);
        if terms.held && !std::mem::replace(&mut terms.away, true) {
            // Who was told of the end cannot make use of events.
            let _ = self.remote.deregister(self.raw_fd());
        }
        terms.held
    }

    /// The reactor is to watch the stream: behind the bed that watches it, if there is one.
    fn give_back(&self, terms: &mut Terms) {
        if !terms.away || terms.ended {
            return;
        }
        if terms.bed.is_some()
            && terms.kept_until.is_none()
            && self.remote.register_behind(self.raw_fd()).is_ok()
        {
            (terms.away, terms.behind) = (false, true);
            return;
        }
        self.take_back(terms);
    }

    /// The reactor is to watch the stream, and nobody else.
    fn take_back(&self, terms: &mut Terms) {
        if terms.ended {
            return;
        }
        self.leave_any_bed(terms);
        if std::mem::take(&mut terms.behind) {
            // What it could not be told of shows when it is registered anew.
            let _ = self.remote.deregister(self.raw_fd());
            terms.away = true;
        }
        if !std::mem::replace(&mut terms.away, false) {
            return;
        }
        if let Err(errno) = self.remote.register(self.raw_fd(), terms.interest()) {
            self.fail(terms, errno);
        }
    }

    /// Nobody could tell of the stream any more.
    fn fail(&self, terms: &mut Terms, errno: Errno) {
        terms.errand.failed = Some(errno);
        self.remote.wake();
    }
}

impl Errand {
    /// Adds answers, no further ones than the session would keep itself.
    fn answer(&mut self, mut answers: Vec<u8>) {
        if self.answers.len() + answers.len() <= MOST_CONTROL {
            self.answers.append(&mut answers);
        }
    }
}

impl Terms {
    fn interest(&self) -> Interest {
        if self.reading_only { Interest::READABLE } else { Interest::READABLE | Interest::WRITABLE }
    }

    fn is_watched_by(&self, bed: &Arc<Parker>) -> bool {
        self.bed.as_ref().is_some_and(|own| Arc::ptr_eq(own, bed))
    }

    /// Whether the wait that ends now was short. After a long one the session would be woken to look after a thread that will
    /// be asleep, for long again, when it does: that costs more than the reactor's having the stream meanwhile.
    fn waited_shortly(&self, now: Instant) -> bool {
        self.since.is_some_and(|since| now.saturating_duration_since(since) < QUICK)
    }

    fn is_kept(&self, now: Instant) -> bool {
        self.kept_until.is_some_and(|until| now < until)
    }

    /// Not to be borrowed for a while.
    fn keep(&mut self) {
        self.kept_until = Instant::now().checked_add(KEPT);
    }

    /// So many bytes came at once, received from `begun` until now, and the program had sent something before that, or not.
    fn weigh(&mut self, bytes: usize, sent_before: bool, begun: Instant) {
        if bytes < HEAVY_BYTES || sent_before {
            (self.heavy, self.burst) = (0, None);
            return;
        }
        let before = self.burst.map_or(Duration::ZERO, |(took, _)| took);
        let now = Instant::now();
        self.burst = Some((before + now.saturating_duration_since(begun), now));
    }

    /// The thread comes back: much has been to be done if that took longer than to receive it.
    fn judge_burst(&mut self) {
        if let Some((took, until)) = self.burst.take() {
            self.add_heavy(until.elapsed() > took);
        }
    }

    fn add_heavy(&mut self, heavy: bool) {
        self.heavy = if heavy { self.heavy + 1 } else { 0 };
        if self.heavy >= HEAVY_ENOUGH {
            self.heavy = 0;
            self.keep();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As if so much had taken so long to receive, and the thread came back at once.
    fn come_back(terms: &mut Terms, bytes: usize, took: Duration) {
        terms.weigh(bytes, false, Instant::now());
        if let Some(burst) = &mut terms.burst {
            burst.0 = took;
        }
        terms.judge_burst();
    }

    #[test]
    fn who_is_soon_done_with_what_has_come_keeps_the_stream() {
        let (long, mut terms) = (Duration::from_secs(60), Terms::default());
        for _ in 0..2 * HEAVY_ENOUGH {
            come_back(&mut terms, HEAVY_BYTES, long);
        }
        assert_eq!(terms.kept_until, None);
        for _ in 1..HEAVY_ENOUGH {
            come_back(&mut terms, HEAVY_BYTES, Duration::ZERO);
        }
        come_back(&mut terms, HEAVY_BYTES, long);
        assert_eq!(terms.kept_until, None, "not in a row");
        for _ in 0..HEAVY_ENOUGH {
            come_back(&mut terms, HEAVY_BYTES - 1, Duration::ZERO);
        }
        assert_eq!(terms.kept_until, None, "not much");
        for _ in 0..HEAVY_ENOUGH {
            come_back(&mut terms, HEAVY_BYTES, Duration::ZERO);
        }
        assert!(terms.kept_until.is_some());
    }
}
