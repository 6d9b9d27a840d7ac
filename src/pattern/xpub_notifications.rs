//! Notifications for the program of an XPUB: subscriptions, and the peers' own messages.
//!
//! A program may be slower than its peers, or never listen at all, and they must not fill its memory for it. So there is a bound
//! ([`MAX_UNREAD_NOTIFICATIONS`]), beside as many notifications as there are subscriptions. What happens at the bound depends on
//! the notifications that the program wants. If it wants a topic's first subscription and its last end, it need not hear of
//! topics that have come and gone meanwhile: these are [folded](Notifications::tell). If it wants all notifications, the peers
//! wait for it.
//!
//! | of the topic waits, and may be folded | comes | then |
//! |---|---|---|
//! | nothing | a subscription, or an end | it waits, and may be folded |
//! | nothing | an end of what no peer was subscribed to | is not told |
//! | the same | the same again | is not told |
//! | a subscription that begins the topic | its end | both go |
//! | a subscription to a topic that was heard of before | the last end | both wait |
//! | an end | a subscription, and the program asks for all | both wait; the subscription may be folded |
//! | an end | a subscription | both go |
//!
//! The peers' own messages have a bound of the same size. Beyond it a peer waits that has [its share](MESSAGE_SHARE)
//! of them, and no other: what one peer sends must not keep the subscriptions of the others from taking effect.

use crate::errno::Result;
use crate::message::Msg;
use crate::pipe::PipeId;
use crate::sys::memory;
use std::collections::BTreeMap;

/// Notifications that wait for the program, beside those of the topics that are subscribed to, and messages that do. One of more
/// than [`NOTIFICATION_UNIT_BYTES`] counts for more.
pub const MAX_UNREAD_NOTIFICATIONS: usize = 1000;
const NOTIFICATION_UNIT_BYTES: usize = 1024;
/// Frames of one peer's own messages that may wait where too many of all peers do. With more it would matter what peers leave behind that
/// come and go; with fewer one that sends a message before it subscribes would not be heard.
pub const MESSAGE_SHARE: usize = 32;

#[derive(Default)]
pub struct Notifications {
    /// By number, in the order in which they came.
    waiting: BTreeMap<u64, Notification>,
    next: u64,
    /// Numbers of those that may be folded, by what they tell of. No hash table: one of many grows all at once, which takes longer
    /// than a call may.
    foldable: BTreeMap<Subject, u64>,
    message_weight: usize,
    /// The part of each peer that has any.
    message_weights: BTreeMap<PipeId, usize>,
    /// Too many messages wait, and no more than half of them have been received since.
    is_crowded: bool,
    news_weight: usize,
    /// Messages of peers among those that wait.
    messages: usize,
    /// Their frames.
    message_frames: usize,
}

pub struct Notification {
    pub msg: Msg,
    /// In manual mode: this tells of a wish, and whose.
    pub wish: Option<Option<PipeId>>,
    pub about: About,
    /// It is the last one of a peer's own message.
    pub ends_message: bool,
}

/// What the program hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    News(News),
    /// A frame of this peer's own message.
    Message(PipeId),
}

/// A peer has subscribed to a topic, or has ended that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct News {
    /// The peer, where the program is to hear of each peer.
    pub of: Option<PipeId>,
    /// No peer was subscribed to the topic that was ended.
    pub is_idle: bool,
    /// The topic, as the program knows it, had no subscription before. One more of a topic that it may have heard of already has an end that
    /// it must hear of.
    pub begins: bool,
}

/// How many notifications may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tolerance {
    /// All: the peers that send them are stopped in time.
    All,
    /// [`MAX_UNREAD_NOTIFICATIONS`] beside one for each subscription.
    Beside(Subscriptions),
}

/// What peers are subscribed to now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscriptions {
    pub number: usize,
    /// The program has asked to hear of each. It acts on them, by a snapshot or a subscription of its own. So it hears of one to a topic
    /// whose end it has not heard of yet.
    pub are_all_told: bool,
}

/// Topics as [`News::of`] tells them apart.
type Subject = (Option<PipeId>, Vec<u8>);

