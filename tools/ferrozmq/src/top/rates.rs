//! What has changed between two looks at the counters. Pure.

use crate::stats::Observation;
use crate::stats::layout::Record;
use crate::stats::tree::{Process, Socket};
use std::collections::HashMap;

/// Two looks. Without an earlier one there are no rates.
pub struct Rates<'a> {
    seconds: f64,
    /// By process id, start of the process, serial number of the record.
    before: HashMap<(u64, u64, u64), Before<'a>>,
}

struct Before<'a> {
    record: &'a Record,
    dropped: u64,
}

impl<'a> Rates<'a> {
    pub fn between(before: Option<&'a Observation>, now: &Observation) -> Rates<'a> {
        let mut rates = Rates { seconds: 0.0, before: HashMap::new() };
        let Some(before) = before.filter(|before| before.time < now.time) else { return rates };
        rates.seconds = now.time - before.time;
        for process in &before.processes {
            process.parts.iter().for_each(|part| rates.keep(process, part, 0));
            for socket in &process.sockets {
                rates.keep(process, &socket.record, socket.dropped_in_all());
                socket.connections.iter().for_each(|connection| rates.keep(process, &connection.record, 0));
            }
        }
        rates
    }

    fn keep(&mut self, process: &Process, record: &'a Record, dropped: u64) {
        self.before.insert((process.pid, process.started, record.serial), Before { record, dropped });
    }

    /// A second. Nothing for a record that was not there before, and for a number that it does not have.
    pub fn of(&self, process: &Process, record: &Record, name: &str) -> Option<f64> {
        let before = self.before(process, record)?.record.number(name)?;
        Some(self.change(before, record.number(name)?))
    }

    /// Messages that were dropped for any reason, a second.
    pub fn dropped(&self, process: &Process, socket: &Socket) -> Option<f64> {
        Some(self.change(self.before(process, &socket.record)?.dropped, socket.dropped_in_all()))
    }

    fn before(&self, process: &Process, record: &Record) -> Option<&Before<'a>> {
        self.before.get(&(process.pid, process.started, record.serial))
    }

    /// A file that was read in an unsettled state may have counted something twice before.
    fn change(&self, before: u64, now: u64) -> f64 {
        now.saturating_sub(before) as f64 / self.seconds
    }
}
