//! XPUB: every subscriber gets the topics it has subscribed to, and the program hears of subscriptions (RFC 29).
//! What waits for the program is in [`xpub_notifications`](super::xpub_notifications).

mod last_value;
mod reading;

use self::last_value::{LateSubscribers, Now, Published};
use self::reading::Readings;
use super::backlog::{Backlog, Listener};
use super::distribution::Distribution;
use super::no_drop::NoDrop;
use super::subscribers::{Removed, Subscribers};
use super::xpub_notifications::{
    About, MESSAGE_SHARE, News, Notification, Notifications, Subscriptions, Tolerance, notification,
};
use super::{Behaviour, Origin, flag, set_common};
use crate::counters::{Reason, SocketCounter};
use crate::errno::{Errno, Result};
use crate::message::{Frame, FrameKind, OutFrame};
use crate::options::SocketOptions;
use crate::options::draft_number::{ZMQ_ONLY_FIRST_SUBSCRIBE, ZMQ_TOPICS_COUNT, ZMQ_XPUB_MANUAL_LAST_VALUE};
use crate::options::number::{
    ZMQ_FERRO_LAST_VALUE, ZMQ_FERRO_LAST_VALUE_SIZE, ZMQ_FERRO_MAX_SUBSCRIPTIONS_SIZE, ZMQ_INVERT_MATCHING,
    ZMQ_SUBSCRIBE, ZMQ_UNSUBSCRIBE, ZMQ_XPUB_MANUAL, ZMQ_XPUB_NODROP, ZMQ_XPUB_VERBOSE, ZMQ_XPUB_VERBOSER,
    ZMQ_XPUB_WELCOME_MSG,
};
use crate::options::value::put_int_padded;
use crate::pipe::{PipeId, Pipes};

pub struct Xpub {
    out: Distribution,
    subscribers: Subscribers,
    settings: Settings,
    /// The program hears of subscriptions and of what else the peers send.
    speaks: bool,
    /// The messages that the program is to receive.
    notifications: Notifications,
    /// The program has tried to receive, and its peers have not [waited in vain](MAX_UNHEARD_MESSAGES) since: it is not one that only
    /// sends.
    listens: bool,
    /// Nothing is read, and no peer forgotten, before the program has received more.
    stalled: bool,
    /// Messages that the program has sent since that began, or since it has received from then on.
    unheard_messages: u32,
    /// Pipes with frames that were not read yet.
    backlog: Backlog,
    /// Messages of peers of which some frames were read.
    readings: Readings,
    no_drop: NoDrop,
    /// The next frame sent is not a message's first.
    inside: bool,
    /// More is to be done for a frame than to send it to the matching pipes.
    has_send_rules: bool,
    late: LateSubscribers,
    /// Manual mode: the topics that the peers have asked for, whether or not the program has granted them. Made when that mode
    /// begins: few publishers have it.
    wishes: Option<Box<Subscribers>>,
    /// Manual mode: the peer whose subscription the program has received last, for which it may now subscribe.
    last_pipe: Option<PipeId>,
}

// Every idle publisher has one.
const _: () = assert!(size_of::<Xpub>() <= 576);

/// The cost of telling the program of a subscription, beside all else, in units of a [`Budget`](crate::pipe::Budget).
const TELLING_UNITS: u32 = 2;

/// Messages that a program sends while its peers wait for it to receive, with none received between: it counts as one that only
/// sends then. Some have waited for their first subscribers and never receive again. A proxy may send a burst of a thousand before it
/// receives, and is none of them.
const MAX_UNHEARD_MESSAGES: u32 = 2000;

#[derive(Default)]
struct Settings {
    /// Every subscription is heard of, not only a topic's first.
    verbose_subscribe: bool,
    /// Every unsubscription is heard of, not only a topic's last.
    verbose_unsubscribe: bool,
    /// Without credit the sender waits instead of the subscriber missing the message.
    no_drop: bool,
    /// The program subscribes for its peers.
    manual: bool,
    /// In manual mode: a message goes to the last peer heard of alone.
    to_last_pipe: bool,
    /// Of a message only the first frame can be a subscription.
    only_first: bool,
    invert_matching: bool,
    /// The first message to every peer; empty for none.
    welcome: Vec<u8>,
}

