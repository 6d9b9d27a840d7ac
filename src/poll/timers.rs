//! A set of repeating timers (`zmq_timers`).
//!
//! The set knows no clock: every call is told the time, in milliseconds since any fixed moment.

use crate::errno::{Errno, Result};
use crate::sys::hash_map::HashMap;
use std::collections::BTreeMap;

/// Repeating timers, each with a handler `H` that is handed back when it falls due.
///
/// The set does not call handlers: [`next_due`](Timers::next_due) hands out one at a time. So no lock around the set need be held
/// while a handler runs, and handlers may change the set.
#[derive(Debug)]
pub struct Timers<H> {
    timers: HashMap<i32, Timer<H>>,
    /// The ids of all timers by when they fall due.
    queue: BTreeMap<Due, i32>,
    last_id: i32,
    /// Of the next entry in the queue.
    turn: u64,
}

#[derive(Debug)]
struct Timer<H> {
    due: Due,
    interval_ms: u64,
    handler: H,
}

/// When a timer falls due; of two at the same time the one that was scheduled first comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at_ms: u64,
    turn: u64,
}

/// One run over the timers that are due, from [`Timers::begin`].
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    now_ms: u64,
    /// A timer scheduled from this turn on waits for the next pass; else an interval of 0 would never end.
    until_turn: u64,
}

impl<H: Clone> Timers<H> {
    pub fn new() -> Timers<H> {
        Timers { timers: HashMap::default(), queue: BTreeMap::new(), last_id: 0, turn: 0 }
    }

    /// Adds a timer that falls due every `interval_ms`, first that long after `now_ms`. Returns its id, above 0.
    /// Errors: `ENOMEM` if all ids are taken.
    pub fn add(&mut self, now_ms: u64, interval_ms: u64, handler: H) -> Result<i32> {
        let id = self.free_id()?;
        let due = self.enqueue(now_ms, interval_ms, id);
        self.timers.insert(id, Timer { due, interval_ms, handler });
        Ok(id)
    }

    /// Ends a timer. Errors: `EINVAL` if there is none of this id.
    pub fn cancel(&mut self, id: i32) -> Result<()> {
        let timer = self.timers.remove(&id).ok_or(Errno::INVAL)?;
        self.queue.remove(&timer.due);
        Ok(())
    }

    /// Changes a timer's interval and starts it anew. Errors: `EINVAL` if there is none of this id.
    pub fn set_interval(&mut self, now_ms: u64, id: i32, interval_ms: u64) -> Result<()> {
        self.timers.get_mut(&id).ok_or(Errno::INVAL)?.interval_ms = interval_ms;
        self.reset(now_ms, id)
    }

    /// Starts a timer anew: it falls due one interval after `now_ms`. Errors: `EINVAL` if there is none of this id.
    pub fn reset(&mut self, now_ms: u64, id: i32) -> Result<()> {
        let timer = self.timers.get(&id).ok_or(Errno::INVAL)?;
        let (old, interval_ms) = (timer.due, timer.interval_ms);
        self.queue.remove(&old);
        let due = self.enqueue(now_ms, interval_ms, id);
        if let Some(timer) = self.timers.get_mut(&id) {
            timer.due = due;
        }
        Ok(())
    }

    /// Milliseconds until the next timer falls due, 0 if one is; `None` without timers.
    pub fn timeout(&self, now_ms: u64) -> Option<u64> {
        self.queue.first_key_value().map(|(due, _)| due.at_ms.saturating_sub(now_ms))
    }

    /// Begins a pass over the timers that are due.
    pub fn begin(&self, now_ms: u64) -> Pass {
        Pass { now_ms, until_turn: self.turn }
    }

    /// The next timer of the pass and its handler, which the caller is to call. Its next time is scheduled already, so the
    /// handler may reset the timer, change its interval or cancel it as well as any other.
    pub fn next_due(&mut self, pass: Pass) -> Option<(i32, H)> {
        let (&due, &id) = self.queue.first_key_value()?;
        if due.at_ms > pass.now_ms || due.turn >= pass.until_turn {
            return None;
        }
        self.reset(pass.now_ms, id).ok()?;
        Some((id, self.timers.get(&id)?.handler.clone()))
    }

    fn enqueue(&mut self, now_ms: u64, interval_ms: u64, id: i32) -> Due {
        // Saturating: an interval beyond the clock's end is never.
        let due = Due { at_ms: now_ms.saturating_add(interval_ms), turn: self.turn };
        self.turn += 1;
        self.queue.insert(due, id);
        due
    }

