//! Tickets, the client's side: the one that it keeps for its next connection.

use super::ticket::MAX_TICKET_LIFE_S;
use crate::crypto::hkdf::DerivationKey;
use crate::sys::lock::Lock;
use std::fmt;

/// The ticket of an endpoint and its server's key. There is one at most: a connection uses it up, and may bring the next. Any thread
/// may use it.
pub struct KeptTicket {
    /// The longest for which one is kept; none is at 0.
    life_ms: u64,
    state: Lock<State>,
}

#[derive(Default)]
struct State {
    /// When the last connection was made.
    now_ms: u64,
    ticket: Option<Ticket>,
}

/// What a client resumes with.
pub struct Ticket {
    pub bytes: Vec<u8>,
    pub psk: DerivationKey,
    ends_ms: u64,
}

impl KeptTicket {
    /// `life_s`: 0, and none is kept, to [`MAX_TICKET_LIFE_S`]; more counts as that.
    pub fn new(life_s: u32) -> KeptTicket {
        let life_ms = u64::from(life_s.min(MAX_TICKET_LIFE_S)) * 1000;
        KeptTicket { life_ms, state: Lock::default() }
    }

    /// Tells the time, and drops a ticket that has ended; `now_ms` is of any clock that does not go back.
    pub fn note_time(&self, now_ms: u64) {
        let mut state = self.state.lock();
        state.now_ms = state.now_ms.max(now_ms);
        let now_ms = state.now_ms;
        state.ticket = state.ticket.take().filter(|ticket| ticket.ends_ms > now_ms);
    }

    /// Keeps a ticket in place of the last one. `life_s`: by READY.
    pub fn keep(&self, bytes: &[u8], psk: DerivationKey, life_s: u32) {
        let mut state = self.state.lock();
        let life_ms = (u64::from(life_s) * 1000).min(self.life_ms);
        if bytes.is_empty() || life_ms == 0 {
            return;
        }
        let ends_ms = state.now_ms.saturating_add(life_ms);
        state.ticket = Some(Ticket { bytes: bytes.to_vec(), psk, ends_ms });
    }

    /// The ticket, which is used up by that.
    pub fn take(&self) -> Option<Ticket> {
        self.state.lock().ticket.take()
    }
}

impl fmt::Debug for KeptTicket {
    /// Nothing of the ticket.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeptTicket({} ms, ..)", self.life_ms)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::crypto::hkdf::HashSuite;

    fn psk() -> DerivationKey {
        DerivationKey::from_bytes(HashSuite::Sha256, &[0xab; 32]).unwrap()
    }

    fn taken(kept: &KeptTicket) -> Option<Vec<u8>> {
        kept.take().map(|ticket| ticket.bytes)
    }

    #[test]
    fn the_newest_ticket_is_kept_and_used_once() {
        let kept = KeptTicket::new(100);
        kept.keep(b"first", psk(), 50);
        kept.keep(b"second", psk(), 50);
        assert_eq!((taken(&kept), taken(&kept)), (Some(b"second".to_vec()), None));
    }

    #[test]
    fn a_ticket_is_kept_to_its_end_and_no_longer_than_this_side_wants() {
        for (told_s, until_ms) in [(1, 1_000), (100, 100_000), (101, 100_000), (u32::MAX, 100_000)] {
            for (more_ms, is_there) in [(until_ms - 1, true), (until_ms, false)] {
                let kept = KeptTicket::new(100);
                kept.note_time(7);
                kept.keep(b"ticket", psk(), told_s);
                kept.note_time(7 + more_ms);
                assert_eq!(taken(&kept).is_some(), is_there, "{told_s} s, {more_ms} ms");
            }
        }
        let day = KeptTicket::new(u32::MAX);
        day.keep(b"ticket", psk(), u32::MAX);
        day.note_time(u64::from(MAX_TICKET_LIFE_S) * 1000);
        assert!(taken(&day).is_none());
    }

    #[test]
    fn what_is_no_ticket_is_not_kept() {
        let kept = KeptTicket::new(100);
        kept.keep(b"good", psk(), 9);
        kept.keep(b"", psk(), 9);
        kept.keep(b"without a life", psk(), 0);
        assert_eq!(taken(&kept), Some(b"good".to_vec()));
        let none = KeptTicket::new(0);
        none.keep(b"good", psk(), 9);
        assert!(taken(&none).is_none());
    }

    #[test]
    fn nothing_secret_is_printed() {
        let kept = KeptTicket::new(100);
        kept.keep(b"ticket", psk(), 9);
        assert_eq!(format!("{kept:?}"), "KeptTicket(100000 ms, ..)");
    }
}
