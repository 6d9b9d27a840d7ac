//! Heartbeats (RFC 37): PING at an interval, and giving up a peer that stays silent.
//!
//! Three times are kept. *Next PING* comes round at the interval, whatever else is sent. *Timeout* begins with a
//! PING and ends with any frame of the peer, not just PONG. *TTL* is the peer's own wish: it begins with its
//! PING and ends with its next frame; the next PING begins it anew.
use super::command;
use crate::options::SocketOptions;

/// All times are milliseconds of one clock that never goes back.
#[derive(Debug)]
pub struct Heartbeat {
    intervals: Intervals,
    next_ping: Option<u64>,
    timeout: Timer,
    ttl: Timer,
    suspended: bool,
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
    /// A PING is due: call [`Heartbeat::append_ping`] as soon as there is room for its nine bytes. Should
    /// another fall due before that, one is enough for both.
    SendPing,
    /// The peer is gone. libzmq closes as on a timeout: no event but `ZMQ_EVENT_DISCONNECTED`, then reconnect.
    Expired,
}

impl Heartbeat {
    /// Begins at the end of the handshake, with peers whose version has commands; also where no interval is
    /// set, as the peer may send PING all the same.
    pub fn start(intervals: Intervals, now_ms: u64) -> Heartbeat {
        let next_ping = (intervals.ping_ms > 0).then(|| now_ms.saturating_add(intervals.ping_ms));
        let timeout = Timer::new(intervals.timeout_ms);
        Heartbeat { intervals, next_ping, timeout, ttl: Timer::new(0), suspended: false }
    }

    /// The peer sent at least one whole frame. Call it before the commands among them are handled.
    #[inline]
    pub fn on_received(&mut self) {
        self.timeout.stop();
        self.ttl.stop();
    }

    /// The peer sent PING: appends the PONG frame. A TTL longer than 6553 ms works, unlike with libzmq, which cuts
    /// the product to 16 bits.
    pub fn on_ping(&mut self, now_ms: u64, ttl_ds: u16, context: &[u8], out: &mut Vec<u8>) {
        self.on_received();
        self.ttl = Timer::new(u64::from(ttl_ds) * 100);
        self.ttl.start(now_ms);
        command::append_pong(out, context);
    }

    /// Appends the PING frame that [`poll`](Heartbeat::poll) asked for, and starts to wait for an answer.
    pub fn append_ping(&mut self, now_ms: u64, out: &mut Vec<u8>) {
        self.ping_sent(now_ms);
        command::append_ping(out, self.intervals.ttl_ds);
    }

    /// As [`append_ping`](Heartbeat::append_ping), where the PING has another form and is not our business.
    pub fn ping_sent(&mut self, now_ms: u64) {
        if !self.timeout.is_running() {
            self.timeout.start(now_ms);
        }
    }

    /// What is due. Each PING is asked for once.
    pub fn poll(&mut self, now_ms: u64) -> Action {
        if !self.suspended && (self.timeout.is_over(now_ms) || self.ttl.is_over(now_ms)) {
            return Action::Expired;
        }
        match self.next_ping {
            Some(at) if at <= now_ms => {
                self.next_ping = Some(now_ms.saturating_add(self.intervals.ping_ms));
                Action::SendPing
            }
            _ => Action::None,
        }
    }

    /// When [`poll`](Heartbeat::poll) next has something to say; `None` for never.
    pub fn deadline(&self) -> Option<u64> {
        let waiting = if self.suspended { [None; 2] } else { [self.timeout.ends, self.ttl.ends] };
        waiting.into_iter().flatten().chain(self.next_ping).min()
    }

    /// We stop reading from the peer because our own reader is slow. What it sends lies unseen from here on, so
    /// its silence says nothing.
    pub fn suspend(&mut self) {
        self.suspended = true;
    }