    fn free_id(&mut self) -> Result<i32> {
        if self.timers.len() >= i32::MAX as usize {
            return Err(Errno::NOMEM);
        }
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if !self.timers.contains_key(&self.last_id) {
                return Ok(self.last_id);
            }
        }
    }
}

impl<H: Clone> Default for Timers<H> {
    fn default() -> Timers<H> {
        Timers::new()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The handlers of one pass, in order.
    fn run(timers: &mut Timers<char>, now_ms: u64) -> String {
        let pass = timers.begin(now_ms);
        std::iter::from_fn(|| timers.next_due(pass)).map(|(_, handler)| handler).collect()
    }

    #[test]
    fn repeats_until_cancelled() {
        let mut timers = Timers::new();
        let id = timers.add(1000, 100, 'a').unwrap();
        assert_eq!((timers.timeout(1000), run(&mut timers, 1099)), (Some(100), String::new()));
        assert_eq!((timers.timeout(1099), run(&mut timers, 1100)), (Some(1), "a".into()));
        // Late: once, and the next time counts from now.
        assert_eq!((timers.timeout(1500), run(&mut timers, 1550)), (Some(0), "a".into()));
        assert_eq!(timers.timeout(1550), Some(100));
        timers.cancel(id).unwrap();
        assert_eq!((timers.timeout(9999), run(&mut timers, 9999)), (None, String::new()));
        assert_eq!(timers.cancel(id), Err(Errno::INVAL));
    }

    #[test]
    fn in_the_order_of_their_times() {
        let mut timers = Timers::new();
        for (interval_ms, handler) in [(30, 'c'), (10, 'a'), (20, 'b'), (10, 'A'), (40, 'd')] {
            timers.add(0, interval_ms, handler).unwrap();
        }
        assert_eq!(run(&mut timers, 35), "aAbc");
    }

    #[test]
    fn reset_and_set_interval_count_from_now() {
        let mut timers = Timers::new();
        let id = timers.add(0, 100, 'a').unwrap();
        timers.reset(60, id).unwrap();
        assert_eq!(timers.timeout(60), Some(100));
        timers.set_interval(70, id, 5).unwrap();
        assert_eq!((timers.timeout(70), run(&mut timers, 75)), (Some(5), "a".into()));
        assert_eq!(timers.timeout(75), Some(5));
        for none in [0, -1, 2] {
            assert_eq!(timers.reset(0, none), Err(Errno::INVAL));
            assert_eq!(timers.set_interval(0, none, 1), Err(Errno::INVAL));
        }
    }

    #[test]
    fn an_interval_of_nothing_runs_once_a_pass() {
        let mut timers = Timers::new();
        timers.add(0, 0, 'a').unwrap();
        timers.add(0, 0, 'b').unwrap();
        assert_eq!(run(&mut timers, 0), "ab");
        assert_eq!(run(&mut timers, 0), "ab");
        assert_eq!(timers.timeout(0), Some(0));
    }

    #[test]
    fn an_interval_without_end_never_runs() {
        let mut timers = Timers::new();
        timers.add(5, u64::MAX, 'a').unwrap();
        assert_eq!(timers.timeout(5), Some(u64::MAX - 5));
        assert_eq!(run(&mut timers, u64::MAX - 1), "");
    }

    #[test]
    fn handlers_may_change_the_set() {
        let mut timers = Timers::new();
        let first = timers.add(0, 10, 'a').unwrap();
        let second = timers.add(0, 10, 'b').unwrap();
        let pass = timers.begin(10);
        assert_eq!(timers.next_due(pass), Some((first, 'a')));
        // What its handler does: ends itself and the next, and adds one that is due at once.
        timers.cancel(first).unwrap();
        timers.cancel(second).unwrap();
        timers.add(10, 0, 'c').unwrap();
        assert_eq!(timers.next_due(pass), None);
        assert_eq!(run(&mut timers, 10), "c");
    }

    #[test]
    fn ids_start_over_and_skip_those_in_use() {
        let mut timers = Timers::new();
        assert_eq!(timers.add(0, 1, 'a'), Ok(1));
        timers.last_id = i32::MAX;
        assert_eq!(timers.add(0, 1, 'b'), Ok(2));
    }
}
