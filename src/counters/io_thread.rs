//! The record of an I/O thread.
#![forbid(unsafe_code)]

use super::cells::{Cell, add, value};
use super::rows::{IoThreadCounter, Row};
use crate::queue::shim;
use std::mem::offset_of;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The I/O thread writes it.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct IoThreadCells {
    /// 0, or the record's number: see `slot`. Written under the registry's lock.
    pub state: shim::AtomicU64,
    /// The number of the context.
    pub context: Cell,
    counters: [Cell; IoThreadCounter::COUNT],
}

impl Default for IoThreadCells {
    fn default() -> IoThreadCells {
        let zero = || Cell::new(0);
        IoThreadCells {
            state: shim::AtomicU64::new(0),
            context: zero(),
            counters: std::array::from_fn(|_| zero()),
        }
    }
}

impl IoThreadCells {
    /// What lies where.
    pub fn rows() -> Vec<Row> {
        let counters = IoThreadCounter::ALL.iter().map(|counter| counter.description());
        Row::all(counters, "", offset_of!(IoThreadCells, counters))
    }

    /// The thread is about to ask what is ready. `busy`: since it was last told.
    pub fn asks(&self, busy: Duration) {
        self.add(IoThreadCounter::Polls, 1);
        self.add(IoThreadCounter::BusyTime, u64::try_from(busy.as_nanos()).unwrap_or(u64::MAX));
    }

    /// The thread was told of this number of events.
    pub fn told(&self, events: u64) {
        self.add(IoThreadCounter::Events, events);
    }

    /// Another thread has woken it.
    pub fn woken(&self) {
        self.add(IoThreadCounter::Wakeups, 1);
    }

    /// It serves this number of sources.
    pub fn serves(&self, sources: u64) {
        if let Some(cell) = self.counters.get(IoThreadCounter::Sources as usize) {
            cell.store(sources, Ordering::Relaxed);
        }
    }

    fn add(&self, counter: IoThreadCounter, count: u64) {
        if let Some(cell) = self.counters.get(counter as usize) {
            add(cell, count);
        }
    }

    pub fn counter(&self, counter: IoThreadCounter) -> u64 {
        self.counters.get(counter as usize).map_or(0, value)
    }
}
