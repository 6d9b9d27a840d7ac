//! An XPUB or PUB that keeps the last message of each topic for peers that subscribe later.
//! The values are in [`last_values`](crate::pattern::last_values).

use crate::errno::Result;
use crate::message::OutFrame;
use crate::options::SocketOptions;
use crate::pattern::last_values::LastValues;
use crate::pattern::subscribers::Subscribers;
use crate::pipe::{PipeId, Pipes};

/// What late subscribers are served with, where the option is set.
#[derive(Default)]
pub struct LateSubscribers {
    values: Option<Box<LastValues>>,
}

/// The state of the socket that decides which peer is served with what, and when.
#[derive(Clone, Copy)]
pub struct Now<'x> {
    pub subscribers: &'x Subscribers,
    /// Peers get what they have not subscribed to.
    pub inverted: bool,
    /// Some frames of a message have been sent and others have not.
    pub inside: bool,
}

/// A frame's place in what is published.
#[derive(Clone, Copy)]
pub struct Published {
    pub is_first: bool,
    /// The message goes to one peer alone, so it is no topic's last value.
    pub is_directed: bool,
}

impl LateSubscribers {
    /// `ZMQ_FERRO_LAST_VALUE` and `ZMQ_FERRO_LAST_VALUE_SIZE`.
    pub fn configure(&mut self, options: &SocketOptions) {
        let most_values = usize::try_from(options.last_value).unwrap_or(0);
        if most_values == 0 {
            self.values = None;
            return;
        }
        let limit_bytes = usize::try_from(options.last_value_size).unwrap_or(0);
        self.values.get_or_insert_default().set_limits(most_values, limit_bytes);
    }

    pub fn are_served(&self) -> bool {
        self.values.is_some()
    }

    /// The pipe has subscribed to the topic, or has ended that. It is to have the last values of what it gets from now on.
    /// Errors: `ENOMEM`.
    pub fn hear(&mut self, now: Now<'_>, subscribe: bool, topic: &[u8], pipe: PipeId) -> Result<()> {
        match &mut self.values {
            Some(values) if subscribe != now.inverted => values.ask(pipe, topic, now.inside),
            _ => Ok(()),
        }
    }

    /// Whether the pipe has asked for values that have not been gathered.
    pub fn hold_up(&self, pipe: PipeId) -> bool {
        self.values.as_ref().is_some_and(|values| values.are_asked_for_by(pipe))
    }

    /// A frame was sent.
    pub fn keep(&mut self, frame: &mut OutFrame<'_>, published: Published) {
        if let Some(values) = &mut self.values {
            if published.is_first && !published.is_directed {
                values.begin();
            }
            values.add(frame);
        }
    }

    /// A turn of what is due, and a step of what was asked for. A pipe whose request is done.
    pub fn serve(&mut self, pipes: &mut Pipes, now: Now<'_>) -> Option<PipeId> {
        let values = self.values.as_mut().filter(|_| !now.inside)?;
        values.send(pipes, |pipe, topic| now.subscribers.match_for(topic, pipe) != now.inverted);
        values.gather(pipes)
    }

    /// Whether there is something to serve now.
    pub fn have_work(&self, inside: bool) -> bool {
        !inside && self.values.as_ref().is_some_and(|values| values.have_work())
    }

    /// The pipe has credit again.
    pub fn activated(&mut self, pipe: PipeId) {
        if let Some(values) = &mut self.values {
            values.activated(pipe);
        }
    }

    pub fn leave(&mut self, pipe: PipeId) {
        if let Some(values) = &mut self.values {
            values.leave(pipe);
        }
    }
}

#[cfg(test)]
mod tests;
