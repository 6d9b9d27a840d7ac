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
//! A side that is slow itself, and does not read for want of credit, says by `zmtp::signs_of_life` that it lives.
use super::command;
use super::signs_of_life::{self, Signs};
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
    /// The peer has sent PING: it keeps watch itself.
    is_watched: bool,
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
            is_watched: false,
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
        self.on_context(context);
        self.ttl = Timer::new(u64::from(ttl_ds) * 100);
        self.ttl.start(now_ms);
        command::append_pong(out, context);
    }

    /// The peer sent a PING with this context. Of another form than RFC 37's it is answered elsewhere.
    pub fn on_context(&mut self, context: &[u8]) {
        self.is_watched = true;
        self.signs.on_context(context);
    }

    /// The context of the first PING. It asks for signs of life, if their absence matters.
    pub fn first_context(&self) -> Vec<u8> {
        match self.timeout.period_ms {
            0 => Vec::new(),
            timeout_ms => signs_of_life::request(timeout_ms).to_vec(),
        }
    }

    /// Appends a PING frame: the one that [`poll`](Heartbeat::poll) asked for, without a context, or the first one.
    pub fn append_ping(&mut self, context: &[u8], out: &mut Vec<u8>) {
        self.ping_appended();
        command::append_ping(out, self.intervals.ttl_ds, context);
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
        self.is_watched || self.intervals.ttl_ds > 0
    }

    /// Whether PINGs are sent at all.
    pub fn sends_pings(&self) -> bool {
        self.intervals.ping_ms > 0
    }

    /// Whether the peer sends something by itself: PING, or PONG to a PING of ours.
    pub fn makes_peer_speak(&self) -> bool {
        self.is_watched || self.intervals.ping_ms > 0
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

    /// Whether the peer is given up unless it sends something.
    pub fn waits_for_peer(&self) -> bool {
        self.timeout.is_running() || self.ttl.is_running()
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
mod tests;
