//! The record of a connection.

use super::cells::{Cell, Text, add, value};
use super::rows::ConnectionCounter;
use std::sync::atomic::Ordering;

/// The first line has the counters of the sending half, the second those of the receiving half. The holder of a half writes them. The
/// session writes the rest.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct ConnectionCells {
    /// 0, or the record's number. Written under the registry's lock.
    pub state: Cell,
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

impl ConnectionCells {
    pub fn new(socket: u64) -> ConnectionCells {
        let zero = || Cell::new(0);
        ConnectionCells {
            state: zero(),
            socket: Cell::new(socket),
            counters: std::array::from_fn(|_| zero()),
            accepted: zero(),
            peer: Text::default(),
            endpoint: Text::default(),
            mechanism: Text::default(),
            user_id: Text::default(),
            routing_id: Text::default(),
        }
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
