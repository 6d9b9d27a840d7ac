//! Heartbeats (RFC 37): PING at an interval, and giving up a peer that stays silent.
//!
//! Three times are kept. *Next PING* comes round at the interval, beside all other frames; where the peer does not wait for
//! PINGs, it counts from the peer's last bytes. *Timeout* begins when a PING is due and ends with any byte of the peer's, not
//! just PONG. *TTL* is the peer's own wish: it begins with its PING and ends with the next byte; the next PING begins it anew.
//!
//! A peer that is slow to read is slow to answer as well. So what the stream has done since the last look decides what
//! becomes of the timeout (`wait`):
//!
//! | what the peer sends is | the stream was full, or holds the PING still | the stream has moved | the timeout |
//! |---|---|---|---|
//! | read | no | either way | runs |
//! | read | yes | no | runs |
//! | read | yes | yes | begins anew |
//! | not read for want of credit | either way | either way | stands still, and so does the TTL |
//! | not read any more, as the socket has closed | yes | no | runs |
//! | not read any more | else | else | begins anew |
//!
//! Where there is no memory for what is to be sent the timeout begins anew. A timeout that begins anew is `GAP_FACTOR` times
//! the longest standstill of the stream so far, if that is longer than the option says. A tcp peer's system tells in large steps
//! alone of the bytes that were read, and a slow reader needs long for one step.
//!
//! A side that is slow itself, and does not read for want of credit, says by [`signs`](super::signs) that it lives.
use super::command;
use super::signs::Signs;
use crate::options::SocketOptions;

/// Looks at a full stream within one timeout.
const LOOKS_PER_TIMEOUT: u64 = 8;
/// Factor between the longest standstill of a stream and the timeout that a slow peer gets for its next step.
const GAP_FACTOR: u64 = 3;

/// All times are milliseconds of one clock that never goes back.
#[derive(Debug)]
pub struct Heartbeat {
    intervals: Intervals,
    next_ping: Option<u64>,
    timeout: Timer,
    ttl: Timer,
    hearing: Hearing,
    ping: Ping,
    /// To a peer that has sent PING: it keeps watch itself.
    signs: Signs,
    /// When bytes came last.
    heard_ms: u64,
    /// The sending side at the last look.
    last: SendState,
    /// When it was last found to have moved, or to have had room.
    moved_ms: u64,
    /// The longest time for which it has stood still, and gone on, since it had room.
    gap_ms: u64,
    /// When a full stream is looked at next.
    next_look: Option<u64>,
}

/// Whether what the peer sends is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hearing {
    Open,
    /// Not while our own reader is slow.
    Suspended,
    /// Never again.
    Over,
}

/// Where the last PING is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ping {
    /// It waits for the end of a message, or for room in the stream.
    Waits,
    /// The stream has taken it, up to this byte.
    Taken(u64),
}

/// The sending side, when the clock is looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct SendState {
    /// Bytes that the stream has taken so far.
    pub taken_bytes: u64,
    /// Bytes that the system holds of these, for its peer has not taken them; 0 where it does not tell.
    pub held_bytes: u64,
    /// The stream had no room at the last look, or at some time since.
    pub was_full: bool,
    /// It has none now.
    pub is_full: bool,
    /// There was no memory for what was to be sent at the last look: that it does not leave is not the peer's doing.
    pub no_memory: bool,
    /// Up to this byte the stream has taken control frames, or will; `None`: some of them still wait for their turn.
    pub control_ends: Option<u64>,
}

/// What becomes of a timeout that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    Runs,
    BeginsAnew,
    StandsStill,
}

/// The table above. `pressed`: the stream was full, or holds the PING still.
fn wait(hearing: Hearing, pressed: bool, moved: bool) -> Wait {
    match (hearing, pressed, moved) {
        (Hearing::Suspended, _, _) => Wait::StandsStill,
        (Hearing::Open, true, true) => Wait::BeginsAnew,
        (Hearing::Open, _, _) | (Hearing::Over, true, false) => Wait::Runs,
        (Hearing::Over, _, _) => Wait::BeginsAnew,
    }
}

