//! Messages of peers that are being read, frame by frame.
//!
//! Each frame can be a subscription. The others are for the program. It gets them all at once, or with the subscription that ends
//! them: no message is to end before its end.
//!
//! A peer chooses how many frames a message has, and each costs 50 times its bytes here. So what one keeps is bounded
//! ([`MAX_MESSAGE_FRAMES`]), and a message beyond is dropped. Its subscriptions still count. A peer's turn does not end while frames
//! of its are kept. So of all peers together no more is kept than of one, and a few of those that are held back.

use super::super::xpub_notifications::{About, Notification, Notifications, Tolerance};
use super::super::xsub::subscription;
use crate::errno::{Errno, Result};
use crate::message::Frame;
use crate::pipe::PipeId;
use std::collections::BTreeMap;

/// Frames of one message that are read before the program is told of them.
pub const MAX_MESSAGE_FRAMES: usize = 1024;

#[derive(Default)]
pub struct Readings {
    /// Those that have begun and not ended.
    begun: BTreeMap<PipeId, Reading>,
    /// Messages that a PUB has read, whose program does not hear of them, and that are not counted yet.
    unheard: u32,
    /// Messages with too many frames that are not counted yet.
    too_long: u32,
}

/// A peer's message, and which of its frames can be subscriptions.
#[derive(Default)]
pub struct Reading {
    /// The next frame is not the first.
    inside: bool,
    others_subscribe: bool,
    /// Some frame is no subscription.
    is_message: bool,
    /// It counts as one that waits for the program.
    is_counted: bool,
    /// It has too many frames: those that are no subscriptions are dropped.
    is_dropped: bool,
    /// What the program is to receive of it.
    told: Vec<Notification>,
    /// Frames read since the first of these.
    frames: usize,
}

impl Readings {
    /// The pipe's message for its next frame, to be [given back](Readings::put).
    pub fn take(&mut self, pipe: PipeId) -> Reading {
        self.begun.remove(&pipe).unwrap_or_default()
    }

    /// A frame was read, and is in `reading`. At the end of the message the program is told.
    pub fn put(
        &mut self,
        pipe: PipeId,
        mut reading: Reading,
        notifications: &mut Notifications,
        tolerance: Tolerance,
    ) {
        if reading.inside {
            reading.bound();
            self.begun.insert(pipe, reading);
            return;
        }
        reading.hand_over(notifications, tolerance);
        if reading.is_message && !reading.is_counted {
            let uncounted = if reading.is_dropped { &mut self.too_long } else { &mut self.unheard };
            *uncounted = uncounted.saturating_add(1);
        }
    }

    /// Whether frames are kept of the pipe's message, whose turn is not to end.
    pub fn keep_some(&self, pipe: PipeId) -> bool {
        self.kept_of(pipe) > 0
    }

    /// Whether the pipe's next frame would wait for the program: it is no subscription, and not dropped.
    pub fn is_for_program(&self, pipe: PipeId, frame: &Frame<'_>) -> bool {
        let subscribes = subscription(frame.data()).is_some();
        match self.begun.get(&pipe) {
            Some(reading) => !(reading.is_dropped || subscribes && reading.may_subscribe()),
            None => !subscribes,
        }
    }

    pub fn forget(&mut self, pipe: PipeId) {
        self.begun.remove(&pipe);
    }

    /// Messages that the program did not hear of since the last call of this, and those that had too many frames.
    pub fn take_dropped(&mut self) -> (u64, u64) {
        (std::mem::take(&mut self.unheard).into(), std::mem::take(&mut self.too_long).into())
    }

    /// Frames that are kept of the pipe's message.
    pub fn kept_of(&self, pipe: PipeId) -> usize {
        self.begun.get(&pipe).map_or(0, |reading| reading.told.len())
    }

    /// Frames that are kept.
    #[cfg(test)]
    pub fn kept(&self) -> usize {
        self.begun.values().map(|reading| reading.told.len()).sum()
    }
}

impl Reading {
    /// What the frame asks for, if it is a subscription.
    pub fn subscription<'f>(&mut self, frame: &'f Frame<'_>, only_first: bool) -> Option<(bool, &'f [u8])> {
        let (first, may_subscribe) = (!self.inside, self.may_subscribe());
        self.inside = frame.more();
        let found = if may_subscribe { subscription(frame.data()) } else { None };
        if first {
            self.others_subscribe = !only_first || found.is_some();
        }
        found
    }

    /// Whether the next frame can be a subscription.
    fn may_subscribe(&self) -> bool {
        !self.inside || self.others_subscribe
    }

    /// A frame of the pipe's that is no subscription. `speaks`: the program hears of it. Errors: `ENOMEM`.
    pub fn add_frame(&mut self, pipe: PipeId, frame: Frame<'_>, speaks: bool) -> Result<()> {
        self.is_message = true;
        if !speaks || self.is_dropped {
            return Ok(());
        }
        let msg = frame.into_msg()?;
        self.add(Notification { msg, wish: None, about: About::Message(pipe), ends_message: false })
    }

    fn add(&mut self, notification: Notification) -> Result<()> {
        self.told.try_reserve(1).map_err(|_| Errno::NOMEM)?;
        self.told.push(notification);
        Ok(())
    }

    /// A subscription that the program hears of. To it a message ends there, so it hears of the frames before as well. Errors: `ENOMEM`.
    pub fn add_subscription(
        &mut self,
        told: Notification,
        notifications: &mut Notifications,
        tolerance: Tolerance,
    ) -> Result<()> {
        self.add(told)?;
        self.hand_over(notifications, tolerance);
        Ok(())
    }

    fn hand_over(&mut self, notifications: &mut Notifications, tolerance: Tolerance) {
        if self.is_message
            && !self.is_counted
            && !self.is_dropped
            && let Some(last) = self.told.last_mut()
        {
            last.ends_message = true;
            self.is_counted = true;
        }
        // What ends a message must not be folded away: the next peer's frames would be the rest of it.
        let ends_others = self.told.len() > 1;
        for told in self.told.drain(..) {
            if ends_others { notifications.tell_whole(told) } else { notifications.tell(told, tolerance) }
        }
    }

    /// Drops what is kept, after too many frames.
    fn bound(&mut self) {
        self.frames = if self.told.is_empty() { 0 } else { self.frames + 1 };
        if self.frames >= MAX_MESSAGE_FRAMES {
            self.told = Vec::new();
            self.frames = 0;
            self.is_dropped = true;
        }
    }
}
