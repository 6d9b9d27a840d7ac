//! The record of a socket.
#![forbid(unsafe_code)]

use super::cells::{Cell, Text, add_shared, value};
use super::rows::{Reason, Row, SocketCounter};
use super::times::{TimeCounts, Times};
use crate::queue::shim;
use crate::sys::probes;
use std::mem::offset_of;
use std::sync::atomic::Ordering;

/// The name and help of times of QZMQ's handshakes, and of their sum.
pub const QZMQ_TIMES: &str = "qzmq_handshake_duration";
pub const QZMQ_HELP: [&str; 2] =
    ["Handshakes of QZMQ, by the time that they took.", "The time that all handshakes of QZMQ have taken."];

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
    handshakes: Times,
    /// Those of QZMQ among them.
    qzmq_handshakes: Times,
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
            handshakes: Times::default(),
            qzmq_handshakes: Times::default(),
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
        let help = ["Handshakes, by the time that they took.", "The time that all handshakes have taken."];
        rows.extend(Times::rows("handshake_time", offset_of!(SocketCells, handshakes), help));
        rows.extend(Times::rows(QZMQ_TIMES, offset_of!(SocketCells, qzmq_handshakes), QZMQ_HELP));
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

    /// Sets a gauge. The caller holds the socket.
    pub fn set(&self, gauge: SocketCounter, to: u64) {
        if let Some(cell) = self.counters.get(gauge as usize) {
            cell.store(to, Ordering::Relaxed);
        }
    }

    /// Messages were dropped. Any thread may say so. Most calls of a publisher have none to tell of, and leave the shared cell alone.
    #[inline(always)]
    pub fn dropped(&self, reason: Reason, messages: u64) {
        if messages > 0 {
            probes::drop(self.state.load(Ordering::Relaxed), reason.description().name, messages);
            if let Some(cell) = self.dropped.get(reason as usize) {
                add_shared(cell, messages);
            }
        }
    }

    /// A handshake was over after this time, whichever way it ended. `qzmq`: it was one of QZMQ.
    pub fn handshake_took(&self, nanoseconds: u64, qzmq: bool) {
        self.handshakes.add(nanoseconds);
        if qzmq {
            self.qzmq_handshakes.add(nanoseconds);
        }
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

    /// How long handshakes took.
    pub fn handshakes(&self) -> TimeCounts {
        self.handshakes.counts()
    }

    pub fn qzmq_handshakes(&self) -> &Times {
        &self.qzmq_handshakes
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_listed_once() {
        let cells = SocketCells::default();
        for endpoint in ["tcp://1", "ipc://a", "tcp://1"] {
            cells.add_endpoint(endpoint);
        }
        assert_eq!(cells.endpoints.get(), "tcp://1 ipc://a");
    }
}
