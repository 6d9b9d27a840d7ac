//! How many records there are of connections that are closed as they come. Strangers cause such connections at any rate.
//!
//! | in a second, of one kind | the audit trail has |
//! |---|---|
//! | the first [`MAX_RECORDS`] | a record of each |
//! | those after them | a `gap` with their number, once the second is over or the listener ends |
//!
//! Law: each connection is in one record, or in the number of one gap, as soon as the gap is due and asked for.

use crate::counters::SocketCounter;
use crate::sys::lock::Lock;
use std::sync::OnceLock;

/// Records of one kind in a window.
pub const MAX_RECORDS: u32 = 8;
/// Time over which records are counted, in milliseconds.
pub const WINDOW_MS: u64 = 1000;

/// Why a connection is closed before its handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Its address is refused for a while.
    Ban,
    /// The security file keeps its address out.
    Network,
    /// A limit of the endpoint is reached.
    Full,
    /// The security file is at fault.
    Fault,
}

impl Kind {
    pub const ALL: [Kind; 4] = [Kind::Ban, Kind::Network, Kind::Full, Kind::Fault];

    /// What the connection is counted as.
    pub fn counter(self) -> SocketCounter {
        match self {
            Kind::Ban => SocketCounter::Bans,
            Kind::Network | Kind::Full | Kind::Fault => SocketCounter::ConnectionsRefused,
        }
    }

    fn index(self) -> usize {
        Kind::ALL.into_iter().take_while(|kind| *kind != self).count()
    }
}

/// The connections of a socket that were turned away. Any I/O thread tells and asks.
#[derive(Default)]
pub struct TurnedAway {
    /// Made for the first: of most sockets there are none.
    windows: OnceLock<Box<Lock<[Window; Kind::ALL.len()]>>>,
}

/// Times are in milliseconds, of any clock that does not go back.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    began_ms: u64,
    records: u32,
    left_out: u64,
}

impl TurnedAway {
    /// Counts a connection. Whether there is to be a record of it.
    pub fn admit(&self, kind: Kind, now_ms: u64) -> bool {
        let windows = &mut *self.windows.get_or_init(Box::default).lock();
        let Some(window) = windows.get_mut(kind.index()) else { return true };
        if window.is_over(now_ms) {
            *window = Window { began_ms: now_ms, records: 0, ..*window };
        }
        let admitted = window.records < MAX_RECORDS;
        if admitted {
            window.records += 1;
        } else {
            window.left_out = window.left_out.saturating_add(1);
        }
        admitted
    }

    /// The kinds of which some were left out in a window that is over, and their numbers, which are forgotten then. `ends`: also of
    /// one that is not over.
    pub fn take_left_out(&self, now_ms: u64, ends: bool) -> impl Iterator<Item = (Kind, u64)> + use<> {
        let mut taken = [0; Kind::ALL.len()];
        if let Some(windows) = self.windows.get() {
            for (window, number) in windows.lock().iter_mut().zip(&mut taken) {
                if ends || window.is_over(now_ms) {
                    *number = std::mem::take(&mut window.left_out);
                }
            }
        }
        Kind::ALL.into_iter().zip(taken).filter(|(_, number)| *number > 0)
    }
}

impl Window {
    fn is_over(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.began_ms) >= WINDOW_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START_MS: u64 = 5_000_000;

    fn admitted(turned_away: &TurnedAway, kind: Kind, now_ms: u64, times: u64) -> u64 {
        (0..times).map(|_| u64::from(turned_away.admit(kind, now_ms))).sum()
    }

    #[test]
    fn the_first_of_a_second_are_recorded_and_the_others_counted() {
        let (turned_away, most) = (TurnedAway::default(), u64::from(MAX_RECORDS));
        assert_eq!(admitted(&turned_away, Kind::Ban, START_MS, 100), most);
        assert_eq!(admitted(&turned_away, Kind::Full, START_MS, 3), 3, "each kind for itself");
        assert_eq!(turned_away.take_left_out(START_MS + WINDOW_MS - 1, false).count(), 0, "not over");
        let left_out = |now_ms, ends| turned_away.take_left_out(now_ms, ends).collect::<Vec<_>>();
        assert_eq!(left_out(START_MS + WINDOW_MS, false), [(Kind::Ban, 100 - most)]);
        assert_eq!(left_out(START_MS + WINDOW_MS, true), [], "told once");
        assert_eq!(admitted(&turned_away, Kind::Ban, START_MS + WINDOW_MS, 9), most);
        assert_eq!(left_out(START_MS + WINDOW_MS, true), [(Kind::Ban, 9 - most)], "the listener ends");
    }

    /// Connections of all kinds at all paces: none is lost from the numbers, and none is in two.
    #[test]
    fn each_is_in_a_record_or_in_a_gap() {
        let mut state = 1u64;
        let mut random = move |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let turned_away = TurnedAway::default();
        let (mut now_ms, mut came, mut recorded, mut left_out) = (START_MS, 0, 0, 0);
        for _ in 0..20_000 {
            now_ms += random(40);
            if let Some(kind) = Kind::ALL.get(random(5) as usize) {
                came += 1;
                recorded += u64::from(turned_away.admit(*kind, now_ms));
            } else {
                left_out += turned_away.take_left_out(now_ms, false).map(|(_, number)| number).sum::<u64>();
            }
        }
        left_out += turned_away.take_left_out(now_ms, true).map(|(_, number)| number).sum::<u64>();
        assert_eq!(came, recorded + left_out);
        let windows = (now_ms - START_MS).div_ceil(WINDOW_MS);
        assert!(left_out > 0 && recorded <= windows * 4 * u64::from(MAX_RECORDS));
    }
}
