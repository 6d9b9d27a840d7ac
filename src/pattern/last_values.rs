//! The last message of each topic, for subscribers that come late (`ZMQ_FERRO_LAST_VALUE`).
//!
//! A subscription asks for the values of all topics that begin with it. They are gathered by number and then sent in that order,
//! both in steps, as far as the budget of a call goes. A pipe without credit waits for it. What is due to a pipe is a number for
//! each value, never a copy.
//!
//! A value may be published anew while it is due. A pipe that has had credit all the time has got the new message like any other
//! subscriber. To a pipe that had to wait, the new value is sent in the place of the old one, as it may have missed it. So may a
//! pipe that asks inside a message, which the message passes by.

use crate::errno::{Errno, Result};
use crate::message::{Msg, OutFrame};
use crate::pipe::budget::{CALL_UNITS, frame_units};
use crate::pipe::{Budget, PipeId, Pipes};
use crate::sys::memory;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

/// Weight of a frame beyond its own bytes.
const FRAME_OVERHEAD_BYTES: usize = 64;
/// Topics looked at for one request before another has its turn.
const STEP_LOOKS: u32 = 256;
/// Values that one pipe is sent before another has its turn.
const TURN_VALUES: u32 = 64;
/// Topics looked at for one unit of a [`Budget`].
const LOOKS_PER_UNIT: u32 = 4;

/// The values, and what is due to each pipe.
#[derive(Default)]
pub struct LastValues {
    /// Each topic and the key of its value.
    topics: BTreeMap<Vec<u8>, ValueKey>,
    values: BTreeMap<ValueKey, Value>,
    /// The order of publication: the first one is let go of first.
    order: BTreeMap<Number, ValueKey>,
    /// Keys and numbers are given once each. At one a nanosecond they last for centuries.
    next: u64,
    /// Of all values.
    weight_bytes: usize,
    most_values: usize,
    /// Most weight of all values; 0: no limit.
    limit_bytes: usize,
    /// The message that is being published.
    partial: Partial,
    requests: VecDeque<Request>,
    due: BTreeMap<PipeId, Due>,
    /// Pipes to which something is due and that may have credit, in the order of their turns.
    turns: VecDeque<PipeId>,
}

/// A topic has the same one for as long as it has a value.
type ValueKey = u64;
/// The place of a message in the order of publication.
type Number = u64;

struct Value {
    number: Number,
    /// At least one, which is the topic.
    frames: Vec<Msg>,
    weight_bytes: usize,
}

/// A message of which some frames have been sent.
#[derive(Default)]
enum Partial {
    /// Between two messages, or inside one that is not kept.
    #[default]
    None,
    /// Kept at its end.
    Frames { frames: Vec<Msg>, weight_bytes: usize },
    /// Too large, or memory was lacking: at its end the topic has no value.
    Unkept { topic: Msg },
}

/// The values of topics that begin with `prefix` are to become due to a pipe.
struct Request {
    pipe: PipeId,
    prefix: Vec<u8>,
    /// The number of the next message at that time: what was published since has gone to the pipe, if it had credit.
    now: Number,
    /// The last topic that was looked at.
    behind: Option<Vec<u8>>,
}

/// What is due to a pipe.
#[derive(Default)]
struct Due {
    /// By the number that the value had when it was asked for.
    values: BTreeMap<Number, ValueKey>,
    /// The pipe may have missed a message since it asked: it was without credit, or asked inside one.
    may_have_missed: bool,
    /// Requests of the pipe that have not been gathered.
    requests: usize,
    /// It is among the turns.
    is_listed: bool,
}

/// The state of a pipe after its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Nothing,
    /// It has asked for more, which comes into the same order first.
    Requests,
    More,
    /// The pipe is full, or closed.
    NoCredit,
    NoMemory,
}

impl LastValues {
    /// The most values that are kept, and the most that they may weigh together; a size of 0 is no limit.
    pub fn set_limits(&mut self, most_values: usize, limit_bytes: usize) {
        (self.most_values, self.limit_bytes) = (most_values, limit_bytes);
        self.let_go();
    }