impl Notifications {
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether too many notifications wait beside one for each subscription.
    pub fn are_many(&self, subscriptions: usize) -> bool {
        self.exceed(subscriptions, MAX_UNREAD_NOTIFICATIONS)
    }

    /// Whether there is room again for peers that wait for that.
    pub fn have_room(&self, subscriptions: usize) -> bool {
        !self.exceed(subscriptions, MAX_UNREAD_NOTIFICATIONS / 2)
    }

    fn exceed(&self, subscriptions: usize, most: usize) -> bool {
        self.news_weight >= most.saturating_add(subscriptions)
    }

    /// Whether too many messages of the peers' own wait.
    pub fn are_crowded(&self) -> bool {
        self.is_crowded
    }

    /// The weight of the peer's part of them.
    pub fn weight_of(&self, pipe: PipeId) -> usize {
        self.message_weights.get(&pipe).copied().unwrap_or(0)
    }

    /// Messages of peers that wait.
    pub fn messages(&self) -> usize {
        self.messages
    }

    /// What else waits: subscriptions and their ends.
    pub fn news(&self) -> usize {
        self.waiting.len().saturating_sub(self.message_frames)
    }

    /// Adds one as it is.
    pub fn push(&mut self, notification: Notification) {
        self.messages += usize::from(notification.ends_message);
        let weight = weight(&notification.msg);
        match notification.about {
            About::News(_) => self.news_weight += weight,
            About::Message(pipe) => {
                self.message_frames += 1;
                self.message_weight += weight;
                *self.message_weights.entry(pipe).or_default() += weight;
                self.is_crowded |= self.message_weight >= MAX_UNREAD_NOTIFICATIONS;
            }
        }
        self.waiting.insert(self.next, notification);
        self.next += 1;
    }

    /// Adds one that is part of a peer's message with others. The program hears of it in any case.
    pub fn tell_whole(&mut self, notification: Notification) {
        // Later ones may not be folded with what lies before this one.
        self.foldable.clear();
        self.push(notification);
    }

    /// Adds one. Where there are too many already, the program does not hear of a topic that comes and goes before its turn: the
    /// two notifications go together.
    pub fn tell(&mut self, notification: Notification, tolerance: Tolerance) {
        let About::News(news) = notification.about else { return self.push(notification) };
        let Tolerance::Beside(subscriptions) = tolerance else { return self.tell_whole(notification) };
        let many = self.are_many(subscriptions.number);
        let Some((way, topic)) = notification.msg.data().split_first() else { return };
        if !many && self.foldable.is_empty() {
            return self.push(notification);
        }
        let Some(subject) = subject(news, topic) else {
            // Without memory nothing is folded, neither this one nor later ones with what lies before it.
            return self.tell_whole(notification);
        };
        match self.foldable.get(&subject).copied() {
            // The same again is no news.
            Some(number) if self.way_of(number) == Some(*way) => {}
            Some(_) if *way != 0 && subscriptions.are_all_told => {
                // Its end may be folded with it, and the one before stays.
                self.foldable.insert(subject, self.next);
                self.push(notification);
            }
            Some(number) if *way == 0 && !self.begins(number) => {
                self.foldable.remove(&subject);
                self.push(notification);
            }
            Some(number) => {
                self.foldable.remove(&subject);
                self.take(number);
            }
            None if many && news.is_idle => {}
            None => {
                if many {
                    self.foldable.insert(subject, self.next);
                }
                self.push(notification);
            }
        }
    }

    /// See [`News::begins`].
    fn begins(&self, number: u64) -> bool {
        let about = self.waiting.get(&number).map(|notification| notification.about);
        matches!(about, Some(About::News(News { begins: true, .. })))
    }

    /// Adds that a peer has gone, which had subscribed to the topic. Without memory the program does not hear of it.
    pub fn tell_of_end(
        &mut self,
        topic: &[u8],
        of: Option<PipeId>,
        wish: Option<Option<PipeId>>,
        tolerance: Tolerance,
    ) {
        // While memory is short the program does without: what waits for it would take what the peer has left behind.
        if !memory::is_short()
            && let Ok(msg) = notification(false, topic)
        {
            let about = About::News(News { of, is_idle: false, begins: false });
            self.tell(Notification { msg, wish, about, ends_message: false }, tolerance);
        }
    }