    /// We read from the peer again: what was waited for has its full time once more.
    pub fn resume(&mut self, now_ms: u64) {
        if std::mem::take(&mut self.suspended) {
            for timer in [&mut self.timeout, &mut self.ttl] {
                if timer.is_running() {
                    timer.start(now_ms);
                }
            }
        }
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

    fn heartbeat(ping_ms: u64, timeout_ms: u64) -> Heartbeat {
        Heartbeat::start(Intervals { ping_ms, timeout_ms, ttl_ds: 12 }, 1000)
    }

    /// Pings when asked to, until `until`; the times of the PINGs and the time of expiry.
    fn run(heartbeat: &mut Heartbeat, until: u64) -> (Vec<u64>, Option<u64>) {
        let mut pings = Vec::new();
        while let Some(now) = heartbeat.deadline().filter(|at| *at <= until) {
            match heartbeat.poll(now) {
                Action::SendPing => {
                    heartbeat.append_ping(now, &mut Vec::new());
                    pings.push(now);
                }
                Action::Expired => return (pings, Some(now)),
                Action::None => unreachable!("a deadline with nothing due"),
            }
        }
        (pings, None)
    }

    #[test]
    fn pings_come_at_the_interval_whatever_is_received() {
        let mut heartbeat = heartbeat(50, 1000);
        assert_eq!(heartbeat.poll(1049), Action::None);
        heartbeat.on_received();
        assert_eq!(run(&mut heartbeat, 1200), (vec![1050, 1100, 1150, 1200], None));
    }

    #[test]
    fn silence_expires_counted_from_the_first_unanswered_ping() {
        let mut heartbeat = heartbeat(50, 120);
        assert_eq!(run(&mut heartbeat, 2000), (vec![1050, 1100, 1150], Some(1170)));
    }

    #[test]
    fn any_frame_ends_the_wait_until_the_next_ping() {
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

    #[test]
    fn the_wait_begins_when_the_ping_is_written_not_when_it_is_due() {
        let mut heartbeat = heartbeat(50, 70);
        assert_eq!(heartbeat.poll(1050), Action::SendPing);
        assert_eq!(heartbeat.poll(1050), Action::None);
        assert_eq!(heartbeat.deadline(), Some(1100));
        heartbeat.append_ping(1090, &mut Vec::new());
        assert_eq!(heartbeat.poll(1100), Action::SendPing);
        assert_eq!(heartbeat.poll(1159), Action::SendPing);
        assert_eq!(heartbeat.poll(1160), Action::Expired);
    }

    #[test]
    fn a_ping_is_answered_and_its_ttl_kept() {
        let mut heartbeat = heartbeat(0, 0);
        let mut out = Vec::new();
        heartbeat.on_ping(1000, 1, b"LOL", &mut out);
        assert_eq!(out, b"\x04\x08\x04PONGLOL");
        assert_eq!(heartbeat.deadline(), Some(1100));
        heartbeat.on_ping(1050, 1, b"", &mut out);
        assert_eq!(heartbeat.poll(1149), Action::None);
        assert_eq!(heartbeat.poll(1150), Action::Expired);
    }

    #[test]
    fn any_frame_ends_the_ttl_and_so_does_a_ping_without_one() {
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
        heartbeat(50, 0).append_ping(0, &mut out);
        assert_eq!(out, b"\x04\x07\x04PING\0\x0c");
    }

    #[test]
    fn nothing_expires_while_we_do_not_read() {
        let mut heartbeat = heartbeat(100, 150);
        heartbeat.on_ping(1000, 3, b"", &mut Vec::new());
        heartbeat.poll(1100);
        heartbeat.append_ping(1100, &mut Vec::new());
        heartbeat.suspend();
        assert_eq!(run(&mut heartbeat, 2000).1, None);
        heartbeat.resume(2000);
        assert_eq!(run(&mut heartbeat, 3000).1, Some(2150));
    }

    #[test]
    fn the_end_of_time_is_no_overflow() {
        let mut heartbeat = Heartbeat::start(Intervals { ping_ms: 9, timeout_ms: 9, ttl_ds: 9 }, u64::MAX);
        heartbeat.on_ping(u64::MAX, 9, b"", &mut Vec::new());
        heartbeat.append_ping(u64::MAX, &mut Vec::new());
        assert_eq!(heartbeat.deadline(), Some(u64::MAX));
    }
}
