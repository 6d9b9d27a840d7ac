//! Registers the stream of a connection with the reactor's epoll instance, or with a front epoll instance. It carries out what
//! [`watch`](super::watch) decides, and no other file registers such a stream.
//!
//! A thread of the program that waits for a socket borrows the streams of its connections. It polls them itself and receives
//! what comes, so that a message costs no hand-over between threads. The calls of such a thread, in order:
//! [`borrow`](Connection::borrow), then [`receive_ready`](Connection::receive_ready) each time that poll(2) tells of the stream, then
//! [`leave`](Connection::leave). What they cannot do themselves they leave in the session's letterbox
//! ([`defer`](crate::session::letterbox::ConnectionLetterbox::defer)). The session calls
//! [`on_look_timer`](Connection::on_look_timer) when its timer is over.

use super::Connection;
use super::lend_policy::LendPolicy;
use super::watch::{Action, Event, Front, Receiver, Watch, at_reactor, next};
use crate::errno::Errno;
use crate::reactor::{Interest, clock_ms};
use crate::session::connection::contention::{HalfGuard, rank};
use crate::session::connection::recv::{Received, RecvHalf};
use crate::sys::contain::contain;
use crate::sys::lock::Lock;
use crate::sys::park::Parker;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The state of a connection's stream: [`Watch`], with the policy that it is lent by.
pub struct Watcher(Lock<State>);

struct State {
    watch: Watch,
    /// Whose front epoll instance watches the stream; `Some` where `watch` has a front.
    front: Option<Arc<Parker>>,
    policy: LendPolicy,
}

/// The answer to a thread's request for a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lending {
    /// It is not lent: another thread has it, the I/O thread keeps it for a while, or it is over. One with a rate never is.
    Refused,
    /// The thread alone watches it.
    Alone,
    /// The reactor watches behind the front epoll instance: the thread is to sleep in that, and in nothing else.
    InFront,
}

/// The state of the stream when the I/O thread begins to receive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beginning {
    /// The reactor says that there is something to read where only the end is left.
    pub hides_the_end: bool,
    /// There was a note of bytes of which no event will tell.
    pub had_untold: bool,
}

/// The outcome of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// The transition has happened.
    Done,
    /// As `Done`, and the session has a note to arm its timer: it is to be woken.
    TimerNoted,
    /// As `Done`, and the session is to be woken for bytes of which no event tells.
    SessionTold,
    /// The stream could not be taken from the reactor: nothing has changed.
    Refused,
}

impl Watcher {
    /// Of a stream that the reactor watches for something to read, and for room if `room`.
    pub fn new(room: bool) -> Watcher {
        Watcher(Lock::ranked(
            rank::WATCHER,
            State { watch: at_reactor(room), front: None, policy: LendPolicy::default() },
        ))
    }
}

/// For the program's threads.
impl Connection {
    /// Asks for the stream, on a thread that is about to wait. `front`: its parker, whose front epoll instance watches the
    /// stream from now on, also between two waits.
    pub fn borrow(&self, front: Option<&Arc<Parker>>) -> Lending {
        if self.is_rated {
            return Lending::Refused;
        }
        let mut state = self.watcher.0.lock();
        if state.watch == Watch::Closed {
            return Lending::Refused;
        }
        let now = Instant::now();
        state.policy.asked(now);
        if state.watch.is_held() {
            // Two threads wait at one socket: the I/O thread alone is there for both.
            state.policy.refuse_lending(now);
            return Lending::Refused;
        }
        let brought = match front {
            None => Front::Absent,
            Some(front) if state.is_watched_by(front) => Front::Same,
            Some(_) => Front::Other,
        };
        let at_reactor = matches!(state.watch, Watch::Reactor { .. } | Watch::Front { .. });
        if at_reactor {
            state.policy.asked_at_the_reactor(now);
        }
        let lend = !at_reactor || state.policy.lends(now);
        if self.step(&mut state, Event::Borrow { lend, front: brought }, front) == Outcome::Refused {
            // A front epoll instance would wake the thread for a stream that it does not poll.
            self.recall_from_front(&mut state);
        }
        match state.watch {
            Watch::Front { held: true, .. } => state.policy.lent(),
            Watch::Thread { .. } => state.policy.lent(),
            _ => return Lending::Refused,
        }
        if state.watch.hides_the_end() { Lending::InFront } else { Lending::Alone }
    }

