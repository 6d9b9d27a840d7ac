//! The one table of all counters. The names in the file, in the JSON text and in the documentation are made from it.
//!
//! A counter that is added here appears everywhere. Its name never changes its meaning once it is published.
#![forbid(unsafe_code)]

/// A value of a record, as the file's table of names has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub name: String,
    /// Of its first byte in the record.
    pub offset: usize,
    pub unit: &'static str,
    pub behaviour: String,
    /// A sentence.
    pub help: String,
}

impl Row {
    pub fn new(name: &str, offset: usize, unit: Unit, behaviour: &str, help: &str) -> Row {
        Row {
            name: name.to_string(),
            offset,
            unit: unit.name(),
            behaviour: behaviour.to_string(),
            help: help.to_string(),
        }
    }

    pub fn counter(name: &str, offset: usize, help: &str) -> Row {
        Row::new(name, offset, Unit::Count, Behaviour::Counter.name(), help)
    }

    pub fn gauge(name: &str, offset: usize, help: &str) -> Row {
        Row::new(name, offset, Unit::Count, Behaviour::Gauge.name(), help)
    }

    /// Of a text of at most `bytes`.
    pub fn text(name: &str, offset: usize, bytes: usize, help: &str) -> Row {
        Row { unit: "", ..Row::new(name, offset, Unit::Count, &format!("text {bytes}"), help) }
    }

    /// One row for each counter of a table, which lie one behind the other.
    pub fn all(counters: impl Iterator<Item = Description>, prefix: &str, offset: usize) -> Vec<Row> {
        let rows = counters.enumerate().map(|(index, counter)| {
            let name = format!("{prefix}{}", counter.name);
            let at = offset + index * size_of::<u64>();
            Row::new(&name, at, counter.unit, counter.behaviour.name(), counter.help)
        });
        rows.collect()
    }
}

/// A unit of what is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Messages,
    Frames,
    Bytes,
    Nanoseconds,
    /// As the name says.
    Count,
}

impl Unit {
    pub fn name(self) -> &'static str {
        match self {
            Unit::Messages => "messages",
            Unit::Frames => "frames",
            Unit::Bytes => "bytes",
            Unit::Nanoseconds => "nanoseconds",
            Unit::Count => "count",
        }
    }
}

/// How a value behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
}

impl Behaviour {
    pub fn name(self) -> &'static str {
        match self {
            Behaviour::Counter => "counter",
            Behaviour::Gauge => "gauge",
        }
    }
}

/// What a reader needs to know of a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Description {
    pub name: &'static str,
    pub unit: Unit,
    pub behaviour: Behaviour,
    /// A sentence.
    pub help: &'static str,
}