    /// The next one.
    pub fn pop(&mut self) -> Option<Notification> {
        let number = *self.waiting.first_key_value()?.0;
        let notification = self.take(number)?;
        if !self.foldable.is_empty()
            && let About::News(news) = notification.about
            && let Some((_, topic)) = notification.msg.data().split_first()
        {
            match subject(news, topic) {
                Some(subject) if self.foldable.get(&subject) == Some(&number) => {
                    self.foldable.remove(&subject);
                }
                Some(_) => {}
                // Without memory to look for it no later one may be folded with this one, which is gone.
                None => self.foldable.clear(),
            }
        }
        Some(notification)
    }

    fn take(&mut self, number: u64) -> Option<Notification> {
        let notification = self.waiting.remove(&number)?;
        self.messages -= usize::from(notification.ends_message);
        let weight = weight(&notification.msg);
        match notification.about {
            About::News(_) => self.news_weight -= weight,
            About::Message(pipe) => {
                self.message_frames -= 1;
                self.message_weight -= weight;
                self.take_from_share(pipe, weight);
                self.is_crowded &= self.message_weight >= MAX_UNREAD_NOTIFICATIONS / 2;
            }
        }
        Some(notification)
    }

    fn way_of(&self, number: u64) -> Option<u8> {
        self.waiting.get(&number)?.msg.data().first().copied()
    }

    fn take_from_share(&mut self, pipe: PipeId, weight: usize) {
        let Some(share) = self.message_weights.get_mut(&pipe) else { return };
        *share = share.saturating_sub(weight);
        if *share == 0 {
            self.message_weights.remove(&pipe);
        }
    }
}

/// How the program hears of a subscription: one byte that says which way, then the topic. Errors: `ENOMEM`.
pub fn notification(subscribe: bool, topic: &[u8]) -> Result<Msg> {
    let mut msg = Msg::with_len(topic.len().saturating_add(1))?;
    if let [way, rest @ ..] = msg.data_mut() {
        *way = u8::from(subscribe);
        rest.copy_from_slice(topic);
    }
    Ok(msg)
}

/// The subject of a notification; `None` where there is no memory for the topic, which is as long as a peer likes.
fn subject(news: News, topic: &[u8]) -> Option<Subject> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(topic.len()).ok()?;
    copy.extend_from_slice(topic);
    Some((news.of, copy))
}

