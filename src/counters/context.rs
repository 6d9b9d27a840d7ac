//! The record of a context: what its closed sockets have counted.
#![forbid(unsafe_code)]

use super::cells::{Cell, add_shared, value};
use super::rows::{Behaviour, Reason, Row, SocketCounter};
use super::socket::{QZMQ_HELP, QZMQ_TIMES, SocketCells};
use super::times::Times;
use crate::queue::shim;
use std::mem::offset_of;

/// Sockets are added to it as they end, under the registry's lock.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct ContextCells {
    /// 0, or the record's number: see `slot`. Written under the registry's lock.
    pub state: shim::AtomicU64,
    /// There is no record above it.
    parent: Cell,
    counters: [Cell; SocketCounter::COUNT],
    dropped: [Cell; Reason::COUNT],
    qzmq_handshakes: Times,
}

impl Default for ContextCells {
    fn default() -> ContextCells {
        let zero = || Cell::new(0);
        ContextCells {
            state: shim::AtomicU64::new(0),
            parent: zero(),
            counters: std::array::from_fn(|_| zero()),
            dropped: std::array::from_fn(|_| zero()),
            qzmq_handshakes: Times::default(),
        }
    }
}

impl ContextCells {
    /// What lies where.
    pub fn rows() -> Vec<Row> {
        let counters = SocketCounter::ALL.iter().map(|counter| counter.description());
        let mut rows = Row::all(counters, "closed_", offset_of!(ContextCells, counters));
        let reasons = Reason::ALL.iter().map(|reason| reason.description());
        rows.extend(Row::all(reasons, "closed_dropped_", offset_of!(ContextCells, dropped)));
        let (name, at) = (format!("closed_{QZMQ_TIMES}"), offset_of!(ContextCells, qzmq_handshakes));
        rows.extend(Times::rows(&name, at, QZMQ_HELP));
        rows
    }

    /// A socket has ended. What it has at present, it has no more.
    pub fn add(&self, socket: &SocketCells) {
        let counts =
            SocketCounter::ALL.iter().filter(|counter| counter.description().behaviour == Behaviour::Counter);
        for counter in counts {
            if let Some(cell) = self.counters.get(*counter as usize) {
                add_shared(cell, socket.counter(*counter));
            }
        }
        self.qzmq_handshakes.add_all(socket.qzmq_handshakes());
        for reason in Reason::ALL {
            if let Some(cell) = self.dropped.get(*reason as usize) {
                add_shared(cell, socket.drops(*reason));
            }
        }
    }

    pub fn counter(&self, counter: SocketCounter) -> u64 {
        self.counters.get(counter as usize).map_or(0, value)
    }

    pub fn drops(&self, reason: Reason) -> u64 {
        self.dropped.get(reason as usize).map_or(0, value)
    }
}