impl Xpub {
    pub fn new(options: &SocketOptions) -> Xpub {
        let settings = Settings { invert_matching: options.invert_matching, ..Settings::default() };
        let mut subscribers = Subscribers::default();
        subscribers.set_limit(options.max_subscriptions_size);
        Xpub {
            out: Distribution::default(),
            subscribers,
            settings,
            speaks: true,
            notifications: Notifications::default(),
            listens: false,
            stalled: false,
            unheard_messages: 0,
            backlog: Backlog::default(),
            readings: Readings::default(),
            no_drop: NoDrop::default(),
            inside: false,
            has_send_rules: false,
            late: LateSubscribers::default(),
            wishes: None,
            last_pipe: None,
        }
    }

    /// For a PUB.
    pub(super) fn silent(options: &SocketOptions) -> Xpub {
        Xpub { speaks: false, ..Xpub::new(options) }
    }

    /// Reads a subscription that came as a command, or a frame of a message. Errors: `ENOMEM`.
    fn read_frame(&mut self, pipe: PipeId, frame: Frame<'_>) -> Result<()> {
        let (subscribe, topic) = match frame.kind() {
            FrameKind::RoutingId | FrameKind::OtherCommand | FrameKind::Join(_) | FrameKind::Leave(_) => {
                return Ok(());
            }
            FrameKind::Subscribe(topic) => (true, topic),
            FrameKind::Cancel(topic) => (false, topic),
            FrameKind::Message => return self.read_message(pipe, frame),
        };
        if let Some(told) = self.hear(pipe, subscribe, topic, &frame)? {
            self.notifications.tell(told, self.tolerance());
        }
        Ok(())
    }

    fn read_message(&mut self, pipe: PipeId, frame: Frame<'_>) -> Result<()> {
        let mut reading = self.readings.take(pipe);
        match reading.subscription(&frame, self.settings.only_first) {
            Some((subscribe, topic)) => {
                if let Some(told) = self.hear(pipe, subscribe, topic, &frame)? {
                    let tolerance = self.tolerance();
                    reading.add_subscription(told, &mut self.notifications, tolerance)?;
                }
            }
            None => reading.add_frame(pipe, frame, self.speaks)?,
        }
        let tolerance = self.tolerance();
        self.readings.put(pipe, reading, &mut self.notifications, tolerance);
        Ok(())
    }

    /// Does what a subscription asks for. The notification for the program. Errors: `ENOMEM`, `ENOBUFS`.
    fn hear(
        &mut self,
        pipe: PipeId,
        subscribe: bool,
        topic: &[u8],
        frame: &Frame<'_>,
    ) -> Result<Option<Notification>> {
        let of = self.settings.tells_apart(pipe);
        let (tell, news) = if self.settings.manual {
            (true, News { of, is_idle: self.note_wish(subscribe, topic, pipe)?, begins: subscribe })
        } else {
            self.subscribe(subscribe, topic, pipe)?
        };
        if !tell || !self.speaks {
            return Ok(None);
        }
        let mut msg = notification(subscribe, topic)?;
        msg.set_metadata(frame.metadata.cloned());
        let wish = self.settings.manual.then_some(Some(pipe));
        let about = About::News(news);
        Ok(Some(Notification { msg, wish, about, ends_message: false }))
    }

    /// Whether the program is to hear of it, and what. Errors: `ENOMEM`.
    fn subscribe(&mut self, subscribe: bool, topic: &[u8], pipe: PipeId) -> Result<(bool, News)> {
        let of = self.settings.tells_apart(pipe);
        if subscribe {
            let first = self.subscribers.add(topic, pipe)?;
            self.hear_late(true, topic, pipe)?;
            let news = News { of, is_idle: false, begins: first || of.is_some() };
            return Ok((first || self.settings.verbose_subscribe, news));
        }
        let removed = self.subscribers.remove(topic, pipe);
        self.hear_late(false, topic, pipe)?;
        let tell = removed != Removed::OneOfMany || self.settings.verbose_unsubscribe;
        Ok((tell, News { of, is_idle: removed == Removed::Nothing, begins: false }))
    }

