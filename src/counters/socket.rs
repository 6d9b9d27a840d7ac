//! The record of a socket.
#![forbid(unsafe_code)]

use super::cells::{Cell, Text, add_shared, value};
use super::rows::{HANDSHAKE_CLASSES_NS, Reason, Row, SocketCounter, Unit};
use crate::queue::shim;
use crate::sys::probes;
use std::mem::offset_of;
use std::sync::atomic::Ordering;

/// A class for each of [`HANDSHAKE_CLASSES_NS`], and one for what is above.
pub const HANDSHAKE_CLASSES: usize = HANDSHAKE_CLASSES_NS.len() + 1;

/// Threads of the program and I/O threads write it, none of them often.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct SocketCells {
    /// 0, or the record's number: see `slot`. Written under the registry's lock.
    pub state: shim::AtomicU64,
    /// The number of the context.
    pub context: Cell,
    counters: [Cell; SocketCounter::COUNT],
    dropped: [Cell; Reason::COUNT],
    handshakes: [Cell; HANDSHAKE_CLASSES],
    /// The time that all handshakes have taken, in nanoseconds.
    handshake_time: Cell,
    /// The name of its type.
    pub socket_type: Text<2>,
    /// Its first endpoints, with a blank between two.
    pub endpoints: Text<24>,
}

impl Default for SocketCells {
    fn default() -> SocketCells {
        let zero = || Cell::new(0);
        SocketCells {
            state: shim::AtomicU64::new(0),
            context: zero(),
            counters: std::array::from_fn(|_| zero()),
            dropped: std::array::from_fn(|_| zero()),
            handshakes: std::array::from_fn(|_| zero()),
            handshake_time: zero(),
            socket_type: Text::default(),
            endpoints: Text::default(),
        }
    }
}

impl SocketCells {
    /// What lies where.
    pub fn rows() -> Vec<Row> {
        let counters = SocketCounter::ALL.iter().map(|counter| counter.description());
        let mut rows = Row::all(counters, "", offset_of!(SocketCells, counters));
        let reasons = Reason::ALL.iter().map(|reason| reason.description());
        rows.extend(Row::all(reasons, "dropped_", offset_of!(SocketCells, dropped)));
        let ends = HANDSHAKE_CLASSES_NS.iter().map(u64::to_string).chain(["+Inf".to_string()]);
        rows.extend(ends.enumerate().map(|(index, end)| {
            let (at, behaviour) = (index * size_of::<Cell>(), format!("bucket {end}"));
            let at = offset_of!(SocketCells, handshakes) + at;
            Row::new(
                "handshake_time",
                at,
                Unit::Nanoseconds,
                &behaviour,
                "Handshakes, by the time that they took.",
            )
        }));
        let (at, help) =
            (offset_of!(SocketCells, handshake_time), "The time that all handshakes have taken.");
        rows.push(Row::new("handshake_time_sum", at, Unit::Nanoseconds, "counter", help));
        let (at, help) = (offset_of!(SocketCells, socket_type), "The name of its type.");
        rows.push(Row::text("type", at, Text::<2>::BYTES, help));
        let (at, help) =
            (offset_of!(SocketCells, endpoints), "Its first endpoints, with a blank between two.");
        rows.push(Row::text("endpoints", at, Text::<24>::BYTES, help));
        rows
    }

    /// Adds to a counter. Any thread may.
    #[inline]
    pub fn add(&self, counter: SocketCounter, count: u64) {
        if let Some(cell) = self.counters.get(counter as usize) {
            add_shared(cell, count);
        }
    }

    /// Takes from a gauge. Any thread may.
    #[inline]
    pub fn subtract(&self, gauge: SocketCounter, count: u64) {
        self.add(gauge, count.wrapping_neg());
    }

    /// Messages were dropped. Any thread may say so.
    #[inline(always)]
    pub fn dropped(&self, reason: Reason, messages: u64) {
        if messages > 0 {
            probes::drop(self.state.load(Ordering::Relaxed), reason.description().name, messages);
        }
        if let Some(cell) = self.dropped.get(reason as usize) {
            add_shared(cell, messages);
        }
    }

    /// A handshake was over after this time, whichever way it ended.
    pub fn handshake_took(&self, nanoseconds: u64) {
        let class = HANDSHAKE_CLASSES_NS.partition_point(|end| *end < nanoseconds);
        if let Some(cell) = self.handshakes.get(class) {
            add_shared(cell, 1);
        }
        add_shared(&self.handshake_time, nanoseconds);
    }

    /// The socket is bound or connected to this endpoint, too.
    pub fn add_endpoint(&self, endpoint: &str) {
        let before = self.endpoints.get();
        if before.split(' ').all(|known| known != endpoint) {
            let separator = if before.is_empty() { "" } else { " " };
            self.endpoints.set(&format!("{before}{separator}{endpoint}"));
        }
    }

    /// Of the lanes that have ended, for the first counters.
    pub fn counter(&self, counter: SocketCounter) -> u64 {
        self.counters.get(counter as usize).map_or(0, value)
    }

    pub fn drops(&self, reason: Reason) -> u64 {
        self.dropped.get(reason as usize).map_or(0, value)
    }

    /// How many handshakes took how long, by class.
    pub fn handshakes(&self) -> [u64; HANDSHAKE_CLASSES] {
        self.handshakes.each_ref().map(value)
    }

    /// The time that all handshakes have taken, in nanoseconds.
    pub fn handshake_time(&self) -> u64 {
        value(&self.handshake_time)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn handshakes_are_counted_in_their_class() {
        let cells = SocketCells::default();
        for took in [0, 500_000, 500_001, 4_999_999_999, 5_000_000_001, u64::MAX >> 1] {
            cells.handshake_took(took);
        }
        assert_eq!(cells.handshakes(), [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2]);
    }

    #[test]
    fn endpoints_are_listed_once() {
        let cells = SocketCells::default();
        for endpoint in ["tcp://1", "ipc://a", "tcp://1"] {
            cells.add_endpoint(endpoint);
        }
        assert_eq!(cells.endpoints.get(), "tcp://1 ipc://a");
    }
}
