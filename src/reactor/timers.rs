//! Timers, by source and a number of the source's choice.

use super::Token;
use std::collections::BTreeMap;
use std::time::Instant;

/// When an alarm fires. The number keeps alarms of the same instant apart, in the order in which they were
/// set.
type Key = (Instant, u64);

/// The alarms of all sources, soonest first.
#[derive(Default)]
pub struct Alarms {
    queue: BTreeMap<Key, (Token, u8)>,
    next_number: u64,
}

/// The timers of one source. They are few, so a list is enough.
#[derive(Default)]
pub struct Timers(Vec<Timer>);

struct Timer {
    id: u8,
    /// When the source wants the timer to fire.
    deadline: Instant,
    /// When the alarm fires: not after `deadline`. Heartbeats and handshakes postpone their deadlines often.
    /// A postponed deadline costs nothing: the alarm fires early, once, and is set again.
    alarm: Key,
}

impl Alarms {
    /// When the next alarm fires.
    pub fn next(&self) -> Option<Instant> {
        self.queue.first_key_value().map(|((at, _), _)| *at)
    }

    /// Every alarm set from now on has at least this number.
    pub fn mark(&self) -> u64 {
        self.next_number
    }

    /// The next alarm that is due at `now` and was set before `mark`. Without the mark, timers of zero
    /// milliseconds that set themselves again would keep the thread here.
    pub fn pop(&mut self, now: Instant, mark: u64) -> Option<(Token, u8)> {
        let first = self.queue.first_entry()?;
        let (at, number) = *first.key();
        (at <= now && number < mark).then(|| first.remove())
    }

    fn push(&mut self, at: Instant, token: Token, id: u8) -> Key {
        let key = (at, self.next_number);
        self.next_number += 1;
        self.queue.insert(key, (token, id));
        key
    }
}

impl Timers {
    /// Replaces the timer of the same id.
    pub fn set(&mut self, alarms: &mut Alarms, token: Token, id: u8, deadline: Instant) {
        match self.0.iter_mut().find(|timer| timer.id == id) {
            Some(timer) if deadline >= timer.alarm.0 => timer.deadline = deadline,
            Some(timer) => {
                alarms.queue.remove(&timer.alarm);
                timer.deadline = deadline;
                timer.alarm = alarms.push(deadline, token, id);
            }
            None => {
                let alarm = alarms.push(deadline, token, id);
                self.0.push(Timer { id, deadline, alarm });
            }
        }
    }

    pub fn cancel(&mut self, alarms: &mut Alarms, id: u8) {
        if let Some(index) = self.0.iter().position(|timer| timer.id == id) {
            alarms.queue.remove(&self.0.swap_remove(index).alarm);
            if self.0.is_empty() {
                // Most sources had one timer, for their handshake, and never set another.
                self.0 = Vec::new();
            }
        }
    }

    pub fn cancel_all(&mut self, alarms: &mut Alarms) {
        for timer in self.0.drain(..) {
            alarms.queue.remove(&timer.alarm);
        }
    }

    /// The alarm of `id` has fired: `true` if its deadline has come. Otherwise the alarm is set again.
    pub fn rung(&mut self, alarms: &mut Alarms, token: Token, id: u8, now: Instant) -> bool {
        let Some(index) = self.0.iter().position(|timer| timer.id == id) else {
            return false;
        };
        match self.0.get_mut(index) {
            Some(timer) if timer.deadline > now => {
                timer.alarm = alarms.push(timer.deadline, token, id);
                false
            }
            _ => {
                self.0.swap_remove(index);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// The timers due at `now`, as a turn finds them.
    fn due(alarms: &mut Alarms, timers: &mut Timers, now: Instant) -> Vec<u8> {
        let mark = alarms.mark();
        let mut ids = Vec::new();
        while let Some((token, id)) = alarms.pop(now, mark) {
            if timers.rung(alarms, token, id, now) {
                ids.push(id);
            }
        }
        ids
    }

    #[test]
    fn in_order_and_once() {
        let (mut alarms, mut timers, start) = (Alarms::default(), Timers::default(), Instant::now());
        let ms = |ms| start + Duration::from_millis(ms);
        let token = Token::new(7);
        timers.set(&mut alarms, token, 1, ms(20));
        timers.set(&mut alarms, token, 2, ms(10));
        timers.set(&mut alarms, token, 3, ms(10));
        timers.set(&mut alarms, token, 4, ms(15));
        timers.cancel(&mut alarms, 4);
        assert!(due(&mut alarms, &mut timers, ms(9)).is_empty());
        assert_eq!(due(&mut alarms, &mut timers, ms(20)), [2, 3, 1]);
        assert_eq!(alarms.next(), None);
    }

    #[test]
    fn a_deadline_moves_both_ways() {
        let (mut alarms, mut timers, start) = (Alarms::default(), Timers::default(), Instant::now());
        let ms = |ms| start + Duration::from_millis(ms);
        let token = Token::new(7);
        timers.set(&mut alarms, token, 1, ms(10));
        timers.set(&mut alarms, token, 1, ms(30));
        assert!(due(&mut alarms, &mut timers, ms(29)).is_empty());
        assert_eq!(alarms.next(), Some(ms(30)));
        timers.set(&mut alarms, token, 1, ms(5));
        assert_eq!(due(&mut alarms, &mut timers, ms(5)), [1]);
        timers.set(&mut alarms, token, 1, ms(40));
        timers.cancel_all(&mut alarms);
        assert_eq!(alarms.next(), None);
    }

    #[test]
    fn a_timer_set_during_a_turn_waits_for_the_next() {
        let (mut alarms, mut timers, now) = (Alarms::default(), Timers::default(), Instant::now());
        let token = Token::new(7);
        timers.set(&mut alarms, token, 1, now);
        let mark = alarms.mark();
        assert_eq!(alarms.pop(now, mark), Some((token, 1)));
        assert!(timers.rung(&mut alarms, token, 1, now));
        timers.set(&mut alarms, token, 1, now);
        assert_eq!(alarms.pop(now, mark), None);
        assert_eq!(due(&mut alarms, &mut timers, now), [1]);
    }
}