    /// Subscriptions that the program may have been told of, with none of them taken back.
    fn subscriptions(&self) -> usize {
        if self.settings.manual {
            self.wishes.as_ref().map_or(0, |wishes| wishes.total())
        } else {
            self.subscribers.total()
        }
    }

    /// Whether all peers have to wait until the program has received more: it is one that sees each subscription.
    fn must_wait(&self) -> bool {
        self.tolerance() == Tolerance::All && self.notifications.are_many(self.subscriptions())
    }

    fn set_stalled(&mut self, stalled: bool) {
        if stalled != self.stalled {
            self.stalled = stalled;
            self.unheard_messages = 0;
            self.note_send_rules();
        }
    }

    fn note_send_rules(&mut self) {
        let settings = &self.settings;
        self.has_send_rules =
            settings.no_drop || settings.to_last_pipe || self.late.are_served() || self.stalled;
    }

    /// A message was sent while the peers wait for the program to receive.
    fn count_unheard(&mut self, pipes: &mut Pipes) {
        self.unheard_messages += 1;
        if self.unheard_messages >= MAX_UNHEARD_MESSAGES {
            self.listens = false;
            self.set_stalled(false);
            pipes.budget.leave_undone();
        }
    }

    /// Notifications that may wait for the program before its peers have to wait: a program that sees each subscription misses
    /// none.
    fn tolerance(&self) -> Tolerance {
        if self.listens && self.settings.tells_all() {
            Tolerance::All
        } else {
            let (number, are_all_told) = (self.subscriptions(), self.settings.tells_all());
            Tolerance::Beside(Subscriptions { number, are_all_told })
        }
    }

    /// Forgets the subscriptions of peers that are gone, and tells the program, as far as the budget goes and the program
    /// listens.
    fn forget_leavers(&mut self, pipes: &mut Pipes) {
        while self.subscribers.has_leaving_pipes() && !self.must_wait() && pipes.budget.allows() {
            let (speaks, manual, settings) = (self.speaks, self.settings.manual, &self.settings);
            let (tolerance, notifications) = (self.tolerance(), &mut self.notifications);
            self.subscribers.forget_some(&mut pipes.budget, |topic, pipe, last| {
                if speaks && !manual && (last || settings.verbose_unsubscribe) {
                    notifications.tell_of_end(topic, settings.tells_apart(pipe), None, tolerance);
                }
            });
        }
        while self.have_leaving_wishes() && !self.must_wait() && pipes.budget.allows() {
            let (speaks, settings) = (self.speaks && self.settings.manual, &self.settings);
            let (tolerance, notifications) = (self.tolerance(), &mut self.notifications);
            let Some(wishes) = &mut self.wishes else { return };
            wishes.forget_some(&mut pipes.budget, |topic, pipe, _| {
                if speaks {
                    notifications.tell_of_end(topic, settings.tells_apart(pipe), Some(None), tolerance);
                }
            });
        }
    }

    fn have_leaving_wishes(&self) -> bool {
        self.wishes.as_ref().is_some_and(|wishes| wishes.has_leaving_pipes())
    }

    /// Whether the peer had no such wish, which it takes back. Errors: `ENOMEM`.
    fn note_wish(&mut self, subscribe: bool, topic: &[u8], pipe: PipeId) -> Result<bool> {
        match &mut self.wishes {
            Some(wishes) if subscribe => wishes.add(topic, pipe).map(|_| false),
            Some(wishes) => Ok(wishes.remove(topic, pipe) == Removed::Nothing),
            None => Ok(false),
        }
    }