    /// Receives the bytes that the stream has, on the thread that has borrowed it. `hangup`: poll(2) says that the peer has
    /// closed, or tells of an error. `false`: the I/O thread has the stream back.
    pub fn receive_ready(&self, hangup: bool) -> bool {
        // The session holds the half for moments only; then it is its turn.
        self.receive_ready_by(hangup, || self.try_recv_half())
    }

    /// Receives the bytes that the stream has, on a thread that poll(2) has told of them and that has to have them now. The
    /// session may hold the half and not receive: it looks after the heartbeat, or has looked before that came.
    pub fn receive_ready_blocking(&self, hangup: bool) {
        self.receive_ready_by(hangup, || Some(self.recv_half()));
    }

    fn receive_ready_by<'a>(
        &'a self,
        hangup: bool,
        lock: impl Fn() -> Option<HalfGuard<'a, RecvHalf>>,
    ) -> bool {
        let mut answers = Vec::new();
        let begun = Instant::now();
        let received = contain(|| {
            let mut half = lock()?;
            let half = half.as_mut()?;
            half.expect_bytes();
            let received = self.receive_with(half, hangup, clock_ms(begun), &mut answers);
            // What the turn has left over poll(2) tells of again, unless a tunnel hides it.
            let all_told =
                received == Received::Blocked || received == Received::Yield && !half.may_hide_bytes();
            Some((received, all_told, half.received()))
        });
        let sent_before = self.turn_round();
        let mut state = self.watcher.0.lock();
        let policy = &mut state.policy;
        let mut refused = false;
        let keeps = match received {
            Some(Some((_, true, bytes))) => {
                let burst = LendPolicy::is_burst(bytes, sent_before);
                policy.received(bytes, sent_before, begun, if burst { Instant::now() } else { begun });
                let in_vain = bytes == 0 && policy.told_in_vain(begun);
                refused = in_vain;
                !policy.is_backing_off()
            }
            Some(Some((received, ..))) if received.is_denial() => {
                policy.never_lend(Instant::now());
                false
            }
            // The session deals with the end of the stream, with a lack of credit, and with bytes that poll(2) does not see.
            Some(Some(_)) => {
                policy.refuse_lending(Instant::now());
                false
            }
            Some(None) => {
                // The I/O thread is receiving: a thread that takes what it brings is not to take the stream away each time.
                policy.count_burst(!sent_before, Instant::now());
                false
            }
            None => {
                policy.refuse_lending(Instant::now());
                self.letterbox.defer(|deferred| deferred.panicked = true);
                false
            }
        };
        let wake = !keeps || !answers.is_empty();
        if refused {
            self.letterbox.defer(|deferred| deferred.refused = true);
        }
        self.letterbox.defer_answers(&answers);
        if !keeps {
            self.step(&mut state, Event::Recall, None);
        }
        let mut wake = wake;
        if let Some(Some((outcome, all_told, _))) = received
            && (outcome == Received::Yield || !all_told)
        {
            let untold = Event::Untold { by: Receiver::Thread, hidden: !all_told };
            wake |= self.step(&mut state, untold, None) == Outcome::SessionTold;
        }
        drop(state);
        if wake {
            self.remote.wake();
        }
        keeps
    }

    /// The thread that has borrowed the stream waits no longer.
    pub fn leave(&self) {
        let mut state = self.watcher.0.lock();
        let timed_or_full = state.watch.is_timed() || state.watch.waits_for_credit();
        if timed_or_full || matches!(state.watch, Watch::Reactor { .. } | Watch::Closed) {
            // The stream goes nowhere under any policy, so the clock need not be asked.
            self.step(&mut state, Event::Leave(super::watch::Leave::ToFront), None);
            return;
        }
        let now = Instant::now();
        let leave = state.policy.leave(now);
        let outcome = match self.step(&mut state, Event::Leave(leave), None) {
            Outcome::Refused => self.step(&mut state, Event::Leave(super::watch::Leave::ToFront), None),
            outcome => outcome,
        };
        if outcome != Outcome::TimerNoted {
            state.policy.left(now);
        }
        drop(state);
        if matches!(outcome, Outcome::TimerNoted | Outcome::SessionTold) {
            self.remote.wake();
        }
    }

    /// That thread's front epoll instance is not to watch the stream any more, for the thread waits for something else.
    pub fn leave_front(&self, front: &Arc<Parker>) {
        let mut state = self.watcher.0.lock();
        if state.is_watched_by(front) {
            self.step(&mut state, Event::LeaveFront, None);
        }
    }
}

