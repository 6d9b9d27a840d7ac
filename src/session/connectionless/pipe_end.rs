//! The session's end of a pipe, without a connection: what all exchanges do with it.

use crate::counters::{Reason, SocketCounter};
use crate::pipe::{End, LaneReader, LaneWriter, Pipe};
use crate::reactor::SourceContext;
use crate::session::SocketLink;
use crate::session::letterbox::Flags;
use crate::session::lifecycle::linger;
use crate::session::remote::SessionRemote;
use std::sync::Arc;

/// The session's end of a pipe, and the way to the socket at its other end.
pub struct PipeEnd {
    owner: Arc<SocketLink>,
    remote: Arc<SessionRemote>,
    /// The socket has closed its end: only the rest is sent.
    pub closing: bool,
    // The lanes go before the end does.
    pub reader: LaneReader,
    pub writer: LaneWriter,
    end: End,
}

/// What an exchange does once it has read its letterbox.
pub enum Wake {
    /// It sends and receives.
    GoOn,
    /// It sends what is left: the socket has closed its end.
    SendRest,
    /// Nothing: the socket had closed its end before, or does not linger.
    Rest,
}

impl PipeEnd {
    pub fn new(owner: Arc<SocketLink>, remote: Arc<SessionRemote>, pipe: Pipe) -> PipeEnd {
        let (reader, writer, end) = pipe.into_parts();
        PipeEnd { owner, remote, closing: false, reader, writer, end }
    }

    /// Another thread has left flags in the letterbox, or has written to the pipe or read from it.
    pub fn wake(&mut self, cx: &mut SourceContext<'_>) -> Wake {
        let flags = self.remote.letterbox.take().flags;
        if flags.has(Flags::MARKS_CHANGED) {
            self.reader.heed_mark();
        }
        if !flags.has(Flags::PEER_CLOSED.or(Flags::TERMINATE)) {
            return Wake::GoOn;
        }
        if std::mem::replace(&mut self.closing, true) {
            return Wake::Rest;
        }
        self.end.close();
        let linger_ms = self.remote.letterbox.linger_ms().unwrap_or_else(|| self.owner.linger_ms());
        if linger::begin(cx, linger_ms) { Wake::SendRest } else { Wake::Rest }
    }

    /// A message was dropped.
    pub fn dropped(&self, reason: Reason) {
        self.owner.record.dropped(reason, 1);
    }

    /// A message was taken to the network, or from there.
    pub fn count(&self, counter: SocketCounter) {
        self.owner.record.add(counter, 1);
    }

    /// The pipe is empty. Whether it stays so.
    pub fn is_over(&mut self) -> bool {
        self.closing || self.reader.bytes_ended()
    }

    pub fn finish_if_over(&mut self, cx: &mut SourceContext<'_>) {
        if self.is_over() {
            cx.finish();
        }
    }
}

#[cfg(any(feature = "norm", feature = "pgm"))]
mod multicast {
    use super::PipeEnd;
    use crate::counters::{Reason, SocketCounter};
    use crate::engine::multicast::{Limits, Message};
    use crate::errno::Result;
    use crate::message::OutFrame;
    use crate::options::SocketOptions;
    use crate::pipe::LaneWriter;
    use crate::session::connection::recv;
    use std::collections::VecDeque;

    impl PipeEnd {
        /// Passes whole messages to the socket. `false`: the pipe has no room for all of them, and its reader will wake the exchange.
        pub fn deliver(&mut self, messages: &mut VecDeque<Message>) -> bool {
            while let Some(message) = messages.front() {
                if !self.writer.check() {
                    return false;
                }
                if append(&mut self.writer, message).is_err() {
                    // There is no memory for this message: it is dropped.
                    self.writer.rollback();
                    self.dropped(Reason::OverSize);
                }
                self.writer.note_depth();
                messages.pop_front();
            }
            true
        }

        /// Takes note of messages that have come from the network.
        pub fn count_received(&self, messages: usize) {
            self.owner.record.add(SocketCounter::TransportMessagesReceived, messages as u64);
        }

        /// Takes note of messages whose last byte the protocol's library has taken. It sends them by itself.
        pub fn count_sent(&self, messages: usize) {
            self.owner.record.add(SocketCounter::TransportMessagesSent, messages as u64);
        }

        /// Messages are lost that wait for room in the pipe, or that the protocol's library has refused.
        pub fn lose(&self, messages: usize) {
            self.owner.record.dropped(Reason::Disconnected, messages as u64);
        }

        /// Messages are lost that have come out of the pipe, and that the protocol's library has not taken whole.
        pub fn lose_unsent(&self, messages: usize) {
            let reason = if self.closing { Reason::LingerOver } else { Reason::Disconnected };
            self.owner.record.dropped(reason, messages as u64);
        }

        /// Drops subscriptions, which do not travel.
        pub fn drop_subscriptions(&mut self) {
            while self.reader.read().is_some() {}
        }
    }

    /// A message of any number of frames. Errors: `ENOMEM`.
    fn append(writer: &mut LaneWriter, message: &[Vec<u8>]) -> Result<()> {
        for (i, frame) in message.iter().enumerate() {
            writer.append(&mut OutFrame::bytes(frame, i + 1 < message.len()))?;
        }
        writer.flush();
        Ok(())
    }

    pub fn limits(options: &SocketOptions) -> Limits {
        let limits = recv::Limits::of(options);
        Limits { frame: limits.frame, message: limits.message }
    }
}

#[cfg(any(feature = "norm", feature = "pgm"))]
pub use multicast::limits;