    /// `ZMQ_SUBSCRIBE` and `ZMQ_UNSUBSCRIBE`: the program answers the last wish it has heard of.
    fn answer_wish(&mut self, subscribe: bool, topic: &[u8]) -> Result<()> {
        if !self.settings.manual {
            return Err(Errno::INVAL);
        }
        if let Some(pipe) = self.last_pipe {
            if subscribe {
                self.subscribers.add(topic, pipe)?;
            } else {
                self.subscribers.remove(topic, pipe);
            }
            self.hear_late(subscribe, topic, pipe)?;
        }
        Ok(())
    }

    /// The peer may be due the last values of the topic. Errors: `ENOMEM`.
    fn hear_late(&mut self, subscribe: bool, topic: &[u8], pipe: PipeId) -> Result<()> {
        let now = now(&self.subscribers, &self.settings, self.inside);
        self.late.hear(now, subscribe, topic, pipe)
    }

    /// As `send`, with all that few publishers ask for.
    #[cold]
    fn send_by_rules(&mut self, pipes: &mut Pipes, frame: &mut OutFrame<'_>) -> Result<()> {
        if self.settings.no_drop && !self.no_drop.check(&self.out, pipes, self.inside) {
            return Err(Errno::AGAIN);
        }
        self.out.send_to_matching(pipes, frame)?;
        let first = !std::mem::replace(&mut self.inside, frame.more());
        // What goes to one peer alone is not published.
        let is_directed = first && self.only_receiver().is_some();
        if first && self.settings.to_last_pipe {
            self.last_pipe = None;
        }
        if first && self.stalled {
            self.count_unheard(pipes);
        }
        self.late.keep(frame, Published { is_first: first, is_directed });
        if self.late.have_work(self.inside) {
            pipes.budget.leave_undone();
        }
        Ok(())
    }

    /// Chooses the pipes that get the message that begins with this frame.
    #[inline]
    fn choose(&mut self, data: &[u8]) {
        let only = self.only_receiver();
        let out = &mut self.out;
        out.unmatch();
        match only {
            Some(only) => self.subscribers.for_each_match(data, |pipe| {
                if pipe == only {
                    out.match_pipe(pipe);
                }
            }),
            None => self.subscribers.for_each_match(data, |pipe| out.match_pipe(pipe)),
        }
        if self.settings.invert_matching {
            self.out.invert_match();
        }
    }

    /// With `ZMQ_XPUB_MANUAL_LAST_VALUE`: the peer that alone can get the next message.
    fn only_receiver(&self) -> Option<PipeId> {
        if self.settings.manual && self.settings.to_last_pipe { self.last_pipe } else { None }
    }

    /// Shows what there is.
    fn count(&self, pipes: &Pipes) {
        let gauges = [
            (SocketCounter::Subscriptions, self.subscribers.total()),
            (SocketCounter::NotificationsWaiting, self.notifications.news()),
            (SocketCounter::MessagesWaiting, self.notifications.messages()),
        ];
        for (gauge, count) in gauges {
            pipes.record.set(gauge, count as u64);
        }
    }

    fn set_flag(&mut self, option: i32, yes: bool) {
        let settings = &mut self.settings;
        match option {
            ZMQ_XPUB_VERBOSE => (settings.verbose_subscribe, settings.verbose_unsubscribe) = (yes, false),
            ZMQ_XPUB_VERBOSER => (settings.verbose_subscribe, settings.verbose_unsubscribe) = (yes, yes),
            ZMQ_XPUB_MANUAL_LAST_VALUE => (settings.manual, settings.to_last_pipe) = (yes, yes),
            ZMQ_XPUB_MANUAL => settings.manual = yes,
            ZMQ_XPUB_NODROP => settings.no_drop = yes,
            ZMQ_ONLY_FIRST_SUBSCRIBE => settings.only_first = yes,
            _ => {}
        }
    }
}

impl Settings {
    /// The program sees each subscription, not only a topic's first and its last end.
    fn tells_all(&self) -> bool {
        self.verbose_subscribe || self.verbose_unsubscribe || self.manual
    }