    /// A message begins, to all subscribers.
    pub fn begin(&mut self) {
        self.partial = Partial::Frames { frames: Vec::new(), weight_bytes: 0 };
    }

    /// A frame of the message that has begun was sent. The last one makes it the value of its topic. Without memory the topic is
    /// left without a value: an old one would be taken for the last.
    pub fn add(&mut self, frame: &mut OutFrame<'_>) {
        if self.add_frame(frame).is_err() {
            self.give_up(frame.data());
        }
        if !frame.more() {
            self.end();
        }
    }

    fn add_frame(&mut self, frame: &mut OutFrame<'_>) -> Result<()> {
        let Partial::Frames { frames, weight_bytes } = &mut self.partial else { return Ok(()) };
        let mut weight = frame.data().len().saturating_add(FRAME_OVERHEAD_BYTES);
        if frames.is_empty() {
            // The topic lies in two places.
            weight = weight.saturating_add(frame.data().len());
        }
        *weight_bytes = weight_bytes.saturating_add(weight);
        if self.limit_bytes > 0 && *weight_bytes > self.limit_bytes {
            return Err(Errno::NOBUFS);
        }
        memory::check()?;
        frames.try_reserve(1).map_err(|_| Errno::NOMEM)?;
        frames.push(own(frame)?);
        Ok(())
    }

    /// The message is not kept; `data` is the frame that was not added.
    fn give_up(&mut self, data: &[u8]) {
        let Partial::Frames { frames, .. } = std::mem::take(&mut self.partial) else { return };
        match frames.into_iter().next() {
            Some(topic) => self.partial = Partial::Unkept { topic },
            None => self.forget(data),
        }
    }

    /// The message has been sent whole.
    fn end(&mut self) {
        let (frames, weight_bytes) = match std::mem::take(&mut self.partial) {
            Partial::None => return,
            Partial::Unkept { topic } => return self.forget(topic.data()),
            Partial::Frames { frames, weight_bytes } => (frames, weight_bytes),
        };
        let Some(Ok(key)) = frames.first().map(|topic| self.key_of(topic.data())) else { return };
        self.drop_value(key);
        let number = self.take_next();
        self.order.insert(number, key);
        self.values.insert(key, Value { number, frames, weight_bytes });
        self.weight_bytes = self.weight_bytes.saturating_add(weight_bytes);
        self.let_go();
    }

    /// The key of a topic, which may be new. Errors: `ENOMEM`.
    fn key_of(&mut self, topic: &[u8]) -> Result<ValueKey> {
        if let Some(&key) = self.topics.get(topic) {
            return Ok(key);
        }
        let topic = copy_of(topic)?;
        let key = self.take_next();
        self.topics.insert(topic, key);
        Ok(key)
    }

    fn take_next(&mut self) -> u64 {
        let next = self.next;
        self.next = next.wrapping_add(1);
        next
    }

    /// Takes the value of a topic out, which keeps its key.
    fn drop_value(&mut self, key: ValueKey) -> Option<Value> {
        let value = self.values.remove(&key)?;
        self.order.remove(&value.number);
        self.weight_bytes = self.weight_bytes.saturating_sub(value.weight_bytes);
        Some(value)
    }

    fn forget(&mut self, topic: &[u8]) {
        if let Some(key) = self.topics.remove(topic) {
            self.drop_value(key);
        }
    }

    /// Lets go of what was published longest ago, until the rest is within the limits.
    fn let_go(&mut self) {
        while self.values.len() > self.most_values
            || self.limit_bytes > 0 && self.weight_bytes > self.limit_bytes
        {
            let Some((_, &key)) = self.order.first_key_value() else { return };
            if let Some(topic) = self.drop_value(key).as_ref().and_then(|value| value.frames.first()) {
                self.topics.remove(topic.data());
            }
        }
    }