impl SendState {
    /// Bytes that the peer's system has taken. Where the system counts its own expenses among what it holds these are too few;
    /// to send makes them no more in any case.
    fn passed_bytes(&self) -> u64 {
        self.taken_bytes.saturating_sub(self.held_bytes)
    }

    /// Whether the peer has taken something since.
    fn has_moved(&self, last: &SendState) -> bool {
        // Room in a full stream is the peer's doing.
        self.passed_bytes() > last.passed_bytes() || last.is_full && self.taken_bytes > last.taken_bytes
    }
}

/// How often and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intervals {
    /// Between two PINGs (`ZMQ_HEARTBEAT_IVL`); 0 sends none.
    pub ping_ms: u64,
    /// From a PING to giving up (`ZMQ_HEARTBEAT_TIMEOUT`, by default the interval); 0 never gives up.
    pub timeout_ms: u64,
    /// What a PING asks of the peer, in tenths of a second (`ZMQ_HEARTBEAT_TTL`); 0 asks nothing.
    pub ttl_ds: u16,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    None,
    /// A PING is due: call [`Heartbeat::append_ping`]. Should another fall due before it has left, one is enough for both.
    SendPing,
    /// An unasked PONG is due.
    SendPong,
    /// The peer is gone. libzmq closes as on a timeout: no event but `ZMQ_EVENT_DISCONNECTED`, then reconnect.
    Expired,
}

impl Heartbeat {
    /// Begins at the end of the handshake, with peers whose version has commands; also where no interval is
    /// set, as the peer may send PING all the same.
    pub fn start(intervals: Intervals, now_ms: u64) -> Heartbeat {
        let next_ping = (intervals.ping_ms > 0).then(|| now_ms.saturating_add(intervals.ping_ms));
        let timeout = Timer::new(intervals.timeout_ms);
        Heartbeat {
            intervals,
            next_ping,
            timeout,
            ttl: Timer::new(0),
            hearing: Hearing::Open,
            ping: Ping::Taken(0),
            signs: Signs::default(),
            heard_ms: now_ms,
            last: SendState::default(),
            moved_ms: now_ms,
            gap_ms: 0,
            next_look: None,
        }
    }

    /// The peer sent something. Call it before the commands in it are handled.
    #[inline]
    pub fn on_received(&mut self) {
        self.timeout.stop();
        self.ttl.stop();
    }

    /// As [`on_received`](Heartbeat::on_received), of bytes that may be a part of a frame.
    pub fn on_bytes(&mut self, now_ms: u64) {
        self.heard_ms = now_ms;
        self.on_received();
    }

    /// The peer sent PING: appends the PONG frame. A TTL longer than 6553 ms works, unlike with libzmq, which cuts
    /// the product to 16 bits.
    pub fn on_ping(&mut self, now_ms: u64, ttl_ds: u16, context: &[u8], out: &mut Vec<u8>) {
        self.on_received();
        let ttl_ms = u64::from(ttl_ds) * 100;
        self.signs.be_watched(ttl_ms);
        self.ttl = Timer::new(ttl_ms);
        self.ttl.start(now_ms);
        command::append_pong(out, context);
    }

    /// The peer sent a PING of another form, which is answered elsewhere.
    pub fn be_watched(&mut self) {
        self.signs.be_watched(0);
    }

    /// Appends the PING frame that [`poll`](Heartbeat::poll) asked for.
    pub fn append_ping(&mut self, out: &mut Vec<u8>) {
        self.ping_appended();
        command::append_ping(out, self.intervals.ttl_ds);
    }

    /// As [`append_ping`](Heartbeat::append_ping), where the PING has another form and is not our business.
    pub fn ping_appended(&mut self) {
        self.ping = Ping::Waits;
    }