fn weight(msg: &Msg) -> usize {
    1 + msg.len() / NOTIFICATION_UNIT_BYTES
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    /// There are no subscriptions.
    const NONE: Tolerance = Tolerance::Beside(Subscriptions { number: 0, are_all_told: false });
    const NONE_OF_ALL: Tolerance = Tolerance::Beside(Subscriptions { number: 0, are_all_told: true });

    fn news(subscribe: bool, topic: &str) -> Notification {
        let text = [&[u8::from(subscribe)], topic.as_bytes()].concat();
        let news = News { of: None, is_idle: false, begins: subscribe };
        Notification {
            msg: Msg::copy_from(&text).unwrap(),
            wish: None,
            about: About::News(news),
            ends_message: false,
        }
    }

    fn all(notifications: &mut Notifications) -> Vec<String> {
        let pop = || notifications.pop();
        let told: Vec<_> = std::iter::from_fn(pop).collect();
        told.iter().map(|told| String::from_utf8_lossy(told.msg.data()).into_owned()).collect()
    }

    /// As many as there may be.
    fn many() -> Notifications {
        let mut notifications = Notifications::default();
        for i in 0..MAX_UNREAD_NOTIFICATIONS {
            assert!(!notifications.are_many(0));
            notifications.tell(news(i % 2 == 0, "before"), NONE);
        }
        assert!(notifications.are_many(0) && !notifications.are_many(1));
        notifications
    }

    #[test]
    fn topics_that_come_and_go_are_not_heard_of_once_there_are_too_many() {
        let mut notifications = many();
        for (subscribe, topic) in
            [(true, "a"), (true, "b"), (true, "a"), (false, "a"), (true, "c"), (false, "b"), (true, "b")]
        {
            notifications.tell(news(subscribe, topic), NONE);
        }
        for _ in 0..10 * MAX_UNREAD_NOTIFICATIONS {
            notifications.tell(news(true, "flood"), NONE);
            notifications.tell(news(false, "flood"), NONE);
        }
        let told = all(&mut notifications);
        assert_eq!(told.len(), MAX_UNREAD_NOTIFICATIONS + 2);
        assert_eq!(told[MAX_UNREAD_NOTIFICATIONS..], ["\u{1}c", "\u{1}b"]);
        assert!(notifications.foldable.is_empty() && notifications.news_weight == 0);
    }

    #[test]
    fn a_program_that_asks_for_all_hears_of_a_topic_that_has_gone_and_come() {
        for (tolerance, heard) in [(NONE_OF_ALL, &["\0a", "\u{1}a"][..]), (NONE, &[])] {
            let mut notifications = many();
            for _ in 0..2 * MAX_UNREAD_NOTIFICATIONS {
                notifications.tell(news(false, "a"), tolerance);
                notifications.tell(news(true, "a"), tolerance);
            }
            assert_eq!(all(&mut notifications)[MAX_UNREAD_NOTIFICATIONS..], *heard, "{tolerance:?}");
            assert!(notifications.foldable.is_empty() && notifications.news_weight == 0);
        }
    }

    /// Of many notifications, which peers subscribe to a topic that the program has heard of, and end that.
    #[test]
    fn the_end_of_a_topic_that_was_heard_of_is_heard_of() {
        let mut notifications = many();
        let mut another = news(true, "a");
        another.about = About::News(News { of: None, is_idle: false, begins: false });
        notifications.tell(another, NONE_OF_ALL);
        notifications.tell(news(false, "a"), NONE_OF_ALL);
        for _ in 0..MAX_UNREAD_NOTIFICATIONS {
            notifications.tell(news(true, "a"), NONE_OF_ALL);
            notifications.tell(news(true, "a"), NONE_OF_ALL);
            notifications.tell(news(false, "a"), NONE_OF_ALL);
        }
        assert_eq!(all(&mut notifications)[MAX_UNREAD_NOTIFICATIONS..], ["\u{1}a", "\0a"]);
        assert!(notifications.foldable.is_empty() && notifications.news_weight == 0);
    }

    #[test]
    fn subscription_that_was_announced_is_taken_back() {
        let mut notifications = many();
        notifications.tell(news(true, "a"), NONE);
        while notifications.pop().unwrap().msg.data() != b"\x01a" {}
        for _ in 0..MAX_UNREAD_NOTIFICATIONS {
            notifications.push(news(true, "x"));
        }
        notifications.tell(news(false, "a"), NONE);
        assert_eq!(all(&mut notifications).pop().unwrap(), "\0a");
    }

    #[test]
    fn ends_of_unknown_subscriptions_are_bounded() {
        let mut notifications = many();
        for i in 0..MAX_UNREAD_NOTIFICATIONS {
            let mut idle = news(false, &i.to_string());
            idle.about = About::News(News { of: None, is_idle: true, begins: false });
            notifications.tell(idle, NONE);
        }
        assert_eq!(all(&mut notifications).len(), MAX_UNREAD_NOTIFICATIONS);
    }

    #[test]
    fn large_ones_count_for_more() {
        let mut notifications = Notifications::default();
        let msg = Msg::copy_from(&[1; NOTIFICATION_UNIT_BYTES * MAX_UNREAD_NOTIFICATIONS]).unwrap();
        let peer = PipeId::default();
        notifications.push(Notification { msg, wish: None, about: About::Message(peer), ends_message: true });
        notifications.push(news(true, "a"));
        assert!(notifications.are_crowded());
        assert_eq!(notifications.weight_of(peer), MAX_UNREAD_NOTIFICATIONS + 1);
        assert!(!notifications.are_many(0), "of subscriptions there are few");
        assert_eq!((notifications.messages(), notifications.news()), (1, 1));
        notifications.pop().unwrap();
        assert_eq!((notifications.messages(), notifications.news()), (0, 1));
        assert!(!notifications.are_crowded() && notifications.message_weights.is_empty());
        notifications.pop().unwrap();
        assert!(notifications.have_room(0) && notifications.is_empty());
    }
}
