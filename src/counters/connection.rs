//! The record of a connection.
#![forbid(unsafe_code)]

use super::cells::{Cell, Text, add, value};
use super::rows::{ConnectionCounter, Row};
use crate::queue::shim;
use std::mem::offset_of;
use std::sync::atomic::Ordering;

/// The first line has the counters of the sending half, the second those of the receiving half. The holder of a half writes them. The
/// session writes the rest.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct ConnectionCells {
    /// 0, or the record's number: see `slot`. Written under the registry's lock.
    pub state: shim::AtomicU64,
    /// The number of the socket.
    pub socket: Cell,
    counters: [Cell; ConnectionCounter::COUNT],
    /// 1: the peer has come to us.
    pub accepted: Cell,
    pub peer: Text<8>,
    pub endpoint: Text<12>,
    pub mechanism: Text<1>,
    pub user_id: Text<4>,
    /// In hexadecimal.
    pub routing_id: Text<4>,
}

impl Default for ConnectionCells {
    fn default() -> ConnectionCells {
        let zero = || Cell::new(0);
        ConnectionCells {
            state: shim::AtomicU64::new(0),
            socket: zero(),
            counters: std::array::from_fn(|_| zero()),
            accepted: zero(),
            peer: Text::default(),
            endpoint: Text::default(),
            mechanism: Text::default(),
            user_id: Text::default(),
            routing_id: Text::default(),
        }
    }
}

impl ConnectionCells {
    /// What lies where.
    pub fn rows() -> Vec<Row> {
        use ConnectionCells as Cells;
        let counters = ConnectionCounter::ALL.iter().map(|counter| counter.description());
        let mut rows = Row::all(counters, "", offset_of!(Cells, counters));
        let accepted = "1: the peer has come to us; 0: this side has connected.";
        rows.push(Row::gauge("accepted", offset_of!(Cells, accepted), accepted));
        let texts = [
            ("peer", offset_of!(Cells, peer), Text::<8>::BYTES, "The address of the peer."),
            ("endpoint", offset_of!(Cells, endpoint), Text::<12>::BYTES, "The endpoint that it belongs to."),
            (
                "mechanism",
                offset_of!(Cells, mechanism),
                Text::<1>::BYTES,
                "The mechanism that was agreed on.",
            ),
            ("user_id", offset_of!(Cells, user_id), Text::<4>::BYTES, "The user, by the authenticator."),
            ("routing_id", offset_of!(Cells, routing_id), Text::<4>::BYTES, "In hexadecimal."),
        ];
        rows.extend(texts.map(|(name, offset, bytes, help)| Row::text(name, offset, bytes, help)));
        rows
    }

    /// Adds to a counter. The caller holds the half that it belongs to, or is the session.
    #[inline]
    pub fn add(&self, counter: ConnectionCounter, count: u64) {
        if let Some(cell) = self.counters.get(counter as usize) {
            add(cell, count);
        }
    }

    /// Sets a gauge.
    pub fn set(&self, gauge: ConnectionCounter, to: u64) {
        if let Some(cell) = self.counters.get(gauge as usize) {
            cell.store(to, Ordering::Relaxed);
        }
    }

    pub fn counter(&self, counter: ConnectionCounter) -> u64 {
        self.counters.get(counter as usize).map_or(0, value)
    }
}
