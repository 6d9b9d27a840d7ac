//! Signs of life of a side that does not read.
//!
//! While the program reads slowly, the stream is not read for want of credit. The peer's PINGs lie behind its messages then, and
//! are answered too late for it. A peer that asks for signs hears an unasked PONG instead, which RFC 37 allows: any traffic counts.
//!
//! A sender asks in the context of its first PING, which goes before its messages. A peer echoes that context, and need know nothing
//! of it. Asking is a promise as well: the sender closes its stream once its system has passed everything on. The system of one that
//! does not would answer a sign by taking back what it still holds. So a peer that has not asked hears none.
//!
//! | the stream was unread since the last look | control frames wait to be sent | what is due |
//! |---|---|---|
//! | no | either way | no more signs |
//! | yes | yes | another look |
//! | yes | no | a sign, and another look |

/// Begins the context of a PING that asks for signs. How many milliseconds of silence the sender bears follow, as four bytes in
/// network order.
const REQUEST: [u8; 4] = *b"LIFE";
/// Signs within the silence that the peer bears.
const SIGNS_PER_SILENCE: u64 = 3;
/// The shortest interval: a peer may ask for any.
const MIN_INTERVAL_MS: u64 = 20;

/// All times are milliseconds of one clock that never goes back.
#[derive(Debug, Default)]
pub struct Signs {
    /// `None`: the peer has not asked for any.
    interval_ms: Option<u64>,
    /// When to look next; `None`: the stream is read.
    due_ms: Option<u64>,
    /// It was not, at some time since the last look.
    was_unread: bool,
}

/// The context that asks for signs.
pub fn request(silence_ms: u64) -> [u8; 8] {
    let [a, b, c, d] = u32::try_from(silence_ms).unwrap_or(u32::MAX).to_be_bytes();
    let [l, i, f, e] = REQUEST;
    [l, i, f, e, a, b, c, d]
}

impl Signs {
    /// The peer has sent PING with this context, which may ask for signs.
    pub fn on_context(&mut self, context: &[u8]) {
        if let Some((&REQUEST, silence_ms)) = context.split_first_chunk()
            && let Ok(silence_ms) = silence_ms.try_into()
        {
            let interval_ms = u64::from(u32::from_be_bytes(silence_ms)) / SIGNS_PER_SILENCE;
            self.interval_ms = Some(interval_ms.max(MIN_INTERVAL_MS));
        }
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

    fn asked(silence_ms: u64) -> Signs {
        let mut signs = Signs::default();
        signs.on_context(&request(silence_ms));
        signs
    }

    #[test]
    fn peer_that_has_not_asked_gets_none() {
        for context in [&b""[..], b"LIFE", b"LIFE\0\0\0", b"LIFE\0\0\0\x01\0", b"life\0\0\x01\0"] {
            let mut signs = Signs::default();
            signs.on_context(context);
            assert!(!signs.on_unread(1000), "{context:?}");
            assert_eq!(signs.deadline(), None);
            assert!(!signs.poll(9000, true, false));
        }
    }

    #[test]
    fn interval_is_a_third_of_the_silence_that_the_peer_bears() {
        for (silence_ms, interval_ms) in [(300, 100), (30_000, 10_000), (0, 20), (u64::MAX, 1_431_655_765)] {
            let mut signs = asked(silence_ms);
            assert!(signs.on_unread(1000) && !signs.on_unread(1001), "it looks already");
            assert_eq!(signs.deadline(), Some(1000 + interval_ms), "{silence_ms}");
        }
    }

    #[test]
    fn signs_go_on_while_the_stream_is_unread() {
        let mut signs = asked(600);
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