/// For the session, and for threads that need the reactor.
impl Connection {
    /// The reactor is to watch the stream.
    pub fn recall(&self) {
        self.step(&mut self.watcher.0.lock(), Event::Recall, None);
    }

    /// The stream has no room for what is to be sent: the reactor is to tell when it has.
    pub(in crate::session) fn watch_for_room(&self) {
        let mut state = self.watcher.0.lock();
        state.policy.needs_room();
        self.step(&mut state, Event::NeedRoom, None);
    }

    /// The I/O thread has been woken for room in the stream and for nothing else, and has not sent yet. A stream that is never
    /// lent, because the program watches `ZMQ_FD`, would else wake it for each message that its peer reads.
    pub(in crate::session) fn told_of_room(&self, now_ms: u64) {
        let mut state = self.watcher.0.lock();
        let apart = state.policy.woken_for_room(now_ms);
        if !state.watch.watches_room() {
            return;
        }
        // A thread that finds the stream full later asks for room under this lock.
        if state.policy.gives_up_room(apart && !self.seems_busy()) {
            self.step(&mut state, Event::DropRoom, None);
        }
    }

    /// The stream has no room for what is to be sent, and a thread of the program waits for it: the reactor need not tell.
    /// The thread calls [`watch_for_room`](Connection::watch_for_room) when it stops waiting.
    pub(super) fn leave_room_to_program(&self) {
        self.step(&mut self.watcher.0.lock(), Event::DropRoom, None);
    }

    /// Whether a thread of the program watches the stream, or none does for now.
    pub fn is_lent(&self) -> bool {
        self.watcher.0.lock().watch.is_lent()
    }

    /// Whether the session is to receive when it is woken and no event tells of the stream. `published`: for published messages.
    pub(in crate::session) fn receives_when_woken(&self, published: bool) -> bool {
        self.watcher.0.lock().watch.receives_when_woken(published)
    }

    /// The I/O thread is about to receive.
    pub(super) fn begin_receiving(&self) -> Beginning {
        let mut state = self.watcher.0.lock();
        let had_untold = state.watch.has_untold();
        // It changes nothing else, and comes before each turn.
        if had_untold {
            self.step(&mut state, Event::Receiving, None);
        }
        Beginning { hides_the_end: state.watch.hides_the_end(), had_untold }
    }

    /// The I/O thread has left bytes of which no event will tell. `hidden`: they may lie where poll(2) does not see them.
    pub(super) fn leave_untold(&self, hidden: bool) {
        let untold = Event::Untold { by: Receiver::Session, hidden };
        self.step(&mut self.watcher.0.lock(), untold, None);
    }

    /// Whether the reactor says of the stream that there is something to read, where only its end is left.
    #[cfg(test)]
    pub(in crate::session) fn hides_the_end(&self) -> bool {
        self.watcher.0.lock().watch.hides_the_end()
    }