    /// Whose subscription it is, where those of different peers are different news.
    fn tells_apart(&self, pipe: PipeId) -> Option<PipeId> {
        (self.verbose_unsubscribe || self.manual).then_some(pipe)
    }
}

impl Listener for Xpub {
    fn is_full(&self) -> bool {
        self.must_wait()
    }

    fn holds_up(&self, pipe: PipeId) -> bool {
        self.late.hold_up(pipe) && !self.is_inside(pipe)
    }

    fn is_crowded(&self) -> bool {
        self.notifications.are_crowded()
    }

    fn holds_back(&self, pipe: PipeId, frame: &Frame<'_>) -> bool {
        self.speaks
            && frame.kind() == FrameKind::Message
            && self.readings.is_for_program(pipe, frame)
            && self.notifications.weight_of(pipe).saturating_add(self.readings.kept_of(pipe)) >= MESSAGE_SHARE
    }

    fn is_inside(&self, pipe: PipeId) -> bool {
        self.readings.keep_some(pipe)
    }

    fn units(&self) -> u32 {
        let told = if self.speaks { TELLING_UNITS } else { 0 };
        let wishes = self.wishes.as_ref().map_or(0, |wishes| wishes.change_units());
        told + self.subscribers.change_units().max(wishes)
    }

    fn take_in(&mut self, pipe: PipeId, frame: Frame<'_>) -> Result<()> {
        self.read_frame(pipe, frame)
    }
}

fn now<'x>(subscribers: &'x Subscribers, settings: &Settings, inside: bool) -> Now<'x> {
    Now { subscribers, inverted: settings.invert_matching, inside }
}

impl Behaviour for Xpub {
    fn attach(&mut self, pipes: &mut Pipes, pipe: PipeId, origin: Origin) {
        self.out.attach(pipe);
        if origin == Origin::Datagrams && self.subscribers.add(b"", pipe).is_err() {
            return pipes.terminate(pipe);
        }
        if !self.settings.welcome.is_empty()
            && let Ok(true) = pipes.write(pipe, &mut OutFrame::bytes(&self.settings.welcome, false))
        {
            pipes.flush(pipe);
        }
        if origin != Origin::Datagrams && self.hear_late(false, b"", pipe).is_err() {
            return pipes.refuse(pipe, Errno::NOMEM);
        }
        // Subscriptions may have come before the pipe.
        self.backlog.add(pipe);
        pipes.budget.leave_undone();
    }

    #[inline]
    fn send(&mut self, pipes: &mut Pipes, frame: &mut OutFrame<'_>) -> Result<()> {
        if !self.inside {
            self.choose(frame.data());
        }
        if self.has_send_rules {
            return self.send_by_rules(pipes, frame);
        }
        self.out.send_to_matching(pipes, frame)?;
        self.inside = frame.more();
        Ok(())
    }