    /// What is due. Each PING is asked for once.
    pub fn poll(&mut self, now_ms: u64, state: &SendState) -> Action {
        match self.look(now_ms, state) {
            Wait::Runs if self.timeout.is_over(now_ms) => return Action::Expired,
            Wait::BeginsAnew if self.timeout.is_running() => {
                self.timeout.start_at_least(now_ms, self.gap_ms.saturating_mul(GAP_FACTOR))
            }
            _ => {}
        }
        if self.hearing == Hearing::Open && self.ttl.is_over(now_ms) {
            return Action::Expired;
        }
        let sign = self.signs.poll(now_ms, self.hearing == Hearing::Suspended, state.control_ends.is_none());
        if self.is_ping_due(now_ms) {
            Action::SendPing
        } else if sign {
            Action::SendPong
        } else {
            Action::None
        }
    }

    /// Whether a PING is to be sent now. Its timeout begins.
    fn is_ping_due(&mut self, now_ms: u64) -> bool {
        if self.next_ping.is_none_or(|at| at > now_ms) {
            return false;
        }
        let silent_at = self.heard_ms.saturating_add(self.intervals.ping_ms);
        if silent_at > now_ms && !self.is_ping_wanted() {
            self.next_ping = Some(silent_at);
            return false;
        }
        self.next_ping = Some(now_ms.saturating_add(self.intervals.ping_ms));
        let of_use = self.is_ping_of_use();
        if (of_use || self.hearing == Hearing::Over) && !self.timeout.is_running() {
            self.timeout.start_at_least(now_ms, self.gap_ms.saturating_mul(GAP_FACTOR));
        }
        of_use && self.ping != Ping::Waits
    }

    /// The stream takes no more. Whether the [`deadline`](Heartbeat::deadline) may have changed by that.
    pub fn on_full(&mut self, now_ms: u64) -> bool {
        if self.next_look.is_some() {
            return false;
        }
        self.moved_ms = now_ms;
        self.look_soon(now_ms);
        self.next_look.is_some()
    }

    fn look_soon(&mut self, now_ms: u64) {
        if self.next_ping.is_some() && self.timeout.period_ms > 0 {
            self.next_look = Some(now_ms.saturating_add((self.timeout.period_ms / LOOKS_PER_TIMEOUT).max(1)));
        }
    }

    /// Takes down how the sending side stands.
    fn look(&mut self, now_ms: u64, state: &SendState) -> Wait {
        if self.ping == Ping::Waits
            && let Some(end) = state.control_ends
        {
            self.ping = Ping::Taken(end);
        }
        let holds_ping = match self.ping {
            Ping::Waits => true,
            Ping::Taken(end) => state.passed_bytes() < end,
        };
        let pressed = state.was_full || holds_ping;
        let moved = state.has_moved(&self.last);
        // Of the time before it was watched nothing is known.
        let watched = self.next_look.take().is_some();
        if moved || !pressed {
            let gap_ms = if watched { now_ms.saturating_sub(self.moved_ms) } else { 0 };
            self.gap_ms = if pressed { self.gap_ms.max(gap_ms) } else { 0 };
            self.moved_ms = now_ms;
        }
        if pressed {
            self.look_soon(now_ms);
        }
        self.last = *state;
        if state.no_memory { Wait::BeginsAnew } else { wait(self.hearing, pressed, moved) }
    }

    /// Whether a PING has a use. Where the answer is not read, only a peer that waits for signs of life does.
    fn is_ping_of_use(&self) -> bool {
        self.hearing == Hearing::Open || self.is_ping_wanted()
    }

    /// Whether the peer waits for signs of life. One that does not is not sent any while it speaks: the system of a peer that has
    /// said all and gone answers them by taking back what it had not passed on yet.
    fn is_ping_wanted(&self) -> bool {
        self.signs.is_watched() || self.intervals.ttl_ds > 0
    }

    /// Whether PINGs are sent at all.
    pub fn sends_pings(&self) -> bool {
        self.intervals.ping_ms > 0
    }

    /// Whether the peer sends something by itself: PING, or PONG to a PING of ours.
    pub fn makes_peer_speak(&self) -> bool {
        self.signs.is_watched() || self.intervals.ping_ms > 0
    }