/// An enum of counters, and the description of each.
macro_rules! counters {
    ($(#[$doc:meta])* $enum:ident { $(#[doc = $help:literal] $variant:ident = $name:literal, $unit:ident, $behaviour:ident;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $enum {
            $(#[doc = $help] $variant,)*
        }

        impl $enum {
            pub const ALL: &'static [$enum] = &[$($enum::$variant),*];
            pub const COUNT: usize = $enum::ALL.len();

            pub const fn description(self) -> Description {
                match self {
                    $($enum::$variant => Description {
                        name: $name,
                        unit: Unit::$unit,
                        behaviour: Behaviour::$behaviour,
                        help: $help.trim_ascii_start(),
                    },)*
                }
            }
        }
    };
}

counters! {
    /// What is counted for a socket. The first six are those of ended lanes, until a snapshot adds those of the others. The last two are
    /// those of ended connections in the same way.
    SocketCounter {
        /// Messages that the program has sent, each as often as there are peers that it went to.
        MessagesSent = "messages_sent", Messages, Counter;
        /// Bytes of their bodies.
        BytesSent = "bytes_sent", Bytes, Counter;
        /// Frames that the program has sent, as messages.
        FramesSent = "frames_sent", Frames, Counter;
        /// Messages that the socket has taken from its peers.
        MessagesReceived = "messages_received", Messages, Counter;
        /// Bytes of their bodies.
        BytesReceived = "bytes_received", Bytes, Counter;
        /// Frames that the socket has taken from its peers.
        FramesReceived = "frames_received", Frames, Counter;
        /// Calls that could not send and did not wait, or waited too long.
        SendsRefused = "sends_refused", Count, Counter;
        /// Calls that found nothing to receive and did not wait, or waited too long.
        ReceivesRefused = "receives_refused", Count, Counter;
        /// Connections that this side has opened.
        Connects = "connects", Count, Counter;
        /// Connections that peers have opened.
        Accepts = "accepts", Count, Counter;
        /// Attempts to connect that follow another one.
        Reconnects = "reconnects", Count, Counter;
        /// Connections whose handshake is over.
        HandshakesSucceeded = "handshakes_succeeded", Count, Counter;
        /// Handshakes in which a peer was turned away, or turned this side away.
        HandshakesFailedAuth = "handshakes_failed_auth", Count, Counter;
        /// Handshakes that broke the protocol.
        HandshakesFailedProtocol = "handshakes_failed_protocol", Count, Counter;
        /// Handshakes that took too long.
        HandshakesFailedTimeout = "handshakes_failed_timeout", Count, Counter;
        /// Handshakes whose stream has ended or broken.
        HandshakesFailedStream = "handshakes_failed_stream", Count, Counter;
        /// Connections that the peer has closed, or whose stream has broken.
        DisconnectsStream = "disconnects_stream", Count, Counter;
        /// Connections that have ended since the peer broke the protocol.
        DisconnectsProtocol = "disconnects_protocol", Count, Counter;
        /// Connections that have ended since the peer gave no sign of life.
        DisconnectsTimeout = "disconnects_timeout", Count, Counter;
        /// Connections that this side has ended.
        DisconnectsOwn = "disconnects_own", Count, Counter;
        /// Connections that were closed at once, since their address is refused for a while.
        Bans = "bans", Count, Counter;
        /// Connections that were closed at once, since a limit was reached or a rule keeps their address out.
        ConnectionsRefused = "connections_refused", Count, Counter;
        /// Subscriptions of peers that were refused by a limit.
        SubscriptionsRefused = "subscriptions_refused", Count, Counter;
        /// Subscriptions and memberships of peers, at present.
        Subscriptions = "subscriptions", Count, Gauge;
        /// Handshakes of QZMQ that have succeeded.
        QzmqHandshakesSucceeded = "qzmq_handshakes_succeeded", Count, Counter;
        /// Handshakes of QZMQ in which a peer was turned away, or turned this side away.
        QzmqHandshakesFailedAuth = "qzmq_handshakes_failed_auth", Count, Counter;
        /// Handshakes of QZMQ that broke the protocol, or in which a key was wrong.
        QzmqHandshakesFailedProtocol = "qzmq_handshakes_failed_protocol", Count, Counter;
        /// Handshakes of QZMQ that took too long.
        QzmqHandshakesFailedTimeout = "qzmq_handshakes_failed_timeout", Count, Counter;
        /// Handshakes of QZMQ whose stream has ended or broken.
        QzmqHandshakesFailedStream = "qzmq_handshakes_failed_stream", Count, Counter;
        /// Messages that have gone out in records of QZMQ, and subscriptions. Of ended connections.
        QzmqMessagesEncrypted = "qzmq_messages_encrypted", Messages, Counter;
        /// Messages that have come in records of QZMQ, and subscriptions. Of ended connections.
        QzmqMessagesDecrypted = "qzmq_messages_decrypted", Messages, Counter;
        /// Times that either side has begun to replace the keys of a connection of QZMQ. Of ended connections.
        QzmqKeyUpdates = "qzmq_key_updates", Count, Counter;
        /// Handshakes and records of QZMQ that were not authentic: a wrong key, tag or certificate, or a refusal.
        QzmqAuthFailures = "qzmq_auth_failures", Count, Counter;
        /// Records among them that had come before. Of ended connections.
        QzmqReplayAttempts = "qzmq_replay_attempts", Count, Counter;
        /// Subscriptions and ends of those that the program of an XPUB is yet to hear of.
        NotificationsWaiting = "notifications_waiting", Count, Gauge;
        /// Messages of peers that an XPUB has taken in, and that its program is yet to receive.
        MessagesWaiting = "messages_waiting", Messages, Gauge;
        /// Connections of CURVE that have ended since a box came twice, or too late.
        CurveReplays = "curve_replays", Count, Counter;
        /// Messages that have gone to the streams of its connections or as datagrams, and subscriptions.
        TransportMessagesSent = "transport_messages_sent", Messages, Counter;
        /// Messages that have come from the streams of its connections or as datagrams, and subscriptions.
        TransportMessagesReceived = "transport_messages_received", Messages, Counter;
    }
}

counters! {
    /// What is counted for an I/O thread.
    IoThreadCounter {
        /// Times that it has asked the system what is ready.
        Polls = "polls", Count, Counter;
        /// Events that the system has told it of.
        Events = "events", Count, Counter;
        /// Times that other threads have woken it.
        Wakeups = "wakeups", Count, Counter;
        /// The time in which it was not asleep or asking.
        BusyTime = "busy_time", Nanoseconds, Counter;
        /// Listeners, connections and what else it serves, at present.
        Sources = "sources", Count, Gauge;
    }
}

counters! {
    /// Why a message did not arrive.
    Reason {
        /// The high-water mark was reached.
        HighWaterMark = "high_water_mark", Messages, Counter;
        /// No peer had subscribed to it.
        NoSubscriber = "no_subscriber", Messages, Counter;
        /// It was for a peer that is not known.
        Unroutable = "unroutable", Messages, Counter;
        /// A newer one has taken its place.
        Conflate = "conflate", Messages, Counter;
        /// It was larger than the socket takes.
        OverSize = "over_size", Messages, Counter;
        /// ZMQ_LINGER was over before it had left.
        LingerOver = "linger_over", Messages, Counter;
        /// The connection or the pipe has ended with it in between.
        Disconnected = "disconnected", Messages, Counter;
        /// Its envelope was wrong, or the socket was in no state that takes it.
        Malformed = "malformed", Messages, Counter;
        /// The socket has not subscribed to it, or has not joined its group.
        Filtered = "filtered", Messages, Counter;
    }
}

counters! {
    /// What is counted for a connection. The first six belong to the sending half, the next six to the receiving half.
    ConnectionCounter {
        /// Messages that have gone to the stream, the last one perhaps in part, and subscriptions.
        MessagesSent = "messages_sent", Messages, Counter;
        /// Bytes that have gone to the stream since the handshake, and what the stream had not taken of that.
        BytesSent = "bytes_sent", Bytes, Counter;
        /// System calls for sending.
        SendCalls = "send_calls", Count, Counter;
        /// System calls for sending that the stream had no room for.
        SendsBlocked = "sends_blocked", Count, Counter;
        /// Heartbeats and answers to those of the peer.
        ControlSent = "control_sent", Count, Counter;
        /// Key updates of this side.
        KeyUpdatesSent = "key_updates_sent", Count, Counter;
        /// Messages that have come from the stream, and subscriptions.
        MessagesReceived = "messages_received", Messages, Counter;
        /// Bytes that have come from the stream since the handshake.
        BytesReceived = "bytes_received", Bytes, Counter;
        /// System calls for receiving.
        ReceiveCalls = "receive_calls", Count, Counter;
        /// System calls for receiving that found nothing.
        ReceivesEmpty = "receives_empty", Count, Counter;
        /// Key updates of the peer.
        KeyUpdatesReceived = "key_updates_received", Count, Counter;
        /// Boxes that had come before, or were too old to tell.
        Replays = "replays", Count, Counter;
        /// Times that the I/O thread was woken for it.
        Wakeups = "wakeups", Count, Counter;
        /// How long the handshake took.
        HandshakeTime = "handshake_time", Nanoseconds, Gauge;
        /// Boxes that were not authentic.
        AuthFailures = "auth_failures", Count, Counter;
    }
}

/// Upper ends of the classes of handshake times, in nanoseconds. A last class has all that took longer.
pub const HANDSHAKE_CLASSES_NS: [u64; 11] = [
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    500_000_000,
    1_000_000_000,
    5_000_000_000,
];

/// The name of QZMQ, as records of connections have it.
pub const QZMQ: &str = "QZMQ";

/// What connections of QZMQ count, and what it is for their socket.
pub const OF_QZMQ: [(ConnectionCounter, SocketCounter); 6] = [
    (ConnectionCounter::MessagesSent, SocketCounter::QzmqMessagesEncrypted),
    (ConnectionCounter::MessagesReceived, SocketCounter::QzmqMessagesDecrypted),
    (ConnectionCounter::KeyUpdatesSent, SocketCounter::QzmqKeyUpdates),
    (ConnectionCounter::KeyUpdatesReceived, SocketCounter::QzmqKeyUpdates),
    (ConnectionCounter::AuthFailures, SocketCounter::QzmqAuthFailures),
    (ConnectionCounter::Replays, SocketCounter::QzmqReplayAttempts),
];

/// What a handshake of QZMQ that ends so is counted as besides.
pub fn of_qzmq(end: SocketCounter) -> Option<SocketCounter> {
    match end {
        SocketCounter::HandshakesSucceeded => Some(SocketCounter::QzmqHandshakesSucceeded),
        SocketCounter::HandshakesFailedAuth => Some(SocketCounter::QzmqHandshakesFailedAuth),
        SocketCounter::HandshakesFailedProtocol => Some(SocketCounter::QzmqHandshakesFailedProtocol),
        SocketCounter::HandshakesFailedTimeout => Some(SocketCounter::QzmqHandshakesFailedTimeout),
        SocketCounter::HandshakesFailedStream => Some(SocketCounter::QzmqHandshakesFailedStream),
        _ => None,
    }
}

/// A time as decimals.
pub fn seconds(nanoseconds: u64) -> String {
    let text = format!("{}.{:09}", nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

#[cfg(all(test, not(loom)))]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_fit_for_every_form_and_differ() {
        let of_socket = SocketCounter::ALL.iter().map(|counter| counter.description());
        let of_connection = ConnectionCounter::ALL.iter().map(|counter| counter.description());
        let reasons = Reason::ALL.iter().map(|reason| reason.description());
        for descriptions in [of_socket.collect::<Vec<_>>(), of_connection.collect(), reasons.collect()] {
            let names: BTreeSet<_> = descriptions.iter().map(|description| description.name).collect();
            assert_eq!(names.len(), descriptions.len());
            for description in descriptions {
                let fit = |c: char| c.is_ascii_lowercase() || c == '_';
                assert!(description.name.chars().all(fit), "{}", description.name);
                assert!(description.help.ends_with('.') && !description.help.starts_with(' '));
                assert!(!description.help.contains(['\t', '\n']));
            }
        }
    }

    #[test]
    fn classes_of_times_grow() {
        assert!(HANDSHAKE_CLASSES_NS.is_sorted());
    }
}
