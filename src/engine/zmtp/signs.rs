//! Signs of life of a side that does not read.
//!
//! While the program reads slowly, the stream is not read for want of credit. The peer's PINGs lie behind its messages then, and
//! are answered too late for it. A peer that keeps watch hears an unasked PONG instead, which RFC 37 allows: any traffic counts.
//! To a peer that has not sent PING none is sent. It may have said all and gone, and its system would answer by taking back what
//! it has not passed on yet.
//!
//! | the stream was unread since the last look | control frames wait to be sent | what is due |
//! |---|---|---|
//! | no | either way | no more signs |
//! | yes | yes | another look |
//! | yes | no | a sign, and another look |

/// The interval of the signs: it suits a peer with a timeout from about 250 ms on. The peer does not say how long its timeout is.
const MAX_INTERVAL_MS: u64 = 200;
/// Signs within the peer's TTL, which tells something of how soon it gives up.
const SIGNS_PER_TTL: u64 = 3;

/// All times are milliseconds of one clock that never goes back.
#[derive(Debug, Default)]
pub struct Signs {
    /// `None`: the peer does not keep watch.
    interval_ms: Option<u64>,
    /// When to look next; `None`: the stream is read.
    due_ms: Option<u64>,
    /// It was not, at some time since the last look.
    was_unread: bool,
}

impl Signs {
    /// The peer has sent PING, with this TTL in milliseconds; 0: with none.
    pub fn be_watched(&mut self, ttl_ms: u64) {
        let wish = if ttl_ms > 0 { ttl_ms / SIGNS_PER_TTL } else { MAX_INTERVAL_MS };
        self.interval_ms = Some(wish.clamp(1, MAX_INTERVAL_MS));
    }

    /// Whether the peer keeps watch.
    pub fn is_watched(&self) -> bool {
        self.interval_ms.is_some()
    }

    /// The stream is not read from here on. Whether the [`deadline`](Signs::deadline) has changed by that.
    pub fn on_unread(&mut self, now_ms: u64) -> bool {
        let Some(interval_ms) = self.interval_ms else { return false };
        self.was_unread = true;
        if self.due_ms.is_some() {
            return false;
        }
        self.due_ms = Some(now_ms.saturating_add(interval_ms));
        true
    }

    /// Whether a sign is to be sent now. `is_unread`: the stream is not read for now. `control_waits`: so do control frames, each of
    /// which will be a sign as well.
    pub fn poll(&mut self, now_ms: u64, is_unread: bool, control_waits: bool) -> bool {
        let (Some(interval_ms), Some(due_ms)) = (self.interval_ms, self.due_ms) else { return false };
        if due_ms > now_ms {
            return false;
        }
        let was_unread = std::mem::replace(&mut self.was_unread, is_unread) || is_unread;
        self.due_ms = was_unread.then(|| now_ms.saturating_add(interval_ms));
        was_unread && !control_waits
    }

    /// When [`poll`](Signs::poll) next has something to say; `None` for never.
    pub fn deadline(&self) -> Option<u64> {
        self.due_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(ttl_ms: u64) -> Signs {
        let mut signs = Signs::default();
        signs.be_watched(ttl_ms);
        signs
    }

    #[test]
    fn peer_that_keeps_no_watch_gets_none() {
        let mut signs = Signs::default();
        assert!(!signs.on_unread(1000) && !signs.is_watched());
        assert_eq!(signs.deadline(), None);
        assert!(!signs.poll(9000, true, false));
    }

    #[test]
    fn interval_is_a_third_of_the_ttl_at_most() {
        for (ttl_ms, interval_ms) in [(0, 200), (100, 33), (600, 200), (6_553_500, 200), (1, 1)] {
            let mut signs = watched(ttl_ms);
            assert!(signs.on_unread(1000) && !signs.on_unread(1001), "it looks already");
            assert_eq!(signs.deadline(), Some(1000 + interval_ms), "{ttl_ms}");
        }
    }

    #[test]
    fn signs_go_on_while_the_stream_is_unread() {
        let mut signs = watched(0);
        assert!(signs.on_unread(1000));
        assert!(!signs.poll(1199, true, false));
        assert!(signs.poll(1200, true, false));
        assert!(!signs.poll(1400, true, true), "one waits already");
        assert!(signs.poll(1600, true, false));
        assert!(signs.poll(1800, false, false), "it is read for a moment, or for good");
        assert!(!signs.poll(2000, false, false), "it is read");
        assert_eq!(signs.deadline(), None);
        assert!(signs.on_unread(5000));
        assert_eq!(signs.deadline(), Some(5200));
    }
}