    /// The pipe asks for the values of all topics that begin with `prefix`; `inside` a message that is being sent. Errors:
    /// `ENOMEM`.
    pub fn ask(&mut self, pipe: PipeId, prefix: &[u8], inside: bool) -> Result<()> {
        if self.values.is_empty() && !inside {
            return Ok(());
        }
        let prefix = copy_of(prefix)?;
        self.requests.try_reserve(1).map_err(|_| Errno::NOMEM)?;
        self.requests.push_back(Request { pipe, prefix, now: self.next, behind: None });
        let due = self.due.entry(pipe).or_default();
        due.may_have_missed |= inside;
        due.requests += 1;
        Ok(())
    }

    /// Whether there is something to do that waits for no pipe.
    pub fn have_work(&self) -> bool {
        !self.requests.is_empty() || !self.turns.is_empty()
    }

    /// Whether a request of the pipe has not been gathered yet. Nothing is read from it meanwhile, so that it has one at a time.
    pub fn are_asked_for_by(&self, pipe: PipeId) -> bool {
        self.due.get(&pipe).is_some_and(|due| due.requests > 0)
    }

    /// Gathers what was asked for: a step of one request, then it is the next one's turn. The pipe of a request that is done. Not to
    /// be called inside a message: its topic may be new.
    pub fn gather(&mut self, pipes: &mut Pipes) -> Option<PipeId> {
        while let Some(mut request) = self.requests.pop_front() {
            let pipe = request.pipe;
            // The pipe may be gone.
            let Some(due) = self.due.get_mut(&pipe) else { continue };
            due.may_have_missed |= !pipes.check_hwm(pipe);
            if !self.gather_for(&mut request, &mut pipes.budget) {
                self.requests.push_back(request);
                return None;
            }
            if let Some(due) = self.due.get_mut(&pipe) {
                due.requests = due.requests.saturating_sub(1);
            }
            self.list(pipe);
            return Some(pipe);
        }
        None
    }

    /// Something may be due to the pipe, and it may have credit.
    fn list(&mut self, pipe: PipeId) {
        if let Some(due) = self.due.get_mut(&pipe)
            && !std::mem::replace(&mut due.is_listed, true)
        {
            self.turns.push_back(pipe);
        }
    }

    /// Whether all topics have been looked at.
    fn gather_for(&mut self, request: &mut Request, budget: &mut Budget) -> bool {
        let Some(due) = self.due.get_mut(&request.pipe) else { return true };
        let from = match &request.behind {
            Some(behind) => Bound::Excluded(behind.as_slice()),
            None => Bound::Included(request.prefix.as_slice()),
        };
        let (mut looks, mut last, mut stopped) = (0_u32, None, false);
        for (topic, key) in self.topics.range::<[u8], _>((from, Bound::Unbounded)) {
            if !topic.starts_with(&request.prefix) {
                break;
            }
            if looks.is_multiple_of(LOOKS_PER_UNIT) {
                if memory::is_short() {
                    // The same topics are looked at again, which does no harm.
                    give_up_for_now(budget);
                    return false;
                }
                if looks == STEP_LOOKS || !budget.allows() {
                    stopped = true;
                    break;
                }
                budget.spend(1);
            }
            looks = looks.wrapping_add(1);
            if let Some(value) = self.values.get(key)
                && (value.number < request.now || due.may_have_missed)
            {
                due.values.insert(value.number, *key);
            }
            last = Some(topic);
        }
        if stopped && let Some(last) = last {
            match copy_of(last) {
                Ok(last) => request.behind = Some(last),
                Err(_) => give_up_for_now(budget),
            }
        }
        !stopped
    }