    /// When [`poll`](Heartbeat::poll) next has something to say; `None` for never.
    pub fn deadline(&self) -> Option<u64> {
        let waiting = match self.hearing {
            Hearing::Open => [self.timeout.ends, self.ttl.ends, self.next_look],
            Hearing::Over => [self.timeout.ends, None, self.next_look],
            Hearing::Suspended => [None; 3],
        };
        let sign = if self.hearing == Hearing::Over { None } else { self.signs.deadline() };
        waiting.into_iter().chain([sign]).flatten().chain(self.next_ping).min()
    }

    /// We stop reading from the peer because our own reader is slow. What it sends lies unseen from here on, so
    /// its silence says nothing. Whether the [`deadline`](Heartbeat::deadline) may have changed by that, for our own silence must not
    /// be taken for an end.
    pub fn suspend(&mut self, now_ms: u64) -> bool {
        if self.hearing == Hearing::Open {
            self.hearing = Hearing::Suspended;
        }
        self.hearing == Hearing::Suspended && self.signs.on_unread(now_ms)
    }

    /// We read from the peer again: what was waited for has its full time once more.
    pub fn resume(&mut self, now_ms: u64) {
        if self.hearing == Hearing::Suspended {
            self.hearing = Hearing::Open;
            for timer in [&mut self.timeout, &mut self.ttl] {
                if timer.is_running() {
                    timer.start(now_ms);
                }
            }
        }
    }

    /// Nothing is read from the peer any more: what is left to send tells alone whether it lives.
    pub fn stop_hearing(&mut self) {
        self.hearing = Hearing::Over;
    }
}

impl From<&SocketOptions> for Intervals {
    fn from(options: &SocketOptions) -> Intervals {
        let ping_ms = u64::try_from(options.heartbeat_ivl_ms).unwrap_or(0);
        let timeout_ms = u64::try_from(options.heartbeat_timeout_ms).unwrap_or(ping_ms);
        let ttl_ds = u16::try_from(options.heartbeat_ttl_ms.max(0) / 100).unwrap_or(u16::MAX);
        Intervals { ping_ms, timeout_ms, ttl_ds }
    }
}

/// Runs for the same time whenever it is started.
#[derive(Debug)]
struct Timer {
    /// 0 never runs.
    period_ms: u64,
    ends: Option<u64>,
}

impl Timer {
    fn new(period_ms: u64) -> Timer {
        Timer { period_ms, ends: None }
    }

    fn start(&mut self, now_ms: u64) {
        self.ends = (self.period_ms > 0).then(|| now_ms.saturating_add(self.period_ms));
    }

    /// As [`start`](Timer::start), for `least_ms` if that is longer.
    fn start_at_least(&mut self, now_ms: u64, least_ms: u64) {
        self.ends = (self.period_ms > 0).then(|| now_ms.saturating_add(self.period_ms.max(least_ms)));
    }

    fn stop(&mut self) {
        self.ends = None;
    }

    fn is_running(&self) -> bool {
        self.ends.is_some()
    }