    /// After an attempt to receive that ended in this way: whether the reactor watches the stream follows from the credit.
    pub(in crate::session) fn settle(&self, received: Received) {
        let mut state = self.watcher.0.lock();
        if received != Received::NoCredit && !state.watch.waits_for_credit() {
            return;
        }
        // Another thread may have received since.
        let no_credit = self.with_recv(|half| half.waits_for_credit()).unwrap_or(false);
        // Where bytes wait to be sent the stream stays with the reactor. That is tried again when more arrives.
        self.step(&mut state, if no_credit { Event::NoCredit } else { Event::Credited }, None);
    }

    /// To be called [`MIN_LOOK_INTERVAL`](super::lend_policy::MIN_LOOK_INTERVAL) after [`Deferred::arm_timer`], and again
    /// after what this answers. `None`: no more.
    pub fn on_look_timer(&self) -> Option<Duration> {
        let mut state = self.watcher.0.lock();
        let came = state.policy.look();
        let to_front = !state.policy.is_backing_off();
        self.step(&mut state, Event::Look { came, to_front }, None);
        if state.watch.is_timed() {
            return Some(state.policy.look_again());
        }
        state.policy.stop_looking();
        None
    }

    /// The stream is not lent any more. Whether a thread polls it still: that one is to be woken, and holds the stream open
    /// until then.
    pub fn end_lending(&self) -> bool {
        let mut state = self.watcher.0.lock();
        let held = state.watch.is_held();
        self.step(&mut state, Event::Close, None);
        held
    }

    fn recall_from_front(&self, state: &mut State) {
        if matches!(state.watch, Watch::Front { held: false, .. }) {
            self.step(state, Event::Recall, None);
        }
    }
}

/// The actions.
impl Connection {
    /// Decides and does it. `front`: what the thread brought along.
    fn step(&self, state: &mut State, event: Event, front: Option<&Arc<Parker>>) -> Outcome {
        let (after, actions) = next(state.watch, event);
        let mut outcome = Outcome::Done;
        for action in actions.iter() {
            match action {
                Action::TakeFromReactor => {
                    // What waits to be sent needs the reactor. A thread that finds the stream full later asks for it under
                    // this lock.
                    if self.seems_busy() || self.remote.deregister(self.raw_fd()).is_err() {
                        return Outcome::Refused;
                    }
                }
                Action::Deregister => drop(self.remote.deregister(self.raw_fd())),
                Action::Register { room } => {
                    let registered = self.remote.register(self.raw_fd(), interest(room));
                    self.note_failure(registered);
                }
                Action::Reregister { room } => {
                    let registered = self.remote.reregister(self.raw_fd(), interest(room));
                    self.note_failure(registered);
                }
                Action::RegisterBehind => {
                    if self.remote.register_behind(self.raw_fd()).is_err() {
                        state.watch = after;
                        return self.step(state, Event::BehindFailed, None);
                    }
                }
                Action::WatchFront => match front.filter(|front| front.watch(self.raw_fd())) {
                    Some(front) => state.front = Some(Arc::clone(front)),
                    None => {
                        state.watch = after;
                        return self.step(state, Event::FrontFailed, None);
                    }
                },
                Action::UnwatchFront => {
                    if let Some(front) = state.front.take() {
                        front.ignore(self.raw_fd());
                    }
                }
                Action::ArmTimer => {
                    self.letterbox.defer(|deferred| deferred.arm_timer = true);
                    outcome = Outcome::TimerNoted;
                }
                Action::TellSession => outcome = Outcome::SessionTold,
            }
        }
        state.watch = after;
        debug_assert_eq!(state.watch.has_front(), state.front.is_some(), "{event:?} gives {after:?}");
        outcome
    }

    fn note_failure(&self, registered: Result<(), Errno>) {
        if let Err(errno) = registered {
            self.letterbox.defer(|deferred| deferred.failed = Some(errno));
            self.remote.wake();
        }
    }
}

impl State {
    fn is_watched_by(&self, front: &Arc<Parker>) -> bool {
        self.front.as_ref().is_some_and(|own| Arc::ptr_eq(own, front))
    }
}

fn interest(room: bool) -> Interest {
    if room { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE }
}