    fn recv<'p>(&mut self, pipes: &'p mut Pipes) -> Result<Frame<'p>> {
        self.listens = true;
        self.unheard_messages = 0;
        let was_crowded = self.notifications.are_crowded();
        let Notification { msg, wish, .. } = self.notifications.pop().ok_or(Errno::AGAIN)?;
        let peers_wait = self.stalled && self.notifications.have_room(self.subscriptions());
        if peers_wait {
            self.set_stalled(false);
        }
        if peers_wait || was_crowded && !self.notifications.are_crowded() {
            pipes.budget.leave_undone();
        }
        self.count(pipes);
        if let Some(pipe) = wish
            && self.settings.manual
        {
            self.last_pipe = pipe.filter(|&pipe| self.out.contains(pipe));
        }
        Ok(Frame::owned(msg))
    }

    fn has_in(&mut self, _: &mut Pipes) -> bool {
        !self.notifications.is_empty()
    }

    fn has_out(&mut self, _: &mut Pipes) -> bool {
        // A message's pipes are known, and so whether it has to wait, once it is sent.
        true
    }

    fn read_activated(&mut self, _: &mut Pipes, pipe: PipeId) {
        self.backlog.add(pipe);
    }

    fn go_on(&mut self, pipes: &mut Pipes) {
        loop {
            // First of all, so that no flood of subscriptions keeps them back.
            if let Some(pipe) = self.late.serve(pipes, now(&self.subscribers, &self.settings, self.inside)) {
                // It may have more to say.
                self.backlog.add(pipe);
            }
            if !self.stalled {
                let mut backlog = std::mem::take(&mut self.backlog);
                backlog.read(pipes, self);
                self.backlog = backlog;
            }
            if !self.late.have_work(self.inside) || !pipes.budget.allows() {
                break;
            }
        }
        if !self.stalled {
            self.forget_leavers(pipes);
            self.set_stalled(self.must_wait());
        }
        let (unheard, too_long) = self.readings.take_dropped();
        pipes.record.dropped(Reason::Filtered, unheard);
        pipes.record.dropped(Reason::Malformed, too_long);
        self.count(pipes);
    }

    fn write_activated(&mut self, _: &mut Pipes, pipe: PipeId) {
        self.out.activated(pipe);
        self.late.activated(pipe);
    }

    fn hiccuped(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        self.out.hiccuped(pipes, pipe);
        self.late.activated(pipe);
    }

    fn terminated(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        self.out.terminated(pipes, pipe);
        self.readings.forget(pipe);
        self.backlog.forget(pipe);
        self.late.leave(pipe);
        if self.last_pipe == Some(pipe) {
            self.last_pipe = None;
        }
        let has_subscribed = self.subscribers.leave(pipe);
        let has_wished = self.wishes.as_mut().is_some_and(|wishes| wishes.leave(pipe));
        if has_wished || has_subscribed {
            pipes.budget.leave_undone();
        }
    }

    fn set_option(
        &mut self,
        pipes: &mut Pipes,
        options: &mut SocketOptions,
        option: i32,
        value: &[u8],
    ) -> Option<Result<()>> {
        let outcome = match option {
            ZMQ_XPUB_VERBOSE
            | ZMQ_XPUB_VERBOSER
            | ZMQ_XPUB_MANUAL_LAST_VALUE
            | ZMQ_XPUB_MANUAL
            | ZMQ_XPUB_NODROP
            | ZMQ_ONLY_FIRST_SUBSCRIBE => flag(value).map(|yes| {
                self.set_flag(option, yes);
                if self.settings.manual {
                    self.wishes.get_or_insert_default().set_limit(options.max_subscriptions_size);
                }
            }),
            ZMQ_SUBSCRIBE => self.answer_wish(true, value),
            ZMQ_UNSUBSCRIBE => self.answer_wish(false, value),
            ZMQ_XPUB_WELCOME_MSG => {
                self.settings.welcome = value.to_vec();
                Ok(())
            }
            ZMQ_FERRO_MAX_SUBSCRIPTIONS_SIZE => set_common(options, option, value).map(|()| {
                self.subscribers.set_limit(options.max_subscriptions_size);
                if let Some(wishes) = &mut self.wishes {
                    wishes.set_limit(options.max_subscriptions_size);
                }
            }),
            ZMQ_FERRO_LAST_VALUE | ZMQ_FERRO_LAST_VALUE_SIZE => {
                set_common(options, option, value).map(|()| self.late.configure(options))
            }
            ZMQ_INVERT_MATCHING => set_common(options, option, value)
                .map(|()| self.settings.invert_matching = options.invert_matching),
            _ => return None,
        };
        self.count(pipes);
        self.note_send_rules();
        if self.late.have_work(self.inside) {
            pipes.budget.leave_undone();
        }
        Some(outcome)
    }

    fn option(&self, option: i32, out: &mut [u8]) -> Option<Result<usize>> {
        let topics = || i32::try_from(self.subscribers.len()).unwrap_or(i32::MAX);
        (option == ZMQ_TOPICS_COUNT).then(|| put_int_padded(out, topics()))
    }
}

#[cfg(test)]
mod tests;