    fn is_over(&self, now_ms: u64) -> bool {
        self.ends.is_some_and(|ends| ends <= now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// There is room for all that is to be sent, and the peer takes it at once.
    const ROOM: SendState = SendState {
        taken_bytes: 0,
        held_bytes: 0,
        was_full: false,
        is_full: false,
        no_memory: false,
        control_ends: Some(0),
    };

    fn heartbeat(ping_ms: u64, timeout_ms: u64) -> Heartbeat {
        Heartbeat::start(Intervals { ping_ms, timeout_ms, ttl_ds: 12 }, 1000)
    }

    /// Pings when asked to, until `until`; the times of the PINGs and the time of expiry.
    fn run(heartbeat: &mut Heartbeat, until: u64) -> (Vec<u64>, Option<u64>) {
        run_with(heartbeat, until, |_| ROOM)
    }

    /// As [`run`], with a stream that stands so at each time.
    fn run_with(
        heartbeat: &mut Heartbeat,
        until: u64,
        mut state: impl FnMut(u64) -> SendState,
    ) -> (Vec<u64>, Option<u64>) {
        let mut pings = Vec::new();
        while let Some(now) = heartbeat.deadline().filter(|at| *at <= until) {
            match heartbeat.poll(now, &state(now)) {
                Action::SendPing => {
                    heartbeat.append_ping(&mut Vec::new());
                    pings.push(now);
                }
                Action::Expired => return (pings, Some(now)),
                Action::None | Action::SendPong => {}
            }
        }
        (pings, None)
    }

    #[test]
    fn pings_come_at_the_interval_despite_received_bytes() {
        let mut heartbeat = heartbeat(50, 1000);
        assert_eq!(heartbeat.poll(1049, &ROOM), Action::None);
        heartbeat.on_received();
        assert_eq!(run(&mut heartbeat, 1200), (vec![1050, 1100, 1150, 1200], None));
    }

    #[test]
    fn silence_expires_counted_from_the_first_unanswered_ping() {
        let mut heartbeat = heartbeat(50, 120);
        assert_eq!(run(&mut heartbeat, 2000), (vec![1050, 1100, 1150], Some(1170)));
    }

    #[test]
    fn anything_received_ends_the_wait_until_the_next_ping() {
        let mut heartbeat = heartbeat(50, 70);
        assert_eq!(run(&mut heartbeat, 1119), (vec![1050, 1100], None));
        heartbeat.on_received();
        assert_eq!(run(&mut heartbeat, 2000), (vec![1150, 1200], Some(1220)));
    }

    #[test]
    fn without_a_timeout_nothing_expires_and_without_an_interval_nothing_is_sent() {
        assert_eq!(run(&mut heartbeat(100, 0), 1500).1, None);
        let silent = heartbeat(0, 100);
        assert_eq!(silent.deadline(), None);
    }

    /// All that `wait` can be asked.
    #[test]
    fn the_table_is_as_its_rows_say() {
        let all = |hearing| {
            [(false, false), (false, true), (true, false), (true, true)].map(|(p, m)| wait(hearing, p, m))
        };
        use Wait::{BeginsAnew, Runs, StandsStill};
        assert_eq!(all(Hearing::Open), [Runs, Runs, Runs, BeginsAnew]);
        assert_eq!(all(Hearing::Suspended), [StandsStill; 4]);
        assert_eq!(all(Hearing::Over), [BeginsAnew, BeginsAnew, Runs, BeginsAnew]);
    }

    const FULL: SendState = SendState {
        taken_bytes: 900_000_000,
        held_bytes: 500_000,
        was_full: true,
        is_full: true,
        no_memory: false,
        control_ends: None,
    };

    #[test]
    fn a_peer_behind_a_full_stream_is_dead_when_nothing_moves_for_the_timeout() {
        let mut dead = heartbeat(50, 120);
        // One PING is enough: the first has not left.
        assert_eq!(run_with(&mut dead, 2000, |_| FULL), (vec![1050], Some(1170)));
        // The peer is fast, and stops at 1400.
        let mut dying = heartbeat(50, 120);
        let moving = |now: u64| SendState { taken_bytes: FULL.taken_bytes + 50_000 * now.min(1400), ..FULL };
        assert_eq!(run_with(&mut dying, 3000, moving), (vec![1050], Some(1520)));
        let mut longer_than_the_interval = heartbeat(500, 120);
        assert_eq!(run_with(&mut longer_than_the_interval, 9000, |_| FULL).1, Some(1620));
    }

    #[test]
    fn silent_peer_that_takes_a_byte_now_and_then_lives() {
        let by_taking = |now: u64| SendState { taken_bytes: FULL.taken_bytes + now / 100, ..FULL };
        let by_passing = |now: u64| SendState { held_bytes: FULL.held_bytes - now / 100, ..FULL };
        // Full now and then: what was sent before is still on its way.
        let in_bursts = |now: u64| SendState { is_full: false, ..by_passing(now) };
        // The PING has been taken, and is the last of what is on its way.
        let queued = |now: u64| SendState {
            was_full: false,
            is_full: false,
            control_ends: Some(FULL.taken_bytes),
            ..by_passing(now)
        };
        let streams: [&dyn Fn(u64) -> SendState; 4] = [&by_taking, &by_passing, &in_bursts, &queued];
        for (number, stream) in streams.into_iter().enumerate() {
            let mut slow = heartbeat(50, 120);
            assert_eq!(run_with(&mut slow, 20_000, stream).1, None, "{number}");
        }
    }

    #[test]
    fn a_peer_that_moves_by_the_step_may_take_three_times_as_long_for_the_next() {
        let stepwise = |step_ms: u64| move |now: u64| SendState { taken_bytes: now / step_ms * 9000, ..FULL };
        let expires = |ping_ms, step_ms, stops| {
            let mut heartbeat = heartbeat(ping_ms, 120);
            assert!(heartbeat.on_full(1000) && !heartbeat.on_full(1001));
            run_with(&mut heartbeat, 30_000, |now| stepwise(step_ms)(now.min(stops))).1
        };
        assert_eq!(expires(400, 110, u64::MAX), None);
        assert_eq!(expires(400, 300, u64::MAX), None, "no byte for longer than the timeout, and then one");
        // It was found to have moved 100 ms after 300, and before that after as long.
        assert!(expires(400, 300, 10_200).is_some_and(|at| (11_100..=11_220).contains(&at)));
        // One that has never stood still.
        assert!(expires(400, 1, 10_000).is_some_and(|at| (10_120..=10_140).contains(&at)));
        // It has stopped before the first PING was due.
        assert_eq!(expires(400, 1, 1100), Some(1520));
        // Where there is room nothing is left of that.
        let mut roomy = heartbeat(400, 120);
        assert!(roomy.on_full(1000));
        assert_eq!(run_with(&mut roomy, 20_000, stepwise(300)).1, None);
        roomy.on_received();
        let end = run(&mut roomy, 90_000).1.unwrap_or_default();
        assert!((20_120..=20_520).contains(&end), "{end}");
    }

    #[test]
    fn silent_peer_without_backlog_gets_no_longer_timeout() {
        // It has the PING, and there is always room: that it takes more is its system's doing.
        let mut stopped = heartbeat(50, 120);
        let roomy =
            |now: u64| SendState { taken_bytes: now, held_bytes: 3, control_ends: Some(1010), ..ROOM };
        assert_eq!(run_with(&mut stopped, 3000, roomy).1, Some(1170));
        // The network takes nothing, and the stream has room for more all the time.
        let mut cut_off = heartbeat(50, 120);
        let filling =
            |now: u64| SendState { taken_bytes: now, held_bytes: now - 900, control_ends: None, ..ROOM };
        assert_eq!(run_with(&mut cut_off, 3000, filling).1, Some(1170));
    }

    #[test]
    fn peer_speaks_by_itself_where_either_side_keeps_watch() {
        let none = Intervals { ping_ms: 0, timeout_ms: 0, ttl_ds: 0 };
        let mut heartbeat = Heartbeat::start(none, 1000);
        assert!(!heartbeat.makes_peer_speak());
        heartbeat.on_ping(1000, 0, b"", &mut Vec::new());
        assert!(heartbeat.makes_peer_speak());
        assert!(Heartbeat::start(Intervals { ping_ms: 9, ..none }, 1000).makes_peer_speak());
    }

    #[test]
    fn a_ping_is_answered_and_its_ttl_kept() {
        let mut heartbeat = heartbeat(0, 0);
        let mut out = Vec::new();
        heartbeat.on_ping(1000, 1, b"LOL", &mut out);
        assert_eq!(out, b"\x04\x08\x04PONGLOL");
        assert_eq!(heartbeat.deadline(), Some(1100));
        heartbeat.on_ping(1050, 1, b"", &mut out);
        assert_eq!(heartbeat.poll(1149, &ROOM), Action::None);
        assert_eq!(heartbeat.poll(1150, &ROOM), Action::Expired);
    }

    #[test]
    fn anything_received_ends_the_ttl_and_so_does_a_ping_without_one() {
        let mut heartbeat = heartbeat(0, 0);
        heartbeat.on_ping(1000, 1, b"", &mut Vec::new());
        heartbeat.on_received();
        assert_eq!(heartbeat.deadline(), None);
        heartbeat.on_ping(1000, 1, b"", &mut Vec::new());
        heartbeat.on_ping(1001, 0, b"", &mut Vec::new());
        assert_eq!(heartbeat.deadline(), None);
    }

    #[test]
    fn the_longest_ttl_is_not_cut() {
        let mut heartbeat = heartbeat(0, 0);
        heartbeat.on_ping(0, u16::MAX, b"", &mut Vec::new());
        assert_eq!(heartbeat.deadline(), Some(6_553_500));
    }

    #[test]
    fn a_ping_carries_our_ttl() {
        let mut out = Vec::new();
        heartbeat(50, 0).append_ping(&mut out);
        assert_eq!(out, b"\x04\x07\x04PING\0\x0c");
    }

    #[test]
    fn nothing_expires_while_we_do_not_read() {
        let mut heartbeat = heartbeat(100, 150);
        heartbeat.on_ping(1000, 3, b"", &mut Vec::new());
        assert_eq!(heartbeat.poll(1100, &ROOM), Action::SendPing);
        heartbeat.append_ping(&mut Vec::new());
        heartbeat.suspend(1000);
        let stuck = SendState { was_full: true, is_full: true, ..ROOM };
        assert_eq!(run_with(&mut heartbeat, 2000, |_| stuck).1, None);
        heartbeat.resume(2000);
        assert_eq!(run(&mut heartbeat, 3000).1, Some(2150));
    }

    #[test]
    fn ping_without_use_is_not_sent() {
        for (ttl_ds, pings) in [(0, vec![1400, 1500]), (3, vec![1100, 1200, 1300, 1400, 1500])] {
            let mut heartbeat = Heartbeat::start(Intervals { ping_ms: 100, timeout_ms: 1000, ttl_ds }, 1000);
            heartbeat.suspend(1000);
            let (mut sent, expired) = run(&mut heartbeat, 1350);
            assert_eq!(expired, None);
            heartbeat.resume(1350);
            sent.extend(run(&mut heartbeat, 1500).0);
            assert_eq!(sent, pings, "a TTL is a promise");
        }
        let mut watched = Heartbeat::start(Intervals { ping_ms: 100, timeout_ms: 0, ttl_ds: 0 }, 1000);
        watched.on_ping(1000, 0, b"", &mut Vec::new());
        watched.suspend(1000);
        assert_eq!(run(&mut watched, 1200), (vec![1100, 1200], None), "the peer waits for signs of life");
        // Nor does its time begin.
        let mut heartbeat = Heartbeat::start(Intervals { ping_ms: 1000, timeout_ms: 100, ttl_ds: 0 }, 1000);
        heartbeat.suspend(1000);
        assert_eq!(run(&mut heartbeat, 2050), (vec![], None));
        heartbeat.resume(2060);
        assert_eq!(run(&mut heartbeat, 5000), (vec![3000], Some(3100)));
    }

    /// A sender and a receiver whose program reads slowly: after the first PING nothing is read, for want of credit, but for a moment
    /// each second. The sender's stream is full and moves each 2.9 s, as a tcp peer's system opens its window. When the sender gives
    /// the receiver up, within a minute.
    fn slow_reader_is_given_up_at(sender: Intervals, receiver: Intervals, first_ping: bool) -> Option<u64> {
        let mut sender = Heartbeat::start(sender, 0);
        let mut receiver = Heartbeat::start(receiver, 0);
        let mut frames = Vec::new();
        if first_ping {
            sender.append_ping(&mut frames);
            receiver.on_ping(1, sender.intervals.ttl_ds, b"", &mut frames);
            sender.on_bytes(2);
        }
        sender.on_full(3);
        receiver.suspend(3);
        let stepwise = |now: u64| SendState { taken_bytes: 2_000_000 + now / 2900, ..FULL };
        for now in 3..60_000 {
            if now % 1000 == 0 {
                receiver.resume(now);
                receiver.on_bytes(now);
            } else if now % 1000 == 1 {
                receiver.suspend(now);
            }
            if receiver.deadline().is_some_and(|at| at <= now) {
                let said = receiver.poll(now, &ROOM);
                assert_ne!(said, Action::Expired);
                if said != Action::None {
                    sender.on_bytes(now);
                }
            }
            if sender.deadline().is_some_and(|at| at <= now) {
                match sender.poll(now, &stepwise(now)) {
                    // It waits for the end of a message, behind the full stream.
                    Action::SendPing => sender.append_ping(&mut frames),
                    Action::Expired => return Some(now),
                    Action::SendPong | Action::None => {}
                }
            }
        }
        None
    }

    #[test]
    fn slow_reader_that_knows_that_it_is_watched_is_not_given_up() {
        let none = Intervals { ping_ms: 0, timeout_ms: 0, ttl_ds: 0 };
        let often = |ttl_ds| Intervals { ping_ms: 300, timeout_ms: 300, ttl_ds };
        let watcher = |ttl_ds| Intervals { ping_ms: 500, timeout_ms: 1000, ttl_ds };
        for sender in [often(0), often(3), watcher(0), watcher(10), watcher(600)] {
            for receiver in [none, often(0), watcher(0), watcher(10)] {
                assert_eq!(
                    slow_reader_is_given_up_at(sender, receiver, true),
                    None,
                    "{sender:?} {receiver:?}"
                );
            }
            // It cannot know.
            assert!(
                slow_reader_is_given_up_at(sender, none, false).is_some_and(|at| at < 5000),
                "{sender:?}"
            );
        }
    }

    #[test]
    fn unread_peer_is_judged_by_the_stream_alone() {
        let mut silent = heartbeat(50, 120);
        silent.stop_hearing();
        assert_eq!(run(&mut silent, 9000).1, None, "its answers would not be heard");
        let mut slow = heartbeat(50, 120);
        slow.stop_hearing();
        let slowly = |now: u64| SendState { taken_bytes: FULL.taken_bytes + now / 100, ..FULL };
        assert_eq!(run_with(&mut slow, 9000, slowly).1, None);
        let mut dead = heartbeat(50, 120);
        dead.stop_hearing();
        dead.suspend(1000);
        assert_eq!(run_with(&mut dead, 9000, |_| FULL).1, Some(1170));
    }

    #[test]
    fn a_peer_that_speaks_is_asked_once_it_is_silent_for_the_interval() {
        let mut heartbeat = Heartbeat::start(Intervals { ping_ms: 50, timeout_ms: 120, ttl_ds: 0 }, 1000);
        heartbeat.on_bytes(1030);
        assert_eq!(run(&mut heartbeat, 1079), (vec![], None));
        heartbeat.on_bytes(1079);
        assert_eq!(
            run(&mut heartbeat, 9000),
            (vec![1129, 1179, 1229], Some(1249)),
            "within interval and timeout"
        );
        let mut watched = Heartbeat::start(Intervals { ping_ms: 50, timeout_ms: 120, ttl_ds: 0 }, 1000);
        watched.on_ping(1030, 0, b"", &mut Vec::new());
        watched.on_bytes(1040);
        assert_eq!(run(&mut watched, 1150), (vec![1050, 1100, 1150], None), "it waits for signs of life");
    }

    #[test]
    fn the_end_of_time_is_no_overflow() {
        let mut heartbeat = Heartbeat::start(Intervals { ping_ms: 9, timeout_ms: 9, ttl_ds: 9 }, u64::MAX);
        assert_eq!(heartbeat.poll(u64::MAX, &ROOM), Action::SendPing);
        heartbeat.append_ping(&mut Vec::new());
        heartbeat.on_ping(u64::MAX, 9, b"", &mut Vec::new());
        assert_eq!(heartbeat.deadline(), Some(u64::MAX));
    }
}