    /// Sends to one pipe what is due to it, as far as a turn, the budget and the credit go. `wants` says whether messages with a
    /// topic are for a pipe: it may have taken its subscription back. Not to be called inside a message.
    pub fn send(&mut self, pipes: &mut Pipes, wants: impl Fn(PipeId, &[u8]) -> bool) {
        let Some(pipe) = self.turns.pop_front() else { return };
        match self.send_turn(pipes, pipe, &wants) {
            Left::Nothing => drop(self.due.remove(&pipe)),
            Left::Requests => {
                if let Some(due) = self.due.get_mut(&pipe) {
                    due.is_listed = false;
                }
            }
            Left::More => self.turns.push_back(pipe),
            Left::NoCredit => {
                if let Some(due) = self.due.get_mut(&pipe) {
                    (due.may_have_missed, due.is_listed) = (true, false);
                }
            }
            Left::NoMemory => {
                self.turns.push_back(pipe);
                give_up_for_now(&mut pipes.budget);
            }
        }
    }

    fn send_turn(&mut self, pipes: &mut Pipes, pipe: PipeId, wants: &impl Fn(PipeId, &[u8]) -> bool) -> Left {
        let Some(due) = self.due.get_mut(&pipe) else { return Left::Nothing };
        if due.requests > 0 {
            return Left::Requests;
        }
        for _ in 0..TURN_VALUES {
            let Some((&number, key)) = due.values.first_key_value() else { return Left::Nothing };
            if !pipes.budget.allows() {
                break;
            }
            pipes.budget.spend(1);
            if let Some(value) = self.values.get_mut(key)
                && due.is_for(value.number, number)
                && value.frames.first().is_some_and(|topic| wants(pipe, topic.data()))
            {
                match write(pipes, pipe, &mut value.frames) {
                    Ok(true) => {}
                    Ok(false) => return Left::NoCredit,
                    Err(_) => return Left::NoMemory,
                }
            }
            due.values.pop_first();
        }
        Left::More
    }

    /// The pipe has credit again, or a new lane.
    pub fn activated(&mut self, pipe: PipeId) {
        if let Some(due) = self.due.get_mut(&pipe) {
            due.may_have_missed = true;
            self.list(pipe);
        }
    }

    /// The pipe is gone. What it has asked for is passed over when its turn comes.
    pub fn leave(&mut self, pipe: PipeId) {
        self.due.remove(&pipe);
    }
}

impl Due {
    /// Whether a value is to be sent whose number is `now` and was `then`, when it was asked for.
    fn is_for(&self, now: Number, then: Number) -> bool {
        now == then || self.may_have_missed && !self.values.contains_key(&now)
    }
}

/// The frame in memory that may be kept. A program that has lent its memory waits to have it back. Errors: `ENOMEM`.
fn own(frame: &mut OutFrame<'_>) -> Result<Msg> {
    let mut msg = match frame.shared()? {
        Some(body) if !body.is_lent() => Msg::from_body(body.clone()),
        _ => Msg::copy_from(frame.data())?,
    };
    msg.set_more(frame.more());
    Ok(msg)
}

/// Writes a message, whole or not at all. `false`: the pipe has no credit, or is closed. Errors: `ENOMEM`.
fn write(pipes: &mut Pipes, pipe: PipeId, frames: &mut [Msg]) -> Result<bool> {
    for (place, frame) in frames.iter_mut().enumerate() {
        let (more, bytes) = (frame.more(), frame.len());
        let frame = &mut OutFrame::msg(frame, more);
        let written = if place == 0 { pipes.write(pipe, frame) } else { pipes.write_rest(pipe, frame) };
        if written != Ok(true) {
            pipes.rollback(pipe);
            return written;
        }
        pipes.budget.spend(frame_units(bytes, 0));
    }
    // Before the next message: to roll that back would take this one along.
    pipes.flush(pipe);
    Ok(true)
}

/// There is no memory for the next step. The call does not try again and again.
fn give_up_for_now(budget: &mut Budget) {
    budget.leave_for_want_of_memory();
    budget.spend(CALL_UNITS);
}

/// Errors: `ENOMEM`.
fn copy_of(topic: &[u8]) -> Result<Vec<u8>> {
    let mut copy = Vec::new();
    memory::try_reserve(&mut copy, topic.len())?;
    copy.extend_from_slice(topic);
    Ok(copy)
}
